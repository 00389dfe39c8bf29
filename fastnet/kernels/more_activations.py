"""More activations, and slopes of all: derivatives from the inputs.   x, y, slope (n,)

code  name         forward                              slope
0-3   as in ``activations.py``
4     leaky_relu   y = x where x > 0, else 0.01 x       1 where x > 0, else 0.01
5     elu          y = x where x > 0, else exp(x) - 1   1 where x > 0, else exp(x)
6     gelu         y = x Phi(x)                         Phi(x) + x phi(x)
7     silu         y = x s(x)                           s(x) + x s(x) s(-x)
8     step         y = 1 where x > 0, else 0            0: it can't be trained

Phi and phi are the normal distribution and its density: gelu is the exact form, torch's default, not that with tanh.
s is the sigmoid. gelu and silu are no functions of their outputs, so the backward pass of ``activations.py`` can't
do them; slopes are computed with the outputs, which share their exponentials.

Sources: Maas, Hannun, Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013 (leaky_relu);
Clevert, Unterthiner, Hochreiter, 2016 (elu); Hendrycks, Gimpel, 2016 (gelu); Elfwing, Uchibe, Doya, 2018 (silu).

How exact they are: ``tests/test_kernels_more_activations.py`` measures it on all float32 numbers of an odd stride
and on float64 numbers. Outputs have relative errors of at most 2**-21 (float32) and 2**-50 (float64) wherever they
are normal numbers; slopes have the same errors relative to the sum of the sizes of their two terms.
"""

import math

import numpy as np

from .._jit import core, entry, kernel
from ..simd import (
    absolute,
    lanes,
    load,
    load_first,
    muladd,
    pointer,
    pointer_to,
    polynomial,
    select,
    splat,
    store,
    store_first,
)
from . import activations
from .elementary import EXP_DOUBLE, EXP_SINGLE, exp_core

LEAKY_RELU, ELU, GELU, SILU, STEP = 4, 5, 6, 7, 8
CODES = {**activations.CODES, "leaky_relu": LEAKY_RELU, "elu": ELU, "gelu": GELU, "silu": SILU, "step": STEP}
LEAK = 0.01

# (a + 2) exp(a**2 / 2) Phi(-a) at t = (a - 2) / (a + 2), 0 <= a <= 38, with relative errors of 2**-24.9 and 2**-53.5:
# minimax polynomials from tests/derive_polynomials.py, highest power first.
TAIL_SINGLE = (
    -7.145476e-05, -0.00013661629, 0.00015013108, 0.0008055339, 0.00080503145, -0.0019255467, -0.0067260754,
    -0.00047857407, 0.03671796, 0.028798422, -0.33140442, 0.672408,
)  # fmt: skip
TAIL_DOUBLE = (
    3.04971864759635e-08, 4.7226482198319944e-08, -1.8407681753720782e-07, -3.8190783891554267e-07,
    2.7676836705324027e-07, 1.1091230364827944e-06, 5.262653914314105e-07, -7.820618774361673e-07,
    -1.5660153306759597e-06, -2.5155009776542507e-06, -2.7228869236804515e-06, 1.7970365204838416e-06,
    1.2515034372756831e-05, 2.178907826546235e-05, 9.69797390585536e-06, -4.6076439653205e-05,
    -0.00012855512877474562, -0.00011568914996373729, 0.00020699213910039692, 0.0008271985226132842,
    0.0007851181253997495, -0.0019511241299595417, -0.006724907076869482, -0.0004695968355856295,
    0.03671836096889869, 0.028797360345381127, -0.3314044423887809, 0.6724080048926824,
)  # fmt: skip
_PER_ROOT_2_PI = 1.0 / math.sqrt(2.0 * math.pi)


def forward_reference(code, x):
    """NumPy twin of ``forward``."""
    if code == LEAKY_RELU:
        return np.where(x > 0, x, LEAK * x)
    if code == ELU:
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    if code == GELU:
        return x * _normal_reference(x)
    if code == SILU:
        return x * activations.activation_reference(activations.SIGMOID, x)
    return np.where(x > 0, 1, 0).astype(x.dtype) if code == STEP else activations.activation_reference(code, x)


