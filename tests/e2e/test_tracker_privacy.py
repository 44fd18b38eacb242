"""What is stored and who is named, by the visitor's wishes; and what a page says through `foyer`."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.e2e.tracker_bench import STORAGE_KEY, Bench, bench
from tests.eventually import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

BLOCKED_STORAGE = """
for (const area of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, area, { get() { throw new DOMException("no", "SecurityError"); } });
}"""
FULL_STORAGE = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"


@pytest_asyncio.fixture(loop_scope="module")
async def shop(chromium: Browser) -> AsyncIterator[Bench]:
    async with bench(chromium) as made:
        yield made


async def stored(page: Page) -> int:
    """How many things the website's origin keeps in this browser."""
    count: int = await page.evaluate("localStorage.length + sessionStorage.length")
    return count


@pytest.mark.parametrize("script", [BLOCKED_STORAGE, FULL_STORAGE])
async def test_without_storage_the_page_is_still_tracked(shop: Bench, script: str):
    shop.before = script
    page = await shop.open("/a")
    await shop.live(page)
    await page.close(run_before_unload=True)
    await eventually(lambda: shop.collector.kinds() == ["page", "leave"])
    assert shop.collector.events[0]["visitor"]


@pytest.mark.parametrize("junk", ["nonsense", "null", "7", '"text"', "[]"])
async def test_junk_in_storage_is_as_nothing(shop: Bench, junk: str):
    shop.before = f"localStorage['{STORAGE_KEY}'] = sessionStorage['{STORAGE_KEY}'] = {junk!r}"
    page = await shop.open()
    await shop.live(page)
    assert shop.collector.events[0]["visitor"]


@pytest.mark.parametrize("wish", ["globalPrivacyControl", "doNotTrack"])
async def test_privacy_signal_means_no_identifier(shop: Bench, wish: str):
    value = "true" if wish == "globalPrivacyControl" else "'1'"
    shop.before = f"Object.defineProperty(navigator, '{wish}', {{ value: {value} }})"
    shop.collector.answer = {"token": "secret", "visitor": "00000000-0000-4000-8000-000000000000"}
    page = await shop.open("/a")
    await shop.live(page)
    assert await stored(page) == 0
    await shop.open("/b", page)
    await eventually(lambda: shop.collector.paths() == ["/a", "/b"])
    assert await stored(page) == 0
    batches = [batch for _, batch in shop.collector.requests] + shop.collector.hellos
    assert not any(batch.get("visitor") for batch in batches)
    first, second = shop.collector.of_type("page")
    assert first["tab"] != second["tab"]
    # The token lives in the page, for a chat that the visitor may ask for; the next page does not know it.
    assert "token" not in next(batch for batch in batches if batch["tab"] == second["tab"])


async def test_who_has_not_consented_and_asks_for_a_chat_is_named_and_stored_nowhere(shop: Bench):
    shop.tag = 'data-consent="required"'
    shop.collector.answer = {"token": "secret"}
    page = await shop.open("/a")
    await page.wait_for_function("window.foyer && foyer.link")
    assert shop.collector.requests == []
    await page.evaluate("foyer.open()")
    await eventually(lambda: len(shop.collector.hellos) == 1)
    assert shop.collector.hellos[0]["token"] == "secret"
    await page.evaluate("foyer.link.sender.chat = 'c'; foyer.consent(false)")  # the banner is answered only now
    await page.evaluate("foyer.attribute('plan', 'gold')")
    await eventually(lambda: shop.collector.kinds() == ["page", "attr"])  # the chat's tab goes on
    assert await stored(page) == 0
    await shop.open("/b", page)
    await eventually(lambda: shop.collector.kinds() == ["page", "attr", "leave"])
    await page.wait_for_function("window.foyer && foyer.link")
    assert await stored(page) == 0
    batches = [batch for _, batch in shop.collector.requests] + shop.collector.hellos
    assert not any(batch.get("visitor") for batch in batches)


async def test_opting_out_ends_a_nameless_chat_too(shop: Bench):
    shop.before = "Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })"
    page = await shop.open("/a")
    await page.evaluate("foyer.open()")
    await eventually(lambda: len(shop.collector.hellos) == 1)
    await page.evaluate("foyer.optOut()")
    await eventually(lambda: shop.collector.kinds() == ["page", "leave"])


@pytest.mark.parametrize("chat", [True, False])
async def test_a_nameless_chat_and_nothing_else_reaches_the_tabs_next_page(shop: Bench, chat: bool):
    shop.before = "Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })"
    shop.collector.welcome = {"token": "secret"}
    page = await shop.open("/a")
    await eventually(lambda: len(shop.collector.hellos) == 1)
    await page.wait_for_function("foyer.link.sender.token")
    if chat:
        await page.evaluate("foyer.link.sender.chat = 'c'")
    await shop.open("/b", page)
    await eventually(lambda: len(shop.collector.hellos) == 2)
    first, second = shop.collector.hellos
    assert (second["tab"] == first["tab"], second.get("token")) == ((True, "secret") if chat else (False, None))
    assert await stored(page) == 0


