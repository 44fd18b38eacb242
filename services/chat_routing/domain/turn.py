"""How a decision is put together: a :class:`Turn` goes from the engagement before to the one after.

Whatever follows from the difference of the two is derived in :meth:`Turn.done` and never written by hand: who must be
told of a new or vanished offer, of the status, of the invitation. Read :class:`Decision` for what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from services.chat_routing.domain.agents import Agent
from services.chat_routing.domain.asked import asked_after
from services.chat_routing.domain.engagement import (
    TIMELINE_KEPT,
    Change,
    Engagement,
    Forwarded,
    Invited,
    Navigating,
    Offer,
    Phase,
    offers,
    row,
    seats,
    status,
    with_operators,
)
from shared.contracts.chat import (
    SYSTEM,
    Actor,
    ChatEvent,
    ChatMarked,
    ChatOutcome,
    ChatSaid,
    InviteGone,
    InviteMade,
    LeaveForm,
    OfferGone,
    OfferMade,
    OfflineMessageLeft,
    StatusChanged,
    TranscriptWanted,
    offer_id,
)
from shared.contracts.chat_words import ChatEventType, OfferKind, RefusalCode
from shared.contracts.rows import OperatorRef, Status
from shared.contracts.sites import SiteSettings


class VisitorFacts(Struct, frozen=True, kw_only=True):
    """What presence and the site's rules say of the visitor now. `present`: it has a row.

    `skill` already takes the choice in the form into account, if the command at hand carries one.
    """

    present: bool = False
    nickname: str = ""
    visit_ms: int = 0
    skill: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything around one engagement that a decision may look at.

    `waiting`: visitors in the queue by skill, without this one. `skills`: those that the site has. `mails`: some can
    be sent.
    """

    now_ms: int
    resumed_at_ms: int
    settings: SiteSettings
    agents: Mapping[str, Agent]
    visitor: VisitorFacts
    skills: frozenset[str]
    waiting: Mapping[str, int]
    mails: bool = True


class Refusal(Struct, frozen=True):
    """Not done, and why; `current` is the state that stands in the way, `taken_by` who was faster."""

    code: RefusalCode
    current: Status
    taken_by: str = ""


