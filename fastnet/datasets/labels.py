"""From labels as files hold them to class indices or target values."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import FormatError
from .columns import did_you_mean, listed
from .dataset import Task
from .table import FILL_OR_REMOVE, MISSING, Labels, Table

_ALWAYS_MISSING = frozenset(("", "nan"))  # the others may be the name of a class
_FEW = 20  # whole numbers with no more distinct values than this are classes
_ROWS_PER_CLASS = 10  # and so are more of them, with this many rows each on average


class Codes(dict[str, int]):
    """Numbers words in the order of their first appearance."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number

    def of(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Return the number of each word."""
        return np.fromiter(map(self.__getitem__, words), np.int64, len(words))


def labels_from_words(words: Sequence[str], codes: NDArray[np.int64], place: Callable[[int], str]) -> Labels:
    """Return the labels that distinct words stand for: numbers if all are, else text without spaces around it.

    Parameters
    ----------
    words : sequence of str
        Distinct cells of the target column.
    codes : ndarray of shape (n_samples,)
        Which of them each row has.
    place : callable
        Says where a row's target lies.
    """
    stripped = [word.strip() for word in words]
    numbers = [_number(word) for word in stripped]
    missing = [word.lower() in MISSING and number is None for word, number in zip(stripped, numbers, strict=True)]
    text = any(number is None and not gone for number, gone in zip(numbers, missing, strict=True))
    for code, word in enumerate(stripped):
        if missing[code] and (not text or word.lower() in _ALWAYS_MISSING):
            row = int(np.argmax(codes == code))
            found = f"{word!r}" if word else "an empty cell"
            raise FormatError(f"{place(row)}: found {found} (a missing value), expected a label; {FILL_OR_REMOVE}")
    if text:
        return _sorted(np.array(stripped), codes)
    return _sorted(_whole_if_all_are(np.array([number for number in numbers if number is not None])), codes)


def labels_from_array(array: NDArray[Any], n_rows: int, what: str) -> Labels:
    """Return the labels in an array: text or numbers, of shape (n_samples,) or (n_samples, 1), or one-hot rows.

    Parameters
    ----------
    array : ndarray
        As it was read.
    n_rows : int
        How many labels are expected.
    what : str
        What messages call the array.
    """
    if array.ndim == 2 and array.shape[1] > 1 and _is_one_hot(array):
        array = array.argmax(axis=1)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (n_rows,):
        raise FormatError(f"{what}: found shape {array.shape}, expected ({n_rows},), one label for each row of X")
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    if array.dtype.kind == "U":
        codes = Codes()
        numbers = codes.of(array.tolist())
        return labels_from_words(list(codes), numbers, lambda row: f"{what}, row {row}")
    if array.dtype.kind not in "buif":
        raise FormatError(f"{what}: found dtype {array.dtype}, expected numbers or text")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array)))
        raise FormatError(f"{what}, row {row}: found {array[row]}, expected a finite number; {FILL_OR_REMOVE}")
    values, inverse = np.unique(array, return_inverse=True)
    return Labels(_whole_if_all_are(values), inverse.astype(np.int64))


def encode(
    table: Table, file: str, classes: NDArray[Any] | None, task: Task | None
) -> tuple[NDArray[Any], NDArray[Any] | None, Task]:
    """Return y, the classes and the task; `classes` and `task` say what is expected, None leaves it to the data."""
    labels = table.labels
    if labels is None:
        raise ValueError(f"{file} holds no targets")
    if task is None:
        task = "classification" if classes is not None else guess_task(labels)
    if task == "regression":
        return _values(labels, table), None, task
    if classes is None:
        return labels.codes, labels.values, task
    return _indices(labels, table, classes), classes, task


def guess_task(labels: Labels) -> Task:
    """Return what labels are by themselves.

    Text is classes. Numbers that are not all whole are target values. Whole numbers are classes, unless there
    are more than 20 distinct ones with fewer than 10 rows each on average.
    """
    if labels.values.dtype.kind == "U":
        return "classification"
    few = len(labels.values) <= _FEW or len(labels.codes) >= _ROWS_PER_CLASS * len(labels.values)
    return "classification" if labels.values.dtype.kind in "iu" and few else "regression"


def _number(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in word else None


def _whole_if_all_are(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind in "bui":
        return values.astype(np.int64)
    values = values.astype(np.float64)
    return values.astype(np.int64) if (values == np.floor(values)).all() and (np.abs(values) < 2**53).all() else values


def _sorted(values: NDArray[Any], codes: NDArray[np.int64]) -> Labels:
    """Return labels whose values are sorted and distinct: ``1`` and ``1.0`` are one."""
    distinct, inverse = np.unique(values, return_inverse=True)
    return Labels(distinct, inverse.astype(np.int64)[codes])


def _is_one_hot(array: NDArray[Any]) -> bool:
    if array.dtype.kind not in "buif":
        return False
    return bool(((array == 0) | (array == 1)).all() and (np.count_nonzero(array, axis=1) == 1).all())


def _values(labels: Labels, table: Table) -> NDArray[np.float64]:
    if labels.values.dtype.kind == "U":
        row = int(np.argmax(labels.codes == next(i for i, v in enumerate(labels.values) if _number(str(v)) is None)))
        found = str(labels.values[labels.codes[row]])
        raise FormatError(f"{table.place(row)}: found the target {found!r}, expected a number as task='regression'")
    return labels.values.astype(np.float64)[labels.codes]


def _indices(labels: Labels, table: Table, classes: NDArray[Any]) -> NDArray[np.int64]:
    """Return the index of each row's label in `classes`, which may be text where labels are numbers, or vice versa."""
    known = {_key(label): index for index, label in enumerate(classes.tolist())}
    found = [known.get(_key(label), -1) for label in labels.values.tolist()]
    present = np.bincount(labels.codes, minlength=len(found))
    for code, index in enumerate(found):
        if index < 0 and present[code]:
            row, label = int(np.argmax(labels.codes == code)), str(labels.values[code])
            names = [str(name) for name in classes.tolist()]
            raise FormatError(
                f"{table.place(row)}: found the label {label!r}, expected one of {listed(names)}."
                f"{did_you_mean(label, names)}"
            )
    return np.array(found, np.int64)[labels.codes]


def _key(label: Any) -> str | float:
    number = _number(str(label))
    return str(label) if number is None else number
