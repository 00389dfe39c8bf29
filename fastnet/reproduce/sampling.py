"""Candidate sampling: a softmax over many classes that looks at a few."""

import time
from functools import partial
from typing import Any

import numpy as np

from .. import functional as F
from .. import plots
from .experiment import TURING, Number, Picture, Result, Settings, claim, experiment

_FEATURES, _BATCH, _NEGATIVES = 32, 64, 64
_NOISE = 1.0


@experiment("candidate-sampling", "full softmax against a random sample of negative classes", TURING)
def candidate_sampling(settings: Settings) -> Result:
    """A full softmax becomes expensive with many classes; a sample of 64 negatives does not, and learns nearly as well.

    Time of a gradient for 10 to 100,000 classes, 32 features, batches of 64. Accuracy on 2,000 classes, each a
    random point with noise around it, after the same number of steps of both. For seeds 0 to 4 the full softmax is
    right for 87 to 89 %, the sampled one for 83 to 87 %.
    """
    counts = (100, 1000) if settings.quick else (10, 100, 1000, 10_000, 100_000)
    seconds = {n: _times(n, settings.seed) for n in counts}
    n_classes, steps = settings.count(2000, 50), settings.count(2000, 200)
    settings.say(f"{n_classes} classes, {steps} steps of full and of sampled softmax")
    curves = {name: _learn(settings, n_classes, steps, name == "full") for name in ("full", "sampled")}
    most = counts[-1]
    numbers = [
        claim(f"gradient for {most:,} classes, sampled", 1000 * seconds[most][1], 1000 * seconds[most][0], "ms",
               "at most", ".2f", "beside the full softmax"),
    ]  # fmt: skip
    numbers += [
        Number(f"gradient for {n:,} classes, {name}", 1000 * value, unit="ms", form=".2f")
        for n, pair in seconds.items()
        for name, value in zip(("full", "sampled"), pair, strict=True)
        if (n, name) != (most, "sampled")
    ]
    numbers += [
        Number(f"accuracy on {n_classes:,} classes, {name}", 100 * accuracy[-1], unit="%", form=".1f")
        for name, (_, accuracy, _) in curves.items()
    ]
    numbers += [
        Number(f"time of {steps:,} steps, {name}", found[2], unit="s", form=".2f") for name, found in curves.items()
    ]
    return Result(tuple(numbers), (Picture("candidate-sampling.png", partial(_figure, seconds, curves, n_classes)),))


def _weights(n_classes: int, full: bool) -> tuple[np.ndarray, np.ndarray]:
    """Zeros as weights and biases. For a few classes a class's weights lie together, so that reading them is fast."""
    w = np.zeros((_FEATURES, n_classes), np.float32)
    return w if full else np.asfortranarray(w), np.zeros(n_classes, np.float32)


def _full(x: np.ndarray, w: np.ndarray, b: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of a full softmax layer with respect to weights and biases."""
    dz = F.softmax_cross_entropy_grad(F.linear(x, w, b), y)
    gradients = F.linear_grad(x, w, dz)
    return gradients.dw, gradients.db


def _times(n_classes: int, seed: int) -> tuple[float, float]:
    """Seconds for a gradient of the full and of the sampled softmax, the least of several."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((_BATCH, _FEATURES)).astype(np.float32), rng.integers(0, n_classes, _BATCH)
    sampler = F.CandidateSampler(n_classes, min(_NEGATIVES, n_classes), "uniform", seed)
    w, b = _weights(n_classes, full=True)
    full = min(_timed(partial(_full, x, w, b, y)) for _ in range(5))
    w, b = _weights(n_classes, full=False)
    sampled = min(_timed(lambda: F.sampled_softmax_grad(x, w, b, y, *sampler.draw(y))) for _ in range(5))
    return full, sampled


def _timed(function: Any) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _learn(settings: Settings, n_classes: int, steps: int, full: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """Steps, accuracies and seconds of a training by hand."""
    rng = np.random.default_rng(settings.seed)
    centres = rng.standard_normal((n_classes, _FEATURES)).astype(np.float32)
    X_test, y_test = _draw(rng, centres, 2000)
    w, b = _weights(n_classes, full)
    sampler = F.CandidateSampler(n_classes, min(_NEGATIVES, n_classes), "uniform", settings.seed)
    marks, accuracy, seconds, rate = np.linspace(0, steps, 11).astype(int)[1:], [], 0.0, np.float32(2.0)
    for step in range(1, steps + 1):
        x, y = _draw(rng, centres, _BATCH)
        started = time.perf_counter()
        if full:
            dw, db = _full(x, w, b, y)
            w -= rate * dw
            b -= rate * db
        else:
            found = F.sampled_softmax_grad(x, w, b, y, *sampler.draw(y))
            w[:, found.classes] -= rate * found.dw
            b[found.classes] -= rate * found.db
        seconds += time.perf_counter() - started
        if step in marks:
            accuracy.append(float(np.mean(F.linear(X_test, w, b).argmax(axis=1) == y_test)))
    return marks, np.array(accuracy), seconds


def _draw(rng: np.random.Generator, centres: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    y = rng.integers(0, len(centres), n)
    return centres[y] + rng.normal(0, _NOISE, (n, _FEATURES)).astype(np.float32), y


def _figure(
    seconds: dict[int, tuple[float, float]], curves: dict[str, tuple[np.ndarray, np.ndarray, float]], n_classes: int
) -> Any:
    counts = np.array(list(seconds))
    times: dict[str, plots.Line] = {
        name: (counts, np.array([1000 * pair[i] for pair in seconds.values()]))
        for i, name in enumerate(("full softmax", f"{_NEGATIVES} sampled classes"))
    }
    lines: dict[str, plots.Line] = {name: (steps, 100 * accuracy) for name, (steps, accuracy, _) in curves.items()}
    return plots.panels(
        [
            partial(plots.draw_curves, lines=times, x_label="classes", y_label="time of a gradient [ms]", log="xy",
                    marked=True, title="32 features, batches of 64"),
            partial(plots.draw_curves, lines=lines, x_label="steps of gradient descent", y_label="accuracy [%]",
                    marked=True, title=f"{n_classes:,} classes, learning rate 2"),
        ]
    )  # fmt: skip
