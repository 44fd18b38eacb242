"""Who is away, by the product's own numbers: an operator whose browser is closed, a visitor who is cut off."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.chat_routing.app import build
from services.chat_routing.settings import ChatRoutingSettings
from shared.contracts.chat import Actor, InviteOperator, OfferMade, PresenceFacts, QueuePlace, VisitorBack, VisitorGone
from shared.contracts.sites import Membership, Site
from shared.contracts.streams import OperatorConnected, OperatorDisconnected
from shared.runtime.clock import ManualClock
from shared.runtime.service import running
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.directory_store import DirectoryStore
from tests.integration.test_chat_engagements import HERE, PARTITIONS, SITE, V1, V2, Shop, chat_operator


@pytest.fixture
async def shop(redis_url: str, clients: Clients) -> AsyncIterator[Shop]:
    """A site with all its defaults, and two operators."""
    store = DirectoryStore(clients)
    await store.create_site(Site(site=SITE, name="Shop"))
    for operator in ("o_ada1", "o_bob1"):
        await store.create_operator(chat_operator(operator, Membership(site=SITE)), "")
    shop = Shop(clients, ManualClock())
    settings = ChatRoutingSettings(redis_url=redis_url, partitions=PARTITIONS.count, admin_port=0)
    async with running(build(settings, clock=shop.clock)):
        await shop.connect("o_ada1")
        await shop.connect("o_bob1")
        yield shop
        await shop.log_adds_up()
        assert await clients.call("XLEN", keys.parked("chat_routing", HERE)) == 0


async def chatting(shop: Shop) -> str:
    await shop.here(V1)
    chat = (await shop.v("RequestChat", V1, name="Vera")).chat
    assert (await shop.o("AcceptRequest", "o_ada1", V1)).code is None
    return chat


async def closes_the_browser(shop: Shop, operator: str) -> None:
    await shop.tell(OperatorDisconnected(SITE, operator, f"c-{operator}", "gw1", shop.clock.now_ms(), logout=False))


async def opens_it_again(shop: Shop, operator: str) -> None:
    await shop.tell(OperatorConnected(SITE, operator, operator.title(), "c-new", "gw1", shop.clock.now_ms()))


async def types(shop: Shop, chat: str) -> list[str]:
    return [line.type for line in await shop.transcript(chat)]


async def places(shop: Shop) -> dict[str, int]:
    """The last place that each visitor was told."""
    return {one.visitor: one.position for one in await shop.outcomes() if isinstance(one, QueuePlace)}


async def test_visitor_is_told_at_15_s_and_is_the_head_of_the_queue_at_45_s(shop: Shop) -> None:
    chat = await chatting(shop)
    await shop.here(V2)
    await shop.v("RequestChat", V2, name="Otto")
    assert (await places(shop))[V2] == 1
    await closes_the_browser(shop, "o_ada1")
    await shop.wait(14_999)
    assert await types(shop, chat) == ["requested", "started"]
    await shop.wait(1)
    assert await types(shop, chat) == ["requested", "started", "away"]
    await shop.wait(29_999)
    assert (await shop.row(V1)).status == "chatting"
    await shop.wait(1)
    row = await shop.row(V1)
    assert (row.status, row.reason, row.operators, row.chat) == ("requested", "operator_lost", (), chat)
    assert await types(shop, chat) == ["requested", "started", "away", "left", "requested"]
    assert await places(shop) == {V1: 1, V2: 2}


async def test_operator_who_returns_first_is_offered_the_visitor_again(shop: Shop) -> None:
    chat = await chatting(shop)
    await closes_the_browser(shop, "o_ada1")
    await shop.wait(45_000)
    await opens_it_again(shop, "o_ada1")
    told = [one for one in await shop.outcomes() if isinstance(one, OfferMade)]
    offer = told[0]
    assert {one.offer for one in told} == {offer.offer}  # also told to the new connection, which may know it already
    assert (offer.operator, offer.visitor, offer.chat, offer.why) == ("o_ada1", V1, chat, "returned")
    assert (await shop.o("AcceptOffer", "o_ada1", V1, offer=offer.offer)).current == "chatting"
    assert [one.id for one in (await shop.row(V1)).operators] == ["o_ada1"]


async def test_colleague_may_be_faster_than_the_operator_who_left(shop: Shop) -> None:
    await chatting(shop)
    await closes_the_browser(shop, "o_ada1")
    await shop.wait(45_000)
    assert (await shop.o("AcceptRequest", "o_bob1", V1)).code is None
    await opens_it_again(shop, "o_ada1")
    assert [one for one in await shop.outcomes() if isinstance(one, OfferMade)] == []
    refused = await shop.o("AcceptRequest", "o_ada1", V1)
    assert (refused.code, refused.taken_by) == ("taken", "O_Bob1")


async def test_operator_who_is_back_within_45_s_goes_on(shop: Shop) -> None:
    chat = await chatting(shop)
    await closes_the_browser(shop, "o_ada1")
    await shop.wait(44_999)
    await opens_it_again(shop, "o_ada1")
    await shop.wait(60_000)
    assert (await shop.row(V1)).status == "chatting"
    assert await types(shop, chat) == ["requested", "started", "away", "back"]


async def test_conference_goes_on_without_the_operator_who_left(shop: Shop) -> None:
    chat = await chatting(shop)
    ada = Actor("operator", "o_ada1")
    await shop.tell(InviteOperator(site=SITE, visitor=V1, by=ada, id="ask", operator="o_bob1"))
    [offer] = [one for one in await shop.outcomes() if isinstance(one, OfferMade)]
    await shop.o("AcceptOffer", "o_bob1", V1, offer=offer.offer)
    await closes_the_browser(shop, "o_ada1")
    await shop.wait(44_999)
    assert (await shop.row(V1)).status == "conference"
    await shop.wait(1)
    row = await shop.row(V1)
    assert (row.status, [one.id for one in row.operators], row.chat) == ("chatting", ["o_bob1"], chat)
    assert (await shop.o("SendMessage", "o_bob1", V1, text="I am still here")).code is None


async def test_visitor_who_is_cut_off_for_90_s_has_the_chat_still(shop: Shop) -> None:
    chat = await chatting(shop)
    gone_ms = shop.clock.now_ms()
    await shop.wait(15_000)  # presence gives a reload that long before the row leaves
    await shop.clients.call("HDEL", keys.visitors(HERE, SITE), V1)
    await shop.tell(PresenceFacts((VisitorGone(SITE, V1, gone_ms),)))
    await shop.wait(4_999)
    assert await types(shop, chat) == ["requested", "started"]
    await shop.wait(1)
    assert await types(shop, chat) == ["requested", "started", "away"]
    assert (await shop.o("SendMessage", "o_ada1", V1, text="Are you there?")).code is None
    await shop.wait(70_000)
    assert (await shop.row(V1)).status == "chatting"
    await shop.here(V1)
    await shop.tell(PresenceFacts((VisitorBack(SITE, V1, shop.clock.now_ms()),)))
    await shop.wait(120_000)
    assert (await shop.row(V1)).status == "chatting"
    assert await types(shop, chat) == ["requested", "started", "away", "message", "back"]


async def test_visitor_who_is_cut_off_for_120_s_has_left(shop: Shop) -> None:
    chat = await chatting(shop)
    await shop.left(V1)
    await shop.wait(119_999)
    assert (await types(shop, chat))[-1] == "away"
    await shop.wait(1)
    assert (await types(shop, chat))[-1] == "ended"
