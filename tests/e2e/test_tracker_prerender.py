"""A page that Chromium really prerenders, judged by what the collector received.

No debugger is attached, for then Chromium does not prerender: it is started by itself, the home page asks for the next
one to be prerendered by speculation rules, and follows the link when it is told to.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests.e2e.chromium import ARGUMENTS, chromium_path
from tests.e2e.tracker_bench import SITE, RecordingCollector, served
from tests.eventually import eventually

pytestmark = pytest.mark.browser

RULES = '{"prerender":[{"urls":["/next"],"eagerness":"immediate"}]}'
HOME = f"""<script type="speculationrules">{RULES}</script><a id=link href="/next">next</a><script>
fetch("/told-to-go").then(() => document.getElementById("link").click());
</script>"""
NEXT = """<script>fetch("/was-prerendered?" + document.prerendering);
document.addEventListener("prerenderingchange", () => fetch("/shown"));</script>"""


@dataclass
class Shop:
    """The website; `go` lets the visitor follow the link."""

    collector: RecordingCollector
    go: asyncio.Event = field(default_factory=asyncio.Event)
    heard: list[str] = field(default_factory=list)

    async def page(self, request: web.Request) -> web.Response:
        """The home page and the next one, and what their scripts report."""
        if request.path == "/told-to-go":
            await self.go.wait()
        self.heard.append(request.rel_url.path_qs)
        # Once the tracker has run, the page says so, and what it says arrives after whatever the tracker said: its
        # requests of before have been answered by then, and a page says nothing more until something happens to it.
        told = "fetch('/tracker-ran?' + document.prerendering).then(() => fetch('/and-nothing-came-of-it'))"
        source = f"{self.collector.url}/t/v1.js"
        tracker = f'<script async src="{source}" data-site="{SITE}" onload="{told}"></script>'
        text = f"<!doctype html><title>Shop</title>{tracker}{NEXT if request.path == '/next' else HOME}"
        return web.Response(text=text, content_type="text/html")


async def test_a_prerendered_page_is_told_when_it_is_shown_and_not_before(tmp_path: Path) -> None:
    shop = Shop(collector := RecordingCollector())
    routes = [
        web.post("/v1/e", collector.post),
        web.get("/v1/live", collector.channel),
        web.get("/t/v1.js", collector.tracker),
    ]
    async with served(routes) as collector.port, served([web.get("/{path:.*}", shop.page)]) as port:
        browser = await asyncio.create_subprocess_exec(
            *(
                chromium_path(),
                "--headless=new",
                *ARGUMENTS,
                f"--user-data-dir={tmp_path}",
                f"http://127.0.0.1:{port}/",
            ),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await eventually(lambda: "/was-prerendered?true" in shop.heard, within_s=60)
            await eventually(lambda: collector.paths() == ["/"], within_s=30)
            await eventually(lambda: collector.hellos, within_s=30)
            await eventually(lambda: "/tracker-ran?true" in shop.heard, within_s=30)
            # Of the home page and of the prerendered one.
            await eventually(lambda: shop.heard.count("/and-nothing-came-of-it") == 2, within_s=30)
            assert collector.paths() == ["/"]
            assert len(collector.hellos) == 1, "a page that is not shown has no live channel"
            shop.go.set()
            await eventually(lambda: "/shown" in shop.heard, within_s=30)
            await eventually(lambda: collector.paths() == ["/", "/next"], within_s=30)
            assert len({event["visitor"] for event in collector.events}) == 1
        finally:
            browser.terminate()
            await browser.wait()
