"""Learning rates that change from epoch to epoch.

A schedule is a name or a callable that takes the epoch (0 is the first) and returns its learning rate.

========== ==========================================================================================
constant   the same rate always
halve      half the rate after an epoch whose training loss rose, never below 1e-6: the "dynamic learning
           rate" of the article series "Building a Neural Network from scratch"
step       a tenth of the rate from half of the epochs on, a hundredth from three quarters on
           (He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015)
cosine     from the full rate down along half a cosine, never quite to 0
           (Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2016)
========== ==========================================================================================
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from .checks import check_choice, check_number

NAMES = ("constant", "halve", "step", "cosine")
HALVE_FLOOR = 1e-6

Schedule = str | Callable[[int], float]


def check_schedule(schedule: Schedule) -> Schedule:
    """Return a schedule that can be used, or refuse it."""
    return schedule if callable(schedule) else check_choice("schedule", schedule, NAMES)


def learning_rate(schedule: Schedule, base: float, epoch: int, epochs: int, losses: Sequence[float]) -> float:
    """Learning rate of one epoch.

    Parameters
    ----------
    schedule : str or callable
    base : float
        The rate to start from.
    epoch, epochs : int
        The epoch that begins now, counted from 0, and how many there will be.
    losses : sequence of float
        Training losses of the epochs before this one.

    Examples
    --------
    >>> learning_rate("halve", 0.1, 2, 10, [0.5, 0.6])
    0.05
    >>> learning_rate(lambda epoch: 1 / (1 + epoch), 0.1, 3, 10, [])
    0.25
    """
    if callable(schedule):
        return check_number(f"schedule({epoch})", schedule(epoch), open_low=True)
    if schedule == "halve":
        rises = sum(later > earlier for earlier, later in pairwise(losses))
        return max(base * 0.5**rises, min(base, HALVE_FLOOR))
    if schedule == "step":
        return base * 0.1 ** ((2 * epoch >= epochs) + (4 * epoch >= 3 * epochs))
    if schedule == "cosine":
        return base * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
    return base
