"""Whole processes: import, the first training from an empty compile cache, and one with kernels compiled before.

The rows ``first_fit`` are compile time: a process that fits the networks of bench_epoch.py to so little data that
nothing else counts. Their whole time is shown; what the fit itself called compiling and set-up is in the JSON.
"""

import os
import subprocess
import sys

import pytest

TRAIN = [sys.executable, "-m", "fastnet", "train", "digits"]
# Four fifths are zeros, as in MNIST, so that the kernels are those of bench_epoch.py.
FIT = """
import sys
import numpy as np, fastnet
rng = np.random.default_rng(0)
X = rng.integers(0, 256, (256, 784), np.uint8) * (rng.random((256, 784)) < 0.2).astype(np.uint8)
network = fastnet.Network([int(n) for n in sys.argv[1].split("-")], seed=0)
trainer = fastnet.Trainer(network, learning_rate=0.1, weight_decay=0.001, batch_size=128, seed=0)
history = trainer.fit(X, np.arange(256) % 10, epochs=1)
print(history.compile_seconds + history.setup_seconds)
"""
NETWORKS = ["784-10-10", "784-300-10"]


def run(command, cache):
    environment = {**os.environ, "FASTNET_CACHE_DIR": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are bytecode, as on most machines
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=300)
    return result.stdout


def test_import_fastnet(benchmark, tmp_path):
    code = "import sys, fastnet; assert 'numba' not in sys.modules"
    benchmark.group = "start"
    benchmark.pedantic(run, ([sys.executable, "-c", code], tmp_path), rounds=10, warmup_rounds=1)


def test_help(benchmark, tmp_path):
    benchmark.group = "start"
    benchmark.pedantic(run, ([sys.executable, "-m", "fastnet", "--help"], tmp_path), rounds=5, warmup_rounds=1)


def test_train_digits_from_an_empty_cache(benchmark, tmp_path_factory):
    def empty():
        return (TRAIN, tmp_path_factory.mktemp("cache")), {}

    benchmark.group = "start"
    benchmark.pedantic(run, setup=empty, rounds=3)


def test_train_digits_with_a_warm_cache(benchmark, tmp_path):
    assert "test accuracy" in run(TRAIN, tmp_path)
    benchmark.group = "start"
    benchmark.pedantic(run, (TRAIN, tmp_path), rounds=5)


@pytest.mark.parametrize("network", NETWORKS)
def test_first_fit_from_an_empty_cache(benchmark, tmp_path_factory, network):
    def empty():
        return ([sys.executable, "-c", FIT, network], tmp_path_factory.mktemp("cache")), {}

    benchmark.group = "start"
    benchmark.extra_info["compile_and_setup_seconds"] = float(benchmark.pedantic(run, setup=empty, rounds=3))


@pytest.mark.parametrize("network", NETWORKS)
def test_first_fit_with_a_warm_cache(benchmark, tmp_path, network):
    command = [sys.executable, "-c", FIT, network]
    run(command, tmp_path)
    benchmark.group = "start"
    benchmark.extra_info["compile_and_setup_seconds"] = float(benchmark.pedantic(run, (command, tmp_path), rounds=5))
