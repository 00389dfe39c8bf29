"""Networks with more activations and with dropout: against the oracle, threads, cuts, what is compiled for whom."""

import os
import subprocess
import sys

import numpy as np
import pytest
import reference_net
from runs import make_optimizer, make_targets, train

from fastnet import Network, passes
from fastnet.hidden import AnyNet, TrainedNet, predicting, training
from fastnet.kernels import dropout
from fastnet.layers import Net
from fastnet.layout import unpack
from fastnet.network import Preprocessing
from fastnet.workspace import workspace

NETWORKS = [
    ([17, 31, 9], ["gelu"], "softmax"),
    ([30, 25, 24, 23, 3], ["leaky_relu", "elu", "silu"], "softmax"),
    ([9, 50, 20, 5], ["gelu", "tanh"], "sigmoid"),
    ([12, 49, 2], ["silu"], "identity"),
    ([40, 50, 20, 4], ["relu", "elu"], "softmax"),
]
DROPPED = [
    ([17, 31, 9], ["tanh"], "softmax", (0.5,)),
    ([30, 25, 24, 23, 3], ["relu", "sigmoid", "identity"], "softmax", (0.2, 0.0, 0.6)),
    ([9, 50, 20, 5], ["gelu", "tanh"], "sigmoid", (0.3, 0.1)),
]


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def factors_of(sizes, rates, key):
    """Return what dropout multiplies the outputs of samples with, by their positions in an epoch."""

    def factors(positions):
        return [
            np.array([dropout.mask_reference(n, rate, key, int(p), layer) if rate else np.ones(n) for p in positions])
            for layer, (n, rate) in enumerate(zip(sizes[1:-1], rates, strict=True))
        ]

    return factors


def oracle_epochs(network, X, y, order, batch_size, rates=(), epochs=1, optimizer="sgd", **settings):
    """Train the network's parameters in float64 NumPy; returns them, and losses and hits of the last epoch."""
    params = [w.copy() for w in network.weights], [b.copy() for b in network.biases]
    state = reference_net.zero_state(params, optimizer)
    for key in range(epochs):
        found = reference_net.train_epoch(
            params,
            state,
            X,
            y,
            order,
            batch_size,
            activation=network.activations,
            output=settings.pop("output", network.output),
            mean=network.preprocessing.mean if network.preprocessing else 0.0,
            factors_of=factors_of(network.layer_sizes, rates, key) if rates else None,
            optimizer=optimizer,
            **settings,
        )
    return params, found


def assert_equal_to_oracle(network, X, y, order, batch_size, rates=(), epochs=1, n_threads=1, **settings):
    params, (expected, expected_hits) = oracle_epochs(network, X, y, order, batch_size, rates, epochs, **settings)
    losses, hits, _ = train(network, X, y, order, batch_size, n_threads, rates=rates, epochs=epochs, **settings)
    counts = np.minimum(batch_size, len(X) - np.arange(0, len(X), batch_size))
    np.testing.assert_allclose(losses * counts, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(hits, expected_hits)
    for got, wanted in zip(network.weights + network.biases, params[0] + params[1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("sizes", "activations", "output"), NETWORKS)
@pytest.mark.parametrize("batch_size", [1, 7, 101])
def test_float64_epoch_equals_oracle(sizes, activations, output, batch_size, rng, n_slices):
    network = Network(sizes, activations, output, dtype="float64", seed=1)
    X = rng.standard_normal((101, sizes[0]))
    network.preprocessing = Preprocessing(X.mean(axis=0), 1.0, "float")
    y, order = make_targets(output, len(X), sizes[-1], rng), rng.permutation(len(X))
    settings = {"learning_rate": 0.001, "momentum": 0.9, "weight_decay": 0.01}
    assert_equal_to_oracle(network, X, y, order, batch_size, **settings)


@pytest.mark.parametrize(("sizes", "activations", "output", "rates"), DROPPED)
@pytest.mark.parametrize("batch_size", [1, 7, 101])
def test_float64_epochs_with_dropout_equal_oracle(sizes, activations, output, rates, batch_size, rng, n_slices):
    network = Network(sizes, activations, output, dtype="float64", seed=1)
    X = rng.standard_normal((101, sizes[0]))
    y, order = make_targets(output, len(X), sizes[-1], rng), rng.permutation(len(X))
    assert_equal_to_oracle(network, X, y, order, batch_size, rates, epochs=2, learning_rate=0.01, weight_decay=0.01)


@pytest.mark.slow
def test_sparse_rows_with_dropout_equal_oracle(rng):
    X = rng.standard_normal((64, 48)) * (rng.random((64, 48)) < 0.15)
    network = Network([48, 30, 5], "silu", dtype="float64", seed=1)
    y, order = rng.integers(0, 5, 64), rng.permutation(64)
    params, _ = oracle_epochs(network, X, y, order, 8, (0.4,), 2, learning_rate=0.1, weight_decay=0.01)
    *_, run = train(network, X, y, order, 8, rates=(0.4,), epochs=2, learning_rate=0.1, weight_decay=0.01)
    assert run.kind == "sparse"
    for got, wanted in zip(network.weights + network.biases, params[0] + params[1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


def test_comparison_with_the_oracle_can_fail(rng):
    network = Network([9, 8, 3], "gelu", dtype="float64", seed=1)
    X, y, order = rng.standard_normal((20, 9)), rng.integers(0, 3, 20), np.arange(20)
    expected, _ = oracle_epochs(network, X, y, order, 5, (0.5,), learning_rate=0.1)
    train(network, X, y, order, 5, rates=(0.4999,), learning_rate=0.1)
    assert np.abs(network.weights[0] - expected[0][0]).max() > 1e-8


@pytest.mark.parametrize("settings", [{}, {"rates": (0.5, 0.2)}], ids=["no dropout", "dropout"])
@pytest.mark.parametrize("n_threads", [2, 3, 5])
def test_threads_and_cuts_change_no_bit(n_threads, settings, rng, n_slices):
    X, y, order = rng.standard_normal((203, 50)).astype(np.float32), rng.integers(0, 10, 203), rng.permutation(203)
    one, many = (Network([50, 70, 30, 10], ["gelu", "elu"], seed=0) for _ in range(2))
    losses = train(one, X, y, order, 16, epochs=3, learning_rate=0.05, **settings)[0]
    others = train(many, X, y, order, 16, n_threads, 2, epochs=3, learning_rate=0.05, **settings)[0]
    np.testing.assert_array_equal(many.parameters, one.parameters)
    np.testing.assert_array_equal(others, losses)


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "gelu", "silu", "step"])
def test_predictions_equal_the_oracle(name, rng):
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-4)):
        network = Network([20, 33, 18, 4], name, dtype=dtype, seed=3)
        X = rng.standard_normal((70, 20))
        params = [w.astype(np.float64) for w in network.weights], [b.astype(np.float64) for b in network.biases]
        expected = reference_net.forward(params, X.astype(dtype).astype(np.float64), name)[-1]
        np.testing.assert_allclose(network.decision_function(X.astype(dtype)), expected, rtol=tolerance, atol=tolerance)


