"""Inside a chat: messages with their marks, typing and previews, canned replies, absence, both ends, the rating."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.journeys.journey import Installation, World, in_chat, seen, world

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def shop(installation: Installation) -> AsyncIterator[World]:
    settings = {"chat_away_ms": 1_000, "leave_grace_ms": 1_000, "chat_gone_ms": 600_000}
    async with world(installation, widget={"preview": True}, **settings) as made:
        path = f"/sites/{made.site}/canned"
        reply = {"shortcut": "hello", "title": "Welcome", "text": "Hello and welcome!"}
        await installation.call("POST", path, reply)
        yield made


async def test_marks_typing_and_previews_of_two_chats_at_once(shop: World):
    vera, viktor = await shop.guest(), await shop.guest()
    await in_chat(shop, viktor, "Viktor", shop.ada)
    await in_chat(shop, vera, "Vera", shop.ada)

    await vera.page.get_by_role("button", name="Minimise chat").click()
    await shop.ada.write("Yes, it is.")
    await expect(shop.ada.log.get_by_role("img", name="Delivered")).to_be_visible()
    await expect(vera.page.get_by_role("button", name=re.compile("Open chat.*1.*unread"))).to_be_visible()
    await expect(vera.page).to_have_title("● Home")
    await vera.page.get_by_role("button", name="Open chat").click()
    await expect(shop.ada.log.get_by_role("img", name="Read", exact=True)).to_be_visible()
    await expect(vera.page).to_have_title("Home")

    await viktor.write("Are you there?")
    await expect(viktor.page.locator(".meta").last).to_contain_text("Delivered")
    tab = shop.ada.page.get_by_role("tab", name="Viktor")
    await expect(tab.get_by_label("1 unread message")).to_be_visible()
    await expect(shop.ada.page).to_have_title("(1) Foyer")
    await shop.ada.open_chat("Viktor")
    await expect(viktor.page.locator(".meta.read")).to_contain_text("Read")
    await expect(shop.ada.page).to_have_title("Foyer")

    await expect(viktor.page.get_by_text("The operator sees what you type before you send it.")).to_be_visible()
    await viktor.page.locator(".composer textarea").press_sequentially("Do you ship")
    await expect(shop.ada.log).to_contain_text("Viktor is typing…")
    await expect(shop.ada.log.locator(".bubble-preview")).to_contain_text("Do you")
    await viktor.page.locator(".composer textarea").press("Enter")
    await expect(shop.ada.log.locator(".message-visitor .bubble").last).to_have_text("Do you ship")
    await expect(shop.ada.log.locator(".typing")).to_have_count(0)
    await shop.ada.page.get_by_label("Message", exact=True).press_sequentially("Yes, we do")
    await expect(viktor.page.get_by_text("Ada is typing…")).to_be_visible()
    await shop.ada.page.get_by_label("Message", exact=True).press("Enter")
    await expect(viktor.log.get_by_text("Yes, we do")).to_have_count(1)

    await shop.ada.act("Viktor", "End")
    await seen(shop, viktor, "chat_end")
    await vera.ends()
    await seen(shop, vera, "chat_end")


async def test_canned_reply_is_found_by_its_shortcut(shop: World):
    guest = await shop.guest()
    await in_chat(shop, guest, "Vanja", shop.grace)
    await shop.grace.page.reload()  # replies are read when a chat is opened
    await shop.grace.page.get_by_role("button", name="Chats", exact=True).click()
    await shop.grace.open_chat("Vanja")
    box = shop.grace.page.get_by_label("Message", exact=True)
    await expect(shop.grace.page.get_by_text("/ finds a canned reply")).to_be_visible()
    await box.press_sequentially("/hel")
    option = shop.grace.page.get_by_role("listbox", name="Canned replies").get_by_role("option")
    await expect(option).to_contain_text("/hello")
    await box.press("Enter")
    await expect(box).to_have_value("Hello and welcome!")
    await box.press("Enter")
    await expect(guest.log.get_by_text("Hello and welcome!")).to_have_count(1)
    await guest.ends()
    await seen(shop, guest, "chat_end")


async def test_visitor_goes_away_comes_back_ends_and_rates(shop: World):
    guest = await shop.guest()
    await in_chat(shop, guest, "Vilma", shop.grace)
    await guest.page.goto("about:blank")
    await expect(shop.grace.log).to_contain_text("Vilma is away")
    await guest.page.goto(shop.shop.origin + "/pricing")
    await expect(shop.grace.log).to_contain_text("Vilma is back")
    await guest.write("Here again")
    await expect(shop.grace.log).to_contain_text("Here again")
    await expect(guest.log.get_by_text("Is it waterproof?")).to_have_count(1)
    await guest.ends()
    await seen(shop, guest, "chat_end")
    await expect(shop.grace.page.get_by_text("This chat is over.")).to_be_visible()
    await guest.page.get_by_role("radio", name=re.compile("4.* of 5")).check()
    await guest.page.get_by_label("Comment").fill("Kind")
    await guest.page.get_by_role("button", name="Send").click()
    await expect(guest.page.get_by_text("Thank you for your feedback!")).to_be_visible()
    await shop.grace.select("Vilma")
    await shop.grace.panel("Timeline")
    timeline = shop.grace.page.locator(".timeline")
    await expect(timeline).to_contain_text("Vilma rated the chat")
    await expect(timeline.get_by_role("img", name="4 stars of 5")).to_be_visible()
    await expect(timeline).to_contain_text("Vilma ended the chat")
    await expect(timeline).to_contain_text("You took the chat")

    await shop.grace.panel("History")
    chats = shop.grace.page.get_by_role("region", name="Chats")
    await chats.locator("summary").click()
    await expect(chats).to_contain_text("Here again")
    await expect(chats).to_contain_text("Vilma rated the chat")
    for form in ("text", "CSV", "JSON"):
        async with shop.grace.page.expect_download() as saved:
            await chats.get_by_role("link", name=form).click()
        assert "Here again" in (await (await saved.value).path()).read_text()
    await shop.grace.panel("Chats")
