"""fastnet.functional: values, dtypes, layouts and scalars as NumPy users expect them, and every refusal."""

import doctest
import importlib
import math
import pkgutil
import types

import logits as rows_of_logits
import numpy as np
import pytest
from buffers import DTYPES, assert_close, same_bits, unit
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fastnet import functional as F
from fastnet.kernels import activations, adam, cross_entropy, dense, sgd, softmax

INF, NAN = np.inf, np.nan
ELEMENTWISE = {"tanh": (F.tanh, np.tanh), "sigmoid": (F.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
               "relu": (F.relu, lambda x: np.maximum(x, 0))}  # fmt: skip
ROWWISE = {"softmax": F.softmax, "log_softmax": F.log_softmax}
ENTRIES = [activations.activation_arrays, dense.dense_forward_arrays, softmax.softmax_arrays,
           softmax.log_softmax_arrays, cross_entropy.softmax_cross_entropy_arrays,
           cross_entropy.softmax_cross_entropy_loss_arrays, cross_entropy.sigmoid_cross_entropy_arrays,
           sgd.sgd_arrays, adam.adam_arrays]  # fmt: skip


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def layouts(array):
    """Yield equal arrays in other memory layouts."""
    yield np.asfortranarray(array)
    yield read_only(array)
    yield np.flip(np.flip(array).copy())
    spread = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    spread[..., ::2] = array
    yield spread[..., ::2]
    yield array.astype(array.dtype.newbyteorder("S"))
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    raw[...] = array
    yield raw
    yield array.view(np.memmap)


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(F.__path__)])
def test_doctests(name):
    module = importlib.import_module(f"fastnet.functional.{name}")
    result = doctest.testmod(module, extraglobs=vars(F))
    assert result.attempted > 0 or name in ("arguments", "compiled_losses", "compiled_updates")
    assert result.failed == 0


def test_everything_public_is_listed():
    assert set(F.__all__) == {
        name for name, value in vars(F).items() if not isinstance(value, types.ModuleType) and name[0] != "_"
    }


# -- elementwise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 5), (2, 0, 3), (2, 3, 4), (1, 1, 1, 9)], ids=str)
def test_elementwise_of_any_shape(name, dtype, shape):
    function, reference = ELEMENTWISE[name]
    x = np.asarray(3 * np.random.default_rng(1).standard_normal(shape)).astype(dtype)
    y = function(x)
    assert y.shape == shape
    assert y.dtype == dtype
    assert_close(np.asarray(y), np.asarray(reference(x.astype(np.float64))), 8 * unit(dtype))


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_elementwise_of_any_layout(name, dtype):
    function = ELEMENTWISE[name][0]
    x = np.random.default_rng(2).standard_normal((4, 5, 6)).astype(dtype)
    y = function(x)
    assert y.flags.c_contiguous
    for same in layouts(x):
        before = same.tobytes()
        assert same_bits(np.ascontiguousarray(function(same)), y)
        assert same.tobytes() == before
    assert same_bits(function(x.transpose(1, 2, 0)), np.ascontiguousarray(y.transpose(1, 2, 0)))
    assert same_bits(function(np.broadcast_to(x[:1, :1], (3, 5, 6))), np.broadcast_to(y[:1, :1], (3, 5, 6)).copy())
    assert function(np.asfortranarray(x)).flags.f_contiguous


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_dtypes_and_scalars(name):
    function = ELEMENTWISE[name][0]
    for value in (1, True, 1.0, np.int8(1), np.uint8(1), np.int64(1), np.float64(1), np.array(1), np.bool_(True)):
        assert type(function(value)) is np.float64
        assert function(value) == function(1.0)
    for value in (np.float32(1), np.float16(1), np.array(1, np.float32)):
        assert type(function(value)) is np.float32
        assert function(value) == function(np.float32(1))
    for dtype in (np.bool_, np.int8, np.uint8, np.int32, np.uint64, ">i4"):
        assert function(np.ones(3, dtype)).dtype == np.float64
    for dtype in (np.float16, np.float32, ">f4"):
        assert function(np.ones(3, dtype)).dtype == np.float32
    assert function([[1, 2], [3, 4]]).shape == (2, 2)
    assert type(function(np.ones((1, 2)).view(np.memmap))) is np.ndarray


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_elementwise_follows_ieee(dtype):
    x = np.array([INF, -INF, NAN, 0.0, -0.0], dtype)
    assert same_bits(F.tanh(x)[[0, 1, 3, 4]], np.array([1, -1, 0.0, -0.0], dtype))
    assert same_bits(F.sigmoid(x)[[0, 1, 3, 4]], np.array([1, 0, 0.5, 0.5], dtype))
    assert F.relu(x)[[0, 1, 3, 4]].tolist() == [INF, 0, 0, 0]
    for function in (F.tanh, F.sigmoid, F.relu):
        assert np.isnan(function(x)[2])


