"""What a resumed training takes over, which checkpoints are kept, and what is refused."""

import os
import resource
import signal
from itertools import count

import numpy as np
import pytest
from block_data import without_blocks
from trainings import EPOCHS, Interrupt, block_data, dense_data, early, fit, make, outcome, seven, sparse_data, whole

import fastnet
from fastnet import Callback, CheckpointError, DivergenceError, EarlyStopping, Network, Trainer, checkpoints, plan
from fastnet.checkpoints import folder as folders
from fastnet.checkpoints import format, identity, keeper
from fastnet.checkpoints.interval import interval


@pytest.fixture(scope="module")
def dense():
    return dense_data()


@pytest.fixture(scope="module")
def sparse():
    return sparse_data()


@pytest.fixture(autouse=True)
def short_calls(monkeypatch):
    monkeypatch.setattr(plan, "minibatches_per_call", seven)


# -- what is resumed -----------------------------------------------------------------------------------


def test_more_epochs_may_follow_and_threads_may_differ(dense, tmp_path):
    trainer = make(dense, tmp_path)
    fit(trainer, dense, 2)
    more = make(dense, tmp_path, start=3, n_threads=2)
    assert outcome(more, fit(more, dense, 4, resume=True)) == whole(dense, epochs=4)
    with pytest.raises(ValueError, match=r"epochs=3, but .*checkpoint-000004.safetensors is after 4 epochs already"):
        fit(make(dense, tmp_path), dense, 3, resume=True)


def test_an_epoch_keeps_its_learning_rate(dense, tmp_path):
    """Also where the schedule is another one with more epochs."""
    with pytest.raises(KeyboardInterrupt):
        fit(make(dense, tmp_path, Interrupt(14), schedule="cosine"), dense, 3)
    rates = fit(make(dense, tmp_path, schedule="cosine"), dense, 6, resume=True).learning_rate
    np.testing.assert_allclose(rates[:2], 0.1 * (1 + np.cos(np.pi * np.arange(2) / 3)))
    np.testing.assert_allclose(rates[2:], 0.1 * (1 + np.cos(np.pi * np.arange(2, 6) / 6)))


def test_a_finished_training_is_returned(dense, tmp_path):
    settings = {"epochs": 30, "learning_rate": 1.0}
    trainer = make(dense, tmp_path, EarlyStopping(patience=2), learning_rate=1.0)
    expected = outcome(trainer, fit(trainer, dense, 30))
    assert expected == whole(dense, early(), **settings)
    for _ in range(2):
        log = Interrupt(1)
        trainer = make(dense, tmp_path, stopping := EarlyStopping(patience=2), log, start=9, learning_rate=1.0)
        assert outcome(trainer, fit(trainer, dense, 30, resume=True)) == expected
        assert log.left == 1
        assert stopping.best_epoch > 0


def test_callbacks_see_where_a_training_is_resumed(dense, tmp_path):
    seen = []

    class Log(Callback):
        def on_fit_begin(self, state):
            seen.append((state.epoch, state.minibatch, sorted(state.metrics)[:2]))

    with pytest.raises(KeyboardInterrupt):
        fit(make(dense, tmp_path, Interrupt(13), Log()), dense)
    fit(make(dense, tmp_path, Log()), dense, resume=True)
    assert seen == [(0, 0, []), (1, 14, ["accuracy", "learning_rate"])]


def test_callbacks_keep_what_they_like(dense, tmp_path):
    class Sums(Callback):
        def __init__(self, extra=None):
            self.state = {"n": 0, "names": ["a"], "each": np.zeros(3), "deep": {"mean": np.float32(0.5), "no": None}}
            self.state |= extra or {}

        def on_epoch_end(self, state):
            self.state = self.state | {"n": self.state["n"] + 1, "each": self.state["each"] + state.metrics["loss"]}

        def state_dict(self):
            return self.state

        def load_state_dict(self, state):
            self.state = state

    one, two = Sums(), Sums()
    with pytest.raises(KeyboardInterrupt):
        fit(make(dense, tmp_path, one, Interrupt(26)), dense)
    history = fit(make(dense, tmp_path, two), dense, resume=True)
    assert (two.state["n"], two.state["names"], two.state["deep"]) == (EPOCHS, ["a"], {"mean": 0.5, "no": None})
    np.testing.assert_allclose(two.state["each"], history.loss.sum())
    with pytest.raises(CheckpointError, match=r"callbacks with a state: \['.*Sums'\] in the checkpoint, \[\] now"):
        fit(make(dense, tmp_path), dense, resume=True)
    with pytest.raises(TypeError, match=r"^callbacks.0.bad: a set can't be kept in a checkpoint"):
        fit(make(dense, tmp_path / "b", Sums({"bad": {1}})), dense)


