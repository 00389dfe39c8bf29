"""Every example in a docstring runs and gives what it says."""

import doctest
import importlib

import pytest

MODULES = ["fastnet", "fastnet.network", "fastnet.trainer", "fastnet.schedules"]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs=vars(module))
    assert result.attempted > 0
    assert result.failed == 0
