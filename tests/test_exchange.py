"""Labels of a network; weights to torch and scikit-learn, and back."""

import copy
import pickle
import sys

import numpy as np
import pytest
from sklearn import neural_network

import fastnet
from fastnet import Network
from fastnet.models import NumpyNetwork
from fastnet.models.parts import folded, parts_of
from fastnet.preprocessing import Preprocessing

RNG = np.random.default_rng(0)


def logits(network, X):
    """In plain NumPy: nothing is compiled for these tests."""
    return NumpyNetwork(parts_of(network)).decision_function(X)


def network(sizes=(3, 5, 2), **settings):
    return Network(sizes, seed=0, bias_init="normal", **settings)


# -- labels --------------------------------------------------------------------------------------------


def test_classes_are_private_and_read_only():
    net, labels = network(), np.array(["no", "yes"])
    net.classes = labels
    labels[0] = "x"
    assert net.classes.tolist() == ["no", "yes"]
    with pytest.raises(ValueError, match="read-only"):
        net.classes[0] = "x"
    net.classes = np.array(["no", "yes"], object)
    assert net.classes.dtype.kind == "U"
    net.classes = None
    assert net.classes is None


def test_one_sigmoid_has_two_classes():
    net = network((3, 1), output="sigmoid")
    net.classes = ["no", "yes"]
    with pytest.raises(ValueError, match=r"classes must have shape \(2,\), one label a class, got shape \(1,\)"):
        net.classes = ["yes"]
    assert net.classes.tolist() == ["no", "yes"]


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (["a", "b", "c"], ValueError, r"classes must have shape \(2,\), one label a class, got shape \(3,\)"),
        ([["a", "b"]], ValueError, r"got shape \(1, 2\)"),
        ("ab", ValueError, r"got shape \(\)"),
        (["a", "a"], ValueError, "classes must differ from each other, got 'a' more than once"),
        ([1.0, np.nan], ValueError, "classes contains NaN"),
        (["a", None], TypeError, "classes must hold texts or numbers, got dtype object"),
        ([1j, 2], TypeError, "got dtype complex128"),
        ([b"a", b"b"], TypeError, "got dtype .S1"),
    ],
)
def test_other_classes_are_refused(value, error, match):
    net = network()
    with pytest.raises(error, match=match):
        net.classes = value
    assert net.classes is None


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (["a", "b"], ValueError, "feature_names must have 3 names, one a feature, got 2"),
        ("abc", TypeError, "feature_names must be a sequence of str, got str"),
        (["a", "b", 3], TypeError, r"feature_names\[2\] must be a str, got int 3"),
        (3, TypeError, "got int"),
    ],
)
def test_other_feature_names_are_refused(value, error, match):
    net = network()
    with pytest.raises(error, match=match):
        net.feature_names = value
    assert net.feature_names is None


def test_names_are_those_of_the_columns_of_X():
    net = network((2, 2))
    before = Preprocessing(np.zeros(4), 1.0, "float", None, np.ones((4, 2)))
    net.feature_names = ["a", "b"]
    with pytest.raises(ValueError, match="preprocessing is for 4 features, but feature_names has 2 names"):
        net.preprocessing = before
    assert net.preprocessing is None
    net.feature_names = None
    net.preprocessing = before
    net.feature_names = np.array(["a", "b", "c", "d"])
    assert net.feature_names == ("a", "b", "c", "d")


def test_copies_and_pickles_keep_labels():
    net = network()
    net.classes, net.feature_names = [1, 2], "abc"[:3].replace("", " ").split()
    for again in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert again.classes.tolist() == [1, 2]
        assert again.feature_names == ("a", "b", "c")


# -- torch ---------------------------------------------------------------------------------------------

PREPROCESSINGS = {
    "none": (None, np.float32),
    "pixels": (Preprocessing(RNG.random(3), 1 / 255, "uint8"), np.uint8),
    "factors": (Preprocessing(RNG.random(3), 2.0, "float", np.array([1, 0.1, 10.0])), np.float32),
    "PCA": (Preprocessing(RNG.random(6), 0.5, "float", RNG.random(6), RNG.standard_normal((6, 3))), np.float32),
}


