"""What a search has found."""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..files import write_atomically
from ..history import History
from ..network import Network

Record = dict[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class TuningResult:
    """What a search has found.

    Attributes
    ----------
    best_network : Network
        Trained for ``history``'s epochs, with the preprocessing of the training rows.
    best_params : dict
        Its settings, by the names of `Network` ("hidden" has the widths of the hidden layers) and `Trainer`.
    best_trial : int
        Its number.
    best_score : float
        Its ``monitor`` after the last epoch.
    history : History
        Of its training, as if the parts were one.
    trials : list of dict
        One for each trial and rung, by rung and trial: "trial", "rung", "epochs" (done by then), "status"
        ("finished" or "diverged"), "loss", "accuracy", "val_loss", "val_accuracy", the settings, and "error" (what was
        said when it diverged). Values are numbers, strings or None (a setting that the optimizer does not have);
        several widths are one string such as "100-50". Without an accuracy that is NaN.
    monitor : {"val_accuracy", "val_loss"}
        By what trials were compared.
    seed : int
        Of the search, and of each network and trainer.
    test_score : float or None
        Accuracy (or R²) of the best network on the test samples, which nothing else has seen; None without any.
    interrupted : bool
        Whether Ctrl-C or the callback ended the search. The best network is then the best so far.
    seconds : float
        Wall time of the search.
    """

    best_network: Network
    best_params: dict[str, Any]
    best_trial: int
    best_score: float
    history: History
    trials: list[Record]
    monitor: str
    seed: int
    test_score: float | None
    interrupted: bool
    seconds: float

    def __repr__(self) -> str:
        n_trials, test = len({record["trial"] for record in self.trials}), self.test_score
        return (
            f"TuningResult({n_trials} trials, best {self.best_trial}: {self.monitor} {self.best_score:.4f}"
            f"{'' if test is None else f', test {test:.4f}'}, {self.seconds:.1f} s{self.interrupted * ', interrupted'})"
        )

    @property
    def diverged(self) -> list[int]:
        """Numbers of the trials that have diverged."""
        return [record["trial"] for record in self.trials if record["status"] == "diverged"]

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write ``trials`` as a table, one line each; the same search gives the same bytes.

        Parameters
        ----------
        path : str or os.PathLike
            Is replaced as a whole if it exists.

        Raises
        ------
        OSError
            If the file can't be written.
        """
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(self.trials[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.trials)
        write_atomically(path, text.getvalue().encode())


def ranking(trials: Sequence[Record], monitor: str) -> list[Record]:
    """Last record of each trial that has finished a rung, best first: by rung, then by what is monitored."""
    last: dict[int, Record] = {}
    for record in trials:
        if record["status"] == "finished" and last.get(record["trial"], record)["rung"] <= record["rung"]:
            last[record["trial"]] = record
    sign = 1 if monitor == "val_loss" else -1
    return sorted(last.values(), key=lambda r: (-r["rung"], sign * r[monitor], r["val_loss"], r["trial"]))
