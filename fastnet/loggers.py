"""Logs of a fit: a line after each epoch, as CSV or as JSON.

A line has left the process before the next epoch begins: ``tail -f`` follows the fit, and what a killed process has
logged can be read.
"""

import json
import math
import os
from pathlib import Path
from typing import BinaryIO

from .callbacks import Callback, State
from .exceptions import FormatError
from .history import CSV_HEADER, METRICS, csv_line


class _Logger(Callback):
    """A file that gets a line after each epoch; those who derive from this say what the lines look like."""

    _header = b""

    def __init__(self, path: str | os.PathLike[str], append: bool = False):
        from . import checks

        self.path = Path(path)
        self.append = checks.check_flag("append", append)
        self._file: BinaryIO | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({os.fspath(self.path)!r}, append={self.append})"

    def on_fit_begin(self, state: State) -> None:
        """Open the file; refuse to append to one that is something else."""
        keep = self.append and self.path.exists()
        self._before = self._whole_lines(self.path.read_bytes()) if keep else []
        self._file = self.path.open("r+b" if keep else "wb")
        self._begun = False

    def on_epoch_end(self, state: State) -> None:
        """Write the epoch's line."""
        if self._file is None:
            raise RuntimeError(f"{self!r}: the file is not open; on_fit_begin must be called first")
        try:
            if not self._begun:
                self._begin(self._file, state.epoch)
                self._begun = True
            self._file.write(self._line(state))
            self._file.flush()
        except OSError as error:
            raise type(error)(error.errno, error.strerror, os.fspath(self.path)) from None

    def on_fit_end(self, state: State) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _whole_lines(self, content: bytes) -> list[bytes]:
        """Return the lines of an earlier fit; the last one is left out if it was never finished."""
        lines = [line for line in content.splitlines(keepends=True) if line.endswith(b"\n")]
        for number, line in enumerate(lines, 1):
            if self._epoch(line) is None and not (number == 1 and line == self._header):
                raise FormatError(f"{self.path}, line {number} was not written by {type(self).__name__}: {line[:80]!r}")
        if content and not lines:
            raise FormatError(f"{self.path} was not written by {type(self).__name__}: it begins with {content[:80]!r}")
        return lines

    def _begin(self, file: BinaryIO, epoch: int) -> None:
        """Go where a fit's first line belongs: behind those of other fits, and of the epochs before, if it was resumed.

        What an interrupted fit has logged after the epoch from which it is resumed is trained and logged again.
        """
        if not self._before:
            file.write(self._header)
            return
        ends = [number for number, line in enumerate(self._before, 1) if self._epoch(line) == epoch - 1]
        kept = self._before[: ends[-1]] if epoch > 1 and ends else self._before
        file.truncate(file.seek(sum(map(len, kept))))

    def _epoch(self, line: bytes) -> int | None:
        """Return the epoch of a line, or None if it has none."""
        raise NotImplementedError

    def _line(self, state: State) -> bytes:
        raise NotImplementedError


class CSVLogger(_Logger):
    """Write a table with a line after each epoch, which ``History.from_csv`` reads.

    Parameters
    ----------
    path : str or os.PathLike
        Columns are those of ``History.to_csv``: epoch, loss, accuracy, val_loss, …
    append : bool, default=False
        Whether to go on behind what earlier fits have logged; else the file is emptied when a fit begins. If a fit was
        resumed, lines of epochs that it trains again are replaced.

    Raises
    ------
    OSError
        If the file can't be opened, before training begins, or not be written to.
    FormatError
        If it is to be appended to, but was not written by a ``CSVLogger``.

    Examples
    --------
    >>> import fastnet, tempfile
    >>> data = fastnet.datasets.load_digits()
    >>> path = Path(tempfile.mkdtemp(), "log.csv")
    >>> trainer = fastnet.Trainer(fastnet.Network([64, 10], seed=0), callbacks=fastnet.CSVLogger(path), seed=0)
    >>> history = trainer.fit(data.X_train, data.y_train, epochs=2)
    >>> path.read_text().splitlines()[0]
    'epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,validation_seconds,samples_per_second'
    >>> (fastnet.History.from_csv(path).loss == history.loss).all()
    np.True_
    """

    _header = CSV_HEADER.encode()

    def _epoch(self, line: bytes) -> int | None:
        cells = line.split(b",")
        return int(cells[0]) if len(cells) == len(METRICS) + 1 and cells[0].isdigit() else None

    def _line(self, state: State) -> bytes:
        return csv_line(state.epoch, [state.metrics[name] for name in METRICS]).encode()


class JSONLogger(_Logger):
    """Write a line with a JSON object after each epoch ("JSON lines").

    Parameters
    ----------
    path : str or os.PathLike
        Each object has epoch, epochs, loss, accuracy, val_loss, …; what was not measured is null. Numbers that other
        callbacks have put into ``state.metrics`` before are there, too.
    append : bool, default=False
        As for ``CSVLogger``.

    Raises
    ------
    OSError
        If the file can't be opened, before training begins, or not be written to.
    FormatError
        If it is to be appended to, but was not written by a ``JSONLogger``.

    Examples
    --------
    >>> import fastnet, json, tempfile
    >>> data = fastnet.datasets.load_digits()
    >>> path = Path(tempfile.mkdtemp(), "log.jsonl")
    >>> trainer = fastnet.Trainer(fastnet.Network([64, 10], seed=0), callbacks=fastnet.JSONLogger(path), seed=0)
    >>> history = trainer.fit(data.X_train, data.y_train, epochs=2)
    >>> lines = [json.loads(line) for line in path.read_text().splitlines()]
    >>> [line["epoch"] for line in lines], lines[0]["val_loss"]
    ([1, 2], None)
    """

    def _epoch(self, line: bytes) -> int | None:
        try:
            found = json.loads(line)
        except ValueError:
            return None
        epoch = found.get("epoch") if isinstance(found, dict) else None
        return epoch if isinstance(epoch, int) else None

    def _line(self, state: State) -> bytes:
        found: dict[str, float | int | None] = {"epoch": state.epoch, "epochs": state.epochs}
        for name, value in state.metrics.items():
            found[name] = float(value) if math.isfinite(value) else None
        return json.dumps(found, allow_nan=False).encode() + b"\n"
