"""Trainer: learning, history, schedules, callbacks, divergence, interruption, refusals."""

import warnings

import numpy as np
import pytest

from fastnet import Callback, DivergenceError, LearningRateScheduler, Network, Trainer
from fastnet._parallel import available_cpus
from fastnet.datasets import load_digits, load_moons


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def fitted(data, seed=0, epochs=3, sizes=(64, 20, 10), **settings):
    network = Network(list(sizes), seed=seed)
    return network, Trainer(network, seed=seed, **settings).fit(data.X_train, data.y_train, epochs=epochs)


def test_digits_are_learnt(digits):
    network = Network([64, 32, 10], seed=0)
    trainer = Trainer(network, learning_rate=0.2, momentum=0.5, seed=0)
    history = trainer.fit(digits.X_train, digits.y_train, epochs=30, validation_data=(digits.X_val, digits.y_val))
    assert history.loss[-1] < 0.1 < history.loss[0]
    assert history.accuracy[-1] > 0.98
    assert history.val_accuracy[-1] > 0.93
    assert network.score(digits.X_test, digits.y_test) > 0.93


def test_moons_need_27_parameters():
    moons = load_moons(noise=0.1, seed=0)
    network = Network([2, 5, 2], seed=1)
    history = Trainer(network, batch_size=1, seed=0).fit(moons.X_train, moons.y_train, epochs=700)
    assert network.n_parameters == 27
    assert history.loss.min() < 0.1


def test_regression_and_labels(digits):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 3))
    line = Network([3, 1], output="identity", seed=0)
    Trainer(line, learning_rate=0.1, seed=0).fit(X, X @ [1.0, -2.0, 0.5] + 3, epochs=30)
    np.testing.assert_allclose(line.weights[0][:, 0], [1, -2, 0.5], atol=1e-3)
    labels = Network([3, 8, 2], output="sigmoid", seed=0)
    y = np.stack([X[:, 0] > 0, X[:, 1] * X[:, 2] > 0], axis=1)
    history = Trainer(labels, learning_rate=0.1, momentum=0.9, seed=0).fit(X, y, epochs=100)
    assert history.accuracy[-1] > 0.9
    assert np.isnan(Trainer(line).fit(X, X[:, 0], epochs=1).accuracy).all()


def test_history_has_one_entry_an_epoch(digits):
    network = Network([64, 10], seed=0)
    X_val, y_val = digits.X_val, digits.y_val
    history = Trainer(network, schedule="cosine", seed=0).fit(
        digits.X_train, digits.y_train, epochs=4, validation_data=(X_val, y_val)
    )
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds", "samples_per_second"):
        assert getattr(history, name).shape == (4,)
        assert np.isfinite(getattr(history, name)).all()
    assert history.val_accuracy[-1] == network.score(X_val, y_val)
    loss, _ = network.loss_and_gradients(X_val, y_val)
    assert history.val_loss[-1] == pytest.approx(loss, rel=1e-6)
    np.testing.assert_allclose(history.samples_per_second * history.seconds, len(digits.X_train))
    assert history.compile_seconds > 0
    assert repr(history).startswith("History(4 epochs, loss ")


def test_means_are_those_of_the_whole_epoch(digits):
    """With a rate so small that nothing changes, the running means are those of the network as it is."""
    network = Network([64, 10], seed=0)
    trainer = Trainer(network, learning_rate=1e-30, batch_size=100)
    history = trainer.fit(digits.X_train, digits.y_train, epochs=1)
    loss, _ = network.loss_and_gradients(digits.X_train, digits.y_train)
    assert history.loss[0] == pytest.approx(loss, rel=1e-6)
    assert history.accuracy[0] == pytest.approx(network.score(digits.X_train, digits.y_train))


def test_same_seed_same_bits(digits):
    one, other, third = fitted(digits)[0], fitted(digits)[0], fitted(digits, seed=1)[0]
    np.testing.assert_array_equal(one.parameters, other.parameters)
    assert not np.array_equal(one.parameters, third.parameters)


