"""What the kernels for people do first: arguments become arrays, arrays become padded rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..layout import aligned_zeros, padded


def as_floats(name: str, value: Any) -> NDArray[Any]:
    """Return float32 or float64 values, not copied if they are that already."""
    array = checks.check_array(name, value)
    found = np.asarray(value).dtype
    if found.kind == "O":
        raise TypeError(f"{name} must hold numbers, got dtype object")
    return array.astype(np.float32 if found.kind == "f" and found.itemsize < 8 else np.float64, copy=False)


def as_logits(name: str, value: Any) -> NDArray[Any]:
    """Return a matrix of logits with at least one class."""
    array = as_floats(name, value)
    if array.ndim != 2 or array.shape[1] == 0:
        hint = f" One sample is {name}.reshape(1, -1)." if array.ndim == 1 else ""
        raise ValueError(
            f"{name} must have shape (n_samples, n_classes) with at least one class, got shape {array.shape}.{hint}"
        )
    return array


def as_possible_logits(name: str, value: Any) -> NDArray[Any]:
    """Return logits whose softmax exists."""
    logits = as_logits(name, value)
    if np.isfinite(logits).all():
        return logits
    impossible = np.isneginf(logits)
    checks.check_finite(name, np.where(impossible, logits.dtype.type(0), logits), logits.dtype)
    hopeless = impossible.all(axis=1)
    if hopeless.any():
        raise ValueError(f"{name}: row {int(hopeless.argmax())} holds -inf only; at least one class must be possible")
    return logits


def as_labels(name: str, value: Any, logits: NDArray[Any]) -> NDArray[Any]:
    """Return class indices, one for each row of logits."""
    labels = checks.check_labels(name, value, logits.shape[1])
    if len(labels) != len(logits):
        raise ValueError(f"{name} must hold one label for each row of z, {len(logits)}, got {len(labels)}")
    return labels


def refuse_empty(name: str, array: NDArray[Any]) -> None:
    """Refuse an array of which there is no mean."""
    if array.size == 0:
        raise ValueError(
            f"{name} is empty: a mean loss needs at least one sample and one output, got shape {array.shape}"
        )


def zero_rows(n_rows: int, n_columns: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return zeros with rows of whole vectors, as kernels want them."""
    step = padded(n_columns, dtype)
    return aligned_zeros(n_rows * step, dtype).reshape(n_rows, step)


def padded_rows(array: NDArray[Any], dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    """Return a copy with rows of whole vectors, filled up with zeros."""
    rows = zero_rows(array.shape[0], array.shape[1], dtype or array.dtype)
    rows[:, : array.shape[1]] = array
    return rows
