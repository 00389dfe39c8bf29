import os

# Read by SciPy when it is first imported; without it scikit-learn skips one of its checks of estimators.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import pytest

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
