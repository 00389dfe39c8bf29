"""What trials on the same rows have in common, made once: checks, preprocessing, lists of entries."""

import threading
from typing import Any, NamedTuple

import numpy as np

from ..kernels.sparse import SparseRows
from ..preprocessing import Preprocessing
from ..rows import MAX_BYTES, blocks
from ..run import Run
from ..trainer import Trainer

# Bytes of lists that are kept beside the data; what does not fit is made anew by each fit.
_MOST_BYTES = 2 * MAX_BYTES


class Samples(NamedTuple):
    """Checked rows and their targets, for training and validation."""

    X: np.ndarray
    y: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray


class Shared:
    """Rows, their preprocessing and their lists of entries.

    Parameters
    ----------
    samples : Samples
        Nothing is copied.
    preprocessing : Preprocessing
        Of all trials.
    """

    def __init__(self, samples: Samples, preprocessing: Preprocessing):
        self.samples, self.preprocessing = samples, preprocessing
        self._lists: dict[tuple[int, bytes], SparseRows | None] = {}
        self._lock, self._bytes = threading.Lock(), 0

    def entries(self, run: "_Run", X: np.ndarray, n_slices: int) -> SparseRows | None:
        """Return the lists of entries that a fit needs; networks whose first layers are cut alike share them."""
        if X is not self.samples.X:
            return run.own_entries(X, n_slices)
        key = (n_slices, blocks(X, run.n_first, n_slices, self.preprocessing.mean.dtype)[1].tobytes())
        with self._lock:
            if key in self._lists:
                return self._lists[key]
            found = run.own_entries(X, n_slices)
            size = 0 if found is None else found.records.nbytes + found.starts.nbytes + found.products.nbytes
            if self._bytes + size <= _MOST_BYTES:
                self._lists[key] = found
                self._bytes += size
            return found


class _Run(Run):
    """A fit whose lists are shared."""

    def __init__(self, shared: Shared, *args: Any):
        self._shared = shared
        super().__init__(*args)

    @property
    def n_first(self) -> int:
        """Units of the first layer."""
        return self._network.layer_sizes[1]

    def own_entries(self, X: np.ndarray, n_slices: int) -> SparseRows | None:
        """Make the lists."""
        return super()._entries(X, n_slices)

    def _entries(self, X: Any, n_slices: int) -> SparseRows | None:
        return self._shared.entries(self, X, n_slices)


class SharingTrainer(Trainer):
    """A trainer for many fits of the same rows: these are checked, and their lists made, only once."""

    def __init__(self, shared: Shared, *args: Any, **settings: Any):
        self._shared = shared
        super().__init__(*args, **settings)

    def _check_data(self, name: str, X: Any, n_features: int) -> np.ndarray:
        checked = X is self._shared.samples.X or X is self._shared.samples.X_val
        return X if checked else super()._check_data(name, X, n_features)

    def _new_run(self, *args: Any) -> Run:
        return _Run(self._shared, *args)
