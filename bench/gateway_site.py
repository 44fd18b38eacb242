"""One large, busy site on one gateway: how old is what 1,000 operators see, and how long is the loop held.

    python -m bench.gateway_site [--visitors 100000] [--operators 1000] [--views 20] [--changes 1000] [--seconds 20]

A real gateway process and an embedded Valkey hold the site; another process writes changes to the log as presence does
(each row's new page title is the moment of the change), a third one holds the operators' sockets and reads the titles
out of the deltas. Printed: age of what is shown; the longest time the gateway's loop was held (its own processor time
between two looks); processor share; bytes to each operator; time to read the cold site, and to answer `view:open` of
the warm one; Redis's bytes for each visitor and its slowest command. Baseline for the age: the same with one operator
and one change a second.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import re
import socket
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar, cast

import aiohttp
import msgspec
import uvloop

from bench._garbage import Collecting, collections, resident_kib
from bench._visitors import stored
from services.operator_gateway.app import build
from services.operator_gateway.settings import GatewaySettings
from shared.contracts.sites import Membership, Operator, Site, Skill
from shared.contracts.streams import LogEntry, RowChanged, encode
from shared.domain.partitions import Partitions
from shared.domain.visitor_packing import decode_row
from shared.embedded import EmbeddedValkey
from shared.runtime import garbage
from shared.runtime.clock import SystemClock
from shared.runtime.service import running
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory import Directory
from shared.storage.directory_store import DirectoryStore
from shared.storage.sessions import Sessions
from tests.eventually import eventually

SITE = "s_0000beef"
SOCKETS_EACH = 20  # of one operator: the gateway's limit
TICK_S = 0.02
QUIET_ARRIVALS = 500
WARM_UP_S = 2  # all have come, all orders are put together
STAMP = re.compile(rb"T(\d{13})!")
ORDERS = [
    "visit_started_at",
    "nickname",
    "page",
    "pages",
    "country",
    "returning",
    "skill",
    "status",
    "operator",
    "wait_time",
]


def visitor_id(number: int) -> str:
    """A uuid."""
    return str(uuid.UUID(int=number))


def wish(number: int) -> dict[str, Any]:
    """The view with that number: ten orders, up and down."""
    return {"sort": {"by": ORDERS[number % 10], "dir": ("asc", "desc")[number // 10 % 2]}, "offset": 0, "limit": 50}


# --- the gateway's process ---


async def serve(redis_url: str) -> None:
    """Until its input ends: a line with the port, then a line of figures for each line that comes in."""
    settings = GatewaySettings(
        host="127.0.0.1", port=0, admin_port=0, redis_url=redis_url, static=Path("/nonexistent"),
        max_connections=10_000, max_per_address=10_000,
    )  # fmt: skip
    async with running(build(settings)) as up:
        garbage.settle()  # as a service's process does
        print(json.dumps({"port": up.ports[0], "admin": up.admin_port}), flush=True)
        held = 0.0
        collecting = Collecting()

        async def watch() -> None:
            nonlocal held
            while True:
                before = time.thread_time()
                await asyncio.sleep(0.001)
                held = max(held, time.thread_time() - before)

        watching = asyncio.create_task(watch())
        async for _ in lines_in():
            figures = {"held_ms": held * 1e3, "cpu_s": time.process_time(), **collecting.figures()}
            figures["kib"] = resident_kib()
            print(json.dumps(figures), flush=True)
            await asyncio.sleep(0.05)  # what collecting garbage took for this answer is not the gateway's doing
            held = 0.0
            collecting.clear()
        watching.cancel()


# --- the operators' process ---


class Console(asyncio.Protocol):
    """A socket on the JSON mount that opens a view and reads the moments out of what it is sent."""

    ages: ClassVar[list[float]] = []
    opened: ClassVar[list[float]] = []
    received = 0

    def __init__(self, token: str, view: int, silent: bool = False) -> None:
        self.token, self.view, self.port = token, view, 0
        self._silent = silent
        self._transport: asyncio.Transport | None = None
        self._asked_at = 0.0
        self._stage = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        Console.received += len(data)
        if self._stage == 0:
            self._stage = 1
            self._send(b"40" + json.dumps({"token": self.token}).encode())
        elif self._stage == 1 and b'42["ready"' in data:
            self._stage = 2
            self._asked_at = time.perf_counter()
            request = {"view": "list", "site": SITE, **wish(self.view)}
            self._send(b"420" + json.dumps(["view:open", request]).encode())
        elif self._stage == 2 and b'"rows"' in data:
            self._stage = 3
            Console.opened.append((time.perf_counter() - self._asked_at) * 1e3)
            self.opened_view()
            if self._silent:
                # What the kernel would take for a reader that stopped is megabytes; here it is next to nothing.
                assert self._transport is not None
                self._transport.pause_reading()
        elif self._stage == 3:
            now_ms = time.time() * 1e3
            for delta in data.split(b'["view:delta"'):  # rows that only come into a window bring old moments
                _, _, updates = delta.partition(b'"update":')
                Console.ages.extend(now_ms - int(stamp) for stamp in STAMP.findall(updates.partition(b'"move":')[0]))
            if b"\x81\x012" in data:  # a ping, wherever it is: JSON has no such bytes
                self._send(b"3")

    def opened_view(self) -> None:
        """The first window is here."""

    def cut(self) -> None:
        """Gone without a goodbye."""
        assert self._transport is not None
        self._transport.abort()

    def _send(self, payload: bytes) -> None:
        assert self._transport is not None
        size = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        self._transport.write(b"\x81" + size + b"\0\0\0\0" + payload)


async def lines_in() -> AsyncIterator[bytes]:
    """What the starting process says, until it ends."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        yield line


