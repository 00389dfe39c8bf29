"""Curves made of Braille characters, for a terminal: two columns and four rows of dots in each character."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

_HEIGHT = 5  # lines of a curve, without its name
_LABEL, _GAP = 8, 3  # characters of a number at the left of a curve, and between two curves
_NARROWEST, _WIDEST = 30, 48  # characters of a curve: with its numbers at least, without at most
_BLANK = 0x2800
_DOTS = np.array(
    [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]
)  # bits of a character's dots, by row and column


def braille_curve(values: Sequence[float], width: int, height: int, n: int | None = None) -> list[str]:
    """Return a curve as lines of text; values that are not finite leave gaps.

    Parameters
    ----------
    values : sequence of float
        At least one of them finite. The lowest is at the bottom, the highest at the top.
    width, height : int
        Characters.
    n : int or None, default=None
        Values for which there is room, if more are to come; None takes as many as there are.

    Returns
    -------
    list of str
        ``height`` lines of ``width`` characters.

    Examples
    --------
    >>> for line in braille_curve([0, 1, 4, 9, 16, 25], 6, 2):
    ...     print(f"|{line}|")
    |    ⡠⠊|
    |⣀⡠⠔⠉  |
    """
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), 4 * width)).astype(int))
    y = np.array([values[i] for i in chosen], dtype=np.float64)
    finite = np.isfinite(y)
    low, high = y[finite].min(), y[finite].max()
    heights = (y[finite] - low) / (high - low) if high > low else np.full(finite.sum(), 0.5)
    rows, columns = np.zeros(len(y), int), chosen * (2 * width - 1) // max((n or len(values)) - 1, 1)
    rows[finite] = np.rint((4 * height - 1) * (1 - heights))
    dots = np.zeros((4 * height, 2 * width), dtype=bool)
    last = np.flatnonzero(finite)
    _set_lines(dots, np.where((last > 0) & finite[last - 1], last - 1, last), last, rows, columns)
    codes = (dots.reshape(height, 4, width, 2) * _DOTS[:, np.newaxis]).sum(axis=(1, 3))
    return ["".join(chr(_BLANK + code) if code else " " for code in line) for line in codes.tolist()]


def _set_lines(dots: np.ndarray, first: np.ndarray, last: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Set the dots of lines between points; a line has as many dots as it is wide or high."""
    down, right = rows[last] - rows[first], columns[last] - columns[first]
    steps = np.maximum(np.maximum(np.abs(down), right), 1)
    line = np.repeat(np.arange(len(steps)), steps + 1)
    share = (np.arange(len(line)) - np.repeat(np.cumsum(steps + 1) - steps - 1, steps + 1)) / steps[line]
    y, x = (
        np.rint(begin[first][line] + share * by[line]).astype(int) for begin, by in ((rows, down), (columns, right))
    )
    dots[y, x] = True


def chart(curves: Sequence["Curve"], width: int, n: int | None = None) -> list[str]:
    """Return curves beside each other, each with its name and its highest and lowest value.

    Parameters
    ----------
    curves : sequence of Curve
        Those without a finite value are left out, and so are the last ones if there is no room.
    width : int
        Characters of a line, at most.
    n : int or None, default=None
        Values for which there is room in each; None takes as many as there are.

    Returns
    -------
    list of str
        Nothing if no curve can be drawn.
    """
    curves = [curve for curve in curves if np.isfinite(curve.values).any()]
    curves = curves[: max(1, width // _NARROWEST)]
    if not curves or width < _NARROWEST:
        return []
    plot = min(_WIDEST, (width - _GAP * (len(curves) - 1)) // len(curves) - _LABEL - 1)
    blocks = [_block(curve, plot, n) for curve in curves]
    return [(" " * _GAP).join(parts).rstrip() for parts in zip(*blocks, strict=True)]


class Curve(NamedTuple):
    """What is drawn: its name, the values, and how one of them is written."""

    name: str
    values: Sequence[float]
    show: Callable[[float], str]


def _block(curve: Curve, width: int, n: int | None) -> list[str]:
    finite = [value for value in curve.values if math.isfinite(value)]
    labels = [""] * _HEIGHT
    labels[0], labels[-1] = curve.show(max(finite)), curve.show(min(finite))
    title = f"{curve.name} {curve.show(finite[-1])}"
    lines = braille_curve(curve.values, width, _HEIGHT, n)
    head = f"{'':{_LABEL}} {title[:width]:{width}}"
    return [head, *(f"{label[:_LABEL]:>{_LABEL}} {line}" for label, line in zip(labels, lines, strict=True))]
