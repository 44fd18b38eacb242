"""Composition root of presence: settings in, a service that can be run out."""

from __future__ import annotations

import secrets

from prometheus_client import CollectorRegistry

from services.presence.metrics import Metrics
from services.presence.settings import PresenceSettings
from services.presence.step import PresenceStep
from shared.domain.partitions import Partitions
from shared.runtime.clock import Clock, SystemClock
from shared.runtime.health import Health
from shared.runtime.service import Service
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory import Directory
from shared.storage.owner import PartitionOwner
from shared.storage.visitors import Visitors

SERVICE = "presence"  # names the checkpoint, the leases and the timers: changing it would begin anew
GATHER_S = 0.01  # a row may be that much later when much is going on: at 1,000 page views a second it saves half


def build(settings: PresenceSettings, *, clock: Clock | None = None) -> Service:
    """One instance. It takes its share of the partitions from the other live ones and gives it back when it stops."""
    clients = Clients(RedisSettings(settings.redis_url))
    partitions = Partitions(settings.partitions)
    registry, health = CollectorRegistry(), Health()
    metrics = Metrics(registry)
    directory = Directory(clients)
    owner = PartitionOwner(
        clients,
        partitions,
        service=SERVICE,
        stream="in",
        instance=settings.instance or f"presence-{secrets.token_hex(6)}",
        clock=clock or SystemClock(),
        step=PresenceStep(Visitors(clients), directory, metrics.report),
        gather_s=GATHER_S,
    )
    metrics.watch(owner, partitions)
    health.require("redis", lambda: None if owner.connected else "not connected")

    async def start() -> None:
        await clients.ready()
        await clients.agree_on_partitions(settings.partitions)
        await directory.start()

    async def drain() -> None:
        """Nothing to refuse: work arrives by stream, and the owner gives its leases back when its task ends."""

    async def close() -> None:
        await directory.stop()
        await clients.close()

    return Service(
        name=SERVICE,
        health=health,
        registry=registry,
        listeners=[],
        admin=(settings.admin_host, settings.admin_port, "PRESENCE_ADMIN_PORT"),
        start=start,
        tasks=[owner.run],
        drain=drain,
        close=close,
    )
