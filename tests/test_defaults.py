"""Settings that are chosen from the shape of data, and targets that are standardised for a regression."""

import importlib.util
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from fastnet import Network, Trainer
from fastnet.defaults import DEFAULTS, PRESETS, Settings, defaults_for
from fastnet.target_scaling import TargetScaler

OF_NETWORK = {"hidden", "epochs", "activation", "weight_init", "pca", "whiten", "patience", "min_proba"}


def table(n_samples, n_features=5):
    return np.random.default_rng(0).normal(size=(n_samples, n_features)), np.zeros(n_samples)


def pixels(n_samples, n_features=64, dtype=np.uint8, highest=255):
    grey = np.random.default_rng(0).random((n_samples, n_features))
    return (grey * (grey > 0.5) * (highest + 0.4)).round().astype(dtype), np.zeros(n_samples)


# -- what shape decides --------------------------------------------------------------------------------


def test_numpy_is_not_needed_to_read_settings():
    script = "import sys, fastnet.defaults; print(fastnet.defaults.DEFAULTS['mnist']); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    flags, modules = result.stdout.splitlines()
    assert flags.startswith("--hidden 512 ")
    assert not {"numpy", "numba", "scipy"} & set(modules.split())


@pytest.mark.parametrize("name", DEFAULTS)
def test_names_have_settings_of_their_own(name):
    assert defaults_for(name, *table(10)) is DEFAULTS[name]


def test_names_of_files_have_none():
    X, y = table(150)
    assert defaults_for("flowers.csv", X, y) == defaults_for(None, X, y) == defaults_for("iris", X, y)


def test_mnist_by_name_and_by_shape_is_the_same():
    X = np.zeros((55_000, 784), np.uint8)
    X[::7] = 150
    assert defaults_for("my.npz", X, np.zeros(55_000)) == DEFAULTS["mnist"]


