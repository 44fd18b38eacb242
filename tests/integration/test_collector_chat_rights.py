"""Nobody but the visitor itself can read, write or learn of its chat: every call with every wrong proof."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.collector.domain.tokens import VisitorTokens
from shared.contracts.chat import ChatMarked, CommandDone, StatusChanged
from shared.contracts.streams import decode_cmd
from shared.storage import keys
from shared.storage.blocks import payloads_in
from shared.storage.clients import Clients
from tests.collector_rig import SITE, batch, event, make_site, new_id
from tests.visitor_chat_rig import HERE, ChatRig, chat_rig

OTHER_SITE = "s_00000002"
TEXT = "Zebra-in-the-garden"
MESSAGES: list[dict[str, Any]] = [
    {"type": "chat.request", "name": "Eve"},
    {"type": "chat.cancel"},
    {"type": "invite.accept", "name": "Eve"},
    {"type": "invite.decline"},
    {"type": "chat.end"},
    {"type": "chat.send", "text": "hi"},
    {"type": "chat.typing", "on": True},
    {"type": "chat.read", "seq": 1},
    {"type": "chat.rate", "score": 1},
    {"type": "chat.transcript", "email": "eve@example.org"},
    {"type": "offline.send", "name": "Eve", "email": "eve@example.org", "text": "hi"},
    {"type": "offline.close"},
]


@pytest.fixture
async def rig(clients: Clients, redis_url: str) -> AsyncIterator[ChatRig]:
    async with chat_rig(clients, redis_url) as running:
        await make_site(clients, site=OTHER_SITE)
        await running.connect()
        yield running


@pytest.fixture
async def victim(rig: ChatRig) -> AsyncIterator[str]:
    """A visitor in the middle of a chat."""
    async with rig.tab() as tab:
        await rig.chatting(tab, text=TEXT)
        yield tab.visitor


def wrong_tokens(rig: ChatRig, victim: str) -> dict[str, Any]:
    """Everything that somebody may try who knows the victim's id."""
    token = rig.collector.token(victim)
    return {
        "missing": None,
        "swapped": rig.collector.token(new_id()),
        "of the other site": rig.collector.token(victim, OTHER_SITE),
        "of another secret": VisitorTokens("x" * 64).mint(SITE, victim),
        "forged": "v1." + "A" * 43,
        "cut": token[:-1],
        "longer": token + "A",
        "empty": "",
        "its id": victim,
        "other version": token.replace("v1.", "v2."),
    }


async def commands(rig: ChatRig, victim: str) -> int:
    """How many commands and marks chat-routing has dealt with, one of ours at the end, which comes after all others."""
    await rig.operator("SendMessage", victim, text="Still there?")
    return sum(isinstance(one, CommandDone | ChatMarked) for one in await rig.outcomes())


async def test_no_call_over_http_is_heard_without_the_token(rig: ChatRig, victim: str) -> None:
    before = await commands(rig, victim)
    for token in wrong_tokens(rig, victim).values():
        fields = {"Authorization": f"Bearer {token}"} if token is not None else {}
        for message in MESSAGES:
            body = {"site": SITE, "visitor": victim, "id": "x", **message}
            answer = await rig.collector.post(body, fields, "/v1/chat")
            assert (answer.status, answer.json["code"]) in {(403, "token"), (403, "token_required")}
        hear = await rig.collector.request("GET", f"/v1/chat?site={SITE}&visitor={victim}&after=0&wait=0", fields)
        assert (hear.status, hear.json["code"]) in {(403, "token"), (403, "token_required")}
        assert TEXT not in hear.body.decode()
    assert await commands(rig, victim) == before + 1  # ours


@pytest.mark.parametrize("loose", [None, 0, 1, True, False, [], {}, ["v1"], {"v": 1}])
async def test_loosely_typed_ids_and_tokens_are_errors(rig: ChatRig, victim: str, loose: Any) -> None:
    before = await commands(rig, victim)
    token = rig.collector.token(victim)
    good = {"site": SITE, "visitor": victim, "token": token, "id": "x", "type": "chat.send", "text": "hi"}
    for name in ("site", "visitor", "token", "id", "type", "text", "chat"):
        answer = await rig.collector.post({**good, name: loose}, path="/v1/chat")
        assert answer.status == 422, (name, answer.json)
    async with rig.collector.live() as channel:
        for name in ("visitor", "token"):
            hello = await channel.hello(**{"visitor": victim, "token": token, name: loose})
            assert hello["type"] == "error"
    assert await commands(rig, victim) == before + 1  # ours


