"""Presence and chat-routing together: a waiting visitor who closes the last tab, and one who comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.chat_routing.app import build as build_chat
from services.chat_routing.settings import ChatRoutingSettings
from services.presence.app import build as build_presence
from services.presence.settings import PresenceSettings
from shared.contracts.chat import Actor, RequestChat
from shared.contracts.rows import EngagementRow, decode_engagement_row
from shared.contracts.sites import Membership, Operator, Site
from shared.contracts.streams import ForgetVisitor, OperatorConnected, TabEvents, Tracked, encode
from shared.domain.partitions import Partitions
from shared.runtime.clock import ManualClock
from shared.runtime.service import running
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.directory_store import DirectoryStore
from shared.storage.log import PartitionLog
from tests.eventually import eventually
from tests.stored_keys import keys_naming

PARTITIONS = Partitions(4)
SITE = "s_shop"
HERE = PARTITIONS.of(SITE)
VISITOR, TAB, PAGE = (f"{n}1111111-1111-4111-8111-111111111111" for n in "123")


@pytest.fixture
async def clock(redis_url: str, clients: Clients) -> AsyncIterator[ManualClock]:
    """Both services run on this clock."""
    store = DirectoryStore(clients)
    await store.create_site(Site(site=SITE, name="Shop"))
    membership = Membership(site=SITE, primary_skill="general", max_chats=2)
    await store.create_operator(Operator(operator="o_ada1", email="a@b.c", name="Ada", memberships=(membership,)), "")
    clock = ManualClock()
    chat = ChatRoutingSettings(redis_url=redis_url, partitions=PARTITIONS.count, admin_port=0)
    presence = PresenceSettings(redis_url=redis_url, partitions=PARTITIONS.count, admin_port=0)
    async with running(build_chat(chat, clock=clock)), running(build_presence(presence, clock=clock)):
        yield clock


async def browser(clients: Clients, clock: ManualClock, n: int, kind: str) -> None:
    now = clock.now_ms()
    event = Tracked(kind, PAGE, n, now, url="https://shop.example/")  # type: ignore[arg-type]
    await PartitionLog(clients).append("in", HERE, [encode(TabEvents(SITE, VISITOR, TAB, now, (event,)))])
    await eventually(lambda: done(clients, "in"))


async def done(clients: Clients, stream: str) -> bool:
    return bool(await clients.call("XLEN", f"{stream}:{{{HERE.tag}}}") == 0)


async def row(clients: Clients) -> EngagementRow | None:
    value = await clients.call("HGET", keys.engagements(HERE, SITE), VISITOR)
    return decode_engagement_row(value) if value else None


async def gone(clients: Clients) -> bool:
    return await row(clients) is None


async def present(clients: Clients) -> bool:
    return bool(await clients.call("HEXISTS", keys.visitors(HERE, SITE), VISITOR))


async def absent(clients: Clients) -> bool:
    return not await present(clients)


async def wait_for_chat(clients: Clients, clock: ManualClock) -> None:
    await PartitionLog(clients).append(
        "cmd",
        HERE,
        [
            encode(OperatorConnected(SITE, "o_ada1", "Ada", "c1", "gw1", clock.now_ms())),
            encode(RequestChat(site=SITE, visitor=VISITOR, by=Actor("visitor", VISITOR), id="r1", name="Vera")),
        ],
    )
    await eventually(lambda: done(clients, "cmd"))


async def test_waiting_visitor_who_closes_the_tab_leaves_the_queue_after_its_time(clients, clock):
    await browser(clients, clock, 1, "page")
    await wait_for_chat(clients, clock)
    await browser(clients, clock, 2, "leave")
    clock.advance(15_000)  # presence: the row leaves
    await eventually(lambda: absent(clients))
    await eventually(lambda: done(clients, "cmd"))
    waiting = await row(clients)
    assert waiting is not None
    assert waiting.status == "requested"
    clock.advance(15_000)  # chat-routing: 30 s since the last sign
    await eventually(lambda: gone(clients))


async def test_waiting_visitor_who_comes_back_keeps_waiting(clients, clock):
    await browser(clients, clock, 1, "page")
    await wait_for_chat(clients, clock)
    await browser(clients, clock, 2, "leave")
    clock.advance(15_000)
    await eventually(lambda: absent(clients))
    await browser(clients, clock, 3, "page")
    await eventually(lambda: present(clients))
    await eventually(lambda: done(clients, "cmd"))
    clock.advance(15_000)
    await eventually(lambda: nothing_due(clients, clock))
    waiting = await row(clients)
    assert waiting is not None
    assert waiting.status == "requested"


async def nothing_due(clients: Clients, clock: ManualClock) -> bool:
    key = keys.timers("chat_routing", HERE)
    return bool(await clients.call("ZCOUNT", key, "-inf", clock.now_ms()) == 0)


async def test_one_wish_to_be_forgotten_erases_the_chats_too(clients, clock):
    await browser(clients, clock, 1, "page")
    await wait_for_chat(clients, clock)
    assert [key for key in await clients.call("KEYS", "t:*") if VISITOR.encode() in key]
    await PartitionLog(clients).append("in", HERE, [encode(ForgetVisitor(SITE, VISITOR, clock.now_ms()))])
    await eventually(lambda: gone(clients))
    await eventually(lambda: done(clients, "cmd"))
    assert await keys_naming(clients, VISITOR) == []
