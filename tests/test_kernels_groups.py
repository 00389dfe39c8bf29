"""Kernels of groups of minibatches, and of layers with few rows, against NumPy in wider precision."""

import numba
import numpy as np
import pytest
from buffers import DTYPES, Guarded, assert_close, padded_rows, unit, wider

from fastnet._jit import OPTIONS
from fastnet.kernels import few_rows, groups
from fastnet.layout import lanes, layer_table, n_packed, padded
from fastnet.simd import pointer

driver = numba.njit(**OPTIONS)
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@driver
def run_inner(x, n, count, out, size):
    groups.inner_products(pointer(x, 0), x.shape[1], n, count, pointer(out, 0), size)


@driver
def run_sums(planes, distance, keep, count, inner, size, row, kept, rate, pulls, dz, bias, z, columns):
    """What ``fastnet.groups`` does for one minibatch."""
    step, to = z.shape[1], pointer(z, 0)
    groups.add_slices(pointer(planes, row * step), 2, distance, keep, count, columns, to, step)
    groups.set_pulls(pointer(inner, 0), 2, size * size, size, row, count, pointer(kept, 0), rate, pointer(pulls, 0))
    groups.add_pulls(pointer(pulls, 0), size, row, count, pointer(dz, 0), columns, to, step)
    groups.add_bias(pointer(bias, 0), count, columns, to, step)


@driver
def run_scale(dz, kept, count, columns, copy):
    groups.copy_rows(pointer(dz, 0), count, columns, pointer(copy, 0), dz.shape[1])
    groups.scale_rows(pointer(copy, 0), pointer(kept, 0), count, columns, dz.shape[1])


@driver
def run_rows(packed, n_in, n_out, wt, back):
    few_rows.to_rows(pointer(packed, 0), n_in, n_out, pointer(wt, 0), wt.shape[1])
    few_rows.from_rows(pointer(back, 0), n_in, n_out, pointer(wt, 0), wt.shape[1])


@driver
def run_few(x, wt, b, dout, out, dx, count, n_out, rate, decay):
    a, w, d, step = pointer(x, 0), pointer(wt, 0), pointer(dout, 0), wt.shape[1]
    few_rows.few_forward(a, x.shape[1], w, step, step, pointer(b, 0), pointer(out, 0), out.shape[1], count, len(b))
    few_rows.few_backward_input(d, dout.shape[1], w, step, count, n_out, pointer(dx, 0), dx.shape[1], step)
    few_rows.few_step(a, x.shape[1], d, dout.shape[1], count, w, step, step, n_out, rate, decay)
    few_rows.few_bias(pointer(b, 0), d, dout.shape[1], count, len(b), rate)


