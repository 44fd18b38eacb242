"""The loop of a service that owns partitions: read, step, commit.

Live instances share the partitions by rendezvous hashing and hold each by a lease with a fence. The owner reads the
input stream from the checkpoint, lets `step` turn entries and due timers into :class:`Changes`, and commits them in one
Lua call that checks fence and checkpoint. A crash before the commit changes nothing; the next owner goes on from the
checkpoint. Read :class:`PartitionOwner`, then :class:`Holding`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

import structlog

from shared.domain.partitions import Partition, Partitions, rendezvous_owner
from shared.runtime.clock import Clock
from shared.storage import keys
from shared.storage.blocks import field_of
from shared.storage.clients import RECONNECT_S, BlockingReader, Clients
from shared.storage.faults import Unavailable
from shared.storage.writes import Write, pack, xadd, xadd_field, zadd, zrem

log = structlog.get_logger()

LEASE_MS = 4_000  # a killed owner's partitions stand still this long at most
HEARTBEAT_S = 1.0
SEEN_EVERY_S = 5.0
BATCH = 500
BLOCK_MS = 1_000
DUE_BATCH = 500
GAP_MS = 10_000  # not looked after for longer than this: deadlines start again (resumed_at_ms)
LOG_LENGTH = 20_000  # entries a gateway may be behind before it reads the site anew
PARKED_LENGTH = 1_000
FIXED_KEYS = 4  # lease, checkpoint, input stream, timers: KEYS[1..4] of commit.lua


@dataclass(frozen=True, slots=True)
class Inputs:
    """What one step works on. `due`: members of the timer set whose time has come.

    `resumed_at_ms`: since when the partition is looked after without a gap; a deadline counts from the later of it and
    the last sign of life, so that nobody is found missing only because we were away. `unfinished`: the stream entry
    that these come from has more in it, so it is not done yet.
    """

    entries: tuple[tuple[str, bytes], ...]
    due: tuple[bytes, ...]
    now_ms: int
    resumed_at_ms: int
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Guess:
    """What a step took for granted instead of reading it: the string at `key` is `value` when it is committed.

    Otherwise nothing is written, `on_wrong` is called, and the step is made again, which must then read.
    """

    key: str
    value: str
    on_wrong: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Changes:
    """What one step decided. `timers`: member -> when it is due (ms), None removes it; a due member not named goes.

    `log` and `chat` are payloads for the partition's output streams. `on_committed` runs once they are durable.
    """

    writes: list[Write] = field(default_factory=list)
    timers: dict[bytes, int | None] = field(default_factory=dict)
    log: list[bytes] = field(default_factory=list)
    chat: list[bytes] = field(default_factory=list)
    on_committed: Callable[[], None] | None = None
    guess: Guess | None = None


Step = Callable[[Partition, Inputs], Awaitable[Changes]]


class GuessedWrong(Exception):
    """The step's guess was wrong: nothing was written."""


class Fenced(Exception):
    """The lease is no longer ours: whatever we computed must not be written."""


@dataclass
class OwnerStats:
    """Counts for metrics and readiness; `oldest_ms` is the age of the last entry processed, by its stream id."""

    owned: int = 0
    entries: int = 0
    batches: int = 0
    parked: int = 0
    fenced: int = 0
    oldest_ms: int = 0
    last_commit_ms: int = 0


def in_batches(entries: Sequence[tuple[str, bytes]]) -> list[Sequence[tuple[str, bytes]]]:
    """What one read gave, in steps of BATCH or a little more: never in the middle of a stream entry.

    Only the last one may be shorter, which says that nothing else was waiting; after a full read that would not be
    true, so it is left for the next read.
    """
    if len(entries) <= BATCH:
        return [entries] if entries else []
    batches, start = [], 0
    for at in range(BATCH, len(entries)):
        if at - start >= BATCH and entries[at][0] != entries[at - 1][0]:
            batches.append(entries[start:at])
            start = at
    full_read = sum(entry[0] != before[0] for before, entry in pairwise(entries)) + 1 >= BATCH
    if not (full_read and len(entries) - start < BATCH):
        batches.append(entries[start:])
    return batches


