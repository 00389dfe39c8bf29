"""Cross-entropy from logits, with the gradient fused in.   z, dz (B, C), rows padded; y (B,), t (B, C)

softmax    loss_b = -log p_y            dz_j = (p_j - [j == y]) * scale_b          p = softmax(z)
sigmoid    loss_b = -sum_j log p_j or   dz_j = (p_j - t_j) * scale_b               p = sigmoid(z), one label each
           log(1 - p_j)

``scale_b`` is 1/B, or the sample's weight over the sum of weights. Losses are never clipped: they come from the
logits, in float64 where float32 would overflow, so that no finite logit gives infinity or NaN.

The gradient at the target is written -(sum of the other terms), not p - 1, which rounds to 0 for a sure
prediction. Sources: https://peterroelants.github.io/posts/cross-entropy-softmax/ (derivation) and the article series
"Building a Neural Network from scratch", part 7 (``sensitivity[0, target] -= 1``).
"""

import numpy as np
from numba import float64

from .._jit import core, entry, kernel
from ..simd import (
    absolute,
    lane_index,
    lanes,
    load,
    load_first,
    pointer,
    reduce_add,
    select,
    splat,
    store,
    widen,
)
from .elementary import exp_core, log1p_core
from .softmax import log1p, log_softmax_reference, row_exp, row_max, softmax_reference


def softmax_cross_entropy_reference(z, y):
    """NumPy twin: losses (B,) and gradients (B, C) of each sample, not yet scaled."""
    rows = np.arange(len(y))
    gradient = softmax_reference(z)
    gradient[rows, y] -= 1
    return -log_softmax_reference(z)[rows, y], gradient


def sigmoid_cross_entropy_reference(z, t):
    """NumPy twin: losses (B,) and gradients (B, C) of each sample, not yet scaled."""
    loss = np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))
    return loss.sum(axis=1), 1 / (1 + np.exp(-z)) - t


@core
def zero_row(dz, n_classes):
    """Write zeros over a row."""
    for j in range(0, n_classes, lanes(dz)):
        store(dz, j, splat(dz, 0.0))


@kernel
def softmax_cross_entropy_row(z, dz, n_classes, target, scale):
    """One row: writes ``dz`` (may be ``z``), returns its loss (float64) and whether ``target`` has the top logit.

    A target outside [0, C) writes a zero gradient and returns a loss of NaN: it can never write out of bounds.
    """
    if not 0 <= target < n_classes:
        zero_row(dz, n_classes)
        return np.nan, False
    top, best = row_max(z, n_classes)
    difference = float64(z[target]) - float64(top)
    but_best, but_target = row_exp(z, dz, n_classes, top, best, target)
    factor = scale / (1 + but_best)
    for j in range(0, n_classes, lanes(dz)):
        other = load(dz, j) * factor
        store(dz, j, select(lane_index(dz) == target - j, -but_target * factor, other))
    return log1p(z, but_best) - difference, best == target


@kernel
def softmax_cross_entropy_loss(z, work, n_classes, target):
    """Loss of one row alone, in float64; ``work`` has room for a row."""
    top, best = row_max(z, n_classes)
    but_best, _ = row_exp(z, work, n_classes, top, best, target)
    return log1p(z, but_best) - (float64(z[target]) - float64(top))


@core
def load_targets(t, j, n_classes):
    """Vector of unpadded targets from class ``j`` on, 0 beyond the last."""
    if n_classes - j >= lanes(t):
        return load(t, j)
    return load_first(t, j, n_classes - j, 0.0)


@kernel
def sigmoid_cross_entropy_row(z, dz, n_classes, t, scale):
    """One row: writes ``dz`` (may be ``z``), returns its loss (float64) and whether every label is predicted right.

    loss = max(z, 0) - z t + log(1 + exp(-|z|)), the form of https://www.tensorflow.org/api_docs/python/tf/nn
    ``sigmoid_cross_entropy_with_logits``; targets ``t`` (C,) are not padded. A label is 1 if its target is above 0.5.
    """
    loss, wrong = 0.0, 0
    for j in range(0, n_classes, lanes(z)):
        logit, target = load(z, j), load_targets(t, j, n_classes)
        inside = lane_index(z) < n_classes - j
        linear = widen(select(logit > 0.0, logit, 0.0)) - widen(logit) * widen(target)
        e = exp_core(-absolute(logit))
        each = linear + widen(log1p_core(e))
        loss += reduce_add(select(inside, each, 0.0))
        said, meant = select(logit > 0.0, splat(z, 1.0), 0.0), select(target > 0.5, splat(z, 1.0), 0.0)
        miss = select(said == meant, splat(z, 0.0), 1.0)
        wrong += int(reduce_add(select(inside, miss, 0.0)))
        likely, unlikely = 1.0 / (1.0 + e), e / (1.0 + e)
        p, q = select(logit > 0.0, likely, unlikely), select(logit > 0.0, unlikely, likely)
        store(dz, j, select(inside, select(target == 1.0, -q, p - target) * scale, 0.0))
    return loss, wrong == 0


@entry
def softmax_cross_entropy_arrays(z, y, n_classes, scale, losses):
    """Losses (B,) of logits z (B, padded) and labels y (B,); the logits become their gradient."""
    for b in range(len(z)):
        row = pointer(z, b * z.shape[1])
        losses[b], _ = softmax_cross_entropy_row(row, row, n_classes, y[b], scale)


@entry
def softmax_cross_entropy_loss_arrays(z, y, work, n_classes, losses):
    """Losses (B,) of logits z (B, padded) and labels y (B,) alone; ``work`` (padded,)."""
    for b in range(len(z)):
        losses[b] = softmax_cross_entropy_loss(pointer(z, b * z.shape[1]), pointer(work, 0), n_classes, y[b])


@entry
def sigmoid_cross_entropy_arrays(z, t, scale, losses):
    """Losses (B,) of logits z (B, padded) and targets t (B, C); the logits become their gradient."""
    n_classes = t.shape[1]
    for b in range(len(z)):
        row = pointer(z, b * z.shape[1])
        losses[b], _ = sigmoid_cross_entropy_row(row, row, n_classes, pointer(t, b * n_classes), scale)
