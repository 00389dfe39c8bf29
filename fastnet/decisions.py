"""From logits to decisions: the most probable class, labels above a threshold, or no decision at all."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import checks


@dataclass(frozen=True, eq=False)
class Rule:
    """When a class or a label is predicted."""

    min_proba: float
    rejected: int
    threshold: np.ndarray

    @classmethod
    def checked(cls, min_proba: Any, rejected: Any, threshold: Any, output: str, n_outputs: int) -> "Rule":
        """Return a rule that goes with an output, or refuse it."""
        least = checks.check_number("min_proba", min_proba, high=1.0)
        label = checks.check_integer("rejected", rejected, low=-(2**63), high=2**63 - 1)
        limits = checks.check_array("threshold", threshold).astype(np.float64)
        if limits.shape not in ((), (n_outputs,)):
            raise ValueError(f"threshold must be a number or have shape ({n_outputs},), got shape {limits.shape}")
        if not ((limits > 0) & (limits < 1)).all():
            raise ValueError(f"threshold must lie between 0 and 1, got {threshold!r}")
        if output != "sigmoid" and (limits != 0.5).any():
            raise ValueError(f"threshold goes with output='sigmoid'; this network has output={output!r}")
        if output == "identity" and least > 0:
            raise ValueError("min_proba needs probabilities; this network has output='identity'")
        return cls(least, label, limits)


def decide(logits: np.ndarray, output: str, rule: Rule, softmax: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return classes (softmax), 0 or 1 for each label (sigmoid), or the outputs themselves (identity)."""
    if output == "softmax":
        return _classes(logits, rule, softmax)
    outputs = _labels(logits, rule) if output == "sigmoid" else logits
    return outputs[:, 0] if outputs.shape[1] == 1 else outputs


def _classes(logits: np.ndarray, rule: Rule, softmax: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    classes = logits.argmax(axis=1)
    if rule.min_proba > 0:
        sure = softmax(logits).max(axis=1) >= rule.min_proba
        return np.where(sure, classes, rule.rejected)
    return classes


def _labels(logits: np.ndarray, rule: Rule) -> np.ndarray:
    labels = (logits > np.log(rule.threshold / (1 - rule.threshold))).astype(np.int64)
    if rule.min_proba > 0.5:
        sure = np.abs(logits) >= math.log(rule.min_proba / (1 - rule.min_proba))
        return np.where(sure, labels, rule.rejected)
    return labels
