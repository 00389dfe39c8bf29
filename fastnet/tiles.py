"""Tiles: blocks of vectors that stay in registers, the accumulators of a product of matrices.

* memory    ``tile_load, tile_store, tile_add, tile_scale_store, tile_scale_add``
* values    ``tile_zeros, tile_width, tile_height, tile_sum, tile_plus``
* products  ``tile_muladd`` (outer), ``tile_muladd_rows, tile_muladd_vector, tile_dot``
* sums      ``tile_row_sums``
* shorts    ``tile_short_totals, tile_muladd_shorts``: where a row is as many short vectors as a vector holds
* squares   ``square_zeros, square_load, square_store, square_transpose``: as many rows of one vector as this has lanes

Like the words of ``simd.py`` they are used inside compiled functions only, and nothing checks bounds.
"""

from functools import partial

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .simd import (
    _BITS,
    _INT32,
    TileType,
    VectorType,
    _as_vector,
    _constant,
    _like,
    _load,
    _muladd,
    _short,
    _spread,
    _store,
)

# -- tiles ---------------------------------------------------------------------------------------------


@intrinsic(prefer_literal=True)
def tile_zeros(typingctx, like, rows, columns):
    """Tile of ``rows`` x ``columns`` vectors, all zero; both must be constants."""

    def codegen(context, builder, sig, args):
        kind = context.get_value_type(sig.return_type)
        return ir.Constant(kind, [_constant(sig.return_type.vector, 0.0)] * kind.count)

    if isinstance(rows, types.IntegerLiteral) and isinstance(columns, types.IntegerLiteral):
        return TileType(_like(like), rows.literal_value, columns.literal_value)(like, rows, columns), codegen
    return None


@intrinsic
def tile_muladd(typingctx, tile, a, a_step, b):
    """Add the outer product of ``a[0], a[a_step], …`` (one a row) and the vectors at ``b`` to the tile."""

    def codegen(context, builder, sig, args):
        kind, (tile, a, step, b) = sig.return_type, args
        index = partial(ir.Constant, ir.IntType(64))
        right = [_load(builder, b, index(j * kind.vector.lanes), kind.vector) for j in range(kind.columns)]
        for row in range(kind.rows):
            scalar = builder.load(builder.gep(a, [builder.mul(step, index(row))]))
            left = _spread(builder, scalar, kind.vector)
            for j in range(kind.columns):
                at = row * kind.columns + j
                total = _muladd(builder, kind.vector, left, right[j], builder.extract_value(tile, at))
                tile = builder.insert_value(tile, total, at)
        return tile

    return tile(tile, a, types.int64, b), codegen


def _tile_each(builder, kind, start, step):
    """Yield the number, pointer and offset of each vector of a tile that lies at ``start`` in memory."""
    for row in range(kind.rows):
        line = builder.gep(start, [builder.mul(step, ir.Constant(ir.IntType(64), row))])
        for j in range(kind.columns):
            yield row * kind.columns + j, line, ir.Constant(ir.IntType(64), j * kind.vector.lanes)


@intrinsic
def tile_store(typingctx, tile, start, step):
    """Write the tile to memory; its rows lie ``step`` elements apart."""

    def codegen(context, builder, sig, args):
        kind, (tile, start, step) = sig.args[0], args
        for number, line, offset in _tile_each(builder, kind, start, step):
            _store(builder, builder.extract_value(tile, number), line, offset, kind.vector)

    return types.void(tile, start, types.int64), codegen


@intrinsic
def tile_add(typingctx, tile, start, step):
    """Tile plus what lies in memory; its rows lie ``step`` elements apart (0 adds one row to all)."""

    def codegen(context, builder, sig, args):
        kind, (tile, start, step) = sig.args[0], args
        for number, line, offset in _tile_each(builder, kind, start, step):
            total = builder.fadd(_load(builder, line, offset, kind.vector), builder.extract_value(tile, number))
            tile = builder.insert_value(tile, total, number)
        return tile

    return tile(tile, start, types.int64), codegen


@intrinsic
def tile_width(typingctx, tile):
    """Elements in a row of a tile: a constant."""

    def codegen(context, builder, sig, args):
        kind = sig.args[0]
        return context.get_constant(types.int64, kind.columns * kind.vector.lanes)

    return types.int64(tile), codegen


@intrinsic
def tile_height(typingctx, tile):
    """Rows of a tile: a constant."""

    def codegen(context, builder, sig, args):
        return context.get_constant(types.int64, sig.args[0].rows)

    return types.int64(tile), codegen


