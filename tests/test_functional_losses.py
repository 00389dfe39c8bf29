"""Gradients, Jacobians, targets and probabilities of fastnet.functional: finite differences, bits, refusals."""

import numpy as np
import pytest
from buffers import DTYPES, assert_close, same_bits, unit

from fastnet import functional as F
from fastnet.kernels import distributions, softmax_gradient

INF, NAN = np.inf, np.nan
RNG = np.random.default_rng(0)


def differences(function, z, step=1e-6):
    """Central differences of a function of a float64 array, along the last axes of the result."""
    columns = []
    for index in np.ndindex(z.shape):
        moved = np.zeros_like(z)
        moved[index] = step
        columns.append((np.asarray(function(z + moved)) - np.asarray(function(z - moved))) / (2 * step))
    return np.moveaxis(np.array(columns), 0, -1).reshape(*np.shape(columns[0]), *z.shape)


# -- softmax -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_temperature_divides_the_logits(dtype, temperature):
    z = (4 * RNG.standard_normal((5, 11))).astype(dtype)
    reference = F.softmax(z.astype(float) / temperature)
    assert_close(F.softmax(z, temperature), reference, 30 * unit(dtype))
    assert_close(np.exp(F.log_softmax(z, temperature)), reference, 60 * unit(dtype))
    assert same_bits(F.softmax(z, 1.0), F.softmax(z))


def test_temperature_at_its_limits():
    z = [[3.0, 1.0, 2.0, -INF]]
    np.testing.assert_allclose(F.softmax(z, 1e9), [[1 / 3, 1 / 3, 1 / 3, 0]], rtol=1e-8)
    np.testing.assert_array_equal(F.softmax(z, 1e-300), [[1, 0, 0, 0]])
    np.testing.assert_array_equal(F.softmax([[1e308, -1e308]], 1e-3), [[1, 0]])
    assert np.isnan(F.softmax([[NAN, 1.0], [INF, 1.0]], 2.0)).all()


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("n_classes", [1, 2, 3, 8, 19])
def test_the_jacobian_is_the_derivative(n_classes, temperature):
    z = RNG.standard_normal((3, n_classes))
    jacobian = F.softmax_jacobian(z, temperature)
    assert jacobian.shape == (3, n_classes, n_classes)
    for row, each in zip(z, jacobian, strict=True):
        expected = differences(lambda r: F.softmax(r[np.newaxis], temperature)[0], row)
        np.testing.assert_allclose(each, expected, atol=1e-9)
    p = F.softmax(z, temperature)
    np.testing.assert_allclose(jacobian, softmax_gradient.softmax_jacobian_reference(p, temperature), atol=1e-16)
    np.testing.assert_allclose(jacobian, jacobian.transpose(0, 2, 1), rtol=1e-14)
    dp = RNG.standard_normal(z.shape)
    ours = F.softmax_grad(p, dp, temperature)
    np.testing.assert_allclose(ours, np.einsum("bij,bi->bj", jacobian, dp), atol=1e-15)
    np.testing.assert_allclose(ours, softmax_gradient.softmax_backward_reference(p, dp, temperature), atol=1e-15)


def test_the_jacobian_of_a_sure_prediction_does_not_vanish():
    jacobian = F.softmax_jacobian([[0.0, 100.0]])
    assert jacobian[0, 1, 1] == pytest.approx(np.exp(-100), rel=1e-12)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes_and_layouts(dtype):
    z = RNG.standard_normal((4, 5)).astype(dtype)
    for function in (F.softmax_jacobian, lambda a: F.softmax_grad(a, a), lambda a: F.squared_error_grad(a, a[::-1]),
                     lambda a: F.binary_cross_entropy_grad(a, np.abs(np.sin(a))), lambda a: F.tanh_grad(a, a),
                     lambda a: F.linear_grad(a, a.T, a @ a.T).dw):  # fmt: skip
        expected = function(z)
        assert expected.dtype == dtype
        assert same_bits(function(np.asfortranarray(z)), expected)
    assert F.softmax_jacobian(z[:0]).shape == (0, 5, 5)


# -- losses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_one_hot_rows_are_indices(dtype):
    z, y = (5 * RNG.standard_normal((7, 9))).astype(dtype), RNG.integers(0, 9, 7)
    for rows in (F.one_hot(y, 9), F.one_hot(y, 9).astype(int), F.one_hot(y, 9).astype(bool), F.one_hot(y, 9).tolist()):
        assert F.cross_entropy(z, rows) == F.cross_entropy(z, y)
        assert same_bits(F.softmax_cross_entropy_grad(z, rows), F.softmax_cross_entropy_grad(z, y))
        p = F.softmax(z)
        assert F.cross_entropy(p, rows, from_logits=False) == F.cross_entropy(p, y, from_logits=False)


