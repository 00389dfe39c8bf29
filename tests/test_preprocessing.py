"""Centring, scaling and principal components: against scikit-learn, in training, in predictions, without copies."""

import pickle
import tracemalloc

import numpy as np
import pytest
from sklearn import decomposition
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import fastnet
from fastnet import columns, preprocessing
from fastnet.datasets import load_digits

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 6)) * [1, 10, 0.1, 3, 1, 0] + [0, 50, 2, -1, 0, 7]  # the last feature never varies
Y = (X[:, 0] + X[:, 2] > 2).astype(int)


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def network(n_inputs=6, dtype="float64", **settings):
    return fastnet.Network([n_inputs, 5, 2], dtype=dtype, seed=0, **settings)


def fit(data, y=Y, n_inputs=6, dtype="float64", epochs=3, **settings):
    trainer = fastnet.Trainer(network(n_inputs, dtype), seed=0, **settings)
    trainer.fit(data, y, epochs=epochs)
    return trainer.network


# -- scaling -------------------------------------------------------------------------------------------


def scaled(center, scale):
    """The training rows as scikit-learn scales them; its constant feature is not 0."""
    if scale == "standard":
        rows = StandardScaler(with_mean=center).fit_transform(X)
    else:
        rows = MinMaxScaler().fit_transform(X)
        rows = rows - rows.mean(axis=0) if center else rows
    rows[:, -1] = 0
    return rows


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("scale", ["minmax", "standard"])
def test_training_on_raw_rows_is_training_on_scaled_rows(center, scale):
    raw = fit(X, center=center, scale=scale)
    other = fit(scaled(center, scale), center=False, scale=1.0)
    np.testing.assert_allclose(raw.parameters, other.parameters, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(raw.decision_function(X), other.decision_function(scaled(center, scale)), atol=1e-9)


def test_min_max_without_centring_is_between_0_and_1():
    found = fit(X, center=False, scale="minmax").preprocessing
    rows = X * found.scale * found.factors - found.mean
    assert rows[:, :-1].min(axis=0) == pytest.approx(0, abs=1e-12)
    assert rows[:, :-1].max(axis=0) == pytest.approx(1, abs=1e-12)


def test_a_feature_that_never_varied_stays_without_effect():
    found = fit(X, scale="standard")
    moved = X.copy()
    moved[:, -1] += 1e3
    np.testing.assert_array_equal(found.decision_function(moved), found.decision_function(X))


@pytest.mark.parametrize("scale", ["minmax", "standard"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparse_rows_are_scaled_like_dense_ones(monkeypatch, scale, dtype):
    data = np.where(RNG.random((300, 80)) < 0.1, RNG.integers(1, 256, (300, 80)), 0).astype(np.uint8)
    y = (data[:, :40].sum(axis=1) > data[:, 40:].sum(axis=1)).astype(int)
    trainer = fastnet.Trainer(network(80, dtype), seed=0, scale=scale)
    assert trainer.fit(data, y, epochs=2).first_layer == "sparse"
    monkeypatch.setattr("fastnet.rows.MAX_DENSITY", -1.0)
    dense = fastnet.Trainer(network(80, dtype), seed=0, scale=scale)
    assert dense.fit(data, y, epochs=2).first_layer == "dense"
    tolerance = 1e-10 if dtype == "float64" else 2e-4
    np.testing.assert_allclose(trainer.network.parameters, dense.network.parameters, rtol=tolerance, atol=tolerance)
    few = trainer.network.decision_function(data[:3])
    np.testing.assert_array_equal(few, trainer.network.decision_function(data)[:3])
    found = trainer.network.preprocessing
    rows = (data * (found.scale * found.factors.astype(float)) - found.mean).astype(dtype)
    plain = fastnet.Network([80, 5, 2], dtype=dtype)
    plain.parameters = trainer.network.parameters
    np.testing.assert_allclose(few, plain.decision_function(rows)[:3], rtol=tolerance, atol=10 * tolerance)


def test_floats_in_the_trained_unit_are_taken_by_a_network_trained_on_bytes(digits):
    images = np.minimum(digits.X_train * 15.0, 255).astype(np.uint8)
    found = fit(images, digits.y_train % 2, 64, scale="standard")
    with pytest.warns(UserWarning, match="trained on uint8 data"):
        ours = found.decision_function(images / 255)
    np.testing.assert_allclose(ours, found.decision_function(images), rtol=1e-9, atol=1e-9)


def test_only_training_rows_count():
    trainer = fastnet.Trainer(network(), seed=0, scale="standard")
    trainer.fit(X[:200], Y[:200], epochs=1, validation_data=(X[200:] + 5, Y[200:]))
    np.testing.assert_allclose(trainer.network.preprocessing.factors[:-1], 1 / X[:200, :-1].std(axis=0), rtol=1e-12)
    first = trainer.network.preprocessing
    trainer.fit(X, Y, epochs=1)
    assert trainer.network.preprocessing is first
    trainer.fit(X, Y, epochs=1, reset_preprocessing=True)
    np.testing.assert_allclose(trainer.network.preprocessing.factors[:-1], 1 / X[:, :-1].std(axis=0), rtol=1e-12)


@pytest.mark.parametrize("settings", [{"scale": "standard"}, {"pca": 4}, {"scale": "minmax", "pca": 0.9}])
def test_pieces_of_any_size_give_the_same(monkeypatch, settings):
    settings, whole = {**settings}, preprocessing.fitted([X], True, settings.get("scale", "auto"),
        preprocessing.as_pca(settings.get("pca")), _inputs(settings), np.dtype("float64"))  # fmt: skip
    monkeypatch.setattr(columns, "_CHUNK", 7 * X.shape[1])
    pieces = preprocessing.fitted([X], True, settings.get("scale", "auto"),
        preprocessing.as_pca(settings.get("pca")), _inputs(settings), np.dtype("float64"))  # fmt: skip
    for name in ("mean", "factors", "components"):
        ours, other = getattr(pieces, name), getattr(whole, name)
        assert (ours is None) == (other is None)
        if ours is not None:
            np.testing.assert_allclose(ours, other, rtol=1e-9, atol=1e-11)


def _inputs(settings):
    pca = fastnet.PCA(settings.get("pca")).fit(X, settings.get("scale", "auto"))
    return pca.n_components_ if "pca" in settings else 6


@pytest.mark.parametrize("settings", [{"scale": "standard"}, {"scale": "minmax"}, {"pca": 5}])
def test_nothing_as_large_as_the_data_is_made(tmp_path, settings):
    np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.uint8, (60_000, 500))[:] = np.arange(500) % 251
    data = np.load(tmp_path / "rows.npy", mmap_mode="r+")
    data[::3] += 3
    pca = preprocessing.as_pca(settings.get("pca"))
    tracemalloc.start()
    preprocessing.fitted([data], True, settings.get("scale", "auto"), pca, 5, np.dtype("float32"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80e6  # as float32 the rows are 120 MB, as float64 240


def test_lost_digits_are_told():
    far = X + [0, 0, 1e6, 0, 0, 0]
    with pytest.warns(UserWarning, match=r"the mean of column 2 is 9\.\d+e\+06 times its spread, of which float32"):
        fit(far, dtype="float32", scale="standard", epochs=1)
    fit(far, scale="standard", epochs=1)  # float64 says nothing


# -- principal components ------------------------------------------------------------------------------


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("wanted", [3, 0.95, None])
def test_components_are_those_of_scikit_learn(digits, wanted, whiten):
    ours = fastnet.PCA(wanted, whiten=whiten).fit(digits.X_train)
    theirs = decomposition.PCA(wanted, whiten=whiten, svd_solver="full").fit(digits.X_train.astype(float))
    assert ours.n_components_ == theirs.n_components_
    np.testing.assert_allclose(ours.mean_, theirs.mean_, rtol=1e-12, atol=1e-12)
    n = min(ours.n_components_, 40)  # beyond, variances are so small that directions are arbitrary
    np.testing.assert_allclose(ours.explained_variance_[:n], theirs.explained_variance_[:n], rtol=1e-9)
    np.testing.assert_allclose(ours.explained_variance_ratio_[:n], theirs.explained_variance_ratio_[:n], rtol=1e-9)
    np.testing.assert_allclose(ours.components_[:n], theirs.components_[:n], atol=1e-6)
    rows = (digits.X_train - ours.mean_) @ ours.preprocessing_.components
    np.testing.assert_allclose(rows[:, :n], theirs.transform(digits.X_train)[:, :n], atol=1e-5)


def test_training_on_components_is_training_on_components(digits):
    inside = fit(digits.X_train, digits.y_train % 2, 8, pca=fastnet.PCA(8, whiten=True))
    outside = decomposition.PCA(8, whiten=True, svd_solver="full").fit(digits.X_train.astype(float))
    other = fit(outside.transform(digits.X_train), digits.y_train % 2, 8, center=False)
    np.testing.assert_allclose(inside.parameters, other.parameters, rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(inside.predict(digits.X_test), other.predict(outside.transform(digits.X_test)))
    assert inside.n_features == 64


def test_components_are_applied_everywhere(digits, monkeypatch):
    trainer = fastnet.Trainer(fastnet.Network([20, 16, 10], seed=0), pca=20, seed=0)
    history = trainer.fit(digits.X_train, digits.y_train, epochs=15, validation_data=(digits.X_val, digits.y_val))
    net = trainer.network
    assert net.score(digits.X_val, digits.y_val) == history.val_accuracy[-1] > 0.9
    logits = net.decision_function(digits.X_test)
    np.testing.assert_array_equal(net.decision_function(digits.X_test[5:7]), logits[5:7])
    monkeypatch.setattr("fastnet.network._PROJECT_ROWS", 50)
    np.testing.assert_array_equal(net.decision_function(digits.X_test), logits)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net)).decision_function(digits.X_test), logits)
    loss, gradients = net.loss_and_gradients(digits.X_val, digits.y_val)
    assert loss == pytest.approx(history.val_loss[-1], rel=1e-5)
    assert gradients.weights[0].shape == (20, 16)
    trainer.fit(digits.X_train, digits.y_train, epochs=1)  # goes on with the same components
    assert net.n_features == 64


@pytest.mark.parametrize("data", ["uint8", "F", "reversed"])
def test_components_of_rows_of_any_layout(data):
    rows = RNG.integers(0, 255, (300, 12)).astype(np.uint8)
    expected = fit(rows / 255, Y[:300], 3, scale=1.0, pca=3)
    other = {"uint8": rows, "F": np.asfortranarray(rows / 255), "reversed": (rows[::-1, ::-1].copy() / 255)[::-1, ::-1]}
    found = fit(other[data], Y[:300], 3, pca=3)
    np.testing.assert_allclose(found.parameters, expected.parameters, rtol=1e-8, atol=1e-10)


def test_a_pca_that_is_fitted_is_used_as_it_is(digits):
    pca = fastnet.PCA(10).fit(digits.X_train, scale="standard")
    found = fit(digits.X_val, digits.y_val % 2, 10, pca=pca)
    np.testing.assert_array_equal(found.preprocessing.components, pca.preprocessing_.components)
    unfitted = fastnet.PCA(10)
    fit(digits.X_val, digits.y_val % 2, 10, pca=unfitted)
    assert not hasattr(unfitted, "components_")


def test_whitened_components_without_variance_are_zero():
    pca = fastnet.PCA(whiten=True).fit(np.column_stack([X[:, :2], X[:, 0]]))
    assert np.isfinite(pca.preprocessing_.components).all()
    assert (pca.preprocessing_.components[:, -1] == 0).all()


def test_reprs():
    assert repr(fastnet.PCA(0.5, whiten=True)) == "PCA(n_components=0.5, whiten=True)"
    text = repr(fit(X, n_inputs=2, scale="standard", pca=2, epochs=1).preprocessing)
    assert text == "Preprocessing(mean of 6 features, scale 1 of float data, factors of each, 2 components)"


# -- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "rows", "text"),
    [
        ({"pca": 3}, X, "pca has 3 components of 6 features, but the network has 2 inputs; make it with"),
        ({"pca": 0.999}, X, r"pca has \d components of 6 features, but the network has 2 inputs"),
        ({"pca": 7}, X, "pca: 7 components are wanted, but 400 samples of 6 features have at most 6"),
        ({"pca": fastnet.PCA(2)}, X[:1], "pca needs at least 2 samples, got 1"),
        ({"pca": fastnet.PCA(2).fit(X), "scale": "minmax"}, X, "scale='minmax' does not go with a PCA that is fitted"),
        ({"pca": fastnet.PCA(2).fit(X[:, :4])}, X, "X has 6 features, but pca was fitted to 4"),
        ({}, X, "X has 6 features, but the network expects 2"),
    ],
)
def test_a_refused_fit_changes_nothing(settings, rows, text):
    trainer = fastnet.Trainer(network(2), batch_size=1, seed=0, **settings)
    before = trainer.network.parameters.copy()
    with pytest.raises(ValueError, match=text):
        trainer.fit(rows, Y[: len(rows)], epochs=1)
    assert trainer.network.preprocessing is None
    np.testing.assert_array_equal(trainer.network.parameters, before)


def test_rows_must_have_the_features_that_were_trained_on():
    trainer = fastnet.Trainer(network(2), pca=2, seed=0)
    with pytest.raises(ValueError, match=r"validation_data\[0\] has 5 features, but the network expects 6"):
        trainer.fit(X, Y, epochs=1, validation_data=(X[:, :5], Y))
    trainer.fit(X, Y, epochs=1)
    for call in (trainer.network.predict, lambda rows: trainer.fit(rows, Y, epochs=1)):
        with pytest.raises(ValueError, match="X has 2 features, but the network expects 6"):
            call(X[:, :2])
    for bad in (
        preprocessing.Preprocessing(np.zeros(6), 1.0, "float", None, np.zeros((6, 3))),
        preprocessing.Preprocessing(np.zeros(5), 1.0, "float", None, np.zeros((6, 2))),
    ):
        with pytest.raises(ValueError, match=r"preprocessing.components must have shape \(6, 2\)"):
            trainer.network.preprocessing = bad


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        ((True,), TypeError, "n_components must be an int, got bool True"),
        ((0,), ValueError, "n_components must be >= 1, got 0"),
        ((1.0,), ValueError, r"n_components must be a finite number in \(0, 1\), got 1.0"),
        ((2, 1), TypeError, "whiten must be True or False"),
    ],
)
def test_settings_of_a_pca(args, error, text):
    with pytest.raises(error, match=text):
        fastnet.PCA(*args)


@pytest.mark.parametrize(
    ("rows", "scale", "error", "text"),
    [
        ([[1.0, np.nan]], "auto", ValueError, "Input X contains NaN"),
        ([1.0, 2.0], "auto", ValueError, "X must have 2 dimensions"),
        ([["a"]], "auto", TypeError, "X must hold numbers"),
        ([[1.0], [2.0]], "robust", ValueError, "scale must be one of"),
        ([[1.0], [2.0]], 0.0, ValueError, "scale must be a finite number"),
    ],
)
def test_rows_that_a_pca_refuses(rows, scale, error, text):
    with pytest.raises(error, match=text):
        fastnet.PCA().fit(rows, scale)
