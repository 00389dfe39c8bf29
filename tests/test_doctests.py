"""Every example in a docstring runs and gives what it says."""

import doctest
import importlib

import pytest

BENCH = [f"fastnet._bench.{name}" for name in ("rows", "synthetic", "contender", "machine", "report")]
MODULES = [
    "fastnet",
    "fastnet.network",
    "fastnet.models.exchange",
    "fastnet.models.loading",
    "fastnet.models.inference",
    "fastnet.trainer",
    "fastnet.checkpoints",
    "fastnet.schedules",
    "fastnet.callbacks",
    "fastnet.history",
    "fastnet.loggers",
    "fastnet.terminal_curves",
    "fastnet.plots.recorder",
    "fastnet.preprocessing",
    "fastnet._warmup",
    "fastnet._info",
    "fastnet.scratch",
    "fastnet.reproduce",
    "fastnet.reproduce.experiment",
    "fastnet.defaults",
    "fastnet.target_scaling",
    "fastnet.estimators.classifier",
    "fastnet.estimators.regressor",
    "fastnet.tuning.space",
    "fastnet.tuning.search",
    "fastnet.tuning.live",
    *BENCH,
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs=vars(module))
    assert result.attempted > 0
    assert result.failed == 0
