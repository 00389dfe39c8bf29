"""What lies where: the flat parameter vector, its packed twin, and the rows of padded matrices.

A network's parameters are one vector: the weights of all layers, (n_in, n_out) row by row, then all biases. While
compiled code trains or predicts it works on a packed copy (panels, padding: ``kernels/dense.py``).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._jit import VECTOR_BYTES
from .kernels.dense import PANEL_VECTORS
from .kernels.narrow_samples import FEW, MANY
from .simd import SHORT_BYTES

# Columns of a layer table: one row of int64 a layer.
N_IN, N_OUT, WEIGHTS, BIAS, PACKED_WEIGHTS, PACKED_BIAS, STEP, ACTIVATION = range(8)

_LINE = 64  # bytes in a cache line

# Inputs that no cut parts: whole vectors, as ``gather_rows`` writes them, and with the weights of all units, in panels
# of any width, whole cache lines.
CUT = max(8, VECTOR_BYTES // 4)

_WIDE = 8  # cache lines
_QUAD = 4  # lanes


def lanes(dtype: np.dtype[Any]) -> int:
    """Elements of ``dtype`` in one vector register."""
    return VECTOR_BYTES // dtype.itemsize


def short_lanes(dtype: np.dtype[Any]) -> int:
    """Elements of ``dtype`` in a short vector."""
    return SHORT_BYTES // dtype.itemsize


def padded(n: int, dtype: np.dtype[Any]) -> int:
    """Return ``n`` rounded up to whole vectors."""
    return -(-n // lanes(dtype)) * lanes(dtype)


def row_step(n: int, dtype: np.dtype[Any]) -> int:
    """Distance of the rows of a matrix with ``n`` columns, in elements.

    Whole cache lines, and an odd number of them in wide rows: equal columns of neighbouring rows would else fall
    into the same few sets of the L1 cache (512 float32 columns: 2 of 64 sets).
    """
    count = -(-padded(n, dtype) * dtype.itemsize // _LINE)
    if count >= _WIDE and count % 2 == 0:
        count += 1
    return count * _LINE // dtype.itemsize


def slice_cuts(n_in: int, n_slices: int) -> np.ndarray:
    """First inputs of the slices that the first layer's inputs are cut into, with the end: multiples of ``CUT``."""
    cuts = np.linspace(0, n_in, n_slices + 1).astype(np.int64)
    cuts[1:-1] += -cuts[1:-1] % CUT
    return np.minimum(cuts, n_in)


def aligned_zeros(n: int, dtype: np.dtype[Any]) -> np.ndarray:
    """Return a vector of zeros that starts on a cache line."""
    raw = np.zeros(n * dtype.itemsize + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE
    return raw[start : start + n * dtype.itemsize].view(dtype)


def layer_table(sizes: tuple[int, ...], activations: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """Return the offsets and steps of each layer, of shape (n_layers, 8)."""
    table = np.zeros((len(sizes) - 1, 8), np.int64)
    table[:, N_IN], table[:, N_OUT] = sizes[:-1], sizes[1:]
    table[:, ACTIVATION] = activations
    table[:, STEP] = [row_step(n, dtype) for n in (max(sizes[1], narrow_width(sizes[1], dtype)), *sizes[2:])]
    columns = np.array([padded(n, dtype) for n in sizes[1:]])
    room = table[:, N_IN] * columns
    room[0] = max(room[0], lanes_room(int(table[0, N_IN]), int(table[0, N_OUT]), dtype))
    kinds = (
        (WEIGHTS, BIAS, table[:, N_IN] * table[:, N_OUT], table[:, N_OUT]),
        (PACKED_WEIGHTS, PACKED_BIAS, room, columns),
    )
    for weights, bias, sizes_of_weights, sizes_of_biases in kinds:
        counts = np.concatenate([sizes_of_weights, sizes_of_biases])
        starts = np.cumsum(counts) - counts
        table[:, weights], table[:, bias] = np.split(starts, 2)
    return table


def narrow_width(n_out: int, dtype: np.dtype[Any]) -> int:
    """Accumulators that a first layer of ``n_out`` units takes in ``kernels/narrow.py``; 0 if it has too many units.

    Or if a vector has only two lanes: 10 columns are then more than one panel, and a block of bytes is no whole word.
    """
    if short_lanes(dtype) < _QUAD:
        return 0
    return next((width for width in (FEW, MANY) if n_out <= width), 0)


def lanes_room(n_in: int, n_out: int, dtype: np.dtype[Any]) -> int:
    """Elements that the weights of the first layer take while its inputs lie along the lanes."""
    return -(-padded(n_in, dtype) * narrow_width(n_out, dtype) // _LINE) * _LINE


def n_parameters(table: np.ndarray) -> int:
    """Number of weights and biases."""
    return int(((table[:, N_IN] + 1) * table[:, N_OUT]).sum())


def n_packed(table: np.ndarray, dtype: np.dtype[Any]) -> int:
    """Length of the packed parameter vector."""
    return int(table[-1, PACKED_BIAS]) + padded(int(table[-1, N_OUT]), dtype)


def _panels(layer: np.ndarray, packed: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Columns of each panel of a layer's weights, and where the packed vector has them, without padding."""
    (n_in, n_out), start = layer[[N_IN, N_OUT]].tolist(), int(layer[PACKED_WEIGHTS])
    width, columns = PANEL_VECTORS * lanes(packed.dtype), padded(n_out, packed.dtype)
    for first in range(0, n_out, width):
        wide, n = min(width, columns - first), min(width, n_out - first)
        panel = packed[start + n_in * first : start + n_in * (first + wide)].reshape(n_in, wide)
        yield slice(first, first + n), panel[:, :n]


def _weights_and_bias(layer: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    (n_in, n_out), start, bias = layer[[N_IN, N_OUT]].tolist(), int(layer[WEIGHTS]), int(layer[BIAS])
    return parameters[start : start + n_in * n_out].reshape(n_in, n_out), parameters[bias : bias + n_out]


def pack(parameters: np.ndarray, table: np.ndarray, packed: np.ndarray) -> None:
    """Copy the flat parameter vector into the packed one, whose padding is left alone."""
    for layer in table:
        weights, bias = _weights_and_bias(layer, parameters)
        for columns, panel in _panels(layer, packed):
            panel[:] = weights[:, columns]
        packed[layer[PACKED_BIAS] : layer[PACKED_BIAS] + len(bias)] = bias


def unpack(packed: np.ndarray, table: np.ndarray, parameters: np.ndarray) -> None:
    """Copy the packed parameters back into the flat vector."""
    for layer in table:
        weights, bias = _weights_and_bias(layer, parameters)
        for columns, panel in _panels(layer, packed):
            weights[:, columns] = panel
        bias[:] = packed[layer[PACKED_BIAS] : layer[PACKED_BIAS] + len(bias)]
