"""The Olivetti faces: 400 portraits of 40 people, 64 × 64 pixels, in a MATLAB file."""

import hashlib
from pathlib import Path

import numpy as np

from ..exceptions import FormatError
from .remote import RemoteFile, RemoteSet, find
from .table import Labels, Table

_SHA256 = "b612fb967f2dc77c9c62d3e1266e0c73d5fca46a4b8906c18e454d41af987794"
OLIVETTI = RemoteSet(
    "Olivetti faces",
    "olivetti",
    (RemoteFile("olivettifaces.mat", _SHA256, _SHA256, packed=False),),
    ("https://ndownloader.figshare.com/files/5976027",),  # as scikit-learn has it
    4.0,
)
_SIDE = 64
_PER_PERSON = 10


def olivetti_table(data_dir: Path | None, download: bool) -> Table:
    """Return the faces, ten of each person one after another.

    Parameters
    ----------
    data_dir : Path or None
        The folder that holds ``olivetti``.
    download : bool
        Whether to download the file (4 MB) when it is found nowhere.

    Returns
    -------
    Table
        X uint8 of shape (400, 4096), grey levels; the classes are the people, 0 to 39.

    References
    ----------
    F. Samaria, A. Harter, "Parameterisation of a stochastic model for human face identification", *IEEE Workshop on
    Applications of Computer Vision*, 1994; as in `sklearn.datasets.fetch_olivetti_faces`.
    """
    (path,) = find(OLIVETTI, data_dir, download)
    check_digest(path, OLIVETTI.files[0].sha256)

    from scipy.io import loadmat

    faces = loadmat(path, variable_names="faces")[
        "faces"
    ]  # of shape (4096, 400), each column an image column by column
    images = faces.T.reshape(-1, _SIDE, _SIDE).transpose(0, 2, 1)
    X = np.rint(images).clip(0, 255).astype(np.uint8).reshape(len(images), -1)
    people = np.arange(len(X)) // _PER_PERSON
    return Table(X, Labels(np.unique(people), people), None, (_SIDE, _SIDE))


def check_digest(path: Path, sha256: str) -> None:
    """Refuse a file that is not the one that a digest names."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise FormatError(
            f"{path}: found SHA-256 {found}, expected {sha256}; the file is damaged or another one, replace it"
        )
