"""Chats on the streams: commands about one visitor (`cmd:{T}`), and what became of them (`chat:{T}`).

A command is imperative and can be refused; it carries who asks (`by`) and the sender's `id`, and is done once however
often it arrives. An outcome is a fact. :class:`ChatEvent` is the object that both sides see (CONTRACT, section 4).
Chat and offer ids name their site and visitor (:func:`address_of`), so any gateway finds the partition without asking.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from shared.contracts.chat_words import ChatEventType, OfferKind, RefusalCode
from shared.contracts.ids import ClientId
from shared.contracts.rows import OperatorRef, Status

ChatId = Annotated[str, Meta(min_length=1, max_length=128)]
OfferId = Annotated[str, Meta(min_length=1, max_length=144)]
MessageText = Annotated[str, Meta(min_length=1, max_length=4000)]  # code points
ReasonText = Annotated[str, Meta(max_length=500)]
Score = Annotated[int, Meta(ge=1, le=5)]


class Actor(Struct, frozen=True):
    """Who did it. `id` is the visitor's or the operator's; the system has none."""

    kind: Literal["visitor", "operator", "system"]
    id: str = ""
    name: str = ""


SYSTEM = Actor("system")


# --- cmd:{T}: commands -------------------------------------------------------------------------------------------


class Command(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every command says. `chat`, when given, must be the visitor's present chat; `version` the row's part.

    `until_ms`, by Redis's clock: begun later it is not carried out, for who asked has been told to try again; 0: it may
    be done late.
    """

    site: str
    visitor: str
    by: Actor
    id: ClientId
    at_ms: int = 0
    chat: str = ""
    version: int | None = None
    until_ms: int = 0


class RequestChat(Command, frozen=True, tag="rq"):
    """The visitor asks for a chat; during an invitation it accepts that. `skill` is the choice in the form."""

    name: str = ""
    email: str = ""
    text: str = ""
    skill: str = ""


class CancelRequest(Command, frozen=True, tag="rc"):
    """The visitor no longer waits."""


class AcceptInvite(Command, frozen=True, tag="ia"):
    """The visitor takes the invitation."""

    name: str = ""
    email: str = ""


class DeclineInvite(Command, frozen=True, tag="in"):
    """The visitor does not want to chat."""


class RateChat(Command, frozen=True, tag="rt"):
    """The visitor's mark for the chat that ended."""

    score: Score
    comment: str = ""


class MailTranscript(Command, frozen=True, tag="mt"):
    """The visitor wants the transcript by mail: to `email`, or to the address that it gave before the chat."""

    email: str = ""


class LeaveForm(Command, frozen=True, tag="lf"):
    """The visitor sent or closed the offline form. What was sent goes to the inbox."""

    sent: bool = False
    name: str = ""
    email: str = ""
    text: str = ""


class SendMessage(Command, frozen=True, tag="sm"):
    """One message of either side; `id` is its client id."""

    text: str


class MarkChat(Command, frozen=True, tag="mk"):
    """Typing or read mark of either side. Never stored; `id` plays no part."""

    typing: bool | None = None
    preview: str = ""
    read: int | None = None


class EndChat(Command, frozen=True, tag="ec"):
    """Either side ends the chat. A chat that is over stays over: success."""


class InviteVisitor(Command, frozen=True, tag="iv"):
    """An operator offers a chat."""

    text: str = ""


class WithdrawInvite(Command, frozen=True, tag="iw"):
    """The operator takes the invitation back."""


class AcceptRequest(Command, frozen=True, tag="ra"):
    """An operator picks a waiting visitor, or joins one that accepted its invitation."""


class DeclineRequest(Command, frozen=True, tag="rd"):
    """An operator will not take this waiting visitor."""


class RedirectVisitor(Command, frozen=True, tag="rr"):
    """An operator sends a waiting visitor to the offline form."""


class AcceptOffer(Command, frozen=True, tag="oa"):
    """The operator takes what was offered: a request, a forwarded chat or a seat in a conference."""

    offer: str


class DeclineOffer(Command, frozen=True, tag="ox"):
    """The operator does not take it."""

    offer: str


class ForwardChat(Command, frozen=True, tag="fw"):
    """Hand the chat to an operator or to a skill (exactly one is set)."""

    to_operator: str = ""
    to_skill: str = ""
    note: str = ""


