"""The output layer of a fit with a sampled softmax, compiled: what it does otherwise than other layers. No maths here.

For compiled code such a network has S + 1 outputs: the candidates of a minibatch and, last, each row's own target. The
candidates' weights are copied into the panels of that layer, so that its products are those of any layer; the weights
of the targets are read and updated where they lie. A class is updated by one thread: that of its column if it is a
candidate, else by its number; first as a candidate, then as target of the rows in their order. So bits do not depend on
threads. A minibatch has one more barrier: between the updates and the copy of the next candidates.

Which targets a fit has decides when compiling: a fit with other than ``SampledTargets`` compiles none of this.
"""

import numpy as np
from numba.extending import overload

from . import barrier
from ._jit import OVERLOAD, core
from .kernels import candidates, dense
from .kernels.sgd import SETTLE_MINIBATCHES
from .layers import OUTPUT, TRANSPOSED, delta_place, share, work_gradient
from .layout import N_IN, PACKED_BIAS, PACKED_WEIGHTS, STEP
from .simd import lanes, pointer
from .targets import SampledTargets
from .views import class_of


def begin(targets, net, work, number):
    """Prepare minibatch ``number``, the first of a call; for one thread."""
    raise NotImplementedError


def advance(targets, net, optimizer, order, first, count, work, number, thread, n_threads):
    """Prepare minibatch ``number``, of ``count`` samples from ``first`` on, behind the updates of the one before."""
    raise NotImplementedError


def target_logits(targets, net, order, first, work, number, start, stop):
    """Logits of the targets of rows ``start`` to ``stop``."""
    raise NotImplementedError


def add_targets(targets, net, order, first, work, number, start, stop):
    """Add what the targets give to the gradient of the last layer's inputs."""
    raise NotImplementedError


def plain_layers(targets, net):
    """Layers that are updated like any other."""
    raise NotImplementedError


def update(targets, net, optimizer, order, first, count, work, number, thread, n_threads):
    """Update this thread's share of the classes."""
    raise NotImplementedError


def settle(targets):
    """Turn the classes' weights into plain ones."""
    raise NotImplementedError


# -- with a sampled softmax ----------------------------------------------------------------------------


@core
def _inputs(net, work, row):
    """Pointer to a row of the last layer's inputs, their step and number."""
    last = len(net.layers) - 1
    step = net.layers[last - 1, STEP]
    return pointer(work.buffer, work.places[last - 1, OUTPUT] + row * step), step, net.layers[last, N_IN]


@core
def _logits(net, work, row):
    """Pointer to a row of the logits, later their gradients, and their step."""
    last = len(net.layers) - 1
    step = net.layers[last, STEP]
    return pointer(work.buffer, work.places[last, OUTPUT] + row * step), step


@core
def _label(targets, row):
    """Class of a sample; -1 if it is none, so that nothing is ever written out of bounds."""
    label = np.int64(targets.labels[row])
    return label if 0 <= label < len(targets.classes.biases) else -1


@core
def _pack(classes, net, work, turn, alpha, thread, n_threads):
    """Copy this thread's candidates, whole panels."""
    last = len(net.layers) - 1
    w = pointer(net.packed, net.layers[last, PACKED_WEIGHTS])
    offsets = pointer(net.packed, net.layers[last, PACKED_BIAS])
    transposed = pointer(work.buffer, work.places[last, TRANSPOSED])
    begin, end = share(classes.candidates.shape[1], dense.panel_width(w), thread, n_threads)
    candidates.pack_candidates(classes, turn, alpha, begin, end, net.layers[last, N_IN], w, transposed, offsets)


def _begin_sampled(targets, net, work, number):
    classes = targets.classes
    candidates.draw(classes, number)
    _pack(classes, net, work, number & 1, classes.alphas[number & 1], 0, 1)


@core
def _period(decay):
    """Minibatches between two settlements."""
    return SETTLE_MINIBATCHES if decay * SETTLE_MINIBATCHES <= 1.0 else max(1, int(1.0 / decay))


def _advance_sampled(targets, net, optimizer, order, first, count, work, number, thread, n_threads):
    classes, turn = targets.classes, number & 1
    decay = optimizer.learning_rate * optimizer.weight_decay
    if thread == 0:
        classes.alphas[turn] = classes.alphas[1 - turn] * (1.0 - decay)
        classes.alphas[2] = turn
        candidates.draw(classes, number)
    begin, end = share(count, 1, thread, n_threads)
    for b in range(begin, end):
        label = _label(targets, order[first + b])
        if label >= 0:
            candidates.prefetch_row(classes, label)
    barrier.wait(work.arrivals, thread, n_threads)
    alpha = classes.alphas[turn]
    if decay > 0.0 and number % _period(decay) == 0:
        begin, end = share(len(classes.weights), 1, thread, n_threads)
        candidates.scale_rows(classes, alpha, begin, end)
        barrier.wait(work.arrivals, thread, n_threads)
        alpha = 1.0
        if thread == 0:  # read by nobody before the next barrier
            classes.alphas[turn] = 1.0
    _pack(classes, net, work, turn, alpha, thread, n_threads)


