"""exp, tanh, sigmoid and log1p on one vector of float32 or float64: the cores that all kernels share.

One source serves both types; only tables and constants differ. No branches, no calls, at most one division.

The tables are minimax polynomials from ``tests/derive_polynomials.py``, highest power first, rounded one by one
with the higher powers fitted again. exp(r) = 1 + r + r**2 * EXP(r) for abs(r) <= log(2)/2, with relative error
2**-28.2 and 2**-57.9; log(1 + f) = 2 atanh(z) = 2 z + z**3 * LOG(z**2) with z = f / (2 + f) for 1 + f from
sqrt(1/2) to sqrt(2), with relative error 2**-30.1 and 2**-59.4.
"""

from math import sqrt

from .._jit import core
from ..simd import (
    absolute,
    add_exponent,
    by_dtype,
    copysign,
    exponent,
    low_bits_as_exponent,
    muladd,
    polynomial,
    select,
)

EXP_SINGLE = (0.0013820042, 0.008368682, 0.041668274, 0.16666521, 0.49999994)
EXP_DOUBLE = (
    2.5005548201648568e-08, 2.7630344154329524e-07, 2.755756557900523e-06, 2.480149279987684e-05,
    0.0001984126953573452, 0.0013888888943995046, 0.008333333333476666, 0.04166666666652806,
    0.16666666666666452, 0.5000000000000011,
)  # fmt: skip
LOG_SINGLE = (0.2987146, 0.39977568, 0.66666776)
LOG_DOUBLE = (
    0.14798261345546743, 0.15313831951247206, 0.18183572361426453, 0.22222198428892836,
    0.28571428743686894, 0.3999999999940935, 0.6666666666666735,
)  # fmt: skip


def _doubled(table):
    """Return the polynomial 2 p(2 x): its coefficients are exact multiples."""
    return tuple(c * 2.0 ** (len(table) - i) for i, c in enumerate(table))


# exp(r) itself, and (exp(2 h) - 1) / 2 = h + h**2 * HALF(h).
_EXP_SINGLE, _EXP_DOUBLE = (*EXP_SINGLE, 1.0, 1.0), (*EXP_DOUBLE, 1.0, 1.0)
_HALF_SINGLE, _HALF_DOUBLE = _doubled(EXP_SINGLE), _doubled(EXP_DOUBLE)

# log(2) in two parts; the upper one has 15 (33) bits, so that its products with exponents are exact.
_LN2_SINGLE = (0.693145751953125, 1.42860677e-06)
_LN2_DOUBLE = (0.6931471803691238, 1.9082149292705877e-10)
_LN2_UPPER, _LN2_LOWER = zip(_LN2_SINGLE, _LN2_DOUBLE, strict=True)
_PER_LN2, _SQRT2 = 1.4426950408889634, sqrt(2.0)

# Adding this rounds to a whole number n; the lowest bits of the sum are then n plus the bias of the exponents.
_MAGIC = (1.5 * 2.0**23 + 127.0, 1.5 * 2.0**52 + 1023.0)
# The smallest arguments whose exp is a normal number.
_EXP_LOWEST = (-87.33654, -708.3964185322641)
# From here on tanh is 1.
_TANH_HIGHEST = (10.0, 20.0)
_INFINITY = float("inf")


@core
def exp_core(x):
    """e**x for x <= 0; 0 where that would be below the smallest normal number."""
    magic = by_dtype(x, _MAGIC[0], _MAGIC[1])
    shifted = muladd(x, _PER_LN2, magic)
    n = shifted - magic
    r = muladd(n, by_dtype(x, -_LN2_UPPER[0], -_LN2_UPPER[1]), x)
    r = muladd(n, by_dtype(x, -_LN2_LOWER[0], -_LN2_LOWER[1]), r)
    result = polynomial(r, _EXP_SINGLE, _EXP_DOUBLE) * low_bits_as_exponent(shifted)
    return select(x < by_dtype(x, _EXP_LOWEST[0], _EXP_LOWEST[1]), 0.0, result)


@core
def tanh_core(x):
    """Hyperbolic tangent.

    With e = exp(-2 abs(x)) it is (1 - e) / (1 + e) = -f / (1 + f) for f = (e - 1) / 2. Here f comes straight
    from the polynomial without its constant term, so nothing cancels near 0 and one formula serves all x.
    """
    highest = by_dtype(x, _TANH_HIGHEST[0], _TANH_HIGHEST[1])
    a = absolute(x)
    a = select(a > highest, highest, a)
    magic = by_dtype(x, _MAGIC[0], _MAGIC[1])
    shifted = muladd(a, -2.0 * _PER_LN2, magic)
    n = shifted - magic
    h = muladd(n, by_dtype(x, -0.5 * _LN2_UPPER[0], -0.5 * _LN2_UPPER[1]), -a)
    h = muladd(n, by_dtype(x, -0.5 * _LN2_LOWER[0], -0.5 * _LN2_LOWER[1]), h)
    scale = low_bits_as_exponent(shifted)
    rest = muladd(h * h, polynomial(h, _HALF_SINGLE, _HALF_DOUBLE), h)
    f = muladd(scale, rest, muladd(scale, 0.5, -0.5))
    return copysign(f / (f + 1.0), x)


@core
def sigmoid_core(x):
    """1 / (1 + e**-x); 0 where that would be below the smallest normal number."""
    e = exp_core(-absolute(x))
    return select(x < 0.0, e, 1.0) / (e + 1.0)


@core
def log1p_core(t):
    """log(1 + t) for t >= 0.

    1 + t = 2**k * (1 + f), and f = t * 2**-k + (2**-k - 1) has one rounding, or none where k is 0: the rounded
    1 + t only chooses k. The scaling is done on exponents, which is right up to the largest number.
    """
    k = exponent((t + 1.0) * _SQRT2)
    scale = add_exponent(1.0, -k) - 1.0
    f = add_exponent(t, -k) + select(scale < -1.0, -1.0, scale)  # k = 128 (1024) makes scale -inf
    z = f / (f + 2.0)
    w = z * z
    half = 0.5 * f * f
    correction = muladd(w, polynomial(w, LOG_SINGLE, LOG_DOUBLE), half)
    small = muladd(z, correction, k * by_dtype(t, _LN2_LOWER[0], _LN2_LOWER[1]))
    result = muladd(k, by_dtype(t, _LN2_UPPER[0], _LN2_UPPER[1]), f - (half - small))
    return select(t < _INFINITY, result, t)
