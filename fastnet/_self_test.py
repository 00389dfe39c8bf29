"""A small network trained twice, by compiled code and by NumPy: the self-test of ``fastnet doctor``."""

import time
from typing import Any

import numpy as np

# Largest difference of a weight or a probability. In float32 it is 1e-6 here; a wrong kernel makes it 1e-2 or more.
LIMIT = 1e-4
_SIZES, _BATCH, _EPOCHS, _SAMPLES = [64, 48, 24, 10], 40, 3, 250
_SETTINGS: dict[str, Any] = {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 1e-3, "batch_size": _BATCH}


def run_self_test() -> dict[str, Any]:
    """Train a network of two hidden layers on dense and on sparse rows, and compare it with NumPy in float64.

    Returns
    -------
    dict
        ``largest_difference`` (of all weights, biases and probabilities), ``same_bits`` (for one thread and for
        ``n_threads``), ``minibatches``, ``seconds``.
    """
    started = time.perf_counter()
    found = [_difference(X, y) for X, y in (_data(1.0), _data(0.1))]
    return {
        "largest_difference": float(np.max([difference for difference, _, _ in found])),  # NaN wins
        "same_bits": all(same for _, same, _ in found),
        "n_threads": max(threads for _, _, threads in found),
        "minibatches": len(found) * _EPOCHS * -(-_SAMPLES // _BATCH),
        "seconds": time.perf_counter() - started,
    }


def _data(density: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows of which a share is not zero, and their classes."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((_SAMPLES, _SIZES[0])).astype(np.float32)
    X[rng.random(X.shape) >= density] = 0
    return X, (X @ rng.standard_normal((_SIZES[0], _SIZES[-1]))).argmax(axis=1)


def _difference(X: np.ndarray, y: np.ndarray) -> tuple[float, bool, int]:
    one, _ = _trained(X, y, 1)
    many, n_threads = _trained(X, y, None)
    rival = _numpy_trained(X, y)
    pairs = [*zip(one.weights, rival.weights, strict=True), *zip(one.biases, rival.biases, strict=True)]
    pairs.append((one.predict_proba(X), rival.predict_proba(X)))
    difference = np.max([np.abs(ours - theirs).max() for ours, theirs in pairs])
    return float(difference), bool(np.array_equal(one.parameters, many.parameters)), n_threads


def _trained(X: np.ndarray, y: np.ndarray, n_threads: int | None) -> tuple[Any, int]:
    from .network import Network
    from .trainer import Trainer

    network = Network(_SIZES, seed=0)
    history = Trainer(network, seed=0, n_threads=n_threads, **_SETTINGS).fit(X, y, epochs=_EPOCHS)
    return network, history.n_threads


def _numpy_trained(X: np.ndarray, y: np.ndarray) -> Any:
    """Train NumPy's network from the same weights, in the order that the trainer draws."""
    from ._peers.numpy_loop import NumpyNetwork

    rival = NumpyNetwork(_SIZES, dtype=np.float64, seed=0, **_SETTINGS)
    rival.prepare(X, y)
    rng = np.random.default_rng(0)
    for _ in range(_EPOCHS):
        rival.epoch(rng.permutation(len(X)))
    return rival
