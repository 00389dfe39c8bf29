"""What a search may vary, and how values are drawn."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from .. import checks
from ..network import Network
from ..trainer import Trainer

# Where the articles look for the learning rate and the weight decay, and what goes with them; measured on MNIST
# (benches/NOTES.md).
DEFAULT_SPACE: dict[str, Any] = {
    "hidden": (10, 100),
    "activation": ["tanh", "relu"],
    "optimizer": "sgd",
    "learning_rate": (1e-6, 0.1),
    "momentum": [0.0, 0.5, 0.9],
    "weight_decay": (1e-6, 0.1),
    "batch_size": [16, 32, 64, 128],
    "schedule": "cosine",
}
OF_NETWORK = ("hidden", "activation", "weight_init", "bias_init")
OF_TRAINER = (
    *("optimizer", "loss", "learning_rate", "batch_size", "momentum", "nesterov", "beta1", "beta2", "epsilon"),
    *("weight_decay", "dropout", "clip_norm", "schedule"),
)
_INTEGERS = ("hidden", "batch_size")
_OF_SGD = ("momentum", "nesterov")

Params = dict[str, Any]


def full_space(space: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the default space with some entries replaced or added, or refuse these."""
    if space is None:
        return dict(DEFAULT_SPACE)
    if not isinstance(space, Mapping):
        raise TypeError(f"space must be a dict of what is searched, got {type(space).__name__}")
    for name in space:
        checks.check_choice("a name in space", name, (*OF_NETWORK, *OF_TRAINER))
    return {**DEFAULT_SPACE, **space}


def draw(space: Mapping[str, Any], n_trials: int, seed: int) -> list[Params]:
    """Draw the settings of trials.

    Parameters
    ----------
    space : mapping
        From ``full_space``. A list holds choices, a tuple ``(low, high)`` is a log-uniform range, what has a method
        ``rvs`` is drawn from, and anything else is fixed.
    n_trials : int
        Fewer are drawn if the space holds nothing but choices, and these have fewer combinations.
    seed : int
        Below 2**32.

    Returns
    -------
    list of dict
        Settings of networks and trainers, in the order of ``space``.

    Raises
    ------
    ValueError, TypeError
        If an entry of the space is not as described.

    Examples
    --------
    >>> draw({"learning_rate": [0.1], "hidden": [20, (20, 10)]}, 60, seed=0)
    [{'learning_rate': 0.1, 'hidden': (20,)}, {'learning_rate': 0.1, 'hidden': (20, 10)}]
    """
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    entries = {name: _distribution(name, value) for name, value in space.items()}
    if all(isinstance(entry, list) for entry in entries.values()):
        n_trials = min(n_trials, len(ParameterGrid(entries)))
    drawn = ParameterSampler(entries, n_trials, random_state=seed)
    whole = [name for name in _INTEGERS if name in space and not isinstance(entries[name], list)]
    return [_without_idle({name: _plain(name, params[name], name in whole) for name in space}) for params in drawn]


def _without_idle(params: Params) -> Params:
    """Replace by None what an optimizer doesn't have."""
    if params.get("optimizer", "sgd") == "sgd":
        return params
    return {name: None if name in _OF_SGD else value for name, value in params.items()}


def check_params(params: Params, n_outputs: int, output: str, dtype: Any) -> None:
    """Refuse settings that no network or trainer takes: one of each is made, with single units."""
    sizes = [checks.check_integer("hidden", width, low=1) for width in params["hidden"]]
    network = Network([1, *(1 for _ in sizes), n_outputs], **of_network(params), output=output, dtype=dtype, seed=0)
    Trainer(network, **of_trainer(params))


def of_network(params: Params) -> Params:
    """Arguments of `Network` beside the layer sizes."""
    return {name: params[name] for name in params if name in OF_NETWORK and name != "hidden"}


def of_trainer(params: Params) -> Params:
    """Arguments of `Trainer`."""
    idle = [name for name in _OF_SGD if params.get(name) is None]
    return {name: params[name] for name in params if name in OF_TRAINER and name not in idle}


def _distribution(name: str, value: Any) -> Any:
    """Return what scikit-learn draws from: a list, or an object with a method ``rvs``."""
    if hasattr(value, "rvs"):
        return value
    if isinstance(value, tuple):
        return _log_uniform(name, value)
    if not isinstance(value, list):
        return [value]
    if not value:
        raise ValueError(f"space[{name!r}] is an empty list; at least one choice is needed")
    return value


def _log_uniform(name: str, ends: tuple[Any, ...]) -> Any:
    from scipy.stats import loguniform

    numbers = len(ends) == 2 and all(isinstance(end, Real) and not isinstance(end, bool) for end in ends)
    if not numbers or not 0 < ends[0] < ends[1] < np.inf:
        more = " A network of several hidden layers is a choice: [(100, 50)]." if name == "hidden" else ""
        raise ValueError(
            f"space[{name!r}] must be a range (low, high) with 0 < low < high, a list of choices, a distribution of "
            f"scipy.stats or one fixed value, got {ends!r}.{more}"
        )
    return loguniform(ends[0], ends[1] + (name in _INTEGERS))  # integers are rounded down


def _plain(name: str, value: Any, whole: bool) -> Any:
    """Return a drawn value as a setting: numbers of Python, widths of layers as a tuple; ``whole`` rounds down."""
    if name == "hidden":
        widths = value if isinstance(value, list | tuple | np.ndarray) else (value,)
        return tuple(_plain("", width, whole) for width in widths)
    if whole:
        return int(value)
    return value.item() if isinstance(value, np.generic) else value
