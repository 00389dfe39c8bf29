"""Files that are written whole or not at all.

The bytes go into a temporary file of the same folder, reach the disk, and only then does the file get its name: a
reader finds the old content or the new, also after a power cut. After a failure the old content is still there.
"""

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

TEMPORARY = ".fastnet-tmp"  # how the names of temporary files end


def write_atomically(path: str | os.PathLike[str], data: bytes | Iterable[bytes | memoryview]) -> None:
    """Write a file, or replace it, in one step.

    Parameters
    ----------
    path : str or os.PathLike
        Its mode is what the umask gives, or that of the file it replaces. A link is followed.
    data : bytes or iterable of bytes
        The content, or its pieces in order.

    Raises
    ------
    OSError
        With the path, if the file can't be written; what was there before is untouched.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "numbers.txt")
    >>> write_atomically(path, [b"1 ", b"2"])
    >>> path.read_bytes()
    b'1 2'
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(21, "is a folder, expected a path for a file", str(path))
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}-{secrets.token_hex(6)}{TEMPORARY}")
    try:
        _write_through(temporary, [data] if isinstance(data, bytes) else data)
        with suppress(FileNotFoundError):
            os.chmod(temporary, target.stat().st_mode & 0o777)
        os.replace(temporary, target)
        sync_folder(target.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            raise type(error)(error.errno, error.strerror, str(path)) from None
        raise


def _write_through(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(descriptor, "wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring a folder's list of names to the disk, where that can be done."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some network file systems can't
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
