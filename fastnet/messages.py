"""What all commands say when something is wrong: one line on stderr and an exit code.

===  ============================================================================
0    done
2    usage: an unknown flag, or a value that can't be
3    data: a file is missing, damaged or can't be downloaded
4    training diverged
130  interrupted with Ctrl-C
===  ============================================================================
"""

from typing import NoReturn

import typer

USAGE, DATA, DIVERGED, INTERRUPTED = 2, 3, 4, 130


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong, on stderr, and end."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)
