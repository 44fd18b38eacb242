"""The visitor's side of chats on the wire: the messages of the live channel and of `/v1/chat`.

Strict about kinds and sizes, as everything from a browser. Unknown fields are ignored, so that an older collector takes
a newer widget's message. Read :data:`VisitorMessage` (what a visitor says), then :data:`VisitorFrame` (what it hears).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from shared.contracts.chat import Actor, ChatEvent, ChatId, MessageText, Score
from shared.contracts.ids import ClientId, Counter, Email, Name, SiteKey, SkillId, TokenText, Uuid, VisitorId
from shared.contracts.rows import OperatorRef, Status

# 4,000 code points may take 12 bytes each in JSON (an escaped surrogate pair), and there are other fields.
MAX_MESSAGE_BYTES = 64 * 1024
MAX_WAIT_S = 25
Question = Annotated[str, Meta(max_length=4000)]
Comment = Annotated[str, Meta(max_length=1000)]
Preview = Annotated[str, Meta(max_length=1000)]


class Message(Struct, frozen=True, kw_only=True):
    """What every message says. `id` makes repeats harmless; `chat`, when given, must be the present one."""

    id: ClientId
    chat: ChatId = ""


class ChatRequest(Message, frozen=True, tag="chat.request"):
    """Ask for a chat; during an invitation this accepts it. Only where the site wants no name may it be left out."""

    name: Name | None = None
    email: Email | None = None
    text: Question | None = None
    skill: SkillId | None = None


class ChatCancel(Message, frozen=True, tag="chat.cancel"):
    """No longer wait."""


class InviteAccept(Message, frozen=True, tag="invite.accept"):
    """Take the invitation."""

    name: Name | None = None
    email: Email | None = None


class InviteDecline(Message, frozen=True, tag="invite.decline"):
    """Do not take it."""


class ChatEnd(Message, frozen=True, tag="chat.end"):
    """End the chat; ending twice succeeds."""


class ChatSend(Message, frozen=True, tag="chat.send"):
    """One message; `id` is its client id."""

    text: MessageText


class ChatTyping(Message, frozen=True, tag="chat.typing"):
    """Typing or not. `preview`, what has been typed, is passed on only where the site wants it."""

    on: bool
    preview: Preview | None = None


class ChatRead(Message, frozen=True, tag="chat.read"):
    """Everything up to `seq` was read."""

    seq: Counter


class ChatRate(Message, frozen=True, tag="chat.rate"):
    """A mark for the chat that is over."""

    score: Score
    comment: Comment | None = None


class ChatTranscript(Message, frozen=True, tag="chat.transcript"):
    """Mail me the transcript: to `email`, or to the address given before the chat. Only where the site offers it."""

    email: Email | None = None


class OfflineSend(Message, frozen=True, tag="offline.send"):
    """A message for when somebody is there again."""

    name: Name
    email: Email
    text: MessageText


class OfflineClose(Message, frozen=True, tag="offline.close"):
    """The offline form was closed without sending it."""


VisitorMessage = (
    ChatRequest
    | ChatCancel
    | InviteAccept
    | InviteDecline
    | ChatEnd
    | ChatSend
    | ChatTyping
    | ChatRead
    | ChatRate
    | ChatTranscript
    | OfflineSend
    | OfflineClose
)


class Speaker(Struct, frozen=True):
    """Who speaks in a body of `POST /v1/chat`, beside the message. The token may stand in the Authorization header.

    A browser without an identifier leaves `visitor` out: it is known by its tab.
    """

    site: SiteKey
    visitor: VisitorId | UnsetType = UNSET
    token: TokenText = UNSET
    tab: Uuid | None = None


# --- what a visitor hears ----------------------------------------------------------------------------------------


class Invite(Struct, frozen=True, kw_only=True, tag="invite"):
    """An operator offers a chat until `expires_at` (ms since the epoch)."""

    invitation: str
    operator: OperatorRef
    text: str
    expires_at: int


class InviteIsGone(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="invite.gone"):
    """That invitation waits no more."""

    reason: str
    invitation: str = ""


class StatusIs(Struct, frozen=True, kw_only=True, tag="status", omit_defaults=True):
    """The visitor's status. `position` from 1 while waiting; no `wait_s`: it cannot be told."""

    status: Status
    operators: tuple[OperatorRef, ...]
    position: int | None = None
    wait_s: int | None = None
    chat: str = ""
    reason: str = ""


class ChatEventSaid(Struct, frozen=True, kw_only=True, tag="chat.event"):
    """The next line of the chat."""

    event: ChatEvent


class TypingMark(Struct, frozen=True, kw_only=True, tag="chat.typing"):
    """Somebody else is typing, or no longer."""

    chat: str
    by: Actor
    on: bool


class ReadMark(Struct, frozen=True, kw_only=True, tag="chat.read"):
    """`by` has read everything up to `seq`."""

    chat: str
    by: Actor
    seq: int


VisitorFrame = Invite | InviteIsGone | StatusIs | ChatEventSaid | TypingMark | ReadMark


class ChatNews(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """200 of `GET /v1/chat`. `cursor` goes into the next request."""

    status: Status
    messages: tuple[VisitorFrame, ...]
    cursor: str
    chat: str = ""
