"""fastnet.scratch against the NumPy transcription of the article's library, step by step; its manners; bad input."""

import copy
import pickle
import threading
from itertools import pairwise

import numpy as np
import pytest
import reference_scratch

from fastnet import DivergenceError, scratch
from fastnet.scratch import HiddenLayer, Net, OutputLayer

ATTRIBUTES = ("weights", "bias", "output", "sensitivity", "weights_gradient")
NETS = ([784, 10, 10], [5, 3], [2, 5, 2], [20, 30, 17, 3], [13, 4, 1, 4], [33, 100, 10])
SETTINGS = [(0.1, 0.001, 0.0), (0.05, 0.01, 0.5), (0.02, 0.0, 0.9), (0.1, 0.0, 0.0), (0.0, 0.001, 0.5)]
ONE_HOT = np.eye(3)
TARGETS = [1, np.int64(1), np.uint8(1), np.array(1), [1], np.array([[1]])]  # one class in all forms
TARGETS += [[0, 1, 0], ONE_HOT[1:2], ONE_HOT[1], ONE_HOT[1].astype(bool)]


@pytest.fixture(autouse=True)
def _settings_are_put_back():
    names = ("learning_rate", "weight_decay", "momentum")
    before = [(net, name, getattr(net, name)) for net in (Net, reference_scratch.Net) for name in names]
    yield
    for net, name, value in before:
        setattr(net, name, value)


def use(learning_rate=0.1, weight_decay=0.001, momentum=0.0):
    for net in (Net, reference_scratch.Net):
        net.learning_rate, net.weight_decay, net.momentum = learning_rate, weight_decay, momentum


def build(library, sizes, seed=0):
    np.random.seed(seed)
    pairs = list(pairwise(sizes))
    return library.Net([*(library.HiddenLayer(*pair) for pair in pairs[:-1]), library.OutputLayer(*pairs[-1])])


def both(sizes, seed=0):
    return build(scratch, sizes, seed), build(reference_scratch, sizes, seed)


def samples(sizes, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, sizes[0])) / np.sqrt(10), rng.integers(0, sizes[-1], n)


def assert_same(ours, theirs, tolerance=1e-12):
    for number, (layer, expected) in enumerate(zip(ours.layers, theirs.layers, strict=True)):
        for name in ATTRIBUTES:
            got, exact = getattr(layer, name), getattr(expected, name)
            assert got.shape == exact.shape, name
            assert got.dtype == np.float64
            error = np.abs(got - exact) / np.maximum(1, np.abs(exact))
            assert error.max() <= tolerance, f"layers[{number}].{name}: {error.max()}"


def state(net):
    """All that a failed call must not change."""
    results = [copy.deepcopy([getattr(layer, name) for name in ATTRIBUTES]) for layer in net.layers]
    return results, [(x._change.copy(), x._bias_change.copy(), x._plain_rate) for x in net.layers]


def assert_unchanged(net, before):
    for old, now in zip(before, state(net), strict=True):
        for old_layer, layer in zip(old, now, strict=True):
            for a, b in zip(old_layer, layer, strict=True):
                np.testing.assert_array_equal(a, b)


# -- the same numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("sizes", NETS, ids=str)
def test_each_of_a_thousand_samples_equals_the_transcription(sizes, settings):
    use(*settings)
    ours, theirs = both(sizes)
    X, y = samples(sizes, 1000)
    for k, (x, target) in enumerate(zip(X, y, strict=True)):
        assert ours.train(x, target) == pytest.approx(theirs.train(x, target), rel=1e-9, abs=1e-12)
        if k < 20 or k % 50 == 0 or k == len(X) - 1:
            assert_same(ours, theirs)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("sizes", NETS, ids=str)
def test_a_matrix_equals_its_rows_one_by_one(sizes, settings):
    use(*settings)
    ours, theirs = both(sizes)
    X, y = samples(sizes, 1000)
    start = 0
    for n in (1, 2, 5, 8, 9, 17, 25, 433, 500):  # not only whole blocks
        rows = slice(start, start + n)
        loss, expected = ours.train(X[rows], y[rows]), theirs.train(X[rows], y[rows] if n > 1 else y[start])
        assert loss == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert_same(ours, theirs)
        start += n
    assert start == len(X)
    assert ours.test(X, y) == theirs.test(X, y)


