"""Targets of a regression in units of their spread while training, and predictions in their own unit afterwards.

A learning rate that suits targets of mean 0 and variance 1 is too large for prices and too small for concentrations.
So a network is trained on standardised targets; then mean and spread go into its last layer, which is linear: what it
predicts is the same, in the unit of the targets, and nothing has to be kept beside the network.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks

if TYPE_CHECKING:
    from .network import Network


class TargetScaler:
    """Standardise targets, and put their unit into a trained network.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (n_outputs,), float64
        Mean and standard deviation of each column of the targets; a column that never varies has scale 1.

    Examples
    --------
    >>> import numpy as np, fastnet
    >>> from fastnet.target_scaling import TargetScaler
    >>> X = np.linspace(-1, 1, 200)[:, np.newaxis]
    >>> y = 5000 + 300 * X[:, 0]
    >>> network = fastnet.Network([1, 16, 1], output="identity", seed=0)
    >>> scaler = TargetScaler().fit(y)
    >>> history = fastnet.Trainer(network, momentum=0.9, seed=0).fit(X, scaler.transform(y), epochs=30)
    >>> scaler.fold_into(network)  # from here on the network predicts thousands
    >>> bool(abs(network.predict(X) - y).max() < 30)
    True
    """

    mean_: np.ndarray
    scale_: np.ndarray

    def fit(self, y: Any) -> "TargetScaler":
        """Find mean and spread.

        Parameters
        ----------
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)

        Returns
        -------
        TargetScaler
            Itself.

        Raises
        ------
        TypeError, ValueError
            If ``y`` does not hold finite numbers, or has another number of dimensions.
        """
        columns = _columns(y)
        self.mean_ = columns.mean(axis=0)
        spread = columns.std(axis=0)
        varies = columns.max(axis=0) > columns.min(axis=0)  # the spread of equal numbers may be rounding, not 0
        self.scale_ = np.where(varies & (spread > 0), spread, 1.0)
        return self

    def transform(self, y: Any) -> np.ndarray:
        """Return targets of mean 0 and variance 1 as float64 of the same shape.

        Raises
        ------
        TypeError, ValueError
            As ``fit``, or if ``y`` has another number of columns.
        """
        columns = _columns(y)
        if columns.shape[1] != len(self.mean_):
            raise ValueError(f"y has {columns.shape[1]} columns, but the scaler was fitted to {len(self.mean_)}")
        return ((columns - self.mean_) / self.scale_).reshape(np.shape(y))

    def fold_into(self, network: "Network") -> None:
        """Make a network that was trained on standardised targets predict in their own unit.

        Its last weights are multiplied by ``scale_``, its last biases too, and ``mean_`` is added to these. To train it
        further on standardised targets, fold out first (``fold_out_of``).

        Raises
        ------
        ValueError
            If its outputs are not "identity", or another number; the network is unchanged then.
        """
        self._check(network)
        weights, biases = network.weights[-1], network.biases[-1]
        weights[:] = weights * self.scale_
        biases[:] = biases * self.scale_ + self.mean_

    def fold_out_of(self, network: "Network") -> None:
        """Undo ``fold_into``, up to rounding.

        Raises
        ------
        ValueError
            As ``fold_into``.
        """
        self._check(network)
        weights, biases = network.weights[-1], network.biases[-1]
        weights[:] = weights / self.scale_
        biases[:] = (biases - self.mean_) / self.scale_

    def _check(self, network: "Network") -> None:
        if network.output != "identity":
            raise ValueError(f"network must have output='identity' to predict plain numbers, got {network.output!r}")
        if network.layer_sizes[-1] != len(self.mean_):
            raise ValueError(
                f"network has {network.layer_sizes[-1]} outputs, but the scaler was fitted to {len(self.mean_)} columns"
            )


def _columns(y: Any) -> np.ndarray:
    """Return checked targets as a float64 matrix."""
    array = checks.check_array("y", y)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"y must have shape (n_samples,) or (n_samples, n_outputs), got {array.shape}")
    checks.check_finite("y", array)
    return array.reshape(len(array), -1).astype(np.float64)
