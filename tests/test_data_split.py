"""Which rows train, validate and test; data by name; where things are looked for."""

import os

import numpy as np
import pytest

import fastnet
from fastnet import FormatError, load_data, read_data
from fastnet.datasets.split import at_random, contiguous, stratified


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("counts", [(1,), (5, 5), (100, 50, 7, 1), (3,) * 40, (1000, 2)])
@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.2), (0, 0.25), (0.3, 0), (0, 0)])
def test_stratified_parts_hold_each_row_once_and_each_class_alike(counts, validation, test, seed):
    codes = np.random.default_rng(9).permutation(np.repeat(np.arange(len(counts)), counts))
    parts = stratified(codes, validation, test, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(codes)))
    for rows, share in ((parts.validation, validation), (parts.test, test)):
        assert np.all(np.diff(rows) > 0)
        found = np.bincount(codes[rows], minlength=len(counts))
        assert np.all(np.abs(found - np.array(counts) * share) <= 2)
        assert abs(len(rows) - len(codes) * share) <= 1 or len(codes) < 10
    assert set(codes[parts.train]) == set(range(len(counts)))
    again = stratified(codes, validation, test, seed)
    np.testing.assert_array_equal(parts.train, again.train)


def test_another_seed_draws_another_split():
    codes = np.arange(100) % 3
    first, second = (stratified(codes, 0.1, 0.2, seed) for seed in (0, 1))
    assert first.test.tolist() != second.test.tolist()
    assert at_random(100, 0.1, 0.2, 0).test.tolist() != at_random(100, 0.1, 0.2, 1).test.tolist()


def test_the_split_is_the_same_for_ever():
    parts = stratified(np.arange(10) % 2, 0.1, 0.2, 0)
    assert [part.tolist() for part in parts] == [[0, 1, 4, 5, 7, 8, 9], [2], [3, 6]]
    assert at_random(10, 0.1, 0.2, 0).test.tolist() == [4, 6]


def test_random_and_contiguous_parts_hold_each_row_once():
    parts = at_random(101, 0.1, 0.2, 0)
    assert sorted(np.concatenate(parts).tolist()) == list(range(101))
    assert list(map(len, parts)) == [71, 10, 20]
    assert contiguous(101, 0.1, 0.2) == (slice(0, 71), slice(71, 81), slice(81, 101))


def table(path, labels):
    path.write_text("x,y\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels)))
    return path


def test_a_table_is_split_by_classes_and_a_regression_at_random(tmp_path):
    data = load_data(table(tmp_path / "t.csv", ["a", "b"] * 50), target="y")
    assert (len(data.y_train), len(data.y_val), len(data.y_test), data.split) == (70, 10, 20, "stratified")
    assert [np.bincount(part).tolist() for part in (data.y_val, data.y_test)] == [[5, 5], [10, 10]]
    assert data.classes[data.y_test].tolist() == [["a", "b"][int(x) % 2] for x in data.X_test[:, 0]]
    data = load_data(table(tmp_path / "t.csv", [i / 7 for i in range(100)]), target="y")
    assert (len(data.y_test), data.split, data.task, data.classes) == (20, "random", "regression", None)
    np.testing.assert_allclose(data.y_test, data.X_test[:, 0] / 7)
    assert repr(data).startswith("Dataset 't': 1 feature, regression\n")
    with pytest.raises(AttributeError, match="n_classes: the data are a regression"):
        _ = data.n_classes


def test_shares_may_be_none_at_all(tmp_path):
    data = load_data(table(tmp_path / "t.csv", ["a", "b"] * 5), target="y", validation=0, test=0)
    assert (data.X_train.shape, data.X_val.shape, data.X_test.shape) == ((10, 1), (0, 1), (0, 1))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"validation": 1}, ValueError, "validation is 1; expected a share"),
        ({"test": -0.1}, ValueError, "test is -0.1"),
        ({"test": float("nan")}, ValueError, "test is nan"),
        ({"test": True}, TypeError, "test is True"),
        ({"test": [0.1]}, TypeError, "test is "),
        ({"test": 0.5, "validation": 0.5}, ValueError, "validation and test are 0.5 and 0.5; expected a sum of less"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"seed": None}, TypeError, "seed is None"),
        ({"test": "none.csv"}, FileNotFoundError, "source is 'none.csv'"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        load_data(table(tmp_path / "t.csv", ["a", "b"] * 50), target="y", **arguments)


@pytest.mark.parametrize(
    ("labels", "message"),
    [(["a"] * 10, "found one class only, .*a.*; expected at least two"), (["a", "b", "a"], "found 3 rows, too few")],
)
def test_too_little_to_learn_from(tmp_path, labels, message):
    with pytest.raises(FormatError, match=message):
        load_data(table(tmp_path / "t.csv", labels), target="y")


def test_parts_from_files_of_their_own(tmp_path):
    train = table(tmp_path / "train.csv", ["a", "b"] * 10)
    (tmp_path / "test.csv").write_text("y,extra,x\nb,9,7\na,9,8\n")
    data = load_data(train, target="y", test=tmp_path / "test.csv")
    assert (data.X_test.tolist(), data.y_test.tolist(), len(data.y_val)) == ([[7], [8]], [1, 0], 2)
    data = load_data(train, target="y", test=str(tmp_path / "test.csv"), validation=str(tmp_path / "test.csv"))
    assert (len(data.y_train), data.y_val.tolist(), data.split) == (20, [1, 0], "own")
    (tmp_path / "test.csv").write_text("y,x\nc,7\n")
    with pytest.raises(FormatError, match=r"test\.csv, line 2, column 'y': found the label 'c', expected one of a, b"):
        load_data(train, target="y", test=tmp_path / "test.csv")


def test_features_of_parts_must_agree(tmp_path):
    (tmp_path / "train.csv").write_text("1,2,0\n2,3,1\n" * 10)
    (tmp_path / "test.csv").write_text("1,0\n2,1\n")
    with pytest.raises(FormatError, match=r"test\.csv: found 1 features, expected 2"):
        load_data(tmp_path / "train.csv", target=-1, test=tmp_path / "test.csv")


# Sources


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("iris", (105, 4), ["setosa", "versicolor", "virginica"]),
        ("wine", (124, 13), ["class_0", "class_1", "class_2"]),
        ("breast-cancer", (398, 30), ["malignant", "benign"]),
        ("digits", (1079, 64), list(range(10))),
        ("moons", (200, 2), [0, 1]),
    ],
)
def test_data_by_name(name, shape, classes):
    data = load_data(name)
    assert (data.X_train.shape, data.X_train.dtype, data.classes.tolist()) == (shape, np.float32, classes)
    found = read_data(name, part="whole")
    assert len(found) == len(data.y_train) + len(data.y_val) + len(data.y_test)
    facts = next(facts for facts in fastnet.datasets.available() if facts.name == name)
    assert (facts.n_samples, facts.n_features, facts.n_classes) == (len(found), shape[1], len(classes))
    assert facts.own_split == (data.split == "own")


