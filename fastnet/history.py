"""What happened in a fit."""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, eq=False)
class History:
    """What happened in a fit: arrays with one entry an epoch.

    Attributes
    ----------
    loss, accuracy : ndarray
        Running means over the epoch's minibatches, while the weights changed; without the decay penalty. Accuracy is
        NaN for plain outputs and with a sampled softmax.
    val_loss, val_accuracy : ndarray
        At the end of the epoch; NaN without validation data. For plain outputs the accuracy is R².
    learning_rate : ndarray
    seconds : ndarray
        Wall time of the epoch with permutation, gather and the Python between compiled calls, without compilation
        and validation.
    validation_seconds : ndarray
    samples_per_second : ndarray
    compile_seconds : float
        Time spent on compiling, or on loading compiled kernels from the cache.
    setup_seconds : float
        Time spent once on buffers, and on lists of entries if the data are sparse.
    n_threads : int
        Threads that were used; the results do not depend on it.
    first_layer : {"dense", "sparse"}
        How the rows were read: as they are, or as lists of the entries that are not zero.
    """

    loss: np.ndarray
    accuracy: np.ndarray
    val_loss: np.ndarray
    val_accuracy: np.ndarray
    learning_rate: np.ndarray
    seconds: np.ndarray
    validation_seconds: np.ndarray
    samples_per_second: np.ndarray
    compile_seconds: float
    setup_seconds: float
    n_threads: int
    first_layer: str

    def __len__(self) -> int:
        return len(self.loss)

    def __repr__(self) -> str:
        if not len(self):
            return "History(0 epochs)"
        accuracy = "" if np.isnan(self.accuracy[-1]) else f"accuracy {self.accuracy[-1]:.4f}, "
        return f"History({len(self)} epochs, loss {self.loss[-1]:.4g}, {accuracy}{self.seconds.sum():.2f} s)"


METRICS = tuple(field.name for field in fields(History) if field.type is np.ndarray)
