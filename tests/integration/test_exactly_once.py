"""From browser to row, each event counts once and in its order: whatever way it comes, however often, and whoever dies.

Two collectors and presence over one Redis. Read :func:`told_everywhere` first.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.presence.app import build as build_presence
from services.presence.settings import PresenceSettings
from shared.contracts.rows import PresenceRow
from shared.contracts.sites import SiteSettings
from shared.domain.partitions import Partitions
from shared.embedded import EmbeddedValkey
from shared.runtime.service import running
from shared.storage.clients import Clients
from shared.storage.history import History
from tests.collector_rig import (
    FIREFOX,
    ORIGIN,
    SITE,
    CollectorRig,
    batch,
    collector,
    event,
    make_site,
    new_id,
)
from tests.eventually import eventually
from tests.integration.test_collector_faults import process_of

OTHER = "s_0a0b0c0d"
HISTORY_OF = Partitions(16)
SPACING_MS = 30_000  # between two events: more than any delivery takes, so that the tab's own order is what counts


@dataclass(eq=False)
class World:
    """Two collectors, and what presence made of what they heard."""

    one: CollectorRig
    two: CollectorRig
    history: History

    async def shows(self, visitor: str, site: str = SITE, **expected: Any) -> PresenceRow:
        """The visitor's row once it is as expected (`url` is the path of the page)."""

        async def as_expected() -> PresenceRow | None:
            row = await self.history.row(site, visitor)
            assert row is not None
            seen = {"url": row.page.url.removeprefix(ORIGIN), "pages": row.pages, "activity": row.activity}
            assert {name: seen[name] for name in expected} == expected
            return row

        row: PresenceRow = await eventually(as_expected)
        return row


@pytest.fixture
async def world(clients: Clients, redis_url: str) -> AsyncIterator[World]:
    await make_site(clients, settings=SiteSettings(leave_grace_ms=200))
    await make_site(clients, site=OTHER)
    presence = PresenceSettings(redis_url=redis_url, admin_port=0)
    async with (
        collector(clients, redis_url) as one,
        collector(clients, redis_url) as two,
        running(build_presence(presence)),
    ):
        yield World(one, two, History(clients, HISTORY_OF))


async def told_everywhere(world: World, sender: dict[str, Any], events: list[dict[str, Any]], seed: int) -> None:
    """Each event by one of four ways: a beacon or a live channel, of one collector or the other. In their order, as a
    tracker says them, but at the same time as two repeats of events said before, which may overtake it.
    """
    source = random.Random(seed)
    began = time.monotonic()
    last = int(max(one["at"] for one in events))
    async with world.one.live() as first, world.two.live() as second:
        for live in (first, second):
            assert (await live.hello(**sender))["type"] == "ok"
        speaking = {first: asyncio.Lock(), second: asyncio.Lock()}  # a channel's answers come one at a time

        async def tell(one: dict[str, Any]) -> None:
            sent = last + int((time.monotonic() - began) * 1_000)  # the tab's clock, which goes on while it repeats
            way: Any = source.choice((world.one, world.two, first, second))
            if way in speaking:
                async with speaking[way]:
                    answer = await way.ask({"type": "events", "id": "e", "sent": sent, "events": [one]})
                assert answer["type"] == "ok", answer
            else:
                assert (await way.post(batch(one, sent=sent, **sender))).status in (200, 204)

        for number, one in enumerate(events):
            repeats = [events[source.randrange(number + 1)] for _ in range(2)]
            await asyncio.gather(tell(one), *map(tell, repeats))


@pytest.mark.parametrize("seed", range(4))
async def test_a_visit_told_three_times_over_two_transports_of_two_collectors_counts_once(
    world: World, seed: int
) -> None:
    visitor, pages = new_id(), [new_id() for _ in range(12)]
    events, n = [], 0
    for number, page in enumerate(pages):
        for kind, engaged in (("page", 0), ("beat", 40), ("beat", 90 + number)):
            n += 1
            fields = {"url": f"{ORIGIN}/{number}", "title": str(number), "engaged_ms": engaged, "idle_ms": 0}
            events.append(event(kind, n, page=page, at=SPACING_MS * n, **fields))
    sender = {"visitor": visitor, "tab": new_id(), "token": CollectorRig.token(visitor)}
    await told_everywhere(world, sender, events, seed)
    await world.shows(visitor, url="/11", pages=12)

    async def exact() -> bool:
        seen = {
            view.url.removeprefix(ORIGIN): view.engaged_ms for view in await world.history.navigation(SITE, visitor)
        }
        assert seen == {f"/{number}": 90 + number for number in range(12)}
        return True

    await eventually(exact)
    await world.shows(visitor, url="/11", pages=12)


