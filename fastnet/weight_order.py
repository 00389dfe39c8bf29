"""The order of the first layer's weights while a compiled call lasts: that of the blocks, or inputs along the lanes.

What an optimizer remembers of the weights lies in the same order; before and after a call all lies as in any network.
"""

from numba.extending import overload

from . import barrier
from ._jit import OVERLOAD, core
from .kernels import accumulation, adam, blocks, dense, narrow_dense, sgd
from .layers import Gradient, layer_columns, share
from .layout import N_IN, PACKED_WEIGHTS
from .simd import lanes, pointer, short
from .views import class_of


def reorder(net, rows, work, vector, forth, thread, n_threads):
    """Put a thread's share of the first layer's part of a packed vector in that order, or back."""
    raise NotImplementedError


def _reorder_wide(net, rows, work, vector, forth, thread, n_threads):
    n_in, columns, order = net.layers[0, N_IN], layer_columns(net, 0), pointer(rows.order, 0)
    full = dense.panel_width(pointer(net.packed, 0))
    begin, end = share(columns, full, thread, n_threads)
    for column in range(begin, end, full):
        w = pointer(vector, net.layers[0, PACKED_WEIGHTS] + n_in * column)
        room = pointer(work.tiles.room, n_in * column)
        blocks.permute_panel(w, n_in, min(full, columns - column), order, forth, room)


@core
def _along_lanes(net, rows, work, vector, size, forth, thread):
    """Bring inputs to lie along ``size`` lanes, or back; one thread does it."""
    if thread > 0:
        return
    n_in, columns, width = net.layers[0, N_IN], layer_columns(net, 0), work.tiles.width
    order, room = pointer(rows.order, 0), pointer(work.tiles.room, 0)
    w = pointer(vector, net.layers[0, PACKED_WEIGHTS])
    if forth:
        blocks.to_lanes(w, n_in, columns, size, width, order, room)
    else:
        blocks.from_lanes(w, n_in, columns, size, width, order, room)


def _reorder_short(net, rows, work, vector, forth, thread, n_threads):
    _along_lanes(net, rows, work, vector, lanes(short(pointer(vector, 0))), forth, thread)


def _reorder_vectors(net, rows, work, vector, forth, thread, n_threads):
    _along_lanes(net, rows, work, vector, lanes(pointer(vector, 0)), forth, thread)


_ORDERS = {
    blocks.ColumnBlocks: _reorder_wide,
    blocks.NarrowColumnBlocks: _reorder_short,
    blocks.SharedColumnBlocks: _reorder_short,
    narrow_dense.NarrowRows: _reorder_vectors,
}


@overload(reorder, jit_options=OVERLOAD)
def _choose_reorder(net, rows, work, vector, forth, thread, n_threads):
    return _ORDERS[class_of(rows)]


def reorder_memory(net, rows, work, optimizer, forth, thread, n_threads):
    """Do the same to what an optimizer remembers."""
    raise NotImplementedError


def _reorder_sgd(net, rows, work, optimizer, forth, thread, n_threads):
    if optimizer.velocity.size > 0:
        reorder(net, rows, work, optimizer.velocity, forth, thread, n_threads)


def _reorder_adam(net, rows, work, optimizer, forth, thread, n_threads):
    reorder(net, rows, work, optimizer.m, forth, thread, n_threads)
    reorder(net, rows, work, optimizer.v, forth, thread, n_threads)


def _reorder_accumulated(net, rows, work, optimizer, forth, thread, n_threads):
    reorder_memory(net, rows, work, optimizer.optimizer, forth, thread, n_threads)


def _reorder_gradient(net, rows, work, optimizer, forth, thread, n_threads):
    reorder(net, rows, work, optimizer.packed, forth, thread, n_threads)


_MEMORIES = {
    sgd.Sgd: _reorder_sgd,
    adam.Adam: _reorder_adam,
    accumulation.Accumulated: _reorder_accumulated,
    Gradient: _reorder_gradient,
}


@overload(reorder_memory, jit_options=OVERLOAD)
def _choose_memory(net, rows, work, optimizer, forth, thread, n_threads):
    return _MEMORIES[class_of(optimizer)]


@core
def order(rows, net, work, optimizer, thread, n_threads):
    """Put weights and what is remembered of them in that order; no thread goes on before."""
    reorder(net, rows, work, net.packed, True, thread, n_threads)
    reorder_memory(net, rows, work, optimizer, True, thread, n_threads)
    barrier.wait(work.arrivals, thread, n_threads)


def end_call(rows, net, work, optimizer, thread, n_threads):
    """Put them back, once no thread works on them any more."""
    barrier.wait(work.arrivals, thread, n_threads)
    reorder(net, rows, work, net.packed, False, thread, n_threads)
    reorder_memory(net, rows, work, optimizer, False, thread, n_threads)
