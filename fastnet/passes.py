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
from numba.core import types
from numba.extending import overload

from . import barrier, first_layer, mixed_rows, penalty
from ._jit import OVERLOAD, core, entry, kernel
from .float_mode import restore_float_mode, set_float_mode
from .kernels import activations, cross_entropy, dense, poisson, squared_error
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
from .layout import ACTIVATION, BIAS, N_IN, N_OUT, PACKED_BIAS, PACKED_WEIGHTS, STEP, WEIGHTS
from .simd import pointer, prefetch, shift

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
def _units(work, thread, n_threads):
    """Units of the first layer that a thread owns: all of them if it works alone."""
    return (work.units[0], work.units[-1]) if n_threads == 1 else (work.units[thread], work.units[thread + 1])


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


def row_loss(targets, row, z, n_out, scale):
    """Loss of one sample, by the kind of targets, and whether it is predicted right; logits become their gradient."""
    raise NotImplementedError


def _plain_loss(targets, row, z, n_out, scale):
    return _row_loss(targets, row, z, n_out, scale)


def _capped_loss(targets, row, z, n_out, scale):
    excess = penalty.excess(targets, row, z, n_out) if targets.loss == SIGMOID_CROSS_ENTROPY else 0.0
    loss, hit = _row_loss(targets, row, z, n_out, scale)
    if targets.loss == SOFTMAX_CROSS_ENTROPY and loss > targets.cap:
        loss = targets.cap
    return loss - excess, hit


def _poisson_loss(targets, row, z, n_out, scale):
    return poisson.poisson_row(z, z, n_out, pointer(targets.values, row * n_out), scale), False


_ROW_LOSSES = {
    Targets: _plain_loss,
    penalty.PenalisedTargets: _capped_loss,
    penalty.PoissonTargets: _poisson_loss,
}


@overload(row_loss, jit_options=OVERLOAD)
def _choose_row_loss(targets, row, z, n_out, scale):
    return _ROW_LOSSES[targets.instance_class] if isinstance(targets, types.BaseNamedTuple) else None


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
        loss, hit = row_loss(targets, row, z, n_out, scale)
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
    # Backwards, since the last thread has more of the first layer where units can't be cut evenly.
    top, bottom = _share(n_in, width, n_threads - 1 - thread, n_threads)
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
    penalty.sum_units(targets, rows, net, work, optimizer, begin, end)
    first_layer.load(rows, order, first, count, work, begin, end, thread)
    first_layer.forward(rows, net, order, first, count, work, work.places[0, PLANES], begin, end, thread)
    barrier.wait(work.arrivals, thread, n_threads)
    penalty.sum_layers(targets, net, number, thread)
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
    """
    mode = set_float_mode()
    if thread == 0:
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
    _transpose_all(net, work)
    now = begin_minibatch(optimizer, 0, 0)
    _minibatch(net, rows, targets, order, 0, len(order), work, now, 0, 0, 1)
    first_layer.settle(rows, net, work, optimizer, 0, 0, work.units[-1])
    restore_float_mode(mode)
    return _totals(work, len(order))


@entry
def settle(net, rows, work, optimizer):
    """Turn folded weights into plain ones, on one thread: what an epoch ends with, wherever it ends."""
    mode = set_float_mode()
    first_layer.settle(rows, net, work, optimizer, 0, 0, work.units[-1])
    restore_float_mode(mode)


@entry
def predict_logits(net, rows, order, work, logits, thread, n_threads):
    """Outputs of the last layer before softmax or sigmoid; each thread takes its own rows, a tile at a time."""
    mode, last, batch_size = set_float_mode(), len(net.layers) - 1, work.batch_size
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


@entry
def pack(params, net):
    """Copy the flat parameter vector into a network's packed form."""
    for layer in range(len(net.layers)):
        n_in, n_out = net.layers[layer, N_IN], net.layers[layer, N_OUT]
        bias, packed_bias = net.layers[layer, BIAS], net.layers[layer, PACKED_BIAS]
        w = pointer(net.packed, net.layers[layer, PACKED_WEIGHTS])
        dense.pack(pointer(params, net.layers[layer, WEIGHTS]), n_in, n_out, w)
        for j in range(n_out):
            net.packed[packed_bias + j] = params[bias + j]


@entry
def unpack(net, params):
    """Copy a network's packed parameters into the flat vector."""
    for layer in range(len(net.layers)):
        n_in, n_out = net.layers[layer, N_IN], net.layers[layer, N_OUT]
        bias, packed_bias = net.layers[layer, BIAS], net.layers[layer, PACKED_BIAS]
        w = pointer(net.packed, net.layers[layer, PACKED_WEIGHTS])
        dense.unpack(w, n_in, n_out, pointer(params, net.layers[layer, WEIGHTS]))
        for j in range(n_out):
            params[bias + j] = net.packed[packed_bias + j]
