"""The command ``fastnet train``: flags become settings, settings a trainer."""

import sys
import time
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..callbacks import Callback, State
from .interrupt import Interrupt
from .messages import DATA, DIVERGED, INTERRUPTED, USAGE, fail, flags_of, name_flag, plain_warnings, say, wrap
from .parsing import components, layers, number_or_name

if TYPE_CHECKING:
    from ..datasets import Dataset
    from ..trainer import Trainer


@dataclass(frozen=True)
class Settings:
    """What a run is made of; each field is a flag."""

    hidden: tuple[int, ...]
    epochs: int
    batch_size: int = 32
    learning_rate: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: str = "constant"
    activation: str = "tanh"
    optimizer: str = "sgd"
    loss: str = "auto"
    dropout: float = 0.0
    clip_norm: float | None = None
    weight_init: str = "scaled_normal"
    center: bool = True
    scale: str | float = "auto"
    pca: int | float | None = None
    whiten: bool = False
    patience: int | None = None
    min_proba: float = 0.0

    def __str__(self) -> str:
        """Return the flags that give these settings."""
        hidden = ",".join(map(str, self.hidden)) or "none"
        return (
            f"--hidden {hidden} --epochs {self.epochs} --batch-size {self.batch_size} "
            f"--optimizer {self.optimizer} --learning-rate {self.learning_rate} --schedule {self.schedule} "
            f"--momentum {self.momentum} {'--nesterov ' * self.nesterov}--weight-decay {self.weight_decay} "
            f"--activation {self.activation}{self._unusual()}"
        )

    def _unusual(self) -> str:
        """Return the flags that most runs leave as they are."""
        names = ("loss", "dropout", "clip_norm", "weight_init", "scale", "pca", "patience", "min_proba")
        flags = [
            f" --{name.replace('_', '-')} {getattr(self, name)}"
            for name in names
            if getattr(self, name) != getattr(Settings, name)
        ]
        return "".join(flags) + " --no-center" * (not self.center) + " --whiten" * self.whiten


_FLAGS = {field.name for field in fields(Settings)} | {"seed", "preset"}
FLAGS = {"layer_sizes": "--hidden", "n_threads": "--threads", "n_components": "--pca"} | flags_of(_FLAGS)


SHAPES = {"digits": (64, 10), "moons": (2, 2), "mnist": (784, 10)}  # inputs, classes

# Chosen by the accuracy on the validation data.
DEFAULTS = {
    "digits": Settings((64,), epochs=30, momentum=0.9, weight_decay=1e-3),
    "moons": Settings((16,), epochs=100, momentum=0.9),
    "mnist": Settings(
        (300,), epochs=10, batch_size=128, momentum=0.9, weight_decay=5e-4, schedule="cosine", activation="relu"
    ),
}
# Of the article series "Building a Neural Network from scratch"; `halve` is its dynamic learning rate.
PRESETS = {"article": Settings((10,), epochs=100, weight_decay=1e-3, schedule="halve")}


def _paragraph(name: str, settings: Settings) -> str:
    """Return settings as a paragraph of a help page that typer does not wrap again."""
    return f"\b\n{name}:\n{wrap(str(settings), 76, '  ', '  ')}"


EPILOG = "\n\n".join(
    [_paragraph(name, settings) for name, settings in DEFAULTS.items()]
    + [_paragraph(f"--preset {name}", settings) for name, settings in PRESETS.items()]
)


