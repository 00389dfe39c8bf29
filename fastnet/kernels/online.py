"""Online learning, one sample at a time, on weights as they lie in a plain array.   x (I,), w (I, O), z, dz (O,)

forward    z  = x @ w + b
backward   dx = w @ dz
update     g  = outer(x, dz) + wd * w      v = m * v - lr * g      w += v        (for biases I = 1, x = 1 and wd = 0)

Rows of w follow each other without padding. If O is not a whole number of vectors, the last vector of a row overlaps
the one before; only rows narrower than a vector are masked, because masked stores are slow (12 cycles on Zen 3).

A block of samples in the first layer
  Its inputs are known beforehand, so w is read and written once a block instead of twice a sample. As w changes
  by outer products only, x_k sees, with u the velocity before the block,

    w_k = p_k w_0 + q_k u_0 + sum_{j<k} r_{k-j} outer(x_j, dz_j)
    u_k = s_k w_0 + t_k u_0 + sum_{j<k} h_{k-j} outer(x_j, dz_j)

    x_k @ w_k = p_k (x_k @ w_0) + q_k (x_k @ u_0) + sum_{j<k} r_{k-j} (x_k . x_j) dz_j

  The products with w_0 and u_0 and the sum at the end of the block are products of matrices, and the products
  x_k . x_j cost O(count) a sample more. All six coefficients follow from u' = m u - lr wd w, w' = w + u'. This is
  the same learning in another order of additions: no sample sees other weights than it would see one by one.
  784-10-10, float64, Zen 3: 1.7 µs a sample instead of 6.
"""

import numpy as np
from numba import float64

from .._jit import core, kernel
from ..simd import lane_index, lanes, load, load_first, muladd, reduce_add, select, shift, splat, store, store_first
from ..tiles import tile_load, tile_muladd, tile_muladd_rows, tile_plus, tile_store, tile_sum, tile_zeros
from .dense import panel_width
from .softmax import log1p, row_exp, row_max

INPUT_BLOCK = 200

# Rows of the table of coefficients.
P, Q, R, S, T, H = range(6)


# -- references ----------------------------------------------------------------------------------------


def online_update_reference(w, v, x, dz, learning_rate, weight_decay, momentum):
    """NumPy twin of ``row_update``: new w, new v and the gradient."""
    g = np.outer(x, dz) + weight_decay * w
    v = momentum * v - learning_rate * g
    return w + v, v, g


def softmax_sample_reference(z, target):
    """NumPy twin of ``softmax_sample``: probabilities, their gradient and the loss."""
    p = np.exp(z - z.max())
    p /= p.sum()
    dz = p.copy()
    dz[target] -= 1
    return p, dz, -np.log(p[target])


def block_reference(w, v, x, dz, learning_rate, weight_decay, momentum):
    """NumPy twin of a block: what each x (count, I) gives with the weights of its turn, and the last w and v."""
    seen = np.empty_like(dz)
    for k, (row, d) in enumerate(zip(x, dz, strict=True)):
        seen[k] = row @ w
        w, v, _ = online_update_reference(w, v, row, d, learning_rate, weight_decay, momentum)
    return seen, w, v


# -- forward -------------------------------------------------------------------------------------------


@core
def _panel_forward(tile, x, w, step, n_in, z):
    """z = x @ w for as many columns as ``tile`` (one row) has; four sums at a time hide the latency of each."""
    a, b, c, d = tile, tile, tile, tile
    whole = n_in - n_in % 4
    for i in range(0, whole, 4):
        a = tile_muladd_rows(a, shift(x, i), shift(w, i * step), step)
        b = tile_muladd_rows(b, shift(x, i + 1), shift(w, (i + 1) * step), step)
        c = tile_muladd_rows(c, shift(x, i + 2), shift(w, (i + 2) * step), step)
        d = tile_muladd_rows(d, shift(x, i + 3), shift(w, (i + 3) * step), step)
    for i in range(whole, n_in):
        a = tile_muladd_rows(a, shift(x, i), shift(w, i * step), step)
    tile_store(tile_sum(tile_sum(a, b), tile_sum(c, d)), z, step)


