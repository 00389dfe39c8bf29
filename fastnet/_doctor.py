"""Whether fastnet can work here as it should: what was found, a verdict on each, and what to do about it."""

import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

OK, NOTE, WARNING, BROKEN = "ok", "note", "warning", "broken"

# The oldest release that is supported, as in pyproject.toml, and the newest that the tests have passed with, where a
# newer one may well differ.
TESTED: dict[str, tuple[str, str | None]] = {
    "numpy": ("1.26", "2.4"),
    "numba": ("0.66", "0.68"),
    "scikit-learn": ("1.6", "1.9"),
    "scipy": ("1.11", "1.17"),
    "joblib": ("1.3", None),
    "typer": ("0.15", None),
    "safetensors": ("0.5", None),
    "pooch": ("1.8", None),
    "threadpoolctl": ("3.5", None),
    "platformdirs": ("4", None),
    "rich": ("13", None),
}
OPTIONAL = {
    "matplotlib": "figures (pip install 'fastnet-numba[plot]')",
    "PIL": "folders of images (pip install 'fastnet-numba[images]')",
    "pyarrow": "Parquet files (pip install 'fastnet-numba[parquet]')",
    "onnx": "export to ONNX (pip install 'fastnet-numba[onnx]')",
    "onnxruntime": "checking an exported ONNX file (pip install 'fastnet-numba[onnx]')",
    "pandas": "History.to_dataframe (pip install pandas)",
    "torch": "state dicts of torch, and `fastnet bench` (pip install 'fastnet-numba[peers]')",
    "jax": "`fastnet bench` (pip install 'fastnet-numba[peers]')",
}
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
# Of Numba: harmless ones are not listed; those that change what is compiled, or how fast it is, are.
_NUMBA_VARIABLES = {
    "NUMBA_BOUNDSCHECK": "checks every index, which is slow",
    "NUMBA_DISABLE_JIT": "leaves your own functions in Python; fastnet's are compiled all the same",
    "NUMBA_DEBUG": "prints what it compiles",
    "NUMBA_DEBUGINFO": "adds debugging information, which is slow",
    "NUMBA_OPT": "another level of optimisation",
    "NUMBA_LOOP_VECTORIZE": "another way to compile loops",
    "NUMBA_SLP_VECTORIZE": "another way to compile loops",
    "NUMBA_CPU_NAME": "compiles for another CPU",
    "NUMBA_CPU_FEATURES": "compiles for another CPU",
    "FASTNET_VECTOR_BYTES": "vectors of another width",
}
_REPORT = "please report this, with the output of `fastnet doctor --json`"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
        What was looked at.
    verdict : {"ok", "note", "warning", "broken"}
        "note" is neither good nor bad; "warning" works, but not as well as it could; "broken" does not work.
    found : str
        What was found.
    advice : str
        What to do about it; empty if there is nothing to do.
    """

    name: str
    verdict: str
    found: str
    advice: str = ""


def doctor(self_test: bool = True) -> dict[str, Any]:
    """Look at everything that decides whether fastnet works here, and how fast.

    Parameters
    ----------
    self_test : bool, default=True
        Whether to train a small network and compare it with NumPy; may compile kernels first (10 s, once).

    Returns
    -------
    dict
        ``verdict`` (the worst of all: "ok", "warning" or "broken"), ``checks``, a list of dicts with the fields of
        `Check`. All of it can be written as JSON.

    Examples
    --------
    >>> import fastnet
    >>> found = fastnet.doctor(self_test=False)
    >>> found["verdict"] in ("ok", "warning", "broken"), sorted(found["checks"][0])
    (True, ['advice', 'found', 'name', 'verdict'])
    """
    looks: list[Callable[[], Iterator[Check]]] = [_versions, _cpu, _cpus, _environment, _float_mode, _cache, _data]
    looks += [_optional, _self_test] if self_test else [_optional]
    checks = [check for look in looks for check in _looked(look)]
    verdicts = {check.verdict for check in checks}
    worst = next(verdict for verdict in (BROKEN, WARNING, OK) if verdict in {*verdicts, OK})
    return {"verdict": worst, "checks": [asdict(check) for check in checks]}


def _looked(look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """Yield checks; one that fails itself is a finding, too."""
    try:
        yield from look()
    except Exception as error:
        yield Check(look.__name__.strip("_").replace("_", " "), BROKEN, f"{type(error).__name__}: {error}")


# -- what is installed ---------------------------------------------------------------------------------


def _versions() -> Iterator[Check]:
    import platform

    from . import __version__

    yield Check("fastnet", OK, __version__)
    yield Check("python", OK, platform.python_version())
    for library, (oldest, newest) in TESTED.items():
        yield _version(library, oldest, newest)


def _version(library: str, oldest: str, newest: str | None) -> Check:
    tested = f"tested with {oldest} to {newest}" if newest else f"tested from {oldest} on"
    try:
        found = metadata.version(library)
    except metadata.PackageNotFoundError:
        return Check(library, BROKEN, "not installed", f"pip install '{library}>={oldest}'")
    if _release(found, oldest) < _release(oldest, oldest):
        return Check(library, BROKEN, f"{found}; {tested}", f"pip install '{library}>={oldest}'")
    if newest and _release(found, newest) > _release(newest, newest):
        return Check(library, WARNING, f"{found}; {tested}", "newer than what was tested: see the self-test below")
    return Check(library, OK, found)


def _release(version: str, like: str) -> list[int]:
    """Return the first numbers of a version, as many as another one has."""
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    count = len(re.findall(r"\d+", like))
    return (numbers + [0] * count)[:count]


def _optional() -> Iterator[Check]:
    for module, purpose in OPTIONAL.items():
        if find_spec(module) is not None:
            yield Check(module, OK, f"installed, for {purpose.partition(' (')[0]}")
        else:
            yield Check(module, NOTE, f"not installed; it is for {purpose}")


# -- the machine ---------------------------------------------------------------------------------------


def _cpu() -> Iterator[Check]:
    from ._bench.machine import machine

    found = machine()
    text = f"{found['cpu']}, {found['vector_bits']}-bit vectors, {found['system']}"
    if found["vector_bits"] == 128 and "x86" in found["system"].lower():
        yield Check("CPU", WARNING, text, "without AVX2 an epoch takes some two to four times as long")
    else:
        yield Check("CPU", OK, text)


def _cpus() -> Iterator[Check]:
    from ._parallel import available_cpus

    cpus, all_cpus, quota = available_cpus(), os.cpu_count() or 1, cpu_quota()
    text = f"{cpus} of {all_cpus}" if cpus < all_cpus else str(cpus)
    if quota is not None and quota < cpus:
        advice = f"the container may use {quota:g} CPUs' time: train with --threads {max(1, math.floor(quota))}"
        yield Check("CPUs", WARNING, f"{text}, but a quota of {quota:g}", advice)
    else:
        yield Check("CPUs", OK, text)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    busy = load > 1.5 * all_cpus
    advice = "others keep the CPUs busy: training takes longer" if busy else ""
    yield Check("load", WARNING if busy else OK, f"{load:.1f} in the last minute", advice)
    found = [f"{name}={os.environ[name]}" for name in _THREAD_VARIABLES if name in os.environ]
    if found:
        yield Check("thread variables", NOTE, f"{', '.join(found)}: for other libraries; fastnet takes --threads")


def cpu_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return how many CPUs' time a container may use (cgroup version 2, else 1), or None if all of it."""
    try:
        limit, period = (root / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit = (root / "cpu" / "cpu.cfs_quota_us").read_text()
        period = (root / "cpu" / "cpu.cfs_period_us").read_text()
        return int(limit) / int(period) if int(limit) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _environment() -> Iterator[Check]:
    set_ones = [name for name in _NUMBA_VARIABLES if os.environ.get(name) and not _is_off(name)]
    for name in set_ones:
        yield Check(name, WARNING, f"{os.environ[name]}: {_NUMBA_VARIABLES[name]}", f"unset {name}, unless it is meant")
    if not set_ones:
        yield Check("compiler settings", OK, "none that change what is compiled")


def _is_off(name: str) -> bool:
    """Whether a switch is set to what it is anyway."""
    switches = "NUMBA_BOUNDSCHECK", "NUMBA_DISABLE_JIT", "NUMBA_DEBUG", "NUMBA_DEBUGINFO"
    return name in switches and os.environ[name] == "0"


def _float_mode() -> Iterator[Check]:
    """Whether some library has switched denormals off for the whole process (gcc's -ffast-math does)."""
    import numpy as np

    tiny = np.full(4, 1e-40, np.float32)
    if np.all(tiny * np.float32(0.5) > 0):
        yield Check("denormals", OK, "as IEEE 754 wants them in Python; zero in compiled code, where they are slow")
    else:
        yield Check("denormals", NOTE, "zero in the whole process: a library has changed the CPU's mode")


# -- files ---------------------------------------------------------------------------------------------


def _cache() -> Iterator[Check]:
    import warnings

    from ._info import _kernels

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = _kernels()
    if found["folder"] is None:
        why = str(told[0].message) if told else "no folder can be made or trusted"
        yield Check("kernel cache", WARNING, why, "set FASTNET_CACHE_DIR to a folder that you alone can write to")
    else:
        yield Check("kernel cache", OK, f"{found['entries']} entries, {found['megabytes']} MB in {found['folder']}")


def _data() -> Iterator[Check]:
    from ._info import _mnist

    folder = _mnist()
    if folder is None:
        yield Check("MNIST", NOTE, "not found; it is downloaded when it is first needed")
    else:
        yield Check("MNIST", OK, folder)


# -- self-test -----------------------------------------------------------------------------------------


def _self_test() -> Iterator[Check]:
    from ._self_test import LIMIT, run_self_test

    found = run_self_test()
    text = (
        f"largest difference to NumPy in float64 {found['largest_difference']:.1e} after {found['minibatches']} "
        f"minibatches (limit {LIMIT:g}); {found['seconds']:.1f} s"
    )
    fits = found["largest_difference"] <= LIMIT  # not for NaN
    advice = "" if fits else _REPORT
    yield Check("self-test", OK if fits else BROKEN, text, advice)
    threads = f"the same bits with 1 and {found['n_threads']} threads"
    if found["n_threads"] == 1:
        yield Check("threads", NOTE, "one CPU: nothing to compare")
    elif found["same_bits"]:
        yield Check("threads", OK, threads)
    else:
        yield Check("threads", BROKEN, f"not {threads}", _REPORT)
