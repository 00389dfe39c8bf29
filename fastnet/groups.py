"""Groups of minibatches that share a pass over the first layer's weights, strung together. No maths: kernels/groups.py.

A group runs in three stages, with barriers between:

1. each thread computes its units of the first layer for all rows of the group, and its slices of their inner products
2. thread 0 trains minibatch by minibatch on all the rest, with what earlier minibatches of the group add to the sums
3. each thread updates its units of the first layer with the gradients of all rows
"""

from numba.extending import overload

from . import barrier, first_layer, later_layer
from ._jit import OVERLOAD_CORE, core, kernel
from .kernels import few_rows, groups, sgd
from .kernels.groups import GroupedSgd
from .layers import OUTPUT, PLANES, activate_rows, begin_minibatch, delta_place, layer_columns
from .layout import ACTIVATION, N_OUT, PACKED_BIAS, STEP
from .middle import after_first_layer, totals
from .simd import pointer, shift
from .units import n_slices, owned_units, unit_of
from .views import class_of


def of_one_minibatch(optimizer):
    """Return the optimizer that a group's minibatches have, or the optimizer itself."""
    raise NotImplementedError


def _itself(optimizer):
    return optimizer


def _inner(optimizer):
    return optimizer.optimizer


@overload(of_one_minibatch, jit_options=OVERLOAD_CORE)
def _choose_inner(optimizer):
    return _inner if class_of(optimizer) is GroupedSgd else _itself


# -- first and third stage -----------------------------------------------------------------------------


@kernel
def _inner_products(rows, net, order, first, count, work, begin, end, thread):
    """Inner products of the group's rows, for the slices whose first panel is among units ``begin`` to ``end``."""
    room, size = work.group.inputs, work.group.inputs.shape[1]
    x, step = pointer(room, thread * size * room.shape[2]), room.shape[2]
    for unit in range(begin, end):
        piece, column, _ = unit_of(net, work, unit)
        if column == 0:
            n = first_layer.centred(rows, net, order, first, count, work, piece, thread, x, step)
            groups.inner_products(x, step, n, count, pointer(work.group.inner, piece * size * size), size)


def _whole_group(optimizer, learning_rate, keep):
    """Return the optimizer that does in one step what a group's steps do to weights, but for the gradients."""
    raise NotImplementedError


def _whole_sgd(optimizer, learning_rate, keep):
    decay = (1.0 - keep) / learning_rate if learning_rate > 0.0 else 0.0
    return sgd.Sgd(learning_rate, 0.0, False, decay, optimizer.velocity)


def _whole_folded(optimizer, learning_rate, keep):
    decay = (1.0 - keep) / learning_rate if learning_rate > 0.0 else 0.0
    return sgd.FoldedSgd(learning_rate, decay, optimizer.period)


@overload(_whole_group, jit_options=OVERLOAD_CORE)
def _choose_whole(optimizer, learning_rate, keep):
    return _whole_folded if class_of(optimizer) is sgd.FoldedSgd else _whole_sgd


@core
def _keep(optimizer, k):
    """What a minibatch's decay leaves of the weights."""
    now = begin_minibatch(optimizer, k, 0)
    return 1.0 - now.learning_rate * now.weight_decay


# -- second stage --------------------------------------------------------------------------------------


@core
def _gradients(net, work):
    """Where the group's gradients of the first layer's outputs lie: behind the planes of its slices."""
    return pointer(work.buffer, work.places[0, PLANES] + n_slices(work) * work.n_rows * net.layers[0, STEP])


@kernel
def _first_outputs(net, work, row, count, keep, learning_rate):
    """Outputs of the first layer for a minibatch whose first row is ``row`` of the group."""
    step, columns, size = net.layers[0, STEP], layer_columns(net, 0), work.group.inputs.shape[1]
    planes, z = pointer(work.buffer, work.places[0, PLANES] + row * step), pointer(work.buffer, work.places[0, OUTPUT])
    groups.add_slices(planes, n_slices(work), work.n_rows * step, keep, count, columns, z, step)
    inner, kept, pulls = pointer(work.group.inner, 0), pointer(work.group.kept, 0), pointer(work.group.pulls, 0)
    groups.set_pulls(inner, n_slices(work), size * size, size, row, count, kept, learning_rate, pulls)
    groups.add_pulls(pulls, size, row, count, _gradients(net, work), columns, z, step)
    groups.add_bias(pointer(net.packed, net.layers[0, PACKED_BIAS]), count, columns, z, step)
    activate_rows(net.layers[0, ACTIVATION], z, step, count, 0, columns)


