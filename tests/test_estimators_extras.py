"""What scikit-learn refuses its users: validation data, class weights, monitors, resuming, callbacks and the rest."""

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_digits, make_classification, make_multilabel_classification
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnet import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_digits(return_X_y=True)
X, Y = X[:400] / 16, Y[:400]
TRAIN, VAL = slice(0, 250), slice(250, 400)
WEIGHTS = np.random.RandomState(0).random_sample(400)


def vector(model):
    return np.concatenate([w.ravel() for w in (*model.coefs_, *model.intercepts_)])


def fitted(make=MLPClassifier, X=X, y=Y, fit=None, **settings):
    return make(**{"hidden_layer_sizes": 20, "max_iter": 6, "random_state": 0, **settings}).fit(X, y, **(fit or {}))


# -- validation data -----------------------------------------------------------------------------------


def val(y=Y, **more):
    return {"X_val": X[VAL], "y_val": y[VAL], **more}


@pytest.mark.parametrize("solver", ["adam", "sgd", "adamw"])
def test_curves_of_validation_data(solver):
    model = fitted(X=X[TRAIN], y=Y[TRAIN], fit=val(), solver=solver)
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == model.n_iter_ == 6
    np.testing.assert_allclose(model.validation_loss_curve_[-1], log_loss(Y[VAL], model.predict_proba(X[VAL])))
    assert model.validation_scores_[-1] == accuracy_score(Y[VAL], model.predict(X[VAL]))
    assert model.best_validation_score_ == max(model.validation_scores_)
    # Training is not disturbed.
    np.testing.assert_array_equal(vector(model), vector(fitted(X=X[TRAIN], y=Y[TRAIN], solver=solver)))


def test_validation_losses_of_each_kind():
    weights = WEIGHTS[VAL]
    two = fitted(y=Y[TRAIN] > 4, X=X[TRAIN], fit=val(Y > 4, sample_weight_val=weights))
    expected = log_loss(Y[VAL] > 4, two.predict_proba(X[VAL]), sample_weight=weights)
    np.testing.assert_allclose(two.validation_loss_curve_[-1], expected)
    expected = accuracy_score(Y[VAL] > 4, two.predict(X[VAL]), sample_weight=weights)
    np.testing.assert_allclose(two.validation_scores_[-1], expected)
    labels = np.stack([Y > 4, Y % 2 == 0], axis=1).astype(int)
    model = fitted(X=X[TRAIN], y=labels[TRAIN], fit=val(labels))
    p = model.predict_proba(X[VAL])
    terms = -np.log(np.where(labels[VAL], p, 1 - p)).sum(axis=1)
    np.testing.assert_allclose(model.validation_loss_curve_[-1], terms.mean())
    assert model.validation_scores_[-1] == accuracy_score(labels[VAL], model.predict(X[VAL]))
    targets = np.stack([Y, Y**2 / 9], axis=1)
    model = fitted(MLPRegressor, X[TRAIN], targets[TRAIN], val(targets))
    predicted = model.predict(X[VAL])
    np.testing.assert_allclose(model.validation_loss_curve_[-1], 0.5 * np.mean((targets[VAL] - predicted) ** 2))
    np.testing.assert_allclose(model.validation_scores_[-1], r2_score(targets[VAL], predicted))
    model = fitted(MLPRegressor, X[TRAIN], Y[TRAIN], val(), loss="poisson")
    rate, t = model.predict(X[VAL]), Y[VAL]
    expected = np.mean(rate - t + t * np.log(np.where(t, t, 1) / rate))
    np.testing.assert_allclose(model.validation_loss_curve_[-1], expected)


def test_early_stopping_on_given_data():
    model = fitted(X=X[TRAIN], y=Y[TRAIN], fit=val(), early_stopping=True, max_iter=300, tol=0.01, n_iter_no_change=3)
    assert model.n_iter_ < 300
    assert model.best_validation_score_ == max(model.validation_scores_) == model.score(X[VAL], Y[VAL])
    # Nothing is held out: all samples are trained on.
    assert model.t_ == model.n_iter_ * 250


