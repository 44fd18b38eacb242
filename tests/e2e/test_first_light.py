"""A visitor on a real page appears in the operator's list: real browsers, all services as processes, a real Valkey."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from tests.e2e.chromium import chromium
from tests.e2e.website import Website, website
from tests.eventually import eventually
from tests.stack import EMAIL, PASSWORD, Stack

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
# Small numbers of the behaviour, so that nobody waits a minute for a visitor to leave.
# But long enough for a loaded machine to show the next page within the grace: else that would be another visit.
SETTINGS = {"leave_grace_ms": 5_000, "visit_gap_ms": 500, "idle_ms": 2_500}
HEADLESS = {"COLLECTOR_DECLARED_CRAWLERS_ONLY": "on"}  # such browsers are taken for robots otherwise
SOON_MS = 40_000


@dataclass
class World:
    """Everything a test clicks on."""

    stack: Stack
    shop: Website
    browser: Browser

    async def visitor(self) -> BrowserContext:
        """A browser of a new visitor."""
        return await self.browser.new_context()

    async def console(self) -> Console:
        """An operator's browser, logged in and looking at the list."""
        page = await (await self.browser.new_context(viewport={"width": 1440, "height": 900})).new_page()
        await page.goto(self.stack.gateway)
        await page.get_by_label("E-mail").fill(EMAIL)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("toolbar")).to_be_visible(timeout=SOON_MS)
        return Console(page)


@dataclass
class Console:
    """What the operator sees."""

    page: Page

    def rows(self) -> Locator:
        """The visitors in the list."""
        return self.page.locator(".grid-body [role=row]:not(.row-skeleton)")

    async def shows(self, title: str, pages: int | None = None) -> Locator:
        """The only row, which must show the page `title` (and the number of page views)."""
        row = self.rows()
        await expect(row).to_have_count(1, timeout=SOON_MS)
        await expect(row.locator(".cell-page")).to_contain_text(title, timeout=SOON_MS)
        if pages is not None:
            await expect(row.locator(".cell-pages")).to_have_text(str(pages), timeout=SOON_MS)
        return row

    async def empty(self) -> None:
        """Nobody is there."""
        await expect(self.rows()).to_have_count(0, timeout=SOON_MS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder: Path = tmp_path_factory.mktemp("stack")
    async with (
        chromium() as browser,
        website() as shop,
        Stack(folder, settings=SETTINGS, origins=(shop.origin,), env=HEADLESS) as stack,
    ):
        shop.install(stack.collector, stack.site)
        yield World(stack, shop, browser)


async def test_a_visit_from_first_page_to_return(world: World):
    console, other = await world.console(), await world.console()
    await console.empty()
    context = await world.visitor()
    tab = await context.new_page()
    await tab.goto(world.shop.origin + "/")
    row = await console.shows("Home", pages=1)
    await expect(row.locator(".cell-nickname")).to_have_text("Visitor 1")
    await expect(row.locator(".cell-status")).to_contain_text("Navigating")

    await tab.get_by_role("link", name="Pricing").click()
    await console.shows("Pricing", pages=2)
    await tab.go_back(wait_until="commit")  # from the back/forward cache, which runs no script anew
    await console.shows("Home", pages=3)
    await tab.goto(world.shop.origin + "/app")
    await tab.evaluate("route('/app/inbox', 'Inbox (3)')")
    await console.shows("Inbox (3)", pages=5)
    await tab.evaluate("document.title = 'Inbox (4)'")
    await console.shows("Inbox (4)", pages=5)

    second = await context.new_page()
    await second.goto(world.shop.origin + "/contact")
    await console.shows("Contact", pages=6)
    await other.shows("Contact", pages=6)
    await second.close()
    await console.shows("Inbox (4)", pages=6)

    await row.click()
    await console.page.get_by_role("toolbar").get_by_role("button", name="Navigation").click()
    panel = console.page.get_by_role("tabpanel")
    for title in ("Home", "Pricing", "Inbox (4)", "Contact"):
        await expect(panel).to_contain_text(title, timeout=SOON_MS)

    await tab.close()
    await console.empty()
    await other.empty()
    again = await context.new_page()
    await again.goto(world.shop.origin + "/pricing")
    row = await console.shows("Pricing", pages=1)
    await expect(row.locator(".cell-nickname")).to_have_text("Visitor 1")
    await row.locator(".earlier").click()
    await expect(panel).to_contain_text("Inbox (4)", timeout=SOON_MS)
    await context.close()
    await console.empty()


async def test_hidden_is_away_and_unused_is_idle(world: World):
    console = await world.console()
    context = await world.visitor()
    tab = await context.new_page()
    await tab.goto(world.shop.origin + "/")
    row = await console.shows("Home")
    await expect(row.get_by_role("img", name="idle")).to_be_visible(timeout=SOON_MS)
    active = row.get_by_role("img", name="active", exact=True)

    async def typing_shows() -> bool:
        await tab.keyboard.press("b")  # told with the next beat: the tracker knows nothing of the short idle time here
        return await active.is_visible()

    await eventually(typing_shows, within_s=40, every_s=0.2)
    await tab.evaluate(HIDE)
    await expect(row.get_by_role("img", name="away")).to_be_visible(timeout=SOON_MS)
    await context.close()
    await console.empty()


# Headless pages are always visible; the page itself is told otherwise, as a browser would tell it.
HIDE = """() => {
  Object.defineProperty(document, 'visibilityState', {get: () => 'hidden', configurable: true});
  Object.defineProperty(document, 'hidden', {get: () => true, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""
