"""What fastnet is running on, and which ways it takes for a network, asked of the functions that decide."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__, block_rows, checks, network, plan, rows, workspace
from ._bench.machine import machine, versions
from ._jit import cache_folder
from ._parallel import available_cpus
from .datasets.mnist import MNIST
from .datasets.remote import find
from .kernels import sparse
from .kernels.dense import PANEL_VECTORS
from .kernels.sgd import FoldedSgd, Sgd, folded
from .layout import lanes, layer_table, n_parameters, narrow_width, padded, slice_cuts
from .optimizers import LEARNING_RATES, NAMES

MNIST_DENSITY = 0.19  # share of its pixels that are not black
MNIST_FILL = 0.6  # share of these in blocks of 8 pixels that are not all black (of 4: 0.74)
_LIBRARIES = ("numba", "llvmlite", "numpy", "scikit-learn")


def info(
    layer_sizes: Sequence[int] | None = None,
    *,
    batch_size: int = 32,
    density: float = MNIST_DENSITY,
    fill: float = MNIST_FILL,
    dtype: str = "float32",
    optimizer: str = "sgd",
    momentum: float = 0.0,
) -> dict[str, Any]:
    """Describe versions, machine, caches and data and, for a network, the ways taken and why.

    Nothing is compiled or downloaded.

    Parameters
    ----------
    layer_sizes : sequence of int, optional
        Inputs, hidden units, outputs. Without it no network is described.
    batch_size : int, default=32
        Samples in a minibatch.
    density : float in [0, 1], default=0.19
        Share of the entries of X that are not zero; the default is MNIST's.
    fill : float in [0, 1], default=0.6
        Share of these in blocks of 4 or 8 columns that are not zero together: MNIST's, and little more than
        ``density`` if zeros lie anywhere.
    dtype : {"float32", "float64"}, default="float32"
        Of the network.
    optimizer : {"sgd", "adam", "adamw"}, default="sgd"
        As for `Trainer`; its learning rate is the default, without weight decay.
    momentum : float in [0, 1), default=0.0
        For "sgd" only.

    Returns
    -------
    dict
        ``versions``, ``machine``, ``kernels`` (the cache folder or None, its entries and MB), ``mnist`` (its folder,
        or None) and, with ``layer_sizes``, ``network``: ``n_threads`` and ``first_layer`` as in `History`,
        ``n_slices``, ``units`` (of the first layer, for each thread), ``minibatches_in_group`` (those that share a pass
        over the first layer's weights), ``micro_batch`` (rows of a minibatch that are worked on together; the gradients
        of more are added up), ``minibatches_per_call``, ``update``, ``predictions``, and ``why``, a sentence for these.
        All of it can be written as JSON.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import fastnet
    >>> found = fastnet.info([784, 300, 10], batch_size=128, density=0.5)
    >>> found["network"]["first_layer"], found["network"]["why"]["first_layer"]
    ('dense', 'density 0.5 is more than 0.25')
    """
    described = None
    if layer_sizes is not None:
        described = _network(layer_sizes, batch_size, density, fill, dtype, optimizer, momentum)
    found = {
        "versions": {"fastnet": __version__, **versions(_LIBRARIES)},
        "machine": machine(),
        "kernels": _kernels(),
        "mnist": _mnist(),
    }
    return found if described is None else {**found, "network": described}


def _kernels() -> dict[str, Any]:
    folder = cache_folder()
    sizes = {} if folder is None else dict(_sizes(folder))
    return {
        "folder": None if folder is None else str(folder),
        "entries": sum(name.endswith(".nbc") for name in sizes),
        "megabytes": round(sum(sizes.values()) / 1e6, 1),
    }


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    for path in folder.iterdir():
        with suppress(OSError):  # another process may have removed it
            yield path.name, path.stat().st_size


def _mnist() -> str | None:
    """Return the folder of MNIST, if all its files are in one place."""
    try:
        return str(find(MNIST, None, download=False)[0].parent)
    except OSError:
        return None


def _network(
    layer_sizes: Sequence[int],
    batch_size: int,
    density: float,
    fill: float,
    dtype: str,
    optimizer: str,
    momentum: float,
) -> dict[str, Any]:
    sizes, kind = network._check_sizes(layer_sizes), network._check_dtype(dtype)
    batch_size = checks.check_integer("batch_size", batch_size, low=1)
    density = checks.check_number("density", density)
    fill = checks.check_number("fill", fill)
    for name, share in (("density", density), ("fill", fill)):
        if share > 1:
            raise ValueError(f"{name} must be from 0 to 1, got {share!r}")
    checks.check_choice("optimizer", optimizer, NAMES)
    momentum = checks.check_number("momentum", momentum, high=1.0)
    if momentum and optimizer != "sgd":
        raise ValueError(f"momentum={momentum} does not go with optimizer={optimizer!r}, only with 'sgd'")
    group, group_why = _group(sizes, batch_size, density, optimizer, momentum)
    n_rows = group * plan.micro_batch(sizes, batch_size, kind)
    first_layer, first_layer_why = _first_layer(sizes, n_rows, density, fill, kind, plan.slices(sizes, n_rows))
    micro_batch = plan.micro_batch(sizes, batch_size, kind, first_layer == "sparse")
    work, work_why = _work(sizes, batch_size, n_rows, group, kind, first_layer, density)
    accumulates, narrow = micro_batch < batch_size, narrow_width(sizes[1], kind) > 0
    update, update_why = _update(first_layer, narrow, accumulates, optimizer, momentum)
    predictions, predictions_why = _predictions(sizes, kind)
    return {
        "layer_sizes": list(sizes),
        "batch_size": batch_size,
        "density": density,
        "fill": fill,
        "dtype": kind.name,
        "optimizer": optimizer,
        "momentum": momentum,
        "minibatches_in_group": group,
        "micro_batch": micro_batch,
        **work,
        "first_layer": first_layer,
        "update": update,
        "predictions": predictions,
        "why": {
            "minibatches_in_group": group_why,
            "micro_batch": _micro_batch_why(batch_size, micro_batch),
            **work_why,
            "first_layer": first_layer_why,
            "update": update_why,
            "predictions": predictions_why,
        },
    }


def _group(sizes: tuple[int, ...], batch_size: int, density: float, optimizer: str, momentum: float) -> tuple[int, str]:
    """Minibatches that share a pass over the first layer's weights, as ``Trainer._group`` decides."""
    if optimizer != "sgd" or momentum:
        return 1, "only minibatches of plain SGD, without momentum, can share a pass over the first layer's weights"
    group = plan.minibatches_in_group(sizes, batch_size, density)
    if group == 1:
        return 1, (
            "each minibatch passes over the first layer's weights: it is large, the layer is small beside its rows or "
            "the later layers, or its inputs are few, or nearly all zeros"
        )
    return group, f"minibatches with {group * batch_size} rows in all share a pass over the first layer's weights"