def train(
    data: Annotated[str, typer.Argument(metavar="DATA", help="digits, moons or mnist.")],
    hidden: Annotated[
        str | None, typer.Option(metavar="N,N,..", help="Units of each hidden layer; none: no hidden layer.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Passes over the training data.")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Samples in a minibatch.")] = None,
    optimizer: Annotated[
        str | None, typer.Option(metavar="NAME", help="sgd, adam, or adamw (adam with decoupled weight decay).")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(metavar="X", help="Learning rate to begin with.")] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="NAME", help="How the rate changes: constant, halve, plateau, step, cosine.")
    ] = None,
    momentum: Annotated[float | None, typer.Option(metavar="X", help="From 0 to below 1.")] = None,
    nesterov: Annotated[bool | None, typer.Option("--nesterov/--no-nesterov", help="Nesterov momentum.")] = None,
    weight_decay: Annotated[float | None, typer.Option(metavar="X", help="Weight decay (L2).")] = None,
    activation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of hidden layers: tanh, sigmoid, relu, identity, leaky_relu, elu, gelu, silu."
        ),
    ] = None,
    loss: Annotated[
        str | None, typer.Option(metavar="NAME", help="auto (cross_entropy), or squared_error of the probabilities.")
    ] = None,
    dropout: Annotated[
        float | None, typer.Option(metavar="X", help="Share of hidden outputs that are dropped while training.")
    ] = None,
    clip_norm: Annotated[
        float | None, typer.Option(metavar="X", help="Largest norm of a minibatch's gradient.")
    ] = None,
    weight_init: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="First weights: scaled_normal, normal, he, he_uniform, glorot_normal, glorot_uniform, zeros.",
        ),
    ] = None,
    center: Annotated[
        bool | None, typer.Option("--center/--no-center", help="Subtract the mean of the training samples.")
    ] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="NAME", help="Scaling of each feature: auto, minmax, standard; or a factor.")
    ] = None,
    pca: Annotated[
        str | None,
        typer.Option(metavar="N", help="Train on so many principal components, or on that share of the variance."),
    ] = None,
    whiten: Annotated[
        bool | None, typer.Option("--whiten/--no-whiten", help="Give all principal components variance 1.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(metavar="N", help="Stop after N epochs without a lower validation loss; keep the best weights."),
    ] = None,
    min_proba: Annotated[
        float | None, typer.Option(metavar="X", help="Decide on test samples with at least that probability only.")
    ] = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="Begin from these settings: article.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Draws the first weights and the minibatches.")] = 0,
    threads: Annotated[int | None, typer.Option(metavar="N", help="Instead of as many as are worth it.")] = None,
    data_dir: Annotated[str | None, typer.Option(metavar="DIR", help="Folder that holds mnist/.")] = None,
) -> None:
    """Train a network on DATA and measure it on test samples.

    Flags that are not given are taken from --preset, or from what suits DATA (see below). With another optimizer than
    theirs, the learning rate is its own (0.001 for adam and adamw) and there is no momentum.
    """
    flags: dict[str, Any] = {
        "hidden": hidden,
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "momentum": momentum,
        "nesterov": nesterov,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "activation": activation,
        "loss": loss,
        "dropout": dropout,
        "clip_norm": clip_norm,
        "weight_init": weight_init,
        "center": center,
        "scale": scale,
        "pca": pca,
        "whiten": whiten,
        "patience": patience,
        "min_proba": min_proba,
    }
    try:
        with plain_warnings(FLAGS):
            _train(data, preset, flags, seed, threads, data_dir)
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            typer.echo(err=True)  # leave the line in which the terminal shows ^C
        fail("interrupted before training began", INTERRUPTED)
    except MemoryError as error:
        fail(f"not enough memory: {error}", 1)


# -- the work ------------------------------------------------------------------------------------------


def _train(
    data: str, preset: str | None, flags: dict[str, Any], seed: int, threads: int | None, data_dir: str | None
) -> None:
    started = time.perf_counter()
    try:
        settings = _settings(data, preset, flags)
        trainer = _trainer(data, settings, seed, threads)
        extra = _callbacks(settings)
    except (TypeError, ValueError) as error:
        fail(name_flag(str(error), FLAGS), USAGE)
    say(f"{data} {settings} --seed {seed}" + (f" --threads {threads}" if threads else ""))
    try:
        dataset = _load(data, data_dir)
    except (OSError, ValueError) as error:  # DownloadError and FormatError are among them
        fail(str(error), DATA)

    from ..exceptions import DivergenceError
    from ..progress import Display, show_seconds

    if isinstance(settings.pca, float):
        trainer = _withcomponents(data, settings, seed, threads, dataset.X_train)
    display = Display(varying_rate=settings.schedule != "constant")
    trainer.callbacks = [display, *extra, Interrupt()]
    code, reached, epochs = 0, "", f"{settings.epochs} epoch{'s' * (settings.epochs > 1)}"
    try:
        validation = dataset.X_val, dataset.y_val
        trainer.fit(dataset.X_train, dataset.y_train, epochs=settings.epochs, validation_data=validation)
    except DivergenceError as error:
        fail(str(error).replace("learning_rate", "--learning-rate"), DIVERGED)
    except KeyboardInterrupt:
        if display.state is None:
            raise
        code, reached = INTERRUPTED, "interrupted: "
        epochs = f"{_epochs_done(display.state)} of {settings.epochs} epochs"
    said = trainer.network.predict(dataset.X_test, min_proba=settings.min_proba)
    accuracy, share = _accuracy(said, dataset.y_test)
    total = "" if reached else f", {show_seconds(time.perf_counter() - started)} in total"
    training = f"{show_seconds(display.seconds)} of training ({epochs}{total})"
    print(f"{reached}test accuracy {accuracy:.2f} %{share} in {training}", flush=True)
    raise typer.Exit(code)


