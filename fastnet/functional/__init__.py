"""The kernels for people: each function checks its arguments, allocates, and calls a kernel. No maths here.

float32 stays float32, float64 stays float64; float16 becomes float32, integers and booleans become float64; complex
numbers are refused. Arguments may have any memory layout and may be read-only. A refusal names the argument, what was
found and what is expected, and comes before anything is changed.

Each function compiles its kernel once for float32 and once for float64, at the first call (about half a second);
the result is kept in the cache folder.
"""

from .elementwise import relu, sigmoid, tanh
from .layers import linear
from .losses import binary_cross_entropy, cross_entropy, softmax_cross_entropy_grad
from .rowwise import log_softmax, softmax
from .updates import adam_update, sgd_update

__all__ = [
    "adam_update",
    "binary_cross_entropy",
    "cross_entropy",
    "linear",
    "log_softmax",
    "relu",
    "sgd_update",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy_grad",
    "tanh",
]
