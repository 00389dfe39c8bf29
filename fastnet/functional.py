"""The kernels for people: each function checks its arguments, allocates, and calls a kernel. No maths here.

float32 stays float32, float64 stays float64; float16 becomes float32, integers and booleans become float64; complex
numbers are refused. Arguments may have any memory layout and may be read-only. A refusal names the argument, what was
found and what is expected, and comes before anything is changed.

Each function compiles its kernel once for float32 and once for float64, at the first call (about half a second);
the result is kept in the cache folder.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import checks
from .kernels import activations, adam, dense, sgd
from .kernels import cross_entropy as _cross_entropy
from .kernels import softmax as _softmax
from .layout import aligned_zeros, padded

__all__ = [
    "adam_update",
    "binary_cross_entropy",
    "cross_entropy",
    "linear",
    "log_softmax",
    "relu",
    "sgd_update",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy_grad",
    "tanh",
]


# -- layers --------------------------------------------------------------------------------------------


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
    inputs, weights, biases = _floats("x", x), _floats("w", w), _floats("b", b)
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
    packed, out = _padded(n_in, n_out, dtype), _padded(len(inputs), n_out, dtype)
    dense.dense_forward_arrays(
        inputs.ctypes.data, weights.ctypes.data, n_out, _padded_copy(biases[np.newaxis], dtype)[0], packed, out
    )
    return np.ascontiguousarray(out[:, :n_out])


# -- elementwise ---------------------------------------------------------------------------------------


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


def _elementwise(code: int, x: ArrayLike) -> Any:
    array = _floats("x", x)
    order: Any = "F" if array.flags.fnc else "C"
    array = np.asarray(array, order=order)
    out = np.empty(array.shape, array.dtype, order)
    activations.activation_arrays(code, array.ctypes.data, out.ravel("K"))
    return out if out.ndim else out[()]


# -- softmax and losses --------------------------------------------------------------------------------


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
    logits = _logits("z", z)
    rows = _padded_copy(logits)
    _softmax.softmax_arrays(rows, logits.shape[1])
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
    logits = _logits("z", z)
    rows = _padded_copy(logits)
    _softmax.log_softmax_arrays(rows, np.empty(rows.shape[1], rows.dtype), logits.shape[1])
    return np.ascontiguousarray(rows[:, : logits.shape[1]])


def cross_entropy(z: ArrayLike, y: ArrayLike) -> float:
    """Mean over samples of ``-log(softmax(z)[y])``, computed in float64 from the logits and never clipped.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_classes)
        Logits, at least one row. -inf is allowed for some of a row's classes: the loss is infinite if the target is
        one of these.
    y : array_like of int, shape (n_samples,)
        Class indices in [0, n_classes).

    Returns
    -------
    float
        The loss.

    Raises
    ------
    TypeError
        If z does not hold numbers, or y no integers.
    ValueError
        If shapes do not fit, z is complex or empty, holds NaN or +inf or a row of -inf only, or if a label is outside
        [0, n_classes).

    Notes
    -----
    https://peterroelants.github.io/posts/cross-entropy-softmax/

    Examples
    --------
    Training moves the scores of a cat's picture from (1.2, 0.3) to (1.9, 0.1), and the loss falls:

    >>> round(cross_entropy([[1.2, 0.3]], [0]), 4), round(cross_entropy([[1.9, 0.1]], [0]), 4)
    (0.3412, 0.153)
    >>> cross_entropy([[1e4, -1e4]], [1])
    20000.0
    """
    logits = _possible_logits("z", z).astype(np.float64)
    _refuse_empty("z", logits)
    labels = _labels("y", y, logits)
    rows, losses = _padded_copy(logits), np.empty(len(logits))
    work = np.empty(rows.shape[1])
    _cross_entropy.softmax_cross_entropy_loss_arrays(rows, labels, work, logits.shape[1], losses)
    return float(losses.mean())


def softmax_cross_entropy_grad(z: ArrayLike, y: ArrayLike) -> NDArray[Any]:
    """Gradient of `cross_entropy` with respect to the logits: ``(softmax(z) - onehot(y)) / n_samples``.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_classes)
        Logits; n_samples may be 0.
    y : array_like of int, shape (n_samples,)
        Class indices in [0, n_classes).

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        The gradient, float32 or float64. At the target it is minus the sum of the others, which does not cancel.

    Raises
    ------
    TypeError
        If z does not hold numbers, or y no integers.
    ValueError
        If shapes do not fit, z is complex, holds NaN or +inf or a row of -inf only, or if a label is outside
        [0, n_classes).

    Notes
    -----
    https://peterroelants.github.io/posts/cross-entropy-softmax/

    Examples
    --------
    >>> softmax_cross_entropy_grad([[2, 1, -1]], [0]).round(4)
    array([[-0.2946,  0.2595,  0.0351]])
    """
    logits = _possible_logits("z", z)
    labels = _labels("y", y, logits)
    rows, losses = _padded_copy(logits), np.empty(len(logits))
    scale = 1 / max(1, len(logits))
    _cross_entropy.softmax_cross_entropy_arrays(rows, labels, logits.shape[1], scale, losses)
    return np.ascontiguousarray(rows[:, : logits.shape[1]])


def binary_cross_entropy(z: ArrayLike, t: ArrayLike) -> float:
    """Mean over samples of the outputs' summed ``-t log(p) - (1 - t) log(1 - p)`` with ``p = sigmoid(z)``.

    It is computed in float64 from the logits and never clipped.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_outputs) or (n_samples,)
        Logits, finite, at least one row; one dimension means one output.
    t : array_like of the shape of z
        Targets in [0, 1]: labels, or probabilities.

    Returns
    -------
    float
        The loss.

    Raises
    ------
    TypeError
        If z or t does not hold numbers.
    ValueError
        If shapes do not fit, z is complex, empty or not finite, or a target is outside [0, 1].

    Notes
    -----
    https://www.tensorflow.org/api_docs/python/tf/nn/sigmoid_cross_entropy_with_logits

    Examples
    --------
    >>> round(binary_cross_entropy([0.0, 2.0], [1, 1]), 4)
    0.41
    >>> binary_cross_entropy([[1e4, -1e4]], [[0, 1]])
    20000.0
    """
    logits = _floats("z", z).astype(np.float64)
    if logits.ndim not in (1, 2):
        raise ValueError(f"z must have shape (n_samples, n_outputs) or (n_samples,), got shape {logits.shape}")
    _refuse_empty("z", logits)
    checks.check_finite("z", logits)
    targets = _floats("t", t)
    if targets.shape != logits.shape:
        raise ValueError(f"t must have the shape of z, {logits.shape}, got shape {targets.shape}")
    logits = logits.reshape(len(logits), -1)
    targets = checks.check_targets("t", targets, logits.shape[1], logits.dtype)
    checks.check_probabilities("t", targets)
    losses = np.empty(len(logits))
    _cross_entropy.sigmoid_cross_entropy_arrays(_padded_copy(logits), targets, 1.0, losses)
    return float(losses.mean())


# -- update --------------------------------------------------------------------------------------------


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
    gradient = _floats("dw", dw)
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
    gradient = _floats("dw", dw)
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


# -- arguments and buffers -----------------------------------------------------------------------------


def _floats(name: str, value: Any) -> NDArray[Any]:
    """Return float32 or float64 values, not copied if they are that already."""
    array = checks.check_array(name, value)
    found = np.asarray(value).dtype
    if found.kind == "O":
        raise TypeError(f"{name} must hold numbers, got dtype object")
    return array.astype(np.float32 if found.kind == "f" and found.itemsize < 8 else np.float64, copy=False)


def _logits(name: str, value: Any) -> NDArray[Any]:
    array = _floats(name, value)
    if array.ndim != 2 or array.shape[1] == 0:
        hint = f" One sample is {name}.reshape(1, -1)." if array.ndim == 1 else ""
        raise ValueError(
            f"{name} must have shape (n_samples, n_classes) with at least one class, got shape {array.shape}.{hint}"
        )
    return array


def _possible_logits(name: str, value: Any) -> NDArray[Any]:
    """Return logits whose softmax exists."""
    logits = _logits(name, value)
    if np.isfinite(logits).all():
        return logits
    impossible = np.isneginf(logits)
    checks.check_finite(name, np.where(impossible, logits.dtype.type(0), logits), logits.dtype)
    hopeless = impossible.all(axis=1)
    if hopeless.any():
        raise ValueError(f"{name}: row {int(hopeless.argmax())} holds -inf only; at least one class must be possible")
    return logits


def _labels(name: str, value: Any, logits: NDArray[Any]) -> NDArray[Any]:
    labels = checks.check_labels(name, value, logits.shape[1])
    if len(labels) != len(logits):
        raise ValueError(f"{name} must hold one label for each row of z, {len(logits)}, got {len(labels)}")
    return labels


def _refuse_empty(name: str, array: NDArray[Any]) -> None:
    if array.size == 0:
        raise ValueError(
            f"{name} is empty: a mean loss needs at least one sample and one output, got shape {array.shape}"
        )


def _padded(n_rows: int, n_columns: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return zeros with rows of whole vectors, as kernels want them."""
    step = padded(n_columns, dtype)
    return aligned_zeros(n_rows * step, dtype).reshape(n_rows, step)


def _padded_copy(array: NDArray[Any], dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    rows = _padded(array.shape[0], array.shape[1], dtype or array.dtype)
    rows[:, : array.shape[1]] = array
    return rows
