"""A website with the chat widget and a collector that plays the server's side by hand. Read :class:`Chat` first.

The collector takes chat messages over the live channel and over HTTP, once for each id, answers them, and says what a
test tells it to say; its transcript has one order for everybody.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from playwright.async_api import Browser, BrowserContext, Page

from tests.e2e.tracker_bench import CORS, SITE, STATIC, served

Message = dict[str, Any]
ANNA = {"kind": "operator", "id": "o_anna", "name": "Anna Weber"}
BEN = {"kind": "operator", "id": "o_ben", "name": "Ben Ode"}
VISITOR = {"kind": "visitor", "id": "v", "name": "Ada"}
PREFLIGHT = {**CORS, "Access-Control-Allow-Headers": "Content-Type, Authorization"}
POLICY = (
    "default-src 'none'; script-src {collector}; connect-src {collector} {live}; require-trusted-types-for 'script'"
)

# A closed shadow root cannot be looked into: tests open it before the widget makes it.
OPEN_SHADOW = "{ const a = Element.prototype.attachShadow; Element.prototype.attachShadow = function () {"
OPEN_SHADOW += " return a.call(this, { mode: 'open' }); }; }"


@dataclass
class Chat:
    """One visitor's engagement, as the server has it."""

    settings: Message = field(default_factory=dict)
    live: bool = True
    silent: set[str] = field(default_factory=set)  # types that are stored and not answered, as if the reply was lost
    refuse: dict[str, str] = field(default_factory=dict)  # type -> code
    status: str = "navigating"
    chat: str = ""
    events: list[Message] = field(default_factory=list)
    standing: Message = field(default_factory=dict)  # more of the last status: place, operators
    invitation: Message | None = None
    heard: list[Message] = field(default_factory=list)  # each id once
    repeats: int = 0
    tokens: list[str | None] = field(default_factory=list)  # of requests over HTTP
    addresses: list[str] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    broken: bool = False  # nothing answers

    @property
    def url(self) -> str:
        """The collector's origin."""
        return f"http://localhost:{self.port}"

    def of_type(self, kind: str) -> list[Message]:
        """What the widget said of one type."""
        return [message for message in self.heard if message["type"] == kind]

    async def say(self, message: Message) -> None:
        """Tell all of the visitor's tabs."""
        self.news.set()
        self.news = asyncio.Event()
        for socket in [one for one in self.sockets if not one.closed]:
            await socket.send_json(message)

    async def become(self, status: str, **more: Any) -> None:
        """Another status."""
        self.status, self.standing = status, more
        await self.say({"type": "status", "status": status, **more})

    async def happen(self, kind: str, by: Message, **more: Any) -> None:
        """One more line of the transcript."""
        self.chat = self.chat or "c1"
        seq = len(self.events) + 1
        at = 1_790_000_000_000 + seq * 60_000
        event = {"chat": self.chat, "seq": seq, "at": at, "type": kind, "by": by, **more}
        self.events.append(event)
        await self.say({"type": "chat.event", "event": event})

    async def invite(self, text: str = "Hello, can I help you with our plans?", operator: Message = ANNA) -> None:
        """An operator invites the visitor."""
        self.status = "invited"
        self.invitation = {"type": "invite", "invitation": "i1", "operator": operator, "text": text, "expires_at": 0}
        await self.say(self.invitation)

    async def begin(self, *operators: Message) -> None:
        """A chat is going on with these operators."""
        people = operators or (ANNA,)
        await self.happen("requested", VISITOR, text="Does the plan include support?")
        await self.happen("started", people[0])
        for other in people[1:]:
            await self.happen("joined", other)
        await self.become("conference" if people[1:] else "chatting", operators=list(people))

    def state(self, after: int = 0) -> list[Message]:
        """What makes a page whole again."""
        status = {"type": "status", "status": self.status, **self.standing}
        missed = [{"type": "chat.event", "event": event} for event in self.events if event["seq"] > after]
        return [*([self.invitation] if self.invitation and self.status == "invited" else []), status, *missed]

    async def take(self, message: Message) -> Message:
        """Do it once, and answer."""
        if any(known["id"] == message["id"] for known in self.heard):
            self.repeats += 1
            return {"type": "ok", "id": message["id"]}
        code = self.refuse.get(message["type"])
        if code:
            return {"type": "error", "id": message["id"], "code": code, "message": ""}
        self.heard.append(message)
        if message["type"] == "chat.send":
            await self.happen("message", VISITOR, id=message["id"], text=message["text"])
        return {"type": "ok", "id": message["id"]}

    async def channel(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/live`"""
        if not self.live or self.broken:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for raw in socket:
            if raw.type is not WSMsgType.TEXT:
                break
            frame = json.loads(raw.data)
            if frame["type"] == "hello":
                await self._greet(socket, frame)
            elif frame["type"] == "events":
                await socket.send_json({"type": "ok", "id": frame["id"]})
            else:
                answer = await self.take(frame)
                if frame["type"] not in self.silent and not socket.closed:
                    await socket.send_json(answer)
        return socket

    async def _greet(self, socket: web.WebSocketResponse, hello: Message) -> None:
        chat = {"chat": self.chat} if self.chat and self.status != "navigating" else {}
        launcher = {"launcher": True} if self.settings.get("launcher") else {}
        ok = {"type": "ok", "id": hello["id"], "visitor": hello.get("visitor"), "token": "t", "status": self.status}
        await socket.send_json({**ok, **chat, **launcher})
        after = hello.get("after", 0) if hello.get("chat") == self.chat else 0
        if self.status != "navigating":
            for message in self.state(after):
                await socket.send_json(message)
        self.sockets.append(socket)

    async def batch(self, _request: web.Request) -> web.Response:
        """`POST /v1/e`"""
        if self.broken:
            return web.Response(status=503, headers=CORS)
        commands = [{"type": "launcher", "launcher": True}] if self.settings.get("launcher") else []
        return web.json_response({"token": "t", "commands": commands}, headers=CORS)

    async def site(self, _request: web.Request) -> web.Response:
        """`GET /v1/site`"""
        return web.json_response(self.settings, headers=CORS)

    async def preflight(self, _request: web.Request) -> web.Response:
        """`OPTIONS /v1/chat`"""
        return web.Response(status=204, headers=PREFLIGHT)

    async def post(self, request: web.Request) -> web.Response:
        """`POST /v1/chat`"""
        self.tokens.append(request.headers.get("Authorization"))
        self.addresses.append(str(request.rel_url))
        if self.broken:
            return web.Response(status=503, headers=CORS)
        return web.json_response(await self.take(json.loads(await request.text())), headers=CORS)

    async def poll(self, request: web.Request) -> web.Response:
        """`GET /v1/chat`: waits a moment for news when it is told how much is known."""
        self.tokens.append(request.headers.get("Authorization"))
        self.addresses.append(str(request.rel_url))
        if self.broken:
            return web.Response(status=503, headers=CORS)
        cursor = f"{len(self.events)}-{self.status}"
        if request.query.get("cursor") == cursor:
            await asyncio.wait([asyncio.ensure_future(self.news.wait())], timeout=2)
            cursor = f"{len(self.events)}-{self.status}"
        after = int(request.query.get("after", "0"))
        answer = {"status": self.status, "chat": self.chat, "messages": self.state(after), "cursor": cursor}
        return web.json_response(answer, headers=CORS)

    async def script(self, request: web.Request) -> web.Response:
        """`GET /t/...`, as it was built."""
        file = STATIC / request.match_info["name"]
        return web.Response(text=file.read_text(), content_type="text/javascript", charset="utf-8", headers=CORS)


@dataclass
class Visit:
    """`open` a page of the website as a visitor; `chat` is the server's side."""

    chat: Chat
    context: BrowserContext
    port: int = 0
    lang: str = "en"
    strict: bool = True
    errors: list[str] = field(default_factory=list)

    async def open(self, page: Page | None = None, path: str = "/") -> Page:
        """Open a page in a new tab, or go on in the tab of `page`."""
        if page is None:
            page = await self.context.new_page()
            await page.add_init_script(OPEN_SHADOW)
            page.on("pageerror", lambda error: self.errors.append(str(error)))
            page.on("console", lambda said: self.errors.append(said.text) if "Content Security" in said.text else None)
        await page.goto(f"http://127.0.0.1:{self.port}{path}")
        await page.wait_for_function("window.foyer")
        return page

    async def asked(self) -> Page:
        """A page whose visitor called `foyer.open()`."""
        page = await self.open()
        await page.evaluate("foyer.open()")
        await page.locator(".panel").wait_for()
        return page

    async def document(self, request: web.Request) -> web.Response:
        """Any page of the website, under a strict content security policy."""
        html = (
            f"<!doctype html><html lang={self.lang}><head><meta charset=utf-8><title>Shop</title>"
            f'<meta name=viewport content="width=device-width, initial-scale=1">'
            f'<script async src="{self.chat.url}/t/v1.js" data-site="{SITE}"></script></head>'
            f"<body><main><h1>Shop {request.path}</h1><button id=before>Buy</button></main></body></html>"
        )
        live = self.chat.url.replace("http", "ws")
        headers = {"Content-Security-Policy": POLICY.format(collector=self.chat.url, live=live)} if self.strict else {}
        return web.Response(text=html, content_type="text/html", headers=headers)


@asynccontextmanager
async def visit(chromium: Browser, **options: Any) -> AsyncIterator[Visit]:
    """A fresh visitor, a website and a collector."""
    chat = Chat()
    context = await chromium.new_context(**options)
    made = Visit(chat, context)
    routes = [
        web.post("/v1/e", chat.batch),
        web.get("/v1/live", chat.channel),
        web.get("/v1/site", chat.site),
        web.options("/v1/chat", chat.preflight),
        web.post("/v1/chat", chat.post),
        web.get("/v1/chat", chat.poll),
        web.get("/t/{name}", chat.script),
    ]
    async with served(routes) as chat.port, served([web.get("/{path:.*}", made.document)]) as made.port:
        yield made
        await context.close()
    assert made.errors == [], "the widget broke a rule of the page"
