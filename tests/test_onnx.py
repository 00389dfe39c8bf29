"""Exported models give in onnxruntime what they give here."""

import json
import sys

import numpy as np
import pytest

from fastnet import Network
from fastnet.models import NumpyClassifier, NumpyNetwork, NumpyRegressor
from fastnet.models.formulas import ACTIVATIONS, OUTPUTS
from fastnet.models.onnx_export import build
from fastnet.models.parts import ModelParts, parts_of
from fastnet.preprocessing import Preprocessing

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6)).astype(np.float32)


def run(model, rows):
    """Outputs by name; ``model`` is a file or an ``onnx.ModelProto``."""
    data = model.read_bytes() if hasattr(model, "read_bytes") else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return dict(zip([out.name for out in session.get_outputs()], session.run(None, {"X": rows}), strict=True))


def network(sizes=(6, 8, 7, 3), **settings):
    return Network(sizes, seed=0, bias_init="normal", **settings)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation, dtype):
    parts = parts_of(network(activation=activation, dtype=dtype))
    got = run(build(parts), X.astype(dtype))
    expected = NumpyNetwork(parts)
    assert got["probabilities"].dtype == dtype
    exact = dtype == "float64" and activation != "gelu"
    np.testing.assert_allclose(got["probabilities"], expected.predict_proba(X), rtol=0, atol=1e-12 if exact else 1e-6)
    assert np.array_equal(got["label"], expected.predict(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_outputs(output, n_outputs, dtype):
    net = network((6, 4, n_outputs), output=output, dtype=dtype)
    parts = parts_of(net)
    got, expected = run(build(parts), X.astype(dtype)), NumpyNetwork(parts)
    if output == "identity":
        np.testing.assert_allclose(got["predictions"], expected.decision_function(X), atol=1e-6)
        return
    np.testing.assert_allclose(got["probabilities"], expected.predict_proba(X), rtol=0, atol=1e-6)
    assert np.array_equal(got["label"], expected.predict(X))


PREPROCESSINGS = {
    "pixels": (Preprocessing(RNG.random(6), 1 / 255, "uint8"), "uint8"),
    "factors of pixels": (Preprocessing(RNG.random(6), 1 / 255, "uint8", RNG.random(6)), "uint8"),
    "large means": (Preprocessing(np.full(6, 1e3), 1.0, "float", np.full(6, 7.0)), None),
    "PCA": (Preprocessing(RNG.random(9), 0.5, "float", RNG.random(9), RNG.standard_normal((9, 6))), None),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_preprocessing_is_part_of_the_graph(name, dtype):
    net = network(dtype=dtype)
    net.preprocessing, kind = PREPROCESSINGS[name]
    parts = parts_of(net)
    rows = RNG.integers(0, 256, (40, parts.n_features)).astype(kind or dtype)
    if name == "large means":
        rows = (rows / 128 + 1e3 / 7).astype(dtype)
    got = run(build(parts), rows)["probabilities"]
    np.testing.assert_allclose(got, NumpyNetwork(parts).predict_proba(rows), rtol=0, atol=1e-6)


@pytest.mark.parametrize("taken", ["float32", "float64"])
def test_pixels_as_floats_are_already_scaled(taken):
    net = network()
    net.preprocessing = PREPROCESSINGS["pixels"][0]
    parts, pixels = parts_of(net), RNG.integers(0, 256, (40, 6), dtype=np.uint8)
    got = run(build(parts, taken), (pixels / 255).astype(taken))["probabilities"]
    np.testing.assert_allclose(got, run(build(parts), pixels)["probabilities"], atol=1e-6)


@pytest.mark.parametrize("labels", [["x", "ü", "z"], [3, 5, 8], [0.5, 1.5, 2.5], np.array(["x", "y", "z"], object)])
def test_labels_are_the_classes(labels):
    net = network()
    net.classes = labels
    got = run(build(parts_of(net)), X)["label"]
    assert got.tolist() == net.classes[NumpyNetwork(parts_of(net)).predict(X)].tolist()


def test_two_classes_of_one_sigmoid():
    net = network((6, 1), output="sigmoid")
    net.classes = ["no", "yes"]
    got = run(build(parts_of(net)), X)
    assert got["label"].tolist() == net.classes[NumpyNetwork(parts_of(net)).predict(X)].tolist()
    assert got["probabilities"].shape == (40, 1)


def estimator_parts(output, n_outputs, classes=None, dtype=np.float64):
    sizes = [(6, 5), (5, n_outputs)]
    weights = [RNG.standard_normal(shape).astype(dtype) for shape in sizes]
    biases = [RNG.standard_normal(shape[1]).astype(dtype) for shape in sizes]
    return ModelParts(weights, biases, ("relu",), output, classes=None if classes is None else np.array(classes))


@pytest.mark.parametrize(
    ("output", "n_outputs", "classes"),
    [
        ("softmax", 3, ["a", "b", "c"]),
        ("sigmoid", 1, ["no", "yes"]),
        ("sigmoid", 1, [True, False]),
        ("sigmoid", 1, [7]),
        ("sigmoid", 3, [0, 1, 2]),
    ],
)
def test_classifiers(output, n_outputs, classes):
    parts = estimator_parts(output, n_outputs, classes)
    got, expected = run(build(parts, None, 2), X.astype(np.float64)), NumpyClassifier(parts)
    np.testing.assert_allclose(got["probabilities"], expected.predict_proba(X), rtol=0, atol=1e-6)
    assert np.array_equal(got["label"], expected.predict(X))


@pytest.mark.parametrize("output", ["identity", "exp"])
def test_regressors(output):
    parts = estimator_parts(output, 2, dtype=np.float32)
    got = run(build(parts), X)["predictions"]
    np.testing.assert_allclose(got, NumpyRegressor(parts).predict(X), rtol=1e-5, atol=1e-6)


def test_the_compiled_network_and_its_file_agree(tmp_path):
    net = network((6, 8, 3))
    net.preprocessing, net.classes = PREPROCESSINGS["pixels"][0], ["a", "b", "c"]
    net.feature_names = [f"column {i}" for i in range(6)]
    net.to_onnx(tmp_path / "model.onnx")
    pixels = RNG.integers(0, 256, (40, 6), dtype=np.uint8)
    got = run(tmp_path / "model.onnx", pixels)
    np.testing.assert_allclose(got["probabilities"], net.predict_proba(pixels), rtol=0, atol=1e-6)
    assert got["label"].tolist() == net.classes[net.predict(pixels)].tolist()
    model = onnx.load(str(tmp_path / "model.onnx"))
    assert model.producer_name == "fastnet"
    assert json.loads(model.metadata_props[0].value)[5] == "column 5"


def test_the_same_model_gives_the_same_bytes():
    assert build(parts_of(network())) == build(parts_of(network()))


def test_all_outputs_are_tested():
    assert set(OUTPUTS) == {"softmax", "sigmoid", "identity", "exp"}


def test_errors(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="input_dtype must be one of 'uint8', 'float32', 'float64', got 'int8'"):
        network().to_onnx(tmp_path / "x", input_dtype="int8")
    with pytest.raises(FileNotFoundError):
        network().to_onnx(tmp_path / "missing" / "x")
    monkeypatch.setattr("fastnet.models.onnx_export._MAX_BYTES", 100)
    with pytest.raises(ValueError, match="the weights take 572 bytes; an ONNX file holds at most 100"):
        network().to_onnx(tmp_path / "x")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"needs the package onnx, .*pip install 'fastnet-numba\[onnx\]'"):
        network().to_onnx(tmp_path / "x")
    assert not list(tmp_path.iterdir())
