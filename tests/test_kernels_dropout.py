"""Dropout against its NumPy twin; the share that is dropped, independence, scaling, who may write where."""

import numpy as np
import pytest
from buffers import DTYPES, Guarded, same_bits

from fastnet.kernels import dropout


def drop(n, rate, key=1, sample=2, layer=0, dtype=np.float64, fill=1.0):
    y, slope = Guarded((n,), dtype, fill), Guarded((n,), dtype, 2 * fill)
    dropout.drop_arrays(y.array, slope.array, rate, key, sample, layer)
    y.assert_untouched_around()
    slope.assert_untouched_around()
    assert same_bits(slope.array, 2 * y.array)
    return y.array.copy()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("rate", [0.001, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("place", [(0, 0, 0), (7, 12345, 3), (2**62 - 1, 2**32 - 1, 9)])
def test_masks_are_their_reference(dtype, rate, place):
    found = drop(40, rate, *place, dtype)
    np.testing.assert_array_equal(found, dropout.mask_reference(40, rate, *place).astype(dtype))


def test_the_random_numbers_are_those_of_splitmix64():
    """The first numbers of seed 1234567, as published with the algorithm's reference implementations."""
    golden = 0x9E3779B97F4A7C15
    found = [dropout.mix_reference(1234567 + golden * k) for k in (1, 2, 3)]
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_about_so_many_are_dropped_and_the_mean_is_kept(rate):
    masks = np.array([drop(64, rate, 5, sample) for sample in range(2000)])
    share, spread = (masks == 0).mean(), np.sqrt(rate * (1 - rate) / masks.size)
    assert abs(share - rate) < 4 * spread
    assert masks.max() == pytest.approx(1 / (1 - rate))
    assert masks.mean() == pytest.approx(1, abs=5 * spread / (1 - rate))
    assert np.abs((masks == 0).mean(axis=0) - rate).max() < 5 * np.sqrt(rate * (1 - rate) / len(masks))


def test_keys_samples_layers_and_units_are_independent():
    half = {
        "key": [drop(4096, 0.5, key, 3, 1) for key in range(2)],
        "sample": [drop(4096, 0.5, 1, sample, 1) for sample in range(2)],
        "layer": [drop(4096, 0.5, 1, 3, layer) for layer in range(2)],
        "sample and layer": [drop(4096, 0.5, 1, 0, 1), drop(4096, 0.5, 1, 1, 0)],
        "unit": [drop(4096, 0.5)[::2], drop(4096, 0.5)[1::2]],
        "next unit": [drop(4096, 0.5)[:-2], drop(4096, 0.5)[2:]],
    }
    for name, (one, other) in half.items():
        agreement = (one == other).mean()
        assert abs(agreement - 0.5) < 4 * 0.5 / np.sqrt(len(one)), name


def test_what_is_dropped_is_zero_whatever_it_was():
    found = drop(64, 0.5, fill=np.inf)
    assert set(found.tolist()) == {0.0, np.inf}
