"""The Engine.IO server behind both mounts: python-engineio, with its doors guarded.

What the library leaves open and this closes: an Origin is checked on every request against an explicit list, JSONP is
refused, the peer's address is the request's, connections are limited in all and per address, bodies have a size and a
deadline, WebSockets are not compressed (deflate costs 150 KiB a connection), malformed frames end the connection with
a reason, and unknown sessions are answered without repeating what was sent. Read :meth:`Engine.handle_request`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import structlog
from aiohttp import web
from engineio import packet
from engineio.async_server import AsyncServer
from engineio.payload import Payload

from services.operator_gateway.sockets.peer import BAD_PACKETS, PING_TIMEOUT, PeerSocket
from services.operator_gateway.sockets.pings import Pings
from services.operator_gateway.sockets.turnstile import Turnstile

log = structlog.get_logger()

MAX_MESSAGE_BYTES = 64 * 1024
MAX_BAD_PACKETS = 3  # a client in order sends none; one may come from a version that is too new
BODY_DEADLINE_S = 10.0
CONNECTS_PER_S = 400  # a handshake, a login to look up and a first window take about a millisecond of the loop
CLOSE_S = 2.0  # for the client's answer to a close frame
PING_INTERVAL_S = 25  # home routers drop idle links at 60 s
PING_TIMEOUT_S = 20
PINGS_EVERY_S = 0.25  # at 400 connections a second, 100 are due together: a millisecond


@dataclass(frozen=True)
class Doors:
    """Who may connect. An empty `origins` means: the host that the request itself was sent to, and no other."""

    origins: frozenset[str] = frozenset()
    polling: bool = True
    max_connections: int = 5_000
    max_per_address: int = 500  # an office behind one address
    connects_per_s: float = CONNECTS_PER_S
    address: Callable[[web.Request], str] = lambda request: request.remote or "unknown"


class Occupancy:
    """Connections by address and the pace at which they come, over both mounts."""

    def __init__(self, connects_per_s: float = CONNECTS_PER_S) -> None:
        self.turnstile = Turnstile(connects_per_s)
        self.total = 0
        self.by_address: Counter[str] = Counter()

    def enter(self, address: str) -> None:
        """One more."""
        self.total += 1
        self.by_address[address] += 1

    def leave(self, address: str) -> None:
        """One less."""
        self.total -= 1
        self.by_address[address] -= 1
        if self.by_address[address] <= 0:
            del self.by_address[address]


class PlainWebSocket:
    """The library's interface to a WebSocket, without compression and with our message size."""

    def __init__(self, handler: Callable[[PlainWebSocket], Coroutine[Any, Any, None]], server: Engine) -> None:
        self._handler = handler
        self.request: web.Request
        self.response = web.WebSocketResponse(compress=False, max_msg_size=server.max_http_buffer_size, timeout=CLOSE_S)

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        self.request = environ["aiohttp.request"]
        await self.response.prepare(self.request)
        await self._handler(self)
        return self.response


