"""Learning rates that change from epoch to epoch.

A schedule is a name or a callable that takes the epoch (0 is the first) and returns its learning rate.

========== ==========================================================================================
constant   the same rate always
halve      half the rate after an epoch whose training loss rose, never below 1e-6: the "dynamic learning
           rate" of the article series "Building a Neural Network from scratch"
step       a tenth of the rate from half of the epochs on, a hundredth from three quarters on
           (He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015)
plateau    half the rate after five epochs in a row in which the validation loss (without validation data:
           the training loss) did not fall by 1e-4, never below 1e-6; ``Plateau`` has other numbers
cosine     from the full rate down along half a cosine, never quite to 0
           (Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2016)
========== ==========================================================================================
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .checks import check_choice, check_integer, check_number

NAMES = ("constant", "halve", "plateau", "step", "cosine")
HALVE_FLOOR = 1e-6


@dataclass(frozen=True)
class Plateau:
    """A smaller rate whenever a loss has stopped falling.

    Parameters
    ----------
    factor : float in (0, 1), default=0.5
        What the rate is multiplied by.
    patience : int, default=5
        Epochs in a row without a better loss after which that happens.
    min_delta : float, default=1e-4
        By how much a loss must fall to count as better.
    floor : float, default=1e-6
        The rate is never made smaller than that.
    monitor : {"auto", "val_loss", "loss"}, default="auto"
        "auto" takes the validation loss if there are validation data, else the training loss.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> learning_rate(Plateau(factor=0.1, patience=2), 1.0, 4, 10, [0.9, 0.5, 0.5, 0.6])
    0.1
    """

    factor: float = 0.5
    patience: int = 5
    min_delta: float = 1e-4
    floor: float = 1e-6
    monitor: str = "auto"

    def __post_init__(self) -> None:
        check_number("factor", self.factor, open_low=True, high=1.0)
        check_integer("patience", self.patience, low=1)
        check_number("min_delta", self.min_delta)
        check_number("floor", self.floor)
        check_choice("monitor", self.monitor, ("auto", "val_loss", "loss"))

    def rate(self, base: float, losses: Sequence[float], val_losses: Sequence[float]) -> float:
        """Rate after epochs with these losses."""
        measured = [loss for loss in val_losses if not math.isnan(loss)]
        if self.monitor == "val_loss" and losses and not measured:
            raise ValueError("Plateau with monitor='val_loss' needs validation_data")
        watched = losses if self.monitor == "loss" or not measured else measured
        rate, best, waited = base, math.inf, 0
        for loss in watched:
            waited = 0 if loss < best - self.min_delta else waited + 1
            best = min(best, loss)
            if waited >= self.patience:
                rate, waited = max(rate * self.factor, min(base, self.floor)), 0
        return rate


Schedule = str | Plateau | Callable[[int], float]


def check_schedule(schedule: Schedule) -> Schedule:
    """Return a schedule that can be used, or refuse it."""
    return (
        schedule if callable(schedule) or isinstance(schedule, Plateau) else check_choice("schedule", schedule, NAMES)
    )


def learning_rate(
    schedule: Schedule,
    base: float,
    epoch: int,
    epochs: int,
    losses: Sequence[float],
    val_losses: Sequence[float] = (),
) -> float:
    """Learning rate of one epoch.

    Parameters
    ----------
    schedule : str, Plateau or callable
    base : float
        The rate to start from.
    epoch, epochs : int
        The epoch that begins now, counted from 0, and how many there will be.
    losses : sequence of float
        Training losses of the epochs before this one.
    val_losses : sequence of float, default=()
        Validation losses of these epochs; NaN where there were no validation data.

    Examples
    --------
    >>> learning_rate("halve", 0.1, 2, 10, [0.5, 0.6])
    0.05
    >>> learning_rate(lambda epoch: 1 / (1 + epoch), 0.1, 3, 10, [])
    0.25
    """
    if isinstance(schedule, Plateau) or schedule == "plateau":
        plateau = schedule if isinstance(schedule, Plateau) else Plateau()
        return plateau.rate(base, losses, val_losses)
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
