"""Portable: packed multiply-adds where the CPU has them, packed products and sums where not, no call for each lane."""

import os
import platform
import re
import subprocess
import sys

import pytest

SCRIPT = """
import numpy as np
from fastnet.kernels import dense

x, w = np.ones((8, 5), np.float32), np.ones((5, 40), np.float32)
b, packed, out = np.zeros(40, np.float32), np.zeros((5, 40), np.float32), np.zeros((8, 40), np.float32)
dense.dense_forward_arrays(x.ctypes.data, w.ctypes.data, 40, b, packed, out)
assert (out == 5).all(), out
print("\\n".join(dense.dense_forward_arrays.inspect_asm().values()))
"""


def assembly(cpu, folder):
    """Machine code of the dense tile for a CPU; the name alone would keep this machine's features."""
    environment = {**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "", "FASTNET_CACHE_DIR": str(folder)}
    environment.pop("FASTNET_VECTOR_BYTES", None)
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=True).stdout


def count(pattern, text):
    return len(re.findall(pattern, text, re.MULTILINE))


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="names of x86 CPUs")
def test_haswell_multiplies_and_adds_eight_lanes_at_once(tmp_path):
    text = assembly("haswell", tmp_path)
    assert count(r"^\s*vfmadd\d+ps\s.*%ymm", text) >= 12  # a tile of 4 x 3
    assert count("fmaf", text) == 0


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="names of x86 CPUs")
def test_nehalem_multiplies_and_adds_four_lanes(tmp_path):
    text = assembly("nehalem", tmp_path)
    assert count(r"^\s*mulps\s", text) >= 12
    assert count(r"^\s*addps\s", text) >= 12
    assert count("fmadd|fmaf", text) == 0
