"""Who was asked to take the visitor, why this one, and what came of it: kept with the chat, shown beside the visitor.

Derived from the offers before and after, so no decision can forget it. Read :func:`asked_after`.
"""

from __future__ import annotations

from msgspec.structs import replace

from services.chat_routing.domain.agents import Agent
from services.chat_routing.domain.engagement import Engagement, Offer, offers
from shared.contracts.chat import (
    Actor,
    Asked,
)
from shared.contracts.chat_words import OfferKind
from shared.contracts.rows import OperatorRef

ASKED_KEPT = 20  # of one chat; who was asked before them changes nothing any more


def asked_after(before: Engagement, after: Engagement, reason: str, taken_by: Actor | None) -> tuple[Asked, ...]:
    """`after.asked` with the offers that came, and the answers to those that went because of `reason`."""
    old = {offer.offer: offer for offer in offers(before.phase)}
    new = {offer.offer: offer for offer in offers(after.phase)}
    asked = after.asked
    for offer in old.values():
        if offer.offer not in new:
            accepted = taken_by is not None and taken_by.id == offer.operator
            asked = _answered(asked, offer, "accepted" if accepted else reason)
    came = [_asked(offer) for offer in new.values() if offer.offer not in old]
    return (*asked, *came)[-ASKED_KEPT:]


def unasked(engagement: Engagement, agent: Agent, now_ms: int, answer: str) -> tuple[Asked, ...]:
    """The operator said yes or no by itself, from the list."""
    who = OperatorRef(agent.operator, agent.name)
    kind: OfferKind = "request"
    return (*engagement.asked, Asked(at=now_ms, kind=kind, operator=who, why="picked", answer=answer))[-ASKED_KEPT:]


def _asked(offer: Offer) -> Asked:
    return Asked(at=offer.made_ms, kind=offer.kind, operator=OperatorRef(offer.operator, offer.name), why=offer.why)


def _answered(asked: tuple[Asked, ...], offer: Offer, answer: str) -> tuple[Asked, ...]:
    waits = _asked(offer)
    return tuple(replace(one, answer=answer) if one == waits else one for one in asked)
