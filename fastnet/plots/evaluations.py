"""Evaluations: confusion between classes, scores of labels, predictions of numbers over the true ones."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from .charts import draw_bars
from .figures import colour, panels

_MOST_NUMBERS, _MOST_NAMES = 20, 40  # classes whose cells have numbers, and whose rows have names


def evaluation(found: Any, title: str = "") -> Any:
    """Draw an evaluation: the confusion matrix, for several labels their scores, for regression predictions over truth.

    Parameters
    ----------
    found : Evaluation
        As ``Network.evaluate`` returns it.
    title : str, default=""

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    if found.task == "classification":
        return confusion_matrix(found, title=title)
    if found.task == "regression":
        true, predicted = (np.asarray(values).reshape(found.n_samples, -1) for values in (found.true, found.predicted))
        names = [""] if true.shape[1] == 1 else [f"output {k}" for k in range(true.shape[1])]
        draws = [
            partial(draw_predictions, true=true[:, k], predicted=predicted[:, k], title=names[k])
            for k in range(len(names))
        ]
        return panels(draws, size=(4.2, 4.2), title=title)
    return panels(
        [partial(_draw_scores, rows=found.per_class, title=title)], 1, (0.9 * len(found.per_class) + 2.2, 3.6)
    )


def _draw_scores(axes: Any, rows: Sequence[dict[str, Any]], title: str) -> None:
    """Draw precision, recall and F1 of each label."""
    series = {name: np.nan_to_num([row[name] for row in rows]) for name in ("precision", "recall", "f1")}
    draw_bars(axes, [str(row["class"]) for row in rows], series, "score", title)
    axes.set(ylim=(0, 1.25), yticks=np.linspace(0, 1, 6))
    axes.legend(fontsize="small", loc="upper center", ncols=3, frameon=False)


def confusion_matrix(confusion: Any, classes: Sequence[Any] | None = None, title: str = "") -> Any:
    """Draw how often which class was taken for which.

    Blue is what was predicted right, as a share of the true class; orange what was not, on a scale of its own, so that
    rare mistakes can be seen.

    Parameters
    ----------
    confusion : Evaluation, or array-like of shape (n_classes, n_classes)
        Samples of each true class (rows) that were predicted as each class (columns).
    classes : sequence or None, default=None
        Names of the classes; None takes those of the evaluation, or numbers.
    title : str, default=""

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no square matrix, or not one name for each class.
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    matrix = np.asarray(getattr(confusion, "confusion", confusion))
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(
            f"confusion must be a square matrix, one row and column for each class, got shape {matrix.shape}"
        )
    names = [str(name) for name in classes or getattr(confusion, "classes", None) or range(len(matrix))]
    if len(names) != len(matrix):
        raise ValueError(f"classes has {len(names)} names, but confusion has {len(matrix)} rows")
    side = min(max(3.0, 0.42 * len(matrix) + 1.4), 11.0)
    return panels([partial(draw_confusion, matrix=matrix, names=names, title=title)], 1, (side, side))


def draw_confusion(axes: Any, matrix: np.ndarray, names: Sequence[str], title: str = "") -> None:
    """Draw a confusion matrix into axes; see ``confusion_matrix``."""
    totals = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.where(totals > 0, totals, 1)
    right = np.eye(len(matrix), dtype=bool)
    wrong_limit = shares[~right].max(initial=0.0) or 1.0
    axes.imshow(np.where(right, shares, np.nan), cmap=_ramp("#EAF2F8", colour(0)), vmin=0, vmax=1)
    wrong = np.where(right | (matrix == 0), np.nan, shares / wrong_limit)
    axes.imshow(wrong, cmap=_ramp("#FBE9DD", colour(1)), vmin=0, vmax=1)
    if len(matrix) <= _MOST_NUMBERS:
        _write_numbers(axes, matrix, np.where(right, shares, shares / wrong_limit))
    ticks = np.arange(len(matrix)) if len(matrix) <= _MOST_NAMES else np.arange(0, len(matrix), -(-len(matrix) // 20))
    shown = [names[tick] for tick in ticks.tolist()]
    longest = max(map(len, shown))
    wide = longest > 3 and longest * len(matrix) > 24
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if wide else {}
    axes.set_xticks(ticks, shown, fontsize="small", **slanted)
    axes.set_yticks(ticks, shown, fontsize="small")
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(len(matrix) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(matrix) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.88", linewidth=0.6 if len(matrix) <= _MOST_NAMES else 0)
    axes.tick_params(which="minor", length=0)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)


def _ramp(pale: str, full: str) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("ramp", [pale, full])


def _write_numbers(axes: Any, matrix: np.ndarray, depth: np.ndarray) -> None:
    whole = (matrix == np.round(matrix)).all()
    longest = len(f"{matrix.max():.0f}")
    size = min(9.0, 40.0 / max(longest, 1))
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            shade = "white" if depth[row, column] > 0.6 else "black"
            shown = f"{count:.0f}" if whole else f"{count:.1f}"
            axes.text(column, row, shown, ha="center", va="center", fontsize=size, color=shade)


def draw_predictions(axes: Any, true: np.ndarray, predicted: np.ndarray, title: str = "") -> None:
    """Draw predicted numbers over the true ones; on the dashed line they are equal."""
    low, high = float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))
    space = 0.04 * (high - low) or 0.5
    limits = (low - space, high + space)
    axes.plot(limits, limits, color="0.4", linewidth=1, linestyle="--", zorder=1)
    size, opacity = (14, 0.7) if len(true) <= 1000 else (5, 0.35)
    axes.scatter(true, predicted, size, color=colour(0), alpha=opacity, linewidths=0, rasterized=len(true) > 5000)
    axes.set(xlim=limits, ylim=limits, xlabel="true value", ylabel="predicted value", title=title, aspect="equal")
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