@pytest.mark.parametrize("name", ELEMENTWISE)
@settings(derandomize=True, deadline=None, max_examples=60)
@given(x=npst.arrays(np.float64, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
                     elements=st.floats(-30, 30)))  # fmt: skip
def test_elementwise_on_any_array(name, x):
    function, reference = ELEMENTWISE[name]
    y = function(x)
    assert y.shape == x.shape
    assert_close(np.asarray(y), np.asarray(reference(x)), 8 * unit(np.float64))


# -- linear --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 784, 10), (3, 0, 4), (0, 3, 4), (3, 4, 0), (9, 25, 24), (2, 7, 33)])
def test_linear(dtype, shape):
    rows, n_in, n_out = shape
    rng = np.random.default_rng(3)
    x, w, b = (rng.integers(-3, 4, s).astype(dtype) for s in ((rows, n_in), (n_in, n_out), n_out))
    out = F.linear(x, w, b)
    assert same_bits(out, x @ w + b)  # small whole numbers: exact
    assert out.flags.c_contiguous
    for args in zip(layouts(x), layouts(w), layouts(b), strict=True) if rows * n_in * n_out else ():
        assert same_bits(F.linear(*args), out)


def test_linear_takes_the_wider_dtype():
    x, w, b = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32), np.ones(4, np.float32)
    assert F.linear(x, w, b).dtype == np.float32
    assert F.linear(x.astype(np.float64), w, b).dtype == np.float64
    assert F.linear(x, w, b.tolist()).dtype == np.float64
    assert F.linear(x.astype(np.uint8), w, b).dtype == np.float64
    assert F.linear(x.astype(np.float16), w, b).dtype == np.float32


# -- softmax and losses --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n_classes", [1, 2, 8, 10, 17])
def test_row_functions(dtype, n_classes):
    z = rows_of_logits.some(dtype, n_classes)[:-1]
    p, log_p = F.softmax(z), F.log_softmax(z)
    for result, expected in ((p, rows_of_logits.exact_softmax(z)), (log_p, rows_of_logits.exact_log_softmax(z))):
        assert_close(result, *expected)
        assert result.dtype == dtype
        assert result.flags.c_contiguous
        assert result.shape == z.shape
    y = np.arange(len(z)) % n_classes
    loss, gradient = F.cross_entropy(z, y), F.softmax_cross_entropy_grad(z, y)
    exact = rows_of_logits.exact_loss(z.astype(np.float64), y)[0].mean()
    assert type(loss) is float
    assert loss == pytest.approx(float(exact), rel=1e-14)
    expected, bound = rows_of_logits.exact_gradient(z, y)
    assert_close(gradient, expected / len(z), (bound + 2 * unit(dtype) * np.abs(expected)) / len(z))
    for same in layouts(z):
        assert same_bits(F.softmax(same), p)
        assert same_bits(F.log_softmax(same), log_p)
        assert F.cross_entropy(same, y) == loss
        assert same_bits(F.softmax_cross_entropy_grad(same, read_only(y)), gradient)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_no_rows(dtype):
    z = np.zeros((0, 3), dtype)
    for function in ROWWISE.values():
        assert function(z).shape == (0, 3)
        assert function(z).dtype == dtype
    assert F.softmax_cross_entropy_grad(z, np.zeros(0, int)).shape == (0, 3)


