"""The estimators' way to compiled code: networks of given weights, their outputs, epochs, loss and gradient.

Rows are used as they lie in memory, and never copied as a whole: validation data that are split off, and each epoch's
order, are lists of row numbers. Compressed sparse rows become lists of entries; only those with too many columns for
that are written out as dense rows, some minibatches at a time.
"""

import os
from typing import Any

import numpy as np
import scipy.sparse

from .. import plan
from .._parallel import Together, available_cpus
from ..kernels import activations, gather, sparse
from ..layers import Gradient
from ..layout import aligned_zeros, n_packed, pack, unpack
from ..network import Network
from ..rows import MAX_COLUMNS, csr_rows, dense_rows
from ..run import Run
from ..targets import PenalisedTargets, PoissonTargets
from .parameters import ENGINE_NAMES

Targets = PenalisedTargets | PoissonTargets

# Rows of these dtypes are read as they lie in memory; the first is what others become.
ROW_DTYPES = (np.float64, np.float32, np.uint8)

# Bytes of dense rows that are written for one compiled call.
_BLOCK_BYTES = 32 << 20


# -- threads -------------------------------------------------------------------------------------------


def available_threads() -> int:
    """Threads that a fit may take: all CPUs, but one inside a job of joblib's, which has its share of them."""
    from joblib.parallel import get_active_backend

    if (get_active_backend()[0].nesting_level or 0) > 0:
        return 1
    limit = os.environ.get("NUMBA_NUM_THREADS", "")
    return min(available_cpus(), int(limit)) if limit.isdigit() and int(limit) > 0 else available_cpus()


def fit_threads(n_threads: int | None, network: Network, batch_size: int) -> int:
    """Threads of a fit: as many as were asked for, or as are worth it."""
    if n_threads is not None:
        return min(n_threads, available_cpus())
    return plan.threads(network.layer_sizes, batch_size, network.dtype, available_threads())


# -- networks ------------------------------------------------------------------------------------------


def network_of(coefs: list[Any], intercepts: list[Any], names: list[str], dtype: Any) -> Network:
    """Return a network with these weights, whose outputs are logits.

    Parameters
    ----------
    coefs, intercepts : list of ndarray
        (n_in, n_out) and (n_out,), one a layer.
    names : list of str
        Activations of the hidden layers, as scikit-learn calls them.
    dtype : dtype
    """
    sizes = [int(np.shape(coefs[0])[0]), *(int(np.shape(coef)[1]) for coef in coefs)]
    network = Network._blank(sizes, [ENGINE_NAMES.get(name, name) for name in names], "identity", dtype)
    for i, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        network.weights[i], network.biases[i] = coef, intercept
    return network


