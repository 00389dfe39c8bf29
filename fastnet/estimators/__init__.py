"""scikit-learn's multilayer perceptrons, compiled: ``MLPClassifier`` and ``MLPRegressor``.

``base.py`` has what both share; ``stochastic.py`` and ``lbfgs.py`` are the solvers, ``engine.py`` is their way to
compiled code. What scikit-learn says in an error, a warning or on the screen is said here in the same words.
"""

from .classifier import MLPClassifier
from .regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
