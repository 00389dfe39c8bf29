"""What ``fastnet train`` does: from flags and data to a network, and what is told of it."""

import math
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..callbacks import Callback, State
from . import settings as setting
from .config import as_toml
from .interrupt import Interrupt, exit_code
from .messages import DATA, DIVERGED, FAILED, USAGE, fail, failing, newline_after_interrupt, plain_warnings
from .output import print_json, say
from .settings import DEFAULTS, FLAGS, PRESETS, Settings

if TYPE_CHECKING:
    from ..datasets import Dataset
    from ..progress import Stopwatch
    from ..trainer import Trainer


@dataclass(frozen=True)
class Request:
    """What is asked of a run beside its settings; each field is a flag, or DATA."""

    data: str
    preset: str | None
    seed: int
    threads: int | None
    data_dir: str | None
    save_config: Path | None
    as_json: bool
    quiet: bool


def run(flags: dict[str, Any], request: Request) -> None:
    """Train as flags and ``request`` say, tell what came of it, and end with an exit code."""
    with plain_warnings(FLAGS):
        try:
            training = _Run(flags, request)
        except KeyboardInterrupt as interrupt:
            newline_after_interrupt()
            fail("interrupted before training began", exit_code(interrupt))
        training.fit()
        _finish(training)


# -- before training -----------------------------------------------------------------------------------


def _base(request: Request) -> Settings | None:
    from ..checks import check_choice

    check_choice("DATA", request.data, tuple(DEFAULTS))
    if request.preset is None:
        return None
    return PRESETS[check_choice("preset", request.preset, tuple(PRESETS))]


def _suited(request: Request, dataset: "Dataset") -> Settings:
    return DEFAULTS[request.data]


def _load(request: Request) -> "Dataset":
    from .. import datasets

    with failing(DATA, OSError, ValueError):  # DownloadError and FormatError are among them
        if request.data == "mnist":
            return datasets.load_mnist(request.data_dir)
        return datasets.load_digits() if request.data == "digits" else datasets.load_moons()


def _trainer(settings: Settings, request: Request, dataset: "Dataset") -> "Trainer":
    """Return a trainer; its network has as many inputs as principal components have a share of the variance."""
    from ..preprocessing import PCA

    if isinstance(settings.pca, float):
        found = PCA(settings.pca, settings.whiten).fit(dataset.X_train, settings.scale)
        settings = replace(settings, pca=found.n_components_)
    return setting.trainer(settings, dataset.n_features, dataset.n_classes, request.seed, request.threads)


def _tell_settings(settings: Settings, request: Request, trainer: "Trainer") -> None:
    """Print the line that repeats the run, and write the file that does."""
    stream = sys.stderr if request.as_json else sys.stdout
    if not request.quiet:
        threads = f" --threads {request.threads}" if request.threads else ""
        say(f"{setting.quoted([request.data])} {settings} --seed {request.seed}{threads}", stream)
        if isinstance(settings.pca, float):
            print(f"{trainer.network.layer_sizes[0]} principal components", file=stream, flush=True)
    if request.save_config is not None:
        from ..files import write_atomically

        named = {"data": request.data, **asdict(settings), "seed": request.seed, "threads": request.threads}
        with failing(FAILED, OSError):
            write_atomically(request.save_config, as_toml(named).encode())


# -- training ------------------------------------------------------------------------------------------


class _Run:
    """A training, how far it came, and what it reached."""

    def __init__(self, flags: dict[str, Any], request: Request) -> None:
        self.started, self.request, self.code = time.perf_counter(), request, 0
        with failing(USAGE, TypeError, ValueError, flags=FLAGS):
            base, given = _base(request), setting.given(flags)
            setting.check(given, request.seed, request.threads)
        self.dataset = _load(request)
        with failing(USAGE, TypeError, ValueError, flags=FLAGS):
            self.settings = setting.merged(base or _suited(request, self.dataset), given)
            self.trainer = _trainer(self.settings, request, self.dataset)
        self.network = self.trainer.network
        _tell_settings(self.settings, request, self.trainer)
        self.watch = self._watch()

    def fit(self) -> None:
        """Train, until the end or Ctrl-C."""
        from ..exceptions import DivergenceError

        data = self.dataset
        self.trainer.callbacks = [self.watch, *self._callbacks(), Interrupt()]
        try:
            validation = data.X_val, data.y_val
            self.trainer.fit(data.X_train, data.y_train, epochs=self.settings.epochs, validation_data=validation)
        except DivergenceError as error:
            fail(str(error).replace("learning_rate", "--learning-rate"), DIVERGED)
        except KeyboardInterrupt as interrupt:
            if self.watch.state is None:
                newline_after_interrupt()
                fail("interrupted before training began", exit_code(interrupt))
            self.code = exit_code(interrupt)
        self.total_seconds = time.perf_counter() - self.started

    def _watch(self) -> "Stopwatch":
        from ..progress import Display, Stopwatch

        if self.request.quiet:
            return Stopwatch()
        stream = sys.stderr if self.request.as_json else sys.stdout
        return Display(varying_rate=self.settings.schedule != "constant", lines=stream)

    def _callbacks(self) -> list[Callback]:
        from ..callbacks import EarlyStopping

        return [] if self.settings.patience is None else [EarlyStopping(patience=self.settings.patience)]

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

    def tested(self) -> tuple[float, float]:
        """Return the accuracy on the test samples where there was a decision, and how often there was one."""
        said = self.network.predict(self.dataset.X_test, min_proba=self.settings.min_proba)
        right, decided = said == self.dataset.y_test, said >= 0
        return (float(right[decided].mean()) if decided.any() else math.nan), float(decided.mean())


def _finish(run: _Run) -> None:
    accuracy, decided = run.tested()
    if run.request.as_json:
        print_json(_result(run, accuracy, decided))
    else:
        print(_last_line(run, accuracy, decided), flush=True)
    raise typer.Exit(run.code)


def _result(run: _Run, accuracy: float, decided: float) -> dict[str, Any]:
    return {
        "data": run.request.data,
        "test_accuracy": accuracy,
        "test_decided": decided,
        "val_accuracy": run.state.metrics.get("val_accuracy"),
        "loss": run.state.metrics.get("loss"),
        "seconds": run.watch.seconds,
        "compile_seconds": run.state.compile_seconds,
        "total_seconds": run.total_seconds,
        "epochs": run.state.epoch,
        "interrupted": bool(run.code),
        "model": None,
        "layer_sizes": run.network.layer_sizes,
        "seed": run.request.seed,
        "settings": asdict(run.settings),
    }


def _last_line(run: _Run, accuracy: float, decided: float) -> str:
    from ..progress import show_seconds

    planned = run.settings.epochs
    if run.code:
        reached, epochs = "interrupted: ", f"{_short(run.epochs_done())} of {planned} epochs"
    else:
        reached, epochs = "", f"{planned} epoch{'s' * (planned > 1)}, {show_seconds(run.total_seconds)} in total"
    share = "" if decided == 1 else f" of the {100 * decided:.1f} % that were decided"
    seconds = show_seconds(run.watch.seconds)
    return f"{reached}test accuracy {100 * accuracy:.2f} %{share} in {seconds} of training ({epochs})"


def _short(epochs: float) -> str:
    return f"{epochs:.0f}" if epochs == int(epochs) else f"{epochs:.2f}"
