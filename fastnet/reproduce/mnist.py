"""The experiments on MNIST of the series "Building a Neural Network from scratch"."""

from functools import partial
from typing import Any

import numpy as np

from .. import plots
from ..history import History
from .experiment import SCRATCH_7, SCRATCH_8, Number, Picture, Result, Settings, claim, experiment
from .training import epochs_to, mnist, percent, trained

_ARTICLE: dict[str, Any] = {"learning_rate": 0.1, "schedule": "halve", "weight_decay": 0.001, "batch_size": 1}
_BATCH_SECONDS = {1: 145.0, 10: 19.0, 50: 7.0, 100: 5.4, 200: 4.8, 500: 4.6, 1000: 4.5}


@experiment("mnist-10", "MNIST, 10 hidden units, 100 epochs: 92 %", SCRATCH_7, data="mnist")
def mnist_10(settings: Settings) -> Result:
    """784-10-10, online, dynamic learning rate 0.1, weight decay 0.001: 92 % of the test set after 100 epochs.

    It took 15 minutes there. For seeds 0 to 4 the test accuracy is 94.2 to 94.5 %.
    """
    epochs, data = settings.count(100, 3), mnist(settings)
    network, history = trained(settings, data, [784, 10, 10], epochs, **_ARTICLE)
    numbers = (
        claim("parameters", network.n_parameters, 7960, relation="equals", form="d", note="10 * 785 + 10 * 11"),
        Number(f"test accuracy after {epochs} epochs", _test(network, data), 92.0, "%", "at least", ".1f"),
        Number("validation accuracy", percent(history.val_accuracy[-1]), unit="%", form=".1f"),
        Number("time of training", history.seconds.sum(), 900.0, "s", "at most", ".1f"),
    )
    lines = {"training": 100 * history.accuracy, "validation": 100 * history.val_accuracy}
    levels = {"the article, test set, after 100 epochs": 92.0}
    pictures = (
        Picture("mnist-10.png", partial(_accuracy_figure, lines, "MNIST, 784-10-10, online", levels)),
        Picture("mnist-10-weights.png", partial(_weights, network.weights[0].T.reshape(-1, 28, 28).copy())),
    )
    return Result(numbers, pictures)


@experiment("mnist-300", "MNIST, 300 hidden units, 15 epochs: 95 %", SCRATCH_7, data="mnist")
def mnist_300(settings: Settings) -> Result:
    """784-300-10, online, 15 epochs: 95 % of the test set.

    The article does not say which learning rate it took for 300 units. With the 0.1 of its 10 units, a step for a
    single sample is too long and 92 % are reached here; with 0.02, for seeds 0 to 4, 96.9 to 97.6 %.
    """
    epochs, data = settings.count(15, 2), mnist(settings)
    options = {**_ARTICLE, "learning_rate": 0.02}
    network, history = trained(settings, data, [784, 300, 10], epochs, **options)
    numbers = (
        claim("parameters", network.n_parameters, 238_510, relation="equals", form="d", note="300 * 785 + 10 * 301"),
        Number(f"test accuracy after {epochs} epochs", _test(network, data), 95.0, "%", "at least", ".1f"),
        Number("validation accuracy", percent(history.val_accuracy[-1]), unit="%", form=".1f"),
        Number("time of an epoch", np.median(history.seconds), 145.0, "s", "at most", ".2f", "there in the next part"),
    )
    lines = {"training": 100 * history.accuracy, "validation": 100 * history.val_accuracy}
    levels = {"the article, test set, after 15 epochs": 95.0}
    draw = partial(_accuracy_figure, lines, "MNIST, 784-300-10, online", levels)
    return Result(numbers, (Picture("mnist-300.png", draw),))


@experiment("mnist-97", "MNIST, 300 hidden units in batches: 97.6 % and 97.3 %", SCRATCH_8, data="mnist")
def mnist_97(settings: Settings) -> Result:
    """784-300-10, learning rate 1, weight decay 0.001, about 35 epochs: 97.6 % of validation and 97.3 % of test images.

    Batches of 50, which that part recommends. For seeds 0 to 4 the validation accuracy is 98.0 to 98.1 %, the test
    accuracy 97.7 %.
    """
    epochs, data = settings.count(35, 2), mnist(settings)
    options = {**_ARTICLE, "learning_rate": 1.0, "batch_size": 50}
    network, history = trained(settings, data, [784, 300, 10], epochs, **options)
    numbers = (
        Number("validation accuracy", percent(history.val_accuracy[-1]), 97.6, "%", "at least", ".1f"),
        Number("test accuracy", _test(network, data), 97.3, "%", "at least", ".1f"),
        Number("time of an epoch", np.median(history.seconds), 7.0, "s", "at most", ".2f"),
        Number("time of training", history.seconds.sum(), unit="s", form=".1f"),
    )
    lines = {"training": 100 * history.accuracy, "validation": 100 * history.val_accuracy}
    levels = {"the article, validation": 97.6}
    draw = partial(_accuracy_figure, lines, "MNIST, 784-300-10, batches of 50", levels)
    return Result(numbers, (Picture("mnist-97.png", draw),))


