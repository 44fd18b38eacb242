"""Views over real sockets: what a console shows is what is on the site, whatever happens on the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.rows import OperatorRef, PresenceRow
from shared.storage.clients import Clients
from shared.storage.snapshots import Snapshots
from tests.eventually import eventually
from tests.live_rig import Console, Rig, Shop, gateway, visitor_id
from tests.unit.gateway_views.rows import Client

MOUNTS = ("socket.io", "socket.io-msgpack")


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with gateway(clients, redis_url, tmp_path) as running:
        yield running


def names(console: Console, view: str = "list") -> list[str]:
    return [row["nickname"] for row in console.views[view].rows]


async def caught_up(rig: Rig, shop: Shop) -> None:
    """The gateway knows what the shop wrote."""
    live = rig.gateway.live.get(shop.site)
    assert live is not None
    await eventually(lambda: live.views.replica.seq("presence") == shop.seq("presence"))


@pytest.mark.parametrize("mount", MOUNTS)
async def test_a_view_shows_who_is_there_and_follows_what_changes(rig: Rig, mount: str) -> None:
    shop = await rig.shop()
    for number in (9, 10, 2):
        await shop.visit(number, country="DE")
    console = await rig.connect(await rig.operator(shop), mount)
    view = await console.open(shop, sort={"by": "nickname", "dir": "asc"})
    assert names(console) == ["Visitor 2", "Visitor 9", "Visitor 10"]
    assert view.total == 3
    assert view.counts["navigating"] == 3
    assert len(view.counts) == 11

    await shop.visit(3)
    await eventually(lambda: names(console) == ["Visitor 2", "Visitor 3", "Visitor 9", "Visitor 10"])
    await shop.engage(9, status="chatting", name="Ada", operators=(OperatorRef("o_0001", "Op"),), chat="c1")
    await eventually(lambda: names(console) == ["Ada", "Visitor 2", "Visitor 3", "Visitor 10"])
    assert view.rows[0]["status"] == "chatting"
    assert view.rows[0]["named"] is True
    assert view.counts["chatting"] == 1
    await shop.leave(2)
    await eventually(lambda: names(console) == ["Ada", "Visitor 3", "Visitor 10"] and view.total == 3)
    assert console.resyncs == 0


async def test_two_consoles_on_two_mounts_show_the_same_after_a_storm(rig: Rig) -> None:
    shop = await rig.shop()
    operator = await rig.operator(shop)
    await shop.fill(range(1, 300))
    consoles = [await rig.connect(operator, mount) for mount in MOUNTS]
    for console in consoles:
        await console.open(shop, sort={"by": "pages", "dir": "desc"}, limit=20, offset=5)
    here = set(range(1, 300))
    dice = random.Random(7)
    for _ in range(400):
        number = dice.randrange(1, 400)
        if number in here and dice.random() < 0.3:
            await shop.leave(number)
            here.discard(number)
        else:
            await shop.visit(number, pages=dice.randrange(1, 50), title=f"Page {dice.randrange(9)}")
            here.add(number)
    expected = sorted(here, key=lambda number: (-shop.presence(number).pages, number))[5:25]
    for console in consoles:
        await eventually(partial(_shows, console.views["list"], [visitor_id(number) for number in expected]))
        # Who left outside the window may be told a moment after the window is as it will be.
        await eventually(partial(_counts, console.views["list"], len(here)))
        assert console.resyncs == 0
    assert consoles[0].views["list"].rows == consoles[1].views["list"].rows


async def test_coming_back_with_what_is_still_shown_brings_only_the_difference(rig: Rig) -> None:
    shop = await rig.shop()
    operator = await rig.operator(shop)
    await shop.fill(range(1, 6))
    first = await rig.connect(operator)
    view = await first.open(shop)
    await first.client.disconnect()
    await shop.visit(3, pages=7)
    await shop.leave(4)
    await shop.visit(6)
    await caught_up(rig, shop)

    again = await rig.connect(operator)
    answer = await again.ask("view:open", {"view": "list", "site": shop.site, "have": view.have(), "epoch": view.epoch})
    assert sorted(row["number"] for row in answer["rows"]) == [3, 6]
    assert answer["order"] == [visitor_id(number) for number in (1, 2, 3, 5, 6)]
    view.take_state(answer)
    assert [row["pages"] for row in view.rows] == [1, 1, 7, 1, 1]

    other_life = {"view": "two", "site": shop.site, "have": view.have(), "epoch": "another"}
    answer = await again.ask("view:open", other_life)
    assert len(answer["rows"]) == 5, "what was had in another epoch proves nothing"


async def test_a_lost_log_entry_is_noticed_and_mended(rig: Rig) -> None:
    shop = await rig.shop()
    await shop.fill(range(1, 4))
    console = await rig.connect(await rig.operator(shop))
    view = await console.open(shop)
    await shop.visit(2, log=False, pages=9)
    await shop.leave(1, log=False)
    await shop.visit(4)
    await eventually(lambda: [(row["number"], row["pages"]) for row in view.rows] == [(2, 9), (3, 1), (4, 1)])
    assert console.resyncs == 0, "the reload comes as an ordinary difference"


async def test_another_life_of_the_data_voids_windows_and_gives_a_new_epoch(rig: Rig) -> None:
    shop = await rig.shop()
    await shop.fill(range(1, 4))
    await shop.visit(1, pages=2)
    console = await rig.connect(await rig.operator(shop))
    view = await console.open(shop)
    old = view.epoch
    await shop.lose_data()
    await shop.visit(1, pages=5)
    reset = await eventually(lambda: console.named("view:reset"))
    assert reset[0] == {"view": "list", "reason": "epoch"}
    assert (await console.ask("view:sync", {"view": "list"}))["error"]["code"] == "unknown_view"
    await console.open(shop, have=view.have(), epoch=old)
    await eventually(lambda: [(row["number"], row["pages"]) for row in view.rows] == [(1, 5)])
    assert view.epoch != old


async def test_a_view_can_be_moved_and_closed(rig: Rig) -> None:
    shop = await rig.shop()
    await shop.fill(range(1, 31))
    console = await rig.connect(await rig.operator(shop))
    view = await console.open(shop, limit=10)
    request: dict[str, Any] = {"view": "list", "site": shop.site, "limit": 10, "offset": 20, "have": view.have()}
    view.take_state(await console.ask("view:move", request))
    assert [row["number"] for row in view.rows] == list(range(21, 31))
    await shop.visit(25, pages=4)
    await eventually(lambda: view.rows[4]["pages"] == 4)
    assert await console.ask("view:close", {"view": "list"}) == {"ok": True}
    deltas = console.deltas
    await shop.visit(25, pages=5)
    other = await console.open(shop, "other", offset=24, limit=1)
    await eventually(lambda: other.rows[0]["pages"] == 5)
    assert console.deltas == deltas + (other.seq > 1)
    assert rig.gateway.live.get(shop.site).views.groups == 1  # type: ignore[union-attr]


async def test_a_checksum_proves_both_sides_equal(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.operator_gateway.live.sites.CHECK_EVERY_S", 0.1)
    shop = await rig.shop()
    await shop.fill(range(1, 20))
    console = await rig.connect(await rig.operator(shop))
    await console.open(shop)
    await eventually(lambda: console.checked >= 3)


async def test_one_visitor_can_be_looked_up(rig: Rig) -> None:
    shop = await rig.shop()
    await shop.visit(5, country="AT")
    console = await rig.connect(await rig.operator(shop))
    stored = await console.ask("visitor:get", {"site": shop.site, "visitor": visitor_id(5)})
    assert stored["ok"]
    await console.open(shop)
    watched = await console.ask("visitor:get", {"site": shop.site, "visitor": visitor_id(5)})
    assert stored["row"] == watched["row"]
    pages = await console.ask("visitor:navigation", {"site": shop.site, "visitor": visitor_id(5)})
    assert [page["title"] for page in pages["pages"]] == ["Home"]
    earlier = await console.ask("visitor:history", {"site": shop.site, "visitor": visitor_id(5)})
    assert earlier == {"ok": True, "visits": [], "next": None}
    nobody = await console.ask("visitor:get", {"site": shop.site, "visitor": visitor_id(77)})
    assert nobody["error"]["code"] == "not_found"


async def test_changes_while_a_site_is_read_are_not_lost(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are read in slices; between any two of them visitors come, change and go."""
    monkeypatch.setattr("shared.storage.snapshots.SLICE", 10)
    shop = await rig.shop()
    await shop.fill(range(1, 1500))
    console = await rig.connect(await rig.operator(shop))
    storm = asyncio.create_task(_storm(shop))
    view = await console.open(shop, limit=200, sort={"by": "visit_started_at", "dir": "desc"})
    here = await storm
    newest = sorted(here, reverse=True)[:200]
    await eventually(lambda: [row["number"] for row in view.rows] == newest)
    assert [row["pages"] for row in view.rows] == [shop.presence(number).pages for number in newest]
    assert view.total == len(here)


