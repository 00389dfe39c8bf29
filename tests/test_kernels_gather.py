"""Gathering rows: any dtype, any layout, the same bits; exact where it can be; nothing read or written elsewhere."""

import numba
import numpy as np
import pytest
from buffers import DTYPES, Guarded, assert_close, awkward_sizes, same_bits, unit, wider
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnet._jit import OPTIONS
from fastnet.kernels import gather
from fastnet.layout import padded, row_step
from fastnet.simd import pointer

SOURCES = [np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.float64)]
driver = numba.njit(**OPTIONS)


@driver
def run(rows, order, first, count, limit, start, stop, out, out_step):
    gather.gather_rows(rows, order, first, count, limit, start, stop, pointer(out, 0), out_step)


def rows_of(X, scale, mean, dtype):
    """Return what compiled code sees of X; the caller keeps X alive."""
    wide = np.zeros(padded(X.shape[1], dtype), dtype)
    wide[: X.shape[1]] = mean
    code = gather.CODES[X.dtype.name]
    return gather.Rows(X.ctypes.data, X.strides[0], X.strides[1], code, X.shape[1], dtype.type(scale), wide)


def gathered(X, order, scale, mean, dtype, first=0, count=None):
    """Return the tile's rows; check padding, the room between the rows, and guards."""
    count, n, step = len(order) - first if count is None else count, X.shape[1], row_step(X.shape[1], dtype)
    out = Guarded((count, step), dtype)
    run(rows_of(X, scale, mean, dtype), order, first, count, len(order), 0, n, out.flat, step)
    out.assert_untouched_around()
    assert not out.array[:, n : padded(n, dtype)].any(), "padding must hold zeros"
    assert np.isnan(out.array[:, padded(n, dtype) :]).all(), "written between the rows"
    return out.array[:, :n].copy()


def data(rng, shape, source):
    return rng.integers(0, 256, shape, np.uint8) if source == np.uint8 else rng.standard_normal(shape).astype(source)


def assert_gathered(got, X, order, scale, mean):
    """Check ``X[order] * scale - mean``: X is rounded to the dtype, then there are at most two roundings."""
    dtype = got.dtype
    wide = wider(dtype)
    rows = X.astype(dtype).astype(wide)
    scale, mean = wide(dtype.type(scale)), mean.astype(dtype).astype(wide)
    exact = gather.gather_reference(rows, order, scale, mean)
    assert_close(got, exact, unit(dtype) * (np.abs(exact) + np.abs(rows[order] * scale)))


def layouts(X):
    """Yield the values of X in every memory layout that matters, with a name for each."""
    n, d = X.shape
    yield "C", np.ascontiguousarray(X)
    yield "F", np.asfortranarray(X)
    yield "negative columns", np.ascontiguousarray(X[:, ::-1])[:, ::-1]
    yield "negative rows", np.ascontiguousarray(X[::-1])[::-1]
    yield "negative both", np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]
    spread = np.zeros((2 * n, 3 * d), X.dtype)
    spread[::2, ::3] = X
    yield "every third column", spread[::2, ::3]
    block = np.zeros((n, d + 5), X.dtype)
    block[:, 2 : 2 + d] = X
    yield "block of columns", block[:, 2 : 2 + d]
    read_only = X.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only


def test_the_comparison_can_fail():
    X = data(np.random.default_rng(1), (3, 5), np.dtype(np.uint8))
    order, mean, dtype = np.array([2, 0, 1]), np.zeros(5), np.dtype(np.float32)
    got = gathered(X, order, 1 / 255, mean, dtype)
    assert_gathered(got, X, order, 1 / 255, mean)
    with pytest.raises(AssertionError, match="differ"):
        assert_gathered(got, X, order[::-1], 1 / 255, mean)
    got[1, 4] = np.nextafter(got[1, 4], 2) + np.float32(2e-7)
    with pytest.raises(AssertionError, match=r"1 of 15 differ; first at \(1, 4\)"):
        assert_gathered(got, X, order, 1 / 255, mean)


