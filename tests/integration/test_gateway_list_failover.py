"""The list after a failover to a replica that lacks the last writes: two gateways, stock clients, two real servers."""

from __future__ import annotations

import asyncio
import copy
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.embedded import EmbeddedValkey
from shared.storage.clients import Clients, RedisSettings
from tests.eventually import eventually
from tests.list_world import Market, Watcher, market
from tests.live_rig import Rig, gateway
from tests.switch import Switch

MOUNTS = ("socket.io", "socket.io-msgpack")
WITHIN_S = 90.0  # for the hopeless case, on a loaded machine

pytestmark = pytest.mark.timeout(240)


def command(port: int, *words: str) -> bytes:
    """One command over a bare socket."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        packed = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        connection.sendall(packed.encode())
        return connection.recv(65_536)


@dataclass
class World:
    """Two gateways behind one address, the server that it stands for, and a replica of that one."""

    rigs: tuple[Rig, Rig]
    switch: Switch
    primary: EmbeddedValkey
    replica: EmbeddedValkey
    on_replica: Clients

    async def replicated(self) -> bool:
        return int(await self.rigs[0].clients.call("WAIT", 1, 100)) == 1

    async def detach(self) -> None:
        """From here on the replica lags: it gets nothing more."""
        await eventually(self.replicated, within_s=WITHIN_S)
        command(self.replica.port, "REPLICAOF", "NO", "ONE")

    def fail_over(self) -> None:
        """The primary dies; the address is the replica's from now on."""
        self.primary.kill()
        self.switch.point_at(self.replica.port)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    primary, replica = EmbeddedValkey(tmp_path / "primary"), EmbeddedValkey(tmp_path / "replica")
    async with AsyncExitStack() as stack:
        for server in (primary, replica):
            stack.enter_context(server)
        command(replica.port, "REPLICAOF", "127.0.0.1", str(primary.port))
        direct = [Clients(RedisSettings(server.url)) for server in (primary, replica)]
        for clients in direct:
            stack.push_async_callback(clients.close)
        switch = await stack.enter_async_context(Switch(primary.port))
        rigs = [await stack.enter_async_context(gateway(direct[0], switch.url, tmp_path)) for _ in range(2)]
        yield World((rigs[0], rigs[1]), switch, primary, replica, direct[1])


async def watchers(world: World, place: Market) -> list[Watcher]:
    """An ordinary console on each gateway and parser."""
    found = []
    for number, (rig, mount) in enumerate((rig, mount) for rig in world.rigs for mount in MOUNTS):
        operator = await world.rigs[0].operator(place)
        await world.rigs[1].seen()
        watcher = Watcher(place, operator, mount, number)
        watcher.faulty = False
        await watcher.arrive(rig)
        found.append(watcher)
    return found


@pytest.mark.parametrize("owner_noticed", [True, False])
async def test_what_a_lagging_replica_lacks_is_taken_back_everywhere(
    world: World, owner_noticed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when numbers are given out again with other content, and before any owner has named the new life."""
    monkeypatch.setattr("services.operator_gateway.live.sites.CHECK_EVERY_S", 0.2)
    place = await market(world.rigs[0], 5)
    consoles = await watchers(world, place)
    for _ in range(20):
        await place.something()
    await place.calm()
    await world.detach()
    stored = copy.deepcopy((place._stored, place._engagements, place._seq))

    await place.visit(1, title="Lost with the primary", pages=7)
    await place.leave(2)
    await place.visit(50, title="Never was here")
    await place.calm()
    for watcher in consoles:
        await eventually(watcher.right, within_s=WITHIN_S)

    place._stored, place._engagements, place._seq = stored
    place._clients = world.on_replica
    world.fail_over()
    if owner_noticed:
        await place.owned()
        await place.visit(1, title="Something else under the same number")
    [first, *_] = consoles
    await first.break_off()
    await first.arrive(world.rigs[1])
    for watcher in consoles:
        await eventually(watcher.right, within_s=WITHIN_S)
    if not owner_noticed:
        await place.owned()
        await place.visit(1, title="Something else under the same number")
        for watcher in consoles:
            await eventually(watcher.right, within_s=WITHIN_S)
    for watcher in consoles:
        assert watcher.complaints == []
        await watcher.break_off()


async def test_a_failover_that_lost_nothing_costs_no_window(world: World) -> None:
    place = await market(world.rigs[0], 6)
    consoles = await watchers(world, place)
    await place.calm()
    for watcher in consoles:
        await eventually(watcher.right, within_s=WITHIN_S)
    await world.detach()
    place._clients = world.on_replica
    world.fail_over()
    await place.visit(1, title="After the failover")
    for watcher in consoles:
        await eventually(watcher.right, within_s=WITHIN_S)
        assert (watcher.resets, watcher.complaints) == ([], [])
    await asyncio.gather(*(watcher.break_off() for watcher in consoles))
