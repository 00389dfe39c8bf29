"""First layers on blocks of columns, narrow and wide, against NumPy in wider precision; who may write where."""

import ctypes
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from blocky import blocky
from buffers import DTYPES, Guarded, assert_close, gamma, same_bits, wider

from fastnet import block_rows as made
from fastnet import rows as user_rows
from fastnet._jit import entry
from fastnet.kernels import blocks, dense, narrow, narrow_samples, wide
from fastnet.layout import aligned_zeros, lanes, lanes_room, narrow_width, padded, row_step, short_lanes
from fastnet.simd import pointer, shift
from fastnet.views import views

BATCHES = [1, 33, 64, 65, 130]
N_INS = [32, 33, 37, 100]
SHAPES = [(n_in, count) for n_in in N_INS for count in (BATCHES if n_in == 37 else (1, 65, 130))]
NARROW = [1, 6, 7, 10]
WIDE = [11, 20, 24, 25, 60]  # panels of one, two and three vectors of any CPU
THREADS, THREAD = 3, 1  # the kernels run as the second of three threads

# Data as they are kept, and the network's dtype. Each kind is compiled by itself.
BYTES, FLOATS, DOUBLES = (np.dtype(np.uint8), DTYPES[0]), (DTYPES[0], DTYPES[0]), (DTYPES[1], DTYPES[1])
FLOATS = pytest.param(FLOATS, marks=pytest.mark.slow)
NARROW_DTYPES = [dtype for dtype in DTYPES if narrow_width(1, dtype)]
KINDS = [BYTES, FLOATS, DOUBLES]
NARROW_KINDS = KINDS[: len(NARROW_DTYPES) + 1]


class Work(NamedTuple):
    """As much of a fit's buffers as the kernels see."""

    tiles: Any


# -- drivers (kept in the cache folder, which knows them by their lines: clear it after a change) -------


@entry
def run_narrow_forward(rows, work, order, first, count, piece, w, z, step, thread, distance):
    rows, work = views(rows), views(work)
    weights, base, tiles = pointer(w, 0), pointer(work.tiles.base, piece * work.tiles.base.shape[1]), work.tiles
    narrow.narrow_add_base(pointer(rows.offset, 0), weights, tiles, rows.cuts[piece], rows.cuts[piece + 1], base)
    samples, to = narrow_samples.samples_of(work, thread, piece), pointer(z, 0)
    narrow.narrow_forward(rows, order, first, count, piece, weights, tiles, base, samples, to, step, distance)


@entry
def run_turn_bits(rows, work, piece, count, thread):
    rows, work = views(rows), views(work)
    narrow_samples.turn_bits(rows, piece, narrow_samples.samples_of(work, thread, piece), count)


@entry
def run_narrow_gradient(rows, work, count, piece, begin, end, dz, step, columns, dw, thread):
    rows, work = views(rows), views(work)
    totals, left = pointer(work.tiles.totals, thread * work.tiles.totals.shape[1]), pointer(dz, 0)
    blocks.column_sums(left, step, count, columns, totals)
    samples, to = narrow_samples.samples_of(work, thread, piece), pointer(dw, 0)
    narrow_samples.turn_bits(rows, piece, samples, count)
    narrow.narrow_gradient(rows, piece, samples, count, begin, end, work.tiles, left, step, totals, to)


@entry
def run_load_lists(rows, work, order, first, count, piece, step, thread, distance):
    rows, work = views(rows), views(work)
    blocks.load_lists(rows, order, first, count, piece, step, distance, blocks.lists_of(work, thread))


@entry
def run_wide_forward(rows, work, n_in, count, piece, w, width, base, z, column, step, thread):
    rows, work = views(rows), views(work)
    weights, start, begin, end = pointer(w, 0), pointer(base, 0), rows.cuts[piece], rows.cuts[piece + 1]
    wide.add_base(n_in, pointer(rows.offset, 0), weights, width, begin, end, start)
    lists, out = blocks.lists_of(work, thread), pointer(z, column)
    wide.wide_forward(n_in, weights, width, start, lists, begin, end, out, step, count, 0)


