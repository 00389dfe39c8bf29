"""Models as ONNX graphs: preprocessing, layers, probabilities, labels. The package onnx is imported when one is made.

Only operators are used that onnxruntime has for float32 and float64, with one exception: its Erf takes float32 only,
so that gelu is computed in float32.
"""

import json
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import checks
from ..files import write_atomically
from .formulas import LEAK
from .parts import ModelParts

_OPSET, _IR_VERSION = 17, 8
_MAX_BYTES = 2_000_000_000  # of a protobuf message


def write(
    path: str | os.PathLike[str], parts: ModelParts, input_dtype: str | None = None, binary_columns: int = 1
) -> None:
    """Write a model's parts as ONNX; what ``Network.to_onnx`` does.

    Parameters
    ----------
    path : str or os.PathLike
    parts : ModelParts
    input_dtype : {"uint8", "float32", "float64"} or None
    binary_columns : {1, 2}
        Columns of the probabilities of a single sigmoid: 2 has those of both classes, as estimators do.
    """
    write_atomically(path, build(parts, input_dtype, binary_columns).SerializeToString())


def build(parts: ModelParts, input_dtype: str | None = None, binary_columns: int = 1) -> Any:
    """Return the checked ``onnx.ModelProto`` of a model's parts."""
    from .. import __version__

    kind = parts.preprocessing.kind if parts.preprocessing is not None else "float"
    default = "uint8" if kind == "uint8" else parts.dtype.name
    taken = checks.check_choice("input_dtype", input_dtype or default, ("uint8", "float32", "float64"))
    size = sum(array.nbytes for array in (*parts.weights, *parts.biases))
    if size > _MAX_BYTES:
        raise ValueError(f"the weights take {size:,} bytes; an ONNX file holds at most {_MAX_BYTES:,}")
    onnx = _require_onnx()
    graph = _Graph(onnx, parts.dtype)
    outputs = _outputs(graph, parts, _logits(graph, parts, taken), binary_columns)
    helper = onnx.helper
    rows = helper.make_tensor_value_info("X", graph.code(taken), ["n_samples", parts.n_features])
    body = helper.make_graph(graph.nodes, "fastnet", [rows], outputs, graph.constants)
    model = helper.make_model(
        body,
        producer_name="fastnet",
        producer_version=__version__,
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    if parts.feature_names is not None:
        helper.set_model_props(model, {"feature_names": json.dumps(parts.feature_names)})
    onnx.checker.check_model(model, full_check=True)
    return model


def _require_onnx() -> Any:
    try:
        import onnx
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "to_onnx needs the package onnx, which is not installed: pip install 'fastnet-numba[onnx]'"
        ) from None
    return onnx


