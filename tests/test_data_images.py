"""Folders of images: one folder per class, sizes, colours, splits."""

import sys

import numpy as np
import pytest
from PIL import Image

from fastnet import FormatError, load_data, read_data


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path, **options)


def grey(value, size=(4, 5)):
    return np.full(size, value)


@pytest.fixture
def folder(tmp_path):
    """Two classes, 10 images each, grey levels 0 to 9 and 100 to 109."""
    for k, name in enumerate(("dog", "cat")):
        for i in range(10):
            save(tmp_path / "pets" / name / f"{i}.png", grey(100 * k + i))
    return tmp_path / "pets"


def test_folders_are_classes_in_the_order_of_the_alphabet(folder):
    found = read_data(folder)
    assert (found.X.shape, found.X.dtype, found.image_shape) == ((20, 20), np.uint8, (4, 5))
    assert found.classes.tolist() == ["cat", "dog"]
    assert found.y.tolist() == [0] * 10 + [1] * 10
    assert found.X[:, 0].tolist() == [*range(100, 110), *range(10)]
    assert found.files[:2] == ("cat/0.png", "cat/1.png")
    data = load_data(folder)
    assert [len(data.y_train), len(data.y_val), len(data.y_test)] == [14, 2, 4]
    assert (data.image_shape, data.n_classes, data.name) == ((4, 5), 2, "pets")
    assert np.bincount(data.y_test).tolist() == [2, 2]


def test_a_folder_of_images_without_classes_and_one_image(folder):
    found = read_data(folder / "cat", classes=["cat", "dog"])
    assert (found.y, found.X.shape, found.files[0], found.classes.tolist()) == (None, (10, 20), "0.png", ["cat", "dog"])
    assert read_data(folder / "dog" / "3.png").X.tolist() == [[3] * 20]
    with pytest.raises(ValueError, match="no labels are known"):
        load_data(folder / "cat")


def test_given_classes_decide_the_indices(folder):
    assert read_data(folder, classes=["dog", "bird", "cat"]).y.tolist() == [2] * 10 + [0] * 10
    with pytest.raises(FormatError, match=r"image dog/0\.png: found the label 'dog', expected one of cat, dig\."):
        read_data(folder, classes=["cat", "dig"])


@pytest.mark.parametrize("val", [None, "val", "valid", "Validation"])
def test_train_and_test_folders_are_a_split(tmp_path, val):
    for k, part in enumerate(filter(None, ("train", val, "test"))):
        for name in ("a", "b"):
            for i in range(10):
                save(tmp_path / part / name / f"{i}.png", grey(k))
    data = load_data(tmp_path)
    assert [len(data.y_train), len(data.y_val), len(data.y_test)] == ([20, 20, 20] if val else [18, 2, 20])
    assert (data.X_test[0, 0], data.split) == ((2, "own") if val else (1, "stratified"))
    save(tmp_path / "test" / "a" / "0.png", grey(0, (3, 3)))
    with pytest.raises(FormatError, match=r"test/a/0\.png: found 3 x 3 pixels"):
        load_data(tmp_path)
    assert load_data(tmp_path, image_shape=(2, 2)).X_test.shape == (20, 4)


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train", "plane"):
        for i in range(3):
            save(tmp_path / name / f"{i}.png", grey(i))
    assert read_data(tmp_path).classes.tolist() == ["plane", "train"]


def test_another_size_is_refused_unless_one_is_given(folder):
    save(folder / "dog" / "3.png", grey(7, (8, 10)))
    with pytest.raises(
        FormatError,
        match=r"dog/3\.png: found 8 x 10 pixels .*, expected 4 x 5 as in 0\.png; image_shape=\(4, 5\) scales",
    ):
        read_data(folder)
    found = read_data(folder, image_shape=(2, 3))
    assert (found.X.shape, found.image_shape) == ((20, 6), (2, 3))
    assert found.X[13].tolist() == [7] * 6
    assert read_data(folder, image_shape=[2, 3, 3]).X.shape == (20, 18)


def test_the_first_image_decides_the_colours(tmp_path):
    colour = np.zeros((2, 2, 3))
    colour[..., 0] = 255
    save(tmp_path / "a" / "0.png", colour)
    save(tmp_path / "b" / "0.png", grey(9, (2, 2)))
    found = read_data(tmp_path)
    assert found.image_shape == (2, 2, 3)
    assert found.X.tolist() == [[255, 0, 0] * 4, [9] * 12]
    assert read_data(tmp_path, image_shape=(2, 2)).X.tolist() == [[76] * 4, [9] * 4]


def test_transparent_is_white_and_sixteen_bits_are_eight(tmp_path):
    clear = np.zeros((1, 2, 4))
    clear[0, 1] = (10, 20, 30, 255)
    save(tmp_path / "clear.png", clear)
    assert read_data(tmp_path / "clear.png").X.tolist() == [[255, 255, 255, 10, 20, 30]]
    Image.fromarray(np.array([[0, 256, 65535]], np.uint16)).save(tmp_path / "deep.png")
    assert read_data(tmp_path / "deep.png").X.tolist() == [[0, 1, 255]]
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1").save(tmp_path / "bits.png")
    assert read_data(tmp_path / "bits.png").X.tolist() == [[0, 255]]


def test_images_are_turned_as_their_exif_data_say(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    save(tmp_path / "turned.png", grey(5, (2, 3)), exif=exif)
    assert read_data(tmp_path / "turned.png").image_shape == (3, 2)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_damaged_images_are_named(folder, content):
    (folder / "cat" / "5.png").write_bytes(content)
    with pytest.raises(FormatError, match=r"cat/5\.png: not a whole image"):
        read_data(folder)


def test_a_cut_image_is_named(folder):
    path = folder / "cat" / "5.png"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FormatError, match=r"cat/5\.png: not a whole image"):
        read_data(folder)


def test_a_bomb_is_refused(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15)
    with pytest.raises(FormatError, match=r"cat/0\.png: .*decompression bomb"):
        read_data(folder)


def test_folders_that_are_none_of_classes(folder, tmp_path):
    (folder / "empty").mkdir()
    with pytest.raises(FormatError, match="empty: found no images, expected some: the folder is taken for a class"):
        read_data(folder)
    (folder / "empty").rmdir()
    save(folder / "loose.png", grey(1))
    with pytest.raises(FormatError, match=r"found the image loose\.png beside folders"):
        read_data(folder)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(FormatError, match="found no images in this folder"):
        read_data(tmp_path / "nothing")


@pytest.mark.parametrize("shape", [(4,), (4, 5, 1), (0, 5), (4.0, 5), "45", (True, 5), (4, 1 << 15)])
def test_image_shape_is_checked(folder, shape):
    with pytest.raises(ValueError, match=r"image_shape is .*; expected \(height, width\) or"):
        read_data(folder, image_shape=shape)


def test_a_missing_package_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'fastnet-numba\[images\]'"):
        read_data(folder)
