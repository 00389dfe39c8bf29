"""The estimators beside scikit-learn's: same draws, same splits, same weights, in float64 up to rounding."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_multilabel_classification, make_regression
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor

from fastnet import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PAIRS = {"classifier": (TheirClassifier, MLPClassifier), "regressor": (TheirRegressor, MLPRegressor)}
DIGITS = load_digits(return_X_y=True)
X, Y = DIGITS[0][:310] / 16, DIGITS[1][:310]
WEIGHTS = np.random.RandomState(0).random_sample(310)
XM, YM = make_multilabel_classification(n_samples=130, random_state=0)
XR, YR = make_regression(n_samples=150, n_features=12, n_targets=2, random_state=0, noise=3)
YR = YR / 50


def fit_both(kind, X, y, fit=None, **settings):
    """Fit scikit-learn's class and ours; returns both."""
    settings = {"max_iter": 5, "random_state": 3, **settings}
    theirs, ours = (make(**settings).fit(X, y, **(fit or {})) for make in PAIRS[kind])
    return theirs, ours


def assert_same_weights(theirs, ours, rtol=1e-6):
    for their, our in zip(theirs.coefs_ + theirs.intercepts_, ours.coefs_ + ours.intercepts_, strict=True):
        assert their.dtype == our.dtype
        np.testing.assert_allclose(our, their, rtol=rtol, atol=1e-12)


def assert_same_course(theirs, ours):
    assert_same_weights(theirs, ours)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-9)
    assert (ours.n_iter_, ours.t_, ours.n_layers_, ours.n_outputs_, ours.out_activation_) == (
        theirs.n_iter_,
        theirs.t_,
        theirs.n_layers_,
        theirs.n_outputs_,
        theirs.out_activation_,
    )
    for name in ("best_loss_", "best_validation_score_", "validation_scores_"):
        expected, found = getattr(theirs, name), getattr(ours, name)
        assert (expected is None) == (found is None), name
        if expected is not None:
            np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_activations_and_solvers(activation, solver):
    # 310 is no multiple of 64: the last minibatch is smaller, and alpha counts for more there.
    both = fit_both("classifier", X, Y, activation=activation, solver=solver, batch_size=64, alpha=0.5)
    assert_same_course(*both)
    np.testing.assert_allclose(both[1].predict_proba(X), both[0].predict_proba(X), rtol=1e-8)
    np.testing.assert_allclose(both[1].predict_log_proba(X), both[0].predict_log_proba(X), rtol=1e-8)