def _micro_batch_why(batch_size: int, micro_batch: int) -> str:
    if micro_batch == batch_size:
        return "all rows of a minibatch are worked on together: they are few enough"
    return "so many rows are worked on together, as many as the caches hold, and the gradients of all are added up"


def _work(
    sizes: tuple[int, ...],
    batch_size: int,
    n_rows: int,
    group: int,
    dtype: np.dtype[Any],
    first_layer: str,
    density: float,
) -> tuple[dict[str, Any], dict[str, str]]:
    """How the work of a minibatch, of a group, or of a micro-batch, is cut."""
    n_slices, cpus = plan.slices(sizes, n_rows), available_cpus()
    n_threads = plan.threads(sizes, batch_size * group, dtype, cpus, density)
    width, columns = PANEL_VECTORS * lanes(dtype), padded(sizes[1], dtype)
    units = plan.units(columns, width, n_slices, n_threads)
    work, seconds = (
        plan.multiply_adds(sizes, batch_size * group),
        plan.minibatch_seconds(sizes, batch_size, first_layer),
    )
    enough = plan.worthwhile_threads(sizes, batch_size * group, density)
    found = {
        "n_threads": n_threads,
        "n_slices": n_slices,
        "units": np.diff(units).tolist(),
        "minibatches_per_call": plan.whole_groups(plan.minibatches_per_call(sizes, batch_size, first_layer), group),
    }
    why = {
        "n_threads": f"the least of: {cpus} CPUs, {units[-1]} units of the first layer, work for {enough} "
        f"({work:,} multiply-adds {'a minibatch' if group == 1 else 'a group'})",
        "n_slices": "the inputs are cut in two if dense rows are work for two threads, and 128 inputs or more",
        "units": f"a unit is a slice of {width} columns of the first layer; each thread keeps its own",
        "minibatches_per_call": f"a minibatch is taken to last {1e6 * seconds:,.0f} µs, a call some 50 ms",
    }
    return found, why


