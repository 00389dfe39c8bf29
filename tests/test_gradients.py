"""Gradients of the inputs, losses by choice, and one output for two classes."""

import numpy as np
import pytest
import reference_net
from runs import make_targets

from fastnet import DivergenceError, Network, Trainer
from fastnet.losses import mean_loss, sample_losses
from fastnet.network import Preprocessing

NETWORKS = [
    ([5, 3], [], "softmax"),
    ([784, 10, 10], ["tanh"], "softmax"),
    ([30, 25, 24, 3], ["sigmoid", "relu"], "softmax"),
    ([9, 50, 20, 5], ["gelu", "tanh"], "sigmoid"),
    ([12, 49, 2], ["silu"], "identity"),
    ([30, 6, 4], ["elu"], "softmax, squared"),
    ([7, 6, 1], ["leaky_relu"], "sigmoid, squared"),
]


@pytest.fixture
def rng():
    return np.random.default_rng(9)


def split(output):
    """Return the network's output and the name of the loss."""
    return output.split(",")[0], "squared_error" if "squared" in output else "auto"


@pytest.mark.parametrize(("sizes", "activations", "output"), NETWORKS)
@pytest.mark.parametrize("weighted", [False, True])
def test_all_gradients_equal_the_oracle(sizes, activations, output, weighted, rng):
    kind, loss = split(output)
    network = Network(sizes, activations, kind, dtype="float64", seed=1)
    X, y = rng.standard_normal((300, sizes[0])), make_targets(output, 300, sizes[-1], rng)
    weights = rng.random(300) if weighted else None
    network.preprocessing = Preprocessing(rng.standard_normal(sizes[0]), 0.25, "float")
    found, gradients = network.loss_and_gradients(X, y, weights, True, loss=loss)
    x = X * 0.25 - network.preprocessing.mean
    params = network.weights, network.biases
    expected, (dweights, dbiases), dx = reference_net.all_gradients(params, x, y, activations, output, weights)
    assert found == pytest.approx(expected, rel=1e-12)
    assert gradients.inputs.shape == X.shape
    np.testing.assert_allclose(gradients.inputs, dx * 0.25, rtol=1e-10, atol=1e-16)
    for got, wanted in zip(gradients.weights + gradients.biases, dweights + dbiases, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-14)
    alone = network.loss_and_gradients(X, y, weights, loss=loss)
    assert alone[0] == found
    assert alone[1].inputs is None
    np.testing.assert_array_equal(alone[1].flat, gradients.flat)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_input_gradients_are_finite_differences_in_the_unit_of_x(dtype, rng):
    """The network scales and centres: a step of one grey value is one of 1/255."""
    X = rng.integers(0, 256, (6, 4)).astype(dtype)
    y = rng.integers(0, 3, 6)
    network = Network([4, 8, 3], dtype="float64", seed=0)
    Trainer(network, seed=0, batch_size=2, scale="auto" if dtype == "uint8" else 1 / 255).fit(X, y, epochs=2)
    gradients = network.loss_and_gradients(X, y, wrt_input=True)[1]
    assert gradients.inputs.dtype == np.float64
    for i, j in ((0, 0), (2, 3), (5, 1)):
        ends = []
        for h in (1, -1):
            moved = X.copy()
            moved[i, j] = np.clip(int(X[i, j]), 1, 254) + h
            ends.append(network.loss_and_gradients(moved, y)[0])
        middle = X.copy()
        middle[i, j] = np.clip(int(X[i, j]), 1, 254)
        exact = network.loss_and_gradients(middle, y, wrt_input=True)[1].inputs[i, j]
        assert exact == pytest.approx((ends[0] - ends[1]) / 2, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("settings", [{"scale": "standard"}, {"scale": "minmax", "pca": 3}])
def test_input_gradients_go_through_the_whole_preprocessing(settings, rng):
    X, y = rng.standard_normal((40, 5)) * [1, 2, 3, 4, 5], rng.integers(0, 3, 40)
    network = Network([settings.get("pca", 5), 8, 3], dtype="float64", seed=0)
    Trainer(network, seed=0, **settings).fit(X, y, epochs=2)
    inputs = network.loss_and_gradients(X, y, wrt_input=True)[1].inputs
    assert inputs.shape == X.shape
    for i, j in ((0, 0), (7, 2), (39, 4)):
        step = np.zeros_like(X)
        step[i, j] = 1e-5
        ends = [network.loss_and_gradients(X + sign * step, y)[0] for sign in (1, -1)]
        assert inputs[i, j] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-9)


