"""Which keys name a visitor, in either of the ways in which ids stand in keys."""

from __future__ import annotations

from shared.domain.visitor import short_id
from shared.storage.clients import Clients


async def keys_naming(clients: Clients, visitor: str) -> list[bytes]:
    """Every key whose name contains the visitor's id."""
    forms = (visitor.encode(), short_id(visitor).encode())
    return [key for key in await clients.call("KEYS", "*") if any(form in key for form in forms)]
