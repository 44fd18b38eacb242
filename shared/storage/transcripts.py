"""Reading chats: transcripts and histories, for gateways and collectors. Chat-routing alone writes them."""

from __future__ import annotations

import msgspec

from shared.contracts.chat import Actor, ChatEvent, ChatSummary, address_of
from shared.domain.partitions import Partitions
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.visitor_sides import VISITOR

PAGE = 100  # lines or chats in one answer at most

_decode_line = msgspec.msgpack.Decoder(ChatEvent).decode
_decode_summary = msgspec.msgpack.Decoder(ChatSummary).decode


class Transcripts:
    """Every method raises Unavailable. Who may read what is decided before: nothing is checked here."""

    def __init__(self, clients: Clients, partitions: Partitions) -> None:
        self._clients = clients
        self._partitions = partitions

    async def after(self, chat: str, seq: int, limit: int = PAGE) -> list[ChatEvent]:
        """The lines that follow `seq`, oldest first: what a reconnecting side has missed."""
        return await self._lines(chat, "XRANGE", f"({seq}-0" if seq > 0 else "-", "+", limit)

    async def before(self, chat: str, seq: int | None = None, limit: int = PAGE) -> list[ChatEvent]:
        """The last lines, or those before `seq`; oldest first."""
        if seq is not None and seq <= 1:
            return []
        lines = await self._lines(chat, "XREVRANGE", "+" if seq is None else f"({seq}-0", "-", limit)
        return lines[::-1]

    async def _lines(self, chat: str, command: str, first: str, last: str, limit: int) -> list[ChatEvent]:
        address = address_of(chat)
        if address is None:
            return []
        key = keys.transcript(self._partitions.of(address[0]), chat)
        entries = await self._clients.call(command, key, first, last, "COUNT", max(1, min(limit, PAGE)))
        return [_decode_line(fields[b"d"]) for _, fields in entries]

    async def reads(self, chat: str) -> list[tuple[Actor, int]]:
        """Who has read the chat up to which line. Names are not kept."""
        address = address_of(chat)
        if address is None:
            return []
        key = keys.reads(self._partitions.of(address[0]), chat)
        found = await self._clients.call("ZRANGE", key, 0, -1, "WITHSCORES")
        pairs = found if found and isinstance(found[0], list) else list(zip(found[::2], found[1::2], strict=True))
        return [(_reader(name.decode(), address[1]), int(float(seq))) for name, seq in pairs]

    async def chats(self, site: str, visitor: str) -> list[ChatSummary]:
        """The visitor's chats within the retention, newest first."""
        values = await self._clients.call("HVALS", keys.chats(self._partitions.of(site), site, visitor))
        return sorted((_decode_summary(value) for value in values), key=lambda chat: chat.began_at, reverse=True)

    async def latest(self, site: str, before_ms: int | None = None, limit: int = PAGE) -> list[ChatSummary]:
        """The site's chats that began before `before_ms`, newest first."""
        partition = self._partitions.of(site)
        newest = "+inf" if before_ms is None else f"({before_ms}"
        names = await self._clients.call(
            "ZRANGE", keys.site_chats(partition, site), newest, "-inf", "BYSCORE", "REV", "LIMIT", 0, min(limit, PAGE)
        )
        found = [(name.decode(), address_of(name.decode())) for name in names]
        values = await self._clients.pipeline(
            [("HGET", keys.chats(partition, *address), name) for name, address in found if address is not None]
        )
        return [_decode_summary(value) for value in values if value is not None]


def _reader(name: str, visitor: str) -> Actor:
    return Actor("visitor", visitor) if name == VISITOR else Actor("operator", name)
