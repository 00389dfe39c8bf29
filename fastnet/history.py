"""What happened in a fit: arrays, a table, a picture."""

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from .exceptions import FormatError
from .files import write_atomically


@dataclass(frozen=True, eq=False)
class History:
    """What happened in a fit: arrays with one entry an epoch.

    Attributes
    ----------
    loss, accuracy : ndarray
        Running means over the epoch's minibatches, while the weights changed; without the decay penalty. Accuracy is
        NaN for plain outputs and with a sampled softmax.
    val_loss, val_accuracy : ndarray
        At the end of the epoch; NaN without validation data. For plain outputs the accuracy is R².
    learning_rate : ndarray
    seconds : ndarray
        Wall time of the epoch with permutation, gather and the Python between compiled calls, without compilation
        and validation.
    validation_seconds : ndarray
    samples_per_second : ndarray
    compile_seconds : float
        Time spent on compiling, or on loading compiled kernels from the cache.
    setup_seconds : float
        Time spent once on buffers, and on lists of entries or blocks if the data are sparse.
    n_threads : int
        Threads that were used, at most; the results do not depend on it.
    first_layer : {"dense", "sparse", "blocks"}
        How the rows were read: as they are, as lists of the entries that are not zero, or as blocks of columns of which
        some are not.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.datasets.load_digits()
    >>> trainer = fastnet.Trainer(fastnet.Network([64, 10], seed=0), learning_rate=0.2, seed=0)
    >>> history = trainer.fit(data.X_train, data.y_train, epochs=3)
    >>> history.loss.shape, bool(history.loss[-1] < history.loss[0])
    ((3,), True)

    ``history.to_csv("history.csv")`` and ``history.plot("history.png")`` write files.
    """

    loss: np.ndarray
    accuracy: np.ndarray
    val_loss: np.ndarray
    val_accuracy: np.ndarray
    learning_rate: np.ndarray
    seconds: np.ndarray
    validation_seconds: np.ndarray
    samples_per_second: np.ndarray
    compile_seconds: float
    setup_seconds: float
    n_threads: int
    first_layer: str

    def __len__(self) -> int:
        return len(self.loss)

    def __repr__(self) -> str:
        if not len(self):
            return "History(0 epochs)"
        accuracy = "" if np.isnan(self.accuracy[-1]) else f"accuracy {self.accuracy[-1]:.4f}, "
        return f"History({len(self)} epochs, loss {self.loss[-1]:.4g}, {accuracy}{self.seconds.sum():.2f} s)"

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a table with one line an epoch, as ``CSVLogger`` does while training.

        Parameters
        ----------
        path : str or os.PathLike
            The file is written whole or not at all. Its columns are epoch, counted from 1, and the arrays; what was not
            measured is empty. Numbers have all their digits. What has no epochs, as ``compile_seconds``, is left out.

        Raises
        ------
        OSError
            If the file can't be written.
        """
        columns = [getattr(self, name).tolist() for name in METRICS]
        lines = [csv_line(number, values) for number, values in enumerate(zip(*columns, strict=True), 1)]
        write_atomically(path, (CSV_HEADER + "".join(lines)).encode())

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> "History":
        """Read what ``to_csv`` or ``CSVLogger`` has written.

        Parameters
        ----------
        path : str or os.PathLike
            CSV with a header. A column "loss" must be there; others that are missing become NaN, and columns of other
            names are not read.

        Returns
        -------
        History
            Without what is not in the file: ``compile_seconds`` and ``setup_seconds`` are NaN, ``n_threads`` is 0,
            ``first_layer`` is "".

        Raises
        ------
        FormatError
            If the file is no such table; the message names the line and the column.
        OSError
            If the file can't be read.
        """
        try:
            text = Path(path).read_bytes().decode("utf-8-sig")
            rows = list(_rows(os.fspath(path), text))
        except (UnicodeDecodeError, csv.Error) as error:
            raise FormatError(f"{os.fspath(path)} is no CSV table: {error}") from None
        table = np.array(rows, dtype=np.float64).reshape(-1, len(METRICS))
        columns = dict(zip(METRICS, table.T.copy(), strict=True))
        return cls(**columns, compile_seconds=math.nan, setup_seconds=math.nan, n_threads=0, first_layer="")

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with one row an epoch.

        Returns
        -------
        pandas.DataFrame
            Its index is the epoch, counted from 1; its columns are the arrays.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed; the message says how to install it.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "to_dataframe needs pandas, which is not installed: pip install 'fastnet-numba[pandas]'"
            ) from None
        index = pd.RangeIndex(1, len(self) + 1, name="epoch")
        return pd.DataFrame({name: getattr(self, name) for name in METRICS}, index=index)

    def plot(self, path: str | os.PathLike[str] | None = None, title: str = "") -> Any:
        """Draw loss and accuracy over the epochs.

        Parameters
        ----------
        path : str or os.PathLike, optional
            Where the figure is written: .png, .svg or .pdf.
        title : str, default=""

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            If there is no epoch, or the path has another ending.
        OSError
            If the file can't be written.
        ModuleNotFoundError
            If matplotlib is not installed; the message says how to install it.
        """
        from . import plots

        figure = plots.history(self, title)
        if path is not None:
            plots.save(figure, path)
        return figure


METRICS = tuple(field.name for field in fields(History) if field.type is np.ndarray)
CSV_HEADER = ",".join(("epoch", *METRICS)) + "\n"


def csv_line(epoch: int, values: Iterable[float]) -> str:
    """Return an epoch's line of a table; NaN is left empty."""
    cells = ["" if math.isnan(value) else repr(float(value)) for value in values]
    return ",".join([str(epoch), *cells]) + "\n"


def _rows(path: str, text: str) -> Iterator[list[float]]:
    """Yield the metrics of each line."""
    lines = csv.reader(io.StringIO(text), strict=True)
    header = [name.strip() for name in next(lines, [])]
    if "loss" not in header:
        found = ", ".join(header[:20]) or "nothing"
        raise FormatError(f"{path}, line 1: expected the names of columns, 'loss' among them, found {found}")
    for cells in lines:
        place = f"{path}, line {lines.line_num}"
        if not cells:
            continue
        if len(cells) != len(header):
            raise FormatError(f"{place}: expected {len(header)} values, one for each column, found {len(cells)}")
        row = dict(zip(header, cells, strict=True))
        yield [_number(place, name, row.get(name, "")) for name in METRICS]


def _number(place: str, column: str, cell: str) -> float:
    try:
        return float(cell) if cell.strip() else math.nan
    except ValueError:
        raise FormatError(f"{place}, column {column!r}: expected a number, found {cell!r}") from None
