"""Contenders in processes of their own."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from .contender import Contender, SkippedError
from .rows import Row

_GOODBYE_SECONDS = 5.0


class Worker:
    """A contender in another process, with the same methods; a context manager that ends the process.

    Parameters
    ----------
    name, mnist, data_dir
        As for ``Contender``.
    """

    def __init__(self, name: str, mnist: bool, data_dir: str | None = None):
        self.name = name
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of thread pools
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, name, mnist, data_dir), daemon=True)
        with _no_ctrl_c():
            self._process.start()
        theirs.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._connection.close()
        self._process.join(_GOODBYE_SECONDS if kind is None else 0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def prepare(self, row: Row) -> dict[str, Any]:
        """See ``Contender.prepare``."""
        return self._ask("prepare", row)

    def turn(self, number: int) -> list[float]:
        """See ``Contender.turn``."""
        return self._ask("turn", number)

    def _ask(self, method: str, argument: Any) -> Any:
        try:
            self._connection.send((method, argument))
            done, answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(_GOODBYE_SECONDS)
            raise SkippedError(f"its process ended with exit code {self._process.exitcode}") from None
        if not done:
            raise SkippedError(answer)
        return answer


@contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """Let processes that are started meanwhile ignore Ctrl-C, which strikes all of a terminal: we end them.

    It is held back here, not ignored, so that one that strikes just now is not lost.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # would let the signal through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, name: str, mnist: bool, data_dir: str | None) -> None:
    """Answer calls until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    contender = Contender(name, mnist, data_dir)
    while True:
        try:
            method, argument = connection.recv()
        except EOFError:
            return
        try:
            answer = True, getattr(contender, method)(argument)
        except SkippedError as error:
            answer = False, str(error)
        connection.send(answer)
