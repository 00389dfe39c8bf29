"""The command ``fastnet export``: a saved model for other programs."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .messages import DATA, FAILED, USAGE, fail, failing
from .models import Model, load_network
from .output import print_json

if TYPE_CHECKING:
    import numpy as np

    from ..network import Network

EPILOG = """Formats: onnx (needs onnx, and onnxruntime for --check), torch (a state dict for a torch.nn.Sequential of
Linear layers), npz (NumPy) and json (weights as lists). In all but onnx, centring and scaling are multiplied into the
first layer, whose inputs are the rows as they were trained on; pixels are numbers from 0 to 255.

\b
Example:
  fastnet export model.safetensors -o model.onnx --check"""

_FORMATS = {"onnx": ".onnx", "npz": ".npz", "torch": ".pt", "json": ".json"}
_OTHER_SUFFIXES = {".pth": "torch"}
# Largest difference of a probability, or of a number relative to the largest. torch's first layer, which has swallowed
# centring and scaling, is of float32; in npz and json it is of float64.
_LIMITS = {"onnx": 1e-6, "npz": 1e-6, "torch": 1e-4, "json": 1e-6}
_ROWS = 200


def export(
    model: Model,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Else MODEL with another ending.")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="onnx, npz, torch or json; else FILE's ending says.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read the file again and compare its predictions with the model's.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write MODEL in another format."""
    form = _format(output, form)
    path = output or model.with_suffix(_FORMATS[form])
    network = load_network(model)
    with failing(FAILED, OSError, ValueError):
        _WRITERS[form](network, path)
    difference = _difference(network, path, form) if check else None
    if as_json:
        print_json({"model": model, "output": path, "format": form, "largest_difference": difference})
    else:
        checked = "" if difference is None else f"; largest difference of {_ROWS} predictions {difference:.1e}"
        print(f"{path}: {form}{checked}", flush=True)
    limit = _LIMITS[form]
    if difference is not None and not difference <= limit:
        fail(f"--check: {path} predicts something else than the model: {difference:.1e}, allowed is {limit:g}", FAILED)


def _format(output: Path | None, form: str | None) -> str:
    from ..checks import check_choice

    with failing(USAGE, ValueError):
        if form is not None:
            return check_choice("--format", form, tuple(_FORMATS))
        suffix = "" if output is None else output.suffix.lower()
        endings = {ending: name for name, ending in _FORMATS.items()} | _OTHER_SUFFIXES
        if suffix not in endings:
            raise ValueError(f"--format is missing: give one of {', '.join(_FORMATS)}, or a FILE that ends on one")
        return endings[suffix]


# -- writing -------------------------------------------------------------------------------------------


def _layers(network: "Network") -> dict[str, Any]:
    """Return what predicts: plain layers in float64, and what is between and behind them."""
    from dataclasses import replace

    import numpy as np

    from ..models.parts import folded, parts_of

    parts = parts_of(network)
    wide: dict[str, Any] = {"weights": [w.astype(np.float64) for w in parts.weights]}
    wide["biases"] = [b.astype(np.float64) for b in parts.biases]
    parts = folded(replace(parts, **wide))
    return {
        "layer_sizes": list(parts.layer_sizes),
        "activations": list(parts.activations),
        "output": parts.output,
        "weights": parts.weights,
        "biases": parts.biases,
        "classes": None if parts.classes is None else parts.classes,
        "feature_names": None if parts.feature_names is None else list(parts.feature_names),
    }


def _write_json(network: "Network", path: Path) -> None:
    from ..files import write_atomically
    from .output import plain

    found = {"format": "fastnet-layers-1", **_layers(network)}
    write_atomically(path, json.dumps(plain(found), ensure_ascii=False).encode())