async def operate(
    port: int, tokens: list[str], operators: int, views: int, silent: bool = False, each: int = SOCKETS_EACH
) -> None:
    """Until its input ends: opens all views, then prints and forgets its figures for each line that comes in."""
    loop = asyncio.get_running_loop()
    for number in range(operators):
        token = tokens[number // each]
        sock = socket.socket()
        if silent:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.create_connection(lambda t=token, n=number: Console(t, n % views, silent), sock=sock)  # type: ignore[misc]
    await eventually(lambda: len(Console.opened) >= operators, within_s=120, every_s=0.05)
    print(json.dumps({"opened": Console.opened}), flush=True)
    async for _ in lines_in():
        print(json.dumps({"ages": Console.ages, "received": Console.received}), flush=True)
        Console.ages, Console.received = [], 0


# --- the site ---


class Shop:
    """Writes the site as presence does."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._partition = Partitions(16).of(SITE)
        self.seq = 0

    async def fill(self, visitors: int) -> None:
        """Everybody comes."""
        await self._clients.call("HSET", keys.checkpoint("presence", self._partition), "epoch", "bench")
        key = keys.visitors(self._partition, SITE)
        for start in range(1, visitors + 1, 1000):
            numbers = range(start, min(start + 1000, visitors + 1))
            await self._clients.pipeline([("HSET", key, visitor_id(number), stored(number)) for number in numbers])
        self.seq = visitors
        await self._clients.call("HSET", keys.site_meta(self._partition, SITE), "seq", self.seq)

    async def change(self, count: int, visitors: int) -> None:
        """That many go to another page, in one commit. The first ones are the ones that most views show."""
        changes = []
        now_ms = int(time.time() * 1e3)
        for _ in range(count):
            self.seq += 1
            number = random.randrange(1, visitors + 1)
            page = {"url": f"https://www.shop.example/{number}", "title": f"T{now_ms}! Page"}
            changes.append(RowChanged(SITE, self.seq, visitor_id(number), self.seq, {"page": page}))
        entry = encode(LogEntry("presence", tuple(changes)))
        log = keys.stream("log", self._partition)
        await self._clients.pipeline(
            [
                ("XADD", log, "MAXLEN", "~", 20_000, "*", "d", entry),
                ("HSET", keys.site_meta(self._partition, SITE), "seq", self.seq),
            ]
        )

    async def arrive(self) -> None:
        """One visitor more, behind everybody: whoever looks at the top of the list sees only counters change."""
        self.seq += 1
        row = decode_row(stored(self.seq))
        assert row is not None
        fields = {name: value for name, value in msgspec.to_builtins(row).items() if name != "version"}
        change = RowChanged(SITE, self.seq, visitor_id(self.seq), self.seq, fields, full=True)
        entry = encode(LogEntry("presence", (change,)))
        await self._clients.call("XADD", keys.stream("log", self._partition), "*", "d", entry)

    async def traffic(self, per_second: float, visitors: int, seconds: float) -> None:
        """Changes at an even rate."""
        end, owed = time.monotonic() + seconds, 0.0
        while time.monotonic() < end:
            owed += per_second * TICK_S
            if owed >= 1:
                await self.change(int(owed), visitors)
                owed -= int(owed)
            await asyncio.sleep(TICK_S)


class Child:
    """One of the other processes: a line in, a line of figures out."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *arguments: str, module: str = "bench.gateway_site") -> Child:
        """Run this file in another role."""
        command = [sys.executable, "-m", module, *arguments]
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=2**26))

    async def figures(self) -> dict[str, Any]:
        """The next line."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if line.startswith(b'{"') and b'"event"' not in line:
                return cast("dict[str, Any]", msgspec.json.decode(line))
        raise RuntimeError("the other process ended")

    async def ask(self) -> dict[str, Any]:
        """Ask for a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()
        return await self.figures()

    async def stop(self) -> None:
        """End it."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


async def tokens_for(clients: Clients, sockets: int, each: int = SOCKETS_EACH) -> list[str]:
    """Log in as many operators as are needed if each has that many sockets."""
    directory, store = Directory(clients), DirectoryStore(clients)
    sessions = Sessions(clients, directory, SystemClock())
    await store.create_site(Site(site=SITE, name="Bench", skills=(Skill("general", "General"),)))
    tokens = []
    for number in range(-(-sockets // each)):
        member = (Membership(site=SITE, role="operator"),)
        new = Operator(
            operator=f"o_{number:08x}", email=f"op{number}@x.example", name=f"Op {number}", memberships=member
        )
        await store.create_operator(new, "-")
        tokens.append((await sessions.create(new)).token)
    return tokens


def percentile(values: list[float], percent: int) -> float:
    """Of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else sum(values)


