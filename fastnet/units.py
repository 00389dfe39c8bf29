"""The units that the first layer's work is cut into: a slice of the inputs times a panel of the outputs each."""

from ._jit import core
from .kernels import dense
from .layers import layer_columns
from .layout import N_IN, PACKED_WEIGHTS, STEP
from .simd import pointer


@core
def n_slices(work):
    """Slices that the inputs are cut into."""
    return len(work.cuts) - 1


@core
def unit_of(net, work, unit):
    """Slice, first column and width of a unit."""
    full, columns = dense.panel_width(pointer(net.packed, 0)), layer_columns(net, 0)
    n_panels = -(-columns // full)
    column = unit % n_panels * full
    return unit // n_panels, column, min(full, columns - column)


@core
def slices_of(net, work, begin, end):
    """First slice and the end of those that units ``begin`` to ``end`` belong to."""
    if begin == end:
        return 0, 0
    return unit_of(net, work, begin)[0], unit_of(net, work, end - 1)[0] + 1


@core
def panel_weights(net, column):
    """Panel of the first layer's weights."""
    return dense.panel(pointer(net.packed, net.layers[0, PACKED_WEIGHTS]), net.layers[0, N_IN], column)


@core
def plane(net, work, place, piece, column):
    """Partial sums of a slice, from a column on."""
    return pointer(work.buffer, place + piece * work.n_rows * net.layers[0, STEP] + column)


@core
def n_units(work):
    """Units of the first layer."""
    return work.units[len(work.units) - 1]


@core
def owned_units(work, thread, n_threads):
    """Units of the first layer that a thread owns: all of them if it works alone."""
    return (0, n_units(work)) if n_threads == 1 else (work.units[thread], work.units[thread + 1])
