"""The update against its NumPy twin in wider precision, within a few roundings of the terms that are added.

The step makes about a dozen roundings on its way (scalars, decay, moments, root, sum, quotient). Corrections
1 - beta**t are computed in float64: there they lose the digits of t powers, and those in which beta**t is near 1.
"""

import math

import numpy as np
import pytest
from buffers import DTYPES, Guarded, assert_close, awkward_sizes, same_bits, smallest, unit, wider

from fastnet.kernels import adam
from fastnet.layout import lanes

SETTINGS = [
    # step, learning rate, beta1, beta2, epsilon, weight decay, decoupled
    (1, 1e-3, 0.9, 0.999, 1e-8, 0.0, False),
    (1, 1e-3, 0.9, 0.999, 1e-8, 0.01, True),
    (2, 0.03, 0.5, 0.9, 1e-3, 0.0, False),
    (10, 1e-3, 0.9, 0.999, 1e-8, 0.1, False),
    (1000, 0.1, 0.9, 0.999, 1e-8, 0.1, True),
    (1_000_000, 1e-3, 0.95, 0.9999, 1e-16, 0.1, True),
    (7, 1e-3, 0.0, 0.999, 1e-8, 0.0, False),
    (7, 1e-3, 0.9, 0.0, 1e-8, 0.0, True),
    (3, 0.0, 0.9, 0.999, 1e-8, 0.5, False),
    (3, 0.5, 0.9, 0.99, 10.0, 0.5, True),
]


def update(w, dw, m, v, *options):
    """Return new weights and moments. The arguments stay as they are."""
    new = [Guarded(w.shape, w.dtype) for _ in range(3)]
    for guarded, old in zip(new, (w, m, v), strict=True):
        guarded.array[...] = old
    new_w, new_m, new_v = (guarded.array for guarded in new)
    adam.adam_arrays(new_w, dw.ctypes.data, new_m, new_v, *options)
    for guarded in new:
        guarded.assert_untouched_around()
    return new_w.copy(), new_m.copy(), new_v.copy()


def correction_error(t, beta1, beta2):
    """Relative error of ``1 - beta**t`` in float64."""
    return max((4 + 2 * t * beta**t) / (1 - beta**t) for beta in (beta1, beta2)) * unit(np.float64)


def assert_update(found, w, dw, m, v, *options):
    t, learning_rate, beta1, beta2, epsilon, weight_decay, decoupled = options
    u, exact_type = unit(w.dtype), wider(w.dtype)
    w, dw, m, v = (a.astype(exact_type) for a in (w, dw, m, v))
    scalars = (exact_type(s) for s in (learning_rate, beta1, beta2, epsilon, weight_decay))
    exact = adam.adam_reference(w, dw, m, v, t, *scalars, decoupled)
    size = np.abs(dw) + (0 if decoupled else weight_decay) * np.abs(w)
    all_m, all_v = beta1 * np.abs(m) + (1 - beta1) * size, beta2 * v + (1 - beta2) * size**2
    root = np.sqrt(exact[2] / (1 - beta2**t))
    # What w moves by if nothing in m cancels; digits that cancelled in v are missing in its root.
    step = learning_rate * all_m / (1 - beta1**t) / (root + epsilon)
    lost = 12 * u * (1 + all_v / exact[2]) + correction_error(t, beta1, beta2)
    decayed = learning_rate * weight_decay * decoupled * np.abs(w)
    assert_close(found[0], exact[0], 1.01 * u * (np.abs(w) + 4 * decayed) + lost * step)
    assert_close(found[1], exact[1], 6 * u * all_m)
    assert_close(found[2], exact[2], 10 * u * all_v)


def normal(rng, n, dtype):
    """Weights, gradients and moments; the second moment is that of gradients of a like size."""
    w, dw, m, v = (rng.standard_normal(n).astype(dtype) for _ in range(4))
    return w, dw, m * dtype.type(0.3), v * v + dtype.type(0.01)


def test_the_comparison_can_fail():
    args = normal(np.random.default_rng(1), 9, np.dtype(np.float32))
    options = (5, 0.1, 0.9, 0.999, 1e-8, 0.1, False)
    found = update(*args, *options)
    assert_update(found, *args, *options)
    changes = [(0, 6), (1, 0.1001), (2, 0.901), (3, 0.9991), (4, 1e-4), (5, 0.11), (6, True)]
    for place, value in changes:
        with pytest.raises(AssertionError, match="of 9 differ"):
            assert_update(found, *args, *options[:place], value, *options[place + 1 :])
    for number, error in ((0, 1e-6), (1, 1e-6), (2, 1e-6)):
        wrong = [array.copy() for array in found]
        wrong[number][5] += error
        with pytest.raises(AssertionError, match=r"1 of 9 differ; first at \(5,\)"):
            assert_update(wrong, *args, *options)


@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_update_equals_numpy_at_awkward_sizes(dtype, options):
    rng = np.random.default_rng(2)
    for n in [*range(41), *awkward_sizes(dtype)]:
        args = normal(rng, n, dtype)
        assert_update(update(*args, *options), *args, *options)


