"""Four samples, or four blocks, at a time for a first layer of few units, where registers have 512 bits.

Blocks that most rows have are taken of all, a few zeros among them: nothing says where they are, no loop's end is
guessed wrong, four samples share the weights that are loaded and four blocks the gradients dz. 32 of MNIST's 98 blocks,
which are 24 of a row's 31 (784-10-10 at B = 32, two Zen 5 cores: 0.95 of the time).

Of the other blocks four samples take one each after the other, as many times as the busiest has some: one loop's end is
guessed instead of four, and what a sample lacks is zeros (forward 1.35 to 1.08 µs of 3.03 a minibatch, with what is
copied no more). Not so in the update, where samples would have to be told for four blocks: a loop over all of them that
never guesses takes as long as one a block that often does, and adding samples one by one to weights waits for what was
just stored, 13 cycles for each five registers.
"""

import numpy as np

from .._jit import core
from ..simd import choose, lanes, pointer, pointer_as, shift, short
from ..tiles import tile_height, tile_muladd_shorts, tile_muladd_vector
from .blocks import ask_for, record
from .narrow_samples import keep_sample, value_of

ROWS, BLOCKS = 4, 4  # at a time


@core
def _listed(found, t, instead, samples, size):
    """Number and values of the ``t``-th block of those that not all have; ``instead``, and zeros, if there is none."""
    inside = t < found.n
    block = choose(inside, np.int64(found.numbers[choose(inside, t, 0)]), instead)
    return block, choose(inside, shift(found.values, t * size), samples.nothing)


@core
def _most(b, c, d, e):
    """Blocks of the busiest of four records."""
    return max(max(b.n, c.n), max(d.n, e.n))


@core
def _next(total, found, t, rows, piece, w, samples, scaled):
    """Sums of a sample plus its ``t``-th block of those that not all have, or plus nothing."""
    size = lanes(short(w))
    block, source = _listed(found, t, rows.cuts[piece], samples, size)
    x = value_of(source, 0, pointer(rows.scale, block * size), 0, w, scaled)
    return tile_muladd_vector(total, x, shift(w, block * tile_height(total) * lanes(w)), lanes(w))


@core
def _begin(rows, order, first, b, piece, samples, distance, n_groups):
    """Record of a sample, of which place and bits are kept; asks for that ``distance`` samples later."""
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
        of_b = tile_muladd_vector(of_b, value_of(in_b.always, t, scale, block, w, scaled), at, lanes(w))
        of_c = tile_muladd_vector(of_c, value_of(in_c.always, t, scale, block, w, scaled), at, lanes(w))
        of_d = tile_muladd_vector(of_d, value_of(in_d.always, t, scale, block, w, scaled), at, lanes(w))
        of_e = tile_muladd_vector(of_e, value_of(in_e.always, t, scale, block, w, scaled), at, lanes(w))
    for t in range(_most(in_b, in_c, in_d, in_e)):
        of_b = _next(of_b, in_b, t, rows, piece, w, samples, scaled)
        of_c = _next(of_c, in_c, t, rows, piece, w, samples, scaled)
        of_d = _next(of_d, in_d, t, rows, piece, w, samples, scaled)
        of_e = _next(of_e, in_e, t, rows, piece, w, samples, scaled)
    return (of_b, of_c, of_d, of_e), (in_b, in_c, in_d, in_e), (c, d, e)


@core
def add_samples(tiles, samples, count, places, start, scale, dz, step, like, scaled):
    """Add what all samples give to the tiles of four blocks that all have; their slice begins with block ``start``."""
    (one, two, three, four), (i, j, k, m) = tiles, places
    for b in range(count):
        line, kept = shift(dz, b * step), pointer_as(samples.always[b], samples.nothing)
        one = tile_muladd_shorts(one, line, value_of(kept, i - start, scale, i, like, scaled))
        two = tile_muladd_shorts(two, line, value_of(kept, j - start, scale, j, like, scaled))
        three = tile_muladd_shorts(three, line, value_of(kept, k - start, scale, k, like, scaled))
        four = tile_muladd_shorts(four, line, value_of(kept, m - start, scale, m, like, scaled))
    return one, two, three, four
