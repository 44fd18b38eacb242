"""Reloads, lost connections, lost gateways and an answer that comes late: nothing is missed, nothing happens twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import socketio

from services.operator_gateway.chat.commands import Waiting
from services.operator_gateway.sockets.events import Refused
from shared.contracts.chat import Actor, CommandDone, OfferGone, OfferMade
from shared.contracts.chat_records import DeskLine
from shared.contracts.sites import Membership, SiteSettings
from shared.contracts.streams import ChatOutcomes, encode
from shared.domain.visitor import Tab, View
from shared.domain.visitor import Visitor as StoredVisitor
from shared.domain.visitor_packing import pack_visitor
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from tests.chat_rig import (
    PARTITIONS,
    Visitor,
    at_work,
    chatting,
    command_id,
    floor,
    ok,
    outcomes,
    routing,
    shop_with,
    visitor,
)
from tests.eventually import eventually
from tests.live_rig import Rig, Shop, gateway, visitor_id
from tests.stack import EMAIL, PASSWORD, Stack


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with floor(clients, redis_url, tmp_path) as running:
        yield running


async def test_console_that_connects_finds_its_chats_offers_and_inboxes(rig: Rig) -> None:
    shop = await shop_with(rig)
    operator, colleague = await rig.operator(shop), await rig.operator(shop)
    console, other = await at_work(rig, operator, shop), await at_work(rig, colleague, shop)
    assert console.named("desk")[0]["chats"] == []
    assert console.named("desk")[0]["unread"] == {}
    one, two, three = [await visitor(rig, shop, number) for number in (1, 2, 3)]
    mine = await chatting(console, shop, one)
    theirs = await chatting(other, shop, two)
    await ok(other, "chat:forward", chat=theirs, to={"operator": operator.operator})
    await three.ask("LeaveForm", sent=True, name="Eve", text="Call me")
    await eventually(lambda: console.named("inbox:changed") == [{"site": shop.site, "unread": 1}])
    [offer] = await eventually(lambda: console.named("offer"))
    await console.client.disconnect()

    back = await rig.connect(operator)
    await eventually(lambda: back.named("inbox:changed"))
    [desk] = back.named("desk")
    assert desk["sites"] == [shop.site]
    assert desk["unread"] == {shop.site: 1}
    assert [(chat["visitor"], chat["chat"], chat["status"]) for chat in desk["chats"]] == [(one.id, mine, "chatting")]
    assert [each["id"] for each in desk["chats"][0]["operators"]] == [operator.operator]
    assert back.named("offer") == [offer]
    assert back.named("inbox:changed") == [{"site": shop.site, "unread": 1}]
    names = [name for name, _ in back.events if name in ("ready", "desk", "offer")]
    assert names[0] == "ready"
    # Chat-routing hears of the connection, too, and may tell the offer before the desk has been read.
    assert sorted(names[1:]) == ["desk", "offer"]


async def test_offer_that_waits_is_told_once_to_each_connection(rig: Rig) -> None:
    shop = await rig.shop(settings=SiteSettings(intake="assign"))
    operator = await rig.operator(shop)
    first = await at_work(rig, operator, shop)
    who = await visitor(rig, shop)
    await who.ask("RequestChat")
    [offer] = await eventually(lambda: first.named("offer"))
    second = await rig.connect(operator)
    # Chat-routing tells a new connection what waits, and so does the desk.
    told = await eventually(lambda: _made(rig, shop, 2))
    assert {one.offer for one in told} == {offer["offer"]}
    await ok(second, "offer:accept", offer=offer["offer"])
    for console in (first, second):
        await eventually(lambda: [gone["offer"] for gone in console.named("offer:gone")] == [offer["offer"]])  # noqa: B023
        assert console.named("offer") == [offer]


async def _made(rig: Rig, shop: Shop, count: int) -> list[OfferMade] | None:
    made = [one for one in await outcomes(rig.clients, shop.site) if isinstance(one, OfferMade)]
    return made if len(made) >= count else None


async def test_answer_that_comes_late_is_try_again_and_the_repeat_happens_once(
    clients: Clients, redis_url: str, tmp_path: Path
) -> None:
    async with gateway(clients, redis_url, tmp_path) as rig:
        async with routing(redis_url, rig.clock):
            shop = await shop_with(rig)
            console = await at_work(rig, await rig.operator(shop), shop)
            who = await visitor(rig, shop)
            chat = await chatting(console, shop, who)
        message = {"chat": chat, "id": "late", "text": "Hello"}
        answer = await console.ask("chat:send", message)
        assert answer["error"]["code"] == "try_again"
        assert len(rig.gateway.commands.waiting) == 0
        async with routing(redis_url, rig.clock):
            answer = await eventually(lambda: _sent(console.ask("chat:send", message)))
            assert answer["seq"] == 3
            assert [line.id for line in await who.lines(chat) if line.type == "message"] == ["late"]
            await eventually(lambda: [event["seq"] for event in console.named("chat:event")][-1:] == [3])
            assert [event["id"] for event in console.named("chat:event") if event["type"] == "message"] == ["late"]


async def test_command_whose_append_is_confirmed_too_late_happens_once(rig: Rig) -> None:
    shop = await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop), shop)
    who = await visitor(rig, shop)
    chat = await chatting(console, shop, who)
    message = {"chat": chat, "id": "slow", "text": "Hello"}
    await rig.clients.call("CLIENT", "PAUSE", 1_500, "ALL")
    answer = await console.ask("chat:send", message)
    assert answer["error"]["code"] in ("unavailable", "try_again")
    answer = await eventually(lambda: _sent(console.ask("chat:send", message)))
    assert answer["seq"] == 3
    assert [line.id for line in await who.lines(chat) if line.type == "message"] == ["slow"]


async def _sent(answer: Any) -> Any:
    got = await answer
    return got if got["ok"] else None


async def test_operator_who_lost_the_connection_resumes_on_another_gateway(
    rig: Rig, clients: Clients, redis_url: str, tmp_path: Path
) -> None:
    shop = await shop_with(rig)
    operator = await rig.operator(shop)
    console = await at_work(rig, operator, shop)
    who = await visitor(rig, shop)
    chat = await chatting(console, shop, who)
    for n in range(3):
        await who.ask("SendMessage", text=f"before {n}")
    await eventually(lambda: len(console.named("chat:event")) == 4)
    seen = console.named("chat:event")
    await console.client.disconnect()
    for n in range(3):
        await who.ask("SendMessage", text=f"meanwhile {n}")
    async with gateway(clients, redis_url, tmp_path) as second:
        await second.seen()
        back = await second.connect(operator)
        await eventually(lambda: back.named("desk"))
        opened = await back.ask("chat:open", {"chat": chat, "after": seen[-1]["seq"]})
        await who.ask("SendMessage", text="after")
        await eventually(lambda: back.named("chat:event"))
        merged = [*seen, *opened["events"], *back.named("chat:event")]
        assert [event["seq"] for event in merged] == list(range(2, 10))
        assert merged == [msgspec.to_builtins(line) for line in (await who.lines(chat))[1:]]


async def test_gateway_whose_partition_is_another_one_lays_the_desk_out_again(rig: Rig) -> None:
    shop = await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop), shop)
    who = await visitor(rig, shop)
    chat = await chatting(console, shop, who)
    rig.gateway.desk.reset(PARTITIONS.of(shop.site))
    await eventually(lambda: len(console.named("desk")) == 2)
    assert [one["chat"] for one in console.named("desk")[1]["chats"]] == [chat]


async def test_new_site_lays_out_its_desk(rig: Rig) -> None:
    shop, second = await shop_with(rig), await shop_with(rig)
    operator = await rig.operator(shop)
    console = await at_work(rig, operator, shop)
    memberships = (*operator.memberships, Membership(site=second.site))
    await rig.store.update_operator(
        operator.operator, lambda old: msgspec.structs.replace(old, memberships=memberships)
    )
    await eventually(lambda: [one["sites"] for one in console.named("desk")] == [[shop.site], [second.site]])


async def test_offer_that_goes_while_the_desk_is_read_is_not_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await shop_with(rig)
    operator = await rig.operator(shop)
    console = await at_work(rig, operator, shop)
    desk, read = rig.gateway.desk, rig.gateway.records.desk
    offer = OfferMade(
        offer=f"{shop.site}.{visitor_id(1)}.o1.1", offered="request", operator=operator.operator, site=shop.site,
        visitor=visitor_id(1), chat="", expires_at=1,
    )  # fmt: skip
    gone = OfferGone(
        offer=offer.offer, operator=operator.operator, site=shop.site, visitor=visitor_id(1), reason="taken"
    )

    async def slow(*arguments: Any) -> Any:
        await shop.say(encode(ChatOutcomes((gone,))))
        await eventually(lambda: console.named("offer:gone"))
        return {(shop.site, visitor_id(1)): DeskLine("requested", offer=offer)} | await read(*arguments)

    monkeypatch.setattr(rig.gateway.records, "desk", slow)
    desk.reset(PARTITIONS.of(shop.site))
    await eventually(lambda: len(console.named("desk")) == 2)
    assert console.named("offer") == []


async def test_waiting_commands_are_bounded_and_late_outcomes_find_nobody() -> None:
    waiting = Waiting(limit=2)
    key = ("s_shop", "v", "o_ada1", "k1")
    first, second = waiting.expect(key), waiting.expect(key)
    with pytest.raises(Refused):
        waiting.expect(key)
    done = CommandDone(site="s_shop", visitor="v", by=Actor("operator", "o_ada1"), id="k1", seq=7)
    assert waiting.settle(done)
    assert (await first).seq == (await second).seq == 7
    for waiter in (first, second):
        waiting.forget(key, waiter)
    assert len(waiting) == 0
    assert not waiting.settle(done)


async def test_killed_gateway_costs_nothing_but_the_connection(tmp_path: Path) -> None:
    async with Stack(tmp_path) as stack:
        clients = Clients(RedisSettings(stack.valkey.url))
        try:
            await _killed_gateway(stack, clients)
        finally:
            await clients.close()


async def test_chats_over_http_need_no_more_of_redis_than_the_gateway_may_have(tmp_path: Path) -> None:
    rule = {"skill": "general", "conditions": [{"subject": "country", "pattern": "DE"}]}
    ban = {"visitor": visitor_id(1), "reason": "Rude", "ban_s": 60}
    async with Stack(tmp_path) as stack, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {await stack_token(stack)}"}

        async def call(method: str, path: str, body: Any = None) -> Any:
            url = f"{stack.gateway}/api/v1/sites/{stack.site}/{path}"
            async with session.request(method, url, json=body, headers=headers) as answer:
                assert answer.status < 300, await answer.text()
                return await answer.json()

        await call("POST", "canned", {"shortcut": "hi", "text": "Hello!"})
        assert [reply["text"] for reply in (await call("GET", "canned"))["items"]] == ["Hello!"]
        assert len((await call("POST", "rules", rule))["items"]) == 1
        await call("POST", "bans", ban)

        async def banned() -> bool:
            return [one["reason"] for one in (await call("GET", "bans"))["items"]] == ["Rude"]

        await eventually(banned)
        for path in ("inbox", "inbox?done=true", "chats", f"chats?visitor={visitor_id(1)}"):
            assert (await call("GET", path))["items"] == []


async def _killed_gateway(stack: Stack, clients: Clients) -> None:
    here, someone = PARTITIONS.of(stack.site), visitor_id(1)
    view = View(b"p" * 16, "http://localhost/", "Home", 1)
    tabs = (Tab(b"t" * 16, view=view, seen_at=1),)
    shown = StoredVisitor(number=1, live=True, visits=1, visit_started_at=1, tabs=tabs)
    await clients.call("HSET", keys.visitors(here, stack.site), someone, pack_visitor(shown))
    who = Visitor(clients, stack.site, someone)
    events: list[dict[str, Any]] = []
    token = await stack_token(stack)
    client = await connected(stack, token, events)

    async def done(event: str, **fields: Any) -> Any:
        request = {"id": command_id(), **fields}
        return await eventually(lambda: _sent(client.call(event, request, timeout=10)))

    await eventually(lambda: _asked(who))
    chat = (await done("chat:accept", site=stack.site, visitor=someone))["chat"]
    await done("chat:send", chat=chat, text="before")
    await eventually(lambda: len(events) == 2)
    await stack.first("operator_gateway").kill()
    await eventually(lambda: not client.connected)
    for n in range(3):
        await who.ask("SendMessage", text=f"meanwhile {n}")
    await stack.first("operator_gateway").start()
    await stack.first("operator_gateway").ready()
    seen, events[:] = list(events), []
    client = await connected(stack, token, events)
    opened = await client.call("chat:open", {"chat": chat, "after": seen[-1]["seq"]}, timeout=10)
    await done("chat:send", chat=chat, text="after")
    await eventually(lambda: events)
    await client.disconnect()
    merged = {event["seq"]: event for event in [*seen, *opened["events"], *events]}
    texts = [merged[seq].get("text", "") for seq in sorted(merged) if merged[seq]["type"] == "message"]
    assert texts == ["before", "meanwhile 0", "meanwhile 1", "meanwhile 2", "after"]
    assert sorted(merged) == list(range(2, max(merged) + 1))


async def _asked(who: Visitor) -> bool:
    await who.ask("RequestChat", text="Hello?")
    return bool((await who.row()).status == "requested")


async def stack_token(stack: Stack) -> str:
    async with aiohttp.ClientSession() as session:
        body = {"email": EMAIL, "password": PASSWORD}
        async with session.post(f"{stack.gateway}/api/v1/session", json=body) as answer:
            return str((await answer.json())["token"])


async def connected(stack: Stack, token: str, events: list[dict[str, Any]]) -> socketio.AsyncClient:
    client = socketio.AsyncClient(reconnection=False)
    client.on("chat:event", events.append)
    await client.connect(stack.gateway, auth={"token": token}, transports=["websocket"])
    return client
