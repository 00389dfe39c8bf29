"""What a run of ``fastnet train`` is made of: flags become settings, settings a trainer."""

import shlex
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from ..defaults import DEFAULTS, PRESETS, Settings, defaults_for
from .messages import flags_of
from .output import wrap
from .parsing import components, layers, number_or_name

__all__ = ["DEFAULTS", "EPILOG", "FLAGS", "PRESETS", "Settings"]

if TYPE_CHECKING:
    from ..datasets import Dataset
    from ..trainer import Trainer


_OTHERS = ("seed", "preset", "class_weight", "checkpoint_dir", "checkpoint_every")
_FLAGS = {*(field.name for field in fields(Settings)), *_OTHERS}
FLAGS = {"layer_sizes": "--hidden", "n_threads": "--threads", "n_components": "--pca"} | flags_of(_FLAGS)


# Settings of the same name and meaning in a trainer.
_OF_TRAINER = (
    *("optimizer", "learning_rate", "batch_size", "momentum", "nesterov", "weight_decay", "schedule", "loss"),
    *("dropout", "clip_norm", "n_candidates", "candidate_distribution", "center", "scale"),
)


def _paragraph(name: str, settings: Settings) -> str:
    """Return settings as a paragraph of a help page that typer does not wrap again."""
    return f"\b\n{name}:\n{wrap(str(settings), 76, '  ', '  ')}"


_EXAMPLES = """\b
Examples:
  fastnet train mnist -o digits.safetensors
  fastnet train flowers.csv --target kind -o flowers.safetensors
  fastnet train photos --history history.csv --checkpoint-dir checkpoints"""
EPILOG = "\n\n".join(
    [_EXAMPLES]
    + [_paragraph(name, settings) for name, settings in DEFAULTS.items()]
    + [_paragraph(f"--preset {name}", settings) for name, settings in PRESETS.items()]
)


def names() -> tuple[str, ...]:
    """Return the names of all settings."""
    return tuple(field.name for field in fields(Settings))


def given(flags: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that flags give, texts read."""
    from ..checks import check_integer, check_number

    found = {name: value for name, value in flags.items() if value is not None}
    for name, read in (("hidden", layers), ("scale", number_or_name), ("pca", components)):
        if name in found:
            found[name] = read(found[name])
    for name in ("epochs", "patience"):
        if name in found:
            check_integer(name, found[name], low=1)
    if "min_proba" in found:
        check_number("min_proba", found["min_proba"], high=1.0)
    return found


def merged(base: Settings, found: dict[str, Any]) -> Settings:
    """Return settings with those that are given. What was chosen for one optimizer is not kept for another."""
    from ..checks import check_choice
    from ..optimizers import LEARNING_RATES, NAMES

    sampled = found.get("loss", base.loss) == "sampled_softmax"  # goes with plain SGD only
    optimizer = check_choice("optimizer", found.get("optimizer", "sgd" if sampled else base.optimizer), NAMES)
    if optimizer != base.optimizer:
        # AdamW's weight decay is multiplied by the learning rate, beside the gradient: elsewhere it would be too much.
        decay = 0.0 if base.optimizer == "adamw" else base.weight_decay
        rate = LEARNING_RATES[optimizer]
        base = replace(base, optimizer=optimizer, learning_rate=rate, momentum=0.0, nesterov=False, weight_decay=decay)
    if sampled:
        base = replace(base, momentum=0.0, nesterov=False, clip_norm=None)
    return replace(base, **found)


def check(found: dict[str, Any], seed: int, threads: int | None) -> None:
    """Refuse settings that no data could make right, before data are looked for."""
    probe = merged(Settings((), 1), {**found, "pca": None})
    if probe.loss == "sampled_softmax":  # what goes with it depends on the number of classes
        probe = replace(probe, loss="auto")
    few = tuple(min(units, 2) for units in probe.hidden)  # that a network needs too much memory is said with its sizes
    trainer(replace(probe, hidden=few), 2, 2, seed, threads)


def suited(data: str, dataset: "Dataset") -> Settings:
    """Return settings for data that nobody has tuned for."""
    return defaults_for(data, dataset.X_train, dataset.y_train, dataset.task)


def trainer(
    settings: Settings, n_inputs: int, n_outputs: int, seed: int, threads: int | None, output: str = "softmax"
) -> "Trainer":
    """Return a trainer with a network for so many inputs (or principal components) and outputs."""
    from ..checks import check_integer
    from ..network import Network
    from ..preprocessing import PCA
    from ..trainer import Trainer

    pca = None if settings.pca is None else PCA(settings.pca, settings.whiten)
    if isinstance(settings.pca, int):
        n_inputs = check_integer("pca", settings.pca, low=1, high=n_inputs)
    sizes = [n_inputs, *settings.hidden, n_outputs]
    network = Network(sizes, settings.activation, output, seed=seed, weight_init=settings.weight_init)
    taken = {name: getattr(settings, name) for name in _OF_TRAINER}
    return Trainer(network, **taken, pca=pca, seed=seed, n_threads=threads)


def command(data: str, settings: Settings, base: Settings, options: dict[str, Any]) -> str:
    """Return DATA and the flags that repeat a run.

    Parameters
    ----------
    data : str
    settings : Settings
        Those of the run.
    base : Settings
        What suits DATA, and is taken where no flag is given.
    options : dict
        Flags beside settings; None is left out.
    """
    given = {name: value for name, value in options.items() if value is not None}
    words = [word for name, value in given.items() for word in flag_words(name, value)]
    return f"{quoted([data])} {settings}{_unlike(base, settings)} {quoted(words)}".rstrip()


def _unlike(base: Settings, settings: Settings) -> str:
    """Return flags for what is as usual, and so not shown by ``str``, but not as usual for these data."""
    shown = str(settings)
    flags = []
    for name in names():
        value, switch = getattr(settings, name), isinstance(getattr(settings, name), bool)
        flag = f"--{name.replace('_', '-')}"
        if value != getattr(base, name) and value is not None and f"{flag} " not in f"{shown} ":
            flags += flag_words(name, value) if not switch or f"--no-{flag[2:]}" not in shown else []
    return f" {quoted(flags)}" if flags else ""


def flag_words(name: str, value: Any) -> list[str]:
    """Return a flag and its value, as often as it has values."""
    values = value if isinstance(value, list | tuple) else [value]
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    return [word for entry in values for word in (flag, str(entry))]


def quoted(words: list[str]) -> str:
    """Return words as a shell takes them."""
    return " ".join(shlex.quote(word) for word in words)
