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
from ..kernels import more_activations
from ..layers import Gradient
from ..layout import aligned_zeros, n_packed, pack, unpack
from ..network import Network
from ..rows import MAX_COLUMNS
from ..run import Run
from ..sparse_data import density
from ..targets import PenalisedTargets, PoissonTargets
from .parameters import ENGINE_NAMES

Targets = PenalisedTargets | PoissonTargets

# Rows of these dtypes are read as they lie in memory; the first is what others become.
ROW_DTYPES = (np.float64, np.float32, np.uint8)


# -- threads -------------------------------------------------------------------------------------------


def available_threads() -> int:
    """Threads that a fit may take: all CPUs, but one inside a job of joblib's, which has its share of them."""
    from joblib.parallel import get_active_backend

    if (get_active_backend()[0].nesting_level or 0) > 0:
        return 1
    limit = os.environ.get("NUMBA_NUM_THREADS", "")
    return min(available_cpus(), int(limit)) if limit.isdigit() and int(limit) > 0 else available_cpus()


def fit_threads(n_threads: int | None, network: Network, batch_size: int, X: Any) -> int:
    """Threads of a fit to X: as many as were asked for, or as are worth it."""
    if n_threads is not None:
        return min(n_threads, available_cpus())
    return plan.threads(network.layer_sizes, batch_size, network.dtype, available_threads(), density(X))


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
    if scipy.sparse.issparse(X) and X.shape[1] > MAX_COLUMNS:
        return _outputs_of_wide(network, X)
    return network._outputs(X, most)


def _outputs_of_wide(network: Network, X: Any) -> np.ndarray:
    """Logits of rows with very many columns: SciPy multiplies them with the first layer's weights."""
    z = np.ascontiguousarray(X @ network.weights[0], network.dtype) + network.biases[0]
    for layer, name in enumerate(network.activations, 1):
        y = np.empty(z.size, network.dtype)
        more_activations.more_activation_arrays(more_activations.CODES[name], z.ctypes.data, y, y[:0])
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
    rates, clip_norm
        As for ``Run``.
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
        rates: tuple[float, ...] = (),
        clip_norm: float | None = None,
    ):
        super().__init__(network, X, targets, batch_size, n_threads, together, rates, clip_norm, n_samples)
        self._targets = targets._replace(squares=np.zeros(self.n_units))

    def train(self, order: np.ndarray, optimizer: Any, key: int = 0) -> np.ndarray:
        """Train for an epoch, as far as Ctrl-C lets it; returns each minibatch's mean loss.

        ``key`` says what dropout drops.
        """
        self._set_key(key)
        self._optimizer = self._as_compiled(optimizer)
        try:
            self._calls(order)
        finally:
            if not self._settled:
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
