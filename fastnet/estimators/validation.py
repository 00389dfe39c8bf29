"""What is measured after each epoch on samples that are not trained on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Validation(NamedTuple):
    """Samples that are not trained on."""

    X: Any  # rows as ``engine.as_rows`` gives them
    y: np.ndarray  # (n, n_outputs), encoded
    labels: Any  # as the user has them
    weights: np.ndarray | None


def scorer_of(monitor: Any) -> Callable[..., float] | None:
    """Return what computes the score of a fitted estimator, or None if its outputs are enough.

    Raises
    ------
    ValueError
        If scikit-learn knows no scorer of that name.
    """
    if callable(monitor):
        return monitor
    if monitor in ("score", "loss"):
        return None
    from sklearn.metrics import get_scorer

    return get_scorer(monitor)


def weighted_mean(values: np.ndarray, weights: np.ndarray | None) -> float:
    """Mean of one value a sample."""
    return float(np.average(values, weights=weights))
