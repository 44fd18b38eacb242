"""The partition log: appending for producers, tailing for gateways and collectors.

Producers append to `in` and `cmd` (:class:`PartitionLog`, :class:`GroupAppender`); an owner processes those
(:mod:`shared.storage.owner`) and appends to `log` and `chat`, which a :class:`Tail` follows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from shared.domain.partitions import Partition
from shared.storage import keys
from shared.storage.blocks import fields_of
from shared.storage.clients import RECONNECT_S, BlockingReader, Clients
from shared.storage.faults import Lagging, Unavailable

log = structlog.get_logger()

# Memory of what waits in an input stream: 130,000 events that came one by one, 600,000 that came together, 5 to 20 s of
# work for a reader. Then producers hear "busy"; the append that goes beyond it is the last.
LAG_LIMIT_BYTES = 64 * 1024 * 1024
GROUP_SIZE = 500  # payloads in one append: about 1 ms of Redis
QUEUE_LIMIT = 20_000  # payloads waiting in this process for a partition
TAIL_BATCH = 500
TAIL_BLOCK_MS = 1_000
VERIFY_EVERY_S = 2.0  # how soon a flushed or failed-over Redis is noticed by who only listens


class PartitionLog:
    """Appends to the input streams of partitions."""

    def __init__(self, clients: Clients, lag_limit_bytes: int = LAG_LIMIT_BYTES) -> None:
        self._clients = clients
        self._lag_limit = str(lag_limit_bytes)

    async def append(self, stream: keys.InputStream, partition: Partition, payloads: Sequence[bytes]) -> None:
        """All `payloads` in order, as one step, or none. Returns when Redis has them.

        Raises Lagging (the reader is too far behind) or Unavailable (unknown whether they were stored: repeat only what
        is idempotent).
        """
        flat: list[str | bytes] = [part for field in fields_of(payloads) for part in field]
        stored = await self._clients.script("append", [keys.stream(stream, partition)], [self._lag_limit, *flat])
        if not stored:
            raise Lagging


Settle = Callable[[Exception | None], None]  # hears once what became of a payload: None when Redis has it


@dataclass(slots=True, eq=False)
class _Submission:
    """A payload on its way. `due_s`: when its submitter is owed an answer. `open`: it has not been answered."""

    payload: bytes
    settle: Settle
    due_s: float = 0.0
    open: bool = True

    def end(self, fault: Exception | None) -> None:
        """Answer, once."""
        if not self.open:
            return
        self.open = False
        try:
            self.settle(fault)
        except Exception:  # a fault of one submitter must not keep the answers from the others
            log.exception("settling_failed")


@dataclass(slots=True)
class _Queue:
    """What waits for one partition's next append."""

    waiting: list[_Submission] = field(default_factory=list)
    flusher: asyncio.Task[None] | None = None


class GroupAppender:
    """Group commit: whoever submits while an append is under way shares the next one. One append a partition at a time,
    so each producer's order is kept.

    With `answer_within_s` a submitter hears Unavailable after that time; what has not been sent by then is not sent.
    """

    def __init__(self, partition_log: PartitionLog, answer_within_s: float | None = None) -> None:
        self._log = partition_log
        self._queues: dict[tuple[keys.InputStream, Partition], _Queue] = {}
        self._answer_within_s = answer_within_s
        # Who is owed an answer, in order. One timer for all: one each would cost as much as the rest.
        self._owed: deque[_Submission] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def submit(self, stream: keys.InputStream, partition: Partition, payload: bytes) -> None:
        """Append `payload` and return when Redis has it. Raises Lagging or Unavailable."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        submission = self.submit_then(stream, partition, payload, partial(_answer, done))
        try:
            await done
        finally:
            submission.open = False  # whoever goes away needs it no more, unless it is being sent already

    def submit_then(
        self, stream: keys.InputStream, partition: Partition, payload: bytes, settle: Settle
    ) -> _Submission:
        """The same for who does not wait: `settle` is called later, with the fault or None. Raises Lagging."""
        queue = self._queues.get((stream, partition))
        if queue is None:
            queue = self._queues[stream, partition] = _Queue()
        if len(queue.waiting) >= QUEUE_LIMIT:
            raise Lagging
        submission = _Submission(payload, settle)
        queue.waiting.append(submission)
        if self._answer_within_s is not None:
            self._owe(submission, self._answer_within_s)
        if queue.flusher is None:
            queue.flusher = asyncio.create_task(self._flush(stream, partition, queue))
        return submission

    def _owe(self, submission: _Submission, within_s: float) -> None:
        loop, owed = asyncio.get_running_loop(), self._owed
        while owed and not owed[0].open:
            owed.popleft()
        submission.due_s = loop.time() + within_s
        owed.append(submission)
        if self._timer is None:
            self._timer = loop.call_later(within_s, self._give_up, loop)

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer those who have waited long enough, and come back for the next."""
        self._timer = None
        owed, now = self._owed, loop.time()
        while owed and (owed[0].due_s <= now or not owed[0].open):
            owed.popleft().end(Unavailable("no answer in time"))
        if owed:
            self._timer = loop.call_at(owed[0].due_s, self._give_up, loop)

    async def _flush(self, stream: keys.InputStream, partition: Partition, queue: _Queue) -> None:
        try:
            while queue.waiting:
                group, queue.waiting = queue.waiting[:GROUP_SIZE], queue.waiting[GROUP_SIZE:]
                group = [item for item in group if item.open]  # the others were told that it is not stored
                if not group:
                    continue
                fault: Exception | None = None
                try:
                    await self._log.append(stream, partition, [item.payload for item in group])
                except Exception as error:
                    fault = error
                for item in group:
                    item.end(fault)
        finally:
            queue.flusher = None

    async def drain(self) -> None:
        """Wait until nothing is waiting any more."""
        while flushers := [queue.flusher for queue in self._queues.values() if queue.flusher]:
            await asyncio.wait(flushers)


