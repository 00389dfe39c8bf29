"""Data to learn from: sets with names, and the user's own files, each split into training, validation and test.

>>> from fastnet.datasets import load_digits
>>> load_digits()
Dataset 'digits': 64 features, 10 classes
  train       X (1079, 64) float32    y (1079,) int64
  validation  X (359, 64) float32     y (359,) int64
  test        X (359, 64) float32     y (359,) int64

The validation points are for choosing (when to stop, which learning rate), the test points for the one
number at the end. `load_data` takes a name or a path; `read_data` reads a file as it is, to predict on it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..idx import read_idx
from .bundled import load_digits, load_moons
from .dataset import Dataset, Samples
from .mnist import load_fashion_mnist, load_mnist

if TYPE_CHECKING:
    from .catalogue import NamedData, VerifiedFile, available, fetch, verify, where
    from .load import load_data
    from .read import read_data

__all__ = [
    "Dataset",
    "NamedData",
    "Samples",
    "VerifiedFile",
    "available",
    "fetch",
    "load_data",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "load_moons",
    "read_data",
    "read_idx",
    "verify",
    "where",
]

_HOMES = dict.fromkeys(("NamedData", "VerifiedFile", "available", "fetch", "verify", "where"), "catalogue") | {
    "load_data": "load",
    "read_data": "read",
}


def __getattr__(name: str) -> Any:
    """Import what reads users' files when it is first used: 35 ms that a training on digits does not need."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
