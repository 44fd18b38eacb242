"""In the chat: forwards to who is going, two at once, ends, kicks and joins while something else is on its way."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contracts.sites import SiteSettings
from tests.eventually import eventually
from tests.races.conftest import LANES, QUICK
from tests.races.contest import ROUNDS, Start, contest
from tests.races.desk import Desk
from tests.races.judge import agreed, code_of
from tests.races.moves import chatting, end, types
from tests.races.stage import Lane, Stage

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(180 + 4 * ROUNDS)]


async def message_and_end(lane: Lane, start: Start) -> tuple[str, int]:
    """One side says something while the other ends the chat; in turn the visitor and the operator."""
    desk, guest = lane.desks[lane.rounds % 2], lane.guest
    chat = await chatting(lane, desk)
    if lane.rounds % 2:
        said, ended = await start.together(
            guest.say("chat.send", text="One more thing", tab=1), desk.do("chat:end", chat=chat)
        )
    else:
        said, ended = await start.together(
            desk.do("chat:send", chat=chat, text="One more thing"), guest.say("chat.end", tab=1)
        )
    assert code_of(ended) == "ok"
    lines = types(await agreed(lane, "chat_end", []))
    if code_of(said) == "ok":
        assert lines == ["requested", "started", "message", "ended"]
        assert said["seq"] == 3
        return "message before the end", 1
    assert code_of(said) == "not_in_chat"
    assert lines == ["requested", "started", "ended"]
    return "end before the message", -1


async def test_chat_ends_while_a_message_is_in_flight(lanes: list[Lane]) -> None:
    await contest("message and end", lanes, message_and_end, {"message before the end", "end before the message"})


async def kick_and_message(lane: Lane, start: Start) -> tuple[str, int]:
    desk, guest = lane.desks[lane.rounds % 2], lane.guest
    chat = await chatting(lane, desk)
    kicked, said = await start.together(
        desk.do("chat:kick", chat=chat, reason="spam"), guest.say("chat.send", text="Buy this")
    )
    assert code_of(kicked) == "ok"
    lines = types(await agreed(lane, "kicked", [], reason="spam"))
    if code_of(said) == "ok":
        assert lines == ["requested", "started", "message", "kicked"]
        return "message before the kick", -1
    assert code_of(said) == "not_in_chat"
    assert lines == ["requested", "started", "kicked"]
    return "kick before the message", 1


async def test_visitor_is_kicked_while_it_writes(lanes: list[Lane]) -> None:
    await contest("kick and message", lanes, kick_and_message, {"message before the kick", "kick before the message"})


async def join_and_end(lane: Lane, start: Start) -> tuple[str, int]:
    """A colleague takes the offered seat while the owner ends the chat."""
    owner, colleague = lane.desks[:2] if lane.rounds % 2 else lane.desks[1::-1]
    chat = await chatting(lane, owner)
    offer = await offered(colleague, owner.do("chat:conference", chat=chat, operator=colleague.operator))
    joined, ended = await start.together(colleague.do("offer:accept", offer=offer), owner.do("chat:end", chat=chat))
    assert code_of(ended) == "ok"
    lines = types(await agreed(lane, "chat_end", []))
    if code_of(joined) == "ok":
        assert lines == ["requested", "started", "joined", "ended"]
        return "joined", 1
    assert code_of(joined) == "offer_expired"
    assert lines == ["requested", "started", "ended"]
    return "ended", -1


async def test_colleague_joins_while_the_chat_ends(lanes: list[Lane]) -> None:
    await contest("join and end", lanes, join_and_end, {"joined", "ended"})


async def offered(colleague: Desk, asking: Any) -> str:
    """What the colleague is offered by it."""
    before = set(colleague.offers)
    answer = await asking
    assert code_of(answer) == "ok", answer
    new: set[str] = await eventually(lambda: colleague.offers.keys() - before, within_s=60)
    [offer] = new
    return offer


async def two_forwards(lane: Lane, start: Start) -> tuple[str, int]:
    """The owner's two windows forward the chat to two colleagues."""
    owner, target, other = lane.desks
    chat = await chatting(lane, owner)
    windows = [owner, lane.windows[0]]
    answers = await start.together(
        windows[0].do("chat:forward", chat=chat, to={"operator": target.operator}),
        windows[1].do("chat:forward", chat=chat, to={"operator": other.operator}),
    )
    codes = [code_of(answer) for answer in answers]
    assert sorted(codes) == ["engaged", "ok"]
    chosen, refused = (target, other) if codes[0] == "ok" else (other, target)
    await agreed(lane, "forwarded", [owner.operator])
    [offer] = await eventually(lambda: list(chosen.offers), within_s=60)
    assert refused.offers == {}
    assert code_of(await chosen.do("offer:accept", offer=offer)) == "ok"
    await agreed(lane, "chatting", [chosen.operator])
    await end(lane, chosen, chat)
    return ("first window", 1) if chosen is target else ("second window", -1)


