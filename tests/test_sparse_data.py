"""Sparse matrices of SciPy in Network and Trainer: the same results as with dense rows; what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import accuracy_score, r2_score

import fastnet
from fastnet import columns, rows, sparse_data
from fastnet.kernels import gather

RNG = np.random.default_rng(0)
THIN = np.where(RNG.random((300, 80)) < 0.1, RNG.random((300, 80)), 0).astype(np.float32)
THIN[5] = 0
Y = (THIN[:, :40].sum(axis=1) > THIN[:, 40:].sum(axis=1)).astype(int)


def fitted(X, y=Y, epochs=3, n_in=80, **settings):
    network = fastnet.Network([n_in, 9, 2], seed=0)
    trainer = fastnet.Trainer(network, seed=0, learning_rate=0.2, n_threads=1, **settings)
    return network, trainer.fit(X, y, epochs=epochs, validation_data=(X, y))


@pytest.mark.parametrize("scale", ["auto", "minmax", "standard"])
@pytest.mark.parametrize("center", [True, False])
def test_training_has_the_bits_of_dense_rows(scale, center):
    dense, history = fitted(THIN, scale=scale, center=center)
    found, other = fitted(sp.csr_array(THIN), scale=scale, center=center)
    assert history.first_layer == other.first_layer == "sparse"
    # Deviations of a sparse matrix are added up in another order.
    tolerance = 1e-5 if scale == "standard" else 0
    np.testing.assert_allclose(found.parameters, dense.parameters, rtol=tolerance, atol=tolerance / 10)
    np.testing.assert_allclose(other.loss, history.loss, rtol=tolerance)
    np.testing.assert_allclose(other.val_loss, history.val_loss, rtol=tolerance)


@pytest.mark.parametrize("form", [sp.csc_array, sp.coo_matrix, sp.lil_array, sp.csr_matrix])
def test_any_format(form):
    X = form(THIN)
    network, _ = fitted(X, epochs=1)
    np.testing.assert_array_equal(network.parameters, fitted(THIN, epochs=1)[0].parameters)
    np.testing.assert_array_equal(network.predict_proba(X), network.predict_proba(THIN))
    assert network.score(X, Y) == network.score(THIN, Y)


def test_bytes_keep_their_unit():
    X = (THIN > 0).astype(np.uint8) * 255
    network, _ = fitted(sp.csr_array(X))
    np.testing.assert_array_equal(network.parameters, fitted(X)[0].parameters)
    assert network.preprocessing.kind == "uint8"
    np.testing.assert_array_equal(network.decision_function(sp.csr_array(X)), network.decision_function(X))


def test_predictions_block_by_block(monkeypatch):
    network, _ = fitted(THIN, epochs=1)
    expected = network.decision_function(THIN)
    monkeypatch.setattr(sparse_data, "BLOCK_BYTES", 1)  # 64 rows at a time, what predictions work on together
    np.testing.assert_array_equal(network.decision_function(sp.csr_array(THIN)), expected)
    assert network.decision_function(sp.csr_array((0, 80), dtype=np.float32)).shape == (0, 2)


@pytest.mark.parametrize("wrt_input", [False, True])
def test_loss_and_gradients(monkeypatch, wrt_input):
    network, _ = fitted(THIN, epochs=1)
    weights = RNG.random(300)
    monkeypatch.setattr(sparse_data, "BLOCK_BYTES", 1)  # 256 rows at a time
    loss, expected = network.loss_and_gradients(THIN, Y, weights, wrt_input)
    found_loss, found = network.loss_and_gradients(sp.csr_array(THIN), Y, weights, wrt_input)
    np.testing.assert_array_equal(found.flat, expected.flat)
    assert found_loss == pytest.approx(loss, rel=1e-14)
    assert (found.inputs is None) != wrt_input
    if wrt_input:
        np.testing.assert_array_equal(found.inputs, expected.inputs)


def test_principal_components():
    dense, _ = fitted(THIN, n_in=5, pca=5)
    found, _ = fitted(sp.csr_array(THIN), n_in=5, pca=5)
    np.testing.assert_allclose(found.parameters, dense.parameters, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        found.decision_function(sp.csr_array(THIN)), dense.decision_function(THIN), rtol=1e-4, atol=1e-5
    )
    ratios = [fastnet.PCA(5).fit(X).explained_variance_ratio_ for X in (THIN, sp.csr_array(THIN))]
    np.testing.assert_allclose(*ratios, rtol=1e-12)


@pytest.mark.parametrize("why", ["columns", "mean"])
def test_what_can_be_no_list_is_written_out_in_blocks(monkeypatch, why):
    X = THIN.copy()
    if why == "mean":
        X[:, 7] = 100 + RNG.random(300)  # folding so large a mean would lose digits
    dense, history = fitted(X, batch_size=16)
    if why == "columns":
        monkeypatch.setattr(rows, "MAX_COLUMNS", 79)
        dense, history = fitted(X, batch_size=16)
    monkeypatch.setattr(sparse_data, "BLOCK_BYTES", 2 * 16 * 80 * 4)  # two minibatches a call
    found, other = fitted(sp.csr_array(X), batch_size=16)
    assert history.first_layer == other.first_layer == "dense"
    np.testing.assert_array_equal(found.parameters, dense.parameters)
    np.testing.assert_array_equal(other.loss, history.loss)


def test_weights_of_samples_in_blocks(monkeypatch):
    monkeypatch.setattr(rows, "MAX_COLUMNS", 79)
    weights, networks = RNG.random(300), []
    for X in (THIN, sp.csr_array(THIN)):
        networks.append(fastnet.Network([80, 9, 2], seed=0))
        fastnet.Trainer(networks[-1], seed=0, n_threads=1).fit(X, Y, epochs=2, sample_weight=weights)
    np.testing.assert_array_equal(networks[1].parameters, networks[0].parameters)


# -- statistics ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_pieces", [1, 3])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_statistics_of_columns(form, n_pieces):
    X = THIN.astype(np.float64)
    X[:, 3] = 7.0  # never varies, and has no zeros
    pieces = [form(part) for part in np.array_split(X, n_pieces)]
    found = columns.statistics(pieces, 0.5, ranges=True, spreads=True)
    assert found.n_rows == 300
    np.testing.assert_allclose(found.mean, X.mean(axis=0) / 2, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(found.low, X.min(axis=0) / 2)
    np.testing.assert_array_equal(found.high, X.max(axis=0) / 2)
    np.testing.assert_allclose(found.spread, X.std(axis=0) / 2, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("n_pieces", [1, 3])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_covariance_of_columns(form, n_pieces):
    X = THIN.astype(np.float64)
    factors, offset = RNG.random(80), RNG.random(80)
    count, mean, covariance = columns.covariance([form(part) for part in np.array_split(X, n_pieces)], factors, offset)
    assert count == 300
    np.testing.assert_allclose(mean, (X * factors).mean(axis=0), rtol=0, atol=1e-14)
    np.testing.assert_allclose(covariance, np.cov(X * factors, rowvar=False), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("scale", [0.5, RNG.random(80).astype(np.float32)], ids=["one", "each"])
def test_lists_are_scaled_and_centred(scale):
    mean = RNG.random(80).astype(np.float32) / 50
    expected = rows.sparse_rows(THIN, scale, mean, 9, 2)
    found = rows.csr_rows(sp.csr_array(THIN), scale, mean, 9, 2)
    for name in ("records", "starts", "products", "squares", "cuts", "bounds", "mean"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    assert isinstance(rows.dense_rows(THIN, scale, mean), gather.Rows)


# -- the door ------------------------------------------------------------------------------------------


def test_the_users_matrix_stays_as_it_is():
    X = sp.csr_matrix((np.array([1.0, 2.0, 3.0, 4.0]), np.array([3, 0, 3, 1]), np.array([0, 3, 4])), shape=(2, 5))
    before = X.copy()
    found = sparse_data.check_sparse("X", X, 5, np.float32)
    np.testing.assert_array_equal(found.toarray(), before.toarray())
    assert found.has_canonical_format
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(X, name), getattr(before, name))
    canonical = sp.csr_array(THIN)
    assert np.shares_memory(sparse_data.check_sparse("X", canonical, 80, np.float32).data, canonical.data)


def broken(value):
    X = sp.csr_array(THIN)
    X.data[np.flatnonzero(X.indices == 5)[0]] = value
    return X


def out_of_range():
    X = sp.csr_array(THIN)
    X.indices[3] = 1000
    return X


NAN_ROW = int(np.flatnonzero(THIN[:, 5])[0])
BAD = [
    (lambda: sp.csr_array(THIN[:, :4]), ValueError, "X has 4 features, but the network expects 80"),
    (lambda: broken(np.nan), ValueError, f"Input X contains NaN. First at row {NAN_ROW}, column 5"),
    (lambda: broken(-np.inf), ValueError, f"Input X contains infinity. First at row {NAN_ROW}, column 5"),
    (lambda: sp.csr_array(THIN.astype(float) * 1e300), ValueError, r"X: value \S+ at row .* does not fit float32"),
    (lambda: sp.csr_array(THIN.astype(complex)), ValueError, "Complex data not supported"),
    (out_of_range, ValueError, "X is no valid csr_array: "),
    (lambda: sp.coo_array(THIN[0]), ValueError, r"X must have 2 dimensions .* got shape \(80,\)"),
]


@pytest.mark.parametrize(("make", "kind", "text"), BAD)
def test_bad_matrices_are_refused(make, kind, text):
    network = fastnet.Network([80, 9, 2], seed=0)
    with pytest.raises(kind, match=text):
        network.predict(make())
    with pytest.raises(kind, match=text):
        fastnet.Trainer(network).fit(make(), Y, epochs=1)
    assert network.preprocessing is None


def test_nothing_to_train_on():
    empty = sp.csr_array((0, 80), dtype=np.float32)
    with pytest.raises(ValueError, match="X is empty"):
        fastnet.Trainer(fastnet.Network([80, 2])).fit(empty, np.zeros(0, int), epochs=1)
    with pytest.raises(ValueError, match="X is empty"):
        fastnet.Network([80, 2]).score(empty, np.zeros(0, int))


# -- weighted scores -----------------------------------------------------------------------------------


def test_weighted_scores_are_those_of_scikit_learn():
    weights = RNG.random(300)
    network = fastnet.Network([80, 2], seed=0)
    expected = accuracy_score(Y, network.predict(THIN), sample_weight=weights)
    assert network.score(THIN, Y, weights) == pytest.approx(expected, rel=1e-12)
    assert network.score(THIN, Y) == pytest.approx(accuracy_score(Y, network.predict(THIN)), rel=1e-12)
    targets = RNG.standard_normal((300, 3))
    regression = fastnet.Network([80, 3], output="identity", seed=0)
    expected = r2_score(targets, regression.predict(THIN), sample_weight=weights)
    assert regression.score(THIN, targets, weights) == pytest.approx(expected, rel=1e-5)
    labels = fastnet.Network([80, 3], output="sigmoid", seed=0)
    wanted = targets > 0
    right = (labels.predict(THIN) == wanted).all(axis=1)
    assert labels.score(THIN, wanted, weights) == pytest.approx(np.average(right, weights=weights), rel=1e-12)
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(300,\)"):
        network.score(THIN, Y, weights[:3])