@core
def _last_panel_forward(tile, last, x, w, step, n_in, z, ahead):
    """The same with one more vector, ``ahead`` of the others by less than they are wide: rows are read once."""
    a, b, c, d = tile, tile, last, last
    whole = n_in - n_in % 2
    for i in range(0, whole, 2):
        row, next_row = shift(w, i * step), shift(w, (i + 1) * step)
        a, c = tile_muladd_rows(a, shift(x, i), row, step), tile_muladd_rows(c, shift(x, i), shift(row, ahead), step)
        b = tile_muladd_rows(b, shift(x, i + 1), next_row, step)
        d = tile_muladd_rows(d, shift(x, i + 1), shift(next_row, ahead), step)
    for i in range(whole, n_in):
        row = shift(w, i * step)
        a, c = tile_muladd_rows(a, shift(x, i), row, step), tile_muladd_rows(c, shift(x, i), shift(row, ahead), step)
    tile_store(tile_sum(a, b), z, step)
    tile_store(tile_sum(c, d), shift(z, ahead), step)


@core
def _narrow_forward(x, w, n_in, n_out, z):
    """z = x @ w for rows narrower than a vector: whole vectors would read beyond the last row."""
    total = splat(w, 0.0)
    for i in range(n_in):
        total = muladd(x[i], load_first(w, i * n_out, n_out, 0.0), total)
    store(z, 0, total)


@core
def _rest_forward(x, w, n_in, n_out, z, start):
    """Columns from ``start`` on, less than a panel; the last vector overlaps the one before unless it just fits."""
    width, rest = lanes(w), n_out - start
    from_w, to, ahead = shift(w, start), shift(z, start), rest - width
    if rest == 2 * width:
        _panel_forward(tile_zeros(w, 1, 2), x, from_w, n_out, n_in, to)
    elif rest > 2 * width:
        _last_panel_forward(tile_zeros(w, 1, 2), tile_zeros(w, 1, 1), x, from_w, n_out, n_in, to, ahead)
    elif rest > width:
        _last_panel_forward(tile_zeros(w, 1, 1), tile_zeros(w, 1, 1), x, from_w, n_out, n_in, to, ahead)
    elif rest > 0:
        _panel_forward(tile_zeros(w, 1, 1), x, shift(from_w, ahead), n_out, n_in, shift(to, ahead))


@kernel
def row_forward(x, w, b, z, n_in, n_out):
    """z (O padded,) = x (I,) @ w (I, O) + b (O,); the padding of ``z`` is left alone or becomes zero."""
    three = panel_width(w)
    if n_out < lanes(w):
        _narrow_forward(x, w, n_in, n_out, z)
    else:
        wide = n_out - n_out % three
        for j in range(0, wide, three):
            _panel_forward(tile_zeros(w, 1, 3), x, shift(w, j), n_out, n_in, shift(z, j))
        _rest_forward(x, w, n_in, n_out, z, wide)
    for j in range(n_out):
        z[j] += b[j]


@kernel
def all_finite(z, n):
    """Whether ``n`` numbers, padded with finite ones, are all finite."""
    total = splat(z, 0.0)
    for j in range(0, n, lanes(z)):
        value = load(z, j)
        total = total + (value - value)
    return reduce_add(total) == 0.0


@kernel
def softmax_sample(z, p, dz, n_classes, target):
    """p = softmax(z) and dz = p - onehot(target), all padded; returns the loss. ``p`` may be ``z``.

    The loss comes from the logits and is never clipped. A target outside [0, C) gives NaN and reads nothing.
    """
    if not 0 <= target < n_classes:
        return np.nan
    top, best = row_max(z, n_classes)
    difference = float64(z[target]) - float64(top)
    rest, _ = row_exp(z, p, n_classes, top, best, best)
    scale = 1 / (1 + rest)
    for j in range(0, n_classes, lanes(z)):
        probability = load(p, j) * scale
        store(p, j, probability)
        store(dz, j, select(lane_index(z) == target - j, probability - 1.0, probability))
    return log1p(z, rest) - difference


# -- backward ------------------------------------------------------------------------------------------


@core
def _dot(w, dz, n):
    """w . dz for a row of ``n`` weights; ``dz`` is padded with anything finite."""
    whole = n - n % lanes(w)
    total = splat(w, 0.0)
    for j in range(0, whole, lanes(w)):
        total = muladd(load(w, j), load(dz, j), total)
    if whole < n:
        total = muladd(load_first(w, whole, n - whole, 0.0), load(dz, whole), total)
    return reduce_add(total)


@kernel
def row_backward(w, dz, dx, n_in, n_out):
    """dx (I,) = w (I, O) @ dz (O padded,)."""
    for i in range(n_in):
        dx[i] = _dot(shift(w, i * n_out), dz, n_out)


# -- update --------------------------------------------------------------------------------------------


@core
def _moved(w, v, g, learning_rate, momentum):
    """New weights and velocity of one vector; without momentum there is no velocity to read."""
    if momentum == 0.0:
        return muladd(-learning_rate, g, w), v
    v = muladd(momentum, v, -learning_rate * g)
    return w + v, v


