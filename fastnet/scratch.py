"""The library of the article series "Building a Neural Network from scratch", compiled.

A script written for the article's own classes (part 7, "Using Softmax for Multiple Classes") runs with the import
changed:

>>> import numpy as np
>>> from fastnet.scratch import Net, HiddenLayer, OutputLayer
>>> np.random.seed(1)
>>> net = Net([HiddenLayer(2, 5), OutputLayer(5, 2)])
>>> X = np.random.randn(200, 2)
>>> y = (X[:, 0] * X[:, 1] > 0).astype(int)
>>> for epoch in range(20):
...     for x, target in zip(X, y):  # as in the article, one sample at a time
...         loss = net.train(x, target)
>>> for epoch in range(80):
...     loss = net.train(X, y)  # the same in one compiled call
>>> net.test(X, y) > 0.9
True
>>> net.layers[0].weights.shape, net.layers[0].bias.shape, net.layers[1].sensitivity.shape
((2, 5), (1, 5), (1, 2))

What the article does stays as it is: float64, tanh in the hidden layers, softmax and cross-entropy at the end, one step
after each sample, weights from ``np.random.randn``. Centre the data yourself.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import checks, functional, online
from .exceptions import DivergenceError
from .layout import aligned_zeros, padded, row_step
from .network import Network
from .rows import dense_rows

__all__ = ["HiddenLayer", "Net", "OutputLayer"]

_Array = NDArray[np.float64]
_FLOAT64 = np.dtype(np.float64)
_ONE = np.ones(1)
_INTEGERS = (int, np.integer)

# Samples of a block, by the units of the first layer: more spare passes over the weights, and cost more products of
# samples with each other. The numbers are measured (benches/NOTES.md).
_NARROW, _NARROW_BLOCK, _WIDE_BLOCK = 24, 8, 16
_TEST_ROWS = 1024

# Columns of the table in the order in which `_Binding.changing` gives the arrays.
_PLACES = (online.WEIGHTS, online.BIAS, online.CHANGE, online.BIAS_CHANGE)


# -- layers --------------------------------------------------------------------------------------------


class _Layer:
    """Weights and bias as plain arrays, and what the last sample has left."""

    _assignments = 0  # of weights or biases to any layer: as long as this stays, nets need not look for new arrays

    def __init__(self, n_input: int, size: int):
        self.n_input = checks.check_integer("n_input", n_input, low=1)
        self.size = checks.check_integer("size", size, low=1)
        shape, row = (self.n_input, self.size), (1, self.size)
        # The article's own generator, so that np.random.seed gives its start.
        self._weights: _Array = np.random.randn(*shape) / np.sqrt(self.n_input)
        self._bias: _Array = np.zeros(row)
        self._output, self._sensitivity, self._gradient = np.zeros(row), np.zeros(row), np.zeros(shape)
        # Last changes of weights and bias, kept up with momentum only. Without, they are minus this learning rate
        # times the gradient.
        self._change, self._bias_change = np.zeros(shape), np.zeros(row)
        self._plain_rate: float | None = 0.0
        self._trained = self._passed = False
        self._shown: dict[str, _Array] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_input}, {self.size})"

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy gets: buffers of its own."""
        own = ("_output", "_sensitivity", "_gradient", "_change", "_bias_change")
        return {**vars(self), **{name: getattr(self, name).copy() for name in own}, "_shown": {}}

    @property
    def weights(self) -> _Array:
        """Weights of shape (n_input, size); training changes this array in place, and so may you.

        An array that is assigned is used as it is if it is float64 and C-contiguous, and else copied.
        """
        return self._weights

    @weights.setter
    def weights(self, value: ArrayLike) -> None:
        self._weights = _parameter("weights", value, (self.n_input, self.size))
        _Layer._assignments += 1

    @property
    def bias(self) -> _Array:
        """Bias of shape (1, size); as ``weights``."""
        return self._bias

    @bias.setter
    def bias(self, value: ArrayLike) -> None:
        self._bias = _parameter("bias", value, (1, self.size))
        _Layer._assignments += 1

    @property
    def output(self) -> _Array | None:
        """Output for the last sample that was trained on or tested, of shape (1, size); None before the first."""
        return self._show("output", self._output) if self._passed else None

    @property
    def sensitivity(self) -> _Array | None:
        """Gradient of the last sample's loss with respect to ``x @ weights + bias``, of shape (1, size), or None."""
        return self._show("sensitivity", self._sensitivity) if self._trained else None

    @property
    def weights_gradient(self) -> _Array | None:
        """Last sample's gradient plus ``weight_decay * weights``, of shape (n_input, size), or None."""
        return self._show("weights_gradient", self._gradient) if self._trained else None

    def _show(self, name: str, buffer: _Array) -> _Array:
        """Return a copy, the same until the next sample: each sample has arrays of its own, as in NumPy."""
        if name not in self._shown:
            self._shown[name] = buffer.copy()
        return self._shown[name]

    def _learned(self, plain_rate: float | None) -> None:
        """Take note that compiled code has written new results."""
        self._plain_rate, self._trained, self._passed, self._shown = plain_rate, True, True, {}

    def _take_output(self, output: _Array) -> None:
        self._output[...], self._passed = output, True
        self._shown.pop("output", None)

    def _revive_change(self) -> None:
        """Bring the last change up to date after training without momentum."""
        if self._plain_rate is not None:
            np.multiply(self._gradient, -self._plain_rate, out=self._change)
            np.multiply(self._sensitivity, -self._plain_rate, out=self._bias_change)


