"""What is measured: the rows of the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

N_TRAIN, N_TEST = 55_000, 10_000

# Multiply-adds of an epoch above which fewer samples are taken, by all alike: about one to three seconds.
_MAX_MULTIPLY_ADDS = 10**11


@dataclass(frozen=True)
class Row:
    """A task that all contenders are given.

    Parameters
    ----------
    layer_sizes : tuple of int
    batch_size : int
    task : {"epoch", "predict"}, default="epoch"
        Time of one epoch, or of the probabilities of 10,000 rows.
    data : {"images", "gaussian"}, default="images"
        MNIST or what looks like it, or dense Gaussian features.
    activation, optimizer, learning_rate, weight_decay
        As in ``fastnet._peers.Peer``.
    """

    layer_sizes: tuple[int, ...]
    batch_size: int
    task: str = "epoch"
    data: str = "images"
    activation: str = "tanh"
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    weight_decay: float = 0.001

    @property
    def title(self) -> str:
        """Name of the row in tables: whatever is not the rule is said."""
        sizes = "-".join(map(str, self.layer_sizes))
        if self.task == "predict":
            return f"{sizes}, {N_TEST:,} predictions"
        words = [sizes, f"batch {self.batch_size}"]
        words += [self.activation] * (self.activation != "tanh") + ["Adam"] * (self.optimizer == "adam")
        return ", ".join(words + ["Gaussian inputs"] * (self.data == "gaussian"))

    @property
    def wants_mnist(self) -> bool:
        """Whether MNIST fits: images of 784 pixels, ten classes."""
        return self.data == "images" and (self.layer_sizes[0], self.layer_sizes[-1]) == (784, 10)

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.layer_sizes))

    @property
    def n_train(self) -> int:
        """Training samples: those of MNIST, or fewer whole minibatches for a large network."""
        affordable = _MAX_MULTIPLY_ADDS // (3 * self.n_parameters)
        return min(N_TRAIN, max(1, affordable // self.batch_size) * self.batch_size)

    @property
    def n_samples(self) -> int:
        """Samples that the row's time belongs to."""
        return N_TEST if self.task == "predict" else self.n_train


ROWS = (
    Row((784, 10, 10), 1),
    Row((784, 10, 10), 32),
    Row((784, 300, 10), 1),
    Row((784, 300, 10), 32),
    Row((784, 300, 10), 128),
    Row((784, 300, 10), 128, data="gaussian"),
    Row((784, 512, 256, 10), 256, activation="relu", optimizer="adam", learning_rate=0.001, weight_decay=0.0),
    Row((784, 300, 10), 128, task="predict"),
)


def custom_rows(layer_sizes: Sequence[int], batch_sizes: Sequence[int]) -> tuple[Row, ...]:
    """Return a row for each batch size, with the settings of the standard table.

    >>> [row.title for row in custom_rows([784, 50, 10], [32, 128])]
    ['784-50-10, batch 32', '784-50-10, batch 128']
    """
    return tuple(Row(tuple(layer_sizes), batch_size) for batch_size in batch_sizes)
