"""Folders of fastnet's own in the user's cache. Nobody else may be able to write there."""

import os
import stat
from pathlib import Path


def cache_root() -> Path:
    """Return the folder that ``FASTNET_CACHE_DIR`` names, or else the user's cache folder."""
    if root := os.environ.get("FASTNET_CACHE_DIR"):
        return Path(root)
    import platformdirs

    return Path(platformdirs.user_cache_dir("fastnet", appauthor=False))


def private_folder(name: str) -> Path:
    """Return a folder of the user's cache, made if it does not exist.

    Raises
    ------
    OSError
        If it can't be made, or if somebody else owns it or may write to it.
    """
    folder = cache_root() / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise PermissionError(f"{folder} is not a folder that you alone can write to")
    return folder
