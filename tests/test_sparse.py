"""Rows that are mostly zeros: the same results as the oracle and the dense path, and when the path is taken."""

from itertools import pairwise

import numpy as np
import pytest
import reference_net
from runs import layouts, make_targets, sgd, train

from fastnet import Network, Trainer, passes
from fastnet import rows as user_rows
from fastnet.kernels import sparse
from fastnet.layout import unpack
from fastnet.network import Preprocessing
from fastnet.workspace import workspace

NETWORKS = [([60, 5], "softmax"), ([60, 10, 10], "softmax"), ([300, 70, 20, 3], "sigmoid"), ([2000, 25, 2], "identity")]
SETTINGS = [
    {"learning_rate": 0.05},
    {"learning_rate": 0.005, "weight_decay": 0.01, "momentum": 0.9},
    {"learning_rate": 0.005, "weight_decay": 0.01, "momentum": 0.9, "nesterov": True},
]


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def sparse_matrix(rng, n, n_features, dtype=np.uint8, density=0.15):
    values = rng.integers(1, 256, (n, n_features))
    return np.where(rng.random((n, n_features)) < density, values, 0).astype(dtype)


def centred(network, X, scale=1 / 255):
    kind = "uint8" if X.dtype == np.uint8 else "float"
    network.preprocessing = Preprocessing((X.mean(axis=0) * scale).astype(network.dtype), scale, kind)
    return network


