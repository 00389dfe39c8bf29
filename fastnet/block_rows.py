"""The user's matrix as blocks of columns, where that is the better choice. Decided by counting, never by a clock."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from . import rows as other_rows
from .column_order import order_together
from .kernels import blocks
from .kernels.dense import PANEL_VECTORS
from .kernels.gather import CACHE_LINE
from .kernels.narrow_samples import COPIED, FEW, SHARING, WORD
from .kernels.narrow_sgd import SCATTERED
from .kernels.narrow_shared import BLOCKS
from .kernels.sparse import LOOK
from .layout import aligned_zeros, lanes, lanes_room, narrow_width, padded, row_step, short_lanes
from .sparse_data import is_sparse, some_rows

# Smallest minibatch with many units: with fewer samples there is less to compute than weights to pass over. MNIST, two
# threads, plain SGD, times of single entries: 784-300-10 at B = 16 1.06, 32 0.81 to 1.06, 64 0.88, 128 0.77 to 0.88.
# Few units gain at any size: 784-10-10 at B = 1 0.79 to 0.93, 4 0.72, 8 0.79, 12 0.80.
MIN_BATCH = 32

# Smallest share of the values of blocks that are not zero. MNIST has 0.74 in blocks of 4, and 0.61 in blocks of 8; what
# blocks cost goes with 1 / share, and MNIST's take 0.8 to 0.9 of the time of single entries at these batch sizes.
MIN_FILL = 0.5

# Blocks of a record, at least on average: of emptier rows lists of single entries take less memory.
MIN_BLOCKS = 1 / 8

# Blocks of few units that this share of the rows has, or more, are kept of all rows where that pays: see
# ``narrow_shared.py``. Of 0.3 and 0.6 neither differs from it beyond the noise (784-10-10, B = 32).
MIN_SHARE = 0.45

# Blocks that the first slice has more with few units: the last thread also updates the weights of the later layers,
# whose inputs are one panel (784-10-10, B = 32: 0.95 to 0.97 of the time with 2 to 4).
HANDICAP = 3

# More columns are not put in order: each is compared with each other.
MAX_COLUMNS = 4096
MIN_COLUMNS = 32

# Rows of few units are multiplied before they are scaled if the scale, or its inverse, is at most this.
MAX_SCALE = 1e6

MAX_LIST_BYTES = 64 << 20  # of a minibatch, for each thread


class Cut(NamedTuple):
    """How the columns become blocks, and these slices."""

    order: np.ndarray  # (n_features,) int64: column at each position
    size: int  # columns of a block
    cuts: np.ndarray  # (n_slices + 1,) int64: first blocks of the slices
    always: int = 0  # of the first blocks of each slice, which are kept of all rows


def block_rows(
    X: Any, scale: float | np.ndarray, mean: np.ndarray, n_out: int, batch_size: int, n_slices: int = 1
) -> blocks.ColumnBlocks | blocks.NarrowColumnBlocks | None:
    """Return the blocks of a matrix that have an entry, or None if single entries, or dense rows, are better.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        uint8, float32 or float64.
    scale : float, or ndarray of shape (n_features,) and of the network's dtype
    mean : ndarray of shape (n_features,)
        Of the network's dtype; rows become ``X * scale - mean``.
    n_out : int
        Units of the first layer.
    batch_size : int
        Of the largest minibatch.
    n_slices : int
        Slices that the blocks are cut into.
    """
    (n_samples, n_features), size = X.shape, block_size(n_out, mean.dtype)
    if not suits(n_features, n_out, batch_size, mean.dtype) or n_samples == 0:
        return None
    active = _active(X, scale, mean)
    if active is None:
        return None
    order = order_together(active[::2], max(size, CACHE_LINE // mean.dtype.itemsize))
    others = active[1::2] if len(active) > 1 else active  # not those that the order was made for
    begun = _blocked(others[:, order], size)
    if others.sum() < MIN_FILL * size * begun.sum() or begun.sum() < MIN_BLOCKS * len(begun) * n_slices:
        return None
    is_narrow = narrow_width(n_out, mean.dtype) > 0
    dealt, cuts = _dealt(begun.sum(axis=0), n_slices, HANDICAP if is_narrow else 0)
    order = np.concatenate([order[block * size : (block + 1) * size] for block in dealt])
    if not is_narrow:
        return _made(X, scale, mean, False, Cut(order, size, cuts))
    always = _always(begun.mean(axis=0)[dealt], cuts) if batch_size > SCATTERED else 0
    return _made(X, scale, mean, True, Cut(order, size, cuts, always))


def block_size(n_out: int, dtype: np.dtype[Any]) -> int:
    """Columns of a block."""
    return short_lanes(dtype) if narrow_width(n_out, dtype) else blocks.WIDE


def suits(n_features: int, n_out: int, batch_size: int, dtype: np.dtype[Any]) -> bool:
    """Whether blocks come into question for a first layer of this shape."""
    listed = batch_size * n_features * (dtype.itemsize + 4)
    return (
        MIN_COLUMNS <= n_features <= MAX_COLUMNS
        and (batch_size >= MIN_BATCH or narrow_width(n_out, dtype) > 0)
        and listed <= MAX_LIST_BYTES
        and batch_size * row_step(n_out, dtype) < 1 << 31
    )


def compile_blocks(X: Any, scale: float | np.ndarray, mean: np.ndarray, n_out: int, batch_size: int) -> bool:
    """Compile, or load from the cache, what makes blocks of such rows; returns whether they may become blocks."""
    (n_samples, n_features), size = X.shape, block_size(n_out, mean.dtype)
    if not suits(n_features, n_out, batch_size, mean.dtype) or n_samples == 0 or _active(X, scale, mean) is None:
        return False
    cuts = np.array([0, -(-n_features // size)])
    _made(X[:1], scale, mean, narrow_width(n_out, mean.dtype) > 0, Cut(np.arange(n_features), size, cuts))
    return True


def _active(X: Any, scale: float | np.ndarray, mean: np.ndarray) -> np.ndarray | None:
    """Whether elements of some rows are not zero; None if most are not, or if means are large beside the spread."""
    some = some_rows(X)
    some = np.asarray(some.toarray() if is_sparse(some) else some)
    active, square = some != 0, float(np.square(some * scale, dtype=np.float64).mean())
    fine = active.mean() <= other_rows.MAX_DENSITY and other_rows.mean_is_small(square, mean)
    return active if fine else None


def _blocked(active: np.ndarray, size: int) -> np.ndarray:
    """Whether blocks of ordered columns have an entry (the last may be shorter)."""
    return np.logical_or.reduceat(active, np.arange(0, active.shape[1], size), axis=1)


def _dealt(counts: np.ndarray, n_slices: int, handicap: int) -> tuple[np.ndarray, np.ndarray]:
    """Blocks in the order of their slices, and the first of each slice, with the end; none is without blocks.

    The busiest are dealt out first, to and fro, so that each slice has as many blocks, of as many rows, as any other,
    but for some that the first slice has more: threads wait for each other after each stage. The last block, which may
    be shorter, stays the last.
    """
    last = len(counts) - 1
    busiest, (turn, owner) = np.argsort(-counts[:last], kind="stable"), np.divmod(np.arange(last) - handicap, n_slices)
    owner = np.where(turn % 2 == 0, owner, n_slices - 1 - owner)
    owner[:handicap] = 0
    slices = [busiest[owner == piece] for piece in range(n_slices)]
    cuts = np.cumsum([0, *map(len, slices)])
    cuts[-1] += 1
    return np.append(np.concatenate(slices), last), cuts


def _always(shares: np.ndarray, cuts: np.ndarray) -> int:
    """How many of the first blocks of each slice, a multiple of ``BLOCKS``, are worth keeping of all rows."""
    if not SHARING:
        return 0
    least = min(int((shares[first:end] >= MIN_SHARE).sum()) for first, end in pairwise(cuts.tolist()))
    return least // BLOCKS * BLOCKS


def _made(
    X: Any,
    scale: float | np.ndarray,
    mean: np.ndarray,
    is_narrow: bool,
    cut: Cut,
) -> blocks.ColumnBlocks | blocks.NarrowColumnBlocks | None:
    """Blocks of a matrix, or None if all its rows are counted and they are not worth it."""
    (n_samples, n_features), (order, size, cuts, always), n_slices = X.shape, cut, len(cut.cuts) - 1
    most = other_rows.MAX_DENSITY * n_samples * n_features
    kind = np.dtype(np.uint8) if X.dtype == np.uint8 else mean.dtype
    places = _places(cut, X.dtype, kind, overlap=not is_narrow)
    groups = -(-(int(np.diff(cuts).max()) - always) // LOOK) if is_narrow else 0
    described = blocks.ColumnBlocks(
        address=0,
        records=np.zeros(0, np.uint8),
        like=np.empty(0, kind),
        starts=np.zeros(0, np.uint32),
        order=order,
        scale=_by_slot(np.broadcast_to(np.asarray(scale, mean.dtype), n_features), places),
        offset=_by_slot(-mean, places),
        cuts=cuts,
        size=size,
        lines=0,
        always=always,
        groups=groups,
        head=blocks.head_bytes(size, always, groups, kind, mean.dtype) if is_narrow else 0,
    )
    found: Any = described
    if is_narrow:
        squares = np.add.reduceat(np.square(described.offset, dtype=np.float64), cuts[:-1] * size)
        found = blocks.NarrowColumnBlocks(**described._asdict(), factor=_common_scale(scale), squares=squares)
    counts = np.zeros(n_samples * n_slices, np.uint32)
    n_entries = _read(X, scale, mean, places, counts, found)
    starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    n_blocks, n_always = int(starts[-1]), always * len(counts)
    least = MIN_FILL * size * (n_blocks + MIN_SHARE * n_always)
    if n_blocks + n_always < MIN_BLOCKS * len(counts) or not least <= n_entries <= most:
        return None  # rows unlike those that were looked at
    n_bytes = blocks.record_bytes(found, n_blocks, len(counts))
    if n_bytes > other_rows.MAX_BYTES:
        return None
    records = aligned_zeros(n_bytes + CACHE_LINE, np.dtype(np.uint8))  # what a record without blocks reads in vain
    lines = 1 + 5 * n_bytes // (4 * n_samples * n_slices * CACHE_LINE)
    found = found._replace(address=records.ctypes.data, records=records, starts=starts.astype(np.uint32), lines=lines)
    _read(X, scale, mean, places, counts[:0], found)
    return blocks.SharedColumnBlocks(*found) if always > 0 else found


def _common_scale(scale: float | np.ndarray) -> float:
    """Return what all columns are multiplied by; 0.0 if it differs, or is so far from 1 that products may overflow."""
    low, high = float(np.min(scale)), float(np.max(scale))
    return low if low == high and 1 / MAX_SCALE <= low <= MAX_SCALE else 0.0


def _read(
    X: Any, scale: float | np.ndarray, mean: np.ndarray, places: blocks.Places, counts: np.ndarray, found: Any
) -> int:
    """Count the blocks, or fill the records; returns the number of entries."""
    n_entries: int
    if is_sparse(X):
        n_entries = blocks.read_csr_blocks(X.indptr, X.indices, X.data, X.shape[0], places, counts, found)
    else:
        rows = other_rows.dense_rows(X, scale, mean)
        n_entries = blocks.read_blocks(rows, np.empty(0, X.dtype), X.shape[0], places, counts, found)
    return n_entries


def _places(cut: Cut, data: np.dtype[Any], kind: np.dtype[Any], overlap: bool) -> blocks.Places:
    """Where columns lie in a row of blocks. With ``overlap`` the last block ends with the last column."""
    order, size, cuts, always = cut
    n_features, n_blocks = len(order), int(cuts[-1])
    positions = np.arange(n_features)
    in_row = positions.copy()
    if overlap:
        in_row[(n_blocks - 1) * size :] += -n_features % size
    slots = np.empty(n_features, np.int64)
    slots[order] = in_row
    of_all = np.zeros(n_blocks, bool)
    for first in cuts[:-1]:
        of_all[first : first + always] = True
    return blocks.Places(
        blocks=np.where(of_all, n_blocks + LOOK, np.arange(n_blocks))[slots // size],
        slots=slots,
        cuts=cuts,
        flags=np.zeros(n_blocks + LOOK + 1, np.uint8),
        row=np.zeros(n_blocks * size, kind),
        columns=np.zeros(n_features + 64, np.uint16),
        values=np.zeros(n_features + 64, data),
    )


def _by_slot(values: np.ndarray, places: blocks.Places) -> np.ndarray:
    """Values of the columns where these lie in a row of blocks."""
    found = aligned_zeros(len(places.row), values.dtype)
    found[places.slots] = values
    return found


def block_work(
    rows: blocks.ColumnBlocks | blocks.NarrowColumnBlocks, n_in: int, n_out: int, batch_size: int, n_threads: int
) -> blocks.WideWork | blocks.NarrowWork:
    """Room for the blocks of a minibatch of each thread."""
    dtype, n_blocks, n_slices = rows.offset.dtype, int(rows.cuts[-1]), len(rows.cuts) - 1
    columns, width = padded(n_out, dtype), narrow_width(n_out, dtype)
    room = aligned_zeros(max(n_in * columns, lanes_room(n_in, n_out, dtype)), dtype)

    def each(shape: tuple[int, ...], kind: Any) -> np.ndarray:  # whole cache lines for each thread
        shape = (n_threads, *shape[:-1], -(-shape[-1] // 16) * 16)
        return aligned_zeros(int(np.prod(shape)), np.dtype(kind)).reshape(shape)

    def rows_of(n_rows: int, length: int) -> np.ndarray:  # whole cache lines
        step = row_step(length, dtype)
        return aligned_zeros(n_rows * step, dtype).reshape(n_rows, step)

    if isinstance(rows, blocks.NarrowColumnBlocks):
        n_words, step = -(-batch_size // WORD), row_step(n_blocks * rows.size, rows.like.dtype)
        kind = blocks.FewWork if width == FEW else blocks.NarrowWork
        return kind(
            masks=each((n_words, n_blocks + WORD), np.uint64),
            always=each((n_slices, batch_size), np.int64),
            values=each((batch_size if COPIED else 0, step), rows.like.dtype),
            listed=each((n_slices, batch_size), np.int64),
            nothing=aligned_zeros(rows.size, rows.like.dtype),
            bits=each((n_slices, -(-n_blocks // WORD), n_words * WORD), np.uint64),
            base=aligned_zeros(n_slices * width * rows.size, dtype).reshape(n_slices, -1),
            totals=each((max(columns, width),), dtype),
            room=room,
            width=width,
            products=rows_of(n_slices, batch_size),
            alpha=np.ones((n_slices, 8)),
            u=rows_of(n_slices, max(columns, width)),
            q=rows_of(n_slices, max(columns, width)),
        )
    panel = PANEL_VECTORS * lanes(dtype)
    # A few places more, so that the lists do not all begin in the same set of the L1 cache.
    bounds = np.arange(n_blocks + 1) * (batch_size + 4)
    return blocks.WideWork(
        bounds=bounds,
        counts=each((n_blocks,), np.int64),
        numbers=each((int(bounds[-1]),), np.int32),
        values=each((int(bounds[-1]) * rows.size,), dtype),
        base=aligned_zeros(n_slices * -(-columns // panel) * panel, dtype).reshape(-1, panel),
        totals=each((columns,), dtype),
        room=room,
    )


def input_cuts(rows: blocks.ColumnBlocks | blocks.NarrowColumnBlocks, n_in: int) -> np.ndarray:
    """First inputs of the slices, in the order of the blocks, with the end."""
    cuts = rows.cuts * rows.size
    return cuts if isinstance(rows, blocks.NarrowColumnBlocks) else np.minimum(cuts, n_in)
