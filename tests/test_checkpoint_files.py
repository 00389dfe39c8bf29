"""The bytes of a checkpoint, and what says that two trainings are the same: without training."""

import functools
import os

import numpy as np
import pytest
from safetensors.numpy import load_file

from fastnet import FormatError, Network
from fastnet.callbacks import EarlyStopping
from fastnet.checkpoints import format
from fastnet.checkpoints.folder import Folder, Where, files, read_newest
from fastnet.checkpoints.identity import describe_array, describe_settings, differences
from fastnet.exceptions import CheckpointError

TREE = {
    "epoch": 3,
    "loss": 0.1,
    "nothing": None,
    "large": 1 << 127,
    "text": "naïve\n",
    "list": [1, True, np.float32([1.5, -0.0])],
    "deep": {"vectors": [np.arange(3), np.zeros((2, 0)), np.array(2.5)], "empty": {}},
}


def same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    return type(one) is type(other) and one == other


def test_a_tree_comes_back(tmp_path):
    found = format.decode(format.encode(TREE), "x")
    assert same(found, TREE)
    swapped = format.decode(format.encode({"a": np.arange(3, dtype=">i4"), "b": np.eye(3)[:, 1:].T}), "x")
    np.testing.assert_array_equal(swapped["a"], [0, 1, 2])
    np.testing.assert_array_equal(swapped["b"], np.eye(3)[:, 1:].T)
    assert np.isnan(format.decode(format.encode({"best": np.nan}), "x")["best"])


def test_any_safetensors_reader_can_open_it(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(format.encode(TREE))
    assert set(load_file(path)) == {"list.2", "deep.vectors.0", "deep.vectors.1", "deep.vectors.2"}


def test_every_truncation_and_every_flipped_bit_is_found():
    data = format.encode({"epoch": 3, "vector": np.arange(4.0)})
    for length in range(len(data)):
        with pytest.raises(FormatError, match=r"^name: "):
            format.decode(data[:length], "name")
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError, match=r"^name: "):
            format.decode(bytes(damaged), "name")
    with pytest.raises(FormatError):
        format.decode(data + b"x", "name")


def forged(**metadata):
    from safetensors.numpy import save

    return save({"a": np.zeros(1)}, {"format": "fastnet checkpoint", "version": "1"} | metadata)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is no whole safetensors file"),
        (b"\x80\x04\x95pickle", "is no whole safetensors file"),
        (b"\xff" * 100, "is no whole safetensors file"),
        (forged(format="model"), "is no checkpoint of fastnet .format 'model'"),
        (forged(version="2"), "has format version '2'; this fastnet reads version 1"),
        (forged(), "is damaged: its SHA-256"),
    ],
)
def test_other_files_are_refused(data, text):
    with pytest.raises(FormatError, match=f"^name: {text}"):
        format.decode(data, "name")


@pytest.mark.parametrize("state", ["[" * 100_000, "{", "[1]", '{"a": {"__tensor__": "b"}}', "3"])
def test_a_forged_state_is_refused(state):
    text = format._digest(state, {"a": np.zeros(1)})
    with pytest.raises(FormatError, match="holds no state of a training"):
        format.decode(forged(state=state, sha256=text), "name")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, {2}]}, r"^a.1: a set can't be kept in a checkpoint"),
        ({"a": {1: 2}}, "^a: keys of a dict in a checkpoint must be strings, got 1"),
        ({"a": np.array(["x"])}, "^a: an array of dtype <U1 can't be kept"),
        ({"a": 1j}, "^a: a complex can't be kept"),
    ],
)
def test_what_can_not_be_kept_is_refused(value, text):
    with pytest.raises(TypeError, match=text):
        format.encode(value)


# -- a folder ------------------------------------------------------------------------------------------


def test_names_follow_the_training(tmp_path):
    for where in (Where(2), Where(0, 5), Where(1, 12345), Where(1), Where(1_000_000, 3)):
        (tmp_path / where.file_name).touch()
    (tmp_path / "other.safetensors").touch()
    assert [where for where, _ in files(tmp_path)] == [(1_000_000, 3), (2, 0), (1, 12345), (1, 0), (0, 5)]
    assert [str(Where(1)), str(Where(2, 7))] == ["1 epoch", "2 epochs and 7 minibatches"]


