"""Nothing lost and nothing doubled: the tracker on networks, pages and collectors that do not do what they should."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.tracker_bench import HIDE, Bench, bench
from tests.eventually import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module")
async def shop(chromium: Browser) -> AsyncIterator[Bench]:
    async with bench(chromium) as made:
        yield made


async def test_blocked_websocket_leaves_http(shop: Bench):
    shop.collector.live = False
    page = await shop.open_timed()
    await eventually(lambda: shop.collector.attempts == 1)
    await page.evaluate("history.pushState({}, '', '/next')")
    await page.clock.run_for(250)  # for the title
    await eventually(lambda: shop.collector.kinds() == ["page", "beat", "page"])
    await shop.answered(page)
    assert {event["via"] for event in shop.collector.events} == {"http"}
    await page.clock.run_for(25_000)
    await eventually(lambda: shop.collector.kinds() == ["page", "beat", "page", "beat"])
    assert shop.collector.attempts == 1  # asked again rarely


async def test_beats_over_http_are_the_sign_of_life(shop: Bench):
    shop.collector.live = False
    page = await shop.open_timed()
    await eventually(lambda: shop.collector.attempts == 1)
    await shop.answered(page)
    await page.clock.run_for(19_999)
    assert shop.collector.kinds() == ["page"]
    await page.clock.run_for(1)
    await eventually(lambda: shop.collector.kinds() == ["page", "beat"])
    await shop.answered(page)
    await page.evaluate(HIDE, True)
    await eventually(lambda: shop.collector.kinds() == ["page", "beat", "hide"])
    await shop.answered(page)
    await page.clock.run_for(54_999)
    assert shop.collector.kinds() == ["page", "beat", "hide"]
    await page.clock.run_for(1)
    await eventually(lambda: shop.collector.kinds() == ["page", "beat", "hide", "beat"])


async def test_hidden_page_with_a_live_channel_says_nothing(shop: Bench):
    page = await shop.open_timed()
    await shop.live(page)
    await page.evaluate(HIDE, True)
    await eventually(lambda: shop.collector.kinds() == ["page", "hide"])
    await shop.answered(page)
    await page.clock.run_for(30_000)
    await page.keyboard.press("a")  # what a page hears while it is hidden is no use of it
    await page.clock.run_for(3_600_000)
    await page.evaluate(HIDE, False)
    await eventually(lambda: shop.collector.kinds()[-1] == "show")
    assert shop.collector.kinds() == ["page", "hide", "show"]
    assert shop.collector.events[-1]["engaged_ms"] == 0


async def test_live_channel_beats_only_when_the_page_is_used(shop: Bench):
    page = await shop.open_timed()
    await shop.live(page)
    await page.clock.run_for(50_000)
    assert shop.collector.kinds() == ["page"]
    await page.keyboard.press("a")
    await page.clock.run_for(1)  # 15 s are over since the last event
    await eventually(lambda: shop.collector.kinds() == ["page", "beat"])
    await shop.answered(page)
    await page.keyboard.press("b")
    await page.clock.run_for(14_000)
    assert shop.collector.kinds() == ["page", "beat"]
    await page.clock.run_for(1_000)
    await eventually(lambda: shop.collector.kinds() == ["page", "beat", "beat"])
    assert shop.collector.events[-1]["at"] - shop.collector.events[-2]["at"] == 15_000
    await shop.answered(page)
    await page.clock.run_for(100_000)
    await page.evaluate("document.title = 'While nobody looked'")
    await page.clock.run_for(250)
    await eventually(lambda: len(shop.collector.events) == 4)
    assert shop.collector.events[-1]["idle_ms"] == 115_250
    await shop.answered(page)
    await page.keyboard.press("c")  # back after more than a minute: at once, though there was an event just now
    await eventually(lambda: len(shop.collector.events) == 5)
    last = shop.collector.events[-1]
    assert last["idle_ms"] == 0
    assert last["engaged_ms"] == 50_001 + 60_000  # a minute after the last input is in use, the rest is not


async def test_lost_channel_comes_back_and_says_where_the_visitor_is(shop: Bench):
    page = await shop.open("/here")
    await shop.live(page)
    await shop.collector.sockets[0].close(code=1012)
    await eventually(lambda: len(shop.collector.hellos) == 2)
    await eventually(lambda: shop.collector.kinds() == ["page", "beat"])
    assert shop.collector.events[1]["via"] == "live"


async def test_lost_channel_of_a_hidden_tab_is_stood_in_for(shop: Bench):
    page = await shop.open_timed()
    await shop.live(page)
    await page.evaluate(HIDE, True)
    await eventually(lambda: shop.collector.kinds() == ["page", "hide"])
    await shop.answered(page)
    shop.collector.live = False
    await shop.collector.sockets[0].close(code=1012)
    await shop.not_live(page)
    await page.clock.run_for(9_999)
    assert shop.collector.kinds() == ["page", "hide"]
    await page.clock.run_for(1)  # the server gives it 15 s
    await eventually(lambda: shop.collector.kinds() == ["page", "hide", "beat"])

    async def tried_again() -> bool:
        await page.clock.run_for(1_000)  # a try has 6 s of the page's time, so some of ours to reach the collector
        return shop.collector.attempts > 1

    await eventually(tried_again, every_s=0.2)


async def test_unanswered_events_of_a_dead_channel_are_sent_again(shop: Bench):
    page = await shop.open()
    await shop.live(page)
    shop.collector.deaf = True
    await page.evaluate("history.pushState({}, '', '/next')")
    await eventually(lambda: shop.collector.unheard)
    shop.collector.deaf = False
    await shop.collector.sockets[0].close(code=1011)
    await eventually(lambda: shop.collector.paths() == ["/", "/next"])
    await eventually(lambda: shop.collector.gaps() == {})


@pytest.mark.parametrize("answer", [503, 429])
async def test_refused_for_now_is_repeated_and_not_doubled(shop: Bench, answer: int):
    shop.collector.live = False
    shop.collector.status, shop.collector.headers = answer, {"Retry-After": "1"}
    page = await shop.open()
    await page.evaluate("history.pushState({}, '', '/next')")
    await eventually(lambda: len(shop.collector.requests) >= 2)
    shop.collector.status = 204
    await eventually(lambda: shop.collector.paths() == ["/", "/next"])
    await page.close(run_before_unload=True)
    await eventually(lambda: shop.collector.of_type("leave"))
    assert shop.collector.gaps() == {}


async def test_network_that_is_back_is_used_at_once(shop: Bench):
    shop.collector.live = False
    shop.collector.status, shop.collector.headers = 503, {"Retry-After": "600"}
    page = await shop.open_timed()
    await shop.answered(page)
    await page.clock.run_for(599_999)
    assert len(shop.collector.requests) == 1
    shop.collector.status = 204
    await page.evaluate("dispatchEvent(new Event('online'))")
    await eventually(lambda: shop.collector.kinds() == ["page"])


async def test_what_was_not_taken_goes_with_the_next_page(shop: Bench):
    shop.collector.live = False
    shop.collector.status = 503
    page = await shop.open("/a")
    await eventually(lambda: shop.collector.requests)
    await page.goto("about:blank")
    await eventually(lambda: shop.collector.requests[-1][1]["events"][-1]["type"] == "leave")
    shop.collector.status = 204
    await shop.open("/b", page)
    await eventually(lambda: shop.collector.kinds() == ["page", "leave", "page"])
    assert shop.collector.gaps() == {}


@pytest.mark.parametrize("answer", [403, 404, 410])
async def test_refused_for_good_stops(shop: Bench, answer: int):
    shop.collector.status = answer
    page = await shop.open_timed()
    await shop.answered(page)
    await page.evaluate("history.pushState({}, '', '/next')")
    await page.keyboard.press("a")
    await page.clock.run_for(120_000)
    await page.evaluate("foyer.identify({ name: 'Ada' }); dispatchEvent(new Event('online'))")
    await page.close(run_before_unload=True)
    await shop.collector_is_quiet()
    assert len(shop.collector.requests) == 1
    assert shop.collector.attempts == 0


async def test_channel_that_is_closed_for_good_stops(shop: Bench):
    shop.collector.hello_error = "unknown_site"
    page = await shop.open_timed()
    await eventually(lambda: page.evaluate("endings === 1"))
    await page.clock.run_for(120_000)
    await page.evaluate("history.pushState({}, '', '/next')")
    await shop.collector_is_quiet()
    assert shop.collector.kinds() == ["page"]
    assert shop.collector.attempts == 1


async def test_policy_that_forbids_connections_leaves_the_picture(shop: Bench):
    shop.headers = {"Content-Security-Policy": "connect-src 'self'", "Referrer-Policy": "no-referrer"}
    page = await shop.open()
    await eventually(lambda: shop.collector.kinds() == ["page"])
    await page.evaluate("document.title = 'Grüße 你好'")
    await eventually(lambda: shop.collector.kinds() == ["page", "beat"])
    assert shop.collector.events[1]["title"] == "Grüße 你好"
    # On navigation only: Chromium treats pictures of a tab that is closed as connections, and blocks them.
    await shop.open("/next", page)
    await eventually(lambda: shop.collector.kinds() == ["page", "beat", "leave", "page"])
    assert {event["via"] for event in shop.collector.events} == {"gif"}
    assert shop.collector.referers == {shop.url("") + "/"}
    assert shop.collector.attempts == 0


async def test_the_token_stands_in_no_address(shop: Bench):
    page = await shop.open()
    await shop.live(page)
    await shop.open("/known", page)  # with the token that the first page was told
    await eventually(lambda: [hello for hello in shop.collector.hellos if hello.get("token")])
    shop.headers = {"Content-Security-Policy": "connect-src 'self'"}
    await shop.open("/next", page)
    await eventually(lambda: [batch for channel, batch in shop.collector.requests if channel == "gif"])
    assert not [batch for channel, batch in shop.collector.requests if channel == "gif" and "token" in batch]


async def test_policy_that_forbids_everything_silences(shop: Bench):
    shop.headers = {"Content-Security-Policy": "connect-src 'self'; img-src 'self'"}
    shop.before = """window.blocked = [];
      document.addEventListener("securitypolicyviolation", ({ blockedURI }) => { blocked.push(blockedURI) });"""
    page = await shop.open_timed()
    await eventually(lambda: page.evaluate("blocked.some((address) => address.includes('/v1/e.gif'))"))
    tries = await page.evaluate("blocked.length")
    await page.clock.run_for(120_000)
    await page.evaluate("history.pushState({}, '', '/next'); foyer.identify({ name: 'Ada' })")
    await page.clock.run_for(120_000)
    # Another violation, which comes after any of the tracker's.
    await page.evaluate("fetch('http://elsewhere.invalid/last').catch(() => {})")
    await eventually(lambda: page.evaluate("blocked.at(-1).includes('elsewhere')"))
    assert await page.evaluate("blocked.length") == tries + 1
    assert shop.collector.requests == []


async def test_policy_that_forbids_only_sockets_leaves_http(shop: Bench):
    shop.headers = {"Content-Security-Policy": f"connect-src {shop.collector.url}"}
    page = await shop.open()
    await eventually(lambda: shop.collector.kinds() == ["page"])
    await page.evaluate("history.pushState({}, '', '/next')")
    await eventually(lambda: shop.collector.paths() == ["/", "/next"])
    assert {event["via"] for event in shop.collector.events} == {"http"}
    assert shop.collector.attempts == 0


async def test_report_only_policy_changes_nothing(shop: Bench):
    shop.headers = {"Content-Security-Policy-Report-Only": "connect-src 'self'"}
    await shop.open()
    await eventually(lambda: len(shop.collector.hellos) == 1)
    assert [event["via"] for event in shop.collector.events] == ["http"]


async def test_leaving_names_the_origin_under_no_referrer(shop: Bench):
    shop.headers = {"Referrer-Policy": "no-referrer"}
    page = await shop.open()
    await eventually(lambda: shop.collector.kinds() == ["page"])
    await page.close(run_before_unload=True)
    await eventually(lambda: shop.collector.kinds() == ["page", "leave"])
    assert shop.collector.origins == {shop.url("")}


async def test_offline_and_online_again(shop: Bench):
    page = await shop.open("/a")
    await shop.live(page)
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    await shop.context.set_offline(True)
    await shop.collector.sockets[0].close()
    await shop.not_live(page)
    await page.evaluate("history.pushState({}, '', '/b'); history.pushState({}, '', '/c')")
    await eventually(lambda: [url for url in failed if url.endswith("/v1/e")])
    assert shop.collector.paths() == ["/a"]
    await shop.context.set_offline(False)
    await eventually(lambda: shop.collector.paths() == ["/a", "/b", "/c"])
    await eventually(lambda: len(shop.collector.hellos) == 2)
    await eventually(lambda: shop.collector.gaps() == {})


async def test_clocks_that_jump_change_no_time(shop: Bench):
    """The wall clock is set back and forth by an hour: times and the age of the tab's record come from another one."""
    page = await shop.open_timed("/a")
    await shop.live(page)
    await shop.answered(page)
    for jump in (3_600, -7_200):
        await page.evaluate("(s) => { const now = Date.now; Date.now = () => now() + s * 1000 }", jump)
        await page.clock.run_for(2_000)
        await page.evaluate("document.title += '!'")
        await page.clock.run_for(1_000)
    await eventually(lambda: shop.collector.kinds() == ["page", "beat", "beat"])
    await shop.open("/b", page)
    await eventually(lambda: shop.collector.paths() == ["/a", "/b"])
    first = shop.collector.events[0]["at"]
    assert [event["at"] - first for event in shop.collector.events[:3]] == [0, 2_250, 5_250]
    assert [event["engaged_ms"] for event in shop.collector.events[:3]] == [0, 2_250, 5_250]
    assert len({event["tab"] for event in shop.collector.events}) == 1


async def test_time_on_each_page_is_what_the_visitor_spent_there(shop: Bench):
    """Three pages, one hidden for a while, one left alone for two minutes: to the millisecond."""
    page = await shop.open_timed("/read")
    await shop.live(page)
    await page.clock.run_for(7_000)
    await page.evaluate("history.pushState({}, '', '/watch')")
    await page.clock.run_for(4_000)
    await page.evaluate(HIDE, True)
    await page.clock.run_for(30_000)
    await page.evaluate(HIDE, False)
    await page.clock.run_for(5_000)
    await page.evaluate("history.pushState({}, '', '/leave')")
    await page.keyboard.press("a")
    await page.clock.run_for(180_000)
    await page.evaluate("history.pushState({}, '', '/end')")
    await page.clock.run_for(1_500)
    await page.close(run_before_unload=True)
    await eventually(lambda: shop.collector.kinds()[-1] == "leave")
    assert shop.collector.paths() == ["/read", "/watch", "/leave", "/end"]
    spent: dict[str, int] = {}
    for event in shop.collector.events:
        spent[event["page"]] = max(spent.get(event["page"], 0), event["engaged_ms"])
    assert [spent[view["page"]] for view in shop.collector.of_type("page")] == [7_000, 9_000, 60_000, 0]