def _answer(done: asyncio.Future[None], fault: Exception | None) -> None:
    if done.done():  # its caller went away
        return
    if fault is None:
        done.set_result(None)
    else:
        done.set_exception(fault)


EntriesHandler = Callable[[str, list[tuple[str, bytes]]], Awaitable[None]]
ResetHandler = Callable[[str], Awaitable[None]]
OUTPUT_STREAMS: tuple[keys.OutputStream, ...] = ("log", "chat")


NOWHERE = (0, 0)  # the position in a stream that is still empty


def entry_order(entry_id: str) -> tuple[int, int]:
    """A stream id as something that sorts in the stream's order."""
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence)


class Tail:
    """Follows a partition's `log` and `chat`, or only one of them, from now on.

    `on_reset(reason)` is called first ("start") and whenever what was built on the entries must be read again: what was
    followed is no longer what Redis holds ("epoch", "went_back"), or entries may have been trimmed before they were
    read ("trimmed"). After it, `on_entries(stream, [(id, payload), …])` gets every later entry in order ("log" and
    "chat" apart).
    """

    def __init__(
        self,
        clients: Clients,
        partition: Partition,
        on_entries: EntriesHandler,
        on_reset: ResetHandler,
        streams: Sequence[keys.OutputStream] = OUTPUT_STREAMS,
    ) -> None:
        self._clients = clients
        self._partition = partition
        self._on_entries = on_entries
        self._on_reset = on_reset
        self._names: dict[str, keys.OutputStream] = {keys.stream(name, partition): name for name in streams}
        self._positions: dict[str, str] = {}
        self._epochs: tuple[bytes | None, ...] = ()
        self.connected = False  # read by readiness checks

    async def run(self) -> None:
        """Follow until cancelled; a Redis that is away is waited for."""
        reader = self._clients.reader(next(iter(self._names)))
        try:
            while True:
                try:
                    await self._follow(reader)
                except Unavailable as error:
                    if self.connected:
                        log.warning("tail_interrupted", partition=self._partition.index, reason=str(error))
                    self.connected = False
                    await asyncio.sleep(RECONNECT_S)
        finally:
            await reader.close()

    async def _follow(self, reader: BlockingReader) -> None:
        loop = asyncio.get_running_loop()
        await self._verify()
        verified_at = loop.time()
        self.connected = True
        while True:
            for stream, entries in await reader.read(self._positions, TAIL_BATCH, TAIL_BLOCK_MS):
                if len(entries) >= TAIL_BATCH and await self._trimmed(stream):
                    await self._on_reset("trimmed")
                await self._on_entries(self._names[stream], entries)
                self._positions[stream] = entries[-1][0]
            if loop.time() - verified_at >= VERIFY_EVERY_S:
                await self._verify()
                verified_at = loop.time()

    async def _trimmed(self, stream: str) -> bool:
        """Does the stream begin behind our position? Who is so far behind that entries may be gone reads full batches.

        The sequence inside the entries does not tell: what is gone may have been the last change of a site.
        """
        first = await self._clients.call("XRANGE", stream, "-", "+", "COUNT", 1)
        at = entry_order(self._positions[stream])
        return bool(first) and at != NOWHERE and entry_order(first[0][0].decode()) > at

    async def _verify(self) -> None:
        """Is Redis still the one we followed? Its epochs are the same and no stream's end lies before our position."""
        epoch_keys = [keys.checkpoint(service, self._partition) for service in ("presence", "chat_routing")]
        *ends, one, other = await self._clients.pipeline(
            [("XREVRANGE", stream, "+", "-", "COUNT", 1) for stream in self._names]
            + [("HGET", key, "epoch") for key in epoch_keys]
        )
        tops = {
            stream: entries[0][0].decode() if entries else "0-0"
            for stream, entries in zip(self._names, ends, strict=True)
        }
        epochs = (one, other)
        reason = self._changed(tops, epochs)
        self._epochs = epochs
        if reason:
            self._positions = tops
            await self._on_reset(reason)

    def _changed(self, tops: dict[str, str], epochs: tuple[bytes | None, ...]) -> str | None:
        if not self._positions:
            return "start"
        if any(old is not None and old != new for old, new in zip(self._epochs, epochs, strict=True)):
            return "epoch"
        if any(entry_order(tops[stream]) < entry_order(at) for stream, at in self._positions.items()):
            return "went_back"
        return None
