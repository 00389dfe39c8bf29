"""Compiled composition: minibatches, epochs and predictions strung together from the kernels. No maths here.

A minibatch runs in three stages, so that any number of threads computes the same bits: work is cut by shape, every
value is computed whole by one thread, and barriers lie between the stages.

1. ``first_layer``   each thread gathers the rows for itself and computes its share of the first layer's columns
2. ``_middle``       each thread takes its share of the rows through the other layers, the loss and back
3. ``updates``       each thread computes its share of the weight gradients and updates those weights

Small minibatches of plain SGD run in groups, with the same three stages once a group: see ``groups.py``. Large ones run
in micro-batches, whose gradients are added up: see ``kernels/accumulation.py``.

What a compiled loop needs stands in the tuples of ``layers.py`` and its neighbours; ``workspace.py`` fills them once
per fit.
"""

from numba.extending import overload

from . import barrier, first_layer, groups, hidden, later_layer, mixed_rows, penalty, sampled_output, updates
from ._jit import OVERLOAD, core, entry, kernel
from .float_mode import restore_float_mode, set_float_mode
from .kernels import accumulation, dense
from .kernels.accumulation import Accumulated
from .kernels.groups import GroupedSgd
from .layers import OUTPUT, PLANES, begin_minibatch, delta_place, share
from .layout import N_IN, N_OUT, PACKED_WEIGHTS, STEP
from .middle import after_first_layer, totals
from .simd import pointer
from .targets import total_weight, with_total
from .units import owned_units
from .views import class_of, views

# -- minibatch, epoch, prediction ----------------------------------------------------------------------


@kernel
def _middle(net, targets, order, first, count, work, number, thread, n_threads):
    """Take this thread's rows through the later layers, the loss and back."""
    start, stop = share(count, dense.TILE_ROWS, thread, n_threads)
    skipped = start * net.layers[0, STEP]
    planes, out = work.places[0, PLANES] + skipped, work.places[0, OUTPUT] + skipped
    first_layer.join_slices(net, work, planes, stop - start, out)
    after_first_layer(net, targets, order, first, count, work, number, start, stop, thread)


@kernel
def _minibatch(net, rows, targets, order, first, count, work, optimizer, number, thread, n_threads):
    """Train on samples ``order[first : first + count]``; ``number`` counts the minibatches of an epoch."""
    begin, end = owned_units(work, thread, n_threads)
    first_layer.settle(rows, net, work, optimizer, number, begin, end)
    penalty.sum_units(targets, rows, net, work, optimizer, begin, end)
    first_layer.load(rows, net, order, first, count, work, begin, end, thread)
    planes = work.places[0, PLANES]
    first_layer.forward(rows, net, optimizer, order, first, count, work, planes, begin, end, thread)
    barrier.wait(work.arrivals, thread, n_threads)
    penalty.sum_layers(targets, net, number, thread)
    _middle(net, targets, order, first, count, work, number, thread, n_threads)
    barrier.wait(work.arrivals, thread, n_threads)
    updates.update(net, targets, rows, optimizer, order, first, count, work, number, thread, n_threads)
    later = first + count
    more = min(count, len(order) - later)
    sampled_output.advance(targets, net, optimizer, order, later, more, work, number + 1, thread, n_threads)


def _round(net, rows, targets, order, batch_size, k, row, end, work, optimizer, losses, hits, thread, n_threads):
    """Train on minibatch ``k``, on all up to the end of its group, or on its micro-batch that begins with ``row``.

    Returns the number of the minibatch that comes next, and the row of it.
    """
    raise NotImplementedError


def _single(net, rows, targets, order, batch_size, k, row, end, work, optimizer, losses, hits, thread, n_threads):
    first = k * batch_size
    count = min(batch_size, len(order) - first)
    now = begin_minibatch(optimizer, k, thread)
    _minibatch(net, rows, targets, order, first, count, work, now, k, thread, n_threads)
    if thread == 0:
        losses[k], hits[k] = totals(work, count)
    return k + 1, 0


def _micro_batch(net, rows, targets, order, batch_size, k, row, end, work, optimizer, losses, hits, thread, n_threads):
    first = k * batch_size
    count = min(batch_size, len(order) - first)
    n, begins = min(optimizer.rows, count - row), row == 0
    if begins:
        optimizer.totals[thread] = total_weight(targets, order, first, count)
    ends, of_all = row + n == count, with_total(targets, optimizer.totals[thread])
    now = accumulation.part_of(optimizer, begin_minibatch(optimizer.optimizer, k, thread), begins, ends)
    _minibatch(net, rows, of_all, order, first + row, n, work, now, k, thread, n_threads)
    if thread == 0:
        loss, right = totals(work, n)
        losses[k], hits[k] = (loss, right) if begins else (losses[k] + loss, hits[k] + right)
    return (k + 1, 0) if ends else (k, row + n)


_ROUNDS = {GroupedSgd: groups.train_group, Accumulated: _micro_batch}


@overload(_round, jit_options=OVERLOAD)
def _choose_round(net, rows, targets, order, batch_size, k, row, end, work, optimizer, losses, hits, thread, n_threads):
    return _ROUNDS.get(class_of(optimizer), _single)


@kernel
def _end_epoch(net, rows, targets, work, optimizer, thread, n_threads):
    """Make folded weights plain; called by all threads, also by those that thread 0 goes on without."""
    if thread == 0 or n_threads > 1:
        begin, end = owned_units(work, thread, n_threads)
        first_layer.settle(rows, net, work, optimizer, 0, begin, end)
    barrier.wait(work.arrivals, thread, n_threads)
    if thread == 0:
        sampled_output.settle(targets)


@core
def _sum(values, begin, end):
    total = 0.0
    for k in range(begin, end):
        total += values[k]
    return total


