"""What a model consists of, whoever computes with it: checked parts, their description in a file, and back."""

import copy
import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from .. import checks
from ..preprocessing import Preprocessing
from .formulas import ACTIVATIONS, OUTPUTS
from .plain_data import decode_labels, encode_labels

_OUTPUTS_OF_KIND = {
    "Network": ("softmax", "sigmoid", "identity"),
    "MLPClassifier": ("softmax", "sigmoid"),
    "MLPRegressor": ("identity", "exp"),
}
_PREPROCESSING_ARRAYS = ("mean", "factors", "components")


@dataclass(frozen=True, eq=False)
class ModelParts:
    """Weights, and what is done with them.

    Attributes
    ----------
    weights, biases : list of ndarray
        (n_in, n_out) and (n_out,), one a layer, all float32 or all float64.
    activations : tuple of str
        Of the hidden layers.
    output : {"softmax", "sigmoid", "identity", "exp"}
    preprocessing : Preprocessing or None
    classes : ndarray or None
    feature_names : tuple of str or None
    """

    weights: list[np.ndarray]
    biases: list[np.ndarray]
    activations: tuple[str, ...]
    output: str
    preprocessing: Preprocessing | None = None
    classes: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Inputs, hidden units of each layer, outputs."""
        return (len(self.weights[0]), *(len(bias) for bias in self.biases))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of all arrays."""
        return self.weights[0].dtype

    @property
    def n_features(self) -> int:
        """Columns of the rows that the model takes."""
        return self.layer_sizes[0] if self.preprocessing is None else len(self.preprocessing.mean)


def parts_of(network: Any) -> ModelParts:
    """Return the parts of a ``Network``; its arrays are not copied."""
    return ModelParts(
        list(network.weights),
        list(network.biases),
        network.activations,
        network.output,
        network.preprocessing,
        network.classes,
        network.feature_names,
    )


def check_classes(value: Any, output: str, n_outputs: int) -> np.ndarray:
    """Return labels of classes in the order of the outputs; one sigmoid has two of them."""
    return checks.check_classes("classes", value, 2 if output == "sigmoid" and n_outputs == 1 else n_outputs)


def folded(parts: ModelParts) -> ModelParts:
    """Return parts without preprocessing, which is multiplied into the first layer's weights, in float64.

    They take rows of the kind that was trained on, pixels being numbers from 0 to 255.
    """
    before = parts.preprocessing
    if before is None:
        return parts
    weights, mean = parts.weights[0].astype(np.float64), before.mean.astype(np.float64)
    if before.components is not None:
        weights = before.components.astype(np.float64) @ weights
    bias = parts.biases[0] - mean @ weights
    unit = before.scale if before.factors is None else before.scale * before.factors.astype(np.float64)[:, np.newaxis]
    first = ((unit * weights).astype(parts.dtype), bias.astype(parts.dtype))
    return replace(
        parts, weights=[first[0], *parts.weights[1:]], biases=[first[1], *parts.biases[1:]], preprocessing=None
    )


# -- to a file -----------------------------------------------------------------------------------------


