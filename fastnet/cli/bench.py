"""The command ``fastnet bench``: flags into rows and contenders, measurements into tables.

It imports nothing heavy before it runs.
"""

import datetime
import sys
from contextlib import ExitStack
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .interrupt import exit_code
from .messages import DATA, USAGE, check_writable, fail
from .parsing import integers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._bench.rows import Row

RIVALS = ("jax", "torch", "sklearn", "numpy", "article")
_NO_TERMINAL_COLUMNS = 100

EPILOG = """\b
Example:
  fastnet bench --net 784-100-10 --batch 32,128 --compare jax"""


def bench(
    compare: Annotated[
        str | None, typer.Option(metavar="NAME,NAME,..", help=f"Peers: {', '.join(RIVALS)}, or none; else all.")
    ] = None,
    net: Annotated[str | None, typer.Option(metavar="N-N-..", help="Layer sizes, such as 784-300-10.")] = None,
    batch: Annotated[str | None, typer.Option(metavar="N,N,..", help="Batch sizes for --net; else 32,128.")] = None,
    rounds: Annotated[int, typer.Option(metavar="N", help="Turns that each contender gets.")] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write every time there.")] = None,
    data_dir: Annotated[str | None, typer.Option(metavar="DIR", help="Folder that holds mnist/.")] = None,
) -> None:
    """Time fastnet beside its peers on this machine.

    Without --net the rows are those of the README, which takes some minutes. MNIST is not downloaded: if it is not
    there, the images are drawn to look like it. `article` is the loop of the source article, one sample at a time.
    The ratio is to fastnet's median; compiling is not timed.
    """
    try:
        rows, rivals = _rows(net, batch), _rivals(compare)
        _check_rounds(rounds)
        check_writable("--json", json_file)
    except (TypeError, ValueError) as error:
        fail(str(error), USAGE)
    measured = 0
    try:
        report = _new_report(rows, ["fastnet", *rivals], rounds, data_dir)
        for result in _results(rows, rivals, compare is not None, report["data"] == "MNIST", rounds, data_dir):
            report["rows"].append(result)
            measured += 1
    except KeyboardInterrupt as interrupt:
        fail(f"interrupted: {measured} of {len(rows)} rows were measured", exit_code(interrupt))
    _finish(report, json_file)


# -- flags ---------------------------------------------------------------------------------------------


def _rows(net: str | None, batch: str | None) -> "tuple[Row, ...]":
    from .._bench.rows import ROWS, custom_rows

    if net is None:
        if batch is not None:
            raise ValueError("--batch needs --net: the standard rows have batch sizes of their own")
        return ROWS
    sizes, batches = integers("--net", net, "-", "784-300-10"), integers("--batch", batch or "32,128", ",", "32,128")
    if len(sizes) < 2:
        raise ValueError(f"--net must have at least inputs and outputs, such as 784-300-10, got {net!r}")
    return custom_rows(sizes, batches)


def _rivals(compare: str | None) -> list[str]:
    from ..checks import check_choice

    if compare is None:
        return list(RIVALS)
    if compare.strip() in ("", "none"):
        return []
    names = [check_choice("--compare", name.strip(), RIVALS) for name in compare.split(",")]
    return list(dict.fromkeys(names))


def _check_rounds(rounds: int) -> None:
    from ..checks import check_integer

    check_integer("--rounds", rounds, low=1)


# -- the work ------------------------------------------------------------------------------------------


def _new_report(rows: "tuple[Row, ...]", names: list[str], rounds: int, data_dir: str | None) -> dict[str, Any]:
    """Look for the data, say what will be measured where, and return a report without results."""
    from .._bench.machine import machine, versions
    from .._bench.report import document, headline
    from .._peers import PEERS

    data = _find_data(rows, data_dir)
    libraries = dict.fromkeys(["fastnet-numba", "numpy", "numba", *(PEERS[name].library for name in names)])
    today = datetime.date.today().isoformat()
    report = document(machine(), versions(libraries), today, data, rounds)
    print(f"{headline(report)}; images: {data}\n", flush=True)
    return report


def _find_data(rows: "tuple[Row, ...]", data_dir: str | None) -> str:
    """Return what the images are."""
    from ..datasets import load_mnist

    if not any(row.wants_mnist for row in rows):
        return "synthetic"
    try:
        load_mnist(data_dir, download=False)
    except FileNotFoundError as error:
        if data_dir is not None:
            fail(str(error), DATA)
        return "synthetic, as MNIST was not found"
    except (OSError, ValueError) as error:
        fail(str(error), DATA)
    return "MNIST"


def _results(
    rows: "tuple[Row, ...]", rivals: list[str], wanted: bool, mnist: bool, rounds: int, data_dir: str | None
) -> "Iterator[dict[str, Any]]":
    """Measure row by row; each is printed as soon as it is done.

    The article's loop knows batches of one only. Unless it is ``wanted`` by name, it is not even said to be left out.
    """
    from .._bench.measure import measure
    from .._bench.report import terminal_table
    from .._bench.workers import Worker

    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(name, mnist, data_dir)) for name in ("fastnet", *rivals)]
        for number, row in enumerate(rows, 1):
            doing = f"{row.title} ({number}/{len(rows)})"
            here = [worker for worker in workers if wanted or worker.name != "article" or row.batch_size == 1]
            with _Bar(doing, len(here) * (1 + rounds)) as bar:
                result = measure(row, here, rounds, step=bar.step)
            print(terminal_table(result, _columns()) + "\n", flush=True)
            yield result


def _finish(report: dict[str, Any], file: Path | None) -> None:
    """Print the overview, write the file, and fail if fastnet has no time at all."""
    import json

    from .._bench.report import terminal_overview

    overview = terminal_overview(report["rows"], _columns())
    if overview:
        print(overview, flush=True)
    if file is not None:
        try:
            file.write_text(json.dumps(report, indent=1) + "\n")
        except OSError as error:
            fail(f"--json: {error}", 1)
    ours = [entry for row in report["rows"] for entry in row["contenders"] if entry["peer"] == "fastnet"]
    if all("skipped" in entry for entry in ours):
        fail(f"fastnet itself could not be measured: {ours[0]['skipped']}", 1)


def _columns() -> int:
    return get_terminal_size().columns if sys.stdout.isatty() else _NO_TERMINAL_COLUMNS


class _Bar:
    """How far a row is: a bar on a terminal, which goes when the row is done; else one line on stderr.

    Drawn between measurements only: a thread that draws would take a core from who is measured.
    """

    def __init__(self, doing: str, steps: int):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(stderr=True, highlight=False)
        self._live = console.is_terminal and not console.is_dumb_terminal
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[step]}")
        self._bar = Progress(*columns, console=console, auto_refresh=False, transient=True, redirect_stdout=False)
        self._task = self._bar.add_task(doing, total=steps, step="")
        self._doing, self._started = doing, False

    def __enter__(self) -> "_Bar":
        if self._live:
            self._bar.start()
        else:
            print(f"measuring {self._doing}", file=sys.stderr, flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._bar.stop()

    def step(self, text: str) -> None:
        """Say what is done next."""
        if self._live:
            self._bar.update(self._task, advance=int(self._started), step=text)
            self._started = True
            self._bar.refresh()