@entry
def train_epoch(net, rows, targets, order, batch_size, begin, end, work, optimizer, losses, hits, thread, n_threads):
    """Minibatches ``begin`` to ``end`` of an epoch, as thread ``thread`` of ``n_threads`` that all call this.

    Writes each minibatch's mean loss and number of right predictions, and the sum of the losses. Bits do not depend on
    where an epoch is cut, as long as groups of minibatches stay whole. An epoch ends with plain weights; called for no
    minibatches, by one thread, it makes folded weights plain within one.
    """
    mode = set_float_mode()
    net, rows, targets, order = views(net), views(rows), views(targets), views(order)
    work, optimizer, losses, hits = views(work), views(optimizer), views(losses), views(hits)
    of_one = groups.of_one_minibatch(optimizer)
    if begin == end:
        first_layer.settle_all(rows, net, work, of_one)
        sampled_output.settle(targets)
    else:
        if thread == 0:
            later_layer.begin_call(net, work)
            sampled_output.begin(targets, net, work, begin)
        first_layer.begin_call(rows, net, work, of_one, thread, n_threads)
    k, row, turn = begin, 0, 0
    while k < end:
        if barrier.leave(work.arrivals, turn, thread, n_threads):
            barrier.wait(work.arrivals, thread, n_threads)  # for the others' updates
            n_threads = 1
            if thread > 0:
                break
        args = net, rows, targets, order, batch_size, k, row, end, work, optimizer, losses, hits, thread, n_threads
        k, row = _round(*args)
        if turn == 0:
            barrier.forget_waits(work.arrivals, thread)
        elif thread == 0:
            barrier.count_waits(work.arrivals, turn, n_threads)
        turn += 1
    if begin < end:
        if end * batch_size >= len(order):
            _end_epoch(net, rows, targets, work, of_one, thread, n_threads)
        if thread == 0:
            later_layer.end_call(net, work)
            work.summed[0] = _sum(losses, begin, end)
        first_layer.end_call(rows, net, work, of_one, thread, n_threads)
    restore_float_mode(mode)


@entry
def train_step(net, rows, targets, order, work, optimizer):
    """One minibatch of the samples ``order``, on one thread; returns its mean loss and number of right predictions."""
    mode = set_float_mode()
    net, rows, targets, order = views(net), views(rows), views(targets), views(order)
    work, optimizer = views(work), views(optimizer)
    later_layer.begin_call(net, work)
    now = begin_minibatch(optimizer, 0, 0)
    _minibatch(net, rows, targets, order, 0, len(order), work, now, 0, 0, 1)
    first_layer.settle_all(rows, net, work, optimizer)
    restore_float_mode(mode)
    return totals(work, len(order))


@kernel
def _transpose_first(net, transposed):
    """Copy the first layer's weights into panels of their transpose."""
    n_in, n_out, w = net.layers[0, N_IN], net.layers[0, N_OUT], pointer(net.packed, net.layers[0, PACKED_WEIGHTS])
    for column in range(0, n_out, dense.panel_width(w)):
        dense.pack_transposed(w, n_in, n_out, column, 0, n_in, pointer(transposed, 0))


@entry
def input_gradients(net, rows, targets, order, work, optimizer, transposed, dx, losses, hits):
    """All minibatches on one thread, with an optimizer that changes no weight, and the gradients of the inputs.

    Writes dx (n, padded), which belongs to the rows after centring and scaling; ``transposed`` (O * padded,) has room
    for the first layer's weights.
    """
    mode = set_float_mode()
    net, rows, targets, order, work = views(net), views(rows), views(targets), views(order), views(work)
    optimizer, transposed, dx, losses, hits = views(optimizer), views(transposed), views(dx), views(losses), views(hits)
    later_layer.begin_call(net, work)
    _transpose_first(net, transposed)
    n_out, wt, dx_step = net.layers[0, N_OUT], pointer(transposed, 0), dx.shape[1]
    for k in range(len(losses)):
        first = k * work.batch_size
        count = min(work.batch_size, len(order) - first)
        _minibatch(net, rows, targets, order, first, count, work, optimizer, k, 0, 1)
        losses[k], hits[k] = totals(work, count)
        dout, to = pointer(work.buffer, delta_place(net, work, 0)), pointer(dx, first * dx_step)
        dense.dense_backward_input(dout, net.layers[0, STEP], wt, count, n_out, to, dx_step, dx_step)
    restore_float_mode(mode)


@entry
def predict_logits(net, rows, order, work, logits, thread, n_threads):
    """Outputs of the last layer before softmax or sigmoid; each thread takes its own rows, a tile at a time."""
    mode = set_float_mode()
    net, rows, order, work, logits = views(net), views(rows), views(order), views(work), views(logits)
    last, batch_size = len(net.layers) - 1, work.batch_size
    step, n_out = net.layers[last, STEP], net.layers[last, N_OUT]
    start = thread * batch_size
    planes, out = (
        work.places[0, PLANES] + start * net.layers[0, STEP],
        work.places[0, OUTPUT] + start * net.layers[0, STEP],
    )
    result = work.places[last, OUTPUT] + start * step
    begin, end = share(len(order), batch_size, thread, n_threads)
    mixed_rows.prepare(rows, net, work, thread)
    for first in range(begin, end, batch_size):
        count = min(batch_size, end - first)
        mixed_rows.forward(rows, net, order, first, count, work, planes, out, thread)
        first_layer.join_slices(net, work, planes, count, out)
        hidden.later_layers(net, work, 0, start, start + count)
        for b in range(count):
            for j in range(n_out):
                logits[first + b, j] = work.buffer[result + b * step + j]
    restore_float_mode(mode)
