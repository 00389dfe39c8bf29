"""Activations, elementwise.   x, y, dy, dx (n,)

code  name       forward                    backward, from the output
0     identity   y = x                      dx = dy
1     tanh       y = tanh(x)                dx = dy * (1 - y) * (1 + y)
2     sigmoid    y = 1 / (1 + exp(-x))      dx = dy * y * (1 - y)
3     relu       y = max(x, 0)              dx = dy where y > 0, else 0

``(1 - y) * (1 + y)`` keeps its relative accuracy near |y| = 1, where ``1 - y * y`` cancels.
"""

import numpy as np

from .._jit import core, entry, kernel
from ..simd import lanes, load, load_first, pointer, pointer_to, select, store, store_first
from .elementary import sigmoid_core, tanh_core

IDENTITY, TANH, SIGMOID, RELU = 0, 1, 2, 3
CODES = {"identity": IDENTITY, "tanh": TANH, "sigmoid": SIGMOID, "relu": RELU}


def activation_reference(code, x):
    """NumPy twin of ``activation_forward``."""
    if code == TANH:
        return np.tanh(x)
    if code == SIGMOID:
        return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))
    return np.maximum(x, 0) if code == RELU else x


def activation_backward_reference(code, y, dy):
    """NumPy twin of ``activation_backward``."""
    if code == TANH:
        return dy * (1 - y) * (1 + y)
    if code == SIGMOID:
        return dy * y * (1 - y)
    return np.where(y > 0, dy, 0) if code == RELU else dy


@core
def activate(code, x):
    """Activation of one vector."""
    if code == TANH:
        return tanh_core(x)
    if code == SIGMOID:
        return sigmoid_core(x)
    if code == RELU:
        return select(x < 0.0, 0.0, x)  # NaN stays NaN
    return x


@core
def activate_backward(code, y, dy):
    """Gradient of one vector of inputs from the outputs and their gradient."""
    if code == TANH:
        return dy * ((1.0 - y) * (1.0 + y))
    if code == SIGMOID:
        return dy * (y * (1.0 - y))
    if code == RELU:
        return select(y > 0.0, dy, 0.0)
    return dy


@kernel
def activation_forward(code, x, y, n):
    """y = activation(x) for ``n`` elements; may be in place."""
    whole = n - n % lanes(x)
    for i in range(0, whole, lanes(x)):
        store(y, i, activate(code, load(x, i)))
    if whole < n:
        store_first(y, whole, activate(code, load_first(x, whole, n - whole, 0.0)), n - whole)


@kernel
def activation_backward(code, y, dy, dx, n):
    """dx = dy * activation'(x) for ``n`` elements, from y = activation(x); may be in place."""
    whole = n - n % lanes(y)
    for i in range(0, whole, lanes(y)):
        store(dx, i, activate_backward(code, load(y, i), load(dy, i)))
    if whole < n:
        rest = n - whole
        last = activate_backward(code, load_first(y, whole, rest, 0.0), load_first(dy, whole, rest, 0.0))
        store_first(dx, whole, last, rest)


@entry
def activation_arrays(code, x, y):
    """y (n,) = activation of x (n,), which is given by its address."""
    activation_forward(code, pointer_to(x, y.dtype.type), pointer(y, 0), y.size)


@entry
def activation_backward_arrays(code, y, dy, dx):
    """dx (n,) = dy * activation'(x) from y = activation(x); y and dy (n,) are given by their addresses."""
    dtype = dx.dtype.type
    activation_backward(code, pointer_to(y, dtype), pointer_to(dy, dtype), pointer(dx, 0), dx.size)
