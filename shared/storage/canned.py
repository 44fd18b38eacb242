"""Canned replies: one hash a site, written by gateways alone; a change says which version it is based on."""

from __future__ import annotations

from typing import Literal

import msgspec

from shared.contracts.desk_api import MAX_CANNED, CannedReply
from shared.domain.partitions import Partitions
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.visitors import pairs

PutResult = Literal["ok", "stale_version", "too_many"]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CannedReply).decode


class CannedReplies:
    """Every method raises Unavailable."""

    def __init__(self, clients: Clients, partitions: Partitions) -> None:
        self._clients = clients
        self._partitions = partitions

    async def of(self, site: str) -> list[CannedReply]:
        """All replies of the site, by shortcut."""
        stored = await self._clients.call("HGETALL", self._key(site))
        replies = [_decode(_packed(value)) for _, value in pairs(stored)]
        return sorted(replies, key=lambda reply: (reply.shortcut.casefold(), reply.canned))

    async def get(self, site: str, canned: str) -> CannedReply | None:
        """One reply."""
        value = await self._clients.call("HGET", self._key(site), canned)
        return None if value is None else _decode(_packed(value))

    async def put(self, site: str, reply: CannedReply, read_version: int) -> PutResult:
        """Store `reply`; `read_version` is that of the one it replaces, 0 for a new one."""
        return await self._write(site, reply.canned, read_version, reply.version, _encode(reply))

    async def remove(self, site: str, canned: str, read_version: int) -> PutResult:
        """Remove the reply of that version."""
        return await self._write(site, canned, read_version, 0, b"")

    async def _write(self, site: str, canned: str, read_version: int, version: int, packed: bytes) -> PutResult:
        arguments: list[str | bytes | int] = [canned, read_version, version, packed, MAX_CANNED]
        answer: PutResult = (await self._clients.script("canned_put", [self._key(site)], arguments)).decode()
        return answer

    def _key(self, site: str) -> str:
        return keys.canned(self._partitions.of(site), site)


def _packed(stored: bytes) -> bytes:
    """The reply behind its version."""
    return stored.partition(b"\n")[2]
