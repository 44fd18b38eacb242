"""A visitor without an identifier (Global Privacy Control) chats: known by its tab, proven by the tab's own token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.storage.clients import Clients
from tests.collector_rig import SITE, Answer, CollectorRig, batch, collector, make_site, new_id
from tests.eventually import eventually
from tests.visitor_chat_rig import ChatRig, Tab, chat_rig


@pytest.fixture
async def rig(clients: Clients, redis_url: str) -> AsyncIterator[ChatRig]:
    async with chat_rig(clients, redis_url) as running:
        await running.connect()
        yield running


@asynccontextmanager
async def nameless(rig: ChatRig, tab: str, **fields: Any) -> AsyncIterator[Tab]:
    """A channel of a tab that names no visitor."""
    async with rig.collector.live() as client:
        opened = Tab(client, tab, "")
        hello = await opened.told("hello", site=SITE, tab=tab, **fields)
        opened.answers = {"h": hello}
        assert hello["type"] == "ok", hello
        opened.token = hello.get("token", "")
        yield opened


async def asked(tab: Tab) -> str:
    """Ask for a chat; its id."""
    answer = await tab.told("chat.request", name="Vera")
    assert (answer["type"], answer["status"]) == ("ok", "requested"), answer
    return str(answer["chat"])


async def test_a_chat_without_an_identifier_survives_a_page_change_in_its_tab(rig: ChatRig) -> None:
    ident = new_id()
    async with nameless(rig, ident) as tab:
        chat = await asked(tab)
        assert (await rig.operator("AcceptRequest", ident)).code is None
        await tab.status("chatting")
        assert (await tab.told("chat.send", text="One"))["type"] == "ok"
        token = tab.token
    async with nameless(rig, ident, token=token) as page:
        assert page.token == token
        assert (page.answers["h"]["status"], page.answers["h"]["chat"]) == ("chatting", chat)
        lines = await page.lines(3)
        assert [line.get("text") for line in lines if line["type"] == "message"] == ["One"]
        assert (await page.told("chat.send", text="Two"))["type"] == "ok"


async def posted(rig: ChatRig, body: Any, headers: dict[str, str] | None = None) -> Answer:
    """`POST /v1/chat`, again while it is asked for."""

    async def final() -> Answer | None:
        answer = await rig.collector.post(body, headers, "/v1/chat")
        return None if answer.status == 503 else answer

    found: Answer = await eventually(final)
    return found


async def test_a_token_fits_its_tab_alone(rig: ChatRig) -> None:
    async with nameless(rig, new_id()) as tab:
        token = tab.token
    other = {"site": SITE, "tab": new_id(), "token": token, "type": "chat.send", "id": "x", "text": "hi"}
    assert (await posted(rig, other)).json["code"] == "token"
    assert (await rig.collector.post(batch(tab=new_id(), token=token))).json["code"] == "token"
    assert (await rig.collector.post(batch(tab=tab.visitor, token=token))).status == 204


async def test_a_beacon_is_told_no_token(rig: ChatRig) -> None:
    assert (await rig.collector.post(batch())).status == 204


async def test_without_websocket_asking_brings_the_token_and_the_tab_hears_over_http(rig: ChatRig) -> None:
    who = {"site": SITE, "tab": new_id()}
    answer = await posted(rig, {**who, "type": "chat.request", "id": "r", "name": "Vera"})
    assert (answer.status, answer.json["status"]) == (200, "requested"), answer.json
    fields = {"Authorization": f"Bearer {answer.json['token']}"}
    sent = await posted(rig, {**who, "type": "chat.send", "id": "s", "text": "Help"}, fields)
    assert (sent.json["type"], "token" in sent.json) == ("ok", False)
    for visitor in ("", "&visitor="):
        path = f"/v1/chat?site={SITE}&tab={who['tab']}{visitor}&after=0&wait=0"
        heard = (await rig.collector.request("GET", path, fields)).json
        assert heard["status"] == "requested"
        assert [m["event"].get("text") for m in heard["messages"] if m["type"] == "chat.event"] == [None, "Help"]
    # Whoever only knows the tab gets nothing.
    thief = await posted(rig, {**who, "type": "chat.send", "id": "t", "text": "hi"})
    assert (thief.status, thief.json["code"]) == (403, "token_required")
    listening = await rig.collector.request("GET", f"/v1/chat?site={SITE}&tab={who['tab']}&wait=0")
    assert (listening.status, listening.json["code"]) == (403, "token_required")


async def test_somebody_must_be_named(rig: ChatRig) -> None:
    token = rig.collector.token(new_id())
    said = await rig.collector.post({"site": SITE, "token": token, "type": "chat.end", "id": "x"}, path="/v1/chat")
    assert (said.status, said.json["errors"]) == (422, [{"pointer": "/visitor", "code": "required"}])
    heard = await rig.collector.request("GET", f"/v1/chat?site={SITE}&wait=0", {"Authorization": f"Bearer {token}"})
    assert (heard.status, heard.json["errors"]) == (422, [{"pointer": "/visitor", "code": "required"}])


async def test_who_only_knows_the_tab_is_told_no_token_once_it_has_asked(rig: ChatRig) -> None:
    ident = new_id()
    async with nameless(rig, ident) as tab:
        await asked(tab)
        async with nameless(rig, ident) as thief:
            assert (thief.token, "chat" in thief.answers["h"], thief.answers["h"]["status"]) == (
                "",
                False,
                "navigating",
            )
            assert (await thief.told("chat.send", text="hi"))["code"] == "token_required"


async def greeted(rig: CollectorRig, **fields: Any) -> Any:
    """The answer to a hello on a channel of its own, once it is final."""
    async with rig.live() as channel:

        async def final() -> Any:
            answer = await channel.hello(**fields)
            return None if answer.get("code") == "unavailable" else answer

        return await eventually(final)


async def test_a_network_that_invents_tabs_gets_no_tokens_any_more(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    async with collector(clients, redis_url, remembered_per_day=1, remembered_burst=2) as rig:
        tokens = ["token" in await greeted(rig, tab=new_id()) for _ in range(4)]
        assert tokens == [True, True, False, False]
        # Nameless tabs have a measure of their own: visitors with an identifier are still remembered.
        assert "token" in await greeted(rig, visitor=new_id())
