"""Adam, and AdamW with decoupled weight decay, for step t = 1, 2, …   w, dw, first moment m, second moment v (n,)

g = dw + l2 * w
m = beta1 * m + (1 - beta1) * g
v = beta2 * v + (1 - beta2) * g * g
w = w - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + epsilon) - shrink * w

Weight decay ``wd`` is ``l2 = wd`` in Adam and ``shrink = lr * wd`` in AdamW, the other being zero: as in torch.
Kingma, Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015; Loshchilov, Hutter, "Decoupled Weight Decay
Regularization", ICLR 2019.

The corrections of m and v are two numbers a step: with ``c = sqrt(1 - beta2**t)`` the same step is
``rate * m / (sqrt(v) + c * epsilon)`` for ``rate = lr * c / (1 - beta1**t)``. The paper's shorter form leaves out the
c of epsilon, and so does scikit-learn: that is ``short``.

Moments of a parameter that has no gradients any more fade for ever. Before they are denormal, where arithmetic is
slow, they become zero; sqrt(v) is then 1e-18 or less (1e-150 in float64), nothing beside epsilon.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from .._jit import core, entry, kernel
from ..simd import (
    absolute,
    by_dtype,
    lanes,
    load,
    load_first,
    muladd,
    pointer,
    pointer_to,
    select,
    sqrt,
    store,
    store_first,
)

# Smallest epsilon that is let in: it stays the larger part of the denominator where moments become zero.
MIN_EPSILON = 1e-16


class Adam(NamedTuple):
    """Settings and state of the optimizer during an epoch, as compiled code takes them; scalars are Python floats."""

    learning_rate: Any
    beta1: Any
    beta2: Any
    epsilon: Any
    weight_decay: Any  # or an array, one a minibatch
    decoupled: bool
    m: Any  # (n_parameters,)
    v: Any  # (n_parameters,)
    before: int  # steps done before this epoch
    steps: Any  # (1,) int64, steps done: written at each minibatch, and never read, by compiled code
    short: bool = False  # the paper's short form


class Step(NamedTuple):
    """The scalars of one step."""

    rate: Any
    epsilon: Any
    beta1: Any
    beta2: Any
    l2: Any
    shrink: Any


class Update(NamedTuple):
    """Adam as one minibatch applies it."""

    weights: Step
    biases: Step  # the same without decay
    m: Any
    v: Any


def adam_reference(w, dw, m, v, t, learning_rate, beta1, beta2, epsilon, weight_decay=0.0, decoupled=False):
    """NumPy twin of ``adam_update``, as the papers write it: new w, m and v."""
    g = dw if decoupled else dw + weight_decay * w
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    step = (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    return w - learning_rate * (step + weight_decay * w * decoupled), m, v


@core
def step_of(t, learning_rate, beta1, beta2, epsilon, weight_decay, decoupled, short):
    """Return the scalars of step ``t``, counted from 1."""
    correction = math.sqrt(1.0 - beta2**t)
    l2, shrink = (0.0, learning_rate * weight_decay) if decoupled else (weight_decay, 0.0)
    added = epsilon if short else epsilon * correction
    return Step(learning_rate * correction / (1.0 - beta1**t), added, beta1, beta2, l2, shrink)


@core
def update_of(optimizer, t, weight_decay):
    """Return what ``Adam`` does in step ``t``."""
    step = step_of(
        t,
        optimizer.learning_rate,
        optimizer.beta1,
        optimizer.beta2,
        optimizer.epsilon,
        weight_decay,
        optimizer.decoupled,
        optimizer.short,
    )
    biases = Step(step.rate, step.epsilon, step.beta1, step.beta2, 0.0, 0.0)
    return Update(step, biases, optimizer.m, optimizer.v)


@core
def adam_core(w, dw, m, v, step):
    """Return new weights and moments of one vector."""
    g, tiny = muladd(step.l2, w, dw), by_dtype(w, 1e-36, 1e-300)
    m = muladd(1.0 - step.beta1, g, step.beta1 * m)
    m = select(absolute(m) < tiny, 0.0, m)
    v = muladd((1.0 - step.beta2) * g, g, step.beta2 * v)
    v = select(v < tiny, 0.0, v)
    change = step.rate * m / (sqrt(v) + step.epsilon)
    # Were v to overflow, its weight would silently stay where it is; 0 * v makes it NaN, and training stops.
    return w - muladd(step.shrink, w, muladd(0.0, v, change)), m, v


@kernel
def adam(w, dw, m, v, n, step):
    """Update ``n`` weights at ``w`` and their moments at ``m`` and ``v`` in place."""
    whole = n - n % lanes(w)
    for i in range(0, whole, lanes(w)):
        new_w, new_m, new_v = adam_core(load(w, i), load(dw, i), load(m, i), load(v, i), step)
        store(w, i, new_w)
        store(m, i, new_m)
        store(v, i, new_v)
    if whole < n:
        rest = n - whole
        old_w, old_dw = load_first(w, whole, rest, 0.0), load_first(dw, whole, rest, 0.0)
        old_m, old_v = load_first(m, whole, rest, 0.0), load_first(v, whole, rest, 0.0)
        new_w, new_m, new_v = adam_core(old_w, old_dw, old_m, old_v, step)
        store_first(w, whole, new_w, rest)
        store_first(m, whole, new_m, rest)
        store_first(v, whole, new_v, rest)


@entry
def adam_arrays(w, dw, m, v, t, learning_rate, beta1, beta2, epsilon, weight_decay, decoupled):
    """Update w (n,), m (n,) and v (n,) in place by step ``t``; dw is given by its address."""
    step = step_of(t, learning_rate, beta1, beta2, epsilon, weight_decay, decoupled, False)
    adam(pointer(w, 0), pointer_to(dw, w.dtype.type), pointer(m, 0), pointer(v, 0), w.size, step)
