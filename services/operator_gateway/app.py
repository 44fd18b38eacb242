"""Composition root of the operator gateway: settings in, a service that can be run out.

One listener carries the HTTP API, both Socket.IO mounts and the console. Everything is made here and nowhere else.
"""

from __future__ import annotations

import secrets

from aiohttp import web
from prometheus_client import CollectorRegistry

from services.operator_gateway.api.context import ApiContext
from services.operator_gateway.api.metrics import ApiMetrics
from services.operator_gateway.api.mount import add_api_routes
from services.operator_gateway.chat.commands import Commands
from services.operator_gateway.chat.desk import OperatorDesk
from services.operator_gateway.chat.requests import ChatRequests
from services.operator_gateway.console import add_console_routes
from services.operator_gateway.edge import HEADER_S, SPARE_CONNECTIONS, GatewayVoice
from services.operator_gateway.geodata import attribution
from services.operator_gateway.live.attendance import Attendance
from services.operator_gateway.live.feed import Feed
from services.operator_gateway.live.gate import Gate
from services.operator_gateway.live.metrics import LiveMetrics
from services.operator_gateway.live.requests import LiveRequests
from services.operator_gateway.live.sites import LiveSites
from services.operator_gateway.passwords import Passwords
from services.operator_gateway.settings import GatewaySettings
from services.operator_gateway.sockets.connections import Connections
from services.operator_gateway.sockets.engine import Engine
from services.operator_gateway.sockets.events import EventTable
from services.operator_gateway.sockets.mounts import add_socket_routes
from shared.contracts.streams import ChatOutcomes, GatewayUnknown, OperatorChanged
from shared.domain.partitions import Partition, Partitions
from shared.domain.peers import limit_key
from shared.runtime.clock import Clock, SystemClock
from shared.runtime.edge_server import EdgeLimits, descriptors
from shared.runtime.health import Health
from shared.runtime.service import Listener, Service
from shared.storage.bots import BotReports
from shared.storage.canned import CannedReplies
from shared.storage.chat_records import ChatRecords
from shared.storage.clients import Clients, RedisClock
from shared.storage.directory import Directory
from shared.storage.directory_metrics import export, not_fresh
from shared.storage.directory_store import DirectoryStore
from shared.storage.history import History
from shared.storage.lockout import Lockout
from shared.storage.log import GroupAppender, PartitionLog
from shared.storage.notifications import BuriedNotifications
from shared.storage.sessions import Sessions
from shared.storage.snapshots import Snapshots
from shared.storage.transcripts import Transcripts

SERVICE = "operator_gateway"
APPEND_S = 1.0  # for a command to reach Redis; the rest of its 2 s is for the outcome