@entry
def run_wide_gradient(rows, work, n_in, count, begin, end, dz, column, step, columns, width, dw, thread):
    rows, work = views(rows), views(work)
    totals = pointer(work.tiles.totals, thread * work.tiles.totals.shape[1])
    blocks.column_sums(pointer(dz, 0), step, count, columns, totals)
    lists, left, to = blocks.lists_of(work, thread), pointer(dz, column), pointer(dw, 0)
    wide.wide_gradient(n_in, pointer(rows.offset, 0), lists, begin, end, width, left, shift(totals, column), to)


@entry
def run_wide_step(rows, work, w, count, begin, end, dz, column, step, columns, width, rate, decay, base, thread):
    rows, work = views(rows), views(work)
    totals = pointer(work.tiles.totals, thread * work.tiles.totals.shape[1])
    blocks.column_sums(pointer(dz, 0), step, count, columns, totals)
    lists, left, offset = blocks.lists_of(work, thread), pointer(dz, column), pointer(rows.offset, 0)
    weights, out, ahead = pointer(w, 0), pointer(base, 0), wide.BLOCKS_AHEAD
    wide.wide_step(offset, weights, lists, begin, end, width, left, shift(totals, column), rate, decay, out, ahead)


@entry
def run_column_sums(dz, step, count, columns, out):
    blocks.column_sums(pointer(dz, 0), step, count, columns, pointer(out, 0))


@entry
def run_permute(w, n_in, width, order, forth, room):
    blocks.permute_panel(pointer(w, 0), n_in, width, pointer(order, 0), forth, pointer(room, 0))


@entry
def run_lanes(w, n_in, columns, size, width, order, forth, room):
    if forth:
        blocks.to_lanes(pointer(w, 0), n_in, columns, size, width, pointer(order, 0), pointer(room, 0))
    else:
        blocks.from_lanes(pointer(w, 0), n_in, columns, size, width, pointer(order, 0), pointer(room, 0))


# -- problems ------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def any_fill(monkeypatch):
    """Take blocks however poorly filled they are."""
    monkeypatch.setattr(made, "MIN_FILL", 0.0)


@pytest.fixture(params=[2.0, 0.0] if narrow_samples.SHARING else [2.0])
def min_share(request, monkeypatch):
    """Keep no block of all rows, or some."""
    monkeypatch.setattr(made, "MIN_SHARE", request.param)
    return request.param


