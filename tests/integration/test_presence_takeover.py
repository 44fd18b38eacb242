"""Presence instances that die in the middle, share partitions, stop: every event counts once, nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import pytest

from shared.contracts.sites import Site, SiteSettings
from shared.domain.partitions import rendezvous_owner
from shared.runtime.clock import SystemClock
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.faults import Unavailable
from shared.storage.owner import PartitionOwner
from tests.eventually import eventually
from tests.integration.presence_world import PARTITIONS, SITE, FixedSites, World, new_id, owner_of

SITES = FixedSites(Site(site=SITE, name="Shop"))
Start = Callable[[PartitionOwner], asyncio.Task[None]]


class Hanging(Clients):
    """Connections of a process that stops for ever at its first commit: before it reaches Redis, or just after."""

    def __init__(self, url: str, before: bool) -> None:
        super().__init__(RedisSettings(url))
        self.reached = asyncio.Event()
        self.over = asyncio.Event()  # the end of the test: what stood still may fail now
        self._before = before

    async def script(self, name: str, key_names: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:
        if self.reached.is_set():
            await self._stand_still()  # the whole process does: it does not renew its lease either
        if name == "commit":
            self.reached.set()
            if not self._before:
                await super().script(name, key_names, arguments)
            await self._stand_still()
        return await super().script(name, key_names, arguments)

    async def _stand_still(self) -> None:
        await self.over.wait()
        raise Unavailable("the process is dead")


@pytest.fixture
def world(clients: Clients) -> World:
    return World(clients)


@pytest.fixture(params=[True, False], ids=["before it is sent", "with its reply lost"])
async def dying(redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Hanging]:
    clients = Hanging(redis_url, request.param)
    yield clients
    await clients.close()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    tasks: list[asyncio.Task[None]] = []

    def started(owner: PartitionOwner) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(owner.run()))
        return tasks[-1]

    yield started
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_owner_that_dies_at_its_commit_is_followed_by_one_that_counts_once(dying, world, start):
    visitor, tab = new_id(), new_id()
    start(owner_of(dying, "a", world.clock, SITES))
    for _ in range(10):
        await world.put(world.event("page", visitor, tab, new_id()))
    await eventually(dying.reached.is_set)
    start(owner_of(world.clients, "b", world.clock, SITES))
    await eventually(lambda: counted(world, 10))
    row = (await world.consistent())[visitor]
    assert (row.pages, row.number) == (10, 1)
    dying.over.set()


async def counted(world: World, pages: int) -> bool:
    rows = await world.rows()
    assert sum(row.pages for row in rows.values()) == pages
    return await world.done()


async def test_two_instances_share_the_partitions_and_one_that_stops_loses_nothing(redis_url, clients, start):
    names = [next(f"s_{p.index}x{i}" for i in range(200) if PARTITIONS.of(f"s_{p.index}x{i}") == p)
             for p in PARTITIONS.all()]  # fmt: skip
    sites, worlds = FixedSites(*(Site(site=name, name=name) for name in names)), [World(clients, site=n) for n in names]
    tasks = {}
    for instance in ("a", "b"):
        tasks[instance] = start(owner_of(clients, instance, worlds[0].clock, sites))
    owners = {rendezvous_owner(partition, ["a", "b"]) for partition in PARTITIONS.all()}
    assert owners == {"a", "b"}, "the test needs both to have a share"
    await eventually(lambda: held_by(clients, {"a", "b"}))
    visitors = {world.site: [(new_id(), new_id()) for _ in range(10)] for world in worlds}
    for turn in range(10):
        for world in worlds:
            await world.put(*(world.event("page", *one, new_id()) for one in visitors[world.site]))
        if turn == 4:
            tasks["a"].cancel()
    for world in worlds:
        await eventually(partial(counted, world, 100))
        rows = await world.consistent()
        assert sorted(row.number for row in rows.values()) == list(range(1, 11))
    await eventually(lambda: held_by(clients, {"b"}))


async def held_by(clients: Clients, instances: set[str]) -> bool:
    tokens = [await clients.call("GET", keys.lease("presence", partition)) for partition in PARTITIONS.all()]
    assert all(tokens), "every partition is held"
    return {token.decode().partition(":")[0] for token in tokens} == instances


async def test_time_without_an_owner_makes_nobody_leave(world, start):
    visitor = new_id()
    first = start(owner_of(world.clients, "a", world.clock, SITES))
    await world.put(world.event("page", visitor, new_id(), new_id()))
    await eventually(lambda: counted(world, 1))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    world.clock.advance(10 * 60_000)
    start(owner_of(world.clients, "b", world.clock, SITES))
    await world.put(world.event("page", new_id(), new_id(), new_id()))
    await eventually(lambda: counted(world, 2))
    assert visitor in await world.consistent()
    world.clock.advance(46_000)
    await eventually(lambda: nobody(world))


async def nobody(world: World) -> bool:
    return await world.rows() == {}


async def test_rows_leave_by_the_real_clock_too(clients, start):
    quick = SiteSettings(leave_grace_ms=100, silence_ms=400)
    world, clock = World(clients), SystemClock()
    world.clock.advance(clock.now_ms() - world.clock.now_ms())
    start(owner_of(clients, "a", clock, FixedSites(Site(site=SITE, name="Shop", settings=quick))))
    for _ in range(20):
        tab, page = new_id(), new_id()
        await world.put(world.event("page", new_id(), tab, page))
    await eventually(lambda: told(world, 20))
    await eventually(lambda: nobody(world))
    assert await world.number("live") == 0
    assert len(await world.changes()) == 40


async def told(world: World, at_least: int) -> bool:
    return len(await world.changes()) >= at_least
