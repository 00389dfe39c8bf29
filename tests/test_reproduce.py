"""The experiments of the source articles: all run, quickly here and in full where marked slow; how they are shown."""

import json
import math
import re
import warnings

import numpy as np
import pytest
from test_plots import without_matplotlib
from typer.testing import CliRunner

from fastnet import cli, reproduce
from fastnet.cli import messages
from fastnet.cli import reproduce as cli_reproduce
from fastnet.exceptions import DivergenceError, DownloadError
from fastnet.reproduce import EXPERIMENTS, Number, Result, spreads
from fastnet.reproduce.experiment import claim
from fastnet.reproduce.labels import road
from fastnet.reproduce.training import epochs_to

NAMES = re.split(
    " ",
    "moons mnist-10 mnist-300 batch-sizes mnist-97 overfit losses activations momentum softmax-surface round-off "
    "multi-label one-vs-all candidate-sampling keras-binary pca init weight-decay normalisation class-ids quadrants "
    "joint-or-separate saliency faces numbers",
)
EXACT = ("numbers", "softmax-surface", "round-off")  # as quick in full
QUICK_CLAIMS = {  # hold with few samples and epochs, too
    "moons": ["parameters"],
    "keras-binary": ["parameters"],
    "momentum": ["steps to the ravine's bottom, momentum 0.8"],
    "losses": ["largest |gradient - (p - y)|"],
    "activations": ["derivative at 0, tanh", "derivative at 0, sigmoid"],
    "class-ids": ["largest |sum of the softmax - 1|"],
    "one-vs-all": ["sum of the softmax's answers"],
    "quadrants": ["loss of the last epoch"],
    "mnist-10": ["parameters", "time of training"],
    "mnist-300": ["parameters"],
    "init": ["largest difference between hidden units, zeros"],
    "saliency": ["largest error of the derivative"],
}


def invoke(*args):
    return CliRunner().invoke(cli.app, ["reproduce", *args], prog_name="fastnet")


@pytest.fixture
def drawable():
    pytest.importorskip("matplotlib")


def olivetti(monkeypatch, found):
    """Let scikit-learn have these faces, or raise this error."""

    def fetch(**_):
        print("downloading")  # as scikit-learn does
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr("sklearn.datasets.fetch_olivetti_faces", fetch)


class Faces:
    """400 images that look like nobody, but each person's are alike."""

    target = np.repeat(np.arange(40), 10)
    data = np.random.default_rng(0).random((40, 4096))[target] + np.random.default_rng(1).normal(0, 0.1, (400, 4096))


# -- every experiment ----------------------------------------------------------------------------------


# Quick runs that still compile or train for half a minute.
TAKES_LONG = ("keras-binary", "moons", "saliency", "pca", "candidate-sampling")


def test_every_experiment_is_there():
    assert sorted(EXPERIMENTS) == sorted(NAMES)
    for name, found in EXPERIMENTS.items():
        assert found.name == name
        assert found.title
        assert found.source
        assert len(found.shows) > 60


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in TAKES_LONG else name for name in NAMES]
)
def test_runs_quickly_and_draws_its_figures(name, request, monkeypatch, tmp_path, drawable):
    from PIL import Image

    if EXPERIMENTS[name].data == "mnist":
        request.getfixturevalue("mnist")
    if name == "faces":
        olivetti(monkeypatch, Faces)
    said = []
    result = reproduce.run(name, quick=True, say=said.append)
    for number in result.numbers:
        assert isinstance(number.show(number.ours), str)
        assert not math.isnan(number.ours), number
        if name in EXACT or number.what in QUICK_CLAIMS.get(name, ()):
            assert number.holds is True or number.holds is None, number
    assert set(QUICK_CLAIMS.get(name, ())) <= {number.what for number in result.numbers}
    assert len({number.what for number in result.numbers}) == len(result.numbers)
    files = result.save(tmp_path / "figures")
    assert files or name == "numbers"
    for path in files:
        with Image.open(path) as picture:
            assert picture.size[0] >= 300
            assert np.asarray(picture.convert("L")).std() > 5  # not empty


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*EXACT, "faces")])
def test_holds_in_full(name, seed, request):
    if EXPERIMENTS[name].data == "mnist":
        request.getfixturevalue("mnist")
    for number in reproduce.run(name, seed=seed).numbers:
        assert number.holds is not False, f"{number.what}: {number.ours}"


