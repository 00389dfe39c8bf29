"""NPZ, NPY, sparse rows and IDX: what is read, what is mapped, what is refused."""

import gzip
import pickle
import struct
import zipfile

import numpy as np
import pytest
import scipy.sparse

from fastnet import FormatError, load_data, read_data
from fastnet.datasets import load as load_module

X = np.arange(60, dtype=np.float32).reshape(20, 3)
Y = np.arange(20) % 2


def idx(array):
    codes = {"uint8": 8, "float32": 0x0D}
    head = struct.pack(f">HBB{array.ndim}I", 0, codes[array.dtype.name], array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


# NPZ


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("x", ["X", "x"])
def test_npz_with_samples_and_labels(tmp_path, save, x):
    save(tmp_path / "data.npz", **{x: X, "y": Y})
    found = read_data(tmp_path / "data.npz")
    np.testing.assert_array_equal(found.X, X)
    assert (found.y.tolist(), found.classes.tolist(), found.X.dtype) == (Y.tolist(), [0, 1], np.float32)


@pytest.mark.parametrize(
    ("y", "classes", "indices"),
    [
        (np.array(["b", "a"] * 10), ["a", "b"], [1, 0]),
        (np.array([b"b", b"a"] * 10), ["a", "b"], [1, 0]),
        (np.array([[7], [5]] * 10), [5, 7], [1, 0]),
        (np.array([[0, 0, 1], [1, 0, 0]] * 10), [0, 2], [1, 0]),
        (np.array([True, False] * 10), [0, 1], [1, 0]),
        (np.array([2.0, 1.0] * 10), [1, 2], [1, 0]),
    ],
    ids=["text", "bytes", "column", "one-hot", "bool", "float"],
)
def test_labels_of_any_kind(tmp_path, y, classes, indices):
    np.savez(tmp_path / "data.npz", X=X, y=y)
    found = read_data(tmp_path / "data.npz")
    assert found.classes.tolist() == classes
    assert found.y[:2].tolist() == indices


def test_npz_names_classes_and_features(tmp_path):
    np.savez(tmp_path / "d.npz", X=X, y=Y, classes=["no", "yes", "perhaps"], feature_names=["a", "b", "c"])
    found = read_data(tmp_path / "d.npz")
    assert (found.classes.tolist(), found.feature_names) == (["no", "yes", "perhaps"], ("a", "b", "c"))
    assert found.y.tolist() == Y.tolist()
    np.savez(tmp_path / "d.npz", X=X, y=Y, classes=["only"])
    with pytest.raises(FormatError, match="y holds the labels 0, 1; expected whole numbers from 0 to 0"):
        read_data(tmp_path / "d.npz")
    np.savez(tmp_path / "d.npz", X=X, y=Y, feature_names=["a"])
    with pytest.raises(FormatError, match="found 1 feature_names, expected 3"):
        read_data(tmp_path / "d.npz")


def test_images_become_rows_that_know_their_shape(tmp_path):
    images = np.zeros((20, 4, 5, 3), np.uint8)
    for array, shape in ((images, (4, 5, 3)), (images[..., :1], (4, 5)), (images[..., 0], (4, 5))):
        np.savez(tmp_path / "images.npz", X=array, y=Y)
        data = load_data(tmp_path / "images.npz")
        assert data.image_shape == shape
        assert data.X_train.shape == (14, np.prod(shape))


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_npz_that_brings_its_split_keeps_it(tmp_path, val):
    parts = {f"X_{part}": X + i for i, part in enumerate(("train", val, "test"))}
    labels = {f"y_{part}": Y for part in ("train", val, "test")}
    np.savez(tmp_path / "data.npz", **parts, **labels)
    data = load_data(tmp_path / "data.npz")
    np.testing.assert_array_equal([data.X_train[0, 0], data.X_val[0, 0], data.X_test[0, 0]], [0, 1, 2])
    assert [len(data.y_train), len(data.y_val), len(data.y_test), data.split] == [20, 20, 20, "own"]
    assert read_data(tmp_path / "data.npz").X[0, 0] == 2
    assert read_data(tmp_path / "data.npz", part="train").X[0, 0] == 0
    assert read_data(tmp_path / "data.npz", part="whole").X.shape == (60, 3)
    with pytest.raises(ValueError, match=r"test is 0\.5; .* brings its own test part, which is kept: leave it out"):
        load_data(tmp_path / "data.npz", test=0.5)


def test_validation_comes_out_of_the_training_rows_if_only_a_test_part_is_there(tmp_path):
    np.savez(tmp_path / "data.npz", x_train=X, y_train=Y, x_test=X, y_test=Y)
    data = load_data(tmp_path / "data.npz")
    assert [len(data.y_train), len(data.y_val), len(data.y_test)] == [18, 2, 20]
    assert np.intersect1d(data.X_train[:, 0], data.X_val[:, 0]).size == 0


def test_a_label_that_training_does_not_know_is_named(tmp_path):
    np.savez(tmp_path / "data.npz", X_train=X, y_train=Y, X_test=X, y_test=Y + 1)
    with pytest.raises(FormatError, match="y_test, row 1: found the label '2', expected one of 0, 1"):
        load_data(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": Y}, "found the arrays y; expected X and y, or X_train"),
        ({"X_test": X, "y_test": Y}, "found the arrays X_test, y_test; expected"),
        ({"X": X, "y": Y[:5]}, r"y: found shape \(5,\), expected \(20,\), one label for each row of X"),
        ({"X": X[0], "y": Y}, r"X: found shape \(3,\), expected \(n_samples, n_features\)"),
        ({"X": X[:, :0], "y": Y}, r"X: found shape \(20, 0\)"),
        ({"X": X.astype(str), "y": Y}, "X: found dtype <U32, expected numbers"),
        ({"X": X.astype(complex), "y": Y}, "X: found dtype complex128, expected numbers"),
        ({"X": np.where(X == 40, np.nan, X), "y": Y}, r"X, row 13, column 1: found a missing value \(NaN\)"),
        ({"X": np.where(X == 40, np.inf, X), "y": Y}, r"X, row 13, column 1: found infinity"),
        ({"X": X, "y": np.where(Y == 1, np.nan, 0)}, "y, row 1: found nan, expected a finite number"),
        ({"X": X, "y": X}, r"y: found shape \(20, 3\), expected \(20,\)"),
        ({"X": X, "y": Y.astype(complex)}, "y: found dtype complex128, expected numbers or text"),
        ({"X": X, "y": np.array(["a", ""] * 10)}, r"y, row 1: found an empty cell \(a missing value\)"),
    ],
)
def test_wrong_arrays_are_named(tmp_path, arrays, message):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(FormatError, match=message):
        read_data(tmp_path / "data.npz")