@pytest.mark.parametrize("bits", ["PCG64", "MT19937", "Philox", "SFC64"])
def test_all_generators_are_resumed(dense, tmp_path, bits):
    def generator(seed=3):
        return np.random.Generator(getattr(np.random, bits)(seed))

    trainer = make(dense, seed=generator())
    expected = outcome(trainer, fit(trainer, dense, 2))
    with pytest.raises(KeyboardInterrupt):
        fit(make(dense, tmp_path, Interrupt(4), seed=generator()), dense, 2)
    trainer = make(dense, tmp_path, seed=generator(4))
    assert outcome(trainer, fit(trainer, dense, 2, resume=True)) == expected
    other = np.random.Generator(np.random.PCG64DXSM(0))
    with pytest.raises(CheckpointError, match=f"generator: '{bits}' in the checkpoint, 'PCG64DXSM' now"):
        fit(make(dense, tmp_path, seed=other), dense, 2, resume=True)


def test_what_a_callback_writes_into_the_network_is_kept_but_not_trained_on(dense, tmp_path):
    """As in a training that is not interrupted, compiled code goes on from its own copy."""

    def scribble(state):
        state.network.parameters[:] = state.epoch

    trainer = make(dense, tmp_path, scribble)
    history = fit(trainer, dense, 1)
    trainer = make(dense, tmp_path, scribble, start=4)
    fit(trainer, dense, 1, resume=True)
    assert (trainer.network.parameters == 1).all()
    trainer = make(dense, tmp_path, scribble, start=4)
    history = fit(trainer, dense, 2, resume=True)
    reference = make(dense)
    assert fit(reference, dense, 2).loss.tobytes() == history.loss.tobytes()


def test_a_divergence_leaves_the_good_checkpoints(dense, tmp_path):
    def rate(epoch):
        return 0.1 if epoch < 2 else 1e30

    for resume in (False, True):
        trainer = make(dense, tmp_path, schedule=rate, activation="relu", checkpoint_every=1)
        with pytest.raises(DivergenceError, match="those of epoch 2"):
            fit(trainer, dense, resume=resume)
        assert [where for where, _ in folders.files(tmp_path)] == [(2, 0), (1, 0)]
        good = checkpoints.load_network(tmp_path, "newest")
        assert good.parameters.tobytes() == trainer.network.parameters.tobytes()
    rare = make(dense, tmp_path / "rare", schedule=rate, activation="relu", checkpoint_every=100)
    with pytest.raises(DivergenceError):
        fit(rare, dense)
    assert checkpoints.load_network(tmp_path / "rare").parameters.tobytes() == good.parameters.tobytes()


# -- refusals ------------------------------------------------------------------------------------------


def test_others_are_refused_with_the_difference(dense, sparse, tmp_path):
    X, y = dense
    fit(make(dense, tmp_path), dense, 1)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix}
    other = X.copy()
    other[100, 3] += 1
    cases = [
        ({"learning_rate": 0.1}, dense, {}, r"learning_rate: 0.2 in the checkpoint, 0.1 now"),
        ({"batch_size": 5, "momentum": 0.5}, dense, {}, r"batch_size: 4 .*, 5 now\n  momentum: 0.0 .*, 0.5 now"),
        ({"seed": 1}, dense, {}, "seed: 0 in the checkpoint, 1 now"),
        ({"schedule": lambda epoch: 1.0}, dense, {}, "schedule: 'constant' .*, 'test_resume.*<lambda>' now"),
        ({"activation": "relu"}, dense, {}, r"network.activation: \['tanh'\] in the checkpoint, \['relu'\] now"),
        ({"pca": 6}, dense, {}, r"pca: none in the checkpoint, 'PCA\(n_components=6, whiten=False\)' now"),
        ({}, (other, y), {}, r"X.content: '\w{16}' in the checkpoint, '\w{16}' now"),
        ({}, (X.astype(float), y), {}, "X.dtype: 'float32' in the checkpoint, 'float64' now"),
        ({}, (X[:300], y[:300]), {}, r"X.shape: \[300, 6\] in the checkpoint, \[270, 6\] now"),
        ({}, (X, np.roll(y, 1)), {}, "y.content:"),
        (
            {},
            dense,
            {"sample_weight": np.ones(300)},
            r"sample weights: none in the checkpoint, \[300\] float64 \w+ now",
        ),
        ({}, (np.concatenate([other[95:125], X[30:]]), y), {}, r"validation X.content:"),
    ]
    for settings, data, arguments, text in cases:
        trainer = make(data, tmp_path, **settings)
        before = trainer.network.parameters.copy()
        with pytest.raises(CheckpointError, match=text) as caught:
            fit(trainer, data, 2, resume=True, **arguments)
        assert str(caught.value).startswith(str(tmp_path / "checkpoint-000001.safetensors"))
        np.testing.assert_array_equal(trainer.network.parameters, before)
        assert trainer.network.preprocessing is None
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix} == files


