"""Threads that each run one compiled, GIL-free function at the same time."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

Together = Callable[..., None]

_START_SECONDS = 30.0


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


@contextmanager
def crew(n_threads: int) -> Iterator[Together]:
    """Yield ``run(function, *args)``: it calls ``function(*args, thread, n_threads)`` on all threads and waits.

    Thread pools of other libraries (BLAS) are held to one thread meanwhile, because their workers go on spinning for
    a while after a call and would keep ours from meeting at their barriers.
    """
    if n_threads == 1:
        yield lambda function, *args: function(*args, 0, 1)
        return
    with one_blas_thread, ThreadPoolExecutor(n_threads, thread_name_prefix="fastnet") as pool:
        # All threads exist before the first waits at a barrier, where it would wait for ever for one that can't start.
        started, starting = threading.Barrier(n_threads + 1), threading.Lock()
        try:
            for _ in range(n_threads):
                pool.submit(started.wait, _START_SECONDS)
            started.wait(_START_SECONDS)
        except BaseException:
            started.abort()  # those that wait already
            raise

        def lead(function: Callable[..., Any], args: tuple[Any, ...]) -> None:
            with starting:  # all of them, or none
                others = [pool.submit(function, *args, thread, n_threads) for thread in range(1, n_threads)]
            function(*args, 0, n_threads)
            for other in others:
                other.result()

        def run(function: Callable[..., Any], *args: Any) -> None:
            # Ctrl-C strikes the main thread only. Were that to start the others itself, one that has been started
            # could wait at a barrier for one that never will be; so a thread of the pool starts them.
            try:
                pool.submit(lead, function, args).result()
            except BaseException:
                _shut_down(pool, starting)
                raise

        yield run


def _shut_down(pool: ThreadPoolExecutor, starting: threading.Lock) -> None:
    """Wait for all threads, whatever happens: they are still writing."""
    while True:
        try:
            with starting:
                pool.shutdown(wait=False)
            pool.shutdown()
        except KeyboardInterrupt:
            continue
        return
