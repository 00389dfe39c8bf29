"""The order of columns: each once, those that are not zero together are neighbours, always the same."""

import numpy as np
import pytest

from fastnet.column_order import order_together


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16, 32])
def test_each_column_comes_once(rng, size):
    for n_columns in (1, 2, 3, 5, 15, 16, 17, 31, 32, 33, 37, 100):
        order = order_together(rng.random((50, n_columns)) < 0.2, size)
        assert order.dtype == np.int64
        np.testing.assert_array_equal(np.sort(order), np.arange(n_columns))


def test_rows_and_columns_without_entries(rng):
    for n_rows in (0, 1, 7):
        order = order_together(np.zeros((n_rows, 33), bool), 8)
        np.testing.assert_array_equal(np.sort(order), np.arange(33))
    full = order_together(np.ones((7, 33), bool), 8)
    np.testing.assert_array_equal(np.sort(full), np.arange(33))


def planted(rng, n_rows, n_groups, size, filled=1.0):
    """Groups of columns that come in the same rows, scattered, and the group of each column."""
    group = rng.permutation(n_groups * size) // size
    return (rng.random((n_rows, n_groups)) < 0.2)[:, group] & (rng.random((n_rows, len(group))) < filled), group


@pytest.mark.parametrize("size", [2, 4, 8, 16])
@pytest.mark.parametrize("filled", [1.0, 0.8])
def test_planted_groups_are_found(rng, size, filled):
    active, group = planted(rng, 300, 12, size, filled)
    found = group[order_together(active, size)].reshape(-1, size)
    assert (found == found[:, :1]).all()


def test_groups_of_groups_are_found(rng):
    """Blocks of any smaller size lie inside the groups: one order serves vectors of different lengths."""
    active, group = planted(rng, 300, 3, 16)
    parts = np.empty(48, np.int64)  # each group is 4 parts, of which a row has about half
    for g in range(3):
        parts[group == g] = np.arange(16) // 4
    active &= (rng.random((300, 4)) < 0.5)[:, parts]
    order = order_together(active, 16)
    for labels, size in ((group, 16), (4 * group + parts, 4)):
        found = labels[order].reshape(-1, size)
        assert (found == found[:, :1]).all()


def test_blocks_are_fewer_than_in_the_given_order(rng):
    """Not by groups of a whole number: a band that moves from row to row, its columns shuffled."""
    start = rng.integers(0, 90, (400, 1))
    band = (np.arange(100) >= start) & (np.arange(100) < start + 10)
    shuffled = band[:, rng.permutation(100)]

    def blocks(active):
        return np.logical_or.reduceat(active, np.arange(0, 100, 4), axis=1).sum()

    ordered = shuffled[:, order_together(shuffled, 4)]
    assert blocks(ordered) < 1.2 * blocks(band) < 0.5 * blocks(shuffled)


def test_the_busiest_lead(rng):
    active = rng.random((200, 64)) < np.linspace(0.02, 0.4, 64)
    assert order_together(active, 2)[0] == active.sum(axis=0).argmax()


def test_the_order_is_always_the_same(rng):
    active = rng.random((100, 70)) < 0.2
    first = order_together(active, 16)
    for same in (active.copy(), np.asfortranarray(active), active.astype(np.uint8) != 0):
        np.testing.assert_array_equal(order_together(same, 16), first)
