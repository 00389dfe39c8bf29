"""Blocks of columns: the matrix and nothing else, in its place, whatever its layout; when they are taken."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from blocky import blocky
from buffers import gamma, wider
from runs import layouts

from fastnet import block_rows as made
from fastnet import rows as user_rows
from fastnet.block_rows import block_rows
from fastnet.kernels import blocks, narrow_samples
from fastnet.layout import narrow_width, short_lanes

FEW, MANY = 10, 25  # units of a first layer with narrow and with wide kernels
N_FEATURES = [32, 33, 35, 37, 64, 70, 100]
DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]


@pytest.fixture
def rng():
    return np.random.default_rng(17)


def blocks_of(X, n_out, n_slices=1, dtype=np.float32, scale=1.0, mean=None, batch_size=32):
    mean = np.zeros(X.shape[1], dtype) if mean is None else mean
    return block_rows(X, scale, mean, n_out, batch_size, n_slices)


@pytest.fixture
def any_fill(monkeypatch):
    """Take blocks however poorly filled they are."""
    monkeypatch.setattr(made, "MIN_FILL", 0.0)


@pytest.fixture(params=[2.0, 0.0] if narrow_samples.SHARING else [2.0])
def min_share(request, monkeypatch):
    """Keep no block of all rows, or some; with 10 samples or fewer it is always none."""
    monkeypatch.setattr(made, "MIN_SHARE", request.param)
    return request.param


# -- an independent reading of the records -------------------------------------------------------------


def columns_of(found, n_features):
    """Column at each place of a row whose blocks lie one after the other, -1 where there is none."""
    size, n_blocks = found.size, int(found.cuts[-1])
    columns = np.full((n_blocks, size), -1)
    for block in range(n_blocks):
        own = found.order[block * size : (block + 1) * size]
        if isinstance(found, blocks.NarrowColumnBlocks):
            columns[block, : len(own)] = own
        else:  # the last one ends with the last column, and shares its first ones with the block before
            columns[block, size - len(own) :] = own
    return columns


def entries(found, record):
    """Numbers of the blocks of a record, and their values."""
    begin, end = (int(n) for n in found.starts[record : record + 2])
    dtype = found.like.dtype
    one, n = 2 + found.size * dtype.itemsize, end - begin
    raw = found.records[(record + 1) * found.head + begin * one :][: n * one]
    return raw[: 2 * n].view(np.uint16), np.frombuffer(raw[2 * n :].tobytes(), dtype).reshape(n, found.size)


def head(found, record):
    """Values of the blocks that each row has, the product with the offsets, and which other blocks have their bit."""
    begin = int(found.starts[record]) * (2 + found.size * found.like.itemsize) + record * found.head
    raw, n = found.records[begin : begin + found.head].tobytes(), found.always * found.size * found.like.itemsize
    values = np.frombuffer(raw[:n], found.like.dtype).reshape(found.always, found.size)
    (product,) = np.frombuffer(raw[n : len(raw) - 8 * found.groups], found.offset.dtype)
    bits = np.frombuffer(raw[len(raw) - 8 * found.groups :], np.uint8)
    return values, product, np.flatnonzero(np.unpackbits(bits, bitorder="little"))


def matrix(found, shape):
    """Return the matrix that the records stand for; check that they are well formed."""
    n_slices, columns, again = len(found.cuts) - 1, columns_of(found, shape[1]), np.zeros(shape, found.like.dtype)
    assert sorted(columns[columns >= 0]) == list(range(shape[1])), "each column once"
    assert len(found.starts) == shape[0] * n_slices + 1
    for row in range(shape[0]):
        for piece, (first, stop) in enumerate(pairwise(found.cuts)):
            numbers, values = entries(found, row * n_slices + piece)
            assert ((numbers >= first) & (numbers < stop)).all(), "outside of its slice"
            assert (np.diff(numbers.astype(int)) > 0).all(), "blocks rise, each comes once"
            assert all(block.any() for block in values), "a block without entries"
            if isinstance(found, blocks.NarrowColumnBlocks):
                own, product, others = head(found, row * n_slices + piece)
                np.testing.assert_array_equal(others, numbers.astype(int) - first - found.always)
                numbers, values = np.append(np.arange(found.always) + first, numbers), np.append(own, values, axis=0)
                check_product(found, numbers, values, product)
            for number, block in zip(numbers, values, strict=True):
                real = columns[number] >= 0
                assert not block[~real].any()
                again[row, columns[number][real]] = block[real]
    return again


def check_product(found, numbers, values, product):
    """Sum over the blocks of a record of the values times the offsets."""
    exact = wider(found.offset.dtype)
    products = values.astype(exact) * found.offset.reshape(-1, found.size)[numbers]
    bound = gamma(len(numbers) + found.size, found.offset.dtype) * np.abs(products).sum()
    assert abs(product - products.sum()) <= bound


def same(a, b):
    """Whether two matrices have become the same records."""
    names = ("starts", "order", "scale", "offset", "cuts")
    used = blocks.record_bytes(a, int(a.starts[-1]), len(a.starts) - 1)
    equal = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)
    return type(a) is type(b) and equal and np.array_equal(a.records[:used], b.records[:used])


# -- what becomes of the matrix ------------------------------------------------------------------------


@pytest.mark.parametrize("n_out", [1, FEW, MANY])
@pytest.mark.parametrize("network", DTYPES, ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_records_are_the_matrix(dtype, network, n_out, any_fill, min_share, rng):
    for n_features in N_FEATURES:
        X = blocky(rng, 60, n_features, dtype)
        X[7] = 0
        for n_slices in (1, 2) if n_features >= 64 else (1,):
            found = blocks_of(X, n_out, n_slices, network)
            assert isinstance(found, blocks.NarrowColumnBlocks) == (narrow_width(n_out, network) > 0)
            assert found.like.dtype == (np.uint8 if dtype == np.uint8 else network)
            assert len(found.cuts) == n_slices + 1
            assert (np.diff(found.cuts) > 0).all()
            assert found.cuts[-1] * found.size - n_features in range(found.size)
            if n_slices == 1 and n_features >= 64:
                assert (found.always > 0) == (min_share < 1 and isinstance(found, blocks.NarrowColumnBlocks))
            assert found.address == found.records.ctypes.data
            np.testing.assert_array_equal(matrix(found, X.shape), X.astype(found.like.dtype))


def test_only_blocks_with_entries_are_kept(any_fill, min_share, rng):
    X = blocky(rng, 60, 100)
    for n_out in (FEW, MANY):
        found = blocks_of(X, n_out)
        has = [[(row[c[c >= 0]] != 0).any() for c in columns_of(found, 100)[found.always :]] for row in X]
        np.testing.assert_array_equal(np.diff(found.starts.astype(int)), np.sum(has, axis=1))


@pytest.mark.parametrize("n_out", [FEW, MANY])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_memory_layout_changes_no_bit(dtype, n_out, any_fill, rng, tmp_path):
    X = blocky(rng, 60, 70, dtype)
    expected = blocks_of(X, n_out, 2)
    for name, other in layouts(X, tmp_path).items():
        if other.dtype.isnative:  # others are copied at the door
            assert same(blocks_of(other, n_out, 2), expected), name
    assert same(blocks_of(X.copy(), n_out, 2), expected)


@pytest.mark.parametrize("n_out", [FEW, MANY])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_compressed_rows_are_the_same(dtype, n_out, any_fill, min_share, rng):
    X = blocky(rng, 60, 70, dtype)
    expected = blocks_of(X, n_out, 2)
    assert same(blocks_of(sp.csr_array(X), n_out, 2), expected)
    some = (X != 0) | (rng.random(X.shape) < 0.3)  # with zeros that are written out
    written = sp.csr_matrix((X[some], np.nonzero(some)[1], np.append(0, some.sum(axis=1).cumsum())), X.shape)
    assert written.nnz > np.count_nonzero(X)
    assert same(blocks_of(written, n_out, 2), expected)


@pytest.mark.parametrize("n_out", [FEW, MANY])
def test_scale_and_offset_lie_by_place(n_out, any_fill, rng):
    for dtype, n_features in ((np.float32, 37), (np.float64, 64)):
        X, mean = blocky(rng, 60, n_features), rng.uniform(0.01, 0.1, n_features).astype(dtype)
        for scale in (1 / 255, rng.uniform(0.01, 0.02, n_features).astype(dtype)):
            found = blocks_of(X, n_out, dtype=dtype, scale=scale, mean=mean)
            columns, factors = columns_of(found, n_features), np.broadcast_to(np.asarray(scale, dtype), n_features)
            assert found.scale.dtype == found.offset.dtype == dtype
            for got, expected in ((found.scale, factors), (found.offset, -mean)):
                by_place = got.reshape(columns.shape)
                np.testing.assert_array_equal(by_place, np.where(columns >= 0, expected[columns], 0))


def test_slices_have_equal_shares(any_fill, rng):
    """Of the blocks, and of the samples that have them; with few units the first slice has a few busy ones more."""
    X = blocky(rng, 400, 512)
    X[:, :256] *= rng.random((400, 1)) < 0.2  # most entries lie in the other half
    for n_out, batch_size in ((FEW, 32), (MANY, 32), (MANY, 1000)):
        found = blocks_of(X, n_out, 2, batch_size=batch_size)
        counts = np.diff(found.starts.astype(int)).reshape(-1, 2).mean(axis=0)
        more = made.HANDICAP if n_out == FEW else 0
        assert abs(found.cuts[1] - found.cuts[2] / 2 - more / 2) <= 1
        assert -0.05 * counts.sum() <= counts[0] - counts[1] <= 0.05 * counts.sum() + more


def test_no_slice_is_without_blocks():
    X = np.zeros((60, 64), np.uint8)
    for entry in ([], [3], [60], list(range(16))):
        X[:, entry] = 1
        for n_out in (FEW, MANY):
            found = blocks_of(X, n_out, 2, mean=X.mean(axis=0).astype(np.float32) / 2)
            if found is not None:
                assert (np.diff(found.cuts) > 0).all()
                np.testing.assert_array_equal(matrix(found, X.shape), X)
        X[:] = 0


def test_a_matrix_nearly_without_entries(rng):
    """A record for each row would take more memory than lists of single entries do."""
    X = np.zeros((170, 40), np.float32)
    for n_out in (FEW, MANY):
        assert blocks_of(X, n_out) is None
        X[:170:7] = 1
        np.testing.assert_array_equal(matrix(blocks_of(X, n_out), X.shape), X)
        X[:] = 0


# -- the choice ----------------------------------------------------------------------------------------


def taken(X, n_out=MANY, batch_size=32, scale=1.0, mean=None, dtype=np.float32):
    mean = X.mean(axis=0, dtype=np.float64).astype(dtype) * dtype(scale) if mean is None and len(X) else mean
    return blocks_of(X, n_out, dtype=dtype, scale=scale, mean=mean, batch_size=batch_size) is not None


def thin(rng, n, n_features, density):
    """Entries anywhere."""
    return np.where(rng.random((n, n_features)) < density, rng.integers(1, 256, (n, n_features)), 0).astype(np.uint8)


@pytest.mark.parametrize("n_out", [FEW, MANY])
def test_the_choice_follows_the_counted_blocks(n_out, rng):
    assert taken(blocky(rng, 500, 100), n_out)
    assert not taken(thin(rng, 500, 100, 0.13), n_out), "blocks would be poorly filled"
    assert not taken(blocky(rng, 500, 100, filled=0.3), n_out), "blocks would be poorly filled"
    assert not taken(blocky(rng, 500, 100, share=0.4), n_out), "dense"
    assert not taken(rng.standard_normal((500, 100)).astype(np.float32), n_out), "dense"
    assert not taken(np.zeros((0, 100), np.float32), n_out), "no rows"


def test_few_rows(rng):
    """Judged by the rows that there are."""
    for n in (1, 2, 3, 10):
        X = np.zeros((n, 64), np.uint8)
        X[:, ::7] = 200
        for n_out in (FEW, MANY):
            found = blocks_of(X, n_out)
            if found is not None:
                np.testing.assert_array_equal(matrix(found, X.shape), X)
    assert found is not None


@pytest.mark.parametrize("n_out", [FEW, MANY])
def test_rows_unlike_those_that_were_looked_at_are_counted(n_out, rng):
    uneven = np.zeros((2000, 64), np.uint8)
    uneven[1::2] = 1  # the rows that are looked at first are empty
    assert not taken(uneven, n_out, mean=np.zeros(64, np.float32))
    assert not taken(sp.csr_array(uneven), n_out, mean=np.zeros(64, np.float32))


@pytest.mark.parametrize("n_out", [FEW, MANY])
def test_the_choice_follows_the_shape(n_out, rng):
    assert taken(blocky(rng, 100, made.MIN_COLUMNS), n_out)
    assert not taken(blocky(rng, 100, made.MIN_COLUMNS - 1), n_out)
    assert not taken(np.zeros((1, made.MAX_COLUMNS + 1), np.uint8), n_out)
    X = blocky(rng, 100, 100)
    assert taken(X, n_out, made.MIN_BATCH)
    for batch_size in (1, made.MIN_BATCH - 1):
        assert taken(X, n_out, batch_size) == (n_out == FEW)


def test_shapes_at_the_limits():
    for dtype in DTYPES:
        assert made.suits(made.MAX_COLUMNS, MANY, 32, dtype)
        assert not made.suits(made.MAX_COLUMNS + 1, MANY, 32, dtype)
        most = made.MAX_LIST_BYTES // (1000 * (dtype.itemsize + 4))
        assert made.suits(1000, MANY, most, dtype)
        assert not made.suits(1000, MANY, most + 1, dtype), "lists too large"
        assert made.suits(100, 10**6, 2000, dtype)
        assert not made.suits(100, 10**6, 2200, dtype), "offsets of rows beyond 2**31"
        assert made.block_size(MANY, dtype) == 4
        assert made.block_size(FEW, dtype) == (short_lanes(dtype) if narrow_width(FEW, dtype) else 4)


def test_vectors_of_two_lanes_have_no_narrow_blocks(monkeypatch):
    """10 columns are then more than one panel, and a block of bytes is no whole word."""
    monkeypatch.setattr("fastnet.layout.SHORT_BYTES", 16)
    assert [narrow_width(n, DTYPES[1]) for n in (1, 6, 10)] == [0, 0, 0]
    assert [narrow_width(n, DTYPES[0]) for n in (1, 6, 7, 10, 11)] == [6, 6, 10, 10, 0]
    monkeypatch.setattr("fastnet.layout.SHORT_BYTES", 32)
    assert [narrow_width(n, DTYPES[1]) for n in (1, 6, 7, 10, 11)] == [6, 6, 10, 10, 0]


@pytest.mark.parametrize("n_out", [FEW, MANY])
def test_memory_is_bounded(n_out, rng, monkeypatch):
    X = blocky(rng, 500, 100)
    found = blocks_of(X, n_out)
    n_bytes = blocks.record_bytes(found, int(found.starts[-1]), len(X))
    kept = found.always * found.size + 4 + 8  # and the product, and bits
    assert n_bytes == int(found.starts[-1]) * (2 + found.size) + len(X) * kept * (n_out == FEW)
    assert n_bytes < X.nbytes / 2
    monkeypatch.setattr(user_rows, "MAX_BYTES", n_bytes)
    assert taken(X, n_out)
    monkeypatch.setattr(user_rows, "MAX_BYTES", n_bytes - 1)
    assert not taken(X, n_out)


@pytest.mark.parametrize("n_out", [FEW, MANY])
def test_a_large_mean_is_not_folded(n_out, any_fill, rng):
    """One column at a million: folded into the bias it would cost the other columns their digits."""
    X = blocky(rng, 500, 100, np.float32)
    assert taken(X, n_out)
    X[:, 7] = 1e6 + rng.random(500)
    assert not taken(X, n_out)
    assert not taken(sp.csr_array(X), n_out, mean=X.mean(axis=0))
    assert taken(X, n_out, mean=np.zeros(100, np.float32))
    factors = np.ones(100, np.float32)
    factors[7] = 0  # as a column that is left out
    assert taken(X, n_out, mean=np.delete(X, 7, axis=1).mean() * factors, scale=factors)


# -- rows that change between counting and copying -----------------------------------------------------


def cut_of(found):
    return made.Cut(found.order, found.size, found.cuts, found.always)


def counted_and_copied(X, changed, n_out, n_slices):
    """Records of the rows as they were counted, filled from others."""
    found = blocks_of(X, n_out, n_slices)
    size = blocks.record_bytes(found, int(found.starts[-1]), len(found.starts) - 1)
    room = np.full(size + 2000, 77, np.uint8)
    moved = found._replace(records=room[1000:-1000], address=room.ctypes.data + 1000)
    overlap = isinstance(found, blocks.ColumnBlocks)
    places = made._places(cut_of(found), X.dtype, found.like.dtype, overlap)
    counts = np.zeros(len(X) * n_slices, np.uint32)
    mean, like = np.zeros(X.shape[1], np.float32), np.empty(0, X.dtype)
    blocks.read_blocks(user_rows.dense_rows(X, 1.0, mean), like, len(X), places, counts, moved)
    np.testing.assert_array_equal(counts, np.diff(found.starts.astype(int)))
    assert not places.flags[:-1].any()
    assert not places.row.any(), "values of the rows that were counted would come into others"
    rows = user_rows.dense_rows(changed, 1.0, mean)
    blocks.read_blocks(rows, like, len(X), places, counts[:0], moved)
    assert (room[:1000] == 77).all(), "written before the records"
    assert (room[-1000:] == 77).all(), "written behind the records"
    assert not places.flags[:-1].any()
    assert not places.row.any()
    return moved


@pytest.mark.parametrize("n_out", [FEW, MANY])
@pytest.mark.parametrize("n_slices", [1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_rows_that_change_while_they_are_read_are_not_written_out_of_bounds(
    dtype, n_slices, n_out, any_fill, min_share, rng
):
    X = blocky(rng, 60, 70, dtype)
    columns = None
    for changed in (X, np.ones_like(X), np.zeros_like(X), thin(rng, 60, 70, 0.2).astype(dtype), X[::-1].copy()):
        found = counted_and_copied(X, changed, n_out, n_slices)
        columns = columns_of(found, 70)
        for record in range(60 * n_slices):
            numbers, values = entries(found, record)
            first, stop = found.cuts[record % n_slices : record % n_slices + 2]
            assert ((numbers >= first) & (numbers < stop)).all()
            if isinstance(found, blocks.NarrowColumnBlocks):
                own, product, _ = head(found, record)
                numbers = np.append(np.arange(found.always) + first, numbers.astype(int))
                values = np.append(own, values, axis=0)
                check_product(found, numbers, values, product)
            for number, block in zip(numbers, values, strict=True):  # values of the row as it is now, or zeros
                real = columns[number] >= 0
                now = np.where(real, changed[record // n_slices, columns[number]], 0).astype(found.like.dtype)
                assert np.array_equal(block, now) or not block.any()
    assert columns is not None


@pytest.mark.parametrize("n_out", [FEW, MANY])
def test_compressed_rows_that_change_are_not_written_out_of_bounds(n_out, any_fill, min_share, rng):
    X = sp.csr_array(blocky(rng, 60, 70, np.float32))
    found = blocks_of(X, n_out, 2)
    size = blocks.record_bytes(found, int(found.starts[-1]), len(found.starts) - 1)
    overlap = isinstance(found, blocks.ColumnBlocks)
    for values, columns in ((np.zeros_like(X.data), X.indices), (X.data, rng.permutation(X.indices))):
        room = np.full(size + 2000, 77, np.uint8)
        moved = found._replace(records=room[1000:-1000], address=room.ctypes.data + 1000)
        places = made._places(cut_of(found), X.dtype, found.like.dtype, overlap)
        none = np.zeros(0, np.uint32)
        blocks.read_csr_blocks(X.indptr, columns, values, 60, places, none, moved)
        assert (room[:1000] == 77).all()
        assert (room[-1000:] == 77).all()
        assert not places.flags[:-1].any()
        assert not places.row.any()
