"""A website and a recording collector on two origins, for the tests of the tracker. Read :class:`Bench` first.

The collector takes what it gets, answers as it is told to and remembers everything; it applies events as the real one
does: once for each (tab, n), whatever the channel and however often they come.
"""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from playwright.async_api import Browser, BrowserContext, Error, Page

from tests.eventually import eventually

STATIC = Path(__file__).resolve().parents[2] / "services" / "collector" / "static"
SITE = "s_9f8e7d6c"
STORAGE_KEY = f"foyer.{SITE}"
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "X-Request-Id, Retry-After"}

STANDING = datetime(2026, 11, 23, tzinfo=UTC)

# Headless pages are always visible: the page is told what a browser would tell it.
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""

# What a page asked over HTTP and WebSocket, how much of it was answered (or will not be), and how many channels ended.
# The page hears of each answer before the tracker does, but in the same turn of the event loop: whoever looks at these
# numbers sees what the tracker made of it.
COUNT_ANSWERS = """
window.asked = window.answered = window.endings = 0;
const native = window.fetch;
window.fetch = (...request) => {
  asked++;
  const reply = native(...request);
  const count = () => { answered++ };
  reply.then(count, count);
  return reply;
};
window.WebSocket = class extends window.WebSocket {
  constructor(...of) {
    super(...of);
    this.pending = 0;
    const heard = (count) => { this.pending -= count; answered += count };
    this.addEventListener("message", ({ data }) => { if (JSON.parse(data).id) heard(1) });
    this.addEventListener("close", () => { heard(this.pending); endings++ });
  }
  send(frame) {
    asked++;
    this.pending++;
    super.send(frame);
  }
};"""

Event = dict[str, Any]


async def stand_still(page: Page) -> None:
    """From the next document on the page's clock moves only by `page.clock.run_for`, and the page counts answers."""
    await page.clock.install(time=STANDING - timedelta(days=1))  # runs until it is stopped
    await page.clock.pause_at(STANDING)
    await page.add_init_script(COUNT_ANSWERS)