class Engine(AsyncServer):
    """One mount's Engine.IO server."""

    def __init__(self, *, doors: Doors, occupancy: Occupancy, **options: Any) -> None:
        super().__init__(
            async_mode="aiohttp",
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            max_http_buffer_size=MAX_MESSAGE_BYTES,
            cors_allowed_origins=[],  # checked here, before the library sees anything
            http_compression=False,
            monitor_clients=False,  # each connection has timers of its own
            **options,
        )
        self.doors = doors
        self.draining = False
        self.on_bad_packet: Callable[[str], None] = lambda reason: None
        self._occupancy = occupancy
        self._tasks: set[asyncio.Task[Any]] = set()
        self._bad: Counter[str] = Counter()
        self._pings: Pings[PeerSocket] = Pings(PING_INTERVAL_S, PING_TIMEOUT_S)
        self._ping_timer: asyncio.TimerHandle | None = None
        self._async = {**(self._async or {}), "websocket": PlainWebSocket, "translate_request": self._environ}

    @property
    def turnstile(self) -> Turnstile:
        """The pace at which connections are let in."""
        return self._occupancy.turnstile

    # --- requests ---

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Let a request in, or say why not."""
        refusal = self._refusal(request)
        if refusal is not None:
            return _problem(*refusal)
        if "sid" not in request.query and request.method == "GET":
            answer = await self._turn(request)
            if answer is not None:
                return answer
        if _begins_with_websocket(request):
            return await self._serve_websocket(request)
        response: web.StreamResponse = await super().handle_request(request)
        origin = request.headers.get("Origin")
        if origin and not response.prepared:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Vary"] = "Origin"
        if not response.prepared:
            response.headers["Cache-Control"] = "no-store"
        return response

    def _refusal(self, request: web.Request) -> tuple[int, str] | None:
        """Status and code for a request that is not served."""
        if not self._origin_allowed(request):
            return 403, "origin"
        query = parse_qs(request.query_string)
        sid = query.get("sid", [""])[0]
        if "j" in query:
            return 400, "jsonp"
        if sid and sid not in self.sockets:
            return 400, "unknown_session"
        if sid or request.method == "OPTIONS":
            return None
        if query.get("transport", ["polling"])[0] not in self.transports:
            return 400, "transport"
        return self._full(request)

    async def _turn(self, request: web.Request) -> web.Response | None:
        """Wait until it is this newcomer's turn; an answer if there is none, or no room any more."""
        turnstile, loop = self._occupancy.turnstile, asyncio.get_running_loop()
        wait_s = turnstile.wait_s(loop.time())
        if wait_s is None:
            return _problem(503, "come_back", turnstile.come_back_s(loop.time()))
        if wait_s:
            await asyncio.sleep(wait_s)
            if request.transport is None:
                return _problem(503, "gone")  # nobody hears it
        full = self._full(request)
        return None if full is None else _problem(*full)

    def _full(self, request: web.Request) -> tuple[int, str] | None:
        """Why no new connection can be taken now."""
        if self.draining:
            return 503, "draining"
        if self._occupancy.total >= self.doors.max_connections:
            return 503, "too_many_connections"
        if self._occupancy.by_address[self.doors.address(request)] >= self.doors.max_per_address:
            return 429, "too_many_connections"
        return None

    def _origin_allowed(self, request: web.Request) -> bool:
        """No Origin is no browser; a browser's must be one of ours, exactly. The token is never sent by itself."""
        origin = request.headers.get("Origin")
        if origin is None:
            return True
        if self.doors.origins:
            return origin in self.doors.origins
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and bool(parts.netloc) and parts.netloc == request.host

    def _environ(self, request: web.Request) -> dict[str, Any]:
        """The few things of a WSGI environment that the library reads."""
        environ = {
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": request.query_string,
            "PATH_INFO": request.path,
            "REMOTE_ADDR": self.doors.address(request),
            "CONTENT_LENGTH": str(request.content_length or 0),
            "aiohttp.request": request,
        }
        for name in ("Upgrade", "Connection"):
            if name in request.headers:
                environ[f"HTTP_{name.upper()}"] = request.headers[name]
        return environ

    async def read_body(self, request: web.Request) -> str:
        """A long-polling body. Raises ValueError for one that is too long, too slow or not UTF-8."""
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_DEADLINE_S):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > MAX_MESSAGE_BYTES:
                        raise ValueError("too long")
        except TimeoutError as error:
            raise ValueError("too slow") from error
        return body.decode()

    def decode_payload(self, body: str) -> list[packet.Packet]:
        """The packets of a long-polling body. Raises ValueError and the like."""
        if body.startswith("d="):
            raise ValueError("JSONP")
        packets: list[packet.Packet] = Payload(encoded_payload=body).packets
        return packets

    # --- connections ---

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: Any = None) -> Any:
        """As in the library, with our kind of connection."""
        del jsonp_index
        sock = self._new_socket(environ["REMOTE_ADDR"])
        await self._open(sock, transport)
        sock.connected = True
        return self._ok(await sock.poll())

    async def _serve_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A connection that is a WebSocket from the start. What the way here needed is let go before it is served."""
        response = web.WebSocketResponse(compress=False, max_msg_size=self.max_http_buffer_size, timeout=CLOSE_S)
        sock = self._new_socket(self.doors.address(request))
        try:
            await response.prepare(request)
            sock.begin(response, request.transport)
            await self._open(sock, "websocket")
            await sock.read_messages(response)
        finally:
            await sock.close(wait=False, abort=True, reason=self.reason.TRANSPORT_CLOSE)
        return response

    def _new_socket(self, address: str) -> PeerSocket:
        sock = PeerSocket(self, self.generate_id(), address)
        self.sockets[sock.sid] = sock
        self._occupancy.enter(address)
        return sock

    async def _open(self, sock: PeerSocket, transport: str) -> None:
        await sock.send(
            packet.Packet(
                packet.OPEN,
                {
                    "sid": sock.sid,
                    "upgrades": self._upgrades(sock.sid, transport),
                    "pingTimeout": int(self.ping_timeout * 1000),
                    "pingInterval": int(self.ping_interval * 1000),
                    "maxPayload": self.max_http_buffer_size,
                },
            )
        )
        await self._trigger_event("connect", sock.sid, {}, run_async=False)
        self.heard(sock)

    def create_queue(self, *_args: Any, **_options: Any) -> None:
        """None: a connection makes its own when it polls; most never do."""

    async def message(self, sock: PeerSocket, data: Any) -> None:
        """A Socket.IO packet arrived."""
        await self._trigger_event("message", sock.sid, data, run_async=False)

    def heard(self, sock: PeerSocket) -> None:
        """The connection is there, or answered: the next ping is due after the interval."""
        loop = asyncio.get_running_loop()
        self._pings.heard(sock, loop.time())
        if self._ping_timer is None:
            self._ping_timer = loop.call_later(PINGS_EVERY_S, self._ping_round)

    def _ping_round(self) -> None:
        loop = asyncio.get_running_loop()
        to_ping, lost = self._pings.due(loop.time())
        for sock in to_ping:
            sock.ping()
        for sock in lost:
            sock.abort(PING_TIMEOUT)
        self._ping_timer = loop.call_later(PINGS_EVERY_S, self._ping_round) if len(self._pings) else None

    def forget(self, sock: PeerSocket) -> None:
        """The connection is over."""
        self._pings.forget(sock)
        if self.sockets.pop(sock.sid, None) is not None:
            self._occupancy.leave(sock.address)
        self._bad.pop(sock.sid, None)

    async def bad_packet(self, sock: PeerSocket, reason: str) -> None:
        """Count a packet that made no sense; too many end the connection, with one line in the log."""
        self.on_bad_packet(reason)
        self._bad[sock.sid] += 1
        if self._bad[sock.sid] >= MAX_BAD_PACKETS and not sock.closed:
            log.info("bad_packets", sid=sock.sid, last=reason)
            await sock.end(BAD_PACKETS)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something short beside the caller; :meth:`idle` waits for it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Wait until nothing spawned is running."""
        while self._tasks:
            await asyncio.wait(self._tasks)


def _begins_with_websocket(request: web.Request) -> bool:
    """Whether this is a first request by WebSocket that keeps to the protocol; the library answers all others."""
    query, headers = request.query, request.headers
    return (
        request.method == "GET"
        and "sid" not in query
        and query.get("EIO") == "4"
        and query.get("transport") == "websocket"
        and headers.get("Upgrade", "").lower() == "websocket"
        and "upgrade" in headers.get("Connection", "").lower()
    )


def _problem(status: int, code: str, retry_after_s: int | None = None) -> web.Response:
    """The library's clients read {code, message}; the message never repeats what was sent."""
    body = json.dumps({"code": 1 if code == "unknown_session" else 3, "message": code})
    headers = {"Cache-Control": "no-store"}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return web.Response(status=status, text=body, content_type="application/json", headers=headers)
