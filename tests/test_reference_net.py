"""The oracle is proved here, by complex-step derivatives, hand-made examples and two things to learn."""

import itertools
import math

import numpy as np
import pytest
import reference_net as ref
from sklearn.datasets import make_moons

STEP = 1e-30
E20 = np.exp(-20)  # 2.06e-9
NORMAL = np.array([math.erfc(-z / math.sqrt(2)) / 2 for z in np.linspace(-5, 5, 41)[1::2]])


def random_problem(depth, activation, output, seed=0, n_samples=7):
    rng = np.random.default_rng(seed)
    layer_sizes = [5, *[4, 6, 3][:depth], 3]
    weights, biases = ref.init_parameters(layer_sizes, activation, rng)
    biases = [rng.normal(size=b.shape) for b in biases]  # zero biases would hide mistakes
    X = rng.normal(size=(n_samples, 5))
    targets = {
        "softmax": rng.integers(0, 3, n_samples),
        "sigmoid": rng.integers(0, 2, (n_samples, 3)).astype(float),
        "identity": rng.normal(size=(n_samples, 3)),
    }[output.split(",")[0]]
    return (weights, biases), X, targets, rng.uniform(0.1, 3, n_samples)


def complex_step_gradients(params, X, targets, activation, output, sample_weight):
    """Im loss(w + ih) / h for every single parameter."""
    complex_params = tuple([array.astype(complex) for array in kind] for kind in params)
    gradients = tuple([np.zeros_like(array) for array in kind] for kind in params)
    for kind, found in zip(complex_params, gradients, strict=True):
        for array, gradient in zip(kind, found, strict=True):
            for index in np.ndindex(array.shape):
                array[index] += 1j * STEP
                loss = ref.batch_loss(complex_params, X, targets, activation, output, sample_weight)
                gradient[index] = loss.imag / STEP
                array[index] = array[index].real
    return gradients


def assert_gradients_match(found, expected):
    """To 1e-12 of each entry; entries that cancel are held to 1e-15 of the largest of their array."""
    for found_kind, expected_kind in zip(found, expected, strict=True):
        for f, e in zip(found_kind, expected_kind, strict=True):
            np.testing.assert_allclose(f, e, rtol=1e-12, atol=1e-15 * np.abs(e).max())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("output", list(ref.LOSSES))
@pytest.mark.parametrize("activation", list(ref.DERIVATIVES))
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_gradients_match_complex_step(depth, activation, output, weighted):
    params, X, targets, w = random_problem(depth, activation, output)
    w = w if weighted else None
    loss, gradients = ref.loss_and_gradients(params, X, targets, activation, output, w)
    expected = complex_step_gradients(params, X, targets, activation, output, w)
    assert loss == ref.batch_loss(params, X, targets, activation, output, w)
    assert any(np.abs(e).max() > 1e-3 for e in expected[0])
    assert_gradients_match(gradients, expected)


def test_the_gradient_check_can_fail():
    params, X, targets, w = random_problem(2, "tanh", "softmax")
    _, (dweights, dbiases) = ref.loss_and_gradients(params, X, targets, "tanh", "softmax", w)
    expected = complex_step_gradients(params, X, targets, "tanh", "softmax", w)
    dweights[0][2, 1] *= 1 + 1e-10
    with pytest.raises(AssertionError):
        assert_gradients_match((dweights, dbiases), expected)