async def test_no_channel_hears_or_says_anything_without_the_token(rig: ChatRig, victim: str) -> None:
    before = await commands(rig, victim)
    for token in wrong_tokens(rig, victim).values():
        async with rig.collector.live() as channel:
            proof = {} if token is None else {"token": token}
            hello = await channel.hello(visitor=victim, after=0, **proof)
            if token is not None:
                assert (hello["type"], hello["code"]) == ("error", "token")
                for n, message in enumerate(MESSAGES[:4]):
                    assert (await channel.ask({"id": f"{n}", **message}))["code"] == "hello_first"
                continue
            # Its events may be counted, but it is told nothing: neither a token nor that there is a chat.
            assert hello == {"type": "ok", "id": "h", "visitor": victim, "status": "navigating"}
            for message in MESSAGES:
                assert (await channel.ask({"id": "x", **message}))["code"] == "token_required"
            await rig.operator("SendMessage", victim, text=TEXT)
            await channel.send({"type": "events", "id": "e", "sent": 1, "events": [event()]})
            assert (await channel.next())["id"] == "e"  # and nothing before it
    assert await commands(rig, victim) == before + 2  # ours


async def test_a_visitor_cannot_name_the_chat_of_another(rig: ChatRig, victim: str) -> None:
    """Right token, but the chat, or the visitor in the message, is somebody else's."""
    async with rig.tab() as eve:
        mine = await rig.chatting(eve)
        theirs = next(
            one.chat for one in await rig.outcomes() if isinstance(one, StatusChanged) and one.visitor == victim
        )
        for message in MESSAGES:
            if message["type"] in ("chat.typing", "chat.read"):
                continue  # never refused, and not passed on
            fields = {**without_type(message), "chat": theirs}
            assert (await eve.say(message["type"], **fields))["code"] == "not_found"
        async with rig.tab(eve.visitor, after=0, chat=theirs) as back:
            assert {e["chat"] for e in await back.lines(2)} == {mine}
        token = {"Authorization": f"Bearer {eve.token}"}
        path = f"/v1/chat?site={SITE}&visitor={eve.visitor}&after=0&chat={theirs}&wait=0"
        answer = await rig.collector.request("GET", path, token)
        assert TEXT not in answer.body.decode()
        assert answer.json["chat"] == mine
        # A message that claims to be from somebody else is from whoever holds the token.
        said = await eve.say("chat.send", text="mine", visitor=victim, by={"kind": "operator", "id": "o_1"})
        assert said["chat"] == mine


def without_type(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "type"}


async def test_who_asked_for_a_chat_is_told_no_token_again(rig: ChatRig) -> None:
    """At first contact an id without a token gets one; not any more once there is a chat to be read with it."""
    visitor = new_id()
    async with rig.collector.live() as channel:
        hello = await channel.hello(visitor=visitor)
        assert hello["token"]
        answer = await channel.ask({"type": "chat.request", "id": "r", "name": "Vera"})
        while answer.get("id") != "r":
            answer = await channel.next()
        assert answer["type"] == "ok"
    async with rig.collector.live() as channel:
        assert "token" not in await channel.hello(visitor=visitor)
    assert (await rig.collector.post(batch(visitor=visitor))).status == 204


async def test_other_origins_and_sites_are_refused(rig: ChatRig, victim: str) -> None:
    token = {"Authorization": f"Bearer {rig.collector.token(victim)}"}
    body = {"site": SITE, "visitor": victim, "id": "x", "type": "chat.end"}
    for origin in ("https://evil.example", "null", "https://shop.example.evil.example", "http://shop.example"):
        answer = await rig.collector.post(body, {**token, "Origin": origin}, "/v1/chat")
        assert (answer.status, answer.json["code"]) == (403, "forbidden")
    answer = await rig.collector.post({**body, "site": OTHER_SITE}, token, "/v1/chat")
    assert (answer.status, answer.json["code"]) == (403, "token")
    assert (await rig.collector.post({**body, "site": "s_nobody"}, token, "/v1/chat")).status == 404


async def test_what_reaches_the_stream_is_from_the_visitor_of_the_token(rig: ChatRig, victim: str) -> None:
    token = rig.collector.token(victim)
    async with rig.collector.live() as channel:
        await channel.hello(visitor=victim.upper(), token=token)
        await channel.send(json.dumps({"type": "chat.send", "id": "z", "text": "hi", "site": OTHER_SITE}))
        answer = await channel.next()
        while answer.get("id") != "z":
            answer = await channel.next()
        assert answer["type"] == "ok"
    found = await rig.clients.call("XRANGE", keys.stream("cmd", HERE), "-", "+")
    entries = [decode_cmd(payload) for _, fields in found for payload in payloads_in(fields)]
    assert all(getattr(entry, "visitor", victim) == victim for entry in entries)
