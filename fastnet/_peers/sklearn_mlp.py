"""scikit-learn's ``MLPClassifier``, one epoch a call."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .protocol import BETA1, BETA2, EPSILON, Array, Peer, Preprocessing


class SklearnPeer(Peer):
    """scikit-learn's ``MLPClassifier`` on float32, driven one epoch at a time.

    By ``partial_fit``, which is one epoch and nothing more. ``fit`` with ``max_iter=1`` and ``warm_start``
    starts a new optimizer, forgetting its velocity, and warns each time that it has not converged. On
    MNIST, 784-10-10, B = 32: checks outside the epoch cost ``partial_fit`` 7 ms of 510 (20 ms without
    ``assume_finite``, as much as ``fit``); the slope of ``fit`` over ``max_iter`` is 500 ms. So the time of a
    call is the time of an epoch to about 2 %.

    Parameters
    ----------
    layer_sizes, activation, optimizer, momentum, learning_rate
        As in ``Peer``; three classes or more, as two would share one unit.
    weight_decay : float
        scikit-learn divides its ``alpha`` by the batch size, hence alpha = weight_decay * batch_size.
    batch_size : int, default=32
        Samples of a minibatch.
    seed : int, optional
        Seed of scikit-learn's own initial weights and shuffles.
    """

    name = "scikit-learn"
    library = "scikit-learn"
    minibatches_timed = 2000

    def __init__(self, layer_sizes: ArrayLike, **settings: Any) -> None:
        from sklearn.neural_network import MLPClassifier

        super().__init__(layer_sizes, **settings)
        *_, self._n_classes = self.layer_sizes
        if self._n_classes < 3:
            raise ValueError(f"layer_sizes: found {self._n_classes} classes, expected 3 or more for a softmax")
        self.model = MLPClassifier(
            hidden_layer_sizes=tuple(self.layer_sizes[1:-1]),
            activation=self.activation,
            solver=self.optimizer,
            alpha=self.weight_decay * self.batch_size,
            batch_size=self.batch_size,
            learning_rate_init=self.learning_rate,
            momentum=self.momentum,
            nesterovs_momentum=False,
            beta_1=BETA1,
            beta_2=BETA2,
            epsilon=EPSILON,
            # A generator: an int would be used anew by each call and shuffle every epoch alike.
            random_state=np.random.RandomState(self.seed),
        )

    def prepare(self, X: Array, y: Array, n_rows: int | None = None) -> None:
        """Keep X as centred float32 (uint8 scaled by 1/255) and the class indices y."""
        self._preprocessing = Preprocessing.fit(X)
        self._X, self._y = self.convert(X), np.asarray(y, dtype=np.intp)

    def epoch(self, order: Array) -> None:
        """Train once over the prepared set, or over the rows of a shorter order; scikit-learn shuffles itself."""
        from sklearn import config_context

        X, y = (self._X, self._y) if len(order) == len(self._X) else (self._X[order], self._y[order])
        with config_context(assume_finite=True):
            self.model.partial_fit(X, y, classes=np.arange(self._n_classes))

    def convert(self, X: Array) -> Array:
        """Return X as centred float32."""
        return self._preprocessing.apply(X)

    def proba(self, rows: Array) -> Array:
        """Return the probabilities of converted rows, of shape (n_samples, n_classes)."""
        from sklearn import config_context

        with config_context(assume_finite=True):
            return self.model.predict_proba(rows)

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return weights and biases, once an epoch has been trained."""
        return self.model.coefs_, self.model.intercepts_
