"""What all commands say when something is wrong: one line on stderr and an exit code.

===  ============================================================================
0    done
1    anything else: a file that can't be written, too little memory, a failed check
2    usage: an unknown flag, or a value that can't be
3    data: a file is missing, damaged or can't be downloaded
4    training diverged
130  interrupted with Ctrl-C
143  terminated (SIGTERM)
===  ============================================================================
"""

import errno
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import typer

FAILED, USAGE, DATA, DIVERGED, INTERRUPTED, TERMINATED = 1, 2, 3, 4, 130, 143


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong, on stderr, and end."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


def newline_after_interrupt() -> None:
    """Leave the line in which a terminal shows ^C."""
    if sys.stderr.isatty():
        typer.echo(err=True)


@contextmanager
def failing(code: int, *kinds: type[Exception], flags: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn errors of these kinds into one line, with the flags for the names of arguments, and an exit code.

    A pipe that nobody reads any more is no error of this kind.
    """
    try:
        yield
    except kinds as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise
        fail(name_flag(describe(error), flags or {}), code)


def describe(error: BaseException) -> str:
    """Return an error's text; that of the operating system's errors without their number."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def check_writable(flag: str, file: Path | None) -> None:
    """Refuse, before minutes of work, a file that can't be written."""
    if file is None:
        return
    folder = file.absolute().parent
    if file.is_dir() or not folder.is_dir() or not os.access(file if file.exists() else folder, os.W_OK):
        raise ValueError(f"{flag} must name a file that can be written, in a folder that exists, got {str(file)!r}")


def flags_of(arguments: Iterable[str]) -> dict[str, str]:
    """Map arguments of the library to flags of the same names."""
    return {name: f"--{name.replace('_', '-')}" for name in arguments}


def name_flag(message: str, flags: Mapping[str, str]) -> str:
    """Return a message of the library with flags for the argument's name that it begins with, and in its advice."""
    message = re.sub(r"\bdrop=\['?([^']*?)'?\]", r"--drop '\1'", message)
    name = re.match(r"([a-z_]+)(\[\d+\])?", message)
    if name is None or name[1] not in flags:
        return message
    return f"{flags[name[1]]}{message[name.end() :]}"


@contextmanager
def plain_warnings(flags: Mapping[str, str]) -> Iterator[None]:
    """Show warnings as one line on stderr, without the place in the code."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"warning: {name_flag(str(message), flags)}", file=sys.stderr, flush=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
