"""Keeps a number of simulated visitors on the website: who leaves is followed by somebody else, or comes back.

Read `Crowd.run`. Bounded: as many tasks as visitors, each with one visit at a time and at most one remembered browser.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

import aiohttp

from deploy.simulate.channel import REFUSED, REQUEST_S, Identity
from deploy.simulate.people import new_person
from deploy.simulate.tab import new_uuid
from deploy.simulate.visitor import Place, Visitor

ARRIVALS_PER_S = 25.0  # at the beginning; a crowd that comes in one instant is a benchmark, not a crowd
RETURNS = 0.35  # who left comes back as the same browser
ABSENCE_S = (0.5, 8.0)
REPORT_S = 30.0
DESCRIPTORS_EACH = 3  # two live channels and a request under way


class Crowd:
    """`size` people, arriving one after the other."""

    def __init__(self, place: Place, size: int, addresses: Mapping[str, list[str]], seed: int) -> None:
        self._place = place
        self._size = size
        self._addresses = addresses
        self._seed = seed
        self.present = 0
        self.outcomes: Counter[str] = Counter()

    async def run(self) -> None:
        """Until cancelled."""
        raise_descriptor_limit(self._size * DESCRIPTORS_EACH + 256)
        connector = aiohttp.TCPConnector(limit=256, limit_per_host=0, keepalive_timeout=30)
        timeout = aiohttp.ClientTimeout(total=REQUEST_S, connect=REQUEST_S)
        jar = aiohttp.DummyCookieJar()
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=jar) as session,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(self._report())
            for number in range(self._size):
                tasks.create_task(self._person(session, number))

    async def _person(self, session: aiohttp.ClientSession, number: int) -> None:
        rng = random.Random(f"{self._seed}-{number}")  # noqa: S311  # people, not secrets
        await asyncio.sleep(number / ARRIVALS_PER_S)
        person, identity = new_person(rng, self._addresses), Identity(new_uuid(rng))
        while True:
            visitor = Visitor(
                self._place, person=person, identity=identity, session=session, rng=rng, outcomes=self.outcomes
            )
            self.present += 1
            try:
                await visitor.visit()
            finally:
                self.present -= 1
            self.outcomes["visits"] += 1
            await asyncio.sleep(rng.uniform(*ABSENCE_S))
            if rng.random() > RETURNS:
                person, identity = new_person(rng, self._addresses), Identity(new_uuid(rng))

    async def _report(self) -> None:
        """A line now and then: information when all is well, a warning when the collector refuses visitors."""
        before: Counter[str] = Counter()
        while True:
            await asyncio.sleep(REPORT_S)
            fresh = self.outcomes - before
            before = self.outcomes.copy()
            bad = sum(count for name, count in fresh.items() if is_bad(name))
            level = "warning" if bad > sum(fresh.values()) * 0.02 else "info"
            line = {"level": level, "event": "simulated_visitors", "present": self.present, **dict(fresh)}
            print(json.dumps(line | {"timestamp": datetime.now(UTC).isoformat()}), flush=True)


def is_bad(outcome: str) -> bool:
    """True for what a healthy collector does not answer to honest visitors."""
    if outcome.startswith("http_"):
        code = outcome.removeprefix("http_")
        return not code.isdigit() or int(code) in REFUSED or int(code) >= 400
    return outcome in ("dropped", "live_unreachable") or (outcome.startswith("live_") and outcome != "live_ok")


def raise_descriptor_limit(wanted: int) -> None:
    """As many open sockets as this crowd needs, as far as the machine allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if most > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def fresh_seed() -> int:
    """Another crowd in every run."""
    return time.time_ns()
