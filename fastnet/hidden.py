"""Hidden layers, compiled: from the first layer's outputs to the logits, and from the logits' gradient back. No maths.

A plain network (``Net``) has tanh, sigmoid, relu or identity, whose derivatives follow from the outputs. With other
activations, or with dropout, a pass that trains keeps the derivative of each output (its slope, in a plane of its
own), so that going back is one multiplication whatever the activation was. Which of the two a network takes is
decided by its type when compiling, so that plain ones compile nothing of it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from . import later_layer, sampled_output
from ._jit import OVERLOAD
from .kernels import activations, dense, more_activations
from .kernels.dropout import drop_outputs
from .layers import DELTA, OUTPUT, SLOPES, Net, delta_place, layer_columns
from .layout import ACTIVATION, N_IN, STEP
from .simd import pointer, shift
from .views import class_of


class AnyNet(NamedTuple):
    """A network with any activations while compiled code predicts with it."""

    packed: Any  # packed parameters
    layers: Any  # (L, 8) int64, the table of layout.py with identity in the place of every activation
    codes: Any  # (L,) int64: the activations


class TrainedNet(NamedTuple):
    """A network with any activations, or with dropout, while compiled code trains it."""

    packed: Any
    layers: Any
    codes: Any
    dropout: Any  # Dropout, or None


class Dropout(NamedTuple):
    """Which outputs are zero for a minibatch: see ``kernels/dropout.py``."""

    rates: Any  # (L,) float64, of each layer's outputs
    key: Any  # (1,) int64: new for each epoch


def predicting(net: Net) -> Net | AnyNet:
    """Return a network of any activations as compiled code predicts with it."""
    codes = net.layers[:, ACTIVATION].copy()
    return net if (codes <= activations.RELU).all() else AnyNet(net.packed, _without_activations(net.layers), codes)


def training(net: Net, dropout: Dropout | None = None) -> Net | TrainedNet:
    """Return a network of any activations as compiled code trains it."""
    codes = net.layers[:, ACTIVATION].copy()
    if dropout is None and (codes <= activations.RELU).all():
        return net
    return TrainedNet(net.packed, _without_activations(net.layers), codes, dropout)


def _without_activations(layers: np.ndarray) -> np.ndarray:
    table = layers.copy()
    table[:, ACTIVATION] = activations.IDENTITY
    return table


def check_trainable(names: Sequence[str]) -> None:
    """Refuse activations that have no gradient."""
    if "step" in names:
        raise ValueError(
            f"activation 'step' of hidden layer {list(names).index('step') + 1} has no gradient: a network with it can "
            "predict, but not be trained. Train with activation='sigmoid', say, and give its parameters to this one."
        )


def later_layers(net, work, first, start, stop):
    """All layers but the first, for rows ``start`` to ``stop`` of the minibatch that begins at sample ``first``."""
    raise NotImplementedError


def backward(net, targets, order, first, work, number, start, stop):
    """Gradients of all hidden layers' inputs, from the last layer down, for some rows of the minibatch."""
    raise NotImplementedError


# -- plain networks ------------------------------------------------------------------------------------


def _later_plain(net, work, first, start, stop):
    for layer in range(1, len(net.layers)):
        x_step, step = net.layers[layer - 1, STEP], net.layers[layer, STEP]
        x = pointer(work.buffer, work.places[layer - 1, OUTPUT] + start * x_step)
        out = pointer(work.buffer, work.places[layer, OUTPUT] + start * step)
        later_layer.forward(net, work, layer, x, x_step, out, stop - start)


def _backward_plain(net, targets, order, first, work, number, start, stop):
    for layer in range(len(net.layers) - 1, 0, -1):
        n_in = net.layers[layer, N_IN]
        dout_step, step, code = net.layers[layer, STEP], net.layers[layer - 1, STEP], net.layers[layer - 1, ACTIVATION]
        dout = pointer(work.buffer, delta_place(net, work, layer) + start * dout_step)
        dx = pointer(work.buffer, delta_place(net, work, layer - 1) + start * step)
        y = pointer(work.buffer, work.places[layer - 1, OUTPUT] + start * step)
        columns = dense.padded(n_in, dout)
        later_layer.backward_input(net, work, layer, dout, stop - start, dx)
        if layer == len(net.layers) - 1:
            sampled_output.add_targets(targets, net, order, first, work, number, start, stop)
        if columns == step:
            activations.activation_backward(code, y, dx, dx, (stop - start) * step)
        else:
            for m in range(stop - start):
                row = shift(dx, m * step)
                activations.activation_backward(code, shift(y, m * step), row, row, columns)


