"""Rows as blocks of columns, for data whose entries that are not zero lie together, as the pixels of an image do.

Columns are put in an order in which those that are not zero together are neighbours, and cut into blocks of ``size``
columns. Of each row only the blocks with an entry that is not zero are kept, and these whole: 51 blocks of 4, or 31 of
8, of an MNIST image with its 150 entries. So a third or two thirds more values are multiplied than with single
entries (``sparse.py``), but the weights of a block, or their gradients, stay in registers while all samples of a
minibatch that have the block pass over them: nothing is loaded and stored for each entry. For few units, blocks that
most rows have are kept of all: see ``narrow.py``.

A minibatch is turned round for it: each block has a list of the samples that have it, with their values (``wide.py``),
or bits that say which have it (``narrow.py``).
"""

from typing import Any, NamedTuple

import numpy as np

from .._jit import core, entry, kernel
from ..simd import (
    count_bits,
    lanes,
    load,
    load_as,
    lowest_bit,
    muladd,
    nonzero_bits,
    pointer,
    pointer_to,
    prefetch,
    quad,
    reduce_add,
    shift,
    short,
    single_bit,
    splat,
    store,
    without_lowest_bit,
)
from ..views import views
from . import gather
from .sparse import LOOK, _collect

# Columns of a block for the wide kernels; for the narrow ones it is the lanes of a short vector.
WIDE = 4

_NUMBER_BYTES, _GROUP_BYTES = 2, 8  # the number of a block; the bits of 64 blocks


class ColumnBlocks(NamedTuple):
    """The blocks of the user's matrix: a record for each slice of each row, first their numbers, then their values."""

    address: int  # of the first record
    records: Any  # uint8; keeps them alive
    like: Any  # an empty array of the values' dtype: uint8 as the user's data, or the network's
    starts: Any  # (n_rows * n_slices + 1,) uint32: blocks before each record
    order: Any  # (n_features,) int64: column at each position
    scale: Any  # (n_blocks * size,) of the network's dtype, by place in a row: rows become row * scale + offset
    offset: Any  # (n_blocks * size,)
    cuts: Any  # (n_slices + 1,) int64: first blocks of the slices
    size: int  # columns of a block
    lines: int  # cache lines of a record, on average
    always: int  # of the first blocks of each slice, which each row has; none with many units
    groups: int  # of 64 other blocks in a slice, rounded up; none with many units
    head: int  # bytes of a record before the numbers of its blocks


class NarrowColumnBlocks(NamedTuple):
    """The same for a first layer of few units. Three things come before the numbers, which are those of other blocks.

    * values of the blocks that each row has
    * the product of the slice with the mean of the rows, scaled, a number of the network's dtype
    * a bit for each other block, which says whether the row has it
    """

    address: int
    records: Any
    like: Any
    starts: Any
    order: Any
    scale: Any
    offset: Any
    cuts: Any
    size: int
    lines: int
    always: int
    groups: int
    head: int
    factor: float  # the scale of all columns, or 0 if they have different ones
    squares: Any  # (n_slices,) float64: mean @ mean


class SharedColumnBlocks(NarrowColumnBlocks):
    """The same with blocks of all rows: see ``narrow_shared.py``."""


class WideWork(NamedTuple):
    """The lists of a minibatch, for each thread, and what goes with the weights."""

    bounds: Any  # (n_blocks + 1,) int64: where the list of each block begins
    counts: Any  # (threads, n_blocks) int64: samples in each list
    numbers: Any  # (threads, n) int32: offsets of the samples' rows in the layer's outputs
    values: Any  # (threads, n * size): values of the samples
    base: Any  # (units, width of a panel): offset @ w
    totals: Any  # (threads, columns): dz.sum(axis=0)
    room: Any  # as large as the first layer's weights


class NarrowWork(NamedTuple):
    """The blocks of a minibatch, for each thread, and what goes with the weights."""

    masks: Any  # (threads, words, n_blocks) uint64: bit s of word k says that sample 64 k + s has the block
    bits: Any  # (threads, n_slices, groups, samples) uint64: bit s of group k is of a slice's other block 64 k + s
    always: Any  # (threads, n_slices, B) int64: addresses of the samples' values in the blocks that each row has
    listed: Any  # (threads, n_slices, B) int64: and of those in the other blocks that a sample has
    nothing: Any  # (size,), zeros: values of a block that a sample does not have
    values: Any  # (threads, B, step): of the blocks that samples have, each at its place in the row; or of none
    base: Any  # (n_slices, T * L): offset * w, summed over the blocks
    totals: Any  # (threads, columns): dz.sum(axis=0)
    room: Any  # as large as the first layer's weights
    width: int  # T, accumulators of the tiles
    products: Any  # (n_slices, B): s, here and below see narrow_sgd.py
    alpha: Any  # (n_slices, 8) float64, the first of each row
    u: Any  # (n_slices, columns)
    q: Any  # (n_slices, columns)


