import os

# Read by SciPy when it is first imported; without it scikit-learn skips one of its checks of estimators.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import pytest

from fastnet import barrier, plan
from fastnet.datasets import Dataset, load_mnist


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    """The real MNIST. Without its files a test is skipped, but on CI it fails."""
    try:
        return load_mnist(download=False)
    except FileNotFoundError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must test with MNIST. {error}")
        pytest.skip(f"needs MNIST (set FASTNET_DATA). {error}")


@pytest.fixture
def parted(monkeypatch) -> list[bool]:
    """Threads are told that somebody waited long: from its third round on thread 0 does each compiled call alone.

    Says of each call on several threads whether it ended so; the next has all threads again.
    """
    reset, alone, ends = barrier.reset, barrier.alone, []

    def told(words):
        reset(words)
        words[-barrier.LINE + barrier.ALONE] = 2

    def note(words):
        if len(words) > 2 * barrier.LINE:
            ends.append(alone(words))

    monkeypatch.setattr(barrier, "reset", told)
    monkeypatch.setattr(barrier, "alone", note)
    return ends


@pytest.fixture(params=[1, 2], ids=["one slice", "two slices"])
def n_slices(request, monkeypatch) -> int:
    """Slices that 20 inputs or more are cut into, however little work there is."""
    monkeypatch.setattr(plan, "slices", lambda sizes, batch_size: request.param if sizes[0] >= 20 else 1)
    return request.param
