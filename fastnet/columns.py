"""Statistics of the columns of matrices, dense or sparse: sums, ranges, moments, products.

All in float64 and some rows at a time: data are never copied as a whole, so that they may be larger than memory.
Matrices come in pieces, an iterable of them, which count as one matrix.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ._parallel import one_blas_thread
from .sparse_data import dense_blocks, is_sparse

_CHUNK = 1 << 21  # elements of float64 that are looked at together: 16 MB


class Columns(NamedTuple):
    """Statistics of some columns; arrays of shape (n_features,)."""

    n_rows: int
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    spread: np.ndarray  # standard deviation, of the population


def statistics(pieces: Iterable[Any], unit: float, ranges: bool, spreads: bool) -> Columns:
    """Return the mean of each column times ``unit``, with ``ranges`` its ends, with ``spreads`` its deviation, too."""
    count, total, low, high = 0, np.zeros(0), np.zeros(0), np.zeros(0)
    moments = (0, np.zeros(0), np.zeros(0))
    for X in pieces:
        total = total + _sums(X) if count else _sums(X)
        if ranges:
            ends = _range(X)
            low, high = (np.minimum(low, ends[0]), np.maximum(high, ends[1])) if count else ends
        if spreads:
            for own in _moments(X, unit):
                moments = _joined(moments, own)
        count += X.shape[0]
    mean = moments[1] if spreads else total / max(count, 1) * unit
    return Columns(count, mean, low * unit, high * unit, np.sqrt(moments[2] / max(count, 1)))


def _sums(X: Any) -> np.ndarray:
    if not is_sparse(X):
        return np.asarray(X.sum(axis=0, dtype=np.float64))
    return np.bincount(X.indices, X.data, X.shape[1])


def _range(X: Any) -> tuple[np.ndarray, np.ndarray]:
    if not is_sparse(X):
        return X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    low, high = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    np.minimum.at(low, X.indices, X.data)
    np.maximum.at(high, X.indices, X.data)
    has_zeros = np.bincount(X.indices, minlength=X.shape[1]) < X.shape[0]
    return np.where(has_zeros, np.minimum(low, 0), low), np.where(has_zeros, np.maximum(high, 0), high)


_Moments = tuple[int, np.ndarray, np.ndarray]


def _moments(X: Any, unit: float) -> Iterator[_Moments]:
    """Yield number of rows, means, and sums of squared deviations from these: of some rows at a time if dense."""
    if is_sparse(X):
        mean = _sums(X) * unit / X.shape[0]
        squares = np.bincount(X.indices, np.square(X.data * unit - mean[X.indices]), X.shape[1])
        zeros = X.shape[0] - np.bincount(X.indices, minlength=X.shape[1])
        yield X.shape[0], mean, squares + zeros * np.square(mean)
        return
    for chunk in chunks(X):
        chunk *= unit
        own = chunk.mean(axis=0)
        yield len(chunk), own, np.square(chunk - own).sum(axis=0)


def _joined(a: _Moments, b: _Moments) -> _Moments:
    """As in Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance", 1983."""
    if a[0] == 0:
        return b
    count = a[0] + b[0]
    difference = b[1] - a[1]
    squares = a[2] + (b[2] + np.square(difference) * (a[0] * b[0] / count))
    return count, a[1] + difference * (b[0] / count), squares


def chunks(X: Any) -> Iterator[np.ndarray]:
    """Yield some rows at a time, as float64."""
    step = max(1, _CHUNK // max(1, X.shape[1]))
    if is_sparse(X):
        for _, block in dense_blocks(X, step):
            yield block.astype(np.float64)
        return
    for start in range(0, len(X), step):
        yield X[start : start + step].astype(np.float64)


def covariance(pieces: Iterable[Any], factors: Any, offset: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Return number, mean and covariance matrix of the rows ``row * factors - offset``.

    One BLAS thread: its results may depend on their number.
    """
    n_features = len(offset)
    count, mean, products = 0, np.zeros(n_features), np.zeros((n_features, n_features))
    with one_blas_thread:
        for chunk in (chunk for X in pieces for chunk in chunks(X)):
            chunk *= factors
            chunk -= offset
            n, own = len(chunk), chunk.mean(axis=0)
            chunk -= own
            products += chunk.T @ chunk
            products += np.outer(own - mean, own - mean) * (count * n / (count + n))
            mean += (own - mean) * (n / (count + n))
            count += n
    return count, mean + offset, products / max(1, count - 1)
