"""Compile before it is needed: tiny trainings that use all that a larger one does."""

import time
from itertools import product
from typing import Any

import numpy as np

from .fitting import validate
from .kernels.narrow_samples import SHARING
from .losses import LOSS_OF_OUTPUT
from .network import Network, _check_dtype
from .rows import MIN_INPUTS
from .trainer import Trainer

_SAMPLES, _FEATURES, _OUTPUTS = 64, 8, 2
# Momentum is other code for lists and for blocks of few units only; AdamW is Adam.
SETTINGS: tuple[dict[str, Any], ...] = ({}, {"momentum": 0.9}, {"optimizer": "adam"})
# What ``defaults.py`` chooses beside: columns that are scaled one by one, dropout for images.
_SCALED: dict[str, Any] = {"optimizer": "adamw", "scale": "standard"}
_DROPPED: dict[str, Any] = {"momentum": 0.9, "dropout": 0.3}


def warmup(dtype: str | list[str] | tuple[str, ...] = "float32") -> float:
    """Compile, or load from the cache, what trainings, validations and predictions need.

    Without it each training compiles what it is the first to need. Worth calling where a later wait is unwelcome: when
    an image of a machine is built, or before a measurement. It serves dense and sparse data, all optimizers and
    outputs, predictions and scores, and in float32 what ``fastnet train`` chooses for data that nobody has tuned for.
    What `Network.loss_and_gradients`, `fastnet.functional`, the estimators and other settings need beyond that is
    compiled on first use.

    Parameters
    ----------
    dtype : {"float32", "float64"} or a list of these, default="float32"
        Of the networks.

    Returns
    -------
    float
        Seconds that it took.

    Raises
    ------
    ValueError
        If a dtype is another one; nothing has been compiled then.

    Notes
    -----
    Clipping, minibatches of many hundred rows, squared errors of probabilities, sampled softmax, activations other than
    tanh, sigmoid, relu and identity, and in float64 also dropout and scaling of each feature, are compiled by the first
    fit that has them.

    Examples
    --------
    >>> import fastnet
    >>> seconds = fastnet.warmup()  # half a minute at first
    >>> fastnet.warmup() < 60  # from now on it is all there
    True
    """
    started = time.perf_counter()
    names = [_check_dtype(name).name for name in (dtype if isinstance(dtype, list | tuple) else [dtype])]
    for name in names:
        for settings in SETTINGS:
            for rows in (_dense_rows(), _sparse_rows()):
                _fit(name, rows, settings)
            _fit(name, _dense_rows(MIN_INPUTS), settings, 5)  # see ``kernels/narrow_dense.py``
        for kind in (np.uint8, np.float64):  # finding entries depends on the dtype of the data
            _fit(name, _sparse_rows().astype(kind), {})
        _fit(name, _images(), {}, 16)  # see ``kernels/wide.py``
        for n_units, images, settings in product((5, 8), _few_kinds(), SETTINGS[:2]):
            _fit(name, images, settings, n_units)  # see ``kernels/narrow.py`` and ``kernels/narrow_sgd.py``
    if "float32" in names:
        _fit("float32", _dense_rows(), _SCALED)
        _fit("float32", _images(), _DROPPED, 16)
    for name, output in product(names, LOSS_OF_OUTPUT):
        _predict(name, output)
    return time.perf_counter() - started


def _dense_rows(n_features: int = _FEATURES) -> np.ndarray:
    return np.linspace(1, 2, _SAMPLES * n_features, dtype=np.float32).reshape(_SAMPLES, n_features)


def _sparse_rows() -> np.ndarray:
    return np.tile(np.eye(_FEATURES, dtype=np.float32), (_SAMPLES // _FEATURES, 1))


def _images() -> np.ndarray:
    """Rows whose entries that are not zero are neighbours."""
    return np.repeat(np.tile(np.eye(_FEATURES, dtype=np.uint8), (_SAMPLES // _FEATURES, 1)), _FEATURES, axis=1)


def _few_kinds() -> list[np.ndarray]:
    """Images as few units know them: no blocks that most rows have, or, where that makes a difference, some."""
    images, half = _images(), np.arange(_SAMPLES)[:, np.newaxis] // 2 % 2
    shared = np.hstack([np.tile(half.astype(np.uint8), 32), *3 * [images]])
    return [images, shared] if SHARING else [images]


def _fit(dtype: str, X: np.ndarray, settings: dict[str, Any], n_units: int = 8) -> None:
    trainer = Trainer(Network([X.shape[1], n_units, _OUTPUTS], dtype=dtype, seed=0), seed=0, n_threads=1, **settings)
    y = np.arange(_SAMPLES) % _OUTPUTS
    trainer.fit(X, y, epochs=1, validation_data=(X, y))


def _predict(dtype: str, output: str) -> None:
    """Use what is peculiar to an output: its loss without gradients, and its probabilities."""
    network = Network([_FEATURES, _OUTPUTS], output=output, dtype=dtype, seed=0)
    X, y = _dense_rows(), np.zeros((_SAMPLES, _OUTPUTS)) if output != "softmax" else np.zeros(_SAMPLES, np.int64)
    validate(network, X, network._check_targets("y", y, _SAMPLES))
    network.predict(X)
    if output != "identity":
        network.predict_proba(X)
