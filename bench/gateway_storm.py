"""Thousands of sockets cut at once, and one operator that never reads among a hundred that do.

    python -m bench.gateway_storm [--sockets 5000] [--visitors 10000] [--only storm|slow]

*Storm*: all sockets of a real gateway process are cut in the same moment; each comes back as socket.io-client does
(after 1 s, then 2, 4, 5 s, give or take a half) and opens its view again. Printed is when the last one has its
window, and how many were told to come back.

*Slow*: 99 sockets look at a list of which every row changes twenty times a second; in every second stretch one more,
which does not read, is there. Printed are the growth of the gateway's memory and the age of what the others see, beside
the stretches without as the baseline, pair by pair.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import cast

import aiohttp
import uvloop

from bench._figures import spread
from bench._garbage import collections
from bench.gateway_site import SOCKETS_EACH, Child, Console, Shop, lines_in, percentile, tokens_for
from shared.embedded import EmbeddedValkey
from shared.storage.clients import Clients, RedisSettings
from tests.eventually import eventually

WITHIN_S = 120.0
STRETCH_S = 3.0
READERS = 99
WATCHED = 50  # rows of the window
PER_SECOND = 20


class Returning(Console):
    """A console that comes back."""

    refused = 0
    here: set[Returning] = set()  # noqa: RUF012  # of the process
    tries = 0

    def opened_view(self) -> None:
        Returning.here.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self not in Returning.here:
            Returning.refused += 1
        Returning.here.discard(self)
        delay_s = min(5.0, 2.0**self.tries) * random.uniform(0.5, 1.5)
        asyncio.get_running_loop().call_later(delay_s, self._again, self.tries + 1)

    def _again(self, tries: int) -> None:
        asyncio.ensure_future(connect(self.port, self.token, self.view, tries))  # noqa: RUF006


async def connect(port: int, token: str, view: int, tries: int = 0) -> None:
    """One console, now."""

    def make() -> Returning:
        console = Returning(token, view)
        console.port, console.tries = port, tries
        return console

    await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port)


async def crowd(port: int, tokens: list[str], count: int) -> None:
    """All come (a few at a time), then for each line that comes in: cut all, and say how it went."""
    for number in range(count):
        await connect(port, tokens[number // SOCKETS_EACH], 0)
        if number % 100 == 99:
            await eventually(lambda n=number: len(Returning.here) > n - 200, within_s=WITHIN_S, every_s=0.02)  # type: ignore[misc]
    await eventually(lambda: len(Returning.here) >= count, within_s=WITHIN_S, every_s=0.05)
    print(json.dumps({"here": count}), flush=True)
    async for _ in lines_in():
        start = time.monotonic()
        Returning.refused = 0
        for console in tuple(Returning.here):
            console.cut()
        await eventually(lambda: not Returning.here, within_s=10, every_s=0.01)
        curve = []
        for share in (0.5, 0.9, 1.0):
            await eventually(lambda s=share: len(Returning.here) >= s * count, within_s=WITHIN_S, every_s=0.02)  # type: ignore[misc]
            curve.append(time.monotonic() - start)
        print(json.dumps({"curve": curve, "refused": Returning.refused}), flush=True)


async def storm(gateway: Child, port: int, tokens: list[str], options: argparse.Namespace) -> None:
    """Cut all."""
    consoles = await Child.start("--crowd", json.dumps([port, tokens, options.sockets]), module="bench.gateway_storm")
    await consoles.figures()
    for _ in range(options.rounds):
        before = await gateway.ask()
        found = await consoles.ask()
        after = await gateway.ask()
        held, share = after["held_ms"], (after["cpu_s"] - before["cpu_s"]) / found["curve"][-1]
        half, most, every = found["curve"]
        print(
            f"{options.sockets} sockets cut at once: half back in {half:.1f} s, 90 % {most:.1f} s, all {every:.1f} s; "
            f"{found['refused']} told to come back; gateway {share:.0%} of a core, loop held {held:.0f} ms at most; "
            f"garbage {collections(after)}",
            flush=True,
        )
    await consoles.stop()


async def figure(admin: int, name: str) -> float:
    """One of the gateway's own figures."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{admin}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line for line in lines if line.startswith(f"foyer_gateway_{name} ")).split()[1])


