"""Training by minibatches: what happens between two epochs is scikit-learn's, what happens within one is compiled."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._parallel import crew
from ..network import Network
from ..regularisation import dropout_rates
from .callbacks import has_callbacks
from .engine import Epochs, Targets, fit_threads
from .optimizer import Optimizer, Working


class Samples(NamedTuple):
    """What a fit is given, checked."""

    X: Any  # rows as ``engine.as_rows`` gives them
    y: np.ndarray  # (n_rows, n_outputs), encoded
    weights: np.ndarray | None  # the user's
    total_weights: np.ndarray | None  # times those of the classes


class Problem(NamedTuple):
    """What is trained on, and how an epoch's losses are counted."""

    X: Any  # rows as ``engine.as_rows`` gives them
    targets: Targets
    constants: np.ndarray  # (n_rows,) float64: loss of each sample that does not depend on the weights, or empty
    loss_factor: float  # of the mean loss, where scikit-learn counts otherwise
    chosen: np.ndarray | None  # rows that are trained on; None means all


class Minibatches:
    """Sums over the minibatches of an epoch, as scikit-learn's loss and weight decay need them.

    Parameters
    ----------
    problem : Problem
    n_samples, batch_size : int
        Of an epoch; of a minibatch.
    alpha : float
        Strength of the L2 penalty.
    decoupled : bool
        Whether weights decay beside the gradient (AdamW); then the loss has no penalty.
    """

    def __init__(self, problem: Problem, n_samples: int, batch_size: int, alpha: float, decoupled: bool):
        self._problem, self._alpha, self._decoupled = problem, float(alpha), decoupled
        self._starts = np.arange(0, n_samples, batch_size)
        self._norms = np.zeros(len(self._starts) if alpha > 0 and not decoupled else 0)
        self.targets = problem.targets._replace(norms=self._norms)
        self._counts = np.diff(np.append(self._starts, n_samples)).astype(np.float64)
        self._totals, self._n_samples = self._counts, n_samples

    def begin(self, order: np.ndarray) -> np.ndarray:
        """Return the weight decay of each minibatch of an epoch in this order: alpha over its sum of weights."""
        weights = self._problem.targets.weights
        if weights.size:
            self._totals = np.add.reduceat(weights[order], self._starts)
        if self._decoupled:
            return np.full(len(self._starts), self._alpha)
        with np.errstate(divide="ignore"):
            return np.where(self._totals == 0, 0.0, self._alpha / self._totals)

    def mean_loss(self, order: np.ndarray, losses: np.ndarray, decays: np.ndarray) -> float:
        """Mean loss of the epoch with its penalty, each minibatch's as it was before its update."""
        total = losses * self._problem.loss_factor
        with np.errstate(all="ignore"):
            if self._norms.size:
                total = total + 0.5 * decays * self._norms
            if self._problem.constants.size:
                weights, constants = self._problem.targets.weights, self._problem.constants[order]
                if weights.size:
                    constants = constants * weights[order]
                total = total + np.add.reduceat(constants, self._starts) / self._totals
            return float(np.sum(total * self._counts) / self._n_samples)


