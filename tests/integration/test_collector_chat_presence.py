"""Collector, presence and chat-routing together: the name given, and a visitor who is away and comes back in time."""

from __future__ import annotations

from typing import Any

from services.presence.app import build as build_presence
from services.presence.settings import PresenceSettings
from shared.contracts.sites import Site, SiteSettings
from shared.domain.partitions import Partitions
from shared.domain.visitor import nickname
from shared.runtime.service import running
from shared.storage.clients import Clients
from shared.storage.history import History
from tests.collector_rig import SITE, event
from tests.eventually import eventually
from tests.visitor_chat_rig import ChatRig, Tab, chat_rig

QUICK = SiteSettings(leave_grace_ms=100, chat_away_ms=300, chat_gone_ms=60_000)


async def shows_page(tab: Tab) -> None:
    """The tab tells of the page that it shows."""
    answer = await tab.say("events", sent=1, events=[event()])
    assert answer["accepted"] == 1, answer


async def test_the_name_is_the_nickname_at_once_and_stays_in_the_profile(clients: Clients, redis_url: str) -> None:
    presence = PresenceSettings(redis_url=redis_url, admin_port=0)
    site = Site(site=SITE, name="Shop", settings=QUICK)
    async with chat_rig(clients, redis_url, site) as rig, running(build_presence(presence)):
        history = History(clients, Partitions(16))

        async def called(name: str) -> bool:
            row = await history.row(SITE, tab.visitor)
            return row is not None and (row.nickname, row.named) == (name, True)

        async with rig.tab() as tab:
            await shows_page(tab)
            await eventually(lambda: history.row(SITE, tab.visitor))
            await tab.say("chat.request", name="Vera")
            await eventually(lambda: called("Vera"))

        async def kept() -> bool:
            known = await history.known(SITE, tab.visitor)
            return known is not None and not known.live and nickname(known) == "Vera"

        await eventually(kept)


async def test_a_visitor_who_leaves_and_returns_finds_the_chat_and_the_operator_is_told(
    clients: Clients, redis_url: str
) -> None:
    presence = PresenceSettings(redis_url=redis_url, admin_port=0)
    site = Site(site=SITE, name="Shop", settings=QUICK)
    async with chat_rig(clients, redis_url, site) as rig, running(build_presence(presence)):
        await rig.connect()
        async with rig.tab() as tab:
            await shows_page(tab)
            await eventually(lambda: History(clients, Partitions(16)).row(SITE, tab.visitor))
            answer = await tab.say("chat.request", name="Vera")
            assert answer["status"] == "requested"
            await rig.operator("AcceptRequest", tab.visitor)
            assert [e["type"] for e in await tab.lines(2)] == ["requested", "started"]
        await eventually(lambda: said(rig, tab.visitor, "away"))
        async with rig.tab(tab.visitor, after=2, chat=answer["chat"]) as back:
            assert back.answers["h"]["status"] == "chatting"
            await shows_page(back)
            assert [e["type"] for e in await back.lines(2)] == ["away", "back"]
            assert (await back.say("chat.send", text="Here again"))["seq"] == 5


async def said(rig: ChatRig, visitor: str, kind: str) -> bool:
    """Whether this line is in the visitor's chat."""
    lines: list[Any] = [one.event for one in await rig.outcomes() if type(one).__name__ == "ChatSaid"]
    return any(line.type == kind for line in lines)
