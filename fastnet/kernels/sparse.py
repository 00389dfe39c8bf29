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
    count_bits,
    itemsize_of,
    lanes,
    load,
    lowest_bit,
    muladd,
    nonzero_bits,
    pointer,
    pointer_as,
    pointer_to,
    prefetch,
    shift,
    shift_bytes,
    splat,
    store,
    without_lowest_bit,
)
from ..tiles import (
    tile_load,
    tile_muladd_rows,
    tile_plus,
    tile_scale_add,
    tile_scale_store,
    tile_store,
    tile_sum,
    tile_width,
    tile_zeros,
)
from ..views import views
from . import gather

# Bytes of a block of a panel of weights. More than an L1 cache has, because the columns that no sample of a minibatch
# uses (327 of MNIST's 784 at B = 32) are never touched.
BLOCK_BYTES = 52 << 10

# Columns that are looked at together.
LOOK = 64

# Lists are filled up with zeros to a multiple of this length, so that loops need no rest.
QUAD = 4
_COLUMN_BYTES = 2

# Rows of a shuffled epoch lie anywhere in memory: the forward pass asks for those a minibatch later, or this many.
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
    cuts: Any  # (n_slices + 1,) int64: first columns of the slices
    bounds: Any  # (n_blocks + 1,) int64: first columns of the blocks
    n_slices: int
    lines: int  # cache lines of the records of a slice of a row, on average
    mean: Any  # (n_features padded,) of the network's dtype


class SparseWork(NamedTuple):
    """The records of a minibatch, for each thread, and what is folded into the weights between two settlements."""

    addresses: Any  # (threads, n) int64: of the record of sample b in block k at [b * n_blocks + k]
    lengths: Any  # (threads, n) int64: entries of that record
    products: Any  # (threads, n): s of sample b in slice p at [b * n_slices + p]
    alpha: Any  # (units, 8) float64, the first of each row
    u: Any  # (n_slices, columns)
    q: Any  # (n_slices, columns)


class Minibatch(NamedTuple):
    """Pointers to the records of one thread's minibatch."""

    addresses: Any
    lengths: Any
    products: Any
    n_samples: int
    n_blocks: int
    n_slices: int


def forward_reference(x, mean, w, b):
    """NumPy twin of the forward pass."""
    return (x - mean) @ w + b


def backward_reference(x, mean, dz):
    """NumPy twin of ``block_gradient``."""
    return (x - mean).T @ dz


# -- the user's matrix, made sparse once per fit -------------------------------------------------------


@core
def _collect(source, step, start, stop, limit, values, columns):
    """Write the first ``limit`` entries between two columns; returns their number, or any above ``limit``.

    64 columns at a time if they are contiguous: 0.4 µs for a row of MNIST instead of the 1.4 of one at a time.
    """
    at, total, whole = 0, 0, start
    if step == itemsize_of(source):
        whole = stop - (stop - start) % LOOK
        for j in range(start, whole, LOOK):
            bits = nonzero_bits(source, j)
            total += count_bits(bits)
            while bits != 0 and at < limit:
                k = j + lowest_bit(bits)
                columns[at] = k
                values[at] = source[k]
                at += 1
                bits = without_lowest_bit(bits)
            if total > limit:
                return total
    for j in range(whole, stop):
        value = shift_bytes(source, j * step)[0]
        if value != 0:
            if at < limit:
                columns[at] = j
                values[at] = value
                at += 1
            total += 1
    return total


@core
def _count(source, step, start, stop):
    count, whole = 0, start
    if step == itemsize_of(source):
        whole = stop - (stop - start) % LOOK
        for j in range(start, whole, LOOK):
            count += count_bits(nonzero_bits(source, j))
    for j in range(whole, stop):
        count += shift_bytes(source, j * step)[0] != 0
    return count


