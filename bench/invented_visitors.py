"""What a flood of invented visitors from one address leaves behind, and what the others notice.

    python -m bench.invented_visitors [--seconds 20] [--connections 32]

Connections of one address send a page view of a new visitor each, as fast as they can, with the default limits but no
limit on requests of an address (which would already stop nine in ten). A real visitor from another address sends beats
meanwhile: the time of its answers with and without the flood is the comparison. Afterwards everybody has left, and
what stays in Redis and in the processes is put beside the stated bound: remembered visitors of a network.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path

from bench._figures import info, machine, memory_kib
from shared.domain.partitions import Partitions
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from tests.stack import Stack

ORIGIN = "https://shop.example"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
REMEMBERED = 3000  # COLLECTOR_REMEMBERED_BURST: 1,000 a day come on top
NEWCOMERS, NEWCOMERS_PER_S = 5000, 100  # COLLECTOR_NEWCOMERS_BURST and _PER_S: the others hear 429
ANONYMOUS_S = 120  # who is not remembered is forgotten after this
SLACK = 100  # the real visitor, and seconds at both ends
PAUSE_S = 0.02


def request(site: str, kind: str, n: int, tab: str, visitor: str = "") -> bytes:
    """A beacon with one event."""
    event = {"type": kind, "page": str(uuid.uuid4()), "n": n, "at": 1, "url": f"{ORIGIN}/a", "title": "A"}
    body = {"site": site, "tab": tab, "sent": 1, "events": [event]} | ({"visitor": visitor} if visitor else {})
    text = json.dumps(body)
    head = f"POST /v1/e HTTP/1.1\r\nHost: c\r\nUser-Agent: {AGENT}\r\nOrigin: {ORIGIN}\r\nContent-Length: {len(text)}"
    return f"{head}\r\n\r\n{text}".encode()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> int:
    """The answer's status; its body is read away."""
    writer.write(text)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    if "content-length: " in head:
        await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
    return int(head.split(" ")[1])


async def flood(port: int, site: str, until: float, answers: Counter[int]) -> None:
    """New visitors, one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0))
    while time.monotonic() < until:
        answers[await ask(reader, writer, request(site, "page", 1, str(uuid.uuid4()), str(uuid.uuid4())))] += 1
    writer.close()


async def real(port: int, site: str, until: float) -> list[float]:
    """One tab that beats; milliseconds of each answer. Every one must be taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.1", 0))
    tab, times, n = str(uuid.uuid4()), [], 0
    while time.monotonic() < until:
        n += 1
        started = time.perf_counter()
        status = await ask(reader, writer, request(site, "page" if n == 1 else "beat", n, tab))
        times.append((time.perf_counter() - started) * 1000)
        assert status == 204, status
        await asyncio.sleep(PAUSE_S)
    writer.close()
    return times


async def stored(clients: Clients, site: str) -> Counter[str]:
    """Keys by kind, and the rows of the site."""
    counts: Counter[str] = Counter()
    cursor = b"0"
    while True:
        cursor, names = await clients.call("SCAN", cursor, "COUNT", 1000)
        counts.update(name.decode().partition(":")[0] for name in names)
        if int(cursor) == 0:
            break
    counts["rows"] = await clients.call("HLEN", keys.visitors(Partitions(16).of(site), site))
    return counts


async def measure(options: argparse.Namespace) -> None:
    """Runs and prints."""
    limits = {"COLLECTOR_ADDRESS_PER_S": "1e9", "COLLECTOR_VISITOR_PER_S": "1e9"}
    quick = {"silence_ms": 3_000, "leave_grace_ms": 1_000}
    with tempfile.TemporaryDirectory() as folder:
        async with Stack(Path(folder), quick, limits, (ORIGIN,), services=("presence", "collector")) as stack:
            clients = Clients(RedisSettings(stack.valkey.url))
            port, site = stack.first("collector").port, stack.site
            pids = {one.service: one.process.pid for one in stack.instances if one.process is not None}
            calm = await real(port, site, time.monotonic() + options.seconds / 4)
            before = {name: memory_kib(pid) for name, pid in pids.items()}
            used = int((await info(clients, "memory"))["used_memory"])
            answers: Counter[int] = Counter()
            until = time.monotonic() + options.seconds
            floods = [flood(port, site, until, answers) for _ in range(options.connections)]
            flooding = asyncio.gather(*floods)
            times = await real(port, site, until)
            await flooding
            at_once = await stored(clients, site)
            while (await stored(clients, site))["rows"]:  # noqa: ASYNC110  # presence lets them go
                await asyncio.sleep(0.2)
            left = await stored(clients, site)
            grown = int((await info(clients, "memory"))["used_memory"]) - used
            print(machine())
            taken = answers[200] + answers[204]
            print(f"{sum(answers.values())} invented visitors in {options.seconds:.0f} s: {taken} taken, {answers}")
            print(f"rows at the end of the flood: {at_once['rows']}; after it: {dict(left)}")
            print(f"Redis: +{grown / 1024:.0f} KiB after all have left")
            for name, pid in pids.items():
                print(f"{name}: +{memory_kib(pid) - before[name]} KiB")
            for name, series in (("calm", calm), ("during the flood", times)):
                p99 = statistics.quantiles(series, n=100)[98]
                print(f"another visitor's answers, {name}: median {statistics.median(series):.1f} ms, p99 {p99:.1f} ms")
            anonymous = NEWCOMERS + NEWCOMERS_PER_S * min(ANONYMOUS_S, options.seconds)
            assert left["p"] <= REMEMBERED + anonymous + SLACK, "more is stored than the bound says"
            await clients.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--connections", type=int, default=32)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
