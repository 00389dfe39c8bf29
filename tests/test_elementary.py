"""exp, tanh, sigmoid and log1p: errors in ULP, exact cases, shape of the curves, the same on every CPU."""

import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import derive_polynomials as derive
import numpy as np
import pytest
import ulp
from llvmlite.binding import get_host_cpu_features
from mpmath import mp, mpf
from numba.core.caching import NullCache

from fastnet._jit import entry
from fastnet.kernels import elementary
from fastnet.kernels.elementary import exp_core, log1p_core, sigmoid_core, tanh_core
from fastnet.simd import lanes, load_first, pointer, store_first

STRIDE, COARSE = 251, 2003  # of float32 patterns, on this CPU and for others; odd: the worst log1p has odd bits
SMALLEST = 2.0**-126
INF, NAN = np.inf, np.nan

# -- drivers -------------------------------------------------------------------------------------------


def driver(function):
    """Make an entry that isn't kept in the cache: Numba can't show the code of what comes from there."""
    compiled = entry(function)
    compiled._cache = NullCache()
    return compiled


@driver
def run_exp(x, y):
    p, q = pointer(x, 0), pointer(y, 0)
    for i in range(0, x.size, lanes(p)):
        store_first(q, i, exp_core(load_first(p, i, x.size - i, 0.0)), x.size - i)


@driver
def run_tanh(x, y):
    p, q = pointer(x, 0), pointer(y, 0)
    for i in range(0, x.size, lanes(p)):
        store_first(q, i, tanh_core(load_first(p, i, x.size - i, 0.0)), x.size - i)


@driver
def run_sigmoid(x, y):
    p, q = pointer(x, 0), pointer(y, 0)
    for i in range(0, x.size, lanes(p)):
        store_first(q, i, sigmoid_core(load_first(p, i, x.size - i, 0.0)), x.size - i)


@driver
def run_log1p(x, y):
    p, q = pointer(x, 0), pointer(y, 0)
    for i in range(0, x.size, lanes(p)):
        store_first(q, i, log1p_core(load_first(p, i, x.size - i, 0.0)), x.size - i)


@driver
def run_numba_exp(x, y):
    """Use a function that calls the C library, to see that the test below finds the call."""
    for i in range(x.size):
        y[i] = math.exp(x[i])


DRIVERS = {"exp": run_exp, "tanh": run_tanh, "sigmoid": run_sigmoid, "log1p": run_log1p}


def results(name, x):
    y = np.empty_like(x)
    DRIVERS[name](x, y)
    return y


# -- what is expected ----------------------------------------------------------------------------------


def flushed(values):
    """Results below the smallest normal float32 are 0."""
    return np.where(values < SMALLEST, 0.0, values)


def sigmoid_reference(x):
    e = np.exp(-np.abs(x))
    return flushed(np.where(x < 0, e, 1.0) / (1.0 + e))


def sigmoid_exact(x):
    return 1 / (1 + mp.exp(-x)) if x >= 0 else mp.exp(x) / (1 + mp.exp(x))


def rising(y):
    """Say whether values in order of their arguments never fall by more than 1 ULP."""
    return bool(np.all(y[1:] >= np.nextafter(y[:-1], y.dtype.type(-INF))))


def check_exp(x, y):
    assert np.all((y == 0) | (y >= SMALLEST))
    assert np.all(y <= 1)
    assert rising(-y)  # patterns of negative numbers fall


def check_tanh(x, y):
    assert np.all(np.abs(y) <= 1)
    assert rising(np.abs(y))
    np.testing.assert_array_equal(results("tanh", -x).view(np.uint32), (-y).view(np.uint32))
    same = np.abs(x) <= 2.0**-12.5
    np.testing.assert_array_equal(y[same].view(np.uint32), x[same].view(np.uint32))


def check_sigmoid(x, y):
    assert np.all((y == 0) | (y >= SMALLEST))
    assert np.all(y <= 1)
    assert rising(np.copysign(y, x))


def check_log1p(x, y):
    assert np.all(y >= 0)
    assert rising(y)
    same = x <= 2.0**-25
    np.testing.assert_array_equal(y[same].view(np.uint32), x[same].view(np.uint32))


POSITIVE, NEGATIVE = (0, 0x7F800001), (0x80000000, 0xFF800001)  # bits, from 0 to infinity