class FewWork(NarrowWork):
    """The same for the fewest units: see ``narrow_samples.empty_tile``."""


class Lists(NamedTuple):
    """Pointers to the lists of one thread."""

    bounds: Any
    counts: Any
    numbers: Any
    values: Any


# -- records -------------------------------------------------------------------------------------------


@core
def _place(rows, number):
    """Address of the numbers of a record, and how many there are."""
    begin = np.int64(rows.starts[number])
    address = rows.address + (number + 1) * rows.head + begin * (_NUMBER_BYTES + rows.size * rows.like.itemsize)
    return address, np.int64(rows.starts[number + 1]) - begin


def record_bytes(rows: Any, n_blocks: int, n_records: int) -> int:
    """Return how long some records are together."""
    n_bytes: int = n_records * rows.head + n_blocks * (_NUMBER_BYTES + rows.size * rows.like.itemsize)
    return n_bytes


def head_bytes(size: int, always: int, groups: int, values: np.dtype[Any], dtype: np.dtype[Any]) -> int:
    """Return how long a record of few units is before the numbers of its blocks."""
    return always * size * values.itemsize + dtype.itemsize + groups * _GROUP_BYTES


class Record(NamedTuple):
    """Pointers to a slice of a row."""

    always: Any  # values of the blocks that each row has
    product: Any  # with the offsets, not scaled
    groups: Any  # bits of the other blocks, 64 in a word
    numbers: Any  # of the other blocks that this row has
    values: Any  # of these
    n: int  # how many these are


@core
def record(rows, row, piece):
    """Slice of a row."""
    address, n = _place(rows, np.int64(row) * (len(rows.cuts) - 1) + piece)
    groups = address - rows.groups * _GROUP_BYTES
    return Record(
        pointer_to(address - rows.head, rows.like.dtype.type),
        pointer_to(groups - rows.offset.itemsize, rows.offset.dtype.type),
        pointer_to(groups, np.uint64),
        pointer_to(address, np.uint16),
        pointer_to(address + n * _NUMBER_BYTES, rows.like.dtype.type),
        n,
    )


# -- the user's matrix, made blocks once per fit -------------------------------------------------------


class Places(NamedTuple):
    """Where the columns lie, and room for one row."""

    blocks: Any  # (n_features,) int64: block of each column, or n_blocks + 64 if each row has it
    slots: Any  # (n_features,) int64: where a column lies in the row, whose blocks lie one after the other
    cuts: Any  # (n_slices + 1,) int64: first blocks of the slices
    flags: Any  # (n_blocks + 65,) uint8, zeros: whether a block has an entry; nobody reads the last one
    row: Any  # (n_blocks * size,), zeros, of the values' dtype
    columns: Any  # (n_features,) uint16
    values: Any  # (n_features,) of the data's dtype


@core
def _flagged(places, block, end):
    """Bits of those of the next 64 blocks, up to ``end``, that have an entry; their flags are cleared."""
    flags = pointer(places.flags, block)
    bits, n = nonzero_bits(flags, 0), min(LOOK, end - block)
    for k in range(n):
        flags[k] = 0
    return bits if n == LOOK else bits & (single_bit(n) - single_bit(0))


@core
def _count_flags(places, row, counts, always):
    n_slices = len(places.cuts) - 1
    for piece in range(n_slices):
        n, end = 0, places.cuts[piece + 1]
        for block in range(places.cuts[piece] + always, end, LOOK):
            n += count_bits(_flagged(places, block, end))
        counts[row * n_slices + piece] = n


@core
def _move_words(source, to, n):
    """Copy numbers of four bytes and set them to zero where they were."""
    for k in range(n):
        to[k], source[k] = source[k], 0


