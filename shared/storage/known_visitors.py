"""Whether presence has known a visitor for a while: then the visitor's token was given out, and is not given again.

A token is told to whoever names a visitor without one. Were that so for ever, knowing a visitor's id would be enough to
read that visitor's chats. Read :meth:`KnownVisitors.standing`.
"""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec

from shared.domain.partitions import Partitions
from shared.domain.visitor_packing import unpack_visitor
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.faults import Unavailable

Standing = Literal["unknown", "new", "known"]
DEADLINE_S = 0.6  # of the 2 s in which a visitor's browser is answered


class KnownVisitors:
    """Reads presence's rows and profiles, one visitor at a time."""

    def __init__(self, clients: Clients, partitions: Partitions) -> None:
        self._clients = clients
        self._partitions = partitions

    async def standing(self, site: str, visitor: str, at_ms: int) -> Standing:
        """Known: the visitor first came before `at_ms`, has been here twice or had a chat. New: came since then.

        Raises Unavailable.
        """
        partition = self._partitions.of(site)
        commands = [
            ("HGET", keys.visitors(partition, site), visitor),
            ("GET", keys.profile(partition, site, visitor)),
            ("EXISTS", keys.visitor_side(partition, site, visitor)),
        ]
        try:
            async with asyncio.timeout(DEADLINE_S):
                row, profile, has_chat = await self._clients.pipeline(commands)
        except TimeoutError as error:
            raise Unavailable("no answer in time") from error
        if has_chat:
            return "known"  # who asked for a chat has shown a token
        packed = profile if row is None else row
        if packed is None:
            return "unknown"
        try:
            known = unpack_visitor(packed)
        except msgspec.MsgspecError:
            return "known"  # somebody is there
        before = known.visits > 1 or (known.visits == 1 and known.visit_started_at < at_ms)
        return "known" if before else "new"
