"""What is known of one visitor now and from before, for those who ask: row, navigation, earlier visits, profile.

Reads only; presence alone writes these keys. Nothing older than the site's retention is found: visits expire.
"""

from __future__ import annotations

from shared.contracts.rows import PageView, PresenceRow, Visit
from shared.domain.partitions import Partitions
from shared.domain.visitor import Visitor, navigation, unpack_view
from shared.domain.visitor_packing import decode_row, unpack_visitor
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.visitors import pairs, unpack_visit

MAX_PAGE = 100  # visits in one answer


class History:
    """Asks Redis for one visitor. Every method raises Unavailable."""

    def __init__(self, clients: Clients, partitions: Partitions) -> None:
        self._clients = clients
        self._partitions = partitions

    async def row(self, site: str, visitor: str) -> PresenceRow | None:
        """The presence part of the visitor's row; None unless the visitor is on the site."""
        packed = await self._clients.call("HGET", keys.visitors(self._partitions.of(site), site), visitor)
        return None if packed is None else decode_row(packed)

    async def known(self, site: str, visitor: str) -> Visitor | None:
        """The visitor as stored, on the site or not; None if nothing is known."""
        partition = self._partitions.of(site)
        live, past = await self._clients.pipeline(
            [
                ("HGET", keys.visitors(partition, site), visitor),
                ("GET", keys.profile(partition, site, visitor)),
            ]
        )
        packed = past if live is None else live
        return None if packed is None else unpack_visitor(packed)

    async def navigation(self, site: str, visitor: str) -> tuple[PageView, ...]:
        """The page views of the present visit in order, for a while also of the one that just ended; the latest 200."""
        partition = self._partitions.of(site)
        packed, stored = await self._clients.pipeline(
            [
                ("HGET", keys.visitors(partition, site), visitor),
                ("HGETALL", keys.navigation(partition, site, visitor)),
            ]
        )
        present = Visitor() if packed is None else unpack_visitor(packed)
        return navigation(present, {int(slot): unpack_view(line) for slot, line in pairs(stored)})

    async def visits(self, site: str, visitor: str, before: int | None = None, limit: int = 20) -> tuple[Visit, ...]:
        """Finished visits, the latest first: those numbered below `before` (all if None), at most `limit` of them.

        A visit that goes on is not among them until the visitor leaves. The number of the last one given is the
        `before` of the next call; an empty answer is the end.
        """
        known = await self.known(site, visitor)
        if known is None:
            return ()
        # The visit that goes on may have been written already, when it seemed over for a while.
        finished = known.visits - 1 if known.live else known.visits
        latest = finished if before is None else min(finished, before - 1)
        numbers = range(latest, max(0, latest - max(1, min(limit, MAX_PAGE))), -1)
        if not numbers:
            return ()
        partition = self._partitions.of(site)
        stored = await self._clients.call("MGET", *(keys.visit(partition, site, visitor, n) for n in numbers))
        return tuple(unpack_visit(packed) for packed in stored if packed is not None)
