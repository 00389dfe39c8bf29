"""The first layer of few units on dense rows, kernel by kernel, against NumPy in wider precision."""

import numpy as np
import pytest
from buffers import DTYPES, SENTINEL, Guarded, assert_close, gamma, same_bits, wider

from fastnet._jit import entry
from fastnet.kernels import narrow_dense
from fastnet.kernels.ahead import Ahead, next_rows
from fastnet.kernels.gather import FLOAT32, Rows
from fastnet.kernels.narrow_samples import FEW, MANY
from fastnet.layout import lanes, padded
from fastnet.simd import pointer
from fastnet.views import views

ROWS = [1, 2, 3, 4, 33]
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)
widths = pytest.mark.parametrize("width", [FEW, MANY])


# -- drivers (kept in the cache folder, which knows them by their lines: clear it after a change) -------


@entry
def run_forward(x, w, width, n_vectors, z, rows, ahead):
    x, w, z, ahead = views(x), views(w), views(z), views(ahead)
    step, z_step = x.shape[1], z.shape[1]
    narrow_dense.narrow_dense_forward(
        pointer(x, 0), step, pointer(w, 0), width, n_vectors, pointer(z, 0), z_step, rows, ahead
    )


@entry
def run_gradient(x, n_vectors, width, dz, rows, dw):
    x, dz, dw = views(x), views(dz), views(dw)
    narrow_dense.narrow_dense_gradient(
        pointer(x, 0), x.shape[1], n_vectors, width, pointer(dz, 0), dz.shape[1], rows, pointer(dw, 0)
    )


def along_lanes(w, dtype):
    """Weights (I, T) as (n_vectors, T, L), filled up with zeros."""
    size = lanes(dtype)
    full = np.zeros((padded(len(w), dtype), w.shape[1]), dtype)
    full[: len(w)] = w
    return np.ascontiguousarray(full.reshape(-1, size, w.shape[1]).transpose(0, 2, 1))


def problem(dtype, n_in, width, rows):
    """Return rows of a tile with some columns more, weights, and gradients in wider rows."""
    rng = np.random.default_rng(n_in + rows)
    x = np.zeros((rows, padded(n_in, dtype) + lanes(dtype)), dtype)
    x[:, :n_in] = rng.standard_normal((rows, n_in))
    dz = np.full((rows, 16), np.nan, dtype)
    dz[:, :width] = rng.standard_normal((rows, width))
    return x, rng.standard_normal((n_in, width)).astype(dtype), dz


def ahead_of(x, column=0):
    """Rows that are asked for: some of other data."""
    data, mean = np.zeros((3, x.shape[1]), np.float32), np.zeros(x.shape[1], x.dtype)
    rows = Rows(data.ctypes.data, *data.strides, FLOAT32, data.shape[1], 1.0, mean)
    return Ahead(rows, np.array([2, 0, 1], np.uint32), 1, column, 16)


def forward(x, w, dtype, ahead=None):
    packed, width = along_lanes(w, dtype), w.shape[1]
    z = Guarded((len(x), 16), dtype, SENTINEL)
    run_forward(x, packed.ravel(), width, len(packed), z.array, len(x), ahead_of(x) if ahead is None else ahead)
    z.assert_untouched_around()
    assert (z.array[:, width:] == SENTINEL).all()
    return z.array[:, :width]


def gradient(x, dz, n_in, width, dtype):
    n_vectors = padded(n_in, dtype) // lanes(dtype)
    dw = Guarded((n_vectors, width, lanes(dtype)), dtype)
    run_gradient(x, n_vectors, width, dz, len(x), dw.flat)
    dw.assert_untouched_around()
    return dw.array.transpose(0, 2, 1).reshape(-1, width)


def sizes_in(dtype):
    """One, around one, two and three vectors, and MNIST's."""
    size = lanes(dtype)
    return sorted({1, size - 1, size, size + 1, 2 * size, 2 * size + 1, 3 * size, 784})


@dtypes
@widths
@pytest.mark.parametrize("rows", ROWS)
def test_forward(dtype, width, rows):
    for n_in in sizes_in(dtype):
        x, w, dz = problem(dtype, n_in, width, rows)
        exact = wider(dtype)
        inside = x[:, :n_in].astype(exact)
        expected = narrow_dense.narrow_dense_reference(inside, w.astype(exact), dz[:, :width].astype(exact))[0]
        bound = gamma(n_in + 5, dtype) * (np.abs(inside) @ np.abs(w.astype(exact)))
        assert_close(forward(x, w, dtype), expected, bound)


@dtypes
@widths
@pytest.mark.parametrize("rows", ROWS)
def test_gradient(dtype, width, rows):
    for n_in in sizes_in(dtype):
        x, w, dz = problem(dtype, n_in, width, rows)
        exact = wider(dtype)
        inside, right = x[:, :n_in].astype(exact), dz[:, :width].astype(exact)
        expected = narrow_dense.narrow_dense_reference(inside, w.astype(exact), right)[1]
        got = gradient(x, dz, n_in, width, dtype)
        assert_close(got[:n_in], expected, gamma(rows + 1, dtype) * (np.abs(inside).T @ np.abs(right)))
        assert (got[n_in:] == 0).all()  # weights of inputs that there are not stay zero


@dtypes
@widths
def test_a_row_has_the_same_bits_whichever_it_is_computed_with(dtype, width):
    x, w, _ = problem(dtype, 100, width, 7)
    together = forward(x, w, dtype)
    for b in range(7):
        assert same_bits(forward(np.ascontiguousarray(x[b : b + 1]), w, dtype)[0], together[b])


@dtypes
@widths
def test_an_input_has_the_same_bits_wherever_the_gradient_is_cut(dtype, width):
    size = lanes(dtype)
    x, _, dz = problem(dtype, 5 * size, width, 33)
    whole = gradient(x, dz, 5 * size, width, dtype)
    for start in range(5):
        alone = gradient(np.ascontiguousarray(x[:, start * size :]), dz, size, width, dtype)
        assert same_bits(alone, np.ascontiguousarray(whole[start * size : (start + 1) * size]))


@dtypes
def test_what_is_asked_for_changes_nothing(dtype):
    """Behind the last row, with columns far apart, backwards, and of one element for all rows."""
    x, w, _ = problem(dtype, 100, MANY, 5)
    expected, found = forward(x, w, dtype), ahead_of(x)
    for change in ({"column_step": 400}, {"column_step": -4}, {"column_step": 0, "row_step": 0}):
        other = found._replace(rows=found.rows._replace(**change))
        assert same_bits(forward(x, w, dtype, other), expected)


@entry
def run_next_rows(rows, order, count, stop):
    rows, order = views(rows), views(order)
    return next_rows(rows, order, 0, count, 0, stop).line


def test_what_is_asked_for_fits_the_cache_and_shares_lines():
    rows, order = ahead_of(np.zeros((1, 32), np.float32)).rows, np.zeros(1, np.uint32)
    for step, line in ((1, 64), (4, 16), (8, 8), (0, 0), (-4, 0), (400, 0)):
        assert run_next_rows(rows._replace(column_step=step), order, 32, 784) == line
    assert run_next_rows(rows, order, 128, 1536) == 16
    assert run_next_rows(rows, order, 129, 1536) == 0  # 768 KB and more
