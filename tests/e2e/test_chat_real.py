"""A chat between a visitor's widget in a real browser and an operator's socket, with every service as a process."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.website import Website, website
from tests.e2e.widget_bench import OPEN_SHADOW
from tests.eventually import eventually
from tests.operator import Operator
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

HEADLESS = {"COLLECTOR_DECLARED_CRAWLERS_ONLY": "on"}  # such browsers are taken for robots otherwise


@dataclass
class World:
    """Everything there is."""

    stack: Stack
    shop: Website
    browser: Browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with (
        website() as shop,
        Stack(tmp_path_factory.mktemp("stack"), origins=(shop.origin,), env=HEADLESS) as stack,
    ):
        shop.install(stack.collector, stack.site)
        yield World(stack, shop, chromium)


class Desk:
    """An operator who watches the list, and the chat events that reached it."""

    def __init__(self, operator: Operator, site: str) -> None:
        self.operator = operator
        self.site = site
        self.events: list[Any] = []
        self.count = 0
        operator.client.on("chat:event", self.events.append)

    async def visitor(self, status: str) -> dict[str, Any]:
        """The only visitor, once its status is this one."""

        def found() -> dict[str, Any] | None:
            return next((row for row in self.operator.rows if row["status"] == status), None)

        row: dict[str, Any] = await eventually(found)
        return row

    async def do(self, event: str, **fields: Any) -> dict[str, Any]:
        """A command; it must be taken."""
        self.count += 1
        answer = await self.operator.call(event, id=f"d{self.count}", **fields)
        assert answer["ok"], answer
        return answer


async def write(page: Page, text: str) -> None:
    """The visitor sends one message."""
    await page.locator(".composer textarea").fill(text)
    await page.locator(".composer textarea").press("Enter")


async def test_a_visitor_asks_is_answered_changes_the_page_and_loses_nothing(world: World):
    context = await world.browser.new_context()
    await context.add_init_script(OPEN_SHADOW)
    page = await context.new_page()
    await page.goto(world.shop.origin + "/")
    async with Operator(world.stack.gateway) as operator:
        desk = Desk(operator, world.stack.site)
        await operator.open(world.stack.site, offset=0, limit=50)
        await desk.visitor("navigating")
        await page.evaluate("foyer.open()")
        await page.get_by_label("Name").fill("Vera")
        await page.get_by_role("button", name="Start chat").click()
        row = await desk.visitor("requested")
        assert row["nickname"] == "Vera"
        await desk.do("chat:accept", site=desk.site, visitor=row["visitor"])
        chat = (await desk.visitor("chatting"))["chat"]
        await write(page, "One")
        await eventually(lambda: [e for e in desk.events if e.get("text") == "One"])
        await desk.do("chat:send", chat=chat, text="Two")
        await expect(page.locator(".bubble", has_text="Two")).to_be_visible()

        await page.goto(world.shop.origin + "/pricing")
        await desk.do("chat:send", chat=chat, text="Three")
        await expect(page.locator(".bubble", has_text="Three")).to_have_count(1)
        if not await page.locator(".panel").is_visible():  # on a narrow or a new page it may be folded away
            await page.get_by_role("button", name="Open chat").click()
        await world.stack.first("collector").kill()
        await desk.do("chat:send", chat=chat, text="Four")
        await write(page, "Five")
        await world.stack.first("collector").start()
        await world.stack.first("collector").ready()
        await expect(page.locator(".bubble", has_text="Four")).to_be_visible(timeout=30_000)
        await eventually(lambda: [e for e in desk.events if e.get("text") == "Five"], within_s=30)
        await expect(page.locator(".bubble")).to_have_count(5)
        assert {*await page.locator(".bubble").all_inner_texts()} == {"One", "Two", "Three", "Four", "Five"}
        said = [e["seq"] for e in desk.events if e["type"] == "message"]
        assert said == sorted(set(said))
    await context.close()
