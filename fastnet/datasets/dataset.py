"""What data are handed over as: a `Dataset` in three parts, or the `Samples` of one file."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Task = Literal["classification", "regression"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Features and targets, split into training, validation and test points.

    Parameters
    ----------
    name : str
        What the data are called.
    X_train, X_val, X_test : ndarray or SciPy CSR array of shape (n_samples, n_features)
        One row per point; float32, or uint8 for images. Arrays from NPY and NPZ files keep their type.
    y_train, y_val, y_test : ndarray of shape (n_samples,)
        The class of each row, int64, counted from 0; in regression its target value, float64.
    classes : ndarray of shape (n_classes,), optional
        The label that each class index stands for: text or numbers. None in regression.
    feature_names : tuple of str, optional
        The names of the columns of X, if they have names.
    image_shape : tuple of int, optional
        (height, width) or (height, width, 3) if each row is an image.
    task : "classification" or "regression"
        What y is.
    split : str
        How the parts came about: "own" (the data bring them), "stratified", "random", or "contiguous"
        (slices of a large mapped file).
    """

    name: str
    X_train: Any
    y_train: NDArray[Any]
    X_val: Any
    y_val: NDArray[Any]
    X_test: Any
    y_test: NDArray[Any]
    _: KW_ONLY
    classes: NDArray[Any] | None = None
    feature_names: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None
    task: Task = "classification"
    split: str = "own"

    @property
    def n_features(self) -> int:
        """The number of columns of X."""
        return int(self.X_train.shape[1])

    @property
    def n_classes(self) -> int:
        """The number of classes: of `classes`, or else one more than the largest training label."""
        if self.task == "regression":
            raise AttributeError("n_classes: the data are a regression, their targets are values and not classes")
        return int(self.y_train.max()) + 1 if self.classes is None else len(self.classes)

    def __repr__(self) -> str:
        lines = [f"Dataset {self.name!r}: {_facts(self.n_features, self.classes, self.task, self.y_train)}"]
        for part, X, y in (
            ("train", self.X_train, self.y_train),
            ("validation", self.X_val, self.y_val),
            ("test", self.X_test, self.y_test),
        ):
            lines.append(f"  {part:<10}  X {_matrix(X):<20}  y {y.shape} {y.dtype}")
        if self.split == "contiguous":
            lines.append("  the parts are contiguous slices of a mapped file: its rows must lie in random order")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """The rows of one file or folder, as they lie there.

    Parameters
    ----------
    name : str
        What the data are called.
    X : ndarray or SciPy CSR array of shape (n_samples, n_features)
        One row per point.
    y : ndarray of shape (n_samples,) or None
        The class of each row, int64, counted from 0; in regression its target value, float64. None if the data
        have no targets or none were asked for.
    classes : ndarray of shape (n_classes,), optional
        The label that each class index stands for.
    feature_names : tuple of str, optional
        The names of the columns of X, if they have names.
    image_shape : tuple of int, optional
        (height, width) or (height, width, 3) if each row is an image.
    task : "classification" or "regression"
        What y is.
    files : tuple of str, optional
        For images the file of each row, relative to the folder.
    """

    name: str
    X: Any
    y: NDArray[Any] | None = None
    _: KW_ONLY
    classes: NDArray[Any] | None = None
    feature_names: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None
    task: Task = "classification"
    files: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def __repr__(self) -> str:
        facts = _facts(int(self.X.shape[1]), self.classes, self.task, self.y)
        targets = "" if self.y is None else f"  y {self.y.shape} {self.y.dtype}"
        return f"Samples {self.name!r}: {facts}\n  X {_matrix(self.X):<20}{targets}".rstrip()


def _facts(n_features: int, classes: NDArray[Any] | None, task: Task, y: NDArray[Any] | None) -> str:
    features = f"{n_features} feature{'s' if n_features != 1 else ''}"
    if y is None:
        return f"{features}, no targets"
    if task == "regression":
        return f"{features}, regression"
    return f"{features}, {int(y.max()) + 1 if classes is None else len(classes)} classes"


def _matrix(X: Any) -> str:
    if not isinstance(X, np.ndarray):
        return f"{X.shape} {X.dtype} CSR"
    return f"{X.shape} {X.dtype}"
