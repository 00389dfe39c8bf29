"""The command ``fastnet tune``: search for the settings that suit some data."""

import math
import re
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .config import Config
from .interrupt import code_of_last, exit_code
from .messages import (
    DIVERGED,
    FAILED,
    USAGE,
    check_writable,
    fail,
    failing,
    flags_of,
    newline_after_interrupt,
    plain_warnings,
)
from .output import columns, print_json
from .parsing import number_or_name
from .settings import Settings, command, suited
from .sources import (
    OPTIONS,
    Data,
    DataDir,
    Delimiter,
    Drop,
    Header,
    ImageShape,
    Target,
    Task,
    Test,
    Validation,
    split,
    standardised,
)

if TYPE_CHECKING:
    from ..datasets import Dataset
    from ..tuning import TuningResult, TuningState

EPILOG = """A range such as 1e-4..0.1 is log-uniform, a list such as tanh,relu holds choices, one value is fixed. Layers
of a network are written with a dash: 100,200-50.

\b
Examples:
  fastnet tune flowers.csv --target kind -o best.safetensors
  fastnet tune mnist --hidden 10..100 --learning-rate 1e-4..1 --jobs 2"""

# Entries of the space that are flags.
SPACE = ("hidden", "activation", "optimizer", "learning_rate", "momentum", "weight_decay", "batch_size", "dropout")
_WHOLE = ("hidden", "batch_size")
_FLAGS = {"n_trials": "--trials", "n_jobs": "--jobs", **flags_of((*SPACE, "epochs", "factor", "scale", "seed"))}
Range = "LOW..HIGH"
_SHOWN = 8  # trials in the table at the end


def tune(
    data: Data,
    target: Target = None,
    drop: Drop = None,
    trials: Annotated[int, typer.Option(metavar="N", help="Settings to try.")] = 60,
    jobs: Annotated[int | None, typer.Option(metavar="N", help="Trials at the same time; else one a CPU.")] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Of the network that wins; else by the number of samples.")
    ] = None,
    factor: Annotated[int, typer.Option(metavar="N", help="One of N goes on, to N times the epochs.")] = 2,
    hidden: Annotated[str | None, typer.Option(metavar=Range, help="Units; else 10..100.")] = None,
    activation: Annotated[str | None, typer.Option(metavar="NAME,..", help="Else tanh,relu.")] = None,
    optimizer: Annotated[str | None, typer.Option(metavar="NAME,..", help="Else sgd.")] = None,
    learning_rate: Annotated[str | None, typer.Option(metavar=Range, help="Else 1e-6..0.1.")] = None,
    momentum: Annotated[str | None, typer.Option(metavar="X,..", help="Else 0,0.5,0.9.")] = None,
    weight_decay: Annotated[str | None, typer.Option(metavar=Range, help="Else 1e-6..0.1.")] = None,
    batch_size: Annotated[str | None, typer.Option(metavar="N,..", help="Else 16,32,64,128.")] = None,
    dropout: Annotated[str | None, typer.Option(metavar="X,..", help="Else none.")] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="NAME", help="auto, minmax, standard or a factor; else by the data.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Save the best network there.")
    ] = None,
    trials_file: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all trials there, as CSV.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw all trials (PNG, SVG or PDF; needs matplotlib).")
    ] = None,
    max_time: Annotated[float | None, typer.Option(metavar="SECONDS", help="Stop then, with the best so far.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Draws settings, weights, minibatches and the split.")] = 0,
    validation: Validation = None,
    test: Test = None,
    task: Task = None,
    delimiter: Delimiter = None,
    header: Header = None,
    image_shape: ImageShape = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on stdout, and progress on stderr.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show the result only, and no progress.")] = False,
) -> None:
    """Search for good settings on DATA: random trials, of which the better half goes on to twice as many epochs.

    The validation samples choose; the test samples are used once, for the best network.
    """
    flags = locals()
    with plain_warnings(_FLAGS), failing(USAGE, TypeError, ValueError, flags=_FLAGS):
        space = {name: entry(name, flags[name]) for name in SPACE if flags[name] is not None}
        for name in ("output", "trials_file", "plot"):
            check_writable(f"--{name.replace('_', '-')}", flags[name])
        if max_time is not None and not max_time > 0:
            raise ValueError(f"--max-time must be more than 0 seconds, got {max_time}")
        dataset = split(data, flags)
        base = suited(data, dataset)
        flags["scale"] = number_or_name(scale) if scale is not None else base.scale
        result = _search(dataset, space, flags)
        _finish(dataset, base, result, flags)


def entry(name: str, text: str) -> Any:
    """Read an entry of the space: a range, choices, or one value."""
    if ends := re.fullmatch(r"([^.,]*\.?[^.,]*)\.\.(.+)", text):
        low, high = (_value(name, end) for end in ends.groups())
        if not isinstance(low, int | float) or not isinstance(high, int | float):
            raise ValueError(f"{name} must be a range such as 1e-4..0.1, a list or one value, got {text!r}")
        return low, high
    values = [_layers(part) if name == "hidden" else _value(name, part) for part in text.split(",")]
    return values if len(values) > 1 or name == "hidden" else values[0]


