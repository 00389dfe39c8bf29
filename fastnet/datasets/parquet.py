"""Parquet, column by column, through pyarrow (the extra ``parquet``)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import FormatError
from .columns import Columns, choose_columns
from .labels import Codes, labels_from_array, labels_from_words
from .table import FILL_OR_REMOVE, Labels, Options, Table, check_values

_BATCH = 1 << 16  # rows


def read_parquet(path: Path, options: Options) -> Table:
    """Read the columns of numbers and booleans of a Parquet file, and a target column if one is asked for.

    Parameters
    ----------
    path : Path
        A Parquet file.
    options : Options
        The target, a name or an index, and what to leave out.

    Returns
    -------
    Table
        X float32 of shape (n_samples, n_features); 65,536 rows are read at a time.

    Raises
    ------
    ModuleNotFoundError
        If pyarrow is missing.
    FormatError
        With row and column, if a value is missing or is no number, or if the file is damaged.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"reading {path.name} needs pyarrow, which is not installed: pip install 'fastnet-numba[parquet]'"
        ) from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            return _read(path, file, options)
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError | PermissionError | FormatError):
            raise
        raise FormatError(f"{path}: not a whole Parquet file: {error}") from error


def _read(path: Path, file: Any, options: Options) -> Table:
    schema = file.schema_arrow
    names = list(schema.names)
    columns = choose_columns(str(path), names, len(names), options)
    _check_types(path, {names[column]: schema.field(column).type for column in columns.features})
    n_rows = file.metadata.num_rows
    if not n_rows:
        raise FormatError(f"{path}: found no rows")
    X = np.empty((n_rows, len(columns.features)), np.float32)
    targets: list[Any] = []
    start = 0
    for batch in file.iter_batches(_BATCH, columns=[names[column] for column in columns.used]):
        for k, column in enumerate(columns.features):
            X[start : start + len(batch), k] = _numbers(path, batch.column(names[column]), names[column], start)
        if columns.target is not None:
            targets.append(batch.column(names[columns.target]))
        start += len(batch)
    labels = _labels(path, targets, names, columns, n_rows)

    def place(row: int) -> str:
        return f"{path}, row {row}" + ("" if columns.target is None else f", column {names[columns.target]!r}")

    return Table(X, labels, columns.names, place=place)


def _check_types(path: Path, kinds: dict[str, Any]) -> None:
    """Refuse features that are no numbers; the first is named, and the way out for all."""
    from pyarrow import types

    numeric = types.is_integer, types.is_floating, types.is_boolean, types.is_decimal
    others = [name for name, kind in kinds.items() if not any(is_kind(kind) for is_kind in numeric)]
    if others:
        raise FormatError(
            f"{path}, column {others[0]!r}: found the type {kinds[others[0]]}, expected numbers; leave it out with "
            f"drop={others!r}, or make it the target"
        )


def _numbers(path: Path, column: Any, name: str, start: int) -> NDArray[np.float64]:
    if column.null_count:
        row = start + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise FormatError(
            f"{path}, row {row}, column {name!r}: found a missing value (null), expected a number; {FILL_OR_REMOVE}"
        )
    values = np.asarray(column.to_numpy(zero_copy_only=False), np.float64)
    with np.errstate(over="ignore"):
        check_values(
            values.astype(np.float32)[:, np.newaxis], lambda row, _: f"{path}, row {start + row}, column {name!r}"
        )
    return values


def _labels(path: Path, targets: list[Any], names: list[str], columns: Columns, n_rows: int) -> Labels | None:
    if columns.target is None:
        return None
    name = names[columns.target]
    start = 0
    for column in targets:
        if column.null_count:
            row = start + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            raise FormatError(
                f"{path}, row {row}, column {name!r}: found a missing value (null), expected a label; {FILL_OR_REMOVE}"
            )
        start += len(column)
    arrays = [np.asarray(column.to_numpy(zero_copy_only=False)) for column in targets]
    if all(array.dtype.kind in "buif" for array in arrays):
        return labels_from_array(np.concatenate(arrays), n_rows, f"{path}, column {name!r}")
    words = Codes()
    codes = np.concatenate([words.of([str(value) for value in array.tolist()]) for array in arrays])
    return labels_from_words(list(words), codes, lambda row: f"{path}, row {row}, column {name!r}")
