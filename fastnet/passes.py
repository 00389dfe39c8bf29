"""Compiled composition: minibatches, epochs and predictions strung together from the kernels. No maths here.

A minibatch runs in three stages, so that any number of threads computes the same bits: work is cut by shape, every
value is computed whole by one thread, and barriers lie between the stages.

1. ``first_layer``   each thread gathers the rows for itself and computes its share of the first layer's columns
2. ``_middle``       each thread takes its share of the rows through the other layers, the loss and back
3. ``_update``       each thread computes its share of the weight gradients and updates those weights

What a compiled loop needs stands in the tuples here and in ``layers.py``; ``workspace.py`` fills them once per fit.
"""

from typing import Any, NamedTuple

import numpy as np

from . import barrier, first_layer, mixed_rows
from ._jit import core, entry, kernel
from .float_mode import restore_float_mode, set_float_mode
from .kernels import activations, cross_entropy, dense, squared_error
from .layers import (
    DELTA,
    OUTPUT,
    PLANES,
    TRANSPOSED,
    begin_minibatch,
    layer_columns,
    layer_forward,
    update_bias,
    update_panel,
    work_gradient,
)
from .layout import ACTIVATION, N_IN, N_OUT, PACKED_WEIGHTS, STEP
from .simd import pointer, prefetch, shift
from .views import views

SOFTMAX_CROSS_ENTROPY, SIGMOID_CROSS_ENTROPY, SQUARED_ERROR = 0, 1, 2
LOSSES = {
    "cross_entropy": SOFTMAX_CROSS_ENTROPY,
    "binary_cross_entropy": SIGMOID_CROSS_ENTROPY,
    "squared_error": SQUARED_ERROR,
}


class Targets(NamedTuple):
    """What the rows should become; the array that a loss does not use is empty."""

    loss: int
    labels: Any  # (n,) int32
    values: Any  # (n, C) of the network's dtype
    weights: Any  # (n,) float64 sample weights, or empty
    total: float  # what sums of losses are divided by; 0 means each minibatch's own sum of weights


# -- shares --------------------------------------------------------------------------------------------


