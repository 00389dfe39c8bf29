"""Trials as rows of text, the best first."""

import math
from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]  # of a trial in a rung: see ``TuningResult.trials``

MEASURED = ("loss", "accuracy", "val_loss", "val_accuracy")
_SHOWN = ("trial", "epochs", "val_accuracy", "val_loss")
_NO_SETTINGS = frozenset(("trial", "rung", "epochs", "status", *MEASURED, "error"))


def ranking(trials: Sequence[Record], monitor: str) -> list[Record]:
    """Return the last row of each trial that has finished a rung: those that came furthest first, then the best."""
    last: dict[Any, Record] = {}
    for record in trials:
        if record["status"] == "finished" and last.get(record["trial"], record)["rung"] <= record["rung"]:
            last[record["trial"]] = record
    sign = 1 if monitor == "val_loss" else -1
    return sorted(last.values(), key=lambda r: (-r["rung"], sign * r[monitor], r["val_loss"], r["trial"]))


def varying(trials: Sequence[Record]) -> list[str]:
    """Return the names of the settings that are not the same in all trials."""
    names = [name for name in (trials[0] if trials else ()) if name not in _NO_SETTINGS]
    return [name for name in names if len({str(record[name]) for record in trials}) > 1]


def cells(trials: Sequence[Record], monitor: str, most: int) -> tuple[list[str], list[list[str]]]:
    """Return the columns' names and at most so many rows of text."""
    names = [*_SHOWN, *varying(trials)]
    return names, [[show(record[name]) for name in names] for record in ranking(trials, monitor)[:most]]


def text_table(trials: Sequence[Record], monitor: str, most: int) -> str:
    """Return the best trials as lines of text."""
    names, rows = cells(trials, monitor, most)
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    return "\n".join("  ".join(map(str.rjust, row, widths)) for row in (names, *rows))


def describe(record: Record, names: Sequence[str]) -> str:
    """Return some of a trial's settings as one line."""
    return ", ".join(f"{name} {show(record[name])}" for name in names if record[name] is not None)


def show(value: Any) -> str:
    """Return a cell: four digits of a number that has a fraction, nothing for what is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
