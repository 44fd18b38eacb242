"""Triggers through presence, chat-routing and a real Valkey: a visitor just looks around, and is invited."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from services.chat_routing.app import build as build_chat
from services.chat_routing.settings import ChatRoutingSettings
from services.presence.app import build as build_presence
from services.presence.settings import PresenceSettings
from shared.contracts.chat import AcceptRequest, Actor, DeclineInvite, EndChat, InviteMade, PresenceFacts, RequestChat
from shared.contracts.rows import decode_engagement_row
from shared.contracts.sites import Condition, Membership, Operator, Site, Trigger
from shared.contracts.streams import (
    ForgetVisitor,
    GatewayAlive,
    OperatorConnected,
    TabEvents,
    Tracked,
    decode_chat,
    encode,
)
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
ADA = Actor("operator", "o_ada1", "Ada")
TIMED = Trigger(trigger="t1", name="Prices", text="Questions?", on_page_ms=20_000, cooldown_ms=60_000)

TWICE = replace(TIMED, cap=2, cooldown_ms=100_000)
AT_ONCE = replace(TIMED, on_page_ms=None, cap=5, cooldown_ms=0)
PRICES = Trigger(trigger="a", name="A", text="a", pages=2, conditions=(Condition("address", "/prices*"),))


def uuid(name: str) -> str:
    return f"{name}1111111-1111-4111-8111-111111111111"


@dataclass
class World:
    """One site, one operator with one slot, and both services on one clock."""

    clients: Clients
    clock: ManualClock
    registry: CollectorRegistry
    sent: int = 0

    async def page(self, visitor: str, url: str = "https://shop.example/") -> None:
        self.sent += 1
        now = self.clock.now_ms()
        page = f"{self.sent:08x}-1111-4111-8111-111111111111"
        event = Tracked("page", page, self.sent, now, url=url)
        await self.tell("in", TabEvents(SITE, visitor, visitor, now, (event,)))

    async def tell(self, stream: Any, *entries: Any) -> None:
        await PartitionLog(self.clients).append(stream, HERE, [encode(entry) for entry in entries])
        await self.settled()

    async def settled(self) -> None:
        await eventually(self._done)

    async def _done(self) -> bool:
        left = [await self.clients.call("XLEN", keys.stream(name, HERE)) for name in ("in", "cmd")]
        now = self.clock.now_ms()
        due = await self.clients.call("ZCOUNT", keys.timers("chat_routing", HERE), "-inf", now)
        return left == [0, 0] and due == 0

    async def connect(self) -> None:
        await self.tell("cmd", OperatorConnected(SITE, ADA.id, ADA.name, "c1", "gw1", self.clock.now_ms()))

    async def wait(self, ms: int) -> None:
        """Time passes, and the gateway lives."""
        while ms > 0:
            step = min(ms, 5_000)
            ms -= step
            self.clock.advance(step)
            now = self.clock.now_ms()
            await self.tell("cmd", GatewayAlive("gw1", now))

    def facts(self) -> float | None:
        """How many entries presence sent to chat-routing."""
        return self.registry.get_sample_value("foyer_chat_routing_inputs_total", {"kind": "PresenceFacts"})

    async def invitations(self, visitor: str = "") -> list[InviteMade]:
        entries = await self.clients.call("XRANGE", keys.stream("chat", HERE), "-", "+")
        found = [one for _, fields in entries for one in decode_chat(fields[b"d"]).outcomes]
        return [one for one in found if isinstance(one, InviteMade) and visitor in ("", one.visitor)]

    async def status(self, visitor: str) -> str:
        value = await self.clients.call("HGET", keys.engagements(HERE, SITE), visitor)
        return decode_engagement_row(value).status if value else "navigating"

    async def timers(self) -> set[bytes]:
        return set(await self.clients.call("ZRANGE", keys.timers("chat_routing", HERE), 0, -1))


V1, V2, V3 = uuid("a"), uuid("b"), uuid("c")


@pytest.fixture
async def world(request: pytest.FixtureRequest, redis_url: str, clients: Clients) -> AsyncIterator[World]:
    store = DirectoryStore(clients)
    settings = replace(Site(site=SITE, name="Shop").settings, silence_ms=3_600_000)  # nobody leaves by being silent
    await store.create_site(
        Site(site=SITE, name="Shop", settings=settings, triggers=getattr(request, "param", (TIMED,)))
    )
    membership = Membership(site=SITE, primary_skill="general", max_chats=1)
    await store.create_operator(Operator(operator=ADA.id, email="a@b.c", name="Ada", memberships=(membership,)), "")
    clock = ManualClock()
    chat = ChatRoutingSettings(redis_url=redis_url, partitions=PARTITIONS.count, admin_port=0)
    presence = PresenceSettings(redis_url=redis_url, partitions=PARTITIONS.count, admin_port=0)
    routing = build_chat(chat, clock=clock)
    async with running(routing), running(build_presence(presence, clock=clock)):
        yield World(clients, clock, routing.registry)


async def test_time_on_the_page_alone_brings_the_invitation(world: World) -> None:
    await world.connect()
    await world.page(V1)
    assert world.facts() == 1
    await world.wait(15_000)
    assert await world.invitations() == []
    await world.wait(5_000)
    (made,) = await world.invitations()
    assert (made.visitor, made.operator.id, made.text) == (V1, ADA.id, "Questions?")
    assert await world.status(V1) == "invited"


async def test_another_page_begins_the_time_anew(world: World) -> None:
    await world.connect()
    await world.page(V1)
    await world.wait(15_000)
    await world.page(V1, "https://shop.example/two")
    await world.wait(15_000)
    assert await world.invitations() == []
    await world.wait(5_000)
    assert len(await world.invitations()) == 1


@pytest.mark.parametrize(
    "world",
    [(PRICES,)],
    indirect=True,
    ids=["one"],
)
async def test_the_page_address_and_the_number_of_pages_act_at_once(world: World) -> None:
    await world.connect()
    await world.page(V1, "https://shop.example/prices")
    await world.page(V1)
    assert await world.invitations() == []
    await world.page(V1, "https://shop.example/prices/list")
    assert [made.text for made in await world.invitations()] == ["a"]


async def test_the_cap_holds_over_visits_to_many_pages(world: World) -> None:
    await world.connect()
    for _ in range(3):
        await world.page(V1)
        await world.wait(90_000)  # the invitation is ignored after a minute
    assert len(await world.invitations()) == 1


@pytest.mark.parametrize("world", [(TWICE,)], indirect=True, ids=["one"])
async def test_a_second_invitation_comes_after_the_cooldown_if_the_cap_allows(world: World) -> None:
    await world.connect()
    await world.page(V1)
    await world.wait(115_000)
    assert len(await world.invitations()) == 1
    await world.wait(5_000)
    assert len(await world.invitations()) == 2
    await world.wait(200_000)
    assert len(await world.invitations()) == 2


async def test_who_finds_nobody_free_is_invited_when_a_slot_is(world: World) -> None:
    await world.connect()
    await world.page(V1)
    ask = RequestChat(site=SITE, visitor=V2, by=Actor("visitor", V2), id="r1", name="Vera")
    await world.tell("cmd", ask, AcceptRequest(site=SITE, visitor=V2, by=ADA, id="a1"))
    await world.wait(30_000)
    assert await world.invitations() == []
    await world.tell("cmd", EndChat(site=SITE, visitor=V2, by=ADA, id="e1"))
    assert [made.visitor for made in await world.invitations()] == [V1]
    assert await world.clients.call("EXISTS", keys.trigger_waiting(HERE, SITE)) == 0


async def test_an_operator_who_comes_online_finds_who_was_waiting(world: World) -> None:
    await world.page(V1)
    await world.wait(30_000)
    await world.connect()
    assert [made.visitor for made in await world.invitations()] == [V1]


async def test_one_slot_is_one_invitation_however_many_fit(world: World) -> None:
    await world.connect()
    for visitor in (V1, V2, V3):
        await world.page(visitor)
    await world.wait(20_000)
    assert len(await world.invitations()) == 1
    (first,) = await world.invitations()
    answer = DeclineInvite(site=SITE, visitor=first.visitor, by=Actor("visitor", first.visitor), id="n1")
    await world.tell("cmd", answer)
    assert len(await world.invitations()) == 2
    assert {made.visitor for made in await world.invitations()} < {V1, V2, V3}


@pytest.mark.parametrize("world", [(AT_ONCE,)], indirect=True, ids=["one"])
async def test_a_repeated_fact_invites_once(world: World) -> None:
    await world.connect()
    await world.page(V1)
    await world.tell("cmd", PresenceFacts(seen=((SITE, V1),)), PresenceFacts(seen=((SITE, V1),)))
    assert len(await world.invitations()) == 1


@pytest.mark.parametrize("world", [()], indirect=True, ids=["one"])
async def test_a_site_without_triggers_costs_nothing(world: World) -> None:
    await world.connect()
    await world.page(V1)
    await world.page(V1, "https://shop.example/two")
    assert world.facts() is None
    assert not [name for name in await world.timers() if name.startswith(b"t ")]


async def test_an_erased_visitor_leaves_no_trace_of_triggers(world: World) -> None:
    await world.connect()
    await world.page(V1)
    await world.wait(20_000)
    await world.page(V2)
    assert await world.clients.call("EXISTS", keys.trigger_history(HERE, SITE, V1)) == 1
    for visitor in (V1, V2):
        await world.tell("in", ForgetVisitor(SITE, visitor, world.clock.now_ms()))
        assert await keys_naming(world.clients, visitor) == []
    assert not [name for name in await world.timers() if name.startswith(b"t ")]
