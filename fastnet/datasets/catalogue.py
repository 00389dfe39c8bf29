"""The data sets that have names: what they are, where they lie, how they are fetched and verified."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..idx import as_path
from . import bundled, mnist, olivetti
from .columns import did_you_mean
from .dataset import Dataset
from .remote import RemoteSet, find
from .table import Table

_CHUNK = 1 << 20


class NamedData(NamedTuple):
    """What is known of a data set without loading it.

    ``n_samples`` counts all parts; ``own_split`` says whether the set brings its parts; ``megabytes`` is the size of
    its download, 0 if it comes with scikit-learn or is drawn.
    """

    name: str
    summary: str
    n_samples: int
    n_features: int
    n_classes: int
    own_split: bool
    megabytes: float


class VerifiedFile(NamedTuple):
    """A file of a data set, the SHA-256 of its content, and whether it is the expected one."""

    path: Path
    sha256: str
    ok: bool


_SETS = (
    NamedData("digits", "scanned digits, 8 x 8 pixels", 1797, 64, 10, True, 0),
    NamedData("moons", "two half circles, drawn", 600, 2, 2, True, 0),
    NamedData("mnist", "scanned digits, 28 x 28 pixels", 70_000, 784, 10, True, 11.6),
    NamedData("fashion-mnist", "clothes, 28 x 28 pixels", 70_000, 784, 10, True, 30.9),
    NamedData("iris", "flowers by the size of their leaves", 150, 4, 3, False, 0),
    NamedData("wine", "cultivars by chemical analyses", 178, 13, 3, False, 0),
    NamedData("breast-cancer", "tumours by measures of cell nuclei", 569, 30, 2, False, 0),
    NamedData("olivetti", "faces of 40 people, 64 x 64 pixels", 400, 4096, 40, False, 4.0),
)
NAMES = tuple(data.name for data in _SETS)
_PACKAGED = {
    "digits": "digits.csv.gz",
    "iris": "iris.csv",
    "wine": "wine_data.csv",
    "breast-cancer": "breast_cancer.csv",
}
_NO_FILES: dict[str, str] = {"moons": "is drawn, and has no files"}


def available() -> tuple[NamedData, ...]:
    """Return the data sets that `load_data` knows by name, with their sizes.

    Examples
    --------
    >>> [data.name for data in available() if not data.megabytes]
    ['digits', 'moons', 'iris', 'wine', 'breast-cancer']
    """
    return _SETS


def where(name: str, data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the folder or file that holds a named data set, or None if it is not on this machine (or is drawn).

    Nothing is downloaded.

    Parameters
    ----------
    name : str
        One of the names of `available`.
    data_dir : str or os.PathLike, optional
        As for `load_mnist`.

    Raises
    ------
    ValueError
        If there is no such data set.
    FileNotFoundError
        If a folder that you name holds some of the files and lacks others.

    Examples
    --------
    >>> where("iris").name
    'iris.csv'
    """
    data = _remote(check_name(name))
    if data is None:
        return _packaged(name)
    try:
        return find(data, _folder(data_dir), download=False)[0].parent
    except FileNotFoundError:
        if _lies_half(data, data_dir):
            raise
        return None


def fetch(name: str, data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """Download a named data set unless it is there; return the folder that holds it.

    Each file is compared with its SHA-256 before it gets its name. Sets that come with scikit-learn are there.

    Parameters
    ----------
    name : str
        One of the names of `available`.
    data_dir : str or os.PathLike, optional
        A folder that is searched first. Nothing is ever written to it.

    Raises
    ------
    ValueError
        If there is no such data set.
    DownloadError
        If no mirror serves a file.
    FileNotFoundError
        If a folder that you name holds some of the files and lacks others.

    Examples
    --------
    >>> fetch("wine").name
    'wine_data.csv'
    """
    data = _remote(check_name(name))
    return _packaged(name) if data is None else find(data, _folder(data_dir), download=True)[0].parent


def verify(name: str, data_dir: str | os.PathLike[str] | None = None) -> tuple[VerifiedFile, ...]:
    """Compare the files of a downloaded data set with their SHA-256, all of their content; nothing is downloaded.

    Parameters
    ----------
    name : str
        One of the names of `available`.
    data_dir : str or os.PathLike, optional
        As for `load_mnist`.

    Returns
    -------
    tuple of VerifiedFile
        One for each file; none for a set that comes with scikit-learn, which pip verified, or is drawn.

    Raises
    ------
    ValueError
        If there is no such data set.
    FileNotFoundError
        If files are missing.

    Examples
    --------
    >>> verify("moons")
    ()
    >>> all(file.ok for file in verify("mnist"))  # doctest: +SKIP
    True
    """
    data = _remote(check_name(name))
    if data is None:
        return ()
    paths = find(data, _folder(data_dir), download=False)
    digests = [_digest(path) for path in paths]
    pairs = zip(paths, digests, data.files, strict=True)
    return tuple(VerifiedFile(path, digest, digest == file.sha256) for path, digest, file in pairs)


def check_name(name: str) -> str:
    """Return the name of a data set, or refuse it with the nearest one."""
    if name in NAMES:
        return name
    raise ValueError(f"name is {name!r}; expected one of {', '.join(NAMES)}.{did_you_mean(str(name), NAMES)}")


def load_split(name: str, seed: int, data_dir: Path | None, download: bool) -> Dataset | None:
    """Return a data set that brings its own split, or None if it is one that does not."""
    loaders: dict[str, Callable[[], Dataset]] = {
        "digits": bundled.load_digits,
        "moons": lambda: bundled.load_moons(seed=seed),
        "mnist": lambda: mnist.load_mnist(data_dir, download),
        "fashion-mnist": lambda: mnist.load_fashion_mnist(data_dir, download),
    }
    return loaders[name]() if name in loaders else None


def load_table(name: str, data_dir: Path | None, download: bool) -> Table:
    """Return a data set that brings no split, whole."""
    if name == "olivetti":
        return olivetti.olivetti_table(data_dir, download)
    return bundled.bundled_table(name.replace("-", "_"))


def _remote(name: str) -> RemoteSet | None:
    sets = {"mnist": mnist.MNIST, "fashion-mnist": mnist.FASHION_MNIST, "olivetti": olivetti.OLIVETTI}
    return sets.get(name)


def _packaged(name: str) -> Path | None:
    """Return the file of scikit-learn that holds a data set."""
    package = find_spec("sklearn")
    for folder in (package.submodule_search_locations if package else None) or ():
        path = Path(folder, "datasets", "data", _PACKAGED.get(name, ""))
        if path.is_file():
            return path
    return None


def _folder(data_dir: str | os.PathLike[str] | None) -> Path | None:
    return None if data_dir is None else as_path("data_dir", data_dir)


def _lies_half(data: RemoteSet, data_dir: str | os.PathLike[str] | None) -> bool:
    named = [_folder(data_dir), Path(os.environ["FASTNET_DATA"]) if os.environ.get("FASTNET_DATA") else None]
    folders = [folder / data.folder for folder in named if folder is not None]
    return any(
        (folder / f"{file.name}{end}").exists() for folder in folders for file in data.files for end in ("", ".gz")
    )


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, inflated."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return f"(damaged gzip: {error})"
    return digest.hexdigest()