class Canary:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def test_pickles_are_never_loaded(tmp_path):
    np.savez(tmp_path / "data.npz", X=X, y=np.array([Canary()] * 20, dtype=object))
    with pytest.raises(FormatError, match=r"y\.npy holds Python objects \(a pickle\), which fastnet never loads"):
        read_data(tmp_path / "data.npz")
    np.save(tmp_path / "X.npy", np.array([Canary()] * 20, dtype=object))
    with pytest.raises(FormatError, match="holds Python objects"):
        read_data(tmp_path / "X.npy")
    for name in ("bare.npz", "bare.npy", "bare.csv", "bare.parquet", "bare-ubyte", "bare.png"):
        (tmp_path / name).write_bytes(pickle.dumps(Canary()))
        with pytest.raises(FormatError):
            read_data(tmp_path / name)


def test_damaged_archives_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "data.npz", X=X, y=Y)
    whole = (tmp_path / "data.npz").read_bytes()
    path = tmp_path / "bad.npz"
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        with pytest.raises(FormatError):
            read_data(path)
    for place in range(0, len(whole), 5):
        content = bytearray(whole)
        content[place] ^= 0x40
        path.write_bytes(bytes(content))
        try:
            found = read_data(path)
        except FormatError:
            continue
        np.testing.assert_array_equal(found.X, X)  # the flip hit a field that nothing depends on, such as a date


def test_lying_headers_are_refused_before_memory_is_taken(tmp_path):
    header = np.lib.format.magic(1, 0) + struct.pack("<H", 118)
    claim = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 784), }"
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("X.npy", header + claim.ljust(117) + b"\n" + bytes(64))
    with pytest.raises(FormatError, match=r"X\.npy declares \(1000000000000, 784\) float32, .* bytes, found 192"):
        read_data(tmp_path / "data.npz")
    (tmp_path / "X.npy").write_bytes(header + claim.ljust(117) + b"\n" + bytes(64))
    with pytest.raises(FormatError, match=r"X\.npy: not a whole NPY file"):
        read_data(tmp_path / "X.npy")


