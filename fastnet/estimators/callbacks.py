"""scikit-learn's callbacks (since 1.9): a progress bar, scores after each epoch, or the user's own."""

from collections.abc import Callable
from typing import Any

from ..network import Network

try:
    from sklearn import callback as _theirs
except ImportError:  # pragma: no cover - before scikit-learn 1.9
    _theirs = None


class _NoCallbacks:
    """There are none."""


def _as_it_is(method: Callable[..., Any]) -> Callable[..., Any]:
    return method


CallbackSupportMixin: Any = getattr(_theirs, "CallbackSupportMixin", _NoCallbacks)
with_callbacks: Any = getattr(_theirs, "with_callbacks", _as_it_is)


def has_callbacks(estimator: Any) -> bool:
    """Whether anybody wants to know of each epoch."""
    return bool(getattr(estimator, "_skl_callbacks", []))


def begin_callbacks(estimator: Any, X: Any, y: Any) -> Callable[[Network], bool]:
    """Tell callbacks that a fit begins; returns what to call after each epoch, or iteration of L-BFGS.

    That says whether a callback wants to stop. A callback that asks for it gets a copy of the estimator which predicts
    with the weights of that epoch.
    """
    if not hasattr(estimator, "_init_callback_context"):
        return lambda network: False
    context = estimator._init_callback_context(max_subtasks=estimator.max_iter)
    context.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    if not has_callbacks(estimator):
        return lambda network: False
    name = "iteration" if estimator.solver == "lbfgs" else "epoch"

    def after(network: Network) -> bool:
        def attributes() -> dict[str, Any]:
            return {"coefs_": [w.copy() for w in network.weights], "intercepts_": [b.copy() for b in network.biases]}

        task = context.subcontext(task_name=name)
        task.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
        return bool(task.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes=attributes))

    return after


def end_callbacks(estimator: Any, X: Any, y: Any) -> None:
    """Tell callbacks that the estimator is fitted."""
    context = getattr(estimator, "_callback_fit_ctx", None)
    if context is not None:
        context.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes={})


__all__ = ["CallbackSupportMixin", "begin_callbacks", "end_callbacks", "has_callbacks", "with_callbacks"]
