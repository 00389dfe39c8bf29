"""Dense products against NumPy in wider precision, within the bound gamma_k; packing; who may write where."""

import numba
import numpy as np
import pytest
from buffers import DTYPES, Guarded, assert_close, awkward_sizes, padded_rows, same_bits, unit, wider
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnet import layout
from fastnet._jit import OPTIONS
from fastnet.kernels import dense
from fastnet.kernels.ahead import Ahead
from fastnet.kernels.gather import CODES, Rows
from fastnet.layout import lanes, layer_table, n_packed, padded
from fastnet.simd import lanes as lanes_of
from fastnet.simd import pointer, shift

ROWS = range(1, 10)
driver = numba.njit(**OPTIONS)


@driver
def run_forward(x, w, n_out, b, packed, out, x_step, out_step, rows, first, last):
    n_in, columns = packed.shape
    right = pointer(packed, 0)
    dense.pack(pointer(w, 0), n_in, n_out, right)
    left, to = pointer(x, 0), pointer(out, 0)
    dense.dense_forward(left, x_step, right, pointer(b, 0), to, out_step, rows, n_in, first, last, columns)


@driver
def run_pack(w, n_in, n_out, packed):
    dense.pack(pointer(w, 0), n_in, n_out, pointer(packed, 0))


@driver
def run_backward_input(dout, dout_step, packed, n_in, n_out, transposed, rows, dx, dx_step, columns, cut):
    w, wt = pointer(packed, 0), pointer(transposed, 0)
    for start in range(0, n_out, dense.panel_width(w)):
        dense.pack_transposed(w, n_in, n_out, start, 0, cut, wt)
        dense.pack_transposed(w, n_in, n_out, start, cut, n_in, wt)
    dense.dense_backward_input(pointer(dout, 0), dout_step, wt, rows, n_out, pointer(dx, 0), dx_step, columns)


@driver
def run_backward_weights(x, x_step, dout, dout_step, rows, dw, width, first, last):
    left = shift(pointer(x, 0), first)
    dense.dense_backward_weights(left, x_step, pointer(dout, 0), dout_step, rows, pointer(dw, 0), width, last - first)


@driver
def run_backward_bias(dout, dout_step, rows, db, columns):
    dense.dense_backward_bias(pointer(dout, 0), dout_step, rows, pointer(db, 0), columns)


@driver
def run_product(a, b, rows, inner, out, ahead):
    left, right, to, vectors = pointer(a, 0), pointer(b, 0), pointer(out, 0), b.shape[1] // lanes_of(pointer(b, 0))
    step = b.shape[1]
    dense.panel_product(left, inner, 1, right, step, inner, to, step, rows, vectors, False, ahead)


def gamma(k, dtype):
    return k * unit(dtype) / (1 - k * unit(dtype))


def assert_product(got, a, b, extra=0.0):
    """Check ``got = a @ b + extra`` within gamma_k of the sum of absolute products (reliability, section 4.2)."""
    exact_type = wider(got.dtype)
    a, b, extra = a.astype(exact_type), b.astype(exact_type), np.asarray(extra, exact_type)
    bound = gamma(a.shape[1] + 1, got.dtype) * (np.abs(a) @ np.abs(b) + np.abs(extra))
    assert_close(got, a @ b + extra, bound)


