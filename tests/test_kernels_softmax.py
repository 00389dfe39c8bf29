"""Softmax and log-softmax against NumPy in wider precision, within the bounds of reliability, section 4.2."""

import logits
import numba
import numpy as np
import pytest
from buffers import DTYPES, Guarded, assert_close, padded_rows, same_bits, unit, wider
from hypothesis import given, settings

from fastnet._jit import OPTIONS
from fastnet.kernels import softmax as room
from fastnet.simd import pointer

INF, NAN = np.inf, np.nan
driver = numba.njit(**OPTIONS)


@driver
def run_both(z, p, log_p, work, n_classes):
    source, rows, step = pointer(z, 0), len(z), z.shape[1]
    room.softmax_forward(source, pointer(p, 0), step, rows, n_classes)
    room.log_softmax_forward(source, pointer(log_p, 0), pointer(work, 0), step, rows, n_classes)


def softmax(z):
    rows = padded_rows(z, z.dtype)
    room.softmax_arrays(rows.array, z.shape[1])
    rows.assert_untouched_around()
    return rows.array


def log_softmax(z):
    rows = padded_rows(z, z.dtype)
    work = Guarded(rows.array.shape[1], z.dtype)
    room.log_softmax_arrays(rows.array, work.array, z.shape[1])
    rows.assert_untouched_around()
    work.assert_untouched_around()
    return rows.array[:, : z.shape[1]].copy()


def assert_softmax(z):
    rows = softmax(z)
    p = rows[:, : z.shape[1]]
    assert_close(p, *logits.exact_softmax(z))
    assert ((p >= 0) & (p <= 1)).all()
    bound = (z.shape[1] + 8) * unit(z.dtype)
    assert_close(p.sum(axis=1, dtype=np.float64), np.ones(len(z)), bound)
    assert not rows[:, z.shape[1] :].any(), "padding must hold zeros"
    top = z.argmax(axis=1)
    assert (p[np.arange(len(z)), top] == p.max(axis=1)).all(), "the largest logit has the largest probability"


def test_the_comparison_can_fail():
    z = np.array([[1.2, 0.3, -2.0]], np.float32)
    p, (exact, bound) = softmax(z)[:, :3].copy(), logits.exact_softmax(z)
    assert_close(p, exact, bound)
    p[0, 1] *= np.float32(1 + 3e-6)
    with pytest.raises(AssertionError, match="1 of 3 differ"):
        assert_close(p, exact, bound)


