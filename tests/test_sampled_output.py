"""Sampled softmax in training: the draws, epochs against the oracle, threads and cuts, what learns, what is refused."""

import numpy as np
import pytest
import reference_net
import scipy.sparse as sp
from runs import sgd

import fastnet
from fastnet import Network, Trainer, functional, plan, targets
from fastnet._parallel import crew
from fastnet.kernels import candidates
from fastnet.kernels.sampled_softmax import sampled_softmax_reference
from fastnet.sampled_run import SampledRun, Sampling, _classes, expected_counts


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def network_of(sizes, seed=0, dtype="float64", **settings):
    return Network(list(sizes), dtype=dtype, seed=seed, **settings)


def train(network, X, y, order, batch_size, sampling, n_threads=1, per_call=None, epochs=1, weights=None, **settings):
    """Some epochs in the given order, epoch e with key e; returns the losses of the last one's minibatches."""
    labels = network._check_targets("y", y, len(X), "sampled_softmax")
    if weights is not None:
        labels = labels._replace(weights=weights)
    with crew(n_threads) as together:
        run = SampledRun(sampling, network, X, labels, batch_size, n_threads, together)
        if per_call is not None:
            run._per_call = per_call
        optimizer = sgd(run.n_packed, network.dtype, **settings)
        for epoch in range(epochs):
            for _ in run.minibatches(order.astype(np.uint32), optimizer, epoch, key=epoch):
                pass
    run.publish()
    return run._losses.copy(), run


def oracle_epoch(params, classes, X, y, order, batch_size, key, learning_rate, weight_decay=0.0, weights=None):
    """One epoch in NumPy and float64, in place; returns the mean losses of its minibatches."""
    (ws, bs), n, losses = params, classes.candidates.shape[1], []
    for number, start in enumerate(range(0, len(order), batch_size)):
        rows = order[start : start + batch_size]
        shares = reference_net.mean_weights(None if weights is None else weights[rows], len(rows))
        layers = reference_net.forward((ws, bs), X[rows], "tanh")
        drawn = candidates.draw_reference(classes.ends, n, key, number)
        found, counts = np.unique(drawn, return_counts=True)
        logs = classes.log_counts
        log_q = logs[found] - np.log(counts)
        each, dw, db = [], np.zeros_like(ws[-1]), np.zeros_like(bs[-1])
        dx = np.zeros_like(layers[-2])
        for b, (row, share) in enumerate(zip(layers[-2], shares, strict=True)):
            label = y[rows[b : b + 1]]
            loss, *gradients = sampled_softmax_reference(row[None], ws[-1], bs[-1], label, found, log_q, logs[label])
            each.append(loss[0] * share)
            dx[b], dw, db = gradients[0][0] * share, dw + gradients[1] * share, db + gradients[2] * share
        dws, dbs = [dw], [db]
        for layer in range(len(ws) - 2, -1, -1):
            dz = dx * (1 - layers[layer + 1] ** 2)
            dws.insert(0, layers[layer].T @ dz)
            dbs.insert(0, dz.sum(axis=0))
            dx = dz @ ws[layer].T
        for w, b, dw_, db_ in zip(ws, bs, dws, dbs, strict=True):
            w -= learning_rate * (dw_ + weight_decay * w)
            b -= learning_rate * db_
        losses.append(sum(each))
    return np.array(losses)


# -- draws ---------------------------------------------------------------------------------------------


def counts_of(distribution, n_classes, n):
    return expected_counts(functional.sampling.class_probabilities("d", distribution, n_classes), n)


@pytest.mark.parametrize("n", [1, 7, 29, 30])
@pytest.mark.parametrize("distribution", ["uniform", "log_uniform", np.arange(1, 31) ** 3.0])
def test_expected_counts(distribution, n):
    p = functional.sampling.class_probabilities("d", distribution, 30)
    found = expected_counts(p, n)
    assert found.sum() == pytest.approx(n, rel=1e-12)
    assert (found > 0).all()
    assert (found <= 1).all()
    free = found < 1 - 1e-12
    np.testing.assert_allclose(found[free] / p[free], (found[free] / p[free])[:1].repeat(free.sum()), rtol=1e-9)
    assert found[~free].size == 0 or not free.any() or p[~free].min() >= p[free].max() - 1e-15


def drawn(classes, numbers, key=3):
    classes.key[0] = key
    found = []
    for number in numbers:
        candidates.draw_classes(classes, number)
        found.append(classes.candidates[number % 2].copy())
    return np.array(found)


