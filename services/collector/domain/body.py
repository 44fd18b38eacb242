"""From the bytes of a request to a batch, or to the refusal that the contract gives for them. Read :func:`read_batch`.

The usual body costs one typed decode and three scans in C. Only when that decode fails is the envelope read by itself
and each event looked at alone, to say which ones are wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from services.collector.domain.refusals import Refusal
from shared.contracts.problems import FieldError
from shared.contracts.tracking import MAX_NESTING, Batch, Envelope, Event, Rejected
from shared.domain.field_errors import field_error

T = TypeVar("T")

_decode_batch = msgspec.json.Decoder(Batch).decode
_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_event = msgspec.json.Decoder(Event).decode

_ESCAPES: Final = re.compile(
    rb"\\\\"  # an escaped backslash: what follows it is text
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half of one
    rb"|(\\u0000)"
)
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_OTHERS: Final = bytes(set(range(256)) - set(b'[]{}"\\'))
_AS_ROUND: Final = bytes.maketrans(b"[{]}", b"(())")


class Readable(Struct, frozen=True):
    """A batch whose envelope is valid: its valid events with their numbers, and what was wrong with the others."""

    head: Batch | Envelope
    events: tuple[Event, ...]
    indexes: tuple[int, ...] | None = None  # None: all of them, in order
    rejected: tuple[Rejected, ...] = ()


def is_nested_too_deep(body: bytes) -> bool:
    """Whether a JSON text nests arrays and objects more than MAX_NESTING deep."""
    if body.count(b"{") + body.count(b"[") <= MAX_NESTING:
        return False  # the usual batch of one event
    skeleton = body.translate(_AS_ROUND, _OTHERS)
    if b"\\" not in skeleton:
        # Quotes that all vanish in neighbouring pairs belong to strings without brackets: the usual case.
        skeleton = skeleton.replace(b'""', b"")
    if b'"' in skeleton or b"\\" in skeleton:
        skeleton = _STRING.sub(b"", body).translate(_AS_ROUND, _OTHERS + b'"\\')
    for _ in range(MAX_NESTING):
        skeleton = skeleton.replace(b"()", b"")  # peels the innermost level
    return bool(skeleton)


def _escapes_resolved(body: bytes) -> bytes | None:
    """The body with lone surrogates replaced by U+FFFD, or None if it writes a NUL."""
    has_nul = False

    def replaced(match: re.Match[bytes]) -> bytes:
        nonlocal has_nul
        has_nul = has_nul or match[2] is not None
        return rb"\ufffd" if match[1] else match[0]

    resolved = _ESCAPES.sub(replaced, body)
    return None if has_nul else resolved


def checked_text(body: bytes) -> bytes | Refusal:
    """The body, safe to decode: UTF-8, no NUL, no lone surrogate, not nested too deep. Says nothing about its JSON."""
    if not body or body.isspace():
        return Refusal("empty")
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            return Refusal("encoding")
    if b"\x00" in body:
        return Refusal("nul")
    if b"\\u" in body:
        resolved = _escapes_resolved(body)
        if resolved is None:
            return Refusal("nul")
        body = resolved
    if is_nested_too_deep(body):
        return Refusal("nesting") if _is_json(body) else Refusal("not_json")
    return body


def _is_json(body: bytes) -> bool:
    """Whether it is JSON; what is too deep for the decoder itself counts as such."""
    try:
        msgspec.json.decode(body)
    except (RecursionError, msgspec.ValidationError):  # a number of thousands of digits is JSON, too
        return True
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def refusal_of(body: bytes, decode: Callable[[bytes], object]) -> Refusal:
    """Why `decode` does not take a checked body."""
    try:
        decode(body)
    except msgspec.ValidationError as error:
        return _invalid(body, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refusal("not_json")
    return Refusal("bad_frame")


def decoded(body: bytes, kind: type[T]) -> T | Refusal:
    """A checked body as `kind`, or the refusal with pointers."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        return _invalid(body, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refusal("not_json")


def _invalid(body: bytes, error: msgspec.ValidationError) -> Refusal:
    """422; or 400 if the rest of the text, which the decoder had not reached, is not JSON."""
    return Refusal("invalid", (field_error(str(error)),)) if _is_json(body) else Refusal("not_json")


def read_events(raws: tuple[Raw, ...]) -> tuple[tuple[Event, ...], tuple[int, ...], tuple[Rejected, ...]]:
    """The valid events, their numbers, and why the others are not."""
    events: list[Event] = []
    indexes: list[int] = []
    rejected: list[Rejected] = []
    for i, raw in enumerate(raws):
        try:
            events.append(_decode_event(raw))
            indexes.append(i)
        except msgspec.ValidationError as error:
            wrong = field_error(str(error))
            rejected.append(Rejected(i, wrong.pointer, wrong.code))
    return tuple(events), tuple(indexes), tuple(rejected)


def read_batch(body: bytes) -> Readable | Refusal:
    """What `POST /v1/e` carries. Never raises for input."""
    text = checked_text(body)
    if isinstance(text, Refusal):
        return text
    try:
        batch = _decode_batch(text)
    except msgspec.ValidationError as error:
        return _read_by_event(text, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refusal("not_json")
    return Readable(batch, batch.events)


def _read_by_event(text: bytes, error: msgspec.ValidationError) -> Readable | Refusal:
    whole = _invalid(text, error)
    if whole.code == "not_json":
        return whole
    try:
        envelope = _decode_envelope(text)
    except msgspec.ValidationError as envelope_error:
        return Refusal("invalid", (field_error(str(envelope_error)),))
    events, indexes, rejected = read_events(envelope.events)
    return Readable(envelope, events, indexes, rejected)


def pointer_error(pointer: str, code: str) -> Refusal:
    """422 for one field."""
    return Refusal("invalid", (FieldError(pointer, code),))
