"""The first layer on rows as blocks of columns, strung together from ``kernels/narrow.py`` and ``kernels/wide.py``.

While a compiled call lasts, the first layer's weights lie in the order of the blocks: see ``weight_order.py``.
"""

from numba.extending import overload

from . import weight_order
from ._jit import OVERLOAD, OVERLOAD_CORE, core
from .kernels import accumulation, blocks, narrow, narrow_samples, sgd, wide
from .layers import UPDATE_ROWS, apply, layer_columns, work_gradient
from .layout import N_IN, PACKED_WEIGHTS, STEP
from .simd import itemsize_of, lanes, pointer, shift, short
from .units import owned_units, panel_weights, plane, slices_of, unit_of
from .views import class_of

# Records of samples are asked for at least so many samples earlier.
PREFETCH_ROWS = 16


# -- both kinds ----------------------------------------------------------------------------------------


def begin_call(rows, net, work, optimizer, thread, n_threads):
    """Put the weights in the order of the blocks; no thread goes on before."""
    weight_order.order(rows, net, work, optimizer, thread, n_threads)
    begin, end = owned_units(work, thread, n_threads)
    set_bases(rows, net, work, begin, end)


@core
def _totals(net, dout, count, work, thread):
    """Sums of the gradients of the layer's outputs."""
    totals = pointer(work.tiles.totals, thread * work.tiles.totals.shape[1])
    blocks.column_sums(dout, net.layers[0, STEP], count, layer_columns(net, 0), totals)
    return totals


def set_bases(rows, net, work, begin, end):
    """Compute offset @ w for units ``begin`` to ``end``."""
    raise NotImplementedError


@core
def _empty_base(work, unit):
    """Where a unit's offset @ w lies, after it was set to zero."""
    n = work.tiles.base.shape[1]
    base = pointer(work.tiles.base, unit * n)
    for j in range(n):
        base[j] = 0
    return base


def _keeps_weights(optimizer):
    """Whether an optimizer keeps the gradients for later: then offset @ w stays as it is for now."""
    raise NotImplementedError


def _yes(optimizer):
    return True


def _no(optimizer):
    return False


@overload(_keeps_weights, jit_options=OVERLOAD_CORE)
def _choose_keeps(optimizer):
    return _yes if class_of(optimizer) is accumulation.Kept else _no


def _plain_step(optimizer):
    """Whether an optimizer is plain SGD, its learning rate and its weight decay."""
    raise NotImplementedError


def _step_of_sgd(optimizer):
    return optimizer.velocity.size == 0, optimizer.learning_rate, optimizer.weight_decay


def _step_of_others(optimizer):
    return False, 0.0, 0.0


@overload(_plain_step, jit_options=OVERLOAD_CORE)
def _choose_step(optimizer):
    return _step_of_sgd if class_of(optimizer) is sgd.Sgd else _step_of_others


def settle(rows, net, work, optimizer, minibatch, begin, end):
    """Compute offset @ w anew, for optimizers that change the weights after ``update``."""
    set_bases(rows, net, work, begin, end)


@core
def distance(count):
    """How many samples earlier records are asked for."""
    return max(count, PREFETCH_ROWS)


def centred(rows, net, order, first, count, work, piece, thread, to, step):
    """Write a slice of the inputs, centred, and a vector of zeros to rows ``step`` apart; returns their number."""
    blocks.write_out(rows, order, first, count, piece, to, step)
    return (rows.cuts[piece + 1] - rows.cuts[piece]) * rows.size


# -- many units ----------------------------------------------------------------------------------------


def load_wide(rows, net, order, first, count, work, begin, end, thread):
    """Fill the lists of the slices that units ``begin`` to ``end`` belong to."""
    start, stop = slices_of(net, work, begin, end)
    for piece in range(start, stop):
        lists, step = blocks.lists_of(work, thread), net.layers[0, STEP]
        blocks.load_lists(rows, order, first, count, piece, step, distance(count), lists)


def _set_bases_wide(rows, net, work, begin, end):
    n_in, offset = net.layers[0, N_IN], pointer(rows.offset, 0)
    for unit in range(begin, end):
        (piece, column, width), base = unit_of(net, work, unit), _empty_base(work, unit)
        w = panel_weights(net, column)
        wide.add_base(n_in, offset, w, width, rows.cuts[piece], rows.cuts[piece + 1], base)


# Weights of the first layer, in bytes, from which on they are asked for.
_MANY_BYTES = 4 << 20


@core
def _blocks_ahead(net):
    """How many blocks earlier a block's weights are asked for; 0 where the caches hold them all."""
    n_bytes = net.layers[0, N_IN] * layer_columns(net, 0) * itemsize_of(pointer(net.packed, 0))
    return wide.BLOCKS_AHEAD if n_bytes >= _MANY_BYTES else 0


def forward_wide(rows, net, optimizer, order, first, count, work, place, begin, end, thread):
    """Partial sums of units ``begin`` to ``end``."""
    n_in, step, lists = net.layers[0, N_IN], net.layers[0, STEP], blocks.lists_of(work, thread)
    ahead = _blocks_ahead(net)
    for unit in range(begin, end):
        piece, column, width = unit_of(net, work, unit)
        w, z = panel_weights(net, column), plane(net, work, place, piece, column)
        base = pointer(work.tiles.base, unit * work.tiles.base.shape[1])
        wide.wide_forward(n_in, w, width, base, lists, rows.cuts[piece], rows.cuts[piece + 1], z, step, count, ahead)


