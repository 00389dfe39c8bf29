"""JSON, quiet runs, colour, signals: what scripts rely on."""

import io
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from fastnet import cli, datasets
from fastnet.cli import interrupt, output

COMMAND = [sys.executable, "-m", "fastnet"]


def invoke(*args):
    return CliRunner().invoke(cli.app, list(args), prog_name="fastnet")


def test_train_prints_one_json_object_and_progress_on_stderr():
    result = invoke("train", "digits", "--epochs", "2", "--json")
    found = json.loads(result.stdout)
    assert found["test_accuracy"] > 0.9
    assert (found["epochs"], found["interrupted"], found["model"]) == (2, False, None)
    assert 0 < found["seconds"] < found["total_seconds"]
    assert found["compile_seconds"] > 0
    assert found["settings"]["hidden"] == [64]
    assert "  2/2 " in result.stderr
    quiet = invoke("train", "digits", "--epochs", "2", "--json", "--quiet")
    assert json.loads(quiet.stdout)["test_accuracy"] == found["test_accuracy"]
    assert quiet.stderr == ""


def test_quiet_leaves_the_result():
    result = invoke("train", "digits", "--epochs", "2", "--quiet")
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 1
    assert result.stdout.startswith("test accuracy ")


def test_an_error_leaves_stdout_empty():
    result = invoke("train", "digits", "--learning-rate", "1e30", "--json")
    assert (result.exit_code, result.stdout) == (4, "")


def test_settings_that_are_saved_repeat_the_run(tmp_path):
    path = str(tmp_path / "run.toml")
    first = invoke(
        "train", "digits", "--hidden", "9,8", "--epochs", "2", "--seed", "3", "--json", "--save-config", path
    )
    again = invoke("train", "--config", path, "--json")
    for key in ("test_accuracy", "loss", "settings", "seed", "layer_sizes"):
        assert json.loads(first.stdout)[key] == json.loads(again.stdout)[key]


def test_a_result_that_cannot_be_written_is_one_line(tmp_path):
    result = invoke("predict", "model", "digits", "-o", str(tmp_path / "none" / "out.csv"))
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --output must name a file that can be written, ")
    assert len(result.stderr.splitlines()) == 1


def test_json_knows_no_nan_and_no_numpy():
    found = {"a": np.float32(0.5), "b": np.array([1.0, np.nan]), 3: (np.int64(2), np.True_), "d": float("inf")}
    assert output.plain(found) == {"a": 0.5, "b": [1.0, None], "3": [2, True], "d": None}


class Terminal:
    def isatty(self):
        return True


def test_colour_is_for_terminals_that_want_it(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.style("ok", "green", Terminal()) == "\x1b[32mok\x1b[0m"
    assert output.style("ok", "green") == "ok"
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.style("ok", "green", Terminal()) == "ok"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert output.style("ok", "green", Terminal()) == "ok"


def test_closed_and_narrow_streams_are_no_reason_to_fail(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", narrow)
    cli._mend_streams()
    with sys.stdout as stream:
        print("gone", file=stream)
    print("R² ☃", file=narrow, flush=True)
    assert narrow.buffer.getvalue() == b"R\\xb2 \\u2603\n"


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt, 130), (interrupt.Terminated, 143)])
def test_an_interrupt_outside_training_is_one_line(monkeypatch, raised, code):
    def load(*_, **__):
        raise raised

    monkeypatch.setattr(datasets, "load_data", load)
    result = invoke("train", "digits")
    assert (result.exit_code, result.stderr) == (code, "error: interrupted before training began\n")


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_sigterm_ends_at_a_minibatch_with_its_own_code():
    args = ["train", "moons", "--epochs", "10000000", "--json"]
    with subprocess.Popen([*COMMAND, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(20):
            process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 143
    found = json.loads(stdout)
    assert found["interrupted"]
    assert found["epochs"] >= 10
    assert "Traceback" not in stderr
