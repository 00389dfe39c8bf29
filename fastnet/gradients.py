"""Loss and gradients of a network as it is: one pass over the samples that changes no weight."""

from typing import Any, NamedTuple

import numpy as np

from . import hidden, passes
from .exceptions import DivergenceError
from .kernels import gather
from .layers import Gradient, Net
from .layout import N_IN, N_OUT, padded
from .losses import AnyTargets
from .workspace import workspace

GRADIENT_ROWS = 256  # that are worked on together


class Gradients(NamedTuple):
    """Gradient of a loss with respect to all parameters of a network.

    ``flat`` is laid out like ``Network.parameters``; ``weights`` and ``biases`` are views of it, one a layer.
    ``inputs``, of the shape of X, is None unless it was asked for.
    """

    flat: np.ndarray
    weights: list[np.ndarray]
    biases: list[np.ndarray]
    inputs: np.ndarray | None = None


def add_gradients(
    net: Net, rows: gather.Rows, targets: AnyTargets, n_samples: int, gradient: np.ndarray, wrt_input: bool
) -> tuple[float, np.ndarray | None]:
    """Add the gradient of some samples to ``gradient``; return their loss and the gradient of their inputs.

    Parameters
    ----------
    net : Net
        Packed parameters and layer table.
    rows : Rows
        Checked data; the caller keeps them alive.
    targets : Targets
        With the total weight by which sums of losses are divided.
    n_samples : int
    gradient : ndarray
        Laid out like the packed parameters.
    wrt_input : bool
        Whether the inputs' gradient is wanted; it is that of the rows after centring and scaling.
    """
    batch_size, dtype = min(GRADIENT_ROWS, n_samples), net.packed.dtype
    n_batches = -(-n_samples // batch_size)
    losses, hits = np.zeros(n_batches), np.zeros(n_batches, np.int64)
    trained = hidden.training(net)
    work = workspace(net.layers, dtype, batch_size, 1, train=True, slopes=trained is not net)
    keep, order = Gradient(gradient), np.arange(n_samples, dtype=np.uint32)
    dx: Any = None
    if wrt_input:
        n_in, n_out = (int(n) for n in net.layers[0, [N_IN, N_OUT]])
        transposed, dx = np.zeros(n_out * padded(n_in, dtype), dtype), np.empty((n_samples, padded(n_in, dtype)), dtype)
        passes.input_gradients(trained, rows, targets, order, work, keep, transposed, dx, losses, hits)
        dx = dx[:, :n_in]
    else:
        passes.train_epoch(trained, rows, targets, order, batch_size, 0, n_batches, work, keep, losses, hits, 0, 1)
    if not np.isfinite(losses).all():
        raise DivergenceError("the loss is not finite: the network's weights are too large, or not finite")
    return float(losses.sum()), dx
