"""One layer after the first, compiled: weights in panels beside their transpose, or only the transpose. No maths here.

Where minibatches come in groups a compiled call has the transpose only: see ``kernels/few_rows.py``. The type of the
buffers decides when compiling.
"""

from numba.extending import overload

from ._jit import OVERLOAD, core, kernel
from .kernels import dense, few_rows
from .kernels.groups import GroupWork
from .layers import TRANSPOSED, activate_rows, layer_columns, layer_forward, share
from .layout import ACTIVATION, N_IN, N_OUT, PACKED_BIAS, PACKED_WEIGHTS, STEP
from .simd import pointer
from .views import class_of, field_type


def begin_call(net, work):
    """Bring the weights to where the other functions expect them; thread 0 begins a compiled call with it."""
    raise NotImplementedError


def end_call(net, work):
    """Opposite of ``begin_call``."""
    raise NotImplementedError


def forward(net, work, layer, x, x_step, out, rows):
    """Outputs of a layer for ``rows`` rows."""
    raise NotImplementedError


def backward_input(net, work, layer, dout, rows, dx):
    """Gradients ``dx`` of a layer's inputs, without the derivative of the activation before."""
    raise NotImplementedError


# -- panels and their transpose ------------------------------------------------------------------------


@kernel
def transpose_share(net, work, thread, n_threads):
    """Copy this thread's rows of the weights of all layers but the first into their transposes."""
    for layer in range(1, len(net.layers)):
        n_in, n_out = net.layers[layer, N_IN], net.layers[layer, N_OUT]
        w = pointer(net.packed, net.layers[layer, PACKED_WEIGHTS])
        wt = pointer(work.buffer, work.places[layer, TRANSPOSED])
        top, bottom = share(n_in, dense.panel_width(w), thread, n_threads)
        for column in range(0, n_out, dense.panel_width(w)):
            dense.pack_transposed(w, n_in, n_out, column, top, bottom, wt)


def _begin_panels(net, work):
    transpose_share(net, work, 0, 1)


def _end_panels(net, work):
    pass


def _forward_panels(net, work, layer, x, x_step, out, rows):
    layer_forward(net, layer, x, x_step, out, rows, 0, layer_columns(net, layer))


def _backward_panels(net, work, layer, dout, rows, dx):
    n_in, n_out = net.layers[layer, N_IN], net.layers[layer, N_OUT]
    wt, columns = pointer(work.buffer, work.places[layer, TRANSPOSED]), dense.padded(n_in, dout)
    dense.dense_backward_input(dout, net.layers[layer, STEP], wt, rows, n_out, dx, net.layers[layer - 1, STEP], columns)


# -- the transpose only --------------------------------------------------------------------------------


@core
def transpose_of(net, work, layer):
    """Rows of a layer's transposed weights, and their distance."""
    wt = pointer(work.buffer, work.places[layer, TRANSPOSED])
    return wt, dense.padded(net.layers[layer, N_IN], wt)


def _begin_rows(net, work):
    for layer in range(1, len(net.layers)):
        w, (wt, step) = pointer(net.packed, net.layers[layer, PACKED_WEIGHTS]), transpose_of(net, work, layer)
        few_rows.to_rows(w, net.layers[layer, N_IN], net.layers[layer, N_OUT], wt, step)


def _end_rows(net, work):
    for layer in range(1, len(net.layers)):
        w, (wt, step) = pointer(net.packed, net.layers[layer, PACKED_WEIGHTS]), transpose_of(net, work, layer)
        few_rows.from_rows(w, net.layers[layer, N_IN], net.layers[layer, N_OUT], wt, step)


def _forward_rows(net, work, layer, x, x_step, out, rows):
    n_in, step, columns = net.layers[layer, N_IN], net.layers[layer, STEP], layer_columns(net, layer)
    (wt, wt_step), b = transpose_of(net, work, layer), pointer(net.packed, net.layers[layer, PACKED_BIAS])
    for m in range(rows):  # an activation may have made something of the padding
        for i in range(n_in, wt_step):
            x[m * x_step + i] = 0
    few_rows.few_forward(x, x_step, wt, wt_step, wt_step, b, out, step, rows, columns)
    activate_rows(net.layers[layer, ACTIVATION], out, step, rows, 0, columns)


def _backward_rows(net, work, layer, dout, rows, dx):
    (wt, step), n_out = transpose_of(net, work, layer), net.layers[layer, N_OUT]
    few_rows.few_backward_input(
        dout, net.layers[layer, STEP], wt, step, rows, n_out, dx, net.layers[layer - 1, STEP], step
    )


# -- choice --------------------------------------------------------------------------------------------


def _grouped(work):
    return class_of(field_type(work, "group")) is GroupWork


@overload(begin_call, jit_options=OVERLOAD)
def _choose_begin(net, work):
    return _begin_rows if _grouped(work) else _begin_panels


@overload(end_call, jit_options=OVERLOAD)
def _choose_end(net, work):
    return _end_rows if _grouped(work) else _end_panels


@overload(forward, jit_options=OVERLOAD)
def _choose_forward(net, work, layer, x, x_step, out, rows):
    return _forward_rows if _grouped(work) else _forward_panels


@overload(backward_input, jit_options=OVERLOAD)
def _choose_backward(net, work, layer, dout, rows, dx):
    return _backward_rows if _grouped(work) else _backward_panels
