"""How a simulated tab reaches the collector: over the live WebSocket, or by plain requests where that is blocked.

`Sender.deliver` keeps what could not be sent and repeats it, as the tracker does: numbers make repeats harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

MAX_EVENTS = 50  # of a batch, and of what is kept while the collector is away
REQUEST_S = 15.0
ANSWER_S = 6.0
RETRY_MOST_S = 10.0
REFUSED = frozenset({403, 404, 410})

Message = dict[str, Any]


class Identity:
    """Who the browser is to the site: kept from one tab and one visit to the next."""

    def __init__(self, visitor: str) -> None:
        self.visitor = visitor
        self.token: str | None = None

    def adopt(self, answer: Mapping[str, Any]) -> None:
        self.visitor = answer.get("visitor") or self.visitor
        self.token = answer.get("token") or self.token

    def fields(self) -> Message:
        return {"visitor": self.visitor} | ({"token": self.token} if self.token else {})


class Sender:
    """Delivers one tab's events, one batch at a time and in order."""

    def __init__(self, post: Callable[[list[Message]], Awaitable[bool]], outcomes: Counter[str]) -> None:
        self._post = post
        self._waiting: list[Message] = []
        self._lock = asyncio.Lock()
        self._outcomes = outcomes

    async def deliver(self, *events: Message) -> None:
        """Sends what waits and these. What fails stays for the next time; the oldest go when there are too many."""
        self._waiting.extend(events)
        if len(self._waiting) > MAX_EVENTS:
            self._outcomes["dropped"] += len(self._waiting) - MAX_EVENTS
            del self._waiting[:-MAX_EVENTS]
        async with self._lock:
            batch = list(self._waiting)
            if batch and await self._post(batch):
                self._outcomes["events"] += len(batch)
                self._waiting = [event for event in self._waiting if event not in batch]


class HttpChannel:
    """`POST /v1/e` for one browser."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], outcomes: Counter[str]
    ) -> None:
        self._session = session
        self._url = url
        self._headers = {**headers, "Content-Type": "text/plain;charset=UTF-8"}
        self._outcomes = outcomes

    async def post(self, batch: Message, identity: Identity) -> bool:
        """True when the collector has it. A refusal for good counts too: the tracker would stop."""
        body = json.dumps(batch | identity.fields())
        try:
            async with self._session.post(self._url, data=body, headers=self._headers) as answer:
                self._outcomes[f"http_{answer.status}"] += 1
                if answer.status == 200:
                    identity.adopt(await answer.json(content_type=None))
                if answer.status in (429, 503):
                    await asyncio.sleep(_retry_after_s(answer.headers.get("Retry-After", "1")))
                return answer.status < 300 or answer.status in REFUSED
        except (aiohttp.ClientError, TimeoutError, ValueError):
            self._outcomes["http_failed"] += 1
            return False


def _retry_after_s(text: str) -> float:
    return min(RETRY_MOST_S, float(text)) if text.isdigit() else 1.0


class LiveChannel:
    """The WebSocket of one tab: greeted once, then each message is answered by its id."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, hear: Callable[[Message], None]) -> None:
        self._socket = socket
        self._hear = hear
        self._asked: dict[str, asyncio.Future[Message]] = {}
        self._count = 0
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], hear: Callable[[Message], None]
    ) -> LiveChannel | None:
        """The channel, or None when it cannot be had."""
        try:
            socket = await session.ws_connect(url, headers=headers, compress=0, max_msg_size=1 << 20)
        except (aiohttp.ClientError, TimeoutError):
            return None
        return cls(socket, hear)

    @property
    def closed(self) -> bool:
        return self._socket.closed or self._reader.done()

    async def ask(self, kind: str, **fields: Any) -> Message | None:
        """Sends a message and waits for its answer; None when there is none."""
        self._count += 1
        name = f"{kind}-{self._count}"
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[name] = answer
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._socket.send_json({"type": kind, "id": name, **fields})
                return await answer
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return None
        finally:
            self._asked.pop(name, None)

    async def close(self) -> None:
        """An ordinary close: the page has gone."""
        with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
            async with asyncio.timeout(2.0):
                await self._socket.close()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        async for frame in self._socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            message = json.loads(frame.data)
            answer = self._asked.get(message.get("id", ""))
            if answer is not None and message.get("type") in ("ok", "error"):
                if not answer.done():
                    answer.set_result(message)
            else:
                self._hear(message)
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the live channel was closed"))
