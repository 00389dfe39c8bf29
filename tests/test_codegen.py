"""Portable: packed multiply-adds where the CPU has them, packed products and sums where not, no call for each lane."""

import os
import platform
import re
import subprocess
import sys

import pytest

DENSE = """
import numpy as np
from fastnet.kernels import dense

x, w = np.ones((8, 5), np.float32), np.ones((5, 40), np.float32)
b, packed, out = np.zeros(40, np.float32), np.zeros((5, 40), np.float32), np.zeros((8, 40), np.float32)
dense.dense_forward_arrays(x.ctypes.data, w.ctypes.data, 40, b, packed, out)
assert (out == 5).all(), out
print("\\n".join(dense.dense_forward_arrays.inspect_asm().values()))
"""


# First layers on rows as blocks, on rows that have none.
BLOCKS = """
from typing import Any, NamedTuple
import numba
import numpy as np
from fastnet._jit import OPTIONS
from fastnet.block_rows import block_work
from fastnet.kernels import blocks, narrow, narrow_samples, narrow_sgd, wide
from fastnet.layout import lanes
from fastnet.simd import pointer
from fastnet.views import views

class Work(NamedTuple):
    tiles: Any

@numba.njit(**OPTIONS)
def few(rows, work, order, w, z):
    rows, work = views(rows), views(work)
    base, samples = pointer(work.tiles.base, 0), narrow_samples.samples_of(work, 0, 0)
    weights, outputs, tiles = pointer(w, 0), pointer(z, 0), work.tiles
    narrow.narrow_forward(rows, order, 0, 32, 0, weights, tiles, base, samples, outputs, 32, 32)
    narrow.narrow_gradient(rows, 0, samples, 32, 0, 4, tiles, outputs, 32, base, weights)

@numba.njit(**OPTIONS)
def folded(rows, work, order, w, z):
    rows, work = views(rows), views(work)
    u, samples, tiles = pointer(work.tiles.u, 0), narrow_samples.samples_of(work, 0, 0), work.tiles
    weights, outputs = pointer(w, 0), pointer(z, 0)
    state = narrow_sgd.Folded(weights, u, u, tiles.alpha[0, 0], pointer(tiles.products, 0))
    narrow_sgd.narrow_forward_folded(rows, order, 0, 32, 0, tiles, state, samples, outputs, 32, 32)
    narrow_sgd.narrow_step(rows, order, 0, 0, samples, 32, tiles, outputs, 32, 0.5, weights)

@numba.njit(**OPTIONS)
def many(rows, work, order, w, z):
    rows, tiles = views(rows), views(work).tiles
    bounds, counts = pointer(tiles.bounds, 0), pointer(tiles.counts, 0)
    lists = blocks.Lists(bounds, counts, pointer(tiles.numbers, 0), pointer(tiles.values, 0))
    weights, outputs, totals, width = pointer(w, 0), pointer(z, 0), pointer(tiles.totals, 0), tiles.base.shape[1]
    wide.wide_forward(64, weights, width, totals, lists, 0, 16, outputs, 32, 32, 0)
    wide.wide_gradient(64, pointer(rows.offset, 0), lists, 0, 16, width, outputs, totals, weights)

dtype, none = np.dtype(np.float32), np.zeros(0, np.uint8)
starts, order, w, z = np.zeros(2, np.uint32), np.zeros(32, np.uint32), np.ones(64 * 32, dtype), np.zeros(32 * 32, dtype)
of_few = blocks.NarrowColumnBlocks, 10, lanes(dtype)
for function, kind, n_out, size in ((few, *of_few), (folded, *of_few), (many, blocks.ColumnBlocks, 24, blocks.WIDE)):
    cuts, scale = np.array([0, 64 // size]), np.ones(64, dtype)
    fields = none.ctypes.data, none, none, starts, np.arange(64), scale, scale, cuts, size, 1, 0, 0, 0
    rows = kind(*fields) if function is many else kind(*fields, 1.0, np.ones(1))
    function(rows, Work(block_work(rows, 64, n_out, 32, 1)), order, w, z)
    print("# function")
    print("\\n".join(function.inspect_asm().values()))
"""


def assembly(cpu, folder, script=DENSE):
    """Machine code of a script's functions for a CPU; the name alone would keep this machine's features."""
    environment = {**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "", "FASTNET_CACHE_DIR": str(folder)}
    environment.pop("FASTNET_VECTOR_BYTES", None)
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=True).stdout


def count(pattern, text):
    return len(re.findall(pattern, text, re.MULTILINE))


def loops(text):
    """Yield the innermost loops: code from a label to a jump back to it, without such a pair inside."""
    labels, inner = {}, -1
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if found := re.match(r"(\.?LBB\w+):", line):
            labels[found[1]] = number
        elif (found := re.match(r"\s+j\w+\s+(\.?LBB\w+)", line)) and labels.get(found[1], -1) > inner:
            inner = labels[found[1]]
            yield "\n".join(lines[inner + 1 : number + 1])


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


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="names of x86 CPUs")
def test_haswell_keeps_the_weights_of_a_block_in_registers(tmp_path):
    """10 accumulators, or 4 x 3: forward and backward multiply and add nothing else, and use no stack.

    Where the mean is folded there is one product a block with it. For few units addresses may lie on the stack, but no
    vector.
    """
    text = assembly("haswell", tmp_path, BLOCKS)
    for function, sizes in zip(text.split("# function")[1:], ((10,), (10, 11), (12,)), strict=True):
        found = [loop for loop in loops(function) if count(r"^\s*vfmadd\d+ps\s.*%ymm", loop) in sizes]
        found = [loop for loop in found if count(r"^\s*vmovups\s+%ymm", loop) <= 3]  # a sample's outputs
        assert len(found) >= 2
        stack = r"(\(%rsp\).*%[xy]mm|%[xy]mm.*\(%rsp\))" if 10 in sizes else r"\(%rsp\)"
        assert count(stack, "\n".join(found)) == 0
        assert count("fmaf", function) == 0


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="names of x86 CPUs")
def test_nehalem_multiplies_and_adds_the_weights_of_a_block(tmp_path):
    text = assembly("nehalem", tmp_path, BLOCKS)
    for function, size in zip(
        text.split("# function")[1:], (10, 10, 8), strict=True
    ):  # 24 units: panels of 3 and 3 vectors
        found = [loop for loop in loops(function) if count(r"^\s*mulps\s", loop) >= size]
        assert len(found) >= 2
        assert all(count(r"^\s*addps\s", loop) >= size for loop in found)
        assert count("fmadd|fmaf", function) == 0
