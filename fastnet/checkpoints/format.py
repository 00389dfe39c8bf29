"""The bytes of a checkpoint: a safetensors file that knows its own checksum.

A checkpoint is a tree of dicts and lists with numbers, strings and arrays at its ends. Arrays become tensors, named by
their way from the root ("optimizer.vectors.0"), and all else becomes JSON in the header's metadata, beside a SHA-256 of
both. Any plain safetensors reader can open it; nothing in it is ever run.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import FormatError

VERSION = 1
_KIND = "fastnet checkpoint"
_TENSOR = "__tensor__"
_DTYPES = "biuf"  # kinds that safetensors can hold


def encode(tree: dict[str, Any]) -> bytes:
    """Return the bytes of a tree.

    Raises
    ------
    TypeError
        If there is something in it that is neither a number, a string, a dict, a list nor a numeric array.
    """
    from safetensors.numpy import save

    tensors: dict[str, np.ndarray] = {}
    text = json.dumps(_without_arrays(tree, "", tensors), sort_keys=True)
    metadata = {"format": _KIND, "version": str(VERSION), "state": text, "sha256": _digest(text, tensors)}
    return save(tensors, metadata)


def decode(data: bytes, name: str) -> dict[str, Any]:
    """Return the tree that some bytes hold.

    Parameters
    ----------
    data : bytes
    name : str
        Of the file, for messages.

    Raises
    ------
    FormatError
        If a byte is not as it was written, or the file is something else.
    """
    from safetensors.numpy import load

    try:
        tensors = load(data)
        metadata = _metadata(data)
    except Exception as error:  # whatever a parser may say about any bytes
        raise FormatError(f"{name}: is no whole safetensors file ({type(error).__name__}: {error})") from None
    if metadata.get("format") != _KIND:
        raise FormatError(f"{name}: is no checkpoint of fastnet (format {metadata.get('format')!r}, not {_KIND!r})")
    if metadata.get("version") != str(VERSION):
        version = metadata.get("version")
        raise FormatError(f"{name}: has format version {version!r}; this fastnet reads version {VERSION}")
    text = str(metadata.get("state"))
    if metadata.get("sha256") != _digest(text, tensors):
        raise FormatError(f"{name}: is damaged: its SHA-256 is not that of its content")
    try:
        return dict(_with_arrays(json.loads(text), tensors))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FormatError(f"{name}: holds no state of a training ({type(error).__name__}: {error})") from None


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the tree of a file.

    Raises
    ------
    OSError
        If it can't be read.
    FormatError
        As ``decode``.
    """
    return decode(Path(path).read_bytes(), str(path))


def _metadata(data: bytes) -> dict[str, Any]:
    """Metadata of a file that safetensors has already found to be whole."""
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length])["__metadata__"])


def _digest(text: str, tensors: dict[str, np.ndarray]) -> str:
    """SHA-256 of the state, and of names, dtypes, shapes and bytes of the tensors, as hexadecimal digits."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _without_arrays(value: Any, place: str, tensors: dict[str, np.ndarray]) -> Any:
    """Return a tree with references in the place of arrays, which go to ``tensors``."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _DTYPES:
            raise TypeError(f"{place}: an array of dtype {value.dtype} can't be kept in a checkpoint, only numbers can")
        array = np.ascontiguousarray(value).reshape(value.shape)
        tensors[place] = array.astype(array.dtype.newbyteorder("="), copy=False)
        return {_TENSOR: place}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{place}: keys of a dict in a checkpoint must be strings, got {key!r}")
        return {key: _without_arrays(one, f"{place}.{key}".lstrip("."), tensors) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(one, f"{place}.{number}", tensors) for number, one in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"{place}: a {type(value).__name__} can't be kept in a checkpoint; numbers, strings, dicts, lists, arrays can"
    )


def _with_arrays(value: Any, tensors: dict[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_TENSOR}:
            return tensors[value[_TENSOR]]
        return {key: _with_arrays(one, tensors) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_arrays(one, tensors) for one in value]
    return value