@pytest.mark.parametrize("distribution", ["uniform", "log_uniform", tuple(np.arange(30, 0, -1.0))])
def test_draws_are_their_reference_and_as_frequent_as_expected(distribution):
    network, draws = network_of([2, 3, 30]), 3000
    classes = _classes(network, Sampling(7, distribution))
    found = drawn(classes, range(draws))
    for number in range(20):
        np.testing.assert_array_equal(found[number], candidates.draw_reference(classes.ends, 7, 3, number))
    assert (np.diff(found, axis=1) >= 0).all()
    frequency = np.bincount(found.ravel(), minlength=30) / draws
    expected = np.exp(classes.log_counts)
    np.testing.assert_allclose(frequency, expected, atol=4 * np.sqrt(expected.max() / draws))
    assert not np.array_equal(found, drawn(classes, range(draws), key=4))
    slots, last = classes.slots[(draws - 1) % 2], drawn(classes, [draws - 1])[0]
    np.testing.assert_array_equal(last[slots[last]], last)


def test_the_expected_gradient_is_that_of_all_classes(rng):
    """Sums over the candidates with weights 1 / q estimate sums over all classes without bias."""
    classes, values = _classes(network_of([2, 3, 40]), Sampling(6, "log_uniform")), rng.random(40)
    found = drawn(classes, range(6000))
    estimates = (values / np.exp(classes.log_counts))[found].sum(axis=1)
    assert estimates.mean() == pytest.approx(values.sum(), abs=4 * estimates.std() / np.sqrt(len(found)))


# -- epochs --------------------------------------------------------------------------------------------

SETTINGS = [
    ([11, 13, 50], Sampling(7, "uniform"), {"learning_rate": 0.5}),
    ([40, 30, 9, 60], Sampling(33, "log_uniform"), {"learning_rate": 0.5, "weight_decay": 0.1}),
    ([11, 70, 26], Sampling(25, tuple(np.arange(1, 27.0))), {"learning_rate": 0.3, "weight_decay": 0.01}),
    ([11, 5, 20], Sampling(20, "log_uniform"), {"learning_rate": 0.3}),
    ([11, 24, 3], Sampling(1, "uniform"), {"learning_rate": 0.3}),
]


