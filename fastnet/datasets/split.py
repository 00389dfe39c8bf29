"""Which rows train, which validate, which test."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Split(NamedTuple):
    """Row numbers in rising order."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def stratified(codes: NDArray[np.int64], validation: float, test: float, seed: int) -> Split:
    """Return a random split in which each class has the same share of each part, up to one row.

    Within each class the order is drawn from the seed. The first row of each class in this order trains, so that no
    class is unknown to the training; of the others every k-th one is taken, over all classes one after another.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Class indices.
    validation, test : float
        Shares of all rows.
    seed : int
        Of `numpy.random.default_rng`.
    """
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    first = np.flatnonzero(np.diff(codes[by_class], prepend=codes[by_class[0]] - 1))
    rest = np.delete(by_class, first)
    n_test, n_validation = _counts(len(codes), validation, test)
    taken, rest = _evenly(rest, min(n_test, len(rest)))
    validating, rest = _evenly(rest, min(n_validation, len(rest)))
    return Split(np.sort(np.concatenate([by_class[first], rest])), np.sort(validating), np.sort(taken))


def at_random(n_rows: int, validation: float, test: float, seed: int) -> Split:
    """Return a random split that looks at no targets."""
    shuffled = np.random.default_rng(seed).permutation(n_rows)
    n_test, n_validation = _counts(n_rows, validation, test)
    test_rows, rest = shuffled[:n_test], shuffled[n_test:]
    return Split(np.sort(rest[n_validation:]), np.sort(rest[:n_validation]), np.sort(test_rows))


def contiguous(n_rows: int, validation: float, test: float) -> tuple[slice, slice, slice]:
    """Return the first rows to train, the next to validate, the last to test."""
    n_test, n_validation = _counts(n_rows, validation, test)
    n_train = n_rows - n_test - n_validation
    return slice(0, n_train), slice(n_train, n_train + n_validation), slice(n_train + n_validation, n_rows)


def _counts(n_rows: int, validation: float, test: float) -> tuple[int, int]:
    """Return how many rows test and validate: at least one if a share is asked for."""
    n_test, n_validation = (max(1, round(n_rows * share)) if share else 0 for share in (test, validation))
    return n_test, n_validation


def _evenly(rows: NDArray[np.int64], n_taken: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return n rows at equal distances, and the others."""
    taken = np.arange(len(rows)) * n_taken % max(len(rows), 1) < n_taken
    return rows[taken], rows[~taken]
