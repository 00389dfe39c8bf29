"""The functions of fastnet.functional inside a user's own compiled code give what they give in Python."""

import inspect
import subprocess
import sys

import numba
import numpy as np
import pytest
from buffers import same_bits
from numba.core.errors import TypingError

from fastnet import functional as F
from fastnet.functional import compiled, compiled_losses, compiled_updates

# All of this takes minutes to compile; what is not marked slow shows that it works.
both_dtypes = pytest.mark.parametrize(
    "dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.slow)], ids=["float64", "float32"]
)

RNG = np.random.default_rng(0)


@numba.njit
def rowwise(z, dp):
    p = F.softmax(z)
    return p, F.log_softmax(z, 2.0), F.softmax(z, temperature=0.5), F.softmax_jacobian(z), F.softmax_grad(p, dp)


@numba.njit
def elementwise(x, dy):
    t, s, r = F.tanh(x), F.sigmoid(x), F.relu(x)
    return t, s, r, F.tanh_grad(t, dy), F.sigmoid_grad(s, dy), F.relu_grad(r, dy)


@numba.njit
def layers(x, w, b, dout):
    gradients = F.linear_grad(x, w, dout)
    return F.linear(x, w, b), gradients.dx, gradients.dw, gradients.db


@numba.njit
def losses(z, y, t):
    return (
        F.cross_entropy(z, y),
        F.cross_entropy(z, y, reduction="none"),
        F.cross_entropy(z, t, True, "sum"),
        F.cross_entropy(F.softmax(z), y, from_logits=False),
        F.cross_entropy(F.softmax(z), t, False, "none"),
        F.softmax_cross_entropy_grad(z, y),
        F.softmax_cross_entropy_grad(z, t),
        F.binary_cross_entropy(z, t),
        F.binary_cross_entropy(F.sigmoid(z), t, False, reduction="none"),
        F.binary_cross_entropy(z[:, 0], t[:, 0]),
        F.binary_cross_entropy_grad(z, t),
        F.binary_cross_entropy_grad(z[:, 0], t[:, 0]),
        F.squared_error(z, t),
        F.squared_error(z, t, reduction="none"),
        F.squared_error_grad(z, t),
    )


@numba.njit
def updates(w, dw, v, m, s):
    plain, moved, adapted, decayed = w.copy(), w.copy(), w.copy(), w.copy()
    F.sgd_update(plain, dw, None, 0.1, weight_decay=0.5)
    F.sgd_update(moved, dw, v, 0.1, 0.9, True)
    F.adam_update(adapted, dw, m, s, 1)
    F.adam_update(decayed, dw, m, s, 2, 0.01, weight_decay=0.1, decoupled=True)
    return plain, moved, adapted, decayed


@numba.njit
def sampled(x, w, b, y, candidates, log_q, label_log_q):
    found = F.sampled_softmax_grad(x, w, b, y, candidates, log_q, label_log_q)
    bare = F.sampled_softmax(x, w, b, y, candidates)
    return found.loss, found.dx, found.classes, found.dw, found.db, bare


def assert_same(function, *args):
    """Compare compiled and plain results: arrays bit by bit, and sums in whatever order."""
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    for ours, plain in zip(function(*args), function.py_func(*copies), strict=True):
        if np.ndim(plain) == 0:
            assert ours == pytest.approx(plain, rel=1e-14)
        else:
            assert same_bits(np.ascontiguousarray(ours), np.ascontiguousarray(plain))


@pytest.mark.slow
@both_dtypes
def test_softmax_and_its_derivatives(dtype):
    for n_classes in (1, 3, 17):
        z = 5 * RNG.standard_normal((4, n_classes)).astype(dtype)
        assert_same(rowwise, z, RNG.standard_normal(z.shape).astype(dtype))
    assert_same(rowwise, np.asfortranarray(z), z[::-1, ::-1])


@pytest.mark.slow
@both_dtypes
def test_activations(dtype):
    x = RNG.standard_normal((3, 7)).astype(dtype)
    assert_same(elementwise, x, x[::-1])
    assert_same(elementwise, x.T, np.ascontiguousarray(x.T))
    assert_same(elementwise, RNG.standard_normal(5).astype(dtype), np.ones(5, dtype))


