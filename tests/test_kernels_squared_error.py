"""Squared errors of probabilities and their gradients: references, exact values, sure predictions, bad labels."""

import logits
import numpy as np
import pytest
from buffers import DTYPES, assert_close, padded_rows, same_bits, unit, wider

from fastnet.kernels import squared_error


def softmax(z, y, scale=1.0):
    rows, losses = padded_rows(z, z.dtype), np.full(len(z), np.nan)
    squared_error.softmax_squared_error_arrays(rows.array, np.asarray(y, np.int32), z.shape[1], scale, losses)
    rows.assert_untouched_around()
    assert not rows.array[:, z.shape[1] :].any(), "the padding of a gradient must be zero"
    return losses, rows.array[:, : z.shape[1]].copy()


def sigmoid(z, t, scale=1.0):
    rows, losses = padded_rows(z, z.dtype), np.full(len(z), np.nan)
    squared_error.sigmoid_squared_error_arrays(rows.array, np.asarray(t, z.dtype), scale, losses)
    rows.assert_untouched_around()
    assert not rows.array[:, z.shape[1] :].any(), "the padding of a gradient must be zero"
    return losses, rows.array[:, : z.shape[1]].copy()


@pytest.mark.parametrize("n_classes", logits.CLASSES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_softmax_is_its_reference(dtype, n_classes):
    rng = np.random.default_rng(n_classes)
    z, y = (2 * rng.standard_normal((9, n_classes))).astype(dtype), rng.integers(0, n_classes, 9)
    losses, dz = softmax(z, y, 0.25)
    expected, gradient = squared_error.softmax_squared_error_reference(z.astype(wider(dtype)), y)
    assert_close(losses, expected.astype(np.float64), (n_classes + 30) * unit(dtype) * np.ones(9))
    assert_close(dz, gradient / 4, (n_classes + 30) * unit(dtype) * np.ones(dz.shape))


@pytest.mark.parametrize("n_outputs", logits.CLASSES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_sigmoid_is_its_reference(dtype, n_outputs):
    rng = np.random.default_rng(n_outputs)
    z = (2 * rng.standard_normal((9, n_outputs))).astype(dtype)
    for t in (rng.integers(0, 2, z.shape).astype(dtype), rng.random(z.shape).astype(dtype)):
        losses, dz = sigmoid(z, t, 0.25)
        wide = z.astype(wider(dtype)), t.astype(wider(dtype))
        expected, gradient = squared_error.sigmoid_squared_error_reference(*wide)
        assert_close(losses, expected.astype(np.float64), (n_outputs + 20) * unit(dtype) * (expected.astype(float) + 1))
        assert_close(dz, gradient / 4, 20 * unit(dtype) * np.ones(dz.shape))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_sure_predictions_keep_their_relative_accuracy(dtype):
    """p - 1 at the target is minus the sum of the others: 4e-9 and not 0 in float32."""
    z, e = np.array([[20.0, 0.0, 0.0]], dtype), np.exp(-20.0)
    losses, dz = softmax(z, [0])
    assert losses[0] == pytest.approx(3 * e * e, rel=1e-5)
    assert dz[0].tolist() == pytest.approx([-6 * e * e, 3 * e * e, 3 * e * e], rel=1e-5, abs=0)
    losses, dz = sigmoid(z[:, :1], [[1.0]])
    assert losses[0] == pytest.approx(e * e / 2, rel=1e-5)
    assert dz[0, 0] == pytest.approx(-e * e, rel=1e-5, abs=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_sure_but_wrong_predictions_have_no_gradient(dtype):
    """What cross-entropy is better at."""
    losses, dz = softmax(np.array([[1000.0, -1000.0]], dtype), [1])
    assert losses.tolist() == [1.0]
    assert not dz.any()
    losses, dz = sigmoid(np.array([[1000.0, -1000.0]], dtype), [[0.0, 1.0]])
    assert losses.tolist() == [1.0]
    assert not dz.any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("label", [-1, 3, 2**31 - 1, -(2**31)])
def test_a_bad_label_writes_zeros_and_returns_nan(dtype, label):
    losses, dz = softmax(np.ones((1, 3), dtype), [label])
    assert np.isnan(losses).all()
    assert not dz.any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gradients_are_the_derivatives_of_the_losses(dtype):
    rng = np.random.default_rng(5)
    z, y, t = rng.standard_normal((6, 7)), rng.integers(0, 7, 6), rng.random((6, 7))
    softmax_gradient, sigmoid_gradient = softmax(z.astype(dtype), y)[1], sigmoid(z.astype(dtype), t)[1]
    for j in range(7):
        moved = z + 1e-30j * (np.arange(7) == j)
        p = np.exp(moved) / np.exp(moved).sum(axis=1, keepdims=True)
        for gradient, error in ((softmax_gradient, p - np.eye(7)[y]), (sigmoid_gradient, 1 / (1 + np.exp(-moved)) - t)):
            derivative = (error**2).sum(axis=1).imag / 2e-30
            np.testing.assert_allclose(gradient[:, j], derivative, atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_row_does_not_depend_on_the_others(dtype):
    rng = np.random.default_rng(6)
    z, y = rng.standard_normal((5, 10)).astype(dtype), rng.integers(0, 10, 5)
    together = softmax(z, y)
    for b in range(5):
        one = softmax(z[b : b + 1], y[b : b + 1])
        assert same_bits(one[1][0], together[1][b])
        assert one[0][0] == together[0][b]
