"""The commands that use a saved model: evaluate, predict, export, plot."""

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from fastnet import Network, cli, load
from fastnet.cli import export

ROWS = "id,length,width,kind\na,2.0,0.0,dog\nb,0.5,3.0,cat\nc,1.0,0.0,cat\nd,0.0,4.0,cat\n"


def invoke(*args):
    return CliRunner().invoke(cli.app, [str(arg) for arg in args], prog_name="fastnet")


def refusal(result, code):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def table(text):
    return list(csv.reader(io.StringIO(text)))


def network(output="softmax", n_outputs=2, classes=("dog", "cat")):
    """Columns length and width are the logits of dog and cat."""
    found = Network([2, n_outputs], output=output)
    found.weights[0][:] = np.eye(2)[:, :n_outputs]
    found.classes, found.feature_names = classes, ("length", "width")
    return found


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.safetensors"
    network().save(path)
    return path


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "animals.csv"
    path.write_text(ROWS)
    return path


# -- evaluate ------------------------------------------------------------------------------------------


def test_evaluate_prints_tables(model, data):
    result = invoke("evaluate", model, data, "--target", "kind")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("accuracy 75.00 %, loss ")
    assert "confusion" in result.stdout
    mistakes = result.stdout.partition("worst mistakes")[2].splitlines()
    assert mistakes[2].split()[:3] == ["2", "cat", "dog"]
    assert len(mistakes) == 3


def test_evaluate_prints_json(model, data):
    found = json.loads(invoke("evaluate", model, data, "--target", "kind", "--worst", "1", "--json").stdout)
    assert found["accuracy"] == 0.75
    assert found["classes"] == ["dog", "cat"]
    assert found["confusion"] == [[1, 0], [1, 2]]
    assert [mistake["sample"] for mistake in found["mistakes"]] == [2]
    assert (found["model"], found["data"]) == (str(model), str(data))


def test_evaluate_takes_the_rows_that_training_held_back(model, tmp_path):
    from fastnet import load_data

    path = tmp_path / "many.csv"
    lines = [f"x{i},{i % 7},{i % 5},{'cat' if i % 3 else 'dog'}" for i in range(60)]
    path.write_text("\n".join(["id,length,width,kind", *lines]))
    swapped = Network([2, 2])
    swapped.weights[0][:] = np.eye(2)
    swapped.classes, swapped.feature_names = ["cat", "dog"], ("width", "length")
    swapped.save(model)
    args = ["--target", "kind", "--drop", "id", "--part", "test", "--seed", "3", "--test", "0.25", "--json"]
    found = json.loads(invoke("evaluate", model, path, *args).stdout)
    dataset = load_data(path, target="kind", drop="id", seed=3, test=0.25)
    assert found["n_samples"] == len(dataset.y_test) == 15
    assert found["accuracy"] == swapped.score(dataset.X_test[:, ::-1], dataset.y_test)


def test_evaluate_numbers(tmp_path):
    network("identity", 1, None).save(tmp_path / "m.safetensors")
    (tmp_path / "d.csv").write_text("length,width,goal\n1.5,0,1.5\n2.5,0,3.5\n0.25,0,0.25\n")
    found = json.loads(
        invoke("evaluate", tmp_path / "m.safetensors", tmp_path / "d.csv", "--target", "goal", "--json").stdout
    )
    assert found["task"] == "regression"
    assert found["mse"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--target", "kin"], 2, "--target is 'kin'"),
        ([], 2, "has no targets: give their column with --target"),
        (["--target", "kind", "--worst", "-1"], 2, "--worst must be >= 0"),
        (["--target", "kind", "--part", "tests"], 2, "--part must be one of train, validation, test"),
        (["--target", "id"], 3, "'a'"),
        (["--target", "kind", "--drop", "length"], 3, "length"),
    ],
)
def test_evaluate_refuses(model, data, args, code, words):
    assert words in refusal(invoke("evaluate", model, data, *args), code)


def test_models_that_are_not_there_or_damaged(tmp_path, data):
    missing = tmp_path / "none.safetensors"
    assert refusal(invoke("predict", missing, data), 3) == f"error: {missing}: No such file or directory"
    missing.write_bytes(b"no model at all")
    assert str(missing) in refusal(invoke("evaluate", missing, data, "--target", "kind"), 3)


# -- predict -------------------------------------------------------------------------------------------


def test_predict_prints_csv(model, data):
    header, *rows = table(invoke("predict", model, data).stdout)
    assert header == ["sample", "prediction", "probability"]
    assert [row[:2] for row in rows] == [["0", "dog"], ["1", "cat"], ["2", "dog"], ["3", "cat"]]
    assert float(rows[0][2]) == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-6)


