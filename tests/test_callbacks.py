"""Early stopping: when it stops, which weights are left, and what it refuses; a rate that follows a plateau."""

import numpy as np
import pytest

import fastnet
from fastnet.callbacks import EarlyStopping, State
from fastnet.datasets import load_digits
from fastnet.schedules import Plateau, check_schedule, learning_rate


class Recorder(fastnet.Callback):
    """Keeps the weights of each epoch."""

    def __init__(self):
        self.weights = []

    def on_epoch_end(self, state):
        self.weights.append(state.network.parameters.copy())


def overfitting(*callbacks, epochs=60, **settings):
    """Few samples, many units: the validation loss soon rises."""
    data = load_digits()
    network = fastnet.Network([64, 50, 10], seed=0)
    trainer = fastnet.Trainer(network, learning_rate=0.5, seed=0, callbacks=callbacks, **settings)
    history = trainer.fit(
        data.X_train[:150], data.y_train[:150], epochs=epochs, validation_data=(data.X_val, data.y_val)
    )
    return trainer, history


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_training_stops_and_the_best_weights_come_back(monitor):
    stopping, recorder = EarlyStopping(monitor, patience=4), Recorder()
    trainer, history = overfitting(recorder, stopping)
    values = getattr(history, monitor)
    best = int(values.argmin() if monitor == "val_loss" else values.argmax())
    assert (stopping.best_epoch, stopping.best, stopping.stopped) == (best + 1, values[best], True)
    assert len(history) == best + 1 + 4 < 60
    np.testing.assert_array_equal(trainer.network.parameters, recorder.weights[best])


def test_the_last_weights_stay_if_wished():
    recorder = Recorder()
    trainer, _ = overfitting(recorder, EarlyStopping(patience=4, restore_best=False))
    np.testing.assert_array_equal(trainer.network.parameters, recorder.weights[-1])


def test_the_best_weights_come_back_after_the_last_epoch_and_after_an_error():
    stopping, recorder = EarlyStopping(patience=50), Recorder()
    trainer, history = overfitting(recorder, stopping, epochs=30)
    assert not stopping.stopped
    best = int(history.val_loss.argmin())
    assert best < 29
    np.testing.assert_array_equal(trainer.network.parameters, recorder.weights[best])

    def interrupt(state):
        if state.epoch == 30:
            raise KeyboardInterrupt

    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt):
        overfitting(recorder, stopping, interrupt, epochs=40)
    assert stopping.best_epoch == best + 1


def course(stopping, values, monitor="val_loss"):
    """Epoch in which a course of values stops."""
    network = fastnet.Network([1, 1], output="identity")
    state = State(network, len(values), 1)
    stopping.on_fit_begin(state)
    for number, value in enumerate(values, 1):
        state.epoch, state.metrics = number, {monitor: value}
        if stopping.on_epoch_end(state):
            return number
    return None


@pytest.mark.parametrize(
    ("settings", "values", "end"),
    [
        ({"patience": 2}, [3, 2, 1, 1, 1], 5),  # as good is not better
        ({"patience": 2}, [3, 4, 2, 4, 1, 4, 4], 7),  # patience begins anew
        ({"patience": 2, "min_delta": 0.5}, [3, 2.7, 2.6, 2], 3),
        ({"patience": 3, "min_delta": 0.5}, [3, 2.7, 2.4, 2, 2, 2], 6),  # small steps add up
        ({"patience": 1}, [1, 2], 2),
        ({"patience": 5}, [1, 2, 3], None),
    ],
)
def test_patience(settings, values, end):
    assert course(EarlyStopping(**settings), values) == end
    rising = EarlyStopping("accuracy", **settings)
    assert course(rising, [-value for value in values], "accuracy") == end


def test_a_metric_that_is_not_measured_is_refused():
    stopping = EarlyStopping()
    X = np.zeros((10, 2))
    trainer = fastnet.Trainer(fastnet.Network([2, 2]), batch_size=5, callbacks=stopping)
    with pytest.raises(ValueError, match="monitor='val_loss' needs validation_data"):
        trainer.fit(X, np.zeros(10, int), epochs=2)


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        (("loss_val",), ValueError, "monitor must be one of"),
        (("val_loss", 0), ValueError, "patience must be >= 1, got 0"),
        (("val_loss", 1.5), TypeError, "patience must be an int"),
        (("val_loss", 1, -1.0), ValueError, "min_delta must be"),
        (("val_loss", 1, 0.0, 1), TypeError, "restore_best must be True or False"),
    ],
)
def test_settings_of_early_stopping(args, error, text):
    with pytest.raises(error, match=text):
        EarlyStopping(*args)


# -- a rate that follows a plateau ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plateau", "losses", "rate"),
    [
        (Plateau(patience=2), [], 1.0),
        (Plateau(patience=2), [3.0, 2.0, 2.0], 1.0),
        (Plateau(patience=2), [3.0, 2.0, 2.0, 2.0], 0.5),
        (Plateau(patience=2), [3.0, 2.0, 2.0, 2.0, 2.0], 0.5),
        (Plateau(patience=2), [3.0, 2.0, 2.0, 2.0, 2.0, 2.0], 0.25),
        (Plateau(patience=2, min_delta=0.5), [3.0, 2.9, 2.8], 0.5),
        (Plateau(patience=1, factor=0.1, floor=0.05), [1.0, 1.0, 1.0, 1.0], 0.05),
        (Plateau(patience=1, floor=2.0), [1.0, 1.0], 1.0),  # never raised to the floor
    ],
)
def test_plateau(plateau, losses, rate):
    assert learning_rate(plateau, 1.0, len(losses), 10, losses) == pytest.approx(rate)
    assert learning_rate(plateau, 1.0, len(losses), 10, [9.0 - i for i in range(len(losses))], losses) == rate
    assert learning_rate(plateau, 1.0, len(losses), 10, losses, [np.nan] * len(losses)) == rate


def test_plateau_watches_what_it_is_told():
    falling, rising = [3.0, 2.0, 1.0], [1.0, 2.0, 3.0]
    assert learning_rate(Plateau(patience=2, monitor="loss"), 1.0, 3, 9, falling, rising) == 1.0
    assert learning_rate(Plateau(patience=2, monitor="val_loss"), 1.0, 3, 9, falling, rising) == 0.5
    with pytest.raises(ValueError, match="needs validation_data"):
        learning_rate(Plateau(monitor="val_loss"), 1.0, 1, 9, [1.0], [np.nan])


def test_plateau_in_training():
    _, history = overfitting(epochs=40, schedule=Plateau(patience=2, min_delta=0.01))
    assert history.learning_rate[0] == 0.5
    assert history.learning_rate[-1] < 0.5
    assert check_schedule(Plateau()) == Plateau()


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"factor": 1.0}, ValueError, "factor must be"),
        ({"patience": 0}, ValueError, "patience must be >= 1"),
        ({"min_delta": -1}, ValueError, "min_delta must be"),
        ({"floor": "low"}, TypeError, "floor must be a number"),
        ({"monitor": "accuracy"}, ValueError, "monitor must be one of 'auto', 'val_loss', 'loss'"),
    ],
)
def test_settings_of_a_plateau(settings, error, text):
    with pytest.raises(error, match=text):
        Plateau(**settings)
