"""Composition root of chat-routing: settings in, a service that can be run out."""

from __future__ import annotations

import secrets

from prometheus_client import CollectorRegistry

from services.chat_routing.metrics import Metrics
from services.chat_routing.notify.hooks import Hooks
from services.chat_routing.notify.mail import Mailer
from services.chat_routing.notify.worker import Notifier
from services.chat_routing.nudges import Nudges
from services.chat_routing.settings import ChatRoutingSettings
from services.chat_routing.step import ChatStep
from shared.domain.partitions import Partitions
from shared.runtime.clock import Clock, SystemClock
from shared.runtime.health import Health
from shared.runtime.service import Service
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory import Directory
from shared.storage.engagements import SERVICE, EngagementStore
from shared.storage.log import PartitionLog
from shared.storage.notifications import NotificationQueue
from shared.storage.owner import PartitionOwner
from shared.storage.transcripts import Transcripts


def build(settings: ChatRoutingSettings, *, clock: Clock | None = None) -> Service:
    """One instance. A site that the directory does not (yet) know has the default numbers."""
    clients = Clients(RedisSettings(settings.redis_url))
    partitions = Partitions(settings.partitions)
    registry, health = CollectorRegistry(), Health()
    metrics = Metrics(registry)
    directory = Directory(clients)
    clock = clock or SystemClock()
    instance = settings.instance or f"chat-{secrets.token_hex(6)}"
    server = settings.mail_server
    notifier = Notifier(
        NotificationQueue(clients),
        partitions,
        directory,
        Transcripts(clients, partitions),
        hooks=Hooks(frozenset(settings.webhook_allow)),
        mailer=None if server is None else Mailer(server),
        consumer=instance,
        clock=clock,
        count=metrics.notified,
    )
    step = ChatStep(EngagementStore(clients), directory, metrics, notifier)
    owner = PartitionOwner(
        clients,
        partitions,
        service=SERVICE,
        stream="cmd",
        instance=instance,
        clock=clock,
        step=step,
    )
    nudges = Nudges(PartitionLog(clients), partitions)
    directory.on_change(nudges.notice)
    metrics.watch(owner.stats)
    health.require("redis", lambda: None if owner.connected else "not connected")

    async def start() -> None:
        await clients.ready()
        await clients.agree_on_partitions(settings.partitions)
        await directory.start()

    async def close() -> None:
        await directory.stop()
        await clients.close()

    async def drain() -> None:
        """Nothing to refuse: work arrives by stream, and the owner gives its leases back when its task ends."""

    return Service(
        name="chat_routing",
        health=health,
        registry=registry,
        listeners=[],
        admin=(settings.admin_host, settings.admin_port, "CHAT_ROUTING_ADMIN_PORT"),
        start=start,
        tasks=[owner.run, nudges.run, notifier.run],
        drain=drain,
        close=close,
    )
