"""The search from outside: arguments become trials, and the best trial a network."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import checks
from .._parallel import available_cpus
from ..callbacks import Callback
from ..exceptions import DivergenceError
from ..preprocessing import PCA
from .data import Task, as_samples, as_source, output_for, prepare
from .halving import Halving, TuningState
from .result import TuningResult
from .space import Params, check_params, draw, full_space
from .trial import Trial

MONITORS = ("auto", "val_accuracy", "val_loss")

# The best network sees as many samples as 32 epochs of MNIST have, but in no more epochs than these.
_SAMPLES, _MIN_EPOCHS, _MAX_EPOCHS = 1_760_000, 32, 512


def tune(
    X: Any,
    y: Any = None,
    *,
    X_val: Any = None,
    y_val: Any = None,
    validation_fraction: float = 0.1,
    space: Mapping[str, Any] | None = None,
    n_trials: int = 60,
    epochs: int | None = None,
    factor: int = 2,
    monitor: str = "auto",
    output: str = "auto",
    center: bool = True,
    scale: str | float = "auto",
    pca: PCA | int | float | None = None,
    dtype: Any = "float32",
    n_jobs: int | None = None,
    seed: int | None = None,
    callback: Callable[[TuningState], bool | None] | None = None,
) -> TuningResult:
    """Search for the settings that suit some data, by successive halving of random trials.

    Many networks with settings drawn at random train for an epoch or a few; the better half of them (measured on
    validation samples) goes on to twice as many epochs, and so on until one is left. Trials run beside each other, each
    in one thread, on the same rows; nothing is copied.

    Parameters
    ----------
    X : Dataset, or array-like of shape (n_samples, n_features)
        A data set has validation samples (used for choosing) and test samples (used once, at the end). Rows are uint8,
        float32 or float64; they must not change meanwhile.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Class indices, one-hot rows, labels of 0 and 1, or numbers.
    X_val, y_val : array-like, optional
        Samples to compare trials on. Without any, ``validation_fraction`` of the samples is split off at random, each
        class in its proportion, and the others are copied.
    validation_fraction : float in (0, 1), default=0.1
    space : dict, optional
        Entries to add to the default space, or to replace there. Names are "hidden" (width of the hidden layer, or
        widths of several), "activation", "weight_init", "bias_init" as for `Network`, and "optimizer", "learning_rate",
        "batch_size", "momentum", "nesterov", "beta1", "beta2", "epsilon", "weight_decay", "dropout", "clip_norm",
        "loss", "schedule" as for `Trainer`. A tuple ``(low, high)`` is a log-uniform range, a list holds choices, what
        has a method ``rvs`` (``scipy.stats.uniform(0, 0.9)``) is drawn from, and anything else is fixed. A network of
        several hidden layers is a choice: ``"hidden": [(100, 50), 100]``. The default space is
        ``fastnet.tuning.DEFAULT_SPACE``.
    n_trials : int, default=60
        Fewer if the space holds choices only, and these have fewer combinations.
    epochs : int, optional
        Of the network that wins; schedules of all trials are made for it. The default is 32, and more for fewer than
        55,000 samples, so that as many are seen, but at most 512.
    factor : int, default=2
        One of so many trials goes on, to so many times the epochs.
    monitor : {"auto", "val_accuracy", "val_loss"}, default="auto"
        By what trials are compared; of equal accuracies the one with the smaller loss is better. "auto" is the loss for
        numbers, else the accuracy.
    output : {"auto", "softmax", "sigmoid", "identity"}, default="auto"
        Of the networks. "auto" takes softmax for whole numbers and one-hot rows, sigmoid for other rows of 0 and 1, and
        identity for numbers with a fraction, in float32 or float64.
    center, scale, pca
        As for `Trainer`; found once, in the rows that are trained on.
    dtype : {"float32", "float64"}, default="float32"
    n_jobs : int, optional
        Trials that train at the same time; None takes as many as there are CPUs. The results are the same for any.
    seed : int below 2**32, optional
        Draws the settings, and is the seed of each network and trainer. None takes another each time, which
        ``result.seed`` tells.
    callback : callable, optional
        Is given a `fastnet.tuning.TuningState` after each epoch of each trial, by one thread at a time; True ends the
        search. `fastnet.tuning.LiveTable` shows a table.

    Returns
    -------
    TuningResult
        After Ctrl-C that of what has been found so far.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; before anything is trained.
    DivergenceError
        If all trials have diverged. One that has counts as worst, is named in the result, and stops nothing.
    KeyboardInterrupt
        If Ctrl-C comes before the first trial is over.

    Notes
    -----
    Rungs, survivors and the order of trials are those of scikit-learn's ``HalvingRandomSearchCV`` with "epochs" as the
    resource (K. Jamieson, A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
    2016). Unlike there, a trial that goes on is not trained anew: weights, velocity, generator and schedule continue,
    so that the network that wins has the bits of ``Trainer.fit(..., epochs=epochs)`` in one go.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.datasets.load_digits()
    >>> result = fastnet.tune(data, space={"activation": "tanh"}, n_trials=8, epochs=16, seed=0)
    >>> len(result.trials), result.test_score > 0.9, result.best_network.score(data.X_val, data.y_val) > 0.9
    (15, True, True)
    """
    started = time.perf_counter()
    n_trials = checks.check_integer("n_trials", n_trials, low=1)
    factor = checks.check_integer("factor", factor, low=2)
    n_jobs = available_cpus() if n_jobs is None else checks.check_integer("n_jobs", n_jobs, low=1)
    if epochs is not None:
        epochs = checks.check_integer("epochs", epochs, low=1)
    checks.check_choice("monitor", monitor, MONITORS)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {type(callback).__name__}")
    seed = _check_seed(seed)
    source = as_source(X, y, X_val, y_val)
    output = output_for(source.y, output)
    samples = as_samples(source, validation_fraction, output, seed)
    task = prepare(samples, output, source.n_classes, center, scale, pca, dtype)
    settings = _settings(full_space(space), n_trials, task, seed)
    if monitor == "auto":
        monitor = "val_loss" if output == "identity" else "val_accuracy"
    if epochs is None:
        epochs = min(max(_MIN_EPOCHS, _SAMPLES // len(samples.X)), _MAX_EPOCHS)

    def new_trial(params: Params, watch: Callback) -> Trial:
        return Trial(params, task.shared, output, task.n_outputs, epochs, seed, watch)

    search = Halving(new_trial, settings, epochs, factor, monitor, seed, callback)
    best = search.run(n_jobs)
    if best is None:
        raise _all_diverged(search.state)
    trial = search.trials[best]
    trial.network.preprocessing = task.preprocessing
    for name, value in source.names.items():
        if value is not None:
            setattr(trial.network, name, value)
    return TuningResult(
        best_network=trial.network,
        best_params=settings[best],
        best_trial=best,
        best_score=float(getattr(trial.history, monitor)[-1]),
        history=trial.history,
        trials=sorted(search.state.trials, key=lambda record: (record["rung"], record["trial"])),
        monitor=monitor,
        seed=seed,
        test_score=None if source.test is None else trial.network.score(*source.test),
        interrupted=search.interrupted,
        seconds=time.perf_counter() - started,
    )


def _check_seed(seed: Any) -> int:
    if seed is None:
        return int(np.random.default_rng().integers(1 << 31))
    return checks.check_integer("seed", seed, low=0, high=(1 << 32) - 1)  # what scikit-learn takes


def _settings(space: Mapping[str, Any], n_trials: int, task: Task, seed: int) -> list[Params]:
    """Draw the settings of all trials, and refuse those that can't be trained before any is."""
    settings = draw(space, n_trials, seed)
    for number, params in enumerate(settings):
        try:
            check_params(params, task.n_outputs, task.output, task.dtype)
        except (TypeError, ValueError) as error:
            raise type(error)(f"space, trial {number}: {error}") from None
    return settings


def _all_diverged(state: TuningState) -> DivergenceError:
    first = min(state.trials, key=lambda record: record["trial"])
    return DivergenceError(
        f"all {len(state.trials)} trials diverged: try smaller learning rates in space, or scale='standard'. "
        f"Trial {first['trial']}: {first['error']}"
    )
