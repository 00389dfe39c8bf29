"""The command ``fastnet evaluate``: how good a saved model is on some data."""

from typing import Annotated, Any, NamedTuple

import typer

from .config import Config
from .messages import DATA, DIVERGED, USAGE, fail, failing, plain_warnings
from .models import Model, load_network
from .output import columns, print_json
from .sources import Data, DataDir, Delimiter, Drop, Header, ImageShape, Target, Task, Test, Validation, split, whole

EPILOG = """\b
Example:
  fastnet evaluate model.safetensors flowers.csv --target kind"""
PARTS = ("train", "validation", "test")

Part = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Only the train, validation or test rows of `fastnet train` with the same --seed; else all, or the test "
        "part of data that have one.",
    ),
]


def evaluate(
    model: Model,
    data: Data,
    target: Target = None,
    drop: Drop = None,
    part: Part = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the split, for --part.")] = 0,
    validation: Validation = None,
    test: Test = None,
    worst: Annotated[int, typer.Option(metavar="N", help="Mistakes to list, those with the largest loss first.")] = 5,
    task: Task = None,
    delimiter: Delimiter = None,
    header: Header = None,
    image_shape: ImageShape = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Measure MODEL on DATA: accuracy, loss, a table of the classes, the confusion matrix, the worst mistakes."""
    flags = locals()
    if worst < 0:
        fail(f"--worst must be >= 0, got {worst}", USAGE)
    with plain_warnings({}):
        network = load_network(model)
        rows = labelled(network, data, flags)
        with failing(DIVERGED, ArithmeticError), failing(DATA, TypeError, ValueError):
            found = network.evaluate(rows.X, rows.y)
    files = rows.files
    if as_json:
        mistakes = _with_files(found.to_dict(worst), files)
        print_json({"model": model, "data": data, "part": part, **mistakes})
        return
    print(found.report(worst), flush=True)
    if files and len(found.mistakes) and worst:
        print("\nfiles of the mistakes")
        for i in found.mistakes[:worst]:
            print(f"{i:>8}  {files[i]}"[: max(columns(), 40)])


class Labelled(NamedTuple):
    """Rows and their targets; for images also their files, if they are known, and their height and width."""

    X: Any
    y: Any
    files: tuple[str, ...] | None
    image_shape: tuple[int, ...] | None


def labelled(network: Any, data: str, flags: dict[str, Any]) -> Labelled:
    """Load rows and targets, as flags say; DATA without targets end the command."""
    if flags["part"] is not None and flags["part"] not in PARTS:
        fail(f"--part must be one of {', '.join(PARTS)}, got {flags['part']!r}", USAGE)
    flags = {**flags, "task": flags["task"] or ("regression" if network.output == "identity" else "classification")}
    if flags["part"] is not None:
        return _part_of_split(network, data, flags)
    samples = whole(data, flags, network)
    if samples.y is None:
        fail(f"{data} has no targets: give their column with --target", USAGE)
    return Labelled(samples.X, samples.y, samples.files, samples.image_shape)


def _part_of_split(network: Any, data: str, flags: dict[str, Any]) -> Labelled:
    """Return the rows of one part, as training split them, with the classes of the network."""
    import numpy as np

    dataset = split(data, flags)
    short = {"validation": "val"}.get(flags["part"], flags["part"])
    X, y = getattr(dataset, f"X_{short}"), getattr(dataset, f"y_{short}")
    ours, theirs = network.classes, dataset.classes
    if ours is not None and theirs is not None and not np.array_equal(ours, theirs):
        fail(f"{data} has other classes than the model: {_few(theirs)}, not {_few(ours)}", DATA)
    names, wanted = dataset.feature_names, network.feature_names
    if names is None or wanted is None or names == wanted:
        return Labelled(X, y, None, dataset.image_shape)
    if missing := [name for name in wanted if name not in names]:
        fail(f"{data} lacks columns of the model: {_few(missing)}", DATA)
    return Labelled(X[:, [names.index(name) for name in wanted]], y, None, dataset.image_shape)


def _few(classes: Any) -> str:
    names = [str(name) for name in classes[:5]]
    return ", ".join(names) + ", …" * (len(classes) > 5)


def _with_files(found: dict[str, Any], files: tuple[str, ...] | None) -> dict[str, Any]:
    if files:
        for mistake in found["mistakes"]:
            mistake["file"] = files[mistake["sample"]]
    return found
