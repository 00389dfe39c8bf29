"""A minibatch of rows as blocks for a first layer of few units: where its values lie, and which samples have a block.

What ``narrow.py`` and ``narrow_sgd.py`` have in common. Bits and not lists of samples: a list's length is read and
written again for each block of each sample, and where values go depends on it (784-10-10, B = 32, one Zen 3 core: 4.8
µs a minibatch instead of 4.0). Values are kept as the user gave them, so that those of a minibatch of pixels stay in
the L1 cache.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from .._jit import OVERLOAD_CORE, VECTOR_BYTES, core, kernel
from ..simd import (
    SHORT_BYTES,
    address_of,
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
from ..tiles import tile_muladd_shorts, tile_zeros
from ..views import class_of
from .blocks import FewWork

# Short vectors of the tiles: both fit the 16 registers of SSE and AVX2. A register of AVX-512 holds two.
FEW, MANY = 6, 10
FEW_ROWS, MANY_ROWS = FEW * SHORT_BYTES // VECTOR_BYTES, MANY * SHORT_BYTES // VECTOR_BYTES

WORD = 64  # samples whose bits are one number

# Blocks that most rows have are taken of all, a few zeros among them, where registers have 512 bits: see
# ``narrow_shared.py``.
SHARING = VECTOR_BYTES == 64


def empty_tile(tiles, like):
    """Tile of zeros with as many short vectors as the work ``tiles`` says; its type does, so one loop is compiled."""
    raise NotImplementedError


def _few(tiles, like):
    return tile_zeros(like, FEW_ROWS, 1)


def _many(tiles, like):
    return tile_zeros(like, MANY_ROWS, 1)


@overload(empty_tile, jit_options=OVERLOAD_CORE)
def _choose_tile(tiles, like):
    return _few if class_of(tiles) is FewWork else _many


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
def kept_block(samples, b, block, group, below, size):
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


# -- values ---------------------------------------------------------------------------------------------


@core
def value_of(values, t, scale, block, w, scaled):
    """Values of the t-th block of a record, scaled or as the user gave them."""
    x = load_repeated(values, t * lanes(short(w)), w)
    return x * load_repeated(scale, block * lanes(short(w)), w) if scaled else x


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
            source = kept_block(samples, b, block, group, below, size)
            x = value_of(source, 0, shift(scale, block * size), 0, like, scaled)
            total = tile_muladd_shorts(total, shift(dz, b * step), x)
    return total, found != 0
