"""The engagement of one visitor: its phases as types, and what follows from a phase alone.

A phase says who is committed to whom. From it alone follow the status that everybody sees, the operators whose slots it
holds (:func:`holders`) and the questions that wait for an operator (:func:`offers`). So nothing can be reserved and not
freed, or offered and not withdrawn: a change of phase is the change of all of them. Read :data:`Phase` first.
"""

from __future__ import annotations

from typing import Literal, assert_never

from msgspec import Struct

from shared.contracts.chat import (
    SYSTEM,
    Actor,
    Asked,
    ChatSummary,
)
from shared.contracts.chat_words import RefusalCode
from shared.contracts.rows import EngagementRow, OperatorRef, Status

TIMELINE_KEPT = 30  # changes shown beside the visitor; the whole story is in the transcripts


class Offer(Struct, frozen=True):
    """A question to one operator, for whom a slot is held until it is answered."""

    offer: str
    kind: Literal["request", "forward", "conference"]
    operator: str
    name: str
    made_ms: int
    sender: Actor | None = None
    note: str = ""
    why: str = ""


class Seat(Struct, frozen=True, omit_defaults=True):
    """An operator in a chat. `watching`: a supervisor who joined unasked, so no slot is held. `away_told`: the visitor
    was told that the connection is lost."""

    operator: str
    name: str
    joined_ms: int
    watching: bool = False
    away_told: bool = False


class Navigating(Struct, frozen=True, tag="n"):
    """Nothing goes on."""


class Invited(Struct, frozen=True, tag="i"):
    """`operator` waits for the visitor's answer."""

    invitation: str
    operator: str
    name: str
    text: str = ""


class Accepted(Struct, frozen=True, tag="a"):
    """The visitor said yes; `operator` is about to join."""

    operator: str
    name: str


class ChatDenied(Struct, frozen=True, tag="d"):
    """The visitor said no."""


class Requested(Struct, frozen=True, omit_defaults=True, tag="r"):
    """The visitor waits. `head`: ahead of all ordinary ones. `excluded`: operators who declined or missed.

    `sticky` is the operator who had the chat and gets it back on return.
    """

    head: bool = False
    excluded: tuple[str, ...] = ()
    offer: Offer | None = None
    sticky: str = ""


class Chatting(Struct, frozen=True, omit_defaults=True, tag="c"):
    """One operator; `joining` are invitations to a conference."""

    owner: Seat
    joining: tuple[Offer, ...] = ()


class Conference(Struct, frozen=True, omit_defaults=True, tag="f"):
    """The owner and at least one more, in the order in which they joined."""

    owner: Seat
    guests: tuple[Seat, ...]
    joining: tuple[Offer, ...] = ()


class Forwarded(Struct, frozen=True, omit_defaults=True, tag="w"):
    """Being handed over to an operator or a skill; the owner stays until somebody takes it."""

    owner: Seat
    sender: Actor
    to_operator: str = ""
    to_skill: str = ""
    note: str = ""
    offer: Offer | None = None
    excluded: tuple[str, ...] = ()


class Kicked(Struct, frozen=True, tag="k"):
    """Thrown out."""


class ChatEnd(Struct, frozen=True, tag="e"):
    """Over."""


class Redirected(Struct, frozen=True, tag="x"):
    """Shown the offline form."""


Phase = (
    Navigating
    | Invited
    | Accepted
    | ChatDenied
    | Requested
    | Chatting
    | Conference
    | Forwarded
    | Kicked
    | ChatEnd
    | Redirected
)
Talking = Chatting | Conference | Forwarded
# Phases out of which a visitor can be invited or ask: nothing goes on, or it is over.
ENDS: tuple[Status, ...] = ("chat_denied", "kicked", "chat_end", "redirected")
OPEN_PHASES = (Navigating, ChatDenied, Kicked, ChatEnd, Redirected)


class Answer(Struct, frozen=True, omit_defaults=True, array_like=True):
    """What one command was answered, to be answered again."""

    by: str
    id: str
    code: RefusalCode | None = None
    seq: int = 0
    chat: str = ""
    taken_by: str = ""


class Change(Struct, frozen=True, array_like=True):
    """One line of the visitor's timeline."""

    at: int
    status: Status
    by: Actor
    reason: str = ""
    chat: str = ""


