"""The logs of the partitions that somebody here cares about, taken apart and handed to whom they concern.

One tail for each watched partition, for as long as it is watched. Row changes go to the watched site they belong to,
what chat-routing says goes to one listener. An entry that cannot be decoded is counted and left out; the gap in the
sequence that it leaves makes the site be read again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec
import structlog

from shared.contracts.streams import ChatOutcomes, Part, RowChanged, RowGone, decode_chat, decode_log
from shared.domain.partitions import Partition, Partitions
from shared.storage.clients import Clients
from shared.storage.log import Tail

log = structlog.get_logger()


class SiteListener(Protocol):
    """A watched site."""

    def take(self, part: Part, changes: Iterable[RowChanged | RowGone]) -> None:
        """Changes of this site, in the log's order."""
        ...

    def start_over(self, reason: str) -> None:
        """What was read is no longer what Redis holds."""
        ...


class Feed:
    """Follows partitions while somebody asks for them."""

    def __init__(
        self,
        clients: Clients,
        partitions: Partitions,
        on_outcomes: Callable[[Partition, ChatOutcomes], None],
        on_reset: Callable[[Partition], None],
    ) -> None:
        self._clients = clients
        self._partitions = partitions
        self._on_outcomes = on_outcomes
        self._on_reset = on_reset
        self._wanted: Counter[Partition] = Counter()
        self._follows: dict[Partition, _Following] = {}
        self.undecodable = 0

    @property
    def partitions(self) -> int:
        """How many partitions are followed."""
        return len(self._follows)

    @property
    def disconnected(self) -> int:
        """How many of them cannot be followed now."""
        return sum(not following.tail.connected for following in self._follows.values())

    def want(self, partition: Partition) -> None:
        """Follow `partition` until :meth:`release`."""
        self._wanted[partition] += 1
        if partition not in self._follows:
            self._follows[partition] = _Following(self, self._clients, partition)

    def release(self, partition: Partition) -> None:
        """One wish less; the last one ends the tail."""
        self._wanted[partition] -= 1
        if self._wanted[partition] <= 0:
            del self._wanted[partition]
            self._follows.pop(partition).stop()

    async def listen(self, site: str, listener: SiteListener) -> None:
        """Hand `site`'s changes to `listener` from now on; returns when the tail stands, so rows may be read."""
        partition = self._partitions.of(site)
        self.want(partition)
        following = self._follows[partition]
        following.listeners[site] = listener
        await following.started.wait()

    async def followed(self, site: str) -> None:
        """Return when what is said about `site` from now on is heard here; at once if nobody wants its partition."""
        following = self._follows.get(self._partitions.of(site))
        if following is not None:
            await following.started.wait()

    def unlisten(self, site: str) -> None:
        """No more changes of `site`."""
        partition = self._partitions.of(site)
        if self._follows[partition].listeners.pop(site, None) is not None:
            self.release(partition)

    async def close(self) -> None:
        """End all tails."""
        follows, self._follows = list(self._follows.values()), {}
        for following in follows:
            following.stop()
        await asyncio.gather(*(following.task for following in follows), return_exceptions=True)

    async def reset(self, following: _Following, reason: str) -> None:
        """Called by a tail: its partition's data is not what it was."""
        following.started.set()
        if reason == "start":
            return
        log.warning("partition_reset", partition=following.partition.index, reason=reason)
        for listener in tuple(following.listeners.values()):
            listener.start_over(reason)
        self._on_reset(following.partition)

    async def entries(self, following: _Following, stream: str, entries: list[tuple[str, bytes]]) -> None:
        """Called by a tail: new entries of `log` or `chat`."""
        for entry_id, payload in entries:
            try:
                if stream == "log":
                    entry = decode_log(payload)
                    following.distribute(entry.part, entry.changes)
                else:
                    self._on_outcomes(following.partition, decode_chat(payload))
            except msgspec.DecodeError:
                self.undecodable += 1
                log.error("entry_undecodable", partition=following.partition.index, stream=stream, id=entry_id)


class _Following:
    """One partition's tail and the sites that listen to it."""

    def __init__(self, feed: Feed, clients: Clients, partition: Partition) -> None:
        self.partition = partition
        self.listeners: dict[str, SiteListener] = {}
        self.started = asyncio.Event()
        self.tail = Tail(
            clients,
            partition,
            lambda stream, entries: feed.entries(self, stream, entries),
            lambda reason: feed.reset(self, reason),
        )
        self.task = asyncio.create_task(self.tail.run(), name=f"tail-{partition.index}")
        self.task.add_done_callback(_ended)

    def stop(self) -> None:
        """End the tail."""
        self.task.cancel()

    def distribute(self, part: Part, changes: tuple[RowChanged | RowGone, ...]) -> None:
        """Give each listening site its run of changes; other sites' are skipped."""
        listeners = self.listeners
        if not listeners:
            return
        runs: dict[str, list[RowChanged | RowGone]] = {}
        for change in changes:
            if change.site in listeners:
                runs.setdefault(change.site, []).append(change)
        for site, run in runs.items():
            listeners[site].take(part, run)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("tail_failed", exc_info=error)
