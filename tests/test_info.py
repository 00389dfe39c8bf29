"""What ``info`` says agrees with what a fit does; the command prints it in 80 columns, or as JSON."""

import json
import os

import numba
import numpy as np
import pytest
from typer.testing import CliRunner, Result

import fastnet
from fastnet import _info, _parallel, block_rows, cli, plan, rows, trainer, workspace


def invoke(*args: str) -> Result:
    return CliRunner().invoke(cli.app, ["info", *args])


def data(density: float, n_features: int, n_samples: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features)).astype(np.float32)
    X[rng.random(X.shape) >= density] = 0
    return X, rng.integers(0, 2, n_samples)


@pytest.mark.parametrize("density", [0.05, 0.22, 0.28, 1.0])
@pytest.mark.parametrize(("sizes", "batch_size"), [((784, 30, 2), 64), ((784, 10, 2), 1), ((100, 40, 20, 2), 200)])
def test_it_says_what_a_fit_does(sizes, batch_size, density):
    told = fastnet.info(sizes, batch_size=batch_size, density=density, fill=density)["network"]
    X, y = data(density, sizes[0])
    history = fastnet.Trainer(fastnet.Network(sizes, seed=0), batch_size=batch_size, seed=0).fit(X, y, epochs=1)
    assert told["n_threads"] == history.n_threads
    assert told["first_layer"] == history.first_layer
    assert len(told["units"]) == history.n_threads


@pytest.mark.parametrize(("n_units", "batch_size"), [(8, 1), (8, 16), (40, 31), (40, 32)])
def test_it_says_when_blocks_are_taken(n_units, batch_size):
    told = fastnet.info([64, n_units, 2], batch_size=batch_size, density=0.125, fill=1.0)["network"]
    X = np.repeat(np.tile(np.eye(8, dtype=np.float32), (25, 1)), 8, axis=1)
    found = block_rows.block_rows(X, 1.0, np.zeros(64, np.float32), n_units, batch_size)
    assert told["first_layer"] == ("sparse" if batch_size == 31 else "blocks")
    assert (found is not None) == (told["first_layer"] == "blocks")


@pytest.mark.parametrize("cpus", [1, 2, 64])
@pytest.mark.parametrize("sizes", [(784, 300, 10), (784, 10, 10), (8, 4, 2)])
def test_the_number_of_threads_is_the_least_of_what_it_names(monkeypatch, cpus, sizes):
    for module in (_info, trainer):
        monkeypatch.setattr(module, "available_cpus", lambda: cpus)
    X = np.zeros((100, sizes[0]))
    X[:19] = 1  # a density of 0.19
    told = fastnet.info(sizes, batch_size=64)["network"]
    assert told["n_threads"] == trainer.Trainer(fastnet.Network(sizes), batch_size=64)._threads(64, X)
    why = told["why"]["n_threads"]
    assert f"{cpus} CPUs, {sum(told['units'])} units" in why
    work = plan.worthwhile_threads(sizes, 64, 0.19)
    assert f"work for {work} " in why
    assert told["n_threads"] == min(cpus, sum(told["units"]), work)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("density", [0.02, 0.19])
def test_lists_are_as_large_as_it_says(monkeypatch, dtype, density):
    sizes, n_samples = (784, 300, 10), 400
    X, _ = data(density, sizes[0], n_samples)
    found = rows.sparse_rows(X, 1.0, np.zeros(sizes[0], dtype), sizes[1], 2)
    size = found.records.nbytes + found.starts.nbytes + found.products.nbytes
    monkeypatch.setattr(rows, "MAX_BYTES", size)
    why = fastnet.info(sizes, batch_size=64, density=density, fill=0.2, dtype=dtype)["network"]["why"]["first_layer"]
    told = int(why.partition("some ")[2].partition(" ")[0].replace(",", ""))
    assert told == pytest.approx(n_samples, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "update"),
    [
        ({}, "folded"),
        ({"momentum": 0.9}, "whole gradients"),
        ({"optimizer": "adam"}, "whole gradients"),
        ({"optimizer": "adamw"}, "whole gradients"),
        ({"density": 0.5}, "whole gradients"),
        ({"fill": 0.6}, "whole gradients"),
        ({"fill": 0.6, "n_units": 10}, "folded"),
        ({"fill": 0.6, "n_units": 10, "momentum": 0.9}, "whole gradients"),
    ],
)
def test_only_plain_sgd_is_folded_on_rows_of_single_entries_or_few_units(settings, update):
    settings = {"fill": 0.2, "n_units": 30} | settings
    told = fastnet.info([784, settings.pop("n_units"), 10], **settings)["network"]
    assert told["update"] == update
    if "density" in settings:
        assert "dense" in told["why"]["update"]
    elif "optimizer" in settings or "momentum" in settings:
        assert (settings.get("optimizer") or "momentum") in told["why"]["update"]
    else:
        assert ("block" in told["why"]["update"]) == (settings["fill"] == 0.6)


