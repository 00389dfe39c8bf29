"""Tuning: what is drawn, who goes on, that the best network is the one a plain fit gives, and what ends a search."""

import _thread
import csv
import itertools
from dataclasses import dataclass
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
from block_data import blocky
from rich.console import Console

import fastnet
from fastnet.block_rows import block_rows
from fastnet.exceptions import DivergenceError
from fastnet.kernels.blocks import ColumnBlocks, NarrowColumnBlocks
from fastnet.network import Network
from fastnet.rows import sparse_rows
from fastnet.run import Run
from fastnet.tuning import DEFAULT_SPACE, LiveTable
from fastnet.tuning.halving import Halving
from fastnet.tuning.shared import Samples, Shared
from fastnet.tuning.space import draw, full_space
from fastnet.tuning.table import ranking, text_table

# Networks that compile nothing beyond what most tests need, and train in milliseconds.
PLAIN = {"hidden": (4, 16), "activation": "tanh", "momentum": 0.0, "batch_size": [16, 32], "learning_rate": (1e-3, 0.5)}


@pytest.fixture(scope="module")
def digits():
    return fastnet.datasets.load_digits()


@pytest.fixture(scope="module")
def found(digits):
    return fastnet.tune(digits, space=PLAIN, n_trials=9, epochs=8, n_jobs=2, seed=3)


# -- what is drawn -------------------------------------------------------------------------------------


def test_ranges_are_log_uniform_and_whole_where_they_must_be():
    trials = draw(full_space(None), 400, seed=0)
    rates = np.array([params["learning_rate"] for params in trials])
    widths = np.array([params["hidden"][0] for params in trials])
    assert rates.min() >= 1e-6
    assert rates.max() <= 0.1
    assert 0.12 < np.mean(rates < 1e-5) < 0.28  # a decade of five
    assert widths.dtype.kind == "i"
    assert widths.min() == 10
    assert 95 < widths.max() <= 100
    assert {params["batch_size"] for params in trials} == set(DEFAULT_SPACE["batch_size"])
    assert {type(params["momentum"]) for params in trials} == {float}
    assert trials == draw(full_space(None), 400, seed=0) != draw(full_space(None), 400, seed=1)


def test_a_space_has_choices_distributions_and_fixed_values():
    from scipy.stats import randint, uniform

    space = {"hidden": [7, (6, 5), ()], "dropout": uniform(0, 0.5), "batch_size": randint(3, 6), "schedule": "step"}
    trials = draw(space, 50, seed=0)
    assert {params["hidden"] for params in trials} == {(7,), (6, 5), ()}
    assert {params["batch_size"] for params in trials} == {3, 4, 5}
    assert all(0 <= params["dropout"] <= 0.5 and params["schedule"] == "step" for params in trials)


def test_choices_alone_are_drawn_once_each():
    trials = draw({"hidden": [1, 2], "momentum": [0.0, 0.5, 0.9]}, 60, seed=0)
    assert len(trials) == 6
    assert len({(params["hidden"], params["momentum"]) for params in trials}) == 6


