"""Sampled softmax: against its NumPy twin and the full softmax, the sampler's draws, training with many classes."""

import numpy as np
import pytest
from buffers import DTYPES, unit

import fastnet
from fastnet import functional as F
from fastnet.kernels.sampled_softmax import sampled_softmax_reference

RNG = np.random.default_rng(0)


def problem(n=6, n_in=7, n_classes=40, dtype=np.float64):
    x, b = RNG.standard_normal((n, n_in)).astype(dtype), RNG.standard_normal(n_classes).astype(dtype)
    return x, RNG.standard_normal((n_in, n_classes)).astype(dtype), b, RNG.integers(0, n_classes, n)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("n", "n_in", "s"), [(1, 1, 1), (6, 7, 5), (9, 33, 30), (4, 8, 40)])
def test_the_same_as_in_numpy(dtype, n, n_in, s):
    x, w, b, y = problem(n, n_in, dtype=dtype)
    candidates, log_q, label_log_q = RNG.permutation(40)[:s], np.log(RNG.random(s)), np.log(RNG.random(n))
    candidates[0] = y[0]  # an accidental hit
    losses, dx, dw, db = sampled_softmax_reference(
        *(a.astype(float) for a in (x, w, b)), y, candidates, log_q, label_log_q
    )
    found = F.sampled_softmax_grad(x, w, b, y, candidates, log_q, label_log_q)
    assert found.loss == pytest.approx(losses.mean(), rel=200 * unit(dtype))
    assert found.loss == F.sampled_softmax(x, w, b, y, candidates, log_q, label_log_q)
    np.testing.assert_array_equal(found.classes, np.unique(np.append(candidates, y)))
    largest = max(1.0, np.abs(dw).max()) * 300 * unit(dtype)
    assert_close(found.dx, dx / n, largest)
    assert_close(found.dw, dw[:, found.classes] / n, largest)
    assert_close(found.db, db[found.classes] / n, largest)
    assert found.dw.dtype == found.dx.dtype == found.db.dtype == dtype
    others = np.setdiff1d(np.arange(40), found.classes)
    assert not dw[:, others].any()


def assert_close(ours, reference, atol):
    np.testing.assert_allclose(ours, reference, rtol=0, atol=atol)


def test_gradients_are_derivatives():
    x, w, b, y = problem(3, 4, 9)
    candidates, log_q, label_log_q = np.array([1, 4, 8]), np.zeros(3), np.zeros(3)
    found = F.sampled_softmax_grad(x, w, b, y, candidates, log_q, label_log_q)
    for array, gradient in ((x, found.dx), (w, None), (b, None)):
        full = gradient
        if array is w:
            full = np.zeros_like(w)
            full[:, found.classes] = found.dw
        elif array is b:
            full = np.zeros_like(b)
            full[found.classes] = found.db
        for index in np.ndindex(array.shape):
            kept = array[index]
            values = []
            for step in (1e-6, -1e-6):
                array[index] = kept + step
                values.append(F.sampled_softmax(x, w, b, y, candidates))
            array[index] = kept
            assert full[index] == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-8)


def test_all_classes_as_candidates_are_the_full_softmax():
    x, w, b, y = problem()
    z = F.linear(x, w, b)
    found = F.sampled_softmax_grad(x, w, b, y, np.arange(40))
    assert found.loss == pytest.approx(F.cross_entropy(z, y), rel=1e-12)
    full = F.linear_grad(x, w, F.softmax_cross_entropy_grad(z, y))
    for ours, theirs in zip((found.dx, found.dw, found.db), full, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-13)


def test_layouts_of_the_weights():
    x, w, b, y = problem()
    expected = F.sampled_softmax_grad(x, w, b, y, [1, 2, 3])
    for same in (np.asfortranarray(w), w[::-1].copy()[::-1], np.repeat(w, 2, axis=1)[:, ::2], w.astype(">f8")):
        found = F.sampled_softmax_grad(x, same, b, y, [1, 2, 3])
        np.testing.assert_array_equal(found.dw, expected.dw)
    read_only = w.copy()
    read_only.flags.writeable = False
    assert F.sampled_softmax(x, read_only, b, y, [1, 2, 3]) == expected.loss


