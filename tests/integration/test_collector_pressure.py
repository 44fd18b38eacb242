"""A collector that is short of memory refuses what can be repeated and keeps what goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.collector.pressure import ProcessMemory, RedisMemory, container_limit, resident_bytes
from shared.domain.partitions import Partitions
from shared.embedded import EmbeddedValkey
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from tests.collector_rig import SITE, batch, collector, event, make_site, new_id
from tests.eventually import eventually


def test_it_eases_only_when_there_is_room_again() -> None:
    pressure = ProcessMemory(1_000)
    said = []
    for used in (1_000, 1_001, 990, 951, 950, 1_000):
        pressure.look(used)
        said.append(pressure.refused() is not None)
    assert said == [False, True, True, True, False, False]


def test_without_a_limit_there_is_no_pressure() -> None:
    pressure = ProcessMemory(0)
    pressure.look(10**15)
    assert pressure.refused() is None


def test_the_containers_limit_is_read(tmp_path: Path) -> None:
    for text, limit in (("1000\n", 800), ("max\n", 0), ("", 0)):
        (tmp_path / "memory.max").write_text(text)
        assert container_limit(tmp_path / "memory.max") == limit
    assert container_limit(tmp_path / "missing") == 0
    assert resident_bytes() > 1_000_000
    assert resident_bytes(tmp_path / "missing") == 0


async def test_beacons_hear_503_and_an_open_channel_goes_on(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    async with collector(clients, redis_url, memory_mb=100_000) as rig, rig.live() as channel:
        assert (await channel.hello())["type"] == "ok"
        assert (await rig.post(batch())).status == 204
    async with collector(clients, redis_url, memory_mb=1) as rig:

        async def is_short() -> bool:
            return "memory" in (await rig.readiness())["reasons"]

        await eventually(is_short)
        answer = await rig.post(batch(event()))
        assert (answer.status, answer.json["code"]) == (503, "overloaded")
        assert int(answer.headers["Retry-After"]) >= 1
        refused = await rig.request("GET", "/v1/live", {"Upgrade": "websocket", "Connection": "Upgrade"})
        assert refused.status == 503


async def test_events_stop_before_redis_is_full_and_chats_go_on(tmp_path: Path) -> None:
    """At maxmemory Redis refuses everything: what a person says must not be refused for what browsers report."""
    with EmbeddedValkey(tmp_path) as server:
        clients = Clients(RedisSettings(server.url))
        await make_site(clients)
        async with collector(clients, server.url) as rig, rig.live() as channel:
            assert (await channel.hello(visitor=new_id()))["type"] == "ok"
            assert (await rig.post(batch())).status == 204
            # Much is in use, so that the small share left is more than what this test and the server's buffers take.
            await clients.call("SETRANGE", "history", 30_000_000, b"x")  # takes no buffers that would be given back
            used = (await clients.call("INFO", "memory"))["used_memory"]
            await clients.call("CONFIG", "SET", "maxmemory", used * 100 // 95)

            async def is_full() -> bool:
                return "redis_memory" in (await rig.readiness())["warnings"]

            await eventually(is_full)
            assert (await rig.readiness())["ready"]
            before = len(await rig.entries())
            refused = await rig.post(batch())
            assert (refused.status, refused.json["code"], refused.headers["Retry-After"]) == (503, "overloaded", "5")
            events = {"type": "events", "id": "1", "sent": 5, "events": [event("beat", 1)]}
            answer = await channel.ask(events)
            assert (answer["code"], answer["retry_after_s"]) == ("overloaded", 5)
            assert len(await rig.entries()) == before
            commands = keys.stream("cmd", Partitions(16).of(SITE))
            await channel.send({"type": "chat.request", "id": "c", "name": "Ada", "text": "Hello"})

            async def is_asked() -> bool:
                return int(await clients.call("XLEN", commands)) == 1

            await eventually(is_asked)
            await clients.call("CONFIG", "SET", "maxmemory", 0)

            async def is_taken() -> bool:
                return (await rig.post(batch())).status == 204

            await eventually(is_taken)
            assert not await is_full()
        await clients.close()


def test_redis_has_room_again_only_well_below_the_limit() -> None:
    memory, said = RedisMemory(lambda: asyncio.sleep(0, 0.0)), []
    for share in (0.0, 0.9, 0.91, 0.89, 0.86, 0.85, 0.9):
        memory.look(share)
        said.append(memory.refused() is not None)
    assert said == [False, False, True, True, True, False, False]
