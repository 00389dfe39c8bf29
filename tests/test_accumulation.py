"""Large minibatches: the gradients of their micro-batches are added up. Against the oracle, and what changes no bit."""

import numba
import numpy as np
import pytest
from block_data import blocky, without_blocks
from buffers import DTYPES, Guarded, same_bits
from runs import BITS, check_oracle, make_targets, train
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from trainings import StopAfterCalls

import fastnet
from fastnet import Network, Trainer, plan
from fastnet._jit import OPTIONS
from fastnet.estimators import MLPClassifier
from fastnet.kernels import accumulation
from fastnet.kernels.accumulation import Accumulated
from fastnet.network import Preprocessing
from fastnet.run import Run
from fastnet.simd import pointer

ROWS = 32  # of a micro-batch; minibatches of 72 end with one of 8, and an epoch of 203 with one of 27

SGD = {"learning_rate": 0.05, "weight_decay": 0.02}
MOMENTUM = {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02}
ADAM = {"learning_rate": 0.01, "optimizer": "adamw", "weight_decay": 0.01}
optimizers = pytest.mark.parametrize("settings", [SGD, MOMENTUM, ADAM], ids=["sgd", "momentum", "adamw"])

# Kind of rows, as History tells them, and layer sizes.
KINDS = [
    ("dense", [50, 30, 5]),
    ("dense", [90, 7, 3]),
    ("sparse", [50, 30, 5]),
    ("blocks", [90, 70, 3]),
    ("blocks", [90, 7, 3]),
]
kinds = pytest.mark.parametrize(("kind", "sizes"), KINDS, ids=["dense", "few", "sparse", "blocks", "few blocks"])


@pytest.fixture
def rng():
    return np.random.default_rng(21)


@pytest.fixture
def micro_batches(monkeypatch):
    monkeypatch.setattr(plan, "micro_batch", lambda sizes, batch_size, dtype, lists=False: min(batch_size, ROWS))


def problem(rng, kind, sizes, monkeypatch, output="softmax", dtype="float64"):
    """Return a network, rows of a kind for it, targets and an order."""
    if kind == "blocks":
        X = blocky(rng, 203, sizes[0]).astype(dtype) / 255
    else:
        X = rng.standard_normal((203, sizes[0])) * (rng.random((203, sizes[0])) < (0.1 if kind == "sparse" else 1))
    if kind == "sparse":
        without_blocks(monkeypatch)
    network = Network(sizes, output=output, dtype=dtype, seed=1)
    network.preprocessing = Preprocessing(X.mean(axis=0).astype(dtype), 1.0, "float", None)
    return network, X.astype(dtype), make_targets(output, 203, sizes[-1], rng), rng.permutation(203)


# -- the kernel ----------------------------------------------------------------------------------------


@numba.njit(**OPTIONS)
def keep(kept, g, begins):
    accumulation.keep(pointer(kept, 0), pointer(g, 0), g.size, begins)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n", [16, 48, 4112])
@pytest.mark.parametrize("begins", [True, False])
def test_kept_gradients_are_their_reference(dtype, n, begins, rng):
    g, before, kept = rng.standard_normal(n).astype(dtype), rng.standard_normal(n).astype(dtype), Guarded((n,), dtype)
    kept.array[:] = before
    keep(kept.array, g, begins)
    kept.assert_untouched_around()
    assert same_bits(kept.array, accumulation.keep_reference(before, g, begins))


def test_what_was_kept_before_a_minibatch_does_not_matter():
    kept = np.full(32, np.nan)
    keep(kept, np.ones(32), True)
    assert (kept == 1).all()


# -- against the oracle --------------------------------------------------------------------------------


@kinds
@optimizers
@pytest.mark.parametrize("batch_size", [32, 64, 72, 300])
def test_epochs_equal_the_oracle(kind, sizes, settings, batch_size, rng, n_slices, micro_batches, monkeypatch):
    check_oracle(*problem(rng, kind, sizes, monkeypatch), batch_size, kind=kind, rtol=1e-9, **settings)


