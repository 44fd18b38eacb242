"""When the data of a partition gets a new name: after another life of the server, unless nothing can be missing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shared.domain.partitions import Partition, Partitions
from shared.embedded import EmbeddedValkey
from shared.runtime.clock import SystemClock
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.log import PartitionLog
from shared.storage.owner import Changes, Inputs, PartitionOwner
from tests.eventually import eventually

PARTITIONS = Partitions(1)
PARTITION = PARTITIONS.all()[0]
CHECKPOINT = keys.checkpoint("presence", PARTITION)


async def nothing(_partition: Partition, _inputs: Inputs) -> Changes:
    return Changes()


def owner(clients: Clients, instance: str) -> PartitionOwner:
    return PartitionOwner(
        clients, PARTITIONS, service="presence", stream="in", instance=instance, clock=SystemClock(), step=nothing,
        lease_ms=600,
    )  # fmt: skip


async def acquired(clients: Clients, committed: tuple[str, str]) -> None:
    lease, timers = keys.lease("presence", PARTITION), keys.timers("presence", PARTITION)
    arguments = ["one", "1000", "new", "", "5", "1000", *committed]
    assert await clients.script("acquire", [lease, CHECKPOINT, timers], arguments)


@pytest.mark.parametrize(
    ("server", "committed", "epoch"),
    [
        ("another", ("7-1", "3"), b"old"),  # all that this owner committed is there
        ("another", ("7-2", "4"), b"new"),  # an entry's commit is missing
        ("another", ("7-1", "4"), b"new"),  # a timer's commit is missing
        ("another", ("", ""), b"new"),  # nobody knows
        ("", ("", ""), b"old"),  # noted for the first time
    ],
)
async def test_another_life_of_the_server_ends_the_epoch_unless_the_last_writer_finds_all(
    clients: Clients, server: str, committed: tuple[str, str], epoch: bytes
) -> None:
    fields = ["epoch", "old", "id", "7-1", "done", "3", *(["server", server] if server else [])]
    await clients.call("HSET", CHECKPOINT, *fields)
    await acquired(clients, committed)
    assert await clients.call("HGET", CHECKPOINT, "epoch") == epoch


async def test_another_owner_on_the_same_server_keeps_the_epoch(clients: Clients) -> None:
    await acquired(clients, ("", ""))
    await clients.call("HSET", CHECKPOINT, "epoch", "old")
    await clients.call("DEL", keys.lease("presence", PARTITION))
    await acquired(clients, ("1-1", "1"))
    assert await clients.call("HGET", CHECKPOINT, "epoch") == b"old"


async def test_an_owner_that_lives_through_a_restart_without_loss_keeps_the_epoch(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path, fsync="always") as server:
        clients = Clients(RedisSettings(server.url))
        one = owner(clients, "one")
        running = asyncio.create_task(one.run())
        await eventually(lambda: one.holds(PARTITION))
        await PartitionLog(clients).append("in", PARTITION, [b"x"])
        await eventually(lambda: one.stats.batches)
        before = await clients.call("HMGET", CHECKPOINT, "epoch", "server")
        server.kill()
        server.start()

        async def noticed() -> bool:
            await clients.ready()
            return bool((await clients.call("HGET", CHECKPOINT, "server")) != before[1])

        await eventually(noticed, within_s=20)
        assert await clients.call("HGET", CHECKPOINT, "epoch") == before[0]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await clients.close()
