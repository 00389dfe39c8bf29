"""The command ``fastnet doctor``. It imports nothing heavy before it runs."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from .messages import FAILED
from .output import columns, entry, print_json, style

_COLOURS = {"ok": "green", "note": "dim", "warning": "yellow", "broken": "red"}
_VERDICT, _LABEL = 9, 29

EPILOG = """\b
Example:
  fastnet doctor --json"""


def doctor(
    self_test: Annotated[
        bool, typer.Option("--self-test/--no-self-test", help="Train a small network and compare it with NumPy.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check versions, machine, threads, cache and compiler, and train a small network against NumPy.

    The exit code is 1 if something is broken. The first time, kernels are compiled for the self-test (10 s).
    """
    from .._doctor import BROKEN, doctor

    found = doctor(self_test)
    if as_json:
        print_json(found)
    else:
        print("\n".join(_lines(found)), flush=True)
    raise typer.Exit(FAILED if found["verdict"] == BROKEN else 0)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for check in found["checks"]:
        texts = [check["found"]] + [f"→ {check['advice']}"] * bool(check["advice"])
        lines = [line for text in texts for line in entry("", text, columns(), _LABEL)]
        head = f"{check['verdict']:<{_VERDICT}}{check['name']:<{_LABEL - _VERDICT}}{lines[0][_LABEL:]}"
        yield style(check["verdict"], _COLOURS[check["verdict"]]) + head[len(check["verdict"]) :]
        yield from lines[1:]
    counts = {verdict: sum(check["verdict"] == verdict for check in found["checks"]) for verdict in _COLOURS}
    yield ""
    yield f"{found['verdict']}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