def test_a_prediction_does_not_depend_on_its_neighbours(rng):
    network = Network([30, 40, 20, 7], "gelu", seed=0)
    X = rng.standard_normal((257, 30)).astype(np.float32)
    together = network.decision_function(X)
    for start, count in ((0, 1), (5, 3), (200, 57)):
        part = network.decision_function(X[start : start + count])
        np.testing.assert_array_equal(part, together[start : start + count])


@pytest.mark.parametrize(("sizes", "activations", "output"), NETWORKS)
def test_gradients_equal_complex_step(sizes, activations, output, rng):
    network = Network(sizes, activations, output, dtype="float64", seed=5)
    X, y = rng.standard_normal((9, sizes[0])), make_targets(output, 9, sizes[-1], rng)
    _, gradients = network.loss_and_gradients(X, y)
    flat = network.parameters.astype(complex)
    params = network._views(flat)
    for i in rng.permutation(flat.size)[:150]:
        flat[i] += 1e-30j
        derivative = reference_net.batch_loss(params, X, y, activations, output).imag / 1e-30
        flat[i] = flat[i].real
        assert gradients.flat[i] == pytest.approx(derivative, rel=1e-10, abs=1e-14)


def test_step_by_step_equals_epoch(rng):
    X, y, order = rng.standard_normal((64, 20)).astype(np.float32), rng.integers(0, 4, 64), rng.permutation(64)
    epoch, steps = (Network([20, 30, 4], "silu", seed=0) for _ in range(2))
    losses, hits, _ = train(epoch, X, y, order, 16, learning_rate=0.1)
    plain, targets = steps._packed(), steps._check_targets("y", y, len(X))
    work = workspace(steps._layers, steps.dtype, 16, 1, train=True, slopes=True)
    optimizer = make_optimizer(plain.packed.size, steps.dtype, learning_rate=0.1)
    for k, start in enumerate(range(0, len(X), 16)):
        batch = order[start : start + 16].astype(np.uint32)
        step = passes.train_step(training(plain), steps._rows(X), targets, batch, work, optimizer)
        assert step == (losses[k], hits[k])
    unpack(plain.packed, plain.layers, steps.parameters)
    np.testing.assert_array_equal(steps.parameters, epoch.parameters)


def test_plain_networks_take_the_plain_type():
    """What they compile knows nothing of other activations, nor of dropout."""
    plain, other = Network([4, 3, 2], "relu")._packed(), Network([4, 3, 2], "gelu")._packed()
    assert type(predicting(plain)) is type(training(plain)) is Net
    assert type(predicting(other)) is AnyNet
    assert type(training(other)) is TrainedNet
    assert training(other).dropout is None
    assert (other.layers[:, -1] != 0).any(), "the network's own table must stay as it is"


@pytest.mark.slow  # a quarter of a minute of compiling
def test_a_plain_fit_compiles_nothing_that_only_others_need(tmp_path):
    code = """
import numpy as np, fastnet
from fastnet import hidden, passes, targets
from fastnet.kernels import accumulation, candidates, clipping, csr, dropout, more_activations, squared_error
X, y = np.random.default_rng(0).random((64, 8)), np.arange(64) % 2
fastnet.Trainer(fastnet.Network([8, 4, 2])).fit(X, y, epochs=1, validation_data=(X, y))
rare = (more_activations.forward, more_activations.forward_with_slope, more_activations.multiply, accumulation.keep,
        clipping.sum_chunks, dropout.drop_outputs, squared_error.softmax_squared_error_row,
        candidates.draw, candidates.target_logits, candidates.update_candidates, csr.copy_csr)
print(len(passes._minibatch.overloads), [len(part.overloads) for part in rare])
"""
    environment = {**os.environ, "FASTNET_CACHE_DIR": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert result.stdout == "1 [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]\n"


def test_initial_weights_are_hes_before_relus_and_their_relatives():
    for name, gain in (("tanh", 1), ("sigmoid", 1), ("step", 1), ("relu", 2), ("gelu", 2), ("silu", 2), ("elu", 2)):
        weights = Network([400, 300, 5], name, seed=0).weights
        assert weights[0].std() == pytest.approx(np.sqrt(gain / 400), rel=0.02)
        assert weights[1].std() == pytest.approx(np.sqrt(1 / 300), rel=0.06)