@dataclass
class RecordingCollector:
    """What arrived, and how to answer."""

    port: int = 0
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    answer: dict[str, Any] | None = None
    live: bool = True  # whether a WebSocket is accepted
    hello_error: str = ""
    deaf: bool = False  # frames are read and neither taken nor answered
    unheard: int = 0
    requests: list[tuple[str, Event]] = field(default_factory=list)  # (channel, batch) in order of arrival
    events: list[Event] = field(default_factory=list)  # applied: each (tab, n) once
    hellos: list[Event] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    attempts: int = 0  # of opening a WebSocket
    widget_loads: int = 0
    welcome: dict[str, Any] = field(default_factory=dict)  # more that the answer to a hello says
    preflights: list[str] = field(default_factory=list)  # requests that a browser sent before another one
    origins: set[str | None] = field(default_factory=set)
    referers: set[str | None] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Its origin, another one than the website's."""
        return f"http://localhost:{self.port}"

    def of_type(self, kind: str) -> list[Event]:
        """Applied events of one type."""
        return [event for event in self.events if event["type"] == kind]

    def kinds(self) -> list[str]:
        """Types of the applied events, in order."""
        return [event["type"] for event in self.events]

    def paths(self) -> list[str]:
        """Path and query of each page view, in order."""
        return ["/" + event["url"].split("/", 3)[3] for event in self.of_type("page")]

    def gaps(self) -> dict[str, list[int]]:
        """Numbers of each tab, where one is missing."""
        tabs: dict[str, list[int]] = {}
        for event in self.events:
            tabs.setdefault(event["tab"], []).append(event["n"])
        return {tab: sorted(n) for tab, n in tabs.items() if sorted(n) != list(range(1, len(n) + 1))}

    def take(self, channel: str, batch: Event) -> None:
        """Remember a batch; apply its events unless it is refused."""
        self.requests.append((channel, batch))
        if self.status >= 300:
            return
        for event in batch["events"]:
            known = next((e for e in self.events if (e["tab"], e["n"]) == (batch["tab"], event["n"])), None)
            if known is None:
                self.events.append({**event, "tab": batch["tab"], "visitor": batch.get("visitor"), "via": channel})
            else:
                assert known["type"] == event["type"], "a number was used twice"
                assert known["at"] == event["at"], "a number was used twice"

    async def post(self, request: web.Request) -> web.Response:
        """`POST /v1/e`"""
        self.origins.add(request.headers.get("Origin"))
        self.take("http", json.loads(await request.text()))
        if self.status == 204 and self.answer is not None:
            return web.json_response(self.answer, headers=CORS)
        return web.Response(status=self.status, headers={**CORS, **self.headers})

    async def pixel(self, request: web.Request) -> web.Response:
        """`GET /v1/e.gif`"""
        self.referers.add(request.headers.get("Referer"))
        data = request.query["d"]
        self.take("gif", json.loads(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))))
        return web.Response(body=GIF, content_type="image/gif")

    async def preflight(self, request: web.Request) -> web.Response:
        """`OPTIONS`, which no request of ours is to cause."""
        self.preflights.append(f"{request.headers.get('Access-Control-Request-Method')} {request.path}")
        return web.Response(status=204, headers={**CORS, "Access-Control-Allow-Headers": "*"})

    async def channel(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/live`"""
        self.attempts += 1
        if not self.live:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        hello: Event = {}
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            frame = json.loads(message.data)
            if self.deaf:
                self.unheard += 1
                continue
            if frame["type"] == "hello":
                hello = frame
                self.hellos.append(frame)
                if self.hello_error:
                    await socket.send_json({"type": "error", "id": frame["id"], "code": self.hello_error})
                    await socket.close(code=4504)
                    break
                await socket.send_json(
                    {"type": "ok", "id": frame["id"], "visitor": frame.get("visitor"), "token": "t", **self.welcome}
                )
            elif self.status < 300:
                self.take("live", {**frame, "tab": hello["tab"], "visitor": hello.get("visitor")})
                await socket.send_json({"type": "ok", "id": frame["id"]})
            else:
                refusal = {"code": "unavailable", "message": "", "retry_after_s": 1}
                await socket.send_json({"type": "error", "id": frame["id"], **refusal})
        return socket

    async def tracker(self, _request: web.Request) -> web.Response:
        """`GET /t/v1.js`, as it was built."""
        return web.Response(text=(STATIC / "v1.js").read_text(), content_type="text/javascript", headers=CORS)

    async def widget(self, _request: web.Request) -> web.Response:
        """`GET /t/widget.js`"""
        self.widget_loads += 1
        text = "export function start(link, wanted) { window.started = [...(window.started ?? []), { link, wanted }] }"
        return web.Response(text=text, content_type="text/javascript", headers=CORS)


@dataclass
class Bench:
    """`open` a page of the website; what its tracker said is in `collector`."""

    collector: RecordingCollector
    context: BrowserContext
    port: int
    errors: list[str]
    tag: str = ""  # attributes of the script tag
    headers: dict[str, str] = field(default_factory=dict)  # of the website's pages
    before: str = ""  # script in the page before the tracker
    title: str = "Shop {path}"

    def url(self, path: str = "/") -> str:
        """Address of a page."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def open(self, path: str = "/", page: Page | None = None) -> Page:
        """Open a page in a new tab, or go on in the tab of `page`."""
        if page is None:
            page = await self.context.new_page()
            page.on("pageerror", lambda error: self.errors.append(str(error)))
        await page.goto(self.url(path))
        return page

    def saw(self, paths: list[str]) -> bool:
        """Whether the collector heard of these views, in this order."""
        return self.collector.paths() == paths

    async def open_timed(self, path: str = "/") -> Page:
        """Open a page whose clock stands still: only `page.clock.run_for` moves it, however long the test takes."""
        page = await self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        await stand_still(page)
        return await self.open(path, page)

    @staticmethod
    async def answered(page: Page) -> None:
        """Until a timed page has heard the answer to all that it said, so that its clock may move on."""
        await eventually(lambda: page.evaluate("asked > 0 && asked === answered"))

    @staticmethod
    async def live(page: Page) -> None:
        """Until the page has its live channel: what it says from now on goes there."""
        await eventually(lambda: page.evaluate("Boolean(window.foyer?.link?.send())"))

    @staticmethod
    async def not_live(page: Page) -> None:
        """Until the page has noticed that its live channel is gone."""
        await eventually(lambda: page.evaluate("!window.foyer.link.send()"))

    @staticmethod
    async def says(page: Page, expression: str) -> bool:
        """Whether it is true on the page; False while the tab is on its way to another one."""
        try:
            return bool(await page.evaluate(expression))
        except Error:
            return False

    async def collector_is_quiet(self) -> None:
        """Let everything that is on its way arrive: another visitor's whole first contact passes meanwhile."""
        requests, hellos = len(self.collector.requests), len(self.collector.hellos)
        assert self.context.browser is not None
        async with bench(self.context.browser) as other:
            await other.live(await other.open())
        assert (len(self.collector.requests), len(self.collector.hellos)) == (requests, hellos)

    async def document(self, request: web.Request) -> web.Response:
        """Any page of the website."""
        source = f"{self.collector.url}/t/v1.js"
        title = self.title.format(path=request.path)
        html = (
            f"<!doctype html><html><head><meta charset=utf-8><title>{title}</title><script>{self.before}</script>"
            f'<script async src="{source}" data-site="{SITE}" {self.tag}></script></head>'
            f"<body><h1>{title}</h1><input id=field></body></html>"
        )
        return web.Response(text=html, content_type="text/html", headers=self.headers)


@asynccontextmanager
async def served(routes: list[web.RouteDef]) -> AsyncIterator[int]:
    """Serve on a free port of the loopback interface."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def bench(chromium: Browser) -> AsyncIterator[Bench]:
    """A fresh visitor, a website and a collector."""
    collector = RecordingCollector()
    context = await chromium.new_context()
    made = Bench(collector, context, 0, [])
    routes = [
        web.post("/v1/e", collector.post),
        web.get("/v1/e.gif", collector.pixel),
        web.get("/v1/live", collector.channel),
        web.get("/t/v1.js", collector.tracker),
        web.get("/t/widget.js", collector.widget),
        web.options("/{path:.*}", collector.preflight),
    ]
    async with served(routes) as collector.port, served([web.get("/{path:.*}", made.document)]) as made.port:
        yield made
        await context.close()
    assert made.errors == [], "the tracker threw into the page"
    assert collector.preflights == [], "the tracker caused preflights"
