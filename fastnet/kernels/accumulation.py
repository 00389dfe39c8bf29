"""Gradients that are kept until they are whole: those of a minibatch's micro-batches.   g (n_parameters,)

kept = g_1 + g_2 + …     one a micro-batch

Rows of a minibatch, and all that is computed of them, are read several times; where they are too many for the caches
they are worked on in micro-batches, whose gradients are added up and used in one step (gradient accumulation). Dense
784-256-10 at B = 16,384 takes 0.5 of the time so (two Zen 5 cores), sparse 0.2, 784-10-10 sparse 0.2. Clipping needs
the whole gradient, too: see ``clipping.py``.
"""

from typing import Any, NamedTuple

from .._jit import core, kernel
from ..simd import lanes, load, store


class Kept(NamedTuple):
    """Stands where an optimizer does: keeps gradients instead of using them."""

    gradient: Any  # laid out like the packed parameters
    begins: bool  # nothing has been kept of this minibatch


class Accumulated(NamedTuple):
    """An optimizer that takes the gradient of a whole minibatch at once."""

    optimizer: Any
    gradient: Any  # laid out like the packed parameters
    rows: int  # of a micro-batch
    max_norm: float  # that the gradient is clipped to; inf if it is not
    sums: Any  # (n_chunks,) float64, of squares
    totals: Any  # (n_threads,) float64: what the minibatch's losses are divided by, each thread its own
    begins: bool  # with this micro-batch a minibatch begins
    ends: bool  # and ends


@core
def part_of(optimizer, step, begins, ends):
    """Return the optimizer as it takes a micro-batch, with which a minibatch may begin, end, or both.

    ``step`` is the optimizer inside as this minibatch applies it.
    """
    gradient, rows, max_norm = optimizer.gradient, optimizer.rows, optimizer.max_norm
    return Accumulated(step, gradient, rows, max_norm, optimizer.sums, optimizer.totals, begins, ends)


def keep_reference(kept, g, begins):
    """NumPy twin of ``keep``."""
    return g.copy() if begins else kept + g


@kernel
def keep(kept, g, n, begins):
    """Keep ``n`` gradients, whole vectors: the first of a minibatch, or add them to those before."""
    if begins:
        for i in range(0, n, lanes(g)):
            store(kept, i, load(g, i))
    else:
        for i in range(0, n, lanes(g)):
            store(kept, i, load(kept, i) + load(g, i))
