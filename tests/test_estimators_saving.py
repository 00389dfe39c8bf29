"""Estimators in files: they predict the same bits, and go on as if they had never been saved."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from model_lies import refused, rewritten
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import fastnet
from fastnet import MLPClassifier, MLPRegressor
from fastnet.estimators.parameters import InvalidParameterError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
NUMBERS = RNG.integers(0, 3, 60)
TEXTS = np.array(["ä", "bb", "c"])[NUMBERS]
GOLDEN = Path(__file__).parent / "golden"


def fitted(make=MLPClassifier, y=TEXTS, X=X, **settings):
    return make(**{"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0, **settings}).fit(X, y)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def through_a_file(model, path, backend="numba"):
    model.save(path)
    return fastnet.load(path, backend)


def state_of(model):
    """All attributes, in a form that can be compared."""

    def plain(value):
        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.tolist()
        if isinstance(value, np.random.RandomState):
            return plain(value.get_state(legacy=False))
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(plain(item) for item in value)
        return plain(vars(value)) if hasattr(value, "__dict__") else value

    return {name: plain(value) for name, value in vars(model).items() if name != "_callback_fit_ctx"}


@pytest.mark.parametrize(
    "settings",
    [
        {"early_stopping": True, "warm_start": True, "resume": True},
        {"solver": "sgd", "learning_rate": "adaptive", "class_weight": {"ä": 1.0, "bb": 2, "c": np.float64(0.5)}},
        {"hidden_layer_sizes": [5, 4], "activation": ["relu", "tanh"], "n_iter_no_change": np.inf},
        {"hidden_layer_sizes": np.array([5]), "random_state": np.random.RandomState(3), "verbose": False},
        {"weight_init": ([np.ones((4, 5)), np.ones((5, 3))], [np.zeros(5), np.zeros(3)]), "batch_size": 7},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_all_that_is_known_comes_back(path, settings):
    model = fitted(**settings)
    again = through_a_file(model, path)
    assert type(again) is MLPClassifier
    assert state_of(again) == state_of(model)
    assert again.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()
    assert again.score(X, TEXTS) == model.score(X, TEXTS)
    first = path.read_bytes()
    again.save(path)
    assert path.read_bytes() == first
    assert clone(again).get_params().keys() == model.get_params().keys()


TARGETS = {
    "texts": TEXTS,
    "objects": TEXTS.astype(object),
    "numbers": NUMBERS * 10,
    "floats": NUMBERS.astype(float),
    "booleans": NUMBERS > 1,
    "two texts": TEXTS == "c",
    "one class": np.ones(60, int),
    "several labels": np.stack([NUMBERS > 0, NUMBERS > 1], axis=1).astype(int),
}


@pytest.mark.parametrize("name", TARGETS)
def test_classes_of_any_kind(path, name):
    model = fitted(y=TARGETS[name])
    again = through_a_file(model, path)
    assert state_of(again) == state_of(model)
    expected, got = model.predict(X), again.predict(X)
    assert got.dtype == expected.dtype
    assert got.tolist() == expected.tolist()
    in_numpy = fastnet.load(path, "numpy")
    got = in_numpy.predict(X)
    assert got.dtype == expected.dtype
    assert got.tolist() == expected.tolist()
    np.testing.assert_allclose(in_numpy.predict_proba(X), model.predict_proba(X), atol=1e-12)
    np.testing.assert_allclose(in_numpy.decision_function(X), model.decision_function(X), atol=1e-12)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_regressors(path, n_outputs):
    y = X[:, :n_outputs].squeeze() * 3
    model = fitted(MLPRegressor, y)
    again = through_a_file(model, path)
    assert type(again) is MLPRegressor
    assert state_of(again) == state_of(model)
    assert again.predict(X).tobytes() == model.predict(X).tobytes()
    in_numpy = fastnet.load(path, "numpy")
    np.testing.assert_allclose(in_numpy.predict(X), model.predict(X), atol=1e-12)
    model.out_activation_ = "exp"  # as with loss="poisson"
    again = through_a_file(model, path)
    assert again.predict(X).tobytes() == model.predict(X).tobytes()
    np.testing.assert_allclose(fastnet.load(path, "numpy").predict(X), model.predict(X), rtol=1e-12)


def vector(model):
    return np.concatenate([w.ravel() for w in (*model.coefs_, *model.intercepts_)])


@pytest.mark.parametrize(
    "settings",
    [
        {"warm_start": True, "resume": True},
        {"warm_start": True, "resume": True, "early_stopping": True},
        {"warm_start": True, "resume": True, "random_state": None},
        {"warm_start": True, "solver": "sgd"},
    ],
)
def test_a_next_fit_goes_on(path, settings):
    model = fitted(**settings)
    again = through_a_file(model, path)
    for each in (model, again):
        each.fit(X, TEXTS)
    assert np.array_equal(vector(again), vector(model))
    assert again.loss_curve_ == model.loss_curve_


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_goes_on(path, solver):
    model = MLPClassifier((5,), solver=solver, random_state=0).partial_fit(X, TEXTS, classes=["ä", "bb", "c"])
    again = through_a_file(model, path)
    for each in (model, again):
        each.partial_fit(X, TEXTS)
    assert np.array_equal(vector(again), vector(model))


def test_a_random_state_is_one_object(path):
    model = fitted(random_state=np.random.RandomState(0), warm_start=True, resume=True)
    assert model._random_state is model.random_state
    again = through_a_file(model, path)
    assert again._random_state is again.random_state
    for each in (model, again):
        each.set_params(resume=False).fit(X, TEXTS)
    assert np.array_equal(vector(again), vector(model))


def test_an_estimator_of_lbfgs(path):
    model = fitted(solver="sgd")
    model.set_params(solver="lbfgs")
    for name in ("loss_curve_", "validation_scores_", "best_validation_score_", "_optimizer", "_no_improvement_count"):
        delattr(model, name)  # L-BFGS sets none
    again = through_a_file(model, path)
    assert state_of(again) == state_of(model)


def test_feature_names(path):
    import pandas

    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    model = fitted(X=frame)
    again = through_a_file(model, path)
    assert again.predict_proba(frame).tobytes() == model.predict_proba(frame).tobytes()
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        again.predict(X)
    assert fastnet.load(path, "numpy").feature_names == ("a", "b", "c", "d")


def test_what_is_no_plain_data_is_not_kept(path):
    model = fitted(monitor=lambda estimator, X, y: 0.5)
    with pytest.warns(
        UserWarning, match=r"parameters.monitor is of type function, .* the default of 'monitor'"
    ) as told:
        model.save(path)
    assert told[0].filename == __file__
    assert fastnet.load(path).monitor == "score"
    model = fitted(random_state=np.random.RandomState(np.random.PCG64(0)))
    with pytest.warns(UserWarning, match="RandomState of PCG64, which can't be saved"):
        model.save(path)
    assert fastnet.load(path).random_state is None


def test_a_subclass_is_saved_as_its_base(path):
    class Mine(MLPClassifier):
        def __init__(self, hidden_layer_sizes=(5,), colour="red"):
            super().__init__(hidden_layer_sizes, max_iter=2)
            self.colour = colour

    model = Mine().fit(X, TEXTS)
    again = through_a_file(model, path)
    assert type(again) is MLPClassifier
    assert again.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()


def test_what_can_not_be_saved(path):
    with pytest.raises(NotFittedError):
        MLPClassifier().save(path)
    with pytest.raises(NotFittedError):
        MLPClassifier().to_onnx(path)
    model = fitted()
    model.alpha = -1
    with pytest.raises(InvalidParameterError, match="The 'alpha' parameter"):
        model.save(path)
    model.alpha = 1
    model.coefs_[1][2, 0] = np.nan
    with pytest.raises(ValueError, match=r"tensor 'weights.1' contains NaN"):
        model.save(path)
    assert not path.exists()


def test_networks_of_our_own_estimators():
    model = fitted()
    network = fastnet.Network.from_sklearn(model)
    np.testing.assert_allclose(network.predict_proba(X), model.predict_proba(X), atol=1e-12)
    assert network.classes[network.predict(X)].tolist() == model.predict(X).tolist()


@pytest.mark.parametrize("name", ["texts", "booleans", "several labels"])
def test_onnx(path, name):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = fitted(y=TARGETS[name])
    model.to_onnx(path)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    label, p = session.run(["label", "probabilities"], {"X": X})
    np.testing.assert_allclose(p, model.predict_proba(X), rtol=0, atol=1e-6)
    assert label.tolist() == model.predict(X).tolist()


# -- lies ----------------------------------------------------------------------------------------------


def fitted_is(**values):
    return lambda header, config: config["fitted"].update(values)


def parameter_is(**values):
    return lambda header, config: config["parameters"].update(values)


def config_is(**values):
    return lambda header, config: config.update(values)


def optimizer_is(**values):
    def change(header, config):
        for pair in config["fitted"]["_optimizer"]["dict"]:
            if pair[0] in values:
                pair[1] = values[pair[0]]

    return change


def labels(*values, dtype="str"):
    return {"dtype": dtype, "values": list(values)}


def random_state(position):
    return {"random_state": [{"array": "fitted._random_state.0"}, position, 0, 0.0]}


LIES = {
    "parameter": (parameter_is(alpha=-1), "The 'alpha' parameter of MLPClassifier must be"),
    "unknown parameter": (parameter_is(colour="red"), "colour"),
    "code": (parameter_is(random_state={"eval": "1"}), "unknown type 'eval'"),
    "two types": (parameter_is(alpha={"float": "inf", "tuple": []}), r"one type, got \['float', 'tuple'\]"),
    "float": (parameter_is(alpha={"float": "1"}), "a float must be inf, -inf or nan, got '1'"),
    "tuple": (parameter_is(hidden_layer_sizes={"tuple": 5}), "expected a list in config, got 5"),
    "key twice": (parameter_is(class_weight={"dict": [[1, 2], [1, 3]]}), "a key twice"),
    "key of list": (parameter_is(class_weight={"dict": [[[1], 2]]}), "unhashable"),
    "no pair": (parameter_is(class_weight={"dict": [[1]]}), "unpack"),
    "missing tensor": (parameter_is(alpha={"array": "x"}), "names the tensor 'x', which is missing"),
    "same tensor": (parameter_is(alpha={"array": "fitted._order"}), "missing, or named twice"),
    "activation": (parameter_is(activation="tanh"), r"activations \['relu'\] differ from the parameter \['tanh'\]"),
    "parameters": (config_is(parameters=[]), "parameters must be of type dict"),
    "unknown attribute": (fitted_is(classes_=3), "fitted has the unknown attribute 'classes_'"),
    "dunder": (fitted_is(__class__=3), "fitted has the unknown attribute '__class__'"),
    "count": (fitted_is(n_iter_=-1), "n_iter_ must be an int >= 0, got -1"),
    "true count": (fitted_is(t_=True), "t_ must be an int >= 0, got True"),
    "number": (fitted_is(loss_="x"), "loss_ must be a number or None, got 'x'"),
    "curve": (fitted_is(loss_curve_=[1, None]), "loss_curve_ must be a list of numbers or None"),
    "last": (fitted_is(_last=[1.0]), "_last must be a vector of finite numbers"),
    "order": (fitted_is(_order=[0, 1]), "_order must be a vector of int64"),
    "split": (fitted_is(_split=[0, 1]), "_split must be a pair of vectors"),
    "generator": (fitted_is(_random_state=3), "_random_state must be a random state, got 3"),
    "position": (fitted_is(_random_state=random_state(625)), r"position must lie in \[0, 624\], got 625"),
    "below": (fitted_is(_random_state=random_state(-1)), r"position must lie in \[0, 624\], got -1"),
    "words": (fitted_is(_random_state={"random_state": [[1], 0, 0, 0.0]}), "must have 624 words"),
    "optimizer": (fitted_is(_optimizer={"dict": [["solver", "adam"]]}), "_optimizer must have the fields solver"),
    "steps": (optimizer_is(steps=-1), "_optimizer.steps must be an int >= 0, got -1"),
    "solver": (optimizer_is(solver=3), "_optimizer.solver has the wrong type: 3"),
    "rate": (optimizer_is(learning_rate=True), "_optimizer.learning_rate has the wrong type: True"),
    "vectors": (optimizer_is(vectors=[[1.0]]), "_optimizer.vectors must be a vector of finite numbers"),
    "kind": (lambda header, config: header["__metadata__"].update(kind="MLPRegressor"), "does not belong to MLPReg"),
    "network": (lambda header, config: header["__metadata__"].update(kind="Network"), "unknown field 'fitted'"),
    "no classes": (config_is(classes=None), "classes must be given for MLPClassifier"),
    "few classes": (config_is(classes=labels("a", "b")), r"classes must have shape \(3,\)"),
    "unsorted classes": (config_is(classes=labels("c", "bb", "ä")), "classes must be sorted and go with 3 softmax"),
    "fractions": (config_is(classes=labels(0.5, 1.5, 2.5, dtype="float64")), "continuous|Unknown label type"),
    "preprocessing": (config_is(preprocessing={"kind": "float", "scale": 1.0}), "'preprocessing.mean' is missing"),
}


@pytest.fixture(scope="module")
def model():
    return fitted(early_stopping=True, warm_start=True, resume=True, class_weight="balanced")


@pytest.mark.parametrize("lie", LIES)
def test_lies(path, model, lie):
    change, match = LIES[lie]
    model.save(path)
    refused(path, rewritten(path, change), match, backend="numba")


def test_row_numbers_that_are_not_there_never_reach_compiled_code(path, model):
    for name in ("_order", "_split"):
        bad = through_a_file(model, path)
        vector = bad._order if name == "_order" else bad._split[0]
        vector[0] = 10**9
        bad.save(path)
        refused(path, path.read_bytes(), f"{name} must hold each row number once", backend="numba")


# -- old files -----------------------------------------------------------------------------------------


def test_golden_classifier():
    """A file of format version 1, written by ``tests/golden/make.py``: it must load forever."""
    model, expected = (
        fastnet.load(GOLDEN / "classifier-1.safetensors"),
        json.loads((GOLDEN / "classifier-1.json").read_text()),
    )
    rows = np.array(expected["X"])
    assert model.predict(rows).tolist() == expected["labels"]
    for each in (model, fastnet.load(GOLDEN / "classifier-1.safetensors", "numpy")):
        np.testing.assert_allclose(each.predict_proba(rows), expected["predict_proba"], rtol=2e-6)
    assert {name: model.get_params()[name] for name in expected["parameters"]} == expected["parameters"]
    assert model.n_iter_ == expected["n_iter"]
    assert model._resumes(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.class_weight == {"low": 1.0, "high": 2.0}
