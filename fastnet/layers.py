"""Layers, compiled: what a pass works on, and the forward and update of one layer. No maths here.

``first_layer.py`` adds the kinds of first layer, ``passes.py`` strings layers together.
"""

from typing import Any, NamedTuple

from numba.extending import overload

from ._jit import OVERLOAD, core, kernel
from .kernels import accumulation, activations, adam, dense, sgd
from .kernels.accumulation import Accumulated, Kept
from .layout import ACTIVATION, N_IN, N_OUT, PACKED_BIAS, PACKED_WEIGHTS, STEP
from .simd import pointer, shift
from .views import ViewType, class_of, field_type

# Rows of a weight gradient that are computed, then used to update at once, while they lie in the L1 cache.
UPDATE_ROWS = 32

# Columns of a workspace's table of places: offsets into its buffer, one row a layer.
# PLANES is the first layer's: partial sums of its slices, then, if minibatches come in groups, a group's gradients of
# its outputs. SLOPES are only there if a network trains with them.
OUTPUT, DELTA, TRANSPOSED, PLANES, SLOPES = range(5)


class Net(NamedTuple):
    """A network while compiled code works on it."""

    packed: Any  # packed parameters
    layers: Any  # (L, 8) int64, the table of layout.py


class Work(NamedTuple):
    """Buffers of one fit."""

    batch_size: int  # rows of the largest minibatch, or of those of it that are worked on together
    n_rows: int  # rows of all threads together
    buffer: Any  # outputs, deltas and transposed weights
    places: Any  # (L, 5) int64
    cuts: Any  # (n_slices + 1,) int64: where the inputs are cut
    units: Any  # (threads + 1,) int64: units of the first layer that each thread owns
    tiles: Any  # gathered rows of a minibatch or group, each thread its own: DenseTiles, or what lists take
    gradients: Any  # (threads, n), the gradient of a block of weights
    losses: Any  # (B,) or more, float64, already scaled
    hits: Any  # as many, int64
    summed: Any  # (1,) float64: losses of a compiled call's minibatches
    arrivals: Any  # barrier
    group: Any  # GroupWork, or None


class DenseTiles(NamedTuple):
    """The gathered rows of a minibatch or micro-batch, for each thread, and what goes with the weights of few units."""

    rows: Any  # (threads, B, step)
    room: Any  # as large as the first layer's weights, or empty
    width: int  # accumulators of the tiles of ``narrow_dense.py``, or 0


class Gradient(NamedTuple):
    """Stands where an optimizer does: adds the gradients up instead of using them."""

    packed: Any  # laid out like the packed parameters


# -- shares and places ---------------------------------------------------------------------------------