@pytest.mark.parametrize("n_threads", [2, 4])
def test_threads_change_no_bit(digits, n_threads):
    expected, _ = fitted(digits, sizes=(64, 100, 10), n_threads=1)
    found, history = fitted(digits, sizes=(64, 100, 10), n_threads=n_threads)
    np.testing.assert_array_equal(found.parameters, expected.parameters)
    assert history.n_threads == min(n_threads, available_cpus())


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_two_fits_equal_one_long_fit(digits, momentum):
    long, _ = fitted(digits, epochs=4, momentum=momentum, learning_rate=0.01)
    network = Network([64, 20, 10], seed=0)
    trainer = Trainer(network, seed=0, momentum=momentum, learning_rate=0.01)
    for _ in range(2):
        trainer.fit(digits.X_train, digits.y_train, epochs=2)
    np.testing.assert_array_equal(network.parameters, long.parameters)


def test_many_models_train_at_once(digits):
    from concurrent.futures import ThreadPoolExecutor

    expected, _ = fitted(digits)
    with ThreadPoolExecutor(8) as pool:
        for network, _ in pool.map(lambda _: fitted(digits), range(16)):
            np.testing.assert_array_equal(network.parameters, expected.parameters)


@pytest.mark.parametrize("n", [1, 2, 5, 31, 32, 33, 64, 65])
@pytest.mark.parametrize("batch_size", [1, 2, 32, 64])
def test_any_number_of_samples(n, batch_size):
    rng = np.random.default_rng(n)
    network = Network([3, 4, 2], seed=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="batch_size")
        history = Trainer(network, batch_size=batch_size).fit(rng.random((n, 3)), rng.integers(0, 2, n), epochs=2)
    assert np.isfinite(history.loss).all()


def test_a_batch_larger_than_the_data_warns(digits):
    with pytest.warns(UserWarning, match="batch_size=32 is more than the 10 samples"):
        Trainer(Network([64, 10])).fit(digits.X_train[:10], digits.y_train[:10], epochs=1)


def test_settings_are_checked_whenever_they_are_set():
    trainer = Trainer(Network([4, 3]))
    trainer.learning_rate = np.float32(0.5)
    assert type(trainer.learning_rate) is float
    with pytest.raises(ValueError, match="momentum must be"):
        trainer.momentum = 2
    with pytest.raises(ValueError, match=r"'batchsize'. Did you mean 'batch_size'"):
        trainer.batchsize = 2
    assert trainer.momentum == 0
    assert repr(trainer).startswith(
        "Trainer(Network(4-3, no hidden layer, softmax, float32, 15 parameters), optimizer="
    )


def test_regression_with_validation_data_gives_r2():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3))
    y = X @ np.array([[1.0, 0.0], [-2.0, 1.0], [0.5, 3.0]])
    network = Network([3, 2], output="identity", seed=0)
    history = Trainer(network, seed=0).fit(X[:200], y[:200], epochs=20, validation_data=(X[200:], y[200:]))
    assert history.val_accuracy[-1] > 0.99
    assert "nan" not in repr(history)
    from sklearn.metrics import r2_score

    assert network.score(X, y) == pytest.approx(r2_score(y, network.predict(X)), rel=1e-6)


# -- schedules -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0.1] * 8),
        ("step", [0.1] * 4 + [0.01] * 2 + [0.001] * 2),
        ("cosine", [0.05 * (1 + np.cos(np.pi * e / 8)) for e in range(8)]),
        (lambda epoch: 0.5 / (1 + epoch), [0.5 / (1 + e) for e in range(8)]),
    ],
)
def test_schedules(digits, schedule, rates):
    _, history = fitted(digits, epochs=8, schedule=schedule)
    np.testing.assert_allclose(history.learning_rate, rates)


def test_halve_follows_the_loss(digits):
    _, history = fitted(digits, epochs=25, schedule="halve", learning_rate=4.0, batch_size=4)
    rises = history.loss[1:-1] > history.loss[:-2]
    assert rises.any()
    np.testing.assert_allclose(history.learning_rate[2:] / history.learning_rate[1:-1], np.where(rises, 0.5, 1))