async def test_two_forwards_at_once_are_one(stage: Stage) -> None:
    async with stage.lanes(LANES, 3, QUICK) as lanes:
        for lane in lanes:
            await lane.second_window(lane.desks[0])
        await contest("2 forwards", lanes, two_forwards, {"first window", "second window"})


async def forward_taken_and_withdrawn(lane: Lane, start: Start) -> tuple[str, int]:
    owner, target = lane.desks[:2] if lane.rounds % 2 else lane.desks[1::-1]
    chat = await chatting(lane, owner)
    offer = await offered(target, owner.do("chat:forward", chat=chat, to={"operator": target.operator}))
    taken, withdrawn = await start.together(
        target.do("offer:accept", offer=offer), owner.do("chat:withdraw_forward", chat=chat)
    )
    if code_of(taken) == "ok":
        assert code_of(withdrawn) == "engaged"
        await agreed(lane, "chatting", [target.operator])
        await end(lane, target, chat)
        return "taken", 1
    assert code_of(taken) == "taken"
    assert taken["error"]["taken_by"] == owner.ready["operator"]["name"]
    assert code_of(withdrawn) == "ok"
    await agreed(lane, "chatting", [owner.operator])
    await end(lane, owner, chat)
    return "withdrawn", -1


async def test_forward_is_withdrawn_while_it_is_taken(lanes: list[Lane]) -> None:
    await contest("take and withdraw a forward", lanes, forward_taken_and_withdrawn, {"taken", "withdrawn"})


async def forward_to_who_logs_out(lane: Lane, start: Start) -> tuple[str, int]:
    """The colleague's login ends at the very moment at which the chat is handed over."""
    owner, target = lane.desks[:2]
    chat = await chatting(lane, owner)
    _, forwarded = await start.together(
        lane.log_out(target), owner.do("chat:forward", chat=chat, to={"operator": target.operator})
    )
    await eventually(lambda: owner.states[target.operator] == "offline", within_s=60)
    lines = await agreed(lane, "chatting", [owner.operator])
    await lane.log_in(target.operator)
    if code_of(forwarded) == "ok":
        assert types(lines) == ["requested", "started", "forwarded", "forward_declined"]
        outcome, winner = "forwarded, and back", -1
    else:
        assert code_of(forwarded) == "target_offline"
        assert types(lines) == ["requested", "started"]
        outcome, winner = "refused", 1
    await end(lane, owner, chat)
    return outcome, winner


async def test_forward_to_somebody_who_just_went_offline(stage: Stage) -> None:
    async with stage.lanes(2, 2, QUICK) as lanes:
        await contest("forward and log out", lanes, forward_to_who_logs_out, {"forwarded, and back", "refused"})


async def accept_and_decline(lane: Lane, start: Start) -> tuple[str, int]:
    """The router's offer is taken in one window of the operator and declined in the other, on another gateway."""
    desk, colleague = lane.desks
    asked = await lane.guest.say("chat.request")
    chat = asked["chat"]
    offer, asked_one = await eventually(lambda: next(((o, d) for d in lane.desks for o in d.offers), None), within_s=60)
    window = lane.windows[lane.desks.index(asked_one)]
    await eventually(lambda: offer in window.offers, within_s=60)
    taken, declined = await start.together(
        asked_one.do("offer:accept", offer=offer), window.do("offer:decline", offer=offer)
    )
    if code_of(taken) == "ok":
        assert code_of(declined) == "offer_expired"
        await agreed(lane, "chatting", [asked_one.operator])
        await end(lane, asked_one, chat)
        return "accepted", 1
    assert code_of(declined) == "ok"
    assert code_of(taken) == "offer_expired"
    other = colleague if asked_one is desk else desk
    [again] = await eventually(lambda: list(other.offers), within_s=60)
    await agreed(lane, "requested", [])
    assert code_of(await other.do("offer:accept", offer=again)) == "ok"
    await agreed(lane, "chatting", [other.operator])
    await end(lane, other, chat)
    return "declined", -1


async def test_offer_is_accepted_and_declined_at_once(stage: Stage) -> None:
    assigning = SiteSettings(intake="assign", leave_grace_ms=1_000, widget=QUICK.widget)
    async with stage.lanes(2, 2, assigning) as lanes:
        for lane in lanes:
            for desk in lane.desks:
                await lane.second_window(desk)
        await contest("accept and decline an offer", lanes, accept_and_decline, {"accepted", "declined"})