async def test_required_consent_is_waited_for(shop: Bench):
    shop.tag = 'data-consent="required"'
    page = await shop.open("/a")
    await page.wait_for_function("window.foyer && foyer.link")
    await page.evaluate("foyer.identify({ name: 'Ada' })")
    await page.evaluate("history.pushState({}, '', '/b')")
    await shop.collector_is_quiet()
    assert shop.collector.requests == []
    assert await stored(page) == 0
    await page.evaluate("foyer.consent(true)")
    await eventually(lambda: shop.collector.kinds() == ["page", "attr"])
    assert shop.collector.paths() == ["/b"]
    assert shop.collector.events[1]["attrs"] == {"name": "Ada"}
    assert await stored(page) == 1


async def test_consent_taken_back_erases_and_leaves(shop: Bench):
    shop.tag = 'data-consent="required"'
    shop.before = "window.foyer = { q: [['consent', true]] }"
    page = await shop.open()
    await shop.live(page)
    first = shop.collector.events[0]["visitor"]
    await page.evaluate("foyer.consent(false)")
    await eventually(lambda: shop.collector.kinds() == ["page", "leave"])
    assert await stored(page) == 0
    await page.evaluate("history.pushState({}, '', '/b')")
    await page.evaluate("foyer.consent(true)")
    await eventually(lambda: shop.collector.kinds()[:3] == ["page", "leave", "page"])
    assert shop.collector.events[2]["visitor"] not in (None, first)


async def test_refusal_before_the_script_came_is_heard_first(shop: Bench):
    shop.before = "window.foyer = { q: [['identify', { name: 'Ada' }], ['consent', false]] }"
    page = await shop.open()
    await page.wait_for_function("window.foyer && foyer.link")
    await shop.collector_is_quiet()
    assert shop.collector.requests == []
    assert await stored(page) == 0


async def test_opting_out_is_remembered(shop: Bench):
    page = await shop.open("/a")
    await shop.live(page)
    await page.evaluate("foyer.optOut()")
    await eventually(lambda: shop.collector.kinds() == ["page", "leave"])
    assert "visitor" not in await page.evaluate(f"JSON.parse(localStorage['{STORAGE_KEY}'])")
    await shop.open("/b", page)
    await page.wait_for_function("window.foyer && foyer.link")
    await page.evaluate("foyer.consent(true)")
    await shop.collector_is_quiet()
    assert shop.collector.paths() == ["/a"]


async def test_opting_out_holds_in_every_open_tab_at_once(shop: Bench):
    page = await shop.open("/a")
    await shop.live(page)
    other = await shop.open("/b")
    await shop.live(other)
    await page.evaluate("foyer.optOut()")
    await eventually(lambda: sorted(shop.collector.kinds()) == ["leave", "leave", "page", "page"])
    await eventually(lambda: all(socket.closed for socket in shop.collector.sockets))
    await other.evaluate("foyer.consent(true); foyer.consent(false); foyer.consent(true); foyer.page()")
    await other.evaluate("history.pushState({}, '', '/c')")
    await shop.open("/d", other)
    await shop.collector_is_quiet()
    assert sorted(shop.collector.paths()) == ["/a", "/b"]
    record = await other.evaluate(f"JSON.parse(localStorage['{STORAGE_KEY}'])")
    assert list(record) == ["off"]
    assert await stored(other) == 1


async def test_consent_taken_back_in_one_tab_is_taken_back_in_all(shop: Bench):
    shop.tag = 'data-consent="required"'
    shop.before = "window.foyer = { q: [['consent', true]] }"
    page = await shop.open("/a")
    await shop.live(page)
    other = await shop.open("/b")
    await shop.live(other)
    await page.evaluate("foyer.consent(false)")
    await eventually(lambda: sorted(shop.collector.kinds()) == ["leave", "leave", "page", "page"])
    await other.evaluate("history.pushState({}, '', '/c')")
    await shop.collector_is_quiet()
    assert await stored(other) == 0


@pytest.mark.parametrize("wish", ["optOut()", "consent(false)"])
async def test_going_back_does_not_undo_the_visitors_wish(shop: Bench, wish: str):
    """The page before comes from the back/forward cache, where it heard nothing of the wish."""
    page = await shop.open("/a")
    await shop.live(page)
    await page.evaluate("window.alive = true; addEventListener('pageshow', () => { window.shown = true })")
    await shop.open("/privacy", page)
    await shop.live(page)
    await page.evaluate(f"foyer.{wish}")
    await eventually(lambda: shop.collector.kinds()[-1] == "leave" and len(shop.collector.of_type("leave")) == 2)
    await page.evaluate("setTimeout(() => history.back())")
    await eventually(lambda: shop.says(page, "window.alive && window.shown"))
    await page.evaluate("history.pushState({}, '', '/next')")
    await shop.collector_is_quiet()
    assert shop.collector.paths() == ["/a", "/privacy"]


