"""Files and folders of any known format, and data sets by name, as they are: no split, no shuffling."""

import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import FormatError
from ..idx import as_path
from . import catalogue
from .columns import did_you_mean
from .dataset import Dataset, Samples, Task
from .dialect import DELIMITERS
from .labels import encode
from .table import PARTS, WHOLE, Labels, Options, Table

_TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
_PARQUET = (".parquet", ".pq")
_FORMATS = (
    "CSV or TSV (.csv, .tsv, .txt, .data, also .gz), NPZ, NPY, Parquet (.parquet), IDX (-ubyte, .idx, also .gz), "
    "an image, or a folder of images per class"
)
_MAGIC = {b"PK\x03\x04": ".npz", b"\x93NUMPY": ".npy", b"PAR1": ".parquet"}


def read_data(
    path: str | os.PathLike[str],
    *,
    target: str | int | os.PathLike[str] | None = None,
    classes: Any = None,
    feature_names: Sequence[str] | None = None,
    drop: str | int | Sequence[str | int] = (),
    task: Task | None = None,
    part: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    image_shape: Sequence[int] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> Samples:
    r"""Read a file or folder whole: to predict on it, or to evaluate a network that is trained.

    Parameters
    ----------
    path : str or os.PathLike
        What `load_data` takes as its source.
    target : str, int or os.PathLike, optional
        The column to predict, by name or index. None leaves y of a table out; arrays and images have their labels
        beside them (see `load_data`) and need no target.
    classes : array_like of shape (n_classes,), optional
        The labels that indices stand for, such as ``network.classes``: y becomes indices of these. None takes the
        labels that are there, sorted.
    feature_names : sequence of str, optional
        The columns to read, in this order; others are ignored. None reads all but target and `drop`.
    drop : str, int or sequence of these
        Columns of a table to leave out.
    task : "classification" or "regression", optional
        What the target is. None: see `load_data`.
    part : "train", "validation", "test" or "whole", optional
        Which part of data that bring a split; "whole" is all of them, one after another. None takes the test part if
        there is one.
    delimiter, header, image_shape, data_dir, download
        See `load_data`.

    Returns
    -------
    Samples
        X, y, classes, feature_names, image_shape, task, and for images their files.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the content is not what its format or the arguments promise; the message names the place.
    ValueError, TypeError
        If an argument is wrong.
    ModuleNotFoundError
        If a Parquet file or an image is to be read and the package for it is missing.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "flowers.csv")
    >>> _ = path.write_text("length,width,kind\n5.1,3.5,iris\n4.9,3.0,rose\n")
    >>> samples = read_data(path, target="kind")
    >>> samples
    Samples 'flowers': 2 features, 2 classes
      X (2, 2) float32        y (2,) int64
    >>> samples.classes[samples.y]
    array(['iris', 'rose'], dtype='<U4')
    """
    options = check_options(target, drop, feature_names, delimiter, header, image_shape)
    check_task(task)
    if part is not None and part not in (*PARTS, WHOLE):
        raise ValueError(f"part is {part!r}; expected one of {', '.join(PARTS)}, {WHOLE}.{did_you_mean(part, PARTS)}")
    known = None if classes is None else np.asarray(classes)
    if known is not None and (known.ndim != 1 or known.dtype.kind not in "buifUS" or len(known) == 0):
        raise ValueError(f"classes has shape {known.shape} and dtype {known.dtype}; expected 1-D text or numbers")
    if str(path) in catalogue.NAMES:
        tables = _named_tables(str(path), None if data_dir is None else as_path("data_dir", data_dir), download)
    else:
        tables = read_tables(path, options)
    if known is None and task != "regression" and "train" in tables and tables["train"].labels is not None:
        _, known, task = encode(tables["train"], str(path), None, task)
    chosen = _part(tables, part, str(path))
    samples = [_samples(source_name(path), table, str(path), known, task) for table in chosen]
    return samples[0] if len(samples) == 1 else _joined(samples)


def read_tables(path: str | os.PathLike[str], options: Options) -> dict[str, Table]:
    """Return the parts of a file or folder, by name, or ``whole``."""
    file = as_path("source", path)
    if file.is_dir():
        return _read_folder(file, options)
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(_not_there(file)) from None
    if not stat.S_ISREG(mode):
        raise FormatError(f"{file}: not a regular file (mode {stat.filemode(mode)}), expected a file or a folder")
    return _read_file(file, options)


def check_options(target: Any, drop: Any, feature_names: Any, delimiter: Any, header: Any, image_shape: Any) -> Options:
    """Return the arguments that concern readers, or refuse them."""
    if isinstance(target, bool) or not (target is None or isinstance(target, str | int | os.PathLike)):
        raise TypeError(f"target is {target!r}; expected a column's name or index, or a file of labels")
    dropped = (drop,) if isinstance(drop, str | int) else tuple(drop)
    if any(isinstance(column, bool) or not isinstance(column, str | int) for column in dropped):
        raise TypeError(f"drop is {drop!r}; expected names or indices of columns")
    if isinstance(feature_names, str):
        raise TypeError(f"feature_names is {feature_names!r}; expected a sequence of names")
    if (
        delimiter is not None
        and delimiter not in DELIMITERS
        and not (isinstance(delimiter, str) and len(delimiter) == 1)
    ):
        raise ValueError(f"delimiter is {delimiter!r}; expected one character, or one of {', '.join(DELIMITERS)}")
    if delimiter in ("\n", "\r", '"'):
        raise ValueError(f"delimiter is {delimiter!r}; expected one that is no quote and no end of line")
    if header not in (None, True, False):
        raise TypeError(f"header is {header!r}; expected True, False or None")
    return Options(
        Path(target) if isinstance(target, os.PathLike) else target,
        dropped,
        None if feature_names is None else tuple(feature_names),
        delimiter,
        header,
        _checked_shape(image_shape),
    )


def check_task(task: Any) -> None:
    """Refuse a task that there is not."""
    if task not in (None, "classification", "regression"):
        raise ValueError(f"task is {task!r}; expected 'classification', 'regression' or None")


def source_name(path: str | os.PathLike[str]) -> str:
    """Return what data are called: the name of the file without what it ends on."""
    name = Path(path).name.removesuffix(".gz")
    return Path(name).stem or name or str(path)


def _checked_shape(image_shape: Any) -> tuple[int, ...] | None:
    if image_shape is None:
        return None
    shape = tuple(image_shape) if isinstance(image_shape, Sequence) else ()
    whole = all(isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= 1 << 14 for n in shape)
    if len(shape) not in (2, 3) or not whole or (len(shape) == 3 and shape[2] != 3):
        raise ValueError(f"image_shape is {image_shape!r}; expected (height, width) or (height, width, 3), in pixels")
    return shape


def _read_folder(folder: Path, options: Options) -> dict[str, Table]:
    from .idx_files import find_idx_folder, read_idx_folder
    from .images import read_images

    return read_idx_folder(folder, options) if find_idx_folder(folder) else read_images(folder, options)


def _read_file(file: Path, options: Options) -> dict[str, Table]:
    from . import arrays, delimited, idx_files, images

    kind = file.name.lower().removesuffix(".gz")
    suffix = _MAGIC.get(_first_bytes(file), "")
    if kind.endswith(_TEXT) and not suffix:
        return {WHOLE: delimited.read_delimited(file, options)}
    if images.is_image(file):
        return images.read_images(file, options)
    if idx_files.is_idx(file):
        return idx_files.read_idx_pair(file, options)
    if kind.endswith(".npz") or suffix == ".npz":
        return arrays.read_npz(file, options)
    if kind.endswith(".npy") or suffix == ".npy":
        return arrays.read_npy(file, options)
    if kind.endswith(_PARQUET) or suffix == ".parquet":
        from .parquet import read_parquet

        return {WHOLE: read_parquet(file, options)}
    raise FormatError(f"{file}: found a file of no known kind, expected {_FORMATS}")


def _first_bytes(file: Path) -> bytes:
    with file.open("rb") as opened:
        head = opened.read(6)
    return next((magic for magic in _MAGIC if head.startswith(magic)), b"")


def _not_there(file: Path) -> str:
    names = [entry.name for entry in file.parent.iterdir()] if file.parent.is_dir() else []
    near = get_close_matches(file.name, [name for name in names if not name.startswith(".")], 1)
    hint = did_you_mean(str(file), catalogue.NAMES) if not file.suffix else ""
    if not hint and near:
        hint = f" Did you mean {str(file.parent / near[0])!r}?"
    return (
        f"source is {str(file)!r}; there is no such file or folder, and no data set of that name "
        f"({', '.join(catalogue.NAMES)}).{hint}"
    )


def _named_tables(name: str, data_dir: Path | None, download: bool) -> dict[str, Table]:
    data = catalogue.load_split(name, 0, data_dir, download)
    if data is None:
        return {WHOLE: catalogue.load_table(name, data_dir, download)}
    parts = (data.X_train, data.y_train), (data.X_val, data.y_val), (data.X_test, data.y_test)
    return {part: _as_table(data, X, y) for part, (X, y) in zip(PARTS, parts, strict=True)}


def _as_table(data: Dataset, X: Any, y: NDArray[Any]) -> Table:
    classes = np.arange(data.n_classes) if data.classes is None else data.classes
    return Table(X, Labels(classes, y), data.feature_names, data.image_shape)


def _part(tables: dict[str, Table], part: str | None, source: str) -> list[Table]:
    if part is None:
        part = "test" if "test" in tables else WHOLE
    if part == WHOLE:
        return list(tables.values())
    if part not in tables:
        raise ValueError(f"part is {part!r}; {source} brings {', '.join(tables)}")
    return [tables[part]]


def _samples(name: str, table: Table, source: str, classes: NDArray[Any] | None, task: Task | None) -> Samples:
    if table.labels is None:
        y, task = None, task or "classification"
    else:
        y, classes, task = encode(table, source, classes, task)
    return Samples(
        name,
        table.X,
        y,
        classes=classes,
        feature_names=table.feature_names,
        image_shape=table.image_shape,
        task=task,
        files=table.files,
    )


def _joined(parts: list[Samples]) -> Samples:
    """Return several parts as one."""
    first = parts[0]
    targets = [part.y for part in parts if part.y is not None]
    X = np.concatenate([part.X for part in parts])
    y = np.concatenate(targets) if len(targets) == len(parts) else None
    files = None if first.files is None else tuple(file for part in parts for file in part.files or ())
    return replace(first, X=X, y=y, files=files)
