"""How many events a second one presence process folds.

Three figures from one run: the bare loop (XREAD of batches and decoding, nothing else) as the baseline, the pure fold
with decoding and packing but without Redis, and the service's own loop through a real Valkey, batches of 500. Each runs
several times; the median and the spread are printed, and each as a multiple of the baseline. Time is this process's CPU
time, so that a busy machine does not decide: a rate is what one core to itself would give. Valkey's own work is not in
it; it runs on another core and is shown beside.

    python -m bench.presence_fold [--events 60000] [--visitors 5000] [--repeat 3]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from msgspec.structs import replace

from services.presence.domain.draft import Draft, Moment, ViewsNeeded
from services.presence.domain.fold import fold
from services.presence.domain.publish import publish
from services.presence.domain.visits import settle
from services.presence.step import PresenceStep
from shared.contracts.rows import Device
from shared.contracts.sites import Site, SiteSettings
from shared.contracts.streams import Client, TabEvents, Tracked, decode_in, encode
from shared.domain.partitions import Partitions
from shared.domain.visitor import Visitor
from shared.domain.visitor_packing import pack_visitor, unpack_visitor
from shared.embedded import EmbeddedValkey
from shared.runtime.clock import SystemClock
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.log import PartitionLog
from shared.storage.owner import BATCH, PartitionOwner
from shared.storage.visitors import Visitors

SITE = Site(site="s_bench", name="Bench")
PARTITIONS = Partitions(1)
CHUNK = 500
CLIENT = Client("DE", "de-DE", Device("Chrome", "Windows", "desktop"))


class OneSite:
    """A directory with one site."""

    def site(self, site: str, /) -> Site | None:
        """That site."""
        return SITE if site == SITE.site else None

    async def catch_up(self) -> bool:
        """Always fresh."""
        return True


def load(events: int, visitors: int, now_ms: int) -> list[bytes]:
    """Entries as collectors write them under load: first page views, then beats with one page view in six."""
    rng = random.Random(1)
    people = [(str(uuid.uuid4()), str(uuid.uuid4()), [str(uuid.uuid4())], [0]) for _ in range(visitors)]
    entries = []
    for i in range(events):
        visitor, tab, page, n = people[i] if i < visitors else rng.choice(people)
        n[0] += 1
        kind = "page" if i < visitors or rng.random() < 1 / 6 else "beat"
        if kind == "page":
            page[0] = str(uuid.uuid4())
        event = Tracked(
            kind,  # type: ignore[arg-type]
            page[0],
            n[0],
            now_ms + i // 100,
            url=f"https://www.shop.example/category/{page[0][:8]}?color=blue",
            title="Air Zoom 40 Running Shoes | Shop",
            engaged_ms=n[0] * 1000,
            idle_ms=500,
        )
        client = CLIENT if kind == "page" else None
        entries.append(encode(TabEvents(SITE.site, visitor, tab, now_ms, (event,), client, "collector-1")))
    return entries


async def fill(clients: Clients, entries: list[bytes]) -> None:
    """Put the entries into the emptied server's input stream."""
    await clients.call("FLUSHALL")
    log = PartitionLog(clients, lag_limit_bytes=1 << 40)
    for i in range(0, len(entries), CHUNK):
        await log.append("in", PARTITIONS.all()[0], entries[i : i + CHUNK])


async def bare(clients: Clients, entries: list[bytes]) -> float:
    """Seconds to read and decode everything."""
    await fill(clients, entries)
    stream, position, done = keys.stream("in", PARTITIONS.all()[0]), "0-0", 0
    reader = clients.reader(stream)
    started = time.process_time()
    while done < len(entries):
        ((_, batch),) = await reader.read({stream: position}, BATCH, 1000)
        for _, payload in batch:
            decode_in(payload)
        position, done = batch[-1][0], done + len(batch)
    seconds = time.process_time() - started
    await reader.close()
    return seconds