@pytest.mark.parametrize("function", ROWWISE.values(), ids=ROWWISE)
def test_special_rows(function):
    z = [[NAN, 1, 2], [INF, 0, 0], [-INF, -INF, -INF], [1, 1, NAN]]
    assert np.isnan(function(z)).all()
    p = np.exp(function([[-INF, 0, 0]])) if function is F.log_softmax else function([[-INF, 0, 0]])
    assert p[0] == pytest.approx([0, 0.5, 0.5])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("z", "y", "loss", "gradient"),
    [
        ([1e4, -1e4, 0], 0, 0.0, [0, 0, 0]),
        ([1e4, -1e4, 0], 1, 20000.0, [1, -1, 0]),
        ([20, 0, 0], 0, math.log1p(2 * math.exp(-20)), [-4.122307e-9, 2.0611536e-9, 2.0611536e-9]),
        ([7, 7, 7, 7], 2, math.log(4), [0.25, 0.25, -0.75, 0.25]),
        ([2.0], 0, 0.0, [0]),
        ([-INF, 0], 1, 0.0, [0, 0]),
        ([-INF, 0], 0, INF, [-1, 1]),
        ([0, -104], 1, 104.0, [1, -1]),
    ],
)
def test_extreme_logits(dtype, z, y, loss, gradient):
    z = np.array([z], dtype)
    got = F.cross_entropy(z, [y])
    assert got == pytest.approx(loss, rel=1e-15, abs=0)
    assert F.softmax_cross_entropy_grad(z, [y])[0].tolist() == pytest.approx(gradient, rel=1e-6, abs=1e-40)


def test_loss_beyond_float32():
    z = np.array([[3e38, -3e38]], np.float32)
    assert F.cross_entropy(z, [1]) == 2 * float(z[0, 0])
    assert F.binary_cross_entropy(z, [[0, 1]]) == 2 * float(z[0, 0])


@pytest.mark.parametrize("integer", [np.int8, np.uint8, np.int32, np.int64, np.uint64, ">i4"])
def test_labels_of_any_integer_type(integer):
    z = np.random.default_rng(4).standard_normal((5, 3))
    y = np.array([0, 2, 1, 1, 0])
    assert F.cross_entropy(z, y.astype(integer)) == F.cross_entropy(z, y.tolist())


def test_numbers_of_the_source_articles():
    assert F.softmax([[20, 21]]).round(2).tolist() == [[0.27, 0.73]]
    assert F.softmax([[1e6, 1e6 + 1]]).round(2).tolist() == [[0.27, 0.73]]
    assert F.softmax([[1.2, 0.3]]).round(2).tolist() == [[0.71, 0.29]]
    assert F.softmax([[1.9, 0.1]]).round(5).tolist() == [[0.85815, 0.14185]]
    assert F.softmax([[2, 1, -1]]).round(4).tolist() == [[0.7054, 0.2595, 0.0351]]
    assert F.cross_entropy([[1.2, 0.3]], [0]) == pytest.approx(0.3412, abs=5e-5)
    assert F.cross_entropy([[1.9, 0.1]], [0]) == pytest.approx(0.1530, abs=5e-5)
    assert F.cross_entropy(np.log([[0.7, 0.2, 0.1]]), [0]) == pytest.approx(0.35667, abs=5e-6)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_binary_cross_entropy(dtype):
    rng = np.random.default_rng(5)
    z, t = (3 * rng.standard_normal((9, 3))).astype(dtype), rng.integers(0, 2, (9, 3))
    p = 1 / (1 + np.exp(-z.astype(np.float64)))
    expected = -np.log(np.where(t == 1, p, 1 - p)).sum(axis=1).mean()
    loss = F.binary_cross_entropy(z, t)
    assert type(loss) is float
    assert loss == pytest.approx(expected, rel=1e-12)
    for kind in (bool, np.uint8, np.float32, np.float64):
        assert F.binary_cross_entropy(z, t.astype(kind)) == loss
    for same in layouts(z):
        assert F.binary_cross_entropy(same, t) == loss
    one = F.binary_cross_entropy(z[:, 0], t[:, 0])
    assert one == F.binary_cross_entropy(z[:, :1], t[:, :1])
    soft = F.binary_cross_entropy([[0.5]], [[0.25]])
    assert soft == pytest.approx(-0.25 * math.log(F.sigmoid(0.5)) - 0.75 * math.log(F.sigmoid(-0.5)))


