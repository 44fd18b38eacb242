"""What happens to an engagement without a command: deadlines, and operators who are lost, back or gone for good."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from services.chat_routing.domain.conversation import give_up_seat
from services.chat_routing.domain.deadlines import Timer, timers
from services.chat_routing.domain.engagement import (
    Accepted,
    Chatting,
    Conference,
    Forwarded,
    Invited,
    Navigating,
    Phase,
    Requested,
    Seat,
    Talking,
    offers,
    status,
)
from services.chat_routing.domain.intake import drop_invitation, end_offer
from services.chat_routing.domain.moves import actor_of, end, redirect, requeue, seat_of, take_back
from services.chat_routing.domain.turn import Decision, Turn
from services.chat_routing.domain.visitor_side import leave_queue
from shared.contracts.chat import SYSTEM, Actor
from shared.domain.skills import BY_CHOICE


def elapsed(turn: Turn, timer: Timer) -> Decision:  # one case for each kind of timer
    """A deadline has passed. One that was set for something that is no longer so does nothing."""
    before, desk = turn.before, turn.desk
    if timer not in timers(before, desk.settings, desk.resumed_at_ms) or desk.now_ms < timer.due_ms:
        return turn.done()
    match timer.kind:
        case "invite_ignored":
            return drop_invitation(turn, "ignored").done()
        case "not_joined":
            return _not_joined(turn).done()
        case "outcome_shown" | "form_left":
            return turn.to(Navigating(), status(before.phase)).done()
        case "queue":
            return redirect(turn.because("expired"), "waited_too_long").done()
        case "offer":
            return _unanswered(turn, timer)
        case "forward":
            return _forward_expired(turn)
        case "silence":
            return end(turn, "silence").done()
        case "away":
            return turn.set(gone_told=True).say("away", _visitor(turn)).done()
        case "gone":
            return _visitor_gone(turn).done()
        case "forget":
            return turn.done()  # whoever stores engagements drops it
        case _:
            assert_never(timer.kind)


def operator_missing(turn: Turn, operator: str) -> Decision:
    """No connection for a while: the visitor is told, and nothing new waits for this operator (5, 7, 10, 16)."""
    phase = turn.before.phase
    match phase:
        case Invited(operator=inviter) if inviter == operator:
            return drop_invitation(turn, "operator_gone").done()
        case Accepted(operator=inviter) if inviter == operator:
            return _not_joined(turn, "operator_gone").done()
    turn = _without_offers_to(turn, operator, "operator_gone")
    seat = seat_of(turn.state.phase, operator)
    if seat is None or seat.away_told:
        return turn.done()
    told = turn.stay(_with_seat(turn.state.phase, replace(seat, away_told=True)))
    return told.say("away", actor_of(seat)).done()


def operator_returned(turn: Turn, operator: str) -> Decision:
    """Connected again in time: the visitor is told if the loss was told."""
    seat = seat_of(turn.before.phase, operator)
    if seat is None or not seat.away_told:
        return turn.done()
    back = turn.stay(_with_seat(turn.before.phase, replace(seat, away_told=False)))
    return back.say("back", actor_of(seat)).done()


def operator_offline(turn: Turn, operator: str) -> Decision:
    """Gone for good (5, 7, 19, 21)."""
    phase = turn.before.phase
    match phase:
        case Invited(operator=inviter) if inviter == operator:
            return drop_invitation(turn, "operator_gone").done()
        case Accepted(operator=inviter) if inviter == operator:
            return _not_joined(turn, "operator_gone").done()
    turn = _without_offers_to(turn, operator, "operator_gone")
    phase = turn.state.phase
    seat = seat_of(phase, operator)
    match phase:
        case Conference() if seat is not None:
            return give_up_seat(turn, phase, operator, "connection_lost").done()
        case Chatting() if seat is not None:
            return _owner_lost(turn, seat).done()
        case Forwarded(to_skill=skill) if seat is not None:
            return _owner_lost(turn, seat, skill).done()
        case _:
            return turn.done()


def nobody_serves(turn: Turn) -> Decision:
    """The last online operator with the skill is gone (11). Who has an old operator that may return, waits."""
    phase = turn.before.phase
    if not isinstance(phase, Requested) or phase.sticky:
        return turn.done()
    return redirect(turn.because("redirected"), "nobody_online").done()


def rules_changed(turn: Turn) -> Decision:
    """Who waits in the ordinary queue waits for what the rules say now; an operator without that skill is not asked on.

    A choice in the form stays, and so does what an operator decided: a visitor at the head was somebody's already.
    """
    before, seen = turn.before, turn.desk.visitor
    phase = before.phase
    if not isinstance(phase, Requested) or phase.head or not seen.present or before.why == BY_CHOICE:
        return turn.done()
    if seen.skill == before.skill:
        return turn.done()
    asked = turn.desk.agents.get(phase.offer.operator) if phase.offer else None
    if phase.offer is not None and (asked is None or not asked.has_skill(seen.skill)):
        turn = turn.because("skill_changed").stay(replace(phase, offer=None))
    return turn.set(skill=seen.skill, why=seen.why).done()


def _not_joined(turn: Turn, reason: str = "not_joined") -> Turn:
    phase = turn.before.phase
    excluded = (phase.operator,) if isinstance(phase, Accepted) else ()
    return requeue(turn, reason, excluded=excluded)


def _owner_lost(turn: Turn, seat: Seat, skill: str = "") -> Turn:
    left = turn.because("operator_gone").say("left", actor_of(seat), reason="connection_lost")
    return requeue(left, "operator_lost", skill=skill, sticky=seat.operator)


def _unanswered(turn: Turn, timer: Timer) -> Decision:
    offer = next(one for one in offers(turn.before.phase) if one.offer == timer.about)
    asked = end_offer(turn, offer, "unanswered")
    return asked.done(missed=offer.operator if offer.kind == "request" else "")


def _forward_expired(turn: Turn) -> Decision:
    phase = turn.before.phase
    return take_back(turn, phase, "unanswered", SYSTEM).done() if isinstance(phase, Forwarded) else turn.done()


def _visitor_gone(turn: Turn) -> Turn:
    if isinstance(turn.before.phase, Talking):
        return end(turn, "visitor_gone")
    return leave_queue(turn, "visitor_gone")


def _without_offers_to(turn: Turn, operator: str, reason: str) -> Turn:
    for offer in offers(turn.before.phase):
        if offer.operator == operator:
            turn = end_offer(turn, offer, reason)
    return turn


def _with_seat(phase: Phase, seat: Seat) -> Phase:
    match phase:
        case Chatting() | Forwarded():
            return replace(phase, owner=seat)
        case Conference(owner=owner, guests=guests):
            both = [seat if one.operator == seat.operator else one for one in (owner, *guests)]
            return replace(phase, owner=both[0], guests=tuple(both[1:]))
        case _:
            return phase


def _visitor(turn: Turn) -> Actor:
    return Actor("visitor", turn.before.visitor, turn.before.name or turn.desk.visitor.nickname)
