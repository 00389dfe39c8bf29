"""What happens between compiled calls: progress, logs, stopping early.

A callback is an object with some of the methods of ``Callback``, or a plain function, which is called at the end of
each epoch. All are called in Python between compiled calls, at minibatch boundaries; an exception leaves a usable
network.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

MONITORS = ("val_loss", "val_accuracy", "loss", "accuracy")


@dataclass
class State:
    """Where training stands; the same object throughout a fit.

    Attributes
    ----------
    network : Network
        Its weights are those of the last whole epoch. What is written to `state.network.parameters` during a
        fit is lost at the end of the next epoch: compiled code trains a copy of its own.
    epoch, epochs : int
        Epochs finished, and how many there will be.
    minibatch, minibatches : int
        Minibatches of this epoch finished, and how many it has (0 in the first epoch of a stream: nobody knows).
    learning_rate : float
        Of this epoch.
    metrics : dict
        Of the last whole epoch: loss, accuracy, val_loss, val_accuracy, learning_rate, seconds, …
    compile_seconds : float
        Time spent on compiling, or on loading compiled kernels from the cache.
    """

    network: Any
    epochs: int
    minibatches: int
    epoch: int = 0
    minibatch: int = 0
    learning_rate: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    compile_seconds: float = 0.0


class Callback:
    """Base class with methods that do nothing; override some."""

    def on_fit_begin(self, state: State) -> None:
        """Before the kernels are compiled or loaded."""

    def on_compiled(self, state: State) -> None:
        """Before the first minibatch."""

    def on_minibatches_end(self, state: State) -> None:
        """After each compiled call, about every 50 ms."""

    def on_epoch_end(self, state: State) -> bool | None:
        """After each epoch; True stops the training."""

    def on_fit_end(self, state: State) -> None:
        """After the last epoch, and when an error or Ctrl-C ends the training."""


class EarlyStopping(Callback):
    """Stop when a metric has not become better for some epochs, and bring the best weights back.

    Parameters
    ----------
    monitor : {"val_loss", "val_accuracy", "loss", "accuracy"}, default="val_loss"
        What is watched; the first two need ``validation_data``. Accuracies should rise, losses fall.
    patience : int, default=10
        Epochs in a row without a better value after which training stops.
    min_delta : float, default=0.0
        By how much a value must be better to count.
    restore_best : bool, default=True
        Whether the network ends with the weights of the best epoch, however the fit ends (also after the last epoch, an
        error or Ctrl-C); else it has the last ones. The optimizer remembers those of the last epoch in either case.

    Attributes
    ----------
    best : float
        Best value of the last fit.
    best_epoch : int
        Its epoch, counted from 1; 0 before there is one.
    stopped : bool
        Whether this callback ended the fit.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; during a fit, if the metric is not measured.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.datasets.load_digits()
    >>> stopping = EarlyStopping(patience=3)
    >>> trainer = fastnet.Trainer(fastnet.Network([64, 64, 10], seed=0), learning_rate=0.5, callbacks=stopping, seed=0)
    >>> history = trainer.fit(data.X_train, data.y_train, epochs=500, validation_data=(data.X_val, data.y_val))
    >>> len(history) == stopping.best_epoch + 3 < 500
    True
    """

    def __init__(
        self, monitor: str = "val_loss", patience: int = 10, min_delta: float = 0.0, restore_best: bool = True
    ):
        from . import checks  # NumPy, which help on the command line does without

        self.monitor = checks.check_choice("monitor", monitor, MONITORS)
        self.patience = checks.check_integer("patience", patience, low=1)
        self.min_delta = checks.check_number("min_delta", min_delta)
        self.restore_best = checks.check_flag("restore_best", restore_best)
        self._forget()

    def _forget(self) -> None:
        self.best, self.best_epoch, self.stopped = math.nan, 0, False
        self._parameters: Any = None

    def __repr__(self) -> str:
        return f"EarlyStopping(monitor={self.monitor!r}, patience={self.patience}, min_delta={self.min_delta})"

    def on_fit_begin(self, state: State) -> None:
        """Forget what an earlier fit has left."""
        self._forget()

    def on_epoch_end(self, state: State) -> bool:
        """Compare, and keep the weights if they are the best ones."""
        value = state.metrics[self.monitor]
        if math.isnan(value):
            needs = "validation_data" if self.monitor.startswith("val_") else "a loss that measures it"
            raise ValueError(f"EarlyStopping with monitor={self.monitor!r} needs {needs}, but it is not measured")
        gain = value - self.best if self.monitor.endswith("accuracy") else self.best - value
        if self.best_epoch == 0 or gain > self.min_delta:
            self.best, self.best_epoch = value, state.epoch
            if self.restore_best:
                self._parameters = state.network.parameters.copy()
        self.stopped = state.epoch - self.best_epoch >= self.patience
        return self.stopped

    def on_fit_end(self, state: State) -> None:
        """Bring the best weights back."""
        if self._parameters is not None:
            state.network.parameters = self._parameters
            self._parameters = None


class _Function(Callback):
    """A plain function as a callback."""

    def __init__(self, function: Callable[[State], bool | None]):
        self._function = function

    def on_epoch_end(self, state: State) -> bool | None:
        return self._function(state)


def as_callbacks(callbacks: Any) -> list[Any]:
    """Return callbacks (one, or several) as objects that have all methods."""
    if isinstance(callbacks, Callback) or (callable(callbacks) and not isinstance(callbacks, Iterable)):
        callbacks = (callbacks,)
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be callbacks or functions of the state, got {type(callbacks).__name__}")
    found = []
    for number, callback in enumerate(callbacks):
        if isinstance(callback, type):
            raise TypeError(f"callbacks[{number}] is the class {callback.__name__}; pass an instance")
        if not isinstance(callback, Callback) and not callable(callback):
            raise TypeError(
                f"callbacks[{number}] must be a fastnet.Callback or a function of the state, "
                f"got {type(callback).__name__}"
            )
        found.append(callback if isinstance(callback, Callback) else _Function(callback))
    return found