class WithdrawForward(Command, frozen=True, tag="fx"):
    """Keep the chat after all."""


class InviteOperator(Command, frozen=True, tag="cf"):
    """Ask a second operator into the chat."""

    operator: str


class JoinChat(Command, frozen=True, tag="jn"):
    """A supervisor joins unasked."""


class LeaveChat(Command, frozen=True, tag="lv"):
    """An operator leaves a conference."""


class KickVisitor(Command, frozen=True, tag="ki"):
    """Throw the visitor out. `ban_s` longer than nothing bars new requests that long."""

    reason: str
    ban_s: int = 0


class BarVisitor(Command, frozen=True, tag="bv"):
    """Bar the visitor's requests for `ban_s`. The gateway has checked the right: who asks need not be a member."""

    reason: str
    ban_s: int


class LiftBar(Command, frozen=True, tag="lb"):
    """The visitor may ask again. Rights as for :class:`BarVisitor`."""


ChatCommand = (
    RequestChat
    | CancelRequest
    | AcceptInvite
    | DeclineInvite
    | RateChat
    | MailTranscript
    | LeaveForm
    | SendMessage
    | MarkChat
    | EndChat
    | InviteVisitor
    | WithdrawInvite
    | AcceptRequest
    | DeclineRequest
    | RedirectVisitor
    | AcceptOffer
    | DeclineOffer
    | ForwardChat
    | WithdrawForward
    | InviteOperator
    | JoinChat
    | LeaveChat
    | KickVisitor
    | BarVisitor
    | LiftBar
)


# What was said is to arrive, however late; everything else is wanted now or not at all.
MAY_BE_LATE = (SendMessage, LeaveForm, RateChat, MailTranscript, MarkChat)
BEGIN_MS = 1_000  # of the 2 s in which whoever asks is answered; the rest is for the commit and the way back


def wanted_now(command: ChatCommand, redis_ms: int) -> ChatCommand:
    """The command as an edge sends it that gives an answer within 2 s. `redis_ms`: Redis's time now."""
    return command if isinstance(command, MAY_BE_LATE) else replace(command, until_ms=redis_ms + BEGIN_MS)


class VisitorGone(Struct, frozen=True, tag="vg"):
    """Presence: the visitor's row left; no tab gave a sign of life since `since_ms`."""

    site: str
    visitor: str
    since_ms: int


class VisitorBack(Struct, frozen=True, tag="vb"):
    """Presence: the visitor is on the site (again)."""

    site: str
    visitor: str
    at_ms: int


class PresenceFacts(Struct, frozen=True, omit_defaults=True, tag="pf"):
    """What one commit of presence brought about visitors whose row has an engagement part.

    `seen`: (site, visitor) of those whom a trigger of their site may now fit, because they came or went on.
    """

    facts: tuple[VisitorGone | VisitorBack, ...] = ()
    seen: tuple[tuple[str, str], ...] = ()


class EraseVisitor(Struct, frozen=True, tag="er"):
    """Presence was asked to erase this visitor: chats, transcripts and whatever is remembered go too."""

    site: str
    visitor: str


# --- chat:{T}: outcomes ------------------------------------------------------------------------------------------


class ChatEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a transcript. `seq` counts from 1 without gaps; `id` and `text` are a message's."""

    chat: str
    seq: int
    at: int
    type: ChatEventType
    by: Actor
    id: str = ""
    text: str = ""
    reason: str = ""
    operator: OperatorRef | None = None
    skill: str = ""
    score: int = 0


