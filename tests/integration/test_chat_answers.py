"""A command that comes again after very many others: the same answer, and nothing happens twice."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.chat_routing.app import build
from services.chat_routing.domain.answers import ANSWERS_KEPT
from services.chat_routing.settings import ChatRoutingSettings
from shared.contracts.chat import Actor, CommandDone, EraseVisitor, SendMessage
from shared.contracts.sites import Membership, Site, SiteSettings
from shared.runtime.clock import ManualClock
from shared.runtime.service import running
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.directory_store import DirectoryStore
from tests.integration.test_chat_engagements import HERE, PARTITIONS, SITE, V1, Shop, chat_operator

MANY = 3 * ANSWERS_KEPT
OLDER = keys.older_answers(HERE, SITE, V1)


@pytest.fixture
async def settings(redis_url: str, clients: Clients) -> ChatRoutingSettings:
    """A site with one operator."""
    store = DirectoryStore(clients)
    await store.create_site(Site(site=SITE, name="Shop", settings=SiteSettings(outcome_shown_ms=1_000)))
    await store.create_operator(chat_operator("o_ada1", Membership(site=SITE, max_chats=3)), "")
    return ChatRoutingSettings(redis_url=redis_url, partitions=PARTITIONS.count, admin_port=0)


@pytest.fixture
async def shop(settings: ChatRoutingSettings, clients: Clients) -> AsyncIterator[Shop]:
    shop = Shop(clients, ManualClock())
    async with running(build(settings, clock=shop.clock)):
        await shop.connect("o_ada1")
        yield shop
        await shop.log_adds_up()
        assert await clients.call("XLEN", keys.parked("chat_routing", HERE)) == 0


async def talked(shop: Shop) -> str:
    """A chat of very many messages of both sides; its id."""
    await shop.here(V1)
    chat = (await shop.v("RequestChat", V1, id="ask", name="Vera")).chat
    assert (await shop.o("AcceptRequest", "o_ada1", V1, id="take")).code is None
    await say(shop)
    return chat


async def say(shop: Shop) -> None:
    """All the messages, in a few steps."""
    for start in range(0, MANY, 50):
        await shop.tell(*(message(n) for n in range(start, min(MANY, start + 50))))


def message(n: int) -> SendMessage:
    """The n-th message. Both sides use the same ids."""
    by = Actor("operator", "o_ada1") if n % 2 else Actor("visitor", V1)
    return SendMessage(site=SITE, visitor=V1, by=by, id=f"m{n // 2}", text=f"Line {n}")


async def answers(shop: Shop) -> dict[tuple[str, str], list[CommandDone]]:
    found: dict[tuple[str, str], list[CommandDone]] = {}
    for one in await shop.outcomes():
        if isinstance(one, CommandDone):
            found.setdefault((one.by.kind, one.id), []).append(one)
    return found


async def all_was_said_once(shop: Shop, chat: str) -> None:
    lines = await shop.transcript(chat)
    assert [line.text for line in lines if line.type == "message"] == [f"Line {n}" for n in range(MANY)]
    for key, told in (await answers(shop)).items():
        assert not key[1].startswith("m") or {(one.code, one.seq, one.chat) for one in told} == {
            (None, told[0].seq, chat)
        }


async def test_messages_sent_again_after_many_others_are_said_once(shop: Shop) -> None:
    chat = await talked(shop)
    await say(shop)
    await all_was_said_once(shop, chat)
    assert {len(told) for key, told in (await answers(shop)).items() if key[1].startswith("m")} == {2}
    assert await shop.clients.call("HLEN", OLDER) >= MANY - ANSWERS_KEPT
    assert await shop.clients.call("PTTL", OLDER) > 0


async def test_another_process_knows_the_old_answers_too(settings: ChatRoutingSettings, clients: Clients) -> None:
    shop = Shop(clients, ManualClock())
    async with running(build(settings, clock=shop.clock)):
        await shop.connect("o_ada1")
        chat = await talked(shop)
    async with running(build(settings, clock=shop.clock)):
        await say(shop)
        await all_was_said_once(shop, chat)


async def test_other_commands_sent_again_are_not_done_again(shop: Shop) -> None:
    chat = await talked(shop)
    assert (await shop.v("RequestChat", V1, id="ask", name="Vera")).current == "chatting"
    assert (await shop.o("AcceptRequest", "o_ada1", V1, id="take")).chat == chat
    await shop.v("EndChat", V1)
    await shop.tell(message(0))
    again = (await answers(shop))["visitor", "m0"][-1]
    assert (again.code, again.seq, again.chat, again.current) == (None, 3, chat, "chat_end")
    assert (await shop.v("SendMessage", V1, id="new", text="Too late")).code == "not_in_chat"
    await shop.v("RequestChat", V1, id="ask again", name="Vera")
    await shop.tell(message(0))  # another chat goes on now, and yet it is the same message
    row = await shop.row(V1)
    assert row.chat != chat
    assert [line.type for line in await shop.transcript(row.chat)] == ["requested"]
    await all_was_said_once(shop, chat)


async def test_old_answers_go_with_the_visitor(shop: Shop) -> None:
    await talked(shop)
    assert await shop.clients.call("EXISTS", OLDER)
    await shop.tell(EraseVisitor(SITE, V1))
    assert not await shop.clients.call("EXISTS", OLDER)


async def test_old_answers_go_when_the_engagement_is_forgotten(shop: Shop) -> None:
    await talked(shop)
    await shop.v("EndChat", V1)
    await shop.left(V1)
    assert await shop.clients.call("EXISTS", OLDER)
    await shop.wait(SiteSettings().visit_gap_ms)
    assert not await shop.clients.call("EXISTS", OLDER)
