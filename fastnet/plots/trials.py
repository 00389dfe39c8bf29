"""What a search for settings has found: scores over each setting, or a line for each trial across all of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .figures import Draw, colour, panels

# Columns of a table of trials that are no settings.
_MEASURED = frozenset(
    f"{prefix}{name}" for prefix in ("", "val_", "test_") for name in ("loss", "accuracy", "score", "r2")
) | {"trial", "rung", "rank", "epochs", "status", "error", "seconds", "compile_seconds", "samples_per_second"}
_DECADES = 0.8  # settings that range over more have logarithmic axes
_FEW = 6  # different numbers; each has a tick then


def tuning(
    trials: Sequence[Mapping[str, Any]],
    score: str = "val_accuracy",
    params: Sequence[str] | None = None,
    kind: str = "scatter",
    title: str = "",
) -> Any:
    """Draw what settings were tried, and what came of it.

    Parameters
    ----------
    trials : sequence of mappings
        A table, one mapping a row. If there is a "trial" in them, the last row of each trial counts. Rows whose score
        is missing, None or NaN have failed; they are drawn at the lower edge.
    score : str, default="val_accuracy"
        What trials are compared by; a name that ends in "loss" or "error" should be small, others large.
    params : sequence of str or None, default=None
        Settings that are drawn; None takes all that vary.
    kind : {"scatter", "parallel"}, default="scatter"
        A panel with the scores over each setting, or an axis for each setting with a line for each trial.
    title : str, default=""

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no trial has a score, no setting varies, or a name is unknown.
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    if kind not in ("scatter", "parallel"):
        raise ValueError(f"kind must be 'scatter' or 'parallel', got {kind!r}")
    rows = _last_rows(trials)
    table = _Table.of(rows, score, _params(rows, params))
    if kind == "parallel":
        return panels([partial(_draw_parallel, table=table)], 1, (1.5 * len(table.axes) + 2.2, 4.2), title)
    draws: list[Draw] = [partial(_draw_scatter, table=table, axis=axis) for axis in table.axes]
    figure = panels(draws, min(3, len(draws)), (3.6, 3.1), title)
    handles = {handle.get_label(): handle for axes in figure.axes for handle in axes.collections}
    named = [handle for label, handle in handles.items() if not label.startswith("_")]
    figure.legend(handles=named, loc="outside lower center", ncols=len(named), fontsize="small", frameon=False)
    return figure


def _last_rows(trials: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the last row of each trial; rows without a number are trials of their own."""
    return list({row.get("trial", ("row", number)): row for number, row in enumerate(trials)}.values())


def _params(rows: Sequence[Mapping[str, Any]], params: Sequence[str] | None) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in params or ():
        if name not in names:
            raise ValueError(f"params: trials have no {name!r}; they have {', '.join(map(repr, names))}")
    wanted = [name for name in names if name not in _MEASURED] if params is None else list(params)
    found = [name for name in wanted if params is not None or len({str(row.get(name)) for row in rows}) > 1]
    if not found:
        raise ValueError("trials have no setting that varies: there is nothing to draw")
    return found


@dataclass(frozen=True)
class _Axis:
    """One setting: a place for each trial, and ticks."""

    name: str
    places: np.ndarray
    log: bool
    ticks: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, values: Sequence[Any]) -> "_Axis":
        if all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in values):
            places = np.array(values, dtype=np.float64)
            log = bool(places.min() > 0 and math.log10(places.max() / places.min()) > _DECADES)
            return cls(name, places, log)
        names = sorted({str(value) for value in values})
        places = np.array([names.index(str(value)) for value in values], dtype=np.float64)
        return cls(name, places, False, tuple(range(len(names))), tuple(names))

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    def unit(self) -> np.ndarray:
        """Return the places from 0 to 1."""
        return self.to_unit(self.places)

    def to_unit(self, places: Any) -> np.ndarray:
        ends = self.places.min(), self.places.max()
        low, high, x = (np.log(v) if self.log else np.asarray(v, dtype=np.float64) for v in (*ends, places))
        return np.asarray((x - low) / (high - low)) if high > low else np.full(np.shape(x), 0.5)

    @property
    def has_own_marks(self) -> bool:
        """Whether matplotlib's ticks would say less."""
        narrow = self.log and self.places.max() / self.places.min() < 100
        return bool(self.labels) or narrow or len(np.unique(self.places)) <= _FEW

    def marks(self) -> tuple[np.ndarray, list[str]]:
        """Return ticks within the range, and their labels."""
        if self.labels:
            return np.array(self.ticks), list(self.labels)
        from matplotlib.ticker import LogLocator, MaxNLocator

        low, high = float(self.places.min()), float(self.places.max())
        found = np.unique(self.places)
        if len(found) > _FEW:
            if self.log:
                locator: Any = LogLocator(subs=(1.0, 2.0, 5.0) if self.has_own_marks else (1.0,), numticks=12)
            else:
                locator = MaxNLocator(5, integer=bool((self.places % 1 == 0).all()))
            found = np.asarray(locator.tick_values(low, high))
        found = found[(found >= low) & (found <= high)]
        return found, [f"{tick:g}" for tick in found]


@dataclass(frozen=True)
class _Table:
    """All trials: their settings, and scores that are NaN where they failed."""

    axes: list[_Axis]
    score: str
    scores: np.ndarray
    rungs: np.ndarray  # how far a trial came, from 0 to 1

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], score: str, params: Sequence[str]) -> "_Table":
        scores = np.array([math.nan if row.get(score) is None else float(row[score]) for row in rows])
        if not np.isfinite(scores).any():
            raise ValueError(f"no trial has a finite {score!r}: there is nothing to draw")
        scores[~np.isfinite(scores)] = math.nan
        epochs = np.array([float(row.get("epochs") or 1) for row in rows])
        spread = math.log(epochs.max() / epochs.min())
        rungs = np.log(epochs / epochs.min()) / spread if spread else np.ones(len(rows))
        axes = [_Axis.of(name, [row.get(name) for row in rows]) for name in params]
        return cls(axes, score, scores, rungs)

    @property
    def falling(self) -> bool:
        """Whether a small score is a good one."""
        return self.score.endswith(("loss", "error"))

    @property
    def order(self) -> np.ndarray:
        """Trials that have a score, the best one last."""
        good = np.flatnonzero(np.isfinite(self.scores))
        sign = -1 if self.falling else 1
        return good[np.argsort(sign * self.scores[good], kind="stable")]

    def limits(self) -> tuple[float, float]:
        """Return scores between which trials can be told apart: from the best one to thrice as far as the median."""
        best, median = self.scores[self.order[-1]], float(np.median(self.scores[self.order]))
        worst = self.scores[self.order[0]]
        far = best - 3 * (best - median) if best != median else worst
        edge = min(worst, far) if self.falling else max(worst, far)
        return edge, best


