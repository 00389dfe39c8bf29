"""Kernels of online learning against NumPy in wider precision; who may write where."""

import numba
import numpy as np
import pytest
from buffers import DTYPES, Guarded, assert_close, awkward_sizes, padded_rows, unit, wider

from fastnet._jit import OPTIONS
from fastnet.kernels import online
from fastnet.layout import lanes, padded
from fastnet.simd import pointer

driver = numba.njit(**OPTIONS)
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 15, 16, 17, 23, 24, 25, 31, 49)
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@driver
def run_forward(x, w, b, z, n_in, n_out):
    online.row_forward(pointer(x, 0), pointer(w, 0), pointer(b, 0), pointer(z, 0), n_in, n_out)


@driver
def run_backward(w, dz, dx, n_in, n_out):
    online.row_backward(pointer(w, 0), pointer(dz, 0), pointer(dx, 0), n_in, n_out)


@driver
def run_update(w, v, g, x, dz, n_in, n_out, rate, decay, momentum, keep):
    start = pointer(w, 0), pointer(v, 0), pointer(g, 0), pointer(x, 0), pointer(dz, 0)
    online.row_update(*start, n_in, n_out, rate, decay, momentum, keep)


@driver
def run_softmax(z, p, dz, n_classes, target):
    return online.softmax_sample(pointer(z, 0), pointer(p, 0), pointer(dz, 0), n_classes, target)


@driver
def run_finite(z, n):
    return online.all_finite(pointer(z, 0), n)


@driver
def run_transpose(w, rows, columns, w_step, out, out_step):
    online.transpose(pointer(w, 0), rows, columns, w_step, pointer(out, 0), out_step)


@driver
def run_inner(x, x_step, n, count, out, step):
    online.inner_products(pointer(x, 0), x_step, n, count, pointer(out, 0), step)


@driver
def run_coefficients(table, step, count, rate, decay, momentum):
    online.coefficients(pointer(table, 0), step, count, rate, decay, momentum)


@driver
def run_block(x, dz, w, v, spare, work, table, seen, count, n, units, columns):
    """A block whose sensitivities are known: what ``fastnet.online`` does around the network's other layers."""
    products, more, inner, scaled = work
    x_step, step, size, some = x.shape[1], w.shape[1], len(x), online.input_block(n, pointer(x, 0))
    t, d, s, q = pointer(table, 0), pointer(dz, 0), pointer(scaled, 0), pointer(more, 0)
    for i in range(0, n, some):
        part, length = pointer(x, i), min(some, n - i)
        online.weight_products(part, x_step, length, count, pointer(w, i), step, units, pointer(products, 0), columns)
        online.weight_products(part, x_step, length, count, pointer(v, i), step, units, q, columns)
        online.inner_products(part, x_step, length, count, pointer(inner, 0), size)
    for k in range(count):
        row, change = pointer(products, k * columns), pointer(more, k * columns)
        online.block_sample(
            k, row, change, pointer(inner, k * size), d, columns, t, size + 1, pointer(seen, k * columns)
        )
    x0, w0, v0, to = pointer(x, 0), pointer(w, 0), pointer(v, 0), pointer(spare, 0)
    online.scale_rows(d, t, online.H * (size + 1), count, columns, s)
    of = table[online.S, count], w0, table[online.T, count], v0
    online.block_update(x0, x_step, n, s, columns, count, units, to, step, *of)
    online.scale_rows(d, t, online.R * (size + 1), count, columns, s)
    of = table[online.P, count], w0, table[online.Q, count], v0
    online.block_update(x0, x_step, n, s, columns, count, units, w0, step, *of)