@pytest.mark.slow
def test_moons_in_full_are_learnt_and_drawn_for_40_epochs(tmp_path, drawable):
    from PIL import Image

    result = reproduce.run("moons")
    assert all(number.holds is not False for number in result.numbers)
    assert result["parameters"].ours == 27
    gif, sheet, _ = result.save(tmp_path)
    with Image.open(gif) as animation:
        assert animation.n_frames == 40
    assert sheet.name == "moons-boundaries.png"


def test_the_same_seed_gives_the_same_numbers():
    one, two, other = ([n.ours for n in reproduce.run("losses", quick=True, seed=seed).numbers] for seed in (1, 1, 2))
    assert one == two != other


# -- the worked numbers --------------------------------------------------------------------------------


def test_worked_numbers_are_those_that_the_articles_should_have():
    result = reproduce.run("numbers")
    exact = {
        "softmax(20, 21), first": 1 / (1 + math.e),
        "softmax(2, 1, -1), duck": math.exp(2) / (math.exp(2) + math.e + 1 / math.e),
        "softmax(2, 1, -1), cat": math.exp(-1) / (math.exp(2) + math.e + 1 / math.e),
        "softmax(1.2, 0.3), cat": 1 / (1 + math.exp(-0.9)),
        "cross-entropy before training": math.log1p(math.exp(-0.9)),
        "cross-entropy after training": math.log1p(math.exp(-1.8)),
        "softmax(-7.98, 2.39), cat": 1 / (1 + math.exp(10.37)),
        "cross-entropy of (0.7, 0.2, 0.1) and (1, 0, 0)": -math.log(0.7),
        "three doors, likelihood 0.7 * 0.8 * 0.97": 0.5432,
        "three doors, cross-entropy": -math.log(0.5432),
        "10,000 doors of 0.5, cross-entropy": 10_000 * math.log(2),
        "parameters of 784-10-10": 7960,
        "parameters of 784-300-10": 238_510,
        "||(25, 25, 25, 25)||": 50,
    }
    for what, value in exact.items():
        assert math.isclose(result[what].ours, value, rel_tol=1e-12), what
    assert sum("slip" in number.note for number in result.numbers) == 5


def test_an_unknown_number_is_a_key_error_that_lists_all():
    with pytest.raises(KeyError, match="softmax\\(20, 21\\), first"):
        reproduce.run("numbers")["softmax(1)"]


# -- the framework -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("relation", "ours", "holds"),
    [
        ("at least", 92.0, True), ("at least", 91.99, False), ("at most", 92.0, True), ("at most", 92.01, False),
        ("equals", 92.04, True), ("equals", 92.06, False), ("", 0.0, None), ("at least", math.nan, False),
        ("at most", math.inf, False),
    ],
)  # fmt: skip
def test_numbers_hold_or_do_not(relation, ours, holds):
    assert Number("x", ours, 92.0, "%", relation, ".1f").holds is holds
    assert claim("x", ours, 92.0, "%", relation, ".1f").holds is holds
    assert Number("x", ours, None, "%", relation, ".1f").holds is None


def test_numbers_are_shown_in_their_form():
    assert Number("x", 0.12345, form=".2f").show(0.12345) == "0.12"
    assert Number("x", 3.0, form=",d").show(1234.0) == "1,234"
    assert Number("x", math.inf, form="d").show(math.inf) == "inf"