@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_an_elements_bits_do_not_depend_on_its_place(dtype, options):
    args = normal(np.random.default_rng(3), 2 * lanes(dtype) + 3, dtype)
    together = update(*args, *options)
    for i in range(len(args[0])):
        alone = update(*(a[i : i + 1].copy() for a in args), *options)
        assert all(same_bits(one, whole[i : i + 1]) for one, whole in zip(alone, together, strict=True))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_first_step_by_hand(dtype):
    """The first step is the learning rate times the sign of the gradient, as long as epsilon is small beside it."""
    w, dw, zero = np.array([2.0, 2.0, 0.5], dtype), np.array([3.0, -1e-3, 0.0], dtype), np.zeros(3, dtype)
    new_w, m, v = update(w, dw, zero, zero, 1, 0.25, 0.75, 0.5, 1e-16, 0.0, False)
    np.testing.assert_allclose(new_w, [1.75, 2.25, 0.5], rtol=4 * unit(dtype) + 1e-12)
    np.testing.assert_allclose(m, 0.25 * dw, rtol=4 * unit(dtype))
    np.testing.assert_allclose(v, 0.5 * dw**2, rtol=4 * unit(dtype))
    # With epsilon as large as the gradient the step is half as long: it is added after the correction of v.
    assert update(w, dw, zero, zero, 1, 0.25, 0.75, 0.5, 3.0, 0.0, False)[0][0] == pytest.approx(2 - 0.125, rel=1e-6)
    # L2 changes the gradient 3 to 3 + 0.5 * 2, and not the first step; decoupled decay takes 0.25 * 0.5 * 2 beside it.
    new_w, m, _ = update(w, dw, zero, zero, 1, 0.25, 0.75, 0.5, 1e-16, 0.5, False)
    assert (new_w[0], m[0]) == (pytest.approx(1.75, rel=1e-6), 0.25 * 4)
    new_w, m, _ = update(w, dw, zero, zero, 1, 0.25, 0.75, 0.5, 1e-16, 0.5, True)
    assert (new_w[0], m[0]) == (pytest.approx(1.75 - 0.25, rel=1e-6), 0.25 * 3)


@pytest.mark.parametrize("decoupled", [False, True])
def test_many_steps_in_float64(decoupled):
    """Down a bowl, with the gradient at each step's own weights."""
    rng = np.random.default_rng(4)
    start, curvature = rng.standard_normal(29), rng.uniform(0.1, 10, 29)
    ours, twin = [start.copy(), np.zeros(29), np.zeros(29)], (start, np.zeros(29), np.zeros(29))
    settings = (0.01, 0.9, 0.999, 1e-8, 0.1, decoupled)
    for t in range(1, 501):
        adam.adam_arrays(ours[0], (curvature * ours[0]).ctypes.data, ours[1], ours[2], t, *settings)
        twin = adam.adam_reference(twin[0], curvature * twin[0], *twin[1:], t, *settings)
    assert np.abs(ours[0]).max() < 0.5 * np.abs(start).max()
    for got, wanted in zip(ours, twin, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_padding_stays_zero(dtype, options):
    zero = np.zeros(3 * lanes(dtype) + 1, dtype)
    for found in update(zero, zero, zero, zero, *options):
        assert same_bits(found, zero)


# -- moments that fade or overflow ---------------------------------------------------------------------


def is_denormal(array):
    return (array != 0) & (np.abs(array) < smallest(array.dtype))


def test_moments_without_gradients_become_zero_and_never_denormal():
    """One gradient, then none: m would be denormal after 830 steps, v (here with a short memory) after 8,300."""
    dtype, n = np.dtype(np.float32), 21
    w, zero = np.linspace(-2, 2, n, dtype=dtype), np.zeros(n, dtype)
    dw = np.linspace(-1, 1, n, dtype=dtype)
    settings = (1e-3, 0.9, 0.99, 1e-8, 0.0, False)
    ours, twin = (w.copy(), zero.copy(), zero.copy()), (w.astype(float), zero.astype(float), zero.astype(float))
    seen = np.zeros(n, bool)
    for t in range(1, 9001):
        gradient = dw if t == 1 else zero
        adam.adam_arrays(ours[0], gradient.ctypes.data, ours[1], ours[2], t, *settings)
        twin = adam.adam_reference(twin[0], gradient.astype(float), *twin[1:], t, *settings)
        seen |= is_denormal(twin[1].astype(dtype)) | is_denormal(twin[2].astype(dtype))
        assert not is_denormal(ours[1]).any()
        assert not is_denormal(ours[2]).any()
    assert seen.sum() == n - 1, "all but the parameter in the middle, whose gradient is zero"
    assert not ours[1].any()
    assert not ours[2].any()
    np.testing.assert_allclose(ours[0], twin[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("t", [1, 10, 10_000])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_moments_that_become_zero_change_no_step(dtype, t):
    """Gradients around the size whose squares vanish, in the dtype: steps are those of exact moments."""
    exponents = np.arange(-21, -6, 0.25) * (1 if dtype == np.float32 else 8.5)
    dw, zero = (10.0**exponents).astype(dtype), np.zeros(exponents.size, dtype)
    settings = (t, 1.0, 0.9, 0.999, 1e-8, 0.0, False)
    found = update(zero, dw, zero, zero, *settings)
    exact = adam.adam_reference(*(a.astype(wider(dtype)) for a in (zero, dw, zero, zero)), *settings)
    assert (found[2] == 0).any()
    assert (found[2] > 0).any()
    assert_close(found[0], exact[0], (20 * unit(dtype) + correction_error(t, 0.9, 0.999)) * np.abs(exact[0]))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_second_moment_that_overflows_does_not_freeze_its_weight(dtype):
    """The step would be m / inf = 0 for ever, with finite weights and losses: NaN stops the training instead."""
    dw = np.array([1.0, math.sqrt(float(np.finfo(dtype).max)) * 100, 1.0], dtype)
    one, zero = np.ones(3, dtype), np.zeros(3, dtype)
    new_w, _, v = update(one, dw, zero, zero, 1, 1e-3, 0.9, 0.999, 1e-8, 0.0, False)
    assert np.isinf(v).tolist() == [False, True, False]
    assert np.isnan(new_w).tolist() == [False, True, False]