def test_an_earlier_training_is_not_overwritten(dense, tmp_path):
    fit(make(dense, tmp_path), dense, 1)
    with pytest.raises(
        CheckpointError, match=r"has checkpoints of an earlier training .*checkpoint-000001.* 1 epoch\. "
    ):
        fit(make(dense, tmp_path), dense, 1)


@pytest.mark.parametrize(
    ("settings", "arguments", "kind", "text"),
    [
        ({}, {"resume": True}, ValueError, "resume=True needs checkpoint_dir"),
        ({"checkpoint_every": 2}, {}, ValueError, "checkpoint_every needs checkpoint_dir"),
        ({}, {"resume": 1}, TypeError, "resume must be True or False"),
        ({"checkpoint_dir": 3}, {}, TypeError, "checkpoint_dir must be a path or None, got int"),
        ({"checkpoint_every": 0}, {}, ValueError, "checkpoint_every must be >= 1, got 0"),
        ({"checkpoint_every": 1.5}, {}, TypeError, "checkpoint_every must be an int, got float 1.5"),
        ({"checkpoint_every": "0s"}, {}, ValueError, "checkpoint_every must be a time above 0, got '0s'"),
        (
            {"checkpoint_every": "soon"},
            {},
            ValueError,
            "a number of epochs, or a time such as '30s', '10min' or '1.5h'",
        ),
    ],
)
def test_arguments(dense, settings, arguments, kind, text):
    X, y = dense
    with pytest.raises(kind, match=text):
        Trainer(Network([6, 3]), **settings).fit(X, y, epochs=1, **arguments)


def test_a_folder_that_is_a_file(dense, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match="file/run: can't be used for checkpoints: Not a directory"):
        fit(make(dense, tmp_path / "file" / "run"), dense)


# -- how often, and what is kept -----------------------------------------------------------------------


def test_intervals():
    assert interval("90s") == (np.inf, 90, 0)
    assert interval("1.5 h") == (np.inf, 5400, 0)
    assert interval(3) == (3, np.inf, 0)
    assert interval(3).is_due(3, 0.0, 9.0)
    assert not interval(3).is_due(2, 1e9, 0.0)
    assert interval("90s").is_due(0, 90.0, 99.0)
    assert not interval("90s").is_due(9, 89.0, 0.0)
    assert interval(None).is_due(0, 600.0, 99.0)
    assert interval(None).is_due(1, 2.1, 0.1)
    assert not interval(None).is_due(1, 1.9, 0.1)


def written(monkeypatch):
    found, write = [], folders.Folder.write
    monkeypatch.setattr(
        folders.Folder, "write", lambda self, where, tree: found.append(where) or write(self, where, tree)
    )
    return found


def test_a_number_of_epochs(dense, tmp_path, monkeypatch):
    found = written(monkeypatch)
    fit(make(dense, tmp_path, checkpoint_every=3), dense, 8)
    assert [where for where in found if where in {(3, 0), (6, 0), (8, 0)}] == [(3, 0), (6, 0), (8, 0)]
    assert found[-1] == (8, 0)


@pytest.mark.parametrize("every", [100, "1h", None, 4])
def test_the_best_is_that_of_all_epochs(dense, tmp_path, every):
    """It is remembered, and written along with the next one."""
    settings = {"schedule": lambda epoch: 0.2 if epoch < 12 else 5.0, "checkpoint_every": every}
    with pytest.raises(KeyboardInterrupt):
        fit(make(dense, tmp_path, Interrupt(80), **settings), dense, 20)
    history = fit(make(dense, tmp_path, **settings), dense, 20, resume=True)
    best = int(history.val_loss.argmin()) + 1
    assert best < 18
    assert folders.files(tmp_path)[0][0] == (20, 0)
    assert folders.files(tmp_path)[-1][0] == (best, 0)


