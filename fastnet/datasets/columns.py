"""Which columns of a table are features, and which one is the target."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from ..exceptions import FormatError
from .table import Options

_SHOWN = 20  # names that a message lists
_USUAL_TARGETS = ("target", "label", "class", "y")


class Columns(NamedTuple):
    """Where things are in each row of a table, counted from 0."""

    features: list[int]
    target: int | None
    names: tuple[str, ...] | None  # of the features

    @property
    def used(self) -> list[int]:
        """The features, then the target."""
        return self.features if self.target is None else [*self.features, self.target]


def choose_columns(file: str, names: Sequence[str] | None, n_columns: int, options: Options) -> Columns:
    """Return the columns to read.

    Parameters
    ----------
    file : str
        For messages.
    names : sequence of str or None
        The names of all columns; None if the table has no header.
    n_columns : int
        How many there are.
    options : Options
        Target, columns to leave out, names of features.
    """
    target, drop, feature_names = options.column, options.drop, options.feature_names
    if target is None and options.labelled:
        raise ValueError(_no_target(file, names, n_columns))
    check_header(file, names, drop)
    goal = None if target is None else find_column("target", target, names, n_columns, file)
    dropped = {find_column("drop", column, names, n_columns, file) for column in drop}
    if goal in dropped:
        raise ValueError(f"target is {target!r}, which drop leaves out; expected one or the other ({file})")
    rest = [column for column in range(n_columns) if column != goal and column not in dropped]
    if feature_names is not None:
        rest = _named(file, names, rest, feature_names)
    if not rest:
        raise FormatError(f"{file}: no feature column is left beside the target and drop; expected at least one")
    kept = tuple(names[column] for column in rest) if names is not None else feature_names
    return Columns(rest, goal, None if kept is None else tuple(kept))


def check_header(file: str, names: Sequence[str] | None, drop: Sequence[str | int]) -> None:
    """Refuse a header with a name that is used twice or, unless that column is dropped, is empty."""
    for column, name in enumerate(names or ()):
        if not name and column not in drop and (names is None or column - len(names) not in drop):
            hint = " (an index, as pandas writes it?)" if column == 0 else ""
            raise FormatError(
                f"{file}, header: column {column} has no name{hint}; give it one, or leave it out with drop=[{column}]"
            )
        if names is not None and name and name in names[:column]:
            first = names.index(name)
            raise FormatError(
                f"{file}, header: found the name {name!r} for column {first} and column {column}, "
                "expected each name once (columns are counted from 0)"
            )


def find_column(argument: str, column: str | int, names: Sequence[str] | None, n_columns: int, file: str) -> int:
    """Return the index that a name or an index (also negative, also in digits) stands for."""
    if isinstance(column, str) and names is not None and column in names:
        return names.index(column)
    try:
        index = int(column)
    except ValueError:
        raise ValueError(_unknown_column(argument, str(column), names, n_columns, file)) from None
    if not -n_columns <= index < n_columns:
        raise ValueError(
            f"{argument} is {column!r}; {file} has {n_columns} columns: expected an index from {-n_columns} "
            f"to {n_columns - 1}{'' if names is None else ' or a name'}"
        )
    return index % n_columns


def did_you_mean(word: str, choices: Sequence[str]) -> str:
    """Return `` Did you mean 'x'?`` for the choice that is nearest to a word, or nothing."""
    lower = {choice.lower(): choice for choice in choices}
    near = get_close_matches(word.lower(), list(lower), 1)
    return f" Did you mean {lower[near[0]]!r}?" if near else ""


def listed(words: Sequence[str]) -> str:
    """Return words for a message, the first ones of many."""
    more = f", … ({len(words)} in all)" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


def column_name(column: int, names: Sequence[str] | None) -> str:
    """Return how messages call a column."""
    return f"column {column} (counted from 0)" if names is None else f"column {names[column]!r}"


def _no_target(file: str, names: Sequence[str] | None, n_columns: int) -> str:
    if names is None:
        return (
            f"target is missing: the index of the column to predict; {file} has {n_columns} columns, "
            "counted from 0 (-1 is the last)"
        )
    usual = [name for name in names if name.lower() in _USUAL_TARGETS]
    hint = f" Did you mean {usual[0]!r}?" if usual else ""
    return f"target is missing: which column of {file} is to be predicted? One of {listed(names)}.{hint}"


def _unknown_column(argument: str, column: str, names: Sequence[str] | None, n_columns: int, file: str) -> str:
    if names is None:
        return (
            f"{argument} is {column!r}; {file} has no header (or header=False): expected an index from 0 to "
            f"{n_columns - 1}, or from -1 backwards"
        )
    return (
        f"{argument} is {column!r}; {file} has no such column: expected one of {listed(names)}."
        f"{did_you_mean(column, names)}"
    )


def _named(file: str, names: Sequence[str] | None, rest: list[int], wanted: Sequence[str]) -> list[int]:
    """Return the columns that carry the wanted names, in that order; a table without header is taken as it is."""
    if names is None:
        if len(rest) != len(wanted):
            raise FormatError(f"{file}: found {len(rest)} feature columns, expected {len(wanted)}: {listed(wanted)}")
        return rest
    place = {names[column]: column for column in rest}
    missing = [name for name in wanted if name not in place]
    if missing:
        raise FormatError(
            f"{file}: found no feature column {missing[0]!r} ({len(missing)} of {len(wanted)} are missing), "
            f"among {listed(list(place))}.{did_you_mean(missing[0], list(place))}"
        )
    return [place[name] for name in wanted]
