"""Words of simd.py that work on tiles, bits and pieces of memory, against NumPy."""

import numpy as np
import pytest
from buffers import DTYPES, Guarded, assert_close, same_bits, unit, wider

from fastnet._jit import entry
from fastnet.layout import lanes, short_lanes
from fastnet.simd import (
    copy_lanes,
    load_as,
    load_repeated,
    pointer,
    quad,
    shift,
    single_bit,
    store,
    transpose_bits,
)
from fastnet.simd import lanes as lanes_of
from fastnet.simd import load as load_vector
from fastnet.tiles import (
    tile_dot,
    tile_load,
    tile_muladd_shorts,
    tile_muladd_vector,
    tile_row_sums,
    tile_short_totals,
    tile_store,
    tile_zeros,
)

SOURCES = [np.uint8, np.uint16, np.int32, np.float32, np.float64]


@pytest.fixture
def rng():
    return np.random.default_rng(21)


def gamma(k, dtype):
    return k * unit(dtype) / (1 - k * unit(dtype))


def guarded(values, dtype):
    room = Guarded(values.shape, dtype)
    room.array[:] = values
    return room


# -- drivers (kept in the cache folder, which knows them by their lines: clear it after a change) -------


@entry
def run_quad(source, at, out):
    to = pointer(out, 0)
    store(to, 0, load_as(pointer(source, 0), at, quad(to)))
    return lanes_of(quad(to))


@entry
def run_copy(source, at, out, to, like):
    copy_lanes(shift(pointer(out, 0), to), shift(pointer(source, 0), at), pointer(like, 0))


@entry
def run_single_bit(position):
    return single_bit(position)


@entry
def run_muladd_vector(start, step, vector, by, by_step, out):
    to = pointer(out, 0)
    tile = tile_load(tile_zeros(to, 3, 2), pointer(start, 0), step)
    tile_store(tile_muladd_vector(tile, load_vector(pointer(vector, 0), 0), pointer(by, 0), by_step), to, step)


@entry
def run_muladd_shorts(start, factors, vector, out):
    to = pointer(out, 0)
    tile = tile_load(tile_zeros(to, 5, 1), pointer(start, 0), lanes_of(to))
    vector = load_vector(pointer(vector, 0), 0)
    tile_store(tile_muladd_shorts(tile, pointer(factors, 0), vector), to, lanes_of(to))


@entry
def run_short_totals(start, n, sums):
    w, to = pointer(start, 0), pointer(sums, 0)
    if n == 3:
        tile_store(tile_short_totals(tile_load(tile_zeros(w, 3, 1), w, lanes_of(w))), to, 0)
    elif n == 5:
        tile_store(tile_short_totals(tile_load(tile_zeros(w, 5, 1), w, lanes_of(w))), to, 0)
    else:
        tile_store(tile_short_totals(tile_load(tile_zeros(w, 10, 1), w, lanes_of(w))), to, 0)


@entry
def run_load_repeated(source, first, out):
    to = pointer(out, 0)
    store(to, 0, load_repeated(pointer(source, 0), first, to))


@entry
def run_transpose_bits(start, to):
    transpose_bits(pointer(start, 0), pointer(to, 0))


@entry
def run_dot(start, factors, rows, step, out):
    to = pointer(out, 0)
    tile = tile_load(tile_zeros(to, 4, 3), pointer(rows, 0), step)
    tile_store(tile_dot(tile_load(tile_zeros(to, 1, 3), pointer(start, 0), 0), pointer(factors, 0), tile), to, 0)


@entry
def run_row_sums(rows, n, out):
    left, to = pointer(rows, 0), pointer(out, 0)
    if n == 1:
        tile_row_sums(tile_load(tile_zeros(left, 1, 1), left, lanes_of(left)), to)
    elif n == 6:
        tile_row_sums(tile_load(tile_zeros(left, 6, 1), left, lanes_of(left)), to)
    elif n == 8:
        tile_row_sums(tile_load(tile_zeros(left, 8, 1), left, lanes_of(left)), to)
    elif n == 10:
        tile_row_sums(tile_load(tile_zeros(left, 10, 1), left, lanes_of(left)), to)
    else:
        tile_row_sums(tile_load(tile_zeros(left, 35, 1), left, lanes_of(left)), to)


# -- memory and bits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_quad_has_four_lanes_on_any_cpu(dtype, rng):
    for source in (np.uint8, dtype):
        values, out = rng.integers(0, 256, 11).astype(source), Guarded(4, dtype)
        assert run_quad(values, 3, out.flat) == 4
        assert same_bits(out.array.copy(), values[3:7].astype(dtype))
        out.assert_untouched_around()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_as_many_elements_are_copied_as_a_vector_has_lanes(dtype, source, rng):
    n, like = lanes(dtype), np.empty(0, dtype)
    values, out = rng.integers(0, 200, 3 * n).astype(source), np.full(5 * n, 7, source)
    for at, to in ((0, 0), (1, n), (n + 3 if n > 3 else n, 3 * n + 1)):
        expected = out.copy()
        expected[to : to + n] = values[at : at + n]
        run_copy(values, at, out, to, like)
        assert same_bits(out, expected)


def test_single_bits():
    for position in range(64):
        assert int(run_single_bit(position)) == 1 << position


