"""What an experiment is, and what it returns: numbers beside the article's, and pictures that are drawn when wanted."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

SCRATCH_7 = "Building a Neural Network from scratch, part 7: Using Softmax for Multiple Classes"
SCRATCH_8 = "Building a Neural Network from scratch, part 8: Validation and Batch Learning"
ROELANTS = "How to implement a neural network, intermezzo 2: Softmax classification function"
DAY_28 = "Day 28: Neural Network with softmax output"
DUCK = "Intuitive understanding of a softmax function in a neural network"
DOGS = "Understanding neural networks: a dog lovers primer"
TURING = "Softmax: Multiclass Neural Networks"

RELATIONS = ("", "equals", "at least", "at most")


@dataclass(frozen=True)
class Number:
    """One number of an experiment, beside the article's.

    Parameters
    ----------
    what : str
        What is counted or measured.
    ours : float
        What came out here.
    article : float or None, default=None
        What the article says; None if it gives no number.
    unit : str, default=""
    relation : {"", "equals", "at least", "at most"}, default=""
        How ours should relate to the article's, or to the bound. "equals" is meant to the digits that ``form`` shows.
    form : str, default=".4g"
        Format of both numbers.
    note : str, default=""
        What a reader should know, such as a slip in the article.
    bound : float or None, default=None
        What ours is compared with where the article gives no number: see ``claim``.
    """

    what: str
    ours: float
    article: float | None = None
    unit: str = ""
    relation: str = ""
    form: str = ".4g"
    note: str = ""
    bound: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ours", float(self.ours))  # experiments compute with NumPy's numbers

    @property
    def holds(self) -> bool | None:
        """Whether ours relates to the article's, or the bound, as it should; None if nothing is claimed."""
        bound = self.article if self.bound is None else self.bound
        if not self.relation or bound is None:
            return None
        if math.isnan(self.ours):
            return False
        if self.relation == "equals":
            return self.show(self.ours) == self.show(bound)
        return bool(self.ours >= bound if self.relation == "at least" else self.ours <= bound)

    def show(self, value: float) -> str:
        """Return a value as this number is shown; where that is as a whole number, NaN is still NaN."""
        whole = self.form.endswith("d")
        if not math.isfinite(value):
            return str(float(value))
        return format(int(value) if whole else float(value), self.form)


def claim(
    what: str, ours: float, bound: float, unit: str = "", relation: str = "", form: str = ".4g", note: str = ""
) -> Number:
    """Return a number that is compared with a bound: the article says in words what should be, but gives no number."""
    return Number(what, ours, None, unit, relation, form, note, bound)


@dataclass(frozen=True)
class Picture:
    """A figure that can be drawn: ``draw()`` needs matplotlib, the experiment does not.

    Parameters
    ----------
    file : str
        Name of the file; its ending (.png or .gif) is the format.
    draw : callable
        Returns a matplotlib figure, or the frames of an animation.
    """

    file: str
    draw: Callable[[], Any]

    def save(self, folder: Path) -> Path:
        """Draw the figure into a folder, and return its path.

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed; the message says how to install it.
        """
        from .. import plots

        path = Path(folder) / self.file
        plots.save(self.draw(), path)
        return path


@dataclass(frozen=True)
class Result:
    """What an experiment has found.

    Attributes
    ----------
    numbers : tuple of Number
    pictures : tuple of Picture
    """

    numbers: tuple[Number, ...]
    pictures: tuple[Picture, ...] = ()

    def __getitem__(self, what: str) -> Number:
        """Return the number of that name."""
        for number in self.numbers:
            if number.what == what:
                return number
        raise KeyError(f"{what!r}; there are {', '.join(repr(number.what) for number in self.numbers)}")

    def save(self, folder: str | Path) -> list[Path]:
        """Draw all pictures into a folder, which is made if need be.

        Parameters
        ----------
        folder : str or Path

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed; the message says how to install it.
        OSError
            If a file can't be written.
        """
        from .. import plots

        plots.require_matplotlib()
        Path(folder).mkdir(parents=True, exist_ok=True)
        return [picture.save(Path(folder)) for picture in self.pictures]


def _silence(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Settings:
    """How an experiment is run.

    Parameters
    ----------
    seed : int, default=0
        First weights, order of samples, and data that are drawn.
    quick : bool, default=False
        Fewer epochs on fewer samples: seconds, to see that all works. The article's numbers are not reached then.
    data_dir : str or None, default=None
        As for ``datasets.load_mnist``.
    say : callable, default=nothing
        Is told what goes on.
    """

    seed: int = 0
    quick: bool = False
    data_dir: str | None = None
    say: Callable[[str], None] = field(default=_silence, repr=False)

    def count(self, full: int, quick: int) -> int:
        """One of two counts, of epochs or of samples."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Experiment:
    """An experiment of a source article.

    Attributes
    ----------
    name, title, source : str
        What it is called, in a few words, and the article it comes from.
    shows : str
        What it must show.
    function : callable
        Takes ``Settings`` and returns a ``Result``.
    data : {"", "mnist", "faces"}
        What is downloaded if it is not on this machine.
    """

    name: str
    title: str
    source: str
    function: Callable[[Settings], Result] = field(repr=False)
    data: str = ""

    @property
    def shows(self) -> str:
        """What it must show: the docstring."""
        return (self.function.__doc__ or "").strip()

    def run(self, settings: Settings) -> Result:
        """Run it."""
        return self.function(settings)


REGISTERED: dict[str, Experiment] = {}


def experiment(
    name: str, title: str, source: str, data: str = ""
) -> Callable[[Callable[[Settings], Result]], Callable[[Settings], Result]]:
    """Enter a function into ``REGISTERED``; its docstring says what it must show."""

    def enter(function: Callable[[Settings], Result]) -> Callable[[Settings], Result]:
        REGISTERED[name] = Experiment(name, title, source, function, data)
        return function

    return enter


# -- several seeds -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """One number over several seeds.

    Attributes
    ----------
    number : Number
        That of the median seed.
    low, high : float
        Smallest and largest of ours.
    holds : bool or None
        Whether the relation holds for every seed.
    """

    number: Number
    low: float
    high: float
    holds: bool | None


def spreads(results: Iterable[Result]) -> list[Spread]:
    """Join the results of the same experiment for several seeds, number by number.

    Examples
    --------
    >>> runs = [Result((Number("accuracy", value, 92.0, "%", "at least"),)) for value in (92.5, 93.1, 91.8)]
    >>> spread = spreads(runs)[0]
    >>> spread.number.ours, spread.low, spread.high, spread.holds
    (92.5, 91.8, 93.1, False)
    """
    joined = []
    for numbers in zip(*(result.numbers for result in results), strict=True):
        ordered = sorted(numbers, key=lambda number: number.ours)
        claims = [number.holds for number in numbers]
        holds = None if claims[0] is None else all(claims)
        middle = replace(ordered[len(ordered) // 2], note=numbers[0].note)
        joined.append(Spread(middle, ordered[0].ours, ordered[-1].ours, holds))
    return joined
