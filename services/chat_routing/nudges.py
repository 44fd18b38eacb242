"""A change in the directory acts at once: each one becomes a :class:`LookAgain` in the stream of the site's partition.

Every instance says it, whoever owns the partition: saying it again changes nothing. What cannot be appended is kept
(one line a site, so it is bounded by their number) and said when Redis is back.
"""

from __future__ import annotations

import asyncio

from shared.contracts.streams import LookAgain, encode
from shared.domain.partitions import Partitions
from shared.storage.directory import DirectoryChange, OperatorChanged, SiteChanged
from shared.storage.faults import Lagging, Unavailable
from shared.storage.log import PartitionLog

GATHER_S = 0.05  # an import of many operators becomes few nudges
RETRY_S = 0.5


class Nudges:
    """Give `notice` to the directory and keep `run` running."""

    def __init__(self, log: PartitionLog, partitions: Partitions) -> None:
        self._log = log
        self._partitions = partitions
        self._sites: set[str] = set()
        self._noticed = asyncio.Event()

    def notice(self, change: DirectoryChange) -> None:
        """Remember which sites a change is about."""
        match change:
            case SiteChanged(site=site):
                self._sites.add(site)
            case OperatorChanged(old=old, new=new):
                for account in (old, new):
                    if account is not None:
                        self._sites.update(membership.site for membership in account.memberships)
        if self._sites:
            self._noticed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._noticed.wait()
            await asyncio.sleep(GATHER_S)
            self._noticed.clear()
            for site in sorted(self._sites):
                await self._say(site)

    async def _say(self, site: str) -> None:
        self._sites.discard(site)  # first: a change that comes while we append is said again
        try:
            await self._log.append("cmd", self._partitions.of(site), [encode(LookAgain(site))])
        except (Lagging, Unavailable):
            self._sites.add(site)
            self._noticed.set()
            await asyncio.sleep(RETRY_S)
