"""A busy floor for the benchmarks of chats: all services as processes, operators at work, visitors who chat.

`async with floor(...) as it:` starts the stack, logs the operators in at the gateway and lets the visitors come over
the collector. :meth:`Floor.chat` begins a chat; :func:`page_views` adds page views from another process.
:class:`Shares` says what each process took of the processor. Clients are those of :mod:`bench._wire`, all in the
process that measures, so there is one clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench._figures import cpu_s, info
from bench._wire import ORIGIN, Console, Event, Tab, WebSocket
from shared.contracts.sites import Membership, Operator
from shared.domain.partitions import Partitions
from shared.embedded.server import free_port
from shared.runtime.clock import SystemClock
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory import Directory
from shared.storage.directory_store import DirectoryStore
from shared.storage.sessions import Sessions
from tests.eventually import eventually
from tests.stack import Stack

PARTITIONS = Partitions(16)
# One machine plays all visitors, so what one address or page may send must not be what is measured.
UNLIMITED = {f"COLLECTOR_{name}_PER_S": "1e9" for name in ("ADDRESS", "NEWCOMERS", "SITE")}
CHANNELS = 2_000  # of the visitors who turn pages: one page in two seconds each, at 1,000 a second
AT_ONCE = 20
_ids = itertools.count(1)


def command_id() -> str:
    """A new one."""
    return f"b{next(_ids)}"


@dataclass
class Floor:
    """Who is there. `consoles` and `tabs` are connected; nobody chats yet."""

    stack: Stack
    clients: Clients
    consoles: list[Console]
    tabs: list[Tab]
    pids: dict[str, int]
    chats: dict[str, str] = field(default_factory=dict)  # visitor -> chat

    @property
    def site(self) -> str:
        """The one site."""
        return self.stack.site

    async def chat(self, tab: Tab, console: Console) -> str:
        """The visitor asks, the operator takes it from the list; the chat's id."""
        await tab.ask("chat.request", name="Eve", text="Do you have these in size 43?")
        ack = await console.ask("chat:accept", site=self.site, visitor=tab.visitor, id=command_id())
        self.chats[tab.visitor] = ack["chat"]
        return str(ack["chat"])


async def _operators(stack: Stack, clients: Clients, count: int, limit: int) -> list[Console]:
    directory, store = Directory(clients), DirectoryStore(clients)
    sessions = Sessions(clients, directory, SystemClock())
    member = (Membership(site=stack.site, max_chats=limit),)
    consoles = []
    for number in range(count):
        name = f"o_{number:08x}"
        one = Operator(operator=name, email=f"op{number}@x.example", name=f"Op {number}", memberships=member)
        await store.create_operator(one, "-")
        consoles.append(Console(name, (await sessions.create(one)).token))
    return consoles


async def _come(stack: Stack, clients: Clients, tabs: Sequence[Tab]) -> None:
    slots, port = asyncio.Semaphore(AT_ONCE), stack.first("collector").port

    async def one(tab: Tab) -> None:
        async with slots:
            await tab.connect(port)
            await tab.view(1)

    await asyncio.gather(*(one(tab) for tab in tabs))
    rows = keys.visitors(PARTITIONS.of(stack.site), stack.site)

    async def listed() -> bool:
        return bool(await clients.call("HLEN", rows) >= len(tabs))

    await eventually(listed)


@contextlib.asynccontextmanager
async def floor(operators: int, visitors: int, limit: int, **settings: Any) -> AsyncIterator[Floor]:
    """All services, `operators` consoles with an open list each, who may have `limit` chats, and `visitors` tabs."""
    with tempfile.TemporaryDirectory() as folder:
        async with Stack(Path(folder), settings, dict(UNLIMITED), (ORIGIN,)) as stack:
            clients = Clients(RedisSettings(stack.valkey.url))
            pids = {one.service: one.process.pid for one in stack.instances if one.process is not None}
            pids |= {"valkey": int((await info(clients, "server"))["process_id"]), "this client": os.getpid()}
            consoles = await _operators(stack, clients, operators, limit)
            tabs = [Tab(stack.site) for _ in range(visitors)]
            try:
                for console in consoles:
                    await console.connect(stack.first("operator_gateway").port)
                    order = {"by": "visit_started_at", "dir": "desc"}
                    await console.ask("view:open", view="v", site=stack.site, sort=order, offset=0, limit=50)
                await _come(stack, clients, tabs)
                yield Floor(stack, clients, consoles, tabs, pids)
            finally:
                await clients.close()


