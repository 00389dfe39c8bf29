"""Whole fits of few units on dense rows, whose inputs lie along the lanes: the oracle, and what may change no bit."""

import numpy as np
import pytest
from runs import check_oracle, layouts, make_targets, train

from fastnet import MLPClassifier, Network, Trainer, plan, rows
from fastnet.kernels.gather import Rows
from fastnet.kernels.narrow_dense import NarrowRows
from fastnet.layout import narrow_width, padded
from fastnet.network import Preprocessing

SETTINGS = [
    {"learning_rate": 0.05},
    {"learning_rate": 0.02, "weight_decay": 0.01, "momentum": 0.9},
    {"optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.01},
    {"learning_rate": 0.02, "weight_decay": 0.01, "momentum": 0.9, "clip_norm": 0.3},
]
# 90 and 91 inputs are no whole vectors; 130 are three, and more than one gradient's worth.
SIZES = [([90, 1, 3], "softmax"), ([91, 6, 3], "sigmoid"), ([40, 10, 10], "softmax"), ([130, 9, 6, 3], "identity")]
SIZES += [([90, 10], "softmax"), ([500, 9, 3], "softmax")]
THREE = [91, 10, 3]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def centred(network, X):
    network.preprocessing = Preprocessing(X.mean(axis=0).astype(network.dtype), 1.0, "float", None)
    return network


def problem(rng, sizes, output="softmax", dtype="float64", n=101):
    """Return a network, dense rows for it, targets, and an order."""
    X = 1 + rng.standard_normal((n, sizes[0]))
    y, order = make_targets(output, n, sizes[-1], rng), rng.permutation(n)
    return centred(Network(sizes, output=output, dtype=dtype, seed=1), X), X, y, order


def takes(sizes, dtype):
    """Whether such a network has its inputs along the lanes."""
    return 0 < narrow_width(sizes[1], np.dtype(dtype)) < padded(sizes[1], np.dtype(dtype))


def test_few_units_and_enough_inputs_lie_along_the_lanes():
    dtype = np.dtype(np.float32)
    for n_out in range(1, 40):
        assert rows.lies_along_lanes(784, n_out, dtype) == takes([784, n_out], dtype)
        assert not rows.lies_along_lanes(rows.MIN_INPUTS - 1, n_out, dtype)
        assert not rows.lies_along_lanes(rows.MAX_INPUTS + 1, n_out, dtype)
    for n_in in (rows.MIN_INPUTS, rows.MAX_INPUTS):
        assert rows.lies_along_lanes(n_in, 9, dtype)  # any CPU: 10 sums instead of 12 or 16


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 2e-4), ("float64", 1e-10)])
@pytest.mark.parametrize(("sizes", "output"), SIZES)
@pytest.mark.parametrize("settings", SETTINGS[:2], ids=["sgd", "momentum"])
def test_epochs_equal_the_oracle(sizes, output, settings, dtype, rtol, rng, n_slices):
    check_oracle(*problem(rng, sizes, output, dtype), 16, kind="dense", rtol=rtol, **settings)


@pytest.mark.parametrize(("sizes", "output"), SIZES)
@pytest.mark.parametrize("settings", SETTINGS[2:], ids=["adam", "clipped"])
def test_float64_epochs_of_other_optimizers_equal_the_oracle(sizes, output, settings, rng, n_slices):
    check_oracle(*problem(rng, sizes, output), 16, kind="dense", rtol=1e-9, **settings)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [[90, 1, 3], [90, 9, 3], [90, 11, 3], [20, 9, 3]], ids=str)
def test_the_kind_of_rows_that_a_fit_takes(sizes, dtype, rng):
    fit = train(*problem(rng, sizes, dtype=dtype), 16, **SETTINGS[0])[2]
    few = takes(sizes, dtype) and sizes[0] >= rows.MIN_INPUTS
    assert isinstance(fit._rows, NarrowRows if few else Rows)


@pytest.mark.parametrize("batch_size", [1, 2, 33, 101, 200])
def test_any_batch_size_equals_the_oracle(batch_size, rng, n_slices):
    check_oracle(*problem(rng, THREE), batch_size, kind="dense", **SETTINGS[1])


def test_comparison_with_the_oracle_can_fail(rng):
    network, X, y, order = problem(rng, THREE)
    other = centred(Network(THREE, dtype="float64", seed=1), X)
    train(network, X, y, order, 16, learning_rate=0.1)
    train(other, X, y, order, 16, learning_rate=0.1 + 1e-8)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(other.parameters, network.parameters, rtol=1e-10, atol=1e-11)


def units_along_lanes(monkeypatch):
    """From now on units lie along the lanes, however few they are."""
    monkeypatch.setattr(rows, "MIN_INPUTS", 1 << 40)


@pytest.mark.parametrize("settings", [{"momentum": 0.9}, {"optimizer": "adam"}], ids=str)
def test_a_stream_of_rows(settings, rng, monkeypatch):
    """An optimizer remembers inputs and units, not where they lay; buffers of a chunk serve the next."""
    _, X, y, _ = problem(rng, THREE)

    def fit():
        trainer = Trainer(Network(THREE, dtype="float64", seed=1), seed=0, n_threads=1, **settings)
        trainer.fit_stream([(X[:40], y[:40]), (X[40:], y[40:])], epochs=2)
        trainer.fit(X, y, epochs=1)
        return trainer.network.parameters

    found = fit()
    units_along_lanes(monkeypatch)
    np.testing.assert_allclose(found, fit(), rtol=1e-9, atol=1e-11)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_features", [90, 96])
def test_estimators(n_features, rng, monkeypatch):
    """The penalty of scikit-learn's loss sums all weights, and the padding beside them."""
    X, y = rng.standard_normal((300, n_features)), rng.integers(0, 3, 300)
    monkeypatch.setattr(plan, "slices", lambda sizes, batch_size: 2)

    def fit():
        settings = {"solver": "sgd", "batch_size": 64, "max_iter": 4, "alpha": 0.1, "random_state": 0, "n_threads": 1}
        model = MLPClassifier(10, **settings).fit(X, y)
        return np.concatenate([w.ravel() for w in (*model.coefs_, *model.intercepts_)]), model.loss_

    found, loss = fit()
    units_along_lanes(monkeypatch)
    expected, other = fit()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)
    assert loss == pytest.approx(other, rel=1e-10)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("per_call", [1, 3, 10**9])
@pytest.mark.parametrize("settings", [SETTINGS[1], SETTINGS[3]], ids=["momentum", "clipped"])
def test_threads_and_cuts_change_no_bit(n_threads, per_call, settings, rng, n_slices):
    one, X, y, order = problem(rng, THREE)
    other = centred(Network(THREE, dtype="float64", seed=1), X)
    losses = train(one, X, y, order, 16, epochs=2, **settings)[0]
    others = train(other, X, y, order, 16, n_threads=n_threads, per_call=per_call, epochs=2, **settings)[0]
    np.testing.assert_array_equal(other.parameters, one.parameters)
    np.testing.assert_array_equal(others, losses)


def test_the_order_in_memory_changes_no_bit(rng, tmp_path):
    one, X, y, order = problem(rng, THREE)
    train(one, X, y, order, 16, **SETTINGS[0])
    for name, other_rows in layouts(X, tmp_path).items():
        other = centred(Network(THREE, dtype="float64", seed=1), X)
        train(other, other._check_inputs("X", other_rows), y, order, 16, **SETTINGS[0])
        np.testing.assert_array_equal(other.parameters, one.parameters, err_msg=name)
