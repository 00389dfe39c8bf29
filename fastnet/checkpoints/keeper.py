"""Checkpoints of one fit: when they are written, what stands in them, and whether one may be resumed."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..exceptions import CheckpointError, FormatError
from . import parts
from .folder import Folder, Where
from .identity import differences, machine
from .interval import Interval, interval

Snapshot = Callable[[], dict[str, Any]]


class Keeper:
    """Writes the checkpoints of one fit.

    Parameters
    ----------
    folder : Folder
        Locked.
    every : Interval
    identity : dict
        Data and settings, as ``identity`` describes them.
    group : int, default=1
        Minibatches of a group: see ``fastnet.groups``.

    Attributes
    ----------
    path : Path or None
        The newest file: written, or resumed from.
    found : dict or None
        What ``resume`` has found.
    """

    def __init__(self, folder: Folder, every: Interval, identity: dict[str, Any], group: int = 1):
        self._folder, self._every, self._identity, self._group = folder, every, identity, group
        self._written, self._time, self._took = Where(0), time.monotonic(), 0.0  # the last writing
        self._best: float | None = None
        self._waiting: tuple[Where, dict[str, Any]] | None = None  # the best one, if it has not been written
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
        found = self._folder.newest(partial(_check_usable, group=self._group))
        if found is None:
            return
        path, tree = found
        _refuse_others(path, tree, self._identity)
        self._written = Where(tree["epoch"], tree["minibatch"])
        if Where(epochs) < self._written:
            raise ValueError(f"epochs={epochs}, but {path} is after {self._written} already")
        self.path, self.found, self._best = path, tree, self._folder.best_score

    def after_epoch(self, epoch: int, score: float | None, last: bool, snapshot: Snapshot) -> None:
        """Write a checkpoint if it is time, or the last epoch; the best one is remembered until then."""
        where = Where(epoch)
        better = score is not None and (self._best is None or score < self._best)
        if better:
            self._best, self._waiting = score, None
        if last or self._is_due(epoch):
            self._write(where, snapshot)
        elif better:
            self._waiting = where, snapshot()

    def within_epoch(self, epoch: int, minibatch: int, snapshot: Snapshot) -> None:
        """Write a checkpoint if it is time."""
        if time.monotonic() - self._time >= self._every.seconds:
            self._write(Where(epoch, minibatch), snapshot)

    def after_error(self, error: BaseException, epoch: int, minibatch: int, snapshot: Snapshot) -> None:
        """Write a checkpoint before an error, or Ctrl-C, leaves the fit; a note of the error says how to go on.

        The error stays what is raised, also where no checkpoint can be written.
        """
        where = Where(epoch, minibatch)
        if isinstance(error, CheckpointError) or where == Where(0):
            return
        try:
            if where != self._written:
                self._write(where, snapshot)
        except Exception as failure:
            error.add_note(f"No checkpoint was written: {failure}")
        else:
            error.add_note(f"After {where} a checkpoint was written: {self.path}. fit(..., resume=True) goes on there.")

    def after_divergence(self) -> None:
        """Write the best one, if that has not been done: what came after it is lost."""
        if self._waiting is not None:
            with suppress(CheckpointError):
                self.path, self._waiting = self._to_disk(*self._waiting), None

    def _is_due(self, epoch: int) -> bool:
        return self._every.is_due(epoch - self._written.epoch, time.monotonic() - self._time, self._took)

    def _write(self, where: Where, snapshot: Snapshot) -> None:
        started = time.monotonic()
        if self._waiting is not None and self._waiting[0] < where:
            self._to_disk(*self._waiting)
        self.path = self._to_disk(where, snapshot())
        self._waiting, self._written, self._time = None, where, time.monotonic()
        self._took = self._time - started

    def _to_disk(self, where: Where, tree: dict[str, Any]) -> Path:
        tree = {**tree, "history": tree["history"](), "identity": self._identity, "machine": machine()}
        return self._folder.write(where, tree)


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


def _check_usable(tree: dict[str, Any], path: Path, group: int) -> None:
    """Refuse what is no training and, within an epoch, vectors of another width or other groups of minibatches."""
    parts.check(tree, str(path))
    width, here = tree["machine"]["vector_bytes"], machine()["vector_bytes"]
    if tree["running"] is not None and tree["running"]["folded"] is not None and width != here:
        raise FormatError(
            f"{path}: was written within an epoch on a CPU with vectors of {width} bytes; this one has {here}"
        )
    if tree["running"] is not None and tree["minibatch"] and tree["running"].get("group", 1) != group:
        raise FormatError(
            f"{path}: was written within an epoch by a version of fastnet with other groups of minibatches"
        )


@contextmanager
def keeper_of(
    path: Path | None,
    every: int | str | None,
    identity: Callable[[], dict[str, Any]],
    epochs: int,
    resume: bool,
    group: int = 1,
) -> Iterator[Keeper | None]:
    """Lock a folder for the time of a fit; yields None where no checkpoints are wanted."""
    if path is None:
        yield None
        return
    with Folder(path) as folder:
        keeper = Keeper(folder, interval(every), identity(), group)
        if resume:
            keeper.resume(epochs)
        else:
            folder.refuse_files()
        yield keeper
