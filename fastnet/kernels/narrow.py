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
    address_of,
    choose,
    copy_lanes,
    count_bits,
    lanes,
    load_repeated,
    lowest_bit,
    pointer,
    pointer_as,
    shift,
    short,
    single_bit,
    transpose_bits,
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
    n_bits: int  # samples that a group of blocks has room for
    always: Any
    listed: Any
    nothing: Any
    values: Any
    step: int  # of the values of a sample


@core
def samples_of(work, thread, piece):
    """Blocks of a thread's minibatch, of one slice."""
    masks, bits, always, listed = work.tiles.masks, work.tiles.bits, work.tiles.always, work.tiles.listed
    values = work.tiles.values
    place = (thread * always.shape[1] + piece) * always.shape[2]
    return Samples(
        pointer(masks, thread * masks.shape[1] * masks.shape[2]),
        masks.shape[2],
        pointer(bits, (thread * bits.shape[1] + piece) * bits.shape[2] * bits.shape[3]),
        bits.shape[3],
        pointer(always, place),
        pointer(listed, place),
        pointer(work.tiles.nothing, 0),
        pointer(values, thread * values.shape[1] * values.shape[2]),
        values.shape[2],
    )


# -- which samples have a block ------------------------------------------------------------------------
#
# The bits of the samples' records are turned round when all are there. To set a bit for each sample in a block's word
# would be to load and store it: 7.3 instead of 5.0 cycles a block (C, Zen 5). The update begins with it and not the
# forward pass ends with it: what was just stored word by word is loaded slowly as vectors.


