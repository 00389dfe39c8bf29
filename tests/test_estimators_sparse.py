"""Compressed sparse rows: the lists they become, and the same results as with dense rows."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits

from fastnet import MLPClassifier, MLPRegressor, rows, sparse_data
from fastnet.estimators import engine

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DIGITS, Y = load_digits(return_X_y=True)
DIGITS, Y = DIGITS[:300] / 16, Y[:300]
RANDOM = np.random.RandomState(0)
THIN = np.where(RANDOM.random_sample((300, 200)) < 0.08, RANDOM.normal(size=(300, 200)), 0)
FORMATS = [sp.csr_matrix, sp.csr_array, sp.csc_matrix, sp.csc_array]


def vector(model):
    return np.concatenate([w.ravel() for w in (*model.coefs_, *model.intercepts_)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_slices", [1, 2])
def test_lists_are_those_of_dense_rows(dtype, n_slices):
    with_zeros = sp.csr_array(THIN)
    with_zeros.data[::7] = 0  # entries that are zero are no entries
    dense = with_zeros.toarray()
    expected = rows.sparse_rows(dense, 1.0, np.zeros(200, dtype), 70, n_slices)
    found = rows.csr_rows(with_zeros, 1.0, np.zeros(200, dtype), 70, n_slices)
    for name in ("records", "starts", "products", "squares", "bounds", "n_slices", "lines", "mean"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def test_empty_rows_and_columns():
    X = np.zeros((5, 130))
    X[1, 129], X[3, [0, 64, 128]] = 2.0, [1.0, 3.0, 4.0]
    found = rows.csr_rows(sp.csr_array(X), 1.0, np.zeros(130), 3, 2)
    np.testing.assert_array_equal(np.diff(found.starts.reshape(-1)[: 2 * 5 + 1]), [0, 0, 0, 4, 0, 0, 4, 4, 0, 0])


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_same_bits_as_dense(make, solver):
    settings = {"random_state": 0, "max_iter": 4, "solver": solver, "batch_size": 64, "hidden_layer_sizes": 30}
    dense = make(**settings).fit(THIN, Y)
    for form in FORMATS:
        model = make(**settings).fit(form(THIN), Y)
        if solver != "lbfgs":
            np.testing.assert_array_equal(vector(model), vector(dense))
        for data in (THIN, form(THIN)):
            np.testing.assert_array_equal(model.predict(data), model.predict(THIN))
        assert model.score(form(THIN), Y) == model.score(THIN, Y)
        np.testing.assert_allclose(vector(model), vector(dense), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "settings", [{"momentum": 0, "solver": "sgd"}, {"early_stopping": True}, {"alpha": 1.0}], ids=str
)
def test_many_entries(settings):
    # Half of the pixels are not zero: dense rows would be taken for a dense matrix.
    dense, listed = (
        MLPClassifier(random_state=0, max_iter=5, batch_size=70, **settings).fit(data, Y)
        for data in (DIGITS, sp.csr_array(DIGITS))
    )
    np.testing.assert_allclose(vector(listed), vector(dense), rtol=1e-7, atol=1e-11)
    np.testing.assert_allclose(listed.loss_curve_, dense.loss_curve_)


def test_parts_and_validation_data():
    data = sp.csr_array(DIGITS)
    model, dense = (MLPClassifier(random_state=0) for _ in range(2))
    for part in (slice(0, 200), slice(100, 300)):
        model.partial_fit(data[part], Y[part], classes=range(10))
        dense.partial_fit(DIGITS[part], Y[part], classes=range(10))
    np.testing.assert_allclose(vector(model), vector(dense), rtol=1e-9, atol=1e-12)
    model.set_params(max_iter=3).fit(data, Y, X_val=data[:50], y_val=Y[:50])
    dense.set_params(max_iter=3).fit(DIGITS, Y, X_val=DIGITS[:50], y_val=Y[:50])
    np.testing.assert_allclose(model.validation_loss_curve_, dense.validation_loss_curve_)


def test_the_users_matrix_stays_as_it_is():
    # Unsorted, with a column that comes twice.
    X = sp.csr_matrix((np.array([1.0, 2.0, 3.0, 4.0]), np.array([3, 0, 3, 1]), np.array([0, 3, 4])), shape=(2, 5))
    before = X.copy()
    model = MLPRegressor(max_iter=2, random_state=0).fit(X, [0, 1])
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(X, name), getattr(before, name))
    np.testing.assert_allclose(vector(model), vector(MLPRegressor(max_iter=2, random_state=0).fit(X.toarray(), [0, 1])))


def test_other_dtypes_and_long_indices():
    X = sp.csr_array(DIGITS * 16)
    expected = MLPClassifier(max_iter=2, random_state=0).fit(X, Y)
    for data in (X.astype(np.uint8), X.astype(np.int64)):
        model = MLPClassifier(max_iter=2, random_state=0).fit(data, Y)
        np.testing.assert_array_equal(vector(model), vector(expected))
        np.testing.assert_array_equal(model.predict_proba(data), expected.predict_proba(X))
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    np.testing.assert_array_equal(vector(MLPClassifier(max_iter=2, random_state=0).fit(X, Y)), vector(expected))


@pytest.mark.parametrize(
    "settings", [{"solver": "sgd"}, {"solver": "adam"}, {"solver": "lbfgs"}, {"shuffle": False}], ids=str
)
def test_more_columns_than_lists_can_number(monkeypatch, settings):
    settings = {"random_state": 0, "max_iter": 3, "batch_size": 40, "activation": "tanh", "alpha": 0.1, **settings}
    settings["hidden_layer_sizes"] = (30, 8)
    dense = MLPClassifier(**settings).fit(THIN, Y, WEIGHTS)
    for module in (rows, engine):
        monkeypatch.setattr(module, "MAX_COLUMNS", 100)
    # Room for 2 minibatches a call, so that an epoch is several.
    monkeypatch.setattr(sparse_data, "BLOCK_BYTES", 2 * 40 * 200 * 8)
    wide = MLPClassifier(**settings).fit(sp.csr_array(THIN), Y, WEIGHTS)
    np.testing.assert_allclose(vector(wide), vector(dense), rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(wide.loss_, dense.loss_)
    np.testing.assert_allclose(wide.predict_proba(sp.csr_array(THIN)), dense.predict_proba(THIN), rtol=1e-6)


def test_really_many_columns():
    wide = sp.random_array((60, 70_000), density=0.0005, format="csr", rng=np.random.default_rng(0))
    y = np.asarray(wide[:, :35_000].sum(axis=1) > wide[:, 35_000:].sum(axis=1)).ravel().astype(int)
    model = MLPClassifier(4, max_iter=40, random_state=0, learning_rate_init=0.01).fit(wide, y)
    assert model.score(wide, y) > 0.9


WEIGHTS = RANDOM.random_sample(300)
