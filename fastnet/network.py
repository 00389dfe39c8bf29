"""The network: layer sizes, one flat parameter vector with named views, predictions, loss and gradients."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from . import checks, decisions, functional, hidden, layers, losses, passes, sparse_data
from ._parallel import available_cpus, threads
from .evaluation import Evaluation
from .exceptions import DivergenceError
from .gradients import GRADIENT_ROWS, Gradients, add_gradients
from .initialisation import BIAS_INITS, WEIGHT_INITS, draw_biases, draw_weights, warn_of_zeros
from .kernels import gather, more_activations
from .kernels.activations import IDENTITY
from .layout import BIAS, N_IN, N_OUT, WEIGHTS, aligned_zeros, layer_table, n_packed, n_parameters, pack, unpack
from .losses import LOSS_OF_OUTPUT, AnyTargets
from .metrics import evaluated
from .models.exchange import Exchange
from .preprocessing import Preprocessing, kind_of_data
from .rows import dense_rows
from .workspace import workspace

ACTIVATIONS = tuple(more_activations.CODES)

# Rows that are predicted together: their tile of 784 float32 columns (200 KB) stays in a 512 KB L2 cache.
_PREDICT_ROWS = 64

# Rows whose principal components are computed together for a prediction.
_PROJECT_ROWS = 8192

# Multiply-adds for which one more thread is taken: two gain from 2 ms of work on (images through 784-300-10: 1,000 take
# the same time, 1,400 0.65 to 0.9 of it). To start one takes 0.3 ms.
_WORTH_A_THREAD = 120_000_000


class _Views(list[np.ndarray]):
    """Views of a flat vector, one a layer; assigning to one copies into it."""

    def __setitem__(self, index: Any, value: Any) -> None:
        view, array = self[index], np.asarray(value)
        if isinstance(index, slice) or array.shape != view.shape:
            raise ValueError(f"expected one array of shape {np.shape(view)}, got shape {array.shape}")
        view[...] = array


class Network(Exchange):
    """A multilayer perceptron.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, hidden units of each layer, outputs: ``[784, 300, 10]``. Two numbers make softmax (or logistic, or
        linear) regression.
    activation : str or a sequence of str, default="tanh"
        Of the hidden layers, one for all or one each: "tanh", "sigmoid", "relu", "identity", "leaky_relu" (0.01 x below
        zero), "elu", "gelu" (exact, with the normal distribution), "silu" (x times its sigmoid), or "step" (1 above
        zero, else 0: the units of a perceptron, which can predict with given weights but not be trained).
    output : {"softmax", "sigmoid", "identity"}, default="softmax"
        Classes that exclude each other, labels that do not, or plain numbers.
    dtype : {"float32", "float64"}, default="float32"
        Of parameters and arithmetic.
    seed : int, numpy.random.Generator or None, default=None
        Where the initial weights come from.
    weight_init : {"scaled_normal", "normal", "he", "he_uniform", "glorot_normal", "glorot_uniform", "zeros"}, \
            default="scaled_normal"
        How weights start.
    bias_init : {"zeros", "normal"}, default="zeros"
        How biases start.

    Notes
    -----
    Weights start as ``randn(n_in, n_out) / sqrt(n_in)``, in front of a relu and its relatives (leaky_relu, elu, gelu,
    silu) as ``randn * sqrt(2 / n_in)``, and biases as zero, as in part 7 of the article series "Building a Neural
    Network from scratch" and in He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", 2015. The other ways are in
    ``fastnet.initialisation``; or assign to ``network.weights`` and ``network.biases``.

    Several networks against each other (one-vs-rest) are one network with sigmoid outputs, one a class, trained on
    one-hot rows: ``trainer.fit(X, functional.one_hot(y, n_classes), ...)``. Then ``predict`` says yes or no for each
    class, and ``decision_function(X).argmax(axis=1)`` is the class. For samples that belong to no class, add a
    background class to a softmax network and train it on such samples, or let ``predict`` reject unsure ones.

    Examples
    --------
    >>> import fastnet
    >>> network = fastnet.Network([784, 10, 10], seed=0)
    >>> network
    Network(784-10-10, tanh, softmax, float32, 7,960 parameters)
    >>> network.weights[0].shape, network.biases[1].shape
    ((784, 10), (10,))
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activation: str | Sequence[str] = "tanh",
        output: str = "softmax",
        dtype: Any = "float32",
        seed: int | np.random.Generator | None = None,
        weight_init: str = "scaled_normal",
        bias_init: str = "zeros",
    ):
        self._set_up(layer_sizes, activation, output, dtype)
        self._initialise(checks.check_seed(seed), weight_init, bias_init)

    @classmethod
    def _blank(cls, layer_sizes: Sequence[int], activation: str | Sequence[str], output: str, dtype: Any) -> "Network":
        """Return a network whose parameters are zero: nothing is drawn."""
        network = cls.__new__(cls)
        network._set_up(layer_sizes, activation, output, dtype)
        return network

    def _set_up(self, layer_sizes: Sequence[int], activation: str | Sequence[str], output: str, dtype: Any) -> None:
        self._layer_sizes = _check_sizes(layer_sizes)
        self._activations = _check_activations(activation, len(self._layer_sizes) - 2)
        self._output = checks.check_choice("output", output, tuple(LOSS_OF_OUTPUT))
        self._dtype = _check_dtype(dtype)
        codes = (*(more_activations.CODES[name] for name in self.activations), IDENTITY)
        self._layers = layer_table(self.layer_sizes, codes, self.dtype)
        self._parameters = np.zeros(n_parameters(self._layers), self.dtype)
        self._weights, self._biases = self._views(self._parameters)
        self._preprocessing: Preprocessing | None = None
        self._projection: Network | None = None  # principal components are a linear network
        self._kind_warned = False

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_weights", "_biases")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._weights, self._biases = self._views(self._parameters)

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Inputs, hidden units of each layer, outputs."""
        return self._layer_sizes

    @property
    def activations(self) -> tuple[str, ...]:
        """Activation of each hidden layer."""
        return self._activations

    @property
    def output(self) -> str:
        """What the outputs are: "softmax", "sigmoid" or "identity"."""
        return self._output

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of parameters and arithmetic."""
        return self._dtype

    @property
    def parameters(self) -> np.ndarray:
        """All weights, layer by layer, then all biases; assigning copies into the vector."""
        return self._parameters

    @parameters.setter
    def parameters(self, values: Any) -> None:
        array = np.asarray(values)
        if array.shape != self._parameters.shape:
            raise ValueError(f"parameters must have shape {self._parameters.shape}, got shape {array.shape}")
        self._parameters[:] = array

    @property
    def weights(self) -> list[np.ndarray]:
        """Writable views of ``parameters``, one of shape (n_in, n_out) a layer; assigning to one copies into it."""
        return self._weights

    @property
    def biases(self) -> list[np.ndarray]:
        """Writable views of ``parameters``, one of shape (n_out,) a layer; assigning to one copies into it."""
        return self._biases

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Centring and scaling, fixed by the first fit."""
        return self._preprocessing

    @preprocessing.setter
    def preprocessing(self, value: Preprocessing | None) -> None:
        if value is not None:
            if not isinstance(value, Preprocessing):
                raise TypeError(f"preprocessing must be a Preprocessing or None, got {type(value).__name__}")
            what = "mean" if value.components is None else "components"
            if value.n_outputs != self.layer_sizes[0] or np.shape(value.mean) != (value.n_features,):
                shape = f"({value.n_features}, {self.layer_sizes[0]})" if what == "components" else self.layer_sizes[:1]
                found = np.shape(getattr(value, what))
                raise ValueError(f"preprocessing.{what} must have shape {shape}, got {found}")
            self._check_names_fit(value)
            value = value.astype(self.dtype)
        self._preprocessing, self._projection = value, _projection(value)

    @property
    def n_features(self) -> int:
        """Columns of the rows that the network takes: its inputs, or what their principal components are made from."""
        return len(self.preprocessing.mean) if self.preprocessing is not None else self.layer_sizes[0]

    def _views(self, flat: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Weights and biases of each layer as views of a flat vector."""
        weights, biases = _Views(), _Views()
        for layer in self._layers.tolist():
            n_in, n_out = layer[N_IN], layer[N_OUT]
            weights.append(flat[layer[WEIGHTS] : layer[WEIGHTS] + n_in * n_out].reshape(n_in, n_out))
            biases.append(flat[layer[BIAS] : layer[BIAS] + n_out])
        return weights, biases

    def _initialise(self, rng: np.random.Generator, weight_init: str, bias_init: str) -> None:
        checks.check_choice("weight_init", weight_init, WEIGHT_INITS)
        checks.check_choice("bias_init", bias_init, BIAS_INITS)
        warn_of_zeros(weight_init, len(self.activations))
        for weights, biases, activation in zip(self.weights, self.biases, (*self.activations, "identity"), strict=True):
            weights[:] = draw_weights(rng, weights.shape, weight_init, activation)
            biases[:] = draw_biases(rng, len(biases), bias_init)

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return self.parameters.size

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.layer_sizes))
        names = "/".join(dict.fromkeys(self.activations)) or "no hidden layer"
        return f"Network({sizes}, {names}, {self.output}, {self.dtype.name}, {self.n_parameters:,} parameters)"

    # -- predictions -----------------------------------------------------------------------------------

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits: what the last layer gives, before softmax or sigmoid.

        Parameters
        ----------
        X : array-like or SciPy sparse matrix of shape (n_samples, n_features)
            uint8, float32 or float64 in any memory layout; never copied as a whole. Sparse rows are written out as
            dense ones a block at a time.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            Of the network's dtype.

        Raises
        ------
        ValueError
            If ``X`` has the wrong shape or holds NaN or infinity; the first is named.
        DivergenceError
            If an output is not finite.
        """
        X = self._check_inputs("X", X)
        self._warn_of_kind(X)
        return self._logits(X)

    def _logits(self, X: Any, n_threads: int | None = None) -> np.ndarray:
        """Logits of a checked matrix, which must be finite; on ``n_threads`` at most."""
        logits = self._outputs(X, min(n_threads or available_cpus(), available_cpus()))
        if not np.isfinite(logits).all():
            row = int(np.argmin(np.isfinite(logits).all(axis=1)))
            raise DivergenceError(
                f"the network's output for sample {row} is not finite: its weights are too large, or not finite"
            )
        return logits

    def _outputs(self, X: Any, most_threads: int) -> np.ndarray:
        """Logits of a checked matrix."""
        logits = np.empty((X.shape[0], self.layer_sizes[-1]), self.dtype)
        for start, rows in self._blocks(X, _PREDICT_ROWS):
            self._predict(self._inputs(rows), logits[start : start + len(rows)], most_threads)
        return logits

    def _blocks(self, X: Any, unit: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the first row and the dense rows of what is worked on together, of sparse rows a multiple of ``unit``.

        Few enough of them have principal components.
        """
        most = _PROJECT_ROWS if self._projection is not None else max(1, X.shape[0])
        if sparse_data.is_sparse(X):
            yield from sparse_data.dense_blocks(X, min(most, sparse_data.rows_at_once(X, unit)))
        else:
            for start in range(0, len(X), most):
                yield start, X[start : start + most]

    def _predict(self, X: np.ndarray, logits: np.ndarray, most_threads: int) -> None:
        """Write the logits of rows that compiled code takes as they are."""
        n_threads = max(1, min(most_threads, len(X) * self.n_parameters // _WORTH_A_THREAD))
        net, order = self._packed(), np.arange(len(X), dtype=np.uint32)
        work = workspace(self._layers, self.dtype, _PREDICT_ROWS, n_threads, train=False)
        with threads(n_threads) as run:
            run(passes.predict_logits, hidden.predicting(net), self._rows(X), order, work, logits)

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
        ValueError
            As ``decision_function``, and if the output is "identity", which has no probabilities.
        """
        if self.output == "identity":
            raise ValueError("predict_proba needs output='softmax' or 'sigmoid'; this network has output='identity'")
        logits = self.decision_function(X)
        return functional.softmax(logits) if self.output == "softmax" else functional.sigmoid(logits)

    def predict(self, X: Any, *, min_proba: float = 0.0, rejected: int = -1, threshold: Any = 0.5) -> np.ndarray:
        """Most probable classes, labels with a probability above one half, or plain outputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        min_proba : float in [0, 1), default=0.0
            Decide only if sure: where the most probable class (softmax), or the more probable of a label and its
            absence (sigmoid), has a smaller probability, the answer is ``rejected`` (C. K. Chow, "On optimum
            recognition error and reject tradeoff", 1970).
        rejected : int, default=-1
            Stands for no decision.
        threshold : float in (0, 1), or array-like of shape (n_outputs,), default=0.5
            For sigmoid: labels with a probability above it are predicted. One for all labels, or one each.

        Returns
        -------
        ndarray
            softmax: class indices of shape (n_samples,), the first of equals. sigmoid: 0 or 1, and identity:
            numbers, of shape (n_samples, n_outputs), or (n_samples,) with one output.

        Raises
        ------
        ValueError, TypeError
            As ``decision_function``, and if an argument is not as described or does not go with the output.

        Examples
        --------
        >>> import numpy as np, fastnet
        >>> network = fastnet.Network([3, 3])
        >>> network.weights[0][:] = np.eye(3)
        >>> scores = [[2.0, 1.0, -1.0], [1.2, 1.0, 1.1]]  # probabilities 0.71, 0.26, 0.04 and 0.37, 0.30, 0.33
        >>> network.predict(scores), network.predict(scores, min_proba=0.5)
        (array([0, 0]), array([ 0, -1]))
        """
        rule = decisions.Rule.checked(min_proba, rejected, threshold, self.output, self.layer_sizes[-1])
        return decisions.decide(self.decision_function(X), self.output, rule, functional.softmax)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy, or the coefficient of determination R² for plain outputs.

        Parameters
        ----------
        X : array-like or SciPy sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            As for ``Trainer.fit``. With several labels a sample counts if all are right.
        sample_weight : array-like of shape (n_samples,), optional
            How much each sample counts.

        Returns
        -------
        float

        Raises
        ------
        ValueError, TypeError
            As ``decision_function``, and if ``y`` or ``sample_weight`` is not as described.
        """
        X = self._check_inputs("X", X)
        targets = self._check_targets("y", y, X.shape[0])
        if X.shape[0] == 0:
            raise ValueError(f"X is empty: a score needs at least one sample, got shape {X.shape}")
        weights = checks.check_weights("sample_weight", sample_weight, X.shape[0])
        self._warn_of_kind(X)
        return self._score(self._logits(X), targets, weights)

    def _score(self, logits: np.ndarray, targets: AnyTargets, weights: np.ndarray | None = None) -> float:
        weights = None if weights is None or weights.size == 0 else weights
        if self.output == "softmax":
            return float(np.average(logits.argmax(axis=1) == targets.labels, weights=weights))
        if self.output == "sigmoid":
            return float(np.average(((logits > 0) == (targets.values > 0.5)).all(axis=1), weights=weights))
        return _r2_score(targets.values, logits, np.ones(len(logits)) if weights is None else weights)

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None, *, loss: str = "auto") -> Evaluation:
        """Predict, and compare with the truth: accuracy, loss, confusion, each class, the worst mistakes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            As for ``Trainer.fit``.
        sample_weight : array-like of shape (n_samples,), optional
            Multiplies what a sample counts.
        loss : str, default="auto"
            As for `Trainer`.

        Returns
        -------
        Evaluation
            ``print`` shows it as tables. R² and errors for plain outputs.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described.
        DivergenceError
            If an output is not finite.

        Examples
        --------
        >>> import numpy as np, fastnet
        >>> network = fastnet.Network([2, 2])
        >>> network.weights[0][:] = np.eye(2)
        >>> found = network.evaluate([[1.0, 0.0], [0.0, 3.0], [2.0, 0.0]], [0, 1, 1])
        >>> found
        Evaluation(accuracy 66.67 %, loss 0.8296, 3 samples, 1 wrong)
        >>> found.confusion
        array([[1, 0],
               [1, 1]])
        """
        X = self._check_inputs("X", X)
        if X.shape[0] == 0:
            raise ValueError(f"X is empty: an evaluation needs at least one sample, got shape {X.shape}")
        weights = checks.check_weights("sample_weight", sample_weight, X.shape[0])
        targets = self._check_targets("y", y, X.shape[0], loss)._replace(weights=weights)
        self._warn_of_kind(X)
        return evaluated(self._logits(X), targets, self.output, self.classes)

    # -- loss and gradients ----------------------------------------------------------------------------

    def loss_and_gradients(
        self, X: Any, y: Any, sample_weight: Any = None, wrt_input: bool = False, *, loss: str = "auto"
    ) -> tuple[float, Gradients]:
        """Mean loss of some samples and its gradient; weight decay and dropout are no part of it.

        Parameters
        ----------
        X : array-like or SciPy sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class indices or one-hot rows (softmax), labels between 0 and 1 (sigmoid), or numbers (identity).
        sample_weight : array-like of shape (n_samples,), optional
            The loss is then ``sum(weight * loss) / sum(weight)``.
        wrt_input : bool, default=False
            Whether the gradient with respect to ``X`` is wanted, too, in the unit of ``X``: centring and scaling
            belong to the network, and the chain goes through them. Row i is the derivative of the *mean* loss, so the
            one of sample i's own loss is ``n_samples`` times as large. For one class's saliency give its index as y.
        loss : str, default="auto"
            As for `Trainer`.

        Returns
        -------
        loss : float
            Cross-entropy (softmax), binary cross-entropy summed over outputs (sigmoid), or half the squared error
            summed over outputs (identity), unless ``loss`` names another.
        gradients : Gradients

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described, or the network has "step" units, which have no gradient.
        DivergenceError
            If the loss is not finite.

        Examples
        --------
        >>> import numpy as np, fastnet
        >>> network = fastnet.Network([2, 2], dtype="float64", seed=0)
        >>> network.weights[0][:] = np.eye(2)
        >>> loss, gradients = network.loss_and_gradients([[1.2, 0.3]], [0], wrt_input=True)
        >>> round(loss, 4), gradients.biases[0].round(4), gradients.inputs.round(4)
        (0.3412, array([-0.2891,  0.2891]), array([[-0.2891,  0.2891]]))
        """
        X = self._check_inputs("X", X)
        n_samples = X.shape[0]
        if n_samples == 0:
            raise ValueError(f"X is empty: a loss needs at least one sample, got shape {X.shape}")
        weights = checks.check_weights("sample_weight", sample_weight, n_samples)
        wrt_input = checks.check_flag("wrt_input", wrt_input)
        total = float(weights.sum()) if weights.size else float(n_samples)
        targets = self._check_targets("y", y, n_samples, loss)._replace(weights=weights, total=total)
        hidden.check_trainable(self.activations)
        self._warn_of_kind(X)
        net = self._packed()
        gradient, value, parts = np.zeros_like(net.packed), 0.0, []
        for start, rows in self._blocks(X, GRADIENT_ROWS):
            inputs, own = self._inputs(rows), losses.part(targets, start, start + len(rows))
            loss_of_block, dX = add_gradients(net, self._rows(inputs), own, len(rows), gradient, wrt_input)
            value += loss_of_block
            if dX is not None:
                parts.append(self.preprocessing.input_gradient(dX, kind_of_data(X)) if self.preprocessing else dX)
        flat = np.empty_like(self.parameters)
        unpack(gradient, self._layers, flat)
        inputs_gradient = (parts[0] if len(parts) == 1 else np.concatenate(parts)) if wrt_input else None
        return value, Gradients(flat, *self._views(flat), inputs_gradient)

    # -- what compiled code takes ----------------------------------------------------------------------

    def _packed(self) -> layers.Net:
        """Return a packed copy of the parameters; ``hidden.py`` says which type passes take."""
        net = layers.Net(aligned_zeros(n_packed(self._layers, self.dtype), self.dtype), self._layers)
        pack(self.parameters, net.layers, net.packed)
        return net

    def _inputs(self, X: Any) -> Any:
        """Return the rows that compiled code reads: the user's own, or their principal components."""
        return X if self._projection is None else self._projection._logits(X)

    def _scaling(self, X: Any) -> tuple[Any, np.ndarray]:
        """Factor (a number, or one for each feature) and mean for rows of X: they become ``X * factor - mean``."""
        if self.preprocessing is None or self._projection is not None:
            return 1.0, np.zeros(self.layer_sizes[0], self.dtype)
        return self.preprocessing.multiplier(kind_of_data(X)), self.preprocessing.mean

    def _rows(self, X: np.ndarray) -> gather.Rows:
        """Return a checked matrix as compiled code takes it; the caller keeps ``X`` alive."""
        return dense_rows(X, *self._scaling(X))

    def _check_inputs(self, name: str, X: Any, n_features: int | None = None) -> Any:
        """Return a checked array, or a checked sparse matrix as CSR."""
        if sparse_data.is_sparse(X):
            return sparse_data.check_sparse(name, X, n_features or self.n_features, self.dtype)
        X = checks.check_matrix(name, X, n_columns=n_features or self.n_features, empty=True)
        checks.check_finite(name, X, self.dtype)
        return X

    def _check_targets(self, name: str, y: Any, n_samples: int, loss: str = "auto") -> AnyTargets:
        return losses.make_targets(name, y, n_samples, self.layer_sizes[-1], self.output, self.dtype, loss)

    def _warn_of_kind(self, X: Any, stacklevel: int = 3) -> None:
        trained = self.preprocessing.kind if self.preprocessing else kind_of_data(X)
        if trained != kind_of_data(X) and not self._kind_warned:
            self._kind_warned = True
            unit = "not scaled" if trained == "float" else "taken as already scaled"
            warnings.warn(
                f"X has dtype {X.dtype}, but the network was trained on {trained} data: it is {unit}",
                UserWarning,
                stacklevel=stacklevel,
            )


def _projection(preprocessing: Preprocessing | None) -> Network | None:
    """Return the linear network that computes principal components."""
    if preprocessing is None or preprocessing.components is None:
        return None
    components = preprocessing.components
    network = Network(components.shape, output="identity", dtype=components.dtype, seed=0)
    network.weights[0][:] = components
    network.preprocessing = replace(preprocessing, components=None)
    return network


def _r2_score(values: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> float:
    """Coefficient of determination, the mean over outputs; as scikit-learn's, 0 or 1 where the values are constant."""
    errors = np.sum((values - predictions.astype(np.float64)) ** 2 * weights[:, np.newaxis], axis=0)
    mean = np.average(values.astype(np.float64), axis=0, weights=weights)
    spreads = np.sum((values - mean) ** 2 * weights[:, np.newaxis], axis=0)
    scores = np.where(spreads > 0, 1 - errors / np.where(spreads > 0, spreads, 1), np.where(errors > 0, 0.0, 1.0))
    return float(scores.mean())


def _check_sizes(layer_sizes: Any) -> tuple[int, ...]:
    if isinstance(layer_sizes, str) or not isinstance(layer_sizes, Sequence | np.ndarray):
        raise TypeError(f"layer_sizes must be a sequence of ints such as [784, 300, 10], got {layer_sizes!r}")
    if len(layer_sizes) < 2:
        raise ValueError(f"layer_sizes needs at least inputs and outputs, got {list(layer_sizes)}")
    sizes = tuple(checks.check_integer(f"layer_sizes[{i}]", n, low=1) for i, n in enumerate(layer_sizes))
    count = sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))
    if count > 1 << 31:
        size = f"{count * 4 / 2**30:,.0f} GiB in float32"
        raise ValueError(f"layer_sizes {list(sizes)} need {count:,} parameters ({size}); at most 2**31 are allowed")
    return sizes


def _check_activations(activation: str | Sequence[str], n_hidden: int) -> tuple[str, ...]:
    if isinstance(activation, str):
        return (checks.check_choice("activation", activation, ACTIVATIONS),) * n_hidden
    if not isinstance(activation, Sequence):
        raise TypeError(f"activation must be a name or a sequence of names, got {type(activation).__name__}")
    if len(activation) != n_hidden:
        raise ValueError(f"activation must be one name or {n_hidden}, one a hidden layer, got {len(activation)}")
    return tuple(checks.check_choice(f"activation[{i}]", name, ACTIVATIONS) for i, name in enumerate(activation))


def _check_dtype(dtype: Any) -> np.dtype[Any]:
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if dtype is None or found.name not in ("float32", "float64"):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    return found