@intrinsic
def tile_load(typingctx, like, start, step):
    """Tile of the shape of ``like`` from memory; its rows lie ``step`` elements apart."""

    def codegen(context, builder, sig, args):
        kind, (tile, start, step) = sig.return_type, args
        for number, line, offset in _tile_each(builder, kind, start, step):
            tile = builder.insert_value(tile, _load(builder, line, offset, kind.vector), number)
        return tile

    return like(like, start, types.int64), codegen


def _tile_plus_memory(builder, kind, tile, left, start, step):
    """Tile plus a vector times each vector of a tile in memory."""
    for number, line, offset in _tile_each(builder, kind, start, step):
        right, old = _load(builder, line, offset, kind.vector), builder.extract_value(tile, number)
        tile = builder.insert_value(tile, _muladd(builder, kind.vector, left, right, old), number)
    return tile


@intrinsic
def tile_muladd_rows(typingctx, tile, factor, start, step):
    """Tile plus ``factor[0]`` times a tile in memory, whose rows lie ``step`` elements apart."""

    def codegen(context, builder, sig, args):
        kind, (tile, factor, start, step) = sig.return_type, args
        return _tile_plus_memory(builder, kind, tile, _spread(builder, builder.load(factor), kind.vector), start, step)

    return tile(tile, factor, start, types.int64), codegen


@intrinsic
def tile_plus(typingctx, total, factor, tile):
    """Tile ``total + factor * tile`` with a number as factor."""

    def codegen(context, builder, sig, args):
        kind, (total, _, tile) = sig.return_type, args
        factor = _as_vector(context, builder, args[1], sig.args[1], kind.vector)
        for number in range(kind.rows * kind.columns):
            old, value = builder.extract_value(total, number), builder.extract_value(tile, number)
            total = builder.insert_value(total, _muladd(builder, kind.vector, factor, value, old), number)
        return total

    return (tile(total, factor, tile), codegen) if total == tile else None


@intrinsic
def tile_sum(typingctx, a, b):
    """Sum of two tiles of the same shape."""

    def codegen(context, builder, sig, args):
        kind, (total, other) = sig.return_type, args
        for number in range(kind.rows * kind.columns):
            value = builder.fadd(builder.extract_value(total, number), builder.extract_value(other, number))
            total = builder.insert_value(total, value, number)
        return total

    return (a(a, b), codegen) if a == b else None


def _scaled(builder, kind, args):
    """Yield the pointer and offset of each vector of a tile in memory, and the tile's own vector times a factor."""
    tile, factor, start, step = args
    factor = _spread(builder, builder.load(factor), kind.vector)
    for number, line, offset in _tile_each(builder, kind, start, step):
        yield line, offset, builder.fmul(factor, builder.extract_value(tile, number))


@intrinsic
def tile_scale_store(typingctx, tile, factor, start, step):
    """Write the tile times ``factor[0]`` to memory; its rows lie ``step`` elements apart."""

    def codegen(context, builder, sig, args):
        kind = sig.args[0]
        for line, offset, value in _scaled(builder, kind, args):
            _store(builder, value, line, offset, kind.vector)

    return types.void(tile, factor, start, types.int64), codegen


@intrinsic
def tile_scale_add(typingctx, tile, factor, start, step):
    """Add the tile times ``factor[0]`` to what lies in memory; its rows lie ``step`` elements apart."""

    def codegen(context, builder, sig, args):
        kind = sig.args[0]
        for line, offset, value in _scaled(builder, kind, args):
            # Not fused: a product plus a sum with memory is one instruction less than load, muladd (it would overwrite
            # the factor), store; 3.9 cycles an entry of 3 vectors instead of 5.1 on Zen 3.
            old = _load(builder, line, offset, kind.vector)
            _store(builder, builder.fadd(old, value), line, offset, kind.vector)

    return types.void(tile, factor, start, types.int64), codegen


@intrinsic
def tile_muladd_vector(typingctx, tile, vector, start, step):
    """Tile plus, lane by lane, ``vector`` times a tile in memory, whose rows lie ``step`` elements apart."""

    def codegen(context, builder, sig, args):
        tile, vector, start, step = args
        return _tile_plus_memory(builder, sig.return_type, tile, vector, start, step)

    return tile(tile, vector, start, types.int64), codegen


