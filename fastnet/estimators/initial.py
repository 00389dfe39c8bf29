"""Weights before the first minibatch."""

from itertools import pairwise
from typing import Any

import numpy as np


def initial_weights(
    random_state: np.random.RandomState, sizes: list[int], activations: list[str], scheme: Any, dtype: Any
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return weights (n_in, n_out) and biases (n_out,) of each layer.

    Parameters
    ----------
    random_state : RandomState
    sizes : list of int
        Inputs, hidden units of each layer, outputs.
    activations : list of str
        Of the hidden layers.
    scheme : str or pair
        "auto" draws weights, then biases, layer by layer as scikit-learn does: uniform between plus and minus
        ``sqrt(6 / (n_in + n_out))``, or ``sqrt(2 / (n_in + n_out))`` in front of "logistic" (Glorot, Bengio, 2010).
        With the other names biases are zero. A pair (coefs, intercepts) is copied.
    dtype : dtype

    Raises
    ------
    ValueError
        If given arrays do not have the network's shapes, or are not finite.
    """
    if not isinstance(scheme, str):
        return _given(sizes, scheme, dtype)
    coefs, intercepts = [], []
    # The output layer takes the bound of the last hidden one; scikit-learn has one activation for all.
    for (n_in, n_out), activation in zip(pairwise(sizes), _with_last(activations), strict=True):
        if scheme == "auto":
            bound = np.sqrt((2.0 if activation == "logistic" else 6.0) / (n_in + n_out))
            coef = random_state.uniform(-bound, bound, (n_in, n_out))
            intercept = random_state.uniform(-bound, bound, n_out)
        else:
            coef, intercept = _drawn(random_state, scheme, n_in, n_out), np.zeros(n_out)
        coefs.append(coef.astype(dtype, copy=False))
        intercepts.append(intercept.astype(dtype, copy=False))
    return coefs, intercepts


def _with_last(activations: list[str]) -> list[str]:
    return [*activations, activations[-1] if activations else "identity"]


def _drawn(random_state: np.random.RandomState, scheme: str, n_in: int, n_out: int) -> np.ndarray:
    if scheme == "zeros":
        return np.zeros((n_in, n_out))
    kind, shape = scheme.split("_")
    variance = {"glorot": 2 / (n_in + n_out), "he": 2 / n_in, "lecun": 1 / n_in}[kind]
    if shape == "normal":
        return random_state.normal(0.0, np.sqrt(variance), (n_in, n_out))
    bound = np.sqrt(3 * variance)
    return random_state.uniform(-bound, bound, (n_in, n_out))


def _given(sizes: list[int], pair: Any, dtype: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    shapes = [list(pairwise(sizes)), [(n_out,) for n_out in sizes[1:]]]
    found: list[list[np.ndarray]] = []
    for name, arrays, expected in zip(("coefs", "intercepts"), pair, shapes, strict=True):
        found.append([np.array(array, dtype) for array in arrays])
        if [array.shape for array in found[-1]] != expected:
            got = [array.shape for array in found[-1]]
            raise ValueError(f"weight_init: {name} must have the shapes {expected}, got {got}")
        if not all(np.isfinite(array).all() for array in found[-1]):
            raise ValueError(f"weight_init: {name} must be finite, got NaN or infinity")
    return found[0], found[1]