def test_the_estimate_is_that_of_the_full_softmax():
    """With log q taken off, the expected logit gradient of a rare class is that of the full softmax, roughly."""
    x, w, b, y = problem(n=1, n_classes=400)
    w *= 0.3
    sampler = F.CandidateSampler(400, 40, "log_uniform", seed=1)
    total, draws = np.zeros(400), 1500
    for _ in range(draws):
        found = F.sampled_softmax_grad(x, w, b, y, *sampler.draw(y))
        total[found.classes] += found.db
    exact = F.softmax_cross_entropy_grad(F.linear(x, w, b), y)[0]
    mean = total / draws
    for part in (slice(0, 50), slice(50, 400)):  # frequent and rare candidates
        assert mean[part].sum() == pytest.approx(exact[part].sum(), rel=0.15)


# -- the sampler ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", ["log_uniform", "uniform", "counts"])
@pytest.mark.parametrize("n_candidates", [3, 12, 25])  # one after the other, and all ranked
def test_candidates_are_as_frequent_as_expected(distribution, n_candidates):
    counts = np.arange(30, 0, -1)
    sampler = F.CandidateSampler(30, n_candidates, counts if distribution == "counts" else distribution, seed=0)
    seen, expected, draws = np.zeros(30), np.zeros(30), 3000
    for _ in range(draws):
        sample = sampler.draw(np.arange(30))
        assert len(np.unique(sample.candidates)) == n_candidates
        np.testing.assert_array_equal(sample.log_q, sample.label_log_q[sample.candidates])
        seen[sample.candidates] += 1
        expected += np.exp(sample.label_log_q)
    assert seen.sum() == draws * n_candidates
    np.testing.assert_allclose(seen / draws, expected / draws, atol=0.07)
    if distribution == "uniform":
        np.testing.assert_allclose(seen / draws, n_candidates / 30, atol=0.05)
    else:
        assert seen[0] > seen[10] > seen[29]


def test_the_log_uniform_distribution():
    sampler = F.CandidateSampler(1000, 1)
    ranks = np.arange(1000)
    np.testing.assert_allclose(sampler._p, np.log((ranks + 2) / (ranks + 1)) / np.log(1001), rtol=1e-12)
    assert sampler._p.sum() == pytest.approx(1)


def test_the_same_seed_draws_the_same():
    one, other = (F.CandidateSampler(1000, 20, seed=3) for _ in range(2))
    for _ in range(3):
        np.testing.assert_array_equal(one.draw([0]).candidates, other.draw([5]).candidates)
    assert not np.array_equal(one.draw([0]).candidates, one.draw([0]).candidates)


def test_all_classes_can_be_drawn():
    sample = F.CandidateSampler(5, 5, seed=0).draw([1])
    assert sample.candidates.tolist() == [0, 1, 2, 3, 4]
    assert repr(F.CandidateSampler(5000, 5)) == "CandidateSampler(5,000 classes, 5 candidates)"


# -- many classes --------------------------------------------------------------------------------------


