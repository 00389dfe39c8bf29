"""Activations, elementwise."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..kernels import activations
from . import arguments


def tanh(x: ArrayLike) -> Any:
    """Hyperbolic tangent, elementwise, within 2 ULP (float32) or 4 ULP (float64); never beyond 1, odd.

    Parameters
    ----------
    x : array_like of any shape
        Values; infinity gives 1 with its sign, NaN stays NaN.

    Returns
    -------
    ndarray of the same shape
        float32 or float64; a scalar for a scalar.

    Raises
    ------
    TypeError
        If x does not hold numbers.
    ValueError
        If x is complex.

    Examples
    --------
    >>> tanh([-np.inf, 0.0, 0.5]).round(4)
    array([-1.    ,  0.    ,  0.4621])
    """
    return _elementwise(activations.TANH, x)


def sigmoid(x: ArrayLike) -> Any:
    """Logistic function ``1 / (1 + exp(-x))``, elementwise; it never overflows.

    Parameters
    ----------
    x : array_like of any shape
        Values; infinity gives 1 or 0, NaN stays NaN.

    Returns
    -------
    ndarray of the same shape
        float32 or float64; a scalar for a scalar. Results below the smallest normal number are 0.

    Raises
    ------
    TypeError
        If x does not hold numbers.
    ValueError
        If x is complex.

    Examples
    --------
    >>> sigmoid([-1000.0, 0.0, 1.0]).round(4)
    array([0.    , 0.5   , 0.7311])
    """
    return _elementwise(activations.SIGMOID, x)


def relu(x: ArrayLike) -> Any:
    """Rectifier ``max(x, 0)``, elementwise.

    Parameters
    ----------
    x : array_like of any shape
        Values; NaN stays NaN.

    Returns
    -------
    ndarray of the same shape
        float32 or float64; a scalar for a scalar.

    Raises
    ------
    TypeError
        If x does not hold numbers.
    ValueError
        If x is complex.

    Examples
    --------
    >>> relu([-1.0, 0.0, 2.5])
    array([0. , 0. , 2.5])
    """
    return _elementwise(activations.RELU, x)


def tanh_grad(y: ArrayLike, dy: ArrayLike) -> Any:
    """Gradient of a loss with respect to the inputs of `tanh`, from its outputs: ``dy * (1 - y) * (1 + y)``.

    Parameters
    ----------
    y : array_like of any shape
        What `tanh` returned.
    dy : array_like of the shape of y
        Gradient of the loss with respect to y.

    Returns
    -------
    ndarray of the same shape
        Of the dtype of y; a scalar for a scalar.

    Raises
    ------
    TypeError
        If an argument does not hold numbers.
    ValueError
        If shapes differ, or an argument is complex.

    Examples
    --------
    >>> tanh_grad([0.0, 0.5, 1.0], [2.0, 2.0, 2.0])
    array([2. , 1.5, 0. ])
    """
    return _elementwise_grad(activations.TANH, y, dy)


def sigmoid_grad(y: ArrayLike, dy: ArrayLike) -> Any:
    """Gradient of a loss with respect to the inputs of `sigmoid`, from its outputs: ``dy * y * (1 - y)``.

    Parameters
    ----------
    y : array_like of any shape
        What `sigmoid` returned.
    dy : array_like of the shape of y
        Gradient of the loss with respect to y.

    Returns
    -------
    ndarray of the same shape
        Of the dtype of y; a scalar for a scalar.

    Raises
    ------
    TypeError
        If an argument does not hold numbers.
    ValueError
        If shapes differ, or an argument is complex.

    Examples
    --------
    >>> sigmoid_grad([0.5, 0.9, 1.0], [1.0, 1.0, 1.0]).round(4)
    array([0.25, 0.09, 0.  ])
    """
    return _elementwise_grad(activations.SIGMOID, y, dy)


def relu_grad(y: ArrayLike, dy: ArrayLike) -> Any:
    """Gradient of a loss with respect to the inputs of `relu`, from its outputs: ``dy where y > 0``.

    Parameters
    ----------
    y : array_like of any shape
        What `relu` returned.
    dy : array_like of the shape of y
        Gradient of the loss with respect to y.

    Returns
    -------
    ndarray of the same shape
        Of the dtype of y; a scalar for a scalar.

    Raises
    ------
    TypeError
        If an argument does not hold numbers.
    ValueError
        If shapes differ, or an argument is complex.

    Examples
    --------
    >>> relu_grad([0.0, 2.0], [3.0, 3.0])
    array([0., 3.])
    """
    return _elementwise_grad(activations.RELU, y, dy)


def _elementwise(code: int, x: ArrayLike) -> Any:
    array = arguments.as_floats("x", x)
    order: Any = "F" if array.flags.fnc else "C"
    array = np.asarray(array, order=order)
    out = np.empty(array.shape, array.dtype, order)
    activations.activation_arrays(code, array.ctypes.data, out.ravel("K"))
    return out if out.ndim else out[()]


def _elementwise_grad(code: int, y: ArrayLike, dy: ArrayLike) -> Any:
    outputs = np.ascontiguousarray(arguments.as_floats("y", y))
    shape = np.shape(y)
    gradient = np.ascontiguousarray(arguments.as_gradient("dy", dy, "y", outputs.reshape(shape)))
    dx = np.empty(shape, outputs.dtype)
    activations.activation_backward_arrays(code, outputs.ctypes.data, gradient.ctypes.data, dx.reshape(-1))
    return dx if dx.ndim else dx[()]
