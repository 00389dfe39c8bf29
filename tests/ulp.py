"""How far compiled functions are from exact: errors in ULP, sweeps over float32 bit patterns, mpmath.

One ULP of an exact value y is 2**(max(exponent(y), -126) - 23) in float32, 2**(max(exponent(y), -1022) - 52) in
float64. Sweeps compare with NumPy's float64 functions, which are off by 2**-28 of a float32 ULP; the worst points
are then measured again with mpmath.
"""

from dataclasses import dataclass, field

import numpy as np
from mpmath import mp, mpf

mp.dps = 50
BLOCK = 1 << 16
_LOWEST = {np.dtype(np.float32): (-126, 23), np.dtype(np.float64): (-1022, 52)}


def ulp_error(got, exact):
    """Return the errors of a float32 array in ULP of the float64 values; inf where only one is NaN or infinite."""
    got = got.astype(np.float64)
    with np.errstate(invalid="ignore"):
        exponents = np.frexp(np.where(np.isfinite(exact), exact, 1.0))[1] - 1
        error = np.abs(got - exact) * np.exp2(23.0 - np.maximum(exponents, -126))
    same = (got == exact) | (np.isnan(got) & np.isnan(exact))
    return np.where(same, 0.0, np.where(np.isfinite(error), error, np.inf))


def ulp_error_exact(got, exact, dtype=None):
    """Return the error of one NumPy scalar in ULP of an mpmath number."""
    lowest, mantissa = _LOWEST[np.dtype(dtype or type(got))]
    if not np.isfinite(got):
        return 0.0 if mpf(float(got)) == exact else float("inf")
    exponent = lowest if exact == 0 else max(int(mp.floor(mp.log(abs(exact), 2))), lowest)
    return float(abs(mpf(float(got)) - exact) * mpf(2) ** (mantissa - exponent))


def pattern(value):
    """Return the bits of a float32 as a Python int."""
    return int(np.float32(value).view(np.uint32))


def floats(patterns):
    """Return the float32 values with these bits."""
    return np.asarray(patterns, np.uint32).view(np.float32)


def neighbours(values, count=64):
    """Return the float32 values around each of ``values``, ``count`` on either side, of both signs."""
    steps = np.arange(-count, count + 1)
    bits = np.concatenate([pattern(abs(v)) + steps for v in values])
    bits = bits[(bits >= 0) & (bits <= 0x7F800000)].astype(np.uint32)
    return floats(np.concatenate([bits, bits | np.uint32(0x80000000)]))


@dataclass
class Worst:
    """Largest error so far, and the points where blocks had theirs."""

    error: float = 0.0
    count: int = 0
    points: list = field(default_factory=list)

    def add(self, x, errors):
        at = int(np.argmax(errors))
        self.error, self.count = max(self.error, float(errors[at])), self.count + len(x)
        self.points = sorted([*self.points, (float(errors[at]), float(x[at]))], reverse=True)[:10]

    def exactly(self, run, function):
        """Return the largest error at the worst points as mpmath sees it."""
        x = np.array([p[1] for p in self.points], np.float32)
        return max(ulp_error_exact(y, function(mpf(float(v)))) for v, y in zip(x, run(x), strict=True))


def sweep(run, reference, ranges, stride=1, check=None):
    """Compare ``run(x)`` with ``reference(x)`` (float64 to float64) over ranges of float32 bit patterns.

    ``check(x, y)`` sees each block too, in the order of the patterns.
    """
    worst = Worst()
    for start, stop in ranges:
        for first in range(start, stop, BLOCK * stride):
            x = floats(np.arange(first, min(stop, first + BLOCK * stride), stride, dtype=np.uint32))
            y = run(x)
            with np.errstate(all="ignore"):
                worst.add(x, ulp_error(y, reference(x.astype(np.float64))))
            if check is not None:
                check(x, y)
    return worst