async def slow(shop: Shop, gateway: Child, port: int, admin: int, tokens: list[str], pairs: int) -> None:
    """One that does not read: there in every second stretch, so that what else the machine does is in both."""
    consoles = await Child.start("--operate", json.dumps([port, tokens, READERS, 1]))
    await consoles.figures()

    async def stretch() -> tuple[list[float], float]:
        before, _ = await gateway.ask(), await consoles.ask()
        end = time.monotonic() + STRETCH_S
        while time.monotonic() < end:
            await shop.change(WATCHED, WATCHED)
            await asyncio.sleep(1 / PER_SECOND)
        ages = (await consoles.ask())["ages"]
        return cast("list[float]", ages), (await gateway.ask())["cpu_s"] - before["cpu_s"]

    await stretch()
    before = await gateway.ask()
    without, beside, held = [], [], 0.0
    for _ in range(pairs):
        without.append(await stretch())
        silent = await Child.start("--operate", json.dumps([port, tokens[::-1], 1, 1, True]))
        await silent.figures()
        beside.append(await stretch())
        held = max(held, await figure(admin, "pending_bytes"))
        await silent.stop()
        await eventually(lambda: at_most(admin, READERS), within_s=WITHIN_S, every_s=0.05)
    after = await gateway.ask()
    print(f"{READERS} that read; {pairs} pairs of {STRETCH_S:.0f} s without and beside one that never reads:")
    told("p50", "ms", [percentile(one, 50) for one, _ in without], [percentile(one, 50) for one, _ in beside])
    told("p99", "ms", [percentile(one, 99) for one, _ in without], [percentile(one, 99) for one, _ in beside])
    told("gateway", "s of processor", [cpu for _, cpu in without], [cpu for _, cpu in beside])
    base, others = ([age for ages, _ in stretches for age in ages] for stretches in (without, beside))
    print(
        f"  p99 over all stretches {percentile(base, 99):.1f} -> {percentile(others, 99):.1f} ms "
        f"(x{percentile(others, 99) / percentile(base, 99):.2f}); {held / 1024:.0f} KiB held for it at most; "
        f"gateway grew {(after['kib'] - before['kib']) / 1024:.1f} MiB",
        flush=True,
    )
    await cut_off(shop, port, admin, tokens)
    await consoles.stop()


def told(name: str, unit: str, without: list[float], beside: list[float]) -> None:
    """A figure of both kinds of stretches, and how they compare pair by pair."""
    ratios = [one / other for one, other in zip(beside, without, strict=True)]
    print(
        f"  {name}: {spread(without)} -> {spread(beside)} {unit}; pair by pair x{statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


async def cut_off(shop: Shop, port: int, admin: int, tokens: list[str]) -> None:
    """How long the silent one is borne with."""
    silent = await Child.start("--operate", json.dumps([port, tokens[::-1], 1, 1, True]))
    await silent.figures()
    began = time.monotonic()
    while not await at_most(admin, READERS) and time.monotonic() < began + WITHIN_S:
        await shop.change(WATCHED, WATCHED)
        await asyncio.sleep(1 / PER_SECOND)
    print(f"cut off {time.monotonic() - began:.0f} s after it stopped reading: {await at_most(admin, READERS)}")
    await silent.stop()


async def at_most(admin: int, count: int) -> bool:
    """Whether no more sockets than that are there."""
    return await figure(admin, "connections") <= count


async def run(options: argparse.Namespace) -> None:
    """Both."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as server:
        clients = Clients(RedisSettings(server.url))
        await clients.ready()
        shop = Shop(clients)
        await shop.fill(options.visitors)
        tokens = await tokens_for(clients, max(200, options.sockets))
        gateway = await Child.start("--serve", server.url)
        try:
            started = await gateway.figures()
            port = started["port"]
            if options.only != "storm":
                await slow(shop, gateway, port, started["admin"], tokens, options.pairs)
            if options.only != "slow":
                await storm(gateway, port, tokens, options)
        finally:
            await gateway.stop()
            await clients.close()
    print(f"load average {os.getloadavg()}")


def main() -> None:
    """Measure, or be the crowd."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=5_000)
    parser.add_argument("--visitors", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--only", choices=("storm", "slow"))
    parser.add_argument("--crowd", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.crowd:
        port, tokens, count = json.loads(options.crowd)
        uvloop.run(crowd(port, tokens, count))
    else:
        uvloop.run(run(options))


if __name__ == "__main__":
    main()
