"""Figures: decision boundaries, curves, weights as images. matplotlib is imported when something is drawn.

``decision_boundary``, ``history`` and ``weights`` draw what a user has: a network, a history. The ``draw_…`` functions
draw one panel from plain arrays, and ``panels`` puts several into one figure. Figures are made without pyplot, so that
nothing depends on a display or is kept open; ``save`` writes them. Lines differ in colour and in dashes, so that they
can be told apart in print.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .history import History
    from .network import Network

DPI = 150
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#999999",
)  # Okabe and Ito, 2008
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)), "-")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_MILLISECONDS = 120  # each frame of an animation is shown so long, the last one ten times

_LEVELS: tuple[Any, ...] = ((0, (1, 2)), (0, (7, 3)), (0, (4, 2, 1, 2)))
_MOST_INSIDE = 5  # a longer legend stands beside its panel

Draw = Callable[[Any], None]
Line = np.ndarray | Sequence[float] | tuple[Any, Any]


def require_matplotlib() -> None:
    """Refuse to go on without matplotlib.

    Raises
    ------
    ModuleNotFoundError
        The message says how to install it.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "figures need matplotlib, which is not installed: pip install 'fastnet-numba[plot]'"
        ) from None


# -- figures -------------------------------------------------------------------------------------------


def panels(
    draws: Sequence[Draw],
    columns: int = 2,
    size: tuple[float, float] = (4.6, 3.6),
    title: str = "",
    projection: str | None = None,
) -> Any:
    """Return a figure with one panel for each function that draws into axes.

    Parameters
    ----------
    draws : sequence of callables
        Each takes matplotlib axes, for instance ``functools.partial(draw_curves, lines=...)``.
    columns : int, default=2
        Panels beside each other, at most.
    size : tuple of float, default=(4.6, 3.6)
        Width and height of a panel in inches.
    title : str, default=""
        Of the whole figure.
    projection : str or None, default=None
        "3d" for panels with three axes.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    columns = min(columns, len(draws))
    rows = -(-len(draws) // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows + 0.3 * bool(title)), dpi=DPI, layout="constrained")
    for number, draw in enumerate(draws):
        draw(figure.add_subplot(rows, columns, number + 1, projection=projection))
    if title:
        figure.suptitle(title, wrap=True)
    return figure


def save(drawn: Any, path: str | Path) -> None:
    """Write a figure, or the frames of an animation.

    Parameters
    ----------
    drawn : matplotlib.figure.Figure or iterable of these
        Several become the frames of a GIF that repeats for ever.
    path : str or Path
        Its ending is the format: .png, .pdf, .svg for a figure, .gif for frames.

    Raises
    ------
    ValueError
        If the ending does not go with what was drawn.
    OSError
        If the file can't be written.
    """
    path = Path(path)
    animated = isinstance(drawn, Iterable)
    if animated != (path.suffix == ".gif"):
        expected = ".gif" if animated else ".png, .pdf or .svg"
        raise ValueError(f"path must end in {expected} for what was drawn, got {path.name!r}")
    if animated:
        _save_frames(drawn, path)
    else:
        drawn.savefig(path)


def _save_frames(frames: Iterable[Any], path: Path) -> None:
    from PIL import Image

    images = []
    for frame in frames:
        buffer = BytesIO()
        frame.savefig(buffer, format="png", dpi=100)
        images.append(Image.open(buffer).convert("RGB").quantize(64))
    times = [_MILLISECONDS] * (len(images) - 1) + [10 * _MILLISECONDS]
    images[0].save(path, save_all=True, append_images=images[1:], duration=times, loop=0, optimize=True)


# -- what a user has -----------------------------------------------------------------------------------


def decision_boundary(network: "Network", X: Any, y: Any, title: str = "") -> Any:
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
    grid = boundary_grid(network, X)
    return panels([lambda axes: draw_boundary(axes, grid, np.asarray(X), np.asarray(y), title)], 1, (5.2, 4.2))


def history(history: "History", title: str = "") -> Any:
    """Draw loss and accuracy of a fit over its epochs, of training and, if there are any, validation data.

    Parameters
    ----------
    history : History
    title : str, default=""

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    found = []
    for name, label in (("loss", "loss"), ("accuracy", "accuracy")):
        both = {"training": getattr(history, name), "validation": getattr(history, f"val_{name}")}
        lines = {key: values for key, values in both.items() if not np.isnan(values).all()}
        if lines:
            found.append(_curves(lines, "epoch", label))
    return panels(found, title=title)