class Decision(Struct, frozen=True):
    """Done: the engagement after, and what to tell in order. `missed`, `answered`: whose offer ended so."""

    state: Engagement
    events: tuple[ChatOutcome, ...] = ()
    missed: str = ""
    answered: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One command being carried out. Every method gives a new Turn."""

    before: Engagement
    state: Engagement
    desk: Desk
    by: Actor
    told: tuple[ChatOutcome, ...] = ()
    ended_because: str = "withdrawn"
    taken_by: Actor | None = None

    @classmethod
    def begin(cls, engagement: Engagement, desk: Desk, by: Actor = SYSTEM) -> Turn:
        """Start from `engagement`; `by` is who asked."""
        return cls(engagement, engagement, desk, by)

    def to(self, phase: Phase, reason: str = "", **fields: Any) -> Turn:
        """Enter another phase: its timers begin now, and the timeline says who did it and why."""
        now_ms = self.desk.now_ms
        chat = fields.get("chat", self.state.chat)
        line = Change(now_ms, status(phase), self.by, reason, chat)
        state = replace(
            self.state,
            phase=phase,
            phase_at_ms=now_ms,
            phase_version=self.before.version + 1,
            reason=reason,
            timeline=(*self.state.timeline, line)[-TIMELINE_KEPT:],
            **fields,
        )
        return self._with(state=state)

    def stay(self, phase: Phase) -> Turn:
        """The same phase with other contents: its timers go on."""
        return self._with(state=replace(self.state, phase=phase))

    def set(self, **fields: Any) -> Turn:
        """Other fields of the engagement."""
        return self._with(state=replace(self.state, **fields))

    def say(
        self,
        event: ChatEventType,
        by: Actor | None = None,
        *,
        id: str = "",  # noqa: A002  # the wire's name
        text: str = "",
        reason: str = "",
        operator: OperatorRef | None = None,
        skill: str = "",
        score: int = 0,
    ) -> Turn:
        """Add a line to the transcript, with the next seq."""
        line = ChatEvent(
            chat=self.state.chat,
            seq=self.state.seq + 1,
            at=self.desk.now_ms,
            type=event,
            by=by or self.by,
            id=id,
            text=text,
            reason=reason,
            operator=operator,
            skill=skill,
            score=score,
        )
        said = ChatSaid(site=self.state.site, visitor=self.state.visitor, event=line)
        return self._with(state=replace(self.state, seq=self.state.seq + 1), told=(*self.told, said))

    def mark(self, marked: ChatMarked) -> Turn:
        """Pass on something that is not kept."""
        return self._with(told=(*self.told, marked))

    def mail(self, email: str) -> Turn:
        """Send the transcript of the present chat."""
        state = self.state
        wanted = TranscriptWanted(
            site=state.site,
            visitor=state.visitor,
            chat=state.chat,
            email=email,
            status=status(state.phase),
            reason=state.reason,
            at=self.desk.now_ms,
        )
        return self._with(told=(*self.told, wanted))

    def leave_message(self, form: LeaveForm) -> Turn:
        """Put the offline form's message into the inbox."""
        state = self.state
        left = OfflineMessageLeft(
            site=state.site,
            visitor=state.visitor,
            id=form.id,
            at=self.desk.now_ms,
            name=form.name,
            email=form.email,
            text=form.text,
            chat=state.chat,
            skill=state.skill or self.desk.visitor.skill,
        )
        return self._with(told=(*self.told, left))

    def because(self, reason: str, taken_by: Actor | None = None) -> Turn:
        """Why offers and invitations that are no longer there ended."""
        return self._with(ended_because=reason, taken_by=taken_by)

    def new_offer(
        self, agent: Agent, kind: OfferKind, *, sender: Actor | None = None, note: str = "", why: str = ""
    ) -> Offer:
        """A question to `agent`; it holds a slot once it is part of the phase."""
        state = self.before
        made = offer_id(state.site, state.visitor, self.desk.now_ms, state.version + 1)
        return Offer(made, kind, agent.operator, agent.name, self.desk.now_ms, sender, note, why)

    def done(self, *, missed: str = "", answered: str = "") -> Decision:
        """The decision, with everything that follows from what changed."""
        before, after = self.before, self.state
        if isinstance(after.phase, Navigating) and after.gone_since_ms is None and not self.desk.visitor.present:
            # Nobody will tell us that a visitor without a row has left.
            after = replace(after, gone_since_ms=self.desk.now_ms)
        new = tuple(OperatorRef(s.operator, s.name) for s in seats(after.phase))
        after = replace(after, asked=asked_after(before, after, self.ended_because, self.taken_by))
        if any(one not in after.met for one in new):
            after = replace(after, met=(*after.met, *(one for one in new if one not in after.met)))
        # A new record counts as a change: its row then tells presence that somebody wants to hear of the leaving.
        if not before.version or after.phase != before.phase or row(after) != row(before):
            after = replace(after, version=before.version + 1)
        told = self._addressed(after)
        events = (*told, *self._status_change(after), *self._invitation_change(), *self._offer_changes(after))
        return Decision(after, events, missed, answered)

    def _with(self, **fields: Any) -> Turn:
        values = {name: getattr(self, name) for name in self.__slots__}
        return Turn(**(values | fields))

    def _addressed(self, after: Engagement) -> tuple[ChatOutcome, ...]:
        """Lines and marks go to the operators who are in the chat now, or were until now."""
        there = (*with_operators(self.before.phase), *with_operators(after.phase))
        to = tuple(sorted({one.id for one in there}))
        return tuple(replace(one, to=to) if isinstance(one, ChatSaid | ChatMarked) else one for one in self.told)

    def _status_change(self, after: Engagement) -> list[ChatOutcome]:
        before = self.before
        old, new = status(before.phase), status(after.phase)
        if (old, with_operators(before.phase), before.chat) == (new, with_operators(after.phase), after.chat):
            return []
        change = StatusChanged(
            site=after.site,
            visitor=after.visitor,
            before=old,
            status=new,
            by=self.by,
            at=self.desk.now_ms,
            reason=after.reason,
            chat=after.chat,
            operators=with_operators(after.phase),
        )
        return [change]

    def _invitation_change(self) -> list[ChatOutcome]:
        old, new = self.before.phase, self.state.phase
        site, visitor = self.state.site, self.state.visitor
        events: list[ChatOutcome] = []
        if isinstance(old, Invited) and not (isinstance(new, Invited) and new.invitation == old.invitation):
            reason = self.ended_because
            events.append(InviteGone(site=site, visitor=visitor, invitation=old.invitation, reason=reason))
        if isinstance(new, Invited) and not isinstance(old, Invited):
            made = InviteMade(
                site=site,
                visitor=visitor,
                invitation=new.invitation,
                operator=OperatorRef(new.operator, new.name),
                text=new.text,
                expires_at=self.desk.now_ms + self.desk.settings.invite_ms,
            )
            events.append(made)
        return events

    def _offer_changes(self, after: Engagement) -> list[ChatOutcome]:
        old = {offer.offer: offer for offer in offers(self.before.phase)}
        new = {offer.offer: offer for offer in offers(after.phase)}
        gone: list[ChatOutcome] = [
            OfferGone(
                offer=offer.offer,
                operator=offer.operator,
                site=after.site,
                visitor=after.visitor,
                reason=self.ended_because,
                by=self.taken_by,
            )
            for offer in old.values()
            if offer.offer not in new
        ]
        return gone + [offer_made(offer, after, self.desk.settings) for offer in new.values() if offer.offer not in old]


def offer_made(offer: Offer, engagement: Engagement, settings: SiteSettings) -> OfferMade:
    """What the operator who is asked is told, now or again after a reconnect."""
    if isinstance(engagement.phase, Forwarded):
        expires_at = engagement.phase_at_ms + settings.forward_ms
    else:
        expires_at = offer.made_ms + settings.offer_ms
    return OfferMade(
        offer=offer.offer,
        offered=offer.kind,
        operator=offer.operator,
        site=engagement.site,
        visitor=engagement.visitor,
        chat=engagement.chat,
        expires_at=expires_at,
        sender=offer.sender,
        note=offer.note,
        why=offer.why,
    )


def refuse(code: RefusalCode, engagement: Engagement, taken_by: str = "") -> Refusal:
    """No, with the state that stands in the way."""
    return Refusal(code, status(engagement.phase), taken_by)