def test_a_long_epoch_is_kept_on_the_way(dense, tmp_path, monkeypatch):
    found, clock = written(monkeypatch), count()
    monkeypatch.setattr(keeper.time, "monotonic", lambda: 200.0 * next(clock))
    fit(make(dense, tmp_path), dense, 2)
    assert found[:3] == [(0, 21), (0, 42), (0, 63)]
    assert {(1, 0), (2, 0)} <= set(found)
    assert len(folders.files(tmp_path)) == 2


def test_the_last_two_and_the_best_are_kept(dense, tmp_path):
    rates = [0.2, 0.2, 0.2, 5.0, 5.0, 5.0]
    history = fit(make(dense, tmp_path, schedule=lambda epoch: rates[epoch], checkpoint_every=1), dense, 6)
    best = int(history.val_loss.argmin()) + 1
    assert best < 5
    assert [where.epoch for where, _ in folders.files(tmp_path)] == [6, 5, best]
    network = checkpoints.load_network(tmp_path)
    reference = make(dense, schedule=lambda epoch: rates[epoch])
    fit(reference, dense, best)
    assert network.parameters.tobytes() == reference.network.parameters.tobytes()
    assert network.predict_proba(dense[0]).tobytes() == reference.network.predict_proba(dense[0]).tobytes()
    # The best one is still known after a resumption.
    rates += [5.0] * 2
    fit(make(dense, tmp_path, schedule=lambda epoch: rates[epoch], checkpoint_every=1), dense, 8, resume=True)
    assert [where.epoch for where, _ in folders.files(tmp_path)] == [8, 7, best]


