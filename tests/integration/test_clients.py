"""Connections to every kind of server: standalone with and without a password, Cluster, Sentinel with a failover."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.partitions import Partitions
from shared.embedded import EmbeddedValkey
from shared.embedded.server import free_port, valkey_program
from shared.runtime.clock import SystemClock
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.faults import FormatMismatch, PartitionMismatch, Unavailable
from shared.storage.log import PartitionLog
from shared.storage.owner import Changes, Inputs, PartitionOwner
from shared.storage.writes import hincrby
from tests.eventually import eventually
from tests.integration.test_owner import counts

PARTITIONS = Partitions(4)


async def works(clients: Clients) -> None:
    """Appends to every partition and sees an owner count all of it."""

    async def step(partition: object, inputs: Inputs) -> Changes:
        key = keys.visitors(partition, "s_count")  # type: ignore[arg-type]
        return Changes(writes=[hincrby(key, payload.decode(), 1) for _, payload in inputs.entries])

    owner = PartitionOwner(
        clients,
        PARTITIONS,
        service="presence",
        stream="in",
        instance="a",
        clock=SystemClock(),
        step=step,
        lease_ms=600,
    )
    running = asyncio.create_task(owner.run())

    async def counted() -> bool:
        return [await counts(clients, partition) for partition in PARTITIONS.all()] == [{"one": 1, "two": 1}] * 4

    try:
        for partition in PARTITIONS.all():
            await PartitionLog(clients).append("in", partition, [b"one", b"two"])
        await eventually(counted)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_server_with_a_password(tmp_path):
    with EmbeddedValkey(tmp_path, settings={"requirepass": "s3cret"}) as server:
        clients = Clients(RedisSettings(server.url.replace("redis://", "redis://:s3cret@")))
        await works(clients)
        await clients.close()
        assert "s3cret" not in repr(RedisSettings("redis://:s3cret@localhost"))
        without = Clients(RedisSettings(server.url))
        with pytest.raises(Unavailable):
            await without.call("GET", "x")
        await without.close()


async def test_a_cluster(tmp_path):
    # the default port of the cluster bus, ours + 10,000, does not exist for the upper free ports
    cluster = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    with EmbeddedValkey(tmp_path, settings=cluster) as server:
        _command(server.port, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        clients = Clients(RedisSettings(server.url.replace("redis://", "redis+cluster://").removesuffix("/0")))
        await eventually(lambda: b"cluster_state:ok" in _command(server.port, "CLUSTER", "INFO"))
        await clients.ready()
        await clients.agree_on_partitions(4)
        await works(clients)
        await clients.close()


async def test_a_service_with_another_number_of_partitions_is_refused(clients):
    await clients.agree_on_partitions(16)
    await clients.agree_on_partitions(16)
    with pytest.raises(PartitionMismatch, match="set PARTITIONS=16"):
        await clients.agree_on_partitions(8)


@pytest.mark.parametrize(("stored", "form"), [("16", 1), ("16 1", 1), ("16 3", 3)])
async def test_data_in_another_format_is_not_touched(clients, stored, form):
    await clients.call("SET", keys.INSTALLATION, stored)
    with pytest.raises(FormatMismatch, match=f"format {form}, .* format {keys.FORMAT}"):
        await clients.agree_on_partitions(16)
    assert (await clients.call("GET", keys.INSTALLATION)).decode() == stored


async def test_a_cancelled_caller_does_not_get_anothers_answer_mixed_up(clients):
    await asyncio.gather(*(clients.call("SET", f"k{i}", i) for i in range(50)))
    for _ in range(20):
        doomed = [asyncio.create_task(clients.call("GET", f"k{i}")) for i in range(25)]
        await asyncio.sleep(0)
        for task in doomed:
            task.cancel()
        assert await asyncio.gather(*(clients.call("GET", f"k{i}") for i in range(25, 50))) == [
            str(i).encode() for i in range(25, 50)
        ]
        await asyncio.gather(*doomed, return_exceptions=True)


async def test_a_server_that_is_away_is_waited_for(tmp_path):
    server = EmbeddedValkey(tmp_path)
    server.start()
    server.stop()
    clients = Clients(RedisSettings(server.url))
    waiting = asyncio.create_task(clients.ready())
    with pytest.raises(Unavailable):
        await clients.call("PING")
    assert not waiting.done()
    server.start()
    await asyncio.wait_for(waiting, 10)
    server.stop()
    await clients.close()


async def test_a_full_memory_is_unavailable_not_a_fault(tmp_path):
    with EmbeddedValkey(tmp_path, settings={"maxmemory": "1mb"}) as server:
        clients = Clients(RedisSettings(server.url))
        with pytest.raises(Unavailable, match=r"OutOfMemory|OOM"):
            for i in range(100):
                await PartitionLog(clients).append("in", PARTITIONS.all()[0], [b"x" * 100_000 + str(i).encode()])
        await clients.close()


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[tuple[EmbeddedValkey, str]]:
    """A primary with a replica and one sentinel that decides alone and fast."""
    primary, replica, port = EmbeddedValkey(tmp_path / "primary"), EmbeddedValkey(tmp_path / "replica"), free_port()
    with primary, replica:
        _command(replica.port, "REPLICAOF", "127.0.0.1", str(primary.port))
        config = tmp_path / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {primary.port} 1\n"
            "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n"
        )
        with (tmp_path / "sentinel.log").open("wb") as log:
            process = subprocess.Popen([str(valkey_program()), str(config), "--sentinel"], stdout=log, stderr=log)
        try:
            yield primary, f"redis+sentinel://127.0.0.1:{port}/main"
        finally:
            process.kill()
            process.wait()


async def test_a_sentinel_failover_is_survived(sentinel):
    primary, url = sentinel
    clients = Clients(RedisSettings(url))
    await clients.ready()
    await clients.call("SET", "before", "1")

    async def replicated() -> bool:
        return int(await clients.call("WAIT", 1, 100)) == 1

    await eventually(replicated, within_s=60)  # the first synchronisation is begun some seconds late
    primary.kill()

    async def writable() -> bool:
        try:
            await clients.call("SET", "after", "1")
        except Unavailable:
            return False
        return bool(await clients.call("GET", "before") == b"1")

    await eventually(writable, within_s=90, every_s=0.2)
    await works(clients)
    await clients.close()


def _command(port: int, *words: str) -> bytes:
    """One command over a bare socket; for set-up that is not the client's business."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        packed = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        connection.sendall(packed.encode())
        return connection.recv(65_536)
