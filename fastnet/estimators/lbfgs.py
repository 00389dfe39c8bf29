"""SciPy's L-BFGS-B on the compiled loss and its gradient."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from .._parallel import crew, one_blas_thread
from ..network import Network
from .callbacks import has_callbacks
from .engine import Epochs, fit_threads
from .stochastic import Problem

# Rows that are taken through the network together: fewer than are ever cut into micro-batches, whose gradients another
# optimizer adds up than the one that L-BFGS has.
_ROWS = 256


def fit_lbfgs(estimator: Any, network: Network, problem: Problem, after: Callable[[Network], bool]) -> None:
    """Minimise the loss of all samples; writes the weights into the network, and ``loss_`` and ``n_iter_``.

    As in scikit-learn the loss has the penalty ``alpha * sum(w**2) / 2n``, n being the sum of sample weights.
    """
    e, weights = estimator, problem.targets.weights
    n_rows = problem.X.shape[0]
    total = float(weights.sum()) if weights.size else float(n_rows)
    constants = problem.constants * weights if problem.constants.size and weights.size else problem.constants
    constant = float(constants.sum()) / total
    n_weights = sum(w.size for w in network.weights)
    batch_size = min(_ROWS, n_rows)
    n_threads = fit_threads(e.n_threads, network, batch_size, problem.X)

    # SciPy's own sums come from BLAS, whose results depend on its number of threads.
    with one_blas_thread, crew(n_threads) as together:
        targets = problem.targets._replace(total=total)
        run = Epochs(network, problem.X, targets, batch_size, n_threads, together)

        def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
            loss, gradient = run.loss_and_gradient(flat.astype(network.dtype))
            gradient, w = gradient.astype(np.float64), flat[:n_weights]
            gradient[:n_weights] += e.alpha / total * w
            with np.errstate(all="ignore"):
                penalty = 0.5 * e.alpha * float(w @ w) / total
            return loss * problem.loss_factor + constant + penalty, gradient

        result = _minimize(e, network, loss_and_gradient, after)
    e.n_iter_ = _checked_iterations(result, e.max_iter)
    e.loss_ = float(result.fun)
    network.parameters = result.x


def _minimize(e: Any, network: Network, function: Callable[..., Any], after: Callable[[Network], bool]) -> Any:
    def callback(flat: np.ndarray) -> None:
        network.parameters = flat
        if after(network):
            raise StopIteration

    options = {"maxfun": e.max_fun, "maxiter": e.max_iter, "gtol": e.tol}
    if tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 15):
        options["iprint"] = 1 if e.verbose else -1
    start = network.parameters.astype(np.float64)
    watched = callback if has_callbacks(e) else None
    return minimize(function, start, method="L-BFGS-B", jac=True, options=options, callback=watched)


def _checked_iterations(result: Any, max_iter: int) -> int:
    """Return the number of iterations; warn if they were not enough."""
    n_iter = min(int(result.nit), max_iter)
    if result.status in (0, 99):  # converged, or stopped by a callback
        return n_iter
    text = f"lbfgs failed to converge after {n_iter} iteration(s) (status={result.status}):\n{result.message}\n"
    if n_iter == max_iter:
        text += f"\nIncrease the number of iterations to improve the convergence (max_iter={max_iter})."
    text += (
        "\nYou might also want to scale the data as shown in:\n"
        "    https://scikit-learn.org/stable/modules/preprocessing.html"
    )
    warnings.warn(text, ConvergenceWarning, stacklevel=2)
    return n_iter
