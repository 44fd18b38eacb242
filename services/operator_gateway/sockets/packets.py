"""What a client's Socket.IO packet may be. Everything else is a bad packet, and a few of those close the connection.

Only CONNECT, DISCONNECT, EVENT and ACK come in. Binary attachments are refused (no event has any, and the library keeps
them without a bound), so are msgpack's extension types and raw bytes. A lone surrogate, which no UTF-8 text can
hold, becomes U+FFFD. Read :func:`decode`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal, NamedTuple

import msgpack  # type: ignore[import-untyped]

from services.operator_gateway.sockets.frames import Dialect

MAX_DEPTH = 16  # the deepest request needs 4
MAX_NAME = 64
MAX_PACKET_ID = 2**53 - 1
_SURROGATES = re.compile("[\ud800-\udfff]")
_TEXT_PACKET = re.compile(r"([0-6])(?:(/[^,?]{0,64})(?:\?[^,]{0,256})?(?:,|$))?(\d{0,16})(.*)", re.DOTALL)

Kind = Literal["connect", "disconnect", "event", "ack"]
_KINDS: dict[int, Kind] = {0: "connect", 1: "disconnect", 2: "event", 3: "ack"}


class BadPacket(Exception):
    """Not something that a client in order sends; the reason is for the log and names nothing of the content."""


class Incoming(NamedTuple):
    """A decoded packet. `data` is clean: dict, list, str, int, float, bool and None only."""

    kind: Kind
    namespace: str
    id: int | None
    data: Any


def decode(dialect: Dialect, raw: str | bytes) -> Incoming:
    """The packet in `raw`. Raises BadPacket, and nothing else whatever `raw` is."""
    try:
        return _decode_text(raw) if dialect == "json" else _decode_msgpack(raw)
    except BadPacket:
        raise
    except (ValueError, TypeError, RecursionError, OverflowError, UnicodeError, msgpack.UnpackException) as error:
        raise BadPacket(type(error).__name__) from error


def _decode_text(raw: str | bytes) -> Incoming:
    if not isinstance(raw, str):
        raise BadPacket("binary")
    match = _TEXT_PACKET.fullmatch(raw)
    if match is None:
        raise BadPacket("syntax")
    kind, namespace, packet_id, body = match.groups()
    data = json.loads(body, parse_constant=_no_constant) if body else None
    return _checked(int(kind), namespace or "/", int(packet_id) if packet_id else None, data)


def _no_constant(_name: str) -> None:
    raise BadPacket("constant")  # NaN and Infinity are not JSON


def _decode_msgpack(raw: str | bytes) -> Incoming:
    if not isinstance(raw, bytes):
        raise BadPacket("text")
    packet = msgpack.unpackb(raw, ext_hook=_no_extension, unicode_errors="replace", strict_map_key=True)
    if not isinstance(packet, dict) or type(packet.get("type")) is not int:
        raise BadPacket("shape")
    namespace, packet_id = packet.get("nsp"), packet.get("id")
    if not isinstance(namespace, str) or not (packet_id is None or type(packet_id) is int):
        raise BadPacket("shape")
    return _checked(packet["type"], namespace, packet_id, packet.get("data"))


def _no_extension(_code: int, _data: bytes) -> None:
    raise BadPacket("extension")


def _checked(number: int, namespace: str, packet_id: int | None, data: Any) -> Incoming:
    kind = _KINDS.get(number)
    if kind is None:
        raise BadPacket("binary" if number in (5, 6) else "kind")
    if packet_id is not None and not 0 <= packet_id <= MAX_PACKET_ID:
        raise BadPacket("id")
    if kind == "event" and not (
        isinstance(data, list) and data and isinstance(data[0], str) and len(data[0]) <= MAX_NAME
    ):
        raise BadPacket("event")
    return Incoming(kind, namespace, packet_id, _clean(data, MAX_DEPTH))


def _clean(value: Any, depth: int) -> Any:
    if depth == 0:
        raise BadPacket("depth")
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {_clean(name, depth - 1): _clean(item, depth - 1) for name, item in value.items()}
    raise BadPacket("type")
