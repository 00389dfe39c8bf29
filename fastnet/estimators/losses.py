"""Output activations and losses of single samples, in NumPy: what predictions and validation need.

scikit-learn's log losses clip probabilities at the dtype's epsilon, so that no label costs more than ``cap``.
"""

from typing import Any

import numpy as np
from scipy.special import expit, logsumexp

from ..kernels.poisson import poisson_constant


def cap_of(dtype: Any) -> float:
    """Largest loss of a label."""
    return -float(np.log(np.finfo(dtype).eps))


def activated(z: np.ndarray, out_activation: str) -> np.ndarray:
    """Return the outputs (n, C) for logits: "softmax", "logistic", "exp" or "identity"."""
    with np.errstate(all="ignore"):
        if out_activation == "softmax":
            e = np.exp(z - z.max(axis=1, keepdims=True))
            return e / e.sum(axis=1, keepdims=True)
        if out_activation == "logistic":
            return expit(z)
        return np.exp(z) if out_activation == "exp" else z


def sample_losses(z: np.ndarray, y: np.ndarray, out_activation: str) -> np.ndarray:
    """Return the loss of each sample (n,) of logits and encoded targets (n, C), as scikit-learn counts it."""
    z, t, cap = z.astype(np.float64), np.asarray(y, np.float64), cap_of(z.dtype)
    with np.errstate(all="ignore"):
        if out_activation == "softmax":
            return np.minimum(logsumexp(z, axis=1) - np.sum(t * z, axis=1), cap)
        if out_activation == "logistic":
            return np.minimum(np.logaddexp(0.0, np.where(t > 0, -z, z)), cap).sum(axis=1)
        if out_activation == "exp":
            return (np.exp(z) - t * z).sum(axis=1) + poisson_constant(t)
        return 0.5 * np.mean((t - z) ** 2, axis=1)
