"""From msgspec's sentence about an invalid value to a JSON pointer and a stable code.

msgspec tells what is wrong only in its message, such as "Expected `str`, got `int` - at `$.events[0].url`". A test pins
every form that is read here. Values never appear in the result.
"""

from __future__ import annotations

import re

from shared.contracts.problems import FieldError

_AT = re.compile(r" - at (?:`key` in )?`\$([^`]*)`$")
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_FORMS = (  # a part of msgspec's sentence -> code; the first that fits
    ("Object contains unknown field", "unknown_field"),  # pointed at by its object: the name is the sender's
    ("Invalid enum value", "value"),
    ("matching regex", "format"),
    ("out of range", "range"),
    ("`str` of length <=", "too_long"),
    ("`str` of length >=", "too_short"),
    ("of length <=", "too_many"),
    ("of length >=", "too_few"),
    (">=", "range"),
    ("<=", "range"),
)


def field_error(message: str) -> FieldError:
    """What msgspec's `message` says, as pointer and code; the pointer ends at the first key that the sender chose."""
    at = _AT.search(message)
    pointer = "".join(f"/{name or index}" for name, index in _STEP.findall(at[1].partition("[...]")[0])) if at else ""
    missing = _MISSING.match(message)
    if missing:
        return FieldError(f"{pointer}/{missing[1]}", "required")
    return FieldError(pointer, next((code for form, code in _FORMS if form in message), "type"))
