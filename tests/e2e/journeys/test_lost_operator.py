"""An operator's browser is closed in the middle of a chat: the visitor is told, waits in front, and gets it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.journeys.journey import Installation, World, in_chat, seen, world

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(loop_scope="package")
async def shop(installation: Installation) -> AsyncIterator[World]:
    settings: dict[str, Any] = {"operator_missing_ms": 1_500, "operator_grace_ms": 4_000, "queue_ms": 3_600_000}
    settings["offer_ms"] = 600_000
    async with world(installation, **settings) as made:
        yield made


async def test_visitor_is_told_waits_in_front_and_gets_the_old_operator_back(shop: World):
    guest, other = await shop.guest(), await shop.guest()
    await in_chat(shop, guest, "Vera", shop.ada)
    await shop.ada.write("One moment")
    await expect(guest.log.get_by_text("One moment")).to_be_visible()
    await other.asks("Viktor")
    await seen(shop, other, "requested")
    await shop.ada.page.context.close()
    lost, shop.consoles[:1] = shop.ada, []
    grace = shop.consoles[0]
    await expect(guest.log).to_contain_text("Ada has lost the connection.")
    await expect(guest.log).to_contain_text("The operator was lost. You are first in the queue.")
    await expect(guest.page.get_by_text("You are number 1 in the queue.")).to_be_visible()
    await expect(other.page.get_by_text("You are number 2 in the queue.")).to_be_visible()
    await seen(shop, guest, "requested")
    await expect(grace.waiting).to_have_count(2)
    await guest.write("Are you coming back?")

    back = await shop.sign_in(lost.email, lost.name)
    shop.consoles.insert(0, back)
    await expect(back.offer).to_contain_text("Vera")
    await expect(back.offer).to_contain_text("the visitor was with you before")
    await back.offer.get_by_role("button", name="Accept").click()
    await seen(shop, guest, "chatting", owner=back)
    await back.open_chat("Vera")
    for text in ("Is it waterproof?", "One moment", "Are you coming back?"):
        await expect(back.log.locator(".bubble", has_text=text).or_(back.log.get_by_text(text))).to_have_count(1)
    await expect(guest.log.get_by_text("Are you coming back?")).to_have_count(1)
    await expect(other.page.get_by_text("You are number 1 in the queue.")).to_be_visible()
    await back.write("Here I am")
    await expect(guest.log.get_by_text("Here I am")).to_be_visible()


async def test_short_loss_leaves_the_chat_with_its_operator(shop: World):
    guest = await shop.guest()
    await in_chat(shop, guest, "Vera", shop.grace)
    await shop.grace.page.reload()
    await shop.grace.page.get_by_role("button", name="Chats", exact=True).click()
    await shop.grace.open_chat("Vera")
    await shop.grace.write("Still me")
    await expect(guest.log.get_by_text("Still me")).to_be_visible()
    await seen(shop, guest, "chatting", owner=shop.grace)
    await expect(guest.log.get_by_text("You are first in the queue.")).to_have_count(0)
