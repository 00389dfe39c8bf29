"""The same functions inside your own compiled code: each may be called from a function that ``numba.njit`` compiles.

>>> import numba
>>> import numpy as np
>>> from fastnet import functional as F
>>> @numba.njit(nogil=True)
... def entropy(z):
...     p, log_p = F.softmax(z), F.log_softmax(z)
...     return -(p * log_p).sum()
>>> round(entropy(np.array([[20.0, 21.0]])), 4)
0.5822

Importing ``fastnet.functional`` is all it takes. Names, defaults and results are the same (but for the last bit of a
loss of many samples, whose order of addition differs). What is different:
arrays must be float32 or float64 (labels: integers) and have the number of dimensions that is named, all of one call
the same dtype; nothing is converted. A shape or label that does not fit raises ValueError, here without the numbers
found; whether values are finite is not checked. ``reduction`` must be written out. There is no sampler: draw candidates
in Python. Each call allocates its result, so call for many rows at once. Numba's own cache of your function
(``cache=True``) does not notice a new version of fastnet: clear it then.
"""

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.extending import overload, register_jitable

from .._jit import VECTOR_BYTES
from ..kernels import activations, dense, dense_gradient, softmax_gradient
from ..kernels import softmax as softmax_kernels
from . import elementwise, layers, rowwise

# -- arguments -----------------------------------------------------------------------------------------


def check_floats(**arrays):
    """Refuse, while the caller is compiled, what is no array of floats; ``name=(type, dimensions)``, None for any."""
    dtypes = set()
    for name, (kind, ndim) in arrays.items():
        fine = isinstance(kind, types.Array) and kind.dtype in (types.float32, types.float64)
        if not fine or ndim not in (None, kind.ndim):
            shape = f" with {ndim} dimension{'s' * (ndim > 1)}" if ndim else ""
            raise TypingError(f"{name} must be an array of float32 or float64{shape}, got {kind}")
        dtypes.add(kind.dtype)
    if len(dtypes) > 1:
        found = " and ".join(sorted(map(str, dtypes)))
        raise TypingError(f"{', '.join(arrays)} must have the same dtype, got {found}")


