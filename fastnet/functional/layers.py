"""Fully connected layers."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels import dense, dense_gradient
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
    inputs, weights, biases = _checked(x, w), arguments.as_floats("w", w), arguments.as_floats("b", b)
    n_in, n_out = weights.shape
    if biases.shape != (n_out,):
        raise ValueError(f"b must have shape ({n_out},) to fit w of shape {weights.shape}, got shape {biases.shape}")
    dtype = np.result_type(inputs, weights, biases)
    inputs, weights = np.ascontiguousarray(inputs, dtype), np.ascontiguousarray(weights, dtype)
    packed, out = arguments.zero_rows(n_in, n_out, dtype), arguments.zero_rows(len(inputs), n_out, dtype)
    dense.dense_forward_arrays(
        inputs.ctypes.data, weights.ctypes.data, n_out, arguments.padded_rows(biases[np.newaxis], dtype)[0], packed, out
    )
    return np.ascontiguousarray(out[:, :n_out])


class LinearGradients(NamedTuple):
    """Gradients of a loss with respect to what `linear` takes."""

    dx: NDArray[Any]
    dw: NDArray[Any]
    db: NDArray[Any]


def linear_grad(x: ArrayLike, w: ArrayLike, dout: ArrayLike) -> LinearGradients:
    """Gradients of a loss with respect to inputs, weights and biases of `linear`, from that of its outputs.

    Parameters
    ----------
    x : array_like of shape (n_samples, n_in)
        Inputs; n_samples may be 0.
    w : array_like of shape (n_in, n_out)
        Weights.
    dout : array_like of shape (n_samples, n_out)
        Gradient of the loss with respect to ``linear(x, w, b)``.

    Returns
    -------
    dx : ndarray of shape (n_samples, n_in)
        ``dout @ w.T``
    dw : ndarray of shape (n_in, n_out)
        ``x.T @ dout``
    db : ndarray of shape (n_out,)
        ``dout.sum(axis=0)``

    Raises
    ------
    TypeError
        If an argument does not hold numbers.
    ValueError
        If shapes do not fit, or an argument is complex.

    Examples
    --------
    >>> dx, dw, db = linear_grad([[1.0, 2.0]], [[1.0, 0.0], [0.5, 1.0]], [[1.0, -1.0]])
    >>> dx, dw, db
    (array([[ 1. , -0.5]]), array([[ 1., -1.],
           [ 2., -2.]]), array([ 1., -1.]))
    """
    inputs, weights, gradient = _checked(x, w), arguments.as_floats("w", w), arguments.as_floats("dout", dout)
    n_in, n_out = weights.shape
    if gradient.shape != (len(inputs), n_out):
        raise ValueError(
            f"dout must have shape ({len(inputs)}, {n_out}) to fit x of shape {inputs.shape} and w of shape "
            f"{weights.shape}, got shape {gradient.shape}"
        )
    dtype = np.result_type(inputs, weights, gradient)
    inputs, weights = np.ascontiguousarray(inputs, dtype), np.ascontiguousarray(weights, dtype)
    rows, packed = arguments.padded_rows(gradient, dtype), arguments.zero_rows(n_in, n_out, dtype)
    dense_gradient.pack_arrays(weights.ctypes.data, n_out, packed)
    dx, transposed = arguments.zero_rows(len(inputs), n_in, dtype), arguments.zero_rows(n_out, n_in, dtype)
    dw, db = np.zeros_like(packed), np.empty(packed.shape[1], dtype)
    dense_gradient.dense_backward_arrays(inputs.ctypes.data, rows, packed, transposed, dx, dw, db)
    return LinearGradients(*(np.ascontiguousarray(a) for a in (dx[:, :n_in], dw[:, :n_out], db[:n_out])))


def _checked(x: ArrayLike, w: ArrayLike) -> NDArray[Any]:
    """Return inputs that fit weights."""
    inputs, weights = arguments.as_floats("x", x), arguments.as_floats("w", w)
    for name, array, expected in (("x", inputs, "(n_samples, n_in)"), ("w", weights, "(n_in, n_out)")):
        if array.ndim != 2:
            raise ValueError(f"{name} must have shape {expected}, got shape {array.shape}")
    n_in = len(weights)
    if inputs.shape[1] != n_in:
        raise ValueError(f"x must have shape (n_samples, {n_in}) to fit w of shape {weights.shape}, got {inputs.shape}")
    return inputs
