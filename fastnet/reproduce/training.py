"""What experiments share: data of the size that is wanted, and a network trained on them."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..datasets import Dataset, load_mnist
from ..history import History
from ..network import Network
from ..trainer import Trainer
from .experiment import Settings

_NETWORK = ("activation", "output", "dtype", "weight_init", "bias_init")


def mnist(settings: Settings, n_train: int = 55_000) -> Dataset:
    """MNIST, or its beginning: the first ``n_train`` training images, and a few of all if it has to be quick."""
    data = load_mnist(settings.data_dir)
    n_train, n_rest = settings.count(n_train, min(n_train, 2000)), settings.count(10_000, 500)
    return replace(
        data,
        X_train=data.X_train[:n_train],
        y_train=data.y_train[:n_train],
        X_val=data.X_val[:n_rest],
        y_val=data.y_val[:n_rest],
        X_test=data.X_test[:n_rest],
        y_test=data.y_test[:n_rest],
    )


def trained(
    settings: Settings,
    data: Dataset,
    sizes: list[int],
    epochs: int,
    *,
    y: Any = None,
    y_val: Any = None,
    **options: Any,
) -> tuple[Network, History]:
    """Return a network trained on data, and what happened.

    Parameters
    ----------
    settings : Settings
        Seed of the first weights and of the order.
    data : Dataset
    sizes : list of int
        Layers.
    epochs : int
    y, y_val : array-like, optional
        Other targets than those of the data; without ``y_val`` nothing is validated then.
    **options
        Of ``Network`` or ``Trainer``.
    """
    network = Network(sizes, seed=settings.seed, **{k: v for k, v in options.items() if k in _NETWORK})
    trainer = Trainer(network, seed=settings.seed, **{k: v for k, v in options.items() if k not in _NETWORK})
    y, y_val = (data.y_train, data.y_val) if y is None else (y, y_val)
    validation = None if y_val is None else (data.X_val, y_val)
    shown = "-".join(map(str, sizes))
    settings.say(f"{shown}, {len(data.X_train):,} samples, batch {trainer.batch_size}, {epochs} epochs")
    return network, trainer.fit(data.X_train, y, epochs=epochs, validation_data=validation)


def percent(share: float) -> float:
    """Return a share in percent."""
    return 100 * float(share)


def epochs_to(values: np.ndarray, level: float, falling: bool = False) -> float:
    """Epochs, counted from 1, until values reach a level; infinity if they never do."""
    reached = values <= level if falling else values >= level
    return float(np.argmax(reached)) + 1 if reached.any() else float("inf")
