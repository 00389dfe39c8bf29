"""The user's matrix as compiled code takes it: dense as it lies in memory, or as lists of its entries.

Sparse rows are worth it if few entries are not zero. That is decided by counting them, never by a clock, so that the
choice and with it the bits depend on the data alone.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from .kernels import csr, gather, sparse
from .kernels.dense import PANEL_VECTORS
from .kernels.narrow_dense import NarrowRows
from .layers import DenseTiles
from .layout import aligned_zeros, lanes, lanes_room, narrow_width, padded, slice_cuts

# Inputs from which on, and up to which, few units gain by lanes that lie along the inputs. With more, the weights that
# one row after the other passes over no longer stay in the L1 cache.
MIN_INPUTS, MAX_INPUTS = 32, 4096

# Largest share of entries that are not zero for which lists are taken. Measured with 784 random columns on one Zen 3
# core: both take the same time at 0.35 (10 units, B = 32) and at 0.37 (300 units, B = 128).
MAX_DENSITY = 0.25

# Lists are made once per fit and kept beside the user's data; they may not grow larger than this.
MAX_BYTES = 256 << 20

# Lists number the columns in 2 bytes.
MAX_COLUMNS = np.iinfo(np.uint16).max + 1

# Folding the mean into the bias loses digits if the mean is much larger than what is left after centring.
_MAX_MEAN = 8.0


def dense_rows(X: np.ndarray, scale: float | np.ndarray, mean: np.ndarray) -> gather.Rows:
    """Describe a checked matrix; the caller keeps it alive.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        uint8, float32 or float64.
    scale : float, or ndarray of shape (n_features,) and of the network's dtype
    mean : ndarray of shape (n_features,)
        Of the network's dtype; rows become ``X * scale - mean``.
    """
    code, multiplier = gather.CODES[X.dtype.name], whole_vectors(scale) if isinstance(scale, np.ndarray) else scale
    return gather.Rows(X.ctypes.data, X.strides[0], X.strides[1], code, X.shape[1], multiplier, whole_vectors(mean))


def trained_rows(X: np.ndarray, scale: float | np.ndarray, mean: np.ndarray, n_out: int) -> gather.Rows | NarrowRows:
    """Describe a checked matrix that a first layer of ``n_out`` units is trained on; as for ``dense_rows``."""
    rows = dense_rows(X, scale, mean)
    if not lies_along_lanes(X.shape[1], n_out, mean.dtype):
        return rows
    return NarrowRows(*rows, np.arange(X.shape[1]))


def lies_along_lanes(n_in: int, n_out: int, dtype: np.dtype[Any]) -> bool:
    """Whether the inputs of a dense first layer lie along the lanes in training, not its units."""
    return MIN_INPUTS <= n_in <= MAX_INPUTS and 0 < narrow_width(n_out, dtype) < padded(n_out, dtype)


def narrow_tiles(rows: np.ndarray, n_in: int, n_out: int) -> DenseTiles:
    """Room for the weights of few units beside that for the gathered ``rows``."""
    dtype = rows.dtype
    room = aligned_zeros(max(n_in * padded(n_out, dtype), lanes_room(n_in, n_out, dtype)), dtype)
    return DenseTiles(rows, room, narrow_width(n_out, dtype))


def whole_vectors(vector: np.ndarray) -> np.ndarray:
    """Copy a vector, filled up with zeros to whole registers."""
    full = aligned_zeros(padded(len(vector), vector.dtype), vector.dtype)
    full[: len(vector)] = vector
    return full


def sparse_rows(
    X: np.ndarray, scale: float | np.ndarray, mean: np.ndarray, n_out: int, n_slices: int = 1
) -> sparse.SparseRows | None:
    """Return the entries of a matrix that are not zero, or None if dense rows are the better choice.

    Parameters
    ----------
    X, scale, mean
        As for ``dense_rows``.
    n_out : int
        Units of the first layer.
    n_slices : int
        Slices that the columns are cut into.
    """
    rows, (n_samples, n_features) = dense_rows(X, scale, mean), X.shape
    if n_features > MAX_COLUMNS or not _looks_sparse(rows, X.dtype, n_samples):
        return None
    cuts, bounds = blocks(X, n_out, n_slices, mean.dtype)
    n_blocks, n_records = len(bounds) - 1, n_samples * (len(bounds) - 1)
    room = MAX_BYTES - n_samples * (4 * n_blocks + mean.itemsize * n_slices)
    if room <= 0:
        return None
    starts, like = np.zeros(n_records + 1, np.uint32), np.empty(0, X.dtype)
    sparse.count_entries(rows, like, n_samples, bounds, starts[1:])
    np.cumsum(starts, out=starts)
    n_entries, size = int(starts[-1]), 2 + mean.itemsize
    if n_entries * size > room or n_entries > MAX_DENSITY * X.size + sparse.QUAD * n_records / 2:
        return None
    found = _empty_lists(starts, cuts, bounds, mean)
    total = sparse.copy_entries(rows, like, n_samples, found)
    return found if mean_is_small(total / X.size, mean) else None


def blocks(X: np.ndarray, n_out: int, n_slices: int, dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray]:
    """First columns of slices and blocks, with the ends: all that lists of a matrix's entries depend on but scaling."""
    cuts = _cuts(np.count_nonzero(X[:: _step(len(X))], axis=0), n_slices)
    return cuts, _bounds(cuts, n_out, dtype)


