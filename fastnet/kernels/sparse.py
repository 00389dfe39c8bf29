"""First layer on rows that are mostly zeros.   x (B, I) as lists of entries, w (I, O), z (B, O)

forward    z  = (x - mean) @ w + b = x @ w + (b - mean @ w)
backward   dw = (x - mean).T @ dz  = x.T @ dz - outer(mean, dz.sum(axis=0))

Only entries that are not zero are touched: 150 of 784 pixels of an MNIST image. Centring would fill the rows, so it
is folded into the bias and into the gradient; that costs one pass over the weights a minibatch.

The columns are cut into blocks: the weights (or the gradient) of one block of a panel lie in the L1 cache while all
samples of a minibatch pass over them. Each cut ends a loop for every sample,
which the CPU mispredicts: one block instead of four took 784-10-10 from 46 to 30 ms an epoch, with other mends.
"""

from typing import Any, NamedTuple

import numpy as np

from .._jit import core, entry, kernel
from ..simd import (
    lanes,
    load_as,
    load_first,
    pointer,
    pointer_to,
    prefetch,
    shift,
    store,
    store_first,
    tile_add,
    tile_muladd,
    tile_scale_add,
    tile_scale_store,
    tile_store,
    tile_sum,
    tile_zeros,
)
from . import gather

# Bytes of a block of a panel of weights. More than an L1 cache has, because the columns that no sample of a minibatch
# uses (327 of MNIST's 784 at B = 32) are never touched.
BLOCK_BYTES = 52 << 10


class SparseRows(NamedTuple):
    """The entries of the user's matrix that are not zero, row by row and, in a row, block by block."""

    starts: Any  # (n_rows * n_blocks + 1,) int64: where the entries of a block of a row begin
    columns: Any  # (n_entries,) uint16
    values: Any  # (n_entries,) uint8 or the network's dtype
    n_features: int
    n_blocks: int
    block: int  # columns in a block
    scale: float
    mean: Any  # (n_features padded,) of the network's dtype


class SparseTiles(NamedTuple):
    """Room for the entries of one minibatch, for each thread."""

    columns: Any  # (threads, n) int32
    values: Any  # (threads, n) of the network's dtype
    starts: Any  # (threads, B * n_blocks + 1) int64


def forward_reference(x, mean, w, b):
    """NumPy twin of ``sparse_forward``."""
    return (x - mean) @ w + b


def backward_reference(x, mean, dz):
    """NumPy twin of ``block_gradient``."""
    return (x - mean).T @ dz


# -- the user's matrix, made sparse once per fit -------------------------------------------------------


@core
def _count(address, step, dtype, start, stop):
    count = 0
    for j in range(start, stop):
        count += pointer_to(address + j * step, dtype)[0] != 0
    return count


@core
def _count_block(rows, address, start, stop):
    if rows.code == gather.UINT8:
        return _count(address, rows.column_step, np.uint8, start, stop)
    if rows.code == gather.FLOAT32:
        return _count(address, rows.column_step, np.float32, start, stop)
    return _count(address, rows.column_step, np.float64, start, stop)


@entry
def count_entries(rows, n_rows, block, counts):
    """counts (n_rows * n_blocks,): entries that are not zero in each block of columns of each row."""
    at = 0
    for row in range(n_rows):
        address = rows.address + row * rows.row_step
        for start in range(0, rows.n_features, block):
            counts[at] = _count_block(rows, address, start, min(rows.n_features, start + block))
            at += 1


@core
def _copy(address, step, dtype, n, at, limit, columns, values):
    """Write each element, and go on only if it is not zero: no branch to be mispredicted."""
    for j in range(n):
        value = pointer_to(address + j * step, dtype)[0]
        columns[at] = j
        values[at] = value
        at = min(at + (value != 0), limit)
    return at