def slope_reference(code, x):
    """NumPy twin of the slopes that ``forward_with_slope`` gives."""
    if code in (LEAKY_RELU, ELU):
        return np.where(x > 0, 1, LEAK if code == LEAKY_RELU else np.exp(np.minimum(x, 0)))
    if code == GELU:
        return _normal_reference(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    if code == SILU:
        s = activations.activation_reference(activations.SIGMOID, x)
        return s + x * s * activations.activation_reference(activations.SIGMOID, -x)
    y = activations.activation_reference(code, x)
    return activations.activation_backward_reference(code, y, np.ones_like(y))


def _normal_reference(x):
    return np.vectorize(lambda v: math.erfc(-v / math.sqrt(2)) / 2, otypes=[np.float64])(x)


# -- one vector: output and slope ----------------------------------------------------------------------


@core
def _leaky_relu(x):
    return select(x > 0.0, x, x * LEAK), select(x > 0.0, splat(x, 1.0), LEAK)


@core
def _elu(x):
    """exp(x) - 1 loses digits near 0; there it is x + x**2 EXP(x), the polynomial of ``elementary.py``."""
    below = select(x > 0.0, 0.0, x)
    e = exp_core(below)
    small = muladd(below * below, polynomial(below, EXP_SINGLE, EXP_DOUBLE), below)
    return select(x > 0.0, x, select(below > -0.34, small, e - 1.0)), select(x > 0.0, 1.0, e)


@core
def _gelu(x):
    """Phi(-abs(x)) is the density times a polynomial over (abs(x) + 2); nothing cancels.

    The rounding of x**2 would be multiplied by x**2 / 2 in its exponential: what a fused multiply-add finds of it is
    put back.
    """
    a = absolute(x)
    a = select(a > 40.0, 40.0, a)  # exp(-800) is 0, too, and its square is not infinite
    half = a * -0.5
    square = half * a
    e = exp_core(square)
    e = muladd(e, muladd(half, a, -square), e)
    r = 1.0 / (a + 2.0)
    tail = e * (polynomial(muladd(r, -4.0, 1.0), TAIL_SINGLE, TAIL_DOUBLE) * r)
    normal = select(x < 0.0, tail, 1.0 - tail)
    return x * normal, muladd(x * _PER_ROOT_2_PI, e, normal)


@core
def _silu(x):
    e = exp_core(-absolute(x))
    likely = 1.0 / (e + 1.0)
    unlikely = e * likely
    s = select(x < 0.0, unlikely, likely)
    return x * s, muladd(x, likely * unlikely, s)


@core
def _step(x):
    return select(x > 0.0, 1.0, select(x <= 0.0, 0.0, x))  # NaN stays NaN


@core
def with_slope(code, x):
    """Output and slope of one vector."""
    if code == LEAKY_RELU:
        return _leaky_relu(x)
    if code == ELU:
        return _elu(x)
    if code == GELU:
        return _gelu(x)
    if code == SILU:
        return _silu(x)
    if code == STEP:
        return _step(x), splat(x, 0.0)
    y = activations.activate(code, x)
    return y, activations.activate_backward(code, y, splat(x, 1.0))


@core
def activate(code, x):
    """Output of one vector."""
    return with_slope(code, x)[0]


# -- rows ----------------------------------------------------------------------------------------------


@kernel
def forward(code, x, y, n):
    """y = activation(x) for ``n`` elements; may be in place."""
    whole = n - n % lanes(x)
    for i in range(0, whole, lanes(x)):
        store(y, i, activate(code, load(x, i)))
    if whole < n:
        store_first(y, whole, activate(code, load_first(x, whole, n - whole, 0.0)), n - whole)


@kernel
def forward_with_slope(code, x, y, slope, n):
    """y = activation(x) and slope = activation'(x) for ``n`` elements; y may be x."""
    whole = n - n % lanes(x)
    for i in range(0, whole, lanes(x)):
        value, derivative = with_slope(code, load(x, i))
        store(y, i, value)
        store(slope, i, derivative)
    if whole < n:
        rest = n - whole
        value, derivative = with_slope(code, load_first(x, whole, rest, 0.0))
        store_first(y, whole, value, rest)
        store_first(slope, whole, derivative, rest)


@kernel
def multiply(dy, slope, n):
    """dy = dy * slope for ``n`` elements, whole vectors: the gradient of the inputs from that of the outputs."""
    for i in range(0, n, lanes(dy)):
        store(dy, i, load(dy, i) * load(slope, i))


@entry
def more_activation_arrays(code, x, y, slope):
    """y (n,) = activation of x (n,), given by its address, and slope (n,) its derivative, unless it is empty."""
    source = pointer_to(x, y.dtype.type)
    if slope.size == 0:
        forward(code, source, pointer(y, 0), y.size)
    else:
        forward_with_slope(code, source, pointer(y, 0), pointer(slope, 0), y.size)
