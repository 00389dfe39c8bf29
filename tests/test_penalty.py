"""What scikit-learn's losses add: squares of weights, a cap, the Poisson loss."""

import numpy as np
import pytest
from block_data import blocky
from scipy.special import xlogy

from fastnet import penalty
from fastnet._jit import entry
from fastnet._parallel import crew
from fastnet.estimators.engine import Epochs, network_of
from fastnet.estimators.losses import cap_of, sample_losses
from fastnet.kernels.adam import Adam
from fastnet.kernels.poisson import poisson_constant, poisson_reference, poisson_row
from fastnet.kernels.sgd import Sgd
from fastnet.layout import aligned_zeros, padded
from fastnet.simd import pointer
from fastnet.targets import SQUARED_ERROR, PenalisedTargets


@entry
def squares(w, n):
    return penalty.sum_of_squares(pointer(w, 0), n)


@entry
def poisson_rows(z, t, n, scale, losses):
    for b in range(len(z)):
        row = pointer(z, b * z.shape[1])
        losses[b] = poisson_row(row, row, n, pointer(t, b * n), scale)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sum_of_squares(dtype):
    rng = np.random.default_rng(0)
    for n in (0, 8, 16, 56, 512, 520, 5000):
        n -= n % padded(1, np.dtype(dtype))
        w = aligned_zeros(n, np.dtype(dtype))
        w[:] = rng.normal(size=n)
        expected = np.sum(w.astype(np.float64) ** 2)
        np.testing.assert_allclose(squares(w, n), expected, rtol=1e-6 if dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 3, 8, 11])
def test_poisson_rows(dtype, n):
    rng = np.random.default_rng(0)
    z = np.full((6, padded(n, np.dtype(dtype))), np.nan, dtype)
    z[:, :n] = rng.normal(size=(6, n)) * 4
    t = rng.poisson(2.0, (6, n)).astype(dtype)
    losses, gradients = poisson_reference(z[:, :n].astype(np.float64), t)
    found = np.zeros(6)
    poisson_rows(z, t, n, 0.5, found)
    rtol = 3e-6 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(found, losses, rtol=rtol, atol=rtol * 10)
    np.testing.assert_allclose(z[:, :n], gradients * 0.5, rtol=rtol, atol=rtol * 10)
    assert not z[:, n:].any()


def test_poisson_gradient_is_the_slope_of_the_deviance():
    z, t, h = np.array([[0.3, -1.2]]), np.array([[2.0, 0.0]]), 1e-6
    for j in range(2):
        step = np.zeros_like(z)
        step[0, j] = h
        slope = (poisson_reference(z + step, t)[0] - poisson_reference(z - step, t)[0]) / (2 * h)
        np.testing.assert_allclose(slope, poisson_reference(z, t)[1][:, j], rtol=1e-8)
    deviance = xlogy(t, t / np.exp(z)) - t + np.exp(z)
    np.testing.assert_allclose(poisson_reference(z, t)[0] + poisson_constant(t), deviance.sum(axis=1))


def run_epoch(x, y, coefs, optimizer, n_threads, batch_size, norms, kind=None):
    network = network_of(coefs, [np.zeros(w.shape[1]) for w in coefs], ["tanh"] * (len(coefs) - 1), "float64")
    targets = PenalisedTargets(SQUARED_ERROR, np.zeros(0, np.int32), y, np.zeros(0), 0.0, np.inf, np.zeros(0), norms)
    with crew(n_threads) as together:
        run = Epochs(network, x, targets, batch_size, n_threads, together)
        assert run.kind == (kind or run.kind)
        decays = np.full(len(norms), 0.05)
        if optimizer == "adam":
            m, v = (aligned_zeros(run.n_packed, network.dtype) for _ in "mv")
            compiled = Adam(0.01, 0.9, 0.999, 1e-8, decays, False, m, v, 0, np.zeros(1, np.int64), short=True)
        else:
            momentum = 0.9 if optimizer == "momentum" else 0.0
            velocity = aligned_zeros(run.n_packed if momentum else 0, network.dtype)
            compiled = Sgd(0.1, momentum, False, decays, velocity)
        run.train(np.arange(len(x), dtype=np.uint32), compiled)
        run.publish()
    return network


slow = pytest.mark.slow
OPTIMIZERS = ["plain", "momentum", "adam"]
SQUARES = [(kind, 60, optimizer) for kind in ("dense", "sparse") for optimizer in OPTIMIZERS]
SQUARES += [("blocks", 9, "plain"), ("blocks", 9, "momentum"), pytest.param("blocks", 9, "adam", marks=slow)]
SQUARES += [pytest.param("blocks", 60, optimizer, marks=slow) for optimizer in OPTIMIZERS]


@pytest.mark.parametrize(("kind", "n_units", "optimizer"), SQUARES)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_squares_of_the_weights_before_each_update(kind, n_units, optimizer, n_threads):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 300))
    if kind == "sparse":
        x[rng.random(x.shape) > 0.1] = 0
    if kind == "blocks":
        x = blocky(rng, 200, 300, np.float64) / 255
    y = rng.normal(size=(200, 3))
    coefs = [rng.normal(size=shape) / 10 for shape in ((300, n_units), (n_units, 20), (20, 3))]
    norms = np.zeros(4)
    run_epoch(x, y, coefs, optimizer, n_threads, 50, norms, kind)
    # The weights before minibatch k are those after k minibatches.
    for k in range(4):
        network = run_epoch(x[: 50 * k], y[: 50 * k], coefs, optimizer, 1, 50, np.zeros(k)) if k else None
        weights = network.weights if k else coefs
        np.testing.assert_allclose(norms[k], sum(np.sum(w**2) for w in weights), rtol=1e-12)


def test_losses_of_samples_are_scikit_learns():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50, 4)) * 30
    one_hot = np.eye(4)[rng.integers(0, 4, 50)]
    eps = np.finfo(np.float64).eps
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p = np.clip(p / p.sum(axis=1, keepdims=True), eps, 1 - eps)
    np.testing.assert_allclose(sample_losses(z, one_hot, "softmax"), -np.log((p * one_hot).sum(axis=1)), atol=1e-13)
    assert sample_losses(z, one_hot, "softmax").max() == cap_of(np.float64)
    q = np.clip(1 / (1 + np.exp(-z)), eps, 1 - eps)
    expected = -(np.log(np.where(one_hot, q, 1 - q))).sum(axis=1)
    np.testing.assert_allclose(sample_losses(z, one_hot, "logistic"), expected, rtol=0.02)
    np.testing.assert_allclose(sample_losses(z, one_hot, "identity"), 0.5 * ((z - one_hot) ** 2).mean(axis=1))