@core
def _product(rows, row, piece):
    """Product of a record with the offsets, not scaled."""
    offset, begin = pointer(rows.offset, 0), rows.cuts[piece] * rows.size
    found, total = record(rows, row, piece), short(offset)
    for t in range(rows.always):
        x = load_as(found.always, t * rows.size, short(offset))
        total = muladd(x, load_as(offset, begin + t * rows.size, short(offset)), total)
    for t in range(found.n):
        x = load_as(found.values, t * rows.size, short(offset))
        total = muladd(x, load_as(offset, np.int64(found.numbers[t]) * rows.size, short(offset)), total)
    return reduce_add(total)


@core
def _write_record(places, rows, row):
    """Write the record of the row that lies in ``places``, as long as it was counted, and clear it there."""
    n_slices, words = len(places.cuts) - 1, rows.size * rows.like.itemsize // 4
    source = pointer_to(places.row.address, np.uint32)
    for piece in range(n_slices):
        end, at, group, found = places.cuts[piece + 1], 0, 0, record(rows, row, piece)
        address, n = _place(rows, row * n_slices + piece)
        always, values = pointer_to(address - rows.head, np.uint32), pointer_to(address + n * _NUMBER_BYTES, np.uint32)
        _move_words(shift(source, places.cuts[piece] * words), always, rows.always * words)
        for first in range(places.cuts[piece] + rows.always, end, LOOK):
            bits, kept = _flagged(places, first, end), np.uint64(0)
            while bits != 0:
                block = first + lowest_bit(bits)
                bits = without_lowest_bit(bits)
                if at < found.n:
                    kept |= single_bit(block - first)
                    found.numbers[at] = block
                    for k in range(words):
                        values[at * words + k] = source[block * words + k]
                for k in range(words):
                    source[block * words + k] = 0
                at += 1
            if group < rows.groups:
                found.groups[group] = kept
                group += 1
        for t in range(at, found.n):  # the rows have changed since they were counted
            found.numbers[t] = places.cuts[piece]
            for k in range(words):
                values[t * words + k] = 0
        if rows.head > 0:
            found.product[0] = _product(rows, row, piece)


@core
def _use_row(places, row, counts, found):
    """Count the blocks of the row that lies in ``places``, or write its record; clears ``places``."""
    if counts.size > 0:
        _count_flags(places, row, counts, found.always)
    else:
        _write_record(places, found, row)


@entry
def read_blocks(rows, like, n_rows, places, counts, found):
    """Count the blocks with an entry of each slice of dense rows in counts (n_rows * n_slices,).

    If ``counts`` is empty fill the records of ``found`` instead, as long as they were counted even if the rows have
    changed since. ``like`` is an array of the rows' dtype. Returns the number of entries.
    """
    rows, places, counts, found, n = views(rows), views(places), views(counts), views(found), rows.n_features
    total = 0
    columns, values = pointer(places.columns, 0), pointer(places.values, 0)
    for row in range(n_rows):
        source = pointer_to(rows.address + row * rows.row_step, like.dtype.type)
        count = min(n, _collect(source, rows.column_step, 0, n, n, values, columns))
        for t in range(count):
            places.flags[places.blocks[columns[t]]] = 1
            if counts.size == 0:
                places.row[places.slots[columns[t]]] = values[t]
        _use_row(places, row, counts, found)
        total += count
    return total


@entry
def read_csr_blocks(starts, columns, values, n_rows, places, counts, found):
    """The same for compressed sparse rows."""
    places, counts, found, total = views(places), views(counts), views(found), 0
    for row in range(n_rows):
        for i in range(starts[row], starts[row + 1]):
            if values[i] != 0:
                places.flags[places.blocks[columns[i]]] = 1
                if counts.size == 0:
                    places.row[places.slots[columns[i]]] = values[i]
                total += 1
        _use_row(places, row, counts, found)
    return total


# -- minibatches ---------------------------------------------------------------------------------------


@core
def ask_for(rows, order, position, distance, piece):
    """Ask for the record of the sample ``distance`` later in the order, and where that after as many more lies.

    Where records lie must itself have come from memory by then: see ``sparse.Ahead``.
    """
    n_slices, last = len(rows.cuts) - 1, len(order) - 1
    later = np.int64(order[min(position + 2 * distance, last)]) * n_slices + piece
    prefetch(pointer(rows.starts, 0), later)
    soon = np.int64(order[min(position + distance, last)]) * n_slices + piece
    address, _ = _place(rows, soon)
    source = pointer_to(address - rows.head, np.uint8)
    for line in range(rows.lines):  # always as many: the end of such a short loop is else mispredicted
        prefetch(source, line * gather.CACHE_LINE)


