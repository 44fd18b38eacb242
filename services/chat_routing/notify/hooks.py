"""Webhooks: one signed POST to an address that was resolved and looked at first.

The connection goes to the very address that was looked at, so a name that changes its mind meanwhile changes nothing.
No redirects, no proxy, no cookies; a deadline for the whole, and little of the answer is read. Read :meth:`Hooks.post`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from services.chat_routing.notify.fault import DeliveryFault
from shared.domain.egress import Destination, destination, is_public

POST_TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 4 * 1024
MAX_BODY_BYTES = 512 * 1024

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """Numeric addresses of a name or of a number in any notation. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def signature(secret: str, timestamp_s: int, body: bytes) -> str:
    """What `X-Foyer-Signature` says: HMAC-SHA256 over the timestamp, a dot and the body."""
    signed = hmac.new(secret.encode(), f"{timestamp_s}.".encode() + body, hashlib.sha256)
    return f"v1={signed.hexdigest()}"


class _Pinned(AbstractResolver):
    """Answers with the address that was looked at, whatever the name resolves to by now."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The one address."""
        del family
        kind = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        answer: ResolveResult = {
            "hostname": host,
            "host": self._address,
            "port": port,
            "family": kind,
            "proto": 0,
            "flags": socket.AI_NUMERICHOST,
        }
        return [answer]

    async def close(self) -> None:
        """Nothing is held."""


class Hooks:
    """`allowed`: `host` or `host:port` that may also be private, or without TLS."""

    def __init__(self, allowed: frozenset[str], resolver: Resolve = resolve) -> None:
        self._allowed = allowed
        self._resolve = resolver

    async def post(self, url: str, secret: str, delivery: str, event: object, now_ms: int) -> None:
        """Deliver `event`. Raises DeliveryFault."""
        body = msgspec.json.encode(event)
        if len(body) > MAX_BODY_BYTES:
            raise DeliveryFault("too_large", final=True)
        where = destination(url, self._allowed)
        if where is None:
            raise DeliveryFault("address_refused", final=True)
        try:
            async with asyncio.timeout(POST_TIMEOUT_S):
                address = await self._address(where)
                status = await self._post(url, address, body, _headers(secret, delivery, body, now_ms))
        except TimeoutError:
            raise DeliveryFault("timeout") from None
        except (ClientError, OSError, ValueError) as error:
            raise DeliveryFault(type(error).__name__) from None
        if not 200 <= status < 300:
            raise DeliveryFault(f"http_{status}")

    async def _address(self, where: Destination) -> str:
        found = await self._resolve(where.host, where.port)
        if not found:
            raise DeliveryFault("unresolved")
        # One private address among public ones is reason enough: somebody tries to get inside by luck.
        if not where.trusted and not all(is_public(address) for address in found):
            raise DeliveryFault("private_address", final=True)
        return found[0]

    async def _post(self, url: str, address: str, body: bytes, headers: dict[str, str]) -> int:
        connector = TCPConnector(resolver=_Pinned(address), use_dns_cache=False, force_close=True, limit=1)
        timeout = ClientTimeout(total=POST_TIMEOUT_S)
        async with (
            ClientSession(
                connector=connector, cookie_jar=DummyCookieJar(), timeout=timeout, trust_env=False, max_field_size=4096
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            await answer.content.read(MAX_ANSWER_BYTES)
            return answer.status


def _headers(secret: str, delivery: str, body: bytes, now_ms: int) -> dict[str, str]:
    timestamp_s = now_ms // 1000
    return {
        "Content-Type": "application/json",
        "User-Agent": "Foyer-Webhook/1",
        "X-Foyer-Delivery": delivery,
        "X-Foyer-Timestamp": str(timestamp_s),
        "X-Foyer-Signature": signature(secret, timestamp_s, body),
    }
