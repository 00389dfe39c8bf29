"""``MLPRegressor``."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from ..kernels.poisson import poisson_constant
from ..targets import SQUARED_ERROR, PenalisedTargets, PoissonTargets
from . import engine
from .base import BaseMLP
from .callbacks import with_callbacks
from .classifier import _is_stochastic
from .losses import activated


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multilayer perceptron for numbers: scikit-learn's ``MLPRegressor``, compiled, and with what its users ask for.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default="squared_error"
        Half the squared error, or half the Poisson deviance with ``exp`` of the output as mean.
    hidden_layer_sizes : array-like of int or int, default=(100,)
        Units of each hidden layer; an empty tuple makes linear regression.
    activation : {"relu", "logistic", "tanh", "identity"} or a list of these, default="relu"
        Of the hidden layers, one for all or one each.
    solver : {"adam", "sgd", "lbfgs", "adamw"}, default="adam"
        "lbfgs" is SciPy's L-BFGS-B on all samples at once. "adamw" is Adam with decoupled weight decay, which
        scikit-learn does not have.
    alpha : float, default=0.0001
        The loss has ``alpha * sum(w**2) / (2 n)`` added, n being the samples of a minibatch, or the sum of their
        weights. With "adamw" weights lose ``learning_rate * alpha * w`` in each step instead.
    batch_size : int or "auto", default="auto"
        "auto" is 200, or all samples if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        For "sgd": ``learning_rate_init``; that divided by ``t_**power_t`` after each epoch; or divided by 5 whenever
        ``n_iter_no_change`` epochs have brought no improvement.
    learning_rate_init : float, default=0.001
    power_t : float, default=0.5
    max_iter : int, default=200
        Epochs, or iterations of "lbfgs".
    shuffle : bool, default=True
        Shuffle the samples before each epoch.
    random_state : int, RandomState instance or None, default=None
        Draws weights, the validation split and shuffles, in scikit-learn's order.
    tol : float, default=1e-4
        Less is no improvement; for "lbfgs" the largest gradient at the end.
    verbose : bool, default=False
        Print the loss of each epoch.
    warm_start : bool, default=False
        Begin with the weights of the last fit. The optimizer begins anew, unless ``resume``.
    momentum : float in [0, 1], default=0.9
        For "sgd".
    nesterovs_momentum : bool, default=True
        For "sgd".
    early_stopping : bool, default=False
        Hold out ``validation_fraction`` of the samples, or take ``X_val`` and ``y_val``, stop when their score gets no
        better, and keep the best weights.
    validation_fraction : float, default=0.1
    beta_1, beta_2 : float in [0, 1), default=0.9 and 0.999
        For "adam" and "adamw", the short form of the paper: epsilon is not corrected.
    epsilon : float, default=1e-8
    n_iter_no_change : int, default=10
        Epochs without improvement before training stops.
    max_fun : int, default=15000
        Evaluations of the loss, for "lbfgs".
    monitor : {"score", "loss"}, name of a scorer, or callable, default="score"
        What ``validation_scores_`` holds and early stopping looks at, greater being better: R²; the negative
        validation loss; a scorer of scikit-learn's; or a callable ``(estimator, X, y)``.
    weight_init : str or pair, default="auto"
        "auto" draws as scikit-learn does. "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
        "lecun_uniform", "lecun_normal" and "zeros" begin with biases of zero. A pair (coefs, intercepts) is copied.
    dtype : {"float32", "float64"} or None, default=None
        Of weights and arithmetic. None follows X, as scikit-learn does; with "lbfgs" that is always float64.
    n_threads : int or None, default=None
        None takes as many as are worth it, and one within a job of joblib's. No result depends on it.
    resume : bool, default=False
        With ``warm_start=True``, go on exactly where the last fit ended: optimizer, learning rate, random state and
        held-out samples are kept, so that two fits of 5 epochs give the bits of one of 10.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out)
    intercepts_ : list of ndarray of shape (n_out,)
    loss_ : float
        Of the last epoch, penalty included, each minibatch's before its update.
    best_loss_ : float or None
        None with early stopping.
    loss_curve_ : list of float
    validation_scores_, validation_loss_curve_ : list of float or None
        One an epoch, if there are validation data. The losses are without penalty.
    best_validation_score_ : float or None
    n_iter_, t_ : int
        Epochs of the last fit; samples seen by all.
    n_features_in_, n_layers_, n_outputs_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        If X has names.
    out_activation_ : str

    Notes
    -----
    Draws, splits, stopping rules, warnings and errors are scikit-learn's: in float64 and with the same
    ``random_state`` so are the weights, up to rounding. An epoch is one compiled call; rows are used as they lie in
    memory, and sparse ones never written out. Losses clip probabilities as scikit-learn's do; gradients do not.
    A fit that fails leaves fitted attributes as they were. A minibatch whose weights are all zero changes nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnet import MLPRegressor
    >>> x = np.linspace(-2, 2, 200)[:, np.newaxis]
    >>> model = MLPRegressor(hidden_layer_sizes=20, activation="tanh", solver="lbfgs", random_state=0)
    >>> bool(model.fit(x, np.sin(x.ravel())).score(x, np.sin(x.ravel())) > 0.99)
    True
    """

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
        """Fit to data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32, float64 and uint8 are used as they lie in memory; other dtypes become float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers; not negative for the Poisson loss.
        sample_weight : array-like of shape (n_samples,), default=None
        X_val, y_val : array-like, default=None
            Validation data: ``validation_scores_`` and ``validation_loss_curve_`` are measured on these after each
            epoch, and early stopping, if wanted, looks at them; then nothing is held out.
        sample_weight_val : array-like of shape (n_val,), default=None

        Returns
        -------
        self : MLPRegressor

        Raises
        ------
        ValueError
            If an argument is not as described, or weights are not finite at the end. Nothing has been changed then.
        """
        with self._all_or_nothing():
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
            dtype=engine.ROW_DTYPES,
            reset=reset,
        )
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

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
        return kind(SQUARED_ERROR, labels, values, weights, 0.0, np.inf, none, none)

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
