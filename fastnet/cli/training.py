"""What ``fastnet train`` does: from flags and data to a network, and how far it comes."""

import math
import re
import sys
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..callbacks import Callback, State
from . import settings as setting
from . import sources
from .interrupt import Interrupt, exit_code
from .messages import (
    DATA,
    DIVERGED,
    FAILED,
    USAGE,
    check_writable,
    fail,
    failing,
    name_flag,
    newline_after_interrupt,
)
from .output import say
from .settings import FLAGS, PRESETS, Settings

if TYPE_CHECKING:
    from ..datasets import Dataset
    from ..progress import Stopwatch
    from ..target_scaling import TargetScaler
    from ..trainer import Trainer

_FILES = ("output", "history", "save_config")


@dataclass(frozen=True)
class Request:
    """What is asked of a run beside its settings; each field is a flag, or DATA."""

    data: str
    source: dict[str, Any]  # flags that say how DATA is read and split
    output: Path | None = None
    preset: str | None = None
    class_weight: str | None = None
    seed: int = 0
    threads: int | None = None
    max_time: float | None = None
    checkpoint_dir: Path | None = None
    checkpoint_every: str | None = None
    resume: bool = False
    history: Path | None = None
    save_config: Path | None = None
    as_json: bool = False
    quiet: bool = False
    curves: bool = False

    def options(self) -> dict[str, Any]:
        """Return the flags that repeat the run beside settings: how DATA are read, and what is trained with."""
        options = {name: value for name, value in self.source.items() if name != "seed"}
        return options | {"class_weight": self.class_weight, "seed": self.seed, "threads": self.threads}


def asked() -> tuple[str, ...]:
    """Return the names of the flags that a request takes as they are."""
    return tuple(field.name for field in fields(Request) if field.name != "source")


class Training:
    """A training that is asked for, how far it came, and what it reached."""

    def __init__(self, flags: dict[str, Any], request: Request) -> None:
        self.started, self.request, self.code = time.perf_counter(), request, 0
        with failing(USAGE, TypeError, ValueError, flags=FLAGS):
            base, given = _check(flags, request)
        self.dataset = sources.split(request.data, request.source)
        with failing(USAGE, TypeError, ValueError, flags=FLAGS):
            suited = setting.suited(request.data, self.dataset)
            self.settings = setting.merged(base or suited, given)
            self.trainer = _trainer(self.settings, request, self.dataset)
            self.class_weight = _class_weight(request.class_weight, self.dataset)
        self.network = self.trainer.network
        self.scaler: TargetScaler | None = None
        self.line = setting.command(request.data, self.settings, suited, request.options())
        self.watch = self._watch()
        self._tell_settings()

    @property
    def stream(self) -> Any:
        """Where progress goes: stdout is for the JSON object, if there is one."""
        return sys.stderr if self.request.as_json else sys.stdout

    @property
    def regression(self) -> bool:
        """Whether numbers are predicted, and not classes."""
        return self.network.output == "identity"

    @property
    def state(self) -> State:
        """Where training stands, or stood in the end."""
        if self.watch.state is None:
            raise RuntimeError("training has not begun")
        return self.watch.state

    def epochs_done(self) -> float:
        """Return the number of epochs, with the part of the last one that was done."""
        state = self.state
        return state.epoch + (state.minibatch / state.minibatches if state.minibatch < state.minibatches else 0)

    def _watch(self) -> "Stopwatch":
        from ..progress import Display, Stopwatch

        if self.request.quiet:
            return Stopwatch()
        return Display(
            self.settings.schedule != "constant",
            self.stream,
            self.regression,
            validation=len(self.dataset.y_val) > 0,
            curves=self.request.curves,
        )

    def _tell_settings(self) -> None:
        """Print the line that repeats the run, and write the file that does."""
        if not self.request.quiet:
            say(self.line, self.stream)
            if isinstance(self.settings.pca, float):
                print(f"{self.network.layer_sizes[0]} principal components", file=self.stream, flush=True)
        if self.request.save_config is not None:
            from ..files import write_atomically
            from .config import as_toml

            named = {"data": self.request.data, **asdict(self.settings), **self.request.options()}
            with failing(FAILED, OSError):
                write_atomically(self.request.save_config, as_toml(named).encode())

    # -- training --------------------------------------------------------------------------------------

    def fit(self) -> None:
        """Train, until the end or Ctrl-C."""
        from ..exceptions import CheckpointError, DivergenceError

        try:
            self._fit()
        except DivergenceError as error:
            fail(str(error).replace("learning_rate", "--learning-rate"), DIVERGED)
        except CheckpointError as error:
            fail(str(error).replace("Pass resume=True", "Give --resume"), DATA)
        except KeyboardInterrupt as interrupt:
            if self.watch.state is None:
                newline_after_interrupt()
                fail("interrupted before training began", exit_code(interrupt))
            self.code = exit_code(interrupt)
        except (TypeError, ValueError) as error:
            of_data = re.match(r"(X|y|validation_data)\b", str(error))
            fail(name_flag(str(error), FLAGS), DATA if of_data else USAGE)
        self.total_seconds = time.perf_counter() - self.started

    def _fit(self) -> None:
        data, self.scaler = sources.standardised(self.dataset)
        epochs = self.settings.epochs
        validation = (data.X_val, data.y_val) if len(data.y_val) else None
        self.trainer.callbacks = [self.watch, *self._callbacks(), Interrupt()]
        options: dict[str, Any] = {"resume": True} if self.request.resume else {}
        if self.class_weight is not None:
            options["class_weight"] = self.class_weight
        self.trainer.fit(data.X_train, data.y_train, epochs=epochs, validation_data=validation, **options)

    def _callbacks(self) -> list[Callback]:
        from ..callbacks import EarlyStopping
        from ..loggers import CSVLogger

        callbacks: list[Callback] = []
        if self.settings.patience is not None:
            callbacks.append(EarlyStopping(patience=self.settings.patience))
        if self.request.history is not None:
            callbacks.append(CSVLogger(self.request.history, append=self.request.resume))
        if self.request.max_time is not None:
            callbacks.append(_TimeLimit(self.request.max_time))
        return callbacks

    # -- afterwards ------------------------------------------------------------------------------------

    def save(self) -> None:
        """Give the network the unit, classes and names of its data, and save it, if that is wanted."""
        if self.scaler is not None:
            self.scaler.fold_into(self.network)
        self.network.classes = None if self.regression else self.dataset.classes
        self.network.feature_names = self.dataset.feature_names
        if self.request.output is not None:
            with failing(FAILED, OSError, ValueError):
                self.network.save(self.request.output)

    def tested(self) -> tuple[float, float]:
        """Return the score on the test samples: accuracy where there was a decision, or R²; and how often there was."""
        data = self.dataset
        if not len(data.y_test):
            return math.nan, 1.0
        if self.regression:
            return self.network.score(data.X_test, data.y_test), 1.0
        said = self.network.predict(data.X_test, min_proba=self.settings.min_proba)
        right, decided = said == data.y_test, said >= 0
        return (float(right[decided].mean()) if decided.any() else math.nan), float(decided.mean())