def test_epochs_to_a_level_are_counted_from_one():
    assert epochs_to(np.array([0.2, 0.5, 0.9]), 0.5) == 2
    assert epochs_to(np.array([0.9, 0.5, 0.1]), 0.5, falling=True) == 2
    assert epochs_to(np.array([0.2]), 0.5) == math.inf


def test_spreads_refuse_results_of_different_experiments():
    with pytest.raises(ValueError, match="zip"):
        spreads([Result((Number("a", 1.0),)), Result(())])


def test_road_views_are_what_their_labels_say():
    X, y = road(400, seed=3)
    assert (X.shape, X.dtype, y.shape) == ((400, 256), np.float32, (400, 3))
    empty, full = X[~y.any(axis=1)], X[y.all(axis=1)]
    assert len(empty) > 20
    assert np.abs(empty).max() < 1
    assert (full > 0.5).sum(axis=1).min() > 30  # a bus alone has 48 pixels, and noise dims a few


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"name": "moon"}, ValueError, ["name must be one of", "Did you mean 'moons'?"]),
        ({"name": "numbers", "seed": -1}, ValueError, ["seed must be >= 0, got -1"]),
        ({"name": "numbers", "seed": "one"}, TypeError, ["seed must be an int, got str 'one'"]),
        ({"name": "numbers", "quick": 1}, TypeError, ["quick must be True or False, got int 1"]),
    ],
)
def test_bad_arguments_are_refused(options, error, words):
    with pytest.raises(error) as caught:
        reproduce.run(**options)
    assert all(word in str(caught.value) for word in words)


def test_missing_mnist_is_what_the_loader_says(tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "t10k-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="MNIST files are missing"):
        reproduce.run("mnist-10", data_dir=str(tmp_path))


def test_faces_offline_say_what_to_do(monkeypatch):
    olivetti(monkeypatch, OSError("no network"))
    with pytest.raises(DownloadError, match=r"Olivetti faces.*no network.*fetch_olivetti_faces"):
        reproduce.run("faces", quick=True)


# -- the command ---------------------------------------------------------------------------------------


def test_list_names_all():
    result = invoke("--list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(EXPERIMENTS)
    document = json.loads(invoke("--list", "--json").stdout)
    assert [found["name"] for found in document] == list(EXPERIMENTS)
    assert all(found["shows"] and found["source"] for found in document)


def test_a_table_shows_the_article_beside_ours(tmp_path, drawable):
    result = invoke("numbers", "softmax-surface", "--out", str(tmp_path / "new" / "folder"))
    assert result.exit_code == 0, result.output
    assert re.search(r"^softmax\(20, 21\), second +0\.73 +0\.73 +equals: yes *$", result.stdout, re.MULTILINE)
    assert re.search(r"^softmax\(2, 1, -1\), cat \[\d+\] +0\.0300 +0\.0351 *$", result.stdout, re.MULTILINE)
    assert "slip: truncated there, rounded it is 0.04" in result.stdout
    path = tmp_path / "new" / "folder" / "softmax-surface.png"
    assert str(path) in result.stdout
    assert path.stat().st_size > 10_000


def test_several_seeds_show_a_range_and_json_holds_it_all(tmp_path, drawable):
    table = invoke("losses", "--quick", "--seeds", "3", "--no-figures").stdout
    assert re.search(r"test accuracy, cross entropy +\d+\.\d \(\d+\.\d to \d+\.\d\)  %", table)
    result = invoke("losses", "--quick", "--seeds", "3", "--seed", "4", "--json", "--out", str(tmp_path))
    (document,) = json.loads(result.stdout)
    assert document["seeds"] == [4, 5, 6]
    assert document["quick"] is True
    assert document["figures"] == [str(tmp_path / "losses.png")]
    for number in document["numbers"]:
        assert float(number["low"]) <= float(number["ours"]) <= float(number["high"])
    assert "samples, batch" in result.stderr


def test_quick_runs_claim_nothing_and_full_ones_do(monkeypatch):
    def fails(settings):
        """Miss what is claimed."""
        return Result((Number("accuracy", 91.0, 92.0, "%", "at least"),))

    monkeypatch.setitem(EXPERIMENTS, "numbers", reproduce.Experiment("numbers", "t", "s", fails))
    assert invoke("numbers", "--quick", "--no-figures").exit_code == 0
    result = invoke("numbers", "--no-figures")
    assert result.exit_code == cli_reproduce.MISSED
    assert "error: not what the article claims: numbers: accuracy" in result.stderr
    assert re.search(r"^accuracy +92 +91  % +at least: NO", result.stdout, re.MULTILINE)


def test_without_matplotlib_numbers_are_still_printed(monkeypatch, tmp_path):
    without_matplotlib(monkeypatch)
    result = invoke("softmax-surface", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0
    assert "pip install 'fastnet-numba[plot]'" in result.stderr
    assert "P(t=1) for z1 = z2" in result.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["moon"], messages.USAGE, ["NAME must be one of", "Did you mean 'moons'?"]),
        (["--quick"], messages.USAGE, ["NAME is missing", "--list"]),
        (["numbers", "--seeds", "0"], messages.USAGE, ["--seeds must be >= 1, got 0"]),
        (["numbers", "--seed", "-1"], messages.USAGE, ["--seed must be >= 0, got -1"]),
        (["mnist-10", "--data-dir", "TMP"], messages.DATA, ["MNIST files are missing"]),
    ],
)
def test_refusals_are_one_message(args, code, words, tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "t10k-images-idx3-ubyte").write_bytes(b"")
    result = invoke(*(str(tmp_path) if arg == "TMP" else arg for arg in args))
    assert result.exit_code == code
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.stderr


