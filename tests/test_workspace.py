"""The buffers of a fit: nobody writes beyond them."""

import numpy as np
import pytest
from block_data import blocky

from fastnet import Network, Trainer, block_rows, layout, rows, workspace

FITS = [
    ((784, 30, 2), {}),
    ((784, 10, 10), {"momentum": 0.0}),
    ((785, 7, 3), {}),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["dense", "sparse", "blocks"])
@pytest.mark.parametrize(
    ("sizes", "settings"), [((784, 30, 2), {}), ((784, 10, 10), {"momentum": 0.0}), ((785, 7, 3), {})]
)
def test_nothing_is_written_beyond_a_buffer(kind, sizes, settings, dtype, monkeypatch):
    rng, rooms, aligned_zeros = np.random.default_rng(0), [], layout.aligned_zeros

    def guarded(n, dtype):
        rooms.append(aligned_zeros(n + 128, dtype))
        rooms[-1].fill(77)
        rooms[-1][64:-64] = 0
        return rooms[-1][64:-64]

    for module in (workspace, rows, block_rows):
        monkeypatch.setattr(module, "aligned_zeros", guarded)
    X = blocky(rng, 200, sizes[0]) if kind == "blocks" else rng.integers(1, 256, (200, sizes[0]), np.uint8)
    if kind == "sparse":
        X[rng.random(X.shape) < 0.9] = 0
    network = Network(sizes, seed=0, dtype=dtype)
    trainer = Trainer(network, batch_size=64, seed=0, n_threads=2, **settings)
    assert trainer.fit(X, rng.integers(0, sizes[-1], 200), epochs=2).first_layer == kind
    network.predict(X)
    assert len(rooms) > 5
    for room in rooms:
        assert (room[:64] == 77).all()
        assert (room[-64:] == 77).all()
