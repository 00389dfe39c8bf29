"""The door: every argument is checked here, once, before any kernel runs.

Each refusal names the argument, what was found and what is expected, and comes before anything is changed.
"""

import math
import operator
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

_CHUNK = 1 << 22  # elements looked at together: a mask of 4 MB


def check_integer(name: str, value: Any, *, low: int, high: int | None = None) -> int:
    """Return ``value`` as an int, or refuse it."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an int, got {_kind(value)} {value!r}")
    number = operator.index(value)
    if number < low or (high is not None and number > high):
        limits = f">= {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be {limits}, got {number}")
    return number


def check_number(name: str, value: Any, *, low: float = 0.0, high: float = math.inf, open_low: bool = False) -> float:
    """Return ``value`` as a finite float within [low, high), or (low, high), or refuse it."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {_kind(value)} {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number < low or (open_low and number == low) or number >= high:
        bracket = "(" if open_low else "["
        raise ValueError(f"{name} must be a finite number in {bracket}{low:g}, {high:g}), got {number!r}")
    return number


def check_seed(value: Any) -> np.random.Generator:
    """Return the generator that a seed (an int >= 0, a generator, or None for a new one each time) stands for."""
    if value is not None and not isinstance(value, np.random.Generator):
        value = check_integer("seed", value, low=0)
    return np.random.default_rng(value)


def check_flag(name: str, value: Any) -> bool:
    """Return ``value`` as a bool, or refuse it."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {_kind(value)} {value!r}")
    return bool(value)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return ``value`` if it is one of ``choices``, or refuse it, with the nearest name."""
    if isinstance(value, str) and value in choices:
        return value
    from difflib import get_close_matches

    near = get_close_matches(value, choices, 1) if isinstance(value, str) else []
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}.{hint}")


def check_matrix(name: str, value: Any, *, n_columns: int | None = None, empty: bool = False) -> np.ndarray:
    """Return ``value`` as a two-dimensional array of uint8, float32 or float64; an array of these is not copied.

    Other integers, booleans and float16 become float64 or float32, which hold them exactly or nearly so.
    """
    array = check_array(name, value)
    if array.ndim != 2:
        hint = f" Flatten the samples: {name}.reshape(len({name}), -1)." if array.ndim > 2 else ""
        if array.ndim == 1:
            hint = f" Reshape your data: {name}.reshape(1, -1) is one sample, {name}.reshape(-1, 1) one feature."
        raise ValueError(f"{name} must have 2 dimensions (n_samples, n_features), got shape {array.shape}.{hint}")
    if not empty and 0 in array.shape:
        raise ValueError(f"{name} is empty: got shape {array.shape}, at least one sample and one feature is needed")
    if n_columns is not None and array.shape[1] != n_columns:
        raise ValueError(f"{name} has {array.shape[1]} features, but the network expects {n_columns}")
    return array


def check_array(name: str, value: Any) -> np.ndarray:
    """Return a numeric array of any shape in native byte order, aligned and of a dtype that kernels read."""
    array = _plain_array(name, value)
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {array.dtype}")
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} must hold numbers, got dtype object: {error}") from None
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise TypeError(f"{name} must hold numbers (uint8, float32 or float64), got dtype {array.dtype}")
    if array.dtype.newbyteorder("=") not in (np.uint8, np.float32, np.float64):
        small = (array.dtype.kind in "bu" and array.dtype.itemsize == 1) or array.dtype == np.float16
        return array.astype(np.float32 if small else np.float64)
    if not array.dtype.isnative or not array.flags.aligned:
        return array.astype(array.dtype.newbyteorder("="))
    return array


def check_finite(name: str, array: np.ndarray, dtype: np.dtype[Any] | type = np.float64) -> None:
    """Refuse NaN and infinity, and values that ``dtype`` can't hold; the first is named.

    Looks at a few rows at a time: nothing as large as the array is allocated.
    """
    if array.dtype.kind not in "f" or array.size == 0:
        return
    narrower = array.dtype.itemsize > np.dtype(dtype).itemsize
    limit = float(np.finfo(dtype).max)
    rows = array.reshape(len(array), -1) if array.ndim != 2 else array
    step = max(1, _CHUNK // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        good = np.abs(block) <= limit if narrower else np.isfinite(block)
        if not good.all():
            _refuse_not_finite(name, array, start, block, good, dtype)


def _refuse_not_finite(
    name: str, array: np.ndarray, start: int, block: np.ndarray, good: np.ndarray, dtype: np.dtype[Any] | type
) -> None:
    row, column = (int(i) for i in np.unravel_index(int(np.argmin(good)), good.shape))
    value = block[row, column]
    place = f"row {start + row}, column {column}" if array.ndim == 2 else f"index {start + row}"
    refuse_value(name, value, place, dtype, f" ({int(good.size - good.sum())} in these {len(good)} rows)")


def refuse_value(name: str, value: Any, place: str, dtype: np.dtype[Any] | type, more: str = "") -> None:
    """Refuse a value that is not finite, or that ``dtype`` can't hold."""
    if np.isfinite(value):
        raise ValueError(
            f"{name}: value {value:g} at {place} does not fit {np.dtype(dtype).name}; "
            "scale the data or use dtype='float64'"
        )
    what = "NaN" if np.isnan(value) else "infinity"
    raise ValueError(f"Input {name} contains {what}. First at {place}{more}.")


def check_labels(name: str, value: Any, n_classes: int, n_samples: int | None = None) -> np.ndarray:
    """Return class indices as a private int32 vector, or refuse them; one-hot rows stand for indices."""
    labels = _plain_array(name, value)
    if _is_one_hot(labels, n_classes):
        labels = labels.argmax(axis=1)
    if labels.ndim != 1:
        hint = ""
        if labels.ndim == 2:
            hint = f" Use {name}.ravel()." if labels.shape[1] == 1 else f" From one-hot rows: {name}.argmax(axis=1)."
        raise ValueError(f"{name} must have 1 dimension (class indices, one a sample), got shape {labels.shape}.{hint}")
    if n_samples is not None and len(labels) != n_samples:
        raise ValueError(f"{name} has {len(labels)} labels, but there are {n_samples} samples")
    if labels.dtype.kind == "b":
        labels = labels.astype(np.uint8)
    if labels.dtype.kind not in "ui":
        raise TypeError(f"{name} must hold integer class indices, got dtype {labels.dtype}.{_label_hint(name, labels)}")
    bad = (labels < 0) | (labels >= n_classes)
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(
            f"{name}: label {labels[first]} at index {first} is outside [0, {n_classes}) "
            f"({int(bad.sum())} out of range, min {labels.min()}, max {labels.max()})"
        )
    return labels.astype(np.int32)


def _is_one_hot(rows: np.ndarray, n_classes: int) -> bool:
    if rows.ndim != 2 or rows.shape[1] != n_classes or n_classes < 2 or rows.dtype.kind not in "buif":
        return False
    return bool(((rows == 0) | (rows == 1)).all() and (np.count_nonzero(rows, axis=1) == 1).all())


def _label_hint(name: str, labels: np.ndarray) -> str:
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == np.floor(labels)).all():
        return f" Use {name}.astype(int)."
    if labels.dtype.kind in "USO":
        return f" classes, indices = np.unique({name}, return_inverse=True) gives indices."
    return ""