# -- update --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (9,), (5, 3), (2, 3, 4)], ids=str)
def test_sgd_update(dtype, shape):
    rng = np.random.default_rng(6)
    for momentum, nesterov, decay in ((None, False, 0.1), (0.0, False, 0.0), (0.9, False, 0.01), (0.9, True, 0.01)):
        w, dw, v = (np.asarray(rng.standard_normal(shape)).astype(dtype) for _ in range(3))
        velocity = None if momentum is None else v.copy()
        m = momentum or 0.0
        expected_w, expected_v = sgd.sgd_reference(
            w.astype(np.float64), dw.astype(np.float64), v.astype(np.float64) * (momentum is not None), 0.1, m,
            nesterov, decay)  # fmt: skip
        updated = w.copy()
        assert F.sgd_update(updated, read_only(dw), velocity, 0.1, m, nesterov, decay) is None
        assert_close(updated, np.asarray(expected_w), 20 * unit(dtype))
        if velocity is not None:
            assert_close(velocity, np.asarray(expected_v), 20 * unit(dtype))


def test_sgd_update_takes_gradients_of_any_layout():
    rng = np.random.default_rng(7)
    w, dw = rng.standard_normal((4, 6)), rng.standard_normal((4, 6))
    expected = w.copy()
    F.sgd_update(expected, dw, None, 0.1)
    for same in layouts(dw):
        got = w.copy()
        F.sgd_update(got, same, None, 0.1)
        assert same_bits(got, expected)


def test_sgd_update_of_a_view_leaves_the_rest_alone():
    whole = np.ones(20)
    F.sgd_update(whole[3:14], np.ones(11), None, 0.5)
    assert whole.tolist() == [1] * 3 + [0.5] * 11 + [1] * 6


def test_sgd_update_with_a_gradient_in_the_same_memory():
    memory = np.arange(40.0)
    expected = memory[1:31] - 0.5 * memory[:30]
    F.sgd_update(memory[1:31], memory[:30], None, 0.5)
    assert memory[1:31].tolist() == expected.tolist()
    w = np.arange(1.0, 20.0)
    F.sgd_update(w, w, None, 0.5)
    assert w.tolist() == (np.arange(1.0, 20.0) / 2).tolist()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (9,), (5, 3), (2, 3, 4)], ids=str)
def test_adam_update(dtype, shape):
    rng = np.random.default_rng(8)
    for step, options in ((1, ()), (7, (0.01, 0.8, 0.99, 1e-6, 0.1)), (7, (0.01, 0.8, 0.99, 1e-6, 0.1, True))):
        w, dw, m, v = (np.asarray(rng.standard_normal(shape)).astype(dtype) for _ in range(4))
        v = np.asarray(np.square(v) + dtype.type(0.1))
        settings = options or (0.001, 0.9, 0.999, 1e-8)
        expected = adam.adam_reference(*(a.astype(np.float64) for a in (w, dw, m, v)), step, *settings)
        assert F.adam_update(w, read_only(dw), m, v, step, *options) is None
        for got, wanted in zip((w, m, v), expected, strict=True):
            assert_close(got, np.asarray(wanted), 40 * unit(dtype) * (1 + np.abs(wanted)))


