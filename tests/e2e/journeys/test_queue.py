"""From the visitor's question to an operator, or to the offline form: two operators, two visitors, by clicking."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.journeys.journey import Installation, World, seen, world

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def shop(installation: Installation) -> AsyncIterator[World]:
    async with world(installation) as made:
        yield made


async def test_two_visitors_wait_in_line_and_the_first_is_taken(shop: World):
    first, second = await shop.guest(), await shop.guest("/pricing")
    notes = [await console.page.evaluate("notes") for console in shop.consoles]
    await first.asks("Vera", "Is it waterproof?")
    await seen(shop, first, "requested")
    await second.asks("Viktor")
    await seen(shop, second, "requested")
    await expect(first.page.get_by_text("You are number 1 in the queue.")).to_be_visible()
    await expect(second.page.get_by_text("You are number 2 in the queue.")).to_be_visible()
    await expect(second.page.get_by_text("We cannot tell how long it will take.")).to_be_visible()
    for console, before in zip(shop.consoles, notes, strict=True):
        await expect(console.page).to_have_title("(2) Foyer")
        await expect(console.waiting).to_have_count(2)
        assert await console.page.evaluate("notes") > before

    await shop.ada.waiting.filter(has_text="Vera").get_by_role("button", name="Accept").click()
    await seen(shop, first, "chatting", owner=shop.ada)
    await expect(shop.ada.log).to_contain_text("Is it waterproof?")
    await expect(shop.ada.log).to_contain_text("You took the chat")
    await expect(first.log).to_contain_text("Ada has joined the chat.")
    await expect(second.page.get_by_text("You are number 1 in the queue.")).to_be_visible()
    for console in shop.consoles:
        await expect(console.page).to_have_title("(1) Foyer")

    await second.page.get_by_role("button", name="Cancel").click()
    await seen(shop, second, "navigating")
    for console in shop.consoles:
        await expect(console.waiting).to_have_count(0)
        await expect(console.page).to_have_title("Foyer")
    await first.ends()
    await seen(shop, first, "chat_end")
