"""Temperature and derivatives of the softmax.   z, p, dp, dz (B, C), rows padded; jacobian (B, C, C padded)

temperature    d_j = (z_j - max z) / T                     softmax(d) is softmax(z / T), which cannot overflow
jacobian       J_ij = dp_i / dz_j = p_i ([i == j] - p_j) / T
backward       dz_j = sum_i dp_i J_ij = p_j sum_i p_i (dp_j - dp_i) / T

The Jacobian's diagonal is p_i times the sum of the other probabilities: ``1 - p_i`` rounds to 0 for a sure
prediction. Derivation: https://peterroelants.github.io/posts/cross-entropy-softmax/
"""

import numpy as np

from .._jit import core, entry, kernel
from ..simd import lane_index, lanes, load, pointer, reduce_add, select, shift, splat, store
from .softmax import row_max


def softmax_jacobian_reference(p, temperature):
    """NumPy twin of ``softmax_jacobian_row``, for all rows."""
    return (p[:, :, None] * np.eye(p.shape[1]) - p[:, :, None] * p[:, None, :]) / temperature


def softmax_backward_reference(p, dp, temperature):
    """NumPy twin of ``softmax_backward_row``, for all rows."""
    return p * (dp - (p * dp).sum(axis=1, keepdims=True)) / temperature


@kernel
def temper_row(z, n_classes, temperature):
    """z (C,) becomes (z - max z) / temperature in place."""
    top, _ = row_max(z, n_classes)
    for j in range(0, n_classes, lanes(z)):
        store(z, j, (load(z, j) - top) / temperature)


@core
def _sum_without(p, n_classes, left_out):
    total = splat(p, 0.0)
    for j in range(0, n_classes, lanes(p)):
        number = lane_index(p)
        counts = select(number < n_classes - j, load(p, j), 0.0)
        total = total + select(number == left_out - j, 0.0, counts)
    return reduce_add(total)


@kernel
def softmax_jacobian_row(p, jacobian, step, n_classes, temperature):
    """jacobian (C, C padded) of one row of probabilities."""
    for i in range(n_classes):
        share, row = p[i] / temperature, shift(jacobian, i * step)
        for j in range(0, n_classes, lanes(p)):
            store(row, j, load(p, j) * -share)
        row[i] = share * _sum_without(p, n_classes, i)


@kernel
def softmax_backward_row(p, dp, dz, n_classes, temperature):
    """dz (C,) from the probabilities and their gradient dp (C,); may be in place."""
    total = splat(p, 0.0)
    for j in range(0, n_classes, lanes(p)):
        total = total + select(lane_index(p) < n_classes - j, load(p, j) * load(dp, j), 0.0)
    mean = reduce_add(total)
    for j in range(0, n_classes, lanes(p)):
        store(dz, j, load(p, j) * (load(dp, j) - mean) / temperature)


@entry
def temper_arrays(z, n_classes, temperature):
    """z (B, padded) becomes (z - max z) / temperature in place."""
    for b in range(len(z)):
        temper_row(pointer(z, b * z.shape[1]), n_classes, temperature)


@entry
def softmax_jacobian_arrays(p, temperature, jacobian):
    """jacobian (B, C, padded) of probabilities p (B, padded)."""
    n_classes, step = jacobian.shape[1], jacobian.shape[2]
    for b in range(len(p)):
        to = pointer(jacobian, b * n_classes * step)
        softmax_jacobian_row(pointer(p, b * p.shape[1]), to, step, n_classes, temperature)


@entry
def softmax_backward_arrays(p, dp, n_classes, temperature):
    """Gradients dp (B, padded) of probabilities p (B, padded) become those of the logits."""
    for b in range(len(p)):
        dz = pointer(dp, b * dp.shape[1])
        softmax_backward_row(pointer(p, b * p.shape[1]), dz, dz, n_classes, temperature)