class PartitionOwner:
    """One instance's share of a service's partitions. `run()` until cancelled; leases are given back then.

    `gather_s`: the least time between two steps of a partition, unless a backlog waits. What comes alone is done at
    once; of much that comes one by one, a step and a commit each would cost several times as much as the work itself.
    """

    def __init__(
        self,
        clients: Clients,
        partitions: Partitions,
        *,
        service: str,
        stream: keys.InputStream,
        instance: str,
        clock: Clock,
        step: Step,
        lease_ms: int = LEASE_MS,
        gather_s: float = 0.0,
    ) -> None:
        self.clients = clients
        self.service = service
        self.stream = stream
        self.instance = instance
        self.clock = clock
        self.step = step
        self.lease_ms = lease_ms
        self.gather_s = gather_s
        self.stats = OwnerStats()
        self._partitions = partitions
        self._holdings: dict[Partition, Holding] = {}
        self._tasks: dict[Partition, asyncio.Task[None]] = {}

    @property
    def connected(self) -> bool:
        """Whether the last heartbeat reached Redis."""
        return self._connected

    _connected = False

    def holds(self, partition: Partition) -> bool:
        """Whether `partition` is this instance's now, as far as it knows."""
        holding = self._holdings.get(partition)
        return holding is not None and holding.held

    async def run(self) -> None:
        """Hold this instance's share, taking and giving back partitions as instances come and go."""
        try:
            while True:
                try:
                    live = await self._heartbeat(self.lease_ms)
                    self._connected = True
                    self._share(live)
                except Unavailable:
                    self._connected = False
                self.stats.owned = sum(holding.held for holding in self._holdings.values())
                await asyncio.sleep(HEARTBEAT_S if self._connected else RECONNECT_S)
        finally:
            await self._stop()

    async def _heartbeat(self, ttl_ms: int) -> list[str]:
        answer = await self.clients.script("heartbeat", [keys.instances(self.service)], [self.instance, str(ttl_ms)])
        return [name.decode() for name in answer]

    def _share(self, live: list[str]) -> None:
        for partition in self._partitions.all():
            task = self._tasks.get(partition)
            if task is not None and task.done():
                task.result()  # a holding ends only when it was told to, or by a fault of ours
                del self._tasks[partition], self._holdings[partition]
                task = None
            mine = rendezvous_owner(partition, live) == self.instance
            if mine and task is None:
                holding = self._holdings[partition] = Holding(self, partition)
                self._tasks[partition] = asyncio.create_task(holding.run())
            elif not mine and task is not None:
                self._holdings[partition].stop()

    async def _stop(self) -> None:
        for holding in self._holdings.values():
            holding.stop()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=5)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        try:
            await self._heartbeat(0)
        except Unavailable:
            log.warning("sign_off_failed", service=self.service)


