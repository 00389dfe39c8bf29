"""What all commands say when something is wrong: one line on stderr and an exit code.

===  ============================================================================
0    done
2    usage: an unknown flag, or a value that can't be
3    data: a file is missing, damaged or can't be downloaded
4    training diverged
130  interrupted with Ctrl-C
===  ============================================================================
"""

import re
import sys
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import Any, NoReturn

import typer

USAGE, DATA, DIVERGED, INTERRUPTED = 2, 3, 4, 130


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong, on stderr, and end."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


def flags_of(arguments: Iterable[str]) -> dict[str, str]:
    """Map arguments of the library to flags of the same names."""
    return {name: f"--{name.replace('_', '-')}" for name in arguments}


def name_flag(message: str, flags: Mapping[str, str]) -> str:
    """Return a message of the library with the flag for the argument's name that it begins with."""
    name = re.match(r"([a-z_]+)(\[\d+\])?", message)
    if name is None or name[1] not in flags:
        return message
    return f"{flags[name[1]]}{message[name.end() :]}"


def wrap(flags: str, width: int, first: str = "", later: str = "  ") -> str:
    """Break a line between flags, but not between a flag and its value."""
    glued = re.sub(" (?!--)", "\xa0", flags)
    return textwrap.fill(
        glued, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False, break_long_words=False
    ).replace("\xa0", " ")


def say(text: str) -> None:
    """Print a line of flags; on a terminal it is wrapped between them."""
    if sys.stdout.isatty():
        text = wrap(text, get_terminal_size().columns)
    print(text, flush=True)


@contextmanager
def plain_warnings(flags: Mapping[str, str]) -> Iterator[None]:
    """Show warnings as one line on stderr, without the place in the code."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"warning: {name_flag(str(message), flags)}", file=sys.stderr, flush=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
