"""First weights and biases of a layer, by name.

================ ======================================= =============================================================
weight_init      weights of n_in inputs, n_out outputs   source
================ ======================================= =============================================================
scaled_normal    randn / sqrt(n_in), in front of a relu  "Building a Neural Network from scratch", part 7; for the
                 or its kind randn * sqrt(2 / n_in)      relu as "he"
normal           randn                                   the same series before; too large for wide layers
he               randn * sqrt(2 / n_in)                  He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", 2015
he_uniform       uniform within sqrt(6 / n_in)           the same
glorot_normal    randn * sqrt(2 / (n_in + n_out))        Glorot, Bengio, "Understanding the difficulty of training
                                                         deep feedforward neural networks", 2010
glorot_uniform   uniform within sqrt(6 / (n_in + n_out)) the same
zeros            0                                       units of a hidden layer get the same gradient and stay equal
================ ======================================= =============================================================

Biases (``bias_init``) are "zeros", or "normal": randn.
"""

import math
import warnings
from collections.abc import Callable

import numpy as np

# Activations that let about half of their inputs pass.
_LIKE_RELU = ("relu", "leaky_relu", "elu", "gelu", "silu")

_Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def _normal(spread: Callable[[int, int], float]) -> _Draw:
    return lambda rng, shape: rng.standard_normal(shape) * spread(shape[0], shape[1])


def _uniform(limit: Callable[[int, int], float]) -> _Draw:
    return lambda rng, shape: rng.uniform(-1, 1, shape) * limit(shape[0], shape[1])


_WEIGHTS: dict[str, _Draw] = {
    "scaled_normal": _normal(lambda n_in, n_out: math.sqrt(1 / n_in)),
    "normal": _normal(lambda n_in, n_out: 1.0),
    "he": _normal(lambda n_in, n_out: math.sqrt(2 / n_in)),
    "he_uniform": _uniform(lambda n_in, n_out: math.sqrt(6 / n_in)),
    "glorot_normal": _normal(lambda n_in, n_out: math.sqrt(2 / (n_in + n_out))),
    "glorot_uniform": _uniform(lambda n_in, n_out: math.sqrt(6 / (n_in + n_out))),
    "zeros": lambda rng, shape: np.zeros(shape),
}
WEIGHT_INITS = tuple(_WEIGHTS)
BIAS_INITS = ("zeros", "normal")


def draw_weights(rng: np.random.Generator, shape: tuple[int, ...], name: str, activation: str) -> np.ndarray:
    """Return first weights of shape (n_in, n_out) for a layer with an activation."""
    if name == "scaled_normal" and activation in _LIKE_RELU:
        name = "he"
    return _WEIGHTS[name](rng, shape)


def draw_biases(rng: np.random.Generator, n_out: int, name: str) -> np.ndarray:
    """Return first biases of shape (n_out,)."""
    return rng.standard_normal(n_out) if name == "normal" else np.zeros(n_out)


def warn_of_zeros(name: str, n_hidden: int) -> None:
    """Say that zeros teach hidden units nothing; without a hidden layer they are fine."""
    if name == "zeros" and n_hidden:
        warnings.warn(
            "weight_init='zeros': all units of a hidden layer get the same gradient and stay equal, so that the layer "
            "is worth one unit at most",
            UserWarning,
            stacklevel=3,
        )