@pytest.mark.parametrize("activation", list(ref.ACTIVATIONS))
@pytest.mark.parametrize("function", ["activation", "derivative"])
def test_activations_against_textbook_forms(activation, function):
    z = np.linspace(-5, 5, 41)[1::2]
    a, d = {
        "identity": (z, np.ones_like(z)),
        "tanh": (np.sinh(z) / np.cosh(z), np.cosh(z) ** -2.0),
        "sigmoid": (1 / (1 + np.exp(-z)), np.exp(-z) / (1 + np.exp(-z)) ** 2),
        "relu": (np.maximum(z, 0), (z > 0).astype(float)),
        "leaky_relu": (np.maximum(z, z / 100), np.where(z > 0, 1, 0.01)),
        "elu": (np.maximum(z, 0) + np.expm1(np.minimum(z, 0)), np.exp(np.minimum(z, 0))),
        "gelu": (z * NORMAL, NORMAL + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)),
        "silu": (z / (1 + np.exp(-z)), (1 + np.exp(-z) + z * np.exp(-z)) / (1 + np.exp(-z)) ** 2),
        "step": ((np.sign(z) + 1) / 2, None),
    }[activation]
    if function == "activation":
        np.testing.assert_allclose(ref.ACTIVATIONS[activation](z), a, rtol=1e-14 if activation != "gelu" else 1e-9)
    elif activation in ref.DERIVATIVES:
        np.testing.assert_allclose(ref.DERIVATIVES[activation](z, a), d, rtol=1e-11)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([20.0, 21.0], [0.2689, 0.7311]),
        ([1.2, 0.3], [0.71095, 0.28905]),
        ([1.9, 0.1], [0.85815, 0.14185]),
        ([2.0, 1.0, -1.0], [0.7054, 0.2595, 0.0351]),
    ],
)
def test_softmax_of_the_articles(logits, expected):
    digits = 5 if len(logits) == 2 and logits[0] < 20 else 4
    np.testing.assert_allclose(ref.softmax(np.array([logits]))[0], expected, atol=0.51 * 10.0**-digits)


@pytest.mark.parametrize(("logits", "loss"), [([1.2, 0.3], 0.3412), ([1.9, 0.1], 0.1530)])
def test_cross_entropy_of_the_articles(logits, loss):
    assert ref.cross_entropy(np.array([logits]), np.array([0]))[0] == pytest.approx(loss, abs=0.51e-4)


@pytest.mark.parametrize(
    ("logits", "y", "loss", "gradient"),
    [
        ([1e4, -1e4, 0], 0, 0.0, [0, 0, 0]),
        ([1e4, -1e4, 0], 1, 20000.0, [1, -1, 0]),
        ([20, 0, 0], 0, np.log1p(2 * E20), np.array([-2, 1, 1]) * E20 / (1 + 2 * E20)),
        ([3e38, -3e38], 1, 6e38, [1, -1]),
        ([5, 5, 5, 5], 2, np.log(4), [0.25, 0.25, -0.75, 0.25]),
        ([7], 0, 0.0, [0]),
        ([0, -103.97], 1, 103.97, [1, -1]),
    ],
)
def test_extreme_logits(logits, y, loss, gradient):
    z, y = np.array([logits], dtype=float), np.array([y])
    np.testing.assert_allclose(ref.cross_entropy(z, y), [loss], rtol=1e-12)
    np.testing.assert_allclose(ref.cross_entropy_gradient(z, y)[0], gradient, rtol=1e-11, atol=1e-45)


@pytest.mark.parametrize(
    ("z", "t", "loss", "gradient"),
    [
        (0.0, 1.0, np.log(2), -0.5),
        (1000.0, 1.0, 0.0, 0.0),
        (-1000.0, 1.0, 1000.0, -1.0),
        (40.0, 1.0, np.exp(-40), -np.exp(-40)),
        (-40.0, 0.0, np.exp(-40), np.exp(-40)),
    ],
)
def test_extreme_binary_logits(z, t, loss, gradient):
    z, t = np.array([[z]]), np.array([[t]])
    np.testing.assert_allclose(ref.binary_cross_entropy(z, t), [loss], rtol=1e-14)
    np.testing.assert_allclose(ref.binary_cross_entropy_gradient(z, t), [[gradient]], rtol=1e-14)