async def test_who_asks_again_while_the_site_is_read_hears_that_it_still_is(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a console would take what is there so far for all there is."""
    read, may_read = Snapshots.presence_rows, asyncio.Event()

    async def read_later(self: Snapshots, site: str) -> AsyncGenerator[list[tuple[str, PresenceRow]], None]:
        await may_read.wait()
        async for rows in read(self, site):
            yield rows

    monkeypatch.setattr(Snapshots, "presence_rows", read_later)
    monkeypatch.setattr("services.operator_gateway.live.requests.LOAD_WAIT_S", 0.05)
    shop = await rig.shop()
    await shop.fill(range(1, 4))
    console = await rig.connect(await rig.operator(shop))

    async def opened() -> Any:
        answer = await console.ask("view:open", {"view": "list", "site": shop.site})
        return answer if answer["ok"] else None  # not even the numbers were read: try again

    assert (await eventually(opened))["loading"] is True
    for _ in range(2):
        assert (await console.ask("view:sync", {"view": "list"}))["loading"] is True
    monkeypatch.setattr("services.operator_gateway.live.requests.LOAD_WAIT_S", 30.0)
    may_read.set()
    answer = await console.ask("view:sync", {"view": "list"})
    assert ("loading" in answer, len(answer["rows"])) == (False, 3)


def _counts(view: Client, total: int) -> bool:
    return view.total == total


def _shows(view: Client, visitors: list[str]) -> bool:
    return [row["visitor"] for row in view.rows] == visitors


async def _storm(shop: Shop) -> set[int]:
    here = set(range(1, 1500))
    for step in range(300):
        await shop.visit(1500 + step, pages=2)
        here.add(1500 + step)
        await shop.visit(1499 - step, pages=3)
        if step % 3 == 0:
            await shop.leave(1500 + step)
            here.discard(1500 + step)
    return here
