"""Ask for the rows of the next minibatch, one cache line after the other, while this one is multiplied.

Rows of a shuffled epoch lie anywhere in memory. To ask for one after the other while rows are gathered is to wait for
memory there, and to leave it idle while rows are multiplied (Gaussian 784-9-10, B = 32, one Zen 5 core: 0.70 of the
time per sample, 784-32-10 0.78, 784-300-10 at B = 128 0.96). Asked for in the L2 cache: in the L1 cache they would
take the place of the weights, and 784-300-10 gain nothing.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from .._jit import OVERLOAD_CORE, core
from ..simd import pointer_to, prefetch_far
from ..views import class_of
from .gather import CACHE_LINE

_LARGEST = 8  # bytes of an element; columns that lie further apart share no line


class Ahead(NamedTuple):
    """Rows that will be gathered next."""

    rows: Any  # gather.Rows, or another tuple with their fields
    order: Any
    first: int  # position of the first of these rows in ``order``
    column: int  # the first that will be gathered


@core
def _line(ahead, b, k):
    """Ask for column ``k`` of row ``b``; behind the end of the order, of its last row."""
    rows, position = ahead.rows, min(ahead.first + b, len(ahead.order) - 1)
    start = rows.address + np.int64(ahead.order[position]) * rows.row_step
    prefetch_far(pointer_to(start, np.uint8), (ahead.column + k) * rows.column_step)


def ask(ahead, b, k):
    """Ask for the cache line that has column ``k`` of row ``b``; nothing if ``ahead`` is None."""
    raise NotImplementedError


def _ask(ahead, b, k):
    _line(ahead, b, k)


def _ask_nothing(ahead, b, k):
    pass


def columns_of_line(ahead, most):
    """Columns that a cache line has; ``most`` if ``ahead`` is None, or if columns share no lines."""
    raise NotImplementedError


def _columns(ahead, most):
    step = ahead.rows.column_step
    return CACHE_LINE // step if 0 < step <= _LARGEST else most


def _all_columns(ahead, most):
    return most


@overload(ask, jit_options=OVERLOAD_CORE)
def _choose_ask(ahead, b, k):
    return _ask if class_of(ahead) is Ahead else _ask_nothing


@overload(columns_of_line, jit_options=OVERLOAD_CORE)
def _choose_columns(ahead, most):
    return _columns if class_of(ahead) is Ahead else _all_columns