SETTINGS = {
    "plain SGD": {"solver": "sgd", "momentum": 0},
    "plain SGD with much decay": {"solver": "sgd", "momentum": 0, "alpha": 900.0, "learning_rate_init": 0.01},
    "no Nesterov": {"solver": "sgd", "nesterovs_momentum": False},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.5, "n_iter_no_change": 1, "max_iter": 12},
    "one sample a minibatch": {"batch_size": 1, "max_iter": 1},
    "one minibatch": {"batch_size": 310},
    "no penalty": {"alpha": 0},
    "two hidden layers": {"hidden_layer_sizes": (30, 20)},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "no shuffling": {"shuffle": False},
    "Adam's settings": {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    "stops": {"tol": 1.0, "n_iter_no_change": 2, "max_iter": 20},
    "early stopping": {"early_stopping": True, "max_iter": 8},
    "early stopping stops": {"early_stopping": True, "tol": 0.5, "n_iter_no_change": 2, "max_iter": 20},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("problem", ["ten classes", "two classes", "numbers"])
def test_settings(settings, problem):
    y = {"ten classes": Y, "two classes": Y == 3, "numbers": Y / 9}[problem]
    settings = {"batch_size": 48, "alpha": 0.3, **settings}
    assert_same_course(*fit_both("regressor" if problem == "numbers" else "classifier", X, y, **settings))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_sample_weights(solver, early_stopping):
    settings = {"solver": solver, "batch_size": 50, "alpha": 2.0, "early_stopping": early_stopping}
    assert_same_course(*fit_both("classifier", X, Y, {"sample_weight": WEIGHTS}, **settings))
    settings["momentum"] = 0
    assert_same_course(*fit_both("regressor", X, Y / 9, {"sample_weight": WEIGHTS}, **settings))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_several_labels_and_several_outputs(early_stopping):
    settings = {"batch_size": 50, "alpha": 1.0, "early_stopping": early_stopping}
    theirs, ours = fit_both("classifier", XM, YM, **settings)
    assert_same_course(theirs, ours)
    np.testing.assert_array_equal(ours.predict(XM), theirs.predict(XM))
    # scikit-learn's loss is a mean over outputs, its gradient that of their sum.
    theirs, ours = fit_both("regressor", XR, YR, **settings)
    assert_same_course(theirs, ours)
    np.testing.assert_allclose(ours.predict(XR), theirs.predict(XR), rtol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_poisson(weighted):
    fit = {"sample_weight": WEIGHTS[:150]} if weighted else None
    counts = np.abs(YR * 4).round()
    for y in (counts, counts[:, 0]):
        theirs, ours = fit_both("regressor", XR, y, fit, loss="poisson", batch_size=40)
        assert_same_course(theirs, ours)
        np.testing.assert_allclose(ours.predict(XR), theirs.predict(XR), rtol=1e-8)


def test_confident_mistakes_cost_as_much_as_in_scikit_learn():
    # Raw pixels and a large step: some probabilities are below float64's epsilon, where its losses are cut off.
    for y in (Y, Y == 3, np.eye(10, dtype=int)[Y]):
        both = fit_both("classifier", X * 256, y, learning_rate_init=0.1, batch_size=50)
        # (Its log(1 - p) of a p near 1 has few digits.)
        np.testing.assert_allclose(both[1].loss_curve_, both[0].loss_curve_, rtol=1e-4)
        assert both[0].loss_curve_[0] > 5


@pytest.mark.parametrize("alpha", [1e-4, 1.0])
def test_lbfgs(alpha):
    settings = {"solver": "lbfgs", "max_iter": 40, "alpha": alpha}
    problems = [
        ("classifier", X, Y, None),
        ("classifier", X * 16, Y, None),
        ("classifier", X, Y > 4, {"sample_weight": WEIGHTS}),
        ("classifier", XM, YM, None),
        ("regressor", XR, YR, None),
        ("regressor", XR, YR[:, 0], {"sample_weight": WEIGHTS[:150]}),
    ]
    for kind, data, y, fit in problems:
        theirs, ours = fit_both(kind, data, y, fit, **settings)
        np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-6)
        assert ours.n_iter_ == theirs.n_iter_
        assert not hasattr(ours, "loss_curve_")
    theirs, ours = fit_both("regressor", XR, np.abs(YR * 4).round(), loss="poisson", **settings)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-6)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_dtypes_follow_x(solver):
    for dtype in (np.float32, np.float64):
        theirs, ours = fit_both("classifier", X.astype(dtype), Y, solver=solver)
        # L-BFGS-B gives float64 whatever it is given, in scikit-learn too.
        assert [w.dtype for w in ours.coefs_] == [w.dtype for w in theirs.coefs_]
        for data in (X, X.astype(np.float32), (X * 16).astype(np.uint8)):
            assert ours.predict_proba(data).dtype == theirs.predict_proba(data).dtype
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit(kind, solver):
    settings = {"random_state": 2, "solver": solver, "batch_size": 100, "learning_rate": "invscaling"}
    theirs, ours = (make(**settings) for make in PAIRS[kind])
    for part in (slice(0, 120), slice(120, 310), slice(0, 120)):
        for model in (theirs, ours):
            model.partial_fit(X[part], Y[part], **({"classes": np.arange(10)} if kind == "classifier" else {}))
    assert_same_course(theirs, ours)


