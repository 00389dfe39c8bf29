"""Data that are drawn: rows that look like MNIST, and dense Gaussian ones. Both can be learnt."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import Dataset

INK = 0.19  # share of MNIST's entries that are not zero
_CHUNK = 4096


def images(n_features: int, n_classes: int, n_train: int, n_test: int, seed: int = 0) -> Dataset:
    """Draw uint8 rows of which about 19 % of the entries are not zero, in short strokes in the middle of a square.

    Each class has strokes of its own, and each row mixes them with others that are drawn for it.

    Parameters
    ----------
    n_features, n_classes : int
        Any numbers; the square is cut off if the features do not fill one.
    n_train, n_test : int
        Rows to train and to test on.
    seed : int, default=0

    Returns
    -------
    Dataset
        Without validation rows; y is in the order in which it was drawn.

    Examples
    --------
    >>> data = images(784, 10, 1000, 100)
    >>> data.X_train.shape, data.X_train.dtype.name, round(float((data.X_train > 0).mean()), 1)
    ((1000, 784), 'uint8', 0.2)
    """
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(n_features)))
    place = np.linspace(-1, 1, side)
    middle = -2.5 * (place[:, None] ** 2 + place**2)  # little ink near the edge, none in the corners
    strokes = _strokes(rng, n_classes, side)
    some = middle + strokes[rng.integers(n_classes, size=256)] + _strokes(rng, 256, side)
    threshold = np.quantile(some, 1 - INK)

    def draw(n: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        X, y = np.empty((n, n_features), np.uint8), rng.integers(n_classes, size=n)
        for start in range(0, n, _CHUNK):
            y_chunk = y[start : start + _CHUNK]
            field = middle + strokes[y_chunk] + _strokes(rng, len(y_chunk), side) - threshold
            grey = np.where(field > 0, np.clip(100 + 200 * field, 1, 255), 0)
            X[start : start + _CHUNK] = grey.reshape(len(y_chunk), -1)[:, :n_features]
        return X, y

    return _dataset("synthetic images", draw, n_train, n_test)


def _strokes(rng: np.random.Generator, n: int, side: int) -> NDArray[np.float32]:
    """Noise of shape (n, side, side) that is alike over two by three pixels."""
    coarse = rng.standard_normal((n, -(-side // 2), -(-side // 3)), np.float32)
    return coarse.repeat(2, axis=1).repeat(3, axis=2)[:, :side, :side]


def gaussian(n_features: int, n_classes: int, n_train: int, n_test: int, seed: int = 0) -> Dataset:
    """Draw float32 rows of independent normal features, around a centre for each class.

    Parameters
    ----------
    n_features, n_classes, n_train, n_test, seed
        As in ``images``.

    Returns
    -------
    Dataset
        Without validation rows.

    Examples
    --------
    >>> gaussian(5, 3, 10, 2).X_train.dtype.name
    'float32'
    """
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_classes, n_features), np.float32)
    centres *= 6 / np.sqrt(n_features)

    def draw(n: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        X, y = rng.standard_normal((n, n_features), np.float32), rng.integers(n_classes, size=n)
        for start in range(0, n, _CHUNK):
            X[start : start + _CHUNK] += centres[y[start : start + _CHUNK]]
        return X, y

    return _dataset("Gaussian inputs", draw, n_train, n_test)


def _dataset(name: str, draw: Any, n_train: int, n_test: int) -> Dataset:
    (X, y), (X_test, y_test) = draw(n_train), draw(n_test)
    return Dataset(name, X, y, X[:0], y[:0], X_test, y_test)
