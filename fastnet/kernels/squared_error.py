"""Squared error, of plain outputs or of probabilities.   z, dz (B, C), rows padded; t (B, C), y (B,)

plain      loss_b = sum_j (z_j - t_j)**2 / 2     dz_j = (z_j - t_j) * scale_b
softmax    loss_b = sum_j e_j**2 / 2             dz_j = p_j * (e_j - sum_k p_k e_k) * scale_b    e_j = p_j - [j == y]
sigmoid    loss_b = sum_j e_j**2 / 2             dz_j = p_j * (1 - p_j) * e_j * scale_b          e_j = p_j - t_j

``scale_b`` is 1/B, or the sample's weight over the sum of weights. The Jacobians of softmax and sigmoid make the
gradient of a sure but wrong prediction vanish, which is why cross-entropy is the better loss for them.
"""

import numpy as np

from .._jit import core, entry, kernel
from ..simd import absolute, lane_index, lanes, load, pointer, reduce_add, select, splat, store, widen
from .cross_entropy import load_targets, zero_row
from .elementary import exp_core
from .softmax import row_exp, row_max, softmax_reference


def squared_error_reference(z, t):
    """NumPy twin: losses (B,) and gradients (B, C) of each sample, not yet scaled."""
    return ((z - t) ** 2).sum(axis=1) / 2, z - t


def softmax_squared_error_reference(z, y):
    """NumPy twin: losses (B,) and gradients (B, C) of each sample, not yet scaled."""
    p = softmax_reference(z)
    error = p.copy()
    error[np.arange(len(y)), y] -= 1
    return (error**2).sum(axis=1) / 2, p * (error - (p * error).sum(axis=1, keepdims=True))


def sigmoid_squared_error_reference(z, t):
    """NumPy twin: losses (B,) and gradients (B, C) of each sample, not yet scaled."""
    p, q = 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))
    return ((p - t) ** 2).sum(axis=1) / 2, (p - t) * p * q


@kernel
def squared_error_row(z, dz, n_outputs, t, scale):
    """One row: writes ``dz`` (may be ``z``) and returns its loss (float64); targets ``t`` (C,) are not padded."""
    loss = 0.0
    for j in range(0, n_outputs, lanes(z)):
        inside = lane_index(z) < n_outputs - j
        value, target = load(z, j), load_targets(t, j, n_outputs)
        error = select(inside, widen(value) - widen(target), 0.0)
        loss += reduce_add(error * error) / 2
        store(dz, j, select(inside, value - target, 0.0) * scale)
    return loss


@core
def _softmax_error(p, j, target, but_target):
    """Vector of e from class ``j`` on; at the target it is minus the sum of the others, which does not cancel."""
    return select(lane_index(p) == target - j, -but_target, p)


@kernel
def softmax_squared_error_row(z, dz, n_classes, target, scale):
    """One row: writes ``dz`` (may be ``z``), returns its loss (float64) and whether ``target`` has the top logit.

    A target outside [0, C) writes a zero gradient and returns a loss of NaN: it can never write out of bounds.
    """
    if not 0 <= target < n_classes:
        zero_row(dz, n_classes)
        return np.nan, False
    top, best = row_max(z, n_classes)
    but_best, but_target = row_exp(z, dz, n_classes, top, best, target)
    factor = 1 / (1 + but_best)
    loss, mean, rest = 0.0, 0.0, but_target * factor
    for j in range(0, n_classes, lanes(dz)):
        p = load(dz, j) * factor
        error = _softmax_error(p, j, target, rest)
        loss += reduce_add(widen(error) * widen(error)) / 2
        mean += reduce_add(widen(p) * widen(error))
    others = splat(dz, 0.0)
    for j in range(0, n_classes, lanes(dz)):
        p = load(dz, j) * factor
        gradient = select(lane_index(dz) == target - j, 0.0, p * (p - mean) * scale)
        others = others + gradient
        store(dz, j, gradient)
    dz[target] = -reduce_add(others)  # all sum to 0, and here e and its mean cancel
    return loss, best == target


@kernel
def sigmoid_squared_error_row(z, dz, n_outputs, t, scale):
    """One row: writes ``dz`` (may be ``z``), returns its loss (float64) and whether every label is predicted right.

    Targets ``t`` (C,) are not padded. A label is 1 if its target is above 0.5.
    """
    loss, wrong = 0.0, 0
    for j in range(0, n_outputs, lanes(z)):
        logit, target = load(z, j), load_targets(t, j, n_outputs)
        inside = lane_index(z) < n_outputs - j
        e = exp_core(-absolute(logit))
        likely, unlikely = 1.0 / (1.0 + e), e / (1.0 + e)
        p, q = select(logit > 0.0, likely, unlikely), select(logit > 0.0, unlikely, likely)
        error = select(inside, select(target == 1.0, -q, p - target), 0.0)
        loss += reduce_add(widen(error) * widen(error)) / 2
        said, meant = select(logit > 0.0, splat(z, 1.0), 0.0), select(target > 0.5, splat(z, 1.0), 0.0)
        wrong += int(reduce_add(select(inside, select(said == meant, splat(z, 0.0), 1.0), 0.0)))
        store(dz, j, error * (likely * unlikely) * scale)
    return loss, wrong == 0


@entry
def softmax_squared_error_arrays(z, y, n_classes, scale, losses):
    """Losses (B,) of logits z (B, padded) and labels y (B,); the logits become their gradient."""
    for b in range(len(z)):
        row = pointer(z, b * z.shape[1])
        losses[b], _ = softmax_squared_error_row(row, row, n_classes, y[b], scale)


@entry
def sigmoid_squared_error_arrays(z, t, scale, losses):
    """Losses (B,) of logits z (B, padded) and targets t (B, C); the logits become their gradient."""
    n_outputs = t.shape[1]
    for b in range(len(z)):
        row = pointer(z, b * z.shape[1])
        losses[b], _ = sigmoid_squared_error_row(row, row, n_outputs, pointer(t, b * n_outputs), scale)


@entry
def squared_error_arrays(z, t, scale, losses):
    """Losses (B,) of outputs z (B, padded) and targets t (B, C); the outputs become their gradient."""
    n_outputs = t.shape[1]
    for b in range(len(z)):
        row = pointer(z, b * z.shape[1])
        losses[b] = squared_error_row(row, row, n_outputs, pointer(t, b * n_outputs), scale)
