"""The rivals that fastnet is measured against, one implementation of each for benches and the command line.

Each is written as a careful user of the library writes it for speed. All train the same network: tanh or relu
hidden layers, softmax with cross-entropy, SGD or Adam, weight decay on weights but not on biases. Whatever a user
does once before training (conversion, centring, compiling) belongs in ``prepare`` and stays out of the measured time.

No library is imported before its peer is made.
"""

from .fastnet_run import FastnetPeer
from .jax_scan import JaxPeer
from .numpy_loop import NumpyNetwork, PerSampleNumpyNetwork
from .protocol import MissingPeerError, Peer
from .sklearn_mlp import SklearnPeer
from .torch_eager import TorchPeer

PEERS: dict[str, type[Peer]] = {
    "fastnet": FastnetPeer,
    "jax": JaxPeer,
    "torch": TorchPeer,
    "sklearn": SklearnPeer,
    "numpy": NumpyNetwork,
    "article": PerSampleNumpyNetwork,
}

__all__ = [
    "PEERS",
    "FastnetPeer",
    "JaxPeer",
    "MissingPeerError",
    "NumpyNetwork",
    "Peer",
    "PerSampleNumpyNetwork",
    "SklearnPeer",
    "TorchPeer",
]
