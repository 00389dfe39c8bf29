"""Fully connected layer.   x (B, I), w (I, O), b (O,), out (B, O)

forward    out = x @ w + b
backward   dw = x.T @ dout      db = dout.sum(axis=0)      dx = dout @ w.T

All three products are one routine, ``panel_product``: lanes run along the columns of the right factor and of the
result, single elements of the left factor are spread over the lanes. For ``dx`` the right factor is a transposed
copy of ``w``.

Weights are packed in panels while compiled code works on them: panel p holds columns 24 p to 24 p + 23 (three
AVX2 vectors) of all I rows, one row after the other. A product then reads memory in order, and threads that own
different panels never touch the same cache lines or the same pages.
"""

from .._jit import VECTOR_BYTES, core, entry, kernel
from ..simd import lanes, load, pointer, pointer_to, shift, splat, store
from ..tiles import (
    square_store,
    square_transpose,
    square_zeros,
    tile_add,
    tile_height,
    tile_load,
    tile_muladd,
    tile_store,
    tile_zeros,
)
from .ahead import ask, columns_of_line

# A tile of 4 x 3 accumulators, 3 vectors of b and 1 spread element of a fill the 16 registers of AVX2 and SSE
# and keep both multiply-add units busy (12 independent chains, latency 4); AVX-512 has 32 registers.
TILE_ROWS = 8 if VECTOR_BYTES == 64 else 4
PANEL_VECTORS = 3

# The sum over the inner axis is cut into equal blocks of at most this length: a block of a panel (256 x 96 bytes)
# stays in the L1 cache while all rows of a pass over it, and blocked sums are more accurate.
INNER_BLOCK = 256


def dense_forward_reference(x, w, b):
    """NumPy twin of ``dense_forward``."""
    return x @ w + b


def dense_backward_reference(x, w, dout):
    """NumPy twin of the three backward products: dx, dw, db."""
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


