"""Predictions of rows that are mostly zeros, of others, and of both: the oracle's, whoever the neighbours are."""

import numpy as np
import pytest
import reference_net
from runs import layouts

from fastnet import Network, workspace
from fastnet.network import Preprocessing

SIZES = [784, 122, 10]  # wide enough for lists, with an odd panel


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def mixed(rng, dtype=np.uint8, n=150, n_features=SIZES[0]):
    """Return rows of any density: none, few, many, all entries."""
    density = rng.choice([0.0, 0.002, 0.19, 0.45, 0.55, 1.0], n)
    values = rng.integers(1, 256, (n, n_features))
    return np.where(rng.random((n, n_features)) < density[:, None], values, 0).astype(dtype)


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
    X = mixed(rng)
    network = prepared(Network(SIZES, seed=0), X)
    lists = network.decision_function(X)
    monkeypatch.setattr(workspace, "_WORTH_LISTS", 10**9)
    whole = network.decision_function(X)
    np.testing.assert_allclose(lists, whole, rtol=1e-4, atol=1e-5)
    assert (lists != whole).any(), "no row was taken as a list"