@pytest.mark.parametrize(("sizes", "sampling", "settings"), SETTINGS)
def test_epochs_equal_the_oracle(sizes, sampling, settings, rng):
    network = network_of(sizes)
    X, y, order = rng.normal(size=(90, sizes[0])), rng.integers(0, sizes[-1], 90), rng.permutation(90)
    y[:30] = 2  # some classes are the target of many rows, and candidates at the same time
    weights = rng.random(90)
    network.biases[-1][:] = rng.normal(size=sizes[-1])
    params = [w.copy() for w in network.weights], [b.copy() for b in network.biases]
    classes = _classes(network, sampling)
    for key in range(3):
        expected = oracle_epoch(params, classes, X, y, order, 8, key, weights=weights, **settings)
    losses, _ = train(network, X, y, order, 8, sampling, epochs=3, weights=weights, **settings)
    np.testing.assert_allclose(losses, expected, rtol=1e-9, atol=1e-12)
    for got, wanted in zip(network.weights + network.biases, params[0] + params[1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-10)


def test_all_classes_as_candidates_are_the_full_softmax(rng):
    X, y, order = rng.normal(size=(60, 11)), rng.integers(0, 20, 60), rng.permutation(60)
    full, sampled = network_of([11, 13, 20]), network_of([11, 13, 20])
    reference = [w.copy() for w in full.weights], [b.copy() for b in full.biases]
    state = reference_net.zero_state(reference, "sgd")
    expected, _ = reference_net.train_epoch(
        reference, state, X, y, order, 8, activation="tanh", output="softmax", learning_rate=0.3, weight_decay=0.01
    )
    losses, _ = train(sampled, X, y, order, 8, Sampling(20, "uniform"), learning_rate=0.3, weight_decay=0.01)
    np.testing.assert_allclose(losses[:-1] * 8, expected[:-1], rtol=1e-10)
    np.testing.assert_allclose(sampled.weights[-1], reference[0][-1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("weight_decay", [0.0, 0.02, 0.4])
@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_and_cuts_change_no_bit(n_threads, weight_decay, rng, monkeypatch):
    monkeypatch.setattr(plan, "slices", lambda sizes, batch_size: 2)
    X, y, order = rng.normal(size=(203, 50)), rng.integers(0, 90, 203), rng.permutation(203)
    one, many = network_of([50, 70, 90]), network_of([50, 70, 90])
    settings = {"epochs": 3, "learning_rate": 0.5, "weight_decay": weight_decay}
    losses, _ = train(one, X, y, order, 4, Sampling(40, "log_uniform"), **settings)
    others, _ = train(many, X, y, order, 4, Sampling(40, "log_uniform"), n_threads, 7, **settings)
    np.testing.assert_array_equal(many.parameters, one.parameters)
    np.testing.assert_array_equal(others, losses)


def test_only_what_was_looked_at_changes(rng):
    network = network_of([11, 13, 200])
    before = network.weights[-1].copy()
    X, y = rng.normal(size=(8, 11)), np.arange(8)
    _, run = train(network, X, y, np.arange(8), 8, Sampling(5, "uniform"), learning_rate=0.5)
    looked = np.union1d(y, run._classes.candidates[0])
    changed = np.flatnonzero((network.weights[-1] != before).any(axis=0))
    np.testing.assert_array_equal(changed, looked)


def test_a_label_out_of_range_is_found_in_compiled_code(rng):
    network = network_of([11, 13, 20])
    X, y = rng.normal(size=(8, 11)), np.arange(8)
    with crew(1) as together:
        run = SampledRun(Sampling(5, "uniform"), network, X, network._check_targets("y", y, 8), 8, 1, together)
        optimizer = sgd(0, np.float64, learning_rate=0.1)
        for bad in (-1, 20, 2**31 - 1):
            run._targets.labels[3] = bad
            with pytest.raises(fastnet.DivergenceError):
                list(run.minibatches(np.arange(8, dtype=np.uint32), optimizer, 0))


# -- the Trainer ---------------------------------------------------------------------------------------


def clusters(rng, n_classes=300, n=6000, n_features=12):
    centres = rng.normal(size=(n_classes, n_features))
    y = rng.integers(0, n_classes, n)
    return centres[y] + rng.normal(0, 0.25, (n, n_features)), y


def test_it_learns(rng):
    X, y = clusters(rng)
    network = network_of([12, 48, 300])
    trainer = Trainer(network, loss="sampled_softmax", n_candidates=30, learning_rate=0.5, seed=0, n_threads=1)
    assert trainer.loss == "sampled_softmax"
    history = trainer.fit(X[:5000], y[:5000], epochs=12, validation_data=(X[5000:], y[5000:]))
    assert np.isnan(history.accuracy).all()
    assert history.val_accuracy[-1] == network.score(X[5000:], y[5000:]) > 0.7
    # Validation is that of the full softmax: larger than the loss among some of the classes.
    full = functional.cross_entropy(network.decision_function(X[5000:]), y[5000:])
    assert history.val_loss[-1] == pytest.approx(full, rel=1e-9)
    assert history.val_loss[-1] > history.loss[-1]
    assert network._check_targets("y", y, 6000, "sampled_softmax").loss == targets.SOFTMAX_CROSS_ENTROPY


def test_two_fits_equal_one_long_fit_and_seeds_draw_differently(rng):
    X, y = clusters(rng, n=500)
    networks = [network_of([12, 20, 300]) for _ in range(3)]
    for network, epochs, seed in zip(networks, ([4], [2, 2], [4]), (0, 0, 1), strict=True):
        trainer = Trainer(network, loss="sampled_softmax", n_candidates=9, seed=seed, n_threads=1)
        for n in epochs:
            trainer.fit(X, y, epochs=n)
    np.testing.assert_array_equal(networks[1].parameters, networks[0].parameters)
    assert not np.array_equal(networks[2].parameters, networks[0].parameters)


def test_ctrl_c_keeps_what_was_trained(rng):
    """Weight decay is folded into the classes' weights until then."""
    X, y = clusters(rng, n=500)

    class Stop(fastnet.Callback):
        def on_minibatches_end(self, state):
            raise KeyboardInterrupt

    network, expected = network_of([12, 20, 300]), network_of([12, 20, 300])
    settings = {"loss": "sampled_softmax", "n_candidates": 9, "seed": 0, "weight_decay": 0.1, "n_threads": 1}
    with pytest.raises(KeyboardInterrupt):
        Trainer(network, callbacks=Stop(), **settings).fit(X, y, epochs=2)
    Trainer(expected, **settings).fit(X, y, epochs=1)  # one call
    np.testing.assert_array_equal(network.parameters, expected.parameters)


def test_streams_and_sampled_softmax_go_together(rng):
    X, y = clusters(rng, n=500)
    networks = [network_of([12, 20, 300]) for _ in range(2)]
    trainers = [Trainer(n, loss="sampled_softmax", n_candidates=9, seed=0, n_threads=1) for n in networks]
    trainers[0].fit(X, y, epochs=2)
    trainers[1].fit_stream([(X, y)], epochs=2)
    np.testing.assert_array_equal(networks[1].parameters, networks[0].parameters)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"dropout": 0.3}, {"activation": "gelu"}])