@entry
def copy_entries(rows, n_rows, columns, values):
    """Write columns and values of all entries that are not zero; returns their number.

    Both arrays have one element to spare, which is never passed, even if the rows have changed since they were counted.
    """
    limit = len(columns) - 1
    at, columns, values = 0, pointer(columns, 0), pointer(values, 0)
    for row in range(n_rows):
        address, n = rows.address + row * rows.row_step, rows.n_features
        if rows.code == gather.UINT8:
            at = _copy(address, rows.column_step, np.uint8, n, at, limit, columns, values)
        elif rows.code == gather.FLOAT32:
            at = _copy(address, rows.column_step, np.float32, n, at, limit, columns, values)
        else:
            at = _copy(address, rows.column_step, np.float64, n, at, limit, columns, values)
    return at


# -- one minibatch -------------------------------------------------------------------------------------


@kernel
def gather_entries(rows, order, first, count, limit, tiles, thread):
    """Copy the entries of rows ``order[first : first + count]``, scaled, into a thread's tile."""
    tile = thread * tiles.values.shape[1]
    values, columns = pointer(tiles.values, tile), pointer(tiles.columns, tile)
    starts, at = pointer(tiles.starts, thread * tiles.starts.shape[1]), 0
    for b in range(count):
        later = np.int64(order[min(first + b + gather.PREFETCH_ROWS, limit - 1)]) * rows.n_blocks
        _prefetch(rows, rows.starts[later], rows.starts[later + rows.n_blocks])
        row = np.int64(order[first + b]) * rows.n_blocks
        begin, end = rows.starts[row], rows.starts[row + rows.n_blocks]
        for block in range(rows.n_blocks):
            starts[b * rows.n_blocks + block] = at + rows.starts[row + block] - begin
        _copy_row(rows, begin, end - begin, shift(values, at), shift(columns, at))
        at += end - begin
    starts[count * rows.n_blocks] = at


