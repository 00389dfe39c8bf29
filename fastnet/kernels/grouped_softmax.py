"""Softmax cross-entropy of several rows at once, for few classes.   z, dz (B, C), rows padded

loss_b = -log p_y            dz_j = (p_j - [j == y]) * scale_b          p = softmax(z)

The samples lie along the lanes, so that the largest logit, the sums and the logarithm of as many rows as there are
lanes are found together: a row of 10 classes takes 17 ns, and 43 row by row (``cross_entropy.py``). The formulas are
those of ``cross_entropy.softmax_cross_entropy_row``, with sums over the classes in order. No row depends on its
neighbours.
"""

import numpy as np

from .._jit import core, kernel
from ..simd import lanes, load, select, shift, splat, store, widen
from ..tiles import square_load, square_store, square_transpose, square_zeros, tile_load, tile_store
from .elementary import exp_core, log1p_core

MOST_CLASSES = 64


@core
def _transpose_in(z, step, rows, n_classes, work):
    """work (C, L) = z (rows, C).T; the last row fills up the lanes."""
    for j in range(0, n_classes, lanes(z)):
        tile = square_transpose(square_load(square_zeros(z), shift(z, j), step, rows))
        tile_store(tile, shift(work, j * lanes(z)), lanes(z))


@core
def _transpose_out(work, n_classes, dz, step, rows):
    """Opposite of ``_transpose_in``."""
    for j in range(0, n_classes, lanes(dz)):
        tile = square_transpose(tile_load(square_zeros(dz), shift(work, j * lanes(dz)), lanes(dz)))
        square_store(tile, shift(dz, j), step, rows)


@kernel
def softmax_cross_entropy_group(z, dz, step, rows, n_classes, targets, scales, work, losses, hits):
    """At most as many rows as there are lanes: writes ``dz`` (may be ``z``), their losses and whether they are right.

    ``targets`` and ``scales`` (L,) are of the network's dtype, the last repeated where rows lack; so are ``hits`` (L,),
    0 or 1; ``losses`` (L,) are float64. ``work`` has room for C padded x L. A target outside [0, C) gives a gradient of
    zero and a loss of NaN.
    """
    size = lanes(z)
    _transpose_in(z, step, rows, n_classes, work)
    target, none = load(targets, 0), splat(z, float(n_classes))
    top, best, meant = splat(z, -np.inf), none, splat(z, np.nan)
    for j in range(n_classes):
        logit, here = load(work, j * size), float(j)
        best = select(logit > top, here, best)
        top = select(logit > top, logit, top)
        meant = select(target == here, logit, meant)
    but_best, but_target = splat(z, 0.0), splat(z, 0.0)
    for j in range(n_classes):
        e, here = exp_core(load(work, j * size) - top), float(j)
        store(work, j * size, e)
        but_best = but_best + select(best == here, 0.0, e)
        but_target = but_target + select(target == here, 0.0, e)
    factor = select(target < float(n_classes), load(scales, 0) / (1.0 + but_best), 0.0)
    factor = select(target < 0.0, 0.0, factor)
    for j in range(n_classes):
        store(work, j * size, select(target == float(j), -but_target * factor, load(work, j * size) * factor))
    for j in range(n_classes, -(-n_classes // size) * size):
        store(work, j * size, splat(z, 0.0))
    _transpose_out(work, n_classes, dz, step, rows)
    store(losses, 0, widen(log1p_core(but_best)) - (widen(meant) - widen(top)))
    store(hits, 0, select(best == target, select(meant == meant, splat(z, 1.0), 0.0), 0.0))
