"""When threads part: what waits at barriers took lately."""

import numpy as np
import pytest

from fastnet import barrier
from fastnet._jit import entry
from fastnet.barrier import ALONE, COUNTED, LATELY, LIMIT, LINE, NEVER, SINCE, WAITED
from fastnet.views import views


@entry
def after_round(words, number, n_threads):
    barrier.count_waits(views(words), number, n_threads)


@entry
def after_first_round(words, thread):
    barrier.forget_waits(views(words), thread)


@pytest.fixture
def words():
    return barrier.arrivals(2)


def shared(words, name):
    return words[-LINE + name]


def test_a_wait_now_and_then_parts_nobody(words):
    for number in range(1, 50):
        words[WAITED] += shared(words, LIMIT) // 2
        words[-LINE + SINCE] = 0  # long ago
        after_round(words, number, 2)
        assert not barrier.alone(words)


def test_waits_one_after_the_other_part_threads_in_the_round_after_the_next(words):
    words[WAITED] = shared(words, LIMIT) * 3 // 4
    after_round(words, 1, 2)
    assert not barrier.alone(words)
    words[LINE + WAITED] = shared(words, LIMIT) * 3 // 4  # the other thread's
    after_round(words, 2, 2)
    assert shared(words, ALONE) == 4
    words[WAITED] *= 2
    after_round(words, 3, 2)
    assert shared(words, ALONE) == 4


def test_rounds_without_waits_change_nothing(words):
    words[WAITED] = shared(words, LIMIT) // 2
    after_round(words, 1, 2)
    before = words.copy()
    after_round(words, 2, 2)
    np.testing.assert_array_equal(words, before)


def test_of_three_threads_a_wait_of_two_for_the_third_counts_once():
    words = barrier.arrivals(3)
    words[[WAITED, LINE + WAITED]] = shared(words, LIMIT) * 3 // 4
    after_round(words, 1, 3)
    assert shared(words, LATELY) == shared(words, LIMIT) * 3 // 4
    assert not barrier.alone(words)


def test_the_next_call_knows_what_waits_took(words):
    words[WAITED] = 2 * shared(words, LIMIT)
    after_round(words, 1, 2)
    assert barrier.alone(words)
    barrier.reset(words)
    assert shared(words, ALONE) == NEVER
    assert shared(words, COUNTED) == words[WAITED] == 0
    assert shared(words, LATELY) == 2 * shared(words, LIMIT)


def test_threads_may_take_some_time_to_wake_up_but_not_long(words):
    usual, late = (int(seconds * barrier._TICKS_PER_SECOND) for seconds in (2e-4, 5e-3))
    words[[WAITED, LINE + WAITED]] = usual, late
    after_first_round(words, 0)
    after_first_round(words, 1)
    assert words[WAITED] == 0
    assert words[LINE + WAITED] == late


def test_threads_that_share_a_processor_are_noticed():
    """Each of their waits is as short as another's spinning; in a large network healthy threads may wait so long."""
    spinning = int(3e-5 * barrier._TICKS_PER_SECOND)
    assert shared(barrier.arrivals(2), barrier.PATIENCE) < spinning
    assert shared(barrier.arrivals(2, 1e-3), barrier.PATIENCE) > spinning
