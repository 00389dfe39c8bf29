"""Ctrl-C and SIGTERM: at a minibatch boundary while training, at once elsewhere."""

import signal
import threading
from typing import Any

from ..callbacks import Callback, State
from .messages import INTERRUPTED, TERMINATED


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a training as Ctrl-C does."""


def exit_code(interrupt: BaseException) -> int:
    """Return the exit code of an interrupted command."""
    return TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED


def take_sigterm() -> None:
    """Let SIGTERM raise ``Terminated`` from now on, if nobody else has taken it."""
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # else it is somebody else's
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(*_: Any) -> None:
    global _terminated
    _terminated = True
    raise Terminated


_terminated = False


def code_of_last() -> int:
    """Return the exit code of the interrupt that somebody else has caught."""
    return TERMINATED if _terminated else INTERRUPTED


# Signals, the handlers that this callback takes the place of, and what they raise.
_TAKEN = (
    (signal.SIGINT, signal.default_int_handler, KeyboardInterrupt),
    (signal.SIGTERM, _terminate, Terminated),
)


class Interrupt(Callback):
    """Take the first signal at a minibatch boundary, never between the starts of two threads; the second at once."""

    def __init__(self) -> None:
        self._wanted: type[KeyboardInterrupt] | None = None
        self._installed: list[tuple[signal.Signals, Any]] = []

    def on_compiled(self, state: State) -> None:
        """Take the signals over, if nobody else has."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number, handler, _ in _TAKEN:
            if signal.getsignal(number) is handler:
                self._installed.append((number, handler))
                signal.signal(number, self._note)

    def _note(self, number: int, _: Any) -> None:
        self._wanted = next(raised for taken, _, raised in _TAKEN if taken == number)
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._installed:
            signal.signal(number, handler)

    def on_minibatches_end(self, state: State) -> None:
        """Stop here, if that is wanted."""
        if self._wanted and state.minibatch < state.minibatches:  # a whole epoch may end as one
            raise self._wanted

    def on_epoch_end(self, state: State) -> None:
        """Stop here, if that is wanted."""
        if self._wanted:
            raise self._wanted

    def on_fit_end(self, state: State) -> None:
        """Give the signals back."""
        self._restore()