def test_predict_in_numpy_says_the_same(model, data):
    with_numba = table(invoke("predict", model, data, "--proba").stdout)
    with_numpy = table(invoke("predict", model, data, "--proba", "--backend", "numpy").stdout)
    assert with_numba[0] == with_numpy[0] == ["sample", "prediction", "probability", "dog", "cat"]
    for ours, theirs in zip(with_numba[1:], with_numpy[1:], strict=True):
        assert ours[:2] == theirs[:2]
        np.testing.assert_allclose([float(p) for p in ours[2:]], [float(p) for p in theirs[2:]], atol=1e-6)


def test_predict_shows_what_is_asked_for(model, data):
    assert [row[0] for row in table(invoke("predict", model, data, "--only", "cat").stdout)[1:]] == ["1", "3"]
    assert [row[0] for row in table(invoke("predict", model, data, "--min-prob", "0.9").stdout)[1:]] == ["1", "3"]
    both = invoke("predict", model, data, "--only", "cat", "--only", "dog", "--min-prob", "0.88")
    assert [row[0] for row in table(both.stdout)[1:]] == ["0", "1", "3"]


def test_predict_writes_files(model, data, tmp_path):
    path = tmp_path / "out.tsv"
    result = invoke("predict", model, data, "--only", "dog", "-o", path)
    assert result.stdout == f"2 of 4 predictions in {path}\n"
    assert path.read_text().splitlines()[0] == "sample\tprediction\tprobability"
    found = json.loads(invoke("predict", model, data, "-o", path, "--json").stdout)
    assert found == {
        "model": str(model), "data": str(data), "output": str(path), "n_samples": 4, "counts": {"dog": 2, "cat": 2},
    }  # fmt: skip


def test_predict_prints_json(model, data):
    found = json.loads(invoke("predict", model, data, "--json", "--only", "dog").stdout)
    assert [row["sample"] for row in found["predictions"]] == [0, 2]
    assert found["counts"] == {"dog": 2, "cat": 0}


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_predict_with_one_sigmoid_and_with_several(tmp_path, data, backend):
    path = tmp_path / "m.safetensors"
    network("sigmoid", 1).save(path)
    rows = table(invoke("predict", path, data, "--proba", "--backend", backend).stdout)
    assert rows[0] == ["sample", "prediction", "probability", "dog", "cat"]
    assert rows[1][1] == "cat"
    assert float(rows[1][2]) == float(rows[1][4]) == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-6)
    network("sigmoid", 2).save(path)
    rows = table(invoke("predict", path, data, "--proba", "--backend", backend).stdout)
    assert rows[0] == ["sample", "dog", "cat", "p(dog)", "p(cat)"]
    assert rows[2][:3] == ["1", "1", "1"]
    only = table(invoke("predict", path, data, "--only", "cat", "--min-prob", "0.97", "--backend", backend).stdout)
    assert [row[0] for row in only[1:]] == ["3"]


def test_predict_numbers(tmp_path, data):
    path = tmp_path / "m.safetensors"
    network("identity", 2, None).save(path)
    assert table(invoke("predict", path, data).stdout)[:2] == [
        ["sample", "prediction 0", "prediction 1"],
        ["0", "2.0", "0.0"],
    ]
    network("identity", 1, None).save(path)
    assert table(invoke("predict", path, data).stdout)[:2] == [["sample", "prediction"], ["0", "2.0"]]
    assert "need classes" in refusal(invoke("predict", path, data, "--proba"), 2)


def test_predict_images_names_files(tmp_path):
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, pixel in (("a.png", [255, 0]), ("b.png", [0, 255])):
        image.fromarray(np.array([pixel], np.uint8)).save(folder / name)
    plain = network()
    plain.feature_names = None
    plain.save(tmp_path / "m.safetensors")
    result = invoke("predict", tmp_path / "m.safetensors", folder)
    assert [row[:2] for row in table(result.stdout)] == [["file", "prediction"], ["a.png", "dog"], ["b.png", "cat"]]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--only", "dgo"], 2, "--only must be one of 'dog', 'cat', got 'dgo'. Did you mean 'dog'?"),
        (["--min-prob", "1.5"], 2, "--min-prob must be from 0 to 1, got 1.5"),
        (["--backend", "torch"], 2, "--backend must be one of 'numba', 'numpy'"),
        (["-o", "/no/such/folder/out.csv"], 2, "--output must name a file"),
    ],
)
def test_predict_refuses(model, data, args, code, words):
    assert words in refusal(invoke("predict", model, data, *args), code)


def test_predict_needs_the_columns_of_the_model(model, tmp_path):
    (tmp_path / "d.csv").write_text("length,height\n1,2\n")
    assert "'width'" in refusal(invoke("predict", model, tmp_path / "d.csv"), 3)


# -- export --------------------------------------------------------------------------------------------