async def measured(
    name: str, shop: Shop, gateway: Child, consoles: Child, options: argparse.Namespace, rate: float
) -> None:
    """One stretch of traffic."""
    await shop.traffic(rate, options.visitors, WARM_UP_S)
    before, _ = await gateway.ask(), await consoles.ask()
    start = time.monotonic()
    await shop.traffic(rate, options.visitors, options.seconds)
    await asyncio.sleep(1.5)
    passed = time.monotonic() - start
    after, seen = await gateway.ask(), await consoles.ask()
    ages = seen["ages"] or [0.0]
    share = (after["cpu_s"] - before["cpu_s"]) / passed
    print(
        f"{name}: {len(ages):,} changes seen, age p50 {statistics.median(ages):.0f} p99 {percentile(ages, 99):.0f} "
        f"max {max(ages):.0f} ms; gateway {share:.1%} of a core, loop held {after['held_ms']:.0f} ms at most; "
        f"{seen['received'] / passed / options.operators:,.0f} B/s an operator; garbage {collections(after)}",
        flush=True,
    )


async def run(options: argparse.Namespace) -> None:
    """All of it."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as server:
        clients = Clients(RedisSettings(server.url))
        await clients.ready()
        shop = Shop(clients)
        empty = await used_memory(clients)
        await shop.fill(options.visitors)
        print(f"Redis: {(await used_memory(clients) - empty) / options.visitors:.0f} bytes a visitor")
        tokens = await tokens_for(clients, options.operators)
        await clients.call("CONFIG", "SET", "slowlog-log-slower-than", 1000)
        gateway = await Child.start("--serve", server.url)
        try:
            await watched(shop, clients, gateway, tokens, options)
        finally:
            await gateway.stop()
            await clients.close()
    print(f"load average {os.getloadavg()}")


async def watched(shop: Shop, clients: Clients, gateway: Child, tokens: list[str], options: argparse.Namespace) -> None:
    """What a cold site costs, then the baseline, then everybody."""
    started = await gateway.figures()
    port, admin = started["port"], started["admin"]
    idle = (await gateway.ask())["kib"]
    lone = await Child.start("--operate", json.dumps([port, tokens, 1, 1]))
    first = (await lone.figures())["opened"][0]
    await eventually(lambda: load_seconds(admin), within_s=60, every_s=0.1)
    found = await gateway.ask()
    weight = (found["kib"] - idle) / options.visitors
    print(f"cold site of {options.visitors:,}: read in {await load_seconds(admin):.2f} s; first answer {first:.0f} ms")
    print(f"loop held {found['held_ms']:.0f} ms while it was read; {weight:.2f} KiB a visitor")
    print(f"garbage {collections(found)}")
    slow = await clients.call("SLOWLOG", "GET", 100)
    print(f"slowest Redis command so far: {max((int(entry[2]) for entry in slow), default=0) / 1000:.1f} ms")
    second = await Child.start("--operate", json.dumps([port, tokens, 1, 1]))
    again = (await second.figures())["opened"][0]
    await second.stop()
    print(f"warm site: a window of an order that is kept after {again:.1f} ms, asked and answered")
    one = argparse.Namespace(**{**vars(options), "operators": 1})
    await measured("baseline, 1 operator, 20 changes/s", shop, gateway, lone, one, 20)
    await lone.ask()
    for _ in range(QUIET_ARRIVALS):
        await shop.arrive()
        await asyncio.sleep(TICK_S)
    received = (await lone.ask())["received"] / (QUIET_ARRIVALS * TICK_S)
    print(f"window that does not change while visitors come: {received:.0f} B/s", flush=True)
    await lone.stop()
    consoles = await Child.start("--operate", json.dumps([port, tokens, options.operators, options.views]))
    opened = (await consoles.figures())["opened"]
    print(
        f"warm site, all at once: window after p50 {statistics.median(opened):.1f} p99 {percentile(opened, 99):.1f} ms"
    )
    name = f"{options.operators} operators, {options.views} views, {options.changes:.0f} changes/s"
    came = await gateway.ask()
    print(f"while they came: loop held {came['held_ms']:.0f} ms at most; garbage {collections(came)}", flush=True)
    await measured(name, shop, gateway, consoles, options, options.changes)
    await consoles.stop()


async def load_seconds(admin: int) -> float:
    """How long the gateway took to read its site; 0 until it has."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{admin}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line for line in lines if line.startswith("foyer_gateway_site_load_seconds_sum")).split()[1])


async def used_memory(clients: Clients) -> int:
    """What Redis holds."""
    return int(dict(await info(clients, "memory"))["used_memory"])


async def info(clients: Clients, section: str) -> list[tuple[str, str]]:
    """Lines of INFO."""
    answer = await clients.call("INFO", section)
    if isinstance(answer, dict):
        return [(str(name), str(value)) for name, value in answer.items()]
    lines = answer.decode().splitlines()
    return [(name, value) for name, _, value in (line.partition(":") for line in lines)]


def main() -> None:
    """Measure, or play one of the other parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=100_000)
    parser.add_argument("--operators", type=int, default=1_000)
    parser.add_argument("--views", type=int, default=20)
    parser.add_argument("--changes", type=float, default=1_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--operate", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve(options.serve))
    elif options.operate:
        uvloop.run(operate(*json.loads(options.operate)))
    else:
        uvloop.run(run(options))


if __name__ == "__main__":
    main()
