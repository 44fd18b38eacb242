"""Invitations: with an operator's words, accepted, declined, withdrawn, ignored; seen by everybody at every step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import WebSocketRoute, expect

from tests.e2e.journeys.journey import Console, Guest, Installation, World, seen, world

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def shop(installation: Installation) -> AsyncIterator[World]:
    async with world(installation, invite_ms=600_000, join_ms=600_000) as made:
        yield made


async def invites(shop: World, console: Console, guest: Guest, text: str) -> None:
    """By the toolbar's button and the form behind it."""
    await console.act(guest.name, "Invite")
    await console.dialog.get_by_label("Message").fill(text)
    await console.dialog.get_by_role("button", name="Invite").click()
    await seen(shop, guest, "invited", owner=console)


@asynccontextmanager
async def holding(console: Console, event: bytes) -> AsyncIterator[asyncio.Event]:
    """What the console sends with this event's name waits until the block ends; the event says that it came."""
    came, release = asyncio.Event(), asyncio.Event()
    held: list[tuple[WebSocketRoute, str | bytes]] = []

    def through(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def send(frame: str | bytes) -> None:
            if isinstance(frame, bytes) and event in frame and not release.is_set():
                held.append((server, frame))
                came.set()
            else:
                server.send(frame)

        route.on_message(send)

    await console.page.route_web_socket("**/socket.io-msgpack/**", through)
    await console.page.reload()
    try:
        yield came
    finally:
        release.set()
        for server, frame in held:
            server.send(frame)


async def test_visitor_accepts_and_the_operator_joins(shop: World):
    async with holding(shop.ada, b"chat:accept") as joins:
        guest = await shop.guest()
        await invites(shop, shop.ada, guest, "May I help you?")
        await expect(guest.page.locator(".card")).to_contain_text("May I help you?")
        await guest.says_yes("Vera")
        await joins.wait()
        await seen(shop, guest, "accepted", owner=shop.ada)
    await seen(shop, guest, "chatting", owner=shop.ada)
    await expect(guest.log).to_contain_text("May I help you?")
    await expect(shop.ada.log).to_contain_text("Vera accepted the invitation")
    await shop.ada.act("Vera", "End")
    await seen(shop, guest, "chat_end")


async def test_visitor_declines_and_is_left_alone(shop: World):
    guest = await shop.guest()
    await invites(shop, shop.grace, guest, "A question?")
    await guest.page.get_by_role("button", name="No, thanks").click()
    await seen(shop, guest, "chat_denied")
    await shop.grace.act(guest.name, "Invite")
    await shop.grace.dialog.get_by_role("button", name="Invite").click()
    await expect(shop.grace.page.get_by_text("inviting again is possible later")).to_be_visible()
    await shop.grace.dialog.get_by_role("button", name="Cancel").click()
    await seen(shop, guest, "chat_denied")


async def test_operator_takes_the_invitation_back(shop: World):
    guest = await shop.guest()
    await invites(shop, shop.grace, guest, "Hello?")
    await shop.grace.act(guest.name, "Withdraw")
    await seen(shop, guest, "navigating")
    await expect(guest.page.locator(".card")).to_have_count(0)


async def test_two_operators_invite_at_once_and_one_is_told(shop: World):
    guest = await shop.guest()
    for console in shop.consoles:
        await console.act(guest.name, "Invite")
    await shop.grace.dialog.get_by_role("button", name="Invite").click()
    await shop.ada.shows(guest.name, "invited")
    await shop.ada.dialog.get_by_role("button", name="Invite").click()
    await expect(shop.ada.page.get_by_text("Another operator has invited the visitor already.")).to_be_visible()
    await shop.ada.dialog.get_by_role("button", name="Cancel").click()
    await seen(shop, guest, "invited", owner=shop.grace)
