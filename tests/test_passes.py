"""The compiled epoch against the float64 oracle, and against itself: threads, cuts, layouts, single steps."""

import numpy as np
import pytest
import reference_net
from runs import layouts, make_targets, sgd, train

from fastnet import Network, barrier, passes
from fastnet.layout import unpack
from fastnet.network import Preprocessing
from fastnet.workspace import workspace

NETWORKS = [
    ([5, 3], "tanh", "softmax"),
    ([784, 10, 10], "tanh", "softmax"),
    ([17, 31, 9], "relu", "softmax"),
    ([30, 25, 24, 23, 3], "sigmoid", "softmax"),
    ([9, 7, 1], "tanh", "sigmoid"),
    ([9, 50, 20, 5], "identity", "sigmoid"),
    ([12, 49, 2], "tanh", "identity"),
    ([300, 1, 4], "tanh", "softmax"),
]
SETTINGS = [
    {"learning_rate": 0.05},
    {"learning_rate": 0.005, "weight_decay": 0.01, "momentum": 0.9},
    {"learning_rate": 0.005, "weight_decay": 0.01, "momentum": 0.9, "nesterov": True},
]


def float32_network(sizes=(50, 70, 30, 10), seed=0, **settings):
    return Network(list(sizes), seed=seed, **settings)


@pytest.fixture
def problem(rng):
    return rng.standard_normal((203, 50)).astype(np.float32), rng.integers(0, 10, 203), rng.permutation(203)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize(("sizes", "activation", "output"), NETWORKS)
