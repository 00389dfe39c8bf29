"""A softmax layer of many classes, of which a minibatch looks at few.   x (B, I), w (C, I), b (C,), z (B, S + 1)

The loss is that of ``sampled_softmax.py``: a row's target against S classes drawn for the whole minibatch, with log q,
the logarithm of how often a class is expected among them, taken off the logits.

Draws are stratified. The expected counts q of all classes, which add up to S, lie end to end on a line; candidate j is
the class below a random point between j and j + 1. So class k is expected exactly q_k times, candidates are sorted, and
only a class that lies across a whole number can come twice: its second column is then left out, and log 2 added to
the first. The points come from the counter of ``dropout.py``: they depend on the key and the minibatch alone.

Weights lie one class a row. Memory holds v with w = alpha * v, so that weight decay touches no class that is not
looked at; every few hundred minibatches v becomes w again (as in ``sparse.py``).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from .._jit import core, entry, kernel
from ..simd import lanes, load, muladd, pointer, prefetch, reduce_add, shift, splat, store
from ..views import views
from . import dense
from .dropout import GOLDEN, mix, mix_reference, start_of, start_reference
from .sgd import sgd_plain

# Rows of the gradient of candidates' weights that are computed together.
UPDATE_ROWS = 32

_STREAM = -1  # where dropout has the number of a layer
_2_53, _11 = 2.0**-53, np.uint64(11)
_LOG_TWO = math.log(2.0)
_LINE_BYTES = 64
_AHEAD = 2  # candidates


class Classes(NamedTuple):
    """The output layer while a fit looks at some of its classes; what belongs to a minibatch is there for two."""

    weights: Any  # (C, step): v, one class a row, padded with zeros
    biases: Any  # (C,)
    log_counts: Any  # (C,) float64: log q
    ends: Any  # (C,) float64: cumulated q
    strata: Any  # (S + 1,) int64: the class below each whole number
    candidates: Any  # (2, S) int64
    slots: Any  # (2, C) int32: where a class is among the candidates, if it is there
    alphas: Any  # (3,) float64: alpha for even and odd minibatches, and which of them is the last
    key: Any  # (1,) int64: new for each epoch


def draw_reference(ends, n, key, number):
    """NumPy twin of ``draw``: the candidates (S,) of a minibatch."""
    start = start_reference(key, number, _STREAM)
    words = [mix_reference(start + int(GOLDEN) * (j + 1)) for j in range(n)]
    points = np.arange(n) + np.array([(word >> 11) * _2_53 for word in words])
    return np.minimum(np.searchsorted(ends, points, side="right"), len(ends) - 1)


@core
def _below(ends, point, low, high):
    """First class from ``low`` to ``high`` whose end is above a point."""
    while low < high:
        middle = (low + high) // 2
        if ends[middle] > point:
            high = middle
        else:
            low = middle + 1
    return low


@kernel
def draw(classes, number):
    """Draw the candidates of minibatch ``number``."""
    turn, state = number & 1, start_of(classes.key[0], number, _STREAM)
    for j in range(classes.candidates.shape[1]):
        state += GOLDEN
        point = j + np.float64(np.int64(mix(state) >> _11)) * _2_53
        found = _below(classes.ends, point, classes.strata[j], classes.strata[j + 1])
        classes.candidates[turn, j] = found
        if not _again(classes, turn, j):
            classes.slots[turn, found] = j


@core
def _again(classes, turn, slot):
    """Whether a candidate is the one before once more."""
    return slot > 0 and classes.candidates[turn, slot] == classes.candidates[turn, slot - 1]


@core
def slot_of(classes, turn, label):
    """Where a class is among the candidates, or -1."""
    slot = np.int64(classes.slots[turn, label])
    return slot if classes.candidates[turn, slot] == label else -1


@core
def row_of(classes, label):
    """Pointer to the weights of a class."""
    return pointer(classes.weights, np.int64(label) * classes.weights.shape[1])


@core
def prefetch_row(classes, label):
    """Ask for the weights of a class, which lie anywhere in memory."""
    row = row_of(classes, label)
    for i in range(0, classes.weights.shape[1], _LINE_BYTES // classes.weights.itemsize):
        prefetch(row, i)


@kernel
def pack_candidates(classes, turn, alpha, first, last, n_in, w, transposed, offsets):
    """Weights of candidates ``first`` to ``last`` as panels of w (I, S + 1) and of its transpose; offsets b - log q.

    ``first`` is a multiple of the width of a panel.
    """
    n_out, width, step = classes.candidates.shape[1] + 1, dense.panel_width(w), lanes(w)
    rows, columns = dense.padded(n_in, w), dense.padded(n_out, w)
    for s in range(first, last):
        prefetch_row(classes, classes.candidates[turn, min(s + _AHEAD, last - 1)])
        label = classes.candidates[turn, s]
        if _again(classes, turn, s):
            offsets[s] = -np.inf
            continue
        twice = s + 1 < n_out - 1 and _again(classes, turn, s + 1)
        offsets[s] = classes.biases[label] - classes.log_counts[label] + (_LOG_TWO if twice else 0.0)
        source, begin = row_of(classes, label), s - s % width
        to, wide = shift(dense.panel(w, n_in, begin), s - begin), min(width, columns - begin)
        for i in range(n_in):
            to[i * wide] = source[i] * alpha
        for column in range(0, rows, width):
            wide = min(width, rows - column)
            line = shift(dense.panel(transposed, n_out, column), s * wide)
            for i in range(0, wide, step):
                store(line, i, load(source, column + i) * alpha)


@kernel
def target_logits(classes, turn, label, alpha, x, n_in, z):
    """Logit of a row's target, in its last column; where it is a candidate as well, that does not count."""
    row, total, n = row_of(classes, label), splat(x, 0.0), classes.candidates.shape[1]
    for i in range(0, dense.padded(n_in, x), lanes(x)):
        total = muladd(load(row, i), load(x, i), total)
    z[n] = alpha * reduce_add(total) + (classes.biases[label] - classes.log_counts[label])
    slot = slot_of(classes, turn, label)
    if slot >= 0:
        z[slot] = -np.inf