@core
def _share(total, unit, part, parts):
    """Range of ``total`` that part ``part`` of ``parts`` takes, cut at multiples of ``unit``."""
    units = -(-total // unit)
    return min(total, units * part // parts * unit), min(total, units * (part + 1) // parts * unit)


@core
def _n_units(work):
    return work.units[len(work.units) - 1]


@core
def _units(work, thread, n_threads):
    """Units of the first layer that a thread owns: all of them if it works alone."""
    return (0, _n_units(work)) if n_threads == 1 else (work.units[thread], work.units[thread + 1])


@core
def _delta(net, work, layer):
    """Place of the gradients of a layer's outputs before its activation; the last layer's replace its logits."""
    return work.places[layer, OUTPUT if layer == len(net.layers) - 1 else DELTA]


# -- forward -------------------------------------------------------------------------------------------


@kernel
def _later_layers(net, work, start, stop):
    """All layers but the first, for rows ``start`` to ``stop`` of the minibatch."""
    for layer in range(1, len(net.layers)):
        x_step, step = net.layers[layer - 1, STEP], net.layers[layer, STEP]
        x = pointer(work.buffer, work.places[layer - 1, OUTPUT] + start * x_step)
        out = pointer(work.buffer, work.places[layer, OUTPUT] + start * step)
        layer_forward(net, layer, x, x_step, out, stop - start, 0, layer_columns(net, layer))


# -- loss and backward ---------------------------------------------------------------------------------


@core
def _row_loss(targets, row, z, n_out, scale):
    """Loss of one sample and whether it is predicted right; its logits become their gradient."""
    if targets.loss == SOFTMAX_CROSS_ENTROPY:
        return cross_entropy.softmax_cross_entropy_row(z, z, n_out, targets.labels[row], scale)
    t = pointer(targets.values, row * n_out)
    if targets.loss == SIGMOID_CROSS_ENTROPY:
        return cross_entropy.sigmoid_cross_entropy_row(z, z, n_out, t, scale)
    return squared_error.squared_error_row(z, z, n_out, t, scale), False


@core
def _total_weight(targets, order, first, count):
    if targets.total > 0.0:
        return targets.total
    if targets.weights.size == 0:
        return float(count)
    total = 0.0
    for b in range(count):
        total += targets.weights[order[first + b]]
    return total


@kernel
def _prefetch_targets(targets, order, start, stop):
    """Ask for the targets of some samples of the next minibatch, which lie anywhere in memory."""
    for position in range(start, min(stop, len(order))):
        row = np.int64(order[position])
        if targets.loss == SOFTMAX_CROSS_ENTROPY:
            prefetch(pointer(targets.labels, row), 0)
        else:
            prefetch(pointer(targets.values, row * targets.values.shape[1]), 0)


@kernel
def _loss(net, targets, order, first, count, work, start, stop):
    """Losses of rows ``start`` to ``stop``, each times its share of the mean; logits become their gradient."""
    last = len(net.layers) - 1
    step, n_out, total = net.layers[last, STEP], net.layers[last, N_OUT], _total_weight(targets, order, first, count)
    for b in range(start, stop):
        row = np.int64(order[first + b])
        weight = targets.weights[row] if targets.weights.size else 1.0
        scale = weight / total if total > 0.0 else 0.0
        z = pointer(work.buffer, work.places[last, OUTPUT] + b * step)
        loss, hit = _row_loss(targets, row, z, n_out, scale)
        work.losses[b] = loss * scale if scale != 0.0 else 0.0
        work.hits[b] = hit


@kernel
def _backward(net, work, start, stop):
    """Gradients of all hidden layers' inputs, from the last layer down, for some rows of the minibatch."""
    for layer in range(len(net.layers) - 1, 0, -1):
        n_in, n_out = net.layers[layer, N_IN], net.layers[layer, N_OUT]
        dout_step, step, code = net.layers[layer, STEP], net.layers[layer - 1, STEP], net.layers[layer - 1, ACTIVATION]
        dout = pointer(work.buffer, _delta(net, work, layer) + start * dout_step)
        dx = pointer(work.buffer, _delta(net, work, layer - 1) + start * step)
        y = pointer(work.buffer, work.places[layer - 1, OUTPUT] + start * step)
        wt, columns = pointer(work.buffer, work.places[layer, TRANSPOSED]), dense.padded(n_in, dout)
        dense.dense_backward_input(dout, dout_step, wt, stop - start, n_out, dx, step, columns)
        if columns == step:
            activations.activation_backward(code, y, dx, dx, (stop - start) * step)
        else:
            for m in range(stop - start):
                row = shift(dx, m * step)
                activations.activation_backward(code, shift(y, m * step), row, row, columns)


@kernel
def _middle(net, targets, order, first, count, work, thread, n_threads):
    """Take this thread's rows through the later layers, the loss and back."""
    start, stop = _share(count, dense.TILE_ROWS, thread, n_threads)
    skipped = start * net.layers[0, STEP]
    planes, out = work.places[0, PLANES] + skipped, work.places[0, OUTPUT] + skipped
    first_layer.join_slices(net, work, planes, stop - start, out)
    _later_layers(net, work, start, stop)
    _loss(net, targets, order, first, count, work, start, stop)
    _prefetch_targets(targets, order, first + count + start, first + count + stop)
    _backward(net, work, start, stop)


# -- update --------------------------------------------------------------------------------------------


@kernel
def _update_later_layer(net, optimizer, layer, x, x_step, dout, rows, work, thread, n_threads):
    """Update this thread's rows of the weights of a layer that is not the first, and of their transpose."""
    gradient, w = work_gradient(work, thread), pointer(net.packed, net.layers[layer, PACKED_WEIGHTS])
    n_in, n_out, width = net.layers[layer, N_IN], net.layers[layer, N_OUT], dense.panel_width(x)
    wt, columns = pointer(work.buffer, work.places[layer, TRANSPOSED]), layer_columns(net, layer)
    top, bottom = _share(n_in, width, thread, n_threads)
    for column in range(0, columns, width):
        update_panel(net, optimizer, layer, column, x, x_step, dout, rows, top, bottom, gradient)
        dense.pack_transposed(w, n_in, n_out, column, top, bottom, wt)
    if thread == 0:
        update_bias(net, optimizer, layer, dout, rows, 0, columns, gradient)


@kernel
def _update(net, rows, optimizer, order, first, count, work, thread, n_threads):
    """Update this thread's share of all weights and biases: of the first layer, its own units."""
    begin, end = _units(work, thread, n_threads)
    dout = pointer(work.buffer, _delta(net, work, 0))
    first_layer.update(rows, net, optimizer, order, first, dout, count, work, begin, end, thread)
    first_layer.update_biases(net, optimizer, dout, count, work, begin, end, thread)
    for layer in range(1, len(net.layers)):
        x, x_step = pointer(work.buffer, work.places[layer - 1, OUTPUT]), net.layers[layer - 1, STEP]
        dout = pointer(work.buffer, _delta(net, work, layer))
        _update_later_layer(net, optimizer, layer, x, x_step, dout, count, work, thread, n_threads)


# -- minibatch, epoch, prediction ----------------------------------------------------------------------


@kernel
def _minibatch(net, rows, targets, order, first, count, work, optimizer, number, thread, n_threads):
    """Train on samples ``order[first : first + count]``; ``number`` counts the minibatches of an epoch."""
    begin, end = _units(work, thread, n_threads)
    first_layer.settle(rows, net, work, optimizer, number, begin, end)
    first_layer.load(rows, net, order, first, count, work, begin, end, thread)
    first_layer.forward(rows, net, order, first, count, work, work.places[0, PLANES], begin, end, thread)
    barrier.wait(work.arrivals, thread, n_threads)
    _middle(net, targets, order, first, count, work, thread, n_threads)
    barrier.wait(work.arrivals, thread, n_threads)
    _update(net, rows, optimizer, order, first, count, work, thread, n_threads)


@kernel
def _transpose_all(net, work):
    for layer in range(1, len(net.layers)):
        n_in, n_out = net.layers[layer, N_IN], net.layers[layer, N_OUT]
        w = pointer(net.packed, net.layers[layer, PACKED_WEIGHTS])
        wt = pointer(work.buffer, work.places[layer, TRANSPOSED])
        for column in range(0, n_out, dense.panel_width(w)):
            dense.pack_transposed(w, n_in, n_out, column, 0, n_in, wt)


@core
def _totals(work, count):
    """Mean loss and right predictions of a minibatch, added up in the order of its rows."""
    loss, hits = 0.0, 0
    for b in range(count):
        loss += work.losses[b]
        hits += work.hits[b]
    return loss, hits


@entry
def train_epoch(net, rows, targets, order, batch_size, begin, end, work, optimizer, losses, hits, thread, n_threads):
    """Minibatches ``begin`` to ``end`` of an epoch, as thread ``thread`` of ``n_threads`` that all call this.

    Writes each minibatch's mean loss and number of right predictions. Bits do not depend on where an epoch is cut.
    Called for no minibatches, by one thread, it turns folded weights into plain ones: what an epoch ends with.
    """
    mode = set_float_mode()
    net, rows, targets, order = views(net), views(rows), views(targets), views(order)
    work, optimizer, losses, hits = views(work), views(optimizer), views(losses), views(hits)
    if begin == end:
        first_layer.settle(rows, net, work, optimizer, 0, 0, _n_units(work))
    elif thread == 0:
        _transpose_all(net, work)
    for k in range(begin, end):
        if barrier.leave(work.arrivals, k, thread, n_threads):
            barrier.wait(work.arrivals, thread, n_threads)  # for the others' updates
            if thread > 0:
                break
            n_threads = 1
        first = k * batch_size
        count = min(batch_size, len(order) - first)
        now = begin_minibatch(optimizer, k, thread)
        _minibatch(net, rows, targets, order, first, count, work, now, k, thread, n_threads)
        if k == begin:
            barrier.forget_long_waits(work.arrivals, thread)
        if thread == 0:
            losses[k], hits[k] = _totals(work, count)
            barrier.count_long_waits(work.arrivals, k, n_threads)
    restore_float_mode(mode)


@entry
def train_step(net, rows, targets, order, work, optimizer):
    """One minibatch of the samples ``order``, on one thread; returns its mean loss and number of right predictions."""
    mode = set_float_mode()
    net, rows, targets, order = views(net), views(rows), views(targets), views(order)
    work, optimizer = views(work), views(optimizer)
    _transpose_all(net, work)
    now = begin_minibatch(optimizer, 0, 0)
    _minibatch(net, rows, targets, order, 0, len(order), work, now, 0, 0, 1)
    first_layer.settle(rows, net, work, optimizer, 0, 0, _n_units(work))
    restore_float_mode(mode)
    return _totals(work, len(order))


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
    begin, end = _share(len(order), batch_size, thread, n_threads)
    mixed_rows.prepare(rows, net, work, thread)
    for first in range(begin, end, batch_size):
        count = min(batch_size, end - first)
        mixed_rows.forward(rows, net, order, first, count, work, planes, out, thread)
        first_layer.join_slices(net, work, planes, count, out)
        _later_layers(net, work, start, start + count)
        for b in range(count):
            for j in range(n_out):
                logits[first + b, j] = work.buffer[result + b * step + j]
    restore_float_mode(mode)