class Course:
    """The epochs of one ``fit`` or ``partial_fit``; the estimator's curves and counts are kept up to date.

    Parameters
    ----------
    estimator : BaseMLP
        Its parameters and fitted attributes are those of scikit-learn's.
    network : Network
        With the weights to begin with; ``publish`` writes new ones.
    problem : Problem
    validate : callable or None
        Appends to the validation curves what they are with the network's weights.
    after_epoch : callable
        Says whether a callback wants to stop.
    """

    def __init__(
        self,
        estimator: Any,
        network: Network,
        problem: Problem,
        validate: Callable[[Network], None] | None,
        after_epoch: Callable[[Network], bool],
    ):
        self._estimator, self._network, self._problem = estimator, network, problem
        self._validate, self._after_epoch = validate, after_epoch
        self._best = network.parameters.copy()

    def run(self, optimizer: Optimizer, order: np.ndarray, batch_size: int, incremental: bool) -> tuple[Any, Any]:
        """Train until something says stop; returns the last epoch's order, as numbers of samples, and weights."""
        e, n_samples = self._estimator, len(order)
        n_threads = fit_threads(e.n_threads, self._network, batch_size, self._problem.X)
        self._sums = Minibatches(self._problem, n_samples, batch_size, e.alpha, optimizer.solver == "adamw")
        e.n_iter_ = 0
        with crew(n_threads) as together:
            X, targets = self._problem.X, self._sums.targets
            rates = dropout_rates(e.dropout, len(self._network.activations))
            run = Epochs(self._network, X, targets, batch_size, n_threads, together, n_samples, rates, e.clip_norm)
            working = Working(optimizer, self._network, run.n_packed)
            try:
                for _ in range(e.max_iter):
                    if e.shuffle:
                        order = order[shuffled(e._random_state, n_samples)]
                    if self._epoch(run, working, order) or incremental:
                        break
                    self._warn_at_the_end()
            except KeyboardInterrupt:
                warnings.warn("Training interrupted by user.", stacklevel=2)
            run.publish()
            working.keep()
        last = self._network.parameters.copy()
        if e.early_stopping:
            self._network.parameters = self._best
        return order, last

    def _epoch(self, run: Epochs, working: Working, order: np.ndarray) -> bool:
        """One epoch; returns whether to stop."""
        e, optimizer, chosen = self._estimator, working.optimizer, self._problem.chosen
        rows = (order if chosen is None else chosen[order]).astype(np.uint32)
        decays = self._sums.begin(rows)
        key = e._random_state.randint(np.iinfo(np.int32).max) if run.needs_key else 0
        losses = run.train(rows, working.compiled(decays), key)
        e.n_iter_ += 1
        e.loss_ = self._sums.mean_loss(rows, losses, decays)
        e.t_ += len(order)
        e.loss_curve_.append(e.loss_)
        if e.verbose:
            print(f"Iteration {e.n_iter_}, loss = {e.loss_:.8f}")
        self._look_for_improvement(run)
        optimizer.epoch_ends(e.t_)
        stop = self._stops(optimizer)
        return bool(self._after_epoch_wishes(run) or stop)

    def _after_epoch_wishes(self, run: Epochs) -> bool:
        if not has_callbacks(self._estimator):
            return False
        run.publish()
        return self._after_epoch(self._network)

    def _look_for_improvement(self, run: Epochs) -> None:
        e = self._estimator
        if self._validate is not None:
            run.publish()
            self._validate(self._network)
        if e.early_stopping:
            score = e.validation_scores_[-1]
            worse, better = score < e.best_validation_score_ + e.tol, score > e.best_validation_score_
            if better:
                e.best_validation_score_ = score
                self._best = self._network.parameters.copy()
        else:
            worse, better = e.loss_ > e.best_loss_ - e.tol, e.loss_ < e.best_loss_
            if better:
                e.best_loss_ = e.loss_
        e._no_improvement_count = e._no_improvement_count + 1 if worse else 0

    def _stops(self, optimizer: Optimizer) -> bool:
        e = self._estimator
        if e._no_improvement_count <= e.n_iter_no_change:
            return False
        what = "Validation score" if e.early_stopping else "Training loss"
        message = f"{what} did not improve more than tol={e.tol:f} for {e.n_iter_no_change:.0f} consecutive epochs."
        if optimizer.wants_to_stop(message, e.verbose):
            return True
        e._no_improvement_count = 0
        return False

    def _warn_at_the_end(self) -> None:
        e = self._estimator
        if e.n_iter_ == e.max_iter:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({e.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=2,
            )


def shuffled(random_state: np.random.RandomState, n: int) -> np.ndarray:
    """Return the numbers 0 to n - 1 as ``sklearn.utils.shuffle`` draws them."""
    numbers = np.arange(n)
    random_state.shuffle(numbers)
    return numbers


def clipped_batch_size(batch_size: Any, n_samples: int) -> int:
    """Samples of a minibatch."""
    if isinstance(batch_size, str):
        return min(200, n_samples)
    if batch_size > n_samples:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=2
        )
    return int(np.clip(batch_size, 1, n_samples))
