"""What a fit looks like from outside: a bar with the time left on a terminal, one line per epoch everywhere.

The lines are results and go to stdout; the bar, and what is said about compiling, go to stderr. Without a terminal
there is no bar and not one control character, only lines.
"""

import math
import os
import stat
import sys
import threading
import time
from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from .callbacks import Callback, State

# Kernels come from the cache in 0.2 s, in 1 s on a busy machine, and take about ten to compile.
_COMPILING_AFTER = 2.0

# Drawing takes some milliseconds. Between epochs it takes them from nobody, within one seldom.
_REDRAW_AFTER, _REDRAW_WITHIN_EPOCH_AFTER = 0.1, 0.3


class Display(Callback):
    """Show a fit while it runs.

    Parameters
    ----------
    varying_rate : bool
        Whether the learning rate may change: it then has a column, filled when it does.
    curves : bool, default=False
        Whether loss and accuracy are drawn below the bar while training, and once more at the end. Only on a terminal
        that is wide enough and knows Braille characters.

    Attributes
    ----------
    state : State or None
        Where training stands, once it has begun (compiling is no part of it).
    seconds : float
        Time spent on training so far, without validation, and without this display's own lines.
    """

    def __init__(self, varying_rate: bool = False, curves: bool = False) -> None:
        self.state: State | None = None
        self.seconds = 0.0
        self._varying_rate, self._rate = varying_rate, 0.0
        self._console = Console(stderr=True, highlight=False)
        self._live = _bar_wanted() and self._console.is_terminal and not self._console.is_dumb_terminal
        self._above_bar = self._live and sys.stdout.isatty()
        self._pending: list[str] = []
        self._status = self._console.status("loading kernels")
        self._timer = threading.Timer(_COMPILING_AFTER, self._say_compiling)
        self._timer.daemon = True
        # Redrawn by the callbacks alone: a thread that draws would take a core from the threads that train.
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
        )
        self._bar = _Bar(*columns, console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
        self._curves = curves and self._live and self._console.encoding.lower().startswith("utf")
        self._course: dict[str, list[float]] = {"loss": [], "accuracy": [], "val_accuracy": []}
        self._drawn = self._since = 0.0

    def on_fit_begin(self, state: State) -> None:
        """Wait for the kernels, and say so if it takes long."""
        self._timer.start()
        if self._live:
            self._status.start()

    def _say_compiling(self) -> None:
        if self._live:
            self._status.update("compiling kernels, once")
        else:
            self._note("compiling kernels, once")

    def on_compiled(self, state: State) -> None:
        """Tell how long the kernels took; begin the table."""
        self._stop_waiting()
        seconds = state.compile_seconds
        if seconds < _COMPILING_AFTER:
            self._note(f"kernels loaded from the cache in {show_seconds(seconds)}")
        else:
            self._note(f"kernels compiled, once, in {show_seconds(seconds)}")
        self.state = state
        if self._live:
            self._bar.add_task(f"epoch 1/{state.epochs}", total=state.epochs * state.minibatches)
            self._bar.start()
        header = f"{'epoch':>{_width(state)}}      loss   accuracy  validation    samples/s"
        self._line(header + ("  learning rate" if self._varying_rate else ""))
        self._since = time.perf_counter()

    def on_minibatches_end(self, state: State) -> None:
        """Move the bar on, now and then."""
        self._draw(state, _REDRAW_WITHIN_EPOCH_AFTER)

    def on_epoch_end(self, state: State) -> None:
        """Print the epoch's line."""
        m = state.metrics
        self.seconds += m["seconds"]
        for name, values in self._course.items():
            values.append(m[name])
        line = (
            f"{f'{state.epoch}/{state.epochs}':>{_width(state)}} {show_number(m['loss'], 9)}"
            f"{100 * m['accuracy']:>9.2f} %{100 * m['val_accuracy']:>10.2f} %{m['samples_per_second']:>13,.0f}"
        )
        if self._varying_rate and m["learning_rate"] != self._rate:
            self._rate = m["learning_rate"]
            line += f"  {self._rate:>13.4g}"
        self._line(line)
        self._draw(state, _REDRAW_AFTER)
        self._since = time.perf_counter()

    def on_fit_end(self, state: State) -> None:
        """Take the bar away."""
        if self.state is not None and state.epoch < state.epochs:
            self.seconds += time.perf_counter() - self._since
        self._stop_waiting()
        if self._live:
            self._bar.stop()
            self._print_pending()
            for line in self._chart(None):
                self._console.print(line, markup=False, soft_wrap=True)

    def _stop_waiting(self) -> None:
        self._timer.cancel()
        self._status.stop()

    def _line(self, text: str) -> None:
        """Print a line of results; if they share the screen with the bar, when that is drawn next."""
        if self._above_bar:
            self._pending.append(text)
        else:
            print(text, flush=True)

    def _draw(self, state: State, after: float) -> None:
        """Draw bar and lines if the last time was ``after`` seconds ago."""
        if not self._live or time.perf_counter() - self._drawn < after:
            return
        done = state.epoch * state.minibatches + state.minibatch * (state.minibatch < state.minibatches)
        epoch = min(state.epoch + 1, state.epochs)
        self._print_pending()
        self._bar.below = self._chart(state.epochs)
        self._bar.update(self._bar.task_ids[0], completed=done, description=f"epoch {epoch}/{state.epochs}")
        self._bar.refresh()
        self._drawn = time.perf_counter()

    def _chart(self, epochs: int | None) -> list[str]:
        """Return the curves of so many epochs, or of those that there were; nothing before there are two."""
        losses, *accuracies = self._course.values()
        if not self._curves or len(losses) < 2:
            return []
        from .terminal_curves import Curve, chart

        trained, validated = accuracies
        if math.isnan(trained[-1]):
            second = Curve("validation R²", validated, lambda value: f"{value:.4f}")
        else:
            known = not math.isnan(validated[-1])
            name, values = ("validation accuracy", validated) if known else ("accuracy", trained)
            second = Curve(name, values, lambda value: f"{100 * value:.2f} %")
        return chart(
            [Curve("loss", losses, lambda value: show_number(value, 0)), second], self._console.width - 1, epochs
        )

    def _print_pending(self) -> None:
        if self._pending:
            self._console.print("\n".join(self._pending), markup=False, soft_wrap=True)
            self._pending.clear()

    def _note(self, text: str) -> None:
        if self._live:
            self._console.print(text, style="dim", markup=False)
        else:
            print(text, file=sys.stderr, flush=True)


class _Bar(Progress):
    """A bar with lines below it."""

    below: Sequence[str] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return what is drawn: the bar, and the lines."""
        yield from super().get_renderables()
        if self.below:
            yield Text("\n".join(self.below), no_wrap=True)


def _bar_wanted() -> bool:
    """Whether stderr is a terminal, and stdout no pipe to a program that writes between the bar's lines (tee, less)."""
    try:
        piped = stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):  # not a file, as in tests and notebooks
        piped = False
    return sys.stderr.isatty() and not piped


def show_seconds(seconds: float) -> str:
    """Return a time in seconds with about three digits."""
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"


def show_number(value: float, width: int) -> str:
    """Return a loss with four decimals, or with an exponent where these would say little."""
    return f"{value:>{width}.4f}" if 1e-3 <= value < 1e4 else f"{value:>{width}.2e}"


def _width(state: State) -> int:
    return max(len("epoch"), 2 * len(str(state.epochs)) + 1)