def test_activations_of_a_number():
    @numba.njit
    def each(x):
        return F.tanh(x), F.sigmoid(x), F.relu(x)

    assert each(0.5) == (F.tanh(0.5), F.sigmoid(0.5), 0.5)


@pytest.mark.slow
@both_dtypes
def test_layers(dtype):
    x, w, b, dout = (RNG.standard_normal(shape).astype(dtype) for shape in ((5, 7), (7, 20), (20,), (5, 20)))
    assert_same(layers, x, w, b, dout)
    assert_same(layers, np.asfortranarray(x), w[:, ::-1], b, np.asfortranarray(dout))


@pytest.mark.slow
@both_dtypes
def test_losses(dtype):
    z = 3 * RNG.standard_normal((6, 4)).astype(dtype)
    y = RNG.integers(0, 4, 6).astype(np.uint8 if dtype == np.float32 else np.int64)
    assert_same(losses, z, y, F.one_hot(y, 4).astype(dtype))
    assert_same(losses, z, y, F.softmax(z[::-1]))


@both_dtypes
def test_updates(dtype):
    w, dw, v, m, s = (RNG.random((3, 5)).astype(dtype) for _ in range(5))
    states = [a.copy() for a in (v, m, s)]
    assert_same(updates, w, dw, *states)
    for compiled_state, start in zip(states, (v, m, s), strict=True):
        assert not same_bits(compiled_state, start)


@pytest.mark.slow
@both_dtypes
def test_sampled_softmax(dtype):
    x, b = RNG.standard_normal((4, 5)).astype(dtype), RNG.standard_normal(30).astype(dtype)
    y, candidates = np.array([3, 29, 3, 0]), np.array([7, 3, 11])
    log_q, label_log_q = np.log(RNG.random(3)), np.log(RNG.random(4))
    for w in (RNG.standard_normal((5, 30)).astype(dtype), RNG.standard_normal((30, 5)).astype(dtype).T):
        assert_same(sampled, x, w, b, y, candidates, log_q, label_log_q)


@pytest.mark.slow
def test_threads_of_numba_and_of_python():
    @numba.njit(parallel=True, nogil=True)
    def each(z):
        out = np.empty_like(z)
        for i in numba.prange(len(z)):
            out[i : i + 1] = F.softmax(z[i : i + 1])
        return out

    from concurrent.futures import ThreadPoolExecutor

    z = RNG.standard_normal((200, 10))
    assert same_bits(each(z), F.softmax(z))

    @numba.njit(nogil=True)
    def alone(z):
        return F.softmax(z)

    with ThreadPoolExecutor(4) as pool:
        for p in pool.map(alone, [z] * 16):
            assert same_bits(p, F.softmax(z))


@pytest.mark.slow
def test_numbas_cache_keeps_functions_that_call_ours(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import numba\nfrom fastnet import functional as F\n\n\n"
        "@numba.njit(cache=True)\ndef soft(z):\n    return F.softmax(z)\n"
    )
    code = "import numpy as np, mine; print(mine.soft(np.array([[20.0, 21.0]])), mine.soft.stats.cache_hits)"
    for hits in (0, 1):
        result = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
            capture_output=True, text=True, timeout=250, check=True)  # fmt: skip
        assert "[[0.26894142 0.73105858]]" in result.stdout
        assert f"{{(Array(float64, 2, 'C', False, aligned=True),): {hits}}}" in result.stdout or hits == 0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda z: F.softmax(z[0]), "z must be an array of float32 or float64 with 2 dimensions"),
        (lambda z: F.softmax(z.astype(np.int64)), "z must be an array of float32 or float64"),
        (lambda z: F.linear(z, z.astype(np.float32), z[0]), "x, w, b must have the same dtype"),
        (lambda z: F.cross_entropy(z, 1.0), "y must be an array of class indices"),
        (lambda z: F.cross_entropy(z, z, reduction="most"), "reduction must be written out"),
        (lambda z: F.squared_error(z, z[0]), "z and t must be arrays of the same shape"),
        (lambda z: F.sgd_update(z.T, z, None, 0.1), "w must be C-contiguous and writable"),
        (lambda z: F.sampled_softmax_grad(z, z, z[0], z[0], z[0]), "y must be an array of class indices"),
    ],
)
def test_what_can_not_be_compiled_is_refused(call, text):
    with pytest.raises(TypingError, match=text):
        numba.njit(call)(np.ones((2, 2)))


