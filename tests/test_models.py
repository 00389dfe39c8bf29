"""Model files: what comes back is what was saved, and nothing that a file may lie about is believed."""

import hashlib
import json
import os
import pickle
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from model_lies import refused, rewritten, sign

import fastnet
from fastnet import FormatError, Network
from fastnet.models import file as model_file
from fastnet.preprocessing import Preprocessing

RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 3)).astype(np.float32)
FULL = Preprocessing(np.array([0.5, -1, 2.0]), 1 / 255, "uint8", np.array([1, 0.1, 10.0]), RNG.standard_normal((3, 4)))


def network(preprocessing=FULL, activation=("tanh", "relu"), **settings):
    n_inputs = 3 if preprocessing is None else preprocessing.n_outputs
    net = Network([n_inputs, 5, 4, 2], activation=activation, seed=1, **settings)
    net.parameters = RNG.standard_normal(net.n_parameters)
    net.preprocessing = preprocessing
    return net


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def saved(path, net=None):
    (net or network()).save(path)
    return path.read_bytes()


# -- what comes back -----------------------------------------------------------------------------------

PREPROCESSINGS = {
    "none": None,
    "mean": Preprocessing(np.array([0.5, -1, 2.0]), 1.0, "float"),
    "factors": Preprocessing(np.zeros(3), 1 / 255, "uint8", np.array([1, 0, 10.0])),
    "all": FULL,
}


