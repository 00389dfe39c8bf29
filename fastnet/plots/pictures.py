"""Images: pictures beside each other, and weights as pictures."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from .figures import Draw, panels


def weights(
    network: Any,
    shape: tuple[int, ...] | None = None,
    layer: int = 0,
    columns: int = 10,
    n: int | None = 100,
    title: str = "",
) -> Any:
    """Draw the weights of a layer as images, one for each of its units: blue is negative, red positive.

    Parameters
    ----------
    network : Network
        If it was trained on principal components, the first layer's weights are shown as weights of the pixels.
    shape : tuple of int or None, default=None
        Rows and columns of an image; None takes a square.
    layer : int, default=0
    columns : int, default=10
        Images beside each other.
    n : int or None, default=100
        At most so many units, the first ones; None shows all.
    title : str, default=""

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
    array = network.weights[layer]
    components = getattr(network.preprocessing, "components", None)
    if layer == 0 and components is not None:
        array = components @ array
    rows, width = image_shape(shape, len(array), "the layer has inputs")[:2]
    return images(array.T[:n].reshape(-1, rows, width), (), columns, title, signed=True)


def image_shape(shape: tuple[int, ...] | None, n_values: int, what: str) -> tuple[int, ...]:
    """Return the shape of an image of so many values, (rows, columns) or (rows, columns, 3); None takes a square."""
    side = round(float(np.sqrt(n_values)))
    found = (side, side) if shape is None else tuple(shape)
    if len(found) not in (2, 3) or int(np.prod(found)) != n_values or found[2:] not in ((), (3,)):
        raise ValueError(f"shape must have as many pixels as {what}, {n_values}, got {shape}")
    return found


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
    pictures : ndarray of shape (n_images, height, width) or (n_images, height, width, 3)
        Each has a scale of its own; those with colours are shown as they are.
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
    draws: list[Draw] = [
        partial(draw_image, picture=picture, title=name, signed=sign)
        for picture, name, sign in zip(pictures, names, signs, strict=True)
    ]
    height = size * pictures.shape[1] / pictures.shape[2] + (0.12 + 0.13 * (names[0].count("\n") + 1)) * bool(titles)
    return panels(draws, columns, (size, height), title)


def draw_image(axes: Any, picture: np.ndarray, title: str = "", signed: bool = False) -> None:
    """Draw an image of shape (height, width), or (height, width, 3) with colours."""
    limit = float(np.abs(picture).max()) or 1.0
    if picture.ndim == 3:
        axes.imshow(picture if picture.dtype == np.uint8 else np.clip(picture, 0, 1), interpolation="nearest")
    elif signed:
        axes.imshow(picture, interpolation="nearest", vmin=-limit, vmax=limit, cmap="RdBu_r")
    else:
        axes.imshow(picture, interpolation="nearest", cmap="gray")
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize="x-small", pad=2)
