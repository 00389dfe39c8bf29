"""Settings for data that nobody has tuned for, chosen from their shape; and those that have a name.

Data are of three kinds, told apart by a look at no more than 1,000 of their rows:

======= ================================================= ===================================================
kind    what it looks like                                what suits it
======= ================================================= ===================================================
pixels  uint8 above 127, or at least 64 columns that      one unit for all columns; classes of 10,000 rows and
        are never below 0 and share their unit            more: one wide layer, dropout, SGD with momentum
sparse  SciPy's sparse matrices; at most a tenth of the   as a table, but each column is divided by its range:
        entries is not 0                                  a rare one would become huge by its spread
table   all else                                          standardised columns, two layers, AdamW
======= ================================================= ===================================================

All else follows from the number of rows: minibatches are small where there are few rows, epochs are as many as it
takes for 2,000 updates (4,000 from 10,000 rows on), and weight decay falls with the root of the rows, for few of them
say little about many weights. No row is held back: the schedule ends the training, and small data need all their rows.

What that reaches is in ``benches/defaults.md``, what was tried in ``benches/NOTES.md``.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DEFAULTS", "PRESETS", "Settings", "defaults_for"]

TASKS = ("classification", "regression")

_LOOKED_AT = 1000  # rows
_MANY_ROWS = 10_000
_PIXELS = 64  # columns: an image of 8 x 8
_LONG_ROWS = 60.0  # sum of the variances of all columns in their unit; MNIST's is 53


@dataclass(frozen=True)
class Settings:
    """What a run is made of; each field is a flag of ``fastnet train``.

    Attributes
    ----------
    hidden : tuple of int
        Units of each hidden layer.
    epochs : int
    batch_size, learning_rate, momentum, nesterov, weight_decay, schedule, optimizer, loss, dropout, clip_norm, \
            n_candidates, candidate_distribution
        As in ``Trainer``.
    activation, weight_init : str
        As in ``Network``.
    center, scale
        As in ``Trainer``.
    pca : int, float or None
        Principal components to train on, or their share of the variance; ``whiten`` gives all variance 1.
    patience : int or None
        Epochs without a lower validation loss after which training ends, with the best weights.
    min_proba : float
        Test samples are decided on with at least that probability only.

    Examples
    --------
    >>> print(Settings((300,), epochs=10, momentum=0.9, scale="standard"))  # doctest: +NORMALIZE_WHITESPACE
    --hidden 300 --epochs 10 --batch-size 32 --optimizer sgd --learning-rate 0.1 --schedule constant
    --momentum 0.9 --weight-decay 0.0 --activation tanh --scale standard
    """

    hidden: tuple[int, ...]
    epochs: int
    batch_size: int = 32
    learning_rate: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: str = "constant"
    activation: str = "tanh"
    optimizer: str = "sgd"
    loss: str = "auto"
    dropout: float = 0.0
    clip_norm: float | None = None
    n_candidates: int = 64
    candidate_distribution: str = "uniform"
    weight_init: str = "scaled_normal"
    center: bool = True
    scale: str | float = "auto"
    pca: int | float | None = None
    whiten: bool = False
    patience: int | None = None
    min_proba: float = 0.0

    def __str__(self) -> str:
        """Return the flags that give these settings."""
        hidden = ",".join(map(str, self.hidden)) or "none"
        return (
            f"--hidden {hidden} --epochs {self.epochs} --batch-size {self.batch_size} "
            f"--optimizer {self.optimizer} --learning-rate {self.learning_rate} --schedule {self.schedule} "
            f"--momentum {self.momentum} {'--nesterov ' * self.nesterov}--weight-decay {self.weight_decay} "
            f"--activation {self.activation}{self._unusual()}"
        )

    def _unusual(self) -> str:
        """Return the flags that most runs leave as they are."""
        names = (
            "loss",
            "n_candidates",
            "candidate_distribution",
            "dropout",
            "clip_norm",
            "weight_init",
            "scale",
            "pca",
        )
        flags = [
            f" --{name.replace('_', '-')} {getattr(self, name)}"
            for name in (*names, "patience", "min_proba")
            if getattr(self, name) != getattr(Settings, name)
        ]
        return "".join(flags) + " --no-center" * (not self.center) + " --whiten" * self.whiten


# Chosen by the accuracy on the validation data.
DEFAULTS = {
    "digits": Settings((64,), epochs=30, momentum=0.9, weight_decay=1e-3),
    "moons": Settings((16,), epochs=100, momentum=0.9),
    "mnist": Settings(
        (512,),
        epochs=10,
        batch_size=128,
        learning_rate=0.2,
        momentum=0.9,
        weight_decay=3e-4,
        schedule="cosine",
        activation="relu",
        dropout=0.3,
    ),
}
# Of the article series "Building a Neural Network from scratch"; `halve` is its dynamic learning rate.
PRESETS = {"article": Settings((10,), epochs=100, weight_decay=1e-3, schedule="halve")}


def defaults_for(name: str | None, X: Any, y: Any, task: str = "classification") -> Settings:
    """Return settings that suit data, from their name or else their shape.

    Parameters
    ----------
    name : str or None
        A key of ``DEFAULTS`` has settings of its own; any other name, a path or None is looked up by shape.
    X : array-like of shape (n_samples, n_features), or SciPy sparse matrix
        The training rows, of any dtype; 1,000 of them are looked at, so that they may be mapped from a file.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Only its length matters.
    task : {"classification", "regression"}, default="classification"

    Returns
    -------
    Settings

    Raises
    ------
    ValueError
        If ``X`` is no matrix with at least one row and one column, ``y`` has another length, or ``task`` is unknown.

    Notes
    -----
    A regression's settings are for targets of mean 0 and variance 1: see ``fastnet.target_scaling``.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.random.default_rng(0).normal(size=(150, 4)), np.arange(150) % 3
    >>> print(defaults_for(None, X, y))  # doctest: +NORMALIZE_WHITESPACE
    --hidden 128,64 --epochs 106 --batch-size 8 --optimizer adamw --learning-rate 0.003 --schedule cosine
    --momentum 0.0 --weight-decay 3.3 --activation relu --scale standard
    """
    from .checks import check_choice

    check_choice("task", task, TASKS)
    n_samples = _count_rows(X, y)
    if name in DEFAULTS:
        return DEFAULTS[name]
    scale, pixels = _scale(X)
    if pixels and n_samples >= _MANY_ROWS and task == "classification":
        return _wide_with_dropout(n_samples, scale, _total_variance(X, scale))
    return _two_layers(n_samples, scale, pixels)


def _count_rows(X: Any, y: Any) -> int:
    shape = tuple(X.shape) if hasattr(X, "shape") else _array(X).shape
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"X must have shape (n_samples, n_features) with at least one of each, got {shape}")
    if len(y) != shape[0]:
        raise ValueError(f"y must have {shape[0]} labels, one for each row of X, got {len(y)}")
    return int(shape[0])


# -- from the number of rows to settings ---------------------------------------------------------------


def _wide_with_dropout(n_samples: int, scale: str | float, variance: float) -> Settings:
    """Settings for many images: the longer their rows, the smaller the steps (a gradient grows with its inputs)."""
    batch_size = _batch_size(n_samples)
    return Settings(
        (512,),
        epochs=_epochs(n_samples, batch_size, 2000, low=10),
        batch_size=batch_size,
        learning_rate=0.2 if variance <= _LONG_ROWS else _two_digits(0.2 * _LONG_ROWS / variance),
        momentum=0.9,
        weight_decay=_two_digits(0.07 / math.sqrt(n_samples)),
        schedule="cosine",
        activation="relu",
        dropout=0.3,
        scale=scale,
    )


def _two_layers(n_samples: int, scale: str | float, pixels: bool) -> Settings:
    batch_size, many = _batch_size(n_samples), n_samples >= _MANY_ROWS
    return Settings(
        (256, 128) if many or pixels else (128, 64),
        epochs=_epochs(n_samples, batch_size, 4000 if many else 2000, low=20),
        batch_size=batch_size,
        learning_rate=3e-3,
        weight_decay=_two_digits((20 if pixels else 40) / math.sqrt(n_samples)),
        schedule="cosine",
        activation="relu",
        optimizer="adamw",
        scale=scale,
    )


def _batch_size(n_samples: int) -> int:
    """Samples in a minibatch: few, where an epoch would have few minibatches else."""
    for most, batch_size in ((256, 8), (1024, 16), (_MANY_ROWS, 32)):
        if n_samples < most:
            return min(batch_size, n_samples)
    return 128


def _epochs(n_samples: int, batch_size: int, updates: int, low: int) -> int:
    """Epochs that make so many updates of the weights, within limits."""
    minibatches = math.ceil(n_samples / batch_size)
    return min(max(low, math.ceil(updates / minibatches)), 500)


def _two_digits(number: float) -> float:
    """Return a number that is short when it is printed."""
    return float(f"{number:.2g}")


# -- a look at the columns -----------------------------------------------------------------------------


def _scale(X: Any) -> tuple[str | float, bool]:
    """Return what the columns are scaled by, and whether they are pixels."""
    if hasattr(X, "tocsr"):
        return "minmax", False
    rows = _some_rows(X)
    highest = float(rows.max())
    if rows.dtype == "uint8" and highest > 127:
        return "auto", True
    if _share_a_unit(rows):
        return _unit(highest), True
    return ("minmax" if 10 * _count_nonzero(rows) <= rows.size else "standard"), False


def _some_rows(X: Any) -> "np.ndarray":
    """Return at most 1,000 rows, always the same: all that is read of a mapped file. Every n-th might be of a kind."""
    import numpy as np

    array = X if hasattr(X, "shape") else _array(X)
    if len(array) <= _LOOKED_AT:
        return _array(array)
    return _array(array[np.unique(np.random.default_rng(0).integers(0, len(array), _LOOKED_AT))])


def _share_a_unit(rows: "np.ndarray") -> bool:
    """Whether columns look like grey levels: none below 0, and most of those that vary come near the highest of all."""
    highest = rows.max(axis=0)
    varies = highest > rows.min(axis=0)
    if rows.shape[1] < _PIXELS or rows.min() < 0 or not varies.any():
        return False
    near = highest[varies] >= 0.5 * highest.max()
    return bool(near.mean() > 0.5)


def _unit(highest: float) -> str | float:
    """Return the factor that brings grey levels into 0 to 1."""
    if highest <= 1:
        return "auto"
    return 1 / 255 if 127 < highest <= 255 else 1 / highest


def _total_variance(X: Any, scale: str | float) -> float:
    """Sum of the variances of all columns in their unit: the mean square of a centred row's length."""
    rows = _some_rows(X)
    unit = scale if isinstance(scale, float) else (1 / 255 if rows.dtype == "uint8" else 1.0)
    return float(rows.var(axis=0, dtype="float64").sum()) * unit**2


def _count_nonzero(rows: "np.ndarray") -> int:
    import numpy as np

    return int(np.count_nonzero(rows))


def _array(value: Any) -> "np.ndarray":
    import numpy as np

    return np.asarray(value)
