"""Whole fits on rows that are blocks of columns: the oracle, the dense path, and what may change no bit."""

import weakref

import numpy as np
import pytest
import scipy.sparse as sp
from block_data import blocky, only_dense
from runs import check_oracle, layouts, make_targets, train

from fastnet import DivergenceError, MLPClassifier, Network, Trainer, plan, run
from fastnet.network import Preprocessing

SGD = [
    {"learning_rate": 0.05},
    {"learning_rate": 0.02, "weight_decay": 0.01, "momentum": 0.9},
    {"learning_rate": 0.02, "weight_decay": 0.01, "momentum": 0.9, "nesterov": True},
]
ADAM = [
    {"optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.01},
    {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.01},
]
CLIPPED = [settings | {"clip_norm": 0.3} for settings in SGD]

# Up to 10 units are few; 90 and 91 columns are no multiple of any block.
NARROW = [([96, 1, 4], "sigmoid"), ([90, 6, 3], "softmax"), ([91, 7, 3], "softmax"), ([130, 8, 6, 3], "identity")]
NARROW += [([90, 10, 10], "softmax"), ([90, 5], "softmax")]
WIDE = [([90, 11, 3], "softmax"), ([91, 24, 3], "sigmoid"), ([130, 25, 6, 3], "softmax"), ([90, 70, 3], "identity")]
WIDE += [([96, 30], "softmax")]
FEW, MANY = [90, 7, 3], [90, 70, 3]
slow = pytest.mark.slow
both = pytest.mark.parametrize("sizes", [FEW, MANY], ids=["few", "many"])

# Dtypes of data and network, and what may differ. Each pair compiles code of its own.
SINGLE, DOUBLE = (np.uint8, "float32", 2e-4), (np.float64, "float64", 1e-10)
precisions = pytest.mark.parametrize("precision", [SINGLE, pytest.param(DOUBLE, marks=slow)], ids=["single", "double"])


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def centred(network, X, factors=None, scale=1 / 255):
    mean = X.mean(axis=0) * scale * (1.0 if factors is None else factors)
    factors = None if factors is None else factors.astype(network.dtype)
    kind = "uint8" if X.dtype == np.uint8 else "float"
    network.preprocessing = Preprocessing(mean.astype(network.dtype), scale, kind, factors)
    return network


def problem(rng, sizes, output="softmax", n=203, precision=DOUBLE):
    """Return a network, rows for it, targets, and an order."""
    kind, dtype, _ = precision
    X = blocky(rng, n, sizes[0], kind)
    y, order = make_targets(output, n, sizes[-1], rng), rng.permutation(n)
    return centred(Network(sizes, output=output, dtype=dtype, seed=1), X), X, y, order


def in_unit(X):
    """Rows as a trainer takes them: it scales bytes only."""
    return X if X.dtype == np.uint8 else X / 255


# -- against the oracle --------------------------------------------------------------------------------


@precisions
@pytest.mark.parametrize(("sizes", "output"), NARROW + WIDE)
@pytest.mark.parametrize("settings", SGD)
def test_epochs_equal_the_oracle(sizes, output, settings, precision, rng, n_slices):
    check_oracle(*problem(rng, sizes, output, precision=precision), 32, rtol=precision[-1], **settings)


@both
@precisions
@pytest.mark.parametrize("batch_size", [33, 64, 65, 128, 202, 300])
def test_any_batch_size_equals_the_oracle(sizes, batch_size, precision, rng, n_slices):
    """More than 64 samples, of which few units keep 64 in one number; a last minibatch of one sample."""
    check_oracle(*problem(rng, sizes, precision=precision), batch_size, rtol=precision[-1], epochs=3, **SGD[1])


@precisions
@pytest.mark.parametrize("sizes", [[90, 1, 3], [90, 6, 3], [91, 7, 3], [130, 10, 10]], ids=str)
@pytest.mark.parametrize("batch_size", [1, 3, 12, 13, 32])
def test_plain_sgd_on_few_units_equals_the_oracle(sizes, batch_size, precision, rng, n_slices):
    """With and without decay; up to 12 samples change the weights one after the other."""
    for decay in (0.0, 0.02):
        arguments = problem(rng, sizes, n=101, precision=precision)
        settings = {"learning_rate": 0.05, "weight_decay": decay}
        check_oracle(*arguments, batch_size, rtol=precision[-1], epochs=2, **settings)


@pytest.mark.parametrize("decay", [0.0, 0.1, 1.2, 3.0])
def test_folded_decay_is_settled_in_time(decay, rng, n_slices):
    """Hundreds of minibatches of one sample; a decay of 0.3 a minibatch is too large to be folded.

    One of 0.12, never settled, would leave 1e-50 of alpha, and more than float32 can hold of the weights.
    """
    check_oracle(*problem(rng, FEW, n=900, precision=SINGLE), 1, rtol=1e-3, learning_rate=0.1, weight_decay=decay)


@pytest.mark.parametrize(("sizes", "output"), [*NARROW[2:], *(pytest.param(*wide, marks=slow) for wide in WIDE)])
@pytest.mark.parametrize("settings", ADAM)
def test_float64_epochs_of_adam_equal_the_oracle(sizes, output, settings, rng, n_slices):
    check_oracle(*problem(rng, sizes, output), 32, rtol=1e-9, **settings)


@pytest.mark.parametrize(("sizes", "output"), [*WIDE, *(pytest.param(*narrow, marks=slow) for narrow in NARROW)])
@pytest.mark.parametrize("settings", CLIPPED)
def test_clipped_float64_epochs_equal_the_oracle(sizes, output, settings, rng, n_slices):
    check_oracle(*problem(rng, sizes, output), 32, rtol=1e-9, **settings)


@slow
@both
@pytest.mark.parametrize("settings", ADAM)
def test_clipped_epochs_of_adam_equal_the_oracle(sizes, settings, rng, n_slices):
    check_oracle(*problem(rng, sizes), 32, rtol=1e-9, clip_norm=0.3, **settings)


@both
@precisions
def test_sample_weights_equal_the_oracle(sizes, precision, rng, n_slices):
    weights = rng.random(203) * (rng.random(203) < 0.8)
    check_oracle(*problem(rng, sizes, precision=precision), 32, rtol=precision[-1], weights=weights, **SGD[1])


@both
@precisions
def test_a_scale_for_each_column_equals_the_oracle(sizes, precision, rng, n_slices):
    network, X, y, order = problem(rng, sizes, precision=precision)
    for settings in (SGD[0], SGD[1]):
        other = centred(Network(sizes, dtype=network.dtype, seed=1), X, rng.random(90) + 0.5)
        check_oracle(other, X, y, order, 32, rtol=precision[-1], **settings)


@slow
@both
@pytest.mark.parametrize(("kind", "precision"), [(np.float32, SINGLE), (np.float64, SINGLE), (np.uint8, DOUBLE)])
def test_other_data_equal_the_oracle(sizes, kind, precision, rng, n_slices):
    check_oracle(*problem(rng, sizes, precision=(kind, *precision[1:])), 32, rtol=precision[-1], **SGD[1])


@both
@precisions
def test_comparison_with_the_oracle_can_fail(sizes, precision, rng):
    """A learning rate that is off by a hundred times what weights may be is seen."""
    network, X, y, order = problem(rng, sizes, precision=precision)
    other, rtol = centred(Network(sizes, dtype=network.dtype, seed=1), X), precision[-1]
    train(network, X, y, order, 32, learning_rate=0.1)
    train(other, X, y, order, 32, learning_rate=0.1 * (1 + 100 * rtol))
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(other.parameters, network.parameters, rtol=rtol, atol=rtol / 10)


# -- against dense rows --------------------------------------------------------------------------------


@slow
@both
@pytest.mark.parametrize("settings", [SGD[0], ADAM[0], CLIPPED[1]], ids=["sgd", "adam", "clipped"])
def test_dropout_drops_what_it_drops_of_dense_rows(sizes, settings, rng, n_slices, monkeypatch):
    network, X, y, order = problem(rng, sizes)
    other = centred(Network(sizes, dtype="float64", seed=1), X)
    assert train(network, X, y, order, 32, rates=(0.4,), epochs=2, **settings)[2].kind == "blocks"
    only_dense(monkeypatch)
    assert train(other, X, y, order, 32, rates=(0.4,), epochs=2, **settings)[2].kind == "dense"
    np.testing.assert_allclose(network.parameters, other.parameters, rtol=1e-9, atol=1e-11)


def both_ways(monkeypatch, fit):
    """Return what ``fit`` gives with rows that are blocks, and with dense ones."""
    found = fit("blocks")
    with monkeypatch.context() as patch:
        only_dense(patch)
        return found, fit("dense")


@both
@precisions
@pytest.mark.parametrize("settings", [{"momentum": 0.9}, pytest.param({"optimizer": "adam"}, marks=slow)], ids=str)
def test_an_optimizer_remembers_columns_and_not_their_order(sizes, settings, precision, rng, monkeypatch):
    """Two fits of one trainer, whose blocks have the columns in another order."""
    (_, first, y, _), rtol = problem(rng, sizes, precision=precision), 10 * precision[-1]
    second, orders, block_rows = first[:, rng.permutation(90)], [], run.block_rows

    def watched(*arguments):
        orders.append(block_rows(*arguments).order)
        return block_rows(*arguments)

    def fit(kind):
        network = Network(sizes, dtype=precision[1], seed=1)
        trainer = Trainer(network, seed=0, learning_rate=0.01, n_threads=1, **settings)
        for X in (in_unit(first), in_unit(second)):
            assert trainer.fit(X, y, epochs=2).first_layer == kind
        return trainer.network.parameters

    monkeypatch.setattr(run, "block_rows", watched)
    found, expected = both_ways(monkeypatch, fit)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol / 10)
    assert (orders[0] != orders[1]).any()


