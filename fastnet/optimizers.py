"""The optimizers by name, and what they remember from one minibatch to the next. Their maths is in ``kernels/``."""

from typing import Any

import numpy as np

from .kernels.adam import Adam
from .kernels.sgd import Sgd
from .layout import aligned_zeros

Optimizer = Sgd | Adam

# Learning rates that suit most networks; for Adam it is that of the paper.
LEARNING_RATES = {"sgd": 0.1, "adam": 0.001, "adamw": 0.001}
NAMES = tuple(LEARNING_RATES)


class Memory:
    """Velocity or moments, laid out like the packed parameters, and steps done. It outlives a fit.

    Parameters
    ----------
    dtype : dtype
        Of the network.

    Attributes
    ----------
    steps : ndarray of shape (1,), int64
        Minibatches that Adam has been through; compiled code counts them, so that an interruption loses none.
    """

    def __init__(self, dtype: np.dtype[Any]):
        self.steps = np.zeros(1, np.int64)
        self._dtype, self._owner = dtype, ""
        self._vectors: tuple[np.ndarray, ...] = ()

    def vectors(self, owner: str, count: int, size: int) -> tuple[np.ndarray, ...]:
        """Return ``count`` vectors of ``size`` elements: the same each time, zeros for another owner or size."""
        if self._owner != owner or [vector.size for vector in self._vectors] != [size] * count:
            self._owner = owner
            self._vectors = tuple(aligned_zeros(size, self._dtype) for _ in range(count))
            self.steps[:] = 0
        return self._vectors

    @property
    def owner(self) -> str:
        """Optimizer that the vectors belong to; empty before there is one."""
        return self._owner

    @property
    def all_vectors(self) -> tuple[np.ndarray, ...]:
        """Velocity, or moments."""
        return self._vectors

    def clear(self) -> None:
        """Forget everything."""
        for array in (*self._vectors, self.steps):
            array[:] = 0
