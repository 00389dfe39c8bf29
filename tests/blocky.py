"""Matrices whose entries that are not zero lie together in some columns, as the pixels of an image do."""

import numpy as np

GROUP = 16  # columns; whole blocks of any kernel


def blocky(rng, n, n_features, dtype=np.uint8, share=0.15, filled=0.9):
    """Groups of columns, scattered over the matrix: each row has some of them, and of these nearly all columns."""
    group = rng.permutation(n_features) // GROUP
    has = rng.random((n, group.max() + 1)) < share
    values = rng.integers(1, 256, (n, n_features)) if dtype == np.uint8 else rng.uniform(0.1, 2.0, (n, n_features))
    return np.where(has[:, group] & (rng.random((n, n_features)) < filled), values, 0).astype(dtype)