class _Graph:
    """Nodes and constants of a graph while it grows; methods return names of results."""

    def __init__(self, onnx: Any, dtype: np.dtype[Any]):
        self._onnx, self.dtype = onnx, dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def code(self, dtype: Any) -> int:
        """ONNX's number of a dtype; texts are those of dtype object."""
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add an array, of the network's dtype unless another is named."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(self._onnx.numpy_helper.from_array(np.asarray(value, dtype or self.dtype), name))
        return name

    def apply(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node; its result has its name."""
        name = name or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def cast(self, x: str, dtype: Any) -> str:
        """Add a conversion."""
        return self.apply("Cast", x, to=self.code(dtype))


# -- layers --------------------------------------------------------------------------------------------


def _leaky_relu(graph: _Graph, x: str) -> str:
    """Not by ONNX's LeakyRelu, whose slope is float32 always."""
    return graph.apply("Max", x, graph.apply("Mul", x, graph.constant(LEAK)))


def _elu(graph: _Graph, x: str) -> str:
    zero, one = graph.constant(0.0), graph.constant(1.0)
    below = graph.apply("Sub", graph.apply("Exp", graph.apply("Min", x, zero)), one)
    return graph.apply("Add", graph.apply("Relu", x), below)


def _gelu(graph: _Graph, x: str) -> str:
    narrow = graph.cast(graph.apply("Mul", x, graph.constant(math.sqrt(0.5))), np.float32)
    erf = graph.cast(graph.apply("Erf", narrow), graph.dtype)
    half = graph.apply("Mul", x, graph.constant(0.5))
    return graph.apply("Mul", half, graph.apply("Add", erf, graph.constant(1.0)))


def _silu(graph: _Graph, x: str) -> str:
    return graph.apply("Mul", x, graph.apply("Sigmoid", x))


def _step(graph: _Graph, x: str) -> str:
    return graph.cast(graph.apply("Greater", x, graph.constant(0.0)), graph.dtype)


_ACTIVATIONS: dict[str, Callable[[_Graph, str], str]] = {
    "identity": lambda graph, x: x,
    "tanh": lambda graph, x: graph.apply("Tanh", x),
    "sigmoid": lambda graph, x: graph.apply("Sigmoid", x),
    "relu": lambda graph, x: graph.apply("Relu", x),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "gelu": _gelu,
    "silu": _silu,
    "step": _step,
}


def _logits(graph: _Graph, parts: ModelParts, taken: str) -> str:
    x = "X" if taken == parts.dtype.name else graph.cast("X", parts.dtype)
    before = parts.preprocessing
    if before is not None:
        x = graph.apply("Mul", x, graph.constant(before.multiplier("uint8" if taken == "uint8" else "float")))
        x = graph.apply("Sub", x, graph.constant(before.mean))
        if before.components is not None:
            x = graph.apply("MatMul", x, graph.constant(before.components))
    for weights, biases, name in zip(parts.weights, parts.biases, (*parts.activations, "identity"), strict=True):
        x = _ACTIVATIONS[name](graph, graph.apply("Gemm", x, graph.constant(weights), graph.constant(biases)))
    return x


# -- outputs -------------------------------------------------------------------------------------------


def _outputs(graph: _Graph, parts: ModelParts, logits: str, binary_columns: int) -> list[Any]:
    info, n_outputs = graph._onnx.helper.make_tensor_value_info, parts.layer_sizes[-1]
    if parts.output in ("identity", "exp"):
        graph.apply("Identity" if parts.output == "identity" else "Exp", logits, name="predictions")
        return [info("predictions", graph.code(parts.dtype), ["n_samples", n_outputs])]
    columns = n_outputs
    if parts.output == "softmax":
        graph.apply("Softmax", logits, axis=1, name="probabilities")
        index = graph.apply("ArgMax", logits, axis=1, keepdims=0)
    elif n_outputs == 1:
        columns = binary_columns
        _sigmoid(graph, logits, columns)
        index = graph.apply("Squeeze", _above_zero(graph, logits), graph.constant([1], np.int64))
    else:
        _sigmoid(graph, logits)
        index = _above_zero(graph, logits)
    several = parts.output == "sigmoid" and n_outputs > 1
    dtype = _label(graph, index, None if several else parts.classes)
    label = info("label", dtype, ["n_samples", n_outputs] if several else ["n_samples"])
    return [label, info("probabilities", graph.code(parts.dtype), ["n_samples", columns])]


def _above_zero(graph: _Graph, logits: str) -> str:
    return graph.cast(graph.apply("Greater", logits, graph.constant(0.0)), np.int64)


def _sigmoid(graph: _Graph, logits: str, columns: int = 1) -> None:
    """Probabilities of labels; two columns are those of both classes."""
    if columns == 1:
        graph.apply("Sigmoid", logits, name="probabilities")
        return
    p, q = graph.apply("Sigmoid", logits), graph.apply("Sigmoid", graph.apply("Neg", logits))
    graph.apply("Concat", q, p, axis=1, name="probabilities")


def _label(graph: _Graph, index: str, classes: np.ndarray | None) -> int:
    """Turn indices into labels; returns their type."""
    if classes is None:
        graph.apply("Identity", index, name="label")
        return graph.code(np.int64)
    if len(classes) == 1:
        classes = np.repeat(classes, 2)  # a binary estimator that has seen one class
    texts = classes.dtype.kind in "UO"
    dtype = object if texts else {"f": np.float64}.get(classes.dtype.kind, np.int64)
    graph.apply("Gather", graph.constant(classes, dtype), index, axis=0, name="label")
    return int(graph._onnx.TensorProto.STRING) if texts else graph.code(dtype)
