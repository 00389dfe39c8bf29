"""What is done to rows before the first layer: centring, scaling, principal components. Fitted in one or two passes.

A row becomes ``row * scale * factors - mean``, and with principal components ``(row * scale * factors - mean) @
components``. Statistics are gathered some rows at a time, in float64: data are never copied as a whole, so that they
may be larger than memory.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import checks, columns
from ._parallel import one_blas_thread
from .sparse_data import check_sparse, is_sparse

SCALES = ("auto", "minmax", "standard")

Pieces = Iterable[Any]  # matrices, dense or sparse, that can be gone through several times

# Beyond this ratio of a column's mean to its spread float32 keeps less than four digits of what is left after centring.
_MAX_MEAN = 1e4


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """What is done to a row before the first layer: ``(row * scale * factors - mean) @ components``.

    ``scale`` belongs to data of the kind that was trained on ("uint8" or "float"); others are taken as already in
    the trained unit.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        Is subtracted.
    scale : float
        Unit of the data: 1/255 for uint8.
    kind : {"uint8", "float"}
    factors : ndarray of shape (n_features,) or None
        Of each feature by itself.
    components : ndarray of shape (n_features, n_components) or None
        Principal components, one a column.
    """

    mean: np.ndarray
    scale: float
    kind: str
    factors: np.ndarray | None = None
    components: np.ndarray | None = None

    def __repr__(self) -> str:
        factors = "" if self.factors is None else ", factors of each"
        components = "" if self.components is None else f", {self.components.shape[1]} components"
        return (
            f"Preprocessing(mean of {len(self.mean)} features, scale {self.scale:.4g} of {self.kind} data"
            f"{factors}{components})"
        )

    @property
    def n_features(self) -> int:
        """Columns of a row before."""
        return len(self.mean) if self.components is None else len(self.components)

    @property
    def n_outputs(self) -> int:
        """Columns of a row afterwards: inputs of the network."""
        return len(self.mean) if self.components is None else self.components.shape[1]

    def astype(self, dtype: Any) -> "Preprocessing":
        """Return the same with arrays of another dtype."""
        factors, components = (
            None if array is None else np.asarray(array, dtype) for array in (self.factors, self.components)
        )
        return Preprocessing(np.asarray(self.mean, dtype), self.scale, self.kind, factors, components)

    def multiplier(self, kind: str) -> Any:
        """What rows of a kind are multiplied by: a number, or one for each feature."""
        unit = self.scale if kind == self.kind else 1.0
        return unit if self.factors is None else (unit * self.factors.astype(np.float64)).astype(self.factors.dtype)

    def input_gradient(self, gradient: np.ndarray, kind: str) -> np.ndarray:
        """Return a gradient with respect to rows before, given (n, n_outputs) that with respect to them afterwards."""
        if self.components is not None:
            gradient = gradient @ self.components.T
        return (gradient * self.multiplier(kind)).astype(gradient.dtype, copy=False)


class PCA:
    """Principal component analysis: the directions in which centred rows vary most.

    Parameters
    ----------
    n_components : int, float or None, default=None
        How many; or the share of the variance that they have together, in (0, 1); None takes as many as the network
        has inputs, or all.
    whiten : bool, default=False
        Divide each component by its standard deviation, so that all have variance 1.

    Attributes
    ----------
    n_components_ : int
    components_ : ndarray of shape (n_components_, n_features), float64
        Directions of length 1, by decreasing variance; the largest element of each is positive.
    explained_variance_, explained_variance_ratio_ : ndarray of shape (n_components_,)
        Variance of each component, and its share of the whole.
    mean_ : ndarray of shape (n_features,)
        Of the scaled rows.
    preprocessing_ : Preprocessing

    Notes
    -----
    The covariance matrix is gathered in one pass over the rows and takes ``8 * n_features**2`` bytes; rows are never
    copied as a whole. The network is trained on the components, which are computed once per fit:
    ``n_samples * n_components`` numbers of its dtype. Predictions compute them some rows at a time.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.datasets.load_digits()
    >>> pca = fastnet.PCA(0.9).fit(data.X_train)
    >>> pca.n_components_, round(float(pca.explained_variance_ratio_.sum()), 3)
    (21, 0.903)
    >>> network = fastnet.Network([pca.n_components_, 32, 10], seed=0)
    >>> history = fastnet.Trainer(network, pca=pca, seed=0).fit(data.X_train, data.y_train, epochs=20)
    >>> bool(network.score(data.X_test, data.y_test) > 0.9)
    True
    """

    n_components_: int
    components_: np.ndarray
    explained_variance_: np.ndarray
    explained_variance_ratio_: np.ndarray
    mean_: np.ndarray
    preprocessing_: Preprocessing

    def __init__(self, n_components: int | float | None = None, whiten: bool = False):
        self.n_components = _check_components(n_components)
        self.whiten = checks.check_flag("whiten", whiten)

    def __repr__(self) -> str:
        return f"PCA(n_components={self.n_components}, whiten={self.whiten})"

    def fit(self, X: Any, scale: str | float = "auto") -> "PCA":
        """Find the components of some rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            uint8, float32 or float64, at least two rows.
        scale : {"auto", "minmax", "standard"} or float, default="auto"
            What is done to the rows before, as in ``Trainer``.

        Returns
        -------
        PCA
            Itself.

        Raises
        ------
        TypeError
            If ``X`` does not hold numbers.
        ValueError
            If ``X`` has the wrong shape or holds NaN or infinity, or too few features or samples for n_components.
        """
        if is_sparse(X):
            X = check_sparse("X", X, None, np.float64)
        else:
            X = checks.check_matrix("X", X)
            checks.check_finite("X", X)
        self._fit([X], check_scale(scale))
        return self

    def _fit(self, pieces: Pieces, scale: str | float, n_inputs: int | None = None) -> None:
        """Fit to the rows of checked matrices; ``n_inputs`` components if none were asked for."""
        before = scaling(pieces, False, scale)
        count, mean, covariance = columns.covariance(pieces, before.multiplier(before.kind), before.mean)
        if count < 2:
            raise ValueError(f"pca needs at least 2 samples, got {count}")
        variances, directions = _decomposition(covariance)
        wanted = self.n_components if self.n_components is not None else n_inputs
        n = _count(wanted, variances, (count, len(mean)))
        total = variances.sum()
        self.n_components_, self.mean_, self.components_ = n, mean, directions[:n]
        self.explained_variance_ = variances[:n]
        self.explained_variance_ratio_ = variances[:n] / total if total > 0 else np.zeros(n)
        components = self.components_.T * (_inverse_roots(variances)[:n] if self.whiten else 1.0)
        self.preprocessing_ = replace(before, mean=mean, components=components)


def as_pca(value: Any) -> PCA | None:
    """Return a PCA for what the argument ``pca`` may be, or refuse it."""
    return value if value is None or isinstance(value, PCA) else PCA(value)


def check_scale(value: Any) -> str | float:
    """Return a name of a scaling, or a number above 0."""
    return checks.check_choice("scale", value, SCALES) if isinstance(value, str) else _positive(value)


def _positive(value: Any) -> float:
    return checks.check_number("scale", value, open_low=True)


def _check_components(value: Any) -> int | float | None:
    if value is None or isinstance(value, bool):
        return None if value is None else checks.check_integer("n_components", value, low=1)
    if isinstance(value, float | np.floating):
        return checks.check_number("n_components", value, open_low=True, high=1.0)
    return checks.check_integer("n_components", value, low=1)


def kind_of_data(X: Any) -> str:
    """Kind of data that a preprocessing's factor belongs to."""
    return "uint8" if X.dtype == np.uint8 else "float"


