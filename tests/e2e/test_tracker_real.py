"""The tracker against the real collector and presence: what one visitor does is what the visitor list says."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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
from tests.e2e.chromium import ARGUMENTS, chromium_path
from tests.e2e.tracker_bench import HIDE, served, stand_still
from tests.eventually import eventually
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
# Long enough for a loaded machine to open a live channel or to show the next page in, short enough to wait for.
SETTINGS = {"leave_grace_ms": 2_500, "silence_ms": 15_000}
soon = partial(eventually, within_s=90)  # a limit for the hopeless case, whatever else the machine does
PARTITIONS = Partitions(16)


@dataclass
class Shop:
    """A website that embeds the tracker of a running stack, and its visitor list."""

    stack: Stack
    chromium: Browser
    clients: Clients
    port: int
    branch: str  # another site of the same company, at another host name
    policy: str = ""

    @property
    def origin(self) -> str:
        """The website's origin."""
        return f"http://localhost:{self.port}"

    async def page(self, request: web.Request) -> web.Response:
        """Any page of the website."""
        site = self.stack.site if request.host.startswith("localhost") else self.branch
        embed = f'<script async src="{self.stack.collector}/t/v1.js" data-site="{site}"></script>'
        html = f"<!doctype html><meta charset=utf-8><title>At {request.path}</title>{embed}<body>{request.path}"
        policy = {"Content-Security-Policy": self.policy} if self.policy else {}
        return web.Response(text=html, content_type="text/html", headers=policy)

    async def visitor(self) -> BrowserContext:
        """A new browser; its name is not that of a crawler, as headless Chromium's is."""
        return await self.chromium.new_context(user_agent=AGENT)

    async def visitors(self, site: str = "") -> list[str]:
        """Who is on the site."""
        site = site or self.stack.site
        names: list[bytes] = await self.clients.call("HKEYS", keys.visitors(PARTITIONS.of(site), site))
        return [name.decode() for name in names]

    async def row(self, path: str, pages: int, site: str = "") -> PresenceRow | None:
        """The only visitor's row, if it shows this page and this number of views."""
        visitors = await self.visitors(site)
        assert len(visitors) <= 1, visitors
        history = History(self.clients, PARTITIONS)
        row = await history.row(site or self.stack.site, visitors[0]) if visitors else None
        return row if row and row.page.url.endswith(path) and row.pages == pages else None

    async def nobody(self, site: str = "") -> bool:
        """Whether the list is empty."""
        return await self.visitors(site) == []


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
                here = ("--origin", f"http://127.0.0.1:{port}")
                branch = (await stack.admin("site", "create", "Branch", *here, "--json"))["site"]
                pairs = [f"{name}={value}" for name, value in SETTINGS.items()]
                await stack.admin("site", "settings", branch, *pairs, "--json")
                clients = Clients(RedisSettings(stack.valkey.url))
                made.append(Shop(stack, chromium, clients, port, branch))
                yield made[0]
                await clients.close()


async def test_one_row_for_two_tabs_with_exact_page_count(shop: Shop):
    browser = await shop.visitor()
    first = await browser.new_page()
    await first.goto(shop.origin + "/a")
    await soon(lambda: shop.row("/a", 1))
    await first.evaluate("history.pushState({}, '', '/b')")
    row = await soon(lambda: shop.row("/b", 2))
    assert (row.visits, row.page.title) == (1, "At /a")
    second = await browser.new_page()
    await second.goto(shop.origin + "/c")
    assert (await soon(lambda: shop.row("/c", 3))).number == row.number
    await first.goto(shop.origin + "/d")
    await soon(lambda: shop.row("/d", 4))
    await first.close(run_before_unload=True)
    assert (await soon(lambda: shop.row("/c", 4))).number == row.number
    await browser.close()
    await soon(shop.nobody)


