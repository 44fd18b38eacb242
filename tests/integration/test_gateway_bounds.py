"""What clients cannot make grow, and what is the same on every gateway."""

from __future__ import annotations

import asyncio
import gc
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import get_args
from unittest import mock

import aiohttp
import pytest

from services.operator_gateway.live.requests import MAX_VIEWS, OpenView
from services.operator_gateway.live.viewers import Member
from services.operator_gateway.sockets.connections import Connection
from services.operator_gateway.sockets.peer import MAX_QUEUED_PACKETS, PING_TIMEOUT, SOFT_LIMIT_BYTES
from services.operator_gateway.sockets.turnstile import BURST, COME_BACK_S
from services.operator_gateway.views.engine import SPARE, Group
from services.operator_gateway.views.index import SortedIndex, StatusCounts
from shared.contracts.operators import SortBy
from shared.contracts.streams import ChatOutcomes, OperatorChanged, encode
from shared.storage.clients import Clients
from tests.eventually import eventually
from tests.live_rig import Console, Rig, Shop, gateway, visitor_id

SORTS = get_args(SortBy)
MOUNTS = ("socket.io", "socket.io-msgpack")


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with gateway(clients, redis_url, tmp_path) as running:
        yield running


@pytest.fixture
async def pair(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[tuple[Rig, Rig]]:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(gateway(clients, redis_url, tmp_path))
        yield one, await stack.enter_async_context(gateway(clients, redis_url, tmp_path))


async def test_a_thousand_views_opened_and_abandoned_leave_a_few_spare_indexes(rig: Rig) -> None:
    shop = await rig.shop()
    await shop.fill(range(1, 20))
    console = await rig.connect(await rig.operator(shop))
    for number in range(1000):
        sort = {"by": SORTS[number % len(SORTS)], "dir": ("asc", "desc")[number % 2]}
        wish = {"view": "list", "site": shop.site, "sort": sort, "offset": number, "filter": {"text": f"{number}"}}
        assert (await console.ask("view:open", wish))["ok"]
    live = rig.gateway.live.get(shop.site)
    assert live is not None
    assert (live.views.groups, len(live.audience)) == (1, 1)
    await console.client.disconnect()
    await eventually(lambda: len(live.audience) == 0)
    assert live.views.groups == 0
    assert live.views.kept <= SPARE


async def test_invented_view_names_are_refused_beyond_a_few(rig: Rig) -> None:
    shop = await rig.shop()
    console = await rig.connect(await rig.operator(shop))
    answers = [await console.ask("view:open", {"view": f"v{number}", "site": shop.site}) for number in range(200)]
    assert sum(answer["ok"] for answer in answers) == MAX_VIEWS
    assert {answer["error"]["code"] for answer in answers if not answer["ok"]} == {"too_many"}
    for number in range(200):
        assert not (await console.ask("view:sync", {"view": f"x{number}"}))["ok"]
    live = rig.gateway.live.get(shop.site)
    assert live is not None
    assert len(live.audience) == MAX_VIEWS


async def test_what_one_gateway_showed_is_worth_something_on_the_other(pair: tuple[Rig, Rig]) -> None:
    one, other = pair
    shop = await one.shop()
    await shop.fill(range(1, 30))
    operator = await one.operator(shop)
    await other.seen()
    first = await one.connect(operator)
    view = await first.open(shop)
    await first.client.disconnect()
    await shop.visit(3, pages=7)
    again = await other.connect(operator)
    wish = {"view": "list", "site": shop.site, "have": view.have(), "epoch": view.epoch}
    answer = await again.ask("view:open", wish)
    assert [row["number"] for row in answer["rows"]] == [3], "the same epoch, the same versions"


async def test_two_gateways_show_the_same_after_a_storm_with_losses(pair: tuple[Rig, Rig]) -> None:
    one, other = pair
    shop = await one.shop()
    await shop.fill(range(1, 200))
    operator = await one.operator(shop)
    await other.seen()
    consoles = [await one.connect(operator), await other.connect(operator, "socket.io-msgpack")]
    for console in consoles:
        await console.open(shop, sort={"by": "page", "dir": "desc"}, limit=30, offset=3)
    here = await storm(shop)
    expected = sorted(here, key=lambda number: (_page(shop, number), -number), reverse=True)[3:33]
    for console in consoles:
        await eventually(lambda console=console: shown(console) == [visitor_id(number) for number in expected])  # type: ignore[misc]
        assert console.views["list"].total == len(here)
    assert consoles[0].views["list"].rows == consoles[1].views["list"].rows


async def storm(shop: Shop) -> set[int]:
    """Everything happens; one log entry in ten is lost, the last one is not."""
    here, dice = set(range(1, 200)), random.Random(3)
    for _ in range(300):
        number = dice.randrange(1, 260)
        lost = dice.random() < 0.1
        if number in here and dice.random() < 0.3:
            await shop.leave(number, log=not lost)
            here.discard(number)
        else:
            await shop.visit(number, log=not lost, title=f"Page {dice.randrange(9)}")
            here.add(number)
    await shop.visit(1, title="Last")
    return here | {1}


def _page(shop: Shop, number: int) -> str:
    return shop.presence(number).page.title


def shown(console: Console) -> list[str]:
    return [row["visitor"] for row in console.views["list"].rows]


async def test_a_rush_waits_for_its_turn_and_beyond_that_is_told_when_to_come_back(
    clients: Clients, redis_url: str, tmp_path: Path
) -> None:
    async with gateway(clients, redis_url, tmp_path, connects_per_s=20) as rig:
        operator = await rig.operator(await rig.shop())
        turnstile, loop = rig.gateway.engines[0].turnstile, asyncio.get_running_loop()
        for _ in range(BURST + 5):
            turnstile.wait_s(loop.time())
        assert (await rig.connect(operator)).named("ready"), "a few places down the line"
        # No place left: the line itself would have one again a moment later.
        with mock.patch.object(turnstile, "wait_s", return_value=None):
            async with aiohttp.ClientSession() as session:
                answer = await session.get(f"{rig.url}/socket.io/", params={"EIO": "4", "transport": "websocket"})
                assert answer.status == 503
                assert int(answer.headers["Retry-After"]) >= COME_BACK_S
                assert (await answer.json())["message"] == "come_back"


async def test_a_thousand_views_of_connections_that_are_cut_leave_no_object_behind(rig: Rig) -> None:
    """Forty consoles with 25 different views each, and none says goodbye."""
    before, orders = living(Member, Group, OpenView, Connection), living(SortedIndex, StatusCounts)
    shop = await rig.shop()
    await shop.fill(range(1, 20))
    consoles: list[Console] = []
    for operator in [await rig.operator(shop) for _ in range(2)]:
        consoles += [await rig.connect(operator, MOUNTS[number % 2]) for number in range(20)]
    for at, console in enumerate(consoles):
        for number in range(25):
            sort = {"by": SORTS[number % len(SORTS)], "dir": ("asc", "desc")[at % 2]}
            wish = {
                "view": f"v{number}",
                "site": shop.site,
                "sort": sort,
                "offset": at,
                "filter": {"text": str(number)},
            }
            assert (await console.ask("view:open", wish))["ok"]
    live = rig.gateway.live.get(shop.site)
    assert live is not None
    assert (live.views.groups, len(live.audience)) == (1000, 1000)
    for console in consoles:
        console.client.eio.ws._response.connection.transport.abort()
    await eventually(lambda: len(live.audience) == 0)
    await eventually(lambda: len(rig.gateway.connections) == 0)
    assert (live.views.groups, live.audience.lagging) == (0, 0)
    assert live.views.kept <= SPARE
    await eventually(lambda: living(Member, Group, OpenView, Connection) <= before)
    assert living(SortedIndex, StatusCounts) <= orders + SPARE


def living(*kinds: type) -> int:
    """How many objects of these kinds there are in this process."""
    gc.collect()
    return sum(type(one) in kinds for one in gc.get_objects())


async def test_who_never_polls_again_holds_a_bounded_queue_and_is_cut_off(rig: Rig) -> None:
    shop = await rig.shop()
    operator = await rig.operator(shop)
    quick = await rig.connect(operator)
    url = f"{rig.url}/socket.io/"
    query = {"EIO": "4", "transport": "polling"}
    async with aiohttp.ClientSession() as session:
        opened = await (await session.get(url, params=query)).text()
        query["sid"] = json.loads(opened[1:])["sid"]
        token = json.dumps({"token": await rig.token(operator)})
        assert (await session.post(url, params=query, data=f"40{token}")).status == 200
        await eventually(lambda: len(rig.gateway.connections) == 2)
        [silent] = [one for one in rig.gateway.connections if one.sid != quick.client.get_sid()]
        wish = json.dumps(["view:open", {"view": "list", "site": shop.site, "limit": 200}])
        assert (await session.post(url, params=query, data=f"420{wish}")).status == 200
        told = 0
        while silent.open:
            assert told < 3 * MAX_QUEUED_PACKETS
            await shop.visit(told + 1, title="x" * 200)
            await shop.say(encode(ChatOutcomes((OperatorChanged(shop.site, f"o_{told}", "Ada", "away", 2, 5),))))
            told += 1
            await eventually(lambda: len(quick.named("operator:changed")) == told)  # noqa: B023
            assert silent.pending_bytes < SOFT_LIMIT_BYTES, "differences are not queued for who does not take them"
        assert (await session.get(url, params=query)).status == 400
    await eventually(lambda: len(rig.gateway.connections) == 1)


async def test_a_storm_of_polls_opens_no_more_than_an_address_may_have(
    clients: Clients, redis_url: str, tmp_path: Path
) -> None:
    """Nobody ever comes back to these sessions; those who are in are served on, and the places become free."""
    async with gateway(clients, redis_url, tmp_path, max_per_address=30) as rig:
        shop = await rig.shop()
        console = await rig.connect(await rig.operator(shop), transports=["polling"])
        view = await console.open(shop)
        async with aiohttp.ClientSession() as session:
            answers = await asyncio.gather(*(_begin_to_poll(session, rig) for _ in range(300)))
        assert (answers.count(200), set(answers)) == (29, {200, 429})
        assert sum(len(engine.sockets) for engine in rig.gateway.engines) == 30
        await shop.visit(1)
        await eventually(lambda: len(view.rows) == 1)
        for engine in rig.gateway.engines:
            for sock in tuple(engine.sockets.values()):
                if sock.sid != console.client.eio.sid:
                    sock.abort(PING_TIMEOUT)  # as the ping that nobody answers does
        await eventually(lambda: sum(len(engine.sockets) for engine in rig.gateway.engines) == 1)
        async with aiohttp.ClientSession() as session:
            assert await _begin_to_poll(session, rig) == 200


async def _begin_to_poll(session: aiohttp.ClientSession, rig: Rig) -> int:
    async with session.get(f"{rig.url}/socket.io/", params={"EIO": "4", "transport": "polling"}) as answer:
        return answer.status
