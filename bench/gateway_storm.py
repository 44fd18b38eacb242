"""Thousands of sockets cut at once, and one operator that never reads among a hundred that do.

    python -m bench.gateway_storm [--sockets 5000] [--visitors 10000]

*Storm*: all sockets of a real gateway process are cut in the same moment; each comes back as socket.io-client does
(after 1 s, then 2, 4, 5 s, give or take a half) and opens its view again. Printed is when the last one has its
window, and how many were told to come back.

*Slow*: 100 sockets look at a list of which every row changes twenty times a second; in the second stretch one more,
which does not read, is there. Printed are the growth of the gateway's memory and the age of what the others see,
beside the first stretch as the baseline.
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
from typing import Any

import aiohttp
import uvloop

from bench.gateway_site import SOCKETS_EACH, Child, Console, Shop, lines_in, percentile, tokens_for
from shared.embedded import EmbeddedValkey
from shared.storage.clients import Clients, RedisSettings
from tests.eventually import eventually

WITHIN_S = 120.0
STRETCH_S = 15.0
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


async def storm(shop: Shop, gateway: Child, port: int, tokens: list[str], options: argparse.Namespace) -> None:
    """Cut all."""
    del shop
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
            f"{found['refused']} told to come back; gateway {share:.0%} of a core, loop held {held:.0f} ms at most",
            flush=True,
        )
    await consoles.stop()


async def connections(admin: int) -> int:
    """How many operators' sockets the gateway has."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{admin}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return int(float(next(line for line in lines if line.startswith("foyer_gateway_connections ")).split()[1]))


async def slow(shop: Shop, gateway: Child, port: int, admin: int, tokens: list[str]) -> None:
    """One that does not read."""
    consoles = await Child.start("--operate", json.dumps([port, tokens, 100, 1]))
    await consoles.figures()

    async def stretch() -> tuple[list[float], dict[str, Any]]:
        await consoles.ask()
        end = time.monotonic() + STRETCH_S
        while time.monotonic() < end:
            await shop.change(WATCHED, WATCHED)
            await asyncio.sleep(1 / PER_SECOND)
        return (await consoles.ask())["ages"], await gateway.ask()

    await stretch()
    ages, before = await stretch()
    silent = await Child.start("--operate", json.dumps([port, tokens[::-1], 1, 1, True]))
    await silent.figures()
    others, after = await stretch()
    base, with_slow = percentile(ages, 99), percentile(others, 99)
    print(
        f"one of 101 never reads, {STRETCH_S:.0f} s: gateway grew {(after['kib'] - before['kib']) / 1024:.1f} MiB; "
        f"age p50 {statistics.median(ages):.1f} -> {statistics.median(others):.1f} ms, "
        f"p99 {base:.1f} -> {with_slow:.1f} ms (x{with_slow / base:.2f})"
    )
    began = time.monotonic()
    while await connections(admin) > 100 and time.monotonic() < began + WITHIN_S:
        await shop.change(WATCHED, WATCHED)
        await asyncio.sleep(1 / PER_SECOND)
    print(f"cut off {time.monotonic() - began + STRETCH_S:.0f} s after it stopped: {await connections(admin) == 100}")
    for child in (silent, consoles):
        await child.stop()


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
            await slow(shop, gateway, port, started["admin"], tokens)
            await storm(shop, gateway, port, tokens, options)
        finally:
            await gateway.stop()
            await clients.close()
    print(f"load average {os.getloadavg()}")


def main() -> None:
    """Measure, or be the crowd."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=5_000)
    parser.add_argument("--visitors", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--crowd", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.crowd:
        port, tokens, count = json.loads(options.crowd)
        uvloop.run(crowd(port, tokens, count))
    else:
        uvloop.run(run(options))


if __name__ == "__main__":
    main()
