"""The rivals that fastnet is measured against, one implementation of each for benches and CLI.

* `NumpyNetwork`: the minibatch loop of a careful NumPy user, float32 and BLAS.
* `PerSampleNumpyNetwork`: the manner of the source article (part 7, "Using Softmax for Multiple Classes"):
  float64, one sample at a time.
* `SklearnPeer`: scikit-learn's ``MLPClassifier``, one epoch a call.

All train the same network: tanh or relu hidden layers, softmax with cross-entropy, SGD with weight decay on
weights but not on biases. `Peer` is what they have in common; whatever a user does once before training
(conversion, centring, allocation) belongs in ``prepare`` and so stays out of the measured time.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
_Call = Callable[[], Any]

_FORWARD: dict[str, Callable[[Array, Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda z, out: np.maximum(z, 0, out=out),
}


def _tanh_derivative(a: Array, delta: Array, scratch: Array) -> list[_Call]:
    """Record delta *= 1 - a^2, as delta - a^2 delta."""
    return [
        partial(np.multiply, a, a, scratch),
        partial(np.multiply, scratch, delta, scratch),
        partial(np.subtract, delta, scratch, delta),
    ]


def _relu_derivative(a: Array, delta: Array, scratch: Array) -> list[_Call]:
    """Record delta *= 1 where a > 0, else 0."""
    return [partial(np.sign, a, scratch), partial(np.multiply, delta, scratch, delta)]


_DERIVATIVE = {"tanh": _tanh_derivative, "relu": _relu_derivative}


class Peer(Protocol):
    """What a bench needs: prepare once, then time ``epoch``."""

    name: str

    def prepare(self, X: Array, y: Array) -> None:
        """Keep the training set in the form in which the peer trains fastest."""

    def epoch(self, order: Array) -> None:
        """Train once over the rows ``order`` of the prepared set."""

    def accuracy(self, X: Array, y: Array) -> float:
        """Return the share of rows of X that are classified as y says."""


@dataclass(frozen=True)
class _Preprocessing:
    """x * scale - mean, as fitted on the training set."""

    scale: float
    mean: Array

    @classmethod
    def fit(cls, X: Array) -> "_Preprocessing":
        scale = 1 / 255 if X.dtype == np.uint8 else 1.0
        return cls(scale, X.mean(axis=0, dtype=np.float64) * scale)

    def apply(self, X: Array, out: Array) -> Array:
        """Write the scaled and centred X to ``out``."""
        np.multiply(X, out.dtype.type(self.scale), out=out, casting="same_kind")
        out -= self.mean.astype(out.dtype)
        return out


def _initial_weights(layer_sizes: list[int], activation: str, seed: int | None) -> list[Array]:
    """Draw weights of shape (n_in, n_out), randn / sqrt(n_in), for relu times sqrt(2)."""
    if len(layer_sizes) < 2 or min(layer_sizes) < 1:
        raise ValueError(f"layer_sizes: found {layer_sizes}, expected at least two sizes of 1 or more")
    if activation not in _FORWARD:
        raise ValueError(f"activation: found {activation!r}, expected one of {sorted(_FORWARD)}")
    rng, gain = np.random.default_rng(seed), 2.0 if activation == "relu" else 1.0
    return [rng.standard_normal(shape) * np.sqrt(gain / shape[0]) for shape in pairwise(layer_sizes)]


class _Step:
    """One training step on a minibatch of fixed size: in-place calls on fixed buffers, recorded once.

    Replaying the list costs 58 us at 784-10-10 and B = 32; methods that look up their buffers cost 64.
    Activations are stored as columns, one sample each, (units + 1, B): the extra row is 1 and meets the bias.
    """

    def __init__(self, network: "NumpyNetwork", batch_size: int) -> None:
        sizes, dtype = network.layer_sizes, network.dtype
        self.tile = np.empty((batch_size, sizes[0] + 1), dtype)
        self.columns = np.arange(batch_size)
        self.scale = np.empty((), dtype)  # learning rate / B, set before each epoch
        inputs = [self.tile.T, *(np.ones((n + 1, batch_size), dtype) for n in sizes[1:-1])]
        outputs = [a[:-1] for a in inputs[1:]]  # views: hidden activations without the row of ones
        self.logits = np.empty((sizes[-1], batch_size), dtype)
        self._flat = self.logits.ravel()
        self.forward = self._record_forward(network, inputs, outputs)
        self._to_targets = [*self.forward, *self._record_softmax()]
        self._from_targets = [*self._record_backward(network, inputs, outputs), *network._record_update()]

    def train(self, X: Array, rows: Array, targets: Array) -> None:
        """Train on some rows of X; targets are positions in the flat logits, class * B + column."""
        X.take(rows, 0, self.tile, "clip")
        for call in self._to_targets:
            call()
        self._flat[targets] -= 1
        for call in self._from_targets:
            call()

    def _record_forward(self, network: "NumpyNetwork", inputs: list[Array], outputs: list[Array]) -> list[_Call]:
        """Record tile -> logits."""
        calls: list[_Call] = []
        for layer, x, out in zip(network._layers[:-1], inputs[:-1], outputs, strict=True):
            calls += [partial(np.dot, layer, x, out), partial(_FORWARD[network.activation], out, out)]
        return [*calls, partial(np.dot, network._layers[-1], inputs[-1], self.logits)]

    def _record_softmax(self) -> list[_Call]:
        """Record logits -> probabilities, in place."""
        z, row = self.logits, np.empty_like(self.logits[0])
        return [
            partial(np.maximum.reduce, z, 0, None, row),
            partial(np.subtract, z, row, z),
            partial(np.exp, z, z),
            partial(np.add.reduce, z, 0, None, row),
            partial(np.divide, z, row, z),
        ]

    def _record_backward(self, network: "NumpyNetwork", inputs: list[Array], outputs: list[Array]) -> list[_Call]:
        """Record p - onehot -> gradients, times the learning rate over B."""
        delta = self.logits
        calls: list[_Call] = [partial(np.multiply, delta, self.scale, delta)]
        for i in range(len(inputs) - 1, 0, -1):
            below, scratch = np.empty_like(outputs[i - 1]), np.empty_like(outputs[i - 1])
            calls += [
                partial(np.dot, delta, inputs[i].T, network._layer_gradients[i]),
                partial(np.dot, network.weights[i], delta, below),
                *_DERIVATIVE[network.activation](outputs[i - 1], below, scratch),
            ]
            delta = below
        return [*calls, partial(np.dot, delta, self.tile, network._layer_gradients[0])]


class NumpyNetwork:
    """A multilayer perceptron trained by minibatch SGD in NumPy, as fast as NumPy allows.

    What a careful user does:

    * all buffers allocated once, every operation in place, the calls recorded once (`_Step`);
    * biases ride in the matrix products (X and the activations carry a constant 1), so there is no broadcast
      addition and no sum for their gradients;
    * activations are (units, B): softmax reduces along the short axis over contiguous samples, and row
      vectors broadcast cheaply. Together with the biases: 0.103 s instead of 0.132 for an epoch of
      784-10-10 on MNIST, B = 32, one Zen 3 core;
    * parameters and gradients are one flat vector each: decay and update are two calls for the whole network;
    * the learning rate over the batch size is folded into the gradient of the logits;
    * the loss, which training does not need, is not computed.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, hidden units, classes.
    activation : {"tanh", "relu"}, default="tanh"
        Activation of the hidden layers.
    learning_rate, momentum, weight_decay : float
        v = momentum * v - learning_rate * (g + weight_decay * w); w += v. Biases do not decay.
    batch_size : int, default=32
        Samples of a minibatch; a short last one averages over its true size.
    dtype : dtype, default=numpy.float32
        Precision of data and parameters.
    seed : int, optional
        Seed of the initial weights, randn / sqrt(n_in) (relu: times sqrt(2)); biases start at zero.
    blas_threads : int, optional
        Threads of the BLAS during an epoch; None leaves the process's setting. Measured on two Zen 3
        cores: 784-10-10, B = 32 takes 0.103 s with one thread and with two (its products are below
        OpenBLAS's threshold and never use the second); 784-300-10, B = 128 takes 0.76 s with one and 0.48
        with two. So None is right for both, but only while the cores are free: OpenBLAS's threads spin, and
        beside another busy process two threads took 2 to 7 s.

    Attributes
    ----------
    weights, biases : list of ndarray
        Writable views of shape (n_in, n_out) and (n_out,), one a layer.
    n_parameters : int
        Weights and biases together.
    """

    name = "NumPy"

    def __init__(
        self,
        layer_sizes: ArrayLike,
        *,
        activation: str = "tanh",
        learning_rate: float = 0.1,
        batch_size: int = 32,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
        blas_threads: int | None = None,
    ) -> None:
        self.layer_sizes: list[int] = np.asarray(layer_sizes).tolist()
        self.activation, self.batch_size = activation, batch_size
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.learning_rate, self.momentum, self.weight_decay = learning_rate, momentum, weight_decay
        self.blas_threads = blas_threads
        weights = _initial_weights(self.layer_sizes, activation, seed)
        self.n_parameters = sum(w.size + w.shape[1] for w in weights)
        self._parameters, self._gradients, self._velocity, self._decays, self._decay_factors = (
            np.zeros(self.n_parameters, self.dtype) for _ in range(5)
        )
        self._layers, self._layer_gradients = self._split(self._parameters), self._split(self._gradients)
        self.weights = [layer[:, :-1].T for layer in self._layers]
        self.biases = [layer[:, -1] for layer in self._layers]
        for view, decays, w in zip(self.weights, self._split(self._decays), weights, strict=True):
            view[:] = w
            decays[:, :-1] = 1
        self._steps: dict[int, _Step] = {}

    def _split(self, vector: Array) -> list[Array]:
        """View a parameter vector as one matrix (n_out, n_in + 1) a layer; the last column is the bias."""
        layers, start = [], 0
        for n_in, n_out in pairwise(self.layer_sizes):
            stop = start + n_out * (n_in + 1)
            layers.append(vector[start:stop].reshape(n_out, n_in + 1))
            start = stop
        return layers

    def prepare(self, X: Array, y: Array) -> None:
        """Convert X once: scaled (uint8 by 1/255), centred, and with a last column of ones.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Training samples.
        y : ndarray of shape (n_samples,)
            Class indices.
        """
        self._preprocessing = _Preprocessing.fit(X)
        self._X, self._y = self._with_ones(X), np.asarray(y, dtype=np.intp)

    def _with_ones(self, X: Array) -> Array:
        rows = np.empty((len(X), X.shape[1] + 1), self.dtype)
        self._preprocessing.apply(X, rows[:, :-1])
        rows[:, -1] = 1
        return rows

    def epoch(self, order: Array) -> None:
        """Train once over the prepared rows ``order``, minibatch by minibatch."""
        with _blas_limit(self.blas_threads):
            self.train_epoch(order)

    def train_epoch(self, order: Array) -> None:
        """Train as `epoch` does, with the BLAS threads as they are."""
        B, y = self.batch_size, self._y[order]
        shrink = self.learning_rate * self.weight_decay * self._decays
        self._decay_factors[:] = shrink if self.momentum else 1 - shrink
        full = len(order) // B * B
        step = self._step_of(B)
        targets = y[:full] * B + np.tile(step.columns, full // B)
        for start in range(0, full, B):
            step.train(self._X, order[start : start + B], targets[start : start + B])
        if full < len(order):
            rest = len(order) - full
            step = self._step_of(rest)
            step.train(self._X, order[full:], y[full:] * rest + step.columns)

    def _step_of(self, batch_size: int) -> _Step:
        if batch_size not in self._steps:
            self._steps[batch_size] = _Step(self, batch_size)
        step = self._steps[batch_size]
        step.scale[...] = self.learning_rate / batch_size
        return step

    def _record_update(self) -> list[_Call]:
        """Record the update of all parameters from gradients that hold the learning rate already."""
        w, g, v, factors = self._parameters, self._gradients, self._velocity, self._decay_factors
        if self.momentum == 0:
            decay = [partial(np.multiply, w, factors, w)] if self.weight_decay else []  # (1 - lr wd) w
            return [*decay, partial(np.subtract, w, g, w)]
        scratch = np.empty_like(w)
        decay = [partial(np.multiply, w, factors, scratch), partial(np.subtract, v, scratch, v)]  # lr wd w
        return [
            partial(np.multiply, v, self.dtype.type(self.momentum), v),
            partial(np.subtract, v, g, v),
            *(decay if self.weight_decay else []),
            partial(np.add, w, v, w),
        ]

    def decision_function(self, X: Array) -> Array:
        """Return the logits of shape (n_samples, n_classes)."""
        step = _Step(self, len(X))
        step.tile[:] = self._with_ones(X)
        for call in step.forward:
            call()
        return step.logits.T

    def predict(self, X: Array) -> Array:
        """Return class indices of shape (n_samples,)."""
        classes: Array = self.decision_function(X).argmax(axis=1)
        return classes

    def loss(self, X: Array, y: Array) -> float:
        """Return the mean cross-entropy, without the decay penalty."""
        z = self.decision_function(X).astype(np.float64)
        z -= z.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), y]))

    def accuracy(self, X: Array, y: Array) -> float:
        """Return the share of rows of X that are classified as y says."""
        return float(np.mean(self.predict(X) == y))


class PerSampleNumpyNetwork:
    """The source article's loop: float64, B = 1, a matrix-vector product and an outer product a layer.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, hidden units, classes.
    learning_rate, weight_decay : float
        w -= learning_rate * (g + weight_decay * w); biases do not decay.
    seed : int, optional
        Seed of the initial weights, randn / sqrt(n_in); biases start at zero.
    """

    name = "NumPy, one sample at a time"
    batch_size = 1

    def __init__(
        self,
        layer_sizes: ArrayLike,
        *,
        learning_rate: float = 0.1,
        weight_decay: float = 0.0,
        seed: int | None = None,
    ) -> None:
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.weights = _initial_weights(np.asarray(layer_sizes).tolist(), "tanh", seed)
        self.biases = [np.zeros(w.shape[1]) for w in self.weights]
        self.n_parameters = sum(w.size + w.shape[1] for w in self.weights)

    def prepare(self, X: Array, y: Array) -> None:
        """Keep X as centred float64 (uint8 scaled by 1/255) and the class indices y."""
        self._preprocessing = _Preprocessing.fit(X)
        self._X, self._y = self._preprocessing.apply(X, np.empty(X.shape)), y

    def epoch(self, order: Array) -> None:
        """Train once over the prepared rows ``order``, one by one."""
        for i in order:
            self._train_sample(self._X[i], self._y[i])

    def _train_sample(self, x: Array, target: int) -> None:
        outputs = self._forward(x)
        delta = np.exp(outputs[-1] - outputs[-1].max())
        delta /= delta.sum()
        delta[target] -= 1
        for i in reversed(range(len(self.weights))):
            w, a, dz = self.weights[i], outputs[i], delta
            delta = (w @ dz) * (1 - a * a) if i > 0 else dz
            w -= self.learning_rate * (np.outer(a, dz) + self.weight_decay * w)
            self.biases[i] -= self.learning_rate * dz

    def _forward(self, x: Array) -> list[Array]:
        """Return the outputs of all layers, x first, logits last; x of shape (n_in,) or (n_samples, n_in)."""
        outputs = [x]
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            outputs.append(np.tanh(outputs[-1] @ w + b))
        outputs.append(outputs[-1] @ self.weights[-1] + self.biases[-1])
        return outputs

    def accuracy(self, X: Array, y: Array) -> float:
        """Return the share of rows of X that are classified as y says."""
        logits = self._forward(self._preprocessing.apply(X, np.empty(X.shape)))[-1]
        return float(np.mean(logits.argmax(axis=1) == y))


class SklearnPeer:
    """scikit-learn's ``MLPClassifier`` on float32, driven one epoch at a time.

    By ``partial_fit``, which is one epoch and nothing more. ``fit`` with ``max_iter=1`` and ``warm_start``
    starts a new optimizer, forgetting its velocity, and warns each time that it has not converged. On
    MNIST, 784-10-10, B = 32: checks outside the epoch cost ``partial_fit`` 7 ms of 510 (20 ms without
    ``assume_finite``, as much as ``fit``); the slope of ``fit`` over ``max_iter`` is 500 ms. So the time of a
    call is the time of an epoch to about 2 %.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, hidden units, classes; one hidden layer or more.
    activation : {"tanh", "relu"}, default="tanh"
        Activation of the hidden layers.
    learning_rate, momentum, weight_decay : float
        As in `NumpyNetwork`. scikit-learn divides its ``alpha`` by the batch size, hence
        alpha = weight_decay * batch_size.
    batch_size : int, default=32
        Samples of a minibatch.
    seed : int, optional
        Seed of scikit-learn's own initial weights and shuffles.
    """

    name = "scikit-learn"

    def __init__(
        self,
        layer_sizes: ArrayLike,
        *,
        activation: str = "tanh",
        learning_rate: float = 0.1,
        batch_size: int = 32,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        seed: int | None = None,
    ) -> None:
        from sklearn.neural_network import MLPClassifier

        self.batch_size = batch_size
        n_inputs, *hidden, self._n_classes = np.asarray(layer_sizes).tolist()
        self.n_parameters = sum((a + 1) * b for a, b in pairwise([n_inputs, *hidden, self._n_classes]))
        self.model = MLPClassifier(
            hidden_layer_sizes=tuple(hidden),
            activation=activation,
            solver="sgd",
            alpha=weight_decay * batch_size,
            batch_size=batch_size,
            learning_rate_init=learning_rate,
            momentum=momentum,
            nesterovs_momentum=False,
            # A generator: an int would be used anew by each call and shuffle every epoch alike.
            random_state=np.random.RandomState(seed),
        )

    def prepare(self, X: Array, y: Array) -> None:
        """Keep X as centred float32 (uint8 scaled by 1/255) and the class indices y."""
        self._preprocessing = _Preprocessing.fit(X)
        self._X, self._y = self._centred(X), np.asarray(y, dtype=np.intp)

    def _centred(self, X: Array) -> Array:
        return self._preprocessing.apply(X, np.empty(X.shape, np.float32))

    def epoch(self, order: Array) -> None:
        """Train once over the prepared set, which scikit-learn shuffles itself; ``order`` is not used."""
        from sklearn import config_context

        with config_context(assume_finite=True):
            self.model.partial_fit(self._X, self._y, classes=np.arange(self._n_classes))

    def accuracy(self, X: Array, y: Array) -> float:
        """Return the share of rows of X that are classified as y says."""
        return float(self.model.score(self._centred(X), y))


def _blas_limit(n_threads: int | None) -> AbstractContextManager[Any]:
    """Limit the BLAS to n_threads inside a ``with`` block; None changes nothing."""
    if n_threads is None:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limit: AbstractContextManager[Any] = threadpool_limits(n_threads, user_api="blas")
    return limit
