"""A folder of checkpoints: one training at a time, the last two files and the best, no file that is half written."""

import json
import os
import re
import shutil
import socket
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from errno import EAGAIN, EDQUOT, EFBIG, ENOSPC, EWOULDBLOCK
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from ..exceptions import CheckpointError, FormatError
from ..files import TEMPORARY, write_atomically
from . import format

LOCK = ".lock"
KEPT = 2  # of the newest files
_NAME = re.compile(r"checkpoint-(\d+)(?:-(\d+))?\.safetensors")
_FULL = {ENOSPC: "no space left", EDQUOT: "the quota is used up", EFBIG: "the file is larger than may be"}


class Where(NamedTuple):
    """Where a training stands."""

    epoch: int  # whole epochs
    minibatch: int = 0  # minibatches of the next

    @property
    def file_name(self) -> str:
        """Name of a checkpoint."""
        within = f"-{self.minibatch:08d}" if self.minibatch else ""
        return f"checkpoint-{self.epoch:06d}{within}.safetensors"

    def __str__(self) -> str:
        within = f" and {self.minibatch} minibatches" if self.minibatch else ""
        return f"{self.epoch} epoch{'s' * (self.epoch != 1)}{within}"


def files(folder: Path) -> list[tuple[Where, Path]]:
    """Return the checkpoints in a folder, newest first; whether they are whole is not looked at."""
    matches = [(_NAME.fullmatch(path.name), path) for path in folder.iterdir()]
    found = [(Where(int(match[1]), int(match[2] or 0)), path) for match, path in matches if match]
    return sorted(found, reverse=True)


def read_newest(
    folder: Path, usable: Callable[[dict[str, Any], Path], None] = lambda tree, path: None
) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest checkpoint that is whole; None if there is no file at all.

    Parameters
    ----------
    folder : Path
    usable : callable
        Takes a checkpoint and its path; may refuse it with a FormatError.

    Warns
    -----
    UserWarning
        For each newer file that had to be skipped.

    Raises
    ------
    CheckpointError
        If there are files, but none can be used.
    """
    skipped: list[str] = []
    for _, path in files(folder):
        try:
            tree = format.read(path)
            usable(tree, path)
        except (OSError, FormatError) as error:
            skipped.append(str(error))
            continue
        for reason in skipped:
            warnings.warn(f"a checkpoint is skipped: {reason}. Taken instead: {path.name}", UserWarning, stacklevel=2)
        return path, tree
    if skipped:
        listed = "\n  ".join(skipped)
        raise CheckpointError(f"{folder}: no checkpoint in this folder can be used:\n  {listed}")
    return None


def score_of(tree: dict[str, Any]) -> float | None:
    """Return what a checkpoint's training is judged by, smaller being better: None within an epoch."""
    score = tree.get("score")
    return float(score) if isinstance(score, float | int) else None


class Folder:
    """A folder of checkpoints in use; a context manager that makes it, and locks it against other trainings.

    Parameters
    ----------
    path : Path

    Raises
    ------
    CheckpointError
        On entering, if it can't be made or locked, or is in use.
    """

    _lock: FileIO | None = None

    def __init__(self, path: Path):
        self.path = path
        self._known: dict[Where, float | None] = {}  # whole files, with their scores

    def __enter__(self) -> "Folder":
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / LOCK, "a+b", buffering=0)
        except OSError as error:
            raise CheckpointError(f"{self.path}: can't be used for checkpoints: {error.strerror}") from error
        try:
            self._take_lock(self._lock)
            self._remove_temporaries()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()  # which frees it, as the end of the process does

    __del__ = __exit__  # where Ctrl-C came before the block that the lock is for, or after it

    def _take_lock(self, lock: FileIO) -> None:
        try:
            _lock_file(lock.fileno())
        except OSError as error:
            if error.errno in (EAGAIN, EWOULDBLOCK):
                raise CheckpointError(f"{self.path}: is in use by {_owner(lock)}") from None
            raise CheckpointError(
                f"{self.path}: this file system can't lock files ({error.strerror}), so that two trainings could write "
                "into one folder; choose a folder elsewhere"
            ) from error
        since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        with suppress(OSError):  # a full disk: that the file is locked is what counts
            lock.truncate(0)
            lock.write(json.dumps(owner).encode())

    def _remove_temporaries(self) -> None:
        """Remove what a killed training has left: nobody else is writing here."""
        for path in self.path.glob(f".*{TEMPORARY}"):
            with suppress(OSError):
                path.unlink()

    @property
    def best_score(self) -> float | None:
        """Smallest score of the files that are known to be whole."""
        return min((score for score in self._known.values() if score is not None), default=None)

    def refuse_files(self) -> None:
        """Raise if there are checkpoints already."""
        found = files(self.path)
        if found:
            where, path = found[0]
            raise CheckpointError(
                f"{self.path}: has checkpoints of an earlier training already, the newest ({path.name}) after {where}. "
                "Pass resume=True to go on with it, or choose another folder, or delete them."
            )

    def newest(self, usable: Callable[[dict[str, Any], Path], None]) -> tuple[Path, dict[str, Any]] | None:
        """As ``read_newest``; learns which of the older files are whole."""
        found = read_newest(self.path, usable)
        if found is not None:
            newest = next(where for where, path in files(self.path) if path == found[0])
            for where, path in files(self.path):
                if where <= newest:
                    with suppress(OSError, FormatError):
                        self._known[where] = score_of(found[1] if path == found[0] else format.read(path))
        return found

    def write(self, where: Where, tree: dict[str, Any]) -> Path:
        """Write a checkpoint, then remove those that are neither among the last two nor the best.

        Raises
        ------
        CheckpointError
            If it can't be written; older files are as they were.
        """
        path, data = self.path / where.file_name, format.encode(tree)
        try:
            write_atomically(path, data)
        except OSError as error:
            raise CheckpointError(self._failure(path, error, len(data))) from error
        self._known[where] = score_of(tree)
        self._prune(where)
        return path

    def _failure(self, path: Path, error: OSError, needed: int) -> str:
        reason = _FULL.get(error.errno or 0, error.strerror)
        size = f"needs {needed / 1e6:.3g} MB"
        with suppress(OSError):
            size += f", {shutil.disk_usage(self.path).free / 1e6:.3g} MB are free"
        last = f"the last good one is that after {max(self._known)}" if self._known else "there is none before it"
        return f"{path}: the checkpoint can't be written: {reason} ({size}); {last}"

    def _prune(self, newest: Where) -> None:
        scores = [(score, where) for where, score in self._known.items() if score is not None]
        keep = {*sorted(self._known)[-KEPT:], *([min(scores)[1]] if scores else [])}
        for where, path in files(self.path):
            if where <= newest and where not in keep:  # newer ones were found to be damaged, and are left for a look
                with suppress(OSError):
                    path.unlink()
                self._known.pop(where, None)


def _owner(lock: FileIO) -> str:
    """Say who has locked a file."""
    try:
        lock.seek(0)
        owner = json.loads(lock.read(1000))
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _lock_file(descriptor: int) -> None:
    """Lock an open file against other processes, or raise OSError."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # a byte beyond the text, which others can then read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
