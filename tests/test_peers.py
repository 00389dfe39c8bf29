"""The rivals are honest only if they train the right network: against the oracle, and on real digits."""

import subprocess
import sys

import numpy as np
import pytest
import reference_net as ref
from sklearn.datasets import load_digits

from fastnet._peers import FastnetPeer, NumpyNetwork, PerSampleNumpyNetwork, SklearnPeer


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    return X[:1400], y[:1400], X[1400:], y[1400:]


def problem(dtype, n_samples=50, n_features=6, n_classes=3):
    rng = np.random.default_rng(1)
    X = rng.integers(0, 256, (n_samples, n_features)).astype(np.uint8)
    scale = 1 / 255 if dtype == np.uint8 else 1.0
    X = X if dtype == np.uint8 else rng.normal(size=X.shape).astype(dtype)
    settings = {"scale": scale, "mean": X.mean(axis=0, dtype=np.float64) * scale}
    return X, rng.integers(0, n_classes, n_samples), rng.permutation(n_samples), settings


def copies(weights, biases):
    return [np.array(w, dtype=np.float64) for w in weights], [np.array(b, dtype=np.float64) for b in biases]


def assert_same(peer_weights, peer_biases, params, rtol=1e-10):
    for found, expected in zip([*peer_weights, *peer_biases], [*params[0], *params[1]], strict=True):
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
@pytest.mark.parametrize(("momentum", "weight_decay"), [(0.0, 0.0), (0.0, 0.01), (0.9, 0.0), (0.9, 0.01)])
@pytest.mark.parametrize(("hidden", "activation"), [([], "tanh"), ([5], "tanh"), ([5], "relu"), ([5, 4], "tanh")])
def test_numpy_network_in_float64_is_the_oracle(hidden, activation, momentum, weight_decay, dtype):
    X, y, order, preprocessing = problem(dtype)
    shared = {"learning_rate": 0.2, "momentum": momentum, "weight_decay": weight_decay}
    peer = NumpyNetwork([6, *hidden, 3], activation=activation, batch_size=8, dtype=np.float64, seed=0, **shared)
    peer.prepare(X, y)
    params = copies(peer.weights, peer.biases)
    velocity = ref.zero_velocity(params)
    for rows in (order, order[::-1]):  # two epochs, each with a short last minibatch
        peer.epoch(rows)
        ref.train_epoch(
            params, velocity, X, y, rows, 8, activation=activation, output="softmax",
            **shared, **preprocessing,
        )  # fmt: skip
    assert_same(peer.weights, peer.biases, params)
    x = ref.preprocess(X, **preprocessing)
    assert peer.loss(X, y) == pytest.approx(ref.batch_loss(params, x, y, activation, "softmax"), rel=1e-10)
    z = ref.forward(params, x, activation)[-1]
    np.testing.assert_array_equal(peer.predict(X), z.argmax(axis=1))
    assert peer.accuracy(X, y) == (z.argmax(axis=1) == y).mean()


def test_the_comparison_can_fail():
    peer = NumpyNetwork([6, 5, 3], dtype=np.float64, seed=0)
    params = copies(peer.weights, peer.biases)
    assert_same(peer.weights, peer.biases, params)
    peer.weights[0][2, 3] *= 1 + 1e-8
    with pytest.raises(AssertionError):
        assert_same(peer.weights, peer.biases, params)


def test_numpy_network_follows_a_new_learning_rate():
    X, y, order, preprocessing = problem(np.uint8)
    peer = NumpyNetwork([6, 5, 3], batch_size=8, weight_decay=0.01, dtype=np.float64, seed=0)
    peer.prepare(X, y)
    params = copies(peer.weights, peer.biases)
    for rate in (0.3, 0.05):
        peer.learning_rate = rate
        peer.epoch(order)
        ref.train_epoch(
            params, ref.zero_velocity(params), X, y, order, 8, activation="tanh", output="softmax",
            learning_rate=rate, weight_decay=0.01, **preprocessing,
        )  # fmt: skip
    assert_same(peer.weights, peer.biases, params)


