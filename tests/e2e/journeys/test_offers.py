"""Where the router assigns: one operator after the other is asked, sees why, takes, declines or misses it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.journeys.journey import Console, Guest, Installation, World, seen, world
from tests.eventually import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def shop(installation: Installation) -> AsyncIterator[World]:
    async with world(installation, intake="assign", offer_ms=600_000) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="package")
async def hasty(installation: Installation) -> AsyncIterator[World]:
    """Where nobody can be fast enough."""
    async with world(installation, intake="assign", offer_ms=1_500, invite_ms=1_500, misses_until_away=1) as made:
        yield made


async def asked_first(shop: World) -> tuple[Console, Console]:
    """Whom the router has asked, and the other one."""

    async def found() -> Console | None:
        for console in shop.consoles:
            if await console.offer.count():
                return console
        return None

    asked: Console = await eventually(found, within_s=30)
    return asked, next(one for one in shop.consoles if one is not asked)


async def happened(console: Console, guest: Guest) -> str:
    """The visitor's timeline as the console shows it."""
    await console.select(guest.name)
    await console.panel("Timeline")
    timeline = console.page.locator(".timeline")
    await expect(timeline).to_contain_text("accepted")
    text = await timeline.inner_text()
    await console.panel("Chats")
    return text


async def test_offer_is_declined_and_the_next_operator_takes_it_by_keyboard(shop: World):
    guest = await shop.guest()
    notes = [await console.page.evaluate("notes") for console in shop.consoles]
    await guest.asks("Vera", "Is it waterproof?")
    await guest.shows("requested")
    asked, other = await asked_first(shop)
    assert await asked.page.evaluate("notes") > notes[shop.consoles.index(asked)]
    await expect(asked.page).to_have_title("(1) Foyer")
    await expect(asked.offer).to_contain_text("A visitor asks for a chat")
    await expect(asked.offer).to_contain_text("Vera")
    await expect(asked.offer).to_contain_text("You are asked because this is your primary skill")
    await expect(asked.offer.get_by_role("progressbar")).to_be_visible()
    await asked.offer.get_by_role("button", name="Decline").click()
    await expect(asked.offer).to_have_count(0)
    await expect(other.offer).to_contain_text("Vera")
    await other.page.keyboard.press("Alt+a")
    await seen(shop, guest, "chatting", owner=other)
    await expect(other.log).to_contain_text("Is it waterproof?")
    await expect(asked.page).to_have_title("Foyer")
    for console in shop.consoles:
        story = await happened(console, guest)
        name = "you" if console is asked else asked.name
        assert f"Asked to take the visitor: {name}" in story
        assert "primary skill · declined" in story
        assert "Skill General: default skill of the site" in story
    await guest.ends()
    await seen(shop, guest, "chat_end")


async def test_missed_offers_go_from_one_to_the_next_and_set_operators_away(hasty: World):
    guest = await hasty.guest()
    await guest.asks("Viktor")
    for console in hasty.consoles:
        await expect(console.page.get_by_role("switch")).to_have_text("Away")
        await console.shows("Viktor", "redirected")
        await expect(console.offer).to_have_count(0)
    await guest.shows("redirected")
    await hasty.ada.select("Viktor")
    await hasty.ada.panel("Timeline")
    timeline = hasty.ada.page.locator(".timeline")
    for name in ("you", "Grace"):
        asked = timeline.get_by_role("listitem").filter(has_text=f"Asked to take the visitor: {name}")
        await expect(asked).to_contain_text("primary skill · missed it")
    for console in hasty.consoles:
        await console.go("Online")
    await seen(hasty, guest, "redirected")


async def test_ignored_invitation_is_not_a_denied_one(hasty: World):
    guest = await hasty.guest()
    await hasty.ada.act(guest.name, "Invite")
    await hasty.ada.dialog.get_by_role("button", name="Invite").click()
    ignored = hasty.ada.row(guest.name).get_by_title("Navigating: no answer")
    await expect(ignored).to_be_visible()
    await seen(hasty, guest, "navigating")
    await expect(guest.page.locator(".card")).to_have_count(0)