@both
@precisions
def test_a_stream_of_blocks(sizes, precision, rng, monkeypatch):
    (_, X, y, _), rtol = problem(rng, sizes, precision=precision), 10 * precision[-1]
    X = in_unit(X)
    chunks = [(X[:100], y[:100]), (X[100:, rng.permutation(90)], y[100:])]

    def fit(kind):
        network = Network(sizes, dtype=precision[1], seed=1)
        settings = {"seed": 0, "momentum": 0.9, "learning_rate": 0.01, "n_threads": 1}
        assert Trainer(network, **settings).fit_stream(chunks, epochs=2).first_layer == kind
        return network.parameters

    found, expected = both_ways(monkeypatch, fit)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol / 10)


@slow
@pytest.mark.parametrize("sizes", [[90, 7, 3], [90, 10, 3], [90, 70, 3]], ids=str)
@pytest.mark.parametrize("settings", [{"clip_norm": 0.1}, {"clip_norm": 0.1, "optimizer": "adam"}], ids=str)
def test_a_stream_of_all_kinds(sizes, settings, rng, monkeypatch):
    """Nothing of a chunk stays where chunks of another kind do not look for it."""
    blocks, thin = (blocky(rng, 100, 90, float) / 255 for _ in range(2))
    thin = np.where(rng.random(thin.shape) < 0.1, 1.0, 0.0)
    full, y = rng.standard_normal((100, 90)), rng.integers(0, 3, 100)
    for order in ((full, blocks, full), (thin, blocks, thin, blocks), (blocks, full, blocks, thin)):

        def fit(kind, order=order):
            network = Network(sizes, dtype="float64", seed=1)
            trainer = Trainer(network, seed=0, learning_rate=0.01, n_threads=1, center=False, **settings)
            trainer.fit_stream([(X, y) for X in order], epochs=2)
            return network.parameters

        found, expected = both_ways(monkeypatch, fit)
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


