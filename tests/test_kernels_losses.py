"""Losses and their gradients: NumPy twins, bounds of reliability section 4.2, its table 4.4, labels out of range."""

import logits
import numba
import numpy as np
import pytest
from buffers import DTYPES, Guarded, assert_close, padded_rows, same_bits, smallest, unit, wider
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnet._jit import OPTIONS
from fastnet.kernels import cross_entropy, squared_error
from fastnet.kernels.grouped_softmax import softmax_cross_entropy_group
from fastnet.layout import lanes, padded
from fastnet.simd import pointer

INF, NAN = np.inf, np.nan
driver = numba.njit(**OPTIONS)


@driver
def run_softmax(z, dz, y, n_classes, scale, losses, hits):
    for b in range(len(z)):
        row, to = pointer(z, b * z.shape[1]), pointer(dz, b * z.shape[1])
        losses[b], hits[b] = cross_entropy.softmax_cross_entropy_row(row, to, n_classes, y[b], scale)


@driver
def run_groups(z, dz, y, n_classes, scale, losses, hits, targets, scales, work, found, right):
    size, step = len(targets), z.shape[1]
    for first in range(0, len(z), size):
        rows = min(size, len(z) - first)
        for lane in range(size):
            targets[lane] = y[first + min(lane, rows - 1)]
            scales[lane] = scale
        args = pointer(targets, 0), pointer(scales, 0), pointer(work, 0), pointer(found, 0), pointer(right, 0)
        softmax_cross_entropy_group(pointer(z, first * step), pointer(dz, first * step), step, rows, n_classes, *args)
        for lane in range(rows):
            losses[first + lane], hits[first + lane] = found[lane], right[lane]


@driver
def run_sigmoid(z, dz, t, n_classes, scale, losses, hits):
    for b in range(len(z)):
        row, to, target = pointer(z, b * z.shape[1]), pointer(dz, b * z.shape[1]), pointer(t, b * n_classes)
        losses[b], hits[b] = cross_entropy.sigmoid_cross_entropy_row(row, to, n_classes, target, scale)


@driver
def run_squared(z, dz, t, n_outputs, scale, losses):
    for b in range(len(z)):
        row, to, target = pointer(z, b * z.shape[1]), pointer(dz, b * z.shape[1]), pointer(t, b * n_outputs)
        losses[b] = squared_error.squared_error_row(row, to, n_outputs, target, scale)


SOFTMAX = (run_softmax, run_groups)


def run(kernel, z, target, scale=1.0):
    """Return losses (B,), gradients (B, C) and hits (B,); check padding, guards and that the logits are kept."""
    target = np.asarray(target, np.int32 if kernel in SOFTMAX else z.dtype)
    rows, n_classes = padded_rows(z, z.dtype), z.shape[1]
    dz, losses = Guarded(rows.array.shape, z.dtype), Guarded(len(z), np.float64)
    extra, hits, room = (), np.full(len(z), -1), []
    if kernel is not run_squared:
        extra = (hits,)
    if kernel is run_groups:
        size = lanes(z.dtype)
        room = [Guarded(n, z.dtype) for n in (size, size, padded(n_classes, z.dtype) * size)]
        room += [Guarded(size, np.float64), Guarded(size, z.dtype)]
        extra = (hits, *(buffer.array for buffer in room))
    kernel(rows.array, dz.array, target if target.ndim == 1 else target.ravel(), n_classes, scale, losses.array, *extra)
    for buffer in (rows, dz, losses, *room):
        buffer.assert_untouched_around()
    assert same_bits(rows.array[:, :n_classes].copy(), z)
    assert not dz.array[:, n_classes:].any(), "padding must hold zeros"
    return losses.array.copy(), dz.array[:, :n_classes].copy(), hits


def loss_alone(z, y):
    rows, work = padded_rows(z, z.dtype), Guarded(padded_rows(z, z.dtype).array.shape[1], z.dtype)
    losses = Guarded(len(z), np.float64)
    labels = np.asarray(y, np.int32)
    cross_entropy.softmax_cross_entropy_loss_arrays(rows.array, labels, work.array, z.shape[1], losses.array)
    for buffer in (rows, work, losses):
        buffer.assert_untouched_around()
    return losses.array.copy()


