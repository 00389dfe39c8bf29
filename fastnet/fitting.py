"""One fit on its way: epoch after epoch, and what must be known to go on with it elsewhere.

A fit may be interrupted between any two lines of Python. So whatever says where it stands is replaced as a whole, at
one line (``_Epoch``), and what has been done of an epoch is written by compiled code alone (``run.Results``).
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ._parallel import crew
from .callbacks import State, end_fit
from .checkpoints import parts
from .checkpoints.identity import with_state
from .checkpoints.keeper import Keeper
from .exceptions import DivergenceError
from .history import METRICS, History
from .losses import AnyTargets, first_sample, mean_loss
from .network import Network
from .preprocessing import Pieces
from .regularisation import dropout_rates
from .run import Results, Run, warm_up
from .schedules import learning_rate

# Above so many samples the order is shuffled in 4 bytes a sample, which takes 1.5 times as long as in 8.
_MANY_SAMPLES = 1_000_000


def shuffled(rng: np.random.Generator, n_samples: int) -> np.ndarray:
    """Return an epoch's order, as uint32."""
    if n_samples <= _MANY_SAMPLES:
        return rng.permutation(n_samples).astype(np.uint32)
    order = np.arange(n_samples, dtype=np.uint32)
    rng.shuffle(order)
    return order


def validate(
    network: Network, X: Any, targets: AnyTargets, n_threads: int | None = None, score: bool = True
) -> tuple[float, float]:
    """Return mean loss and accuracy, or R²; NaN in its place unless ``score``."""
    logits = network._logits(X, n_threads)
    return mean_loss(logits, targets), network._score(logits, targets) if score else math.nan


class Chunk(NamedTuple):
    """Checked rows and targets, and how many samples make a minibatch."""

    X: Any
    targets: AnyTargets
    batch_size: int


class Task(NamedTuple):
    """What a fit is asked for, checked."""

    chunks: Callable[[Run], Iterable[Chunk]]  # those of an epoch
    first: Callable[[], Chunk]  # the first of them
    pieces: Pieces | None  # rows to find the preprocessing in
    epochs: int
    batch_size: int
    n_threads: int
    validation: tuple[Any, AnyTargets] | None
    group: int = 1  # minibatches that share a pass over the first layer's weights
    is_stream: bool = False  # several chunks: nobody knows how many, and memory has room for one


class _Epoch(NamedTuple):
    """The epoch that is trained, or comes next: what stood before it, and what has been done of it."""

    number: int  # whole epochs before
    results: Results
    generator: dict[str, Any]  # state before the epoch's order is drawn
    callbacks: list[dict[str, Any]]
    stopped: bool = False  # a callback wants no more epochs
    set_rate: float | None = None  # learning rate that a callback has set before it
    learning_rate: float | None = None  # if a part of it was done by a fit that this one resumes
    seconds: float = 0.0  # that this part took


