"""The rivals are honest only if they train the right network: against the oracle, and on real digits."""

import builtins
import subprocess
import sys

import numpy as np
import pytest
import reference_net as ref

from fastnet._peers import (
    PEERS,
    FastnetPeer,
    JaxPeer,
    MissingPeerError,
    NumpyNetwork,
    PerSampleNumpyNetwork,
    SklearnPeer,
    TorchPeer,
)
from fastnet.datasets import load_digits


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """PyTorch's threads wait for each other by spinning, which takes minutes beside a busy process."""
    monkeypatch.setattr("fastnet._peers.torch_eager.available_cpus", lambda: 1)


def make(cls, *args, **settings):
    """Build a peer; skip if its library is missing, or if fastnet has no such optimizer."""
    try:
        return cls(*args, **settings)
    except MissingPeerError as error:
        pytest.skip(str(error))
    except ValueError as error:
        if cls is FastnetPeer and "optimizer" in str(error):
            pytest.skip(str(error))
        raise


def problem(dtype, n_samples=50, n_features=6, n_classes=3):
    rng = np.random.default_rng(1)
    X = rng.integers(0, 256, (n_samples, n_features)).astype(np.uint8)
    scale = 1 / 255 if dtype == np.uint8 else 1.0
    X = X if dtype == np.uint8 else rng.normal(size=X.shape).astype(dtype)
    settings = {"scale": scale, "mean": X.mean(axis=0, dtype=np.float64) * scale}
    return X, rng.integers(0, n_classes, n_samples), rng.permutation(n_samples), settings


def copies(peer):
    return tuple([np.array(a, dtype=np.float64) for a in arrays] for arrays in peer.parameters())


def assert_same(peer, params, rtol=1e-10):
    weights, biases = peer.parameters()
    for found, expected in zip([*weights, *biases], [*params[0], *params[1]], strict=True):
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


# -- NumPy, against the oracle -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
@pytest.mark.parametrize(("momentum", "weight_decay"), [(0.0, 0.0), (0.0, 0.01), (0.9, 0.0), (0.9, 0.01)])
@pytest.mark.parametrize(("hidden", "activation"), [([], "tanh"), ([5], "tanh"), ([5], "relu"), ([5, 4], "tanh")])
def test_numpy_network_in_float64_is_the_oracle(hidden, activation, momentum, weight_decay, dtype):
    X, y, order, preprocessing = problem(dtype)
    shared = {"learning_rate": 0.2, "momentum": momentum, "weight_decay": weight_decay}
    peer = NumpyNetwork([6, *hidden, 3], activation=activation, batch_size=8, dtype=np.float64, seed=0, **shared)
    peer.prepare(X, y)
    params = copies(peer)
    velocity = ref.zero_velocity(params)
    for rows in (order, order[::-1]):  # two epochs, each with a short last minibatch
        peer.epoch(rows)
        ref.train_epoch(
            params, velocity, X, y, rows, 8, activation=activation, output="softmax",
            **shared, **preprocessing,
        )  # fmt: skip
    assert_same(peer, params)
    p = ref.predict_proba(params, ref.preprocess(X, **preprocessing), activation, "softmax")
    np.testing.assert_allclose(peer.predict_proba(X), p, rtol=1e-10)
    assert peer.accuracy(X, y) == (p.argmax(axis=1) == y).mean()


