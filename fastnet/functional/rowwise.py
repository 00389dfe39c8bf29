"""Softmax and what belongs to it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels import softmax as kernels
from . import arguments


def softmax(z: ArrayLike) -> NDArray[Any]:
    """Softmax of each row: ``exp(z_j) / sum_k exp(z_k)``, computed after subtracting the row's maximum.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_classes)
        Logits. -inf gives probability 0. A row with NaN or +inf, or with -inf only, has no softmax: it gives NaN.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        Probabilities, float32 or float64; a row's bits do not depend on the other rows.

    Raises
    ------
    TypeError
        If z does not hold numbers.
    ValueError
        If z is complex, or does not have two dimensions and at least one class.

    Notes
    -----
    With scores 20 and 21 from "Building a Neural Network from scratch", part 7; the others from articles that the
    project's documentation cites. Derivation: https://peterroelants.github.io/posts/cross-entropy-softmax/

    Examples
    --------
    >>> softmax([[20, 21]]).round(2)
    array([[0.27, 0.73]])
    >>> softmax([[1.2, 0.3], [1.9, 0.1]]).round(2)
    array([[0.71, 0.29],
           [0.86, 0.14]])
    >>> softmax([[2, 1, -1]]).round(4)
    array([[0.7054, 0.2595, 0.0351]])
    """
    logits = arguments.as_logits("z", z)
    rows = arguments.padded_rows(logits)
    kernels.softmax_arrays(rows, logits.shape[1])
    return np.ascontiguousarray(rows[:, : logits.shape[1]])


def log_softmax(z: ArrayLike) -> NDArray[Any]:
    """Logarithm of the softmax of each row, without the softmax's underflow.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_classes)
        Logits; special values as in `softmax`, with -inf giving -inf.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        Logarithms of probabilities, float32 or float64.

    Raises
    ------
    TypeError
        If z does not hold numbers.
    ValueError
        If z is complex, or does not have two dimensions and at least one class.

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
    rows = arguments.padded_rows(logits)
    kernels.log_softmax_arrays(rows, np.empty(rows.shape[1], rows.dtype), logits.shape[1])
    return np.ascontiguousarray(rows[:, : logits.shape[1]])
