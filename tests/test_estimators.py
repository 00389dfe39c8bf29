"""What users of scikit-learn's perceptrons rely on: learning, labels, restarts, pipelines, processes and threads."""

import copy
import pickle
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnet import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BOTH = [MLPClassifier, MLPRegressor]
X, Y = load_digits(return_X_y=True)
X, Y = X[:300] / 16, Y[:300]
TWO, THREE = Y < 2, Y < 3
IRIS = load_iris(return_X_y=True)


def vector(model):
    return np.concatenate([w.ravel() for w in (*model.coefs_, *model.intercepts_)])


# -- learning ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
def test_exclusive_or(activation):
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    model = MLPClassifier(8, activation, solver="lbfgs", random_state=1, max_iter=300).fit(x, y)
    np.testing.assert_array_equal(model.predict(x), y)
    assert MLPClassifier(8, "identity", solver="lbfgs", random_state=1).fit(x, y).score(x, y) < 1


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_digits(activation, n_classes):
    x, y = load_digits(n_class=n_classes, return_X_y=True)
    x, y = x[:200] / 16, y[:200]
    model = MLPClassifier(50, activation, solver="lbfgs", max_iter=150, random_state=1).fit(x[:150], y[:150])
    assert model.score(x[:150], y[:150]) > 0.95
    assert model.score(x[150:], y[150:]) > 0.9
    assert model.predict(x).dtype.kind == y.dtype.kind


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_regression(activation):
    x, y = make_regression(n_samples=200, n_features=10, bias=20.0, noise=100.0, random_state=7)
    y = (y - y.mean()) / y.std()
    model = MLPRegressor(hidden_layer_sizes=50, activation=activation, solver="lbfgs", tol=1e-3, random_state=1)
    assert model.fit(x, y).score(x, y) > (0.8 if activation == "identity" else 0.98)


def test_several_outputs():
    x, y = make_regression(n_samples=200, n_targets=5, random_state=11)
    model = MLPRegressor(hidden_layer_sizes=50, solver="lbfgs", tol=1e-2, random_state=1).fit(x, y)
    assert model.score(x, y) > 0.9
    assert model.predict(x).shape == (200, 5)


def test_several_labels():
    x, y = make_multilabel_classification(n_samples=50, random_state=0)
    model = MLPClassifier(50, "logistic", solver="lbfgs", alpha=1e-5, max_iter=150, random_state=0).fit(x, y)
    assert model.score(x, y) > 0.97
    p = model.predict_proba(x)
    np.testing.assert_array_equal(p > 0.5, y)
    assert not np.allclose(p.sum(axis=1), 1)  # labels do not exclude each other
    online = MLPClassifier(50, "logistic", solver="sgd", alpha=1e-5, learning_rate_init=0.2, random_state=0)
    for _ in range(100):
        online.partial_fit(x, y, classes=[0, 1, 2, 3, 4])
    assert online.score(x, y) > 0.9
    MLPClassifier(early_stopping=True, max_iter=5).fit(x, y).predict(x)  # split without strata


def test_poisson_regression_is_a_generalised_linear_model():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 100)[:, np.newaxis]
    y = rng.poisson(np.exp(x.ravel() + 1))
    linear = PoissonRegressor(alpha=0, tol=1e-7).fit(x, y).predict(x)
    settings = {"hidden_layer_sizes": (), "alpha": 0, "solver": "lbfgs", "tol": 1e-7}
    np.testing.assert_allclose(
        MLPRegressor("poisson", **settings, random_state=0).fit(x, y).predict(x), linear, rtol=1e-4
    )
    squared = MLPRegressor("squared_error", **settings, random_state=0).fit(x, y).predict(x)
    assert not np.allclose(squared, linear, rtol=1e-4)


def test_larger_alpha_gives_smaller_weights():
    sums = [np.abs(vector(MLPClassifier(10, alpha=a, random_state=1).fit(X[TWO], Y[TWO]))).sum() for a in (0, 1, 10)]
    assert sums[0] > sums[1] > sums[2]