def _plain_array(name: str, value: Any) -> np.ndarray:
    """Return an array, but refuse the kinds that NumPy would quietly misread."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; fill the masked values first ({name}.filled(...))")
    if hasattr(value, "tocsr"):
        raise TypeError(f"{name} is a sparse {_kind(value)}; dense data are needed ({name}.toarray())")
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} can't be made an array: {error}") from None


def check_targets(
    name: str, value: Any, n_outputs: int, dtype: np.dtype[Any], n_samples: int | None = None
) -> np.ndarray:
    """Return target values as a private C-contiguous matrix of ``dtype``; a vector stands for one column."""
    array = check_array(name, value)
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2 or array.shape[1] != n_outputs:
        whole = np.ndim(value) == 1 and (array == np.floor(array)).all()
        hint = f" From class indices: functional.one_hot({name}, {n_outputs})." if whole else ""
        raise ValueError(f"{name} must have shape (n_samples, {n_outputs}), got shape {np.shape(value)}.{hint}")
    if n_samples is not None and len(array) != n_samples:
        raise ValueError(f"{name} has {len(array)} rows, but there are {n_samples} samples")
    check_finite(name, array, dtype)
    return np.array(array, dtype=dtype, order="C")


def check_probabilities(name: str, targets: np.ndarray) -> None:
    """Refuse targets outside [0, 1]."""
    bad = (targets < 0) | (targets > 1)
    if bad.any():
        row, column = (int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
        raise ValueError(f"{name} must lie in [0, 1], got {targets[row, column]:g} at row {row}, column {column}")


def check_weights(name: str, value: Any, n_samples: int) -> np.ndarray:
    """Return sample weights as a float64 vector, or refuse them; None gives an empty vector."""
    if value is None:
        return np.zeros(0)
    weights = check_array(name, value).astype(np.float64)
    if weights.shape != (n_samples,):
        raise ValueError(f"{name} must have shape ({n_samples},), one weight a sample, got shape {weights.shape}")
    check_finite(name, weights)
    if (weights < 0).any():
        first = int(np.argmax(weights < 0))
        raise ValueError(f"{name} must not be negative, got {weights[first]:g} at index {first}")
    if not weights.any():
        raise ValueError(f"{name} must hold at least one weight above zero, got zeros only")
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not np.isfinite(total):
        raise ValueError(f"{name} must have a finite sum, got a largest weight of {weights.max():g}")
    return weights


def _kind(value: Any) -> str:
    return type(value).__name__


def check_classes(name: str, value: Any, count: int) -> np.ndarray:
    """Return labels of classes, texts or numbers, as a private read-only vector, or refuse them."""
    labels = _plain_array(name, value)
    if labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels.ravel()):
        labels = labels.astype(str)
    if labels.dtype.kind not in "biufU" or (labels.dtype.kind == "f" and labels.dtype.itemsize > 8):
        raise TypeError(f"{name} must hold texts or numbers, got dtype {labels.dtype}")
    if labels.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one label a class, got shape {labels.shape}")
    check_finite(name, labels)
    if len(np.unique(labels)) < count:
        values, counts = np.unique(labels, return_counts=True)
        raise ValueError(f"{name} must differ from each other, got {values[counts.argmax()].item()!r} more than once")
    labels = labels.copy()
    labels.flags.writeable = False
    return labels


def check_feature_names(name: str, value: Any, n_features: int) -> tuple[str, ...]:
    """Return the names of the features, or refuse them."""
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise TypeError(f"{name} must be a sequence of str, got {_kind(value)}")
    names = tuple(value)
    for i, one in enumerate(names):
        if not isinstance(one, str):
            raise TypeError(f"{name}[{i}] must be a str, got {_kind(one)} {one!r}")
    if len(names) != n_features:
        raise ValueError(f"{name} must have {n_features} names, one a feature, got {len(names)}")
    return tuple(str(one) for one in names)
