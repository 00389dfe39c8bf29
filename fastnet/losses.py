"""Which loss goes with which output, and the losses of samples from their logits."""

from typing import Any

import numpy as np

from . import checks
from .kernels import cross_entropy, squared_error
from .layout import padded
from .targets import (
    SIGMOID_CROSS_ENTROPY,
    SIGMOID_SQUARED_ERROR,
    SOFTMAX_CROSS_ENTROPY,
    SOFTMAX_SQUARED_ERROR,
    SQUARED_ERROR,
    ProbabilityTargets,
    Targets,
)

AnyTargets = Targets | ProbabilityTargets

# Codes by output and name; the first of each output is what "auto" takes.
CODES = {
    "softmax": {
        "cross_entropy": SOFTMAX_CROSS_ENTROPY,
        "squared_error": SOFTMAX_SQUARED_ERROR,
        "sampled_softmax": SOFTMAX_CROSS_ENTROPY,  # wherever nothing is trained
    },
    "sigmoid": {"binary_cross_entropy": SIGMOID_CROSS_ENTROPY, "squared_error": SIGMOID_SQUARED_ERROR},
    "identity": {"squared_error": SQUARED_ERROR},
}
NAMES = tuple(dict.fromkeys(name for names in CODES.values() for name in names))
LOSS_OF_OUTPUT = {output: next(iter(names)) for output, names in CODES.items()}


def check_loss(loss: Any, output: str) -> str:
    """Return the name of a loss that goes with an output; "auto" becomes the name of the one that belongs to it."""
    found = checks.check_choice("loss", loss, ("auto", *NAMES))
    if found == "auto":
        return LOSS_OF_OUTPUT[output]
    if found not in CODES[output]:
        choices = " or ".join(map(repr, CODES[output]))
        raise ValueError(f"loss={loss!r} does not go with output={output!r}; use 'auto' or {choices}")
    return found


def make_targets(
    name: str, y: Any, n_samples: int, n_outputs: int, output: str, dtype: np.dtype[Any], loss: str = "auto"
) -> AnyTargets:
    """Check the targets ``y`` and return them as compiled code takes them, without weights."""
    code = CODES[output][check_loss(loss, output)]
    labels, values = np.zeros(0, np.int32), np.zeros((0, n_outputs), dtype)
    if output == "softmax":
        labels = checks.check_labels(name, y, n_outputs, n_samples)
    else:
        values = checks.check_targets(name, y, n_outputs, dtype, n_samples)
        if output == "sigmoid":
            checks.check_probabilities(name, values)
    kind = ProbabilityTargets if code in (SOFTMAX_SQUARED_ERROR, SIGMOID_SQUARED_ERROR) else Targets
    return kind(code, labels, values, np.zeros(0), 0.0)


def sample_losses(logits: np.ndarray, targets: AnyTargets) -> np.ndarray:
    """Losses (n,) of logits (n, C), in float64."""
    n, n_outputs = logits.shape
    values, losses = targets.values.astype(np.float64), np.empty(n)
    if targets.loss == SQUARED_ERROR:
        return np.sum((logits.astype(np.float64) - values) ** 2, axis=1) / 2
    z = np.zeros((n, padded(n_outputs, np.dtype(np.float64))))
    z[:, :n_outputs] = logits
    if targets.loss == SOFTMAX_CROSS_ENTROPY:
        work = np.empty(z.shape[1])
        cross_entropy.softmax_cross_entropy_loss_arrays(z, targets.labels, work, n_outputs, losses)
    elif targets.loss == SIGMOID_CROSS_ENTROPY:
        cross_entropy.sigmoid_cross_entropy_arrays(z, values, 1.0, losses)
    elif targets.loss == SOFTMAX_SQUARED_ERROR:
        squared_error.softmax_squared_error_arrays(z, targets.labels, n_outputs, 1.0, losses)
    else:
        squared_error.sigmoid_squared_error_arrays(z, values, 1.0, losses)
    return losses


def mean_loss(logits: np.ndarray, targets: AnyTargets) -> float:
    """Mean loss of logits, over the samples' weights if there are any."""
    losses = sample_losses(logits, targets)
    return float(np.average(losses, weights=targets.weights) if targets.weights.size else losses.mean())


def first_sample(targets: AnyTargets) -> AnyTargets:
    """Targets of the first sample alone, without weights."""
    return targets._replace(labels=targets.labels[:1], values=targets.values[:1], weights=np.zeros(0))


def part(targets: AnyTargets, start: int, stop: int) -> AnyTargets:
    """Targets of some samples, divided by the same total."""
    labels, values, weights = (array[start:stop] for array in (targets.labels, targets.values, targets.weights))
    return targets._replace(labels=labels, values=values, weights=weights)
