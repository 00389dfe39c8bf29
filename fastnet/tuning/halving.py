"""Successive halving by scikit-learn, and what the trials report while it runs."""

import math
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from joblib import parallel_config
from sklearn.base import BaseEstimator
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV

from ..callbacks import Callback, State
from ..exceptions import DivergenceError
from .space import Params
from .table import MEASURED, Record
from .trial import Trial

_WORST = -sys.float_info.max  # infinities and NaN would make scikit-learn warn


@dataclass
class TuningState:
    """Where a search stands; the same object throughout.

    Attributes
    ----------
    trials : list of dict
        One for each trial and rung that are over, in the order they ended; see `TuningResult.trials`.
    rung, n_rungs : int
        The rung that is under way, counted from 0, and how many there will be.
    n_candidates, n_finished : int
        Trials of this rung, and how many of them are over.
    epochs, epochs_before : int
        Which each trial has done at the end of this rung, and at its begin.
    epochs_done : int
        Epochs trained in this rung, by all of its trials together.
    monitor : str
        By what trials are compared: "val_accuracy" or "val_loss".
    """

    monitor: str
    n_rungs: int
    n_candidates: int
    trials: list[Record] = field(default_factory=list)
    rung: int = 0
    n_finished: int = 0
    epochs: int = 0
    epochs_before: int = 0
    epochs_done: int = 0


class _Stopped(Exception):
    """Ends the training of a trial when the search is over."""


class _Watch(Callback):
    """Tells the search of a trial's epochs, and the trial that the search is over."""

    def __init__(self, search: "Halving"):
        self._search = search

    def on_minibatches_end(self, state: State) -> None:
        self._search.check_going_on()

    def on_epoch_end(self, state: State) -> None:
        self._search.note_epoch()


class _Candidate(BaseEstimator):
    """A trial as scikit-learn sees it. The data do not pass through scikit-learn, which would copy them."""

    def __init__(self, search: Any = None, trial: int = 0, epochs: int = 1):
        self.search = search
        self.trial = trial
        self.epochs = epochs

    def fit(self, X: Any, y: Any = None) -> "_Candidate":
        """Train until ``epochs`` are done."""
        self.score_ = self.search.train(self.trial, self.epochs)
        return self

    def score(self, X: Any, y: Any = None) -> float:
        """Return what ``fit`` has found."""
        return self.score_


