"""The chat widget for everybody: keyboard, screen reader, direction, colours; and that hostile text stays text."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.widget_bench import ANNA, BEN, VISITOR, Visit, visit
from tests.eventually import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
HOSTILE = "<img src=x onerror=alert(1)> javascript:alert(1) https://shop.example/a \u202egnp.exe"


async def faults(page: Page) -> list[str]:
    """What axe finds inside the widget."""
    # The style of an animation that has not ended would be judged.
    await page.wait_for_timeout(300)
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    found = await page.evaluate("(tags) => axe.run(document.querySelector('foyer-chat'), { runOnly: tags })", TAGS)
    return [f"{fault['id']}: {fault['nodes'][0]['html']}" for fault in found["violations"]]


async def walk(shop: Visit) -> list[str]:
    """Through every state; what is wrong in any of them."""
    chat, found = shop.chat, []
    chat.settings |= {"launcher": True, "online": True, "sound": True, "preview": True}
    page = await shop.open()
    await page.locator(".launcher").wait_for()
    found += await faults(page)
    await chat.invite()
    await page.locator(".card").wait_for()
    found += await faults(page)
    await page.locator(".card .main").click()
    await page.locator("form .main").click()
    found += await faults(page)
    await chat.become("requested", position=1)
    await page.locator(".queue").wait_for()
    found += await faults(page)
    await chat.begin(ANNA, BEN)
    await chat.happen("message", ANNA, id="m1", text="See https://shop.example/plans")
    await page.locator(".composer textarea").fill("Thank you")
    await page.locator(".composer textarea").press("Enter")
    await page.locator(".foot .link").click()
    found += await faults(page)
    for status, shown in (("chat_end", "fieldset"), ("redirected", "input[type=email]"), ("kicked", "h2")):
        await chat.become(status)
        await page.locator(shown).wait_for()
        found += await faults(page)
    return found


@pytest.mark.parametrize(
    ("lang", "mode", "colour", "width"),
    [("en", "light", "#2f5bea", 1000), ("de", "dark", "#ffd400", 1000), ("ar", "light", "#12a150", 375)],
)
async def test_axe_finds_nothing(chromium: Browser, lang: str, mode: str, colour: str, width: int):
    async with visit(chromium, viewport={"width": width, "height": 740}) as shop:
        shop.lang, shop.strict = lang, False
        shop.chat.settings = {"theme": {"mode": mode, "color": colour}}
        assert await walk(shop) == []


async def test_keyboard_is_enough_and_focus_goes_back(chromium: Browser):
    async with visit(chromium) as shop:
        page = await shop.open()
        await page.locator("#before").focus()
        await page.evaluate("foyer.open()")
        await expect(page.get_by_label("Name")).to_be_focused()
        await page.keyboard.type("Ada")
        await page.keyboard.press("Enter")
        await eventually(lambda: len(shop.chat.of_type("chat.request")) == 1)
        await shop.chat.begin()
        await expect(page.locator(".composer textarea")).to_be_focused()
        await page.keyboard.type("Hi")
        await page.keyboard.press("Enter")
        await eventually(lambda: len(shop.chat.of_type("chat.send")) == 1)
        await expect(page.locator(".composer textarea")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator(".panel")).to_be_hidden()
        assert await page.evaluate("document.activeElement.id") == "before"


async def test_page_does_not_hear_what_is_typed_in_the_chat(chromium: Browser):
    async with visit(chromium) as shop:
        page = await shop.asked()
        await page.evaluate("document.addEventListener('keydown', (event) => { window.heard = event.key })")
        await page.get_by_label("Name").press_sequentially("Ada")
        assert await page.evaluate("window.heard ?? ''") == ""


async def test_lines_are_a_live_log_and_only_added(chromium: Browser):
    async with visit(chromium) as shop:
        await shop.chat.begin()
        page = await shop.open()
        await page.get_by_role("button", name="Open chat").click()
        log = page.get_by_role("log")
        await log.locator(".bubble").first.wait_for()
        await page.evaluate(
            "window.removed = 0; new MutationObserver((all) => all.forEach(({ removedNodes }) => "
            "{ removed += removedNodes.length })).observe("
            "document.querySelector('foyer-chat').shadowRoot.querySelector('.log'), { childList: true })"
        )
        for n in range(5):
            await shop.chat.happen("message", ANNA, id=f"m{n}", text=f"line {n}")
        await expect(log.locator(".bubble")).to_have_count(6)
        assert await page.evaluate("window.removed") == 0


async def test_hostile_text_is_inert(chromium: Browser):
    async with visit(chromium) as shop:
        evil = {**ANNA, "name": "<b>\u202eevil</b>"}
        await shop.chat.begin(evil)
        await shop.chat.happen("message", evil, id="m1", text=HOSTILE)
        page = await shop.open()
        await page.get_by_role("button", name="Open chat").click()
        await expect(page.locator(".bubble").last).to_have_text(HOSTILE)
        assert await page.locator(".panel img, .panel b, .panel script").count() == 0
        link = page.locator(".panel a")
        assert await link.count() == 1
        assert await link.get_attribute("href") == "https://shop.example/a"
        assert (await link.get_attribute("rel"), await link.get_attribute("target")) == (
            "noopener noreferrer",
            "_blank",
        )
        assert await page.locator(".notice bdi").first.evaluate("(e) => getComputedStyle(e).unicodeBidi") == "isolate"


async def test_arabic_runs_from_right_to_left_and_a_site_may_choose_the_language(chromium: Browser):
    async with visit(chromium) as shop:
        shop.chat.settings = {"language": "ar", "texts": {"title": "مرحبا"}, "launcher": True}
        page = await shop.asked()
        assert await page.locator(".w").get_attribute("dir") == "rtl"
        await expect(page.get_by_role("heading", name="مرحبا", exact=True)).to_be_visible()
        box = await page.locator(".panel").bounding_box()
        assert box is not None
        assert box["x"] < 100


async def test_times_and_placeholders_are_read_in_their_own_direction(chromium: Browser):
    async with visit(chromium) as shop:
        shop.lang = "ar"
        await shop.chat.begin()
        page = await shop.open()
        await page.locator(".launcher").click()
        style = "(one, part) => getComputedStyle(one, part).unicodeBidi"
        assert await page.locator(".composer textarea").evaluate(style, "::placeholder") == "plaintext"
        assert await page.locator("time").first.evaluate(style) == "plaintext"


async def test_page_reaches_neither_style_nor_inside(chromium: Browser):
    async with visit(chromium) as shop:
        shop.strict = False
        page = await shop.context.new_page()  # the root stays closed here
        await page.goto(f"http://127.0.0.1:{shop.port}/")
        await page.wait_for_function("window.foyer")
        await page.add_style_tag(content="* { display: none !important } foyer-chat { color: red; opacity: .1 }")
        await page.evaluate("foyer.open()")
        await page.wait_for_function("document.querySelector('foyer-chat')")
        assert await page.evaluate("document.querySelector('foyer-chat').shadowRoot") is None
        assert await page.evaluate("getComputedStyle(document.querySelector('foyer-chat')).opacity") == "1"


async def test_visitor_without_identifier_leaves_nothing_behind(chromium: Browser):
    async with visit(chromium) as shop:
        page = await shop.context.new_page()
        await page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
        await shop.open(page)
        await shop.chat.happen("requested", VISITOR, text="x")
        await page.evaluate("foyer.open()")
        await page.reload()
        assert await page.evaluate("localStorage.length + sessionStorage.length") == 0
