"""A visitor with several tabs, on WebSockets of both collectors and on plain HTTP, who writes down all it is told.

A command that got no final answer (`try_again`, `unavailable`, `busy`) is sent again with the same id, as the widget
does. Every answer is counted: a command must have exactly one for each time it was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.eventually import eventually
from tests.visitor import AGENT, now_ms

ORIGIN = "http://shop.example"
HEADERS = {"Origin": ORIGIN, "User-Agent": AGENT}
AGAIN = {"try_again", "unavailable", "busy", "full"}  # nothing final: the same command is sent again
ANSWER_S = 20.0
_ids = itertools.count(1)


def fresh_id() -> str:
    """An id of a command that nobody has used."""
    return f"c{next(_ids)}"


class Tab:
    """One tab on a live channel. `lines`: by chat, what it was told, in the order of telling."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.status: dict[str, Any] = {"status": "navigating", "operators": []}
        self.statuses: list[str] = []
        self.invitations: list[dict[str, Any]] = []
        self.lines: dict[str, list[dict[str, Any]]] = {}
        self.sent: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self._answers: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.socket:
            self._take(message.json())

    def _take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "ok" | "error":
                self.answered[frame["id"]] += 1
                self._answers.setdefault(frame["id"], asyncio.Queue()).put_nowait(frame)
            case "status":
                self.status = frame
                self.statuses.append(frame["status"])
            case "invite":
                self.invitations.append(frame)
            case "chat.event":
                self.lines.setdefault(frame["event"]["chat"], []).append(frame["event"])

    async def ask(self, kind: str, ident: str, **fields: Any) -> dict[str, Any]:
        """One message, sent once; its answer."""
        self.sent[ident] += 1
        answers = self._answers.setdefault(ident, asyncio.Queue())
        await self.socket.send_json({"type": kind, "id": ident, **fields})
        async with asyncio.timeout(ANSWER_S):
            return await answers.get()

    async def close(self) -> None:
        """The tab is closed: a proper good-bye."""
        await self.socket.close()
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading


@dataclass
class Guest:
    """One visitor. `collectors` are the addresses that its tabs are spread over."""

    session: aiohttp.ClientSession
    collectors: list[str]
    site: str
    visitor: str = field(default_factory=lambda: str(uuid.uuid4()))
    token: str = ""
    tabs: list[Tab] = field(default_factory=list)
    repeats: int = 0

    async def arrive(self, tabs: int = 2) -> None:
        """Open tabs, one on each collector in turn, and show a page in the first."""
        for n in range(tabs):
            await self.open_tab(n)
        await self.show_page(self.tabs[0])

    async def show_page(self, tab: Tab) -> None:
        """A page view in that tab."""
        page = {"type": "page", "page": str(uuid.uuid4()), "n": 1, "at": now_ms(), "engaged_ms": 0}
        event = {**page, "url": f"{ORIGIN}/", "title": "Home"}
        answer = await tab.ask("events", fresh_id(), sent=now_ms(), events=[event])
        assert answer["type"] == "ok", answer

    async def open_tab(self, collector: int = 0, **hello: Any) -> Tab:
        """One more tab; the first one's hello gives the token."""
        address = self.collectors[collector % len(self.collectors)]
        fields = {"site": self.site, "visitor": self.visitor, "tab": str(uuid.uuid4()), **hello}
        fields |= {"token": self.token} if self.token else {}

        async def greeted() -> Tab | None:
            tab = Tab(await self.session.ws_connect(f"{address}/v1/live", headers=HEADERS))
            answer = await tab.ask("hello", fresh_id(), **fields)
            if answer["type"] == "ok":
                self.token = self.token or answer["token"]
                return tab
            await tab.close()
            assert answer["code"] in {"unknown_site", "forbidden", *AGAIN}, answer  # the site is quite new
            return None

        tab: Tab = await eventually(greeted, within_s=ANSWER_S)
        self.tabs.append(tab)
        return tab

    async def say(self, kind: str, tab: int = 0, ident: str = "", **fields: Any) -> dict[str, Any]:
        """A command on a tab's channel, repeated until there is a final answer."""
        ident = ident or fresh_id()
        while True:
            answer = await self.tabs[tab].ask(kind, ident, **fields)
            if answer.get("code") not in AGAIN:
                return answer
            self.repeats += 1

    async def post(self, kind: str, collector: int = 0, ident: str = "", **fields: Any) -> dict[str, Any]:
        """The same over HTTP."""
        body = {"site": self.site, "visitor": self.visitor, "token": self.token, "type": kind, **fields}
        body["id"] = ident or fresh_id()
        address = self.collectors[collector % len(self.collectors)]
        while True:
            async with self.session.post(f"{address}/v1/chat", json=body, headers=HEADERS) as response:
                answer: dict[str, Any] = await response.json(content_type=None)
            if response.status == 200:
                return answer
            assert answer["code"] in AGAIN, (response.status, answer)
            self.repeats += 1

    async def leave(self) -> None:
        """Close all tabs."""
        await asyncio.gather(*(tab.close() for tab in self.tabs))
        self.tabs.clear()

    def one_answer_each(self) -> None:
        """Every command that was sent on a channel was answered once for each sending."""
        for tab in self.tabs:
            assert tab.answered == tab.sent