def test_load_network_refuses(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint in this folder"):
        checkpoints.load_network(tmp_path)
    with pytest.raises(FileNotFoundError):
        checkpoints.load_network(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="which must be one of 'best', 'newest'"):
        checkpoints.load_network(tmp_path, "last")
    path = tmp_path / "checkpoint-000001.safetensors"
    path.write_bytes(format.encode({"epoch": 1}))
    with pytest.raises(fastnet.FormatError, match="'minibatch' is missing or of a wrong type"):
        checkpoints.load_network(path)


# -- damage --------------------------------------------------------------------------------------------


def damage(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


def test_a_damaged_newest_file_is_named_and_skipped(dense, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(make(dense, tmp_path, Interrupt(30)), dense)
    newest, before, *_ = (path for _, path in folders.files(tmp_path))
    damage(newest)
    trainer = make(dense, tmp_path, start=2)
    with pytest.warns(UserWarning, match=f"{newest}: is damaged.* Taken instead: {before.name}"):
        assert outcome(trainer, fit(trainer, dense, resume=True)) == whole(dense)
    left = [path for _, path in folders.files(tmp_path)]
    assert newest not in left
    for path in left:
        format.read(path)
        damage(path)
    with pytest.raises(CheckpointError, match="no checkpoint in this folder can be used:\n") as caught:
        fit(make(dense, tmp_path), dense, resume=True)
    assert all(str(path) in str(caught.value) for path in left)


def test_a_file_from_another_vector_width(dense, sparse, tmp_path, monkeypatch):
    """Between epochs weights are the same on all machines; within one, what is folded is not."""
    with pytest.raises(KeyboardInterrupt):
        fit(make(sparse, tmp_path, Interrupt(15)), sparse)
    monkeypatch.setattr(identity, "VECTOR_BYTES", 8)
    with pytest.warns() as caught:
        fit(make(sparse, tmp_path), sparse, 2, resume=True)
    skipped, different = (str(warning.message) for warning in caught)
    assert "written within an epoch on a CPU with vectors of" in skipped
    assert "last bits may differ from now on: vector_bytes" in different


@pytest.mark.parametrize("n_units", [9, 30])
def test_an_epoch_does_not_go_on_with_other_slices(tmp_path, monkeypatch, n_units):
    """What is folded is folded for each slice; an older version may have cut the inputs otherwise."""
    rows, settings = block_data(), {"batch_size": 32, "weight_decay": 0.05, "n_units": n_units}
    if n_units == 30:
        without_blocks(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(plan, "slices", lambda sizes, batch_size: 2)
        with pytest.raises(KeyboardInterrupt):
            fit(make(rows, tmp_path, Interrupt(4), **settings), rows, 2)
    monkeypatch.setattr(plan, "slices", lambda sizes, batch_size: 1)
    with pytest.raises(CheckpointError, match=r"first layer cut into \d parts; here there are \d"):
        fit(make(rows, tmp_path, **settings), rows, 2, resume=True)


def test_an_epoch_goes_on_with_rows_as_another_kind(tmp_path, monkeypatch):
    """Vectors of another width may have other blocks, or none; what is folded into weights is for one kind of rows."""
    blocks, settings = block_data(), {"batch_size": 32, "weight_decay": 0.05}
    with monkeypatch.context() as patch:
        without_blocks(patch)
        expected = make(blocks, n_units=30, **settings)
        assert fit(expected, blocks, 2).first_layer == "sparse"
        for n_units in (9, 30):
            with pytest.raises(KeyboardInterrupt):
                fit(make(blocks, tmp_path / f"lists {n_units}", Interrupt(4), n_units=n_units, **settings), blocks, 2)
    for n_units in (9, 30):
        lists = make(blocks, tmp_path / f"lists {n_units}", n_units=n_units, **settings)
        with pytest.raises(CheckpointError, match="with rows as lists of entries; here they are blocks of columns"):
            fit(lists, blocks, 2, resume=True)
        with pytest.raises(KeyboardInterrupt):
            fit(make(blocks, tmp_path / f"blocks {n_units}", Interrupt(4), n_units=n_units, **settings), blocks, 2)
    without_blocks(monkeypatch)
    with pytest.raises(CheckpointError, match="with rows as blocks of columns; here they are lists of entries"):
        fit(make(blocks, tmp_path / "blocks 9", n_units=9, **settings), blocks, 2, resume=True)
    trainer = make(blocks, tmp_path / "blocks 30", n_units=30, **settings)
    assert fit(trainer, blocks, 2, resume=True).first_layer == "sparse"
    np.testing.assert_allclose(trainer.network.parameters, expected.network.parameters, rtol=1e-4, atol=1e-5)


def test_what_a_killed_training_has_left_is_removed(dense, tmp_path):
    left = tmp_path / f".checkpoint-000001.safetensors.1-ab{folders.TEMPORARY}"
    left.write_bytes(b"half")
    fit(make(dense, tmp_path), dense, 1)
    assert not left.exists()


# -- a full disk ---------------------------------------------------------------------------------------


def test_a_full_disk(dense, tmp_path):
    """Real, by a limit on the size of files: the error says so, and nothing is lost."""
    trainer = make(dense, tmp_path)
    fit(trainer, dense, 2)
    before = {path: path.read_bytes() for _, path in folders.files(tmp_path)}
    reference = make(dense)
    fit(reference, dense, 3)
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(CheckpointError) as caught:
            fit(trainer, dense, resume=True)
        stopped = make(dense, tmp_path, Interrupt(3))
        with pytest.raises(KeyboardInterrupt) as interrupt:
            fit(stopped, dense, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    text = str(caught.value)
    assert text.startswith(
        f"{tmp_path}/checkpoint-000003.safetensors: the checkpoint can't be written: the file is larger"
    )
    assert "(needs 0.0" in text
    assert text.endswith("MB are free); the last good one is that after 2 epochs")
    assert "No checkpoint was written: " in interrupt.value.__notes__[0]
    assert {path: path.read_bytes() for _, path in folders.files(tmp_path)} == before
    assert trainer.network.parameters.tobytes() == reference.network.parameters.tobytes()
    assert not list(tmp_path.glob(f".*{folders.TEMPORARY}"))
    assert outcome(trainer, fit(trainer, dense, resume=True)) == whole(dense)


# -- one training at a time ----------------------------------------------------------------------------


def test_the_second_training_is_refused(dense, tmp_path):
    said = []

    def second(state):
        with pytest.raises(CheckpointError) as caught:
            fit(make(dense, tmp_path), dense, 1, resume=True)
        said.append(str(caught.value))

    fit(make(dense, tmp_path, second), dense, 1)
    (text,) = said
    assert text.startswith(f"{tmp_path}: is in use by process {os.getpid()} on ")
    assert text.endswith(" UTC")
    fit(make(dense, tmp_path), dense, 1, resume=True)


def test_a_file_system_without_locks(dense, tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(folders, "_lock_file", refuse)
    with pytest.raises(CheckpointError, match=r"this file system can't lock files \(Function not implemented\)"):
        fit(make(dense, tmp_path), dense, 1)
