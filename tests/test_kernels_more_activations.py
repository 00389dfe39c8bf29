"""leaky_relu, elu, gelu, silu and step, and the slopes of all activations: against exact values, places, specials."""

import derive_polynomials as derive
import numpy as np
import pytest
import ulp
from buffers import DTYPES, Guarded, same_bits
from mpmath import mp, mpf
from scipy import special

from fastnet.kernels import activations
from fastnet.kernels import more_activations as more
from fastnet.kernels.more_activations import CODES, ELU, GELU, LEAKY_RELU, SILU, STEP
from fastnet.layout import lanes

NEW = {name: code for name, code in CODES.items() if code >= LEAKY_RELU}
TRAINED = {name: code for name, code in CODES.items() if code != STEP}

# Largest errors in ULP of outputs: float32, float64.
ULPS = {LEAKY_RELU: (1.0, 1.0), ELU: (2.0, 2.0), GELU: (6.0, 8.0), SILU: (4.0, 4.0)}
# And of slopes, relative to the sum of the sizes of their terms.
SLOPE_ERROR = (2.0**-21, 2.0**-49)


def forward(code, x, slopes=True):
    y, slope = Guarded(x.shape, x.dtype), Guarded(x.shape if slopes else (0,), x.dtype)
    more.more_activation_arrays(code, x.ctypes.data, y.array, slope.array)
    y.assert_untouched_around()
    slope.assert_untouched_around()
    return y.array.copy(), slope.array.copy()


def exact(code, x):
    """Outputs, slopes and the sizes of the slopes' terms, from float64."""
    with np.errstate(all="ignore"):
        if code == LEAKY_RELU:
            return np.where(x > 0, x, 0.01 * x), np.where(x > 0, 1, 0.01), np.ones_like(x)
        if code == ELU:
            slope = np.where(x > 0, 1, np.exp(np.minimum(x, 0)))
            return np.where(x > 0, x, np.expm1(x)), slope, slope
        first = special.ndtr(x) if code == GELU else special.expit(x)
        other = x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi) if code == GELU else x * first * special.expit(-x)
        return x * first, first + other, first + np.abs(other)


def exact_output(code, x):
    """Output of one number, by mpmath."""
    if code == LEAKY_RELU:
        return x if x > 0 else x * mpf(1) / 100
    if code == ELU:
        return x if x > 0 else mp.expm1(x)
    return x * mp.ncdf(x) if code == GELU else x / (1 + mp.exp(-x))


def float32_points():
    """An odd stride of all float32 numbers up to 100, where everything happens, and what is around the breaks."""
    bits = np.arange(0, ulp.pattern(100.0), 509, dtype=np.uint32)
    x = ulp.floats(np.concatenate([bits, bits | np.uint32(0x80000000)]))
    return np.concatenate([x, ulp.neighbours([0.34, 0.5, 1.0, 2.0, 12.9, 13.2, 87.0])])


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "gelu", "silu"])
def test_float32_outputs_and_slopes_are_as_exact_as_stated(name):
    code, x = CODES[name], float32_points()
    y, slope = forward(code, x)
    outputs, slopes, sizes = exact(code, x.astype(np.float64))
    normal = np.abs(outputs) > 2.0**-118  # below, a factor of it may be no normal number any more
    errors = np.where(normal, ulp.ulp_error(y, outputs), 0)
    at = errors.argmax()
    assert errors[at] <= ULPS[code][0], f"{name}({x[at]!r}) = {y[at]!r} is off by {errors[at]:.3f} ULP"
    assert np.abs(y - outputs)[~normal].max() < 2.0**-117
    assert (np.abs(slope - slopes) <= SLOPE_ERROR[0] * sizes + 2.0**-118).all()


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "gelu", "silu"])
def test_float64_outputs_and_slopes_are_as_exact_as_stated(name):
    code, rng = CODES[name], np.random.default_rng(1)
    x = np.concatenate([rng.uniform(-12, 12, 400), rng.uniform(-37, 37, 200), 10 ** rng.uniform(-12, 0, 200)])
    x = np.concatenate([x, -x, [0.34, -0.34, 1e3]])
    y, slope = forward(code, x)
    errors = [ulp.ulp_error_exact(v, exact_output(code, mpf(float(u)))) for u, v in zip(x, y, strict=True)]
    assert max(errors) <= ULPS[code][1], f"{name} is off by {max(errors):.3f} ULP at {x[np.argmax(errors)]}"
    _, slopes, sizes = exact(code, x)
    if code == GELU:  # NumPy's exp(-x**2 / 2) is not exact enough
        slopes = np.array([float(mp.ncdf(v) + v * mp.npdf(v)) for v in map(mpf, x.tolist())])
    assert (np.abs(slope - slopes) <= SLOPE_ERROR[1] * sizes).all()


