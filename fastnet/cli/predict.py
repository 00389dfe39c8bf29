"""The command ``fastnet predict``: what a saved model says of some data."""

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from .config import Config
from .messages import DATA, DIVERGED, FAILED, USAGE, check_writable, failing, plain_warnings
from .models import Model
from .output import print_json
from .sources import Data, DataDir, Delimiter, Drop, Header, ImageShape, whole

if TYPE_CHECKING:
    import numpy as np

EPILOG = """\b
Examples:
  fastnet predict model.safetensors flowers.csv -o kinds.csv
  fastnet predict model.safetensors photos --only dog --min-prob 0.9"""


def predict(
    model: Model,
    data: Data,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write CSV there, and not to stdout.")
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="A column with the probability of each class.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="CLASS", help="Only what is predicted as that; again for more.")
    ] = None,
    min_prob: Annotated[
        float | None, typer.Option(metavar="X", help="Only predictions with at least that probability.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="A column that is no feature, as in training; it is not used.")
    ] = None,
    drop: Drop = None,
    delimiter: Delimiter = None,
    header: Header = None,
    image_shape: ImageShape = None,
    data_dir: DataDir = None,
    backend: Annotated[
        str, typer.Option(metavar="NAME", help="numba, or numpy: starts sooner, the same but for rounding.")
    ] = "numba",
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of CSV.")] = False,
) -> None:
    """Print what MODEL says of each sample of DATA, as CSV: the class and its probability, or the number.

    Samples are counted from 0; images have their file. A table may have more columns than the model needs.
    """
    flags = {**locals(), "task": None}
    with failing(USAGE, ValueError):
        check_writable("--output", output)
    with plain_warnings({}):
        network = _load(model, backend)
        _check(network, proba, only, min_prob)
        samples = whole(data, flags, network)
        with failing(DIVERGED, ArithmeticError), failing(DATA, TypeError, ValueError):
            found = answers(network, samples.X)
    rows = found.selected(None if only is None else set(only), min_prob)
    names = samples.files or range(len(samples))
    table = _table(found, rows, names, "file" if samples.files else "sample", proba)
    if output is not None:
        _write(output, table)
    if as_json:
        print_json(_summary(model, data, output, found, rows, table))
    elif output is None:
        sys.stdout.write(_csv(table))
        sys.stdout.flush()
    else:
        print(f"{len(rows):,} of {len(samples):,} predictions in {output}", flush=True)


def _load(path: Path, backend: str) -> Any:
    """Load a model whose ``predict`` gives indices of classes."""
    from ..checks import check_choice
    from .models import load_network

    with failing(USAGE, ValueError):
        check_choice("--backend", backend, ("numba", "numpy"))
    if backend == "numba":
        return load_network(path)
    from ..exceptions import FormatError
    from ..models import load

    with failing(DATA, OSError, FormatError):
        return load(path, backend="numpy")


def _check(network: Any, proba: bool, only: list[str] | None, min_prob: float | None) -> None:
    """Refuse flags that this model has no answer to."""
    from ..checks import check_choice, check_number

    with failing(USAGE, ValueError):
        if _numbers(network) and (proba or only or min_prob is not None):
            raise ValueError("--proba, --only and --min-prob need classes; this model predicts numbers")
        if min_prob is not None and check_number("--min-prob", min_prob) > 1:
            raise ValueError(f"--min-prob must be from 0 to 1, got {min_prob}")
        names = class_names(network)
        for name in only or ():
            check_choice("--only", name, tuple(names))


def class_names(network: Any) -> list[str]:
    """Return the names of classes or labels: the network's, or else their indices."""
    if network.classes is not None:
        return [str(name) for name in network.classes]
    n_outputs = network.layer_sizes[-1]
    return [str(index) for index in range(2 if _one_sigmoid(network) else n_outputs)]


def _one_sigmoid(network: Any) -> bool:
    return bool(network.output == "sigmoid" and network.layer_sizes[-1] == 1)


def _numbers(network: Any) -> bool:
    return network.output in ("identity", "exp")