def test_adam_update_takes_gradients_of_any_layout_and_views():
    rng = np.random.default_rng(9)
    dw = rng.standard_normal((4, 6))
    expected, *moments = np.ones((4, 6)), np.zeros((4, 6)), np.zeros((4, 6))
    F.adam_update(expected, dw, *moments, 1)
    for same in layouts(dw):
        got = np.ones((4, 6))
        F.adam_update(got, same, np.zeros((4, 6)), np.zeros((4, 6)), 1)
        assert same_bits(got, expected)
    whole = np.ones(20)
    F.adam_update(whole[3:14], np.ones(11), np.zeros(11), np.zeros(11), 1, 0.5)
    np.testing.assert_allclose(whole, [1] * 3 + [0.5] * 11 + [1] * 6, rtol=1e-7)


def test_adam_update_with_a_gradient_in_the_memory_of_the_moments():
    expected, m, v = np.ones(9), np.full(9, 2.0), np.full(9, 3.0)
    got, same_m, same_v = expected.copy(), m.copy(), v.copy()
    F.adam_update(expected, m.copy(), m, v, 4)
    F.adam_update(got, same_m, same_m, same_v, 4)
    assert same_bits(got, expected)
    assert same_bits(same_m, m)


# -- compilation ---------------------------------------------------------------------------------------


def test_each_kernel_is_compiled_once_a_dtype():
    """Whatever layouts, shapes and permissions the other tests used: two signatures at most."""
    for dtype in DTYPES:
        x = np.ones((2, 3), dtype)
        for z in (x, *layouts(x), np.ones((2, 16), dtype)):
            for function in (F.tanh, F.sigmoid, F.relu, F.softmax, F.log_softmax):
                function(z)
            for function in (F.cross_entropy, F.softmax_cross_entropy_grad):
                function(z, [0, 1])
            F.binary_cross_entropy(z, np.ones(z.shape))
            F.linear(z, z.T, np.ones(2, dtype))
        F.sgd_update(x.copy(), read_only(x), x.copy(), 0.1)
        F.sgd_update(x.ravel(), x.ravel(), None, 1, 0, np.True_, 0)
        F.adam_update(x.copy(), read_only(x), x.copy(), x.copy(), 1)
        F.adam_update(x.ravel(), x.ravel(), x.ravel() + 1, x.ravel() + 1, np.int32(3), 1, 0, 0, 1, 0, np.True_)
        F.adam_update(x.copy(), x, x.copy(), x.copy(), 10**30)
    for entry in ENTRIES:
        assert 1 <= len(entry.signatures) <= 2, (entry.py_func.__name__, entry.signatures)


# -- refusals ------------------------------------------------------------------------------------------

