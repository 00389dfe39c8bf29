"""Checkpoints of trainings: whatever ends a training, and wherever, a resumed one ends with the same bits."""

import os
import shutil
import signal
import subprocess
import sys
from itertools import count

import numpy as np
import pytest
from trainings import (
    EPOCHS,
    Interrupt,
    block_data,
    dense_data,
    early,
    fit,
    in_pieces,
    make,
    outcome,
    seven,
    sparse_data,
    whole,
)

import fastnet
from fastnet import plan
from fastnet.checkpoints import folder as folders
from fastnet.checkpoints import keeper


@pytest.fixture(scope="module")
def dense():
    return dense_data()


@pytest.fixture(scope="module")
def sparse():
    return sparse_data()


@pytest.fixture(scope="module")
def blocks():
    return block_data()


@pytest.fixture(autouse=True)
def short_calls(monkeypatch):
    monkeypatch.setattr(plan, "minibatches_per_call", seven)


# Kinds of compiled code that are compiled for other tests anyway.
LIGHT = {
    "dense": ("dense", {}),
    "momentum": ("dense", {"momentum": 0.9, "nesterov": True, "learning_rate": 0.02, "weight_decay": 0.01}),
    "sparse": ("sparse", {"batch_size": 1, "weight_decay": 0.05}),
    "blocks": ("blocks", {"batch_size": 32, "momentum": 0.9, "weight_decay": 0.05, "n_units": 30}),
    "narrow blocks folded": ("blocks", {"batch_size": 16, "weight_decay": 0.05}),
    "narrow blocks one by one": ("blocks", {"weight_decay": 0.05}),
    "narrow blocks": ("blocks", {"batch_size": 16, "momentum": 0.9, "weight_decay": 0.05}),
    "plateau": ("dense", {"schedule": fastnet.schedules.Plateau(patience=1, min_delta=0.1)}),
    "cosine": ("dense", {"schedule": "cosine"}),
    "early": ("dense", {"callbacks": early(), "epochs": 30, "learning_rate": 1.0}),
}
HEAVY = {
    "components": ("dense", {"scale": "standard", "pca": 4, "n_inputs": 4}),
    "sparse momentum": ("sparse", {"momentum": 0.9, "learning_rate": 0.02}),
    "adam": ("dense", {"optimizer": "adam", "learning_rate": 0.01}),
    "adamw": ("sparse", {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1}),
    "dropout": ("dense", {"dropout": 0.3, "activation": "relu"}),
    "clipped": ("sparse", {"clip_norm": 0.5}),
    "threads": ("sparse", {"n_threads": 2, "batch_size": 8, "weight_decay": 0.01}),
    "blocks adam": ("blocks", {"optimizer": "adam", "batch_size": 32, "learning_rate": 0.01, "n_units": 30}),
    "narrow blocks adamw": ("blocks", {"optimizer": "adamw", "batch_size": 16, "weight_decay": 0.1}),
    "blocks clipped": ("blocks", {"clip_norm": 0.5, "batch_size": 32, "momentum": 0.9, "n_units": 30}),
    "narrow blocks clipped": ("blocks", {"clip_norm": 0.5, "batch_size": 16, "momentum": 0.9}),
    "blocks dropout": ("blocks", {"dropout": 0.3, "batch_size": 32, "n_units": 30}),
    "blocks threads": ("blocks", {"n_threads": 2, "batch_size": 32, "n_units": 30}),
}
KINDS = [*LIGHT, *(pytest.param(kind, marks=pytest.mark.slow) for kind in HEAVY)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_in_pieces_has_the_bits_of_a_whole_one(kind, request, tmp_path):
    name, settings = (LIGHT | HEAVY)[kind]
    data, settings = request.getfixturevalue(name), dict(settings)
    epochs = settings.pop("epochs", EPOCHS if name == "dense" else 2)
    expected = whole(data, epochs=epochs, **settings)
    rng = np.random.default_rng(len(kind))
    per_epoch = -(-(len(data[0]) - 30) // settings.get("batch_size", 4) // 7)
    found, interruptions = in_pieces(data, tmp_path, rng.integers(1, per_epoch, 60), epochs=epochs, **settings)
    assert found == expected
    assert interruptions >= 2
    if name != "dense":
        assert fit(make(data, **settings), data, 1).first_layer == name


@pytest.mark.parametrize("kind", ["dense", "sparse", "narrow blocks"])
def test_every_file_leads_to_the_same_bits(kind, request, tmp_path, monkeypatch):
    """Writing a checkpoint changes nothing, and a training that is killed at any time goes on from its last one."""
    name, settings = LIGHT[kind]
    data, settings = request.getfixturevalue(name), dict(settings, checkpoint_every="1s")
    copies, clock, write = [], count(), folders.Folder.write
    monkeypatch.setattr(keeper.time, "monotonic", lambda: next(clock) / 4)

    def copying(self, *args):
        path = write(self, *args)
        copies.append(tmp_path / f"copy{len(copies)}")
        shutil.copytree(self.path, copies[-1])
        return path

    expected = whole(data, epochs=2, **LIGHT[kind][1])
    with monkeypatch.context() as patch:
        patch.setattr(folders.Folder, "write", copying)
        trainer = make(data, tmp_path / "run", **settings)
        assert outcome(trainer, fit(trainer, data, 2)) == expected
    assert len(copies) >= 5
    assert any("-" in path.stem.removeprefix("checkpoint-") for copy in copies for path in copy.glob("*.safetensors"))
    for copy in copies:
        trainer = make(data, copy, start=5, **settings)
        assert outcome(trainer, fit(trainer, data, 2, resume=True)) == expected


# -- Ctrl-C anywhere -----------------------------------------------------------------------------------

TRACED = ("trainer.py", "fitting.py", "run.py", "keeper.py", "folder.py", "parts.py", "files.py", "callbacks.py")


def interrupted_at_line(number, train):
    """Run ``train`` until the so many-th line of what stands around compiled code; returns the lines before."""
    seen = 0

    def line(frame, event, _):
        nonlocal seen
        if event == "line":
            seen += 1
            if seen == number:
                raise KeyboardInterrupt
        return line

    def call(frame, *_):
        file = frame.f_code.co_filename
        return line if "fastnet" in file and file.endswith(TRACED) and frame.f_code.co_name != "__del__" else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        train()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return seen


# A file that is open at that line is closed by its destructor, which warns.
OPEN_FILES = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def check_interruption_at_lines(data, folder, chosen):
    expected = whole(data, early(), epochs=2)
    lines = interrupted_at_line(-1, lambda: fit(make(data, folder / "all", *early()(), checkpoint_every=1), data, 2))
    assert lines > 500
    for number in chosen(lines):
        place = folder / str(number)
        interrupted_at_line(number, lambda place=place: fit(make(data, place, *early()(), checkpoint_every=1), data, 2))
        begun = place.exists() and folders.files(place)
        trainer = make(data, place, *early()(), start=7 if begun else 0)
        assert outcome(trainer, fit(trainer, data, 2, resume=True)) == expected, f"interrupted at line {number}"


@OPEN_FILES
def test_ctrl_c_between_any_two_lines(dense, tmp_path):
    check_interruption_at_lines(dense, tmp_path, lambda lines: range(1, lines, lines // 25))


@OPEN_FILES
@pytest.mark.slow
def test_ctrl_c_between_all_lines(dense, tmp_path):
    check_interruption_at_lines(dense, tmp_path, lambda lines: range(1, lines + 1))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError, SystemExit])
@pytest.mark.parametrize("event", ["on_fit_begin", "on_compiled", "on_minibatches_end", "on_epoch_end", "on_fit_end"])
def test_whatever_a_callback_raises_comes_through_and_can_be_resumed(dense, tmp_path, event, kind):
    expected = whole(dense, epochs=2)
    at = 2 if event in ("on_minibatches_end", "on_epoch_end") else 1
    trainer = make(dense, tmp_path, Interrupt(at, event, kind))
    with pytest.raises(kind, match="now") as caught:
        fit(trainer, dense, 2)
    assert np.isfinite(trainer.network.predict_proba(dense[0])).all()
    trained = event not in ("on_fit_begin", "on_compiled")
    assert (trainer.network.preprocessing is not None) == trained
    if trained:
        assert trainer.last_checkpoint == folders.files(tmp_path)[0][1]
    if event in ("on_minibatches_end", "on_epoch_end"):
        assert f"{trainer.last_checkpoint}. fit(..., resume=True) goes on there" in caught.value.__notes__[0]
    trainer.callbacks = ()
    if trained:
        assert outcome(trainer, fit(trainer, dense, 2, resume=True)) == expected


def test_after_an_error_the_network_is_that_of_a_minibatch(dense):
    """Without checkpoints, too: a second fit goes on from there."""
    for at in range(1, 12):
        trainer = make(dense, None, Interrupt(at, kind=RuntimeError))
        with pytest.raises(RuntimeError, match="now"):
            fit(trainer, dense, 1)
        reference = make(dense)
        X, y = dense
        order = np.random.default_rng(0).permutation(300)[: 7 * 4 * at]
        reference.network.preprocessing = trainer.network.preprocessing
        assert trainer.network.parameters.tobytes() == in_order(reference, X[30:][order], y[30:][order]).tobytes()
        assert len(fit(trainer, dense, 1)) == 1


def in_order(trainer, X, y):
    """Parameters after one epoch in the order of the rows."""
    from runs import train

    train(trainer.network, X, y, np.arange(len(X)), 4, learning_rate=trainer.learning_rate)
    return trainer.network.parameters


# -- kill -9 -------------------------------------------------------------------------------------------

CHILD = """
import os, signal, sys, time
import numpy as np
import trainings as tests
from fastnet import plan

folder, fatal, n, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
plan.minibatches_per_call = tests.seven

class Ready(tests.Callback):
    def on_compiled(self, state):
        print("ready", flush=True)

def counting(function):
    def call(*args, **kwargs):
        global n
        n -= 1
        if n == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call

if fatal:
    setattr(os, fatal, counting(getattr(os, fatal)))
data = tests.dense_data()
trainer = tests.make(data, folder, Ready(), checkpoint_every="0.001s")
print(*tests.outcome(trainer, tests.fit(trainer, data, epochs, resume=True))[:1], flush=True)
"""


def start_child(folder, fatal="", n=0, epochs=EPOCHS):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([p for p in (os.path.dirname(__file__), *sys.path) if p])}
    command = [sys.executable, "-c", CHILD, str(folder), fatal, str(n), str(epochs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def finished(dense, folder):
    """Outcome of what a killed child has left."""
    trainer = make(dense, folder, start=6 if folders.files(folder) else 0, checkpoint_every="0.001s")
    return outcome(trainer, fit(trainer, dense, resume=True))


def test_kill_while_a_checkpoint_is_written(dense, tmp_path):
    """The lock is free afterwards, half a file is removed, and the bits are the same."""
    with start_child(tmp_path, "replace", 5) as child:
        assert child.communicate(timeout=100)[0] == "ready\n"
    assert child.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(f".*{folders.TEMPORARY}"))) == 1
    assert len(folders.files(tmp_path)) >= 2
    assert finished(dense, tmp_path) == whole(dense)
    assert not list(tmp_path.glob(f".*{folders.TEMPORARY}"))


@pytest.mark.slow
@pytest.mark.parametrize("fatal", ["open", "fsync", "replace", "unlink", "close"])
@pytest.mark.parametrize("n", [1, 2, 12])
def test_kill_at_each_step_of_writing(dense, tmp_path, fatal, n):
    with start_child(tmp_path, fatal, n) as child:
        child.communicate(timeout=100)
    assert finished(dense, tmp_path) == whole(dense)


@pytest.mark.slow
def test_many_kills_at_any_time(dense, tmp_path):
    """One training of many epochs, killed again and again."""
    rng, kills, epochs = np.random.default_rng(0), 0, 150
    expected = whole(dense, epochs=epochs)[0]
    for _ in range(60):
        with start_child(tmp_path, epochs=epochs) as child:
            try:
                child.stdout.readline()
                text = child.communicate(timeout=rng.uniform(0.05, 1.0))[0]
            except subprocess.TimeoutExpired:
                child.kill()
                kills += 1
                continue
        assert child.returncode == 0
        assert text.split() == [expected]
        break
    else:
        pytest.fail("it never ended")
    assert kills >= 3
