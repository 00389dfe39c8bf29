"""Data sets that are downloaded once: where their files are looked for, and the mirrors that serve them."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..exceptions import DownloadError
from ..idx import as_path

if TYPE_CHECKING:
    from rich.progress import Progress

CHECKOUT = Path(__file__).resolve().parents[2]
_CHUNK = 1 << 15


class RemoteFile(NamedTuple):
    """A file and its digests.

    ``sha256`` is that of the content: a file on disk may be raw, or wrapped by any gzip. ``served_sha256`` is that of
    what the mirrors serve, under the name ``served``.
    """

    name: str
    sha256: str
    served_sha256: str
    packed: bool = True

    @property
    def served(self) -> str:
        """The name that mirrors know the file by."""
        return f"{self.name}.gz" if self.packed else self.name


class RemoteSet(NamedTuple):
    """A data set of files that lie in one folder."""

    title: str
    folder: str
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]  # a mirror's address and a file's served name give the file's; or "{…}" is replaced
    megabytes: float

    def address(self, mirror: str, file: RemoteFile) -> str:
        """Return where a mirror serves a file."""
        return f"{mirror}{file.served}" if mirror.endswith("/") else mirror


def find(data: RemoteSet, data_dir: Path | None, download: bool) -> list[Path]:
    """Return the paths of a set's files, all in one folder; download them if that is allowed.

    Parameters
    ----------
    data : RemoteSet
        What is looked for.
    data_dir : Path or None
        The folder that is searched first, for a folder named ``data.folder``; then that of ``FASTNET_DATA``, then
        ``data`` in the checkout, then the user's cache folder. Downloads go to the last two only.
    download : bool
        Whether to download what is found nowhere.

    Raises
    ------
    FileNotFoundError
        If files are missing and may not be downloaded, or if a folder that the user names lacks some.
    DownloadError
        If no mirror serves a file.
    """
    named = [data_dir] if data_dir is not None else []
    if os.environ.get("FASTNET_DATA"):
        named.append(as_path("FASTNET_DATA", os.environ["FASTNET_DATA"]))
    searched = []
    for folder in (place / data.folder for place in named):
        if _files(data, folder):  # a half-filled folder is an error, not a reason to look elsewhere
            return _all_files(data, folder)
        searched.append(folder)
    for folder in own_folders(data):
        if len(_files(data, folder)) == len(data.files):
            return _all_files(data, folder)
        searched.append(folder)
    if not download:
        raise _not_found(data, searched)
    target = next(own_folders(data))
    _download(data, target, searched)
    return _all_files(data, target)


def own_folders(data: RemoteSet) -> Iterator[Path]:
    """Yield the folders that fastnet may write to, the best first."""
    project = CHECKOUT / "pyproject.toml"
    if project.is_file() and 'name = "fastnet-numba"' in project.read_text(encoding="utf-8"):
        yield CHECKOUT / "data" / data.folder
    from pooch import os_cache

    yield Path(os_cache("fastnet")) / data.folder


def _all_files(data: RemoteSet, folder: Path) -> list[Path]:
    files = _files(data, folder)
    if len(files) < len(data.files):
        raise _not_found(data, [folder])
    return list(files.values())


def _files(data: RemoteSet, folder: Path) -> dict[str, Path]:
    """Map the names of the files that `folder` has to their paths; an unpacked file goes first."""
    ends = [(file, end) for file in data.files for end in (".gz", "") if file.packed or not end]
    candidates = [(file.name, folder / f"{file.name}{end}") for file, end in ends]
    return {name: path for name, path in candidates if path.exists()}


def _not_found(data: RemoteSet, folders: list[Path]) -> FileNotFoundError:
    title = f"{data.title} files are missing:"
    return FileNotFoundError("\n".join([title, *_lacks(data, folders), _by_hand(data, folders[0])]))


def _lacks(data: RemoteSet, folders: list[Path]) -> Iterator[str]:
    """Yield a line for each folder that says which files are not there."""
    for folder in folders:
        files = _files(data, folder)
        missing = ", ".join(file.name for file in data.files if file.name not in files)
        yield f"  {folder} lacks {missing}"


def _by_hand(data: RemoteSet, folder: Path) -> str:
    names = ", ".join(file.served for file in data.files)
    unpacked = " (or the same, unpacked)" if data.files[0].packed else ""
    return (
        f"To place the files by hand, put {names}{unpacked} into {folder}; or into a folder "
        f"named {data.folder}, and its parent folder into the environment variable FASTNET_DATA."
    )


def _download(data: RemoteSet, folder: Path, searched: list[Path]) -> None:
    """Download what `folder` lacks. A file gets its name only when it is complete and verified."""
    import pooch

    missing = [file for file in data.files if file.name not in _files(data, folder)]
    pooch.get_logger().info(
        "%s: downloading %d of %d files (%.1f MB) to '%s'.",
        *(data.title, len(missing), len(data.files), data.megabytes, folder),
    )
    for file in missing:
        _download_file(data, file, folder, searched)


def _download_file(data: RemoteSet, file: RemoteFile, folder: Path, searched: list[Path]) -> None:
    """Try the mirrors in turn."""
    import pooch

    reasons = []
    for mirror in data.mirrors:
        url = data.address(mirror, file)
        try:
            pooch.retrieve(url, file.served_sha256, file.served, folder, downloader=_fetch)
            return
        except (OSError, ValueError) as error:  # the network's or the disk's; a wrong checksum
            reasons.append(f"  {url}: {type(error).__name__}: {error}")
            pooch.get_logger().warning("Failed, %s", reasons[-1].strip())
    title = f"{data.title}: no mirror serves {file.served}:"
    lines = [title, *reasons, "Searched before:", *_lacks(data, searched), _by_hand(data, folder)]
    raise DownloadError("\n".join(lines))


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
