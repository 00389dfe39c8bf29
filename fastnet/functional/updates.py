"""Steps of optimizers, in place."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..kernels import adam, sgd
from . import arguments


def sgd_update(
    w: NDArray[Any],
    dw: ArrayLike,
    velocity: NDArray[Any] | None,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> None:
    """Step of stochastic gradient descent, in place.

    With ``g = dw + weight_decay * w``::

        velocity = momentum * velocity - learning_rate * g
        w += velocity                                        or, with nesterov,
        w += momentum * velocity - learning_rate * g

    Parameters
    ----------
    w : ndarray of any shape, float32 or float64
        Parameters, C-contiguous and writable. Weight decay acts on all of them: update biases without it.
    dw : array_like of w's shape and dtype
        Gradient.
    velocity : ndarray of w's shape and dtype, or None
        State of the momentum, zeros at first, C-contiguous and writable; None only without momentum.
    learning_rate, weight_decay : float
        Finite, >= 0.
    momentum : float
        In [0, 1).
    nesterov : bool
        Whether the step looks ahead with the new velocity.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If shapes do not fit, a number is out of its range, w or velocity is not C-contiguous and writable, they share
        memory, or there is momentum but no velocity.

    Notes
    -----
    Nesterov: Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning",
    ICML 2013, https://proceedings.mlr.press/v28/sutskever13.html

    Examples
    --------
    >>> w, velocity = np.array([1.0, -2.0]), np.zeros(2)
    >>> sgd_update(w, [0.5, 0.5], velocity, 0.1, momentum=0.9)
    >>> w, velocity
    (array([ 0.95, -2.05]), array([-0.05, -0.05]))
    """
    _check_updatable("w", w)
    gradient = arguments.as_floats("dw", dw)
    _check_like_w("dw", gradient, w)
    if velocity is not None:
        _check_updatable("velocity", velocity)
        _check_like_w("velocity", velocity, w)
        if np.may_share_memory(w, velocity):
            raise ValueError("w and velocity share memory: pass two arrays")
    largest = float(np.finfo(w.dtype).max)
    rate = checks.check_number("learning_rate", learning_rate, high=largest)
    momentum = checks.check_number("momentum", momentum, high=1.0)
    decay = checks.check_number("weight_decay", weight_decay, high=largest)
    nesterov = checks.check_flag("nesterov", nesterov)
    if velocity is None and momentum > 0:
        raise ValueError(
            f"velocity must be an array of w's shape when there is momentum, got None (momentum={momentum})"
        )
    state = np.empty(0, w.dtype) if velocity is None else velocity
    if np.may_share_memory(gradient, w) or np.may_share_memory(gradient, state):
        gradient = gradient.copy()
    gradient = np.ascontiguousarray(gradient)
    sgd.sgd_arrays(_flat(w), gradient.ctypes.data, _flat(state), rate, momentum, nesterov, decay)


def adam_update(
    w: NDArray[Any],
    dw: ArrayLike,
    m: NDArray[Any],
    v: NDArray[Any],
    step: int,
    learning_rate: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> None:
    """Step of Adam, or with ``decoupled`` of AdamW, in place.

    With ``g = dw + weight_decay * w``, or ``g = dw`` with decoupled::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w -= learning_rate * (m / (1 - beta1**step)) / (sqrt(v / (1 - beta2**step)) + epsilon)

    and with decoupled, beside that, ``w -= learning_rate * weight_decay * w`` with the w from before.

    Parameters
    ----------
    w : ndarray of any shape, float32 or float64
        Parameters, C-contiguous and writable. Weight decay acts on all of them: update biases without it.
    dw : array_like of w's shape and dtype
        Gradient.
    m, v : ndarray of w's shape and dtype
        First and second moment, zeros at first, C-contiguous and writable. Values below 1e-36 (1e-300 in float64)
        become zero.
    step : int
        Number of this step, counted from 1.
    learning_rate, weight_decay : float
        Finite, >= 0.
    beta1, beta2 : float
        In [0, 1).
    epsilon : float
        Finite, >= 1e-16.
    decoupled : bool
        Whether weight decay leaves the gradient alone.

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If shapes do not fit, a number is out of its range, w, m or v is not C-contiguous and writable, or if they share
        memory.

    Notes
    -----
    As in torch. Kingma, Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, https://arxiv.org/abs/1412.6980;
    Loshchilov, Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, https://arxiv.org/abs/1711.05101

    Examples
    --------
    The first step has the length of the learning rate, whatever the gradient's:

    >>> w, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    >>> adam_update(w, [0.5, -20.0], m, v, step=1, learning_rate=0.1)
    >>> w.round(6), m.round(6), v.round(6)
    (array([ 0.9, -1.9]), array([ 0.05, -2.  ]), array([2.5e-04, 4.0e-01]))
    """
    _check_updatable("w", w)
    gradient = arguments.as_floats("dw", dw)
    _check_like_w("dw", gradient, w)
    for name, state in (("m", m), ("v", v)):
        _check_updatable(name, state)
        _check_like_w(name, state, w)
    for one, other, names in ((w, m, "w and m"), (w, v, "w and v"), (m, v, "m and v")):
        if np.may_share_memory(one, other):
            raise ValueError(f"{names} share memory: pass two arrays")
    largest = float(np.finfo(w.dtype).max)
    number = min(checks.check_integer("step", step, low=1), 2**62)  # where nothing is left to correct
    rate = checks.check_number("learning_rate", learning_rate, high=largest)
    beta1 = checks.check_number("beta1", beta1, high=1.0)
    beta2 = checks.check_number("beta2", beta2, high=1.0)
    epsilon = checks.check_number("epsilon", epsilon, low=adam.MIN_EPSILON, high=largest)
    decay = checks.check_number("weight_decay", weight_decay, high=largest)
    decoupled = checks.check_flag("decoupled", decoupled)
    if any(np.may_share_memory(gradient, array) for array in (w, m, v)):
        gradient = gradient.copy()
    gradient = np.ascontiguousarray(gradient)
    adam.adam_arrays(
        _flat(w), gradient.ctypes.data, _flat(m), _flat(v), number, rate, beta1, beta2, epsilon, decay, decoupled
    )


def _check_updatable(name: str, array: Any) -> None:
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} must be an ndarray, which is updated in place, got {type(array).__name__}")
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must have dtype float32 or float64, got {array.dtype}")
    if not array.flags.carray:
        flags = array.flags
        kinds = {"not C-contiguous": flags.c_contiguous, "read-only": flags.writeable, "unaligned": flags.aligned}
        found = " and ".join(kind for kind, fine in kinds.items() if not fine)
        raise ValueError(f"{name} must be C-contiguous, writable and aligned to be updated in place, but is {found}")


def _check_like_w(name: str, array: NDArray[Any], w: NDArray[Any]) -> None:
    if array.shape != w.shape:
        raise ValueError(f"{name} must have the shape of w, {w.shape}, got shape {array.shape}")
    if array.dtype != w.dtype:
        raise TypeError(f"{name} must have the dtype of w, {w.dtype}, got {array.dtype}")


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    """Plain vector over the memory of a C-contiguous array, whatever its class and shape."""
    return np.asarray(array).reshape(-1)