@pytest.mark.parametrize(("sizes", "expected"), [([784, 9, 10], True), ([784, 30, 10], False), ([8, 9, 10], False)])
def test_dense_inputs_lie_along_the_lanes_of_few_units(sizes, expected):
    told = fastnet.info(sizes, density=0.5)["network"]
    assert told["first_layer"] == "dense"
    assert ("inputs lie along the lanes" in told["why"]["first_layer"]) == expected


def test_wide_layers_predict_from_lists():
    lanes = workspace._WORTH_LISTS * _info.lanes(np.dtype(np.float32))
    assert fastnet.info([784, lanes, 10])["network"]["predictions"] == "lists"
    assert fastnet.info([20, lanes, 10])["network"]["predictions"] == "dense"
    assert fastnet.info([784, lanes - _info.lanes(np.dtype(np.float32)), 10])["network"]["predictions"] == "dense"


def test_very_many_inputs_are_dense():
    told = fastnet.info([70_000, 300, 2], density=0.01)["network"]
    assert (told["first_layer"], told["predictions"]) == ("dense", "dense")
    assert "70,000 inputs" in told["why"]["first_layer"]
    assert "70,000 inputs" in told["why"]["predictions"]


def test_the_machine_the_caches_and_the_data(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTNET_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    monkeypatch.setattr("fastnet.datasets.remote.own_folders", lambda data: iter(()))
    found = fastnet.info()
    assert "network" not in found
    assert found["mnist"] is None
    assert found["versions"]["numba"] == numba.__version__
    assert found["versions"]["fastnet"] == fastnet.__version__
    assert found["machine"]["cpus"] == _parallel.available_cpus()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / "mnist" / f"{name}-ubyte").touch()
    assert fastnet.info()["mnist"] == str(tmp_path / "mnist")


def test_entries_of_the_cache_are_counted(tmp_path, monkeypatch):
    for name in ("a.1.nbc", "b.1.nbc", "a.nbi"):
        (tmp_path / name).write_bytes(bytes(500_000))
    monkeypatch.setattr(_info, "cache_folder", lambda: tmp_path)
    assert fastnet.info()["kernels"] == {"folder": str(tmp_path), "entries": 2, "megabytes": 1.5}
    monkeypatch.setattr(_info, "cache_folder", lambda: None)
    assert fastnet.info()["kernels"] == {"folder": None, "entries": 0, "megabytes": 0.0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer_sizes": [3]}, "layer_sizes needs"),
        ({"batch_size": 0}, "batch_size must be >= 1"),
        ({"density": 1.01}, "density must be from 0 to 1, got 1.01"),
        ({"density": -0.1}, "density must be"),
        ({"dtype": "int8"}, "dtype must be"),
        ({"optimizer": "sdg"}, "optimizer must be .* Did you mean 'sgd'"),
        ({"optimizer": "adam", "momentum": 0.5}, "momentum=0.5 does not go"),
    ],
)
def test_a_wrong_argument_is_named(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        fastnet.info(**{"layer_sizes": [3, 2], **settings})


FLAGS = ["--net", "784-300-10", "--batch", "128", "--density", "0.3", "--dtype", "float64", "--optimizer", "adamw"]


def test_the_command_prints_json():
    result = invoke(*FLAGS, "--json")
    assert result.exit_code == 0, result.output
    expected = fastnet.info([784, 300, 10], batch_size=128, density=0.3, dtype="float64", optimizer="adamw")
    assert json.loads(result.stdout) == expected


def test_the_command_prints_a_table_of_80_columns(monkeypatch):
    monkeypatch.setattr(_info, "cache_folder", lambda: None)
    for flags in ([], FLAGS, ["--net", "784-300-10", "--momentum", "0.9"]):
        result = invoke(*flags)
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()
        assert all(len(line) <= 80 for line in lines if os.sep not in line)
        labels = [line[:22].strip() for line in lines if line[:22].strip()]
        assert len(set(labels)) == len(labels)
        assert ("first layer" in labels) == bool(flags)
    assert "momentum 0.9" in result.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--net", "784"], "--net needs at least inputs and outputs, got [784]"),
        (["--net", "784x10"], "--net must be numbers of 1 or more such as 784-300-10, got '784x10'"),
        (["--net", "784-10", "--batch", "0"], "--batch must be >= 1, got 0"),
        (["--net", "784-10", "--density", "2"], "--density must be from 0 to 1, got 2.0"),
    ],
)
def test_the_command_names_the_wrong_flag(flags, message):
    result = invoke(*flags)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == f"error: {message}\n"
