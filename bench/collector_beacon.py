"""CPU of the collector for one accepted and durable beacon, beside a bare aiohttp handler; and for one live event.

The bare handler parses the same JSON with the standard library and answers 204: what any aiohttp service pays at least.
Both run on uvloop in processes of their own, driven in turns over 64 keep-alive connections in the same run, each the
tab of a visitor with its token; the CPU is the server process's own (user and system). The same events go over 64 live
channels, one in a message and the next when it is answered, as the tracker does. Opening connections is not counted to
the events; what a channel costs besides its events is told apart. Every beacon must have been answered 2xx and must be
in the stream at the end, or the run fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench._figures import cpu_s, machine, spread
from services.collector.domain.tokens import VisitorTokens
from shared.contracts.sites import Site
from shared.domain.partitions import Partitions
from shared.embedded import EmbeddedValkey
from shared.embedded.server import free_port
from shared.storage import keys
from shared.storage.blocks import payloads_in
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory_store import DirectoryStore

CONNECTIONS = 64
SITE, ORIGIN = "s_bench000", "https://shop.example"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
SECRET = "0" * 40
OPENING = "channel"  # opening one, hello, and closing it

BARE = """
import asyncio, json, sys, uvloop
from aiohttp import web
async def events(request):
    json.loads(await request.read())
    return web.Response(status=204)
async def main():
    app = web.Application()
    app.router.add_post("/v1/e", events)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    await asyncio.Event().wait()
asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())
"""


def event(n: int) -> dict[str, object]:
    """A heartbeat, as the tracker sends it."""
    return {
        "type": "beat",
        "page": "0f0e0d0c-0b0a-4908-8706-050403020100",
        "n": n,
        "at": 61_234,
        "url": f"{ORIGIN}/products/blue-shoes?size=42",
        "title": "Blue shoes, size 42",
        "engaged_ms": 41_000,
        "idle_ms": 300,
    }


def text(value: object) -> str:
    """JSON as browsers write it."""
    return json.dumps(value, separators=(",", ":"))


@dataclass(frozen=True)
class Browser:
    """A visitor's tab, as the tracker names it: with the visitor's token, which it has had since its first contact."""

    tab: str
    visitor: str
    token: str

    @classmethod
    def new(cls) -> Browser:
        """Somebody else."""
        visitor = str(uuid.uuid4())
        return cls(str(uuid.uuid4()), visitor, VisitorTokens(SECRET).mint(SITE, visitor))

    @property
    def sender(self) -> dict[str, object]:
        """Who speaks: part of each batch over HTTP, and of the live channel's hello."""
        return {"site": SITE, "visitor": self.visitor, "token": self.token, "tab": self.tab}

    def request(self) -> bytes:
        """One beacon with its header, as Chromium sends it."""
        body = text({**self.sender, "sent": 61_240, "events": [event(1)]})
        head = (
            "POST /v1/e HTTP/1.1\r\nHost: collector.example\r\nConnection: keep-alive\r\n"
            f"Content-Length: {len(body)}\r\nUser-Agent: {AGENT}\r\nContent-Type: text/plain;charset=UTF-8\r\n"
            f"Accept: */*\r\nOrigin: {ORIGIN}\r\nReferer: {ORIGIN}/\r\n"
            "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n"
        )
        return head.encode() + body.encode()


