"""The command line: what it prints and where, exit codes, help, Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace

import pytest
from typer.testing import CliRunner, Result

from fastnet import __version__, cli, datasets
from fastnet.cli import messages, parsing
from fastnet.cli import settings as train
from fastnet.exceptions import DownloadError, FormatError
from fastnet.kernels.more_activations import CODES
from fastnet.optimizers import NAMES as OPTIMIZERS
from fastnet.preprocessing import PCA
from fastnet.schedules import NAMES

LAST = re.compile(r"test accuracy (\d+\.\d\d) % in [\d.]+ s of training \((\d+) epochs?, [\d.]+ s in total\)")
ROW = re.compile(r" *(\d+)/(\d+) +[\d.e+-]+ +\d+\.\d\d % +\d+\.\d\d % +[\d,]+( +[\d.e-]+)?")
COMMAND = [sys.executable, "-m", "fastnet"]


def invoke(*args: str) -> Result:
    return CliRunner().invoke(cli.app, list(args), prog_name="fastnet")


def refusal(result: Result, code: int) -> str:
    """What a failed command says, after a look at how it says it."""
    assert result.exit_code == code, result.output
    message = result.stderr.splitlines()[-1]
    assert message.startswith("error: ")
    assert "Traceback" not in result.output
    return message.removeprefix("error: ")


def train_settings(data: str, preset: str | None, flags: dict[str, object]) -> train.Settings:
    base = train.PRESETS[preset] if preset else train.DEFAULTS[data]
    return train.merged(base, train.given(flags))


def run(*args: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *args], capture_output=True, text=True, check=False, timeout=250, **options)


# -- training ------------------------------------------------------------------------------------------


def test_train_digits_reaches_a_good_accuracy():
    result = invoke("train", "digits")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0] == f"digits {train.DEFAULTS['digits']} --seed 0"
    assert lines[1].split() == ["epoch", "loss", "accuracy", "validation", "samples/s"]
    rows = [ROW.fullmatch(line) for line in lines[2:-1]]
    assert [int(row[1]) for row in rows] == list(range(1, 31))
    assert float(LAST.fullmatch(lines[-1])[1]) >= 96


def test_train_moons_reaches_a_good_accuracy():
    lines = invoke("train", "moons").stdout.splitlines()
    assert float(LAST.fullmatch(lines[-1])[1]) >= 98


@pytest.mark.mnist
def test_train_mnist(mnist):
    del mnist  # that it is there is all that is needed
    result = invoke("train", "mnist", "--epochs", "2")
    assert result.exit_code == 0, result.output
    assert float(LAST.fullmatch(result.stdout.splitlines()[-1])[1]) >= 96


def test_columns_are_aligned():
    lines = invoke("train", "digits", "--epochs", "12", "--schedule", "cosine").stdout.splitlines()[1:-1]
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) < 80
    ends = [[match.end() for match in re.finditer(r"[\w./,]+( %| rate)?", line)] for line in lines]
    assert all(row == ends[0] for row in ends)


def test_the_learning_rate_is_shown_when_it_changes():
    lines = invoke("train", "digits", "--epochs", "4", "--schedule", "step").stdout.splitlines()
    assert lines[1].endswith("learning rate")
    assert [ROW.fullmatch(line)[3] for line in lines[2:-1]] == [f"{'0.1':>15}", None, f"{'0.01':>15}", f"{'0.001':>15}"]


def test_a_run_repeats_itself_and_follows_its_seed():
    def accuracies(*args: str) -> list[list[str]]:
        lines = invoke("train", "digits", "--epochs", "3", *args).stdout.splitlines()[2:-1]
        return [line.split()[:5] for line in lines]

    assert accuracies() == accuracies() == accuracies("--threads", "2")
    assert accuracies() != accuracies("--seed", "1")


@pytest.mark.parametrize(
    ("hidden", "sizes"),
    [("none", ()), ("", ()), ("None", ()), ("5", (5,)), ("300,100", (300, 100)), (" 8 , 4 ", (8, 4))],
)
def test_hidden_layers(hidden, sizes):
    assert parsing.layers(hidden) == sizes


def test_a_network_without_hidden_layer_trains():
    result = invoke("train", "digits", "--hidden", "none", "--epochs", "1")
    assert result.exit_code == 0
    assert result.stdout.startswith("digits --hidden none --epochs 1 ")


def test_every_setting_is_a_flag():
    flags = {"hidden": "7,5", "epochs": 2, "batch_size": 16, "learning_rate": 0.05, "momentum": 0.5,
             "weight_decay": 0.002, "schedule": "step", "activation": "sigmoid", "optimizer": "sgd",
             "loss": "squared_error", "dropout": 0.25, "clip_norm": 2.0,
             "n_candidates": 5, "candidate_distribution": "log_uniform",
             "weight_init": "he", "scale": "standard", "pca": 20, "patience": 9, "min_proba": 0.5}  # fmt: skip
    switches = {"nesterov": True, "center": False, "whiten": True}
    assert {*flags, *switches} == {field.name for field in fields(train.Settings)}
    args = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    first = invoke("train", "digits", *args, "--nesterov", "--no-center", "--whiten").stdout.splitlines()[0]
    assert first == f"digits {train.Settings(**flags | switches | {'hidden': (7, 5)})} --seed 0"


@pytest.mark.parametrize("name", [*train.DEFAULTS, "article"])
def test_the_settings_that_are_printed_give_the_same_settings(name):
    settings = train.DEFAULTS.get(name) or train.PRESETS[name]
    words = str(replace(settings, epochs=1, nesterov=True)).split()
    first = invoke("train", "moons", *words).stdout.splitlines()[0]
    assert first.split()[1:-2] == words


def test_article_preset_and_flags_that_override_it():
    expected = train.Settings((10,), 100, 32, 0.1, 0.0, False, 0.001, "halve", "tanh", "sgd")
    assert train_settings("mnist", "article", {"epochs": None}) == expected
    first = invoke("train", "moons", "--preset", "article", "--epochs", "2").stdout.splitlines()[0]
    assert first == f"moons {replace(expected, epochs=2)} --seed 0"


def test_principal_components_may_be_a_share_of_the_variance():
    result = invoke("train", "digits", "--pca", "0.9", "--whiten", "--scale", "minmax", "--epochs", "2")
    assert result.exit_code == 0, result.output
    n = PCA(0.9).fit(datasets.load_digits().X_train, "minmax").n_components_
    assert result.stdout.splitlines()[1] == f"{n} principal components"


def test_early_stopping_and_unsure_answers():
    result = invoke("train", "digits", "--patience", "2", "--epochs", "500", "--min-proba", "0.99")
    last = result.stdout.splitlines()[-1]
    found = re.match(r"test accuracy (\d+\.\d\d) % of the (\d+\.\d) % that were decided in ", last)
    assert float(found[1]) > 98
    assert 20 < float(found[2]) < 100
    assert len(result.stdout.splitlines()) < 100


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_another_optimizer_has_its_own_rate_and_no_momentum(optimizer):
    base = train.DEFAULTS["digits"]
    expected = replace(base, optimizer=optimizer, learning_rate=0.001, momentum=0.0)
    lines = invoke("train", "digits", "--optimizer", optimizer).stdout.splitlines()
    assert lines[0] == f"digits {expected} --seed 0"
    assert float(LAST.fullmatch(lines[-1])[1]) >= 95
    assert train_settings("digits", None, {"optimizer": "sgd"}) == base
    given = {"optimizer": optimizer, "learning_rate": 0.01}
    assert train_settings("digits", None, given) == replace(expected, learning_rate=0.01)


def test_off_a_terminal_there_are_lines_only():
    result = run("train", "digits", "--epochs", "2")
    assert result.returncode == 0
    assert re.fullmatch(r"(compiling kernels, once\nkernels compiled, once|kernels loaded from the cache), in .*\n"
                        r"|kernels loaded from the cache in [\d.]+ s\n", result.stderr)  # fmt: skip
    assert LAST.fullmatch(result.stdout.splitlines()[-1])
    assert not re.search(r"[^\n\x20-\x7e]", result.stdout + result.stderr)


# -- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["digits", "--preset", "artikel"], ["--preset must be one of 'article'", "'artikel'"]),
        (["digits", "--learning-rate", "-1"], ["--learning-rate must be", "(0, inf)", "-1.0"]),
        (["digits", "--learning-rate", "nan"], ["--learning-rate must be", "nan"]),
        (["digits", "--learning-rate", "fast"], ["'--learning-rate'"]),
        (["digits", "--batch-size", "0"], ["--batch-size must be >= 1, got 0"]),
        (["digits", "--epochs", "0"], ["--epochs must be >= 1, got 0"]),
        (["digits", "--epochs", "1.5"], ["'--epochs'"]),
        (["digits", "--momentum", "1"], ["--momentum must be", "[0, 1)", "1.0"]),
        (["digits", "--optimizer", "adamax"], ["--optimizer must be one of 'sgd', 'adam', 'adamw'", "Did you mean"]),
        (["digits", "--optimizer", "adam", "--momentum", "0.9"], ["--momentum=0.9 does not go with", "'adam'"]),
        (["digits", "--optimizer", "adamw", "--nesterov"], ["--nesterov=True does not go with", "'adamw'"]),
        (["digits", "--weight-decay", "-0.1"], ["--weight-decay must be", "-0.1"]),
        (["digits", "--schedule", "cosin"], ["--schedule must be one of", "'cosin'", "Did you mean 'cosine'?"]),
        (["digits", "--activation", "tan"], ["--activation must be one of", "Did you mean 'tanh'?"]),
        (["digits", "--seed", "-1"], ["--seed must be >= 0, got -1"]),
        (["digits", "--threads", "0"], ["--threads must be >= 1, got 0"]),
        (["digits", "--hidden", "30x"], ["--hidden must be units such as", "'30x'"]),
        (["digits", "--hidden", "-3"], ["--hidden must be units such as", "'-3'"]),
        (["digits", "--hidden", "3,,4"], ["--hidden must be units such as", "'3,,4'"]),
        (["digits", "--hidden", "30,0"], ["--hidden must be >= 1, got 0"]),
        (["digits", "--hidden", "99999999,99999999"], ["--hidden [64, 99999999, 99999999, 10] need", "GiB"]),
        (["digits", "--weight-init", "hee"], ["--weight-init must be one of", "Did you mean 'he'?"]),
        (["digits", "--scale", "max"], ["--scale must be one of 'auto', 'minmax', 'standard', got 'max'"]),
        (["digits", "--scale", "0"], ["--scale must be a finite number"]),
        (["digits", "--pca", "65"], ["--pca must be between 1 and 64, got 65"]),
        (["digits", "--pca", "1.5"], ["--pca must be a finite number in (0, 1), got 1.5"]),
        (["digits", "--pca", "half"], ["--pca must be a number of components", "'half'"]),
        (["digits", "--patience", "0"], ["--patience must be >= 1, got 0"]),
        (["digits", "--min-proba", "1"], ["--min-proba must be a finite number in [0, 1)"]),
        (["digits", "--epoch", "3"], ["--epoch", "--epochs"]),
        (["digits", "moons"], ["moons"]),
    ],
)  # fmt: skip
def test_bad_values_are_usage_errors_that_name_the_flag(args, words):
    result = invoke("train", *args)
    message = refusal(result, messages.USAGE)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    for word in words:
        assert word in message


def test_a_bad_flag_is_refused_before_data_are_looked_for(tmp_path):
    assert "--momentum" in refusal(
        invoke("train", "mnist", "--momentum", "2", "--data-dir", str(tmp_path)), messages.USAGE
    )


def test_an_unknown_command_is_a_usage_error():
    assert "train" in refusal(invoke("trian"), messages.USAGE)


def test_missing_data_are_a_data_error(tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"one of four")
    result = invoke("train", "mnist", "--data-dir", str(tmp_path))
    assert result.exit_code == messages.DATA
    assert "error: MNIST files are missing:" in result.stderr
    assert f"{tmp_path / 'mnist'} lacks train-labels-idx1-ubyte, " in result.stderr


def test_a_failed_download_is_a_data_error_that_lists_the_folders(tmp_path, monkeypatch):
    monkeypatch.setattr("fastnet.datasets.remote.CHECKOUT", tmp_path / "none")
    monkeypatch.setattr("fastnet.datasets.mnist.MNIST", datasets.mnist.MNIST._replace(mirrors=()))
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache")
    monkeypatch.setenv("FASTNET_DATA", str(tmp_path / "variable"))
    result = invoke("train", "mnist", "--data-dir", str(tmp_path / "argument"))
    assert result.exit_code == messages.DATA
    assert "error: MNIST: no mirror serves train-images-idx3-ubyte.gz:" in result.stderr
    for place in ("argument", "variable", "cache"):
        assert f"{tmp_path / place / 'mnist'} lacks " in result.stderr


@pytest.mark.parametrize("error", [FormatError("byte 3"), DownloadError("no mirror"), PermissionError(13, "denied")])
def test_damaged_data_are_a_data_error(monkeypatch, error):
    def load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_data", load)
    assert refusal(invoke("train", "digits"), messages.DATA) == str(error)


def test_divergence_has_its_own_exit_code():
    message = refusal(invoke("train", "digits", "--learning-rate", "1e30"), messages.DIVERGED)
    assert "diverged: loss became nan in minibatch" in message
    assert "of epoch 1 (--learning-rate=1e+30)" in message
    assert "--learning-rate" in message


def test_too_little_memory_is_one_line(monkeypatch):
    def load(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 4.00 TiB")

    monkeypatch.setattr(datasets, "load_data", load)
    assert "Unable to allocate 4.00 TiB" in refusal(invoke("train", "digits"), 1)


def test_warnings_are_one_line_and_name_the_flag():
    args = ["-W", "default", "-m", "fastnet", "train", "digits", "--batch-size", "2000", "--epochs", "1"]
    result = subprocess.run([sys.executable, *args], capture_output=True, text=True, check=False, timeout=250)
    assert "warning: --batch-size=2000 is more than the 1079 samples: each epoch is one minibatch\n" in result.stderr
    assert result.returncode == 0


# -- help ----------------------------------------------------------------------------------------------


def test_help_names_all_choices():
    text = invoke("train", "--help").stdout
    for word in (
        *train.DEFAULTS,
        *train.PRESETS,
        *NAMES,
        *OPTIMIZERS,
        *(name for name in CODES if name != "step"),
        *(f"--{f.name.replace('_', '-')}" for f in fields(train.Settings)),
    ):
        assert word in text
    for settings in train.DEFAULTS.values():
        assert str(settings) in re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("args", [(), ("train",)])
def test_no_arguments_are_a_call_for_help(args):
    result = invoke(*args)
    assert result.exit_code == 0
    assert result.stdout == invoke(*args, "--help").stdout
    assert result.stderr == ""


def test_version():
    assert invoke("--version").stdout == f"fastnet {__version__}\n"


def test_help_imports_nothing_heavy():
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "fastnet", "--help"], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in result.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"numba", "llvmlite", "numpy", "sklearn", "scipy", "pooch", "rich"}


def test_help_comes_at_once(record_property):
    started = time.perf_counter()
    assert run("--help").returncode == 0
    seconds = time.perf_counter() - started
    record_property("help_seconds", seconds)
    assert seconds < 5  # 0.15 s here; the promise of 0.5 s is kept by the benches, not on a busy machine


# -- signals -------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_tells_what_was_reached():
    args = ["train", "moons", "--epochs", "10000000"]
    with subprocess.Popen([*COMMAND, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(20)]
        started = time.perf_counter()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        seconds = time.perf_counter() - started
    assert ROW.fullmatch(lines[-1].rstrip())
    assert process.returncode == messages.INTERRUPTED
    pattern = r"interrupted: test accuracy \d+\.\d\d % in [\d.]+ s of training \([\d.]+ of 10000000 epochs\)"
    assert re.fullmatch(pattern, stdout.splitlines()[-1])
    assert "Traceback" not in stderr
    assert seconds < 10


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_before_training(monkeypatch):
    def load(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "load_data", load)
    assert "before training" in refusal(invoke("train", "digits"), messages.INTERRUPTED)


def test_ctrl_c_is_left_alone_when_it_is_somebody_elses():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert invoke("train", "moons", "--epochs", "1").exit_code == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_a_broken_pipe_ends_quietly():
    args = ["train", "moons", "--epochs", "100000"]
    with subprocess.Popen([*COMMAND, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.stdout.close()
        stderr = process.stderr.read()
        process.wait(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert "BrokenPipe" not in stderr
    assert "Exception ignored" not in stderr


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
def test_on_a_terminal_there_is_a_bar_and_all_lines():
    import pty

    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [*COMMAND, "train", "moons", "--epochs", "3000"], stdout=slave, stderr=slave, env=environment, close_fds=True
    )
    os.close(slave)
    output = b""
    try:
        while block := os.read(master, 65536):
            output += block
    except OSError:  # the end of a pseudo-terminal
        pass
    os.close(master)
    assert process.wait(timeout=60) == 0
    shown = re.sub(r"\x1b\[(?!1A|2K)[0-9;?]*[a-zA-Z]|\r", "", output.decode())
    assert re.search(r"epoch \d+/3000 .* left", shown)
    text = re.sub(r"[^\n]*\n\x1b\[1A\x1b\[2K|[^\n]*\x1b\[2K", "", shown)  # erased lines
    assert [int(n) for n in re.findall(r"^ *(\d+)/3000 ", text, re.MULTILINE)] == list(range(1, 3001))
    assert " left" not in text
    assert LAST.fullmatch(text.splitlines()[-1])
    assert b"\x1b[?25h" in output  # the cursor is back
