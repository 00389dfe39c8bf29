"""``MLPRegressor``."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from .. import passes
from ..kernels.poisson import poisson_constant
from ..penalty import PenalisedTargets, PoissonTargets
from . import engine
from .base import BaseMLP, check_parameters, with_callbacks
from .classifier import _is_stochastic
from .losses import activated


class MLPRegressor(RegressorMixin, BaseMLP):
    """DOC"""

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        monitor: Any = "score",
        weight_init: Any = "auto",
        dtype: str | None = None,
        n_threads: int | None = None,
        resume: bool = False,
    ):
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.monitor = monitor
        self.weight_init = weight_init
        self.dtype = dtype
        self.n_threads = n_threads
        self.resume = resume

    # -- fit -------------------------------------------------------------------------------------------

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """FITDOC"""
        with self._all_or_nothing():
            check_parameters(self)
            self._fit(X, y, sample_weight, incremental=False, validation=(X_val, y_val, sample_weight_val))
        return self

    @available_if(_is_stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch; the optimizer's memory is kept from call to call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : MLPRegressor
        """
        with self._all_or_nothing():
            check_parameters(self)
            self._fit(X, y, sample_weight, incremental=True)
        return self

    # -- targets ---------------------------------------------------------------------------------------

    def _encoded(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _encoded_validation(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        X, y = self._encoded(X, y, False, False)
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if n_outputs != self.n_outputs_:
            raise ValueError(f"`y_val` has {n_outputs} outputs, but `y` has {self.n_outputs_}.")
        return X, y

    def _out_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _targets(self, y: np.ndarray, weights: np.ndarray, dtype: Any) -> engine.Targets:
        kind = PoissonTargets if self.out_activation_ == "exp" else PenalisedTargets
        labels, values, none = np.zeros(0, np.int32), np.ascontiguousarray(y, dtype), np.zeros(0)
        return kind(passes.SQUARED_ERROR, labels, values, weights, 0.0, np.inf, none, none)

    def _loss_constants(self, y: np.ndarray) -> np.ndarray:
        return poisson_constant(np.asarray(y, np.float64)) if self.out_activation_ == "exp" else np.zeros(0)

    # -- predictions -----------------------------------------------------------------------------------

    def _output_score(self, z: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        predicted = activated(z, self.out_activation_)
        return float(r2_score(y, predicted, sample_weight=weights)) if np.isfinite(predicted).all() else np.nan

    def predict(self, X: Any) -> np.ndarray:
        """Predicted values.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        values = self._outputs(X)
        return values.ravel() if values.shape[1] == 1 else values