class HiddenLayer(_Layer):
    """A layer of tanh units.

    Parameters
    ----------
    n_input : int
        Inputs of each unit.
    size : int
        Units.

    Attributes
    ----------
    weights : ndarray of shape (n_input, size)
        At first ``np.random.randn(n_input, size) / np.sqrt(n_input)``. Yours to read and write.
    bias : ndarray of shape (1, size)
        At first zeros.
    output, sensitivity : ndarray of shape (1, size), or None before the first sample
        Output for the last sample trained on or tested; gradient of the last loss with respect to the sums that the
        activation takes.
    weights_gradient : ndarray of shape (n_input, size), or None before the first sample
        The last sample's gradient with weight decay.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an int of at least 1, or assigned weights have another shape or are not finite.
    """


class OutputLayer(_Layer):
    """The last layer: softmax, with cross-entropy as its loss.

    Parameters and attributes are those of `HiddenLayer`; ``output`` holds probabilities.
    """


def _parameter(name: str, value: ArrayLike, shape: tuple[int, int]) -> _Array:
    """Return an array that compiled code can work on in place: the caller's own if possible."""
    array = checks.check_array(name, value)
    if array.shape != shape and not (shape[0] == 1 and array.shape == shape[1:]):
        raise ValueError(f"{name} must have shape {shape}, got shape {array.shape}")
    checks.check_finite(name, array)
    flags = array.flags
    if type(array) is not np.ndarray or array.dtype != _FLOAT64 or not (flags.c_contiguous and flags.writeable):
        array = np.array(array, dtype=_FLOAT64, order="C")
    return array.reshape(shape) if array.shape != shape else array


# -- what compiled code sees ---------------------------------------------------------------------------


class _Binding:
    """Table of the addresses of all arrays that one net's compiled code works on; it keeps them alive."""

    def __init__(self, layers: tuple[_Layer, ...]):
        self._assignments, self.layers = _Layer._assignments, layers
        self._parameters = [(layer._weights, layer._bias) for layer in layers]
        self._in_place = [array for arrays in self._parameters for array in arrays]
        self.n_in, self.n_classes = layers[0].n_input, layers[-1].size
        sizes = (self.n_in, *(layer.size for layer in layers))
        self._under_way = [[aligned_zeros(padded(n, _FLOAT64), _FLOAT64) for n in sizes] for _ in range(2)]
        self.x = self._under_way[0][0][: self.n_in]
        self.table = np.zeros((len(sizes), 10), np.int64)
        self.table[:, online.SIZE] = sizes
        for column, buffers in zip((online.OUTPUT, online.SENSITIVITY), self._under_way, strict=True):
            self.table[:, column] = [buffer.ctypes.data for buffer in buffers]
        self._results = [(x._gradient, x._output, x._sensitivity) for x in layers]
        self._changes = [(x._change, x._bias_change) for x in layers]
        results = (online.GRADIENT, online.LAST_OUTPUT, online.LAST_SENSITIVITY)
        self.table[1:, results] = [[array.ctypes.data for array in arrays] for arrays in self._results]
        self.table[1:, _PLACES] = [[array.ctypes.data for array in arrays] for arrays in self.changing(True)]
        self._epoch: _Epoch | None = None

    def changing(self, momentum: bool) -> list[tuple[_Array, ...]]:
        """Arrays of each layer that training changes: weights, bias and, with momentum, their last changes."""
        changes = self._changes if momentum else [()] * len(self.layers)
        return [(*own, *change) for own, change in zip(self._parameters, changes, strict=True)]

    def epoch(self, momentum: bool) -> "_Epoch":
        """Room for an epoch, made once."""
        if self._epoch is None or self._epoch.momentum != momentum:
            self._epoch = _Epoch(self, momentum)
        return self._epoch

    def is_current(self, layers: Sequence[_Layer]) -> bool:
        """Whether the layers and their parameters are still these arrays, and may be written to."""
        for array in self._in_place:
            if not array.flags.writeable:
                return False
        return self._assignments == _Layer._assignments and tuple(layers) == self.layers


