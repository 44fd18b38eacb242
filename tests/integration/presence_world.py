"""A partition with presence on it, as tests see it: entries in, rows out, proved by log and snapshot alike."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from services.presence.app import SERVICE
from services.presence.step import PresenceStep
from shared.contracts.rows import SEQ_FIELD, PresenceRow
from shared.contracts.sites import Site, SiteSettings
from shared.contracts.streams import Client, InEntry, RowChanged, RowGone, TabEvents, Tracked, decode_log, encode
from shared.domain.partitions import Partition, Partitions
from shared.domain.visitor import Visitor
from shared.domain.visitor_packing import decode_row, unpack_visitor
from shared.runtime.clock import Clock, ManualClock
from shared.storage import keys
from shared.storage.blocks import payloads_in
from shared.storage.clients import Clients
from shared.storage.directory_store import DirectoryStore
from shared.storage.history import History
from shared.storage.log import PartitionLog
from shared.storage.owner import PartitionOwner
from shared.storage.visitors import Visitors
from tests.stored_keys import keys_naming

PARTITIONS = Partitions(4)
SITE = "s_demo"


def new_id() -> str:
    """A visitor, tab or page."""
    return str(uuid.uuid4())


class FixedSites:
    """A directory that is always fresh."""

    def __init__(self, *sites: Site) -> None:
        self._sites = {site.site: site for site in sites}

    def site(self, site: str, /) -> Site | None:
        return self._sites.get(site)

    async def catch_up(self) -> bool:
        return True


def owner_of(clients: Clients, instance: str, clock: Clock, sites: FixedSites, lease_ms: int = 2_000) -> PartitionOwner:
    """Presence's loop as the service runs it, with a lease of two heartbeats."""
    step = PresenceStep(Visitors(clients), sites, lambda *_: None)
    return PartitionOwner(
        clients,
        PARTITIONS,
        service=SERVICE,
        stream="in",
        instance=instance,
        clock=clock,
        step=step,
        lease_ms=lease_ms,
    )


@dataclass
class World:
    """One site. `clock` is the test's; events happen now unless they say otherwise."""

    clients: Clients
    clock: ManualClock = field(default_factory=ManualClock)
    site: str = SITE
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def partition(self) -> Partition:
        return PARTITIONS.of(self.site)

    @property
    def history(self) -> History:
        return History(self.clients, PARTITIONS)

    async def create_site(self, settings: SiteSettings | None = None, **more: Any) -> None:
        site = Site(site=self.site, name="Shop", settings=settings or SiteSettings(), **more)
        await DirectoryStore(self.clients).create_site(site)

    def event(self, kind: str, visitor: str, tab: str, page: str, **more: Any) -> TabEvents:
        """An entry of one event, numbered within its tab unless `n` is given."""
        n = more.pop("n", None)
        if n is None:
            n = self.numbers[tab] = self.numbers.get(tab, 0) + 1
        client = more.pop("client", Client("DE") if kind == "page" else None)
        more.setdefault("url", f"https://shop.example/{page[:8]}")
        event = Tracked(kind, page, n, self.clock.now_ms(), **more)  # type: ignore[arg-type]
        return TabEvents(self.site, visitor, tab, self.clock.now_ms(), (event,), client)

    async def put(self, *entries: InEntry) -> None:
        """Append `entries` as one step."""
        await PartitionLog(self.clients).append("in", self.partition, [encode(entry) for entry in entries])

    async def done(self) -> bool:
        """Whether every entry has been processed."""
        return int(await self.clients.call("XLEN", keys.stream("in", self.partition))) == 0

    async def rows(self) -> dict[str, PresenceRow]:
        """The rows as a gateway loads them."""
        flat = await self.clients.call("HGETALL", keys.visitors(self.partition, self.site))
        pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        rows = {name.decode(): decode_row(packed) for name, packed in pairs}
        return {name: row for name, row in rows.items() if row is not None}

    async def changes(self) -> list[RowChanged | RowGone]:
        """Everything that the log told of this site."""
        entries = await self.clients.call("XRANGE", keys.stream("log", self.partition), "-", "+")
        told = [
            change for _, fields in entries for payload in payloads_in(fields) for change in decode_log(payload).changes
        ]
        return [change for change in told if change.site == self.site]

    async def rows_by_log(self) -> dict[str, PresenceRow]:
        """The rows as a gateway knows them that followed the log from the beginning."""
        known: dict[str, dict[str, Any]] = {}
        for expected, change in enumerate(await self.changes(), 1):
            assert change.seq == expected, "sequence numbers have no gaps"
            if isinstance(change, RowGone):
                del known[change.visitor]
            else:
                before = {} if change.full else known[change.visitor]
                known[change.visitor] = {**before, **change.fields, "version": change.version}
        return {visitor: msgspec.convert(fields, PresenceRow) for visitor, fields in known.items()}

    async def consistent(self) -> dict[str, PresenceRow]:
        """The rows, after proving that snapshot and log agree."""
        rows = await self.rows()
        assert rows == await self.rows_by_log()
        assert len(rows) == await self.number("live")
        assert len(await self.changes()) == await self.number(SEQ_FIELD.decode())
        return rows

    async def number(self, name: str) -> int:
        """A field of the site's numbers."""
        return int(await self.clients.call("HGET", keys.site_meta(self.partition, self.site), name) or 0)

    async def profile(self, visitor: str) -> Visitor | None:
        """What is kept of a visitor who is not on the site."""
        packed = await self.clients.call("GET", keys.profile(self.partition, self.site, visitor))
        return None if packed is None else unpack_visitor(packed)

    async def keys_with(self, visitor: str) -> Sequence[bytes]:
        """Every key whose name contains the visitor's id."""
        return await keys_naming(self.clients, visitor)