def _layers(text: str) -> int | tuple[int, ...]:
    if not re.fullmatch(r"\s*\d+(-\d+)*\s*", text, re.ASCII):
        raise ValueError(f"hidden must be units such as 10..100, or choices such as 50,100-50, got {text!r}")
    widths = tuple(int(width) for width in text.split("-"))
    return widths if len(widths) > 1 else widths[0]


def _value(name: str, text: str) -> Any:
    value = number_or_name(text.strip())
    if isinstance(value, float) and name in _WHOLE:
        if not value.is_integer():
            raise ValueError(f"{name} must be whole numbers, got {text!r}")
        return int(value)
    return value


# -- the search ----------------------------------------------------------------------------------------


def _search(dataset: "Dataset", space: dict[str, Any], flags: dict[str, Any]) -> "TuningResult":
    from ..exceptions import DivergenceError
    from ..tuning import tune as search

    scaled, scaler = standardised(dataset)
    names = {"n_trials": "trials", "n_jobs": "jobs", "epochs": "epochs", "factor": "factor", "seed": "seed"}
    options = {name: flags[flag] for name, flag in names.items()}
    try:
        with _Watch(flags["max_time"], flags["quiet"]) as watch:
            result = search(scaled, space=space, scale=flags["scale"], callback=watch, **options)
    except DivergenceError as error:
        fail(str(error), DIVERGED)
    except KeyboardInterrupt as interrupt:
        newline_after_interrupt()
        fail("interrupted before the first trial was over", exit_code(interrupt))
    if scaler is not None:
        scaler.fold_into(result.best_network)
    return result


class _Watch(ExitStack):
    """Called after each epoch: shows the best trials on stderr, and ends the search when its time is over."""

    def __init__(self, seconds: float | None, quiet: bool):
        from ..tuning import LiveTable

        super().__init__()
        self._table = None if quiet else self.enter_context(LiveTable())
        self._end = time.monotonic() + (seconds or math.inf)

    def __call__(self, state: "TuningState") -> bool:
        if self._table is not None:
            self._table(state)
        return time.monotonic() > self._end


# -- what came of it -----------------------------------------------------------------------------------


def _finish(dataset: "Dataset", base: Settings, result: "TuningResult", flags: dict[str, Any]) -> None:
    network = result.best_network
    network.classes, network.feature_names = dataset.classes, dataset.feature_names
    with failing(FAILED, OSError, ValueError):
        if flags["plot"] is not None:
            result.plot(flags["plot"])
        if flags["trials_file"] is not None:
            result.to_csv(flags["trials_file"])
        if flags["output"] is not None:
            network.save(flags["output"])
    stopped = result.interrupted and (flags["max_time"] is None or result.seconds < flags["max_time"])
    if flags["as_json"]:
        print_json(_summary(dataset, result, flags))
    else:
        print("\n".join(_lines(_command(base, result, flags), result, flags)), flush=True)
    raise typer.Exit(code_of_last() if stopped else 0)


def _summary(dataset: "Dataset", result: "TuningResult", flags: dict[str, Any]) -> dict[str, Any]:
    test = "test_r2" if dataset.task == "regression" else "test_accuracy"
    return {
        "data": flags["data"],
        test: result.test_score,
        "monitor": result.monitor,
        "best_score": result.best_score,
        "best_trial": result.best_trial,
        "best_params": result.best_params,
        "layer_sizes": result.best_network.layer_sizes,
        "trials": len({record["trial"] for record in result.trials}),
        "diverged": result.diverged,
        "seconds": result.seconds,
        "interrupted": result.interrupted,
        "seed": result.seed,
        "model": flags["output"],
        "trials_file": flags["trials_file"],
        "plot": flags["plot"],
    }


def _command(base: Settings, result: "TuningResult", flags: dict[str, Any]) -> str:
    """Return DATA and flags that train the best network."""
    params = {name: value for name, value in result.best_params.items() if value is not None}
    found = Settings(**params, epochs=len(result.history), scale=flags["scale"])
    options = {name: flags[name] for name in (*OPTIONS, "validation", "test")} | {"seed": result.seed}
    return command(flags["data"], found, base, options)


def _lines(repeat: str, result: "TuningResult", flags: dict[str, Any]) -> list[str]:
    from ..progress import show_seconds

    n_trials = len({record["trial"] for record in result.trials})
    regression = result.best_network.output == "identity"
    test = "" if result.test_score is None else f"test {'R²' if regression else 'accuracy'} {_score(result)}, "
    diverged = f", {len(result.diverged)} diverged" if result.diverged else ""
    stopped = "interrupted: " if result.interrupted else ""
    shown = [] if flags["quiet"] else [*_table(result), ""]
    return [
        *shown,
        f"best of {n_trials}: trial {result.best_trial}, {len(result.history)} epochs",
        f"fastnet train {repeat}",
        f"{stopped}{test}{result.monitor} {result.best_score:.4f} in {show_seconds(result.seconds)}{diverged}",
    ]


def _table(result: "TuningResult") -> list[str]:
    """Return the best trials as lines, cut at the width of a terminal."""
    from ..tuning.table import text_table

    width = columns() if sys.stdout.isatty() else 1000
    rows = text_table(result.trials, result.monitor, _SHOWN).split("\n")
    return [row if len(row) <= width else f"{row[: width - 1]}…" for row in rows]


def _score(result: "TuningResult") -> str:
    score = float(result.test_score or 0)
    return f"{score:.4f}" if result.best_network.output == "identity" else f"{100 * score:.2f} %"
