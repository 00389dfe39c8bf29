"""Data sets to learn with: real digits, two moons and MNIST, each split into training, validation and test.

>>> from fastnet.datasets import load_digits
>>> load_digits()
Dataset 'digits': 64 features, 10 classes
  train       X (1079, 64) float32    y (1079,) int64
  validation  X (359, 64) float32     y (359,) int64
  test        X (359, 64) float32     y (359,) int64

The validation points are for choosing (when to stop, which learning rate), the test points for the one
number at the end.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .exceptions import DownloadError, FormatError
from .idx import as_int, as_path, read_idx
from .raw_cache import cached

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Dataset", "load_digits", "load_mnist", "load_moons", "read_idx"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Features and labels, split into training, validation and test points.

    Parameters
    ----------
    name : str
        What the data are called.
    X_train, X_val, X_test : numpy.ndarray of shape (n_samples, n_features)
        One row per point; float32, or uint8 for images.
    y_train, y_val, y_test : numpy.ndarray of shape (n_samples,), int64
        The class of each row, counted from 0.
    """

    name: str
    X_train: NDArray[Any]
    y_train: NDArray[np.int64]
    X_val: NDArray[Any]
    y_val: NDArray[np.int64]
    X_test: NDArray[Any]
    y_test: NDArray[np.int64]

    @property
    def n_features(self) -> int:
        """The number of columns of X."""
        return int(self.X_train.shape[1])

    @property
    def n_classes(self) -> int:
        """The number of classes: one more than the largest training label."""
        return int(self.y_train.max()) + 1

    def __repr__(self) -> str:
        lines = [f"Dataset {self.name!r}: {self.n_features} features, {self.n_classes} classes"]
        for part, X, y in (
            ("train", self.X_train, self.y_train),
            ("validation", self.X_val, self.y_val),
            ("test", self.X_test, self.y_test),
        ):
            lines.append(f"  {part:<10}  X {f'{X.shape} {X.dtype}':<20}  y {y.shape} {y.dtype}")
        return "\n".join(lines)


def load_digits() -> Dataset:
    """Load scanned handwritten digits, 8 × 8 pixels; they come with scikit-learn.

    The split is always the same, and each part holds every class in the same proportion: 1,079 points
    (60 %) to train, 359 to validate, 359 to test.

    Returns
    -------
    Dataset
        X float32 of shape (n_samples, 64), grey levels from 0 to 1 (the stored 0 to 16, divided by 16);
        y int64, the digit 0 to 9.

    References
    ----------
    E. Alpaydin, C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository,
    1998, https://doi.org/10.24432/C50P49 (its test set, as in `sklearn.datasets.load_digits`).

    Examples
    --------
    >>> data = load_digits()
    >>> data.X_train.shape, data.X_train.dtype.name, float(data.X_train.max())
    ((1079, 64), 'float32', 1.0)
    >>> data.y_test[:8]
    array([2, 5, 6, 0, 2, 3, 4, 9])
    """
    table = _digits_table()
    X, y = (table[:, :-1] / 16).astype(np.float32), table[:, -1].astype(np.int64)
    shuffled = np.random.default_rng(0).permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    fifth = np.arange(len(y)) % 5
    train, validation, test = (np.sort(by_class[part]) for part in (fifth < 3, fifth == 3, fifth == 4))
    return Dataset("digits", X[train], y[train], X[validation], y[validation], X[test], y[test])


def _digits_table() -> NDArray[Any]:
    """Return grey levels and digit of each image, of shape (1797, 65).

    Read from scikit-learn's file: importing scikit-learn for it takes a second, half of a first training.
    """
    package = find_spec("sklearn")
    for folder in (package.submodule_search_locations if package else None) or ():
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits as load

    X, y = load(return_X_y=True)
    return np.column_stack([X, y])


