"""The listening side of a public edge: connections are counted, capped and kept to deadlines.

A connection is *fresh* until its first request has arrived and *idle* between two requests. Both have a deadline. When
a cap is reached, the connection that has waited longest without a request makes room: so a flood of connections that
never ask for anything costs a newcomer nothing. What is said to broken HTTP is the service's (:class:`Voice`). Read
:meth:`EdgeServer.connection_made`; :class:`EdgeRunner` puts it under a whole application.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from shared.domain.peers import TrustedProxies, limit_key, parse_address

HEADROOM = 200  # descriptors for Redis, files and the admin port
IDLE_S = 75.0  # above the 60 s after which common balancers drop an idle connection themselves
LINGER_S = 2.0  # how long the rest of a refused body is read away, so that the answer is not lost to a reset
SWEEP_S = 1.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Voice(Protocol):
    """What a service says to connections that never become a request, and what it counts of them."""

    def connected(self, change: int) -> None:
        """One connection more (1) or less (-1)."""
        ...

    def dropped(self, reason: str) -> None:
        """A limit closed a connection."""
        ...

    def broken(self, status: int) -> web.Response:
        """The answer to what is not valid HTTP."""
        ...

    def late(self) -> bytes:
        """A whole 408 for a request whose header never came to its end."""
        ...


@dataclass(frozen=True, kw_only=True)
class EdgeLimits:
    """`total` and `per_address` are caps, `header_s` is the deadline of a first request."""

    trusted: TrustedProxies
    total: int
    per_address: int
    header_s: float


def descriptors() -> int:
    """How many connections this process can hold; takes the system's hard limit first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard and hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(1, soft - HEADROOM)


class _Connection(RequestHandler):
    """aiohttp's connection, with our way of answering what is not valid HTTP."""

    __slots__ = ("_voice",)

    def __init__(self, server: EdgeServer, voice: Voice, **options: Any) -> None:
        super().__init__(server, **options)
        self._voice = voice

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to broken HTTP; the edge itself catches everything else."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        answer = self._voice.broken(status)
        answer.force_close()
        return answer


class EdgeServer(web.Server):
    """aiohttp's low-level server under our limits. Whoever handles requests calls :meth:`begin` and :meth:`end`."""

    def __init__(self, handler: Handler, voice: Voice, limits: EdgeLimits, **options: Any) -> None:
        self._options: dict[str, Any] = {
            "keepalive_timeout": IDLE_S + 2 * SWEEP_S,  # ours comes first and tells
            "lingering_time": LINGER_S,
            "access_log": None,
            "logger": logging.getLogger("foyer.http"),
            **options,
        }
        super().__init__(handler)
        self._voice = voice
        self._limits = limits
        self._peers: dict[RequestHandler, str] = {}
        self._by_address: Counter[str] = Counter()
        # Since when each waits; insertion order is waiting order.
        self._fresh: dict[RequestHandler, float] = {}
        self._idle: dict[RequestHandler, float] = {}

    def __call__(self) -> RequestHandler:
        """aiohttp calls this for each accepted connection."""
        return _Connection(self, self._voice, loop=self._loop, **self._options)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count the connection in; make room or turn it away when a cap is reached."""
        super().connection_made(handler, transport)
        peer = transport.get_extra_info("peername")
        address = parse_address(peer[0]) if isinstance(peer, tuple) else None
        key = limit_key(address)
        self._peers[handler] = key
        self._by_address[key] += 1
        self._voice.connected(1)
        if len(self._peers) > self._limits.total:
            self._make_room(handler, None)
        elif self._by_address[key] > self._limits.per_address and not self._limits.trusted.trusts(address):
            self._make_room(handler, key)
        else:
            self._fresh[handler] = self._loop.time()
            return
        if handler in self._peers:
            self._fresh[handler] = self._loop.time()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Count the connection out."""
        super().connection_lost(handler, exc)
        self._forget(handler)

    def _forget(self, handler: RequestHandler) -> None:
        self._fresh.pop(handler, None)
        self._idle.pop(handler, None)
        key = self._peers.pop(handler, None)
        if key is None:
            return
        self._voice.connected(-1)
        self._by_address[key] -= 1
        if not self._by_address[key]:
            del self._by_address[key]

    def _make_room(self, newcomer: RequestHandler, key: str | None) -> None:
        """Drop who has waited longest (of `key`, if given), or else the newcomer."""
        for waiting in (self._fresh, self._idle):
            for handler in waiting:
                if key is None or self._peers.get(handler) == key:
                    self._drop(handler, "no_room")
                    return
        self._drop(newcomer, "full" if key is None else "address_full")

    def _drop(self, handler: RequestHandler, reason: str) -> None:
        self._voice.dropped(reason)
        self._forget(handler)
        if handler.transport is not None:
            handler.transport.close()

    def begin(self, request: web.BaseRequest) -> None:
        """A request of this connection has arrived."""
        protocol = request.protocol
        if self._idle.pop(protocol, None) is None:
            self._fresh.pop(protocol, None)

    def end(self, request: web.BaseRequest) -> None:
        """Its handler is done; the connection waits for the next one."""
        protocol = request.protocol
        if protocol in self._peers:
            self._idle[protocol] = self._loop.time()

    async def sweep(self) -> None:
        """Close the connections that waited too long, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self._loop.time()
            for handler in _expired(self._fresh, now - self._limits.header_s):
                if handler.transport is not None:
                    handler.transport.write(self._voice.late())
                self._drop(handler, "slow_header")
            for handler in _expired(self._idle, now - IDLE_S):
                self._drop(handler, "idle")


def _expired(waiting: dict[RequestHandler, float], before: float) -> list[RequestHandler]:
    expired = []
    for handler, since in waiting.items():
        if since > before:
            break
        expired.append(handler)
    return expired


class EdgeRunner(web.AppRunner):
    """Runs an application behind an :class:`EdgeServer`."""

    def __init__(self, app: web.Application, voice: Voice, limits: EdgeLimits, **options: Any) -> None:
        super().__init__(app, access_log=None, handle_signals=False, **options)
        self._voice = voice
        self._limits = limits
        self._sweeping: asyncio.Task[None] | None = None

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            edge.begin(request)
            try:
                return await plain.request_handler(request)
            finally:
                edge.end(request)

        edge = EdgeServer(handle, self._voice, self._limits)
        edge.request_factory = plain.request_factory
        self._sweeping = asyncio.create_task(edge.sweep(), name="edge-sweep")
        return edge

    async def cleanup(self) -> None:
        """As an application's runner."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        await super().cleanup()
