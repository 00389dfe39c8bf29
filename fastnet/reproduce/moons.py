"""Experiments on points in the plane: moons, momentum, and the Keras example."""

from functools import partial
from typing import Any

import numpy as np

from .. import functional, plots
from ..datasets import load_moons
from ..network import Network
from .experiment import SCRATCH_7, TURING, Number, Picture, Result, Settings, claim, experiment
from .training import epochs_to, percent, trained

_NOISE = 0.2  # the article does not say how noisy its moons are
_FRAMES = 40


@experiment("moons", "two moons, 5 hidden units, and the boundary after each epoch", SCRATCH_7)
def moons(settings: Settings) -> Result:
    """200 samples, a 2-5-2 network of 27 parameters: the loss is 0.1 at most after 700 epochs.

    Online learning with a learning rate of 0.1. For seeds 0 to 4 the loss at the end (median of the last 50
    epochs) is 0.033 to 0.078, and 0.1 is reached after 15 to 267 epochs.
    """
    data, epochs = load_moons(200, _NOISE, settings.seed), settings.count(700, 60)
    boundaries = plots.BoundaryRecorder(data.X_train, data.y_train, until=_FRAMES)
    options: dict[str, Any] = {"learning_rate": 0.1, "batch_size": 1, "callbacks": boundaries}
    network, history = trained(settings, data, [2, 5, 2], epochs, **options)
    numbers = (
        Number("parameters", network.n_parameters, 27, relation="equals", form="d"),
        Number(
            f"loss after {epochs} epochs, median of 50",
            np.median(history.loss[-50:]),
            0.1,
            relation="at most",
            form=".3f",
        ),
        Number("epochs until the loss is 0.1", epochs_to(history.loss, 0.1, falling=True), 700, "", "at most", ".0f"),
        Number("accuracy, 200 other samples", percent(network.score(data.X_test, data.y_test)), unit="%", form=".1f"),
        Number("time of training", history.seconds.sum(), unit="s", form=".2f"),
    )
    pictures = (
        Picture("moons-boundaries.gif", boundaries.frames),
        Picture("moons-boundaries.png", partial(_sheet, boundaries)),
        Picture("moons-loss.png", partial(_loss, history.loss)),
    )
    return Result(numbers, pictures)


def _sheet(boundaries: plots.BoundaryRecorder) -> Any:
    n_epochs, n_samples = len(boundaries.epochs), len(boundaries.X)
    return boundaries.sheet(f"Decision boundary after each of the first {n_epochs} epochs (2-5-2, {n_samples} samples)")


def _loss(loss: np.ndarray) -> Any:
    lines, levels = {"fastnet": loss}, {"the article after 700 epochs": 0.1}
    draw = partial(plots.draw_curves, lines=lines, x_label="epoch", y_label="mean loss of the epoch", levels=levels)
    return plots.panels([partial(draw, title="Two moons, 2-5-2, online", log="xy")], 1, (5.2, 3.8))


# -- momentum ------------------------------------------------------------------------------------------

_RAVINE = np.array([1.0, 25.0])  # curvatures
_UNITS, _TRIES = 2, 20


@experiment("momentum", "the path through a ravine, and moons with too few units", SCRATCH_7)
def momentum(settings: Settings) -> Result:
    """Momentum goes through a ravine in fewer steps, and two hidden units learn moons further and more often.

    The article announces the experiment and shows a path with and without momentum, but no numbers. From the point
    (-10, 1) of ``(x**2 + 25 * y**2) / 2`` both go with a learning rate of 0.03. Of 20 starts with 2 hidden units
    (200 epochs, batch 20), for seeds 0 to 4, the median loss is 0.247 to 0.276
    without momentum and 0.146 to 0.271 with 0.9, smaller for each seed.
    """
    paths = {f"momentum {value:g}": _descend(value) for value in (0.0, 0.8)}
    steps = [_steps(path) for path in paths.values()]
    tries = settings.count(_TRIES, 3)
    curves = {f"momentum {value:g}": _few_units(settings, value, tries) for value in (0.0, 0.9)}
    plain, helped = curves.values()
    numbers = (
        Number("steps to the ravine's bottom, without", steps[0], form="d", note="distance 0.1; learning rate 0.03"),
        claim("steps to the ravine's bottom, momentum 0.8", steps[1], steps[0], "", "at most", "d"),
        Number(f"median loss of {tries} starts, without", np.median(plain[:, -1]), form=".3f", note="2-2-2 on moons"),
        claim(
            f"median loss of {tries} starts, momentum 0.9",
            np.median(helped[:, -1]), np.median(plain[:, -1]), "", "at most", ".3f",
        ),
    )  # fmt: skip
    return Result(numbers, (Picture("momentum.png", partial(_momentum_figure, paths, curves)),))


