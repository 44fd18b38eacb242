"""Every chat command of operators: what it does, whom it is told, and why it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.sites import Membership
from shared.storage.clients import Clients
from tests.chat_rig import at_work, chatting, command_id, floor, ok, refusal, shop_with, visitor
from tests.eventually import eventually
from tests.live_rig import Console, Rig, Shop, visitor_id


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with floor(clients, redis_url, tmp_path) as running:
        yield running


def heard(console: Console, chat: str) -> list[str]:
    return [event["type"] for event in console.named("chat:event") if event["chat"] == chat]


def hears(console: Console, chat: str, types: list[str]) -> bool:
    return heard(console, chat) == types


async def two(rig: Rig, shop: Shop, **second: Any) -> tuple[Console, Console, str, str]:
    """Two operators at work, and their ids."""
    one, other = await rig.operator(shop), await rig.operator(shop, **second)
    return await at_work(rig, one, shop), await at_work(rig, other, shop), one.operator, other.operator


async def test_invited_visitor_accepts_and_the_operator_joins(rig: Rig) -> None:
    shop = await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop), shop)
    who = await visitor(rig, shop)
    invited = await ok(console, "chat:invite", site=shop.site, visitor=who.id, text="May I help?")
    assert invited["status"] == "invited"
    again = await refusal(console, "chat:invite", site=shop.site, visitor=who.id)
    assert (again["code"], again["current"]) == ("already_invited", "invited")
    await who.ask("AcceptInvite", name="Eve")
    joined = await ok(console, "chat:accept", site=shop.site, visitor=who.id)
    assert (joined["status"], joined["chat"]) == ("chatting", invited["chat"])
    await eventually(lambda: heard(console, joined["chat"]) == ["invited", "accepted", "started"])
    assert (await refusal(console, "chat:invite", site=shop.site, visitor=who.id))["code"] == "engaged"


async def test_invitation_is_withdrawn_by_its_operator_and_by_no_other(rig: Rig) -> None:
    shop = await shop_with(rig)
    console, other, _, _ = await two(rig, shop)
    who = await visitor(rig, shop)
    await ok(console, "chat:invite", site=shop.site, visitor=who.id)
    assert (await refusal(other, "chat:withdraw", site=shop.site, visitor=who.id))["code"] == "not_owner"
    assert (await ok(console, "chat:withdraw", site=shop.site, visitor=who.id))["status"] == "navigating"
    assert (await refusal(console, "chat:withdraw", site=shop.site, visitor=who.id))["code"] == "offer_expired"


async def test_two_operators_race_for_one_request_and_the_other_learns_who_won(rig: Rig) -> None:
    shop = await shop_with(rig)
    one, other, _, _ = await two(rig, shop)
    who = await visitor(rig, shop)
    await who.ask("RequestChat", text="Anybody there?")
    request = {"site": shop.site, "visitor": who.id}
    answers = await asyncio.gather(
        one.ask("chat:accept", {**request, "id": "race"}), other.ask("chat:accept", {**request, "id": "race"})
    )
    [winner] = [answer for answer in answers if answer["ok"]]
    [loser] = [answer["error"] for answer in answers if not answer["ok"]]
    [operator] = (await who.row()).operators
    assert (loser["code"], loser["current"], loser["taken_by"]) == ("taken", "chatting", operator.name)
    assert winner["chat"] == (await who.row()).chat


async def test_decline_and_redirect_end_the_wait(rig: Rig) -> None:
    shop = await shop_with(rig)
    console, other, _, _ = await two(rig, shop)
    who = await visitor(rig, shop)
    await who.ask("RequestChat")
    assert (await ok(console, "chat:decline", site=shop.site, visitor=who.id))["status"] == "requested"
    assert (await ok(other, "chat:redirect", site=shop.site, visitor=who.id))["status"] == "redirected"
    assert (await refusal(other, "chat:decline", site=shop.site, visitor=who.id))["code"] == "offer_expired"


async def test_message_sent_five_times_over_two_connections_appears_once(rig: Rig) -> None:
    shop = await shop_with(rig)
    operator = await rig.operator(shop)
    one = await at_work(rig, operator, shop)
    two = await at_work(rig, operator, shop, mount="socket.io-msgpack")
    who = await visitor(rig, shop)
    chat = await chatting(one, shop, who)
    message = {"chat": chat, "id": "m1", "text": "Hello!"}
    answers = await asyncio.gather(*(console.ask("chat:send", message) for console in (one, two, one, two, one)))
    assert {answer["seq"] for answer in answers} == {3}
    assert [line.text for line in await who.lines(chat) if line.type == "message"] == ["Hello!"]
    for console in (one, two):
        await eventually(partial(hears, console, chat, ["started", "message"]))
    event = one.named("chat:event")[-1]
    assert (event["seq"], event["id"], event["by"]["kind"]) == (3, "m1", "operator")
    assert set(event["by"]) == {"kind", "id", "name"}


@pytest.mark.parametrize("transports", [["polling"], ["polling", "websocket"]])
async def test_chat_works_over_long_polling_too(rig: Rig, transports: list[str]) -> None:
    shop = await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop), shop, transports=transports)
    who = await visitor(rig, shop)
    chat = await chatting(console, shop, who)
    for n in range(3):
        await who.ask("SendMessage", text=f"v{n}")
    await ok(console, "chat:send", chat=chat, text="o")
    await eventually(partial(hears, console, chat, ["started", "message", "message", "message", "message"]))


async def test_messages_of_both_sides_come_in_one_order_without_gaps(rig: Rig) -> None:
    shop = await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop), shop)
    who = await visitor(rig, shop)
    chat = await chatting(console, shop, who)
    for n in range(4):
        await ok(console, "chat:send", chat=chat, text=f"o{n}")
        await who.ask("SendMessage", text=f"v{n}")
    await eventually(lambda: len(console.named("chat:event")) == 9)
    assert [event["seq"] for event in console.named("chat:event")] == list(range(2, 11))
    opened = await console.ask("chat:open", {"chat": chat})
    assert opened["events"][1:] == console.named("chat:event")
    assert (opened["site"], opened["visitor"], opened["more"]) == (shop.site, who.id, False)


async def test_transcript_is_read_in_parts(rig: Rig) -> None:
    shop = await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop), shop)
    who = await visitor(rig, shop)
    chat = await chatting(console, shop, who)
    for n in range(4):
        await ok(console, "chat:send", chat=chat, text=f"{n}")

    async def part(**fields: Any) -> tuple[list[int], bool]:
        answer = await console.ask("chat:open", {"chat": chat, **fields})
        return [event["seq"] for event in answer["events"]], answer["more"]

    assert await part() == ([1, 2, 3, 4, 5, 6], False)
    assert await part(limit=2) == ([5, 6], True)
    assert await part(before=5, limit=2) == ([3, 4], True)
    assert await part(before=1) == ([], False)
    assert await part(after=4) == ([5, 6], False)
    assert await part(after=4, limit=1) == ([5], True)
    assert await part(after=5, limit=1) == ([6], False)
    assert await part(after=6) == ([], False)
    assert (await console.ask("chat:open", {"chat": chat, "after": 1, "before": 3}))["error"]["code"] == "bad_request"


async def test_longest_lines_do_not_overflow_one_answer(rig: Rig) -> None:
    shop = await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop), shop)
    who = await visitor(rig, shop)
    chat = await chatting(console, shop, who)
    for _ in range(24):
        await who.ask("SendMessage", text="\u0001" * 4000)
    seen: list[int] = []
    more = True
    while more:
        answer = await console.ask("chat:open", {"chat": chat, "after": seen[-1] if seen else 0})
        seen += [event["seq"] for event in answer["events"]]
        more = answer["more"]
    assert seen == list(range(1, 27))
    last = await console.ask("chat:open", {"chat": chat})
    assert last["more"] is True
    assert last["events"][-1]["seq"] == 26


async def test_forward_reaches_the_colleague_who_takes_the_chat(rig: Rig) -> None:
    shop = await shop_with(rig)
    one, other, first, second = await two(rig, shop)
    who = await visitor(rig, shop)
    chat = await chatting(one, shop, who)
    assert (await refusal(one, "chat:forward", chat=chat, to={"operator": first}))["code"] == "self_forward"
    forwarded = await ok(one, "chat:forward", chat=chat, to={"operator": second}, note="Speaks German")
    assert forwarded["status"] == "forwarded"
    [offer] = await eventually(lambda: other.named("offer"))
    assert (offer["kind"], offer["chat"], offer["note"], offer["from"]["id"]) == (
        "forward",
        chat,
        "Speaks German",
        first,
    )
    assert one.named("offer") == []
    assert (await refusal(one, "offer:decline", offer=offer["offer"]))["code"] == "offer_expired"
    assert (await ok(other, "offer:accept", offer=offer["offer"]))["status"] == "chatting"
    [gone] = await eventually(lambda: other.named("offer:gone"))
    assert (gone["offer"], gone["reason"], gone["by"]["id"]) == (offer["offer"], "taken", second)
    await eventually(lambda: heard(one, chat)[-1] == "left")
    await ok(other, "chat:send", chat=chat, text="Guten Tag")
    assert (await refusal(one, "chat:send", chat=chat, text="Still me?"))["code"] == "not_in_chat"
    assert heard(one, chat) == ["started", "forwarded", "joined", "left"]


async def test_forward_is_declined_and_withdrawn(rig: Rig) -> None:
    shop = await shop_with(rig)
    one, other, _, second = await two(rig, shop)
    who = await visitor(rig, shop)
    chat = await chatting(one, shop, who)
    await ok(one, "chat:forward", chat=chat, to={"operator": second})
    [offer] = await eventually(lambda: other.named("offer"))
    assert (await ok(other, "offer:decline", offer=offer["offer"]))["status"] == "chatting"
    await ok(one, "chat:forward", chat=chat, to={"skill": "general"})
    assert (await refusal(other, "chat:withdraw_forward", chat=chat))["code"] == "not_owner"
    assert (await ok(one, "chat:withdraw_forward", chat=chat))["status"] == "chatting"
    await eventually(lambda: len(other.named("offer:gone")) == 2)
    for to in ({}, {"operator": second, "skill": "general"}):
        assert (await refusal(one, "chat:forward", chat=chat, to=to))["code"] == "bad_request"
    assert (await refusal(one, "chat:forward", chat=chat, to={"operator": "o_nobody"}))["code"] == "not_found"


async def test_conference_is_joined_on_invitation_and_left(rig: Rig) -> None:
    shop = await shop_with(rig)
    one, other, _, second = await two(rig, shop)
    who = await visitor(rig, shop)
    chat = await chatting(one, shop, who)
    assert (await refusal(one, "chat:leave", chat=chat))["code"] == "engaged"
    await ok(one, "chat:conference", chat=chat, operator=second)
    [offer] = await eventually(lambda: other.named("offer"))
    assert offer["kind"] == "conference"
    assert (await ok(other, "offer:accept", offer=offer["offer"]))["status"] == "conference"
    await ok(one, "chat:send", chat=chat, text="Both of us")
    await eventually(lambda: heard(other, chat) == ["joined", "message"])
    assert (await ok(other, "chat:leave", chat=chat))["status"] == "chatting"
    await ok(one, "chat:send", chat=chat, text="Alone again")
    await eventually(lambda: heard(one, chat)[-2:] == ["left", "message"])
    assert heard(other, chat) == ["joined", "message", "left"]


async def test_only_a_supervisor_joins_unasked(rig: Rig) -> None:
    shop = await shop_with(rig)
    one, other, _, _ = await two(rig, shop)
    chief = await at_work(rig, await rig.operator(shop, role="supervisor"), shop)
    who = await visitor(rig, shop)
    chat = await chatting(one, shop, who)
    refused = await refusal(other, "chat:join", chat=chat)
    assert (refused["code"], refused["message"]) == ("forbidden", "for supervisors only")
    assert (await ok(chief, "chat:join", chat=chat))["status"] == "conference"
    await who.ask("SendMessage", text="Who is that?")
    await eventually(lambda: heard(chief, chat) == ["joined", "message"])
    assert heard(other, chat) == []


async def test_kick_needs_a_reason_and_the_right_to_it(rig: Rig) -> None:
    shop = await shop_with(rig)
    one, other, _, _ = await two(rig, shop)
    who = await visitor(rig, shop)
    chat = await chatting(one, shop, who)
    assert (await refusal(one, "chat:kick", chat=chat, reason=""))["code"] == "bad_request"
    assert (await refusal(one, "chat:kick", chat=chat, reason="x" * 501))["code"] == "too_long"
    assert (await refusal(other, "chat:kick", chat=chat, reason="Rude"))["code"] == "not_owner"
    assert (await ok(one, "chat:kick", chat=chat, reason="Rude", ban_s=600))["status"] == "kicked"
    assert (await who.ask("RequestChat")).code == "banned"


async def test_end_succeeds_twice_and_only_for_who_is_in_it(rig: Rig) -> None:
    shop = await shop_with(rig)
    one, other, _, _ = await two(rig, shop)
    who = await visitor(rig, shop)
    chat = await chatting(one, shop, who)
    assert (await refusal(other, "chat:end", chat=chat))["code"] == "not_owner"
    for _ in range(2):
        assert (await ok(one, "chat:end", chat=chat))["status"] == "chat_end"
    await eventually(lambda: heard(one, chat) == ["started", "ended"])


async def test_marks_go_to_the_others_and_only_from_who_is_in_the_chat(rig: Rig) -> None:
    shop = await shop_with(rig)
    one, other, first, _ = await two(rig, shop)
    chief = await at_work(rig, await rig.operator(shop, role="supervisor"), shop)
    who = await visitor(rig, shop)
    chat = await chatting(one, shop, who)
    await ok(chief, "chat:join", chat=chat)
    assert await one.ask("chat:typing", {"chat": chat, "on": True}) == {"ok": True}
    assert await one.ask("chat:read", {"chat": chat, "seq": 2}) == {"ok": True}
    [typing] = await eventually(lambda: chief.named("chat:typing"))
    assert (typing["chat"], typing["by"]["id"], typing["on"]) == (chat, first, True)
    await eventually(lambda: [mark["seq"] for mark in chief.named("chat:read")] == [2])
    await eventually(lambda: [mark["seq"] for mark in one.named("chat:read")] == [2])
    assert one.named("chat:typing") == []
    for event, fields in (("chat:typing", {"on": True}), ("chat:read", {"seq": 1})):
        assert (await other.ask(event, {"chat": chat, **fields}))["error"]["code"] == "not_in_chat"


async def test_timeline_says_who_did_what_and_nothing_of_what_was_said(rig: Rig) -> None:
    shop = await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop), shop)
    who = await visitor(rig, shop)
    first = await chatting(console, shop, who)
    await ok(console, "chat:send", chat=first, text="Secret")
    await ok(console, "chat:end", chat=first)
    rig.clock.advance(1_000)
    await ok(console, "chat:invite", site=shop.site, visitor=who.id, text="Again?")
    seen = await console.ask("visitor:get", {"site": shop.site, "visitor": who.id})
    happened = [(line["type"], line["by"]["kind"]) for line in seen["timeline"]]
    assert happened == [
        ("invited", "operator"),
        ("ended", "operator"),
        ("started", "operator"),
        ("requested", "visitor"),
    ]
    assert not any("text" in line for line in seen["timeline"])
    second, before = seen["chats"]
    assert (before["chat"], before["why"], second.get("asked")) == (first, "default", None)
    assert [(one["why"], one["answer"]) for one in before["asked"]] == [("picked", "accepted")]


async def test_ids_of_others_tell_nothing(rig: Rig) -> None:
    shop, foreign = await shop_with(rig), await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop), shop)
    stranger = await at_work(rig, await rig.operator(foreign), foreign)
    who = await visitor(rig, shop)
    chat = await chatting(console, shop, who)
    for known in (chat, f"{shop.site}.{visitor_id(9)}.1.1"):
        for event in ("chat:open", "chat:send", "chat:end", "chat:kick", "chat:join", "chat:forward", "chat:leave"):
            fields: dict[str, Any] = {"chat": known}
            if event != "chat:open":
                fields["id"] = command_id()
            fields |= {"chat:send": {"text": "x"}, "chat:kick": {"reason": "x"}}.get(event, {})
            fields |= {"to": {"skill": "general"}} if event == "chat:forward" else {}
            assert (await stranger.ask(event, fields))["error"]["code"] == "forbidden", event
    assert (await refusal(stranger, "chat:accept", site=shop.site, visitor=who.id))["code"] == "forbidden"
    assert (await refusal(stranger, "offer:accept", offer=f"{shop.site}.{who.id}.o1.1"))["code"] == "forbidden"
    for unknown in (f"{shop.site}.{who.id}.1.1", f"{shop.site}.{visitor_id(9)}.1.1"):
        assert (await console.ask("chat:open", {"chat": unknown}))["error"]["code"] == "not_found"
        assert (await refusal(console, "chat:send", chat=unknown, text="x"))["code"] == "not_found"
    for nonsense in ("x", "a.b.c.d", f"{shop.site}..1.1", f"{shop.site}.*.1.1"):
        assert (await console.ask("chat:open", {"chat": nonsense}))["error"]["code"] in ("not_found", "forbidden")
    assert (await refusal(console, "chat:invite", site=shop.site, visitor=visitor_id(9)))["code"] == "not_found"
    assert stranger.named("chat:event") == []


async def test_texts_have_limits_and_requests_have_shapes(rig: Rig) -> None:
    shop = await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop), shop)
    who = await visitor(rig, shop)
    chat = await chatting(console, shop, who)
    assert (await refusal(console, "chat:send", chat=chat, text="\U0001f600" * 4001))["code"] == "too_long"
    await ok(console, "chat:send", chat=chat, text="\U0001f600" * 4000)
    for fields in ({"text": ""}, {"text": 7}, {}, {"text": "x", "more": 1}):
        assert (await refusal(console, "chat:send", chat=chat, **fields))["code"] == "bad_request"
    assert (await console.ask("chat:send", {"chat": chat, "text": "no id"}))["error"]["code"] == "bad_request"


async def test_lost_right_silences_the_chat_at_once(rig: Rig) -> None:
    shop, other_shop = await shop_with(rig), await shop_with(rig)
    operator = await rig.operator(shop, other_shop)
    console = await at_work(rig, operator, shop)
    chief = await at_work(rig, await rig.operator(shop, role="supervisor"), shop)
    who = await visitor(rig, shop)
    chat = await chatting(console, shop, who)
    await ok(chief, "chat:join", chat=chat)
    left = (Membership(site=other_shop.site),)
    await rig.store.update_operator(operator.operator, lambda old: type(old)(**{**_fields(old), "memberships": left}))
    await rig.seen()
    await eventually(lambda: len(console.named("ready")) == 2)
    before = len(console.named("chat:event"))
    await who.ask("SendMessage", text="Are you there?")
    await eventually(lambda: heard(chief, chat)[-1] == "message")
    assert (await console.ask("chat:open", {"chat": chat}))["error"]["code"] == "forbidden"
    assert len(console.named("chat:event")) == before


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}
