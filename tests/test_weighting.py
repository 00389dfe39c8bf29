"""Weights of samples and classes in fits: against the oracle, repetition, means over an epoch, refusals."""

import numpy as np
import pytest
import reference_net
from runs import make_targets, train
from sklearn.utils.class_weight import compute_sample_weight

from fastnet import Network, Trainer
from fastnet.losses import make_targets as checked_targets
from fastnet.weighting import sample_weights


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity", "softmax, squared", "sigmoid, squared"])
@pytest.mark.parametrize("batch_size", [1, 7, 50])
def test_weighted_epochs_equal_the_oracle(output, batch_size, rng):
    network = Network([6, 11, 3], "tanh", output.split(",")[0], dtype="float64", seed=3)
    X, y, weights = rng.standard_normal((50, 6)), make_targets(output, 50, 3, rng), rng.random(50)
    weights[10:20] = 0
    order = np.sort(rng.permutation(50)) if batch_size == 7 else rng.permutation(50)  # a minibatch without weight
    params = [w.copy() for w in network.weights], [b.copy() for b in network.biases]
    settings = {"learning_rate": 0.1, "weight_decay": 0.01}
    expected, hits = reference_net.train_epoch(
        params, reference_net.zero_velocity(params), X, y, order, batch_size, activation="tanh", output=output,
        sample_weight=weights, **settings,
    )  # fmt: skip
    loss = "squared_error" if "squared" in output else "auto"
    losses, found_hits, run = train(network, X, y, order, batch_size, weights=weights, loss=loss, **settings)
    sums = np.array([weights[order[i : i + batch_size]].sum() for i in range(0, 50, batch_size)])
    np.testing.assert_allclose(losses * sums, expected, rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(found_hits, hits)
    for got, wanted in zip(network.weights + network.biases, params[0] + params[1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-13)
    assert run.epoch_means()[0] == pytest.approx(expected.sum() / weights.sum(), rel=1e-12)


def fitted(X, y, *, epochs=3, batch_size=16, learning_rate=0.1, output="softmax", sizes=(5, 8, 3), **fit):
    network = Network(list(sizes), output=output, dtype="float64", seed=0)
    trainer = Trainer(network, batch_size=batch_size, learning_rate=learning_rate, center=False, seed=0)
    return network, trainer.fit(X, y, epochs=epochs, **fit)


def test_history_has_the_weighted_mean_loss(rng):
    """With a rate so small that nothing changes, it is the loss of the network as it is."""
    X, y, weights = rng.standard_normal((70, 5)), rng.integers(0, 3, 70), rng.random(70)
    network, history = fitted(X, y, learning_rate=1e-30, sample_weight=weights, validation_data=(X, y, weights))
    loss, _ = network.loss_and_gradients(X, y, weights)
    assert history.loss[0] == pytest.approx(loss, rel=1e-12)
    assert history.val_loss[0] == pytest.approx(loss, rel=1e-12)
    assert history.loss[0] != pytest.approx(network.loss_and_gradients(X, y)[0], rel=1e-3)
    assert history.accuracy[0] == history.val_accuracy[0] == network.score(X, y)


def test_a_common_factor_changes_nothing(rng):
    X, y = rng.standard_normal((64, 5)), rng.integers(0, 3, 64)
    plain, _ = fitted(X, y)
    for factor in (1.0, 4.0):
        weighted, _ = fitted(X, y, sample_weight=np.full(64, factor))
        np.testing.assert_allclose(weighted.parameters, plain.parameters, rtol=1e-13)


def test_integer_weights_are_repetitions(rng):
    """In one minibatch an epoch the order does not matter."""
    X, y, counts = rng.standard_normal((40, 5)), rng.integers(0, 3, 40), rng.integers(0, 4, 40)
    repeated = np.repeat(np.arange(40), counts)
    once, history = fitted(X, y, batch_size=40, sample_weight=counts)
    other, expected = fitted(X[repeated], y[repeated], batch_size=len(repeated))
    np.testing.assert_allclose(once.parameters, other.parameters, rtol=1e-11)
    np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-12)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 2.0, 2: 0.5}])
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_class_weights_are_those_of_scikit_learn(class_weight, output, rng):
    n_outputs = 3 if output == "softmax" else 1
    y = rng.choice(3 if output == "softmax" else 2, 90, p=[0.7, 0.2, 0.1] if output == "softmax" else [0.8, 0.2])
    targets = checked_targets("y", y, 90, n_outputs, output, np.dtype(np.float64))
    found_for = {0: 1.0, 1: 2.0} if class_weight != "balanced" and output == "sigmoid" else class_weight
    found = sample_weights(None, found_for, targets, n_outputs)
    np.testing.assert_allclose(found, compute_sample_weight(class_weight, y), rtol=1e-14)