@pytest.mark.mnist
def test_mnist_as_the_article_trains_on_it(mnist):
    """1,000 centred images, 784-10-10, the article's settings: one by one, and as one matrix."""
    X = mnist.X_train[:1000] / 255
    X -= X.mean(axis=0)
    single, theirs = both([784, 10, 10])
    matrix = build(scratch, [784, 10, 10])
    for x, target in zip(X, mnist.y_train, strict=False):
        single.train(x, target)
        theirs.train(x, target)
    matrix.train(X, mnist.y_train[:1000])
    assert_same(single, theirs)
    assert_same(matrix, theirs)
    rows = (mnist.X_test[:2000] / 255, mnist.y_test[:2000])
    assert single.test(*rows) == matrix.test(*rows) == theirs.test(*rows)


def test_the_comparison_can_fail():
    ours, theirs = both([4, 3, 3])
    X, y = samples([4, 3], 10)
    ours.train(X, y)
    theirs.train(X, y)
    assert_same(ours, theirs)
    for name in ("weights", "bias"):
        before = getattr(ours.layers[1], name).copy()
        getattr(ours.layers[1], name)[0, 0] += 1e-11
        with pytest.raises(AssertionError, match=rf"layers\[1\]\.{name}"):
            assert_same(ours, theirs)
        getattr(ours.layers[1], name)[...] = before


def test_settings_may_change_between_calls():
    """Momentum on and off and on: it works on the last change, also if that was one without momentum."""
    ours, theirs = both([6, 5, 4])
    X, y = samples([6, 4], 40)
    settings = [(0.1, 0.001, 0.0), (0.1, 0.001, 0.9), (0.2, 0.0, 0.0), (0.05, 0.01, 0.5), (0.05, 0, 0.25)]
    for repeat in range(3):
        for number, setting in enumerate(settings):
            use(*setting)
            rows = slice(5 * number, 5 * number + (5 if repeat else 1))
            for net in (ours, theirs):
                net.train(X[rows] if repeat else X[rows][0], y[rows] if repeat else y[rows][0])
            assert_same(ours, theirs)


def test_momentum_before_anything_was_learned_starts_from_zero():
    use(momentum=0.9)
    ours, theirs = both([3, 3])
    ours.train(np.ones(3), 1)
    theirs.train(np.ones(3), 1)
    assert_same(ours, theirs)


def test_gradients_are_those_of_the_loss():
    """Finite differences of the loss that ``train`` returns: no step is made, since the learning rate is 0."""
    use(learning_rate=0.0, weight_decay=0.0)
    net = build(scratch, [4, 3, 5, 3])
    x, target, h = np.array([0.3, -1.0, 0.5, 0.2]), 2, 1e-6
    for layer in net.layers:
        net.train(x, target)
        gradient, sensitivity = layer.weights_gradient.copy(), layer.sensitivity.copy()
        for array, expected in ((layer.weights, gradient), (layer.bias, sensitivity)):
            for at in np.ndindex(array.shape):
                before, losses = array[at], []
                for step in (h, -h):
                    array[at] = before + step
                    losses.append(net.train(x, target))
                array[at] = before
                assert (losses[0] - losses[1]) / (2 * h) == pytest.approx(expected[at], abs=1e-8)


# -- manners -------------------------------------------------------------------------------------------

SCRIPT = """
np.random.seed(3)
Net.learning_rate, Net.weight_decay, Net.momentum = 0.1, 0.001, 0.0
net = Net([HiddenLayer(2, 5), HiddenLayer(5, 4), OutputLayer(4, 2)])
angle = np.random.uniform(0, 2 * np.pi, 100)
X = np.random.uniform(0.5, 1.5, (100, 1)) * np.column_stack([np.cos(angle), np.sin(angle)])
y = (X[:, 0] * X[:, 1] > 0).astype(int)
X -= np.mean(X, axis=0)
accuracies, norms, outputs, gradients = [], [], [], []
for epoch in range(6):
    for i in np.random.permutation(len(X)):
        net.train(X[i], y[i])
        outputs.append(net.layers[-1].output)
        gradients.append(net.layers[0].weights_gradient)
    accuracies.append(net.test(X, y))
    norms.append(np.sum(net.layers[0].weights ** 2))
    net.layers[0].weights *= 0.99
    net.layers[1].bias[0, 2] = 0.25
    net.layers[-1].weights = np.array(net.layers[-1].weights[:, ::-1])
    if epoch > 2:
        Net.learning_rate *= 0.5
        Net.momentum = 0.5
"""


