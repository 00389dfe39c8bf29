"""The kernels for people: each function checks its arguments, allocates, and calls a kernel. No maths here.

float32 stays float32, float64 stays float64; float16 becomes float32, integers and booleans become float64; complex
numbers are refused. Arguments may have any memory layout and may be read-only. A refusal names the argument, what was
found and what is expected, and comes before anything is changed.

Losses and their gradients take **logits**, what the last layer gives before softmax or sigmoid: they are never clipped,
and no digits are lost. Losses also take probabilities, with ``from_logits=False``. Targets are class indices or one-hot
rows. A gradient is that of the mean over samples, with respect to the first argument.

Each function compiles its kernel once for float32 and once for float64, at the first call (about half a second);
the result is kept in the cache folder.
"""

from . import compiled, compiled_losses, compiled_updates  # noqa: F401
from .elementwise import relu, relu_grad, sigmoid, sigmoid_grad, tanh, tanh_grad
from .layers import LinearGradients, linear, linear_grad
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_grad,
    cross_entropy,
    one_hot,
    softmax_cross_entropy_grad,
    squared_error,
    squared_error_grad,
)
from .rowwise import log_softmax, softmax, softmax_grad, softmax_jacobian
from .sampling import CandidateSampler, Sample, SampledGradients, sampled_softmax, sampled_softmax_grad
from .updates import adam_update, sgd_update

__all__ = [
    "CandidateSampler",
    "LinearGradients",
    "Sample",
    "SampledGradients",
    "adam_update",
    "binary_cross_entropy",
    "binary_cross_entropy_grad",
    "cross_entropy",
    "linear",
    "linear_grad",
    "log_softmax",
    "one_hot",
    "relu",
    "relu_grad",
    "sampled_softmax",
    "sampled_softmax_grad",
    "sgd_update",
    "sigmoid",
    "sigmoid_grad",
    "softmax",
    "softmax_cross_entropy_grad",
    "softmax_grad",
    "softmax_jacobian",
    "squared_error",
    "squared_error_grad",
    "tanh",
    "tanh_grad",
]
