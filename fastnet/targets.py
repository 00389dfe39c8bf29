"""What the rows of a minibatch should become, compiled: losses of rows, and their gradients. No maths here.

Losses that belong to their output (``Targets``) and those measured on probabilities (``ProbabilityTargets``) are two
types, so that a fit compiles one kind only.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from ._jit import OVERLOAD_CORE, core, kernel
from .kernels import cross_entropy, squared_error
from .simd import pointer, prefetch
from .views import class_of

SOFTMAX_CROSS_ENTROPY, SIGMOID_CROSS_ENTROPY, SQUARED_ERROR, SOFTMAX_SQUARED_ERROR, SIGMOID_SQUARED_ERROR = range(5)


class Targets(NamedTuple):
    """What the rows should become; the array that a loss does not use is empty."""

    loss: int
    labels: Any  # (n,) int32
    values: Any  # (n, C) of the network's dtype
    weights: Any  # (n,) float64 sample weights, or empty
    total: float  # what sums of losses are divided by; 0 means each minibatch's own sum of weights


class ProbabilityTargets(NamedTuple):
    """The same for a squared error of probabilities: behind softmax or sigmoid."""

    loss: int
    labels: Any
    values: Any
    weights: Any
    total: float


@core
def total_weight(targets, order, first, count):
    """What the losses of a minibatch are divided by."""
    if targets.total > 0.0:
        return targets.total
    if targets.weights.size == 0:
        return float(count)
    total = 0.0
    for b in range(count):
        total += targets.weights[order[first + b]]
    return total


def row_loss(targets, row, z, n_out, scale):
    """Loss of one sample and whether it is predicted right; its logits become their gradient."""
    raise NotImplementedError


def _row_loss(targets, row, z, n_out, scale):
    if targets.loss == SOFTMAX_CROSS_ENTROPY:
        return cross_entropy.softmax_cross_entropy_row(z, z, n_out, targets.labels[row], scale)
    t = pointer(targets.values, row * n_out)
    if targets.loss == SIGMOID_CROSS_ENTROPY:
        return cross_entropy.sigmoid_cross_entropy_row(z, z, n_out, t, scale)
    return squared_error.squared_error_row(z, z, n_out, t, scale), False


def _row_loss_of_probabilities(targets, row, z, n_out, scale):
    if targets.loss == SOFTMAX_SQUARED_ERROR:
        return squared_error.softmax_squared_error_row(z, z, n_out, targets.labels[row], scale)
    return squared_error.sigmoid_squared_error_row(z, z, n_out, pointer(targets.values, row * n_out), scale)


@overload(row_loss, jit_options=OVERLOAD_CORE)
def _choose_row_loss(targets, row, z, n_out, scale):
    return _row_loss if class_of(targets) is Targets else _row_loss_of_probabilities


@kernel
def prefetch_targets(targets, order, start, stop):
    """Ask for the targets of some samples of the next minibatch, which lie anywhere in memory."""
    for position in range(start, min(stop, len(order))):
        row = np.int64(order[position])
        if targets.labels.size:
            prefetch(pointer(targets.labels, row), 0)
        else:
            prefetch(pointer(targets.values, row * targets.values.shape[1]), 0)
