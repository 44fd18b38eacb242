"""Events as the bytes that go over the wire, made once for everyone who gets the same.

A connection speaks one of two dialects: `json` (Socket.IO's default parser, WebSocket text frames or long-polling
packets) or `msgpack` (binary frames). The encoded event is the same for all connections of a dialect but for the name
of the view, which each client chose itself; it is put in between. Read :class:`Outgoing` first.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from shared.domain.websocket import BINARY, TEXT, websocket_frame

Dialect = Literal["json", "msgpack"]

MAX_FIXMAP = 15

_json = msgspec.json.Encoder().encode
_msgpack = msgspec.msgpack.Encoder().encode


class Message:
    """One Socket.IO packet in one dialect, ready for either transport."""

    __slots__ = ("_frame", "dialect", "packet")

    def __init__(self, dialect: Dialect, packet: bytes) -> None:
        self.dialect = dialect
        self.packet = packet  # what an Engine.IO message packet carries
        self._frame: bytes | None = None

    def frame(self) -> bytes:
        """As a WebSocket frame; made once."""
        if self._frame is None:
            if self.dialect == "json":
                self._frame = websocket_frame(b"4" + self.packet, TEXT)
            else:
                self._frame = websocket_frame(self.packet, BINARY)
        return self._frame


class Outgoing:
    """An event for many connections. `for_view` names the view as the receiving client calls it.

    Each dialect's body is encoded when the first connection needs it, each distinct view name adds one concatenation.
    """

    __slots__ = ("_bodies", "_event", "_messages", "_payload")

    def __init__(self, event: str, payload: Any) -> None:
        self._event = event
        self._payload = payload
        self._bodies: dict[Dialect, bytes] = {}
        self._messages: dict[tuple[Dialect, str | None], Message] = {}

    def message(self, dialect: Dialect, for_view: str | None = None) -> Message:
        """The packet for one connection; the same object for all that get the same."""
        found = self._messages.get((dialect, for_view))
        if found is None:
            found = self._messages[dialect, for_view] = self._build(dialect, for_view)
        return found

    def _build(self, dialect: Dialect, view: str | None) -> Message:
        body = self._bodies.get(dialect)
        if body is None:
            body = self._bodies[dialect] = _json(self._payload) if dialect == "json" else _msgpack(self._payload)
        if dialect == "json":
            if view is not None:
                body = b'{"view":' + _json(view) + b"," + body[1:]
            return Message("json", b"2[" + _json(self._event) + b"," + body + b"]")
        if view is not None:
            fields = body[0] & 0x0F
            if body[0] & 0xF0 != 0x80 or fields >= MAX_FIXMAP:
                raise ValueError("a body that gets a view's name has 1 to 14 fields")
            body = bytes((0x80 | (fields + 1),)) + _msgpack("view") + _msgpack(view) + body[1:]
        return Message("msgpack", _EVENT_HEAD + _msgpack(self._event) + body + _NAMESPACE)


# A packet of socket.io-msgpack-parser is the map {type, data, nsp} (with an ack id: {type, data, id, nsp}).
_NAMESPACE = _msgpack("nsp") + _msgpack("/")
_EVENT_HEAD = b"\x83" + _msgpack("type") + _msgpack(2) + _msgpack("data") + b"\x92"


def ack(dialect: Dialect, packet_id: int, answer: Any) -> Message:
    """The acknowledgement of a client's packet."""
    if dialect == "json":
        return Message("json", b"3%d[" % packet_id + _json(answer) + b"]")
    return Message("msgpack", _msgpack({"type": 3, "data": [answer], "id": packet_id, "nsp": "/"}))


def connected(dialect: Dialect, sid: str) -> Message:
    """The answer to a CONNECT that was let in."""
    if dialect == "json":
        return Message("json", b"0" + _json({"sid": sid}))
    return Message("msgpack", _msgpack({"type": 0, "data": {"sid": sid}, "nsp": "/"}))


def refused(dialect: Dialect, code: str, message: str, namespace: str = "/") -> Message:
    """The answer to a CONNECT that was not. `code` also under `data`, where JavaScript clients look for it."""
    data = {"code": code, "message": message, "data": {"code": code}}
    if dialect == "json":
        prefix = b"4" if namespace == "/" else b"4" + namespace.encode() + b","
        return Message("json", prefix + _json(data))
    return Message("msgpack", _msgpack({"type": 4, "data": data, "nsp": namespace}))
