"""Experiments on what images are made of: principal components, saliency, faces."""

import sys
import time
import warnings
from contextlib import redirect_stdout
from functools import partial
from typing import Any

import numpy as np

from .. import plots
from ..datasets import Dataset
from ..exceptions import DownloadError
from ..network import Network
from ..preprocessing import PCA
from .experiment import SCRATCH_7, TURING, Number, Picture, Result, Settings, claim, experiment
from .training import mnist, percent, trained

# -- principal components ------------------------------------------------------------------------------

_COMPONENTS = (25, 50, 100, 150)


@experiment("pca", "MNIST with 25 to 150 principal components", SCRATCH_7, data="mnist")
def pca(settings: Settings) -> Result:
    """A network on a few principal components of MNIST: how much accuracy is left, and how long it takes.

    The article announces PCA as a later step. Networks n-100-10, 10 epochs in batches of 128, learning rate 0.2. For
    seeds 0 to 4 the test accuracy is 96.5 to 96.8 % with all pixels, 95.6 to 96.2 % with 25 components, 96.3
    to 96.6 % with 50, and 96.6 to 96.8 % with 150.
    """
    data, epochs = mnist(settings), settings.count(10, 2)
    options: dict[str, Any] = {"learning_rate": 0.2, "batch_size": 128}
    network, history = trained(settings, data, [784, 100, 10], epochs, **options)
    found = {784: (percent(network.score(data.X_test, data.y_test)), float(np.median(history.seconds)), 100.0)}
    started = time.perf_counter()
    widest = PCA(_COMPONENTS[-1]).fit(data.X_train)
    seconds = time.perf_counter() - started
    for n in _COMPONENTS:
        reduced = PCA(n).fit(data.X_train)
        network, history = trained(settings, data, [n, 100, 10], epochs, pca=reduced, **options)
        share = percent(reduced.explained_variance_ratio_.sum())
        found[n] = percent(network.score(data.X_test, data.y_test)), float(np.median(history.seconds)), share
    numbers = [Number("time to find the components", seconds, unit="s", form=".2f")]
    for n, (accuracy, epoch, share) in found.items():
        name = "all 784 pixels" if n == 784 else f"{n} components"
        numbers += [
            Number(f"test accuracy, {name}", accuracy, unit="%", form=".1f"),
            Number(f"share of the variance, {name}", share, unit="%", form=".1f"),
            Number(f"time of an epoch, {name}", epoch, unit="s", form=".3f"),
        ]
    pictures = (
        Picture("pca.png", partial(_pca_figure, found)),
        Picture("pca-components.png", partial(_components, widest.components_[:40].reshape(-1, 28, 28))),
    )
    return Result(tuple(numbers), pictures)


def _pca_figure(found: dict[int, tuple[float, float, float]]) -> Any:
    counts = sorted(n for n in found if n != 784)
    lines = {
        "test accuracy": (counts, [found[n][0] for n in counts]),
        "share of the variance": (counts, [found[n][2] for n in counts]),
    }
    times = {"with components": (counts, [found[n][1] for n in counts])}
    x_label = "principal components"
    return plots.panels(
        [
            partial(plots.draw_curves, lines=lines, x_label=x_label, y_label="accuracy, or share [%]", marked=True,
                    levels={"accuracy with all 784 pixels": found[784][0]}, title="MNIST, n-100-10"),
            partial(plots.draw_curves, lines=times, x_label=x_label, y_label="time of an epoch [s]", marked=True,
                    levels={"all 784 pixels": found[784][1]}, title="Time"),
        ]
    )  # fmt: skip


def _components(pictures: np.ndarray) -> Any:
    names = [str(number + 1) for number in range(len(pictures))]
    return plots.images(
        pictures, names, 10, "The first 40 principal components of MNIST (blue negative, red positive)", True
    )


# -- saliency ------------------------------------------------------------------------------------------

_BLANKED = 40


@experiment("saliency", "the derivative of the loss for every image", TURING, data="mnist")
def saliency(settings: Settings) -> Result:
    """The derivative of the loss with respect to an image shows which pixels a decision hangs on.

    784-100-10 on MNIST. The derivative agrees with finite differences, and a network is wrong far more often when the
    40 pixels that an image's decision hangs on most are replaced by their mean than when 40 random ones are. For seeds
    0 to 4 the accuracy falls from 96 to 97 % to 76 to 85 % with the former, and stays at 96 to 97 % with the latter.
    """
    data, epochs = mnist(settings), settings.count(5, 3)
    network, _ = trained(settings, data, [784, 100, 10], epochs, learning_rate=0.2)
    X, y = data.X_test[: settings.count(2000, 300)] / np.float32(255), data.y_test[: settings.count(2000, 300)]
    _silence_unit(network)
    slopes = len(X) * _slopes(network, X, y)
    rng, mean = np.random.default_rng(settings.seed), (data.X_train / np.float32(255)).mean(axis=0)
    strongest = np.argsort(-np.abs(slopes * (X - mean)), axis=1)[:, :_BLANKED]
    anywhere = np.array([rng.choice(784, _BLANKED, replace=False) for _ in X])
    plain = percent(network.score(X, y))
    salient, random = (percent(network.score(_blank(X, pixels, mean), y)) for pixels in (strongest, anywhere))
    numbers = (
        claim("largest error of the derivative", _finite_difference_error(network, X[:3], y[:3]), 1e-4, "", "at most",
               ".1e", "relative to finite differences, float64"),
        Number("accuracy", plain, unit="%", form=".1f"),
        claim(f"accuracy without the {_BLANKED} most salient pixels", salient, random, "%", "at most", ".1f",
               f"beside {_BLANKED} random ones"),
        Number(f"accuracy without {_BLANKED} random pixels", random, unit="%", form=".1f"),
    )  # fmt: skip
    draw = partial(_saliency_figure, X[:10], slopes[:10], y[:10], network.predict_proba(X[:10]))
    return Result(numbers, (Picture("saliency.png", draw),))


