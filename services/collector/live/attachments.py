"""What presence is told about live channels: that one was opened, that one closed, and that the rest are alive.

A channel that closed and was not reported would keep its visitor on the list for as long as this collector lives, so
departures are repeated until Redis has them. Liveness costs one small entry a partition every few seconds, however many
channels there are. Read :class:`Departures`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque

import structlog

from services.collector.domain.refusals import Refusal
from services.collector.intake import Intake
from services.collector.outcomes import Outcomes
from shared.contracts.streams import CollectorAlive, TabDetached
from shared.domain.partitions import Partition

log = structlog.get_logger()

MAX_WAITING = 100_000  # departures during an outage: more than the connections that one process can hold
GROUP = 500
RETRY_S = 1.0
REPEAT_S = 15.0  # a departure whose arrival was in doubt is told again after this: the arrival may be stored late


class Departures:
    """Closed channels on their way to Redis. Bounded: beyond the bound they are dropped and counted."""

    def __init__(self, intake: Intake, outcomes: Outcomes) -> None:
        self._intake = intake
        self._outcomes = outcomes
        self._waiting: deque[tuple[TabDetached, bool]] = deque()
        self._repeats: deque[tuple[float, TabDetached]] = deque()
        self._added = asyncio.Event()
        self._settled = asyncio.Event()  # everything has been reported
        self._settled.set()

    def add(self, departure: TabDetached, *, in_doubt: bool) -> None:
        """Report that a channel closed. `in_doubt`: whether its arrival is stored is not known."""
        if len(self._waiting) >= MAX_WAITING:
            self._outcomes.departures_dropped += 1
            return
        self._waiting.append((departure, in_doubt))
        self._outcomes.departures_waiting = len(self._waiting)
        self._added.set()
        self._settled.clear()

    async def run(self) -> None:
        """Report departures until cancelled."""
        while True:
            await self._wait()
            self._take_due_repeats()
            group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
            if not group:
                continue
            failed = await self._report(group)
            self._waiting.extendleft(reversed(failed))
            self._outcomes.departures_waiting = len(self._waiting)
            if not self._waiting:
                self._settled.set()
            if failed:
                await asyncio.sleep(RETRY_S)

    async def _wait(self) -> None:
        """Until there is something to report or to repeat."""
        if self._waiting:
            return
        self._added.clear()
        timeout_s = None
        if self._repeats:
            timeout_s = max(0.0, self._repeats[0][0] - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(timeout_s):
                await self._added.wait()
        except TimeoutError:
            return

    def _take_due_repeats(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._repeats and self._repeats[0][0] <= now:
            self._waiting.append((self._repeats.popleft()[1], False))

    async def _report(self, group: list[tuple[TabDetached, bool]]) -> list[tuple[TabDetached, bool]]:
        """Append the group; gives back what Redis has not confirmed."""
        answers = await asyncio.gather(*(self._intake.append(departure.site, departure) for departure, _ in group))
        due = asyncio.get_running_loop().time() + REPEAT_S
        failed = []
        for item, refused in zip(group, answers, strict=True):
            if refused is not None:
                failed.append(item)
            elif item[1] and len(self._repeats) < MAX_WAITING:
                self._repeats.append((due, item[0]))
        return failed

    async def flush(self, timeout_s: float) -> None:
        """Wait until everything is reported, for `timeout_s` at most; :meth:`run` must be running."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            log.warning("departures_unreported", count=len(self._waiting))


class Liveness:
    """Counts the attached channels of each partition and says that they are alive."""

    def __init__(self, intake: Intake, outcomes: Outcomes, every_s: float) -> None:
        self._intake = intake
        self._outcomes = outcomes
        self._every_s = every_s
        self._attached: Counter[Partition] = Counter()
        self._a_site: dict[Partition, str] = {}

    def attach(self, site: str) -> None:
        """Count a channel in."""
        partition = self._intake.partition(site)
        self._attached[partition] += 1
        self._a_site[partition] = site  # names the partition to the intake
        self._outcomes.channels += 1

    def detach(self, site: str) -> None:
        """Count a channel out."""
        partition = self._intake.partition(site)
        self._attached[partition] -= 1
        if not self._attached[partition]:
            del self._attached[partition]
            del self._a_site[partition]
        self._outcomes.channels -= 1

    async def announce(self) -> list[Refusal]:
        """Say once, in each partition with channels, that they are alive; gives back what went wrong."""
        entry = CollectorAlive(self._intake.collector, self._intake.now_ms())
        answers = await asyncio.gather(*(self._intake.append(site, entry) for site in self._a_site.values()))
        return [refused for refused in answers if refused is not None]

    async def run(self) -> None:
        """Say it every few seconds until cancelled; after a failure sooner."""
        while True:
            failed = await self.announce()
            await asyncio.sleep(min(RETRY_S, self._every_s) if failed else self._every_s)
