"""Small trainings that are interrupted, and what must be the same afterwards: what tests of checkpoints share."""

import hashlib

import numpy as np
from block_data import blocky

from fastnet import Callback, EarlyStopping, Network, Trainer

EPOCHS = 4


def dense_data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((330, 6)).astype(np.float32)
    return X, (X[:, 0] * X[:, 1] > 0) + (X[:, 2] > 1).astype(int)


def sparse_data():
    rng = np.random.default_rng(1)
    X = rng.random((330, 70)).astype(np.float32) * (rng.random((330, 70)) < 0.1)
    return X, dense_data()[1]


def block_data():
    return blocky(np.random.default_rng(1), 1230, 70), np.resize(dense_data()[1], 1230)


class StopAfterCalls(Callback):
    """Interrupt after some compiled calls."""

    def __init__(self, calls):
        self._calls = calls

    def on_minibatches_end(self, state):
        self._calls -= 1
        if self._calls == 0:
            raise KeyboardInterrupt


def seven(*_):
    """Minibatches of a compiled call: an epoch is many of them."""
    return 7


class Interrupt(Callback):
    """Raises at the so many-th event."""

    def __init__(self, at, event="on_minibatches_end", kind=KeyboardInterrupt):
        self.left, self.kind = at, kind
        setattr(self, event, self._count)

    def _count(self, state):
        self.left -= 1
        if self.left == 0:
            raise self.kind("now")


def make(data, folder=None, *callbacks, start=0, activation="tanh", n_inputs=None, n_units=9, **settings):
    X, y = data
    network = Network([n_inputs or X.shape[1], n_units, int(y.max()) + 1], activation, seed=start)
    settings = {"batch_size": 4, "learning_rate": 0.2, "seed": 0, "n_threads": 1} | settings
    return Trainer(network, callbacks=callbacks, checkpoint_dir=folder, **settings)


def fit(trainer, data, epochs=EPOCHS, **arguments):
    X, y = data
    return trainer.fit(X[30:], y[30:], epochs=epochs, validation_data=(X[:30], y[:30]), **arguments)


def outcome(trainer, history):
    """What must be the same: bits of the parameters, and all of the history that is no time."""
    names = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
    course = np.array([getattr(history, name) for name in names])
    return hashlib.sha256(trainer.network.parameters.tobytes()).hexdigest(), course.tobytes()


def whole(data, callbacks=lambda: (), epochs=EPOCHS, **settings):
    """Outcome of a training that is never interrupted, and writes nothing."""
    trainer = make(data, None, *callbacks(), **settings)
    return outcome(trainer, fit(trainer, data, epochs))


def in_pieces(data, folder, lengths, callbacks=lambda: (), epochs=EPOCHS, **settings):
    """Outcome of a training that is interrupted again and again, each time in a new trainer; and how often it was."""
    for number, length in enumerate(lengths):
        trainer = make(data, folder, *callbacks(), Interrupt(length), start=number, **settings)
        try:
            return outcome(trainer, fit(trainer, data, epochs, resume=True)), number
        except KeyboardInterrupt:
            pass
    raise RuntimeError("more pieces than expected")


def early(**settings):
    return lambda: (EarlyStopping(patience=2, **settings),)
