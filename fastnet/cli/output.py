"""How results are shown: JSON, lines that fit the terminal, and colour where there is one."""

import json
import math
import os
import re
import sys
import textwrap
from shutil import get_terminal_size
from typing import Any, TextIO

NO_TERMINAL_COLUMNS = 80
_STYLES = {"green": "32", "yellow": "33", "red": "1;31", "dim": "2"}


def columns(stream: TextIO | None = None) -> int:
    """Return the width of the terminal that a stream (else stdout) goes to; 80 if it goes elsewhere."""
    terminal = (stream or sys.stdout).isatty()
    return max(20, get_terminal_size().columns) if terminal else NO_TERMINAL_COLUMNS


def style(text: str, name: str, stream: TextIO | None = None) -> str:
    """Return a text in colour, if the stream is a terminal that shows it and NO_COLOR is not set."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or not (stream or sys.stdout).isatty():
        return text
    return f"\x1b[{_STYLES[name]}m{text}\x1b[0m"


def print_json(found: dict[str, Any]) -> None:
    """Print one JSON object on stdout. What is not a number is null there: JSON knows no NaN."""
    print(json.dumps(plain(found), indent=1, allow_nan=False, ensure_ascii=False), flush=True)


def plain(value: Any) -> Any:
    """Return a value of NumPy's numbers, arrays, paths and containers as what JSON knows."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):  # an array, or a number of NumPy's
        return plain(value.tolist())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def entry(label: str, value: object, width: int, indent: int = 22) -> list[str]:
    """Return the lines of one entry of a list; a long path is not broken."""
    wrapped = textwrap.wrap(str(value), max(20, width - indent), break_long_words=False, break_on_hyphens=False)
    lines = wrapped or [""]
    return [f"{label if i == 0 else '':<{indent}}{line}".rstrip() for i, line in enumerate(lines)]


def wrap(flags: str, width: int, first: str = "", later: str = "  ") -> str:
    """Break a line between flags, but not between a flag and its value."""
    glued = re.sub(" (?!--)", "\xa0", flags)
    return textwrap.fill(
        glued, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False, break_long_words=False
    ).replace("\xa0", " ")


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line of flags; on a terminal it is wrapped between them."""
    target = stream or sys.stdout
    print(wrap(text, columns(target)) if target.isatty() else text, file=target, flush=True)