class Problem:
    """A matrix as blocks, a minibatch of it, and what the minibatch is in exact numbers."""

    def __init__(self, seed, kind, n_in, n_out, count, n_slices=1):
        rng = np.random.default_rng([seed, n_in, n_out, count])
        data, self.dtype = kind
        self.n_in, self.n_out, self.count, self.columns = n_in, n_out, count, padded(n_out, self.dtype)
        X = blocky(rng, 90, n_in, data)
        X[3:7] = 0  # without entries
        scale = (1 / 255 if data == np.uint8 else 1.0) * rng.uniform(0.5, 2.0, n_in).astype(self.dtype)
        mean = (X.mean(axis=0) * scale).astype(self.dtype)
        self.rows = made.block_rows(X, scale, mean, n_out, max(count, made.MIN_BATCH), n_slices)
        assert isinstance(self.rows, blocks.NarrowColumnBlocks) == (n_out <= 10 and narrow_width(1, self.dtype) > 0)
        self.size, self.cuts = self.rows.size, self.rows.cuts
        self.first = int(rng.integers(0, 5))
        self.order = rng.integers(0, len(X), count + 9).astype(np.uint32)  # many come more than once
        self.order[self.first] = 4
        exact = wider(self.dtype)
        self.samples = self.order[self.first : self.first + count]
        self.x = X[self.samples].astype(exact) * scale.astype(exact)
        self.offset = -mean.astype(exact)
        self.w = rng.standard_normal((n_in, n_out)).astype(self.dtype)
        self.dz = rng.standard_normal((count, n_out)).astype(self.dtype)
        self.step = row_step(max(n_out, narrow_width(n_out, self.dtype)), self.dtype)
        self.work = Work(self.garbage(made.block_work(self.rows, n_in, n_out, count, THREADS)))

    @staticmethod
    def garbage(tiles):
        """Fill what the kernels write for each thread with what nothing may be left of."""
        for name in {"masks", "bits", "counts", "numbers", "values"} & set(tiles._fields):
            getattr(tiles, name).reshape(-1)[:] = 77
        return tiles

    def pieces(self):
        """Number of each slice, and the inputs that it has."""
        for piece, (begin, end) in enumerate(pairwise(self.cuts)):
            yield piece, self.rows.order[begin * self.size : min(end * self.size, self.n_in)]

    def outputs(self, inputs):
        """Outputs of a slice and the sum of the absolute products."""
        w = self.w[inputs].astype(self.x.dtype)
        x, offset = self.x[:, inputs], self.offset[inputs]
        return (x + offset) @ w, (np.abs(x) + np.abs(offset)) @ np.abs(w)

    def gradients(self, inputs):
        """Gradients of the weights of some inputs, and the sums of the absolute products."""
        dz = self.dz.astype(self.x.dtype)
        x, offset = self.x[:, inputs], self.offset[inputs, np.newaxis]
        size = np.abs(x).T @ np.abs(dz) + np.abs(offset) * np.abs(dz).sum(axis=0)
        return (x + offset.T).T @ dz, size

    def forward_bound(self, size):
        """Base and products are each a sum over the blocks, and the lanes are added up; products are rounded twice."""
        return gamma(2 * int(self.cuts[-1]) * blocks.WIDE + lanes(self.dtype) + 4, self.dtype) * size

    def backward_bound(self, size):
        """A sum over the samples from the offset times the sum of the gradients."""
        return gamma(2 * self.count + 4, self.dtype) * size

    def padded_dz(self):
        """Gradients of the outputs with zeros beside them."""
        dz = np.zeros((self.count, self.step), self.dtype)
        dz[:, : self.n_out] = self.dz
        return dz

    def assert_others_untouched(self):
        for name in {"masks", "bits", "counts", "numbers", "values"} & set(self.work.tiles._fields):
            values = getattr(self.work.tiles, name)
            for thread in {0, 1, 2} - {THREAD}:
                assert (values[thread] == 77).all(), f"{name} of another thread were written"


# -- few units -----------------------------------------------------------------------------------------


def lane_weights(problem):
    """Weights as ``narrow.py`` wants them, by NumPy: (n_blocks, T, L)."""
    width, size, n_blocks = problem.work.tiles.width, problem.size, int(problem.cuts[-1])
    by_place = np.zeros((n_blocks * size, width), problem.dtype)
    by_place[: problem.n_in, : problem.n_out] = problem.w[problem.rows.order]
    return np.ascontiguousarray(by_place.reshape(n_blocks, size, width).transpose(0, 2, 1))


def narrow_outputs(problem, piece, distance=16):
    """Run ``narrow_add_base`` and ``narrow_forward``; check who was written to."""
    z, width = Guarded((problem.count, problem.step), problem.dtype), problem.work.tiles.width
    problem.work.tiles.base[piece] = 0
    w, tail = lane_weights(problem).ravel(), (z.flat, problem.step, THREAD, distance)
    run_narrow_forward(problem.rows, problem.work, problem.order, problem.first, problem.count, piece, w, *tail)
    z.assert_untouched_around()
    columns = padded(width, problem.dtype)
    assert np.isnan(z.array[:, columns:]).all(), "written between the rows"
    assert not z.array[:, problem.n_out : columns].any(), "units that there are not"
    problem.assert_others_untouched()
    return z.array[:, : problem.n_out].copy()


