"""Checkpoints: files from which a training goes on with the same bits, however it ended.

``Trainer(checkpoint_dir=…)`` writes them, ``Trainer.fit(…, resume=True)`` goes on from the newest one that is whole.
Here is what else can be done with them. They are safetensors files with a SHA-256 of their content, each written whole
or not at all.
"""

import os
from pathlib import Path

from .. import checks
from ..network import Network
from . import format
from .folder import files, read_newest, score_of
from .parts import network_of

__all__ = ["load_network"]


def load_network(path: str | os.PathLike[str], which: str = "best") -> Network:
    """Return the network of a checkpoint, with the weights after its last whole epoch.

    Parameters
    ----------
    path : str or os.PathLike
        A file, or a folder of checkpoints.
    which : {"best", "newest"}, default="best"
        Of a folder. The best is the one with the smallest validation loss, without validation data the smallest
        training loss, among those that are there; files that are damaged are left out, with a warning if the newest is.

    Returns
    -------
    Network

    Raises
    ------
    FileNotFoundError, OSError
        If there is no such file or folder, or no checkpoint in it.
    FormatError
        If the file is damaged.
    CheckpointError
        If all files of the folder are.

    Examples
    --------
    >>> import tempfile, fastnet
    >>> data = fastnet.datasets.load_digits()
    >>> folder = tempfile.mkdtemp()
    >>> trainer = fastnet.Trainer(fastnet.Network([64, 32, 10], seed=0), seed=0, checkpoint_dir=folder)
    >>> history = trainer.fit(data.X_train, data.y_train, epochs=10, validation_data=(data.X_val, data.y_val))
    >>> network = fastnet.checkpoints.load_network(folder)
    >>> bool(network.score(data.X_val, data.y_val) == history.val_accuracy[history.val_loss.argmin()])
    True
    """
    checks.check_choice("which", which, ("best", "newest"))
    path = Path(path)
    if not path.is_dir():
        return network_of(format.read(path), str(path))
    found = read_newest(path)
    if found is None:
        raise FileNotFoundError(2, "no checkpoint in this folder", str(path))
    best, score = found[1], score_of(found[1])
    for _, other in files(path) if which == "best" else ():
        try:
            tree = format.read(other)
        except (OSError, ValueError):
            continue
        this = score_of(tree)
        if this is not None and (score is None or this <= score):
            best, score = tree, this
    return network_of(best, str(path))
