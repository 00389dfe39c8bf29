"""Figures: what is drawn from which data, and what is refused. Whether they look well is for eyes."""

import builtins
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from fastnet import Evaluation, Network, Trainer, datasets, plots
from fastnet.callbacks import State

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def moons():
    data = datasets.load_moons()
    network = Network([2, 5, 2], seed=0)
    history = Trainer(network, learning_rate=0.1, seed=0).fit(
        data.X_train, data.y_train, epochs=3, validation_data=(data.X_val, data.y_val)
    )
    return data, network, history


def texts(figure):
    """Titles, labels and legends of all panels."""
    found = []
    for axes in figure.axes:
        legend = axes.get_legend()
        found += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
        found += [text.get_text() for text in (legend.get_texts() if legend else ())]
    return found


def test_value_grid_is_indexed_by_row_and_column():
    grid = plots.value_grid(lambda points: points[:, 0] + 10 * points[:, 1], [[0, 0], [2, 1]], n=5, margin=1)
    assert (grid.x[0], grid.x[-1], grid.y[0], grid.y[-1]) == (-1, 3, -1, 2)
    assert np.allclose(grid.values, grid.x + 10 * grid.y[:, np.newaxis])


def test_boundary_grid_is_a_probability_or_a_class(moons):
    data, network, _ = moons
    grid = plots.boundary_grid(network, data.X_train, n=7)
    points = np.stack(np.meshgrid(grid.x, grid.y), axis=-1).reshape(-1, 2).astype(np.float32)
    assert np.array_equal(grid.values.ravel(), network.predict_proba(points)[:, 1])
    three = plots.boundary_grid(Network([2, 3], seed=0), data.X_train, n=7)
    assert three.values.dtype.kind == "i"
    single = plots.boundary_grid(Network([2, 1], output="sigmoid", seed=0), data.X_train, n=7)
    assert ((single.values > 0) & (single.values < 1)).all()


@pytest.mark.parametrize(
    "network", [Network([3, 2]), Network([2, 2], output="identity"), Network([2, 2], output="sigmoid")]
)
def test_what_has_no_boundary_in_a_plane_is_refused(network):
    with pytest.raises(ValueError, match=r"network must have two inputs.*got Network\("):
        plots.boundary_grid(network, np.zeros((3, 2)))


def test_decision_boundary_shows_regions_a_line_and_samples(moons):
    data, network, _ = moons
    figure = plots.decision_boundary(network, data.X_train, data.y_train, "moons")
    (axes,) = figure.axes
    assert axes.get_title() == "moons"
    samples = [points for points in axes.collections if len(points.get_offsets()) == 100]
    assert len(samples) == 2
    assert {"first feature", "second feature"} <= set(texts(figure))


def test_three_classes_have_three_colours(moons):
    data, _, _ = moons
    figure = plots.decision_boundary(Network([2, 3], seed=0), data.X_train, np.arange(200) % 3)
    assert sum(len(points.get_offsets()) in (66, 67) for points in figure.axes[0].collections) == 3


def test_history_has_a_panel_for_loss_and_one_for_accuracy(moons):
    figure = plots.history(moons[2])
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    assert np.array_equal(figure.axes[0].lines[0].get_ydata(), moons[2].loss)
    assert texts(figure).count("validation") == 2


def test_history_of_plain_outputs_has_no_accuracy():
    X = np.random.default_rng(0).standard_normal((50, 3))
    history = Trainer(Network([3, 1], output="identity", seed=0), learning_rate=0.01, seed=0).fit(X, X[:, 0], epochs=2)
    figure = plots.history(history)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss"]
    assert figure.axes[0].get_legend() is None


def test_weights_are_images_of_each_unit():
    network = Network([6, 3, 2], seed=0)
    figure = plots.weights(network, (2, 3))
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert np.array_equal(np.ravel(shown), network.weights[0].T.ravel())
    with pytest.raises(ValueError, match="as many pixels as the layer has inputs, 6, got None"):
        plots.weights(network)


def test_bars_show_their_numbers_but_no_zeros():
    figure = plots.panels([lambda axes: plots.draw_bars(axes, ["a", "b"], {"p": [0.001, 0.5]}, "y", x_label="x")])
    assert [text.get_text() for text in figure.axes[0].texts] == ["", "0.50"]
    assert texts(figure)[1:3] == ["x", "y"]


