"""Evaluations: the figures are scikit-learn's, the tables say what the arrays say; nothing is trained here."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn import metrics as sk

from fastnet import Network, functional
from fastnet.evaluation import Evaluation

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4)).astype(np.float32)
WEIGHTS = RNG.random(60) + 0.1


@pytest.fixture(scope="module")
def classes():
    """A network of four classes, of which one is never predicted and another never true."""
    network = Network([4, 4], seed=1)
    network.biases[0][3] = -50.0
    return network, np.arange(60) % 3


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_classes_equal_scikit_learn(classes, weights):
    network, y = classes
    found = network.evaluate(X, y, weights)
    predicted, proba = network.predict(X), network.predict_proba(X).astype(np.float64)
    assert found.task == "classification"
    assert found.accuracy == pytest.approx(sk.accuracy_score(y, predicted, sample_weight=weights))
    assert found.loss == pytest.approx(np.average(-np.log(proba[np.arange(60), y]), weights=weights), rel=1e-5)
    np.testing.assert_allclose(
        found.confusion, sk.confusion_matrix(y, predicted, labels=range(4), sample_weight=weights)
    )
    report = sk.classification_report(y, predicted, output_dict=True, sample_weight=weights, zero_division=0)
    for row in found.per_class[:3]:
        expected = report[str(row["class"])]
        assert [row["precision"], row["recall"], row["f1"], row["support"]] == pytest.approx(list(expected.values()))
    assert math.isnan(found.per_class[3]["f1"])  # neither true nor predicted
    assert found.averages["macro"]["f1"] == pytest.approx(report["macro avg"]["f1-score"])
    assert found.averages["weighted"]["precision"] == pytest.approx(report["weighted avg"]["precision"])
    assert math.isnan(found.r2)
    assert math.isnan(found.mse)
    assert math.isnan(found.mae)


def test_accuracy_and_loss_are_those_of_the_network(classes):
    network, y = classes
    found = network.evaluate(X, y)
    assert found.accuracy == network.score(X, y)
    assert found.loss == pytest.approx(network.loss_and_gradients(X, y)[0], rel=1e-6)
    squared = network.evaluate(X, y, loss="squared_error")
    errors = network.predict_proba(X) - functional.one_hot(y, 4)
    assert squared.loss == pytest.approx((errors**2).sum() / 120, rel=1e-5)


def test_mistakes_are_sorted_by_their_loss(classes):
    network, y = classes
    found = network.evaluate(X, y)
    predicted, proba = network.predict(X), network.predict_proba(X)
    assert set(found.mistakes) == set(np.flatnonzero(predicted != y))
    assert (np.diff(found.losses[found.mistakes]) <= 0).all()
    first = found.mistakes[0]
    assert found.probability[first] == proba[first].max()
    assert found.true_probability[first] == proba[first, y[first]]
    assert found.true_probability[first] == pytest.approx(math.exp(-found.losses[first]), rel=1e-4)


def test_one_sigmoid_is_two_classes():
    network, y = Network([4, 1], output="sigmoid", seed=0), np.arange(60) % 2
    found = network.evaluate(X, y)
    assert found.accuracy == network.score(X, y)
    np.testing.assert_array_equal(found.confusion, sk.confusion_matrix(y, network.predict(X)))
    proba = network.predict_proba(X)[:, 0].astype(np.float64)
    np.testing.assert_array_equal(found.true_probability, np.where(y == 1, proba, 1 - proba))


def test_several_labels():
    network, y = Network([4, 3], output="sigmoid", seed=0), (X[:, :3] > 0.3).astype(int)
    found = network.evaluate(X, y, WEIGHTS)
    said = network.predict(X)
    assert found.task == "multilabel"
    assert found.accuracy == pytest.approx(sk.accuracy_score(y, said, sample_weight=WEIGHTS))
    np.testing.assert_allclose(found.confusion, sk.multilabel_confusion_matrix(y, said, sample_weight=WEIGHTS))
    f1 = sk.f1_score(y, said, average=None, sample_weight=WEIGHTS)
    assert [row["f1"] for row in found.per_class] == pytest.approx(f1)
    assert set(found.mistakes) == set(np.flatnonzero((y != said).any(axis=1)))
    assert "missed" in str(found)
    assert "confusion" not in str(found)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_regression_equals_scikit_learn(n_outputs):
    network, y = Network([4, n_outputs], output="identity", seed=0), X[:, :n_outputs] * 2 + 1
    found = network.evaluate(X, y[:, 0] if n_outputs == 1 else y, WEIGHTS)
    said = network.predict(X).reshape(60, n_outputs)
    assert found.r2 == pytest.approx(sk.r2_score(y, said, sample_weight=WEIGHTS), rel=1e-5)
    assert found.mse == pytest.approx(sk.mean_squared_error(y, said, sample_weight=WEIGHTS), rel=1e-5)
    assert found.mae == pytest.approx(sk.mean_absolute_error(y, said, sample_weight=WEIGHTS), rel=1e-5)
    assert found.loss == pytest.approx(found.mse * n_outputs / 2)
    assert math.isnan(found.accuracy)
    assert (found.confusion, found.per_class, found.averages) == (None, (), {})
    assert found.mistakes[0] == np.argmax(((y - said) ** 2).sum(axis=1))
    assert str(found).startswith(f"R² {found.r2:.4f}, MSE ")
    assert json.loads(json.dumps(found.to_dict(2), allow_nan=False))["mistakes"][1]["sample"] == found.mistakes[1]
    assert math.isnan(network.evaluate(X[:1], y[:1]).r2)


def test_text(classes):
    network, y = classes
    text = str(network.evaluate(X, y))
    lines = text.splitlines()
    assert lines[0] == repr(network.evaluate(X, y)).removeprefix("Evaluation(").removesuffix(")")
    assert lines[2].split() == ["class", "precision", "recall", "f1", "support"]
    assert lines[6].split() == ["3", "-", "-", "-", "0"]
    assert "confusion: true classes in rows, predictions in columns" in lines
    assert lines[-6].split() == ["sample", "true", "predicted", "probability", "true", "probability", "loss"]
    assert max(map(len, lines)) <= 100
    assert "worst mistakes" not in network.evaluate(X, y).report(n_worst=0)


def test_names_of_classes_are_shown():
    found = Evaluation(
        "classification", np.array([0, 1, 1]), np.array([0, 1, 0]), np.array([0.1, 0.2, 3.0]),
        np.array([0.9, 0.8, 0.95]), np.array([0.9, 0.8, 0.05]), None, ("a cat", "the longest name of any dog"),
    )  # fmt: skip
    text = str(found)
    assert "the longest name of…" in text
    assert "     2  the longest name of…      a cat       95.0 %             5.0 %     3" in text.splitlines()
    assert found.to_dict()["mistakes"] == [
        {
            "sample": 2,
            "true": "the longest name of any dog",
            "predicted": "a cat",
            "probability": 0.95,
            "true_probability": 0.05,
            "loss": 3.0,
        }
    ]


def test_many_classes_show_what_is_confused_most():
    n = 200
    true = np.arange(n)
    predicted = np.where(true < 3, 7, true)
    true[0] = 1
    ones = np.ones(n)
    found = Evaluation("classification", true, predicted, ones, ones, ones, None, tuple(range(n)))
    text = str(found)
    after = text[text.index("most confused classes") :].splitlines()
    assert after[1].split() == ["true", "predicted", "samples"]
    assert [line.split() for line in after[2:4]] == [["1", "7", "2"], ["2", "7", "1"]]
    perfect = Evaluation("classification", true, true, ones, ones, ones, None, tuple(range(n)))
    assert "confus" not in str(perfect)
    assert "mistakes" not in str(perfect)


def test_json_has_no_nan(classes):
    network, y = classes
    found = json.loads(json.dumps(network.evaluate(X, y).to_dict(n_worst=3), allow_nan=False))
    assert found["per_class"][3]["f1"] is None
    assert len(found["mistakes"]) == 3
    assert np.sum(found["confusion"]) == 60


def test_classes_of_the_network_are_used(classes):
    _, y = classes
    from fastnet.metrics import evaluated

    logits = np.eye(3)[y]
    targets = Network([4, 3])._check_targets("y", y, 60)
    assert evaluated(logits, targets, "softmax", np.array(["a", "b", "c"])).classes == ("a", "b", "c")
    assert evaluated(logits, targets, "softmax", np.array([10, 20])).classes == (0, 1, 2)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"X": X[:0], "y": []}, ValueError, "X is empty: an evaluation needs at least one sample"),
        ({"X": X[:, :3]}, ValueError, "X has 3 features, but the network expects 4"),
        ({"y": np.full(60, 4)}, ValueError, r"y: label 4 at index 0 is outside \[0, 4\)"),
        ({"sample_weight": np.ones(3)}, ValueError, r"sample_weight must have shape \(60,\)"),
        ({"loss": "binary_cross_entropy"}, ValueError, "does not go with output='softmax'"),
    ],
)
def test_what_is_refused(classes, change, error, text):
    network, y = classes
    arguments = {"X": X, "y": y} | change
    with pytest.raises(error, match=text):
        network.evaluate(**arguments)


def test_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    some, two = np.array([0, 1, 1]), np.array([[0, 1], [1, 1], [1, 0]])
    ones = np.ones(3)
    classification = Evaluation("classification", some, some[::-1], ones, ones, ones, None, ("a", "b"))
    assert classification.plot(tmp_path / "a.svg").axes[0].get_xlabel() == "predicted class"
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    regression = Evaluation("regression", some * 1.5, some * 1.0, ones)
    assert regression.plot().axes[0].get_xlabel() == "true value"
    labels = Evaluation("multilabel", two, two[::-1], ones, two * 1.0, two * 1.0, None, ("a", "b"))
    assert [text.get_text() for text in labels.plot().axes[0].get_xticklabels()] == ["a", "b"]


def test_functional_one_hot_rows_are_the_same_targets(classes):
    network, y = classes
    assert network.evaluate(X, functional.one_hot(y, 4)).loss == network.evaluate(X, y).loss


def test_a_namespace_will_do_for_pictures():
    """plots take what has the fields of an evaluation, so that others can draw theirs."""
    pytest.importorskip("matplotlib")
    from fastnet import plots

    found = SimpleNamespace(confusion=np.eye(2), classes=("a", "b"))
    assert plots.confusion_matrix(found).axes[0].get_ylabel() == "true class"
