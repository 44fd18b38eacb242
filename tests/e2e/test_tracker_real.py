"""The tracker against the real collector and presence: what one visitor does is what the visitor list says."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, BrowserContext

from shared.contracts.rows import PresenceRow
from shared.domain.partitions import Partitions
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.history import History
from tests import stack as stacks
from tests.e2e.tracker_bench import served
from tests.eventually import eventually
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
SETTINGS = {"leave_grace_ms": 1_500, "silence_ms": 8_000}
PARTITIONS = Partitions(16)


@dataclass
class Shop:
    """A website that embeds the tracker of a running stack, and its visitor list."""

    stack: Stack
    chromium: Browser
    clients: Clients
    origin: str
    policy: str = ""

    async def page(self, request: web.Request) -> web.Response:
        """Any page of the website."""
        embed = f'<script async src="{self.stack.collector}/t/v1.js" data-site="{self.stack.site}"></script>'
        html = f"<!doctype html><meta charset=utf-8><title>At {request.path}</title>{embed}<body>{request.path}"
        policy = {"Content-Security-Policy": self.policy} if self.policy else {}
        return web.Response(text=html, content_type="text/html", headers=policy)

    async def visitor(self) -> BrowserContext:
        """A new browser; its name is not that of a crawler, as headless Chromium's is."""
        return await self.chromium.new_context(user_agent=AGENT)

    async def visitors(self) -> list[str]:
        """Who is on the site."""
        site = self.stack.site
        names: list[bytes] = await self.clients.call("HKEYS", keys.visitors(PARTITIONS.of(site), site))
        return [name.decode() for name in names]

    async def row(self, path: str, pages: int) -> PresenceRow | None:
        """The only visitor's row, if it shows this page and this number of views."""
        visitors = await self.visitors()
        assert len(visitors) <= 1, visitors
        row = await History(self.clients, PARTITIONS).row(self.stack.site, visitors[0]) if visitors else None
        return row if row and (row.page.url, row.pages) == (self.origin + path, pages) else None

    async def nobody(self) -> bool:
        """Whether the list is empty."""
        return await self.visitors() == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    made: list[Shop] = []

    async def page(request: web.Request) -> web.Response:
        return await made[0].page(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacks, "SERVICES", ("presence", "collector"))
        async with served([web.get("/{path:.*}", page)]) as port:
            origin = f"http://localhost:{port}"
            async with Stack(tmp_path_factory.mktemp("stack"), settings=SETTINGS, origins=(origin,)) as stack:
                clients = Clients(RedisSettings(stack.valkey.url))
                made.append(Shop(stack, chromium, clients, origin))
                yield made[0]
                await clients.close()


async def test_one_row_for_two_tabs_with_exact_page_count(shop: Shop):
    browser = await shop.visitor()
    first = await browser.new_page()
    await first.goto(shop.origin + "/a")
    await eventually(lambda: shop.row("/a", 1))
    await first.evaluate("history.pushState({}, '', '/b')")
    row = await eventually(lambda: shop.row("/b", 2))
    assert (row.visits, row.page.title) == (1, "At /a")
    second = await browser.new_page()
    await second.goto(shop.origin + "/c")
    assert (await eventually(lambda: shop.row("/c", 3))).number == row.number
    await first.goto(shop.origin + "/d")
    await eventually(lambda: shop.row("/d", 4))
    await first.close(run_before_unload=True)
    assert (await eventually(lambda: shop.row("/c", 4))).number == row.number
    await browser.close()
    await eventually(shop.nobody)


async def test_visitor_survives_the_collector(shop: Shop):
    browser = await shop.visitor()
    page = await browser.new_page()
    await page.goto(shop.origin + "/a")
    await eventually(lambda: shop.row("/a", 1))
    collector = shop.stack.first("collector")
    await collector.kill()
    await page.evaluate("history.pushState({}, '', '/b')")
    await collector.start()
    await collector.ready()
    await eventually(lambda: shop.row("/b", 2), within_s=30)
    await browser.close()
    await eventually(shop.nobody, within_s=60)


async def test_pictures_are_enough(shop: Shop):
    shop.policy = "connect-src 'none'"
    browser = await shop.visitor()
    page = await browser.new_page()
    await page.goto(shop.origin + "/a")
    await eventually(lambda: shop.row("/a", 1))
    await page.evaluate("history.pushState({}, '', '/b')")
    await eventually(lambda: shop.row("/b", 2))
    await page.goto("about:blank")
    await eventually(shop.nobody)
    shop.policy = ""
    await browser.close()
