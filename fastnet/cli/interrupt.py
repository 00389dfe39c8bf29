"""Ctrl-C while training."""

import signal
import threading
from typing import Any

from ..callbacks import Callback, State


class Interrupt(Callback):
    """Take the first Ctrl-C at a minibatch boundary, never between the starts of two threads; the second at once."""

    def __init__(self) -> None:
        self._wanted = self._installed = False

    def on_compiled(self, state: State) -> None:
        """Take Ctrl-C over, if nobody else has."""
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is somebody else's
            self._installed = True
            signal.signal(signal.SIGINT, self._note)

    def _note(self, *_: Any) -> None:
        self._wanted = True
        self._restore()

    def _restore(self) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def on_minibatches_end(self, state: State) -> None:
        """Stop here, if that is wanted."""
        if self._wanted and state.minibatch < state.minibatches:  # a whole epoch may end as one
            raise KeyboardInterrupt

    def on_epoch_end(self, state: State) -> None:
        """Stop here, if that is wanted."""
        if self._wanted:
            raise KeyboardInterrupt

    def on_fit_end(self, state: State) -> None:
        """Give Ctrl-C back."""
        self._restore()
