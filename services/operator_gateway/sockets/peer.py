"""One Engine.IO connection whose way out is bounded and whose end is noticed at once.

The library queues packets without a bound and hands them to a task for each connection. Here a WebSocket frame is
written straight to the transport, so that its buffer is the only queue: who fills it over a limit is cut off. Only
long-polling uses the library's queue, and that is bounded, too. Read :meth:`PeerSocket.write`, :meth:`PeerSocket.end`.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, NamedTuple

from aiohttp import WSMsgType, web
from engineio import exceptions, packet
from engineio.async_socket import AsyncSocket

from services.operator_gateway.sockets.frames import Message
from shared.domain.websocket import BINARY, TEXT, websocket_frame

SOFT_LIMIT_BYTES = 64 * 1024  # above it a connection is behind: it gets merged differences, and its requests wait
HARD_LIMIT_BYTES = 2 * 1024 * 1024  # two full windows of the longest rows: nobody in order gets there
MAX_QUEUED_PACKETS = 64  # long-polling: what may wait for the next poll
# The kernel would take some 4 MB for a reader that stopped, and all of it would be old news when it goes on.
KERNEL_BUFFER_BYTES = 128 * 1024
UPGRADE_DEADLINE_S = 10.0
CLOSE_DEADLINE_S = 2.0


class Ending(NamedTuple):
    """Why the server ends a connection: WebSocket close code (below 4500: come back) and a word for it."""

    code: int
    reason: str


GOING_AWAY = Ending(4001, "going_away")
SLOW = Ending(4002, "too_slow")
CONNECT_DEADLINE = Ending(4003, "connect_deadline")
PING_TIMEOUT = Ending(4004, "ping_timeout")
SESSION_OVER = Ending(4501, "session_over")
BAD_PACKETS = Ending(4502, "bad_packets")
REFUSED = Ending(4503, "refused")


class PeerSocket(AsyncSocket):
    """The library's connection with our transport, limits, clock and ending."""

    def __init__(self, server: Any, sid: str, address: str) -> None:
        self._queue: asyncio.Queue[packet.Packet | None] | None = None
        super().__init__(server, sid)
        self.address = address
        self.ending: Ending | None = None
        self._ws: web.WebSocketResponse | None = None
        self._transport: asyncio.Transport | None = None  # set when frames may be written to it
        self._open_transport: asyncio.Transport | None = None  # the same until the connection closes
        self._queued_bytes = 0
        self._handling = asyncio.Lock()

    # --- out ---

    @property
    def queue(self) -> asyncio.Queue[packet.Packet | None]:
        """What waits for a poll. Made when first used: its four deques weigh more than the rest of a connection."""
        if self._queue is None:
            self._queue = asyncio.Queue()
        return self._queue

    @queue.setter
    def queue(self, made: None) -> None:
        """The library's constructor sets what :meth:`Engine.create_queue` made."""
        self._queue = made

    @property
    def polling(self) -> bool:
        """Whether packets wait for the client's next poll."""
        return self._transport is None

    @property
    def pending_bytes(self) -> int:
        """What the client has not taken yet, as far as this process holds it."""
        return self._queued_bytes if self._transport is None else self._transport.get_write_buffer_size()

    @property
    def behind(self) -> bool:
        """Whether news should wait until the client has taken what is on its way."""
        if self._transport is None:
            return self._queued_bytes > 0 and self.queue.qsize() > 1
        return self._transport.get_write_buffer_size() > SOFT_LIMIT_BYTES

    def write(self, message: Message) -> None:
        """Send now. What a client does not take ends the connection instead of growing."""
        if self.closed or self.closing:
            return
        if self._transport is None:
            data = message.packet if message.dialect == "msgpack" else message.packet.decode()
            self._enqueue(packet.Packet(packet.MESSAGE, data=data), len(message.packet))
            return
        self._put(message.frame())

    def push(self, frame: bytes) -> bool:
        """Write a ready frame; False, and nothing is written, if the client is behind, polls or is gone.

        The way of all deltas, so it is short: no queue, no packet, one look at the transport's buffer.
        """
        transport = self._open_transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() + len(frame) > SOFT_LIMIT_BYTES:
            return False
        transport.write(frame)
        return True

    async def send(self, pkt: packet.Packet) -> None:
        """The library's own packets (open, ping, noop, close): by the same way."""
        if self.closed:
            raise exceptions.SocketIsClosedError
        encoded = pkt.encode(b64=False)
        if self._transport is None:
            self._enqueue(pkt, len(encoded))
        elif isinstance(encoded, str):
            self._put(websocket_frame(encoded.encode(), TEXT))
        else:
            self._put(websocket_frame(encoded, BINARY))

    def _put(self, frame: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(frame)
        if transport.get_write_buffer_size() > HARD_LIMIT_BYTES:
            self.abort(SLOW)

    def _enqueue(self, pkt: packet.Packet, size: int) -> None:
        if self.queue.qsize() >= MAX_QUEUED_PACKETS or self._queued_bytes + size > HARD_LIMIT_BYTES:
            self.abort(SLOW)
            return
        self._queued_bytes += size
        self.queue.put_nowait(pkt)

    async def poll(self) -> list[packet.Packet]:
        """What a poll takes: everything that waits."""
        packets: list[packet.Packet] = await super().poll()
        self._queued_bytes = 0
        return packets

    # --- in ---

    async def receive(self, pkt: packet.Packet) -> None:
        """One packet at a time, also when a client posts several bodies at once."""
        async with self._handling:
            if self.closed:
                raise exceptions.SocketIsClosedError
            match pkt.packet_type:
                case packet.MESSAGE:
                    await self.server.message(self, pkt.data)
                case packet.PONG:
                    self.server.heard(self)
                case packet.CLOSE:
                    await self.close(wait=False, abort=True, reason=self.server.reason.CLIENT_DISCONNECT)
                case packet.UPGRADE:
                    pass  # ends a probe; here it comes too late or too early
                case _:
                    raise exceptions.UnknownPacketError

    async def handle_post_request(self, environ: dict[str, Any]) -> None:
        """A long-polling body; one that makes no sense is a bad packet."""
        try:
            packets = self.server.decode_payload(await self.server.read_body(environ["aiohttp.request"]))
        except (ValueError, KeyError, IndexError, RecursionError):
            await self.server.bad_packet(self, "payload")
            return
        for pkt in packets:
            await self._receive_checked(pkt)

    async def _receive_checked(self, pkt: packet.Packet) -> None:
        try:
            await self.receive(pkt)
        except exceptions.UnknownPacketError:
            await self.server.bad_packet(self, "engine")
        except exceptions.SocketIsClosedError:
            pass  # it closed while this packet waited for its turn

    # --- WebSocket ---

    async def _websocket_handler(self, ws: Any) -> None:
        """A polling client moves to WebSocket."""
        if not await self._upgrade(ws.response):
            return
        self.begin(ws.response, ws.request.transport)
        self._flush_queue()
        try:
            await self.read_messages(ws.response)
        finally:
            await self.close(wait=False, abort=True, reason=self.server.reason.TRANSPORT_CLOSE)

    def begin(self, ws: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        """From here on frames are written to `transport`."""
        self._ws = ws
        self.connected = self.upgraded = True
        if transport is not None:
            _bound_kernel_buffer(transport)
            self._transport = self._open_transport = transport

    async def _upgrade(self, ws: web.WebSocketResponse) -> bool:
        """The probe by which a polling client moves to WebSocket."""
        self.upgrading = True
        try:
            async with asyncio.timeout(UPGRADE_DEADLINE_S):
                if await ws.receive_str() != "2probe":
                    return False
                await ws.send_str("3probe")
                self.queue.put_nowait(packet.Packet(packet.NOOP))  # ends the poll under way
                if await ws.receive_str() != "5":
                    return False
        except (TypeError, ValueError, TimeoutError, ConnectionError):
            return False
        finally:
            self.upgrading = False
        self.upgraded = True
        return True

    def _flush_queue(self) -> None:
        """What was queued for a poll goes first."""
        while not self.queue.empty():
            pkt = self.queue.get_nowait()
            self.queue.task_done()
            if pkt is None or pkt.packet_type == packet.NOOP:
                continue
            encoded = pkt.encode(b64=False)
            payload = encoded.encode() if isinstance(encoded, str) else encoded
            self._put(websocket_frame(payload, TEXT if isinstance(encoded, str) else BINARY))
        self._queued_bytes = 0
        self._queue = None

    async def read_messages(self, ws: web.WebSocketResponse) -> None:
        """Until the connection ends."""
        while not self.closed:
            message = await ws.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                _untie(ws.exception())
                return
            try:
                pkt = packet.Packet(encoded_packet=message.data)
            except (ValueError, TypeError, RecursionError):
                await self.server.bad_packet(self, "engine")
                continue
            await self._receive_checked(pkt)
            await self._until_taken()

    async def _until_taken(self) -> None:
        """Who does not read answers asks no more questions."""
        if self.behind:
            await asyncio.sleep(0)  # what was just written may only wait for the loop's next turn
        while self._transport is not None and self.behind and not self.closed:  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0.05)

    # --- pings: the server's timer looks after all connections ---

    def ping(self) -> None:
        """Ask whether anybody is there."""
        if self.closed or self.closing:
            return
        if self._transport is None:
            self._enqueue(packet.Packet(packet.PING), 1)
        else:
            self._put(websocket_frame(b"2", TEXT))

    def schedule_ping(self) -> None:
        """The library's pings are not used."""

    async def check_ping_timeout(self) -> bool:
        """The library asks before it sends; the server's timer has the answer."""
        return not self.closed

    # --- the end ---

    def abort(self, ending: Ending) -> None:
        """Cut the connection: for one that does not read, or is not there any more."""
        self.ending = self.ending or ending
        transport = self._transport
        if transport is not None:
            transport.abort()  # the read loop ends with it and closes
        else:
            self.server.spawn(self.close(wait=False, abort=True))

    async def end(self, ending: Ending) -> None:
        """Close with a reason. The disconnect is told at once; the client gets a moment to hear why."""
        if self.closed or self.closing:
            return
        self.ending = self.ending or ending
        ws = self._ws if self._transport is not None else None
        if ws is None:
            await self.close(wait=False, abort=False)
            return
        await self.close(wait=False, abort=True)
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await ws.close(code=ending.code, message=ending.reason.encode())
        if self._transport is not None:
            self._transport.abort()

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """As in the library, but timers stop and a poll that waits is let go."""
        self._open_transport = None
        already = self.closed or self.closing
        await super().close(wait=False, abort=abort, reason=reason)
        if not already:
            if self._queue is not None:
                self._queue.put_nowait(None)
            self.server.forget(self)


def _untie(error: BaseException | None) -> None:
    """Let go of what an exception that a WebSocket keeps has seen: its frames, which hold the WebSocket.

    Else each connection that was cut would wait for a full garbage collection, which is dear here
    (:mod:`shared.runtime.garbage`).
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


def _bound_kernel_buffer(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER_BYTES)
