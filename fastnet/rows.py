"""The user's matrix as compiled code takes it: dense as it lies in memory, or as lists of its entries.

Sparse rows are worth it if few entries are not zero. That is decided by counting them, never by a clock, so that the
choice and with it the bits depend on the data alone.
"""

from typing import Any

import numpy as np

from .kernels import gather, sparse
from .kernels.dense import PANEL_VECTORS
from .layout import aligned_zeros, lanes, padded

# Largest share of entries that are not zero for which lists are taken. Measured with 784 random columns on one Zen 3
# core: both take the same time at 0.35 (10 units, B = 32) and at 0.37 (300 units, B = 128).
MAX_DENSITY = 0.25

# Lists are made once per fit and kept beside the user's data; they may not grow larger than this.
MAX_BYTES = 80 << 20

# Values that are converted together where float64 is needed.
_CHUNK = 1 << 17

# Folding the mean into the bias loses digits if the mean is much larger than what is left after centring.
_MAX_MEAN = 8.0


def dense_rows(X: np.ndarray, scale: float, mean: np.ndarray) -> gather.Rows:
    """Describe a checked matrix; the caller keeps it alive.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        uint8, float32 or float64.
    scale : float
    mean : ndarray of shape (n_features,)
        Of the network's dtype; rows become ``X * scale - mean``.
    """
    full = aligned_zeros(padded(len(mean), mean.dtype), mean.dtype)
    full[: len(mean)] = mean
    code = gather.CODES[X.dtype.name]
    return gather.Rows(X.ctypes.data, X.strides[0], X.strides[1], code, X.shape[1], scale, full)


def sparse_rows(X: np.ndarray, scale: float, mean: np.ndarray, n_out: int) -> sparse.SparseRows | None:
    """Return the entries of a matrix that are not zero, or None if dense rows are the better choice.

    Parameters
    ----------
    X, scale, mean
        As for ``dense_rows``.
    n_out : int
        Units of the first layer.
    """
    n_samples, n_features = X.shape
    rows, n_blocks, block = dense_rows(X, scale, mean), *_blocks(n_features, n_out, mean.dtype)
    room = MAX_BYTES - 8 * n_samples * n_blocks
    if n_features > np.iinfo(np.uint16).max + 1 or room <= 0 or not _looks_sparse(rows, n_samples):
        return None
    starts = np.zeros(n_samples * n_blocks + 1, np.int64)
    sparse.count_entries(rows, n_samples, block, starts[1:])
    np.cumsum(starts, out=starts)
    n_entries, value_dtype = int(starts[-1]), X.dtype if X.dtype == np.uint8 else mean.dtype
    if n_entries * (2 + value_dtype.itemsize) > room or n_entries > MAX_DENSITY * X.size:
        return None
    columns, values = np.empty(n_entries + 1, np.uint16), np.empty(n_entries + 1, value_dtype)
    copied = sparse.copy_entries(rows, n_samples, columns, values)
    if copied != n_entries or not _mean_is_small(values[:-1], X.size, scale, mean):
        return None
    return sparse.SparseRows(starts, columns, values, n_features, n_blocks, block, scale, rows.mean)


def _blocks(n_features: int, n_out: int, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Number and length of the blocks of columns."""
    width = min(PANEL_VECTORS * lanes(dtype), padded(n_out, dtype))
    n_blocks = -(-n_features * width * dtype.itemsize // sparse.BLOCK_BYTES)
    block = -(-n_features // n_blocks)
    return -(-n_features // block), block


def _looks_sparse(rows: gather.Rows, n_samples: int) -> bool:
    """Whether a thousand rows are sparse: dense data, however large, are told at once."""
    step = max(1, n_samples // 1000)
    some = rows._replace(row_step=rows.row_step * step)
    n_rows = -(-n_samples // step)
    counts = np.zeros(n_rows, np.int64)
    sparse.count_entries(some, n_rows, rows.n_features, counts)
    return int(counts.sum()) <= 2 * MAX_DENSITY * n_rows * rows.n_features


def _mean_is_small(values: np.ndarray, size: int, scale: float, mean: np.ndarray) -> bool:
    """Whether no column's mean is large beside the spread of the entries after centring."""
    chunks = (values[start : start + _CHUNK].astype(np.float64) for start in range(0, len(values), _CHUNK))
    squares = sum(float(np.square(chunk).sum()) for chunk in chunks)
    squares *= scale**2 / size
    spread = squares - float(np.square(mean, dtype=np.float64).mean())
    return bool(np.square(mean, dtype=np.float64).max() <= _MAX_MEAN**2 * max(spread, 0.0))


def sparse_tiles(rows: sparse.SparseRows, batch_size: int, n_threads: int) -> sparse.SparseTiles:
    """Room for the entries of a minibatch, for each thread."""
    dtype = rows.mean.dtype
    longest = int(np.diff(rows.starts[:: rows.n_blocks]).max(initial=0))
    size = -(-(batch_size * longest + lanes(dtype)) // 16) * 16
    starts = -(-(batch_size * rows.n_blocks + 1) // 8) * 8  # whole cache lines, for each thread its own
    return sparse.SparseTiles(
        columns=aligned_zeros(n_threads * size, np.dtype(np.int32)).reshape(n_threads, size),
        values=aligned_zeros(n_threads * size, dtype).reshape(n_threads, size),
        starts=aligned_zeros(n_threads * starts, np.dtype(np.int64)).reshape(n_threads, starts),
    )
