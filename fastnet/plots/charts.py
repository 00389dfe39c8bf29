"""Bars and surfaces."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .boundaries import Grid
from .figures import colour


def draw_bars(
    axes: Any,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float] | np.ndarray],
    y_label: str,
    title: str = "",
    form: str = ".2f",
    x_label: str = "",
) -> None:
    """Draw groups of bars: one group a label, one bar in it a series; each has its number on top, unless it is 0."""
    width, places = 0.8 / len(series), np.arange(len(labels))
    hatches = ("", "//", "..", "xx")
    for number, (name, values) in enumerate(series.items()):
        shift = (number - (len(series) - 1) / 2) * width
        style = {"color": colour(number), "hatch": hatches[number % 4], "edgecolor": "white"}
        bars = axes.bar(places + shift, values, width, label=name, **style)
        axes.bar_label(bars, [_unless_zero(format(value, form)) for value in values], fontsize="x-small", padding=1)
    axes.set_xticks(places, labels)
    if len(series) > 1:
        axes.legend(fontsize="small", framealpha=0.85)
    axes.margins(y=0.16)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)


def _unless_zero(number: str) -> str:
    return number if float(number) else ""


def draw_surface(axes: Any, grid: Grid, labels: tuple[str, str, str], title: str = "") -> None:
    """Draw values over a rectangle as a surface, into axes with the projection "3d"."""
    x, y = np.meshgrid(grid.x, grid.y)
    axes.plot_surface(x, y, grid.values, cmap="viridis", rcount=31, ccount=31, linewidth=0.1, edgecolor="0.3")
    axes.set(xlabel=labels[0], ylabel=labels[1], title=title)
    axes.zaxis.set_rotate_label(False)
    axes.set_zlabel(labels[2], rotation=90)
    axes.view_init(elev=28, azim=-125)
    axes.set_box_aspect(None, zoom=0.85)  # else the label of the third axis is cut off
