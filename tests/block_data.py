"""Data whose entries that are not zero lie together, and the same fits without blocks: what tests of blocks share."""

import numpy as np

from fastnet import rows, run

GROUP = 16  # as many columns as a vector has lanes at most


def blocky(rng, n, n_features, dtype=np.uint8, shuffled=True):
    """Return rows of which random groups of neighbouring columns, in an order of their own, are active together."""
    n_groups = -(-n_features // GROUP)
    active = np.repeat(rng.random((n, n_groups)) < 0.2, GROUP, axis=1)[:, :n_features]
    values = np.where(active & (rng.random((n, n_features)) < 0.8), rng.integers(1, 256, (n, n_features)), 0)
    values[n // 2], values[:, 3] = 0, 0  # a row and a column without entries
    values[n // 3, 5] = 9  # a single entry
    return values[:, rng.permutation(n_features) if shuffled else slice(None)].astype(dtype)


def without_blocks(monkeypatch):
    """From now on rows are lists of entries where they would be blocks."""
    monkeypatch.setattr(run, "block_rows", lambda *arguments: None)


def only_dense(monkeypatch):
    """From now on all rows are dense."""
    without_blocks(monkeypatch)
    monkeypatch.setattr(rows, "MAX_DENSITY", 0.0)
