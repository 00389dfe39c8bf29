"""First layer on rows that are mostly zeros.   x (B, I) as lists of entries, w (I, O), z (B, O)

forward    z  = (x - mean) @ w + b
backward   dw = (x - mean).T @ dz  = x.T @ dz - outer(mean, dz.sum(axis=0))

Only entries that are not zero are touched: 150 of 784 pixels of an MNIST image. Centring would fill the rows and
weight decay would touch all weights, so both are folded: memory holds v of

    w = alpha * v + outer(mean, u)

With q = mean @ v, and s = mean @ x and m = mean @ mean known beforehand:

forward    z      = alpha * (x @ v - q) + (s - m) * u + b
plain SGD  alpha' = keep * alpha                      keep = 1 - learning_rate * weight_decay
           v'     = v - learning_rate / alpha' * x.T @ dz       only rows of v that x touches
           q'     = q - learning_rate / alpha' * s @ dz
           u'     = keep * u + learning_rate * dz.sum(axis=0)

(Lazy updates of sparse rows: Langford, Li, Zhang, "Sparse online learning via truncated gradient", JMLR 10, 2009,
section 5; the mean is our addition.) Every few hundred minibatches the state is settled: v = w, alpha = 1, u = 0.
Other optimizers need the whole gradient; then v is w all the time.

The columns of x are cut into slices, which different threads may own, and these into blocks: the weights of one block
of a panel lie in the L1 cache while all samples of a minibatch pass over them. Each cut ends a loop for every sample,
which the CPU mispredicts, so there are no more than needed.
"""

from typing import Any, NamedTuple

import numpy as np

from .._jit import core, entry, kernel
from ..simd import (
    lanes,
    load,
    pointer,
    pointer_to,
    prefetch,
    shift,
    splat,
    store,
    tile_load,
    tile_muladd,
    tile_plus,
    tile_scale_add,
    tile_scale_store,
    tile_store,
    tile_sum,
    tile_width,
    tile_zeros,
)
from . import gather

# Bytes of a block of a panel of weights. More than an L1 cache has, because the columns that no sample of a minibatch
# uses (327 of MNIST's 784 at B = 32) are never touched.
BLOCK_BYTES = 52 << 10

# Lists are filled up with zeros to a multiple of this length, so that loops need no rest.
QUAD = 4
_COLUMN_BYTES = 2

# Rows of a shuffled epoch lie anywhere in memory: the forward pass asks for the row this much later.
PREFETCH_ROWS = 16


class SparseRows(NamedTuple):
    """The entries of the user's matrix that are not zero, scaled: a record for each block of columns of each row.

    A record holds the values, then the columns (uint16): a row is one piece of memory.
    """

    address: int  # of the first record
    records: Any  # uint8; keeps them alive
    starts: Any  # (n_rows * n_blocks + 1,) uint32: entries before each record
    products: Any  # (n_rows, n_slices): s
    squares: Any  # (n_slices,) float64: m
    bounds: Any  # (n_blocks + 1,) int64: first columns of the blocks
    n_slices: int
    mean: Any  # (n_features padded,) of the network's dtype


class Folded(NamedTuple):
    """What is folded into the weights of the first layer between two settlements."""

    alpha: Any  # (units, 8) float64, the first of each row
    u: Any  # (n_slices, columns)
    q: Any  # (n_slices, columns)


