"""The widget against the real collector, presence and chat-routing."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from tests import stack as stacks
from tests.e2e.tracker_bench import served
from tests.e2e.widget_bench import OPEN_SHADOW
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
# As where something on the way blocks it.
WITHOUT_WEBSOCKET = """window.WebSocket = class {
  constructor() { setTimeout(() => this.onclose?.({ code: 1006 })); }
  close() {}
};"""
# The page was told that somebody is there, and meanwhile everybody has left.
STALE = """{ const real = fetch; window.fetch = async (...all) => {
  const reply = await real(...all);
  return /v1.site/.test(all[0]) ? Response.json({ ...(await reply.json()), online: true }) : reply;
}; }"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Address of a website that embeds a running installation."""
    embeds: list[str] = []

    async def page(_request: web.Request) -> web.Response:
        text = f"<!doctype html><html lang=en><meta charset=utf-8><title>Shop</title>{embeds[0]}<body>Shop"
        return web.Response(text=text, content_type="text/html")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacks, "SERVICES", ("presence", "chat_routing", "collector"))
        async with served([web.get("/{path:.*}", page)]) as port:
            origin = f"http://localhost:{port}"
            async with Stack(tmp_path_factory.mktemp("stack"), origins=(origin,)) as stack:
                embeds.append(f'<script async src="{stack.collector}/t/v1.js" data-site="{stack.site}"></script>')
                yield origin


async def opened(chromium: Browser, origin: str, before: str = "") -> Page:
    """The chat, asked for by a new visitor."""
    context = await chromium.new_context(user_agent=AGENT)
    page = await context.new_page()
    await page.add_init_script(OPEN_SHADOW + before)
    await page.goto(origin)
    await page.wait_for_function("window.foyer?.link.sender.token")
    await page.evaluate("foyer.open()")
    await page.locator(".panel").wait_for()
    return page


@pytest.mark.parametrize("before", ["", WITHOUT_WEBSOCKET], ids=["live", "http"])
async def test_message_is_left_when_nobody_is_there(chromium: Browser, shop: str, before: str):
    page = await opened(chromium, shop, before)
    await expect(page.get_by_role("heading", name="Nobody can answer")).to_be_visible()
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_label("Your message").fill("Call me")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("Thank you! We have received your message.")).to_be_visible(timeout=15_000)
    await page.context.close()


@pytest.mark.parametrize("before", ["", WITHOUT_WEBSOCKET], ids=["live", "http"])
async def test_request_that_nobody_can_take_becomes_the_offline_form(chromium: Browser, shop: str, before: str):
    page = await opened(chromium, shop, before + STALE)
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_label("Your question").fill("Help")
    await page.get_by_role("button", name="Start chat").click()
    await expect(page.get_by_label("Your message")).to_have_value("Help", timeout=15_000)
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("Thank you! We have received your message.")).to_be_visible(timeout=15_000)
    await page.context.close()
