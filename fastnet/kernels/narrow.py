"""First layer of few units on rows as blocks.   x (B, I) as blocks, w (n_blocks, T, L), z (B, O)

z  = (x + offset) @ w          dw = (x + offset).T @ dz

A block has as many columns as a short vector has lanes L (8 in float32), so that the inputs lie along the lanes and no
lane is wasted on units that there are not: 10 units are 10 accumulators, where lanes along the units would need 2 x 8.
T is the number of accumulators, 6 or 10. Blocks of 16, whole registers of AVX-512, would be
half empty: MNIST's rows have 32 blocks of 8, and 20 of 16 (784-10-10 at B = 32 on Zen 5: 0.80 to 0.84 of the time).

forward    one sample after the other: each block adds T products to T sums of L lanes, which are added up at the end.
           The bits that say which blocks a sample has are kept.
backward   the bits are turned round, so that each block knows which samples have it. Then one block after the other:
           the samples that have it add to T x L gradients.

Minibatches, and bits, are in ``narrow_samples.py``. Some blocks may be taken of all rows, and four samples or blocks at
a time: see ``narrow_shared.py``.
"""

import numpy as np
from numba.extending import overload

from .._jit import OVERLOAD_CORE, kernel
from ..simd import lanes, load_repeated, pointer, shift, short
from ..tiles import (
    tile_height,
    tile_load,
    tile_muladd_shorts,
    tile_muladd_vector,
    tile_short_totals,
    tile_store,
)
from ..views import class_of
from .blocks import SharedColumnBlocks, ask_for, record
from .narrow_samples import add_listed, copy_block, empty_tile, groups_of, keep_none, keep_sample, value_of
from .narrow_shared import BLOCKS, ROWS, add_samples, four_samples

# -- forward -------------------------------------------------------------------------------------------


def _forward(tile, rows, order, first, count, piece, w, base, samples, z, step, distance):
    raise NotImplementedError


def _forward_four(tile, rows, order, first, count, piece, w, base, samples, z, step, distance):
    start, n_groups = tile_load(tile, base, lanes(w)), groups_of(rows, piece)
    keep_none(samples, count, n_groups)
    for b in range(0, count, ROWS):
        args = rows, order, first, b, count, piece, w, samples, distance, n_groups
        (one, two, three, four), _, (c, d, e) = four_samples(start, *args, True)
        tile_store(tile_short_totals(one), shift(z, b * step), 0)
        tile_store(tile_short_totals(two), shift(z, c * step), 0)
        tile_store(tile_short_totals(three), shift(z, d * step), 0)
        tile_store(tile_short_totals(four), shift(z, e * step), 0)


def _forward_each(tile, rows, order, first, count, piece, w, base, samples, z, step, distance):
    scale, length = pointer(rows.scale, 0), tile_height(tile) * lanes(w)
    n_groups, start = groups_of(rows, piece), tile_load(tile, base, lanes(w))
    keep_none(samples, count, n_groups)
    for b in range(count):
        ask_for(rows, order, first + b, distance, piece)
        found, total = record(rows, order[first + b], piece), start
        keep_sample(samples, b, found, n_groups)
        for t in range(found.n):
            block = np.int64(found.numbers[t])
            copy_block(samples, b, found, t, block, w)
            x = value_of(found.values, t, scale, block, w, True)
            total = tile_muladd_vector(total, x, shift(w, block * length), lanes(w))
        tile_store(tile_short_totals(total), shift(z, b * step), 0)


@overload(_forward, jit_options=OVERLOAD_CORE)
def _choose_forward(tile, rows, order, first, count, piece, w, base, samples, z, step, distance):
    return _forward_four if class_of(rows) is SharedColumnBlocks else _forward_each


@kernel
def narrow_forward(rows, order, first, count, piece, w, tiles, base, samples, z, step, distance):
    """Outputs of a slice for samples ``order[first : first + count]`` from offset * w in ``base``; fills ``samples``.

    Asks for the records ``distance`` samples later.
    """
    _forward(empty_tile(tiles, w), rows, order, first, count, piece, w, base, samples, z, step, distance)


@kernel
def narrow_add_base(offset, w, tiles, begin, end, out):
    """out (T, L) += offset * w, summed over the blocks ``begin`` to ``end`` but not over the lanes."""
    tile = empty_tile(tiles, w)
    total, size, length = tile_load(tile, out, lanes(w)), lanes(short(w)), tile_height(tile) * lanes(w)
    for block in range(begin, end):
        x = load_repeated(offset, block * size, w)
        total = tile_muladd_vector(total, x, shift(w, block * length), lanes(w))
    tile_store(total, out, lanes(w))


# -- backward ------------------------------------------------------------------------------------------


def _gradient_of_all(tile, rows, piece, samples, count, begin, end, dz, step, totals, dw):
    """Those of the blocks ``begin`` to ``end`` that all have."""
    raise NotImplementedError


def _none(tile, rows, piece, samples, count, begin, end, dz, step, totals, dw):
    pass


def _four_at_a_time(tile, rows, piece, samples, count, begin, end, dz, step, totals, dw):
    """Where they are fewer the last stands for those that lack."""
    size, length = lanes(short(dw)), tile_height(tile) * lanes(dw)
    start, scale, offset = rows.cuts[piece], pointer(rows.scale, 0), pointer(rows.offset, 0)
    stop = min(end, start + rows.always)
    for i in range(begin, stop, BLOCKS):
        j, k, m = min(i + 1, stop - 1), min(i + 2, stop - 1), min(i + 3, stop - 1)
        one = tile_muladd_shorts(tile, totals, load_repeated(offset, i * size, dw))
        two = tile_muladd_shorts(tile, totals, load_repeated(offset, j * size, dw))
        three = tile_muladd_shorts(tile, totals, load_repeated(offset, k * size, dw))
        four = tile_muladd_shorts(tile, totals, load_repeated(offset, m * size, dw))
        tiles = one, two, three, four
        one, two, three, four = add_samples(tiles, samples, count, (i, j, k, m), start, scale, dz, step, dw, True)
        tile_store(one, shift(dw, (i - begin) * length), lanes(dw))
        tile_store(two, shift(dw, (j - begin) * length), lanes(dw))
        tile_store(three, shift(dw, (k - begin) * length), lanes(dw))
        tile_store(four, shift(dw, (m - begin) * length), lanes(dw))


@overload(_gradient_of_all, jit_options=OVERLOAD_CORE)
def _choose_gradient(tile, rows, piece, samples, count, begin, end, dz, step, totals, dw):
    return _four_at_a_time if class_of(rows) is SharedColumnBlocks else _none


@kernel
def narrow_gradient(rows, piece, samples, count, begin, end, tiles, dz, step, totals, dw):
    """dw (blocks, T, L) of the blocks ``begin`` to ``end`` of a slice; ``totals`` is dz.sum(axis=0)."""
    tile, size = empty_tile(tiles, dw), lanes(short(dw))
    scale, offset, listed = pointer(rows.scale, 0), pointer(rows.offset, 0), rows.cuts[piece] + rows.always
    _gradient_of_all(tile, rows, piece, samples, count, begin, end, dz, step, totals, dw)
    for block in range(max(begin, listed), end):
        total = tile_muladd_shorts(tile, totals, load_repeated(offset, block * size, dw))
        total, _ = add_listed(total, samples, count, block, listed, scale, dz, step, dw, True)
        tile_store(total, shift(dw, (block - begin) * tile_height(tile) * lanes(dw)), lanes(dw))
