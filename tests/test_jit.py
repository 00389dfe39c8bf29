"""Compiled code: parts and entries, the cache folder, and what happens when it is stale, damaged or not ours."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastnet import _jit
from fastnet.kernels import dense

PACKAGE = Path(_jit.__file__).parent
USE = "import numpy as np, fastnet; print(fastnet.functional.relu(np.array([-1.0, 2.0])).tolist())"


def run(code, cache, package=PACKAGE.parent, **environment):
    """Run code in a fresh process with a cache folder of its own; returns stdout and stderr."""
    settings = {**os.environ, "FASTNET_CACHE_DIR": str(cache), "PYTHONPATH": str(package), **environment}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=settings, cwd=package)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip(), result.stderr


def kernels_in(cache):
    return sorted(cache.rglob("*.nbc"))


def test_parts_refuse_to_be_called_from_python():
    with pytest.raises(TypeError, match="panel_product can only be called from compiled code"):
        dense.panel_product(1, 2, 3)


def test_vector_bytes_follow_the_cpu():
    assert _jit.VECTOR_BYTES in (16, 32, 64)
    code = "import fastnet._jit as j; print(j.VECTOR_BYTES)"
    for cpu, expected in (("haswell", "32"), ("nehalem", "16"), ("skylake-avx512", "64")):
        assert run(code, "/nowhere", NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES="")[0] == expected


def test_a_second_process_uses_the_cache(tmp_path):
    assert run(USE, tmp_path) == ("[0.0, 2.0]", "")
    files = {path: path.stat().st_mtime_ns for path in kernels_in(tmp_path)}
    assert files
    assert run(USE, tmp_path) == ("[0.0, 2.0]", "")
    assert {path: path.stat().st_mtime_ns for path in kernels_in(tmp_path)} == files


def test_an_edited_kernel_is_never_served_stale(tmp_path):
    """Numba looks at the file of the outermost function only; fastnet's cache folder is named after all of them."""
    package, cache = tmp_path / "package", tmp_path / "cache"
    shutil.copytree(PACKAGE, package / "fastnet", ignore=shutil.ignore_patterns("__pycache__"))
    assert run(USE, cache, package)[0] == "[0.0, 2.0]"
    room = package / "fastnet" / "kernels" / "activations.py"
    source = room.read_text()
    edited = source.replace("return select(x < 0.0, 0.0, x)", "return select(x < 0.0, 7.0, x)")
    assert edited != source
    room.write_text(edited)
    assert run(USE, cache, package)[0] == "[7.0, 2.0]"


@pytest.mark.parametrize("pattern", ["*.nbi", "*.nbc"])
@pytest.mark.parametrize("keep", [0, 100])
def test_a_damaged_cache_heals_itself(tmp_path, pattern, keep):
    run(USE, tmp_path)
    for path in tmp_path.rglob(pattern):
        path.write_bytes(path.read_bytes()[:keep])
    out, err = run(USE, tmp_path)
    assert out == "[0.0, 2.0]"
    assert "is damaged" in err
    assert "is compiled again" in err
    assert run(USE, tmp_path) == ("[0.0, 2.0]", "")


@pytest.mark.skipif(os.name != "posix", reason="ownership and modes are POSIX")
def test_a_folder_that_others_can_write_is_not_used(tmp_path):
    code = "import fastnet._jit as j; print(j.cache_folder())"
    folder = Path(run(code, tmp_path)[0])
    folder.chmod(0o777)
    out, err = run(USE, tmp_path)
    assert out == "[0.0, 2.0]"
    assert "is not a folder that you alone can write to" in err
    assert not kernels_in(tmp_path)


def test_without_a_folder_everything_still_works(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    out, err = run(USE, file)
    assert out == "[0.0, 2.0]"
    assert "Set FASTNET_CACHE_DIR to a folder of your own" in err


def test_no_reference_counts_in_compiled_code():
    """Numba's counters would be written by all threads at every call; nothing is allocated either."""
    from fastnet import Network, Trainer, passes

    Trainer(Network([3, 2], seed=0), batch_size=2).fit(np.zeros((4, 3)), [0, 1, 0, 1], epochs=1)
    fresh = passes.train_epoch.py_func
    compiled = _jit.numba.njit(**_jit.OPTIONS)(fresh)
    compiled.compile(passes.train_epoch.signatures[0])
    (code,) = compiled.inspect_asm().values()
    for word in ("NRT_", "callq\t*malloc", "fmaf"):
        assert word not in code


def test_parts_work_in_a_users_jitted_function():
    import numba

    from fastnet import simd

    @numba.njit
    def product(a, b, out):
        dense.panel_product(
            simd.pointer(a, 0), 4, 1, simd.pointer(b, 0), b.shape[1], 4, simd.pointer(out, 0), b.shape[1], 3, 1, False
        )

    lanes = _jit.VECTOR_BYTES // 8
    a, b, out = np.arange(12.0).reshape(3, 4), np.arange(4.0 * lanes).reshape(4, lanes), np.empty((3, lanes))
    product(a, b, out)
    np.testing.assert_allclose(out, a @ b)
