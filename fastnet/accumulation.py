"""Gradients that are kept until they are whole, as a fit takes them: see ``kernels/accumulation.py``."""

from typing import Any

import numpy as np

from .kernels.accumulation import Accumulated
from .kernels.clipping import CHUNK
from .layout import aligned_zeros
from .optimizers import Optimizer


class Accumulation:
    """Makes optimizers take whole gradients, for micro-batches or to clip them, or leaves them as they are.

    Parameters
    ----------
    max_norm : float or None
        Largest norm of a minibatch's gradient.
    n_packed : int
        Length of the packed parameters.
    dtype : dtype
        Of the network.
    n_threads : int
    """

    def __init__(self, max_norm: float | None, n_packed: int, dtype: np.dtype[Any], n_threads: int):
        self._max_norm = np.inf if max_norm is None else max_norm
        self._n_packed, self._dtype, self._totals = n_packed, dtype, np.zeros(n_threads)
        self._gradient: np.ndarray | None = None

    def forget(self) -> None:
        """Forget the last gradient: rows of another kind may lay theirs out in another way, and leave some of it."""
        if self._gradient is not None:
            self._gradient[:] = 0

    def __call__(self, optimizer: Optimizer, rows: int, batch_size: int) -> Optimizer | Accumulated:
        """Return the optimizer as compiled code takes it, with ``rows`` of a minibatch at a time."""
        if self._max_norm == np.inf and rows >= batch_size:
            return optimizer
        if self._gradient is None:
            self._gradient = aligned_zeros(self._n_packed, self._dtype)
        sums = np.zeros(-(-self._n_packed // CHUNK))
        return Accumulated(optimizer, self._gradient, rows, self._max_norm, sums, self._totals, True, True)
