"""Train small neural networks on a CPU, fast.

>>> import fastnet
>>> data = fastnet.datasets.load_digits()
>>> network = fastnet.Network([64, 32, 10], seed=0)
>>> history = fastnet.Trainer(network, seed=0).fit(data.X_train, data.y_train, epochs=10)
>>> bool(network.score(data.X_test, data.y_test) > 0.9)
True

Importing this package imports nothing heavy and compiles nothing: public names are found on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = (
    "callbacks",
    "datasets",
    "estimators",
    "exceptions",
    "functional",
    "history",
    "network",
    "plots",
    "preprocessing",
    "reproduce",
    "schedules",
    "scratch",
    "trainer",
)
_HOMES = {
    "Network": "network",
    "PCA": "preprocessing",
    "Trainer": "trainer",
    "History": "history",
    "Callback": "callbacks",
    "EarlyStopping": "callbacks",
    "DivergenceError": "exceptions",
    "DownloadError": "exceptions",
    "FormatError": "exceptions",
    "MLPClassifier": "estimators",
    "MLPRegressor": "estimators",
    "doctor": "_doctor",
    "info": "_info",
    "warmup": "_warmup",
}

__all__ = [
    "PCA",
    "Callback",
    "DivergenceError",
    "DownloadError",
    "EarlyStopping",
    "FormatError",
    "History",
    "MLPClassifier",
    "MLPRegressor",
    "Network",
    "Trainer",
    "__version__",
    "callbacks",
    "datasets",
    "doctor",
    "estimators",
    "exceptions",
    "functional",
    "history",
    "info",
    "network",
    "plots",
    "preprocessing",
    "reproduce",
    "schedules",
    "scratch",
    "trainer",
    "warmup",
]

if TYPE_CHECKING:
    from . import (
        callbacks,
        datasets,
        estimators,
        exceptions,
        functional,
        history,
        network,
        plots,
        preprocessing,
        reproduce,
        schedules,
        scratch,
        trainer,
    )
    from ._doctor import doctor
    from ._info import info
    from ._warmup import warmup
    from .callbacks import Callback, EarlyStopping
    from .estimators import MLPClassifier, MLPRegressor
    from .exceptions import DivergenceError, DownloadError, FormatError
    from .history import History
    from .network import Network
    from .preprocessing import PCA
    from .trainer import Trainer


def __getattr__(name: str) -> Any:
    """Import the module that holds a public name when the name is first used (PEP 562)."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