class OverHttp:
    """Keep-alive connections, one visitor each."""

    def __init__(self) -> None:
        self._open: list[tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def open(self, port: int) -> None:
        """All of them."""
        for _ in range(CONNECTIONS):
            self._open.append((Browser.new().request(), *await asyncio.open_connection("127.0.0.1", port)))

    async def send(self, each: int) -> None:
        """`each` beacons, one after the other, on each connection."""

        async def one(beacon: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in range(each):
                writer.write(beacon)
                answer = await reader.readuntil(b"\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 204"), answer

        await asyncio.gather(*(one(*connection) for connection in self._open))

    async def close(self) -> None:
        """Hang up."""
        for _, _, writer in self._open:
            writer.close()
        self._open.clear()


class OverLive:
    """Live channels that have said hello, one visitor each."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._open: list[aiohttp.ClientWebSocketResponse] = []

    async def open(self, port: int) -> None:
        """All of them."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        headers = {"Origin": ORIGIN, "User-Agent": AGENT}
        for _ in range(CONNECTIONS):
            channel = await self._session.ws_connect(f"http://127.0.0.1:{port}/v1/live", headers=headers)
            await channel.send_str(text({"type": "hello", "id": "hello", **Browser.new().sender}))
            assert '"ok"' in await channel.receive_str()
            self._open.append(channel)

    async def send(self, each: int) -> None:
        """`each` event messages, one after the other, on each channel."""

        async def one(channel: aiohttp.ClientWebSocketResponse) -> None:
            for number in range(each):
                await channel.send_str(
                    text({"type": "events", "id": f"e{number}", "sent": 61_240, "events": [event(1)]})
                )
                answer = await channel.receive_str()
                assert answer == f'{{"type":"ok","id":"e{number}","accepted":1}}', answer

        await asyncio.gather(*(one(channel) for channel in self._open))

    async def close(self) -> None:
        """Hang up."""
        await asyncio.gather(*(channel.close() for channel in self._open))
        self._open.clear()
        if self._session is not None:
            await self._session.close()


async def start(*command: str, port: int, **env: str) -> asyncio.subprocess.Process:
    """A server process, once it listens."""
    process = await asyncio.create_subprocess_exec(sys.executable, *command, env={**os.environ, **env})
    for _ in range(600):
        try:
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            return process
        except OSError:
            await asyncio.sleep(0.05)
    raise RuntimeError("the server does not listen")


async def start_collector(redis_url: str, port: int) -> asyncio.subprocess.Process:
    """A collector without rate limits: one machine plays all the visitors."""
    rates = ("ADDRESS", "NEWCOMERS", "VISITOR", "SITE")
    unlimited = {f"COLLECTOR_{name}_PER_S": "1e9" for name in rates}
    return await start(
        "-m",
        "services.collector",
        port=port,
        FOYER_SECRET=SECRET,
        REDIS_URL=redis_url,
        COLLECTOR_HOST="127.0.0.1",
        COLLECTOR_PORT=str(port),
        COLLECTOR_ADMIN_PORT=str(free_port()),
        COLLECTOR_LAG_KIB="100000000",
        COLLECTOR_FRAMES_PER_S="1e9",
        LOG_LEVEL="WARNING",
        **unlimited,
    )


async def make_site(redis_url: str) -> Clients:
    """The site, stored."""
    clients = Clients(RedisSettings(redis_url))
    await clients.agree_on_partitions(16)
    await DirectoryStore(clients).create_site(Site(site=SITE, name="Bench", origins=(ORIGIN,)))
    return clients


async def measure(rounds: int, each: int) -> dict[str, list[float]]:
    """CPU microseconds for one beacon: of each kind, of each round."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as valkey:
        clients = await make_site(valkey.url)
        ports = {"bare": free_port(), "collector": free_port()}
        bare = await start("-c", BARE, str(ports["bare"]), port=ports["bare"])
        collector = await start_collector(valkey.url, ports["collector"])
        kinds: dict[str, tuple[int, int, OverHttp | OverLive]] = {
            "bare": (bare.pid, ports["bare"], OverHttp()),
            "beacon": (collector.pid, ports["collector"], OverHttp()),
            "live": (collector.pid, ports["collector"], OverLive()),
        }
        figures: dict[str, list[float]] = {kind: [] for kind in (*kinds, OPENING)}
        try:
            for number in range(rounds + 1):
                for kind, (pid, port, way) in kinds.items():
                    at_first = cpu_s(pid)
                    await way.open(port)
                    before = cpu_s(pid)
                    await way.send(each)
                    after = cpu_s(pid)
                    await way.close()
                    await asyncio.sleep(0.1)  # departures are told a moment later
                    if number:  # the first round warms up
                        figures[kind].append((after - before) / (each * CONNECTIONS) * 1e6)
                    if number and kind == "live":
                        ends = before - at_first + cpu_s(pid) - after
                        figures[OPENING].append(ends / CONNECTIONS * 1e6)
            stream = keys.stream("in", Partitions(16).of(SITE))
            stored = sum(len(payloads_in(fields)) for _, fields in await clients.call("XRANGE", stream, "-", "+"))
            assert stored >= 2 * (rounds + 1) * each * CONNECTIONS, "an acknowledged beacon is not in the stream"
        finally:
            for process in (bare, collector):
                process.terminate()
                await process.wait()
            await clients.close()
        return figures


def main() -> None:
    """Print the figures and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--each", type=int, default=200, help="beacons a connection and round")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.rounds, options.each))
    print(machine())
    print(f"{CONNECTIONS} connections, {options.rounds} rounds of {options.each * CONNECTIONS} beacons; CPU us each:")
    for kind, values in figures.items():
        what = "a channel opened and closed" if kind == OPENING else kind
        print(f"  {what:10} {spread(values)}")
    for name, over, under in (("beacon / bare", "beacon", "bare"), ("live / beacon", "live", "beacon")):
        ratios = [one / other for one, other in zip(figures[over], figures[under], strict=True)]
        print(f"  {name:14} {spread(ratios)}")


if __name__ == "__main__":
    main()
