"""Compiled composition of online learning: one sample, or one epoch of single samples. No maths here.

Networks have tanh in the hidden layers, softmax and cross-entropy at the end, and are float64. Compiled code works on
the arrays of the layers themselves: a table says where they lie. Whatever is not finite is found before anything is
written that a caller can see.
"""

from typing import Any, NamedTuple

import numpy as np

from ._jit import core, entry, kernel
from .float_mode import restore_float_mode, set_float_mode
from .kernels import activations, dense, gather, online
from .simd import lanes, pointer, pointer_to, prefetch, shift

# Columns of the table: one row of int64 a layer, in front of them one row for the input (its size and OUTPUT).
# All but the size are addresses. OUTPUT and SENSITIVITY (both padded) belong to the sample under way, the last two to
# the last sample that went well.
SIZE, WEIGHTS, BIAS, GRADIENT, CHANGE, BIAS_CHANGE, OUTPUT, SENSITIVITY, LAST_OUTPUT, LAST_SENSITIVITY = range(10)


class Block(NamedTuple):
    """Room for a block of K samples, 4 or more; the first layer's O units are padded to ``columns``.

    Weights are transposed: lanes run along the inputs, since these are many and whole vectors of 10 units are 12.
    """

    tile: Any  # (K, row_step) inputs
    weights: Any  # (O or O + 1, row_step) of the first layer
    change: Any  # their last change, or of no rows without momentum
    spare: Any  # the same
    products: Any  # (K, columns)
    change_products: Any  # (K, columns)
    inner: Any  # (K, K)
    dz: Any  # (K, columns) zeros
    scaled: Any  # (K, columns)
    factors: Any  # (6, K + 1)


@core
def _at(table, layer, column):
    return pointer_to(table[layer, column], np.float64)


# -- one sample ----------------------------------------------------------------------------------------


@kernel
def _forward(table, done, target):
    """Outputs of all layers and the sensitivity of the last; the first ``done`` have their sums already.

    Returns the loss, or NaN as soon as something is not finite.
    """
    last = len(table) - 1
    for layer in range(1, last + 1):
        n_in, n_out, z = table[layer - 1, SIZE], table[layer, SIZE], _at(table, layer, OUTPUT)
        if layer > done:
            x = _at(table, layer - 1, OUTPUT)
            online.row_forward(x, _at(table, layer, WEIGHTS), _at(table, layer, BIAS), z, n_in, n_out)
        if not online.all_finite(z, n_out):
            return np.nan
        if layer < last:
            activations.activation_forward(activations.TANH, z, z, dense.padded(n_out, z))
    z = _at(table, last, OUTPUT)
    return online.softmax_sample(z, z, _at(table, last, SENSITIVITY), table[last, SIZE], target)


@kernel
def _update(table, layer, learning_rate, weight_decay, momentum, keep):
    """Weights of one layer."""
    n_in, n_out, dz = table[layer - 1, SIZE], table[layer, SIZE], _at(table, layer, SENSITIVITY)
    w, v, gradient = _at(table, layer, WEIGHTS), _at(table, layer, CHANGE), _at(table, layer, GRADIENT)
    x = _at(table, layer - 1, OUTPUT)
    online.row_update(w, v, gradient, x, dz, n_in, n_out, learning_rate, weight_decay, momentum, keep)


@kernel
def _update_bias(table, layer, learning_rate, momentum, one):
    b, v, dz = _at(table, layer, BIAS), _at(table, layer, BIAS_CHANGE), _at(table, layer, SENSITIVITY)
    online.row_update(b, v, b, one, dz, 1, table[layer, SIZE], learning_rate, 0.0, momentum, False)


@kernel
def _backward(table, done, one, learning_rate, weight_decay, momentum, keep):
    """Sensitivities and updates from the last layer down; the first ``done`` layers' weights are left alone."""
    for layer in range(len(table) - 1, 0, -1):
        if layer > 1:
            n_in, y, dy = table[layer - 1, SIZE], _at(table, layer - 1, OUTPUT), _at(table, layer - 1, SENSITIVITY)
            online.row_backward(
                _at(table, layer, WEIGHTS), _at(table, layer, SENSITIVITY), dy, n_in, table[layer, SIZE]
            )
            activations.activation_backward(activations.TANH, y, dy, dy, dense.padded(n_in, y))
        if layer > done:
            _update(table, layer, learning_rate, weight_decay, momentum, keep)
        _update_bias(table, layer, learning_rate, momentum, one)


