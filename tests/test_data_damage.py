"""Files of every format, damaged at random: only documented errors come out."""

import gzip

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import scipy.sparse
from PIL import Image

from fastnet import read_data

TEXT = 'a,b,"c d",kind\n' + "".join(f'{i},{i * 0.5},-{i}e3,"k{i % 3}"\n' for i in range(12))
PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)
WRITERS = {
    "table.csv": lambda path: path.write_text(TEXT),
    "table.csv.gz": lambda path: path.write_bytes(gzip.compress(TEXT.encode())),
    "table.parquet": lambda path: pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2], "kind": ["x", "y"]}), path),
    "plain.npz": lambda path: np.savez(path, X=np.ones((6, 3)), y=[0, 1] * 3),
    "packed.npz": lambda path: np.savez_compressed(path, X=np.ones((6, 3)), y=["a", "b"] * 3),
    "sparse.npz": lambda path: scipy.sparse.save_npz(path, scipy.sparse.eye_array(6).tocsr()),
    "array.npy": lambda path: np.save(path, np.ones((6, 3), np.float32)),
    "image.png": lambda path: Image.fromarray(PIXELS).save(path),
    "image.tif": lambda path: Image.fromarray(PIXELS).save(path),
    "image.gif": lambda path: Image.fromarray(PIXELS).save(path),
}


def damaged(whole, rng):
    """Flip a bit, take bytes out, put some in, or cut; one to three times."""
    content = bytearray(whole)
    for kind in rng.integers(4, size=rng.integers(1, 4)):
        place = int(rng.integers(len(content) + 1))
        if kind == 0:
            content[place : place + 1] = bytes(byte ^ 1 << int(rng.integers(8)) for byte in content[place : place + 1])
        elif kind == 1:
            del content[place : place + int(rng.integers(1, 9))]
        elif kind == 2:
            content[place:place] = rng.bytes(int(rng.integers(1, 5)))
        else:
            del content[place:]
    return bytes(content)


@pytest.mark.parametrize("name", WRITERS)
def test_damaged_files_raise_documented_errors_only(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    target = "kind" if name.startswith("table") else None
    assert len(read_data(path, target=target)) > 0
    whole, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(40):
        path.write_bytes(damaged(whole, rng))
        try:
            read_data(path, target=target)
        except ValueError:  # FormatError is one; so is a target that a damaged header does not name
            refused += 1
    assert refused > 20


def test_an_array_whose_header_never_ends(tmp_path):
    header = b"{'descr': '<f4', 'shape': (1,\n"
    path = tmp_path / "array.npy"
    path.write_bytes(np.lib.format.magic(1, 0) + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match=r"array\.npy: not a whole NPY file"):
        read_data(path)