async def test_the_old_pages_leave_after_the_new_pages_view_ends_nothing(world: World) -> None:
    """The view comes by the channel of one collector, the leave that was said before it by a beacon to the other."""
    visitor, other, old, new = new_id(), new_id(), new_id(), new_id()
    sender = {"visitor": visitor, "tab": new_id(), "token": CollectorRig.token(visitor)}
    first = event("page", 1, page=old, at=1_000, url=f"{ORIGIN}/old")
    now = 20_000  # the tab's clock: all this was a while ago
    await world.one.post(batch(first, sent=now, **sender))
    await world.shows(visitor, url="/old", pages=1)
    async with world.two.live() as live:
        await live.hello(**sender)
        view = event("page", 3, page=new, at=3_000, url=f"{ORIGIN}/new")
        assert (await live.ask({"type": "events", "id": "e", "sent": now, "events": [view]}))["accepted"] == 1
        await world.shows(visitor, url="/new", pages=2)
        leave = event("leave", 2, page=old, at=2_900, url=f"{ORIGIN}/old", engaged_ms=1_500)
        await world.one.post(batch(leave, sent=now, **sender))
        # Somebody who really goes, and is told later: when that row has left, the first visitor's would have, too.
        goes = {"visitor": other, "tab": new_id(), "token": CollectorRig.token(other)}
        gone = new_id()
        await world.one.post(batch(event("page", 1, page=gone), **goes))
        await world.shows(other, pages=1)
        await world.one.post(batch(event("leave", 2, page=gone), **goes))

        async def has_left() -> bool:
            return await world.history.row(SITE, other) is None

        await eventually(has_left)
        await world.shows(visitor, url="/new", pages=2)
        times = {view.url: view.engaged_ms for view in await world.history.navigation(SITE, visitor)}
        assert times[f"{ORIGIN}/old"] == 1_500


async def test_three_tabs_on_two_sites_are_one_row_on_each(world: World) -> None:
    visitor = new_id()

    async def opens(rig: CollectorRig, site: str, path: str) -> None:
        token = CollectorRig.token(visitor, site)
        body = batch(event(url=f"{ORIGIN}{path}"), site=site, visitor=visitor, token=token, tab=new_id())
        assert (await rig.post(body)).status == 204

    await asyncio.gather(opens(world.one, SITE, "/a"), opens(world.two, SITE, "/b"), opens(world.one, OTHER, "/c"))
    here = await world.shows(visitor, pages=2)
    there = await world.shows(visitor, OTHER, pages=1, url="/c")
    assert (here.number, there.number) == (1, 1)


@asynccontextmanager
async def without_replies(port: int, marker: bytes) -> AsyncIterator[int]:
    """A port that leads to Redis at `port`; from a command that holds `marker` on no reply comes through."""
    withheld = asyncio.Event()
    connections: list[asyncio.Task[Any]] = []

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, replies: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                if not replies and marker in data:
                    withheld.set()
                if not (replies and withheld.is_set()):
                    target.write(data)
                    await target.drain()
        target.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replies, commands = await asyncio.open_connection("127.0.0.1", port)
        connections.append(asyncio.create_task(copy(reader, commands, False)))
        connections.append(asyncio.create_task(copy(replies, writer, True)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*connections)  # they end with the process that made them


async def test_a_collector_that_dies_between_write_and_answer_has_counted_what_is_said_again_elsewhere(
    world: World, valkey_server: EmbeddedValkey, tmp_path: Path
) -> None:
    """Redis has the view, its reply is on the way, the collector is killed: the browser says it again to others."""
    sender = {"visitor": (visitor := new_id()), "tab": new_id(), "token": CollectorRig.token(visitor)}
    said = [batch(event("page", n, url=f"{ORIGIN}/{n}"), **sender) for n in (1, 2, 3)]
    headers = {"Origin": ORIGIN, "User-Agent": FIREFOX}
    async with (
        without_replies(valkey_server.port, f"{ORIGIN}/2".encode()) as port,
        aiohttp.ClientSession(headers=headers) as session,
    ):
        process = process_of(valkey_server, tmp_path, REDIS_URL=f"redis://127.0.0.1:{port}/0")
        await process.start()
        try:
            await process.ready()
            async with session.post(f"{process.url}/v1/e", json=said[0]) as answer:
                assert answer.status == 204
            asking = asyncio.create_task(session.post(f"{process.url}/v1/e", json=said[1]).__aenter__())
            await world.shows(visitor, pages=2, url="/2")  # it was written, and presence has it
        finally:
            await process.kill()
        [outcome] = await asyncio.gather(asking, return_exceptions=True)
        # What the browser sees: no answer, or, where this test was slow, that the collector could not tell.
        assert isinstance(outcome, aiohttp.ClientError) or outcome.status == 503  # type: ignore[union-attr]
    answers = await asyncio.gather(world.one.post(said[1]), world.two.post(said[1]), world.two.post(said[1]))
    assert [answer.status for answer in answers] == [204, 204, 204]
    await world.two.post(said[2])
    await world.shows(visitor, pages=3, url="/3")