@pytest.fixture(params=SOFTMAX, ids=["a row", "groups of rows"])
def softmax(request):
    return request.param


# -- softmax cross-entropy -----------------------------------------------------------------------------


def assert_softmax_cross_entropy(kernel, z, y):
    losses, dz, hits = run(kernel, z, y)
    with np.errstate(over="ignore"):
        assert_close(losses, *(v.astype(np.float64) for v in logits.exact_loss(z, y)))
    assert_close(dz, *logits.exact_gradient(z, y))
    bound = (z.shape[1] + 8) * unit(z.dtype) * np.abs(dz).max(axis=1) + z.shape[1] * smallest(z.dtype)
    assert_close(dz.sum(axis=1, dtype=np.float64), np.zeros(len(z)), bound)
    assert (losses >= 0).all()
    assert hits.tolist() == (z.argmax(axis=1) == y).astype(int).tolist(), "ties go to the first, as in NumPy"
    if kernel is run_softmax:
        assert same_bits(loss_alone(z, y), losses)


def test_the_comparison_can_fail():
    z, y = np.array([[20, 0, 0], [1, 2, 3]], np.float32), np.array([0, 1])
    losses, (exact, bound) = run(run_softmax, z, y)[0], logits.exact_loss(z, y)
    for wrong in (0, 1):
        moved = losses.copy()
        moved[wrong] *= 1 + 2e-6
        with pytest.raises(AssertionError, match=rf"1 of 2 differ; first at \({wrong},\)"):
            assert_close(moved, exact, bound)
    moved[0] = NAN
    with pytest.raises(AssertionError, match="2 of 2 differ"):
        assert_close(moved, exact, bound)


@pytest.mark.parametrize("n_classes", logits.CLASSES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_softmax_cross_entropy_of_every_kind_of_row(softmax, dtype, n_classes):
    z = logits.some(dtype, n_classes)
    if dtype == np.float64:
        z = z[:-1]  # differences of the largest float64 are beyond float64
    for y in (z.argmax(axis=1), z.argmin(axis=1), np.arange(len(z)) % n_classes, np.full(len(z), n_classes - 1)):
        assert_softmax_cross_entropy(softmax, z, y)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(data=logits.strategy(np.float32))
def test_softmax_cross_entropy_of_any_finite_float32_logits(data):
    for kernel in SOFTMAX:
        assert_softmax_cross_entropy(kernel, *data)
        assert_softmax_cross_entropy(kernel, data[0].astype(np.float64), data[1])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_softmax_cross_entropy_is_its_reference(softmax, dtype):
    rng = np.random.default_rng(1)
    z, y, scale = rng.standard_normal((9, 10)).astype(dtype), rng.integers(0, 10, 9), 1 / 9
    losses, dz, _ = run(softmax, z, y, scale)
    expected, gradient = cross_entropy.softmax_cross_entropy_reference(z.astype(wider(dtype)), y)
    tolerance = 18 * unit(dtype)
    assert_close(losses, expected.astype(np.float64), tolerance * expected.astype(np.float64))
    assert_close(dz, gradient * scale, 2 * tolerance * scale)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("z", "y", "loss", "gradient"),
    [
        ([1e4, -1e4, 0], 0, 0.0, [0, 0, 0]),
        ([1e4, -1e4, 0], 1, 20000.0, [1, -1, 0]),
        ([1e4, -1e4, 0], 2, 10000.0, [1, 0, -1]),
        ([3e38, -3e38], 1, "exact", [1, -1]),
        ([7.0], 0, 0.0, [0]),
        ([-INF, 0], 1, 0.0, [0, 0]),
        ([-INF, 0], 0, INF, [-1, 1]),
        ([0, -1000], 1, 1000.0, [1, -1]),
    ],
)
def test_extreme_logits_exactly(softmax, dtype, z, y, loss, gradient):
    z = np.array([z], dtype)
    losses, dz, _ = run(softmax, z, [y])
    if loss == "exact":
        loss = 2 * float(dtype.type(3e38))  # 6e38: infinite in float32
    assert losses[0] == loss
    if softmax is run_softmax:
        assert loss_alone(z, [y])[0] == loss
    assert dz[0].tolist() == gradient


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_sure_predictions_tiny_loss_and_gradient(softmax, dtype):
    losses, dz, hits = run(softmax, np.array([[20, 0, 0]], dtype), [0])
    e = np.exp(-20.0)
    assert losses[0] == pytest.approx(np.log1p(2 * e), rel=8 * unit(dtype))
    assert losses[0] == pytest.approx(4.122e-9, rel=1e-3)
    assert dz[0] == pytest.approx(np.array([-2, 1, 1]) * e / (1 + 2 * e), rel=8 * unit(dtype))
    assert dz[0, 0] == -(dz[0, 1] + dz[0, 2])
    assert hits[0] == 1