def assert_kept(problem, piece):
    """Bits say which samples have a block of the slice, and addresses where the values lie."""
    rows, tiles, count = problem.rows, problem.work.tiles, problem.count
    run_turn_bits(rows, problem.work, piece, count, THREAD)
    begin, end = int(rows.cuts[piece]) + rows.always, int(rows.cuts[piece + 1])
    masks = tiles.masks[THREAD, :, begin:end]
    for b, sample in enumerate(problem.samples):
        record = int(sample) * (len(rows.cuts) - 1) + piece
        (numbers, found), of_all = entries(rows, record), values_of_all(rows, record)
        bits = masks[b // 64] >> np.uint64(b % 64) & np.uint64(1)
        np.testing.assert_array_equal(np.flatnonzero(bits) + begin, numbers)
        for kept, values in ((tiles.listed, found), (tiles.always, of_all)):
            np.testing.assert_array_equal(at_address(kept[THREAD, piece, b], values), values)
    if count % 64:
        assert not (masks[count // 64] >> np.uint64(count % 64)).any(), "bits of samples that are not"


def at_address(address, like):
    """Array of the shape of another at an address."""
    raw = (ctypes.c_uint8 * like.nbytes).from_address(int(address))
    return np.frombuffer(raw, like.dtype).reshape(like.shape)


def entries(rows, record):
    """Numbers and values of a record."""
    begin, end = (int(n) for n in rows.starts[record : record + 2])
    one = 2 + rows.size * rows.like.itemsize
    raw = rows.records[(record + 1) * rows.head + begin * one :][: (end - begin) * one]
    values = np.frombuffer(raw[2 * (end - begin) :].tobytes(), rows.like.dtype)
    return raw[: 2 * (end - begin)].view(np.uint16), values.reshape(-1, rows.size)


def values_of_all(rows, record):
    """Values of the blocks that each row has."""
    start = int(rows.starts[record]) * (2 + rows.size * rows.like.itemsize) + record * rows.head
    raw = rows.records[start:][: rows.always * rows.size * rows.like.itemsize]
    return np.frombuffer(raw.tobytes(), rows.like.dtype).reshape(-1, rows.size)


def narrow_gradients(problem, piece, begin, end):
    """Run ``narrow_gradient`` for blocks of a slice; returns the gradients of the inputs by their place."""
    width, size = problem.work.tiles.width, problem.size
    dw, dz = Guarded((end - begin, width, size), problem.dtype), problem.padded_dz().ravel()
    tail = dz, problem.step, problem.columns, dw.flat, THREAD
    run_narrow_gradient(problem.rows, problem.work, problem.count, piece, begin, end, *tail)
    dw.assert_untouched_around()
    assert not dw.array[:, problem.n_out :].any(), "units that there are not"
    by_place = dw.array.transpose(0, 2, 1).reshape(-1, width)
    inside = min(end * size, problem.n_in) - begin * size
    assert not by_place[inside:].any(), "inputs that there are not"
    return by_place[:inside, : problem.n_out]


@pytest.mark.parametrize("kind", NARROW_KINDS, ids=str)
@pytest.mark.parametrize("n_out", NARROW)
def test_narrow_equals_numpy(kind, n_out, min_share):
    for n_in, count in SHAPES:
        problem = Problem(1, kind, n_in, n_out, count, n_slices=2 if n_in == 100 else 1)
        if min_share > 1 or n_in == 100:
            assert (problem.rows.always > 0) == (min_share < 1)
        for piece, inputs in problem.pieces():
            exact, size = problem.outputs(inputs)
            assert_close(narrow_outputs(problem, piece), exact, problem.forward_bound(size))
        for piece, _ in problem.pieces():
            assert_kept(problem, piece)
        for piece, (begin, end) in enumerate(pairwise(problem.cuts)):
            inputs = problem.rows.order[begin * problem.size : end * problem.size]
            exact, size = problem.gradients(inputs)
            found = narrow_gradients(problem, piece, begin, end)
            assert_close(found, exact, problem.backward_bound(size))
            parts = [narrow_gradients(problem, piece, *part) for part in pairwise((begin, begin + 1, begin + 4, end))]
            assert same_bits(np.concatenate(parts), found)


@pytest.mark.parametrize("kind", NARROW_KINDS, ids=str)
def test_narrow_base_is_the_offset_times_the_weights(kind):
    for n_out in NARROW:
        problem = Problem(2, kind, 37, n_out, 5)
        narrow_outputs(problem, 0)
        base = problem.work.tiles.base[0].reshape(problem.work.tiles.width, problem.size)
        w, offset = lane_weights(problem).astype(wider(problem.dtype)), problem.rows.offset.astype(wider(problem.dtype))
        products = w * offset.reshape(-1, 1, problem.size)
        assert_close(base, products.sum(axis=0), gamma(len(w) + 1, problem.dtype) * np.abs(products).sum(axis=0))


# -- many units ----------------------------------------------------------------------------------------


def panels(problem):
    """First column and width of each panel, and its weights in the order of the blocks, by NumPy."""
    full = dense.PANEL_VECTORS * lanes(problem.dtype)
    whole = np.zeros((problem.n_in, problem.columns), problem.dtype)
    whole[:, : problem.n_out] = problem.w[problem.rows.order]
    for column in range(0, problem.columns, full):
        w = np.ascontiguousarray(whole[:, column : column + full])
        yield column, w.shape[1], w


def load(problem, piece, distance=16):
    """Run ``load_lists``; check that it kept to its own thread, and the lists' lengths."""
    head = problem.rows, problem.work, problem.order, problem.first, problem.count, piece
    run_load_lists(*head, problem.step, THREAD, distance)
    problem.assert_others_untouched()


def wide_outputs(problem, piece):
    """Run ``add_base`` and ``wide_forward`` for all panels of a slice whose lists are loaded."""
    z = Guarded((problem.count, problem.step), problem.dtype)
    for column, width, w in panels(problem):
        base, right = Guarded(width, problem.dtype, 0.0), z.array[:, column + width :].copy()
        tail = w.ravel(), width, base.flat, z.flat, column, problem.step, THREAD
        run_wide_forward(problem.rows, problem.work, problem.n_in, problem.count, piece, *tail)
        base.assert_untouched_around()
        assert same_bits(z.array[:, column + width :].copy(), right), "written beside the panel"
    z.assert_untouched_around()
    assert not z.array[:, problem.n_out : problem.columns].any()
    assert np.isnan(z.array[:, problem.columns :]).all()
    return z.array[:, : problem.n_out].copy()


def wide_gradients(problem, begin, end):
    """Run ``wide_gradient`` for all panels; returns the gradients of the inputs by their place."""
    found, dz = [], problem.padded_dz().ravel()
    top, bottom = wide.block_row.py_func(begin, problem.n_in), min(end * blocks.WIDE, problem.n_in)
    for column, width, _ in panels(problem):
        dw = Guarded((bottom - top, width), problem.dtype)
        tail = dz, column, problem.step, problem.columns, width, dw.flat, THREAD
        run_wide_gradient(problem.rows, problem.work, problem.n_in, problem.count, begin, end, *tail)
        dw.assert_untouched_around()
        found.append(dw.array)
    gradients = np.concatenate(found, axis=1)[begin * blocks.WIDE - top :]
    assert not gradients[:, problem.n_out :].any()
    return gradients[:, : problem.n_out]


def assert_lists(problem, piece):
    """Each list has the samples that have its block, in their order, and their values, scaled."""
    rows, tiles = problem.rows, problem.work.tiles
    n_blocks, n_slices = int(rows.cuts[-1]), len(rows.cuts) - 1
    expected = [[] for _ in range(n_blocks)]
    for b, sample in enumerate(problem.samples):
        for number, values in zip(*entries(rows, int(sample) * n_slices + piece), strict=True):
            place = slice(number * blocks.WIDE, (number + 1) * blocks.WIDE)
            expected[number].append((b * problem.step, values.astype(problem.dtype) * rows.scale[place]))
    for block in range(rows.cuts[piece], rows.cuts[piece + 1]):
        n, first = int(tiles.counts[THREAD, block]), int(tiles.bounds[block])
        assert first + n <= tiles.bounds[block + 1]
        assert tiles.numbers[THREAD, first : first + n].tolist() == [number for number, _ in expected[block]]
        values = tiles.values[THREAD].reshape(-1, blocks.WIDE)[first : first + n]
        np.testing.assert_array_equal(values, np.array([v for _, v in expected[block]]).reshape(-1, blocks.WIDE))


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("n_out", WIDE)
def test_wide_equals_numpy(kind, n_out):
    for n_in, count in SHAPES:
        problem = Problem(3, kind, n_in, n_out, count, n_slices=2 if n_in == 100 else 1)
        whole = n_in // blocks.WIDE
        for piece, inputs in problem.pieces():
            load(problem, piece)
            assert_lists(problem, piece)
            exact, size = problem.outputs(inputs)
            assert_close(wide_outputs(problem, piece), exact, problem.forward_bound(size))
            begin, end = (int(n) for n in problem.cuts[piece : piece + 2])
            for start, stop in ((begin, min(end, whole)), (whole, end)):  # a block that shares inputs: by itself
                inputs = problem.rows.order[start * blocks.WIDE : stop * blocks.WIDE]
                if len(inputs):
                    exact, size = problem.gradients(inputs)
                    assert_close(wide_gradients(problem, start, stop), exact, problem.backward_bound(size))


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_wide_step_is_gradient_and_update_and_base(kind, decay):
    """Plain SGD on whole blocks, some of them at a time; other weights stay as they are."""
    for n_out, n_in, count in ((11, 37, 33), (20, 32, 64), (25, 100, 65), (60, 33, 130)):
        problem, rate = Problem(11, kind, n_in, n_out, count), 0.01
        load(problem, 0)
        exact, size = problem.gradients(problem.rows.order)
        gradient, size = (np.pad(a, ((0, 0), (0, problem.columns - n_out))) for a in (exact, size))
        begin, end = 2, n_in // blocks.WIDE
        rows, dz = slice(begin * blocks.WIDE, end * blocks.WIDE), problem.padded_dz().ravel()
        offset = problem.offset[problem.rows.order[rows]]
        for column, width, before in panels(problem):
            w, base = Guarded((n_in, width), problem.dtype), Guarded(width, problem.dtype, 1.0)
            w.array[:] = before
            for start, stop in ((begin, 5), (5, end)):
                tail = dz, column, problem.step, problem.columns, width, rate, decay, base.flat, THREAD
                run_wide_step(problem.rows, problem.work, w.flat, problem.count, start, stop, *tail)
            old, part = before[rows].astype(gradient.dtype), (rows, slice(column, column + width))
            new = old - rate * (gradient[part] + decay * old)
            error = rate * problem.backward_bound(size[part])
            error += gamma(6, problem.dtype) * (np.abs(old) * (1 + rate * decay) + rate * size[part])
            assert_close(w.array[rows], new, error)
            assert same_bits(w.array[: rows.start].copy(), before[: rows.start])
            assert same_bits(w.array[rows.stop :].copy(), before[rows.stop :])
            products = np.abs(offset) @ np.abs(new) + 1
            bound = gamma(n_in + 4, problem.dtype) * products + np.abs(offset) @ error
            assert_close(base.array, offset @ new + 1, bound)
            w.assert_untouched_around()
            base.assert_untouched_around()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_wide_base_adds_to_what_is_there(kind):
    for n_in in (37, 100):
        problem = Problem(4, kind, n_in, 25, 4)
        for _, width, w in panels(problem):
            base = np.zeros(width, problem.dtype)
            load(problem, 0)
            z = np.zeros(problem.count * problem.step, problem.dtype)
            tail = w.ravel(), width, base, z, 0, problem.step, THREAD
            run_wide_forward(problem.rows, problem.work, n_in, problem.count, 0, *tail)
            products = problem.offset[problem.rows.order, np.newaxis] * w.astype(problem.x.dtype)
            assert_close(base, products.sum(axis=0), gamma(n_in + 4, problem.dtype) * np.abs(products).sum(axis=0))
            once = base.copy()
            run_wide_forward(problem.rows, problem.work, n_in, problem.count, 0, *tail)
            bound = gamma(2 * n_in + 8, problem.dtype) * 2 * np.abs(products).sum(axis=0)
            assert_close(base, 2 * once.astype(products.dtype), bound)


# -- both ----------------------------------------------------------------------------------------------


def outputs(problem, distance=16):
    if isinstance(problem.rows, blocks.NarrowColumnBlocks):
        return narrow_outputs(problem, 0, distance)
    load(problem, 0, distance)
    return wide_outputs(problem, 0)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("n_out", [7, 25])
def test_a_samples_bits_do_not_depend_on_the_others(kind, n_out, min_share):
    problem = Problem(5, kind, 37, n_out, 65)
    together = outputs(problem)
    assert same_bits(outputs(problem, distance=1), together)
    assert same_bits(outputs(problem, distance=1000), together), "records are asked for beyond the end of the order"
    first, seen = problem.first, {}
    for b in range(problem.count):
        sample = int(problem.samples[b])
        assert same_bits(together[b], seen.setdefault(sample, together[b]))
        if b % 8 == 0:
            problem.first, problem.count = first + b, 1
            assert same_bits(outputs(problem)[0], together[b])
            problem.count = 65
    assert len(seen) < problem.count


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("n_out", [7, 25])
def test_samples_without_entries_have_the_base(kind, n_out, min_share):
    problem = Problem(6, kind, 64, n_out, 33)
    problem.order[:] = 4
    problem.samples, problem.x = problem.order[:33], np.zeros_like(problem.x)
    found = outputs(problem)
    assert all(same_bits(row, found[0]) for row in found)
    exact, size = problem.outputs(problem.rows.order)
    assert_close(found, exact, problem.forward_bound(size))
    is_narrow, all_blocks = isinstance(problem.rows, blocks.NarrowColumnBlocks), (0, int(problem.cuts[-1]))
    slopes = narrow_gradients(problem, 0, *all_blocks) if is_narrow else wide_gradients(problem, *all_blocks)
    exact, size = problem.gradients(problem.rows.order)
    assert_close(slopes, exact, problem.backward_bound(size))


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("n_out", [7, 25])
@pytest.mark.parametrize("changed", [0, 1])
def test_records_of_rows_that_changed_stay_in_bounds(kind, n_out, changed, min_share):
    """Records are as long as they were counted; what has gone since has become blocks of zeros, all of one number."""
    problem = Problem(7, kind, 100, n_out, 65, n_slices=2)
    rows, data = problem.rows, np.full((90, 100), changed, kind[0])
    is_wide = isinstance(rows, blocks.ColumnBlocks)
    cut = made.Cut(rows.order, rows.size, rows.cuts, rows.always)
    places = made._places(cut, data.dtype, rows.like.dtype, is_wide)
    described = user_rows.dense_rows(data, 1.0, np.zeros(100, problem.dtype))
    blocks.read_blocks(described, data[0], 90, places, np.zeros(0, np.uint32), rows)
    for piece in range(2):
        if is_wide:
            load(problem, piece)
            tiles, (begin, end) = problem.work.tiles, problem.cuts[piece : piece + 2]
            ends = tiles.bounds[begin:end] + tiles.counts[THREAD, begin:end]
            assert (ends <= tiles.bounds[-1]).all()
            assert (tiles.bounds[begin] <= tiles.bounds[begin:end]).all()
            assert np.isfinite(wide_outputs(problem, piece)).all()
        else:
            assert np.isfinite(narrow_outputs(problem, piece)).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_column_sums(dtype):
    rng = np.random.default_rng(8)
    for columns in (lanes(dtype), 3 * lanes(dtype), 8 * lanes(dtype)):
        for count in (1, 2, 3, 4, *BATCHES):
            step, out = columns + lanes(dtype), Guarded(columns, dtype)
            dz = np.full((count, step), np.nan, dtype)
            dz[:, :columns] = rng.standard_normal((count, columns))
            run_column_sums(dz.ravel(), step, count, columns, out.flat)
            out.assert_untouched_around()
            exact = dz[:, :columns].astype(wider(dtype))
            assert_close(out.array, exact.sum(axis=0), gamma(count, dtype) * np.abs(exact).sum(axis=0))
    ones = np.ones(130 * lanes(dtype), dtype)
    run_column_sums(ones, lanes(dtype), 129, lanes(dtype), out.flat)
    assert (out.flat[: lanes(dtype)] == 129).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_panels_are_put_in_order_and_back(dtype):
    rng = np.random.default_rng(9)
    for n_in in N_INS:
        for vectors in (1, 2, 3):
            width, order = vectors * lanes(dtype), rng.permutation(n_in)
            w, room = Guarded((n_in, width), dtype), Guarded(n_in * width, dtype)
            w.array[:] = before = rng.standard_normal((n_in, width))
            run_permute(w.flat, n_in, width, order, True, room.flat)
            assert same_bits(w.array.copy(), before.astype(dtype)[order])
            run_permute(w.flat, n_in, width, order, False, room.flat)
            assert same_bits(w.array.copy(), before.astype(dtype))
            w.assert_untouched_around()
            room.assert_untouched_around()


@pytest.mark.parametrize("dtype", NARROW_DTYPES, ids=str)
def test_inputs_are_put_along_the_lanes_and_back(dtype):
    rng = np.random.default_rng(10)
    for n_in in N_INS:
        for n_out in NARROW:
            columns, size, width = padded(n_out, dtype), short_lanes(dtype), narrow_width(n_out, dtype)
            n, order = max(n_in * columns, lanes_room(n_in, n_out, dtype)), rng.permutation(n_in)
            n_blocks = -(-n_in // size)
            w, room, before = Guarded(n, dtype), Guarded(n, dtype), np.zeros((n_in, columns), dtype)
            before[:, :n_out] = rng.standard_normal((n_in, n_out))
            w.array[: before.size] = before.ravel()
            run_lanes(w.flat, n_in, columns, size, width, order, True, room.flat)
            by_place = np.zeros((n_blocks * size, width), dtype)
            by_place[:n_in, :n_out] = before[order][:, :n_out]
            expected = by_place.reshape(n_blocks, size, width).transpose(0, 2, 1)
            np.testing.assert_array_equal(w.array[: expected.size].reshape(expected.shape), expected)
            run_lanes(w.flat, n_in, columns, size, width, order, False, room.flat)
            assert same_bits(w.array[: before.size].reshape(before.shape).copy(), before)
            w.assert_untouched_around()
            room.assert_untouched_around()


def test_room_for_the_weights_is_enough():
    for dtype in DTYPES:
        for n_out in (*NARROW, *WIDE):
            for n_in in (*N_INS, 784):
                size = -(-n_in // short_lanes(dtype)) * short_lanes(dtype) * narrow_width(n_out, dtype)
                assert lanes_room(n_in, n_out, dtype) >= size
    assert len(aligned_zeros(lanes_room(33, 10, DTYPES[0]), DTYPES[0])) % 16 == 0
