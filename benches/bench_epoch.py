"""Seconds per epoch of MNIST (55,000 images), side by side in one run.

Each contender trains the same network with the same settings: tanh, softmax cross-entropy, plain SGD with rate 0.1
and weight decay 0.001, a full reshuffle each epoch. Its accuracy is checked before it is timed. Compile time is a row
of its own (bench_start.py).
"""

import numpy as np
import pytest

from fastnet._peers import FastnetPeer, NumpyNetwork, SklearnPeer

NETWORKS = {"784-10-10": ([784, 10, 10], 32), "784-300-10": ([784, 300, 10], 128)}
CONTENDERS = {"fastnet": FastnetPeer, "numpy": NumpyNetwork, "sklearn": SklearnPeer}
ROUNDS = 5


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_epoch(benchmark, mnist, network, contender):
    sizes, batch_size = NETWORKS[network]
    peer = CONTENDERS[contender](sizes, batch_size=batch_size, learning_rate=0.1, weight_decay=0.001, seed=0)
    peer.prepare(mnist.X_train, mnist.y_train)
    rng = np.random.default_rng(0)

    def shuffled():
        return (rng.permutation(len(mnist.X_train)),), {}

    for _ in range(2):
        peer.epoch(*shuffled()[0])
    accuracy = peer.accuracy(mnist.X_test, mnist.y_test)
    assert accuracy > 0.9, f"{contender} learnt nothing: {accuracy:.3f}"
    benchmark.group = f"epoch of {network}, batch {batch_size}"
    benchmark.extra_info.update(network=network, batch_size=batch_size, contender=contender)
    benchmark.pedantic(peer.epoch, setup=shuffled, rounds=ROUNDS)
    benchmark.extra_info["test_accuracy"] = peer.accuracy(mnist.X_test, mnist.y_test)