class Answers(NamedTuple):
    """Predictions of all samples.

    ``names`` are those of classes, labels or numbers; ``values`` are class indices (n_samples,), or labels or numbers
    (n_samples, n_outputs); ``proba`` is (n_samples, n_classes), or None for numbers.
    """

    names: list[str]
    values: "np.ndarray"
    proba: "np.ndarray | None"

    @property
    def of_classes(self) -> bool:
        """Whether each sample has one class."""
        return self.proba is not None and self.values.ndim == 1

    def certainty(self) -> "np.ndarray":
        """Return the probability of what is predicted, of the shape of ``values``."""
        import numpy as np

        if self.proba is None:
            return np.ones(len(self.values))
        if self.values.ndim == 1:
            return self.proba[np.arange(len(self.values)), self.values]
        return np.where(self.values == 1, self.proba, 1 - self.proba)

    def selected(self, only: set[str] | None, min_prob: float | None) -> list[int]:
        """Return the samples that are asked for; with several labels, those of which one is."""
        import numpy as np

        said = np.ones(self.values.shape, bool)
        if only is not None:
            wanted = np.array([name in only for name in self.names])
            said = wanted[self.values] if self.of_classes else wanted & (self.values == 1)
        if min_prob is not None:
            said &= self.certainty() >= min_prob
        return [int(i) for i in np.flatnonzero(said if said.ndim == 1 else said.any(axis=1))]


def answers(network: Any, X: Any) -> Answers:
    """Predict: class indices and probabilities from one pass."""
    import numpy as np

    if _numbers(network):
        values = np.asarray(network.predict(X))
        columns = 1 if values.ndim == 1 else values.shape[1]
        return Answers(["prediction"] if columns == 1 else [f"prediction {k}" for k in range(columns)], values, None)
    proba = np.asarray(network.predict_proba(X))
    names = class_names(network)
    if _one_sigmoid(network):
        proba = np.column_stack([1 - proba[:, -1], proba[:, -1]])
    elif network.output == "sigmoid":
        return Answers(names, (proba > 0.5).astype(np.int64), proba)
    return Answers(names, proba.argmax(axis=1), proba)


# -- tables --------------------------------------------------------------------------------------------


def _table(found: Answers, rows: list[int], names: Any, first: str, proba: bool) -> Iterator[list[Any]]:
    """Yield the header and the rows of the table."""
    if found.proba is None:
        yield [first, *found.names]
        for i in rows:
            yield [names[i], *(_number(value) for value in found.values[i : i + 1].ravel())]
        return
    if found.of_classes:
        yield [first, "prediction", "probability", *(found.names if proba else ())]
    else:
        yield [first, *found.names, *((f"p({name})" for name in found.names) if proba else ())]
    certainty = found.certainty()
    for i in rows:
        answer = [found.names[found.values[i]], _number(certainty[i])] if found.of_classes else found.values[i].tolist()
        yield [names[i], *answer, *((_number(value) for value in found.proba[i]) if proba else ())]


def _number(value: Any) -> float:
    """Return a number with the digits that float32 has."""
    return float(f"{float(value):.7g}")


def _csv(table: Iterator[list[Any]], delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(table)
    return text.getvalue()


def _write(path: Path, table: Iterator[list[Any]]) -> None:
    from ..files import write_atomically

    delimiter = "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
    with failing(FAILED, OSError):
        write_atomically(path, _csv(table, delimiter).encode())


def _summary(
    model: Path, data: str, output: Path | None, found: Answers, rows: list[int], table: Iterator[list[Any]]
) -> dict[str, Any]:
    summary: dict[str, Any] = {"model": model, "data": data, "output": output, "n_samples": len(found.values)}
    if found.of_classes:
        said = [found.names[k] for k in found.values[rows]]
        summary["counts"] = {name: said.count(name) for name in found.names}
    if output is None:
        header, *lines = table
        summary["predictions"] = [dict(zip(header, line, strict=True)) for line in lines]
    return summary
