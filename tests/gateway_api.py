"""The gateway's HTTP API on a real socket, and a small world to ask it about."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import ClientSession, CookieJar, DummyCookieJar, web
from argon2 import Parameters, Type
from prometheus_client import CollectorRegistry

from services.operator_gateway.api import ApiContext, Limits, add_api_routes
from services.operator_gateway.api.metrics import ApiMetrics
from services.operator_gateway.passwords import Passwords
from shared.contracts.chat import Actor, ChatEvent, ChatSummary, OfflineMessageLeft
from shared.contracts.chat_records import Ban
from shared.contracts.control import Attribution
from shared.contracts.desk_api import CannedReply
from shared.contracts.notifications import Undelivered
from shared.contracts.sites import Membership, Operator, Role, Site, Skill
from shared.contracts.streams import decode_cmd, decode_in
from shared.domain.partitions import Partitions
from shared.domain.visitor import Visitor
from shared.domain.visitor_packing import pack_visitor
from shared.runtime.clock import ManualClock
from shared.storage import keys
from shared.storage.blocks import payloads_in
from shared.storage.bots import BotReports
from shared.storage.canned import CannedReplies
from shared.storage.chat_records import ChatRecords
from shared.storage.clients import Clients
from shared.storage.directory import Directory
from shared.storage.directory_store import DirectoryStore, Written
from shared.storage.history import History
from shared.storage.lockout import Lockout
from shared.storage.log import GroupAppender, PartitionLog
from shared.storage.notifications import BuriedNotifications
from shared.storage.sessions import Sessions
from shared.storage.snapshots import Snapshots
from shared.storage.transcripts import Transcripts

CHEAP = Parameters(
    type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=8, parallelism=1
)  # the rules are the same, the price is not what these tests are about
PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Any
    raw: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.raw)

    @property
    def code(self) -> str:
        return str(self.json["code"])


@dataclass(frozen=True)
class Talk:
    """What there is about one visitor; `entry` names a mail that was given up."""

    visitor: str
    chat: str
    message: str
    entry: str


class Api:
    """One gateway's API."""

    def __init__(self, clients: Clients, clock: ManualClock, limits: Limits) -> None:
        self.clients = clients
        self.clock = clock
        self.directory = Directory(clients)
        self.store = DirectoryStore(clients)
        self.sessions = Sessions(clients, self.directory, clock)
        self.passwords = Passwords(CHEAP)
        self.registry = CollectorRegistry()
        partitions = self.partitions = Partitions(16)
        self.context = ApiContext(
            directory=self.directory,
            store=self.store,
            sessions=self.sessions,
            passwords=self.passwords,
            lockout=Lockout(clients, clock),
            clock=clock,
            partitions=partitions,
            appender=GroupAppender(PartitionLog(clients)),
            history=History(clients, partitions),
            bots=BotReports(clients, partitions),
            transcripts=Transcripts(clients, partitions),
            records=ChatRecords(clients, partitions),
            canned=CannedReplies(clients, partitions),
            buried=BuriedNotifications(clients, partitions),
            snapshots=Snapshots(clients, partitions),
            collector_url="https://collect.example",
            geoip=Attribution("Country data by Somebody", "2026-01"),
            client_address=lambda request: request.headers.get("X-Test-Address", "192.0.2.1"),
            limits=limits,
            metrics=ApiMetrics(self.registry),
        )
        self.app = web.Application()
        self.url = ""
        self.http: ClientSession

    async def call(self, method: str, path: str, token: str | None = None, body: Any = None, **headers: str) -> Answer:
        """One request by a program: no cookies. `headers` with `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.http.request(method, self.url + path, data=data, headers=sent) as response:
            return Answer(response.status, response.headers, await response.read())

    def outcomes(self, outcome: str) -> float:
        """How many requests ended so."""
        samples = [s for metric in self.registry.collect() for s in metric.samples if s.name.endswith("_total")]
        return sum(s.value for s in samples if s.labels["outcome"] == outcome)

    def browser(self) -> ClientSession:
        """A client that keeps cookies."""
        return ClientSession(cookie_jar=CookieJar(unsafe=True))

    async def login(self, operator: Operator) -> str:
        """A token without the price of a password."""
        return (await self.sessions.create(operator)).token

    async def site(self, name: str = "Shop", **fields: Any) -> Site:
        """A site of its own for a test, with two skills."""
        skills = (Skill("general", "General"), Skill("sales", "Sales"))
        new = Site(site=f"s_{next(_numbers):08x}", name=name, skills=skills, created_at=self.clock.now_ms(), **fields)
        written = await self.store.create_site(new)
        assert isinstance(written, Written)
        return written.record

    async def talk(self, site: Site, number: int = 1) -> Talk:
        """A visitor of the site with a chat, an offline message and a ban, as presence and chat-routing store them."""
        visitor = str(uuid.UUID(int=number))
        chat = f"{site.site}.{visitor}.{number:x}.1"
        here, at = self.partitions.of(site.site), 1_000 * number
        eve = Actor("visitor", visitor, "=Eve")
        lines = (
            ChatEvent(chat=chat, seq=1, at=at, type="requested", by=eve, text="Help"),
            ChatEvent(chat=chat, seq=2, at=at + 1, type="message", by=eve, id="m", text="+49 call me\nTwo lines"),
        )
        message = OfflineMessageLeft(
            site=site.site, visitor=visitor, id="f", at=at, name="Eve", email="eve@x.example", text="Call"
        )
        ban = Ban(until=self.clock.now_ms() + 60_000, at=at, by=Actor("operator", "o_1234", "Ada"), reason="Rude")
        summary = ChatSummary(chat=chat, status="chat_end", skill="general", began_at=at)
        pack = msgspec.msgpack.encode
        lost = Undelivered(id="d", site=site.site, kind="chat", target="a@b.c", reason="refused", attempts=1, at=at)
        entry, given_up, *_ = await self.clients.pipeline(
            [
                ("XADD", keys.inbox(here, site.site), "*", "d", pack(message)),
                ("XADD", keys.dead_notifications(here), "*", "d", pack(lost)),
                *(("XADD", keys.transcript(here, chat), f"{line.seq}-0", "d", pack(line)) for line in lines),
                ("HSET", keys.chats(here, site.site, visitor), chat, pack(summary)),
                ("ZADD", keys.site_chats(here, site.site), at, chat),
                ("HSET", keys.bans(here, site.site), visitor, pack(ban)),
                ("HSET", keys.visitors(here, site.site), visitor, pack_visitor(Visitor(number=number, live=True))),
            ]
        )
        reply = CannedReply(canned="c0ffee", shortcut="hello", text="Hello!", version=1)
        await self.context.canned.put(site.site, reply, 0)
        return Talk(visitor, chat, entry.decode(), given_up.decode())

    async def asked(self, stream: keys.InputStream, site: Site) -> list[Any]:
        """What the gateway appended about the site's partition."""
        decode = decode_cmd if stream == "cmd" else decode_in
        entries = await self.clients.call("XRANGE", keys.stream(stream, self.partitions.of(site.site)), "-", "+")
        return [decode(payload) for _, fields in entries for payload in payloads_in(fields)]

    async def operator(self, site: Site | None = None, role: Role = "operator", **fields: Any) -> Operator:
        """An account, with a role on `site`."""
        number = next(_numbers)
        members = (Membership(site=site.site, role=role),) if site else ()
        known: dict[str, Any] = {"email": f"person{number}@x.example", "name": f"Person {number}"}
        new = Operator(operator=f"o_{number:08x}", memberships=members, **(known | fields))
        written = await self.store.create_operator(new, await self.passwords.hash(PASSWORD))
        assert isinstance(written, Written)
        return written.record


@asynccontextmanager
async def serving(clients: Clients, limits: Limits | None = None) -> AsyncIterator[Api]:
    """The API on a free port."""
    api = Api(clients, ManualClock(), limits or Limits())
    add_api_routes(api.app, api.context)
    await api.directory.start()
    runner = web.AppRunner(api.app, access_log=None, lingering_time=0.1)  # what a refused body still sends
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with ClientSession(cookie_jar=DummyCookieJar()) as api.http:
            yield api
        assert api.outcomes("internal") == 0
    finally:
        await runner.cleanup()
        await api.directory.stop()
        api.passwords.close()
