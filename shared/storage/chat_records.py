"""Reading what chat-routing keeps for others: operators' desks, bans and the inbox."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from shared.contracts.chat import OfflineMessageLeft
from shared.contracts.chat_records import (
    Ban,
    DeskLine,
    DoneMessage,
    decode_ban,
    decode_desk_line,
    decode_done_message,
    decode_inbox_message,
)
from shared.domain.partitions import Partitions
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.visitors import pairs


class Inboxed(Struct, frozen=True):
    """A message that waits, and the entry that names it."""

    entry: str
    message: OfflineMessageLeft


class ChatRecords:
    """Every method raises Unavailable. Who may read what is decided before: nothing is checked here."""

    def __init__(self, clients: Clients, partitions: Partitions) -> None:
        self._clients = clients
        self._partitions = partitions

    async def desk(self, operator: str, sites: Sequence[str]) -> dict[tuple[str, str], DeskLine]:
        """By site and visitor: the operator's chats and what it is asked."""
        answers = await self._clients.pipeline(
            [("HGETALL", keys.desk(self._partitions.of(site), site, operator)) for site in sites]
        )
        return {
            (site, visitor.decode()): decode_desk_line(packed)
            for site, answer in zip(sites, answers, strict=True)
            for visitor, packed in pairs(answer)
        }

    async def desk_line(self, site: str, operator: str, visitor: str) -> DeskLine | None:
        """What the operator has to do with this visitor."""
        packed = await self._clients.call("HGET", keys.desk(self._partitions.of(site), site, operator), visitor)
        return None if packed is None else decode_desk_line(packed)

    async def bans(self, site: str) -> dict[str, Ban]:
        """By visitor; also those whose time is over, for a while."""
        answer = await self._clients.call("HGETALL", keys.bans(self._partitions.of(site), site))
        return {visitor.decode(): decode_ban(packed) for visitor, packed in pairs(answer)}

    async def ban(self, site: str, visitor: str) -> Ban | None:
        """One visitor's ban."""
        packed = await self._clients.call("HGET", keys.bans(self._partitions.of(site), site), visitor)
        return None if packed is None else decode_ban(packed)

    async def unread(self, sites: Sequence[str]) -> dict[str, int]:
        """How many messages wait in each inbox."""
        answers = await self._clients.pipeline(
            [("XLEN", keys.inbox(self._partitions.of(site), site)) for site in sites]
        )
        return {site: int(count) for site, count in zip(sites, answers, strict=True)}

    async def inbox(self, site: str, before: str | None, limit: int) -> list[Inboxed]:
        """Messages that wait, newest first; those older than the entry `before`."""
        found = await self._entries(keys.inbox(self._partitions.of(site), site), before, limit)
        return [Inboxed(entry, decode_inbox_message(packed)) for entry, packed in found]

    async def inbox_message(self, site: str, entry: str) -> OfflineMessageLeft | None:
        """One message that waits."""
        key = keys.inbox(self._partitions.of(site), site)
        found = await self._clients.call("XRANGE", key, entry, entry)
        return decode_inbox_message(found[0][1][b"d"]) if found else None

    async def inbox_done(self, site: str, before: str | None, limit: int) -> list[tuple[str, DoneMessage]]:
        """Messages that somebody has dealt with, the last done first; those before the entry `before`."""
        found = await self._entries(keys.inbox_done(self._partitions.of(site), site), before, limit)
        return [(entry, decode_done_message(packed)) for entry, packed in found]

    async def _entries(self, key: str, before: str | None, limit: int) -> list[tuple[str, bytes]]:
        newest = "+" if before is None else f"({before}"
        entries = await self._clients.call("XREVRANGE", key, newest, "-", "COUNT", limit)
        return [(entry.decode(), fields[b"d"]) for entry, fields in entries]