W, M, V = np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 3))
REFUSED = [
    # call, error, words of the message
    ("tanh", [1j], ValueError, ["x", "complex128"]),
    ("tanh", ["a"], TypeError, ["x", "numbers"]),
    ("tanh", [None], TypeError, ["x", "numbers", "object"]),
    ("tanh", [[1.0, None]], TypeError, ["x", "numbers", "object"]),
    ("tanh", [[[1], [1, 2]]], ValueError, ["x"]),
    ("tanh", [np.longdouble(1)], TypeError, ["x", "numbers"]),
    ("tanh", [np.ma.masked_array([1.0, 2.0], [True, False])], TypeError, ["x", "masked", "filled"]),
    ("tanh", [np.array(["2020-01-01"], "M8[D]")], TypeError, ["x", "datetime64"]),
    ("sigmoid", [[1j]], ValueError, ["x", "complex128"]),
    ("relu", [b"x"], TypeError, ["x", "numbers"]),
    ("linear", [[1.0], W, [0, 0, 0]], ValueError, ["x", "(n_samples, n_in)", "(1,)"]),
    ("linear", [np.ones((1, 1, 2)), W, [0, 0, 0]], ValueError, ["x", "(1, 1, 2)"]),
    ("linear", [[[1, 1]], [1, 1], [0]], ValueError, ["w", "(n_in, n_out)", "(2,)"]),
    ("linear", [[[1, 1, 1]], W, [0, 0, 0]], ValueError, ["x", "(n_samples, 2)", "(2, 3)", "(1, 3)"]),
    ("linear", [[[1, 1]], W, [0, 0]], ValueError, ["b", "(3,)", "(2,)"]),
    ("linear", [[[1, 1]], W, [[0, 0, 0]]], ValueError, ["b", "(3,)", "(1, 3)"]),
    ("linear", [[[1, 1]], W, 0], ValueError, ["b", "(3,)", "()"]),
    ("linear", [[[1j, 1]], W, [0, 0, 0]], ValueError, ["x", "complex"]),
    ("linear", [[[1, 1]], W * 1j, [0, 0, 0]], ValueError, ["w", "complex"]),
    ("linear", [[[1, 1]], W, ["a", "b", "c"]], TypeError, ["b", "numbers"]),
    ("softmax", [[1.0, 2.0]], ValueError, ["z", "(n_samples, n_classes)", "(2,)", "reshape"]),
    ("softmax", [1.0], ValueError, ["z", "()"]),
    ("softmax", [np.ones((2, 0))], ValueError, ["z", "at least one class", "(2, 0)"]),
    ("softmax", [np.ones((2, 2, 2))], ValueError, ["z", "(2, 2, 2)"]),
    ("softmax", [[[1j, 2]]], ValueError, ["z", "complex"]),
    ("log_softmax", [[1.0, 2.0]], ValueError, ["z", "(2,)"]),
    ("log_softmax", [[["a", "b"]]], TypeError, ["z", "numbers"]),
    ("cross_entropy", [[1.0, 2.0], [0]], ValueError, ["z", "(2,)"]),
    ("cross_entropy", [np.ones((0, 3)), []], ValueError, ["z", "empty", "(0, 3)"]),
    ("cross_entropy", [[[1, 2], [3, NAN]], [0, 0]], ValueError, ["z", "NaN", "row 1, column 1"]),
    ("cross_entropy", [[[1, 2], [INF, 0]], [0, 0]], ValueError, ["z", "infinity", "row 1, column 0"]),
    ("cross_entropy", [[[-INF, 2], [-INF, -INF]], [0, 0]], ValueError, ["z", "row 1", "-inf"]),
    ("cross_entropy", [W, [0]], ValueError, ["y", "2", "1"]),
    ("cross_entropy", [W, [0, 3]], ValueError, ["y", "3", "index 1", "[0, 3)"]),
    ("cross_entropy", [W, [-1, 0]], ValueError, ["y", "-1", "index 0"]),
    ("cross_entropy", [W, [0, 2**40]], ValueError, ["y", str(2**40), "index 1"]),
    ("cross_entropy", [W, [0.0, 1.0]], TypeError, ["y", "integer", "float64", "astype"]),
    ("cross_entropy", [W, [0.5, 1.0]], TypeError, ["y", "integer", "float64"]),
    ("cross_entropy", [W, ["a", "b"]], TypeError, ["y", "integer"]),
    ("cross_entropy", [W, [[0, 1]]], ValueError, ["y", "1 dimension", "(1, 2)"]),
    ("softmax_cross_entropy_grad", [W, [0, 3]], ValueError, ["y", "3", "index 1"]),
    ("softmax_cross_entropy_grad", [W, [0]], ValueError, ["y", "2", "1"]),
    ("softmax_cross_entropy_grad", [[[NAN, 1]], [0]], ValueError, ["z", "NaN", "row 0, column 0"]),
    ("softmax_cross_entropy_grad", [[[-INF, -INF]], [0]], ValueError, ["z", "row 0", "-inf"]),
    ("binary_cross_entropy", [1.0, 1.0], ValueError, ["z", "()"]),
    ("binary_cross_entropy", [[], []], ValueError, ["z", "empty", "(0,)"]),
    ("binary_cross_entropy", [np.ones((2, 0)), np.ones((2, 0))], ValueError, ["z", "empty", "(2, 0)"]),
    ("binary_cross_entropy", [[1.0, NAN], [0, 1]], ValueError, ["z", "NaN", "index 1"]),
    ("binary_cross_entropy", [[[1.0], [-INF]], [[0], [1]]], ValueError, ["z", "infinity", "row 1, column 0"]),
    ("binary_cross_entropy", [[1.0, 2.0], [0]], ValueError, ["t", "(2,)", "(1,)"]),
    ("binary_cross_entropy", [[1.0, 2.0], [[0], [1]]], ValueError, ["t", "(2,)", "(2, 1)"]),
    ("binary_cross_entropy", [[1.0, 2.0], [0, 2]], ValueError, ["t", "[0, 1]", "2", "row 1"]),
    ("binary_cross_entropy", [[1.0, 2.0], [-0.5, 1]], ValueError, ["t", "[0, 1]", "-0.5", "row 0"]),
    ("binary_cross_entropy", [[1.0, 2.0], [0, NAN]], ValueError, ["t", "NaN"]),
    ("binary_cross_entropy", [[1.0, 2.0], [0, None]], TypeError, ["t", "numbers"]),
    ("binary_cross_entropy", [[1j], [0]], ValueError, ["z", "complex"]),
    ("sgd_update", [[1.0], [1.0], None, 0.1], TypeError, ["w", "ndarray", "list"]),
    ("sgd_update", [np.ones(2, int), [1.0, 1.0], None, 0.1], TypeError, ["w", "float32 or float64", "int64"]),
    ("sgd_update", [np.ones(2, ">f8"), [1.0, 1.0], None, 0.1], TypeError, ["w", "float64", ">f8"]),
    ("sgd_update", [np.ma.ones(2), [1.0, 1.0], None, 0.1], TypeError, ["w", "ndarray", "MaskedArray"]),
    ("sgd_update", [np.ones((2, 3)).T, np.ones((3, 2)), None, 0.1], ValueError, ["w", "C-contiguous"]),
    ("sgd_update", [read_only(W), W, None, 0.1], ValueError, ["w", "writable", "read-only"]),
    ("sgd_update", [W, W.T, None, 0.1], ValueError, ["dw", "(2, 3)", "(3, 2)"]),
    ("sgd_update", [W, W.astype(np.float32), None, 0.1], TypeError, ["dw", "float64", "float32"]),
    ("sgd_update", [W, W * 1j, None, 0.1], ValueError, ["dw", "complex"]),
    ("sgd_update", [W, "a", None, 0.1], TypeError, ["dw", "numbers"]),
    ("sgd_update", [W, W, None, 0.1, 0.9], ValueError, ["velocity", "None", "0.9"]),
    ("sgd_update", [W, W, W, 0.1, 0.9], ValueError, ["w", "velocity", "share memory"]),
    ("sgd_update", [W, W, [[0.0]], 0.1, 0.9], TypeError, ["velocity", "ndarray", "list"]),
    ("sgd_update", [W, W, np.zeros((3, 2)), 0.1, 0.9], ValueError, ["velocity", "(2, 3)", "(3, 2)"]),
    ("sgd_update", [W, W, np.zeros((2, 3), np.float32), 0.1, 0.9], TypeError, ["velocity", "float64", "float32"]),
    ("sgd_update", [W, W, read_only(W), 0.1, 0.9], ValueError, ["velocity", "read-only"]),
    ("sgd_update", [W, W, None, -0.1], ValueError, ["learning_rate", "-0.1"]),
    ("sgd_update", [W, W, None, NAN], ValueError, ["learning_rate", "nan"]),
    ("sgd_update", [W, W, None, INF], ValueError, ["learning_rate", "inf"]),
    ("sgd_update", [W, W, None, "0.1"], TypeError, ["learning_rate", "number"]),
    (
        "sgd_update",
        [np.ones(1, np.float32), np.ones(1, np.float32), None, 1e39],
        ValueError,
        ["learning_rate", "1e+39"],
    ),
    ("sgd_update", [W, W, np.zeros((2, 3)), 0.1, 1.0], ValueError, ["momentum", "1.0"]),
    ("sgd_update", [W, W, np.zeros((2, 3)), 0.1, -0.5], ValueError, ["momentum", "-0.5"]),
    ("sgd_update", [W, W, np.zeros((2, 3)), 0.1, 0.9, 1], TypeError, ["nesterov", "True or False", "1"]),
    ("sgd_update", [W, W, None, 0.1, 0.0, False, -1.0], ValueError, ["weight_decay", "-1"]),
    ("sgd_update", [W, W, None, 0.1, 0.0, False, NAN], ValueError, ["weight_decay", "nan"]),
    ("adam_update", [[1.0], [1.0], M, V, 1], TypeError, ["w", "ndarray", "list"]),
    ("adam_update", [W, W.T, M, V, 1], ValueError, ["dw", "(2, 3)", "(3, 2)"]),
    ("adam_update", [W, W * 1j, M, V, 1], ValueError, ["dw", "complex"]),
    ("adam_update", [W, W, None, V, 1], TypeError, ["m", "ndarray", "NoneType"]),
    ("adam_update", [W, W, M, V.astype(np.float32), 1], TypeError, ["v", "float64", "float32"]),
    ("adam_update", [W, W, M, V[:1], 1], ValueError, ["v", "(2, 3)", "(1, 3)"]),
    ("adam_update", [W, W, read_only(M), V, 1], ValueError, ["m", "read-only"]),
    ("adam_update", [W, W, W, V, 1], ValueError, ["w and m", "share memory"]),
    ("adam_update", [W, W, M, W, 1], ValueError, ["w and v", "share memory"]),
    ("adam_update", [W, W, M, M, 1], ValueError, ["m and v", "share memory"]),
    ("adam_update", [W, W, M, V, 0], ValueError, ["step", ">= 1", "0"]),
    ("adam_update", [W, W, M, V, 1.0], TypeError, ["step", "int", "1.0"]),
    ("adam_update", [W, W, M, V, 1, -0.1], ValueError, ["learning_rate", "-0.1"]),
    ("adam_update", [W, W, M, V, 1, 0.1, 1.0], ValueError, ["beta1", "1.0"]),
    ("adam_update", [W, W, M, V, 1, 0.1, 0.9, NAN], ValueError, ["beta2", "nan"]),
    ("adam_update", [W, W, M, V, 1, 0.1, 0.9, 0.9, 0.0], ValueError, ["epsilon", "1e-16", "0.0"]),
    ("adam_update", [W, W, M, V, 1, 0.1, 0.9, 0.9, 1e-8, -1.0], ValueError, ["weight_decay", "-1.0"]),
    ("adam_update", [W, W, M, V, 1, 0.1, 0.9, 0.9, 1e-8, 0.0, 1], TypeError, ["decoupled", "True or False"]),
]


@pytest.mark.parametrize(
    ("name", "args", "error", "words"), REFUSED, ids=[f"{i}-{r[0]}-{r[3][0]}" for i, r in enumerate(REFUSED)]
)
def test_refusals(name, args, error, words):
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    with pytest.raises(error) as caught:
        getattr(F, name)(*args)
    assert type(caught.value) is error
    message = str(caught.value)
    for word in words:
        assert word in message, f"{word!r} is not in {message!r}"
    for old, new in zip(before, args, strict=True):
        assert not isinstance(old, np.ndarray) or same_bits(np.asarray(old), np.asarray(new)), "an argument was changed"


@pytest.mark.parametrize("function", [*ROWWISE.values(), F.tanh], ids=lambda f: f.__name__)
def test_sparse_matrices_are_refused(function):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="sparse"):
        function(scipy_sparse.csr_matrix([[1.0, 0.0]]))


def test_truth_values_are_labels():
    assert F.cross_entropy([[1.2, 0.3]], [True]) == F.cross_entropy([[1.2, 0.3]], [1])
