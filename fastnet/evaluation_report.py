"""An evaluation as text, and as what JSON knows."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

SCORES = ("precision", "recall", "f1")

_WIDEST = 100  # characters of a line; a confusion matrix that needs more is shown as its largest entries
_NAME = 20  # characters of a class's name
_MOST_CONFUSED = 10


def headline(evaluation: Any) -> str:
    """Return the figures that matter most, in one line."""
    e = evaluation
    samples = f"{e.n_samples:,} sample{'s' * (e.n_samples != 1)}"
    if e.task == "regression":
        return f"R² {e.r2:.4f}, MSE {e.mse:.4g}, MAE {e.mae:.4g}, loss {e.loss:.4g}, {samples}"
    wrong = len(e.mistakes)
    what = "all labels right" if e.task == "multilabel" else "accuracy"
    return f"{what} {100 * e.accuracy:.2f} %, loss {e.loss:.4g}, {samples}, {wrong:,} wrong"


def text(evaluation: Any, n_worst: int) -> str:
    """Return all tables as text."""
    parts = [headline(evaluation)]
    if evaluation.task != "regression":
        parts.append(_classes(evaluation))
    if evaluation.task == "classification":
        parts.append(_confusion(evaluation))
    if n_worst > 0 and len(evaluation.mistakes):
        parts.append(_mistakes(evaluation, n_worst))
    return "\n\n".join(part for part in parts if part)


def as_dict(evaluation: Any, n_worst: int) -> dict[str, Any]:
    """Return all tables as numbers, text, lists and dicts."""
    e = evaluation
    found: dict[str, Any] = {"task": e.task, "n_samples": e.n_samples, "loss": e.loss}
    if e.task == "regression":
        found |= {"r2": e.r2, "mse": e.mse, "mae": e.mae}
    else:
        found |= {"accuracy": e.accuracy, "classes": list(e.classes), "per_class": [dict(row) for row in e.per_class]}
        found |= {"averages": e.averages, "confusion": e.confusion.tolist()}
    found["mistakes"] = _worst(e, n_worst)
    return _plain(found)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


# -- tables --------------------------------------------------------------------------------------------


def _classes(e: Any) -> str:
    rows = [["class", *SCORES, "support"]]
    for row in e.per_class:
        rows.append([_name(row["class"]), *(_share(row[name]) for name in SCORES), _count(row["support"])])
    for kind, means in e.averages.items():
        rows.append([f"{kind} average", *(_share(means[name]) for name in SCORES), ""])
    return table(rows, left=1)


def _confusion(e: Any) -> str:
    names = [_name(name) for name in e.classes]
    if sum(max(4, len(name)) + 2 for name in names) + _NAME <= _WIDEST:
        rows = [["true", *names]]
        rows += [
            [name, *("." if not n else _count(n) for n in counts)]
            for name, counts in zip(names, e.confusion, strict=True)
        ]
        return "confusion: true classes in rows, predictions in columns\n" + table(rows, left=1)
    wrong = np.flatnonzero(~e.right)
    pairs, inverse = np.unique(np.stack([e.true[wrong], e.predicted[wrong]], axis=1), axis=0, return_inverse=True)
    counts = np.bincount(inverse.ravel(), None if e.weights is None else e.weights[wrong], len(pairs))
    rows = [["true", "predicted", "samples"]]
    for i in np.argsort(-counts, kind="stable")[:_MOST_CONFUSED]:
        rows.append([*(names[k] for k in pairs[i]), _count(counts[i])])
    return "" if len(rows) == 1 else "most confused classes\n" + table(rows, left=2)


def _mistakes(e: Any, n_worst: int) -> str:
    worst = _worst(e, n_worst)
    rows = [[name.replace("_", " ") for name in worst[0]]]
    for one in worst:
        rows.append([_cell(name, value) for name, value in one.items()])
    title = "largest errors" if e.task == "regression" else "worst mistakes"
    return f"{title}, sample 0 is the first\n" + table(rows)


def _worst(e: Any, n: int) -> list[dict[str, Any]]:
    found = []
    for i in e.mistakes[:n].tolist():
        row: dict[str, Any] = {"sample": i}
        if e.task == "classification":
            row |= {"true": e.classes[e.true[i]], "predicted": e.classes[e.predicted[i]]}
            row |= {"probability": e.probability[i], "true_probability": e.true_probability[i]}
        elif e.task == "multilabel":
            row |= {"missed": _labels(e, (e.true[i] == 1) & (e.predicted[i] == 0))}
            row |= {"too_many": _labels(e, (e.true[i] == 0) & (e.predicted[i] == 1))}
        else:
            row |= {"true": e.true[i].tolist(), "predicted": e.predicted[i].tolist()}
        found.append(row | {"loss": e.losses[i]})
    return _plain(found)


def _labels(e: Any, which: np.ndarray) -> list[Any]:
    return [e.classes[k] for k in np.flatnonzero(which)]


def table(rows: Sequence[Sequence[str]], left: int = 0) -> str:
    """Return rows of cells as aligned text: the first ``left`` columns to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _name(value: Any) -> str:
    shown = str(value)
    return shown if len(shown) <= _NAME else shown[: _NAME - 1] + "…"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def _cell(name: str, value: Any) -> str:
    if name.endswith("probability"):
        return f"{100 * value:.1f} %"
    if isinstance(value, list):
        return ", ".join(f"{part:.4g}" if isinstance(part, float) else str(part) for part in value) or "-"
    return f"{value:.4g}" if isinstance(value, float) else _name(value)