class _TimeLimit(Callback):
    """Ends a training after the epoch in which its time is over."""

    def __init__(self, seconds: float):
        self._seconds, self._end = seconds, math.inf

    def on_compiled(self, state: State) -> None:
        self._end = time.monotonic() + self._seconds

    def on_epoch_end(self, state: State) -> bool:
        return time.monotonic() > self._end


# -- before training -----------------------------------------------------------------------------------


def _check(flags: dict[str, Any], request: Request) -> tuple[Settings | None, dict[str, Any]]:
    """Return the preset and the settings that are given, once all flags are seen to be possible."""
    from ..checks import check_choice

    base = None if request.preset is None else PRESETS[check_choice("preset", request.preset, tuple(PRESETS))]
    given = setting.given(flags)
    setting.check(given, request.seed, request.threads)
    for name in _FILES:
        check_writable(f"--{name.replace('_', '-')}", getattr(request, name))
    if request.max_time is not None and not request.max_time > 0:
        raise ValueError(f"--max-time must be more than 0 seconds, got {request.max_time}")
    for name in ("resume", "checkpoint_every"):
        if getattr(request, name) and request.checkpoint_dir is None:
            raise ValueError(f"--{name.replace('_', '-')} needs --checkpoint-dir")
    return base, given


def _trainer(settings: Settings, request: Request, dataset: "Dataset") -> "Trainer":
    """Return a trainer; its network has as many inputs as principal components have a share of the variance."""
    from ..preprocessing import PCA

    if isinstance(settings.pca, float):
        found = PCA(settings.pca, settings.whiten).fit(dataset.X_train, settings.scale)
        settings = replace(settings, pca=found.n_components_)
    regression = dataset.task == "regression"
    n_outputs, output = (1, "identity") if regression else (dataset.n_classes, "softmax")
    trainer = setting.trainer(settings, dataset.n_features, n_outputs, request.seed, request.threads, output)
    if request.checkpoint_dir is not None:
        every: int | str | None = request.checkpoint_every
        trainer.checkpoint_dir = request.checkpoint_dir
        trainer.checkpoint_every = int(every) if isinstance(every, str) and every.isdecimal() else every
    return trainer


def _class_weight(text: str | None, dataset: "Dataset") -> str | dict[int, float] | None:
    """Read balanced, or weights by the names of classes."""
    from ..checks import check_choice

    if text is None or text == "balanced":
        return text
    if dataset.task == "regression":
        raise ValueError("class_weight needs classes; the target has numbers")
    names = [str(name) for name in (range(dataset.n_classes) if dataset.classes is None else dataset.classes)]
    weights = {}
    for part in text.split(","):
        name, sign, number = part.rpartition("=")
        if not sign or not re.fullmatch(r"\s*[0-9.]+(e-?\d+)?\s*", number):
            raise ValueError(f"class_weight must be balanced, or such as cat=2,dog=1, got {text!r}")
        weights[names.index(check_choice("class_weight", name.strip(), tuple(names)))] = float(number)
    return weights