@core
def inner_block(length):
    """Length of the blocks that an inner axis is cut into; depends on the shape alone."""
    blocks = max(1, -(-length // INNER_BLOCK))
    return max(1, -(-length // blocks))


@core
def panel_width(like):
    """Columns of a full panel."""
    return PANEL_VECTORS * lanes(like)


@core
def _tile_product(tile, a, a_step, a_next, b, b_step, inner, out, out_step, accumulate, ahead, m, start):
    """Compute one tile of ``a @ b``, as many rows and vectors as ``tile`` has, from row ``m`` and column ``start``."""
    asked = columns_of_line(ahead, inner)
    for first in range(0, inner, asked):
        for row in range(tile_height(tile)):
            ask(ahead, m + row, start + first)
        for k in range(first, min(first + asked, inner)):
            tile = tile_muladd(tile, shift(a, k * a_next), a_step, shift(b, k * b_step))
    if accumulate:
        tile = tile_add(tile, out, out_step)
    tile_store(tile, out, out_step)


@core
def _all_rows(tile, row_tile, a, a_step, a_next, b, b_step, inner, out, out_step, rows, accumulate, ahead, k):
    """Full tiles first, then row by row with the same order of additions."""
    tiled = rows - rows % TILE_ROWS
    for m in range(0, tiled, TILE_ROWS):
        left, to = shift(a, m * a_step), shift(out, m * out_step)
        _tile_product(tile, left, a_step, a_next, b, b_step, inner, to, out_step, accumulate, ahead, m, k)
    for m in range(tiled, rows):
        left, to = shift(a, m * a_step), shift(out, m * out_step)
        _tile_product(row_tile, left, a_step, a_next, b, b_step, inner, to, out_step, accumulate, ahead, m, k)


@kernel
def panel_product(a, a_step, a_next, b, b_step, inner, out, out_step, rows, vectors, accumulate, ahead=None):
    """out (rows, vectors) = a (rows, inner) @ b (inner, vectors), or += with ``accumulate``; at most 3 vectors.

    Element (m, k) of the left factor is ``a[m * a_step + k * a_next]``, so that a transposed factor costs nothing.
    An element's bits do not depend on which rows or columns are computed with it. On the way the rows ``ahead`` are
    asked for, as many as ``a`` has: see ``ahead.py``.
    """
    block = inner_block(inner)
    for k in range(0, inner, block):
        n, left, right = min(block, inner - k), shift(a, k * a_next), shift(b, k * b_step)
        add = accumulate or k > 0
        if vectors == 3:
            wide, single = tile_zeros(b, TILE_ROWS, 3), tile_zeros(b, 1, 3)
            _all_rows(wide, single, left, a_step, a_next, right, b_step, n, out, out_step, rows, add, ahead, k)
        elif vectors == 2:
            wide2, single2 = tile_zeros(b, TILE_ROWS, 2), tile_zeros(b, 1, 2)
            _all_rows(wide2, single2, left, a_step, a_next, right, b_step, n, out, out_step, rows, add, ahead, k)
        else:
            wide1, single1 = tile_zeros(b, TILE_ROWS, 1), tile_zeros(b, 1, 1)
            _all_rows(wide1, single1, left, a_step, a_next, right, b_step, n, out, out_step, rows, add, ahead, k)


@core
def panel(w, n_in, column):
    """Pointer to the panel of packed weights that starts at ``column`` (a multiple of the panel's width)."""
    return shift(w, n_in * column)


@kernel
def packed_product(a, a_step, w, inner, out, out_step, rows, first, last, columns, accumulate):
    """out (rows, columns) = a (rows, inner) @ w (inner, columns), w packed; only panels from ``first`` to ``last``."""
    width = panel_width(w)
    for j in range(first, last, width):
        wide = min(width, columns - j)
        right, to, vectors = panel(w, inner, j), shift(out, j), wide // lanes(w)
        panel_product(a, a_step, 1, right, wide, inner, to, out_step, rows, vectors, accumulate)


@kernel
def dense_forward(x, x_step, w, b, out, out_step, rows, n_in, first, last, columns):
    """out (B, O) = x (B, I) @ w (I, O) + b (O,), w packed; only panels from column ``first`` to ``last``."""
    for m in range(rows):
        for j in range(first, last, lanes(w)):
            store(out, m * out_step + j, load(b, j))
    packed_product(x, x_step, w, n_in, out, out_step, rows, first, last, columns, True)


@kernel
def dense_backward_input(dout, dout_step, w_transposed, rows, n_out, dx, dx_step, columns):
    """dx (B, I) = dout (B, O) @ w.T (O, I), the transpose packed; ``columns`` is I rounded up to whole vectors."""
    packed_product(dout, dout_step, w_transposed, n_out, dx, dx_step, rows, 0, columns, columns, False)


@kernel
def dense_backward_weights(x, x_step, dout, dout_step, rows, dw, width, n_in):
    """dw (I, width) = x (B, I).T @ dout (B, width): the gradient of one panel, or of some of its rows."""
    vectors = width // lanes(dw)
    panel_product(x, 1, x_step, dout, dout_step, rows, dw, width, n_in, vectors, False)


@kernel
def dense_backward_bias(dout, dout_step, rows, db, columns):
    """db (O,) = dout (B, O).sum(axis=0), in the order of the rows."""
    for j in range(0, columns, lanes(dout)):
        total = splat(dout, 0.0)
        for m in range(rows):
            total = total + load(dout, m * dout_step + j)
        store(db, j, total)


@core
def padded(n, like):
    """Return ``n`` rounded up to whole vectors."""
    return -(-n // lanes(like)) * lanes(like)


@kernel
def pack(w, n_in, n_out, packed):
    """Copy weights (I, O) into panels; the padding of ``packed`` is left alone."""
    columns, width = padded(n_out, packed), panel_width(packed)
    for start in range(0, n_out, width):
        wide, to = min(width, columns - start), panel(packed, n_in, start)
        for i in range(n_in):
            for j in range(min(wide, n_out - start)):
                to[i * wide + j] = w[i * n_out + start + j]


@kernel
def pack_transposed(packed, n_in, n_out, start, first, last, transposed):
    """Copy the panel at column ``start``, rows ``first`` to ``last``, into the panels of the transpose (O, I).

    Square tiles are transposed in registers: the update of 300-10 and this take 2.6 µs instead of 5.4 one by one.
    ``first`` is a multiple of the lanes.
    """
    columns, rows, width, size = padded(n_out, packed), padded(n_in, packed), panel_width(packed), lanes(packed)
    wide, source = min(width, columns - start), panel(packed, n_in, start)
    stop, whole = min(start + wide, n_out), last - last % size
    for i in range(first, last, size):
        begin = i - i % width
        step, to = min(width, rows - begin), shift(panel(transposed, n_out, begin), i - begin)
        for j in range(start, stop, size):
            block, place = shift(source, i * wide + j - start), shift(to, j * step)
            if i < whole:
                tile = square_transpose(tile_load(square_zeros(packed), block, wide))
                square_store(tile, place, step, min(size, stop - j))
                continue
            for m in range(last - i):
                for k in range(min(size, stop - j)):
                    place[k * step + m] = block[m * wide + k]


@entry
def dense_forward_arrays(x, w, n_out, b, packed, out):
    """out (B, padded) = x (B, I) @ w (I, O) + b (padded,); x and w are given by their addresses.

    ``packed`` (I, padded) must hold zeros: the packed weights are written to it.
    """
    dtype, right, (n_in, columns) = out.dtype.type, pointer(packed, 0), packed.shape
    pack(pointer_to(w, dtype), n_in, n_out, right)
    left, to = pointer_to(x, dtype), pointer(out, 0)
    dense_forward(left, n_in, right, pointer(b, 0), to, columns, len(out), n_in, 0, columns, columns)
