"""Figures of panels, made without pyplot, and how they are written. Colours, dashes and markers of all pictures."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_atomically

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
FORMATS = (".png", ".svg", ".pdf")
_MILLISECONDS = 120  # each frame of an animation is shown so long, the last one ten times

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


def save(drawn: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure, or the frames of an animation.

    Parameters
    ----------
    drawn : matplotlib.figure.Figure or iterable of these
        Several become the frames of a GIF that repeats for ever.
    path : str or os.PathLike
        Its ending is the format: .png, .svg or .pdf for a figure, .gif for frames. The file is written whole or not at
        all; the same figure gives the same bytes.

    Raises
    ------
    ValueError
        If the ending does not go with what was drawn, or there is no frame; nothing is written.
    OSError
        If the file can't be written.
    """
    ending = Path(path).suffix.lower()
    animated = isinstance(drawn, Iterable)
    if ending not in ((".gif",) if animated else FORMATS):
        expected = ".gif" if animated else ".png, .svg or .pdf"
        raise ValueError(f"path must end in {expected} for what was drawn, got {Path(path).name!r}")
    write_atomically(path, _gif(drawn) if animated else _picture(drawn, ending[1:]))


def _picture(figure: Any, form: str) -> bytes:
    import matplotlib as mpl

    buffer, date = BytesIO(), {"svg": "Date", "pdf": "CreationDate"}.get(form)
    with (
        _on_slow_machines(),
        mpl.rc_context({"svg.hashsalt": "fastnet"}),
    ):  # names of parts of the picture, else drawn at random
        figure.savefig(buffer, format=form, metadata={date: None} if date else None)
    return buffer.getvalue()


@contextmanager
def _on_slow_machines() -> Iterator[None]:
    """Draw without matplotlib's word that finding a free place for the legend took long: whether it does, depends."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Creating legend with loc", UserWarning)
        yield


def _gif(frames: Iterable[Any]) -> bytes:
    from PIL import Image

    images = [Image.fromarray(_pixels(frame)).quantize(128) for frame in frames]
    if not images:
        raise ValueError("an animation needs at least one frame, got none")
    times = [_MILLISECONDS] * (len(images) - 1) + [10 * _MILLISECONDS]
    buffer = BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=times, loop=0, optimize=True)
    return buffer.getvalue()


def _pixels(figure: Any) -> np.ndarray:
    """Return a figure as uint8 of shape (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(100)
    canvas = FigureCanvasAgg(figure)
    with _on_slow_machines():
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def colour(number: int) -> str:
    """Return the colour of a line or class; after eight they begin anew."""
    return COLOURS[number % len(COLOURS)]


def marker(number: int) -> str:
    """Return the marker of a line or class."""
    return MARKERS[number % len(MARKERS)]


def pale(colour: str) -> tuple[float, ...]:
    """Mix a colour with white."""
    from matplotlib.colors import to_rgb

    return tuple(0.35 * part + 0.65 for part in to_rgb(colour))
