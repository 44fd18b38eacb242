"""What is sent is what the library's own clients read, and what is read never breaks the reader."""

from __future__ import annotations

import json
from typing import Any

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio.msgpack_packet import MsgPackPacket
from socketio.packet import Packet

from services.operator_gateway.sockets import frames, packets
from services.operator_gateway.sockets.frames import Dialect, Outgoing
from shared.contracts.operators import Done, ViewCheck, ViewDelta
from shared.domain.websocket import BINARY, websocket_frame

PAYLOADS = [
    ViewDelta(epoch="e", prev=1, seq=2),
    ViewDelta(epoch="e", prev=1, seq=2, total=0, counts={}, remove=("v",), update=(("w", 3, {"page": None}),),
              move=(("x", 1),)),
    ViewCheck(epoch="é", seq=9, checksum=2**32 - 1),
]  # fmt: skip


def read(dialect: Dialect, message: frames.Message) -> Any:
    """As a stock client reads it."""
    if dialect == "json":
        return Packet(encoded_packet=message.packet.decode())  # type: ignore[no-untyped-call]
    return MsgPackPacket(encoded_packet=message.packet)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("dialect", ["json", "msgpack"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_an_event_is_read_by_the_library_with_the_view_put_in(dialect: Dialect, payload: Any) -> None:
    outgoing = Outgoing("view:delta", payload)
    for view in ("list", 'a "quoted" ü', "x" * 64):
        packet = read(dialect, outgoing.message(dialect, view))
        name, body = packet.data
        assert (packet.packet_type, name, body.pop("view")) == (2, "view:delta", view)
        assert body == json.loads(json.dumps(_plain(payload)))


def _plain(payload: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(payload))


@pytest.mark.parametrize("dialect", ["json", "msgpack"])
def test_answers_are_read_by_the_library(dialect: Dialect) -> None:
    packet = read(dialect, frames.ack(dialect, 12, Done()))
    assert (packet.packet_type, packet.id, packet.data) == (3, 12, [{"ok": True}])
    packet = read(dialect, frames.connected(dialect, "s1"))
    assert (packet.packet_type, packet.data) == (0, {"sid": "s1"})
    packet = read(dialect, frames.refused(dialect, "unauthorized", "log in"))
    assert (packet.packet_type, packet.data["code"]) == (4, "unauthorized")
    assert read(dialect, frames.refused(dialect, "namespace", "no", "/x")).namespace == "/x"


def test_equal_receivers_share_one_frame() -> None:
    outgoing = Outgoing("view:delta", PAYLOADS[0])
    assert outgoing.message("json", "list") is outgoing.message("json", "list")
    assert outgoing.message("json", "list") is not outgoing.message("json", "other")
    assert outgoing.message("json", "list").frame() is outgoing.message("json", "list").frame()


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
def test_frames_have_the_length_that_they_say(size: int) -> None:
    frame = websocket_frame(b"x" * size, BINARY)
    assert frame[0] == 0x82
    header = {True: 2, False: 4 if size < 65_536 else 10}[size < 126]
    said = frame[1] if size < 126 else int.from_bytes(frame[2:header], "big")
    assert (said, len(frame) - header) == (size, size)


@given(st.text(max_size=200) | st.from_regex(r"[0-6](/[a-z]*,)?[0-9]{0,18}\[.{0,40}", fullmatch=True))
def test_no_text_breaks_the_decoder(raw: str) -> None:
    _either("json", raw)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    st.binary(max_size=200)
    | st.fixed_dictionaries({}, optional={"type": values, "nsp": values, "id": values, "data": values}).map(
        msgpack.packb
    )
)
def test_no_bytes_break_the_decoder(raw: bytes) -> None:
    _either("msgpack", raw)


def _either(dialect: Dialect, raw: str | bytes) -> None:
    try:
        packet = packets.decode(dialect, raw)
    except packets.BadPacket:
        return
    assert packet.kind in ("connect", "disconnect", "event", "ack")
    json.dumps(packet.data).encode()