def test_dropout_and_other_activations(settings, rng):
    X, y = clusters(rng)
    found = []
    for n_threads in (1, 2):
        network = network_of([12, 48, 300], activation=settings.get("activation", "tanh"), dtype="float32")
        trainer = Trainer(network, loss="sampled_softmax", n_candidates=30, learning_rate=0.5, seed=0,
                          n_threads=n_threads, dropout=settings.get("dropout", 0.0))  # fmt: skip
        trainer.fit(X, y, epochs=12)
        assert network.score(X, y) > 0.6
        found.append(network.parameters)
    np.testing.assert_array_equal(*found)


@pytest.mark.slow
@pytest.mark.parametrize("weight_decay", [0.0, 1e-3])
def test_sparse_rows(weight_decay, rng, monkeypatch):
    X, y = clusters(rng, n=2000, n_features=60)
    X = np.where(rng.random(X.shape) < 0.2, np.abs(X), 0)
    found = []
    for data, first_layer in ((X, "sparse"), (sp.csr_array(X), "sparse"), (X, "dense")):
        network = network_of([60, 20, 300])
        trainer = Trainer(network, loss="sampled_softmax", n_candidates=30, weight_decay=weight_decay, seed=0)
        trainer.n_threads = 1
        assert trainer.fit(data, y, epochs=3).first_layer == first_layer
        found.append(network.parameters)
        if len(found) == 2:
            monkeypatch.setattr("fastnet.rows.MAX_DENSITY", -1.0)
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_allclose(found[2], found[0], rtol=1e-8, atol=1e-10)


# -- settings ------------------------------------------------------------------------------------------

BAD = [
    ({"n_candidates": 0}, ValueError, "n_candidates must be >= 1, got 0"),
    ({"n_candidates": 21}, ValueError, "n_candidates=21 is more than the 20 classes"),
    ({"n_candidates": 2.0}, TypeError, "n_candidates must be an int"),
    ({"candidate_distribution": "zipf"}, ValueError, "candidate_distribution must be one of 'uniform', 'log_uniform'"),
    ({"candidate_distribution": [1.0, 2.0]}, ValueError, r"candidate_distribution must have shape \(20,\)"),
    ({"candidate_distribution": np.zeros(20)}, ValueError, "candidate_distribution must hold weights above 0, got 0"),
    ({"optimizer": "adam"}, ValueError, "optimizer='adam' does not go with loss='sampled_softmax', only plain SGD"),
    ({"momentum": 0.5}, ValueError, "momentum=0.5 does not go with loss='sampled_softmax', only plain SGD"),
    ({"clip_norm": 1.0}, ValueError, "clip_norm=1.0 does not go with loss='sampled_softmax', only plain SGD"),
]


@pytest.mark.parametrize(("change", "kind", "text"), BAD)
def test_bad_settings_are_refused(change, kind, text):
    with pytest.raises(kind, match=text):
        Trainer(network_of([4, 5, 20]), **{"loss": "sampled_softmax", "n_candidates": 5, **change})


def test_what_else_is_refused(rng):
    with pytest.raises(ValueError, match=r"loss='sampled_softmax' needs at least one hidden layer"):
        Trainer(network_of([4, 20]), loss="sampled_softmax", n_candidates=5)
    with pytest.raises(ValueError, match="loss='sampled_softmax' does not go with output='sigmoid'"):
        Trainer(network_of([4, 5, 20], output="sigmoid"), loss="sampled_softmax")
    network = network_of([4, 5, 20])
    trainer = Trainer(network, loss="sampled_softmax", n_candidates=5, learning_rate=2.0, weight_decay=0.5)
    before = network.parameters.copy()
    with pytest.raises(ValueError, match=r"learning_rate \* weight_decay must be below 1 .* got 1"):
        trainer.fit(rng.normal(size=(40, 4)), rng.integers(0, 20, 40), epochs=1)
    np.testing.assert_array_equal(network.parameters, before)
    assert network.preprocessing is None