def _first_layer(
    sizes: tuple[int, ...], batch_size: int, density: float, fill: float, dtype: np.dtype[Any], n_slices: int
) -> tuple[str, str]:
    """Kind of rows that a fit takes, as ``block_rows`` and ``rows.sparse_rows`` decide once they have counted."""
    few = (
        "; with so few units the inputs lie along the lanes" if rows.lies_along_lanes(sizes[0], sizes[1], dtype) else ""
    )
    if sizes[0] > np.iinfo(np.uint16).max + 1:
        return "dense", f"{sizes[0]:,} inputs are more than the {np.iinfo(np.uint16).max + 1:,} of a list{few}"
    if density > rows.MAX_DENSITY:
        return "dense", f"density {density:g} is more than {rows.MAX_DENSITY:g}{few}"
    as_blocks = block_rows.suits(sizes[0], sizes[1], batch_size, dtype)
    if as_blocks and fill >= block_rows.MIN_FILL:
        return "blocks", (
            f"density {density:g} is at most {rows.MAX_DENSITY:g} and fill {fill:g} at least {block_rows.MIN_FILL:g}: "
            f"whole blocks of {block_rows.block_size(sizes[1], dtype)} columns are taken"
        )
    blocks = len(rows._bounds(slice_cuts(sizes[0], n_slices), sizes[1], dtype)) - 1
    entries = sizes[0] * density + sparse.QUAD / 2 * blocks  # lists are filled up to whole quads
    sample = entries * (2 + dtype.itemsize) + 4 * blocks + dtype.itemsize * n_slices
    return "sparse", (
        f"density {density:g} is at most {rows.MAX_DENSITY:g}; lists may take {rows.MAX_BYTES >> 20} MiB, enough for "
        f"some {int(rows.MAX_BYTES / sample):,} samples, and dense rows are taken for more"
    )


def _update(first_layer: str, is_narrow: bool, accumulates: bool, optimizer: str, momentum: float) -> tuple[str, str]:
    """How the first layer's weights are updated, as ``Run`` and ``kernels.sgd.folded`` decide."""
    if accumulates:
        return "whole gradients", "those of all micro-batches are added up before the weights change"
    if first_layer == "dense":
        return "whole gradients", "rows are dense"
    if first_layer == "blocks" and not is_narrow:
        return "whole gradients", "each block has its weights in registers once a minibatch"
    if optimizer != "sgd":
        return "whole gradients", f"{optimizer} needs them: its moments change at every weight"
    settings = Sgd(LEARNING_RATES[optimizer], momentum, False, 0.0, np.zeros(int(momentum > 0)))
    taken = folded(settings)
    if not isinstance(taken, FoldedSgd):
        return "whole gradients", "momentum needs them: the velocity moves every weight"
    which = "inputs" if first_layer == "sparse" else "blocks"
    unless = "" if first_layer == "sparse" else "; whole gradients if columns have different scales"
    return "folded", (
        f"plain SGD moves only weights of {which} that are not zero; the mean's part is folded into the bias and "
        f"settled every {taken.period} minibatches{unless}"
    )


def _predictions(sizes: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[str, str]:
    """Whether predictions may take rows as lists, as the workspace decides."""
    table = layer_table(sizes, (0,) * (len(sizes) - 1), dtype)
    lists, least = workspace._mixed_tiles(table, dtype, 1, 1).makes_lists, workspace._WORTH_LISTS * lanes(dtype)
    share = (
        f"; {network._PREDICT_ROWS} rows at a time; two threads from "
        f"{-(-2 * network._WORTH_A_THREAD // n_parameters(table)):,} samples on"
    )
    if lists:
        return "lists", f"a row with enough zeros becomes a list of blocks of 4 columns, or of single entries{share}"
    if sizes[0] > np.iinfo(np.uint16).max + 1:
        return "dense", f"{sizes[0]:,} inputs are too many for lists{share}"
    if sizes[0] < workspace._LEAST_LIST_INPUTS:
        return "dense", f"{sizes[0]} inputs are too few for lists{share}"
    return "dense", f"lists pay off from {least} columns on, and the first layer has {padded(sizes[1], dtype)}{share}"