# NPY


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("data.npy", "data_y.npy"),
        ("data.npy", "data_labels.npy"),
        ("X.npy", "y.npy"),
        ("X.npy", "labels.npy"),
        ("X_part.npy", "y_part.npy"),
    ],
)
def test_npy_is_mapped_and_its_labels_lie_beside_it(tmp_path, name, labels):
    np.save(tmp_path / name, X)
    np.save(tmp_path / labels, Y)
    found = read_data(tmp_path / name)
    assert isinstance(found.X, np.memmap)
    assert not found.X.flags.writeable
    np.testing.assert_array_equal(found.y, Y)


def test_npy_labels_are_named_or_in_a_column(tmp_path):
    np.save(tmp_path / "rows.npy", np.column_stack([X, Y]))
    np.save(tmp_path / "other.npy", 1 - Y)
    path = tmp_path / "rows.npy"
    assert read_data(path).y is None
    assert read_data(path, target="other.npy").y.tolist() == (1 - Y).tolist()
    assert read_data(path, target=tmp_path / "other.npy").X.shape == (20, 4)
    for target in (-1, 3, "-1", "3"):
        found = read_data(path, target=target)
        assert np.shares_memory(found.X, found.X.base)
        np.testing.assert_array_equal(found.X, X)
        np.testing.assert_array_equal(found.y, Y)
    np.testing.assert_array_equal(read_data(path, target=1, task="regression").X, np.column_stack([X[:, [0, 2]], Y]))
    with pytest.raises(ValueError, match=r"target is 4; rows\.npy has 4 columns"):
        read_data(path, target=4)
    with pytest.raises(
        FileNotFoundError, match=r"target is 'kind'; rows\.npy has no named columns: expected a column's"
    ):
        read_data(path, target="kind")
    with pytest.raises(ValueError, match=r"drop is \['a'\]; rows\.npy holds arrays"):
        read_data(path, drop="a")


def test_a_small_map_is_split_row_by_row_and_a_large_one_in_slices(tmp_path, monkeypatch):
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", Y)
    small = load_data(tmp_path / "X.npy")
    assert small.split == "stratified"
    assert not np.shares_memory(small.X_train, small.X_test)
    monkeypatch.setattr(load_module, "_LARGE", X.nbytes - 1)
    large = load_data(tmp_path / "X.npy")
    np.testing.assert_array_equal(large.X_train, X[:14])
    np.testing.assert_array_equal(large.X_val, X[14:16])
    np.testing.assert_array_equal(large.X_test, X[16:])
    assert all(isinstance(part, np.memmap) for part in (large.X_train, large.X_val, large.X_test))
    assert np.shares_memory(large.X_train, large.X_train.base)
    assert "contiguous slices of a mapped file" in repr(large)
    np.save(tmp_path / "y.npy", np.sort(Y)[::-1] * 2 + (np.arange(20) > 17))
    with pytest.raises(FormatError, match=r"the first 14 rows hold no row of the class '1': .* shuffle its rows first"):
        load_data(tmp_path / "X.npy")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x93NUMPY\x09\x00", b"nothing"])
def test_what_is_no_npy_file_is_refused(tmp_path, content):
    (tmp_path / "X.npy").write_bytes(content)
    with pytest.raises(FormatError, match=r"X\.npy: "):
        read_data(tmp_path / "X.npy")


# Sparse rows


def sparse(path, matrix, **more):
    matrix = matrix.tocsr()
    np.savez(
        path,
        format=np.array(b"csr"),
        **{"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": np.array(matrix.shape)}
        | more,
    )


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csr_array])
def test_what_scipy_saves_is_read(tmp_path, kind):
    dense = np.where(X % 3 == 0, X, 0)
    scipy.sparse.save_npz(tmp_path / "rows.npz", kind(dense))
    np.save(tmp_path / "rows_y.npy", Y)
    data = load_data(tmp_path / "rows.npz")
    assert data.X_train.format == "csr"
    assert data.X_train.dtype == np.float32
    assert "CSR" in repr(data)
    found = read_data(tmp_path / "rows.npz")
    np.testing.assert_array_equal(found.X.toarray(), dense)
    np.testing.assert_array_equal(found.y, Y)


