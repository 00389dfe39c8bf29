"""After a warm-up nothing is left to compile; the command says what it does and where that is kept."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

import fastnet
from fastnet import _warmup, cli

WORK = """
import gc, itertools, sys
import numpy as np
import fastnet
from fastnet import _jit

def compiled():
    entries = [o for o in gc.get_objects() if isinstance(getattr(o, "_cache", None), _jit._KernelCache)]
    return {f"{e.py_func.__module__}.{e.py_func.__name__} {s}" for e in entries for s in e.signatures}

def fit(X, y, sizes=(20, 12, 2), output="softmax", batch_size=32, **settings):
    network = fastnet.Network(sizes, output=output, dtype=DTYPE, seed=0)
    trainer = fastnet.Trainer(network, seed=0, batch_size=batch_size, **settings)
    history = trainer.fit(X, y, epochs=2, validation_data=(X, y))
    network.predict(X), network.score(X, y)
    if output != "identity":
        network.predict_proba(X)
    return history

DTYPE = sys.argv[1]
fastnet.warmup(DTYPE)
warm = compiled()
assert any("train_epoch" in name for name in warm), warm

rng = np.random.default_rng(0)
dense, y = rng.standard_normal((100, 20)), rng.integers(0, 2, 100)
sparse = np.where(rng.random((100, 20)) < 0.1, rng.integers(1, 256, (100, 20)), 0)
images = np.repeat(np.eye(10, dtype=np.uint8)[rng.integers(0, 10, 100)], 8, axis=1)
images *= rng.integers(1, 256, (100, 80), np.uint8)
half = np.arange(100, dtype=np.uint8)[:, np.newaxis] // 2 % 2
pictures = np.hstack([np.tile(half, 40), images, images, images])  # half of the rows have some blocks
frozen = y.astype(np.int32)
frozen.flags.writeable = False
optimizers = [
    {}, {"weight_decay": 0.01}, {"momentum": 0.5, "nesterov": True, "n_threads": 2},
    {"optimizer": "adam"}, {"optimizer": "adamw", "weight_decay": 0.01},
]
for X, kind in ((dense, "dense"), (sparse, "sparse")):
    for settings in optimizers:
        assert fit(X.astype(DTYPE), y, **settings).first_layer == kind
for dtype in (np.uint8, np.float32, np.float64):
    fit(np.asfortranarray(sparse.astype(dtype))[::-1], frozen[::-1], batch_size=1)
for settings in ({}, {"momentum": 0.5}):
    assert fit(images, y, sizes=(80, 30, 2), batch_size=32, **settings).first_layer == "blocks"
    for n_units, batch_size in ((10, 16), (10, 1), (3, 16)):
        assert fit(images, y, sizes=(80, n_units, 2), batch_size=batch_size, **settings).first_layer == "blocks"
        assert fit(pictures, y, sizes=(280, n_units, 2), batch_size=batch_size, **settings).first_layer == "blocks"
fit(sparse, y, sizes=(20, 2))
fit(sparse, y, sizes=(20, 30, 7, 3))
for settings in optimizers:
    fit(np.tile(dense, (1, 10)).astype(DTYPE), y, sizes=(200, 9, 2), **settings)
fit(np.tile(dense, (1, 10)), y, sizes=(200, 100, 2), batch_size=100)
if DTYPE == "float32":
    fit(dense.astype(DTYPE), y, sizes=(20, 12, 7, 2), optimizer="adamw", scale="standard", weight_decay=1.0)
    history = fit(images, y, sizes=(80, 30, 2), momentum=0.9, dropout=0.3, schedule="cosine")
    assert history.first_layer == "blocks"
for output, columns in (("sigmoid", 2), ("identity", 2), ("identity", 1)):
    fit(sparse, np.eye(2)[y][:, :columns], sizes=(20, 5, columns), output=output)
print(sorted(compiled() - warm))
"""


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_nothing_is_left_to_compile(dtype):
    result = subprocess.run([sys.executable, "-c", WORK, dtype], capture_output=True, text=True, timeout=250)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_both_kinds_of_rows_are_used():
    for X, kind in ((_warmup._dense_rows(), "dense"), (_warmup._sparse_rows(), "sparse")):
        trainer = fastnet.Trainer(fastnet.Network([8, 8, 2], seed=0), seed=0)
        assert trainer.fit(X, [0, 1] * 32, epochs=1).first_layer == kind


@pytest.mark.parametrize("dtype", ["float16", ["float32", "int8"], None, "double precision"])
def test_another_dtype_is_refused_before_anything_is_compiled(monkeypatch, dtype):
    monkeypatch.setattr(_warmup, "_fit", None)
    with pytest.raises(ValueError, match=r"^dtype must be 'float32' or 'float64', got "):
        fastnet.warmup(dtype)


def test_the_command_says_what_it_does():
    result = CliRunner().invoke(cli.app, ["warmup", "--dtype", "float32,float32"])
    assert result.exit_code == 0, result.output
    assert result.stderr == "compiling, once: float32 …\n"
    assert result.stdout.startswith("float32: ready after ")
    assert result.stdout.count("\n") == 1
    assert "fastnet-kernels" in result.stdout


@pytest.mark.parametrize("dtype", ["", "float16", "float32,", "float32;float64"])
def test_the_command_refuses_other_dtypes(dtype):
    result = CliRunner().invoke(cli.app, ["warmup", "--dtype", dtype])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("error: --dtype must be one of 'float32', 'float64', got ")