def _accuracy(said: Any, y: Any) -> tuple[float, str]:
    """Accuracy in percent where there was a decision, and how often that was, if not always."""
    decided = said >= 0
    if decided.all():
        return 100 * float((said == y).mean()), ""
    right = (said == y)[decided]
    share = f" of the {100 * decided.mean():.1f} % that were decided"
    return (100 * float(right.mean()) if len(right) else float("nan")), share


def _callbacks(settings: Settings) -> list[Callback]:
    from ..callbacks import EarlyStopping
    from ..checks import check_number

    check_number("min_proba", settings.min_proba, high=1.0)
    return [] if settings.patience is None else [EarlyStopping(patience=settings.patience)]


def _withcomponents(data: str, settings: Settings, seed: int, threads: int | None, X: Any) -> "Trainer":
    """Return a trainer whose network has as many inputs as principal components have a share of the variance."""
    from ..preprocessing import PCA

    found = PCA(settings.pca, settings.whiten).fit(X, settings.scale)
    print(f"{found.n_components_} principal components", flush=True)
    return _trainer(data, replace(settings, pca=found.n_components_), seed, threads)


def _epochs_done(state: State) -> str:
    if state.minibatch < state.minibatches:
        return f"{state.epoch + state.minibatch / state.minibatches:.2f}"
    return str(state.epoch)


def _settings(data: str, preset: str | None, flags: dict[str, Any]) -> Settings:
    from ..checks import check_choice, check_integer

    base = DEFAULTS[check_choice("DATA", data, tuple(DEFAULTS))]
    if preset is not None:
        base = PRESETS[check_choice("preset", preset, tuple(PRESETS))]
    given = {name: value for name, value in flags.items() if value is not None}
    if "hidden" in given:
        given["hidden"] = layers(given["hidden"])
    if "scale" in given:
        given["scale"] = number_or_name(given["scale"])
    if "pca" in given:
        given["pca"] = components(given["pca"])
    if "epochs" in given:
        check_integer("epochs", given["epochs"], low=1)
    if "optimizer" in given:
        base = _with_optimizer(base, given["optimizer"])
    return replace(base, **given)


def _with_optimizer(base: Settings, optimizer: str) -> Settings:
    """Settings for another optimizer: a learning rate and a momentum were chosen for one only."""
    from ..checks import check_choice
    from ..optimizers import LEARNING_RATES, NAMES

    if check_choice("optimizer", optimizer, NAMES) == base.optimizer:
        return base
    rate = LEARNING_RATES[optimizer]
    return replace(base, optimizer=optimizer, learning_rate=rate, momentum=0.0, nesterov=False)


def _trainer(data: str, settings: Settings, seed: int, threads: int | None) -> "Trainer":
    from ..checks import check_integer
    from ..network import Network
    from ..preprocessing import PCA
    from ..trainer import Trainer

    n_inputs, n_classes = SHAPES[data]
    pca = None if settings.pca is None else PCA(settings.pca, settings.whiten)
    if isinstance(settings.pca, int):
        n_inputs = check_integer("pca", settings.pca, low=1, high=n_inputs)
    sizes = [n_inputs, *settings.hidden, n_classes]
    network = Network(sizes, settings.activation, seed=seed, weight_init=settings.weight_init)
    return Trainer(
        network,
        optimizer=settings.optimizer,
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
        schedule=settings.schedule,
        loss=settings.loss,
        dropout=settings.dropout,
        clip_norm=settings.clip_norm,
        center=settings.center,
        scale=settings.scale,
        pca=pca,
        seed=seed,
        n_threads=threads,
    )


def _load(data: str, data_dir: str | None) -> "Dataset":
    from .. import datasets

    if data == "mnist":
        return datasets.load_mnist(data_dir)
    return datasets.load_digits() if data == "digits" else datasets.load_moons()
