"""Socket.IO events of the operators' chats: commands, transcripts, offers, marks.

Every command carries a client-made `id`: sent again with the same one it happens once and is answered the same. Its
ack is :class:`CommandAck`, or a refusal whose `current` is the visitor's status. Texts that are too long for the
contract but not for the wire are refused as `too_long`, so their bounds here are those of a frame.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from shared.contracts.chat import (
    Actor,
    ChatEvent,
    ChatId,
    OfferId,
)
from shared.contracts.chat_words import OfferKind
from shared.contracts.ids import MAX_SAFE_INT, ClientId, OperatorId, SiteKey, SkillId, VisitorId
from shared.contracts.rows import OperatorRef, Status

MAX_BAN_S = 3650 * 24 * 3600
OPEN_LIMIT = 100

FrameText = Annotated[str, Meta(max_length=65_536)]
SpokenText = Annotated[str, Meta(min_length=1, max_length=65_536)]
Seq = Annotated[int, Meta(ge=0, le=MAX_SAFE_INT)]


# --- what a client sends ------------------------------------------------------------------------------------------


class ChatInvite(Struct, frozen=True, forbid_unknown_fields=True):
    """Offer the visitor a chat. Without `text` the visitor sees the site's own words."""

    site: SiteKey
    visitor: VisitorId
    id: ClientId
    text: FrameText = ""


class VisitorCommand(Struct, frozen=True, forbid_unknown_fields=True):
    """`chat:withdraw` (the invitation), `chat:accept`, `chat:decline`, `chat:redirect` (the request)."""

    site: SiteKey
    visitor: VisitorId
    id: ClientId


class ChatCommand(Struct, frozen=True, forbid_unknown_fields=True):
    """`chat:withdraw_forward`, `chat:leave`, `chat:end`, `chat:join`."""

    chat: ChatId
    id: ClientId


class ChatOpen(Struct, frozen=True, forbid_unknown_fields=True):
    """A transcript: the last lines, those `before` a seq, or those `after` one (to resume). `id` plays no part."""

    chat: ChatId
    after: Seq | None = None
    before: Annotated[int, Meta(ge=1, le=MAX_SAFE_INT)] | None = None
    limit: Annotated[int, Meta(ge=1, le=OPEN_LIMIT)] = OPEN_LIMIT
    id: ClientId | None = None


class ChatSend(Struct, frozen=True, forbid_unknown_fields=True):
    """One message; `id` is its client id."""

    chat: ChatId
    id: ClientId
    text: SpokenText


class ChatTyping(Struct, frozen=True, forbid_unknown_fields=True):
    """The operator is typing, or no longer. `id` plays no part."""

    chat: ChatId
    on: bool
    id: ClientId | None = None


class ChatRead(Struct, frozen=True, forbid_unknown_fields=True):
    """The operator has seen everything up to `seq`. `id` plays no part."""

    chat: ChatId
    seq: Annotated[int, Meta(ge=1, le=MAX_SAFE_INT)]
    id: ClientId | None = None


class ForwardTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """Exactly one of the two."""

    operator: OperatorId | None = None
    skill: SkillId | None = None


class ChatForward(Struct, frozen=True, forbid_unknown_fields=True):
    """Hand the chat over; `note` is for the colleague who gets it."""

    chat: ChatId
    to: ForwardTarget
    id: ClientId
    note: FrameText = ""


class ChatConference(Struct, frozen=True, forbid_unknown_fields=True):
    """Ask a colleague into the chat."""

    chat: ChatId
    operator: OperatorId
    id: ClientId


class OfferAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """`offer:accept`, `offer:decline`."""

    offer: OfferId
    id: ClientId


class ChatKick(Struct, frozen=True, forbid_unknown_fields=True):
    """Throw the visitor out. `ban_s`: no new request that long; without it the site's cool-down."""

    chat: ChatId
    reason: SpokenText
    id: ClientId
    ban_s: Annotated[int, Meta(ge=0, le=MAX_BAN_S)] = 0


