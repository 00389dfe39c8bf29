"""Rounds in which all contenders take turns, and what their times come to."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from .._peers import PEERS
from .contender import SkippedError
from .rows import Row

# Thread pools go on spinning after their last call, for some milliseconds or for OpenMP's up to 0.2 s.
PAUSE_SECONDS = 0.2


class Racer(Protocol):
    """A ``Contender``, or a ``Worker`` that stands for one."""

    name: str

    def prepare(self, row: Row) -> dict[str, Any]:
        """Get ready for a row."""

    def turn(self, number: int) -> list[float]:
        """Return the seconds of each call of a turn."""


def measure(
    row: Row,
    racers: Sequence[Racer],
    rounds: int,
    *,
    pause: float = PAUSE_SECONDS,
    step: Callable[[str], None] = lambda doing: None,
) -> dict[str, Any]:
    """Time a row: get all ready, then let them take turns, round after round.

    Parameters
    ----------
    row : Row
    racers : sequence of Racer
        fastnet among them, if ratios are wanted.
    rounds : int
    pause : float, default=0.2
        Seconds before each turn, in which the thread pools of the one before come to rest.
    step : callable
        Is told in a few words what comes next: ``len(racers) * (1 + rounds)`` times, fewer if some are skipped.

    Returns
    -------
    dict
        ``title``, the fields of ``row``, ``n_samples``, and ``contenders``: for each its ``peer`` and ``name``, and
        either ``skipped`` with the reason, or ``n_timed`` (samples of a timed call), ``seconds`` (of every call, as
        measured), ``median``, ``min`` and ``max`` (for ``n_samples``), ``ratio`` (to fastnet's median, or None),
        ``prepare_seconds`` and ``accuracy``. Everything can be written as JSON.
    """
    entries: dict[str, dict[str, Any]] = {}
    for racer in racers:
        step(f"{racer.name} gets ready")
        entry: dict[str, Any] = {"peer": racer.name, "name": PEERS[racer.name].name}
        entries[racer.name] = entry
        try:
            entry.update(racer.prepare(row), seconds=[])
        except SkippedError as error:
            entry["skipped"] = str(error)
    for number in range(rounds):
        for racer in _rotated(racers, number):
            entry = entries[racer.name]
            if "skipped" in entry:
                continue
            step(f"{racer.name}, round {number + 1}/{rounds}")
            time.sleep(pause)
            try:
                entry["seconds"] += racer.turn(number)
            except SkippedError as error:
                entry["skipped"] = str(error)
    contenders = list(entries.values())
    for entry in contenders:
        if "skipped" not in entry:
            _summarise(entry, row.n_samples)
    _compare(contenders)
    return {"title": row.title, **asdict(row), "n_samples": row.n_samples, "contenders": contenders}


def _rotated(racers: Sequence[Racer], by: int) -> list[Racer]:
    """Let each begin a round once, and follow others."""
    by %= len(racers)
    return [*racers[by:], *racers[:by]]


def _summarise(entry: dict[str, Any], n_samples: int) -> None:
    factor = n_samples / entry["n_timed"]
    for name, summary in (("median", statistics.median), ("min", min), ("max", max)):
        entry[name] = factor * summary(entry["seconds"])


def _compare(contenders: list[dict[str, Any]]) -> None:
    ours = next((entry.get("median") for entry in contenders if entry["peer"] == "fastnet"), None)
    for entry in contenders:
        if "median" in entry:
            entry["ratio"] = entry["median"] / ours if ours else None
