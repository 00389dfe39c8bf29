"""The decision boundary over the epochs of a fit, as an animation or a sheet of small pictures."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import checks
from ..callbacks import Callback, State
from .boundaries import Grid, boundary_grid, class_names, draw_boundary
from .figures import panels, save

_SHEET_COLUMNS = 8


class BoundaryRecorder(Callback):
    """A callback that keeps the decision boundary of each epoch, of a network with two inputs.

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        Samples; the pictures are large enough to hold them.
    y : array-like of shape (n_samples,)
        Their classes.
    every : int, default=1
        Epochs from one picture to the next.
    until : int or None, default=None
        The last epoch that is kept; None keeps all.
    max_frames : int, default=100
        When there would be more pictures, each second one is dropped and ``every`` is doubled for the rest of the fit.
    n : int, default=121
        Points along each side of a picture.

    Attributes
    ----------
    X, y : ndarray
        The samples and their classes.
    epochs : list of int
        The epochs that were kept, counted from 1.
    grids : list of Grid
        What the network predicted after them.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; when a fit begins, if the network has no boundary in a plane.

    Notes
    -----
    A fit forgets the pictures of the one before.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.datasets.load_moons()
    >>> recorder = BoundaryRecorder(data.X_train, data.y_train, n=31)
    >>> trainer = fastnet.Trainer(fastnet.Network([2, 5, 2], seed=0), learning_rate=0.1, seed=0, callbacks=recorder)
    >>> history = trainer.fit(data.X_train, data.y_train, epochs=4)
    >>> recorder.epochs
    [1, 2, 3, 4]

    ``recorder.save("boundary.gif")`` writes the animation.
    """

    def __init__(
        self, X: Any, y: Any, *, every: int = 1, until: int | None = None, max_frames: int = 100, n: int = 121
    ) -> None:
        self.X, self.y = checks.check_matrix("X", X, n_columns=2), np.ravel(y)
        if len(self.y) != len(self.X):
            raise ValueError(f"y has {len(self.y)} classes, but X has {len(self.X)} samples")
        self._every = checks.check_integer("every", every, low=1)
        self._until = None if until is None else checks.check_integer("until", until, low=1)
        self._max_frames = checks.check_integer("max_frames", max_frames, low=2)
        self._n = checks.check_integer("n", n, low=2)
        self._forget()

    def _forget(self) -> None:
        self.epochs: list[int] = []
        self.grids: list[Grid] = []
        self._names: tuple[str, ...] = ()
        self._step = self._every

    def on_fit_begin(self, state: State) -> None:
        """Forget what an earlier fit has left; refuse a network that can't be drawn."""
        self._forget()
        boundary_grid(state.network, self.X, 2)
        self._names = class_names(state.network)

    def on_epoch_end(self, state: State) -> None:
        """Keep the boundary, if it is this epoch's turn."""
        if state.epoch % self._step or (self._until is not None and state.epoch > self._until):
            return
        if len(self.grids) == self._max_frames:
            self._step *= 2
            kept = [number for number, epoch in enumerate(self.epochs) if epoch % self._step == 0]
            self.epochs, self.grids = [self.epochs[i] for i in kept], [self.grids[i] for i in kept]
            if state.epoch % self._step:
                return
        grid = boundary_grid(state.network, self.X, self._n)
        small = np.float32 if grid.values.dtype.kind == "f" else np.int32
        self.epochs.append(state.epoch)
        self.grids.append(grid._replace(values=grid.values.astype(small)))

    def frames(self) -> Iterator[Any]:
        """Yield a figure for each epoch that was kept."""
        for epoch, grid in zip(self.epochs, self.grids, strict=True):
            title = f"after epoch {epoch}"
            draw = partial(draw_boundary, grid=grid, X=self.X, y=self.y, title=title, names=self._names)
            yield panels([draw], 1, (5.2, 4.0))

    def sheet(self, title: str = "") -> Any:
        """Return a figure of all epochs that were kept beside each other.

        Parameters
        ----------
        title : str, default=""

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            If no epoch was kept.
        """
        if not self.grids:
            raise ValueError("no epoch was kept: pass the recorder to Trainer(callbacks=...) and fit first")
        draws = [
            partial(draw_boundary, grid=grid, X=self.X, y=self.y, title=f"epoch {epoch}", plain=True)
            for epoch, grid in zip(self.epochs, self.grids, strict=True)
        ]
        return panels(draws, _SHEET_COLUMNS, (1.35, 1.15), title)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the animation (.gif), or all pictures beside each other (.png, .svg, .pdf).

        Parameters
        ----------
        path : str or os.PathLike

        Raises
        ------
        ValueError
            If the ending is another one, or no epoch was kept.
        OSError
            If the file can't be written.
        ModuleNotFoundError
            If matplotlib is not installed.
        """
        save(self.frames() if Path(path).suffix.lower() == ".gif" else self.sheet(), path)
