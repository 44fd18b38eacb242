"""The collector's composition root. Read :func:`build`: everything is made here, once, and nothing at import."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from prometheus_client import CollectorRegistry

from services.collector.agents import agent_classifier
from services.collector.bots import BotCounts
from services.collector.chat.desk import ChatDesk
from services.collector.chat.feed import ChatFeed
from services.collector.chat.listener import Sources
from services.collector.chat.polls import ChatPolls
from services.collector.chat.siteinfo import PublicSites
from services.collector.contact import Contacts
from services.collector.countries import Countries
from services.collector.domain.tokens import VisitorTokens
from services.collector.http.beacon import Beacons
from services.collector.http.chat import Chats
from services.collector.http.edge import Edge, Route
from services.collector.http.scripts import Scripts
from services.collector.http.server import collector_server
from services.collector.intake import Intake, Rules
from services.collector.limits import Limits
from services.collector.live.attachments import Departures, Liveness
from services.collector.live.channel import Desk
from services.collector.live.desk import LiveDesk
from services.collector.outcomes import Outcomes
from services.collector.pressure import ProcessMemory, RedisMemory, container_limit
from services.collector.settings import CollectorSettings
from shared.domain.partitions import Partitions
from shared.runtime.clock import Clock, SystemClock
from shared.runtime.edge_server import EdgeLimits, EdgeServer, descriptors
from shared.runtime.health import Health
from shared.runtime.service import Listener, Service
from shared.storage.clients import Clients, RedisClock
from shared.storage.directory import Directory
from shared.storage.known_visitors import KnownVisitors
from shared.storage.log import GroupAppender, PartitionLog
from shared.storage.transcripts import Transcripts
from shared.storage.visitor_sides import VisitorSides

APPEND_S = 1.3  # the contract promises an answer within 2 s, of which a first contact may take 0.6 before
FLUSH_S = 3.0  # for departures at shutdown; presence finds the rest by this collector's silence
STALE_MS = 5_000  # the directory has not heard from Redis for so long; it asks every second


def _routes(beacons: Beacons, live: LiveDesk, chats: Chats) -> dict[str, Route]:
    return {
        "/v1/e": Route("events", {"POST": beacons.events}),
        "/v1/e.gif": Route("pixel", {"GET": beacons.pixel}),
        "/v1/live": Route("live", {"GET": live.open}),
        "/v1/site": Route("site", {"GET": beacons.site}),
        "/v1/chat": Route("chat", {"POST": chats.say, "GET": chats.hear}),
        "/v1/forget": Route("forget", {"POST": beacons.forget}),
    }


def _limits(settings: CollectorSettings) -> Limits:
    return Limits(
        address=settings.address_rate,
        newcomers=settings.newcomers_rate,
        remembered=settings.remembered_rate,
        visitor=settings.visitor_rate,
        site=settings.site_rate,
        chat=settings.chat_rate,
    )


class Collector:
    """The parts of one collector process, connected."""

    def __init__(self, settings: CollectorSettings, clock: Clock, registry: CollectorRegistry) -> None:
        self.settings = settings
        self.clients = clients = Clients(settings.redis)
        self.directory = Directory(clients)
        self.countries = Countries(settings.geoip_db)
        self.outcomes = Outcomes(registry)
        self.appender = GroupAppender(PartitionLog(clients, settings.lag_kib * 1024), APPEND_S)
        self.partitions = Partitions(settings.partitions)
        self._classify = agent_classifier(settings.declared_crawlers_only)
        self.sides = VisitorSides(clients, self.partitions)
        self.feed = ChatFeed(clients, self.partitions, self.sides)
        self.sources = Sources(self.feed, self.sides, Transcripts(clients, self.partitions))
        self.polls = ChatPolls(self.sources, self.outcomes)
        rules = Rules(
            self.directory,
            self.partitions,
            VisitorTokens(settings.secret, tuple(filter(None, (settings.previous_secret,)))),
            _limits(settings),
            self._classify,
            self.countries,
            KnownVisitors(clients, self.partitions),
            self.feed,
        )
        # A restarted collector is another one: channels of the one before are gone.
        self.intake = Intake(rules, self.appender, clock, self.outcomes, f"c_{secrets.token_hex(6)}")
        self.liveness = Liveness(self.intake, self.outcomes, settings.alive_s)
        self.departures = Departures(self.intake, self.outcomes)
        self.bots = BotCounts(self.intake, self.outcomes)
        self.memory = ProcessMemory(settings.memory_mb * 1024 * 1024 or container_limit())
        self.redis_memory = RedisMemory(clients.memory_share)
        self.intake.shed = lambda: self.memory.refused() or self.redis_memory.refused()
        self.intake.no_room = self.redis_memory.refused
        self.scripts = Scripts(settings.static)
        self._trusted = settings.trusted
        self._total = min(settings.max_connections, descriptors())
        self._per_address = settings.max_per_address or max(1, self._total // 2)
        self.live, self.server = self._edge()

    def _edge(self) -> tuple[LiveDesk, EdgeServer]:
        settings = self.settings
        contacts = Contacts(self._trusted, settings.trusted_header)
        chat = ChatDesk(self.intake, self.feed, RedisClock(self.clients, late=True))
        desk = Desk(
            self.intake,
            self.liveness,
            self.departures,
            self.outcomes,
            settings.frames_rate,
            settings.hello_s,
            settings.heartbeat_s,
            chat,
            self.sources,
        )
        live = LiveDesk(desk, contacts, total=self._total, per_address=self._per_address)
        sites = PublicSites(self.sides, self.directory)
        beacons = Beacons(self.intake, sites, contacts, self.outcomes, settings.body_s)
        chats = Chats(
            desk=chat,
            polls=self.polls,
            intake=self.intake,
            contacts=contacts,
            outcomes=self.outcomes,
            body_s=settings.body_s,
        )
        edge = Edge(_routes(beacons, live, chats), self.scripts, self.outcomes)
        limits = EdgeLimits(
            trusted=self._trusted, total=self._total, per_address=self._per_address, header_s=settings.header_s
        )
        server = collector_server(edge.handle, self.outcomes, limits)
        edge.server = server
        return live, server

    def tasks(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What runs for as long as the process lives."""
        tasks = [self.server.sweep, self.liveness.run, self.departures.run, self.feed.run]
        tasks += [self.bots.run, self.memory.run, self.redis_memory.run]
        return [*tasks, self.countries.run] if self.settings.geoip_db else tasks

    async def start(self) -> None:
        """Wait for Redis and the sites; the public port opens after this."""
        self.countries.load()
        self._classify("")  # compiles its patterns, which takes 0.1 s: not while visitors wait
        await self.clients.ready()
        await self.clients.agree_on_partitions(self.settings.partitions)
        await self.directory.start()

    async def drain(self) -> None:
        """Send the visitors to other collectors and report that they left this one."""
        self.polls.drain()
        await self.live.drain()
        await self.departures.flush(FLUSH_S)
        await self.bots.tell()
        await self.appender.drain()

    async def close(self) -> None:
        """Let go of Redis."""
        await self.directory.stop()
        await self.clients.close()

    def redis_problem(self) -> str | None:
        """Why events cannot be stored, or sites may be out of date."""
        stale_ms = self.directory.stale_ms
        if stale_ms is None:
            return "waiting for Redis and the directory"
        if stale_ms > STALE_MS:
            return f"Redis has not answered for {stale_ms // 1000} s"
        return self.intake.storing_problem()


def build(settings: CollectorSettings, clock: Clock | None = None) -> Service:
    """One collector, ready to run. Call it inside the event loop that will serve it."""
    registry = CollectorRegistry()
    collector = Collector(settings, clock or SystemClock(), registry)
    health = Health()
    health.require("redis", collector.redis_problem)
    # Only a note: the other partitions are served, and a collector that is taken away would not make readers faster.
    health.note("lag", collector.intake.lag_problem)
    health.require("memory", collector.memory.problem)
    health.note("redis_memory", collector.redis_memory.problem)  # another collector would have no more room
    health.note("newcomers", collector.intake.newcomers_problem)
    health.note("geoip", lambda: collector.countries.problem)
    health.note("tracker", lambda: collector.scripts.problem)
    return Service(
        name="collector",
        health=health,
        registry=registry,
        listeners=[
            Listener(collector.server, settings.host, settings.port, "COLLECTOR_PORT", shared=settings.shared_port)
        ],
        admin=(settings.admin_host, settings.admin_port, "COLLECTOR_ADMIN_PORT"),
        start=collector.start,
        tasks=collector.tasks(),
        drain=collector.drain,
        close=collector.close,
    )
