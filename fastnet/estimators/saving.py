"""Estimators as model files describe them, and back: parameters, weights, and what a next fit goes on from.

Not kept are what is no plain data (a callable ``monitor``, of which a warning tells), callbacks, metadata requests,
``set_output``, and attributes that are not the estimators' own. Subclasses are saved as the class they derive from.
"""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted

from ..models.file import KINDS
from ..models.parts import ModelParts, described, parts_of_kind, refuse_rest, take
from ..models.plain_data import decode, encode
from .optimizer import Optimizer
from .parameters import CONSTRAINTS, ENGINE_NAMES, activation_names, check_parameters

_OUTPUTS = {"softmax": "softmax", "logistic": "sigmoid", "identity": "identity", "exp": "exp"}


# -- from an estimator ---------------------------------------------------------------------------------


def estimator_parts(estimator: Any) -> ModelParts:
    """Return the parts of a fitted estimator."""
    check_is_fitted(estimator)
    dtype = np.result_type(np.float32, *estimator.coefs_, *estimator.intercepts_)
    names = activation_names(estimator.activation, len(estimator.coefs_) - 1)
    features = getattr(estimator, "feature_names_in_", None)
    return ModelParts(
        [np.asarray(array, dtype) for array in estimator.coefs_],
        [np.asarray(array, dtype) for array in estimator.intercepts_],
        tuple(ENGINE_NAMES.get(name, name) for name in names),
        _OUTPUTS[estimator.out_activation_],
        classes=getattr(estimator, "classes_", None),
        feature_names=None if features is None else tuple(map(str, features)),
    )


def described_estimator(estimator: Any) -> tuple[str, dict[str, Any], dict[str, np.ndarray]]:
    """Return what ``model_file.write`` takes: kind, description, tensors.

    Raises
    ------
    NotFittedError
    ValueError
        If a parameter has a value that is not allowed, or a weight is not finite.
    """
    parts = estimator_parts(estimator)
    check_parameters(estimator)
    kind = next(base.__name__ for base in type(estimator).__mro__ if base.__name__ in KINDS)
    config, tensors = described(parts)
    fitted = {name: getattr(estimator, name) for name in _FITTED if hasattr(estimator, name)}
    if "_optimizer" in fitted:
        fitted["_optimizer"] = dict(vars(fitted["_optimizer"]))
    if fitted.get("_random_state") is estimator.random_state:
        del fitted["_random_state"]  # the parameter brings it
    config["parameters"] = _parameters(estimator, tensors)
    config["fitted"] = {name: encode(f"fitted.{name}", value, tensors) for name, value in fitted.items()}
    return kind, config, tensors


