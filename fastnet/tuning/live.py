"""What a search looks like from outside: a table of the best that changes on a terminal, lines elsewhere."""

import threading
import time
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .halving import TuningState
from .table import cells, describe, ranking, show, varying

# Kernels come from the cache in 0.2 s, in 1 s on a busy machine, and take about ten to compile.
_COMPILING_AFTER = 2.0

# Drawing takes some milliseconds, from a thread that trains.
_REDRAW_AFTER = 0.25

_BAR = 24


class LiveTable:
    """Show a search while it runs: a callback for ``tune``, to be used in a ``with`` statement.

    On a terminal the best trials stand in a table, which goes away in the end; elsewhere there is one line for each
    rung, and not one control character. All of it goes to stderr.

    Parameters
    ----------
    n_rows : int, default=8
        Trials in the table.
    console : rich.console.Console, optional
        Where it goes instead.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.datasets.load_digits()
    >>> with fastnet.tuning.LiveTable() as table:
    ...     result = fastnet.tune(data, n_trials=4, epochs=4, seed=0, callback=table)
    """

    def __init__(self, n_rows: int = 8, console: Console | None = None):
        self._n_rows = n_rows
        self._console = console or Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._timer = threading.Timer(_COMPILING_AFTER, self._say_compiling)
        self._timer.daemon = True
        self._started = self._drawn = 0.0
        self._told = self._rungs_told = 0

    def __enter__(self) -> "LiveTable":
        self._started = time.perf_counter()
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            # Redrawn by the callback alone: a thread that draws would take a core from the threads that train.
            self._live = Live(Text("loading kernels"), console=self._console, auto_refresh=False, transient=True)
            self._live.start(refresh=True)
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, state: TuningState) -> None:
        """Draw, or print a line if a rung is over."""
        self._timer.cancel()
        for record in state.trials[self._told :]:
            if record["status"] == "diverged":
                why = record["error"].removeprefix("training diverged: ").split(";")[0]
                self._line(f"trial {record['trial']} diverged: {why}")
        self._told = len(state.trials)
        over = state.n_finished == state.n_candidates
        if self._live is None:
            if over and self._rungs_told <= state.rung:
                self._rungs_told = state.rung + 1
                self._line(_rung_line(state))
        elif over or time.perf_counter() - self._drawn >= _REDRAW_AFTER:
            self._live.update(self._picture(state), refresh=True)
            self._drawn = time.perf_counter()

    def _say_compiling(self) -> None:
        if self._live is None:
            self._line("compiling kernels, once")
        else:
            self._live.update(Text("compiling kernels, once"), refresh=True)

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _picture(self, state: TuningState) -> Any:
        line = Text(_progress_line(state, time.perf_counter() - self._started))
        names, rows = cells(state.trials, state.monitor, self._n_rows)
        if not rows:
            return line
        table = Table(box=None, padding=(0, 1), pad_edge=False)
        for name in names:
            table.add_column(name.replace("_", "\n"), justify="right", style="bold" if name == state.monitor else "")
        for row in rows:
            table.add_row(*row)
        return Group(line, table)


def _progress_line(state: TuningState, seconds: float) -> str:
    work = state.n_candidates * (state.epochs - state.epochs_before)
    done = 1.0 if state.n_finished == state.n_candidates or work == 0 else min(1.0, state.epochs_done / work)
    bar = "━" * round(_BAR * done) + "─" * (_BAR - round(_BAR * done))
    return (
        f"rung {state.rung + 1} of {state.n_rungs} {bar} {state.n_finished} of {state.n_candidates} trials, "
        f"{_epochs(state)}, {seconds:.0f} s"
    )


def _rung_line(state: TuningState) -> str:
    """Tell how a rung has ended."""
    best = ranking(state.trials, state.monitor)
    line = f"rung {state.rung + 1} of {state.n_rungs}: {state.n_candidates} trials, {_epochs(state)}"
    if not best:
        return line
    score = f"best: trial {best[0]['trial']}, {state.monitor} {show(best[0][state.monitor])}"
    return f"{line}; {score} ({describe(best[0], varying(state.trials))})"


def _epochs(state: TuningState) -> str:
    return f"{state.epochs} epoch{'s' if state.epochs > 1 else ''}"