def test_a_set_that_brings_its_split_is_not_split_again():
    with pytest.raises(ValueError, match=r"validation is 0\.3; digits brings its own validation part"):
        load_data("digits", validation=0.3)
    assert load_data("moons", seed=3).X_train.tolist() == fastnet.datasets.load_moons(seed=3).X_train.tolist()
    np.testing.assert_array_equal(read_data("digits").X, load_data("digits").X_test)


@pytest.mark.parametrize("argument", ["target", "drop", "delimiter", "header", "image_shape"])
def test_a_name_takes_no_arguments_of_files(argument):
    values = {"target": "y", "drop": "a", "delimiter": ";", "header": True, "image_shape": (2, 2)}
    with pytest.raises(ValueError, match=f"{argument} is .*; 'iris' is a data set that needs none"):
        load_data("iris", **{argument: values[argument]})


@pytest.mark.parametrize(
    ("source", "near"), [("minst", "'mnist'"), ("breast_cancer", "'breast-cancer'"), ("Wine", "'wine'")]
)
def test_unknown_names_get_the_nearest(source, near):
    with pytest.raises(FileNotFoundError, match=f"source is '{source}'; there is no such file .*Did you mean {near}"):
        load_data(source)


def test_unknown_files_get_the_nearest(tmp_path, monkeypatch):
    table(tmp_path / "flowers.csv", "ab")
    with pytest.raises(FileNotFoundError, match=r"Did you mean '.*flowers\.csv'"):
        read_data(tmp_path / "flower.csv")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'flowers\.csv'"):
        read_data("flower.csv")


def test_formats_are_known_by_their_names_or_first_bytes(tmp_path):
    np.save(tmp_path / "array.npy", np.ones((3, 2)))
    (tmp_path / "array").write_bytes((tmp_path / "array.npy").read_bytes())
    assert read_data(tmp_path / "array").X.shape == (3, 2)
    (tmp_path / "notes.docx").write_text("words")
    with pytest.raises(FormatError, match="found a file of no known kind, expected CSV or TSV"):
        read_data(tmp_path / "notes.docx")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(FormatError, match="not a regular file"):
        read_data(tmp_path / "pipe.csv")


def test_the_source_is_a_path():
    with pytest.raises(TypeError, match="source is 3; expected a path"):
        load_data(3)


def test_a_network_learns_from_a_table_and_predicts_on_another(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    rows = [f"{a},{b},{'in' if a * a + b * b < 1.2 else 'out'}" for a, b in X]
    (tmp_path / "rings.csv").write_text("a,b,where\n" + "\n".join(rows))
    data = load_data(tmp_path / "rings.csv", target="where")
    network = fastnet.Network([2, 16, data.n_classes], seed=0)
    fastnet.Trainer(network, learning_rate=0.5, seed=0).fit(data.X_train, data.y_train, epochs=60)
    assert network.score(data.X_test, data.y_test) > 0.85
    (tmp_path / "new.csv").write_text("b,a,id\n0,0,x\n3,-3,y\n")
    new = read_data(tmp_path / "new.csv", feature_names=data.feature_names)
    assert data.classes[network.predict(new.X)].tolist() == ["in", "out"]
