"""The commands ``fastnet warmup`` and ``fastnet info``. Like ``cli.py`` it imports nothing heavy before it runs."""

import json
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from .cli_bench import _integers
from .messages import INTERRUPTED, USAGE, fail

_COLUMNS, _LABEL = 80, 22
_DTYPES = ("float32", "float64")


def warmup(
    dtype: Annotated[str, typer.Option(metavar="NAME,NAME", help="float32, float64, or both.")] = "float32",
) -> None:
    """Compile what training and predicting need, now instead of at the first training.

    What is compiled is kept in the cache folder; what is there already is only loaded.
    """
    try:
        names = _names("--dtype", dtype, _DTYPES)
        seconds = sum(_warm(name) for name in names)
    except ValueError as error:
        fail(str(error), USAGE)
    except KeyboardInterrupt:
        fail("interrupted: what was compiled so far is kept", INTERRUPTED)
    from ._jit import cache_folder

    folder = cache_folder()
    kept = f"kept in {folder}" if folder else "not kept, as there is no cache folder"
    print(f"{', '.join(names)}: ready after {seconds:.1f} s, {kept}", flush=True)


def _warm(name: str) -> float:
    print(f"compiling, once: {name} …", file=sys.stderr, flush=True)
    from ._warmup import warmup

    return warmup(name)


def _names(flag: str, text: str, choices: tuple[str, ...]) -> list[str]:
    from .checks import check_choice

    return list(dict.fromkeys(check_choice(flag, name.strip(), choices) for name in text.split(",")))


# -- info ----------------------------------------------------------------------------------------------


def info(
    net: Annotated[str | None, typer.Option(metavar="N-N-..", help="Layer sizes, such as 784-300-10.")] = None,
    batch: Annotated[int, typer.Option(metavar="N", help="Samples in a minibatch.")] = 32,
    density: Annotated[float, typer.Option(metavar="X", help="Share of X that is not zero; else MNIST's.")] = 0.19,
    dtype: Annotated[str, typer.Option(metavar="NAME", help="float32 or float64.")] = "float32",
    optimizer: Annotated[str, typer.Option(metavar="NAME", help="sgd, adam or adamw.")] = "sgd",
    momentum: Annotated[float, typer.Option(metavar="X", help="From 0 to below 1, for sgd.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show versions, machine, caches and data and, for a network, the ways taken and why.

    Without --net the flags of a network are not used. Nothing is trained, compiled or downloaded.
    """
    from ._info import info

    try:
        sizes = None if net is None else _integers("--net", net, "-", "784-300-10")
        found = info(sizes, batch_size=batch, density=density, dtype=dtype, optimizer=optimizer, momentum=momentum)
    except (TypeError, ValueError) as error:
        fail(_name_flag(str(error)), USAGE)
    print(json.dumps(found, indent=1) if as_json else "\n".join(_table(found)), flush=True)


def _name_flag(message: str) -> str:
    flags = {"layer_sizes": "--net", "batch_size": "--batch"}
    return re.sub(r"^[a-z_]+", lambda name: flags.get(name[0], f"--{name[0]}"), message)


def _table(found: dict[str, Any]) -> Iterator[str]:
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
    """Lines of one entry; a long path is not broken."""
    wrapped = textwrap.wrap(str(value), _COLUMNS - _LABEL, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{label if i == 0 else '':<{_LABEL}}{line}".rstrip() for i, line in enumerate(wrapped)]
