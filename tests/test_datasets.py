import doctest
import gzip
import hashlib
import importlib
import re
import struct
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import FrozenInstanceError
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from sklearn.datasets import make_moons

from fastnet import DownloadError, FormatError
from fastnet.datasets import (
    available,
    fetch,
    load_data,
    load_digits,
    load_fashion_mnist,
    load_mnist,
    load_moons,
    verify,
    where,
)
from fastnet.datasets import mnist as mnist_module
from fastnet.datasets import olivetti as olivetti_module
from fastnet.datasets.olivetti import OLIVETTI
from fastnet.datasets.remote import CHECKOUT, RemoteFile

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


# Digits and moons


def test_digits_are_all_of_scikit_learns_split_once_and_for_all():
    data = load_digits()
    X = np.concatenate([data.X_train, data.X_val, data.X_test])
    y = np.concatenate([data.y_train, data.y_val, data.y_test])
    from sklearn.datasets import load_digits as original

    X_all, y_all = original(return_X_y=True)
    rows = Counter((*pixels, label) for pixels, label in zip((X * 16).tolist(), y.tolist(), strict=True))
    assert rows == Counter((*pixels, label) for pixels, label in zip(X_all.tolist(), y_all.tolist(), strict=True))
    assert (len(data.y_train), len(data.y_val), len(data.y_test)) == (1079, 359, 359)
    again = load_digits()
    np.testing.assert_array_equal(data.X_train, again.X_train)
    np.testing.assert_array_equal(data.y_test, again.y_test)


def test_digits_are_float32_from_0_to_1_and_stratified():
    data = load_digits()
    assert (data.name, data.n_features, data.n_classes) == ("digits", 64, 10)
    for X, y in (data.X_train, data.y_train), (data.X_val, data.y_val), (data.X_test, data.y_test):
        assert (X.dtype, y.dtype) == (np.float32, np.int64)
        assert X.flags.c_contiguous
        assert (X.min(), X.max()) == (0, 1)
        np.testing.assert_allclose(np.bincount(y) / len(y), 0.1, atol=0.006)


def test_moons_are_scikit_learns_and_the_parts_differ():
    data = load_moons(n_samples=50, noise=0.2, seed=3)
    X, y = make_moons(50, noise=0.2, random_state=3)
    np.testing.assert_array_equal(data.X_train, X.astype(np.float32))
    np.testing.assert_array_equal(data.y_train, y)
    assert (data.name, data.n_features, data.n_classes) == ("moons", 2, 2)
    for X, y in (data.X_train, data.y_train), (data.X_val, data.y_val), (data.X_test, data.y_test):
        assert (X.shape, X.dtype, y.dtype) == ((50, 2), np.float32, np.int64)
        assert np.bincount(y).tolist() == [25, 25]
    assert len(np.unique(np.concatenate([data.X_train, data.X_val, data.X_test]), axis=0)) == 150


def test_moons_without_noise_lie_on_two_half_circles():
    data = load_moons(n_samples=np.int32(20), noise=0)
    centres = np.array([[0, 0], [1, 0.5]])[data.y_train]
    np.testing.assert_allclose(np.hypot(*(data.X_train - centres).T), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("error", "argument", "value"),
    [
        (ValueError, "n_samples", 0),
        (ValueError, "n_samples", 1),
        (ValueError, "n_samples", -5),
        (TypeError, "n_samples", 2.0),
        (TypeError, "n_samples", True),
        (TypeError, "n_samples", "many"),
        (TypeError, "n_samples", None),
        (ValueError, "noise", -0.1),
        (ValueError, "noise", float("nan")),
        (ValueError, "noise", float("inf")),
        (ValueError, "noise", 1e39),
        (TypeError, "noise", None),
        (TypeError, "noise", "0.1"),
        (TypeError, "noise", True),
        (TypeError, "noise", 1j),
        (ValueError, "seed", -1),
        (ValueError, "seed", 2**32),
        (TypeError, "seed", 0.5),
        (TypeError, "seed", None),
    ],
)
def test_moons_name_the_wrong_argument(error, argument, value):
    with pytest.raises(error, match=f"^{argument} is .*; expected "):
        load_moons(**{argument: value})


