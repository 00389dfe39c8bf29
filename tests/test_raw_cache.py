"""Raw copies of packed files: used only if nothing has changed, and never in the way."""

import gzip
import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from fastnet import raw_cache
from fastnet._cache_folder import cache_root, private_folder

CONTENT = np.random.default_rng(0).integers(0, 4, (50, 4, 4), np.uint8)


class World:
    """A source file, the cache beside it, and a count of how often the file was read."""

    def __init__(self, folder: Path):
        self.cache, self.source, self.reads = folder / "cache", folder / "source.gz", 0
        self.source.write_bytes(gzip.compress(CONTENT.tobytes()))
        self.copy = self.cache / "mnist-raw" / "key"

    def read(self) -> np.ndarray:
        self.reads += 1
        return np.frombuffer(gzip.decompress(self.source.read_bytes()), np.uint8).reshape(CONTENT.shape).copy()

    def load(self) -> np.ndarray:
        array = raw_cache.cached(self.source, "key", self.read)
        np.testing.assert_array_equal(array, CONTENT)
        assert array.dtype == CONTENT.dtype
        assert array.flags.writeable
        assert array.flags.owndata
        return array

    def files(self) -> list[str]:
        return sorted(path.name for path in self.copy.parent.iterdir())


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTNET_CACHE_DIR", str(tmp_path / "cache"))
    return World(tmp_path)


def test_the_second_load_reads_the_copy(world):
    first = world.load()
    first[:] = 0  # the user's: the copy does not change
    world.load()
    assert world.reads == 1
    assert world.files() == ["key"]
    if os.name == "posix":
        assert stat.S_IMODE(world.copy.stat().st_mode) == 0o600
        assert stat.S_IMODE(world.copy.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_other_dtypes_keep_their_bits(world, dtype):
    array = CONTENT.astype(dtype)
    for _ in range(2):
        found = raw_cache.cached(world.source, "other", lambda: array)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_every_damaged_byte_is_noticed_and_mended(world):
    world.load()
    good = world.copy.read_bytes()
    header = good.index(b"\n", good.index(b"\n") + 1) + 1
    for at in [*range(header), header, len(good) // 2, len(good) - 1]:
        damaged = bytearray(good)
        damaged[at] ^= 1
        world.copy.write_bytes(damaged)
        reads = world.reads
        world.load()
        assert world.reads == reads + 1, f"byte {at}"
        assert world.copy.read_bytes() == good


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"\0", lambda c: c[:10], lambda c: b""])
def test_a_wrong_size_is_noticed_and_mended(world, change):
    world.load()
    good = world.copy.read_bytes()
    world.copy.write_bytes(change(good))
    world.load()
    assert world.reads == 2
    assert world.copy.read_bytes() == good


@pytest.mark.parametrize("changed", ["time", "size", "path"])
def test_a_changed_source_is_read_again(world, changed):
    world.load()
    before = world.source.stat()
    if changed == "time":
        os.utime(world.source, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    elif changed == "size":
        world.source.write_bytes(gzip.compress(CONTENT.tobytes(), compresslevel=0))
        os.utime(world.source, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        world.source = world.source.rename(world.source.with_name("moved.gz"))
    world.load()
    assert world.reads == 2
    world.load()
    assert world.reads == 2


def test_what_reading_raises_is_raised_and_nothing_is_kept(world):
    def read():
        raise ValueError("SHA-256")

    with pytest.raises(ValueError, match="SHA-256"):
        raw_cache.cached(world.source, "key", read)
    assert world.files() == []


def test_missing_source_is_left_to_the_reader(world):
    world.load()
    world.source.unlink()
    with pytest.raises(FileNotFoundError):
        world.load()


def test_without_a_folder_there_is_no_copy(world):
    world.cache.write_text("a file where the folder should be")
    world.load()
    world.load()
    assert world.reads == 2


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX modes")
def test_a_folder_that_others_can_write_to_is_not_used(world):
    world.load()
    world.copy.parent.chmod(0o777)
    world.load()
    assert world.reads == 2


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_a_folder_that_is_a_link_is_not_used(world, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    world.cache.mkdir()
    world.copy.parent.symlink_to(tmp_path / "elsewhere")
    world.load()
    assert not any((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failed_write_leaves_nothing_behind(world, monkeypatch, error):
    def fail(file, *pieces):
        file.write(pieces[0])
        raise error

    monkeypatch.setattr(raw_cache, "_write", fail)
    if isinstance(error, OSError):
        world.load()
    else:
        with pytest.raises(KeyboardInterrupt):
            world.load()
    assert world.files() == []


def test_what_a_killed_process_left_is_removed_when_it_is_old(world):
    folder = private_folder("mnist-raw")
    for name, age in (("old.part", 7200), ("new.part", 0)):
        (folder / name).write_bytes(b"half")
        time = (folder / name).stat().st_mtime - age
        os.utime(folder / name, (time, time))
    world.load()
    assert world.files() == ["key", "new.part"]


def test_writers_at_the_same_time_leave_one_whole_copy(world):
    errors, meet = [], threading.Barrier(8)

    def work():
        try:
            meet.wait(30)
            for _ in range(10):
                world.load()
                world.copy.unlink(missing_ok=True)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    world.load()
    reads = world.reads
    world.load()
    assert world.reads == reads
    assert world.files() == ["key"]


def test_the_folder_is_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTNET_CACHE_DIR", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("FASTNET_CACHE_DIR")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name, appauthor: str(tmp_path / name))
    assert cache_root() == tmp_path / "fastnet"
