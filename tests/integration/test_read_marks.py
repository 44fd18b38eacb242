"""Read marks outlast reloads, a restart of chat-routing and another gateway; previews go only where wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.contracts.chat import Actor, ChatMarked, EraseVisitor, MarkChat
from shared.contracts.sites import Site, SiteSettings, WidgetSettings
from shared.contracts.streams import encode
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.log import PartitionLog
from tests.chat_rig import PARTITIONS, at_work, chatting, outcomes, routing, shop_with, visitor
from tests.collector_rig import SITE, new_id
from tests.eventually import eventually
from tests.live_rig import Rig, gateway
from tests.visitor_chat_rig import ADA, ChatRig, Tab, chat_rig


def reads(answer: Any) -> dict[str, int]:
    """What an answer says of who has read what."""
    return {one["by"]["kind"]: one["seq"] for one in answer["reads"]}


async def marked(rig: Rig, site: str, number: int) -> None:
    """That many read marks have been taken."""

    async def told() -> bool:
        found = [one for one in await outcomes(rig.clients, site) if isinstance(one, ChatMarked)]
        return len(found) >= number

    await eventually(told)


async def test_another_gateway_knows_them_after_chat_routing_was_restarted(
    clients: Clients, redis_url: str, tmp_path: Path
) -> None:
    async with gateway(clients, redis_url, tmp_path) as rig:
        async with routing(redis_url, rig.clock):
            shop = await shop_with(rig)
            operator = await rig.operator(shop)
            console = await at_work(rig, operator, shop)
            who = await visitor(rig, shop)
            chat = await chatting(console, shop, who)
            for text in ("One", "Two"):
                await who.ask("SendMessage", text=text)
            assert await console.ask("chat:read", {"chat": chat, "seq": 4}) == {"ok": True}
            await marked(rig, shop.site, 1)
            assert await console.ask("chat:read", {"chat": chat, "seq": 3}) == {"ok": True}  # a window that is behind
            mark = MarkChat(site=shop.site, visitor=who.id, by=Actor("visitor", who.id), id="m", read=2)
            await PartitionLog(clients).append("cmd", PARTITIONS.of(shop.site), [encode(mark)])
            await marked(rig, shop.site, 3)
        async with gateway(clients, redis_url, tmp_path) as other, routing(redis_url, rig.clock):
            reloaded = await other.connect(operator)
            opened = await reloaded.ask("chat:open", {"chat": chat})
            assert (opened["ok"], reads(opened)) == (True, {"operator": 4, "visitor": 2})
            entry = encode(EraseVisitor(shop.site, who.id))
            await PartitionLog(clients).append("cmd", PARTITIONS.of(shop.site), [entry])
            key = keys.reads(PARTITIONS.of(shop.site), chat)

            async def gone() -> bool:
                return not await clients.call("EXISTS", key)

            await eventually(gone)


@pytest.fixture
async def rig(clients: Clients, redis_url: str) -> Any:
    async with chat_rig(clients, redis_url) as running:
        await running.connect()
        yield running


async def read_by_both(rig: ChatRig, tab: Tab) -> None:
    """The visitor has read two lines, the operator one."""
    assert (await tab.told("chat.read", seq=2))["type"] == "ok"
    await rig.tell(MarkChat(site=SITE, visitor=tab.visitor, by=Actor("operator", ADA), id="m", read=1))
    await tab.read(lambda: len(tab.of("chat.read")) >= 2)


async def test_a_page_that_is_loaded_anew_knows_them(rig: ChatRig) -> None:
    async with rig.tab() as tab:
        await rig.chatting(tab)
        await read_by_both(rig, tab)
        async with rig.tab(tab.visitor, after=0) as reloaded:
            await reloaded.read(lambda: len(reloaded.of("chat.read")) >= 2)
            assert {mark["by"]["kind"]: mark["seq"] for mark in reloaded.of("chat.read")} == {
                "visitor": 2,
                "operator": 1,
            }


async def test_a_page_whose_chat_is_over_is_told_nothing(rig: ChatRig) -> None:
    async with rig.tab() as tab:
        await rig.chatting(tab)
        await read_by_both(rig, tab)
        assert (await tab.told("chat.end"))["type"] == "ok"
        async with rig.tab(tab.visitor) as page:
            await page.status("chat_end")
            await page.read(lambda: len(page.of("chat.read")) == 2)  # the outcome is still shown


async def test_between_two_polls_a_mark_is_news(rig: ChatRig) -> None:
    visitor_id = new_id()
    fields = {"Authorization": f"Bearer {rig.collector.token(visitor_id)}"}

    async def poll(cursor: str = "") -> Any:
        path = f"/v1/chat?site={SITE}&visitor={visitor_id}&after=99&wait=0&cursor={cursor}"
        return (await rig.collector.request("GET", path, fields)).json

    async with rig.tab(visitor_id) as tab:
        await rig.chatting(tab)
        first = await poll()
        assert [m for m in first["messages"] if m["type"] == "chat.read"] == []
        await read_by_both(rig, tab)
        second = await poll(first["cursor"])
        marks = [m for m in second["messages"] if m["type"] == "chat.read"]
        assert {m["by"]["kind"]: m["seq"] for m in marks} == {"visitor": 2, "operator": 1}
        third = await poll(second["cursor"])
        assert [m for m in third["messages"] if m["type"] != "chat.event"] == []


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_preview_reaches_operators_only_where_the_site_wants_it(
    clients: Clients, redis_url: str, wanted: bool
) -> None:
    site = Site(site=SITE, name="Shop", settings=SiteSettings(widget=WidgetSettings(preview=wanted)))
    async with chat_rig(clients, redis_url, site) as rig:
        await rig.connect()
        async with rig.tab() as tab:
            await rig.chatting(tab)
            assert (await tab.told("chat.typing", on=True, preview="secret"))["type"] == "ok"
            # A collector that still has older settings may pass it on: chat-routing looks, too.
            by = Actor("visitor", tab.visitor)
            await rig.tell(MarkChat(site=SITE, visitor=tab.visitor, by=by, id="m", typing=True, preview="secret"))

            async def typing() -> Any:
                found = [one for one in await rig.outcomes() if isinstance(one, ChatMarked)]
                return found if len(found) == 2 else None

            marks = await eventually(typing)
            assert [mark.preview for mark in marks] == ["secret" if wanted else ""] * 2