# -- tiles ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tile_muladd_vector(dtype, rng):
    """Lane by lane; rows may lie further apart than they are long."""
    width = 2 * lanes(dtype)
    for step, by_step in ((width, width), (width + 3, width + 5), (width, 0)):
        start = rng.standard_normal((3, step)).astype(dtype)
        by, vector = rng.standard_normal((3, max(width, by_step))).astype(dtype), np.empty(lanes(dtype), dtype)
        vector[:] = rng.standard_normal(vector.size)
        out = Guarded((3, step), dtype)
        run_muladd_vector(start.ravel(), step, vector, by.ravel(), by_step, out.flat)
        used = (by if by_step else by[:1])[:, :width].astype(wider(dtype))
        product, left = used * np.tile(vector, 2), start[:, :width].astype(wider(dtype))
        assert_close(out.array[:, :width], left + product, gamma(2, dtype) * (np.abs(left) + np.abs(product)))
        assert np.isnan(out.array[:, width:]).all()
        out.assert_untouched_around()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tile_muladd_shorts(dtype, rng):
    start, out = rng.standard_normal((5, lanes(dtype))).astype(dtype), Guarded((5, lanes(dtype)), dtype)
    n = 5 * lanes(dtype) // short_lanes(dtype)
    factors = np.full(-(-n // lanes(dtype)) * lanes(dtype), np.nan, dtype)
    factors[:n], vector = rng.standard_normal(n), rng.standard_normal(lanes(dtype)).astype(dtype)
    run_muladd_shorts(start.ravel(), factors, vector, out.flat)
    product = np.repeat(factors[:n].astype(wider(dtype)), short_lanes(dtype)).reshape(5, -1) * vector
    assert_close(out.array, start + product, gamma(2, dtype) * (np.abs(start) + np.abs(product)))
    out.assert_untouched_around()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("rows", [3, 5, 10])
def test_short_totals(dtype, rows, rng):
    """One sum for each short vector, in order, and zeros behind the last."""
    n = rows * lanes(dtype) // short_lanes(dtype)
    start = rng.integers(-9, 9, (n, short_lanes(dtype))).astype(dtype)
    sums = Guarded(-(-n // lanes(dtype)) * lanes(dtype), dtype)
    run_short_totals(start.ravel(), rows, sums.flat)
    np.testing.assert_array_equal(sums.array[:n], start.sum(axis=1))
    assert not sums.array[n:].any()
    sums.assert_untouched_around()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", SOURCES, ids=lambda kind: kind.__name__)
def test_short_vectors_are_repeated(dtype, kind, rng):
    source, out = rng.integers(0, 200, 40).astype(kind), Guarded(lanes(dtype), dtype)
    for first in (0, 3):
        run_load_repeated(source, first, out.flat)
        short = source[first : first + short_lanes(dtype)].astype(dtype)
        np.testing.assert_array_equal(out.array, np.tile(short, lanes(dtype) // short_lanes(dtype)))
        out.assert_untouched_around()


def test_bits_are_transposed(rng):
    start, to = rng.integers(0, 2**64, 64, np.uint64), np.zeros(66, np.uint64)
    run_transpose_bits(start, to[1:-1])
    bits = np.unpackbits(start.view(np.uint8).reshape(64, 8), axis=1, bitorder="little")
    turned = np.packbits(bits.T, axis=1, bitorder="little").ravel().view(np.uint64)
    np.testing.assert_array_equal(to, [0, *turned, 0])
    run_transpose_bits(start, start)
    np.testing.assert_array_equal(start, turned)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tile_dot(dtype, rng):
    width = 3 * lanes(dtype)
    for step in (width, width + 5):
        start, factors = rng.standard_normal(width).astype(dtype), rng.standard_normal(4).astype(dtype)
        rows, out = rng.standard_normal((4, step)).astype(dtype), Guarded(width, dtype)
        run_dot(start, factors, rows.ravel(), step, out.flat)
        products = factors[:, np.newaxis].astype(wider(dtype)) * rows[:, :width]
        size = np.abs(products).sum(axis=0) + np.abs(start)
        assert_close(out.array, products.sum(axis=0) + start, gamma(5, dtype) * size)
        out.assert_untouched_around()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n", [1, 6, 8, 10, 35])
def test_tile_row_sums(dtype, n, rng):
    """One sum for each row, in order, and nothing behind the last; whole numbers show a wrong order of lanes."""
    out = Guarded(n, dtype)
    run_row_sums(
        (1000.0 * np.arange(n)[:, np.newaxis] + 2.0 ** np.arange(lanes(dtype))).astype(dtype).ravel(), n, out.flat
    )
    assert same_bits(out.array.copy(), (1000 * np.arange(n) * lanes(dtype) + 2 ** lanes(dtype) - 1).astype(dtype))
    out.assert_untouched_around()
    rows = rng.standard_normal((n, lanes(dtype))).astype(dtype)
    run_row_sums(rows.ravel(), n, out.flat)
    exact = rows.astype(wider(dtype))
    assert_close(out.array, exact.sum(axis=1), gamma(lanes(dtype), dtype) * np.abs(exact).sum(axis=1))
    out.assert_untouched_around()
