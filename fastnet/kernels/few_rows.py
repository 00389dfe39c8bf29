"""Fully connected layer on few rows, trained by plain SGD.   x (B, I), wt (O, I), b (O,), out, dout (B, O), dx (B, I)

forward    out = x @ wt.T + b
backward   dx  = dout @ wt
update     wt  = wt - learning_rate * (dout.T @ x + weight_decay * wt)      b = b - learning_rate * dout.sum(axis=0)

For single rows ``dense.py`` waits: its sums run along the inputs one by one, and weights are updated and then copied
to their transpose. Here there is only the transpose, whose lanes run along the inputs: 300-10 at B = 1, loss and
update included, takes 0.85 µs instead of 3.0. Rows of wt are ``step`` elements apart, padded with zeros to whole
vectors, and followed by rows of zeros up to a whole number of vectors; columns of x beyond I must be zero, too.
"""

from .._jit import core, kernel
from ..simd import lanes, load, muladd, shift, splat, store
from ..tiles import (
    square_zeros,
    tile_load,
    tile_muladd,
    tile_muladd_vector,
    tile_plus,
    tile_row_sums,
    tile_store,
    tile_zeros,
)
from . import dense


def few_rows_reference(x, wt, b, dout, learning_rate, weight_decay):
    """NumPy twin: out, dx, new wt and b."""
    new = wt - learning_rate * (dout.T @ x + weight_decay * wt)
    return x @ wt.T + b, dout @ wt, new, b - learning_rate * dout.sum(axis=0)


@kernel
def to_rows(w, n_in, n_out, wt, step):
    """Copy packed weights (I, O) to rows of their transpose."""
    _copy(w, n_in, n_out, wt, step, True)


@kernel
def from_rows(w, n_in, n_out, wt, step):
    """Opposite of ``to_rows``."""
    _copy(w, n_in, n_out, wt, step, False)


@core
def _copy(w, n_in, n_out, wt, step, forth):
    full, columns = dense.panel_width(w), dense.padded(n_out, w)
    for start in range(0, n_out, full):
        width, panel = min(full, columns - start), dense.panel(w, n_in, start)
        for i in range(n_in):
            for j in range(min(width, n_out - start)):
                if forth:
                    wt[(start + j) * step + i] = panel[i * width + j]
                else:
                    panel[i * width + j] = wt[(start + j) * step + i]


@kernel
def few_forward(x, x_step, wt, step, n_in, b, out, out_step, rows, columns):
    """out (B, O) = x @ wt.T + b, for whole vectors of columns; ``n_in`` is rounded up to whole vectors."""
    for m in range(rows):
        for o in range(0, columns, lanes(x)):
            tile, line, to = square_zeros(x), shift(x, m * x_step), shift(out, m * out_step + o)
            for i in range(0, n_in, lanes(x)):
                tile = tile_muladd_vector(tile, load(line, i), shift(wt, o * step + i), step)
            tile_row_sums(tile, to)
            store(to, 0, load(to, 0) + load(b, o))


@kernel
def few_backward_input(dout, dout_step, wt, step, rows, n_out, dx, dx_step, columns):
    """dx (B, I) = dout (B, O) @ wt (O, I); ``columns`` is I rounded up to whole vectors."""
    width = dense.panel_width(wt)
    for i in range(0, columns, width):
        vectors = min(width, columns - i) // lanes(wt)
        dense.panel_product(dout, dout_step, 1, shift(wt, i), step, n_out, shift(dx, i), dx_step, rows, vectors, False)


@core
def _step(tile, x, x_step, dout, dout_step, rows, wt, learning_rate, weight_decay):
    """As many vectors of a row of wt as the tile has."""
    old = tile_load(tile, wt, 0)
    gradient = tile_plus(tile, weight_decay, old)
    for m in range(rows):
        gradient = tile_muladd(gradient, shift(dout, m * dout_step), 0, shift(x, m * x_step))
    tile_store(tile_plus(old, -learning_rate, gradient), wt, 0)


@kernel
def few_step(x, x_step, dout, dout_step, rows, wt, step, n_in, n_out, learning_rate, weight_decay):
    """wt (O, I) -= learning_rate * (dout.T @ x + weight_decay * wt); ``n_in`` is rounded up to whole vectors."""
    width, rates = 3 * lanes(x), (learning_rate, weight_decay)
    whole = n_in - n_in % width
    for o in range(n_out):
        d, line = shift(dout, o), shift(wt, o * step)
        for i in range(0, whole, width):
            _step(tile_zeros(x, 1, 3), shift(x, i), x_step, d, dout_step, rows, shift(line, i), *rates)
        for i in range(whole, n_in, lanes(x)):
            _step(tile_zeros(x, 1, 1), shift(x, i), x_step, d, dout_step, rows, shift(line, i), *rates)


@kernel
def few_bias(b, dout, dout_step, rows, columns, learning_rate):
    """b (O,) = b - learning_rate * dout.sum(axis=0), for whole vectors."""
    for j in range(0, columns, lanes(b)):
        total = splat(b, 0.0)
        for m in range(rows):
            total = total + load(dout, m * dout_step + j)
        store(b, j, muladd(-learning_rate, total, load(b, j)))
