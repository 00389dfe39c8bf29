"""Whole processes: import, the first training from an empty compile cache, and one with kernels compiled before."""

import os
import subprocess
import sys

TRAIN = [sys.executable, "-m", "fastnet", "train", "digits"]


def run(command, cache):
    environment = {**os.environ, "FASTNET_CACHE_DIR": str(cache)}
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
