"""The functions of fastnet.functional against the same in NumPy, float32, at the sizes of MNIST networks.

What is timed is a call from Python, with checks and allocation on both sides. Each result is checked against float64
before it is timed; kernels are compiled before that (bench_start.py times compilation).
"""

import numpy as np
import pytest

from fastnet import functional as F

CONTENDERS = ["fastnet", "numpy"]
LAYERS = [(32, 784, 10), (128, 784, 300), (128, 300, 10)]
HIDDEN = [(32, 10), (128, 300)]
LOGITS = [(32, 10), (128, 10)]
RATE, MOMENTUM, DECAY = np.float32(0.1), np.float32(0.9), np.float32(0.001)


def name_of(shape):
    return "x".join(map(str, shape))


def contenders(function):
    return pytest.mark.parametrize("contender", CONTENDERS)(function)


def shapes(choices):
    return pytest.mark.parametrize("shape", choices, ids=name_of)


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def labels(shape):
    return np.random.default_rng(1).integers(0, shape[1], shape[0])


def race(benchmark, contender, group, functions, args, tolerance=1e-5):
    """Check that both contenders compute what NumPy does in float64, then time one of them."""
    exact = functions["numpy"](*(a.astype(np.float64) if a.dtype == np.float32 else a for a in args))
    for function in functions.values():
        np.testing.assert_allclose(function(*args), exact, rtol=tolerance, atol=tolerance)
    benchmark.group = group
    benchmark.extra_info["contender"] = contender
    benchmark(functions[contender], *args)


def numpy_softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e


def numpy_log_softmax(z):
    d = z - z.max(axis=1, keepdims=True)
    d -= np.log(np.exp(d).sum(axis=1, keepdims=True))
    return d


def numpy_cross_entropy(z, y):
    return -numpy_log_softmax(z)[np.arange(len(y)), y].mean()


def numpy_softmax_cross_entropy_grad(z, y):
    p = numpy_softmax(z)
    p[np.arange(len(y)), y] -= 1
    p /= len(y)
    return p


def numpy_binary_cross_entropy(z, t):
    return (np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))).sum(axis=1).mean()


def numpy_sigmoid(x):
    return 1 / (1 + np.exp(-x))


@contenders
@shapes(LAYERS)
def test_dense(benchmark, shape, contender):
    rows, n_in, n_out = shape
    args = normal(rows, n_in), normal(n_in, n_out), normal(n_out)
    functions = {"fastnet": F.linear, "numpy": lambda x, w, b: x @ w + b}
    race(benchmark, contender, f"dense {name_of(shape)}", functions, args, 1e-3)


@contenders
@shapes(HIDDEN)
def test_tanh(benchmark, shape, contender):
    race(benchmark, contender, f"tanh {name_of(shape)}", {"fastnet": F.tanh, "numpy": np.tanh}, (normal(*shape),))


@contenders
@shapes(HIDDEN)
def test_sigmoid(benchmark, shape, contender):
    functions = {"fastnet": F.sigmoid, "numpy": numpy_sigmoid}
    race(benchmark, contender, f"sigmoid {name_of(shape)}", functions, (normal(*shape),))


@contenders
@shapes(HIDDEN)
def test_relu(benchmark, shape, contender):
    functions = {"fastnet": F.relu, "numpy": lambda x: np.maximum(x, 0)}
    race(benchmark, contender, f"relu {name_of(shape)}", functions, (normal(*shape),))


@contenders
@shapes(LOGITS)
def test_softmax(benchmark, shape, contender):
    functions = {"fastnet": F.softmax, "numpy": numpy_softmax}
    race(benchmark, contender, f"softmax {name_of(shape)}", functions, (normal(*shape),))


@contenders
@shapes(LOGITS)
def test_log_softmax(benchmark, shape, contender):
    functions = {"fastnet": F.log_softmax, "numpy": numpy_log_softmax}
    race(benchmark, contender, f"log_softmax {name_of(shape)}", functions, (normal(*shape),))


@contenders
@shapes(LOGITS)
def test_cross_entropy(benchmark, shape, contender):
    functions = {"fastnet": F.cross_entropy, "numpy": numpy_cross_entropy}
    race(benchmark, contender, f"cross_entropy {name_of(shape)}", functions, (normal(*shape), labels(shape)))


@contenders
@shapes(LOGITS)
def test_softmax_cross_entropy_grad(benchmark, shape, contender):
    functions = {"fastnet": F.softmax_cross_entropy_grad, "numpy": numpy_softmax_cross_entropy_grad}
    group = f"softmax_cross_entropy_grad {name_of(shape)}"
    race(benchmark, contender, group, functions, (normal(*shape), labels(shape)))


@contenders
@shapes(LOGITS)
def test_binary_cross_entropy(benchmark, shape, contender):
    functions = {"fastnet": F.binary_cross_entropy, "numpy": numpy_binary_cross_entropy}
    targets = (normal(*shape) > 0).astype(np.float32)
    race(benchmark, contender, f"binary_cross_entropy {name_of(shape)}", functions, (normal(*shape), targets))


def fastnet_sgd(w, dw, v):
    F.sgd_update(w, dw, v, RATE, MOMENTUM, weight_decay=DECAY)


def numpy_sgd(w, dw, v):
    step = DECAY * w
    step += dw
    step *= RATE
    v *= MOMENTUM
    v -= step
    w += v


@contenders
@shapes([(784, 10), (784, 300)])
def test_sgd(benchmark, shape, contender):
    """With momentum and weight decay, in place, again and again on the same weights."""
    args = normal(*shape), normal(*shape), np.zeros(shape, np.float32)
    exact = tuple(a.astype(np.float64) for a in args)
    numpy_sgd(*exact)
    for function in (fastnet_sgd, numpy_sgd):
        got = tuple(a.copy() for a in args)
        function(*got)
        np.testing.assert_allclose(got[0], exact[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(got[2], exact[2], rtol=1e-5, atol=1e-5)
    benchmark.group = f"sgd {name_of(shape)}"
    benchmark.extra_info["contender"] = contender
    benchmark({"fastnet": fastnet_sgd, "numpy": numpy_sgd}[contender], *args)


def fastnet_adam(w, dw, m, v):
    F.adam_update(w, dw, m, v, 10)


def numpy_adam(w, dw, m, v):
    correction = np.sqrt(1 - 0.999**10)
    m *= w.dtype.type(0.9)
    m += w.dtype.type(0.1) * dw
    v *= w.dtype.type(0.999)
    v += w.dtype.type(0.001) * dw * dw
    root = np.sqrt(v)
    root += w.dtype.type(1e-8 * correction)
    np.divide(m, root, out=root)
    root *= w.dtype.type(0.001 * correction / (1 - 0.9**10))
    w -= root


@contenders
@shapes([(784, 2), (784, 10), (784, 300)])
def test_adam(benchmark, shape, contender):
    """In place, again and again on the same weights; with 784 x 2 all four arrays lie in the L1 cache."""
    args = (
        normal(*shape),
        np.random.default_rng(2).standard_normal(shape, np.float32),
        *np.zeros((2, *shape), np.float32),
    )
    exact = tuple(a.astype(np.float64) for a in args)
    numpy_adam(*exact)
    for function in (fastnet_adam, numpy_adam):
        got = tuple(a.copy() for a in args)
        function(*got)
        for found, expected in zip(got, exact, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    benchmark.group = f"adam {name_of(shape)}"
    benchmark.extra_info["contender"] = contender
    benchmark({"fastnet": fastnet_adam, "numpy": numpy_adam}[contender], *args)
