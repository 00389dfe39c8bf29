"""First layer of few units on rows as blocks.   x (B, I) as blocks, w (n_blocks, T, L), z (B, O)

z  = (x + offset) @ w          dw = (x + offset).T @ dz

A block has as many columns as a short vector has lanes L (8 in float32), so that the inputs lie along the lanes and no
lane is wasted on units that there are not: 10 units are 10 accumulators, where lanes along the units would need 2 x 8.
T is the number of accumulators, 6 or 10; there are two loops for it. Blocks of 16, whole registers of AVX-512, would be
half empty: MNIST's rows have 32 blocks of 8, and 20 of 16 (784-10-10 at B = 32 on Zen 5: 0.80 to 0.84 of the time).

forward    one sample after the other: each block adds T products to T sums of L lanes, which are added up at the end.
           On the way each block is told which samples have it, a bit for each.
backward   one block after the other: the samples that have it add to T x L gradients.

With registers of 512 bits, blocks that most rows have are taken of all, a few zeros among them: nothing says where they
are, no loop's end is mispredicted, four samples share the weights that are loaded and four blocks the gradients dz. 32
of MNIST's 98 blocks, which are 24 of a row's 31 (784-10-10 at B = 32, two Zen 5 cores: 0.95 of the time).

Bits and not lists of samples: a list's length is read and written again for each block of each sample, and where
values go depends on it (784-10-10, B = 32, one Zen 3 core: 4.8 µs a minibatch instead of 4.0). Values are kept as the
user gave them, so that those of a minibatch of pixels stay in the L1 cache.
"""

from typing import Any, NamedTuple

import numpy as np

from .._jit import VECTOR_BYTES, core, kernel
from ..simd import (
    SHORT_BYTES,
    copy_lanes,
    exchange_bits,
    lanes,
    load_repeated,
    lowest_bit,
    pointer,
    shift,
    short,
    transpose_eighths,
    without_lowest_bit,
)
from ..tiles import (
    tile_height,
    tile_load,
    tile_muladd_shorts,
    tile_muladd_vector,
    tile_short_totals,
    tile_store,
    tile_zeros,
)
from .blocks import ask_for, record

# Short vectors of the tiles: both fit the 16 registers of SSE and AVX2. A register of AVX-512 holds two.
FEW, MANY = 6, 10
FEW_ROWS, MANY_ROWS = FEW * SHORT_BYTES // VECTOR_BYTES, MANY * SHORT_BYTES // VECTOR_BYTES

WORD = 64  # samples whose bits are one number

# Blocks that most rows have are taken of all, a few zeros among them, where registers have 512 bits: tiles of four
# samples fit, which share what is loaded of the weights, and tiles of four blocks, which share what is loaded of dz.
SHARING = VECTOR_BYTES == 64
ROWS, BLOCKS = 4, 4


class Samples(NamedTuple):
    """Pointers to the blocks of one thread's minibatch."""

    masks: Any
    n_blocks: int
    bits: Any
    sums: Any
    values: Any
    step: int  # of the values of a sample


@core
def samples_of(work, thread):
    """Blocks of a thread's minibatch."""
    masks, bits, sums, values = work.tiles.masks, work.tiles.bits, work.tiles.sums, work.tiles.values
    return Samples(
        pointer(masks, thread * masks.shape[1] * masks.shape[2]),
        masks.shape[2],
        pointer(bits, thread * bits.shape[1] * bits.shape[2]),
        pointer(sums, thread * sums.shape[1]),
        pointer(values, thread * values.shape[1] * values.shape[2]),
        values.shape[2],
    )


# -- which samples have a block ------------------------------------------------------------------------
#
# The bits of the samples' records are turned round when all are there. To set a bit for each sample in a block's word
# would be to load and store it: 7.3 instead of 5.0 cycles a block (C, Zen 5).