def test_training_a_network_with_many_classes():
    """A Network for the lower layers, and a wide output layer of which each minibatch touches a few columns."""
    n_classes, rng = 2000, np.random.default_rng(0)
    centres = rng.standard_normal((n_classes, 16)).astype(np.float32)
    y = np.minimum((n_classes ** rng.random(30_000)).astype(int) - 1, n_classes - 1)  # the first are the most frequent
    X = centres[y] + 0.1 * rng.standard_normal((len(y), 16)).astype(np.float32)
    body = fastnet.Network([16, 64], output="identity", seed=0)  # its logits are the hidden layer's inputs
    w, b = np.zeros((n_classes, 64), np.float32).T, np.zeros(n_classes, np.float32)
    sampler = F.CandidateSampler(n_classes, 100, seed=0)
    losses = []
    for start in range(0, len(y), 100):
        rows, labels = X[start : start + 100], y[start : start + 100]
        hidden = F.tanh(body.decision_function(rows))
        found = F.sampled_softmax_grad(hidden, w, b, labels, *sampler.draw(labels))
        below = F.linear_grad(rows, body.weights[0], F.tanh_grad(hidden, found.dx))
        w[:, found.classes] -= 20 * found.dw
        b[found.classes] -= 20 * found.db
        body.weights[0][:] -= 20 * below.dw
        body.biases[0][:] -= 20 * below.db
        losses.append(found.loss)
    hidden = F.tanh(body.decision_function(X[:2000]))
    accuracy = (F.linear(hidden, w, b).argmax(axis=1) == y[:2000]).mean()
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:20])
    assert accuracy > 0.5  # 1 in 2000 by chance


# -- refusals ------------------------------------------------------------------------------------------

X, W, B = np.ones((2, 3)), np.ones((3, 5)), np.ones(5)


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        ((X[0], W, B, [0, 1], [2]), ValueError, r"x must have shape \(n_samples, n_in\)"),
        ((X[:0], W, B, [], [2]), ValueError, r"x must have shape \(n_samples, n_in\), each at least 1"),
        ((X[:, :2], W, B, [0, 1], [2]), ValueError, r"x must have shape \(n_samples, 3\) to fit w"),
        ((X, W, B[:2], [0, 1], [2]), ValueError, r"b must have shape \(5,\) to fit w"),
        ((X, W, B, [0, 5], [2]), ValueError, "y: label 5 at index 1 is outside"),
        ((X, W, B, [0], [2]), ValueError, "y has 1 labels, but there are 2 samples"),
        ((X, W, B, [0, 1], [-1]), ValueError, "candidates: label -1 at index 0"),
        ((X, W, B, [0, 1], np.zeros(0, int)), ValueError, "candidates is empty"),
        ((X, W, B, [0, 1], [0.5]), TypeError, "candidates must hold integer"),
        ((X * np.nan, W, B, [0, 1], [2]), ValueError, "Input x contains NaN"),
        ((X, W * np.inf, B, [0, 1], [2]), ValueError, "Input w contains infinity"),
        ((X, W, B * np.nan, [0, 1], [2]), ValueError, "Input b contains NaN"),
        ((X, W, B, [0, 1], [2], [0.0, 0.0]), ValueError, r"log_q must have shape \(1,\)"),
        ((X, W, B, [0, 1], [2], [0.0], [np.inf, 0.0]), ValueError, "Input label_log_q contains infinity"),
        ((X.astype(complex), W, B, [0, 1], [2]), ValueError, "Complex data not supported"),
    ],
)
def test_refusals(args, error, text):
    for function in (F.sampled_softmax, F.sampled_softmax_grad):
        with pytest.raises(error, match=text):
            function(*args)


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        ((1, 1), ValueError, "n_classes must be between 2 and"),
        ((5, 6), ValueError, "n_candidates must be between 1 and 5, got 6"),
        ((5, 2.0), TypeError, "n_candidates must be an int"),
        ((5, 2, "zipf"), ValueError, "distribution must be one of 'log_uniform', 'uniform'"),
        ((5, 2, [1, 2]), ValueError, r"distribution must have shape \(5,\)"),
        ((2, 1, [1, 0]), ValueError, "distribution must hold weights above 0, got 0 at index 1"),
        ((2, 1, [1, np.nan]), ValueError, "Input distribution contains NaN"),
        ((5, 2, "uniform", -1), ValueError, "seed must be >= 0"),
    ],
)
def test_refusals_of_the_sampler(args, error, text):
    with pytest.raises(error, match=text):
        F.CandidateSampler(*args)
