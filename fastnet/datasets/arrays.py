"""NumPy's files: NPZ with several arrays, NPY with one, which is mapped and not read. Nothing is unpickled."""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import FormatError
from .columns import listed
from .csr import csr_from_arrays
from .labels import labels_from_array
from .table import PARTS, WHOLE, Labels, Options, Table, check_values

_DEFLATE_MAX_RATIO = 1032  # a deflate stream never grows more than this when inflated
_MOVABLE = 1 << 30  # bytes of a mapped array that may be copied to take a column out of it
_SUFFIXES = {"train": ("_train",), "validation": ("_val", "_valid", "_validation"), "test": ("_test",)}
_PLAIN_NAMES = ("x", "data", "images", "features", "samples")
_NOT_NPY = (ValueError, EOFError, SyntaxError, TypeError, tokenize.TokenError)  # NumPy's answers to bad headers
_NO_PICKLE = "holds Python objects (a pickle), which fastnet never loads; save text as np.array(labels, dtype=str)"


def read_npz(path: Path, options: Options) -> dict[str, Table]:
    """Read X and y, or X_train, y_train, X_test, … , or a CSR matrix as `scipy.sparse.save_npz` writes it.

    Labels are in ``y``, or else in a file beside it, or in the one that the target names. ``classes`` may name the
    labels 0, 1, … and ``feature_names`` the columns.

    Parameters
    ----------
    path : Path
        An NPZ file. Its arrays are read into memory; those of an NPY file are mapped.
    options : Options
        The target: a column of X, or a file of labels.

    Returns
    -------
    dict of str to Table
        One table "whole", or those that the file brings of "train", "validation" and "test".

    Raises
    ------
    FormatError
        If the file is damaged or cut, lies about sizes, holds pickles, or not what is expected.
    """
    arrays = _load_npz(path)
    names = _texts(path, arrays, "feature_names")
    classes = arrays.get("classes")
    if {"format", "shape", "data"} <= set(arrays):
        X = csr_from_arrays(path, arrays)
        labels = _labels_of(path, options, arrays.get("y"), X.shape[0], "y", classes)
        return {WHOLE: Table(X, labels, names, place=lambda row: f"{path}, row {row}")}
    found = {part: _pair(arrays, _SUFFIXES[part]) for part in PARTS}
    found = {part: pair for part, pair in found.items() if pair[0] is not None}
    if not found:
        found = {WHOLE: _pair(arrays, ("",))}
    if not {"train", WHOLE} & set(found) or next(iter(found.values()))[0] is None:
        raise FormatError(
            f"{path}: found the arrays {listed(sorted(arrays))}; expected X and y, or X_train, y_train, X_test, "
            "y_test, or what scipy.sparse.save_npz writes"
        )
    tables = {}
    for part, (X, y, key) in found.items():
        tables[part] = _table(path, options, arrays[X or ""], None if y is None else arrays[y], key, names, classes)
    return tables


def read_npy(path: Path, options: Options) -> dict[str, Table]:
    """Map one array of samples; only what is looked at is ever read from the disk.

    Labels are in the file that the target names, or in ``NAME_y.npy`` or ``NAME_labels.npy``; beside ``X_NAME.npy`` in
    ``y_NAME.npy``; beside ``X.npy`` (or data, images, features, samples) in ``y.npy`` or ``labels.npy``; or in a
    column: the target is then its index.

    Parameters
    ----------
    path : Path
        An NPY file of shape (n_samples, …) with numbers.
    options : Options
        The target.

    Returns
    -------
    dict of str to Table
        One table, "whole".
    """
    X = map_npy(path)
    return {WHOLE: _table(path, options, X, None, "y", None, None)}


