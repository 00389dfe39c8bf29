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
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": lambda z: np.tanh(z, out=z),
    "relu": lambda z: np.maximum(z, 0, out=z),
}
_SLOPES: dict[str, Callable[[Array], Array]] = {"tanh": lambda a: 1 - a * a, "relu": np.sign}


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
    if activation not in _ACTIVATIONS:
        raise ValueError(f"activation: found {activation!r}, expected one of {sorted(_ACTIVATIONS)}")
    rng, gain = np.random.default_rng(seed), 2.0 if activation == "relu" else 1.0
    return [rng.standard_normal(shape) * np.sqrt(gain / shape[0]) for shape in pairwise(layer_sizes)]


class NumpyNetwork:
    """A multilayer perceptron trained by minibatch SGD in NumPy, as a careful user writes it.

    float32, whole minibatches through BLAS, operations in place where that is natural, X converted and centred once
    before training, no loss computed. (A version that replays a recorded list of calls on fixed buffers was tried:
    784-10-10 at B = 32 then takes 0.10 s an epoch instead of 0.13 to 0.17, but nobody writes that.)

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

    Attributes
    ----------
    weights, biases : list of ndarray
        Of shape (n_in, n_out) and (n_out,), one a layer.
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
    ) -> None:
        self.activation, self.batch_size = activation, batch_size
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.learning_rate, self.momentum, self.weight_decay = learning_rate, momentum, weight_decay
        weights = _initial_weights(np.asarray(layer_sizes).tolist(), activation, seed)
        self.weights = [w.astype(self.dtype) for w in weights]
        self.biases = [np.zeros(w.shape[1], self.dtype) for w in weights]
        self._velocity = [np.zeros_like(p) for p in (*self.weights, *self.biases)]
        self.n_parameters = sum(w.size + w.shape[1] for w in weights)

    def prepare(self, X: Array, y: Array) -> None:
        """Convert X once: scaled (uint8 by 1/255) and centred.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Training samples.
        y : ndarray of shape (n_samples,)
            Class indices.
        """
        self._preprocessing = _Preprocessing.fit(X)
        self._X, self._y = self._preprocessing.apply(X, np.empty(X.shape, self.dtype)), np.asarray(y)

    def epoch(self, order: Array) -> None:
        """Train once over the prepared rows ``order``, minibatch by minibatch."""
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            self._train_minibatch(self._X[rows], self._y[rows])

    def _train_minibatch(self, x: Array, y: Array) -> None:
        outputs = self._forward(x)
        delta = outputs.pop()
        delta -= delta.max(axis=1, keepdims=True)
        np.exp(delta, out=delta)
        delta /= delta.sum(axis=1, keepdims=True)
        delta[np.arange(len(y)), y] -= 1
        delta /= len(y)
        for i in reversed(range(len(self.weights))):
            a, dz = outputs[i], delta
            if i > 0:
                delta = dz @ self.weights[i].T
                delta *= _SLOPES[self.activation](a)
            self._update(i, self.weights[i], a.T @ dz, self.weight_decay)
            self._update(len(self.weights) + i, self.biases[i], dz.sum(axis=0), 0.0)

    def _update(self, number: int, w: Array, gradient: Array, weight_decay: float) -> None:
        if weight_decay:
            gradient += weight_decay * w
        gradient *= self.learning_rate
        if self.momentum == 0:
            w -= gradient
            return
        velocity = self._velocity[number]
        velocity *= self.momentum
        velocity -= gradient
        w += velocity

    def _forward(self, x: Array) -> list[Array]:
        """Return the outputs of all layers, x first, logits last."""
        outputs = [x]
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = outputs[-1] @ w
            z += b
            outputs.append(z if i == len(self.weights) - 1 else _ACTIVATIONS[self.activation](z))
        return outputs

    def decision_function(self, X: Array) -> Array:
        """Return the logits of shape (n_samples, n_classes)."""
        return self._forward(self._preprocessing.apply(X, np.empty(X.shape, self.dtype)))[-1]

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


class FastnetPeer:
    """fastnet itself behind the same door.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, hidden units, classes.
    learning_rate, momentum, weight_decay, batch_size, seed
        As in `NumpyNetwork`.
    """

    name = "fastnet"

    def __init__(self, layer_sizes: list[int], *, activation: str = "tanh", seed: int | None = None, **settings: Any):
        from .network import Network
        from .trainer import Trainer

        self.network = Network(layer_sizes, activation, seed=seed)
        self.n_parameters = self.network.n_parameters
        self._trainer = Trainer(self.network, seed=seed, **settings)

    def prepare(self, X: Array, y: Array) -> None:
        """Do once what a fit does before its epochs, compiling included."""
        from ._parallel import crew
        from .run import Run

        network, trainer = self.network, self._trainer
        network.preprocessing = trainer._preprocessing(X)
        batch_size = min(trainer.batch_size, len(X))
        self._n_threads = trainer._threads(batch_size)
        targets = network._check_targets("y", y, len(X))
        with crew(self._n_threads) as together:
            self._run = Run(network, X, targets, batch_size, self._n_threads, together)
            self._run.compile(self._optimizer())

    def _optimizer(self) -> Any:
        return self._trainer._epoch_optimizer(self._run, self._trainer._first_rate)

    def epoch(self, order: Array) -> None:
        """Train once over the prepared rows ``order``, threads started and stopped."""
        from ._parallel import crew

        with crew(self._n_threads) as self._run.together:
            for _ in self._run.minibatches(order.astype(np.uint32), self._optimizer(), 0):
                pass
        self._run.publish()

    def accuracy(self, X: Array, y: Array) -> float:
        """Return the share of rows of X that are classified as y says."""
        return self.network.score(X, y)
