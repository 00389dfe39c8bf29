"""Rows of logits for the tests of softmax and losses, and what is exact for them."""

import numpy as np
from buffers import smallest, unit, wider
from hypothesis import strategies as st

CLASSES = [1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 23, 24, 25, 784]


def families(rng, n_classes, dtype):
    """Yield rows of every kind that reliability, section 4.3 names."""
    scale = 1e4 if dtype == np.float32 else 1e5
    yield rng.standard_normal(n_classes)
    yield rng.uniform(-20, 20, n_classes)
    yield rng.uniform(-150, 150, n_classes)
    yield rng.choice([-scale, scale], n_classes)
    yield np.zeros(n_classes)
    yield np.full(n_classes, -37.25)
    yield np.where(np.arange(n_classes) == n_classes // 2, 30.0, rng.standard_normal(n_classes))
    yield -np.arange(n_classes) * 1.5
    yield np.exp2(np.arange(n_classes) % 12) * rng.choice([-1, 1], n_classes)
    yield rng.standard_normal(n_classes) * float(np.finfo(dtype).smallest_subnormal) * 100
    yield rng.choice([0.0, -0.0], n_classes)
    yield rng.choice([-1, 1], n_classes) * float(np.finfo(dtype).max)


def some(dtype, n_classes, seed=0):
    """Return a matrix of logits of ``dtype``, one row of each kind."""
    return np.array(list(families(np.random.default_rng(seed), n_classes, dtype))).astype(dtype)


def strategy(dtype):
    """Hypothesis strategy: a matrix of finite logits, and a label for each row."""
    width = {"width": 32} if dtype == np.float32 else {}
    value = st.one_of(
        st.floats(-30, 30, **width), st.floats(allow_nan=False, allow_infinity=False, **width), st.just(0.0)
    )

    @st.composite
    def draw(draw):
        rows, n_classes = draw(st.integers(1, 4)), draw(st.integers(1, 20))
        row = st.lists(value, min_size=n_classes, max_size=n_classes)
        z = draw(st.lists(row, min_size=rows, max_size=rows))
        y = draw(st.lists(st.integers(0, n_classes - 1), min_size=rows, max_size=rows))
        return np.array(z, dtype), np.array(y, np.int32)

    return draw()


def _exponentials(z):
    """Distances to the row's maximum and their exponentials, in wider precision."""
    z = z.astype(wider(z.dtype))
    d = z - z.max(axis=1, keepdims=True)
    with np.errstate(under="ignore"):
        return d, np.exp(d)


def exact_softmax(z):
    """Softmax in wider precision, and the bound on each element's error: (|d| + C + 8) roundings."""
    d, e = _exponentials(z)
    with np.errstate(under="ignore"):
        p = e / e.sum(axis=1, keepdims=True)
        bound = (np.abs(d) + z.shape[1] + 8) * unit(z.dtype) * p
    return p, bound + smallest(z.dtype)  # below the smallest normal number, exp is 0


def exact_log_softmax(z):
    """Logarithm of softmax in wider precision, and the bound on each element's error.

    That is (C + 8) roundings of the result, and |d| roundings of each exponential in log(1 + sum of exponentials):
    the subtraction of the maximum alone makes these. Where the maximum itself is the target nothing hides them.
    """
    d, e = _exponentials(z)
    best = np.arange(z.shape[1]) == z.argmax(axis=1)[:, np.newaxis]
    others = np.where(best, 0, e)
    rest = others.sum(axis=1, keepdims=True)
    exact = d - np.log1p(rest)
    subtraction = (np.where(best, 0, np.abs(d)) * others).sum(axis=1, keepdims=True) / (1 + rest)
    return exact, ((z.shape[1] + 8) * np.abs(exact) + subtraction) * unit(z.dtype) + z.shape[1] * smallest(z.dtype)


def exact_loss(z, y):
    """Losses in wider precision, and the bound on each one's error."""
    rows = np.arange(len(z))
    exact, bound = exact_log_softmax(z)
    return -exact[rows, y], bound[rows, y]


def exact_gradient(z, y):
    """Gradient of each row's loss in wider precision, and the bound on each element's error."""
    p, bound = exact_softmax(z)
    rows, (d, e) = np.arange(len(z)), _exponentials(z)
    others = np.where(np.arange(z.shape[1]) == y[:, np.newaxis], 0, e)
    with np.errstate(under="ignore"):
        at_target = others.sum(axis=1) / e.sum(axis=1)
        terms = (others * (np.abs(d) + z.shape[1] + 8)).sum(axis=1) / e.sum(axis=1)
    p[rows, y] = -at_target
    bound[rows, y] = terms * unit(z.dtype) + z.shape[1] * smallest(z.dtype)
    return p, bound
