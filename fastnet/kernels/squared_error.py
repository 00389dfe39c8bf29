"""Squared error.   z, dz (B, C), rows padded; t (B, C)

loss_b = sum_j (z_j - t_j)**2 / 2          dz_j = (z_j - t_j) * scale_b

``scale_b`` is 1/B, or the sample's weight over the sum of weights.
"""

from .._jit import entry, kernel
from ..simd import lane_index, lanes, load, pointer, reduce_add, select, store, widen
from .cross_entropy import load_targets


def squared_error_reference(z, t):
    """NumPy twin: losses (B,) and gradients (B, C) of each sample, not yet scaled."""
    return ((z - t) ** 2).sum(axis=1) / 2, z - t


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


@entry
def squared_error_arrays(z, t, scale, losses):
    """Losses (B,) of outputs z (B, padded) and targets t (B, C); the outputs become their gradient."""
    n_outputs = t.shape[1]
    for b in range(len(z)):
        row = pointer(z, b * z.shape[1])
        losses[b] = squared_error_row(row, row, n_outputs, pointer(t, b * n_outputs), scale)