class _Epoch:
    """Copies of a net's parameters, so that an epoch that fails leaves no trace, and room for a block of samples."""

    def __init__(self, bound: _Binding, momentum: bool):
        self.momentum, self._arrays = momentum, bound.changing(momentum)
        self._copies = [tuple(array.copy() for array in arrays) for arrays in self._arrays]
        self.table = bound.table.copy()
        places = _PLACES[: len(self._copies[0])]
        self.table[1:, places] = [[copy.ctypes.data for copy in copies] for copies in self._copies]
        self.block = _block(bound.n_in, bound.layers[0].size, momentum)
        self.no_mean = np.zeros(bound.n_in)

    def begin(self) -> None:
        """Copy the parameters."""
        for arrays, copies in zip(self._arrays, self._copies, strict=True):
            for array, copy in zip(arrays, copies, strict=True):
                copy[...] = array

    def keep(self) -> None:
        """Give them back."""
        for arrays, copies in zip(self._arrays, self._copies, strict=True):
            for array, copy in zip(arrays, copies, strict=True):
                array[...] = copy


def _block(n_in: int, n_units: int, momentum: bool) -> online.Block:
    """Room for a block of samples."""
    size = _NARROW_BLOCK if n_units <= _NARROW else _WIDE_BLOCK
    step, columns, even = row_step(n_in, _FLOAT64), padded(n_units, _FLOAT64), n_units + n_units % 2

    def zeros(*shape: int) -> _Array:
        return aligned_zeros(math.prod(shape), _FLOAT64).reshape(shape)

    return online.Block(
        tile=zeros(size, step),
        weights=zeros(even, step),
        change=zeros(even if momentum else 0, step),
        spare=zeros(even if momentum else 0, step),
        products=zeros(size, columns),
        change_products=zeros(size, columns),
        inner=zeros(size, size),
        dz=zeros(size, columns),
        scaled=zeros(size, columns),
        factors=zeros(6, size + 1),
    )


def _check_layers(layers: Any) -> tuple[_Layer, ...]:
    if not isinstance(layers, list | tuple):
        raise TypeError(f"layers must be a list such as [HiddenLayer(784, 10), OutputLayer(10, 10)], got {layers!r}")
    if not layers:
        raise ValueError("layers is empty: an OutputLayer is needed at least")
    for number, layer in enumerate(layers):
        expected = OutputLayer if number == len(layers) - 1 else HiddenLayer
        if not isinstance(layer, expected):
            raise TypeError(f"layers[{number}] must be {_article(expected.__name__)}, got {layer!r}")
        if any(layer is other for other in layers[:number]):
            raise ValueError(f"layers[{number}] stands in the list twice: {layer!r}")
        for name in ("weights", "bias"):
            if not getattr(layer, name).flags.writeable:
                raise ValueError(f"layers[{number}].{name} is read-only; training changes it in place")
    for number, (layer, following) in enumerate(pairwise(layers)):
        if layer.size != following.n_input:
            raise ValueError(
                f"layers[{number + 1}] has {following.n_input} inputs, but layers[{number}] has {layer.size} units"
            )
    return tuple(layers)


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "AEIO" else f"a {noun}"


# -- the net -------------------------------------------------------------------------------------------


