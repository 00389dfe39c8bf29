"""Losses inside your own compiled code; see ``compiled.py``."""

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.extending import overload, register_jitable

from ..kernels import cross_entropy, distributions, squared_error
from . import losses as python
from .arguments import SUM_TOLERANCE
from .compiled import check_floats, first_columns, padded_rows


def _reduction(value):
    """Return the name that the argument ``reduction`` was given, while the caller is compiled."""
    name = getattr(value, "literal_value", getattr(value, "value", value))
    if name not in python.REDUCTIONS:
        choices = ", ".join(map(repr, python.REDUCTIONS))
        raise TypingError(f"reduction must be written out, one of {choices}, got {value}")
    return name


@register_jitable
def _sum(losses):
    total = 0.0
    for loss in losses:
        total += loss
    return total


@register_jitable
def _as_labels(y, n_samples, n_classes):
    """Class indices as int32."""
    if len(y) != n_samples:
        raise ValueError("y must hold one label for each row of z")
    labels = np.empty(n_samples, np.int32)
    for b in range(n_samples):
        if y[b] < 0 or y[b] >= n_classes:
            raise ValueError("y: a label is outside [0, n_classes)")
        labels[b] = y[b]
    return labels


@register_jitable
def _as_rows(y, shape, dtype):
    """Rows of probabilities, contiguous."""
    if y.shape != shape:
        raise ValueError("y must hold one row for each row of z")
    rows = np.empty(shape, dtype)
    for b in range(shape[0]):
        total = 0.0
        for j in range(shape[1]):
            if not 0 <= y[b, j] <= 1:
                raise ValueError("y must lie in [0, 1]")
            rows[b, j] = y[b, j]
            total += y[b, j]
        if abs(total - 1.0) > SUM_TOLERANCE:
            raise ValueError("y: a row does not sum to 1")
    return rows


@register_jitable
def _check_matrix(z):
    if z.shape[0] == 0 or z.shape[1] == 0:
        raise ValueError("z is empty: a mean loss needs at least one sample and one output")


def _are_labels(y):
    """Whether targets are class indices, while the caller is compiled."""
    if isinstance(y, types.Array) and y.ndim == 1 and isinstance(y.dtype, types.Integer | types.Boolean):
        return True
    if isinstance(y, types.Array) and y.ndim == 2:
        return False
    raise TypingError(f"y must be an array of class indices, or have 2 dimensions with a row a sample, got {y}")


@overload(python.cross_entropy, prefer_literal=True)
def _cross_entropy(z, y, from_logits=True, reduction="mean"):
    check_floats(z=(z, 2))
    each, mean = _each_cross_entropy(_are_labels(y)), _reduction(reduction) == "mean"
    if _reduction(reduction) == "none":
        return lambda z, y, from_logits=True, reduction="mean": each(z, y, from_logits)

    def reduced(z, y, from_logits=True, reduction="mean"):
        losses = each(z, y, from_logits)
        return _sum(losses) / len(losses) if mean else _sum(losses)

    return reduced


def _each_cross_entropy(labelled):
    return _of_labels if labelled else _of_rows


@register_jitable
def _of_labels(z, y, from_logits):
    _check_matrix(z)
    n_classes, losses, labels = z.shape[1], np.empty(len(z)), _as_labels(y, z.shape[0], z.shape[1])
    rows = padded_rows(z, np.float64)
    if from_logits:
        work = np.empty(rows.shape[1])
        cross_entropy.softmax_cross_entropy_loss_arrays(rows, labels, work, n_classes, losses)
    else:
        distributions.likelihood_arrays(rows, labels, losses)
    return losses


@register_jitable
def _of_rows(z, y, from_logits):
    _check_matrix(z)
    targets, losses = _as_rows(y, z.shape, np.float64), np.empty(len(z))
    rows = padded_rows(z, np.float64)
    if from_logits:
        distributions.distribution_cross_entropy_arrays(rows, targets, 1.0, losses)
    else:
        distributions.distribution_likelihood_arrays(first_columns(rows, z.shape[1]), targets, losses)
    return losses


