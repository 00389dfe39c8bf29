"""Rows that come as compressed sparse rows, made the lists of ``sparse.py``: no dense row is ever written.

Columns are sorted within a row and none comes twice. Entries that are zero are left out, so that the lists, and with
them all bits, are those of the same rows given dense.
"""

import numpy as np

from .._jit import entry
from . import gather
from .sparse import QUAD, _record


@entry
def count_csr(starts, columns, values, n_rows, bounds, counts):
    """counts (n_rows * n_blocks,): lengths of the lists of each block of columns of each row, filled up."""
    n_blocks = len(bounds) - 1
    for row in range(n_rows):
        block, count = 0, 0
        for i in range(starts[row], starts[row + 1]):
            while columns[i] >= bounds[block + 1]:
                counts[row * n_blocks + block] = -(-count // QUAD) * QUAD
                block, count = block + 1, 0
            count += values[i] != 0
        counts[row * n_blocks + block] = -(-count // QUAD) * QUAD


@entry
def copy_csr(starts, columns, values, n_rows, scale, entries):
    """Fill the records as they were counted, and ``products``; returns the sum of squares.

    ``counts`` of blocks without entries must have been zero.
    """
    n_blocks, total = len(entries.bounds) - 1, 0.0
    per_slice = n_blocks // entries.n_slices
    for row in range(n_rows):
        i, stop = starts[row], starts[row + 1]
        for piece in range(entries.n_slices):
            product = 0.0
            for block in range(piece * per_slice, (piece + 1) * per_slice):
                to, places, n = _record(entries, row * n_blocks + block)
                at = 0
                while i < stop and columns[i] < entries.bounds[block + 1]:
                    if values[i] != 0 and at < n:
                        to[at] = values[i]
                        places[at] = columns[i]
                        to[at] *= gather.factor(scale, columns[i])
                        total += np.float64(to[at]) * np.float64(to[at])
                        product += np.float64(to[at]) * np.float64(entries.mean[columns[i]])
                        at += 1
                    i += 1
                for t in range(at, n):
                    to[t] = 0
                    places[t] = entries.bounds[block]
            entries.products[row, piece] = product
    return total
