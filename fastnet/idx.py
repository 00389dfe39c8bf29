"""Read IDX, the file format of MNIST: a header, then one big-endian array.

==========  ====================================================================
bytes       meaning
==========  ====================================================================
0, 1        zero
2           type code: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
3           number of dimensions, 1 to 8
4, 8, ...   the size of each dimension, uint32
then        the array in C order, up to the last byte of the file
==========  ====================================================================

A file may be wrapped in gzip. Nothing a file claims is believed before it is checked.
"""

import hashlib
import math
import operator
import os
import re
import stat
import struct
import zlib
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .exceptions import FormatError

__all__ = ["read_idx"]

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_DIMENSIONS = 8
_GZIP_MAGIC = b"\x1f\x8b"
_DEFLATE_MAX_RATIO = 1032  # a deflate stream never grows more than this when inflated
_CHUNK = 1 << 18  # stays in the second-level cache


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = 4 << 30, sha256: str | None = None) -> NDArray[Any]:
    """Read an array from an IDX file, gzip-compressed or raw.

    Parameters
    ----------
    path : str or os.PathLike
        A regular file. Its first bytes, not its name, tell whether it is compressed.
    max_bytes : int, default 4 GiB
        The largest array to accept. A header that declares more is refused before memory is allocated.
    sha256 : str, optional
        The expected SHA-256 of the uncompressed file, header included, in hexadecimal.

    Returns
    -------
    numpy.ndarray
        A new, writable array in native byte order, of the shape and type that the header declares: uint8,
        int8, int16, int32, float32 or float64.

    Raises
    ------
    FormatError
        If the file is not one complete IDX array, or not the one that `sha256` names. The message gives the
        file, the byte or field, what was found and what is expected.
    TypeError, ValueError
        If an argument is wrong; the message names it.
    OSError
        If the file cannot be opened or read.

    References
    ----------
    "The IDX file format", in Y. LeCun, C. Cortes, C. J. C. Burges, *The MNIST database of handwritten
    digits*, http://yann.lecun.com/exdb/mnist/ (kept at https://web.archive.org).

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "two-by-three")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(bytes([0, 0, 8, 2,  0, 0, 0, 2,  0, 0, 0, 3,  10, 11, 12, 13, 14, 15]))
    >>> read_idx(path)
    array([[10, 11, 12],
           [13, 14, 15]], dtype=uint8)
    """
    path = as_path("path", path)
    max_bytes = as_int("max_bytes", max_bytes, least=0)
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", str(sha256)):
        raise ValueError(f"sha256 is {sha256!r}; expected 64 hexadecimal digits")
    try:
        return _read(path, max_bytes, sha256)
    except FormatError as error:
        raise FormatError(f"{path.name}: {error} (in {path.parent})") from error.__cause__


def as_path(argument: str, value: object) -> Path:
    """Return `value` as a path with ``~`` expanded, or name the `argument` that is none."""
    if isinstance(value, str | os.PathLike) and isinstance(os.fspath(value), str):
        return Path(os.path.expanduser(value))
    raise TypeError(f"{argument} is {value!r}; expected a path (str or os.PathLike)")


def as_int(argument: str, value: Any, least: int, most: int | None = None) -> int:
    """Return `value` as an integer from `least` to `most`, or name the `argument` that is none."""
    expected = f"an integer >= {least}" if most is None else f"an integer from {least} to {most}"
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool | np.bool_):
        raise TypeError(f"{argument} is {value!r}; expected {expected}")
    if number < least or (most is not None and number > most):
        raise ValueError(f"{argument} is {number}; expected {expected}")
    return number


def _read(path: Path, max_bytes: int, sha256: str | None) -> NDArray[Any]:
    file_size = _regular_file_size(path)
    with path.open("rb") as file:
        gzipped = file.peek(2)[:2] == _GZIP_MAGIC
        source = _GzipMember(file) if gzipped else file
        header = _read_header(source)
        header.check_size(file_size, max_bytes, gzipped)
        array = np.empty(header.shape, header.dtype)
        content = array.reshape(-1).view(np.uint8).data
        found = source.readinto(content)
        if found < header.payload:
            raise FormatError(f"{header} {header.payload:,} bytes, found {found:,}")
        _expect_end(source, header)
    if sha256 is not None:
        _check_sha256(sha256, header.raw, content)
    return array if array.dtype.isnative else array.byteswap(inplace=True).view(array.dtype.newbyteorder())


