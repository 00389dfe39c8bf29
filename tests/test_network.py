"""Network: construction, views, predictions, scores, preprocessing, refusals."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import reference_net

import fastnet
from fastnet import DivergenceError, Network, Trainer
from fastnet.network import Preprocessing


@pytest.fixture
def network():
    return Network([4, 5, 3], seed=0)


@pytest.fixture
def X():
    return np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)


def test_parameters_are_one_vector_with_views(network):
    assert network.n_parameters == network.parameters.size == 4 * 5 + 5 * 3 + 5 + 3
    assert [w.shape for w in network.weights] == [(4, 5), (5, 3)]
    assert [b.shape for b in network.biases] == [(5,), (3,)]
    network.weights[1][2, 1] = 42
    network.biases[0][4] = 43
    assert network.parameters[4 * 5 + 2 * 3 + 1] == 42
    assert network.parameters[4 * 5 + 5 * 3 + 4] == 43


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_initial_weights(activation):
    network = Network([400, 300, 10], activation, seed=0)
    spread = np.sqrt((2 if activation == "relu" else 1) / 400)
    assert network.weights[0].std() == pytest.approx(spread, rel=0.01)
    assert network.weights[1].std() == pytest.approx(1 / np.sqrt(300), rel=0.05)
    assert not network.biases[0].any()
    again, other = Network([400, 300, 10], activation, seed=0), Network([400, 300, 10], activation, seed=1)
    assert np.array_equal(network.parameters, again.parameters)
    assert not np.array_equal(network.parameters, other.parameters)


def test_parameter_counts_of_the_articles():
    assert Network([2, 5, 2]).n_parameters == 27
    assert Network([784, 10, 10]).n_parameters == 7_960
    assert Network([784, 300, 10]).n_parameters == 238_510


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_predictions_equal_the_oracle(output, X):
    network = Network([4, 5, 3], output=output, dtype="float64", seed=0)
    params = network.weights, network.biases
    logits = reference_net.forward(params, X.astype(float), "tanh")[-1]
    np.testing.assert_allclose(network.decision_function(X), logits, rtol=1e-12, atol=1e-13)
    if output == "identity":
        np.testing.assert_allclose(network.predict(X), logits, rtol=1e-12, atol=1e-13)
        with pytest.raises(ValueError, match="predict_proba needs output='softmax' or 'sigmoid'"):
            network.predict_proba(X)
        return
    np.testing.assert_allclose(network.predict_proba(X), reference_net.OUTPUTS[output](logits), rtol=1e-12)
    expected = logits.argmax(axis=1) if output == "softmax" else (logits > 0).astype(int)
    np.testing.assert_array_equal(network.predict(X), expected)


def test_scores(X):
    softmax = Network([4, 3], seed=0)
    y = softmax.predict(X)
    assert softmax.score(X, y) == 1.0
    y[0] = (y[0] + 1) % 3
    assert softmax.score(X, y) == 0.95
    one_label = Network([4, 1], output="sigmoid", seed=0)
    assert one_label.predict(X).shape == (20,)
    assert one_label.score(X, one_label.predict(X)) == 1.0
    labels = Network([4, 2], output="sigmoid", seed=0)
    targets = labels.predict(X)
    targets[:5, 0] ^= 1
    assert labels.score(X, targets) == 0.75
    numbers = Network([4, 2], output="identity", seed=0)
    assert numbers.score(X, numbers.predict(X)) == 1.0
    assert numbers.score(X, np.tile(numbers.predict(X).mean(axis=0), (20, 1))) < 1


def test_no_rows_give_no_predictions(network):
    assert network.predict_proba(np.zeros((0, 4))).shape == (0, 3)


def test_layer_by_layer_activations():
    network = Network([4, 5, 6, 3], ["tanh", "relu"], dtype="float64", seed=0)
    x = np.random.default_rng(0).standard_normal((3, 4))
    hidden = np.maximum(np.tanh(x @ network.weights[0]) @ network.weights[1], 0)
    np.testing.assert_allclose(network.decision_function(x), hidden @ network.weights[2], rtol=1e-12)


def test_preprocessing_is_fixed_by_the_first_fit(X):
    network, y = Network([4, 3], seed=0), np.arange(20) % 3
    raw = (X * 20 + 100).clip(0, 255).astype(np.uint8)
    Trainer(network, batch_size=10).fit(raw, y, epochs=1)
    first = network.preprocessing
    assert first.scale == 1 / 255
    np.testing.assert_allclose(first.mean, raw.mean(axis=0) / 255, rtol=1e-6)
    Trainer(network, batch_size=10).fit(raw // 2, y, epochs=1)
    assert network.preprocessing is first
    Trainer(network, batch_size=10).fit(raw // 2, y, epochs=1, reset_preprocessing=True)
    np.testing.assert_allclose(network.preprocessing.mean, (raw // 2).mean(axis=0) / 255, rtol=1e-6)


def test_other_kinds_of_data_are_taken_as_scaled_and_warn_once(X):
    network, y = Network([4, 3], seed=0), np.arange(20) % 3
    raw = (X * 20 + 100).clip(0, 255).astype(np.uint8)
    Trainer(network, batch_size=10).fit(raw, y, epochs=1)
    with pytest.warns(UserWarning, match="X has dtype float64, but the network was trained on uint8 data"):
        scaled = network.predict_proba(raw / 255)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.predict_proba(raw / 255)
    np.testing.assert_allclose(scaled, network.predict_proba(raw), rtol=1e-5)


def test_inputs_are_never_written(X, network):
    X.flags.writeable = False
    y = np.arange(20) % 3
    y.flags.writeable = False
    before = X.copy()
    Trainer(network, batch_size=10).fit(X, y, epochs=1)
    network.predict_proba(X)
    network.loss_and_gradients(X, y)
    np.testing.assert_array_equal(X, before)


def broken(X, row, column, value):
    X = X.copy()
    X[row, column] = value
    return X


BAD_INPUTS = {
    "one dimension": (lambda X: X[0], ValueError, r"X must have 2 dimensions.*Reshape your data"),
    "features": (lambda X: X[:, :3], ValueError, "X has 3 features, but the network expects 4"),
    "NaN": (lambda X: broken(X, 17, 3, np.nan), ValueError, r"Input X contains NaN. First at row 17, column 3"),
    "infinity": (lambda X: broken(X, 0, 1, -np.inf), ValueError, "Input X contains infinity. First at row 0, column 1"),
    "range": (
        lambda X: broken(X.astype(float), 2, 0, 1e300),
        ValueError,
        r"X: value 1e\+300 at row 2, column 0 does not fit float32",
    ),
    "complex": (lambda X: X.astype(complex), ValueError, "Complex data not supported: X"),
    "strings": (lambda X: X.astype(str), TypeError, "X must hold numbers"),
    "objects": (lambda X: np.full((20, 4), object()), TypeError, "X must hold numbers"),
    "ragged": (lambda X: [[1, 2, 3, 4], [1]], ValueError, "X can't be made an array"),
    "masked": (lambda X: np.ma.masked_array(X, X > 0), TypeError, "X is a masked array"),
    "long double": (lambda X: X.astype(np.longdouble), TypeError, "X must hold numbers"),
    "dates": (lambda X: X.astype("datetime64[s]"), TypeError, "X must hold numbers"),
}


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function", "score", "loss_and_gradients"])
@pytest.mark.parametrize("bad", BAD_INPUTS)
def test_bad_inputs_are_refused(network, X, method, bad):
    spoil, kind, text = BAD_INPUTS[bad]
    before = network.parameters.copy()
    args = (np.zeros(20, int),) if method in ("score", "loss_and_gradients") else ()
    with pytest.raises(kind, match=text):
        getattr(network, method)(spoil(X), *args)
    np.testing.assert_array_equal(network.parameters, before)


BAD_NETWORKS = [
    ({"layer_sizes": [4]}, ValueError, "layer_sizes needs at least inputs and outputs"),
    ({"layer_sizes": "784-10"}, TypeError, "layer_sizes must be a sequence of ints"),
    ({"layer_sizes": [4, 0, 2]}, ValueError, r"layer_sizes\[1\] must be >= 1, got 0"),
    ({"layer_sizes": [4, 2.5]}, TypeError, r"layer_sizes\[1\] must be an int, got float 2.5"),
    ({"layer_sizes": [4, True]}, TypeError, r"layer_sizes\[1\] must be an int, got bool True"),
    ({"layer_sizes": [784, 10**12, 10]}, ValueError, "need 795,000,000,000,010 parameters .* GiB"),
    ({"activation": "tahn"}, ValueError, "activation must be one of .* got 'tahn'. Did you mean 'tanh'"),
    ({"activation": ["tanh", "relu"]}, ValueError, "activation must be one name or 1"),
    ({"output": "sofmax"}, ValueError, "Did you mean 'softmax'"),
    ({"dtype": "float16"}, ValueError, "dtype must be 'float32' or 'float64', got 'float16'"),
    ({"dtype": "floaty"}, ValueError, "dtype must be 'float32' or 'float64', got 'floaty'"),
]


@pytest.mark.parametrize(("change", "kind", "text"), BAD_NETWORKS)
def test_bad_networks_are_refused(change, kind, text):
    with pytest.raises(kind, match=text):
        Network(**{"layer_sizes": [4, 5, 3], **change})


def test_two_threads_predict_at_once(X):
    from concurrent.futures import ThreadPoolExecutor

    network = Network([4, 50, 3], seed=0)
    expected = network.predict_proba(X)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: network.predict_proba(X), range(50)):
            np.testing.assert_array_equal(found, expected)


def test_public_names():
    assert fastnet.Network is Network
    for name in fastnet.__all__:
        assert getattr(fastnet, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Netwrok'"):
        _ = fastnet.Netwrok


@pytest.mark.parametrize("copy", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_copies_keep_their_views(network, X, copy):
    network.preprocessing = Preprocessing(np.ones(4), 1.0, "float")
    other = copy(network)
    np.testing.assert_array_equal(other.predict_proba(X), network.predict_proba(X))
    other.weights[0][:] = 0
    assert not other.parameters[:20].any()
    assert network.parameters[:20].all()


def test_assignments_copy_into_the_vector(network):
    vector = network.parameters
    network.parameters = np.arange(vector.size)
    network.weights[1] = np.full((5, 3), 7)
    assert network.parameters is vector
    assert (vector[20:35] == 7).all()
    assert vector[0] == 0
    assert vector[19] == 19
    for value, text in ((np.zeros(3), r"parameters must have shape \(43,\), got shape \(3,\)"),):
        with pytest.raises(ValueError, match=text):
            network.parameters = value
    with pytest.raises(ValueError, match=r"expected one array of shape \(4, 5\), got shape \(5, 4\)"):
        network.weights[0] = np.zeros((5, 4))
    for name in ("layer_sizes", "weights", "dtype"):
        with pytest.raises(AttributeError):
            setattr(network, name, None)
    with pytest.raises(ValueError, match=r"preprocessing.mean must have shape \(4,\)"):
        network.preprocessing = Preprocessing(np.ones(3), 1.0, "float")


def test_a_network_that_is_not_finite_says_so(network, X):
    network.weights[0][0, 0] = np.nan
    with pytest.raises(DivergenceError, match="output for sample 0 is not finite"):
        network.predict(X)
    with pytest.raises(DivergenceError, match="the loss is not finite"):
        network.loss_and_gradients(X, np.zeros(20, int))


@pytest.mark.parametrize(
    ("weights", "kind", "text"),
    [
        (np.full(20, 1e308), ValueError, "sample_weight must have a finite sum"),
        (np.zeros(20), ValueError, "sample_weight must hold at least one weight above zero"),
        (-np.ones(20), ValueError, "sample_weight must not be negative, got -1 at index 0"),
        (np.ones(19), ValueError, r"sample_weight must have shape \(20,\)"),
        (["a"] * 20, TypeError, "sample_weight must hold numbers"),
    ],
)
def test_bad_weights_are_refused(network, X, weights, kind, text):
    with pytest.raises(kind, match=text):
        network.loss_and_gradients(X, np.zeros(20, int), weights)
