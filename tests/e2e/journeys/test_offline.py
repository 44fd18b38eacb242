"""The offline form: shown by an operator or because nobody is there, kept while typing, and its way into the inbox."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.journeys.journey import Guest, Installation, World, seen, world

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def shop(installation: Installation) -> AsyncIterator[World]:
    async with world(installation) as made:
        yield made


async def leaves_message(guest: Guest, text: str) -> None:
    """What is missing in the form, then sent."""
    await guest.page.get_by_label("E-mail").fill("vera@example.com")
    await guest.page.get_by_label("Your message").fill(text)
    await guest.page.get_by_role("button", name="Send").click()
    await expect(guest.page.get_by_text("Thank you! We have received your message.")).to_be_visible()


async def test_operator_shows_the_form_and_the_message_reaches_the_inbox(shop: World):
    guest = await shop.guest()
    await guest.asks("Vera", "Is it waterproof?")
    await seen(shop, guest, "requested")
    await shop.grace.act("Vera", "Redirect")
    await seen(shop, guest, "redirected")
    await expect(guest.page.get_by_label("Your message")).to_have_value("Is it waterproof?")
    await expect(guest.page.get_by_label("Name")).to_have_value("Vera")
    await leaves_message(guest, "Is it waterproof? See https://shop.example/x")
    for console in shop.consoles:
        await console.shows("Vera", "navigating")
        await console.panel("Inbox")
        item = console.page.get_by_role("listitem").filter(has_text="vera@example.com")
        await expect(item).to_contain_text("Is it waterproof?")
        await expect(item.get_by_role("link")).to_have_attribute("rel", "noopener noreferrer")
        await expect(console.page.locator("#tab-inbox .count-mark")).to_have_text("1")
    await shop.ada.page.get_by_role("button", name="Mark as done").click()
    await expect(shop.grace.page.get_by_text("No message waits.")).to_be_visible()
    await expect(shop.grace.page.locator("#tab-inbox .count-mark")).to_have_count(0)
    await shop.grace.page.get_by_role("button", name="Done", exact=True).click()
    await expect(shop.grace.page.get_by_role("listitem").filter(has_text="vera@example.com")).to_contain_text(
        "done by Ada"
    )
    for console in shop.consoles:
        await console.panel("Chats")
    await guest.page.get_by_role("button", name="Close", exact=True).click()
    await expect(guest.page.locator(".panel")).to_be_hidden()


async def test_form_closed_unsent_ends_it_too(shop: World):
    guest = await shop.guest()
    await guest.asks("Vanja", "Anybody?")
    await seen(shop, guest, "requested")
    await shop.ada.act("Vanja", "Redirect")
    await seen(shop, guest, "redirected")
    await guest.page.get_by_role("button", name="Close", exact=True).click()
    await seen(shop, guest, "navigating")


async def test_nobody_is_left_and_what_is_typed_stays_when_somebody_comes_back(shop: World):
    guest = await shop.guest()
    await guest.asks("Viktor", "Do you ship to Malta?")
    await seen(shop, guest, "requested")
    await shop.ada.go("Away")
    await expect(shop.grace.page.get_by_role("button", name="Colleagues: 1")).to_be_visible()
    await shop.grace.go("Away")
    for console in shop.consoles:
        await console.shows("Viktor", "redirected")
    await guest.shows("redirected")
    await expect(guest.page.get_by_label("Your message")).to_have_value("Do you ship to Malta?")
    await guest.page.get_by_label("Your message").fill("Do you ship to Malta? It is")
    await guest.page.get_by_label("Your message").press_sequentially(" urgent")
    await shop.grace.go("Online")
    await guest.page.get_by_label("Your message").press_sequentially(".")
    await expect(guest.page.get_by_label("Your message")).to_have_value("Do you ship to Malta? It is urgent.")
    await leaves_message(guest, "Do you ship to Malta? It is urgent.")
    await shop.ada.panel("Inbox")
    await expect(shop.ada.page.get_by_role("listitem").filter(has_text="Viktor")).to_contain_text("It is urgent.")
    await shop.ada.go("Online")


async def test_nobody_online_is_said_before_a_word_is_typed(shop: World):
    for console in shop.consoles:
        await console.go("Away")
    await shop.installation.told(shop.site, online=False)
    guest = await shop.visit()
    await guest.page.get_by_role("button", name="Open chat, We are offline").click()
    await guest.shows("redirected")
    for console in shop.consoles:
        await console.shows(guest.name, "navigating")
        await console.go("Online")
