"""Trainings whose checkpoints stand between epochs only, and what callbacks have set: resumed with the same bits."""

import numpy as np
import pytest
from trainings import StopAfterCalls

import fastnet
from fastnet import plan

X = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)


def chunks():
    for start in range(0, 300, 100):
        yield X[start : start + 100], Y[start : start + 100]


def stream(trainer, **options):
    return trainer.fit_stream(chunks, epochs=6, **options)


def whole(trainer, **options):
    return trainer.fit(X, Y, epochs=6, **options)


def trainer(folder, callbacks=(), every=1, **settings):
    network = fastnet.Network([8, 5, 3], seed=0)
    return fastnet.Trainer(
        network, batch_size=10, seed=0, callbacks=callbacks, checkpoint_dir=folder,
        checkpoint_every=None if folder is None else every, **settings,
    )  # fmt: skip


def halved():
    return fastnet.LearningRateScheduler(lambda epoch, rate: rate if epoch < 2 else rate / 2)


def once(state):
    if state.epoch == 1:
        state.learning_rate = 0.03


KINDS = {
    "stream": (stream, {}, list),
    "sampled": (whole, {"loss": "sampled_softmax", "n_candidates": 2}, list),
    "rates": (whole, {}, lambda: [halved()]),
    "rate": (whole, {}, lambda: [once]),
}


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_training_ends_with_the_bits_of_a_whole_one(kind, every, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "minibatches_per_call", lambda *_: 4)
    fit, settings, callbacks = KINDS[kind]
    reference = trainer(None, callbacks(), **settings)
    expected = fit(reference)
    for calls in (3, 20, 31, 40):
        with pytest.raises(KeyboardInterrupt):
            fit(trainer(tmp_path / str(calls), [*callbacks(), StopAfterCalls(calls)], every, **settings))
        again = trainer(tmp_path / str(calls), callbacks(), every, **settings)
        history = fit(again, resume=True)
        np.testing.assert_array_equal(again.network.parameters, reference.network.parameters)
        np.testing.assert_array_equal(history.loss, expected.loss)
        np.testing.assert_array_equal(history.learning_rate, expected.learning_rate)


def test_other_data_in_the_first_chunk_are_refused(tmp_path):
    stream(trainer(tmp_path))
    with pytest.raises(fastnet.CheckpointError, match="other data or settings"):
        trainer(tmp_path).fit_stream(lambda: ((x + 1, y) for x, y in chunks()), epochs=8, resume=True)
