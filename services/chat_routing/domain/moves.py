"""Moves that several decisions share: into the queue, to the form, into a chat, to its end."""

from __future__ import annotations

from typing import Any

from services.chat_routing.domain.agents import Agent, serving
from services.chat_routing.domain.engagement import (
    ChatEnd,
    Chatting,
    Engagement,
    Forwarded,
    Offer,
    Phase,
    Redirected,
    Requested,
    Seat,
    seats,
)
from services.chat_routing.domain.turn import Desk, Turn
from shared.contracts.chat import SYSTEM, Actor, chat_id


def new_chat(engagement: Engagement, desk: Desk) -> dict[str, Any]:
    """The fields of an engagement whose next conversation begins now."""
    return {
        "chat": chat_id(engagement.site, engagement.visitor, desk.now_ms, engagement.version + 1),
        "seq": 0,
        "began_ms": desk.now_ms,
        "met": (),
        "asked": (),
        "rated": False,
        "mailed": 0,
        "requested_ms": 0,
        "engaged_ms": 0,
        "ended_ms": 0,
        "spoke_ms": desk.now_ms,
        "question": "",
        "gone_since_ms": None,
        "gone_told": False,
    }


def seat_of(phase: Phase, operator: str) -> Seat | None:
    """This operator's seat in the chat."""
    return next((seat for seat in seats(phase) if seat.operator == operator), None)


def actor_of(seat: Seat) -> Actor:
    """The operator in this seat as the one who did something."""
    return Actor("operator", seat.operator, seat.name)


def add(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    """`names` with `name` in it once."""
    return names if name in names else (*names, name)


def redirect(turn: Turn, reason: str, by: Actor = SYSTEM) -> Turn:
    """Show the offline form (transition 11)."""
    return turn.to(Redirected(), reason, ended_ms=turn.desk.now_ms).say("redirected", by, reason=reason)


def requeue(turn: Turn, reason: str, *, skill: str = "", excluded: tuple[str, ...] = (), sticky: str = "") -> Turn:
    """Back to the head of the queue: somebody else's doing, so nobody else is served first (5, 17, 21)."""
    state = turn.state
    waiting = Requested(head=True, excluded=excluded, sticky=sticky)
    fields = {"skill": skill or state.skill, "requested_ms": turn.desk.now_ms, "engaged_ms": 0}
    return turn.to(waiting, reason, **fields).say("requested", SYSTEM, reason=reason)


def exclude(turn: Turn, waiting: Requested, operator: str, reason: str) -> Turn:
    """This operator will not take the request: the next is asked, or the form shown when nobody is left (10, 11).

    A visitor whose old operator may come back is not sent away.
    """
    excluded = add(waiting.excluded, operator)
    offer = None if waiting.offer and waiting.offer.operator == operator else waiting.offer
    sticky = "" if waiting.sticky == operator else waiting.sticky
    turn = turn.because(reason).stay(Requested(waiting.head, excluded, offer, sticky))
    if offer is None and not sticky and not serving(turn.desk.agents.values(), turn.state.skill, excluded):
        return redirect(turn, "all_declined")
    return turn


def engage(turn: Turn, agent: Agent) -> Turn:
    """This operator takes the visitor: the chat clock starts (4, 9)."""
    now_ms = turn.desk.now_ms
    owner = Seat(agent.operator, agent.name, now_ms)
    return (
        turn.because("taken", agent.actor())
        .to(Chatting(owner), engaged_ms=now_ms, spoke_ms=now_ms)
        .say("started", agent.actor())
    )


def swap(turn: Turn, phase: Forwarded, agent: Agent) -> Turn:
    """The target takes the forwarded chat, and the old operator leaves, in one step (15)."""
    owner = Seat(agent.operator, agent.name, turn.desk.now_ms)
    return (
        turn.because("taken", agent.actor())
        .to(Chatting(owner), "forwarded", skill=phase.to_skill or turn.state.skill)
        .say("joined", agent.actor())
        .say("left", actor_of(phase.owner), reason="forwarded")
    )


def take_back(turn: Turn, phase: Forwarded, reason: str, by: Actor) -> Turn:
    """The forward failed: the old operator goes on, or the queue if that one is no longer there (16, 17)."""
    turn = turn.because(reason)
    agent = turn.desk.agents.get(phase.owner.operator)
    if phase.owner.away_told or agent is None or agent.state == "offline":
        left = turn.say("left", actor_of(phase.owner), reason="connection_lost")
        return requeue(left, reason, skill=phase.to_skill, sticky=phase.owner.operator)
    return turn.to(Chatting(phase.owner), reason).say("forward_declined", by, reason=reason)


def end(turn: Turn, reason: str) -> Turn:
    """The chat is over (20). Where the site wants it, the visitor gets the transcript by mail."""
    over = turn.because("ended").to(ChatEnd(), reason, ended_ms=turn.desk.now_ms).say("ended", reason=reason)
    wanted = turn.desk.settings.visitor_transcript == "end" and reason != "erased"
    return over.mail(turn.before.email) if wanted and turn.before.email else over


def without_offer(joining: tuple[Offer, ...], offer: str) -> tuple[Offer, ...]:
    """The other invitations to the conference."""
    return tuple(one for one in joining if one.offer != offer)