# -- callbacks and interruption ------------------------------------------------------------------------


class Log(Callback):
    def __init__(self):
        self.events = []

    def on_fit_begin(self, state):
        self.events.append("begin")

    def on_compiled(self, state):
        self.events.append("compiled")

    def on_minibatches_end(self, state):
        self.events.append(("minibatch", state.epoch, state.minibatch))

    def on_epoch_end(self, state):
        self.events.append(("epoch", state.epoch, round(state.metrics["loss"], 6)))

    def on_fit_end(self, state):
        self.events.append("end")


def test_callbacks_see_the_course_of_training(digits):
    log = Log()
    _, history = fitted(digits, epochs=2, callbacks=[log])
    n_batches = -(-len(digits.X_train) // 32)
    first, second = (round(float(loss), 6) for loss in history.loss)
    assert log.events == [
        "begin",
        "compiled",
        ("minibatch", 0, n_batches),
        ("epoch", 1, first),
        ("minibatch", 1, n_batches),
        ("epoch", 2, second),
        "end",
    ]


def test_a_callback_can_stop(digits):
    _, history = fitted(digits, epochs=10, callbacks=[lambda state: state.epoch == 3])
    assert len(history) == 3


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_an_exception_in_a_callback_leaves_a_usable_network(digits, kind):
    def fail(state):
        if state.epoch == 2:
            raise kind("stop")

    expected, _ = fitted(digits, epochs=2)
    network, log = Network([64, 20, 10], seed=0), Log()
    trainer = Trainer(network, seed=0, callbacks=[fail, log])
    with pytest.raises(kind, match="stop"):
        trainer.fit(digits.X_train, digits.y_train, epochs=5)
    np.testing.assert_array_equal(network.parameters, expected.parameters)
    assert log.events[-1] == "end"
    assert network.score(digits.X_test, digits.y_test) == expected.score(digits.X_test, digits.y_test)
    trainer.callbacks = []
    trainer.fit(digits.X_train, digits.y_train, epochs=3)  # goes on where it was interrupted
    np.testing.assert_array_equal(network.parameters, fitted(digits, epochs=5)[0].parameters)


@pytest.mark.parametrize("event", ["on_fit_begin", "on_compiled", "on_minibatches_end", "on_epoch_end", "on_fit_end"])
def test_all_callbacks_learn_of_the_end_whatever_fails(digits, event):
    class Fail(Callback):
        pass

    def fail(self, state):
        raise RuntimeError(event)

    setattr(Fail, event, fail)
    before, after = Log(), Log()
    network = Network([64, 20, 10], seed=0)
    with pytest.raises(RuntimeError, match=event):
        Trainer(network, seed=0, callbacks=[before, Fail(), after]).fit(digits.X_train, digits.y_train, epochs=1)
    assert before.events[-1] == after.events[-1] == "end"
    trained = event in ("on_minibatches_end", "on_epoch_end", "on_fit_end")  # an epoch of digits is one call
    expected = fitted(digits, epochs=1)[0] if trained else Network([64, 20, 10], seed=0)
    np.testing.assert_array_equal(network.parameters, expected.parameters)


def test_what_fails_at_the_end_does_not_hide_why_it_ended(digits):
    class Fail(Callback):
        def __init__(self, text):
            self.text = text

        def on_fit_end(self, state):
            raise OSError(self.text)

    def interrupt(state):
        raise KeyboardInterrupt("stop")

    network = Network([64, 20, 10], seed=0)
    with pytest.raises(KeyboardInterrupt, match="stop") as caught:
        Trainer(network, callbacks=[Fail("full"), interrupt]).fit(digits.X_train, digits.y_train, epochs=2)
    assert caught.value.__notes__ == ["Fail.on_fit_end failed, too: OSError: full"]
    with pytest.raises(OSError, match="first") as caught:
        Trainer(network, callbacks=[Fail("first"), Fail("second")]).fit(digits.X_train, digits.y_train, epochs=1)
    assert caught.value.__notes__ == ["Fail.on_fit_end failed, too: OSError: second"]


def test_a_callback_sets_the_learning_rate_of_the_next_epoch(digits):
    def set_rate(state):
        assert state.metrics["learning_rate"] == history_so_far.setdefault(state.epoch, state.learning_rate)
        if state.epoch in (2, 4):
            state.learning_rate = 0.01 * state.epoch

    history_so_far = {}
    network, history = fitted(digits, epochs=5, schedule="cosine", callbacks=set_rate)
    cosine = fitted(digits, epochs=5, schedule="cosine")[1].learning_rate
    np.testing.assert_array_equal(history.learning_rate, [*cosine[:2], 0.02, 0.02, 0.04])
    rates = history.learning_rate.tolist()
    expected, _ = fitted(digits, epochs=5, schedule=lambda epoch: rates[epoch])
    np.testing.assert_array_equal(network.parameters, expected.parameters)


def test_a_learning_rate_scheduler_sees_the_epoch_and_the_rate_before(digits):
    seen = []

    def schedule(epoch, rate):
        seen.append((epoch, rate))
        return rate / 2 if epoch else 0.4

    trainer = Trainer(
        Network([64, 20, 10], seed=0), learning_rate=0.3, seed=0, callbacks=LearningRateScheduler(schedule)
    )
    for _ in range(2):  # a second fit begins with the trainer's rate
        seen.clear()
        history = trainer.fit(digits.X_train, digits.y_train, epochs=3)
        assert history.learning_rate.tolist() == [0.4, 0.2, 0.1]
        assert seen == [(0, 0.3), (1, 0.4), (2, 0.2)]


@pytest.mark.parametrize(
    ("rate", "error", "text"),
    [
        (0.0, ValueError, r"must be a finite number in \(0, inf\), got 0.0"),
        ("low", TypeError, "must be a number, got str"),
    ],
)
def test_a_learning_rate_that_is_none_is_refused(digits, rate, error, text):
    def set_rate(state):
        state.learning_rate = rate

    with pytest.raises(error, match="^learning_rate " + text):
        fitted(digits, epochs=2, callbacks=set_rate)
    with pytest.raises(error, match=r"^schedule\(0, 0.1\) " + text):
        fitted(digits, epochs=2, callbacks=LearningRateScheduler(lambda epoch, before: rate))
    with pytest.raises(TypeError, match="schedule must be a function of epoch and learning rate, got float"):
        LearningRateScheduler(0.5)


def test_an_interruption_inside_an_epoch_keeps_whole_minibatches(digits):
    """Ctrl-C between two compiled calls: the weights are those of the last minibatch that was finished."""

    class Interrupt(Callback):
        def on_minibatches_end(self, state):
            raise KeyboardInterrupt

    start, network = Network([64, 20, 10], seed=0), Network([64, 20, 10], seed=0)
    with pytest.raises(KeyboardInterrupt):
        Trainer(network, seed=0, callbacks=[Interrupt()]).fit(digits.X_train, digits.y_train, epochs=5)
    expected, _ = fitted(digits, epochs=1)  # an epoch of digits is one call
    np.testing.assert_array_equal(network.parameters, expected.parameters)
    assert not np.array_equal(network.parameters, start.parameters)


def test_one_callback_needs_no_list(digits):
    _, history = fitted(digits, epochs=10, callbacks=lambda state: state.epoch == 3)
    assert len(history) == 3
    with pytest.raises(TypeError, match=r"callbacks\[0\] is the class Callback; pass an instance"):
        Trainer(Network([4, 3]), callbacks=[Callback])


@pytest.mark.parametrize("event", ["on_fit_begin", "on_compiled"])
def test_a_fit_that_never_trained_leaves_no_preprocessing(digits, event):
    class Fail(Callback):
        pass

    def fail(self, state):
        raise RuntimeError(event)

    setattr(Fail, event, fail)
    network = Network([64, 10], seed=0)
    with pytest.raises(RuntimeError, match=event):
        Trainer(network, callbacks=[Fail()]).fit(digits.X_train, digits.y_train, epochs=1)
    assert network.preprocessing is None
    with pytest.raises(ValueError, match="schedule"):
        Trainer(network, schedule=lambda epoch: float("nan")).fit(digits.X_train, digits.y_train, epochs=1)
    assert network.preprocessing is None


def test_an_interruption_never_publishes_weights_that_are_not_finite():
    """The last update of a call may overflow although all losses so far were finite."""

    class Interrupt(Callback):
        def on_minibatches_end(self, state):
            raise KeyboardInterrupt

    network = Network([2, 1], output="identity", seed=0)
    before = network.parameters.copy()
    with pytest.raises(KeyboardInterrupt):
        Trainer(network, batch_size=2, learning_rate=1e38, callbacks=Interrupt()).fit(
            np.eye(2) * 1e3, [1e3, -1e3], epochs=1
        )
    np.testing.assert_array_equal(network.parameters, before)


# -- divergence ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("learning_rate", [1e3, 1e10, 1e30])
def test_divergence_stops_within_the_epoch(learning_rate):
    rng = np.random.default_rng(0)
    network = Network([3, 4, 1], "relu", output="identity", seed=0)
    before = network.parameters.copy()
    trainer = Trainer(network, learning_rate=learning_rate, momentum=0.9, seed=0)
    with pytest.raises(DivergenceError, match=rf"of epoch 1 \(learning_rate={learning_rate:g}\)".replace("+", r"\+")):
        trainer.fit(rng.standard_normal((3000, 3)) * 10, rng.standard_normal(3000) * 10, epochs=3)
    np.testing.assert_array_equal(network.parameters, before)
    assert network.preprocessing is None


def test_validation_data_beyond_all_bounds_are_a_divergence():
    network = Network([2, 3, 1], "identity", output="identity", seed=0)
    network.weights[0] = np.full((2, 3), 10)
    X, y = np.eye(2), np.array([1.0, 2.0])
    with pytest.raises(DivergenceError, match="output for sample 1 is not finite"):
        Trainer(network, batch_size=2, learning_rate=1e-9).fit(X, y, epochs=1, validation_data=(X * [1, 3e38], y))


def test_divergence_keeps_the_last_whole_epoch(digits):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 3)), rng.standard_normal(300)
    good = Network([3, 4, 1], "relu", output="identity", seed=0)
    Trainer(good, learning_rate=0.01, seed=0).fit(X, y, epochs=2)
    network = Network([3, 4, 1], "relu", output="identity", seed=0)
    schedule = lambda epoch: 0.01 if epoch < 2 else 1e20  # noqa: E731
    with pytest.raises(DivergenceError, match=r"of epoch 3 .*keeps its last good weights, those of epoch 2") as caught:
        Trainer(network, schedule=schedule, learning_rate=0.01, seed=0).fit(X, y, epochs=5)
    assert caught.value.epoch == 3
    np.testing.assert_array_equal(network.parameters, good.parameters)


