"""Who wants no identifier, or has not consented to one, can chat all the same: a real browser and every service."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.e2e.website import Website, website
from tests.e2e.widget_bench import OPEN_SHADOW
from tests.eventually import eventually
from tests.operator import Operator
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

HEADLESS = {"COLLECTOR_NEVER_BOTS": "HeadlessChrome"}  # such browsers are taken for robots otherwise
GPC = "Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })"
STORED = "Object.keys(localStorage).concat(Object.keys(sessionStorage)).concat(document.cookie ? ['cookie'] : [])"
SLOW_MS = 30_000


@dataclass
class World:
    """Everything there is, and an operator who watches the list."""

    stack: Stack
    shop: Website
    browser: Browser
    operator: Operator
    count: int = 0

    async def visitor(self, *statuses: str) -> dict[str, Any]:
        """The visitor with one of these statuses."""

        def found() -> dict[str, Any] | None:
            return next((row for row in self.operator.rows if row["status"] in statuses), None)

        row: dict[str, Any] = await eventually(found, within_s=30)
        return row

    async def do(self, event: str, **fields: Any) -> dict[str, Any]:
        """A command; it must be taken."""
        self.count += 1
        answer = await self.operator.call(event, id=f"d{self.count}", **fields)
        assert answer["ok"], answer
        return answer

    async def asked(self, page: Page) -> dict[str, Any]:
        """The visitor asks for a chat and the operator takes it; the row."""
        await page.evaluate("foyer.open()")
        await page.get_by_label("Name").fill("Vera")
        await page.get_by_role("button", name="Start chat").click()
        row = await self.visitor("requested")
        await self.do("chat:accept", site=self.stack.site, visitor=row["visitor"])
        return await self.visitor("chatting")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with (
        website() as shop,
        Stack(
            tmp_path_factory.mktemp("stack"), origins=(shop.origin,), env=HEADLESS, settings={"leave_grace_ms": 4000}
        ) as stack,
        Operator(stack.gateway) as operator,
    ):
        await operator.open(stack.site, offset=0, limit=50)
        yield World(stack, shop, chromium, operator)


@pytest.fixture
def embedded(world: World) -> Iterator[None]:
    """The website embeds the tracker as documented."""
    world.shop.install(world.stack.collector, world.stack.site)
    yield
    world.shop.embed = ""


@pytest_asyncio.fixture(loop_scope="module")
async def context(world: World) -> AsyncIterator[BrowserContext]:
    made = await world.browser.new_context()
    await made.add_init_script(OPEN_SHADOW)
    yield made
    await made.close()


async def write(page: Page, text: str) -> None:
    """The visitor sends one message, and it is delivered."""
    await page.locator(".composer textarea").fill(text)
    await page.locator(".composer textarea").press("Enter")
    await expect(page.locator(".bubble", has_text=text)).to_be_visible(timeout=SLOW_MS)


@pytest.mark.usefixtures("embedded")
async def test_with_global_privacy_control_a_chat_survives_a_page_change_and_leaves_nothing(
    world: World, context: BrowserContext
):
    await context.add_init_script(GPC)
    page = await context.new_page()
    await page.goto(world.shop.origin + "/")
    row = await world.asked(page)
    visitor, chat = row["visitor"], row["chat"]
    assert (row["nickname"], row["returning"]) == ("Vera", False)
    await write(page, "One")
    assert await page.evaluate(STORED) == []

    await page.goto(world.shop.origin + "/pricing")
    await world.do("chat:send", chat=chat, text="Two")
    await expect(page.locator(".bubble", has_text="Two")).to_be_visible(timeout=SLOW_MS)  # the panel is open again
    await expect(page.locator(".bubble", has_text="One")).to_have_count(1)
    await write(page, "Three")
    assert await page.evaluate(STORED) == []
    assert (await world.visitor("chatting"))["visitor"] == visitor

    await world.do("chat:end", chat=chat)
    await page.wait_for_function("foyer.link.sender.chat === undefined", timeout=SLOW_MS)
    await page.goto(world.shop.origin + "/contact")
    other = await eventually(
        lambda: next((one for one in world.operator.rows if one["visitor"] != visitor), None), within_s=30
    )
    assert (other["returning"], other["status"], other["named"]) == (False, "navigating", False)
    assert await page.evaluate(STORED) == []
    await eventually(lambda: [one["visitor"] for one in world.operator.rows] == [other["visitor"]], within_s=60)
    history = await world.operator.call("visitor:history", site=world.stack.site, visitor=visitor)
    assert history["visits"] == [], history
    await page.close(run_before_unload=True)
    await eventually(lambda: world.operator.rows == [], within_s=60)


async def test_without_consent_a_chat_is_possible_and_nothing_is_stored(world: World, context: BrowserContext):
    script = f'<script async src="{world.stack.collector}/t/v1.js" data-site="{world.stack.site}"'
    world.shop.embed = f'{script} data-consent="required"></script>'
    page = await context.new_page()
    await page.goto(world.shop.origin + "/")
    await page.wait_for_function("window.foyer && foyer.link")
    row = await world.asked(page)
    await write(page, "One")
    assert await page.evaluate(STORED) == []
    # Consent in the middle of it: the visitor of the chat stays nameless, also on the next page.
    await page.evaluate("foyer.consent(true)")
    world.shop.embed += "<script>(foyer = window.foyer || { q: [] }).q.push(['consent', true])</script>"
    await page.goto(world.shop.origin + "/pricing")
    await world.do("chat:send", chat=row["chat"], text="Two")
    await expect(page.locator(".bubble", has_text="Two")).to_be_visible(timeout=SLOW_MS)
    assert (await world.visitor("chatting"))["visitor"] == row["visitor"]
    await world.do("chat:end", chat=row["chat"])
    await page.close(run_before_unload=True)
    await eventually(lambda: world.operator.rows == [], within_s=60)
