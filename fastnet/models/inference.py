"""Saved models in plain NumPy: they predict, and are neither compiled nor trained. Numba is not imported."""

import warnings
from typing import Any

import numpy as np

from .. import checks, decisions
from ..exceptions import DivergenceError
from ..preprocessing import Preprocessing, kind_of_data
from .formulas import ACTIVATIONS, OUTPUTS
from .parts import ModelParts

_ROWS = 8192  # that go through all layers together


class NumpyNetwork:
    """What ``fastnet.load(path, backend="numpy")`` returns for a saved ``Network``.

    Its numbers are those of the network up to rounding: sums are BLAS's, and activations are NumPy's.

    Attributes
    ----------
    weights, biases : list of ndarray
        (n_in, n_out) and (n_out,), one a layer.
    activations : tuple of str
        Of the hidden layers.
    output : {"softmax", "sigmoid", "identity"}
    preprocessing : Preprocessing or None
    classes : ndarray or None
    feature_names : tuple of str or None

    Examples
    --------
    >>> import tempfile, fastnet
    >>> path = tempfile.mkdtemp() + "/model.safetensors"
    >>> fastnet.Network([2, 3, 2], seed=2).save(path)
    >>> network = fastnet.load(path, backend="numpy")
    >>> network
    NumpyNetwork(2-3-2, tanh, softmax, float32)
    >>> network.predict_proba([[2.0, 1.0]]).round(2)
    array([[0.72, 0.28]], dtype=float32)
    """

    def __init__(self, parts: ModelParts):
        self.weights, self.biases = parts.weights, parts.biases
        self.activations, self.output, self.dtype = parts.activations, parts.output, parts.dtype
        self.preprocessing: Preprocessing | None = parts.preprocessing
        self.classes, self.feature_names = parts.classes, parts.feature_names
        self.layer_sizes, self.n_features = parts.layer_sizes, parts.n_features
        self._kind_warned = False

    def __repr__(self) -> str:
        sizes, names = "-".join(map(str, self.layer_sizes)), "/".join(dict.fromkeys(self.activations))
        return f"{type(self).__name__}({sizes}, {names or 'no hidden layer'}, {self.output}, {self.dtype.name})"

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits: what the last layer gives, before softmax or sigmoid.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            uint8, float32 or float64.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)

        Raises
        ------
        ValueError, TypeError
            If ``X`` has the wrong shape or dtype, or holds NaN or infinity.
        DivergenceError
            If an output is not finite.
        """
        X = checks.check_matrix("X", X, n_columns=self.n_features, empty=True)
        checks.check_finite("X", X, self.dtype)
        self._warn_of_kind(X)
        logits = np.empty((len(X), self.layer_sizes[-1]), self.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(X), _ROWS):
                logits[start : start + _ROWS] = self._forward(X[start : start + _ROWS])
        if not np.isfinite(logits).all():
            row = int(np.argmin(np.isfinite(logits).all(axis=1)))
            raise DivergenceError(f"the network's output for sample {row} is not finite: its weights are too large")
        return logits

    def _warn_of_kind(self, X: np.ndarray) -> None:
        trained = self.preprocessing.kind if self.preprocessing else kind_of_data(X)
        if trained != kind_of_data(X) and not self._kind_warned:
            self._kind_warned = True
            unit = "not scaled" if trained == "float" else "taken as already scaled"
            warnings.warn(
                f"X has dtype {X.dtype}, but the network was trained on {trained} data: it is {unit}",
                UserWarning,
                stacklevel=3,
            )

    def _forward(self, X: np.ndarray) -> np.ndarray:
        kind, x = kind_of_data(X), X.astype(self.dtype)
        if self.preprocessing is not None:
            x = x * self.preprocessing.multiplier(kind) - self.preprocessing.mean
            if self.preprocessing.components is not None:
                x = x @ self.preprocessing.components
        for weights, biases, name in zip(self.weights, self.biases, (*self.activations, "identity"), strict=True):
            x = ACTIVATIONS[name](x @ weights + biases)
        return x

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes (softmax), or of each label by itself (sigmoid).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)

        Raises
        ------
        ValueError, TypeError
            As ``decision_function``, and if the output is "identity", which has no probabilities.
        """
        if self.output not in ("softmax", "sigmoid"):
            raise ValueError(f"predict_proba needs output='softmax' or 'sigmoid'; this model has {self.output!r}")
        return OUTPUTS[self.output](self.decision_function(X))

    def predict(self, X: Any, *, min_proba: float = 0.0, rejected: int = -1, threshold: Any = 0.5) -> np.ndarray:
        """Indices of the most probable classes, labels, or plain outputs; as ``Network.predict``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        min_proba, rejected, threshold
            As for ``Network.predict``.

        Returns
        -------
        ndarray
            Of shape (n_samples,) or (n_samples, n_outputs).
        """
        rule = decisions.Rule.checked(min_proba, rejected, threshold, self.output, self.layer_sizes[-1])
        return decisions.decide(self.decision_function(X), self.output, rule, OUTPUTS["softmax"])


class NumpyClassifier(NumpyNetwork):
    """What ``fastnet.load(path, backend="numpy")`` returns for a saved ``MLPClassifier``.

    Predictions are labels, as the estimator's are. Rows must be dense.
    """

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits of shape (n_samples, n_classes), or (n_samples,) for two classes."""
        z = super().decision_function(X)
        return z[:, 0] if z.shape[1] == 1 else z

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of shape (n_samples, n_classes), ordered as ``classes``; for several labels each by itself."""
        p = OUTPUTS[self.output](super().decision_function(X))
        return np.hstack([1 - p, p]) if p.shape[1] == 1 else p

    def predict(self, X: Any) -> np.ndarray:  # type: ignore[override]
        """Most probable classes, of shape (n_samples,), or 0 and 1 for several labels."""
        z, classes = super().decision_function(X), np.asarray(self.classes)
        if self.output == "softmax":
            return classes[z.argmax(axis=1)]
        chosen = (OUTPUTS["sigmoid"](z) > 0.5).astype(int)
        return chosen if z.shape[1] > 1 else classes[np.minimum(chosen[:, 0], len(classes) - 1)]


class NumpyRegressor(NumpyNetwork):
    """What ``fastnet.load(path, backend="numpy")`` returns for a saved ``MLPRegressor``; rows must be dense."""

    def predict(self, X: Any) -> np.ndarray:  # type: ignore[override]
        """Predicted values of shape (n_samples,) or (n_samples, n_outputs)."""
        values = OUTPUTS[self.output](self.decision_function(X))
        return values[:, 0] if values.shape[1] == 1 else values
