"""Poisson loss of a rate exp(z): half the deviance, without what does not depend on z.   z, dz (B, C), t (B, C)

loss_b = sum_j exp(z_j) - t_j z_j          dz_j = (exp(z_j) - t_j) * scale_b

Half the deviance adds ``poisson_constant``, sum_j t_j log(t_j) - t_j. ``scale_b`` is 1/B, or the sample's weight over
the sum of weights; z and dz have padded rows.
"""

import numpy as np

from .._jit import core, kernel
from ..simd import absolute, lane_index, lanes, load, reduce_add, select, store, widen
from .cross_entropy import load_targets
from .elementary import exp_core


def poisson_reference(z, t):
    """NumPy twin: losses (B,) and gradients (B, C) of each sample, not yet scaled."""
    return (np.exp(z) - t * z).sum(axis=1), np.exp(z) - t


def poisson_constant(t: np.ndarray) -> np.ndarray:
    """Return what is missing to half the deviance, one number a row of the targets ``t`` (B, C)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(t == 0, 0.0, t * np.log(t, dtype=np.float64) - t).sum(axis=1)


@core
def _exp(z):
    """e**z for any z; infinity where that would be too large."""
    e = exp_core(-absolute(z))
    return select(z > 0.0, 1.0 / e, e)


@kernel
def poisson_row(z, dz, n_outputs, t, scale):
    """One row: writes ``dz`` (may be ``z``) and returns its loss (float64); targets ``t`` (C,) are not padded."""
    loss = 0.0
    for j in range(0, n_outputs, lanes(z)):
        inside = lane_index(z) < n_outputs - j
        value, target = load(z, j), load_targets(t, j, n_outputs)
        rate = _exp(value)
        each = widen(rate) - widen(target) * widen(value)
        loss += reduce_add(select(inside, each, 0.0))
        store(dz, j, select(inside, rate - target, 0.0) * scale)
    return loss
