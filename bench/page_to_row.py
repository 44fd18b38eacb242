"""From a page load to the row on a connected operator's socket, through all four services.

    python -m bench.page_to_row [--visitors 500] [--pages 30]

Two times are taken. *beacon to row*: from sending `POST /v1/e` to the delta that inserts the visitor, over a stock
Socket.IO client. *page to row*: from the start of a navigation in a real Chromium (new browser context each time) to
that delta. The baseline is the same number of plain HTTP round trips to the collector's own `GET /v1/site`, in the
same run: what any answer from this machine costs. Milliseconds of wall clock; all processes share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp

from tests.e2e.chromium import chromium
from tests.e2e.website import website
from tests.operator import Operator
from tests.stack import Stack
from tests.visitor import Visitor

PAUSE_S = 0.01
DEADLINE_S = 10.0
HEADLESS = {"COLLECTOR_DECLARED_CRAWLERS_ONLY": "on"}  # such browsers are taken for robots otherwise


def percentiles(times_ms: list[float]) -> str:
    """p50, p95, p99 and the largest."""
    cuts = statistics.quantiles(times_ms, n=100, method="inclusive")
    return f"p50 {cuts[49]:7.1f}   p95 {cuts[94]:7.1f}   p99 {cuts[98]:7.1f}   max {max(times_ms):7.1f} ms"


async def until_listed(operator: Operator, seen: set[str]) -> None:
    """Wait until the newest visitor is one that was not there before."""
    async with asyncio.timeout(DEADLINE_S):
        while not operator.rows or operator.rows[0]["visitor"] in seen:
            operator.changed.clear()
            await operator.changed.wait()
    seen.add(operator.rows[0]["visitor"])


async def round_trips(session: aiohttp.ClientSession, stack: Stack, count: int) -> list[float]:
    """The baseline: what an answer from the collector costs."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        async with session.get(f"{stack.collector}/v1/site", params={"key": stack.site}) as answer:
            await answer.read()
        times.append((time.perf_counter() - start) * 1000)
        await asyncio.sleep(PAUSE_S)
    return times


async def beacons(session: aiohttp.ClientSession, stack: Stack, operator: Operator, count: int) -> list[float]:
    """One new visitor after the other, by plain HTTP."""
    times = []
    for number in range(count):
        visitor = Visitor(session, lambda: stack.collector, stack.site, stack.origins[0])
        seen = set(operator.by_visitor())
        start = time.perf_counter()
        sending = asyncio.create_task(visitor.view(f"/{number}"))
        await until_listed(operator, seen)
        times.append((time.perf_counter() - start) * 1000)
        await sending
        await asyncio.sleep(PAUSE_S)
    return times


async def pages(operator: Operator, origin: str, path: str, count: int) -> list[float]:
    """One new browser profile after the other, a real page each."""
    times = []
    async with chromium() as browser:
        for _ in range(count):
            context = await browser.new_context()
            page = await context.new_page()
            seen = set(operator.by_visitor())
            start = time.perf_counter()
            going = asyncio.create_task(page.goto(origin + path))
            await until_listed(operator, seen)
            times.append((time.perf_counter() - start) * 1000)
            await going
            await context.close()
    return times


async def main(visitors: int, page_loads: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        async with website() as shop, Stack(Path(folder), origins=(shop.origin,), env=HEADLESS) as stack:
            shop.install(stack.collector, stack.site)
            async with Operator(stack.gateway, msgpack=True) as operator, aiohttp.ClientSession() as session:
                await operator.open(stack.site, sort={"by": "visit_started_at", "dir": "desc"}, limit=200)
                await beacons(session, stack, operator, 20)  # everything is loaded and connected now
                base = await round_trips(session, stack, visitors)
                rows = await beacons(session, stack, operator, visitors)
                loads = await pages(operator, shop.origin, "/", page_loads) if page_loads else []
    print(f"round trip (baseline), n={visitors}:  {percentiles(base)}")
    print(f"beacon to row,         n={visitors}:  {percentiles(rows)}")
    print(f"   ratio of medians to the baseline: {statistics.median(rows) / statistics.median(base):.1f}")
    if loads:
        print(f"page to row (Chromium), n={page_loads}:  {percentiles(loads)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=500)
    parser.add_argument("--pages", type=int, default=30, help="real page loads; 0 without Chromium")
    given = parser.parse_args()
    asyncio.run(main(given.visitors, given.pages))