class Halving:
    """A search under way.

    Parameters
    ----------
    new_trial : callable
        Makes a trial, given its settings and a callback.
    settings : list of dict
        Of the trials.
    epochs : int
        Of the trial that wins.
    factor : int
        From rung to rung one of so many trials stays, and goes on to so many times the epochs.
    monitor : {"val_accuracy", "val_loss"}
    seed : int
        Of the order in which trials begin.
    callback : callable or None
        Is given the state after each epoch and each trial, by one thread at a time; True ends the search.
    """

    def __init__(
        self,
        new_trial: Callable[[Params, Callback], Trial],
        settings: Sequence[Params],
        epochs: int,
        factor: int,
        monitor: str,
        seed: int,
        callback: Callable[[TuningState], bool | None] | None = None,
    ):
        self._new_trial, self._settings, self._callback = new_trial, settings, callback
        self._epochs, self._factor, self._seed = epochs, factor, seed
        n_rungs = 1 + math.floor(math.log(len(settings), factor))
        self.state = TuningState(monitor, n_rungs, len(settings))
        self.trials: dict[int, Trial] = {}  # those that may still win
        self._scores: dict[int, float] = {}  # of the last rung that each trial has finished
        self._rung_scores: dict[int, float] = {}  # of this rung
        self._lost: set[int] = set()  # diverged
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._running: set[int] = set()  # threads that train
        self._over = False
        self.interrupted = False

    def __sklearn_clone__(self) -> "Halving":
        return self

    # -- the main thread -------------------------------------------------------------------------------

    def run(self, n_jobs: int) -> int | None:
        """Search; returns the number of the best trial, or None if all have diverged.

        Raises
        ------
        KeyboardInterrupt
            If it strikes before the first trial is over; afterwards it only ends the search.
        """
        try:
            self._search(n_jobs)
            best = self._best()
            if best is not None and self.trials[best].epochs < self._epochs and not self._over:
                self._next_rung(1)
                self._one(best, self._epochs, None)
            self.interrupted = self._over
        except KeyboardInterrupt:
            self.interrupted = True
            self._end()
            best = self._best()
            if best is None:
                raise
        finally:
            self._end()
        return best

    def _search(self, n_jobs: int) -> None:
        numbers = list(range(len(self._settings)))
        search = HalvingRandomSearchCV(
            _Candidate(self),
            {"trial": numbers},
            n_candidates=len(numbers),
            factor=self._factor,
            resource="epochs",
            max_resources=self._epochs,
            min_resources="exhaust",
            aggressive_elimination=True,
            cv=[([0], [1])],
            refit=False,
            error_score="raise",
            return_train_score=False,
            random_state=self._seed,
            n_jobs=n_jobs,
        )
        with parallel_config("threading"):
            search.fit(np.zeros((2, 1)))  # stands for the data, which the trials have

    def _best(self) -> int | None:
        """Return the best trial: of the last rung, or if the search was cut short of all that are kept."""
        among = self.trials if self._over else self._rung_scores
        kept = sorted(number for number in among if number in self._scores)
        return max(kept, key=lambda number: (number not in self._lost, self._scores[number]), default=None)

    def _end(self) -> None:
        """Tell the trials that the search is over, and wait for them."""
        with self._idle:
            self._over = True
            while self._running - {threading.get_ident()}:
                self._idle.wait()

    # -- the threads of trials -------------------------------------------------------------------------

    def train(self, number: int, epochs: int) -> float:
        """Train a trial until ``epochs`` are done; returns its score."""
        with self._lock:
            if self.state.n_finished == self.state.n_candidates and not self._over:
                self._next_rung(-(-self.state.n_candidates // self._factor))
        return self._one(number, epochs, 1)

    def _next_rung(self, n_candidates: int) -> None:
        """Begin a rung; what the trials that lost have learned is forgotten."""
        last_place = sorted(self._rung_scores.values())[-n_candidates]
        for number, score in self._rung_scores.items():
            if score < last_place:
                self.trials.pop(number, None)
        state = self.state
        state.rung, state.n_candidates, state.epochs_before = state.rung + 1, n_candidates, state.epochs
        state.n_finished = state.epochs_done = 0
        state.n_rungs = max(state.n_rungs, state.rung + 1)
        self._rung_scores = {}

    def _one(self, number: int, epochs: int, n_threads: int | None) -> float:
        """Train a trial, unless the search is over or the trial has diverged; returns its score."""
        with self._lock:
            if self._over:
                return _WORST
            self.state.epochs = epochs
            if number in self._lost:
                return self._finish(number, _WORST)
            self._running.add(threading.get_ident())
        try:
            record, score = self._measure(number, epochs, n_threads)
            with self._lock:
                self.state.trials.append(record)
                return self._finish(number, score)
        except _Stopped:
            return _WORST
        finally:
            with self._idle:
                self._running.discard(threading.get_ident())
                self._idle.notify_all()

    def _measure(self, number: int, epochs: int, n_threads: int | None) -> tuple[Record, float]:
        """Train; returns the trial's record and score."""
        params = self._settings[number]
        record = {"trial": number, "rung": self.state.rung, "epochs": epochs, "status": "finished"}
        settings = {name: _flat(value) for name, value in params.items()}
        try:
            if number not in self.trials:
                self.trials[number] = self._new_trial(params, _Watch(self))
            measured = self.trials[number].train(epochs, n_threads)
        except DivergenceError as error:
            self._lost.add(number)
            record["status"] = "diverged"
            return {**record, **dict.fromkeys(MEASURED, math.nan), **settings, "error": str(error)}, _WORST
        score = self._scores[number] = _score(measured, self.state.monitor)
        return {**record, **measured, **settings, "error": ""}, score

    def _finish(self, number: int, score: float) -> float:
        self._rung_scores[number] = score
        self.state.n_finished += 1
        self._tell()
        return score

    def note_epoch(self) -> None:
        """Count an epoch of a trial."""
        with self._lock:
            self.state.epochs_done += 1
            self._tell()

    def check_going_on(self) -> None:
        """End the caller's training if the search is over."""
        if self._over:
            raise _Stopped

    def _tell(self) -> None:
        if self._callback is not None and not self._over and self._callback(self.state):
            self._over = True


def _score(measured: dict[str, float], monitor: str) -> float:
    """Return what should be large; of equal accuracies the one with the smaller loss."""
    loss = measured["val_loss"]
    if monitor == "val_loss":
        return -loss
    return max(measured["val_accuracy"] - 1e-9 * loss / (1 + loss), _WORST)


def _flat(value: Any) -> Any:
    """Return a setting as it stands in a table."""
    if isinstance(value, tuple | list):
        return value[0] if len(value) == 1 else "-".join(map(str, value)) or "none"
    return getattr(value, "__name__", repr(value)) if callable(value) else value
