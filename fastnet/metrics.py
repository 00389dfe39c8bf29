"""From logits and targets to an evaluation: what was predicted, how probable it was, how far it is from the truth."""

from typing import Any

import numpy as np

from . import functional
from .evaluation import Evaluation
from .losses import AnyTargets, sample_losses


def evaluated(logits: np.ndarray, targets: AnyTargets, output: str, classes: Any = None) -> Evaluation:
    """Return the evaluation of logits.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_outputs)
        Finite; at least one sample.
    targets : Targets
        Checked; with the samples' weights, if there are any.
    output : {"softmax", "sigmoid", "identity"}
    classes : sequence or None, default=None
        Names of the classes; None takes their indices.
    """
    weights = targets.weights if targets.weights.size else None
    losses = sample_losses(logits, targets)
    if output == "identity":
        true, predicted = _single(targets.values), _single(logits.astype(np.float64))
        return Evaluation("regression", true, predicted, losses, weights=weights)
    proba = np.asarray(functional.softmax(logits) if output == "softmax" else functional.sigmoid(logits))
    proba = proba.astype(np.float64)
    if output == "softmax":
        return _classification(logits.argmax(axis=1), targets.labels, proba, losses, weights, classes)
    predicted, true = (logits > 0).astype(np.int64), (targets.values > 0.5).astype(np.int64)
    if proba.shape[1] == 1:
        both = np.concatenate([1 - proba, proba], axis=1)
        return _classification(predicted[:, 0], true[:, 0], both, losses, weights, classes)
    names = _names(classes, proba.shape[1])
    said, meant = (np.where(labels == 1, proba, 1 - proba) for labels in (predicted, true))
    return Evaluation("multilabel", true, predicted, losses, said, meant, weights, names)


def _classification(
    predicted: np.ndarray,
    true: np.ndarray,
    proba: np.ndarray,
    losses: np.ndarray,
    weights: np.ndarray | None,
    classes: Any,
) -> Evaluation:
    rows, names = np.arange(len(true)), _names(classes, proba.shape[1])
    said, meant = proba[rows, predicted], proba[rows, true]
    return Evaluation(
        "classification", true.astype(np.int64), predicted.astype(np.int64), losses, said, meant, weights, names
    )


def _names(classes: Any, n: int) -> tuple[Any, ...]:
    return tuple(range(n)) if classes is None or len(classes) != n else tuple(np.asarray(classes).tolist())


def _single(values: np.ndarray) -> np.ndarray:
    """Return values of one output as a vector."""
    return values[:, 0] if values.shape[1] == 1 else values
