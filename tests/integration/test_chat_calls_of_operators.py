"""Every event about chats, sent by an operator of another site, and with every field of a wrong kind.

The events are taken from the contract, so that a new one without a sample here fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import socketio

from services.collector.domain.tokens import VisitorTokens
from shared.contracts.desk import REQUESTS
from shared.storage.clients import Clients
from tests.chat_rig import at_work, chatting, command_id, floor, shop_with, visitor
from tests.live_rig import Console, Rig, Shop, visitor_id

LOOSE: list[Any] = [None, 0, -1, 1.5, True, "", [], {}, ["x"], {"x": 1}]
# Beside the ids, which are put in: a valid event of each kind. An id that plays no part may be left out.
SAMPLES: dict[str, dict[str, Any]] = {
    "chat:invite": {"text": "May I help?"},
    "chat:withdraw": {},
    "chat:accept": {},
    "chat:decline": {},
    "chat:redirect": {},
    "chat:open": {"after": 0},
    "chat:send": {"text": "Hello"},
    "chat:typing": {"on": True},
    "chat:read": {"seq": 1},
    "chat:forward": {"to": {"skill": "general"}},
    "chat:conference": {"operator": "o_0000"},
    "offer:accept": {},
    "offer:decline": {},
    "chat:withdraw_forward": {},
    "chat:leave": {},
    "chat:end": {},
    "chat:join": {},
    "chat:kick": {"reason": "spam"},
}


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with floor(clients, redis_url, tmp_path) as running:
        yield running


def sample(event: str, site: str, who: str, chat: str) -> dict[str, Any]:
    """A valid request about that visitor, chat or offer."""
    names = {field.encode_name for field in msgspec.structs.fields(REQUESTS[event])}
    ids = {"site": site, "visitor": who, "chat": chat, "offer": f"{site}.{who}.o1.1", "id": command_id()}
    return {**{name: value for name, value in ids.items() if name in names}, **SAMPLES[event]}


def test_every_event_of_the_contract_has_a_sample() -> None:
    assert SAMPLES.keys() == REQUESTS.keys()
    for event, kind in REQUESTS.items():
        msgspec.convert(sample(event, "s_0000", visitor_id(1), "s_0000.v.1.1"), kind)


async def untouched(rig: Rig, shop: Shop, chat: str, lines: int) -> None:
    """The chat is as it was, and nobody outside heard of it."""
    engagements = await rig.clients.call("HVALS", f"g:{{{rig.partitions.of(shop.site).tag}}}:{shop.site}")
    assert len(engagements) == 1
    assert len(await rig.gateway.transcripts.after(chat, 0)) == lines


async def test_no_event_of_a_stranger_is_heard_nor_tells_what_there_is(rig: Rig) -> None:
    shop, foreign = await shop_with(rig), await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop), shop)
    strangers: list[Console] = [await at_work(rig, await rig.operator(foreign), foreign)]
    strangers.append(await at_work(rig, await rig.operator(foreign, role="admin"), foreign))
    who = await visitor(rig, shop)
    chat = await chatting(console, shop, who)
    lines = len(await rig.gateway.transcripts.after(chat, 0))
    for stranger in strangers:
        for event in REQUESTS:
            answers = []
            for known, name in ((chat, who.id), (f"{shop.site}.{visitor_id(9)}.1.1", visitor_id(9))):
                answers.append(await stranger.ask(event, sample(event, shop.site, name, known)))
            assert answers[0] == answers[1], event
            assert answers[0]["error"]["code"] == "forbidden", event
        assert [name for name, _ in stranger.events if name.startswith(("chat:", "offer"))] == []
    await untouched(rig, shop, chat, lines)


async def test_no_field_of_an_event_is_taken_loosely(rig: Rig) -> None:
    shop = await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop, role="supervisor"), shop)
    who = await visitor(rig, shop)
    chat = await chatting(console, shop, who)
    lines = len(await rig.gateway.transcripts.after(chat, 0))
    for event, kind in REQUESTS.items():
        for field in msgspec.structs.fields(kind):
            for loose in LOOSE:
                request = {**sample(event, shop.site, who.id, chat), field.encode_name: loose}
                try:
                    msgspec.convert(request, kind)
                except msgspec.ValidationError:
                    answer = await console.ask(event, request)
                    assert answer["error"]["code"] == "bad_request", (event, request, answer)
    await untouched(rig, shop, chat, lines)


@pytest.mark.parametrize("event", REQUESTS)
async def test_ids_that_name_nothing_are_refused(rig: Rig, event: str) -> None:
    shop = await shop_with(rig)
    console = await at_work(rig, await rig.operator(shop, role="supervisor"), shop)
    who = await visitor(rig, shop)
    for chat in ("x", "....", f"{shop.site}..1.1", f"{shop.site}.*.1.1", f"{shop.site}.{who.id}.1", f"{who.id}.1.1.1"):
        request = sample(event, shop.site, visitor_id(9), chat)
        request |= {"offer": chat} if "offer" in request else {}
        answer = await console.ask(event, request)
        assert answer["error"]["code"] in {"not_found", "forbidden", "not_in_chat", "offer_expired"}, answer


async def test_a_visitors_token_opens_nothing_here(rig: Rig) -> None:
    shop = await shop_with(rig)
    who = await visitor(rig, shop)
    token = VisitorTokens("0123456789abcdef" * 4).mint(shop.site, who.id)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await rig.connect(await rig.operator(shop), token=token)
