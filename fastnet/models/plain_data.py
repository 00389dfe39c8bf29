"""Plain values as JSON and tensors, and back: no class is ever looked up by name, nothing is executed.

=====================================  =====================================================
None, bool, int, str, finite float     as in JSON
list                                   a list
inf, -inf, nan                         {"float": "inf"}
tuple                                  {"tuple": [...]}
dict                                   {"dict": [[key, value], ...]}
array of numbers                       {"array": name of its tensor}
array of texts                         {"labels": {"dtype": "str", "values": [...]}}
numpy.random.RandomState (MT19937)     {"random_state": ...}
=====================================  =====================================================
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

_LABEL_DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "str", "object"),
)
_MT19937_WORDS = 624


# -- to JSON -------------------------------------------------------------------------------------------


def encode(name: str, value: Any, tensors: dict[str, np.ndarray]) -> Any:
    """Return what stands for a value in JSON; arrays of numbers are put into ``tensors``.

    Raises
    ------
    TypeError
        If the value, or one within it, is not plain data.
    """
    if isinstance(value, np.bool_ | np.integer | np.floating | np.str_):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, list | tuple):
        items = [encode(f"{name}.{i}", item, tensors) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, dict):
        pairs = list(value.items())
        return {
            "dict": [[encode(name, k, tensors), encode(f"{name}.{i}", v, tensors)] for i, (k, v) in enumerate(pairs)]
        }
    if isinstance(value, np.ndarray):
        return _encode_array(name, value, tensors)
    if isinstance(value, np.random.RandomState):
        return {"random_state": encode(name, _state_of(name, value), tensors)}
    raise TypeError(f"{name} is of type {type(value).__name__}, which can't be saved")


def _encode_array(name: str, array: np.ndarray, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        return {"labels": encode_labels(name, array)}
    tensors[name] = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
    return {"array": name}


def _state_of(name: str, generator: np.random.RandomState) -> list[Any]:
    state: Any = generator.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        raise TypeError(f"{name} is a RandomState of {state['bit_generator']}, which can't be saved; one of a seed can")
    return [state["state"]["key"], int(state["state"]["pos"]), int(state["has_gauss"]), float(state["gauss"])]


def encode_labels(name: str, labels: np.ndarray) -> dict[str, Any]:
    """Return what stands for a vector of numbers or texts in JSON."""
    dtype = {"U": "str", "O": "object"}.get(labels.dtype.kind, labels.dtype.name)
    values = labels.tolist()
    if labels.ndim != 1 or dtype not in _LABEL_DTYPES or (dtype == "object" and {type(v) for v in values} - {str}):
        raise TypeError(f"{name}: an array of shape {labels.shape} and dtype {labels.dtype} can't be saved")
    return {"dtype": dtype, "values": values}


# -- from JSON -----------------------------------------------------------------------------------------


def decode(value: Any, tensors: dict[str, np.ndarray]) -> Any:
    """Return the value that something in JSON stands for; its tensors are taken out of ``tensors``.

    Raises
    ------
    ValueError, TypeError, KeyError
        If it stands for nothing.
    """
    if isinstance(value, list):
        return [decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError(f"a value in config must have one type, got {sorted(value)}")
    ((kind, content),) = value.items()
    if kind not in _DECODERS:
        raise ValueError(f"config holds a value of the unknown type {kind!r}")
    return _DECODERS[kind](content, tensors)


def _float(content: Any, tensors: dict[str, np.ndarray]) -> float:
    if content not in ("inf", "-inf", "nan"):
        raise ValueError(f"a float must be inf, -inf or nan, got {content!r}")
    return float(content)


def _tuple(content: Any, tensors: dict[str, np.ndarray]) -> tuple[Any, ...]:
    return tuple(decode(_list(content), tensors))


def _dict(content: Any, tensors: dict[str, np.ndarray]) -> dict[Any, Any]:
    pairs = [(decode(key, tensors), decode(item, tensors)) for key, item in _list(content)]
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a dict in config has a key twice")
    return found


def _array(content: Any, tensors: dict[str, np.ndarray]) -> np.ndarray:
    if not isinstance(content, str) or content not in tensors:
        raise ValueError(f"config names the tensor {content!r}, which is missing, or named twice")
    return tensors.pop(content)


def _labels(content: Any, tensors: dict[str, np.ndarray]) -> np.ndarray:
    return decode_labels(content)


def decode_labels(content: Any) -> np.ndarray:
    """Return the vector that ``encode_labels`` has written."""
    if not isinstance(content, dict) or sorted(content) != ["dtype", "values"]:
        raise ValueError(f"labels must have a dtype and values, got {content!r:.60}")
    dtype, values = content["dtype"], _list(content["values"])
    if dtype not in _LABEL_DTYPES:
        raise ValueError(f"labels have the unknown dtype {dtype!r}")
    kinds = {"bool": bool, "float16": float, "float32": float, "float64": float, "str": str, "object": str}
    kind = kinds.get(dtype, int)
    wrong = next((v for v in values if type(v) is not kind), None)
    found = np.array(values if wrong is None else [], dtype)
    if wrong is not None or found.tolist() != values:
        raise ValueError(f"labels of dtype {dtype} must be of type {kind.__name__} and fit, got {wrong!r:.60}")
    return found


def _random_state(content: Any, tensors: dict[str, np.ndarray]) -> np.random.RandomState:
    key, position, has_gauss, gauss = decode(_list(content), tensors)
    if not isinstance(key, np.ndarray) or key.dtype != np.uint32 or key.shape != (_MT19937_WORDS,):
        raise ValueError(f"a random state must have {_MT19937_WORDS} words of uint32")
    # NumPy takes any position, and reads beyond the words with a wrong one.
    if type(position) is not int or not 0 <= position <= _MT19937_WORDS or has_gauss not in (0, 1):
        raise ValueError(f"a random state's position must lie in [0, {_MT19937_WORDS}], got {position!r}")
    generator = np.random.RandomState()
    generator.set_state(("MT19937", key, position, has_gauss, float(gauss)))
    return generator


def _list(content: Any) -> list[Any]:
    if not isinstance(content, list):
        raise ValueError(f"expected a list in config, got {content!r:.60}")
    return content


_DECODERS: dict[str, Callable[[Any, dict[str, np.ndarray]], Any]] = {
    "float": _float,
    "tuple": _tuple,
    "dict": _dict,
    "array": _array,
    "labels": _labels,
    "random_state": _random_state,
}
