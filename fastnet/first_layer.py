"""The first layer, which reads the user's rows: dense ones through a small tile, sparse ones as lists of entries.

Rows as blocks of columns have ``block_layer.py``, dense ones for few units ``narrow_layer.py``. The work is cut into
units, a slice of the inputs times a panel of the outputs. A thread owns some units, always the same, so that weights
stay in its caches, and of few slices, so that it reads no more of the rows than it needs. ``forward`` leaves a plane of
partial sums for each slice, which ``join_slices`` adds up; ``update`` updates the weights of the units. Which kind of
rows is meant is decided by their type when compiling, so that a fit compiles one kind only.
"""

from numba.extending import overload

from . import block_layer, folded_blocks, narrow_layer, weight_order
from ._jit import OVERLOAD, core, kernel
from .kernels import dense, gather, sparse
from .kernels.accumulation import Accumulated
from .kernels.ahead import next_rows
from .kernels.blocks import ColumnBlocks, NarrowColumnBlocks, SharedColumnBlocks
from .kernels.narrow_dense import NarrowRows
from .kernels.sgd import FoldedSgd
from .layers import activate_rows, apply, gathered, layer_columns, update_bias, update_panel, work_gradient
from .layout import ACTIVATION, N_IN, PACKED_BIAS, PACKED_WEIGHTS, STEP
from .simd import lanes, pointer, shift, store
from .simd import load as load_vector
from .units import n_slices, n_units, panel_weights, plane, slices_of, unit_of
from .views import class_of


def load(rows, net, order, first, count, work, begin, end, thread):
    """Bring samples ``order[first : first + count]`` to a thread, as far as units ``begin`` to ``end`` need them."""
    raise NotImplementedError


def settle(rows, net, work, optimizer, minibatch, begin, end):
    """Turn what is folded into plain weights, if minibatch (or group) ``minibatch`` of an epoch is one to do so."""
    raise NotImplementedError


def settle_all(rows, net, work, optimizer):
    """Turn what is folded into plain weights, between two compiled calls; thread 0 calls it."""
    raise NotImplementedError


def forward(rows, net, optimizer, order, first, count, work, place, begin, end, thread):
    """Units ``begin`` to ``end`` for the loaded rows: partial sums, without bias, to planes at ``place``."""
    raise NotImplementedError


def centred(rows, net, order, first, count, work, piece, thread, to, step):
    """Write loaded inputs of a slice, centred, and a vector of zeros to rows ``step`` apart; returns their number."""
    raise NotImplementedError


def update(rows, net, optimizer, order, first, dout, count, work, begin, end, thread):
    """Update the weights of units ``begin`` to ``end`` from the gradients ``dout`` of the layer's outputs."""
    raise NotImplementedError


def weight_factor(rows, work, optimizer, unit):
    """Return what a unit's weights in memory are to be multiplied by, if the mean of the rows is zero."""
    raise NotImplementedError


def unit_place(rows, net, work, unit):
    """Offset of a unit's weights in the packed parameters, and their number."""
    raise NotImplementedError


def begin_call(rows, net, work, optimizer, thread, n_threads):
    """Bring the weights to where the other functions expect them; each thread of a compiled call begins with it."""
    raise NotImplementedError


def end_call(rows, net, work, optimizer, thread, n_threads):
    """Opposite of ``begin_call``."""
    raise NotImplementedError


# -- units ---------------------------------------------------------------------------------------------


@kernel
def join_slices(net, work, place, count, out):
    """Outputs of ``count`` rows at place ``out`` of the buffer, from the planes at ``place``."""
    step, columns = net.layers[0, STEP], layer_columns(net, 0)
    bias, plane_step = pointer(net.packed, net.layers[0, PACKED_BIAS]), work.n_rows * step
    for b in range(count):
        z = pointer(work.buffer, place + b * step)
        row = pointer(work.buffer, out + b * step)
        for j in range(0, columns, lanes(z)):
            total = load_vector(bias, j) + load_vector(z, j)
            for piece in range(1, n_slices(work)):
                total = total + load_vector(z, piece * plane_step + j)
            store(row, j, total)
    activate_rows(net.layers[0, ACTIVATION], pointer(work.buffer, out), step, count, 0, columns)