@pytest.mark.parametrize(("sizes", "output"), NETWORKS)
@pytest.mark.parametrize("batch_size", [1, 7, 32])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_float64_epoch_equals_oracle(sizes, output, batch_size, dtype, rng, n_slices):
    settings = SETTINGS[batch_size % 3]
    X = sparse_matrix(rng, 101, sizes[0], dtype)
    X[5], X[:, 3] = 0, 0  # a row and a column without entries
    y, order = make_targets(output, len(X), sizes[-1], rng), rng.permutation(len(X))
    network = centred(Network(sizes, output=output, dtype="float64", seed=1), X)
    params = [w.copy() for w in network.weights], [b.copy() for b in network.biases]
    expected, hits = reference_net.train_epoch(
        params,
        reference_net.zero_velocity(params),
        X,
        y,
        order,
        batch_size,
        activation="tanh",
        output=output,
        scale=1 / 255,
        mean=network.preprocessing.mean,
        **settings,
    )
    losses, found_hits, run = train(network, X, y, order, batch_size, **settings)
    assert run.kind == "sparse"
    counts = np.minimum(batch_size, len(X) - np.arange(0, len(X), batch_size))
    np.testing.assert_allclose(losses * counts, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(found_hits, hits)
    for got, wanted in zip(network.weights + network.biases, params[0] + params[1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n_threads", [2, 5])
@pytest.mark.parametrize("per_call", [1, 10**9])
@pytest.mark.parametrize("settings", SETTINGS[:2])
def test_threads_and_cuts_change_no_bit(n_threads, per_call, settings, rng, n_slices):
    X, y, order = sparse_matrix(rng, 203, 90), rng.integers(0, 4, 203), rng.permutation(203)
    one, many = (centred(Network([90, 70, 30, 4], seed=0), X) for _ in range(2))
    train(one, X, y, order, 16, epochs=3, **settings)
    train(many, X, y, order, 16, n_threads=n_threads, per_call=per_call, epochs=3, **settings)
    np.testing.assert_array_equal(many.parameters, one.parameters)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_memory_layout_changes_no_bit(dtype, rng, tmp_path):
    X, y, order = sparse_matrix(rng, 67, 37, dtype), rng.integers(0, 4, 67), rng.permutation(67)

    def weights(X):
        network = Network([37, 26, 4], seed=0)
        X = network._check_inputs("X", X)
        assert train(centred(network, X), X, y, order, 8, learning_rate=0.1)[2].kind == "sparse"
        return network.parameters

    expected = weights(X)
    for name, other in layouts(X, tmp_path).items():
        np.testing.assert_array_equal(weights(other), expected, err_msg=name)


@pytest.mark.parametrize("decay", [0.0, 0.01, 0.1, 3.0])
def test_folded_decay_is_settled_in_time(decay, rng):
    """Hundreds of minibatches of one sample; a decay of 0.3 a minibatch is too large to be folded."""
    X, y, order = sparse_matrix(rng, 600, 40), rng.integers(0, 3, 600), rng.permutation(600)
    network = centred(Network([40, 6, 3], dtype="float64", seed=1), X)
    params = [w.copy() for w in network.weights], [b.copy() for b in network.biases]
    settings = {"learning_rate": 0.1, "weight_decay": decay}
    mean = network.preprocessing.mean
    options = {"activation": "tanh", "output": "softmax", "scale": 1 / 255, "mean": mean, **settings}
    velocity = reference_net.zero_velocity(params)
    expected, _ = reference_net.train_epoch(params, velocity, X, y, order, 1, **options)
    losses, _, run = train(network, X, y, order, 1, **settings)
    assert run.kind == "sparse"
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    np.testing.assert_allclose(network.weights[0], params[0][0], rtol=1e-9, atol=1e-12)


def test_sparse_is_near_dense(rng, monkeypatch):
    X, y, order = sparse_matrix(rng, 300, 200), rng.integers(0, 4, 300), rng.permutation(300)
    lists, dense = (centred(Network([200, 50, 4], seed=0), X) for _ in range(2))
    assert train(lists, X, y, order, 16, epochs=3, learning_rate=0.1)[2].kind == "sparse"
    monkeypatch.setattr(user_rows, "MAX_DENSITY", 0.0)
    assert train(dense, X, y, order, 16, epochs=3, learning_rate=0.1)[2].kind == "dense"
    np.testing.assert_allclose(lists.parameters, dense.parameters, rtol=1e-4, atol=1e-6)


def is_sparse(X, scale=1.0, n_out=10):
    mean = (X.mean(axis=0, dtype=np.float64) * scale).astype(np.float32)
    return user_rows.sparse_rows(X, scale, mean, n_out) is not None


def test_the_choice_follows_the_counted_zeros(rng, monkeypatch):
    assert is_sparse(sparse_matrix(rng, 500, 100, density=0.15))
    assert not is_sparse(sparse_matrix(rng, 500, 100, density=0.35))
    assert not is_sparse(rng.standard_normal((500, 100)).astype(np.float32))
    uneven = np.zeros((2000, 50), np.uint8)
    uneven[1::2] = 1  # the rows that are looked at first are empty
    assert not is_sparse(uneven)
    monkeypatch.setattr(user_rows, "MAX_BYTES", 1000)
    assert not is_sparse(sparse_matrix(rng, 500, 100, density=0.15))


def test_a_large_mean_is_not_folded(rng):
    """One column at a million: folded into the bias it would cost the other columns their digits."""
    X = sparse_matrix(rng, 500, 100, np.float32)
    assert is_sparse(X)
    X[:, 7] = 1e6 + rng.random(500)
    assert not is_sparse(X)
    assert user_rows.sparse_rows(X, 1.0, np.zeros(100, np.float32), 10) is not None


def entries(rows, record):
    """Columns and values of a record, with the zeros that fill it up."""
    begin, end = (int(n) for n in rows.starts[record : record + 2])
    size = rows.mean.itemsize
    record = rows.records[begin * (size + 2) : end * (size + 2)]
    return record[(end - begin) * size :].view(np.uint16), record[: (end - begin) * size].view(rows.mean.dtype)


@pytest.mark.parametrize("n_slices", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_entries_are_those_of_the_matrix(rng, n_slices, dtype):
    X, mean = sparse_matrix(rng, 40, 7000), rng.random(7000).astype(dtype) / 255
    found = user_rows.sparse_rows(X, 1 / 255, mean, 300, n_slices)
    n_blocks, again = len(found.bounds) - 1, np.zeros(X.shape, dtype)
    assert n_blocks > 2
    for row, block in np.ndindex(len(X), n_blocks):
        columns, values = entries(found, row * n_blocks + block)
        assert len(columns) % sparse.QUAD == 0
        assert ((columns >= found.bounds[block]) & (columns < found.bounds[block + 1])).all()
        np.add.at(again[row], columns, values)
    np.testing.assert_array_equal(again, (X * (1 / 255)).astype(dtype))
    cuts = found.bounds[:: n_blocks // n_slices]
    for piece, (start, stop) in enumerate(pairwise(cuts)):
        expected = again[:, start:stop] @ mean[start:stop]
        np.testing.assert_allclose(found.products[:, piece], expected, rtol=1e-5 if dtype == np.float32 else 1e-13)
        assert found.squares[piece] == pytest.approx(float(np.square(mean[start:stop], dtype=float).sum()))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_rows_that_change_while_they_are_read_are_not_written_out_of_bounds(rng, dtype):
    X = sparse_matrix(rng, 40, 50, dtype)
    found = user_rows.sparse_rows(X, 1.0, np.zeros(50, np.float32), 10)
    room = np.full(found.records.size + 1000, 77, np.uint8)
    moved = found._replace(records=room, address=room.ctypes.data + 500)
    X[:] = 1
    sparse.copy_entries(user_rows.dense_rows(X, 1.0, np.zeros(50, np.float32)), X[0], 40, moved)
    assert (room[:500] == 77).all()
    assert (room[500 + found.records.size :] == 77).all()


def test_kernels_equal_their_references(rng):
    X = sparse_matrix(rng, 20, 30).astype(np.float64)
    mean, network = X.mean(axis=0), Network([30, 7], output="identity", dtype="float64", seed=0)
    network.preprocessing = Preprocessing(mean, 1.0, "float")
    y = rng.standard_normal((20, 7))
    w, b = network.weights[0].copy(), network.biases[0].copy()
    dz = (sparse.forward_reference(X, mean, w, b) - y) / 20
    assert train(network, X, y, np.arange(20), 20, learning_rate=1.0)[2].kind == "sparse"
    np.testing.assert_allclose(network.weights[0], w - sparse.backward_reference(X, mean, dz), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("settings", SETTINGS[:2])
def test_step_by_step_equals_epoch(settings, rng):
    """The same bits with momentum; plain SGD settles what is folded after each step, which rounds differently."""
    X, y, order = sparse_matrix(rng, 50, 60), rng.integers(0, 4, 50), rng.permutation(50)
    epoch, steps = (centred(Network([60, 20, 4], seed=0), X) for _ in range(2))
    losses = train(epoch, X, y, order, 16, **settings)[0]
    net, targets = steps._packed(), steps._check_targets("y", y, len(X))
    rows = user_rows.sparse_rows(X, *steps._scaling(X), 20)
    work = workspace(steps._layers, steps.dtype, 16, 1, True, rows=rows)
    optimizer = sgd(net.packed.size, steps.dtype, **settings)
    found = []
    for start in range(0, 50, 16):
        batch = order[start : start + 16].astype(np.uint32)
        found.append(passes.train_step(net, rows, targets, batch, work, optimizer)[0])
    unpack(net.packed, net.layers, steps.parameters)
    tolerance = 0 if "momentum" in settings else 1e-5
    np.testing.assert_allclose(found, losses, rtol=tolerance)
    np.testing.assert_allclose(steps.parameters, epoch.parameters, rtol=tolerance, atol=tolerance / 10)


def test_the_history_names_the_path(rng):
    y = rng.integers(0, 3, 200)
    for X, expected in ((sparse_matrix(rng, 200, 50), "sparse"), (rng.standard_normal((200, 50)), "dense")):
        assert Trainer(Network([50, 5, 3], seed=0)).fit(X, y, epochs=1).first_layer == expected
