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
    "checkpoints",
    "datasets",
    "estimators",
    "exceptions",
    "functional",
    "history",
    "loggers",
    "models",
    "network",
    "plots",
    "preprocessing",
    "reproduce",
    "schedules",
    "scratch",
    "trainer",
    "tuning",
)
_HOMES = {
    "Network": "network",
    "PCA": "preprocessing",
    "Trainer": "trainer",
    "History": "history",
    "Callback": "callbacks",
    "EarlyStopping": "callbacks",
    "LearningRateScheduler": "callbacks",
    "CSVLogger": "loggers",
    "JSONLogger": "loggers",
    "Evaluation": "evaluation",
    "CheckpointError": "exceptions",
    "DivergenceError": "exceptions",
    "DownloadError": "exceptions",
    "FormatError": "exceptions",
    "MLPClassifier": "estimators",
    "MLPRegressor": "estimators",
    "TuningResult": "tuning",
    "doctor": "_doctor",
    "info": "_info",
    "load": "models",
    "tune": "tuning",
    "load_data": "datasets",
    "read_data": "datasets",
    "warmup": "_warmup",
}

__all__ = [
    "PCA",
    "CSVLogger",
    "Callback",
    "CheckpointError",
    "DivergenceError",
    "DownloadError",
    "EarlyStopping",
    "Evaluation",
    "FormatError",
    "History",
    "JSONLogger",
    "LearningRateScheduler",
    "MLPClassifier",
    "MLPRegressor",
    "Network",
    "Trainer",
    "TuningResult",
    "__version__",
    "callbacks",
    "checkpoints",
    "datasets",
    "doctor",
    "estimators",
    "exceptions",
    "functional",
    "history",
    "info",
    "load",
    "load_data",
    "loggers",
    "models",
    "network",
    "plots",
    "preprocessing",
    "read_data",
    "reproduce",
    "schedules",
    "scratch",
    "trainer",
    "tune",
    "tuning",
    "warmup",
]

if TYPE_CHECKING:
    from . import (
        callbacks,
        checkpoints,
        datasets,
        estimators,
        exceptions,
        functional,
        history,
        loggers,
        models,
        network,
        plots,
        preprocessing,
        reproduce,
        schedules,
        scratch,
        trainer,
        tuning,
    )
    from ._doctor import doctor
    from ._info import info
    from ._warmup import warmup
    from .callbacks import Callback, EarlyStopping, LearningRateScheduler
    from .datasets import load_data, read_data
    from .estimators import MLPClassifier, MLPRegressor
    from .evaluation import Evaluation
    from .exceptions import CheckpointError, DivergenceError, DownloadError, FormatError
    from .history import History
    from .loggers import CSVLogger, JSONLogger
    from .models import load
    from .network import Network
    from .preprocessing import PCA
    from .trainer import Trainer
    from .tuning import TuningResult, tune


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