# -- fitting -------------------------------------------------------------------------------------------


def fitted(
    pieces: Pieces, center: bool, scale: str | float, pca: PCA | None, n_inputs: int, dtype: np.dtype[Any]
) -> Preprocessing:
    """Return the preprocessing that suits some training rows and a network with ``n_inputs`` inputs.

    Parameters
    ----------
    pieces : iterable of matrices, of shape (n_samples, n_features)
        The rows, checked; dense or sparse. May be gone through several times.
    center : bool
    scale : str or float
    pca : PCA or None
        One that is fitted already is used as it is.
    n_inputs : int
    dtype : dtype
        Of the network.
    """
    if pca is None:
        found = scaling(pieces, center, scale)
        _warn_of_lost_digits(found, dtype)
        return found
    if not hasattr(pca, "preprocessing_"):
        pca = PCA(pca.n_components, pca.whiten)
        pca._fit(pieces, scale, n_inputs)
    elif scale != "auto":
        raise ValueError(f"scale={scale!r} does not go with a PCA that is fitted already: pass it to PCA.fit")
    found = pca.preprocessing_
    n_features = next(iter(pieces)).shape[1]
    if len(found.mean) != n_features:
        raise ValueError(f"X has {n_features} features, but pca was fitted to {len(found.mean)}")
    if pca.n_components_ != n_inputs:
        raise ValueError(
            f"pca has {pca.n_components_} components of {n_features} features, but the network has {n_inputs} inputs; "
            f"make it with layer_sizes [{pca.n_components_}, ...]"
        )
    return found