def test_class_weights_multiply_sample_weights(rng):
    X, y, weights = rng.standard_normal((60, 5)), rng.integers(0, 3, 60), rng.random(60)
    each = np.array([1.0, 3.0, 1.0])  # a class that is not named has 1
    both, _ = fitted(X, y, sample_weight=weights, class_weight={1: 3})
    product, _ = fitted(X, y, sample_weight=weights * each[y])
    np.testing.assert_array_equal(both.parameters, product.parameters)


def test_balanced_classes_have_the_same_total_weight(rng):
    y, weights = rng.choice([0, 2], 50, p=[0.9, 0.1]), rng.random(50)
    targets = checked_targets("y", y, 50, 3, "softmax", np.dtype(np.float32))
    for given in (None, weights):
        found = sample_weights(given, "balanced", targets, 3)
        assert found[y == 0].sum() == pytest.approx(found[y == 2].sum())
        assert found.sum() == pytest.approx(50 if given is None else weights.sum())


def test_class_weights_help_a_rare_class(rng):
    X = np.concatenate([rng.normal(0, 1, (950, 2)), rng.normal(1.5, 1, (50, 2))])
    y = np.repeat([0, 1], [950, 50])
    recall = {}
    for class_weight in (None, "balanced"):
        network = Network([2, 1], output="sigmoid", seed=0)
        Trainer(network, learning_rate=0.1, seed=0).fit(X, y, epochs=20, class_weight=class_weight)
        recall[class_weight] = network.predict(X)[y == 1].mean()
    assert recall[None] < 0.4
    assert recall["balanced"] > 0.7


BAD = [
    ({"sample_weight": np.ones(3)}, ValueError, r"sample_weight must have shape \(20,\), one weight a sample, got"),
    ({"sample_weight": -np.ones(20)}, ValueError, "sample_weight must not be negative, got -1 at index 0"),
    ({"sample_weight": np.zeros(20)}, ValueError, "sample_weight must hold at least one weight above zero"),
    ({"class_weight": "balance"}, ValueError, "class_weight must be one of 'balanced', got 'balance'"),
    ({"class_weight": [1, 2]}, TypeError, "class_weight must be None, 'balanced' or a dict .* got list"),
    ({"class_weight": {3: 1.0}}, ValueError, "class_weight has the class 3, but classes are 0 to 2"),
    ({"class_weight": {-1: 1.0}}, ValueError, "a key of class_weight must be >= 0, got -1"),
    ({"class_weight": {"1": 1.0}}, TypeError, "a key of class_weight must be an int"),
    ({"class_weight": {1: -1.0}}, ValueError, r"class_weight\[1\] must be"),
    ({"class_weight": {0: 0, 1: 0, 2: 0}}, ValueError, "together leave no sample a weight above zero"),
    ({"validation_data": (1, 2, 3, 4)}, TypeError, r"must be a tuple \(X, y\) or \(X, y, sample_weight\)"),
]


@pytest.mark.parametrize(("change", "kind", "text"), BAD)
def test_bad_weights_are_refused(change, kind, text, rng):
    network = Network([5, 3], seed=0)
    before = network.parameters.copy()
    with pytest.raises(kind, match=text):
        Trainer(network, batch_size=4).fit(rng.random((20, 5)), rng.integers(0, 3, 20), epochs=1, **change)
    np.testing.assert_array_equal(network.parameters, before)
    assert network.preprocessing is None


def test_bad_weights_of_validation_data_are_named(rng):
    X, y = rng.random((20, 5)), rng.integers(0, 3, 20)
    with pytest.raises(ValueError, match=r"validation_data\[2\] must have shape \(20,\)"):
        Trainer(Network([5, 3])).fit(X, y, epochs=1, validation_data=(X, y, [1, 2]))


@pytest.mark.parametrize(("output", "y"), [("identity", np.ones((20, 3))), ("sigmoid", np.ones((20, 3)))])
def test_class_weights_need_classes(output, y, rng):
    with pytest.raises(ValueError, match="class_weight needs samples of one class each"):
        Trainer(Network([5, 3], output=output)).fit(rng.random((20, 5)), y, epochs=1, class_weight="balanced")


def test_soft_labels_have_no_class(rng):
    with pytest.raises(ValueError, match="class_weight needs samples of one class each"):
        Trainer(Network([5, 1], output="sigmoid")).fit(rng.random((20, 5)), np.full(20, 0.5), epochs=1, class_weight={})