@intrinsic
def tile_dot(typingctx, total, factors, tile):
    """Tile of one row plus ``factors[0]``, ``factors[1]``, … times the rows of another tile, one after the other."""

    def codegen(context, builder, sig, args):
        kind, (total, factors, tile) = sig.args[2], args
        for row in range(kind.rows):
            scalar = builder.load(builder.gep(factors, [ir.Constant(ir.IntType(64), row)]))
            left = _spread(builder, scalar, kind.vector)
            for j in range(kind.columns):
                right, old = builder.extract_value(tile, row * kind.columns + j), builder.extract_value(total, j)
                total = builder.insert_value(total, _muladd(builder, kind.vector, left, right, old), j)
        return total

    fits = total.rows == 1 and total.columns == tile.columns
    return (total(total, factors, tile), codegen) if fits else None


# Shuffles within these bytes are the cheapest ones of any CPU.
_SHUFFLED_BYTES = 16


def _mask(lanes):
    return ir.Constant(ir.VectorType(_INT32, len(lanes)), lanes)


def _halves(vector: VectorType, size: int) -> list[int]:
    """Lanes of the first halves of all pieces, of ``size`` lanes each, of two vectors, in the order of their sums.

    First one vector's, then the other's; pieces that fit are sorted so in each 16 bytes alone.
    """
    within = max(size, _SHUFFLED_BYTES * 8 // _BITS[vector.dtype])
    within = vector.lanes if size * _BITS[vector.dtype] > _SHUFFLED_BYTES * 8 else within
    starts = [(v, g + p) for g in range(0, vector.lanes, within) for v in (0, 1) for p in range(0, within, size)]
    return [v * vector.lanes + start + k for v, start in starts for k in range(size // 2)]


def _piece_sums(builder, vector: VectorType, values, pieces: int):
    """Vector of the sums of the pieces of some vectors, in order, filled up with zeros."""
    size, zero = vector.lanes // pieces, _constant(vector, 0.0)
    # Beside each vector: which piece each of its lanes is part of; -1 in those that are zero.
    found = [(value, [i * pieces + k // size for k in range(vector.lanes)]) for i, value in enumerate(values)]
    while size > 1:
        step, low = -(-len(found) // 2), _halves(vector, size)
        found += [(zero, [-1] * vector.lanes)] * (2 * step - len(found))
        masks = _mask(low), _mask([i + size // 2 for i in low])
        found = [
            (builder.fadd(*(builder.shuffle_vector(a, b, mask) for mask in masks)), [(of_a + of_b)[i] for i in low])
            for (a, of_a), (b, of_b) in zip(found[:step], found[step:], strict=True)
        ]
        size //= 2
    ((total, lanes),) = found
    order = sorted(range(vector.lanes), key=lambda lane: (lanes[lane] < 0, lanes[lane]))
    return builder.shuffle_vector(total, total, _mask(order))


def _row_sums(builder, kind, tile, pieces: int = 1):
    """Yield the vectors of the sums of the pieces of all rows."""
    at_once = kind.vector.lanes // pieces
    for first in range(0, kind.rows, at_once):
        rows = range(first, min(first + at_once, kind.rows))
        yield _piece_sums(builder, kind.vector, [builder.extract_value(tile, row) for row in rows], pieces)


@intrinsic
def tile_row_sums(typingctx, tile, start):
    """Write the sum of the lanes of each row of a tile of one column to ``start[0]`` and so on."""

    def codegen(context, builder, sig, args):
        kind, (tile, start) = sig.args[0], args
        for number, sums in enumerate(_row_sums(builder, kind, tile)):
            first = number * kind.vector.lanes
            n = min(kind.vector.lanes, kind.rows - first)
            if n < kind.vector.lanes:
                sums = builder.shuffle_vector(sums, sums, _mask(list(range(n))))
            _store(builder, sums, start, ir.Constant(ir.IntType(64), first), VectorType(kind.vector.dtype, n))

    return (types.void(tile, start), codegen) if tile.columns == 1 else None


# -- short vectors -------------------------------------------------------------------------------------


@intrinsic
def tile_short_totals(typingctx, tile):
    """Tile of one row: the sums of the lanes of each short vector of a tile of one column, filled up with zeros.

    Whole vectors are added and shuffled, 12 shuffles for the 10 short ones of 5 registers of AVX-512; to take each out
    of its register first would be some 30.
    """
    pieces = tile.vector.lanes // _short(tile.vector.dtype).lanes

    def codegen(context, builder, sig, args):
        line = ir.Constant(context.get_value_type(sig.return_type), ir.Undefined)
        for number, sums in enumerate(_row_sums(builder, sig.args[0], args[0], pieces)):
            line = builder.insert_value(line, sums, number)
        return line

    line = TileType(tile.vector, 1, -(-tile.rows * pieces // tile.vector.lanes))
    return (line(tile), codegen) if tile.columns == 1 else None


def _factors(builder, kind, start, row: int):
    """Vector that goes with a row: ``start[k]`` in all lanes of the k-th short vector of the tile."""
    size = _short(kind.vector.dtype).lanes
    pieces = kind.vector.lanes // size
    if pieces == 1:
        scalar = builder.load(builder.gep(start, [ir.Constant(ir.IntType(64), row)]))
        return _spread(builder, scalar, kind.vector)
    whole, first = divmod(row * pieces, kind.vector.lanes)
    values = _load(builder, start, ir.Constant(ir.IntType(64), whole * kind.vector.lanes), kind.vector)
    lanes = [first + k // size for k in range(kind.vector.lanes)]
    return builder.shuffle_vector(values, values, ir.Constant(ir.VectorType(_INT32, kind.vector.lanes), lanes))


@intrinsic
def tile_muladd_shorts(typingctx, tile, factors, vector):
    """Tile of one column plus ``factors[0]``, ``factors[1]``, … (one a short vector) times a vector.

    The factors are padded to whole vectors.
    """

    def codegen(context, builder, sig, args):
        kind, (tile, factors, right) = sig.return_type, args
        for row in range(kind.rows):
            left, old = _factors(builder, kind, factors, row), builder.extract_value(tile, row)
            tile = builder.insert_value(tile, _muladd(builder, kind.vector, left, right, old), row)
        return tile

    return (tile(tile, factors, vector), codegen) if tile.columns == 1 else None


# -- square tiles --------------------------------------------------------------------------------------


@intrinsic
def square_zeros(typingctx, like):
    """Tile of as many rows of one vector as a vector has lanes, all zero."""

    def codegen(context, builder, sig, args):
        kind = context.get_value_type(sig.return_type)
        return ir.Constant(kind, [_constant(sig.return_type.vector, 0.0)] * kind.count)

    vector = _like(like)
    return TileType(vector, vector.lanes, 1)(like), codegen


def _square_rows(builder, kind, start, step, rows):
    """Yield the number and pointer of each row of a tile in memory, the last row first.

    The last of ``rows`` stands for those that lack; being written after them, it is what remains.
    """
    last = builder.sub(rows, ir.Constant(ir.IntType(64), 1))
    for row in reversed(range(kind.rows)):
        number = ir.Constant(ir.IntType(64), row)
        there = builder.select(builder.icmp_signed("<", number, last), number, last)
        yield row, builder.gep(start, [builder.mul(there, step)])


@intrinsic
def square_load(typingctx, like, start, step, rows):
    """Tile of the shape of ``like`` from ``rows`` rows in memory, ``step`` elements apart; the last fills it up."""

    def codegen(context, builder, sig, args):
        kind, (tile, start, step, rows) = sig.return_type, args
        for row, line in _square_rows(builder, kind, start, step, rows):
            value = _load(builder, line, ir.Constant(ir.IntType(64), 0), kind.vector)
            tile = builder.insert_value(tile, value, row)
        return tile

    return like(like, start, types.int64, types.int64), codegen


@intrinsic
def square_store(typingctx, tile, start, step, rows):
    """Write the first ``rows`` rows of a tile, ``step`` elements apart."""

    def codegen(context, builder, sig, args):
        kind, (tile, start, step, rows) = sig.args[0], args
        for row, line in _square_rows(builder, kind, start, step, rows):
            _store(builder, builder.extract_value(tile, row), line, ir.Constant(ir.IntType(64), 0), kind.vector)

    return types.void(tile, start, types.int64, types.int64), codegen


@intrinsic
def square_transpose(typingctx, tile):
    """Transpose of a tile of as many rows as lanes."""

    def codegen(context, builder, sig, args):
        kind, (tile,) = sig.return_type, args
        lanes = kind.vector.lanes
        values = [builder.extract_value(tile, row) for row in range(lanes)]
        size = 1
        while size < lanes:  # exchange squares of this size beside the diagonal of squares twice as large
            upper = [k - size + lanes if k & size else k for k in range(lanes)]
            lower = [k + lanes if k & size else k + size for k in range(lanes)]
            masks = [ir.Constant(ir.VectorType(_INT32, lanes), mask) for mask in (upper, lower)]
            for row in range(lanes):
                if not row & size:
                    a, b = values[row], values[row + size]
                    values[row], values[row + size] = (builder.shuffle_vector(a, b, mask) for mask in masks)
            size *= 2
        for row, value in enumerate(values):
            tile = builder.insert_value(tile, value, row)
        return tile

    return (tile(tile), codegen) if tile.columns == 1 and tile.rows == tile.vector.lanes else None
