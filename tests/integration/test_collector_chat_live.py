"""A visitor's chat over live channels: real chat-routing, real Valkey, real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.contracts.chat import OfflineMessageLeft
from shared.contracts.streams import VisitorNamed
from shared.storage.clients import Clients
from tests.collector_rig import batch, collector, event, new_id
from tests.visitor_chat_rig import ADA, ChatRig, chat_rig


@pytest.fixture
async def rig(clients: Clients, redis_url: str) -> AsyncIterator[ChatRig]:
    async with chat_rig(clients, redis_url) as running:
        await running.connect()
        yield running


async def test_a_chat_from_request_to_rating(rig: ChatRig) -> None:
    async with rig.tab() as tab:
        chat = await rig.chatting(tab, text="Hello?")
        said = await tab.say("chat.send", text="Are you there?", id="m1")
        assert (said["type"], said["chat"]) == ("ok", chat)
        await rig.operator("SendMessage", tab.visitor, text="Yes.")
        await tab.read(lambda: [e for e in tab.events() if e.get("text") == "Yes."])
        assert (await tab.say("chat.end"))["status"] == "chat_end"
        assert (await tab.say("chat.rate", score=5, comment="Kind"))["type"] == "ok"
        events = await tab.lines(6)
        assert [e["type"] for e in events] == ["requested", "started", "message", "message", "ended", "rated"]
        assert [e["seq"] for e in events] == list(range(1, 7))
        assert (events[2]["id"], events[2]["by"]["kind"]) == ("m1", "visitor")
        assert events[3]["by"] == {"kind": "operator", "id": ADA, "name": ADA.title()}


async def test_the_name_given_is_told_to_presence(rig: ChatRig) -> None:
    async with rig.tab() as tab:
        await tab.say("chat.request", name=" Vera \n Noir ")
    [named] = [entry for entry in await rig.collector.entries() if isinstance(entry, VisitorNamed)]
    assert (named.visitor, named.name) == (tab.visitor, "Vera Noir")


async def test_a_waiting_visitor_hears_its_place_also_after_coming_back(rig: ChatRig) -> None:
    async with rig.tab() as first, rig.tab() as second:
        await first.say("chat.request", name="One")
        await second.say("chat.request", name="Two")
        assert (await second.read(lambda: [s for s in second.of("status") if "position" in s]))[0]["position"] == 2
        async with rig.tab(second.visitor) as again:
            assert (again.answers["h"]["status"], "chat" in again.answers["h"]) == ("requested", True)
            assert (await again.status("requested"))["position"] == 2
        await first.say("chat.cancel")
        await second.read(lambda: [s for s in second.of("status") if s.get("position") == 1])


async def test_an_invitation_reaches_every_tab_and_ends_in_all(rig: ChatRig) -> None:
    visitor = new_id()
    await rig.collector.known(visitor, 1)
    async with rig.tab(visitor) as one, rig.tab(visitor) as two:
        await rig.operator("InviteVisitor", visitor, text="May I help?")
        [invite] = await one.read(lambda: one.of("invite"))
        assert (invite["text"], invite["operator"]["id"]) == ("May I help?", ADA)
        assert await two.read(lambda: two.of("invite")) == [invite]
        async with rig.tab(visitor) as late:
            assert await late.read(lambda: late.of("invite")) == [invite]
            await late.status("invited")
        assert (await one.say("invite.accept", name="Vera"))["status"] == "accepted"
        await two.read(lambda: two.of("invite.gone"))
        await two.status("accepted")


async def test_a_beacon_brings_the_invitation_where_there_is_no_channel(rig: ChatRig) -> None:
    visitor = new_id()
    await rig.collector.known(visitor, 1)
    token = rig.collector.token(visitor)
    assert (await rig.collector.post(batch(event(), visitor=visitor, token=token))).status == 204
    await rig.operator("InviteVisitor", visitor, text="May I help?")
    beat = batch(event("beat", 2), visitor=visitor, token=token)

    async def invited() -> bool:
        answer = await rig.collector.post(beat)
        return answer.status == 200 and [c["type"] for c in answer.json["commands"]] == ["invite"]

    for _ in range(200):
        if await invited():
            break
        await asyncio.sleep(0.01)
    assert await invited()
    # Somebody who only knows the visitor's id hears nothing of it.
    assert (await rig.collector.post(batch(event(), visitor=visitor))).status == 204
    await rig.operator("WithdrawInvite", visitor)
    for _ in range(200):
        if not await invited_status(rig, beat):
            break
        await asyncio.sleep(0.01)
    assert not await invited_status(rig, beat)


async def invited_status(rig: ChatRig, body: dict[str, object]) -> bool:
    return (await rig.collector.post(body)).status == 200


async def test_messages_sent_five_times_over_two_connections_appear_once(rig: ChatRig) -> None:
    async with rig.tab() as one:
        await rig.chatting(one)
        async with rig.tab(one.visitor) as two:
            for n in range(20):
                for tab in (one, two, one, two, one):
                    await tab.client.send({"type": "chat.send", "id": f"m{n}", "text": f"text {n}"})
            ids = {f"m{n}" for n in range(20)}
            await one.read(lambda: ids <= one.answers.keys())
            await two.read(lambda: ids <= two.answers.keys())
            assert {one.answers[i]["seq"] for i in ids} == {two.answers[i]["seq"] for i in ids} == set(range(3, 23))
            for tab in (one, two):
                texts = [e["text"] for e in await tab.lines(22) if e["type"] == "message"]
                assert texts == [f"text {n}" for n in range(20)]
            await rig.operator("SendMessage", one.visitor, text="last")
            assert len(await one.lines(23)) == 23


async def test_a_visitor_who_was_cut_off_gets_everything_once_and_in_order(rig: ChatRig, redis_url: str) -> None:
    """Also on another collector, and while more is being said."""
    async with rig.tab() as tab:
        chat = await rig.chatting(tab)
        await tab.lines(2)
    sent = 250  # more than two pages of the transcript
    sending = asyncio.create_task(say_much(rig, tab.visitor, sent))
    async with collector(rig.clients, redis_url) as other:
        seen = [e["seq"] for e in tab.events()]
        for _ in range(4):
            async with rig.tab(tab.visitor, other, after=seen[-1], chat=chat) as back:
                assert back.answers["h"]["chat"] == chat
                fresh = await back.lines(min(60, sent + 2 - seen[-1])) if seen[-1] < sent + 2 else []
                seen += [e["seq"] for e in fresh]
        await sending
        async with rig.tab(tab.visitor, other, after=seen[-1]) as back:
            seen += [e["seq"] for e in await back.lines(sent + 2 - seen[-1])]
    assert seen == list(range(1, sent + 3))


async def say_much(rig: ChatRig, visitor: str, count: int) -> None:
    for n in range(count // 10):
        await asyncio.gather(*(rig.operator("SendMessage", visitor, text=f"{n}.{i}") for i in range(10)))


async def test_an_after_of_another_chat_counts_as_none(rig: ChatRig) -> None:
    async with rig.tab() as tab:
        first = await rig.chatting(tab)
        await tab.say("chat.end")
        second = await rig.chatting(tab)
        async with rig.tab(tab.visitor, after=2, chat=first) as back:
            assert [e["seq"] for e in await back.lines(2)] == [1, 2]
            assert {e["chat"] for e in back.events()} == {second}
        async with rig.tab(tab.visitor, after=99) as back:
            assert [e["seq"] for e in await back.lines(2)] == [1, 2]


async def test_typing_and_read_marks_are_passed_on(rig: ChatRig) -> None:
    async with rig.tab() as tab:
        chat = await rig.chatting(tab)
        async with rig.tab(tab.visitor, after=2) as other:
            await other.status("chatting")
            assert (await tab.say("chat.typing", on=True, preview="secret"))["type"] == "ok"
            assert (await tab.say("chat.read", seq=2))["type"] == "ok"
            [read] = await other.read(lambda: other.of("chat.read"))
            assert (read["chat"], read["seq"], read["by"]["kind"]) == (chat, 2, "visitor")
            await rig.tell_typing(tab.visitor)
            [typing] = await other.read(lambda: other.of("chat.typing"))
            assert (typing["on"], typing["by"]["id"]) == (True, ADA)  # and not the visitor's own
        marks = [one for one in await rig.outcomes() if type(one).__name__ == "ChatMarked"]
        assert all(mark.preview == "" for mark in marks)  # the site does not want it
        assert (await tab.say("chat.send", text="x"))["seq"] == 3


async def test_an_offline_message_is_stored_whether_or_not_there_was_a_request(rig: ChatRig) -> None:
    form = {"name": "Vera", "email": "vera@example.org", "text": "Please call"}
    async with rig.tab() as tab:
        for _ in range(3):
            assert (await tab.say("offline.send", id="f1", **form))["type"] == "ok"
    left = [one for one in await rig.outcomes() if isinstance(one, OfflineMessageLeft)]
    assert [(one.name, one.email, one.text, one.visitor) for one in left] == [(*form.values(), tab.visitor)]


async def test_refusals_name_the_present_state(rig: ChatRig) -> None:
    async with rig.tab() as tab:
        answer = await tab.say("chat.send", text="hello")
        assert (answer["code"], answer["current"]) == ("not_in_chat", "navigating")
        assert (await tab.say("invite.accept", name="V"))["code"] == "offer_expired"
        assert (await tab.say("chat.rate", score=5))["code"] == "not_in_chat"


async def test_4000_code_points_fit_in_any_spelling_and_4001_do_not(rig: ChatRig) -> None:
    async with rig.tab() as tab:
        await rig.chatting(tab)
        for text in ("\U0001f600" * 4000, "\u00e9" * 4000, "x"):
            assert (await tab.say("chat.send", text=text))["type"] == "ok"
        for _ in range(6):  # a person's mistake never ends the channel
            assert (await tab.say("chat.send", text="x" * 4001))["code"] == "too_long"
            assert (await tab.say("chat.send", text=""))["code"] == "invalid"
        assert (await tab.lines(5))[2]["text"] == "\U0001f600" * 4000