def test_alpha_counts_by_the_samples_of_a_minibatch():
    # 30 samples in minibatches of 20: the second has 10, so alpha is 1/20, then 1/10. Zero data leave decay alone.
    model = MLPRegressor(hidden_layer_sizes=3, solver="sgd", momentum=0, alpha=0.5, batch_size=20, max_iter=1)
    model.set_params(random_state=0, learning_rate_init=0.1).fit(np.zeros((30, 4)), np.zeros(30))
    untrained = np.random.RandomState(0).uniform(-np.sqrt(6 / 7), np.sqrt(6 / 7), (4, 3))
    np.testing.assert_allclose(model.coefs_[0], untrained * (1 - 0.1 * 0.5 / 20) * (1 - 0.1 * 0.5 / 10), rtol=1e-14)


# -- labels --------------------------------------------------------------------------------------------


def test_string_labels():
    names = np.array(["setosa", "versicolor", "virginica"], dtype=object)[IRIS[1]]
    for early in (False, True):
        model = MLPClassifier(20, early_stopping=early, learning_rate_init=0.01, random_state=0).fit(IRIS[0], names)
        np.testing.assert_array_equal(model.classes_, ["setosa", "versicolor", "virginica"])
        assert model.score(IRIS[0], names) > 0.9
        if early:
            assert len(model.validation_scores_) == model.n_iter_
            assert np.isfinite(model.validation_scores_).all()


def test_two_classes_have_one_output():
    model = MLPClassifier(5, "logistic", random_state=1).fit(X[TWO], Y[TWO])
    p = model.predict_proba(X[TWO])
    assert (model.n_outputs_, model.out_activation_) == (1, "logistic")
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(model.predict_log_proba(X[TWO]), np.log(p))
    np.testing.assert_allclose(1 / (1 + np.exp(-model.decision_function(X[TWO]))), p[:, 1])
    assert roc_auc_score(Y[TWO], p[:, 1]) == 1


def test_classes_that_come_later():
    model = MLPClassifier(random_state=0)
    model.partial_fit([[1], [2], [3]], ["a", "b", "c"], classes=["a", "b", "c", "d"])
    model.partial_fit([[4]], ["d"])
    assert model.score([[1], [2], [3], [4]], ["a", "b", "c", "d"]) > 0
    with pytest.raises(ValueError, match=r"^`y` has classes not in `self.classes_`. .*'y' has \['e'\]"):
        model.partial_fit([[4]], ["e"])
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit, was: "):
        model.partial_fit([[4]], ["d"], classes=["a", "d"])
    with pytest.raises(ValueError, match=r"^classes must be passed on the first call to partial_fit\.$"):
        MLPClassifier().partial_fit([[4]], ["d"])


def test_lbfgs_has_no_partial_fit():
    for make in BOTH:
        assert not hasattr(make(solver="lbfgs"), "partial_fit")
        with pytest.raises(AttributeError, match="partial_fit"):
            make(solver="lbfgs").partial_fit(X, Y)


# -- course --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [TWO, THREE], ids=["two", "three"])
def test_partial_fits_are_a_fit(chosen):
    settings = {"solver": "sgd", "random_state": 1, "alpha": 1e-5, "learning_rate_init": 0.2}
    whole = MLPClassifier(max_iter=100, tol=0, **settings).fit(X[chosen], Y[chosen])
    parts = MLPClassifier(**settings)
    for _ in range(100):
        parts.partial_fit(X[chosen], Y[chosen], classes=np.unique(Y[chosen]))
    np.testing.assert_array_equal(whole.predict(X[chosen]), parts.predict(X[chosen]))


