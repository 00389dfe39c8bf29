"""Losses and their gradients. Logits are what the last layer gives, before softmax or sigmoid."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..kernels import cross_entropy as kernels
from ..kernels import distributions
from ..kernels import squared_error as squares
from . import arguments

REDUCTIONS = ("mean", "sum", "none")


def cross_entropy(z: ArrayLike, y: ArrayLike, from_logits: bool = True, reduction: str = "mean") -> Any:
    """Mean over samples of ``-log(softmax(z)[y])``, computed in float64 from the logits and never clipped.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_classes)
        Logits, at least one row. -inf is allowed for some of a row's classes: the loss is infinite if the target is
        one of these.
    y : array_like of int, shape (n_samples,), or of shape (n_samples, n_classes)
        Class indices in [0, n_classes); or rows that sum to 1: one-hot, or probabilities of the classes.
    from_logits : bool, default=True
        False takes ``z`` for probabilities, which a softmax has made: rows that sum to 1. What it rounded away is
        lost then, and the loss of a sample whose target has probability 0 is infinite.
    reduction : {"mean", "sum", "none"}, default="mean"
        Of the samples' losses.

    Returns
    -------
    float, or ndarray of shape (n_samples,), float64
        The loss, or each sample's with "none".

    Raises
    ------
    TypeError
        If z does not hold numbers, or y no integers.
    ValueError
        If shapes do not fit, z is complex or empty, holds NaN or +inf or a row of -inf only, or if a label is outside
        [0, n_classes), or if a row that should sum to 1 does not.

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

    Probabilities, and a one-hot target; and three doors, whose product of probabilities is 0.5432:

    >>> round(cross_entropy([[0.7, 0.2, 0.1]], [[1, 0, 0]], from_logits=False), 5)
    0.35667
    >>> doors = [[0.70, 0.30], [0.80, 0.20], [0.97, 0.03]]
    >>> loss = cross_entropy(doors, [0, 0, 0], from_logits=False, reduction="sum")
    >>> round(loss, 4), round(float(np.exp(-loss)), 4)
    (0.6103, 0.5432)
    """
    if not checks.check_flag("from_logits", from_logits):
        return _reduced(_losses_of_probabilities(z, y), reduction)
    logits = arguments.as_possible_logits("z", z).astype(np.float64)
    arguments.refuse_empty("z", logits)
    targets = arguments.as_targets("y", y, logits)
    rows, losses = arguments.padded_rows(logits), np.empty(len(logits))
    if targets.ndim == 1:
        work = np.empty(rows.shape[1])
        kernels.softmax_cross_entropy_loss_arrays(rows, targets, work, logits.shape[1], losses)
    else:
        wanted = np.ascontiguousarray(targets, np.float64)
        distributions.distribution_cross_entropy_arrays(rows, wanted, 1.0, losses)
    return _reduced(losses, reduction)


def _losses_of_probabilities(p: ArrayLike, y: ArrayLike) -> NDArray[Any]:
    probabilities = np.ascontiguousarray(arguments.as_probabilities("z", p))
    arguments.refuse_empty("z", probabilities)
    targets, losses = arguments.as_targets("y", y, probabilities), np.empty(len(probabilities))
    if targets.ndim == 1:
        distributions.likelihood_arrays(probabilities, targets, losses)
    else:
        wanted = np.ascontiguousarray(targets, np.float64)
        distributions.distribution_likelihood_arrays(probabilities, wanted, losses)
    return losses


def _reduced(losses: NDArray[Any], reduction: str) -> Any:
    name = checks.check_choice("reduction", reduction, REDUCTIONS)
    if name == "none":
        return losses
    return float(losses.mean() if name == "mean" else losses.sum())


def softmax_cross_entropy_grad(z: ArrayLike, y: ArrayLike) -> NDArray[Any]:
    """Gradient of `cross_entropy` with respect to the logits: ``(softmax(z) - onehot(y)) / n_samples``.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_classes)
        Logits; n_samples may be 0.
    y : array_like of int, shape (n_samples,), or of shape (n_samples, n_classes)
        Class indices in [0, n_classes); or rows that sum to 1: one-hot, or probabilities of the classes.

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
        [0, n_classes), or if a row that should sum to 1 does not.

    Notes
    -----
    https://peterroelants.github.io/posts/cross-entropy-softmax/

    Examples
    --------
    >>> softmax_cross_entropy_grad([[2, 1, -1]], [0]).round(4)
    array([[-0.2946,  0.2595,  0.0351]])
    >>> softmax_cross_entropy_grad([[2, 1, -1]], [[0.9, 0.1, 0.0]]).round(4)
    array([[-0.1946,  0.1595,  0.0351]])
    """
    logits = arguments.as_possible_logits("z", z)
    targets = arguments.as_targets("y", y, logits)
    rows, losses = arguments.padded_rows(logits), np.empty(len(logits))
    scale = 1 / max(1, len(logits))
    if targets.ndim == 1:
        kernels.softmax_cross_entropy_arrays(rows, targets, logits.shape[1], scale, losses)
    else:
        wanted = np.ascontiguousarray(targets, logits.dtype)
        distributions.distribution_cross_entropy_arrays(rows, wanted, scale, losses)
    return np.ascontiguousarray(rows[:, : logits.shape[1]])


def binary_cross_entropy(z: ArrayLike, t: ArrayLike, from_logits: bool = True, reduction: str = "mean") -> Any:
    """Mean over samples of the outputs' summed ``-t log(p) - (1 - t) log(1 - p)`` with ``p = sigmoid(z)``.

    It is computed in float64 from the logits and never clipped.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_outputs) or (n_samples,)
        Logits, finite, at least one row; one dimension means one output.
    t : array_like of the shape of z
        Targets in [0, 1]: labels, or probabilities.
    from_logits : bool, default=True
        False takes ``z`` for probabilities, which a sigmoid has made. What it rounded away is lost then, and the
        loss of a target with probability 0 is infinite.
    reduction : {"mean", "sum", "none"}, default="mean"
        Of the samples' losses.

    Returns
    -------
    float, or ndarray of shape (n_samples,), float64
        The loss, or each sample's with "none".

    Raises
    ------
    TypeError
        If z or t does not hold numbers.
    ValueError
        If shapes do not fit, z is complex, empty or not finite, or a target, or a probability, is outside [0, 1].

    Notes
    -----
    https://www.tensorflow.org/api_docs/python/tf/nn/sigmoid_cross_entropy_with_logits

    Examples
    --------
    >>> round(binary_cross_entropy([0.0, 2.0], [1, 1]), 4)
    0.41
    >>> binary_cross_entropy([[1e4, -1e4]], [[0, 1]])
    20000.0
    >>> round(binary_cross_entropy([0.9], [1], from_logits=False), 4)
    0.1054
    """
    probabilities = not checks.check_flag("from_logits", from_logits)
    outputs = arguments.as_outputs("z", z).astype(np.float64)
    arguments.refuse_empty("z", outputs)
    targets = arguments.as_values("t", t, "z", outputs)
    checks.check_probabilities("t", targets)
    outputs, losses = np.ascontiguousarray(outputs.reshape(len(outputs), -1)), np.empty(len(outputs))
    if probabilities:
        checks.check_probabilities("z", outputs)
        distributions.binary_likelihood_arrays(outputs, targets, losses)
    else:
        kernels.sigmoid_cross_entropy_arrays(arguments.padded_rows(outputs), targets, 1.0, losses)
    return _reduced(losses, reduction)


def binary_cross_entropy_grad(z: ArrayLike, t: ArrayLike) -> NDArray[Any]:
    """Gradient of `binary_cross_entropy` with respect to the logits: ``(sigmoid(z) - t) / n_samples``.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_outputs) or (n_samples,)
        Logits, finite; n_samples may be 0.
    t : array_like of the shape of z
        Targets in [0, 1].

    Returns
    -------
    ndarray of the shape of z
        The gradient, float32 or float64.

    Raises
    ------
    TypeError
        If z or t does not hold numbers.
    ValueError
        If shapes do not fit, z is complex or not finite, or a target is outside [0, 1].

    Examples
    --------
    >>> binary_cross_entropy_grad([[0.0, 2.0]], [[1, 1]]).round(4)
    array([[-0.5   , -0.1192]])
    """
    outputs = arguments.as_outputs("z", z)
    targets = arguments.as_values("t", t, "z", outputs)
    checks.check_probabilities("t", targets)
    return _gradient(kernels.sigmoid_cross_entropy_arrays, outputs, targets)


def squared_error(z: ArrayLike, t: ArrayLike, reduction: str = "mean") -> Any:
    """Mean over samples of half the squared distance, ``sum_j (z_j - t_j)**2 / 2``, computed in float64.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_outputs) or (n_samples,)
        Outputs, finite, at least one row; one dimension means one output.
    t : array_like of the shape of z
        What they should be.
    reduction : {"mean", "sum", "none"}, default="mean"
        Of the samples' losses.

    Returns
    -------
    float, or ndarray of shape (n_samples,), float64
        The loss, or each sample's with "none".

    Raises
    ------
    TypeError
        If z or t does not hold numbers.
    ValueError
        If shapes do not fit, or an argument is complex, empty or not finite.

    Examples
    --------
    >>> squared_error([[1.0, 2.0]], [[0.0, 4.0]])
    2.5
    """
    outputs = arguments.as_outputs("z", z).astype(np.float64)
    arguments.refuse_empty("z", outputs)
    targets, losses = arguments.as_values("t", t, "z", outputs), np.empty(len(outputs))
    squares.squared_error_arrays(arguments.padded_rows(outputs.reshape(len(outputs), -1)), targets, 1.0, losses)
    return _reduced(losses, reduction)


def squared_error_grad(z: ArrayLike, t: ArrayLike) -> NDArray[Any]:
    """Gradient of `squared_error` with respect to the outputs: ``(z - t) / n_samples``.

    Parameters
    ----------
    z : array_like of shape (n_samples, n_outputs) or (n_samples,)
        Outputs, finite; n_samples may be 0.
    t : array_like of the shape of z
        What they should be.

    Returns
    -------
    ndarray of the shape of z
        The gradient, float32 or float64.

    Raises
    ------
    TypeError
        If z or t does not hold numbers.
    ValueError
        If shapes do not fit, or an argument is complex or not finite.

    Examples
    --------
    >>> squared_error_grad([[1.0, 2.0]], [[0.0, 4.0]])
    array([[ 1., -2.]])
    """
    outputs = arguments.as_outputs("z", z)
    return _gradient(squares.squared_error_arrays, outputs, arguments.as_values("t", t, "z", outputs))


def _gradient(kernel: Any, outputs: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
    """Gradient of a mean over samples by a kernel that writes it over the outputs."""
    n_samples, n_outputs = targets.shape
    rows = arguments.padded_rows(outputs.reshape(n_samples, n_outputs))
    kernel(rows, targets, 1 / max(1, n_samples), np.empty(n_samples))
    return np.ascontiguousarray(rows[:, :n_outputs]).reshape(outputs.shape)


def one_hot(y: ArrayLike, n_classes: int) -> NDArray[np.float32]:
    """Rows with a 1 at each sample's class and 0 elsewhere.

    Parameters
    ----------
    y : array_like of int, shape (n_samples,)
        Class indices in [0, n_classes).
    n_classes : int
        Number of columns.

    Returns
    -------
    ndarray of shape (n_samples, n_classes), float32

    Raises
    ------
    TypeError
        If y does not hold integers, or n_classes is none.
    ValueError
        If y does not have one dimension, or if a label is outside [0, n_classes).

    Examples
    --------
    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    columns = checks.check_integer("n_classes", n_classes, low=1)
    labels = checks.check_labels("y", y, columns)
    rows = np.zeros((len(labels), columns), np.float32)
    rows[np.arange(len(labels)), labels] = 1
    return rows
