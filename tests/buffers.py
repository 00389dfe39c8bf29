"""Memory for the tests of kernels: padded rows, guard regions, awkward sizes, roundings."""

import numpy as np

from fastnet.kernels.dense import PANEL_VECTORS
from fastnet.layout import lanes, padded

DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]
GUARD = 64
SENTINEL = -12345.0


def awkward_sizes(dtype):
    """One, around a vector, around a panel, and the sizes of MNIST networks."""
    vector, panel = lanes(dtype), PANEL_VECTORS * lanes(dtype)
    return sorted({1, vector - 1, vector, vector + 1, 10, panel - 1, panel, panel + 1, 784})


def unit(dtype):
    """Largest relative error of one rounding."""
    return float(np.finfo(dtype).eps) / 2


def gamma(k, dtype):
    """Largest relative error of ``k`` roundings."""
    return k * unit(dtype) / (1 - k * unit(dtype))


def smallest(dtype):
    """Return the smallest normal number."""
    return float(np.finfo(dtype).tiny)


def wider(dtype):
    """Return the dtype in which references for ``dtype`` are computed."""
    return np.float64 if dtype == np.float32 else np.longdouble


class Guarded:
    """An array between two guard regions that nobody may write to."""

    def __init__(self, shape, dtype, fill=np.nan):
        size = int(np.prod(shape))
        self._buffer = np.full(size + 2 * GUARD, SENTINEL, dtype)
        self.array = self._buffer[GUARD : GUARD + size].reshape(shape)
        self.array[...] = fill

    @property
    def flat(self):
        return self.array.reshape(-1)

    def assert_untouched_around(self):
        assert (self._buffer[:GUARD] == SENTINEL).all(), "written before the buffer"
        assert (self._buffer[-GUARD:] == SENTINEL).all(), "written behind the buffer"


def padded_rows(values, dtype):
    """Return a guarded copy of a matrix with its rows padded to whole vectors by zeros."""
    values = np.asarray(values)
    rows = Guarded((len(values), padded(values.shape[1], dtype)), dtype, 0.0)
    rows.array[:, : values.shape[1]] = values
    return rows


def same_bits(a, b):
    """Whether two arrays are equal bit by bit; NaN equals NaN, 0 does not equal -0."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def assert_close(got, exact, bound):
    """Check ``|got - exact| <= bound`` elementwise; a NaN never passes."""
    got, exact, bound = np.broadcast_arrays(got, exact, bound)
    error = np.abs(got.astype(exact.dtype) - exact)
    bad = ~(error <= bound)
    if bad.any():
        at = np.unravel_index(int(bad.argmax()), bad.shape)
        raise AssertionError(
            f"{int(bad.sum())} of {bad.size} differ; first at {tuple(int(i) for i in at)}: got {got[at]!r}, "
            f"exact {exact[at]!r}, error {error[at]:.3g}, bound {bound[at]:.3g}"
        )