def forward_reference(x, mean, w, b):
    """NumPy twin of the forward pass."""
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
def count_entries(rows, n_rows, bounds, counts):
    """counts (n_rows * n_blocks,): lengths of the lists of each block of columns of each row, filled up."""
    at = 0
    for row in range(n_rows):
        address = rows.address + row * rows.row_step
        for block in range(len(bounds) - 1):
            count = _count_block(rows, address, bounds[block], bounds[block + 1])
            counts[at] = -(-count // QUAD) * QUAD
            at += 1


@core
def _copy(address, step, dtype, start, stop, n, values, columns):
    """Write each element, and go on only if it is not zero: no branch to be mispredicted. At most ``n`` are kept."""
    at = 0
    for j in range(start, stop):
        value = pointer_to(address + j * step, dtype)[0]
        if at < n:
            columns[at] = j
            values[at] = value
        at += value != 0
    return min(at, n)


@core
def _copy_block(rows, address, start, stop, n, values, columns):
    if rows.code == gather.UINT8:
        return _copy(address, rows.column_step, np.uint8, start, stop, n, values, columns)
    if rows.code == gather.FLOAT32:
        return _copy(address, rows.column_step, np.float32, start, stop, n, values, columns)
    return _copy(address, rows.column_step, np.float64, start, stop, n, values, columns)


@core
def _record(entries, record):
    """Values, columns and length of a record."""
    begin = np.int64(entries.starts[record])
    n = np.int64(entries.starts[record + 1]) - begin
    address = entries.address + begin * (entries.mean.itemsize + _COLUMN_BYTES)
    values = pointer_to(address, entries.mean.dtype.type)
    return values, pointer_to(address + n * entries.mean.itemsize, np.uint16), n


@entry
def copy_entries(rows, n_rows, entries):
    """Fill the records, as long as they were counted even if the rows have changed since; returns the sum of squares.

    Also fills ``products``.
    """
    n_blocks, total = len(entries.bounds) - 1, 0.0
    per_slice = n_blocks // entries.n_slices
    for row in range(n_rows):
        address = rows.address + row * rows.row_step
        for piece in range(entries.n_slices):
            product = 0.0
            for block in range(piece * per_slice, (piece + 1) * per_slice):
                values, columns, n = _record(entries, row * n_blocks + block)
                start = entries.bounds[block]
                count = _copy_block(rows, address, start, entries.bounds[block + 1], n, values, columns)
                for t in range(count):
                    values[t] *= rows.scale
                    total += np.float64(values[t]) * np.float64(values[t])
                    product += np.float64(values[t]) * np.float64(entries.mean[columns[t]])
                for t in range(count, n):
                    values[t] = 0
                    columns[t] = start
            entries.products[row, piece] = product
    return total


# -- forward -------------------------------------------------------------------------------------------


@core
def _prefetch(rows, row, begin, end):
    """Ask for the records of some blocks of a row that will be read soon."""
    n_blocks = len(rows.bounds) - 1
    first, last = np.int64(rows.starts[row * n_blocks + begin]), np.int64(rows.starts[row * n_blocks + end])
    size = rows.mean.itemsize + _COLUMN_BYTES
    start = pointer_to(rows.address + first * size, np.uint8)
    for line in range(0, (last - first) * size, gather.CACHE_LINE):
        prefetch(start, line)


@core
def _row_product(tile, w, values, columns, n):
    """Sum of value * w[column]; four sums at a time, since one would wait for itself."""
    one, two, three, four, width = tile, tile, tile, tile, tile_width(tile)
    for t in range(0, n, QUAD):
        one = tile_muladd(one, shift(values, t), 0, shift(w, np.int64(columns[t]) * width))
        two = tile_muladd(two, shift(values, t + 1), 0, shift(w, np.int64(columns[t + 1]) * width))
        three = tile_muladd(three, shift(values, t + 2), 0, shift(w, np.int64(columns[t + 2]) * width))
        four = tile_muladd(four, shift(values, t + 3), 0, shift(w, np.int64(columns[t + 3]) * width))
    return tile_sum(tile_sum(one, two), tile_sum(three, four))


@core
def _forward(tile, rows, order, first, count, piece, w, u, base, alpha, z, z_step, ask):
    n_blocks = len(rows.bounds) - 1
    begin, end = n_blocks // rows.n_slices * piece, n_blocks // rows.n_slices * (piece + 1)
    for block in range(begin, end):
        for b in range(count):
            row = np.int64(order[first + b])
            if ask and block == begin:
                _prefetch(rows, np.int64(order[min(first + b + PREFETCH_ROWS, len(order) - 1)]), begin, end)
            values, columns, n = _record(rows, row * n_blocks + block)
            product = _row_product(tile, w, values, columns, n)
            out = shift(z, b * z_step)
            if block == begin:
                total = tile_plus(tile_load(tile, base), rows.products[row, piece], tile_load(tile, u))
            else:
                total = tile_load(tile, out)
            tile_store(tile_plus(total, alpha, product), out, 0)


@kernel
def sparse_forward(rows, order, first, count, piece, w, width, u, base, alpha, z, z_step, ask):
    """z (B, width) = base + s * u + alpha * x @ v over one slice of columns and one panel of weights.

    With ``ask`` the records of later rows are asked for.
    """
    if width == 3 * lanes(w):
        _forward(tile_zeros(w, 1, 3), rows, order, first, count, piece, w, u, base, alpha, z, z_step, ask)
    elif width == 2 * lanes(w):
        _forward(tile_zeros(w, 1, 2), rows, order, first, count, piece, w, u, base, alpha, z, z_step, ask)
    else:
        _forward(tile_zeros(w, 1, 1), rows, order, first, count, piece, w, u, base, alpha, z, z_step, ask)


@core
def forward_base(rows, piece, u, q, alpha, width, base):
    """base (width,) = -alpha * q - m * u"""
    square = rows.squares[piece]
    for j in range(0, width, lanes(u)):
        store(base, j, load(q, j) * -alpha - load(u, j) * square)


# -- settlement ----------------------------------------------------------------------------------------


@core
def _mean_product(tile, mean, n, w, out):
    one, two, three, four, width = tile, tile, tile, tile, tile_width(tile)
    quads = n - n % QUAD
    for i in range(0, quads, QUAD):
        one = tile_muladd(one, shift(mean, i), 0, shift(w, i * width))
        two = tile_muladd(two, shift(mean, i + 1), 0, shift(w, (i + 1) * width))
        three = tile_muladd(three, shift(mean, i + 2), 0, shift(w, (i + 2) * width))
        four = tile_muladd(four, shift(mean, i + 3), 0, shift(w, (i + 3) * width))
    for i in range(quads, n):
        one = tile_muladd(one, shift(mean, i), 0, shift(w, i * width))
    tile_store(tile_sum(tile_sum(one, two), tile_sum(three, four)), out, 0)


@kernel
def mean_product(mean, n, w, width, out):
    """out (width,) = mean (n,) @ w (n, width) for one panel of weights, in four sums."""
    if width == 3 * lanes(w):
        _mean_product(tile_zeros(w, 1, 3), mean, n, w, out)
    elif width == 2 * lanes(w):
        _mean_product(tile_zeros(w, 1, 2), mean, n, w, out)
    else:
        _mean_product(tile_zeros(w, 1, 1), mean, n, w, out)


@kernel
def unfold(mean, n, w, width, alpha, u):
    """w (n, width) = alpha * v + outer(mean, u), in the place of v; then u = 0."""
    for i in range(n):
        for j in range(0, width, lanes(w)):
            store(w, i * width + j, load(w, i * width + j) * alpha + load(u, j) * mean[i])
    for j in range(0, width, lanes(w)):
        store(u, j, splat(u, 0.0))


# -- plain SGD -----------------------------------------------------------------------------------------


@core
def _scatter(tile, rows, order, first, count, piece, dz, dz_step, factor, w):
    n_blocks, width = len(rows.bounds) - 1, tile_width(tile)
    begin, end = n_blocks // rows.n_slices * piece, n_blocks // rows.n_slices * (piece + 1)
    for block in range(begin, end):
        for b in range(count):
            line = tile_plus(tile, factor, tile_load(tile, shift(dz, b * dz_step)))
            values, columns, n = _record(rows, np.int64(order[first + b]) * n_blocks + block)
            for t in range(0, n, QUAD):
                tile_scale_add(line, shift(values, t), shift(w, np.int64(columns[t]) * width))
                tile_scale_add(line, shift(values, t + 1), shift(w, np.int64(columns[t + 1]) * width))
                tile_scale_add(line, shift(values, t + 2), shift(w, np.int64(columns[t + 2]) * width))
                tile_scale_add(line, shift(values, t + 3), shift(w, np.int64(columns[t + 3]) * width))


@core
def _fold(tile, rows, order, first, count, piece, dz, dz_step, factor, keep, learning_rate, u, q):
    total, product = tile, tile
    for b in range(count):
        line = tile_load(tile, shift(dz, b * dz_step))
        total = tile_sum(total, line)
        product = tile_plus(product, rows.products[np.int64(order[first + b]), piece], line)
    tile_store(tile_plus(tile_load(tile, q), factor, product), q, 0)
    tile_store(tile_plus(tile_plus(tile, keep, tile_load(tile, u)), learning_rate, total), u, 0)


@core
def _lazy(tile, rows, order, first, count, piece, dz, dz_step, learning_rate, keep, alpha, w, u, q):
    factor = -learning_rate / (keep * alpha)
    _scatter(tile, rows, order, first, count, piece, dz, dz_step, factor, w)
    _fold(tile, rows, order, first, count, piece, dz, dz_step, factor, keep, learning_rate, u, q)


@kernel
def sparse_sgd(rows, order, first, count, piece, dz, dz_step, learning_rate, keep, alpha, w, width, u, q):
    """Plain SGD on one slice of one panel of folded weights: v, u and q of the docstring above; alpha is the old one."""
    if width == 3 * lanes(w):
        t3 = tile_zeros(w, 1, 3)
        _lazy(t3, rows, order, first, count, piece, dz, dz_step, learning_rate, keep, alpha, w, u, q)
    elif width == 2 * lanes(w):
        t2 = tile_zeros(w, 1, 2)
        _lazy(t2, rows, order, first, count, piece, dz, dz_step, learning_rate, keep, alpha, w, u, q)
    else:
        t1 = tile_zeros(w, 1, 1)
        _lazy(t1, rows, order, first, count, piece, dz, dz_step, learning_rate, keep, alpha, w, u, q)


# -- gradient ------------------------------------------------------------------------------------------


@core
def _block_gradient(tile, rows, order, first, count, block, dz, dz_step, dw):
    n_blocks, width, start = len(rows.bounds) - 1, tile_width(tile), rows.bounds[block]
    total = tile
    for b in range(count):
        total = tile_sum(total, tile_load(tile, shift(dz, b * dz_step)))
    total = tile_plus(tile, -1.0, total)
    for i in range(rows.bounds[block + 1] - start):
        tile_scale_store(total, pointer(rows.mean, start + i), shift(dw, i * width))
    dw = shift(dw, -start * width)
    for b in range(count):
        line = tile_load(tile, shift(dz, b * dz_step))
        values, columns, n = _record(rows, np.int64(order[first + b]) * n_blocks + block)
        for t in range(0, n, QUAD):
            tile_scale_add(line, shift(values, t), shift(dw, np.int64(columns[t]) * width))
            tile_scale_add(line, shift(values, t + 1), shift(dw, np.int64(columns[t + 1]) * width))
            tile_scale_add(line, shift(values, t + 2), shift(dw, np.int64(columns[t + 2]) * width))
            tile_scale_add(line, shift(values, t + 3), shift(dw, np.int64(columns[t + 3]) * width))


@kernel
def block_gradient(rows, order, first, count, block, dz, dz_step, dw, width):
    """dw (n, width) = (x - mean).T @ dz for the n columns of x in a block, and one panel."""
    if width == 3 * lanes(dw):
        _block_gradient(tile_zeros(dz, 1, 3), rows, order, first, count, block, dz, dz_step, dw)
    elif width == 2 * lanes(dw):
        _block_gradient(tile_zeros(dz, 1, 2), rows, order, first, count, block, dz, dz_step, dw)
    else:
        _block_gradient(tile_zeros(dz, 1, 1), rows, order, first, count, block, dz, dz_step, dw)