@entry
def count_entries(rows, like, n_rows, bounds, counts):
    """counts (n_rows * n_blocks,): lengths of the lists of each block of columns of each row, filled up.

    ``like`` is an array of the rows' dtype: only that is compiled.
    """
    rows, bounds, counts, at = views(rows), views(bounds), views(counts), 0
    for row in range(n_rows):
        source = pointer_to(rows.address + row * rows.row_step, like.dtype.type)
        for block in range(len(bounds) - 1):
            count = _count(source, rows.column_step, bounds[block], bounds[block + 1])
            counts[at] = -(-count // QUAD) * QUAD
            at += 1


@core
def _record(entries, record):
    """Values, columns and length of a record."""
    begin = np.int64(entries.starts[record])
    n = np.int64(entries.starts[record + 1]) - begin
    address = entries.address + begin * (entries.mean.itemsize + _COLUMN_BYTES)
    values = pointer_to(address, entries.mean.dtype.type)
    return values, pointer_to(address + n * entries.mean.itemsize, np.uint16), n


@entry
def copy_entries(rows, like, n_rows, entries):
    """Fill the records, as long as they were counted even if the rows have changed since; returns the sum of squares.

    Also fills ``products``.
    """
    rows, entries = views(rows), views(entries)
    n_blocks, total = len(entries.bounds) - 1, 0.0
    per_slice = n_blocks // entries.n_slices
    for row in range(n_rows):
        source = pointer_to(rows.address + row * rows.row_step, like.dtype.type)
        for piece in range(entries.n_slices):
            product = 0.0
            for block in range(piece * per_slice, (piece + 1) * per_slice):
                values, columns, n = _record(entries, row * n_blocks + block)
                start, stop = entries.bounds[block], entries.bounds[block + 1]
                count = min(n, _collect(source, rows.column_step, start, stop, n, values, columns))
                for t in range(count):
                    values[t] *= gather.factor(rows.scale, columns[t])
                    total += np.float64(values[t]) * np.float64(values[t])
                    product += np.float64(values[t]) * np.float64(entries.mean[columns[t]])
                for t in range(count, n):
                    values[t] = 0
                    columns[t] = start
            entries.products[row, piece] = product
    return total


# -- one row -------------------------------------------------------------------------------------------


# Folding the mean into the bias loses digits of a row that lies near the mean, but far from zero.
MAX_CANCELLATION = 64.0


@core
def _collect_any(rows, address, limit, values, columns):
    n, step = rows.n_features, rows.column_step
    if rows.code == gather.UINT8:
        return _collect(pointer_to(address, np.uint8), step, 0, n, limit, values, columns)
    if rows.code == gather.FLOAT32:
        return _collect(pointer_to(address, np.float32), step, 0, n, limit, values, columns)
    return _collect(pointer_to(address, np.float64), step, 0, n, limit, values, columns)


@kernel
def extract_row(rows, row, limit, record, columns):
    """Write the record of one dense row to an address; returns its length, or -1 if it had better stay as it is.

    ``columns`` has room for ``limit`` entries, the record for ``limit + QUAD``.
    """
    values, address = pointer_to(record, rows.mean.dtype.type), rows.address + np.int64(row) * rows.row_step
    n = _collect_any(rows, address, limit, values, columns)
    if n > limit:
        return -1
    filled, total, product, square = -(-n // QUAD) * QUAD, 0.0, 0.0, 0.0
    to = pointer_to(record + filled * rows.mean.itemsize, np.uint16)
    for t in range(n):
        value, mean = np.float64(values[t]) * gather.factor(rows.scale, columns[t]), np.float64(rows.mean[columns[t]])
        values[t] = value
        to[t] = columns[t]
        total, product, square = total + value * value, product + value * mean, square + mean * mean
    for t in range(n, filled):
        values[t] = 0
        to[t] = 0
    return filled if total + square <= MAX_CANCELLATION * (total - 2 * product + square) or total == 0 else -1


# -- forward -------------------------------------------------------------------------------------------


@kernel
def load_records(rows, order, first, count, begin, end, minibatch):
    """Look up where the records of ``count`` samples lie, in blocks of slices ``begin`` to ``end``.

    What is looked up once here is used by each panel.
    """
    n_blocks, per_slice = minibatch.n_blocks, minibatch.n_blocks // minibatch.n_slices
    size = rows.mean.itemsize + _COLUMN_BYTES
    for b in range(count):
        row = np.int64(order[first + b])
        for block in range(begin * per_slice, end * per_slice):
            start = np.int64(rows.starts[row * n_blocks + block])
            minibatch.addresses[b * n_blocks + block] = rows.address + start * size
            minibatch.lengths[b * n_blocks + block] = np.int64(rows.starts[row * n_blocks + block + 1]) - start
        for piece in range(begin, end):
            minibatch.products[b * minibatch.n_slices + piece] = rows.products[row, piece]


class Ahead(NamedTuple):
    """Records to ask for while others are worked on: of the samples from some position of the epoch's order on.

    Where records lie must have come from memory by then, so that is asked for another ``distance`` samples earlier:
    without, two threads wait for memory as long as one (784-10-10, B = 32: 22 ms an epoch instead of 16).
    """

    address: int
    starts: Any
    products: Any
    order: Any
    last: int  # position in the order
    position: int  # -1: ask for nothing
    distance: int
    lines: int
    size: int  # bytes of an entry


@core
def ahead_of(rows, order, position, distance):
    """Ask for the records of samples ``order[position:]``."""
    starts, products = pointer(rows.starts, 0), pointer(rows.products, 0)
    size, last = rows.mean.itemsize + _COLUMN_BYTES, len(order) - 1
    return Ahead(rows.address, starts, products, pointer(order, 0), last, position, distance, rows.lines, size)


@core
def nothing_ahead(like):
    """Ask for nothing; ``like`` points to values of the network's dtype."""
    numbers = pointer_to(0, np.uint32)
    return Ahead(0, numbers, like, numbers, 0, -1, 0, 0, 0)


@core
def _prefetch(ahead, b, minibatch, piece):
    per_slice = minibatch.n_blocks // minibatch.n_slices
    position = ahead.position + b
    later = np.int64(ahead.order[min(position + ahead.distance, ahead.last)]) * minibatch.n_slices + piece
    prefetch(ahead.starts, later * per_slice)
    prefetch(ahead.products, later)
    record = (np.int64(ahead.order[min(position, ahead.last)]) * minibatch.n_slices + piece) * per_slice
    entries = pointer_to(ahead.address + np.int64(ahead.starts[record]) * ahead.size, np.uint8)
    for line in range(ahead.lines):  # always as many: the end of such a short loop is else mispredicted
        prefetch(entries, line * gather.CACHE_LINE)


@core
def _loaded(minibatch, b, block):
    """Values, columns and length of a record of the minibatch."""
    at = b * minibatch.n_blocks + block
    n, itemsize = minibatch.lengths[at], itemsize_of(minibatch.products)
    values = pointer_as(minibatch.addresses[at], minibatch.products)
    return values, pointer_to(minibatch.addresses[at] + n * itemsize, np.uint16), n


@kernel
def write_out(minibatch, piece, mean, start, stop, to, step):
    """Write a slice, columns ``start`` to ``stop``, centred, and a vector of zeros to rows ``step`` apart."""
    per_slice = minibatch.n_blocks // minibatch.n_slices
    for b in range(minibatch.n_samples):
        line = shift(to, b * step)
        gather.copy_row(shift(mean, start), stop - start, -1.0, line)
        for block in range(piece * per_slice, (piece + 1) * per_slice):
            values, columns, n = _loaded(minibatch, b, block)
            for t in range(n):
                i = np.int64(columns[t]) - start
                line[i] = line[i] + values[t]


@core
def _row_product(tile, w, step, values, columns, n):
    """Sum of value * w[column]; two or four sums at a time, since one would wait for itself.

    The number of sums depends on the width of a panel only, so that pairs of panels have the same bits as single ones.
    """
    one, two, width = tile, tile, tile_width(tile)
    if width == 3 * lanes(w):
        for t in range(0, n, 2):
            one = tile_muladd_rows(one, shift(values, t), shift(w, np.int64(columns[t]) * width), step)
            two = tile_muladd_rows(two, shift(values, t + 1), shift(w, np.int64(columns[t + 1]) * width), step)
        return tile_sum(one, two)
    three, four = tile, tile
    for t in range(0, n, QUAD):
        one = tile_muladd_rows(one, shift(values, t), shift(w, np.int64(columns[t]) * width), step)
        two = tile_muladd_rows(two, shift(values, t + 1), shift(w, np.int64(columns[t + 1]) * width), step)
        three = tile_muladd_rows(three, shift(values, t + 2), shift(w, np.int64(columns[t + 2]) * width), step)
        four = tile_muladd_rows(four, shift(values, t + 3), shift(w, np.int64(columns[t + 3]) * width), step)
    return tile_sum(tile_sum(one, two), tile_sum(three, four))


@core
def _forward(tile, minibatch, piece, w, step, u, base, alpha, z, z_step, ahead):
    per_slice, width = minibatch.n_blocks // minibatch.n_slices, tile_width(tile)
    for block in range(per_slice * piece, per_slice * (piece + 1)):
        for b in range(minibatch.n_samples):
            values, columns, n = _loaded(minibatch, b, block)
            product, out = _row_product(tile, w, step, values, columns, n), shift(z, b * z_step)
            if block == per_slice * piece:
                if ahead.position >= 0:
                    _prefetch(ahead, b, minibatch, piece)
                s = minibatch.products[b * minibatch.n_slices + piece]
                total = tile_plus(tile_load(tile, base, width), s, tile_load(tile, u, width))
            else:
                total = tile_load(tile, out, width)
            tile_store(tile_plus(total, alpha, product), out, width)


@kernel
def sparse_forward(minibatch, piece, w, width, step, u, base, alpha, z, z_step, ahead):
    """z (B, width) = base + s * u + alpha * x @ v over one slice of columns and one panel of weights, or a pair.

    A pair of full panels, ``step`` elements apart, is told by its width. The records of later samples are asked for
    one by one between the rows, since a burst would wait for memory.
    """
    if width == 6 * lanes(w):
        pair = tile_zeros(w, 2, 3)
        _forward(pair, minibatch, piece, w, step, u, base, alpha, z, z_step, ahead)
    elif width == 3 * lanes(w):
        three = tile_zeros(w, 1, 3)
        _forward(three, minibatch, piece, w, step, u, base, alpha, z, z_step, ahead)
    elif width == 2 * lanes(w):
        two = tile_zeros(w, 1, 2)
        _forward(two, minibatch, piece, w, step, u, base, alpha, z, z_step, ahead)
    else:
        one = tile_zeros(w, 1, 1)
        _forward(one, minibatch, piece, w, step, u, base, alpha, z, z_step, ahead)


@core
def forward_base(square, u, q, alpha, width, base):
    """base (width,) = -alpha * q - m * u, with m = ``square`` of the slice."""
    for j in range(0, width, lanes(u)):
        store(base, j, load(q, j) * -alpha - load(u, j) * square)


# -- settlement ----------------------------------------------------------------------------------------


@kernel
def mean_product(mean, n, w, width, out):
    """out (width,) = mean (n,) @ w (n, width) for one panel of weights, in four sums."""
    quads = n - n % QUAD
    for j in range(0, width, lanes(w)):
        column = shift(w, j)
        one = two = three = four = splat(w, 0.0)
        for i in range(0, quads, QUAD):
            one = muladd(mean[i], load(column, i * width), one)
            two = muladd(mean[i + 1], load(column, (i + 1) * width), two)
            three = muladd(mean[i + 2], load(column, (i + 2) * width), three)
            four = muladd(mean[i + 3], load(column, (i + 3) * width), four)
        for i in range(quads, n):
            one = muladd(mean[i], load(column, i * width), one)
        store(out, j, (one + two) + (three + four))


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
def _add_row(line, values, columns, n, w, step):
    """w[column] += value * line for the entries of a row."""
    width = tile_width(line)
    for t in range(0, n, QUAD):
        for k in range(QUAD):
            tile_scale_add(line, shift(values, t + k), shift(w, np.int64(columns[t + k]) * width), step)


@core
def _scatter(tile, minibatch, piece, dz, dz_step, factor, w, step):
    per_slice, width = minibatch.n_blocks // minibatch.n_slices, tile_width(tile)
    for block in range(per_slice * piece, per_slice * (piece + 1)):
        for b in range(minibatch.n_samples):
            values, columns, n = _loaded(minibatch, b, block)
            line = tile_plus(tile, factor, tile_load(tile, shift(dz, b * dz_step), width))
            _add_row(line, values, columns, n, w, step)


@kernel
def fold(products, distance, count, dz, dz_step, factor, keep, learning_rate, width, u, q):
    """Update u and q (width,) of a slice from s of ``count`` samples, ``distance`` apart in ``products``."""
    for j in range(0, width, lanes(dz)):
        total = product = splat(dz, 0.0)
        for b in range(count):
            line = load(dz, b * dz_step + j)
            total = total + line
            product = muladd(products[b * distance], line, product)
        store(q, j, muladd(factor, product, load(q, j)))
        store(u, j, muladd(learning_rate, total, keep * load(u, j)))


@kernel
def sparse_sgd(minibatch, piece, dz, dz_step, learning_rate, keep, alpha, w, width, step, u, q):
    """Plain SGD on one slice of a panel of folded weights, or of a pair: v, u and q as above; ``alpha`` is the old."""
    factor = -learning_rate / (keep * alpha)
    if width == 6 * lanes(w):
        _scatter(tile_zeros(w, 2, 3), minibatch, piece, dz, dz_step, factor, w, step)
    elif width == 3 * lanes(w):
        _scatter(tile_zeros(w, 1, 3), minibatch, piece, dz, dz_step, factor, w, step)
    elif width == 2 * lanes(w):
        _scatter(tile_zeros(w, 1, 2), minibatch, piece, dz, dz_step, factor, w, step)
    else:
        _scatter(tile_zeros(w, 1, 1), minibatch, piece, dz, dz_step, factor, w, step)
    products, count = shift(minibatch.products, piece), minibatch.n_samples
    fold(products, minibatch.n_slices, count, dz, dz_step, factor, keep, learning_rate, width, u, q)


# -- gradient ------------------------------------------------------------------------------------------


@core
def _block_gradient(tile, minibatch, block, start, stop, mean, dz, dz_step, dw):
    total, width = tile, tile_width(tile)
    for b in range(minibatch.n_samples):
        total = tile_sum(total, tile_load(tile, shift(dz, b * dz_step), width))
    total = tile_plus(tile, -1.0, total)
    for i in range(stop - start):
        tile_scale_store(total, shift(mean, start + i), shift(dw, i * width), width)
    for b in range(minibatch.n_samples):
        values, columns, n = _loaded(minibatch, b, block)
        line = tile_load(tile, shift(dz, b * dz_step), width)
        _add_row(line, values, columns, n, shift(dw, -start * width), width)


@kernel
def block_gradient(minibatch, block, start, stop, mean, dz, dz_step, dw, width):
    """dw (n, width) = (x - mean).T @ dz for the columns ``start`` to ``stop`` of x, a block, and one panel."""
    if width == 3 * lanes(dw):
        _block_gradient(tile_zeros(dz, 1, 3), minibatch, block, start, stop, mean, dz, dz_step, dw)
    elif width == 2 * lanes(dw):
        _block_gradient(tile_zeros(dz, 1, 2), minibatch, block, start, stop, mean, dz, dz_step, dw)
    else:
        _block_gradient(tile_zeros(dz, 1, 1), minibatch, block, start, stop, mean, dz, dz_step, dw)