def _slopes(network: Network, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Derivatives of the mean loss with respect to X."""
    inputs = network.loss_and_gradients(X, y, wrt_input=True)[1].inputs
    return np.zeros_like(X) if inputs is None else inputs


def _silence_unit(network: Network) -> None:
    """Let the network take images from 0 to 1 as such: it was trained on 0 to 255."""
    from dataclasses import replace

    if network.preprocessing is not None:
        network.preprocessing = replace(network.preprocessing, kind="float", scale=1.0)


def _blank(X: np.ndarray, pixels: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Replace some pixels of each image by their mean."""
    blanked = X.copy()
    np.put_along_axis(blanked, pixels, mean[pixels], axis=1)
    return blanked


def _finite_difference_error(network: Network, X: np.ndarray, y: np.ndarray) -> float:
    """Compare the derivative in the middle of each image with differences, in float64."""
    exact = Network(network.layer_sizes, network.activations, dtype="float64", seed=0)
    exact.parameters, exact.preprocessing = network.parameters, network.preprocessing
    X, h, columns = X.astype(np.float64), 1e-5, range(350, 370)
    slopes = _slopes(exact, X, y)
    errors = []
    for column in columns:
        step = np.zeros(784)
        step[column] = h
        upper, lower = (exact.loss_and_gradients(X + sign * step, y)[0] for sign in (1, -1))
        errors.append(abs((upper - lower) / (2 * h) - slopes[:, column].sum()))
    return float(max(errors) / np.abs(slopes).max())


def _saliency_figure(X: np.ndarray, slopes: np.ndarray, y: np.ndarray, p: np.ndarray) -> Any:
    pictures = np.concatenate([X, slopes]).reshape(-1, 28, 28)
    names = [f"{label}: p = {row[label]:.2f}" for label, row in zip(y, p, strict=True)] + [""] * len(y)
    title = "Test images, and the derivative of their loss (red: more ink there raises the loss)"
    return plots.images(pictures, names, 10, title, [False] * len(X) + [True] * len(X))


# -- faces ---------------------------------------------------------------------------------------------


@experiment("faces", "facial recognition: 40 people of the Olivetti faces", TURING, data="faces")
def faces(settings: Settings) -> Result:
    """The article names facial recognition as an application: 40 people, 8 images each to learn from, 2 to recognise.

    4096-100-40. The images are downloaded by scikit-learn once.
    """
    data, epochs = _olivetti(settings), settings.count(60, 5)
    options: dict[str, Any] = {"learning_rate": 0.02, "momentum": 0.9, "batch_size": 16}
    network, history = trained(settings, data, [4096, 100, 40], epochs, **options)
    p = network.predict_proba(data.X_test)
    numbers = (
        claim("people", p.shape[1], 40, "", "equals", "d"),
        Number("parameters", network.n_parameters, form=",d"),
        Number(
            "accuracy, 80 images not trained on", percent(network.score(data.X_test, data.y_test)), unit="%", form=".1f"
        ),
        Number("time of training", history.seconds.sum(), unit="s", form=".2f"),
    )
    pictures = (
        Picture("faces.png", partial(_faces_figure, data.X_test[::4][:20], data.y_test[::4][:20], p[::4][:20])),
        Picture("faces-weights.png", partial(_face_weights, network.weights[0].T[:20].reshape(-1, 64, 64).copy())),
    )
    return Result(numbers, pictures)


def _olivetti(settings: Settings) -> Dataset:
    """Olivetti faces: of each person 8 images to train, 2 to test, in an order that the seed draws."""
    from sklearn.datasets import fetch_olivetti_faces

    settings.say("loading the Olivetti faces; scikit-learn downloads them once")
    try:
        with redirect_stdout(sys.stderr), warnings.catch_warnings():  # it prints, and warns before it tries again
            warnings.simplefilter("ignore", UserWarning)
            found = fetch_olivetti_faces(n_retries=1)
    except OSError as error:
        raise DownloadError(
            f"the Olivetti faces are not in scikit-learn's data folder and can't be downloaded: {error}. On a machine "
            "with network, sklearn.datasets.fetch_olivetti_faces() fetches them; copy its folder scikit_learn_data."
        ) from error
    X, y = found.data.astype(np.float32), found.target.astype(np.int64)
    order = np.random.default_rng(settings.seed).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    test = np.arange(len(y)) % 10 >= 8
    train, held = order[~test], order[test]
    return Dataset("faces", X[train], y[train], X[held], y[held], X[held], y[held])


def _faces_figure(X: np.ndarray, y: np.ndarray, p: np.ndarray) -> Any:
    found = p.argmax(axis=1)
    names = [
        f"person {k + 1}, {row.max():.2f}" + ("" if k == label else f"\n(is {label + 1})")
        for label, k, row in zip(y, found, p, strict=True)
    ]
    return plots.images(X.reshape(-1, 64, 64), names, 10, "Images not trained on, with the network's answer", size=1.1)


def _face_weights(pictures: np.ndarray) -> Any:
    return plots.images(pictures, (), 10, "Weights of 20 hidden units (blue negative, red positive)", True)