def _cuts(counts: np.ndarray, n_slices: int) -> np.ndarray:
    """First columns of the slices, with the end: of equally many entries, so that threads have equal work."""
    cuts = slice_cuts(len(counts), n_slices)
    if n_slices > 1:
        entries = np.cumsum(counts)
        found = np.searchsorted(entries, entries[-1] * np.arange(1, n_slices) / n_slices)
        cuts[1:-1] = np.clip(found + -found % 8, 8, (len(counts) - 1) // 8 * 8)
    return cuts


def csr_rows(
    X: Any, scale: float | np.ndarray, mean: np.ndarray, n_out: int, n_slices: int = 1
) -> sparse.SparseRows | None:
    """Return the entries of a compressed sparse matrix, however many there are.

    Parameters
    ----------
    X : scipy.sparse matrix or array of shape (n_samples, n_features)
        In canonical CSR format, of uint8, float32 or float64.
    scale, mean, n_out, n_slices
        As for ``sparse_rows``.

    Returns
    -------
    SparseRows or None
        None if it has more columns, or more entries, than lists can number, or if means are too large beside the
        spread: then folding them into the bias would lose digits.
    """
    n_samples, n_features = X.shape
    if n_features > MAX_COLUMNS or X.nnz + sparse.QUAD * n_samples >= 1 << 32:
        return None
    some = X[:: _step(n_samples)]
    cuts = _cuts(np.bincount(some.indices[some.data != 0], minlength=n_features), n_slices)
    bounds = _bounds(cuts, n_out, mean.dtype)
    counts = np.zeros(n_samples * (len(bounds) - 1) + 1, np.uint32)
    csr.count_csr(X.indptr, X.indices, X.data, n_samples, bounds, counts[1:])
    ends = np.cumsum(counts, dtype=np.int64)
    if ends[-1] >= 1 << 32:
        return None
    found = _empty_lists(ends.astype(np.uint32), cuts, bounds, mean)
    multiplier = whole_vectors(scale) if isinstance(scale, np.ndarray) else scale
    total = csr.copy_csr(X.indptr, X.indices, X.data, n_samples, multiplier, found)
    return found if mean_is_small(total / (n_samples * n_features), mean) else None


def _empty_lists(starts: np.ndarray, cuts: np.ndarray, bounds: np.ndarray, mean: np.ndarray) -> sparse.SparseRows:
    """Room for lists that begin at ``starts``."""
    n_entries, size, n_slices = int(starts[-1]), 2 + mean.itemsize, len(cuts) - 1
    n_samples = (len(starts) - 1) // (len(bounds) - 1)
    records = aligned_zeros(n_entries * size, np.dtype(np.uint8))
    lines = 1 + 6 * n_entries * size // (4 * n_samples * n_slices * gather.CACHE_LINE)
    squares = np.add.reduceat(np.square(mean, dtype=np.float64), cuts[:-1])
    products, full = np.zeros((n_samples, n_slices), mean.dtype), whole_vectors(mean)
    address = records.ctypes.data
    return sparse.SparseRows(address, records, starts, products, squares, cuts, bounds, n_slices, lines, full)


def _bounds(cuts: np.ndarray, n_out: int, dtype: np.dtype[Any]) -> np.ndarray:
    """First columns of the blocks, with the end; each slice has equally many."""
    width = min(PANEL_VECTORS * lanes(dtype), padded(n_out, dtype))
    per_slice = -(-int(np.diff(cuts).max()) * width * dtype.itemsize // sparse.BLOCK_BYTES)
    pieces = [np.linspace(start, stop, per_slice + 1).astype(np.int64)[:-1] for start, stop in pairwise(cuts)]
    return np.append(np.concatenate(pieces), cuts[-1])


def _step(n_samples: int) -> int:
    """Every which row is looked at, if a thousand are."""
    return max(1, n_samples // 1000)


def _looks_sparse(rows: gather.Rows, dtype: np.dtype[Any], n_samples: int) -> bool:
    """Whether a thousand rows are sparse: dense data, however large, are told at once."""
    step = _step(n_samples)
    some = rows._replace(row_step=rows.row_step * step)
    n_rows = -(-n_samples // step)
    counts = np.zeros(n_rows, np.uint32)
    sparse.count_entries(some, np.empty(0, dtype), n_rows, np.array([0, rows.n_features]), counts)
    return int(counts.sum()) <= 2 * MAX_DENSITY * n_rows * rows.n_features


def mean_is_small(square: float, mean: np.ndarray) -> bool:
    """Whether no column's mean is large beside the spread of the entries after centring."""
    spread = square - float(np.square(mean, dtype=np.float64).mean())
    return bool(np.square(mean, dtype=np.float64).max() <= _MAX_MEAN**2 * max(spread, 0.0))


def sparse_work(rows: sparse.SparseRows, columns: int, batch_size: int, n_threads: int) -> sparse.SparseWork:
    """Room for a minibatch of each thread, and for a first layer of ``columns`` packed columns."""
    n_units = rows.n_slices * -(-columns // (PANEL_VECTORS * lanes(rows.mean.dtype)))

    def each(n: int, dtype: Any) -> np.ndarray:  # whole cache lines for each thread
        return aligned_zeros(n_threads * (-(-n // 16) * 16), np.dtype(dtype)).reshape(n_threads, -1)

    n_records = batch_size * (len(rows.bounds) - 1)
    u, q = (aligned_zeros(rows.n_slices * columns, rows.mean.dtype).reshape(rows.n_slices, columns) for _ in "uq")
    return sparse.SparseWork(
        addresses=each(n_records, np.int64),
        lengths=each(n_records, np.int64),
        products=each(batch_size * rows.n_slices, rows.mean.dtype),
        alpha=np.ones((n_units, 8)),
        u=u,
        q=q,
    )
