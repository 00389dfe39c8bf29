"""Softmax, its logarithm and its derivatives, row by row."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels import softmax as kernels
from ..kernels import softmax_gradient
from . import arguments


def softmax(z: ArrayLike, temperature: float = 1.0) -> NDArray[Any]:
    """Softmax of each row: ``exp(z_j) / sum_k exp(z_k)``, computed after subtracting the row's maximum.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_classes)
        Logits. -inf gives probability 0. A row with NaN or +inf, or with -inf only, has no softmax: it gives NaN.
    temperature : float, default=1.0
        Divides the logits. Above 1 the probabilities come closer to each other, which calibrates a network that is
        too sure; towards 0 the largest takes all.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        Probabilities, float32 or float64; a row's bits do not depend on the other rows.

    Raises
    ------
    TypeError
        If z does not hold numbers, or the temperature is none.
    ValueError
        If z is complex, or does not have two dimensions and at least one class, or if the temperature is not above 0
        and finite.

    Notes
    -----
    With scores 20 and 21 from "Building a Neural Network from scratch", part 7; the others from articles that the
    project's documentation cites. Derivation: https://peterroelants.github.io/posts/cross-entropy-softmax/
    Temperature: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.

    Examples
    --------
    >>> softmax([[20, 21]]).round(2)
    array([[0.27, 0.73]])
    >>> softmax([[1.2, 0.3], [1.9, 0.1]]).round(2)
    array([[0.71, 0.29],
           [0.86, 0.14]])
    >>> softmax([[2, 1, -1]]).round(4)
    array([[0.7054, 0.2595, 0.0351]])
    >>> softmax([[-7.98, 2.39]]).round(5)
    array([[3.0000e-05, 9.9997e-01]])
    >>> softmax([[2, 1, -1]], temperature=10).round(4)
    array([[0.378, 0.342, 0.28 ]])
    """
    logits = arguments.as_logits("z", z)
    rows = _tempered_rows(logits, temperature)
    kernels.softmax_arrays(rows, logits.shape[1])
    return np.ascontiguousarray(rows[:, : logits.shape[1]])


def log_softmax(z: ArrayLike, temperature: float = 1.0) -> NDArray[Any]:
    """Logarithm of the softmax of each row, without the softmax's underflow.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_classes)
        Logits; special values as in `softmax`, with -inf giving -inf.
    temperature : float, default=1.0
        Divides the logits.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        Logarithms of probabilities, float32 or float64.

    Raises
    ------
    TypeError
        If z does not hold numbers, or the temperature is none.
    ValueError
        If z is complex, or does not have two dimensions and at least one class, or if the temperature is not above 0
        and finite.

    Notes
    -----
    https://peterroelants.github.io/posts/cross-entropy-softmax/

    Examples
    --------
    >>> log_softmax([[20, 21], [0, 2000]]).round(4)
    array([[-1.3133e+00, -3.1330e-01],
           [-2.0000e+03,  0.0000e+00]])
    """
    logits = arguments.as_logits("z", z)
    rows = _tempered_rows(logits, temperature)
    kernels.log_softmax_arrays(rows, np.empty(rows.shape[1], rows.dtype), logits.shape[1])
    return np.ascontiguousarray(rows[:, : logits.shape[1]])


def _tempered_rows(logits: NDArray[Any], temperature: float) -> NDArray[Any]:
    rows, number = arguments.padded_rows(logits), arguments.as_temperature(temperature, logits.dtype)
    if number != 1.0:
        softmax_gradient.temper_arrays(rows, logits.shape[1], number)
    return rows


def softmax_jacobian(z: ArrayLike, temperature: float = 1.0) -> NDArray[Any]:
    """Derivatives of each row's probabilities: ``J[i, j] = dp_i / dz_j = p_i * ([i == j] - p_j)``.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_classes)
        Logits; special values as in `softmax`.
    temperature : float, default=1.0
        Of the softmax; it divides the derivatives.

    Returns
    -------
    ndarray of shape (n_samples, n_classes, n_classes)
        One symmetric matrix a sample, float32 or float64; its rows sum to 0. On the diagonal it is
        ``p_i * (1 - p_i)``, the derivative of the logistic function, without cancellation.

    Raises
    ------
    TypeError
        If z does not hold numbers, or the temperature is none.
    ValueError
        If z is complex, or does not have two dimensions and at least one class, or if the temperature is not above 0
        and finite.

    Notes
    -----
    https://peterroelants.github.io/posts/cross-entropy-softmax/

    Examples
    --------
    >>> softmax_jacobian([[2, 1, -1]]).round(4)
    array([[[ 0.2078, -0.183 , -0.0248],
            [-0.183 ,  0.1922, -0.0091],
            [-0.0248, -0.0091,  0.0339]]])
    """
    logits = arguments.as_logits("z", z)
    n_samples, n_classes = logits.shape
    rows = _tempered_rows(logits, temperature)
    kernels.softmax_arrays(rows, n_classes)
    jacobian = arguments.zero_rows(n_samples * n_classes, n_classes, logits.dtype)
    jacobian = jacobian.reshape(n_samples, n_classes, rows.shape[1])
    softmax_gradient.softmax_jacobian_arrays(rows, float(temperature), jacobian)
    return np.ascontiguousarray(jacobian[:, :, :n_classes])


def softmax_grad(p: ArrayLike, dp: ArrayLike, temperature: float = 1.0) -> NDArray[Any]:
    """Gradient of a loss with respect to the logits, from its gradient with respect to the probabilities.

    That is ``dp @ J`` with the Jacobian J of each row, without making J: ``p * (dp - sum(p * dp)) / temperature``.

    Parameters
    ----------
    p : array_like of shape (n_samples, n_classes)
        What `softmax` returned, with this temperature.
    dp : array_like of the shape of p
        Gradient of the loss with respect to p.
    temperature : float, default=1.0
        Of the softmax.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        The gradient, of the dtype of p.

    Raises
    ------
    TypeError
        If an argument does not hold numbers, or the temperature is none.
    ValueError
        If shapes do not fit, an argument is complex, or if the temperature is not above 0 and finite.

    Notes
    -----
    For cross-entropy use `softmax_cross_entropy_grad`, which loses no digits.

    Examples
    --------
    The squared distance of the probabilities to those wanted:

    >>> p, wanted = softmax([[1.2, 0.3]]), np.array([[1.0, 0.0]])
    >>> softmax_grad(p, p - wanted).round(4)
    array([[-0.1188,  0.1188]])
    """
    probabilities = arguments.as_logits("p", p)
    gradient = arguments.as_gradient("dp", dp, "p", probabilities)
    number, n_classes = arguments.as_temperature(temperature, probabilities.dtype), probabilities.shape[1]
    rows = arguments.padded_rows(gradient)
    softmax_gradient.softmax_backward_arrays(arguments.padded_rows(probabilities), rows, n_classes, number)
    return np.ascontiguousarray(rows[:, :n_classes])