def test_dataset_shows_shapes_and_types_and_is_frozen():
    data = load_moons(n_samples=20)
    assert repr(data).splitlines() == [
        "Dataset 'moons': 2 features, 2 classes",
        "  train       X (20, 2) float32       y (20,) int64",
        "  validation  X (20, 2) float32       y (20,) int64",
        "  test        X (20, 2) float32       y (20,) int64",
    ]
    with pytest.raises(FrozenInstanceError):
        data.X_train = data.X_val


# MNIST: the real files


@pytest.mark.mnist
def test_mnist_split(mnist):
    assert (mnist.name, mnist.n_features, mnist.n_classes) == ("mnist", 784, 10)
    assert repr(mnist).splitlines()[1:] == [
        "  train       X (55000, 784) uint8    y (55000,) int64",
        "  validation  X (5000, 784) uint8     y (5000,) int64",
        "  test        X (10000, 784) uint8    y (10000,) int64",
    ]
    assert mnist.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    labels = np.concatenate([mnist.y_train, mnist.y_val])
    assert np.bincount(labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


@pytest.mark.mnist
def test_mnist_images_are_views_of_one_array(mnist):
    assert mnist.X_train.base is mnist.X_val.base
    images = mnist.X_train.base.reshape(60000, 784)
    assert images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)  # as everyone normalizes MNIST
    assert np.count_nonzero(~images.any(axis=0)) == 67


# MNIST: where the files are looked for. A tiny registry stands in for the real one.


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def tiny_files():
    images = np.arange(7 * 4, dtype=np.uint8).reshape(7, 2, 2)
    labels = np.array([3, 1, 4, 1, 5, 9, 2], np.uint8)
    return dict(zip(NAMES, map(idx, (images, labels, images[:4], labels[:4])), strict=True))


def register(monkeypatch, files):
    """Let `files` pass for MNIST: 5 training, 2 validation and 4 test images of 2 × 2 pixels."""
    digests = [(name, hashlib.sha256(c), hashlib.sha256(packed(c))) for name, c in files.items()]
    entries = tuple(RemoteFile(n, c.hexdigest(), gz.hexdigest()) for n, c, gz in digests)
    for name in ("MNIST", "FASHION_MNIST"):
        change(monkeypatch, name, files=entries)
    monkeypatch.setattr(mnist_module, "_N_TRAIN", 5)


def change(monkeypatch, name="MNIST", **changed):
    monkeypatch.setattr(mnist_module, name, getattr(mnist_module, name)._replace(**changed))


def packed(content):
    return gzip.compress(content, mtime=0)


def place(folder, names=NAMES, end=".gz", **changed):
    """Write files into ``folder/mnist``; return `folder`."""
    (folder / "mnist").mkdir(parents=True, exist_ok=True)
    for name, content in {**tiny_files(), **changed}.items():
        if name in names:
            (folder / "mnist" / (name + end)).write_bytes(gzip.compress(content) if end else content)
    return folder


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A checkout and a user's cache, both empty, no FASTNET_DATA, no network, and the tiny registry."""
    register(monkeypatch, tiny_files())
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "pyproject.toml").write_text('[project]\nname = "fastnet-numba"\n')
    monkeypatch.setattr("fastnet.datasets.remote.CHECKOUT", tmp_path / "checkout")
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    for name in ("MNIST", "FASHION_MNIST"):
        change(monkeypatch, name, mirrors=())
    monkeypatch.delenv("FASTNET_DATA", raising=False)
    monkeypatch.setenv("FASTNET_CACHE_DIR", str(tmp_path / "kept"))
    return tmp_path