def test_adam_has_no_momentum():
    trials = draw({"optimizer": ["sgd", "adam"], "momentum": 0.9}, 2, seed=0)
    assert {params["optimizer"]: params["momentum"] for params in trials} == {"sgd": 0.9, "adam": None}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"widths": 3}, "a name in space must be one of 'hidden'"),
        ({"momentun": 0.5}, "Did you mean 'momentum'"),
        ({"learning_rate": (0.1, 0.001)}, r"space\['learning_rate'\] must be a range .* got \(0.1, 0.001\)"),
        ({"learning_rate": (0.0, 0.1)}, "0 < low < high"),
        ({"hidden": (100, 50, 20)}, r"several hidden layers is a choice: \[\(100, 50\)\]"),
        ({"batch_size": []}, r"space\['batch_size'\] is an empty list"),
        ({"activation": ["tanh", "rely"]}, "space, trial 0: activation must be one of .* Did you mean 'relu'"),
        ({"hidden": [10, 0]}, "hidden must be >= 1, got 0"),
        ({"momentum": [0.5, 1.5]}, r"momentum must be a finite number in \[0, 1\), got 1.5"),
        ({"learning_rate": -0.1}, "learning_rate must be a finite number"),
    ],
)
def test_a_space_that_can_not_be_searched_is_refused(digits, space, message):
    space = {"hidden": 10, "activation": "tanh", "momentum": 0.5, "batch_size": 32, **space}
    with pytest.raises(ValueError, match=message):
        fastnet.tune(digits, space=space, n_trials=8, seed=1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"space": [1]}, TypeError, "space must be a dict .* got list"),
        ({"space": {"hidden": 1.5}}, TypeError, "hidden must be an int, got float 1.5"),
        ({"n_trials": 0}, ValueError, "n_trials must be >= 1, got 0"),
        ({"epochs": 0}, ValueError, "epochs must be >= 1, got 0"),
        ({"factor": 1}, ValueError, "factor must be >= 2, got 1"),
        ({"n_jobs": 0}, ValueError, "n_jobs must be >= 1, got 0"),
        ({"seed": 1 << 32}, ValueError, "seed must be between 0 and 4294967295"),
        ({"monitor": "accuracy"}, ValueError, "monitor must be one of 'auto', 'val_accuracy', 'val_loss'"),
        ({"callback": 3}, TypeError, "callback must be callable, got int"),
        ({"output": "relu"}, ValueError, "output must be one of 'auto', 'softmax'"),
        ({"dtype": "int8"}, ValueError, "dtype must be 'float32' or 'float64'"),
        ({"X_val": np.zeros((2, 3))}, ValueError, "X_val is given without y_val"),
        ({"y_val": np.zeros(2)}, ValueError, "y_val is given without X_val"),
        ({"X_val": np.zeros((2, 2)), "y_val": [0, 1]}, ValueError, "X_val has 2 features, but X has 3"),
        ({"X_val": np.zeros((2, 3)), "y_val": [0, 1, 0]}, ValueError, "y_val has 3 labels, but there are 2 samples"),
        ({"validation_fraction": 1.0}, ValueError, "validation_fraction must be a finite number in"),
        ({"validation_fraction": 0.01}, ValueError, "validation_fraction=0.01 of 20 samples leaves 0"),
        ({"y": [0, 1]}, ValueError, "y must have one entry for each of the 20 rows of X, got shape"),
        ({"y": None}, TypeError, "y is missing"),
        ({"y": ["a", "b"] * 10}, TypeError, "y must hold integer class indices"),
        ({"X": np.full((20, 3), np.nan)}, ValueError, "X contains NaN"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, error, message):
    given = {"X": np.zeros((20, 3)), "y": [0, 1] * 10, **arguments}
    with pytest.raises(error, match=message):
        fastnet.tune(**given)


def test_a_data_set_has_its_own_targets(digits):
    with pytest.raises(ValueError, match="y, X_val and y_val must be left out"):
        fastnet.tune(digits, digits.y_train)


# -- who goes on ---------------------------------------------------------------------------------------


class FakeTrial:
    """Learns nothing; its validation accuracy is a given function of the epochs."""

    def __init__(self, params, watch, accuracy):
        self.number, self.watch, self.accuracy = params["hidden"][0], watch, accuracy
        self.epochs, self.loads = 0, []

    def train(self, epochs, n_threads):
        self.epochs = epochs
        self.loads.append(n_threads)
        value = self.accuracy(self.number, epochs)
        return {"loss": 0.0, "accuracy": 0.0, "val_loss": 1 - value, "val_accuracy": value}


def halving(n, epochs, factor=2, accuracy=lambda number, epochs: number / 1000, callback=None):
    settings = [{"hidden": (number,)} for number in range(n)]
    search = Halving(
        lambda params, watch: FakeTrial(params, watch, accuracy), settings, epochs, factor, "val_accuracy", 0, callback
    )
    return search, search.run(2)


def rungs(search):
    """Epochs of each rung, and who was in it."""
    table = {}
    for record in search.state.trials:
        table.setdefault((record["rung"], record["epochs"]), set()).add(record["trial"])
    return table


def test_the_better_half_goes_on():
    search, best = halving(60, 32)
    assert best == 59
    assert rungs(search) == {(rung, 2**rung): set(range(60 - n, 60)) for rung, n in enumerate([60, 30, 15, 8, 4, 2])}
    assert set(search.trials) == {58, 59}  # what others have learned is not kept
    assert search.state.n_rungs == 6


def test_the_winner_goes_on_alone_to_the_last_epoch():
    search, best = halving(9, 50, factor=3)
    assert {key: len(trials) for key, trials in rungs(search).items()} == {
        (0, 5): 9,
        (1, 15): 3,
        (2, 45): 1,
        (3, 50): 1,
    }
    assert search.trials[best].loads == [1, 1, 1, None]  # all CPUs when nobody else trains
    assert search.state.n_rungs == 4


