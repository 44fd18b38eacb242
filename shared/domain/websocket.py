"""WebSocket frames as bytes (RFC 6455): made once for all who get the same, written straight to the transport."""

from __future__ import annotations

TEXT, BINARY = 0x1, 0x2


def websocket_frame(payload: bytes, opcode: int) -> bytes:
    """One unfragmented, unmasked server frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65_536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload
