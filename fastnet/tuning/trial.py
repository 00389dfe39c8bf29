"""One trial: a network whose training goes on from rung to rung."""

import numpy as np

from ..callbacks import Callback, State
from ..history import METRICS, History
from ..network import Network
from ..schedules import Schedule, learning_rate
from .shared import Shared, SharingTrainer
from .space import Params, of_network, of_trainer
from .table import MEASURED


class _Course(Callback):
    """The schedule of a fit that is made in parts: it knows the losses of the parts before."""

    def __init__(self, schedule: Schedule, rate: float, epochs: int):
        self._settings = schedule, rate, epochs
        self._losses: list[float] = []
        self._val_losses: list[float] = []

    def __call__(self, _: int) -> float:
        schedule, rate, epochs = self._settings
        return learning_rate(schedule, rate, len(self._losses), epochs, self._losses, self._val_losses)

    def on_epoch_end(self, state: State) -> None:
        """Remember the losses."""
        self._losses.append(state.metrics["loss"])
        self._val_losses.append(state.metrics["val_loss"])


class Trial:
    """A network and its trainer.

    Parameters
    ----------
    params : dict
        Settings of the network and the trainer.
    shared : Shared
        The rows.
    output : str
        Of the network.
    n_outputs : int
    epochs : int
        Of the whole training, which the schedule follows.
    seed : int
        Of the network and of the trainer.
    callback : Callback
        Hears of each compiled call and each epoch.
    """

    def __init__(
        self, params: Params, shared: Shared, output: str, n_outputs: int, epochs: int, seed: int, callback: Callback
    ):
        samples, preprocessing = shared.samples, shared.preprocessing
        sizes = [samples.X.shape[1], *params["hidden"], n_outputs]
        network = Network(sizes, **of_network(params), output=output, dtype=preprocessing.mean.dtype, seed=seed)
        network.preprocessing = preprocessing
        self.network, self._samples = network, samples
        self._trainer = trainer = SharingTrainer(shared, network, **of_trainer(params), seed=seed)
        trainer.batch_size = min(trainer.batch_size, len(samples.X))
        course = _Course(trainer.schedule, trainer._first_rate, epochs)
        trainer.schedule, trainer.callbacks = course, (course, callback)
        self._parts: list[History] = []

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return sum(map(len, self._parts))

    @property
    def history(self) -> History:
        """Of all parts, as if they were one."""
        return History(
            **{name: np.concatenate([getattr(part, name) for part in self._parts]) for name in METRICS},
            compile_seconds=sum(part.compile_seconds for part in self._parts),
            setup_seconds=sum(part.setup_seconds for part in self._parts),
            n_threads=self._parts[-1].n_threads,
            first_layer=self._parts[-1].first_layer,
        )

    def train(self, epochs: int, n_threads: int | None = 1) -> dict[str, float]:
        """Go on until ``epochs`` are done; if anything ends that before, the weights are those of the last rung.

        Returns
        -------
        dict
            Losses and accuracies of the last epoch.
        """
        if epochs > self.epochs:
            before = self.network.parameters.copy()
            self._trainer.n_threads = n_threads
            X, y, X_val, y_val = self._samples
            try:
                part = self._trainer.fit(X, y, epochs=epochs - self.epochs, validation_data=(X_val, y_val))
            except BaseException:
                self.network.parameters = before
                raise
            self._parts.append(part)
        return {name: float(getattr(self._parts[-1], name)[-1]) for name in MEASURED}
