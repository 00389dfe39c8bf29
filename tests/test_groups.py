"""Fits whose minibatches share passes over the first layer: the oracle, what may change no bit, when they are taken."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from block_data import blocky, without_blocks
from runs import check_oracle, make_targets, sgd, train
from trainings import Interrupt

import fastnet
from fastnet import Network, Trainer, plan
from fastnet.kernels.groups import grouped
from fastnet.kernels.sgd import folded
from fastnet.layout import lanes
from fastnet.network import Preprocessing

SIZES = [130, 50, 3]
slow = pytest.mark.slow


@pytest.fixture
def rng():
    return np.random.default_rng(5)


# Each pair of dtypes compiles code of its own: entries and dense rows are tested in double precision, blocks in single.
TOLERANCE = {"dense": 1e-10, "sparse": 1e-10, "blocks": 2e-4}


def problem(rng, kind, sizes=SIZES, output="softmax", n=101, activation="tanh", dtype=None):
    """Return a centred network, rows of a kind, targets and an order."""
    X = blocky(rng, n, sizes[0])
    if kind == "sparse":  # entries anywhere
        X = rng.integers(1, 256, X.shape) * (rng.random(X.shape) < 0.1).astype(float)
    elif kind == "dense":
        X = rng.standard_normal(X.shape) * 99
    network = Network(sizes, activation, output, dtype=dtype or ("float32" if kind == "blocks" else "float64"), seed=1)
    mean = X.mean(axis=0) / 255
    network.preprocessing = Preprocessing(mean.astype(network.dtype), 1 / 255, "uint8" if kind == "blocks" else "float")
    return network, X, make_targets(output, n, sizes[-1], rng), rng.permutation(n)


def check(made, batch_size, group, kind, rtol=None, **settings):
    """Compare what ``problem`` made, trained in groups on two threads, with the oracle."""
    shared = {"n_threads": 2, "rtol": TOLERANCE[kind] if rtol is None else rtol}
    check_oracle(*made, batch_size, kind, group, **shared, **settings)


# -- against the oracle --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dense", "sparse", "blocks"])
@pytest.mark.parametrize(("batch_size", "group"), [(1, 32), (3, 11), (8, 4), (16, 2), (32, 2)])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_epochs_equal_the_oracle(kind, batch_size, group, weight_decay, rng, n_slices):
    """The last group is shorter, and so is its last minibatch."""
    settings = {"learning_rate": 0.05, "weight_decay": weight_decay}
    check(problem(rng, kind), batch_size, group, kind, **settings)


@pytest.mark.parametrize("kind", ["dense", "sparse", "blocks"])
@pytest.mark.parametrize("sizes", [[130, 50], [131, 70, 6, 5], [64, 11, 3]])
def test_any_depth_equals_the_oracle(kind, sizes, rng, n_slices):
    check(problem(rng, kind, sizes), 4, 8, kind, learning_rate=0.05, weight_decay=0.01)


@pytest.mark.parametrize("activation", ["sigmoid", "relu", pytest.param("gelu", marks=slow)])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_any_activation_and_output_equals_the_oracle(activation, output, rng, n_slices):
    """The padding of 50 sigmoids is not zero."""
    sizes = [130, 50, 9, 3]
    check(
        problem(rng, "dense", sizes, output, activation=activation),
        3,
        11,
        "dense",
        learning_rate=0.01,
        weight_decay=0.1,
    )


def test_sample_weights_equal_the_oracle(rng):
    weights = rng.random(101)
    weights[::7] = 0
    check(problem(rng, "dense"), 2, 16, "dense", weights=weights, learning_rate=0.05)


@pytest.mark.parametrize("kind", ["dense", pytest.param("sparse", marks=slow)])
@pytest.mark.parametrize("weight_decay", [5.0, 20.0, 30.0])
def test_a_decay_of_all_weights_equals_the_oracle(kind, weight_decay, rng):
    """Nothing is divided by what a decay leaves, which may be nothing, or a negative share."""
    check(problem(rng, kind), 4, 8, kind, learning_rate=0.05, weight_decay=weight_decay, rtol=1e-9)


def test_a_learning_rate_of_zero_changes_nothing(rng):
    network, X, y, order = problem(rng, "dense")
    before = network.parameters.copy()
    train(network, X, y, order, 4, group=8, learning_rate=0.0, weight_decay=0.1)
    np.testing.assert_array_equal(network.parameters, before)


def test_single_precision_is_as_near_as_without_groups():
    """The share that a decay leaves, 1 - 5e-5, may not be rounded again and again."""
    settings = {"learning_rate": 0.05, "weight_decay": 0.001, "epochs": 20}
    exact = problem(np.random.default_rng(3), "dense")
    train(*exact, 2, group=16, **settings)
    errors = []
    for group in (1, 16):
        single = problem(np.random.default_rng(3), "dense", dtype="float32")
        train(*single, 2, group=group, **settings)
        errors.append(np.abs(single[0].parameters - exact[0].parameters).max())
    assert errors[1] < 2 * errors[0]


# -- what may change no bit ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dense", "sparse", "blocks"])
def test_threads_and_cuts_change_no_bit(kind, n_slices):
    settings = {"learning_rate": 0.05, "weight_decay": 0.001, "epochs": 3, "group": 8}
    one = problem(np.random.default_rng(3), kind)
    losses, hits, _ = train(*one, 4, **settings)
    for n_threads in (1, 2, 3, 5):
        for per_call in (None, 8, 16):
            other = problem(np.random.default_rng(3), kind)
            found = train(*other, 4, n_threads=n_threads, per_call=per_call, **settings)
            np.testing.assert_array_equal(other[0].parameters, one[0].parameters)
            np.testing.assert_array_equal(found[0], losses)
            np.testing.assert_array_equal(found[1], hits)


@pytest.mark.parametrize("kind", ["dense", "sparse", "blocks"])
def test_going_on_alone_changes_no_bit(kind, n_slices, parted):
    settings = {"learning_rate": 0.05, "weight_decay": 0.001, "group": 4}
    one, other = (problem(np.random.default_rng(3), kind) for _ in range(2))
    losses, hits, _ = train(*one, 8, **settings)
    found = train(*other, 8, n_threads=2, **settings)
    assert parted == [True]
    np.testing.assert_array_equal(other[0].parameters, one[0].parameters)
    np.testing.assert_array_equal(found[0], losses)
    np.testing.assert_array_equal(found[1], hits)


def fitted(X, y, n_threads=1, epochs=2, network=None, resume=False, **settings):
    network = Network([X.shape[1], 50, 3], seed=0) if network is None else network
    trainer = Trainer(network, batch_size=2, learning_rate=0.05, seed=0, n_threads=n_threads, **settings)
    return network, trainer.fit(X, y, epochs=epochs, resume=resume)


@pytest.fixture
def rows(rng):
    X = blocky(rng, 203, 130)
    return X, rng.integers(0, 3, len(X))


def test_resuming_within_an_epoch_gives_the_same_bits(rows, tmp_path, monkeypatch):
    whole, history = fitted(*rows)
    monkeypatch.setattr(plan, "minibatches_per_call", lambda *_: 20)  # cut to one group of 16
    with pytest.raises(KeyboardInterrupt):
        fitted(*rows, checkpoint_dir=tmp_path, checkpoint_every=1, callbacks=[Interrupt(4)])
    network = Network([130, 50, 3], seed=1)
    trainer = Trainer(network, batch_size=2, learning_rate=0.05, seed=0, n_threads=2, checkpoint_dir=tmp_path)
    again = trainer.fit(*rows, epochs=2, resume=True)
    np.testing.assert_array_equal(network.parameters, whole.parameters)
    np.testing.assert_array_equal(again.loss, history.loss)


@slow
def test_csr_rows_give_the_same_bits(rows):
    X, y = rows[0] / np.float32(255), rows[1]
    dense, sparse = fitted(X, y)[0], fitted(sp.csr_matrix(X), y)[0]
    np.testing.assert_array_equal(sparse.parameters, dense.parameters)


def with_and_without_groups(monkeypatch, fit, dtype="float64"):
    """Return what ``fit`` makes of a network and normal rows, once with groups and once without."""
    X, y = np.random.default_rng(1).standard_normal((203, 130)), np.random.default_rng(2).integers(0, 3, 203)
    for units in (plan._MIN_GROUP_UNITS, 1000):
        monkeypatch.setattr(plan, "_MIN_GROUP_UNITS", units)
        network = Network([130, 50, 3], dtype=dtype, seed=0)
        found = fit(network, X, y)
        yield network.parameters, found


@pytest.mark.parametrize("settings", [{"dropout": 0.3}, pytest.param({"loss": "squared_error"}, marks=slow)])
def test_trainings_are_the_same_with_and_without_groups(settings, monkeypatch):
    def fit(network, X, y):
        return fitted(X, y, network=network, **settings)[1]

    (one, history), (other, expected) = with_and_without_groups(monkeypatch, fit, "float32")
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-5)
    np.testing.assert_array_equal(history.accuracy, expected.accuracy)


def test_streams_with_shorter_minibatches_equal_those_without_groups(monkeypatch):
    """Chunks of 7 samples have minibatches of fewer rows than the first one's."""

    def fit(network, X, y):
        chunks = [(X[a:b], y[a:b]) for a, b in ((0, 90), (90, 97), (97, 150))]
        Trainer(network, batch_size=3, learning_rate=0.05, seed=0).fit_stream(lambda: chunks, epochs=2)

    (one, _), (other, _) = with_and_without_groups(monkeypatch, fit)
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_a_training_that_diverges_says_so():
    rng = np.random.default_rng(0)
    network = Network([130, 50, 3], "identity", "identity", dtype="float64", seed=0)
    with pytest.raises(fastnet.DivergenceError, match="diverged"):
        fitted(rng.standard_normal((203, 130)) * 1e3, rng.standard_normal((203, 3)), network=network, epochs=50)


