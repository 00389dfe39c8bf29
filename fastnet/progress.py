"""What a fit looks like from outside: a bar with the time left on a terminal, one line per epoch everywhere.

The lines are results and go to stdout, or where they are wanted; the bar, and what is said about compiling, go to
stderr. Without a terminal there is no bar and not one control character, only lines.
"""

import math
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from .callbacks import Callback, State

# Kernels come from the cache in 0.2 s, in 1 s on a busy machine, and take about ten to compile.
_COMPILING_AFTER = 2.0

# Drawing takes some milliseconds. Between epochs it takes them from nobody, within one seldom.
_REDRAW_AFTER, _REDRAW_WITHIN_EPOCH_AFTER = 0.1, 0.3


class Stopwatch(Callback):
    """Know where a fit stands, and the time it took, and show nothing.

    Attributes
    ----------
    state : State or None
        Where training stands, once it has begun (compiling is no part of it).
    seconds : float
        Time spent on training so far, without validation, and without what is shown of it.
    """

    def __init__(self) -> None:
        self.state: State | None = None
        self.seconds = 0.0
        self._since = 0.0

    def on_compiled(self, state: State) -> None:
        """Start."""
        self.state = state
        self._since = time.perf_counter()

    def on_epoch_end(self, state: State) -> None:
        """Count the epoch."""
        self.seconds += state.metrics["seconds"]
        self._since = time.perf_counter()

    def on_fit_end(self, state: State) -> None:
        """Count the part of an epoch that was done."""
        if self.state is not None and state.epoch < state.epochs:
            self.seconds += time.perf_counter() - self._since


class Display(Stopwatch):
    """Show a fit while it runs.

    Parameters
    ----------
    varying_rate : bool
        Whether the learning rate may change: it then has a column, filled when it does.
    lines : file, optional
        Where the lines go; stdout if it is not said.
    regression : bool, default=False
        Whether the network predicts numbers, which have no accuracy: there is R² of the validation data instead.
    validation : bool, default=True
        Whether there are validation data.
    curves : bool, default=False
        Whether loss and accuracy are drawn below the bar while training, and once more at the end. Only on a terminal
        that is wide enough and knows Braille characters.
    """

    def __init__(
        self,
        varying_rate: bool = False,
        lines: TextIO | None = None,
        regression: bool = False,
        validation: bool = True,
        curves: bool = False,
    ) -> None:
        super().__init__()
        self._columns = _columns(regression, validation, varying_rate)
        self._console = Console(stderr=True, highlight=False)
        self._lines = sys.stdout if lines is None else lines
        self._live = _bar_wanted(self._lines) and self._console.is_terminal and not self._console.is_dumb_terminal
        self._above_bar = self._live and self._lines.isatty()
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
        self._drawn = 0.0

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
        if self._live:
            self._bar.add_task(f"epoch 1/{state.epochs}", total=state.epochs * state.minibatches)
            self._bar.start()
        heads = [f"{column.name:>{column.width}}" for column in self._columns]
        self._line("".join([f"{'epoch':>{_width(state)}}", *heads]))
        super().on_compiled(state)

    def on_minibatches_end(self, state: State) -> None:
        """Move the bar on, now and then."""
        self._draw(state, _REDRAW_WITHIN_EPOCH_AFTER)

    def on_epoch_end(self, state: State) -> None:
        """Print the epoch's line."""
        for name, values in self._course.items():
            values.append(state.metrics[name])
        cells = [f"{column.show(state.metrics):>{column.width}}" for column in self._columns]
        line = "".join([f"{f'{state.epoch}/{state.epochs}':>{_width(state)}}", *cells]).rstrip()
        self._line(line)
        self._draw(state, _REDRAW_AFTER)
        super().on_epoch_end(state)

    def on_fit_end(self, state: State) -> None:
        """Take the bar away."""
        super().on_fit_end(state)
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
            print(text, file=self._lines, flush=True)

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


def _bar_wanted(lines: TextIO) -> bool:
    """Whether stderr is a terminal, and the lines go to no program that writes between the bar's (tee, less)."""
    try:
        piped = stat.S_ISFIFO(os.fstat(lines.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):  # not a file, as in tests and notebooks
        piped = False
    return sys.stderr.isatty() and not piped


def show_seconds(seconds: float) -> str:
    """Return a time in seconds with about three digits."""
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"


class _Column(NamedTuple):
    """A column of the table of epochs."""

    name: str
    width: int
    show: Callable[[dict[str, float]], str]


def _columns(regression: bool, validation: bool, varying_rate: bool) -> list[_Column]:
    """Return what is shown of an epoch, after its number."""
    columns = [_Column("loss", 10, lambda m: show_number(m["loss"], 9))]
    if not regression:
        columns.append(_Column("accuracy", 11, lambda m: show_percent(m["accuracy"])))
    if validation and regression:
        columns.append(_Column("validation", 12, lambda m: show_number(m["val_loss"], 9)))
        columns.append(_Column("R²", 9, lambda m: f"{m['val_accuracy']:.4f}"))
    elif validation:
        columns.append(_Column("validation", 12, lambda m: show_percent(m["val_accuracy"])))
    columns.append(_Column("samples/s", 13, lambda m: f"{m['samples_per_second']:,.0f}"))
    if varying_rate:
        columns.append(_Column("learning rate", 15, _WhenChanged("learning_rate")))
    return columns


class _WhenChanged:
    """Shows a metric when it is not what it was."""

    def __init__(self, name: str) -> None:
        self._name, self._before = name, math.nan

    def __call__(self, metrics: dict[str, float]) -> str:
        value = metrics[self._name]
        if value == self._before:
            return ""
        self._before = value
        return f"{value:.4g}"


def show_percent(share: float) -> str:
    """Return a share in percent; what is not measured is a dash."""
    return "-" if math.isnan(share) else f"{100 * share:.2f} %"


def show_number(value: float, width: int) -> str:
    """Return a loss with four decimals, or with an exponent where these would say little."""
    return f"{value:>{width}.4f}" if 1e-3 <= value < 1e4 else f"{value:>{width}.2e}"


def _width(state: State) -> int:
    return max(len("epoch"), 2 * len(str(state.epochs)) + 1)