def test_of_all_those_without_data_are_left_out_and_named(monkeypatch, tmp_path):
    monkeypatch.setattr(cli_reproduce, "_experiments", lambda *_: [EXPERIMENTS["faces"], EXPERIMENTS["numbers"]])
    olivetti(monkeypatch, OSError("no network"))
    result = invoke("all", "--quick", "--no-figures")
    assert result.exit_code == messages.DATA
    assert "downloading" not in result.stdout
    assert "softmax(20, 21)" in result.stdout
    assert "faces: the Olivetti faces" in result.stderr
    assert result.stderr.splitlines()[-1] == "error: no data for faces (see above)"


def test_all_is_every_experiment():
    assert [found.name for found in cli_reproduce._experiments(["all"], show=False)] == list(EXPERIMENTS)


def test_a_training_that_diverges_has_its_own_exit_code(monkeypatch):
    def diverges(settings):
        """Diverge."""
        raise DivergenceError("training diverged: loss became nan", epoch=2)

    monkeypatch.setitem(EXPERIMENTS, "losses", reproduce.Experiment("losses", "t", "s", diverges))
    result = invoke("losses", "numbers", "--no-figures")
    assert result.exit_code == messages.DIVERGED
    assert "error: losses: training diverged: loss became nan" in result.stderr


def test_ctrl_c_ends_with_a_count(monkeypatch):
    def interrupted(settings):
        """Be interrupted."""
        raise KeyboardInterrupt

    monkeypatch.setitem(EXPERIMENTS, "losses", reproduce.Experiment("losses", "t", "s", interrupted))
    result = invoke("numbers", "losses", "--no-figures")
    assert result.exit_code == messages.INTERRUPTED
    assert "interrupted: 1 of 2 experiments are done" in result.stderr


def test_a_file_in_the_place_of_the_folder_is_a_usage_error(tmp_path, drawable):
    (tmp_path / "file").write_text("")
    result = invoke("softmax-surface", "--out", str(tmp_path / "file"))
    assert result.exit_code == messages.USAGE
    assert "--out" in result.stderr


def test_zero_weights_warn_the_user_but_not_the_experiment(mnist):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reproduce.run("init", quick=True)