class Net:
    """A network that learns one sample after the other.

    Parameters
    ----------
    layers : list of HiddenLayer, with an OutputLayer at the end

    Attributes
    ----------
    layers : list
        As given.
    learning_rate, weight_decay, momentum : float
        0.1, 0.001 and 0. Set them on the class, as the article does (``Net.learning_rate *= 0.5``), or on one net;
        each call looks them up. ``weight_decay * weights`` is added to the gradient, ``momentum`` times the last change
        to the change. Biases have momentum but no decay.

    Raises
    ------
    TypeError, ValueError
        If the layers are not of these classes or do not fit together.

    Notes
    -----
    Calls hand back NumPy's float64 results up to rounding (1e-12 after 1,000 samples, tested). A call that raises
    changes nothing. Nets can be copied and pickled.

    Examples
    --------
    >>> net = Net([HiddenLayer(784, 10), OutputLayer(10, 10)])
    >>> net, net.n_parameters
    (Net([HiddenLayer(784, 10), OutputLayer(10, 10)]), 7960)
    """

    learning_rate = 0.1
    weight_decay = 0.001
    momentum = 0.0

    def __init__(self, layers: list[Any]):
        _check_layers(layers)
        self.layers = layers
        self._bound: _Binding | None = None
        self._rates: tuple[Any, ...] = (None,) * 6

    def __repr__(self) -> str:
        return f"Net([{', '.join(map(repr, self.layers))}])"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_bound": None, "_rates": (None,) * 6}

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum(layer.weights.size + layer.bias.size for layer in self.layers)

    def _bind(self) -> _Binding:
        bound = self._bound
        if bound is None or not bound.is_current(self.layers):
            bound = self._bound = _Binding(_check_layers(self.layers))
        return bound

    def _settings(self) -> tuple[float, float, float]:
        """Learning rate, weight decay and momentum; checked if one is another object than last time."""
        rate, decay, momentum = self.learning_rate, self.weight_decay, self.momentum
        known = self._rates
        if rate is known[0] and decay is known[1] and momentum is known[2]:
            return known[3:]
        checked = (
            checks.check_number("learning_rate", rate),
            checks.check_number("weight_decay", decay),
            checks.check_number("momentum", momentum, high=1.0),
        )
        self._rates = (rate, decay, momentum, *checked)
        return checked

    # -- training --------------------------------------------------------------------------------------

    def train(self, x: ArrayLike, target: Any) -> float:
        """Learn one sample, or all rows of a matrix one after the other in one compiled call.

        Parameters
        ----------
        x : array-like of shape (n_input,) or (1, n_input), or (n_samples, n_input)
            Numbers of any dtype, in any memory layout; they are taken as they are.
        target : int, or array-like of shape (n_samples,)
            Class indices. One-hot rows, of shape (n_classes,) or (n_samples, n_classes), are taken, too.

        Returns
        -------
        float
            Cross-entropy before the step, the mean over the samples.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type or shape, ``x`` is not finite, or a class does not exist.
        DivergenceError
            If an output is not finite. Nothing has changed then, as after any error.
        """
        bound = self._bind()
        settings = self._settings()
        array = x if type(x) is np.ndarray and x.dtype.char in "dfB" else checks.check_array("x", x)
        if array.ndim == 1 or (array.ndim == 2 and len(array) == 1):
            loss = _train_sample(bound, array, target, settings)
        else:
            loss = _train_rows(bound, array, target, settings)
        plain_rate = settings[0] if settings[2] == 0.0 else None
        for layer in bound.layers:
            layer._learned(plain_rate)
        return loss

    # -- prediction ------------------------------------------------------------------------------------

    def test(self, X: ArrayLike, y: ArrayLike) -> float:
        """Accuracy: the share of samples whose largest output is that of their class.

        As in the article, the layers' ``output`` is then that for the last sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_input)
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Class indices, or one-hot rows.

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            As `train`.
        DivergenceError
            If an output is not finite.
        """
        rows = self._check_rows(X)
        labels = _check_labels("y", y, len(rows), self.layers[-1].size)
        return float(np.mean(self._forward(rows).argmax(axis=1) == labels))

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Most probable classes of shape (n_samples,), the first of equals.

        Parameters and errors are those of `test`.
        """
        return self._forward(self._check_rows(X)).argmax(axis=1)

    def predict_proba(self, X: ArrayLike) -> _Array:
        """Outputs of the last layer, of shape (n_samples, n_classes).

        Parameters and errors are those of `test`.
        """
        return functional.softmax(self._forward(self._check_rows(X)))

    def _check_rows(self, X: ArrayLike) -> NDArray[Any]:
        layers = _check_layers(self.layers)
        array = checks.check_array("X", X)
        rows = checks.check_matrix("X", array[np.newaxis] if array.ndim == 1 else array, n_columns=layers[0].n_input)
        checks.check_finite("X", rows)
        return rows

    def _forward(self, rows: NDArray[Any]) -> _Array:
        """Logits of checked rows, some at a time; leaves the outputs of the last row, as any pass forward does."""
        logits = np.empty((len(rows), self.layers[-1].size))
        for start in range(0, len(rows), _TEST_ROWS):
            outputs = [rows[start : start + _TEST_ROWS].astype(np.float64)]
            for layer in self.layers:
                z = functional.linear(outputs[-1], layer.weights, layer.bias[0])
                outputs.append(z if layer is self.layers[-1] else functional.tanh(z))
            if not np.isfinite(z).all():
                raise DivergenceError(
                    f"the net's outputs for some of samples {start} to {start + len(z) - 1} are not finite: "
                    "its weights are too large, or not finite"
                )
            logits[start : start + len(z)] = z
        outputs[-1] = functional.softmax(z[-1:])
        for layer, output in zip(self.layers, outputs[1:], strict=True):
            layer._take_output(output[-1:])
        return logits

    def to_network(self, dtype: DTypeLike = "float64") -> Network:
        """Return a `fastnet.Network` with a copy of the weights, to be trained in minibatches.

        Parameters
        ----------
        dtype : {"float64", "float32"}, default="float64"

        Returns
        -------
        Network
        """
        layers = _check_layers(self.layers)
        network = Network([layers[0].n_input, *(layer.size for layer in layers)], dtype=dtype, seed=0)
        for number, layer in enumerate(layers):
            network.weights[number], network.biases[number] = layer.weights, layer.bias[0]
        return network


# -- training ------------------------------------------------------------------------------------------


def _train_sample(bound: _Binding, x: NDArray[Any], target: Any, settings: tuple[float, float, float]) -> float:
    if x.shape[-1] != bound.n_in:
        raise ValueError(f"x has {x.shape[-1]} features, but the net expects {bound.n_in}")
    label = int(target) if isinstance(target, _INTEGERS) else _one_label(target, bound.n_classes)
    if not 0 <= label < bound.n_classes:
        raise ValueError(f"target must be a class index in [0, {bound.n_classes}), got {label}")
    if settings[2] != 0.0:
        for layer in bound.layers:
            layer._revive_change()
    bound.x[...] = x
    loss = online.train_sample(bound.table, _ONE, label, *settings)
    if loss != loss:
        checks.check_finite("x", x)
        raise _diverged("the net's outputs are", settings)
    return loss


def _train_rows(bound: _Binding, x: NDArray[Any], target: Any, settings: tuple[float, float, float]) -> float:
    rows = checks.check_matrix("x", x, n_columns=bound.n_in)
    labels = _check_labels("target", target, len(rows), bound.n_classes)
    if settings[2] != 0.0:
        for layer in bound.layers:
            layer._revive_change()
    epoch = bound.epoch(settings[2] != 0.0)
    described, order = dense_rows(rows, 1.0, epoch.no_mean), np.arange(len(rows), dtype=np.uint32)
    epoch.begin()
    losses, good = online.train_rows(epoch.table, described, order, labels, epoch.block, _ONE, *settings)
    if good < len(rows):
        checks.check_finite("x", rows)
        raise _diverged(f"the net's outputs for sample {good} are", settings)
    epoch.keep()
    return float(losses / len(rows))


def _diverged(what: str, settings: tuple[float, float, float]) -> DivergenceError:
    return DivergenceError(
        f"{what} not finite: its weights are too large, or not finite (learning_rate is {settings[0]:g}); "
        "the net is as before this call"
    )


# -- targets -------------------------------------------------------------------------------------------


def _one_label(target: Any, n_classes: int) -> int:
    """Class index of one sample: an integer, an array of one, or a one-hot row."""
    array = np.asarray(target)
    if array.ndim == 0:
        array = array.reshape(1)
    elif array.ndim == 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 1 and array.size == n_classes > 1:
        return int(_from_one_hot("target", array[np.newaxis], n_classes)[0])
    return int(checks.check_labels("target", array, n_classes, 1)[0])


def _check_labels(name: str, value: Any, n_samples: int, n_classes: int) -> NDArray[np.int32]:
    """Class indices of many samples; a matrix is taken as one-hot rows."""
    if np.ndim(value) == 2 and np.shape(value)[1] == n_classes > 1:
        if len(value) != n_samples:
            raise ValueError(f"{name} has {len(value)} rows, but there are {n_samples} samples")
        return _from_one_hot(name, checks.check_matrix(name, value), n_classes)
    return checks.check_labels(name, value, n_classes, n_samples)


def _from_one_hot(name: str, rows: NDArray[Any], n_classes: int) -> NDArray[np.int32]:
    rows = checks.check_matrix(name, rows)
    good = ((rows == 0) | (rows == 1)).all(axis=1) & (rows.sum(axis=1) == 1)
    if not good.all():
        bad = int(np.argmin(good))
        raise ValueError(f"{name} must hold class indices or one-hot rows, got {rows[bad]!r} in row {bad}")
    return rows.argmax(axis=1).astype(np.int32)
