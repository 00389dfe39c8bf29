"""Flags from a TOML file, and settings written into one."""

import tomllib
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from fastnet.cli import Commands, config


def invoke(*args):
    """What a command with flags of every kind gets, or how it refuses."""
    app, seen = typer.Typer(cls=Commands, rich_markup_mode=None, add_completion=False), {}

    @app.command()
    def other():
        pass

    @app.command()
    def verb(
        data: str,
        file: config.Config = None,
        text: str | None = None,
        batch_size: int = 32,
        rate: float | None = None,
        on: Annotated[bool | None, typer.Option("--on/--off")] = None,
        as_json: Annotated[bool, typer.Option("--json")] = False,
        drop: Annotated[list[str] | None, typer.Option()] = None,
        output: Annotated[Path | None, typer.Option("--output", "-o")] = None,
    ):
        seen.update(locals())
        del seen["seen"], seen["file"]

    result = CliRunner().invoke(app, ["verb", *map(str, args)])
    return result, seen


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "run.toml"
        path.write_text(text)
        return path

    return write


def test_every_kind_of_flag_can_be_in_the_file(file):
    path = file(
        'data = "x.csv"\ntext = "a b"\nbatch-size = 7\nrate = 1\non = false\njson = true\ndrop = ["p", "q"]\n'
        'output = "m.safetensors"\n'
    )
    result, seen = invoke("--config", path)
    assert result.exit_code == 0, result.output
    assert seen == {
        "data": "x.csv", "text": "a b", "batch_size": 7, "rate": 1.0, "on": False, "as_json": True,
        "drop": ["p", "q"], "output": Path("m.safetensors"),
    }  # fmt: skip
    assert isinstance(seen["rate"], float)


def test_the_command_line_goes_before_the_file(file):
    path = file('data = "x.csv"\nbatch_size = 7\non = false\ndrop = "p"')
    _, seen = invoke("--on", "y.csv", "--config", path, "--batch-size", 9)
    assert (seen["data"], seen["batch_size"], seen["on"], seen["drop"]) == ("y.csv", 9, True, ["p"])


def test_numbers_and_lists_are_texts_as_they_would_be_typed(file):
    assert invoke("x", "--config", file("text = [300, 100]"))[1]["text"] == "300,100"
    assert invoke("x", "--config", file("text = 0.95"))[1]["text"] == "0.95"
    assert invoke("x", "--config", file("text = []"))[1]["text"] == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("batch_sise = 7", ["unknown name 'batch_sise'", "Did you mean 'batch_size'?"]),
        ("zzzz = 7", ["unknown name 'zzzz'", "Known are data, text"]),
        ("config = 'other.toml'", ["unknown name 'config'"]),
        ("[verb]\nrate = 1", ["unknown name 'verb'"]),
        ("batch-size = 1\nbatch_size = 2", ["'batch_size' is there twice"]),
        ("batch_size = 1.5", ["batch_size must be a whole number, got 1.5"]),
        ("batch_size = true", ["batch_size must be a whole number, got True"]),
        ("batch_size = '7'", ["batch_size must be a whole number, got '7'"]),
        ("rate = 'fast'", ["rate must be a number, got 'fast'"]),
        ("rate = false", ["rate must be a number"]),
        ("on = 1", ["on must be true or false, got 1"]),
        ("text = true", ["text must be a text, a number or a list of these, got True"]),
        ("text = [[1]]", ["text must be a text"]),
        ("text = 2020-01-01", ["text must be a text"]),
        ("drop = [true]", ["drop must be a text"]),
        ("rate = = 1", ["is not TOML", "line 1"]),
    ],
)
def test_what_does_not_fit_is_a_usage_error(file, text, words):
    path = file(text)
    result, seen = invoke("x", "--config", path)
    assert result.exit_code == 2
    assert seen == {}
    assert result.stderr.startswith(f"error: --config: {path}")
    assert len(result.stderr.splitlines()) == 1
    for word in words:
        assert word in result.stderr


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    result, _ = invoke("x", "--config", tmp_path / "none.toml")
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: --config: {tmp_path}/none.toml: No such file or directory\n",
    )
    (tmp_path / "bad.toml").write_bytes(b"a = '\xff'")
    result, _ = invoke("x", "--config", tmp_path / "bad.toml")
    assert (result.exit_code, "is not TOML" in result.stderr) == (2, True)


@pytest.mark.parametrize("text", ["plain", 'q"uo\\te', "line\nend\t", "\x7f\x1f", "ünï ☃", ""])
def test_what_is_written_reads_back(text):
    settings = {"text": text, "n": 3, "x": 1e-05, "on": True, "hidden": (300, 100), "none": None}
    expected = {**settings, "hidden": [300, 100]}
    del expected["none"]
    assert tomllib.loads(config.as_toml(settings)) == expected