def normal(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


def forward(x, w, b):
    """Run the entry that functional.linear uses; return guarded, padded outputs."""
    dtype, (n_in, n_out) = x.dtype, w.shape
    packed, out = Guarded((n_in, padded(n_out, dtype)), dtype, 0.0), Guarded((len(x), padded(n_out, dtype)), dtype)
    bias = padded_rows(b[np.newaxis], dtype).array[0]
    dense.dense_forward_arrays(x.ctypes.data, w.ctypes.data, n_out, bias, packed.array, out.array)
    packed.assert_untouched_around()
    out.assert_untouched_around()
    return out.array


def pack(w):
    """Return panels as the room's docstring describes them, and zeros in the padding, by NumPy."""
    width = dense.PANEL_VECTORS * lanes(w.dtype)
    whole = np.zeros((len(w), padded(w.shape[1], w.dtype)), w.dtype)
    whole[:, : w.shape[1]] = w
    return np.concatenate([whole[:, j : j + width].ravel() for j in range(0, whole.shape[1], width)])


def test_the_comparison_can_fail():
    a = np.ones((2, 3), np.float32)
    assert_product(a @ a.T, a, a.T)
    wrong = a @ a.T
    wrong[1, 0] += 4e-6
    with pytest.raises(AssertionError, match=r"1 of 4 differ; first at \(1, 0\)"):
        assert_product(wrong, a, a.T)
    wrong[0, 0] = np.nan
    with pytest.raises(AssertionError, match="2 of 4"):
        assert_product(wrong, a, a.T)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_forward_equals_numpy_at_awkward_sizes(dtype):
    rng = np.random.default_rng(1)
    for n_in in awkward_sizes(dtype):
        for n_out in awkward_sizes(dtype):
            w, b = normal(rng, (n_in, n_out), dtype), normal(rng, n_out, dtype)
            for rows in ROWS if n_in + n_out < 800 else (1, 9):
                x = normal(rng, (rows, n_in), dtype)
                out = forward(x, w, b)
                assert_product(out[:, :n_out], x, w, b)
                assert not out[:, n_out:].any(), "padding must hold zeros"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_forward_is_the_reference(dtype):
    rng = np.random.default_rng(2)
    x, w, b = normal(rng, (9, 784), dtype), normal(rng, (784, 10), dtype), normal(rng, 10, dtype)
    exact = dense.dense_forward_reference(*(a.astype(wider(dtype)) for a in (x, w, b)))
    typical = 8 * np.sqrt(784) * unit(dtype) * (np.abs(x) @ np.abs(w) + np.abs(b))
    assert_close(forward(x, w, b)[:, :10], exact, typical)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_forward_with_small_whole_numbers_is_exact(dtype):
    rng = np.random.default_rng(3)
    x, w, b = (rng.integers(-3, 4, shape).astype(dtype) for shape in ((9, 300), (300, 25), (25,)))
    assert same_bits(forward(x, w, b)[:, :25].copy(), x @ w + b)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_forward_keeps_to_its_panels_and_steps(dtype):
    """Rows further apart than needed, and the panels of one thread: nothing else is written."""
    rng = np.random.default_rng(4)
    width = dense.PANEL_VECTORS * lanes(dtype)
    rows, n_in, n_out = 5, 7, 2 * width + 1
    columns, x_step, out_step = padded(n_out, dtype), n_in + 3, padded(n_out, dtype) + 16
    wide = np.full((rows, x_step), np.nan, dtype)
    wide[:, :n_in] = x = normal(rng, (rows, n_in), dtype)
    w, b = normal(rng, (n_in, n_out), dtype), normal(rng, n_out, dtype)
    bias, expected = padded_rows(b[np.newaxis], dtype).array[0], forward(x, w, b)
    for first, last in ((0, columns), (0, width), (width, 2 * width), (2 * width, columns), (width, columns), (0, 0)):
        packed, out = Guarded((n_in, columns), dtype, 0.0), Guarded((rows, out_step), dtype)
        run_forward(wide.ravel(), w.ravel(), n_out, bias, packed.array, out.flat, x_step, out_step, rows, first, last)
        assert same_bits(out.array[:, first:last].copy(), expected[:, first:last].copy())
        assert np.isnan(out.array[:, :first]).all()
        assert np.isnan(out.array[:, last:]).all()
        out.assert_untouched_around()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 20),
    n_in=st.integers(0, 600),
    n_out=st.integers(1, 80),
    row=st.integers(0, 19),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_rows_bits_do_not_depend_on_the_others(dtype, rows, n_in, n_out, row, seed):
    rng = np.random.default_rng(seed)
    x, w, b = normal(rng, (rows, n_in), dtype), normal(rng, (n_in, n_out), dtype), normal(rng, n_out, dtype)
    out, row = forward(x, w, b)[:, :n_out], row % rows
    assert same_bits(out[row : row + 1].copy(), forward(x[row : row + 1], w, b)[:, :n_out].copy())
    fewer = max(1, n_out // 2)
    cut = forward(x, np.ascontiguousarray(w[:, :fewer]), b[:fewer])[:, :fewer]
    assert same_bits(out[:, :fewer].copy(), cut.copy()), "an element's bits must not depend on the other columns"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_nan_in_one_row_stays_there(dtype):
    x, w, b = np.ones((9, 5), dtype), np.ones((5, 11), dtype), np.zeros(11, dtype)
    x[4, 2] = np.nan
    assert np.isnan(forward(x, w, b)[:, :11]).all(axis=1).tolist() == [m == 4 for m in range(9)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_pack_and_unpack(dtype):
    rng = np.random.default_rng(5)
    for n_in in (1, 2, 9):
        for n_out in awkward_sizes(dtype):
            w = normal(rng, (n_in, n_out), dtype)
            packed = Guarded(n_in * padded(n_out, dtype), dtype)
            run_pack(w.ravel(), n_in, n_out, packed.flat)
            expected = pack(w)
            padding = pack(np.ones_like(w)) == 0
            assert np.isnan(packed.array[padding]).all(), "the padding is left alone"
            assert same_bits(packed.array[~padding], expected[~padding])
            packed.assert_untouched_around()
            table, parameters = layer_table((n_in, n_out), (0,), dtype), normal(rng, (n_in + 1, n_out), dtype).ravel()
            parameters[: w.size] = w.ravel()
            whole, back = np.full(n_packed(table, dtype), np.nan, dtype), np.zeros_like(parameters)
            layout.pack(parameters, table, whole)
            assert same_bits(whole[: packed.array.size], packed.array)
            layout.unpack(whole, table, back)
            assert same_bits(back, parameters)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_backward_equals_numpy_at_awkward_sizes(dtype):
    rng = np.random.default_rng(6)
    for n_in in awkward_sizes(dtype):
        for n_out in awkward_sizes(dtype):
            for rows in (1, 4, 9) if n_in + n_out < 800 else (5,):
                check_backward(rng, dtype, rows, n_in, n_out)


def check_backward(rng, dtype, rows, n_in, n_out):
    x, w, dout = (normal(rng, shape, dtype) for shape in ((rows, n_in), (n_in, n_out), (rows, n_out)))
    inputs, outputs = padded_rows(x, dtype), padded_rows(dout, dtype)

    columns = padded(n_in, dtype)
    transposed, dx = Guarded(n_out * columns, dtype, 0.0), Guarded((rows, columns), dtype)
    steps, cut = (outputs.array.shape[1], pack(w), n_in, n_out), n_in // 2 // lanes(dtype) * lanes(dtype)
    run_backward_input(outputs.flat, *steps, transposed.flat, rows, dx.flat, columns, columns, cut)
    assert same_bits(transposed.array.copy(), pack(w.T.copy()))
    assert_product(dx.array[:, :n_in], dout, w.T)
    assert not dx.array[:, n_in:].any()

    db = Guarded(padded(n_out, dtype), dtype)
    run_backward_bias(outputs.flat, outputs.array.shape[1], rows, db.flat, db.array.size)
    assert_product(db.array[np.newaxis, :n_out], np.ones((1, rows), dtype), dout)
    assert not db.array[n_out:].any()

    panel = dense.PANEL_VECTORS * lanes(dtype)
    for column in range(0, padded(n_out, dtype), panel):
        width, last = min(panel, padded(n_out, dtype) - column), n_in - n_in // 3
        dw = Guarded((n_in, width), dtype)
        share = outputs.flat[column:], outputs.array.shape[1], rows
        for first, stop in ((0, last), (last, n_in)):
            run_backward_weights(
                inputs.flat, inputs.array.shape[1], *share, dw.flat[first * width :], width, first, stop
            )
        real = min(width, n_out - column)
        assert_product(dw.array[:, :real], x.T, dout[:, column : column + real])
        assert not dw.array[:, real:].any()
        dw.assert_untouched_around()
    for buffer in (transposed, dx, db, inputs, outputs):
        buffer.assert_untouched_around()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_backward_is_the_derivative_of_forward(dtype):
    """The reference of the backward pass, against the reference of the forward pass: sum(dout * out) is linear."""
    rng = np.random.default_rng(7)
    x, w, b, dout = (rng.integers(-4, 5, shape).astype(dtype) for shape in ((3, 5), (5, 4), 4, (3, 4)))
    dx, dw, db = dense.dense_backward_reference(x, w, dout)

    def change(**moved):
        args = {"x": x, "w": w, "b": b} | moved
        return ((dense.dense_forward_reference(**args) - dense.dense_forward_reference(x, w, b)) * dout).sum()

    for name, value, gradient in (("x", x, dx), ("w", w, dw), ("b", b, db)):
        for at in np.ndindex(value.shape):
            moved = value.copy()
            moved[at] += 1
            assert change(**{name: moved}) == gradient[at]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
def test_rows_that_are_asked_for_change_no_bit(dtype, kind):
    """Columns next to each other, far apart, backwards, and one for all; behind the last row."""
    rng, data, n_in = np.random.default_rng(3), np.zeros((4, 300), kind), 300
    a, width = normal(rng, (11, n_in), dtype), 3 * lanes(dtype)
    for vectors in (1, 2, 3):
        b = normal(rng, (n_in, width * vectors // 3), dtype)
        expected, out = (np.empty((11, b.shape[1]), dtype) for _ in range(2))
        run_product(a, b, 11, n_in, expected, None)
        assert_product(expected, a, b)
        for step in (data.strides[1], 400, -data.strides[1], 0):
            line = 64 // data.itemsize
            code, mean = CODES[kind], np.zeros(n_in, dtype)
            rows = Rows(data.ctypes.data, data.strides[0], step, code, n_in, dtype.type(1), mean)
            run_product(a, b, 11, n_in, out, Ahead(rows, np.arange(4, dtype=np.uint32), 2, 0, line))
            assert same_bits(out, expected)
