"""The listening side: connections are counted, capped and kept to deadlines; broken HTTP is answered like any error.

A connection is *fresh* until its first request has arrived and *idle* between two requests. Both have a deadline. When
a cap is reached, the connection that has waited longest without a request makes room: so a flood of connections that
never ask for anything costs a newcomer nothing. Read :meth:`EdgeServer.connection_made`.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from services.collector.domain.refusals import Refusal
from services.collector.http.answers import problem, problem_parts
from services.collector.outcomes import Outcomes
from shared.domain.peers import TrustedProxies, limit_key, parse_address

HEADROOM = 200  # descriptors for Redis, files and the admin port
MAX_LINE = 24 * 1024  # the pixel's address carries a whole batch, base64url
IDLE_S = 75.0  # above the 60 s after which common balancers drop an idle connection themselves
LINGER_S = 2.0  # how long the rest of a refused body is read away, so that the answer is not lost to a reset
SWEEP_S = 1.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def descriptors() -> int:
    """How many connections this process can hold; takes the system's hard limit first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard and hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(1, soft - HEADROOM)


class _Connection(RequestHandler):
    """aiohttp's connection, with our way of answering what is not valid HTTP."""

    __slots__ = ("_outcomes",)

    def __init__(self, server: EdgeServer, outcomes: Outcomes, **options: Any) -> None:
        super().__init__(server, **options)
        self._outcomes = outcomes

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
        answer = problem(Refusal("bad_request" if status < 500 else "internal"))
        answer.force_close()
        self._outcomes.answer("broken", answer.status)
        return answer


class EdgeServer(web.Server):
    """aiohttp's low-level server under our limits. `total` and `per_address` are caps, `header_s` is the deadline."""

    def __init__(
        self,
        handler: Handler,
        outcomes: Outcomes,
        *,
        trusted: TrustedProxies,
        total: int,
        per_address: int,
        header_s: float,
    ) -> None:
        self._options: dict[str, Any] = {
            "keepalive_timeout": IDLE_S + 2 * SWEEP_S,  # ours comes first and tells
            "lingering_time": LINGER_S,
            "auto_decompress": False,  # a compressed body is refused, never inflated
            "access_log": None,
            "logger": logging.getLogger("foyer.collector.http"),
            "max_line_size": MAX_LINE,
        }
        super().__init__(handler)
        self._outcomes = outcomes
        self._trusted = trusted
        self._total = total
        self._per_address = per_address
        self._header_s = header_s
        self._peers: dict[RequestHandler, str] = {}
        self._by_address: Counter[str] = Counter()
        # Since when each waits; insertion order is waiting order.
        self._fresh: dict[RequestHandler, float] = {}
        self._idle: dict[RequestHandler, float] = {}

    def __call__(self) -> RequestHandler:
        """aiohttp calls this for each accepted connection."""
        return _Connection(self, self._outcomes, loop=self._loop, **self._options)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count the connection in; make room or turn it away when a cap is reached."""
        super().connection_made(handler, transport)
        peer = transport.get_extra_info("peername")
        address = parse_address(peer[0]) if isinstance(peer, tuple) else None
        key = limit_key(address)
        self._peers[handler] = key
        self._by_address[key] += 1
        self._outcomes.connections += 1
        if len(self._peers) > self._total:
            self._make_room(handler, None)
        elif self._by_address[key] > self._per_address and not self._trusted.trusts(address):
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
        self._outcomes.connections -= 1
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
        self._outcomes.connection_dropped(reason)
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
            for handler in _expired(self._fresh, now - self._header_s):
                if handler.transport is not None:
                    handler.transport.write(_late_header())
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


def _late_header() -> bytes:
    """408 for a request whose header never came to its end."""
    fields, body = problem_parts(Refusal("timeout"))
    fields |= {"Content-Length": str(len(body)), "Connection": "close"}
    lines = ["HTTP/1.1 408 Request Timeout", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
