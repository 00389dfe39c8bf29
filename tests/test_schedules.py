"""Learning rates from epoch to epoch: what a callable may return."""

import re

import pytest

from fastnet.schedules import learning_rate


@pytest.mark.parametrize("rate", [0, -0.1, float("nan"), float("inf")])
def test_a_bad_rate_names_its_epoch(rate):
    with pytest.raises(ValueError, match=rf"^{re.escape('schedule(3)')} must be .*{re.escape(str(rate))}"):
        learning_rate(lambda epoch: rate if epoch == 3 else 0.1, 0.1, 3, 10, [])


def test_a_rate_that_is_no_number_names_its_epoch():
    with pytest.raises(TypeError, match=r"^schedule\(3\) must be "):
        learning_rate(lambda epoch: "fast", 0.1, 3, 10, [])


def test_a_callable_decides_alone():
    assert learning_rate(lambda epoch: 1 / (1 + epoch), 0.1, 3, 10, []) == 0.25
