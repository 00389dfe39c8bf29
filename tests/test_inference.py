"""Plain NumPy predicts what compiled code predicts."""

import warnings

import numpy as np
import pytest
from reference_net import ACTIVATIONS as EXACT
from scipy.special import ndtr

import fastnet
from fastnet import DivergenceError, Network
from fastnet.losses import LOSS_OF_OUTPUT
from fastnet.models import NumpyNetwork
from fastnet.models.formulas import ACTIVATIONS
from fastnet.models.parts import parts_of
from fastnet.network import ACTIVATIONS as NAMES
from fastnet.preprocessing import Preprocessing

RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 3)).astype(np.float32)


def both(net=None, **settings):
    net = net or Network([3, 5, 2], seed=0, bias_init="normal", **settings)
    return net, NumpyNetwork(parts_of(net))


def test_all_activations_are_there():
    assert tuple(sorted(ACTIVATIONS)) == tuple(sorted(NAMES))
    assert {"softmax", "sigmoid", "identity"} == set(LOSS_OF_OUTPUT)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_formulas(name, dtype):
    x = np.concatenate([np.linspace(-30, 30, 1001), [0.0, -1e30, 1e30, 1e-30]]).astype(dtype)
    exact = x * ndtr(x.astype(np.float64)) if name == "gelu" else EXACT[name](x.astype(np.float64))
    got = ACTIVATIONS[name](x)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, exact, rtol=4e-6 if dtype == np.float32 else 1e-13, atol=1e-16)


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_predictions(output):
    net, plain = both(output=output)
    np.testing.assert_allclose(plain.decision_function(X), net.decision_function(X), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(plain.predict(X), net.predict(X), rtol=1e-5, atol=1e-6)
    if output == "identity":
        with pytest.raises(
            ValueError, match="predict_proba needs output='softmax' or 'sigmoid'; this model has 'ident"
        ):
            plain.predict_proba(X)
    else:
        np.testing.assert_allclose(plain.predict_proba(X), net.predict_proba(X), rtol=1e-5, atol=1e-6)
        assert np.array_equal(plain.predict(X, min_proba=0.7), net.predict(X, min_proba=0.7))
    if output == "sigmoid":
        assert np.array_equal(plain.predict(X, threshold=[0.2, 0.7]), net.predict(X, threshold=[0.2, 0.7]))


@pytest.mark.parametrize("components", [False, True])
def test_preprocessing(components):
    net, _ = both()
    matrix = RNG.standard_normal((4, 3)) if components else None
    n = 4 if components else 3
    net.preprocessing = Preprocessing(RNG.random(n), 1 / 255, "uint8", RNG.random(n), matrix)
    plain = NumpyNetwork(parts_of(net))
    pixels = RNG.integers(0, 256, (9000, n), dtype=np.uint8)
    np.testing.assert_allclose(plain.decision_function(pixels), net.decision_function(pixels), rtol=1e-4, atol=1e-5)
    with pytest.warns(UserWarning, match="X has dtype float64, but the network was trained on uint8 data: it is taken"):
        scaled = plain.decision_function(pixels / 255)
    np.testing.assert_allclose(scaled, plain.decision_function(pixels), rtol=1e-4, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain.predict(pixels / 255)  # has been said


def test_layouts_and_no_rows():
    _, plain = both()
    expected = plain.predict_proba(X)
    for rows in (np.asfortranarray(X), X.astype(np.float64), X[::-1][::-1], X.tolist(), X.astype(">f4")):
        np.testing.assert_allclose(plain.predict_proba(rows), expected, rtol=1e-5)
    assert plain.predict(X[:0]).shape == (0,)
    assert plain.predict_proba(X[:0]).shape == (0, 2)


def test_errors():
    _, plain = both()
    with pytest.raises(ValueError, match="X has 4 features, but the network expects 3"):
        plain.predict(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        plain.predict([[0, np.nan, 0]])
    plain.weights[0][:] = 3e38
    plain.activations = ("relu",)
    with pytest.raises(DivergenceError, match="output for sample 1 is not finite"):
        plain.predict([[0, 0, 0], [9, 9, 9]])


def test_it_can_be_seen_what_it_is():
    assert repr(both()[1]) == "NumpyNetwork(3-5-2, tanh, softmax, float32)"
    assert repr(both(Network([3, 2], seed=0))[1]) == "NumpyNetwork(3-2, no hidden layer, softmax, float32)"
    assert fastnet.models.NumpyNetwork is NumpyNetwork