def test_older_files_go_only_when_newer_ones_are_there(tmp_path, monkeypatch):
    with Folder(tmp_path) as folder:
        for epoch, score in enumerate([3.0, 1.0, 1.0, None, 2.0, 2.0], 1):
            folder.write(Where(epoch), {"score": score})
        assert [where.epoch for where, _ in files(tmp_path)] == [6, 5, 2]

        def fail(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(CheckpointError, match=r"000007.safetensors: .*: no space left .* good one is that after 6"):
            folder.write(Where(7), {"score": 0.0})
    assert sorted(os.listdir(tmp_path)) == [".lock", *sorted(path.name for _, path in files(tmp_path))]
    assert [where.epoch for where, _ in files(tmp_path)] == [6, 5, 2]


def test_damaged_files_do_not_count_as_kept(tmp_path):
    with Folder(tmp_path) as folder:
        for epoch in (1, 2, 3):
            folder.write(Where(epoch), {"score": float(epoch)})
    (tmp_path / Where(3).file_name).write_bytes(b"damaged")
    with Folder(tmp_path) as folder:
        with pytest.warns(UserWarning, match="000003.safetensors: is no whole safetensors file"):
            path, _ = folder.newest(lambda *_: None)
        assert path.name == Where(2).file_name
        folder.write(Where(2, 5), {})
        assert [where for where, _ in files(tmp_path)] == [(3, 0), (2, 5), (2, 0), (1, 0)]
        folder.write(Where(3), {})
        assert [where for where, _ in files(tmp_path)] == [(3, 0), (2, 5), (1, 0)]
    assert read_newest(tmp_path)[0].name == Where(3).file_name


def test_a_folder_has_one_owner(tmp_path):
    with Folder(tmp_path), pytest.raises(CheckpointError, match=f"is in use by process {os.getpid()} on .*, since 20"):
        Folder(tmp_path).__enter__()
    with Folder(tmp_path / "new" / "one"):
        pass
    with Folder(tmp_path):
        (tmp_path / ".lock").write_bytes(b"")
        with pytest.raises(CheckpointError, match="is in use by another process"):
            Folder(tmp_path).__enter__()


# -- what a training is --------------------------------------------------------------------------------


def test_small_arrays_are_known_whole_and_in_any_layout():
    X = np.random.default_rng(0).random((100, 7))
    known = describe_array(X)
    assert known["shape"] == [100, 7]
    assert describe_array(np.asfortranarray(X)) == known
    assert describe_array(np.repeat(X, 2, axis=1)[:, ::2]) == known
    for place in ((0, 0), (57, 3), (99, 6)):
        other = X.copy()
        other[place] += 1e-9
        assert describe_array(other)["content"] != known["content"]
    assert describe_array(X.astype(np.float32))["content"] != known["content"]
    assert describe_array(np.zeros(0)) is None


def test_large_arrays_are_known_by_some_rows():
    """16 TB that are nowhere: what is read does not grow with the data."""
    X = np.lib.stride_tricks.as_strided(np.arange(2000.0), (1 << 30, 2000), (0, 8))
    assert describe_array(X)["shape"] == [1 << 30, 2000]
    labels = np.zeros(2_000_000, np.int64)
    known = describe_array(labels)
    labels[-1] = 1
    assert describe_array(labels) != known


def test_sparse_matrices_are_known_by_their_parts():
    import scipy.sparse

    X = scipy.sparse.random_array((50, 20), density=0.1, format="csr", rng=np.random.default_rng(0))
    other = X.copy()
    other.data[3] += 1
    assert describe_array(X) == describe_array(X.copy()) != describe_array(other)


def test_differences():
    one = {"a": 1, "b": {"c": [1, 2], "d": None}, "seed": 0, "e": {"x": 1}}
    assert differences(one, one) == []
    assert differences(one, {"a": 1, "b": {"c": [1, 2], "d": None}, "seed": None, "e": {"x": 1}}) == []
    other = {"a": 2, "b": {"c": [1], "d": "f"}, "seed": 1, "e": None}
    assert differences(one, other) == [
        "a: 1 in the checkpoint, 2 now",
        "b.c: [1, 2] in the checkpoint, [1] now",
        "b.d: none in the checkpoint, 'f' now",
        "seed: 0 in the checkpoint, 1 now",
        "e: 1 in the checkpoint, none now",
    ]


class Halving:
    def __call__(self, epoch):
        return 0.5**epoch


def test_settings_are_described_without_addresses():
    settings = {"one": Halving(), "two": np.sin, "three": functools.partial(max, 1), "four": (0.1, 2), "five": len}
    described = describe_settings(Network([2, 3]), settings, [EarlyStopping()])
    assert described["one"] == "test_checkpoint_files.Halving"
    assert described["three"] == "partial(builtins.max, (1,), {})"
    assert described["four"] == [0.1, 2]
    assert described["network"]["layer_sizes"] == [2, 3]
    assert "restore_best=True" in described["callbacks with a state"][0]
    assert " at 0x" not in str(described)
