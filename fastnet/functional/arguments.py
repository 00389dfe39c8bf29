"""What the kernels for people do first: arguments become arrays, arrays become padded rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..layout import aligned_zeros, padded

# How far the sum of a row of probabilities may be from 1: a softmax of 10,000 classes in float16 is within.
SUM_TOLERANCE = 1e-2


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


def as_probabilities(name: str, value: Any) -> NDArray[Any]:
    """Return a matrix of probabilities, each row with a sum of 1, as float64."""
    array = as_logits(name, value).astype(np.float64)
    checks.check_finite(name, array)
    checks.check_probabilities(name, array)
    _check_sums(name, array)
    return array


def _check_sums(name: str, rows: NDArray[Any]) -> None:
    sums = rows.sum(axis=1)
    bad = np.abs(sums - 1) > SUM_TOLERANCE
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"{name}: row {row} must sum to 1, got {sums[row]:.6g}")


def as_targets(name: str, value: Any, logits: NDArray[Any]) -> NDArray[Any]:
    """Return class indices (n_samples,) or, if these are not single classes, probabilities (n_samples, n_classes)."""
    if np.ndim(value) != 2 or np.shape(value)[1] != logits.shape[1]:
        return as_labels(name, value, logits)
    rows = as_floats(name, value)
    if len(rows) != len(logits):
        raise ValueError(f"{name} must hold one row for each row of z, {len(logits)}, got {len(rows)}")
    checks.check_finite(name, rows)
    checks.check_probabilities(name, rows)
    if ((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all():
        return rows.argmax(axis=1).astype(np.int32)
    _check_sums(name, rows.astype(np.float64))
    return rows


def as_labels(name: str, value: Any, logits: NDArray[Any]) -> NDArray[Any]:
    """Return class indices, one for each row of logits."""
    labels = checks.check_labels(name, value, logits.shape[1])
    if len(labels) != len(logits):
        raise ValueError(f"{name} must hold one label for each row of z, {len(logits)}, got {len(labels)}")
    return labels


def as_outputs(name: str, value: Any) -> NDArray[Any]:
    """Return finite numbers of shape (n_samples, n_outputs) or (n_samples,), at least one sample."""
    array = as_floats(name, value)
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} must have shape (n_samples, n_outputs) or (n_samples,), got shape {array.shape}")
    checks.check_finite(name, array)
    return array


def as_values(name: str, value: Any, like: str, outputs: NDArray[Any]) -> NDArray[Any]:
    """Return targets of the shape of some outputs as a matrix of their dtype."""
    targets = as_floats(name, value)
    if targets.shape != outputs.shape:
        raise ValueError(f"{name} must have the shape of {like}, {outputs.shape}, got shape {targets.shape}")
    return checks.check_targets(name, targets, outputs.shape[1] if outputs.ndim == 2 else 1, outputs.dtype)


def as_gradient(name: str, value: Any, like: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return values of the shape of an array, of its dtype."""
    gradient = as_floats(name, value)
    if gradient.shape != array.shape:
        raise ValueError(f"{name} must have the shape of {like}, {array.shape}, got shape {gradient.shape}")
    return gradient.astype(array.dtype, copy=False)


def as_temperature(value: Any, dtype: np.dtype[Any]) -> float:
    """Return a temperature that the dtype can hold."""
    info = np.finfo(dtype)
    return checks.check_number("temperature", value, low=float(info.tiny), high=float(info.max))


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