def test_per_sample_network_is_the_oracle():
    X, y, order, preprocessing = problem(np.uint8)
    peer = PerSampleNumpyNetwork([6, 5, 4, 3], learning_rate=0.1, weight_decay=0.01, seed=0)
    peer.prepare(X, y)
    params = copies(peer.weights, peer.biases)
    peer.epoch(order)
    ref.train_epoch(
        params, ref.zero_velocity(params), X, y, order, 1, activation="tanh", output="softmax",
        learning_rate=0.1, weight_decay=0.01, **preprocessing,
    )  # fmt: skip
    assert_same(peer.weights, peer.biases, params)


def test_sklearn_peer_trains_one_epoch_of_the_same_network():
    """Unshuffled, so the order is known; no short last batch, as alpha is scaled for the full size."""
    X, y, _, preprocessing = problem(np.float32, n_samples=64)
    peer = SklearnPeer([6, 5, 3], learning_rate=0.2, batch_size=8, weight_decay=0.05, seed=0)
    peer.model.set_params(shuffle=False)
    peer.prepare(X, y)
    order = np.arange(64)
    peer.epoch(order)
    assert peer.model.t_ == 64
    params = copies(peer.model.coefs_, peer.model.intercepts_)
    peer.epoch(order)
    assert peer.model.t_ == 128
    ref.train_epoch(
        params, ref.zero_velocity(params), X, y, order, 8, activation="tanh", output="softmax",
        learning_rate=0.2, weight_decay=0.05, **preprocessing,
    )  # fmt: skip
    assert_same(peer.model.coefs_, peer.model.intercepts_, params, rtol=1e-5)


def test_sklearn_peer_shuffles_every_epoch_anew(digits):
    X, y, _, _ = digits
    orders = []
    for n_epochs in (1, 2):
        peer = SklearnPeer([64, 4, 10], seed=0)
        peer.prepare(X, y)
        for _ in range(n_epochs):
            before = peer.model.random_state.get_state()[2]
            peer.epoch(np.arange(len(X)))
            orders.append((before, peer.model.random_state.get_state()[2]))
    assert orders[0] == orders[1]  # same seed, same first epoch
    assert orders[1] != orders[2]  # the generator moves on


@pytest.mark.parametrize(
    ("peer", "epochs"),
    [
        (NumpyNetwork([64, 32, 10], momentum=0.9, learning_rate=0.02, weight_decay=1e-4, seed=0), 20),
        (NumpyNetwork([64, 32, 10], activation="relu", seed=0), 20),
        (SklearnPeer([64, 32, 10], weight_decay=1e-4, seed=0), 20),
        (FastnetPeer([64, 32, 10], weight_decay=1e-4, seed=0), 20),
        (PerSampleNumpyNetwork([64, 16, 10], learning_rate=0.02, seed=0), 5),
    ],
    ids=["numpy", "numpy-relu", "sklearn", "fastnet", "per-sample"],
)
def test_learns_digits(digits, peer, epochs):
    X, y, X_test, y_test = digits
    rng = np.random.default_rng(0)
    peer.prepare(X, y)
    for _ in range(epochs):
        peer.epoch(rng.permutation(len(X)))
    assert peer.n_parameters == {32: 2410, 16: 1210}[16 if isinstance(peer, PerSampleNumpyNetwork) else 32]
    assert peer.accuracy(X_test, y_test) > 0.9


def test_parameters_are_float32_and_initialised_as_promised():
    peer = NumpyNetwork([400, 300, 10], activation="relu", seed=0)
    assert [w.shape for w in peer.weights] == [(400, 300), (300, 10)]
    assert {a.dtype for a in [*peer.weights, *peer.biases]} == {np.dtype(np.float32)}
    assert peer.weights[0].var() == pytest.approx(2 / 400, rel=0.02)
    assert all(not b.any() for b in peer.biases)


@pytest.mark.parametrize(
    ("layer_sizes", "options", "message"),
    [
        ([5], {}, "layer_sizes"),
        ([5, 0, 2], {}, "layer_sizes"),
        ([5, 2], {"activation": "selu"}, "activation"),
    ],
)
def test_refuses_networks_it_cannot_build(layer_sizes, options, message):
    with pytest.raises(ValueError, match=message):
        NumpyNetwork(layer_sizes, **options)


def test_importing_the_peers_is_cheap():
    code = "import sys, fastnet._peers; print([m for m in ('numba', 'sklearn', 'scipy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
