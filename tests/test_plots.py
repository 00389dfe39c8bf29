"""Figures: what is drawn from which data, and what is refused. Whether they look well is for eyes."""

import builtins

import numpy as np
import pytest

from fastnet import Network, Trainer, datasets, plots

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
