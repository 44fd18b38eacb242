"""The whole desk without a mouse: where the focus goes, that it is seen, and a chat from the request to the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.journeys.journey import Console, Installation, World, seen, world

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(240)]

MOST_STOPS = 120
# What a sighted person sees of the focus: a ring, a shadow or another frame, on the element or on what stands for it.
FOCUSED = """() => {
  const at = document.activeElement;
  const shown = at.matches('.grid') ? at.querySelector('.grid-head') : at.closest('.search') ?? at;
  const style = getComputedStyle(shown);
  const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
  const other = style.boxShadow !== 'none' || shown !== at || style.backgroundImage !== 'none';
  const region = at.closest('.header, .list-head, .grid, .toolbar, .list-foot, .side, .offers');
  return {
    name: (at.ariaLabel || at.labels?.[0]?.innerText || at.innerText || at.title || '').trim(),
    region: region?.classList[0] ?? at.localName,
    visible: ring || other,
    box: at.getBoundingClientRect().width > 0,
  };
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def shop(installation: Installation) -> AsyncIterator[World]:
    async with world(installation, forward_ms=600_000, offer_ms=600_000) as made:
        reply = {"shortcut": "hello", "text": "Hello and welcome!"}
        await installation.call("POST", f"/sites/{made.site}/canned", reply)
        yield made


async def focused(page: Page) -> dict[str, Any]:
    """What has the focus."""
    return await page.evaluate(FOCUSED)  # type: ignore[no-any-return]


async def tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Go on until this has the focus."""
    for _ in range(MOST_STOPS):
        await page.keyboard.press(key)
        if (await focused(page))["name"] == name:
            return
    raise AssertionError(f"{name} is not reached by {key}")


async def choose(console: Console, visitor: str) -> None:
    """Walk down the list to the visitor."""
    keys = console.page.keyboard
    await keys.press("Alt+l")
    await keys.press("Home")
    for _ in range(20):
        if await console.page.locator(".toolbar .subject-name").inner_text() == visitor:
            return
        await keys.press("ArrowDown")
    raise AssertionError(f"{visitor} is not in the list")


async def test_focus_goes_in_the_order_of_the_page_and_is_always_seen(shop: World):
    guest = await shop.guest()
    page = shop.ada.page
    await shop.ada.select(guest.name)
    await page.evaluate("document.activeElement.blur()")
    await page.mouse.click(300, 20)  # an empty place of the header: from there the walk begins
    stops: list[dict[str, Any]] = []
    for _ in range(MOST_STOPS):
        await page.keyboard.press("Tab")
        stop = await focused(page)
        if stop["region"] == "body" or (stops and stop["name"] == stops[0]["name"]):
            break
        stops.append(stop)
    assert [stop for stop in stops if not (stop["visible"] and stop["box"])] == []
    parts = [part for part, _ in groupby(stop["region"] for stop in stops)]
    wanted = ["header", "list-head", "grid", "toolbar", "list-foot", "side"]
    assert parts == [part for part in wanted if part in parts], "the focus jumps between the parts of the page"
    assert {"header", "list-head", "grid", "toolbar", "side"} <= set(parts)
    names = {stop["name"] for stop in stops}
    assert {"Sound is on", "Keyboard shortcuts", "Online", "Visitors", "Invite", "End", "Columns"} <= names


async def test_chat_from_the_request_to_the_end(shop: World):
    ada, grace = shop.ada.page.keyboard, shop.grace.page.keyboard
    guest = await shop.guest()
    await guest.asks("Vera", "Is it waterproof?")
    await expect(shop.ada.waiting).to_contain_text("Vera")
    await ada.press("Alt+a")
    await seen(shop, guest, "chatting", owner=shop.ada)
    await ada.press("Alt+m")
    await expect(shop.ada.page.get_by_label("Message", exact=True)).to_be_focused()
    await ada.type("/hel")
    await expect(shop.ada.page.get_by_role("option")).to_have_count(1)
    await ada.press("Tab")
    await ada.press("Shift+Enter")
    await ada.type("Yes, it is.")
    await ada.press("Enter")
    await expect(guest.log.get_by_text("Hello and welcome!\nYes, it is.")).to_be_visible()

    await tab_to(shop.ada.page, "Forward", "Shift+Tab")
    await ada.press("Enter")
    await expect(shop.ada.dialog.get_by_label("To")).to_be_focused()
    await ada.type("Grace")
    await ada.press("Tab")
    await ada.type("Knows the care guide")
    await tab_to(shop.ada.page, "Forward")
    await ada.press("Enter")
    await expect(shop.ada.dialog).to_be_hidden()
    await expect(shop.grace.offer).to_contain_text("Knows the care guide")
    await grace.press("Alt+d")
    await expect(guest.log).to_contain_text("Ada stays with you.")

    await ada.press("Alt+m")
    await tab_to(shop.ada.page, "Conference", "Shift+Tab")
    await ada.press("Enter")
    await ada.type("Grace")
    await tab_to(shop.ada.page, "Conference")
    await ada.press("Enter")
    await expect(shop.grace.offer).to_contain_text("Ada asks you into a chat")
    await grace.press("Alt+a")
    await seen(shop, guest, "conference", owner=shop.ada, member=shop.grace)

    await choose(shop.grace, "Vera")
    await tab_to(shop.grace.page, "Leave")
    await grace.press("Enter")
    await seen(shop, guest, "chatting", owner=shop.ada)
    await choose(shop.ada, "Vera")
    await tab_to(shop.ada.page, "End")
    await ada.press("Space")
    await seen(shop, guest, "chat_end")


async def test_invitation_navigation_and_the_own_state(shop: World):
    keys, page = shop.grace.page.keyboard, shop.grace.page
    guest = await shop.guest()
    await choose(shop.grace, guest.name)
    await keys.press("Enter")
    await expect(page.locator("#tab-navigation")).to_have_attribute("aria-selected", "true")
    await expect(page.locator(".timeline-current")).to_contain_text("Home")
    await keys.press("Escape")
    await expect(page.locator(".side")).to_be_hidden()
    await tab_to(page, "Invite")
    await keys.press("Enter")
    await expect(shop.grace.dialog.get_by_label("Message")).to_be_focused()
    await keys.type("May I help?")
    await tab_to(page, "Invite")
    await keys.press("Enter")
    await seen(shop, guest, "invited", owner=shop.grace)
    await expect(guest.page.locator(".card")).to_contain_text("May I help?")
    await choose(shop.grace, guest.name)
    await tab_to(page, "Withdraw")
    await keys.press("Enter")
    await seen(shop, guest, "navigating")
    await keys.press("Alt+s")
    await expect(page.get_by_role("switch")).to_have_text("Away")
    await expect(page.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    await keys.press("Alt+s")
    await expect(page.get_by_role("switch")).to_have_text("Online")
    await keys.press("Alt+c")


async def test_several_chats_panels_and_the_help(shop: World):
    keys, page = shop.ada.page.keyboard, shop.ada.page
    guests = [await shop.guest(), await shop.guest()]
    for guest, name in zip(guests, ("Viktor", "Vilma"), strict=True):
        await guest.asks(name)
        await expect(shop.ada.waiting).to_contain_text(name)
        await keys.press("Alt+a")
        await expect(page.get_by_role("tab", name=name)).to_be_visible()
        await seen(shop, guest, "chatting", owner=shop.ada)
    shown = page.get_by_role("tablist", name="Chats").locator("[aria-selected=true]")
    await expect(shown).to_contain_text("Vilma")
    await keys.press("Alt+ArrowUp")
    await expect(shown).to_contain_text("Viktor")
    await keys.press("Alt+ArrowDown")
    await expect(shown).to_contain_text("Vilma")
    await keys.press("Alt+w")
    await expect(page.get_by_role("grid", name="Visitors")).to_be_hidden()
    await keys.press("Alt+w")
    await expect(page.get_by_role("grid", name="Visitors")).to_be_visible()
    await keys.press("Alt+i")
    await expect(page.get_by_text("No message waits.")).to_be_visible()
    await keys.press("Alt+c")
    await keys.press("Alt+n")
    await expect(page.get_by_role("button", name="Sound is on")).to_have_attribute("aria-pressed", "false")
    await keys.press("Alt+n")
    await expect(page.get_by_role("button", name="Sound is on")).to_have_attribute("aria-pressed", "true")
    await keys.press("Alt+l")
    await keys.press("?")
    await expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    await keys.press("Alt+a")  # while a dialog is open no shortcut acts behind it
    await keys.press("Escape")
    await expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_hidden()
    await expect(page.get_by_role("grid", name="Visitors")).to_be_focused()

    await guests[0].ends()
    await seen(shop, guests[0], "chat_end")
    over = page.get_by_role("tab", name="Viktor")
    await over.click()
    await over.focus()
    await keys.press("Delete")
    await expect(over).to_have_count(0)
    await expect(shown).to_be_focused()