def test_a_script_for_the_article_s_library_runs_unchanged():
    found = []
    for library in (scratch, reference_scratch):
        names = {"np": np, **{name: getattr(library, name) for name in ("Net", "HiddenLayer", "OutputLayer")}}
        exec(SCRIPT, names)
        found.append(names)
    ours, theirs = found
    assert_same(ours["net"], theirs["net"], 1e-10)  # 600 samples, and the weights of two classes exchanged
    assert ours["accuracies"] == theirs["accuracies"]
    np.testing.assert_allclose(ours["norms"], theirs["norms"], rtol=1e-10)
    np.testing.assert_allclose(ours["outputs"], theirs["outputs"], atol=1e-10)
    np.testing.assert_allclose(ours["gradients"], theirs["gradients"], atol=1e-10)


def test_start_is_the_articles():
    net, theirs = both([7, 4, 3], seed=11)
    for layer, expected in zip(net.layers, theirs.layers, strict=True):
        np.testing.assert_array_equal(layer.weights, expected.weights)
        np.testing.assert_array_equal(layer.bias, expected.bias)
        assert layer.output is None
        assert layer.sensitivity is None
        assert layer.weights_gradient is None
    assert (Net.learning_rate, Net.weight_decay, Net.momentum) == (0.1, 0.001, 0.0)
    assert net.n_parameters == 8 * 4 + 5 * 3


def test_each_sample_has_result_arrays_of_its_own():
    net = build(scratch, [3, 2])
    net.train(np.ones(3), 0)
    first = [getattr(net.layers[0], name) for name in ATTRIBUTES[2:]]
    before = copy.deepcopy(first)
    assert all(getattr(net.layers[0], name) is a for name, a in zip(ATTRIBUTES[2:], first, strict=True))
    net.train(-np.ones(3), 1)
    for old, kept, name in zip(before, first, ATTRIBUTES[2:], strict=True):
        np.testing.assert_array_equal(kept, old)
        assert not np.array_equal(getattr(net.layers[0], name), old)


def test_weights_are_trained_in_place_and_assigned_arrays_are_used_if_they_can_be():
    net = build(scratch, [3, 4, 2])
    weights, flat = net.layers[0].weights, np.zeros(12)
    net.train(np.ones(3), 0)
    assert net.layers[0].weights is weights
    net.layers[0].weights = flat.reshape(3, 4)
    net.layers[1].weights = np.arange(8, dtype=np.float32).reshape(4, 2)
    net.layers[0].bias, net.layers[1].bias = np.zeros(4), [1, 2]
    assert net.layers[1].bias.shape == (1, 2)
    assert net.layers[1].weights.dtype == np.float64
    for x in (np.ones(3), np.ones((3, 3))):
        before = flat.copy()
        net.train(x, 0 if x.ndim == 1 else [0, 1, 0])
        assert (flat != before).all()
    theirs = build(reference_scratch, [3, 4, 2])
    theirs.layers[0].weights, theirs.layers[1].bias[...] = np.zeros((3, 4)), [1, 2]
    theirs.layers[1].weights = np.arange(8.0).reshape(4, 2)
    for x, target in ((np.ones(3), 0), *zip(np.ones((3, 3)), [0, 1, 0], strict=True)):
        theirs.train(x, target)
    assert_same(net, theirs)


