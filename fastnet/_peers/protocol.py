"""What a peer is, and what all peers share: settings, preprocessing, initial weights."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
ACTIVATIONS, OPTIMIZERS = ("tanh", "relu"), ("sgd", "adam")
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # of Adam, in every peer


class MissingPeerError(ImportError):
    """The library that a peer stands for is not installed; the message says how to install it."""

    def __init__(self, library: str):
        super().__init__(f"{library} is not installed: pip install 'fastnet-numba[peers]'")


class Peer(ABC):
    """What a bench needs: prepare once, then time ``epoch``; convert rows once, then time ``proba``.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, hidden units, classes.
    activation : {"tanh", "relu"}, default="tanh"
        Activation of the hidden layers.
    optimizer : {"sgd", "adam"}, default="sgd"
        Adam has beta 0.9 and 0.999 and epsilon 1e-8.
    learning_rate, momentum, weight_decay : float
        SGD: v = momentum * v - learning_rate * (g + weight_decay * w); w += v. Biases do not decay. In Adam the
        decay is part of the gradient, and momentum has no meaning.
    batch_size : int, default=32
        Samples of a minibatch; a short last one averages over its true size.
    seed : int, optional
        Seed of the initial weights, the same in all peers but scikit-learn: see ``initial_weights``.

    Raises
    ------
    ValueError
        If the peer can't train such a network, with the reason.
    MissingPeerError
        If the peer's library is not installed.

    Attributes
    ----------
    n_parameters : int
        Weights and biases together.
    """

    name: ClassVar[str]
    library: ClassVar[str]  # name of its distribution
    # An epoch of many more minibatches is timed in a part of that many; None: always the whole.
    minibatches_timed: ClassVar[int | None] = None

    def __init__(
        self,
        layer_sizes: ArrayLike,
        *,
        activation: str = "tanh",
        optimizer: str = "sgd",
        learning_rate: float = 0.1,
        batch_size: int = 32,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        seed: int | None = None,
    ) -> None:
        if optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer: found {optimizer!r}, expected one of {sorted(OPTIMIZERS)}")
        self.layer_sizes: list[int] = np.asarray(layer_sizes).tolist()
        self.activation, self.optimizer, self.batch_size, self.seed = activation, optimizer, batch_size, seed
        self.learning_rate, self.momentum, self.weight_decay = learning_rate, momentum, weight_decay
        self._initial_weights = initial_weights(self.layer_sizes, activation, seed)
        self.n_parameters = sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.layer_sizes))

    def working(self) -> AbstractContextManager[None]:
        """What lasts as long as a training of many epochs, and is not timed with each: starting threads."""
        return nullcontext()

    @abstractmethod
    def prepare(self, X: Array, y: Array, n_rows: int | None = None) -> None:
        """Do what a user does once: keep the training set in the form in which the peer trains fastest, compile.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            uint8, which is scaled by 1/255, or floats; centred in either case.
        y : ndarray of shape (n_samples,)
            Class indices.
        n_rows : int, optional
            Rows that ``epoch`` will be given; all, if not said.
        """

    @abstractmethod
    def epoch(self, order: Array) -> None:
        """Train once over the rows ``order`` of the prepared set, and wait until that is done."""

    @abstractmethod
    def convert(self, X: Array) -> Any:
        """Bring rows, given as the training set was, into the form in which the peer's user keeps them."""

    @abstractmethod
    def proba(self, rows: Any) -> Array:
        """Return the probabilities of converted rows, a NumPy array of shape (n_samples, n_classes)."""

    @abstractmethod
    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return weights of shape (n_in, n_out) and biases of shape (n_out,), one a layer."""

    def predict_proba(self, X: Array) -> Array:
        """Return the probabilities of rows that are as the training set was given."""
        return self.proba(self.convert(X))

    def accuracy(self, X: Array, y: Array) -> float:
        """Return the share of rows of X that are classified as y says."""
        return float(np.mean(self.predict_proba(X).argmax(axis=1) == y))


@dataclass(frozen=True)
class Preprocessing:
    """x * scale - mean, as fitted on the training set."""

    scale: float
    mean: Array

    @classmethod
    def fit(cls, X: Array) -> "Preprocessing":
        """Take the mean of X; uint8 is scaled by 1/255."""
        scale = 1 / 255 if X.dtype == np.uint8 else 1.0
        return cls(scale, X.mean(axis=0, dtype=np.float64) * scale)

    def apply(self, X: Array, dtype: DTypeLike = np.float32) -> Array:
        """Return X scaled and centred, a new array."""
        out = np.empty(X.shape, dtype)
        np.multiply(X, out.dtype.type(self.scale), out=out, casting="same_kind")
        out -= self.mean.astype(out.dtype)
        return out


def initial_weights(layer_sizes: list[int], activation: str, seed: int | None) -> list[Array]:
    """Draw weights of shape (n_in, n_out) as ``fastnet.Network`` does: randn / sqrt(n_in), before relu times sqrt(2).

    Biases start at zero.
    """
    if len(layer_sizes) < 2 or min(layer_sizes) < 1:
        raise ValueError(f"layer_sizes: found {layer_sizes}, expected at least two sizes of 1 or more")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation: found {activation!r}, expected one of {sorted(ACTIVATIONS)}")
    rng = np.random.default_rng(seed)
    gains = [2.0 if activation == "relu" else 1.0] * (len(layer_sizes) - 2) + [1.0]
    return [
        rng.standard_normal(shape) * np.sqrt(gain / shape[0])
        for shape, gain in zip(pairwise(layer_sizes), gains, strict=True)
    ]