def test_too_few_epochs_for_all_rungs_still_leave_one():
    search, best = halving(16, 2)
    assert best == 15
    sizes = [(rung, epochs, len(trials)) for (rung, epochs), trials in rungs(search).items()]
    assert sizes == [(0, 1, 16), (1, 1, 8), (2, 1, 4), (3, 1, 2), (4, 2, 1)]


def test_equal_accuracies_are_told_apart_by_their_losses():
    settings = [{"hidden": (number,)} for number in range(4)]

    class Equal(FakeTrial):
        def train(self, epochs, n_threads):
            return {**super().train(epochs, n_threads), "val_accuracy": 0.5, "val_loss": abs(self.number - 2) + 0.1}

    search = Halving(lambda params, watch: Equal(params, watch, lambda *_: 0.0), settings, 4, 2, "val_accuracy", 0)
    assert search.run(1) == 2


def test_a_trial_that_diverges_is_worst_and_stays_named():
    def accuracy(number, epochs):
        if number == 7 or (number == 5 and epochs > 1):
            raise DivergenceError("training diverged: too large")
        return number / 1000

    search, best = halving(8, 8, accuracy=accuracy)
    assert best == 6
    lost = [record for record in search.state.trials if record["status"] == "diverged"]
    assert [(record["trial"], record["rung"], record["error"]) for record in lost] == [
        (7, 0, "training diverged: too large"),
        (5, 1, "training diverged: too large"),
    ]
    assert all(np.isnan(record["val_loss"]) for record in lost)


def test_a_winner_that_diverges_later_keeps_what_it_had():
    def accuracy(number, epochs):
        if epochs > 1:
            raise DivergenceError("too large")
        return number / 1000

    search, best = halving(4, 4, accuracy=accuracy)
    assert best == 3
    assert [record["trial"] for record in ranking(search.state.trials, "val_accuracy")] == [3, 2, 1, 0]


# -- real searches -------------------------------------------------------------------------------------


def test_the_best_network_is_that_of_a_plain_fit(digits, found):
    params = dict(found.best_params)
    network = Network([64, *params.pop("hidden"), 10], params.pop("activation"), seed=3)
    trainer = fastnet.Trainer(network, **params, seed=3)
    history = trainer.fit(digits.X_train, digits.y_train, epochs=8, validation_data=(digits.X_val, digits.y_val))
    assert np.array_equal(network.parameters, found.best_network.parameters)
    assert np.array_equal(history.val_loss, found.history.val_loss)
    assert np.array_equal(history.learning_rate, found.history.learning_rate)
    assert found.best_score == history.val_accuracy[-1] == network.score(digits.X_val, digits.y_val)
    assert found.test_score == network.score(digits.X_test, digits.y_test) > 0.8


def test_schedules_that_look_at_losses_go_on_where_they_were(digits):
    space = {**PLAIN, "hidden": 8, "learning_rate": 2.0, "schedule": "halve", "batch_size": 16}
    tuned = fastnet.tune(digits, space={**space, "weight_decay": [0.0, 0.001]}, n_trials=2, epochs=12, seed=0)
    assert len(set(tuned.history.learning_rate)) - 1 > 0
    params = dict(tuned.best_params)
    network = Network([64, *params.pop("hidden"), 10], params.pop("activation"), seed=0)
    history = fastnet.Trainer(network, **params, seed=0).fit(digits.X_train, digits.y_train, epochs=12)
    assert np.array_equal(history.learning_rate, tuned.history.learning_rate)


def test_the_number_of_jobs_changes_nothing(digits, found, tmp_path):
    alone = fastnet.tune(digits, space=PLAIN, n_trials=9, epochs=8, n_jobs=1, seed=3)
    for number, result in enumerate((found, alone)):
        result.to_csv(tmp_path / f"{number}.csv")
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "1.csv").read_bytes()
    assert np.array_equal(found.best_network.parameters, alone.best_network.parameters)
    other = fastnet.tune(digits, space=PLAIN, n_trials=2, epochs=1, n_jobs=1, seed=4)
    assert other.trials[0]["learning_rate"] != alone.trials[0]["learning_rate"]