def test_assigned_arrays_in_other_layouts_are_copied():
    net = build(scratch, [3, 4, 2])
    fortran = np.asfortranarray(np.ones((3, 4)))
    frozen = np.ones((3, 4))
    frozen.flags.writeable = False
    for value in (fortran, frozen, np.ones((3, 8))[:, ::2], np.ones((3, 4)).astype(">f8"), np.ones((3, 4), int)):
        net.layers[0].weights = value
        net.train(np.ones(3), 0)
        assert (value == 1).all()
        assert (net.layers[0].weights != 1).all()


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, np.float16, bool, ">f8"], ids=str)
def test_inputs_of_any_dtype_and_layout(kind):
    X = np.random.default_rng(0).integers(0, 2, (40, 12)).astype(kind)
    y = np.arange(40) % 3
    layouts = (X, np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X[::-1][::-1], X.tolist())
    theirs = build(reference_scratch, [12, 5, 3])
    theirs.train(X.astype(float), y)
    for matrix in layouts:
        net, single = build(scratch, [12, 5, 3]), build(scratch, [12, 5, 3])
        net.train(matrix, y)
        for x, target in zip(matrix, y, strict=True):
            single.train(x, target)
        assert_same(net, theirs)
        assert_same(single, theirs)
    frozen = X.copy()
    frozen.flags.writeable = False
    net = build(scratch, [12, 5, 3])
    net.train(frozen, y)
    assert_same(net, theirs)
    np.testing.assert_array_equal(frozen, X)


def test_rows_that_lie_apart_or_backwards_are_read_as_they_lie():
    """float64 rows of whole vectors are used where they are; others are gathered."""
    wide = np.random.default_rng(0).standard_normal((60, 40))
    y = np.arange(30) % 3
    for X in (wide[:30, :16], wide[::2, 8:24], wide[29::-1, :16], np.asfortranarray(wide[:30, :16])):
        ours, theirs = both([16, 4, 3])
        ours.train(X, y)
        theirs.train(X, y)
        assert_same(ours, theirs)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
@pytest.mark.parametrize("shape", [(4,), (1, 4)], ids=str)
def test_one_target_in_all_forms(target, shape):
    ours, theirs = both([4, 3, 3])
    ours.train(np.ones(shape), target)
    theirs.train(np.ones(shape), 1)
    assert_same(ours, theirs)


@pytest.mark.parametrize("convert", [list, np.uint8, lambda y: ONE_HOT[y], lambda y: ONE_HOT[y].tolist()])
def test_many_targets_in_all_forms(convert):
    X, y = samples([4, 3], 3)
    ours, theirs = both([4, 3, 3])
    assert ours.train(X, convert(y)) == pytest.approx(theirs.train(X, y))
    assert_same(ours, theirs)
    assert ours.test(X, convert(y)) == theirs.test(X, y)


def test_predictions():
    X, y = samples([6, 3], 2500)
    net, theirs = both([6, 5, 3])
    net.train(X, y)
    theirs.train(X, y)
    expected = np.vstack([theirs.forward(x) for x in X])
    np.testing.assert_allclose(net.predict_proba(X), expected, atol=1e-12)
    np.testing.assert_array_equal(net.predict(X), expected.argmax(axis=1))
    np.testing.assert_allclose(net.predict_proba(X[0]), expected[:1], atol=1e-12)
    assert net.test(X, y) == theirs.test(X, y)
    assert net.test(X[0], [y[0]]) in (0.0, 1.0)
    for method in (net.predict, net.predict_proba, lambda rows: net.test(rows, y)):
        theirs.forward(X[0])
        net.predict(X[:1])
        assert_same(net, theirs)
        method(X)
        theirs.forward(X[-1])
        assert_same(net, theirs)


def test_a_test_before_any_training_leaves_outputs_only():
    net = build(scratch, [3, 2])
    net.test(np.ones(3), [0])
    assert net.layers[0].output.shape == (1, 2)
    assert net.layers[0].sensitivity is None


def test_settings_of_one_net_or_of_a_subclass():
    class Slow(Net):
        learning_rate = 0.01

    plain, own, slow = (build(scratch, [3, 2]) for _ in range(3))
    own.learning_rate = 0.01
    slow.__class__ = Slow
    for net in (plain, own, slow):
        net.train(np.ones(3), 0)
    np.testing.assert_array_equal(own.layers[0].weights, slow.layers[0].weights)
    assert (own.layers[0].weights != plain.layers[0].weights).all()


