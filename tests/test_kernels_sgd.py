"""The update against its NumPy twin in wider precision, within a few roundings.

Reliability, section 4.2 asks for three. The sum with w makes one rounding of w; the step lr * (dw + wd * w) makes up
to five on its way (decay, product with lr, velocity, sum; one more without fused multiply-add), and once more m times
as many with Nesterov, where it passes through the new velocity, too.
"""

import numpy as np
import pytest
from buffers import DTYPES, Guarded, assert_close, awkward_sizes, same_bits, unit, wider
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnet.kernels import sgd
from fastnet.layout import lanes

SETTINGS = [
    # learning rate, momentum, nesterov, weight decay; momentum None means no velocity at all
    (0.1, None, False, 0.0),
    (0.1, None, False, 0.001),
    (0.0, None, False, 0.5),
    (0.1, 0.9, False, 0.0),
    (0.01, 0.9, False, 0.001),
    (0.1, 0.9, True, 0.0),
    (0.03, 0.5, True, 0.01),
    (0.1, 0.0, False, 0.001),
    (0.1, 0.0, True, 0.001),
]


def update(w, dw, v, learning_rate, momentum, nesterov, weight_decay):
    """Return new weights and velocity; ``v`` is None without momentum. The arguments stay as they are."""
    new_w = Guarded(w.shape, w.dtype)
    new_v = Guarded(0 if v is None else v.shape, w.dtype)
    new_w.array[...] = w
    new_v.array[...] = 0 if v is None else v
    sgd.sgd_arrays(new_w.array, dw.ctypes.data, new_v.array, learning_rate, momentum or 0.0, nesterov, weight_decay)
    new_w.assert_untouched_around()
    new_v.assert_untouched_around()
    return new_w.array.copy(), None if v is None else new_v.array.copy()


def assert_update(new_w, new_v, w, dw, v, *options):
    learning_rate, momentum, nesterov, weight_decay = options
    exact_type, dtype = wider(w.dtype), w.dtype
    rate, decay = exact_type(dtype.type(learning_rate)), exact_type(dtype.type(weight_decay))
    m = exact_type(dtype.type(momentum or 0.0))
    w, dw = w.astype(exact_type), dw.astype(exact_type)
    old_v = np.zeros_like(w) if v is None else v.astype(exact_type)
    exact_w, exact_v = sgd.sgd_reference(w, dw, old_v, rate, m, nesterov, decay)
    step = np.abs(m * old_v) + rate * (np.abs(dw) + decay * np.abs(w))
    assert_close(new_w, exact_w, 1.01 * unit(dtype) * (np.abs(w) + 5 * step * (1 + m * nesterov)))
    if v is not None:
        assert_close(new_v, exact_v, 5 * unit(dtype) * step)


def normal(rng, n, dtype, count=3):
    return tuple(rng.standard_normal(n).astype(dtype) for _ in range(count))


def test_the_comparison_can_fail():
    w, dw, v = normal(np.random.default_rng(1), 9, np.dtype(np.float32))
    new_w, new_v = update(w, dw, v, 0.1, 0.9, True, 0.01)
    assert_update(new_w, new_v, w, dw, v, 0.1, 0.9, True, 0.01)
    for wrong in ((0.1, 0.9, False, 0.01), (0.1, 0.9, True, 0.0), (0.1, 0.89, True, 0.01), (0.11, 0.9, True, 0.01)):
        with pytest.raises(AssertionError, match="of 9 differ"):
            assert_update(new_w, new_v, w, dw, v, *wrong)
    new_w[5] += 1e-5
    with pytest.raises(AssertionError, match=r"1 of 9 differ; first at \(5,\)"):
        assert_update(new_w, new_v, w, dw, v, 0.1, 0.9, True, 0.01)


@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_update_equals_numpy_at_awkward_sizes(dtype, options):
    rng = np.random.default_rng(2)
    for n in [0, *range(1, 3 * lanes(dtype) + 2), *awkward_sizes(dtype)]:
        w, dw, v = normal(rng, n, dtype)
        v = None if options[1] is None else v
        assert_update(*update(w, dw, v, *options), w, dw, v, *options)


@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_an_elements_bits_do_not_depend_on_its_place(dtype, options):
    w, dw, v = normal(np.random.default_rng(3), 2 * lanes(dtype) + 3, dtype)
    v = None if options[1] is None else v
    new_w, new_v = update(w, dw, v, *options)
    for i in range(len(w)):
        one = slice(i, i + 1)
        w_alone, v_alone = update(w[one], dw[one].copy(), None if v is None else v[one], *options)
        assert same_bits(w_alone, new_w[one])
        assert v is None or same_bits(v_alone, new_v[one])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    n=st.integers(1, 40),
    learning_rate=st.floats(0, 10),
    momentum=st.none() | st.floats(0, 0.999),
    nesterov=st.booleans(),
    weight_decay=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_update(dtype, n, learning_rate, momentum, nesterov, weight_decay, seed):
    rng = np.random.default_rng(seed)
    w, dw, v = (x * dtype.type(rng.choice([1e-3, 1, 1e3])) for x in normal(rng, n, dtype))
    v = None if momentum is None else v
    # Numbers so small that products become denormal lose more than roundings.
    options = tuple(0.0 if o is not None and abs(o) < 1e-20 else o for o in (learning_rate, momentum))
    options = (*options, nesterov, 0.0 if weight_decay < 1e-20 else weight_decay)
    assert_update(*update(w, dw, v, *options), w, dw, v, *options)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_updates_by_hand(dtype):
    w, dw, v = np.array([2.0], dtype), np.array([4.0], dtype), np.array([1.0], dtype)
    assert update(w, dw, None, 0.5, None, False, 0.0)[0] == 2 - 0.5 * 4
    assert update(w, dw, None, 0.5, None, False, 0.25)[0] == 2 - 0.5 * (4 + 0.25 * 2)
    assert update(w, dw, v, 0.5, 0.5, False, 0.0) == (2 + (0.5 - 2), 0.5 - 2)
    assert update(w, dw, v, 0.5, 0.5, True, 0.0) == (2 + 0.5 * (0.5 - 2) - 2, 0.5 - 2)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_decay_alone_shrinks_weights_to_zero(dtype):
    w = np.linspace(-3, 3, 25, dtype=dtype)
    shrunk, _ = update(w, np.zeros(25, dtype), None, 1.0, None, False, 1.0)
    assert not shrunk.any()
