"""What waits when a gateway has too much to do, what never does, and that everybody is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from services.operator_gateway.live import pace
from services.operator_gateway.views.shedding import Shedding
from shared.storage.clients import Clients
from tests.chat_rig import at_work, chatting, floor, ok, shop_with, visitor
from tests.eventually import eventually
from tests.live_rig import Rig, Shop, visitor_id

FROZEN_S = 3_600.0


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(pace.Load, "sample", lambda *_: None)  # the test alone says how hard pressed it is
    async with floor(clients, redis_url, tmp_path) as running:
        yield running


@pytest.mark.parametrize("mount", ["socket.io", "socket.io-msgpack"])
async def test_chats_offers_and_requests_come_while_the_list_stands_still(
    rig: Rig, mount: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is put off for an hour, so whatever arrives did not wait for it."""
    shop = await shop_with(rig, intake="assign")
    console = await at_work(rig, await rig.operator(shop), shop, mount=mount)
    who, next_one = await visitor(rig, shop, 1), await visitor(rig, shop, 2)
    view = await console.open(shop, sort={"by": "number", "dir": "asc"})
    await who.ask("RequestChat", name="Eve", text="Hello?")
    [offer] = await eventually(lambda: console.named("offer"))
    chat = (await ok(console, "offer:accept", offer=offer["offer"]))["chat"]
    await eventually(lambda: view.rows[0]["status"] == "chatting")

    rig.gateway.live.load.shedding = Shedding.IDLE
    waiting = await stand_still(rig, shop, monkeypatch)
    await who.ask("SendMessage", text="Still there?")
    await eventually(lambda: [line for line in console.named("chat:event") if line.get("text") == "Still there?"])
    assert (await ok(console, "chat:send", chat=chat, text="Yes"))["seq"] > 0
    await next_one.ask("RequestChat", name="Bob")
    await eventually(lambda: len(console.named("offer")) == 2)
    live = rig.gateway.live.get(shop.site)
    assert live is not None
    assert live.views.dirty
    assert view.rows[0]["page"]["title"] != waiting, "the list did wait"
    live.flush()
    await eventually(lambda: view.rows[0]["page"]["title"] == waiting)


async def stand_still(rig: Rig, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> str:
    """From here on the list waits for an hour: visitor 1 goes to pages until one of them does. Its title."""
    asked = 0

    def hour(*_: object) -> float:
        nonlocal asked
        asked += 1
        return FROZEN_S

    monkeypatch.setattr(pace.Pace, "delay_s", hour)
    live = rig.gateway.live.get(shop.site)
    assert live is not None
    for number in range(10):
        await shop.visit(1, title=f"Page {number}", pages=9)
        await eventually(lambda: live.views.replica.seq("presence") == shop.seq("presence"))
        # An update whose time was set before may still have taken it; the next one is an hour away.
        await eventually(lambda: asked or not live.views.dirty)
        if asked:
            return f"Page {number}"
    raise AssertionError("every change was shown at once")


@pytest.mark.parametrize(
    ("level", "slowed", "put_off"),
    [(1, 500, None), (2, 1_000, ["pages"]), (3, 1_000, ["pages", "idle"])],
)
async def test_each_step_is_told_with_every_update_and_counted(
    rig: Rig, level: int, slowed: int, put_off: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.operator_gateway.live.sites.CHECK_EVERY_S", 0.1)
    shop = await rig.shop()
    await shop.visit(1)
    console = await rig.connect(await rig.operator(shop))
    await console.open(shop)
    await eventually(lambda: console.named("view:check"))
    assert "slowed" not in console.named("view:check")[-1]
    rig.gateway.live.load.shedding = Shedding(level)
    check = await eventually(lambda: [one for one in console.named("view:check") if "slowed" in one])
    assert (check[0]["slowed"], check[0].get("put_off")) == (slowed, put_off)
    await shop.visit(2)
    delta = await eventually(lambda: [one for one in console.named("view:delta") if one.get("insert")])
    assert (delta[-1]["slowed"], delta[-1].get("put_off")) == (slowed, put_off)
    address = f"http://127.0.0.1:{rig.admin_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        text = await answer.text()
    assert f"foyer_gateway_shedding {level}.0" in text
    rig.gateway.live.load.shedding = Shedding.NOTHING
    told = len(console.named("view:check"))
    await eventually(
        lambda: "slowed" not in console.named("view:check")[-1] and len(console.named("view:check")) > told
    )


async def test_page_moves_are_merged_and_idle_rows_freeze_on_the_wire(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounds that never come round again: what is held back stays so, and what a chat changes still comes."""
    monkeypatch.setattr(pace, "SHED_DISTANCE_S", dict.fromkeys(Shedding, 0.0))
    for name in ("PAGES_EVERY_S", "IDLE_EVERY_S"):
        monkeypatch.setattr(f"services.operator_gateway.views.shedding.{name}", FROZEN_S)
    shop = await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop), shop)
    who = await visitor(rig, shop, 1)
    await shop.visit(2)
    view = await console.open(shop, sort={"by": "number", "dir": "asc"})
    rig.gateway.live.load.shedding = Shedding.IDLE
    live = rig.gateway.live.get(shop.site)
    assert live is not None
    await shop.visit(1, title="One")  # the first round takes it
    await eventually(lambda: view.rows[0]["page"]["title"] == "One")
    for title in ("Two", "Three"):
        await shop.visit(1, title=title)
    await shop.visit(2, activity="idle", lang="de")
    await eventually(lambda: live.views.held == 2)
    assert [row["page"]["title"] for row in view.rows] == ["One", "Home"]
    await shop.visit(3)
    await eventually(lambda: len(view.rows) == 3), "who comes is never put off"
    await chatting(console, shop, who)
    await eventually(lambda: view.rows[0]["status"] == "chatting")
    assert view.rows[0]["page"]["title"] == "Three", "the row comes as it is now"
    assert "lang" not in view.rows[1]
    assert view.rows[1]["visitor"] == visitor_id(2)


async def test_an_order_that_nobody_had_is_shown_while_updates_wait(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await rig.shop()
    await shop.fill(range(1, 30))
    console = await rig.connect(await rig.operator(shop))
    view = await console.open(shop)
    waiting = await stand_still(rig, shop, monkeypatch)
    wish = {"view": "other", "site": shop.site, "sort": {"by": "pages", "dir": "desc"}}
    answer = await console.ask("view:open", wish)
    assert (answer.get("loading"), answer["rows"][0]["page"]["title"]) == (None, waiting)
    assert view.rows[0]["page"]["title"] != waiting, "the list did wait"
