"""The buffers that compiled passes need, laid out once per fit or prediction."""

from typing import Any

import numpy as np

from . import barrier, plan
from .block_rows import block_work, input_cuts
from .kernels.blocks import WIDE, ColumnBlocks, NarrowColumnBlocks
from .kernels.dense import PANEL_VECTORS
from .kernels.gather import Rows
from .kernels.groups import GroupWork
from .kernels.narrow_dense import NarrowRows
from .kernels.row_lists import ENTRY_COST
from .kernels.sparse import LOOK, QUAD, SparseRows
from .layers import DELTA, OUTPUT, PLANES, SLOPES, TRANSPOSED, UPDATE_ROWS, DenseTiles, Work
from .layout import N_IN, N_OUT, STEP, aligned_zeros, lanes, padded, row_step, slice_cuts
from .mixed_rows import MixedTiles
from .rows import MAX_COLUMNS, narrow_tiles, sparse_work


def workspace(
    layers: np.ndarray,
    dtype: np.dtype[Any],
    batch_size: int,
    n_threads: int,
    train: bool,
    n_slices: int = 1,
    rows: Rows | NarrowRows | SparseRows | ColumnBlocks | NarrowColumnBlocks | None = None,
    slopes: bool = False,
    group: int = 1,
) -> Work:
    """Return buffers for minibatches, or micro-batches, of at most ``batch_size`` rows.

    Parameters
    ----------
    layers : ndarray of shape (n_layers, 8)
        The network's layer table.
    dtype : dtype
        Of the network.
    batch_size, n_threads : int
        Largest minibatch; threads that work on it together.
    train : bool
        Whether gradients will be computed, too. Else each thread works on ``batch_size`` rows of its own.
    n_slices : int
        Slices that the inputs are cut into.
    rows : Rows, NarrowRows, SparseRows, ColumnBlocks or NarrowColumnBlocks, optional
        Rows that will be trained on; without them, dense ones.
    slopes : bool, default=False
        Whether the network trains with slopes: see ``hidden.py``.
    group : int, default=1
        Minibatches of a group: see ``groups.py``.
    """
    most, batch_size = batch_size, batch_size if group == 1 else group_rows(batch_size, group)
    n_rows, sizes = batch_size * (1 if train else n_threads), (int(layers[0, N_IN]), *layers[:, N_OUT].tolist())
    columns, width = padded(int(layers[0, N_OUT]), dtype), PANEL_VECTORS * lanes(dtype)
    places, size = _places(layers, dtype, n_rows, n_slices + (group > 1), train, slopes)
    block = int(np.diff(rows.bounds).max()) if isinstance(rows, SparseRows) else 0
    gradient = row_step(max(UPDATE_ROWS, block) * width, dtype)
    shares = plan.units(columns, width, n_slices, n_threads)
    tiles: Any
    cuts = slice_cuts(sizes[0], n_slices)
    if not train:
        tiles = _mixed_tiles(layers, dtype, batch_size, n_threads)
    elif rows is None or isinstance(rows, Rows):
        tiles = DenseTiles(_tiles(layers, dtype, batch_size, n_threads), np.zeros(0, dtype), 0)
    elif isinstance(rows, NarrowRows):
        tiles = narrow_tiles(_tiles(layers, dtype, batch_size, n_threads), sizes[0], sizes[1])
    elif isinstance(rows, SparseRows):
        tiles, cuts = sparse_work(rows, columns, batch_size, n_threads), rows.cuts
    else:
        tiles, cuts = block_work(rows, sizes[0], sizes[1], batch_size, n_threads), input_cuts(rows, sizes[0])
    return Work(
        batch_size=most,
        n_rows=n_rows,
        buffer=aligned_zeros(size, dtype),
        places=places,
        cuts=cuts,
        units=shares,
        tiles=tiles,
        gradients=aligned_zeros(n_threads * gradient, dtype).reshape(n_threads, gradient),
        losses=np.zeros(batch_size),
        hits=np.zeros(batch_size, np.int64),
        summed=np.zeros(1),
        arrivals=barrier.arrivals(n_threads, _seconds(sizes, batch_size, group) if train else 0.0),
        group=None if group == 1 else _group_work(sizes[0], batch_size, n_slices, n_threads, dtype),
    )


def _seconds(sizes: tuple[int, ...], n_rows: int, group: int) -> float:
    """What lies between two barriers; in a group all others wait while one thread does the later layers."""
    seconds = plan.minibatch_seconds(sizes, n_rows)
    return seconds if group == 1 else seconds + 2 * plan.rest_seconds(sizes, n_rows)