@pytest.mark.parametrize("n_classes", [2, 3, 8, 17])
def test_targets_that_are_distributions(n_classes):
    z, t = 3 * RNG.standard_normal((6, n_classes)), RNG.dirichlet(np.ones(n_classes), 6)
    each, gradient = distributions.distribution_cross_entropy_reference(z, t)
    np.testing.assert_allclose(F.cross_entropy(z, t, reduction="none"), each, rtol=1e-13)
    assert F.cross_entropy(z, t) == pytest.approx(each.mean(), rel=1e-13)
    np.testing.assert_allclose(F.softmax_cross_entropy_grad(z, t), gradient / 6, atol=1e-16)
    np.testing.assert_allclose(
        F.softmax_cross_entropy_grad(z, t), differences(lambda a: F.cross_entropy(a, t), z), atol=1e-9
    )
    assert F.cross_entropy(F.softmax(z), t, from_logits=False) == pytest.approx(each.mean(), rel=1e-12)


def test_a_row_with_a_single_1_beside_others_has_the_bits_of_a_label():
    z, y = 30 * RNG.standard_normal((2, 5)), np.array([3, 0])
    rows = np.vstack([F.one_hot(y, 5)[:1], np.full((1, 5), 0.2)])
    assert same_bits(F.softmax_cross_entropy_grad(z, rows)[0], F.softmax_cross_entropy_grad(z, y)[0])
    assert F.cross_entropy(z, rows, reduction="none")[0] == F.cross_entropy(z, y, reduction="none")[0]


def test_impossible_classes_in_distributions():
    z = [[0.0, -INF, 0.0]]
    assert F.cross_entropy(z, [[0.5, 0.0, 0.5]]) == pytest.approx(np.log(2))
    assert F.cross_entropy(z, [[0.5, 0.25, 0.25]]) == INF
    assert np.isfinite(F.softmax_cross_entropy_grad(z, [[0.5, 0.25, 0.25]])).all()


def test_losses_of_probabilities_follow_their_definition():
    p, t = RNG.random((4, 3)), RNG.random((4, 3))
    expected = -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum(axis=1)
    np.testing.assert_allclose(F.binary_cross_entropy(p, t, False, "none"), expected, rtol=1e-13)
    assert F.binary_cross_entropy(p[:, 0], t[:, 0], from_logits=False, reduction="sum") == pytest.approx(
        -(t * np.log(p) + (1 - t) * np.log(1 - p))[:, 0].sum(), rel=1e-13)  # fmt: skip
    assert F.cross_entropy([[1.0, 0.0]], [1], from_logits=False) == INF
    assert F.cross_entropy([[1.0, 0.0]], [0], from_logits=False) == 0
    assert F.binary_cross_entropy([1.0, 0.0], [1, 0], from_logits=False) == 0
    assert F.binary_cross_entropy([1.0], [0], from_logits=False) == INF
    assert F.cross_entropy([[40.0, 0.0]], [0]) == pytest.approx(np.exp(-40))  # from logits nothing is lost
    assert F.cross_entropy(F.softmax([[40.0, 0.0]]), [0], from_logits=False) == 0


def test_reductions():
    z, y = RNG.standard_normal((5, 3)), RNG.integers(0, 3, 5)
    each = F.cross_entropy(z, y, reduction="none")
    assert each.shape == (5,)
    assert F.cross_entropy(z, y, reduction="sum") == pytest.approx(each.sum(), rel=1e-15)
    assert F.cross_entropy(z, y) == pytest.approx(each.mean(), rel=1e-15)
    assert F.squared_error(z, z + 2, reduction="none").tolist() == pytest.approx([6.0] * 5)


@pytest.mark.parametrize("shape", [(6, 4), (6,)])
def test_gradients_are_derivatives(shape):
    z, t = RNG.standard_normal(shape), RNG.random(shape)
    for loss, gradient in (
        (F.squared_error, F.squared_error_grad),
        (F.binary_cross_entropy, F.binary_cross_entropy_grad),
    ):
        assert gradient(z, t).shape == shape
        np.testing.assert_allclose(gradient(z, t), differences(lambda a: loss(a, t), z), atol=1e-9)  # noqa: B023
        assert gradient(z[:0], t[:0]).shape == z[:0].shape


def test_squared_error_through_softmax():
    z, y = RNG.standard_normal((5, 4)), RNG.integers(0, 4, 5)
    rows = F.one_hot(y, 4).astype(float)
    gradient = F.softmax_grad(F.softmax(z), F.squared_error_grad(F.softmax(z), rows))
    np.testing.assert_allclose(gradient, differences(lambda a: F.squared_error(F.softmax(a), rows), z), atol=1e-9)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu"])
def test_gradients_of_activations(name):
    x = RNG.standard_normal(20)
    function, gradient = getattr(F, name), getattr(F, f"{name}_grad")
    np.testing.assert_allclose(
        gradient(function(x), np.ones(20)), (function(x + 1e-6) - function(x - 1e-6)) / 2e-6, atol=1e-8
    )
    assert gradient(0.5, 2.0) == gradient([0.5], [2.0])[0]
    assert isinstance(gradient(0.5, 2.0), np.float64)
    matrix = x.reshape(4, 5)
    assert same_bits(gradient(np.asfortranarray(matrix), matrix), gradient(matrix, matrix))