@slow
def test_sampled_softmax(rng, monkeypatch):
    _, X, y, _ = problem(rng, [90, 8, 40])

    def fit(kind):
        network = Network([90, 8, 40], dtype="float64", seed=1)
        settings = {"loss": "sampled_softmax", "n_candidates": 9, "seed": 0, "n_threads": 1}
        assert Trainer(network, **settings).fit(X / 255, y, epochs=2).first_layer == kind
        return network.parameters

    found, expected = both_ways(monkeypatch, fit)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@slow
@pytest.mark.parametrize("hidden", [7, 70])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_estimators(hidden, solver, form, rng, monkeypatch):
    """The penalty of scikit-learn's loss, and a gradient that is added up over many calls."""
    X, y, kinds, made = blocky(rng, 600, 90, float) / 255, rng.integers(0, 3, 600), [], run.block_rows
    monkeypatch.setattr(plan, "minibatches_per_call", lambda *_: 1)
    monkeypatch.setattr(run, "block_rows", lambda *arguments: kinds.append(made(*arguments)) or kinds[-1])

    def fit(kind):
        settings = {"batch_size": 64, "max_iter": 5, "alpha": 0.1, "random_state": 0, "n_threads": 1}
        model = MLPClassifier(hidden, solver=solver, **settings).fit(form(X), y)
        return np.concatenate([w.ravel() for w in (*model.coefs_, *model.intercepts_)]), model.loss_

    (found, loss), (expected, other) = both_ways(monkeypatch, fit)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    assert loss == pytest.approx(other, rel=1e-9)
    assert len(kinds) == 1
    assert kinds[0] is not None


