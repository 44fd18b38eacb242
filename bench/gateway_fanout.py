"""CPU of the gateway for each delivered delta, beside the library's own way and a bare loop, in the same run.

    python -m bench.gateway_fanout [--sockets 1000] [--deltas 30] [--rounds 15]

One view of a site with 10,000 visitors is open on all sockets; in each step five rows of the window change. Measured is
the processor time of the serving process (user and system) divided by the deltas delivered, so the clients' own work,
in a process of its own, does not count. Ways:

* foyer:   indexes, difference, frame made once, written to each transport (JSON and msgpack mounts)
* library: `sio.emit(..., room=...)` of python-socketio with the same difference
* bare:    `await ws.send_bytes(...)` in a loop over aiohttp WebSockets, the bytes made once: no Socket.IO at all
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import socketio
import uvloop
from aiohttp import web

from bench._figures import spread
from services.operator_gateway.live.viewers import Audience, Member
from services.operator_gateway.sockets.connections import Connection
from services.operator_gateway.sockets.engine import Doors, Occupancy
from services.operator_gateway.sockets.events import EventTable
from services.operator_gateway.sockets.frames import Dialect
from services.operator_gateway.sockets.peer import PeerSocket
from services.operator_gateway.sockets.server import OperatorServer
from services.operator_gateway.views.engine import SiteViews, ViewSpec
from services.operator_gateway.views.visitors import SiteFacts
from services.operator_gateway.views.window import difference
from shared.contracts.operators import Auth, Filter, Sort, ViewDelta
from shared.contracts.rows import Device, Page, PresenceRow
from shared.contracts.sites import Operator
from shared.contracts.streams import RowChanged
from tests.eventually import eventually

VISITORS = 10_000
CHANGED = 5
PONG_EVERY_S = 20.0
PAUSE_S = 0.03  # between deltas: sockets are empty again
Step = Callable[[], Awaitable[None]]


class Site:
    """A site whose visitors change."""

    def __init__(self) -> None:
        self.views = SiteViews(SiteFacts(), "bench")
        self.seq = 0
        for number in range(1, VISITORS + 1):
            row = PresenceRow(
                version=1, number=number, nickname=f"Visitor {number}", named=False, returning=False, visits=1,
                country="DE", activity="active", visit_started_at=1_700_000_000_000 + number,
                page=Page(f"https://shop.example/products/{number}", f"Product {number}"), pages=1,
                device=Device("Firefox", "Linux", "desktop"),
            )  # fmt: skip
            self._log(number, {k: v for k, v in msgspec.to_builtins(row).items() if k != "version"}, full=True)
        self.group = self.views.join(ViewSpec(Sort(), Filter(), 0, 50))
        while self.views.fill():
            pass
        self.group.advance(self.views.replica, self.views.facts)

    def change(self) -> None:
        """Five visitors in the window go to another page."""
        for number in range(1, CHANGED + 1):
            title = f"Product {self.seq}"
            self._log(number, {"page": {"url": f"https://shop.example/products/{self.seq}", "title": title}})

    def _log(self, number: int, fields: dict[str, Any], full: bool = False) -> None:
        self.seq += 1
        visitor = f"00000000-0000-4000-8000-{number:012d}"
        self.views.replica.apply("presence", RowChanged("s_bench", self.seq, visitor, self.seq, fields, full))


class Everyone:
    """Admission without a directory: whoever comes looks at the view."""

    def __init__(self, site: Site, audience: Audience, operator: Callable[[], Operator]) -> None:
        self._site = site
        self._audience = audience
        self._operator = operator

    async def admit(self, sid: str, dialect: Dialect, peer: PeerSocket, _auth: Auth) -> Connection:
        return Connection(sid, dialect, peer, self._operator(), sid)

    def opened(self, connection: Connection) -> None:
        self._audience.join(Member(connection, "list", self._site.group))

    def closed(self, connection: Connection) -> None:
        del connection


def someone() -> Operator:
    """Who looks."""
    return Operator(operator="o_bench", email="a@b.example", name="Bench")


async def foyer(
    dialect: Dialect, operator: Callable[[], Operator] = someone
) -> tuple[web.Application, str, Step, Callable[[], int]]:
    """Ours."""
    site = Site()
    delivered: list[int] = []
    audience = Audience(delivered.append)
    app = web.Application()
    limits = Doors(max_connections=100_000, max_per_address=100_000)
    server = OperatorServer(
        dialect, EventTable({}, lambda *_: None), Everyone(site, audience, operator), limits, Occupancy()
    )
    path = "socket.io" if dialect == "json" else "socket.io-msgpack"
    make: Any = server.attach
    make(app, socketio_path=path)

    async def step() -> None:
        site.change()
        audience.publish(site.views, site.views.flush(), time.monotonic())

    return app, f"/{path}/?EIO=4&transport=websocket", step, lambda: len(audience)


async def library() -> tuple[web.Application, str, Step, Callable[[], int]]:
    """The stock server with a room."""
    site = Site()
    make: Any = socketio.AsyncServer
    server = make(async_mode="aiohttp", cors_allowed_origins="*")
    app = web.Application()
    server.attach(app)
    members: list[str] = []

    async def connect(sid: str, _environ: Any, _auth: Any = None) -> None:
        await server.enter_room(sid, "list")
        members.append(sid)

    server.on("connect", connect)

    async def step() -> None:
        old, seq = site.group.window, site.group.seq
        site.change()
        site.views.flush()
        parts = msgspec.structs.asdict(difference(old, site.group.window))
        delta = ViewDelta(epoch="bench", prev=seq, seq=site.group.seq, view="list", **parts)
        await server.emit("view:delta", msgspec.to_builtins(delta), room="list")

    return app, "/socket.io/?EIO=4&transport=websocket", step, lambda: len(members)


async def bare() -> tuple[web.Application, str, Step, Callable[[], int]]:
    """WebSockets and nothing else."""
    site = Site()
    members: list[web.WebSocketResponse] = []

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        members.append(ws)
        async for _ in ws:
            pass
        return ws

    app = web.Application()
    app.router.add_get("/bare", handler)

    async def step() -> None:
        old, seq = site.group.window, site.group.seq
        site.change()
        site.views.flush()
        parts = msgspec.structs.asdict(difference(old, site.group.window))
        delta = ViewDelta(epoch="bench", prev=seq, seq=site.group.seq, view="list", **parts)
        message = b"42" + msgspec.json.encode(["view:delta", delta])
        for ws in members:
            await ws.send_bytes(message)

    return app, "/bare", step, lambda: len(members)


WAYS: dict[str, Callable[[], Awaitable[tuple[web.Application, str, Step, Callable[[], int]]]]] = {
    "foyer, JSON": lambda: foyer("json"),
    "foyer, msgpack": lambda: foyer("msgpack"),
    "library": library,
    "bare": bare,
}


class Reader(asyncio.Protocol):
    """A client that connects and then reads and forgets."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._transport: asyncio.Transport | None = None
        self._up = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self._up:
            return
        self._up = True
        if "socket.io" in self._path:
            asyncio.get_running_loop().call_later(PONG_EVERY_S, self._pong)
        if "msgpack" in self._path:
            self._send(msgspec.msgpack.encode({"type": 0, "nsp": "/", "data": {"token": "x"}}), 0x82)
        elif "socket.io" in self._path:
            self._send(b'40{"token":"x"}', 0x81)

    def _pong(self) -> None:
        """Say that somebody is here without reading the pings, which the library compresses."""
        self._send(b"3", 0x81)
        asyncio.get_running_loop().call_later(PONG_EVERY_S, self._pong)

    def _send(self, payload: bytes, first: int) -> None:
        assert self._transport is not None
        self._transport.write(bytes((first, 0x80 | len(payload), 0, 0, 0, 0)) + payload)  # masked with zeros


