"""The console's list in a real browser on a real gateway, with more visitors than any screen or window holds."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from services.operator_gateway.live import pace
from services.operator_gateway.passwords import Passwords
from services.operator_gateway.settings import STATIC
from services.operator_gateway.sockets.peer import GOING_AWAY
from services.operator_gateway.views.shedding import Shedding
from shared.contracts.sites import Membership, Operator
from shared.storage.clients import Clients
from tests.e2e.chromium import chromium
from tests.eventually import eventually
from tests.gateway_api import CHEAP
from tests.live_rig import Rig, Shop, gateway, visitor_id
from tests.tools import missing

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
SOON_MS = 30_000  # for the hopeless case, on a loaded machine
ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery staple"
MANY = 5_000


@asynccontextmanager
async def console(clients: Clients, redis_url: str, visitors: int) -> AsyncIterator[tuple[Rig, Shop, Page]]:
    """A gateway with the built console, a site with so many visitors, and an operator who looks at them."""
    async with gateway(clients, redis_url, STATIC) as rig, chromium() as browser:
        shop = await rig.shop()
        await shop.fill(range(1, visitors + 1))
        yield rig, shop, await signed_in(browser, rig, shop, visitors)


async def signed_in(browser: Browser, rig: Rig, shop: Shop, visitors: int) -> Page:
    passwords = Passwords(CHEAP)
    secret = await passwords.hash(PASSWORD)
    passwords.close()
    member = (Membership(site=shop.site, role="operator"),)
    await rig.store.create_operator(
        Operator(operator="o_0000cafe", email="ada@x.example", name="Ada", memberships=member), secret
    )
    await rig.seen()
    page = await (await browser.new_context(viewport={"width": 1280, "height": 800})).new_page()
    page.set_default_timeout(SOON_MS)
    expect.set_options(timeout=SOON_MS)
    await page.goto(rig.url)
    await page.get_by_label("E-mail").fill("ada@x.example")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await settled(page, visitors)
    return page


def grid(page: Page) -> Locator:
    return page.get_by_role("grid")


async def settled(page: Page, visitors: int) -> None:
    """The list has so many rows, and those in sight are there."""
    await expect(grid(page)).to_have_attribute("aria-rowcount", str(visitors + 1))
    await expect(grid(page)).to_have_attribute("aria-busy", "false")


def row(page: Page, number: int) -> Locator:
    return page.locator(f"#visitor-{visitor_id(number)}")


async def top_of(page: Page, number: int) -> float:
    """Where the row is on the screen."""
    box = await row(page, number).bounding_box()
    assert box is not None
    return round(box["y"], 1)


async def scroll_to(page: Page, rows: int) -> None:
    await grid(page).evaluate("(it, rows) => { it.scrollTop = rows * 42 }", rows)
    await expect(page.locator(f"[role=row][aria-rowindex='{rows + 5}']")).to_be_visible()
    await expect(grid(page)).to_have_attribute("aria-busy", "false")


async def asks_for_window(page: Page, column: str) -> None:
    await page.get_by_role("columnheader", name=column).get_by_role("button").click()
    await expect(grid(page)).to_have_attribute("aria-busy", "false")


async def test_what_is_read_and_chosen_stays_while_rows_come_go_and_change_above(
    clients: Clients, redis_url: str
) -> None:
    async with console(clients, redis_url, 600) as (_, shop, page):
        await asks_for_window(page, "Total time")  # the shortest stay on top: who comes, comes above
        await expect(page.get_by_role("columnheader", name="Total time")).to_have_attribute("aria-sort", "ascending")
        await expect(page.locator("[role=row][aria-rowindex='2']")).to_contain_text("Visitor 600")
        await scroll_to(page, 200)
        chosen = 600 - 205
        await row(page, chosen).click()
        await expect(row(page, chosen)).to_have_attribute("aria-selected", "true")
        place = await top_of(page, chosen)

        async def stays() -> bool:
            return bool(await top_of(page, chosen) == place)

        for number in range(601, 631):
            await shop.visit(number)
        await settled(page, 630)
        await eventually(stays, within_s=30)
        for number in range(590, 600):
            await shop.leave(number)
        await settled(page, 620)
        await eventually(stays, within_s=30)
        # Far above, from below: the oldest one becomes the newest.
        await shop.visit(5, visit_started_at=900_000)
        await shop.visit(chosen, title="Where is everybody?")
        await expect(row(page, chosen)).to_contain_text("Where is everybody?")
        await eventually(stays, within_s=30)
        await expect(row(page, chosen)).to_have_attribute("aria-selected", "true")
        await expect(page.get_by_role("toolbar")).to_contain_text(f"Visitor {chosen}")


async def test_the_browser_holds_a_window_and_asks_the_gateway_for_order_and_filter(
    clients: Clients, redis_url: str
) -> None:
    async with console(clients, redis_url, MANY) as (rig, shop, page):
        for direction in ("ascending", "descending"):
            await asks_for_window(page, "Nickname")
            await expect(page.get_by_role("columnheader", name="Nickname")).to_have_attribute("aria-sort", direction)
        await expect(page.locator("[role=row][aria-rowindex='2']")).to_contain_text(f"Visitor {MANY}")
        for rows in (1_000, 2_500, MANY - 30):
            await scroll_to(page, rows)
            shown = page.locator(f"[role=row][aria-rowindex='{rows + 5}']")
            await expect(shown).to_contain_text(f"Visitor {MANY - rows - 3}")
        await page.keyboard.press("End")
        assert await page.locator(".grid-body [role=row]").count() < 60, "only what is in sight is in the document"
        live = rig.gateway.live.get(shop.site)
        assert live is not None
        await page.get_by_placeholder("Search nickname or page").fill("visitor 499")
        await settled(page, 11)
        await expect(page.locator("[role=row][aria-rowindex='2']")).to_contain_text("Visitor 4999")
        await shop.visit(4_999, attrs={"name": ("Zora", 1)})
        await settled(page, 10)
        await page.get_by_placeholder("Search nickname or page").fill("")
        await settled(page, MANY)
        await expect(page.locator("[role=row][aria-rowindex='2']")).to_contain_text("Zora")
        await eventually(partial(_few_groups, live))


def _few_groups(live: object) -> bool:
    """What was scrolled past is not kept open: the list, and the two small views of the queues."""
    return live.views.groups <= 3  # type: ignore[attr-defined, no-any-return]


async def test_rows_come_back_at_their_place_after_the_gateway_has_cut_the_connection(
    clients: Clients, redis_url: str
) -> None:
    async with console(clients, redis_url, 400) as (rig, shop, page):
        await scroll_to(page, 150)
        chosen = await page.locator("[role=row][aria-rowindex='155']").get_attribute("id")
        place = await page.locator(f"#{chosen}").bounding_box()
        assert place is not None
        for connection in list(rig.gateway.connections):
            connection.abort(GOING_AWAY)
        await shop.visit(401)
        await settled(page, 401)
        after = await page.locator(f"#{chosen}").bounding_box()
        assert after is not None
        assert round(after["y"], 1) in {round(place["y"] + moved * 42, 1) for moved in (0, 1)}


async def test_the_mark_says_the_gateways_pace_what_is_late_and_that_chats_are_not(
    clients: Clients, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace.Load, "sample", lambda *_: None)
    monkeypatch.setattr("services.operator_gateway.live.sites.CHECK_EVERY_S", 0.2)
    async with console(clients, redis_url, 30) as (rig, _, page):
        mark = page.locator(".freshness")
        await expect(mark).to_have_text("Live")
        rig.gateway.live.load.shedding = Shedding.IDLE
        await expect(mark).to_contain_text("Slowed")
        await expect(mark).to_contain_text("every 1 s")
        await mark.hover()
        hint = page.get_by_role("tooltip")
        for text in (
            "confirmed by the server 0:0",
            "Page changes come every 3 s",
            "idle visitors",
            "Chats, offers and requests are not",
        ):
            await expect(hint).to_contain_text(text)
        rig.gateway.live.load.shedding = Shedding.TICKS
        await expect(mark).to_contain_text("every 0.5 s")
        await expect(hint).not_to_contain_text("idle visitors")
        rig.gateway.live.load.shedding = Shedding.NOTHING
        await expect(mark).to_have_text("Live")


PAGE = """
import { follow } from "./stock_view.js";
const [path, token, site] = decodeURIComponent(location.hash.slice(1)).split(" ");
const options = path.includes("msgpack") ? { transports: ["websocket"] } : {};
const wish = { site, sort: { by: "number", dir: "asc" }, filter: {}, offset: 0, limit: 50 };
follow(io({ path, auth: { token }, ...options }), wish, (said) => {
  if (said.names) document.body.textContent = said.names.join(", ") + `; ${said.transport}`;
});
"""
BUILDS = {"socket.io.min.js": "/socket.io/", "socket.io.msgpack.min.js": "/socket.io-msgpack/"}


def foreign_page(folder: Path) -> None:
    """A page of somebody else's making around the library's own builds, served by the gateway."""
    library = ROOT / "node_modules" / "socket.io-client" / "dist"
    if not library.is_dir():
        missing("the web packages are not installed: run `make setup`")
    for build in BUILDS:
        shutil.copy(library / build, folder / build)
        scripts = f'<script src="{build}"></script><script type="module" src="page.js"></script>'
        (folder / f"{build}.html").write_text(f"<!doctype html><body>{scripts}</body>", encoding="utf-8")
    shutil.copy(ROOT / "tests" / "integration" / "stock_view.mjs", folder / "stock_view.js")
    (folder / "page.js").write_text(PAGE, encoding="utf-8")


@pytest.mark.parametrize("build", BUILDS)
async def test_the_official_client_in_a_browser_shows_the_list_and_comes_back(
    clients: Clients, redis_url: str, tmp_path: Path, build: str
) -> None:
    foreign_page(tmp_path)
    async with gateway(clients, redis_url, tmp_path) as rig, chromium() as browser:
        shop = await rig.shop()
        await shop.fill(range(1, 4))
        token = await rig.token(await rig.operator(shop))
        page = await browser.new_page()
        await page.goto(f"{rig.url}/{build}.html#{BUILDS[build]} {token} {shop.site}")
        body = page.locator("body")
        await expect(body).to_contain_text("Visitor 1, Visitor 2, Visitor 3", timeout=SOON_MS)
        await shop.visit(9)
        await shop.engage(1, status="requested", name="Eve")
        await expect(body).to_contain_text("Eve, Visitor 2, Visitor 3, Visitor 9", timeout=SOON_MS)
        await eventually(
            lambda: not any(one.polling for engine in rig.gateway.engines for one in engine.sockets.values())
        )
        for connection in list(rig.gateway.connections):
            connection.abort(GOING_AWAY)
        await shop.leave(9)
        await expect(body).to_contain_text("Eve, Visitor 2, Visitor 3; websocket", timeout=SOON_MS)
