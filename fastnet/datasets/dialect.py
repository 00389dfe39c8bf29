"""How a table is written: what separates its cells, whether its first row names them."""

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from ..exceptions import FormatError

DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "space": " "}
_SAMPLE_ROWS = 50
_SAMPLE_LINE = 1 << 20  # characters; a longer first line is not looked at further


class Dialect(NamedTuple):
    """What is known of a table before its rows are read."""

    delimiter: str
    n_columns: int
    names: tuple[str, ...] | None  # of the columns
    n_header_lines: int  # before the first row of data


def find_dialect(path: Path, file: TextIO, delimiter: str | None, header: bool | None) -> Dialect:
    """Look at the first rows.

    The delimiter is the one that cuts the first 50 rows into the same number of cells, at least two; of several
    the one that yields the most numbers. A first row without numbers is a header, and so is one of text and of numbers
    that only count columns; otherwise text above a number is refused as ambiguous, and so is 0, 1, 2, … alone.

    Parameters
    ----------
    path : Path
        For messages.
    file : TextIO
        At its beginning.
    delimiter : str or None
        One character, or a name: comma, tab, semicolon, pipe, space. None looks for it.
    header : bool or None
        Whether the first row holds names. None looks at it.
    """
    lines = list(_limited(file, path))
    if delimiter is None:
        delimiter = _find_delimiter(path, lines)
    delimiter = DELIMITERS.get(delimiter, delimiter)
    reader = _rows(lines, delimiter)
    first, n_lines = next(reader, ([], 0))
    if not first:
        raise FormatError(f"{path}: found no rows, expected a table")
    first = [cell.strip() for cell in first]
    second, _ = next(reader, ([], 0))
    if header is None:
        header = _is_header(path, first, second)
    if not header:
        return Dialect(delimiter, len(first), None, 0)
    return Dialect(delimiter, len(first), tuple(first), n_lines)


def _limited(file: TextIO, path: Path) -> Iterator[str]:
    for _ in range(_SAMPLE_ROWS):
        line = file.readline(_SAMPLE_LINE)
        if not line:
            return
        if len(line) == _SAMPLE_LINE:
            raise FormatError(f"{path}: found a line of more than {_SAMPLE_LINE:,} characters, expected a table")
        yield line


def _rows(lines: list[str], delimiter: str) -> Iterator[tuple[list[str], int]]:
    """Yield the rows that are not blank, with the number of lines read until then."""
    text = [line.strip() for line in lines] if delimiter == " " else lines
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True)
    for row in reader:
        if row:
            yield row, reader.line_num


def _find_delimiter(path: Path, lines: list[str]) -> str:
    if path.suffix.lower() in (".tsv", ".tab") or path.name.lower().endswith((".tsv.gz", ".tab.gz")):
        return "\t"
    best, most = ",", (False, 0.0)
    for delimiter in DELIMITERS.values():
        rows = [row for row, _ in _rows(lines, delimiter)]
        widths = Counter(map(len, rows))
        width, n_rows = widths.most_common(1)[0] if widths else (0, 0)
        if width > 1 and (delimiter != " " or most == (False, 0.0)):
            cells = [cell for row in rows for cell in row]
            score = (len(widths) == 1 and n_rows > 0, sum(map(is_number, cells)) / len(cells))
            if score > most:
                best, most = delimiter, score
    return best


def _is_header(path: Path, first: list[str], second: list[str]) -> bool:
    numbers = [cell for cell in first if is_number(cell)]
    if not numbers:
        return True
    counted = [[str(start + i) for i in range(len(numbers))] for start in (0, 1)]
    if numbers in counted and 1 < len(numbers) < len(first):
        return True
    if numbers == counted[0] and len(first) > 2:
        raise FormatError(
            f"{path}, line 1: found 0, 1, 2, …: do these count the columns? Say so with header=True or header=False"
        )
    above = [
        cell
        for cell, below in islice(zip(first, second, strict=False), None)
        if not is_number(cell) and is_number(below)
    ]
    if above:
        raise FormatError(
            f"{path}, line 1: found {above[0]!r} above a number beside the number {numbers[0]!r}: is this a header? "
            "Expected names only, or numbers where the next row has numbers; say so with header=True or header=False"
        )
    return False


def is_number(cell: str) -> bool:
    """Say whether a cell is a number, written without underscores."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
