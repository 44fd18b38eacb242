"""Settings from the environment: one frozen dataclass per service, checked at start.

A field is declared with :func:`setting`; its type (str, int, float, bool, Path, or tuple[str, ...] for comma-separated
lists) decides how the text is read. A secret may also come from a file (`NAME_FILE`), never from the command line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


class SettingsError(Exception):
    """Everything that is wrong with the environment, a line each."""


def setting(
    name: str,
    default: Any = dataclasses.MISSING,
    *,
    help: str,  # noqa: A002  # the word that every command line uses
    secret: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """A field read from the environment variable `name`; without a default it is required."""
    metadata = {"name": name, "help": help, "secret": secret, "minimum": minimum, "maximum": maximum}
    return dataclasses.field(default=default, repr=not secret, metadata=metadata)


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("write on or off")


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


_PARSERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    str: (str, "text"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (_boolean, "on or off"),
    Path: (Path, "a path"),
    Path | None: (Path, "a path"),
    str | None: (str, "text"),
    tuple[str, ...]: (_list, "a comma-separated list"),
}


def _text(meta: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    file = environ.get(f"{meta['name']}_FILE") if meta["secret"] else None
    if file:
        return Path(file).read_text(encoding="utf-8").strip()
    return environ.get(meta["name"])


def _value(meta: Mapping[str, Any], kind: Any, text: str) -> Any:
    parse, expected = _PARSERS[kind]
    try:
        value = parse(text)
    except ValueError as error:
        shown = "its value" if meta["secret"] else repr(text)
        raise SettingsError(f"{meta['name']}: {shown} is not {expected}") from error
    low, high = meta["minimum"], meta["maximum"]
    if (low is not None and value < low) or (high is not None and value > high):
        raise SettingsError(f"{meta['name']}: {value} is not between {low} and {high}")
    return value


def load(cls: type[T], environ: Mapping[str, str]) -> T:
    """The settings `cls` from `environ`. Raises SettingsError that names every problem at once."""
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for item in dataclasses.fields(cls):  # type: ignore[arg-type]
        meta = item.metadata
        try:
            text = _text(meta, environ)
            if text is not None and text != "":
                values[item.name] = _value(meta, hints[item.name], text)
            elif item.default is dataclasses.MISSING:
                problems.append(f"{meta['name']}: not set ({meta['help']})")
        except SettingsError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{meta['name']}_FILE: {error.strerror}")
    if problems:
        raise SettingsError("\n".join(problems))
    return cls(**values)


def help_text(cls: type[Any], program: str) -> str:
    """What `--help` prints: every setting with its default and meaning."""
    lines = [f"Usage: python -m {program}", "", "Settings come from the environment:", ""]
    for item in dataclasses.fields(cls):
        meta = item.metadata
        default = "required" if item.default is dataclasses.MISSING else f"default: {_shown(item.default)}"
        lines += [f"  {meta['name']} ({default})", f"      {meta['help']}"]
    return "\n".join(lines)


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return ",".join(default) or "none"
    return "none" if default in (None, "") else str(default)
