"""Crawlers on a site by day: the counts that presence keeps, and what is read of them."""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.partitions import Partition, Partitions
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.visitors import DAY_MS, SiteDay, pairs
from shared.storage.writes import Write, hincrby, pexpire_once

KEPT_DAYS = 90


def bot_writes(partition: Partition, counts: Mapping[SiteDay, Mapping[str, int]]) -> list[Write]:
    """Add to the counts of these days."""
    writes: list[Write] = []
    for (site, day), by_name in counts.items():
        key = keys.bots(partition, site, day)
        writes += [hincrby(key, name, count) for name, count in by_name.items()]
        writes.append(pexpire_once(key, (KEPT_DAYS + 1) * DAY_MS))
    return writes


class BotReports:
    """Reads the counts. Raises Unavailable."""

    def __init__(self, clients: Clients, partitions: Partitions) -> None:
        self._clients = clients
        self._partitions = partitions

    async def days(self, site: str, last: int, count: int) -> dict[int, dict[str, int]]:
        """Crawlers by name of each of the `count` days that end with `last`."""
        partition = self._partitions.of(site)
        days = range(last, last - count, -1)
        found = await self._clients.pipeline([("HGETALL", keys.bots(partition, site, day)) for day in days])
        return {
            day: {name.decode(): int(value) for name, value in pairs(answer)}
            for day, answer in zip(days, found, strict=True)
        }
