"""How good predictions are: figures of merit, a table of the classes, and the worst mistakes."""

import math
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from . import evaluation_report as report


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Predictions beside the truth, as ``Network.evaluate`` returns it. Printing it shows tables.

    What is counted is counted by scikit-learn's metrics, and equals theirs.

    Attributes
    ----------
    task : {"classification", "multilabel", "regression"}
        Classes that exclude each other, labels that do not, or numbers.
    true, predicted : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Class indices, labels 0 and 1, or numbers.
    losses : ndarray of shape (n_samples,)
        Loss of each sample.
    probability : ndarray of the shape of ``predicted``, or None
        Of what was predicted; None for regression.
    true_probability : ndarray of the shape of ``true``, or None
        Of what is true.
    weights : ndarray of shape (n_samples,), or None
        Of the samples.
    classes : tuple
        Names of classes or labels, in the order of their indices; empty for regression.
    """

    task: str
    true: np.ndarray
    predicted: np.ndarray
    losses: np.ndarray
    probability: np.ndarray | None = None
    true_probability: np.ndarray | None = None
    weights: np.ndarray | None = None
    classes: tuple[Any, ...] = ()

    @property
    def n_samples(self) -> int:
        """Samples that were looked at."""
        return len(self.losses)

    @property
    def loss(self) -> float:
        """Mean loss, over the samples' weights if there are any."""
        return float(np.average(self.losses, weights=self.weights))

    @cached_property
    def right(self) -> np.ndarray:
        """Which samples were predicted as they are, of shape (n_samples,); with several labels, all of them."""
        same = self.true == self.predicted
        return same if same.ndim == 1 else same.all(axis=1)

    @property
    def accuracy(self) -> float:
        """Share of samples that were predicted right, with several labels all of them; NaN for regression."""
        return math.nan if self.task == "regression" else float(np.average(self.right, weights=self.weights))

    @cached_property
    def confusion(self) -> np.ndarray | None:
        """Number of samples, or their weight, of each true class (rows) that were predicted as each class (columns).

        Of shape (n_classes, n_classes); for several labels (n_labels, 2, 2), one table each; None for regression.
        """
        if self.task == "regression":
            return None
        from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix

        if self.task == "multilabel":
            return np.asarray(multilabel_confusion_matrix(self.true, self.predicted, sample_weight=self.weights))
        labels = np.arange(len(self.classes))
        return np.asarray(confusion_matrix(self.true, self.predicted, labels=labels, sample_weight=self.weights))

    @cached_property
    def per_class(self) -> tuple[dict[str, Any], ...]:
        """A row for each class or label, with the keys class, precision, recall, f1 and support; empty for regression.

        The support is the number of samples that are of the class, or their weight. Precision is 0 for a class that is
        never predicted, and recall 0 for one without samples, as in scikit-learn; all are NaN for a class with neither.
        """
        if self.task == "regression":
            return ()
        from sklearn.metrics import precision_recall_fscore_support

        labels = np.arange(len(self.classes))
        options = {"labels": labels, "zero_division": 0.0, "sample_weight": self.weights}
        precision, recall, f1, support = precision_recall_fscore_support(self.true, self.predicted, **options)
        rows: list[dict[str, Any]] = []
        for name, *scores, count in zip(self.classes, precision, recall, f1, support, strict=True):
            absent = count == 0 and not self._is_predicted(len(rows))
            values = [math.nan] * 3 if absent else map(float, scores)
            rows.append({"class": name, **dict(zip(report.SCORES, values, strict=True)), "support": count.item()})
        return tuple(rows)

    def _is_predicted(self, index: int) -> bool:
        found = self.predicted[:, index] if self.task == "multilabel" else self.predicted == index
        return bool(found.any())

    @property
    def averages(self) -> dict[str, dict[str, float]]:
        """Mean of the columns of ``per_class``: "macro" takes all classes alike, "weighted" by their support."""
        rows = [row for row in self.per_class if not math.isnan(row["f1"])]
        if not rows:
            return {}
        support = np.array([row["support"] for row in rows], dtype=np.float64)
        found = {}
        for kind, weights in (("macro", np.ones(len(rows))), ("weighted", support)):
            weights = weights if weights.any() else np.ones(len(rows))
            means = {name: float(np.average([row[name] for row in rows], weights=weights)) for name in report.SCORES}
            found[kind] = means
        return found

    @property
    def r2(self) -> float:
        """Coefficient of determination, the mean over outputs; NaN for classes, and for a single sample."""
        if self.task != "regression" or self.n_samples < 2:
            return math.nan
        from sklearn.metrics import r2_score

        return float(r2_score(self.true, self.predicted, sample_weight=self.weights))

    @property
    def mse(self) -> float:
        """Mean squared error, the mean over outputs; NaN for classes."""
        if self.task != "regression":
            return math.nan
        from sklearn.metrics import mean_squared_error

        return float(mean_squared_error(self.true, self.predicted, sample_weight=self.weights))

    @property
    def mae(self) -> float:
        """Mean absolute error, the mean over outputs; NaN for classes."""
        if self.task != "regression":
            return math.nan
        from sklearn.metrics import mean_absolute_error

        return float(mean_absolute_error(self.true, self.predicted, sample_weight=self.weights))

    @cached_property
    def mistakes(self) -> np.ndarray:
        """Indices of the samples that were predicted wrong, the one with the largest loss first.

        For regression: of all samples.
        """
        wrong = np.arange(self.n_samples) if self.task == "regression" else np.flatnonzero(~self.right)
        return wrong[np.argsort(-self.losses[wrong], kind="stable")]

    def __repr__(self) -> str:
        return f"Evaluation({report.headline(self)})"

    def __str__(self) -> str:
        return self.report()

    def report(self, n_worst: int = 5) -> str:
        """Return all tables as text: figures, classes, confusion, mistakes.

        Parameters
        ----------
        n_worst : int, default=5
            Mistakes that are listed, at most.

        Returns
        -------
        str
        """
        return report.text(self, n_worst)

    def to_dict(self, n_worst: int = 20) -> dict[str, Any]:
        """Return all tables as what JSON knows: numbers, text, lists and dicts; None for NaN.

        Parameters
        ----------
        n_worst : int, default=20
            Mistakes that are listed, at most.

        Returns
        -------
        dict
        """
        return report.as_dict(self, n_worst)

    def plot(self, path: str | os.PathLike[str] | None = None, title: str = "") -> Any:
        """Draw the confusion matrix, for several labels their scores, for regression predictions over true values.

        Parameters
        ----------
        path : str or os.PathLike, optional
            Where the figure is written: .png, .svg or .pdf.
        title : str, default=""

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            If the path has another ending.
        OSError
            If the file can't be written.
        ModuleNotFoundError
            If matplotlib is not installed; the message says how to install it.
        """
        from . import plots

        figure = plots.evaluation(self, title)
        if path is not None:
            plots.save(figure, path)
        return figure
