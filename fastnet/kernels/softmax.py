"""Softmax over classes.   z, p (B, C), rows padded to whole vectors

softmax        p_j = exp(z_j - max z) / sum_k exp(z_k - max z)
log_softmax    l_j = (z_j - max z) - log(sum_k exp(z_k - max z))

The maximum is subtracted only for stability: it cancels. The largest term is then exactly 1, so the sum is written
1 + rest and its logarithm log1p(rest), which keeps a sure prediction's tiny loss (4e-9 for logits 20, 0, 0)
where log(sum) would give 0.
"""

import numpy as np
from numba import float64

from .._jit import core, entry, kernel
from ..simd import (
    first_lane,
    lane_index,
    lanes,
    load,
    pointer,
    reduce_add,
    reduce_max,
    reduce_min,
    select,
    shift,
    splat,
    store,
)
from .elementary import exp_core, log1p_core


def softmax_reference(z):
    """NumPy twin of ``softmax_forward``."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_softmax_reference(z):
    """NumPy twin of ``log_softmax_forward``."""
    d = z - z.max(axis=1, keepdims=True)
    return d - np.log(np.exp(d).sum(axis=1, keepdims=True))


@core
def load_classes(z, j, n_classes):
    """Vector of logits from class ``j`` on; -inf in the padding, which then neither wins nor counts."""
    return select(lane_index(z) < n_classes - j, load(z, j), -np.inf)


@kernel
def row_max(z, n_classes):
    """Largest logit of a row and the first class that has it."""
    largest = splat(z, -np.inf)
    for j in range(0, n_classes, lanes(z)):
        value = load_classes(z, j, n_classes)
        largest = select(value > largest, value, largest)
    top = reduce_max(largest)
    return top, row_find(z, n_classes, top)


@core
def row_find(z, n_classes, value):
    """Return the first class whose logit is ``value``; ``n_classes`` if there is none (NaN)."""
    for j in range(0, n_classes, lanes(z)):
        here = select(load_classes(z, j, n_classes) == value, lane_index(z), float(lanes(z)))
        lane = int(reduce_min(here))
        if lane < lanes(z):
            return j + lane
    return n_classes


@kernel
def row_exp(z, p, n_classes, top, best, target):
    """p = exp(z - top); sums of all but class ``best`` and of all but class ``target``, with 0 in the padding."""
    but_best, but_target = splat(z, 0.0), splat(z, 0.0)
    for j in range(0, n_classes, lanes(z)):
        e = exp_core(load_classes(z, j, n_classes) - top)
        store(p, j, e)
        but_best = but_best + select(lane_index(z) == best - j, 0.0, e)
        but_target = but_target + select(lane_index(z) == target - j, 0.0, e)
    return reduce_add(but_best), reduce_add(but_target)


@core
def log1p(like, value):
    """log(1 + value) of one number >= 0, as float64."""
    return float64(first_lane(log1p_core(splat(like, value))))


@kernel
def softmax_forward(z, p, step, rows, n_classes):
    """p (B, C) = softmax of z (B, C); may be in place."""
    for b in range(rows):
        row, out = shift(z, b * step), shift(p, b * step)
        top, best = row_max(row, n_classes)
        rest, _ = row_exp(row, out, n_classes, top, best, best)
        scale = 1 / (1 + rest + (top - top))  # infinity has no softmax: NaN
        for j in range(0, n_classes, lanes(z)):
            store(out, j, load(out, j) * scale)


@kernel
def log_softmax_forward(z, out, work, step, rows, n_classes):
    """out (B, C) = log of softmax of z (B, C); ``work`` has room for one row."""
    for b in range(rows):
        row, to = shift(z, b * step), shift(out, b * step)
        top, best = row_max(row, n_classes)
        rest, _ = row_exp(row, work, n_classes, top, best, best)
        logarithm = log1p(z, rest + (top - top))
        for j in range(0, n_classes, lanes(z)):
            store(to, j, (load(row, j) - top) - logarithm)


@entry
def softmax_arrays(z, n_classes):
    """Softmax of z (B, padded) in place."""
    softmax_forward(pointer(z, 0), pointer(z, 0), z.shape[1], len(z), n_classes)


@entry
def log_softmax_arrays(z, work, n_classes):
    """Log of softmax of z (B, padded) in place; ``work`` (padded,)."""
    log_softmax_forward(pointer(z, 0), pointer(z, 0), pointer(work, 0), z.shape[1], len(z), n_classes)
