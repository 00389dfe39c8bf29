"""Images as files, one folder per class, through Pillow (the extra ``images``)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import FormatError
from .table import WHOLE, Labels, Options, Table

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm", ".pnm")
)
_PARTS = {"train": "train", "training": "train", "val": "validation", "valid": "validation"} | {
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_GREY = frozenset(("1", "L", "LA", "I", "I;16", "I;16B", "I;16L"))


def is_image(path: Path) -> bool:
    """Say whether a name is that of an image."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_images(path: Path, options: Options) -> dict[str, Table]:
    """Read a folder of images per class, or images without classes.

    The folders' names are the classes, in the order of the alphabet; so are the images of each. Folders train and
    test (and val or validation), each with a folder per class, are a split of their own. All images become grey or
    RGB, as the first one is; with an `image_shape` they are scaled to it, and else all must have the size of the
    first. What is transparent becomes white; images are turned as their EXIF data say.

    Parameters
    ----------
    path : Path
        A folder of folders of images, a folder of images, or one image.
    options : Options
        ``image_shape``: (height, width) for grey, (height, width, 3) for RGB.

    Returns
    -------
    dict of str to Table
        X uint8 of shape (n_images, height * width) or (n_images, height * width * 3).

    Raises
    ------
    ModuleNotFoundError
        If Pillow is missing.
    FormatError
        With the file, if an image is damaged or has another size, or if a class has no images.
    """
    _require_pillow(path)
    scale = options.image_shape is not None
    if path.is_file():
        return {WHOLE: _read(path.parent, [path], None, options.image_shape, scale)}
    folders = {folder.name: folder for folder in _folders(path)}
    parts = {_PARTS.get(name.lower(), ""): folder for name, folder in folders.items()}
    if "train" in parts and "" not in parts and len(parts) == len(folders) and _folders(parts["train"]):
        shape, tables = options.image_shape, dict[str, Table]()
        for part in ("train", "validation", "test"):
            if part in parts:
                tables[part] = _by_class(parts[part], shape, scale)
                shape = tables[part].image_shape
        return tables
    if folders:
        return {WHOLE: _by_class(path, options.image_shape, scale)}
    files = _images(path)
    if not files:
        raise FormatError(f"{path}: found no images in this folder, expected a folder of images per class")
    return {WHOLE: _read(path, files, None, options.image_shape, scale)}


def _require_pillow(path: Path) -> None:
    try:
        import PIL.Image  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"reading {path.name} needs Pillow, which is not installed: pip install 'fastnet-numba[images]'"
        ) from error


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__")))


def _images(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if is_image(entry) and entry.is_file())


def _by_class(path: Path, shape: tuple[int, ...] | None, scale: bool) -> Table:
    folders = _folders(path)
    if loose := _images(path):
        raise FormatError(f"{path}: found the image {loose[0].name} beside folders, expected images within them only")
    images = [_images(folder) for folder in folders]
    for folder, found in zip(folders, images, strict=True):
        if not found:
            raise FormatError(f"{folder}: found no images, expected some: the folder is taken for a class")
    codes = np.repeat(np.arange(len(folders)), [len(found) for found in images])
    labels = Labels(np.array([folder.name for folder in folders]), codes)
    return _read(path, [image for found in images for image in found], labels, shape, scale)


def _read(root: Path, files: list[Path], labels: Labels | None, shape: tuple[int, ...] | None, scale: bool) -> Table:
    """Read images of one shape, by default that of the first, and scale those of another size, or refuse them."""
    shape = shape or _shape_of(files[0])
    X = np.empty((len(files), *shape), np.uint8)
    for row, file in enumerate(files):
        X[row] = _pixels(file, shape, files[0], scale)
    names = tuple(str(file.relative_to(root)) for file in files)
    return Table(X.reshape(len(X), -1), labels, None, shape, names, place=lambda row: f"{root}, image {names[row]}")


def _shape_of(file: Path) -> tuple[int, ...]:
    image = _opened(file)
    return (image.height, image.width) if image.mode in _GREY else (image.height, image.width, 3)


def _opened(file: Path) -> Any:
    """Return an image, loaded and turned upright."""
    import warnings

    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of metadata that are not needed
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                image.load()
                return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise FormatError(f"{file}: {error}") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise FormatError(f"{file}: not a whole image: {error}") from error


def _pixels(file: Path, shape: tuple[int, ...], first: Path, scale: bool) -> NDArray[np.uint8]:
    """Return an image as grey or RGB levels of the given shape."""
    from PIL import Image

    image = _opened(file)
    height, width = shape[:2]
    if not scale and image.size != (width, height):
        raise FormatError(
            f"{file}: found {image.height} x {image.width} pixels (height x width), expected {height} x {width} as in "
            f"{first.name}; image_shape=({height}, {width}{', 3' if len(shape) == 3 else ''}) scales all to one size"
        )
    image = _eight_bits(image).convert("L" if len(shape) == 2 else "RGB")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _eight_bits(image: Any) -> Any:
    """Return an image with 8 bits a channel, on white where it is transparent."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits of grey: convert would cut them off at 255
        return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image)
    return image