@core
def share(total, unit, part, parts):
    """Range of ``total`` that part ``part`` of ``parts`` takes, cut at multiples of ``unit``."""
    units = -(-total // unit)
    return min(total, units * part // parts * unit), min(total, units * (part + 1) // parts * unit)


@core
def delta_place(net, work, layer):
    """Place of the gradients of a layer's outputs before its activation; the last layer's replace its logits."""
    return work.places[layer, OUTPUT if layer == len(net.layers) - 1 else DELTA]


# -- optimizers ----------------------------------------------------------------------------------------


def begin_minibatch(optimizer, k, thread):
    """Return the optimizer as minibatch ``k`` of its epoch applies it; each thread calls this."""
    raise NotImplementedError


@core
def _count_step(optimizer, k, thread):
    t = optimizer.before + k + 1
    if thread == 0:
        optimizer.steps[0] = t
    return t


def _begin_adam(optimizer, k, thread):
    return adam.update_of(optimizer, _count_step(optimizer, k, thread), optimizer.weight_decay)


def _begin_accumulated(optimizer, k, thread):
    step = begin_minibatch(optimizer.optimizer, k, thread)
    return accumulation.part_of(optimizer, step, optimizer.begins, optimizer.ends)


def _begin_any(optimizer, k, thread):
    return optimizer


# With a weight decay for each minibatch, an array.


def _begin_adam_decays(optimizer, k, thread):
    return adam.update_of(optimizer, _count_step(optimizer, k, thread), optimizer.weight_decay[k])


def _begin_sgd_decays(optimizer, k, thread):
    decay = optimizer.weight_decay[k]
    return sgd.Sgd(optimizer.learning_rate, optimizer.momentum, optimizer.nesterov, decay, optimizer.velocity)


def _begin_folded_decays(optimizer, k, thread):
    return sgd.FoldedSgd(optimizer.learning_rate, optimizer.weight_decay[k], optimizer.period)


_BEGIN = {adam.Adam: _begin_adam, Accumulated: _begin_accumulated}
_BEGIN_DECAYS = {
    adam.Adam: _begin_adam_decays,
    sgd.Sgd: _begin_sgd_decays,
    sgd.FoldedSgd: _begin_folded_decays,
}


@overload(begin_minibatch, jit_options=OVERLOAD)
def _choose_begin(optimizer, k, thread):
    decays = isinstance(field_type(optimizer, "weight_decay"), ViewType)
    return (_BEGIN_DECAYS if decays else _BEGIN).get(class_of(optimizer), _begin_any)


def apply(optimizer, packed, offset, gradient, n, decay):
    """Use the gradients of ``n`` neighbouring parameters; which optimizer is decided when compiling."""
    raise NotImplementedError


def _apply_sgd(optimizer, packed, offset, gradient, n, decay):
    w, weight_decay = pointer(packed, offset), optimizer.weight_decay if decay else 0.0
    if optimizer.velocity.size == 0:
        sgd.sgd_plain(w, gradient, n, optimizer.learning_rate, weight_decay)
    else:
        sgd.sgd_momentum(
            w,
            gradient,
            pointer(optimizer.velocity, offset),
            n,
            optimizer.learning_rate,
            optimizer.momentum,
            optimizer.nesterov,
            weight_decay,
        )


def _apply_folded(optimizer, packed, offset, gradient, n, decay):
    weight_decay = optimizer.weight_decay if decay else 0.0
    sgd.sgd_plain(pointer(packed, offset), gradient, n, optimizer.learning_rate, weight_decay)


def _apply_adam(optimizer, packed, offset, gradient, n, decay):
    m, v = pointer(optimizer.m, offset), pointer(optimizer.v, offset)
    adam.adam(pointer(packed, offset), gradient, m, v, n, optimizer.weights if decay else optimizer.biases)


def _apply_gradient(optimizer, packed, offset, gradient, n, decay):
    for i in range(n):
        optimizer.packed[offset + i] += gradient[i]


def _apply_kept(optimizer, packed, offset, gradient, n, decay):
    accumulation.keep(pointer(optimizer.gradient, offset), gradient, n, optimizer.begins)


_OPTIMIZERS = {
    sgd.Sgd: _apply_sgd,
    sgd.FoldedSgd: _apply_folded,
    adam.Update: _apply_adam,
    Gradient: _apply_gradient,
    Kept: _apply_kept,
}


@overload(apply, jit_options=OVERLOAD)
def _choose_optimizer(optimizer, packed, offset, gradient, n, decay):
    return _OPTIMIZERS.get(class_of(optimizer))


# -- one layer -----------------------------------------------------------------------------------------


@core
def activate_rows(code, out, step, rows, first, last):
    """Apply an activation in place to columns ``first`` to ``last``; in one go if these are whole rows."""
    if last - first == step:
        activations.activation_forward(code, out, out, rows * step)
    else:
        for m in range(rows):
            row = shift(out, m * step + first)
            activations.activation_forward(code, row, row, last - first)


@core
def work_gradient(work, thread):
    """Room of a thread for the gradient of a block of weights."""
    return pointer(work.gradients, thread * work.gradients.shape[1])


@core
def gathered(work, thread):
    """Gathered rows of a thread, and their step."""
    step = work.tiles.rows.shape[2]
    return pointer(work.tiles.rows, thread * work.tiles.rows.shape[1] * step), step


@core
def layer_columns(net, layer):
    """Columns of a layer that are computed: its outputs, rounded up to whole vectors."""
    return dense.padded(net.layers[layer, N_OUT], pointer(net.packed, 0))


@kernel
def layer_forward(net, layer, x, x_step, out, rows, first, last):
    """One layer on ``rows`` rows, for the columns from ``first`` to ``last``."""
    n_in, step = net.layers[layer, N_IN], net.layers[layer, STEP]
    w = pointer(net.packed, net.layers[layer, PACKED_WEIGHTS])
    b = pointer(net.packed, net.layers[layer, PACKED_BIAS])
    dense.dense_forward(x, x_step, w, b, out, step, rows, n_in, first, last, layer_columns(net, layer))
    activate_rows(net.layers[layer, ACTIVATION], out, step, rows, first, last)


@kernel
def update_panel(net, optimizer, layer, column, x, x_step, dout, rows, first, last, gradient):
    """Gradient of rows ``first`` to ``last`` of one panel of weights, used as soon as it is known."""
    n_in, step = net.layers[layer, N_IN], net.layers[layer, STEP]
    width = min(dense.panel_width(x), layer_columns(net, layer) - column)
    offset = net.layers[layer, PACKED_WEIGHTS] + n_in * column
    for i in range(first, last, UPDATE_ROWS):
        n = min(UPDATE_ROWS, last - i)
        dense.dense_backward_weights(shift(x, i), x_step, shift(dout, column), step, rows, gradient, width, n)
        apply(optimizer, net.packed, offset + i * width, gradient, n * width, True)


@kernel
def update_bias(net, optimizer, layer, dout, rows, first, last, gradient):
    """Gradient of the biases from column ``first`` to ``last``, one panel at a time."""
    step, width = net.layers[layer, STEP], dense.panel_width(dout)
    for j in range(first, last, width):
        n = min(width, last - j)
        dense.dense_backward_bias(shift(dout, j), step, rows, gradient, n)
        apply(optimizer, net.packed, net.layers[layer, PACKED_BIAS] + j, gradient, n, False)
