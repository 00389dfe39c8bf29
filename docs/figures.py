"""Draw the pictures of the documentation: ``python docs/figures.py`` (needs MNIST and matplotlib)."""

from pathlib import Path

import fastnet

IMAGES = Path(__file__).parent / "images"


def softmax_weights() -> None:
    """Draw what softmax regression learns: one weight a pixel and digit."""
    data = fastnet.datasets.load_mnist()
    network = fastnet.Network([784, 10], seed=0)
    trainer = fastnet.Trainer(network, learning_rate=0.1, batch_size=32, weight_decay=1e-2, seed=0)
    trainer.fit(data.X_train, data.y_train, epochs=5)
    fastnet.plots.save(fastnet.plots.weights(network, columns=5), IMAGES / "softmax-weights.png")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    softmax_weights()
