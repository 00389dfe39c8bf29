"""The command ``fastnet warmup``. It imports nothing heavy before it runs."""

import sys
from typing import Annotated

import typer

from .interrupt import exit_code
from .messages import USAGE, fail
from .parsing import names

_DTYPES = ("float32", "float64")

EPILOG = """\b
Example:
  fastnet warmup --dtype float32,float64"""


def warmup(
    dtype: Annotated[str, typer.Option(metavar="NAME,NAME", help="float32, float64, or both.")] = "float32",
) -> None:
    """Compile what training and predicting need, now instead of at the first training.

    What is compiled is kept in the cache folder; what is there already is only loaded.
    """
    try:
        dtypes = names("--dtype", dtype, _DTYPES)
        seconds = sum(_warm(name) for name in dtypes)
    except ValueError as error:
        fail(str(error), USAGE)
    except KeyboardInterrupt as interrupt:
        fail("interrupted: what was compiled so far is kept", exit_code(interrupt))
    from .._jit import cache_folder

    folder = cache_folder()
    kept = f"kept in {folder}" if folder else "not kept, as there is no cache folder"
    print(f"{', '.join(dtypes)}: ready after {seconds:.1f} s, {kept}", flush=True)


def _warm(name: str) -> float:
    print(f"compiling, once: {name} …", file=sys.stderr, flush=True)
    from .._warmup import warmup

    return warmup(name)