@pytest.mark.parametrize("value", [0.0, 5.0, 3e38, -3e38, 1e-40])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_equal_logits(softmax, dtype, value):
    for n_classes in (1, 2, 3, 7, 8, 10, 16, 17):
        losses, dz, hits = run(softmax, np.full((1, n_classes), value, dtype), [n_classes - 1])
        assert_close(losses, np.log([float(n_classes)]), 2 * unit(dtype) * np.log(n_classes))
        p = dtype.type(1) / dtype.type(n_classes)
        assert (dz[0, :-1] == p).all()
        assert_close(dz[0, -1:], np.array([1 / n_classes - 1]), 2 * unit(dtype))
        assert hits[0] == (n_classes == 1)


@pytest.mark.parametrize("lowest", [-103.97, -104.0, -87.3, -87.4])
def test_a_float32_tail_is_flushed_and_the_loss_still_right(softmax, lowest):
    z = np.array([[0, lowest]], np.float32)
    losses, dz, _ = run(softmax, z, [1])
    assert losses[0] == -float(z[0, 1])
    assert dz[0].tolist() == [1, -1]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("z", [[INF, 0], [NAN, 0], [0, NAN], [NAN, NAN], [-INF, -INF], [INF, INF]])
def test_logits_without_a_loss_give_none_that_looks_fine(dtype, z):
    for y in (0, 1):
        losses, _, _ = run_anything(np.array([z], dtype), [y])
        assert not np.isfinite(losses[0])


def run_anything(z, y):
    """Run the kernel where the padding may become NaN, too."""
    rows, losses = padded_rows(z, z.dtype), np.zeros(len(z))
    cross_entropy.softmax_cross_entropy_arrays(rows.array, np.asarray(y, np.int32), z.shape[1], 1.0, losses)
    rows.assert_untouched_around()
    return losses, rows.array, None


@pytest.mark.parametrize("bad", [-1, -(2**31), 2**31 - 1, "C", "C + 1", "padded", 1000])
@pytest.mark.parametrize("n_classes", [1, 3, 8, 10, 17])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_bad_label_writes_no_gradient_and_nothing_out_of_bounds(softmax, dtype, n_classes, bad):
    z = np.random.default_rng(2).standard_normal((4, n_classes)).astype(dtype)
    step = padded_rows(z, dtype).array.shape[1]
    bad = {"C": n_classes, "C + 1": n_classes + 1, "padded": step}.get(bad, bad)
    y = np.array([0, bad, n_classes - 1, bad], np.int32)
    losses, dz, hits = run(softmax, z, y, 0.25)
    assert np.isnan(losses[1::2]).all()
    assert not dz[1::2].any()
    assert not hits[1::2].any()
    alone = run(softmax, z[::2].copy(), y[::2], 0.25)
    assert same_bits(losses[::2].copy(), alone[0])
    assert same_bits(dz[::2].copy(), alone[1])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n_classes", [1, 3, 8, 10, 17, 100])