class Gateway:
    """The parts of one gateway, for the composition below and for tests that look inside."""

    def __init__(self, settings: GatewaySettings, clock: Clock, registry: CollectorRegistry) -> None:
        self.settings = settings
        self.clock = clock
        self.clients = Clients(settings.redis)
        self.partitions = Partitions(settings.partitions)
        self.metrics = LiveMetrics(registry)
        self.api_metrics = ApiMetrics(registry)
        self.directory = Directory(self.clients)
        self.sessions = Sessions(self.clients, self.directory, clock)
        self.passwords = Passwords()
        self.snapshots = Snapshots(self.clients, self.partitions)
        self.connections = Connections()
        name = "-".join(part for part in ("gw", settings.instance, secrets.token_hex(6)) if part)
        self.attendance = Attendance(name, PartitionLog(self.clients), self.partitions, clock)
        self.feed = Feed(self.clients, self.partitions, self._outcomes, self._reset)
        self.history = History(self.clients, self.partitions)
        self.transcripts = Transcripts(self.clients, self.partitions)
        self._add_chats()
        self.live = LiveSites(self.snapshots, self.feed, self.metrics)
        self.requests = LiveRequests(
            self.directory, self.live, self.snapshots, history=self.history, transcripts=self.transcripts, clock=clock
        )
        self.gate = Gate(
            directory=self.directory,
            sessions=self.sessions,
            snapshots=self.snapshots,
            partitions=self.partitions,
            connections=self.connections,
            attendance=self.attendance,
            feed=self.feed,
            live=self.live,
            requests=self.requests,
            desk=self.desk,
            clock=clock,
        )
        self.table = EventTable(
            {**self.requests.events(), **self.chats.events(), **self.gate.events()}, self.metrics.event
        )
        export(self.directory, registry)
        self.directory.on_change(self.gate.directory_changed)
        self.sessions.on_revoked(self.gate.session_ended)
        self.engines: list[Engine] = []

    def _add_chats(self) -> None:
        self.appender = GroupAppender(PartitionLog(self.clients), answer_within_s=APPEND_S)
        self.commands = Commands(self.appender, self.partitions, self.feed, RedisClock(self.clients, late=True))
        self.records = ChatRecords(self.clients, self.partitions)
        self.chats = ChatRequests(self.commands, self.transcripts, self.records, self.clock)
        self.desk = OperatorDesk(
            connections=self.connections,
            records=self.records,
            waiting=self.commands.waiting,
            follows=self.feed,
            partitions=self.partitions,
            clock=self.clock,
        )

    def application(self) -> web.Application:
        """API, sockets and console, in this order: the console answers whatever is left."""
        app = web.Application()
        add_api_routes(app, self._api_context())
        self.engines = add_socket_routes(
            app,
            self.table,
            admission=self.gate,
            doors=self.settings.doors,
            address=self._address,
            on_bad_packet=self.metrics.bad_packet,
        )
        add_console_routes(app, self.settings.static)
        return app

    def edge(self, registry: CollectorRegistry) -> tuple[GatewayVoice, EdgeLimits]:
        """The public port's limits: sockets have theirs (:class:`Doors`), these are for whoever opens connections."""
        settings = self.settings
        limits = EdgeLimits(
            trusted=settings.trusted,
            total=min(settings.max_connections + SPARE_CONNECTIONS, descriptors()),
            per_address=settings.max_per_address + SPARE_CONNECTIONS,
            header_s=HEADER_S,
        )
        return GatewayVoice(registry), limits

    def _api_context(self) -> ApiContext:
        return ApiContext(
            directory=self.directory,
            store=DirectoryStore(self.clients),
            sessions=self.sessions,
            passwords=self.passwords,
            lockout=Lockout(self.clients, self.clock),
            clock=self.clock,
            partitions=self.partitions,
            appender=self.appender,
            history=self.history,
            bots=BotReports(self.clients, self.partitions),
            transcripts=self.transcripts,
            records=self.records,
            canned=CannedReplies(self.clients, self.partitions),
            buried=BuriedNotifications(self.clients, self.partitions),
            snapshots=Snapshots(self.clients, self.partitions),
            collector_url=self.settings.collector_url,
            geoip=attribution(self.settings.geoip_db),
            client_address=self._address,
            secure=lambda request: request.secure or self.settings.tls_proxy,
            metrics=self.api_metrics,
        )

    def _address(self, request: web.Request) -> str:
        """What a client is counted under: its address, or its network where addresses cost nothing."""
        named = request.headers.getall(self.settings.trusted_header, [])
        return limit_key(self.settings.trusted.client_address(request.remote or "", named))

    def _outcomes(self, partition: Partition, entry: ChatOutcomes) -> None:
        for outcome in entry.outcomes:
            if isinstance(outcome, OperatorChanged):
                self.gate.colleagues.changed(outcome)
            elif isinstance(outcome, GatewayUnknown) and outcome.gateway == self.attendance.gateway:
                self.attendance.announce_again(partition)
            elif not isinstance(outcome, GatewayUnknown):
                self.desk.told(outcome)

    def _reset(self, partition: Partition) -> None:
        """What was followed is no longer what Redis holds."""
        self.attendance.announce_again(partition)
        self.desk.reset(partition)
        self.gate.colleagues.reset(partition)

    def gauges(self) -> None:
        """Show what there is."""
        gauge, live = self.metrics.gauge, self.live
        gauge("connections", "Operators' sockets", lambda: len(self.connections))
        gauge("sites", "Sites that are watched", lambda: len(live))
        gauge("visitors", "Visitors held of watched sites", lambda: sum(len(site.views.replica) for site in live))
        gauge("views", "Open views", lambda: sum(len(site.audience) for site in live))
        gauge("view_groups", "Different views", lambda: sum(site.views.groups for site in live))
        gauge("lagging_views", "Views whose client does not keep up", lambda: sum(s.audience.lagging for s in live))
        gauge("tick_seconds", "Longest distance between updates", lambda: max((s.tick_s for s in live), default=0.0))
        gauge("shedding", "What is left out: 0 nothing, 1 ticks, 2 page moves, 3 idle rows", lambda: live.load.shedding)
        gauge("held_rows", "Rows of windows whose change is put off", lambda: sum(site.views.held for site in live))
        gauge("pending_bytes", "Bytes held for clients", lambda: sum(c.pending_bytes for c in self.connections))
        gauge("partitions", "Partitions whose logs are followed", lambda: self.feed.partitions)
        gauge("waiting_facts", "Connection facts that Redis has not taken", lambda: self.attendance.waiting)
        gauge("waiting_commands", "Commands that wait for their outcome", lambda: len(self.commands.waiting))
        gauge("undecodable_entries", "Log entries that could not be read", lambda: self.feed.undecodable)

    def checks(self, health: Health) -> None:
        """What makes the gateway not ready."""

        def feed() -> str | None:
            away = self.feed.disconnected
            return f"{away} partitions cannot be followed" if away else None

        health.require("directory", lambda: not_fresh(self.directory))
        health.require("feed", feed)
        folder = self.settings.static
        health.note("console", lambda: None if (folder / "index.html").is_file() else "not built: run `make setup`")


def build(settings: GatewaySettings, *, clock: Clock | None = None) -> Service:
    """One gateway. Any number of them serve the same operators; none has state that another one needs."""
    registry, health = CollectorRegistry(), Health()
    gateway = Gateway(settings, clock or SystemClock(), registry)
    gateway.gauges()
    gateway.checks(health)

    async def start() -> None:
        await gateway.clients.ready()
        await gateway.clients.agree_on_partitions(settings.partitions)
        await gateway.directory.start()
        await gateway.sessions.start()

    async def drain() -> None:
        """New sockets are refused, open ones are told to come back; chat-routing hears of each that closed."""
        for engine in gateway.engines:
            engine.draining = True
        await gateway.gate.close_all()
        await gateway.commands.drain()
        await gateway.attendance.deliver_once()

    async def close() -> None:
        await gateway.desk.close()
        await gateway.live.close()
        await gateway.feed.close()
        await gateway.sessions.stop()
        await gateway.directory.stop()
        gateway.passwords.close()
        await gateway.clients.close()

    return Service(
        name=SERVICE,
        health=health,
        registry=registry,
        listeners=[
            Listener(gateway.application(), settings.host, settings.port, "GATEWAY_PORT", edge=gateway.edge(registry))
        ],
        admin=(settings.admin_host, settings.admin_port, "GATEWAY_ADMIN_PORT"),
        start=start,
        tasks=[gateway.live.sweep, gateway.live.weigh, gateway.attendance.deliver],
        drain=drain,
        close=close,
    )