def _target_logits_sampled(targets, net, order, first, work, number, start, stop):
    turn = number & 1
    alpha = targets.classes.alphas[turn]
    for b in range(start, stop):
        (x, _, n_in), (z, _) = _inputs(net, work, b), _logits(net, work, b)
        label = _label(targets, order[first + b])
        if label >= 0:
            candidates.target_logits(targets.classes, turn, label, alpha, x, n_in, z)
        else:
            z[targets.classes.candidates.shape[1]] = np.nan


def _add_targets_sampled(targets, net, order, first, work, number, start, stop):
    alpha, n, last = targets.classes.alphas[number & 1], targets.classes.candidates.shape[1], len(net.layers) - 1
    for b in range(start, stop):
        z, _ = _logits(net, work, b)
        dx = pointer(work.buffer, delta_place(net, work, last - 1) + b * net.layers[last - 1, STEP])
        label = _label(targets, order[first + b])
        if label >= 0:
            candidates.add_target(targets.classes, label, alpha * z[n], net.layers[last, N_IN], dx)


def _plain_layers_sampled(targets, net):
    return len(net.layers) - 1


@core
def _owns(classes, turn, label, begin, end, thread, n_threads):
    """Whether a thread, whose candidates are ``begin`` to ``end``, updates a class."""
    slot = candidates.slot_of(classes, turn, label)
    return begin <= slot < end if slot >= 0 else label % n_threads == thread


def _update_sampled(targets, net, optimizer, order, first, count, work, number, thread, n_threads):
    classes, turn, rate = targets.classes, number & 1, optimizer.learning_rate
    alpha, n = classes.alphas[turn] * (1.0 - rate * optimizer.weight_decay), classes.candidates.shape[1]
    (x, x_step, n_in), (dz, dz_step) = _inputs(net, work, 0), _logits(net, work, 0)
    begin, end = share(n, lanes(x), thread, n_threads)
    gradient = work_gradient(work, thread)
    candidates.update_candidates(classes, turn, rate, alpha, begin, end, x, x_step, dz, dz_step, count, n_in, gradient)
    for b in range(count):
        label = _label(targets, order[first + b])
        if label >= 0 and _owns(classes, turn, label, begin, end, thread, n_threads):
            (x, _, _), (z, _) = _inputs(net, work, b), _logits(net, work, b)
            candidates.update_target(classes, label, rate, alpha, x, z[n], n_in)


def _settle_sampled(targets):
    alphas = targets.classes.alphas
    candidates.scale_rows(targets.classes, alphas[int(alphas[2])], 0, len(targets.classes.weights))
    alphas[0], alphas[1] = 1.0, 1.0


# -- without -------------------------------------------------------------------------------------------


def _begin_plain(targets, net, work, number):
    pass


def _advance_plain(targets, net, optimizer, order, first, count, work, number, thread, n_threads):
    pass


def _target_logits_plain(targets, net, order, first, work, number, start, stop):
    pass


def _add_targets_plain(targets, net, order, first, work, number, start, stop):
    pass


def _plain_layers_plain(targets, net):
    return len(net.layers)


def _update_plain(targets, net, optimizer, order, first, count, work, number, thread, n_threads):
    pass


def _settle_plain(targets):
    pass


# -- choice --------------------------------------------------------------------------------------------


def _sampled(targets):
    return class_of(targets) is SampledTargets


@overload(begin, jit_options=OVERLOAD)
def _choose_begin(targets, net, work, number):
    return _begin_sampled if _sampled(targets) else _begin_plain


@overload(advance, jit_options=OVERLOAD)
def _choose_advance(targets, net, optimizer, order, first, count, work, number, thread, n_threads):
    return _advance_sampled if _sampled(targets) else _advance_plain


@overload(target_logits, jit_options=OVERLOAD)
def _choose_target_logits(targets, net, order, first, work, number, start, stop):
    return _target_logits_sampled if _sampled(targets) else _target_logits_plain


@overload(add_targets, jit_options=OVERLOAD)
def _choose_add_targets(targets, net, order, first, work, number, start, stop):
    return _add_targets_sampled if _sampled(targets) else _add_targets_plain


@overload(plain_layers, jit_options=OVERLOAD)
def _choose_plain_layers(targets, net):
    return _plain_layers_sampled if _sampled(targets) else _plain_layers_plain


@overload(update, jit_options=OVERLOAD)
def _choose_update(targets, net, optimizer, order, first, count, work, number, thread, n_threads):
    return _update_sampled if _sampled(targets) else _update_plain


@overload(settle, jit_options=OVERLOAD)
def _choose_settle(targets):
    return _settle_sampled if _sampled(targets) else _settle_plain