def _parameters(estimator: Any, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    """Encode parameters; of what can't be, a warning tells."""
    found, params = {}, estimator.get_params(deep=False)
    for name in sorted(params.keys() & CONSTRAINTS.keys()):
        own: dict[str, np.ndarray] = {}
        try:
            found[name] = encode(f"parameters.{name}", params[name], own)
        except TypeError as error:
            warnings.warn(f"{error}: the loaded estimator will have the default of {name!r}", UserWarning, stacklevel=4)
        tensors.update(own if name in found else {})
    return found


# -- back again ----------------------------------------------------------------------------------------


def restored(estimator_class: Any, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Any:
    """Return the estimator that ``described_estimator`` has described.

    Raises
    ------
    ValueError, TypeError
        If anything does not fit.
    """
    parts = parts_of_kind(estimator_class.__name__, config, tensors)
    parameters = {name: decode(value, tensors) for name, value in take(config, "parameters", dict).items()}
    fitted = {name: decode(value, tensors) for name, value in take(config, "fitted", dict).items()}
    estimator = estimator_class(**parameters)
    check_parameters(estimator)
    _set_weights(estimator, parts)
    for name, value in fitted.items():
        if name not in _FITTED:
            raise ValueError(f"config: fitted has the unknown attribute {name!r}")
        setattr(estimator, name, _FITTED[name](name, value))
    _check_resuming(estimator, parts)
    refuse_rest(config, tensors)
    return estimator


def _set_weights(estimator: Any, parts: ModelParts) -> None:
    names = activation_names(estimator.activation, len(parts.activations))
    if tuple(ENGINE_NAMES.get(name, name) for name in names) != parts.activations:
        raise ValueError(f"config: activations {list(parts.activations)} differ from the parameter {names}")
    estimator.coefs_, estimator.intercepts_ = parts.weights, parts.biases
    estimator.n_features_in_, estimator.n_outputs_ = parts.layer_sizes[0], parts.layer_sizes[-1]
    estimator.n_layers_ = len(parts.layer_sizes)
    estimator.out_activation_ = next(given for given, name in _OUTPUTS.items() if name == parts.output)
    if parts.feature_names is not None:
        estimator.feature_names_in_ = np.array(parts.feature_names, object)
    if parts.classes is not None:
        estimator._label_binarizer = _binarizer(parts.classes, parts.output, estimator.n_outputs_)
        estimator.classes_ = estimator._label_binarizer.classes_


def _binarizer(classes: np.ndarray, output: str, n_outputs: int) -> LabelBinarizer:
    """Return scikit-learn's translator between labels and targets, as the fit has made it."""
    several_labels = output == "sigmoid" and n_outputs > 1
    found = LabelBinarizer().fit(np.eye(2, n_outputs, dtype=int) if several_labels else classes)
    columns = len(found.classes_) if several_labels or len(found.classes_) > 2 else 1
    same = np.array_equal(found.classes_, classes) and (found.y_type_ == "multiclass") == (output == "softmax")
    if not same or columns != n_outputs:
        raise ValueError(
            f"config: classes must be sorted and go with {n_outputs} {output} outputs, got {classes.tolist()!r:.60}"
        )
    return found


# -- fitted attributes ---------------------------------------------------------------------------------


def _count(name: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"config: {name} must be an int >= 0, got {value!r:.60}")
    return value


def _number(name: str, value: Any) -> float | None:
    if value is not None and type(value) not in (int, float):
        raise ValueError(f"config: {name} must be a number or None, got {value!r:.60}")
    return value


def _curve(name: str, value: Any) -> list[float] | None:
    if value is not None and not (isinstance(value, list) and all(type(item) in (int, float) for item in value)):
        raise ValueError(f"config: {name} must be a list of numbers or None, got {value!r:.60}")
    return value


def _random_state(name: str, value: Any) -> np.random.RandomState:
    if not isinstance(value, np.random.RandomState):
        raise ValueError(f"config: {name} must be a random state, got {value!r:.60}")
    return value


def _order(name: str, value: Any) -> np.ndarray:
    """Row numbers reach compiled code: each must be there once."""
    if not isinstance(value, np.ndarray) or value.dtype != np.int64 or value.ndim != 1:
        raise ValueError(f"{name} must be a vector of int64, got {value!r:.60}")
    if not np.array_equal(np.sort(value), np.arange(len(value))):
        raise ValueError(f"{name} must hold each row number once")
    return value


def _split(name: str, value: Any) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(value, tuple) or len(value) != 2 or not all(isinstance(part, np.ndarray) for part in value):
        raise ValueError(f"config: {name} must be a pair of vectors, got {value!r:.60}")
    _order(name, np.concatenate(value))
    return value


def _vector(name: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.ndim != 1 or not np.isfinite(value).all():
        raise ValueError(f"{name} must be a vector of finite numbers, got {value!r:.60}")
    return value


def _optimizer(name: str, value: Any) -> Optimizer:
    fields = {field.name: field.type for field in dataclasses.fields(Optimizer)}
    if not isinstance(value, dict) or value.keys() != fields.keys():
        raise ValueError(f"config: {name} must have the fields {', '.join(fields)}, got {value!r:.60}")
    for field, kind in fields.items():
        allowed: Any = (int, float) if kind is float else list if field == "vectors" else kind
        if not isinstance(value[field], allowed) or (kind is not bool and isinstance(value[field], bool)):
            raise ValueError(f"config: {name}.{field} has the wrong type: {value[field]!r:.60}")
    _count(f"{name}.steps", value["steps"])
    for vector in value["vectors"]:
        _vector(f"{name}.vectors", vector)
    optimizer = Optimizer(**{field: item for field, item in value.items() if field != "learning_rate"})
    optimizer.learning_rate = value["learning_rate"]
    return optimizer


def _check_resuming(estimator: Any, parts: ModelParts) -> None:
    """Complete and check what a fit with ``resume`` goes on from."""
    if not hasattr(estimator, "_random_state") and isinstance(estimator.random_state, np.random.RandomState):
        estimator._random_state = estimator.random_state
    if not hasattr(estimator, "_order"):
        return
    _random_state("_random_state", getattr(estimator, "_random_state", None))
    n_parameters = sum(array.size for array in (*parts.weights, *parts.biases))
    if not hasattr(estimator, "_last") or estimator._last.shape != (n_parameters,):
        raise ValueError(f"config: _last must be a vector of {n_parameters} numbers")


# Attributes that are kept beside weights and classes, and what checks them.
_FITTED: dict[str, Callable[[str, Any], Any]] = {
    "n_iter_": _count,
    "t_": _count,
    "loss_": _number,
    "best_loss_": _number,
    "best_validation_score_": _number,
    "loss_curve_": _curve,
    "validation_scores_": _curve,
    "validation_loss_curve_": _curve,
    "_no_improvement_count": _count,
    "_optimizer": _optimizer,
    "_random_state": _random_state,
    "_order": _order,
    "_split": _split,
    "_last": _vector,
}
