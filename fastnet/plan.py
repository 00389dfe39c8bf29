"""What a fit decides before it starts: threads, slices, the length of a compiled call. From shapes, not by a clock."""

from itertools import pairwise
from typing import Any

import numpy as np

from .kernels.dense import PANEL_VECTORS
from .layout import lanes

# Multiply-adds of a minibatch, counted as if nothing were sparse, from which on the inputs are cut in two, and for
# which one more thread is taken whatever zeros there are.
_WORTH_SLICES, _WORTH_A_THREAD = 190_000, 250_000

# Fewer are enough for a second thread, where the first layer's count for ``_WORK_OF_ENTRIES`` times the share of
# entries that are not zero, or whole. Two threads take 0.87 of the time for images and 784-10-10 at B = 8 (0.93 and
# 1.13 with 143,000 and 115,000), 0.75 at B = 16; for dense rows 0.65 to 0.8; for lists 0.86 and 0.90 with 154,000 and
# 120,000, 1.09 with 80,000.
_WORTH_A_SECOND, _WORK_OF_ENTRIES = 150_000, 8

# Time a compiled call should take, and what a minibatch is assumed to cost on one core. Measured: 43 to 48e9
# multiply-adds a second where a panel lies in the L1 cache, and 5 µs for 8-10-10 at B = 32, nearly all of it overhead.
_CALL_SECONDS = 0.05
_MULTIPLY_ADDS_PER_SECOND = 40e9
_MINIBATCH_SECONDS = 5e-6
_MULTIPLY_ADDS_OF_ROWS_PER_SECOND = 5e9  # single rows through 1024-1024-10

# Share of the first layer's time that is taken to be saved where zeros are left out: 784-300-10 takes 0.26 of it.
_SKIPPED = 0.75

_MIN_SLICE = 64  # inputs

# Rows of a group of minibatches, at least; 16 to 64 are as good. Groups take 1.18 times as long as single minibatches
# with 784-24-10 at B = 1, 0.93 with 48 units, 0.5 with 300; at B = 8 0.99 with 100 units, 0.85 with 300.
GROUP_ROWS = 32
_MIN_GROUP_INPUTS, _MIN_GROUP_UNITS, _GROUP_UNITS_A_ROW = 128, 48, 16
_MAX_GROUP_INPUTS = 1 << 16  # as lists of entries may have
_MAX_REST = 4  # the first layer's weights may be so many times the others, or more

# Bytes of the rows that are worked on together where a minibatch has many, and rows, at least. 1 to 4 MB are as good
# (784-256-10, dense and sparse, 784-512-256-10, 5000-64-10, 100-100-10); fewer rows than three times as many are
# worked on at once, since gradients cost something to add up: 784-10-10 at B = 1,024 takes 1.1 of the time, sparse.
_MICRO_BATCH_BYTES, _MIN_MICRO_BATCH, _WORTH_MICRO_BATCHES = 2 << 20, 256, 3
_MICRO_BATCH_UNIT = 64  # rows

# Lists of entries are worked on together in such a share of their columns, or more: adding gradients up goes over all
# weights, where a row touches some hundred columns. 20000-300-10 in 256 rows takes 1.3 of the time.
_MICRO_BATCH_OF_COLUMNS = 0.1

# Units times the share of entries that are not zero, at least: rows are written out for their inner products.
# 5000-100-10 with 2 % of entries takes 0.87 of the time, 20000-100-10 with 0.5 % 1.09, 47236-64-4 with 0.16 % 2.9.
_MIN_TOUCHED = 2.0


def multiply_adds(layer_sizes: tuple[int, ...], batch_size: int) -> int:
    """Multiply-adds of a minibatch: forward, gradients of the inputs and of the weights."""
    return 3 * batch_size * sum((n_in + 1) * n_out for n_in, n_out in pairwise(layer_sizes))