def _regular_file_size(path: Path) -> int:
    """Look before opening: to open a FIFO would wait for a writer, and a device may never end."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise FormatError(f"not a regular file (mode {stat.filemode(status.st_mode)}); expected an IDX file")
    return status.st_size


class _Header(NamedTuple):
    """A header whose every field is legal; whether the payload keeps its promise is not known yet."""

    raw: bytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def payload(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        sizes = " x ".join(str(size) for size in self.shape)
        return f"header declares {sizes} {self.dtype.name} from byte {len(self.raw)} on: expected"

    def check_size(self, file_size: int, max_bytes: int, gzipped: bool) -> None:
        """Refuse a lying header before anything is allocated."""
        if self.payload > max_bytes:
            raise FormatError(f"{self} at most max_bytes = {max_bytes:,}, found {self.payload:,} bytes")
        held = _DEFLATE_MAX_RATIO * file_size if gzipped else file_size - len(self.raw)
        if self.payload > held:
            at_most = "at most " if gzipped else ""
            raise FormatError(f"{self} {self.payload:,} bytes, found a file that holds {at_most}{held:,}")


def _read_header(source: "BufferedReader | _GzipMember") -> _Header:
    magic = _read_field(source, 4, "magic number", at=0)
    if magic[:2] != b"\0\0":
        raise FormatError(
            f"byte 0: found {magic!r}, expected two zero bytes (IDX) or {_GZIP_MAGIC!r} (gzip); "
            "is this a web page or another format?"
        )
    if magic[2] not in _DTYPES:
        codes = ", ".join(f"0x{code:02X}" for code in _DTYPES)
        raise FormatError(f"byte 2: found type code 0x{magic[2]:02X}, expected one of {codes}")
    if not 1 <= magic[3] <= _MAX_DIMENSIONS:
        raise FormatError(f"byte 3: found {magic[3]} dimensions, expected 1 to {_MAX_DIMENSIONS}")
    sizes = _read_field(source, 4 * magic[3], "sizes of the dimensions", at=4)
    shape = struct.unpack(f">{magic[3]}I", sizes)
    if 0 in shape:
        raise FormatError(f"byte {4 + 4 * shape.index(0)}: found a dimension of size 0, expected at least 1")
    return _Header(magic + sizes, np.dtype(_DTYPES[magic[2]]), shape)


def _read_field(source: "BufferedReader | _GzipMember", size: int, field: str, at: int) -> bytes:
    buffer = bytearray(size)
    found = source.readinto(memoryview(buffer))
    if found < size:
        raise FormatError(f"{field} cut at byte {at + found}: found {found} bytes, expected {size}")
    return bytes(buffer)


def _expect_end(source: "BufferedReader | _GzipMember", header: _Header) -> None:
    """Read past the last byte: only then does gzip compare its checksum."""
    if source.readinto(memoryview(bytearray(1))):
        end = len(header.raw) + header.payload
        raise FormatError(f"{header} {header.payload:,} bytes, found more: byte {end:,} should be the end")
    if isinstance(source, _GzipMember):
        source.expect_end_of_file()


def _check_sha256(expected: str, header: bytes, payload: memoryview) -> None:
    digest = hashlib.sha256(header)
    digest.update(payload)
    if digest.hexdigest() != expected.lower():
        raise FormatError(
            f"SHA-256 of the uncompressed content: found {digest.hexdigest()}, expected {expected}; "
            "the file is damaged or another one, replace it"
        )


class _GzipMember:
    """Inflates a file that is exactly one gzip member into the caller's buffers."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer`; return how many bytes were filled, fewer only at the end of the content."""
        filled = 0
        while filled < len(buffer) and not self._inflater.eof:
            piece = self._inflate(min(_CHUNK, len(buffer) - filled))
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def _inflate(self, at_most: int) -> bytes:
        packed = self._inflater.unconsumed_tail or self._file.read(_CHUNK)
        try:
            piece = self._inflater.decompress(packed, at_most)
        except zlib.error as error:
            raise FormatError(
                f"gzip data damaged before byte {self._file.tell():,} of the file: found {error}, expected "
                "an intact gzip file"
            ) from error
        if not packed and not piece and not self._inflater.eof:
            raise FormatError(f"gzip data cut: found the end of the file at byte {self._file.tell():,}, expected more")
        return piece

    def expect_end_of_file(self) -> None:
        """Refuse bytes after the member; to be called when the content has been read to its end."""
        rest = self._inflater.unused_data + self._file.read(len(_GZIP_MAGIC))
        if rest:
            what = "a second gzip member" if rest.startswith(_GZIP_MAGIC) else f"trailing bytes {rest[:8]!r}"
            raise FormatError(f"after the gzip data: found {what}, expected the end of the file")
