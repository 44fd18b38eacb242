"""From a text frame of the live channel to a message, or to the error that answers it. Read :func:`read_frame`."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from services.collector.domain.body import Readable, checked_text, decoded, read_events
from services.collector.domain.refusals import Refusal
from shared.contracts.ids import ClientId, DurationMs, SiteKey, Uuid
from shared.contracts.tracking import MAX_EVENTS, Batch, Event, Hello, LiveEvents


class _TypedEvents(Struct, frozen=True, tag="events"):
    """`events` whose events are all valid: one decode, the usual case."""

    id: ClientId
    sent: DurationMs
    events: Annotated[tuple[Event, ...], Meta(min_length=1, max_length=MAX_EVENTS)]


class _Any(Struct, frozen=True):
    """What can be told of a frame that is not understood."""

    id: ClientId = ""
    type: str = ""


_KNOWN_TYPES: Final = frozenset({"hello", "events"})
_decode_usual = msgspec.json.Decoder(Hello | _TypedEvents).decode


class EventsFrame(Struct, frozen=True):
    """A readable `events` message."""

    id: str
    sent: int
    events: tuple[Event, ...]
    readable: Readable


class BadFrame(Struct, frozen=True):
    """A frame that is answered with an error; `id` is empty where it could not be read."""

    id: str
    refusal: Refusal


def read_frame(frame: bytes, site: SiteKey, tab: Uuid) -> Hello | EventsFrame | BadFrame:
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
    if isinstance(message, Hello):
        return message
    head = Batch(site, tab, message.sent, message.events)
    return EventsFrame(message.id, message.sent, message.events, Readable(head, message.events))


def _read_unusual(text: bytes, site: str, tab: str) -> EventsFrame | BadFrame:
    """`events` with some that are invalid, or a frame that is wrong as a whole."""
    known = decoded(text, _Any)
    if isinstance(known, Refusal):
        return BadFrame("", known)
    if known.type not in _KNOWN_TYPES:
        return BadFrame(known.id, Refusal("unknown_type"))
    if known.type == "hello":
        hello = decoded(text, Hello)
        return BadFrame(known.id, hello if isinstance(hello, Refusal) else Refusal("bad_frame"))
    message = decoded(text, LiveEvents)
    if isinstance(message, Refusal):
        return BadFrame(known.id, message)
    events, indexes, rejected = read_events(message.events)
    head = Batch(site, tab, message.sent, events)
    return EventsFrame(message.id, message.sent, events, Readable(head, events, indexes, rejected))