class Engagement(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """All that chat-routing knows of one visitor. Times are ms since the epoch, 0 for never.

    `chat` began at `began_ms`; `met` are the operators who took part in it, `asked` those who were asked to. `version`
    grows with every change of the row; `phase_version` is the one at which this phase began, and the version of its
    timers. `gone_since_ms`: no sign of the visitor since. `row_version`: of the row as others see it. `visit_ms`: the
    visit that `denials` count. `aside`: how many answers to older commands stand elsewhere. `mailed`: how often the
    visitor had the transcript sent.
    """

    site: str
    visitor: str
    phase: Phase = Navigating()
    version: int = 0
    row_version: int = 0
    phase_version: int = 0
    phase_at_ms: int = 0
    reason: str = ""
    skill: str = ""
    why: str = ""
    name: str = ""
    email: str = ""
    question: str = ""
    chat: str = ""
    seq: int = 0
    rated: bool = False
    mailed: int = 0
    began_ms: int = 0
    met: tuple[OperatorRef, ...] = ()
    asked: tuple[Asked, ...] = ()
    requested_ms: int = 0
    engaged_ms: int = 0
    ended_ms: int = 0
    spoke_ms: int = 0
    gone_since_ms: int | None = None
    gone_told: bool = False
    visit_ms: int = 0
    denials: int = 0
    denied_ms: int = 0
    barred_until_ms: int = 0
    banned: bool = False
    barred_at_ms: int = 0
    barred_by: Actor | None = None
    barred_reason: str = ""
    answers: tuple[Answer, ...] = ()
    aside: int = 0
    timeline: tuple[Change, ...] = ()


def status(phase: Phase) -> Status:  # one line for each of the eleven
    """What the visitor list shows."""
    match phase:
        case Navigating():
            return "navigating"
        case Invited():
            return "invited"
        case Accepted():
            return "accepted"
        case ChatDenied():
            return "chat_denied"
        case Requested():
            return "requested"
        case Chatting():
            return "chatting"
        case Conference():
            return "conference"
        case Forwarded():
            return "forwarded"
        case Kicked():
            return "kicked"
        case ChatEnd():
            return "chat_end"
        case Redirected():
            return "redirected"
        case _:
            assert_never(phase)


def seats(phase: Phase) -> tuple[Seat, ...]:
    """Who is in the chat, the owner first."""
    match phase:
        case Chatting(owner=owner) | Forwarded(owner=owner):
            return (owner,)
        case Conference(owner=owner, guests=guests):
            return (owner, *guests)
        case _:
            return ()


def offers(phase: Phase) -> tuple[Offer, ...]:
    """Which questions wait for an operator's answer."""
    match phase:
        case Requested(offer=Offer() as offer) | Forwarded(offer=Offer() as offer):
            return (offer,)
        case Chatting(joining=joining) | Conference(joining=joining):
            return joining
        case _:
            return ()


def holders(phase: Phase) -> frozenset[str]:
    """The operators of whose limit this visitor takes one: seats, and slots reserved for an answer."""
    held = {seat.operator for seat in seats(phase) if not seat.watching}
    held.update(offer.operator for offer in offers(phase))
    if isinstance(phase, Invited | Accepted):
        held.add(phase.operator)
    return frozenset(held)


def concerned(phase: Phase) -> frozenset[str]:
    """Every operator whose coming or going matters here."""
    named = {seat.operator for seat in seats(phase)}
    if isinstance(phase, Requested) and phase.sticky:
        named.add(phase.sticky)
    return holders(phase) | named


def is_live(phase: Phase) -> bool:
    """Whether somebody waits or talks: such an engagement outlasts the visitor's absence for a while."""
    return isinstance(phase, Accepted | Requested | Chatting | Conference | Forwarded)


def is_engaged(phase: Phase) -> bool:
    """Whether an operator is held or awaited: such an engagement is looked at whenever an operator comes or goes."""
    return is_live(phase) or isinstance(phase, Invited)


def is_queued(phase: Phase) -> bool:
    """Whether the router may have to find somebody: a request, or a forward to a skill."""
    return isinstance(phase, Requested) or (isinstance(phase, Forwarded) and bool(phase.to_skill))


def is_shown(engagement: Engagement) -> bool:
    """Whether the visitor's row has an engagement part: once there is one it stays until the visitor leaves."""
    return engagement.version > 0 and (is_live(engagement.phase) or engagement.gone_since_ms is None)


def with_operators(phase: Phase) -> tuple[OperatorRef, ...]:
    """The operators shown beside the visitor: those who talk, or the one who invited."""
    if isinstance(phase, Invited | Accepted):
        return (OperatorRef(phase.operator, phase.name),)
    return tuple(OperatorRef(seat.operator, seat.name) for seat in seats(phase))


def summary(engagement: Engagement) -> ChatSummary | None:
    """The present chat's line in the history; None if there is no chat."""
    if not engagement.chat:
        return None
    lines = [change for change in engagement.timeline if change.chat == engagement.chat]
    if len(lines) > 1 and lines[-1].status == "navigating" and lines[-2].status in ENDS:
        lines.pop()  # only says that the outcome is no longer shown
    last = lines[-1] if lines else Change(engagement.phase_at_ms, status(engagement.phase), SYSTEM)
    return ChatSummary(
        chat=engagement.chat,
        status=last.status,
        reason=last.reason,
        skill=engagement.skill,
        began_at=engagement.began_ms,
        requested_at=engagement.requested_ms,
        engaged_at=engagement.engaged_ms,
        ended_at=engagement.ended_ms,
        operators=engagement.met,
        why=engagement.why,
        asked=engagement.asked,
    )


def row(engagement: Engagement) -> EngagementRow:
    """The engagement part of the visitor's row."""
    return EngagementRow(
        version=engagement.version,
        status=status(engagement.phase),
        reason=engagement.reason,
        skill=engagement.skill,
        operators=with_operators(engagement.phase),
        chat=engagement.chat,
        name=engagement.name,
        requested_at=engagement.requested_ms,
        engaged_at=engagement.engaged_ms,
        ended_at=engagement.ended_ms,
    )
