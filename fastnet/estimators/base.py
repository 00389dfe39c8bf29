"""What both estimators share: the way from ``fit`` to a solver and back, and predictions."""

import copy
import os
from collections.abc import Callable
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from ..models import file, onnx_export
from ..network import Network
from . import engine
from .callbacks import CallbackSupportMixin, begin_callbacks, end_callbacks
from .initial import initial_weights
from .lbfgs import fit_lbfgs
from .losses import activated, sample_losses
from .optimizer import Optimizer
from .parameters import activation_names, check_parameters, check_regularisation, hidden_sizes
from .saving import described_estimator, estimator_parts
from .stochastic import Course, Problem, Samples, clipped_batch_size
from .validation import Validation, scorer_of, weighted_mean

# Fitted state whose names do not end in an underscore.
_STATE = ("_label_binarizer", "_optimizer", "_no_improvement_count", "_random_state", "_order", "_split", "_last")

_TOO_SMALL = "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
_NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


class BaseMLP(CallbackSupportMixin, BaseEstimator):
    """Base of ``MLPClassifier`` and ``MLPRegressor``; not to be used by itself."""

    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    validation_loss_curve_: list[float] | None
    best_validation_score_: float | None
    _optimizer: Optimizer
    _random_state: np.random.RandomState
    _order: np.ndarray  # the last epoch's, for the next fit to go on from
    _split: tuple[np.ndarray, np.ndarray]
    _last: np.ndarray  # weights of the last epoch, where the best are restored

    # -- what the two do differently -------------------------------------------------------------------

    def _encoded(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        """Return checked X, and targets of shape (n_samples,) or (n_samples, n_outputs)."""
        raise NotImplementedError

    def _encoded_validation(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        """Return the same for validation data."""
        raise NotImplementedError

    def _out_activation(self) -> str:
        raise NotImplementedError

    def _targets(self, y: np.ndarray, weights: np.ndarray, dtype: Any) -> engine.Targets:
        """Return encoded targets (n_samples, n_outputs) as compiled code takes them."""
        raise NotImplementedError

    def _output_score(self, z: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        """Accuracy or R² of logits for encoded targets (n_samples, n_outputs)."""
        raise NotImplementedError

    def _class_weights(self, encoded: np.ndarray, incremental: bool) -> np.ndarray | None:
        return None

    # -- fit -------------------------------------------------------------------------------------------

    @contextmanager
    def _all_or_nothing(self) -> Any:
        """Check the parameters; if what is done within fails, fitted attributes are what they were."""

        def fitted() -> dict[str, Any]:
            names = [n for n in vars(self) if (n.endswith("_") and not n.startswith("__")) or n in _STATE]
            return {name: vars(self)[name] for name in names}

        before = fitted()
        check_parameters(self)
        try:
            yield
        except BaseException:
            for name in fitted():
                delattr(self, name)
            for name, value in before.items():
                setattr(self, name, value)
            raise

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, *, incremental: bool, validation: tuple[Any, Any, Any] | None = None
    ) -> None:
        """Fit, or train for one more epoch."""
        hidden = hidden_sizes(self.hidden_layer_sizes)
        names = activation_names(self.activation, len(hidden))
        check_regularisation(self, len(hidden))
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        given_X, given_y = X, y
        X, y = self._encoded(X, y, incremental, first)
        X, encoded = engine.as_rows(X), y.reshape(len(y), -1)
        weights = _checked_weights(sample_weight, X.shape[0])
        data = Samples(X, encoded, weights, _product(weights, self._class_weights(encoded, incremental)))
        self.n_outputs_ = encoded.shape[1]
        sizes = [X.shape[1], *hidden, self.n_outputs_]
        if not self._resumes(first):
            self._random_state = check_random_state(self.random_state)
        if first:
            self._initialise(sizes, names, X.dtype)
        network = self._network(names, self._fit_dtype(), sizes)
        held_out = None if validation is None else self._held_out(*validation)
        callbacks = (lambda network: False) if incremental else begin_callbacks(self, given_X, given_y)
        if self.solver == "lbfgs":
            fit_lbfgs(self, network, self._problem(data, network), callbacks)
        else:
            self._fit_stochastic(data, network, held_out, incremental, callbacks)
        self._keep(network)
        if not np.isfinite(network.parameters).all():
            raise ValueError(_NOT_FINITE)
        if not incremental:
            end_callbacks(self, given_X, given_y)

    def _initialise(self, sizes: list[int], names: list[str], dtype: Any) -> None:
        """Set all attributes for a first fit, and draw weights."""
        self.n_iter_, self.t_, self.n_layers_ = 0, 0, len(sizes)
        self.out_activation_ = self._out_activation()
        kind = self.dtype or (np.float32 if dtype == np.float32 else np.float64)
        scheme = self.weight_init
        self.coefs_, self.intercepts_ = initial_weights(self._random_state, sizes, names, scheme, kind)
        if self.solver == "lbfgs":
            return
        self.loss_curve_ = []
        self._no_improvement_count = 0
        self.validation_scores_ = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None
        self.best_loss_ = None if self.early_stopping else np.inf
        self.validation_loss_curve_ = None

    def _fit_dtype(self) -> Any:
        """Of arithmetic: that of the weights, but L-BFGS-B, whose searches need it, takes float64 if it may."""
        if self.dtype is not None:
            return np.dtype(self.dtype)
        found = np.result_type(*self.coefs_, np.float32)
        return np.dtype(np.float64) if self.solver == "lbfgs" else found

    def _network(self, names: list[str], dtype: Any, sizes: list[int]) -> Network:
        expected = list(pairwise(sizes))
        found = [np.shape(coef) for coef in self.coefs_]
        if found != expected:
            raise ValueError(
                f"the fitted weights have the shapes {found}, but the data and hidden_layer_sizes need {expected}; "
                "fit with warm_start=False"
            )
        return engine.network_of(self.coefs_, self.intercepts_, names, dtype)

    def _keep(self, network: Network) -> None:
        self.coefs_ = [weights.copy() for weights in network.weights]
        self.intercepts_ = [biases.copy() for biases in network.biases]

    def _problem(self, data: Samples, network: Network, chosen: np.ndarray | None = None) -> Problem:
        weights = np.zeros(0) if data.total_weights is None else data.total_weights
        targets = self._targets(data.y, weights, network.dtype)
        # scikit-learn's squared error is a mean over outputs, but its gradient is that of their sum.
        factor = 1.0 / data.y.shape[1] if self.out_activation_ == "identity" else 1.0
        return Problem(data.X, targets, self._loss_constants(data.y), factor, chosen)

    def _loss_constants(self, y: np.ndarray) -> np.ndarray:
        return np.zeros(0)

    # -- stochastic solvers ----------------------------------------------------------------------------

    def _fit_stochastic(
        self,
        data: Samples,
        network: Network,
        held_out: Validation | None,
        incremental: bool,
        callbacks: Callable[[Network], bool],
    ) -> None:
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        resumes = self._resumes(False)
        known: Any = getattr(self, "_optimizer", None)
        keeps = known is not None and known.solver == self.solver and (incremental or resumes)
        self._optimizer = copy.copy(known) if keeps else self._new_optimizer()
        chosen = None
        if self.early_stopping and held_out is None:
            chosen, held_out = self._split_off(data, resumes)
        self._begin_curves(held_out)
        n_samples = data.X.shape[0] if chosen is None else len(chosen)
        batch_size = clipped_batch_size(self.batch_size, n_samples)
        validate = None if held_out is None else self._validator(held_out)
        course = Course(self, network, self._problem(data, network, chosen), validate, callbacks)
        order = np.arange(n_samples)
        if resumes:
            order = self._order if len(self._order) == n_samples else order
            network.parameters = self._last if self.early_stopping else network.parameters
        order, last = course.run(self._optimizer, order, batch_size, incremental)
        if self.resume:
            self._order, self._last = order, last

    def _resumes(self, first: bool) -> bool:
        """Whether to go on where the last fit ended, which must have been one with ``resume``."""
        return bool(self.resume and self.warm_start and not first and hasattr(self, "_order"))

    def _new_optimizer(self) -> Optimizer:
        return Optimizer(
            solver=self.solver,
            learning_rate_init=self.learning_rate_init,
            schedule=self.learning_rate,
            power_t=self.power_t,
            momentum=self.momentum,
            nesterov=self.nesterovs_momentum,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
        )

    def _split_off(self, data: Samples, resumes: bool) -> tuple[np.ndarray, Validation]:
        """Return the rows that are trained on, and samples that are held out."""
        train, rows = getattr(self, "_split", (np.zeros(0, int), np.zeros(0, int)))
        if not resumes or len(train) + len(rows) != len(data.y):
            train, rows = train_test_split(
                np.arange(len(data.y)),
                random_state=self._random_state,
                test_size=self.validation_fraction,
                stratify=self._strata(data.y),
            )
        if len(rows) < 2:
            raise ValueError(_TOO_SMALL)
        if self.resume:
            self._split = train, rows
        weights = None if data.weights is None else data.weights[rows]
        return train, Validation(data.X[rows], data.y[rows], self._decoded(data.y[rows]), weights)

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        return None

    def _decoded(self, y: np.ndarray) -> np.ndarray:
        """Return encoded targets as the user has them."""
        return y.ravel() if y.shape[1] == 1 else y

    def _begin_curves(self, held_out: Validation | None) -> None:
        """Go on with private copies of the curves."""
        self.loss_curve_ = list(getattr(self, "loss_curve_", []))
        self._no_improvement_count = getattr(self, "_no_improvement_count", 0)
        if not self.early_stopping and getattr(self, "best_loss_", None) is None:
            self.best_loss_ = np.inf
        if held_out is None:
            return
        self.validation_scores_ = list(getattr(self, "validation_scores_", None) or [])
        self.validation_loss_curve_ = list(getattr(self, "validation_loss_curve_", None) or [])
        if getattr(self, "best_validation_score_", None) is None:
            self.best_validation_score_ = -np.inf

    # -- validation ------------------------------------------------------------------------------------

    def _held_out(self, X: Any, y: Any, sample_weight: Any) -> Validation | None:
        """Return checked validation data, or None if there are none."""
        if X is None and y is None:
            if sample_weight is not None:
                raise ValueError("sample_weight_val is provided, but X_val and y_val were not provided.")
            return None
        if y is None:
            raise ValueError("X_val is provided, but y_val was not provided.")
        if X is None:
            raise ValueError("y_val is provided, but X_val was not provided.")
        if self.solver == "lbfgs":
            raise ValueError("X_val and y_val are used after each epoch: solver='lbfgs' has none.")
        X, encoded = self._encoded_validation(X, y)
        check_consistent_length(X, encoded)
        weights = _checked_weights(sample_weight, X.shape[0])
        return Validation(engine.as_rows(X), encoded.reshape(len(encoded), -1), y, weights)

    def _validator(self, data: Validation) -> Callable[[Network], None]:
        scorer = scorer_of(self.monitor)
        scores, losses = self.validation_scores_ or [], self.validation_loss_curve_ or []
        self.validation_scores_, self.validation_loss_curve_ = scores, losses

        def validate(network: Network) -> None:
            z = engine.outputs(network, data.X, self.n_threads)
            loss = weighted_mean(sample_losses(z, data.y, self.out_activation_), data.weights)
            if scorer is not None:
                keywords = {} if data.weights is None else {"sample_weight": data.weights}
                score = float(scorer(self._as_fitted(network), data.X, data.labels, **keywords))
            else:
                score = -loss if self.monitor == "loss" else self._output_score(z, data.y, data.weights)
            scores.append(score)
            losses.append(loss)
            if not self.early_stopping:
                self.best_validation_score_ = np.nanmax(scores) if np.isfinite(score) else self.best_validation_score_
            if self.verbose:
                print(f"Validation score: {score:f}")

        return validate

    def _as_fitted(self, network: Network) -> Any:
        """Return a copy that predicts with the network's weights; it has seen no names of features."""
        fitted = copy.copy(self)
        fitted._keep(network)
        if hasattr(fitted, "feature_names_in_"):
            del fitted.feature_names_in_
        return fitted

    # -- predictions -----------------------------------------------------------------------------------

    def _logits(self, X: Any) -> np.ndarray:
        """Logits (n_samples, n_outputs) of the user's X."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        dtype = self.dtype or self._predicted_dtype(X.dtype)
        if X.dtype not in engine.ROW_DTYPES:
            X = X.astype(dtype)
        names = activation_names(self.activation, len(self.coefs_) - 1)
        network = engine.network_of(self.coefs_, self.intercepts_, names, dtype)
        return engine.outputs(network, engine.as_rows(X), self.n_threads)

    def _predicted_dtype(self, dtype: Any) -> Any:
        """Of predictions for rows of some dtype, as NumPy's promotion has it."""
        found = np.result_type(dtype, *self.coefs_)
        return np.dtype(np.float32) if found == np.float32 else np.dtype(np.float64)

    def _outputs(self, X: Any) -> np.ndarray:
        """Outputs (n_samples, n_outputs) of the user's X."""
        return activated(self._logits(X), self.out_activation_)

    # -- files -----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the fitted estimator; ``fastnet.load`` reads it.

        Parameters
        ----------
        path : str or os.PathLike
            Usually ``*.safetensors``. What is there is replaced, in one step.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError
            If a parameter has a value that is not allowed, or a weight is not finite; nothing is written.
        OSError
            If the file can't be written; what was there before is untouched.

        Notes
        -----
        Parameters, weights, classes, curves and what the optimizer remembers are kept: ``partial_fit``, and ``fit``
        with ``warm_start`` or ``resume``, go on as without saving. Not kept are callbacks, metadata requests,
        ``set_output``, attributes of your own, and parameters that are no plain data: a callable ``monitor`` becomes
        its default, of which a warning tells. A subclass is saved as the class it derives from.
        """
        file.write(path, *described_estimator(self))

    def to_onnx(self, path: str | os.PathLike[str], *, input_dtype: str | None = None) -> None:
        """Write the fitted estimator for ONNX Runtime and others (needs the package onnx).

        Parameters
        ----------
        path : str or os.PathLike
        input_dtype : {"uint8", "float32", "float64"}, optional
            Of the rows that the model will take; by default that of the weights.

        Raises
        ------
        ImportError
            Without the package onnx: ``pip install 'fastnet-numba[onnx]'``.
        NotFittedError
            Before a fit.
        OSError
            If the file can't be written.

        Notes
        -----
        The input is "X" (n_samples, n_features). The outputs are "label" and "probabilities", as of ``predict`` and
        ``predict_proba``, or "predictions" of a regressor. Opset 17. Rows with NaN are not refused there.
        """
        onnx_export.write(path, estimator_parts(self), input_dtype, binary_columns=2)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _checked_weights(sample_weight: Any, n_samples: int) -> np.ndarray | None:
    """Return sample weights as float64, or refuse them in scikit-learn's words."""
    if sample_weight is None:
        return None
    if np.isscalar(sample_weight):
        weights = np.full(n_samples, sample_weight, np.float64)
    else:
        weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, order="C", input_name="sample_weight")
        if weights.ndim != 1:
            raise ValueError(
                f"Sample weights must be 1D array or scalar, got {weights.ndim}D array. Expected either a scalar value "
                f"or a 1D array of length {n_samples}."
            )
        if weights.shape != (n_samples,):
            raise ValueError(f"sample_weight.shape == {weights.shape}, expected {(n_samples,)}!")
    if (weights == 0).all():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def _product(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    if a is None or b is None:
        return b if a is None else a
    return a * b
