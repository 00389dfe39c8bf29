"""Threads that each run one compiled, GIL-free function at the same time."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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

    Thread pools of other libraries (BLAS) are held to one thread meanwhile, because their workers go on spinning for
    a while after a call and would keep ours from meeting at their barriers.
    """
    if n_threads == 1:
        yield lambda function, *args: function(*args, 0, 1)
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(n_threads, thread_name_prefix="fastnet") as pool:

        def lead(function: Callable[..., Any], args: tuple[Any, ...]) -> None:
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
                pool.shutdown()
                raise

        yield run
