"""What scikit-learn's losses have beyond ours: the sum of the squared weights. Compiled on demand.

scikit-learn adds alpha * sum(w**2) / 2n to the loss of each minibatch, with the weights from before its update. Each
thread sums the squares of its own units of the first layer before the first barrier, when nobody else writes them;
thread 0 does the rest after it. So a minibatch reads its weights once more, and no bit depends on who sums.

Which targets a fit has decides when compiling: a fit with plain ``Targets`` compiles none of this.
"""

import numpy as np
from numba.extending import overload

from . import first_layer
from ._jit import OVERLOAD, core, kernel
from .layers import layer_columns
from .layout import N_IN, PACKED_WEIGHTS
from .simd import lanes, load, muladd, pointer, reduce_add, splat
from .targets import PenalisedTargets, PoissonTargets
from .views import class_of

# Vectors whose squares are added in the weights' own dtype, before float64 takes over.
_BLOCK = 64


def sum_units(targets, rows, net, work, optimizer, begin, end):
    """Sum the squares of units ``begin`` to ``end`` of the first layer."""
    raise NotImplementedError


def sum_layers(targets, net, number, thread):
    """Sum all squares for minibatch ``number``, after ``sum_units`` of all threads."""
    raise NotImplementedError


@kernel
def sum_of_squares(w, n):
    """Sum of the squares of ``n`` elements at ``w``, whole vectors."""
    total, width = 0.0, lanes(w)
    for start in range(0, n, _BLOCK * width):
        stop = min(start + _BLOCK * width, n)
        whole = stop - (stop - start) % (4 * width)
        a, b, c, d = splat(w, 0.0), splat(w, 0.0), splat(w, 0.0), splat(w, 0.0)
        for i in range(start, whole, 4 * width):
            a = muladd(load(w, i), load(w, i), a)
            b = muladd(load(w, i + width), load(w, i + width), b)
            c = muladd(load(w, i + 2 * width), load(w, i + 2 * width), c)
            d = muladd(load(w, i + 3 * width), load(w, i + 3 * width), d)
        for i in range(whole, stop, width):
            a = muladd(load(w, i), load(w, i), a)
        total += np.float64(reduce_add((a + b) + (c + d)))
    return total


@core
def _sum_units(targets, rows, net, work, optimizer, begin, end):
    if targets.norms.size == 0:
        return
    for unit in range(begin, end):
        start, n = first_layer.unit_place(rows, net, work, unit)
        factor = first_layer.weight_factor(rows, work, optimizer, unit)
        targets.squares[unit] = sum_of_squares(pointer(net.packed, start), n) * factor * factor


@core
def _sum_layers(targets, net, number, thread):
    if targets.norms.size == 0 or thread > 0:
        return
    total = 0.0
    for unit in range(targets.squares.size):
        total += targets.squares[unit]
    for layer in range(1, len(net.layers)):
        w = pointer(net.packed, net.layers[layer, PACKED_WEIGHTS])
        total += sum_of_squares(w, net.layers[layer, N_IN] * layer_columns(net, layer))
    targets.norms[number] = total


def _units_with(targets, rows, net, work, optimizer, begin, end):
    _sum_units(targets, rows, net, work, optimizer, begin, end)


def _units_without(targets, rows, net, work, optimizer, begin, end):
    pass


def _layers_with(targets, net, number, thread):
    _sum_layers(targets, net, number, thread)


def _layers_without(targets, net, number, thread):
    pass


def _penalised(targets):
    return class_of(targets) in (PenalisedTargets, PoissonTargets)


@overload(sum_units, jit_options=OVERLOAD)
def _choose_units(targets, rows, net, work, optimizer, begin, end):
    return _units_with if _penalised(targets) else _units_without


@overload(sum_layers, jit_options=OVERLOAD)
def _choose_layers(targets, net, number, thread):
    return _layers_with if _penalised(targets) else _layers_without
