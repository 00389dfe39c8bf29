"""What happens between compiled calls: progress, logs, stopping early.

A callback is an object with some of the methods of ``Callback``, or a plain function, which is called at the end of
each epoch. All are called in Python between compiled calls, at minibatch boundaries.

An exception in a callback ends the fit and reaches the caller. The network keeps the weights of the last minibatch that
was finished, all callbacks' ``on_fit_end`` are still called, and the network can be used and trained on.

Logs are in ``fastnet.loggers``, the decision boundary over the epochs in ``fastnet.plots``.
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
        Epochs finished, and how many there will be. When a training is resumed, `epoch` is above 0 from the beginning.
    minibatch, minibatches : int
        Minibatches of this epoch finished, and how many it has (0 in the first epoch of a stream: nobody knows).
    learning_rate : float
        Of this epoch. What a callback sets, a number above zero, is taken from the next epoch on instead of what the
        trainer's schedule says, to the end of the fit or until it is set again. ``History.learning_rate`` shows it.
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
    metrics: dict[str, float] = field(default_factory=dict)
    compile_seconds: float = 0.0
    _rate: float = field(default=0.0, init=False)
    _set_rate: float | None = field(default=None, init=False)

    @property
    def learning_rate(self) -> float:  # noqa: D102
        return self._rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        from . import checks  # NumPy, which help on the command line does without

        self._rate = self._set_rate = checks.check_number("learning_rate", value, open_low=True)

    def _begin_epoch(self, scheduled: float, begun: float | None = None, done: int = 0) -> float:
        """Return the learning rate of the epoch that begins: what the schedule says, unless a callback has set it.

        Of an epoch that a fit before this one has begun it is ``begun``, and so many minibatches are ``done``.
        """
        if begun is not None:
            self._rate = begun
        elif self._set_rate is None:
            self._rate = scheduled
        else:
            self._rate = self._set_rate
        self.minibatch = done
        return self._rate


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
        """After the last epoch, and when an error or Ctrl-C ends the training, even before ``on_fit_begin``."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback: numbers, strings, lists, dicts and arrays, under names.

        Arrays must not be changed afterwards.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what ``state_dict`` gave, when a training is resumed; follows ``on_fit_begin``."""


class LearningRateScheduler(Callback):
    """Set the learning rate of each epoch from the one before, as Keras' callback of that name.

    Parameters
    ----------
    schedule : callable
        Takes the epoch that begins, counted from 0, and the learning rate until now (for the first epoch that of the
        trainer), and returns the epoch's rate, above zero.

    Raises
    ------
    TypeError, ValueError
        If ``schedule`` can't be called; during a fit, if it returns no such number.

    Notes
    -----
    Names such as "cosine", and functions of the epoch alone, go into ``Trainer(schedule=...)``; what a callback sets
    comes before these. A plain function that looks at ``state.metrics`` may set ``state.learning_rate`` itself.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.datasets.load_digits()
    >>> fewer = LearningRateScheduler(lambda epoch, rate: rate if epoch < 2 else rate / 2)
    >>> trainer = fastnet.Trainer(fastnet.Network([64, 32, 10], seed=0), learning_rate=0.2, callbacks=fewer, seed=0)
    >>> trainer.fit(data.X_train, data.y_train, epochs=4).learning_rate
    array([0.2 , 0.2 , 0.1 , 0.05])
    """

    def __init__(self, schedule: Callable[[int, float], float]):
        if not callable(schedule):
            raise TypeError(f"schedule must be a function of epoch and learning rate, got {type(schedule).__name__}")
        self._schedule = schedule

    def on_compiled(self, state: State) -> None:
        """Set the first epoch's rate; a fit that is resumed has one."""
        if state.epoch == 0:
            self._set(state)

    def on_epoch_end(self, state: State) -> None:
        """Set the next epoch's rate."""
        if state.epoch < state.epochs:
            self._set(state)

    def _set(self, state: State) -> None:
        from . import checks

        rate = self._schedule(state.epoch, state.learning_rate)
        name = f"schedule({state.epoch}, {state.learning_rate:g})"
        state.learning_rate = checks.check_number(name, rate, open_low=True)


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
        return (
            f"EarlyStopping(monitor={self.monitor!r}, patience={self.patience}, min_delta={self.min_delta}, "
            f"restore_best={self.restore_best})"
        )

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

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, its epoch and its weights."""
        return {"best": self.best, "best_epoch": self.best_epoch, "parameters": self._parameters}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.best, self.best_epoch, self._parameters = state["best"], state["best_epoch"], state["parameters"]


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


def end_fit(callbacks: Iterable[Any], state: State, error: BaseException | None) -> None:
    """Call all callbacks' ``on_fit_end``, also if some of these fail.

    If the fit has ended with an error, failures here become notes to it; else the first of them is raised.
    """
    failed = error
    for callback in callbacks:
        try:
            callback.on_fit_end(state)
        except BaseException as another:
            if failed is None:
                failed = another
            else:
                kind = type(another).__name__
                failed.add_note(f"{type(callback).__name__}.on_fit_end failed, too: {kind}: {another}")
    if failed is not None and failed is not error:
        raise failed