@pytest.mark.parametrize("name", PREPROCESSINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_parts_come_back(path, name, dtype):
    net = network(PREPROCESSINGS[name], dtype=dtype, output="sigmoid")
    net.classes, net.feature_names = ["grün", "red\0\n"], ["a", "b", 'c"\\']
    net.save(path)
    got = fastnet.load(path)
    assert repr(got) == repr(net)
    assert got.activations == net.activations
    assert got.parameters.tobytes() == net.parameters.tobytes()
    assert got.classes.tolist() == net.classes.tolist()
    assert got.feature_names == net.feature_names
    if net.preprocessing is None:
        assert got.preprocessing is None
        return
    assert (got.preprocessing.scale, got.preprocessing.kind) == (net.preprocessing.scale, net.preprocessing.kind)
    for part in ("mean", "factors", "components"):
        a, b = getattr(got.preprocessing, part), getattr(net.preprocessing, part)
        assert (a is None) == (b is None)
        assert a is None or (a.dtype == b.dtype == net.dtype and np.array_equal(a, b))


def test_the_same_bits_are_predicted(path):
    rows = RNG.integers(0, 255, (50, 3), dtype=np.uint8)
    net = network()
    net.save(path)
    assert fastnet.load(path).decision_function(rows).tobytes() == net.decision_function(rows).tobytes()


def test_training_goes_on(path):
    y = (X[:, 0] > 0).astype(int)
    net = Network([3, 5, 2], seed=0)
    fastnet.Trainer(net, seed=0).fit(X, y, epochs=1)
    net.save(path)
    again = fastnet.load(path)
    for each in (net, again):
        fastnet.Trainer(each, seed=1).fit(X, y, epochs=2)
    assert again.parameters.tobytes() == net.parameters.tobytes()
    assert np.array_equal(again.preprocessing.mean, net.preprocessing.mean)


@pytest.mark.parametrize(
    "labels",
    [
        ["no", "yes"],
        [3, 7],
        [2**53 + 1, 2**62],
        [0.1, 0.2],
        [True, False],
        np.array([1, 255], np.uint8),
        np.array([0.1, 0.3], np.float32),
    ],
)
def test_classes_of_any_kind(path, labels):
    net = network()
    net.classes = labels
    net.save(path)
    got = fastnet.load(path).classes
    assert got.dtype == net.classes.dtype
    assert got.tolist() == np.asarray(labels).tolist()


def test_the_same_model_gives_the_same_bytes(path):
    net = network()
    net.feature_names = ["a", "b", "c"]
    first = saved(path, net)
    assert all(saved(path, net) == first for _ in range(10))
    assert saved(path, fastnet.load(path)) == first


def test_a_file_may_be_replaced_by_its_own_model(path):
    first = saved(path)
    fastnet.load(path).save(path)
    assert path.read_bytes() == first
    assert os.listdir(path.parent) == [path.name]


def test_the_mode_is_that_of_the_umask(path):
    before = os.umask(0o027)
    try:
        network().save(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_other_programs_can_read_it(path):
    net = network()
    data = saved(path, net)
    tensors = safetensors.numpy.load_file(path)
    assert np.array_equal(tensors["weights.2"], net.weights[2])
    assert np.array_equal(tensors["preprocessing.components"], net.preprocessing.components)
    with safetensors.safe_open(path, "np") as file:
        metadata = file.metadata()
    assert (metadata["format"], metadata["format_version"], metadata["kind"]) == ("fastnet", "1", "Network")
    assert json.loads(metadata["config"])["layer_sizes"] == [4, 5, 4, 2]
    blank = data.replace(metadata["sha256"].encode(), b"0" * 64)
    assert hashlib.sha256(blank).hexdigest() == metadata["sha256"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_can_not_be_loaded_is_not_saved(path, value):
    net = network()
    old = saved(path, net)
    net.weights[1][2, 3] = value
    with pytest.raises(ValueError, match=r"tensor 'weights.1' contains (NaN|infinity).*row 2, column 3"):
        net.save(path)
    net = network(Preprocessing(np.array([0, value, 0]), 1.0, "float"))
    with pytest.raises(ValueError, match=r"tensor 'preprocessing.mean' contains (NaN|infinity)"):
        net.save(path)
    assert path.read_bytes() == old


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing/m\.safetensors"):
        network().save(tmp_path / "missing" / "m.safetensors")
    with pytest.raises(FileNotFoundError):
        fastnet.load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        fastnet.load(tmp_path)


def test_an_unknown_backend(path):
    with pytest.raises(ValueError, match="backend must be one of 'numba', 'numpy', got 'torch'"):
        fastnet.load(path, backend="torch")


# -- damage --------------------------------------------------------------------------------------------


def small():
    net = Network([1, 1], output="identity", seed=0)
    net.preprocessing = Preprocessing(np.ones(1), 1.0, "float")
    return net


def is_refused(path):
    try:
        fastnet.load(path, backend="numpy")
    except FormatError as error:
        return str(error).startswith(f"{path}: ")
    return False


def test_every_truncation(path):
    data = saved(path, small())
    for n in reversed(range(len(data))):
        os.truncate(path, n)
        assert is_refused(path), f"{n} bytes"
    refused(path, data + b"\0")
    refused(path, data + bytes(4096))


def test_every_flipped_bit(path):
    data = saved(path, small())
    assert len(data) < 1000
    with open(path, "r+b", buffering=0) as file:  # opening it anew for each of 4,704 bits would take 10 s
        for place, byte in enumerate(data):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([byte ^ 1 << bit]), place)
                assert is_refused(path), f"bit {bit} of byte {place}"
            os.pwrite(file.fileno(), bytes([byte]), place)
    fastnet.load(path, backend="numpy")


# -- files of another kind -----------------------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch canary",))


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_in_disguise(path, protocol, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    refused(path, pickle.dumps(Bomb(), protocol), "is a pickle" if protocol >= 2 else None)
    assert os.listdir(tmp_path) == [path.name]


def test_other_files_are_named(path, tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    np.save(tmp_path / "x.npy", np.zeros(3))
    refused(path, (tmp_path / "x.npz").read_bytes(), "is a zip archive, such as torch.save")
    refused(path, (tmp_path / "x.npy").read_bytes(), "is a NumPy array")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Bomb()))
    refused(path, path.read_bytes(), "zip")
    refused(path, b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5")
    refused(path, b"", "holds 0 bytes")
    refused(path, b"a,b,c\n1,2,3\n4,5,6\n", "does not begin with a safetensors header")


def test_a_fifo_is_not_waited_for(path):
    os.mkfifo(path)
    with pytest.raises(FormatError, match="not a regular file"):
        fastnet.load(path)


def test_safetensors_of_others(path):
    safetensors.numpy.save_file({"0.weight": X, "0.bias": X[0]}, path)
    text = refused(path, path.read_bytes(), r"not one that fastnet has saved")
    assert "0.bias" in text
    assert "from_torch_state_dict" in text


# -- lies, with a digest that is right -----------------------------------------------------------------


def meta(**fields):
    return lambda header, config: header["__metadata__"].update(fields)


def settings(**fields):
    return lambda header, config: config.update(fields)


def without(name):
    return lambda header, config: config.pop(name) and None


def reshaped(name, shape):
    return lambda header, config: header[name].update(shape=shape)


def retyped(name, dtype):
    return lambda header, config: header[name].update(dtype=dtype)


def renamed(old, new):
    return lambda header, config: header.update({new: header.pop(old)})


LIES = {
    "nothing": (lambda header, config: None, None),
    "newer": (
        meta(format_version="2", written_by="fastnet 3.0"),
        r"format version 2, written by fastnet 3.0; this is fastnet \d.*reads versions up to 1: upgrade",
    ),
    "version 0": (meta(format_version="0"), "format_version must be a number above 0, got '0'"),
    "version one": (meta(format_version="one"), "format_version must be a number"),
    "version digits": (meta(format_version="²"), "format_version must be a number"),
    "no version": (meta(format_version=None), "format_version must be a number"),
    "no kind": (meta(kind=None), "the header has no 'kind'"),
    "kind": (meta(kind="Forest"), "kind must be one of Network, .*got 'Forest'"),
    "no config": (meta(config=None), "the header has no 'config'"),
    "field": (meta(more="x"), "unknown field 'more'"),
    "no layer_sizes": (without("layer_sizes"), "config has no 'layer_sizes'"),
    "unknown setting": (settings(colour="red"), "unknown field 'colour'"),
    "layer_sizes": (settings(layer_sizes=3), "layer_sizes must be of type list, got 3"),
    "few sizes": (settings(layer_sizes=[3]), "at least inputs and outputs"),
    "float sizes": (settings(layer_sizes=[4.0, 5, 4, 2]), r"layer_sizes\[0\] must be an int"),
    "true sizes": (settings(layer_sizes=[True, 5, 4, 2]), r"layer_sizes\[0\] must be an int"),
    "huge sizes": (settings(layer_sizes=[10**15, 5, 4, 2]), r"'weights.0' must have shape \(1000000000000000, 5\)"),
    "zero size": (settings(layer_sizes=[4, 0, 4, 2]), r"layer_sizes\[1\] must be >= 1"),
    "no chain": (settings(layer_sizes=[4, 6, 4, 2]), r"'weights.0' must have shape \(4, 6\) and dtype float32, got"),
    "more layers": (settings(layer_sizes=[4, 5, 4, 2, 2], activations=["tanh"] * 3), "'weights.3' is missing"),
    "fewer layers": (settings(layer_sizes=[4, 5, 4], activations=["tanh"]), "not needed: 'biases.2'"),
    "dtype": (settings(dtype="float64"), "must have shape .* and dtype float64, got .* float32"),
    "dtype name": (settings(dtype="int8"), "dtype must be one of 'float32', 'float64', got 'int8'"),
    "output": (settings(output="softmax "), "output must be one of .*Did you mean 'softmax'"),
    "exp": (settings(output="exp"), "output 'exp' does not belong to Network"),
    "activation": (settings(activations=["tanh", "selu"]), r"activations\[1\] must be one of"),
    "activations": (settings(activations=["tanh"]), "activations must be 2, one a hidden layer, got 1"),
    "activation text": (settings(activations="tanh"), "activations must be of type list"),
    "names": (settings(feature_names=["a", "b"]), "feature_names must have 3 names"),
    "names of 3": (settings(feature_names=["a", "b", 3]), r"feature_names\[2\] must be a str"),
    "classes": (settings(classes={"dtype": "str", "values": ["a"]}), r"classes must have shape \(2,\)"),
    "equal classes": (settings(classes={"dtype": "str", "values": ["a", "a"]}), "differ from each other"),
    "class kinds": (settings(classes={"dtype": "str", "values": ["a", 1]}), "dtype str must be of type str.*got 1"),
    "class range": (settings(classes={"dtype": "int8", "values": [1, 300]}), "dtype int8|300|integer"),
    "class dtype": (settings(classes={"dtype": "O", "values": ["a", "b"]}), "unknown dtype 'O'"),
    "class list": (settings(classes=["a", "b"]), "classes must be of type dict or None"),
    "class lists": (settings(classes={"dtype": "str", "values": [["a"], ["b"]]}), "must be of type str"),
    "no preprocessing": (settings(preprocessing=None), r"not needed: 'preprocessing.components'"),
    "kind of data": (settings(preprocessing={"kind": "int", "scale": 1.0}), r"preprocessing.kind must be one of"),
    "scale": (settings(preprocessing={"kind": "float", "scale": "1"}), "scale must be of type int or float"),
    "more scale": (settings(preprocessing={"kind": "float", "scale": 1, "x": 2}), "unknown field 'x'"),
    "big scale": (settings(preprocessing={"kind": "float", "scale": 10**400}), r"scale must be a finite number"),
    "mean": (renamed("preprocessing.mean", "preprocessing.median"), "'preprocessing.mean' is missing"),
    "factors": (renamed("preprocessing.factors", "x"), "not needed: 'x'"),
    "shape": (reshaped("weights.0", [5, 4]), r"'weights.0' must have shape \(4, 5\).*got shape \(5, 4\)"),
    "size": (reshaped("weights.0", [4, 6]), "is damaged or cut off"),
    "overflow": (reshaped("weights.0", [2**40, 2**40]), "is damaged or cut off"),
    "dtype of tensor": (retyped("biases.0", "I32"), r"'biases.0' must have .* float32, got .* int32"),
    "unknown dtype": (retyped("biases.0", "F99"), "is damaged or cut off"),
    "dtype of size": (retyped("biases.0", "F64"), "is damaged or cut off"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies(path, lie):
    change, match = LIES[lie]
    network().save(path)
    data = rewritten(path, change)
    if match is None:
        path.write_bytes(data)
        fastnet.load(path, backend="numpy")
    else:
        refused(path, data, match)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["weights.0", "biases.1", "preprocessing.mean", "preprocessing.components"])
def test_numbers_that_are_none(path, name, value):
    network().save(path)
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    header, payload = data[8 : 8 + n], bytearray(data[8 + n :])
    start = json.loads(header)[name]["data_offsets"][0]
    payload[start : start + 4] = struct.pack("<f", value)
    refused(path, sign(header.rstrip(), payload), f"tensor '{name}' contains (NaN|infinity)")


def header_of(path):
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    return data[8 : 8 + n].rstrip(), data[8 + n :]


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (b'"kind":"Network"', b'"kind":"Network","kind":"Network"', "twice|duplicate"),
        (b'"biases.0":', b'"biases.0":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"biases.0":', "twice|damaged"),
        (b'\\"output\\":', b'\\"output\\":\\"identity\\",\\"output\\":', "config has 'output' twice"),
        (b'\\"scale\\":', b'\\"scale\\":NaN,\\"x\\":', "config holds NaN, which is not JSON"),
        (b'\\"scale\\":', b'\\"scale\\":1e999,\\"x\\":', "scale must be a finite number"),
        (b'\\"scale\\":', b'\\"scale\\":' + b"9" * 5000 + b',\\"x\\":', "4300 digits|Exceeds"),
        (b'\\"scale\\":', b'\\"scale\\":' + b"[" * 100_000 + b"]" * 100_000 + b',\\"x\\":', "nested too deeply"),
        (b'\\"scale\\":', b'\\"scale\\" ', "config is not JSON"),
        (b'"config":"{', b'"config":"[', "config is not JSON"),
        (b'"__metadata__":', b'"__metadata__" :', None),
        (b'"__metadata__":', b'"__metadata__":' + b'{"a":' * 100_000, "damaged"),
        (b'"sha256":"', b'"sha256" :"', "sha256 must be 64 hexadecimal digits, right behind their name"),
        (b'"biases.0":', b'"sha256":"', "damaged"),
    ],
)
def test_lies_of_the_header(path, old, new, match):
    network().save(path)
    header, payload = header_of(path)
    assert old in header
    changed = header.replace(old, new, 1)
    unsigned = struct.pack("<Q", len(changed)) + changed + payload
    data = sign(changed, payload) if b'"sha256":"' in changed else unsigned
    if match is None:
        path.write_bytes(data)
        fastnet.load(path, backend="numpy")
    else:
        refused(path, data, match)


def test_a_huge_header(path):
    network().save(path)
    data = path.read_bytes()
    refused(path, struct.pack("<Q", 2**63) + data[8:], "does not begin with a safetensors header")
    refused(path, struct.pack("<Q", 99_999_999) + data[8:], "is cut off: its header ends at byte 100,000,007")


def test_a_hole_between_tensors(path):
    network().save(path)
    header, payload = header_of(path)
    table = json.loads(header)
    last = max((v["data_offsets"][1], k) for k, v in table.items() if k != "__metadata__")[1]
    table[last]["data_offsets"] = [offset + 4 for offset in table[last]["data_offsets"]]
    refused(path, sign(json.dumps(table, separators=(",", ":")).encode(), payload + bytes(4)), "damaged or cut off")


# -- old files, and NumPy alone ------------------------------------------------------------------------

GOLDEN = Path(__file__).parent / "golden"


def test_golden_network():
    """A file of format version 1, written by ``tests/golden/make.py``: it must load forever."""
    net, expected = fastnet.load(GOLDEN / "network-1.safetensors"), json.loads((GOLDEN / "network-1.json").read_text())
    assert repr(net) == "Network(2-4-3-3, tanh/gelu, softmax, float32, 39 parameters)"
    rows = np.array(expected["X"], np.uint8)
    np.testing.assert_allclose(net.predict_proba(rows), expected["predict_proba"], rtol=2e-6)
    assert net.classes[net.predict(rows)].tolist() == expected["labels"]
    assert list(net.feature_names) == expected["feature_names"]


# Importing these is an error, then.
NOT_NEEDED = [
    "numba",
    "llvmlite",
    "scipy",
    "sklearn",
    "joblib",
    "threadpoolctl",
    "typer",
    "rich",
    "pooch",
    "platformdirs",
]


def test_numpy_alone_is_enough():
    code = (
        f"import sys\nsys.modules.update(dict.fromkeys({NOT_NEEDED!r}))\nimport numpy, fastnet\n"
        f"net = fastnet.load({str(GOLDEN / 'network-1.safetensors')!r}, backend='numpy')\n"
        f"model = fastnet.load({str(GOLDEN / 'classifier-1.safetensors')!r}, backend='numpy')\n"
        "net.predict(rows := numpy.ones((2, 3), 'uint8'), min_proba=0.1)\n"
        "net.predict_proba(rows), model.predict_proba([[1.0, 2.0, 3.0]])\n"
        "print(model.predict([[1.0, 2.0, 3.0]]))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.strip() in ("['high']", "['low']")


def test_version_and_fields_of_the_format():
    """A change here needs a new format version."""
    assert model_file.FORMAT_VERSION == 1
    assert model_file.KINDS == ("Network", "MLPClassifier", "MLPRegressor")
