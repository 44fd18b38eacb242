"""Who gets the visitor: operators at once, the visitor's own doings in between, invitations."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from shared.contracts.sites import SiteSettings
from tests.races.conftest import LANES, QUICK
from tests.races.contest import ROUNDS, Start, contest
from tests.races.guest import fresh_id
from tests.races.judge import agreed, code_of, gone
from tests.races.moves import accept, end, only_winner, requested, types
from tests.races.stage import Lane, Stage

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(180 + 4 * ROUNDS)]


async def two_accept(lane: Lane, start: Start) -> tuple[str, int]:
    chat = await requested(lane)
    desks = lane.desks[:2]
    answers = list(await start.together(accept(lane, desks[0]), accept(lane, desks[1])))
    winner = only_winner(desks, answers)
    await agreed(lane, "chatting", [winner.operator])
    assert types(await end(lane, winner, chat)) == ["requested", "started", "ended"]
    return ("first gateway", 1) if winner is desks[0] else ("second gateway", -1)


async def test_two_operators_accept_one_request(lanes: list[Lane]) -> None:
    await contest("2 operators accept", lanes, two_accept, {"first gateway", "second gateway"})


async def all_accept(lane: Lane, _start: Start) -> tuple[str, int]:
    chat = await requested(lane)
    desks = random.sample(lane.desks, len(lane.desks))
    answers = await asyncio.gather(*(accept(lane, desk) for desk in desks))
    winner = only_winner(desks, answers)
    await agreed(lane, "chatting", [winner.operator])
    assert types(await end(lane, winner, chat)) == ["requested", "started", "ended"]
    return ("first gateway" if winner.gateway == lane.stage.gateways[0] else "second gateway"), 0


async def test_twenty_operators_accept_one_request(stage: Stage) -> None:
    async with stage.lanes(1, 20, QUICK) as crowd:
        await contest("20 operators accept", crowd, all_accept, {"first gateway", "second gateway"})


async def four_requests(lane: Lane, _start: Start) -> tuple[str, int]:
    guest = lane.guest
    same = fresh_id()
    ways = [
        guest.say("chat.request", tab=0, text="channel 1"),
        guest.say("chat.request", tab=1, text="channel 2", ident=same),
        guest.post("chat.request", collector=0, text="HTTP"),
        guest.post("chat.request", collector=0, text="channel 2", ident=same),  # the one above, sent again
    ]
    answers = await asyncio.gather(*(at_some_time(way) for way in ways))
    assert {(code_of(answer), answer["status"]) for answer in answers} == {("ok", "requested")}
    [chat] = {answer["chat"] for answer in answers}
    [line] = await agreed(lane, "requested", [])
    assert line["chat"] == chat
    owner = lane.desks[lane.rounds % 2]
    assert code_of(await accept(lane, owner)) == "ok"
    await end(lane, owner, chat)
    return line["text"], 0


async def at_some_time(way: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Within some milliseconds: HTTP is a longer way than an open channel."""
    await asyncio.sleep(random.uniform(0, 0.008))
    return await way


async def test_four_requests_of_one_visitor_are_one_chat(lanes: list[Lane]) -> None:
    await contest("4 requests of one visitor", lanes, four_requests, {"channel 1", "channel 2", "HTTP"})


async def invitation_and_request(lane: Lane, start: Start) -> tuple[str, int]:
    guest, desk = lane.guest, lane.desks[lane.rounds % 2]
    invited, asked = await start.together(
        desk.do("chat:invite", site=lane.site, visitor=guest.visitor, text="May I help?"),
        guest.say("chat.request", text="Hello?"),
    )
    assert code_of(asked) == "ok"
    if code_of(invited) == "ok":  # then to ask was to accept
        assert asked["status"] == "accepted"
        await agreed(lane, "accepted", [desk.operator])
        outcome, winner = "invitation", 1
    else:
        assert code_of(invited) == "engaged"
        assert invited["error"]["current"] == asked["status"] == "requested"
        await agreed(lane, "requested", [])
        outcome, winner = "request", -1
    assert code_of(await accept(lane, desk)) == "ok"
    await agreed(lane, "chatting", [desk.operator])
    await end(lane, desk, asked["chat"])
    return outcome, winner


async def test_invitation_and_request_cross(lanes: list[Lane]) -> None:
    await contest("invitation and request cross", lanes, invitation_and_request, {"invitation", "request"})


