"""Fully connected layers."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels import dense
from . import arguments


def linear(x: ArrayLike, w: ArrayLike, b: ArrayLike) -> NDArray[Any]:
    """Fully connected layer: ``x @ w + b``.

    Parameters
    ----------
    x : array_like of shape (n_samples, n_in)
        Inputs; n_samples may be 0.
    w : array_like of shape (n_in, n_out)
        Weights.
    b : array_like of shape (n_out,)
        Biases.

    Returns
    -------
    ndarray of shape (n_samples, n_out)
        float64 if any argument is, else float32. An element's bits do not depend on the other rows.

    Raises
    ------
    TypeError
        If an argument does not hold numbers.
    ValueError
        If shapes do not fit, or an argument is complex.

    Notes
    -----
    A sum of n_in products is within ``n_in * eps / 2`` of the exact one, relative to the sum of absolute products
    (N. J. Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1; the bias counts as one more product).

    Examples
    --------
    >>> linear([[1.0, 2.0]], [[1.0, 0.0, -1.0], [0.5, 1.0, 2.0]], [0.0, 0.0, 10.0])
    array([[ 2.,  2., 13.]])
    """
    inputs, weights, biases = arguments.as_floats("x", x), arguments.as_floats("w", w), arguments.as_floats("b", b)
    for name, array, expected in (("x", inputs, "(n_samples, n_in)"), ("w", weights, "(n_in, n_out)")):
        if array.ndim != 2:
            raise ValueError(f"{name} must have shape {expected}, got shape {array.shape}")
    n_in, n_out = weights.shape
    if inputs.shape[1] != n_in:
        raise ValueError(f"x must have shape (n_samples, {n_in}) to fit w of shape {weights.shape}, got {inputs.shape}")
    if biases.shape != (n_out,):
        raise ValueError(f"b must have shape ({n_out},) to fit w of shape {weights.shape}, got shape {biases.shape}")
    dtype = np.result_type(inputs, weights, biases)
    inputs, weights = np.ascontiguousarray(inputs, dtype), np.ascontiguousarray(weights, dtype)
    packed, out = arguments.zero_rows(n_in, n_out, dtype), arguments.zero_rows(len(inputs), n_out, dtype)
    dense.dense_forward_arrays(
        inputs.ctypes.data, weights.ctypes.data, n_out, arguments.padded_rows(biases[np.newaxis], dtype)[0], packed, out
    )
    return np.ascontiguousarray(out[:, :n_out])