def test_csv_has_all_trials_and_rungs(found, tmp_path):
    found.to_csv(tmp_path / "trials.csv")
    rows = list(csv.DictReader(StringIO((tmp_path / "trials.csv").read_text())))
    assert [(row["trial"], row["rung"]) for row in rows] == [(str(r["trial"]), str(r["rung"])) for r in found.trials]
    assert [float(row["val_loss"]) for row in rows] == [record["val_loss"] for record in found.trials]
    assert len(rows) == 9 + 5 + 3 + 2
    assert list(rows[0])[:8] == ["trial", "rung", "epochs", "status", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert set(DEFAULT_SPACE) < set(rows[0])


def test_a_result_shows_the_best(found):
    assert repr(found).startswith(f"TuningResult(9 trials, best {found.best_trial}: val_accuracy 0.")
    first, header, best = str(found).splitlines()[:3]
    assert first == repr(found)
    assert header.split()[:5] == ["trial", "epochs", "val_accuracy", "val_loss", "hidden"]
    assert "activation" not in header  # the same in all
    assert best.split()[:2] == [str(found.best_trial), "8"]


def test_a_result_can_be_drawn(found, tmp_path):
    pytest.importorskip("matplotlib")
    figure = found.plot(tmp_path / "trials.png")
    assert {axes.get_ylabel() for axes in figure.axes} == {"validation accuracy"}
    assert (tmp_path / "trials.png").stat().st_size > 10_000


def test_test_samples_are_seen_once_and_nothing_is_copied(digits, monkeypatch):
    seen, read = [], []
    logits, run = Network._logits, Run.__init__
    monkeypatch.setattr(Network, "_logits", lambda net, X, *a: seen.append(X is digits.X_test) or logits(net, X, *a))

    def start(self, network, X, *args, **options):
        read.append(X is digits.X_train)
        run(self, network, X, *args, **options)

    monkeypatch.setattr(Run, "__init__", start)
    fastnet.tune(digits, space=PLAIN, n_trials=4, epochs=4, seed=0)
    assert seen.count(True) == 1
    assert seen[-1]
    assert read == [True] * 7


def test_lists_of_entries_are_made_once(monkeypatch):
    rng = np.random.default_rng(0)
    X = (rng.integers(0, 255, (300, 40)) * (rng.random((300, 40)) < 0.1)).astype(np.uint8)
    X.flags.writeable = False
    y, made, lists = rng.integers(0, 3, 300), [], Run.own_lists
    monkeypatch.setattr(Run, "own_lists", lambda run, *a: made.append(lists(run, *a)) or made[-1])
    result = fastnet.tune(X, y, X_val=X[:50], y_val=y[:50], space=PLAIN, n_trials=6, epochs=4, n_jobs=2, seed=0)
    assert result.history.first_layer == "sparse"
    assert len(made) == 1  # for ten fits, of two widths
    assert_best_is_that_of_a_fit(result, X, y)


def assert_best_is_that_of_a_fit(result, X, y):
    params = dict(result.best_params)
    network = Network([40, *params.pop("hidden"), 3], params.pop("activation"), seed=0)
    history = fastnet.Trainer(network, **params, seed=0).fit(X, y, epochs=4)
    assert history.first_layer == result.history.first_layer
    assert np.array_equal(network.parameters, result.best_network.parameters)


def test_blocks_are_made_once(monkeypatch):
    rng = np.random.default_rng(0)
    X, y, made, blocks = blocky(rng, 300, 40), rng.integers(0, 3, 300), [], Run.own_blocks
    monkeypatch.setattr(Run, "own_blocks", lambda run, *a: made.append(blocks(run, *a)) or made[-1])
    space = PLAIN | {"hidden": [8, 16], "batch_size": [32, 64]}
    result = fastnet.tune(X, y, X_val=X[:50], y_val=y[:50], space=space, n_trials=6, epochs=4, n_jobs=2, seed=0)
    assert result.history.first_layer == "blocks"
    assert {type(found) for found in made} == {ColumnBlocks, NarrowColumnBlocks}
    assert len(made) == 2
    assert_best_is_that_of_a_fit(result, X, y)


def uneven(rng, n, n_features):
    """Blocks of which some are rare: where slices of them are cut depends on the size of minibatches."""
    X = blocky(rng, n, n_features)
    X[: n - n // 20, : n_features // 2] = 0
    return X


def thin(rng, *shape):
    return rng.integers(0, 255, shape) * (rng.random(shape) < 0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make_rows", [uneven, thin])
def test_each_trial_gets_what_it_would_make_by_itself(dtype, make_rows):
    rng = np.random.default_rng(0)
    X, mean, made = make_rows(rng, 300, 128).astype(np.uint8), np.zeros(128, dtype), []
    shared = Shared(Samples(X, None, None, None), SimpleNamespace(mean=mean))
    for n_slices, n_first, most in itertools.product((1, 2), (5, 10, 30, 70), (8, 16, 32, 64)):

        def blocks(X, n_slices, n_first=n_first, most=most):
            return block_rows(X, 1.0, mean, n_first, most, n_slices)

        def lists(X, n_slices, n_first=n_first):
            return sparse_rows(X, 1.0, mean, n_first, n_slices)

        run = SimpleNamespace(n_first=n_first, most=most)
        run.own_blocks, run.own_lists = (lambda *a, f=f: made.append(f(*a)) or made[-1] for f in (blocks, lists))
        found, own = shared.entries(run, X, n_slices), blocks(X, n_slices)
        own = lists(X, n_slices) if own is None else own
        assert type(found) is type(own)
        for one, other in zip(found, own, strict=True):
            if isinstance(one, np.ndarray):
                np.testing.assert_array_equal(one, other)
    assert len(made) <= 12  # for 32 fits


def test_all_that_diverge_are_an_error():
    X = np.random.default_rng(0).standard_normal((60, 3)) * 1e3
    space = {**PLAIN, "learning_rate": [1e12, 1e13], "batch_size": 8, "hidden": [()]}
    with pytest.raises(DivergenceError, match=r"all \d trials diverged.*Trial 0: "):
        fastnet.tune(X, X[:, :1] * 1e3, space=space, n_trials=3, epochs=2, seed=0)


def test_numbers_are_a_regression_by_their_loss():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4))
    y = np.tanh(X[:, 0]) - X[:, 1] / 2
    result = fastnet.tune(X, y, space=PLAIN, n_trials=6, epochs=16, seed=0)
    assert (result.best_network.output, result.monitor, result.test_score) == ("identity", "val_loss", None)
    assert result.best_network.score(X, y) > 0.9
    assert result.best_score == min(r["val_loss"] for r in result.trials if r["epochs"] == 16)
    assert all(np.isnan(record["accuracy"]) for record in result.trials)


@pytest.mark.parametrize(
    ("targets", "output"),
    [
        (lambda y: np.eye(10, dtype=int)[y], "softmax"),
        (lambda y: np.stack([y > 4, y % 2], axis=1), "sigmoid"),
        (lambda y: np.stack([y / 2, y / 3], axis=1), "identity"),
        (lambda y: y.astype(np.uint8), "softmax"),
        (lambda y: y > 4, "softmax"),
    ],
)
def test_outputs_follow_from_the_targets(targets, output):
    from fastnet.tuning.data import output_for

    assert output_for(targets(np.arange(10)), "auto") == output
    assert output_for(targets(np.arange(10)), "sigmoid") == "sigmoid"


def test_the_split_has_each_class_in_its_proportion():
    from fastnet.tuning.data import as_samples, as_source

    X, y = np.arange(200.0).reshape(100, 2), np.repeat([0, 1], [80, 20])
    samples = as_samples(as_source(X, y, None, None), 0.2, "softmax", seed=0)
    assert np.bincount(samples.y_val).tolist() == [16, 4]
    assert np.array_equal(np.sort(np.concatenate([samples.X, samples.X_val])[:, 0]), X[:, 0])
    again = as_samples(as_source(X, y, None, None), 0.2, "softmax", seed=0)
    assert np.array_equal(samples.X_val, again.X_val)
    rare = as_samples(as_source(X, np.arange(100) // 99, None, None), 0.2, "softmax", seed=0)
    assert len(rare.y_val) == 20


def test_components_are_found_once_and_belong_to_the_network(digits):
    result = fastnet.tune(digits, space=PLAIN, n_trials=2, epochs=8, pca=0.9, seed=0)
    network = result.best_network
    assert (network.n_features, network.layer_sizes[0]) == (64, 21)
    assert network.score(digits.X_val, digits.y_val) == result.best_score
    assert result.test_score > 0.5


def test_names_of_classes_go_into_the_network(digits):
    @dataclass(frozen=True, eq=False, repr=False)
    class Named(fastnet.datasets.Dataset):
        classes: np.ndarray | None = None

    parts = (digits.X_train, digits.y_train, digits.X_val, digits.y_val, digits.X_test, digits.y_test)
    data = Named("named", *parts, classes=np.array(list("abcdefghij")))
    result = fastnet.tune(data, space=PLAIN, n_trials=1, epochs=1, seed=0)
    assert "".join(result.best_network.classes) == "abcdefghij"


# -- what ends a search --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_keeps_what_has_been_found(digits, n_jobs):
    def strike(state):
        if len(state.trials) == 6 and state.n_finished == 6:
            _thread.interrupt_main()

    result = fastnet.tune(digits, space=PLAIN, n_trials=8, epochs=64, n_jobs=n_jobs, seed=0, callback=strike)
    assert result.interrupted
    assert "interrupted" in repr(result)
    assert 6 <= len(result.trials) < 12
    best = max(result.trials, key=lambda r: (r["val_accuracy"], -r["val_loss"]))
    assert result.best_trial == best["trial"]
    assert result.best_network.score(digits.X_val, digits.y_val) == best["val_accuracy"] == result.best_score


def test_ctrl_c_before_anything_is_found_is_raised(digits):
    def strike(state):
        if state.epochs_done == 1 and not state.trials:
            _thread.interrupt_main()

    with pytest.raises(KeyboardInterrupt):
        fastnet.tune(digits, space=PLAIN, n_trials=2, epochs=10**6, n_jobs=2, seed=0, callback=strike)


def test_a_callback_may_end_the_search(digits):
    calls = []
    result = fastnet.tune(
        digits,
        space=PLAIN,
        n_trials=8,
        epochs=64,
        n_jobs=2,
        seed=0,
        callback=lambda state: calls.append(len(state.trials)) or len(state.trials) == 3,
    )
    assert result.interrupted
    assert calls.count(3) == 1  # not called again
    assert {record["rung"] for record in result.trials} == {0}


def test_an_error_in_a_callback_ends_all_trials(digits):
    def fail(state):
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        fastnet.tune(digits, space=PLAIN, n_trials=4, epochs=10**6, n_jobs=2, seed=0, callback=fail)


# -- what is shown -------------------------------------------------------------------------------------


def shown(terminal, accuracy=lambda number, epochs: number / 1000):
    file = StringIO()
    console = Console(file=file, force_terminal=terminal, width=90, highlight=False)
    with LiveTable(console=console) as table:
        halving(4, 4, callback=table, accuracy=accuracy)
    return file.getvalue()


def test_lines_elsewhere():
    def accuracy(number, epochs):
        if number == 1:
            raise DivergenceError("training diverged: loss became nan; the network keeps its weights")
        return number / 1000

    lines = shown(False, accuracy).splitlines()
    assert lines.count("trial 1 diverged: loss became nan") == 1
    lines.remove("trial 1 diverged: loss became nan")
    assert lines == [
        "rung 1 of 3: 4 trials, 1 epoch; best: trial 3, val_accuracy 0.003 (hidden 3)",
        "rung 2 of 3: 2 trials, 2 epochs; best: trial 3, val_accuracy 0.003 (hidden 3)",
        "rung 3 of 3: 1 trials, 4 epochs; best: trial 3, val_accuracy 0.003 (hidden 3)",
    ]


def test_a_table_on_a_terminal():
    text = shown(True)
    assert "rung 2 of 3 " in text
    assert "2 of 2 trials, 2 epochs" in text
    assert "\x1b[2K" in text  # and it goes away


def test_the_table_has_last_rows_and_what_varies():
    trials = [
        {"trial": t, "rung": r, "epochs": 2**r, "status": s, "val_loss": loss, "val_accuracy": 1 - loss, "hidden": t,
         "momentum": None if t else 0.5, "activation": "tanh", "error": ""}
        for t, r, s, loss in [(0, 0, "finished", 0.25), (1, 0, "finished", 0.5), (2, 0, "diverged", np.nan),
                              (1, 1, "finished", 0.75)]
    ]  # fmt: skip
    assert [record["trial"] for record in ranking(trials, "val_loss")] == [1, 0]
    assert text_table(trials, "val_loss", 5).splitlines() == [
        "trial  epochs  val_accuracy  val_loss  hidden  momentum",
        "    1       2          0.25      0.75       1          ",
        "    0       1          0.75      0.25       0       0.5",
    ]