class ChatSaid(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ce"):
    """A new line of a transcript, for everybody in the chat. `to`: the operators who are in it, or were until now."""

    site: str
    visitor: str
    event: ChatEvent
    to: tuple[str, ...] = ()


class OfferMade(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="om"):
    """Something waits for this operator's yes or no until `expires_at`. `why` explains the choice of operator."""

    offer: str
    offered: OfferKind
    operator: str
    site: str
    visitor: str
    chat: str
    expires_at: int
    sender: Actor | None = None
    note: str = ""
    why: str = ""


class OfferGone(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="og"):
    """That offer waits no more; `by` is who took it, if somebody did."""

    offer: str
    operator: str
    site: str
    visitor: str
    reason: str
    by: Actor | None = None


class InviteMade(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="im"):
    """To the visitor: an operator offers a chat."""

    site: str
    visitor: str
    invitation: str
    operator: OperatorRef
    text: str
    expires_at: int


class InviteGone(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ig"):
    """To the visitor: the invitation waits no more."""

    site: str
    visitor: str
    invitation: str
    reason: str


class StatusChanged(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="sc"):
    """The visitor's status moved: who did it, when and why. The visitor's timeline is made of these."""

    site: str
    visitor: str
    before: Status
    status: Status
    by: Actor
    at: int
    reason: str = ""
    chat: str = ""
    operators: tuple[OperatorRef, ...] = ()


class QueuePlace(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="qp"):
    """To a waiting visitor: place from 1, and the estimated wait; no `wait_s` means that it cannot be told."""

    site: str
    visitor: str
    position: int
    wait_s: int | None = None


class ChatMarked(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="cm"):
    """A typing or read mark, passed on; `to` as in :class:`ChatSaid`."""

    site: str
    visitor: str
    chat: str
    by: Actor
    typing: bool | None = None
    preview: str = ""
    read: int | None = None
    to: tuple[str, ...] = ()


class InboxChanged(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ix"):
    """`done`, the entry of a message in the site's inbox, was dealt with."""

    site: str
    done: str


class CommandDone(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="cd"):
    """The answer to one command: done, or refused with a `code` and the `current` status."""

    site: str
    visitor: str
    by: Actor
    id: str
    code: RefusalCode | None = None
    current: Status = "navigating"
    chat: str = ""
    seq: int = 0
    taken_by: str = ""


class OfflineMessageLeft(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ol"):
    """A visitor left a message in the offline form. Kept in the site's inbox as this very value."""

    site: str
    visitor: str
    id: str
    at: int
    name: str
    email: str
    text: str
    chat: str = ""
    skill: str = ""


class TranscriptWanted(Struct, frozen=True, kw_only=True, tag="tw"):
    """A transcript is to be mailed to `email`. For the queue of mails alone: it goes on no stream."""

    site: str
    visitor: str
    chat: str
    email: str
    status: Status
    reason: str
    at: int


ChatOutcome = (
    ChatSaid
    | OfferMade
    | OfferGone
    | InviteMade
    | InviteGone
    | StatusChanged
    | QueuePlace
    | ChatMarked
    | OfflineMessageLeft
    | InboxChanged
    | TranscriptWanted
    | CommandDone
)


class Asked(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operator who was asked to take the visitor, or took it unasked (`why`: `picked`), and what came of it.

    `why` says why this one: `primary_skill`, `secondary_skill`, `returned`. `answer` is empty while it is waited for;
    then `accepted`, `declined`, `unanswered`, or why it was no longer needed.
    """

    at: int
    kind: OfferKind
    operator: OperatorRef
    why: str = ""
    answer: str = ""


class ChatSummary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One chat in the visitor's history (`c:{T}:<site>:<visitor>`, by chat id). `operators`: all who took part.

    `status` is how far it came, in the end how it ended (`navigating`: without an outcome); `reason` says why. `why`
    says why this skill: `default`, `choice`, a rule's id or `trigger:` and its id. `asked`: the operators, in order.
    """

    chat: str
    status: Status
    reason: str = ""
    skill: str = ""
    began_at: int = 0
    requested_at: int = 0
    engaged_at: int = 0
    ended_at: int = 0
    operators: tuple[OperatorRef, ...] = ()
    why: str = ""
    asked: tuple[Asked, ...] = ()


def chat_id(site: str, visitor: str, now_ms: int, version: int) -> str:
    """Id of a chat that begins now. The version tells chats of one visitor in one millisecond apart."""
    return f"{site}.{visitor}.{now_ms:x}.{version:x}"


def offer_id(site: str, visitor: str, now_ms: int, version: int) -> str:
    """Id of an offer or invitation about this visitor."""
    return f"{site}.{visitor}.o{now_ms:x}.{version:x}"


def address_of(identifier: str) -> tuple[str, str] | None:
    """Site and visitor that a chat or offer id names, or None if it is no such id."""
    parts = identifier.split(".")
    return (parts[0], parts[1]) if len(parts) == 4 and parts[0] and parts[1] else None
