"""fastnet.scratch against the NumPy transcription of the article's library: centred MNIST, one sample after the other.

Two forms: a call for each sample, as the article's script does it, and one call for a matrix. The transcription does
the same in both. Learning goes on from round to round; both learn the same samples with the article's settings.
"""

from itertools import pairwise

import numpy as np
import pytest
import reference_scratch

from fastnet import scratch

LIBRARIES = {"fastnet": scratch, "numpy": reference_scratch}
SETTINGS = {"plain": 0.0, "momentum": 0.5}


def build(library, sizes):
    np.random.seed(0)
    pairs = list(pairwise(sizes))
    return library.Net([*(library.HiddenLayer(*pair) for pair in pairs[:-1]), library.OutputLayer(*pairs[-1])])


def one_by_one(net, X, y):
    for x, target in zip(X, y, strict=True):
        net.train(x, target)


FORMS = {"sample": one_by_one, "matrix": lambda net, X, y: net.train(X, y)}


@pytest.mark.parametrize("contender", LIBRARIES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    ("sizes", "n"), [((784, 10, 10), 5000), ((784, 300, 10), 500)], ids=["784-10-10", "784-300-10"]
)
def test_scratch(benchmark, monkeypatch, mnist, sizes, n, setting, form, contender):
    library = LIBRARIES[contender]
    monkeypatch.setattr(library.Net, "momentum", SETTINGS[setting])
    X = mnist.X_train[:n] / 255
    X, y = X - X.mean(axis=0), mnist.y_train[:n]
    net = build(library, sizes)
    net.train(X[:20], y[:20])  # compiles
    benchmark.group = f"scratch {'-'.join(map(str, sizes))}, {setting}, {form}: {n:,} samples"
    benchmark.extra_info["contender"] = contender
    benchmark.pedantic(FORMS[form], args=(net, X, y), rounds=5, warmup_rounds=1)
