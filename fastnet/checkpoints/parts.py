"""The parts of a checkpoint that are a network and what its optimizer remembers: from objects to trees and back.

A checkpoint is a tree with these entries; vectors are laid out like ``Network.parameters``.

=========== =====================================================================================================
epoch       whole epochs
minibatch   minibatches of the next one
stopped     whether a callback has ended the training
score       validation loss, or training loss, of the last epoch; None within an epoch
network     parameters as the user saw them last, after a whole epoch; preprocessing
optimizer   whose memory it is, its vectors, its steps
generator   state of the random generator before the epoch's order is drawn
history     one array a metric, one entry an epoch
callbacks   what they keep
set_rate    learning rate that a callback has set, or None
running     of the epoch that has begun: weights and what is folded into them, results of its minibatches, learning
            rate, seconds; None if it has not begun
identity    data and settings: see ``identity.py``
machine     version and vector width
=========== =====================================================================================================
"""

from typing import Any

from ..exceptions import FormatError
from ..network import Network
from ..optimizers import Memory
from ..preprocessing import Preprocessing
from ..run import Run

_KINDS = {
    "epoch": int,
    "minibatch": int,
    "stopped": bool,
    "network": dict,
    "optimizer": dict,
    "generator": dict,
    "history": dict,
    "callbacks": list,
    "set_rate": float | None,
    "running": dict | None,
    "identity": dict,
    "machine": dict,
}
_PREPROCESSING = ("mean", "scale", "kind", "factors", "components")


def check(tree: dict[str, Any], name: str) -> None:
    """Refuse a tree that lacks a part; ``name`` is that of its file."""
    for part, kind in _KINDS.items():
        if part not in tree or not isinstance(tree[part], kind):
            raise FormatError(f"{name}: holds no state of a training: {part!r} is missing or of a wrong type")


def network_state(network: Network) -> dict[str, Any]:
    """Return parameters and preprocessing of a network."""
    found = network.preprocessing
    parts = None if found is None else {part: getattr(found, part) for part in _PREPROCESSING}
    return {"parameters": network.parameters.copy(), "preprocessing": parts}


def restore_network(network: Network, state: dict[str, Any]) -> None:
    """Give a network of the same shape the parameters and the preprocessing of another."""
    parts = state["preprocessing"]
    network.preprocessing = None if parts is None else Preprocessing(**parts)
    network.parameters = state["parameters"]


def network_of(tree: dict[str, Any], name: str) -> Network:
    """Return a new network from a checkpoint.

    Raises
    ------
    FormatError
        If its parts do not belong together.
    """
    check(tree, name)
    try:
        made = tree["identity"]["settings"]["network"]
        network = Network._blank(made["layer_sizes"], made["activation"], made["output"], made["dtype"])
        restore_network(network, tree["network"])
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{name}: holds no network ({type(error).__name__}: {error})") from None
    return network


def memory_state(memory: Memory, run: Run) -> dict[str, Any]:
    """Return what an optimizer remembers."""
    vectors = [run.unpacked(vector) for vector in memory.all_vectors if vector.size]
    return {"owner": memory.owner, "vectors": vectors, "steps": int(memory.steps[0])}


def restore_memory(memory: Memory, run: Run, state: dict[str, Any]) -> None:
    """Let an optimizer remember it; plain SGD has nothing to."""
    kept = state["vectors"]
    if kept:
        for vector, values in zip(memory.vectors(state["owner"], len(kept), run.n_packed), kept, strict=True):
            vector[:] = run.packed(values)
    memory.steps[:] = state["steps"]
