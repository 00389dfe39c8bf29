"""The command ``fastnet train``: its flags."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .config import Config
from .interrupt import exit_code
from .messages import fail, newline_after_interrupt, plain_warnings
from .settings import EPILOG, FLAGS, names
from .sources import (
    OPTIONS,
    SPLIT,
    Data,
    DataDir,
    Delimiter,
    Drop,
    Header,
    ImageShape,
    Target,
    Task,
    Test,
    Validation,
)
from .training import Request, Training, asked
from .training_result import finish

__all__ = ["EPILOG", "train"]


def train(
    data: Data,
    target: Target = None,
    drop: Drop = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Save the network there (.safetensors).")
    ] = None,
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
        str | None,
        typer.Option(
            metavar="NAME", help="auto (cross_entropy), squared_error of the probabilities, or sampled_softmax."
        ),
    ] = None,
    dropout: Annotated[
        float | None, typer.Option(metavar="X", help="Share of hidden outputs that are dropped while training.")
    ] = None,
    n_candidates: Annotated[
        int | None, typer.Option(metavar="N", help="Classes that sampled_softmax draws for a minibatch; else 64.")
    ] = None,
    candidate_distribution: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="How it draws them: uniform, or log_uniform (frequent ones first)."),
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
    class_weight: Annotated[
        str | None, typer.Option(metavar="TEXT", help="balanced, or weights of classes such as cat=2,dog=1.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Draws the split, the first weights and the minibatches.")] = 0,
    threads: Annotated[int | None, typer.Option(metavar="N", help="Instead of as many as are worth it.")] = None,
    max_time: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop after the epoch in which that time is over.")
    ] = None,
    checkpoint_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write checkpoints there, also at Ctrl-C.")
    ] = None,
    checkpoint_every: Annotated[
        str | None, typer.Option(metavar="TEXT", help="So many epochs, or a time such as 30s or 10min; else one epoch.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint, with the same bits.")
    ] = False,
    history: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the numbers of each epoch there, as CSV.")
    ] = None,
    validation: Validation = None,
    test: Test = None,
    task: Task = None,
    delimiter: Delimiter = None,
    header: Header = None,
    image_shape: ImageShape = None,
    data_dir: DataDir = None,
    config: Config = None,
    save_config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all settings there, for --config.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on stdout, and progress on stderr.")
    ] = False,
    curves: Annotated[
        bool, typer.Option("--curves", help="Draw loss and accuracy below the bar, on a terminal.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show the result only, and no progress.")] = False,
) -> None:
    """Train a network on DATA, measure it on test samples, and save it with -o.

    Flags that are not given are taken from --config, --preset, or from what suits DATA: see below; for data of your
    own it is chosen by their shape. With another optimizer than theirs, the learning rate is its own (0.001 for adam
    and adamw) and there is no momentum; AdamW's weight decay is not taken over by others. In a regression, losses are
    in units of the targets' spread.
    """
    found = locals()
    flags = {name: found.pop(name) for name in names()}
    source = {name: found[name] for name in (*OPTIONS, *SPLIT)}
    _run(flags, Request(source=source, **{name: found[name] for name in asked()}))


def _run(flags: dict[str, Any], request: Request) -> None:
    """Train as flags and ``request`` say, tell what came of it, and end with an exit code."""
    with plain_warnings(FLAGS):
        try:
            training = Training(flags, request)
        except KeyboardInterrupt as interrupt:
            newline_after_interrupt()
            fail("interrupted before training began", exit_code(interrupt))
        training.fit()
        training.save()
        finish(training)