@pytest.fixture
def scaled(tmp_path):
    """A model with hidden layers, centring and scaling."""
    from fastnet.preprocessing import fitted

    path, found = tmp_path / "deep.safetensors", Network([3, 8, 2], seed=0)
    X = np.random.default_rng(0).normal([5, 100, -3], [1, 30, 0.1], (50, 3)).astype(np.float32)
    found.preprocessing = fitted([X], True, "standard", None, 3, found.dtype)
    found.classes = ["no", "yes"]
    found.save(path)
    return path


@pytest.mark.parametrize("form", ["npz", "json", "onnx", "torch"])
def test_an_exported_model_predicts_the_same(scaled, form):
    pytest.importorskip({"onnx": "onnxruntime", "torch": "torch"}.get(form, "numpy"))
    result = invoke("export", scaled, "--format", form, "--check", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["output"] == str(scaled.with_suffix(export._FORMATS[form]))
    assert found["largest_difference"] <= 1e-6


def test_the_check_of_an_export_can_fail(scaled, tmp_path, monkeypatch):
    def wrong(network, path):
        network.biases[0][0] += 0.01
        export._write_json(network, path)
        network.biases[0][0] -= 0.01

    monkeypatch.setitem(export._WRITERS, "json", wrong)
    result = invoke("export", scaled, "-o", tmp_path / "m.json", "--check")
    assert result.exit_code == 1
    assert "predicts something else than the model" in result.stderr


def test_export_to_json_has_plain_layers(scaled, tmp_path):
    invoke("export", scaled, "-o", tmp_path / "m.json")
    found = json.loads((tmp_path / "m.json").read_text())
    assert (found["layer_sizes"], found["activations"], found["output"]) == ([3, 8, 2], ["tanh"], "softmax")
    assert found["classes"] == ["no", "yes"]
    assert np.shape(found["weights"][0]) == (3, 8)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "--format is missing: give one of onnx, npz, torch, json"),
        (["-o", "m.txt"], "--format is missing"),
        (
            ["--format", "onx"],
            "--format must be one of 'onnx', 'npz', 'torch', 'json', got 'onx'. Did you mean 'onnx'?",
        ),
    ],
)
def test_export_refuses(model, args, words):
    assert words in refusal(invoke("export", model, *args), 2)


# -- plot ----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Creating legend")  # matplotlib says so where it took a second
@pytest.mark.parametrize("kind", ["confusion", "boundary", "worst"])
def test_plot_a_model_on_data(model, data, tmp_path, kind):
    pytest.importorskip("matplotlib")
    path = tmp_path / "figure.svg"
    result = invoke("plot", model, data, "--target", "kind", "--kind", kind, "-o", path)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{path}: {kind}\n"
    assert path.read_bytes().startswith(b"<?xml")


def test_plot_weights_history_and_trials(model, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    Network([4, 3], seed=0).save("m.safetensors")
    (tmp_path / "h.csv").write_text("epoch,loss,val_loss\n1,2,3\n2,1,2\n")
    (tmp_path / "t.csv").write_text(
        "trial,rung,status,val_accuracy,learning_rate,hidden,error\n0,0,finished,0.5,0.1,20,\n1,0,diverged,nan,0.2,30,x\n"
        "2,0,finished,0.7,0.01,10,\n"
    )
    for source, kind in (("m.safetensors", "weights"), ("h.csv", "curves"), ("t.csv", "tuning")):
        assert invoke("plot", source).stdout == f"{kind}.png: {kind}\n"
        assert (tmp_path / f"{kind}.png").read_bytes().startswith(b"\x89PNG")
    assert invoke("plot", "t.csv", "--kind", "parallel").stdout == "parallel.png: parallel\n"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--kind", "confuson"], 2, "Did you mean 'confusion'?"),
        (["--kind", "confusion"], 2, "--kind confusion needs DATA behind the model"),
        (["--kind", "curves"], 2, "--kind curves needs a CSV file of a history"),
        (["-o", "figure.bmp"], 2, ".bmp"),
        (["--image-shape", "3y3"], 2, "--image-shape must be such as 28x28"),
    ],
)
def test_plot_refuses(tmp_path, args, code, words):
    pytest.importorskip("matplotlib")
    Network([4, 3], seed=0).save(tmp_path / "m.safetensors")
    assert words in refusal(invoke("plot", tmp_path / "m.safetensors", *args), code)


def test_plot_refuses_tables_that_are_none(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "h.csv").write_text("epoch,val_loss\n1,2\n")
    assert "'loss'" in refusal(invoke("plot", tmp_path / "h.csv"), 3)
    (tmp_path / "h.csv").write_text("epoch,loss\n1,2\n")
    assert "does not go with a history" in refusal(invoke("plot", tmp_path / "h.csv", "--kind", "tuning"), 2)


def test_the_models_of_this_file_are_what_they_seem(model):
    assert load(model).predict([[1, 0], [0, 1]]).tolist() == [0, 1]
