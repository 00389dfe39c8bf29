"""Model files: safetensors with a description and a checksum in the header. Nothing in a file is ever executed.

A file is what https://github.com/huggingface/safetensors describes: 8 bytes that say how long the header is (little
endian), the header in JSON, and the numbers. The header's ``__metadata__`` has six texts:

==============  ======================================================================
format          "fastnet"
format_version  "1"
written_by      "fastnet 0.1.0"
kind            "Network", "MLPClassifier" or "MLPRegressor"
config          JSON: what belongs to the model beside its tensors
sha256          of the whole file, with 64 zeros in the place of these 64 digits
==============  ======================================================================

The same model gives the same bytes. Nothing of a file that differs in a single bit is believed.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..exceptions import FormatError
from ..files import write_atomically

FORMAT_VERSION = 1
KINDS = ("Network", "MLPClassifier", "MLPRegressor")

_FIELDS = ("config", "format", "format_version", "kind", "sha256", "written_by")
_NO_DIGEST = "0" * 64
_MARK = b'"sha256":"'  # can't stand anywhere else in a header: quotes within texts are escaped
_MAX_HEADER = 100_000_000  # bytes; safetensors' own limit

# What users take for a model file, by its first bytes.
_OTHERS = {
    b"\x89HDF": "an HDF5 file",
    b"\x93NUM": "a NumPy array",
    b"PK\x03\x04": "a zip archive, such as torch.save and numpy.savez write",
    b"\x1f\x8b": "a gzip file",
}


class ModelFile(NamedTuple):
    """What a file holds."""

    path: str
    kind: str
    config: dict[str, Any]
    tensors: dict[str, np.ndarray]


# -- writing -------------------------------------------------------------------------------------------


def write(path: str | os.PathLike[str], kind: str, config: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    """Write a model file in one step; its bytes depend on the arguments alone."""
    from .. import __version__

    metadata = {
        "config": json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False),
        "format": "fastnet",
        "format_version": str(FORMAT_VERSION),
        "kind": kind,
        "sha256": _NO_DIGEST,
        "written_by": f"fastnet {__version__}",
    }
    header, payload = _serialised(metadata, tensors)
    digest = hashlib.sha256(header)
    digest.update(payload)
    at = header.index(_MARK) + len(_MARK)
    write_atomically(path, [header[:at], digest.hexdigest().encode(), header[at + len(_NO_DIGEST) :], payload])


def _serialised(metadata: dict[str, str], tensors: Mapping[str, Any]) -> tuple[bytes, memoryview]:
    """Length and header, and the numbers; safetensors itself writes metadata in an order that changes."""
    from safetensors.numpy import save

    raw = save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
    end = 8 + int.from_bytes(raw[:8], "little")
    places = json.loads(raw[8:end])
    header = json.dumps({"__metadata__": metadata, **places}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > _MAX_HEADER:
        raise ValueError(
            f"the model's names and settings take {len(header):,} bytes; at most {_MAX_HEADER:,} can be saved"
        )
    return len(header).to_bytes(8, "little") + header, memoryview(raw)[end:]


# -- reading -------------------------------------------------------------------------------------------


def read(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file and check its structure, version and checksum.

    Raises
    ------
    OSError
        If the file can't be read.
    FormatError
        If it is not a model file, is damaged, or was written by a newer fastnet.
    """
    with reading(path):
        data = _bytes_of(Path(path))
        header = data[8 : 8 + int.from_bytes(data[:8], "little")]
        tensors = _tensors(data)
        metadata = strict_json(header.decode(), "the header").get("__metadata__", {})
        _check_origin(metadata, tensors)
        _check_digest(data, header, metadata["sha256"])
        config = strict_json(metadata["config"], "config")
        if metadata["kind"] not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {metadata['kind']!r}")
    return ModelFile(os.fspath(path), metadata["kind"], config, tensors)


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what goes wrong while a file is understood into a ``FormatError`` that names the file."""
    try:
        yield
    except FormatError:
        raise
    except RecursionError:
        raise FormatError(f"{os.fspath(path)}: is nested too deeply") from None
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        text = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise FormatError(f"{os.fspath(path)}: {text}") from error


def strict_json(text: str, what: str) -> dict[str, Any]:
    """Parse an object in JSON; names that come twice, NaN and infinity are refused."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(found)
        if len(result) < len(found):
            names = [name for name, _ in found]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{what} has {twice!r} twice")
        return result

    def constant(name: str) -> Any:
        raise ValueError(f"{what} holds {name}, which is not JSON")

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"{what} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be an object in JSON, got {type(value).__name__}")
    return value


