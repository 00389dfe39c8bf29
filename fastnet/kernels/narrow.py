"""First layer of few units on rows as blocks.   x (B, I) as blocks, w (n_blocks, T, L), z (B, O)

z  = (x + offset) @ w          dw = (x + offset).T @ dz

A block has as many columns as a short vector has lanes L (8 in float32), so that the inputs lie along the lanes and no
lane is wasted on units that there are not: 10 units are 10 accumulators, where lanes along the units would need 2 x 8.
T is the number of accumulators, 6 or 10; there are two loops for it. Blocks of 16, whole registers of AVX-512, would be
half empty: MNIST's rows have 32 blocks of 8, and 20 of 16 (784-10-10 at B = 32 on Zen 5: 0.80 to 0.84 of the time).

forward    one sample after the other: each block adds T products to T sums of L lanes, which are added up at the end.
           On the way each block is told which samples have it, a bit for each.
backward   one block after the other: the samples that have it add to T x L gradients.

Bits and not lists of samples: a list's length is read and written again for each block of each sample, and where
values go depends on it (784-10-10, B = 32, one Zen 3 core: 4.8 µs a minibatch instead of 4.0). Values are kept as the
user gave them, so that those of a minibatch of pixels stay in the L1 cache.
"""

from typing import Any, NamedTuple

import numpy as np

from .._jit import core, kernel
from ..simd import copy_lanes, lanes, load_as, lowest_bit, pointer, shift, short, single_bit, without_lowest_bit
from ..tiles import tile_load, tile_muladd_outer, tile_muladd_vector, tile_row_sums, tile_store, tile_zeros
from .blocks import ask_for, record

# Accumulators of the tiles: both fit the 16 registers of SSE and AVX2.
FEW, MANY = 6, 10

WORD = 64  # samples whose bits are one number


class Samples(NamedTuple):
    """Pointers to the blocks of one thread's minibatch."""

    masks: Any
    n_blocks: int
    values: Any
    step: int  # of the values of a sample


@core
def samples_of(work, thread):
    """Blocks of a thread's minibatch."""
    masks, values = work.tiles.masks, work.tiles.values
    return Samples(
        pointer(masks, thread * masks.shape[1] * masks.shape[2]),
        masks.shape[2],
        pointer(values, thread * values.shape[1] * values.shape[2]),
        values.shape[2],
    )


@core
def clear(samples, count, begin, end):
    """Let no sample have the blocks ``begin`` to ``end``."""
    for word in range(-(-count // WORD)):
        for block in range(begin, end):
            samples.masks[word * samples.n_blocks + block] = 0


@core
def _forward(tile, width, rows, order, first, count, piece, w, base, samples, z, step, distance):
    scale, like = pointer(rows.scale, 0), short(w)
    size = lanes(like)
    clear(samples, count, rows.cuts[piece], rows.cuts[piece + 1])
    for b in range(count):
        ask_for(rows, order, first + b, distance, piece)
        numbers, values, n = record(rows, order[first + b], piece)
        total, to, bit = tile_load(tile, base, size), shift(samples.values, b * samples.step), single_bit(b % WORD)
        masks = shift(samples.masks, b // WORD * samples.n_blocks)
        for t in range(n):
            block = np.int64(numbers[t])
            x = load_as(values, t * size, like) * load_as(scale, block * size, like)
            copy_lanes(shift(to, block * size), shift(values, t * size), like)
            masks[block] |= bit
            total = tile_muladd_vector(total, x, shift(w, block * width * size), size)
        tile_row_sums(total, shift(z, b * step))


@kernel
def narrow_forward(rows, order, first, count, piece, w, width, base, samples, z, step, distance):
    """Outputs of a slice for samples ``order[first : first + count]`` from offset * w in ``base``; fills ``samples``.

    Asks for the records ``distance`` samples later.
    """
    if width == MANY:
        tile = tile_zeros(short(w), MANY, 1)
        _forward(tile, MANY, rows, order, first, count, piece, w, base, samples, z, step, distance)
    else:
        tile = tile_zeros(short(w), FEW, 1)
        _forward(tile, FEW, rows, order, first, count, piece, w, base, samples, z, step, distance)


@core
def _base(tile, width, offset, w, begin, end, out):
    like, size = short(w), lanes(short(w))
    total = tile_load(tile, out, size)
    for block in range(begin, end):
        total = tile_muladd_vector(total, load_as(offset, block * size, like), shift(w, block * width * size), size)
    tile_store(total, out, size)


@kernel
def narrow_add_base(offset, w, width, begin, end, out):
    """out (T, L) += offset * w, summed over the blocks ``begin`` to ``end`` but not over the lanes."""
    if width == MANY:
        _base(tile_zeros(short(w), MANY, 1), MANY, offset, w, begin, end, out)
    else:
        _base(tile_zeros(short(w), FEW, 1), FEW, offset, w, begin, end, out)


@core
def _gradient(tile, width, scale, offset, samples, count, begin, end, dz, step, totals, dw):
    like, size = short(dw), lanes(short(dw))
    for block in range(begin, end):
        total = tile_muladd_outer(tile, totals, load_as(offset, block * size, like))
        factors = load_as(scale, block * size, like)
        for word in range(-(-count // WORD)):
            bits, first = samples.masks[word * samples.n_blocks + block], word * WORD
            while bits != 0:
                b = first + lowest_bit(bits)
                bits = without_lowest_bit(bits)
                x = load_as(samples.values, b * samples.step + block * size, like) * factors
                total = tile_muladd_outer(total, shift(dz, b * step), x)
        tile_store(total, shift(dw, (block - begin) * width * size), size)


@kernel
def narrow_gradient(scale, offset, samples, count, begin, end, width, dz, step, totals, dw):
    """dw (blocks, T, L) of the blocks ``begin`` to ``end``; ``totals`` is dz.sum(axis=0)."""
    if width == MANY:
        _gradient(tile_zeros(short(dw), MANY, 1), MANY, scale, offset, samples, count, begin, end, dz, step, totals, dw)
    else:
        _gradient(tile_zeros(short(dw), FEW, 1), FEW, scale, offset, samples, count, begin, end, dz, step, totals, dw)