@core
def groups_of(rows, piece):
    """Words of a slice's bits."""
    return -(-(rows.cuts[piece + 1] - rows.cuts[piece] - rows.always) // WORD)


@core
def keep_none(samples, count, n_groups):
    """Begin a minibatch: the last word of samples is filled up with such that have nothing."""
    for group in range(n_groups):
        for b in range(count, -(-count // WORD) * WORD):
            samples.bits[group * samples.n_bits + b] = 0


@core
def keep_sample(samples, b, found, n_groups):
    """Keep where the values of sample ``b`` lie, and which blocks of a slice it has."""
    samples.always[b], samples.listed[b] = address_of(found.always), address_of(found.values)
    for group in range(n_groups):
        samples.bits[group * samples.n_bits + b] = found.groups[group]


# The update finds a sample's values of a block in its record, by counting the bits before that of the block. Where no
# blocks are taken of all it does so for many more of them, and a copy of each at its place in a row is quicker (without
# copies 784-10-10 took 1.02 to 1.06 of the time at B = 32 and 128 with registers of 256 and 128 bits).
COPIED = not SHARING


@core
def copy_block(samples, b, found, t, block, like):
    """Copy the values of the ``t``-th block to its place, if the update looks for them there."""
    if COPIED:
        size = lanes(short(like))
        copy_lanes(shift(samples.values, b * samples.step + block * size), shift(found.values, t * size), short(like))


@core
def _kept_block(samples, b, block, group, below, size):
    """Values of a block that sample ``b`` has; as many blocks come before it as there are bits in ``below`` its own."""
    if COPIED:
        return shift(samples.values, b * samples.step + block * size)
    t = count_bits(samples.bits[group * samples.n_bits + b] & below)
    for earlier in range(group):
        t += count_bits(samples.bits[earlier * samples.n_bits + b])
    return shift(pointer_as(samples.listed[b], samples.nothing), t * size)


@kernel
def turn_bits(rows, piece, samples, count):
    """Tell the blocks of a slice that not all samples have which have them.

    The word of blocks is filled up: the next slice's are told that none has them, so slices come in rising order.
    """
    begin = rows.cuts[piece] + rows.always
    for group in range(groups_of(rows, piece)):
        for word in range(-(-count // WORD)):
            to = shift(samples.masks, word * samples.n_blocks + begin + group * WORD)
            transpose_bits(shift(samples.bits, group * samples.n_bits + word * WORD), to)


# -- forward -------------------------------------------------------------------------------------------


@core
def _value(values, t, scale, block, w, scaled):
    """Values of the t-th block of a record, scaled or as the user gave them."""
    x = load_repeated(values, t * lanes(short(w)), w)
    return x * load_repeated(scale, block * lanes(short(w)), w) if scaled else x


@core
def listed(found, t, instead, samples, size):
    """Number and values of the ``t``-th block of those that not all have; ``instead``, and zeros, if there is none."""
    inside = t < found.n
    block = choose(inside, np.int64(found.numbers[choose(inside, t, 0)]), instead)
    return block, choose(inside, shift(found.values, t * size), samples.nothing)


@core
def most_listed(b, c, d, e):
    """Blocks of the busiest of four records."""
    return max(max(b.n, c.n), max(d.n, e.n))


@core
def _next(total, found, t, rows, piece, w, samples, scaled):
    """Sums of a sample plus its ``t``-th block of those that not all have, or plus nothing."""
    size = lanes(short(w))
    block, source = listed(found, t, rows.cuts[piece], samples, size)
    x = _value(source, 0, pointer(rows.scale, block * size), 0, w, scaled)
    return tile_muladd_vector(total, x, shift(w, block * tile_height(total) * lanes(w)), lanes(w))


@core
def _begin(rows, order, first, b, piece, samples, distance, n_groups):
    """Record of a sample; asks for that ``distance`` samples later."""
    ask_for(rows, order, first + b, distance, piece)
    found = record(rows, order[first + b], piece)
    keep_sample(samples, b, found, n_groups)
    return found


@core
def four_samples(start, rows, order, first, b, count, piece, w, samples, distance, n_groups, scaled):
    """Sums of four samples from ``b`` on, which begin with ``start``, their records, and the numbers of the last three.

    The last sample stands for those that lack. Keeps the bits of ``n_groups`` times 64 blocks.
    """
    c, d, e = min(b + 1, count - 1), min(b + 2, count - 1), min(b + 3, count - 1)
    length, scale = tile_height(start) * lanes(w), pointer(rows.scale, 0)
    in_b = _begin(rows, order, first, b, piece, samples, distance, n_groups)
    in_c = _begin(rows, order, first, c, piece, samples, distance, n_groups)
    in_d = _begin(rows, order, first, d, piece, samples, distance, n_groups)
    in_e = _begin(rows, order, first, e, piece, samples, distance, n_groups)
    of_b, of_c, of_d, of_e = start, start, start, start
    for t in range(rows.always):
        block = rows.cuts[piece] + t
        at = shift(w, block * length)
        of_b = tile_muladd_vector(of_b, _value(in_b.always, t, scale, block, w, scaled), at, lanes(w))
        of_c = tile_muladd_vector(of_c, _value(in_c.always, t, scale, block, w, scaled), at, lanes(w))
        of_d = tile_muladd_vector(of_d, _value(in_d.always, t, scale, block, w, scaled), at, lanes(w))
        of_e = tile_muladd_vector(of_e, _value(in_e.always, t, scale, block, w, scaled), at, lanes(w))
    for t in range(most_listed(in_b, in_c, in_d, in_e)):
        of_b = _next(of_b, in_b, t, rows, piece, w, samples, scaled)
        of_c = _next(of_c, in_c, t, rows, piece, w, samples, scaled)
        of_d = _next(of_d, in_d, t, rows, piece, w, samples, scaled)
        of_e = _next(of_e, in_e, t, rows, piece, w, samples, scaled)
    return (of_b, of_c, of_d, of_e), (in_b, in_c, in_d, in_e), (c, d, e)


@core
def shares(rows):
    """Whether four samples are worked on at a time."""
    return SHARING and rows.always > 0


@core
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


@core
def _forward(tile, rows, order, first, count, piece, w, base, samples, z, step, distance):
    if shares(rows):
        _forward_four(tile, rows, order, first, count, piece, w, base, samples, z, step, distance)
        return
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
            x = _value(found.values, t, scale, block, w, True)
            total = tile_muladd_vector(total, x, shift(w, block * length), lanes(w))
        tile_store(tile_short_totals(total), shift(z, b * step), 0)


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
def add_samples(tiles, samples, count, places, start, scale, dz, step, like, scaled):
    """Add what all samples give to the tiles of four blocks that all have; their slice begins with block ``start``."""
    (one, two, three, four), (i, j, k, m) = tiles, places
    for b in range(count):
        line, kept = shift(dz, b * step), pointer_as(samples.always[b], samples.nothing)
        one = tile_muladd_shorts(one, line, _value(kept, i - start, scale, i, like, scaled))
        two = tile_muladd_shorts(two, line, _value(kept, j - start, scale, j, like, scaled))
        three = tile_muladd_shorts(three, line, _value(kept, k - start, scale, k, like, scaled))
        four = tile_muladd_shorts(four, line, _value(kept, m - start, scale, m, like, scaled))
    return one, two, three, four


@core
def add_listed(total, samples, count, block, first, scale, dz, step, like, scaled):
    """Add what samples give to the tile of a block that not all have, of a slice whose first such block is ``first``.

    Returns the tile, and whether any sample has the block.
    """
    size, group, found = lanes(short(like)), (block - first) // WORD, np.uint64(0)
    below = single_bit((block - first) % WORD) - single_bit(0)
    for word in range(-(-count // WORD)):
        bits = samples.masks[word * samples.n_blocks + block]
        found |= bits
        while bits != 0:
            b = word * WORD + lowest_bit(bits)
            bits = without_lowest_bit(bits)
            source = _kept_block(samples, b, block, group, below, size)
            x = _value(source, 0, shift(scale, block * size), 0, like, scaled)
            total = tile_muladd_shorts(total, shift(dz, b * step), x)
    return total, found != 0


@core
def _gradient_of_all(tile, scale, offset, samples, count, begin, end, start, dz, step, totals, dw):
    """Blocks that each row has, four at a time; where they are fewer the last stands for those that lack."""
    size, length = lanes(short(dw)), tile_height(tile) * lanes(dw)
    for i in range(begin, end, BLOCKS):
        j, k, m = min(i + 1, end - 1), min(i + 2, end - 1), min(i + 3, end - 1)
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


@core
def _gradient(tile, scale, offset, samples, count, begin, end, start, of_all, dz, step, totals, dw):
    size, length = lanes(short(dw)), tile_height(tile) * lanes(dw)
    if SHARING:
        stop = min(end, of_all)
        _gradient_of_all(tile, scale, offset, samples, count, begin, stop, start, dz, step, totals, dw)
    for block in range(max(begin, of_all), end):
        total = tile_muladd_shorts(tile, totals, load_repeated(offset, block * size, dw))
        total, _ = add_listed(total, samples, count, block, of_all, scale, dz, step, dw, True)
        tile_store(total, shift(dw, (block - begin) * length), lanes(dw))


@kernel
def narrow_gradient(scale, offset, samples, count, begin, end, start, of_all, width, dz, step, totals, dw):
    """dw (blocks, T, L) of the blocks ``begin`` to ``end``; ``totals`` is dz.sum(axis=0).

    They are of the slice that begins with block ``start``. All samples have those before block ``of_all``.
    """
    if width == MANY:
        tile = tile_zeros(dw, MANY_ROWS, 1)
        _gradient(tile, scale, offset, samples, count, begin, end, start, of_all, dz, step, totals, dw)
    else:
        tile = tile_zeros(dw, FEW_ROWS, 1)
        _gradient(tile, scale, offset, samples, count, begin, end, start, of_all, dz, step, totals, dw)
