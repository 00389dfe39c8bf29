"""Training in a given order, below the Trainer: what tests of the compiled epoch share."""

import numpy as np
import pytest
import reference_net

from fastnet._parallel import crew
from fastnet.kernels.adam import Adam
from fastnet.kernels.sgd import Sgd
from fastnet.layout import aligned_zeros
from fastnet.run import Run

# For comparisons of bits, where another dtype is another quarter of a minute of compiling.
BITS = pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])


def make_targets(output, n, n_outputs, rng):
    if output.startswith("softmax"):
        return rng.integers(0, n_outputs, n)
    if output.startswith("sigmoid"):
        return rng.integers(0, 2, (n, n_outputs)).astype(float)
    return rng.standard_normal((n, n_outputs))


def sgd(size, dtype, learning_rate, momentum=0.0, nesterov=False, weight_decay=0.0):
    velocity = aligned_zeros(size if momentum else 0, np.dtype(dtype))
    return Sgd(learning_rate, momentum, nesterov, weight_decay, velocity)


def adam(size, dtype, learning_rate, decoupled, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0):
    m, v = (aligned_zeros(size, np.dtype(dtype)) for _ in range(2))
    steps = np.zeros(1, np.int64)
    return Adam(learning_rate, beta1, beta2, epsilon, weight_decay, decoupled, m, v, 0, steps)


def make_optimizer(size, dtype, optimizer="sgd", **settings):
    if optimizer == "sgd":
        return sgd(size, dtype, **settings)
    return adam(size, dtype, decoupled=optimizer == "adamw", **settings)


def next_epoch(optimizer):
    """Return the same optimizer for the minibatches after those that it has done."""
    return optimizer._replace(before=int(optimizer.steps[0])) if isinstance(optimizer, Adam) else optimizer


def train(
    network,
    X,
    y,
    order,
    batch_size,
    n_threads=1,
    per_call=None,
    epochs=1,
    loss="auto",
    weights=None,
    rates=(),
    clip_norm=None,
    group=1,
    **settings,
):
    """Some epochs in the given order; returns the losses and hits of each minibatch of the last, and the run.

    Epoch e drops what belongs to key e.
    """
    targets = network._check_targets("y", y, X.shape[0], loss)
    if weights is not None:
        targets = targets._replace(weights=weights)
    with crew(n_threads) as together:
        run = Run(network, X, targets, batch_size, n_threads, together, rates, clip_norm, group=group)
        if per_call is not None:
            run._per_call = per_call
        optimizer = make_optimizer(run.n_packed, network.dtype, **settings)
        for epoch in range(epochs):
            for _ in run.minibatches(order.astype(np.uint32), optimizer, epoch, key=epoch):
                pass
            optimizer = next_epoch(optimizer)
    run.publish()
    return run._losses.copy(), run._hits.copy(), run


def check_oracle(
    network,
    X,
    y,
    order,
    batch_size,
    kind="blocks",
    group=1,
    epochs=2,
    weights=None,
    rtol=1e-10,
    n_threads=1,
    **settings,
):
    """Compare some epochs on rows of a kind with the oracle: weights, biases, losses and hits."""
    params = [w.astype(float) for w in network.weights], [b.astype(float) for b in network.biases]
    state, found = reference_net.zero_state(params, settings.get("optimizer", "sgd")), network.preprocessing
    shared = {"activation": network.activations, "output": network.output, "sample_weight": weights}
    shared |= {"scale": found.scale * (1.0 if found.factors is None else found.factors), "mean": found.mean}
    for _ in range(epochs):
        losses, hits = reference_net.train_epoch(params, state, X, y, order, batch_size, **shared, **settings)
    targets = {"n_threads": n_threads, "epochs": epochs, "weights": weights, "group": group}
    found_losses, found_hits, fit = train(network, X, y, order, batch_size, **targets, **settings)
    assert fit.kind == kind
    np.testing.assert_array_equal(found_hits, hits)
    for got, wanted in zip(network.weights + network.biases, params[0] + params[1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol / 10)
    starts = np.arange(0, len(X), batch_size)
    counts = np.minimum(batch_size, len(X) - starts) if weights is None else np.add.reduceat(weights[order], starts)
    np.testing.assert_allclose(found_losses * counts, losses, rtol=rtol, atol=rtol)


def layouts(X, tmp_path):
    """The same values in every memory layout that a user may have."""
    mapped = np.memmap(tmp_path / "X", X.dtype, "w+", shape=X.shape)
    mapped[:] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    wide = np.zeros((len(X), 2 * X.shape[1]), X.dtype)
    wide[:, ::2] = X
    reverse = np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]
    offset = np.zeros((len(X), X.shape[1] + 3), X.dtype)
    offset[:, 2:-1] = X
    return {
        "Fortran": np.asfortranarray(X),
        "read-only": frozen,
        "mapped": np.memmap(tmp_path / "X", X.dtype, "r", shape=X.shape),
        "strided": wide[:, ::2],
        "reversed": reverse,
        "offset": offset[:, 2:-1],
        "byte-swapped": X.astype(X.dtype.newbyteorder()),
    }
