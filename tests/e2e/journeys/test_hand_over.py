"""One chat and two operators: forwarding, conferences, a supervisor who joins, and throwing a visitor out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.journeys.journey import Console, Guest, Installation, World, in_chat, seen, world

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def shop(installation: Installation) -> AsyncIterator[World]:
    async with world(installation, forward_ms=600_000, offer_ms=600_000) as made:
        yield made


async def forwards(shop: World, guest: Guest, by: Console, to: str, note: str = "Knows the care guide") -> None:
    """With a note; everybody sees it, and the visitor still has its operator."""
    await by.act(guest.name, "Forward")
    await by.pick(to)
    await by.dialog.get_by_label("Note for the colleague").fill(note)
    await by.dialog.get_by_role("button", name="Forward").click()
    await seen(shop, guest, "forwarded", owner=by)
    other = next(one for one in shop.consoles if one is not by)
    await expect(other.offer).to_contain_text(f"{by.name} forwards a chat to you")
    await expect(other.offer).to_contain_text(note)
    await by.open_chat(guest.name)
    said = f"Still with you: {note}"
    await by.write(said)
    await expect(guest.log.get_by_text(said)).to_be_visible()


async def test_forward_is_declined_withdrawn_and_taken(shop: World):
    ada, grace = shop.ada, shop.grace
    guest = await shop.guest()
    await in_chat(shop, guest, "Vera", ada)
    await forwards(shop, guest, ada, "Grace", "First")
    await grace.offer.get_by_role("button", name="Decline").click()
    await seen(shop, guest, "chatting", owner=ada)
    await expect(guest.log).to_contain_text("Ada stays with you.")
    await expect(ada.log).to_contain_text("The forward came back: declined")

    await forwards(shop, guest, ada, "Grace", "Second")
    await ada.act("Vera", "Withdraw")
    await seen(shop, guest, "chatting", owner=ada)
    await expect(grace.offer).to_have_count(0)

    await forwards(shop, guest, ada, "Grace", "Third")
    await grace.offer.get_by_role("button", name="Accept").click()
    await seen(shop, guest, "chatting", owner=grace)
    await expect(grace.log).to_contain_text("Is it waterproof?")
    await expect(ada.page.get_by_text("You have left this chat.")).to_be_visible()
    await expect(guest.log).to_contain_text("Ada has left the chat.")
    await grace.act("Vera", "End")
    await seen(shop, guest, "chat_end")


async def test_forward_to_a_skill_asks_who_has_it(shop: World):
    guest = await shop.guest()
    await in_chat(shop, guest, "Viktor", shop.grace)
    await forwards(shop, guest, shop.grace, "Billing")
    await expect(shop.ada.offer).to_contain_text("You are asked because this is one of your skills")
    await shop.ada.offer.get_by_role("button", name="Accept").click()
    await seen(shop, guest, "chatting", owner=shop.ada)
    await expect(shop.ada.row("Viktor").locator(".cell-skill")).to_have_text("Billing")
    await shop.ada.act("Viktor", "End")
    await seen(shop, guest, "chat_end")


async def test_second_operator_joins_and_leaves(shop: World):
    ada, grace = shop.ada, shop.grace
    guest = await shop.guest()
    await in_chat(shop, guest, "Vanja", ada)
    await ada.act("Vanja", "Conference")
    await ada.pick("Grace")
    await ada.dialog.get_by_role("button", name="Conference").click()
    await expect(grace.offer).to_contain_text("Ada asks you into a chat")
    await grace.offer.get_by_role("button", name="Accept").click()
    await seen(shop, guest, "conference", owner=ada, member=grace)
    await expect(ada.row("Vanja").locator(".cell-operator")).to_have_text("Ada, Grace")
    await grace.open_chat("Vanja")
    await grace.write("Hello from Grace")
    await expect(guest.log.get_by_text("Hello from Grace")).to_be_visible()
    await ada.open_chat("Vanja")
    await expect(ada.log).to_contain_text("Hello from Grace")
    await grace.act("Vanja", "Leave")
    await seen(shop, guest, "chatting", owner=ada)
    await expect(guest.log).to_contain_text("Grace has left the chat.")
    await ada.act("Vanja", "End")
    await seen(shop, guest, "chat_end")


async def test_supervisor_joins_and_the_owner_leaves(shop: World):
    ada, grace = shop.ada, shop.grace
    guest = await shop.guest()
    await in_chat(shop, guest, "Vilma", grace)
    await ada.act("Vilma", "Join")
    await seen(shop, guest, "conference", owner=grace, member=ada)
    await ada.open_chat("Vilma")
    await expect(ada.log).to_contain_text("You joined")
    await grace.open_chat("Vilma")
    panel = grace.page.get_by_role("tabpanel", name="Vilma")
    await panel.get_by_role("button", name="Leave").click()
    await seen(shop, guest, "chatting", owner=ada)
    await expect(grace.page.get_by_text("You have left this chat.")).to_be_visible()
    await ada.act("Vilma", "End")
    await seen(shop, guest, "chat_end")


async def test_visitor_is_thrown_out_with_a_reason_and_barred(shop: World):
    guest = await shop.guest()
    await in_chat(shop, guest, "Volker", shop.grace)
    await shop.grace.act("Volker", "Kick")
    await shop.grace.dialog.get_by_role("button", name="Kick").click()
    await expect(shop.grace.dialog).to_be_visible()  # a reason is required
    await shop.grace.dialog.get_by_label("Reason").fill("Insults")
    await shop.grace.dialog.get_by_label("Bar from new chats").select_option(label="1 day")
    await shop.grace.dialog.get_by_role("button", name="Kick").click()
    await seen(shop, guest, "kicked")
    await expect(guest.page.locator(".panel")).to_contain_text("Insults")
    await guest.page.get_by_role("button", name="Close", exact=True).click()
    await guest.opens()
    await guest.page.get_by_role("button", name="Start chat").click()
    await expect(guest.page.get_by_text("You cannot start a chat at the moment.")).to_be_visible()
    for console in shop.consoles:
        await expect(console.waiting).to_have_count(0)
