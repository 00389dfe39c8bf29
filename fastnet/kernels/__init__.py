"""Compiled kernels, one room per operation; each room: formula, NumPy reference, cores, forward, backward.

Letters: B batch (rows), I fan-in, O fan-out, C classes. ``dx`` is the gradient of the loss with respect to
``x``. Inputs come first, outputs last; outputs are overwritten and may hold NaN before; nothing is allocated.

Rules of the house
  Pointers, not arrays: ``x, x_step`` is a matrix whose rows lie ``x_step`` elements apart.
  Rows are padded to whole vectors. The padding of weights, biases and gradients (deltas) holds zeros, so that a sum
  over it needs no special case. The padding of outputs is finite but need not be zero (0.5 after sigmoid): no
  result depends on it.
  Nothing here checks bounds, dtypes or labels: the door (``checks.py``) does, once.
  A room ends with what Python calls: entries for whole arrays, named ``*_arrays``. Arrays that are only read enter
  as C-contiguous data at an address, so that read-only ones compile nothing new.
"""