@kernel
def update_biases(net, optimizer, dout, count, work, begin, end, thread):
    """Update the biases of the panels whose first slice is among units ``begin`` to ``end``."""
    for unit in range(begin, end):
        piece, column, width = unit_of(net, work, unit)
        if piece == 0:
            update_bias(net, optimizer, 0, dout, count, column, column + width, work_gradient(work, thread))


# -- dense rows ----------------------------------------------------------------------------------------


def _load_dense(rows, net, order, first, count, work, begin, end, thread):
    (tile, step), (start, stop) = gathered(work, thread), slices_of(net, work, begin, end)
    gather.gather_rows(rows, order, first, count, len(order), work.cuts[start], work.cuts[stop], tile, step)


def _settle_dense(rows, net, work, optimizer, minibatch, begin, end):
    pass


def _forward_dense(rows, net, optimizer, order, first, count, work, place, begin, end, thread):
    tile, tile_step = gathered(work, thread)
    for unit in range(begin, end):
        piece, column, width = unit_of(net, work, unit)
        start, n = work.cuts[piece], work.cuts[piece + 1] - work.cuts[piece]
        w, out = shift(panel_weights(net, column), start * width), plane(net, work, place, piece, column)
        vectors = width // lanes(w)
        x, ahead = shift(tile, start), next_rows(rows, order, first + count, count, start, start + n)
        dense.panel_product(x, tile_step, 1, w, width, n, out, net.layers[0, STEP], count, vectors, False, ahead)


def _centred_dense(rows, net, order, first, count, work, piece, thread, to, step):
    (tile, tile_step), start, n = gathered(work, thread), work.cuts[piece], work.cuts[piece + 1] - work.cuts[piece]
    for b in range(count):
        gather.copy_row(shift(tile, b * tile_step + start), n, 1.0, shift(to, b * step))
    return n


def _update_dense(rows, net, optimizer, order, first, dout, count, work, begin, end, thread):
    tile, step = gathered(work, thread)
    gradient = work_gradient(work, thread)
    for unit in range(begin, end):
        piece, column, _ = unit_of(net, work, unit)
        start, stop = work.cuts[piece], work.cuts[piece + 1]
        update_panel(net, optimizer, 0, column, tile, step, dout, count, start, stop, gradient)


# -- sparse rows ---------------------------------------------------------------------------------------


@core
def _minibatch(rows, count, work, thread):
    """Records of a thread's minibatch."""
    tiles = work.tiles
    return sparse.Minibatch(
        pointer(tiles.addresses, thread * tiles.addresses.shape[1]),
        pointer(tiles.lengths, thread * tiles.lengths.shape[1]),
        pointer(tiles.products, thread * tiles.products.shape[1]),
        count,
        len(rows.bounds) - 1,
        rows.n_slices,
    )


def _load_sparse(rows, net, order, first, count, work, begin, end, thread):
    start, stop = slices_of(net, work, begin, end)
    sparse.load_records(rows, order, first, count, start, stop, _minibatch(rows, count, work, thread))


@core
def _folded(work, piece, column):
    """Pointers to u and q of a unit."""
    start = piece * work.tiles.u.shape[1] + column
    return pointer(work.tiles.u, start), pointer(work.tiles.q, start)


@core
def _slice_of(rows, net, work, unit):
    """Mean, length, weights, width, u and q of a unit."""
    piece, column, width = unit_of(net, work, unit)
    start, n = work.cuts[piece], work.cuts[piece + 1] - work.cuts[piece]
    u, q = _folded(work, piece, column)
    return pointer(rows.mean, start), n, shift(panel_weights(net, column), start * width), width, u, q


def _settle_folded(rows, net, work, optimizer, minibatch, begin, end):
    if minibatch % optimizer.period != 0:
        return
    for unit in range(begin, end):
        mean, n, w, width, u, q = _slice_of(rows, net, work, unit)
        sparse.unfold(mean, n, w, width, work.tiles.alpha[unit, 0], u)
        work.tiles.alpha[unit, 0] = 1.0
        sparse.mean_product(mean, n, w, width, q)


def _settle_whole(rows, net, work, optimizer, minibatch, begin, end):
    for unit in range(begin, end):
        mean, n, w, width, _, q = _slice_of(rows, net, work, unit)
        sparse.mean_product(mean, n, w, width, q)


@core
def _step(net):
    """Distance of neighbouring panels of weights."""
    return net.layers[0, N_IN] * dense.panel_width(pointer(net.packed, 0))