def test_saliency_of_one_sample_is_its_share_of_the_mean(rng):
    network = Network([4, 8, 3], dtype="float64", seed=0)
    X, y = rng.standard_normal((5, 4)), rng.integers(0, 3, 5)
    together = network.loss_and_gradients(X, y, wrt_input=True)[1].inputs
    for i in range(5):
        alone = network.loss_and_gradients(X[i : i + 1], y[i : i + 1], wrt_input=True)[1].inputs
        np.testing.assert_allclose(5 * together[i], alone[0], rtol=1e-12)


def test_a_flag_is_a_flag():
    with pytest.raises(TypeError, match="wrt_input must be True or False"):
        Network([2, 2]).loss_and_gradients([[1, 2]], [0], None, "yes")


def test_a_loss_that_is_not_finite_is_refused():
    network = Network([2, 2], dtype="float64")
    network.parameters[:] = np.nan
    with pytest.raises(DivergenceError, match="the loss is not finite"):
        network.loss_and_gradients([[1.0, 2.0]], [0], wrt_input=True)


# -- squared error of probabilities --------------------------------------------------------------------


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity", "softmax, squared", "sigmoid, squared"])
def test_losses_without_gradients_are_the_same(output, rng):
    kind, loss = split(output)
    network = Network([4, 6, 3], output=kind, dtype="float64", seed=0)
    X, y, weights = rng.standard_normal((40, 4)), make_targets(output, 40, 3, rng), rng.random(40)
    targets = network._check_targets("y", y, 40, loss)
    logits = network.decision_function(X)
    expected = reference_net.LOSSES[output](logits, reference_net.columns(y, output))
    np.testing.assert_allclose(sample_losses(logits, targets), expected, rtol=1e-12)
    assert mean_loss(logits, targets) == pytest.approx(expected.mean(), rel=1e-12)
    weighted = targets._replace(weights=weights)
    assert mean_loss(logits, weighted) == pytest.approx(network.loss_and_gradients(X, y, weights, loss=loss)[0])


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_squared_error_of_probabilities_trains(output, rng):
    X = rng.standard_normal((300, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    network = Network([2, 8, 2 if output == "softmax" else 1], output=output, seed=1)
    trainer = Trainer(network, loss="squared_error", learning_rate=0.5, momentum=0.9, seed=0)
    history = trainer.fit(X, y, epochs=100, validation_data=(X, y))
    assert trainer.loss == "squared_error"
    assert history.loss[-1] < 0.05
    assert history.accuracy[-1] > 0.95
    assert history.val_loss[-1] == pytest.approx(network.loss_and_gradients(X, y, loss="squared_error")[0], rel=1e-5)


@pytest.mark.parametrize(
    ("output", "loss"),
    [("softmax", "binary_cross_entropy"), ("sigmoid", "cross_entropy"), ("identity", "cross_entropy")],
)
def test_losses_of_other_outputs_are_refused(output, loss):
    network = Network([4, 2], output=output)
    for call in (
        lambda: Trainer(network, loss=loss),
        lambda: setattr(Trainer(network), "loss", loss),
        lambda: network.loss_and_gradients(np.ones((1, 4)), [0], loss=loss),
    ):
        with pytest.raises(ValueError, match=f"loss='{loss}' does not go with output='{output}'; use 'auto' or '"):
            call()


# -- two classes with one output -----------------------------------------------------------------------


def test_one_sigmoid_equals_a_softmax_of_two(rng):
    """With logits 0 and z: half of each weight difference in softmax is that of sigmoid, at half the rate."""
    X, y = rng.standard_normal((120, 3)), rng.integers(0, 2, 120)
    one = Network([3, 1], output="sigmoid", dtype="float64", seed=0)
    two = Network([3, 2], output="softmax", dtype="float64", seed=0)
    two.weights[0][:] = one.weights[0] * [-0.5, 0.5]
    np.testing.assert_allclose(two.predict_proba(X)[:, 1:], one.predict_proba(X), rtol=1e-12)
    loss, gradients = one.loss_and_gradients(X, y)
    other, two_gradients = two.loss_and_gradients(X, y)
    assert loss == pytest.approx(other, rel=1e-13)
    np.testing.assert_allclose(two_gradients.weights[0], gradients.weights[0] * [-1, 1], rtol=1e-11, atol=1e-16)
    histories = []
    for network, rate in ((one, 0.2), (two, 0.1)):
        histories.append(Trainer(network, learning_rate=rate, seed=0).fit(X, y, epochs=5))
    np.testing.assert_allclose(histories[0].loss, histories[1].loss, rtol=1e-10)
    np.testing.assert_array_equal(histories[0].accuracy, histories[1].accuracy)
    np.testing.assert_allclose(two.predict_proba(X)[:, 1:], one.predict_proba(X), rtol=1e-9)
    np.testing.assert_array_equal(two.predict(X), one.predict(X))


@pytest.mark.parametrize("kind", [list, np.uint8, np.int64, bool, np.float32, float])
def test_labels_of_one_output_are_plain_vectors(kind, rng):
    X = rng.standard_normal((50, 2))
    truth = (X[:, 0] > 0).astype(int)
    y = truth.tolist() if kind is list else truth.astype(kind)
    network = Network([2, 1], output="sigmoid", seed=0)
    history = Trainer(network, learning_rate=0.5, seed=0).fit(
        X, y, epochs=30, class_weight="balanced", sample_weight=np.ones(50), validation_data=(X, y)
    )
    assert history.val_accuracy[-1] == network.score(X, y) > 0.9
    assert network.predict(X).shape == (50,)
    assert network.predict(X).tolist() == (network.predict_proba(X)[:, 0] > 0.5).astype(int).tolist()
    assert network.loss_and_gradients(X, y)[0] == pytest.approx(history.val_loss[-1], rel=1e-5)


# -- the perceptron ------------------------------------------------------------------------------------


def test_a_perceptron_computes_xor():
    network = Network([2, 2, 1], activation="step", output="sigmoid")
    network.weights[0] = [[1, 1], [1, 1]]
    network.biases[0] = [-0.5, -1.5]  # or, and
    network.weights[1] = [[1], [-1]]
    network.biases[1] = [-0.5]
    assert network.predict([[0, 0], [0, 1], [1, 0], [1, 1]]).tolist() == [0, 1, 1, 0]
    assert network.score([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]) == 1


def test_a_network_trained_with_sigmoids_lends_a_perceptron_its_parameters(rng):
    X = rng.standard_normal((400, 2))
    y = (X[:, 0] > X[:, 1]).astype(int)
    trained = Network([2, 3, 1], "sigmoid", "sigmoid", seed=0)
    Trainer(trained, learning_rate=1.0, momentum=0.9, center=False, seed=0).fit(X, y, epochs=60)
    perceptron = Network([2, 3, 1], "step", "sigmoid")
    perceptron.parameters = trained.parameters
    assert perceptron.score(X, y) > 0.8


@pytest.mark.parametrize("activation", ["step", ["tanh", "step"]])
def test_a_perceptron_is_not_trained(activation):
    network = Network([2, 3, 3, 2] if isinstance(activation, list) else [2, 3, 2], activation)
    number = 2 if isinstance(activation, list) else 1
    text = f"activation 'step' of hidden layer {number} has no gradient: a network with it can predict, but not be"
    with pytest.raises(ValueError, match=text):
        Trainer(network)
    with pytest.raises(ValueError, match=text):
        network.loss_and_gradients([[1.0, 2.0]], [0])