@kernel
def add_target(classes, label, factor, n_in, dx):
    """dx (I,) += factor * weights of a row's target."""
    row = row_of(classes, label)
    for i in range(0, dense.padded(n_in, dx), lanes(dx)):
        store(dx, i, muladd(load(row, i), factor, load(dx, i)))


@kernel
def update_candidates(classes, turn, rate, alpha, first, last, x, x_step, dz, dz_step, count, n_in, gradient):
    """Plain SGD of the weights and biases of candidates ``first`` to ``last``; ``alpha`` is the new one."""
    columns, width, size = dense.padded(n_in, x), dense.panel_width(x), classes.weights.shape[1]
    for s in range(first, last, UPDATE_ROWS):
        n = min(UPDATE_ROWS, last - s)
        for j in range(0, columns, width):
            wide = min(width, columns - j)
            dense.dense_backward_weights(shift(dz, s), dz_step, shift(x, j), x_step, count, gradient, wide, n)
            for k in range(n):
                if not _again(classes, turn, s + k):
                    w = pointer(classes.weights, classes.candidates[turn, s + k] * size + j)
                    sgd_plain(w, shift(gradient, k * wide), min(wide, n_in - j), rate / alpha, 0.0)
    for s in range(first, last):
        if not _again(classes, turn, s):
            total = 0.0
            for b in range(count):
                total += dz[b * dz_step + s]
            classes.biases[classes.candidates[turn, s]] -= rate * total


@kernel
def update_target(classes, label, rate, alpha, x, d, n_in):
    """Plain SGD of the weights and the bias of a row's target, whose logit has gradient ``d``."""
    sgd_plain(row_of(classes, label), x, n_in, rate * d / alpha, 0.0)
    classes.biases[label] -= rate * d


@kernel
def scale_rows(classes, alpha, first, last):
    """v = alpha * v for classes ``first`` to ``last``."""
    v = pointer(classes.weights, 0)
    size = classes.weights.shape[1]
    for i in range(first * size, last * size, lanes(v)):
        store(v, i, load(v, i) * alpha)


@entry
def draw_classes(classes, number):
    """Draw the candidates of minibatch ``number``."""
    draw(views(classes), number)