@kernel
def _step_rest(net, work, count, learning_rate, weight_decay):
    """Update all but the first layer's weights."""
    for layer in range(len(net.layers)):
        dout, dout_step = pointer(work.buffer, delta_place(net, work, layer)), net.layers[layer, STEP]
        b, columns = pointer(net.packed, net.layers[layer, PACKED_BIAS]), layer_columns(net, layer)
        few_rows.few_bias(b, dout, dout_step, count, columns, learning_rate)
        if layer > 0:
            (wt, step), n_out = later_layer.transpose_of(net, work, layer), net.layers[layer, N_OUT]
            x, x_step = pointer(work.buffer, work.places[layer - 1, OUTPUT]), net.layers[layer - 1, STEP]
            few_rows.few_step(x, x_step, dout, dout_step, count, wt, step, step, n_out, learning_rate, weight_decay)


@core
def _keep_gradients(net, work, row, count, keep):
    """Copy a minibatch's gradients to those of the group, whose earlier ones decay."""
    step, kept = net.layers[0, STEP], pointer(work.group.kept, 0)
    source, to = pointer(work.buffer, delta_place(net, work, 0)), shift(_gradients(net, work), row * step)
    groups.copy_rows(source, count, layer_columns(net, 0), to, step)
    for j in range(row):
        kept[j] *= keep
    for j in range(row, row + count):
        kept[j] = 1.0


@kernel
def _learn(net, targets, order, batch_size, k, stop, work, optimizer, losses, hits):
    """Train on minibatches ``k`` to ``stop``, all but the first layer's weights."""
    whole, row = 1.0, 0
    for number in range(k, stop):
        first = number * batch_size
        count = min(batch_size, len(order) - first)
        now, keep = begin_minibatch(optimizer, number, 0), _keep(optimizer, number)
        _first_outputs(net, work, row, count, whole, now.learning_rate)
        after_first_layer(net, targets, order, first, count, work, number, 0, count, 0)
        _step_rest(net, work, count, now.learning_rate, now.weight_decay)
        _keep_gradients(net, work, row, count, keep)
        losses[number], hits[number] = totals(work, count)
        whole, row = whole * keep, row + count
    kept, step = pointer(work.group.kept, 0), net.layers[0, STEP]
    groups.scale_rows(_gradients(net, work), kept, row, layer_columns(net, 0), step)


# -- a group -------------------------------------------------------------------------------------------


def train_group(net, rows, targets, order, batch_size, k, row, end, work, optimizer, losses, hits, thread, n_threads):
    """Train on minibatch ``k`` and all up to the end of its group, or to ``end``; returns what comes next."""
    stop, of_one = min(end, (k // optimizer.size + 1) * optimizer.size), optimizer.optimizer
    first, whole = k * batch_size, 1.0
    count = min(stop * batch_size, len(order)) - first
    begin, after = owned_units(work, thread, n_threads)
    first_layer.settle(rows, net, work, of_one, k // optimizer.size, begin, after)
    first_layer.load(rows, net, order, first, count, work, begin, after, thread)
    planes = work.places[0, PLANES]
    first_layer.forward(rows, net, of_one, order, first, count, work, planes, begin, after, thread)
    _inner_products(rows, net, order, first, count, work, begin, after, thread)
    barrier.wait(work.arrivals, thread, n_threads)
    if thread == 0:
        _learn(net, targets, order, batch_size, k, stop, work, of_one, losses, hits)
    barrier.wait(work.arrivals, thread, n_threads)
    for number in range(k, stop):
        whole *= _keep(of_one, number)
    now = _whole_group(of_one, begin_minibatch(of_one, k, 0).learning_rate, whole)
    first_layer.update(rows, net, now, order, first, _gradients(net, work), count, work, begin, after, thread)
    return stop, 0
