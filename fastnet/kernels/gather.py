"""Gather one minibatch of the user's own rows into a small tile.   out (B, I) = rows * scale - mean

The data set stays as the user gave it: uint8, float32 or float64, contiguous or strided, read-only or mapped from a
file. Rows enter as address, strides in bytes and a code, so that no layout compiles anything new.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import overload

from .._jit import OVERLOAD_CORE, core, kernel
from ..simd import lanes, load, load_as, muladd, pointer, pointer_to, prefetch, shift, splat, store

UINT8, FLOAT32, FLOAT64 = 0, 1, 2
CODES = {"uint8": UINT8, "float32": FLOAT32, "float64": FLOAT64}

# Rows of a shuffled epoch lie anywhere in memory, about 100 ns away: each gather asks for the row this much later.
PREFETCH_ROWS = 4
CACHE_LINE = 64


class Rows(NamedTuple):
    """The user's matrix of shape (n_rows, n_features) as compiled code takes it, and how to centre and scale it."""

    address: int
    row_step: int  # bytes
    column_step: int  # bytes
    code: int
    n_features: int
    scale: Any  # a number, or (n_features padded,) of the network's dtype
    mean: Any  # (n_features padded,) of the network's dtype


def gather_reference(rows, order, scale, mean):
    """NumPy twin of ``gather_rows``."""
    return rows[order] * scale - mean


def factor(scale, column):
    """What the elements of a column are multiplied by; which kind of scale is meant is decided when compiling."""
    raise NotImplementedError


def factors(scale, j, like):
    """What a vector of elements from column ``j`` on is multiplied by."""
    raise NotImplementedError


def _same_factor(scale, column):
    return scale


def _own_factor(scale, column):
    return scale[column]


def _same_factors(scale, j, like):
    return scale


def _own_factors(scale, j, like):
    return load(pointer(scale, 0), j)


@overload(factor, jit_options=OVERLOAD_CORE)
def _choose_factor(scale, column):
    return _same_factor if isinstance(scale, types.Number) else _own_factor


@overload(factors, jit_options=OVERLOAD_CORE)
def _choose_factors(scale, j, like):
    return _same_factors if isinstance(scale, types.Number) else _own_factors


@core
def _convert(source, out, start, stop, scale, mean, centred):
    """out = source * scale - mean for whole vectors of contiguous elements; ``source`` may be ``out``."""
    for j in range(start, stop, lanes(out)):
        value, by = load_as(source, j, out), factors(scale, j, out)
        store(out, j, muladd(value, by, -load(mean, j)) if centred else value * by)


@core
def _copy_strided(address, step, dtype, out, start, stop, padded):
    """Copy elements ``step`` bytes apart, and fill up with zeros."""
    for j in range(start, stop):
        out[j] = pointer_to(address + j * step, dtype)[0]
    for j in range(stop, padded):
        out[j] = 0


@core
def _gather_row(rows, address, dtype, item, start, stop, out, centred):
    """Columns of a row; what is not whole contiguous vectors is copied first: the same bits for any layout."""
    mean, rest = pointer(rows.mean, 0), (stop - start) % lanes(out)
    whole = stop - rest if rows.column_step == item else start
    padded = stop + lanes(out) - rest if rest else stop
    _convert(pointer_to(address, dtype), out, start, whole, rows.scale, mean, centred)
    if whole < stop:
        _copy_strided(address, rows.column_step, dtype, out, whole, stop, padded)
        _convert(out, out, whole, padded, rows.scale, mean, centred)


@core
def _gather_any(rows, address, start, stop, out, centred):
    if rows.code == UINT8:
        _gather_row(rows, address, np.uint8, 1, start, stop, out, centred)
    elif rows.code == FLOAT32:
        _gather_row(rows, address, np.float32, 4, start, stop, out, centred)
    else:
        _gather_row(rows, address, np.float64, 8, start, stop, out, centred)


@core
def _prefetch_row(rows, row, start, stop):
    """Ask for the cache lines of a row that will be gathered soon; strided rows are left to the CPU."""
    if 0 < rows.column_step <= 8:
        begin = pointer_to(rows.address + row * rows.row_step, np.uint8)
        for line in range(start * rows.column_step, stop * rows.column_step, CACHE_LINE):
            prefetch(begin, line)


@kernel
def gather_rows(rows, order, first, count, limit, start, stop, out, out_step):
    """out (count, I) = rows ``order[first : first + count]``, but only columns ``start`` to ``stop``.

    ``start`` is a whole number of vectors. ``order`` has ``limit`` entries to look ahead in.
    """
    for b in range(count):
        _prefetch_row(rows, np.int64(order[min(first + b + PREFETCH_ROWS, limit - 1)]), start, stop)
        address = rows.address + np.int64(order[first + b]) * rows.row_step
        _gather_any(rows, address, start, stop, shift(out, b * out_step), True)


@kernel
def scale_row(rows, row, out):
    """out (I,) = a row, scaled but not centred."""
    _gather_any(rows, rows.address + np.int64(row) * rows.row_step, 0, rows.n_features, out, False)


@core
def copy_row(source, n, factor, out):
    """Copy ``n`` elements times a factor, and a vector of zeros behind them."""
    whole, width = n - n % lanes(out), lanes(out)
    for i in range(0, whole, width):
        store(out, i, factor * load(source, i))
    for i in range(whole, n):
        out[i] = factor * source[i]
    store(out, n, splat(out, 0.0))