def _bytes_of(path: Path) -> bytes:
    """Return the content of a file that begins as a model file does: others are not read as a whole."""
    mode, size = path.stat().st_mode, path.stat().st_size
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ValueError("is not a regular file")
    with path.open("rb") as file:
        start = file.read(9)
        _check_start(start, size)
        return start + file.read()


def _check_start(start: bytes, size: int) -> None:
    length = int.from_bytes(start[:8], "little")
    if len(start) == 9 and length <= _MAX_HEADER and start[8:] == b"{":
        if 8 + length > size:
            raise ValueError(f"is cut off: its header ends at byte {8 + length:,}, but it holds {size:,} bytes")
        return
    for magic, name in _OTHERS.items():
        if start.startswith(magic):
            raise ValueError(f"is {name}; expected a model file that fastnet has saved")
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise ValueError("is a pickle, which could run anything and is never opened; expected a model file")
    if len(start) < 9:
        raise ValueError(f"holds {size} bytes, which is too short for a model file")
    raise ValueError("is not a model file: it does not begin with a safetensors header")


def _tensors(data: bytes) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(data)
    except SafetensorError as error:
        raise ValueError(f"is damaged or cut off: {error}") from None


def _check_origin(metadata: dict[str, str], tensors: dict[str, np.ndarray]) -> None:
    """Refuse other people's safetensors, and newer versions of ours."""
    from .. import __version__

    if metadata.get("format") != "fastnet":
        names = ", ".join(list(tensors)[:3]) + (", ..." if len(tensors) > 3 else "")
        raise ValueError(
            f"is a safetensors file ({names or 'no tensors'}), but not one that fastnet has saved; weights of torch: "
            "Network.from_torch_state_dict(safetensors.numpy.load_file(path), activation=...)"
        )
    version = metadata.get("format_version", "")
    if not (version.isascii() and version.isdigit() and len(version) < 10 and int(version) > 0):
        raise ValueError(f"format_version must be a number above 0, got {version!r}")
    if int(version) > FORMAT_VERSION:
        raise ValueError(
            f"has format version {version}, written by {metadata.get('written_by', 'an unknown program')}; this is "
            f"fastnet {__version__}, which reads versions up to {FORMAT_VERSION}: upgrade fastnet-numba"
        )
    for name in _FIELDS:
        if name not in metadata:
            raise ValueError(f"the header has no {name!r}")
    unknown = sorted(set(metadata) - set(_FIELDS))
    if unknown:
        raise ValueError(f"the header has an unknown field {unknown[0]!r}")


def _check_digest(data: bytes, header: bytes, written: str) -> None:
    at = 8 + header.find(_MARK) + len(_MARK)
    if header.count(_MARK) != 1 or len(written) != 64 or data[at : at + 64] != written.encode():
        raise ValueError("sha256 must be 64 hexadecimal digits, right behind their name")
    digest = hashlib.sha256(data[:at])
    digest.update(_NO_DIGEST.encode())
    digest.update(memoryview(data)[at + 64 :])
    if digest.hexdigest() != written:
        raise ValueError(
            f"is damaged, or was changed after it was written: its SHA-256 is {digest.hexdigest()[:12]}..., but the "
            f"header says {written[:12]}..."
        )
