"""The first layer of predictions: each row by itself is taken as blocks, as a list of its entries, or as it is.

A prediction may not depend on the rows beside it, so nothing is decided for the whole matrix.
"""

from typing import Any, NamedTuple

from ._jit import core, kernel
from .kernels import dense, gather, row_lists, sparse, wide
from .kernels.blocks import lists_of
from .layers import layer_columns
from .layout import N_IN, PACKED_WEIGHTS, STEP
from .simd import lanes, load, pointer, shift, store


class MixedTiles(NamedTuple):
    """Room for some rows of each thread."""

    makes_lists: bool  # whether any row may become a list
    dense: Any  # (threads, B, step): gathered rows, those that are not lists
    kept: Any  # (threads, B) int64: which these are
    row: Any  # (threads, I rounded up): one row
    bits: Any  # (threads, groups of columns) uint64: which of its entries are not zero
    records: Any  # (threads, B, bytes) uint8: rows as entries
    addresses: Any  # (threads, B) int64; this and the next two as in SparseWork
    lengths: Any  # (threads, B) int64
    columns: Any  # (threads, entries) uint16, of one row
    products: Any  # (threads, B), zeros
    listed: Any  # (threads, B) int64: which rows these are
    bounds: Any  # (n_blocks + 1,) int64: where the list of each block begins; this and the rest as in WideWork
    counts: Any  # (threads, n_blocks) int64
    numbers: Any  # (threads, n) int32
    values: Any  # (threads, n * 4)
    folded: Any  # (threads, 2, columns): u, which is zero, and -mean @ w


@core
def _room(tiles, thread):
    """Where a thread makes lists of rows."""
    records, dense_step = tiles.records, tiles.dense.shape[2]
    return row_lists.Room(
        row=pointer(tiles.row, thread * tiles.row.shape[1]),
        bits=pointer(tiles.bits, thread * tiles.bits.shape[1]),
        records=records.address + thread * records.shape[1] * records.shape[2],
        record_bytes=records.shape[2],
        addresses=pointer(tiles.addresses, thread * tiles.addresses.shape[1]),
        lengths=pointer(tiles.lengths, thread * tiles.lengths.shape[1]),
        columns=pointer(tiles.columns, thread * tiles.columns.shape[1]),
        listed=pointer(tiles.listed, thread * tiles.listed.shape[1]),
        dense=pointer(tiles.dense, thread * tiles.dense.shape[1] * dense_step),
        step=dense_step,
        kept=pointer(tiles.kept, thread * tiles.kept.shape[1]),
    )


@core
def _folded(tiles, thread):
    """Pointers to u and to -mean @ w."""
    u = pointer(tiles.folded, 2 * thread * tiles.folded.shape[2])
    return u, shift(u, tiles.folded.shape[2])


@kernel
def prepare(rows, net, work, thread):
    """Fold the mean into a bias; to be called before ``forward``."""
    tiles, width = work.tiles, dense.panel_width(pointer(net.packed, 0))
    if not tiles.makes_lists:
        return
    n_in, columns = rows.n_features, layer_columns(net, 0)
    _, base = _folded(tiles, thread)
    for column in range(0, columns, width):
        w = dense.panel(pointer(net.packed, net.layers[0, PACKED_WEIGHTS]), n_in, column)
        sparse.mean_product(pointer(rows.mean, 0), n_in, w, min(width, columns - column), shift(base, column))
    for j in range(0, columns, lanes(base)):
        store(base, j, -load(base, j))


@kernel
def _forward_blocks(net, lists, n_blocks, base, count, out):
    """First layer of the rows on the lists of blocks, and something for the others."""
    columns, full, n_in = layer_columns(net, 0), dense.panel_width(out), net.layers[0, N_IN]
    for column in range(0, columns, full):
        w, z = dense.panel(pointer(net.packed, net.layers[0, PACKED_WEIGHTS]), n_in, column), shift(out, column)
        width, start = min(full, columns - column), shift(base, column)
        wide.wide_forward(n_in, w, width, start, lists, 0, n_blocks, z, net.layers[0, STEP], count, 0)


@kernel
def _forward_entries(net, room, products, u, base, count, out):
    """First layer of ``count`` rows that are records of entries."""
    columns, full, n_in = layer_columns(net, 0), dense.panel_width(out), net.layers[0, N_IN]
    minibatch, column = sparse.Minibatch(room.addresses, room.lengths, products, count, 1, 1), 0
    while column < columns:
        width = 2 * full if columns - column >= 2 * full else min(full, columns - column)
        w, z = dense.panel(pointer(net.packed, net.layers[0, PACKED_WEIGHTS]), n_in, column), shift(out, column)
        step, z_step, ahead = n_in * full, net.layers[0, STEP], sparse.nothing_ahead(w)
        of_u, start = shift(u, column), shift(base, column)
        sparse.sparse_forward(minibatch, 0, w, width, step, of_u, start, 1.0, z, z_step, ahead)
        column += width


@kernel
def _forward_dense(net, x, x_step, count, out):
    """First layer of ``count`` gathered rows."""
    columns, step, n_in = layer_columns(net, 0), net.layers[0, STEP], net.layers[0, N_IN]
    w = pointer(net.packed, net.layers[0, PACKED_WEIGHTS])
    dense.packed_product(x, x_step, w, n_in, out, step, count, 0, columns, columns, False)


@core
def _spread(net, source, numbers, count, out):
    """Copy ``count`` rows of outputs to their places."""
    step = net.layers[0, STEP]
    for k in range(count):
        for j in range(0, layer_columns(net, 0), lanes(out)):
            store(out, numbers[k] * step + j, load(source, k * step + j))


@core
def _forward_mixed(rows, net, order, first, count, work, out, other, thread):
    tiles, lists = work.tiles, lists_of(work, thread)
    room, (u, base) = _room(tiles, thread), _folded(tiles, thread)
    n_listed, n_kept = row_lists.list_rows(rows, order, first, count, net.layers[0, STEP], room, lists)
    if n_listed + n_kept < count:
        _forward_blocks(net, lists, len(tiles.bounds) - 1, base, count, out)
    if n_listed > 0:
        products = pointer(tiles.products, thread * tiles.products.shape[1])
        _forward_entries(net, room, products, u, base, n_listed, other)
        _spread(net, other, room.listed, n_listed, out)
    if n_kept > 0:
        _forward_dense(net, room.dense, room.step, n_kept, other)
        _spread(net, other, room.kept, n_kept, out)


@kernel
def forward(rows, net, order, first, count, work, place, other, thread):
    """First layer without bias for ``count`` rows, to ``place`` of the buffer; at ``other`` there is as much room."""
    tiles, out = work.tiles, pointer(work.buffer, place)
    if tiles.makes_lists:
        _forward_mixed(rows, net, order, first, count, work, out, pointer(work.buffer, other), thread)
    else:
        x, x_step = _room(tiles, thread).dense, tiles.dense.shape[2]
        gather.gather_rows(rows, order, first, count, len(order), 0, rows.n_features, x, x_step)
        _forward_dense(net, x, x_step, count, out)
