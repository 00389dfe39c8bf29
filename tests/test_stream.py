"""Training on a stream of chunks: the bits of fit, what is read when, and what is refused."""

import threading
import weakref

import numpy as np
import pytest
import scipy.sparse as sp

import fastnet
from fastnet import DivergenceError, EarlyStopping, Network, Trainer, plan

RNG = np.random.default_rng(0)
X = RNG.normal(2, 1, (400, 12)).astype(np.float32)
Y = (X[:, :6].sum(axis=1) > X[:, 6:].sum(axis=1)).astype(int)
CHUNKS = [(X[i : i + 150], Y[i : i + 150]) for i in range(0, 400, 150)]


def make(**settings):
    network = Network([12, 8, 2], seed=0)
    return network, Trainer(network, **{"seed": 0, "learning_rate": 0.2, "n_threads": 1, **settings})


def fresh():
    yield from CHUNKS


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.5}])
def test_one_chunk_has_the_bits_of_fit(settings):
    weights = RNG.random(400)
    one, trainer = make(**settings)
    history = trainer.fit(X, Y, epochs=3, sample_weight=weights, class_weight={1: 2.0}, validation_data=(X, Y))
    other, trainer = make(**settings)
    found = trainer.fit_stream([(X, Y, weights)], epochs=3, class_weight={1: 2.0}, validation_data=(X, Y))
    np.testing.assert_array_equal(other.parameters, one.parameters)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        np.testing.assert_array_equal(getattr(found, name), getattr(history, name))


def test_chunks_are_small_fits_one_after_the_other():
    """Apart from the loss of the epoch, which is that of all samples."""
    one, trainer = make(center=False, momentum=0.5, batch_size=25)
    found = [trainer.fit(*chunk, epochs=1) for chunk in CHUNKS]
    other, trainer = make(center=False, momentum=0.5, batch_size=25)
    history = trainer.fit_stream(CHUNKS)
    np.testing.assert_array_equal(other.parameters, one.parameters)
    sizes = [len(y) for _, y in CHUNKS]
    assert history.loss[0] == pytest.approx(np.average([h.loss[0] for h in found], weights=sizes), rel=1e-12)
    assert history.accuracy[0] == pytest.approx(np.average([h.accuracy[0] for h in found], weights=sizes), rel=1e-12)


@pytest.mark.parametrize("source", ["list", "function", "object"])
@pytest.mark.parametrize("prefetch", [False, True])
def test_any_source_and_any_thread_give_the_same_bits(source, prefetch):
    class Rows:
        def __iter__(self):
            return fresh()

    chunks = {"list": CHUNKS, "function": fresh, "object": Rows()}[source]
    expected, trainer = make()
    trainer.fit_stream(CHUNKS, epochs=3)
    network, trainer = make()
    history = trainer.fit_stream(chunks, epochs=3, prefetch=prefetch)
    np.testing.assert_array_equal(network.parameters, expected.parameters)
    assert len(history) == 3


def test_a_generator_serves_one_epoch():
    network, trainer = make()
    assert len(trainer.fit_stream(fresh())) == 1
    before = network.parameters.copy()
    for settings in ({"epochs": 2}, {"preprocessing_from": "all", "reset_preprocessing": True}):
        with pytest.raises(ValueError, match="chunks is a generator, which serves one pass, but 2 are needed"):
            trainer.fit_stream(fresh(), **settings)
    np.testing.assert_array_equal(network.parameters, before)


@pytest.mark.parametrize("settings", [{}, {"scale": "standard"}, {"scale": "minmax"}])
@pytest.mark.parametrize("origin", ["first", "all"])
def test_preprocessing(settings, origin):
    network, trainer = make(**settings)
    trainer.fit_stream(fresh, preprocessing_from=origin)
    same, other = make(**settings)
    other.fit(*((X, Y) if origin == "all" else CHUNKS[0]), epochs=1)
    for name in ("mean", "factors"):
        found, expected = (getattr(n.preprocessing, name) for n in (network, same))
        assert (found is None) == (expected is None)
        if found is not None:
            np.testing.assert_allclose(found, expected, rtol=1e-6)
    kept = network.preprocessing
    trainer.fit_stream(CHUNKS[1:])
    assert network.preprocessing is kept
    trainer.fit_stream(CHUNKS[1:], reset_preprocessing=True)
    np.testing.assert_allclose(network.preprocessing.mean * 1.0, make_mean(settings), rtol=1e-4, atol=1e-5)