def test_losses_sum_over_outputs_and_average_over_samples():
    z, t = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[0.0, 1.0], [1.0, 1.0]])
    params, X = ([z], [np.zeros(2)]), np.eye(2)  # logits = z
    p = 1 / (1 + np.exp(-z))
    by_label = -(t * np.log(p) + (1 - t) * np.log(1 - p))
    loss, (dweights, _) = ref.loss_and_gradients(params, X, t, "tanh", "sigmoid")
    assert loss == pytest.approx(by_label.sum() / 2, rel=1e-14)
    np.testing.assert_allclose(dweights[0], (p - t) / 2, rtol=1e-13)
    loss, (dweights, _) = ref.loss_and_gradients(params, X, t, "tanh", "identity", np.array([3.0, 1.0]))
    assert loss == pytest.approx((3 * 0.5 * (1 + 1) + 1 * 0.5 * (4 + 4)) / 4, rel=1e-14)
    np.testing.assert_allclose(dweights[0], [[0.75, 0.75], [0.5, -0.5]], rtol=1e-14)


@pytest.mark.parametrize("output", list(ref.LOSSES))
def test_integer_weights_repeat_samples_and_zero_weights_drop_them(output):
    params, X, targets, _ = random_problem(1, "tanh", output)
    w = np.array([2, 1, 0, 3, 1, 0, 1])
    rows = np.repeat(np.arange(7), w)
    loss, gradients = ref.loss_and_gradients(params, X, targets, "tanh", output, w)
    expected_loss, expected = ref.loss_and_gradients(params, X[rows], targets[rows], "tanh", output)
    assert loss == pytest.approx(expected_loss, rel=1e-13)
    for f, e in zip(gradients[0] + gradients[1], expected[0] + expected[1], strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-11, atol=1e-15)


def test_one_dimensional_targets_are_one_column():
    params, X, targets, _ = random_problem(0, "tanh", "sigmoid")
    params = [params[0][0][:, :1]], [params[1][0][:1]]
    flat = ref.loss_and_gradients(params, X, targets[:, 0], "tanh", "sigmoid")[0]
    assert flat == ref.loss_and_gradients(params, X, targets[:, :1], "tanh", "sigmoid")[0]


@pytest.mark.parametrize(
    ("nesterov", "weight", "bias"),
    # lr 0.1, m 0.5, wd 0.2; weight: v = 0.5*4 - 0.1*(3 + 0.2*2) = 1.66; bias: v = 0.5*4 - 0.1*3 = 1.7
    [(False, 2 + 1.66, 2 + 1.7), (True, 2 + 0.5 * 1.66 - 0.34, 2 + 0.5 * 1.7 - 0.3)],
)
def test_sgd_step_by_hand(nesterov, weight, bias):
    def one_layer(value):
        return [np.full((1, 1), value)], [np.full(1, value)]

    params, gradients, velocity = one_layer(2.0), one_layer(3.0), one_layer(4.0)
    ref.sgd_step(params, gradients, velocity, 0.1, momentum=0.5, nesterov=nesterov, weight_decay=0.2)
    assert params[0][0].item() == pytest.approx(weight, rel=1e-15)
    assert params[1][0].item() == pytest.approx(bias, rel=1e-15)
    assert velocity[0][0].item() == pytest.approx(1.66, rel=1e-15)
    assert velocity[1][0].item() == pytest.approx(1.7, rel=1e-15)


@pytest.mark.parametrize(
    ("decoupled", "weight", "weight_m", "weight_v"),
    # lr 0.1, beta1 0.5, beta2 0.75, epsilon 1, wd 0.5; w 2, g 3, m 4, v 16, third step: m / (1 - 1/8), v / (1 - 27/64).
    # L2: g = 4, m = 4, v = 16; decoupled: m = 3.5, v = 12 + 9/4, and 0.1 * 0.5 * 2 beside the step.
    [
        (False, 2 - 0.1 * (4 * 8 / 7) / (np.sqrt(16 * 64 / 37) + 1), 4.0, 16.0),
        (True, 2 - 0.1 * (3.5 * 8 / 7) / (np.sqrt(14.25 * 64 / 37) + 1) - 0.1, 3.5, 14.25),
    ],
)
def test_adam_step_by_hand(decoupled, weight, weight_m, weight_v):
    def one_layer(value):
        return [np.full((1, 1), value)], [np.full(1, value)]

    params, gradients = one_layer(2.0), one_layer(3.0)
    state = {"m": one_layer(4.0), "v": one_layer(16.0), "t": 2}
    ref.adam_step(params, gradients, state, 0.1, 0.5, 0.75, 1.0, weight_decay=0.5, decoupled=decoupled)
    bias = 2 - 0.1 * (3.5 * 8 / 7) / (np.sqrt(14.25 * 64 / 37) + 1)  # no decay
    assert state["t"] == 3
    assert params[0][0].item() == pytest.approx(weight, rel=1e-15)
    assert params[1][0].item() == pytest.approx(bias, rel=1e-15)
    for name, in_weight, in_bias in (("m", weight_m, 3.5), ("v", weight_v, 14.25)):
        assert state[name][0][0].item() == in_weight
        assert state[name][1][0].item() == in_bias