@kernel
def _publish(table):
    """Show outputs and sensitivities."""
    for layer in range(1, len(table)):
        for new, shown in ((OUTPUT, LAST_OUTPUT), (SENSITIVITY, LAST_SENSITIVITY)):
            source, to = _at(table, layer, new), _at(table, layer, shown)
            for j in range(table[layer, SIZE]):
                to[j] = source[j]


@kernel
def _sample(table, target, one, learning_rate, weight_decay, momentum):
    """Learn the sample that lies in the table's input; returns its loss, or NaN, and then nothing has changed."""
    loss = _forward(table, 0, target)
    if loss - loss == 0:
        _backward(table, 0, one, learning_rate, weight_decay, momentum, True)
        _publish(table)
    return loss


@entry
def train_sample(table, one, target, learning_rate, weight_decay, momentum):
    """Learn the sample that lies in the table's input; returns its loss, or NaN, and then nothing has changed.

    ``one`` (1,) holds 1: the input of the biases.
    """
    mode = set_float_mode()
    loss = _sample(table, target, pointer(one, 0), learning_rate, weight_decay, momentum)
    restore_float_mode(mode)
    return loss


# -- an epoch ------------------------------------------------------------------------------------------


@core
def _ahead(rows, row, n_rows):
    """Ask for a row of the next block, to come while this block is learned; strided rows are left to the CPU."""
    if row < n_rows and 0 < rows.column_step <= 8:
        start = pointer_to(rows.address + row * rows.row_step, np.uint8)
        for line in range(0, rows.n_features * rows.column_step, gather.CACHE_LINE):
            prefetch(start, line)


@core
def _inputs(block, rows, order, first, count, n_in):
    """Where a block's inputs lie, and how far apart: the user's own rows if they are as compiled code wants them."""
    x, size = pointer(block.tile, 0), len(block.tile)
    fits = rows.code == gather.FLOAT64 and rows.column_step == 8 and rows.row_step % 8 == 0
    if fits and count == size and n_in % lanes(x) == 0:
        return pointer_to(rows.address + first * rows.row_step, np.float64), rows.row_step // 8
    gather.gather_rows(rows, order, first, count, len(order), 0, n_in, x, block.tile.shape[1])
    return x, block.tile.shape[1]


@core
def _zero(matrix):
    start = pointer(matrix, 0)
    for i in range(matrix.size):
        start[i] = 0.0


@kernel
def _block_products(block, x, x_step, n, v, columns, count, momentum):
    """Products of a block's inputs with the first layer's weights, their change, and each other."""
    units, step, size = block.weights.shape[0], block.weights.shape[1], len(block.tile)
    out, more, inner = pointer(block.products, 0), pointer(block.change_products, 0), pointer(block.inner, 0)
    w, some = pointer(block.weights, 0), online.input_block(n, x)
    _zero(block.products)
    _zero(block.change_products)
    _zero(block.inner)
    for i in range(0, n, some):
        part, length = shift(x, i), min(some, n - i)
        online.weight_products(part, x_step, length, count, shift(w, i), step, units, out, columns)
        if momentum != 0.0:
            online.weight_products(part, x_step, length, count, shift(v, i), step, units, more, columns)
        online.inner_products(part, x_step, length, count, inner, size)


@kernel
def _block_samples(table, rows, block, labels, first, count, columns, one, learning_rate, weight_decay, momentum):
    """Learn a block sample by sample, but for the first layer's weights; returns losses and samples that went well."""
    losses, factors, size = 0.0, pointer(block.factors, 0), len(block.tile)
    z, delta, n_out = _at(table, 1, OUTPUT), _at(table, 1, SENSITIVITY), table[1, SIZE]
    bias = _at(table, 1, BIAS)
    for k in range(count):
        _ahead(rows, first + size + k, len(labels))
        products, more = pointer(block.products, k * columns), pointer(block.change_products, k * columns)
        dz, inner = pointer(block.dz, 0), pointer(block.inner, k * size)
        online.block_sample(k, products, more, inner, dz, columns, factors, size + 1, z)
        for j in range(n_out):
            z[j] += bias[j]
        loss = _forward(table, 1, labels[first + k])
        if loss - loss != 0:
            return losses, k
        losses += loss
        _backward(table, 1, one, learning_rate, weight_decay, momentum, False)
        to = pointer(block.dz, k * columns)
        for j in range(n_out):
            to[j] = delta[j]
    return losses, count


