"""The only file that spells Numba options: three decorators, the vector width, the compile cache.

``core``    a register-level piece, always inlined into its callers
``kernel``  a loop over memory, called from compiled code
``entry``   what Python calls: compiled on first use and kept in the cache folder

The cache folder is keyed by a digest of all compiled sources, the versions of Numba and LLVM and the CPU,
because Numba itself does not notice when a callee in another file changes (numba#1833).
"""

import hashlib
import os
import re
import shutil
import stat
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding
import numba
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.runtime import rtsys

from ._compiler import Entry, EntryCompiler, Part, PartCompiler

# Nothing is allocated in compiled code, so Numba's reference counting is off: the counters of shared arrays would
# be written by all threads at every call.
OPTIONS = {"error_model": "numpy", "nogil": True, "_nrt": False}


def _cpu() -> tuple[str, str]:
    """Name and feature string of the CPU that Numba compiles for."""
    name = config.CPU_NAME or llvmlite.binding.get_host_cpu_name()
    if config.CPU_FEATURES is not None:
        return name, config.CPU_FEATURES
    return name, "" if config.CPU_NAME else llvmlite.binding.get_host_cpu_features().flatten()


def _has(feature: str, *cpus: str) -> bool:
    name, features = _cpu()
    return f"+{feature}" in features.split(",") or name in cpus


def _vector_bytes() -> int:
    """Bytes in one vector register of the target: 64, 32 or 16 (FASTNET_VECTOR_BYTES overrides)."""
    if found := os.environ.get("FASTNET_VECTOR_BYTES"):
        if found not in ("16", "32", "64"):
            raise ValueError(f"FASTNET_VECTOR_BYTES must be 16, 32 or 64, got {found!r}")
        return int(found)
    if _has("avx512f", "skylake-avx512", "cascadelake", "icelake-server", "sapphirerapids", "znver4"):
        return 64
    return 32 if _has("avx2", "haswell", "broadwell", "skylake", "znver1", "znver2", "znver3") else 16


VECTOR_BYTES = _vector_bytes()


def core(function: Callable) -> Callable:
    """Compile a register-level piece; LLVM inlines it at every call."""
    return _part(function, forceinline=True)


def kernel(function: Callable) -> Callable:
    """Compile a loop that only compiled code calls; it is cached as part of its callers."""
    return _part(function)


def entry(function: Callable) -> Callable:
    """Compile a function that Python calls, and keep the result in the cache folder."""
    dispatcher = Entry(function, targetoptions={**_ENTRY, "nopython": True}, pipeline_class=EntryCompiler)
    if cache_folder() is not None:
        dispatcher._cache = _KernelCache(dispatcher.py_func)
    return dispatcher


# -- parts: functions that only compiled code calls ----------------------------------------------------

_ENTRY = {**OPTIONS, "no_cfunc_wrapper": True}
_PART = {**_ENTRY, "no_cpython_wrapper": True}

# For numba.extending.overload: its implementations are parts, too.
OVERLOAD = {**_PART, "pipeline_class": PartCompiler}
OVERLOAD_CORE = {**OVERLOAD, "forceinline": True}


def _part(function: Callable, **options) -> Callable:
    return Part(function, targetoptions={**_PART, **options, "nopython": True}, pipeline_class=PartCompiler)


# -- cache ---------------------------------------------------------------------------------------------

# What a source with compiled code imports at its top.
_COMPILED = re.compile(rb"^(from|import) (numba|llvmlite|\.+_jit|\.+simd|\.+views)\b", re.MULTILINE)

_KEPT_DAYS = 30  # that a folder of kernels stays after its last use


@cache
def _digest() -> str:
    """Digest of everything that compiled code depends on: its sources, the versions of Numba and LLVM, the CPU."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        source = path.read_bytes()
        if _COMPILED.search(source):
            digest.update(source)
    digest.update(repr((numba.__version__, llvmlite.__version__, _cpu(), VECTOR_BYTES)).encode())
    return digest.hexdigest()[:16]


@cache
def cache_folder() -> Path | None:
    """Return the folder that holds compiled kernels, or None (with one warning) if there can be none.

    ``FASTNET_CACHE_DIR`` names another place. Cached code runs unchecked, so the folder must be the user's own.
    """
    root = os.environ.get("FASTNET_CACHE_DIR") or config.CACHE_DIR or _user_cache()
    parent = Path(root) / "fastnet-kernels"
    folder = parent / _digest()
    try:
        for path in (parent, folder):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_private(path)
    except OSError as error:
        warnings.warn(
            f"fastnet compiles its kernels anew in this process, because they can't be cached: {error}. "
            "Set FASTNET_CACHE_DIR to a folder of your own.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    _remove_unused(parent, folder)
    return folder


def _user_cache() -> str:
    import platformdirs

    return platformdirs.user_cache_dir("fastnet", appauthor=False)


def _check_private(folder: Path) -> None:
    """Refuse a folder through which somebody else could plant code, or which can't be written."""
    if os.name == "posix":
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise PermissionError(f"{folder} is not a folder that you alone can write to")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder} is not writable")


def _remove_unused(parent: Path, used: Path) -> None:
    """Mark the folder in use; remove those of other sources, versions or CPUs that were not used for long."""
    with suppress(OSError):
        os.utime(used)
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name == used.name or not re.fullmatch("[0-9a-f]{16}", entry.name):
                continue
            with suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode) and found.st_mtime < time.time() - _KEPT_DAYS * 86400:
                    shutil.rmtree(entry.path, ignore_errors=True)  # follows no symbolic links either


class _Locator(_CacheLocator):
    """Tell Numba's cache to use fastnet's folder; its name already says what the code was made from."""

    def __init__(self, line: int):
        self._line = line

    @classmethod
    def from_function(cls, py_func, py_file):
        return cls(py_func.__code__.co_firstlineno)

    def get_cache_path(self):
        return str(cache_folder())

    def get_source_stamp(self):
        return _digest()

    def get_disambiguator(self):
        return str(self._line)


class _KernelCacheImpl(CompileResultCacheImpl):
    _locator_classes = (_Locator,)


class _KernelCache(FunctionCache):
    """Numba's function cache in fastnet's folder; a damaged entry is compiled again instead of raising."""

    _impl_class = _KernelCacheImpl

    def load_overload(self, sig, target_context):
        try:
            # Numba would first import what only compiling needs, 210 modules: a third of the time from the start of a
            # process to the end of its first epoch. Compiling imports it, too.
            rtsys.initialize(target_context)
            with self._guard_against_spurious_io_errors():
                return self._load_overload(sig, target_context)
        except Exception as error:  # whatever unpickling damaged bytes raises
            warnings.warn(
                f"the cached kernel {self._name} is damaged ({error!r}) and is compiled again",
                RuntimeWarning,
                stacklevel=2,
            )
            self.flush()
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except OSError as error:
            warnings.warn(f"the compiled kernel {self._name} can't be kept: {error}", RuntimeWarning, stacklevel=2)
