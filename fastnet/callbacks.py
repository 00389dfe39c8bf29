"""What happens between compiled calls: progress, logs, stopping early.

A callback is an object with some of the methods of ``Callback``, or a plain function, which is called at the end of
each epoch. All are called in Python between compiled calls, at minibatch boundaries; an exception leaves a usable
network.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


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
        Minibatches of this epoch finished, and how many it has.
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
