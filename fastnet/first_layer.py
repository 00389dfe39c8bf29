"""The first layer, which reads the user's rows: dense ones through a small tile, sparse ones as lists of entries.

``load`` brings a minibatch to a thread, ``forward`` computes some of the layer's columns, ``update`` updates the
weights of these columns. Which kind is meant is decided by the type of the rows when compiling, so that a fit compiles
one kind only.
"""

from numba.core import types
from numba.extending import overload

from ._jit import OVERLOAD, core
from .kernels import dense, gather, sparse
from .layers import activate_rows, apply, layer_columns, layer_forward, update_panel, work_gradient
from .layout import ACTIVATION, N_IN, PACKED_BIAS, PACKED_WEIGHTS, STEP
from .simd import lanes, pointer, shift, store
from .simd import load as load_vector


def load(rows, order, first, count, work, thread):
    """Bring samples ``order[first : first + count]`` into a thread's tile."""
    raise NotImplementedError


def forward(rows, net, count, work, thread, out, begin, end):
    """Columns ``begin`` to ``end`` of the first layer for the loaded rows, to place ``out`` of the buffer."""
    raise NotImplementedError


def update(rows, net, optimizer, dout, count, work, thread, begin, end):
    """Update the weights of columns ``begin`` to ``end`` from the gradients ``dout`` of the layer's outputs."""
    raise NotImplementedError


# -- dense rows ----------------------------------------------------------------------------------------


@core
def _tile(work, thread):
    """Gathered rows of a thread, and their step."""
    step = work.tiles.shape[2]
    return pointer(work.tiles, thread * work.tiles.shape[1] * step), step


def _load_dense(rows, order, first, count, work, thread):
    tile, step = _tile(work, thread)
    gather.gather_rows(rows, order, first, count, len(order), tile, step)


def _forward_dense(rows, net, count, work, thread, out, begin, end):
    tile, step = _tile(work, thread)
    layer_forward(net, 0, tile, step, pointer(work.buffer, out), count, begin, end)


def _update_dense(rows, net, optimizer, dout, count, work, thread, begin, end):
    tile, step = _tile(work, thread)
    gradient = work_gradient(work, thread)
    for column in range(begin, end, dense.panel_width(tile)):
        update_panel(net, optimizer, 0, column, tile, step, dout, count, 0, rows.n_features, gradient)


# -- sparse rows ---------------------------------------------------------------------------------------


@core
def _entries(work, thread):
    """Columns, values and starts of a thread's minibatch."""
    tiles = work.tiles
    columns = pointer(tiles.columns, thread * tiles.columns.shape[1])
    values = pointer(tiles.values, thread * tiles.values.shape[1])
    return columns, values, pointer(tiles.starts, thread * tiles.starts.shape[1])


def _load_sparse(rows, order, first, count, work, thread):
    sparse.gather_entries(rows, order, first, count, len(order), work.tiles, thread)


def _forward_sparse(rows, net, count, work, thread, out, begin, end):
    columns, values, starts = _entries(work, thread)
    folded, width, step = work_gradient(work, thread), dense.panel_width(values), net.layers[0, STEP]
    for column in range(begin, end, width):
        wide = min(width, layer_columns(net, 0) - column)
        w = dense.panel(pointer(net.packed, net.layers[0, PACKED_WEIGHTS]), rows.n_features, column)
        bias, z = pointer(net.packed, net.layers[0, PACKED_BIAS] + column), pointer(work.buffer, out + column)
        sparse.mean_product(pointer(rows.mean, 0), rows.n_features, w, wide, folded)
        for j in range(0, wide, lanes(w)):
            start = load_vector(bias, j) - load_vector(folded, j)
            for b in range(count):
                store(z, b * step + j, start)
        sparse.sparse_forward(columns, values, starts, rows.n_blocks, count, w, wide, z, step)
    activate_rows(net.layers[0, ACTIVATION], pointer(work.buffer, out), step, count, begin, end)


def _update_sparse(rows, net, optimizer, dout, count, work, thread, begin, end):
    columns, values, starts = _entries(work, thread)
    total, width, step = work_gradient(work, thread), dense.panel_width(values), net.layers[0, STEP]
    gradient, mean = shift(total, work.gradients.shape[1] - rows.block * width), pointer(rows.mean, 0)
    for column in range(begin, end, width):
        wide, dz = min(width, layer_columns(net, 0) - column), shift(dout, column)
        offset = net.layers[0, PACKED_WEIGHTS] + net.layers[0, N_IN] * column
        dense.dense_backward_bias(dz, step, count, total, wide)
        for j in range(0, wide, lanes(dz)):
            store(total, j, -load_vector(total, j))
        for block in range(rows.n_blocks):
            first, own = block * rows.block, shift(starts, block)
            n = min(rows.block, rows.n_features - first)
            sparse.block_gradient(
                columns, values, own, rows.n_blocks, count, dz, step, wide, mean, n, total, first, gradient
            )
            apply(optimizer, net.packed, offset + first * wide, gradient, n * wide, True)


# -- choice --------------------------------------------------------------------------------------------

_KINDS = {
    gather.Rows: (_load_dense, _forward_dense, _update_dense),
    sparse.SparseRows: (_load_sparse, _forward_sparse, _update_sparse),
}


def _of_kind(rows, number):
    return _KINDS[rows.instance_class][number] if isinstance(rows, types.BaseNamedTuple) else None


@overload(load, jit_options=OVERLOAD)
def _choose_load(rows, order, first, count, work, thread):
    return _of_kind(rows, 0)


@overload(forward, jit_options=OVERLOAD)
def _choose_forward(rows, net, count, work, thread, out, begin, end):
    return _of_kind(rows, 1)


@overload(update, jit_options=OVERLOAD)
def _choose_update(rows, net, optimizer, dout, count, work, thread, begin, end):
    return _of_kind(rows, 2)
