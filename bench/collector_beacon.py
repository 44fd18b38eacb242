"""CPU of the collector for one accepted and durable beacon, beside a bare aiohttp handler; and for one live event.

The bare handler parses the same JSON with the standard library and answers 204: what any aiohttp service pays at least.
Both run on uvloop in processes of their own, driven in turns by the same 64 keep-alive connections in the same run;
the CPU is the server process's own (user and system). A third server takes the same events over 64 live channels.
Every beacon must have been answered 2xx and must be in the stream at the end, or the run fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from bench._figures import cpu_s, machine, spread
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
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

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


def request_bytes() -> bytes:
    """One beacon with its header, from a tab of its own."""
    tab = str(uuid.uuid4())
    body = json.dumps({"site": SITE, "tab": tab, "sent": 61_240, "events": [event(1)]}, separators=(",", ":"))
    head = (
        f"POST /v1/e HTTP/1.1\r\nHost: collector.example\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\n"
        f"Accept-Language: en-US,en;q=0.5\r\nContent-Type: text/plain;charset=UTF-8\r\nOrigin: {ORIGIN}\r\n"
        f"Referer: {ORIGIN}/\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body.encode()


async def drive_http(port: int, each: int) -> None:
    """`each` beacons, one after the other, on each connection."""

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        beacon = request_bytes()
        for _ in range(each):
            writer.write(beacon)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 204"), answer
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))


async def drive_live(port: int, each: int) -> None:
    """`each` event messages, one after the other, on each live channel."""

    async def one(session: aiohttp.ClientSession) -> None:
        headers = {"Origin": ORIGIN, "User-Agent": AGENT}
        async with session.ws_connect(f"http://127.0.0.1:{port}/v1/live", headers=headers) as channel:
            await channel.send_str(json.dumps({"type": "hello", "id": "h", "site": SITE, "tab": str(uuid.uuid4())}))
            assert '"ok"' in await channel.receive_str()
            frame = json.dumps({"type": "events", "id": "1", "sent": 61_240, "events": [event(1)]})
            for _ in range(each):
                await channel.send_str(frame)
                answer = await channel.receive_str()
                assert answer.startswith('{"type":"ok"'), answer

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(one(session) for _ in range(CONNECTIONS)))


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
        FOYER_SECRET="0" * 40,
        REDIS_URL=redis_url,
        COLLECTOR_HOST="127.0.0.1",
        COLLECTOR_PORT=str(port),
        COLLECTOR_ADMIN_PORT=str(free_port()),
        COLLECTOR_LAG_LIMIT="100000000",
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
        kinds: dict[str, tuple[int, int, Callable[[int, int], Awaitable[None]]]] = {
            "bare": (bare.pid, ports["bare"], drive_http),
            "beacon": (collector.pid, ports["collector"], drive_http),
            "live": (collector.pid, ports["collector"], drive_live),
        }
        figures: dict[str, list[float]] = {kind: [] for kind in kinds}
        try:
            for number in range(rounds + 1):
                for kind, (pid, port, drive) in kinds.items():
                    before = cpu_s(pid)
                    await drive(port, each)
                    if number:  # the first round warms up
                        figures[kind].append((cpu_s(pid) - before) / (each * CONNECTIONS) * 1e6)
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
    parser.add_argument("--each", type=int, default=150, help="beacons a connection and round")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.rounds, options.each))
    print(machine())
    print(f"{CONNECTIONS} connections, {options.rounds} rounds of {options.each * CONNECTIONS} beacons; CPU us each:")
    for kind, values in figures.items():
        print(f"  {kind:10} {spread(values)}")
    for name, over, under in (("beacon / bare", "beacon", "bare"), ("live / beacon", "live", "beacon")):
        ratios = [one / other for one, other in zip(figures[over], figures[under], strict=True)]
        print(f"  {name:14} {spread(ratios)}")


if __name__ == "__main__":
    main()