def worthwhile_threads(layer_sizes: tuple[int, ...], batch_size: int, density: float = 1.0) -> int:
    """Threads that a minibatch has enough work for."""
    work, first = multiply_adds(layer_sizes, batch_size), multiply_adds(layer_sizes[:2], batch_size)
    real = work - (1 - min(1.0, _WORK_OF_ENTRIES * density)) * first
    return max(2 if real >= _WORTH_A_SECOND else 1, work // _WORTH_A_THREAD)


def minibatches_in_group(layer_sizes: tuple[int, ...], batch_size: int, density: float = 1.0) -> int:
    """Minibatches of plain SGD that share a pass over the first layer's weights: see ``groups.py``.

    One thread does what lies between, so that must be little beside the first layer. What a group costs more grows with
    the inputs, what it saves with the weights that a minibatch touches, and with the number of minibatches.
    """
    n_in, n_first = layer_sizes[:2]
    rest = sum(n * m for n, m in pairwise(layer_sizes[1:]))
    inputs = _MIN_GROUP_INPUTS <= n_in <= _MAX_GROUP_INPUTS
    units = n_first >= max(_MIN_GROUP_UNITS, _GROUP_UNITS_A_ROW * batch_size) and density * n_first >= _MIN_TOUCHED
    if not inputs or not units or rest * _MAX_REST > n_in * n_first or 2 * batch_size > GROUP_ROWS:
        return 1
    return -(-GROUP_ROWS // batch_size)


def row_bytes(layer_sizes: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Bytes of a dense row, and of what is computed of it: partial sums of the first layer, outputs, gradients."""
    first, *rest = layer_sizes[1:]
    return dtype.itemsize * (layer_sizes[0] + 4 * first + 2 * sum(rest))


def _most_rows(layer_sizes: tuple[int, ...], dtype: np.dtype[Any], lists: bool) -> int:
    """Rows of a micro-batch, at most."""
    most = max(_MICRO_BATCH_BYTES // row_bytes(layer_sizes, dtype), _MIN_MICRO_BATCH)
    return max(most, int(_MICRO_BATCH_OF_COLUMNS * layer_sizes[0])) if lists else most


def rows_together(layer_sizes: tuple[int, ...], batch_size: int, dtype: np.dtype[Any], lists: bool = False) -> int:
    """Most rows that are worked on together in any minibatch of up to ``batch_size`` rows."""
    return min(batch_size, _WORTH_MICRO_BATCHES * _most_rows(layer_sizes, dtype, lists))


def micro_batch(layer_sizes: tuple[int, ...], batch_size: int, dtype: np.dtype[Any], lists: bool = False) -> int:
    """Rows of a minibatch that are worked on together; the gradients of more are added up.

    All micro-batches of a minibatch have as many rows, but for the last. ``lists`` says whether rows are lists of
    entries.
    """
    most = _most_rows(layer_sizes, dtype, lists)
    if batch_size < _WORTH_MICRO_BATCHES * most:
        return batch_size
    even = -(-batch_size // -(-batch_size // most))
    return -(-even // _MICRO_BATCH_UNIT) * _MICRO_BATCH_UNIT


def rest_seconds(layer_sizes: tuple[int, ...], n_rows: int) -> float:
    """Time that the later layers are assumed to take on one core, row by row, between two barriers of a group."""
    return multiply_adds(layer_sizes[1:], n_rows) / _MULTIPLY_ADDS_OF_ROWS_PER_SECOND


def slices(layer_sizes: tuple[int, ...], batch_size: int) -> int:
    """Slices that the inputs are cut into, so that two threads have equal shares however few units there are."""
    enough = multiply_adds(layer_sizes, batch_size) >= _WORTH_SLICES
    return 2 if enough and layer_sizes[0] >= 2 * _MIN_SLICE else 1


def even_batch_size(n_samples: int, most: int) -> int:
    """Largest size of minibatches, up to ``most``, for which the last one is at least half as large.

    A stream ends many times, with every chunk: steps of full length on the few samples that are left over there would
    do harm (784-300-10 on chunks of 5,000, B = 128: test accuracy 0.89 to 0.95 after 5 epochs, instead of 0.97).
    """
    for size in range(min(n_samples, most), 1, -1):
        if n_samples % size == 0 or 2 * (n_samples % size) >= size:
            return size
    return 1


def threads(
    layer_sizes: tuple[int, ...], batch_size: int, dtype: np.dtype, available: int, density: float = 1.0
) -> int:
    """Threads worth using: each needs a CPU, work, and a slice of a panel of the first layer of its own.

    ``density`` is the share of the rows' entries that are not zero.
    """
    panels = -(-layer_sizes[1] // (PANEL_VECTORS * lanes(dtype)))
    worthwhile = worthwhile_threads(layer_sizes, batch_size, density)
    return min(available, panels * slices(layer_sizes, batch_size), worthwhile)


def minibatch_seconds(layer_sizes: tuple[int, ...], batch_size: int, first_layer: str = "dense") -> float:
    """Time that a minibatch is assumed to take on one core, with rows of the kind that ``History.first_layer`` says."""
    work = multiply_adds(layer_sizes, batch_size)
    if first_layer != "dense":
        work -= int(_SKIPPED * multiply_adds(layer_sizes[:2], batch_size))
    return work / _MULTIPLY_ADDS_PER_SECOND + _MINIBATCH_SECONDS


def minibatches_per_call(layer_sizes: tuple[int, ...], batch_size: int, first_layer: str = "dense") -> int:
    """Minibatches of a compiled call: about 50 ms on one core."""
    return max(1, int(_CALL_SECONDS / minibatch_seconds(layer_sizes, batch_size, first_layer)))


def whole_groups(minibatches: int, group: int) -> int:
    """Number of minibatches, cut to whole groups; at least one group."""
    return max(1, minibatches // group) * group


def units(columns: int, width: int, n_slices: int, n_threads: int) -> np.ndarray:
    """Cut the first layer's work among threads: thread t takes units ``units[t]`` to ``units[t + 1]``.

    A unit is a slice of a panel of ``width`` columns (the last may be narrower); they are numbered slice by slice, so
    that two threads have a slice each, and read that part of the rows only.
    """
    widths = np.full(-(-columns // width), width)
    widths[-1] = columns - width * (len(widths) - 1)
    widths = np.tile(widths, n_slices)
    ends = np.cumsum(widths)
    middles = ends - widths / 2
    owners = (middles * n_threads / ends[-1]).astype(np.int64)
    return np.searchsorted(owners, np.arange(n_threads + 1))
