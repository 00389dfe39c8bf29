"""One contender at work: made ready for a row and checked, then timed turn by turn."""

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from .._peers import PEERS, Peer
from ..datasets import Dataset, load_mnist
from .rows import N_TEST, Row
from .synthetic import gaussian, images

# A turn goes on for that long, so that short tasks are timed more often, but no longer than for some calls.
_TURN_SECONDS, _TURN_CALLS = 0.25, 10

# Calls that begin so early in a turn do not count, unless they take so long that they are all: after a pause the two
# CPUs of a virtual machine may be one until its host moves them apart. After two seconds on one CPU the share of 22
# fits on two that had reached their later speed was 0.6 in the first 0.1 s, 0.8 until 0.4 s, and 0.9 from then on.
_EARLY_SECONDS, _LONG_SECONDS = 0.5, 1.0

# Epochs in which a peer must have learnt something.
_MOST_EPOCHS = 10


class SkippedError(Exception):
    """A contender has no part in a row; the message is the reason."""


class Contender:
    """A peer and the row it is working on.

    Parameters
    ----------
    name : str
        A key of ``PEERS``.
    mnist : bool
        Whether rows of 784 inputs and 10 classes train on MNIST, which is there then, or on what looks like it.
    data_dir : str, optional
        Folder that holds ``mnist``.

    Examples
    --------
    >>> contender = Contender("numpy", mnist=False)
    >>> ready = contender.prepare(Row((20, 5, 3), batch_size=1000))
    >>> ready["n_timed"], len(contender.turn(0)) > 0
    (55000, True)
    """

    def __init__(self, name: str, mnist: bool, data_dir: str | None = None):
        self.name, self._mnist, self._data_dir = name, mnist, data_dir
        self._peer: Peer | None = None
        self._rows: Any = None

    def prepare(self, row: Row) -> dict[str, Any]:
        """Make the peer, let it prepare and learn, and check that it has learnt.

        Returns
        -------
        dict
            ``n_timed``: samples of a timed call; ``prepare_seconds``: what conversion and compiling took;
            ``accuracy``: on test samples, after the first epoch, or timed part of one, that showed that it learns.

        Raises
        ------
        SkippedError
            If the peer can't, or has learnt nothing.
        """
        self._peer, self._rows, self._row = None, None, row  # room for the next
        kind = "mnist" if self._mnist and row.wants_mnist else row.data
        data = _load(kind, row.layer_sizes[0], row.layer_sizes[-1], row.n_train, self._data_dir)
        try:
            return self._prepare(row, data)
        except (ImportError, ValueError, ArithmeticError, RuntimeError, MemoryError) as error:
            raise SkippedError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error

    def _prepare(self, row: Row, data: Dataset) -> dict[str, Any]:
        self._peer = peer = PEERS[self.name](
            list(row.layer_sizes),
            activation=row.activation,
            optimizer=row.optimizer,
            learning_rate=row.learning_rate,
            weight_decay=row.weight_decay,
            batch_size=row.batch_size,
            seed=0,
        )
        self._n_rows = _rows_timed(peer, row)
        started = time.perf_counter()
        peer.prepare(data.X_train[: row.n_train], data.y_train[: row.n_train], self._n_rows)
        prepare_seconds = time.perf_counter() - started
        accuracy = self._learn(peer, data)
        n_timed = self._n_rows
        if row.task == "predict":
            n_timed, self._rows = len(data.X_test), peer.convert(data.X_test)
            peer.proba(self._rows)
        return {"n_timed": n_timed, "prepare_seconds": prepare_seconds, "accuracy": accuracy}

    def _learn(self, peer: Peer, data: Dataset) -> float:
        """Train until the peer has learnt something, for an epoch or, with huge batches, a few; return its accuracy."""
        needed, accuracy = _least_accuracy(self._row.layer_sizes[-1]), 0.0
        for number in range(_MOST_EPOCHS):
            peer.epoch(self._order(-number))
            accuracy = peer.accuracy(data.X_test, data.y_test)
            if accuracy >= needed:
                return accuracy
        raise SkippedError(f"it has learnt too little: accuracy {accuracy:.3f}, less than {needed:.3f}")

    def _order(self, number: int) -> np.ndarray:
        """Rows of an epoch, the same for all contenders; not of a timed one if the number is 0 or less."""
        return np.random.default_rng([_MOST_EPOCHS + number]).permutation(self._row.n_train)[: self._n_rows]

    def task(self, number: int) -> Callable[[], object]:
        """Return the row's task: an epoch in an order that belongs to the number, or the predictions."""
        peer = self._ready()
        if self._row.task == "predict":
            return partial(peer.proba, self._rows)
        return partial(peer.epoch, self._order(1 + number))

    def turn(self, number: int) -> list[float]:
        """Do the row's task for a quarter of a second, at least once, after half a second that does not count.

        Returns the seconds of each call.
        """
        early: list[float] = []
        seconds: list[float] = []
        with self._ready().working():
            begun = time.perf_counter()
            while sum(early) < _LONG_SECONDS and sum(seconds) < _TURN_SECONDS and len(seconds) < _TURN_CALLS:
                task = self.task(number * _TURN_CALLS + len(seconds))
                started = time.perf_counter()
                task()
                (early if started - begun < _EARLY_SECONDS else seconds).append(time.perf_counter() - started)
        return seconds or early

    def _ready(self) -> Peer:
        if self._peer is None:
            raise RuntimeError("prepare comes before task and turn")
        return self._peer


def _rows_timed(peer: Peer, row: Row) -> int:
    """Rows of a timed epoch: all, or for slow peers a fixed number of minibatches if there are many more."""
    wanted = row.n_train if peer.minibatches_timed is None else peer.minibatches_timed * row.batch_size
    return wanted if 2 * wanted < row.n_train and row.task == "epoch" else row.n_train


def _least_accuracy(n_classes: int) -> float:
    """Three times as good as chance, or half-way from chance to certainty."""
    return min(3 / n_classes, (1 + 1 / n_classes) / 2)


@lru_cache(maxsize=1)
def _load(kind: str, n_features: int, n_classes: int, n_train: int, data_dir: str | None) -> Dataset:
    if kind == "mnist":
        return load_mnist(data_dir, download=False)
    draw = images if kind == "images" else gaussian
    return draw(n_features, n_classes, n_train, N_TEST)
