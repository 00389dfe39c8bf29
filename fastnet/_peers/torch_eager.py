"""PyTorch in its usual, eager manner."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._parallel import available_cpus
from .protocol import BETA1, BETA2, EPSILON, Array, MissingPeerError, Peer, Preprocessing


class TorchPeer(Peer):
    """``nn.Sequential`` and ``torch.optim`` on float32 tensors, with all CPUs.

    The training set is one tensor and minibatches are taken from it by index, which is faster than a ``DataLoader``.
    The optimizers are left at their defaults: on CPUs ``foreach`` and ``fused`` gained nothing (2.13, two cores).

    Parameters
    ----------
    layer_sizes, activation, optimizer, learning_rate, momentum, weight_decay, batch_size, seed
        As in ``Peer``.
    """

    name = "PyTorch"
    library = "torch"
    minibatches_timed = 2000

    def __init__(self, layer_sizes: ArrayLike, **settings: Any) -> None:
        try:
            import torch
        except ImportError:
            raise MissingPeerError("torch") from None
        super().__init__(layer_sizes, **settings)
        modules: list[Any] = []
        for weights in self._initial_weights:
            linear = torch.nn.Linear(*weights.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(weights.T.copy()))
                linear.bias.zero_()
            modules += [linear, torch.nn.Tanh() if self.activation == "tanh" else torch.nn.ReLU()]
        self._linear = modules[::2]
        self._network = torch.nn.Sequential(*modules[:-1])
        self._loss = torch.nn.CrossEntropyLoss()
        self._optimizer = self._make_optimizer()

    def _make_optimizer(self) -> Any:
        import torch

        groups = [
            {"params": [linear.weight for linear in self._linear], "weight_decay": self.weight_decay},
            {"params": [linear.bias for linear in self._linear], "weight_decay": 0.0},
        ]
        if self.optimizer == "adam":
            return torch.optim.Adam(groups, lr=self.learning_rate, betas=(BETA1, BETA2), eps=EPSILON)
        return torch.optim.SGD(groups, lr=self.learning_rate, momentum=self.momentum)

    def prepare(self, X: Array, y: Array, n_rows: int | None = None) -> None:
        """Keep X as a centred float32 tensor (uint8 scaled by 1/255) and the class indices y."""
        import torch

        torch.set_num_threads(available_cpus())
        self._preprocessing = Preprocessing.fit(X)
        self._X, self._y = self.convert(X), torch.from_numpy(np.array(y, dtype=np.int64))

    def epoch(self, order: Array) -> None:
        """Train once over the prepared rows ``order``, minibatch by minibatch."""
        import torch

        for rows in torch.from_numpy(order.astype(np.int64)).split(self.batch_size):
            self._optimizer.zero_grad()
            self._loss(self._network(self._X[rows]), self._y[rows]).backward()
            self._optimizer.step()

    def convert(self, X: Array) -> Any:
        """Return X as a centred float32 tensor."""
        import torch

        return torch.from_numpy(self._preprocessing.apply(X))

    def proba(self, rows: Any) -> Array:
        """Return the probabilities of converted rows, of shape (n_samples, n_classes)."""
        import torch

        with torch.inference_mode():
            return self._network(rows).softmax(dim=1).numpy()

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return copies of weights of shape (n_in, n_out) and biases of shape (n_out,), one a layer."""
        weights = [linear.weight.detach().numpy().T.copy() for linear in self._linear]
        return weights, [linear.bias.detach().numpy().copy() for linear in self._linear]
