"""Every call about chats that a visitor can make, made by somebody else: nothing is done, heard or learned.

The calls are taken from the contract (:data:`VisitorMessage`, and the collector's document), so that a new one without
a place in these tables fails here.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, get_args

import msgspec
import pytest

from services.collector.openapi import document
from shared.contracts.chat import ChatMarked, StatusChanged
from shared.contracts.tracking import Hello
from shared.contracts.visitor_chat import Speaker, VisitorMessage
from shared.storage.clients import Clients
from tests.collector_rig import SITE, batch, event, make_site, new_id
from tests.integration.test_collector_chat_rights import MESSAGES, OTHER_SITE, commands, wrong_tokens
from tests.visitor_chat_rig import ChatRig, chat_rig

TEXT = "Zebra-in-the-garden"
LOOSE: list[Any] = [None, 0, 1, -1, 1.5, True, False, "", [], {}, ["v1"], {"v": 1}, "\0", "x" * 70_000]
BY_TAG: dict[str, Any] = {kind.__struct_config__.tag: kind for kind in get_args(VisitorMessage)}
# The collector's paths: what a token is for, and what knows nothing of visitors.
WITH_TOKEN = {("post", path) for path in ("/v1/e", "/v1/chat", "/v1/forget")}
WITH_TOKEN |= {("get", path) for path in ("/v1/e.gif", "/v1/chat", "/v1/live")}
WITHOUT = {("get", path) for path in ("/t/v1.js", "/t/{version}/t.js", "/t/versions.json", "/t/widgets.json")}
WITHOUT |= {("get", "/v1/site")}


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


async def chat_of(rig: ChatRig, visitor: str) -> str:
    changes = [one for one in await rig.outcomes() if isinstance(one, StatusChanged) and one.visitor == visitor]
    return changes[-1].chat


def test_every_message_of_the_contract_is_tried() -> None:
    assert sorted(message["type"] for message in MESSAGES) == sorted(BY_TAG)
    for message in MESSAGES:
        msgspec.convert({"id": "x", **message}, VisitorMessage)  # and is a valid one


def test_every_path_is_known_here() -> None:
    paths = json.loads(document())["paths"]
    assert {(method, path) for path, calls in paths.items() for method in calls} == WITH_TOKEN | WITHOUT


def bad_fields(message: dict[str, Any], kind: Any) -> list[dict[str, Any]]:
    """The message with each field in turn of each wrong kind; without those that are right by the contract."""
    tried = []
    for field in msgspec.structs.fields(kind):
        for loose in LOOSE:
            body = {**message, field.encode_name: loose}
            try:
                msgspec.convert(body, kind)
            except msgspec.ValidationError:
                tried.append(body)
    return tried


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["type"])
async def test_no_field_of_a_message_is_taken_loosely(rig: ChatRig, victim: str, message: dict[str, Any]) -> None:
    before = await commands(rig, victim)
    token = rig.collector.token(victim)
    full = {"id": "x", **message}
    bad = bad_fields(full, BY_TAG[message["type"]])
    speaker = {"site": SITE, "visitor": victim, "token": token}
    bad += [{**full, "type": loose} for loose in LOOSE]
    for body in bad:
        answer = await rig.collector.post({**speaker, **body}, path="/v1/chat")
        assert answer.status in (400, 413, 422), (body, answer.json)
    for wrong in bad_fields(speaker, Speaker):
        answer = await rig.collector.post({**full, **wrong}, path="/v1/chat")
        assert answer.status in (400, 413, 422), (wrong, answer.json)
    for body in bad:
        if len(json.dumps(body)) > 60_000:
            continue  # closes the channel
        async with rig.collector.live() as channel:
            await channel.hello(visitor=victim, token=token)
            await channel.send(body)
            while (answer_ := await channel.next())["type"] not in ("ok", "error"):
                pass
            assert answer_["type"] == "error", (body, answer_)
    assert await commands(rig, victim) == before + 1  # ours


async def test_no_field_of_hello_is_taken_loosely(rig: ChatRig, victim: str) -> None:
    good = {"site": SITE, "tab": new_id(), "visitor": victim, "token": rig.collector.token(victim), "after": 0}
    for body in bad_fields({"id": "h", **good}, Hello):
        if len(json.dumps(body)) > 60_000:
            continue
        async with rig.collector.live() as channel:
            answer = await channel.ask({"type": "hello", **body})
            assert answer["type"] == "error", (body, answer)
            assert TEXT not in json.dumps(answer)


async def test_no_part_of_an_address_is_taken_loosely(rig: ChatRig, victim: str) -> None:
    token = {"Authorization": f"Bearer {rig.collector.token(victim)}"}
    good = {"site": SITE, "visitor": victim, "after": "0", "wait": "0"}
    wrong: dict[str, list[str]] = {
        "site": ["", "0", "null", "[]", OTHER_SITE, "s_nobody", SITE.upper(), f"{SITE}%00"],
        "visitor": ["", "0", "null", "[]", "{}", new_id(), f"{victim}%0A", victim[:-1], "*"],
        "after": ["", "null", "-1", "1.5", "[]", "true", "0x1", "9" * 30],
        "wait": ["", "null", "-1", "26", "1.5", "[]"],
        "cursor": ["x" * 65],
        "chat": ["x" * 129],
    }
    for name, values in wrong.items():
        for value in [*values, *([None] if name in ("site", "visitor") else [])]:
            query = "&".join(f"{key}={part}" for key, part in {**good, name: value}.items() if part is not None)
            answer = await rig.collector.request("GET", f"/v1/chat?{query}", token)
            assert answer.status in (403, 404, 422), (name, value, answer.status)
            assert TEXT not in answer.body.decode()


async def test_events_and_forgetting_need_the_visitors_own_token(rig: ChatRig, victim: str) -> None:
    """The other calls that take a token: they must not tell that there is a chat, nor end it."""
    before = await commands(rig, victim)
    for name, token in wrong_tokens(rig, victim).items():
        if token is None:
            continue  # events without any proof may be counted: see below
        told = await rig.collector.post(batch(visitor=victim, token=token))
        assert told.status in (403, 422), (name, told.status)
        gone = await rig.collector.post({"site": SITE, "visitor": victim, "token": token}, path="/v1/forget")
        assert gone.status in (403, 422), (name, gone.status)
    assert (await rig.collector.post({"site": SITE, "visitor": victim}, path="/v1/forget")).status in (403, 422)
    counted = await rig.collector.post(batch(event(), visitor=victim))
    assert (counted.status, counted.body) == (204, b"")
    assert await commands(rig, victim) == before + 1  # ours


async def test_a_chat_of_another_is_answered_like_one_that_never_was(rig: ChatRig, victim: str) -> None:
    """Right token, somebody else's chat: neither done nor different from a chat that does not exist."""
    theirs = await chat_of(rig, victim)
    async with rig.tab() as eve:
        await rig.chatting(eve)
        mine = await chat_of(rig, eve.visitor)
        unknown = [f"{SITE}.{new_id()}.1.1", f"{SITE}.{victim}.1.1", "x", theirs[:-1], mine.replace(SITE, OTHER_SITE)]
        for message in MESSAGES:
            fields = {name: value for name, value in message.items() if name != "type"}
            answers = [await eve.say(message["type"], **fields, chat=chat) for chat in (theirs, *unknown)]
            known = [{name: value for name, value in one.items() if name != "id"} for one in answers]
            assert all(one == known[0] for one in known), known
            assert known[0].get("code", "ok") == ("ok" if message["type"] in MARKS else "not_found")
        token = {"Authorization": f"Bearer {eve.token}"}
        heard = []
        for chat in (theirs, *unknown):
            path = f"/v1/chat?site={SITE}&visitor={eve.visitor}&after=0&chat={chat}&wait=0"
            answer = await rig.collector.request("GET", path, token)
            assert TEXT not in answer.body.decode()
            heard.append(answer.json)
        assert all(one == heard[0] for one in heard)
    marked = [one for one in await rig.outcomes() if isinstance(one, ChatMarked)]
    assert [one for one in marked if one.visitor != eve.visitor or one.chat != mine] == []


MARKS = ("chat.typing", "chat.read")  # never refused: without effect if there is no such chat
