"""Steps of optimizers, and the sampled softmax, inside your own compiled code; see ``compiled.py``."""

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.extending import overload, register_jitable

from ..kernels import adam, sampled_softmax, sgd
from . import sampling, updates
from .compiled import check_floats, contiguous, padded_rows, zero_rows


def _check_updatable(**arrays):
    check_floats(**{name: (kind, None) for name, kind in arrays.items()})
    for name, kind in arrays.items():
        if name != "dw" and (kind.layout != "C" or not kind.mutable):
            raise TypingError(f"{name} must be C-contiguous and writable to be updated in place, got {kind}")


def _is_none(kind):
    return kind is None or isinstance(kind, types.NoneType) or getattr(kind, "value", 0) is None


@overload(updates.sgd_update)
def _sgd_update(w, dw, velocity, learning_rate, momentum=0.0, nesterov=False, weight_decay=0.0):
    if _is_none(velocity):
        _check_updatable(w=w, dw=dw)

        def plain(w, dw, velocity, learning_rate, momentum=0.0, nesterov=False, weight_decay=0.0):
            if w.shape != dw.shape:
                raise ValueError("dw must have the shape of w")
            if momentum > 0:
                raise ValueError("velocity must be an array of w's shape when there is momentum")
            g, none = contiguous(dw), np.empty(0, w.dtype)
            rate, decay = np.float64(learning_rate), np.float64(weight_decay)
            sgd.sgd_arrays(w.reshape(w.size), g.ctypes.data, none, rate, 0.0, False, decay)

        return plain
    _check_updatable(w=w, dw=dw, velocity=velocity)

    def with_momentum(w, dw, velocity, learning_rate, momentum=0.0, nesterov=False, weight_decay=0.0):
        if w.shape != dw.shape or w.shape != velocity.shape:
            raise ValueError("dw and velocity must have the shape of w")
        g, v = contiguous(dw), velocity.reshape(w.size)
        rate, m, decay = np.float64(learning_rate), np.float64(momentum), np.float64(weight_decay)
        sgd.sgd_arrays(w.reshape(w.size), g.ctypes.data, v, rate, m, bool(nesterov), decay)

    return with_momentum


@overload(updates.adam_update)
def _adam_update(
    w, dw, m, v, step, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0, decoupled=False
):
    _check_updatable(w=w, dw=dw, m=m, v=v)

    def adam_update(
        w, dw, m, v, step, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0, decoupled=False
    ):
        if w.shape != dw.shape or w.shape != m.shape or w.shape != v.shape:
            raise ValueError("dw, m and v must have the shape of w")
        if step < 1:
            raise ValueError("step must be counted from 1")
        g = contiguous(dw)
        adam.adam_arrays(
            w.reshape(w.size),
            g.ctypes.data,
            m.reshape(w.size),
            v.reshape(w.size),
            np.int64(step),
            np.float64(learning_rate),
            np.float64(beta1),
            np.float64(beta2),
            np.float64(epsilon),
            np.float64(weight_decay),
            bool(decoupled),
        )

    return adam_update


# -- sampled softmax -----------------------------------------------------------------------------------


@register_jitable
def _checked(classes, n_classes):
    out = np.empty(len(classes), np.int32)
    for k in range(len(classes)):
        if classes[k] < 0 or classes[k] >= n_classes:
            raise ValueError("a label or candidate is outside [0, n_classes)")
        out[k] = classes[k]
    return out


@register_jitable
def _offsets(log_q, size):
    if len(log_q) != size:
        raise ValueError("log_q must hold one number a candidate, label_log_q one a sample")
    out = np.empty(size)
    for k in range(size):
        out[k] = log_q[k]
    return out


@register_jitable
def _no_offsets(log_q, size):
    return np.zeros(size)


@register_jitable
def _merged(sampled, labels):
    """Classes that take part, sorted, and where candidates and labels are among them."""
    both = np.empty(len(sampled) + len(labels), np.int32)
    both[: len(sampled)] = sampled
    both[len(sampled) :] = labels
    classes = np.unique(both)
    slots = np.searchsorted(classes, both).astype(np.int64)
    return classes, slots[: len(sampled)].copy(), slots[len(sampled) :].copy()


@overload(sampling.sampled_softmax_grad)
def _sampled_softmax_grad(x, w, b, y, candidates, log_q=None, label_log_q=None):
    check_floats(x=(x, 2), w=(w, 2), b=(b, 1))
    for name, kind in (("y", y), ("candidates", candidates)):
        if not isinstance(kind, types.Array) or kind.ndim != 1 or not isinstance(kind.dtype, types.Integer):
            raise TypingError(f"{name} must be an array of class indices, got {kind}")
    gradients = sampling.SampledGradients
    of_candidates = _no_offsets if _is_none(log_q) else _offsets
    of_labels = _no_offsets if _is_none(label_log_q) else _offsets

    def sampled_softmax_grad(x, w, b, y, candidates, log_q=None, label_log_q=None):
        (n_samples, n_in), n_classes, dtype = x.shape, w.shape[1], x.dtype
        if w.shape[0] != n_in or len(b) != n_classes or len(y) != n_samples or n_samples * n_in == 0:
            raise ValueError("x must have shape (n_samples, n_in), w (n_in, n_classes), b (n_classes,), y (n_samples,)")
        if len(candidates) == 0:
            raise ValueError("candidates is empty: at least one sampled class is needed")
        classes, slots, label_slots = _merged(_checked(candidates, n_classes), _checked(y, n_classes))
        n, k = len(slots), len(classes)
        q, label_q = of_candidates(log_q, n), of_labels(label_log_q, n_samples)
        table, rows, biases = zero_rows(k, n_in, dtype), padded_rows(x, dtype), np.empty(k, dtype)
        for i in range(k):
            biases[i] = b[classes[i]]
        row_step, column_step = w.strides[0] // w.itemsize, w.strides[1] // w.itemsize
        sampled_softmax.gather_columns_arrays(w.ctypes.data, row_step, column_step, classes, n_in, table)
        packed, dz, losses = zero_rows(n_in, n + 1, dtype), zero_rows(n_samples, n + 1, dtype), np.empty(n_samples)
        bias = np.zeros(packed.shape[1], dtype)
        sampled_softmax.sampled_softmax_arrays(
            rows, slots, label_slots, table, biases, q, label_q, 1 / n_samples, packed, bias, dz, losses
        )
        dx, dw, db = np.zeros_like(rows), np.zeros_like(table), np.zeros(k, dtype)
        work = np.empty((n, rows.shape[1]), dtype)
        sampled_softmax.sampled_gradients_arrays(rows, slots, label_slots, table, dz, work, dx, dw, db)
        loss = losses.sum() / n_samples
        return gradients(loss, dx[:, :n_in].copy(), classes, dw[:, :n_in].copy().T, db)

    return sampled_softmax_grad


@overload(sampling.sampled_softmax)
def _sampled_softmax(x, w, b, y, candidates, log_q=None, label_log_q=None):
    def sampled_softmax_loss(x, w, b, y, candidates, log_q=None, label_log_q=None):
        return sampling.sampled_softmax_grad(x, w, b, y, candidates, log_q, label_log_q).loss

    return sampled_softmax_loss
