"""Weights of samples and of classes: checked, multiplied, and added up for means over minibatches."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import checks
from .losses import AnyTargets

ClassWeight = str | Mapping[Any, float] | None


def sample_weights(sample_weight: Any, class_weight: ClassWeight, targets: AnyTargets, n_outputs: int) -> np.ndarray:
    """Weights (n,) of samples, float64: their own times those of their classes; empty if there are neither.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
    class_weight : "balanced", dict or None
    targets : Targets
        Of ``n_samples`` samples.
    n_outputs : int
        Of the network.
    """
    n_samples = max(len(targets.labels), len(targets.values))
    weights = checks.check_weights("sample_weight", sample_weight, n_samples)
    if class_weight is None:
        return weights
    labels, n_classes = _labels(targets, n_outputs)
    each = _class_weights(class_weight, labels, weights, n_classes)[labels]
    product = each * weights if weights.size else each
    if not product.any():
        raise ValueError("class_weight and sample_weight together leave no sample a weight above zero")
    return product


def _labels(targets: AnyTargets, n_outputs: int) -> tuple[np.ndarray, int]:
    """Classes of the samples, and how many there can be."""
    if targets.labels.size:
        return targets.labels, n_outputs
    if n_outputs == 1 and np.isin(targets.values, (0, 1)).all():
        return targets.values[:, 0].astype(np.int64), 2
    raise ValueError(
        "class_weight needs samples of one class each: output='softmax', or output='sigmoid' with one output and "
        f"targets of 0 and 1; got targets of shape {targets.values.shape}. Use sample_weight instead."
    )


def _class_weights(class_weight: ClassWeight, labels: np.ndarray, weights: np.ndarray, n_classes: int) -> np.ndarray:
    if isinstance(class_weight, str):
        checks.check_choice("class_weight", class_weight, ("balanced",))
        counts = np.bincount(labels, weights if weights.size else None, n_classes).astype(np.float64)
        present = counts > 0
        return np.where(present, counts.sum() / (present.sum() * np.where(present, counts, 1.0)), 0.0)
    if not isinstance(class_weight, Mapping):
        kind = type(class_weight).__name__
        raise TypeError(f"class_weight must be None, 'balanced' or a dict from class indices to weights, got {kind}")
    found = np.ones(n_classes)
    for label, weight in class_weight.items():
        index = checks.check_integer("a key of class_weight", label, low=0)
        if index >= n_classes:
            raise ValueError(f"class_weight has the class {index}, but classes are 0 to {n_classes - 1}")
        found[index] = checks.check_number(f"class_weight[{index}]", weight)
    return found


def minibatch_sizes(n_samples: int, batch_size: int) -> np.ndarray:
    """Number of samples in each minibatch, as float64."""
    return np.minimum(batch_size, n_samples - np.arange(0, n_samples, batch_size)).astype(np.float64)


def minibatch_weights(weights: np.ndarray, order: np.ndarray, batch_size: int) -> np.ndarray:
    """Sums of the weights of each minibatch."""
    return np.asarray(np.add.reduceat(weights[order], np.arange(0, len(order), batch_size)))
