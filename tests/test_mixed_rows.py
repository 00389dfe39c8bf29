"""Predictions of rows that are mostly zeros, of others, and of both: the oracle's, whoever the neighbours are."""

import numpy as np
import pytest
import reference_net
from runs import layouts

from fastnet import Network, mixed_rows, workspace
from fastnet._jit import entry
from fastnet.kernels import row_lists
from fastnet.kernels.blocks import lists_of
from fastnet.network import Preprocessing
from fastnet.views import views

SIZES = [784, 122, 10]  # wide enough for lists, with an odd panel


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def mixed(rng, dtype=np.uint8, n=150, n_features=SIZES[0]):
    """Return rows of any density: none, few, many, all entries. Of half of them entries lie together, as pixels do."""
    density = rng.choice([0.0, 0.002, 0.19, 0.45, 0.55, 1.0], n)
    values, chance = rng.integers(1, 256, (n, n_features)), rng.random((n, n_features))
    chance[::2] = np.repeat(chance[::2, : -(-n_features // 9)], 9, axis=1)[:, :n_features]
    return np.where(chance < density[:, None], values, 0).astype(dtype)


def prepared(network, X, mean=None):
    mean = X.mean(axis=0) / 255 if mean is None else mean
    kind = "uint8" if X.dtype == np.uint8 else "float"
    network.preprocessing = Preprocessing(mean.astype(network.dtype), 1 / 255, kind)
    return network


def oracle(network, X):
    params = [w.astype(float) for w in network.weights], [b.astype(float) for b in network.biases]
    rows = reference_net.preprocess(X.astype(float), 1 / 255, network.preprocessing.mean.astype(float))
    return reference_net.forward(params, rows, "tanh")[-1]


@pytest.mark.parametrize("hidden", [70, 48, 300])
@pytest.mark.parametrize("source", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_to_the_oracle(hidden, source, dtype, rng):
    X = mixed(rng, source)
    network = prepared(Network([784, hidden, 10], dtype=dtype, seed=1), X)
    tolerance = 2e-5 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(network.decision_function(X), oracle(network, X), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("n_features", [workspace._LEAST_LIST_INPUTS, 65, 66, 67, 127, 129, 786])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_columns(n_features, dtype, rng):
    """The last block of 4 columns shares some with the one before, where columns are no multiple."""
    X = mixed(rng, np.float32, n_features=n_features)
    X[:20] = 0
    for row in range(20):  # runs of 12, which become blocks, that end with one of the last columns
        X[row, n_features - 12 - row % 8 : n_features - row % 8] = rng.integers(1, 256, 12)
    network = prepared(Network([n_features, 122, 10], dtype=dtype, seed=1), X)
    tolerance = 2e-5 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(network.decision_function(X), oracle(network, X), rtol=tolerance, atol=tolerance)


def test_what_a_row_leaves_behind_does_not_touch_the_next(rng):
    """Rows whose last entries are moved to make a whole block, between rows of other blocks."""
    for n_features in (65, 66, 67):
        X = np.zeros((40, n_features), np.float32)
        X[::2, -12:], X[1::2, -20:-5] = rng.integers(1, 256, (20, 12)), rng.integers(1, 256, (20, 15))
        network = prepared(Network([n_features, 122, 10], seed=1), X)
        found = network.decision_function(X)
        np.testing.assert_allclose(found, oracle(network, X), rtol=2e-5, atol=2e-5)
        for row in range(4):
            np.testing.assert_array_equal(network.decision_function(X[row : row + 1])[0], found[row])


@pytest.mark.parametrize("n_threads", [1, 2])
def test_many_rows_on_any_number_of_threads(n_threads, rng, monkeypatch):
    X = mixed(rng, n=1000)
    network = prepared(Network(SIZES, seed=0), X)
    expected = np.concatenate([network.decision_function(X[i : i + 100]) for i in range(0, 1000, 100)])
    monkeypatch.setattr("fastnet.network._WORTH_A_THREAD", 1)
    monkeypatch.setattr("fastnet.network.available_cpus", lambda: n_threads)
    np.testing.assert_array_equal(network.decision_function(X), expected)


def test_a_prediction_does_not_depend_on_its_neighbours(rng):
    X = mixed(rng)
    network = prepared(Network(SIZES, seed=0), X)
    together = network.decision_function(X)
    for start, count in ((0, 1), (17, 40), (90, 60)):
        found = network.decision_function(X[start : start + count])
        np.testing.assert_array_equal(found, together[start : start + count])
    np.testing.assert_array_equal(network.decision_function(X[::-1]), together[::-1])


@pytest.mark.parametrize("source", [np.uint8, np.float32])
def test_memory_layout_changes_no_bit(source, rng, tmp_path):
    X = mixed(rng, source, n=40)
    network = prepared(Network(SIZES, seed=0), X)
    expected = network.decision_function(X)
    for name, other in layouts(X, tmp_path).items():
        np.testing.assert_array_equal(network.decision_function(other), expected, err_msg=name)


def test_columns_that_are_multiplied_by_zero_are_counted_in_any_layout(rng):
    """A column that never varies has the factor 0, though its entries are not zero."""
    X = np.full((30, 200), 5.0)
    X[:, ::4] = np.where(rng.random((30, 50)) < 0.2, 3.0, 0.0)
    network = Network([200, 122, 4], seed=0)
    factors = np.where(np.arange(200) % 4 == 0, 1.0, 0.0).astype(np.float32)
    network.preprocessing = Preprocessing((X.mean(axis=0) * factors).astype(np.float32), 1.0, "float", factors)
    expected = network.decision_function(X)
    np.testing.assert_array_equal(network.decision_function(np.asfortranarray(X)), expected)
    np.testing.assert_array_equal(network.decision_function(X[:, ::-1][:, ::-1]), expected)


def test_a_row_near_a_large_mean_keeps_its_digits(rng):
    """Entries of a million, as large as the mean: as a list the row would lose what is left after centring."""
    X, mean = np.zeros((3, 784), np.float32), np.zeros(784)
    X[:, 5] = mean[5] = 1e6
    X[1, 7], X[2, 9] = 1, -1
    network = Network(SIZES, seed=0)
    network.preprocessing = Preprocessing(mean.astype(np.float32), 1.0, "float")
    params = [w.astype(float) for w in network.weights], [b.astype(float) for b in network.biases]
    expected = reference_net.forward(params, X - mean, "tanh")[-1]
    np.testing.assert_allclose(network.decision_function(X), expected, rtol=1e-4, atol=1e-5)


def test_lists_are_near_whole_rows(rng, monkeypatch):
    """A row of few entries, one whose entries lie together, and one without zeros: the last is taken as it is."""
    X = np.zeros((3, SIZES[0]), np.uint8)
    X[0, ::30], X[1, 100:300], X[2] = 9, rng.integers(1, 256, 200), rng.integers(1, 256, SIZES[0])
    network = prepared(Network(SIZES, seed=0), X, np.full(SIZES[0], 0.1))
    lists = network.decision_function(X)
    monkeypatch.setattr(workspace, "_WORTH_LISTS", 10**9)
    whole = network.decision_function(X)
    np.testing.assert_allclose(lists, whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal((lists != whole).any(axis=1), [True, True, False])


# -- lists ---------------------------------------------------------------------------------------------


@entry
def run_lists(rows, net, order, work):
    """Return how many rows become records of entries, and how many are kept; the rest are lists of blocks."""
    rows, net, order, work = views(rows), views(net), views(order), views(work)
    room, lists = mixed_rows._room(work.tiles, 0), lists_of(work, 0)
    return row_lists.list_rows(rows, order, 0, len(order), 1, room, lists)


@pytest.mark.parametrize("form", [np.ascontiguousarray, np.asfortranarray])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_each_row_is_taken_in_the_cheapest_way(form, dtype, rng):
    X = np.zeros((40, 200), dtype)
    X[:10, 20:60] = 3  # 10 blocks instead of 40 entries
    X[10:25, ::9] = 3  # 23 entries instead of as many blocks
    X[25:, ::2] = 3  # 50 blocks, 100 entries: neither is cheaper than 200 columns
    network = Network([200, 300, 3], seed=0)
    work = workspace.workspace(network._layers, network.dtype, 64, 1, train=False)
    X = form(X)
    rows, order = network._rows(X), np.arange(40, dtype=np.uint32)
    assert run_lists(rows, network._packed(), order, work) == (15, 15)
    tiles = work.tiles
    assert tiles.listed[0, :15].tolist() == list(range(10, 25))
    assert tiles.kept[0, :15].tolist() == list(range(25, 40))
    assert np.flatnonzero(tiles.counts[0]).tolist() == list(range(5, 15))
    assert set(tiles.counts[0, 5:15]) == {10}
    for block in range(5, 15):
        start = tiles.bounds[block]
        assert tiles.numbers[0, start : start + 10].tolist() == list(range(10))
        assert (tiles.values[0, 4 * start : 4 * (start + 10)] == 3).all()