# -- what changes no bit -------------------------------------------------------------------------------

VARIANTS = [SGD[1], *(pytest.param(settings, marks=slow) for settings in (ADAM[0], CLIPPED[1]))]


def pair(rng, sizes, n=203):
    network, X, y, order = problem(rng, sizes, n=n, precision=SINGLE)
    return network, centred(Network(sizes, seed=1), X), (X, y, order, 32)


@both
@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("per_call", [1, 3, 10**9])
@pytest.mark.parametrize("settings", VARIANTS)
def test_threads_and_cuts(sizes, n_threads, per_call, settings, rng, n_slices):
    one, other, arguments = pair(rng, sizes)
    losses, _, fit = train(one, *arguments, epochs=3, **settings)
    assert fit.kind == "blocks"
    others = train(other, *arguments, n_threads=n_threads, per_call=per_call, epochs=3, **settings)[0]
    np.testing.assert_array_equal(other.parameters, one.parameters)
    np.testing.assert_array_equal(others, losses)


@both
@pytest.mark.parametrize("settings", VARIANTS)
def test_going_on_alone(sizes, settings, rng, n_slices, parted):
    one, other, arguments = pair(rng, sizes)
    losses, _, fit = train(one, *arguments, epochs=3, **settings)
    assert fit.kind == "blocks"
    others = train(other, *arguments, n_threads=2, per_call=6, epochs=3, **settings)[0]
    assert parted
    assert all(parted)
    np.testing.assert_array_equal(other.parameters, one.parameters)
    np.testing.assert_array_equal(others, losses)


@both
def test_the_order_in_memory(sizes, rng, tmp_path):
    one, _, (X, *rest) = pair(rng, sizes, 67)
    assert train(one, X, *rest, **SGD[0])[2].kind == "blocks"
    for name, rows in layouts(X, tmp_path).items():
        other = centred(Network(sizes, seed=1), X)
        assert train(other, other._check_inputs("X", rows), *rest, **SGD[0])[2].kind == "blocks"
        np.testing.assert_array_equal(other.parameters, one.parameters, err_msg=name)


@both
def test_compressed_sparse_rows(sizes, rng, n_slices):
    one, other, (X, *rest) = pair(rng, sizes)
    with_zeros = sp.csr_array(X + (X == 0)).astype(np.uint8)
    with_zeros.data[:] = X.ravel()  # entries that are zero are no entries
    train(one, X, *rest, **SGD[1])
    for rows in (sp.csr_array(X), with_zeros):
        other = centred(Network(sizes, seed=1), X)
        assert train(other, other._check_inputs("X", rows), *rest, **SGD[1])[2].kind == "blocks"
        np.testing.assert_array_equal(other.parameters, one.parameters)


@both
def test_after_a_divergence_the_network_has_the_weights_from_before(sizes, rng):
    _, _, (X, y, *_) = pair(rng, sizes)
    network = Network(sizes, "identity", seed=1)
    settings, before = {"seed": 0, "n_threads": 1, "batch_size": 32}, network.parameters.copy()
    with pytest.raises(DivergenceError, match="those from before"):
        Trainer(network, learning_rate=1e30, **settings).fit(X, y, epochs=1)
    np.testing.assert_array_equal(network.parameters, before)
    assert Trainer(network, **settings).fit(X, y, epochs=1).first_layer == "blocks"
    assert np.isfinite(network.parameters).all()


# -- memory --------------------------------------------------------------------------------------------


@both
def test_release_frees_the_records(sizes, rng):
    network, _, arguments = pair(rng, sizes)
    fit = train(network, *arguments, **SGD[0])[2]
    assert fit.kind == "blocks"
    expected, records = network.parameters.copy(), weakref.ref(fit._rows.records.base)
    fit.release()
    assert records() is None
    fit.publish()
    np.testing.assert_array_equal(network.parameters, expected)
