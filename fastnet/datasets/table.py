"""What each reader is asked, and what it returns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exceptions import FormatError

FILL_OR_REMOVE = "fill missing values or remove such rows first"
MISSING = frozenset(("", "nan", "na", "n/a", "null", "none", "?"))  # how tables write that there is no value
WHOLE = "whole"  # the only part of data that bring no split
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Options:
    """The arguments of `fastnet.read_data` that concern readers, checked."""

    target: str | int | Path | None = None
    drop: Sequence[str | int] = ()
    feature_names: Sequence[str] | None = None
    delimiter: str | None = None
    header: bool | None = None
    image_shape: tuple[int, ...] | None = None
    labelled: bool = False  # whether a table without a target is refused

    @property
    def column(self) -> str | int | None:
        """The target as the name or index of a column."""
        return str(self.target) if isinstance(self.target, Path) else self.target


class Labels(NamedTuple):
    """The labels of all rows: the distinct ones, and which of them each row has."""

    values: NDArray[Any]  # sorted and distinct: str, int64 or float64
    codes: NDArray[np.int64]  # of shape (n_samples,)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows as a reader found them. ``place(row)`` says where a row lies, for messages."""

    X: Any
    labels: Labels | None = None
    feature_names: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None
    files: tuple[str, ...] | None = None
    place: Callable[[int], str] = field(default=lambda row: f"row {row}")


def check_values(values: NDArray[Any], place: Callable[[int, int], str]) -> None:
    """Refuse NaN (a missing value), infinity and what float32 can't hold; ``place(row, column)`` names the first."""
    if values.dtype.kind != "f":
        return
    limit = float(np.finfo(np.float32 if values.dtype.itemsize <= 4 else np.float64).max)
    good = np.abs(values) <= limit
    if not good.all():
        row, column = (int(index) for index in np.unravel_index(int(np.argmin(good)), good.shape))
        what = "a missing value (NaN)" if np.isnan(values[row, column]) else "infinity"
        raise FormatError(f"{place(row, column)}: found {what}, expected a finite number; {FILL_OR_REMOVE}")
