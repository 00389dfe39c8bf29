"""The commands ``fastnet data …``: data sets that have names, where they lie, and whether they are whole."""

import sys
from typing import Annotated, Any

import typer

from .messages import DATA, FAILED, USAGE, fail, failing
from .output import columns, print_json
from .sources import DataDir

EPILOG = """\b
Example:
  fastnet data fetch mnist"""
Name = Annotated[str, typer.Argument(metavar="NAME", help="One of `fastnet data list`.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Data sets by name: list, fetch, verify, path.")


@data.command("list", short_help="The data sets that have names.")
def list_names(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show the data sets that have names, their sizes, and whether they are on this machine."""
    from ..datasets import available

    found = [{**entry._asdict(), "here": _is_here(entry, data_dir)} for entry in available()]
    if as_json:
        print_json({"datasets": found})
        return
    from ..evaluation_report import table

    header = ["name", "what", "samples", "features", "classes", "download", "here"]
    rows = [header, *map(_row, found)]
    text = table(rows, left=2)
    if sys.stdout.isatty() and text.index("\n") > columns():
        text = table([[row[0], *row[2:]] for row in rows], left=1)
    print(text, flush=True)


def _is_here(entry: Any, data_dir: str | None) -> bool:
    from ..datasets import where

    try:
        return not entry.megabytes or where(entry.name, data_dir) is not None
    except OSError:
        return False


def _row(found: dict[str, Any]) -> list[str]:
    counts = [f"{found[name]:,}" for name in ("n_samples", "n_features", "n_classes")]
    size = f"{found['megabytes']:g} MB" if found["megabytes"] else "none"
    return [found["name"], found["summary"], *counts, size, "yes" if found["here"] else "no"]


@data.command(epilog=EPILOG, short_help="Download a data set, verified.")
def fetch(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Download a data set, unless it is there; every file is compared with its SHA-256."""
    from ..datasets import fetch

    _check(name)
    with failing(DATA, OSError, ValueError):
        folder = fetch(name, data_dir)
    _tell(name, folder, as_json)


@data.command(short_help="Where a data set lies.")
def path(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Print the folder or file that holds a data set; nothing is downloaded."""
    from ..datasets import where

    _check(name)
    with failing(DATA, OSError, ValueError):
        folder = where(name, data_dir)
    if folder is None and name != "moons":
        fail(f"{name} is not on this machine: fastnet data fetch {name}", DATA)
    _tell(name, folder, as_json)


@data.command(short_help="Compare files with their SHA-256.")
def verify(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Compare the files of a downloaded data set with their SHA-256; the exit code is 1 if one is damaged."""
    from ..datasets import verify

    _check(name)
    with failing(DATA, OSError, ValueError):
        files = verify(name, data_dir)
    if as_json:
        print_json({"name": name, "files": [file._asdict() for file in files]})
    else:
        for file in files:
            print(f"{'ok' if file.ok else 'damaged':<8} {file.path}")
        if not files:
            print(f"{name}: no files to verify, it comes with scikit-learn or is drawn")
    if not all(file.ok for file in files):
        fail(f"{name}: damaged files; remove them and run fastnet data fetch {name}", FAILED)


def _check(name: str) -> None:
    from ..checks import check_choice
    from ..datasets import available

    with failing(USAGE, ValueError):
        check_choice("NAME", name, tuple(entry.name for entry in available()))


def _tell(name: str, folder: Any, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "path": folder})
    else:
        print(folder or f"{name} is drawn, and has no files", flush=True)