# -- refusals ------------------------------------------------------------------------------------------

BAD_SETTINGS = [
    (
        {"optimizer": "sdg"},
        ValueError,
        "optimizer must be one of 'sgd', 'adam', 'adamw', got 'sdg'. Did you mean 'sgd'",
    ),
    ({"loss": "binary_cross_entropy"}, ValueError, "loss='binary_cross_entropy' does not go with output='softmax'"),
    ({"loss": "hinge"}, ValueError, "loss must be one of"),
    ({"learning_rate": 0}, ValueError, r"learning_rate must be a finite number in \(0, inf\), got 0.0"),
    ({"learning_rate": -1}, ValueError, "learning_rate must be"),
    ({"learning_rate": float("nan")}, ValueError, "learning_rate must be"),
    ({"learning_rate": float("inf")}, ValueError, "learning_rate must be"),
    ({"learning_rate": "fast"}, TypeError, "learning_rate must be a number, got str 'fast'"),
    ({"batch_size": 0}, ValueError, "batch_size must be >= 1, got 0"),
    ({"batch_size": 2.5}, TypeError, "batch_size must be an int, got float 2.5"),
    ({"batch_size": True}, TypeError, "batch_size must be an int, got bool True"),
    ({"momentum": 1.0}, ValueError, r"momentum must be a finite number in \[0, 1\), got 1.0"),
    ({"nesterov": "yes"}, TypeError, "nesterov must be True or False"),
    ({"weight_decay": -1e-9}, ValueError, "weight_decay must be"),
    ({"schedule": "cosin"}, ValueError, "Did you mean 'cosine'"),
    ({"center": 1}, TypeError, "center must be True or False"),
    ({"scale": 0.0}, ValueError, "scale must be"),
    ({"scale": "none"}, ValueError, "scale must be one of .auto., .minmax., .standard., got .none."),
    ({"scale": None}, TypeError, "scale must be a number"),
    ({"pca": 0}, ValueError, "n_components must be >= 1, got 0"),
    ({"pca": 1.5}, ValueError, r"n_components must be a finite number in \(0, 1\)"),
    ({"pca": "half"}, TypeError, "n_components must be an int, got str .half."),
    ({"seed": -1}, ValueError, "seed must be >= 0, got -1"),
    ({"seed": "x"}, TypeError, "seed must be an int, got str 'x'"),
    ({"n_threads": 0}, ValueError, "n_threads must be >= 1, got 0"),
    ({"callbacks": ["log"]}, TypeError, r"callbacks\[0\] must be a fastnet.Callback or a function"),
]


