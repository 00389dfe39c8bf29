"""fastnet itself behind the same door."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._parallel import Together
from .protocol import Array, Peer


class FastnetPeer(Peer):
    """A ``fastnet.Trainer``, one whole epoch a call, in the order given.

    Parameters
    ----------
    layer_sizes, activation, optimizer, learning_rate, momentum, weight_decay, batch_size, seed
        As in ``Peer``.
    """

    name = "fastnet"
    library = "fastnet-numba"

    def __init__(self, layer_sizes: list[int], *, activation: str = "tanh", seed: int | None = None, **settings: Any):
        from ..network import Network
        from ..trainer import Trainer

        super().__init__(layer_sizes, activation=activation, seed=seed, **settings)
        self.network = Network(self.layer_sizes, activation, seed=seed)
        self._trainer = Trainer(self.network, seed=seed, **settings)
        self._together: Together | None = None
        self._published = True

    def prepare(self, X: Array, y: Array, n_rows: int | None = None) -> None:
        """Do once what a fit does before its epochs, compiling included."""
        from .._parallel import crew
        from ..run import Run

        network, trainer = self.network, self._trainer
        network.preprocessing = trainer._preprocessing([X])
        batch_size = min(trainer.batch_size, len(X))
        group = trainer._group(X)
        self._n_threads = trainer._threads(group * batch_size, X)
        targets = network._check_targets("y", y, len(X))
        with crew(self._n_threads) as together:
            self._run = Run(network, X, targets, batch_size, self._n_threads, together, group=group)
            self._run.compile(self._optimizer())
        self._published = True

    def _optimizer(self) -> Any:
        return self._trainer._epoch_optimizer(self._run, self._trainer._first_rate)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Start the threads, once for several epochs as in a fit."""
        from .._parallel import crew

        with crew(self._n_threads) as self._together:
            yield
        self._together = None

    def epoch(self, order: Array) -> None:
        """Train once over all prepared rows, in the given order; threads are started and stopped if none are there."""
        if len(order) != self._run.n_samples:  # compiled code would read on
            raise ValueError(f"order: found {len(order)} rows, expected all {self._run.n_samples}")
        if self._together is None:
            with self.working():
                self.epoch(order)
            return
        self._run.together = self._together
        for _ in self._run.minibatches(order.astype(np.uint32), self._optimizer(), 0):
            pass
        self._published = False

    def _trained(self) -> Any:
        """Return the network, to which weights are copied when somebody asks, as with the other peers."""
        if not self._published:
            self._run.publish()
            self._published = True
        return self.network

    def convert(self, X: Array) -> Array:
        """Return X as it is: fastnet takes rows as the user has them."""
        return X

    def proba(self, rows: Array) -> Array:
        """Return the probabilities of rows, of shape (n_samples, n_classes)."""
        return self._trained().predict_proba(rows)

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return weights of shape (n_in, n_out) and biases of shape (n_out,), one a layer."""
        network = self._trained()
        return list(network.weights), list(network.biases)