@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_folding_changes_no_output(name):
    before, dtype = PREPROCESSINGS[name]
    net = network()
    net.preprocessing = before
    parts = folded(parts_of(net))
    X = RNG.integers(0, 256, (20, parts.n_features)).astype(dtype)
    got = NumpyNetwork(parts).decision_function(X.astype(np.float32))
    np.testing.assert_allclose(got, logits(net, X), rtol=1e-4, atol=1e-5)
    assert parts.preprocessing is None


@pytest.mark.parametrize("name", PREPROCESSINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_module_of_torch_gives_the_same_logits(name, dtype):
    torch = pytest.importorskip("torch")
    before, kind = PREPROCESSINGS[name]
    net = network((3, 5, 4, 2), activation=["tanh", "relu"], dtype=dtype)
    net.preprocessing = before
    state = net.to_torch_state_dict()
    assert list(state) == ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"]
    layers = [torch.nn.Linear(net.n_features, 5), torch.nn.Tanh(), torch.nn.Linear(5, 4), torch.nn.ReLU()]
    module = torch.nn.Sequential(*layers, torch.nn.Linear(4, 2)).to(getattr(torch, dtype))
    module.load_state_dict(state)
    X = RNG.integers(0, 256, (20, net.n_features)).astype(kind)
    with torch.no_grad():
        got = module(torch.from_numpy(X.astype(dtype))).numpy()
    np.testing.assert_allclose(got, logits(net, X), rtol=1e-4, atol=1e-4 if dtype == "float32" else 1e-12)


def test_weights_go_to_torch_and_back():
    pytest.importorskip("torch")
    net = network()
    net.preprocessing = PREPROCESSINGS["pixels"][0]
    state = net.to_torch_state_dict(fold_preprocessing=False)
    state["0.weight"].requires_grad_()
    again = Network.from_torch_state_dict(state, "tanh")
    assert repr(again) == repr(net)
    assert again.parameters.tobytes() == net.parameters.tobytes()
    assert again.preprocessing is None
    state["0.bias"] = state["0.bias"].bfloat16()
    assert Network.from_torch_state_dict(state, "tanh").dtype == np.float32


def test_state_dicts_of_arrays_need_no_torch():
    state = {f"{2 * i}.weight": RNG.standard_normal((2 + i, 1 + i)) for i in range(12)}
    state = dict(sorted(state.items()))  # as safetensors has them: "10.weight" before "2.weight"
    net = Network.from_torch_state_dict(state, "relu", output="identity")
    assert net.layer_sizes == tuple(range(1, 14))
    assert net.dtype == np.float64
    assert not net.biases[3].any()
    assert np.array_equal(net.weights[11], state["22.weight"].T)
    named = {"first.weight": np.ones((3, 2)), "first.bias": np.arange(3.0), "a.weight": np.ones((1, 3))}
    net = Network.from_torch_state_dict(named, ["gelu"], "sigmoid", "float32")
    assert repr(net) == "Network(2-3-1, gelu, sigmoid, float32, 13 parameters)"
    assert net.biases[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("state", "error", "match"),
    [
        ([1], TypeError, "state_dict must be a mapping of names to tensors, got list"),
        ({}, ValueError, "state_dict is empty"),
        (
            {"0.weight": np.ones((2, 1, 3, 3))},
            ValueError,
            r"Linear layers only, got '0.weight' of shape \(2, 1, 3, 3\)",
        ),
        ({"0.weight": np.ones((2, 3)), "1.running_mean": np.ones(2)}, ValueError, "got '1.running_mean'"),
        ({"0.bias": np.ones(2)}, ValueError, "got '0.bias'"),
        (
            {"0.weight": np.ones((2, 3)), "0.bias": np.ones(3)},
            ValueError,
            "'0.weight' has 2 outputs, but '0.bias' has 3",
        ),
        (
            {"0.weight": np.ones((2, 3)), "2.weight": np.ones((1, 4))},
            ValueError,
            "'0.weight' has 2 outputs, but '2.weight', taken as the next layer, has 4 inputs",
        ),
    ],
)
def test_other_state_dicts_are_refused(state, error, match):
    with pytest.raises(error, match=match):
        Network.from_torch_state_dict(state, "tanh")


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"to_torch_state_dict needs the package torch, .*: pip install torch"):
        network().to_torch_state_dict()


