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

# More bytes are not asked for: the first would leave the L2 cache again before they are gathered (784-300-10, B = 1024:
# 1.03 to 1.06 of the time with 1.6 MB).
_MOST_BYTES = 768 << 10


class Ahead(NamedTuple):
    """Rows that will be gathered next."""

    rows: Any  # gather.Rows, or another tuple with their fields
    order: Any
    first: int  # position of the first of these rows in ``order``
    column: int  # the first that will be gathered
    line: int  # columns in a cache line; 0 to ask for nothing


@core
def next_rows(rows, order, first, count, start, stop):
    """Columns ``start`` to ``stop`` of samples ``order[first : first + count]``, to be asked for."""
    step = rows.column_step
    worth = 0 < step <= _LARGEST and count * (stop - start) * step <= _MOST_BYTES
    return Ahead(rows, order, first, start, CACHE_LINE // step if worth else 0)


def ask(ahead, b, k):
    """Ask for the line that has column ``k`` of row ``b``, the last in the order behind its end; or for nothing."""
    raise NotImplementedError


def _ask(ahead, b, k):
    if ahead.line > 0:
        rows, position = ahead.rows, min(ahead.first + b, len(ahead.order) - 1)
        start = rows.address + np.int64(ahead.order[position]) * rows.row_step
        prefetch_far(pointer_to(start, np.uint8), (ahead.column + k) * rows.column_step)


def _ask_nothing(ahead, b, k):
    pass


def columns_of_line(ahead, most):
    """Columns that a cache line has; ``most`` if nothing is to be asked for."""
    raise NotImplementedError


def _columns(ahead, most):
    return ahead.line if ahead.line > 0 else most


def _all_columns(ahead, most):
    return most


@overload(ask, jit_options=OVERLOAD_CORE)
def _choose_ask(ahead, b, k):
    return _ask if class_of(ahead) is Ahead else _ask_nothing


@overload(columns_of_line, jit_options=OVERLOAD_CORE)
def _choose_columns(ahead, most):
    return _columns if class_of(ahead) is Ahead else _all_columns
