"""What a search has found."""

import csv
import io
import os
from dataclasses import dataclass
from typing import Any

from ..files import write_atomically
from ..history import History
from ..network import Network
from .table import Record, text_table

_MOST_SHOWN = 10


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

    def __str__(self) -> str:
        return f"{self!r}\n{text_table(self.trials, self.monitor, _MOST_SHOWN)}"

    @property
    def diverged(self) -> list[int]:
        """Numbers of the trials that have diverged."""
        return [record["trial"] for record in self.trials if record["status"] == "diverged"]

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write ``trials`` as a table, one line each, NaN and None as nothing; the same search gives the same bytes.

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
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.trials[0])
        for record in self.trials:
            writer.writerow("" if value is None or value != value else value for value in record.values())
        write_atomically(path, text.getvalue().encode())

    def plot(self, path: str | os.PathLike[str] | None = None, kind: str = "scatter", title: str = "") -> Any:
        """Draw what was tried, and what came of it.

        Parameters
        ----------
        path : str or os.PathLike, optional
            Where the figure is written: .png, .svg or .pdf.
        kind : {"scatter", "parallel"}, default="scatter"
            A panel with the scores over each setting, or an axis for each setting with a line for each trial.
        title : str, default=""

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            If no setting varies, or an argument is not as described.
        OSError
            If the file can't be written.
        ModuleNotFoundError
            If matplotlib is not installed; the message says how to install it.
        """
        from .. import plots

        figure = plots.tuning(self.trials, self.monitor, kind=kind, title=title)
        if path is not None:
            plots.save(figure, path)
        return figure
