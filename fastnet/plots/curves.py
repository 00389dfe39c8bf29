"""Curves: a fit's loss and accuracy over its epochs, and any other lines."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from .figures import DASHES, Draw, Line, colour, marker, panels

_LEVELS: tuple[Any, ...] = ((0, (1, 2)), (0, (7, 3)), (0, (4, 2, 1, 2)))
_MOST_INSIDE = 5  # a longer legend stands beside its panel


class Course(Protocol):
    """What a fit has measured after each epoch, as ``History`` has it."""

    @property
    def loss(self) -> np.ndarray: ...  # noqa: D102
    @property
    def val_loss(self) -> np.ndarray: ...  # noqa: D102
    @property
    def accuracy(self) -> np.ndarray: ...  # noqa: D102
    @property
    def val_accuracy(self) -> np.ndarray: ...  # noqa: D102


def history(history: Course, title: str = "") -> Any:
    """Draw loss and accuracy of a fit over its epochs, of training and, if there are any, validation data.

    Parameters
    ----------
    history : History
        Of plain outputs the second panel shows R² of the validation data.
    title : str, default=""

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no epoch.
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    if len(history.loss) == 0:
        raise ValueError("history has no epochs: there is nothing to draw")
    found: list[Draw] = []
    for name, label in (("loss", "loss"), ("accuracy", _second(history))):
        both = {"training": getattr(history, name), "validation": getattr(history, f"val_{name}")}
        lines = {key: values for key, values in both.items() if not np.isnan(values).all()}
        if lines:
            found.append(partial(_course, lines=lines, label=label))
    return panels(found, title=title)


def _second(history: Course) -> str:
    return "R²" if np.isnan(history.accuracy).all() else "accuracy"


def _course(axes: Any, lines: Mapping[str, Line], label: str) -> None:
    few = max(map(len, lines.values())) < 3
    draw_curves(axes, lines, "epoch", label, marked=few)
    if label == "R²" and max(map(np.nanmax, lines.values())) > 0:  # the first epochs may be far below zero
        axes.set_ylim(bottom=max(axes.get_ylim()[0], -0.25))


def draw_curves(
    axes: Any,
    lines: Mapping[str, Line],
    x_label: str,
    y_label: str,
    title: str = "",
    levels: Mapping[str, float] | None = None,
    log: str = "",
    marked: bool = False,
    x_ticks: Sequence[float] | np.ndarray = (),
) -> None:
    """Draw lines.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    lines : mapping
        Label of each line, and its values at 1, 2, 3, …, or (positions, values).
    x_label, y_label, title : str
    levels : mapping, optional
        Labels and heights of thin horizontal lines.
    log : {"", "x", "y", "xy"}, default=""
        Logarithmic axes.
    marked : bool, default=False
        Whether points are marked.
    x_ticks : sequence of float, default=()
        Instead of those that suit the axis.
    """
    for number, (label, line) in enumerate(lines.items()):
        x, y = line if isinstance(line, tuple) else (np.arange(1, len(line) + 1), line)
        style = {"marker": marker(number), "markersize": 4.5} if marked else {}
        dashes = DASHES[number % len(DASHES)]
        axes.plot(x, y, linestyle=dashes, color=colour(number), linewidth=1.5, label=label, **style)
    for number, (label, level) in enumerate((levels or {}).items()):
        axes.axhline(level, color="0.35", linewidth=0.9, linestyle=_LEVELS[number % len(_LEVELS)], label=label)
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")
    if len(x_ticks):
        axes.set_xticks(x_ticks, [f"{tick:g}" for tick in x_ticks])
        axes.set_xticks([], minor=True)
    elif "x" not in log and lines:
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=_whole(axes)))
    n_labels = len(lines) + len(levels or {})
    if n_labels > 1:
        beside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)} if n_labels > _MOST_INSIDE else {}
        axes.legend(fontsize="small", framealpha=0.85, **beside)
    axes.grid(color="0.9", linewidth=0.6)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)


def _whole(axes: Any) -> bool:
    """Whether all lines have whole numbers, such as epochs, as positions."""
    return all((np.mod(line.get_xdata(), 1) == 0).all() for line in axes.lines if len(line.get_xdata()) > 2)
