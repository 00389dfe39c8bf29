"""Flags from a file: ``--config run.toml``."""

import types
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer

from .messages import USAGE, fail

_NOT_IN_FILES = ("help", "config", "save_config")


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take the names of a TOML file as the flags' defaults: what the command line says goes before them."""
    if path is not None and not context.resilient_parsing:
        try:
            context.default_map = {**(context.default_map or {}), **_flags(context, _toml(path), path)}
        except (OSError, ValueError) as error:
            fail(str(error), USAGE)
    return path


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="TOML file with the names of flags, such as epochs = 20; flags given here go before it.",
        is_eager=True,
        callback=read_config,
    ),
]


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise OSError(f"--config: {path}: {error.strerror}") from None
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are among them
        raise ValueError(f"--config: {path} is not TOML: {error}") from None


def _flags(context: typer.Context, found: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return what the file says, by the names of the command's parameters."""
    names = _names(context.command)
    kinds = get_type_hints(context.command.callback)
    flags: dict[str, Any] = {}
    for key, value in found.items():
        name = names.get(key.replace("-", "_"))
        if name is None:
            raise ValueError(_unknown(key, list(names), path))
        if name in flags:
            raise ValueError(f"--config: {path}: {key!r} is there twice, with - and with _")
        flags[name] = _as_flag(value, kinds[name], f"--config: {path}: {key}")
    return flags


def _names(command: Any) -> dict[str, str]:
    """Map names of flags, with _ for -, to names of parameters."""
    names = {}
    for parameter in command.params:
        for flag in parameter.opts:
            name = flag.lstrip("-").replace("-", "_")
            if (flag.startswith("--") or parameter.param_type_name == "argument") and name not in _NOT_IN_FILES:
                names[name] = parameter.name
    return names


def _unknown(key: str, known: list[str], path: Path) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key.replace("-", "_"), known, 1)
    hint = f" Did you mean {close[0]!r}?" if close else f" Known are {', '.join(known)}."
    return f"--config: {path}: unknown name {key!r}.{hint}"


def _as_flag(value: Any, hint: Any, where: str) -> Any:
    """Check a value of the file against a parameter's type, and return it as the command line would give it."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kind = next(option for option in options if option is not type(None))
    if get_origin(kind) is list:
        entries = value if isinstance(value, list) else [value]
        return [_as_flag(entry, get_args(kind)[0], where) for entry in entries]
    if kind is bool:
        expected, fits = "true or false", isinstance(value, bool)
    elif kind is int:
        expected, fits = "a whole number", isinstance(value, int) and not isinstance(value, bool)
    elif kind is float:
        expected, fits = "a number", isinstance(value, int | float) and not isinstance(value, bool)
    else:
        return _as_text(value, where)
    if not fits:
        raise ValueError(f"{where} must be {expected}, got {value!r}")
    return kind(value)


def _as_text(value: Any, where: str) -> str:
    """Return a text, a number as it would be typed, or a list of these with commas between them."""
    if isinstance(value, list) and not any(isinstance(entry, list | dict) for entry in value):
        return ",".join(_as_text(entry, where) for entry in value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{where} must be a text, a number or a list of these, got {value!r}")
    return str(value)


def as_toml(settings: dict[str, Any]) -> str:
    """Return names and values as TOML, without those that are None; it reads back as the same flags."""
    return "".join(f"{name} = {_toml_value(value)}\n" for name, value in settings.items() if value is not None)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(entry) for entry in value)}]"
    import json

    # JSON's escapes are TOML's, but for DEL, which JSON leaves as it is.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
