"""From what a visitor says to a command for chat-routing, or to the reason why not. Read :func:`command_of`.

Sizes and kinds are checked when a message is decoded; here are the rules that depend on the site.
"""

from __future__ import annotations

from typing import Any, assert_never

from services.collector.domain.refusals import Refusal
from shared.contracts.chat import (
    AcceptInvite,
    Actor,
    CancelRequest,
    ChatCommand,
    DeclineInvite,
    EndChat,
    LeaveForm,
    MailTranscript,
    MarkChat,
    RateChat,
    RequestChat,
    SendMessage,
)
from shared.contracts.problems import FieldError
from shared.contracts.sites import WidgetSettings
from shared.contracts.visitor_chat import (
    ChatCancel,
    ChatEnd,
    ChatRate,
    ChatRead,
    ChatRequest,
    ChatSend,
    ChatTranscript,
    ChatTyping,
    InviteAccept,
    InviteDecline,
    OfflineClose,
    OfflineSend,
    VisitorMessage,
)


def command_of(
    message: VisitorMessage, site: str, visitor: str, widget: WidgetSettings, now_ms: int
) -> ChatCommand | Refusal:
    """The command that `message` of `visitor` is."""
    if isinstance(message, ChatRequest | InviteAccept):
        missing = _missing(message, widget)
        if missing is not None:
            return missing
    head: dict[str, Any] = {
        "site": site,
        "visitor": visitor,
        "by": Actor("visitor", visitor),
        "id": message.id,
        "at_ms": now_ms,
        "chat": message.chat,
    }
    match message:
        case ChatRequest(name=name, email=email, text=text, skill=skill):
            return RequestChat(**head, name=_line(name), email=email or "", text=text or "", skill=skill or "")
        case ChatCancel():
            return CancelRequest(**head)
        case InviteAccept(name=name, email=email):
            return AcceptInvite(**head, name=_line(name), email=email or "")
        case InviteDecline():
            return DeclineInvite(**head)
        case ChatTranscript(email=email):
            return MailTranscript(**head, email=email or "")
        case OfflineSend(name=name, email=email, text=text):
            return LeaveForm(**head, sent=True, name=_line(name), email=email, text=text)
        case OfflineClose():
            return LeaveForm(**head)
        case _:
            return _in_chat(message, head, widget)


def _in_chat(
    message: ChatEnd | ChatSend | ChatTyping | ChatRead | ChatRate, head: dict[str, Any], widget: WidgetSettings
) -> ChatCommand:
    match message:
        case ChatEnd():
            return EndChat(**head)
        case ChatSend(text=text):
            return SendMessage(**head, text=text)
        case ChatTyping(on=on, preview=preview):
            return MarkChat(**head, typing=on, preview=preview or "" if widget.preview else "")
        case ChatRead(seq=seq):
            return MarkChat(**head, read=seq)
        case ChatRate(score=score, comment=comment):
            return RateChat(**head, score=score, comment=comment or "")
        case _:
            assert_never(message)


def _missing(message: ChatRequest | InviteAccept, widget: WidgetSettings) -> Refusal | None:
    """What the site wants to know before a chat and was not told."""
    asked = {"name": widget.name, "email": widget.email}
    missing = [name for name, wanted in asked.items() if wanted == "required" and not _line(getattr(message, name))]
    return Refusal("invalid", tuple(FieldError(f"/{name}", "required") for name in missing)) if missing else None


def _line(text: str | None) -> str:
    """A name on one line: line breaks and tabs in it would draw lines that nobody said."""
    return " ".join(text.split()) if text else ""