@kernel
def _block_update(block, x, x_step, n, v, spare, columns, count, momentum):
    """Weights of the first layer after a block; with momentum their change goes to ``spare``."""
    units, w_step, factors, step = block.weights.shape[0], block.weights.shape[1], block.factors, len(block.tile) + 1
    dz, scaled, table = pointer(block.dz, 0), pointer(block.scaled, 0), pointer(block.factors, 0)
    w = pointer(block.weights, 0)
    if momentum != 0.0:
        online.scale_rows(dz, table, online.H * step, count, columns, scaled)
        s, t = factors[online.S, count], factors[online.T, count]
        online.block_update(x, x_step, n, scaled, columns, count, units, spare, w_step, s, w, t, v)
    online.scale_rows(dz, table, online.R * step, count, columns, scaled)
    p, q = factors[online.P, count], factors[online.Q, count]
    online.block_update(x, x_step, n, scaled, columns, count, units, w, w_step, p, w, q, v)


@kernel
def _train_blocks(table, rows, order, labels, stop, block, one, learning_rate, weight_decay, momentum):
    """Learn the first ``stop`` rows; returns the sum of losses and how many rows went well."""
    n_in, n_out, size = table[0, SIZE], table[1, SIZE], len(block.tile)
    w, v, spare = pointer(block.weights, 0), pointer(block.change, 0), pointer(block.spare, 0)
    w_step, columns, n = block.weights.shape[1], dense.padded(n_out, w), dense.padded(n_in, w)
    online.coefficients(pointer(block.factors, 0), size + 1, size, learning_rate, weight_decay, momentum)
    online.transpose(_at(table, 1, WEIGHTS), n_in, n_out, n_out, w, w_step)
    if momentum != 0.0:
        online.transpose(_at(table, 1, CHANGE), n_in, n_out, n_out, v, w_step)
    losses = 0.0
    for first in range(0, stop, size):
        count = min(size, stop - first)
        x, x_step = _inputs(block, rows, order, first, count, n_in)
        _block_products(block, x, x_step, n, v, columns, count, momentum)
        of_block, good = _block_samples(
            table, rows, block, labels, first, count, columns, one, learning_rate, weight_decay, momentum
        )
        losses += of_block
        if good < count:
            return losses, first + good
        _block_update(block, x, x_step, n, v, spare, columns, count, momentum)
        if momentum != 0.0:
            v, spare = spare, v
    online.transpose(w, n_out, n_in, w_step, _at(table, 1, WEIGHTS), n_out)
    if momentum != 0.0:
        online.transpose(v, n_out, n_in, w_step, _at(table, 1, CHANGE), n_out)
    return losses, stop


@entry
def train_rows(table, rows, order, labels, block, one, learning_rate, weight_decay, momentum):
    """Learn rows one by one in their order; returns the sum of losses and how many rows went well.

    The last row is learned as ``train_sample`` does, which leaves its outputs, sensitivities and gradients. If not all
    go well, the parameters that the table names are worthless.
    """
    mode, last, pixel = set_float_mode(), len(labels) - 1, pointer(one, 0)
    losses, good = _train_blocks(table, rows, order, labels, last, block, pixel, learning_rate, weight_decay, momentum)
    if good == last:
        x, n_in = _at(table, 0, OUTPUT), table[0, SIZE]
        gather.gather_rows(rows, order, last, 1, last + 1, 0, n_in, x, n_in)
        loss = _sample(table, labels[last], pixel, learning_rate, weight_decay, momentum)
        if loss - loss == 0:
            losses, good = losses + loss, last + 1
    restore_float_mode(mode)
    return losses, good