@core
def _pair(net, work, unit, end):
    """Slice, first column, width and number of units: of a unit, or with the next of its slice if both are full."""
    piece, column, width = unit_of(net, work, unit)
    both = unit + 1 < end and column + 2 * width <= layer_columns(net, 0)
    return piece, column, 2 * width if both else width, 2 if both else 1


def _forward_sparse(rows, net, optimizer, order, first, count, work, place, begin, end, thread):
    base, minibatch = work_gradient(work, thread), _minibatch(rows, count, work, thread)
    distance, unit = max(count, sparse.PREFETCH_ROWS), begin
    while unit < end:
        alpha, (piece, column, width, n) = work.tiles.alpha[unit, 0], _pair(net, work, unit, end)
        u, q = _folded(work, piece, column)
        sparse.forward_base(rows.squares[piece], u, q, alpha, width, base)
        w, z = panel_weights(net, column), plane(net, work, place, piece, column)
        step, z_step = _step(net), net.layers[0, STEP]
        position = first + distance if unit == begin or column == 0 else -1  # the records of a slice are asked for once
        ahead = sparse.ahead_of(rows, order, position, distance)
        sparse.sparse_forward(minibatch, piece, w, width, step, u, base, alpha, z, z_step, ahead)
        unit += n


def _centred_sparse(rows, net, order, first, count, work, piece, thread, to, step):
    start, stop, mean = work.cuts[piece], work.cuts[piece + 1], pointer(rows.mean, 0)
    sparse.write_out(_minibatch(rows, count, work, thread), piece, mean, start, stop, to, step)
    return stop - start


def _update_folded(rows, net, optimizer, order, first, dout, count, work, begin, end, thread):
    minibatch, learning_rate = _minibatch(rows, count, work, thread), optimizer.learning_rate
    keep, unit = 1.0 - learning_rate * optimizer.weight_decay, begin
    while unit < end:
        alpha, (piece, column, width, n) = work.tiles.alpha[unit, 0], _pair(net, work, unit, end)
        (u, q), w, dz = _folded(work, piece, column), panel_weights(net, column), shift(dout, column)
        step, dz_step = _step(net), net.layers[0, STEP]
        sparse.sparse_sgd(minibatch, piece, dz, dz_step, learning_rate, keep, alpha, w, width, step, u, q)
        for k in range(unit, unit + n):
            work.tiles.alpha[k, 0] = alpha * keep
        unit += n


def _update_whole(rows, net, optimizer, order, first, dout, count, work, begin, end, thread):
    minibatch = _minibatch(rows, count, work, thread)
    gradient, step, per_slice = work_gradient(work, thread), net.layers[0, STEP], minibatch.n_blocks // rows.n_slices
    for unit in range(begin, end):
        piece, column, width = unit_of(net, work, unit)
        dz, mean = shift(dout, column), pointer(rows.mean, 0)
        offset = net.layers[0, PACKED_WEIGHTS] + net.layers[0, N_IN] * column
        for block in range(piece * per_slice, (piece + 1) * per_slice):
            start, stop = rows.bounds[block], rows.bounds[block + 1]
            sparse.block_gradient(minibatch, block, start, stop, mean, dz, step, gradient, width)
            apply(optimizer, net.packed, offset + start * width, gradient, (stop - start) * width, True)


def _factor_plain(rows, work, optimizer, unit):
    return 1.0


def _factor_folded(rows, work, optimizer, unit):
    return work.tiles.alpha[unit, 0]


def _place_in_panel(rows, net, work, unit):
    piece, column, width = unit_of(net, work, unit)
    start, n = work.cuts[piece], work.cuts[piece + 1] - work.cuts[piece]
    return net.layers[0, PACKED_WEIGHTS] + net.layers[0, N_IN] * column + start * width, n * width


def _stay(rows, net, work, optimizer, thread, n_threads):
    pass


def _settle_in_place(rows, net, work, optimizer):
    settle(rows, net, work, optimizer, 0, 0, n_units(work))


def _settle_in_order(rows, net, work, optimizer):
    begin_call(rows, net, work, optimizer, 0, 1)
    settle(rows, net, work, optimizer, 0, 0, n_units(work))
    end_call(rows, net, work, optimizer, 0, 1)


# -- choice --------------------------------------------------------------------------------------------

