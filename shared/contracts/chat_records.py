"""What chat-routing keeps about chats for others to read, beside transcripts and histories.

A desk line says what an operator has to do with one visitor now, a ban who may not ask for a chat, an inbox message
what a visitor left in the offline form.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from shared.contracts.chat import Actor, OfferMade, OfflineMessageLeft
from shared.contracts.rows import OperatorRef, Status


class DeskLine(Struct, frozen=True, omit_defaults=True):
    """A value of `dk:{T}:<site>:<operator>`, by visitor. `offer`: what the operator is asked; empty `chat`: no more
    than that."""

    status: Status
    chat: str = ""
    operators: tuple[OperatorRef, ...] = ()
    offer: OfferMade | None = None


class Ban(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value of `bn:{T}:<site>`, by visitor. Times are ms since the epoch."""

    until: int
    at: int
    by: Actor
    reason: str = ""
    name: str = ""


class DoneMessage(Struct, frozen=True, kw_only=True):
    """An entry of `ibd:{T}:<site>`: a message that an operator has dealt with. `id` is the one that it had."""

    id: str
    message: OfflineMessageLeft
    by: Actor
    at: int


decode_desk_line = msgspec.msgpack.Decoder(DeskLine).decode
decode_ban = msgspec.msgpack.Decoder(Ban).decode
decode_inbox_message = msgspec.msgpack.Decoder(OfflineMessageLeft).decode
decode_done_message = msgspec.msgpack.Decoder(DoneMessage).decode
