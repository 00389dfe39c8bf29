"""One thread or all: whichever was faster, found out in little time; a clock of the test's own."""

from itertools import cycle

import pytest

from fastnet.pace import Pace

SAMPLES = 1000  # of a call


class Machine:
    """Makes calls of a fit on threads whose speed the test sets; counts the seconds of each way."""

    def __init__(self, n_threads=2):
        self.pace, self.seconds, self.calls = Pace(n_threads), {True: 0.0, False: 0.0}, []

    def train(self, seconds, one, both, stalled=False, parts=(1.0,)):
        """Make calls for some seconds that take ``one`` or ``both``; returns the share of them with one thread.

        ``parts`` are the lengths of an epoch's calls.
        """
        before, spent, part = dict(self.seconds), 0.0, cycle(parts)
        while spent < seconds:
            alone, length = self.pace.alone, next(part)
            took = (one if alone else both) * length
            self.pace.took(int(SAMPLES * length), took, stalled and not alone)
            self.seconds[alone] += took
            self.calls.append(alone)
            spent += took
        return (self.seconds[True] - before[True]) / spent


def test_two_threads_that_are_faster_stay():
    machine = Machine()
    assert machine.train(20, one=0.05, both=0.03) < 0.02
    assert True in machine.calls  # it was tried


@pytest.mark.parametrize("parts", [(1, 0.3), (1, 1, 0.05), (1, 1, 1, 0.66)])
def test_calls_may_be_of_any_length(parts):
    """As the last one of an epoch, which has fewer samples."""
    assert Machine().train(40, one=0.19, both=0.1, parts=parts) < 0.05
    assert Machine().train(40, one=0.10, both=0.12, parts=parts) > 0.9


def test_short_fits_try_nothing():
    assert Machine().train(0.9, one=0.05, both=0.03) == 0


@pytest.mark.parametrize("both", [0.055, 0.08, 0.5])
def test_one_thread_that_is_faster_stays(both):
    machine = Machine()
    machine.train(11, one=0.05, both=both)
    assert machine.train(40, one=0.05, both=both) > 0.7


def test_phases_of_a_shared_host_are_noticed():
    machine = Machine()
    for _ in range(3):
        machine.train(30, one=0.05, both=0.03)
        machine.train(12, one=0.05, both=0.08)
        assert machine.train(20, one=0.05, both=0.08) > 0.9
        machine.train(4, one=0.05, both=0.03)
        assert machine.train(20, one=0.05, both=0.03) < 0.05


def test_equal_ways_are_not_changed():
    assert Machine().train(30, one=0.049, both=0.05) < 0.05


def test_long_calls_are_tried_rarely():
    assert Machine().train(400, one=2.0, both=1.0) < 0.1


def test_stalls_are_answered_at_once():
    machine = Machine()
    machine.train(0.03, one=0.05, both=0.03, stalled=True)
    assert not machine.pace.alone  # one may be chance
    machine.train(0.03, one=0.05, both=0.03, stalled=True)
    assert machine.pace.alone
    assert machine.train(10, one=0.05, both=0.06, stalled=True) > 0.9
    machine.train(4, one=0.05, both=0.03)
    assert machine.train(10, one=0.05, both=0.03) < 0.05


def test_a_processor_lost_for_a_moment_costs_little():
    machine = Machine()
    machine.train(0.1, one=0.009, both=0.006)
    machine.train(0.018, one=0.009, both=0.009, stalled=True)
    assert machine.pace.alone
    assert machine.train(0.2, one=0.009, both=0.006) < 0.3
    assert not machine.pace.alone


def test_a_busy_processor_is_tried_rarely():
    machine = Machine()
    machine.train(1, one=0.009, both=0.02, stalled=True)
    assert machine.train(10, one=0.009, both=0.02, stalled=True) > 0.97


def test_one_thread_has_no_choice():
    machine = Machine(1)
    machine.train(10, one=0.01, both=0.05, stalled=True)
    assert True not in machine.calls