# -- when groups are taken -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "batch_size", "group"),
    [
        ((784, 300, 10), 1, 32),
        ((784, 300, 10), 3, 11),
        ((784, 300, 10), 16, 2),
        ((784, 300, 10), 17, 1),  # two are more rows than needed
        ((784, 10, 10), 1, 1),  # few units
        ((784, 64, 10), 4, 8),
        ((784, 64, 10), 8, 1),
        ((100, 300, 10), 1, 1),  # few inputs
        ((784, 300, 300, 10), 1, 1),  # much for one thread
    ],
)
def test_shapes_decide_on_groups(sizes, batch_size, group):
    assert plan.minibatches_in_group(sizes, batch_size) == group
    assert fastnet.info(sizes, batch_size=batch_size)["network"]["minibatches_in_group"] == group


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "adam"},
        {"momentum": 0.9},
        {"clip_norm": 1.0},
        {"loss": "sampled_softmax", "n_candidates": 2},
    ],
)
def test_only_plain_sgd_takes_groups(settings):
    network, X = Network([784, 300, 10]), np.ones((2, 784))
    assert Trainer(network, batch_size=1)._group(X) == 32
    assert Trainer(network, batch_size=1, **settings)._group(X) == 1


@pytest.mark.parametrize("weight_decay", [0.02, 2.4])
def test_lists_of_entries_are_settled_between_groups(weight_decay, rng, monkeypatch):
    """Two hundred and fifty-six minibatches and more; at 0.12 a minibatch they are to be settled after each group."""
    without_blocks(monkeypatch)
    network, X, y, order = problem(rng, "sparse", n=701)
    check((network, X, y, order), 1, 32, "sparse", learning_rate=0.05, weight_decay=weight_decay)
    settings = sgd(network.parameters.size, network.dtype, 0.05, weight_decay=weight_decay)
    period = folded(settings).period
    assert grouped(folded(settings), 32).optimizer.period == max(1, period // 32)


@pytest.mark.parametrize("n_in", [128, 136, 144])
def test_rows_written_out_have_room_for_a_vector_of_zeros(n_in, rng):
    """Also where a row fills its cache lines."""
    network, X, y, order = problem(rng, "dense", [n_in, 50, 3])
    check((network, X, y, order), 1, 32, "dense", learning_rate=0.05)
    room = train(network, X, y, order, 1, group=32, learning_rate=0.05)[2]._work.group.inputs
    assert room.shape[2] >= n_in + 2 * lanes(network.dtype)


def test_calls_end_with_whole_groups(rng):
    assert [plan.whole_groups(n, 8) for n in (0, 1, 8, 20, 24)] == [8, 8, 8, 16, 24]
    _, _, run = train(*problem(rng, "dense"), 4, group=8, learning_rate=0.05)
    assert run._per_call % 8 == 0


def test_groups_are_for_rows_with_some_entries(rng):
    """Inner products of rows cost as much however few entries these have."""
    for share, group in ((0.001, 1), (0.2, 32), (1.0, 32)):
        X = rng.standard_normal((300, 200)) * (rng.random((300, 200)) < share)
        for rows in (X, sp.csr_matrix(X)):
            network = Network([200, 64, 3], seed=0)
            assert Trainer(network, batch_size=1)._group(rows) == group
        assert fastnet.info([200, 64, 3], batch_size=1, density=share)["network"]["minibatches_in_group"] == group


@pytest.mark.parametrize("n", [10, 40])
def test_a_stream_of_one_chunk_equals_a_fit(n, rng):
    """Also where that has fewer samples than a minibatch."""
    X, y = rng.standard_normal((n, 130)), rng.integers(0, 3, n)
    found = []
    for stream in (False, True):
        network = Network([130, 300, 3], dtype="float64", seed=0)
        trainer = Trainer(network, batch_size=16, learning_rate=0.05, seed=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a batch size larger than the data
            trainer.fit_stream(lambda: [(X, y)], epochs=2) if stream else trainer.fit(X, y, epochs=2)
        found.append(network.parameters)
    np.testing.assert_array_equal(found[0], found[1])


@slow
def test_a_checkpoint_of_other_groups_is_passed_over(rows, tmp_path, monkeypatch):
    """As versions from before groups wrote them, within an epoch."""
    monkeypatch.setattr(plan, "minibatches_per_call", lambda *_: 16)
    settings = {"checkpoint_dir": tmp_path, "checkpoint_every": 1}
    with monkeypatch.context() as before:
        before.setattr(plan, "_MIN_GROUP_UNITS", 1000)
        with pytest.raises(KeyboardInterrupt):
            fitted(*rows, callbacks=[Interrupt(9)], **settings)
    place = Place()
    with pytest.warns(UserWarning, match="other groups of minibatches"):
        fitted(*rows, callbacks=[place], checkpoint_dir=tmp_path, resume=True)
    assert place.found == (1, 0)


class Place(fastnet.Callback):
    """Remembers where a fit begins."""

    def on_fit_begin(self, state):
        self.found = state.epoch, state.minibatch
