"""The first layer of few units on rows as blocks with plain SGD, whose decay and centring are folded into factors.

Strung together from ``kernels/narrow_sgd.py``; ``block_layer.py`` has what is folded into nothing.
"""

from . import barrier
from ._jit import core
from .block_layer import PREFETCH_ROWS, narrow_weights
from .kernels import narrow_samples, narrow_sgd, sparse
from .layers import work_gradient
from .layout import STEP
from .simd import lanes, pointer
from .units import plane
from .weight_order import reorder


@core
def _folded(work, piece):
    """Pointers to u and q of a slice."""
    start = piece * work.tiles.u.shape[1]
    return pointer(work.tiles.u, start), pointer(work.tiles.q, start)


@core
def _products(work, piece):
    """Pointer to s of the minibatch's samples."""
    return pointer(work.tiles.products, piece * work.tiles.products.shape[1])


@core
def _columns(work, like):
    """Sums of a tile's accumulators, in whole vectors."""
    return -(-work.tiles.width // lanes(like)) * lanes(like)


def begin_call(rows, net, work, optimizer, thread, n_threads):
    """Put the weights in the order of the blocks; no thread goes on before."""
    reorder(net, rows, work, net.packed, True, thread, n_threads)
    barrier.wait(work.arrivals, thread, n_threads)


def end_call(rows, net, work, optimizer, thread, n_threads):
    """Put the weights back, once no thread works on them any more."""
    barrier.wait(work.arrivals, thread, n_threads)
    reorder(net, rows, work, net.packed, False, thread, n_threads)


def settle(rows, net, work, optimizer, minibatch, begin, end):
    """Turn what is folded into plain weights if ``minibatch`` is one to do so."""
    if minibatch % optimizer.period != 0:
        return
    offset, w = pointer(rows.offset, 0), narrow_weights(net)
    for piece in range(begin, end):
        alpha, (u, q) = work.tiles.alpha[piece, 0], _folded(work, piece)
        narrow_sgd.narrow_settle(offset, w, work.tiles, rows.cuts[piece], rows.cuts[piece + 1], alpha, u, q)
        work.tiles.alpha[piece, 0] = 1.0


def forward(rows, net, optimizer, order, first, count, work, place, begin, end, thread):
    """Partial sums of the slices ``begin`` to ``end``."""
    w, step = narrow_weights(net), net.layers[0, STEP]
    base, ahead = work_gradient(work, thread), PREFETCH_ROWS
    for piece in range(begin, end):
        samples = narrow_samples.samples_of(work, thread, piece)
        alpha, (u, q), products = work.tiles.alpha[piece, 0], _folded(work, piece), _products(work, piece)
        sparse.forward_base(rows.squares[piece], u, q, alpha, _columns(work, w), base)
        folded = narrow_sgd.Folded(w, u, base, alpha, products)
        z = plane(net, work, place, piece, 0)
        narrow_sgd.narrow_forward_folded(rows, order, first, count, piece, work.tiles, folded, samples, z, step, ahead)


def update(rows, net, optimizer, order, first, dout, count, work, begin, end, thread):
    """Update v, u, q and alpha of the slices ``begin`` to ``end``."""
    w, step = narrow_weights(net), net.layers[0, STEP]
    rate, keep = optimizer.learning_rate, 1.0 - optimizer.learning_rate * optimizer.weight_decay
    for piece in range(begin, end):
        samples = narrow_samples.samples_of(work, thread, piece)
        alpha, (u, q), products = work.tiles.alpha[piece, 0], _folded(work, piece), _products(work, piece)
        factor = -rate / (keep * alpha)
        scaled = factor * rows.factor
        narrow_sgd.narrow_step(rows, order, first, piece, samples, count, work.tiles, dout, step, scaled, w)
        sparse.fold(products, 1, count, dout, step, factor, keep, rate, _columns(work, w), u, q)
        work.tiles.alpha[piece, 0] = alpha * keep