@pytest.mark.parametrize("end", [".gz", ""], ids=["gz", "raw"])
def test_files_may_be_packed_or_not(world, end):
    data = load_mnist(place(world / "mine", end=end))
    assert data.X_train.tolist() == np.arange(20).reshape(5, 4).tolist()
    assert data.X_val.tolist() == np.arange(20, 28).reshape(2, 4).tolist()
    assert data.X_test.tolist() == np.arange(16).reshape(4, 4).tolist()
    assert (data.y_train.tolist(), data.y_val.tolist()) == ([3, 1, 4, 1, 5], [9, 2])
    assert data.y_test.tolist() == [3, 1, 4, 1]
    assert data.y_train.dtype == np.int64


def test_unpacked_file_goes_before_the_packed_one(world):
    place(world / "mine", end="")
    for name in NAMES:
        (world / "mine" / "mnist" / f"{name}.gz").write_bytes(b"not read")
    load_mnist(world / "mine")


def test_places_are_searched_in_order(world, monkeypatch):
    places = [
        world / "argument",
        world / "variable",
        world / "checkout" / "data",
        world / "cache" / "fastnet",
    ]
    for folder in places:
        place(folder)
    monkeypatch.setenv("FASTNET_DATA", str(places[1]))
    read = []
    original = mnist_module.read_idx
    monkeypatch.setattr(
        mnist_module, "read_idx", lambda path, **options: read.append(path) or original(path, **options)
    )
    for folder in places:
        load_mnist(places[0])
        for path in (folder / "mnist").iterdir():
            path.unlink()
    assert [path.parent.parent for path in read[::4]] == places
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(places[0], download=False)
    for folder in places:
        assert f"{folder / 'mnist'} lacks {', '.join(NAMES)}" in str(caught.value)


def test_checkout_counts_only_if_it_is_fastnets(world):
    place(world / "checkout" / "data")
    load_mnist()
    (world / "checkout" / "pyproject.toml").write_text('[project]\nname = "other"\n')
    with pytest.raises(FileNotFoundError):
        load_mnist(download=False)


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("by_variable", [False, True])
def test_named_folder_without_the_files_leaves_it_to_the_other_places(world, monkeypatch, by_variable, exists):
    mine = world / "mine"
    if exists:
        mine.mkdir()
    monkeypatch.setenv("FASTNET_DATA", str(mine) if by_variable else "")
    with pytest.raises(FileNotFoundError, match=re.escape(f"into {mine / 'mnist'};")):
        load_mnist(None if by_variable else mine, download=False)
    place(world / "cache" / "fastnet")
    assert load_mnist(None if by_variable else mine).y_train.tolist() == [3, 1, 4, 1, 5]
    assert not mine.exists() or not any(mine.iterdir())


@pytest.mark.parametrize("by_variable", [False, True])
def test_half_filled_folder_is_reported_by_the_missing_file(world, monkeypatch, by_variable):
    place(world / "cache" / "fastnet")
    folder = place(world / "mine", names=NAMES[:3])
    monkeypatch.setenv("FASTNET_DATA", str(folder) if by_variable else "")
    with pytest.raises(FileNotFoundError, match=f"mine/mnist lacks {NAMES[3]}\n"):
        load_mnist(None if by_variable else folder)
    assert len(list((folder / "mnist").iterdir())) == 3


def test_damaged_file_is_refused_by_its_content(world):
    changed = bytearray(tiny_files()[NAMES[2]])
    changed[-1] ^= 1
    with pytest.raises(FormatError, match=rf"^{NAMES[2]}.gz: SHA-256 of the uncompressed content"):
        load_mnist(place(world / "mine", **{NAMES[2]: bytes(changed)}))


