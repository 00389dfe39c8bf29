"""Threads that each run one compiled, GIL-free function at the same time."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from itertools import starmap
from typing import Any

Together = Callable[..., None]

Job = tuple[Callable[..., Any], tuple[Any, ...]]

_POLL_SECONDS, _LAST_SECONDS = 1e-3, 0.1


def available_cpus() -> int:
    """Number of CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _OneBlasThread:
    """Holds the thread pools of other libraries to one thread while anybody wants it.

    The limit is one of the whole process: the first who comes sets it, the last who leaves lifts it.
    """

    def __init__(self) -> None:
        self._lock, self._users = threading.Lock(), 0
        self._limits: Any = None

    def __enter__(self) -> None:
        from threadpoolctl import threadpool_limits

        with self._lock:
            self._users += 1
            if self._users == 1:
                self._limits = threadpool_limits(1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._limits is not None:
                self._limits.restore_original_limits()


one_blas_thread = _OneBlasThread()


class _Member(threading.Thread):
    """A thread of a crew beside the one that leads it: runs a job whenever it is told to.

    Locks and nothing more: what lies between two compiled calls is run with cold caches, where futures and queues took
    0.2 ms of an epoch of 6 ms.
    """

    def __init__(self, number: int, n_threads: int):
        super().__init__(name=f"fastnet-{number}", daemon=True)
        self._place = number, n_threads
        self._go, self._done = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._done.acquire()
        self._job: Job | None = None
        self._finished: Job | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do one job after the other."""
        while True:
            self._go.acquire()
            job = self._job
            if job is None:
                return
            if job is self._finished:  # told twice
                continue
            function, args = job
            self.error = None
            try:
                function(*args, *self._place)
            except BaseException as error:
                self.error = error
            self._finished = job
            self._done.release()

    def tell(self, job: Job | None) -> None:
        """Let the thread begin with a job; None ends it. It may be told again, after an interruption."""
        self._job = job
        with suppress(RuntimeError):  # told and not yet begun
            self._go.release()

    def wait(self) -> None:
        """Return when the job is done."""
        self._done.acquire()

    def make_sure(self, job: Job) -> None:
        """Return when a job is done, for which somebody may have waited before an interruption, or not."""
        while self._finished is not job:
            time.sleep(_POLL_SECONDS)
        self._done.acquire(timeout=_LAST_SECONDS)  # unless ``wait`` did so before the interruption

    def stop(self) -> None:
        """End the thread, whatever it was told; one whose start was interrupted ends as soon as it begins."""
        self.tell(None)
        if self.ident is not None:
            self.join()


class _Own:
    """The part of the thread that leads: compiled, so that Ctrl-C strikes before it or after it, and never within."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]):
        self._function, self._args = function, args
        self._results: list[Any] = []

    def do(self) -> None:
        """Call the function if it has not been called yet; what it returns is kept before any Ctrl-C is noticed."""
        if not self._results:
            self._results.extend(starmap(self._function, (self._args,)))


def _insist(*actions: Callable[[], None]) -> None:
    """Do it all, whatever Ctrl-C wants; nothing is the worse for being done twice."""
    while True:
        try:
            for action in actions:
                action()
            return
        except KeyboardInterrupt:
            continue


@contextmanager
def crew(n_threads: int) -> Iterator[Together]:
    """Yield ``run`` as ``threads`` does, for threads that wait for each other.

    Thread pools of other libraries (BLAS) are held to one thread meanwhile, because their workers go on spinning for a
    while after a call and would keep ours from meeting at their barriers. It takes 1 ms to find them.
    """
    with one_blas_thread if n_threads > 1 else nullcontext(), threads(n_threads) as run:
        yield run


@contextmanager
def threads(n_threads: int) -> Iterator[Together]:
    """Yield ``run(function, *args)``: it calls ``function(*args, thread, n_threads)`` on all threads and waits.

    The calling thread is one of them, the first. The function is compiled.
    """
    if n_threads == 1:
        yield lambda function, *args: function(*args, 0, 1)
        return
    others = [_Member(number, n_threads) for number in range(1, n_threads)]

    def run(function: Callable[..., Any], *args: Any) -> None:
        job, own = (function, args), _Own(function, (*args, 0, n_threads))
        try:
            for member in others:
                member.tell(job)
            own.do()
            for member in others:
                member.wait()
        except KeyboardInterrupt:
            # It may have struck between any two of these lines, and who has begun waits at a barrier for the others: so
            # all begin, and finish.
            _insist(*(partial(member.tell, job) for member in others), own.do)
            _insist(*(partial(member.make_sure, job) for member in others))
            raise
        for member in others:
            if member.error is not None:
                raise member.error

    try:
        for member in others:  # all exist before the first waits at a barrier for one that can't start
            member.start()
        yield run
    finally:
        _insist(*(member.stop for member in others))
