"""fastnet train on the user's own files: what it saves, logs, resumes and refuses."""

import json
import shlex

import numpy as np
import pytest
from typer.testing import CliRunner

import fastnet
from fastnet import cli
from fastnet.callbacks import EarlyStopping
from fastnet.cli import settings, training
from fastnet.cli.interrupt import Interrupt

# Settings whose kernels other tests compile, too.
PLAIN = ["--hidden", "8", "--optimizer", "sgd", "--activation", "tanh", "--learning-rate", "0.1"]
PLAIN += ["--schedule", "constant", "--scale", "standard", "--batch-size", "16"]


def invoke(*args):
    return CliRunner().invoke(cli.app, ["train", *(str(arg) for arg in args)], prog_name="fastnet")


def refusal(result, code):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    return result.stderr.splitlines()[0]


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    from sklearn.datasets import load_iris

    iris, path = load_iris(), tmp_path_factory.mktemp("data") / "the flowers.csv"
    names = ["n", "sepal length", "sepal width", "petal length", "petal width", "kind"]
    rows = zip(iris.data.tolist(), iris.target_names[iris.target], strict=True)
    lines = [f"f{i},{','.join(map(str, x))},{kind}" for i, (x, kind) in enumerate(rows)]
    path.write_text("\n".join([",".join(names), *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def own(flowers):
    return [flowers, "--target", "kind", "--drop", "n", *PLAIN]


def test_a_table_becomes_a_model_that_evaluates_as_it_was_tested(own, flowers, tmp_path):
    path = tmp_path / "m.safetensors"
    found = json.loads(invoke(*own, "--epochs", 30, "-o", path, "--seed", 2, "--json", "--quiet").stdout)
    assert found["test_accuracy"] > 0.8
    assert found["model"] == str(path)
    assert found["classes"] == ["setosa", "versicolor", "virginica"]
    assert found["samples"] == [105, 15, 30]
    network = fastnet.load(path)
    assert network.feature_names == ("sepal length", "sepal width", "petal length", "petal width")
    args = ["evaluate", path, flowers, "--target", "kind", "--drop", "n", "--part", "test", "--seed", 2, "--json"]
    evaluated = CliRunner().invoke(cli.app, [str(arg) for arg in args])
    assert json.loads(evaluated.stdout)["accuracy"] == found["test_accuracy"]


def test_the_line_that_is_printed_repeats_the_run(own, tmp_path):
    path = tmp_path / "m.safetensors"
    args = [*own, "--epochs", 3, "-o", path, "--class-weight", "setosa=2,virginica=0.5", "--test", 0.1, "--seed", 1]
    lines = invoke(*args).stdout.splitlines()
    assert lines[-1] == f"saved in {path}"
    again = tmp_path / "again.safetensors"
    assert invoke(*shlex.split(lines[0]), "-o", again).exit_code == 0
    assert path.read_bytes() == again.read_bytes()
    plain = tmp_path / "plain.safetensors"
    invoke(*own, "--epochs", 3, "-o", plain, "--test", 0.1, "--seed", 1)
    assert path.read_bytes() != plain.read_bytes()


def test_settings_of_a_file_repeat_the_run(own, tmp_path):
    args = [*own, "--epochs", 2, "--validation", 0.2, "-o", tmp_path / "m.safetensors"]
    invoke(*args, "--save-config", tmp_path / "run.toml")
    invoke("--config", tmp_path / "run.toml", "-o", tmp_path / "again.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_history_is_a_table(own, tmp_path):
    invoke(*own, "--epochs", 3, "--history", tmp_path / "h.csv")
    history = fastnet.History.from_csv(tmp_path / "h.csv")
    assert len(history) == 3
    assert np.isfinite(history.val_accuracy).all()


def test_an_interrupted_run_says_how_to_go_on_and_ends_as_if_it_had_not_been(own, tmp_path, monkeypatch):
    whole = invoke(*own, "--epochs", 5, "-o", tmp_path / "whole.safetensors", "--history", tmp_path / "whole.csv")
    assert whole.exit_code == 0
    args = ["--epochs", 5, "-o", tmp_path / "m.safetensors", "--history", tmp_path / "h.csv"]

    def interrupt(self, state):
        if state.epoch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Interrupt, "on_epoch_end", interrupt)
        cut = invoke(*own, *args, "--checkpoint-dir", tmp_path / "ck", "--checkpoint-every", 2)
    assert cut.exit_code == 130
    *_, result, saved, go_on = cut.stdout.splitlines()
    assert result.startswith("interrupted: test accuracy ")
    assert "(3 of 5 epochs)" in result
    assert saved == f"saved in {tmp_path / 'm.safetensors'}"
    words = shlex.split(go_on.removeprefix("to go on: "))
    assert words[:2] == ["fastnet", "train"]
    assert words[-1] == "--resume"
    resumed = invoke(*words[2:])
    assert resumed.exit_code == 0, resumed.output
    assert (tmp_path / "m.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    one, other = (fastnet.History.from_csv(tmp_path / name) for name in ("h.csv", "whole.csv"))
    assert (one.val_loss == other.val_loss).all()
    refused = invoke(*own, *args, "--checkpoint-dir", tmp_path / "ck")
    assert refused.exit_code == 3
    assert "Give --resume" in refused.stderr


def test_numbers_are_predicted_too(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 2))
    y = X @ [1.0, -2.0] + 0.5
    lines = [f"{a:.4f},{b:.4f},{c:.4f}" for (a, b), c in zip(X, y, strict=True)]
    (tmp_path / "d.csv").write_text("\n".join(["a,b,goal", *lines]))
    args = [tmp_path / "d.csv", "--target", "goal", *PLAIN, "--epochs", 40, "--learning-rate", 0.02]
    result = invoke(*args)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["epoch", "loss", "validation", "R²", "samples/s"]
    assert lines[-1].startswith("test R² 0.9")
    found = json.loads(invoke(*args, "--json", "--quiet").stdout)
    assert found["test_r2"] > 0.9
    assert "test_accuracy" not in found
    assert found["classes"] is None


def test_without_parts_for_validation_or_test(own):
    result = invoke(*own, "--epochs", 1, "--validation", 0, "--test", 0)
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["epoch", "loss", "accuracy", "samples/s"]
    assert lines[-1].startswith("trained in ")
    found = json.loads(invoke(*own, "--epochs", 1, "--validation", 0, "--test", 0, "--json", "--quiet").stdout)
    assert found["test_accuracy"] is found["val_accuracy"] is None
    assert found["samples"] == [150, 0, 0]


def test_time_may_be_limited(own):
    found = json.loads(invoke(*own, "--epochs", 1000, "--max-time", 1e-9, "--json", "--quiet").stdout)
    assert (found["epochs"], found["interrupted"]) == (1, False)


def test_early_stopping_says_how_many_epochs_there_were(own, monkeypatch):
    monkeypatch.setattr(EarlyStopping, "on_epoch_end", lambda self, state: state.epoch == 2)
    last = invoke(*own, "--epochs", 9, "--patience", 5).stdout.splitlines()[-1]
    assert "(2 of 9 epochs, " in last


def test_weights_of_classes_are_named(own, flowers):
    data = fastnet.load_data(flowers, target="kind", drop="n")
    assert training._class_weight("virginica=2, setosa=1e-2", data) == {2: 2.0, 0: 0.01}
    assert training._class_weight("balanced", data) == "balanced"
    assert training._class_weight(None, data) is None


def test_what_suits_one_optimizer_is_not_taken_for_another():
    base = settings.Settings((8,), 9, optimizer="adamw", learning_rate=0.003, weight_decay=3.3, schedule="cosine")
    sgd = settings.merged(base, {"optimizer": "sgd"})
    assert (sgd.learning_rate, sgd.weight_decay, sgd.schedule) == (0.1, 0.0, "cosine")
    assert settings.merged(base, {"optimizer": "sgd", "weight_decay": 0.1}).weight_decay == 0.1
    assert settings.merged(base, {"epochs": 3}).weight_decay == 3.3


def test_flags_are_shown_where_they_differ_from_what_suits_the_data():
    base = settings.Settings((8,), 9, dropout=0.3, nesterov=True, center=False, whiten=True)
    usual = settings.Settings((8,), 9)
    shown = settings.command("a b", usual, base, {"seed": 1, "drop": ["p", "q"], "header": False, "task": None})
    assert shown.startswith("'a b' --hidden 8 --epochs 9 ")
    assert shown.endswith(
        "--no-nesterov --dropout 0.0 --center --no-whiten --seed 1 --drop p --drop q --no-header",
    )
    assert settings.command("x", base, base, {}) == f"x {base}"


def test_what_suits_data_is_taken_where_no_flag_is_given(flowers):
    data = fastnet.load_data(flowers, target="kind", drop="n")
    base = settings.suited(str(flowers), data)
    assert settings.merged(base, {"epochs": 3}).hidden == base.hidden
    assert settings.merged(base, {"epochs": 3}).epochs == 3


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nothing.csv"], 3, "DATA is 'nothing.csv'; there is no such file"),
        (["mnits"], 3, "Did you mean 'mnist'?"),
        (["FLOWERS", "--target", "kin"], 2, "--target is 'kin'"),
        (["FLOWERS", "--target", "kind"], 3, "--drop 'n'"),
        (["FLOWERS", "--target", "kind", "--drop", "m"], 2, "--drop is 'm'"),
        (["FLOWERS", "--target", "kind", "--drop", "n", "--task", "sorting"], 2, "--task is 'sorting'"),
        (["FLOWERS", "--target", "kind", "--drop", "n", "--test", "1.5"], 2, "--test is 1.5"),
        (["FLOWERS", "--target", "kind", "--drop", "n", "--class-weight", "rosa=2"], 2, "--class-weight must be one "),
        (["FLOWERS", "--target", "kind", "--drop", "n", "--class-weight", "rosa"], 2, "--class-weight must be bal"),
        (["iris", "--target", "kind"], 2, "target"),
        (["iris", "--resume"], 2, "--resume needs --checkpoint-dir"),
        (["iris", "--checkpoint-every", "3"], 2, "--checkpoint-every needs --checkpoint-dir"),
        (["iris", "--checkpoint-dir", "ck", "--checkpoint-every", "often"], 2, "--checkpoint-every"),
        (["iris", "--max-time", "0"], 2, "--max-time must be more than 0 seconds"),
        (["iris", "-o", "/no/such/folder/m.safetensors"], 2, "--output must name a file that can be written"),
        (["iris", "--history", "/no/such/folder/h.csv"], 2, "--history must name a file that can be written"),
        (["iris", "--image-shape", "28"], 2, "--image-shape must be such as 28x28"),
    ],
)  # fmt: skip
def test_refusals(flowers, tmp_path, monkeypatch, args, code, words):
    monkeypatch.chdir(tmp_path)
    assert words in refusal(invoke(*(flowers if arg == "FLOWERS" else arg for arg in args)), code)
    assert list(tmp_path.iterdir()) == []


def test_data_verbs(tmp_path, monkeypatch):
    def data(*args):
        return CliRunner().invoke(cli.app, ["data", *args])

    found = json.loads(data("list", "--json").stdout)["datasets"]
    assert {entry["name"] for entry in found} >= {"digits", "mnist", "iris"}
    assert data("list").stdout.splitlines()[0].split() == [
        "name", "what", "samples", "features", "classes", "download", "here",
    ]  # fmt: skip
    assert data("path", "iris").stdout.endswith("iris.csv\n")
    assert "is drawn" in data("path", "moons").stdout
    assert data("fetch", "wine").exit_code == 0
    assert json.loads(data("verify", "digits", "--json").stdout) == {"name": "digits", "files": []}
    assert "Did you mean 'iris'?" in data("path", "irs").stderr
    assert data("path", "irs").exit_code == 2
    monkeypatch.setenv("FASTNET_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte").write_bytes(b"one of four")
    assert data("verify", "mnist").exit_code == 3