@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"solver": "sgd", "learning_rate": "invscaling"}])
def test_warm_start(settings):
    theirs, ours = fit_both("classifier", X, Y, warm_start=True, max_iter=3, **settings)
    for model in (theirs, ours):
        model.set_params(max_iter=4).fit(X, Y)
    assert_same_course(theirs, ours)
    assert len(ours.loss_curve_) == 7


def test_weights_set_by_hand_are_trained_on():
    theirs, ours = fit_both("classifier", X, Y, max_iter=1)
    for model in (theirs, ours):
        model.coefs_ = [weights * 0.5 for weights in model.coefs_]
        model.partial_fit(X, Y)
    assert_same_course(theirs, ours)


def test_what_is_printed(capsys):
    for settings in (
        {"tol": 1.0, "n_iter_no_change": 2, "max_iter": 20},
        {"early_stopping": True, "tol": 0.5, "n_iter_no_change": 1, "max_iter": 20},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1, "max_iter": 40},
    ):
        for make in PAIRS["classifier"]:
            make(random_state=0, verbose=True, **settings).fit(X, Y)
        lines = capsys.readouterr().out.splitlines()
        half = len(lines) // 2
        assert lines[:half] == lines[half:]
        assert "Stopping." in lines[-1]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("classifier", {"y": Y[:-1]}),
        ("classifier", {"X": X[:, 0]}),
        ("classifier", {"X": np.where(X == 1, np.nan, X)}),
        ("classifier", {"y": Y + 0.5}),
        ("classifier", {"sample_weight": np.zeros(310)}),
        ("classifier", {"sample_weight": np.ones(3)}),
        ("classifier", {"sample_weight": np.ones((310, 2))}),
        ("regressor", {"y": np.where(Y == 1, np.nan, Y)}),
        ("regressor", {"X": X[:1], "y": Y[:1], "early_stopping": True}),
        ("regressor", {"X": X[:2], "y": Y[:2], "early_stopping": True}),
        ("classifier", {"X": X[:4], "y": [0, 0, 0, 1], "early_stopping": True}),
        ("classifier", {"hidden_layer_sizes": (5, 0)}),
        ("classifier", {"hidden_layer_sizes": (-1,)}),
        ("regressor", {"alpha": -1}),
        ("regressor", {"alpha": "x"}),
        ("classifier", {"batch_size": 0}),
        ("classifier", {"learning_rate_init": 0}),
        ("classifier", {"momentum": 2}),
        ("classifier", {"validation_fraction": 1.0}),
        ("classifier", {"max_iter": 1.5}),
        ("classifier", {"shuffle": "yes"}),
        ("classifier", {"verbose": "yes"}),
        ("classifier", {"random_state": "seed"}),
        ("classifier", {"n_iter_no_change": -np.inf}),
        ("classifier", {"hidden_layer_sizes": "wide"}),
        ("classifier", {"max_fun": 0}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_errors_say_the_same(kind, change):
    settings = {name: value for name, value in change.items() if name not in ("X", "y", "sample_weight")}
    said = []
    for make in PAIRS[kind]:
        with pytest.raises((ValueError, TypeError)) as caught:
            make(**settings).fit(change.get("X", X), change.get("y", Y), change.get("sample_weight"))
        said.append(str(caught.value))
    assert said[1] == said[0]


@pytest.mark.parametrize("name", ["activation", "solver", "learning_rate", "batch_size", "loss"])
def test_choices_are_refused_by_name(name):
    make = MLPRegressor
    with pytest.raises(
        ValueError, match=rf"^The '{name}' parameter of MLPRegressor must be a str among {{.*}}.* Got "
    ) as caught:
        make(**{name: "nonsense"}).fit(X, Y)
    assert isinstance(caught.value, TypeError)  # as scikit-learn's
