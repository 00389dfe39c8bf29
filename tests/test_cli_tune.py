"""fastnet tune: its space from flags, what it prints and writes."""

import csv
import json
import shlex

import pytest
from typer.testing import CliRunner

import fastnet
from fastnet import cli, tuning
from fastnet.cli import interrupt, tune

# A space whose kernels other tests compile, too.
FEW = [
    "--trials",
    4,
    "--epochs",
    4,
    "--activation",
    "tanh",
    "--momentum",
    0,
    "--batch-size",
    "16,32",
    "--hidden",
    "4..9",
]
FEW += ["--learning-rate", "0.01..0.5", "--weight-decay", 0]


def invoke(*args):
    return CliRunner().invoke(cli.app, [str(arg) for arg in args], prog_name="fastnet")


@pytest.mark.parametrize(
    ("name", "text", "entry"),
    [
        ("learning_rate", "1e-6..0.1", (1e-6, 0.1)),
        ("learning_rate", "0.1...5", (0.1, 0.5)),
        ("learning_rate", "1..2", (1.0, 2.0)),
        ("learning_rate", "0.1", 0.1),
        ("hidden", "10..100", (10, 100)),
        ("hidden", "20", [20]),
        ("hidden", "50, 100-50", [50, (100, 50)]),
        ("batch_size", "16,32", [16, 32]),
        ("activation", "tanh,relu", ["tanh", "relu"]),
        ("optimizer", "adam", "adam"),
        ("dropout", "0,0.5", [0.0, 0.5]),
    ],
)
def test_flags_are_entries_of_the_space(name, text, entry):
    assert tune.entry(name, text) == entry


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--hidden", "ten"], "--hidden must be units such as 10..100"),
        (["--batch-size", "16.5"], "--batch-size must be whole numbers, got '16.5'"),
        (["--learning-rate", "low..high"], "--learning-rate must be a range such as"),
        (["--learning-rate", "0.5..0.1"], "learning_rate"),
        (["--activation", "tan"], "Did you mean 'tanh'?"),
        (["--trials", "0"], "--trials must be >= 1, got 0"),
        (["--jobs", "0"], "--jobs must be >= 1, got 0"),
        (["--factor", "1"], "--factor must be >= 2, got 1"),
        (["--max-time", "-1"], "--max-time must be more than 0"),
        (["-o", "/no/such/folder/m"], "--output must name a file that can be written"),
    ],
)
def test_refusals(args, words):
    result = invoke("tune", "iris", *args)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert words in result.stderr.splitlines()[-1]


def test_a_search_saves_what_it_found(tmp_path):
    files = ["-o", tmp_path / "best.safetensors", "--trials-file", tmp_path / "trials.csv"]
    result = invoke("tune", "iris", *FEW, *files, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["trials"], found["interrupted"], found["seed"]) == (4, False, 0)
    assert "rung 1 of 3" in result.stderr
    network = fastnet.load(tmp_path / "best.safetensors")
    assert network.classes.tolist() == ["setosa", "versicolor", "virginica"]
    assert network.preprocessing.factors is not None
    data = fastnet.load_data("iris")
    assert found["test_accuracy"] == network.score(data.X_test, data.y_test)
    with (tmp_path / "trials.csv").open() as file:
        assert {row["trial"] for row in csv.DictReader(file)} == {"0", "1", "2", "3"}


def test_the_command_that_is_printed_trains_the_same_network(tmp_path):
    result = invoke("tune", "iris", *FEW, "--quiet", "-o", tmp_path / "best.safetensors", "--seed", 1)
    assert result.stderr == ""
    _, command, last = result.stdout.splitlines()
    assert last.startswith("test accuracy ")
    words = shlex.split(command)
    assert words[:3] == ["fastnet", "train", "iris"]
    assert invoke(*words[1:], "-o", tmp_path / "again.safetensors").exit_code == 0
    assert (tmp_path / "best.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_a_search_may_be_ended_by_the_clock_or_by_ctrl_c(monkeypatch):
    def search(*_, callback, **__):
        result.interrupted = callback(tuning.TuningState("val_accuracy", 1, 1))
        return result

    class Result(dict):
        __getattr__ = dict.__getitem__

        def __setattr__(self, name, value):
            self[name] = value

    network = fastnet.Network([4, 3])
    result = Result(
        best_network=network, best_params={"hidden": (5,)}, best_trial=0, best_score=0.5, trials=[{"trial": 0}]
    )
    result |= {"monitor": "val_accuracy", "seed": 0, "test_score": 0.5, "interrupted": False, "seconds": 9.0}
    result |= {"diverged": [], "history": [1]}
    monkeypatch.setattr(tuning, "tune", search)
    limited = invoke("tune", "iris", "--max-time", 1e-9, "--json", "--quiet")
    assert (limited.exit_code, json.loads(limited.stdout)["interrupted"]) == (0, True)
    result.interrupted = False
    whole = invoke("tune", "iris", "--quiet")
    assert (whole.exit_code, whole.stdout.splitlines()[-1].startswith("test accuracy 50.00 %")) == (0, True)

    def interrupted(*_, **__):
        result.interrupted = True
        return result

    monkeypatch.setattr(tuning, "tune", interrupted)
    assert invoke("tune", "iris", "--quiet").exit_code == 130
    monkeypatch.setattr(interrupt, "_terminated", True)
    assert invoke("tune", "iris", "--quiet").exit_code == 143
