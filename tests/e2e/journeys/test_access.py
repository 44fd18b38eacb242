"""The console for everybody: what axe finds in each of its parts, in light and in dark, wide and narrow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.journeys.journey import Installation, World, in_chat, world

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(240)]

AXE = Path(__file__).resolve().parents[3] / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")
# Nothing that still moves is judged; what moves for ever does not count.
AT_REST = """() => document.getAnimations().every((one) =>
  one.playState !== 'running' || one.effect.getComputedTiming().iterations === Infinity)"""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def shop(installation: Installation) -> AsyncIterator[World]:
    async with world(installation, offer_ms=600_000, forward_ms=600_000) as made:
        yield made


async def faults(page: Page, where: str) -> list[str]:
    """What axe finds that is serious or critical."""
    await page.wait_for_function(AT_REST)
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run(document)")
    grave = [fault for fault in found["violations"] if fault["impact"] in GRAVE]
    return [f"{where}: {fault['id']}: {node['html']}" for fault in grave for node in fault["nodes"]]


async def walk(shop: World) -> list[str]:
    """Through the parts of the desk, with a chat, an offer, a waiting visitor and a message in the inbox."""
    page, found = shop.ada.page, []
    found += await faults(page, "chat and offer")
    for name in ("Navigation", "History", "Timeline", "Inbox"):
        await shop.ada.panel(name)
        await expect(page.locator(".side-panel .bone")).to_have_count(0)
        found += await faults(page, name)
    await shop.ada.panel("Chats")
    conversation = page.get_by_role("tabpanel", name="Vera")
    for name in ("Forward", "Conference", "Kick"):
        await conversation.get_by_role("button", name=name).click()
        found += await faults(page, f"dialog {name}")
        await page.keyboard.press("Escape")
    for opener in ("Keyboard shortcuts", "Columns", "Skill", "Account", "Colleagues"):
        await page.get_by_role("button", name=opener).first.click()
        found += await faults(page, opener)
        await page.keyboard.press("Escape")
    await page.keyboard.press("Alt+w")
    found += await faults(page, "wide desk")
    await page.keyboard.press("Alt+w")
    return found


async def test_axe_finds_nothing_grave_in_the_console(shop: World):
    vera, viktor, vilma, volker = [await shop.guest() for _ in range(4)]
    await in_chat(shop, volker, "Volker", shop.ada)
    await shop.ada.act("Volker", "End")
    await in_chat(shop, vera, "Vera", shop.ada)
    await shop.ada.write("Yes, it is: https://shop.example/care")
    await vera.write("Thank you")
    await in_chat(shop, viktor, "Viktor", shop.grace)
    await shop.grace.act("Viktor", "Forward")
    await shop.grace.pick("Ada")
    await shop.grace.dialog.get_by_role("button", name="Forward").click()
    await expect(shop.ada.offer).to_contain_text("Viktor")
    await vilma.asks("Vilma", "Anybody?")
    await expect(shop.ada.waiting).to_contain_text("Vilma")
    await vera.page.locator(".composer textarea").press_sequentially("One more")
    await shop.ada.open_chat("Vera")
    page, found = shop.ada.page, []
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {fault}" for fault in await walk(shop)]
    await page.set_viewport_size({"width": 820, "height": 700})
    found += await faults(page, "narrow")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_grave_on_the_way_in(shop: World, scheme: str):
    context = await shop.browser.new_context(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(shop.installation.stack.gateway)
    await page.get_by_label("E-mail").fill("nobody@example.com")
    found = await faults(page, "sign in")
    await page.get_by_label("Password", exact=True).fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("E-mail or password is not right.")).to_be_visible()
    found += await faults(page, "sign in refused")
    assert not found, "\n".join(found)
    await context.close()
