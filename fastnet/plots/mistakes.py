"""The worst mistakes: images with what they are and what they were taken for, or points in the plane."""

from functools import partial
from typing import Any

import numpy as np

from .figures import colour, marker, panels
from .pictures import image_shape, images

_NAME = 12  # characters of a class's name under an image


def worst_mistakes(
    evaluation: Any, X: Any, shape: tuple[int, ...] | None = None, n: int = 20, columns: int = 10, title: str = ""
) -> Any:
    """Draw the samples that were predicted wrong with the largest losses.

    Parameters
    ----------
    evaluation : Evaluation
        Of classes, as ``Network.evaluate(X, y)`` returns it.
    X : array-like of shape (n_samples, n_features)
        The same samples. With two features all of them are drawn as points, else the worst ones as images.
    shape : tuple of int or None, default=None
        Rows and columns of an image, and 3 for colours; None takes a square.
    n : int, default=20
        At most so many.
    columns : int, default=10
        Images beside each other.
    title : str, default=""

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the evaluation is not one of classes or not of these samples, there is no mistake, or rows are no images.
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    if evaluation.task != "classification":
        raise ValueError(f"evaluation must be one of classes, got one of {evaluation.task}")
    if len(X) != evaluation.n_samples:
        raise ValueError(f"X has {len(X)} samples, but evaluation is of {evaluation.n_samples}")
    worst = evaluation.mistakes[:n]
    if not len(worst):
        raise ValueError("evaluation has no mistakes: there is nothing to draw")
    n_features = int(np.prod(np.shape(X)[1:]))
    if n_features == 2:
        draw = partial(draw_mistakes, evaluation=evaluation, X=np.asarray(X), n=n, title=title)
        return panels([draw], 1, (5.6, 4.2))
    found = image_shape(shape, n_features, "X has features")
    pictures = np.asarray(X[worst]).reshape(len(worst), *found)
    return images(pictures, [_caption(evaluation, i) for i in worst], columns, title, size=1.15)


def _caption(e: Any, i: int) -> str:
    true, said = (_short(e.classes[label]) for label in (e.true[i], e.predicted[i]))
    return f"true: {true}\nsaid: {said} ({100 * e.probability[i]:.0f} %)"


def _short(name: Any) -> str:
    shown = str(name)
    return shown if len(shown) <= _NAME else shown[: _NAME - 1] + "…"


def draw_mistakes(axes: Any, evaluation: Any, X: np.ndarray, n: int = 20, title: str = "") -> None:
    """Draw points, one colour a true class: pale where they were predicted right, ringed the worst mistakes."""
    right = evaluation.right
    for label in np.unique(evaluation.true):
        of_class = evaluation.true == label
        style = {"color": colour(label), "marker": marker(label), "linewidths": 0}
        axes.scatter(*X[of_class & right].T, 12, alpha=0.25, **style)
        axes.scatter(*X[of_class & ~right].T, 26, label=f"{evaluation.classes[label]}, taken for another", **style)
    worst = X[evaluation.mistakes[:n]]
    axes.scatter(*worst.T, 110, facecolors="none", edgecolors="black", linewidths=1, label=f"the {len(worst)} worst")
    axes.set(xlabel="first feature", ylabel="second feature", title=title)
    axes.legend(fontsize="small", framealpha=0.85, loc="upper left", bbox_to_anchor=(1.01, 1.0))