@pytest.mark.parametrize(("change", "kind", "text"), BAD_SETTINGS)
def test_bad_settings_are_refused(change, kind, text):
    with pytest.raises(kind, match=text):
        Trainer(Network([4, 3]), **change)


def test_a_trainer_needs_a_network():
    with pytest.raises(TypeError, match=r"network must be a fastnet.Network, got list"):
        Trainer([784, 10, 10])


GOOD = {"X": np.zeros((6, 4)), "y": np.array([0, 1, 2, 0, 1, 2]), "epochs": 1}
BAD_FITS = [
    ({"epochs": 0}, ValueError, "epochs must be >= 1, got 0"),
    ({"epochs": 1.0}, TypeError, "epochs must be an int, got float 1.0"),
    ({"X": np.zeros((0, 4)), "y": np.zeros(0, int)}, ValueError, r"X is empty: got shape \(0, 4\)"),
    ({"X": np.full((6, 4), np.nan)}, ValueError, "Input X contains NaN. First at row 0, column 0"),
    ({"y": np.array([0, 1, 2, 0, 1])}, ValueError, "y has 5 labels, but there are 6 samples"),
    ({"y": np.array([0, 1, 2, 0, 1, 3])}, ValueError, r"y: label 3 at index 5 is outside \[0, 3\) \(1 out of range"),
    ({"y": np.array([0, -1, 2, 0, 1, 2])}, ValueError, r"y: label -1 at index 1 is outside \[0, 3\)"),
    ({"y": np.array([0, 1, 2, 0, 1, 2**63], dtype=np.uint64)}, ValueError, "y: label 9223372036854775808 at index 5"),
    ({"y": np.array([0, 1, 2, 0, 1, 2.0])}, TypeError, r"y must hold integer class indices.*y.astype\(int\)"),
    ({"y": np.array([0, 1, 2, 0, 1, np.nan])}, TypeError, "y must hold integer class indices"),
    ({"y": np.array(list("abcabc"))}, TypeError, "y must hold integer class indices"),
    ({"y": 2 * np.eye(3)[[0, 1, 2, 0, 1, 2]]}, ValueError, "y must have 1 dimension"),
    ({"y": np.ones((6, 3))}, ValueError, "y must have 1 dimension.*From one-hot rows"),
    ({"y": np.ma.masked_array([0, 1, 2, 0, 1, 2], [0, 0, 0, 0, 0, 1])}, TypeError, "y is a masked array"),
    ({"y": [[0], [1], [2], [0], [1], [2]]}, ValueError, r"y must have 1 dimension.*Use y.ravel\(\)"),
    ({"y": [[0], [1, 2]]}, ValueError, "y can't be made an array"),
    ({"X": np.zeros((6, 2, 2))}, ValueError, r"Flatten the samples: X.reshape\(len\(X\), -1\)"),
    ({"y": None}, ValueError, "y must have 1 dimension"),
    ({"validation_data": (np.zeros((2, 4)),)}, TypeError, r"validation_data must be a tuple \(X, y\)"),
    ({"validation_data": (np.zeros((2, 3)), [0, 1])}, ValueError, r"validation_data\[0\] has 3 features"),
    ({"validation_data": (np.zeros((2, 4)), [0, 7])}, ValueError, r"validation_data\[1\]: label 7 at index 1"),
]