@core
def lists_of(work, thread):
    """Lists of a thread."""
    return Lists(
        pointer(work.tiles.bounds, 0),
        pointer(work.tiles.counts, thread * work.tiles.counts.shape[1]),
        pointer(work.tiles.numbers, thread * work.tiles.numbers.shape[1]),
        pointer(work.tiles.values, thread * work.tiles.values.shape[1]),
    )


@core
def append(lists, block, number, value):
    """Put a sample on the list of a block: its number, and its four values."""
    length = lists.counts[block]
    place = lists.bounds[block] + length
    lists.counts[block] = length + 1
    lists.numbers[place] = number
    store(lists.values, place * WIDE, value)


@kernel
def load_lists(rows, order, first, count, piece, step, distance, lists):
    """Fill the lists of the blocks of a slice with samples ``order[first : first + count]``, scaled.

    Rows of the layer's outputs lie ``step`` elements apart.
    """
    like, scale = quad(lists.values), pointer(rows.scale, 0)
    for block in range(rows.cuts[piece], rows.cuts[piece + 1]):
        lists.counts[block] = 0
    for b in range(count):
        ask_for(rows, order, first + b, distance, piece)
        found = record(rows, order[first + b], piece)
        for t in range(found.n):
            block = np.int64(found.numbers[t])
            value = load_as(found.values, t * WIDE, like) * load_as(scale, block * WIDE, like)
            append(lists, block, b * step, value)


@core
def _write_out(like, size, rows, order, first, count, piece, to, step):
    offset, scale, start = pointer(rows.offset, 0), pointer(rows.scale, 0), rows.cuts[piece] * rows.size
    n = rows.cuts[piece + 1] * rows.size - start
    for b in range(count):
        line, found = shift(to, b * step), record(rows, order[first + b], piece)
        gather.copy_row(shift(offset, start), n, 1.0, line)
        for t in range(0, rows.always * size, size):
            value = load_as(found.always, t, like) * load_as(scale, start + t, like) + load_as(offset, start + t, like)
            store(line, t, value)
        for t in range(found.n):
            place = np.int64(found.numbers[t]) * size
            value = load_as(found.values, t * size, like) * load_as(scale, place, like) + load_as(offset, place, like)
            store(line, place - start, value)


@kernel
def write_out(rows, order, first, count, piece, to, step):
    """Write a slice of some samples, block after block and centred, and a vector of zeros to rows ``step`` apart."""
    if rows.size == WIDE:
        _write_out(quad(to), WIDE, rows, order, first, count, piece, to, step)
    else:
        _write_out(short(to), lanes(short(to)), rows, order, first, count, piece, to, step)


@kernel
def column_sums(dz, step, count, columns, out):
    """out (columns,) = dz.sum(axis=0), whole vectors, in two sums."""
    for j in range(0, columns, lanes(dz)):
        one, two = splat(dz, 0.0), splat(dz, 0.0)
        for b in range(0, count - 1, 2):
            one = one + load(dz, b * step + j)
            two = two + load(dz, (b + 1) * step + j)
        if count % 2 == 1:
            one = one + load(dz, (count - 1) * step + j)
        store(out, j, one + two)


# -- the order of the weights --------------------------------------------------------------------------


@kernel
def permute_panel(w, n_in, width, order, forth, room):
    """Put the rows of a panel (I, width) in the order of the blocks, or back."""
    for i in range(0, n_in * width, lanes(w)):
        store(room, i, load(w, i))
    for p in range(n_in):
        old, new = (order[p], p) if forth else (p, order[p])
        for j in range(0, width, lanes(w)):
            store(w, new * width + j, load(room, old * width + j))


@kernel
def to_lanes(w, n_in, columns, size, width, order, room):
    """w (I, columns) to (n_blocks, width, size): inputs along the lanes, in the order of the blocks."""
    for i in range(n_in * columns):
        room[i] = w[i]
    for p in range(-(-n_in // size) * size):
        block, k = p // size, p % size
        for j in range(width):
            inside = p < n_in and j < columns
            w[(block * width + j) * size + k] = room[order[p] * columns + j] if inside else 0.0


@kernel
def from_lanes(w, n_in, columns, size, width, order, room):
    """Opposite of ``to_lanes``."""
    for i in range(-(-n_in // size) * size * width):
        room[i] = w[i]
    for p in range(n_in):
        block, k = p // size, p % size
        for j in range(columns):
            w[order[p] * columns + j] = room[(block * width + j) * size + k] if j < width else 0.0