class PageViews:
    """The process that turns pages."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process

    async def told(self) -> Event:
        """Its next line."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the page views ended")
        told: Event = json.loads(line)
        return told

    async def since(self) -> Event:
        """What happened since the last time this was asked."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        return await self.told()


@contextlib.asynccontextmanager
async def page_views(it: Floor, per_second: float) -> AsyncIterator[PageViews | None]:
    """That many a second, on `it`; None for none."""
    if not per_second:
        yield None
        return
    arguments = json.dumps([it.stack.first("collector").port, it.site, CHANNELS, per_second])
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench._page_views", arguments, stdin=pipe, stdout=pipe
    )
    try:
        views = PageViews(process)
        await views.told()
        it.pids["page views"] = process.pid
        yield views
    finally:
        it.pids.pop("page views", None)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class Shares:
    """Processor time of each process from now on."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = dict(pids)
        self._before = {name: cpu_s(pid) for name, pid in pids.items()}
        self._began = time.perf_counter()

    def line(self) -> str:
        """As shares of one core, the busiest first."""
        passed = time.perf_counter() - self._began
        shares = {name: (cpu_s(pid) - self._before[name]) / passed for name, pid in self._pids.items()}
        told = (f"{name} {share:.0%}" for name, share in sorted(shares.items(), key=lambda one: -one[1]))
        return f"{', '.join(told)}; together {sum(shares.values()):.0%} of one core"


def percentiles(times_ms: Sequence[float]) -> tuple[float, float, float]:
    """p50, p95, p99."""
    cuts = statistics.quantiles(times_ms, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


def table_line(name: str, rounds: Sequence[Sequence[float]]) -> str:
    """Percentiles of all rounds together, each with the smallest and largest of a round; and the number."""
    each = [percentiles(times) for times in rounds]
    every = percentiles([time_ms for times in rounds for time_ms in times])
    parts = [
        f"{label} {value:6.1f} ({min(column):.1f} to {max(column):.1f})"
        for label, value, column in zip(("p50", "p95", "p99"), every, zip(*each, strict=True), strict=True)
    ]
    most = max(max(times) for times in rounds)
    return f"{name:34} {'  '.join(parts)}  max {most:.1f} ms, n={sum(map(len, rounds))}"


# The baseline of round trips: what two sockets and one process between them cost, with nothing stored.
_RELAY = """
import asyncio, sys, uvloop
from aiohttp import web
ends = {}
async def end(request):
    mine = request.path
    other = mine.translate(str.maketrans("vo", "ov"))
    socket = ends[mine] = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        await ends[other].send_str(message.data)
    return socket
async def main():
    app = web.Application()
    app.router.add_get("/{end}", end)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    await asyncio.Event().wait()
asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())
"""


class Relay:
    """A bare aiohttp process that hands each visitor's frame to its operator's socket, and back."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._visitors: list[WebSocket] = []
        self._operators: list[WebSocket] = []
        self._sent: dict[int, float] = {}
        self.times_ms: list[float] = []

    async def join(self, port: int, number: int) -> None:
        """One more visitor with an operator, who sends each frame back."""
        visitor = WebSocket(f"/v{number}", lambda _text: self._back(number))
        operator = WebSocket(f"/o{number}", lambda text: self._answer(number, text))
        self._operators.append(operator)
        await operator.connect(port)
        await visitor.connect(port)
        self._visitors.append(visitor)

    def _answer(self, number: int, text: bytes) -> None:
        self._operators[number].send(text)

    def _back(self, number: int) -> None:
        """The answer has come."""
        self.times_ms.append((time.perf_counter() - self._sent.pop(number)) * 1e3)

    def send(self, number: int) -> None:
        """A message of a usual size on its way to the operator, who sends it back at once."""
        number %= len(self._visitors)
        if number not in self._sent:
            self._sent[number] = time.perf_counter()
            self._visitors[number].send(b"x" * 150)

    async def stop(self) -> None:
        """End it."""
        self._process.kill()
        await self._process.wait()


async def relay(pairs: int) -> Relay:
    """Started, with so many visitors and operators."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _RELAY, str(port))

    async def listens() -> bool:
        with contextlib.suppress(OSError):
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            return True
        return False

    await eventually(listens)
    running = Relay(process)
    for number in range(pairs):
        await running.join(port, number)
    return running


async def baseline(bare: Relay, per_second: float, seconds: float) -> list[float]:
    """Round trips of the bare relay at that rate."""
    end, number = time.perf_counter() + seconds, 0
    bare.times_ms = []
    while time.perf_counter() < end:
        bare.send(number)
        number += 1
        await asyncio.sleep(random.expovariate(per_second))
    return bare.times_ms