# -- scikit-learn --------------------------------------------------------------------------------------


def fitted(kind, y, **settings):
    X = RNG.standard_normal((60, 4))
    model = kind(hidden_layer_sizes=(5, 3), max_iter=2, random_state=0, **settings)
    with pytest.warns(match="(?i)maximum iterations"):
        model.fit(X, y)
    return model, X


LABELS = {
    "three": (np.repeat(["x", "y", "z"], 20), "softmax"),
    "two": (np.repeat([3, 5], 30), "sigmoid"),
    "several": (RNG.integers(0, 2, (60, 3)), "sigmoid"),
}


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("activation", ["tanh", "logistic"])
def test_networks_of_scikit_learns_classifiers(name, activation):
    y, output = LABELS[name]
    model, X = fitted(neural_network.MLPClassifier, y, activation=activation)
    net = Network.from_sklearn(model)
    assert (net.output, net.dtype) == (output, np.float64)
    numpy_net = NumpyNetwork(parts_of(net))
    p = numpy_net.predict_proba(X)
    np.testing.assert_allclose(p if name != "two" else np.hstack([1 - p, p]), model.predict_proba(X), atol=1e-12)
    labels = numpy_net.predict(X)
    assert np.array_equal(labels if name == "several" else net.classes[labels], model.predict(X))


def test_networks_of_regressors():
    model, X = fitted(neural_network.MLPRegressor, RNG.standard_normal(60), activation="relu")
    net = Network.from_sklearn(model, dtype="float32")
    assert (net.output, net.dtype, net.classes) == ("identity", np.float32, None)
    np.testing.assert_allclose(NumpyNetwork(parts_of(net)).predict(X), model.predict(X), rtol=1e-4, atol=1e-5)
    model.out_activation_ = "exp"
    with pytest.raises(ValueError, match="no exponential outputs"):
        Network.from_sklearn(model)


def test_only_fitted_perceptrons_become_networks():
    for other in (neural_network.MLPClassifier(), None, 3):
        with pytest.raises(TypeError, match="estimator must be a fitted MLPClassifier or MLPRegressor, got"):
            Network.from_sklearn(other)


def test_coefs_and_intercepts_out_and_in():
    net, other = network(), Network([3, 5, 2], seed=1)
    other.coefs_, other.intercepts_ = net.coefs_, net.intercepts_
    assert other.parameters.tobytes() == net.parameters.tobytes()
    assert all(a.base is b.base for a, b in zip(net.coefs_, net.weights, strict=True))
    before = net.parameters.copy()
    with pytest.raises(
        ValueError, match=r"coefs_ must have the shapes \[\(3, 5\), \(5, 2\)\], got \[\(3, 5\), \(2, 5\)\]"
    ):
        net.coefs_ = [np.zeros((3, 5)), np.zeros((2, 5))]
    with pytest.raises(ValueError, match="intercepts_ must have the shapes"):
        net.intercepts_ = [np.zeros(5)]
    assert np.array_equal(net.parameters, before)


def test_weights_of_a_network_in_scikit_learns_estimator():
    model, X = fitted(neural_network.MLPClassifier, LABELS["three"][0], activation="tanh")
    net = network((4, 5, 3, 3), dtype="float64")
    model.coefs_, model.intercepts_ = net.coefs_, net.intercepts_
    np.testing.assert_allclose(model.predict_proba(X), NumpyNetwork(parts_of(net)).predict_proba(X), atol=1e-12)


def test_fastnet_load_is_public():
    assert "load" in dir(fastnet)
