"""What trials on the same rows have in common, made once: checks, preprocessing, lists of entries or blocks."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..block_rows import block_size, suits
from ..layout import narrow_width
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
        self._found: dict[tuple[Any, ...], Any] = {}
        self._lock, self._bytes = threading.Lock(), 0

    def entries(self, run: "_Run", X: np.ndarray, n_slices: int) -> Any:
        """Return the blocks or lists of entries that a fit needs; networks whose first layers are cut alike share them.

        A fit gets what it would make by itself: blocks if its network suits them and the rows are such.
        """
        if X is not self.samples.X:
            return run.own_entries(X, n_slices)
        dtype, n_first, most = self.preprocessing.mean.dtype, run.n_first, run.most
        with self._lock:
            found = None
            if suits(X.shape[1], n_first, most, dtype):
                # Where slices are cut depends on the size of minibatches.
                shape = narrow_width(n_first, dtype) > 0, block_size(n_first, dtype), most if n_slices > 1 else 0
                found = self._once(("blocks", n_slices, *shape), lambda: run.own_blocks(X, n_slices))
            if found is None:
                bounds = blocks(X, n_first, n_slices, dtype)[1].tobytes()
                found = self._once(("lists", n_slices, bounds), lambda: run.own_lists(X, n_slices))
            return found

    def _once(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """Return what was made under a key before, or is made now, and kept if there is room."""
        if key in self._found:
            return self._found[key]
        made = make()
        n_bytes = 0 if made is None else made.records.nbytes + made.starts.nbytes
        if self._bytes + n_bytes <= _MOST_BYTES:
            self._found[key] = made
            self._bytes += n_bytes
        return made


class _Run(Run):
    """A fit whose lists are shared."""

    def __init__(self, shared: Shared, *args: Any, group: int):
        self._shared = shared
        super().__init__(*args, group=group)

    @property
    def n_first(self) -> int:
        """Units of the first layer."""
        return self._network.layer_sizes[1]

    @property
    def most(self) -> int:
        """Samples that the first layer takes at a time."""
        return self._rows_at_once

    def own_entries(self, X: Any, n_slices: int) -> Any:
        """Make what only this fit needs."""
        return super()._entries(X, n_slices)

    def _entries(self, X: Any, n_slices: int) -> Any:
        return self._shared.entries(self, X, n_slices)


class SharingTrainer(Trainer):
    """A trainer for many fits of the same rows: these are checked, and their lists made, only once."""

    def __init__(self, shared: Shared, *args: Any, **settings: Any):
        self._shared = shared
        super().__init__(*args, **settings)

    def _check_data(self, name: str, X: Any, n_features: int) -> np.ndarray:
        checked = X is self._shared.samples.X or X is self._shared.samples.X_val
        return X if checked else super()._check_data(name, X, n_features)

    def _new_run(self, *args: Any, group: int) -> Run:
        return _Run(self._shared, *args, group=group)
