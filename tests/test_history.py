"""A fit's history as a table and as a picture; nothing is trained here."""

import builtins
import math

import numpy as np
import pytest

from fastnet import FormatError, History, plots
from fastnet.history import CSV_HEADER, METRICS


def made(n=3, **changes):
    """A history of so many epochs, with numbers that need all their digits."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.random(n) for name in METRICS} | changes
    return History(**arrays, compile_seconds=1.5, setup_seconds=0.1, n_threads=2, first_layer="dense")


def test_csv_gives_the_same_bits_again(tmp_path):
    history = made(val_loss=np.array([math.nan, 1e-300, 0.1]), loss=np.array([1e300, 1 / 3, 2.0]))
    history.to_csv(tmp_path / "history.csv")
    again = History.from_csv(tmp_path / "history.csv")
    for name in METRICS:
        np.testing.assert_array_equal(getattr(again, name), getattr(history, name))
    assert (again.n_threads, again.first_layer) == (0, "")
    assert math.isnan(again.compile_seconds)
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch," + ",".join(METRICS)
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]
    assert lines[1].split(",")[3] == ""  # NaN


def test_a_history_without_epochs(tmp_path):
    made(0).to_csv(tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text() == CSV_HEADER
    assert len(History.from_csv(tmp_path / "none.csv")) == 0
    with pytest.raises(ValueError, match="history has no epochs"):
        made(0).plot()


def test_tables_of_others(tmp_path):
    """Columns in any order, some missing, some unknown; a byte order mark, blank lines, Windows' ends of lines."""
    path = tmp_path / "other.csv"
    path.write_bytes(b"\xef\xbb\xbfval_loss, loss,note\r\n0.5,0.25,first\r\n\r\n,0.125,\r\n")
    history = History.from_csv(path)
    np.testing.assert_array_equal(history.loss, [0.25, 0.125])
    np.testing.assert_array_equal(history.val_loss, [0.5, math.nan])
    assert np.isnan(history.accuracy).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: expected the names of columns, 'loss' among them, found nothing"),
        (b"epoch,accuracy\n1,0.5\n", "'loss' among them, found epoch, accuracy"),
        (b"epoch,loss\n1,0.5\n2\n", "line 3: expected 2 values, one for each column, found 1"),
        (b"epoch,loss\n1,low\n", "line 2, column 'loss': expected a number, found 'low'"),
        (b'epoch,loss\n1,"0.5\n', "is no CSV table: unexpected end of data"),
        (b"epoch,loss\n1,\xff\n", "is no CSV table: .*can't decode byte 0xff"),
    ],
)
def test_what_is_no_history_is_refused(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"bad\.csv.*" + message):
        History.from_csv(path)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        History.from_csv(tmp_path / "none.csv")
    with pytest.raises(FileNotFoundError, match=r"nowhere.history\.csv"):
        made().to_csv(tmp_path / "nowhere" / "history.csv")


def test_dataframe():
    pytest.importorskip("pandas")
    history = made()
    frame = history.to_dataframe()
    assert tuple(frame.columns) == METRICS
    assert list(frame.index) == [1, 2, 3]
    assert frame.index.name == "epoch"
    np.testing.assert_array_equal(frame["loss"], history.loss)
    frame.loc[1, "loss"] = -1.0
    assert history.loss[0] != -1.0  # the frame is a copy


def test_without_pandas_the_message_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def fake(name, *args, **options):
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", fake)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'fastnet-numba\[pandas\]'"):
        made().to_dataframe()


def test_plot_returns_a_figure_and_writes_it(tmp_path):
    pytest.importorskip("matplotlib")
    figure = made().plot(tmp_path / "history.png", "a title")
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    assert figure.get_suptitle() == "a title"
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"path must end in \.png, \.svg or \.pdf .* got 'history\.jpeg'"):
        made().plot(tmp_path / "history.jpeg")


def test_plain_outputs_have_r2_instead_of_accuracy():
    pytest.importorskip("matplotlib")
    none = np.full(3, math.nan)
    figure = plots.history(made(accuracy=none, val_accuracy=np.array([-90.0, 0.5, 0.75])))
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "R²"]
    assert figure.axes[1].get_ylim()[0] == -0.25
