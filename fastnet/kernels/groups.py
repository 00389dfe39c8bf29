"""Groups of minibatches that share a pass over the first layer's weights.   x (R, I), z, dz (R, O), inner (R, R)

The inputs of the next minibatches are known beforehand, and plain SGD changes weights by products with inputs only.
With keep = 1 - learning_rate * weight_decay, row r of minibatch m sees

    w_m = p_m w_0 - learning_rate sum_j c_j outer(x_j, dz_j)             j: rows of the group's earlier minibatches
    z_r = p_m (x_r @ w_0) - learning_rate sum_j c_j (x_r . x_j) dz_j

where p_m is the product of keep over the minibatches before m, and c_j that over those between the minibatch of row j
and m. So x @ w_0 and the sum at the end are products of matrices for all R rows of the group: weights are read twice
and written once a group instead of once a minibatch. The products x_r . x_j cost R / 2 multiply-adds an input of a
row, and their use R / 2 a unit. This is the same learning in another order of additions: no sample sees other weights
than it would see minibatch by minibatch. ``online.py`` does it with momentum, too.
"""

from typing import Any, NamedTuple

from .._jit import core, kernel
from ..simd import lanes, load, shift, splat, store
from ..tiles import tile_muladd_vector, tile_row_sums, tile_zeros
from . import dense
from .sgd import FoldedSgd


class GroupedSgd(NamedTuple):
    """Plain SGD whose minibatches come in groups, which begin at multiples of their size."""

    optimizer: Any  # Sgd or FoldedSgd
    size: int  # minibatches of a group


def grouped(optimizer: Any, size: int) -> GroupedSgd:
    """Return plain SGD for groups of ``size`` minibatches; what is folded is settled between two of them."""
    if isinstance(optimizer, FoldedSgd):
        optimizer = optimizer._replace(period=max(1, optimizer.period // size))  # groups, not minibatches
    return GroupedSgd(optimizer, size)


class GroupWork(NamedTuple):
    """What a group needs besides the buffers of its minibatches; R is the rows of a group, a multiple of 16."""

    inputs: Any  # (threads, R, step): centred inputs of a slice
    inner: Any  # (n_slices, R * R): inner products of rows, as far as one slice adds to them
    pulls: Any  # (R * R,): what the rows of a minibatch are pulled by earlier gradients
    kept: Any  # (R,): c_j


def group_reference(w, x, dz, batch_size, learning_rate, weight_decay):
    """NumPy twin: what each row of x gives with the weights of its turn, and the last weights."""
    seen = []
    for start in range(0, len(x), batch_size):
        rows = slice(start, start + batch_size)
        seen.append(x[rows] @ w)
        w = w - learning_rate * (x[rows].T @ dz[rows] + weight_decay * w)
    return seen, w


@kernel
def inner_products(x, step, n, count, out, size):
    """out[r, j] = x_r . x_j for j < r < count; rows of x have ``n`` columns and then a vector of zeros.

    Other entries are anything. ``size``, the rows that x has room for, is a multiple of 4.
    """
    for r in range(0, count, 2):
        first, second = shift(x, r * step), shift(x, (r + 1) * step)
        for j in range(0, r + 1, 4):
            one, two, others = tile_zeros(x, 4, 1), tile_zeros(x, 4, 1), shift(x, j * step)
            for i in range(0, n, lanes(x)):
                one = tile_muladd_vector(one, load(first, i), shift(others, i), step)
                two = tile_muladd_vector(two, load(second, i), shift(others, i), step)
            tile_row_sums(one, shift(out, r * size + j))
            tile_row_sums(two, shift(out, (r + 1) * size + j))


@kernel
def set_pulls(inner, n_slices, distance, size, row, count, kept, learning_rate, pulls):
    """pulls (count, size) = -learning_rate * c_j * x_r . x_j for rows r from ``row`` on, and all j before.

    ``inner`` has a matrix (size, size) for each slice, ``distance`` apart.
    """
    for b in range(count):
        for j in range(row):
            total = inner[(row + b) * size + j]
            for piece in range(1, n_slices):
                total += inner[piece * distance + (row + b) * size + j]
            pulls[b * size + j] = -learning_rate * kept[j] * total


@kernel
def add_pulls(pulls, size, row, count, dz, columns, z, step):
    """z (count, O) += pulls (count, row) @ dz (row, O), with rows ``step`` apart."""
    width = dense.panel_width(z)
    for j in range(0, columns, width):
        vectors = min(width, columns - j) // lanes(z)
        dense.panel_product(pulls, size, 1, shift(dz, j), step, row, shift(z, j), step, count, vectors, True)


@kernel
def add_slices(planes, n_slices, distance, keep, count, columns, z, step):
    """z (count, O) = keep * the sum of the planes, ``distance`` apart."""
    factor = splat(z, keep)
    for b in range(count):
        for j in range(b * step, b * step + columns, lanes(z)):
            total = load(planes, j)
            for piece in range(1, n_slices):
                total = total + load(planes, piece * distance + j)
            store(z, j, factor * total)


@core
def copy_rows(source, count, columns, to, step):
    """Copy rows ``step`` apart."""
    for b in range(count):
        for j in range(b * step, b * step + columns, lanes(to)):
            store(to, j, load(source, j))


@kernel
def add_bias(bias, count, columns, z, step):
    """z (count, O) += bias."""
    for b in range(count):
        for j in range(0, columns, lanes(z)):
            store(z, b * step + j, load(z, b * step + j) + load(bias, j))


@core
def scale_rows(dz, kept, count, columns, step):
    """dz (count, O) *= c (count,), in place."""
    for b in range(count):
        factor = splat(dz, kept[b])
        for j in range(b * step, b * step + columns, lanes(dz)):
            store(dz, j, factor * load(dz, j))
