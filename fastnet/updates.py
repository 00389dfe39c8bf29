"""The third stage of a minibatch, compiled: gradients of all weights and biases, and their use. No maths here.

Each thread takes its share: of the first layer its own units, of the others some of their inputs. A gradient is used as
soon as it is known, while it lies in the L1 cache; or, with an optimizer of type ``Accumulated``, all are kept until a
minibatch ends, and their norm is known, with barriers between. The type decides when compiling.
"""

import numpy as np
from numba.extending import overload

from . import barrier, first_layer, later_layer, sampled_output
from ._jit import OVERLOAD, kernel
from .kernels import clipping, dense
from .kernels.accumulation import Accumulated, Kept
from .layers import (
    OUTPUT,
    TRANSPOSED,
    apply,
    delta_place,
    layer_columns,
    share,
    update_bias,
    update_panel,
    work_gradient,
)
from .layout import N_IN, N_OUT, PACKED_BIAS, PACKED_WEIGHTS, STEP
from .simd import pointer
from .units import owned_units
from .views import class_of


def update(net, targets, rows, optimizer, order, first, count, work, number, thread, n_threads):
    """Update this thread's share of all weights and biases."""
    raise NotImplementedError


# -- at once -------------------------------------------------------------------------------------------


@kernel
def _update_later_layer(net, optimizer, layer, x, x_step, dout, rows, work, thread, n_threads):
    """Update this thread's rows of the weights of a layer that is not the first, and of their transpose."""
    gradient, w = work_gradient(work, thread), pointer(net.packed, net.layers[layer, PACKED_WEIGHTS])
    n_in, n_out, width = net.layers[layer, N_IN], net.layers[layer, N_OUT], dense.panel_width(x)
    wt, columns = pointer(work.buffer, work.places[layer, TRANSPOSED]), layer_columns(net, layer)
    top, bottom = share(n_in, width, thread, n_threads)
    for column in range(0, columns, width):
        update_panel(net, optimizer, layer, column, x, x_step, dout, rows, top, bottom, gradient)
        dense.pack_transposed(w, n_in, n_out, column, top, bottom, wt)
    if thread == 0:
        update_bias(net, optimizer, layer, dout, rows, 0, columns, gradient)


def _update_at_once(net, targets, rows, optimizer, order, first, count, work, number, thread, n_threads):
    begin, end = owned_units(work, thread, n_threads)
    dout = pointer(work.buffer, delta_place(net, work, 0))
    first_layer.update(rows, net, optimizer, order, first, dout, count, work, begin, end, thread)
    first_layer.update_biases(net, optimizer, dout, count, work, begin, end, thread)
    for layer in range(1, sampled_output.plain_layers(targets, net)):
        x, x_step = pointer(work.buffer, work.places[layer - 1, OUTPUT]), net.layers[layer - 1, STEP]
        dout = pointer(work.buffer, delta_place(net, work, layer))
        _update_later_layer(net, optimizer, layer, x, x_step, dout, count, work, thread, n_threads)
    sampled_output.update(targets, net, optimizer, order, first, count, work, number, thread, n_threads)


# -- when whole ----------------------------------------------------------------------------------------


@kernel
def _clip_factor(net, work, optimizer, thread, n_threads):
    """What the kept gradients are multiplied with; all threads call it."""
    if optimizer.max_norm == np.inf:
        return 1.0
    g, n, sums = pointer(optimizer.gradient, 0), net.packed.size, optimizer.sums
    begin, end = share(len(sums), 1, thread, n_threads)
    clipping.sum_chunks(g, n, begin, end, sums)
    barrier.wait(work.arrivals, thread, n_threads)
    return clipping.clip_factor(sums, optimizer.max_norm)


@kernel
def _apply_chunks(net, optimizer, factor, thread, n_threads):
    """Use this thread's share of the kept gradients; biases, which do not decay, begin in the middle of a chunk."""
    n, biases = net.packed.size, net.layers[0, PACKED_BIAS]
    begin, end = share(n, clipping.CHUNK, thread, n_threads)
    for start in range(begin, end, clipping.CHUNK):
        stop = min(start + clipping.CHUNK, end)
        g, middle = pointer(optimizer.gradient, start), min(max(biases, start), stop)
        if factor != 1.0:
            clipping.scale(g, stop - start, factor)
        apply(optimizer.optimizer, net.packed, start, g, middle - start, True)
        g = pointer(optimizer.gradient, middle)
        apply(optimizer.optimizer, net.packed, middle, g, stop - middle, False)


def _update_when_whole(net, targets, rows, optimizer, order, first, count, work, number, thread, n_threads):
    kept = Kept(optimizer.gradient, optimizer.begins)
    update(net, targets, rows, kept, order, first, count, work, number, thread, n_threads)
    if not optimizer.ends:
        return
    barrier.wait(work.arrivals, thread, n_threads)
    _apply_chunks(net, optimizer, _clip_factor(net, work, optimizer, thread, n_threads), thread, n_threads)
    barrier.wait(work.arrivals, thread, n_threads)
    later_layer.transpose_share(net, work, thread, n_threads)


@overload(update, jit_options=OVERLOAD)
def _choose_update(net, targets, rows, optimizer, order, first, count, work, number, thread, n_threads):
    return _update_when_whole if class_of(optimizer) is Accumulated else _update_at_once
