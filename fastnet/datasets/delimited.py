"""Tables as text: CSV, TSV and their relatives, also packed by gzip.

A file is read some megabytes at a time into one float32 matrix. Blocks that are as they should be go through
`numpy.loadtxt`, which is C (0.26 µs a cell; Python's csv and float take 0.6); a block that it refuses is read again by
csv, slowly, which finds the cell to name, or copes with what loadtxt doesn't know.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from ..exceptions import FormatError
from .columns import Columns, choose_columns, column_name
from .dialect import Dialect, find_dialect, is_number
from .labels import Codes, labels_from_words
from .table import FILL_OR_REMOVE, MISSING, Options, Table

_BLOCK = 1 << 22  # characters
_LABEL = 64  # characters of a label that a block may have before csv reads it
_BOOLEANS = {"true": 1.0, "false": 0.0}
_MAX = float(np.finfo(np.float32).max)


class _Block(NamedTuple):
    """Rows of the table: numbers, the words of the target column, the line that each row ends on."""

    values: NDArray[np.float64]
    words: list[str]
    lines: NDArray[np.int64]


def read_delimited(path: Path, options: Options) -> Table:
    """Read a table of numbers, and a target column if one is asked for.

    Parameters
    ----------
    path : Path
        UTF-8, with or without a byte order mark; packed if its name ends in .gz.
    options : Options
        The target and what to leave out; the delimiter and whether there is a header, if they are known.

    Returns
    -------
    Table
        X float32 of shape (n_samples, n_features).

    Raises
    ------
    FormatError
        With line and column, if a cell is missing or is no number, if a line has too few or too many cells, if the
        header is ambiguous or names a column twice, or if the file is not UTF-8.
    """
    try:
        with _opened(path) as file:
            dialect = find_dialect(path, file, options.delimiter, options.header)
        with _opened(path) as file:
            return _Reader(path, file, dialect, options).read()
    except UnicodeDecodeError as error:
        raise FormatError(_not_utf8(path)) from error
    except csv.Error as error:
        raise FormatError(f"{path}: not a table in text: {error}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(f"{path}: the gzip data are damaged or cut: {error}") from error


def _opened(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


class _Reader:
    """Reads a file from its beginning to its end."""

    def __init__(self, path: Path, file: TextIO, dialect: Dialect, options: Options) -> None:
        self.path, self.file, self.dialect = path, file, dialect
        self.n_columns = dialect.n_columns
        self.names = dialect.names
        self.columns: Columns = choose_columns(str(path), self.names, self.n_columns, options)
        self._dtype = np.dtype([("features", np.float64, (len(self.columns.features),))])
        if self.columns.target is not None:
            self._dtype = np.dtype([*self._dtype.descr, ("target", f"U{_LABEL}")])
        self._pick = itemgetter(*self.columns.features)

    def read(self) -> Table:
        matrix, lines, codes = _Growing(len(self.columns.features)), [], Codes()
        numbers = []
        for first_line, text in self._texts():
            block = self._fast(text, first_line)
            if block is None:
                block = self._slow(text, first_line)
            matrix.append(block.values)
            lines.append(block.lines)
            numbers.append(codes.of(block.words))
        line_of = np.concatenate([np.zeros(0, np.int64), *lines])
        if not len(line_of):
            raise FormatError(f"{self.path}: found no rows{' below the header' if self.names else ''}")

        def place(row: int) -> str:
            return self._place(line_of[row], self.columns.target)

        labels = None
        if self.columns.target is not None:
            labels = labels_from_words(list(codes), np.concatenate(numbers), place)
        return Table(matrix.finished(), labels, self.columns.names, place=place)

    def _texts(self) -> Iterator[tuple[int, list[str]]]:
        """Yield lines some megabytes at a time, with the number of the first; no quoted cell is cut in two."""
        for _ in range(self.dialect.n_header_lines):
            self.file.readline()
        line = self.dialect.n_header_lines + 1
        while lines := self.file.readlines(_BLOCK):
            quotes = sum(text.count('"') for text in lines)
            while quotes % 2 and (text := self.file.readline()):
                lines.append(text)
                quotes += text.count('"')
            yield line, lines
            line += len(lines)

    def _fast(self, text: list[str], first_line: int) -> _Block | None:
        """Return a block that loadtxt can read and in which nothing is wrong, or None."""
        delimiter = self.dialect.delimiter
        if delimiter == " " or not _one_row_a_line(text, delimiter, self.n_columns):
            return None
        try:
            found = np.loadtxt(
                text,
                self._dtype,
                comments=None,
                delimiter=delimiter,
                quotechar='"',
                usecols=self.columns.used,
                ndmin=1,
            )
        except ValueError:
            return None
        values = found["features"].reshape(len(found), -1)
        if len(found) != len(text) or not (np.abs(values) <= _MAX).all():
            return None
        words: list[str] = found["target"].tolist() if self.columns.target is not None else []
        if words and (max(map(len, words)) >= _LABEL or any('"' in word for word in words)):
            return None
        return _Block(values, words, np.arange(first_line, first_line + len(text)))

    def _slow(self, text: list[str], first_line: int) -> _Block:
        """Return a block, or name what is wrong with it."""
        delimiter = self.dialect.delimiter
        if delimiter == " ":
            text = [line.strip() for line in text]
        reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True)
        rows, lines = [], []
        for row in reader:
            if row:
                rows.append(row)
                lines.append(first_line + reader.line_num - 1)
        for row, line in zip(rows, lines, strict=True):
            if len(row) != self.n_columns:
                raise FormatError(f"{self.path}, line {line}: found {len(row)} cells, expected {self.n_columns}")
        target = self.columns.target
        words = [] if target is None else [row[target] for row in rows]
        return _Block(self._numbers(rows, lines), words, np.array(lines, np.int64))

    def _numbers(self, rows: list[list[str]], lines: list[int]) -> NDArray[np.float64]:
        """Return the features of rows as numbers."""
        width = len(self.columns.features)
        picked: list[Sequence[str]] = [[self._pick(row)] if width == 1 else self._pick(row) for row in rows]
        with suppress(ValueError):
            values = np.fromiter(map(float, chain.from_iterable(picked)), np.float64, width * len(rows))
            plain = not any("_" in cell for cell in chain.from_iterable(picked))  # float takes 1_000
            if plain and (np.abs(values) <= _MAX).all():
                return values.reshape(-1, width)
        cells = [
            self._number(cell, line, column, row)
            for row, line in zip(picked, lines, strict=True)
            for cell, column in zip(row, self.columns.features, strict=True)
        ]
        return np.array(cells, np.float64).reshape(-1, width)

    def _number(self, cell: str, line: int, column: int, row: Sequence[str]) -> float:
        """Return a cell of a row of features as a number, or refuse it."""
        word = cell.strip().lower()
        if word in _BOOLEANS:
            return _BOOLEANS[word]
        if word in MISSING:
            found = f"{cell!r}" if word else "an empty cell"
            raise FormatError(
                f"{self._place(line, column)}: found {found} (a missing value), expected a number; {FILL_OR_REMOVE}"
            )
        if not is_number(word):
            raise FormatError(f"{self._place(line, column)}: found {cell!r}, expected a number{self._hint(cell, row)}")
        number = float(word)
        if not abs(number) <= _MAX:
            raise FormatError(f"{self._place(line, column)}: found {cell}, expected a number up to {_MAX:.2g} in size")
        return number

    def _hint(self, cell: str, row: Sequence[str]) -> str:
        """Return the way out, for all columns of the row that hold text."""
        if cell.count(",") == 1 and cell.replace(",", "").strip(" +-").isdigit():
            return " (with a decimal point, not a comma)"
        text = [column for column, cell in zip(self.columns.features, row, strict=True) if _is_text(cell)]
        drop = [self.names[column] for column in text] if self.names else text
        return f"; text can't be a feature: leave it out with drop={drop!r}, or make it the target"

    def _place(self, line: int, column: int | None) -> str:
        where = "" if column is None else f", {column_name(column, self.names)}"
        return f"{self.path}, line {line}{where}"


def _one_row_a_line(text: list[str], delimiter: str, n_columns: int) -> bool:
    """Say whether each line is a row of n cells, as far as delimiters and quotes tell; quotes within cells say no."""
    if any(line.count(delimiter) != n_columns - 1 for line in text):
        return False
    if n_columns == 1 and not all(map(str.strip, text)):  # blank lines
        return False
    inner_quote = re.compile(f'[^{re.escape(delimiter)}]"[^{re.escape(delimiter)}\n]')  # also a doubled one
    return not any('"' in line and (line.count('"') % 2 or inner_quote.search(line)) for line in text)


def _is_text(cell: str) -> bool:
    word = cell.strip().lower()
    return word not in MISSING and word not in _BOOLEANS and not is_number(word)


class _Growing:
    """A matrix that rows are appended to; it grows by quarters, in place where the system can do that."""

    def __init__(self, n_columns: int) -> None:
        self._matrix = np.empty((0, n_columns), np.float32)
        self._n_rows = 0

    def append(self, rows: NDArray[Any]) -> None:
        end = self._n_rows + len(rows)
        if end > len(self._matrix):
            capacity = max(end, len(self._matrix) + len(self._matrix) // 4)
            self._matrix.resize((capacity, self._matrix.shape[1]), refcheck=False)
        self._matrix[self._n_rows : end] = rows
        self._n_rows = end

    def finished(self) -> NDArray[np.float32]:
        self._matrix.resize((self._n_rows, self._matrix.shape[1]), refcheck=False)
        return self._matrix


def _not_utf8(path: Path) -> str:
    """Return the message that names the first line that is not UTF-8."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                utf16 = line[:2] in (b"\xff\xfe", b"\xfe\xff")
                hint = "it begins as UTF-16 does; " if number == 1 and utf16 else ""
                byte = line[error.start]
                return f"{path}, line {number}: found the byte 0x{byte:02X}, expected UTF-8; {hint}save it as UTF-8"
    return f"{path}: not UTF-8"
