"""Experiments on the softmax itself: its surface, round-off, other normalisations."""

from decimal import Decimal, localcontext
from functools import partial
from typing import Any

import numpy as np

from .. import functional as F
from .. import plots
from ..datasets import load_digits
from .experiment import DAY_28, ROELANTS, SCRATCH_7, Number, Picture, Result, Settings, claim, experiment
from .training import percent, trained


@experiment("softmax-surface", "P(t=1) and P(t=2) over the scores z1 and z2", ROELANTS)
def softmax_surface(settings: Settings) -> Result:
    """Both surfaces sum to 1; with two classes the softmax is the logistic function, and so are loss and derivative."""
    z = np.linspace(-5, 5, 61)
    points = np.stack(np.meshgrid(z, z), axis=-1).reshape(-1, 2)
    p, logistic = F.softmax(points), F.sigmoid(points[:, 0] - points[:, 1])
    labels = np.arange(len(points)) % 2
    losses = (
        F.cross_entropy(points, labels),
        F.binary_cross_entropy(points[:, :1] - points[:, 1:], 1 - labels[:, np.newaxis]),
    )
    gradient = F.softmax_cross_entropy_grad(points, labels) * len(points)
    step = np.array([1e-6, 0])
    slope = (F.softmax(points + step)[:, 0] - F.softmax(points - step)[:, 0]) / 2e-6
    zero = p[len(p) // 2, 0]
    numbers = (
        claim("P(t=1) for z1 = z2", zero, 0.5, "", "equals", ".3f"),
        claim("largest |P(t=1) + P(t=2) - 1|", np.abs(p.sum(axis=1) - 1).max(), 1e-15, "", "at most", ".1e"),
        claim("largest |P(t=1) - logistic(z1 - z2)|", np.abs(p[:, 0] - logistic).max(), 1e-15, "", "at most", ".1e"),
        claim("largest |dP1/dz1 - P1 (1 - P1)|", np.abs(slope - p[:, 0] * p[:, 1]).max(), 1e-9, "", "at most", ".1e",
               "finite differences"),
        claim("|softmax loss - logistic loss|", abs(losses[0] - losses[1]), 1e-12, "", "at most", ".1e"),
        claim("largest |d loss/dz - (y - t)|", np.abs(gradient - (p - np.eye(2)[labels])).max(), 1e-12, "",
               "at most", ".1e"),
    )  # fmt: skip
    surfaces = [plots.Grid(z, z, p[:, column].reshape(61, 61)) for column in (0, 1)]
    return Result(numbers, (Picture("softmax-surface.png", partial(_surfaces, surfaces)),))


def _surfaces(grids: list[plots.Grid]) -> Any:
    draws = [
        partial(plots.draw_surface, grid=grid, labels=("z1", "z2", f"P(t={number + 1} | z)"))
        for number, grid in enumerate(grids)
    ]
    return plots.panels(draws, size=(4.4, 3.8), title="Softmax of two scores", projection="3d")


# -- round-off -----------------------------------------------------------------------------------------


@experiment("round-off", "digits that probabilities lose and logits keep", DAY_28)
def round_off(settings: Settings) -> Result:
    """A loss from logits keeps its digits where the loss of a computed probability loses them, and becomes infinite.

    Compared with 90-digit decimal arithmetic, at a sigmoid's score z from -120 to 120 with target 0, and a softmax of
    the scores (z, 0, 0).
    """
    exact = 2 / 10_000
    other = (1 + 1 / 10_000) - (1 - 1 / 10_000)
    z = np.arange(-120.0, 121.0, 2)
    errors = {
        f"{name}, {dtype.name}": _errors(z, function, dtype)
        for dtype in (np.dtype("float32"), np.dtype("float64"))
        for name, function in (("sigmoid, then log", _naive), ("from logits", _from_logits))
    }
    wide = np.array([[1e4, -1e4, 0.0]])
    numbers = [
        Number("2 / 10,000", exact, 0.0002, "", "equals", ".18f"),
        Number(
            "(1 + 1/10,000) - (1 - 1/10,000)", other, form=".18f", note="0.000199978 there; nine digits 9 are missing"
        ),
        Number("their relative difference", abs(other - exact) / exact, form=".1e"),
    ]
    for name, values in errors.items():
        finite = values[np.isfinite(values)]
        numbers += [
            Number(f"largest relative error, {name}", finite.max(), form=".1e"),
            Number(f"infinite losses of {len(z)}, {name}", (~np.isfinite(values)).sum(), form="d"),
        ]
    for dtype, limit in (("float32", 3e-7), ("float64", 6e-16)):
        name = f"from logits, {dtype}"
        numbers.append(
            claim(f"largest relative error, {name}: allowed", errors[name].max(), limit, "", "at most", ".1e")
        )
    numbers.append(
        claim("softmax loss of (10000, -10000, 0) for class 2", F.cross_entropy(wide, [1]), 20_000, "", "equals", ".0f")
    )
    return Result(tuple(numbers), (Picture("round-off.png", partial(_round_off_figure, z, errors)),))


def _naive(z: np.ndarray) -> np.ndarray:
    """-log(1 - sigmoid(z)) as it is written down."""
    one = z.dtype.type(1)
    with np.errstate(over="ignore", divide="ignore"):
        return -np.log(one - one / (one + np.exp(-z)))


def _from_logits(z: np.ndarray) -> np.ndarray:
    """Binary cross-entropy of each score by itself."""
    return np.array([F.binary_cross_entropy(score.reshape(1, 1), [[0.0]]) for score in z], np.float64)


def _errors(z: np.ndarray, function: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """Relative errors of a loss; infinity where it is infinite."""
    values = function(z.astype(dtype))
    with localcontext() as context:
        context.prec = 90
        true = [(1 + Decimal(score).exp()).ln() for score in z.tolist()]
        pairs = zip(values.tolist(), true, strict=True)
        return np.array([float(abs(Decimal(v) - t) / t) if np.isfinite(v) else np.inf for v, t in pairs])


def _round_off_figure(z: np.ndarray, errors: dict[str, np.ndarray]) -> Any:
    least = 1e-17
    lines: dict[str, plots.Line] = {name: (z, np.maximum(values, least)) for name, values in errors.items()}
    lines["from logits, either"] = lines.pop("from logits, float64")
    del lines["from logits, float32"]  # the same line: sums are kept in float64

    def draw(axes: Any) -> None:
        plots.draw_curves(axes, lines, "score z, target 0", "relative error of the loss (1: all digits lost)", log="y")
        axes.set_ylim(least, 1e3)
        axes.set_title("log(1 + exp(z)); a line ends where the loss is infinite")

    return plots.panels([draw], 1, (6.0, 4.2))


# -- softmax against min-max ---------------------------------------------------------------------------


@experiment("normalisation", "softmax against min-max normalisation of the scores", SCRATCH_7)
def normalisation(settings: Settings) -> Result:
    """Scores of a trained network as probabilities: the softmax's are right as often as they say, min-max's are not.

    The article asks why one should not scale scores by their lowest and highest. That gives the lowest class the
    probability 0, so that the loss is infinite where it is the true one, and two classes 0 and 1, whatever their scores
    are. Digits, 64-32-10, 30 epochs. For seeds 0 to 4 96 to 97 % of the test samples are right; the
    softmax's mean confidence is 91 to 92 %, min-max's 24 to 25 %.
    """
    data, epochs = load_digits(), settings.count(30, 5)
    network, _ = trained(settings, data, [64, 32, 10], epochs, learning_rate=0.1)
    scores = network.decision_function(data.X_test).astype(np.float64)
    ways = {"softmax": F.softmax(scores), "min-max": _min_max(scores)}
    accuracy = percent(network.score(data.X_test, data.y_test))
    true = {name: p[np.arange(len(p)), data.y_test] for name, p in ways.items()}
    first = _min_max(np.array([[20.0, 21.0]]))[0]
    numbers = [
        Number("softmax(20, 21), second", F.softmax(np.array([[20.0, 21.0]]))[0, 1], 0.73, "", "equals", ".2f"),
        Number("min-max of (20, 21), second", first[1], form=".2f", note="no doubt is left, whatever the two scores"),
        Number("accuracy of the class with the highest score", accuracy, unit="%", form=".1f"),
    ]
    for name, p in ways.items():
        confidence = percent(p.max(axis=1).mean())
        numbers.append(Number(f"mean confidence, {name}", confidence, unit="%", form=".1f"))
        numbers.append(Number(f"infinite losses of {len(p)}, {name}", (true[name] == 0).sum(), form="d"))
        with np.errstate(divide="ignore"):
            numbers.append(Number(f"mean loss, {name}", -np.log(true[name]).mean(), form=".3f"))
    return Result(tuple(numbers), (Picture("normalisation.png", partial(_normalisation_figure, scores, ways)),))


def _min_max(scores: np.ndarray) -> np.ndarray:
    """Scores as shares: the lowest becomes 0, and all sum to 1."""
    low = scores - scores.min(axis=1, keepdims=True)
    return low / low.sum(axis=1, keepdims=True)


def _normalisation_figure(scores: np.ndarray, ways: dict[str, np.ndarray]) -> Any:
    ordered = np.sort(scores, axis=1)
    sample = int(np.argsort(ordered[:, -1] - ordered[:, -2])[len(scores) // 20])  # neither sure nor in the dark
    one = {name: p[sample] for name, p in ways.items()}
    digits = [str(digit) for digit in range(scores.shape[1])]
    sure = {name: np.sort(p.max(axis=1)) for name, p in ways.items()}
    share = np.linspace(0, 100, len(scores))
    lines: dict[str, plots.Line] = {name: (share, values) for name, values in sure.items()}
    return plots.panels(
        [
            partial(plots.draw_bars, labels=digits, series={"score": scores[sample]}, y_label="score", form=".1f",
                    x_label="class", title="Scores of one digit that is not easy"),
            partial(plots.draw_bars, labels=digits, series=one, y_label="probability", form=".2f",
                    x_label="class", title="The same, normalised"),
            partial(plots.draw_curves, lines=lines, x_label="test samples, the least sure first [%]",
                    y_label="probability of the chosen class", title="All digits"),
        ],
        3,
    )  # fmt: skip