def test_save_writes_pictures_and_animations(tmp_path):
    from PIL import Image

    def frame(number):
        return plots.panels([lambda axes: plots.draw_curves(axes, {"": [number, 1]}, "x", "y")])

    plots.save(frame(1), tmp_path / "one.png")
    plots.save((frame(number) for number in range(3)), tmp_path / "three.gif")
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.size[0] > 400
    with Image.open(tmp_path / "three.gif") as animation:
        assert animation.n_frames == 3
        assert animation.info["loop"] == 0


@pytest.mark.parametrize(("several", "name"), [(False, "x.gif"), (True, "x.png")])
def test_an_ending_that_does_not_fit_is_refused(tmp_path, several, name):
    figure = plots.panels([lambda axes: None])
    with pytest.raises(ValueError, match=rf"path must end in .* got '{name}'"):
        plots.save([figure] if several else figure, tmp_path / name)
    assert not list(tmp_path.iterdir())


def without_matplotlib(monkeypatch):
    """Let imports of matplotlib fail, as if it were not installed."""
    real = builtins.__import__

    def fake(name, *args, **options):
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", fake)


def test_without_matplotlib_the_message_says_what_to_install(monkeypatch):
    without_matplotlib(monkeypatch)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'fastnet-numba\[plot\]'"):
        plots.panels([lambda axes: None])


# -- files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["svg", "pdf", "PNG"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, ending):
    draw = partial(plots.draw_confusion, matrix=np.eye(2), names="ab")
    for name in ("first", "second"):
        plots.save(plots.panels([draw], size=(2, 2)), tmp_path / f"{name}.{ending}")
    first, second = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("first", "second"))
    assert first == second
    assert len(first) > 1000


def test_no_frames_are_refused(tmp_path):
    with pytest.raises(ValueError, match="an animation needs at least one frame"):
        plots.save([], tmp_path / "x.gif")
    assert not list(tmp_path.iterdir())


# -- boundaries over the epochs ------------------------------------------------------------------------


def recorded(epochs, **settings):
    """A recorder that has seen so many epochs of a network that does not learn."""
    data = datasets.load_moons()
    recorder = plots.BoundaryRecorder(data.X_train[:20], data.y_train[:20], n=5, **settings)
    state = State(Network([2, 2], seed=0), epochs, 1)
    recorder.on_fit_begin(state)
    for epoch in range(1, epochs + 1):
        state.epoch = epoch
        recorder.on_epoch_end(state)
    return recorder


@pytest.mark.parametrize(
    ("settings", "epochs", "kept"),
    [
        ({}, 4, [1, 2, 3, 4]),
        ({"every": 3}, 10, [3, 6, 9]),
        ({"until": 2}, 5, [1, 2]),
        ({"max_frames": 4}, 8, [2, 4, 6, 8]),
        ({"max_frames": 4}, 9, [2, 4, 6, 8]),
        ({"max_frames": 4}, 17, [4, 8, 12, 16]),
    ],
)
def test_which_epochs_are_recorded(settings, epochs, kept):
    recorder = recorded(epochs, **settings)
    assert recorder.epochs == kept
    assert len(recorder.grids) == len(kept)


def test_recorded_boundaries_are_saved(tmp_path):
    from PIL import Image

    recorder = recorded(3)
    recorder.save(tmp_path / "boundary.gif")
    with Image.open(tmp_path / "boundary.gif") as animation:
        assert animation.n_frames == 3
    assert [axes.get_title() for axes in recorder.sheet("all").axes] == ["epoch 1", "epoch 2", "epoch 3"]
    recorder.save(tmp_path / "boundary.svg")
    recorder.on_fit_begin(State(Network([2, 3], seed=0), 1, 1))  # forgets
    for name in ("none.png", "none.gif"):
        with pytest.raises(ValueError, match=r"no epoch was kept|at least one frame"):
            recorder.save(tmp_path / name)


def test_what_a_recorder_refuses(moons):
    with pytest.raises(ValueError, match="y has 2 classes, but X has 3 samples"):
        plots.BoundaryRecorder(np.zeros((3, 2)), [0, 1])
    with pytest.raises(ValueError, match="max_frames must be >= 2"):
        plots.BoundaryRecorder(np.zeros((1, 2)), [0], max_frames=1)
    recorder = plots.BoundaryRecorder(np.zeros((2, 2)), [0, 1])
    with pytest.raises(ValueError, match="network must have two inputs"):
        recorder.on_fit_begin(State(Network([3, 2]), 1, 1))
    with pytest.raises(
        ValueError, match=r"X must have shape \(n_samples, 2\) to be drawn in a plane, got shape \(4,\)"
    ):
        plots.boundary_grid(moons[1], np.zeros(4))


