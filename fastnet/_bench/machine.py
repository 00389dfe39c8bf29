"""Where and with what a measurement was made."""

import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from .._parallel import available_cpus


def machine() -> dict[str, Any]:
    """Return the CPU's model, how many CPUs this process may use, the width of fastnet's vectors, the system.

    >>> sorted(machine())
    ['cpu', 'cpus', 'system', 'vector_bits']
    """
    from .._jit import VECTOR_BYTES

    return {
        "cpu": _cpu_model(),
        "cpus": available_cpus(),
        "vector_bits": 8 * VECTOR_BYTES,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        if found:
            return found
    return platform.processor() or platform.machine()


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of distributions, those that are installed.

    >>> list(versions(["numpy", "no-such-thing"]))
    ['python', 'numpy']
    """
    found = {"python": platform.python_version()}
    for library in libraries:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found
