"""First layer of many units on rows as blocks of 4 columns.   x (B, I) as blocks, w (I, O) in panels, z (B, O)

z  = (x + offset) @ w          dw = (x + offset).T @ dz

The units lie along the lanes. A tile of 4 inputs times up to 3 vectors of units stays in registers while the samples on
a block's list pass: of the weights, while they add to z, or of the gradients.
"""

from .._jit import core, kernel
from ..simd import lanes, prefetch, shift
from ..tiles import tile_dot, tile_load, tile_muladd, tile_plus, tile_store, tile_sum, tile_width, tile_zeros
from .blocks import WIDE


@core
def block_row(block, n_in):
    """First input of a block: the last one lies at the end, even if it shares inputs with the one before."""
    return min(block * WIDE, n_in - WIDE)


# So many blocks earlier weights are asked for where a layer's are more than the caches hold, and pass once a minibatch:
# 784-4096-10, B = 128, takes 0.92 of the time; 3 blocks or 24 are no better.
BLOCKS_AHEAD = 8


@core
def _ask_for(tile, w, block):
    """Ask for the weights of a block."""
    for j in range(0, WIDE * tile_width(tile), lanes(w)):
        prefetch(w, block * WIDE * tile_width(tile) + j)


@core
def _forward(line, tile, n_in, w, base, lists, begin, end, z, step, count, ahead):
    width, start = tile_width(line), tile_load(line, base, 0)
    for b in range(count):
        tile_store(start, shift(z, b * step), 0)
    for block in range(begin, end):
        first = lists.bounds[block]
        last = first + lists.counts[block]
        if first == last:  # its weights need not pass
            continue
        weights = tile_load(tile, shift(w, block_row(block, n_in) * width), width)
        if ahead > 0:
            _ask_for(tile, w, block + ahead)
        for place in range(first, last):
            out = shift(z, int(lists.numbers[place]))
            total = tile_dot(tile_load(line, out, 0), shift(lists.values, place * WIDE), weights)
            tile_store(total, out, 0)


@kernel
def wide_forward(n_in, w, width, base, lists, begin, end, z, step, count, ahead):
    """Outputs of one panel for the samples on the lists of blocks ``begin`` to ``end``; ``base`` is offset @ w.

    The weights of the block ``ahead`` of each are asked for, if that is not 0.
    """
    if width == 3 * lanes(w):
        _forward(tile_zeros(w, 1, 3), tile_zeros(w, WIDE, 3), n_in, w, base, lists, begin, end, z, step, count, ahead)
    elif width == 2 * lanes(w):
        _forward(tile_zeros(w, 1, 2), tile_zeros(w, WIDE, 2), n_in, w, base, lists, begin, end, z, step, count, ahead)
    else:
        _forward(tile_zeros(w, 1, 1), tile_zeros(w, WIDE, 1), n_in, w, base, lists, begin, end, z, step, count, ahead)


@core
def _gradient(tile, n_in, offset, lists, begin, end, dz, totals, dw):
    width, top = tile_width(tile), block_row(begin, n_in)
    for block in range(begin, end):
        row = block_row(block, n_in)
        total, first = tile_muladd(tile, shift(offset, block * WIDE), 1, totals), lists.bounds[block]
        for place in range(first, first + lists.counts[block]):
            total = tile_muladd(total, shift(lists.values, place * WIDE), 1, shift(dz, int(lists.numbers[place])))
        tile_store(total, shift(dw, (row - top) * width), width)


@kernel
def wide_gradient(n_in, offset, lists, begin, end, width, dz, totals, dw):
    """dw (inputs, width) of the blocks ``begin`` to ``end`` and one panel; ``totals`` is dz.sum(axis=0).

    Of a last block that shares inputs with the one before, only its own are right.
    """
    if width == 3 * lanes(dw):
        _gradient(tile_zeros(dw, WIDE, 3), n_in, offset, lists, begin, end, dz, totals, dw)
    elif width == 2 * lanes(dw):
        _gradient(tile_zeros(dw, WIDE, 2), n_in, offset, lists, begin, end, dz, totals, dw)
    else:
        _gradient(tile_zeros(dw, WIDE, 1), n_in, offset, lists, begin, end, dz, totals, dw)


@core
def _step(line, tile, offset, w, lists, begin, end, dz, totals, rate, decay, out, ahead):
    width, base = tile_width(tile), tile_load(line, out, 0)
    for block in range(begin, end):
        at = shift(w, block * WIDE * width)
        if ahead > 0:
            _ask_for(tile, w, block + ahead)
        total, first = tile_muladd(tile, shift(offset, block * WIDE), 1, totals), lists.bounds[block]
        for place in range(first, first + lists.counts[block]):
            total = tile_muladd(total, shift(lists.values, place * WIDE), 1, shift(dz, int(lists.numbers[place])))
        old = tile_load(tile, at, width)
        new = tile_plus(old, -rate, tile_plus(total, decay, old))
        tile_store(new, at, width)
        base = tile_sum(base, tile_dot(line, shift(offset, block * WIDE), new))
    tile_store(base, out, 0)


@kernel
def wide_step(offset, w, lists, begin, end, width, dz, totals, rate, decay, base, ahead):
    """Gradients of blocks that share no inputs, a step of plain SGD with them, and base += their part of offset @ w.

    All of it happens in registers (784-300-10, B = 32: 125 µs a minibatch instead of 144). As ``sgd.plain_core``;
    ``ahead`` as above.
    """
    if width == 3 * lanes(w):
        line, tile = tile_zeros(w, 1, 3), tile_zeros(w, WIDE, 3)
        _step(line, tile, offset, w, lists, begin, end, dz, totals, rate, decay, base, ahead)
    elif width == 2 * lanes(w):
        line2, tile2 = tile_zeros(w, 1, 2), tile_zeros(w, WIDE, 2)
        _step(line2, tile2, offset, w, lists, begin, end, dz, totals, rate, decay, base, ahead)
    else:
        line1, tile1 = tile_zeros(w, 1, 1), tile_zeros(w, WIDE, 1)
        _step(line1, tile1, offset, w, lists, begin, end, dz, totals, rate, decay, base, ahead)


@core
def _base(line, tile, n_in, offset, w, begin, end, out):
    total, width = tile_load(line, out, 0), tile_width(line)
    for block in range(begin, end):
        rows = tile_load(tile, shift(w, block_row(block, n_in) * width), width)
        total = tile_sum(total, tile_dot(line, shift(offset, block * WIDE), rows))
    tile_store(total, out, 0)


@kernel
def add_base(n_in, offset, w, width, begin, end, out):
    """out (width,) += offset @ w of the blocks ``begin`` to ``end`` and one panel."""
    if width == 3 * lanes(w):
        _base(tile_zeros(w, 1, 3), tile_zeros(w, WIDE, 3), n_in, offset, w, begin, end, out)
    elif width == 2 * lanes(w):
        _base(tile_zeros(w, 1, 2), tile_zeros(w, WIDE, 2), n_in, offset, w, begin, end, out)
    else:
        _base(tile_zeros(w, 1, 1), tile_zeros(w, WIDE, 1), n_in, offset, w, begin, end, out)