def load_moons(n_samples: int = 200, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Draw two interleaving half circles, a problem that no straight line solves.

    Parameters
    ----------
    n_samples : int, default 200
        The number of training points, at least 2. As many again are drawn to validate, and to test.
    noise : float, default 0.1
        Standard deviation of the Gaussian noise on both coordinates, 0 to 1e6.
    seed : int, default 0
        0 to 2**32 - 1. The training points are those of
        ``sklearn.datasets.make_moons(n_samples, noise=noise, random_state=seed)``.

    Returns
    -------
    Dataset
        X float32 of shape (n_samples, 2); y int64, 0 for the upper moon and 1 for the lower.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number or out of range; the message names it.

    References
    ----------
    `sklearn.datasets.make_moons`,
    https://scikit-learn.org/stable/modules/generated/sklearn.datasets.make_moons.html

    Examples
    --------
    >>> load_moons(n_samples=100, noise=0.05, seed=1)
    Dataset 'moons': 2 features, 2 classes
      train       X (100, 2) float32      y (100,) int64
      validation  X (100, 2) float32      y (100,) int64
      test        X (100, 2) float32      y (100,) int64
    """
    n_samples = as_int("n_samples", n_samples, least=2)
    seed = as_int("seed", seed, least=0, most=2**32 - 1)
    noise = _as_deviation("noise", noise)

    from sklearn.datasets import make_moons
    from sklearn.utils import check_random_state

    draws = check_random_state(seed)
    parts: list[NDArray[Any]] = []
    for _ in range(3):
        X, y = make_moons(n_samples, noise=noise, random_state=draws)
        parts += X.astype(np.float32), y.astype(np.int64)
    return Dataset("moons", *parts)


def _as_deviation(argument: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{argument} is {value!r}; expected a number from 0 to 1e6")
    deviation = float(value)
    if not 0 <= deviation <= 1e6:
        raise ValueError(f"{argument} is {value}; expected a standard deviation from 0 to 1e6")
    return deviation


class _MnistFile(NamedTuple):
    name: str
    sha256: str  # of the content: local files may be raw, or wrapped by any gzip
    gz_sha256: str  # of the .gz that the mirrors serve


_MNIST_FILES = (
    _MnistFile(
        "train-images-idx3-ubyte",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    _MnistFile(
        "train-labels-idx1-ubyte",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    _MnistFile(
        "t10k-images-idx3-ubyte",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    _MnistFile(
        "t10k-labels-idx1-ubyte",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)
_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
_N_TRAIN = 55_000  # the other 5,000 of the 60,000 validate
_CHUNK = 1 << 15
_CHECKOUT = Path(__file__).resolve().parents[1]


def load_mnist(data_dir: str | os.PathLike[str] | None = None, download: bool = True) -> Dataset:
    """Load MNIST, 70,000 scanned handwritten digits of 28 × 28 pixels.

    The first 55,000 of the 60,000 training images train, the last 5,000 validate; the 10,000 of the test set
    test.

    Each of these places may hold a folder ``mnist`` with the four files, ``.gz`` or unpacked; the first that
    does is read:

    1. `data_dir`, if it is given,
    2. the environment variable ``FASTNET_DATA``, if it is set,
    3. ``data`` in the checkout that fastnet is imported from, if it is one,
    4. the user's cache folder (`pooch.os_cache`).

    If 1 or 2 holds some of the files but not all, that is an error. A download goes to 3 or, without a checkout,
    to 4; never to a folder that you name. The content of every file is compared with its SHA-256.

    Packed files are inflated and verified once: a raw copy (55 MB) is kept in the cache folder (``FASTNET_CACHE_DIR``,
    or else the user's), and read as long as path, size and time of change of the packed file are what they were.

    Parameters
    ----------
    data_dir : str or os.PathLike, optional
        The folder that holds ``mnist``.
    download : bool, default True
        Whether to download the files (11.6 MB) when they are found nowhere.

    Returns
    -------
    Dataset
        X uint8 of shape (n_samples, 784), grey levels from 0 to 255; y int64, the digit 0 to 9. `X_train`
        and `X_val` are views of one array.

    Raises
    ------
    FileNotFoundError
        If files are missing and may not be downloaded, or if a folder that you name lacks some of them. The
        message names the files and every folder that was searched.
    FormatError
        If a file does not hold MNIST.
    DownloadError
        If no mirror serves a file. The message gives each mirror's reason, every folder that was searched,
        and how to place files by hand.
    TypeError
        If an argument has the wrong type.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
    *Proceedings of the IEEE* 86(11), 1998, https://doi.org/10.1109/5.726791

    Examples
    --------
    >>> load_mnist()  # doctest: +SKIP
    Dataset 'mnist': 784 features, 10 classes
      train       X (55000, 784) uint8    y (55000,) int64
      validation  X (5000, 784) uint8     y (5000,) int64
      test        X (10000, 784) uint8    y (10000,) int64
    """
    if not isinstance(download, bool):
        raise TypeError(f"download is {download!r}; expected True or False")
    paths = _find_mnist(None if data_dir is None else as_path("data_dir", data_dir), download)
    X, y, X_test, y_test = (_read(path, file.sha256) for path, file in zip(paths, _MNIST_FILES, strict=True))
    X, y = _labelled(X, y, paths[1])
    X_test, y_test = _labelled(X_test, y_test, paths[3])
    return Dataset("mnist", X[:_N_TRAIN], y[:_N_TRAIN], X[_N_TRAIN:], y[_N_TRAIN:], X_test, y_test)


def _read(path: Path, sha256: str) -> NDArray[Any]:
    """Return the verified array of a file; what takes long, inflating and its SHA-256, is done once."""
    if path.suffix != ".gz":
        return read_idx(path, sha256=sha256)
    return cached(path, sha256, lambda: read_idx(path, sha256=sha256))


def _labelled(
    images: NDArray[Any], labels: NDArray[Any], labels_path: Path
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images as rows and labels as int64 once they are seen to belong together."""
    if labels.shape != images.shape[:1]:
        raise FormatError(
            f"{labels_path.name}: found labels of shape {labels.shape}, expected {images.shape[:1]}, one for "
            f"each image (in {labels_path.parent})"
        )
    outside = np.flatnonzero((labels < 0) | (labels > 9))
    if outside.size:
        raise FormatError(
            f"{labels_path.name}: found label {labels[outside[0]]} at index {outside[0]}, expected 0 to 9 "
            f"(in {labels_path.parent})"
        )
    return images.reshape(len(images), -1), labels.astype(np.int64)


def _find_mnist(data_dir: Path | None, download: bool) -> list[Path]:
    """Return the paths of the four files, all in one folder; download them if that is allowed."""
    named = [data_dir] if data_dir is not None else []
    if os.environ.get("FASTNET_DATA"):
        named.append(as_path("FASTNET_DATA", os.environ["FASTNET_DATA"]))
    searched = []
    for folder in (place / "mnist" for place in named):
        if _files(folder):  # a half-filled folder is an error, not a reason to look elsewhere
            return _all_files(folder)
        searched.append(folder)
    for folder in _own_folders():
        if len(_files(folder)) == len(_MNIST_FILES):
            return _all_files(folder)
        searched.append(folder)
    if not download:
        raise _not_found(searched)
    target = next(_own_folders())
    _download(target, searched)
    return _all_files(target)


def _own_folders() -> Iterator[Path]:
    """Yield the folders that fastnet may write to, the best first."""
    project = _CHECKOUT / "pyproject.toml"
    if project.is_file() and 'name = "fastnet-numba"' in project.read_text(encoding="utf-8"):
        yield _CHECKOUT / "data" / "mnist"
    from pooch import os_cache

    yield Path(os_cache("fastnet")) / "mnist"


def _all_files(folder: Path) -> list[Path]:
    files = _files(folder)
    if len(files) < len(_MNIST_FILES):
        raise _not_found([folder])
    return list(files.values())


def _files(folder: Path) -> dict[str, Path]:
    """Map the names of the files that `folder` has to their paths; an unpacked file goes first."""
    candidates = [(file.name, folder / f"{file.name}{end}") for file in _MNIST_FILES for end in (".gz", "")]
    return {name: path for name, path in candidates if path.exists()}


def _not_found(folders: list[Path]) -> FileNotFoundError:
    return FileNotFoundError("\n".join(["MNIST files are missing:", *_lacks(folders), _by_hand(folders[0])]))


def _lacks(folders: list[Path]) -> Iterator[str]:
    """Yield a line for each folder that says which files are not there."""
    for folder in folders:
        files = _files(folder)
        missing = ", ".join(file.name for file in _MNIST_FILES if file.name not in files)
        yield f"  {folder} lacks {missing}"


def _by_hand(folder: Path) -> str:
    names = ", ".join(f"{file.name}.gz" for file in _MNIST_FILES)
    return (
        f"To place the files by hand, put {names} (or the same, unpacked) into {folder}; or into a folder "
        "named mnist, and its parent folder into the environment variable FASTNET_DATA."
    )


def _download(folder: Path, searched: list[Path]) -> None:
    """Download what `folder` lacks. A file gets its name only when it is complete and verified."""
    import pooch

    missing = [file for file in _MNIST_FILES if file.name not in _files(folder)]
    pooch.get_logger().info("MNIST: downloading %d of 4 files (11.6 MB) to '%s'.", len(missing), folder)
    for file in missing:
        _download_file(file, folder, searched)


def _download_file(file: _MnistFile, folder: Path, searched: list[Path]) -> None:
    """Try the mirrors in turn."""
    import pooch

    reasons = []
    for mirror in _MIRRORS:
        url = f"{mirror}{file.name}.gz"
        try:
            pooch.retrieve(url, file.gz_sha256, f"{file.name}.gz", folder, downloader=_fetch)
            return
        except (OSError, ValueError) as error:  # the network's or the disk's; a wrong checksum
            reasons.append(f"  {url}: {type(error).__name__}: {error}")
            pooch.get_logger().warning("Failed, %s", reasons[-1].strip())
    title = f"MNIST: no mirror serves {file.name}.gz:"
    raise DownloadError("\n".join([title, *reasons, "Searched before:", *_lacks(searched), _by_hand(folder)]))


def _fetch(url: str, output_file: str, pooch: Any) -> None:
    """Download `url` as pooch does, with a progress bar on a terminal."""
    from pooch import HTTPDownloader

    if not sys.stderr.isatty():
        HTTPDownloader(chunk_size=_CHUNK)(url, output_file, pooch)
        return

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = _ProgressBar(progress, url.rpartition("/")[2])
        HTTPDownloader(progressbar=bar, chunk_size=_CHUNK)(url, output_file, pooch)


class _ProgressBar:
    """What pooch asks of a progress bar, shown by rich."""

    total = 0  # set by pooch when the server has told the size

    def __init__(self, progress: "Progress", description: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None)

    def update(self, n_bytes: int) -> None:
        self._progress.update(self._task, advance=n_bytes, total=self.total or None)

    def reset(self) -> None:
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        """Do nothing: the display ends with its ``with`` block."""
