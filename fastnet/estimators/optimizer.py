"""What an optimizer of the estimators remembers from one epoch, and one ``partial_fit``, to the next."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..kernels.adam import Adam
from ..kernels.sgd import Sgd
from ..layout import aligned_zeros
from ..network import Network
from .engine import packed, unpacked

_ADAPTIVE_FACTOR, _LEAST_RATE = 5.0, 1e-6


@dataclass
class Optimizer:
    """Settings and memory of a stochastic solver.

    Attributes
    ----------
    learning_rate : float
        Of the next epoch.
    steps : int
        Minibatches that Adam has been through.
    vectors : list of ndarray
        Velocity, or both moments, each laid out like ``Network.parameters``: no matter how wide the vectors of a
        machine are, so that a pickled estimator goes on elsewhere.
    """

    solver: str
    learning_rate_init: float
    schedule: str
    power_t: float
    momentum: float
    nesterov: bool
    beta_1: float
    beta_2: float
    epsilon: float
    steps: int = 0
    learning_rate: float = field(init=False)
    vectors: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.learning_rate = float(self.learning_rate_init)

    def epoch_ends(self, samples_seen: int) -> None:
        """Change the learning rate after an epoch, as a schedule by time does."""
        if self.solver == "sgd" and self.schedule == "invscaling":
            self.learning_rate = float(self.learning_rate_init) / (samples_seen + 1) ** self.power_t

    def wants_to_stop(self, message: str, verbose: Any) -> bool:
        """Say whether to stop when nothing gets better; an adaptive learning rate is made smaller instead."""
        if self.solver != "sgd" or self.schedule != "adaptive":
            _say(f"{message} Stopping.", verbose)
            return True
        if self.learning_rate <= _LEAST_RATE:
            _say(f"{message} Learning rate too small. Stopping.", verbose)
            return True
        self.learning_rate /= _ADAPTIVE_FACTOR
        _say(f"{message} Setting learning rate to {self.learning_rate:f}", verbose)
        return False


class Working:
    """An optimizer while a fit uses it: its vectors are packed as compiled code takes them.

    Parameters
    ----------
    optimizer : Optimizer
        Is only changed by ``keep``.
    network : Network
    n_packed : int
        Length of packed parameters.
    """

    def __init__(self, optimizer: Optimizer, network: Network, n_packed: int):
        self.optimizer, self._network = optimizer, network
        count = 2 if optimizer.solver != "sgd" else int(optimizer.momentum > 0)
        if [vector.size for vector in optimizer.vectors] == [network.n_parameters] * count:
            self._vectors = [packed(network, vector.astype(network.dtype)) for vector in optimizer.vectors]
        else:
            self._vectors = [aligned_zeros(n_packed, network.dtype) for _ in range(count)]
        self._steps = np.array([optimizer.steps], np.int64)

    def compiled(self, decays: np.ndarray) -> Sgd | Adam:
        """Return what compiled code takes for an epoch with a weight decay for each minibatch."""
        o = self.optimizer
        if o.solver == "sgd":
            velocity = self._vectors[0] if self._vectors else np.zeros(0, self._network.dtype)
            return Sgd(o.learning_rate, float(o.momentum), bool(o.nesterov), decays, velocity)
        before, decoupled = int(self._steps[0]), o.solver == "adamw"
        (m, v), (beta1, beta2, epsilon) = self._vectors, (float(o.beta_1), float(o.beta_2), float(o.epsilon))
        return Adam(o.learning_rate, beta1, beta2, epsilon, decays, decoupled, m, v, before, self._steps, short=True)

    def keep(self) -> None:
        """Bring what is remembered back into the optimizer."""
        self.optimizer.vectors = [unpacked(self._network, vector) for vector in self._vectors]
        self.optimizer.steps = int(self._steps[0])


def _say(text: str, verbose: Any) -> None:
    if verbose:
        print(text)