def test_packed_files_are_inflated_once(world, monkeypatch):
    folder = place(world / "mine")
    first = load_mnist(folder)
    monkeypatch.setattr(mnist_module, "read_idx", None)
    second = load_mnist(folder)
    for part in ("X_train", "y_train", "X_val", "y_val", "X_test", "y_test"):
        np.testing.assert_array_equal(getattr(first, part), getattr(second, part))
    assert len(list((world / "kept" / "mnist-raw").iterdir())) == 4


def test_a_packed_file_that_is_damaged_later_is_refused(world):
    load_mnist(place(world / "mine"))
    (world / "mine" / "mnist" / f"{NAMES[2]}.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(FormatError, match=f"^{NAMES[2]}.gz: "):
        load_mnist(world / "mine")


def test_unpacked_files_are_read_as_they_are(world):
    load_mnist(place(world / "mine", end=""))
    assert not (world / "kept").exists()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0] * 6, r"labels of shape \(6,\), expected \(7,\)"),
        ([0] * 8, r"labels of shape \(8,\), expected \(7,\)"),
        ([0, 0, 10, 0, 0, 11, 0], "label 10 at index 2, expected 0 to 9"),
    ],
)
def test_labels_must_fit_the_images(world, monkeypatch, labels, message):
    changed = {NAMES[1]: idx(np.array(labels, np.uint8))}
    register(monkeypatch, {**tiny_files(), **changed})
    with pytest.raises(FormatError, match=f"^{NAMES[1]}.gz: found {message}"):
        load_mnist(place(world / "mine", **changed))


@pytest.mark.parametrize(("argument", "value"), [("data_dir", 3), ("data_dir", b"x"), ("download", "no")])
def test_mnist_names_the_wrong_argument(argument, value):
    with pytest.raises(TypeError, match=f"^{argument} is .*; expected "):
        load_mnist(**{argument: value})


# MNIST: downloads, from a server on this machine


def good(name, content):
    return 200, packed(content), None


def not_found(name, content):
    return 404, b"no such file", None


def web_page(name, content):
    return 200, b"<!DOCTYPE html><title>Log in to this network</title>", None


def damaged(name, content):
    return 200, packed(content) + b"\0", None


def cut(name, content):
    return 200, packed(content)[:20], len(packed(content))


