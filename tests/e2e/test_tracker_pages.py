"""Page views and leaving, as a real browser makes them: what the collector hears of one visitor's tabs."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.tracker_bench import HIDE, STORAGE_KEY, Bench, bench
from tests.eventually import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module")
async def shop(chromium: Browser) -> AsyncIterator[Bench]:
    async with bench(chromium) as made:
        yield made


async def test_first_view_tells_page_title_and_identity(shop: Bench):
    page = await shop.open("/a?x=1#secret")
    await shop.live(page)
    (view,) = shop.collector.events
    assert (view["type"], view["n"], view["title"]) == ("page", 1, "Shop /a")
    assert view["url"] == shop.url("/a?x=1")
    assert view["via"] == "http"
    assert await page.evaluate(f"JSON.parse(localStorage['{STORAGE_KEY}']).visitor") == view["visitor"]
    assert shop.collector.hellos[0]["visitor"] == view["visitor"]
    assert await shop.context.cookies() == []


async def test_token_of_the_first_answer_is_kept_and_sent(shop: Bench):
    shop.collector.answer = {"token": "first"}
    page = await shop.open()
    await shop.live(page)
    assert shop.collector.hellos[0]["token"] == "first"
    assert await page.evaluate(f"JSON.parse(localStorage['{STORAGE_KEY}']).token") == "t"  # the hello's answer is newer


@pytest.mark.parametrize("navigation_api", [True, False])
async def test_routes_of_a_single_page_application_are_views(shop: Bench, navigation_api: bool):
    if not navigation_api:
        shop.before = "Object.defineProperty(window, 'navigation', { value: undefined })"
    page = await shop.open("/")
    await eventually(partial(shop.saw, ["/"]))
    for step, path in [
        ("history.pushState({}, '', '/push')", "/push"),
        ("history.replaceState({}, '', '/replace')", "/replace"),
        ("location.hash = '#/route'", "/replace"),
        ("location.hash = '#/other'", "/replace"),
        ("history.back()", "/replace"),
    ]:
        expected = [*shop.collector.paths(), path]
        await page.evaluate(step)
        await eventually(partial(shop.saw, expected))
    assert shop.collector.of_type("page")[1]["referrer"] == shop.url("/")
    assert len({view["page"] for view in shop.collector.of_type("page")}) == 6


async def test_anchor_and_unchanged_address_are_not_views(shop: Bench):
    page = await shop.open("/")
    await page.evaluate("location.hash = '#contact'")
    await page.evaluate("history.replaceState({ scroll: 3 }, '', location.href)")
    await page.evaluate("history.pushState({}, '', '/next')")
    await eventually(lambda: shop.collector.paths() == ["/", "/next"])


async def test_title_set_after_the_route_is_the_view_s_title(shop: Bench):
    page = await shop.open("/")
    await eventually(partial(shop.saw, ["/"]))
    await page.evaluate("history.pushState({}, '', '/cart'); setTimeout(() => { document.title = 'Cart' }, 60)")
    await eventually(lambda: len(shop.collector.of_type("page")) == 2)
    assert shop.collector.of_type("page")[1]["title"] == "Cart"


async def test_title_change_is_a_beat_of_the_same_view(shop: Bench):
    page = await shop.open("/")
    await eventually(lambda: shop.collector.kinds() == ["page"])
    await page.evaluate("document.title = 'New \\ud83d title'")
    await eventually(lambda: shop.collector.kinds() == ["page", "beat"])
    view, beat = shop.collector.events
    assert (beat["page"], beat["title"]) == (view["page"], "New  title")


async def test_next_page_in_the_tab_continues_its_numbers_and_repeats_nothing(shop: Bench):
    page = await shop.open("/a")
    await eventually(partial(shop.saw, ["/a"]))
    await shop.open("/b", page)
    await eventually(lambda: shop.collector.kinds() == ["page", "leave", "page"])
    assert {event["tab"] for event in shop.collector.events} == {shop.collector.events[0]["tab"]}
    assert [event["n"] for event in shop.collector.events] == [1, 2, 3]
    assert len({event["visitor"] for event in shop.collector.events}) == 1


async def test_closing_a_tab_leaves_once(shop: Bench):
    page = await shop.open()
    await shop.live(page)
    await page.close(run_before_unload=True)
    await eventually(lambda: shop.collector.kinds() == ["page", "leave"])
    await eventually(lambda: shop.collector.sockets[0].closed)
    await shop.collector_is_quiet()
    assert len([batch for _, batch in shop.collector.requests if batch["events"][-1]["type"] == "leave"]) == 1


async def test_page_from_the_back_forward_cache_is_a_view(shop: Bench):
    page = await shop.open("/a")
    await shop.live(page)
    await page.evaluate("window.alive = true")
    await shop.open("/b", page)
    await shop.live(page)
    await page.evaluate("setTimeout(() => history.back())")
    await eventually(lambda: shop.collector.paths() == ["/a", "/b", "/a"])
    await eventually(lambda: shop.says(page, "window.foyer"))
    assert await page.evaluate("window.alive"), "the page was loaded again: no test of the cache"
    views = shop.collector.of_type("page")
    assert len({view["page"] for view in views}) == 3
    # The page that goes and the one that returns run at the same time, so the tab may have got another id.
    await eventually(lambda: len(shop.collector.hellos) == 3)
    await eventually(lambda: shop.collector.gaps() == {})


async def test_hidden_and_shown_again(shop: Bench):
    page = await shop.open()
    await shop.live(page)
    await page.evaluate(HIDE, True)
    await eventually(lambda: shop.collector.kinds() == ["page", "hide"])
    assert not shop.collector.sockets[0].closed
    await page.evaluate(HIDE, False)
    await eventually(lambda: shop.collector.kinds() == ["page", "hide", "show"])
    assert {event["via"] for event in shop.collector.events[1:]} == {"live"}


async def test_second_tab_is_the_same_visitor(shop: Bench):
    await shop.open("/a")
    await eventually(lambda: shop.collector.paths() == ["/a"])
    await shop.open("/b")
    await eventually(lambda: shop.collector.paths() == ["/a", "/b"])
    first, second = shop.collector.events
    assert first["visitor"] == second["visitor"]
    assert first["tab"] != second["tab"]


async def test_tab_with_a_copy_of_session_storage_gets_its_own_id(shop: Bench):
    page = await shop.open("/a")
    await page.evaluate("sessionStorage.proof = 'copied'")
    await shop.open("/b", page)  # the tab's record has been used once
    await eventually(lambda: shop.collector.paths() == ["/a", "/b"])
    async with page.expect_popup() as popup:
        await page.evaluate("void window.open('/c')")
    copy = await popup.value
    await eventually(lambda: shop.collector.paths() == ["/a", "/b", "/c"])
    assert await copy.evaluate("sessionStorage.proof") == "copied"
    _, original, duplicate = shop.collector.of_type("page")
    assert original["tab"] != duplicate["tab"]
    assert original["visitor"] == duplicate["visitor"]


async def test_prerendered_page_counts_when_it_is_shown(shop: Bench):
    shop.before = "Object.defineProperty(document, 'prerendering', { configurable: true, value: true })"
    page = await shop.open()
    await page.wait_for_function("window.foyer && foyer.link")
    assert shop.collector.requests == []
    assert await page.evaluate("localStorage.length") == 0
    await page.evaluate(
        "Object.defineProperty(document, 'prerendering', { value: false });"
        "document.dispatchEvent(new Event('prerenderingchange'))"
    )
    await eventually(lambda: shop.collector.kinds() == ["page"])


async def test_frame_within_a_page_of_the_website_is_no_view(shop: Bench):
    page = await shop.open("/outer")
    await eventually(partial(shop.saw, ["/outer"]))
    await page.evaluate(FRAME, "/inner")
    assert await page.evaluate("document.querySelector('iframe').contentWindow.foyer === undefined")
    await page.evaluate("history.pushState({}, '', '/next')")
    await eventually(partial(shop.saw, ["/outer", "/next"]))
    await shop.collector_is_quiet()
    assert len({event["tab"] for event in shop.collector.events}) == 1


async def test_website_shown_in_a_frame_of_another_one_has_its_visitors(shop: Bench):
    """There the outer page is another website's: the frame is all of this one that the visitor sees."""
    page = await shop.open("/")
    await page.goto(f"http://localhost:{shop.port}/outer")
    await eventually(partial(shop.saw, ["/", "/outer"]))
    await page.evaluate(FRAME, shop.url("/inner"))
    await eventually(partial(shop.saw, ["/", "/outer", "/inner"]))
    assert shop.collector.of_type("page")[2]["url"] == shop.url("/inner")


FRAME = """(address) => new Promise((done) => {
  const frame = document.createElement("iframe");
  frame.onload = done;
  frame.src = address;
  document.body.append(frame);
})"""
