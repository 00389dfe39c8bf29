"""Model files that lie: changed, and signed anew so that their checksum is right."""

import hashlib
import json
import struct

import pytest

import fastnet
from fastnet import FormatError


def refused(path, data, match=None, backend="numpy"):
    """Write a file that must be refused with its name; returns the message."""
    path.write_bytes(data)
    with pytest.raises(FormatError, match=match) as caught:
        fastnet.load(path, backend)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def rewritten(path, change):
    """Return a file whose header and config ``change(header, config)`` has changed."""
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    header, payload = json.loads(data[8 : 8 + n]), data[8 + n :]
    config = json.loads(header["__metadata__"]["config"])
    change(header, config)
    metadata = header["__metadata__"]
    metadata["config"] = metadata["config"] and json.dumps(config)
    header["__metadata__"] = {name: text for name, text in metadata.items() if text is not None}
    return sign(json.dumps(header, separators=(",", ":")).encode(), payload)


def sign(header, payload):
    """Return a file with the right length and checksum."""
    header += b" " * (-len(header) % 8)
    data = struct.pack("<Q", len(header)) + header + payload
    at = data.index(b'"sha256":"') + 10
    old = data[at : at + 64]
    digest = hashlib.sha256(data.replace(old, b"0" * 64, 1)).hexdigest()
    return data.replace(old, digest.encode(), 1)
