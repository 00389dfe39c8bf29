"""Logs: a line after each epoch that others can read at once; what happens to files that are there."""

import json
import math

import numpy as np
import pytest

from fastnet import CSVLogger, FormatError, History, JSONLogger
from fastnet.callbacks import State
from fastnet.history import METRICS


def metrics(epoch):
    return {name: epoch + 0.1 * number for number, name in enumerate(METRICS)} | {"val_accuracy": math.nan}


def log(logger, first=1, last=3, look=lambda: None):
    """Let a logger see some epochs of a fit, and look at its file after each."""
    state = State(None, 10, 1)
    logger.on_fit_begin(state)
    seen = []
    for epoch in range(first, last + 1):
        state.epoch, state.metrics = epoch, metrics(epoch)
        logger.on_epoch_end(state)
        seen.append(look())
    logger.on_fit_end(state)
    return seen


def epochs(path):
    """Epochs in a log."""
    lines = path.read_text().splitlines()
    if path.suffix == ".csv":
        assert lines[0].startswith("epoch,loss,")
        return [int(line.split(",")[0]) for line in lines[1:]]
    return [json.loads(line)["epoch"] for line in lines]


@pytest.fixture(params=[CSVLogger, JSONLogger])
def kind(request):
    return request.param


@pytest.fixture
def path(tmp_path, kind):
    return tmp_path / ("log.csv" if kind is CSVLogger else "log.jsonl")


def test_each_line_is_there_at_once(kind, path):
    logger = kind(path)
    assert log(logger, look=lambda: epochs(path)) == [[1], [1, 2], [1, 2, 3]]
    log(logger, last=2)  # a second fit empties the file
    assert epochs(path) == [1, 2]
    assert repr(logger) == f"{kind.__name__}({str(path)!r}, append=False)"


def test_appending(kind, path):
    logger = kind(path, append=True)
    log(logger)
    log(logger, last=2)
    assert epochs(path) == [1, 2, 3, 1, 2]


def test_a_resumed_fit_replaces_what_it_trains_again(kind, path):
    log(kind(path))
    log(kind(path, append=True), last=5)
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(whole.splitlines()[-1][:9])  # the process was killed while it wrote
    log(kind(path, append=True), first=4, last=5)
    assert path.read_bytes() == whole
    log(kind(path, append=True), first=6, last=6)
    assert epochs(path) == [1, 2, 3, 1, 2, 3, 4, 5, 6]


def test_a_file_that_is_something_else_is_not_appended_to(kind, path):
    for content in (b"my thesis\n", b"my thesis", b"[1, 2]\n", b'{"epoch": "one"}\n', b"epoch,loss\n1,2\n"):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=rf"log\.\w+.* was not written by {kind.__name__}"):
            log(kind(path, append=True))
        assert path.read_bytes() == content


def test_files_that_cannot_be_written(kind, tmp_path, path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        log(kind(tmp_path / "nowhere" / "log"))
    with pytest.raises(IsADirectoryError):
        log(kind(tmp_path))
    with pytest.raises(TypeError, match="append must be True or False, got str 'w'"):
        kind(path, "w")
    with pytest.raises(RuntimeError, match=r"Logger\(.*the file is not open"):
        kind(path).on_epoch_end(State(None, 1, 1))


def test_a_full_disk_is_named(kind, path):
    class Full:
        def write(self, _):
            raise OSError(28, "No space left on device")

    logger, state = kind(path), State(None, 2, 1)
    logger.on_fit_begin(state)
    logger._file.close()
    logger._file = Full()
    state.epoch, state.metrics = 1, metrics(1)
    with pytest.raises(OSError, match=r"No space left on device: '.*log\.\w+'"):
        logger.on_epoch_end(state)


def test_on_fit_end_without_a_fit_does_nothing(kind, path):
    kind(path).on_fit_end(State(None, 1, 1))
    assert not path.exists()


def test_csv_is_a_history(tmp_path):
    path = tmp_path / "log.csv"
    log(CSVLogger(path))
    history = History.from_csv(path)
    np.testing.assert_array_equal(history.loss, [metrics(epoch)["loss"] for epoch in (1, 2, 3)])
    assert np.isnan(history.val_accuracy).all()


def test_json_has_all_metrics_and_no_nan(tmp_path):
    path, state = tmp_path / "log.jsonl", State(None, 7, 1)
    logger = JSONLogger(path)
    logger.on_fit_begin(state)
    state.epoch, state.metrics = 1, metrics(1) | {"mine": np.float32(0.5)}
    logger.on_epoch_end(state)
    logger.on_fit_end(state)
    found = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert list(found) == ["epoch", "epochs", *METRICS, "mine"]
    assert (found["epochs"], found["val_accuracy"], found["mine"]) == (7, None, 0.5)
