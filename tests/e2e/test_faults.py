"""Any process is killed at any moment: every acknowledged page view is counted once, and nobody who left stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.eventually import eventually
from tests.operator import Operator
from tests.stack import SERVICES, Instance, Stack
from tests.visitor import Visitor

pytestmark = pytest.mark.timeout(240)
ORIGIN = "http://shop.example"
# Generous enough that nobody is taken for gone while a service is down; leaving is told by a beacon.
SETTINGS = {"leave_grace_ms": 1_000, "silence_ms": 120_000}
VISITORS = 12
Fault = Callable[[Stack, list[Visitor]], Awaitable[None]]


@asynccontextmanager
async def traffic(visitors: list[Visitor]) -> AsyncIterator[None]:
    """Every visitor looks at one page after the other for as long as the block runs, and all are done when it ends."""
    over = asyncio.Event()

    async def browse(visitor: Visitor) -> None:
        while not over.is_set():
            await visitor.view(f"/page-{visitor.n}")
            await asyncio.sleep(0.02)

    browsing = [asyncio.create_task(browse(visitor)) for visitor in visitors]
    try:
        yield
        over.set()
        await asyncio.gather(*browsing)
    finally:
        for task in browsing:
            task.cancel()


async def counted_exactly(operator: Operator, visitors: list[Visitor]) -> None:
    """The operator sees every visitor with the page views that were acknowledged, no more and no fewer."""
    expected = {visitor.visitor: visitor.acknowledged_pages for visitor in visitors}

    async def same() -> bool:
        assert {name: row["pages"] for name, row in operator.by_visitor().items()} == expected
        return True

    await eventually(same, within_s=40)


async def some_traffic(visitors: list[Visitor]) -> None:
    """Until every visitor has looked at a few more pages, on average."""
    before = sum(visitor.acknowledged_pages for visitor in visitors)
    await eventually(lambda: sum(visitor.acknowledged_pages for visitor in visitors) > before + 5 * len(visitors))


async def some_refusals(visitors: list[Visitor]) -> None:
    """Until a beacon was not taken."""
    before = sum(visitor.refusals for visitor in visitors)
    await eventually(lambda: sum(visitor.refusals for visitor in visitors) > before)


async def kill_and_restart(stack: Stack, visitors: list[Visitor], service: str) -> None:
    """SIGKILL in the middle of traffic, twice."""
    for _ in range(2):
        await some_traffic(visitors)
        instance = stack.first(service)
        await instance.kill()
        await instance.start()
        await instance.ready()


async def kill_valkey(stack: Stack, visitors: list[Visitor]) -> None:
    """The server is gone until beacons are refused; what it acknowledged is on the disk."""
    for _ in range(2):
        await some_traffic(visitors)
        stack.valkey.kill()
        await some_refusals(visitors)
        stack.valkey.start()


def kill(service: str) -> Fault:
    async def fault(stack: Stack, visitors: list[Visitor]) -> None:
        await kill_and_restart(stack, visitors, service)

    return fault


FAULTS: dict[str, Fault] = {**{service: kill(service) for service in SERVICES}, "valkey": kill_valkey}


@pytest.mark.parametrize("victim", FAULTS)
async def test_nothing_is_lost_or_doubled_when_it_is_killed(tmp_path, victim):
    async with (
        Stack(tmp_path, settings=SETTINGS, origins=(ORIGIN,), fsync="always") as stack,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
        Operator(stack.gateway) as operator,
    ):
        await operator.open(stack.site, limit=200)
        visitors = [Visitor(session, lambda: stack.collector, stack.site, ORIGIN) for _ in range(VISITORS)]
        async with traffic(visitors):
            await FAULTS[victim](stack, visitors)
        await counted_exactly(operator, visitors)
        assert operator.bad_checks == 0
        numbers = {row["number"] for row in operator.rows}
        assert numbers == set(range(1, VISITORS + 1))
        for visitor in visitors:
            await visitor.leave()
        await eventually(lambda: operator.rows == [] and operator.total == 0, within_s=40)


async def test_two_instances_of_each_share_the_work_and_either_may_stop(tmp_path):
    async with (
        Stack(tmp_path, settings=SETTINGS, origins=(ORIGIN,)) as stack,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
    ):
        first = list(stack.instances)
        second = [await stack.add(service) for service in SERVICES]
        await asyncio.gather(*(instance.ready() for instance in second))
        by_service = {instance.service: instance for instance in second}
        collectors = [stack.collector, by_service["collector"].url]
        turn = iter(range(1_000_000))
        async with Operator(stack.gateway) as one, Operator(by_service["operator_gateway"].url, msgpack=True) as other:
            for operator in (one, other):
                await operator.open(stack.site, limit=200)
            visitors = [
                Visitor(session, lambda: collectors[next(turn) % len(collectors)], stack.site, ORIGIN)
                for _ in range(VISITORS)
            ]
            async with traffic(visitors):
                await some_traffic(visitors)
                for instance in first:
                    if instance.service == "operator_gateway":
                        continue
                    if instance.service == "collector":
                        collectors[:] = [by_service["collector"].url]
                    assert await instance.stop() == 0, instance.log_tail()
            for operator in (one, other):
                await counted_exactly(operator, visitors)
            assert one.rows == other.rows


async def test_many_first_beacons_of_one_visitor_are_one_row(tmp_path):
    async with (
        Stack(tmp_path, settings=SETTINGS, origins=(ORIGIN,)) as stack,
        aiohttp.ClientSession() as session,
        Operator(stack.gateway) as operator,
    ):
        await operator.open(stack.site)
        visitor = Visitor(session, lambda: stack.collector, stack.site, ORIGIN)
        tabs = [
            Visitor(session, lambda: stack.collector, stack.site, ORIGIN, visitor=visitor.visitor) for _ in range(8)
        ]
        await asyncio.gather(*(tab.view("/first") for tab in tabs))
        await eventually(lambda: [row["pages"] for row in operator.rows] == [8])
        assert operator.rows[0]["number"] == 1

        single = Visitor(session, lambda: stack.collector, stack.site, ORIGIN, visitor=visitor.visitor)
        events = [single.event("page", url=f"{ORIGIN}/{i}", title=str(i)) for i in range(40)]
        await asyncio.gather(*(single.deliver(event) for event in events for _ in range(2)))
        await eventually(lambda: [row["pages"] for row in operator.rows] == [48])


async def readiness(session: aiohttp.ClientSession, instance: Instance) -> tuple[int, dict[str, str]]:
    """Status and reasons of /readyz; 0 while nobody listens yet."""
    try:
        async with session.get(f"http://127.0.0.1:{instance.admin_port}/readyz") as answer:
            return answer.status, (await answer.json())["reasons"]
    except aiohttp.ClientError:
        return 0, {}


async def test_every_service_waits_for_a_redis_that_is_away_and_says_so(tmp_path):
    async with (
        Stack(tmp_path, settings=SETTINGS, origins=(ORIGIN,)) as stack,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
    ):

        async def all_are(status: int) -> bool:
            answers = [await readiness(session, instance) for instance in stack.instances]
            assert [code for code, _ in answers] == [status] * 4, answers
            assert status == 200 or all(reasons for _, reasons in answers)
            return True

        visitor = Visitor(session, lambda: stack.collector, stack.site, ORIGIN)
        await visitor.view("/before")
        stack.valkey.stop()  # it goes away later …
        await eventually(lambda: all_are(503), within_s=30)
        event = visitor.event("page", url=f"{ORIGIN}/meanwhile", title="meanwhile")
        assert await visitor.send(event) == 503
        for instance in stack.instances:  # … and is away at the start
            assert await instance.stop() == 0, instance.log_tail()
            await instance.start()
        await eventually(lambda: all_are(503), within_s=30)
        stack.valkey.start()
        await eventually(lambda: all_are(200), within_s=60)
        await visitor.deliver(event)
        async with Operator(stack.gateway) as operator:
            await operator.open(stack.site)
            await eventually(lambda: [row["pages"] for row in operator.rows] == [2], within_s=30)
