"""Dense first layer of few units.   x (B, I), w (n_vectors, T, L), z and dz (B, T or more)

z  = x @ w          dw = x.T @ dz

The inputs lie along the L lanes of a vector, and no lane is wasted on units that there are not: 9 units are T = 10
accumulators, where lanes along the units would need 16 in AVX-512. T is 6 or 10; there are two loops for it.

forward    each vector of inputs adds T products to T sums of L lanes, which are added up at the end
backward   one vector of inputs after the other: all samples add to T x L gradients

Where the registers do, AVX-512 has 32, two samples share the weights that are loaded, and two vectors of inputs the
gradients dz. Rows end with zeros, up to whole vectors.
"""

from typing import Any, NamedTuple

from .._jit import VECTOR_BYTES, core, kernel
from ..simd import lanes, load, shift
from ..tiles import tile_height, tile_muladd, tile_muladd_vector, tile_row_sums, tile_store, tile_zeros
from .ahead import ask, columns_of_line
from .narrow_samples import FEW, MANY

PAIRS = VECTOR_BYTES == 64


class NarrowRows(NamedTuple):
    """The user's matrix as in ``gather.Rows``, for a first layer of few units."""

    address: int
    row_step: int
    column_step: int
    code: int
    n_features: int
    scale: Any
    mean: Any
    order: Any  # (n_features,) int64: each input at its own place, as ``ColumnBlocks`` has it


def narrow_dense_reference(x, w, dz):
    """NumPy twin: z and dw, with w and dw (I, T)."""
    return x @ w, x.T @ dz


@core
def _row(tile, x, w, n_vectors, z, ahead, b):
    """Outputs of sample ``b``."""
    total, length, asked = tile, tile_height(tile) * lanes(w), columns_of_line(ahead, lanes(w))
    for i in range(n_vectors):
        total = tile_muladd_vector(total, load(x, i * lanes(w)), shift(w, i * length), lanes(w))
        for k in range(i * lanes(w), (i + 1) * lanes(w), asked):
            ask(ahead, b, k)
    tile_row_sums(total, z)


@core
def _two_rows(tile, x, other_x, w, n_vectors, z, other_z, ahead, b):
    """Outputs of samples ``b`` and ``b`` + 1."""
    total, other, length, asked = tile, tile, tile_height(tile) * lanes(w), columns_of_line(ahead, lanes(w))
    for i in range(n_vectors):
        at, j = shift(w, i * length), i * lanes(w)
        total = tile_muladd_vector(total, load(x, j), at, lanes(w))
        other = tile_muladd_vector(other, load(other_x, j), at, lanes(w))
        for k in range(j, j + lanes(w), asked):
            ask(ahead, b, k)
            ask(ahead, b + 1, k)
    tile_row_sums(total, z)
    tile_row_sums(other, other_z)


@core
def _forward(tile, x, x_step, w, n_vectors, z, step, rows, ahead):
    paired = rows - rows % 2 if PAIRS else 0
    for b in range(0, paired, 2):
        one, two = shift(x, b * x_step), shift(x, (b + 1) * x_step)
        _two_rows(tile, one, two, w, n_vectors, shift(z, b * step), shift(z, (b + 1) * step), ahead, b)
    for b in range(paired, rows):
        _row(tile, shift(x, b * x_step), w, n_vectors, shift(z, b * step), ahead, b)


@kernel
def narrow_dense_forward(x, x_step, w, width, n_vectors, z, step, rows, ahead):
    """z (B, T) = x @ w for ``n_vectors`` vectors of inputs, without bias; asks for the rows ``ahead``."""
    if width == MANY:
        _forward(tile_zeros(w, MANY, 1), x, x_step, w, n_vectors, z, step, rows, ahead)
    else:
        _forward(tile_zeros(w, FEW, 1), x, x_step, w, n_vectors, z, step, rows, ahead)


@core
def _vector(tile, x, x_step, dz, step, rows, dw):
    """Gradients of one vector of inputs."""
    total = tile
    for b in range(rows):
        total = tile_muladd(total, shift(dz, b * step), 1, shift(x, b * x_step))
    tile_store(total, dw, lanes(dw))


@core
def _two_vectors(tile, x, x_step, dz, step, rows, dw):
    """Gradients of two vectors of inputs."""
    total, other = tile, tile
    for b in range(rows):
        of_b, line = shift(dz, b * step), shift(x, b * x_step)
        total = tile_muladd(total, of_b, 1, line)
        other = tile_muladd(other, of_b, 1, shift(line, lanes(dw)))
    tile_store(total, dw, lanes(dw))
    tile_store(other, shift(dw, tile_height(tile) * lanes(dw)), lanes(dw))


@core
def _gradient(tile, x, x_step, n_vectors, dz, step, rows, dw):
    length, paired = tile_height(tile) * lanes(dw), n_vectors - n_vectors % 2 if PAIRS else 0
    for i in range(0, paired, 2):
        _two_vectors(tile, shift(x, i * lanes(dw)), x_step, dz, step, rows, shift(dw, i * length))
    for i in range(paired, n_vectors):
        _vector(tile, shift(x, i * lanes(dw)), x_step, dz, step, rows, shift(dw, i * length))


@kernel
def narrow_dense_gradient(x, x_step, n_vectors, width, dz, step, rows, dw):
    """dw (n_vectors, T, L) = x.T @ dz for ``n_vectors`` vectors of inputs."""
    if width == MANY:
        _gradient(tile_zeros(dw, MANY, 1), x, x_step, n_vectors, dz, step, rows, dw)
    else:
        _gradient(tile_zeros(dw, FEW, 1), x, x_step, n_vectors, dz, step, rows, dw)
