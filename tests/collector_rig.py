"""A running collector on free ports with one site, for integration tests: real Valkey, real sockets, one event loop."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from services.collector.app import build
from services.collector.domain.tokens import VisitorTokens
from services.collector.settings import CollectorSettings
from shared.contracts.sites import Site
from shared.contracts.streams import InEntry, decode_in
from shared.domain.partitions import Partitions
from shared.domain.visitor import Visitor
from shared.domain.visitor_packing import pack_visitor
from shared.runtime.clock import Clock
from shared.runtime.service import Running, running
from shared.storage import keys
from shared.storage.blocks import payloads_in
from shared.storage.clients import Clients
from shared.storage.directory_store import DirectoryStore
from shared.storage.faults import Unavailable

SITE, ORIGIN = "s_9f8e7d6c", "https://shop.example"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SECRET = "0123456789abcdef" * 4


def new_id() -> str:
    """A uuid, as browsers make them."""
    return str(uuid.uuid4())


def event(kind: str = "page", n: int = 1, **fields: Any) -> dict[str, Any]:
    """A valid event; fields may be overwritten."""
    base = {"type": kind, "page": new_id(), "n": n, "at": 1000, "url": f"{ORIGIN}/a", "title": "A", "engaged_ms": 0}
    return {**base, **fields}


def batch(*events: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A valid batch of `events` (one page view, if none is given) without a visitor; fields may be overwritten."""
    return {"site": SITE, "tab": new_id(), "sent": 2000, "events": list(events) or [event()], **fields}


def pixel_path(body: Any) -> str:
    """Path of the picture that carries `body`."""
    return "/v1/e.gif?d=" + base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")


@dataclass
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(eq=False)
class CollectorRig:
    """A collector at `url`. Requests carry the site's origin and a browser's name unless told otherwise."""

    running: Running
    clients: Clients
    session: aiohttp.ClientSession

    @property
    def port(self) -> int:
        """The public port."""
        return self.running.ports[0]

    @property
    def url(self) -> str:
        """The public address."""
        return f"http://127.0.0.1:{self.port}"

    async def request(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        """One request; a header given as "" is left out."""
        fields = {"Origin": ORIGIN, "User-Agent": FIREFOX, **(headers or {})}
        skip = [name for name, value in fields.items() if not value]
        fields = {name: value for name, value in fields.items() if value}
        async with self.session.request(
            method, self.url + path, headers=fields, skip_auto_headers=skip, **more
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def post(self, body: Any, headers: dict[str, str] | None = None, path: str = "/v1/e") -> Answer:
        """POST `body`: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"Content-Type": "text/plain;charset=UTF-8", **(headers or {})}
        return await self.request("POST", path, fields, data=data)

    @staticmethod
    def token(visitor: str, site: str = SITE) -> str:
        """The visitor's token, as every collector with this secret makes it."""
        return VisitorTokens(SECRET).mint(site, visitor)

    async def entries(self, site: str = SITE) -> list[InEntry]:
        """What is in the input stream of the site's partition."""
        name = keys.stream("in", Partitions(16).of(site))
        while True:
            try:
                found = await self.clients.call("XRANGE", name, "-", "+")
                break
            except Unavailable:  # a test's server has just been started again
                await asyncio.sleep(0.01)
        return [decode_in(payload) for _, fields in found for payload in payloads_in(fields)]

    async def known(self, visitor: str, started_ms: int, *, visits: int = 1, live: bool = True) -> None:
        """What presence would have stored of a visitor: on the site since `started_ms`, or no longer there."""
        packed = pack_visitor(Visitor(number=1, live=live, visits=visits, visit_started_at=started_ms))
        partition = Partitions(16).of(SITE)
        if live:
            await self.clients.call("HSET", keys.visitors(partition, SITE), visitor, packed)
        else:
            await self.clients.call("SET", keys.profile(partition, SITE, visitor), packed)

    async def metric(self, name: str) -> float:
        """The value of one sample of /metrics, named with its labels."""
        async with self.session.get(f"http://127.0.0.1:{self.running.admin_port}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name), 0.0)

    async def readiness(self) -> Any:
        """What /readyz says."""
        async with self.session.get(f"http://127.0.0.1:{self.running.admin_port}/readyz") as answer:
            return await answer.json()

    @asynccontextmanager
    async def live(self, **headers: str) -> AsyncIterator[LiveClient]:
        """An open live channel that has not said hello."""
        fields = {"Origin": ORIGIN, "User-Agent": FIREFOX, **headers}
        async with self.session.ws_connect(f"{self.url}/v1/live", headers=fields) as socket:
            yield LiveClient(socket)


@dataclass(eq=False)
class LiveClient:
    """The browser's end of a live channel."""

    socket: aiohttp.ClientWebSocketResponse

    async def send(self, message: dict[str, Any] | str) -> None:
        """One frame."""
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def next(self) -> Any:
        """The next message from the collector; fails if the channel closes instead."""
        async with asyncio.timeout(10):
            message = await self.socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return json.loads(message.data)

    async def ask(self, message: dict[str, Any] | str) -> Any:
        """Send and wait for the answer."""
        await self.send(message)
        return await self.next()

    async def hello(self, **fields: Any) -> Any:
        """Say hello; the answer."""
        return await self.ask({"type": "hello", "id": "h", "site": SITE, "tab": new_id(), **fields})

    async def close_code(self) -> int | None:
        """Read to the end; the WebSocket's close code."""
        async with asyncio.timeout(10):
            while (await self.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        return self.socket.close_code


def settings(redis_url: str, **fields: Any) -> CollectorSettings:
    """Settings of a collector for tests."""
    base = {"secret": SECRET, "redis_url": redis_url, "host": "127.0.0.1", "port": 0, "admin_port": 0}
    return CollectorSettings(**{"static": Path("/nonexistent"), **base, **fields})


async def make_site(clients: Clients, **fields: Any) -> Site:
    """The rig's site, stored."""
    site = Site(**{"site": SITE, "name": "Shop", "origins": (ORIGIN,), **fields})
    await DirectoryStore(clients).create_site(site)
    return site


@asynccontextmanager
async def collector(
    clients: Clients, redis_url: str, clock: Clock | None = None, **fields: Any
) -> AsyncIterator[CollectorRig]:
    """A collector that runs until the block ends. Its site must have been made before."""
    timeout = aiohttp.ClientTimeout(total=20)
    # The session goes last: a collector that drains still talks to its clients.
    async with (
        aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
        running(build(settings(redis_url, **fields), clock)) as process,
    ):
        yield CollectorRig(process, clients, session)
