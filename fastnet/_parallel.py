"""Threads that each run one compiled, GIL-free function at the same time."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

Together = Callable[..., None]


def available_cpus() -> int:
    """Number of CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def crew(n_threads: int) -> Iterator[Together]:
    """Yield ``run(function, *args)``: it calls ``function(*args, thread, n_threads)`` on all threads and waits.

    The caller is thread 0. Thread pools of other libraries (BLAS) are held to one thread meanwhile, because their
    workers go on spinning for a while after a call and would keep ours from meeting at their barriers.
    """
    if n_threads == 1:
        yield lambda function, *args: function(*args, 0, 1)
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(n_threads - 1, thread_name_prefix="fastnet") as pool:

        def run(function: Callable[..., Any], *args: Any) -> None:
            others = [pool.submit(function, *args, thread, n_threads) for thread in range(1, n_threads)]
            try:
                function(*args, 0, n_threads)
            finally:
                wait(others)
            for other in others:
                other.result()

        yield run
