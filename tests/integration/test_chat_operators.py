"""Operators' presence through the real loop: gateways that die, processes that are killed, facts delivered twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest

from services.chat_routing.app import build
from services.chat_routing.settings import ChatRoutingSettings
from shared.contracts.streams import (
    CmdEntry,
    GatewayAlive,
    GatewayUnknown,
    OperatorChanged,
    OperatorConnected,
    OperatorDisconnected,
    OperatorSet,
    decode_chat,
    decode_stored_operator_told,
    encode,
)
from shared.domain.partitions import Partitions
from shared.runtime.clock import ManualClock
from shared.runtime.service import Running, running
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.log import PartitionLog
from tests.eventually import eventually

PARTITIONS = Partitions(4)
SITE = "s_demo"
HERE = PARTITIONS.of(SITE)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def service(redis_url: str, clock: ManualClock) -> AsyncIterator[Running]:
    settings = ChatRoutingSettings(redis_url=redis_url, partitions=PARTITIONS.count, admin_port=0)
    async with running(build(settings, clock=clock)) as up:
        yield up


async def tell(clients: Clients, *facts: CmdEntry) -> None:
    await PartitionLog(clients).append("cmd", HERE, [encode(fact) for fact in facts])


async def outcomes(clients: Clients) -> list[object]:
    entries = await clients.call("XRANGE", keys.stream("chat", HERE), "-", "+")
    return [one for _, fields in entries for one in decode_chat(fields[b"d"]).outcomes]


async def states(clients: Clients) -> list[tuple[str, str]]:
    return [(o.operator, o.state) for o in await outcomes(clients) if isinstance(o, OperatorChanged)]


async def stored(clients: Clients, operator: str) -> str:
    value = await clients.call("HGET", keys.operators(HERE, SITE), operator)
    return decode_stored_operator_told(value).told.state if value else "none"


async def done(clients: Clients) -> bool:
    return bool(await clients.call("XLEN", keys.stream("cmd", HERE)) == 0)


def opened(operator: str, connection: str, gateway: str, at_ms: int) -> OperatorConnected:
    return OperatorConnected(SITE, operator, f"Name of {operator}", connection, gateway, at_ms)


async def alive(clients: Clients, clock: ManualClock, gateway: str, ms: int) -> None:
    """Let `ms` pass while `gateway` gives signs of life."""
    for _ in range(0, ms, 5000):
        clock.advance(min(5000, ms))
        await tell(clients, GatewayAlive(gateway, clock.now_ms()))
        await eventually(lambda: done(clients))


async def test_two_devices_are_one_operator_and_only_changes_are_told(service, clients, clock):
    now = clock.now_ms()
    await tell(clients, opened("o_ada1", "c1", "gw1", now), opened("o_ada1", "c2", "gw2", now))
    await tell(clients, OperatorDisconnected(SITE, "o_ada1", "c1", "gw1", now + 1))
    await tell(clients, OperatorSet(SITE, "o_ada1", "away", now + 2), OperatorSet(SITE, "o_ada1", "away", now + 2))
    await eventually(lambda: done(clients))
    assert await states(clients) == [("o_ada1", "online"), ("o_ada1", "away")]
    assert await stored(clients, "o_ada1") == "away"


async def test_dead_gateway_takes_its_operators_offline_after_the_grace_and_no_others(service, clients, clock):
    now = clock.now_ms()
    await tell(
        clients,
        opened("o_lost", "c1", "gw1", now),
        opened("o_both", "c2", "gw1", now),
        opened("o_both", "c3", "gw2", now),
    )
    await eventually(lambda: done(clients))
    await alive(clients, clock, "gw2", 40_000)
    await eventually(lambda: outcomes_name(clients, "gw1"))
    assert await stored(clients, "o_lost") == "online"
    await alive(clients, clock, "gw2", 10_000)
    await eventually(lambda: is_stored(clients, "o_lost", "offline"))
    assert await stored(clients, "o_both") == "online"
    assert await states(clients) == [("o_lost", "online"), ("o_both", "online"), ("o_lost", "offline")]


async def test_gateway_that_was_only_paused_announces_again_and_nobody_noticed(service, clients, clock):
    await tell(clients, opened("o_ada1", "c1", "gw1", clock.now_ms()))
    await eventually(lambda: done(clients))
    clock.advance(25_000)
    await eventually(lambda: outcomes_name(clients, "gw1"))
    await tell(clients, opened("o_ada1", "c1", "gw1", clock.now_ms()), GatewayAlive("gw1", clock.now_ms()))
    await alive(clients, clock, "gw1", 60_000)
    assert await states(clients) == [("o_ada1", "online")]


async def test_unknown_gateway_that_lives_is_asked_to_announce_itself(service, clients, clock):
    await tell(clients, GatewayAlive("gw9", clock.now_ms()), GatewayAlive("gw9", clock.now_ms() + 1))
    await eventually(lambda: done(clients))
    assert [type(o).__name__ for o in await outcomes(clients)] == ["GatewayUnknown"]


async def test_index_of_connections_is_kept_in_step(service, clients, clock):
    now = clock.now_ms()
    key = keys.gateway_operators(HERE, "gw1")
    await tell(clients, opened("o_ada1", "c1", "gw1", now), opened("o_ada1", "c2", "gw1", now))
    await tell(clients, OperatorDisconnected(SITE, "o_ada1", "c1", "gw1", now))
    await eventually(lambda: done(clients))
    assert await clients.call("HKEYS", key) == [b"s_demo o_ada1"]
    await tell(clients, OperatorDisconnected(SITE, "o_ada1", "c2", "gw1", now))
    await eventually(lambda: done(clients))
    assert await clients.call("EXISTS", key) == 0


async def test_readiness_and_metrics_are_served(service, clients):
    await eventually(lambda: ready(service))
    url = f"http://127.0.0.1:{service.admin_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert "foyer_chat_routing_owned_partitions" in await answer.text()


async def outcomes_name(clients: Clients, gateway: str) -> bool:
    return any(isinstance(o, GatewayUnknown) and o.gateway == gateway for o in await outcomes(clients))


async def is_stored(clients: Clients, operator: str, state: str) -> bool:
    return await stored(clients, operator) == state


async def ready(service: Running) -> bool:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{service.admin_port}/readyz") as answer,
    ):
        return answer.status == 200


# --- two processes, one of them killed -----------------------------------------------------------------------------


async def start_process(redis_url: str, instance: str) -> asyncio.subprocess.Process:
    environ = os.environ | {
        "REDIS_URL": redis_url,
        "PARTITIONS": str(PARTITIONS.count),
        "CHAT_ROUTING_ADMIN_PORT": "0",
        "CHAT_ROUTING_INSTANCE": instance,
        "LOG_LEVEL": "ERROR",
    }
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "services.chat_routing", env=environ)


async def owned_by(clients: Clients) -> Counter[str]:
    leases = [await clients.call("GET", keys.lease("chat_routing", p)) for p in PARTITIONS.all()]
    return Counter(lease.decode().rpartition(":")[0] for lease in leases if lease)


async def all_online(clients: Clients, wanted: Sequence[tuple[str, str]]) -> bool:
    for site, operator in wanted:
        value = await clients.call("HGET", keys.operators(PARTITIONS.of(site), site), operator)
        if value is None or decode_stored_operator_told(value).told.state != "online":
            return False
    return True


async def test_killing_one_of_two_processes_loses_nothing_and_doubles_nothing(redis_url, clients):
    processes = {name: await start_process(redis_url, name) for name in ("one", "two")}
    log = PartitionLog(clients)
    wanted: list[tuple[str, str]] = []
    try:
        await eventually(lambda: both_own(clients), within_s=30)
        for i in range(400):
            site, operator = f"s_{i % 20:04x}", f"o_{i:04x}"
            wanted.append((site, operator))
            fact = encode(OperatorConnected(site, operator, "Ada", f"c{i}", "gw1", 1))
            await log.append("cmd", PARTITIONS.of(site), [fact] * (1 + i % 2))
            if i == 200:
                processes["one"].send_signal(signal.SIGKILL)
        await eventually(lambda: all_online(clients, wanted), within_s=30)
    finally:
        for process in processes.values():
            if process.returncode is None:
                process.terminate()
            await process.wait()
    assert processes["two"].returncode == 0
    told: Counter[tuple[str, str]] = Counter()
    for partition in PARTITIONS.all():
        for _, fields in await clients.call("XRANGE", keys.stream("chat", partition), "-", "+"):
            for one in decode_chat(fields[b"d"]).outcomes:
                if isinstance(one, OperatorChanged):
                    told[one.site, one.operator] += 1
    assert told == Counter(wanted)


async def both_own(clients: Clients) -> bool:
    shares = await owned_by(clients)
    return sum(shares.values()) == PARTITIONS.count and len(shares) == 2
