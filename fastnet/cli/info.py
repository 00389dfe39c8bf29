"""The command ``fastnet info``. It imports nothing heavy before it runs."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from .messages import USAGE, failing, flags_of
from .output import columns, entry, print_json
from .parsing import integers

_FLAGS = flags_of(("density", "fill", "dtype", "optimizer", "momentum")) | {
    "layer_sizes": "--net",
    "batch_size": "--batch",
}

EPILOG = """\b
Example:
  fastnet info --net 784-300-10"""


def info(
    net: Annotated[str | None, typer.Option(metavar="N-N-..", help="Layer sizes, such as 784-300-10.")] = None,
    batch: Annotated[int, typer.Option(metavar="N", help="Samples in a minibatch.")] = 32,
    density: Annotated[float, typer.Option(metavar="X", help="Share of X that is not zero; else MNIST's.")] = 0.19,
    fill: Annotated[
        float, typer.Option(metavar="X", help="Share of that in blocks of neighbours; else MNIST's.")
    ] = 0.6,
    dtype: Annotated[str, typer.Option(metavar="NAME", help="float32 or float64.")] = "float32",
    optimizer: Annotated[str, typer.Option(metavar="NAME", help="sgd, adam or adamw.")] = "sgd",
    momentum: Annotated[float, typer.Option(metavar="X", help="From 0 to below 1, for sgd.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show versions, machine, caches and data and, for a network, the ways taken and why.

    Without --net the flags of a network are not used. Nothing is trained, compiled or downloaded.
    """
    from .._info import info

    with failing(USAGE, TypeError, ValueError, flags=_FLAGS):
        sizes = None if net is None else integers("--net", net, "-", "784-300-10")
        settings: dict[str, Any] = {"dtype": dtype, "optimizer": optimizer, "momentum": momentum}
        found = info(sizes, batch_size=batch, density=density, fill=fill, **settings)
    if as_json:
        print_json(found)
    else:
        print("\n".join(table(found)), flush=True)


def table(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that show what ``fastnet.info`` has found."""
    machine, kernels = found["machine"], found["kernels"]
    for library, version in found["versions"].items():
        yield from _row(library, version)
    yield from _row("CPU", f"{machine['cpu']}, {machine['vector_bits']}-bit vectors, {machine['system']}")
    yield from _row("CPUs available", machine["cpus"])
    yield from _row("compiled kernels", f"{kernels['entries']} entries, {kernels['megabytes']} MB")
    yield from _row("kept in", kernels["folder"] or "no folder: they are compiled anew in each process")
    yield from _row("MNIST", found["mnist"] or "not found; it is downloaded when it is first needed")
    if "network" in found:
        yield ""
        yield from _network_table(found["network"])


def _network_table(network: dict[str, Any]) -> Iterator[str]:
    sizes = "-".join(map(str, network["layer_sizes"]))
    momentum = f", momentum {network['momentum']:g}" if network["momentum"] else ""
    yield from _row("network", f"{sizes}, batch {network['batch_size']}, {network['dtype']}")
    yield from _row("optimizer", f"{network['optimizer']}{momentum}")
    names = {"n_threads": "threads", "n_slices": "slices of the inputs", "units": "units of each thread"}
    for name, why in network["why"].items():
        value = network[name]
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield from _row(names.get(name, name.replace("_", " ")), f"{shown}: {why}")


def _row(label: str, value: object) -> list[str]:
    return entry(label, value, columns())