# --- what a client is answered ------------------------------------------------------------------------------------


class Acknowledged(Struct, frozen=True):
    """A mark was passed on."""

    ok: Literal[True] = True


class CommandAck(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The command is done. `status` is the visitor's status then, `seq` the message's place in the transcript."""

    ok: Literal[True]
    status: Status
    chat: str = ""
    seq: int = 0


class LastRead(Struct, frozen=True):
    """`by` has read the chat up to `seq`; names are left out."""

    by: Actor
    seq: int


class TranscriptPart(Struct, frozen=True, kw_only=True):
    """Ack of `chat:open`: lines in order. `more`: there are further ones in the direction that was asked for. `reads`:
    how far each has read, as `chat:read` told it."""

    ok: Literal[True] = True
    chat: str
    site: str
    visitor: str
    events: tuple[ChatEvent, ...]
    more: bool
    server_time: int
    reads: tuple[LastRead, ...] = ()


# --- what the server says by itself -------------------------------------------------------------------------------


class DeskChat(Struct, frozen=True, kw_only=True):
    """One chat that the operator is in, or has invited to."""

    site: str
    visitor: str
    chat: str
    status: Status
    operators: tuple[OperatorRef, ...]


class Desk(Struct, frozen=True):
    """The operator's open chats on the sites named: after every connect, and whenever events may have been missed.

    A chat of one of these `sites` that is not listed is over; those that are shown are resumed with `chat:open` and
    `after`. The offers that wait follow one by one. `unread`: by site, the offline messages that wait, if any do.
    """

    sites: tuple[str, ...]
    chats: tuple[DeskChat, ...]
    unread: dict[str, int]
    server_time: int


class Offered(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"sender": "from"}):
    """Something waits for this operator's yes or no. The same offer may be told again."""

    offer: str
    kind: OfferKind
    site: str
    visitor: str
    chat: str
    expires_at: int
    sender: Actor | None = None
    note: str = ""
    why: str = ""


class OfferWithdrawn(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The offer waits no more; `by` took it, if somebody did."""

    offer: str
    site: str
    visitor: str
    reason: str
    by: Actor | None = None


class TypingMark(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody in the chat is typing, or no longer."""

    chat: str
    by: Actor
    on: bool
    preview: str = ""


class ReadMark(Struct, frozen=True, kw_only=True):
    """Somebody in the chat has seen everything up to `seq`."""

    chat: str
    by: Actor
    seq: int


class InboxCount(Struct, frozen=True):
    """How many offline messages of the site wait to be dealt with."""

    site: str
    unread: int


REQUESTS: dict[str, type[Struct]] = {
    "chat:invite": ChatInvite,
    "chat:withdraw": VisitorCommand,
    "chat:accept": VisitorCommand,
    "chat:decline": VisitorCommand,
    "chat:redirect": VisitorCommand,
    "chat:open": ChatOpen,
    "chat:send": ChatSend,
    "chat:typing": ChatTyping,
    "chat:read": ChatRead,
    "chat:forward": ChatForward,
    "chat:conference": ChatConference,
    "offer:accept": OfferAnswer,
    "offer:decline": OfferAnswer,
    "chat:withdraw_forward": ChatCommand,
    "chat:leave": ChatCommand,
    "chat:end": ChatCommand,
    "chat:join": ChatCommand,
    "chat:kick": ChatKick,
}

SERVER_EVENTS: dict[str, type[Struct]] = {
    "desk": Desk,
    "offer": Offered,
    "offer:gone": OfferWithdrawn,
    "chat:event": ChatEvent,
    "chat:typing": TypingMark,
    "chat:read": ReadMark,
    "inbox:changed": InboxCount,
}

# What each request is acked with; a refusal is always :class:`~shared.contracts.operators.Failed`.
ANSWERS: dict[str, type[Struct]] = dict.fromkeys(REQUESTS, CommandAck) | {
    "chat:open": TranscriptPart,
    "chat:typing": Acknowledged,
    "chat:read": Acknowledged,
}
