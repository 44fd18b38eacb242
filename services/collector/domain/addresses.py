"""Web addresses as visitors' browsers send them: what is kept, whose origin it is, which campaign brought the visitor.

Only http and https are taken; user info and fragment are dropped because they may hold secrets. Anything else about the
text is left alone: it is shown as text, never followed by a server.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

MAX_CAMPAIGN = 128
_MAX_QUERY_FIELDS = 60  # a campaign is among the first; a query of thousands of fields is not worth reading

# scheme, authority without user info, rest up to the fragment
_WEB = re.compile(
    r"(https?)://(?:[^/?#\\]*@)?([^/?#@\\\s\x00-\x1f\x7f]+)([/?][^#\x00-\x1f\x7f]*)?(?:#.*)?",
    re.IGNORECASE | re.DOTALL,
)
_ORIGIN = re.compile(r"(https?://[^/?#@\\\s]+)(?:[/?#]|$)", re.IGNORECASE)


def clean_address(address: str) -> str | None:
    """`address` without user info and fragment, or None if it is not one of http or https."""
    web = _WEB.fullmatch(address)
    if web is None:
        return None
    scheme, authority, rest = web.groups()
    if rest is None:
        rest = "/"
    elif rest[0] == "?":
        rest = "/" + rest
    return f"{scheme.lower()}://{authority}{rest}"


def sender_origin(origin: str | None, referer: str | None) -> str | None:
    """The origin that a request names: its Origin header, or else its Referer's origin. `null` is none."""
    if origin is not None:
        return origin if origin not in ("", "null") else None
    match = _ORIGIN.match(referer or "")
    return match[1].lower() if match else None


def campaign_of(address: str) -> str:
    """The campaign that the address names: `utm_campaign`, or lacking it `utm_source`; else empty."""
    if "utm_" not in address:
        return ""
    query = address.partition("?")[2]
    try:
        fields = parse_qs(query, max_num_fields=_MAX_QUERY_FIELDS)
    except ValueError:
        return ""
    for name in ("utm_campaign", "utm_source"):
        for value in fields.get(name, ()):
            return value.replace("\x00", "")[:MAX_CAMPAIGN]
    return ""
