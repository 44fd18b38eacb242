"""The chat without WebSocket, and what a page may know of its site."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.contracts.sites import Site, SiteSettings, Skill, WidgetSettings
from shared.storage.clients import Clients
from tests.collector_rig import SITE, Answer, new_id
from tests.eventually import eventually
from tests.visitor_chat_rig import ADA, ChatRig, chat_rig


@pytest.fixture
async def rig(clients: Clients, redis_url: str) -> AsyncIterator[ChatRig]:
    async with chat_rig(clients, redis_url) as running:
        await running.connect()
        yield running


class Browser:
    """A visitor whose browser has no WebSocket."""

    def __init__(self, rig: ChatRig) -> None:
        self.visitor = new_id()
        self.rig = rig
        self.count = 0
        self.cursor = ""
        self.seq = 0
        self.heard: list[Any] = []

    @property
    def proof(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.rig.collector.token(self.visitor)}"}

    async def say(self, kind: str, **fields: Any) -> Any:
        self.count += 1
        body = {"site": SITE, "visitor": self.visitor, "tab": new_id(), "type": kind, "id": f"b{self.count}", **fields}
        answer = await self.rig.collector.post(body, self.proof, "/v1/chat")
        assert answer.status == 200, answer.body
        return answer.json

    async def poll(self, wait: int = 25, **query: Any) -> Answer:
        fields = {"site": SITE, "visitor": self.visitor, "wait": wait, **query}
        path = "/v1/chat?" + "&".join(f"{name}={value}" for name, value in fields.items())
        return await self.rig.collector.request("GET", path, self.proof)

    async def hear(self, wait: int = 25) -> Any:
        """The next answer, from where the last one ended."""
        answer = (await self.poll(wait, after=self.seq, cursor=self.cursor)).json
        self.cursor = answer["cursor"]
        self.heard += answer["messages"]
        self.seq = max([self.seq, *(m["event"]["seq"] for m in answer["messages"] if m["type"] == "chat.event")])
        return answer

    def lines(self) -> list[int]:
        return [m["event"]["seq"] for m in self.heard if m["type"] == "chat.event"]


async def test_a_chat_by_polling_misses_nothing_and_doubles_nothing(rig: ChatRig) -> None:
    browser = Browser(rig)
    await rig.collector.known(browser.visitor, 1)
    first = await browser.hear(wait=0)
    assert (first["status"], first["messages"]) == ("navigating", [])
    hearing = asyncio.create_task(browser.hear())
    assert (await browser.say("chat.request", name="Vera", text="Hello"))["status"] == "requested"
    assert (await hearing)["messages"]
    await rig.operator("AcceptRequest", browser.visitor)
    while browser.heard[-1].get("status") != "chatting" and 2 not in browser.lines():
        await browser.hear()
    for n in range(30):
        hearing = asyncio.create_task(browser.hear())
        for _ in range(2):
            assert (await browser.say("chat.send", text=f"{n}", id=f"m{n}"))["type"] == "ok"
        await hearing
    while browser.seq < 32:
        await browser.hear()
    assert browser.lines() == list(range(1, 33))
    assert (await browser.hear(wait=0))["messages"] == []


async def test_a_waiting_poll_hears_marks_and_invitations(rig: ChatRig) -> None:
    browser = Browser(rig)
    await rig.collector.known(browser.visitor, 1)
    await browser.hear(wait=0)
    hearing = asyncio.create_task(browser.hear())
    await rig.operator("InviteVisitor", browser.visitor, text="May I help?")
    assert {"invite", "status"} <= {m["type"] for m in (await hearing)["messages"]}
    assert (await browser.say("invite.accept", name="Vera"))["status"] == "accepted"
    await rig.operator("AcceptRequest", browser.visitor)
    while (await browser.hear(wait=0))["messages"]:
        pass
    hearing = asyncio.create_task(browser.hear())
    await eventually(lambda: browser_waits(rig))
    await rig.tell_typing(browser.visitor)
    [typing] = (await hearing)["messages"]
    assert (typing["type"], typing["by"]["id"]) == ("chat.typing", ADA)


async def browser_waits(rig: ChatRig) -> bool:
    return await rig.collector.metric("foyer_collector_chat_waiting") == 1


async def test_a_long_chat_comes_in_pages(rig: ChatRig) -> None:
    browser = Browser(rig)
    await rig.collector.known(browser.visitor, 1)
    await browser.say("chat.request", name="Vera")
    await rig.operator("AcceptRequest", browser.visitor)
    await asyncio.gather(*(browser.say("chat.send", text=f"{n}", id=f"m{n}") for n in range(150)))
    late = Browser(rig)
    late.visitor = browser.visitor
    while late.seq < 152:
        await late.hear()
    assert late.lines() == list(range(1, 153))


async def test_the_token_may_stand_in_the_body_but_not_in_the_address(rig: ChatRig) -> None:
    visitor = new_id()
    token = rig.collector.token(visitor)
    body = {"site": SITE, "visitor": visitor, "token": token, "type": "chat.end", "id": "1"}
    answer = await rig.collector.post(body, path="/v1/chat")
    assert (answer.status, answer.json["code"], answer.json["current"]) == (200, "not_in_chat", "navigating")
    path = f"/v1/chat?site={SITE}&visitor={visitor}&wait=0&token={token}"
    assert (await rig.collector.request("GET", path)).status == 403


@pytest.mark.parametrize(
    "query",
    ["", "after=-1", "after=x", "after=1.5", "wait=26", "wait=-1", "cursor=" + "x" * 65, "chat=" + "x" * 129],
)
async def test_wrong_addresses_are_422(rig: ChatRig, query: str) -> None:
    visitor = new_id()
    path = f"/v1/chat?{query}" + (f"&site={SITE}&visitor={visitor}" if query else "")
    answer = await rig.collector.request("GET", path, {"Authorization": f"Bearer {rig.collector.token(visitor)}"})
    assert (answer.status, answer.json["code"]) == (422, "invalid")


async def test_wrong_bodies_are_told_apart(rig: ChatRig) -> None:
    visitor = new_id()
    good = {"site": SITE, "visitor": visitor, "token": rig.collector.token(visitor), "id": "1", "type": "chat.end"}
    cases: list[tuple[Any, int, str]] = [
        (b"{", 400, "not_json"),
        (b"", 400, "empty"),
        (b'{"a":"\xff"}', 400, "encoding"),
        ({**good, "x": [[[[1]]]]}, 400, "nesting"),
        ({**good, "type": "chat.dance"}, 422, "unknown_type"),
        ({**good, "type": "chat.send", "text": "x" * 4001}, 422, "too_long"),
        ({**good, "type": "chat.request"}, 422, "invalid"),
        ({**good, "type": "chat.rate", "score": 6}, 422, "invalid"),
        ({**good, "type": "chat.rate", "score": True}, 422, "invalid"),
        ({**good, "x": "x" * 66_000}, 413, "too_large"),
    ]
    for body, status, code in cases:
        answer = await rig.collector.post(body, path="/v1/chat")
        assert (answer.status, answer.json["code"]) == (status, code)
    assert (await rig.collector.post(json.dumps(good).encode(), path="/v1/chat")).status == 200
    preflight = await rig.collector.request("OPTIONS", "/v1/chat")
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    assert (await rig.collector.request("PUT", "/v1/chat")).headers["Allow"] == "POST, GET, HEAD, OPTIONS"


async def test_a_visitor_that_says_too_much_is_slowed_down(clients: Clients, redis_url: str) -> None:
    async with chat_rig(clients, redis_url, chat_per_s=0.01, chat_burst=3) as rig, rig.tab() as tab:
        codes = [(await tab.say("chat.end")).get("code") for _ in range(4)]
        assert codes == ["not_in_chat"] * 3 + ["too_fast"]
        other = Browser(rig)
        assert (await other.say("chat.end"))["code"] == "not_in_chat"


async def test_a_draining_collector_answers_who_waits(clients: Clients, redis_url: str) -> None:
    async with chat_rig(clients, redis_url) as rig:
        browser = Browser(rig)
        hearing = asyncio.create_task(browser.poll())
        await eventually(lambda: browser_waits(rig))
    answer = await hearing
    assert (answer.status, answer.json["messages"]) == (200, [])


async def test_a_page_learns_who_is_there_and_how_the_widget_looks(clients: Clients, redis_url: str) -> None:
    widget = WidgetSettings(
        launcher=True, color="#123abc", texts={"title": "Ask us"}, email="required", choose_skill=True
    )
    skills = (Skill("general", "General"), Skill("sales", "Sales"))
    site = Site(site=SITE, name="Shop", skills=skills, settings=SiteSettings(widget=widget))
    async with chat_rig(clients, redis_url, site) as rig:

        async def shown() -> Any:
            return (await rig.collector.request("GET", f"/v1/site?key={SITE}")).json

        before = await shown()
        assert (before["online"], before["launcher"], before["theme"]["color"]) == (False, True, "#123abc")
        assert (before["texts"], before["form"]["email"]) == ({"title": "Ask us"}, "required")
        choices = [{"skill": s.skill, "name": s.name, "online": False} for s in skills]
        assert before["form"]["skills"] == choices
        await rig.connect()

        async def online() -> bool:
            return bool((await shown())["online"])

        await eventually(online)
        assert [choice["online"] for choice in (await shown())["form"]["skills"]] == [True, False]