@core
def put_bits(samples, count, b, groups, n_groups):
    """Keep which blocks of a slice sample ``b`` has."""
    for group in range(n_groups):
        samples.bits[group * (-(-count // WORD) * WORD) + b] = groups[group]


@core
def _exchange(words, size, mask):
    for block in range(0, WORD, 2 * size):
        for k in range(block, block + size, 8):
            exchange_bits(shift(words, k), shift(words, k + size), size, mask)


@kernel
def transpose_bits(start, to):
    """Bit k of word j at ``to`` becomes bit j of word k at ``start``, for 64 words. Hacker's Delight, section 7-3."""
    for k in range(0, WORD, 8):
        transpose_eighths(shift(start, k), shift(to, k))
    _exchange(to, 8, np.uint64(0x00FF00FF00FF00FF))
    _exchange(to, 16, np.uint64(0x0000FFFF0000FFFF))
    _exchange(to, 32, np.uint64(0x00000000FFFFFFFF))


@kernel
def turn_bits(samples, count, begin, end):
    """Tell blocks ``begin`` to ``end`` which samples have them.

    The word of blocks is filled up: those behind ``end`` are told that none has them, so slices come in rising order.
    """
    n_words = -(-count // WORD)
    for group in range(-(-(end - begin) // WORD)):
        for b in range(count, n_words * WORD):
            samples.bits[group * n_words * WORD + b] = 0
        for word in range(n_words):
            to = shift(samples.masks, word * samples.n_blocks + begin + group * WORD)
            transpose_bits(shift(samples.bits, (group * n_words + word) * WORD), to)


# -- forward -------------------------------------------------------------------------------------------


@core
def _value(values, t, scale, block, w, scaled):
    """Values of the t-th block of a record, scaled or as the user gave them."""
    x = load_repeated(values, t * lanes(short(w)), w)
    return x * load_repeated(scale, block * lanes(short(w)), w) if scaled else x


@core
def _begin_four(start, rows, order, first, b, last, piece, w, samples, scaled):
    """Add the blocks that all have to the sums of four samples from ``b`` on, or of ``last`` again."""
    c, d, e = min(b + 1, last), min(b + 2, last), min(b + 3, last)
    size, length, scale = lanes(short(w)), tile_height(start) * lanes(w), pointer(rows.scale, 0)
    in_b, in_c = record(rows, order[first + b], piece).always, record(rows, order[first + c], piece).always
    in_d, in_e = record(rows, order[first + d], piece).always, record(rows, order[first + e], piece).always
    of_b, of_c, of_d, of_e, to = start, start, start, start, shift(samples.values, rows.cuts[piece] * size)
    for t in range(0, rows.always * size, lanes(w)):
        copy_lanes(shift(to, b * samples.step + t), shift(in_b, t), w)
        copy_lanes(shift(to, c * samples.step + t), shift(in_c, t), w)
        copy_lanes(shift(to, d * samples.step + t), shift(in_d, t), w)
        copy_lanes(shift(to, e * samples.step + t), shift(in_e, t), w)
    for t in range(rows.always):
        block = rows.cuts[piece] + t
        at = shift(w, block * length)
        of_b = tile_muladd_vector(of_b, _value(in_b, t, scale, block, w, scaled), at, lanes(w))
        of_c = tile_muladd_vector(of_c, _value(in_c, t, scale, block, w, scaled), at, lanes(w))
        of_d = tile_muladd_vector(of_d, _value(in_d, t, scale, block, w, scaled), at, lanes(w))
        of_e = tile_muladd_vector(of_e, _value(in_e, t, scale, block, w, scaled), at, lanes(w))
    tile_store(of_b, samples.sums, lanes(w))
    tile_store(of_c, shift(samples.sums, length), lanes(w))
    tile_store(of_d, shift(samples.sums, 2 * length), lanes(w))
    tile_store(of_e, shift(samples.sums, 3 * length), lanes(w))


@core
def begin_sample(start, rows, order, first, b, count, piece, w, samples, scaled):
    """Sums of sample ``b``, which begin with ``start``, after the blocks that all have; asked for one after the other.

    The values of these blocks are kept. ``scaled`` says whether they are scaled before they are multiplied.
    """
    if not SHARING or rows.always == 0:
        return start
    if b % ROWS == 0:
        _begin_four(start, rows, order, first, b, count - 1, piece, w, samples, scaled)
    return tile_load(start, shift(samples.sums, b % ROWS * tile_height(start) * lanes(w)), lanes(w))


@core
def _forward(tile, rows, order, first, count, piece, w, base, samples, z, step, distance):
    scale, begin, length = pointer(rows.scale, 0), rows.cuts[piece] + rows.always, tile_height(tile) * lanes(w)
    size, n_groups = lanes(short(w)), -(-(rows.cuts[piece + 1] - begin) // WORD)
    start = tile_load(tile, base, lanes(w))
    for b in range(count):
        ask_for(rows, order, first + b, distance, piece)
        found = record(rows, order[first + b], piece)
        total = begin_sample(start, rows, order, first, b, count, piece, w, samples, True)
        to = shift(samples.values, b * samples.step)
        put_bits(samples, count, b, found.groups, n_groups)
        for t in range(found.n):
            block = np.int64(found.numbers[t])
            x = _value(found.values, t, scale, block, w, True)
            copy_lanes(shift(to, block * size), shift(found.values, t * size), short(w))
            total = tile_muladd_vector(total, x, shift(w, block * length), lanes(w))
        tile_store(tile_short_totals(total), shift(z, b * step), 0)
    turn_bits(samples, count, begin, rows.cuts[piece + 1])


@kernel
def narrow_forward(rows, order, first, count, piece, w, width, base, samples, z, step, distance):
    """Outputs of a slice for samples ``order[first : first + count]`` from offset * w in ``base``; fills ``samples``.

    Asks for the records ``distance`` samples later.
    """
    if width == MANY:
        tile = tile_zeros(w, MANY_ROWS, 1)
        _forward(tile, rows, order, first, count, piece, w, base, samples, z, step, distance)
    else:
        tile = tile_zeros(w, FEW_ROWS, 1)
        _forward(tile, rows, order, first, count, piece, w, base, samples, z, step, distance)


@core
def _base(tile, offset, w, begin, end, out):
    total, size, length = tile_load(tile, out, lanes(w)), lanes(short(w)), tile_height(tile) * lanes(w)
    for block in range(begin, end):
        x = load_repeated(offset, block * size, w)
        total = tile_muladd_vector(total, x, shift(w, block * length), lanes(w))
    tile_store(total, out, lanes(w))


@kernel
def narrow_add_base(offset, w, width, begin, end, out):
    """out (T, L) += offset * w, summed over the blocks ``begin`` to ``end`` but not over the lanes."""
    if width == MANY:
        _base(tile_zeros(w, MANY_ROWS, 1), offset, w, begin, end, out)
    else:
        _base(tile_zeros(w, FEW_ROWS, 1), offset, w, begin, end, out)


# -- backward ------------------------------------------------------------------------------------------


@core
def add_samples(tiles, samples, count, places, scale, dz, step, like, scaled):
    """Add what all samples give to the tiles of four blocks."""
    (one, two, three, four), (i, j, k, m), values, size = tiles, places, samples.values, samples.step
    for b in range(count):
        line = shift(dz, b * step)
        one = tile_muladd_shorts(one, line, _kept(values, b * size, scale, i, like, scaled))
        two = tile_muladd_shorts(two, line, _kept(values, b * size, scale, j, like, scaled))
        three = tile_muladd_shorts(three, line, _kept(values, b * size, scale, k, like, scaled))
        four = tile_muladd_shorts(four, line, _kept(values, b * size, scale, m, like, scaled))
    return one, two, three, four


@core
def _kept(values, start, scale, block, like, scaled):
    """Values of a block that a sample has, scaled or as the user gave them."""
    return _value(shift(values, start), block, scale, block, like, scaled)


@core
def _gradient_of_all(tile, scale, offset, samples, count, begin, end, dz, step, totals, dw):
    """Blocks that each row has, four at a time; where they are fewer the last stands for those that lack."""
    size, length = lanes(short(dw)), tile_height(tile) * lanes(dw)
    for i in range(begin, end, BLOCKS):
        j, k, m = min(i + 1, end - 1), min(i + 2, end - 1), min(i + 3, end - 1)
        one = tile_muladd_shorts(tile, totals, load_repeated(offset, i * size, dw))
        two = tile_muladd_shorts(tile, totals, load_repeated(offset, j * size, dw))
        three = tile_muladd_shorts(tile, totals, load_repeated(offset, k * size, dw))
        four = tile_muladd_shorts(tile, totals, load_repeated(offset, m * size, dw))
        tiles = one, two, three, four
        one, two, three, four = add_samples(tiles, samples, count, (i, j, k, m), scale, dz, step, dw, True)
        tile_store(one, shift(dw, (i - begin) * length), lanes(dw))
        tile_store(two, shift(dw, (j - begin) * length), lanes(dw))
        tile_store(three, shift(dw, (k - begin) * length), lanes(dw))
        tile_store(four, shift(dw, (m - begin) * length), lanes(dw))


@core
def _gradient(tile, scale, offset, samples, count, begin, end, of_all, dz, step, totals, dw):
    size, length = lanes(short(dw)), tile_height(tile) * lanes(dw)
    if SHARING:
        stop = min(end, of_all)
        _gradient_of_all(tile, scale, offset, samples, count, begin, stop, dz, step, totals, dw)
    for block in range(max(begin, of_all), end):
        total = tile_muladd_shorts(tile, totals, load_repeated(offset, block * size, dw))
        factors = load_repeated(scale, block * size, dw)
        for word in range(-(-count // WORD)):
            bits, first = samples.masks[word * samples.n_blocks + block], word * WORD
            while bits != 0:
                b = first + lowest_bit(bits)
                bits = without_lowest_bit(bits)
                x = load_repeated(samples.values, b * samples.step + block * size, dw) * factors
                total = tile_muladd_shorts(total, shift(dz, b * step), x)
        tile_store(total, shift(dw, (block - begin) * length), lanes(dw))


@kernel
def narrow_gradient(scale, offset, samples, count, begin, end, of_all, width, dz, step, totals, dw):
    """dw (blocks, T, L) of the blocks ``begin`` to ``end``; ``totals`` is dz.sum(axis=0).

    Of these, all samples have the blocks before block ``of_all``.
    """
    if width == MANY:
        tile = tile_zeros(dw, MANY_ROWS, 1)
        _gradient(tile, scale, offset, samples, count, begin, end, of_all, dz, step, totals, dw)
    else:
        tile = tile_zeros(dw, FEW_ROWS, 1)
        _gradient(tile, scale, offset, samples, count, begin, end, of_all, dz, step, totals, dw)
