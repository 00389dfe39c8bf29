"""Dropout and clipping as settings of a Trainer; clipped epochs against the oracle, threads and cuts."""

import numpy as np
import pytest
import reference_net
from runs import BITS, make_targets, train

from fastnet import DivergenceError, Network, Trainer
from fastnet.datasets import load_digits


@pytest.fixture(scope="module")
def digits():
    return load_digits()


@pytest.fixture
def rng():
    return np.random.default_rng(13)


def fitted(data, sizes=(64, 40, 20, 10), seed=0, epochs=3, n_threads=1, activation="tanh", **settings):
    network = Network(list(sizes), activation, seed=seed)
    trainer = Trainer(network, seed=seed, n_threads=n_threads, **settings)
    return network, trainer.fit(data.X_train, data.y_train, epochs=epochs)


# -- clipping ------------------------------------------------------------------------------------------

OPTIMIZERS = [
    {"learning_rate": 0.1, "weight_decay": 0.01},
    {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    {"learning_rate": 0.01, "optimizer": "adam", "weight_decay": 0.01},
    {"learning_rate": 0.01, "optimizer": "adamw", "weight_decay": 0.01},
]
NETWORKS = [
    ([17, 31, 9], "relu", "softmax"),
    pytest.param([40, 70, 3], "gelu", "sigmoid", marks=pytest.mark.slow),  # compiles each optimizer anew
    ([5, 3], [], "softmax"),
]


@pytest.mark.parametrize(("sizes", "activation", "output"), NETWORKS)
@pytest.mark.parametrize("settings", OPTIMIZERS)
@pytest.mark.parametrize("density", [1.0, 0.1], ids=["dense", "sparse"])
def test_clipped_epochs_equal_the_oracle(sizes, activation, output, settings, density, rng, n_slices):
    network = Network(sizes, activation, output, dtype="float64", seed=1)
    X = rng.standard_normal((90, sizes[0])) * (rng.random((90, sizes[0])) < density)
    y, order = make_targets(output, 90, sizes[-1], rng), rng.permutation(90)
    params = [w.copy() for w in network.weights], [b.copy() for b in network.biases]
    optimizer = settings.get("optimizer", "sgd")
    expected, _ = reference_net.train_epoch(
        params, reference_net.zero_state(params, optimizer), X, y, order, 8, activation=network.activations,
        output=output, clip_norm=0.5, **settings,
    )  # fmt: skip
    losses, _, run = train(network, X, y, order, 8, clip_norm=0.5, **settings)
    assert run.kind == ("sparse" if density < 0.25 else "dense")
    np.testing.assert_allclose(losses[:-1] * 8, expected[:-1], rtol=1e-9, atol=1e-12)
    for got, wanted in zip(network.weights + network.biases, params[0] + params[1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-10)


def test_clipping_of_the_oracle_matters(rng):
    """So that the comparison above can fail."""
    X, y, order = rng.standard_normal((90, 17)), rng.integers(0, 9, 90), np.arange(90)
    networks = [Network([17, 31, 9], dtype="float64", seed=1) for _ in range(2)]
    for network, clip_norm in zip(networks, (0.5, 0.5001), strict=True):
        train(network, X, y, order, 8, clip_norm=clip_norm, learning_rate=0.1)
    assert np.abs(networks[0].parameters - networks[1].parameters).max() > 1e-6


@BITS
@pytest.mark.parametrize("settings", OPTIMIZERS)
@pytest.mark.parametrize("n_threads", [2, 3, 5])
def test_threads_and_cuts_change_no_bit(n_threads, settings, dtype, rng, n_slices):
    X, y, order = rng.standard_normal((203, 50)).astype(dtype), rng.integers(0, 10, 203), rng.permutation(203)
    one, many = (Network([50, 170, 30, 10], dtype=dtype, seed=0) for _ in range(2))
    losses = train(one, X, y, order, 16, epochs=3, clip_norm=0.3, **settings)[0]
    others = train(many, X, y, order, 16, n_threads, 2, epochs=3, clip_norm=0.3, **settings)[0]
    np.testing.assert_array_equal(many.parameters, one.parameters)
    np.testing.assert_array_equal(others, losses)


def test_a_norm_that_is_never_reached_changes_nothing(digits):
    plain, _ = fitted(digits, learning_rate=0.1)
    clipped, _ = fitted(digits, learning_rate=0.1, clip_norm=1e6)
    np.testing.assert_allclose(clipped.parameters, plain.parameters, rtol=1e-3, atol=1e-5)


def test_clipping_saves_a_training_that_diverges(digits):
    settings = {"learning_rate": 1e8, "activation": "identity", "epochs": 10}
    with pytest.raises(DivergenceError):
        fitted(digits, **settings)
    _, history = fitted(digits, **settings, clip_norm=1e-9)
    assert np.isfinite(history.loss).all()
    assert history.loss[-1] < history.loss[0]


# -- dropout -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [2, 4])
def test_dropout_and_clipping_give_the_same_bits_for_any_threads(digits, n_threads):
    settings = {"dropout": (0.3, 0.1), "clip_norm": 0.5, "learning_rate": 0.1, "sizes": (64, 100, 20, 10)}
    one, history = fitted(digits, **settings)
    many, other = fitted(digits, n_threads=n_threads, **settings)
    np.testing.assert_array_equal(many.parameters, one.parameters)
    np.testing.assert_array_equal(other.loss, history.loss)


def test_two_fits_with_dropout_equal_one_long_fit(digits):
    long, _ = fitted(digits, epochs=4, dropout=0.4)
    network = Network([64, 40, 20, 10], seed=0)
    trainer = Trainer(network, seed=0, dropout=0.4)
    for _ in range(2):
        trainer.fit(digits.X_train, digits.y_train, epochs=2)
    np.testing.assert_array_equal(network.parameters, long.parameters)


def test_no_dropout_draws_nothing(digits):
    plain, zero, zeros = (fitted(digits, **s)[0] for s in ({}, {"dropout": 0.0}, {"dropout": [0, 0]}))
    np.testing.assert_array_equal(zero.parameters, plain.parameters)
    np.testing.assert_array_equal(zeros.parameters, plain.parameters)


def test_epochs_and_seeds_drop_differently(digits):
    """With a rate so small that nothing changes, losses differ by what was dropped."""
    network = Network([64, 40, 10], seed=0)
    trainer = Trainer(network, learning_rate=1e-30, dropout=0.5, batch_size=len(digits.X_train), seed=0)
    history = trainer.fit(digits.X_train, digits.y_train, epochs=3)
    assert len(set(history.loss.tolist())) == 3
    again = Trainer(network, learning_rate=1e-30, dropout=0.5, batch_size=len(digits.X_train), seed=0)
    np.testing.assert_array_equal(again.fit(digits.X_train, digits.y_train, epochs=3).loss, history.loss)
    other = Trainer(network, learning_rate=1e-30, dropout=0.5, batch_size=len(digits.X_train), seed=1)
    assert set(other.fit(digits.X_train, digits.y_train, epochs=3).loss.tolist()).isdisjoint(history.loss.tolist())


def test_predictions_and_validation_drop_nothing(digits):
    network = Network([64, 40, 10], seed=0)
    trainer = Trainer(network, dropout=0.5, learning_rate=0.2, seed=0)
    history = trainer.fit(digits.X_train, digits.y_train, epochs=20, validation_data=(digits.X_train, digits.y_train))
    assert history.val_accuracy[-1] == network.score(digits.X_train, digits.y_train)
    assert history.val_loss[-1] == pytest.approx(
        network.loss_and_gradients(digits.X_train, digits.y_train)[0], rel=1e-5
    )
    assert history.val_accuracy[-1] > history.accuracy[-1] + 0.01
    assert network.score(digits.X_test, digits.y_test) > 0.93


def test_a_network_without_hidden_layer_has_nothing_to_drop(digits):
    plain, dropped = (fitted(digits, sizes=(64, 10), dropout=rate)[0] for rate in (0.0, 0.5))
    np.testing.assert_array_equal(dropped.parameters, plain.parameters)


# -- settings ------------------------------------------------------------------------------------------

BAD = [
    ({"dropout": 1.0}, ValueError, r"dropout must be a finite number in \[0, 1\), got 1.0"),
    ({"dropout": -0.1}, ValueError, "dropout must be"),
    ({"dropout": "half"}, TypeError, "dropout must be a number"),
    ({"dropout": [0.5, 1.5]}, ValueError, r"dropout\[1\] must be a finite number in \[0, 1\), got 1.5"),
    ({"dropout": [0.5]}, ValueError, "dropout must be one number or 2, one a hidden layer, got 1"),
    ({"dropout": (0.1, 0.2, 0.3)}, ValueError, "dropout must be one number or 2, one a hidden layer, got 3"),
    ({"clip_norm": 0.0}, ValueError, r"clip_norm must be a finite number in \(0, inf\), got 0.0"),
    ({"clip_norm": np.inf}, ValueError, "clip_norm must be"),
    ({"clip_norm": "auto"}, TypeError, "clip_norm must be a number"),
]


@pytest.mark.parametrize(("change", "kind", "text"), BAD)
def test_bad_settings_are_refused(change, kind, text):
    with pytest.raises(kind, match=text):
        Trainer(Network([4, 3, 3, 2]), **change)


def test_a_setting_that_does_not_fit_is_refused_by_the_fit_and_changes_nothing(rng):
    network = Network([4, 3, 3, 2])
    trainer = Trainer(network)
    trainer.dropout = (0.1, 0.2, 0.3)
    before = network.parameters.copy()
    with pytest.raises(ValueError, match="dropout must be one number or 2, one a hidden layer, got 3"):
        trainer.fit(rng.random((40, 4)), rng.integers(0, 2, 40), epochs=1)
    np.testing.assert_array_equal(network.parameters, before)
    assert network.preprocessing is None


def test_settings_show():
    trainer = Trainer(Network([4, 3, 2]), dropout=[0.25], clip_norm=np.float32(2))
    assert "dropout=(0.25,), clip_norm=2.0" in repr(trainer)