def described(parts: ModelParts) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what ``parts_from`` understands: a description in JSON, and tensors by name.

    Raises
    ------
    ValueError
        If a number is not finite, or something has been put into the parts that does not belong there.
    """
    tensors: dict[str, np.ndarray] = {}
    for i, (weight, bias) in enumerate(zip(parts.weights, parts.biases, strict=True)):
        tensors[f"weights.{i}"], tensors[f"biases.{i}"] = weight, bias
    before = parts.preprocessing
    config = {
        "layer_sizes": list(parts.layer_sizes),
        "activations": list(parts.activations),
        "output": parts.output,
        "dtype": parts.dtype.name,
        "classes": None if parts.classes is None else encode_labels("classes", parts.classes),
        "feature_names": None if parts.feature_names is None else list(parts.feature_names),
        "preprocessing": None if before is None else {"kind": before.kind, "scale": float(before.scale)},
    }
    for name in _PREPROCESSING_ARRAYS:
        if before is not None and getattr(before, name) is not None:
            tensors[f"preprocessing.{name}"] = getattr(before, name)
    parts_from(copy.deepcopy(config), dict(tensors))  # what can't be read is not written
    return config, tensors


# -- from a file ---------------------------------------------------------------------------------------


def take(config: dict[str, Any], name: str, *kinds: type) -> Any:
    """Take a field out of a description; anything but ``kinds`` is refused."""
    if name not in config:
        raise ValueError(f"config has no {name!r}")
    value = config.pop(name)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
        raise ValueError(f"config: {name} must be of type {names}, got {value!r:.60}")
    return value


def refuse_rest(config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    """Refuse fields and tensors that nobody has asked for."""
    for what, rest in (("config has the unknown field", config), ("there is a tensor that is not needed:", tensors)):
        if rest:
            raise ValueError(f"{what} {min(rest)!r}")


def parts_from(config: dict[str, Any], tensors: dict[str, np.ndarray]) -> ModelParts:
    """Return the parts that ``described`` has described; what is understood is taken out of both dicts.

    Raises
    ------
    ValueError, TypeError
        If anything does not fit.
    """
    sizes = [
        checks.check_integer(f"layer_sizes[{i}]", n, low=1) for i, n in enumerate(take(config, "layer_sizes", list))
    ]
    if len(sizes) < 2:
        raise ValueError(f"config: layer_sizes needs at least inputs and outputs, got {sizes}")
    dtype = np.dtype(checks.check_choice("dtype", take(config, "dtype", str), ("float32", "float64")))
    output = checks.check_choice("output", take(config, "output", str), tuple(OUTPUTS))
    names = take(config, "activations", list)
    if len(names) != len(sizes) - 2:
        raise ValueError(f"config: activations must be {len(sizes) - 2}, one a hidden layer, got {len(names)}")
    activations = tuple(checks.check_choice(f"activations[{i}]", n, tuple(ACTIVATIONS)) for i, n in enumerate(names))
    weights = [_tensor(tensors, f"weights.{i}", shape, dtype) for i, shape in enumerate(pairwise(sizes))]
    biases = [_tensor(tensors, f"biases.{i}", (n,), dtype) for i, n in enumerate(sizes[1:])]
    before = _preprocessing(take(config, "preprocessing", dict, type(None)), tensors, sizes[0], dtype)
    parts = ModelParts(weights, biases, activations, output, before)
    return replace(parts, classes=_classes(config), feature_names=_feature_names(config, parts.n_features))


def parts_of_kind(kind: str, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> ModelParts:
    """Return the same, if they are what a kind of model may have."""
    parts = parts_from(config, tensors)
    n_outputs, classes = parts.layer_sizes[-1], parts.classes
    if parts.output not in _OUTPUTS_OF_KIND[kind]:
        raise ValueError(f"config: output {parts.output!r} does not belong to {kind}")
    if kind == "Network":
        return parts if classes is None else replace(parts, classes=check_classes(classes, parts.output, n_outputs))
    if parts.preprocessing is not None:
        raise ValueError(f"config: {kind} has no preprocessing")
    if (classes is not None) != (kind == "MLPClassifier"):
        raise ValueError(f"config: classes must be {'given' if classes is None else 'None'} for {kind}")
    if classes is not None:
        single = parts.output == "sigmoid" and len(classes) == 1
        checks.check_classes("classes", classes, 1) if single else check_classes(classes, parts.output, n_outputs)
    return parts


def _tensor(
    tensors: dict[str, np.ndarray], name: str, shape: tuple[int | None, ...], dtype: np.dtype[Any]
) -> np.ndarray:
    """Take a tensor of a shape, in which None stands for any number."""
    if name not in tensors:
        raise ValueError(f"tensor {name!r} is missing")
    found = tensors.pop(name)
    fits = len(found.shape) == len(shape) and all(n in (None, m) for n, m in zip(shape, found.shape, strict=True))
    if not fits or found.dtype != dtype or 0 in found.shape:
        wanted = f"({', '.join('n' if n is None else str(n) for n in shape)}{',' if len(shape) == 1 else ''})"
        got = f"shape {found.shape} and dtype {found.dtype}"
        raise ValueError(f"tensor {name!r} must have shape {wanted} and dtype {dtype}, got {got}")
    checks.check_finite(f"tensor {name!r}", found)
    return found


def _preprocessing(
    config: dict[str, Any] | None, tensors: dict[str, np.ndarray], n_inputs: int, dtype: np.dtype[Any]
) -> Preprocessing | None:
    if config is None:
        return None
    kind = checks.check_choice("preprocessing.kind", take(config, "kind", str), ("uint8", "float"))
    scale = checks.check_number("preprocessing.scale", take(config, "scale", int, float), low=-math.inf)
    refuse_rest(config, {})
    components = n_features = None
    if "preprocessing.components" in tensors:
        components = _tensor(tensors, "preprocessing.components", (None, n_inputs), dtype)
        n_features = len(components)
    shape = (n_inputs if n_features is None else n_features,)
    mean = _tensor(tensors, "preprocessing.mean", shape, dtype)
    has_factors = "preprocessing.factors" in tensors
    factors = _tensor(tensors, "preprocessing.factors", shape, dtype) if has_factors else None
    return Preprocessing(mean, scale, kind, factors, components)


def _classes(config: dict[str, Any]) -> np.ndarray | None:
    """Labels, in a number that their kind of model knows."""
    found = take(config, "classes", dict, type(None))
    return None if found is None else decode_labels(found)


def _feature_names(config: dict[str, Any], n_features: int) -> tuple[str, ...] | None:
    found = take(config, "feature_names", list, type(None))
    return None if found is None else checks.check_feature_names("feature_names", found, n_features)
