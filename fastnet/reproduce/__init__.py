"""The experiments of the source articles, each by name: the article's numbers beside ours, and its figure.

>>> from fastnet import reproduce
>>> result = reproduce.run("numbers")
>>> round(result["softmax(20, 21), second"].ours, 2)
0.73

``result.numbers`` is a table, ``result.save(folder)`` draws the figures (that needs matplotlib). From the shell it is
``fastnet reproduce NAME``.
"""

from collections.abc import Callable

from .. import checks
from . import choices, images, labels, mnist, moons, numbers, sampling, softmax  # noqa: F401
from .experiment import REGISTERED, Experiment, Number, Picture, Result, Settings, Spread, spreads

_NAMES = (
    *("numbers", "moons", "mnist-10", "mnist-300", "batch-sizes", "mnist-97", "overfit", "losses", "activations"),
    *("momentum", "weight-decay", "init", "normalisation", "pca", "softmax-surface", "round-off", "class-ids"),
    *("multi-label", "joint-or-separate", "one-vs-all", "candidate-sampling", "keras-binary", "quadrants"),
    *("saliency", "faces"),
)
EXPERIMENTS: dict[str, Experiment] = {name: REGISTERED[name] for name in _NAMES}

__all__ = ["EXPERIMENTS", "Experiment", "Number", "Picture", "Result", "Settings", "Spread", "run", "spreads"]


def run(
    name: str,
    *,
    seed: int = 0,
    quick: bool = False,
    data_dir: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Result:
    """Run an experiment of the source articles.

    Parameters
    ----------
    name : str
        One of ``EXPERIMENTS``.
    seed : int, default=0
        First weights, order of samples, and data that are drawn.
    quick : bool, default=False
        Fewer epochs on fewer samples: seconds, to see that all works. The article's numbers are not reached then.
    data_dir : str or None, default=None
        Folder that holds mnist/, as for ``datasets.load_mnist``.
    say : callable or None, default=None
        Is told what goes on, a line at a time.

    Returns
    -------
    Result
        ``numbers``, and ``pictures`` that ``save(folder)`` draws.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.
    FileNotFoundError, DownloadError, FormatError
        If data that the experiment needs are not to be had; the message says where they were looked for.

    Examples
    --------
    >>> result = run("softmax-surface")
    >>> round(result["largest |P(t=1) + P(t=2) - 1|"].ours, 6)
    0.0
    """
    checks.check_choice("name", name, tuple(EXPERIMENTS))
    settings = Settings(
        checks.check_integer("seed", seed, low=0), checks.check_flag("quick", quick), data_dir, say or (lambda _: None)
    )
    return EXPERIMENTS[name].run(settings)
