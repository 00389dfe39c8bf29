"""The comparison with peers: what is measured, on what, what the numbers come to, and how they are shown."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from fastnet import cli, datasets, exceptions
from fastnet._bench import contender, measure, report, rows, synthetic, workers
from fastnet._bench.contender import Contender, SkippedError
from fastnet._bench.rows import ROWS, Row, custom_rows
from fastnet._peers import PEERS, NumpyNetwork
from fastnet.cli import bench as cli_bench
from fastnet.cli import messages

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "fastnet", "bench"]


@pytest.fixture
def few(monkeypatch):
    """Two thousand training samples instead of 55,000."""
    monkeypatch.setattr(rows, "N_TRAIN", 2000)
    contender._load.cache_clear()
    yield
    contender._load.cache_clear()


# -- rows ----------------------------------------------------------------------------------------------


def test_the_standard_rows():
    titles = [row.title for row in ROWS]
    assert titles == [
        "784-10-10, batch 1",
        "784-10-10, batch 32",
        "784-300-10, batch 1",
        "784-300-10, batch 32",
        "784-300-10, batch 128",
        "784-300-10, batch 128, Gaussian inputs",
        "784-512-256-10, batch 256, relu, Adam",
        "784-300-10, 10,000 predictions",
    ]
    for row in ROWS:
        adam = row.optimizer == "adam"
        assert (row.learning_rate, row.weight_decay) == ((0.001, 0.0) if adam else (0.1, 0.001))
        assert row.n_train == 55_000
    assert [row.n_samples for row in ROWS] == [55_000] * 7 + [10_000]


def test_large_networks_train_on_fewer_samples_in_whole_minibatches():
    small, large, huge = custom_rows([784, 50, 10], [32])[0], *custom_rows([784, 5000, 5000, 10], [128, 4096])
    assert (small.n_train, large.n_train, huge.n_train) == (55_000, 1024, 4096)
    assert large.n_parameters == sum((a + 1) * b for a, b in ((784, 5000), (5000, 5000), (5000, 10)))


# -- data ----------------------------------------------------------------------------------------------


def test_synthetic_images_look_like_mnist():
    data = synthetic.images(784, 10, 5000, 100)
    X = data.X_train
    assert X.dtype == np.uint8
    assert (X > 0).mean() == pytest.approx(0.19, abs=0.02)
    assert 150 < X[X > 0].mean() < 230
    ink = (X > 0).mean(axis=0).reshape(28, 28)
    assert ink[0, 0] < 0.02 < 0.3 < ink[10:18, 10:18].mean()
    neighbours = (X[:, 1:] > 0) == (X[:, :-1] > 0)
    assert neighbours.mean() > 0.8  # of independent pixels 0.69
    assert set(np.unique(data.y_train)) == set(range(10))
    np.testing.assert_array_equal(synthetic.images(784, 10, 5000, 100).X_train, X)


@pytest.mark.parametrize("draw", [synthetic.images, synthetic.gaussian])
@pytest.mark.parametrize(("n_features", "n_classes"), [(1, 1), (5, 2), (50, 300)])
def test_synthetic_data_of_any_shape(draw, n_features, n_classes):
    data = draw(n_features, n_classes, 30, 7)
    assert data.X_train.shape == (30, n_features)
    assert data.X_test.shape == (7, n_features)
    assert data.y_train.max() < n_classes


def test_gaussian_inputs_are_dense_and_about_normal():
    X = synthetic.gaussian(200, 10, 2000, 10).X_train
    assert X.dtype == np.float32
    assert X.all()
    assert X.std() == pytest.approx(1, abs=0.15)


# -- contenders ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [Row((30, 8, 5), 10), Row((30, 8, 5), 10, data="gaussian")], ids=lambda row: row.title)
def test_contenders_learn_alike(few, row):
    found = [Contender(name, mnist=False).prepare(row) for name in ("fastnet", "numpy")]
    assert [entry["n_timed"] for entry in found] == [2000, 2000]
    assert found[0]["accuracy"] == pytest.approx(found[1]["accuracy"], abs=2e-3)
    assert found[0]["accuracy"] > 0.75
    assert all(entry["prepare_seconds"] > 0 for entry in found)


def test_a_turn_lasts_or_stops_after_some_calls(few, monkeypatch):
    subject = Contender("numpy", mnist=False)
    with pytest.raises(RuntimeError, match="prepare comes before"):
        subject.turn(0)
    subject.prepare(Row((30, 8, 5), 100))
    monkeypatch.setattr(contender, "_EARLY_SECONDS", 0.0)
    monkeypatch.setattr(contender, "_TURN_SECONDS", 1e-9)
    assert len(subject.turn(0)) == 1
    monkeypatch.setattr(contender, "_TURN_SECONDS", 1e9)
    seconds = subject.turn(1)
    assert len(seconds) == contender._TURN_CALLS
    assert min(seconds) > 0


def test_early_calls_of_a_turn_count_only_if_there_are_no_others(few, monkeypatch):
    subject, clock = Contender("numpy", mnist=False), [0.0]
    subject.prepare(Row((30, 8, 5), 100))
    monkeypatch.setattr(contender.time, "perf_counter", lambda: clock[0])
    for seconds, early, expected in ((0.04, 13, 7), (0.15, 4, 2), (0.3, 2, 1), (0.6, 1, 1), (2.0, 0, 1)):
        calls = []

        def task(number, seconds=seconds, calls=calls):
            def run():
                clock[0] += seconds
                calls.append(seconds)

            return run

        monkeypatch.setattr(subject, "task", task)
        assert subject.turn(0) == pytest.approx([seconds] * expected)
        assert len(calls) == early + expected


def test_every_epoch_has_an_order_of_its_own_and_all_contenders_the_same(few, monkeypatch):
    monkeypatch.setattr(contender, "_EARLY_SECONDS", 0.0)
    seen = {"numpy": [], "article": []}
    for name, orders in seen.items():
        monkeypatch.setattr(PEERS[name], "epoch", lambda self, order, orders=orders: orders.append(order.tolist()))
        monkeypatch.setattr(PEERS[name], "accuracy", lambda self, X, y: 1.0)
        monkeypatch.setattr(PEERS[name], "minibatches_timed", None)
        subject = Contender(name, mnist=False)
        subject.prepare(Row((30, 8, 5), 1))
        subject.turn(0)
        subject.turn(1)
    assert seen["numpy"] == seen["article"]
    assert len(seen["numpy"]) == 1 + 2 * contender._TURN_CALLS
    assert len({tuple(order) for order in seen["numpy"]}) == len(seen["numpy"])
    assert all(sorted(order) == list(range(2000)) for order in seen["numpy"])


@pytest.mark.parametrize(("batch_size", "expected"), [(1, 600), (3, 2000)])
def test_slow_peers_are_timed_on_a_part(few, monkeypatch, batch_size, expected):
    monkeypatch.setattr(NumpyNetwork, "minibatches_timed", 600)
    assert Contender("numpy", mnist=False).prepare(Row((30, 8, 5), batch_size))["n_timed"] == expected


def test_predictions_are_timed_on_converted_rows(few, monkeypatch):
    monkeypatch.setattr(contender, "_EARLY_SECONDS", 0.0)
    subject, shapes = Contender("numpy", mnist=False), []
    ready = subject.prepare(Row((30, 8, 5), 10, task="predict"))
    assert ready["n_timed"] == 10_000
    assert ready["accuracy"] > 0.75
    proba = NumpyNetwork.proba

    def watched(self, converted):
        shapes.append((converted.shape, converted.dtype.name))
        return proba(self, converted)

    monkeypatch.setattr(NumpyNetwork, "proba", watched)
    assert len(subject.turn(0)) == len(shapes)
    assert set(shapes) == {((10_000, 30), "float32")}


def test_who_learns_nothing_is_not_timed(few, monkeypatch):
    accuracies = []
    monkeypatch.setattr(NumpyNetwork, "epoch", lambda self, order: accuracies.append(0.59))
    monkeypatch.setattr(NumpyNetwork, "accuracy", lambda self, X, y: accuracies[-1])
    with pytest.raises(SkippedError, match=r"learnt too little: accuracy 0\.590, less than 0\.600"):
        Contender("numpy", mnist=False).prepare(Row((30, 8, 5), 10))
    assert len(accuracies) == 10


def test_huge_batches_may_take_some_epochs_to_learn(few):
    assert Contender("numpy", mnist=False).prepare(Row((30, 8, 5), 400))["accuracy"] > 0.6


def test_who_cannot_has_a_reason(few):
    with pytest.raises(SkippedError, match="batch_size: found 10, but the article's loop knows 1 only"):
        Contender("article", mnist=False).prepare(Row((30, 8, 5), 10))
    with pytest.raises(SkippedError, match="diverged"):
        Contender("fastnet", mnist=False).prepare(Row((30, 8, 5), 10, learning_rate=1e35))


@pytest.mark.mnist
def test_mnist_is_taken_where_it_fits(mnist):
    subject = Contender("numpy", mnist=True)
    subject.prepare(Row((784, 10, 10), 1000))
    x = subject._peer._X[:2]
    np.testing.assert_allclose(x, mnist.X_train[:2] / 255 - mnist.X_train.mean(axis=0) / 255, atol=1e-6)
    assert not Row((784, 10, 3), 1).wants_mnist
    assert not Row((784, 10), 1, data="gaussian").wants_mnist


# -- processes -----------------------------------------------------------------------------------------


def test_a_worker_is_a_contender_in_another_process():
    with workers.Worker("numpy", mnist=False) as worker:
        process = worker._process
        with pytest.raises(SkippedError, match="activation: found 'selu'"):
            worker.prepare(Row((20, 5, 3), 1000, activation="selu"))
        assert worker.prepare(Row((20, 5, 3), 1000))["n_timed"] == 55_000
        assert min(worker.turn(0)) > 0
        assert process.pid != os.getpid()
    assert process.exitcode == 0


def test_a_worker_that_dies_is_left_out():
    with workers.Worker("numpy", mnist=False) as worker:
        worker._process.kill()
        with pytest.raises(SkippedError, match="its process ended with exit code"):
            worker.prepare(Row((20, 5, 3), 1000))


# -- rounds --------------------------------------------------------------------------------------------


class FakeRacer:
    """Takes the seconds it is told, a list for each round."""

    def __init__(self, name, turns, n_timed=55_000, log=None):
        self.name, self._turns, self._n_timed = name, turns, n_timed
        self._log = [] if log is None else log

    def prepare(self, row):
        if self._turns is None:
            raise SkippedError("it has no wish to")
        return {"n_timed": self._n_timed, "prepare_seconds": 1.0, "accuracy": 0.9}

    def turn(self, number):
        self._log.append((number, self.name))
        if self._turns[number] is None:
            raise SkippedError("it broke down")
        return self._turns[number]


MEASURE = measure.measure


def race(*racers, rounds=3, row=ROWS[1], step=lambda text: None):
    return MEASURE(row, racers, rounds, pause=0, step=step)


def test_times_are_medians_scaled_to_all_samples():
    result = race(
        FakeRacer("fastnet", [[0.02], [0.04, 0.03], [0.1]]), FakeRacer("torch", [[1.0], [3.0], [2.0]], n_timed=5500)
    )
    ours, other = result["contenders"]
    assert ours["seconds"] == [0.02, 0.04, 0.03, 0.1]
    assert (ours["median"], ours["min"], ours["max"], ours["ratio"]) == (0.035, 0.02, 0.1, 1.0)
    assert (other["median"], other["min"], other["max"]) == (20.0, 10.0, 30.0)
    assert other["ratio"] == pytest.approx(20 / 0.035)
    assert other["name"] == "PyTorch"
    assert (result["title"], result["batch_size"], result["n_samples"]) == ("784-10-10, batch 32", 32, 55_000)
    json.dumps(result)


def test_contenders_take_turns_and_each_begins_once():
    log, steps = [], []
    turns = [[1.0]] * 3
    race(*(FakeRacer(name, turns, log=log) for name in ("fastnet", "jax", "numpy")), step=steps.append)
    assert " ".join(name for _, name in log) == "fastnet jax numpy jax numpy fastnet numpy fastnet jax"
    assert [number for number, name in log] == [0] * 3 + [1] * 3 + [2] * 3
    assert len(steps) == 3 * (1 + 3)
    assert steps[0] == "fastnet gets ready"
    assert steps[-1] == "jax, round 3/3"


def test_who_is_left_out_has_a_reason_and_no_time():
    ours, torch, jax = race(
        FakeRacer("fastnet", [[1.0]] * 3), FakeRacer("torch", None), FakeRacer("jax", [[1.0], None, [1.0]])
    )["contenders"]
    assert torch["skipped"] == "it has no wish to"
    assert jax["skipped"] == "it broke down"
    assert ours["ratio"] == 1
    assert not {"median", "ratio"} & (torch.keys() | jax.keys())


def test_without_fastnet_there_are_no_ratios():
    assert race(FakeRacer("torch", [[1.0]] * 3))["contenders"][0]["ratio"] is None
    left_out, other = race(FakeRacer("fastnet", None), FakeRacer("torch", [[1.0]] * 3))["contenders"]
    assert other["ratio"] is None
    assert "skipped" in left_out


# -- tables --------------------------------------------------------------------------------------------


@pytest.fixture
def results():
    def two(row):
        reason = FakeRacer("sklearn", None)
        ours = FakeRacer("fastnet", [[0.0301]] * 3, row.n_samples)
        return race(ours, FakeRacer("torch", [[0.9]] * 3, 2000), reason, row=row)

    return [two(row) for row in ROWS]


@pytest.mark.parametrize("width", [33, 50, 73, 74, 120])
def test_tables_fit_the_terminal(results, width):
    for result in results:
        lines = report.terminal_table(result, width).splitlines()
        assert max(map(len, lines)) <= width
        text = re.sub(r"\s+", " ", " ".join(lines))
        assert f"{result['title']}: time of" in text
        assert re.search(r"fastnet 30\.1 ms( 30\.1 ms 30\.1 ms)? 1\.00( 90\.00 %)?", text)
        assert "PyTorch: from 2,000 samples" in text
        assert "scikit-learn left out: it has no wish to" in text
        assert ("min" in text) == (width >= 74)


def test_columns_are_aligned(results):
    lines = report.terminal_table(results[0], 100).splitlines()[1:4]
    assert len({len(line) for line in lines}) == 1


def test_the_overview_has_all_rows_or_is_not_there(results):
    lines = report.terminal_overview(results, 100).splitlines()
    assert lines[1].split() == ["fastnet", "torch", "sklearn"]
    assert len(lines) == 2 + len(ROWS)
    assert len({len(line) for line in lines[1:]}) == 1
    assert lines[2].split()[-4:] == ["30.1", "ms", "822", "-"]
    assert lines[-1].split()[-4:] == ["30.1", "ms", "150", "-"]
    assert report.terminal_overview(results, 40) == ""
    results[0]["contenders"][0]["skipped"], results[0]["contenders"][1]["ratio"] = "ill", None
    assert report.terminal_overview(results, 100).splitlines()[2].split()[-4:] == ["-", "24.8", "s", "-"]
    assert report.terminal_overview(results[:1], 100) == ""


@pytest.mark.parametrize(
    ("ratio", "text"), [(None, ""), (0.9951, "1.00"), (4.214, "4.21"), (15.94, "15.9"), (99.96, "100"), (822.2, "822")]
)
def test_ratios_have_three_digits(ratio, text):
    assert report.show_ratio(ratio) == text


# -- the files that the benches write ------------------------------------------------------------------


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benches" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def written(results):
    where = {"cpu": "A CPU", "cpus": 2, "vector_bits": 256, "system": "Linux"}
    found = report.document(where, {"python": "3.11"}, "2026-11-21", "MNIST", 3)
    return {**found, "rows": results}


def test_results_are_written_between_the_marks(tmp_path, monkeypatch, written):
    script = load_script("results")
    monkeypatch.setattr(script, "ROOT", tmp_path)
    (tmp_path / "benches").mkdir()
    for name in ("README.md", "benches/results.md"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    bench = {
        "name": "test_tanh[32x10-fastnet]",
        "group": "tanh 32x10",
        "stats": dict.fromkeys(("median", "min", "max"), 2e-6),
    }
    start = {**bench, "name": "test_help", "group": "start"}
    kernels = {
        "benchmarks": [bench, start],
        "datetime": "2026-11-21T",
        "machine_info": {"machine": "x", "python_version": "3"},
    }
    for name, data in (("epochs", written), ("kernels", kernels)):
        (tmp_path / f"{name}.json").write_text(json.dumps(data))
    paths = [tmp_path / "epochs.json", tmp_path / "kernels.json"]
    script.main(paths)
    readme, tables = (tmp_path / "README.md").read_text(), (tmp_path / "benches" / "results.md").read_text()
    assert "| 784-10-10, batch 32 | 30.1 ms | 822 x\\* | - |" in readme
    assert "A CPU, 2 CPUs, 256-bit vectors" in readme
    assert "| PyTorch | 24.8 s | 24.8 s, 24.8 s | 822 | 1.00 s | 90.00 % | 2,000 |" in tables
    assert "| tanh[32x10-fastnet] | 2 µs | 2 µs, 2 µs | 1.00 |" in tables
    assert "| help | 2 µs | 2 µs, 2 µs |" in readme
    assert "tanh[" not in readme
    assert readme.startswith((ROOT / "README.md").read_text()[:1000])
    script.main(paths)  # and again, in place
    assert (readme, tables) == ((tmp_path / "README.md").read_text(), (tmp_path / "benches" / "results.md").read_text())


def test_growth_scales_with_arithmetic():
    growth = load_script("growth")
    case = growth.Case(5, (6, 5, 3), 10)
    assert case.multiply_adds == 2 * 6 * 5 + 3 * 5 * 3
    for _, cases in growth.SWEEPS.values():
        for case in cases:
            assert case.n_trained % case.batch_size == 0 or case.n_trained in (case.samples, growth.SAMPLES)
            assert (
                case.n_trained * case.multiply_adds < 4 * growth.MULTIPLY_ADDS or case.n_trained == 2 * case.batch_size
            )
    _, cases = growth.SWEEPS["classes"]
    lines = growth.table("classes", cases, {kind: [1.0] * len(cases) for kind in growth.KINDS}).splitlines()
    assert len(lines) == 2 + len(cases)
    assert len({line.count("|") for line in lines}) == 1


# -- the command ---------------------------------------------------------------------------------------


def invoke(*args: str) -> Result:
    return CliRunner().invoke(cli.app, ["bench", *args], prog_name="fastnet")


def refusal(result: Result, code: int) -> str:
    assert result.exit_code == code, result.output
    message = result.stderr.splitlines()[-1]
    assert message.startswith("error: ")
    assert "Traceback" not in result.output
    return message


def test_the_choices_are_the_peers():
    assert ("fastnet", *cli_bench.RIVALS) == tuple(PEERS)


def test_a_small_network_from_the_command_line(tmp_path):
    file = tmp_path / "times.json"
    args = ["--net", "20-5-3", "--batch", "500,1000", "--compare", "numpy", "--rounds", "2", "--json", str(file)]
    result = invoke(*args)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == ["measuring 20-5-3, batch 500 (1/2)", "measuring 20-5-3, batch 1000 (2/2)"]
    lines = result.stdout.splitlines()
    assert "images: synthetic" in lines[0]
    assert lines[2] == "20-5-3, batch 500: time of an epoch of 55,000 samples"
    assert [line.split()[0] for line in lines[4:6]] == ["fastnet", "NumPy"]
    assert lines[-1].startswith("20-5-3, batch 1000")
    found = json.loads(file.read_text())
    assert found["format"] == "fastnet bench 1"
    assert found["versions"].keys() == {"python", "fastnet-numba", "numpy", "numba"}
    assert found["machine"].keys() == {"cpu", "cpus", "system", "vector_bits"}
    assert [row["batch_size"] for row in found["rows"]] == [500, 1000]
    for row in found["rows"]:
        for entry in row["contenders"]:
            assert len(entry["seconds"]) >= 2
            assert entry["min"] <= entry["median"] <= entry["max"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--compare", "pytorch"], ["--compare must be one of 'jax', 'torch'", "'pytorch'", "Did you mean 'torch'?"]),
        (["--compare", "jax,,numpy"], ["--compare must be one of", "''"]),
        (["--compare", "fastnet"], ["--compare must be one of", "'fastnet'"]),
        (["--net", "784,300"], ["--net must be numbers of 1 or more such as 784-300-10, got '784,300'"]),
        (["--net", "784-0-10"], ["--net", "'784-0-10'"]),
        (["--net", "784"], ["--net must have at least inputs and outputs", "'784'"]),
        (["--net", ""], ["--net", "''"]),
        (["--net", "784-10", "--batch", "32-64"], ["--batch must be numbers of 1 or more such as 32,128, got '32-64'"]),
        (["--net", "784-10", "--batch", "0"], ["--batch", "'0'"]),
        (["--batch", "32"], ["--batch needs --net"]),
        (["--rounds", "0"], ["--rounds must be >= 1, got 0"]),
        (["--rounds", "many"], ["'--rounds'"]),
        (["--json", "no/such/folder/x.json"], ["--json must name a file that can be written", "no/such/folder/x.json"]),
        (["--json", "."], ["--json must name a file", "'.'"]),
        (["--nets", "3-3"], ["--nets", "--net"]),
    ],
)
def test_bad_values_are_usage_errors_before_anything_is_measured(args, words):
    result = invoke(*args)
    message = refusal(result, messages.USAGE)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    for word in words:
        assert word in message


@pytest.mark.parametrize("compare", [None, "none", "", "jax,jax, numpy"])
def test_rivals(compare):
    expected = {None: list(cli_bench.RIVALS), "none": [], "": [], "jax,jax, numpy": ["jax", "numpy"]}
    assert cli_bench._rivals(compare) == expected[compare]


@pytest.fixture
def no_measuring(monkeypatch):
    """Processes that are never asked anything, and results that are made up."""
    seen = []

    def made_up(row, racers, rounds, step):
        seen.append([racer.name for racer in racers])
        return race(*(FakeRacer(racer.name, [[1.0]] * rounds) for racer in racers), rounds=rounds, row=row)

    class Idle:
        def __init__(self, name, mnist, data_dir):
            self.name = name

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(measure, "measure", made_up)
    monkeypatch.setattr(workers, "Worker", Idle)
    return seen


def test_the_article_is_asked_for_batches_of_one_only(no_measuring):
    assert invoke("--net", "20-5-3", "--batch", "1,32").exit_code == 0
    assert invoke("--net", "20-5-3", "--batch", "32", "--compare", "article").exit_code == 0
    everybody = ["fastnet", *cli_bench.RIVALS]
    assert no_measuring == [everybody, everybody[:-1], ["fastnet", "article"]]


def test_without_mnist_the_images_are_drawn(no_measuring, monkeypatch):
    def load(data_dir, download):
        assert not download
        raise FileNotFoundError("MNIST files are missing: here")

    monkeypatch.setattr(datasets, "load_mnist", load)
    result = invoke("--compare", "none", "--rounds", "1")
    assert result.exit_code == 0
    assert "images: synthetic, as MNIST was not found" in result.stdout
    assert len(no_measuring) == len(ROWS)
    assert "missing: here" in refusal(invoke("--data-dir", "here"), messages.DATA)


def test_damaged_data_are_a_data_error(no_measuring, monkeypatch):
    def load(data_dir, download):
        raise exceptions.FormatError("byte 3")

    monkeypatch.setattr(datasets, "load_mnist", load)
    assert refusal(invoke(), messages.DATA) == "error: byte 3"


def test_ctrl_c_tells_how_far_it_came(no_measuring, monkeypatch):
    made_up, rows_done = measure.measure, []

    def interrupted(row, *args, **options):
        if rows_done:
            raise KeyboardInterrupt
        rows_done.append(row)
        return made_up(row, *args, **options)

    monkeypatch.setattr(measure, "measure", interrupted)
    result = invoke("--net", "20-5-3")
    assert refusal(result, messages.INTERRUPTED) == "error: interrupted: 1 of 2 rows were measured"
    assert "20-5-3, batch 32" in result.stdout


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.skipif(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="a job in the background ignores Ctrl-C")
def test_ctrl_c_ends_all_processes():
    args = ["--net", "20-5-3", "--batch", "1000", "--compare", "numpy", "--rounds", "1000000"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen([*COMMAND, *args], **options) as process:
        assert "measuring" in process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == messages.INTERRUPTED
    assert stderr.splitlines()[-1] == "error: interrupted: 0 of 1 rows were measured"
    assert "Traceback" not in stderr
    deadline = time.monotonic() + 30  # Python's own helper of multiprocessing takes a moment
    while lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not lives(process.pid)


def lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_an_error_if_fastnet_has_no_time(no_measuring, monkeypatch):
    monkeypatch.setattr(measure, "measure", lambda row, *_, **__: race(FakeRacer("fastnet", None), row=row))
    message = refusal(invoke("--net", "20-5-3", "--batch", "32"), 1)
    assert message == "error: fastnet itself could not be measured: it has no wish to"


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
def test_on_a_narrow_terminal_there_is_a_bar_that_goes():
    import pty

    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "50"}
    args = ["--net", "20-5-3", "--batch", "1000", "--compare", "none", "--rounds", "1"]
    process = subprocess.Popen([*COMMAND, *args], stdout=slave, stderr=slave, env=environment, close_fds=True)
    os.close(slave)
    output = b""
    try:
        while block := os.read(master, 65536):
            output += block
    except OSError:  # the end of a pseudo-terminal
        pass
    os.close(master)
    assert process.wait(timeout=60) == 0
    shown = output.decode()
    assert "round 1/1" in shown
    table = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown[shown.rindex("batch 1000: ") - 8 :]).replace("\r", "")
    assert max(map(len, table.splitlines())) <= 50
    assert "round" not in table


def test_the_timings_are_found_as_the_readme_runs_them():
    command = [sys.executable, "-m", "pytest", "benches", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert "bench_scratch.py::" in done.stdout
