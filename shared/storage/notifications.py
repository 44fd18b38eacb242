"""The queue of mails and webhooks: written in the commit that they tell of, read by a consumer group.

The one place where a consumer group fits: deliveries are unordered side effects and may be repeated. An entry stays
pending until it is delivered or given up, so what a dead worker had is found by its idle time, and the count of
deliveries is the count of attempts. Read :meth:`NotificationQueue.overdue`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from redis import exceptions

from shared.contracts.notifications import (
    Delivery,
    Undelivered,
    decode_undelivered,
    encode_delivery,
    encode_undelivered,
)
from shared.domain.partitions import Partition, Partitions
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.writes import Write, xadd

GROUP = "notify"
MAX_QUEUED = 10_000  # deliveries of a partition; beyond it the oldest are dropped, as a receiver has been away for long
MAX_DEAD = 1_000
DEAD_MS = 30 * 24 * 3_600_000
PENDING_LOOK = 100  # pending entries looked at in one sweep of a partition


class Queued(Struct, frozen=True):
    """An entry that this consumer holds: the `attempt`th of its delivery."""

    entry: str
    payload: bytes
    attempt: int


def queue_writes(partition: Partition, deliveries: Iterable[Delivery]) -> list[Write]:
    """Put deliveries into the queue."""
    key = keys.notifications(partition)
    return [xadd(key, encode_delivery(delivery), MAX_QUEUED) for delivery in deliveries]


def buried_removal(partition: Partition, entries: Iterable[str]) -> list[Write]:
    """What was given up is dealt with."""
    gone = tuple(entries)
    return [Write("XDEL", keys.dead_notifications(partition), gone)] if gone else []


class Undeliverable(Struct, frozen=True):
    """What was given up, and the entry that names it."""

    entry: str
    undelivered: Undelivered


class BuriedNotifications:
    """Reads what was given up. Every method raises Unavailable."""

    def __init__(self, clients: Clients, partitions: Partitions) -> None:
        self._clients = clients
        self._partitions = partitions

    async def of(self, site: str) -> list[Undeliverable]:
        """The site's, newest first: of the few that a partition keeps."""
        key = keys.dead_notifications(self._partitions.of(site))
        entries = await self._clients.call("XREVRANGE", key, "+", "-", "COUNT", 2 * MAX_DEAD)
        found = (Undeliverable(entry.decode(), decode_undelivered(fields[b"d"])) for entry, fields in entries)
        return [one for one in found if one.undelivered.site == site]


class NotificationQueue:
    """Every method raises Unavailable."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def length(self, partition: Partition) -> int:
        """How many deliveries wait or are being tried."""
        return int(await self._clients.call("XLEN", keys.notifications(partition)))

    async def fresh(self, partition: Partition, consumer: str, count: int) -> list[Queued]:
        """Entries that nobody has tried yet; they are this consumer's from now on."""
        key = keys.notifications(partition)
        command = ("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", count, "STREAMS", key, ">")
        try:
            answer = await self._clients.call(*command)
        except exceptions.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            await self._make_group(key)
            answer = await self._clients.call(*command)
        found = answer.items() if isinstance(answer, dict) else (answer or ())
        return [_queued(entry, 1) for _, entries in found for entry in _flat(entries)]

    async def overdue(self, partition: Partition, consumer: str, pauses_ms: Sequence[int], count: int) -> list[Queued]:
        """Entries whose last attempt failed, or whose worker died, `pauses_ms[attempts - 1]` ago or longer."""
        arguments = [GROUP, consumer, str(count), str(PENDING_LOOK), *(str(pause_ms) for pause_ms in pauses_ms)]
        flat = await self._clients.script("overdue", [keys.notifications(partition)], arguments)
        return [Queued(flat[i].decode(), flat[i + 2], int(flat[i + 1])) for i in range(0, len(flat), 3)]

    async def done(self, partition: Partition, entry: str) -> None:
        """Delivered, or given up."""
        key = keys.notifications(partition)
        await self._clients.pipeline([("XACK", key, GROUP, entry), ("XDEL", key, entry)])

    async def bury(self, partition: Partition, entry: str, undelivered: Undelivered) -> None:
        """Give it up, and keep a line of it."""
        key = keys.dead_notifications(partition)
        line = encode_undelivered(undelivered)
        await self._clients.pipeline(
            [("XADD", key, "MAXLEN", "~", MAX_DEAD, "*", "d", line), ("PEXPIRE", key, DEAD_MS)]
        )
        await self.done(partition, entry)

    async def _make_group(self, key: str) -> None:
        try:
            await self._clients.call("XGROUP", "CREATE", key, GROUP, "0", "MKSTREAM")
        except exceptions.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):  # another worker was faster
                raise


def _flat(entries: Any) -> list[Any]:
    return entries[0] if entries and isinstance(entries[0], list) else entries


def _queued(entry: Any, attempt: int) -> Queued:
    return Queued(entry[0].decode(), entry[1][b"d"], attempt)
