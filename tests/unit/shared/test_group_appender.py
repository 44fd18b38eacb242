"""Group commit: who is told what, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from shared.domain.partitions import Partition, Partitions
from shared.storage import log as log_module
from shared.storage.faults import Lagging, Unavailable
from shared.storage.log import GroupAppender

PARTITION = Partitions(1).all()[0]
Told = list[Exception | None]


class Redis:
    """Takes appends when it is let to; `fault` is what it answers then."""

    def __init__(self) -> None:
        self.appends: list[list[bytes]] = []
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.fault: Exception | None = None

    async def append(self, stream: str, partition: Partition, payloads: Sequence[bytes]) -> None:
        """As :meth:`PartitionLog.append`."""
        self.appends.append(list(payloads))
        self.asked.set()
        await self.open.wait()
        if self.fault is not None:
            raise self.fault


def appender(redis: Redis, answer_within_s: float | None = None) -> GroupAppender:
    """On top of that."""
    return GroupAppender(redis, answer_within_s)  # type: ignore[arg-type]


async def test_who_does_not_wait_is_told_once_redis_has_it_and_not_before() -> None:
    redis, told = Redis(), list[tuple[str, Exception | None]]()
    group = appender(redis)
    for name in ("a", "b", "c"):
        group.submit_then("in", PARTITION, name.encode(), partial(lambda name, fault: told.append((name, fault)), name))
    await redis.asked.wait()
    assert (redis.appends, told) == ([[b"a", b"b", b"c"]], [])
    redis.open.set()
    await group.drain()
    assert told == [("a", None), ("b", None), ("c", None)]


async def test_a_fault_is_told_to_everybody_of_the_group() -> None:
    redis, told = Redis(), Told()
    redis.fault = Unavailable("away")
    redis.open.set()
    group = appender(redis)
    group.submit_then("in", PARTITION, b"a", told.append)
    with pytest.raises(Unavailable):
        await group.submit("in", PARTITION, b"b")
    assert told == [redis.fault]


async def test_a_submitter_that_fails_to_hear_it_does_not_keep_it_from_the_others() -> None:
    redis, told = Redis(), Told()
    redis.open.set()
    group = appender(redis)

    def fails(_fault: Exception | None) -> None:
        raise RuntimeError("a fault of ours")

    group.submit_then("in", PARTITION, b"a", fails)
    group.submit_then("in", PARTITION, b"b", told.append)
    await group.drain()
    assert told == [None]


async def test_who_waited_too_long_is_told_so_once_and_what_was_not_sent_is_not_sent() -> None:
    redis, first, second = Redis(), Told(), Told()
    group = appender(redis, answer_within_s=0.01)
    group.submit_then("in", PARTITION, b"a", first.append)
    await redis.asked.wait()
    group.submit_then("in", PARTITION, b"b", second.append)
    with pytest.raises(Unavailable):
        await group.submit("in", PARTITION, b"c")
    assert [type(fault) for fault in (*first, *second)] == [Unavailable, Unavailable]
    redis.open.set()
    await group.drain()
    assert (redis.appends, len(first), len(second)) == ([[b"a"]], 1, 1)


async def test_a_full_queue_refuses_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "QUEUE_LIMIT", 1)
    redis, told = Redis(), Told()
    group = appender(redis)
    group.submit_then("in", PARTITION, b"a", told.append)
    with pytest.raises(Lagging):
        group.submit_then("in", PARTITION, b"b", told.append)
    redis.open.set()
    await group.drain()
    assert told == [None]
