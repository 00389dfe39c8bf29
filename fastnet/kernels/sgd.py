"""Stochastic gradient descent with weight decay, momentum and Nesterov momentum.   w, dw, velocity (n,)

plain      w -= lr * (dw + wd * w)
momentum   v  = m * v - lr * (dw + wd * w);   w += v
Nesterov   v  = m * v - lr * (dw + wd * w);   w += m * v - lr * (dw + wd * w)

The velocity holds the learning rate, as in the source article and scikit-learn (torch keeps it outside).
Nesterov: Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning",
ICML 2013, in the rewritten form that needs the gradient at the current weights only.
"""

from typing import Any, NamedTuple

import numpy as np

from .._jit import core, entry, kernel
from ..simd import lanes, load, load_first, muladd, pointer, pointer_to, store, store_first


class Sgd(NamedTuple):
    """Settings and state of the optimizer, as compiled code takes them; scalars are Python floats."""

    learning_rate: Any
    momentum: Any
    nesterov: bool
    weight_decay: Any  # or an array, one a minibatch
    velocity: Any  # (n_parameters,), or empty without momentum


class FoldedSgd(NamedTuple):
    """Plain SGD on a first layer whose decay and centring are folded: see ``sparse.py``."""

    learning_rate: float
    weight_decay: Any  # or an array, one a minibatch
    period: int  # minibatches, or groups of them, between two settlements


# Folded weights are settled after so many minibatches, or when decay has taken about two thirds. Settling costs two
# passes over the weights: 2 % of the time at B = 1.
SETTLE_MINIBATCHES = 256
MAX_DECAY = 1 / 8  # of one minibatch: with more there is nothing to win


def folded(optimizer: Any) -> Any:
    """Return plain SGD as ``FoldedSgd``, and anything that needs whole gradients as it is."""
    if not isinstance(optimizer, Sgd) or optimizer.velocity.size > 0:
        return optimizer
    decays = optimizer.weight_decay
    decay = optimizer.learning_rate * (float(decays.max()) if isinstance(decays, np.ndarray) else decays)
    if not decay <= MAX_DECAY:
        return optimizer
    period = min(SETTLE_MINIBATCHES, int(1 / max(decay, 1 / SETTLE_MINIBATCHES)))
    return FoldedSgd(optimizer.learning_rate, optimizer.weight_decay, period)


def sgd_reference(w, dw, velocity, learning_rate, momentum=0.0, nesterov=False, weight_decay=0.0):
    """NumPy twin of ``sgd_update``: new w and velocity."""
    step = learning_rate * (dw + weight_decay * w)
    velocity = momentum * velocity - step
    return w + (momentum * velocity - step if nesterov else velocity), velocity


@core
def plain_core(w, dw, learning_rate, weight_decay):
    """Return new weights of one vector."""
    return muladd(-learning_rate, muladd(weight_decay, w, dw), w)


@core
def momentum_core(w, dw, v, learning_rate, momentum, nesterov, weight_decay):
    """Return new weights and velocity of one vector."""
    step = learning_rate * muladd(weight_decay, w, dw)
    v = muladd(momentum, v, -step)
    return w + (muladd(momentum, v, -step) if nesterov else v), v


@kernel
def sgd_plain(w, dw, n, learning_rate, weight_decay):
    """Update ``n`` weights at ``w`` in place."""
    whole = n - n % lanes(w)
    for i in range(0, whole, lanes(w)):
        store(w, i, plain_core(load(w, i), load(dw, i), learning_rate, weight_decay))
    if whole < n:
        rest = n - whole
        last = plain_core(
            load_first(w, whole, rest, 0.0), load_first(dw, whole, rest, 0.0), learning_rate, weight_decay
        )
        store_first(w, whole, last, rest)


@kernel
def sgd_momentum(w, dw, v, n, learning_rate, momentum, nesterov, weight_decay):
    """Update ``n`` weights at ``w`` and velocities at ``v`` in place."""
    whole = n - n % lanes(w)
    for i in range(0, whole, lanes(w)):
        new_w, new_v = momentum_core(
            load(w, i), load(dw, i), load(v, i), learning_rate, momentum, nesterov, weight_decay
        )
        store(w, i, new_w)
        store(v, i, new_v)
    if whole < n:
        rest = n - whole
        old_w, old_dw = load_first(w, whole, rest, 0.0), load_first(dw, whole, rest, 0.0)
        old_v = load_first(v, whole, rest, 0.0)
        new_w, new_v = momentum_core(old_w, old_dw, old_v, learning_rate, momentum, nesterov, weight_decay)
        store_first(w, whole, new_w, rest)
        store_first(v, whole, new_v, rest)


@entry
def sgd_arrays(w, dw, velocity, learning_rate, momentum, nesterov, weight_decay):
    """Update w (n,) and velocity (n,) in place, or w alone if velocity is empty; dw is given by its address."""
    gradient = pointer_to(dw, w.dtype.type)
    if velocity.size == 0:
        sgd_plain(pointer(w, 0), gradient, w.size, learning_rate, weight_decay)
    else:
        v = pointer(velocity, 0)
        sgd_momentum(pointer(w, 0), gradient, v, w.size, learning_rate, momentum, nesterov, weight_decay)