def test_layers_may_be_exchanged_and_shared():
    net, other = build(scratch, [3, 4, 2]), build(scratch, [3, 4, 2], seed=1)
    X, y = samples([3, 2], 20)
    net.train(X, y)
    net.layers[1] = other.layers[1]
    shared = other.layers[1].weights.copy()
    net.train(X, y)
    net.train(X[0], y[0])
    assert (other.layers[1].weights != shared).all()
    other.train(X, y)
    net.layers.insert(1, HiddenLayer(4, 4))
    net.train(X, y)
    assert net.n_parameters == 16 + 20 + 10
    assert repr(net) == "Net([HiddenLayer(3, 4), HiddenLayer(4, 4), OutputLayer(4, 2)])"


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_go_on_from_where_they_were_taken(duplicate, momentum):
    use(momentum=momentum)
    X, y = samples([4, 3], 60)
    net, untouched = build(scratch, [4, 3, 3]), build(scratch, [4, 3, 3])
    for one in (net, untouched):
        one.train(X[:20], y[:20])
    twin = duplicate(net)
    assert_same(twin, net, 0)
    if duplicate is not copy.copy:
        twin.train(X[20:], y[20:])
        twin.train(X[0], y[0])
        assert_same(net, untouched, 0)
        net.train(X[20:], y[20:])
        net.train(X[0], y[0])
        assert_same(twin, net, 0)
    else:  # as with any Python object: other lists of attributes, the same layers
        assert twin.layers is net.layers
    if duplicate is copy.deepcopy:
        layer = copy.copy(net.layers[0])
        assert layer.weights is net.layers[0].weights
        before = net.layers[0].output.copy()
        Net([layer, OutputLayer(3, 2)]).train(X[1], 1)
        np.testing.assert_array_equal(net.layers[0].output, before)


def test_before_the_first_sample_a_copy_has_no_results():
    assert copy.deepcopy(HiddenLayer(3, 2)).output is None