def map_npy(path: Path) -> NDArray[Any]:
    """Return the array of an NPY file, mapped, read-only; one without elements is refused."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except _NOT_NPY as error:
        if "pickle" in str(error) or "object" in str(error).lower():
            raise FormatError(f"{path}: {_NO_PICKLE}") from None
        raise FormatError(f"{path}: not a whole NPY file: {error}") from error


def find_labels(path: Path, options: Options) -> Path | None:
    """Return the file of labels that belongs to a file of samples: the one that is named, or the one beside it."""
    if options.target is not None and not isinstance(options.target, int):
        named = Path(options.target)
        for candidate in (named, path.parent / named):
            if candidate.is_file():
                return candidate
        raise FileNotFoundError(
            f"target is {str(options.target)!r}; {path.name} has no named columns: expected a column's index or "
            f"a file of labels, and found none at {named} nor in {path.parent}"
        )
    stem = path.name.removesuffix(path.suffix)
    names = [f"{stem}_y.npy", f"{stem}_labels.npy"]
    if stem.startswith(("X_", "x_")):
        names.insert(0, f"y{stem[1:]}.npy")
    if stem.lower() in _PLAIN_NAMES:
        names += ["y.npy", "labels.npy"]
    return next((path.parent / name for name in names if name != path.name and (path.parent / name).is_file()), None)


def read_labels(path: Path, n_rows: int) -> Labels:
    """Read a file of labels: NPY or IDX."""
    if path.suffix.lower() == ".npy":
        return labels_from_array(np.asarray(map_npy(path)), n_rows, str(path))
    from ..idx import read_idx

    return labels_from_array(read_idx(path), n_rows, str(path))


def check_matrix(what: str, array: NDArray[Any]) -> tuple[NDArray[Any], tuple[int, ...] | None]:
    """Return samples as rows, and the shape of an image if each sample is one; nothing is copied."""
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise FormatError(f"{what}: found dtype {array.dtype}, expected numbers (uint8, float32, float64, …)")
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3, 4) or (array.ndim == 4 and array.shape[3] != 3) or 0 in array.shape:
        raise FormatError(
            f"{what}: found shape {array.shape}, expected (n_samples, n_features), or images of shape (n_samples, "
            "height, width) or (n_samples, height, width, 3), at least one"
        )
    image_shape = array.shape[1:] if array.ndim > 2 else None
    return array.reshape(len(array), -1), image_shape


def _table(
    path: Path,
    options: Options,
    array: NDArray[Any],
    y: NDArray[Any] | None,
    key: str,
    names: tuple[str, ...] | None,
    classes: NDArray[Any] | None,
) -> Table:
    X, image_shape = check_matrix(f"{path}: X", array)
    if options.drop:
        raise ValueError(f"drop is {list(options.drop)!r}; {path.name} holds arrays, whose columns can't be left out")
    index = column_index(options)
    if index is not None:
        X, y, key = _without_column(path, X, index), X[:, index], f"column {index}"
        image_shape = None
    if names is not None and len(names) != X.shape[1]:
        raise FormatError(f"{path}: found {len(names)} feature_names, expected {X.shape[1]}, one for each column of X")
    if not isinstance(X, np.memmap):
        check_values(X, lambda row, column: f"{path}: X, row {row}, column {column}")
    labels = _labels_of(path, options, y, len(X), key, classes)
    return Table(X, labels, names, image_shape, place=lambda row: f"{path}: {key}, row {row}")


def column_index(options: Options) -> int | None:
    """Return the column that the target names by its index, if it does."""
    if isinstance(options.target, int):
        return options.target
    word = str(options.target)
    return int(word) if word.removeprefix("-").isdigit() and not Path(word).exists() else None


def _without_column(path: Path, X: NDArray[Any], index: int) -> NDArray[Any]:
    """Return X without a column: a view if it is the first or last one."""
    n_columns = X.shape[1]
    if not -n_columns <= index < n_columns or n_columns == 1:
        raise ValueError(f"target is {index}; {path.name} has {n_columns} columns, expected one of several")
    index %= n_columns
    if index in (0, n_columns - 1):
        return X[:, 1:] if index == 0 else X[:, :-1]
    if isinstance(X, np.memmap) and X.nbytes > _MOVABLE:
        raise ValueError(
            f"target is {index}; {path.name} is mapped and too large to copy: expected the first or last column"
        )
    return np.delete(X, index, axis=1)


def _labels_of(
    path: Path, options: Options, y: NDArray[Any] | None, n_rows: int, key: str, classes: NDArray[Any] | None
) -> Labels | None:
    if y is None or (options.target is not None and column_index(options) is None):
        beside = find_labels(path, options)
        return None if beside is None else read_labels(beside, n_rows)
    labels = labels_from_array(y, n_rows, f"{path}: {key}")
    if classes is None:
        return labels
    if labels.values.dtype.kind not in "iu" or labels.values[0] < 0 or labels.values[-1] >= len(classes):
        raise FormatError(
            f"{path}: {key} holds the labels {listed(list(map(str, labels.values)))}; expected whole numbers from 0 to "
            f"{len(classes) - 1}, as there are {len(classes)} classes"
        )
    return Labels(np.array(classes), labels.values[labels.codes])


def _pair(arrays: Mapping[str, NDArray[Any]], suffixes: tuple[str, ...]) -> tuple[str | None, str | None, str]:
    """Return the keys of samples and labels, for either case of X."""
    for suffix in suffixes:
        for x in ("X", "x"):
            if x + suffix in arrays:
                y = "y" + suffix
                return x + suffix, y if y in arrays else None, y
    return None, None, "y"


def _texts(path: Path, arrays: Mapping[str, NDArray[Any]], key: str) -> tuple[str, ...] | None:
    if key not in arrays:
        return None
    array = arrays[key]
    if array.ndim != 1 or array.dtype.kind != "U":
        raise FormatError(f"{path}: {key} has shape {array.shape} and dtype {array.dtype}, expected 1-D text")
    return tuple(array.tolist())


def _load_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            return {member.filename.removesuffix(".npy"): _load_member(path, archive, member) for member in members}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FormatError(f"{path}: not a whole NPZ file: {error}") from error


def _load_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Read one array; what its header declares must be there, as far as the archive's list of contents tells."""
    if member.file_size > _DEFLATE_MAX_RATIO * (member.compress_size + 1):
        raise FormatError(f"{path}: {member.filename} claims {member.file_size:,} bytes, more than it can hold")
    try:
        with archive.open(member) as file:
            shape, dtype = _header(file)
            if dtype.hasobject:
                raise FormatError(f"{path}: {member.filename} {_NO_PICKLE}")
            size = math.prod(shape) * dtype.itemsize
            if size > member.file_size:
                raise FormatError(
                    f"{path}: {member.filename} declares {shape} {dtype}, {size:,} bytes, found {member.file_size:,}"
                )
        with archive.open(member) as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):
                raise FormatError(f"{path}: {member.filename} goes on behind its array")
            return array
    except FormatError:
        raise
    except (*_NOT_NPY, OSError) as error:
        raise FormatError(f"{path}: {member.filename} is not a whole array: {error}") from error


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"its format version is {version}, expected (1, 0) or (2, 0)")
    return shape, dtype
