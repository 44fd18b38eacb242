"""A collector that is short of memory refuses what can be repeated and keeps what goes on."""

from __future__ import annotations

from pathlib import Path

from services.collector.pressure import Pressure, container_limit, resident_bytes
from shared.storage.clients import Clients
from tests.collector_rig import batch, collector, event, make_site
from tests.eventually import eventually


def test_it_eases_only_when_there_is_room_again() -> None:
    pressure = Pressure(1_000)
    said = []
    for used in (1_000, 1_001, 990, 951, 950, 1_000):
        pressure.look(used)
        said.append(pressure.refused() is not None)
    assert said == [False, True, True, True, False, False]


def test_without_a_limit_there_is_no_pressure() -> None:
    pressure = Pressure(0)
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
