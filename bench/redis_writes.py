"""What a page view costs Redis: writes, and bytes of the append-only file, through a real collector and presence.

    python -m bench.redis_writes [--visitors 200] [--pages 5] [--rounds 3]

Visitors look at pages one after the other, each page view in a beacon of its own, over HTTP. Told apart: the first page
view of a visit, the following ones, and what leaving costs (row, history and profile). Each is measured *busy* (64
visitors at a time, so commits are shared) and *quiet* (one at a time: nothing is shared, the dearest case). The
baseline, taken in the same run, is an entry of the same size appended to a stream by itself with one key set: what any
service pays that stores an event and a state. What the services write while nobody does anything is measured before
and taken off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench._figures import info, machine, spread
from services.collector.domain.tokens import VisitorTokens
from shared.domain.partitions import Partitions
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from tests.stack import Stack

ORIGIN = "https://www.shop.example"
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"

BUSY = 64
QUIET_S = 4.0
PATHS = ("/", "/category/shoes?color=blue", "/products/air-zoom-40-running-shoes?size=42", "/cart", "/help/returns")
TITLES = ("Shop", "Blue shoes | Shop", "Air Zoom 40 Running Shoes | Shop", "Your cart | Shop", "Returns | Shop")
WRITES = frozenset(
    ("set", "hset", "hdel", "hincrby", "xadd", "xtrim", "zadd", "zrem", "unlink", "pexpire", "del", "zremrangebyscore")
)


@dataclass(frozen=True)
class Account:
    """Redis's figures at a moment."""

    aof_bytes: int
    writes: int
    at_s: float

    def since(self, before: Account, idle: Rate) -> tuple[float, float]:
        """Bytes and writes since `before`, less what is written anyway."""
        took = self.at_s - before.at_s
        return (
            self.aof_bytes - before.aof_bytes - idle.bytes_s * took,
            self.writes - before.writes - idle.writes_s * took,
        )


@dataclass(frozen=True)
class Rate:
    """What is written while nobody does anything."""

    bytes_s: float
    writes_s: float


async def account(clients: Clients) -> Account:
    """Taken when presence has folded everything."""
    aof = await info(clients, "persistence")
    commands = await info(clients, "commandstats")
    writes = 0
    for name, value in commands.items():
        command = name.removeprefix("cmdstat_")
        if command not in WRITES:
            continue
        calls = value["calls"] if isinstance(value, dict) else value.split(",")[0].partition("=")[2]
        writes += int(calls)
    return Account(int(aof["aof_current_size"]), writes, time.monotonic())


@dataclass
class Person:
    """A visitor with one tab, known to the collector by a token."""

    site: str
    token: str
    visitor: str
    tab: str = field(default_factory=lambda: str(uuid.uuid4()))
    page: str = ""
    n: int = 0

    def beacon(self, kind: str, number: int = 0) -> bytes:
        """The next event as a whole request."""
        self.n += 1
        event: dict[str, Any] = {"type": kind, "page": self.page, "n": self.n, "at": 60_000, "engaged_ms": 12_345}
        if kind == "page":
            self.page = event["page"] = str(uuid.uuid4())
            event |= {"url": ORIGIN + PATHS[number % 5], "title": TITLES[number % 5], "engaged_ms": 0, "idle_ms": 0}
            event |= {"lang": "de-DE", "screen": [1920, 1080], "tz": "Europe/Berlin"}
            event["referrer"] = "https://www.google.com/" if number == 0 else ORIGIN + PATHS[(number - 1) % 5]
        batch = {"site": self.site, "visitor": self.visitor, "token": self.token, "tab": self.tab, "sent": 60_010}
        body = json.dumps({**batch, "events": [event]}).encode()
        head = f"POST /v1/e HTTP/1.1\r\nHost: c\r\nUser-Agent: {AGENT}\r\nOrigin: {ORIGIN}\r\n"
        return f"{head}Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class World:
    """The services under measurement."""

    def __init__(self, stack: Stack, clients: Clients) -> None:
        self.stack = stack
        self.clients = clients
        self.idle = Rate(0, 0)

    async def settled(self) -> Account:
        """When the input streams are empty and the file has been written."""
        await self.empty("XLEN", keys.stream("in", Partitions(16).of(self.stack.site)))
        await asyncio.sleep(0.3)
        return await account(self.clients)

    async def learn_idle(self) -> None:
        """What the services write by themselves."""
        before = await self.settled()
        await asyncio.sleep(QUIET_S)
        after = await account(self.clients)
        took = after.at_s - before.at_s
        self.idle = Rate((after.aof_bytes - before.aof_bytes) / took, (after.writes - before.writes) / took)

    async def send(self, requests: list[bytes], at_once: int) -> None:
        """Each request once, `at_once` at a time; every one must be taken."""
        port = self.stack.first("collector").port
        left = iter(requests)

        async def one() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for request in left:
                writer.write(request)
                answer = await reader.readuntil(b"\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 204"), answer
                if at_once == 1:  # presence commits what there is: the next event shares nothing with it
                    await self.empty("XLEN", keys.stream("in", Partitions(16).of(self.stack.site)))
            writer.close()

        await asyncio.gather(*(one() for _ in range(at_once)))

    async def empty(self, length: str, key: str) -> None:
        """Until nothing is left there."""
        while await self.clients.call(length, key):  # noqa: ASYNC110  # another process empties it
            await asyncio.sleep(0.001)

    async def cost(self, requests: list[bytes], at_once: int) -> tuple[float, float]:
        """AOF bytes and writes for one request."""
        before = await self.settled()
        await self.send(requests, at_once)
        spent = (await self.settled()).since(before, self.idle)
        return spent[0] / len(requests), spent[1] / len(requests)

    async def baseline(self, requests: list[bytes]) -> tuple[float, float]:
        """One XADD and one SET of the request's body, by themselves."""
        before = await self.settled()
        for request in requests:
            body = request.partition(b"\r\n\r\n")[2]
            await self.clients.call("XADD", "bench:stream", "MAXLEN", "~", 100, "*", "d", body)
            await self.clients.call("SET", "bench:state", body)
        spent = (await self.settled()).since(before, self.idle)
        return spent[0] / len(requests), spent[1] / len(requests)