@core
def _prefetch(rows, begin, end):
    """Ask for the entries of a row that will be gathered soon."""
    for t in range(begin, end, gather.CACHE_LINE // rows.values.itemsize):
        prefetch(pointer(rows.values, t), 0)
    for t in range(begin, end, gather.CACHE_LINE // rows.columns.itemsize):
        prefetch(pointer(rows.columns, t), 0)


@core
def _copy_row(rows, begin, n, values, columns):
    """Scaled values and columns of one row."""
    source, source_columns = pointer(rows.values, begin), pointer(rows.columns, begin)
    whole = n - n % lanes(values)
    for t in range(0, whole, lanes(values)):
        store(values, t, load_as(source, t, values) * rows.scale)
    if whole < n:
        for t in range(whole, n):
            values[t] = source[t]
        rest = n - whole
        store_first(values, whole, load_first(values, whole, rest, 0.0) * rows.scale, rest)
    for t in range(n):
        columns[t] = source_columns[t]


@core
def _entries_product(tile, w, width, columns, values, begin, end, z):
    """z += sum of value * w[column] over some entries; four sums at a time, since one would wait for itself."""
    one, two, three, four = tile, tile, tile, tile
    quads = end - (end - begin) % 4
    for t in range(begin, quads, 4):
        one = tile_muladd(one, shift(values, t), 0, shift(w, columns[t] * width))
        two = tile_muladd(two, shift(values, t + 1), 0, shift(w, columns[t + 1] * width))
        three = tile_muladd(three, shift(values, t + 2), 0, shift(w, columns[t + 2] * width))
        four = tile_muladd(four, shift(values, t + 3), 0, shift(w, columns[t + 3] * width))
    for t in range(quads, end):
        one = tile_muladd(one, shift(values, t), 0, shift(w, columns[t] * width))
    total = tile_sum(tile_sum(one, two), tile_sum(three, four))
    tile_store(tile_add(total, z, 0), z, 0)


@core
def _forward_panel(tile, w, width, columns, values, starts, n_blocks, rows, z, z_step):
    for block in range(n_blocks):
        for b in range(rows):
            begin, end = starts[b * n_blocks + block], starts[b * n_blocks + block + 1]
            _entries_product(tile, w, width, columns, values, begin, end, shift(z, b * z_step))


@kernel
def sparse_forward(columns, values, starts, n_blocks, rows, w, width, z, z_step):
    """z (B, width) += x @ w for one panel of weights; ``z`` holds the folded bias before."""
    if width == 3 * lanes(w):
        _forward_panel(tile_zeros(w, 1, 3), w, width, columns, values, starts, n_blocks, rows, z, z_step)
    elif width == 2 * lanes(w):
        _forward_panel(tile_zeros(w, 1, 2), w, width, columns, values, starts, n_blocks, rows, z, z_step)
    else:
        _forward_panel(tile_zeros(w, 1, 1), w, width, columns, values, starts, n_blocks, rows, z, z_step)


@core
def _mean_product(tile, mean, n, w, width, out):
    """out (width,) = mean (I,) @ w (I, width), in four sums."""
    one, two, three, four = tile, tile, tile, tile
    quads = n - n % 4
    for i in range(0, quads, 4):
        one = tile_muladd(one, shift(mean, i), 0, shift(w, i * width))
        two = tile_muladd(two, shift(mean, i + 1), 0, shift(w, (i + 1) * width))
        three = tile_muladd(three, shift(mean, i + 2), 0, shift(w, (i + 2) * width))
        four = tile_muladd(four, shift(mean, i + 3), 0, shift(w, (i + 3) * width))
    for i in range(quads, n):
        one = tile_muladd(one, shift(mean, i), 0, shift(w, i * width))
    tile_store(tile_sum(tile_sum(one, two), tile_sum(three, four)), out, 0)


@kernel
def mean_product(mean, n, w, width, out):
    """out (width,) = mean @ w for one panel of weights."""
    if width == 3 * lanes(w):
        _mean_product(tile_zeros(w, 1, 3), mean, n, w, width, out)
    elif width == 2 * lanes(w):
        _mean_product(tile_zeros(w, 1, 2), mean, n, w, width, out)
    else:
        _mean_product(tile_zeros(w, 1, 1), mean, n, w, width, out)


@core
def _start_gradient(tile, total, mean, n, width, dw):
    line = tile_add(tile, total, 0)
    for i in range(n):
        tile_scale_store(line, shift(mean, i), shift(dw, i * width))


@core
def _add_gradient(tile, columns, values, starts, n_blocks, rows, dz, dz_step, width, dw):
    for b in range(rows):
        line = tile_add(tile, shift(dz, b * dz_step), 0)
        for t in range(starts[b * n_blocks], starts[b * n_blocks + 1]):
            tile_scale_add(line, shift(values, t), shift(dw, columns[t] * width))


@core
def _block_gradient(tile, columns, values, starts, n_blocks, rows, dz, dz_step, width, mean, n, total, first, dw):
    _start_gradient(tile, total, shift(mean, first), n, width, dw)
    _add_gradient(tile, columns, values, starts, n_blocks, rows, dz, dz_step, width, shift(dw, -first * width))


@kernel
def block_gradient(columns, values, starts, n_blocks, rows, dz, dz_step, width, mean, n, minus_total, first, dw):
    """dw (n, width) = (x - mean).T @ dz for the ``n`` columns of x from ``first`` on, a block, and one panel.

    ``starts`` begins with the block's; ``minus_total`` (width,) is -dz.sum(axis=0).
    """
    if width == 3 * lanes(dw):
        t3 = tile_zeros(dz, 1, 3)
        _block_gradient(
            t3, columns, values, starts, n_blocks, rows, dz, dz_step, width, mean, n, minus_total, first, dw
        )
    elif width == 2 * lanes(dw):
        t2 = tile_zeros(dz, 1, 2)
        _block_gradient(
            t2, columns, values, starts, n_blocks, rows, dz, dz_step, width, mean, n, minus_total, first, dw
        )
    else:
        t1 = tile_zeros(dz, 1, 1)
        _block_gradient(
            t1, columns, values, starts, n_blocks, rows, dz, dz_step, width, mean, n, minus_total, first, dw
        )
