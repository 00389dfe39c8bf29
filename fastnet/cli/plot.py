"""The command ``fastnet plot``: pictures of histories, models and searches."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from .evaluate import Part, labelled
from .messages import DATA, FAILED, USAGE, fail, failing, plain_warnings
from .models import load_network
from .sources import DataDir, Delimiter, Drop, Header, ImageShape, Target, Task, Test, Validation, image_shape

EPILOG = """\b
Examples:
  fastnet plot history.csv -o curves.png
  fastnet plot model.safetensors -o weights.svg
  fastnet plot model.safetensors mnist --kind worst --worst 40
  fastnet plot trials.csv --kind parallel"""

KINDS = ("curves", "weights", "confusion", "boundary", "worst", "tuning", "parallel")
_OF_TABLES = {"curves": "a history", "tuning": "trials", "parallel": "trials"}


def plot(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A model, a history (CSV) or trials (CSV).", show_default=False)
    ],
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="Samples, for confusion, boundary and worst.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="PNG, SVG or PDF; else KIND.png.")
    ] = None,
    kind: Annotated[str | None, typer.Option(metavar="NAME", help=f"{', '.join(KINDS)}; else what suits.")] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="Above the picture.")] = "",
    worst: Annotated[int, typer.Option(metavar="N", help="Mistakes to show, for --kind worst.")] = 20,
    score: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column that trials are compared by; else val_accuracy.")
    ] = None,
    target: Target = None,
    drop: Drop = None,
    part: Part = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the split, for --part.")] = 0,
    validation: Validation = None,
    test: Test = None,
    task: Task = None,
    delimiter: Delimiter = None,
    header: Header = None,
    image_shape: ImageShape = None,
    data_dir: DataDir = None,
) -> None:
    """Draw a history, a model, what a model does with DATA, or a search (needs matplotlib)."""
    flags = locals()
    from ..plots import require_matplotlib, save

    require_matplotlib()
    table = _table(source)
    kind = _kind(kind, table, data, flags)
    path = output or Path(f"{kind}.png")
    with plain_warnings({}):
        if table is not None:
            figure = _of_table(kind, source, table, score, title)
        else:
            figure = _of_model(kind, source, data, flags)
    with failing(USAGE, ValueError), failing(FAILED, OSError):
        save(figure, path)
    print(f"{path}: {kind}", flush=True)


class _Table(NamedTuple):
    """A CSV file with a header, as texts."""

    names: list[str]
    rows: list[dict[str, str]]


def _table(source: Path) -> _Table | None:
    """Read a history or trials; None for what is no CSV file, which must be a model."""
    with failing(DATA, OSError, ValueError, csv.Error):
        if source.suffix.lower() not in (".csv", ".tsv"):
            return None
        with source.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter="\t" if source.suffix.lower() == ".tsv" else ",")
            return _Table(list(reader.fieldnames or ()), list(reader))


def _kind(kind: str | None, table: _Table | None, data: str | None, flags: dict[str, Any]) -> str:
    """Return what is drawn, or refuse what does not go with the source."""
    from ..checks import check_choice

    if kind is not None:
        with failing(USAGE, ValueError):
            check_choice("--kind", kind, KINDS)
    if table is not None:
        suits = "tuning" if "rung" in table.names or "trial" in table.names else "curves"
        found = kind or suits
        if found not in _OF_TABLES or (found == "curves") != (suits == "curves"):
            fail(f"--kind {kind} does not go with {_OF_TABLES[suits]}: {flags['source']}", USAGE)
        return found
    found = kind or ("weights" if data is None else "confusion")
    if found in _OF_TABLES:
        fail(f"--kind {kind} needs a CSV file of {_OF_TABLES[found]}, got {flags['source']}", USAGE)
    if found != "weights" and data is None:
        fail(f"--kind {kind} needs DATA behind the model", USAGE)
    return found


def _of_table(kind: str, source: Path, table: _Table, score: str | None, title: str) -> Any:
    from .. import plots
    from ..history import History

    with failing(DATA, OSError, ValueError):
        if kind == "curves":
            return plots.history(History.from_csv(source), title)
        trials = [{name: _cell(text) for name, text in row.items() if name is not None} for row in table.rows]
        form = "parallel" if kind == "parallel" else "scatter"
        return plots.tuning(trials, score or _score(table), kind=form, title=title)


def _score(table: _Table) -> str:
    """Return what trials are compared by: the accuracy, if one was measured."""
    measured = any(row.get("val_accuracy") not in (None, "", "nan") for row in table.rows)
    return "val_accuracy" if measured else "val_loss"


def _cell(text: str | None) -> Any:
    if text is None or text == "":
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if math.isfinite(number) and number.is_integer() and "." not in text else number


def _of_model(kind: str, source: Path, data: str | None, flags: dict[str, Any]) -> Any:
    from .. import plots

    network = load_network(source)
    title, shape = flags["title"], None
    with failing(USAGE, ValueError, flags={"image_shape": "--image-shape"}):
        shape = image_shape(flags["image_shape"]) if flags["image_shape"] else None
        if kind == "weights":
            return plots.weights(network, shape, title=title)
    X, y, _, own_shape = labelled(network, str(data), flags)
    with failing(DATA, TypeError, ValueError):
        if kind == "boundary":
            return plots.decision_boundary(network, X, y, title)
        evaluation = network.evaluate(X, y)
        draw: Callable[[], Any] = {
            "confusion": lambda: plots.evaluation(evaluation, title),
            "worst": lambda: plots.worst_mistakes(evaluation, X, shape or own_shape, flags["worst"], title=title),
        }[kind]
        return draw()
