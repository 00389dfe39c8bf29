"""Files are written whole or not at all."""

import os
import resource
import signal
import stat

import pytest

from fastnet.files import TEMPORARY, write_atomically


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.bin"


def test_writes_and_replaces(path):
    write_atomically(path, b"one")
    write_atomically(path, [b"tw", memoryview(b"o")])
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o027])
def test_the_mode_is_that_of_the_umask(path, mask):
    before = os.umask(mask)
    try:
        write_atomically(path, b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_replaced_file_keeps_its_mode(path):
    path.write_bytes(b"old")
    path.chmod(0o600)
    write_atomically(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    write_atomically(link, b"x")
    assert link.is_symlink()
    assert path.read_bytes() == b"x"


def test_the_bytes_reach_the_disk_before_the_name(path, monkeypatch):
    happened = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda *args: (happened.append("fsync"), fsync(*args)))
    monkeypatch.setattr(os, "replace", lambda *args: (happened.append("replace"), replace(*args)))
    write_atomically(path, b"x")
    assert happened == ["fsync", "replace", "fsync"]


def failing():
    yield b"half of it"
    raise KeyError("no more")


def test_a_failure_leaves_the_old_file_and_nothing_else(path):
    path.write_bytes(b"old")
    with pytest.raises(KeyError, match="no more"):
        write_atomically(path, failing())
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_a_full_disk_names_the_path(path):
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: '.*model\.bin'"):
            write_atomically(path, bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'.*missing/model.bin'"):
        write_atomically(tmp_path / "missing" / "model.bin", b"x")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="expected a path for a file"):
        write_atomically(tmp_path, b"x")


def test_long_names(tmp_path):
    path = tmp_path / ("n" * 250)
    write_atomically(path, b"x")
    assert path.read_bytes() == b"x"
    assert not list(tmp_path.glob(f"*{TEMPORARY}"))
