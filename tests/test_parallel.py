"""The crew of threads: everybody runs, errors come through, and an interruption never leaves one waiting."""

import os
import signal
import threading
import time
from contextlib import nullcontext

import numpy as np
import pytest

from fastnet import Network, Trainer, _parallel
from fastnet._parallel import available_cpus, crew, threads


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_everybody_runs(n_threads):
    seen = []
    with crew(n_threads) as run:
        run(lambda *args: seen.append(args), "a", "b")
    assert sorted(seen) == [("a", "b", thread, n_threads) for thread in range(n_threads)]
    assert available_cpus() >= 1


@pytest.mark.parametrize("culprit", [0, 1])
def test_errors_come_through(culprit):
    def fail(thread, n_threads):
        if thread == culprit:
            raise RuntimeError(f"thread {thread}")

    with pytest.raises(RuntimeError, match=f"thread {culprit}"), crew(2) as run:
        run(fail)


def test_threads_without_barriers_leave_blas_alone(monkeypatch):
    held = []
    monkeypatch.setattr(_parallel, "one_blas_thread", nullcontext(held))
    monkeypatch.setattr(nullcontext, "__enter__", lambda self: held.append(self))
    with threads(2) as run:
        run(lambda *_: None)
    assert not held
    with crew(2):
        assert len(held) == 1


def test_overlapping_crews_give_blas_its_threads_back():
    from threadpoolctl import threadpool_info

    def blas_threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = blas_threads()
    one, two = crew(2), crew(2)
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert set(blas_threads()) == {1}
    two.__exit__(None, None, None)
    assert blas_threads() == before


class Once:
    """Raises KeyboardInterrupt when it is called for the first time."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *_):
        self.calls += 1
        if self.calls == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("moment", ["tell", "begin", "wait"])
def test_who_has_begun_meets_the_others_whenever_ctrl_c_strikes(moment, monkeypatch):
    """Before the others are told, before the leading thread begins, or while it waits for the others' end."""
    strike, meeting, seen = Once(), threading.Barrier(3, timeout=20), []

    def meet(thread, n_threads):
        if moment == "begin" and thread == 0:
            strike()
        meeting.wait()
        seen.append(thread)

    for name in {"tell", "wait"} & {moment}:
        whole = getattr(_parallel._Member, name)
        monkeypatch.setattr(_parallel._Member, name, lambda self, *job, whole=whole: (strike(), whole(self, *job)))
    with crew(3) as run:
        with pytest.raises(KeyboardInterrupt):
            run(meet)
        assert sorted(seen) == [0, 1, 2], "each once"
        for count in (2, 3):
            run(meet)
            assert sorted(seen) == sorted([0, 1, 2] * count), "all are done when a later call returns"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fastnet")]


def test_a_thread_whose_start_is_interrupted_does_not_stay(monkeypatch):
    whole = threading.Thread.start

    def start(self):
        whole(self)
        self._ident = None  # as before the new thread has told it
        raise KeyboardInterrupt

    monkeypatch.setattr(_parallel._Member, "start", start)
    with pytest.raises(KeyboardInterrupt), crew(2):
        pass
    for _ in range(100):
        if not [thread for thread in threading.enumerate() if thread.name.startswith("fastnet")]:
            break
        time.sleep(0.05)
    else:
        pytest.fail("it is waiting still")


def test_interrupted_at_any_time_training_ends_at_a_minibatch():
    """SIGINT at 30 different moments of a fit on two threads: none hangs, and the weights are finite."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2000, 60)), rng.integers(0, 5, 2000)
    Trainer(Network([60, 100, 5]), n_threads=2).fit(X, y, epochs=1)
    for moment in rng.uniform(0, 0.2, 30):
        network = Network([60, 100, 5], seed=0)
        timer = threading.Timer(moment, os.kill, (os.getpid(), signal.SIGINT))
        started = time.monotonic()
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            Trainer(network, n_threads=2, seed=0).fit(X, y, epochs=100_000)
        assert time.monotonic() - started < 30
        assert np.isfinite(network.parameters).all()
