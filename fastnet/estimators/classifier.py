"""``MLPClassifier``."""

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from ..targets import SIGMOID_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY, PenalisedTargets
from . import engine
from .base import BaseMLP
from .callbacks import with_callbacks
from .losses import activated, cap_of
from .validation import weighted_mean


def _is_stochastic(estimator: Any) -> bool:
    if estimator.solver == "lbfgs":
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {estimator.solver} is not stochastic."
        )
    return True


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multilayer perceptron: scikit-learn's ``MLPClassifier``, compiled, and with what its users ask for.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int or int, default=(100,)
        Units of each hidden layer; an empty tuple makes logistic regression.
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
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, which those of the samples are multiplied by. Scores and losses of validation data
        take the samples' weights alone. With several labels a list of dicts, one a label.
    monitor : {"score", "loss"}, name of a scorer, or callable, default="score"
        What ``validation_scores_`` holds and early stopping looks at, greater being better: accuracy; the negative
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
    classes_ : ndarray of shape (n_classes,)
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
    >>> from sklearn.datasets import load_digits
    >>> from fastnet import MLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPClassifier((32,), learning_rate_init=0.01, early_stopping=True, random_state=0)
    >>> bool(model.fit(X[:1500] / 16, y[:1500]).score(X[1500:] / 16, y[1500:]) > 0.85)
    True
    >>> len(model.validation_loss_curve_) == model.n_iter_ < 200
    True
    """

    def __init__(
        self,
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
        class_weight: Any = None,
        monitor: Any = "score",
        weight_init: Any = "auto",
        dtype: str | None = None,
        n_threads: int | None = None,
        resume: bool = False,
    ):
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
        self.class_weight = class_weight
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
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes, which may be strings, or a matrix of 0 and 1 for labels that do not exclude each other.
        sample_weight : array-like of shape (n_samples,), default=None
        X_val, y_val : array-like, default=None
            Validation data: ``validation_scores_`` and ``validation_loss_curve_`` are measured on these after each
            epoch, and early stopping, if wanted, looks at them; then nothing is held out.
        sample_weight_val : array-like of shape (n_val,), default=None

        Returns
        -------
        self : MLPClassifier

        Raises
        ------
        ValueError
            If an argument is not as described, or weights are not finite at the end. Nothing has been changed then.
        """
        with self._all_or_nothing():
            self._fit(X, y, sample_weight, incremental=False, validation=(X_val, y_val, sample_weight_val))
        return self

    @available_if(_is_stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch; the optimizer's memory is kept from call to call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Need not hold all classes.
        sample_weight : array-like of shape (n_samples,), default=None
        classes : array of shape (n_classes,), default=None
            All classes that there will be; needed by the first call.

        Returns
        -------
        self : MLPClassifier
        """
        with self._all_or_nothing():
            if self._is_first_call(classes):
                self._label_binarizer = LabelBinarizer()
                self._label_binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)
            self._fit(X, y, sample_weight, incremental=True)
        return self

    def _is_first_call(self, classes: Any) -> bool:
        """Whether this is the first ``partial_fit``; then ``classes_`` is set."""
        known = getattr(self, "classes_", None)
        if known is None and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if classes is None:
            return False
        if known is not None:
            if not np.array_equal(known, unique_labels(classes)):
                raise ValueError(
                    f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}"
                )
            return False
        self.classes_ = unique_labels(classes)
        return True

    # -- targets ---------------------------------------------------------------------------------------

    def _encoded(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=engine.ROW_DTYPES, reset=reset
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer()
            self._label_binarizer.fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y))
        return X, self._label_binarizer.transform(y).astype(bool)

    def _check_classes(self, classes: np.ndarray) -> None:
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _encoded_validation(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=engine.ROW_DTYPES, reset=False
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unknown):
            raise ValueError(f"`y_val` has classes that are not in `y`: {unknown}.")
        return X, self._label_binarizer.transform(y).astype(bool)

    def _decoded(self, y: np.ndarray) -> np.ndarray:
        return self._label_binarizer.inverse_transform(y.astype(float) if y.shape[1] > 1 else y.ravel())

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        return y if self.n_outputs_ == 1 else None

    def _out_activation(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _targets(self, y: np.ndarray, weights: np.ndarray, dtype: Any) -> engine.Targets:
        labels, values = np.zeros(0, np.int32), np.zeros((0, y.shape[1]), dtype)
        if self.out_activation_ == "softmax":
            loss, labels = SOFTMAX_CROSS_ENTROPY, y.argmax(axis=1).astype(np.int32)
        else:
            loss, values = SIGMOID_CROSS_ENTROPY, np.ascontiguousarray(y, dtype)
        return PenalisedTargets(loss, labels, values, weights, 0.0, cap_of(dtype), np.zeros(0), np.zeros(0))

    def _class_weights(self, encoded: np.ndarray, incremental: bool) -> np.ndarray | None:
        if self.class_weight is None:
            return None
        if self.class_weight == "balanced" and incremental:
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit. In order to use 'balanced' weights, use "
                "compute_class_weight('balanced', classes=classes, y=y) and pass the result as class_weight."
            )
        if self._label_binarizer.y_type_.startswith("multilabel"):
            return compute_sample_weight(self.class_weight, encoded.astype(int))
        numbers = encoded.argmax(axis=1) if encoded.shape[1] > 1 else encoded.ravel().astype(int)
        labels = self.classes_[numbers]
        return compute_class_weight(self.class_weight, classes=self.classes_, y=labels)[numbers]

    # -- predictions -----------------------------------------------------------------------------------

    def _output_score(self, z: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        if self.out_activation_ == "softmax":
            right = z.argmax(axis=1) == y.argmax(axis=1)
        else:
            right = ((activated(z, "logistic") > 0.5) == y).all(axis=1)
        return weighted_mean(right, weights)

    def predict(self, X: Any) -> np.ndarray:
        """Most probable classes, or all labels with a probability above one half.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Classes as they are in ``y``; for several labels 0 and 1.
        """
        p = self._outputs(X)
        return self._label_binarizer.inverse_transform(p.ravel() if self.n_outputs_ == 1 else p)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, ordered as in ``classes_``; for several labels each by itself.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        p = self._outputs(X)
        return np.hstack([1 - p, p]) if self.n_outputs_ == 1 else p

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits: what is before softmax or the logistic function. scikit-learn's class does not have this.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            Above zero where the second of two classes, or a label, is more likely than not.
        """
        z = self._logits(X)
        return z.ravel() if self.n_outputs_ == 1 else z

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of ``predict_proba``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return np.log(self.predict_proba(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
