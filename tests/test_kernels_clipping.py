"""Clipping against its NumPy twin; chunks, norms that are not finite, who may write where."""

import numpy as np
import pytest
from buffers import DTYPES, Guarded, same_bits

from fastnet.kernels import clipping
from fastnet.kernels.clipping import CHUNK


def clip(g, max_norm):
    buffer, sums = Guarded(g.shape, g.dtype), Guarded((-(-g.size // CHUNK),), np.float64)
    buffer.array[:] = g
    factor = clipping.clip_arrays(buffer.array, max_norm, sums.array)
    buffer.assert_untouched_around()
    sums.assert_untouched_around()
    return buffer.array.copy(), factor


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n", [16, 64, CHUNK - 16, CHUNK, CHUNK + 16, 3 * CHUNK + 32])
@pytest.mark.parametrize("max_norm", [1e-3, 1.0, 1e6])
def test_clipping_is_its_reference(dtype, n, max_norm):
    g = np.random.default_rng(n).standard_normal(n).astype(dtype)
    found, factor = clip(g, max_norm)
    np.testing.assert_allclose(found, clipping.clip_reference(g, max_norm), rtol=4 * np.finfo(dtype).eps)
    if max_norm == 1e6:
        assert factor == 1
        assert same_bits(found, g)
    else:
        assert np.linalg.norm(found.astype(np.float64)) == pytest.approx(max_norm, rel=1e-6)


def test_a_gradient_just_as_long_stays_as_it_is():
    g = np.zeros(32)
    g[:2] = 3, 4
    assert clip(g, 5.0)[1] == 1
    assert clip(g, 4.0)[1] == pytest.approx(0.8)
    assert clip(np.zeros(32), 1.0)[1] == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_a_norm_that_is_not_finite_makes_nan(bad):
    """So that training stops, instead of standing still."""
    g = np.ones(64)
    g[5] = bad
    found, factor = clip(g, 1.0)
    assert np.isnan(factor)
    assert np.isnan(found).all()
