"""Crawlers, counted by site and name and told to presence once a minute, so that a site's owner can see them.

They cost one small entry a site and minute, however many come. What is not told when the process is killed is lost:
these are figures for people, not events. Read :meth:`BotCounts.saw`.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from services.collector.intake import Intake
from services.collector.outcomes import Outcomes
from shared.contracts.streams import MAX_BOT_NAMES, OTHER_BOTS, BotsSeen

EVERY_S = 60.0
MAX_SITES = 1_000  # with crawlers in a minute; the others are not counted


class BotCounts:
    """What has been seen and not been told yet; bounded by sites and by names of each."""

    def __init__(self, intake: Intake, outcomes: Outcomes, every_s: float = EVERY_S) -> None:
        self._intake = intake
        self._outcomes = outcomes
        self._every_s = every_s
        self._seen: dict[str, Counter[str]] = {}
        intake.on_bot = self.saw

    def saw(self, site: str, name: str) -> None:
        """Count one request, or one hello on a live channel, of the crawler `name`."""
        self._outcomes.bot(name)
        if site not in self._seen and len(self._seen) >= MAX_SITES:
            return
        counts = self._seen.setdefault(site, Counter())
        counts[name if name in counts or len(counts) < MAX_BOT_NAMES else OTHER_BOTS] += 1

    async def tell(self) -> None:
        """Tell presence everything; what Redis does not take is told with the next."""
        seen, self._seen = self._seen, {}
        now_ms = self._intake.now_ms()
        for site, counts in seen.items():
            if await self._intake.append(site, BotsSeen(site, now_ms, dict(counts))) is not None:
                for name, count in counts.items():
                    if site in self._seen or len(self._seen) < MAX_SITES:
                        self._seen.setdefault(site, Counter())[name] += count

    async def run(self) -> None:
        """Tell every minute until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.tell()
