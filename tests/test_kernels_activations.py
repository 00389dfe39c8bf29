"""Activations against NumPy: whole vectors and rests, special values, gradients, who may write where.

How exact tanh and sigmoid are is measured in test_elementary.py.
"""

import numba
import numpy as np
import pytest
from buffers import DTYPES, Guarded, assert_close, awkward_sizes, same_bits, smallest, unit, wider
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fastnet._jit import OPTIONS
from fastnet.kernels import activations
from fastnet.kernels.activations import CODES, IDENTITY, RELU, SIGMOID, TANH
from fastnet.layout import lanes
from fastnet.simd import pointer

# tanh 2 ULP in float32 and 4 in float64, sigmoid 2 (reliability, section 4.2); an ULP is up to two roundings.
ROUNDINGS = {TANH: (4, 8), SIGMOID: (4, 4), RELU: (0, 0), IDENTITY: (0, 0)}
driver = numba.njit(**OPTIONS)


@driver
def run_backward(code, y, dy, dx):
    activations.activation_backward(code, pointer(y, 0), pointer(dy, 0), pointer(dx, 0), dx.size)


def forward(code, x):
    y = Guarded(x.shape, x.dtype)
    activations.activation_arrays(code, x.ctypes.data, y.array)
    y.assert_untouched_around()
    return y.array.copy()


def backward(code, y, dy):
    dx = Guarded(y.shape, y.dtype)
    run_backward(code, y, dy, dx.array)
    dx.assert_untouched_around()
    return dx.array.copy()


def each(code, x):
    """Compute the elements one by one, so that no whole vector occurs."""
    return np.concatenate([forward(code, x[i : i + 1]) for i in range(len(x))])


def assert_forward(code, x, y):
    with np.errstate(over="ignore", under="ignore"):
        exact = activations.activation_reference(code, x.astype(wider(x.dtype)))
    bound = ROUNDINGS[code][x.itemsize // 8] * unit(x.dtype) * np.abs(exact) + smallest(x.dtype) * (code == SIGMOID)
    assert_close(y, exact, bound)


def test_the_comparison_can_fail():
    x = np.linspace(-3, 3, 9, dtype=np.float32)
    y = forward(TANH, x)
    y[3] *= np.float32(1 + 4e-7)
    with pytest.raises(AssertionError, match="1 of 9 differ"):
        assert_forward(TANH, x, y)


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_forward_equals_numpy_at_awkward_sizes(dtype, name):
    code, rng = CODES[name], np.random.default_rng(1)
    for n in [0, *range(1, 3 * lanes(dtype) + 2), *awkward_sizes(dtype)]:
        x = (3 * rng.standard_normal(n)).astype(dtype)
        y = forward(code, x)
        assert_forward(code, x, y)
        if 0 < n <= 40:
            assert same_bits(y, each(code, x)), "an element's bits depend on its place"


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_forward_in_place(dtype, name):
    x = np.linspace(-4, 4, 29, dtype=dtype)
    expected, y = forward(CODES[name], x), x.copy()
    activations.activation_arrays(CODES[name], y.ctypes.data, y)
    assert same_bits(y, expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_special_values(dtype):
    info = np.finfo(dtype)
    x = np.array(
        [np.inf, -np.inf, 0.0, -0.0, info.max, -info.max, info.tiny, -info.tiny, info.smallest_subnormal], dtype
    )
    assert same_bits(forward(TANH, x)[:6], np.array([1, -1, 0.0, -0.0, 1, -1], dtype))
    assert same_bits(forward(TANH, x)[6:8], x[6:8])
    assert same_bits(forward(SIGMOID, x), np.array([1, 0, 0.5, 0.5, 1, 0, 0.5, 0.5, 0.5], dtype))
    assert same_bits(forward(RELU, x)[[0, 1, 2, 4, 5, 6, 7, 8]], np.maximum(x, 0)[[0, 1, 2, 4, 5, 6, 7, 8]])
    assert same_bits(forward(IDENTITY, x), x)
    for name, code in CODES.items():
        for n in (1, lanes(dtype), 2 * lanes(dtype) + 1):
            assert np.isnan(forward(code, np.full(n, np.nan, dtype))).all(), name


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(derandomize=True, deadline=None, max_examples=80)
@given(data=st.data())
def test_forward_on_any_finite_values(dtype, name, data):
    elements = npst.from_dtype(dtype, allow_nan=False, allow_infinity=False, allow_subnormal=False)
    x = data.draw(npst.arrays(dtype, st.integers(1, 40), elements=elements))
    y = forward(CODES[name], x)
    assert_forward(CODES[name], x, y)
    if name == "tanh":
        assert (np.abs(y) <= 1).all()
        assert same_bits(forward(TANH, -x), -y)


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_backward_equals_numpy_at_awkward_sizes(dtype, name):
    code, rng = CODES[name], np.random.default_rng(2)
    for n in [0, *range(1, 3 * lanes(dtype) + 2), *awkward_sizes(dtype)]:
        y = forward(code, (3 * rng.standard_normal(n)).astype(dtype))
        dy = rng.standard_normal(n).astype(dtype)
        dx = backward(code, y, dy)
        exact = activations.activation_backward_reference(code, y.astype(wider(dtype)), dy.astype(wider(dtype)))
        assert_close(dx, exact, 4 * unit(dtype) * np.abs(exact))
        run_backward(code, y, dy, dy)
        assert same_bits(dy, dx), "in place differs"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_backward_keeps_its_accuracy_where_tanh_is_nearly_one(dtype):
    y = np.array([1 - np.finfo(dtype).epsneg, -1 + np.finfo(dtype).epsneg], dtype)
    dx = backward(TANH, y, np.ones(2, dtype))
    eps = float(np.finfo(dtype).epsneg)
    assert_close(dx, np.full(2, eps * (2 - eps)), 4 * unit(dtype) * 2 * eps)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_relu_has_no_gradient_at_zero(dtype):
    y, dy = np.array([0.0, 2.0, 0.0], dtype), np.array([5.0, 5.0, np.inf], dtype)
    assert backward(RELU, y, dy).tolist() == [0.0, 5.0, 0.0]


@pytest.mark.parametrize("code", [TANH, SIGMOID, RELU, IDENTITY])
def test_references_are_each_others_derivative(code):
    """Complex step on the formulas: exact to the last digits. relu is not analytic: finite differences off 0."""
    x, h = np.linspace(-2, 2, 8), 1e-6
    formula = {TANH: np.tanh, SIGMOID: lambda v: 1 / (1 + np.exp(-v)), IDENTITY: lambda v: v}.get(code)
    if formula is None:
        difference = activations.activation_reference(code, x + h) - activations.activation_reference(code, x - h)
        derivative = difference / (2 * h)
    else:
        derivative = formula(x + 1e-30j).imag / 1e-30
    y = activations.activation_reference(code, x)
    got = activations.activation_backward_reference(code, y, np.ones(8))
    np.testing.assert_allclose(got, derivative, rtol=1e-9 if formula is None else 1e-13)
