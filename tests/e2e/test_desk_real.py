"""The operators' desk in real browsers on all services: two operators, a visitor on the collector's live channel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.chromium import chromium
from tests.e2e.test_chat_both_sides import ORIGIN, Tab
from tests.eventually import eventually
from tests.operator import Operator
from tests.stack import EMAIL, PASSWORD, Stack
from tests.visitor import AGENT

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
SOON_MS = 15_000
COLLEAGUE = "grace@example.com"


async def colleague(stack: Stack) -> None:
    """A second operator of the site."""
    async with aiohttp.ClientSession() as session:
        login = {"email": EMAIL, "password": PASSWORD}
        async with session.post(f"{stack.gateway}/api/v1/session", json=login) as answer:
            token = (await answer.json())["token"]
        person = {"email": COLLEAGUE, "name": "Grace", "password": PASSWORD}
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{stack.gateway}/api/v1/sites/{stack.site}/operators"
        async with session.post(url, json=person, headers=headers) as answer:
            assert answer.status in (200, 201), await answer.text()


async def console(browser: Browser, stack: Stack, email: str = EMAIL) -> Page:
    """An operator's browser with the chats open."""
    page = await (await browser.new_context(viewport={"width": 1440, "height": 900})).new_page()
    await page.goto(stack.gateway)
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("toolbar")).to_be_visible(timeout=SOON_MS)
    await page.keyboard.press("Alt+c")
    return page


@asynccontextmanager
async def visiting(stack: Stack) -> AsyncIterator[Tab]:
    """A visitor who looks at a page."""
    headers = {"Origin": ORIGIN, "User-Agent": AGENT}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{stack.collector}/v1/live", headers=headers) as channel,
    ):
        tab = Tab(channel)
        await tab.visits(stack.site)
        yield tab


async def staffed(stack: Stack) -> None:
    """Wait until chat-routing knows that Ada is there: a request before that is shown the offline form."""
    async with Operator(stack.gateway) as operator:

        async def online() -> bool:
            return bool((await operator.call("operator:set", state="online"))["ok"])

        await eventually(online)


async def hears(tab: Tab, text: str) -> None:
    """The visitor is told exactly once."""
    await tab.read(lambda: [event for event in tab.events() if event.get("text") == text])
    assert len([event for event in tab.events() if event.get("text") == text]) == 1


async def test_chat_is_taken_forwarded_and_ended(tmp_path: Path) -> None:
    async with chromium() as browser, Stack(tmp_path) as stack, visiting(stack) as tab:
        await colleague(stack)
        ada = await console(browser, stack)
        grace = await console(browser, stack, COLLEAGUE)
        await expect(ada.get_by_role("button", name="Colleagues: 1")).to_be_visible(timeout=SOON_MS)
        await tab.say("chat.request", name="Vera", text="Is it waterproof?")
        waiting = ada.get_by_role("region", name="Waiting")
        await expect(waiting).to_contain_text("Vera", timeout=SOON_MS)
        await waiting.get_by_role("button", name="Accept").click()

        log = ada.get_by_role("log", name="Conversation")
        await expect(log).to_contain_text("Is it waterproof?", timeout=SOON_MS)
        await expect(log).to_contain_text("You took the chat")
        box = ada.get_by_label("Message", exact=True)
        await box.fill("Yes, it is.")
        await box.press("Enter")
        await hears(tab, "Yes, it is.")
        await expect(log.get_by_role("img", name="Delivered")).to_be_visible(timeout=SOON_MS)
        await tab.say("chat.read", seq=tab.events()[-1]["seq"])
        await expect(log.get_by_role("img", name="Read", exact=True)).to_be_visible(timeout=SOON_MS)
        await tab.say("chat.typing", on=True)
        await expect(log).to_contain_text("is typing", timeout=SOON_MS)
        await tab.say("chat.send", text="And https://a.example/care ?")
        await expect(log.get_by_role("link", name="https://a.example/care")).to_be_visible(timeout=SOON_MS)

        await ada.reload()
        await expect(ada.get_by_role("toolbar")).to_be_visible(timeout=SOON_MS)
        await ada.keyboard.press("Alt+c")
        await expect(log).to_contain_text("https://a.example/care", timeout=SOON_MS)

        await ada.get_by_role("tabpanel", name="Vera").get_by_role("button", name="Forward").click()
        dialog = ada.get_by_role("dialog")
        await dialog.get_by_label("To").select_option(label="Grace (0 chats)")
        await dialog.get_by_label("Note for the colleague").fill("Knows the care guide")
        await dialog.get_by_role("button", name="Forward").click()
        offers = grace.get_by_role("region", name="Offers to you")
        await expect(offers).to_contain_text("Ada forwards a chat to you", timeout=SOON_MS)
        await expect(offers).to_contain_text("Knows the care guide")
        await grace.keyboard.press("Alt+a")
        theirs = grace.get_by_role("log", name="Conversation")
        await expect(theirs).to_contain_text("You joined", timeout=SOON_MS)
        await expect(theirs).to_contain_text("Is it waterproof?")
        await expect(ada.get_by_text("You have left this chat.")).to_be_visible(timeout=SOON_MS)

        await grace.get_by_label("Message", exact=True).fill("Hello Vera")
        await grace.get_by_label("Message", exact=True).press("Enter")
        await hears(tab, "Hello Vera")
        await grace.get_by_role("tabpanel", name="Vera").get_by_role("button", name="End", exact=True).click()
        await expect(grace.get_by_text("This chat is over.")).to_be_visible(timeout=SOON_MS)
        await tab.read(lambda: tab.events()[-1]["type"] == "ended")


async def test_messages_written_while_the_gateway_is_gone_arrive_once(tmp_path: Path) -> None:
    async with chromium() as browser, Stack(tmp_path) as stack, visiting(stack) as tab:
        page = await console(browser, stack)
        await staffed(stack)
        await tab.say("chat.request", name="Vera", text="Hello?")
        await page.get_by_role("region", name="Waiting").get_by_role("button", name="Accept").click(timeout=SOON_MS)
        box = page.get_by_label("Message", exact=True)
        await expect(box).to_be_visible(timeout=SOON_MS)
        gateway = stack.first("operator_gateway")
        await gateway.kill()
        for text in ("one", "two", "three"):
            await box.fill(text)
            await box.press("Enter")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await tab.say("chat.send", text="meanwhile")
        await gateway.start()
        await gateway.ready()
        await hears(tab, "three")
        spoken = [
            event["text"] for event in tab.events() if event["type"] == "message" and event["text"] != "meanwhile"
        ]
        assert spoken == ["one", "two", "three"]
        log = page.get_by_role("log", name="Conversation")
        await expect(log).to_contain_text("meanwhile", timeout=SOON_MS)
        await expect(log.locator(".message-pending")).to_have_count(0)
        await expect(log.get_by_text("two", exact=True)).to_have_count(1)
