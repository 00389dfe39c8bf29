"""The door of the estimators: constructor parameters are checked by ``fit``, in scikit-learn's words."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn import get_config

from ..network import ACTIVATIONS
from ..regularisation import dropout_rates

# Names that scikit-learn gives to activations of ours.
ENGINE_NAMES = {"logistic": "sigmoid"}
ACTIVATION_NAMES = tuple(
    sorted(
        {name: given for given, name in ENGINE_NAMES.items()}.get(name, name)
        for name in ACTIVATIONS
        if name != "step"  # has no gradient
    )
)
INITIAL_WEIGHTS = (
    "auto",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "zeros",
)


class Constraint(NamedTuple):
    """A kind of values, and how an error describes it."""

    allows: Callable[[Any], bool]
    text: str


def _options(*names: str) -> Constraint:
    return Constraint(
        lambda value: isinstance(value, str) and value in names, f"a str among {{{', '.join(map(repr, names))}}}"
    )


def _interval(kind: Any, low: float, high: float = np.inf, closed: str = "left") -> Constraint:
    """Numbers between two bounds; infinity is in no interval of integers."""
    left, right = closed in ("left", "both"), closed in ("right", "both")

    def allows(value: Any) -> bool:
        if not isinstance(value, kind):
            return False
        return bool((value >= low if left else value > low) and (value <= high if right else value < high))

    name = "int" if kind is Integral else "float"
    bounds = [str(float(bound)) if kind is Real else str(bound) for bound in (low, high)]
    return Constraint(
        allows, f"{_article(name)} in the range {'[' if left else '('}{bounds[0]}, {bounds[1]}{']' if right else ')'}"
    )


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _instance(kind: type) -> Constraint:
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return Constraint(lambda value: isinstance(value, kind), f"an instance of {name!r}")


_NONE = Constraint(lambda value: value is None, "None")
_BOOLEAN = (_instance(bool), _instance(np.bool_))
_ARRAY_LIKE = Constraint(
    lambda value: not isinstance(value, str | bytes) and (hasattr(value, "__len__") or hasattr(value, "shape")),
    "an array-like",
)
_NAMES = Constraint(
    lambda value: isinstance(value, list | tuple) and all(name in ACTIVATION_NAMES for name in value),
    "a list of these, one a hidden layer",
)
_PAIR = Constraint(
    lambda value: isinstance(value, list | tuple) and len(value) == 2, "a pair (coefs, intercepts) of lists of arrays"
)
_RANDOM_STATE = (
    _interval(Integral, 0, 2**32 - 1, "both"),
    _instance(np.random.RandomState),
    _NONE,
)
_INFINITY = Constraint(lambda value: isinstance(value, Real) and value == np.inf, "a float among {inf}")
_POSITIVE = _interval(Real, 0, closed="neither")
_NOT_NEGATIVE = _interval(Real, 0)
_COUNT = _interval(Integral, 1)
_RATE = _interval(Real, 0, 1)
_RATES = Constraint(
    lambda value: isinstance(value, list | tuple) and all(_RATE.allows(rate) for rate in value),
    "a list of these, one a hidden layer",
)
_FRACTION = _interval(Real, 0, 1)

CONSTRAINTS: dict[str, tuple[Constraint, ...]] = {
    "hidden_layer_sizes": (_ARRAY_LIKE, _COUNT),
    "activation": (_options(*ACTIVATION_NAMES), _NAMES),
    "solver": (_options("adam", "adamw", "lbfgs", "sgd"),),
    "alpha": (_NOT_NEGATIVE,),
    "batch_size": (_options("auto"), _COUNT),
    "learning_rate": (_options("adaptive", "constant", "invscaling"),),
    "learning_rate_init": (_POSITIVE,),
    "power_t": (_NOT_NEGATIVE,),
    "max_iter": (_COUNT,),
    "shuffle": _BOOLEAN,
    "random_state": _RANDOM_STATE,
    "tol": (_NOT_NEGATIVE,),
    "verbose": (_interval(Integral, 0), *_BOOLEAN),
    "warm_start": _BOOLEAN,
    "momentum": (_interval(Real, 0, 1, "both"),),
    "nesterovs_momentum": _BOOLEAN,
    "early_stopping": _BOOLEAN,
    "validation_fraction": (_FRACTION,),
    "beta_1": (_FRACTION,),
    "beta_2": (_FRACTION,),
    "epsilon": (_POSITIVE,),
    "n_iter_no_change": (_COUNT, _INFINITY),
    "max_fun": (_COUNT,),
    "loss": (_options("poisson", "squared_error"),),
    "class_weight": (_options("balanced"), _instance(dict), _instance(list), _NONE),
    "monitor": (
        Constraint(lambda value: isinstance(value, str), "'score', 'loss', the name of a scorer"),
        Constraint(callable, "a callable"),
    ),
    "weight_init": (_options(*INITIAL_WEIGHTS), _PAIR),
    "dtype": (_options("float32", "float64"), _NONE),
    "dropout": (_RATE, _RATES),
    "clip_norm": (_POSITIVE, _NONE),
    "n_threads": (_COUNT, _NONE),
    "resume": _BOOLEAN,
}  # fmt: skip


class InvalidParameterError(ValueError, TypeError):
    """A constructor parameter has a value that is not allowed."""


def check_parameters(estimator: Any) -> None:
    """Refuse values of constructor parameters that are not allowed.

    Raises
    ------
    InvalidParameterError
        A ``ValueError`` and ``TypeError``, as scikit-learn's.
    """
    if get_config()["skip_parameter_validation"]:
        return
    for name, value in estimator.get_params(deep=False).items():
        constraints = CONSTRAINTS.get(name, ())  # a subclass may have parameters of its own
        if constraints and not any(constraint.allows(value) for constraint in constraints):
            texts = [constraint.text for constraint in constraints]
            expected = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"
            raise InvalidParameterError(
                f"The {name!r} parameter of {type(estimator).__name__} must be {expected}. Got {value!r} instead."
            )


def hidden_sizes(hidden_layer_sizes: Any) -> list[int]:
    """Return the widths of the hidden layers."""
    sizes = list(hidden_layer_sizes) if hasattr(hidden_layer_sizes, "__iter__") else [hidden_layer_sizes]
    if np.any(np.array(sizes) <= 0):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return sizes


def check_regularisation(estimator: Any, n_hidden: int) -> None:
    """Refuse dropout and clipping that do not go with the network or the solver."""
    rates = dropout_rates(estimator.dropout, n_hidden)
    for name, asked in (("dropout", bool(rates)), ("clip_norm", estimator.clip_norm is not None)):
        if asked and estimator.solver == "lbfgs":
            value = getattr(estimator, name)
            raise ValueError(f"{name}={value!r} does not go with solver='lbfgs', which takes all samples at once")


def activation_names(activation: Any, n_hidden: int) -> list[str]:
    """Return scikit-learn's name of each hidden layer's activation."""
    if isinstance(activation, str):
        return [activation] * n_hidden
    if len(activation) != n_hidden:
        raise ValueError(
            f"activation must be one name or {n_hidden}, one a hidden layer, got {len(activation)}: {activation!r}"
        )
    return list(activation)
