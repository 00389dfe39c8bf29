"""Activations and outputs in plain NumPy, by name: what a saved model needs where nothing is compiled."""

import math
from collections.abc import Callable

import numpy as np

LEAK = 0.01  # slope of leaky_relu below zero

_erfc = np.frompyfunc(math.erfc, 1, 1)  # NumPy has none


def _sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), by the exponential of a number that is not positive: nothing overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def _gelu(x: np.ndarray) -> np.ndarray:
    """Return x Phi(x), exact also where Phi is close to 0."""
    return x / 2 * np.asarray(_erfc(-x / math.sqrt(2)), x.dtype)


def _softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _exp(z: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.exp(z)


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, LEAK * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "gelu": _gelu,
    "silu": lambda x: x * _sigmoid(x),
    "step": lambda x: (x > 0).astype(x.dtype),
}
OUTPUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "softmax": _softmax,
    "sigmoid": _sigmoid,
    "identity": lambda z: z,
    "exp": _exp,  # the mean of MLPRegressor(loss="poisson")
}