@register_jitable
def padded_rows(z, dtype):
    """Copy of a matrix with rows of whole vectors, filled up with zeros."""
    lanes = VECTOR_BYTES // np.empty(0, dtype).itemsize
    n_rows, n_columns = z.shape
    rows = np.empty((n_rows, (n_columns + lanes - 1) // lanes * lanes), dtype)
    for i in range(n_rows):
        for j in range(n_columns):
            rows[i, j] = z[i, j]
        for j in range(n_columns, rows.shape[1]):
            rows[i, j] = 0
    return rows


@register_jitable
def zero_rows(n_rows, n_columns, dtype):
    """Zeros with rows of whole vectors."""
    lanes = VECTOR_BYTES // np.empty(0, dtype).itemsize
    return np.zeros((n_rows, (n_columns + lanes - 1) // lanes * lanes), dtype)


@register_jitable
def first_columns(rows, n_columns):
    """Copy of the columns of padded rows that are not padding."""
    out = np.empty((len(rows), n_columns), rows.dtype)
    for i in range(len(rows)):
        for j in range(n_columns):
            out[i, j] = rows[i, j]
    return out


@register_jitable
def contiguous(array):
    """Copy of an array of any layout, as a vector."""
    out = np.empty(array.size, array.dtype)
    for k, value in enumerate(array.flat):
        out[k] = value
    return out


# -- layers --------------------------------------------------------------------------------------------


@register_jitable
def _check_product(x, w):
    if x.shape[1] != w.shape[0]:
        raise ValueError("x must have shape (n_samples, n_in) and w shape (n_in, n_out)")


@overload(layers.linear)
def _linear(x, w, b):
    check_floats(x=(x, 2), w=(w, 2), b=(b, 1))

    def linear(x, w, b):
        _check_product(x, w)
        n_in, n_out = w.shape
        if len(b) != n_out:
            raise ValueError("b must have shape (n_out,)")
        left, right, bias = contiguous(x), contiguous(w), padded_rows(b.reshape(1, n_out), b.dtype)[0]
        packed, out = zero_rows(n_in, n_out, x.dtype), zero_rows(len(x), n_out, x.dtype)
        dense.dense_forward_arrays(left.ctypes.data, right.ctypes.data, n_out, bias, packed, out)
        return first_columns(out, n_out)

    return linear


@overload(layers.linear_grad)
def _linear_grad(x, w, dout):
    check_floats(x=(x, 2), w=(w, 2), dout=(dout, 2))
    gradients = layers.LinearGradients

    def linear_grad(x, w, dout):
        _check_product(x, w)
        n_in, n_out = w.shape
        if dout.shape != (len(x), n_out):
            raise ValueError("dout must have shape (n_samples, n_out)")
        left, right, rows = contiguous(x), contiguous(w), padded_rows(dout, x.dtype)
        packed, transposed = zero_rows(n_in, n_out, x.dtype), zero_rows(n_out, n_in, x.dtype)
        dense_gradient.pack_arrays(right.ctypes.data, n_out, packed)
        dx, dw, db = zero_rows(len(x), n_in, x.dtype), np.zeros_like(packed), np.empty(packed.shape[1], x.dtype)
        dense_gradient.dense_backward_arrays(left.ctypes.data, rows, packed, transposed, dx, dw, db)
        return gradients(first_columns(dx, n_in), first_columns(dw, n_out), db[:n_out].copy())

    return linear_grad


# -- elementwise ---------------------------------------------------------------------------------------


def _overload_activation(function, gradient, code):
    @overload(function)
    def _forward(x):
        if isinstance(x, types.Float):

            def forward(x):
                y = np.full(1, x)
                activations.activation_arrays(code, y.ctypes.data, y)
                return y[0]

            return forward
        check_floats(x=(x, None))

        def forward(x):
            y = contiguous(x)
            activations.activation_arrays(code, y.ctypes.data, y)
            return y.reshape(x.shape)

        return forward

    @overload(gradient)
    def _backward(y, dy):
        check_floats(y=(y, None), dy=(dy, None))

        def backward(y, dy):
            if y.shape != dy.shape:
                raise ValueError("dy must have the shape of y")
            outputs, dx = contiguous(y), contiguous(dy)
            activations.activation_backward_arrays(code, outputs.ctypes.data, dx.ctypes.data, dx)
            return dx.reshape(y.shape)

        return backward


for _name in ("tanh", "sigmoid", "relu"):
    _overload_activation(getattr(elementwise, _name), getattr(elementwise, f"{_name}_grad"), activations.CODES[_name])


# -- softmax -------------------------------------------------------------------------------------------


@register_jitable
def _tempered_rows(z, temperature):
    if z.shape[1] == 0:
        raise ValueError("z must have at least one class")
    if not 0.0 < temperature < np.inf:
        raise ValueError("temperature must be a finite number above 0")
    rows = padded_rows(z, z.dtype)
    if temperature != 1.0:
        softmax_gradient.temper_arrays(rows, z.shape[1], np.float64(temperature))
    return rows


@overload(rowwise.softmax)
def _softmax(z, temperature=1.0):
    check_floats(z=(z, 2))

    def softmax(z, temperature=1.0):
        rows = _tempered_rows(z, temperature)
        softmax_kernels.softmax_arrays(rows, z.shape[1])
        return first_columns(rows, z.shape[1])

    return softmax


@overload(rowwise.log_softmax)
def _log_softmax(z, temperature=1.0):
    check_floats(z=(z, 2))

    def log_softmax(z, temperature=1.0):
        rows = _tempered_rows(z, temperature)
        softmax_kernels.log_softmax_arrays(rows, np.empty(rows.shape[1], z.dtype), z.shape[1])
        return first_columns(rows, z.shape[1])

    return log_softmax


@overload(rowwise.softmax_jacobian)
def _softmax_jacobian(z, temperature=1.0):
    check_floats(z=(z, 2))

    def softmax_jacobian(z, temperature=1.0):
        rows, (n_samples, n_classes) = _tempered_rows(z, temperature), z.shape
        softmax_kernels.softmax_arrays(rows, n_classes)
        jacobian = np.empty((n_samples, n_classes, rows.shape[1]), z.dtype)
        softmax_gradient.softmax_jacobian_arrays(rows, np.float64(temperature), jacobian)
        return jacobian[:, :, :n_classes].copy()

    return softmax_jacobian


@overload(rowwise.softmax_grad)
def _softmax_grad(p, dp, temperature=1.0):
    check_floats(p=(p, 2), dp=(dp, 2))

    def softmax_grad(p, dp, temperature=1.0):
        if p.shape != dp.shape:
            raise ValueError("dp must have the shape of p")
        if not 0.0 < temperature < np.inf:
            raise ValueError("temperature must be a finite number above 0")
        rows, n_classes = padded_rows(dp, p.dtype), p.shape[1]
        softmax_gradient.softmax_backward_arrays(padded_rows(p, p.dtype), rows, n_classes, np.float64(temperature))
        return first_columns(rows, n_classes)

    return softmax_grad
