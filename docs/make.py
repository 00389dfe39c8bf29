"""Make what the documentation shows: ``python docs/make.py`` draws its pictures and writes the flags of all commands.

Needs MNIST and matplotlib.
"""

from pathlib import Path

import typer
from typer.testing import CliRunner

import fastnet
from fastnet import cli

DOCS = Path(__file__).parent
IMAGES = DOCS / "images"


def softmax_weights() -> None:
    """Draw what softmax regression learns: one weight a pixel and digit."""
    data = fastnet.datasets.load_mnist()
    network = fastnet.Network([784, 10], seed=0)
    trainer = fastnet.Trainer(network, learning_rate=0.1, batch_size=32, weight_decay=1e-2, seed=0)
    trainer.fit(data.X_train, data.y_train, epochs=5)
    fastnet.plots.save(fastnet.plots.weights(network, columns=5), IMAGES / "softmax-weights.png")


def worst_mistakes() -> None:
    """Draw what a network of 98 % is most wrong about, and its loss and accuracy."""
    data = fastnet.datasets.load_mnist()
    network = fastnet.Network([784, 300, 10], activation="relu", seed=0)
    settings = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "schedule": "cosine", "batch_size": 128}
    trainer = fastnet.Trainer(network, **settings, seed=0)
    history = trainer.fit(data.X_train, data.y_train, epochs=10, validation_data=(data.X_val, data.y_val))
    history.plot(IMAGES / "curves.png")
    evaluation = network.evaluate(data.X_test, data.y_test)
    evaluation.plot(IMAGES / "confusion.png")
    fastnet.plots.save(fastnet.plots.worst_mistakes(evaluation, data.X_test), IMAGES / "mistakes.png")


def boundary() -> None:
    """Record the decision boundary between two moons over the epochs."""
    data = fastnet.datasets.load_moons()
    recorder = fastnet.plots.BoundaryRecorder(data.X_train, data.y_train)
    network = fastnet.Network([2, 16, 2], seed=0)
    trainer = fastnet.Trainer(network, batch_size=8, learning_rate=0.2, callbacks=[recorder], seed=0)
    trainer.fit(data.X_train, data.y_train, epochs=8)
    recorder.save(IMAGES / "moons.png")


def command_line() -> None:
    """Write the help of all commands."""
    text = ["# Command line", "", "What `fastnet --help` and the help of each command say."]
    command = typer.main.get_command(cli.app)
    for words in ([], *([name] for name in command.commands)):
        shown = CliRunner().invoke(cli.app, [*words, "--help"], prog_name="fastnet", terminal_width=88).stdout
        text += ["", f"## {' '.join(['fastnet', *words])}", "", "```text", shown.rstrip(), "```"]
    (DOCS / "reference" / "cli.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    softmax_weights()
    worst_mistakes()
    boundary()
    command_line()