@pytest.mark.parametrize(("kind", "sizes"), [KINDS[0], KINDS[3]], ids=["dense", "blocks"])
def test_sample_weights_equal_the_oracle(kind, sizes, rng, micro_batches, monkeypatch):
    """All weights of a micro-batch may be zero: its samples are divided by the sum of the whole minibatch."""
    weights, arguments = rng.random(203), problem(rng, kind, sizes, monkeypatch)
    weights[arguments[-1][72 : 72 + ROWS]] = 0
    check_oracle(*arguments, 72, kind=kind, rtol=1e-9, weights=weights, **MOMENTUM)


@pytest.mark.parametrize(("kind", "sizes"), [KINDS[0], KINDS[3]], ids=["dense", "blocks"])
@pytest.mark.parametrize("settings", [SGD, ADAM], ids=["sgd", "adamw"])
def test_the_whole_gradient_is_clipped(kind, sizes, settings, rng, micro_batches, monkeypatch):
    arguments = problem(rng, kind, sizes, monkeypatch)
    check_oracle(*arguments, 72, kind=kind, rtol=1e-9, clip_norm=0.05, **settings)


@pytest.mark.parametrize("output", ["sigmoid", "identity"])
def test_other_outputs_equal_the_oracle(output, rng, micro_batches, monkeypatch):
    check_oracle(*problem(rng, *KINDS[0], monkeypatch, output), 72, kind="dense", rtol=1e-9, **SGD)


def test_dropout_falls_on_the_same_samples(rng, monkeypatch):
    """What is dropped goes by the sample's position, however its minibatch is cut."""
    (whole, X, y, order), settings = problem(rng, *KINDS[0], monkeypatch), {"rates": (0.4,), "clip_norm": 1e9, **SGD}
    train(whole, X, y, order, 72, **settings)
    monkeypatch.setattr(plan, "micro_batch", lambda sizes, batch_size, dtype, lists=False: ROWS)
    cut = problem(np.random.default_rng(21), *KINDS[0], monkeypatch)[0]
    train(cut, X, y, order, 72, **settings)
    np.testing.assert_allclose(cut.parameters, whole.parameters, rtol=1e-9, atol=1e-12)


def cut_and_whole(monkeypatch, trained):
    """Return what a training gives with micro-batches, and without."""
    found = []
    for most in (ROWS, 1 << 30):
        monkeypatch.setattr(plan, "micro_batch", lambda sizes, n, dtype, lists=False, most=most: min(n, most))
        found.append(trained())
    return found


def test_the_penalty_of_scikit_learn_is_counted_once(rng, monkeypatch):
    """And before the update, as its loss curve has it."""
    X, y = rng.standard_normal((203, 50)), rng.integers(0, 3, 203)
    settings = {"solver": "sgd", "batch_size": 72, "alpha": 0.5, "max_iter": 3, "random_state": 0, "tol": 0.0}

    def trained():
        with pytest.warns(ConvergenceWarning):
            return MLPClassifier((30,), **settings).fit(X, y).loss_curve_

    np.testing.assert_allclose(*cut_and_whole(monkeypatch, trained), rtol=1e-9)


def test_sparse_rows_that_are_written_out_equal_whole_minibatches(rng, monkeypatch):
    X = sparse.random_array((203, 70_000), density=1e-3, format="csr", rng=rng)
    y = rng.integers(0, 3, 203)

    def trained():
        network = Network([70_000, 12, 3], dtype="float64", seed=0)
        assert Trainer(network, batch_size=72, seed=0, learning_rate=1.0).fit(X, y, epochs=2).first_layer == "dense"
        return network.parameters

    np.testing.assert_allclose(*cut_and_whole(monkeypatch, trained), rtol=1e-9, atol=1e-12)


# -- what may change no bit ----------------------------------------------------------------------------


@BITS
@kinds
def test_threads_and_cuts_change_no_bit(kind, sizes, dtype, n_slices, micro_batches, monkeypatch):
    def trained(*cut):
        network, *data = problem(np.random.default_rng(3), kind, sizes, monkeypatch, dtype=dtype)
        weights = np.random.default_rng(4).random(203)
        losses, hits, _ = train(network, *data, 72, *cut, epochs=3, weights=weights, **MOMENTUM)
        return network.parameters, losses, hits

    one = trained()
    for cut in ((1, 1), (2, None), (2, 3), (3, 1), (5, None)):
        assert all(same_bits(found, wanted) for found, wanted in zip(trained(*cut), one, strict=True))


