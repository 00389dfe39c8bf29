"""The first layer of few units on dense rows, strung together from ``kernels/narrow_dense.py``.

While a compiled call lasts, the first layer's inputs lie along the lanes: see ``weight_order.py``.
"""

from . import weight_order
from ._jit import core
from .kernels import dense
from .kernels.ahead import next_rows
from .kernels.narrow_dense import narrow_dense_forward, narrow_dense_gradient
from .layers import apply, gathered, work_gradient
from .layout import PACKED_WEIGHTS, STEP
from .simd import lanes, pointer, shift
from .units import plane


@core
def _vectors(work, piece, like):
    """First input of a slice, and its vectors of inputs: a slice is a unit."""
    start = work.cuts[piece]
    return start, dense.padded(work.cuts[piece + 1] - start, like) // lanes(like)


def begin_call(rows, net, work, optimizer, thread, n_threads):
    """Bring the inputs to lie along the lanes; no thread goes on before."""
    weight_order.order(rows, net, work, optimizer, thread, n_threads)


def forward(rows, net, optimizer, order, first, count, work, place, begin, end, thread):
    """Partial sums of the slices ``begin`` to ``end``."""
    (tile, tile_step), step, width = gathered(work, thread), net.layers[0, STEP], work.tiles.width
    for piece in range(begin, end):
        start, n = _vectors(work, piece, tile)
        w, z = pointer(net.packed, net.layers[0, PACKED_WEIGHTS] + start * width), plane(net, work, place, piece, 0)
        ahead = next_rows(rows, order, first + count, count, start, work.cuts[piece + 1])
        narrow_dense_forward(shift(tile, start), tile_step, w, width, n, z, step, count, ahead)


def update(rows, net, optimizer, order, first, dout, count, work, begin, end, thread):
    """Update the weights of the slices ``begin`` to ``end``."""
    (tile, tile_step), step, gradient = gathered(work, thread), net.layers[0, STEP], work_gradient(work, thread)
    width, place = work.tiles.width, net.layers[0, PACKED_WEIGHTS]
    size = width * lanes(dout)
    at_once = work.gradients.shape[1] // size // 2 * 2  # two vectors share the gradients dz
    for piece in range(begin, end):
        start, n = _vectors(work, piece, dout)
        for i in range(0, n, at_once):
            some, column = min(at_once, n - i), start + i * lanes(dout)
            narrow_dense_gradient(shift(tile, column), tile_step, some, width, dout, step, count, gradient)
            apply(optimizer, net.packed, place + column * width, gradient, some * size, True)


def unit_place(rows, net, work, unit):
    """Offset of a slice's weights in the packed parameters, and their number."""
    start, stop, width = work.cuts[unit], work.cuts[unit + 1], work.tiles.width
    return net.layers[0, PACKED_WEIGHTS] + start * width, dense.padded(stop - start, pointer(net.packed, 0)) * width
