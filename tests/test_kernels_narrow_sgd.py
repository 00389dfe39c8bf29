"""Plain SGD on narrow blocks with decay and mean folded, kernel by kernel, against NumPy in wider precision."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from blocky import blocky
from buffers import DTYPES, Guarded, assert_close, gamma, same_bits, wider

from fastnet import block_rows as made
from fastnet._jit import entry
from fastnet.kernels import narrow_samples, narrow_sgd
from fastnet.layout import narrow_width, padded, row_step
from fastnet.simd import pointer
from fastnet.views import views

BYTES, DOUBLES = (np.dtype(np.uint8), DTYPES[0]), (DTYPES[1], DTYPES[1])
KINDS = [BYTES, *([DOUBLES] if narrow_width(1, DTYPES[1]) else [])]
kinds = pytest.mark.parametrize("kind", KINDS, ids=str)
units = pytest.mark.parametrize("n_out", [1, 6, 7, 10])
COUNTS = [1, 5, narrow_sgd.SCATTERED, narrow_sgd.SCATTERED + 1, 33, 64, 65, 130]
THREADS, THREAD = 3, 1  # the kernels run as the second of three threads
ALPHA, FACTOR = 0.7, -0.03


class Work(NamedTuple):
    """As much of a fit's buffers as the kernels see."""

    tiles: Any


# -- drivers (kept in the cache folder, which knows them by their lines: clear it after a change) -------


@entry
def run_forward(rows, work, order, first, count, piece, v, u, base, alpha, products, z, step, thread, distance):
    rows, work = views(rows), views(work)
    sums = pointer(products, 0)
    folded = narrow_sgd.Folded(pointer(v, 0), pointer(u, 0), pointer(base, 0), alpha, sums)
    samples, to = narrow_samples.samples_of(work, thread, piece), pointer(z, 0)
    narrow_sgd.narrow_forward_folded(rows, order, first, count, piece, work.tiles, folded, samples, to, step, distance)


@entry
def run_update(rows, work, order, first, count, piece, dz, step, factor, v, thread):
    rows, work = views(rows), views(work)
    tiles, left, weights = work.tiles, pointer(dz, 0), pointer(v, 0)
    samples = narrow_samples.samples_of(work, thread, piece)
    narrow_sgd.narrow_step(rows, order, first, piece, samples, count, tiles, left, step, factor, weights)


@entry
def run_settle(rows, work, w, piece, alpha, u, q):
    rows, tiles = views(rows), views(work).tiles
    begin, end, offset = rows.cuts[piece], rows.cuts[piece + 1], pointer(rows.offset, 0)
    narrow_sgd.narrow_settle(offset, pointer(w, 0), tiles, begin, end, alpha, pointer(u, 0), pointer(q, 0))


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
    """A matrix as blocks, folded weights in lanes, and a minibatch; what is exact is by place in a row of blocks."""

    def __init__(self, kind, n_out, count, n_in=100, n_slices=2):
        self.rng = np.random.default_rng([n_out, count])
        data, self.dtype = kind
        X = blocky(self.rng, 90, n_in, data)
        X[3:7] = 0  # without entries
        scale, self.exact = (1 / 255 if data == np.uint8 else 0.5), wider(self.dtype)
        mean = (X.mean(axis=0) * scale).astype(self.dtype)
        self.rows = made.block_rows(X, scale, mean, n_out, max(count, 32), n_slices)
        self.n_out, self.count, self.size, self.cuts = n_out, count, self.rows.size, self.rows.cuts
        self.width, n_blocks = narrow_width(n_out, self.dtype), int(self.cuts[-1])
        self.first, self.order = 3, self.rng.integers(0, 90, count + 9).astype(np.uint32)
        self.order[self.first] = 4
        by_place = np.zeros((90, n_blocks * self.size), self.exact)
        by_place[:, :n_in] = X[:, self.rows.order].astype(self.exact) * self.exact(scale)
        self.x, self.mean = by_place[self.order[3 : 3 + count]], -self.rows.offset.astype(self.exact)
        self.v = np.zeros((n_blocks, self.width, self.size), self.dtype)
        self.v[:, :n_out] = self.rng.standard_normal((n_blocks, n_out, self.size))
        self.v.transpose(0, 2, 1).reshape(-1, self.width)[n_in:] = 0
        self.step = row_step(max(n_out, self.width), self.dtype)
        self.columns = padded(self.width, self.dtype)
        self.work = Work(made.block_work(self.rows, n_in, n_out, count, THREADS))
        for name in ("masks", "bits"):
            getattr(self.work.tiles, name)[:] = 77

    def line(self):
        """One number a unit, and zeros beside them."""
        line = np.zeros(self.step, self.dtype)
        line[: self.n_out] = self.rng.standard_normal(self.n_out)
        return line

    def places(self, piece):
        """Places of a slice in a row of blocks."""
        return slice(int(self.cuts[piece]) * self.size, int(self.cuts[piece + 1]) * self.size)

    def by_place(self, v):
        """Weights (places, units) in wider precision."""
        return v.transpose(0, 2, 1).reshape(-1, self.width)[:, : self.n_out].astype(self.exact)


