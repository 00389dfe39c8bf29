"""Data by name or from the user's own files, split into training, validation and test."""

import os
from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import FormatError
from ..idx import as_int, as_path
from . import catalogue
from .dataset import Dataset, Task
from .labels import encode
from .read import check_options, check_task, read_tables, source_name
from .split import at_random, contiguous, stratified
from .table import PARTS, WHOLE, Options, Table

_TEST, _VALIDATION = 0.2, 0.1
_LARGE = 1 << 30  # bytes; a mapped array of more is cut into slices, a smaller one copied row by row


def load_data(
    source: str | os.PathLike[str],
    *,
    target: str | int | os.PathLike[str] | None = None,
    drop: str | int | Sequence[str | int] = (),
    task: Task | None = None,
    validation: float | str | os.PathLike[str] | None = None,
    test: float | str | os.PathLike[str] | None = None,
    seed: int = 0,
    delimiter: str | None = None,
    header: bool | None = None,
    image_shape: Sequence[int] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> Dataset:
    """Load a data set by its name, or a file or folder of your own, in three parts.

    ================= ==========================================================================================
    source            what is read
    ================= ==========================================================================================
    a name            digits, moons, mnist, fashion-mnist, iris, wine, breast-cancer, olivetti
    .csv .tsv .txt    a table of numbers, UTF-8, also packed (.gz): `target` names the column to predict
    .parquet          the same, through pyarrow (``pip install 'fastnet-numba[parquet]'``)
    .npz              X and y; or X_train, y_train, X_test, … ; or what `scipy.sparse.save_npz` writes, and y
    .npy              X, mapped, not read; y in NAME_y.npy, beside X.npy in y.npy or labels.npy, or in a column
    IDX               ``…-images-idx3-ubyte``, packed or not, its labels in ``…-labels-idx1-ubyte``; or a folder with
                      those of ``train`` and ``t10k``
    a folder          images, a folder per class; or folders train and test (and val) of such folders. Needs Pillow
                      (``pip install 'fastnet-numba[images]'``)
    ================= ==========================================================================================

    A path that has the name of a data set is written ``./iris``.

    Labels may be text or numbers; y are their indices in `Dataset.classes`, which is sorted. By default the data say
    what they are: text is classes; numbers that are not all whole are target values (a regression); whole numbers
    are classes, unless there are more than 20 distinct ones with fewer than 10 rows each on average.

    The split: parts that the source brings are kept. If it brings a test part, validation is drawn from the training
    rows, and if it brings none, both are. Classes have the same share of each part, up to a row, and at least one row
    of each class trains; the rows are drawn from `seed`. A mapped array of more than 1 GiB is not copied:
    its first rows train, the next validate, the last test, so they must lie in random order.

    Parameters
    ----------
    source : str or os.PathLike
        A name or a path.
    target : str, int or os.PathLike, optional
        The column to predict: its name, or its index counted from 0, or from the end with -1. For arrays and IDX
        files a column's index or a file of labels (NPY or IDX), if labels are not where they are looked for.
    drop : str, int or sequence of these
        Columns of a table that are no features, such as row numbers or text.
    task : "classification" or "regression", optional
        What the target is. None decides as above.
    validation, test : float or path, optional
        Share of all rows (of the training rows, if the source brings a test part), from 0 to less than 1, or a
        file of the same kind. Default 0.1 and 0.2, or what the source brings.
    seed : int, default 0
        0 to 2**32 - 1, for the split. The moons are drawn from it.
    delimiter : str, optional
        What separates the cells of a text table: a character, or comma, tab, semicolon, pipe, space. None looks at
        the first rows.
    header : bool, optional
        Whether the first row of a text table names the columns. None looks at the first rows.
    image_shape : sequence of int, optional
        (height, width) scales images to grey ones of that size, (height, width, 3) to RGB. None: all must be as the
        first.
    data_dir, download
        For the names: see `load_mnist`.

    Returns
    -------
    Dataset
        X float32 from tables, uint8 from images, and as it was stored from arrays; y int64, or float64 in
        regression.

    Raises
    ------
    FileNotFoundError
        If there is no such file and no data set of that name; the nearest name is given.
    FormatError
        If the content is not what its format or the arguments promise; with the file, and row and column if a value is
        missing or not a number.
    ValueError, TypeError
        If an argument is wrong, such as the name of a column.
    DownloadError
        If no mirror serves a file.
    ModuleNotFoundError
        If a Parquet file or an image is to be read and the package for it is missing.

    Examples
    --------
    >>> load_data("wine")
    Dataset 'wine': 13 features, 3 classes
      train       X (124, 13) float32     y (124,) int64
      validation  X (18, 13) float32      y (18,) int64
      test        X (36, 13) float32      y (36,) int64
    """
    options = replace(check_options(target, drop, None, delimiter, header, image_shape), labelled=True)
    check_task(task)
    seed = as_int("seed", seed, least=0, most=2**32 - 1)
    shares = _share("validation", validation), _share("test", test)
    if (shares[0] or 0) + (shares[1] or 0) >= 1:
        raise ValueError(f"validation and test are {validation} and {test}; expected a sum of less than 1")
    if str(source) in catalogue.NAMES:
        folder = None if data_dir is None else as_path("data_dir", data_dir)
        _refuse_for_names(str(source), options)
        data = catalogue.load_split(str(source), seed, folder, download)
        if data is not None:
            _refuse_shares(str(source), {"validation": validation, "test": test})
            return data
        tables = {WHOLE: catalogue.load_table(str(source), folder, download)}
    else:
        tables = read_tables(source, options)
        _expect_labels(tables, source, options)
    for part, where in ("validation", validation), ("test", test):
        if isinstance(where, str | os.PathLike):
            tables = _with_part(tables, part, where, options)
    return _dataset(source, tables, task, shares, seed, {"validation": validation, "test": test})


def _share(argument: str, value: Any) -> float | None:
    """Return a share of the rows; None for the default and for a path."""
    if value is None or isinstance(value, str | os.PathLike):
        return None
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{argument} is {value!r}; expected a share from 0 to less than 1, or a path")
    if not 0 <= float(value) < 1:
        raise ValueError(f"{argument} is {value!r}; expected a share of the rows, from 0 to less than 1")
    return float(value)


def _refuse_for_names(name: str, options: Options) -> None:
    for argument in ("target", "drop", "delimiter", "header", "image_shape"):
        if getattr(options, argument) not in (None, ()):
            raise ValueError(
                f"{argument} is {getattr(options, argument)!r}; {name!r} is a data set that needs none. A file of "
                f"that name is written {os.path.join('.', name)!r}"
            )


def _refuse_shares(source: str, asked: dict[str, Any]) -> None:
    for argument, value in asked.items():
        if value is not None:
            raise ValueError(
                f"{argument} is {value!r}; {source} brings its own {argument} part, which is kept: leave it out"
            )


def _expect_labels(tables: dict[str, Table], source: str | os.PathLike[str], options: Options) -> None:
    for part, table in tables.items():
        if table.labels is None:
            what = "" if part == WHOLE else f" for its {part} part"
            raise ValueError(
                f"target is {options.target!r}; no labels are known{what} in {os.fspath(source)}: expected the index "
                "of the column to predict, a file of labels, or images in a folder per class"
            )


def _with_part(
    tables: dict[str, Table], part: str, where: str | os.PathLike[str], options: Options
) -> dict[str, Table]:
    """Add a part that is read from a file of its own."""
    if part in tables:
        raise ValueError(f"{part} is {os.fspath(where)!r}; the source brings its own {part} part, which is kept")
    first = next(iter(tables.values()))
    like = replace(options, feature_names=first.feature_names, drop=() if first.feature_names else options.drop)
    if first.image_shape is not None and first.files is not None:
        like = replace(like, image_shape=first.image_shape)
    found = read_tables(where, like)
    if WHOLE not in found:
        raise ValueError(f"{part} is {os.fspath(where)!r}, which brings a split of its own; expected rows of one part")
    _expect_labels(found, where, options)
    if found[WHOLE].X.shape[1] != first.X.shape[1]:
        raise FormatError(f"{where}: found {found[WHOLE].X.shape[1]} features, expected {first.X.shape[1]}")
    return {**tables, part: found[WHOLE]}


def _dataset(
    source: str | os.PathLike[str],
    tables: dict[str, Table],
    task: Task | None,
    shares: tuple[float | None, float | None],
    seed: int,
    asked: dict[str, Any],
) -> Dataset:
    """Encode the labels of all parts and draw the parts that are missing."""
    name = os.fspath(source)
    table = tables[WHOLE] if WHOLE in tables else tables["train"]
    y, classes, task = encode(table, name, None, task)
    if classes is not None and len(np.unique(y)) < 2:
        raise FormatError(f"{name}: found one class only, {classes[y[0]]!r}; expected at least two")
    rest = {
        part: (other.X, encode(other, name, classes, task)[0]) for part, other in tables.items() if other is not table
    }
    _refuse_shares(name, {part: value for part, value in asked.items() if part in rest and isinstance(value, Real)})
    validation, test = (
        0.0 if part in rest else default if share is None else share
        for part, share, default in (("validation", shares[0], _VALIDATION), ("test", shares[1], _TEST))
    )
    drawn, how = _drawn(name, table.X, y, classes, (validation, test), seed)
    parts = {**drawn, **rest}
    return Dataset(
        source_name(name),
        *(array for part in PARTS for array in parts[part]),
        classes=classes,
        feature_names=table.feature_names,
        image_shape=table.image_shape,
        task=task,
        split="own" if validation == test == 0 and rest else how,
    )


def _drawn(
    source: str, X: Any, y: NDArray[Any], classes: NDArray[Any] | None, shares: tuple[float, float], seed: int
) -> tuple[dict[str, tuple[Any, NDArray[Any]]], str]:
    """Return the three parts of X and y, and how they were drawn."""
    validation, test = shares
    rows: Any
    if isinstance(X, np.memmap) and X.nbytes > _LARGE:
        rows, how = contiguous(len(y), validation, test), "contiguous"
    elif classes is None:
        rows, how = at_random(len(y), validation, test, seed), "random"
    else:
        rows, how = stratified(y, validation, test, seed), "stratified"
    parts = {part: (X[index], y[index]) for part, index in zip(PARTS, rows, strict=True)}
    expected = 1 + sum(share > 0 for share in shares)
    if sum(len(part) > 0 for _, part in parts.values()) < expected or not len(parts["train"][1]):
        raise FormatError(f"{source}: found {len(y)} rows, too few to train, validate and test with them")
    if how == "contiguous" and classes is not None:
        missing = np.setdiff1d(y, parts["train"][1])
        if missing.size:
            raise FormatError(
                f"{source}: the first {len(parts['train'][1]):,} rows hold no row of the class "
                f"{str(classes[missing[0]])!r}: the array is mapped and cut into slices, so shuffle its rows first"
            )
    return parts, how
