"""Page views at a steady rate, from a process of its own: the load beside which other things are measured.

`python -m bench._page_views '[port, site, channels, per_second]'`: opens so many live channels of as many visitors,
then turns pages at random moments, the visitors one after the other. A line on its input makes it print what was sent,
answered and refused since the line before, and how late the answers were. Read :func:`turn_pages`.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from typing import Any

import uvloop

from bench._wire import Tab
from bench.gateway_site import lines_in

OPENING = 20  # handshakes at a time
PAGES = 200
TICK_S = 0.002


class Account:
    """What happened since the last time somebody asked."""

    def __init__(self) -> None:
        self.sent = self.refused = 0
        self.times_ms: list[float] = []

    def answered(self, sent_at: float, answer: dict[str, Any]) -> None:
        """An answer came."""
        self.times_ms.append((time.perf_counter() - sent_at) * 1e3)
        self.refused += answer["type"] != "ok"

    def line(self) -> str:
        """As JSON; and begin anew."""
        times = sorted(self.times_ms) or [0.0]
        told = {
            "sent": self.sent,
            "answered": len(self.times_ms),
            "refused": self.refused,
            "p50": statistics.median(times),
            "p99": times[int(len(times) * 0.99)],
        }
        self.sent = self.refused = 0
        self.times_ms = []
        return json.dumps(told)


async def turn_pages(tabs: list[Tab], per_second: float, account: Account) -> None:
    """Until cancelled."""
    due, at = time.perf_counter(), 0
    while True:
        now = time.perf_counter()
        while due <= now:
            due += random.expovariate(per_second)
            tab = tabs[at % len(tabs)]
            at += 1
            account.sent += 1
            answer = tab.view(random.randrange(PAGES))
            answer.add_done_callback(lambda done, sent=now: account.answered(sent, done.result()))  # type: ignore[misc]
        await asyncio.sleep(TICK_S)


async def load(port: int, site: str, channels: int, per_second: float) -> None:
    """Until the input ends."""
    slots, account = asyncio.Semaphore(OPENING), Account()
    tabs = [Tab(site) for _ in range(channels)]

    async def come(tab: Tab) -> None:
        async with slots:
            await tab.connect(port, "127.0.0.9")

    await asyncio.gather(*(come(tab) for tab in tabs))
    print(json.dumps({"open": channels}), flush=True)
    turning = asyncio.create_task(turn_pages(tabs, per_second, account))
    async for _ in lines_in():
        print(account.line(), flush=True)
    turning.cancel()


if __name__ == "__main__":
    uvloop.run(load(*json.loads(sys.argv[1])))
