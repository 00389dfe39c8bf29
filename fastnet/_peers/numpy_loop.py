"""The loops of NumPy users: whole minibatches through BLAS, and one sample at a time as in the source article."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .protocol import BETA1, BETA2, EPSILON, Array, Peer, Preprocessing

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": lambda z: np.tanh(z, out=z),
    "relu": lambda z: np.maximum(z, 0, out=z),
}
_SLOPES: dict[str, Callable[[Array], Array]] = {"tanh": lambda a: 1 - a * a, "relu": np.sign}


class NumpyNetwork(Peer):
    """A multilayer perceptron trained by minibatches in NumPy, as a careful user writes it.

    float32, whole minibatches through BLAS, operations in place where that is natural, X converted and centred once
    before training, no loss computed. (A version that replays a recorded list of calls on fixed buffers was tried:
    784-10-10 at B = 32 then takes 0.10 s an epoch instead of 0.13 to 0.17, but nobody writes that.)

    Parameters
    ----------
    layer_sizes, activation, optimizer, learning_rate, momentum, weight_decay, batch_size, seed
        As in ``Peer``.
    dtype : dtype, default=numpy.float32
        Precision of data and parameters.

    Attributes
    ----------
    weights, biases : list of ndarray
        Of shape (n_in, n_out) and (n_out,), one a layer.
    """

    name = "NumPy"
    library = "numpy"
    minibatches_timed = 5000

    def __init__(self, layer_sizes: ArrayLike, *, dtype: DTypeLike = np.float32, **settings: Any) -> None:
        super().__init__(layer_sizes, **settings)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.weights = [w.astype(self.dtype) for w in self._initial_weights]
        self.biases = [np.zeros(w.shape[1], self.dtype) for w in self.weights]
        parameters = (*self.weights, *self.biases)
        self._first_moments = [np.zeros_like(p) for p in parameters]  # velocity of SGD
        self._second_moments = [np.zeros_like(p) for p in parameters] if self.optimizer == "adam" else []
        self._steps = 0

    def prepare(self, X: Array, y: Array, n_rows: int | None = None) -> None:
        """Convert X once: scaled (uint8 by 1/255) and centred."""
        self._preprocessing = Preprocessing.fit(X)
        self._X, self._y = self.convert(X), np.asarray(y)

    def epoch(self, order: Array) -> None:
        """Train once over the prepared rows ``order``, minibatch by minibatch."""
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            self._train_minibatch(self._X[rows], self._y[rows])

    def _train_minibatch(self, x: Array, y: Array) -> None:
        outputs = self._forward(x)
        delta = _softmax(outputs.pop())
        delta[np.arange(len(y)), y] -= 1
        delta /= len(y)
        update = self._adam if self.optimizer == "adam" else self._sgd
        self._steps += 1
        for i in reversed(range(len(self.weights))):
            a, dz = outputs[i], delta
            if i > 0:
                delta = dz @ self.weights[i].T
                delta *= _SLOPES[self.activation](a)
            gradient = a.T @ dz
            if self.weight_decay:
                gradient += self.weight_decay * self.weights[i]
            update(i, self.weights[i], gradient)
            update(len(self.weights) + i, self.biases[i], dz.sum(axis=0))

    def _sgd(self, number: int, w: Array, gradient: Array) -> None:
        gradient *= self.learning_rate
        if self.momentum == 0:
            w -= gradient
            return
        velocity = self._first_moments[number]
        velocity *= self.momentum
        velocity -= gradient
        w += velocity

    def _adam(self, number: int, w: Array, gradient: Array) -> None:
        first, second = self._first_moments[number], self._second_moments[number]
        first *= BETA1
        first += (1 - BETA1) * gradient
        second *= BETA2
        np.square(gradient, out=gradient)
        gradient *= 1 - BETA2
        second += gradient
        step = np.sqrt(second, out=gradient)
        step *= 1 / math.sqrt(1 - BETA2**self._steps)  # of numpy it would be float64, and the product too
        step += EPSILON
        np.divide(first, step, out=step)
        step *= self.learning_rate / (1 - BETA1**self._steps)
        w -= step

    def _forward(self, x: Array) -> list[Array]:
        """Return the outputs of all layers, x first, logits last."""
        outputs = [x]
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = outputs[-1] @ w
            z += b
            outputs.append(z if i == len(self.weights) - 1 else _ACTIVATIONS[self.activation](z))
        return outputs

    def convert(self, X: Array) -> Array:
        """Return X scaled and centred."""
        return self._preprocessing.apply(X, self.dtype)

    def proba(self, rows: Array) -> Array:
        """Return the probabilities of converted rows, of shape (n_samples, n_classes)."""
        return _softmax(self._forward(rows)[-1])

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return weights of shape (n_in, n_out) and biases of shape (n_out,), one a layer."""
        return self.weights, self.biases


def _softmax(z: Array) -> Array:
    """Turn logits into probabilities, in place."""
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=1, keepdims=True)
    return z


class PerSampleNumpyNetwork(Peer):
    """The source article's loop: float64, B = 1, a matrix-vector product and an outer product a layer.

    Part 7, "Using Softmax for Multiple Classes".

    Parameters
    ----------
    layer_sizes, learning_rate, weight_decay, seed
        As in ``Peer``; nothing but tanh, plain SGD and a batch of 1.
    """

    name = "NumPy, article"
    library = "numpy"
    minibatches_timed = 1000

    def __init__(self, layer_sizes: ArrayLike, *, batch_size: int = 1, **settings: Any) -> None:
        super().__init__(layer_sizes, batch_size=batch_size, **settings)
        found = {"batch_size": batch_size, "activation": self.activation, "optimizer": self.optimizer,
                 "momentum": self.momentum}  # fmt: skip
        expected = {"batch_size": 1, "activation": "tanh", "optimizer": "sgd", "momentum": 0.0}
        for name, value in expected.items():
            if found[name] != value:
                raise ValueError(f"{name}: found {found[name]!r}, but the article's loop knows {value!r} only")
        self.weights = [w.copy() for w in self._initial_weights]
        self.biases = [np.zeros(w.shape[1]) for w in self.weights]

    def prepare(self, X: Array, y: Array, n_rows: int | None = None) -> None:
        """Keep X as centred float64 (uint8 scaled by 1/255) and the class indices y."""
        self._preprocessing = Preprocessing.fit(X)
        self._X, self._y = self.convert(X), y

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

    def convert(self, X: Array) -> Array:
        """Return X as centred float64."""
        return self._preprocessing.apply(X, np.float64)

    def proba(self, rows: Array) -> Array:
        """Return the probabilities of converted rows, of shape (n_samples, n_classes)."""
        return _softmax(self._forward(rows)[-1])

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return weights of shape (n_in, n_out) and biases of shape (n_out,), one a layer."""
        return self.weights, self.biases
