import doctest
import gzip
import hashlib
import os
import re
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastnet.idx
from fastnet import FormatError
from fastnet.idx import read_idx

CODES = {"uint8": 8, "int8": 9, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}
ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4) - 300


def idx_bytes(array, *, zeros=b"\0\0", code=None, sizes=None, n_dimensions=None, payload=None):
    """The array as an IDX file; the keywords lie about one field each."""
    sizes = array.shape if sizes is None else sizes
    magic = zeros + bytes([code or CODES[array.dtype.name], len(sizes) if n_dimensions is None else n_dimensions])
    body = array.astype(array.dtype.newbyteorder(">")).tobytes() if payload is None else payload
    return magic + struct.pack(f">{len(sizes)}I", *sizes) + body


CONTENT = idx_bytes(ARRAY)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Read bytes through a file called ``some-file``."""
    path = tmp_path_factory.mktemp("idx") / "some-file"

    def read(content, **options):
        path.write_bytes(content)
        return read_idx(path, **options)

    return read


@pytest.fixture(scope="module")
def refused(read):
    """The message with which bytes are refused."""

    def refused(content, **options):
        with pytest.raises(FormatError) as caught:
            read(content, **options)
        message = str(caught.value)
        assert message.startswith("some-file: ")
        assert "found" in message
        assert "expected" in message or "should be" in message
        return message

    return refused


arrays = st.sampled_from(sorted(CODES)).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=8, min_side=1, max_side=3))
)


@given(array=arrays, gzipped=st.booleans())
def test_every_type_and_dimension_survives_the_round_trip(read, array, gzipped):
    content = idx_bytes(array)
    found = read(gzip.compress(content) if gzipped else content, sha256=hashlib.sha256(content).hexdigest())
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()
    assert found.flags.writeable
    assert found.flags.c_contiguous
    assert found.flags.aligned


@given(
    content=st.builds(
        idx_bytes,
        arrays,
        zeros=st.sampled_from([b"\0\0", b"\0\0", b"\0\1", b"<!"]),
        code=st.sampled_from([None, None, 0x0A, 0x0F, 0xFF]),
        n_dimensions=st.sampled_from([None, None, 0, 1, 2, 8, 9, 255]),
        sizes=st.none() | st.lists(st.sampled_from([0, 1, 2, 2**16, 2**31, 2**32 - 1]), max_size=9).map(tuple),
        payload=st.none() | st.binary(max_size=64),
    ),
    gzipped=st.booleans(),
    cut=st.integers(0, 8),
)
def test_no_file_raises_anything_but_format_error(read, content, gzipped, cut):
    content = gzip.compress(content) if gzipped else content
    try:
        found = read(content[: len(content) - cut])
    except FormatError as error:
        message = str(error)
        assert message.startswith("some-file: ")
    else:
        assert found.nbytes <= 3**8 * 8


@given(content=st.binary(max_size=200))
def test_random_bytes_after_the_gzip_magic_are_refused(refused, content):
    refused(b"\x1f\x8b" + content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "magic number cut at byte 0: found 0 bytes, expected 4"),
        (b"<!DOCTYPE html><html>", "byte 0: found b'<!DO'"),
        (b"\x89PNG\r\n\x1a\n", "byte 0"),
        (b"\x80\x04\x95\x10" + b"cos\nsystem\n", "byte 0"),
        (idx_bytes(ARRAY, zeros=b"\0\1"), "byte 0"),
        (idx_bytes(ARRAY, code=0x0A), "byte 2: found type code 0x0A, expected one of 0x08"),
        (idx_bytes(ARRAY, n_dimensions=0), "byte 3: found 0 dimensions, expected 1 to 8"),
        (idx_bytes(ARRAY, n_dimensions=9), "byte 3: found 9 dimensions"),
        (idx_bytes(ARRAY, n_dimensions=255), "byte 3: found 255 dimensions"),
        (idx_bytes(ARRAY, sizes=(2, 0, 4)), "byte 8: found a dimension of size 0"),
        (idx_bytes(ARRAY, sizes=(2**31, 2**31, 4)), "at most max_bytes = 4,294,967,296"),
        (idx_bytes(ARRAY, sizes=(2**32 - 1,) * 8), "at most max_bytes"),
        (CONTENT + b"\0", "expected 48 bytes, found more: byte 64 should be the end"),
        (CONTENT + b"\0" * 4096, "found more"),
        (gzip.compress(b""), "magic number cut at byte 0"),
        (gzip.compress(CONTENT + b"\0"), "found more"),
        (gzip.compress(CONTENT[:-1]), "expected 48 bytes, found 47"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_message_names_field_found_and_expected(refused, content, message):
    assert message in refused(content)


@pytest.mark.parametrize("content", [CONTENT, gzip.compress(CONTENT)], ids=["raw", "gz"])
def test_every_prefix_is_refused(refused, content):
    for end in range(len(content)):
        refused(content[:end])


def test_cut_header_names_the_byte(refused):
    for end in range(4, 16):
        assert f"cut at byte {end}: found {end - 4} bytes, expected 12" in refused(CONTENT[:end])


def test_every_bit_flip_of_a_gzip_file_is_detected_or_harmless(read):
    content = gzip.compress(idx_bytes(np.random.default_rng(0).integers(0, 9, (20, 100), dtype=np.uint8)))
    expected = read(content)
    harmless = set()
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found = read(flipped)
        except FormatError:
            continue
        np.testing.assert_array_equal(found, expected)
        harmless.add(bit // 8)
    # The text flag, the time, the compression level, the operating system; bits that fill up the last byte.
    assert harmless <= {*range(3, 10), len(content) - 9}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(CONTENT)[:-5], "gzip data cut"),
        (gzip.compress(CONTENT)[:-8] + bytes(8), "incorrect data check"),
        (gzip.compress(CONTENT)[:-4] + bytes(4), "incorrect length check"),
        (gzip.compress(CONTENT)[:12] + b"\xff" * 40, "gzip data damaged"),
        (gzip.compress(CONTENT) + b"\0", "trailing bytes"),
        (gzip.compress(CONTENT) + bytes(1 << 20), "trailing bytes"),
        (gzip.compress(CONTENT) + gzip.compress(b""), "a second gzip member"),
        (gzip.compress(CONTENT[:30]) + gzip.compress(CONTENT[30:]), "expected 48 bytes, found 14"),
    ],
    ids=["cut", "crc", "length", "deflate", "garbage", "much garbage", "empty member", "two members"],
)
@pytest.mark.parametrize("chunk", [1, 8, 1 << 18])
def test_gzip_traps(refused, monkeypatch, content, message, chunk):
    monkeypatch.setattr(fastnet.idx, "_CHUNK", chunk)
    assert message in refused(content)


def test_the_first_bytes_decide_not_the_name(tmp_path):
    (tmp_path / "raw.gz").write_bytes(CONTENT)
    (tmp_path / "packed").write_bytes(gzip.compress(CONTENT))
    np.testing.assert_array_equal(read_idx(tmp_path / "raw.gz"), ARRAY)
    np.testing.assert_array_equal(read_idx(str(tmp_path / "packed")), ARRAY)


@pytest.mark.parametrize("level", [0, 9])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_content_larger_than_a_chunk_survives(read, monkeypatch, level, chunk):
    monkeypatch.setattr(fastnet.idx, "_CHUNK", chunk)
    array = np.random.default_rng(0).integers(0, 3, (3, 3000), dtype=np.uint8)
    np.testing.assert_array_equal(read(gzip.compress(idx_bytes(array), level)), array)


@pytest.mark.parametrize("gzipped", [False, True], ids=["raw", "gz"])
def test_lying_header_is_refused_before_memory_is_allocated(refused, gzipped):
    content = idx_bytes(ARRAY, sizes=(1 << 16, 1 << 14))
    tracemalloc.start()
    message = refused(gzip.compress(content) if gzipped else content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "found a file that holds" in message
    assert peak < 4 << 20


def test_bomb_is_refused_at_once(tmp_path):
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    path = tmp_path / "bomb"
    with path.open("wb") as file:
        file.write(packer.compress(b"\0\0\x08\x01" + struct.pack(">I", 200 << 20)))
        for _ in range(200):
            file.write(packer.compress(zeros))
        file.write(packer.flush())
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(FormatError, match="at most max_bytes"):
        read_idx(path, max_bytes=100 << 20)
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    assert seconds < 1


def test_content_beyond_the_declared_size_is_not_inflated(refused):
    tracemalloc.start()
    assert "found more" in refused(gzip.compress(CONTENT + bytes(50 << 20)))
    tracemalloc.stop()


def test_max_bytes_is_the_largest_array_accepted(read, refused):
    np.testing.assert_array_equal(read(CONTENT, max_bytes=48), ARRAY)
    assert "max_bytes = 47" in refused(CONTENT, max_bytes=47)


def test_sha256_is_that_of_the_uncompressed_file(read, refused):
    digest = hashlib.sha256(CONTENT).hexdigest()
    np.testing.assert_array_equal(read(gzip.compress(CONTENT), sha256=digest.upper()), ARRAY)
    changed = CONTENT[:-1] + b"\1"
    message = refused(changed, sha256=digest)
    assert digest in message
    assert hashlib.sha256(changed).hexdigest() in message


def test_directory_device_and_missing_file_are_refused(tmp_path):
    with pytest.raises(FormatError, match="not a regular file"):
        read_idx(tmp_path)
    with pytest.raises(FormatError, match=r"^null: not a regular file"):
        read_idx(os.devnull)
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "absent")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX FIFOs")
def test_fifo_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    code = f"from fastnet.idx import read_idx; read_idx({str(tmp_path / 'fifo')!r})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert "FormatError: fifo: not a regular file" in result.stderr


@pytest.mark.parametrize(
    ("error", "argument", "options"),
    [
        (TypeError, "path", {"path": 3}),
        (TypeError, "path", {"path": None}),
        (TypeError, "path", {"path": b"bytes"}),
        (TypeError, "max_bytes", {"max_bytes": 1.5}),
        (TypeError, "max_bytes", {"max_bytes": True}),
        (ValueError, "max_bytes", {"max_bytes": -1}),
        (ValueError, "sha256", {"sha256": "abc"}),
        (ValueError, "sha256", {"sha256": 3}),
    ],
)
def test_wrong_argument_is_named(error, argument, options):
    with pytest.raises(error, match=re.escape(f"{argument} is ")):
        read_idx(**{"path": "unused", **options})


def test_examples_in_the_docstrings():
    assert doctest.testmod(fastnet.idx) == (0, 4)