def test_validation_data_that_do_not_fit():
    model = MLPClassifier(max_iter=2)
    for fit, text in (
        ({"X_val": X[VAL]}, r"^X_val is provided, but y_val was not provided\.$"),
        ({"y_val": Y[VAL]}, r"^y_val is provided, but X_val was not provided\.$"),
        ({"sample_weight_val": WEIGHTS[VAL]}, "^sample_weight_val is provided, but X_val and y_val were not"),
        ({"X_val": X[VAL, :3], "y_val": Y[VAL]}, "X has 3 features, but MLPClassifier is expecting 64"),
        ({"X_val": X[VAL], "y_val": Y[VAL] + 1}, r"^`y_val` has classes that are not in `y`: \[10\]"),
        ({"X_val": X[VAL], "y_val": Y[:3]}, "inconsistent numbers of samples"),
    ):
        with pytest.raises(ValueError, match=text):
            model.fit(X, Y, **fit)
    with pytest.raises(ValueError, match=r"^X_val and y_val are used after each epoch: solver='lbfgs' has none"):
        MLPClassifier(solver="lbfgs").fit(X, Y, **val())
    with pytest.raises(ValueError, match=r"^`y_val` has 2 outputs, but `y` has 1\.$"):
        MLPRegressor().fit(X, Y, X_val=X, y_val=np.stack([Y, Y], axis=1))


def test_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(10, max_iter=3, random_state=0)
        model.set_fit_request(X_val=True, y_val=True, sample_weight=True, sample_weight_val=False)
        pipe = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model, transform_input=["X_val"])
        pipe.fit(X[TRAIN], Y[TRAIN], sample_weight=WEIGHTS[TRAIN], **val())
        scaler = StandardScaler().fit(X[TRAIN])
    direct = MLPClassifier(10, max_iter=3, random_state=0)
    direct.fit(scaler.transform(X[TRAIN]), Y[TRAIN], WEIGHTS[TRAIN], X_val=scaler.transform(X[VAL]), y_val=Y[VAL])
    assert pipe[-1].validation_loss_curve_ == direct.validation_loss_curve_


# -- monitor -------------------------------------------------------------------------------------------


def test_monitors():
    kept = {"X": X[TRAIN], "y": Y[TRAIN], "fit": val(), "early_stopping": True, "max_iter": 30}
    loss = fitted(monitor="loss", **kept)
    np.testing.assert_array_equal(loss.validation_scores_, -np.array(loss.validation_loss_curve_))
    assert loss.best_validation_score_ == -min(loss.validation_loss_curve_)
    named = fitted(monitor="neg_log_loss", **kept)
    np.testing.assert_allclose(named.validation_scores_, loss.validation_scores_)
    np.testing.assert_allclose(vector(named), vector(loss))
    own = fitted(monitor=lambda model, x, y: -log_loss(y, model.predict_proba(x)), **kept)
    assert own.validation_scores_ == named.validation_scores_
    with pytest.raises(ValueError, match="no_such_scorer"):
        fitted(monitor="no_such_scorer", **kept)


def test_a_monitor_sees_labels_as_the_user_has_them():
    seen = []

    def monitor(model, x, y, sample_weight=None):
        seen.append((set(y), sample_weight))
        return float(np.mean(model.predict(x) == y))

    names = np.array(list("abcdefghij"))[Y]
    model = fitted(y=names, monitor=monitor, early_stopping=True, max_iter=3, fit={"sample_weight": WEIGHTS})
    assert seen[0][0] <= set("abcdefghij")
    assert len(seen[0][1]) == 40
    assert len(model.validation_scores_) == 3


def test_a_monitor_of_numbers_sees_a_vector():
    shapes = []

    def monitor(model, x, y):
        shapes.append((y.shape, model.predict(x).shape))
        return 0.0

    fitted(MLPRegressor, monitor=monitor, early_stopping=True, max_iter=1)
    assert shapes == [((40,), (40,))]


# -- class weights -------------------------------------------------------------------------------------


def test_class_weights_are_sample_weights():
    weights = np.linspace(0.5, 2, 10)
    expected = fitted(fit={"sample_weight": WEIGHTS * weights[Y]})
    by_class = fitted(class_weight=dict(enumerate(weights)), fit={"sample_weight": WEIGHTS})
    np.testing.assert_array_equal(vector(by_class), vector(expected))
    names = np.array(list("abcdefghij"))[Y]
    by_name = fitted(
        y=names, class_weight=dict(zip("abcdefghij", weights, strict=True)), fit={"sample_weight": WEIGHTS}
    )
    np.testing.assert_array_equal(vector(by_name), vector(expected))


def test_balanced_classes():
    x, y = make_classification(n_samples=600, weights=[0.93], flip_y=0.05, class_sep=0.6, random_state=0)
    plain, balanced = (fitted(X=x, y=y, max_iter=60, class_weight=w) for w in (None, "balanced"))
    found = [np.mean(model.predict(x)[y == 1]) for model in (plain, balanced)]
    assert found[1] > found[0] + 0.05
    counts = np.bincount(y)
    expected = fitted(X=x, y=y, max_iter=60, fit={"sample_weight": (600 / (2 * counts))[y]})
    np.testing.assert_array_equal(vector(balanced), vector(expected))
    with pytest.raises(ValueError, match=r"^class_weight 'balanced' is not supported for partial_fit"):
        MLPClassifier(class_weight="balanced").partial_fit(x, y, classes=[0, 1])


