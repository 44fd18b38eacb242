"""`GET /v1/live`: who may open a channel, and how all of them are closed when the process drains."""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog
from aiohttp import web

from services.collector.contact import Contact, Contacts
from services.collector.domain.refusals import Refusal
from services.collector.http.answers import REQUEST_ID, headers, problem
from services.collector.live.channel import DRAINING, FAULT, Channel, Desk

log = structlog.get_logger()
CLOSE_AT_ONCE = 200  # good-byes under way at the same time


class LiveDesk:
    """Opens channels within the caps. `total` and `per_address` count channels, by the visitor's address."""

    def __init__(self, desk: Desk, contacts: Contacts, *, total: int, per_address: int) -> None:
        self._desk = desk
        self._contacts = contacts
        self._total = total
        self._per_address = per_address
        self._channels: set[Channel] = set()
        self._by_address: Counter[str] = Counter()
        self._draining = False

    def __len__(self) -> int:
        return len(self._channels)

    def _refused(self, request: web.BaseRequest, contact: Contact) -> Refusal | None:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return Refusal("upgrade_required")
        if self._draining:
            return Refusal("draining", retry_after_s=1)
        if contact.origin is None:
            return Refusal("forbidden")
        refused = self._desk.intake.address_refused(contact) or self._desk.intake.shed()
        if refused is not None:
            return refused
        if len(self._channels) >= self._total or self._by_address[contact.address_key] >= self._per_address:
            return Refusal("full", retry_after_s=5)
        return None

    async def open(self, request: web.BaseRequest) -> web.StreamResponse:
        """`GET /v1/live`."""
        contact = self._contacts.of(request)
        refused = self._refused(request, contact)
        if refused is not None:
            self._desk.outcomes.input("live", refused.code)
            upgrade = {"Upgrade": "websocket"} if refused.code == "upgrade_required" else {}
            return problem(refused, **upgrade)
        channel = Channel(self._desk, contact, request)
        channel.socket.headers[REQUEST_ID] = headers()[REQUEST_ID]
        try:
            await channel.socket.prepare(request)
        except web.HTTPException:  # aiohttp's answer quotes the header that is wrong; ours does not
            self._desk.outcomes.input("live", "bad_request")
            return problem(Refusal("bad_request"))
        await self._serve(channel, contact.address_key)
        return channel.socket

    async def _serve(self, channel: Channel, address_key: str) -> None:
        self._channels.add(channel)
        self._by_address[address_key] += 1
        try:
            await channel.run()
        except ConnectionError:
            pass  # the other end vanished while it was being answered
        except Exception:  # a socket is open: an HTTP error would be garbage on it
            log.exception("channel_failed")
            self._desk.outcomes.input("live", "internal")
            await channel.close(FAULT)
        finally:
            self._channels.discard(channel)
            self._by_address[address_key] -= 1
            if not self._by_address[address_key]:
                del self._by_address[address_key]

    async def drain(self) -> None:
        """Take no more channels and close those that are open: their visitors come back elsewhere."""
        self._draining = True
        slots = asyncio.Semaphore(CLOSE_AT_ONCE)

        async def close(channel: Channel) -> None:
            async with slots:
                await channel.close(DRAINING)

        await asyncio.gather(*(close(channel) for channel in tuple(self._channels)))