def weights(network: "Network", shape: tuple[int, int] | None = None, layer: int = 0, columns: int = 10) -> Any:
    """Draw the weights of a layer as images, one for each of its units: blue is negative, red positive.

    Parameters
    ----------
    network : Network
    shape : tuple of int or None, default=None
        Rows and columns of an image; None takes a square.
    layer : int, default=0
    columns : int, default=10
        Images beside each other.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the layer's inputs don't fill such images.
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    array = network.weights[layer].T
    side = round(float(np.sqrt(array.shape[1])))
    rows, width = shape or (side, side)
    if rows * width != array.shape[1]:
        raise ValueError(f"shape must have as many pixels as the layer has inputs, {array.shape[1]}, got {shape}")
    return images(array.reshape(-1, rows, width), columns=columns, signed=True)


def _curves(lines: Mapping[str, Line], x_label: str, y_label: str) -> Draw:
    return lambda axes: draw_curves(axes, lines, x_label, y_label)


# -- data of a picture ---------------------------------------------------------------------------------


class Grid(NamedTuple):
    """Values over a rectangle: ``values[i, j]`` belongs to the point ``(x[j], y[i])``."""

    x: np.ndarray
    y: np.ndarray
    values: np.ndarray


def value_grid(function: Callable[[np.ndarray], np.ndarray], X: Any, n: int = 161, margin: float = 0.4) -> Grid:
    """Values of a function of two features around some samples.

    Parameters
    ----------
    function : callable
        Takes an array of shape (n_points, 2) and returns one of shape (n_points,).
    X : array-like of shape (n_samples, 2)
    n : int, default=161
        Points along each side.
    margin : float, default=0.4
        Space around the samples.

    Returns
    -------
    Grid
    """
    low, high = np.min(X, axis=0) - margin, np.max(X, axis=0) + margin
    x, y = (np.linspace(low[i], high[i], n) for i in (0, 1))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return Grid(x, y, np.asarray(function(points.astype(np.float32))).reshape(n, n))


def boundary_grid(network: "Network", X: Any, n: int = 161) -> Grid:
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
    n_outputs = network.layer_sizes[-1]
    if network.layer_sizes[0] != 2 or network.output == "identity" or (network.output == "sigmoid" and n_outputs > 1):
        raise ValueError(
            f"network must have two inputs, and softmax outputs or one sigmoid output, got {network!r}: "
            "else there is no boundary in a plane"
        )
    if n_outputs > 2:
        return value_grid(network.predict, X, n)
    return value_grid(lambda points: network.predict_proba(points)[:, -1], X, n)


# -- one panel -----------------------------------------------------------------------------------------


def draw_curves(
    axes: Any,
    lines: Mapping[str, Line],
    x_label: str,
    y_label: str,
    title: str = "",
    levels: Mapping[str, float] | None = None,
    log: str = "",
    marked: bool = False,
    x_ticks: Sequence[float] | np.ndarray = (),
) -> None:
    """Draw lines.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    lines : mapping
        Label of each line, and its values at 1, 2, 3, …, or (positions, values).
    x_label, y_label, title : str
    levels : mapping, optional
        Labels and heights of thin horizontal lines.
    log : {"", "x", "y", "xy"}, default=""
        Logarithmic axes.
    marked : bool, default=False
        Whether points are marked.
    x_ticks : sequence of float, default=()
        Instead of those that suit the axis.
    """
    for number, (label, line) in enumerate(lines.items()):
        x, y = line if isinstance(line, tuple) else (np.arange(1, len(line) + 1), line)
        style = {"marker": MARKERS[number % len(MARKERS)], "markersize": 4.5} if marked else {}
        dashes, colour = DASHES[number % len(DASHES)], COLOURS[number % len(COLOURS)]
        axes.plot(x, y, linestyle=dashes, color=colour, linewidth=1.5, label=label, **style)
    for number, (label, level) in enumerate((levels or {}).items()):
        axes.axhline(level, color="0.35", linewidth=0.9, linestyle=_LEVELS[number % len(_LEVELS)], label=label)
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")
    if len(x_ticks):
        axes.set_xticks(x_ticks, [f"{tick:g}" for tick in x_ticks])
        axes.set_xticks([], minor=True)
    elif "x" not in log and lines:
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=_whole(axes)))
    n_labels = len(lines) + len(levels or {})
    if n_labels > 1:
        beside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)} if n_labels > _MOST_INSIDE else {}
        axes.legend(fontsize="small", framealpha=0.85, **beside)
    axes.grid(color="0.9", linewidth=0.6)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)


def _whole(axes: Any) -> bool:
    """Whether all lines have whole numbers, such as epochs, as positions."""
    return all((np.mod(line.get_xdata(), 1) == 0).all() for line in axes.lines if len(line.get_xdata()) > 2)


def draw_points(axes: Any, X: np.ndarray, y: np.ndarray, size: float = 14, names: Sequence[str] = ()) -> None:
    """Draw samples, one colour and marker a class; with names there is a legend."""
    for label in np.unique(y):
        points, style = X[y == label], {"color": COLOURS[label], "marker": MARKERS[label]}
        name = names[label] if names else None
        axes.scatter(points[:, 0], points[:, 1], size, edgecolors="white", linewidths=0.4, label=name, **style)
    if names:
        axes.legend(fontsize="small", framealpha=0.85)


def draw_boundary(
    axes: Any, grid: Grid, X: np.ndarray, y: np.ndarray, title: str = "", names: Sequence[str] = (), plain: bool = False
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
    """
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap

    if grid.values.dtype.kind == "f":
        ends = [_pale(COLOURS[0]), (1.0, 1.0, 1.0), _pale(COLOURS[1])]
        shades = LinearSegmentedColormap.from_list("classes", ends)
        axes.pcolormesh(grid.x, grid.y, grid.values, cmap=shades, vmin=0, vmax=1, shading="nearest", rasterized=True)
        if grid.values.min() < 0.5 < grid.values.max():
            axes.contour(grid.x, grid.y, grid.values, levels=[0.5], colors="black", linewidths=1.2)
    else:
        n = int(max(grid.values.max(), y.max())) + 1
        colours = ListedColormap([_pale(colour) for colour in COLOURS[:n]])
        axes.pcolormesh(
            grid.x, grid.y, grid.values, cmap=colours, vmin=-0.5, vmax=n - 0.5, shading="nearest", rasterized=True
        )
    draw_points(axes, X, y, 5 if plain else 14, names)
    axes.set(xlim=(grid.x[0], grid.x[-1]), ylim=(grid.y[0], grid.y[-1]))
    if plain:
        axes.set_title(title, fontsize="small", pad=2)
        axes.set(xticks=[], yticks=[])
    else:
        axes.set(xlabel="first feature", ylabel="second feature", title=title)


