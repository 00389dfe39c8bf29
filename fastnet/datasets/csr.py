"""Compressed sparse rows as `scipy.sparse.save_npz` writes them, checked before anything follows their indices."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import FormatError
from .table import FILL_OR_REMOVE


def csr_from_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return a `scipy.sparse.csr_array` of shape (n_samples, n_features), float32 or float64.

    Parameters
    ----------
    path : Path
        For messages.
    arrays : mapping of str to ndarray
        format, shape, data, indices and indptr.

    Raises
    ------
    FormatError
        If the format is another one, or indices lie outside, or values are not finite. Columns of a row may come
        in any order; entries that are named twice are added, as SciPy does.
    """
    kind = arrays["format"].item()
    kind = kind.decode("ascii", "replace") if isinstance(kind, bytes) else str(kind)
    if kind != "csr":
        raise FormatError(f"{path}: found a sparse matrix of format {kind!r}, expected 'csr'; save X.tocsr()")
    missing = {"indices", "indptr"} - set(arrays)
    if missing:
        raise FormatError(f"{path}: found no array {sorted(missing)[0]!r}, expected data, indices and indptr")
    data, indices, indptr, shape = (arrays[key] for key in ("data", "indices", "indptr", "shape"))
    _check(path, data, indices, indptr, shape)

    from scipy.sparse import csr_array

    values = data if data.dtype in (np.float32, np.float64) else data.astype(np.float32 if data.itemsize < 4 else float)
    matrix = csr_array((values, indices, indptr), shape=tuple(shape.tolist()))
    matrix.sum_duplicates()  # sorts the columns of each row, too
    return matrix


def _check(path: Path, data: Any, indices: Any, indptr: Any, shape: Any) -> None:
    if shape.shape != (2,) or shape.dtype.kind not in "iu" or shape.min() < 1:
        raise FormatError(f"{path}: shape is {shape.tolist()}, expected (n_samples, n_features), both at least 1")
    n_rows, n_columns = shape.tolist()
    for name, array in (("indices", indices), ("indptr", indptr)):
        if array.ndim != 1 or array.dtype.kind != "i":
            raise FormatError(f"{path}: {name} has shape {array.shape} and dtype {array.dtype}, expected 1-D integers")
    if data.shape != indices.shape or data.dtype.kind not in "buif":
        raise FormatError(
            f"{path}: data has shape {data.shape} and dtype {data.dtype}, expected {indices.shape} numbers, as indices"
        )
    if len(indptr) != n_rows + 1 or indptr[0] != 0 or indptr[-1] != len(data) or (np.diff(indptr) < 0).any():
        raise FormatError(
            f"{path}: indptr must have {n_rows + 1} entries that rise from 0 to {len(data)}, found {len(indptr)}, from "
            f"{indptr[0] if len(indptr) else '-'} to {indptr[-1] if len(indptr) else '-'}"
        )
    outside = np.flatnonzero((indices < 0) | (indices >= n_columns))
    if outside.size:
        entry = int(outside[0])
        row = int(np.searchsorted(indptr, entry, "right")) - 1
        raise FormatError(
            f"{path}, row {row}: found column index {indices[entry]} at entry {entry}, expected 0 to {n_columns - 1}"
        )
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        entry = int(np.argmin(np.isfinite(data)))
        row = int(np.searchsorted(indptr, entry, "right")) - 1
        raise FormatError(
            f"{path}, row {row}, column {indices[entry]}: found {data[entry]}, expected a finite number; "
            f"{FILL_OR_REMOVE}"
        )
