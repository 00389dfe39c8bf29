"""What is said of a sample: reject option, background class, one-vs-rest, thresholds; recipes of the articles."""

import numpy as np
import pytest

import fastnet
from fastnet import functional as F
from fastnet.datasets import load_digits, load_moons


def linear(output, n=3):
    network = fastnet.Network([n, n], output=output, dtype="float64")
    network.weights[0][:] = np.eye(n)
    return network


SCORES = np.array([[2.0, 1.0, -1.0], [1.2, 1.0, 1.1], [0.0, 0.0, 5.0]])


def test_classes_are_rejected_below_a_probability():
    network = linear("softmax")
    top = network.predict_proba(SCORES).max(axis=1)
    assert network.predict(SCORES).tolist() == [0, 0, 2]
    assert network.predict(SCORES, min_proba=0.5).tolist() == [0, -1, 2]
    assert network.predict(SCORES, min_proba=0.99, rejected=7).tolist() == [7, 7, 7]
    assert network.predict(SCORES, min_proba=float(top[0])).tolist()[0] == 0  # as large is enough
    assert network.predict(SCORES, min_proba=np.nextafter(top[0], 1)).tolist()[0] == -1
    assert network.predict(SCORES[:0], min_proba=0.5).shape == (0,)


def test_rejecting_trades_answers_for_accuracy():
    data = load_digits()
    network = fastnet.Network([64, 10], seed=0)
    fastnet.Trainer(network, seed=0).fit(data.X_train, data.y_train, epochs=100)
    shares, accuracies = [], []
    for least in (0.0, 0.6, 0.9):
        said = network.predict(data.X_test, min_proba=least)
        decided = said >= 0
        shares.append(decided.mean())
        accuracies.append((said == data.y_test)[decided].mean())
    assert shares[0] == 1 > shares[1] > shares[2] > 0.3
    assert accuracies[0] < accuracies[1] < accuracies[2]
    assert accuracies[0] == network.score(data.X_test, data.y_test)


def test_labels_have_thresholds():
    network = linear("sigmoid")
    p = network.predict_proba(SCORES)
    for threshold in (0.5, 0.7, [0.9, 0.7, 0.2]):
        np.testing.assert_array_equal(network.predict(SCORES, threshold=threshold), (p > threshold).astype(int))
    assert network.predict(SCORES, min_proba=0.8).tolist() == [[1, -1, -1], [-1, -1, -1], [-1, -1, 1]]
    np.testing.assert_array_equal(network.predict(SCORES, min_proba=0.4), network.predict(SCORES))
    one = fastnet.Network([1, 1], output="sigmoid")
    one.weights[0][:] = 1
    assert one.predict([[-1.0], [0.0], [1.0]], threshold=0.3).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("output", "settings", "error", "text"),
    [
        ("softmax", {"min_proba": 1.0}, ValueError, r"min_proba must be a finite number in \[0, 1\)"),
        ("softmax", {"min_proba": "sure"}, TypeError, "min_proba must be a number"),
        ("softmax", {"rejected": 0.5}, TypeError, "rejected must be an int"),
        ("softmax", {"threshold": 0.3}, ValueError, "threshold goes with output='sigmoid'"),
        ("sigmoid", {"threshold": 0.0}, ValueError, "threshold must lie between 0 and 1"),
        ("sigmoid", {"threshold": [0.5, 0.5]}, ValueError, r"threshold must be a number or have shape \(3,\)"),
        ("identity", {"min_proba": 0.5}, ValueError, "min_proba needs probabilities"),
    ],
)
def test_refusals(output, settings, error, text):
    with pytest.raises(error, match=text):
        linear(output).predict(SCORES, **settings)


def test_plain_outputs_stay_plain():
    np.testing.assert_array_equal(linear("identity").predict(SCORES), SCORES)


# -- recipes -------------------------------------------------------------------------------------------

KINDS = ["apple", "bear", "candy", "dog", "egg"]


def clusters(n, seed, n_classes=5):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    angles = 2 * np.pi * y / 5
    return np.column_stack([np.cos(angles), np.sin(angles)]) + 0.15 * rng.standard_normal((n, 2)), y