def update_wide(rows, net, optimizer, order, first, dout, count, work, begin, end, thread):
    """Update the weights of units ``begin`` to ``end``, and sum offset @ w while they are at hand."""
    gradient, lists, n_in = work_gradient(work, thread), blocks.lists_of(work, thread), net.layers[0, N_IN]
    totals, offset, ahead = _totals(net, dout, count, work, thread), pointer(rows.offset, 0), _blocks_ahead(net)
    for unit in range(begin, end):
        (piece, column, width), whole = unit_of(net, work, unit), n_in // blocks.WIDE
        start, dz, total = net.layers[0, PACKED_WEIGHTS] + n_in * column, shift(dout, column), shift(totals, column)
        block, stop, w, base = rows.cuts[piece], rows.cuts[piece + 1], panel_weights(net, column), totals
        if not _keeps_weights(optimizer):
            base = _empty_base(work, unit)
        plain, rate, decay = _plain_step(optimizer)
        if plain:
            last = min(stop, whole)
            wide.wide_step(offset, w, lists, block, last, width, dz, total, rate, decay, base, ahead)
            block = last
        while block < stop:
            # The last block by itself if it shares inputs with the one before: those are skipped.
            last = block + 1 if block >= whole else min(block + UPDATE_ROWS // blocks.WIDE, stop, whole)
            wide.wide_gradient(n_in, offset, lists, block, last, width, dz, total, gradient)
            row, bottom = block * blocks.WIDE, min(last * blocks.WIDE, n_in)
            new = shift(gradient, (row - wide.block_row(block, n_in)) * width)
            apply(optimizer, net.packed, start + row * width, new, (bottom - row) * width, True)
            if not _keeps_weights(optimizer):
                wide.add_base(n_in, offset, w, width, block, last, base)
            block = last


# -- few units -----------------------------------------------------------------------------------------


@core
def narrow_weights(net):
    """Weights of the first layer, inputs along the lanes."""
    return pointer(net.packed, net.layers[0, PACKED_WEIGHTS])


def load_narrow(rows, net, order, first, count, work, begin, end, thread):
    """Nothing: ``forward_narrow`` reads the records."""


def _set_bases_narrow(rows, net, work, begin, end):
    w, offset = narrow_weights(net), pointer(rows.offset, 0)
    for piece in range(begin, end):
        base = _empty_base(work, piece)
        narrow.narrow_add_base(offset, w, work.tiles, rows.cuts[piece], rows.cuts[piece + 1], base)


def forward_narrow(rows, net, optimizer, order, first, count, work, place, begin, end, thread):
    """Partial sums of the slices ``begin`` to ``end``."""
    w, step = narrow_weights(net), net.layers[0, STEP]
    for piece in range(begin, end):
        samples = narrow_samples.samples_of(work, thread, piece)
        z, ahead = plane(net, work, place, piece, 0), distance(count)
        base = pointer(work.tiles.base, piece * work.tiles.base.shape[1])
        narrow.narrow_forward(rows, order, first, count, piece, w, work.tiles, base, samples, z, step, ahead)


def update_narrow(rows, net, optimizer, order, first, dout, count, work, begin, end, thread):
    """Update the weights of the slices ``begin`` to ``end``, and sum offset * w while they are at hand."""
    gradient, width = work_gradient(work, thread), work.tiles.width
    totals, offset, w = _totals(net, dout, count, work, thread), pointer(rows.offset, 0), narrow_weights(net)
    size, start, step = lanes(short(dout)) * width, net.layers[0, PACKED_WEIGHTS], net.layers[0, STEP]
    at_once, base = work.gradients.shape[1] // size, totals
    for piece in range(begin, end):
        samples = narrow_samples.samples_of(work, thread, piece)
        narrow_samples.turn_bits(rows, piece, samples, count)
        if not _keeps_weights(optimizer):
            base = _empty_base(work, piece)
        for block in range(rows.cuts[piece], rows.cuts[piece + 1], at_once):
            last = min(block + at_once, rows.cuts[piece + 1])
            narrow.narrow_gradient(rows, piece, samples, count, block, last, work.tiles, dout, step, totals, gradient)
            apply(optimizer, net.packed, start + block * size, gradient, (last - block) * size, True)
            if not _keeps_weights(optimizer):
                narrow.narrow_add_base(offset, w, work.tiles, block, last, base)


def unit_place_narrow(rows, net, work, unit):
    """Offset of a slice's weights in the packed parameters, and their number."""
    start, n = work.cuts[unit], work.cuts[unit + 1] - work.cuts[unit]
    return net.layers[0, PACKED_WEIGHTS] + start * work.tiles.width, n * work.tiles.width


@overload(set_bases, jit_options=OVERLOAD)
def _choose_bases(rows, net, work, begin, end):
    return _set_bases_narrow if issubclass(class_of(rows), blocks.NarrowColumnBlocks) else _set_bases_wide
