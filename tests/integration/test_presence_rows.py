"""Presence as a service on a real Valkey: rows, numbers, leaving, history, forgetting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from services.presence.app import SERVICE, build
from services.presence.settings import PresenceSettings
from shared.contracts.sites import Site, SiteSettings
from shared.contracts.streams import CollectorAlive, ForgetVisitor, TabAttached, encode
from shared.runtime.service import Running, running
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.directory_store import DirectoryStore
from tests.eventually import eventually
from tests.integration.presence_world import PARTITIONS, World, new_id


@pytest.fixture
async def world(clients: Clients) -> World:
    made = World(clients)
    await made.create_site()
    return made


@pytest.fixture
async def service(redis_url: str, world: World) -> AsyncIterator[Running]:
    settings = PresenceSettings(redis_url=redis_url, partitions=PARTITIONS.count, admin_port=0)
    async with running(build(settings, clock=world.clock)) as up:
        yield up


async def test_eight_first_beacons_at_once_make_one_row_and_one_number(service, world):
    visitor = new_id()
    entries = [world.event("page", visitor, new_id(), new_id()) for _ in range(8)]
    await asyncio.gather(*(world.put(entry) for entry in entries))
    await eventually(world.done)
    rows = await world.consistent()
    assert list(rows) == [visitor]
    assert (rows[visitor].number, rows[visitor].pages) == (1, 8)
    assert await world.number("number") == 1


async def test_forty_page_views_at_once_count_forty_however_often_they_are_sent(service, world):
    visitor, tabs = new_id(), [new_id() for _ in range(4)]
    entries = [world.event("page", visitor, tabs[i % 4], new_id()) for i in range(40)]
    await asyncio.gather(*(world.put(entry) for entry in [*entries, *reversed(entries)]))
    await eventually(world.done)
    assert (await world.consistent())[visitor].pages == 40
    day = keys.site_day(world.partition, world.site, world.clock.now_ms() // 86_400_000)
    counted = await world.clients.call("HMGET", day, "views", "visits", "visitors")
    assert [int(value) for value in counted] == [40, 1, 1]


async def test_visitors_are_numbered_in_the_order_of_their_arrival(service, world):
    visitors = [new_id() for _ in range(30)]
    for visitor in visitors:
        await world.put(world.event("page", visitor, new_id(), new_id()))
    await eventually(world.done)
    rows = await world.consistent()
    assert [rows[visitor].number for visitor in visitors] == list(range(1, 31))


async def test_sites_of_one_partition_have_numbers_of_their_own(service, world, clients):
    other = next(f"s_other{i}" for i in range(100) if PARTITIONS.of(f"s_other{i}") == world.partition)
    await DirectoryStore(clients).create_site(Site(site=other, name="Other"))
    second = World(clients, world.clock, other)
    for one in (world, second, second):
        await one.put(one.event("page", new_id(), new_id(), new_id()))
    await eventually(world.done)
    assert [row.number for row in (await world.consistent()).values()] == [1]
    assert sorted(row.number for row in (await second.consistent()).values()) == [1, 2]


async def test_a_visitor_who_says_goodbye_leaves_after_the_grace_and_is_known_on_return(service, world):
    visitor, tab, page = new_id(), new_id(), new_id()
    await world.put(world.event("page", visitor, tab, page), world.event("leave", visitor, tab, page, engaged_ms=900))
    await eventually(world.done)
    world.clock.advance(14_000)
    assert visitor in await world.consistent()
    world.clock.advance(1_500)
    await eventually(lambda: gone(world, visitor))
    await world.consistent()
    (visit,) = await world.history.visits(world.site, visitor)
    assert (visit.pages, visit.engaged_ms, visit.country) == (1, 900, "DE")
    world.clock.advance(31 * 60_000)
    await world.put(world.event("page", visitor, new_id(), new_id()))
    await eventually(world.done)
    row = (await world.consistent())[visitor]
    assert (row.number, row.visits, row.returning, row.pages) == (1, 2, True, 1)
    assert await world.profile(visitor) is None


async def gone(world: World, visitor: str) -> bool:
    return visitor not in await world.rows()


async def test_the_navigation_shows_the_visits_pages_in_order(service, world):
    visitor, tab, pages = new_id(), new_id(), [new_id() for _ in range(3)]
    for page in pages:
        world.clock.advance(1_000)
        await world.put(world.event("page", visitor, tab, page, title=f"Title of {page}"))
        await world.put(world.event("beat", visitor, tab, page, engaged_ms=500))
    await eventually(world.done)
    shown = await world.history.navigation(world.site, visitor)
    assert [view.page for view in shown] == pages
    assert [view.engaged_ms for view in shown] == [500, 500, 500]
    assert [view.current for view in shown] == [False, False, True]


async def test_a_late_leave_finds_its_page_in_the_stored_navigation(service, world):
    visitor, tab, first, second = new_id(), new_id(), new_id(), new_id()
    await world.put(world.event("page", visitor, tab, first))
    late = world.event("leave", visitor, tab, first, engaged_ms=7_000)
    await world.put(world.event("page", visitor, tab, second))
    await eventually(world.done)
    await world.put(late, late)
    await eventually(world.done)
    shown = await world.history.navigation(world.site, visitor)
    assert {view.page: view.engaged_ms for view in shown} == {first: 7_000, second: 0}
    assert (await world.history.known(world.site, visitor)).engaged_ms == 7_000


async def test_the_history_keeps_a_hundred_visits(redis_url, clients):
    world = World(clients)
    await world.create_site(SiteSettings(leave_grace_ms=10, visit_gap_ms=10))
    settings = PresenceSettings(redis_url=redis_url, partitions=PARTITIONS.count, admin_port=0)
    visitor = new_id()
    async with running(build(settings, clock=world.clock)):
        for _ in range(103):
            tab, page = new_id(), new_id()
            # Without engaged time the first visit would be a fleeting one, forgotten after 10 ms of real time.
            welcome = world.event("page", visitor, tab, page, engaged_ms=1)
            await world.put(welcome, world.event("leave", visitor, tab, page))
            await eventually(lambda: here(world, visitor))
            world.clock.advance(30)
            await eventually(lambda: gone(world, visitor), every_s=0.002)
    assert sum(key.startswith(b"h:") for key in await world.keys_with(visitor)) == 100
    newest = await world.history.visits(world.site, visitor, limit=3)
    assert [visit.visit for visit in newest] == ["103", "102", "101"]
    older = await world.history.visits(world.site, visitor, before=101, limit=100)
    assert [visit.visit for visit in older] == [str(n) for n in range(100, 3, -1)]


async def here(world: World, visitor: str) -> bool:
    return visitor in await world.rows()


async def test_what_is_kept_of_a_visitor_expires(service, world):
    visitor, tab, page = new_id(), new_id(), new_id()
    await world.put(world.event("page", visitor, tab, page), world.event("leave", visitor, tab, page))
    await eventually(world.done)
    world.clock.advance(16_000)
    await eventually(lambda: gone(world, visitor))
    kept = await world.keys_with(visitor)
    assert {key[:2] for key in kept} == {b"p:", b"n:", b"h:"}
    for key in kept:
        assert int(await world.clients.call("PTTL", key)) > 0


async def test_forgetting_leaves_nothing(service, world):
    visitor, tab, page = new_id(), new_id(), new_id()
    await world.put(world.event("page", visitor, tab, page), world.event("leave", visitor, tab, page))
    await eventually(world.done)
    world.clock.advance(16_000)
    await eventually(lambda: gone(world, visitor))
    await world.put(world.event("page", visitor, new_id(), new_id(), attrs={"name": "Ada"}))
    await eventually(lambda: here(world, visitor))
    await world.put(ForgetVisitor(world.site, visitor, world.clock.now_ms()))
    await eventually(lambda: gone(world, visitor))
    await world.consistent()
    assert await world.keys_with(visitor) == []
    assert await world.clients.call("ZCARD", keys.timers(SERVICE, world.partition)) == 0


async def test_an_anonymous_visitor_is_forgotten_after_the_row(service, world):
    tab, page = new_id(), new_id()
    entry = world.event("page", tab, tab, page)
    goodbye = world.event("leave", tab, tab, page)
    anonymous = {"anonymous": True}
    for one in (entry, goodbye):
        await world.put(type(one)(one.site, one.visitor, one.tab, one.received_ms, one.events, one.client, **anonymous))
    await eventually(lambda: here(world, tab))
    world.clock.advance(16_000)
    await eventually(lambda: gone(world, tab))
    (kept,) = await world.keys_with(tab)
    assert kept.startswith(b"p:")
    assert 0 < int(await world.clients.call("PTTL", kept)) <= 120_000


async def test_an_attached_visitor_stays_without_events_or_log_entries_while_the_collector_lives(service, world):
    visitor, tab, page = new_id(), new_id(), new_id()
    attached = TabAttached(world.site, visitor, tab, world.clock.now_ms(), "c1", "channel-1")
    await world.put(world.event("page", visitor, tab, page), attached)
    await eventually(world.done)
    for _ in range(30):
        world.clock.advance(10_000)
        await world.put(CollectorAlive("c1", world.clock.now_ms()))
        await eventually(world.done)
    assert [type(change).__name__ for change in await world.changes()] == ["RowChanged"] * 2
    assert (await world.consistent())[visitor].activity == "idle"
    world.clock.advance(44_000)
    assert visitor in await world.rows()
    world.clock.advance(2_000)
    await eventually(lambda: gone(world, visitor))


async def test_events_of_unknown_and_disabled_sites_are_skipped_and_counted(service, world, clients):
    closed = next(f"s_closed{i}" for i in range(100) if PARTITIONS.of(f"s_closed{i}") == world.partition)
    await DirectoryStore(clients).create_site(Site(site=closed, name="Closed", disabled=True))
    unknown = next(f"s_unknown{i}" for i in range(100) if PARTITIONS.of(f"s_unknown{i}") == world.partition)
    for site in (closed, unknown):
        other = World(clients, world.clock, site)
        await other.put(other.event("page", new_id(), new_id(), new_id()))
    await world.put(world.event("page", new_id(), new_id(), new_id()))
    await eventually(world.done)
    assert len(await world.consistent()) == 1
    counted = await metrics(service)
    assert counted['foyer_presence_events_total{outcome="disabled_site"}'] == 1
    assert counted['foyer_presence_events_total{outcome="unknown_site"}'] == 1
    assert counted['foyer_presence_events_total{outcome="accepted"}'] == 1
    assert counted["foyer_presence_live_visitors"] == 1
    assert counted["foyer_presence_owned_partitions"] == PARTITIONS.count


async def metrics(service: Running) -> dict[str, float]:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{service.admin_port}/readyz") as answer:
            assert answer.status == 200, await answer.text()
        async with session.get(f"http://127.0.0.1:{service.admin_port}/metrics") as answer:
            lines = [line for line in (await answer.text()).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


async def test_a_poisoned_entry_is_put_aside_and_the_rest_goes_on(service, world, clients):
    good = world.event("page", new_id(), new_id(), new_id())
    await clients.call("XADD", keys.stream("in", world.partition), "*", "d", b"\xff not an entry")
    await world.put(good)
    await eventually(world.done)
    assert len(await world.consistent()) == 1
    assert await clients.call("XLEN", keys.parked(SERVICE, world.partition)) == 1


async def test_a_site_made_a_moment_ago_is_known(service, world, clients):
    fresh = World(clients, world.clock, "s_fresh")
    await fresh.create_site()
    await fresh.put(fresh.event("page", new_id(), new_id(), new_id()))
    await eventually(fresh.done)
    assert len(await fresh.consistent()) == 1


async def test_every_entry_twice_gives_the_same_rows(service, world):
    visitor, tab, page, other = new_id(), new_id(), new_id(), new_id()
    now = world.clock.now_ms()
    life = [
        world.event("page", visitor, tab, page, attrs={"name": "Ada"}),
        TabAttached(world.site, visitor, tab, now, "c1", "channel-1"),
        world.event("beat", visitor, tab, page, engaged_ms=4_000),
        world.event("leave", visitor, tab, page, engaged_ms=5_000),
        world.event("page", visitor, tab, other),
        world.event("hide", visitor, tab, other),
    ]
    await world.put(*life)
    await eventually(world.done)
    once, told = await world.consistent(), len(await world.changes())
    for entry in life:
        await world.clients.call("XADD", keys.stream("in", world.partition), "*", "d", encode(entry))
    await eventually(world.done)
    assert await world.consistent() == once
    assert len(await world.changes()) == told


async def test_a_thousand_visitors_may_come_and_go_at_once(service, world):
    people = [(new_id(), new_id(), new_id()) for _ in range(1_200)]
    for i in range(0, len(people), 300):
        await world.put(*(world.event("page", *one) for one in people[i : i + 300]))
        await world.put(*(world.event("page", visitor, tab, new_id()) for visitor, tab, _ in people[i : i + 300]))
    await eventually(world.done)
    assert len(await world.consistent()) == 1_200
    world.clock.advance(46_000)
    await eventually(lambda: everybody_gone(world))
    assert await world.consistent() == {}
    assert await world.number("number") == 1_200
    assert await world.clients.call("ZCARD", keys.timers(SERVICE, world.partition)) == 0
    (visit,) = await world.history.visits(world.site, people[77][0])
    assert (visit.pages, len(visit.page_views)) == (2, 2)


async def everybody_gone(world: World) -> bool:
    return await world.rows() == {}