async def test_page_without_storage_comes_back_from_the_cache_as_a_view(shop: Bench):
    shop.before = BLOCKED_STORAGE
    page = await shop.open("/a")
    await shop.live(page)
    await shop.open("/b", page)
    await shop.live(page)
    await page.evaluate("setTimeout(() => history.back())")
    await eventually(lambda: shop.collector.paths() == ["/a", "/b", "/a"])


async def test_calls_from_before_and_after_loading_are_done(shop: Bench):
    shop.before = """window.foyer = { q: [] };
      for (const m of ["page", "identify", "attribute", "consent", "optOut", "open"])
        foyer[m] = (...a) => { foyer.q.push([m, ...a]) };
      foyer.identify({ name: "Ada", email: "ada@example.com" }); foyer.attribute("plan", "gold");"""
    page = await shop.open()
    await eventually(lambda: shop.collector.kinds() == ["page", "attr"])
    expected = {"name": "Ada", "email": "ada@example.com", "plan": "gold"}
    assert shop.collector.events[1]["attrs"] == expected
    await page.evaluate("foyer.attribute('seats', 12); foyer.q.push(['page'])")
    await eventually(lambda: shop.collector.kinds() == ["page", "attr", "attr", "beat", "page"])
    assert shop.collector.events[2]["attrs"] == {"seats": "12"}


async def test_nonsense_from_the_page_does_no_harm(shop: Bench):
    page = await shop.open()
    await shop.live(page)
    await page.evaluate("""() => {
      foyer.identify(null); foyer.identify(); foyer.attribute(); foyer.consent(); foyer.q.push(); foyer.q.push(["no"]);
      const loop = {}; loop.loop = loop; foyer.identify(loop); foyer.attribute("s", Symbol("s"));
      foyer.identify({ get name() { throw new Error("trap") } });
    }""")


async def test_second_tag_is_ignored(shop: Bench):
    page = await shop.open()
    await shop.live(page)
    source, site = f"{shop.collector.url}/t/v1.js", shop.collector.requests[0][1]["site"]
    await page.evaluate(
        """([src, site]) => new Promise((done) => {
          const tag = document.createElement("script"); tag.src = src; tag.dataset.site = site; tag.onload = done;
          document.head.append(tag);
        })""",
        [source, site],
    )
    await shop.collector_is_quiet()
    assert shop.collector.kinds() == ["page"]


async def test_open_loads_the_widget_once_and_messages_reach_it(shop: Bench):
    page = await shop.open()
    await shop.live(page)
    assert shop.collector.widget_loads == 0
    await page.evaluate("foyer.open(); foyer.open()")
    await page.wait_for_function("window.started?.length === 2 && started.every(({ wanted }) => wanted)")
    assert shop.collector.widget_loads == 1
    await page.evaluate("foyer.link.push = (message) => { window.received = message }")
    await shop.collector.sockets[0].send_json({"type": "status", "status": "requested", "position": 2})
    await page.wait_for_function("window.received?.position === 2")


async def test_invitation_loads_the_widget_and_waits_for_it(shop: Bench):
    page = await shop.open()
    await shop.live(page)
    await shop.collector.sockets[0].send_json({"type": "invite", "invitation": "i1"})
    await page.wait_for_function("window.started?.length === 1 && !started[0].wanted")
    assert await page.evaluate("foyer.link.at(-1).invitation") == "i1"


async def test_launcher_of_the_site_loads_the_widget(shop: Bench):
    shop.collector.welcome = {"launcher": True}
    page = await shop.open()
    await page.wait_for_function("window.started?.length === 1 && !started[0].wanted")


async def test_messages_without_a_widget_are_kept_within_a_bound(shop: Bench):
    page = await shop.open()
    await shop.live(page)
    for position in range(120):
        await shop.collector.sockets[0].send_json({"type": "status", "status": "requested", "position": position})
    await page.wait_for_function("foyer.link.length > 50")
    assert await page.evaluate("foyer.link.length") == 51


async def test_unread_mark_of_the_chat_is_not_the_pages_title(shop: Bench):
    page = await shop.open()
    await shop.live(page)
    await page.evaluate("document.title = '\u25cf ' + document.title")
    await page.evaluate("history.pushState({}, '', '/next')")
    await eventually(lambda: shop.collector.paths() == ["/", "/next"])
    assert {event["title"] for event in shop.collector.events} == {"Shop /"}
