"""One chat through all four services: a visitor on the collector's live channel, an operator's stock client."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.eventually import eventually
from tests.operator import Operator
from tests.stack import Stack
from tests.visitor import AGENT, now_ms

ORIGIN = "http://localhost"


class Tab:
    """A visitor's tab on the live channel."""

    def __init__(self, channel: aiohttp.ClientWebSocketResponse) -> None:
        self.visitor = str(uuid.uuid4())
        self._channel = channel
        self._ids = itertools.count(1)
        self._answers: dict[str, Any] = {}
        self.pushed: list[Any] = []

    async def say(self, kind: str, **fields: Any) -> Any:
        """Send a message; its answer."""
        ident = f"t{next(self._ids)}"
        await self._channel.send_json({"type": kind, "id": ident, **fields})
        answer = await self.read(lambda: self._answers.get(ident))
        assert answer["type"] == "ok", answer
        return answer

    async def read(self, until: Callable[[], Any]) -> Any:
        """Read frames until `until` is true; its result."""
        async with asyncio.timeout(20):
            while not (result := until()):
                frame = await self._channel.receive_json()
                if frame["type"] in ("ok", "error"):
                    self._answers[frame["id"]] = frame
                else:
                    self.pushed.append(frame)
        return result

    def events(self) -> list[Any]:
        return [frame["event"] for frame in self.pushed if frame["type"] == "chat.event"]

    async def visits(self, site: str) -> None:
        """Say hello and show a page."""
        await self.say("hello", site=site, visitor=self.visitor, tab=str(uuid.uuid4()))
        page = {"type": "page", "page": str(uuid.uuid4()), "n": 1, "at": now_ms(), "engaged_ms": 0}
        await self.say("events", sent=now_ms(), events=[{**page, "url": f"{ORIGIN}/", "title": "Home"}])


async def test_chat_from_request_to_end(tmp_path: Path) -> None:
    async with Stack(tmp_path) as stack, aiohttp.ClientSession() as session, Operator(stack.gateway) as operator:
        events: list[Any] = []
        marks: list[Any] = []
        operator.client.on("chat:event", events.append)
        operator.client.on("chat:typing", marks.append)
        await operator.open(stack.site)
        headers = {"Origin": ORIGIN, "User-Agent": AGENT}
        async with session.ws_connect(f"{stack.collector}/v1/live", headers=headers) as channel:
            tab = Tab(channel)
            await tab.visits(stack.site)
            await eventually(lambda: tab.visitor in operator.by_visitor())
            await _requested(tab, operator)
            taken = await operator.call("chat:accept", id="take", site=stack.site, visitor=tab.visitor)
            assert taken["ok"], taken
            said = await operator.call("chat:send", id="m1", chat=taken["chat"], text="Welcome!")
            assert said["ok"], said
            await tab.read(lambda: [event for event in tab.events() if event.get("text") == "Welcome!"])
            await tab.say("chat.typing", on=True)
            await eventually(lambda: marks)
            await tab.say("chat.send", text="Thank you!")
            await tab.say("chat.end")
            await eventually(lambda: events and events[-1]["type"] == "ended")
            opened = await operator.call("chat:open", chat=taken["chat"])
            await tab.read(lambda: tab.events()[-1]["type"] == "ended")
            assert tab.events() == opened["events"]
            assert events == opened["events"][1:]
            assert [event["type"] for event in opened["events"]] == [
                "requested", "started", "message", "message", "ended",
            ]  # fmt: skip
            assert (marks[0]["by"]["kind"], marks[0]["on"]) == ("visitor", True)
            row = operator.by_visitor()[tab.visitor]
            await eventually(lambda: operator.by_visitor()[tab.visitor]["status"] == "chat_end")
            assert row["nickname"] == "Vera"


async def _requested(tab: Tab, operator: Operator) -> None:
    """Ask once chat-routing knows that somebody is there."""
    await eventually(lambda: _online(operator))
    await tab.say("chat.request", name="Vera", text="Hello?")
    await eventually(lambda: operator.by_visitor()[tab.visitor]["status"] == "requested")


async def _online(operator: Operator) -> bool:
    return bool((await operator.call("operator:set", state="online"))["ok"])
