"""From msgspec's sentence about an invalid value to a JSON pointer and a stable code.

msgspec tells what is wrong only in its message, such as "Expected `str`, got `int` - at `$.events[0].url`". A test pins
every form that is read here. Values never appear in the result.
"""

from __future__ import annotations

import re

from services.collector.domain.refusals import FieldError

_AT = re.compile(r" - at (?:`key` in )?`\$([^`]*)`$")
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
# What a sentence contains, and what it means; the first that fits.
_SIGNS = (
    ("Invalid enum value", "value"),
    ("matching regex", "format"),
    ("out of range", "range"),
    (">=", "range"),
    ("<=", "range"),
)


def _code(message: str) -> str:
    if "of length" in message:
        items = "`str`" not in message
        if "<=" in message:
            return "too_many" if items else "too_long"
        return "too_few" if items else "too_short"
    return next((code for sign, code in _SIGNS if sign in message), "type")


def field_error(message: str) -> FieldError:
    """What msgspec's `message` says, as pointer and code; the pointer ends at the first key that the sender chose."""
    at = _AT.search(message)
    pointer = "".join(f"/{name or index}" for name, index in _STEP.findall(at[1])) if at else ""
    missing = _MISSING.match(message)
    if missing:
        return FieldError(f"{pointer}/{missing[1]}", "required")
    return FieldError(pointer, _code(message))