_PLAIN = {
    "place": _place_in_panel,
    "factor": _factor_plain,
    "begin": _stay,
    "end": _stay,
    "settle all": _settle_in_place,
}
_DENSE = _PLAIN | {
    "load": _load_dense,
    "settle": _settle_dense,
    "forward": _forward_dense,
    "centred": _centred_dense,
    "update": _update_dense,
}
_WHOLE = _PLAIN | {
    "load": _load_sparse,
    "settle": _settle_whole,
    "forward": _forward_sparse,
    "centred": _centred_sparse,
    "update": _update_whole,
}
_FOLDED = _WHOLE | {"settle": _settle_folded, "update": _update_folded, "factor": _factor_folded}
_WIDE = _PLAIN | {
    "settle": _settle_dense,
    "settle accumulated": block_layer.settle,
    "begin": block_layer.begin_call,
    "end": weight_order.end_call,
    "load": block_layer.load_wide,
    "forward": block_layer.forward_wide,
    "centred": block_layer.centred,
    "update": block_layer.update_wide,
}
_NARROW = _WIDE | {
    "place": block_layer.unit_place_narrow,
    "load": block_layer.load_narrow,
    "forward": block_layer.forward_narrow,
    "update": block_layer.update_narrow,
}
_NARROW_FOLDED = _NARROW | {
    "begin": folded_blocks.begin_call,
    "end": folded_blocks.end_call,
    "settle": folded_blocks.settle,
    "settle all": _settle_in_order,
    "forward": folded_blocks.forward,
    "update": folded_blocks.update,
    "factor": _factor_folded,
}
_NARROW_DENSE = _DENSE | {
    "place": narrow_layer.unit_place,
    "begin": narrow_layer.begin_call,
    "end": weight_order.end_call,
    "forward": narrow_layer.forward,
    "update": narrow_layer.update,
}
_KINDS = {
    gather.Rows: _DENSE,
    NarrowRows: _NARROW_DENSE,
    sparse.SparseRows: _WHOLE,
    ColumnBlocks: _WIDE,
    NarrowColumnBlocks: _NARROW,
    SharedColumnBlocks: _NARROW,
}
_KINDS_FOLDED = {
    sparse.SparseRows: _FOLDED,
    NarrowColumnBlocks: _NARROW_FOLDED,
    SharedColumnBlocks: _NARROW_FOLDED,
}


def _of_kind(name, rows, optimizer=None):
    kinds = _KINDS_FOLDED if class_of(optimizer) is FoldedSgd else _KINDS
    kind = kinds[class_of(rows)]
    if name == "settle" and class_of(optimizer) is Accumulated:
        return kind.get("settle accumulated", kind[name])
    return kind[name]


@overload(weight_factor, jit_options=OVERLOAD)
def _choose_factor(rows, work, optimizer, unit):
    return _of_kind("factor", rows, optimizer)


@overload(unit_place, jit_options=OVERLOAD)
def _choose_place(rows, net, work, unit):
    return _of_kind("place", rows)


@overload(begin_call, jit_options=OVERLOAD)
def _choose_begin(rows, net, work, optimizer, thread, n_threads):
    return _of_kind("begin", rows, optimizer)


@overload(end_call, jit_options=OVERLOAD)
def _choose_end(rows, net, work, optimizer, thread, n_threads):
    return _of_kind("end", rows, optimizer)


@overload(load, jit_options=OVERLOAD)
def _choose_load(rows, net, order, first, count, work, begin, end, thread):
    return _of_kind("load", rows)


@overload(settle, jit_options=OVERLOAD)
def _choose_settle(rows, net, work, optimizer, minibatch, begin, end):
    return _of_kind("settle", rows, optimizer)


@overload(settle_all, jit_options=OVERLOAD)
def _choose_settle_all(rows, net, work, optimizer):
    return _of_kind("settle all", rows, optimizer)


@overload(forward, jit_options=OVERLOAD)
def _choose_forward(rows, net, optimizer, order, first, count, work, place, begin, end, thread):
    return _of_kind("forward", rows, optimizer)


@overload(centred, jit_options=OVERLOAD)
def _choose_centred(rows, net, order, first, count, work, piece, thread, to, step):
    return _of_kind("centred", rows)


@overload(update, jit_options=OVERLOAD)
def _choose_update(rows, net, optimizer, order, first, dout, count, work, begin, end, thread):
    return _of_kind("update", rows, optimizer)