@pytest.mark.parametrize("batch_size", [1, 7, 32, 101])
def test_float64_epoch_equals_oracle(sizes, activation, output, batch_size, rng, n_slices):
    settings = SETTINGS[batch_size % 3]
    network = Network(sizes, activation, output, dtype="float64", seed=1)
    X = rng.standard_normal((101, sizes[0]))
    y, order = make_targets(output, len(X), sizes[-1], rng), rng.permutation(len(X))
    mean = X.mean(axis=0)
    network.preprocessing = Preprocessing(mean, 0.5, "float")
    params = [w.copy() for w in network.weights], [b.copy() for b in network.biases]
    velocity = reference_net.zero_velocity(params)
    expected_losses, expected_hits = reference_net.train_epoch(
        params,
        velocity,
        X,
        y,
        order,
        batch_size,
        activation=activation,
        output=output,
        scale=0.5,
        mean=mean,
        **settings,
    )
    losses, hits, run = train(network, X, y, order, batch_size, **settings)
    assert run.kind == "dense"
    counts = np.minimum(batch_size, len(X) - np.arange(0, len(X), batch_size))
    np.testing.assert_allclose(losses * counts, expected_losses, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(hits, expected_hits)
    for got, wanted in zip(network.weights + network.biases, params[0] + params[1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


def test_comparison_with_the_oracle_can_fail(rng):
    """A learning rate off by 1e-8 is seen: the tolerance does not swallow errors."""
    X, y, order = rng.standard_normal((40, 5)), rng.integers(0, 3, 40), np.arange(40)
    one, other = (Network([5, 3], dtype="float64", seed=1) for _ in range(2))
    train(one, X, y, order, 8, learning_rate=0.1)
    train(other, X, y, order, 8, learning_rate=0.1 + 1e-8)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(one.parameters, other.parameters, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n_threads", [2, 3, 5])
@pytest.mark.parametrize("settings", SETTINGS)
def test_any_number_of_threads_gives_the_same_bits(problem, n_threads, settings, n_slices):
    X, y, order = problem
    one, many = float32_network(), float32_network()
    losses = train(one, X, y, order, 16, epochs=3, **settings)[0]
    others = train(many, X, y, order, 16, n_threads=n_threads, epochs=3, **settings)[0]
    np.testing.assert_array_equal(many.parameters, one.parameters)
    np.testing.assert_array_equal(others, losses)


@pytest.mark.parametrize("settings", SETTINGS[:2])
def test_going_on_alone_changes_no_bit(problem, settings, n_slices, parted):
    X, y, order = problem
    one, other = float32_network(), float32_network()
    losses = train(one, X, y, order, 16, epochs=3, **settings)[0]
    others = train(other, X, y, order, 16, n_threads=2, per_call=6, epochs=3, **settings)[0]
    assert parted
    assert all(parted)
    np.testing.assert_array_equal(other.parameters, one.parameters)
    np.testing.assert_array_equal(others, losses)


def test_calls_after_one_that_ended_alone_take_one_thread(problem, monkeypatch):
    X, y, order = problem
    monkeypatch.setattr(barrier, "alone", lambda words: True)
    _, _, run = train(float32_network(), X, y, order, 16, n_threads=2, per_call=1, learning_rate=0.1)
    assert run._pace.alone


@pytest.mark.parametrize("per_call", [1, 2, 5])
def test_cutting_the_epoch_changes_no_bit(problem, per_call):
    X, y, order = problem
    whole, cut = float32_network(), float32_network()
    train(whole, X, y, order, 16, per_call=10**9, **SETTINGS[1])
    train(cut, X, y, order, 16, per_call=per_call, **SETTINGS[1])
    np.testing.assert_array_equal(cut.parameters, whole.parameters)


def test_step_by_step_equals_epoch(problem):
    X, y, order = problem
    epoch, steps = float32_network(), float32_network()
    losses, hits, _ = train(epoch, X, y, order, 16, **SETTINGS[1])
    net, targets = steps._packed(), steps._check_targets("y", y, len(X))
    work = workspace(steps._layers, steps.dtype, 16, 1, train=True)
    optimizer, rows = sgd(net.packed.size, steps.dtype, **SETTINGS[1]), steps._rows(X)
    for k, start in enumerate(range(0, len(X), 16)):
        batch = order[start : start + 16].astype(np.uint32)
        assert passes.train_step(net, rows, targets, batch, work, optimizer) == (losses[k], hits[k])
    unpack(net.packed, net.layers, steps.parameters)
    np.testing.assert_array_equal(steps.parameters, epoch.parameters)


def test_float32_epoch_is_near_the_oracle(problem):
    X, y, order = problem
    single = float32_network()
    double = Network([50, 70, 30, 10], dtype="float64", seed=0)
    double.parameters[:] = single.parameters
    losses = train(single, X, y, order, 16, learning_rate=0.1)[0]
    expected = train(double, X, y, order, 16, learning_rate=0.1)[0]
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    np.testing.assert_allclose(single.parameters, double.parameters, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_memory_layout_changes_no_bit(dtype, rng, tmp_path):
    X = rng.integers(0, 256, (67, 37)).astype(dtype)
    y, order = rng.integers(0, 4, len(X)), rng.permutation(len(X))

    def weights(X):
        network = Network([37, 26, 4], seed=0)
        network.preprocessing = Preprocessing(
            np.full(37, 0.4, np.float32), 1 / 255, "uint8" if dtype == "uint8" else "float"
        )
        X = network._check_inputs("X", X)
        train(network, X, y, order, 8, learning_rate=0.1)
        return network.parameters, network.decision_function(X)

    expected = weights(X)
    for name, other in layouts(X, tmp_path).items():
        for got, wanted in zip(weights(other), expected, strict=True):
            np.testing.assert_array_equal(got, wanted, err_msg=name)


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_sample_weights_equal_the_oracle(output, rng):
    network = Network([6, 11, 3], output=output, dtype="float64", seed=3)
    X, weights = rng.standard_normal((30, 6)), rng.random(30)
    weights[4] = 0
    y = make_targets(output, 30, 3, rng)
    loss, gradients = network.loss_and_gradients(X, y, weights)
    params = network.weights, network.biases
    expected, (dweights, dbiases) = reference_net.loss_and_gradients(params, X, y, "tanh", output, weights)
    assert loss == pytest.approx(expected, rel=1e-12)
    for got, wanted in zip(gradients.weights + gradients.biases, dweights + dbiases, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(("sizes", "activation", "output"), NETWORKS)
def test_gradients_equal_complex_step(sizes, activation, output, rng):
    """Im loss(w + ih) / h is the exact derivative, with nothing subtracted; up to 200 parameters of each network."""
    network = Network(sizes, activation, output, dtype="float64", seed=5)
    X, y = rng.standard_normal((9, sizes[0])), make_targets(output, 9, sizes[-1], rng)
    loss, gradients = network.loss_and_gradients(X, y)
    flat = network.parameters.astype(complex)
    weights, biases = network._views(flat)
    assert loss == pytest.approx(reference_net.batch_loss((weights, biases), X, y, activation, output).real, rel=1e-12)
    for i in rng.permutation(flat.size)[:200]:
        flat[i] += 1e-30j
        derivative = reference_net.batch_loss((weights, biases), X, y, activation, output).imag / 1e-30
        flat[i] = flat[i].real
        assert gradients.flat[i] == pytest.approx(derivative, rel=1e-10, abs=1e-14)


def test_many_samples_are_summed_over_chunks(rng):
    """More rows than one chunk holds: the gradient is still that of the mean loss."""
    network = Network([4, 5, 3], dtype="float64", seed=0)
    X, y = rng.standard_normal((700, 4)), rng.integers(0, 3, 700)
    loss, gradients = network.loss_and_gradients(X, y)
    expected, (dweights, _) = reference_net.loss_and_gradients(
        (network.weights, network.biases), X, y, "tanh", "softmax"
    )
    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradients.weights[0], dweights[0], rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("label", [-1, 10, -(2**31), 2**31 - 1])
def test_a_bad_label_writes_nothing(problem, label):
    """Labels are checked at the door; should one slip through, its row has no gradient and a loss of NaN."""
    X, y, _ = problem
    network = float32_network()
    net, targets = network._packed(), network._check_targets("y", y, len(X))
    bad = targets._replace(labels=targets.labels.copy())
    bad.labels[3] = label
    work = workspace(network._layers, network.dtype, 8, 1, train=True)
    optimizer = sgd(net.packed.size, network.dtype, learning_rate=0.1)
    loss, _ = passes.train_step(net, network._rows(X), bad, np.arange(8, dtype=np.uint32), work, optimizer)
    assert np.isnan(loss)
    without = np.delete(np.arange(8), 3)
    expected = float32_network()
    _, gradients = expected.loss_and_gradients(X[without], y[without])
    unpack(net.packed, net.layers, network.parameters)
    expected.parameters -= np.float32(0.1) * gradients.flat * np.float32(7 / 8)
    np.testing.assert_allclose(network.parameters, expected.parameters, rtol=1e-4, atol=1e-6)


def test_a_prediction_does_not_depend_on_its_neighbours(rng):
    network = Network([30, 40, 20, 7], seed=0)
    X = rng.standard_normal((257, 30)).astype(np.float32)
    together = network.decision_function(X)
    for start, count in ((0, 1), (5, 3), (200, 57), (63, 66)):
        np.testing.assert_array_equal(
            network.decision_function(X[start : start + count]), together[start : start + count]
        )


@pytest.mark.parametrize("what", ["weights", "inputs", "velocity"])
def test_denormals_are_zero(what, rng):
    """They would make each operation tens of times as slow; the mode of the calling thread stays as it was."""
    tiny, X = np.float32(1e-40), rng.standard_normal((64, 40)).astype(np.float32)
    y, order = rng.integers(0, 3, 64), np.arange(64)
    results = []
    for value in (tiny, np.float32(0)):
        network, data = Network([40, 20, 3], seed=0), X.copy()
        if what == "weights":
            network.parameters[::2] = value
        if what == "inputs":
            data[:, ::2] = value
        settings = {"learning_rate": 1e-40 if what == "velocity" and value else 0.1, "momentum": 0.9}
        if what == "velocity" and not value:
            settings["learning_rate"] = 0.0
        train(network, data, y, order, 16, epochs=2, **settings)
        results.append(network.parameters)
        assert tiny * np.float32(0.5) > 0, "denormals are lost in Python"
    np.testing.assert_allclose(results[0], results[1], rtol=0, atol=2e-38)
