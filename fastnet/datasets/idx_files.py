"""IDX files as MNIST has them: images in one, labels in another, and a folder of four that brings its own split."""

from collections.abc import Iterator
from pathlib import Path

from ..exceptions import FormatError
from ..idx import read_idx
from .arrays import check_matrix, find_labels, read_labels
from .table import WHOLE, Options, Table, check_values

_PREFIXES = {"train": ("train",), "validation": ("val", "validation"), "test": ("t10k", "test")}


def is_idx(path: Path) -> bool:
    """Say whether a name is one that IDX files have, as ``train-images-idx3-ubyte.gz`` or ``digits.idx``."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(("-ubyte", ".idx")) or any(f"{dot}idx{n}" in name for n in range(1, 9) for dot in "-.")


def read_idx_pair(path: Path, options: Options) -> dict[str, Table]:
    """Read a file of samples, and its labels if there are any.

    Labels are in the file that the target names, or in the one beside it whose name says ``labels`` for ``images``
    and ``idx1`` for ``idx3``, packed or not.

    Parameters
    ----------
    path : Path
        An IDX file of at least two dimensions.
    options : Options
        The target: a file of labels.

    Returns
    -------
    dict of str to Table
        One table, "whole".
    """
    return {WHOLE: _read(path, options)}


def find_idx_folder(folder: Path) -> dict[str, Path]:
    """Return the files of images in a folder as MNIST's, by part; at least the training images, or nothing."""
    found: dict[str, Path] = {}
    for part, prefixes in _PREFIXES.items():
        for prefix in prefixes:
            for path in sorted(folder.glob(f"{prefix}-images*idx*")):
                found.setdefault(part, path)
    return found if "train" in found else {}


def read_idx_folder(folder: Path, options: Options) -> dict[str, Table]:
    """Read a folder with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-…``, packed or not."""
    tables = {part: _read(path, options) for part, path in find_idx_folder(folder).items()}
    for part, table in tables.items():
        if table.labels is None:
            raise FormatError(f"{folder}: found images and no labels for the part {part!r}, expected both")
    return tables


def _read(path: Path, options: Options) -> Table:
    X, image_shape = check_matrix(str(path), read_idx(path))
    check_values(X, lambda row, column: f"{path}: row {row}, column {column}")
    beside = find_labels(path, options) if options.target is not None else next(_labels_beside(path), None)
    labels = None if beside is None else read_labels(beside, len(X))
    return Table(X, labels, None, image_shape, place=lambda row: f"{beside}: label {row}")


def _labels_beside(path: Path) -> Iterator[Path]:
    stem = path.name.removesuffix(".gz")
    if "images" not in stem:
        return
    labels = stem.replace("images", "labels")
    for dimensions in range(2, 9):
        labels = labels.replace(f"idx{dimensions}", "idx1")
    for name in (labels, f"{labels}.gz"):
        if (path.parent / name).is_file():
            yield path.parent / name