def test_the_measurement_can_fail():
    x = np.array([-1.5], np.float32)
    y, _ = forward(GELU, x)
    wrong = y * np.float32(1 + 2.0**-19)
    assert ulp.ulp_error(wrong, exact(GELU, x.astype(np.float64))[0])[0] > ULPS[GELU][0]


@pytest.mark.parametrize(("dtype", "stated"), [(np.float32, -24.9), (np.float64, -53.5)])
def test_polynomials_are_as_close_as_stated(dtype, stated):
    table = more.TAIL_DOUBLE if dtype is np.float64 else more.TAIL_SINGLE
    coefficients = [mpf(float(dtype(c))) for c in table]
    function, low, high, weight = derive.TARGETS["TAIL"]
    grid = [low + (high - low) * (k + mpf(1) / 2) / 500 for k in range(500)]
    error = max(
        abs(weight(x) * (function(x) - mp.fsum(c * x**p for p, c in enumerate(coefficients[::-1])))) for x in grid
    )
    assert stated - 0.3 < mp.log(error, 2) <= stated


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_polynomials_can_be_derived_again(dtype):
    table = more.TAIL_DOUBLE if dtype is np.float64 else more.TAIL_SINGLE
    assert [str(c) for c in derive.table("TAIL", dtype)[0]] == [str(c) for c in table]


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_outputs_and_slopes_are_their_references(dtype, name):
    x = np.random.default_rng(2).normal(0, 3, 67).astype(dtype)
    y, slope = forward(CODES[name], x)
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(y, more.forward_reference(CODES[name], x.astype(np.float64)), rtol=tolerance)
    if name != "step":
        expected = more.slope_reference(CODES[name], x.astype(np.float64))
        np.testing.assert_allclose(slope, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", TRAINED)
def test_references_are_each_others_derivative(name):
    x, h = np.linspace(-4, 4, 40), 1e-6
    difference = more.forward_reference(CODES[name], x + h) - more.forward_reference(CODES[name], x - h)
    np.testing.assert_allclose(more.slope_reference(CODES[name], x), difference / (2 * h), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_bits_depend_neither_on_the_place_nor_on_the_slopes(dtype, name):
    rng = np.random.default_rng(3)
    for n in range(1, 2 * lanes(dtype) + 3):
        x = (3 * rng.standard_normal(n)).astype(dtype)
        y, slope = forward(CODES[name], x)
        each = [forward(CODES[name], x[i : i + 1]) for i in range(n)]
        assert same_bits(y, np.concatenate([a for a, _ in each]))
        assert same_bits(slope, np.concatenate([b for _, b in each]))
        assert same_bits(y, forward(CODES[name], x, slopes=False)[0])


@pytest.mark.parametrize("name", list(activations.CODES))
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_plain_activations_give_the_bits_of_their_own_room(dtype, name):
    x = np.random.default_rng(4).normal(0, 3, 41).astype(dtype)
    expected = np.empty_like(x)
    activations.activation_arrays(CODES[name], x.ctypes.data, expected)
    assert same_bits(forward(CODES[name], x)[0], expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_special_values(dtype):
    x = np.array([0.0, -0.0, 1e30, -1e30, np.finfo(dtype).max], dtype)
    for code in NEW.values():
        assert np.isnan(forward(code, np.full(3, np.nan, dtype), slopes=False)[0]).all()
        assert forward(code, x)[0][:2].tolist() == [0.0, 0.0]
    for code in (LEAKY_RELU, ELU, GELU, SILU):
        y, slope = forward(code, x)
        assert y[2] == x[2]
        assert y[4] == x[4]
        assert slope[2] == 1
        assert np.isnan(forward(code, np.full(3, np.nan, dtype))[1]).all() or code == LEAKY_RELU
    assert forward(ELU, x)[0][3] == -1
    assert forward(ELU, x)[1][3] == 0
    assert forward(GELU, x)[0][3] == forward(SILU, x)[0][3] == 0
    assert forward(LEAKY_RELU, x)[0][3] == dtype.type(0.01) * x[3]
    assert forward(STEP, np.array([-2.0, 0.0, 1e-30, 2.0], dtype), slopes=False)[0].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "gelu", "silu"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_torch_has_the_same(dtype, name):
    torch = pytest.importorskip("torch")
    x = np.linspace(-6, 6, 97, dtype=dtype)
    expected = getattr(torch.nn.functional, name)(torch.from_numpy(x.copy())).numpy()
    np.testing.assert_allclose(
        forward(CODES[name], x)[0], expected, rtol=0, atol=2e-6 if dtype == np.float32 else 4e-15
    )
