"""Clipping of a whole gradient by its norm.   g (n_parameters,)

norm = sqrt(sum_i g_i**2)          g = g * max_norm / norm where norm > max_norm

All gradients of a minibatch must be known before the first weight is changed: see ``accumulation.py``. The sum is cut
into chunks of a fixed length, which are added up in their order: its bits do not depend on the number of threads.
Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.
"""

import math

import numpy as np

from .._jit import core, entry, kernel
from ..simd import lanes, load, pointer, reduce_add, shift, splat, store, widen

CHUNK = 4096  # parameters whose squares are added up by one thread


def clip_reference(g, max_norm):
    """NumPy twin: the clipped gradient."""
    norm = np.sqrt(np.sum(np.square(g, dtype=np.float64)))
    return g * (max_norm / norm) if norm > max_norm else g


@core
def _square_sum(g, n):
    """Sum of the squares of ``n`` gradients, whole vectors, in float64."""
    total = splat(widen(splat(g, 0.0)), 0.0)
    for i in range(0, n, lanes(g)):
        value = widen(load(g, i))
        total = total + value * value
    return reduce_add(total)


@kernel
def sum_chunks(g, n, first, last, sums):
    """Write the sums of squares of chunks ``first`` to ``last`` of the ``n`` gradients."""
    for chunk in range(first, last):
        start = chunk * CHUNK
        sums[chunk] = _square_sum(shift(g, start), min(CHUNK, n - start))


@kernel
def clip_factor(sums, max_norm):
    """Return what a gradient is multiplied with: 1 if it is short enough, NaN if its norm is not finite."""
    total = 0.0
    for chunk in range(len(sums)):
        total += sums[chunk]
    norm = math.sqrt(total)
    if norm <= max_norm:
        return 1.0
    return max_norm / norm if norm < np.inf else np.nan


@kernel
def scale(g, n, factor):
    """Multiply ``n`` gradients, whole vectors, in place."""
    for i in range(0, n, lanes(g)):
        store(g, i, load(g, i) * factor)


@entry
def clip_arrays(g, max_norm, sums):
    """Clip g (n,), whole vectors, in place; ``sums`` has room for its chunks. Returns the factor."""
    sum_chunks(pointer(g, 0), g.size, 0, len(sums), sums)
    factor = clip_factor(sums, max_norm)
    scale(pointer(g, 0), g.size, factor)
    return factor