def forward(problem, piece, u, base, distance=16):
    """Run ``narrow_forward_folded``; check who was written to, and s."""
    z, sums = Guarded((problem.count, problem.step), problem.dtype), Guarded(problem.count, problem.dtype)
    head = problem.rows, problem.work, problem.order, problem.first, problem.count, piece, problem.v.ravel()
    run_forward(*head, u, base, ALPHA, sums.flat, z.flat, problem.step, THREAD, distance)
    for written in (z, sums):
        written.assert_untouched_around()
    assert np.isnan(z.array[:, problem.columns :]).all(), "written between the rows"
    assert not z.array[:, problem.n_out : problem.columns].any(), "units that there are not"
    bits, at = problem.work.tiles.bits, problem.places(piece)
    assert (bits[[0, 2]] == 77).all(), "of another thread"
    if problem.count <= narrow_sgd.SCATTERED and problem.rows.always == 0:
        assert (bits == 77).all(), "written for nothing"
    products = problem.x[:, at] * problem.mean[at]
    bound = gamma(int(problem.cuts[-1]) + problem.size + 4, problem.dtype) * np.abs(products).sum(axis=1)
    assert_close(sums.array, products.sum(axis=1), bound)
    return z.array[:, : problem.n_out].copy()


# -- tests ---------------------------------------------------------------------------------------------


@kinds
@units
@pytest.mark.parametrize("count", COUNTS)
def test_forward_equals_numpy(kind, n_out, count, min_share):
    problem = Problem(kind, n_out, count)
    assert (problem.rows.always > 0) == (min_share < 1)
    for piece in (0, 1):
        u, base, at = problem.line(), problem.line(), problem.places(piece)
        v, x, mean = problem.by_place(problem.v)[at], problem.x[:, at], problem.mean[at]
        exact = ALPHA * (x @ v) + np.outer(x @ mean, u[:n_out]) + base[:n_out]
        size = ALPHA * np.abs(x) @ np.abs(v) + np.outer(x @ mean, np.abs(u[:n_out])) + np.abs(base[:n_out])
        found = forward(problem, piece, u, base)
        assert_close(found, exact, gamma(2 * int(problem.cuts[-1]) + 4 * problem.size, problem.dtype) * size)
        assert same_bits(forward(problem, piece, u, base, distance=1000), found)