@pytest.fixture
def serve(world, monkeypatch):
    """Start one mirror for each behaviour; return the list of paths that were asked for."""
    asked = []
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Mirror(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            _, mirror, name = self.path.split("/")
            behaviour = globals()[mirror]
            status, body, length = behaviour(name, tiny_files()[name.removesuffix(".gz")])
            self.send_response(status)
            self.send_header("Content-Length", str(length or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()

        def serve(*behaviours):
            address = f"http://127.0.0.1:{server.server_port}"
            mirrors = tuple(f"{address}/{behaviour.__name__}/" for behaviour in behaviours)
            for name in ("MNIST", "FASHION_MNIST"):
                change(monkeypatch, name, mirrors=mirrors)
            return asked

        yield serve
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("first", [good, not_found, web_page, damaged, cut])
def test_download_takes_the_first_mirror_that_serves_the_file(world, serve, first):
    asked = serve(first, good)
    data = load_mnist()
    assert data.y_train.tolist() == [3, 1, 4, 1, 5]
    assert len(asked) == (4 if first is good else 8)
    folder = world / "checkout" / "data" / "mnist"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.gz" for name in NAMES)
    asked.clear()
    load_mnist()
    assert not asked


def test_download_goes_to_the_cache_without_a_checkout(world, serve):
    (world / "checkout" / "pyproject.toml").unlink()
    serve(good)
    load_mnist()
    assert len(list((world / "cache" / "fastnet" / "mnist").iterdir())) == 4
    assert not (world / "checkout" / "data").exists()


def test_download_completes_our_own_half_filled_folder(world, serve):
    place(world / "checkout" / "data", names=NAMES[:3])
    asked = serve(good)
    load_mnist()
    assert asked == [f"/good/{NAMES[3]}.gz"]


def test_download_never_writes_to_a_folder_that_the_user_names(world, serve, monkeypatch):
    asked = serve(good)
    (world / "mine").mkdir()
    monkeypatch.setenv("FASTNET_DATA", str(world / "mine"))
    load_mnist(world / "mine")
    assert len(asked) == 4
    assert not any((world / "mine").iterdir())


def test_failed_download_lists_every_address_and_reason_and_the_way_by_hand(world, serve):
    serve(not_found, web_page, cut)
    with pytest.raises(DownloadError) as caught:
        load_mnist(world / "mine")
    title, *lines, by_hand = str(caught.value).splitlines()
    reasons, searched = lines[:3], lines[4:]
    assert lines[3] == "Searched before:"
    places = world / "mine", world / "checkout" / "data", world / "cache" / "fastnet"
    assert searched == [f"  {folder / 'mnist'} lacks {', '.join(NAMES)}" for folder in places]
    assert title == f"MNIST: no mirror serves {NAMES[0]}.gz:"
    for reason, mirror, words in zip(
        reasons,
        mnist_module.MNIST.mirrors,
        ("404", "does not match the known hash", "IncompleteRead"),
        strict=True,
    ):
        assert reason.strip().startswith(f"{mirror}{NAMES[0]}.gz: ")
        assert words in reason
    for words in (*NAMES, str(world / "checkout" / "data" / "mnist"), "FASTNET_DATA"):
        assert words in by_hand
    assert not any((world / "checkout" / "data" / "mnist").iterdir())


def test_unreachable_mirror_and_unwritable_folder_are_download_errors(world, monkeypatch):
    change(monkeypatch, mirrors=("http://127.0.0.1:9/",))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:9/.*: ConnectionError"):
        load_mnist()
    (world / "checkout" / "data" / "mnist").rmdir()
    (world / "checkout" / "data").rmdir()
    (world / "checkout" / "data").write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="Error"):
        load_mnist()


def test_download_shows_progress_on_a_terminal_only(serve, monkeypatch, capsys):
    serve(good)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    load_mnist()
    captured = capsys.readouterr()
    assert all(f"{name}.gz" in captured.err for name in NAMES)
    assert re.search(r"(\d+)/\1 bytes", captured.err)
    assert captured.out == ""


# Fashion-MNIST, the Olivetti faces, and what is known of all sets


def test_fashion_mnist_has_a_folder_and_class_names_of_its_own(world, serve):
    asked = serve(good)
    data = load_fashion_mnist()
    assert len(asked) == 4
    assert (world / "checkout" / "data" / "fashion-mnist" / f"{NAMES[0]}.gz").is_file()
    assert (data.name, data.classes[data.y_test].tolist()) == ("fashion-mnist", ["Dress", "Trouser", "Coat", "Trouser"])
    assert load_data("fashion-mnist").y_train.tolist() == [3, 1, 4, 1, 5]
    with pytest.raises(FileNotFoundError, match="MNIST files are missing"):
        load_mnist(download=False)


@pytest.fixture
def faces(world, monkeypatch):
    """20 images of 64 x 64 pixels that pass for the Olivetti faces; each is darker on its left."""
    from scipy.io import savemat

    images = np.arange(64, dtype=float) + 100 + np.arange(20)[:, None, None] + np.zeros((20, 64, 64))
    (world / "mine" / "olivetti").mkdir(parents=True)
    path = world / "mine" / "olivetti" / "olivettifaces.mat"
    savemat(path, {"faces": images.transpose(0, 2, 1).reshape(20, -1).T})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = RemoteFile("olivettifaces.mat", digest, digest, packed=False)
    monkeypatch.setattr(
        olivetti_module, "OLIVETTI", OLIVETTI._replace(files=(file,), mirrors=("http://127.0.0.1:9/x",))
    )
    return path


def test_olivetti_faces_are_ten_images_each_upright(faces):
    data = load_data("olivetti", data_dir=faces.parent.parent)
    assert (data.X_train.shape, data.X_train.dtype, data.image_shape) == ((14, 4096), np.uint8, (64, 64))
    assert np.bincount(data.y_test).tolist() == [2, 2]
    first = data.X_train[0].reshape(64, 64)
    np.testing.assert_array_equal(first, np.tile(np.arange(64) + first[0, 0], (64, 1)))
    assert verify("olivetti", faces.parent.parent)[0].ok
    faces.write_bytes(faces.read_bytes() + b"x")
    assert not verify("olivetti", faces.parent.parent)[0].ok
    with pytest.raises(FormatError, match=r"olivettifaces\.mat: found SHA-256 .*, expected .*replace it"):
        load_data("olivetti", data_dir=faces.parent.parent)
    faces.unlink()
    with pytest.raises(DownloadError, match=r"(?s)Olivetti faces: no mirror serves olivettifaces.mat:.*:9/x: Conn"):
        load_data("olivetti", data_dir=faces.parent.parent)


def test_sets_are_fetched_found_and_verified(world, serve):
    asked = serve(good)
    assert where("mnist") is None
    folder = fetch("mnist")
    assert folder == where("mnist") == world / "checkout" / "data" / "mnist"
    assert fetch("mnist") == folder
    assert len(asked) == 4
    checked = verify("mnist")
    assert [file.path.name for file in checked] == [f"{name}.gz" for name in NAMES]
    assert [file.sha256 for file in checked] == [file.sha256 for file in mnist_module.MNIST.files]
    assert all(file.ok for file in checked)
    (folder / f"{NAMES[0]}.gz").write_bytes(packed(b"another"))
    (folder / f"{NAMES[1]}.gz").write_bytes(packed(b"cut")[:-3])
    assert [file.ok for file in verify("mnist")] == [False, False, True, True]
    with pytest.raises(FileNotFoundError, match="Fashion-MNIST files are missing"):
        verify("fashion-mnist")


def test_a_half_filled_folder_is_no_answer(world, monkeypatch):
    place(world / "mine", names=NAMES[:2])
    monkeypatch.setenv("FASTNET_DATA", str(world / "mine"))
    for ask in (where, fetch, verify):
        with pytest.raises(FileNotFoundError, match=f"lacks {NAMES[2]}, {NAMES[3]}"):
            ask("mnist")


@pytest.mark.parametrize("ask", [where, fetch, verify])
def test_sets_without_files_and_unknown_ones(ask):
    assert not ask("moons")
    with pytest.raises(ValueError, match=r"name is 'fashion'; expected one of digits, .*Did you mean 'fashion-mnist'"):
        ask("fashion")


def test_every_name_can_be_asked_for():
    for data in available():
        assert data.megabytes or where(data.name) is not None or data.name == "moons"


# Rules of the house


def test_import_is_light():
    code = "import sys, fastnet.datasets; print({'numba', 'sklearn', 'pooch', 'rich'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "data", [mnist_module.MNIST, mnist_module.FASHION_MNIST, OLIVETTI], ids=lambda data: data.title
)
def test_readme_has_the_checksums_and_mirrors_of_the_code(data):
    readme = (CHECKOUT / "data" / "README.md").read_text(encoding="utf-8")
    section = readme[readme.index(f"## {data.title}") :].split("\n## ")[0]
    for file in data.files:
        assert re.search(rf"\| {file.name} \| [\d,]+ \| `{file.sha256}` \|", section)
        assert re.search(rf"\| {file.served} \| [\d,]+ \| `{file.served_sha256}` \|", section)
    assert all(f"<{mirror}>" in section for mirror in data.mirrors)


@pytest.mark.parametrize("name", ["", ".bundled", ".catalogue", ".load", ".read"])
def test_examples_in_the_docstrings(name):
    failed, attempted = doctest.testmod(importlib.import_module(f"fastnet.datasets{name}"))
    assert failed == 0
    assert attempted >= 1