def test_initial_parameters():
    for activation, variance in (("tanh", 1 / 400), ("relu", 2 / 400)):
        weights, biases = ref.init_parameters([400, 300, 2], activation, np.random.default_rng(0))
        assert [w.shape for w in weights] == [(400, 300), (300, 2)]
        assert weights[0].var() == pytest.approx(variance, rel=0.02)
        assert [b.tolist() for b in biases] == [[0.0] * 300, [0.0] * 2]


def test_epoch_is_a_walk_over_minibatches():
    """Order, short last minibatch, preprocessing and returned sums, against steps written out."""
    (weights, biases), _, _, _ = random_problem(1, "tanh", "softmax")
    rng = np.random.default_rng(3)
    X, y, order = rng.integers(0, 256, (10, 5)).astype(np.uint8), rng.integers(0, 3, 10), rng.permutation(10)
    settings = {"learning_rate": 0.3, "momentum": 0.6, "nesterov": True, "weight_decay": 0.01}
    mean = (X / 255).mean(axis=0)
    a, b = (([w.copy() for w in weights], [c.copy() for c in biases]) for _ in range(2))
    va, vb = ref.zero_velocity(a), ref.zero_velocity(b)
    losses, corrects = ref.train_epoch(
        a, va, X, y, order, 4, activation="tanh", output="softmax", scale=1 / 255, mean=mean, **settings
    )
    for i, rows in enumerate((order[:4], order[4:8], order[8:])):
        x = X[rows] / 255 - mean
        z = np.tanh(x @ b[0][0] + b[1][0]) @ b[0][1] + b[1][1]
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        assert losses[i] == pytest.approx(-np.log(p[range(len(rows)), y[rows]]).sum(), rel=1e-12)
        assert corrects[i] == (p.argmax(axis=1) == y[rows]).sum()
        ref.sgd_step(b, ref.loss_and_gradients(b, x, y[rows], "tanh", "softmax")[1], vb, **settings)
    for f, e in zip(itertools.chain(*a, *va), itertools.chain(*b, *vb), strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-12, atol=1e-15)


def train(X, y, layer_sizes, epochs, batch_size, activation="tanh", output="softmax"):
    rng = np.random.default_rng(0)
    params = ref.init_parameters(layer_sizes, activation, rng)
    velocity = ref.zero_velocity(params)
    for _ in range(epochs):
        losses, corrects = ref.train_epoch(
            params, velocity, X, y, rng.permutation(len(X)), batch_size,
            activation=activation, output=output, learning_rate=0.1, momentum=0.9, mean=X.mean(axis=0),
        )  # fmt: skip
    return losses.sum() / len(X), corrects.sum() / len(X)


@pytest.mark.parametrize(("output", "n_outputs"), [("softmax", 2), ("sigmoid", 1), ("identity", 1)])
def test_learns_xor(output, n_outputs):
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
    loss, accuracy = train(X, np.array([0, 1, 1, 0]), [2, 8, n_outputs], epochs=300, batch_size=4, output=output)
    assert loss < 0.05
    assert accuracy == (0 if output == "identity" else 1)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_learns_moons(activation):
    X, y = make_moons(200, noise=0.1, random_state=0)
    loss, accuracy = train(X, y, [2, 8, 2], epochs=100, batch_size=20, activation=activation)
    assert loss < 0.1
    assert accuracy > 0.97