def test_nets_learn_in_threads_of_their_own():
    X, y = samples([30, 4], 3000)
    nets, expected = [build(scratch, [30, 8, 4]) for _ in range(3)], build(scratch, [30, 8, 4])
    expected.train(X, y)
    threads = [threading.Thread(target=net.train, args=(X, y)) for net in nets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for net in nets:
        assert_same(net, expected, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_to_network(dtype):
    X, y = samples([6, 3], 50)
    net = build(scratch, [6, 5, 3])
    net.train(X, y)
    network = net.to_network(dtype)
    assert network.dtype == dtype
    np.testing.assert_allclose(
        network.predict_proba(X), net.predict_proba(X), rtol=1e-5 if dtype == "float32" else 1e-12
    )
    network.weights[0][...] = 0
    assert net.layers[0].weights.any()


def test_digits_are_learned():
    from fastnet.datasets import load_digits

    data = load_digits()
    mean = data.X_train.mean(axis=0)
    np.random.seed(0)
    net = Net([HiddenLayer(64, 30), OutputLayer(30, 10)])
    losses = [net.train(data.X_train - mean, data.y_train) for _ in range(15)]
    assert losses[-1] < 0.2 * losses[0]
    assert net.test(data.X_test - mean, data.y_test) > 0.93


# -- bad input -----------------------------------------------------------------------------------------

GOOD, LABELS = np.ones((4, 3)), np.array([0, 1, 0, 1])


def spoilt(value, at=(2, 1)):
    X = GOOD.copy()
    X[at] = value
    return X


BAD = [
    (np.ones(4), 0, ValueError, "x has 4 features, but the net expects 3"),
    (np.ones((1, 4)), 0, ValueError, "x has 4 features, but the net expects 3"),
    (np.ones((4, 4)), LABELS, ValueError, "x has 4 features, but the network expects 3"),
    (np.ones((4, 1, 3)), LABELS, ValueError, r"x must have 2 dimensions .*, got shape \(4, 1, 3\)"),
    (1.0, 0, ValueError, r"x must have 2 dimensions .*, got shape \(\)"),
    (np.ones((0, 3)), [], ValueError, r"x is empty: got shape \(0, 3\)"),
    ("abc", 0, TypeError, "x must hold numbers"),
    (GOOD + 1j, LABELS, ValueError, "Complex data not supported: x has dtype complex128"),
    ([0.0, np.nan, 1.0], 0, ValueError, "Input x contains NaN. First at index 1"),
    ([0.0, np.inf, 1.0], 0, ValueError, "Input x contains infinity. First at index 1"),
    (spoilt(np.nan), LABELS, ValueError, "Input x contains NaN. First at row 2, column 1"),
    (spoilt(-np.inf), LABELS, ValueError, "Input x contains infinity. First at row 2, column 1"),
    (spoilt(np.inf, (3, 0)), LABELS, ValueError, "Input x contains infinity. First at row 3, column 0"),
    (np.ones(3), 2, ValueError, r"target must be a class index in \[0, 2\), got 2"),
    (np.ones(3), -1, ValueError, r"target must be a class index in \[0, 2\), got -1"),
    (np.ones(3), 10**30, ValueError, r"target must be a class index in \[0, 2\), got 10"),
    (np.ones(3), 1.0, TypeError, "target must hold integer class indices, got dtype float64"),
    (np.ones(3), "a", TypeError, "target must hold integer class indices"),
    (np.ones(3), None, TypeError, "target must hold integer class indices"),
    (np.ones(3), [0, 0, 1], ValueError, "target has 3 labels, but there are 1 samples"),
    (np.ones(3), [1, 1], ValueError, r"target must hold class indices or one-hot rows, got .* in row 0"),
    (np.ones(3), [0.5, 0.5], ValueError, r"target must hold class indices or one-hot rows, got .* in row 0"),
    (GOOD, [0, 1, 0], ValueError, "target has 3 labels, but there are 4 samples"),
    (GOOD, [0, 1, 0, 2], ValueError, r"target: label 2 at index 3 is outside \[0, 2\)"),
    (GOOD, 1, ValueError, "target must have 1 dimension"),
    (GOOD, np.eye(4)[:, :2], ValueError, r"one-hot rows, got .* in row 2"),
    (GOOD, np.eye(2), ValueError, "target has 2 rows, but there are 4 samples"),
    (GOOD, np.ones((4, 3)), ValueError, "target must have 1 dimension"),
]


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize(("x", "target", "error", "message"), BAD, ids=[case[3][:60] for case in BAD])
def test_a_call_that_fails_says_why_and_changes_nothing(x, target, error, message, momentum):
    use(momentum=momentum)
    net, untouched = build(scratch, [3, 4, 2]), build(scratch, [3, 4, 2])
    for one in (net, untouched):
        one.train(GOOD, LABELS)
    before = state(net)
    with pytest.raises(error, match=message):
        net.train(x, target)
    assert_unchanged(net, before)
    for one in (net, untouched):
        one.train(GOOD[0], 1)
        one.train(GOOD, LABELS)
    assert_same(net, untouched, 0)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("learning_rate", -0.1, ValueError),
        ("learning_rate", np.nan, ValueError),
        ("learning_rate", "0.1", TypeError),
        ("weight_decay", -1, ValueError),
        ("weight_decay", None, TypeError),
        ("momentum", 1.0, ValueError),
        ("momentum", -0.5, ValueError),
    ],
)
def test_bad_settings_are_named(name, value, error):
    net = build(scratch, [3, 4, 2])
    net.train(GOOD, LABELS)
    before = state(net)
    setattr(Net, name, value)
    for x, target in ((GOOD, LABELS), (GOOD[0], 0)):
        with pytest.raises(error, match=f"{name} must be"):
            net.train(x, target)
    assert_unchanged(net, before)


def test_divergence_changes_nothing():
    use(learning_rate=1e200)
    X, y = samples([5, 3], 50)
    net = build(scratch, [5, 4, 3])
    use()
    net.train(X, y)
    before = state(net)
    use(learning_rate=1e300)
    with pytest.raises(DivergenceError, match=r"outputs for sample \d+ are not finite.*learning_rate is 1e\+300"):
        net.train(X, y)
    assert_unchanged(net, before)


def test_weights_that_are_not_finite_are_seen():
    for number, name in ((0, "weights"), (1, "weights"), (0, "bias"), (1, "bias")):
        for value in (np.nan, np.inf):
            net = build(scratch, [3, 4, 2])
            net.train(GOOD, LABELS)
            getattr(net.layers[number], name)[0, 1] = value
            before = state(net)
            for x, target in ((GOOD, LABELS), (GOOD[0], 0)):
                with pytest.raises(DivergenceError, match="its weights are too large, or not finite"):
                    net.train(x, target)
            assert_unchanged(net, before)
    with pytest.raises(DivergenceError, match="samples 0 to 3 are not finite"):
        net.test(GOOD, LABELS)


