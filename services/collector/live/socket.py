"""The WebSocket of a live channel: aiohttp's, whose messages can be taken the moment they arrive.

Waiting for a message in a task costs a future and a turn of the event loop, as much as carrying out a batch of events.
So a message that arrives while the channel waits for one is offered to `take` first, inside the read itself; what is
not taken there goes aiohttp's ordinary way. Read :meth:`LiveSocket._post_start`: it is aiohttp's own, with another
queue and a cheaper heartbeat, and the one place here that knows aiohttp's inside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader

from shared.domain.websocket import TEXT, websocket_frame

QUEUE_BYTES = 64 * 1024  # messages of a channel that wait; with more of them its connection is not read, as in aiohttp

Take = Callable[[bytes], bool]


class _Offering(WebSocketDataQueue):
    """Offers a text message to the socket before it is queued. Must not raise: the parser is compiled code."""

    __slots__ = ("_socket",)

    def __init__(self, socket: LiveSocket, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(protocol, QUEUE_BYTES, loop=loop)
        self._socket = socket

    def feed_data(self, data: Any, size: int) -> None:
        if data[0] is not WSMsgType.TEXT or self._buffer or not self._socket.take_now(data[1]):
            super().feed_data(data, size)


class LiveSocket(web.WebSocketResponse):
    """A server's WebSocket without compression. `take` says whether it has dealt with a message; it must not raise."""

    def __init__(self, take: Take, *, timeout_s: float, heartbeat_s: float, max_size: int) -> None:
        super().__init__(
            timeout=timeout_s,
            heartbeat=heartbeat_s,
            compress=False,  # deflate costs 100 KiB a connection and saves nothing on frames this small
            max_msg_size=max_size + 1,  # aiohttp refuses what is as long as this
            decode_text=False,
        )
        self._take = take
        self._max_size = max_size
        self._every_s = heartbeat_s

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: Any) -> None:
        self._ws_protocol = protocol
        self._writer = writer
        self._reset_heartbeat()
        assert self._loop is not None  # noqa: S101 - set before this is called
        self._reader = _Offering(self, request.protocol, self._loop)
        self._parser = WebSocketReader(self._reader, self._max_size + 1, compress=False, decode_text=False)
        request.protocol.set_parser(self._parser, data_received_cb=self._heard)
        request.protocol.keep_alive(False)

    def _heard(self) -> None:
        """Something arrived: the next ping is due later. A timer that is set already is left to find that out."""
        if self._closed or self._closing:
            return  # a timer set now would keep the channel in memory until it fires
        if self._heartbeat_cb is None or self._pong_response_cb is not None:
            self._reset_heartbeat()
        elif self._loop is not None:
            self._heartbeat_when = self._loop.time() + self._every_s

    def take_now(self, message: bytes) -> bool:
        """Offer a message, if the channel does nothing but wait for one."""
        return self._waiting and not self._closed and not self._closing and self._take(message)

    def write_text(self, message: bytes) -> None:
        """Write a text frame straight to the transport, or nowhere if the channel is over."""
        writer = self._writer
        if writer is not None and not self._closed and not writer.transport.is_closing():
            writer.transport.write(websocket_frame(message, TEXT))

    def backlog(self) -> int:
        """Bytes written and not read by the other end."""
        return 0 if self._writer is None else self._writer.transport.get_write_buffer_size()