def make_mean(settings):
    network, trainer = make(**settings)
    trainer.fit(*CHUNKS[1], epochs=1)
    return network.preprocessing.mean


def test_principal_components_of_all_chunks():
    network = Network([4, 2], seed=0)
    Trainer(network, pca=4, seed=0, n_threads=1).fit_stream(fresh, preprocessing_from="all")
    pca = fastnet.PCA(4).fit(X)
    np.testing.assert_allclose(network.preprocessing.mean, pca.mean_, rtol=1e-6)
    np.testing.assert_allclose(np.abs(network.preprocessing.components), np.abs(pca.components_.T), atol=1e-5)


def test_no_minibatch_is_much_smaller_than_the_others():
    sizes = []

    class Watch(fastnet.Callback):
        def on_minibatches_end(self, state):
            sizes.append(state.minibatch)

    _, trainer = make(callbacks=Watch(), batch_size=128)
    trainer.fit_stream([(X[:260], Y[:260]), (X[:300], Y[:300])])
    assert sizes == [2 + 1, 3 + 3]  # 104, 104, 52 and 120, 120, 60
    assert [plan.even_batch_size(n, 128) for n in (1, 127, 128, 129, 192, 260, 5000, 55_000)] == [
        1, 127, 128, 86, 128, 104, 126, 128
    ]  # fmt: skip
    for n in range(1, 400):
        size = plan.even_batch_size(n, 32)
        assert n % size == 0 or 2 * (n % size) >= size
        assert size > 16 or n < 32


def test_sparse_chunks():
    thin = np.where(RNG.random((300, 12)) < 0.2, 1, 0).astype(np.float32)
    networks = []
    for form in (np.asarray, sp.csr_array):
        network, trainer = make()
        history = trainer.fit_stream([(form(thin[:150]), Y[:150]), (form(thin[150:]), Y[150:300])], epochs=2)
        assert history.first_layer == "sparse"
        networks.append(network)
    np.testing.assert_array_equal(networks[1].parameters, networks[0].parameters)


def test_chunks_may_be_dense_and_sparse_and_empty():
    thin = np.zeros((150, 12), np.float32)
    thin[:, 3] = Y[:150]
    network, trainer = make(learning_rate=0.05)
    history = trainer.fit_stream([(X[:0], Y[:0]), CHUNKS[0], (thin, Y[:150]), (X[:0], Y[:0]), CHUNKS[1]], epochs=2)
    assert history.first_layer == "dense"
    assert np.isfinite(network.parameters).all()
    assert history.loss[1] < history.loss[0]


def test_callbacks_schedule_and_validation():
    seen, stopping = [], EarlyStopping("val_loss", patience=1)

    class Watch(fastnet.Callback):
        def on_minibatches_end(self, state):
            seen.append((state.epoch, state.minibatch, state.minibatches))

    _, trainer = make(callbacks=[Watch(), stopping], schedule=lambda epoch: 0.2 / (epoch + 1), batch_size=50)
    history = trainer.fit_stream(CHUNKS, epochs=2, validation_data=(X, Y))
    np.testing.assert_allclose(history.learning_rate, [0.2, 0.1])
    assert seen == [(0, 3, 0), (0, 6, 0), (0, 8, 0), (1, 3, 8), (1, 6, 8), (1, 8, 8)]
    assert np.isfinite(history.val_loss).all()


# -- memory and threads --------------------------------------------------------------------------------


def test_one_chunk_is_held_at_a_time():
    """The chunk before is gone when the next is read."""
    alive, most = [], []

    class Array(np.ndarray):
        pass

    def chunks():
        for number in range(4):
            most.append(sum(reference() is not None for reference in alive))
            rows = np.full((60, 12), number, np.float32).view(Array)
            alive.append(weakref.ref(rows))
            box = [(rows, np.arange(60) % 2)]
            del rows
            yield box.pop()

    _, trainer = make()
    trainer.fit_stream(chunks, epochs=2)
    assert most == [0] * 8


def test_the_next_chunk_is_read_by_another_thread_while_this_one_is_trained_on():
    readers, asked = [], threading.Event()

    def chunks():
        for number, chunk in enumerate(CHUNKS):
            readers.append(threading.current_thread().name)
            if number == 1:
                asked.set()
            yield chunk

    class Wait(fastnet.Callback):
        def on_minibatches_end(self, state):
            assert asked.wait(10), "the second chunk was not asked for while the first was trained on"

    _, trainer = make(callbacks=Wait())
    trainer.fit_stream(chunks, prefetch=True)
    assert len(readers) == 3
    assert threading.current_thread().name not in readers


