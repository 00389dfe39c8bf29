"""The three gradients of a fully connected layer for whole arrays; the products are those of ``dense.py``.

x (B, I), w (I, O), dout (B, O), dx (B, I), dw (I, O), db (O,)

dx = dout @ w.T      dw = x.T @ dout      db = dout.sum(axis=0)
"""

from .._jit import entry
from ..simd import lanes, pointer, pointer_to, shift
from . import dense


@entry
def dense_backward_arrays(x, dout, packed, transposed, dx, dw, db):
    """dx (B, padded), dw (I, padded) and db (padded,); x (B, I) is given by its address.

    dout (B, padded) has zeros in its padding; ``packed`` holds w (I, padded) in panels, ``transposed`` (O, padded) has
    room for its transpose.
    """
    (n_in, columns), rows, to = packed.shape, len(dout), pointer(transposed, 0)
    n_out, width, d = len(transposed), dense.panel_width(pointer(dout, 0)), pointer(dout, 0)
    for column in range(0, n_out, width):
        dense.pack_transposed(pointer(packed, 0), n_in, n_out, column, 0, n_in, to)
    dense.dense_backward_input(d, columns, to, rows, n_out, pointer(dx, 0), dx.shape[1], dx.shape[1])
    left = pointer_to(x, dout.dtype.type)
    for column in range(0, columns, width):
        vectors = min(width, columns - column) // lanes(d)
        right, out = shift(d, column), pointer(dw, column)
        dense.panel_product(left, 1, n_in, right, columns, rows, out, columns, n_in, vectors, False)
    dense.dense_backward_bias(d, columns, rows, pointer(db, 0), columns)


@entry
def pack_arrays(w, n_out, packed):
    """Copy w (I, O), given by its address, into the panels of ``packed`` (I, padded), which holds zeros."""
    dense.pack(pointer_to(w, packed.dtype.type), len(packed), n_out, pointer(packed, 0))
