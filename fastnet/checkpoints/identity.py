"""What a training is: its data, its settings, where it runs. A checkpoint is resumed only where these are the same."""

import functools
import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from .._jit import VECTOR_BYTES
from ..callbacks import Callback

# Arrays up to so many bytes are hashed whole (10 ms), and of larger ones at most so many rows, spread evenly: data may
# be larger than memory, and mapped from a slow disk.
_WHOLE = 8 << 20
_ROWS = 512

_NEVER_COMPARED = "seed"  # None where the seed was a generator, or drawn


def describe_array(array: Any) -> dict[str, Any] | None:
    """Return shape, dtype and a hash of an array or sparse matrix; None for an empty one."""
    if hasattr(array, "indptr"):
        parts = {name: describe_array(getattr(array, name)) for name in ("indptr", "indices", "data")}
        content = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        return {"shape": list(array.shape), "dtype": str(array.dtype), "content": content}
    if array.size == 0:
        return None
    rows = array if array.nbytes <= _WHOLE else array[_sample(array)]
    content = hashlib.sha256(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data).hexdigest()[:16]
    return {"shape": list(array.shape), "dtype": str(array.dtype), "content": content}


def _sample(array: np.ndarray) -> np.ndarray:
    """Numbers of the rows that are hashed."""
    n = min(len(array), max(8, min(_ROWS, _WHOLE * len(array) // array.nbytes)))
    return np.unique(np.linspace(0, len(array) - 1, n).astype(np.int64))


def describe_data(X: Any, targets: Any, validation: Any) -> dict[str, Any]:
    """Return what data a training is given; targets as ``losses.make_targets`` gives them."""
    described = _describe_samples("", X, targets)
    return described | (_describe_samples("validation ", *validation) if validation is not None else {})


def _describe_samples(prefix: str, X: Any, targets: Any) -> dict[str, Any]:
    y = targets.labels if targets.labels.size else targets.values
    described = {"X": X, "y": y, "sample weights": targets.weights}
    return {prefix + name: describe_array(array) for name, array in described.items()}


def describe_settings(network: Any, settings: dict[str, Any], callbacks: Iterable[Callback]) -> dict[str, Any]:
    """Return the settings that bits depend on, as JSON has them."""
    described = {name: _plain(value) for name, value in settings.items()}
    described["network"] = network_of(network)
    described["callbacks with a state"] = [_callback_name(callback) for callback in with_state(callbacks)]
    return described


def network_of(network: Any) -> dict[str, Any]:
    """Return what a network is made from."""
    return {
        "layer_sizes": list(network.layer_sizes),
        "activation": list(network.activations),
        "output": network.output,
        "dtype": network.dtype.name,
    }


def with_state(callbacks: Iterable[Callback]) -> list[Callback]:
    """Return those callbacks that keep something in a checkpoint."""
    return [callback for callback in callbacks if type(callback).state_dict is not Callback.state_dict]


def machine() -> dict[str, Any]:
    """Return what the last bits of a training depend on beside data and settings."""
    from .. import __version__

    return {"fastnet": __version__, "vector_bytes": VECTOR_BYTES}


def _callback_name(callback: Callback) -> str:
    return repr(callback) if _has_repr(callback) else type(callback).__qualname__


def _has_repr(value: Any) -> bool:
    """Whether the repr says more than where in memory something lies."""
    return "__repr__" in {name for kind in type(value).__mro__[:-1] for name in vars(kind)}


def _plain(value: Any) -> Any:
    """Return a setting as JSON has it; functions by their names."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, functools.partial):
        return f"partial({_plain(value.func)}, {value.args}, {value.keywords})"
    if not _has_repr(value) or hasattr(value, "__qualname__"):
        kind = value if hasattr(value, "__qualname__") else type(value)
        return f"{kind.__module__}.{kind.__qualname__}"
    return repr(value)


def differences(kept: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return a line for each entry of nested dicts that is not the same."""
    lines = []
    for name in dict.fromkeys([*kept, *now]):
        one, other = kept.get(name), now.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            lines += [f"{name}.{line}" for line in differences(one, other)]
        elif one != other and not (name == _NEVER_COMPARED and None in (one, other)):
            lines.append(f"{name}: {_shown(one)} in the checkpoint, {_shown(other)} now")
    return lines


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    return "none" if value is None else repr(value)
