"""Plain SGD on a first layer of few units on rows as blocks, with decay and mean folded.   v (n_blocks, T, L)

As in ``sparse.py`` memory holds v of w = alpha * v + outer(mean, u), and q = mean @ v goes with it, but x is as the
user gave it, not yet scaled: all columns have one scale, which becomes part of the factors.

forward    z  = scale * alpha * (x @ v) + s * u + base            s = scale * mean @ x, base = -alpha * q - m * u
backward   v' = v - learning_rate * scale / alpha' * x.T @ dz     only blocks that a sample has

So the weights of a block are in registers once a minibatch, with nothing done to those that no sample has, and nothing
to their decay and their part of the mean (784-10-10, B = 32, one Zen 3 core, C loops: gradient and update 4.2 µs a
minibatch with both at hand, 2.9 folded).
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from .._jit import OVERLOAD_CORE, core, kernel
from ..simd import lanes, load_repeated, shift, short, splat
from ..tiles import (
    tile_height,
    tile_load,
    tile_muladd_shorts,
    tile_muladd_vector,
    tile_plus,
    tile_short_totals,
    tile_store,
)
from ..views import class_of
from .blocks import SharedColumnBlocks, ask_for, record
from .narrow_samples import add_listed, copy_block, empty_tile, groups_of, keep_none, keep_sample, turn_bits
from .narrow_shared import BLOCKS, ROWS, add_samples, four_samples

# With so many samples or fewer each adds to the weights by itself, and no block is told which samples have it: no idle
# block is looked at (784-10-10: 0.93 and 0.97 of the time at B = 9 and 12, the same at B = 16). Not where rows have
# blocks of all: a loop over these beside the other, even one that never runs, made B = 1 slower by up to a quarter, in
# some processes and not in others.
SCATTERED = 12


@core
def scatters(rows, count):
    """Whether samples add to the weights one by one."""
    return count <= SCATTERED and rows.always == 0


# -- forward -------------------------------------------------------------------------------------------


class Folded(NamedTuple):
    """Pointers to a slice's weights and what is folded into them."""

    v: Any
    u: Any
    base: Any  # -alpha * q - m * u
    alpha: float
    products: Any  # (B,): s of each sample, which the forward pass writes


@core
def _finish(total, nothing, product, b, rows, folded, z, step):
    """Write s and the outputs of a sample."""
    s = -rows.factor * product
    folded.products[b] = s
    line = tile_plus(tile_load(nothing, folded.base, 0), s, tile_load(nothing, folded.u, 0))
    tile_store(tile_plus(line, rows.factor * folded.alpha, tile_short_totals(total)), shift(z, b * step), 0)


def _forward(tile, rows, order, first, count, piece, folded, samples, z, step, distance):
    raise NotImplementedError


def _forward_four(tile, rows, order, first, count, piece, folded, samples, z, step, distance):
    nothing, n_groups = tile_short_totals(tile), groups_of(rows, piece)
    keep_none(samples, count, n_groups)
    for b in range(0, count, ROWS):
        args = rows, order, first, b, count, piece, folded.v, samples, distance, n_groups
        (one, two, three, four), (i, j, k, m), (c, d, e) = four_samples(tile, *args, False)
        _finish(one, nothing, i.product[0], b, rows, folded, z, step)
        _finish(two, nothing, j.product[0], c, rows, folded, z, step)
        _finish(three, nothing, k.product[0], d, rows, folded, z, step)
        _finish(four, nothing, m.product[0], e, rows, folded, z, step)


def _forward_each(tile, rows, order, first, count, piece, folded, samples, z, step, distance):
    v, nothing = folded.v, tile_short_totals(tile)
    size, length, kept = lanes(short(v)), tile_height(tile) * lanes(v), not scatters(rows, count)
    n_groups, found = groups_of(rows, piece), record(rows, order[first], piece)
    if kept:
        keep_none(samples, count, n_groups)
    for b in range(count):
        total = tile
        if kept:
            keep_sample(samples, b, found, n_groups)
        for t in range(found.n):
            block = np.int64(found.numbers[t])
            x = load_repeated(found.values, t * size, v)
            if kept:
                copy_block(samples, b, found, t, block, v)
            total = tile_muladd_vector(total, x, shift(v, block * length), lanes(v))
        product = found.product[0]
        found = record(rows, order[min(first + b + 1, len(order) - 1)], piece)
        ask_for(rows, order, first + b, distance, piece)
        _finish(total, nothing, product, b, rows, folded, z, step)


