"""Data whose entries that are not zero lie together, and the same fits without blocks: what tests of blocks share."""

import numpy as np

from fastnet import rows, run

GROUP = 16  # as many columns as a vector has lanes at most


def blocky(rng, n, n_features, dtype=np.uint8):
    """Return rows of which random groups of columns, whose order is shuffled, are active together, others rarely."""
    n_groups = n_features // GROUP
    active = np.repeat(rng.random((n, n_groups)) < 0.2, GROUP, axis=1) & (rng.random((n, n_groups * GROUP)) < 0.95)
    active = np.hstack([active, rng.random((n, n_features - n_groups * GROUP)) < 0.02])
    active[n // 2], active[:, -1] = False, False  # a row and a column without entries
    active[n // 3] = np.arange(n_features) == 5  # a row of a single one
    return np.where(active, rng.integers(1, 256, active.shape), 0)[:, rng.permutation(n_features)].astype(dtype)


def without_blocks(monkeypatch):
    """From now on rows are lists of entries where they would be blocks."""
    monkeypatch.setattr(run, "block_rows", lambda *arguments: None)


def only_dense(monkeypatch):
    """From now on all rows are dense."""
    without_blocks(monkeypatch)
    monkeypatch.setattr(rows, "MAX_DENSITY", 0.0)
