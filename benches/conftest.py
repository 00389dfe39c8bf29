"""MNIST for the benches; without it they are skipped with a reason."""

import pytest

from fastnet.datasets import Dataset, load_mnist


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    """Load the real MNIST from FASTNET_DATA or data/."""
    try:
        return load_mnist(download=False)
    except FileNotFoundError as error:
        pytest.skip(f"needs MNIST (set FASTNET_DATA). {error}")
