"""Losses and their gradients."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..kernels import cross_entropy as kernels
from . import arguments


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
    logits = arguments.as_possible_logits("z", z).astype(np.float64)
    arguments.refuse_empty("z", logits)
    labels = arguments.as_labels("y", y, logits)
    rows, losses = arguments.padded_rows(logits), np.empty(len(logits))
    work = np.empty(rows.shape[1])
    kernels.softmax_cross_entropy_loss_arrays(rows, labels, work, logits.shape[1], losses)
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
    logits = arguments.as_possible_logits("z", z)
    labels = arguments.as_labels("y", y, logits)
    rows, losses = arguments.padded_rows(logits), np.empty(len(logits))
    scale = 1 / max(1, len(logits))
    kernels.softmax_cross_entropy_arrays(rows, labels, logits.shape[1], scale, losses)
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
    logits = arguments.as_floats("z", z).astype(np.float64)
    if logits.ndim not in (1, 2):
        raise ValueError(f"z must have shape (n_samples, n_outputs) or (n_samples,), got shape {logits.shape}")
    arguments.refuse_empty("z", logits)
    checks.check_finite("z", logits)
    targets = arguments.as_floats("t", t)
    if targets.shape != logits.shape:
        raise ValueError(f"t must have the shape of z, {logits.shape}, got shape {targets.shape}")
    logits = logits.reshape(len(logits), -1)
    targets = checks.check_targets("t", targets, logits.shape[1], logits.dtype)
    checks.check_probabilities("t", targets)
    losses = np.empty(len(logits))
    kernels.sigmoid_cross_entropy_arrays(arguments.padded_rows(logits), targets, 1.0, losses)
    return float(losses.mean())