async def measure(options: argparse.Namespace) -> dict[str, list[tuple[float, float]]]:
    """Bytes and writes for one page view, by kind, of each round."""
    figures: dict[str, list[tuple[float, float]]] = {}
    grace = {"leave_grace_ms": 1000}
    env = {f"COLLECTOR_{name}_PER_S": "1e9" for name in ("ADDRESS", "NEWCOMERS", "VISITOR", "SITE")}
    services = ("presence", "collector")
    with tempfile.TemporaryDirectory() as folder:
        async with Stack(Path(folder), grace, env, (ORIGIN,), services=services) as stack:
            clients = Clients(RedisSettings(stack.valkey.url))
            await clients.call("CONFIG", "SET", "auto-aof-rewrite-percentage", 0)
            world = World(stack, clients)
            await world.learn_idle()
            for _ in range(options.rounds):
                for mode, at_once, count in (("busy", BUSY, options.visitors), ("quiet", 1, options.visitors // 10)):
                    await one_round(world, mode, at_once, people(stack.site, count), options.pages, figures)
            await clients.close()
    return figures


def people(site: str, count: int) -> list[Person]:
    """New visitors."""
    tokens = VisitorTokens("0123456789abcdef" * 4)
    names = [str(uuid.uuid4()) for _ in range(count)]
    return [Person(site, tokens.mint(site, name), name) for name in names]


async def one_round(
    world: World,
    mode: str,
    at_once: int,
    everybody: list[Person],
    pages: int,
    figures: dict[str, list[tuple[float, float]]],
) -> None:
    """One visit of each."""

    def note(kind: str, cost: tuple[float, float]) -> None:
        figures.setdefault(f"{kind}, {mode}", []).append(cost)

    first = [person.beacon("page") for person in everybody]
    if mode == "busy":
        note("baseline", await world.baseline(first))
    note("first page view", await world.cost(first, at_once))
    later = [person.beacon("page", number) for number in range(1, pages) for person in everybody]
    note("page view", await world.cost(later, at_once))
    before = await world.settled()
    await world.send([person.beacon("leave") for person in everybody], at_once)
    partition = Partitions(16).of(world.stack.site)
    await world.empty("HLEN", keys.visitors(partition, world.stack.site))
    spent = (await world.settled()).since(before, world.idle)
    note("leaving", (spent[0] / len(everybody), spent[1] / len(everybody)))


def main() -> None:
    """Print the figures and their ratios to the baseline."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=200)
    parser.add_argument("--pages", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    figures = asyncio.run(measure(options))
    print(machine())
    print(f"{options.visitors} visitors ({options.visitors // 10} when quiet), {options.pages} page views each")
    base = sorted(size for size, _ in figures["baseline, busy"])[options.rounds // 2]
    for kind, costs in figures.items():
        sizes, writes = [size for size, _ in costs], [count for _, count in costs]
        ratio = sorted(sizes)[len(sizes) // 2] / base
        print(f"  {kind:24} AOF bytes {spread(sizes)}   x{ratio:.2f}   writes {spread(writes)}")


if __name__ == "__main__":
    main()
