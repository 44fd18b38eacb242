"""The smallest clients of the two edges, for benchmarks: what they take of the processor is taken from the measured.

:class:`WebSocket` is the client's end of a WebSocket, written straight to the transport. :class:`Tab` speaks the live
channel of the collector, :class:`Console` Socket.IO on the gateway's default mount. Both call back for each event and
give the answer to what was asked as a future; nothing else is kept. Frames of views are counted and not decoded.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import uuid
from collections.abc import Callable
from typing import Any, cast

import msgspec

ORIGIN = "https://shop.example"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BROWSER = f"Origin: {ORIGIN}\r\nUser-Agent: {AGENT}\r\n"
ASK_S = 10.0

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
Event = dict[str, Any]


class WebSocket(asyncio.Protocol):
    """One connection. `on_text` gets each text message."""

    def __init__(self, path: str, on_text: Callable[[bytes], None], headers: str = "") -> None:
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed = False
        self._path = path
        self._on_text = on_text
        self._headers = headers
        self._received = bytearray()
        self._upgraded = False

    async def connect(self, port: int, address: str = "127.0.0.1") -> None:
        """Open it, from the loopback address `address`."""
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", port, local_addr=(address, 0))
        await self.open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\n{self._headers}"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """A benchmark's servers close nothing."""
        self.closed = True
        if not self.open.done():
            self.open.set_exception(exc or ConnectionError("closed"))

    def data_received(self, data: bytes) -> None:
        """Take the frames that are complete. A server's frames are not masked."""
        received = self._received
        received += data
        if not self._upgraded:
            end = received.find(b"\r\n\r\n")
            if end < 0:
                return
            if not received.startswith(b"HTTP/1.1 101"):
                self.open.set_exception(ConnectionError(received[:200].decode("latin-1")))
                return
            del received[: end + 4]
            self._upgraded = True
            self.open.set_result(None)
        at = 0
        while (frame := _frame(received, at)) is not None:
            opcode, start, at = frame
            if opcode == 1:
                self._on_text(bytes(received[start:at]))
            elif opcode == 9:
                self.send(bytes(received[start:at]), opcode=10)
        del received[:at]

    def send(self, payload: bytes, opcode: int = 1) -> None:
        """One frame, masked with zeros."""
        size = len(payload)
        if size < 126:
            head = bytes((128 | opcode, 128 | size))
        elif size < 65536:
            head = bytes((128 | opcode, 254)) + size.to_bytes(2, "big")
        else:
            head = bytes((128 | opcode, 255)) + size.to_bytes(8, "big")
        self._transport.write(head + b"\0\0\0\0" + payload)

    def close(self) -> None:
        """Gone."""
        self._transport.abort()


def _frame(received: bytearray, at: int) -> tuple[int, int, int] | None:
    """Opcode, start and end of the payload of the frame at `at`, if all of it is there."""
    if len(received) < at + 2:
        return None
    size, start = received[at + 1], at + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        size, start = int.from_bytes(received[start : start + width], "big"), start + width
    return (received[at] & 15, start, start + size) if len(received) >= start + size else None


class _Asking:
    """Questions that wait for their answer."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Event]] = {}

    def expect(self) -> tuple[str, asyncio.Future[Event]]:
        """A new id, and its answer."""
        ident = str(next(self._numbers))
        answer = self._waiting[ident] = asyncio.get_running_loop().create_future()
        return ident, answer

    def answered(self, ident: str, answer: Event) -> None:
        """Give it to who asked; nobody need be waiting."""
        waiter = self._waiting.pop(ident, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)


class Tab:
    """A visitor's tab on the live channel. `heard` is called with each message that answers nothing."""

    def __init__(self, site: str) -> None:
        self.site, self.visitor, self.tab = site, str(uuid.uuid4()), str(uuid.uuid4())
        self.heard: Callable[[Event], None] = lambda _event: None
        self._asking = _Asking()
        self._socket = WebSocket("/v1/live", self._text, BROWSER)
        self._pages = 0

    async def connect(self, port: int, address: str = "127.0.0.1") -> None:
        """Open the channel and say hello."""
        await self._socket.connect(port, address)
        await self.ask("hello", site=self.site, visitor=self.visitor, tab=self.tab)

    def _text(self, text: bytes) -> None:
        message = _decode(text)
        if message["type"] in ("ok", "error"):
            self._asking.answered(message["id"], message)
        else:
            self.heard(message)

    def say(self, kind: str, **fields: Any) -> asyncio.Future[Event]:
        """Send a message now; the answer comes as a future that need not be waited for."""
        ident, answer = self._asking.expect()
        self._socket.send(_encode({"type": kind, "id": ident, **fields}))
        return answer

    async def ask(self, kind: str, **fields: Any) -> Event:
        """The answer, which must be ok."""
        async with asyncio.timeout(ASK_S):
            answer = await self.say(kind, **fields)
        if answer["type"] != "ok":
            raise RuntimeError(f"{kind}: {answer}")
        return answer

    def view(self, number: int) -> asyncio.Future[Event]:
        """Turn to another page."""
        self._pages += 1
        at = self._pages * 1000
        event = {
            "type": "page",
            "page": str(uuid.uuid4()),
            "n": self._pages,
            "at": at,
            "url": f"{ORIGIN}/products/{number}?size=42",
            "title": f"Blue shoes, number {number}",
            "engaged_ms": 0,
        }
        return self.say("events", sent=at, events=[event])

    def close(self) -> None:
        """Gone."""
        self._socket.close()


class Console:
    """An operator's console. `heard` is called with the name and content of each event but those of views."""

    def __init__(self, operator: str, token: str) -> None:
        self.operator, self.token = operator, token
        self.heard: Callable[[str, Event], None] = lambda _name, _event: None
        self.deltas = 0
        self._asking = _Asking()
        self._socket = WebSocket("/socket.io/?EIO=4&transport=websocket", self._text)
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self, port: int) -> None:
        """Connect and wait until the server says ready."""
        await self._socket.connect(port)
        async with asyncio.timeout(ASK_S):
            await self._ready

    def _text(self, text: bytes) -> None:
        if text.startswith(b'42["view:'):
            self.deltas += 1
        elif text.startswith(b"42"):
            name, event = _decode(text[2:])
            if name == "ready":
                self._ready.set_result(None)
            self.heard(name, event)
        elif text.startswith(b"43"):
            end = text.index(b"[")
            self._asking.answered(text[2:end].decode(), _decode(text[end:])[0])
        elif text.startswith(b"0"):
            self._socket.send(b"40" + _encode({"token": self.token}))
        elif text == b"2":
            self._socket.send(b"3")
        elif text.startswith(b"44"):
            self._ready.set_exception(ConnectionError(text.decode()))

    def say(self, event: str, **fields: Any) -> asyncio.Future[Event]:
        """Send an event now; the ack comes as a future that need not be waited for."""
        number, answer = self._asking.expect()
        self._socket.send(b"42" + number.encode() + _encode([event, fields]))
        return answer

    async def ask(self, event: str, **fields: Any) -> Event:
        """The ack, which must be ok."""
        async with asyncio.timeout(ASK_S):
            answer = await self.say(event, **fields)
        if not answer["ok"]:
            raise RuntimeError(f"{event}: {answer}")
        return answer

    def close(self) -> None:
        """Gone."""
        self._socket.close()
