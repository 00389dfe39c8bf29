"""Decision boundaries: which class a network predicts where, for two features."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from .figures import colour, marker, pale, panels


class Classifier(Protocol):
    """What a network must have to be drawn, as ``Network`` has it."""

    @property
    def layer_sizes(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def output(self) -> str: ...  # noqa: D102
    def predict(self, X: Any) -> np.ndarray: ...  # noqa: D102
    def predict_proba(self, X: Any) -> np.ndarray: ...  # noqa: D102


class Grid(NamedTuple):
    """Values over a rectangle: ``values[i, j]`` belongs to the point ``(x[j], y[i])``."""

    x: np.ndarray
    y: np.ndarray
    values: np.ndarray


def value_grid(function: Callable[[np.ndarray], np.ndarray], X: Any, n: int = 161, margin: float | None = None) -> Grid:
    """Values of a function of two features around some samples.

    Parameters
    ----------
    function : callable
        Takes an array of shape (n_points, 2) and returns one of shape (n_points,).
    X : array-like of shape (n_samples, 2)
    n : int, default=161
        Points along each side.
    margin : float or None, default=None
        Space around the samples; None takes a tenth of their range on each side.

    Returns
    -------
    Grid
    """
    low, high = np.min(X, axis=0).astype(np.float64), np.max(X, axis=0).astype(np.float64)
    space = np.where(high > low, (high - low) / 10, 0.5) if margin is None else np.full(2, margin)
    x, y = (np.linspace(low[i] - space[i], high[i] + space[i], n) for i in (0, 1))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return Grid(x, y, np.asarray(function(points.astype(np.float32))).reshape(n, n))


def boundary_grid(network: Classifier, X: Any, n: int = 161) -> Grid:
    """Probability of the second class, or with more classes the class, around some samples.

    Parameters
    ----------
    network : Network
        With two inputs, and "softmax" outputs or one "sigmoid" output.
    X : array-like of shape (n_samples, 2)
    n : int, default=161
        Points along each side.

    Returns
    -------
    Grid

    Raises
    ------
    ValueError
        If the network does not have two inputs, or no classes.
    """
    if np.ndim(X) != 2 or np.shape(X)[1] != 2:
        raise ValueError(f"X must have shape (n_samples, 2) to be drawn in a plane, got shape {np.shape(X)}")
    n_outputs, n_inputs = network.layer_sizes[-1], network.layer_sizes[0]
    if n_inputs != 2 or network.output == "identity" or (network.output == "sigmoid" and n_outputs > 1):
        raise ValueError(
            f"network must have two inputs, and softmax outputs or one sigmoid output, got {network!r}: "
            "else there is no boundary in a plane"
        )
    if n_outputs > 2:
        return value_grid(network.predict, X, n)
    return value_grid(lambda points: network.predict_proba(points)[:, -1], X, n)


def decision_boundary(network: Classifier, X: Any, y: Any, title: str = "") -> Any:
    """Draw which class a network predicts where, and samples, for two features.

    Parameters
    ----------
    network : Network
        With two inputs, and "softmax" outputs or one "sigmoid" output.
    X : array-like of shape (n_samples, 2)
        Samples; the picture is large enough to hold them.
    y : array-like of shape (n_samples,)
        Their classes.
    title : str, default=""

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the network does not have two inputs, or no classes.
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    grid, names = boundary_grid(network, X), class_names(network)
    labels = getattr(network, "feature_names", None) or ("first feature", "second feature")
    draw = partial(draw_boundary, grid=grid, X=np.asarray(X), y=np.ravel(y), title=title, names=names)
    return panels([partial(draw, labels=labels)], 1, (5.2, 4.2))


def class_names(network: Any) -> tuple[str, ...]:
    """Return the names of a network's classes, or nothing if these are numbers from zero on."""
    classes = getattr(network, "classes", None)
    return () if classes is None else tuple(map(str, classes))


def draw_points(axes: Any, X: np.ndarray, y: np.ndarray, size: float = 14, names: Sequence[str] = ()) -> None:
    """Draw samples, one colour and marker a class; with names there is a legend."""
    for label in np.unique(y):
        points, style = X[y == label], {"color": colour(label), "marker": marker(label)}
        name = names[label] if names else None
        axes.scatter(points[:, 0], points[:, 1], size, edgecolors="white", linewidths=0.4, label=name, **style)
    if names:
        beside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)} if len(names) > 5 or len(X) > 1000 else {}
        axes.legend(fontsize="small", framealpha=0.85, **beside)


def draw_boundary(
    axes: Any,
    grid: Grid,
    X: np.ndarray,
    y: np.ndarray,
    title: str = "",
    names: Sequence[str] = (),
    plain: bool = False,
    labels: Sequence[str] = ("first feature", "second feature"),
) -> None:
    """Draw regions, the boundary between them, and samples.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    grid : Grid
        Probabilities of the second of two classes, as floats, or class indices, as integers.
    X : ndarray of shape (n_samples, 2)
    y : ndarray of shape (n_samples,)
        Classes.
    title : str, default=""
    names : sequence of str, default=()
        Of the classes; then there is a legend.
    plain : bool, default=False
        No labels of axes, small points: for many panels.
    labels : sequence of str, default=("first feature", "second feature")
        Of the two axes.
    """
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap

    if grid.values.dtype.kind == "f":
        ends = [pale(colour(0)), (1.0, 1.0, 1.0), pale(colour(1))]
        shades = LinearSegmentedColormap.from_list("classes", ends)
        axes.pcolormesh(grid.x, grid.y, grid.values, cmap=shades, vmin=0, vmax=1, shading="nearest", rasterized=True)
        if grid.values.min() < 0.5 < grid.values.max():
            axes.contour(grid.x, grid.y, grid.values, levels=[0.5], colors="black", linewidths=1.2)
    else:
        n = int(max(grid.values.max(), y.max())) + 1
        colours = ListedColormap([pale(colour(number)) for number in range(n)])
        axes.pcolormesh(
            grid.x, grid.y, grid.values, cmap=colours, vmin=-0.5, vmax=n - 0.5, shading="nearest", rasterized=True
        )
    draw_points(axes, X, y, 5 if plain else 14, names)
    axes.set(xlim=(grid.x[0], grid.x[-1]), ylim=(grid.y[0], grid.y[-1]))
    if plain:
        axes.set_title(title, fontsize="small", pad=2)
        axes.set(xticks=[], yticks=[])
    else:
        axes.set(xlabel=labels[0], ylabel=labels[1], title=title)
