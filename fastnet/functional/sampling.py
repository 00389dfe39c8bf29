"""Sampled softmax for many classes: the target and a random sample of the others stand for all."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..kernels import sampled_softmax as kernels
from . import arguments

# Drawing one class after the other costs little while few are drawn; from this share of the classes on all are ranked.
_RANKED_SHARE = 1 / 8


class Sample(NamedTuple):
    """Sampled classes, and logarithms of how often they and the targets were expected among them."""

    candidates: NDArray[np.int32]
    log_q: NDArray[np.float64]
    label_log_q: NDArray[np.float64]


class CandidateSampler:
    """Draws classes that stand for all others in a sampled softmax.

    Parameters
    ----------
    n_classes : int
        Classes to draw from.
    n_candidates : int
        Different classes in each draw, at most n_classes.
    distribution : {"log_uniform", "uniform"} or array_like of shape (n_classes,), default="log_uniform"
        How likely classes are: class k with ``log((k + 2) / (k + 1)) / log(n_classes + 1)``, which suits classes that
        are sorted from the most to the least frequent one; all alike; or weights above 0, such as counts.
    seed : int, numpy.random.Generator or None, default=None
        What the draws come from.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If a number is out of its range, or the distribution is not as described.

    Notes
    -----
    Candidates are drawn until there are n_candidates different ones. With m draws a class of probability p is expected
    ``q = 1 - (1 - p)**m`` times among them. As in https://www.tensorflow.org/extras/candidate_sampling.pdf

    Examples
    --------
    >>> sampler = CandidateSampler(10_000, 5, seed=0)
    >>> sample = sampler.draw([3, 9_999])
    >>> len(set(sample.candidates.tolist())), sample.log_q.shape, sample.label_log_q.shape
    (5, (5,), (2,))
    >>> bool(sample.label_log_q[0] > sample.label_log_q[1])  # class 3 is the more frequent one
    True
    """

    def __init__(
        self,
        n_classes: int,
        n_candidates: int,
        distribution: str | ArrayLike = "log_uniform",
        seed: int | np.random.Generator | None = None,
    ):
        self.n_classes = checks.check_integer("n_classes", n_classes, low=2, high=2**31 - 1)
        self.n_candidates = checks.check_integer("n_candidates", n_candidates, low=1, high=self.n_classes)
        self._p = class_probabilities("distribution", distribution, self.n_classes)
        self._ends = np.cumsum(self._p)
        self._rng = checks.check_seed(seed)

    def __repr__(self) -> str:
        return f"CandidateSampler({self.n_classes:,} classes, {self.n_candidates:,} candidates)"

    def draw(self, y: ArrayLike) -> Sample:
        """Draw candidates for a minibatch.

        Parameters
        ----------
        y : array_like of int, shape (n_samples,)
            The targets: class indices in [0, n_classes). They do not change what is drawn.

        Returns
        -------
        Sample
            ``candidates`` of shape (n_candidates,), all different, int32; ``log_q`` of the same shape and
            ``label_log_q`` of shape (n_samples,), float64.
        """
        labels = checks.check_labels("y", y, self.n_classes)
        few = self.n_candidates <= self.n_classes * _RANKED_SHARE
        candidates, log_absent = self._draw_few() if few else self._draw_many()
        with np.errstate(divide="ignore"):
            log_q, label_log_q = (np.log(-np.expm1(log_absent(self._p[classes]))) for classes in (candidates, labels))
        return Sample(candidates, log_q, label_log_q)

    def _draw_few(self) -> tuple[NDArray[np.int32], Any]:
        """Draw until there are enough different classes; returns also log of (1 - p)**draws as a function of p."""
        drawn = np.zeros(0, np.int32)
        while True:
            numbers = self._rng.random(self.n_candidates + self.n_candidates // 4 + 8) * self._ends[-1]
            more = np.searchsorted(self._ends, numbers, side="right").astype(np.int32)
            drawn = np.append(drawn, np.minimum(more, self.n_classes - 1))
            classes, firsts = np.unique(drawn, return_index=True)
            if len(classes) >= self.n_candidates:
                break
        last = np.sort(firsts)[self.n_candidates - 1]
        draws = int(last) + 1
        return classes[firsts <= last], lambda p: draws * np.log1p(-p)

    def _draw_many(self) -> tuple[NDArray[np.int32], Any]:
        """The same in continuous time: class k comes first after an exponential time of rate p_k."""
        times = self._rng.standard_exponential(self.n_classes) / self._p
        n = self.n_candidates
        order = np.argpartition(times, n - 1)[:n]
        end = float(times[order].max())
        return np.sort(order).astype(np.int32), lambda p: -end * p


def class_probabilities(name: str, distribution: Any, n_classes: int) -> NDArray[np.float64]:
    """Return how likely each class is, (n_classes,), from the name of a distribution or weights."""
    if isinstance(distribution, str):
        checks.check_choice(name, distribution, ("log_uniform", "uniform"))
        ranks = np.arange(n_classes, dtype=np.float64)
        if distribution == "uniform":
            return np.full_like(ranks, 1 / n_classes)
        return np.log1p(1 / (ranks + 1)) / np.log(n_classes + 1)
    weights = arguments.as_floats(name, distribution).astype(np.float64)
    if weights.shape != (n_classes,):
        raise ValueError(f"{name} must have shape ({n_classes},), one weight a class, got shape {weights.shape}")
    checks.check_finite(name, weights)
    if not (weights > 0).all():
        first = int(np.argmin(weights > 0))
        raise ValueError(f"{name} must hold weights above 0, got {weights[first]:g} at index {first}")
    return weights / weights.sum()


class SampledGradients(NamedTuple):
    """Loss, and its gradients with respect to what `sampled_softmax` takes; weights and biases of some classes only."""

    loss: float
    dx: NDArray[Any]
    classes: NDArray[np.int32]
    dw: NDArray[Any]
    db: NDArray[Any]


class _Problem(NamedTuple):
    """A minibatch as kernels take it; K classes take part."""

    x: NDArray[Any]  # (B, padded I)
    n_in: int
    classes: NDArray[np.int32]  # (K,)
    slots: NDArray[np.int64]  # (S,) where a candidate is among the K
    label_slots: NDArray[np.int64]  # (B,)
    table: NDArray[Any]  # (K, padded I)
    dz: NDArray[Any]  # (B, padded S + 1)
    losses: NDArray[np.float64]  # (B,)


def sampled_softmax(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike,
    y: ArrayLike,
    candidates: ArrayLike,
    log_q: ArrayLike | None = None,
    label_log_q: ArrayLike | None = None,
) -> float:
    """Mean cross-entropy of a wide softmax layer over each sample's target and the candidates only.

    Parameters
    ----------
    x : array_like of shape (n_samples, n_in)
        Inputs of the layer, at least one.
    w : array_like of shape (n_in, n_classes)
        Weights. Only the columns of targets and candidates are read; that is fastest if a column is contiguous:
        ``np.zeros((n_classes, n_in)).T``.
    b : array_like of shape (n_classes,)
        Biases.
    y : array_like of int, shape (n_samples,)
        Targets: class indices in [0, n_classes).
    candidates : array_like of int, shape (n_candidates,)
        Sampled classes, at least one. Where one is a sample's target it does not count for that sample.
    log_q, label_log_q : array_like of shape (n_candidates,) and (n_samples,), optional
        Logarithms of how often candidates and targets are expected in the sample, taken off their logits; so the
        sampled softmax estimates the full one. ``CandidateSampler.draw`` gives both. Without them nothing is taken off.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If an argument does not hold numbers, or labels or candidates no integers.
    ValueError
        If shapes do not fit, a number is not finite or a class outside [0, n_classes).

    Notes
    -----
    Jean, Cho, Memisevic, Bengio, "On Using Very Large Target Vocabulary for Neural Machine Translation", ACL 2015,
    https://aclanthology.org/P15-1001; https://www.tensorflow.org/extras/candidate_sampling.pdf

    Examples
    --------
    With all classes as candidates it is the full softmax:

    >>> x, w, b = [[1.0, 0.5]], [[1.0, 0.0, -1.0], [0.4, 0.6, 2.0]], [0.0, 0.0, 0.0]
    >>> full = cross_entropy(linear(x, w, b), [0])
    >>> round(full, 6), round(sampled_softmax(x, w, b, [0], [0, 1, 2]), 6)
    (0.535185, 0.535185)
    """
    return float(_solved(x, w, b, y, candidates, log_q, label_log_q).losses.mean())


def sampled_softmax_grad(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike,
    y: ArrayLike,
    candidates: ArrayLike,
    log_q: ArrayLike | None = None,
    label_log_q: ArrayLike | None = None,
) -> SampledGradients:
    """Loss of `sampled_softmax` and its gradients; only the columns of K classes have one that is not zero.

    Parameters
    ----------
    x, w, b, y, candidates, log_q, label_log_q
        As for `sampled_softmax`.

    Returns
    -------
    loss : float
    dx : ndarray of shape (n_samples, n_in)
        Gradient with respect to the inputs, for the layers below.
    classes : ndarray of shape (K,), int32
        Classes that took part, sorted.
    dw : ndarray of shape (n_in, K)
        Gradient of the columns ``w[:, classes]``; its columns are contiguous.
    db : ndarray of shape (K,)
        Gradient of ``b[classes]``.

    Raises
    ------
    TypeError, ValueError
        As `sampled_softmax`.

    Examples
    --------
    A step of gradient descent that touches 5 of 50,000 columns:

    >>> rng = np.random.default_rng(0)
    >>> w, b = rng.standard_normal((50_000, 8)).T / 3, np.zeros(50_000)
    >>> x, y = rng.standard_normal((2, 8)), np.array([7, 49_000])
    >>> sampler = CandidateSampler(50_000, 3, seed=0)
    >>> gradients = sampled_softmax_grad(x, w, b, y, *sampler.draw(y))
    >>> w[:, gradients.classes] -= 0.1 * gradients.dw
    >>> b[gradients.classes] -= 0.1 * gradients.db
    >>> gradients.dx.shape, gradients.dw.shape
    ((2, 8), (8, 5))
    """
    p = _solved(x, w, b, y, candidates, log_q, label_log_q)
    dx, dw, db = np.zeros_like(p.x), np.zeros_like(p.table), np.zeros(len(p.classes), p.x.dtype)
    work = np.empty((len(p.slots), p.x.shape[1]), p.x.dtype)
    kernels.sampled_gradients_arrays(p.x, p.slots, p.label_slots, p.table, p.dz, work, dx, dw, db)
    rows = np.ascontiguousarray(dw[:, : p.n_in])
    return SampledGradients(float(p.losses.mean()), np.ascontiguousarray(dx[:, : p.n_in]), p.classes, rows.T, db)


def _solved(x: Any, w: Any, b: Any, y: Any, candidates: Any, log_q: Any, label_log_q: Any) -> _Problem:
    """Check everything, and compute the losses and the gradients of the logits."""
    inputs, weights, biases = (arguments.as_floats(*pair) for pair in (("x", x), ("w", w), ("b", b)))
    _check_shapes(inputs, weights, biases)
    (n_samples, n_in), n_classes = inputs.shape, weights.shape[1]
    labels = checks.check_labels("y", y, n_classes, n_samples)
    sampled = checks.check_labels("candidates", candidates, n_classes)
    if len(sampled) == 0:
        raise ValueError("candidates is empty: at least one sampled class is needed")
    dtype = weights.dtype
    checks.check_finite("x", inputs, dtype)
    offsets = _offsets("log_q", log_q, len(sampled)), _offsets("label_log_q", label_log_q, n_samples)
    classes, positions = np.unique(np.append(sampled, labels), return_inverse=True)
    slots, label_slots = positions[: len(sampled)].astype(np.int64), positions[len(sampled) :].astype(np.int64)
    table = arguments.zero_rows(len(classes), n_in, dtype)
    steps = (step // dtype.itemsize for step in weights.strides)
    kernels.gather_columns_arrays(weights.ctypes.data, *steps, classes, n_in, table)
    chosen = biases[classes].astype(dtype)
    checks.check_finite("w", table)
    checks.check_finite("b", chosen)
    rows, losses = arguments.padded_rows(inputs, dtype), np.empty(n_samples)
    packed = arguments.zero_rows(n_in, len(sampled) + 1, dtype)
    dz, bias = arguments.zero_rows(n_samples, len(sampled) + 1, dtype), np.zeros(packed.shape[1], dtype)
    kernels.sampled_softmax_arrays(
        rows, slots, label_slots, table, chosen, *offsets, 1 / n_samples, packed, bias, dz, losses
    )
    return _Problem(rows, n_in, classes, slots, label_slots, table, dz, losses)


def _check_shapes(inputs: NDArray[Any], weights: NDArray[Any], biases: NDArray[Any]) -> None:
    for name, array, expected in (("x", inputs, "(n_samples, n_in)"), ("w", weights, "(n_in, n_classes)")):
        if array.ndim != 2 or 0 in array.shape:
            raise ValueError(f"{name} must have shape {expected}, each at least 1, got shape {array.shape}")
    n_in, n_classes = weights.shape
    if inputs.shape[1] != n_in:
        raise ValueError(f"x must have shape (n_samples, {n_in}) to fit w of shape {weights.shape}, got {inputs.shape}")
    if biases.shape != (n_classes,):
        raise ValueError(f"b must have shape ({n_classes},) to fit w of shape {weights.shape}, got {biases.shape}")


def _offsets(name: str, value: Any, size: int) -> NDArray[np.float64]:
    if value is None:
        return np.zeros(size)
    array = np.ascontiguousarray(arguments.as_floats(name, value), np.float64)
    if array.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},), got shape {array.shape}")
    checks.check_finite(name, array)
    return array