@core
def _update_row(w, v, gradient, x, dz, n_out, learning_rate, weight_decay, momentum, keep):
    """Update one row of a vector or more. Its last vector is computed before the one that it overlaps is written."""
    last = n_out - lanes(w)
    old_w = load(w, last)
    old_v = load(v, last) if momentum != 0.0 else old_w
    last_g = muladd(weight_decay, old_w, x * load(dz, last))
    last_w, last_v = _moved(old_w, old_v, last_g, learning_rate, momentum)
    for j in range(0, last, lanes(w)):
        old_w = load(w, j)
        old_v = load(v, j) if momentum != 0.0 else old_w
        g = muladd(weight_decay, old_w, x * load(dz, j))
        new_w, new_v = _moved(old_w, old_v, g, learning_rate, momentum)
        store(w, j, new_w)
        if keep:
            store(gradient, j, g)
        if momentum != 0.0:
            store(v, j, new_v)
    store(w, last, last_w)
    if keep:
        store(gradient, last, last_g)
    if momentum != 0.0:
        store(v, last, last_v)


@core
def _update_narrow_row(w, v, gradient, x, dz, n_out, learning_rate, weight_decay, momentum, keep):
    """Update one row of less than a vector."""
    old_w = load_first(w, 0, n_out, 0.0)
    old_v = load_first(v, 0, n_out, 0.0) if momentum != 0.0 else old_w
    g = muladd(weight_decay, old_w, x * load(dz, 0))
    new_w, new_v = _moved(old_w, old_v, g, learning_rate, momentum)
    store_first(w, 0, new_w, n_out)
    if keep:
        store_first(gradient, 0, g, n_out)
    if momentum != 0.0:
        store_first(v, 0, new_v, n_out)


@kernel
def row_update(w, v, gradient, x, dz, n_in, n_out, learning_rate, weight_decay, momentum, keep):
    """One step of w (I, O) and v (I, O); writes the gradient (I, O) if ``keep``. ``dz`` is padded.

    With a momentum of 0 ``v`` is neither read nor written: it may point anywhere.
    """
    rates = (learning_rate, weight_decay, momentum)
    if n_out < lanes(w):
        for i in range(n_in):
            at = i * n_out
            _update_narrow_row(shift(w, at), shift(v, at), shift(gradient, at), x[i], dz, n_out, *rates, keep)
    else:
        for i in range(n_in):
            at = i * n_out
            _update_row(shift(w, at), shift(v, at), shift(gradient, at), x[i], dz, n_out, *rates, keep)


# -- blocks of samples ---------------------------------------------------------------------------------


@kernel
def coefficients(table, step, count, learning_rate, weight_decay, momentum):
    """Rows p, q, r, s, t, h of ``table`` (6, count + 1), ``step`` apart; entry k belongs to k samples."""
    decay = learning_rate * weight_decay
    for w_row, u_row, w, u in ((P, S, 1.0, 0.0), (Q, T, 0.0, 1.0), (R, H, 0.0, 0.0)):
        for k in range(count + 1):
            table[w_row * step + k], table[u_row * step + k] = w, u
            impulse = learning_rate if w_row == R and k == 0 else 0.0
            u = momentum * u - decay * w - impulse
            w = w + u


@core
def _dots(left, left_step, right, right_step, n, out, left_out, right_out):
    """Products of 2 rows with 4 others, each of ``n`` padded elements: eight sums hide the latency of each.

    The product of rows l and r goes to ``out[l * left_out + r * right_out]``.
    """
    a0, a1, a2, a3 = splat(left, 0.0), splat(left, 0.0), splat(left, 0.0), splat(left, 0.0)
    b0, b1, b2, b3 = splat(left, 0.0), splat(left, 0.0), splat(left, 0.0), splat(left, 0.0)
    for i in range(0, n, lanes(left)):
        a, b = load(left, i), load(left, left_step + i)
        c = load(right, i)
        a0, b0 = muladd(a, c, a0), muladd(b, c, b0)
        c = load(right, right_step + i)
        a1, b1 = muladd(a, c, a1), muladd(b, c, b1)
        c = load(right, 2 * right_step + i)
        a2, b2 = muladd(a, c, a2), muladd(b, c, b2)
        c = load(right, 3 * right_step + i)
        a3, b3 = muladd(a, c, a3), muladd(b, c, b3)
    below = shift(out, left_out)
    out[0], below[0] = out[0] + reduce_add(a0), below[0] + reduce_add(b0)
    out[right_out], below[right_out] = out[right_out] + reduce_add(a1), below[right_out] + reduce_add(b1)
    third, last = 2 * right_out, 3 * right_out
    out[third], below[third] = out[third] + reduce_add(a2), below[third] + reduce_add(b2)
    out[last], below[last] = out[last] + reduce_add(a3), below[last] + reduce_add(b3)


