"""Dropout and clipping as settings: checked, and dropout made what compiled code takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import checks
from .hidden import Dropout


def check_dropout(value: Any) -> float | tuple[float, ...]:
    """Return a rate, or a tuple of rates; their number is checked by ``dropout_of``."""
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        return tuple(checks.check_number(f"dropout[{i}]", rate, high=1.0) for i, rate in enumerate(value))
    return checks.check_number("dropout", value, high=1.0)


def check_clip_norm(value: Any) -> float | None:
    """Return a positive number or None."""
    return None if value is None else checks.check_number("clip_norm", value, open_low=True)


def dropout_rates(dropout: float | Sequence[float], n_hidden: int) -> tuple[float, ...]:
    """Return the rate of each hidden layer; empty if all are zero."""
    rates = tuple(dropout) if isinstance(dropout, Sequence) else (dropout,) * n_hidden
    if len(rates) != n_hidden:
        raise ValueError(f"dropout must be one number or {n_hidden}, one a hidden layer, got {len(rates)}")
    return rates if any(rates) else ()


def compiled_dropout(rates: tuple[float, ...]) -> Dropout | None:
    """Return what compiled code takes; None if nothing is dropped."""
    return Dropout(np.array([*rates, 0.0]), np.zeros(1, np.int64)) if rates else None