def test_a_rows_bits_do_not_depend_on_the_others(dtype, n_classes):
    z = logits.some(dtype, n_classes)
    y = np.arange(len(z)) % n_classes
    t = np.random.default_rng(3).integers(0, 2, z.shape).astype(dtype)
    for kernel, target in ((run_softmax, y), (run_groups, y), (run_sigmoid, t), (run_squared, t)):
        losses, dz, _ = run(kernel, z[:-1], target[:-1])  # the last row's squares are beyond float64
        for b in range(len(losses)):
            loss, gradient, _ = run(kernel, z[b : b + 1], target[b : b + 1])
            assert same_bits(loss, losses[b : b + 1])
            assert same_bits(gradient, dz[b : b + 1])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_in_place_gives_the_same_bits(dtype):
    rng = np.random.default_rng(4)
    z, y, t = rng.standard_normal((7, 10)).astype(dtype), rng.integers(0, 10, 7), rng.integers(0, 2, (7, 10))
    rows, losses = padded_rows(z, dtype), np.zeros(7)
    cross_entropy.softmax_cross_entropy_arrays(rows.array, y.astype(np.int32), 10, 0.5, losses)
    expected = run(run_softmax, z, y, 0.5)
    assert same_bits(losses, expected[0])
    assert same_bits(rows.array[:, :10].copy(), expected[1])
    rows = padded_rows(z, dtype)
    cross_entropy.sigmoid_cross_entropy_arrays(rows.array, t.astype(dtype), 0.5, losses)
    expected = run(run_sigmoid, z, t, 0.5)
    assert same_bits(losses, expected[0])
    assert same_bits(rows.array[:, :10].copy(), expected[1])
    rows = padded_rows(z, dtype)
    run_squared(rows.array, rows.array, t.astype(dtype).ravel(), 10, 0.5, losses)
    expected = run(run_squared, z, t, 0.5)
    assert same_bits(losses, expected[0])
    assert same_bits(rows.array[:, :10].copy(), expected[1])


def test_gradient_is_the_derivative_of_the_loss(softmax):
    """Complex step on the formula: derivatives to the last digits."""
    rng = np.random.default_rng(5)
    z, y = rng.standard_normal((5, 7)), rng.integers(0, 7, 5)
    _, dz, _ = run(softmax, z, y)
    for j in range(7):
        moved = z + 1e-30j * (np.arange(7) == j)
        losses = np.log(np.exp(moved).sum(axis=1)) - moved[np.arange(5), y]
        np.testing.assert_allclose(dz[:, j], losses.imag / 1e-30, atol=1e-15, rtol=1e-14)


# -- sigmoid cross-entropy -----------------------------------------------------------------------------


def exact_sigmoid_cross_entropy(z, t):
    """Losses, gradients and their bounds in wider precision."""
    z, t, n = z.astype(wider(z.dtype)), t.astype(wider(z.dtype)), z.shape[1]
    with np.errstate(under="ignore"):
        e = np.exp(-np.abs(z))
    terms = np.maximum(z, 0) - z * t, np.log1p(e)
    linear = np.where((z > 0) & (t == 1), 0, np.maximum(z, 0) + np.abs(z * t))  # z - z is exact
    size = (linear + terms[1]).sum(axis=1)
    p, q = np.where(z > 0, 1, e) / (1 + e), np.where(z > 0, e, 1) / (1 + e)
    gradient = np.where(t == 1, -q, p - t)
    return (terms[0] + terms[1]).sum(axis=1), size * (n + 8), gradient, 4 * np.where(t == 1, q, p + t)


def assert_sigmoid_cross_entropy(z, t, scale=1.0):
    losses, dz, hits = run(run_sigmoid, z, t, scale)
    loss, loss_bound, gradient, gradient_bound = exact_sigmoid_cross_entropy(z, t)
    tiny = z.shape[1] * smallest(z.dtype)
    assert_close(losses, loss.astype(np.float64), (loss_bound * unit(z.dtype) + tiny).astype(np.float64))
    assert_close(dz, gradient * scale, gradient_bound * unit(z.dtype) * scale + tiny)
    assert (losses >= 0).all()
    assert hits.tolist() == ((z > 0) == (t > 0.5)).all(axis=1).astype(int).tolist()