def group_rows(batch_size: int, group: int) -> int:
    """Rows of a group, rounded up to a multiple of 16: whole vectors of any kind."""
    return -(-batch_size * group // 16) * 16


def _group_work(n_in: int, n_rows: int, n_slices: int, n_threads: int, dtype: np.dtype[Any]) -> GroupWork:
    step = row_step(n_in + 2 * lanes(dtype), dtype)  # the last block may be longer, and a vector of zeros follows
    return GroupWork(
        inputs=aligned_zeros(n_threads * n_rows * step, dtype).reshape(n_threads, n_rows, step),
        inner=aligned_zeros(n_slices * n_rows * n_rows, dtype).reshape(n_slices, n_rows * n_rows),
        pulls=aligned_zeros(n_rows * n_rows, dtype),
        kept=np.zeros(n_rows),
    )


def _places(
    layers: np.ndarray, dtype: np.dtype[Any], n_rows: int, n_slices: int, train: bool, slopes: bool
) -> tuple[np.ndarray, int]:
    """Offsets of the matrices in the buffer, and their total size."""
    sizes = np.zeros((len(layers), 5), np.int64)
    sizes[:, OUTPUT] = n_rows * layers[:, STEP]
    sizes[0, PLANES] = n_slices * sizes[0, OUTPUT]
    if slopes:
        sizes[:-1, SLOPES] = sizes[:-1, OUTPUT]
    if train:
        sizes[:, DELTA] = sizes[:, OUTPUT]
        sizes[1:, TRANSPOSED] = [
            padded(int(n_in), dtype) * padded(int(n_out), dtype) for n_in, n_out in layers[1:, [N_IN, N_OUT]]
        ]
    sizes = -(-sizes // 16) * 16  # whole cache lines
    ends = np.cumsum(sizes)
    return ends.reshape(sizes.shape) - sizes, int(ends[-1])


def _tiles(layers: np.ndarray, dtype: np.dtype[Any], batch_size: int, n_threads: int) -> np.ndarray:
    step = row_step(int(layers[0, N_IN]), dtype)
    return aligned_zeros(n_threads * batch_size * step, dtype).reshape(n_threads, batch_size, step)


# Vectors of outputs, and inputs, from which on rows may become lists for a prediction. With 6 vectors rows of MNIST
# take 0.62 of the time, and rows without zeros 1.13.
_WORTH_LISTS, _LEAST_LIST_INPUTS = 6, 64


def _mixed_tiles(layers: np.ndarray, dtype: np.dtype[Any], batch_size: int, n_threads: int) -> MixedTiles:
    n_in, columns = int(layers[0, N_IN]), padded(int(layers[0, N_OUT]), dtype)
    worth = columns >= _WORTH_LISTS * lanes(dtype) and _LEAST_LIST_INPUTS <= n_in <= MAX_COLUMNS
    n_blocks, entries = (-(-n_in // WIDE), int(n_in / ENTRY_COST) + QUAD) if worth else (0, 0)
    # A few places more, so that the lists do not all begin in the same set of the L1 cache.
    bounds = np.arange(n_blocks + 1) * (batch_size + 4)

    def each(n: int, kind: Any) -> np.ndarray:  # whole cache lines for each thread
        return aligned_zeros(n_threads * -(-n // 64) * 64, np.dtype(kind)).reshape(n_threads, -1)

    record = -(-entries * (dtype.itemsize + 2) // 64) * 64
    return MixedTiles(
        makes_lists=worth,
        dense=_tiles(layers, dtype, batch_size, n_threads),
        kept=each(batch_size, np.int64),
        row=each(-(-n_in // LOOK) * LOOK, dtype),
        bits=each(-(-n_in // LOOK), np.uint64),
        records=each(batch_size * record, np.uint8)[:, : batch_size * record].reshape(n_threads, batch_size, record),
        addresses=each(batch_size, np.int64),
        lengths=each(batch_size, np.int64),
        columns=each(entries, np.uint16),
        products=each(batch_size, dtype),
        listed=each(batch_size, np.int64),
        bounds=bounds,
        counts=each(n_blocks, np.int64),
        numbers=each(int(bounds[-1]), np.int32),
        values=each(int(bounds[-1]) * WIDE, dtype),
        folded=aligned_zeros(n_threads * 2 * columns, dtype).reshape(n_threads, 2, columns),
    )
