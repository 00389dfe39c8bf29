"""The command ``fastnet reproduce``: experiments of the source articles by name.

It imports nothing heavy before it runs.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .interrupt import exit_code
from .messages import DATA, DIVERGED, USAGE, fail

if TYPE_CHECKING:
    from ..reproduce import Experiment, Result, Spread

_NO_TERMINAL_COLUMNS = 120
MISSED = 1  # exit code: a number is not what it should be

EPILOG = """\b
Example:
  fastnet reproduce moons mnist-10 --out figures"""


def reproduce(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Experiments, or all.")] = None,
    show: Annotated[bool, typer.Option("--list", help="Show the names of all experiments and end.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the figures.")] = Path("reproduced"),
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw figures (needs matplotlib).")] = True,
    seed: Annotated[int, typer.Option(metavar="N", help="First weights, order, and drawn data.")] = 0,
    seeds: Annotated[int, typer.Option(metavar="N", help="Run with so many seeds and show the range.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Seconds instead of minutes, to see that all works.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
    data_dir: Annotated[str | None, typer.Option(metavar="DIR", help="Folder that holds mnist/.")] = None,
) -> None:
    """Run experiments of the source articles, print their numbers beside ours, and draw their figures.

    `fastnet reproduce --list` shows the names. The exit code is 1 if a number is not what the article claims (never
    with --quick). With several seeds the figures are those of the first.
    """
    try:
        experiments = _experiments(names, show)
        _check(seed, seeds)
    except (TypeError, ValueError) as error:
        fail(str(error), USAGE)
    if show:
        _list(json_output)
        return
    run = _Run(out if figures else None, range(seed, seed + seeds), quick, json_output, data_dir)
    try:
        for found in experiments:
            run.experiment(found, several=len(experiments) > 1)
    except KeyboardInterrupt as interrupt:
        fail(f"interrupted: {len(run.documents)} of {len(experiments)} experiments are done", exit_code(interrupt))
    run.end()


def _experiments(names: list[str] | None, show: bool) -> "list[Experiment]":
    from ..checks import check_choice
    from ..reproduce import EXPERIMENTS

    if not names:
        if show:
            return []
        raise ValueError("NAME is missing: give one of `fastnet reproduce --list`, or all")
    if names == ["all"]:
        return list(EXPERIMENTS.values())
    return [EXPERIMENTS[check_choice("NAME", name, (*EXPERIMENTS, "all"))] for name in dict.fromkeys(names)]


def _check(seed: int, seeds: int) -> None:
    from ..checks import check_integer

    check_integer("--seed", seed, low=0)
    check_integer("--seeds", seeds, low=1)


def _list(json_output: bool) -> None:
    from ..reproduce import EXPERIMENTS

    if json_output:
        fields = ("name", "title", "source", "data", "shows")
        print(json.dumps([{key: getattr(found, key) for key in fields} for found in EXPERIMENTS.values()], indent=1))
        return
    width = max(map(len, EXPERIMENTS))
    for name, found in EXPERIMENTS.items():
        print(f"{name:<{width}}  {found.title}{f' ({found.data})' * bool(found.data)}")


class _Run:
    """Experiments one after the other: what was found, what could not be run, what was missed."""

    def __init__(self, out: Path | None, seeds: range, quick: bool, json_output: bool, data_dir: str | None):
        self._out, self._seeds, self._quick, self._json, self._data_dir = out, seeds, quick, json_output, data_dir
        self.documents: list[dict[str, Any]] = []
        self._without_data: list[str] = []
        self._missed: list[str] = []

    def experiment(self, found: "Experiment", several: bool) -> None:
        """Run one, and show it. Of several, those whose data are not to be had are left out."""
        from ..exceptions import DivergenceError, FormatError
        from ..reproduce import run, spreads

        started = time.perf_counter()
        try:
            results = [
                run(found.name, seed=seed, quick=self._quick, data_dir=self._data_dir, say=_say) for seed in self._seeds
            ]
        except DivergenceError as error:
            fail(f"{found.name}: {error}", DIVERGED)
        except (OSError, FormatError) as error:  # DownloadError is one of them
            if not several:
                fail(str(error), DATA)
            typer.echo(f"{found.name}: {error}", err=True)
            self._without_data.append(found.name)
            return
        rows, seconds = spreads(results), time.perf_counter() - started
        files = self._draw(results[0])
        self.documents.append(_document(found, self._seeds, self._quick, rows, files, seconds))
        if not self._quick:
            self._missed += [f"{found.name}: {row.number.what}" for row in rows if row.holds is False]
        if not self._json:
            _show(found, rows, len(self._seeds), seconds)
            for path in files:
                print(path)
            print(flush=True)

    def _draw(self, result: "Result") -> list[str]:
        if self._out is None:
            return []
        try:
            return [str(path) for path in result.save(self._out)]
        except ModuleNotFoundError as error:
            typer.echo(str(error), err=True)
            self._out = None
            return []
        except OSError as error:
            fail(f"--out: {error}", USAGE)

    def end(self) -> None:
        """Print what is left to say, and end with a code other than 0 if something is wrong."""
        if self._json:
            print(json.dumps(self.documents, indent=1))
        if self._without_data:
            fail(f"no data for {', '.join(self._without_data)} (see above)", DATA)
        if self._missed:
            fail(f"not what the article claims: {'; '.join(self._missed)}", MISSED)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _document(
    found: "Experiment", seeds: range, quick: bool, rows: "list[Spread]", files: list[str], seconds: float
) -> dict[str, Any]:
    """Return an experiment as JSON has it; JSON knows no NaN and no infinity."""
    numbers = [{**asdict(row.number), "low": row.low, "high": row.high, "holds": row.holds} for row in rows]
    return {
        "name": found.name,
        "title": found.title,
        "source": found.source,
        "seeds": list(seeds),
        "quick": quick,
        "numbers": [{key: _finite(value) for key, value in number.items()} for number in numbers],
        "figures": files,
        "seconds": round(seconds, 3),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, str | bool) or value is None:
        return value
    number = float(value)
    return number if abs(number) < float("inf") else str(number)


def _show(found: "Experiment", rows: "list[Spread]", n_seeds: int, seconds: float) -> None:
    """Print a table: what, the article's, ours, unit, whether it is as claimed, note."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    print(f"{found.name}: {found.title}\nsource: {found.source} ({seconds:.1f} s)")
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for name, justify in (("what", "left"), ("article", "right"), ("ours", "right"), ("", "left"), ("claim", "left")):
        table.add_column(name, justify=justify, no_wrap=name != "what")  # type: ignore[arg-type]
    notes = list(dict.fromkeys(row.number.note for row in rows if row.number.note))
    for cells in _cells(rows, n_seeds, notes):
        table.add_row(*map(Text, cells))
    width = get_terminal_size().columns if sys.stdout.isatty() else _NO_TERMINAL_COLUMNS
    Console(width=width, highlight=False, file=sys.stdout).print(table)
    for number, note in enumerate(notes):
        print(f"[{number + 1}] {note}")


def _cells(rows: "list[Spread]", n_seeds: int, notes: list[str]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        number = row.number
        ours, low, high = (number.show(value) for value in (number.ours, row.low, row.high))
        if n_seeds > 1 and low != high:
            ours = f"{ours} ({low} to {high})"
        article = "" if number.article is None else number.show(number.article)
        note = f" [{notes.index(number.note) + 1}]" if number.note else ""
        yield number.what + note, article, ours, number.unit, _verdict(row)


def _verdict(row: "Spread") -> str:
    """Say what ours should be, and whether it is for every seed."""
    number = row.number
    if row.holds is None:
        return ""
    wanted = number.relation if number.bound is None else f"{number.relation} {number.show(number.bound)}"
    return f"{wanted}: {'yes' if row.holds else 'NO'}"
