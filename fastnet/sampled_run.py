"""A fit whose minibatches look at the targets and at a sample of the classes only: what is settled before it begins."""

from typing import Any, NamedTuple

import numpy as np

from . import checks
from .functional.sampling import class_probabilities
from .kernels.candidates import Classes
from .layers import Net
from .layout import (
    ACTIVATION,
    BIAS,
    PACKED_BIAS,
    PACKED_WEIGHTS,
    WEIGHTS,
    aligned_zeros,
    layer_table,
    n_packed,
    pack,
    padded,
    unpack,
)
from .losses import AnyTargets
from .network import Network
from .run import Run
from .targets import SAMPLED_SOFTMAX, SampledTargets

LOSS = "sampled_softmax"
DISTRIBUTIONS = ("uniform", "log_uniform")

_LINE_BYTES = 64


class Sampling(NamedTuple):
    """How classes are drawn."""

    n_candidates: int
    distribution: Any  # a name, or weights (n_classes,)

    def sizes(self, network: Network) -> tuple[int, ...]:
        """Layer sizes of the network that compiled code works on: candidates, and a row's own target."""
        return (*network.layer_sizes[:-1], self.n_candidates + 1)


def check_distribution(value: Any) -> Any:
    """Return a name, or weights of classes as a tuple; how many there must be is checked by ``check``."""
    if isinstance(value, str):
        return checks.check_choice("candidate_distribution", value, DISTRIBUTIONS)
    array = checks.check_array("candidate_distribution", value)
    return tuple(class_probabilities("candidate_distribution", array, array.size).tolist())


def check(network: Network, sampling: Sampling, optimizer: str, momentum: float, clip_norm: float | None) -> None:
    """Refuse what does not go with a sampled softmax."""
    if not network.activations:
        raise ValueError(f"loss={LOSS!r} needs at least one hidden layer, got layer_sizes {list(network.layer_sizes)}")
    n_classes = network.layer_sizes[-1]
    if sampling.n_candidates > n_classes:
        raise ValueError(f"n_candidates={sampling.n_candidates} is more than the {n_classes} classes")
    class_probabilities("candidate_distribution", sampling.distribution, n_classes)
    for name, value, unwanted in (
        ("optimizer", optimizer, optimizer != "sgd"),
        ("momentum", momentum, momentum > 0),
        ("clip_norm", clip_norm, clip_norm is not None),
    ):
        if unwanted:
            raise ValueError(
                f"{name}={value!r} does not go with loss={LOSS!r}, only plain SGD does: with it a minibatch would have "
                "to touch the weights of all classes, also of those that it does not look at"
            )


class SampledRun(Run):
    """The packed state of a fit with a sampled softmax.

    Parameters
    ----------
    sampling : Sampling
    network, X, targets, ...
        As for ``Run``; labels are among all classes.
    """

    def __init__(self, sampling: Sampling, network: Network, *arguments: Any):
        self._sampling, self._classes = sampling, _classes(network, sampling)
        super().__init__(network, *arguments)

    @property
    def _sizes(self) -> tuple[int, ...]:
        return self._sampling.sizes(self._network)

    def _packed(self) -> Net:
        network = self._network
        layers = layer_table(self._sizes, tuple(network._layers[:, ACTIVATION].tolist()), network.dtype)
        for column in (WEIGHTS, BIAS):
            layers[:-1, column] = network._layers[:-1, column]
        net = Net(aligned_zeros(n_packed(layers, network.dtype), network.dtype), layers)
        pack(network.parameters, layers[:-1], net.packed)
        return net

    @property
    def _micro_batch(self) -> int:
        return self._batch_size  # each minibatch has a sample of the classes, and touches their weights only

    def _rows_together(self, lists: bool) -> int:
        return self._most

    def _as_trained(self, targets: AnyTargets) -> SampledTargets:
        return SampledTargets(
            SAMPLED_SOFTMAX, targets.labels, targets.values, targets.weights, targets.total, self._classes
        )

    def _as_compiled(self, optimizer: Any) -> Any:
        decay = optimizer.learning_rate * optimizer.weight_decay
        if decay >= 1:
            raise ValueError(f"learning_rate * weight_decay must be below 1 with loss={LOSS!r}, got {decay:g}")
        return super()._as_compiled(optimizer)

    @property
    def needs_key(self) -> bool:
        """Whether something is drawn in each minibatch."""
        return True

    def _set_key(self, key: int) -> None:
        super()._set_key(key)
        self._classes.key[0] = key

    @property
    def finite(self) -> bool:
        """Whether all weights are finite."""
        packed, layers = self._plain.packed, self._plain.layers  # what it has of the output layer is copies
        weights, biases = packed[: layers[-1, PACKED_WEIGHTS]], packed[layers[0, PACKED_BIAS] : layers[-1, PACKED_BIAS]]
        parts = weights, biases, self._classes.weights, self._classes.biases
        return all(bool(np.isfinite(part).all()) for part in parts)

    @property
    def keeps_place(self) -> bool:
        """Nothing says which classes the last minibatches have looked at."""
        return False

    def state(self) -> dict[str, Any]:
        """Return what ``Run.state`` does, between two epochs."""
        return {"parameters": self._network.parameters.copy(), "folded": None}

    def _unpack(self) -> None:
        network, classes = self._network, self._classes
        unpack(self._plain.packed, self._plain.layers[:-1], network.parameters)
        network.weights[-1][:] = classes.weights[:, : network.layer_sizes[-2]].T
        network.biases[-1][:] = classes.biases


def _classes(network: Network, sampling: Sampling) -> Classes:
    """Return the output layer, one class a row, with what says how often each class is drawn."""
    (n_in, n_classes), n, dtype = network.layer_sizes[-2:], sampling.n_candidates, network.dtype
    counts = expected_counts(class_probabilities("candidate_distribution", sampling.distribution, n_classes), n)
    line = _LINE_BYTES // dtype.itemsize
    step = -(-padded(n_in, dtype) // line) * line
    weights = aligned_zeros(n_classes * step, dtype).reshape(n_classes, step)
    weights[:, :n_in] = network.weights[-1].T
    ends = np.cumsum(counts)
    strata = np.minimum(np.searchsorted(ends, np.arange(n + 1), side="right"), n_classes - 1)
    return Classes(
        weights=weights,
        biases=network.biases[-1].copy(),
        log_counts=np.log(counts),
        ends=ends,
        strata=strata.astype(np.int64),
        candidates=np.full((2, n), -1, np.int64),
        slots=np.zeros((2, n_classes), np.int32),
        alphas=np.array([1.0, 1.0, 0.0]),
        key=np.zeros(1, np.int64),
    )


def expected_counts(p: np.ndarray, n: int) -> np.ndarray:
    """Expected counts (C,) of classes in draws of ``n``: proportional to ``p``, at most 1, adding up to n."""
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    left = n - np.arange(len(p))
    factors = left / np.cumsum(ranked[::-1])[::-1]
    small = factors * ranked <= 1
    first = int(np.argmax(small)) if small.any() else len(p)
    found = np.ones(len(p))
    if first < min(n, len(p)):
        found[order[first:]] = np.minimum(ranked[first:] * factors[first], 1.0)
    return found
