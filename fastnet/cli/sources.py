"""DATA on the command line: names and files, and the flags that say how these are read."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .messages import DATA, USAGE, failing, flags_of
from .parsing import number_or_name

if TYPE_CHECKING:
    from ..datasets import Dataset, Samples
    from ..target_scaling import TargetScaler

DATA_HELP = (
    "digits, moons, mnist, fashion-mnist, iris, wine, breast-cancer or olivetti; or a CSV, TSV, Parquet, NPZ, NPY or "
    "IDX file, or a folder of images, a folder per class."
)
Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP, show_default=False)]
Target = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column to predict: its name, or its index (-1: the last one).")
]
Drop = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Column that is no feature; give it again for more.")
]
Task = Annotated[
    str | None, typer.Option(metavar="NAME", help="classification or regression, if the target does not show it.")
]
Delimiter = Annotated[
    str | None, typer.Option(metavar="NAME", help="Between cells: comma, tab, semicolon, pipe, space or a character.")
]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="Whether the first line of a table names its columns.")
]
ImageShape = Annotated[
    str | None, typer.Option(metavar="HxW", help="Scale images to that size, in grey; HxWx3: in colour.")
]
Validation = Annotated[
    str | None, typer.Option(metavar="X", help="Share of the rows for validation, or a file of them; else 0.1.")
]
Test = Annotated[str | None, typer.Option(metavar="X", help="Share of the rows for testing, or a file; else 0.2.")]
DataDir = Annotated[str | None, typer.Option(metavar="DIR", help="Folder that holds mnist/ or others by name.")]

OPTIONS = ("target", "drop", "task", "delimiter", "header", "image_shape", "data_dir")
SPLIT = ("validation", "test", "seed")
_FLAGS = {"source": "DATA", "path": "DATA", **flags_of((*OPTIONS, *SPLIT, "part"))}


def split(data: str, found: Mapping[str, Any]) -> "Dataset":
    """Load DATA in three parts, as the flags in ``found`` say; what is wrong ends the command."""
    from ..datasets import load_data

    with _reading():
        shares: dict[str, Any] = {name: _share(found.get(name)) for name in ("validation", "test")}
        return load_data(data, **_options(found), **shares, seed=found.get("seed") or 0)


def standardised(dataset: "Dataset") -> "tuple[Dataset, TargetScaler | None]":
    """Return a regression's data with targets in units of their spread, and what brings a network back to their own."""
    if dataset.task != "regression":
        return dataset, None
    from dataclasses import replace

    from ..target_scaling import TargetScaler

    scaler = TargetScaler().fit(dataset.y_train)
    parts = {name: getattr(dataset, name) for name in ("y_train", "y_val", "y_test")}
    scaled: dict[str, Any] = {name: scaler.transform(y) if len(y) else y for name, y in parts.items()}
    return replace(dataset, **scaled), scaler


def whole(data: str, found: Mapping[str, Any], model: Any = None, part: str | None = None) -> "Samples":
    """Load DATA as it is, with the columns and classes of a model; what is wrong ends the command."""
    from ..datasets import read_data

    with _reading():
        options = _options(found)
        if model is not None:
            options |= {"classes": model.classes, "feature_names": model.feature_names}
        return read_data(data, **options, part=part)


def _reading() -> Any:
    """Errors of data are said with their exit code; those of arguments are errors of usage."""
    from contextlib import ExitStack

    from ..exceptions import FormatError

    stack = ExitStack()
    stack.enter_context(failing(USAGE, TypeError, ValueError, flags=_FLAGS))
    stack.enter_context(failing(DATA, OSError, FormatError, flags=_FLAGS))  # DownloadError is an OSError
    return stack


def _options(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of readers that flags give."""
    options = {name: found[name] for name in OPTIONS if found.get(name) is not None}
    if "image_shape" in options:
        options["image_shape"] = image_shape(options["image_shape"])
    return options


def image_shape(text: str) -> tuple[int, ...]:
    """Read 28x28 or 64x64x3."""
    if not re.fullmatch(r"\d+x\d+(x3)?", text, re.ASCII):
        raise ValueError(f"image_shape must be such as 28x28, or 64x64x3 for colour, got {text!r}")
    return tuple(int(number) for number in text.split("x"))


def _share(text: str | None) -> float | str | None:
    return None if text is None else number_or_name(text)
