"""The first layer of predictions: each row by itself is taken as a list of its entries, or as it is.

A prediction may not depend on the rows beside it, so nothing is decided for the whole matrix.
"""

from typing import Any, NamedTuple

from ._jit import kernel
from .kernels import dense, gather, sparse
from .layers import layer_columns
from .layout import N_IN, PACKED_WEIGHTS, STEP
from .simd import lanes, load, pointer, shift, store


class MixedTiles(NamedTuple):
    """Room for some rows of each thread."""

    limit: int  # entries of a row that is taken as a list; -1 if none is
    dense: Any  # (threads, B, step): gathered rows, those that are not lists
    numbers: Any  # (threads, B) int64: which these are
    records: Any  # (threads, B, bytes) uint8
    columns: Any  # (threads, entries) uint16, of one row
    addresses: Any  # (threads, B) int64; the rest as in SparseWork
    lengths: Any  # (threads, B) int64
    products: Any  # (threads, B), zeros
    folded: Any  # (threads, 2, columns): u, which is zero, and -mean @ w


@kernel
def prepare(rows, net, work, thread):
    """Fold the mean into a bias; to be called before ``forward``."""
    tiles, width = work.tiles, dense.panel_width(pointer(net.packed, 0))
    if tiles.limit < 0:
        return
    n_in, columns = rows.n_features, layer_columns(net, 0)
    base = pointer(tiles.folded, (2 * thread + 1) * tiles.folded.shape[2])
    for column in range(0, columns, width):
        w = dense.panel(pointer(net.packed, net.layers[0, PACKED_WEIGHTS]), n_in, column)
        sparse.mean_product(pointer(rows.mean, 0), n_in, w, min(width, columns - column), shift(base, column))
    for j in range(0, columns, lanes(base)):
        store(base, j, -load(base, j))


@kernel
def _load(rows, order, first, count, tiles, thread):
    """Make lists of rows, and gather the others; returns how many these are."""
    n_dense, room = 0, tiles.records.shape[1] * tiles.records.shape[2]
    tile = pointer(tiles.dense, thread * tiles.dense.shape[1] * tiles.dense.shape[2])
    columns = pointer(tiles.columns, thread * tiles.columns.shape[1])
    for b in range(count):
        record = tiles.records.address + thread * room + b * tiles.records.shape[2]
        n = sparse.extract_row(rows, order[first + b], tiles.limit, record, columns)
        tiles.addresses[thread, b], tiles.lengths[thread, b] = record, max(n, 0)
        if n < 0:
            out = shift(tile, n_dense * tiles.dense.shape[2])
            gather.gather_rows(rows, order, first + b, 1, len(order), 0, rows.n_features, out, tiles.dense.shape[2])
            tiles.numbers[thread, n_dense] = b
            n_dense += 1
    return n_dense


@kernel
def _forward_lists(net, count, work, place, thread):
    tiles, columns, width = work.tiles, layer_columns(net, 0), dense.panel_width(pointer(net.packed, 0))
    minibatch = sparse.Minibatch(
        pointer(tiles.addresses, thread * tiles.addresses.shape[1]),
        pointer(tiles.lengths, thread * tiles.lengths.shape[1]),
        pointer(tiles.products, thread * tiles.products.shape[1]),
        count,
        1,
        1,
    )
    u = pointer(tiles.folded, 2 * thread * tiles.folded.shape[2])
    base, n_in, column = shift(u, tiles.folded.shape[2]), net.layers[0, N_IN], 0
    while column < columns:
        wide = 2 * width if columns - column >= 2 * width else min(width, columns - column)
        w, z = dense.panel(pointer(net.packed, net.layers[0, PACKED_WEIGHTS]), n_in, column), shift(place, column)
        step, z_step = n_in * width, net.layers[0, STEP]
        ahead = sparse.nothing_ahead(w)
        sparse.sparse_forward(minibatch, 0, w, wide, step, shift(u, column), shift(base, column), 1.0, z, z_step, ahead)
        column += wide


@kernel
def _forward_dense(net, n_dense, work, place, room, thread):
    """Rows that are not lists, to ``room`` first, and from there to their places."""
    tiles, columns, step = work.tiles, layer_columns(net, 0), net.layers[0, STEP]
    x = pointer(tiles.dense, thread * tiles.dense.shape[1] * tiles.dense.shape[2])
    w, n_in = pointer(net.packed, net.layers[0, PACKED_WEIGHTS]), net.layers[0, N_IN]
    x_step = tiles.dense.shape[2]
    dense.packed_product(x, x_step, w, n_in, room, step, n_dense, 0, columns, columns, False)
    for d in range(n_dense):
        z = tiles.numbers[thread, d] * step
        for j in range(0, columns, lanes(room)):
            store(place, z + j, load(room, d * step + j))


@kernel
def forward(rows, net, order, first, count, work, place, room, thread):
    """First layer without bias for ``count`` rows, to ``place`` of the buffer; ``room`` is as large."""
    to, other = pointer(work.buffer, place), pointer(work.buffer, room)
    n_dense = _load(rows, order, first, count, work.tiles, thread)
    if n_dense < count:
        _forward_lists(net, count, work, to, thread)
    if n_dense > 0:
        _forward_dense(net, n_dense, work, to, other, thread)