def test_sparse_rows_and_labels_in_one_file(tmp_path):
    sparse(tmp_path / "rows.npz", scipy.sparse.eye_array(20), y=Y)
    assert read_data(tmp_path / "rows.npz").y.tolist() == Y.tolist()


def test_columns_in_any_order_are_sorted_and_added_up(tmp_path):
    more = {"indices": np.array([2, 0, 2, 1]), "indptr": np.array([0, 3, 4]), "data": np.array([1, 2, 3, 4], np.int8)}
    sparse(tmp_path / "rows.npz", scipy.sparse.eye_array(3), **more, shape=np.array([2, 3]))
    found = read_data(tmp_path / "rows.npz").X
    assert found.toarray().tolist() == [[2, 0, 4], [0, 4, 0]]
    assert found.has_canonical_format
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"format": np.array(b"csc")}, "found a sparse matrix of format 'csc', expected 'csr'"),
        ({"indices": np.array([0, 3, 1])}, "row 1: found column index 3 at entry 1, expected 0 to 2"),
        ({"indices": np.array([0, -1, 1])}, "row 1: found column index -1 at entry 1"),
        ({"indices": np.array([0.0, 1.0, 2.0])}, "indices has shape .* float64, expected 1-D integers"),
        ({"indptr": np.array([0, 2, 1, 3])}, "indptr must have 4 entries that rise from 0 to 3"),
        ({"indptr": np.array([0, 1, 2])}, "indptr must have 4 entries that rise from 0 to 3, found 3, from 0 to 2"),
        ({"indptr": np.array([0, 1, 2, 4])}, "indptr must have 4 entries that rise from 0 to 3, found 4, from 0 to 4"),
        ({"data": np.array([1.0, np.nan, 1.0])}, "row 1, column 1: found nan, expected a finite number"),
        ({"data": np.array([1.0])}, r"data has shape \(1,\)"),
        ({"shape": np.array([0, 3])}, r"shape is \[0, 3\], expected"),
        ({"shape": np.array([3])}, r"shape is \[3\], expected"),
    ],
)
def test_bad_sparse_rows_are_named(tmp_path, more, message):
    arrays = {"format": np.array(b"csr")} | more
    matrix = scipy.sparse.eye_array(3).tocsr()
    whole = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": np.array(matrix.shape)}
    np.savez(tmp_path / "rows.npz", **whole | arrays)
    with pytest.raises(FormatError, match=message):
        read_data(tmp_path / "rows.npz")


# IDX


@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx_finds_its_labels(tmp_path, end):
    def pack(content):
        return gzip.compress(content) if end else content

    images = np.arange(20 * 4, dtype=np.uint8).reshape(20, 2, 2)
    (tmp_path / f"train-images-idx3-ubyte{end}").write_bytes(pack(idx(images)))
    assert read_data(tmp_path / f"train-images-idx3-ubyte{end}").y is None
    (tmp_path / f"train-labels-idx1-ubyte{end}").write_bytes(pack(idx(Y.astype(np.uint8))))
    found = read_data(tmp_path / f"train-images-idx3-ubyte{end}")
    assert (found.X.shape, found.image_shape, found.y.tolist()) == ((20, 4), (2, 2), Y.tolist())
    (tmp_path / "others.idx").write_bytes(idx((1 - Y).astype(np.uint8)))
    found = read_data(tmp_path / f"train-images-idx3-ubyte{end}", target="others.idx")
    assert found.y.tolist() == (1 - Y).tolist()


def test_a_folder_as_that_of_mnist_brings_its_test_part(tmp_path):
    for prefix, n in (("train", 20), ("t10k", 10)):
        images = np.full((n, 2, 2), n, np.uint8)
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(Y[:n].astype(np.uint8)))
    data = load_data(tmp_path)
    assert [len(data.y_train), len(data.y_val), len(data.y_test)] == [18, 2, 10]
    assert data.X_test[0, 0] == 10
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FormatError, match="found images and no labels for the part 'test'"):
        load_data(tmp_path)


def test_idx_of_floats_may_miss_no_value(tmp_path):
    values = X.copy()
    values[3, 1] = np.nan
    (tmp_path / "rows-idx2-float").write_bytes(idx(values))
    with pytest.raises(FormatError, match=r"row 3, column 1: found a missing value \(NaN\)"):
        read_data(tmp_path / "rows-idx2-float")