@pytest.mark.parametrize(("kind", "sizes"), [KINDS[0], KINDS[3]], ids=["dense", "blocks"])
def test_going_on_alone_within_a_minibatch_changes_no_bit(kind, sizes, micro_batches, parted, monkeypatch):
    found = []
    for n_threads in (1, 2):
        network, *data = problem(np.random.default_rng(3), kind, sizes, monkeypatch)
        losses, _, run = train(network, *data, 203, n_threads, epochs=3, **MOMENTUM)
        assert run._micro_batch == ROWS
        found.append((losses, network.parameters))
    assert parted
    assert all(parted)
    assert same_bits(found[0][0], found[1][0])
    assert same_bits(found[0][1], found[1][1])


def test_a_long_fit_is_two_short_ones(rng, micro_batches, monkeypatch):
    _, X, y, _ = problem(rng, *KINDS[0], monkeypatch)
    long, short = (Trainer(Network([50, 30, 5], dtype="float64", seed=0), batch_size=64, seed=0) for _ in range(2))
    long.fit(X, y, epochs=4)
    for _ in range(2):
        short.fit(X, y, epochs=2)
    assert same_bits(long.network.parameters, short.network.parameters)


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.9}], ids=["sgd", "momentum"])
@pytest.mark.parametrize(("kind", "sizes"), KINDS[2:], ids=["sparse", "blocks", "few blocks"])
def test_an_interrupted_fit_ends_with_the_same_bits(kind, sizes, settings, micro_batches, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "minibatches_per_call", lambda *args: 1)
    _, X, y, _ = problem(np.random.default_rng(3), kind, sizes, monkeypatch)
    settings |= {"batch_size": 72, "seed": 0, "center": kind != "sparse"}

    def trainer(**more):
        return Trainer(Network(sizes, dtype="float64", seed=0), **settings, **more)

    whole = trainer()
    assert whole.fit(X, y, epochs=3).first_layer == kind
    folder = {"checkpoint_dir": tmp_path, "checkpoint_every": 1}
    with pytest.raises(KeyboardInterrupt):
        trainer(**folder, callbacks=[StopAfterCalls(5)]).fit(X, y, epochs=3)
    again = trainer(**folder)
    again.fit(X, y, epochs=3, resume=True)
    assert same_bits(again.network.parameters, whole.network.parameters)


@pytest.mark.filterwarnings("ignore:batch_size")
def test_one_chunk_has_the_bits_of_a_fit(rng):
    """Its minibatches are no larger than it is, whatever was asked for."""
    X, y, sizes = rng.standard_normal((2000, 20)), rng.integers(0, 3, 2000), (20, 100, 3)
    assert plan.micro_batch(sizes, 2000, np.dtype(float)) != plan.micro_batch(sizes, 9000, np.dtype(float)) < 2000
    one, other = (Trainer(Network(sizes, dtype="float64", seed=0), batch_size=9000, seed=0) for _ in range(2))
    one.fit(X, y, epochs=2)
    other.fit_stream([(X, y)], epochs=2)
    assert same_bits(other.network.parameters, one.network.parameters)


@pytest.mark.filterwarnings("ignore:batch_size")
def test_smaller_rows_after_larger_ones(rng):
    """Chunks of a stream have micro-batches of their own."""
    chunks = [(rng.standard_normal((n, 20)), rng.integers(0, 3, n)) for n in (1600, 1500, 300)]
    settings = {"batch_size": 2000, "seed": 0, "center": False}
    streamed, fitted = (Trainer(Network([20, 300, 3], dtype="float64", seed=0), **settings) for _ in range(2))
    streamed.fit_stream(chunks, epochs=1)
    for chunk in chunks:
        fitted.fit(*chunk, epochs=1)
    assert same_bits(streamed.network.parameters, fitted.network.parameters)


def test_sparse_matrices_have_the_bits_of_arrays(rng):
    X = rng.standard_normal((1600, 3000)).astype(np.float32) * (rng.random((1600, 3000)) < 0.01)
    y, ends = rng.integers(0, 3, 1600), []
    for rows in (X, sparse.csr_matrix(X)):
        trainer = Trainer(Network([3000, 20, 3], seed=0), batch_size=1500, seed=0)
        assert trainer.fit(rows, y, epochs=2).first_layer == "sparse"
        ends.append(trainer.network.parameters)
    assert same_bits(*ends)


