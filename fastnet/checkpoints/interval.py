"""How often checkpoints are written: after so many epochs, or so much time."""

import re
from typing import Any, NamedTuple

from .. import checks

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_LONG = 600.0  # seconds after which there is a checkpoint within an epoch, if nothing was said

# Largest share of the time that writing may take, if nothing was said: it waits for the disk, 4 ms for the smallest
# file and 65 for a million parameters with Adam's moments (measured), while an epoch may take half a millisecond.
_SHARE = 1 / 20


class Interval(NamedTuple):
    """What ``checkpoint_every`` means; any of these may be infinite."""

    epochs: float  # after so many
    seconds: float  # after so many, also within an epoch
    pause: float = 0.0  # of at least so many times what the last writing took, between two after epochs

    def is_due(self, epochs: int, seconds: float, writing: float) -> bool:
        """Whether to write ``epochs`` and ``seconds`` after the last time, which took ``writing`` seconds."""
        return seconds >= self.seconds or (epochs >= self.epochs and seconds >= self.pause * writing)


def check_every(value: Any) -> int | str | None:
    """Return a number of epochs, a time such as "10min", or None, or refuse it."""
    if value is None:
        return None
    if not isinstance(value, str):
        return checks.check_integer("checkpoint_every", value, low=1)
    if interval(value).seconds <= 0:
        raise ValueError(f"checkpoint_every must be a time above 0, got {value!r}")
    return value


def interval(value: int | str | None) -> Interval:
    """Return what a checked ``checkpoint_every`` means."""
    if value is None:
        return Interval(1, _LONG, 1 / _SHARE)
    if not isinstance(value, str):
        return Interval(value, float("inf"))
    match = re.fullmatch(r"(\d+(?:\.\d*)?)\s*(s|min|h)", value)
    if match is None:
        raise ValueError(
            f"checkpoint_every must be a number of epochs, or a time such as '30s', '10min' or '1.5h', got {value!r}"
        )
    return Interval(float("inf"), float(match[1]) * _UNITS[match[2]])