async def clients(port: int, path: str, count: int) -> None:
    """The other process: until it is killed."""
    loop = asyncio.get_running_loop()
    for _ in range(count):
        await loop.create_connection(lambda: Reader(path), "127.0.0.1", port)
    await asyncio.sleep(3600)


def cpu_s() -> float:
    """Processor time of this process, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Way:
    """One way of serving, up and with its clients."""

    def __init__(self, step: Step) -> None:
        self._step = step

    async def round(self, deltas: int, sockets: int) -> float:
        """Microseconds for each delivered delta."""
        idle = await _spent(_nothing, deltas)
        return (await _spent(self._step, deltas) - idle) / (deltas * sockets) * 1e6


@asynccontextmanager
async def serving(name: str, sockets: int) -> AsyncIterator[Way]:
    """The way called `name` with that many clients in a process of their own."""
    app, path, step, present = await WAYS[name]()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    port = runner.addresses[0][1]
    command = [sys.executable, "-m", "bench.gateway_fanout", "--clients", f"{port} {path} {sockets}"]
    other = await asyncio.create_subprocess_exec(*command)
    try:
        await eventually(lambda: present() >= sockets, within_s=120, every_s=0.1)
        for _ in range(5):
            await step()
            await asyncio.sleep(PAUSE_S)
        yield Way(step)
    finally:
        other.kill()
        await other.wait()
        await runner.cleanup()


async def play(name: str, options: argparse.Namespace) -> None:
    """A process that serves in one way: a round, and a line with its figure, for each line that comes in."""
    async with serving(name, options.sockets) as way:
        print("up", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(await way.round(options.deltas, options.sockets), flush=True)


async def _nothing() -> None:
    """What the loop costs without deltas."""


async def _spent(step: Step, times: int) -> float:
    start = cpu_s()
    for _ in range(times):
        await step()
        await asyncio.sleep(PAUSE_S)
    return cpu_s() - start


class Player:
    """A process that serves in one way, so that none inherits another one's heap."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        command = [sys.executable, "-m", "bench.gateway_fanout", "--way", name]
        command += [f"--{key}={getattr(options, key)}" for key in ("sockets", "deltas")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rounds: list[float] = []
        assert self._line() == "up"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def round(self) -> None:
        """One more figure."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.rounds.append(float(self._line()))

    def stop(self) -> None:
        """End it, and its clients with it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def report(options: argparse.Namespace) -> None:
    """All ways take turns, round by round, so that whatever else the machine does is in the figures of all alike."""
    print(f"{options.sockets} sockets on one view, {options.deltas} deltas a round, {options.rounds} rounds in turns")
    players = {name: Player(name, options) for name in WAYS}
    try:
        for _ in range(options.rounds):
            for player in players.values():
                player.round()
    finally:
        for player in players.values():
            player.stop()
    ours = players["foyer, JSON"].rounds
    for name, player in players.items():
        ratios = [one / other for one, other in zip(player.rounds, ours, strict=True)]
        print(
            f"{name:15} {spread(player.rounds)} us CPU a delivered delta; to ours in the same round x{spread(ratios)}",
            flush=True,
        )


def main() -> None:
    """Measure all ways and print them with their spread, or play another part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--deltas", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clients", help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.clients:
        port, path, count = options.clients.split(" ")
        uvloop.run(clients(int(port), path, int(count)))
    elif options.way:
        uvloop.run(play(options.way, options))
    else:
        report(options)


if __name__ == "__main__":
    main()