@pytest.mark.parametrize("n_classes", logits.CLASSES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_sigmoid_cross_entropy_of_every_kind_of_row(dtype, n_classes):
    rng, z = np.random.default_rng(6), logits.some(dtype, n_classes)
    if n_classes > 1:
        z = z[:-1]  # a sum of the largest float64 is beyond float64
    for t in (rng.integers(0, 2, z.shape), np.zeros(z.shape), np.ones(z.shape), rng.random(z.shape)):
        assert_sigmoid_cross_entropy(z, t.astype(dtype), 0.125)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(derandomize=True, deadline=None, max_examples=150)
@given(data=logits.strategy(np.float32), seed=st.integers(0, 2**32 - 1))
def test_sigmoid_cross_entropy_of_any_finite_logits(dtype, data, seed):
    rng, z = np.random.default_rng(seed), data[0].astype(dtype)
    assert_sigmoid_cross_entropy(z, rng.integers(0, 2, z.shape).astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_sigmoid_cross_entropy_is_its_reference(dtype):
    rng = np.random.default_rng(7)
    z, t = rng.standard_normal((9, 10)).astype(dtype), rng.random((9, 10)).astype(dtype)
    losses, dz, _ = run(run_sigmoid, z, t)
    wide = z.astype(wider(dtype)), t.astype(wider(dtype))
    expected, gradient = cross_entropy.sigmoid_cross_entropy_reference(*wide)
    assert_close(losses, expected.astype(np.float64), 18 * unit(dtype) * expected.astype(np.float64))
    assert_close(dz, gradient, 8 * unit(dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("z", "t", "loss", "gradient"),
    [
        (1e4, 0, 10000.0, 1.0),
        (1e4, 1, 0.0, 0.0),
        (-1e4, 1, 10000.0, -1.0),
        (-1e4, 0, 0.0, 0.0),
        (0.0, 0, "log 2", 0.5),
        (-0.0, 1, "log 2", -0.5),
        (3e38, 0, "z", 1.0),
        (-3e38, 1, "z", -1.0),
        (20.0, 1, "log1p", "-e / (1 + e)"),
        (-20.0, 0, "log1p", "e / (1 + e)"),
    ],
)
def test_extreme_logits_of_one_output(dtype, z, t, loss, gradient):
    value = float(dtype.type(z))
    e = np.exp(-20.0)
    loss = {"log 2": np.log(2.0), "z": abs(value), "log1p": np.log1p(e)}.get(loss, loss)
    gradient = {"-e / (1 + e)": -e / (1 + e), "e / (1 + e)": e / (1 + e)}.get(gradient, gradient)
    losses, dz, _ = run(run_sigmoid, np.array([[z]], dtype), [[t]])
    assert losses[0] == pytest.approx(loss, rel=4 * unit(dtype), abs=0)
    assert dz[0, 0] == pytest.approx(gradient, rel=6 * unit(dtype), abs=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_soft_target_is_hit_on_its_side_of_a_half(dtype):
    z = np.array([[2, -2, 1], [2, 2, 1], [-2, -2, 1], [0, -2, 1]], dtype)
    t = np.array([[0.9, 0.1, 0.6]] * 3 + [[0.5, 0.1, 0.6]], dtype)
    assert run(run_sigmoid, z, t)[2].tolist() == [1, 0, 0, 1]


# -- squared error -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_outputs", logits.CLASSES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_squared_error(dtype, n_outputs):
    rng = np.random.default_rng(8)
    z, t = (rng.standard_normal((9, n_outputs)).astype(dtype) for _ in range(2))
    losses, dz, _ = run(run_squared, z, t, 0.125)
    expected, gradient = squared_error.squared_error_reference(z, t)
    assert same_bits(dz, gradient * dtype.type(0.125))
    exact, _ = squared_error.squared_error_reference(z.astype(wider(dtype)), t.astype(wider(dtype)))
    bound = (2 + (n_outputs + 2) * (dtype == np.float64)) * unit(dtype) * exact.astype(np.float64) * 1.01
    assert_close(losses, exact.astype(np.float64), bound)
    assert_close(losses, expected.astype(np.float64), (n_outputs + 4) * unit(dtype) * expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_squared_error_beyond_float32(dtype):
    losses, dz, _ = run(run_squared, np.array([[1e30, 3.0]], dtype), [[0, 1]])
    assert losses[0] == pytest.approx(5e59, rel=1e-6)
    assert dz[0].tolist() == [float(dtype.type(1e30)), 2.0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_loss_of_an_error_beyond_the_dtype(dtype):
    z = np.array([[3e38, 1.0]], dtype)
    losses, dz, _ = run(run_squared, z, np.array([[-3e38, 1.0]], dtype))
    assert losses[0] == pytest.approx(2 * float(z[0, 0]) ** 2, rel=1e-15)
    with np.errstate(over="ignore"):
        assert dz[0].tolist() == [2 * z[0, 0], 0.0]
