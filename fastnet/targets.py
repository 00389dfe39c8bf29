"""What the rows of a minibatch should become, compiled: losses of rows, and their gradients. No maths here.

Losses that belong to their output (``Targets``), those measured on probabilities (``ProbabilityTargets``), those of
scikit-learn (``PenalisedTargets``, ``PoissonTargets``) and that of a sample of the classes (``SampledTargets``: see
``sampled_output.py``) are types of their own, so that a fit compiles one kind only.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from ._jit import OVERLOAD_CORE, core, kernel
from .kernels import cross_entropy, poisson, squared_error
from .simd import pointer, prefetch
from .views import class_of

SOFTMAX_CROSS_ENTROPY, SIGMOID_CROSS_ENTROPY, SQUARED_ERROR, SOFTMAX_SQUARED_ERROR, SIGMOID_SQUARED_ERROR = range(5)
SAMPLED_SOFTMAX = 5


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


class PenalisedTargets(NamedTuple):
    """``Targets``, and what the loss of scikit-learn's classifiers and regressors needs."""

    loss: int
    labels: Any
    values: Any
    weights: Any
    total: float
    cap: float  # largest loss of a label, where probabilities are clipped: -log(eps)
    squares: Any  # (n_units,) float64: of each unit of the first layer
    norms: Any  # (n_minibatches,) float64: sum of squared weights before each update; empty if nobody asks


class PoissonTargets(NamedTuple):
    """The same for half the Poisson deviance; ``loss`` and ``cap`` are not used."""

    loss: int
    labels: Any
    values: Any
    weights: Any
    total: float
    cap: float
    squares: Any
    norms: Any


class SampledTargets(NamedTuple):
    """Classes, of which each minibatch looks at some."""

    loss: int
    labels: Any
    values: Any
    weights: Any
    total: float
    classes: Any  # kernels.candidates.Classes


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


def with_total(targets, total):
    """Return the same targets with another number that sums of losses are divided by."""
    raise NotImplementedError


def _targets_with(targets, total):
    return Targets(targets.loss, targets.labels, targets.values, targets.weights, total)


def _probabilities_with(targets, total):
    return ProbabilityTargets(targets.loss, targets.labels, targets.values, targets.weights, total)


def _penalised_with(targets, total):
    labels, values, weights = targets.labels, targets.values, targets.weights
    return PenalisedTargets(targets.loss, labels, values, weights, total, targets.cap, targets.squares, targets.norms)


def _poisson_with(targets, total):
    labels, values, weights = targets.labels, targets.values, targets.weights
    return PoissonTargets(targets.loss, labels, values, weights, total, targets.cap, targets.squares, targets.norms)


_WITH_TOTAL = {
    Targets: _targets_with,
    ProbabilityTargets: _probabilities_with,
    PenalisedTargets: _penalised_with,
    PoissonTargets: _poisson_with,
}


@overload(with_total, jit_options=OVERLOAD_CORE)
def _choose_with_total(targets, total):
    return _WITH_TOTAL.get(class_of(targets))


def row_loss(targets, row, z, n_out, scale):
    """Loss of one sample and whether it is predicted right; its logits become their gradient."""
    raise NotImplementedError


@core
def _one_loss(targets, row, z, n_out, scale):
    if targets.loss == SOFTMAX_CROSS_ENTROPY:
        return cross_entropy.softmax_cross_entropy_row(z, z, n_out, targets.labels[row], scale)
    t = pointer(targets.values, row * n_out)
    if targets.loss == SIGMOID_CROSS_ENTROPY:
        return cross_entropy.sigmoid_cross_entropy_row(z, z, n_out, t, scale)
    return squared_error.squared_error_row(z, z, n_out, t, scale), False


def _row_loss(targets, row, z, n_out, scale):
    return _one_loss(targets, row, z, n_out, scale)


def _row_loss_of_probabilities(targets, row, z, n_out, scale):
    if targets.loss == SOFTMAX_SQUARED_ERROR:
        return squared_error.softmax_squared_error_row(z, z, n_out, targets.labels[row], scale)
    return squared_error.sigmoid_squared_error_row(z, z, n_out, pointer(targets.values, row * n_out), scale)


@core
def _excess(targets, row, z, n_out):
    """By how much a row's losses of single labels exceed the cap: far from zero they are as large as the logits."""
    total, start = 0.0, row * n_out
    t = pointer(targets.values, start)
    for j in range(n_out):
        wrong = np.float64(z[j] if t[j] == 0 else -z[j])
        if wrong > targets.cap:
            total += wrong - targets.cap
    return total


def _capped_loss(targets, row, z, n_out, scale):
    excess = _excess(targets, row, z, n_out) if targets.loss == SIGMOID_CROSS_ENTROPY else 0.0
    loss, hit = _one_loss(targets, row, z, n_out, scale)
    if targets.loss == SOFTMAX_CROSS_ENTROPY and loss > targets.cap:
        loss = targets.cap
    return loss - excess, hit


def _poisson_loss(targets, row, z, n_out, scale):
    return poisson.poisson_row(z, z, n_out, pointer(targets.values, row * n_out), scale), False


def _sampled_loss(targets, row, z, n_out, scale):
    """The target stands last, behind the candidates; whether it is right among all classes is not known."""
    return cross_entropy.softmax_cross_entropy_row(z, z, n_out, n_out - 1, scale)[0], False


_ROW_LOSSES = {
    Targets: _row_loss,
    ProbabilityTargets: _row_loss_of_probabilities,
    PenalisedTargets: _capped_loss,
    PoissonTargets: _poisson_loss,
    SampledTargets: _sampled_loss,
}


@overload(row_loss, jit_options=OVERLOAD_CORE)
def _choose_row_loss(targets, row, z, n_out, scale):
    return _ROW_LOSSES.get(class_of(targets))


@kernel
def prefetch_targets(targets, order, start, stop):
    """Ask for the targets of some samples of the next minibatch, which lie anywhere in memory."""
    for position in range(start, min(stop, len(order))):
        row = np.int64(order[position])
        if targets.labels.size:
            prefetch(pointer(targets.labels, row), 0)
        else:
            prefetch(pointer(targets.values, row * targets.values.shape[1]), 0)