@overload(_forward, jit_options=OVERLOAD_CORE)
def _choose_forward(tile, rows, order, first, count, piece, folded, samples, z, step, distance):
    return _forward_four if class_of(rows) is SharedColumnBlocks else _forward_each


@kernel
def narrow_forward_folded(rows, order, first, count, piece, tiles, folded, samples, z, step, distance):
    """Outputs of a slice for samples ``order[first : first + count]``; fills ``samples`` if they are many.

    Asks for the records ``distance`` samples later.
    """
    _forward(empty_tile(tiles, folded.v), rows, order, first, count, piece, folded, samples, z, step, distance)


# -- update --------------------------------------------------------------------------------------------


@core
def _add(total, factor, place):
    """Add a tile times a factor, a number or a vector, to what lies in memory."""
    tile_store(tile_plus(tile_load(total, place, lanes(place)), factor, total), place, lanes(place))


def _step_of_all(tile, rows, piece, samples, count, dz, step, factor, v):
    """Blocks that all have."""
    raise NotImplementedError


def _none(tile, rows, piece, samples, count, dz, step, factor, v):
    pass


def _four_at_a_time(tile, rows, piece, samples, count, dz, step, factor, v):
    begin, length = rows.cuts[piece], tile_height(tile) * lanes(v)
    for i in range(begin, begin + rows.always, BLOCKS):
        tiles, places = (tile, tile, tile, tile), (i, i + 1, i + 2, i + 3)
        one, two, three, four = add_samples(tiles, samples, count, places, begin, dz, dz, step, v, False)
        _add(one, factor, shift(v, i * length))
        _add(two, factor, shift(v, (i + 1) * length))
        _add(three, factor, shift(v, (i + 2) * length))
        _add(four, factor, shift(v, (i + 3) * length))


@overload(_step_of_all, jit_options=OVERLOAD_CORE)
def _choose_step(tile, rows, piece, samples, count, dz, step, factor, v):
    return _four_at_a_time if class_of(rows) is SharedColumnBlocks else _none


@core
def _step(rows, piece, samples, count, tile, dz, step, factor, v):
    """Block by block."""
    listed = rows.cuts[piece] + rows.always
    turn_bits(rows, piece, samples, count)
    _step_of_all(tile, rows, piece, samples, count, dz, step, factor, v)
    for block in range(listed, rows.cuts[piece + 1]):
        total, found = add_listed(tile, samples, count, block, listed, dz, dz, step, v, False)
        if found:
            _add(total, factor, shift(v, block * tile_height(tile) * lanes(v)))


@core
def _scatter(rows, order, first, count, piece, tile, dz, step, factor, v):
    """Sample by sample."""
    size = lanes(short(v))
    for b in range(count):
        line = tile_muladd_shorts(tile, shift(dz, b * step), splat(v, factor))
        found = record(rows, order[first + b], piece)
        for t in range(found.n):
            place = shift(v, np.int64(found.numbers[t]) * tile_height(tile) * lanes(v))
            _add(line, load_repeated(found.values, t * size, v), place)


@kernel
def narrow_step(rows, order, first, piece, samples, count, tiles, dz, step, factor, v):
    """v += factor * x.T @ dz for the blocks of a slice, after ``narrow_forward_folded`` of the samples."""
    if scatters(rows, count):
        _scatter(rows, order, first, count, piece, empty_tile(tiles, v), dz, step, factor, v)
    else:
        _step(rows, piece, samples, count, empty_tile(tiles, v), dz, step, factor, v)


# -- settlement ----------------------------------------------------------------------------------------


@kernel
def narrow_settle(offset, w, tiles, begin, end, alpha, u, q):
    """w = alpha * v + outer(mean, u), in the place of v, for the blocks of a slice; then u = 0 and q = mean @ w."""
    tile = empty_tile(tiles, w)
    size, length, total = lanes(short(w)), tile_height(tile) * lanes(w), tile
    for block in range(begin, end):
        place, mean = shift(w, block * length), -load_repeated(offset, block * size, w)
        plain = tile_muladd_shorts(tile_plus(tile, alpha, tile_load(tile, place, lanes(w))), u, mean)
        tile_store(plain, place, lanes(w))
        total = tile_muladd_vector(total, mean, place, lanes(w))
    tile_store(tile_short_totals(total), q, 0)
    tile_store(tile_short_totals(tile), u, 0)
