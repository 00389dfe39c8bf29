"""Views against the arrays they are made of; tuples of views, also inside each other."""

import re
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from fastnet._jit import OPTIONS
from fastnet.simd import pointer
from fastnet.views import class_of, views

driver = numba.njit(**OPTIONS)


class Inner(NamedTuple):
    values: Any
    flag: bool


class Outer(NamedTuple):
    first: Any
    inner: Inner
    factor: float


@driver
def elements(line, matrix, cube):
    a, b, c = views(line), views(matrix), views(cube)
    b[1, 2] = 70.0
    a[0] += 5
    return a[3], b[1, 2], c[1, 0, 2], pointer(b, 4)[0]


def test_elements_are_read_and_written():
    line, matrix, cube = np.arange(4), np.arange(6.0).reshape(2, 3), np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    assert elements(line, matrix, cube) == (3, 70.0, cube[1, 0, 2], 4.0)
    np.testing.assert_array_equal(matrix, [[0, 1, 2], [3, 4, 70]])
    np.testing.assert_array_equal(line, [5, 1, 2, 3])


@driver
def attributes(matrix):
    v = views(matrix)
    return len(v), v.shape, v.size, v.itemsize, v.address


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32, np.float64])
def test_attributes(dtype):
    matrix = np.zeros((3, 5), dtype)
    assert attributes(matrix) == (3, (3, 5), 15, matrix.itemsize, matrix.ctypes.data)


@driver
def as_dtype(array, value):
    return views(array).dtype.type(value)


def test_the_dtype_converts():
    assert as_dtype(np.zeros(1, np.float32), 0.1) == np.float32(0.1)


@driver
def change(outer):
    state = views(outer)
    state.inner.values[1, 0] = state.first[2] * state.factor
    return state.inner.flag, len(state.first)


def test_tuples_inside_each_other():
    values = np.zeros((2, 2))
    assert change(Outer(np.arange(3), Inner(values, True), 2.5)) == (True, 3)
    np.testing.assert_array_equal(values, [[0, 0], [5, 0]])


def test_only_contiguous_arrays_have_views():
    with pytest.raises(numba.TypingError):
        attributes(np.zeros((4, 4))[:, ::2])
    with pytest.raises(numba.TypingError):
        change(Outer(np.arange(6)[::2], Inner(np.zeros((2, 2)), True), 1.0))


def test_an_unknown_field_is_refused():
    @driver
    def unknown(outer):
        return views(outer).nothing

    with pytest.raises(numba.TypingError, match="nothing"):
        unknown(Outer(np.arange(3), Inner(np.zeros((2, 2)), True), 1.0))


def test_the_class_of_a_type():
    outer = Outer(np.arange(3), Inner(np.zeros((2, 2)), True), 1.0)
    assert class_of(numba.typeof(outer)) is Outer
    assert class_of(numba.typeof(1.0)) is None


@driver
def weighted(outer):
    state, total = views(outer), 0.0
    for i in range(state.first.size):
        total += state.factor * state.first[i]
    return total


def root(lines, name):
    """Instruction at the end of a chain of offsets that an address comes from."""
    line = lines[name]
    inner = re.match(r"getelementptr .*?ptr (%[\w.]+)", line)
    return root(lines, inner[1]) if inner else line


def test_fields_are_not_read_before_they_are_written():
    """LLVM may read what never changes as soon as it knows the address, so a state's is none that it can know."""
    outer = Outer(np.arange(3.0), Inner(np.arange(2), True), 2.0)
    assert weighted(outer) == 6
    (text,) = weighted.inspect_llvm().values()
    lines = dict(re.findall(r"^ +(%[\w.]+) = (.*)$", text, re.MULTILINE))
    fields = [line for line in lines.values() if "!invariant.load" in line]
    assert fields
    for line in fields:
        assert root(lines, re.match(r"load .*?, ptr (%[\w.]+)", line)[1]).startswith("load ptr")
