"""Compiled code: parts and entries, the cache folder, and what happens when it is stale, damaged or not ours."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fastnet import _jit
from fastnet.kernels import dense

PACKAGE = Path(_jit.__file__).parent
USE = "import numpy as np, fastnet; print(fastnet.functional.relu(np.array([-1.0, 2.0])).tolist())"
FOLDER = "import fastnet._jit as j; print(j.cache_folder())"


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


DEAD_BRANCH = """
from fastnet._jit import entry, kernel
DEAD = False

@kernel
def least(x):
    return x + 1

@kernel
def never_called(x):
    return least(x) + 1

@kernel
def called(x):
    return least(x)

@kernel
def either(x):
    return never_called(x) if DEAD else called(x)

@entry
def run(x):
    return either(x)

print(run(1))
"""


def test_what_a_dead_branch_calls_too_is_linked(tmp_path):
    assert run(DEAD_BRANCH, tmp_path)[0] == "2"


def test_vector_bytes_follow_the_cpu():
    assert _jit.VECTOR_BYTES in (16, 32, 64)
    code = "import fastnet._jit as j; print(j.VECTOR_BYTES)"
    for cpu, expected in (("haswell", "32"), ("nehalem", "16"), ("skylake-avx512", "64")):
        assert run(code, "/nowhere", NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES="")[0] == expected


def test_vector_bytes_can_be_chosen(monkeypatch):
    for n_bytes in (16, 32, 64):
        monkeypatch.setenv("FASTNET_VECTOR_BYTES", str(n_bytes))
        assert _jit._vector_bytes() == n_bytes


@pytest.mark.parametrize("found", ["24", "wide", "0", "-16", "128", "32.0"])
def test_other_vector_bytes_are_refused(monkeypatch, found):
    monkeypatch.setenv("FASTNET_VECTOR_BYTES", found)
    with pytest.raises(ValueError, match=f"^FASTNET_VECTOR_BYTES must be 16, 32 or 64, got '{found}'$"):
        _jit._vector_bytes()


def test_a_second_process_uses_the_cache(tmp_path):
    assert run(USE, tmp_path) == ("[0.0, 2.0]", "")
    files = {path: path.stat().st_mtime_ns for path in kernels_in(tmp_path)}
    assert files
    assert run(USE, tmp_path) == ("[0.0, 2.0]", "")
    assert {path: path.stat().st_mtime_ns for path in kernels_in(tmp_path)} == files


def test_what_is_cached_needs_nothing_of_a_compiler(tmp_path):
    """The modules that only compiling needs are not imported; a user's own function, compiled afterwards, has them."""
    run(USE, tmp_path)
    registries = "import sys; print([n for n in ('numba.np.linalg', 'numba.typed.typeddict') if n in sys.modules])"
    own = """
import numba
from fastnet.functional import relu
@numba.njit
def positive(x):
    return np.sort(relu(x))[::-1], np.linalg.norm(x), {i: str(i) for i in range(2)}
assert positive(np.array([3.0, 4.0]))[1] == 5.0
"""
    lines = run(f"{USE}\n{registries}\n{own}\n{registries}", tmp_path)[0].splitlines()
    assert lines == ["[0.0, 2.0]", "[]", "['numba.np.linalg', 'numba.typed.typeddict']"]


NEEDLESS = "import sys; print([n for n in ('numba.np.linalg', 'scipy.linalg', 'numba.np.random') if n in sys.modules])"


def test_compiling_imports_what_it_needs(tmp_path):
    """What else Numba knows is not imported; a user's own function, compiled afterwards, has it."""
    fit = """
import numpy as np
from fastnet import Network, Trainer
trainer = Trainer(Network([3, 2], seed=0), batch_size=2)
trainer.fit(np.eye(4, 3, dtype="f"), [0, 1, 0, 1], epochs=1)
"""
    own = """
import math, numba
@numba.njit
def several(x):
    return np.linalg.norm(x), math.exp(x[0]), np.random.rand(), min(x[0], x[1]), {"a" + "b": np.sum(x)}
"""
    call = "assert several(np.array([3.0, 4.0]))[0] == 5.0"
    lines = run(f"{fit}\n{NEEDLESS}\n{own}\n{call}\n{NEEDLESS}", tmp_path)[0].splitlines()
    assert lines == ["[]", "['numba.np.linalg', 'scipy.linalg', 'numba.np.random']"]


def test_another_numba_imports_everything(tmp_path):
    """Where Numba keeps its functions elsewhere, what is needed can't be named."""
    moved = "import fastnet._shortcuts as s; s._NEEDED += ('cpython.moved',)"
    assert run(f"{moved}\n{USE}\n{NEEDLESS}", tmp_path)[0].splitlines() == [
        "[0.0, 2.0]",
        "['numba.np.linalg', 'scipy.linalg', 'numba.np.random']",
    ]


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


@pytest.mark.parametrize("pattern", [pytest.param("*.nbi", marks=pytest.mark.slow), "*.nbc"])
@pytest.mark.parametrize("keep", [0, pytest.param(100, marks=pytest.mark.slow)])
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
@pytest.mark.parametrize("which", ["folder", "parent"])
def test_a_folder_that_others_can_write_is_not_used(tmp_path, which):
    folder = Path(run(FOLDER, tmp_path)[0])
    assert folder.parent == tmp_path / "fastnet-kernels"
    assert [path.stat().st_mode & 0o777 for path in (folder.parent, folder)] == [0o700, 0o700]
    (folder if which == "folder" else folder.parent).chmod(0o777)
    out, err = run(USE, tmp_path)
    assert out == "[0.0, 2.0]"
    assert "is not a folder that you alone can write to" in err
    assert not kernels_in(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="ownership and modes are POSIX")
def test_a_parent_that_is_a_link_is_not_used(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "fastnet-kernels").symlink_to(tmp_path / "elsewhere")
    out, err = run(FOLDER, tmp_path)
    assert out == "None"
    assert "fastnet-kernels is not a folder that you alone can write to" in err
    assert not any((tmp_path / "elsewhere").iterdir())


def test_kernels_that_nobody_used_for_a_month_are_removed(tmp_path):
    used = Path(run(FOLDER, tmp_path)[0])
    others = [used.with_name(name) for name in ("0" * 16, "1" * 16, "mine")]
    for folder in others:
        folder.mkdir()
        (folder / "kernel.nbc").write_text("")
    for folder, days in zip((used, *others), (40, 31, 29, 40), strict=True):
        age(folder, days)
    assert Path(run(FOLDER, tmp_path)[0]) == used
    assert [folder.exists() for folder in (used, *others)] == [True, False, True, True]
    assert used.stat().st_mtime > time.time() - 3600, "a use counts"


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_removal_follows_no_links(tmp_path):
    used = Path(run(FOLDER, tmp_path)[0])
    target = tmp_path / "target"
    target.mkdir()
    (target / "kept").write_text("")
    used.with_name("0" * 16).symlink_to(target)
    old = used.with_name("1" * 16)
    old.mkdir()
    (old / "link").symlink_to(target)
    for folder in (target, old):
        age(folder, 40)
    os.utime(used.with_name("0" * 16), (0, 0), follow_symlinks=False)
    run(FOLDER, tmp_path)
    assert (target / "kept").exists()
    assert used.with_name("0" * 16).is_symlink()
    assert not old.exists()


def age(folder, days):
    """Make a folder look as if it was last used that many days ago."""
    then = time.time() - days * 86400
    os.utime(folder, (then, then))


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
    for word in ("NRT_", "malloc", "fmaf"):
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
