"""Every worked number in the articles, computed by this library; where an article slips, the note says so."""

import math

import numpy as np

from .. import functional as F
from ..network import Network
from .experiment import Number, Result, Settings, claim, experiment

_ALL = "the articles of all other experiments"


@experiment("numbers", "every worked number in the articles, with the slips named", _ALL)
def numbers(settings: Settings) -> Result:
    """Softmax, cross-entropy and parameters as the articles compute them; five of their numbers are slips."""
    return Result((*_scratch(), *_round_off(), *_doors(), *_cat_or_dog()))


def _equal(what: str, ours: float, article: float, form: str = ".2f", note: str = "") -> Number:
    return Number(what, float(ours), article, "", "equals", form, note)


def _softmax(*scores: float) -> np.ndarray:
    return F.softmax(np.array([scores], np.float64))[0]


def _scratch() -> list[Number]:
    first, second = _softmax(20, 21)
    shifted = _softmax(1e6, 1e6 + 1)
    one, four = (float(np.linalg.norm(vector)) for vector in ([100.0, 0, 0, 0], [25.0] * 4))
    slip = "slip: the loss has this norm without the square, the gradient is that of half the square"
    return [
        _equal("softmax(20, 21), first", first, 0.27),
        _equal("softmax(20, 21), second", second, 0.73),
        claim("softmax(1000000, 1000001), second", shifted[1], second, "", "equals", ".6f", "a shift changes nothing"),
        _equal("parameters of 2-5-2", Network([2, 5, 2]).n_parameters, 27, ".0f"),
        Number("parameters of 784-10-10", Network([784, 10, 10]).n_parameters, form=".0f"),
        Number("parameters of 784-300-10", Network([784, 300, 10]).n_parameters, form=".0f"),
        claim("||(100, 0, 0, 0)||", one, four, "", "at least", ".0f", slip),
        Number("||(25, 25, 25, 25)||", four, form=".0f"),
        Number("images of MNIST", 55_000 + 5_000 + 10_000, 70_000, "", "equals", ".0f", "training, validation, test"),
        Number("time of an epoch of 784-10-10 there", 15 * 60 / 100, unit="s", form=".0f", note="15 minutes for 100"),
    ]


def _round_off() -> list[Number]:
    slip = "slip: 0.000199978 there; nine digits 9 are missing"
    return [
        _equal("2 / 10,000", 2 / 10_000, 0.0002, ".18f"),
        Number("(1 + 1/10,000) - (1 - 1/10,000)", (1 + 1 / 10_000) - (1 - 1 / 10_000), form=".18f", note=slip),
    ]


def _doors() -> list[Number]:
    scores = _softmax(2, 1, -1)
    doors = np.array([0.7, 0.8, 0.97])
    truncated = "slip: truncated there, rounded it is {}"
    both = "slip: 0.6 there fits the cross-entropy, not the product"
    return [
        Number("softmax(2, 1, -1), duck", scores[0], 0.70, form=".4f", note=truncated.format(0.71)),
        _equal("softmax(2, 1, -1), dog", scores[1], 0.26),
        Number("softmax(2, 1, -1), cat", scores[2], 0.03, form=".4f", note=truncated.format(0.04)),
        Number("three doors, likelihood 0.7 * 0.8 * 0.97", doors.prod(), 0.6, form=".4f", note=both),
        Number("three doors, cross-entropy", -np.log(doors).sum(), 0.6, "", "equals", ".1f", "the sum of -log"),
        claim("10,000 doors of 0.5, likelihood", math.prod([0.5] * 10_000), 0.0, "", "equals", "g", "it vanishes"),
        Number("10,000 doors of 0.5, cross-entropy", -10_000 * math.log(0.5), form=".1f", note="it does not"),
        Number(
            "cross-entropy of (0.7, 0.2, 0.1) and (1, 0, 0)", F.cross_entropy(np.log([[0.7, 0.2, 0.1]]), [0]),
            form=".5f", note="TensorFlow's snippet, without its result",
        ),
    ]  # fmt: skip


def _cat_or_dog() -> list[Number]:
    before, after, raw = _softmax(1.2, 0.3), _softmax(1.9, 0.1), _softmax(-7.98, 2.39)
    loss = [F.cross_entropy(np.array([scores]), [0]) for scores in ([1.2, 0.3], [1.9, 0.1])]
    return [
        _equal("softmax(1.2, 0.3), cat", before[0], 0.71),
        _equal("softmax(1.2, 0.3), dog", before[1], 0.29),
        Number("cross-entropy before training", loss[0], form=".4f"),
        claim("softmax(1.9, 0.1), cat", after[0], before[0], "", "at least", ".4f", "closer to (1, 0), as is said"),
        claim("cross-entropy after training", loss[1], loss[0], "", "at most", ".4f", "decreased, as is said"),
        Number("softmax(-7.98, 2.39), cat", raw[0], form=".2g", note="no number there: scores are no probabilities"),
        Number("softmax(-7.98, 2.39), dog", raw[1], form=".5f"),
        _equal("parameters of Dense(128), Dense(1)", Network([2, 128, 1], output="sigmoid").n_parameters, 513, ".0f"),
    ]