@pytest.mark.parametrize("source", SOURCES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gather_equals_numpy_at_awkward_sizes(dtype, source):
    rng = np.random.default_rng(2)
    for n in sorted({*range(1, 40), *awkward_sizes(dtype)}):
        X, mean = data(rng, (13, n), source), rng.standard_normal(n)
        for scale in (1 / 255, 1.0):
            order = rng.permutation(13)[: rng.integers(1, 14)]
            assert_gathered(gathered(X, order, scale, mean, dtype), X, order, scale, mean)


@pytest.mark.parametrize("source", SOURCES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_layout_gives_the_same_bits(dtype, source):
    rng = np.random.default_rng(3)
    for n in (1, 7, 8, 9, 33, 784):
        X, mean, order = data(rng, (11, n), source), rng.standard_normal(n), rng.permutation(11)
        expected = gathered(X, order, 0.3, mean, dtype)
        for name, same in layouts(X):
            assert same_bits(gathered(same, order, 0.3, mean, dtype), expected), name


@pytest.mark.parametrize("source", SOURCES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(derandomize=True, deadline=None, max_examples=80)
@given(st.data())
def test_any_view_gives_the_bits_of_its_copy(dtype, source, draw):
    rng = np.random.default_rng(draw.draw(st.integers(0, 2**32 - 1)))
    base = data(rng, (12, 30), source)
    cuts = st.tuples(st.integers(0, 5), st.integers(6, 12), st.sampled_from([1, 2, 3, -1, -2, -3]))
    (a, b, step), (c, d, jump) = draw.draw(cuts), draw.draw(cuts)
    view = base[a:b][::step, 2 * c : 2 * d][:, ::jump]
    view = view.T if draw.draw(st.booleans()) else view
    order = rng.integers(0, len(view), draw.draw(st.integers(1, 9)))
    mean = rng.standard_normal(view.shape[1])
    got = gathered(view, order, 1 / 255, mean, dtype)
    assert same_bits(got, gathered(np.ascontiguousarray(view), order, 1 / 255, mean, dtype))
    assert_gathered(got, view, order, 1 / 255, mean)


@pytest.mark.parametrize("source", SOURCES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_row_repeated_by_a_stride_of_zero(dtype, source):
    row = data(np.random.default_rng(4), (1, 21), source)
    many, mean = np.broadcast_to(row, (6, 21)), np.zeros(21)
    got = gathered(many, np.arange(6), 0.5, mean, dtype)
    assert same_bits(got, np.repeat(gathered(row, np.zeros(1, np.int64), 0.5, mean, dtype), 6, axis=0))
    column = np.broadcast_to(row[:, :1], (6, 21))
    assert len(set(gathered(column, np.arange(6), 0.5, mean, dtype).ravel().tolist())) == 1


@pytest.mark.parametrize("integer", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_minibatches_are_cut_from_the_order(dtype, integer):
    rng = np.random.default_rng(5)
    X, order, mean = data(rng, (20, 10), np.dtype(np.uint8)), rng.permutation(20).astype(integer), rng.random(10)
    expected = gathered(X, order, 1 / 255, mean, dtype)
    for first in range(0, 20, 6):
        count = min(6, 20 - first)
        assert same_bits(gathered(X, order, 1 / 255, mean, dtype, first, count), expected[first : first + count])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gather_without_scale_and_mean_copies(dtype):
    X = np.arange(256, dtype=np.uint8).reshape(8, 32)
    assert same_bits(gathered(X, np.arange(8), 1.0, np.zeros(32), dtype), X.astype(dtype))
    X = data(np.random.default_rng(6), (8, 33), dtype)
    assert same_bits(gathered(X, np.arange(8), 1.0, np.zeros(33), dtype), X)


@pytest.mark.parametrize("source", SOURCES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_some_columns_are_those_of_the_whole_row(source, dtype):
    """A slice has the bits of the whole row there, and nothing is written beside it."""
    rng = np.random.default_rng(3)
    X, order, mean = data(rng, (9, 53), source), rng.permutation(9).astype(np.uint32), rng.random(53)
    whole = gathered(X, order, 0.5, mean, dtype)
    for name, other in layouts(X):
        for start, stop in ((0, 16), (16, 48), (32, 53)):
            out = Guarded((9, row_step(53, dtype)), dtype)
            run(rows_of(other, 0.5, mean, dtype), order, 0, 9, 9, start, stop, out.flat, out.array.shape[1])
            np.testing.assert_array_equal(out.array[:, start:stop], whole[:, start:stop], err_msg=name)
            assert np.isnan(out.array[:, :start]).all()
            assert np.isnan(out.array[:, padded(stop, dtype) :]).all()
