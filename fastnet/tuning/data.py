"""What a search trains on: rows for training and validation, and which outputs go with the targets."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import checks
from ..datasets import Dataset
from ..losses import LOSS_OF_OUTPUT, make_targets
from ..network import Network, _check_dtype
from ..preprocessing import PCA, Preprocessing, as_pca, check_scale, fitted
from .shared import Samples, Shared


class Task(NamedTuple):
    """What is to be learned."""

    shared: Shared
    output: str
    n_outputs: int
    preprocessing: Preprocessing  # what the network is given in the end

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the networks."""
        return self.preprocessing.mean.dtype


class Source(NamedTuple):
    """What ``tune`` was given."""

    X: Any
    y: Any
    X_val: Any = None
    y_val: Any = None
    n_classes: int | None = None
    test: tuple[np.ndarray, np.ndarray] | None = None
    names: Mapping[str, Any] = {}  # attributes of the network: of classes and features


def as_source(X: Any, y: Any, X_val: Any, y_val: Any) -> Source:
    """Take a data set apart, or refuse what does not go together."""
    if isinstance(X, Dataset):
        if not y is X_val is y_val is None:
            raise ValueError("a Dataset has targets and validation samples: y, X_val and y_val must be left out")
        X_val, y_val = (X.X_val, X.y_val) if len(X.X_val) else (None, None)
        test = (X.X_test, X.y_test) if len(X.X_test) else None
        n_classes = X.n_classes if X.y_train.dtype.kind in "iu" else None
        names = {name: getattr(X, name, None) for name in ("classes", "feature_names")}
        return Source(X.X_train, X.y_train, X_val, y_val, n_classes, test, names)
    if y is None:
        raise TypeError("y is missing: tune takes X and y, or a Dataset")
    if (X_val is None) != (y_val is None):
        given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
        raise ValueError(f"{given} is given without {missing}: validation takes both, or neither")
    return Source(X, y, X_val, y_val)


def as_samples(source: Source, validation_fraction: float, output: str, seed: int) -> Samples:
    """Return rows and targets; some are split off for validation if there are none for it."""
    fraction = checks.check_number("validation_fraction", validation_fraction, open_low=True, high=1.0)
    X, y = checks.check_matrix("X", source.X), np.asarray(source.y)
    if source.X_val is not None:
        return Samples(X, y, checks.check_matrix("X_val", source.X_val), np.asarray(source.y_val))
    if y.ndim == 0 or len(y) != len(X):
        raise ValueError(f"y must have one entry for each of the {len(X)} rows of X, got shape {y.shape}")
    train, validation = _split(y, fraction, output, seed)
    return Samples(X[train], y[train], X[validation], y[validation])


def _split(y: np.ndarray, fraction: float, output: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows to train on and to validate with; each class in its proportion, if it has two rows."""
    from sklearn.model_selection import train_test_split

    n = len(y)
    n_val = round(n * fraction)
    if not 1 <= n_val <= n - 1:
        raise ValueError(f"validation_fraction={fraction:g} of {n} samples leaves {n_val} for validation")
    groups = None
    if output == "softmax":
        labels = y.argmax(axis=1) if y.ndim == 2 else y
        counts = np.unique(labels, return_counts=True)[1]
        groups = labels if counts.min() >= 2 and min(n_val, n - n_val) >= len(counts) else None
    train, validation = train_test_split(np.arange(n), test_size=n_val, random_state=seed, stratify=groups)
    return np.sort(train), np.sort(validation)


def output_for(y: Any, output: str) -> str:
    """Return the output that goes with targets: "auto" looks at them."""
    if checks.check_choice("output", output, ("auto", *LOSS_OF_OUTPUT)) != "auto":
        return output
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1:
        binary = bool(((y == 0) | (y == 1)).all())
        one_hot = binary and bool((np.count_nonzero(y, axis=1) == 1).all())
        return "softmax" if one_hot else "sigmoid" if binary else "identity"
    return "identity" if y.dtype.kind == "f" else "softmax"


def prepare(
    samples: Samples, output: str, n_classes: int | None, center: bool, scale: Any, pca: Any, dtype: Any
) -> Task:
    """Check what is left, and find the preprocessing once for all trials."""
    X, y, X_val, y_val = samples
    if X_val.shape[1] != X.shape[1]:
        raise ValueError(f"X_val has {X_val.shape[1]} features, but X has {X.shape[1]}")
    n_outputs, dtype = _n_outputs(y, y_val, output, n_classes), _check_dtype(dtype)
    for name, rows, targets in (("", X, y), ("_val", X_val, y_val)):
        checks.check_finite(f"X{name}", rows, dtype)
        make_targets(f"y{name}", targets, len(rows), n_outputs, output, dtype)
    center, scale, pca = checks.check_flag("center", center), check_scale(scale), as_pca(pca)
    if pca is None:
        found = fitted([X], center, scale, None, X.shape[1], dtype).astype(dtype)
        return Task(Shared(samples, found), output, n_outputs, found)
    return _with_components(samples, pca, scale, output, n_outputs, dtype)


def _n_outputs(y: np.ndarray, y_val: np.ndarray, output: str, n_classes: int | None) -> int:
    """Columns of the targets, or classes: what is no class index is refused later, with its place."""
    if y.ndim != 1:
        return int(y.shape[-1])
    if output != "softmax":
        return 1
    if n_classes is None:
        n_classes = 1 + max((int(labels.max()) for labels in (y, y_val) if labels.dtype.kind in "iu"), default=1)
    return max(2, n_classes)


def _with_components(
    samples: Samples, pca: PCA, scale: str | float, output: str, n_outputs: int, dtype: np.dtype[Any]
) -> Task:
    """Trials see principal components, computed once, as plain rows."""
    if not hasattr(pca, "preprocessing_"):
        pca = PCA(pca.n_components, pca.whiten).fit(samples.X, scale)
    found = fitted([samples.X], True, "auto", pca, pca.n_components_, dtype).astype(dtype)
    network = Network([pca.n_components_, n_outputs], output=output, dtype=dtype, seed=0)
    network.preprocessing = found
    rows = Samples(network._inputs(samples.X), samples.y, network._inputs(samples.X_val), samples.y_val)
    plain = Preprocessing(np.zeros(pca.n_components_, dtype), 1.0, "float")
    return Task(Shared(rows, plain), output, n_outputs, found)