@dataclass
class Case:
    """A function, its float64 and mpmath references, domain, bounds in ULP and special values."""

    reference: object
    exact: object
    ranges: list
    check: object
    bounds: tuple  # float32, float64
    breaks: list  # where the function changes its ways
    specials: list  # argument and result

    def float32_points(self, stride):
        """Float32 values of the domain: every ``stride``-th, and all near the breaks."""
        x = [ulp.floats(np.arange(*r, stride, dtype=np.uint32)) for r in self.ranges]
        near = ulp.neighbours(self.breaks)
        return np.concatenate([*x, near[self.inside(near)]])

    def inside(self, x):
        positive, negative = POSITIVE in self.ranges, NEGATIVE in self.ranges
        return ~np.signbit(x) & positive | np.signbit(x) & negative

    def float64_points(self, count=5000):
        """Random float64 values of the domain, in linear and in logarithmic measure, and those near the breaks."""
        random = np.random.default_rng(1)
        limit = 1e300 if NEGATIVE not in self.ranges else 708.39
        x = np.concatenate([10 ** random.uniform(-18, np.log10(limit), count), random.uniform(0, 3, count // 2)])
        near = np.concatenate([b * (1 + np.arange(-8, 9) * 2.0**-52) for b in np.abs(self.breaks)])
        x = np.concatenate([x, near, 2.0 ** np.arange(-60, 9), [5e-324, 1e-310, 2.0**-1022]])
        x = np.concatenate([x, -x])
        return x[self.inside(x) & (np.abs(x) <= limit)]


HALVES = [(k + 0.5) * np.log(2) for k in (0, 1, 2, 3, 7, 15, 62, 124, 125)]  # where the rounding to n jumps
CASES = {
    "exp": Case(
        lambda x: flushed(np.exp(x)), mp.exp, [NEGATIVE], check_exp, (1.0, 2.0),
        [2.0**-25, 87.33654, 88.0, 88.72, 103.97, 708.396, *HALVES],
[(0.0, 1.0), (-0.0, 1.0), (-INF, 0.0), (-88.0, 0.0), (-3e38, 0.0), (-1e-45, 1.0), (-1e-30, 1.0)],
    ),
    "tanh": Case(
        np.tanh, mp.tanh, [POSITIVE, NEGATIVE], check_tanh, (1.5, 4.0),
        [2.0**-12, 0.625, 9.01, 10.0, 19.06, 20.0, *(h / 2 for h in HALVES)],
[(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (3e38, 1.0), (-20.0, -1.0), (1e-45, 1e-45), (-1e-30, -1e-30)],
    ),
    "sigmoid": Case(
        sigmoid_reference, sigmoid_exact, [POSITIVE, NEGATIVE], check_sigmoid, (2.0, 4.0),
        [2.0**-25, 16.6, 17.33, 36.7, 87.33654, 88.0, 103.97, *HALVES],
[(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0), (3e38, 1.0), (-3e38, 0.0), (1e-45, 0.5)],
    ),
    "log1p": Case(
        np.log1p, mp.log1p, [POSITIVE], check_log1p, (1.5, 4.0),
        [2.0**-24, 2.0**24, 3e38, *(m * 2.0**k - 1 for m in (1.0, 2**0.5) for k in (0, 1, 2, 5, 23, 24, 25, 60, 126))],
[(0.0, 0.0), (INF, INF), (1e-45, 1e-45), (1e-30, 1e-30), (3.4028235e38, 88.72284)],
    ),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", CASES)


def assert_float32_bound(name, x, y):
    case = CASES[name]
    with np.errstate(all="ignore"):
        errors = ulp.ulp_error(y, case.reference(x.astype(np.float64)))
    at = np.argmax(errors)
    assert errors[at] <= case.bounds[0], f"{name}({x[at]!r}) = {y[at]!r} is off by {errors[at]:.4f} ULP"


@cache
def exact_float64(name):
    return [CASES[name].exact(mpf(float(v))) for v in CASES[name].float64_points()]


def worst_float64(name, y):
    """Return the largest error and where it is."""
    errors = [ulp.ulp_error_exact(v, e) for v, e in zip(y, exact_float64(name), strict=True)]
    at = int(np.argmax(errors))
    return errors[at], CASES[name].float64_points()[at]


# -- the instruments -----------------------------------------------------------------------------------


def test_errors_are_measured_in_ulp():
    one = np.array([1.0, 1.0, 2.0**-126, 0.0], np.float32)
    exact = np.array([1 + 2.0**-23, 1 - 2.0**-24, 2.0**-126 + 2.0**-149, 2.0**-150])
    np.testing.assert_array_equal(ulp.ulp_error(one, exact), [1.0, 1.0, 1.0, 0.5])
    for got, value, error in zip(one, exact, [1.0, 1.0, 1.0, 0.5], strict=True):
        assert ulp.ulp_error_exact(got, mpf(value)) == error
    assert ulp.ulp_error_exact(np.float64(1.0), 1 + mpf(2) ** -53) == 0.5


def test_wrong_kinds_of_values_are_infinitely_wrong():
    got = np.array([NAN, 1.0, INF, INF, NAN], np.float32)
    exact = np.array([1.0, NAN, 1.0, INF, NAN])
    np.testing.assert_array_equal(ulp.ulp_error(got, exact), [INF, INF, INF, 0.0, 0.0])


def test_a_sweep_finds_the_one_wrong_value():
    wrong = ulp.pattern(0.7)

    def run(x):
        y = np.tanh(x.astype(np.float64)).astype(np.float32)
        return np.where(x.view(np.uint32) == wrong, np.nextafter(y, np.float32(1)), y)

    worst = ulp.sweep(run, np.tanh, [(wrong - 100_000, wrong + 100_000)])
    assert worst.count == 200_000
    assert 0.5 < worst.error <= 1.5
    assert worst.points[0][1] == np.float32(0.7)
    assert worst.exactly(run, mp.tanh) == pytest.approx(worst.error, abs=1e-6)


def test_a_fall_by_two_ulp_is_seen():
    y = np.array([1.0, 1.0 - 2.0**-24], np.float32)
    assert rising(y)
    assert not rising(np.nextafter(y, np.float32([2, 0])))


# -- tables --------------------------------------------------------------------------------------------

TABLES = {  # name: the exponents of the error bounds that elementary.py states
    "EXP": (-28.2, -57.9), "TANH": (-27.7, -56.4), "LOG": (-30.1, -59.4)
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_polynomials_are_as_close_as_stated(name, dtype):
    double = dtype is np.float64
    table = getattr(elementary, f"{name}_{'DOUBLE' if double else 'SINGLE'}")
    coefficients = [mpf(float(dtype(c))) for c in table]
    assert [str(dtype(c)) for c in table] == [str(c) for c in table]
    function, low, high, weight = derive.TARGETS[name]
    grid = [low + (high - low) * (k + mpf(1) / 2) / 500 for k in range(500)]
    error = max(
        abs(weight(x) * (function(x) - mp.fsum(c * x**p for p, c in enumerate(coefficients[::-1])))) for x in grid
    )
    assert mp.log(error, 2) <= TABLES[name][double]
    assert mp.log(error, 2) > TABLES[name][double] - 0.3  # the statement is not too modest either


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_polynomials_can_be_derived_again(name, dtype):
    table = getattr(elementary, f"{name}_{'DOUBLE' if dtype is np.float64 else 'SINGLE'}")
    assert [str(c) for c in derive.table(name, dtype)[0]] == [str(c) for c in table]


# -- accuracy and exact cases on this CPU --------------------------------------------------------------


def sweep(name, stride):
    case = CASES[name]
    worst = ulp.sweep(lambda x: results(name, x), case.reference, case.ranges, stride, case.check)
    error = worst.exactly(lambda x: results(name, x), case.exact)
    print(f"{name}: {worst.count} float32 values, {worst.error:.4f} ULP, worst {worst.points[0]}, mpmath {error:.4f}")
    assert worst.error <= case.bounds[0]
    assert error == pytest.approx(worst.error, abs=1e-4)


@EVERY
def test_float32_is_within_its_bound(name):
    sweep(name, STRIDE)
    near = ulp.neighbours(CASES[name].breaks)
    near = near[CASES[name].inside(near)]
    assert_float32_bound(name, near, results(name, near))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@EVERY
def test_every_float32_is_within_its_bound(name):
    sweep(name, 1)
    for start in (0x7F800001, 0xFF800001):
        assert all(np.isnan(results(name, nans)).all() for nans in nan_blocks(start, 1))


def nan_blocks(start, stride):
    for first in range(start, start + 0x7FFFFF, ulp.BLOCK * stride):
        yield ulp.floats(np.arange(first, min(first + ulp.BLOCK * stride, start + 0x7FFFFF), stride, dtype=np.uint32))


@EVERY
def test_nan_stays_nan(name):
    for start in (0x7F800001, 0xFF800001):
        assert all(np.isnan(results(name, nans)).all() for nans in nan_blocks(start, 61))
    assert np.isnan(results(name, np.array([NAN, -NAN]))).all()


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values_are_exact(name, dtype):
    only_single = (-88.0, 3.4028235e38) if dtype is np.float64 else ()
    pairs = np.array([pair for pair in CASES[name].specials if pair[0] not in only_single], np.float32)
    x, expected = pairs.astype(dtype).T.copy()
    bits = f"u{x.itemsize}"
    np.testing.assert_array_equal(results(name, x).view(bits), expected.view(bits))


@EVERY
def test_float64_is_within_its_bound(name):
    x = CASES[name].float64_points()
    error, at = worst_float64(name, results(name, x))
    print(f"{name}: {len(x)} float64 values, {error:.4f} ULP at {at!r}")
    assert error <= CASES[name].bounds[1]


def test_float64_exp_underflows_to_zero_and_never_to_a_subnormal():
    lowest = -1022 * np.log(2)
    x = np.concatenate([lowest + np.arange(-200, 200) * 2.0**-43, [-709.0, -745.2, -1e6, -1e308]])
    y = results("exp", x)
    exact = np.array([mp.exp(mpf(float(v))) >= mpf(2) ** -1022 for v in x])
    np.testing.assert_array_equal(y >= 2.0**-1022, exact)
    np.testing.assert_array_equal(y == 0, ~exact)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tanh_in_float64_too_is_odd_and_at_most_one(dtype):
    x = CASES["tanh"].float64_points().astype(dtype)
    y = results("tanh", x)
    np.testing.assert_array_equal(results("tanh", -x), -y)
    assert np.abs(y).max() == 1
    assert rising(y[np.argsort(x)])


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tails_have_the_bits_of_whole_vectors(name, dtype):
    x = -np.linspace(0, 5, 33).astype(dtype) if name == "exp" else np.linspace(0, 5, 33).astype(dtype)
    whole = results(name, np.repeat(x, 64))[::64]
    for count in range(1, 34):
        y = np.full(40, -7, dtype)
        DRIVERS[name](x[:count], y)
        np.testing.assert_array_equal(y[:count], whole[:count])
        np.testing.assert_array_equal(y[count:], -7)


# -- other CPUs and vector widths ----------------------------------------------------------------------

LEVELS = {
    "nehalem": {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": ""},  # 16 bytes, no fused multiply-add
    "haswell": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
    **{f"width {width}": {"FASTNET_VECTOR_BYTES": str(width)} for width in (16, 32, 64)},
}


def calls(compiled):
    """Return the instructions with which a compiled function leaves its own code."""
    found = []
    for assembly in compiled.inspect_asm().values():
        functions = re.split(r"^(?=\w+:)", assembly, flags=re.MULTILINE)
        bodies = [f.split(".Lfunc_end")[0] for f in functions if re.match(r"_ZN(?!7cpython|6cfunc)\w+:", f)]
        assert any("\tret" in body for body in bodies)
        found += re.findall(r"\t(?:call.*|jmp\w*\s+[^.].*)", "".join(bodies))
    return found


def answer(folder):
    """Compute in this process what another asks for: results for the arrays in a file, calls in the code."""
    with np.load(folder / "questions.npz") as questions:
        answers = {key: results(key.split()[0], questions[key]) for key in questions.files}
    listed = {f"calls {name}": np.array(calls(DRIVERS[name]), str) for name in CASES}
    np.savez(folder / "answers.npz", **answers, **listed)


@cache
def questions():
    return {
        **{f"{name} 32": case.float32_points(COARSE) for name, case in CASES.items()},
        **{f"{name} 64": case.float64_points() for name, case in CASES.items()},
    }


@cache
def answers(level):
    """Results and calls of a process that compiles for another CPU."""
    if level == "haswell" and not {"avx2", "fma"} <= {f for f, has in get_host_cpu_features().items() if has}:
        pytest.skip("this CPU can't run code for haswell")
    with TemporaryDirectory() as folder:
        np.savez(Path(folder) / "questions.npz", **questions())
        command = [sys.executable, __file__, folder]
        subprocess.run(command, env={**os.environ, **LEVELS[level]}, check=True, timeout=200)
        with np.load(Path(folder) / "answers.npz") as found:
            return dict(found)


@EVERY
@pytest.mark.parametrize(
    "level", [pytest.param(level, marks=() if level == "nehalem" else pytest.mark.slow) for level in LEVELS]
)
def test_bounds_hold_on_other_cpus(level, name):
    found = answers(level)
    assert_float32_bound(name, questions()[f"{name} 32"], found[f"{name} 32"])
    error, at = worst_float64(name, found[f"{name} 64"])
    assert error <= CASES[name].bounds[1], at


@EVERY
@pytest.mark.parametrize("level", [level for level in LEVELS if level.startswith("width")])
def test_every_vector_width_gives_the_same_bits(level, name):
    for key in (f"{name} 32", f"{name} 64"):
        np.testing.assert_array_equal(answers(level)[key], results(name, questions()[key]))


@EVERY
@pytest.mark.parametrize("level", ["host", *LEVELS])
def test_compiled_code_calls_nothing(level, name):
    if level == "host":
        results(name, np.zeros(1, np.float32)), results(name, np.zeros(1))
        assert calls(DRIVERS[name]) == []
    else:
        assert answers(level)[f"calls {name}"].tolist() == []


def test_a_call_is_found():
    run_numba_exp(np.zeros(3), np.zeros(3))
    assert calls(run_numba_exp)


if __name__ == "__main__":
    answer(Path(sys.argv[1]))
