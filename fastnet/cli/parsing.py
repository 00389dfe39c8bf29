"""Texts of flags become numbers and names."""

import re


def integers(flag: str, text: str, separator: str, example: str) -> list[int]:
    """Whole numbers of 1 or more with a separator between them."""
    if not re.fullmatch(rf"0*[1-9][0-9]*({separator}0*[1-9][0-9]*)*", text, re.ASCII):
        raise ValueError(f"{flag} must be numbers of 1 or more such as {example}, got {text!r}")
    return [int(number) for number in text.split(separator)]


def layers(hidden: str) -> tuple[int, ...]:
    """Sizes of the hidden layers: "300,100"; "" and "none" are no layer."""
    if hidden.strip().lower() in ("", "none"):
        return ()
    if not re.fullmatch(r"\s*[0-9]+\s*(,\s*[0-9]+\s*)*", hidden, re.ASCII):
        raise ValueError(f"hidden must be units such as 300 or 300,100, or none, got {hidden!r}")
    return tuple(int(units) for units in hidden.split(","))


def number_or_name(text: str) -> str | float:
    """Return a number, or else the text as it is."""
    try:
        return float(text)
    except ValueError:
        return text


def components(text: str) -> int | float:
    """Return a number of components, or a share of the variance."""
    number = number_or_name(text)
    if isinstance(number, str):
        raise ValueError(f"pca must be a number of components, or a share of the variance such as 0.95, got {text!r}")
    return int(number) if number.is_integer() else number


def names(flag: str, text: str, choices: tuple[str, ...]) -> list[str]:
    """Names with commas between them, each once and one of the choices."""
    from ..checks import check_choice

    return list(dict.fromkeys(check_choice(flag, name.strip(), choices) for name in text.split(",")))
