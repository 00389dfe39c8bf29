"""``load``: saved models become networks and estimators again, or predict in plain NumPy."""

import os
from typing import Any

import numpy as np

from .. import checks
from . import file
from .inference import NumpyClassifier, NumpyNetwork, NumpyRegressor
from .parts import ModelParts, parts_of_kind, refuse_rest


def load(path: str | os.PathLike[str], backend: str = "numba") -> Any:
    """Load a model that ``save`` has written: a network or an estimator.

    Parameters
    ----------
    path : str or os.PathLike
    backend : {"numba", "numpy"}, default="numba"
        "numpy" gives an object that predicts in plain NumPy and can't be trained; Numba is not imported, nothing is
        compiled, and of fastnet's dependencies NumPy and safetensors are enough.

    Returns
    -------
    Network, MLPClassifier or MLPRegressor
        Whatever was saved. It predicts the same bits, and can be trained on. With ``backend="numpy"`` a
        ``NumpyNetwork``, ``NumpyClassifier`` or ``NumpyRegressor`` of ``fastnet.models``.

    Raises
    ------
    FormatError
        If the file is not a model, is damaged, is not what it says, or was written by a newer fastnet.
    OSError
        If the file can't be read.

    Notes
    -----
    Nothing in a file is executed, whoever made it, and every bit is covered by a checksum. The file is read into
    memory as a whole: it may be replaced or deleted while the model is in use.

    Examples
    --------
    >>> import tempfile, fastnet
    >>> path = tempfile.mkdtemp() + "/model.safetensors"
    >>> fastnet.Network([784, 10, 10], seed=0).save(path)
    >>> fastnet.load(path)
    Network(784-10-10, tanh, softmax, float32, 7,960 parameters)
    """
    checks.check_choice("backend", backend, tuple(_BACKENDS))
    found = file.read(path)
    with file.reading(path):
        return _BACKENDS[backend](found.kind, dict(found.config), dict(found.tensors))


def _compiled(kind: str, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Any:
    if kind != "Network":
        from .. import estimators
        from ..estimators.saving import restored

        return restored(getattr(estimators, kind), config, tensors)
    parts = parts_of_kind(kind, config, tensors)
    refuse_rest(config, tensors)
    return _network(parts)


def _network(parts: ModelParts) -> Any:
    from ..network import Network

    network = Network._blank(parts.layer_sizes, parts.activations, parts.output, parts.dtype)
    network.coefs_, network.intercepts_ = parts.weights, parts.biases
    network.preprocessing = parts.preprocessing
    network.classes, network.feature_names = parts.classes, parts.feature_names
    return network


def _in_numpy(kind: str, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> NumpyNetwork:
    """Return what predicts; an estimator's parameters are not looked at."""
    parts = parts_of_kind(kind, config, tensors)
    if kind == "Network":
        refuse_rest(config, tensors)
    return _IN_NUMPY[kind](parts)


_BACKENDS = {"numba": _compiled, "numpy": _in_numpy}
_IN_NUMPY = {"Network": NumpyNetwork, "MLPClassifier": NumpyClassifier, "MLPRegressor": NumpyRegressor}