@pytest.mark.parametrize("n_classes", logits.CLASSES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_softmax_of_every_kind_of_row(dtype, n_classes):
    assert_softmax(logits.some(dtype, n_classes))


@pytest.mark.parametrize("n_classes", logits.CLASSES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_log_softmax_of_every_kind_of_row(dtype, n_classes):
    z = logits.some(dtype, n_classes)[:-1]  # the last row has differences beyond float32
    assert_close(log_softmax(z), *logits.exact_log_softmax(z))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_softmax_and_log_softmax_are_their_references(dtype):
    z = np.random.default_rng(1).standard_normal((9, 10)).astype(dtype)
    wide = z.astype(wider(dtype))
    assert_close(softmax(z)[:, :10], room.softmax_reference(wide), 3e-7 if dtype == np.float32 else 6e-16)
    assert_close(log_softmax(z), room.log_softmax_reference(wide), 1e-6 if dtype == np.float32 else 2e-15)


@pytest.mark.parametrize("n_classes", logits.CLASSES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_outputs_are_overwritten_and_inputs_kept(dtype, n_classes):
    z = logits.some(dtype, n_classes)
    rows = padded_rows(z, dtype)
    p, log_p, work = (Guarded(shape, dtype) for shape in (rows.array.shape, rows.array.shape, rows.array.shape[1]))
    run_both(rows.array, p.array, log_p.array, work.array, n_classes)
    assert same_bits(p.array.copy(), softmax(z))
    assert same_bits(log_p.array[:, :n_classes].copy(), log_softmax(z))
    assert same_bits(rows.array[:, :n_classes].copy(), z)
    for buffer in (rows, p, log_p, work):
        buffer.assert_untouched_around()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(derandomize=True, deadline=None, max_examples=150)
@given(data=logits.strategy(np.float32))
def test_softmax_of_any_finite_logits(dtype, data):
    assert_softmax(data[0].astype(dtype))


@settings(derandomize=True, deadline=None, max_examples=150)
@given(data=logits.strategy(np.float64))
def test_softmax_of_any_finite_float64_logits(data):
    with np.errstate(over="ignore"):  # the difference of two huge logits is -inf, and its exponential 0
        assert_softmax(data[0])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("value", [0.0, 5.0, -0.0, 3e38, -3e38, 1e-40])
def test_equal_logits_are_equally_likely(dtype, value):
    for n_classes in (1, 2, 3, 7, 10, 16, 17, 100):
        p = softmax(np.full((2, n_classes), value, dtype))[:, :n_classes]
        assert (p == dtype.type(1) / dtype.type(n_classes)).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("z", "p"),
    [
        ([1e4, -1e4, 0], [1, 0, 0]),
        ([3e38, -3e38], [1, 0]),
        ([7.5], [1]),
        ([-INF, 0], [0, 1]),
        ([-INF, -INF, 3, -INF], [0, 0, 1, 0]),
        ([-INF, 5, 5], [0, 0.5, 0.5]),
    ],
)
def test_extreme_logits(dtype, z, p):
    z = np.array([z], dtype)
    assert softmax(z)[0, : len(p)].tolist() == p
    with np.errstate(over="ignore"):
        expected = z[0] - z.max() - np.log(p.count(max(p)), dtype=dtype)  # all other exponentials are 0
    assert log_softmax(z)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_tail_is_flushed_to_zero_and_not_denormal(dtype):
    lowest = np.log(np.finfo(dtype).tiny)
    d = np.array([[0, lowest * 0.999, lowest * 1.001, lowest * 1.01, lowest * 100]], dtype)
    p = softmax(d)[0, :5]
    assert p[0] == 1
    assert p[1] >= np.finfo(dtype).tiny
    assert not p[2:].any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n_classes", [1, 2, 8, 9, 17])
@pytest.mark.parametrize("kind", ["NaN first", "NaN last", "all NaN", "+inf first", "+inf last", "all -inf"])
def test_rows_without_a_softmax_give_nan_and_spare_their_neighbours(dtype, n_classes, kind):
    z = np.random.default_rng(2).standard_normal((3, n_classes)).astype(dtype)
    clean, clean_log = softmax(z), log_softmax(z)
    place = {"first": 0, "last": -1}.get(kind.split()[1], slice(None))
    z[1, place] = {"NaN": NAN, "+inf": INF, "-inf": -INF}[next(w for w in kind.split() if w in ("NaN", "+inf", "-inf"))]
    p, log_p = softmax(z), log_softmax(z)
    assert np.isnan(p[1, :n_classes]).all()
    assert np.isnan(log_p[1]).all()
    assert same_bits(p[::2].copy(), clean[::2].copy())
    assert same_bits(log_p[::2].copy(), clean_log[::2].copy())


@pytest.mark.parametrize("n_classes", [1, 3, 8, 10, 17, 100])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_rows_bits_do_not_depend_on_the_others(dtype, n_classes):
    z = logits.some(dtype, n_classes)[:-1]
    p, log_p = softmax(z), log_softmax(z)
    for b in range(len(z)):
        assert same_bits(softmax(z[b : b + 1]), p[b : b + 1].copy())
        assert same_bits(log_softmax(z[b : b + 1]), log_p[b : b + 1])


def test_numbers_of_the_source_articles():
    def rounded(*row):
        return softmax(np.array([row], np.float32))[0, : len(row)].round(4).tolist()

    assert rounded(20, 21) == pytest.approx([0.2689, 0.7311])
    assert rounded(1e6, 1e6 + 1) == pytest.approx([0.2689, 0.7311])
    assert rounded(1.2, 0.3) == pytest.approx([0.7109, 0.2891], abs=1e-4)
    assert rounded(1.9, 0.1) == pytest.approx([0.8581, 0.1419], abs=1e-4)
    assert rounded(2, 1, -1) == pytest.approx([0.7054, 0.2595, 0.0351])
    assert rounded(-7.98, 2.39) == pytest.approx([0.0, 1.0], abs=1e-4)