@pytest.mark.parametrize("momentum", [0, 0.9])
def test_partial_fits_of_one_minibatch_are_a_fit(momentum):
    settings = {"solver": "sgd", "random_state": 1, "learning_rate_init": 0.01, "batch_size": 300, "momentum": momentum}
    whole, parts = MLPRegressor(max_iter=30, tol=0, **settings).fit(X, Y), MLPRegressor(**settings)
    for _ in range(30):
        parts.partial_fit(X, Y)
    np.testing.assert_allclose(whole.predict(X), parts.predict(X))


def test_tolerance_and_patience():
    for patience in (2, 5, 20):
        model = MLPClassifier(tol=0.01, max_iter=3000, solver="sgd", n_iter_no_change=patience, random_state=0)
        model.fit(X[TWO], Y[TWO])
        assert model.n_iter_ < 3000
        assert model._no_improvement_count == patience + 1
    model.set_params(n_iter_no_change=np.inf, tol=1e9, max_iter=200)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(200\) reached"):
        model.fit(X[TWO], Y[TWO])
    assert model.n_iter_ == 200


def test_adaptive_rate_ends_small():
    model = MLPClassifier(tol=0.5, max_iter=3000, solver="sgd", learning_rate="adaptive")
    model.fit([[3, 2], [1, 6]], [1, 0])
    assert model.n_iter_ < 3000
    assert model._optimizer.learning_rate < 1e-6


@pytest.mark.parametrize("make", BOTH)
def test_early_stopping(make):
    model = make(tol=0.2, max_iter=3000, solver="sgd", early_stopping=True, random_state=0).fit(X[TWO], Y[TWO])
    assert model.n_iter_ < 3000
    assert model.best_loss_ is None
    assert max(model.validation_scores_) == model.best_validation_score_
    with pytest.raises(ValueError, match=r"^partial_fit does not support early_stopping=True$"):
        model.partial_fit(X[TWO], Y[TWO])
    model.set_params(early_stopping=False).fit(X[TWO], Y[TWO])
    assert model.validation_scores_ is None
    assert model.best_validation_score_ is None
    assert model.best_loss_ == min(model.loss_curve_)


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_warm_start_counts_each_fit(make, solver):
    model = make(solver=solver, warm_start=True, max_iter=4, n_iter_no_change=np.inf, random_state=0)
    for n in (4, 8):
        model.set_params(max_iter=n)
        with pytest.warns(ConvergenceWarning):
            model.fit(*IRIS)
        assert model.n_iter_ == n


