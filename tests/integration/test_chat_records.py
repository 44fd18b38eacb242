"""What chat-routing keeps for others to read: operators' desks, bans, the inbox; and whom its events name."""

from __future__ import annotations

from typing import Any

from shared.contracts.chat import Actor, ChatSaid, EraseVisitor, InboxChanged
from shared.contracts.chat_records import (
    decode_ban,
    decode_desk_line,
    decode_done_message,
    decode_inbox_message,
)
from shared.contracts.streams import CloseMessage
from shared.storage import keys
from tests.integration.test_chat_engagements import HERE, SITE, V1, V2, Shop, chatting, shop

__all__ = ["shop"]  # the fixture

ADMIN = Actor("operator", "o_admin1", "Admin")


async def desk(shop: Shop, operator: str) -> dict[str, Any]:
    stored = await shop.clients.call("HGETALL", keys.desk(HERE, SITE, operator))
    return {visitor.decode(): decode_desk_line(value) for visitor, value in stored.items()}


async def bans(shop: Shop) -> dict[str, Any]:
    stored = await shop.clients.call("HGETALL", keys.bans(HERE, SITE))
    return {visitor.decode(): decode_ban(value) for visitor, value in stored.items()}


async def test_desk_follows_the_chat_from_offer_to_end(shop: Shop) -> None:
    await shop.here(V1)
    await shop.v("RequestChat", V1)
    waiting = (await desk(shop, "o_ada1"))[V1]
    assert (waiting.status, waiting.chat, waiting.offer.offered) == ("requested", "", "request")
    answer = await shop.o("AcceptOffer", "o_ada1", V1, offer=waiting.offer.offer)
    talking = (await desk(shop, "o_ada1"))[V1]
    assert (talking.status, talking.chat, talking.offer) == ("chatting", answer.chat, None)
    await shop.v("SendMessage", V1, text="Hello")
    await shop.v("EndChat", V1)
    assert await desk(shop, "o_ada1") == {}
    said = [one for one in await shop.outcomes() if isinstance(one, ChatSaid)]
    assert {one.event.type: one.to for one in said} == {
        "requested": (),
        "started": ("o_ada1",),
        "message": ("o_ada1",),
        "ended": ("o_ada1",),
    }


async def test_ban_without_a_chat_bars_requests_until_it_is_lifted(shop: Shop) -> None:
    await shop.here(V1)
    assert (await shop._do("BarVisitor", V1, ADMIN, {"reason": " ", "ban_s": 60})).code == "forbidden"
    assert (await shop._do("BarVisitor", V1, ADMIN, {"reason": "Spam", "ban_s": 60})).code is None
    [ban] = (await bans(shop)).values()
    assert (ban.reason, ban.by, ban.until - ban.at) == ("Spam", ADMIN, 60_000)
    assert (await shop.v("RequestChat", V1)).code == "banned"
    assert (await shop._do("LiftBar", V1, ADMIN, {})).code is None
    assert await bans(shop) == {}
    assert (await shop.v("RequestChat", V1)).code is None


async def test_kick_with_a_ban_is_listed_and_one_without_is_not(shop: Shop) -> None:
    await chatting(shop)
    await shop.o("KickVisitor", "o_ada1", V1, reason="Rude", ban_s=600)
    [ban] = (await bans(shop)).values()
    assert (ban.reason, ban.by.id) == ("Rude", "o_ada1")
    await shop.tell(EraseVisitor(SITE, V1))
    assert await bans(shop) == {}


async def test_form_that_is_sent_comes_into_the_inbox_once_and_leaves_it_when_done(shop: Shop) -> None:
    await shop.here(V2)
    fields = {"sent": True, "name": "Eve", "email": "eve@x.example", "text": "Call me"}
    assert (await shop.v("LeaveForm", V2, **fields)).code is None
    [(entry, stored)] = await shop.clients.call("XRANGE", keys.inbox(HERE, SITE), "-", "+")
    message = decode_inbox_message(stored[b"d"])
    assert (message.visitor, message.name, message.email, message.text) == (V2, "Eve", "eve@x.example", "Call me")
    await shop.tell(CloseMessage(SITE, entry.decode(), ADMIN, message))
    assert await shop.clients.call("XLEN", keys.inbox(HERE, SITE)) == 0
    assert {one.done for one in await shop.outcomes() if isinstance(one, InboxChanged)} == {entry.decode()}
    [(_, done), *_] = await shop.clients.call("XRANGE", keys.inbox_done(HERE, SITE), "-", "+")
    assert decode_done_message(done[b"d"]).message == message


async def test_erased_visitor_leaves_no_message_in_the_inbox(shop: Shop) -> None:
    for visitor in (V1, V2):
        await shop.here(visitor)
        await shop.v("LeaveForm", visitor, sent=True, text=f"I am {visitor}")
    await shop.v("LeaveForm", V1, sent=True, text="Once more")
    for entry, stored in (await shop.clients.call("XRANGE", keys.inbox(HERE, SITE), "-", "+"))[-1:]:
        await shop.tell(CloseMessage(SITE, entry.decode(), ADMIN, decode_inbox_message(stored[b"d"])))
    await shop.tell(EraseVisitor(SITE, V1))
    left = await shop.clients.call("XRANGE", keys.inbox(HERE, SITE), "-", "+")
    assert [decode_inbox_message(stored[b"d"]).visitor for _, stored in left] == [V2]
    assert await shop.clients.call("XLEN", keys.inbox_done(HERE, SITE)) == 0


async def test_visitor_known_by_a_form_alone_is_forgotten_after_leaving(shop: Shop) -> None:
    await shop.here(V2)
    await shop.v("LeaveForm", V2, sent=True, text="Call me")
    assert await shop.row(V2) is not None
    await shop.left(V2)
    await shop.wait(31 * 60_000)
    assert await shop.clients.call("HLEN", keys.unengaged(HERE, SITE)) == 0