@pytest.mark.parametrize("n_samples", [1, 7, 20, 255, 256, 1000, 1024, 9_999, 10_000, 70_000])
@pytest.mark.parametrize("make", [table, pixels])
def test_updates_are_enough_and_epochs_not_too_many(make, n_samples):
    X, y = make(n_samples)
    settings = defaults_for(None, X, y)
    updates = settings.epochs * -(-n_samples // settings.batch_size)
    assert settings.batch_size <= n_samples
    assert 10 <= settings.epochs <= 500
    assert updates >= 2000 or settings.epochs == 500
    assert updates < 4500 or settings.epochs <= 20
    assert n_samples > 31 or settings.epochs == 500


def test_weight_decay_falls_with_the_root_of_the_rows():
    few, many = (defaults_for(None, *table(n)).weight_decay for n in (100, 6400))
    assert few / many == pytest.approx(8)
    assert few == 4.0


def test_tables_are_standardised():
    settings = defaults_for(None, *table(500))
    assert (settings.scale, settings.optimizer, settings.hidden) == ("standard", "adamw", (128, 64))
    assert defaults_for(None, *table(10_000)).hidden == (256, 128)


@pytest.mark.parametrize(
    ("dtype", "highest", "scale"),
    [
        (np.uint8, 255, "auto"),
        (np.float64, 255, 1 / 255),
        (np.float32, 200, 1 / 255),
        (np.float32, 1, "auto"),
        (np.float64, 16, 1 / 16),
        (np.uint8, 16, 1 / 16),
        (np.uint16, 4000, 1 / 4000),
    ],
)
def test_pixels_keep_one_unit(dtype, highest, scale):
    assert defaults_for(None, *pixels(300, 100, dtype, highest)).scale == scale


@pytest.mark.parametrize("change", ["below 0", "units of their own", "few columns"])
def test_what_is_no_image(change):
    X, y = pixels(300, 80, np.float64)
    if change == "below 0":
        X[3, 4] = -1
    if change == "units of their own":
        X *= np.logspace(0, 6, 80)
    if change == "few columns":
        X = X[:, :63]
    assert defaults_for(None, X, y).scale == "standard"


def test_columns_that_never_vary_are_no_reason_against_an_image():
    X, y = pixels(300, 80, np.float64)
    X[:, ::3] = 0
    assert defaults_for(None, X, y).scale == 1 / 255
    assert defaults_for(None, np.zeros_like(X), y).scale == "minmax"


def test_many_images_get_a_wide_layer_with_dropout_but_no_regression_does():
    X, y = pixels(10_000)
    assert defaults_for(None, X, y).dropout > 0
    assert defaults_for(None, X[1:], y[1:]).dropout == 0
    settings = defaults_for(None, X, y, "regression")
    assert (settings.optimizer, settings.scale, settings.dropout) == ("adamw", "auto", 0.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_longer_rows_get_smaller_steps(dtype):
    X = np.zeros((10_000, 1500), dtype)
    X[::2, :1000] = 255  # each of these columns has a variance of 1/4
    assert defaults_for(None, X, X[:, 0]).learning_rate == pytest.approx(0.2 * 60 / 250, rel=0.02)
    X[:, 200:] = 0
    assert defaults_for(None, X, X[:, 0]).learning_rate == 0.2


def test_what_is_mostly_zero_is_divided_by_its_range():
    X, y = table(200, 50)
    X[:, 4:] = 0
    assert defaults_for(None, X, y).scale == "minmax"
    assert defaults_for(None, scipy.sparse.csr_array(X), y).scale == "minmax"
    assert defaults_for(None, scipy.sparse.csr_matrix(np.ones((200, 70))), y).scale == "minmax"


def test_only_some_rows_are_read():
    class Watched(np.ndarray):
        read = 0

        def __getitem__(self, key):
            found = super().__getitem__(key)
            Watched.read = max(Watched.read, len(found))
            return found

    X, y = table(123_456)
    assert defaults_for(None, X.view(Watched), y) == defaults_for(None, X, y)
    assert 900 < Watched.read <= 1000


def test_lists_will_do():
    X, y = table(30)
    assert defaults_for(None, X.tolist(), y.tolist()) == defaults_for(None, X, y)


@pytest.mark.parametrize(
    ("X", "y", "task", "message"),
    [
        (np.zeros(5), np.zeros(5), "classification", r"X must have shape .* got \(5,\)"),
        (np.zeros((0, 5)), [], "classification", r"X must have shape .* got \(0, 5\)"),
        (np.zeros((5, 2)), np.zeros(4), "regression", "y must have 5 labels, one for each row of X, got 4"),
        (np.zeros((5, 2)), np.zeros(5), "regresion", "task must be .* Did you mean 'regression'"),
    ],
)
def test_refusals(X, y, task, message):
    with pytest.raises(ValueError, match=message):
        defaults_for(None, X, y, task)


@pytest.mark.parametrize("settings", [*DEFAULTS.values(), *PRESETS.values(), defaults_for(None, *table(100))])
def test_a_trainer_takes_them(settings):
    network = Network([5, *settings.hidden, 3], settings.activation, weight_init=settings.weight_init)
    values = {name: value for name, value in asdict(settings).items() if name not in OF_NETWORK}
    trainer = Trainer(network, **values)
    values["loss"] = "cross_entropy"
    assert {name: getattr(trainer, name) for name in values} == values


def test_unusual_flags_are_told():
    settings = replace(Settings((), 3), center=False, whiten=True, pca=5, patience=2, clip_norm=1.5)
    assert str(settings).startswith("--hidden none --epochs 3 ")
    assert str(settings).endswith(" --clip-norm 1.5 --pca 5 --patience 2 --no-center --whiten")


# -- targets of a regression ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3)])
def test_targets_are_standardised(shape):
    y = np.random.default_rng(0).normal(500, 30, shape)
    scaled = TargetScaler().fit(y).transform(y)
    assert scaled.shape == shape
    assert np.allclose(scaled.mean(axis=0), 0, atol=1e-12)
    assert np.allclose(scaled.std(axis=0), 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_folded_scaling_changes_the_unit_of_predictions_only(dtype):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(50, 2)) * [300, 1e-3] + [5000, 7]
    network = Network([4, 6, 2], output="identity", dtype=dtype, seed=0)
    network.biases[-1] = [0.5, -0.25]
    X = rng.normal(size=(9, 4))
    before, parameters = network.predict(X), network.parameters.copy()
    scaler = TargetScaler().fit(y)
    scaler.fold_into(network)
    assert np.allclose(
        network.predict(X), before * scaler.scale_ + scaler.mean_, rtol=1e-5 if dtype == "float32" else 1e-12
    )
    scaler.fold_out_of(network)
    assert np.allclose(network.parameters, parameters, atol=1e-3 if dtype == "float32" else 1e-11)


def test_targets_that_never_vary_keep_their_unit():
    scaler = TargetScaler().fit(np.full(7, 0.1))
    assert scaler.scale_.tolist() == [1.0]
    assert np.allclose(scaler.transform(np.full(7, 0.1)), 0)


def test_refusals_of_targets():
    scaler = TargetScaler().fit(np.arange(5.0))
    with pytest.raises(ValueError, match="y has 2 columns, but the scaler was fitted to 1"):
        scaler.transform(np.zeros((5, 2)))
    with pytest.raises(ValueError, match="y must have shape"):
        scaler.fit(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="y"):
        scaler.fit([1.0, np.nan])
    with pytest.raises(TypeError, match="y must hold numbers"):
        scaler.fit(["a", "b"])
    for network, message in (
        (Network([2, 2]), "output='identity'"),
        (Network([2, 3], output="identity"), "3 outputs, but the scaler was fitted to 1"),
    ):
        before = network.parameters.copy()
        for fold in (scaler.fold_into, scaler.fold_out_of):
            with pytest.raises(ValueError, match=message):
                fold(network)
        assert (network.parameters == before).all()


# -- what they reach -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bench():
    path = Path(__file__).parent.parent / "benches" / "defaults.py"
    spec = importlib.util.spec_from_file_location("bench_of_defaults", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("name", ["iris", "wine", "breast-cancer", "digits"])
def test_classes_are_told_apart_at_least_as_well_as_by_scikit_learn(bench, name):
    scores, _ = bench.measure(bench.CLASSIFICATION[name], "classification", 5)
    ours, *theirs = scores.mean(axis=1)
    assert ours >= max(theirs)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_regression_is_at_least_as_good_as_scikit_learns(bench):
    scores, _ = bench.measure(bench.REGRESSION["diabetes"], "regression", 1)
    ours, *theirs = scores.mean(axis=1)
    assert ours >= max(theirs)


@pytest.mark.slow
@pytest.mark.mnist
def test_mnist_reaches_98_percent(bench, mnist):
    network, _ = bench.train(mnist.X_train, mnist.y_train, 0, DEFAULTS["mnist"])
    assert network.score(mnist.X_test, mnist.y_test) >= 0.98