def test_warm_start_needs_the_same_classes_and_shapes():
    model = MLPClassifier(2, warm_start=True, max_iter=2, random_state=0).fit(*IRIS)
    for y in (IRIS[1] // 2, IRIS[1] * 2, np.arange(150) % 4):
        with pytest.raises(
            ValueError, match=r"^warm_start can only be used where `y` has the same classes .* \[0 1 2\]"
        ):
            model.fit(IRIS[0], y)
    with pytest.raises(ValueError, match=r"^the fitted weights have the shapes \[\(4, 2\), \(2, 3\)\], but"):
        model.set_params(hidden_layer_sizes=3).fit(*IRIS)


def test_ctrl_c_keeps_what_has_been_learnt(monkeypatch):
    from fastnet.estimators import engine

    real, calls = engine.Epochs.train, []

    def train(*args):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(engine.Epochs, "train", train)
    with pytest.warns(UserWarning, match=r"^Training interrupted by user\.$"):
        model = MLPClassifier(random_state=0).fit(X, Y)
    monkeypatch.undo()
    np.testing.assert_array_equal(vector(model), vector(MLPClassifier(random_state=0, max_iter=3).fit(X, Y)))
    assert model.n_iter_ == 3


# -- what goes wrong -----------------------------------------------------------------------------------


def test_weights_that_are_not_finite():
    x = np.finfo(np.float64).max * np.random.RandomState(0).uniform(size=(10, 2))
    with pytest.raises(ValueError, match=r"^Solver produced non-finite parameter weights\. The input data may contain"):
        MLPRegressor(max_iter=5).fit(x, np.arange(10.0))


def test_scores_that_are_not_finite():
    model = MLPRegressor(activation="identity", solver="sgd", learning_rate_init=1, max_iter=20, early_stopping=True)
    model.set_params(random_state=0).fit(*IRIS)  # best weights, which are finite, are restored
    assert np.isnan(model.validation_scores_[-1])
    assert isinstance(model.validation_scores_[-1], float)
    assert np.isfinite(vector(model)).all()


def failing_fits(make):
    yield lambda model: model.fit(X[:, :3], Y[:-1])
    yield lambda model: model.fit(np.full((4, 2), 1.7e308), [0, 1, 0, 1])
    yield lambda model: model.set_params(alpha=-1).fit(X[:, :3], Y)
    yield lambda model: model.set_params(weight_init=([], [])).fit(X[:, :3], Y)
    yield lambda model: model.fit(X[:, :3], Y, sample_weight=np.zeros(300))
    yield lambda model: model.fit(X[:, :3], Y, X_val=X[:, :2], y_val=Y)
    yield lambda model: model.set_params(monitor=lambda *_: 1 / 0, early_stopping=True).fit(X, Y)
    yield lambda model: model.partial_fit(X, Y)
    if make is MLPClassifier:
        yield lambda model: model.partial_fit(X[:, :2], Y)


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize("number", range(9))
def test_a_failed_fit_changes_nothing(make, number):
    failing = list(failing_fits(make))
    if number >= len(failing):
        return
    y = IRIS[1] if make is MLPRegressor else np.array(["a", "b", "c"])[IRIS[1]]
    model = make(hidden_layer_sizes=5, max_iter=3, random_state=0)
    model.fit(IRIS[0], y)
    before, kept = {name: id(value) for name, value in vars(model).items()}, copy.deepcopy(model)
    expected, settings = model.predict(IRIS[0]), model.get_params()
    with pytest.raises((ValueError, ZeroDivisionError)):
        failing[number](model)
    model.set_params(**settings)
    assert {name: id(value) for name, value in vars(model).items()} == before
    np.testing.assert_array_equal(model.predict(IRIS[0]), expected)
    np.testing.assert_array_equal(model._optimizer.vectors, kept._optimizer.vectors)
    assert (model.loss_curve_, model._optimizer.steps) == (kept.loss_curve_, kept._optimizer.steps)


def test_predictions_need_a_fit():
    for make in BOTH:
        with pytest.raises(NotFittedError):
            make().predict(X)


# -- tools ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", BOTH)
def test_clone_and_pickle(make, tmp_path):
    model = make(random_state=0, max_iter=5, hidden_layer_sizes=[8]).fit(X, Y)
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model), "coefs_")
    joblib.dump(model, tmp_path / "model")
    for again in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model")):
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        np.testing.assert_array_equal(vector(again.partial_fit(X, Y)), vector(clone_and_go_on(model)))


def clone_and_go_on(model):
    return pickle.loads(pickle.dumps(model)).partial_fit(X, Y)


def test_a_loaded_model_learns_on(tmp_path):
    model = MLPRegressor(hidden_layer_sizes=(42,), random_state=42, learning_rate_init=0.01).fit([[2]], [4])
    model = pickle.loads(pickle.dumps(model))
    for _ in range(200):
        model.partial_fit([[2]], [1])
    np.testing.assert_allclose(model.predict([[2]]), [1], rtol=1e-4)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(backend):
    settings = [{"random_state": seed, "max_iter": 4} for seed in range(3)]
    with joblib.parallel_config(backend=backend, n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(MLPClassifier(**s).fit)(X, Y) for s in settings)
    for model, s in zip(found, settings, strict=True):
        np.testing.assert_array_equal(vector(model), vector(MLPClassifier(**s).fit(X, Y)))


