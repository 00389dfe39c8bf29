"""MODEL on the command line: a file that ``save`` has written."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .messages import DATA, failing

if TYPE_CHECKING:
    from ..network import Network

Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Model that `fastnet train --output` has saved.", show_default=False)
]


def load_network(path: Path) -> "Network":
    """Load a model as a network; an estimator becomes one, with its classes and names of features."""
    from ..models import load
    from ..network import Network

    with failing(DATA, OSError, ValueError):  # FormatError is a ValueError
        found: Any = load(path)
        return found if isinstance(found, Network) else Network.from_sklearn(found)
