"""What ``fastnet train`` tells in the end: a line, or JSON."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from . import settings as setting
from .output import print_json

if TYPE_CHECKING:
    from .training import Training


def finish(training: "Training") -> None:
    """Tell what came of a training, and end with its exit code."""
    score, decided = training.tested()
    if training.request.as_json:
        print_json(_result(training, score, decided))
    else:
        print("\n".join(_lines(training, score, decided)), flush=True)
    raise typer.Exit(training.code)


def _result(training: "Training", score: float, decided: float) -> dict[str, Any]:
    request, metrics = training.request, training.state.metrics
    name = "r2" if training.regression else "accuracy"
    scores = {f"test_{name}": score, f"val_{name}": metrics.get("val_accuracy")}
    if not training.regression:
        scores |= {"test_decided": decided, "accuracy": metrics.get("accuracy")}
    return {
        "data": request.data,
        **scores,
        "loss": metrics.get("loss"),
        "val_loss": metrics.get("val_loss"),
        "seconds": training.watch.seconds,
        "compile_seconds": training.state.compile_seconds,
        "total_seconds": training.total_seconds,
        "epochs": training.state.epoch,
        "interrupted": bool(training.code),
        "model": request.output,
        "history": request.history,
        "checkpoint": _checkpoint(training),
        "layer_sizes": training.network.layer_sizes,
        "classes": training.network.classes,
        "samples": [len(training.dataset.y_train), len(training.dataset.y_val), len(training.dataset.y_test)],
        "seed": request.seed,
        "settings": asdict(training.settings),
    }


def _checkpoint(training: "Training") -> Any:
    return getattr(training.trainer, "last_checkpoint", None)


def _lines(training: "Training", score: float, decided: float) -> list[str]:
    from ..progress import show_seconds

    planned, done = training.settings.epochs, training.state.epoch
    if training.code:
        reached, epochs = "interrupted: ", f"{_short(training.epochs_done())} of {planned} epochs"
    else:
        stopped = f"{done} of {planned}" if done < planned else str(planned)
        epochs = f"{stopped} epoch{'s' * (planned > 1)}, {show_seconds(training.total_seconds)} in total"
        reached = ""
    seconds = show_seconds(training.watch.seconds)
    lines = [f"{reached}{_score(training, score, decided)} in {seconds} of training ({epochs})"]
    if training.request.output is not None:
        lines.append(f"saved in {training.request.output}")
    if training.code and _checkpoint(training) is not None:
        lines.append(f"to go on: {_command(training)}")
    return lines


def _score(training: "Training", score: float, decided: float) -> str:
    if not len(training.dataset.y_test):
        return "trained"
    if training.regression:
        return f"test R² {score:.4f}"
    share = "" if decided == 1 else f" of the {100 * decided:.1f} % that were decided"
    return f"test accuracy {100 * score:.2f} %{share}"


def _command(training: "Training") -> str:
    """Return the command that goes on from the checkpoint."""
    request = training.request
    files = {"checkpoint_dir": request.checkpoint_dir, "checkpoint_every": request.checkpoint_every}
    files |= {"output": request.output, "history": request.history}
    words = [word for name, value in files.items() if value is not None for word in setting.flag_words(name, value)]
    return f"fastnet train {training.line} {setting.quoted([*words, '--resume'])}"


def _short(epochs: float) -> str:
    return f"{epochs:.0f}" if epochs == int(epochs) else f"{epochs:.2f}"
