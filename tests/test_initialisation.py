"""First weights: their spread and range by name, what stays as it was, and what zeros do."""

import math

import numpy as np
import pytest

import fastnet
from fastnet.initialisation import WEIGHT_INITS

N_IN, N_OUT = 400, 250
SPREADS = {
    "scaled_normal": math.sqrt(1 / N_IN),
    "normal": 1.0,
    "he": math.sqrt(2 / N_IN),
    "he_uniform": math.sqrt(2 / N_IN),
    "glorot_normal": math.sqrt(2 / (N_IN + N_OUT)),
    "glorot_uniform": math.sqrt(2 / (N_IN + N_OUT)),
    "zeros": 0.0,
}


def network(name, activation="tanh", **settings):
    return fastnet.Network([N_IN, N_OUT, 3], activation, seed=0, weight_init=name, **settings)


def test_all_names_are_known_here():
    assert set(WEIGHT_INITS) == set(SPREADS)


@pytest.mark.filterwarnings("ignore:weight_init='zeros'")
@pytest.mark.parametrize("name", SPREADS)
def test_weights_have_the_spread_that_belongs_to_the_name(name):
    weights = network(name).weights[0]
    assert weights.std() == pytest.approx(SPREADS[name], rel=0.01)
    assert abs(weights.mean()) <= 4 * SPREADS[name] / math.sqrt(weights.size)
    largest = np.abs(weights).max()
    if name.endswith("uniform"):
        assert 0.999 * math.sqrt(3) * SPREADS[name] < largest <= math.sqrt(3) * SPREADS[name] * (1 + 1e-6)
    elif name != "zeros":
        assert largest > 3.5 * SPREADS[name]


def test_scaled_normal_is_he_in_front_of_a_relu_only():
    assert network("scaled_normal", "relu").weights[0].std() == pytest.approx(SPREADS["he"], rel=0.01)
    np.testing.assert_array_equal(network("scaled_normal", "relu").weights[0], network("he").weights[0])
    np.testing.assert_array_equal(network("scaled_normal", "relu").weights[1], network("scaled_normal").weights[1])


def test_the_default_draws_what_it_always_drew():
    ours, rng = fastnet.Network([5, 4, 3], dtype="float64", seed=3), np.random.default_rng(3)
    np.testing.assert_array_equal(ours.weights[0], rng.standard_normal((5, 4)) * math.sqrt(1 / 5))
    np.testing.assert_array_equal(ours.weights[1], rng.standard_normal((4, 3)) * math.sqrt(1 / 4))
    assert not np.concatenate(ours.biases).any()


def test_biases_can_be_drawn_too():
    biases = network("normal", bias_init="normal").biases[0]
    assert biases.std() == pytest.approx(1, rel=0.15)


def test_zeros_warn_and_keep_units_equal():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 5))
    with pytest.warns(UserWarning, match="weight_init='zeros': all units of a hidden layer"):
        network = fastnet.Network([5, 4, 2], weight_init="zeros", dtype="float64")
    network.biases[0][:] = 0.1  # else not even the gradient of the second layer differs from zero
    fastnet.Trainer(network, batch_size=10, seed=0).fit(X, (X[:, 0] > 0).astype(int), epochs=5)
    assert network.weights[0].any()
    np.testing.assert_allclose(network.weights[0], np.repeat(network.weights[0][:, :1], 4, axis=1), rtol=1e-12)


def test_zeros_suit_softmax_regression():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 5))
    network = fastnet.Network([5, 2], weight_init="zeros")  # no warning
    fastnet.Trainer(network, seed=0).fit(X, (X[:, 0] > 0).astype(int), epochs=20)
    assert network.score(X, (X[:, 0] > 0).astype(int)) > 0.95


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"weight_init": "glorot"}, "weight_init must be one of .*Did you mean 'glorot_normal'"),
        ({"weight_init": None}, "weight_init must be one of"),
        ({"bias_init": "ones"}, "bias_init must be one of 'zeros', 'normal', got 'ones'"),
    ],
)
def test_other_names_are_refused(settings, text):
    with pytest.raises(ValueError, match=text):
        fastnet.Network([5, 2], **settings)