@pytest.mark.parametrize("shape", [(5, 7, 3), (1, 1, 1), (0, 4, 2), (33, 50, 70)])
def test_gradients_of_a_layer(shape):
    n, n_in, n_out = shape
    x, w, dout = RNG.standard_normal((n, n_in)), RNG.standard_normal((n_in, n_out)), RNG.standard_normal((n, n_out))
    dx, dw, db = F.linear_grad(x, w, dout)
    np.testing.assert_allclose(dx, dout @ w.T, atol=1e-12)
    np.testing.assert_allclose(dw, x.T @ dout, atol=1e-12)
    np.testing.assert_allclose(db, dout.sum(axis=0), atol=1e-12)


def test_a_network_by_hand_learns():
    """The loop that a reader writes from the articles."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    w1, b1, w2, b2 = rng.standard_normal((2, 16)), np.zeros(16), rng.standard_normal((16, 2)) / 4, np.zeros(2)
    for _ in range(300):
        hidden = F.tanh(F.linear(x, w1, b1))
        second = F.linear_grad(hidden, w2, F.softmax_cross_entropy_grad(F.linear(hidden, w2, b2), y))
        first = F.linear_grad(x, w1, F.tanh_grad(hidden, second.dx))
        for parameters, gradient in ((w1, first.dw), (b1, first.db), (w2, second.dw), (b2, second.db)):
            F.sgd_update(parameters, gradient, None, 1.0)
    assert (F.linear(F.tanh(F.linear(x, w1, b1)), w2, b2).argmax(axis=1) == y).mean() > 0.95


# -- refusals ------------------------------------------------------------------------------------------

Z = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: F.softmax(Z, 0), ValueError, "temperature must be a finite number"),
        (lambda: F.softmax(Z, -1.0), ValueError, "temperature must be a finite number"),
        (lambda: F.softmax(Z, NAN), ValueError, "temperature must be a finite number"),
        (lambda: F.log_softmax(Z, "hot"), TypeError, "temperature must be a number"),
        (lambda: F.softmax_jacobian(Z[0]), ValueError, "z must have shape"),
        (lambda: F.softmax_grad(Z, Z[:1]), ValueError, r"dp must have the shape of p, \(2, 3\)"),
        (lambda: F.softmax_grad(Z, Z.astype(complex)), ValueError, "Complex data not supported"),
        (lambda: F.cross_entropy(Z, Z), ValueError, "y: row 0 must sum to 1, got 0"),
        (lambda: F.cross_entropy(Z, Z - 1), ValueError, r"y must lie in \[0, 1\]"),
        (lambda: F.cross_entropy(Z, Z * NAN), ValueError, "Input y contains NaN"),
        (lambda: F.cross_entropy(Z, Z[:, :2]), ValueError, "y must have 1 dimension"),
        (lambda: F.cross_entropy(Z, F.one_hot([0], 3)), ValueError, "y must hold one row for each row of z, 2, got 1"),
        (lambda: F.cross_entropy(Z, [0, 0], reduction="max"), ValueError, "reduction must be one of"),
        (lambda: F.cross_entropy(Z, [0, 0], from_logits=1), TypeError, "from_logits must be True or False"),
        (lambda: F.cross_entropy(Z, [0, 0], from_logits=False), ValueError, "z: row 0 must sum to 1"),
        (lambda: F.cross_entropy(Z + 2, [0, 0], from_logits=False), ValueError, r"z must lie in \[0, 1\]"),
        (lambda: F.cross_entropy(Z[:0], [], from_logits=False), ValueError, "z is empty"),
        (lambda: F.binary_cross_entropy(Z + 2, Z, from_logits=False), ValueError, r"z must lie in \[0, 1\]"),
        (lambda: F.binary_cross_entropy_grad(Z, Z + 2), ValueError, r"t must lie in \[0, 1\]"),
        (lambda: F.squared_error(Z, Z[:1]), ValueError, "t must have the shape of z"),
        (lambda: F.squared_error(Z[:0], Z[:0]), ValueError, "z is empty"),
        (lambda: F.squared_error_grad(Z, Z * NAN), ValueError, "Input t contains NaN"),
        (lambda: F.tanh_grad(Z, Z[0]), ValueError, "dy must have the shape of y"),
        (lambda: F.relu_grad("a", Z), TypeError, "y must hold numbers"),
        (lambda: F.linear_grad(Z, Z, Z), ValueError, "x must have shape"),
        (lambda: F.linear_grad(Z, Z.T, Z), ValueError, r"dout must have shape \(2, 2\)"),
        (lambda: F.one_hot([0, 3], 3), ValueError, "label 3 at index 1"),
        (lambda: F.one_hot([0.5], 3), TypeError, "y must hold integer class indices"),
        (lambda: F.one_hot([0], 0), ValueError, "n_classes must be >= 1"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()