class Fit:
    """The epochs of one ``Trainer.fit``.

    Parameters
    ----------
    trainer : Trainer
        Its settings, network, generator and memory.
    task : Task
    keeper : Keeper, optional
        Writes checkpoints, and may have found one to resume.

    Attributes
    ----------
    trained : bool
        Whether the network has been changed.
    """

    def __init__(self, trainer: Any, task: Task, keeper: Keeper | None = None):
        self._trainer, self._task, self._keeper = trainer, task, keeper
        self._found = keeper.found if keeper is not None else None
        n_minibatches = 0 if task.is_stream else -(-task.first().X.shape[0] // task.batch_size)
        self._state = State(trainer.network, task.epochs, minibatches=n_minibatches)
        self._state._rate = trainer._first_rate
        self._metrics: dict[str, list[float]] = {name: [] for name in METRICS}
        self._with_state = with_state(trainer.callbacks)
        self._whole = True  # the network has the weights of the last minibatch
        self._between_epochs = True
        self._at: _Epoch  # from the first epoch on
        self._rate = self._started = 0.0
        self.trained = False

    def run(self) -> History:
        """Train."""
        task, trainer, state = self._task, self._trainer, self._state
        self._find_place()
        try:
            self._notify("on_fit_begin")
            with crew(task.n_threads) as together:
                started = time.perf_counter()
                warm_up(trainer.network, task.first().X, task.batch_size, task.group)
                compiling = time.perf_counter() - started
                started = time.perf_counter()
                rates = dropout_rates(trainer.dropout, len(trainer.network.activations))
                data = *task.first()[:2], task.batch_size, task.n_threads
                settings = together, rates, trainer.clip_norm
                self._run = trainer._new_run(trainer.network, *data, *settings, group=task.group)
                del data  # memory may have room for one chunk
                setup_seconds = time.perf_counter() - started
                started = time.perf_counter()
                self._compile()
                state.compile_seconds = compiling + time.perf_counter() - started
                self._notify("on_compiled")
                self._epochs()
        except BaseException as error:
            end_fit(trainer.callbacks, state, error)
            raise
        end_fit(trainer.callbacks, state, None)
        return History(
            **self._history(self._at.number),
            compile_seconds=state.compile_seconds,
            setup_seconds=setup_seconds,
            n_threads=task.n_threads,
            first_layer=self._run.kind,
        )

    # -- before the first epoch ------------------------------------------------------------------------

    def _find_place(self) -> None:
        """Stand where a checkpoint was written, as far as callbacks can see it."""
        if self._found is not None:
            parts.restore_network(self._trainer.network, self._found["network"])
            self._trainer._rng.bit_generator.state = self._found["generator"]
            self._metrics = {name: self._found["history"][name].tolist() for name in METRICS}
            self._state.epoch, self._state.minibatch = self._found["epoch"], self._found["minibatch"]
            self._state.metrics = {name: values[-1] for name, values in self._metrics.items() if values}
            self.trained = True

    def _compile(self) -> None:
        """Compile the kernels, or load them from the cache, without training; then take over what was kept."""
        trainer, run, task = self._trainer, self._run, self._task
        if self._found is not None:
            parts.restore_memory(trainer._memory, run, self._found["optimizer"])
        run.compile(trainer._epoch_optimizer(run, trainer._first_rate))
        if task.validation is not None:
            X, targets = task.validation
            validate(trainer.network, X[:1], first_sample(targets), trainer.n_threads, score=False)

    def _first_epoch(self) -> _Epoch:
        if self._found is None:
            return self._next_epoch(0)
        found, running = self._found, self._found["running"]
        for callback, state in zip(self._with_state, found["callbacks"], strict=True):
            callback.load_state_dict(state)
        if found["set_rate"] is not None:
            self._state.learning_rate = found["set_rate"]
        at = self._next_epoch(found["epoch"], found["stopped"])
        if running is not None:
            self._run.restore(running)
            at.results.losses[: found["minibatch"]] = running["losses"]
            at.results.hits[: found["minibatch"]] = running["hits"]
            at = at._replace(learning_rate=running["learning_rate"], seconds=running["seconds"])
        return at

    def _next_epoch(self, number: int, stopped: bool = False) -> _Epoch:
        """Return the epoch that comes next, of which nothing has been done."""
        results = Results.none_of(self._run.n_minibatches)
        if self._keeper is None:
            return _Epoch(number, results, {}, [], stopped)
        callbacks = [callback.state_dict() for callback in self._with_state]
        generator, set_rate = self._trainer._rng.bit_generator.state, self._state._set_rate
        return _Epoch(number, results, generator, callbacks, stopped, set_rate)

    # -- epochs ----------------------------------------------------------------------------------------

    def _epochs(self) -> None:
        self._at = self._first_epoch()
        try:
            while not self._at.stopped and self._at.number < self._task.epochs:
                self._epoch(self._at)
        except BaseException as error:
            self._keep(error)
            raise

    def _epoch(self, at: _Epoch) -> None:
        trainer, state = self._trainer, self._state
        before = self._metrics["loss"], self._metrics["val_loss"]
        rate = learning_rate(trainer.schedule, trainer._first_rate, at.number, state.epochs, *before)
        self._rate = state._begin_epoch(rate, at.learning_rate, at.results.done)
        state.metrics = dict(zip(METRICS, self._train_and_validate(at), strict=True))
        for name, value in state.metrics.items():
            self._metrics[name].append(value)
        state.epoch += 1
        wishes = [callback.on_epoch_end(state) for callback in trainer.callbacks]
        self._at = self._next_epoch(at.number + 1, any(wishes))
        self._between_epochs = True
        if self._keeper is not None:
            last = self._at.stopped or self._at.number >= state.epochs
            self._keeper.after_epoch(self._at.number, self._score(self._at.number), last, self._snapshot)

    def _train_and_validate(self, at: _Epoch) -> tuple[float, ...]:
        """Return the epoch's metrics."""
        validation = self._task.validation
        self._started = time.perf_counter() - at.seconds
        self._train(at)
        seconds = time.perf_counter() - self._started
        loss, accuracy, n_samples = self._run.epoch_means()
        started = time.perf_counter()
        val_loss, val_accuracy = (
            validate(self._trainer.network, *validation, self._trainer.n_threads)
            if validation is not None
            else (math.nan, math.nan)
        )
        waited = time.perf_counter() - started
        return loss, accuracy, val_loss, val_accuracy, self._rate, seconds, waited, n_samples / seconds

    def _train(self, at: _Epoch) -> None:
        run, state, before = self._run, self._state, 0
        for chunk in self._task.chunks(run):
            run.load(*chunk)
            del chunk
            results = Results.none_of(run.n_minibatches) if self._task.is_stream else at.results
            for done in self._minibatches(at.number, results):
                state.minibatch = before + done
                self._notify("on_minibatches_end")
                if self._keeper is not None and self._knows_place and done < run.n_minibatches:
                    self._keeper.within_epoch(at.number, done, self._snapshot)
            before += run.n_minibatches
        run.publish()
        self._whole, self.trained, state.minibatches = True, True, before

    def _minibatches(self, epoch: int, results: Results) -> Iterator[int]:
        """Train on the rows that are loaded."""
        trainer, run = self._trainer, self._run
        order = shuffled(trainer._rng, run.n_samples)
        optimizer = trainer._epoch_optimizer(run, self._rate, results.done)
        key = int(trainer._rng.integers(1 << 62)) if run.needs_key else 0  # says what is drawn
        self._whole = self._between_epochs = False
        return run.minibatches(order, optimizer, epoch, key, results)

    @property
    def _knows_place(self) -> bool:
        """Whether a checkpoint can say where training stands: not always within an epoch, and never in a stream's."""
        return self._between_epochs or (self._run.keeps_place and not self._task.is_stream)

    def _notify(self, event: str) -> None:
        for callback in self._trainer.callbacks:
            getattr(callback, event)(self._state)

    # -- what is kept ----------------------------------------------------------------------------------

    def _keep(self, error: BaseException) -> None:
        """Keep what has been trained, unless a loss or weight is not finite: then the last epoch's weights stay."""
        if self._keeper is not None and isinstance(error, DivergenceError):
            self._keeper.after_divergence()
        elif self._keeper is not None and self._knows_place and self._run.fine:
            self._keeper.after_error(error, self._at.number, self._at.results.done, self._snapshot)
        if self._whole:
            return
        if self._run.publish_if_finite():
            self.trained = True
        else:
            self._trainer._memory.clear()

    def _snapshot(self) -> dict[str, Any]:
        """Return where training stands, as ``checkpoints.parts`` describes it. Changes nothing."""
        at, done = self._at, self._at.results.done
        return {
            "epoch": at.number,
            "minibatch": done,
            "stopped": at.stopped,
            "score": None if done else self._score(at.number),
            "network": parts.network_state(self._trainer.network),
            "optimizer": parts.memory_state(self._trainer._memory, self._run),
            "generator": at.generator,
            "history": partial(self._history, at.number),
            "callbacks": at.callbacks,
            "set_rate": at.set_rate,
            "running": self._running(at, done),
        }

    def _history(self, epochs: int) -> dict[str, np.ndarray]:
        return {name: np.array(values[:epochs]) for name, values in self._metrics.items()}

    def _running(self, at: _Epoch, done: int) -> dict[str, Any] | None:
        """Return what of an epoch has been done; before it, None if the network has the weights to begin with."""
        running = self._run.state()
        if done == 0:
            if running["parameters"].tobytes() == self._trainer.network.parameters.tobytes():
                return None
            running["folded"] = None  # it is settled between epochs
        running["learning_rate"] = self._rate if done else None
        running["seconds"] = time.perf_counter() - self._started if done else 0.0
        return running | {"losses": at.results.losses[:done].copy(), "hits": at.results.hits[:done].copy()}

    def _score(self, epochs: int) -> float | None:
        """Return what the training is judged by after so many epochs."""
        losses = self._metrics["val_loss" if self._task.validation is not None else "loss"][:epochs]
        return losses[-1] if losses and math.isfinite(losses[-1]) else None