def test_folded_weights_of_older_versions_are_refused(rng, micro_batches, monkeypatch):
    """They worked on all rows of a minibatch at once, and could write checkpoints within an epoch."""
    network, X, y, order = problem(rng, *KINDS[2], monkeypatch)
    run = train(network, X, y, order, 72, **SGD)[2]
    state = run.state()
    assert state["folded"] is None
    run.restore(state)
    with pytest.raises(fastnet.CheckpointError, match="here these are 32"):
        run.restore(state | {"folded": {"alpha": np.ones(1)}, "rows": "sparse"})


# -- which minibatches ---------------------------------------------------------------------------------

SINGLE = np.dtype(np.float32)


@pytest.mark.parametrize("sizes", [(784, 10, 10), (784, 300, 10), (5000, 64, 3), (8, 10, 10), (784, 4096, 10)], ids=str)
@pytest.mark.parametrize("batch_size", [1, 255, 256, 767, 768, 1024, 4097, 50_000])
def test_micro_batches_are_few_and_even(sizes, batch_size):
    rows = plan.micro_batch(sizes, batch_size, SINGLE)
    if rows == batch_size:
        assert batch_size < 768 or batch_size * plan.row_bytes(sizes, SINGLE) < 3 * (2 << 20)
        return
    assert rows % 64 == 0
    assert 2 * rows < batch_size
    assert rows <= 256 + 64 or rows * plan.row_bytes(sizes, SINGLE) < (2 << 20) + 64 * plan.row_bytes(sizes, SINGLE)


def test_minibatches_of_the_benchmark_are_worked_on_at_once():
    assert all(plan.micro_batch((784, 300, 10), n, SINGLE) == n for n in (1, 32, 128, 512))
    assert plan.micro_batch((784, 512, 256, 10), 256, SINGLE) == 256


def test_lists_come_in_larger_micro_batches():
    assert plan.micro_batch((47_236, 64, 4), 16_384, SINGLE) < 512
    assert plan.micro_batch((47_236, 64, 4), 16_384, SINGLE, lists=True) > 4_000
    assert plan.micro_batch((784, 64, 4), 16_384, SINGLE, lists=True) <= 512


def fit(rng, batch_size, monkeypatch, **settings):
    """Return the run of a fit, and what ``fastnet.info`` says of it."""
    runs, begin = [], Run.__init__
    monkeypatch.setattr(Run, "__init__", lambda self, *args, **more: begin(self, *args, **more) or runs.append(self))
    X, y = rng.standard_normal((5000, 20)).astype(np.float32), rng.integers(0, 3, 5000)
    Trainer(Network([20, 500, 3], seed=0), batch_size=batch_size, seed=0, **settings).fit(X, y, epochs=1)
    return runs[0], fastnet.info([20, 500, 3], batch_size=batch_size, density=1.0)["network"]


def test_buffers_are_those_of_a_micro_batch(rng, monkeypatch):
    """Or of the largest minibatch that is none, however many rows this one has."""
    run, told = fit(rng, 5000, monkeypatch)
    assert told["micro_batch"] == run._micro_batch < 320
    assert run._work.batch_size == run._work.n_rows == run._work.tiles.rows.shape[1] < 3 * 320
    assert "added up" in told["why"]["micro_batch"]
    assert "added up" in told["why"]["update"]
    assert isinstance(run._optimizer, Accumulated)


def test_small_minibatches_are_no_micro_batches(rng, monkeypatch):
    run, told = fit(rng, 200, monkeypatch)
    assert told["micro_batch"] == run._work.batch_size == 200
    assert "few enough" in told["why"]["micro_batch"]
    assert not isinstance(run._optimizer, Accumulated)


def test_a_sampled_softmax_has_no_micro_batches(rng, monkeypatch):
    X, y = rng.standard_normal((1000, 20)).astype(np.float32), rng.integers(0, 400, 1000)
    monkeypatch.setattr(plan, "micro_batch", lambda *args: 64)
    network = Network([20, 30, 400], seed=0)
    history = Trainer(network, batch_size=500, loss="sampled_softmax", n_candidates=20, seed=0).fit(X, y, epochs=2)
    assert np.isfinite(history.loss).all()