def check_update(problem, n_out, count):
    """Each slice by itself; blocks that no sample has keep their bits."""
    dz = np.zeros((count, problem.step), problem.dtype)
    dz[:, :n_out] = problem.rng.standard_normal((count, n_out))
    for piece in (0, 1):
        forward(problem, piece, problem.line(), problem.line())
        v = Guarded(problem.v.shape, problem.dtype)
        v.array[:] = problem.v
        head = problem.rows, problem.work, problem.order, problem.first, count, piece
        run_update(*head, dz.ravel(), problem.step, FACTOR * problem.rows.factor, v.flat, THREAD)
        v.assert_untouched_around()
        assert (problem.work.tiles.masks[[0, 2]] == 77).all(), "of another thread"
        assert not v.array[:, n_out:].any(), "units that there are not"
        at, slope = problem.places(piece), dz[:, :n_out].astype(problem.exact)
        before, change = problem.by_place(problem.v), np.zeros_like(problem.by_place(problem.v))
        size = np.abs(before)
        change[at] = FACTOR * (problem.x[:, at].T @ slope)
        size[at] += np.abs(FACTOR) * (np.abs(problem.x[:, at]).T @ np.abs(slope))
        assert_close(problem.by_place(v.array), before + change, gamma(count + 6, problem.dtype) * size)
        idle = ~problem.x.reshape(count, -1, problem.size).any(axis=(0, 2))
        idle[problem.cuts[piece] : problem.cuts[piece] + problem.rows.always] = False
        idle[: problem.cuts[piece]] = idle[problem.cuts[piece + 1] :] = True
        assert idle.any()
        assert same_bits(v.array[idle], problem.v[idle])


@kinds
@units
@pytest.mark.parametrize("count", COUNTS)
def test_update_equals_numpy(kind, n_out, count, min_share):
    check_update(Problem(kind, n_out, count), n_out, count)


@kinds
@pytest.mark.parametrize("count", [33, 130])
def test_slices_of_more_blocks_than_a_word_has_bits(kind, count):
    problem = Problem(kind, 7, count, n_in=1100)
    assert (np.diff(problem.cuts) > 64).all()
    assert problem.rows.groups > 1
    check_update(problem, 7, count)


@kinds
@units
def test_settlement_equals_numpy(kind, n_out):
    problem = Problem(kind, n_out, 5)
    for piece in (0, 1):
        w, (u, q) = Guarded(problem.v.shape, problem.dtype), (Guarded(problem.columns, problem.dtype) for _ in "uq")
        w.array[:], u.array[:] = problem.v, problem.line()[: problem.columns]
        line = u.array[:n_out].astype(problem.exact)
        run_settle(problem.rows, problem.work, w.flat, piece, ALPHA, u.flat, q.flat)
        for written in (w, u, q):
            written.assert_untouched_around()
        assert not u.array.any()
        at, mean, v = problem.places(piece), problem.mean, problem.by_place(problem.v)
        exact, size = ALPHA * v + np.outer(mean, line), ALPHA * np.abs(v) + np.outer(mean, np.abs(line))
        plain = problem.by_place(w.array)
        assert_close(plain[at], exact[at], gamma(4, problem.dtype) * size[at])
        other = np.ones(len(v), bool)
        other[at] = False
        assert (plain[other] == v[other]).all(), "of another slice"
        products = mean[at, np.newaxis] * plain[at]
        bound = gamma(int(problem.cuts[-1]) + problem.size, problem.dtype) * np.abs(products).sum(axis=0)
        assert_close(q.array[:n_out], products.sum(axis=0), bound)
        assert not q.array[n_out:].any()


@kinds
def test_a_samples_bits_do_not_depend_on_the_others(kind, min_share):
    problem = Problem(kind, 7, 65)
    u, base = problem.line(), problem.line()
    together = forward(problem, 0, u, base)
    for b in range(0, 65, 8):
        alone = Problem(kind, 7, 65)
        alone.first, alone.count, alone.x = problem.first + b, 1, problem.x[b : b + 1]
        assert same_bits(forward(alone, 0, u, base)[0], together[b])


@pytest.mark.parametrize(
    ("scale", "factor"),
    [(1 / 255, 1 / 255), (1.0, 1.0), (np.full(100, 0.5, np.float32), 0.5), (1e-7, 0.0), (1e7, 0.0), (0.0, 0.0)],
)
def test_one_scale_is_told(scale, factor):
    X = blocky(np.random.default_rng(0), 60, 100)
    assert made.block_rows(X, scale, np.zeros(100, np.float32), 7, 1).factor == factor


def test_scales_that_differ_are_told():
    X, scale = blocky(np.random.default_rng(0), 60, 100), np.ones(100, np.float32)
    scale[7] = 2
    assert made.block_rows(X, scale, np.zeros(100, np.float32), 7, 1).factor == 0.0