@experiment("batch-sizes", "time of an epoch for seven batch sizes", SCRATCH_8, data="mnist")
def batch_sizes(settings: Settings) -> Result:
    """784-300-10: each of the seven epoch times is below the article's, and larger batches need more epochs.

    Each time is the least of some epochs. The learning rate is 0.1 for all batch sizes.
    """
    data, epochs = mnist(settings), settings.count(5, 2)
    seconds, curves = {}, {}
    for size in _BATCH_SECONDS:
        _, history = trained(settings, data, [784, 300, 10], epochs, learning_rate=0.1, batch_size=size)
        seconds[size], curves[size] = float(history.seconds.min()), 100 * history.val_accuracy
    numbers = [
        Number(f"epoch in batches of {size}", seconds[size], there, "s", "at most", ".3g")
        for size, there in _BATCH_SECONDS.items()
    ]
    numbers += [
        Number(f"validation accuracy after {epochs} epochs, batches of {size}", curves[size][-1], unit="%", form=".1f")
        for size in (1, 50, 1000)
    ]
    return Result(tuple(numbers), (Picture("batch-sizes.png", partial(_batch_figure, seconds, curves)),))


@experiment("overfit", "5,500 training images: overfitting", SCRATCH_8, data="mnist")
def overfit(settings: Settings) -> Result:
    """The first tenth of MNIST, 300 hidden units, about 140 epochs: 99.5 % in training, but 91.7 % in validation.

    What it must show is the gap. It is smaller here, 4.1 to 4.6 % for seeds 0 to 4: training reaches 100 %, and
    validation 95.4 to 95.9 %.
    """
    epochs, data = settings.count(140, 5), mnist(settings, 5500)
    _, history = trained(settings, data, [784, 300, 10], epochs, **_ARTICLE)
    training, validation = percent(history.accuracy[-1]), percent(history.val_accuracy[-1])
    early = epochs_to(history.val_accuracy, history.val_accuracy.max() - 0.005)
    numbers = (
        Number("training accuracy", training, 99.5, "%", "at least", ".1f"),
        Number("validation accuracy", validation, 91.7, "%", "at least", ".1f"),
        claim("gap between both", training - validation, 2.0, "%", "at least", ".1f", "99.5 - 91.7 = 7.8 there"),
        Number("training loss at the end", history.loss[-1], form=".4f"),
        Number("validation loss at the end", history.val_loss[-1], form=".4f"),
        Number("epochs until validation is within 0.5 % of its best", early, form=".0f", note="one may stop there"),
    )
    return Result(numbers, (Picture("overfit.png", partial(_overfit_figure, history)),))


def _test(network: Any, data: Any) -> float:
    return percent(network.score(data.X_test, data.y_test))


# -- figures -------------------------------------------------------------------------------------------


def _accuracy_figure(lines: dict[str, np.ndarray], title: str, levels: dict[str, float]) -> Any:
    draw = partial(plots.draw_curves, lines=lines, x_label="epoch", y_label="accuracy [%]", levels=levels, title=title)
    return plots.panels([draw], 1, (5.4, 3.8))


def _weights(pictures: np.ndarray) -> Any:
    names = [f"unit {number + 1}" for number in range(len(pictures))]
    return plots.images(pictures, names, 5, "Weights of the 10 hidden units (blue negative, red positive)", True, 1.2)


def _batch_figure(seconds: dict[int, float], curves: dict[int, np.ndarray]) -> Any:
    sizes = np.array(list(seconds))
    lines = {
        "the article": (sizes, np.array(list(_BATCH_SECONDS.values()))),
        "fastnet": (sizes, np.array(list(seconds.values()))),
    }
    times = partial(plots.draw_curves, lines=lines, x_label="samples in a batch", y_label="time of an epoch [s]")
    named = {f"batches of {size}": values for size, values in curves.items()}
    learning = partial(plots.draw_curves, lines=named, x_label="epoch", y_label="validation accuracy [%]", marked=True)
    return plots.panels(
        [
            partial(times, title="MNIST, 784-300-10", log="xy", marked=True, x_ticks=sizes),
            partial(learning, title="The same learning rate, 0.1"),
        ],
        size=(5.2, 3.6),
    )


def _overfit_figure(history: History) -> Any:
    accuracy = {"training": 100 * history.accuracy, "validation": 100 * history.val_accuracy}
    loss = {"training": history.loss, "validation": history.val_loss}
    levels = {"the article, training": 99.5, "the article, validation": 91.7}
    return plots.panels(
        [
            partial(plots.draw_curves, lines=accuracy, x_label="epoch", y_label="accuracy [%]", levels=levels),
            partial(plots.draw_curves, lines=loss, x_label="epoch", y_label="mean loss", log="y"),
        ],
        title="The first 5,500 images of MNIST, 784-300-10",
    )