def _draw_scatter(axes: Any, table: _Table, axis: _Axis) -> None:
    edge, best = table.limits()
    span = abs(best - edge) or abs(best) or 1.0
    low, high = min(edge, best) - 0.06 * span, max(edge, best) + 0.08 * span
    scores, order = table.scores, table.order
    outside = ~((scores >= low) & (scores <= high))
    inside = order[~outside[order]]
    places = axis.places + (_spread(len(scores)) if axis.labels else 0.0)
    style = {"edgecolors": "white", "linewidths": 0.4}
    for rung in np.unique(table.rungs):
        here = inside[table.rungs[inside] == rung]
        label = "trial" if rung == 1 else "given up earlier" if rung == 0 else None
        axes.scatter(places[here], scores[here], 22, color=_shade(rung), label=label, **style)
    if outside.any():
        level, mark = (high, "^") if table.falling else (low, "v")
        levels = np.full(outside.sum(), level)
        label = "worse, or failed"
        axes.scatter(places[outside], levels, 20, color="0.6", marker=mark, clip_on=False, label=label)
    best_at = places[order[-1]], scores[order[-1]]
    style = {"edgecolors": "black", "linewidths": 0.6}
    axes.scatter(*best_at, 120, color=colour(1), marker="*", label="best", zorder=3, **style)
    _set_ticks(axes, axis)
    axes.set(xlabel=axis.title, ylabel=_score_name(table.score), ylim=(low, high))
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def _set_ticks(axes: Any, axis: _Axis) -> None:
    if axis.log:
        axes.set_xscale("log")
    if axis.has_own_marks:
        axes.set_xticks(*axis.marks())
        axes.set_xticks([], minor=True)
    if axis.labels:
        axes.set_xlim(-0.5, len(axis.labels) - 0.5)


def _score_name(score: str) -> str:
    return score.replace("val_", "validation ").replace("_", " ")


def _spread(n: int) -> np.ndarray:
    """Return small shifts that keep points of one name apart: the golden ratio's multiples lie evenly."""
    return 0.4 * (np.arange(n) * 0.6180339887 % 1.0) - 0.2


def _shade(rung: float) -> tuple[float, ...]:
    """Return a colour from pale blue for trials that were given up early, to full blue."""
    from matplotlib.colors import to_rgb

    depth = 0.3 + 0.7 * rung
    return tuple(depth * part + 1 - depth for part in to_rgb(colour(0)))


def _draw_parallel(axes: Any, table: _Table) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    edge, best = table.limits()
    shades = ScalarMappable(Normalize(min(edge, best), max(edge, best)), "cividis_r" if table.falling else "cividis")
    x = np.arange(len(table.axes))
    shifts = 0.2 * _spread(len(table.scores))
    units = np.stack([axis.unit() + shifts * bool(axis.labels) for axis in table.axes], axis=1)
    for number in np.flatnonzero(np.isnan(table.scores)):
        axes.plot(x, units[number], color="0.8", linewidth=0.8, linestyle=":", zorder=1)
    for place, number in enumerate(table.order):
        axes.plot(x, units[number], color=shades.to_rgba(table.scores[number]), linewidth=1.1, zorder=2 + place / 1e4)
    axes.plot(x, units[table.order[-1]], color=colour(1), linewidth=2.6, zorder=4)
    for place, axis in enumerate(table.axes):
        axes.axvline(place, color="0.2", linewidth=0.8, zorder=5)
        for mark, label in zip(*axis.marks(), strict=True):
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
            at = float(axis.to_unit(mark))
            axes.text(place + 0.03, at, label, fontsize="x-small", va="center", bbox=box, zorder=6)
    axes.set_xticks(x, [axis.title for axis in table.axes], fontsize="small")
    axes.set(xlim=(-0.1, len(x) - 0.7), ylim=(-0.04, 1.04), yticks=[])
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    clipped = "neither" if table.scores[table.order[0]] == edge else "max" if table.falling else "min"
    bar = axes.figure.colorbar(shades, ax=axes, pad=0.02, extend=clipped)
    bar.set_label(_score_name(table.score))
    bar.ax.axhline(best, color=colour(1), linewidth=2.6)