@overload(python.softmax_cross_entropy_grad)
def _softmax_cross_entropy_grad(z, y):
    check_floats(z=(z, 2))
    if _are_labels(y):

        def gradient(z, y):
            labels, rows = _as_labels(y, z.shape[0], z.shape[1]), padded_rows(z, z.dtype)
            scale = 1 / max(1, len(z))
            cross_entropy.softmax_cross_entropy_arrays(rows, labels, z.shape[1], scale, np.empty(len(z)))
            return first_columns(rows, z.shape[1])

        return gradient

    def gradient(z, y):
        targets, rows = _as_rows(y, z.shape, z.dtype), padded_rows(z, z.dtype)
        distributions.distribution_cross_entropy_arrays(rows, targets, 1 / max(1, len(z)), np.empty(len(z)))
        return first_columns(rows, z.shape[1])

    return gradient


@register_jitable
def _as_values(t, shape, dtype):
    """Targets as contiguous rows."""
    if t.shape != shape:
        raise ValueError("t must have the shape of z")
    out = np.empty(shape, dtype)
    for b in range(shape[0]):
        for j in range(shape[1]):
            out[b, j] = t[b, j]
    return out


@register_jitable
def _check_range(array):
    for value in array.flat:
        if not 0 <= value <= 1:
            raise ValueError("targets and probabilities must lie in [0, 1]")


def _check_pair(z, t):
    check_floats(z=(z, None))
    if not isinstance(t, types.Array) or t.ndim != z.ndim or z.ndim not in (1, 2):
        raise TypingError(f"z and t must be arrays of the same shape, with 1 or 2 dimensions, got {z} and {t}")


@register_jitable
def _binary_losses(z, t, from_logits):
    _check_matrix(z)
    losses, targets = np.empty(len(z)), _as_values(t, z.shape, np.float64)
    _check_range(targets)
    rows = padded_rows(z, np.float64)
    if from_logits:
        cross_entropy.sigmoid_cross_entropy_arrays(rows, targets, 1.0, losses)
    else:
        p = first_columns(rows, z.shape[1])
        _check_range(p)
        distributions.binary_likelihood_arrays(p, targets, losses)
    return losses


@register_jitable
def _squares(z, t, from_logits):
    _check_matrix(z)
    losses = np.empty(len(z))
    squared_error.squared_error_arrays(padded_rows(z, np.float64), _as_values(t, z.shape, np.float64), 1.0, losses)
    return losses


@register_jitable
def _matrix(a):
    """One dimension means one output."""
    out = np.empty((len(a), a.size // max(1, len(a))), a.dtype)
    for k, value in enumerate(a.flat):
        out[k // out.shape[1], k % out.shape[1]] = value
    return out


@overload(python.binary_cross_entropy, prefer_literal=True)
def _binary_cross_entropy(z, t, from_logits=True, reduction="mean"):
    _check_pair(z, t)
    mean = _reduction(reduction) == "mean"
    if _reduction(reduction) == "none":
        return lambda z, t, from_logits=True, reduction="mean": _binary_losses(_matrix(z), _matrix(t), from_logits)

    def reduced(z, t, from_logits=True, reduction="mean"):
        losses = _binary_losses(_matrix(z), _matrix(t), from_logits)
        return _sum(losses) / len(losses) if mean else _sum(losses)

    return reduced


@overload(python.squared_error, prefer_literal=True)
def _squared_error(z, t, reduction="mean"):
    _check_pair(z, t)
    mean = _reduction(reduction) == "mean"
    if _reduction(reduction) == "none":
        return lambda z, t, reduction="mean": _squares(_matrix(z), _matrix(t), True)

    def reduced(z, t, reduction="mean"):
        losses = _squares(_matrix(z), _matrix(t), True)
        return _sum(losses) / len(losses) if mean else _sum(losses)

    return reduced


def _overload_gradient(function, kernel, bounded):
    @overload(function)
    def _gradient(z, t):
        _check_pair(z, t)

        def gradient(z, t):
            outputs = _matrix(z)
            targets, rows = _as_values(_matrix(t), outputs.shape, z.dtype), padded_rows(outputs, z.dtype)
            if bounded:
                _check_range(targets)
            kernel(rows, targets, 1 / max(1, len(z)), np.empty(len(z)))
            return first_columns(rows, outputs.shape[1]).reshape(z.shape)

        return gradient


_overload_gradient(python.binary_cross_entropy_grad, cross_entropy.sigmoid_cross_entropy_arrays, True)
_overload_gradient(python.squared_error_grad, squared_error.squared_error_arrays, False)