# -- any activations -----------------------------------------------------------------------------------


def _later_any(net, work, first, start, stop):
    last = len(net.layers) - 1
    for layer in range(len(net.layers)):
        step, columns = net.layers[layer, STEP], layer_columns(net, layer)
        out = pointer(work.buffer, work.places[layer, OUTPUT] + start * step)
        if layer > 0:
            x_step = net.layers[layer - 1, STEP]
            x = pointer(work.buffer, work.places[layer - 1, OUTPUT] + start * x_step)
            later_layer.forward(net, work, layer, x, x_step, out, stop - start)
        if layer < last:
            activate(net, work, layer, first, start, stop, out, step, columns)


def activate(net, work, layer, first, start, stop, out, step, columns):
    """Turn the sums of a hidden layer, at ``out``, into its outputs."""
    raise NotImplementedError


def _activate_only(net, work, layer, first, start, stop, out, step, columns):
    for m in range(stop - start):
        row = shift(out, m * step)
        more_activations.forward(net.codes[layer], row, row, columns)


def _activate_with_slopes(net, work, layer, first, start, stop, out, step, columns):
    slopes = pointer(work.buffer, work.places[layer, SLOPES] + start * step)
    for m in range(stop - start):
        row, slope = shift(out, m * step), shift(slopes, m * step)
        more_activations.forward_with_slope(net.codes[layer], row, row, slope, columns)
        drop(net.dropout, layer, first + start + m, row, slope, columns)


@overload(activate, jit_options=OVERLOAD)
def _choose_activate(net, work, layer, first, start, stop, out, step, columns):
    return _activate_with_slopes if class_of(net) is TrainedNet else _activate_only


def drop(dropout, layer, sample, row, slope, columns):
    """Drop some outputs of a row, if there is dropout."""
    raise NotImplementedError


def _drop_nothing(dropout, layer, sample, row, slope, columns):
    pass


def _drop_some(dropout, layer, sample, row, slope, columns):
    if dropout.rates[layer] > 0.0:
        drop_outputs(row, slope, columns, dropout.rates[layer], dropout.key[0], sample, layer)


@overload(drop, jit_options=OVERLOAD)
def _choose_drop(dropout, layer, sample, row, slope, columns):
    return _drop_some if class_of(dropout) is Dropout else _drop_nothing


def _backward_any(net, targets, order, first, work, number, start, stop):
    for layer in range(len(net.layers) - 1, 0, -1):
        n_in = net.layers[layer, N_IN]
        dout_step, step = net.layers[layer, STEP], net.layers[layer - 1, STEP]
        dout = pointer(work.buffer, delta_place(net, work, layer) + start * dout_step)
        dx = pointer(work.buffer, work.places[layer - 1, DELTA] + start * step)
        slopes = pointer(work.buffer, work.places[layer - 1, SLOPES] + start * step)
        columns = dense.padded(n_in, dout)
        later_layer.backward_input(net, work, layer, dout, stop - start, dx)
        if layer == len(net.layers) - 1:
            sampled_output.add_targets(targets, net, order, first, work, number, start, stop)
        for m in range(stop - start):
            more_activations.multiply(shift(dx, m * step), shift(slopes, m * step), columns)


# -- choice --------------------------------------------------------------------------------------------


@overload(later_layers, jit_options=OVERLOAD)
def _choose_later(net, work, first, start, stop):
    return _later_plain if class_of(net) is Net else _later_any


@overload(backward, jit_options=OVERLOAD)
def _choose_backward(net, targets, order, first, work, number, start, stop):
    return _backward_plain if class_of(net) is Net else _backward_any
