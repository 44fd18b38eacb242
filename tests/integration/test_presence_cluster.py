"""Presence on a Cluster: every batch's keys share one slot, so reads and commits work there as on one server."""

from __future__ import annotations

import socket

from services.presence.app import build
from services.presence.settings import PresenceSettings
from shared.contracts.streams import ForgetVisitor
from shared.embedded import EmbeddedValkey
from shared.embedded.server import free_port
from shared.runtime.service import running
from shared.storage.clients import Clients, RedisSettings
from tests.eventually import eventually
from tests.integration.presence_world import PARTITIONS, World, new_id


def ask(port: int, command: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(command.encode() + b"\r\n")
        return connection.recv(4096)


async def test_a_visit_from_first_page_to_erasure_on_a_cluster(tmp_path):
    with EmbeddedValkey(tmp_path, settings={"cluster-enabled": "yes", "cluster-port": str(free_port())}) as server:
        assert ask(server.port, "CLUSTER ADDSLOTSRANGE 0 16383").startswith(b"+OK")
        await eventually(lambda: b"cluster_state:ok" in ask(server.port, "CLUSTER INFO"))
        url = server.url.replace("redis://", "redis+cluster://").removesuffix("/0")
        clients = Clients(RedisSettings(url))
        world = World(clients)
        await world.create_site()
        settings = PresenceSettings(redis_url=url, partitions=PARTITIONS.count, admin_port=0)
        async with running(build(settings, clock=world.clock)):
            await live_and_be_forgotten(world)
        await clients.close()


async def live_and_be_forgotten(world: World) -> None:
    people = [(new_id(), new_id()) for _ in range(3)]
    for visitor, tab in people:
        for _ in range(3):
            await world.put(world.event("page", visitor, tab, new_id()))
    await eventually(world.done)
    assert sorted(row.number for row in (await world.consistent()).values()) == [1, 2, 3]
    world.clock.advance(46_000)
    await eventually(lambda: nobody(world))
    for visitor, _ in people:
        (visit,) = await world.history.visits(world.site, visitor)
        assert len(visit.page_views) == visit.pages == 3
        assert len(await world.history.navigation(world.site, visitor)) == 3
    await world.put(*(ForgetVisitor(world.site, visitor, world.clock.now_ms()) for visitor, _ in people))
    await eventually(world.done)
    for visitor, _ in people:
        assert await world.history.known(world.site, visitor) is None
        assert await world.history.visits(world.site, visitor) == ()


async def nobody(world: World) -> bool:
    return await world.rows() == {}
