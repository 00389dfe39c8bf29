"""MNIST and Fashion-MNIST: 70,000 grey images of 28 × 28 pixels each, in four IDX files."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import FormatError
from ..idx import as_path, read_idx
from ..raw_cache import cached
from .dataset import Dataset
from .remote import RemoteFile, RemoteSet, find

_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

MNIST = RemoteSet(
    "MNIST",
    "mnist",
    (
        RemoteFile(
            _NAMES[0],
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        RemoteFile(
            _NAMES[1],
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        RemoteFile(
            _NAMES[2],
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        RemoteFile(
            _NAMES[3],
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
    11.6,
)
FASHION_MNIST = RemoteSet(
    "Fashion-MNIST",
    "fashion-mnist",
    (
        RemoteFile(
            _NAMES[0],
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        RemoteFile(
            _NAMES[1],
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        RemoteFile(
            _NAMES[2],
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        RemoteFile(
            _NAMES[3],
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # its owner's; what it serves is verified
    ),
    30.9,
)
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_N_TRAIN = 55_000  # the other 5,000 of the 60,000 validate


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
    return _load(MNIST, data_dir, download, np.arange(10))


def load_fashion_mnist(data_dir: str | os.PathLike[str] | None = None, download: bool = True) -> Dataset:
    """Load Fashion-MNIST, 70,000 pictures of clothes of 28 × 28 pixels: MNIST's shapes, harder to learn.

    The first 55,000 of the 60,000 training images train, the last 5,000 validate; the 10,000 of the test set test.
    The folder ``fashion-mnist`` is looked for where `load_mnist` looks for ``mnist``.

    Parameters
    ----------
    data_dir : str or os.PathLike, optional
        The folder that holds ``fashion-mnist``.
    download : bool, default True
        Whether to download the files (30.9 MB) when they are found nowhere.

    Returns
    -------
    Dataset
        X uint8 of shape (n_samples, 784), grey levels from 0 to 255; y int64, an index into `classes`, the ten
        names of clothes.

    Raises
    ------
    FileNotFoundError, FormatError, DownloadError, TypeError
        As `load_mnist`.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms", 2017, https://arxiv.org/abs/1708.07747

    Examples
    --------
    >>> data = load_fashion_mnist()  # doctest: +SKIP
    >>> data.classes[data.y_test[:3]]  # doctest: +SKIP
    array(['Ankle boot', 'Pullover', 'Trouser'], dtype='<U11')
    """
    return _load(FASHION_MNIST, data_dir, download, np.array(CLOTHES))


def _load(data: RemoteSet, data_dir: str | os.PathLike[str] | None, download: bool, classes: NDArray[Any]) -> Dataset:
    if not isinstance(download, bool):
        raise TypeError(f"download is {download!r}; expected True or False")
    paths = find(data, None if data_dir is None else as_path("data_dir", data_dir), download)
    X, y, X_test, y_test = (read_verified(path, file.sha256) for path, file in zip(paths, data.files, strict=True))
    shape = X.shape[1:]
    X, y = _labelled(X, y, paths[1])
    X_test, y_test = _labelled(X_test, y_test, paths[3])
    return Dataset(
        data.folder,
        *(X[:_N_TRAIN], y[:_N_TRAIN], X[_N_TRAIN:], y[_N_TRAIN:], X_test, y_test),
        classes=classes,
        image_shape=shape,
    )


def read_verified(path: Path, sha256: str) -> NDArray[Any]:
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