class Holding:
    """One partition in this instance's hands: acquire, loop, give back."""

    def __init__(self, owner: PartitionOwner, partition: Partition) -> None:
        self.held = False
        self._owner = owner
        self._partition = partition
        self._clients = owner.clients
        self._keys = [
            keys.lease(owner.service, partition),
            keys.checkpoint(owner.service, partition),
            keys.stream(owner.stream, partition),
            keys.timers(owner.service, partition),
        ]
        self._stopping = asyncio.Event()
        self._token = ""
        self._checkpoint = "0-0"
        self._committed = ("", "")  # checkpoint and ms of our last commit
        self._first_due: int | None = None
        self._clock_offset_ms = 0
        self._resumed_at_ms = 0
        self._began_s = float("-inf")  # when the last step began whose read left nothing behind

    def stop(self) -> None:
        """Finish the batch under way, then give the partition back."""
        self._stopping.set()

    def now_ms(self) -> int:
        """The partition's time: the process's clock, never behind what an earlier owner wrote."""
        return self._owner.clock.now_ms() + self._clock_offset_ms

    async def run(self) -> None:
        """Until stopped. A lost lease or an absent Redis begins again with acquiring."""
        reader = self._clients.reader(self._keys[2])
        renewal: asyncio.Task[None] | None = None
        try:
            while not self._stopping.is_set():
                try:
                    if await self._acquire():
                        self.held = True
                        renewal = asyncio.create_task(self._renew_while_held())
                        await self._work(reader)
                    else:
                        await self._pause(RECONNECT_S)
                except Fenced:
                    self._owner.stats.fenced += 1
                    log.warning("fenced", service=self._owner.service, partition=self._partition.index)
                except Unavailable as error:
                    log.warning("partition_waits", partition=self._partition.index, reason=str(error))
                    await self._pause(RECONNECT_S)
                finally:
                    self.held = False
                    if renewal is not None:
                        renewal.cancel()
        finally:
            await reader.close()
            await self._release()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _acquire(self) -> bool:
        answer = await self._clients.script(
            "acquire",
            [self._keys[0], self._keys[1], self._keys[3]],
            [
                self._owner.instance,
                str(self._owner.lease_ms),
                secrets.token_hex(8),
                self._token,
                str(self._owner.clock.now_ms()),
                str(GAP_MS),
                *self._committed,
            ],
        )
        if not answer:
            return False
        token, checkpoint, seen, resumed, first_due = (part.decode() for part in answer)
        self._token, self._checkpoint = token, checkpoint
        self._first_due = int(float(first_due)) if first_due else None
        self._clock_offset_ms = max(0, int(seen) - self._owner.clock.now_ms())
        self._resumed_at_ms = int(resumed)
        log.info("partition_acquired", service=self._owner.service, partition=self._partition.index, fence=token)
        return True

    async def _renew_while_held(self) -> None:
        """Prolong the lease; on its loss the next commit is refused, so nothing else has to be done about it here."""
        loop = asyncio.get_running_loop()
        noted_at = loop.time()
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            note = loop.time() - noted_at >= SEEN_EVERY_S
            try:
                seen = str(self.now_ms()) if note else ""
                ours = await self._clients.script(
                    "renew", self._keys[:2], [self._token, str(self._owner.lease_ms), seen]
                )
            except Unavailable:
                continue
            if note:
                noted_at = loop.time()
            if not ours:
                self._token = ""  # makes the next commit fail without asking, and ends an idle wait
                return

    async def _release(self) -> None:
        if not self._token:
            return
        try:
            await self._clients.script("renew", self._keys[:2], [self._token, "0", str(self.now_ms())])
        except Unavailable:
            log.warning("release_failed", partition=self._partition.index)  # the lease runs out by itself

    async def _work(self, reader: BlockingReader) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await self._work_until(stopping, reader)
        finally:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)

    async def _work_until(self, stopping: asyncio.Future[Any], reader: BlockingReader) -> None:
        while not stopping.done():
            if not self._token:
                raise Fenced
            await self._gather()
            batches = in_batches(await self._next_entries(reader, stopping))
            backlog = sum(map(len, batches)) >= BATCH
            self._began_s = asyncio.get_running_loop().time() if batches and not backlog else float("-inf")
            due = await self._due()
            for entries in batches or ([()] if due else []):
                await self._process(Inputs(tuple(entries), due, self.now_ms(), self._resumed_at_ms))
                due = ()

    async def _gather(self) -> None:
        wait_s = self._began_s + self._owner.gather_s - asyncio.get_running_loop().time()
        if wait_s > 0:
            await self._pause(wait_s)

    async def _next_entries(self, reader: BlockingReader, stopping: asyncio.Future[Any]) -> list[tuple[str, bytes]]:
        """Waits for input until the first timer is due; gives up at once when told to stop."""
        wait_ms = BLOCK_MS if self._first_due is None else min(BLOCK_MS, self._first_due - self.now_ms())
        stream = self._keys[2]
        reading = asyncio.ensure_future(reader.read({stream: self._checkpoint}, BATCH, max(1, wait_ms)))
        try:
            await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        if reading.cancelled():
            return []
        answer = reading.result()
        return answer[0][1] if answer else []

    async def _due(self) -> tuple[bytes, ...]:
        if self._first_due is None or self._first_due > self.now_ms():
            return ()
        members = await self._clients.call("ZRANGEBYSCORE", self._keys[3], "-inf", self.now_ms(), "LIMIT", 0, DUE_BATCH)
        return tuple(members)

    async def _process(self, inputs: Inputs) -> None:
        try:
            changes = await self._owner.step(self._partition, inputs)
        except Unavailable:
            raise
        except Exception:
            if len(inputs.entries) + len(inputs.due) > 1:
                await self._one_by_one(inputs)
                return
            log.exception("input_parked", service=self._owner.service, partition=self._partition.index)
            parked = keys.parked(self._owner.service, self._partition)
            changes = Changes(
                writes=[xadd(parked, payload, PARKED_LENGTH) for _, payload in inputs.entries],
                on_committed=self._count_parked,
            )
        try:
            await self._commit(inputs, changes)
        except GuessedWrong:
            if changes.guess is not None:
                changes.guess.on_wrong()
            await self._process(inputs)

    def _count_parked(self) -> None:
        self._owner.stats.parked += 1

    async def _one_by_one(self, inputs: Inputs) -> None:
        """Some input makes the step fail: find it, so that only that one is parked.

        What came in one stream entry is taken one by one only if it is the one that fails. The checkpoint moves behind
        its last payload: a crash in between repeats the others, which changes nothing.
        """
        groups = [tuple(group) for _, group in groupby(inputs.entries, itemgetter(0))]
        if len(groups) == 1:
            groups = [(entry,) for entry in inputs.entries]
        for i, group in enumerate(groups, 1):
            unfinished = i < len(groups) and groups[i][0][0] == group[0][0]
            await self._process(Inputs(group, (), inputs.now_ms, inputs.resumed_at_ms, unfinished or inputs.unfinished))
        for member in inputs.due:
            await self._process(Inputs((), (member,), inputs.now_ms, inputs.resumed_at_ms))

    def _writes(self, inputs: Inputs, changes: Changes) -> list[Write]:
        timers = dict.fromkeys(inputs.due) | changes.timers
        kept = {member: due for member, due in timers.items() if due is not None}
        writes = list(changes.writes)
        writes += zadd(self._keys[3], kept)
        writes += zrem(self._keys[3], [member for member, due in timers.items() if due is None])
        for name, payloads in (("log", changes.log), ("chat", changes.chat)):
            stream = keys.stream(name, self._partition)  # type: ignore[arg-type]
            packed = [field_of(payload) if name == "log" else ("d", payload) for payload in payloads]
            writes += [xadd_field(stream, item, LOG_LENGTH) for item in packed]
        return writes

    async def _commit(self, inputs: Inputs, changes: Changes) -> None:
        """Make it durable. A lost reply is found out about by the next read of the checkpoint (it has moved)."""
        done = self._checkpoint if inputs.unfinished or not inputs.entries else inputs.entries[-1][0]
        ms, _, sequence = done.partition("-")
        touched, packed = pack(self._writes(inputs, changes), FIXED_KEYS + 1)
        arguments: list[str | bytes | int] = [
            self._token,
            self._checkpoint,
            done,
            f"{ms}-{int(sequence) + 1}",
            str(inputs.now_ms),
            packed,
        ]
        if changes.guess is not None:
            touched.append(changes.guess.key)
            arguments.append(changes.guess.value)
        answer = await self._clients.script("commit", [*self._keys, *touched], arguments)
        if answer[0] == b"guessed":
            raise GuessedWrong
        if answer[0] != b"ok":
            raise Fenced(answer[0].decode())
        self._checkpoint = done
        self._committed = (done, str(inputs.now_ms))
        self._first_due = int(float(answer[1])) if answer[1] else None
        stats = self._owner.stats
        stats.batches += 1
        stats.entries += len(inputs.entries)
        stats.last_commit_ms = inputs.now_ms
        stats.oldest_ms = max(0, inputs.now_ms - int(ms)) if inputs.entries else 0
        if changes.on_committed is not None:
            changes.on_committed()