def normal(*shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@dtypes
@pytest.mark.parametrize("n", [1, 7, 8, 97, 392])
@pytest.mark.parametrize("count", [1, 2, 5, 16, 31, 32])
def test_inner_products_equal_numpy(dtype, n, count):
    size, x = 32, normal(count, n, dtype=dtype)
    rows = Guarded((size, padded(n, dtype) + lanes(dtype)), dtype, 0.0)
    rows.array[:count, :n] = x
    out = Guarded((size, size), dtype)
    run_inner(rows.array, n, count, out.flat, size)
    exact, sizes = x.astype(wider(dtype)), np.abs(x).astype(wider(dtype))
    below = np.tril_indices(count, -1)
    bound = n * unit(dtype) * (sizes @ sizes.T)
    assert_close(out.array[:count, :count][below], (exact @ exact.T)[below], bound[below])
    out.assert_untouched_around()
    rows.assert_untouched_around()


@dtypes
@pytest.mark.parametrize(("row", "count"), [(0, 1), (0, 4), (1, 1), (6, 3), (31, 1), (16, 16)])
@pytest.mark.parametrize("n_out", [1, 10, 300])
def test_sums_of_a_minibatch_equal_numpy(dtype, row, count, n_out):
    size, columns = 32, padded(n_out, dtype)
    planes, inner = normal(2, size, columns, dtype=dtype), normal(2, size, size, dtype=dtype, seed=1)
    dz, bias = normal(size, columns, dtype=dtype, seed=2), normal(columns, dtype=dtype, seed=3)
    kept, rate, keep = np.linspace(0.5, 1, size), 0.1, 0.9
    z, pulls = Guarded((count, columns), dtype), Guarded((size, size), dtype)
    run_sums(
        planes.ravel(), size * columns, keep, count, inner.ravel(), size, row, kept, rate, pulls.flat, dz.ravel(), bias,
        z.array, columns,
    )  # fmt: skip
    rows, exact = slice(row, row + count), wider(dtype)
    parts = planes.astype(exact), inner.astype(exact), dz.astype(exact)
    some = -rate * kept[:row] * parts[1].sum(axis=0)[rows, :row]
    wanted = keep * parts[0].sum(axis=0)[rows] + some @ parts[2][:row] + bias
    sizes = np.abs(parts[0]).sum(axis=0)[rows] + np.abs(some) @ np.abs(parts[2][:row]) + np.abs(bias)
    inner_sizes = rate * np.abs(parts[1]).sum(axis=0)[rows, :row] @ np.abs(parts[2][:row])
    assert_close(z.array, wanted, (row + 6) * unit(dtype) * (sizes + inner_sizes))
    z.assert_untouched_around()
    pulls.assert_untouched_around()


@dtypes
def test_gradients_are_copied_and_scaled(dtype):
    dz, kept = normal(5, padded(20, dtype), dtype=dtype), np.array([1, 0.5, 0.25, 0.125, 0])
    copy = Guarded(dz.shape, dtype)
    run_scale(dz, kept, 5, dz.shape[1], copy.array)
    np.testing.assert_array_equal(copy.array, dz * kept[:, None].astype(dtype))
    copy.assert_untouched_around()


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_a_group_is_the_same_learning(batch_size):
    """The formula of the module against single steps, in NumPy."""
    rate, decay, n = 0.1, 0.3, 14
    x, dz, w = (normal(*shape, dtype=np.float64, seed=k) for k, shape in enumerate([(n, 20), (n, 6), (20, 6)]))
    seen, last = groups.group_reference(w, x, dz, batch_size, rate, decay)
    keep, minibatch = 1 - rate * decay, np.arange(n) // batch_size
    for m, wanted in enumerate(seen):
        rows, before = minibatch == m, minibatch < m
        c = keep ** (m - 1 - minibatch[before])
        got = keep**m * (x[rows] @ w) - rate * (x[rows] @ x[before].T * c) @ dz[before]
        np.testing.assert_allclose(got, wanted, rtol=1e-12)
    c = keep ** (minibatch[-1] - minibatch)
    np.testing.assert_allclose(keep ** (minibatch[-1] + 1) * w - rate * x.T @ (c[:, None] * dz), last, rtol=1e-12)


@dtypes
@pytest.mark.parametrize("n_in", [1, 8, 25, 300])
@pytest.mark.parametrize("n_out", [1, 3, 10, 49])
@pytest.mark.parametrize("count", [1, 3, 16])
def test_a_layer_of_few_rows_equals_numpy(dtype, n_in, n_out, count):
    rate, decay, exact = 0.1, 0.01, wider(dtype)
    x, w, d = (normal(*s, dtype=dtype, seed=k) for k, s in enumerate([(count, n_in), (n_out, n_in), (count, n_out)]))
    columns = padded(n_out, dtype)
    wt = Guarded((columns, padded(n_in, dtype)), dtype, 0.0)
    wt.array[:n_out, :n_in] = w
    b, bias = Guarded(columns, dtype, 0.0), normal(n_out, dtype=dtype, seed=4)
    b.array[:n_out] = bias
    out, dx = Guarded((count, columns), dtype), Guarded((count, padded(n_in, dtype)), dtype)
    rows, gradients = padded_rows(x, dtype), padded_rows(d, dtype)
    run_few(rows.array, wt.array, b.array, gradients.array, out.array, dx.array, count, n_out, rate, decay)
    as_exact = [a.astype(exact) for a in (x, w, bias, d)]
    wanted = few_rows.few_rows_reference(*as_exact, exact(dtype.type(rate)), exact(dtype.type(decay)))
    sizes = few_rows.few_rows_reference(*(np.abs(a) for a in as_exact), -rate, decay)
    found = out.array[:, :n_out], dx.array[:, :n_in], wt.array[:n_out, :n_in], b.array[:n_out]
    for got, right, size, terms in zip(found, wanted, sizes, (n_in, n_out, count, count), strict=True):
        assert_close(got, right, (terms + 4) * unit(dtype) * size)
    assert not out.array[:, n_out:].any()
    assert not dx.array[:, n_in:].any()
    assert not wt.array[n_out:].any()
    assert not wt.array[:, n_in:].any()
    for array in (wt, b, out, dx):
        array.assert_untouched_around()


@dtypes
@pytest.mark.parametrize("n_in", [1, 8, 25, 300])
@pytest.mark.parametrize("n_out", [1, 3, 10, 49])
def test_rows_are_the_transpose_of_panels(dtype, n_in, n_out):
    layers = layer_table((n_in, n_out), (0,), dtype)
    packed = normal(n_packed(layers, dtype), dtype=dtype)
    wt, back = Guarded((n_out, padded(n_in, dtype)), dtype, 0.0), Guarded(packed.shape, dtype, 0.0)
    run_rows(packed, n_in, n_out, wt.array, back.array)
    columns, width = padded(n_out, dtype), few_rows.dense.PANEL_VECTORS * lanes(dtype)
    for o in range(n_out):
        start = o - o % width
        row = packed[n_in * start + o - start :: min(width, columns - start)][:n_in]
        np.testing.assert_array_equal(wt.array[o, :n_in], row)
    assert not wt.array[:, n_in:].any()
    for array in (wt, back):
        array.assert_untouched_around()
    found = back.array[: n_in * columns] != 0
    np.testing.assert_array_equal(back.array[: n_in * columns][found], packed[: n_in * columns][found])
    assert found.sum() == n_in * n_out
