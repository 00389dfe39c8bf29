"""State dicts of torch: weights of Linear layers by name, (n_out, n_in) where ours are (n_in, n_out)."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from .parts import ModelParts


def state_dict_of(parts: ModelParts) -> dict[str, Any]:
    """Return the tensors of a torch.nn.Sequential of Linear layers with activations between them; copies."""
    try:
        import torch
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "to_torch_state_dict needs the package torch, which is not installed: pip install torch"
        ) from None
    state = {}
    for i, (weights, biases) in enumerate(zip(parts.weights, parts.biases, strict=True)):
        state[f"{2 * i}.weight"] = torch.from_numpy(weights.T.copy())
        state[f"{2 * i}.bias"] = torch.from_numpy(biases.copy())
    return state


def weights_of(state_dict: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return weights (n_in, n_out) and biases (n_out,) of the Linear layers in a state dict, in their order.

    Raises
    ------
    TypeError, ValueError
        If it is no mapping, holds something else, or layers do not follow each other.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"state_dict must be a mapping of names to tensors, got {type(state_dict).__name__}")
    arrays = {str(name): _as_array(value) for name, value in state_dict.items()}
    for name, array in arrays.items():
        fits = array.ndim == (2 if name.endswith("weight") else 1) and name.endswith(("weight", "bias"))
        if not fits or (name.endswith("bias") and f"{name[:-4]}weight" not in arrays):
            raise ValueError(
                f"state_dict must hold weights and biases of Linear layers only, got {name!r} of shape {array.shape}"
            )
    layers = _layers(arrays)
    weights = [arrays[f"{layer}weight"].T for layer in layers]
    for (before, w), (after, v) in pairwise(zip(layers, weights, strict=True)):
        if w.shape[1] != v.shape[0]:
            raise ValueError(
                f"state_dict: '{before}weight' has {w.shape[1]} outputs, but '{after}weight', taken as the next layer, "
                f"has {v.shape[0]} inputs"
            )
    biases = []
    for layer, w in zip(layers, weights, strict=True):
        biases.append(arrays.get(f"{layer}bias", np.zeros(w.shape[1], w.dtype)))
        if len(biases[-1]) != w.shape[1]:
            raise ValueError(
                f"state_dict: '{layer}weight' has {w.shape[1]} outputs, but '{layer}bias' has {len(biases[-1])}"
            )
    return weights, biases


def _layers(arrays: dict[str, np.ndarray]) -> list[str]:
    """Names of the layers, with their dots: as they come, or by their numbers if they have no other names."""
    layers = [name.removesuffix("weight") for name in arrays if name.endswith("weight")]
    if not layers:
        raise ValueError("state_dict is empty, expected weights of at least one Linear layer")
    if all(layer[:-1].isdecimal() for layer in layers):
        layers.sort(key=lambda layer: int(layer[:-1]))
    return layers


def _as_array(value: Any) -> np.ndarray:
    """Return a tensor, on whatever device and of whatever dtype, as an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.numpy() if str(value.dtype) in ("torch.float32", "torch.float64") else value.float().numpy()
    return np.asarray(value)