def test_class_weights_of_several_labels_and_of_parts():
    x, y = make_multilabel_classification(n_samples=60, n_classes=2, random_state=0)
    settings = {"X": x, "y": y}
    by_label = fitted(class_weight=[{0: 1, 1: 3}, {0: 0.5, 1: 1}], **settings)
    expected = fitted(fit={"sample_weight": np.where(y[:, 0], 3.0, 1.0) * np.where(y[:, 1], 1.0, 0.5)}, **settings)
    np.testing.assert_array_equal(vector(by_label), vector(expected))
    # A part need not hold all classes.
    part = MLPClassifier(random_state=0, class_weight={0: 2.0}).partial_fit(X[Y < 2], Y[Y < 2], classes=range(10))
    expected = MLPClassifier(random_state=0)
    expected.partial_fit(X[Y < 2], Y[Y < 2], np.where(Y[Y < 2] == 0, 2.0, 1.0), classes=range(10))
    np.testing.assert_array_equal(vector(part), vector(expected))


# -- network -------------------------------------------------------------------------------------------


def test_an_activation_for_each_layer():
    one, each = (fitted(hidden_layer_sizes=(9, 7), activation=a) for a in ("tanh", ["tanh", "tanh"]))
    np.testing.assert_array_equal(vector(one), vector(each))
    mixed = fitted(hidden_layer_sizes=(9, 7), activation=("relu", "logistic"))
    hidden = np.maximum(X @ mixed.coefs_[0] + mixed.intercepts_[0], 0)
    hidden = 1 / (1 + np.exp(-(hidden @ mixed.coefs_[1] + mixed.intercepts_[1])))
    np.testing.assert_allclose(mixed.decision_function(X), hidden @ mixed.coefs_[2] + mixed.intercepts_[2], atol=1e-12)
    with pytest.raises(ValueError, match=r"^activation must be one name or 2, one a hidden layer, got 1: \['tanh'\]"):
        fitted(hidden_layer_sizes=(9, 7), activation=["tanh"])
    with pytest.raises(ValueError, match=r"The 'activation' parameter .* Got \['tan'\] instead"):
        fitted(activation=["tan"])


def test_initial_weights():
    spreads = {
        "glorot_normal": np.sqrt(2 / 564),
        "glorot_uniform": np.sqrt(2 / 564),
        "he_normal": np.sqrt(2 / 64),
        "he_uniform": np.sqrt(2 / 64),
        "lecun_normal": np.sqrt(1 / 64),
        "lecun_uniform": np.sqrt(1 / 64),
    }
    still = {"solver": "sgd", "learning_rate_init": 1e-300, "max_iter": 1, "hidden_layer_sizes": 500}
    for name, spread in spreads.items():
        model = fitted(weight_init=name, **still)
        np.testing.assert_allclose(model.coefs_[0].std(), spread, rtol=0.02)
        assert (np.abs(model.coefs_[0]).max() <= np.sqrt(3) * spread) == name.endswith("uniform")
        assert np.abs(model.intercepts_[0]).max() < 1e-290
    assert np.abs(vector(fitted(weight_init="zeros", **still))).max() < 1e-290


