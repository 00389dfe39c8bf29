"""Data that come with scikit-learn: digits, moons, iris, wine and breast cancer."""

from importlib.util import find_spec
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..idx import as_int
from .dataset import Dataset
from .table import Labels, Table


def load_digits() -> Dataset:
    """Load scanned handwritten digits, 8 × 8 pixels; they come with scikit-learn.

    The split is always the same, and each part holds every class in the same proportion: 1,079 points
    (60 %) to train, 359 to validate, 359 to test.

    Returns
    -------
    Dataset
        X float32 of shape (n_samples, 64), grey levels from 0 to 1 (the stored 0 to 16, divided by 16);
        y int64, the digit 0 to 9.

    References
    ----------
    E. Alpaydin, C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository,
    1998, https://doi.org/10.24432/C50P49 (its test set, as in `sklearn.datasets.load_digits`).

    Examples
    --------
    >>> data = load_digits()
    >>> data.X_train.shape, data.X_train.dtype.name, float(data.X_train.max())
    ((1079, 64), 'float32', 1.0)
    >>> data.y_test[:8]
    array([2, 5, 6, 0, 2, 3, 4, 9])
    """
    table = _digits_table()
    X, y = (table[:, :-1] / 16).astype(np.float32), table[:, -1].astype(np.int64)
    shuffled = np.random.default_rng(0).permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    fifth = np.arange(len(y)) % 5
    train, validation, test = (np.sort(by_class[part]) for part in (fifth < 3, fifth == 3, fifth == 4))
    return Dataset(
        "digits",
        *(X[train], y[train], X[validation], y[validation], X[test], y[test]),
        classes=np.arange(10),
        image_shape=(8, 8),
    )


def _digits_table() -> NDArray[Any]:
    """Return grey levels and digit of each image, of shape (1797, 65).

    Read from scikit-learn's file: importing scikit-learn for it takes a second, half of a first training.
    """
    package = find_spec("sklearn")
    for folder in (package.submodule_search_locations if package else None) or ():
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits as load

    X, y = load(return_X_y=True)
    return np.column_stack([X, y])


def load_moons(n_samples: int = 200, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Draw two interleaving half circles, a problem that no straight line solves.

    Parameters
    ----------
    n_samples : int, default 200
        The number of training points, at least 2. As many again are drawn to validate, and to test.
    noise : float, default 0.1
        Standard deviation of the Gaussian noise on both coordinates, 0 to 1e6.
    seed : int, default 0
        0 to 2**32 - 1. The training points are those of
        ``sklearn.datasets.make_moons(n_samples, noise=noise, random_state=seed)``.

    Returns
    -------
    Dataset
        X float32 of shape (n_samples, 2); y int64, 0 for the upper moon and 1 for the lower.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number or out of range; the message names it.

    References
    ----------
    `sklearn.datasets.make_moons`,
    https://scikit-learn.org/stable/modules/generated/sklearn.datasets.make_moons.html

    Examples
    --------
    >>> load_moons(n_samples=100, noise=0.05, seed=1)
    Dataset 'moons': 2 features, 2 classes
      train       X (100, 2) float32      y (100,) int64
      validation  X (100, 2) float32      y (100,) int64
      test        X (100, 2) float32      y (100,) int64
    """
    n_samples = as_int("n_samples", n_samples, least=2)
    seed = as_int("seed", seed, least=0, most=2**32 - 1)
    noise = _as_deviation("noise", noise)

    from sklearn.datasets import make_moons
    from sklearn.utils import check_random_state

    draws = check_random_state(seed)
    parts: list[NDArray[Any]] = []
    for _ in range(3):
        X, y = make_moons(n_samples, noise=noise, random_state=draws)
        parts += X.astype(np.float32), y.astype(np.int64)
    return Dataset("moons", *parts, classes=np.arange(2))


def _as_deviation(argument: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{argument} is {value!r}; expected a number from 0 to 1e6")
    deviation = float(value)
    if not 0 <= deviation <= 1e6:
        raise ValueError(f"{argument} is {value}; expected a standard deviation from 0 to 1e6")
    return deviation


def bundled_table(name: str) -> Table:
    """Return one of scikit-learn's small tables, whole.

    Parameters
    ----------
    name : str
        The end of the name of its loader: iris, wine or breast_cancer.

    Returns
    -------
    Table
        X float32; iris 150 x 4 and 3 classes, wine 178 x 13 and 3, breast cancer 569 x 30 and 2.
    """
    import sklearn.datasets

    found = getattr(sklearn.datasets, f"load_{name}")()
    labels = Labels(np.array(found.target_names.tolist()), found.target.astype(np.int64))
    return Table(found.data.astype(np.float32), labels, tuple(map(str, found.feature_names)))