@numba.njit
def soft(z, temperature):
    return F.softmax(z, temperature)


@numba.njit
def soft_grad(z, dp, temperature):
    return F.softmax_grad(z, dp, temperature)


@numba.njit
def binary(z, t, from_logits):
    return F.binary_cross_entropy(z, t, from_logits)


@numba.njit
def indexed(z, y):
    return F.cross_entropy(z, y)


@numba.njit
def distributed(z, y):
    return F.cross_entropy(z, y)


@numba.njit
def plain_step(w, dw, momentum):
    F.sgd_update(w, dw, None, 0.1, momentum)


@numba.njit
def moving_step(w, dw, velocity):
    F.sgd_update(w, dw, velocity, 0.1, 0.9)


@numba.njit
def adam_step(w, dw, m, v, step):
    F.adam_update(w, dw, m, v, step)


ONES, ROW, NONE, Y = np.ones((2, 2)), np.ones((1, 2)), np.ones((0, 2)), np.array([0, 1])


@pytest.mark.parametrize(
    ("function", "args", "text"),
    [
        (soft, (np.ones((2, 0)), 1.0), "at least one class"),
        (soft, (ONES, 0.0), "temperature must be a finite number above 0"),
        (soft_grad, (ONES, ROW, 1.0), "dp must have the shape of p"),
        (soft_grad, (ONES, ONES, np.nan), "temperature must be a finite number above 0"),
        (elementwise, (ONES, ROW), "dy must have the shape of y"),
        (indexed, (ONES, np.array([0, 2])), "a label is outside"),
        (indexed, (ONES, np.array([0])), "one label for each row"),
        (indexed, (NONE, Y[:0]), "z is empty"),
        (plain_step, (ONES, ROW, 0.0), "dw must have the shape of w"),
        (plain_step, (ONES, ONES, 0.9), "velocity must be an array"),
        (moving_step, (ONES, ONES, ROW), "dw and velocity must have the shape of w"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)  # each function is seconds of compiling, the last half a minute
            for case in (
                (distributed, (ONES, ONES), "a row does not sum to 1"),
                (distributed, (ONES, ROW), "one row for each row"),
                (distributed, (ONES, -ONES), "must lie in"),
                (adam_step, (ONES, ONES, ONES, ROW, 1), "must have the shape of w"),
                (adam_step, (ONES, ONES, ONES, ONES, 0), "step must be counted from 1"),
                (layers, (ONES, ROW, ONES[0], ONES), "x must have shape"),
                (layers, (ONES, ONES, ONES[0, :1], ONES), "b must have shape"),
                (layers, (ONES, ONES, ONES[0], ROW), "dout must have shape"),
                (binary, (ONES, 2 * ONES, True), "must lie in"),
                (binary, (2 * ONES, ONES, False), "must lie in"),
                (binary, (ONES, ROW, True), "t must have the shape of z"),
                (sampled, (ONES, ONES, ONES[0], np.array([0, 2]), Y, ONES[0], ONES[0]), "outside"),
                (sampled, (ONES, ONES, ONES[0], Y, Y[:0], ONES[0], ONES[0]), "candidates is empty"),
                (sampled, (ONES, ONES, ONES[0, :1], Y, Y, ONES[0], ONES[0]), "x must have shape"),
                (sampled, (ONES, ONES, ONES[0], Y, Y, ONES[0, :1], ONES[0]), "log_q must hold"),
            )
        ),
    ],
)
def test_what_does_not_fit_is_refused(function, args, text):
    with pytest.raises(ValueError, match=text):
        function(*args)


def test_signatures_are_those_of_python():
    found = set()
    for module in (compiled, compiled_losses, compiled_updates):
        for name, function in vars(module).items():
            public = getattr(F, name.removeprefix("_"), None)
            if name.startswith("_") and inspect.isfunction(public) and inspect.isfunction(function):
                ours, theirs = (inspect.signature(f).parameters.values() for f in (function, public))
                assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs], name
                found.add(public.__name__)
    assert len(found) > 10