async def pure(_clients: Clients, entries: list[bytes]) -> float:
    """Seconds to decode, load, fold, settle, compare and pack each entry by itself, in memory."""
    stored: dict[str, bytes] = {}
    seq = 0
    now_ms = SystemClock().now_ms()
    moment = Moment(now_ms, 0, SiteSettings(), {}, now_ms)
    started = time.process_time()
    for payload in entries:
        entry = decode_in(payload)
        assert isinstance(entry, TabEvents)
        packed = stored.get(entry.visitor)
        before = Visitor() if packed is None else unpack_visitor(packed)
        try:
            draft = settle(fold(Draft(before), entry, moment), moment)
        except ViewsNeeded:
            draft = settle(fold(replace(Draft(before), loaded={}), entry, moment), moment)
        draft, change = publish((entry.site, entry.visitor), before, draft, seq + 1, len(stored) + 1)
        seq += change is not None
        stored[entry.visitor] = pack_visitor(draft.visitor)
    return time.process_time() - started


async def loop(clients: Clients, entries: list[bytes]) -> float:
    """Seconds until the service's loop has committed everything."""
    await fill(clients, entries)
    done = asyncio.Event()
    left = len(entries)

    def report(_partition: object, _outcomes: object, _live: object, size: int) -> None:
        nonlocal left
        left -= size
        if left == 0:
            done.set()

    step = PresenceStep(Visitors(clients), OneSite(), report)
    owner = PartitionOwner(
        clients, PARTITIONS, service="presence", stream="in", instance="bench", clock=SystemClock(), step=step
    )
    served = await server_cpu(clients)
    started = time.process_time()
    task = asyncio.create_task(owner.run())
    await done.wait()
    seconds = time.process_time() - started
    _server_cpu.append(await server_cpu(clients) - served)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    pages = sum(unpack_visitor(packed).pages for packed in await live(clients))
    assert pages == sum(b"\xa1t\xa4page" in entry for entry in entries), "every page view counted once"
    return seconds


_server_cpu: list[float] = []


async def server_cpu(clients: Clients) -> float:
    """Seconds of CPU that Valkey has used."""
    text = await clients.call("INFO", "cpu")
    fields = text if isinstance(text, dict) else dict(line.split(":") for line in text.decode().split() if ":" in line)
    return float(fields["used_cpu_user"]) + float(fields["used_cpu_sys"])


async def live(clients: Clients) -> list[bytes]:
    """The stored visitors."""
    values: list[bytes] = await clients.call("HVALS", keys.visitors(PARTITIONS.all()[0], SITE.site))
    return values


Run = Callable[[Clients, list[bytes]], Awaitable[float]]


async def measure(options: argparse.Namespace) -> None:
    """All figures, taking turns so that a disturbance hits each of them."""
    runs: dict[str, Run] = {"bare XREAD and decode": bare, "pure fold": pure, "service loop": loop}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    valkey: list[float] = []
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as server:
        clients = Clients(RedisSettings(server.url))
        for _ in range(options.repeat):
            entries = load(options.events, options.visitors, SystemClock().now_ms() - 1000)
            for name, run in runs.items():
                seconds[name].append(await run(clients, entries))
            valkey.append(_server_cpu.pop())
        sizes = [len(packed) for packed in await live(clients)]
        await clients.close()
    print(
        f"{options.events} events of {options.visitors} visitors, batches of {BATCH}, median of {options.repeat} runs"
    )
    baseline = statistics.median(seconds["bare XREAD and decode"])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        spread = (max(taken) - min(taken)) / median * 100
        rate, micros = options.events / median, median / options.events * 1e6
        print(f"{name:22} {rate:>9,.0f} events/s  {micros:5.1f} µs  spread {spread:3.0f} %  x{median / baseline:.1f}")
    print(f"Valkey's own CPU for the loop: {statistics.median(valkey) / options.events * 1e6:.1f} µs an event")
    print(f"stored visitor: median {statistics.median(sizes):.0f} B, largest {max(sizes)} B")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--visitors", type=int, default=5_000)
    parser.add_argument("--repeat", type=int, default=3)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