def scaling(pieces: Pieces, center: bool, scale: str | float) -> Preprocessing:
    """Return centring and scaling for the rows of some matrices."""
    kind = kind_of_data(next(iter(pieces)))
    unit = scale if isinstance(scale, float) else (1 / 255 if kind == "uint8" else 1.0)
    each = scale in ("minmax", "standard")
    found = columns.statistics(pieces, unit, ranges=each, spreads=scale == "standard")
    none = np.zeros(len(found.mean))
    if not each:
        return Preprocessing(found.mean if center else none, unit, kind)
    if scale == "minmax":
        factors = _inverse(found.high - found.low)
        return Preprocessing((found.mean if center else found.low) * factors, unit, kind, factors)
    factors = _inverse(np.where(found.high > found.low, found.spread, 0.0))
    return Preprocessing(found.mean * factors if center else none, unit, kind, factors)


def _inverse(spread: np.ndarray) -> np.ndarray:
    """Factors that make spreads 1; a feature that never varies becomes 0, whatever it is later."""
    return np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)


def _warn_of_lost_digits(found: Preprocessing, dtype: np.dtype[Any]) -> None:
    if found.factors is None or dtype != np.float32 or not (np.abs(found.mean) > _MAX_MEAN).any():
        return
    column = int(np.abs(found.mean).argmax())
    warnings.warn(
        f"X: the mean of column {column} is {abs(found.mean[column]):.3g} times its spread, of which float32 keeps few "
        "digits: subtract it from the data yourself, or use dtype='float64'",
        UserWarning,
        stacklevel=4,
    )


def _decomposition(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variances and directions (one a row), by decreasing variance; a direction's largest element is positive."""
    with one_blas_thread:
        values, vectors = np.linalg.eigh(covariance)
    rows = vectors.T[::-1]
    signs = np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])
    return np.maximum(values[::-1], 0.0), rows * signs[:, np.newaxis]


def _count(wanted: int | float | None, variances: np.ndarray, shape: tuple[int, ...]) -> int:
    """How many components are meant."""
    most = min(shape)
    if wanted is None:
        return most
    if isinstance(wanted, float):
        shares = np.cumsum(variances) / max(variances.sum(), np.finfo(float).tiny)
        return min(int(np.searchsorted(shares, wanted)) + 1, most)
    if wanted > most:
        raise ValueError(
            f"pca: {wanted} components are wanted, but {shape[0]} samples of {shape[1]} features have at most {most}"
        )
    return wanted


def _inverse_roots(variances: np.ndarray) -> np.ndarray:
    """Factors that make variances 1; what is nothing but rounding becomes 0."""
    smallest = len(variances) * np.finfo(float).eps * variances.max(initial=0.0)
    return _inverse(np.sqrt(np.where(variances > smallest, variances, 0.0)))
