"""Rows of a prediction as lists: of the blocks of 4 columns that are not zero, or of single entries.   x (B, I)

As in training, a block's weights stay in registers while all rows on its list pass (``wide_forward``); where entries
lie alone, lists of these are shorter (``sparse_forward``). But no row may depend on the rows beside it, so the columns
keep their order, and each row is taken as blocks, as entries, or as it is, for its own sake.
"""

from typing import Any, NamedTuple

import numpy as np

from .._jit import core, kernel
from ..simd import (
    count_bits,
    itemsize_of,
    lanes,
    load,
    load_as,
    lowest_bit,
    muladd,
    nonzero_bits,
    pointer,
    pointer_to,
    quad,
    reduce_add,
    shift,
    shift_bytes,
    single_bit,
    splat,
    without_lowest_bit,
)
from . import gather
from .blocks import WIDE, append
from .sparse import LOOK, MAX_CANCELLATION, extract_row

# What a block and an entry take, where a column of a row as it is takes 1 (784-300-10 on Zen 5: 59, 37 and 9.5 cycles):
# a row of MNIST as blocks 0.40, as entries 0.75.
BLOCK_COST, ENTRY_COST = 5.6, 3.9

_FIRST_OF_FOUR = np.uint64(0x1111111111111111)


class Room(NamedTuple):
    """Pointers to the room of one thread."""

    row: Any  # (I rounded up to LOOK,): one row, scaled; zeros behind it
    bits: Any  # (groups of LOOK columns,) uint64: which of its entries are not zero
    records: int  # address of (B, record_bytes): rows as entries, values before columns
    record_bytes: int
    addresses: Any  # (B,) int64: of these records
    lengths: Any  # (B,) int64: their entries
    columns: Any  # (entries,) uint16, of one row
    listed: Any  # (B,) int64: which rows these are
    dense: Any  # (B, step): rows that are taken as they are, centred
    step: int
    kept: Any  # (B,) int64: which rows these are


@core
def _blocks_of(bits):
    """Set the first bit of each four of which one is set, and no other."""
    pairs = bits | bits >> np.uint64(1)
    return (pairs | pairs >> np.uint64(2)) & _FIRST_OF_FOUR


@core
def _note(source, step, n, bits):
    """Note which of a row's entries, ``step`` bytes apart, are not zero; returns how many, and in how many blocks."""
    entries, blocks, whole = 0, 0, n - n % LOOK if step == itemsize_of(source) else 0
    for j in range(0, n, LOOK):
        found = np.uint64(0)
        if j < whole:
            found = nonzero_bits(source, j)
        else:
            for k in range(j, min(j + LOOK, n)):
                if shift_bytes(source, k * step)[0] != 0:
                    found |= single_bit(k - j)
        bits[j // LOOK] = found
        entries, blocks = entries + count_bits(found), blocks + count_bits(_blocks_of(found))
    return entries, blocks


@core
def _count(rows, row, room):
    """Entries of a row, as the user gave them, and blocks of them."""
    n, step, address = rows.n_features, rows.column_step, rows.address + np.int64(row) * rows.row_step
    if rows.code == gather.UINT8:
        return _note(pointer_to(address, np.uint8), step, n, room.bits)
    if rows.code == gather.FLOAT32:
        return _note(pointer_to(address, np.float32), step, n, room.bits)
    return _note(pointer_to(address, np.float64), step, n, room.bits)


@core
def _keeps_digits(x, mean, n):
    """Whether what is left of a row after centring is not small beside row and mean; sums are in two chains each."""
    zero, width = splat(x, 0.0), lanes(x)
    before, other_before, after, other_after = zero, zero, zero, zero
    pairs = n - n % (2 * width)
    for j in range(0, pairs, 2 * width):
        value, centre, other, other_centre = load(x, j), load(mean, j), load(x, j + width), load(mean, j + width)
        rest, other_rest = value - centre, other - other_centre
        before = before + muladd(value, value, centre * centre)
        other_before = other_before + muladd(other, other, other_centre * other_centre)
        after, other_after = muladd(rest, rest, after), muladd(other_rest, other_rest, other_after)
    for j in range(pairs, n, width):
        value, centre = load(x, j), load(mean, j)
        before = before + muladd(value, value, centre * centre)
        after = muladd(value - centre, value - centre, after)
    return reduce_add(before + other_before) <= MAX_CANCELLATION * reduce_add(after + other_after)


@core
def _end_with_the_row(x, n):
    """Move the last block's values back, so that its 4 columns are the row's last: zero where others have them."""
    rest = n % WIDE
    start = n - rest
    if rest > 0:
        for k in range(WIDE - 1, -1, -1):
            x[start + k] = x[start + k - WIDE + rest] if k >= WIDE - rest else 0


@core
def _list_blocks(rows, row, number, room, lists):
    """Put the blocks of a row on their lists, if its digits are kept; returns whether."""
    n, like = rows.n_features, quad(lists.values)
    gather.scale_row(rows, row, room.row)
    if not _keeps_digits(room.row, pointer(rows.mean, 0), n):
        return False
    _end_with_the_row(room.row, n)
    for j in range(0, n, LOOK):
        bits = _blocks_of(np.uint64(room.bits[j // LOOK]))
        while bits != 0:
            column = j + lowest_bit(bits)
            bits = without_lowest_bit(bits)
            append(lists, column // WIDE, number, load_as(room.row, column, like))
    return True


@core
def _list_entries(rows, row, b, at, room):
    """Make record ``at`` of row ``b``, if its digits are kept; returns whether."""
    limit, address = int(rows.n_features / ENTRY_COST), room.records + at * room.record_bytes
    length = extract_row(rows, row, limit, address, room.columns)
    room.addresses[at], room.lengths[at], room.listed[at] = address, length, b
    return length >= 0


@kernel
def list_rows(rows, order, first, count, step, room, lists):
    """Make lists of rows ``order[first : first + count]``; their outputs will lie ``step`` elements apart.

    Those of which too many digits would be lost, or that have too few zeros, are kept as they are. Returns how many are
    records of entries, and how many are kept.
    """
    n, n_listed, n_kept = rows.n_features, 0, 0
    for block in range(-(-n // WIDE)):
        lists.counts[block] = 0
    for b in range(count):
        row, done = order[first + b], False
        entries, blocks = _count(rows, row, room)
        if BLOCK_COST * blocks < min(n, ENTRY_COST * entries):
            done = _list_blocks(rows, row, b * step, room, lists)
        elif ENTRY_COST * entries < n:
            done = _list_entries(rows, row, b, n_listed, room)
            n_listed += done
        if not done:
            to = shift(room.dense, n_kept * room.step)
            gather.gather_rows(rows, order, first + b, 1, len(order), 0, n, to, room.step)
            room.kept[n_kept] = b
            n_kept += 1
    return n_listed, n_kept