def test_one_against_the_rest():
    """One network with a sigmoid output for each class; five networks with one each do the same."""
    X, y = clusters(500, 0)
    network = fastnet.Network([2, 5], output="sigmoid", seed=0)
    fastnet.Trainer(network, learning_rate=1.0, seed=0).fit(X, F.one_hot(y, 5), epochs=100)
    new, truth = clusters(300, 1)
    assert (network.decision_function(new).argmax(axis=1) == truth).mean() > 0.98
    dog = new[truth == 3][:1]
    answers = dict(zip(KINDS, (["No", "Yes"][said] for said in network.predict(dog)[0]), strict=True))
    assert answers == {"apple": "No", "bear": "No", "candy": "No", "dog": "Yes", "egg": "No"}
    for k in range(5):
        alone = fastnet.Network([2, 1], output="sigmoid", seed=0)
        fastnet.Trainer(alone, learning_rate=1.0, seed=0).fit(X, (y == k).astype(float), epochs=100)
        assert (alone.predict(new) == network.predict(new)[:, k]).mean() > 0.97


def test_class_indices_for_sigmoid_outputs_are_refused_with_the_recipe():
    X, y = clusters(50, 0)
    with pytest.raises(ValueError, match=r"From class indices: functional.one_hot\(y, 5\)"):
        fastnet.Trainer(fastnet.Network([2, 5], output="sigmoid")).fit(X, y, epochs=1)


def test_a_background_class_takes_what_belongs_to_none():
    """Neither cat nor dog: softmax must choose, so a third class is trained on other pictures."""
    X, y = clusters(400, 0, n_classes=2)
    rng = np.random.default_rng(1)
    others = 4 * rng.random((400, 2)) - 2
    others = others[np.linalg.norm(others[:, None] - X[None, :200], axis=2).min(axis=1) > 0.4]
    network = fastnet.Network([2, 16, 3], seed=0)
    trainer = fastnet.Trainer(network, learning_rate=0.5, seed=0)
    trainer.fit(np.vstack([X, others]), np.append(y, np.full(len(others), 2)), epochs=100)
    assert network.predict([[-1.0, -1.0], [-1.5, 0.5]]).tolist() == [2, 2]
    assert (network.predict(X) == y).mean() > 0.95


def test_one_hot_targets_are_class_indices():
    X, y = clusters(200, 0)
    networks = [fastnet.Network([2, 8, 5], seed=0) for _ in range(2)]
    for network, targets in zip(networks, (y, F.one_hot(y, 5)), strict=True):
        fastnet.Trainer(network, seed=0).fit(X, targets, epochs=3, validation_data=(X, targets))
    np.testing.assert_array_equal(networks[0].parameters, networks[1].parameters)
    assert networks[0].score(X, y) == networks[0].score(X, F.one_hot(y, 5).astype(bool))


def test_two_class_softmax_is_a_sigmoid_of_the_difference():
    z, y = 3 * np.random.default_rng(0).standard_normal((50, 2)), np.random.default_rng(1).integers(0, 2, 50)
    difference = z[:, 1] - z[:, 0]
    np.testing.assert_allclose(F.softmax(z)[:, 1], F.sigmoid(difference), rtol=1e-12)
    assert F.cross_entropy(z, y) == pytest.approx(F.binary_cross_entropy(difference, y), rel=1e-12)
    np.testing.assert_allclose(
        F.softmax_cross_entropy_grad(z, y)[:, 1], F.binary_cross_entropy_grad(difference, y), rtol=1e-11, atol=1e-15
    )


def test_the_keras_example():
    """Dense(128, relu), Dense(1, sigmoid), adam, binary cross-entropy: 513 parameters."""
    moons = load_moons()
    network = fastnet.Network([2, 128, 1], activation="relu", output="sigmoid", seed=0)
    assert network.n_parameters == 513
    trainer = fastnet.Trainer(network, optimizer="adam", loss="binary_cross_entropy", batch_size=32, seed=0)
    history = trainer.fit(moons.X_train, moons.y_train, epochs=150)
    assert history.loss[-1] < 0.3 < history.loss[0]
    assert network.score(moons.X_test, moons.y_test) > 0.88
