"""Which addresses a webhook may go to: public ones, whatever their notation.

Looked at is what a name or number *resolves* to, so octal, decimal and short notations are what they mean, and an
IPv4 address inside an IPv6 one counts as itself. Ways around (6to4, NAT64, Teredo) are closed as a whole. Read
:func:`is_public`.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from msgspec import Struct

_UNICAST = ipaddress.IPv6Network("2000::/3")  # the only part of IPv6 that is given out
_NOT_IPV6 = tuple(ipaddress.IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_NOT_IPV4 = tuple(ipaddress.IPv4Network(net) for net in ("192.0.0.0/24", "192.88.99.0/24"))


def is_public(text: str) -> bool:
    """Whether this numeric address belongs to the public internet."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        return address in _UNICAST and address.is_global and not any(address in net for net in _NOT_IPV6)
    return address.is_global and not address.is_multicast and not any(address in net for net in _NOT_IPV4)


class Destination(Struct, frozen=True):
    """Where a webhook's address points to. `trusted`: on the installation's allow-list."""

    scheme: str
    host: str
    port: int
    trusted: bool


def destination(url: str, allowed: frozenset[str]) -> Destination | None:
    """The address taken apart; None if it is none, or neither https nor on the allow-list (`host` or `host:port`)."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or "\\" in url:
        return None
    port = port or (443 if parts.scheme == "https" else 80)
    shown = f"[{host}]" if ":" in host else host
    trusted = shown in allowed or f"{shown}:{port}" in allowed
    if parts.scheme == "http" and not trusted:
        return None
    return Destination(parts.scheme, host, port, trusted)
