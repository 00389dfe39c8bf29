"""The user's sparse matrix (SciPy): checked at the door, and written out as dense rows a block at a time.

SciPy itself is not imported: who has a sparse matrix has it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import checks

_SOME_ROWS = 1000

# Bytes of dense rows that are written together.
BLOCK_BYTES = 32 << 20


def is_sparse(X: Any) -> bool:
    """Whether this is a sparse matrix or array of SciPy, of any format."""
    return hasattr(X, "tocsr")


def check_sparse(name: str, value: Any, n_columns: int | None, dtype: np.dtype[Any] | type) -> Any:
    """Return a sparse matrix as CSR of uint8, float32 or float64, or refuse it; the user's own is not changed.

    Columns are sorted within a row and none comes twice. Entries that are so already are not copied.

    Parameters
    ----------
    name : str
        Of the argument.
    value : sparse matrix or array of any format
    n_columns : int or None
        That it must have.
    dtype : dtype
        Of the network, which must hold all values.
    """
    if value.ndim != 2:
        raise ValueError(f"{name} must have 2 dimensions (n_samples, n_features), got shape {value.shape}")
    if n_columns is not None and value.shape[1] != n_columns:
        raise ValueError(f"{name} has {value.shape[1]} features, but the network expects {n_columns}")
    rows = value.tocsr()
    rows = type(rows)((checks.check_array(name, rows.data), rows.indices, rows.indptr), shape=rows.shape)
    try:
        rows.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"{name} is no valid {type(value).__name__}: {error}") from None
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    _check_finite(name, rows, dtype)
    return rows


def _check_finite(name: str, rows: Any, dtype: np.dtype[Any] | type) -> None:
    """Refuse what the network's dtype can't hold; the first is named with its row and column."""
    if rows.data.dtype.kind != "f":
        return
    good = np.abs(rows.data) <= np.finfo(dtype).max  # NaN is not
    if not good.all():
        at = int(np.argmin(good))
        row = int(np.searchsorted(rows.indptr, at, side="right")) - 1
        checks.refuse_value(name, rows.data[at], f"row {row}, column {rows.indices[at]}", dtype)


def some_rows(X: Any) -> Any:
    """Return a thousand rows or so."""
    return X[:: max(1, X.shape[0] // _SOME_ROWS)]


def density(X: Any) -> float:
    """Share of elements that are not zero, of some rows if there are many; X is a CSR matrix or dense."""
    some = some_rows(X)
    count = some.count_nonzero() if is_sparse(some) else np.count_nonzero(some)
    return float(count / max(1, some.shape[0] * some.shape[1]))


def rows_at_once(X: Any, at_least: int) -> int:
    """How many dense rows are written together: a multiple of ``at_least``."""
    return max(1, BLOCK_BYTES // max(1, at_least * X.shape[1] * X.dtype.itemsize)) * at_least


def dense_blocks(X: Any, n_rows: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first row and the dense rows of each block of ``n_rows`` rows of a sparse matrix."""
    for start in range(0, X.shape[0], n_rows):
        yield start, X[start : start + n_rows].toarray()


class RowBlocks:
    """Rows of a sparse matrix in the order of an epoch, written out for one compiled call after the other.

    Parameters
    ----------
    X : CSR matrix of shape (n_samples, n_features)
    batch_size : int
    """

    def __init__(self, X: Any, batch_size: int):
        self._X, self._batch_size = X, batch_size
        self._order: np.ndarray | None = None
        self._targets: Any = None
        self._targets_in_order: Any = None

    @property
    def minibatches(self) -> int:
        """How many are written out together."""
        return rows_at_once(self._X, self._batch_size) // self._batch_size

    def rows(self, order: np.ndarray, begin: int, end: int) -> np.ndarray:
        """Return the dense rows of minibatches ``begin`` to ``end``."""
        block: np.ndarray = self._X[order[begin * self._batch_size : end * self._batch_size]].toarray()
        return block

    def targets(self, targets: Any, order: np.ndarray) -> Any:
        """Return the targets in the order of an epoch."""
        if self._order is not order or self._targets is not targets:
            names = [name for name in ("labels", "values", "weights") if getattr(targets, name).size]
            changed = {name: getattr(targets, name)[order] for name in names}
            self._order, self._targets, self._targets_in_order = order, targets, targets._replace(**changed)
        return self._targets_in_order