async def test_visitor_survives_the_collector(shop: Shop):
    browser = await shop.visitor()
    page = await browser.new_page()
    await page.goto(shop.origin + "/a")
    await soon(lambda: shop.row("/a", 1))
    collector = shop.stack.first("collector")
    await collector.kill()
    await page.evaluate("history.pushState({}, '', '/b')")
    await collector.start()
    await collector.ready()
    await soon(lambda: shop.row("/b", 2))
    await browser.close()
    await soon(shop.nobody)


async def test_pictures_are_enough(shop: Shop):
    shop.policy = "connect-src 'none'"
    browser = await shop.visitor()
    page = await browser.new_page()
    await page.goto(shop.origin + "/a")
    await soon(lambda: shop.row("/a", 1))
    await page.evaluate("history.pushState({}, '', '/b')")
    await soon(lambda: shop.row("/b", 2))
    await page.goto("about:blank")
    await soon(shop.nobody)
    shop.policy = ""
    await browser.close()


async def test_three_tabs_on_two_sites_are_one_row_on_each(shop: Shop):
    browser = await shop.visitor()
    branch = f"http://127.0.0.1:{shop.port}"
    first, second, third = [await browser.new_page() for _ in range(3)]
    await first.goto(shop.origin + "/a")
    await soon(lambda: shop.row("/a", 1))
    await second.goto(branch + "/b")
    await soon(lambda: shop.row("/b", 1, shop.branch))
    await third.goto(shop.origin + "/c")
    await soon(lambda: shop.row("/c", 2))
    await second.evaluate("history.pushState({}, '', '/d')")
    await soon(lambda: shop.row("/d", 2, shop.branch))
    assert await shop.row("/c", 2)
    await first.close()
    await third.close()
    await soon(shop.nobody)
    assert await shop.row("/d", 2, shop.branch)
    await browser.close()
    await soon(lambda: shop.nobody(shop.branch))


async def test_pages_and_their_times_in_the_history_are_what_the_visitor_did(shop: Shop):
    """To the millisecond, over three pages, one of them in the background for a while, and one left alone."""
    browser = await shop.visitor()
    page = await browser.new_page()
    await stand_still(page)
    await page.goto(shop.origin + "/read")
    await soon(lambda: shop.row("/read", 1))
    await page.clock.run_for(7_000)
    await page.evaluate("history.pushState({}, '', '/watch')")
    await page.clock.run_for(4_000)
    await soon(lambda: shop.row("/watch", 2))
    await page.evaluate(HIDE, True)
    await page.clock.run_for(30_000)
    await page.evaluate(HIDE, False)
    await page.clock.run_for(5_000)
    await page.evaluate("history.pushState({}, '', '/leave')")
    await page.clock.run_for(250)
    await soon(lambda: shop.row("/leave", 3))
    [visitor] = await shop.visitors()
    await page.clock.run_for(300_000)
    await page.close(run_before_unload=True)
    await soon(shop.nobody)
    [visit] = await History(shop.clients, PARTITIONS).visits(shop.stack.site, visitor)
    spent = {view.url.removeprefix(shop.origin): view.engaged_ms for view in visit.page_views}
    # Shown again counts as use, coming to the next page by script does not: a minute after that, nobody is there.
    assert spent == {"/read": 7_000, "/watch": 9_000, "/leave": 55_000}
    assert (visit.pages, visit.engaged_ms) == (3, 71_000)
    await browser.close()


@pytest.mark.parametrize("policy", ["", "connect-src http:"], ids=["live", "http"])
async def test_visitors_of_a_browser_that_is_killed_leave_the_list(shop: Shop, tmp_path: Path, policy: str):
    """No page says goodbye then. Its channel ends, or where it had none, the server hears nothing for too long."""
    shop.policy = policy
    flags = ("--headless=new", *ARGUMENTS, f"--user-data-dir={tmp_path}", f"--user-agent={AGENT}")
    browser = await asyncio.create_subprocess_exec(
        *(chromium_path(), *flags, shop.origin + "/a"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        await soon(lambda: shop.row("/a", 1))
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        await browser.wait()
    await soon(shop.nobody)
    shop.policy = ""