def _descend(momentum: float, steps: int = 200) -> np.ndarray:
    """Positions of gradient descent in the ravine, of shape (steps + 1, 2)."""
    w, velocity = np.array([-10.0, 1.0]), np.zeros(2)
    path = [w.copy()]
    for _ in range(steps):
        functional.sgd_update(w, _RAVINE * w, velocity, learning_rate=0.03, momentum=momentum)
        path.append(w.copy())
    return np.array(path)


def _steps(path: np.ndarray) -> int:
    """Steps after which a path stays within 0.1 of the bottom."""
    return int(np.flatnonzero(np.linalg.norm(path, axis=1) > 0.1)[-1]) + 1


def _few_units(settings: Settings, momentum: float, tries: int) -> np.ndarray:
    """Losses of some trainings with two hidden units, of shape (tries, epochs)."""
    from ..trainer import Trainer

    data, epochs = load_moons(200, 0.1, settings.seed), settings.count(200, 20)
    settings.say(f"2-{_UNITS}-2, {tries} starts, momentum {momentum:g}, {epochs} epochs")
    losses = []
    for number in range(tries):
        seed = 1000 * settings.seed + number
        trainer = Trainer(
            Network([2, _UNITS, 2], seed=seed), learning_rate=0.1, momentum=momentum, batch_size=20, seed=seed
        )
        losses.append(trainer.fit(data.X_train, data.y_train, epochs=epochs).loss)
    return np.array(losses)


def _momentum_figure(paths: dict[str, np.ndarray], curves: dict[str, np.ndarray]) -> Any:
    def path(axes: Any) -> None:
        x, y = np.linspace(-11, 3, 200), np.linspace(-1.6, 1.6, 200)
        height = (_RAVINE[0] * x[np.newaxis] ** 2 + _RAVINE[1] * y[:, np.newaxis] ** 2) / 2
        axes.contour(x, y, height, levels=np.geomspace(0.3, 60, 9), colors="0.8", linewidths=0.8)
        lines: dict[str, plots.Line] = {name: (points[:40, 0], points[:40, 1]) for name, points in paths.items()}
        plots.draw_curves(axes, lines, "x", "y", "40 steps in a ravine, (x² + 25 y²) / 2", marked=True)

    lines: dict[str, plots.Line] = {f"{name}, median": np.median(losses, axis=0) for name, losses in curves.items()}
    title = f"Moons, 2-{_UNITS}-2: {len(next(iter(curves.values())))} starts"
    return plots.panels([path, partial(plots.draw_curves, lines=lines, x_label="epoch", y_label="loss", title=title)])


# -- the Keras example ---------------------------------------------------------------------------------


@experiment("keras-binary", "the Keras example: 128 relu units, one sigmoid, Adam", TURING)
def keras_binary(settings: Settings) -> Result:
    """Dense(128, relu, input_dim=2), Dense(1, sigmoid), adam, binary cross-entropy: 513 parameters.

    The article gives the model but no data; here it learns moons (1,000 samples, noise 0.2), 100 epochs of batches of
    32 as in Keras. For seeds 0 to 4 the accuracy on 1,000 other samples is 96.7 to 97.7 %. (The article's loss is spelt
    ' binary_crossentropy', with a blank in front, which Keras does not know.)
    """
    data, epochs = load_moons(1000, _NOISE, settings.seed), settings.count(100, 20)
    options: dict[str, Any] = {"activation": "relu", "output": "sigmoid", "optimizer": "adam", "batch_size": 32}
    network, history = trained(settings, data, [2, 128, 1], epochs, **options)
    numbers = (
        Number("parameters", network.n_parameters, 513, relation="equals", form="d"),
        Number("binary cross-entropy of the last epoch", history.loss[-1], form=".4f"),
        Number("accuracy, training", percent(history.accuracy[-1]), unit="%", form=".1f"),
        Number("accuracy, 1,000 other samples", percent(network.score(data.X_test, data.y_test)), unit="%", form=".1f"),
        Number("time of training", history.seconds.sum(), unit="s", form=".2f"),
    )
    picture = partial(_keras_figure, plots.boundary_grid(network, data.X_train), data, history)
    return Result(numbers, (Picture("keras-binary.png", picture),))


def _keras_figure(grid: plots.Grid, data: Any, history: Any) -> Any:
    lines = {"training": history.loss, "validation": history.val_loss}
    return plots.panels(
        [
            partial(plots.draw_boundary, grid=grid, X=data.X_test, y=data.y_test, title="Samples not trained on"),
            partial(plots.draw_curves, lines=lines, x_label="epoch", y_label="binary cross-entropy", title="2-128-1"),
        ]
    )