# -- what goes wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [False, True])
def test_what_was_trained_before_a_failure_is_kept(prefetch):
    def chunks():
        yield CHUNKS[0]
        raise OSError("the disk is gone")

    network, trainer = make()
    before = network.parameters.copy()
    with pytest.raises(OSError, match="the disk is gone"):
        trainer.fit_stream(chunks, prefetch=prefetch)
    expected, other = make()
    other.fit_stream(CHUNKS[:1])
    np.testing.assert_array_equal(network.parameters, expected.parameters)
    assert not np.array_equal(network.parameters, before)
    assert network.preprocessing is not None


def test_a_divergence_keeps_the_last_epoch():
    network, trainer = make(learning_rate=3e38)
    before = network.parameters.copy()
    with pytest.raises(DivergenceError):
        trainer.fit_stream(CHUNKS)
    np.testing.assert_array_equal(network.parameters, before)
    assert network.preprocessing is None


GOOD = CHUNKS[0]
BAD = [
    ([], ValueError, "chunks gave no samples"),
    ([(X[:0], Y[:0])], ValueError, "chunks gave no samples"),
    (3, TypeError, r"chunks must be an iterable of tuples \(X, y\), got int"),
    (lambda: None, TypeError, r"chunks\(\) must be an iterable of tuples \(X, y\), got NoneType"),
    ({"X": X}, TypeError, "chunks must be an iterable .* got dict"),
    ((X, Y), TypeError, r"chunk 0 must be a tuple \(X, y\) or \(X, y, sample_weight\), got ndarray"),
    ([(X,)], TypeError, "chunk 0 must be a tuple .* got tuple of length 1"),
    ([(X[:, :3], Y)], ValueError, "X of chunk 0 has 3 features, but the network expects 12"),
    ([(X, Y + 5)], ValueError, "y of chunk 0: label [56] at index 0 is outside"),
    ([(X, Y[:3])], ValueError, "y of chunk 0 has 3 labels, but there are 400 samples"),
    ([(X, Y, -np.ones(400))], ValueError, "sample_weight of chunk 0 must not be negative"),
]


@pytest.mark.parametrize(("chunks", "kind", "text"), BAD)
def test_bad_chunks_are_refused(chunks, kind, text):
    network, trainer = make()
    before = network.parameters.copy()
    with pytest.raises(kind, match=text):
        trainer.fit_stream(chunks)
    np.testing.assert_array_equal(network.parameters, before)
    assert network.preprocessing is None


LATER = [
    ((X * np.nan, Y), "Input X of chunk 1 contains NaN. First at row 0, column 0"),
    ((X.astype(np.uint8), Y), "X of chunk 1 holds uint8 data, but the first chunk float data"),
]


@pytest.mark.parametrize(("chunk", "text"), LATER)
def test_a_later_bad_chunk_is_named(chunk, text):
    _, trainer = make()
    with pytest.raises(ValueError, match=text):
        trainer.fit_stream([GOOD, chunk])


SETTINGS = [
    ({"epochs": 0}, ValueError, "epochs must be >= 1"),
    ({"preprocessing_from": "some"}, ValueError, "preprocessing_from must be one of 'first', 'all'"),
    ({"prefetch": 1}, TypeError, "prefetch must be True or False"),
    ({"class_weight": "balanced"}, ValueError, "class_weight='balanced' needs all labels beforehand"),
    ({"validation_data": (X, Y, 1, 2)}, TypeError, "validation_data must be a tuple"),
]


@pytest.mark.parametrize(("change", "kind", "text"), SETTINGS)
def test_bad_settings_are_refused(change, kind, text):
    network, trainer = make()
    with pytest.raises(kind, match=text):
        trainer.fit_stream(CHUNKS, **change)
    assert network.preprocessing is None


def test_a_function_that_returns_the_same_iterator_again():
    iterator = fresh()
    _, trainer = make()
    with pytest.raises(ValueError, match="chunks gave no samples in epoch 2: a function must return a new iterator"):
        trainer.fit_stream(lambda: iterator, epochs=2)


def test_a_batch_that_is_larger_than_a_chunk_is_told():
    _, trainer = make(batch_size=200)
    with pytest.warns(UserWarning, match="batch_size=200 is more than the 150 samples"):
        trainer.fit_stream(CHUNKS)