async def two_invite(lane: Lane, start: Start) -> tuple[str, int]:
    visitor, desks = lane.guest.visitor, lane.desks[:2]
    answers = await start.together(*(desk.do("chat:invite", site=lane.site, visitor=visitor) for desk in desks))
    codes = [code_of(answer) for answer in answers]
    assert sorted(codes) == ["already_invited", "ok"]
    winner, loser = desks if codes[0] == "ok" else desks[::-1]
    await agreed(lane, "invited", [winner.operator])
    assert code_of(await loser.do("chat:withdraw", site=lane.site, visitor=visitor)) == "not_owner"
    assert code_of(await winner.do("chat:withdraw", site=lane.site, visitor=visitor)) == "ok"
    assert types(await agreed(lane, "navigating", [], reason="withdrawn")) == ["invited", "ended"]
    return ("first gateway", 1) if winner is desks[0] else ("second gateway", -1)


async def test_two_operators_invite_one_visitor(lanes: list[Lane]) -> None:
    await contest("2 operators invite", lanes, two_invite, {"first gateway", "second gateway"})


async def withdrawn_and_accepted(lane: Lane, start: Start) -> tuple[str, int]:
    guest, desk = lane.guest, lane.desks[lane.rounds % 2]
    invited = await desk.do("chat:invite", site=lane.site, visitor=guest.visitor)
    assert code_of(invited) == "ok"
    await agreed(lane, "invited", [desk.operator])
    withdrawn, accepted = await start.together(
        desk.do("chat:withdraw", site=lane.site, visitor=guest.visitor),
        guest.say("invite.accept", tab=lane.rounds % 2),
    )
    if code_of(withdrawn) == "ok":
        assert code_of(accepted) == "offer_expired"
        assert accepted["current"] == "navigating"
        await agreed(lane, "navigating", [], reason="withdrawn")
        return "withdrawn", 1
    assert code_of(withdrawn) == "engaged"
    assert code_of(accepted) == "ok"
    await agreed(lane, "accepted", [desk.operator])
    assert code_of(await accept(lane, desk)) == "ok"
    await end(lane, desk, invited["chat"])
    return "accepted", -1


async def test_invitation_is_withdrawn_while_it_is_accepted(lanes: list[Lane]) -> None:
    await contest("withdraw and accept an invitation", lanes, withdrawn_and_accepted, {"withdrawn", "accepted"})


async def cancelled_and_accepted(lane: Lane, start: Start) -> tuple[str, int]:
    chat, desk = await requested(lane), lane.desks[lane.rounds % 2]
    cancelled, accepted = await start.together(lane.guest.say("chat.cancel", tab=lane.rounds % 2), accept(lane, desk))
    if code_of(cancelled) == "ok":
        assert code_of(accepted) == "not_found"
        assert types(await agreed(lane, "navigating", [], reason="cancelled")) == ["requested", "ended"]
        return "cancelled", 1
    assert code_of(cancelled) == "engaged"
    assert code_of(accepted) == "ok"
    await agreed(lane, "chatting", [desk.operator])
    await end(lane, desk, chat)
    return "accepted", -1


async def test_visitor_cancels_while_being_accepted(lanes: list[Lane]) -> None:
    await contest("cancel and accept", lanes, cancelled_and_accepted, {"cancelled", "accepted"})


HASTY = SiteSettings(
    leave_grace_ms=100, request_gone_ms=200, chat_away_ms=50, chat_gone_ms=200, visit_gap_ms=60_000,
    widget=QUICK.widget,
)  # fmt: skip


async def leaving_and_accepted(lane: Lane, start: Start) -> tuple[str, int]:
    """All tabs are closed; the place in the queue is kept for a while, then it is over. Just then it is accepted."""
    guest, desk = await lane.new_guest(), lane.desks[lane.rounds % 2]
    chat = await requested(lane)
    _, accepted = await start.together(guest.leave(), accept(lane, desk))
    lines = types(await gone(lane, chat))
    if code_of(accepted) == "ok":
        assert [line for line in lines if line != "away"] == ["requested", "started", "ended"]
        return "accepted", -1
    assert code_of(accepted) == "not_found"
    assert lines == ["requested", "ended"]
    return "gone", 1


async def test_visitor_leaves_while_being_accepted(stage: Stage) -> None:
    async with stage.lanes(LANES, 2, HASTY) as lanes:
        lead_s = HASTY.request_gone_ms / 1000  # counted from the closing
        await contest("leave and accept", lanes, leaving_and_accepted, {"accepted", "gone"}, lead_s)
