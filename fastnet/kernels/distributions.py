"""Cross-entropy with a distribution over the classes as target, and losses of probabilities instead of logits.

z, dz, p (B, C), rows padded; t (B, C), not padded

softmax, from logits         loss_b = sum_j t_j (log sum_k exp z_k - z_j)      dz_j = (softmax(z)_j - t_j) * scale_b
softmax, from probabilities  loss_b = -sum_j t_j log p_j
sigmoid, from probabilities  loss_b = -sum_j (t_j log p_j + (1 - t_j) log(1 - p_j))

Each row of t sums to 1 in the first two. A row with a single 1 gives the bits of ``cross_entropy.py`` with that
label. From probabilities, what the softmax rounded away is lost: a sure prediction's loss is 0, or infinite.
"""

import math

import numpy as np

from .._jit import core, entry, kernel
from ..simd import lane_index, lanes, load, pointer, reduce_add, reduce_min, select, store, widen
from .cross_entropy import load_targets
from .softmax import log1p, log_softmax_reference, row_exp, row_max, softmax_reference


def distribution_cross_entropy_reference(z, t):
    """NumPy twin: losses (B,) and gradients (B, C) of each sample, not yet scaled."""
    return -np.where(t > 0, t * log_softmax_reference(z), 0).sum(axis=1), softmax_reference(z) - t


@core
def _sure_class(t, n_classes):
    """Return the first class whose target is 1, or -1."""
    for j in range(0, n_classes, lanes(t)):
        here = select(load_targets(t, j, n_classes) == 1.0, lane_index(t), float(lanes(t)))
        lane = int(reduce_min(here))
        if lane < lanes(t):
            return j + lane
    return -1


@core
def _expected_distance(z, n_classes, t, top):
    """Sum of t_j (top - z_j) over the classes that have a target, in float64."""
    total = 0.0
    for j in range(0, n_classes, lanes(z)):
        target = load_targets(t, j, n_classes)
        distance = widen(select(target > 0.0, top - load(z, j), 0.0))
        total += reduce_add(widen(target) * distance)
    return total


@kernel
def distribution_cross_entropy_row(z, dz, n_classes, t, scale):
    """One row: writes ``dz`` (may be ``z``) and returns its loss (float64)."""
    top, best = row_max(z, n_classes)
    sure, distance = _sure_class(t, n_classes), _expected_distance(z, n_classes, t, top)
    but_best, but_sure = row_exp(z, dz, n_classes, top, best, sure)
    factor = scale / (1 + but_best)
    for j in range(0, n_classes, lanes(dz)):
        other = load(dz, j) * factor - load_targets(t, j, n_classes) * scale
        store(dz, j, select(lane_index(dz) == sure - j, -but_sure * factor, other))
    return log1p(z, but_best) + distance


@core
def _term(t, p):
    """-t log p, 0 for t = 0."""
    return -t * math.log(p) if t > 0.0 else 0.0


@entry
def distribution_cross_entropy_arrays(z, t, scale, losses):
    """Losses (B,) of logits z (B, padded) and targets t (B, C); the logits become their gradient."""
    n_classes = t.shape[1]
    for b in range(len(z)):
        row = pointer(z, b * z.shape[1])
        losses[b] = distribution_cross_entropy_row(row, row, n_classes, pointer(t, b * n_classes), scale)


@entry
def likelihood_arrays(p, y, losses):
    """Losses (B,) of probabilities p (B, C) and labels y (B,), which are inside [0, C)."""
    for b in range(len(p)):
        losses[b] = _term(1.0, p[b, y[b]])


@entry
def distribution_likelihood_arrays(p, t, losses):
    """Losses (B,) of probabilities p (B, C) and targets t (B, C)."""
    for b in range(len(p)):
        losses[b] = 0.0
        for j in range(p.shape[1]):
            losses[b] += _term(t[b, j], p[b, j])


@entry
def binary_likelihood_arrays(p, t, losses):
    """Losses (B,) of probabilities p (B, C) and targets t (B, C), for labels that do not exclude each other."""
    for b in range(len(p)):
        losses[b] = 0.0
        for j in range(p.shape[1]):
            other = 1.0 - t[b, j]
            losses[b] += _term(t[b, j], p[b, j])
            if other > 0.0:
                losses[b] -= other * math.log1p(-p[b, j])