def test_one_thread_within_jobs():
    from fastnet._parallel import available_cpus
    from fastnet.estimators.engine import available_threads

    assert available_threads() == available_cpus()
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(available_threads)() for _ in range(2)) == [1, 1]


def test_searches():
    pipe = make_pipeline(StandardScaler(), MLPClassifier((20,), max_iter=15, learning_rate_init=0.01, random_state=0))
    grid = GridSearchCV(pipe, {"mlpclassifier__alpha": [1e-5, 1e-3]}, n_jobs=2, cv=3).fit(X, Y)
    assert grid.best_score_ > 0.7
    rates = {"learning_rate_init": [0.0001, 0.003, 0.01, 0.03]}
    halving = HalvingRandomSearchCV(
        MLPClassifier((20,), random_state=0), rates, resource="max_iter", min_resources=5, max_resources=20,
        random_state=0, cv=3,
    ).fit(X, Y)  # fmt: skip
    assert halving.best_params_["learning_rate_init"] > 0.0001
    assert halving.best_score_ > 0.8


def test_calibration_and_cross_validation():
    model = MLPClassifier((20,), learning_rate_init=0.01, max_iter=20, random_state=0)
    assert cross_val_score(model, X, Y, cv=3).mean() > 0.8
    calibrated = CalibratedClassifierCV(model, cv=3).fit(X, Y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    assert calibrated.score(X, Y) > 0.9


@pytest.mark.parametrize("make", BOTH)
def test_names_of_features(make):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(IRIS[0], columns=list("abcd"))
    model = make(early_stopping=True, validation_fraction=0.2, max_iter=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(frame, pandas.Series(IRIS[1]))
        model.predict(frame)
    assert list(model.feature_names_in_) == list("abcd")
    assert model.n_features_in_ == 4
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("dcba")])


@pytest.mark.parametrize("make", BOTH)
def test_data_are_read_as_they_lie_in_memory(make):
    expected = vector(make(random_state=0, max_iter=3).fit(X, Y))
    fixed = X.copy()
    fixed.flags.writeable = False
    wide = np.zeros((300, 128))
    wide[:, ::2] = X
    for data in (np.asfortranarray(X), fixed, wide[:, ::2], X[::-1][::-1]):
        np.testing.assert_array_equal(vector(make(random_state=0, max_iter=3).fit(data, Y)), expected)
    raw = (X * 16).astype(np.uint8)
    as_bytes, as_floats = (make(random_state=0, max_iter=3).fit(data, Y) for data in (raw, raw.astype(np.float64)))
    np.testing.assert_array_equal(vector(as_bytes), vector(as_floats))


def test_threads_do_not_change_bits():
    x = np.random.RandomState(0).normal(size=(600, 300))
    for solver in ("sgd", "adam", "lbfgs"):
        settings = {"hidden_layer_sizes": 120, "solver": solver, "max_iter": 3, "random_state": 0, "alpha": 0.1}
        one, two = (MLPRegressor(n_threads=n, **settings).fit(x, x[:, :2]) for n in (1, 2))
        np.testing.assert_array_equal(vector(one), vector(two))
        assert one.loss_ == two.loss_


def test_signatures_are_scikit_learns():
    import inspect

    from sklearn import neural_network

    for make in BOTH:
        theirs = inspect.signature(getattr(neural_network, make.__name__)).parameters
        ours = inspect.signature(make).parameters
        assert list(ours)[: len(theirs)] == list(theirs)
        for name, parameter in theirs.items():
            assert (ours[name].default, ours[name].kind) == (parameter.default, parameter.kind), name
        for name in list(ours)[len(theirs) :]:
            assert ours[name].kind is inspect.Parameter.KEYWORD_ONLY


def test_nothing_of_scikit_learns_perceptron_is_used():
    code = "import fastnet, sys; fastnet.MLPClassifier; print('sklearn.neural_network' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == "False", result.stderr