def _write_npz(network: "Network", path: Path) -> None:
    import numpy as np

    from ..files import write_atomically

    found = _layers(network)
    arrays: dict[str, Any] = {"activations": np.array(found["activations"], "U"), "output": np.array(found["output"])}
    for name in ("weights", "biases"):
        arrays |= {f"{name}_{i}": array for i, array in enumerate(found[name])}
    arrays |= {name: np.asarray(found[name]) for name in ("classes", "feature_names") if found[name] is not None}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def _write_torch(network: "Network", path: Path) -> None:
    state = network.to_torch_state_dict()
    import torch

    from ..files import write_atomically

    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def _write_onnx(network: "Network", path: Path) -> None:
    network.to_onnx(path)


_WRITERS: dict[str, Callable[["Network", Path], None]] = {
    "onnx": _write_onnx,
    "npz": _write_npz,
    "torch": _write_torch,
    "json": _write_json,
}


# -- checking ------------------------------------------------------------------------------------------


def _difference(network: "Network", path: Path, form: str) -> float:
    """Return the largest difference of predictions on rows like those that the network was trained on."""
    import numpy as np

    X = _rows(network)
    expected = network.decision_function(X) if network.output == "identity" else network.predict_proba(X)
    with failing(DATA, OSError):
        found = _READERS[form](network, path, X)
    scale = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(found.reshape(expected.shape) - expected).max() / scale)


def _rows(network: "Network") -> "np.ndarray":
    import numpy as np

    rng = np.random.default_rng(0)
    shape = (_ROWS, network.n_features)
    before = network.preprocessing
    if before is not None and before.kind == "uint8":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    X = rng.standard_normal(shape)
    if before is not None:  # a mean is that of scaled rows
        unit = before.scale if before.factors is None else before.scale * np.where(before.factors, before.factors, 1)
        X = (X + before.mean) / unit
    return X.astype(network.dtype)


def _from_onnx(network: "Network", path: Path, X: "np.ndarray") -> "np.ndarray":
    try:
        import onnxruntime
    except ImportError:
        fail("--check needs onnxruntime, which is not installed: pip install 'fastnet-numba[onnx]'", FAILED)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run([session.get_outputs()[-1].name], {"X": X})[0]
    return found


def _from_torch(network: "Network", path: Path, X: "np.ndarray") -> "np.ndarray":
    import torch

    state = torch.load(path, weights_only=True)
    pairs = [(state[f"{2 * i}.weight"].numpy().T, state[f"{2 * i}.bias"].numpy()) for i in range(len(state) // 2)]
    return _forward(pairs, network.activations, network.output, X)


def _from_npz(network: "Network", path: Path, X: "np.ndarray") -> "np.ndarray":
    import numpy as np

    with np.load(path, allow_pickle=False) as found:
        n_layers = sum(name.startswith("weights_") for name in found.files)
        pairs = [(found[f"weights_{i}"], found[f"biases_{i}"]) for i in range(n_layers)]
        return _forward(pairs, found["activations"].tolist(), str(found["output"]), X)


def _from_json(network: "Network", path: Path, X: "np.ndarray") -> "np.ndarray":
    import numpy as np

    found = json.loads(path.read_bytes())
    pairs = [(np.array(w), np.array(b)) for w, b in zip(found["weights"], found["biases"], strict=True)]
    return _forward(pairs, found["activations"], found["output"], X)


_READERS: dict[str, Callable[["Network", Path, "np.ndarray"], "np.ndarray"]] = {
    "onnx": _from_onnx,
    "npz": _from_npz,
    "torch": _from_torch,
    "json": _from_json,
}


def _forward(pairs: Any, activations: Any, output: str, X: "np.ndarray") -> "np.ndarray":
    """Return probabilities or numbers, in float64."""
    import numpy as np

    from ..models.formulas import ACTIVATIONS, OUTPUTS

    x = X.astype(np.float64)
    for (w, b), name in zip(pairs, (*activations, "identity"), strict=True):
        x = ACTIVATIONS[name](x @ w.astype(np.float64) + b)
    return np.asarray(OUTPUTS[output](x))
