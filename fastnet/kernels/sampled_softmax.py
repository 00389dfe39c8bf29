"""Softmax cross-entropy over the target and some sampled classes.   x, dx (B, I); w (I, C), b (C,); dw (K, I), db (K,)

For row b with target y_b, and S candidates drawn with expected counts q:

    z_bs = x_b . w_s + b_s - log q_s          -inf where s is y_b: an accidental hit
    z_b* = x_b . w_y + b_y - log q_y
    loss_b = -log softmax(z_b1, ..., z_bS, z_b*)_*

Taking log q off makes the sampled softmax an estimate of the full one. Sources: Jean, Cho, Memisevic, Bengio, "On Using
Very Large Target Vocabulary for Neural Machine Translation", 2015; https://www.tensorflow.org/extras/candidate_sampling.pdf

Only K columns of w are read, those of candidates and targets. They are gathered into ``table`` (K, I), one class a
row, and their gradients come as such a table; the S candidates' part of all three products is dense.
"""

import numpy as np

from .._jit import core, entry, kernel
from ..simd import lanes, load, muladd, pointer, pointer_to, reduce_add, shift, splat, store
from . import dense
from .cross_entropy import softmax_cross_entropy_row
from .softmax import log_softmax_reference, softmax_reference


def sampled_softmax_reference(x, w, b, y, candidates, log_q, label_log_q):
    """NumPy twin: losses (B,) of each sample, and gradients of their sum: dx (B, I), dw (I, C), db (C,)."""
    rows = np.arange(len(y))
    full = x @ w + b
    z = np.column_stack([full[:, candidates] - log_q, full[rows, y] - label_log_q])
    z[:, :-1][candidates == y[:, None]] = -np.inf
    dz, d_full = softmax_reference(z), np.zeros_like(full)
    dz[:, -1] -= 1
    np.add.at(d_full, (rows[:, None], candidates), dz[:, :-1])
    np.add.at(d_full, (rows, y), dz[:, -1])
    return -log_softmax_reference(z)[:, -1], d_full @ w.T, x.T @ d_full, d_full.sum(axis=0)


@core
def _gather_columns(w, row_step, column_step, classes, n_in, table):
    """table (K, I) = the columns ``classes`` of w."""
    for k in range(len(classes)):
        start = np.int64(classes[k]) * column_step
        for i in range(n_in):
            table[k, i] = w[start + i * row_step]


@core
def _dot(a, b, n):
    """Product of two padded vectors whose padding is zero."""
    total = splat(a, 0.0)
    for j in range(0, n, lanes(a)):
        total = muladd(load(a, j), load(b, j), total)
    return reduce_add(total)


@core
def _add_multiple(a, factor, b, n):
    """a += factor * b for two padded vectors."""
    for j in range(0, n, lanes(a)):
        store(a, j, muladd(load(b, j), factor, load(a, j)))


@core
def _pack_candidates(table, slots, n_in, packed):
    """The candidates' rows of the table, transposed, as panels of ``packed`` (I, padded S + 1)."""
    columns, width = packed.shape[1], dense.panel_width(pointer(packed, 0))
    for s in range(len(slots)):
        start = s - s % width
        wide, to = min(width, columns - start), pointer(packed, n_in * start + s - start)
        for i in range(n_in):
            to[i * wide] = table[slots[s], i]


@kernel
def sampled_logits(x, slots, label_slots, table, biases, log_q, label_log_q, packed, offsets, z):
    """z (B, S + 1, padded): the candidates' logits, and last the target's."""
    n_in, n, columns, size = len(packed), len(slots), z.shape[1], x.shape[1]
    _pack_candidates(table, slots, n_in, packed)
    for s in range(n):
        offsets[s] = biases[slots[s]] - log_q[s]
    left, w, out = pointer(x, 0), pointer(packed, 0), pointer(z, 0)
    dense.dense_forward(left, size, w, pointer(offsets, 0), out, columns, len(x), n_in, 0, columns, columns)
    for b in range(len(x)):
        slot = label_slots[b]
        target = _dot(pointer(x, b * size), pointer(table, slot * size), size)
        z[b, n] = target + (biases[slot] - label_log_q[b])
        for s in range(n):
            if slots[s] == slot:
                z[b, s] = -np.inf


@kernel
def sampled_gradients(x, slots, label_slots, table, dz, work, dx, dw, db):
    """dx (B, I), dw (K, I) and db (K,), which hold zeros, from dz (B, S + 1); ``work`` (S, padded I)."""
    n, size, rows = len(slots), x.shape[1], len(x)
    for s in range(n):
        _copy(pointer(table, slots[s] * size), pointer(work, s * size), size)
    _candidate_products(pointer(dz, 0), dz.shape[1], pointer(work, 0), n, rows, pointer(dx, 0), size, False)
    _candidate_products(pointer(dz, 0), dz.shape[1], pointer(x, 0), n, rows, pointer(work, 0), size, True)
    for s in range(n):
        _add_multiple(pointer(dw, slots[s] * size), 1.0, pointer(work, s * size), size)
        for b in range(rows):
            db[slots[s]] += dz[b, s]
    for b in range(rows):
        d, slot = dz[b, n], label_slots[b]
        _add_multiple(pointer(dx, b * size), d, pointer(table, slot * size), size)
        _add_multiple(pointer(dw, slot * size), d, pointer(x, b * size), size)
        db[slot] += d


@core
def _copy(source, out, n):
    for j in range(0, n, lanes(out)):
        store(out, j, load(source, j))


@core
def _candidate_products(dz, dz_step, right, n, rows, out, size, transposed):
    """out = dz (B, S) @ right (S, I), or with ``transposed`` dz.T (S, B) @ right (B, I)."""
    width = dense.panel_width(dz)
    a_step, a_next, inner, height = (1, dz_step, rows, n) if transposed else (dz_step, 1, n, rows)
    for column in range(0, size, width):
        vectors = min(width, size - column) // lanes(dz)
        to = shift(out, column)
        dense.panel_product(dz, a_step, a_next, shift(right, column), size, inner, to, size, height, vectors, False)


@entry
def gather_columns_arrays(w, row_step, column_step, classes, n_in, table):
    """table (K, padded I) = the columns ``classes`` (K,) of w, which is given by its address and steps in elements."""
    _gather_columns(pointer_to(w, table.dtype.type), row_step, column_step, classes, n_in, table)


@entry
def sampled_softmax_arrays(x, slots, label_slots, table, biases, log_q, label_log_q, scale, packed, offsets, z, losses):
    """Losses (B,) and the gradients of z (B, padded S + 1)."""
    sampled_logits(x, slots, label_slots, table, biases, log_q, label_log_q, packed, offsets, z)
    n = len(slots)
    for b in range(len(x)):
        row = pointer(z, b * z.shape[1])
        losses[b], _ = softmax_cross_entropy_row(row, row, n + 1, n, scale)


@entry
def sampled_gradients_arrays(x, slots, label_slots, table, dz, work, dx, dw, db):
    """dx (B, padded I), dw (K, padded I) and db (K,), which hold zeros, from dz (B, padded S + 1)."""
    sampled_gradients(x, slots, label_slots, table, dz, work, dx, dw, db)
