"""Checkpoints of one fit: when they are written, what stands in them, and whether one may be resumed."""

import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .. import checks
from ..exceptions import CheckpointError, DivergenceError, FormatError
from . import parts
from .folder import Folder, Where
from .identity import differences, machine

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_LONG = 600.0  # seconds after which there is a checkpoint within an epoch

Snapshot = Callable[[], dict[str, Any]]


class Every(NamedTuple):
    """How often checkpoints are written."""

    epochs: float  # may be infinite
    seconds: float


def check_every(value: Any) -> int | str | None:
    """Return a number of epochs, a time such as "10min", or None, or refuse it."""
    if value is None:
        return None
    if not isinstance(value, str):
        return checks.check_integer("checkpoint_every", value, low=1)
    if interval(value).seconds <= 0:
        raise ValueError(f"checkpoint_every must be a time above 0, got {value!r}")
    return value


def interval(value: int | str | None) -> Every:
    """Return what ``checkpoint_every`` means."""
    if value is None:
        return Every(1, _LONG)
    if not isinstance(value, str):
        return Every(value, float("inf"))
    match = re.fullmatch(r"(\d+(?:\.\d*)?)\s*(s|min|h)", value)
    if match is None:
        raise ValueError(
            f"checkpoint_every must be a number of epochs, or a time such as '30s', '10min' or '1.5h', got {value!r}"
        )
    return Every(float("inf"), float(match[1]) * _UNITS[match[2]])


class Keeper:
    """Writes the checkpoints of one fit.

    Parameters
    ----------
    folder : Folder
        Locked.
    every : Every
    identity : dict
        Data and settings, as ``identity`` describes them.

    Attributes
    ----------
    path : Path or None
        The newest file: written, or resumed from.
    found : dict or None
        What ``resume`` has found.
    """

    def __init__(self, folder: Folder, every: Every, identity: dict[str, Any]):
        self._folder, self._every, self._identity = folder, every, identity
        self._written, self._time = Where(0), time.monotonic()
        self.path: Path | None = None
        self.found: dict[str, Any] | None = None

    def resume(self, epochs: int) -> None:
        """Find the newest checkpoint that is whole, if there is any, for a training of ``epochs``.

        Raises
        ------
        CheckpointError
            If its data or settings are others, or all files are damaged.
        ValueError
            If it has trained for more epochs already.
        """
        found = self._folder.newest(_check_usable)
        if found is None:
            return
        path, tree = found
        _refuse_others(path, tree, self._identity)
        self._written = Where(tree["epoch"], tree["minibatch"])
        if Where(epochs) < self._written:
            raise ValueError(f"epochs={epochs}, but {path} is after {self._written} already")
        self.path, self.found = path, tree

    def after_epoch(self, epoch: int, last: bool, snapshot: Snapshot) -> None:
        """Write a checkpoint if it is time, or the last epoch."""
        if last or epoch - self._written.epoch >= self._every.epochs or self._is_late:
            self._write(Where(epoch), snapshot)

    def within_epoch(self, epoch: int, minibatch: int, snapshot: Snapshot) -> None:
        """Write a checkpoint if it is time."""
        if self._is_late:
            self._write(Where(epoch, minibatch), snapshot)

    def after_error(self, error: BaseException, epoch: int, minibatch: int, snapshot: Snapshot) -> None:
        """Write a checkpoint before an error, or Ctrl-C, leaves the fit; a note of the error says how to go on.

        The error stays what is raised, also where no checkpoint can be written.
        """
        where = Where(epoch, minibatch)
        if isinstance(error, DivergenceError | CheckpointError) or where == Where(0):
            return
        try:
            if where != self._written:
                self._write(where, snapshot)
        except Exception as failure:
            error.add_note(f"No checkpoint was written: {failure}")
        else:
            error.add_note(f"After {where} a checkpoint was written: {self.path}. fit(..., resume=True) goes on there.")

    @property
    def _is_late(self) -> bool:
        return time.monotonic() - self._time >= self._every.seconds

    def _write(self, where: Where, snapshot: Snapshot) -> None:
        tree = snapshot()
        self.path = self._folder.write(where, {**tree, "identity": self._identity, "machine": machine()})
        self._written, self._time = where, time.monotonic()


def _refuse_others(path: Path, tree: dict[str, Any], identity: dict[str, Any]) -> None:
    """Refuse a checkpoint of another training; warn of one from another machine."""
    lines = [line for part in identity for line in differences(tree["identity"].get(part, {}), identity[part])]
    if lines:
        listed = "\n  ".join(lines)
        raise CheckpointError(
            f"{path}: is of a training with other data or settings:\n  {listed}\nTo go on, make them the same; for a "
            "new training choose another folder (fastnet.checkpoints.load_network has the weights)."
        )
    lines = differences(tree["machine"], machine())
    if lines:
        warnings.warn(f"{path}: last bits may differ from now on: {'; '.join(lines)}", UserWarning, stacklevel=2)


def _check_usable(tree: dict[str, Any], path: Path) -> None:
    """Refuse what is no training, and what was folded for vectors of another width: within an epoch only."""
    parts.check(tree, str(path))
    width, here = tree["machine"]["vector_bytes"], machine()["vector_bytes"]
    if tree["running"] is not None and tree["running"]["folded"] is not None and width != here:
        raise FormatError(
            f"{path}: was written within an epoch on a CPU with vectors of {width} bytes; this one has {here}"
        )


@contextmanager
def keeper_of(
    path: Path | None, every: int | str | None, identity: Callable[[], dict[str, Any]], epochs: int, resume: bool
) -> Iterator[Keeper | None]:
    """Lock a folder for the time of a fit; yields None where no checkpoints are wanted."""
    if path is None:
        yield None
        return
    with Folder(path) as folder:
        keeper = Keeper(folder, interval(every), identity())
        if resume:
            keeper.resume(epochs)
        else:
            folder.refuse_files()
        yield keeper
