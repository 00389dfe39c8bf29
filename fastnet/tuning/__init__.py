"""Search for the settings that suit some data: random trials, successive halving, many networks at the same time."""

from .halving import TuningState
from .live import LiveTable
from .result import TuningResult
from .search import tune
from .space import DEFAULT_SPACE

__all__ = ["DEFAULT_SPACE", "LiveTable", "TuningResult", "TuningState", "tune"]
