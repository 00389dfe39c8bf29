"""The second stage of a minibatch, compiled: the later layers, the loss, and back. No maths here."""

import numpy as np
from numba.extending import overload

from . import hidden, sampled_output
from ._jit import OVERLOAD, core, kernel
from .kernels.grouped_softmax import MOST_CLASSES, softmax_cross_entropy_group
from .layers import OUTPUT, work_gradient
from .layout import N_OUT, STEP
from .simd import itemsize_of, lanes, pointer, pointer_to, shift
from .targets import SOFTMAX_CROSS_ENTROPY, Targets, prefetch_targets, row_loss, total_weight
from .views import class_of

# -- loss ----------------------------------------------------------------------------------------------


@core
def _scale(targets, row, total):
    """Share of a sample in the mean of its minibatch's losses."""
    weight = targets.weights[row] if targets.weights.size else 1.0
    return weight / total if total > 0.0 else 0.0


@kernel
def _loss(net, targets, order, first, count, work, start, stop):
    """Losses of rows ``start`` to ``stop``, each times its share of the mean; logits become their gradient."""
    last = len(net.layers) - 1
    step, n_out, total = net.layers[last, STEP], net.layers[last, N_OUT], total_weight(targets, order, first, count)
    for b in range(start, stop):
        row = np.int64(order[first + b])
        scale = _scale(targets, row, total)
        z = pointer(work.buffer, work.places[last, OUTPUT] + b * step)
        loss, hit = row_loss(targets, row, z, n_out, scale)
        work.losses[b] = loss * scale if scale != 0.0 else 0.0
        work.hits[b] = hit


def losses_of(net, targets, order, first, count, work, start, stop, thread):
    """Do the same, several rows at once where that is quicker; not where a minibatch has fewer rows than a vector."""
    raise NotImplementedError


@kernel
def _group_loss(net, targets, order, first, work, start, rows, total, thread):
    """Softmax cross-entropy of at most as many rows as a vector has lanes, in a thread's room for gradients."""
    last = len(net.layers) - 1
    step, n_out = net.layers[last, STEP], net.layers[last, N_OUT]
    room, size = work_gradient(work, thread), lanes(pointer(work.buffer, 0))
    labels, scales, right = room, shift(room, size), shift(room, 2 * size)
    found = pointer_to(
        work.gradients.address + (thread * work.gradients.shape[1] + 4 * size) * itemsize_of(room), np.float64
    )
    for lane in range(size):
        row = np.int64(order[first + start + min(lane, rows - 1)])
        labels[lane], scales[lane] = targets.labels[row], _scale(targets, row, total)
    z, to = pointer(work.buffer, work.places[last, OUTPUT] + start * step), shift(room, 8 * size)
    softmax_cross_entropy_group(z, z, step, rows, n_out, labels, scales, to, found, right)
    for lane in range(rows):
        scale = _scale(targets, np.int64(order[first + start + lane]), total)
        work.losses[start + lane] = found[lane] * scale if scale != 0.0 else 0.0
        work.hits[start + lane] = right[lane] != 0


def _losses_of_classes(net, targets, order, first, count, work, start, stop, thread):
    n_out, size = net.layers[len(net.layers) - 1, N_OUT], lanes(pointer(work.buffer, 0))
    if targets.loss != SOFTMAX_CROSS_ENTROPY or n_out > MOST_CLASSES or work.batch_size < size:
        _loss(net, targets, order, first, count, work, start, stop)
        return
    total = total_weight(targets, order, first, count)
    for b in range(start, stop, size):
        _group_loss(net, targets, order, first, work, b, min(size, stop - b), total, thread)


def _losses_of_rows(net, targets, order, first, count, work, start, stop, thread):
    _loss(net, targets, order, first, count, work, start, stop)


@overload(losses_of, jit_options=OVERLOAD)
def _choose_losses(net, targets, order, first, count, work, start, stop, thread):
    return _losses_of_classes if class_of(targets) is Targets else _losses_of_rows


# -- all of it -----------------------------------------------------------------------------------------


@kernel
def after_first_layer(net, targets, order, first, count, work, number, start, stop, thread):
    """Take rows ``start`` to ``stop`` from the first layer's outputs to the loss, and back to their gradients."""
    hidden.later_layers(net, work, first, start, stop)
    sampled_output.target_logits(targets, net, order, first, work, number, start, stop)
    losses_of(net, targets, order, first, count, work, start, stop, thread)
    prefetch_targets(targets, order, first + count + start, first + count + stop)
    hidden.backward(net, targets, order, first, work, number, start, stop)


@core
def totals(work, count):
    """Mean loss and right predictions of a minibatch; losses in four sums, which do not wait for each other."""
    one, two, three, four, hits, whole = 0.0, 0.0, 0.0, 0.0, 0, count // 4 * 4
    for b in range(0, whole, 4):
        one += work.losses[b]
        two += work.losses[b + 1]
        three += work.losses[b + 2]
        four += work.losses[b + 3]
    for b in range(whole, count):
        one += work.losses[b]
    for b in range(count):
        hits += work.hits[b]
    return (one + two) + (three + four), hits