def test_names_of_classes_and_features(moons):
    data, network, _ = moons
    named = SimpleNamespace(
        layer_sizes=(2, 2), output="softmax", predict=network.predict, predict_proba=network.predict_proba,
        classes=np.array(["up", "down"]), feature_names=("width", "height"),
    )  # fmt: skip
    figure = plots.decision_boundary(named, data.X_train, data.y_train)
    assert texts(figure) == ["", "width", "height", "up", "down"]


def test_the_margin_follows_the_range():
    grid = plots.value_grid(lambda points: points[:, 0], [[0, 5], [1000, 5]], n=3)
    assert (grid.x[0], grid.x[-1]) == (-100, 1100)
    assert (grid.y[0], grid.y[-1]) == (4.5, 5.5)


def test_more_classes_than_colours():
    X, y = np.random.default_rng(0).random((30, 2)), np.arange(30) % 10
    figure = plots.decision_boundary(Network([2, 10], seed=0), X, y)
    assert sum(len(points.get_offsets()) == 3 for points in figure.axes[0].collections) == 10


# -- evaluations ---------------------------------------------------------------------------------------


def test_confusion_shows_each_number_and_name():
    matrix = [[5, 0, 1], [0, 0, 0], [2, 0, 7]]
    (axes,) = plots.confusion_matrix(matrix, ["a", "bcde", "c"]).axes
    assert {text.get_position(): text.get_text() for text in axes.texts} == {
        (0, 0): "5", (2, 0): "1", (0, 2): "2", (2, 2): "7",
    }  # fmt: skip
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "bcde", "c"]
    right, wrong = (image.get_array().filled(np.nan) for image in axes.images)
    np.testing.assert_allclose(np.diag(right), [5 / 6, 0, 7 / 9])
    assert wrong[2, 0] == 1  # the largest share
    assert wrong[0, 2] == pytest.approx((1 / 6) / (2 / 9))


def test_many_classes_have_no_numbers_and_few_names():
    (axes,) = plots.confusion_matrix(np.eye(100)).axes
    assert not axes.texts
    assert len(axes.get_yticklabels()) == 20


@pytest.mark.parametrize(
    ("matrix", "names", "text"),
    [
        ([[1, 2]], None, r"square matrix, one row and column for each class, got shape \(1, 2\)"),
        ([1, 2], None, r"got shape \(2,\)"),
        (np.eye(2), ["a"], "classes has 1 names, but confusion has 2 rows"),
    ],
)
def test_what_is_no_confusion(matrix, names, text):
    with pytest.raises(ValueError, match=text):
        plots.confusion_matrix(matrix, names)


def mistaken(n_features, wrong=(3, 1), task="classification"):
    """An evaluation of four samples, of which some are wrong, and the samples."""
    true, losses = np.array([0, 1, 0, 1]), np.array([0.1, 1.0, 0.1, 3.0])
    predicted = np.where(np.isin(np.arange(4), wrong), 1 - true, true)
    found = Evaluation(
        task, true, predicted, losses, np.full(4, 0.75), np.full(4, 0.25), None, ("cat", "a very long name")
    )
    return found, np.arange(4.0 * n_features).reshape(4, n_features)


def test_worst_mistakes_are_images_with_their_names():
    evaluation, X = mistaken(9)
    figure = plots.worst_mistakes(evaluation, X)
    assert [axes.get_title() for axes in figure.axes] == ["true: a very long…\nsaid: cat (75 %)"] * 2
    assert np.array_equal(figure.axes[0].images[0].get_array().ravel(), X[3])  # the largest loss
    assert len(plots.worst_mistakes(evaluation, X, n=1).axes) == 1
    colours = plots.worst_mistakes(mistaken(12)[0], mistaken(12)[1], (2, 2, 3))
    assert colours.axes[0].images[0].get_array().shape == (2, 2, 3)