def _pale(colour: str) -> tuple[float, ...]:
    """Mix a colour with white."""
    from matplotlib.colors import to_rgb

    return tuple(0.35 * part + 0.65 for part in to_rgb(colour))


def draw_bars(
    axes: Any,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float] | np.ndarray],
    y_label: str,
    title: str = "",
    form: str = ".2f",
    x_label: str = "",
) -> None:
    """Draw groups of bars: one group a label, one bar in it a series; each has its number on top, unless it is 0."""
    width, places = 0.8 / len(series), np.arange(len(labels))
    hatches = ("", "//", "..", "xx")
    for number, (name, values) in enumerate(series.items()):
        shift = (number - (len(series) - 1) / 2) * width
        style = {"color": COLOURS[number % len(COLOURS)], "hatch": hatches[number % 4], "edgecolor": "white"}
        bars = axes.bar(places + shift, values, width, label=name, **style)
        axes.bar_label(bars, [_unless_zero(format(value, form)) for value in values], fontsize="x-small", padding=1)
    axes.set_xticks(places, labels)
    if len(series) > 1:
        axes.legend(fontsize="small", framealpha=0.85)
    axes.margins(y=0.16)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)


def _unless_zero(number: str) -> str:
    return number if float(number) else ""


def draw_surface(axes: Any, grid: Grid, labels: tuple[str, str, str], title: str = "") -> None:
    """Draw values over a rectangle as a surface, into axes with the projection "3d"."""
    x, y = np.meshgrid(grid.x, grid.y)
    axes.plot_surface(x, y, grid.values, cmap="viridis", rcount=31, ccount=31, linewidth=0.1, edgecolor="0.3")
    axes.set(xlabel=labels[0], ylabel=labels[1], title=title)
    axes.zaxis.set_rotate_label(False)
    axes.set_zlabel(labels[2], rotation=90)
    axes.view_init(elev=28, azim=-125)
    axes.set_box_aspect(None, zoom=0.85)  # else the label of the third axis is cut off


def images(
    pictures: np.ndarray,
    titles: Sequence[str] = (),
    columns: int = 10,
    title: str = "",
    signed: bool | Sequence[bool] = False,
    size: float = 1.0,
) -> Any:
    """Draw images beside each other: grey ones from black to white, signed ones from blue over white to red.

    Parameters
    ----------
    pictures : ndarray of shape (n_images, height, width)
        Each has a scale of its own.
    titles : sequence of str, default=()
    columns : int, default=10
    title : str, default=""
    signed : bool or sequence of bool, default=False
        Whether zero is in the middle of the colours; one for all, or one each.
    size : float, default=1.0
        Width of an image in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    signs = [signed] * len(pictures) if isinstance(signed, bool) else list(signed)
    names = titles or [""] * len(pictures)
    draws = [_image(picture, name, sign) for picture, name, sign in zip(pictures, names, signs, strict=True)]
    height = size * pictures.shape[1] / pictures.shape[2] + (0.12 + 0.13 * (names[0].count("\n") + 1)) * bool(titles)
    return panels(draws, columns, (size, height), title)


def _image(picture: np.ndarray, name: str, signed: bool) -> Draw:
    def draw(axes: Any) -> None:
        limit = float(np.abs(picture).max()) or 1.0
        limits = {"vmin": -limit, "vmax": limit, "cmap": "RdBu_r"} if signed else {"cmap": "gray"}
        axes.imshow(picture, interpolation="nearest", **limits)
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, fontsize="x-small", pad=2)

    return draw
