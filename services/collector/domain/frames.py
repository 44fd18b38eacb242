"""From a text frame of the live channel to a message, or to the error that answers it. Read :func:`read_frame`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, get_args

import msgspec
from msgspec import Meta, Struct

from services.collector.domain.body import Readable, checked_text, decoded, read_events, refusal_of
from services.collector.domain.refusals import Refusal
from shared.contracts.ids import ClientId, DurationMs, SiteKey, Uuid
from shared.contracts.tracking import MAX_BODY_BYTES, MAX_EVENTS, Batch, Event, Hello, LiveEvents
from shared.contracts.visitor_chat import VisitorMessage


class _TypedEvents(Struct, frozen=True, tag="events"):
    """`events` whose events are all valid: one decode, the usual case."""

    id: ClientId
    sent: DurationMs
    events: Annotated[tuple[Event, ...], Meta(min_length=1, max_length=MAX_EVENTS)]


class _Any(Struct, frozen=True):
    """What can be told of a frame that is not understood."""

    id: ClientId = ""
    type: str = ""


_CHAT_TYPES: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(VisitorMessage))
_Usual = Hello | _TypedEvents | VisitorMessage
_decode_message: Callable[[bytes], VisitorMessage] = msgspec.json.Decoder(VisitorMessage).decode
_decode_events: Callable[[bytes], _TypedEvents] = msgspec.json.Decoder(_TypedEvents).decode
_decode_usual: Callable[[bytes], _Usual] = msgspec.json.Decoder(_Usual).decode


class EventsFrame(Struct, frozen=True):
    """A readable `events` message."""

    id: str
    sent: int
    events: tuple[Event, ...]
    readable: Readable


class BadFrame(Struct, frozen=True):
    """A frame that is answered with an error; `id` is empty where it could not be read.

    `nonsense`: no tracker would send this; a few of them end the channel. What a person typed is never that.
    """

    id: str
    refusal: Refusal
    nonsense: bool = True


def read_frame(frame: bytes, site: SiteKey, tab: Uuid) -> Hello | EventsFrame | VisitorMessage | BadFrame:
    """What a frame says. `site` and `tab` are the channel's own, for `events`. Never raises for input."""
    text = checked_text(frame)
    if isinstance(text, Refusal):
        return BadFrame("", text)
    try:
        message = _decode_usual(text)
    except msgspec.ValidationError:
        return _read_unusual(text, site, tab)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return BadFrame("", Refusal("not_json"))
    if not isinstance(message, _TypedEvents):
        return message
    if len(frame) > MAX_BODY_BYTES:
        return BadFrame(message.id, Refusal("too_large"))
    head = Batch(site, tab, message.sent, message.events)
    return EventsFrame(message.id, message.sent, message.events, Readable(head, message.events))


def read_usual_events(frame: bytes, site: SiteKey, tab: Uuid) -> EventsFrame | None:
    """`events` that are all valid; None for any other frame, which :func:`read_frame` reads again."""
    text = checked_text(frame)
    if isinstance(text, Refusal) or len(frame) > MAX_BODY_BYTES:
        return None
    try:
        message = _decode_events(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    head = Batch(site, tab, message.sent, message.events)
    return EventsFrame(message.id, message.sent, message.events, Readable(head, message.events))


def _read_unusual(text: bytes, site: str, tab: str) -> EventsFrame | BadFrame:
    """`events` with some that are invalid, or a frame that is wrong as a whole."""
    known = decoded(text, _Any)
    if isinstance(known, Refusal):
        return BadFrame("", known)
    if known.type in _CHAT_TYPES:
        return BadFrame(known.id, wrong_message(text), nonsense=False)
    if known.type not in ("hello", "events"):
        # It may come from a tracker that is newer than this collector.
        return BadFrame(known.id, Refusal("unknown_type"), nonsense=False)
    if known.type == "hello":
        hello = decoded(text, Hello)
        return BadFrame(known.id, hello if isinstance(hello, Refusal) else Refusal("bad_frame"))
    if len(text) > MAX_BODY_BYTES:
        return BadFrame(known.id, Refusal("too_large"))
    message = decoded(text, LiveEvents)
    if isinstance(message, Refusal):
        return BadFrame(known.id, message)
    events, indexes, rejected = read_events(message.events)
    head = Batch(site, tab, message.sent, events)
    return EventsFrame(message.id, message.sent, events, Readable(head, events, indexes, rejected))


def read_message(text: bytes) -> VisitorMessage | Refusal:
    """A checked text as a message about chats. Never raises for input."""
    try:
        return _decode_message(text)
    except msgspec.ValidationError:
        return wrong_message(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refusal("not_json")


def wrong_message(text: bytes) -> Refusal:
    """Why a text is no message about chats."""
    known = decoded(text, _Any)
    if isinstance(known, Refusal):
        return known
    if known.type not in _CHAT_TYPES:
        return Refusal("unknown_type")
    wrong = refusal_of(text, _decode_message)
    is_long = any(error.code == "too_long" for error in wrong.errors)
    return Refusal("too_long", wrong.errors) if is_long else wrong