def test_worst_mistakes_of_two_features_are_points():
    evaluation, X = mistaken(2)
    (axes,) = plots.worst_mistakes(evaluation, X).axes
    assert texts(axes.figure)[-2:] == ["a very long name, taken for another", "the 2 worst"]
    assert np.array_equal(axes.collections[-1].get_offsets(), X[[3, 1]])


@pytest.mark.parametrize(
    ("arguments", "shape", "text"),
    [
        (mistaken(9, ()), None, "evaluation has no mistakes"),
        (mistaken(9, task="regression"), None, "evaluation must be one of classes, got one of regression"),
        ((mistaken(9)[0], np.zeros((3, 9))), None, "X has 3 samples, but evaluation is of 4"),
        (mistaken(8), None, "as many pixels as X has features, 8, got None"),
        (mistaken(8), (2, 2, 2), r"as many pixels as X has features, 8, got \(2, 2, 2\)"),
    ],
)
def test_mistakes_that_cannot_be_drawn(arguments, shape, text):
    with pytest.raises(ValueError, match=text):
        plots.worst_mistakes(*arguments, shape)


def test_weights_behind_principal_components_are_shown_as_pixels():
    rng = np.random.default_rng(0)
    components = rng.random((9, 2))
    network = SimpleNamespace(weights=[rng.random((2, 5))], preprocessing=SimpleNamespace(components=components))
    figure = plots.weights(network, n=2)
    assert len(figure.axes) == 2
    shown = figure.axes[1].images[0].get_array()
    np.testing.assert_allclose(shown.ravel(), components @ network.weights[0][:, 1])


# -- tuning --------------------------------------------------------------------------------------------

TRIALS = [
    {"trial": 0, "rung": 0, "epochs": 2, "val_accuracy": 0.5, "rate": 1e-4, "act": "tanh", "size": 8, "seed": 0},
    {"trial": 1, "rung": 0, "epochs": 2, "val_accuracy": 0.8, "rate": 1e-2, "act": "relu", "size": 16, "seed": 0},
    {
        "trial": 2,
        "rung": 0,
        "epochs": 2,
        "val_accuracy": float("nan"),
        "rate": 1e-1,
        "act": "relu",
        "size": 8,
        "seed": 0,
    },
    {"trial": 1, "rung": 1, "epochs": 4, "val_accuracy": 0.9, "rate": 1e-2, "act": "relu", "size": 16, "seed": 0},
]


def test_scores_over_each_setting_that_varies():
    figure = plots.tuning(TRIALS, title="three trials")
    assert [axes.get_xlabel() for axes in figure.axes] == ["rate", "act", "size"]
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "linear", "linear"]
    rate = figure.axes[0]
    assert rate.get_ylabel() == "validation accuracy"
    points = {group.get_label(): group.get_offsets().data.tolist() for group in rate.collections}
    assert points["given up earlier"] == [[1e-4, 0.5]]
    assert points["trial"] == points["best"] == [[1e-2, 0.9]]
    assert [place for place, _ in points["worse, or failed"]] == [0.1]
    assert [tick.get_text() for tick in figure.axes[1].get_xticklabels()] == ["relu", "tanh"]


def test_a_loss_should_be_small():
    rows = [{"val_loss": loss, "rate": rate} for loss, rate in ((0.5, 1), (0.1, 2), (None, 3))]
    (axes,) = plots.tuning(rows, "val_loss").axes
    best = next(group for group in axes.collections if group.get_label() == "best")
    assert best.get_offsets().tolist() == [[2, 0.1]]


def test_a_line_for_each_trial():
    figure = plots.tuning(TRIALS, kind="parallel", params=["rate", "size"])
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["rate", "size"]
    lines = [
        line.get_ydata().tolist() for line in axes.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 2.6
    ]
    assert lines[0] == pytest.approx([2 / 3, 1.0])  # the best trial


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((TRIALS, "f1"), "no trial has a finite 'f1'"),
        (([],), "no setting that varies"),
        ((TRIALS[:1],), "no setting that varies"),
        ((TRIALS, "val_accuracy", ["raet"]), "params: trials have no 'raet'; they have 'trial', 'rung'"),
        ((TRIALS, "val_accuracy", None, "pie"), "kind must be 'scatter' or 'parallel', got 'pie'"),
    ],
)
def test_trials_that_cannot_be_drawn(arguments, text):
    with pytest.raises(ValueError, match=text):
        plots.tuning(*arguments)