def adam_epoch(params, m, v, steps, X, y, order, batch_size, activation, learning_rate, weight_decay):
    """Adam as in Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1, after some steps."""
    flat = [*params[0], *params[1]]
    for t, start in enumerate(range(0, len(order), batch_size), steps + 1):
        rows = order[start : start + batch_size]
        _, (dweights, dbiases) = ref.loss_and_gradients(params, X[rows], y[rows], activation, "softmax")
        gradients = [dw + weight_decay * w for dw, w in zip(dweights, params[0], strict=True)] + dbiases
        for i, (w, g) in enumerate(zip(flat, gradients, strict=True)):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g**2
            w -= learning_rate * (m[i] / (1 - 0.9**t)) / (np.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_numpy_network_has_the_adam_of_its_paper(activation, weight_decay):
    X, y, order, preprocessing = problem(np.uint8)
    shared = {"learning_rate": 0.02, "weight_decay": weight_decay}
    peer = NumpyNetwork(
        [6, 5, 3], activation=activation, optimizer="adam", batch_size=8, dtype=np.float64, seed=0, **shared
    )
    peer.prepare(X, y)
    params = copies(peer)
    peer.epoch(order)
    zeros = [[np.zeros_like(w) for w in (*params[0], *params[1])] for _ in range(2)]
    adam_epoch(params, *zeros, 0, ref.preprocess(X, **preprocessing), y, order, 8, activation, **shared)
    assert_same(peer, params)


def test_the_comparison_can_fail():
    peer = NumpyNetwork([6, 5, 3], dtype=np.float64, seed=0)
    params = copies(peer)
    assert_same(peer, params)
    peer.weights[0][2, 3] *= 1 + 1e-8
    with pytest.raises(AssertionError):
        assert_same(peer, params)


def test_numpy_network_follows_a_new_learning_rate():
    X, y, order, preprocessing = problem(np.uint8)
    peer = NumpyNetwork([6, 5, 3], batch_size=8, weight_decay=0.01, dtype=np.float64, seed=0)
    peer.prepare(X, y)
    params = copies(peer)
    for rate in (0.3, 0.05):
        peer.learning_rate = rate
        peer.epoch(order)
        ref.train_epoch(
            params, ref.zero_velocity(params), X, y, order, 8, activation="tanh", output="softmax",
            learning_rate=rate, weight_decay=0.01, **preprocessing,
        )  # fmt: skip
    assert_same(peer, params)


def test_per_sample_network_is_the_oracle():
    X, y, order, preprocessing = problem(np.uint8)
    peer = PerSampleNumpyNetwork([6, 5, 4, 3], learning_rate=0.1, weight_decay=0.01, seed=0)
    peer.prepare(X, y)
    params = copies(peer)
    peer.epoch(order)
    ref.train_epoch(
        params, ref.zero_velocity(params), X, y, order, 1, activation="tanh", output="softmax",
        learning_rate=0.1, weight_decay=0.01, **preprocessing,
    )  # fmt: skip
    assert_same(peer, params)


# -- float32, against NumPy in float64 -----------------------------------------------------------------

SGD = {"learning_rate": 0.1, "weight_decay": 0.01}
ADAM = {"optimizer": "adam", "learning_rate": 0.005}
SETTINGS = {
    "sgd": SGD,
    "momentum": {**SGD, "momentum": 0.9},
    "adam": ADAM,
    "adam-decay": {**ADAM, "weight_decay": 0.01},
}
FLOAT32 = {"fastnet": FastnetPeer, "jax": JaxPeer, "torch": TorchPeer, "numpy": NumpyNetwork}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("cls", FLOAT32.values(), ids=FLOAT32)
def test_peers_train_the_same_network(cls, activation, settings):
    """Some fifty minibatches from the same weights in the same order, two short ones among them."""
    X, y, order, _ = problem(np.uint8, n_samples=197, n_features=20)
    shared = {"activation": activation, "batch_size": 8, "seed": 0, **settings}
    peer, exact = make(cls, [20, 12, 7, 3], **shared), NumpyNetwork([20, 12, 7, 3], dtype=np.float64, **shared)
    assert_same(peer, copies(exact), rtol=1e-7)
    for each in (peer, exact):
        each.prepare(X, y)
        each.epoch(order)
        each.epoch(order[::-1])
    assert_same(peer, copies(exact), rtol=3e-5)
    np.testing.assert_allclose(peer.predict_proba(X), exact.predict_proba(X), rtol=1e-4, atol=1e-6)
    assert peer.accuracy(X, y) == exact.accuracy(X, y)
    assert peer.n_parameters == sum(a.size for arrays in peer.parameters() for a in arrays)


@pytest.mark.parametrize("cls", [JaxPeer, TorchPeer, NumpyNetwork], ids=["jax", "torch", "numpy"])
def test_peers_train_a_part_of_the_rows(cls):
    X, y, order, _ = problem(np.float32)
    settings = {"batch_size": 1, "seed": 0, **SGD}
    peer, exact = make(cls, [6, 5, 3], **settings), NumpyNetwork([6, 5, 3], dtype=np.float64, **settings)
    for each in (peer, exact):
        each.prepare(X, y, n_rows=20)
        each.epoch(order[:20])
    assert_same(peer, copies(exact), rtol=3e-5)


def test_fastnet_trains_all_rows_or_none():
    X, y, order, _ = problem(np.float32)
    peer = FastnetPeer([6, 5, 3], batch_size=8, seed=0)
    peer.prepare(X, y)
    for wrong in (order[:20], np.concatenate([order, order])):
        with pytest.raises(ValueError, match=f"order: found {len(wrong)} rows, expected all 50"):
            peer.epoch(wrong)


@pytest.mark.parametrize("cls", PEERS.values(), ids=PEERS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_peers_take_rows_as_the_user_has_them_and_leave_them_alone(cls, dtype):
    X, y, order, _ = problem(dtype)
    before = X.copy()
    peer = make(cls, [6, 5, 3], batch_size=1, seed=0)
    peer.prepare(X, y)
    peer.epoch(order)
    probabilities = peer.predict_proba(X[:7])
    np.testing.assert_array_equal(X, before)
    assert type(probabilities) is np.ndarray
    assert probabilities.shape == (7, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(peer.proba(peer.convert(X[:7])), probabilities)


def test_torch_uses_all_cpus(monkeypatch):
    X, y, _, _ = problem(np.float32)
    peer = make(TorchPeer, [6, 5, 3])
    import torch

    for n in (2, 1):
        monkeypatch.setattr("fastnet._peers.torch_eager.available_cpus", lambda n=n: n)
        peer.prepare(X, y)
        assert torch.get_num_threads() == n


# -- scikit-learn --------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_sklearn_peer_trains_one_epoch_of_the_same_network(optimizer):
    """Unshuffled, so the order is known; no short last batch, as alpha is scaled for the full size."""
    X, y, _, preprocessing = problem(np.float32, n_samples=64)
    settings = {"learning_rate": 0.2 if optimizer == "sgd" else 0.02, "weight_decay": 0.05}
    peer = SklearnPeer([6, 5, 3], optimizer=optimizer, batch_size=8, seed=0, **settings)
    peer.model.set_params(shuffle=False)
    peer.prepare(X, y)
    order = np.arange(64)
    peer.epoch(order)
    assert peer.model.t_ == 64
    params = copies(peer)
    if optimizer == "adam":
        found = peer.model._optimizer
        moments = [[m.astype(np.float64) for m in moments] for moments in (found.ms, found.vs)]
        adam_epoch(params, *moments, 8, ref.preprocess(X, **preprocessing), y, order, 8, "tanh", **settings)
    else:
        ref.train_epoch(
            params, ref.zero_velocity(params), X, y, order, 8, activation="tanh", output="softmax",
            **settings, **preprocessing,
        )  # fmt: skip
    peer.epoch(order)
    assert peer.model.t_ == 128
    assert_same(peer, params, rtol=1e-5)


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def test_sklearn_peer_shuffles_every_epoch_anew(digits):
    orders = []
    for n_epochs in (1, 2):
        peer = SklearnPeer([64, 4, 10], seed=0)
        peer.prepare(digits.X_train, digits.y_train)
        for _ in range(n_epochs):
            before = peer.model.random_state.get_state()[2]
            peer.epoch(np.arange(len(digits.X_train)))
            orders.append((before, peer.model.random_state.get_state()[2]))
    assert orders[0] == orders[1]  # same seed, same first epoch
    assert orders[1] != orders[2]  # the generator moves on


# -- all -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "settings", "epochs"),
    [
        (NumpyNetwork, {"momentum": 0.9, "learning_rate": 0.02, "weight_decay": 1e-4}, 20),
        (SklearnPeer, {"weight_decay": 1e-4}, 20),
        (SklearnPeer, {"activation": "relu", "optimizer": "adam", "learning_rate": 0.01}, 20),
        (FastnetPeer, {"weight_decay": 1e-4}, 20),
        (JaxPeer, {"activation": "relu", "optimizer": "adam", "learning_rate": 0.01}, 20),
        (TorchPeer, {"weight_decay": 1e-4}, 20),
        (PerSampleNumpyNetwork, {"learning_rate": 0.02}, 5),
    ],
    ids=["numpy", "sklearn", "sklearn-adam", "fastnet", "jax-adam", "torch", "article"],
)
def test_learns_digits(digits, cls, settings, epochs):
    peer, rng = make(cls, [64, 32, 10], seed=0, **settings), np.random.default_rng(0)
    peer.prepare(digits.X_train, digits.y_train)
    for _ in range(epochs):
        peer.epoch(rng.permutation(len(digits.X_train)))
    assert peer.n_parameters == 2410
    assert peer.accuracy(digits.X_test, digits.y_test) > 0.9


def test_parameters_are_float32_and_initialised_as_promised():
    peer = NumpyNetwork([400, 300, 10], activation="relu", seed=0)
    assert [w.shape for w in peer.weights] == [(400, 300), (300, 10)]
    assert {a.dtype for a in [*peer.weights, *peer.biases]} == {np.dtype(np.float32)}
    assert peer.weights[0].var() == pytest.approx(2 / 400, rel=0.02)
    assert peer.weights[1].var() == pytest.approx(1 / 300, rel=0.1)
    assert all(not b.any() for b in peer.biases)


@pytest.mark.parametrize(
    ("cls", "layer_sizes", "options", "message"),
    [
        (NumpyNetwork, [5], {}, "layer_sizes"),
        (NumpyNetwork, [5, 0, 2], {}, "layer_sizes"),
        (NumpyNetwork, [5, 2], {"activation": "selu"}, "activation"),
        (NumpyNetwork, [5, 2], {"optimizer": "lion"}, "optimizer"),
        (PerSampleNumpyNetwork, [5, 3], {"batch_size": 2}, "batch_size: found 2, .* knows 1 only"),
        (PerSampleNumpyNetwork, [5, 3], {"activation": "relu"}, "activation"),
        (PerSampleNumpyNetwork, [5, 3], {"optimizer": "adam"}, "optimizer"),
        (PerSampleNumpyNetwork, [5, 3], {"momentum": 0.9}, "momentum"),
        (SklearnPeer, [5, 2], {}, "2 classes, expected 3 or more"),
    ],
)
def test_refuses_networks_it_cannot_build(cls, layer_sizes, options, message):
    with pytest.raises(ValueError, match=message):
        cls(layer_sizes, **options)


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_a_missing_library_is_named_with_its_remedy(monkeypatch, name):
    real = builtins.__import__

    def refuse(module, *args, **kwargs):
        if module.partition(".")[0] == name:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(module, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingPeerError, match=rf"^{name} is not installed: pip install 'fastnet-numba\[peers\]'$"):
        PEERS[name]([5, 3])


def test_importing_the_peers_is_cheap():
    heavy = ("numba", "sklearn", "scipy", "torch", "jax")
    code = f"import sys, fastnet._peers; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
