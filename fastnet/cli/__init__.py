"""The command ``fastnet``: turns flags into calls of the library, and its errors into one line and an exit code.

One file a verb. Nothing heavy is imported before a command needs it, so that help comes at once.
"""

import errno
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from . import bench, data, doctor, evaluate, export, info, plot, predict, reproduce, train, tune, warmup
from .interrupt import exit_code, take_sigterm
from .messages import FAILED, USAGE, describe, fail, newline_after_interrupt


class Commands(TyperGroup):
    """Commands whose errors are one line and an exit code."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command line and exit."""
        try:
            code = super().main(*args, **{**options, "standalone_mode": False})
        except Exception as error:
            if not hasattr(error, "format_message"):  # that is what typer's usage errors have, and click's
                raise
            if type(error).__name__ == "NoArgsIsHelpError":
                typer.echo(error.format_message())
                code = 0
            else:
                typer.echo(f"error: {error.format_message()}", err=True)
                code = USAGE
        sys.exit(code)

    def invoke(self, context: Any) -> Any:
        """Run a command; what it did not catch itself becomes one line here."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt as interrupt:
            newline_after_interrupt()
            fail("interrupted", exit_code(interrupt))
        except MemoryError as error:
            fail(f"not enough memory: {error}", FAILED)
        except ImportError as error:  # of an optional library; the message names the extra
            if (error.name or "").partition(".")[0] == "fastnet":
                raise
            fail(describe(error), FAILED)
        except OSError as error:
            if error.errno == errno.EPIPE:  # typer ends quietly then
                raise
            fail(describe(error), FAILED)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command ``fastnet``."""
    take_sigterm()
    _mend_streams()
    app(prog_name="fastnet")


def _mend_streams() -> None:
    """Let nothing fail because a stream is closed (``>&-``), or because its encoding lacks a character of a name."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fastnet {__version__}")
        raise typer.Exit


@app.callback()
def _fastnet(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Train small neural networks on a CPU, fast."""


# Each verb with its line in the list of all, and whether it needs arguments.
for _verb, _epilog, _short, _needs in (
    (train.train, train.EPILOG, "Train a network on data, test it, save it.", True),
    (evaluate.evaluate, evaluate.EPILOG, "Measure a saved model on data.", True),
    (predict.predict, predict.EPILOG, "What a saved model says of data, as CSV.", True),
    (tune.tune, tune.EPILOG, "Search for the settings that suit data.", True),
    (plot.plot, plot.EPILOG, "Draw a history, a model or a search.", True),
    (export.export, export.EPILOG, "A saved model as ONNX, NPZ, torch or JSON.", True),
    (bench.bench, bench.EPILOG, "Time fastnet beside its peers.", False),
    (reproduce.reproduce, reproduce.EPILOG, "Run experiments of the source articles.", True),
    (info.info, info.EPILOG, "Versions, machine, ways taken for a network.", False),
    (doctor.doctor, doctor.EPILOG, "Check the set-up, with a self-test.", False),
    (warmup.warmup, warmup.EPILOG, "Compile now what training needs.", False),
):
    app.command(epilog=_epilog, short_help=_short, no_args_is_help=_needs)(_verb)
app.add_typer(data.data, name="data", cls=Commands)
