"""What a request says of its sender besides its body: address, origin, user agent, language. Never logged.

Read :class:`Contacts`.
"""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from services.collector.domain.addresses import sender_origin
from shared.domain.peers import Address, TrustedProxies, limit_key


class Contact(Struct, frozen=True):
    """Who is at the other end, as far as HTTP tells. `address` lives only as long as the request."""

    address: Address | None
    address_key: str
    origin: str | None
    user_agent: str
    accept_language: str


class Contacts:
    """Reads contacts from requests: whom to believe about the address is a setting."""

    def __init__(self, trusted: TrustedProxies, header: str) -> None:
        self._trusted = trusted
        self._header = header

    def of(self, request: web.BaseRequest) -> Contact:
        """The contact of a request."""
        fields = request.headers
        address = self._address(request)
        return Contact(
            address,
            limit_key(address),
            sender_origin(fields.get("Origin"), fields.get("Referer")),
            fields.get("User-Agent", ""),
            fields.get("Accept-Language", ""),
        )

    def _address(self, request: web.BaseRequest) -> Address | None:
        peer = request.protocol.peername
        text = peer[0] if isinstance(peer, tuple) else ""
        forwarded = request.headers.getall(self._header, ()) if self._trusted else ()
        return self._trusted.client_address(text, forwarded)