@kernel
def inner_products(x, x_step, n, count, out, step):
    """out[k, j] += x_k . x_j for j < k < count; both matrices have room for ``count`` rounded up to 4 rows.

    Other entries of ``out`` may be written, too.
    """
    for k in range(0, count, 2):
        for j in range(0, k + 1, 4):
            _dots(shift(x, k * x_step), x_step, shift(x, j * x_step), x_step, n, shift(out, k * step + j), step, 1)


@kernel
def weight_products(x, x_step, n, count, wt, step, units, out, columns):
    """out[k, o] += x_k . wt_o for ``count`` samples, rounded up to 4, and ``units`` rows of weights, an even number."""
    for o in range(0, units, 2):
        for k in range(0, count, 4):
            at = shift(out, k * columns + o)
            _dots(shift(wt, o * step), step, shift(x, k * x_step), x_step, n, at, 1, columns)


@core
def input_block(n, like):
    """Inputs (whole vectors) that a block's products are cut into: those of 8 samples stay in the L1 cache."""
    blocks = -(-n // INPUT_BLOCK)
    return -(-n // (blocks * lanes(like))) * lanes(like)


@kernel
def block_sample(k, products, q_products, inner, dz, columns, table, step, z):
    """z (O,) = x_k @ w_k from the products with w_0 and u_0 and from the earlier dz (k, O), all padded."""
    for j in range(0, columns, lanes(z)):
        total = table[P * step + k] * load(products, j)
        if table[Q * step + k] != 0.0:
            total = muladd(table[Q * step + k], load(q_products, j), total)
        for i in range(k):
            total = muladd(table[R * step + k - i] * inner[i], load(dz, i * columns + j), total)
        store(z, j, total)


@core
def _update_vectors(tile, start, stop, rows, x, x_step, dz, columns, count, out, step, p, wt, q, ut):
    """Units ``start`` to ``stop``, ``rows`` at a time, but only as many inputs as ``tile`` is wide."""
    for o in range(start, stop, rows):
        total = tile
        for k in range(count):
            total = tile_muladd(total, shift(dz, k * columns + o), 1, shift(x, k * x_step))
        total = tile_plus(total, p, tile_load(tile, shift(wt, o * step), step))
        if q != 0.0:
            total = tile_plus(total, q, tile_load(tile, shift(ut, o * step), step))
        tile_store(total, shift(out, o * step), step)


@kernel
def block_update(x, x_step, n, dz, columns, count, units, out, step, p, wt, q, ut):
    """out (O, I) = p wt + q ut + dz.T @ x with x (count, I) and dz (count, O); ``n`` is I padded, O even.

    ``out`` may be ``wt``; without q ``ut`` is not read.
    """
    width, fours = 3 * lanes(x), units - units % 4
    for i in range(0, n - n % width, width):
        b, to, p_wt, q_ut = shift(x, i), shift(out, i), shift(wt, i), shift(ut, i)
        _update_vectors(tile_zeros(x, 4, 3), 0, fours, 4, b, x_step, dz, columns, count, to, step, p, p_wt, q, q_ut)
        _update_vectors(tile_zeros(x, 2, 3), fours, units, 2, b, x_step, dz, columns, count, to, step, p, p_wt, q, q_ut)
    for i in range(n - n % width, n, lanes(x)):
        b, to, p_wt, q_ut = shift(x, i), shift(out, i), shift(wt, i), shift(ut, i)
        _update_vectors(tile_zeros(x, 2, 1), 0, units, 2, b, x_step, dz, columns, count, to, step, p, p_wt, q, q_ut)


@kernel
def transpose(w, rows, columns, w_step, out, out_step):
    """Copy the transpose of w (rows, columns), whose rows lie ``w_step`` apart, to out (columns, rows)."""
    for start in range(0, rows, 8):  # a cache line of the result at a time
        for j in range(columns):
            for i in range(start, min(start + 8, rows)):
                out[j * out_step + i] = w[i * w_step + j]


@kernel
def scale_rows(dz, factors, step, count, columns, out):
    """out_k = dz_k * factors[count - k] for ``count`` rows: what the sums at a block's end take."""
    for k in range(count):
        for j in range(0, columns, lanes(dz)):
            store(out, k * columns + j, load(dz, k * columns + j) * factors[step + count - k])