@pytest.mark.parametrize(("change", "kind", "text"), BAD_FITS)
def test_a_refused_fit_changes_nothing(change, kind, text):
    network = Network([4, 3], seed=0)
    before, log = network.parameters.copy(), Log()
    with pytest.raises(kind, match=text):
        Trainer(network, callbacks=[log]).fit(**{**GOOD, **change})
    np.testing.assert_array_equal(network.parameters, before)
    assert network.preprocessing is None
    assert log.events == []


@pytest.mark.parametrize(
    ("output", "y", "text"),
    [
        ("sigmoid", [[0, 2, 0]] * 6, r"y must lie in \[0, 1\], got 2 at row 0, column 1"),
        ("sigmoid", [0, 1, 0, 1, 0, 1], r"y must have shape \(n_samples, 3\), got shape \(6,\)"),
        ("identity", [[0, np.nan, 0]] * 6, "Input y contains NaN. First at row 0, column 1"),
        ("identity", [[0, 1, 0]] * 5, "y has 5 rows, but there are 6 samples"),
    ],
)
def test_bad_target_values_are_refused(output, y, text):
    with pytest.raises(ValueError, match=text):
        Trainer(Network([4, 3], output=output)).fit(GOOD["X"], y, epochs=1)


# -- the main job --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.mnist
def test_mnist_with_the_articles_settings(mnist):
    """784-10-10, 100 epochs at rate 0.1 (halved when the loss rises), decay 0.001: 92 % in the article."""
    network = Network([784, 10, 10], seed=0)
    trainer = Trainer(network, learning_rate=0.1, weight_decay=0.001, schedule="halve", seed=0)
    trainer.fit(mnist.X_train, mnist.y_train, epochs=100)
    assert network.score(mnist.X_test, mnist.y_test) >= 0.92


@pytest.mark.mnist
def test_mnist_with_300_units(mnist):
    network = Network([784, 300, 10], seed=0)
    trainer = Trainer(network, learning_rate=0.5, batch_size=128, momentum=0.5, seed=0)
    trainer.fit(mnist.X_train, mnist.y_train, epochs=6)
    assert network.score(mnist.X_test, mnist.y_test) >= 0.97


def test_the_order_of_an_epoch_does_not_depend_on_how_it_is_kept(monkeypatch):
    from fastnet import fitting

    expected = fitting.shuffled(np.random.default_rng(4), 1000)
    monkeypatch.setattr(fitting, "_MANY_SAMPLES", 10)
    found = fitting.shuffled(np.random.default_rng(4), 1000)
    assert found.dtype == np.uint32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.sort(found), np.arange(1000))


def test_a_loss_that_stops_being_finite_is_found_in_its_minibatch():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((200, 6)), rng.integers(0, 3, 200)
    trainer = Trainer(Network([6, 8, 3], activation="relu", seed=0), batch_size=10, learning_rate=1e30, seed=0)
    with pytest.raises(DivergenceError, match=r"loss became (nan|inf) in minibatch \d+ of epoch 1"):
        trainer.fit(X, y, epochs=1)