def outputs(network: Network, X: Any, n_threads: int | None = None) -> np.ndarray:
    """Logits of dense or CSR rows, (n_samples, n_outputs); they may be infinite or NaN."""
    most = available_threads() if n_threads is None else min(n_threads, available_cpus())
    if not scipy.sparse.issparse(X):
        return network._outputs(X, most)
    if X.shape[1] > MAX_COLUMNS:
        return _outputs_of_wide(network, X)
    step = max(64, _BLOCK_BYTES // (X.shape[1] * X.dtype.itemsize))
    blocks = [network._outputs(X[i : i + step].toarray(), most) for i in range(0, X.shape[0], step)]
    return np.concatenate(blocks)


def _outputs_of_wide(network: Network, X: Any) -> np.ndarray:
    """Logits of rows with very many columns: SciPy multiplies them with the first layer's weights."""
    z = np.ascontiguousarray(X @ network.weights[0], network.dtype) + network.biases[0]
    for layer, name in enumerate(network.activations, 1):
        y = np.empty(z.size, network.dtype)
        activations.activation_arrays(activations.CODES[name], z.ctypes.data, y)
        z = y.reshape(z.shape) @ network.weights[layer] + network.biases[layer]
    return z


def packed(network: Network, flat: np.ndarray) -> np.ndarray:
    """Return a vector that is laid out like ``network.parameters`` as compiled code takes it."""
    vector = aligned_zeros(n_packed(network._layers, network.dtype), network.dtype)
    pack(flat, network._layers, vector)
    return vector


def unpacked(network: Network, vector: np.ndarray) -> np.ndarray:
    """Return the opposite of ``packed``."""
    flat = np.empty_like(network.parameters)
    unpack(vector, network._layers, flat)
    return flat


# -- rows ----------------------------------------------------------------------------------------------


def as_rows(X: Any) -> Any:
    """Return checked data as compiled code reads them: an aligned array, or canonical CSR."""
    if not scipy.sparse.issparse(X):
        return X if X.flags.aligned and X.dtype.isnative else np.array(X, X.dtype.newbyteorder("="))
    X = X.tocsr() if X.dtype != np.uint8 else X.tocsr().astype(np.float64)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


# -- epochs --------------------------------------------------------------------------------------------


class Epochs(Run):
    """The packed state of a fit that goes on whatever its losses are, as scikit-learn's do.

    Parameters
    ----------
    network : Network
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        From ``as_rows``.
    targets : PenalisedTargets or PoissonTargets
    batch_size, n_threads : int
    together : callable
    n_samples : int
        Samples of an epoch, if not all rows are trained on.
    """

    def __init__(
        self,
        network: Network,
        X: Any,
        targets: Any,
        batch_size: int,
        n_threads: int,
        together: Together,
        n_samples: int | None = None,
    ):
        super().__init__(network, X, targets, batch_size, n_threads, together, n_samples=n_samples)
        self._targets = targets._replace(squares=np.zeros(self.n_units))

    def _entries(self, X: Any, n_slices: int) -> sparse.SparseRows | None:
        if not scipy.sparse.issparse(X):
            return super()._entries(X, n_slices)
        return csr_rows(X, self._network.dtype, self._network.layer_sizes[1], n_slices)

    def _dense(self, X: Any) -> gather.Rows:
        if not scipy.sparse.issparse(X):
            return super()._dense(X)
        raise ValueError(f"X has {X.nnz:,} entries; at most 2**32 of a sparse matrix can be trained on")

    def train(self, order: np.ndarray, optimizer: Any) -> np.ndarray:
        """Train for an epoch, as far as Ctrl-C lets it; returns each minibatch's mean loss."""
        self._optimizer = self._as_compiled(optimizer)
        try:
            self._calls(order)
        finally:
            self._settle()
        return self._losses

    def _calls(self, order: np.ndarray) -> None:
        for begin in range(0, len(self._losses), self._per_call):
            self._call(order, begin, min(begin + self._per_call, len(self._losses)))

    def loss_and_gradient(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss of all rows with other parameters, and its gradient; both flat vectors as ``network.parameters``."""
        pack(flat, self._plain.layers, self._plain.packed)
        keep = Gradient(np.zeros_like(self._plain.packed))
        self._optimizer = keep
        self._calls(np.arange(self.n_samples, dtype=np.uint32))
        return float(self._losses.sum()), unpacked(self._network, keep.packed)


class WideEpochs(Epochs):
    """The same for CSR rows with more columns than lists can number: dense rows, some minibatches at a time."""

    def __init__(self, network: Network, X: Any, targets: Any, batch_size: int, *args: Any):
        super().__init__(network, X, targets, batch_size, *args)
        row_bytes = batch_size * X.shape[1] * X.dtype.itemsize
        self._per_call = max(1, min(self._per_call, _BLOCK_BYTES // row_bytes))
        self._all_targets: Any = self._targets

    def _entries(self, X: Any, n_slices: int) -> None:
        return None

    def _dense(self, X: Any) -> gather.Rows:
        return self._network._rows(np.zeros((1, X.shape[1]), X.dtype))

    def _calls(self, order: np.ndarray) -> None:
        """Bring targets into the epoch's order; rows are brought into it block by block."""
        targets, in_order = self._all_targets, np.arange(len(order), dtype=np.uint32)
        self._targets = targets._replace(
            labels=targets.labels[order] if targets.labels.size else targets.labels,
            values=targets.values[order] if targets.values.size else targets.values,
            weights=targets.weights[order] if targets.weights.size else targets.weights,
        )
        for begin in range(0, len(self._losses), self._per_call):
            end = min(begin + self._per_call, len(self._losses))
            first = begin * self._batch_size
            block = self._X[order[first : end * self._batch_size]].toarray()
            rows = dense_rows(block, 1.0, np.zeros(block.shape[1], self._network.dtype))
            # Position ``first`` of the order is the block's first row.
            self._rows = rows._replace(address=rows.address - first * rows.row_step)
            self._call(in_order, begin, end)


def epochs(
    network: Network,
    X: Any,
    targets: Targets,
    batch_size: int,
    n_threads: int,
    together: Together,
    n_samples: int | None = None,
) -> Epochs:
    """Return the kind of ``Epochs`` that suits the data."""
    wide = scipy.sparse.issparse(X) and X.shape[1] > MAX_COLUMNS
    return (WideEpochs if wide else Epochs)(network, X, targets, batch_size, n_threads, together, n_samples)
