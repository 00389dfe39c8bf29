"""Inverted dropout of a hidden layer's outputs.   y, slope (n,)

y_j = y_j * m_j,  slope_j = slope_j * m_j          m_j = 0 with probability rate, else 1 / (1 - rate)

Whether unit j of a layer is dropped for a sample depends on (key, sample, layer, j) alone: it is looked up in a stream
of SplitMix64 numbers that these start, 32 bits a unit. So bits do not depend on threads, on minibatches, or on where
an epoch is cut, and nothing is stored.

Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout: A Simple Way to Prevent Neural Networks from
Overfitting", JMLR 2014; Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
"""

import numpy as np

from .._jit import core, entry, kernel
from ..simd import pointer

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32, _LOW = (np.uint64(n) for n in (30, 27, 31, 32, 0xFFFFFFFF))


def mask_reference(n, rate, key, sample, layer):
    """NumPy twin: factors (n,) of the outputs of one sample."""
    start = start_reference(key, sample, layer)
    words = [mix_reference(start + int(GOLDEN) * (pair + 1)) for pair in range(-(-n // 2))]
    bits = np.array([half for word in words for half in (word & 0xFFFFFFFF, word >> 32)][:n])
    return np.where(bits < int(rate * 2.0**32), 0.0, 1 / (1 - rate))


def start_reference(key, sample, layer):
    """NumPy twin of ``start_of``."""
    start = mix_reference(int(GOLDEN) * (key + 1))
    start = mix_reference(start + int(GOLDEN) * (sample + 1))
    return mix_reference(start + int(GOLDEN) * (layer + 1))


def mix_reference(x):
    """NumPy twin of ``mix``."""
    x &= 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * int(_FIRST)) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * int(_SECOND)) & 0xFFFFFFFFFFFFFFFF
    return x ^ (x >> 31)


@core
def mix(x):
    """Output function of SplitMix64."""
    x = (x ^ (x >> _30)) * _FIRST
    x = (x ^ (x >> _27)) * _SECOND
    return x ^ (x >> _31)


@core
def start_of(key, sample, layer):
    """Where the stream of one sample and layer begins."""
    start = mix(GOLDEN * np.uint64(key + 1))
    start = mix(start + GOLDEN * np.uint64(sample + 1))
    return mix(start + GOLDEN * np.uint64(layer + 1))


@kernel
def drop_outputs(y, slope, n, rate, key, sample, layer):
    """Drop some of the ``n`` outputs of one sample, in place, and let their slopes be zero; ``n`` is even."""
    state, limit = start_of(key, sample, layer), np.uint64(rate * 2.0**32)
    factor = 1.0 / (1.0 - rate)
    for j in range(0, n, 2):
        state += GOLDEN
        bits = mix(state)
        low, high = (bits & _LOW) < limit, (bits >> _32) < limit
        y[j], slope[j] = (0.0, 0.0) if low else (y[j] * factor, slope[j] * factor)
        y[j + 1], slope[j + 1] = (0.0, 0.0) if high else (y[j + 1] * factor, slope[j + 1] * factor)


@entry
def drop_arrays(y, slope, rate, key, sample, layer):
    """Drop some elements of y (n,) and slope (n,), n even, in place."""
    drop_outputs(pointer(y, 0), pointer(slope, 0), y.size, rate, key, sample, layer)