def normal(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def guarded(values):
    copy = Guarded(values.shape, values.dtype)
    copy.array[...] = values
    return copy


def assert_all_untouched_around(*arrays):
    for array in arrays:
        array.assert_untouched_around()


@dtypes
def test_forward_equals_numpy_at_awkward_sizes(dtype):
    shapes = [(n_in, n_out) for n_in in (1, 3, 4, 10, 784) for n_out in (*SIZES, *awkward_sizes(dtype))]
    for n_in, n_out in shapes:
        x, w, b = (
            normal(n_in, dtype=dtype),
            normal(n_in, n_out, dtype=dtype, seed=1),
            normal(n_out, dtype=dtype, seed=2),
        )
        # Around the weights lies NaN: a lane too many would show.
        around = np.full(n_in * n_out + 128, np.nan, dtype)
        around[64:-64] = w.ravel()
        z = padded_rows(np.zeros((1, n_out)), dtype)
        run_forward(x, around[64:-64], b, z.flat, n_in, n_out)
        z.assert_untouched_around()
        wide = wider(dtype)
        bound = (n_in + 1) * 1.01 * unit(dtype) * (np.abs(x.astype(wide)) @ np.abs(w.astype(wide)) + np.abs(b))
        assert_close(z.array[0, :n_out], x.astype(wide) @ w.astype(wide) + b, bound)
        assert not z.array[0, n_out:].any(), (n_in, n_out)


@dtypes
def test_backward_equals_numpy_at_awkward_sizes(dtype):
    for n_in in (1, 5, 10):
        for n_out in (*SIZES, *awkward_sizes(dtype)):
            w, dz = normal(n_in, n_out, dtype=dtype), padded_rows(normal(1, n_out, seed=1), dtype)
            around = np.full(n_in * n_out + 128, np.nan, dtype)
            around[64:-64] = w.ravel()
            dx = Guarded(n_in, dtype)
            run_backward(around[64:-64], dz.flat, dx.array, n_in, n_out)
            dx.assert_untouched_around()
            wide, exact_dz = wider(dtype), dz.array[0, :n_out].astype(wider(dtype))
            bound = n_out * 1.01 * unit(dtype) * (np.abs(w.astype(wide)) @ np.abs(exact_dz))
            assert_close(dx.array, w.astype(wide) @ exact_dz, bound)


@dtypes
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("keep", [False, True])
def test_update_equals_numpy_at_awkward_sizes(dtype, momentum, keep):
    rate, decay, wide = 0.25, 0.125, wider(dtype)
    for n_in in (1, 3, 10):
        for n_out in SIZES:
            x, dz = normal(n_in, dtype=dtype), padded_rows(normal(1, n_out, seed=1), dtype)
            w, v, g = (guarded(normal(n_in, n_out, dtype=dtype, seed=seed)) for seed in (2, 3, 4))
            old_w, old_v, old_g = (a.array.copy() for a in (w, v, g))
            run_update(w.flat, v.flat, g.flat, x, dz.flat, n_in, n_out, rate, decay, momentum, keep)
            assert_all_untouched_around(w, v, g)
            exact = [a.astype(wide) for a in (old_w, old_v if momentum else 0 * old_v, x, dz.array[0, :n_out])]
            new_w, new_v, new_g = online.online_update_reference(*exact, rate, decay, wide(dtype.type(momentum)))
            size = np.abs(old_w) + np.abs(old_v) + np.abs(np.outer(x, dz.array[0, :n_out]))
            assert_close(w.array, new_w, 6 * unit(dtype) * size)
            assert_close(v.array, new_v if momentum else old_v, 6 * unit(dtype) * size * (momentum > 0))
            assert_close(g.array, new_g if keep else old_g, 3 * unit(dtype) * size * keep)


def test_without_momentum_the_velocity_is_not_read():
    w, x, dz = normal(3, 10), normal(3, seed=1), padded_rows(normal(1, 10, seed=2), np.dtype(np.float64))
    expected = online.online_update_reference(w, 0, x, dz.array[0, :10], 0.1, 0.01, 0.0)[0]
    run_update(w.reshape(-1), np.full(30, np.nan), np.zeros(30), x, dz.flat, 3, 10, 0.1, 0.01, 0.0, True)
    np.testing.assert_allclose(w, expected, rtol=1e-14)


@dtypes
def test_softmax_sample_equals_numpy(dtype):
    for n_classes in SIZES:
        for target in {0, n_classes // 2, n_classes - 1}:
            z = padded_rows(3 * normal(1, n_classes, seed=n_classes), dtype)
            p, dz = (Guarded(z.flat.shape, dtype) for _ in range(2))
            loss = run_softmax(z.flat, p.array, dz.array, n_classes, target)
            assert_all_untouched_around(z, p, dz)
            exact_p, exact_dz, exact_loss = online.softmax_sample_reference(
                z.array[0, :n_classes].astype(wider(dtype)), target
            )
            assert_close(p.array[:n_classes], exact_p, (8 + n_classes) * unit(dtype) * np.ones(n_classes))
            assert_close(dz.array[:n_classes], exact_dz, (8 + n_classes) * unit(dtype) * np.ones(n_classes))
            assert float(loss) == pytest.approx(float(exact_loss), rel=1e-5 if dtype == np.float32 else 1e-13, abs=1e-7)
            assert not p.array[n_classes:].any()
            assert not dz.array[n_classes:].any()


def test_softmax_sample_reads_nothing_for_a_class_that_does_not_exist():
    for target in (-1, 3, 1 << 40):
        p = Guarded(4, np.float64, 7.0)
        assert np.isnan(run_softmax(np.zeros(8), p.array, p.array, 3, target))
        assert (p.array == 7.0).all()


def test_the_loss_is_not_clipped():
    z, p, dz = np.zeros(8), np.zeros(8), np.zeros(8)
    z[:2] = 1000.0, 0.0
    assert run_softmax(z, p, dz, 2, 1) == 1000.0
    z[:2] = 40.0, 0.0
    assert run_softmax(z, p, dz, 2, 0) == pytest.approx(np.exp(-40), rel=1e-12)


@dtypes
def test_one_number_that_is_not_finite_is_seen(dtype):
    for n in SIZES:
        z = padded_rows(normal(1, n), dtype)
        assert run_finite(z.flat, n)
        for value in (np.nan, np.inf, -np.inf):
            for at in {0, n // 2, n - 1}:
                z = padded_rows(normal(1, n), dtype)
                z.array[0, at] = value
                assert not run_finite(z.flat, n)


@pytest.mark.parametrize("shape", [(1, 1), (3, 10), (10, 3), (784, 10), (17, 9)], ids=str)
def test_transpose(shape):
    rows, columns = shape
    w, out = normal(rows, columns + 2), Guarded((columns, rows + 3), np.float64, 5.0)
    run_transpose(w.reshape(-1), rows, columns, columns + 2, out.flat, rows + 3)
    out.assert_untouched_around()
    np.testing.assert_array_equal(out.array[:, :rows], w[:, :columns].T)
    assert (out.array[:, rows:] == 5.0).all()


@pytest.mark.parametrize("count", range(1, 9))
def test_inner_products_are_added(count):
    x, out = normal(8, 56), Guarded((8, 8), np.float64, 1.0)
    run_inner(x, 56, 48, count, out.array, 8)
    out.assert_untouched_around()
    below = np.tril_indices(count, -1)
    np.testing.assert_allclose(out.array[below], (1 + x[:, :48] @ x[:, :48].T)[below], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99])
def test_coefficients_are_those_of_the_recurrence(momentum):
    """p, q: what becomes of w and u; r, h: of one gradient, all followed for some steps with scalars."""
    rate, decay, count = 0.3, 0.2, 9
    table = Guarded((6, count + 1), np.float64)
    run_coefficients(table.array, count + 1, count, rate, decay, momentum)
    table.assert_untouched_around()
    for w_row, u_row, w, u, first in (
        (online.P, online.S, 1.0, 0.0, 0.0),
        (online.Q, online.T, 0.0, 1.0, 0.0),
        (online.R, online.H, 0.0, 0.0, 1.0),
    ):
        for k in range(count + 1):
            assert table.array[w_row, k] == pytest.approx(w, rel=1e-14, abs=1e-300)
            assert table.array[u_row, k] == pytest.approx(u, rel=1e-14, abs=1e-300)
            w, u, _ = online.online_update_reference(w, u, first if k == 0 else 0.0, 1.0, rate, decay, momentum)
            w, u = float(np.squeeze(w)), float(np.squeeze(u))


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("n_out", [1, 2, 3, 4, 6, 9, 10, 13])
@pytest.mark.parametrize(("n_in", "count"), [(1, 8), (5, 3), (12, 1), (13, 5), (28, 8), (201, 8), (784, 7)])
def test_a_block_equals_its_samples_one_by_one(n_in, n_out, count, momentum):
    size, dtype = 8, np.dtype(np.float64)
    units, columns, n = n_out + n_out % 2, padded(n_out, dtype), padded(n_in, dtype)
    x, dz = normal(count, n_in), normal(count, n_out, seed=1)
    w, v = normal(n_in, n_out, seed=2), normal(n_in, n_out, seed=3) * bool(momentum)
    tile, d = np.zeros((size, n + lanes(dtype))), Guarded((size, columns), dtype, 0.0)
    tile[:count, :n_in], d.array[:count, :n_out] = x, dz
    wt, vt, spare = (Guarded((units, n + 8), dtype, 0.0) for _ in range(3))
    wt.array[:n_out, :n_in], vt.array[:n_out, :n_in] = w.T, v.T
    table = np.zeros((6, size + 1))
    run_coefficients(table, size + 1, size, 0.1, 0.03, momentum)
    work = tuple(Guarded(shape, dtype, 0.0) for shape in ((size, columns),) * 2 + ((size, size), (size, columns)))
    seen = Guarded((size, columns), dtype)
    arrays = tuple(a.array for a in work)
    weights = wt.array, vt.array, spare.array
    run_block(tile, d.array, *weights, arrays, table, seen.array, count, n, units, columns)
    assert_all_untouched_around(d, wt, vt, spare, seen, *work)
    exact = online.block_reference(*(a.astype(np.longdouble) for a in (w, v, x, dz)), 0.1, 0.03, momentum)
    found = seen.array[:count, :n_out], wt.array.T[:n_in, :n_out], spare.array.T[:n_in, :n_out]
    for got, expected in zip(found, exact, strict=True):
        np.testing.assert_allclose(got, expected.astype(float), rtol=1e-11, atol=1e-11)
    assert not wt.array[:, n_in:].any()
    assert not wt.array[n_out:].any()


def test_the_comparison_of_blocks_can_fail():
    w, v, x, dz = normal(4, 3), normal(4, 3, seed=1), normal(2, 4, seed=2), normal(2, 3, seed=3)
    right = online.block_reference(w, v, x, dz, 0.1, 0.03, 0.5)
    for wrong in ((0.11, 0.03, 0.5), (0.1, 0.031, 0.5), (0.1, 0.03, 0.51)):
        assert np.abs(online.block_reference(w, v, x, dz, *wrong)[1] - right[1]).max() > 1e-5