def test_given_weights_are_where_training_begins():
    first = fitted(max_iter=3)
    start = (first.coefs_, first.intercepts_)
    again = fitted(weight_init=start, max_iter=1)
    theirs = fitted(max_iter=3, warm_start=True).set_params(max_iter=1).fit(X, Y)
    assert not np.array_equal(vector(again), vector(first))
    np.testing.assert_allclose(again.loss_, theirs.loss_, rtol=0.05)
    np.testing.assert_array_equal(start[0][0], first.coefs_[0])
    with pytest.raises(ValueError, match=r"^weight_init: coefs must have the shapes \[\(64, 5\), \(5, 10\)\], got"):
        fitted(weight_init=start, hidden_layer_sizes=5)
    with pytest.raises(ValueError, match=r"^weight_init: intercepts must be finite"):
        fitted(weight_init=(first.coefs_, [np.full(20, np.nan), np.zeros(10)]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_dtype_of_its_own(dtype):
    for kind in (np.float32, np.float64):
        for solver in ("adam", "lbfgs"):
            model = fitted(X=X.astype(kind), dtype=dtype, solver=solver, max_iter=40)
            assert {w.dtype.name for w in (*model.coefs_, *model.intercepts_)} == {dtype}
            assert model.predict_proba(X).dtype == dtype
            assert model.score(X, Y) > 0.3


def test_adamw():
    # Decay beside the gradient: with data of zeros the weights only decay.
    model = MLPRegressor(hidden_layer_sizes=3, solver="adamw", alpha=0.5, learning_rate_init=0.1, batch_size=20)
    model.set_params(random_state=0, max_iter=1).fit(np.zeros((30, 4)), np.zeros(30))
    start = np.random.RandomState(0).uniform(-np.sqrt(6 / 7), np.sqrt(6 / 7), (4, 3))
    np.testing.assert_allclose(model.coefs_[0], start * (1 - 0.1 * 0.5) ** 2, rtol=1e-14)
    # Without decay it is Adam, and its loss has no penalty.
    adam, adamw = (fitted(solver=solver, alpha=0) for solver in ("adam", "adamw"))
    np.testing.assert_array_equal(vector(adam), vector(adamw))
    assert (
        fitted(solver="adamw", alpha=10.0, max_iter=1, batch_size=400).loss_
        == fitted(solver="adamw", alpha=0, max_iter=1, batch_size=400).loss_
    )


# -- resuming ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "adam"},
        {"solver": "adamw", "alpha": 0.1},
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
        {"solver": "sgd", "momentum": 0},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
        {"early_stopping": True},
    ],
    ids=str,
)
def test_resuming_is_one_long_fit(settings):
    settings = {"batch_size": 64, "n_iter_no_change": 20, **settings}
    whole = fitted(max_iter=10, **settings)
    parts = fitted(max_iter=5, warm_start=True, resume=True, **settings).fit(X, Y)
    assert parts.loss_curve_ == whole.loss_curve_
    assert parts.validation_scores_ == whole.validation_scores_
    assert parts._optimizer.learning_rate == whole._optimizer.learning_rate
    np.testing.assert_array_equal(vector(parts), vector(whole))
    # As scikit-learn does it, the optimizer and the shuffles begin anew.
    anew = fitted(max_iter=5, warm_start=True, **settings).fit(X, Y)
    assert anew.loss_curve_ != whole.loss_curve_


def test_what_was_not_meant_to_be_resumed_begins_anew():
    model = fitted(warm_start=True, early_stopping=True)
    model.set_params(resume=True).fit(X, Y)
    theirs = fitted(warm_start=True, early_stopping=True).fit(X, Y)
    np.testing.assert_array_equal(vector(model), vector(theirs))


# -- callbacks -----------------------------------------------------------------------------------------

callback = pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")


class Watcher:
    """Counts epochs; stops after some."""

    def __init__(self, stop_after=np.inf):
        self.stop_after, self.events, self.scores, self.torn_down = stop_after, [], [], 0

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.torn_down += 1

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.events.append(f"end {context.task_name}")
        self.scores.append(fitted_estimator.score(X, y))
        return len(self.scores) >= self.stop_after


def test_callbacks_see_each_epoch():
    watcher = Watcher()
    model = MLPClassifier(20, max_iter=3, random_state=0).set_callbacks(watcher).fit(X, Y)
    assert watcher.events == ["setup", "begin fit", *["begin epoch", "end epoch"] * 3, "end fit"]
    assert watcher.scores == [fitted(max_iter=n).score(X, Y) for n in (1, 2, 3)] + [model.score(X, Y)]
    assert watcher.torn_down == 1
    np.testing.assert_array_equal(vector(model), vector(fitted(max_iter=3)))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_stops_training(solver):
    model = MLPClassifier(20, solver=solver, random_state=0).set_callbacks(Watcher(stop_after=4)).fit(X, Y)
    assert model.n_iter_ == 4


def test_callbacks_are_torn_down_when_a_fit_fails():
    watcher = Watcher()
    model = MLPRegressor(max_iter=2).set_callbacks(watcher)
    with pytest.raises(ValueError, match="NaN"):  # from the watcher's score
        model.fit(np.full((4, 2), 1.7e308), [0, 1, 0, 1])
    assert watcher.torn_down == 1
    assert not hasattr(model, "coefs_")


def test_the_progress_bar_shows(capsys):
    fitted_with = MLPClassifier(20, max_iter=3, random_state=0).set_callbacks(callback.ProgressBar()).fit(X, Y)
    assert fitted_with.n_iter_ == 3
    assert "MLPClassifier" in capsys.readouterr().out


def test_scores_after_each_epoch():
    monitor = callback.ScoringMonitor(scoring="accuracy")
    MLPClassifier(20, max_iter=3, random_state=0).set_callbacks(monitor).fit(X, Y)
    log = monitor.get_logs()
    assert log is not None
