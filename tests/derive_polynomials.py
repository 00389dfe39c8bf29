"""Regenerate every coefficient table of the kernels: ``python tests/derive_polynomials.py [NAME]``.

A Remez exchange on a fixed grid, in 50 digits. Coefficients are rounded to the type one by one, lowest power
first, and the higher ones are fitted again each time, so that they make up for the rounding.
"""

import sys

import numpy as np
from mpmath import mp, mpf

mp.dps = 50


def exp_rest(r):
    """Return (exp(r) - 1 - r) / r**2."""
    return mp.fsum(r**k / mp.factorial(k + 2) for k in range(30))


def atanh_rest(w):
    """Return (2 atanh(z) / z - 2) / z**2 at w = z**2."""
    z = mp.sqrt(w)
    return mpf(2) / 3 + 2 * w / 5 if w < 1e-20 else (2 * mp.atanh(z) / z - 2) / w


def tanh_rest(w):
    """Return (tanh(x) / x - 1) / x**2 at w = x**2."""
    x = mp.sqrt(w)
    return 2 * w / 15 - mpf(1) / 3 if w < 1e-20 else (mp.tanh(x) / x - 1) / w


def normal_tail(t):
    """Return (a + 2) * exp(a**2 / 2) * Phi(-a) at t = (a - 2) / (a + 2), Phi being the normal distribution."""
    a = 2 * (1 + t) / (1 - t)
    return (a + 2) * mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2)) / 2


# name: function, interval, weight that turns its error into a relative error of the result
EDGE = mp.log(2) / 2 * (1 + mpf(2) ** -10)  # the rounding of x / log(2) may land a little beyond the half
SLOPE = mp.sqrt(2) - 1
TARGETS = {
    "EXP": (exp_rest, -EDGE, EDGE, lambda r: r * r / mp.exp(r)),
    "TANH": (tanh_rest, mpf(0), mpf(0.625) ** 2, lambda w: mp.sqrt(w) * w / mp.tanh(mp.sqrt(w))),
    "LOG": (atanh_rest, mpf(0), (SLOPE / (2 + SLOPE)) ** 2 * (1 + mpf(2) ** -10), lambda w: w / 2),
    "TAIL": (normal_tail, mpf(-1), mpf(9) / 10, lambda t: 1 / normal_tail(t)),  # a from 0 to 38
}
DEGREES = {"EXP": (4, 9), "TANH": (4, 10), "LOG": (2, 6), "TAIL": (11, 27)}  # float32, float64


def minimax(values, weights, degree, grid):
    """Return the polynomial, lowest power first, whose largest weighted error on the grid is smallest."""
    count = degree + 2
    at = [round((1 - np.cos(np.pi * (k + 0.5) / count)) / 2 * (len(grid) - 1)) for k in range(count)]
    for _ in range(30):
        rows = [[weights[i] * grid[i] ** p for p in range(degree + 1)] + [mpf(-1) ** k] for k, i in enumerate(at)]
        solution = list(mp.lu_solve(mp.matrix(rows), mp.matrix([weights[i] * values[i] for i in at])))
        error = [
            w * (v - mp.fsum(c * x**p for p, c in enumerate(solution[:-1])))
            for w, v, x in zip(weights, values, grid, strict=True)
        ]
        runs = np.flatnonzero(np.diff([e > 0 for e in error])) + 1
        peaks = [max(run, key=lambda i: abs(error[i])) for run in np.split(np.arange(len(grid)), runs)]
        while len(peaks) > count:
            least = min(range(len(peaks)), key=lambda k: abs(error[peaks[k]]))
            if len(peaks) - count == 1 and 0 < least < len(peaks) - 1:
                least = 0 if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else len(peaks) - 1
            inner = 0 < least < len(peaks) - 1  # then a neighbour goes too: signs must go on alternating
            after = inner and abs(error[peaks[least + 1]]) < abs(error[peaks[least - 1]])
            del peaks[least - (inner and not after) : least + 1 + after]
        if len(peaks) < count or peaks == at:
            break
        at = peaks
    return solution[:-1]


def table(name, dtype, points=800):
    """Coefficients rounded to ``dtype``, highest power first, and their largest weighted error."""
    function, low, high, weight = TARGETS[name]
    grid = [low + (high - low) * (1 - mp.cos(mp.pi * (k + mpf(1) / 2) / points)) / 2 for k in range(points)]
    weights, values = [weight(x) for x in grid], [function(x) for x in grid]
    found = []
    for degree in range(DEGREES[name][dtype is np.float64], -1, -1):
        found.append(dtype(minimax(values, weights, degree, grid)[0]))
        values = [(v - mpf(float(found[-1]))) / x for v, x in zip(values, grid, strict=True)]
        weights = [w * abs(x) for w, x in zip(weights, grid, strict=True)]
    return found[::-1], max(abs(w * v) for w, v in zip(weights, values, strict=True))


if __name__ == "__main__":
    names = sys.argv[1:] or TARGETS
    for name, dtype in ((name, dtype) for name in names for dtype in (np.float32, np.float64)):
        coefficients, error = table(name, dtype)
        print(f"{name} {dtype.__name__}: error 2**{float(mp.log(error, 2)):.2f}")
        print("    " + ", ".join(map(str, coefficients)))