def test_read_only_weights_are_refused():
    net = build(scratch, [3, 4, 2])
    net.train(GOOD, LABELS)
    for number, name in ((0, "weights"), (1, "bias")):
        array = getattr(net.layers[number], name)
        array.flags.writeable = False
        for x, target in ((GOOD, LABELS), (GOOD[0], 0)):
            with pytest.raises(ValueError, match=rf"layers\[{number}\].{name} is read-only"):
                net.train(x, target)
        array.flags.writeable = True
    net.train(GOOD, LABELS)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("weights", np.ones((2, 3)), ValueError, r"weights must have shape \(3, 2\), got shape \(2, 3\)"),
        ("weights", np.ones(6), ValueError, r"weights must have shape \(3, 2\), got shape \(6,\)"),
        ("weights", "x", TypeError, "weights must hold numbers"),
        ("weights", np.full((3, 2), np.nan), ValueError, "Input weights contains NaN"),
        ("bias", np.ones((2, 1)), ValueError, r"bias must have shape \(1, 2\), got shape \(2, 1\)"),
        ("bias", [1.0, np.inf], ValueError, "Input bias contains infinity"),
        ("output", np.ones((1, 2)), AttributeError, "output"),
    ],
)
def test_assigning_what_does_not_fit(name, value, error, message):
    layer = OutputLayer(3, 2)
    before = layer.weights.copy(), layer.bias.copy()
    with pytest.raises(error, match=message):
        setattr(layer, name, value)
    np.testing.assert_array_equal(layer.weights, before[0])
    np.testing.assert_array_equal(layer.bias, before[1])


@pytest.mark.parametrize("arguments", [(0, 3), (3, 0), (-1, 2)])
def test_layer_sizes_are_at_least_one(arguments):
    with pytest.raises(ValueError, match=r"(n_input|size) must be >= 1, got"):
        HiddenLayer(*arguments)
    with pytest.raises(TypeError, match=r"n_input must be an int, got float 2.0"):
        OutputLayer(2.0, 3)


def test_layers_that_do_not_fit_are_refused():
    hidden, output = HiddenLayer(3, 4), OutputLayer(4, 2)
    for layers, error, message in (
        ([], ValueError, "layers is empty"),
        (output, TypeError, r"layers must be a list such as .*, got OutputLayer\(4, 2\)"),
        ([hidden], TypeError, r"layers\[0\] must be an OutputLayer, got HiddenLayer\(3, 4\)"),
        ([output, output], TypeError, r"layers\[0\] must be a HiddenLayer, got OutputLayer\(4, 2\)"),
        ([hidden, 5], TypeError, r"layers\[1\] must be an OutputLayer, got 5"),
        ([hidden, OutputLayer(5, 2)], ValueError, r"layers\[1\] has 5 inputs, but layers\[0\] has 4 units"),
    ):
        with pytest.raises(error, match=message):
            Net(layers)
    square = HiddenLayer(4, 4)
    with pytest.raises(ValueError, match=r"layers\[1\] stands in the list twice: HiddenLayer\(4, 4\)"):
        Net([square, square, output])
    net = Net([hidden, output])
    net.train(np.ones(3), 0)
    net.layers.pop()
    with pytest.raises(TypeError, match=r"layers\[0\] must be an OutputLayer"):
        net.train(np.ones(3), 0)


@pytest.mark.parametrize("method", ["test", "predict", "predict_proba"])
def test_predictions_check_their_rows(method):
    net = build(scratch, [3, 4, 2])
    more = (LABELS,) if method == "test" else ()
    for X, error, message in (
        (np.ones((4, 5)), ValueError, "X has 5 features, but the network expects 3"),
        (np.ones((0, 3)), ValueError, "X is empty"),
        (spoilt(np.nan), ValueError, "Input X contains NaN. First at row 2, column 1"),
        ("abc", TypeError, "X must hold numbers"),
    ):
        with pytest.raises(error, match=message):
            getattr(net, method)(X, *more)
    if method == "test":
        with pytest.raises(ValueError, match="y has 3 labels, but there are 4 samples"):
            net.test(GOOD, LABELS[:3])
