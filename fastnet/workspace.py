"""The buffers that compiled passes need, laid out once per fit or prediction."""

from typing import Any

import numpy as np

from . import barrier
from .kernels.dense import PANEL_VECTORS
from .kernels.sparse import SparseTiles
from .layers import DELTA, OUTPUT, TRANSPOSED, UPDATE_ROWS, Work
from .layout import N_IN, N_OUT, STEP, aligned_zeros, lanes, padded, row_step


def workspace(
    layers: np.ndarray,
    dtype: np.dtype[Any],
    batch_size: int,
    n_threads: int,
    train: bool,
    tiles: SparseTiles | None = None,
    block: int = 0,
) -> Work:
    """Return buffers for minibatches of at most ``batch_size`` rows.

    Parameters
    ----------
    layers : ndarray of shape (n_layers, 8)
        The network's layer table.
    dtype : dtype
        Of the network.
    batch_size, n_threads : int
        Largest minibatch; threads that work on it together.
    train : bool
        Whether gradients will be computed, too. Else each thread works on ``batch_size`` rows of its own.
    tiles, block : SparseTiles and int, optional
        For sparse rows, with the columns in a block; dense tiles are made here.
    """
    places, size = np.zeros((len(layers), 3), np.int64), 0

    def place(count: int) -> int:
        nonlocal size
        size += count
        return size - count

    for number, layer in enumerate(layers):
        rows = batch_size * (1 if train else n_threads) * int(layer[STEP])
        places[number, OUTPUT] = place(rows * (2 if train and number == 0 else 1))
        if train:
            places[number, DELTA] = place(rows)
            if number > 0:
                places[number, TRANSPOSED] = place(int(layer[N_OUT]) * padded(int(layer[N_IN]), dtype))
    # A block of sparse rows needs a line more, for the sum of its gradients; each thread has whole cache lines.
    gradient = row_step(max(UPDATE_ROWS, block + 1) * PANEL_VECTORS * lanes(dtype), dtype)
    return Work(
        batch_size=batch_size,
        buffer=aligned_zeros(size, dtype),
        places=places,
        tiles=_dense_tiles(int(layers[0, N_IN]), dtype, batch_size, n_threads) if tiles is None else tiles,
        gradients=aligned_zeros(n_threads * gradient, dtype).reshape(n_threads, gradient),
        losses=np.zeros(batch_size),
        hits=np.zeros(batch_size, np.int64),
        arrivals=barrier.arrivals(n_threads),
    )


def _dense_tiles(n_in: int, dtype: np.dtype[Any], batch_size: int, n_threads: int) -> np.ndarray:
    step = row_step(n_in, dtype)
    return aligned_zeros(n_threads * batch_size * step, dtype).reshape(n_threads, batch_size, step)
