"""A gateway on real sockets, a shop whose visitors are written to Redis as presence and chat-routing write them, and a
console: the stock Socket.IO client that keeps a window as the contract says."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import socketio

from services.operator_gateway import app as composition
from services.operator_gateway.app import Gateway
from services.operator_gateway.passwords import Passwords
from services.operator_gateway.settings import GatewaySettings
from services.operator_gateway.views.window import checksum
from shared.contracts.rows import EngagementRow, PresenceRow
from shared.contracts.sites import Membership, Operator, Role, Site, Skill
from shared.contracts.streams import LogEntry, Part, RowChanged, RowGone, decode_cmd, encode
from shared.domain.partitions import Partitions
from shared.domain.visitor import Tab, View, Visitor, presence_row
from shared.domain.visitor_packing import pack_visitor
from shared.runtime.clock import ManualClock
from shared.runtime.service import running
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.directory import Directory
from shared.storage.directory_store import DirectoryStore, Written
from shared.storage.sessions import Sessions
from tests.eventually import eventually
from tests.gateway_api import CHEAP
from tests.unit.gateway_views.rows import Client

_numbers = itertools.count(1)


def visitor_id(number: int) -> str:
    return str(uuid.UUID(int=number))


class Shop:
    """A site and its visitors, as presence and chat-routing would store and log them."""

    def __init__(self, clients: Clients, partitions: Partitions, site: Site) -> None:
        self.site = site.site
        self.record = site
        self._clients = clients
        self._partition = partitions.of(site.site)
        self._stored: dict[str, Visitor] = {}
        self._engagements: dict[str, EngagementRow] = {}
        self._seq: dict[Part, int] = {"presence": 0, "engagement": 0}

    async def visit(self, number: int, log: bool = True, **fields: Any) -> str:
        """The visitor appears, or changes. `log=False`: the entry is lost on its way."""
        visitor = visitor_id(number)
        title, url = fields.pop("title", None), fields.pop("url", f"https://shop.test/{number}")
        old = self._stored.get(visitor)
        base = old or Visitor(number=number, live=True, visits=1, visit_started_at=1_000 + number, pages=1)
        if title is not None or old is None:
            view = View(b"p" * 16, url, "Home" if title is None else title, 1)
            fields["tabs"] = (Tab(b"t" * 16, view=view, seen_at=1),)
        seq = self._next("presence")
        new = msgspec.structs.replace(base, version=seq, **fields)
        self._stored[visitor] = new
        row, before = presence_row(new), presence_row(old) if old else None
        assert row is not None
        changed = {
            name: value
            for name, value in msgspec.structs.asdict(row).items()
            if name != "version" and (before is None or getattr(before, name) != value)
        }
        await self._commit(
            "presence",
            RowChanged(self.site, seq, visitor, seq, changed, full=before is None),
            [("HSET", keys.visitors(self._partition, self.site), visitor, pack_visitor(new))],
            log,
        )
        return visitor

    async def leave(self, number: int, log: bool = True) -> None:
        """The visitor is gone."""
        visitor, seq = visitor_id(number), self._next("presence")
        del self._stored[visitor]
        write = ("HDEL", keys.visitors(self._partition, self.site), visitor)
        await self._commit("presence", RowGone(self.site, seq, visitor, seq), [write], log)

    async def engage(self, number: int, **fields: Any) -> None:
        """Chat-routing changes the visitor's engagement."""
        visitor, seq = visitor_id(number), self._next("engagement")
        new = EngagementRow(**{"status": "requested", **fields, "version": seq})
        self._engagements[visitor] = new
        body = {name: value for name, value in msgspec.structs.asdict(new).items() if name != "version"}
        write = ("HSET", keys.engagements(self._partition, self.site), visitor, msgspec.msgpack.encode(new))
        await self._commit("engagement", RowChanged(self.site, seq, visitor, seq, body, full=True), [write], True)

    async def forget(self, number: int) -> None:
        """Chat-routing forgets an engagement, as it does when its visitor has been gone for long."""
        visitor, seq = visitor_id(number), self._next("engagement")
        del self._engagements[visitor]
        write = ("HDEL", keys.engagements(self._partition, self.site), visitor)
        await self._commit("engagement", RowGone(self.site, seq, visitor, seq), [write], True)

    async def fill(self, numbers: range) -> None:
        """Many visitors at once, as if they had been there for long."""
        commands: list[Any] = []
        for number in numbers:
            seq = self._next("presence")
            view = View(b"p" * 16, f"https://shop.test/{number}", "Home", 1)
            stored = Visitor(
                number=number, version=seq, live=True, visits=1, visit_started_at=1_000 + number, pages=1,
                tabs=(Tab(b"t" * 16, view=view, seen_at=1),),
            )  # fmt: skip
            self._stored[visitor_id(number)] = stored
            key = keys.visitors(self._partition, self.site)
            commands.append(("HSET", key, visitor_id(number), pack_visitor(stored)))
        commands.append(("HSET", keys.site_meta(self._partition, self.site), "seq", self._seq["presence"]))
        await self._clients.pipeline(commands)

    async def retitle(self, numbers: range, title: str) -> None:
        """Many visitors change in one commit."""
        key = keys.visitors(self._partition, self.site)
        commands: list[Any] = []
        changes: list[RowChanged | RowGone] = []
        for number in numbers:
            visitor, seq = visitor_id(number), self._next("presence")
            page = {"url": f"https://shop.test/{number}", "title": title}
            tabs = (Tab(b"t" * 16, view=View(b"p" * 16, page["url"], title, 1), seen_at=1),)
            self._stored[visitor] = msgspec.structs.replace(self._stored[visitor], version=seq, tabs=tabs)
            commands.append(("HSET", key, visitor, pack_visitor(self._stored[visitor])))
            changes.append(RowChanged(self.site, seq, visitor, seq, {"page": page}))
        commands.append(("HSET", keys.site_meta(self._partition, self.site), "seq", self._seq["presence"]))
        entry = encode(LogEntry("presence", tuple(changes)))
        await self._clients.pipeline([*commands, ("XADD", keys.stream("log", self._partition), "*", "d", entry)])

    async def owned(self) -> None:
        """Presence took the partition: its data has a name."""
        await self._clients.call("HSET", keys.checkpoint("presence", self._partition), "epoch", uuid.uuid4().hex)

    async def lose_data(self) -> None:
        """Redis came back without its last writes: streams end earlier, everything is another life."""
        for stream in ("log", "chat"):
            await self._clients.call("DEL", keys.stream(stream, self._partition))
        for key in (
            keys.visitors(self._partition, self.site),
            keys.engagements(self._partition, self.site),
            keys.site_meta(self._partition, self.site),
            keys.engagement_meta(self._partition, self.site),
        ):
            await self._clients.call("DEL", key)
        await self.owned()
        self._stored, self._engagements = {}, {}
        self._seq = {"presence": 0, "engagement": 0}

    async def commands(self) -> list[Any]:
        """What the gateway told chat-routing, decoded."""
        entries = await self._clients.call("XRANGE", keys.stream("cmd", self._partition), "-", "+")
        return [decode_cmd(fields[b"d"] if isinstance(fields, dict) else fields[1]) for _, fields in entries]

    async def say(self, payload: bytes) -> None:
        """Chat-routing says something."""
        await self._clients.call("XADD", keys.stream("chat", self._partition), "*", "d", payload)

    def seq(self, part: Part) -> int:
        return self._seq[part]

    def presence(self, number: int) -> PresenceRow:
        row = presence_row(self._stored[visitor_id(number)])
        assert row is not None
        return row

    def _next(self, part: Part) -> int:
        self._seq[part] += 1
        return self._seq[part]

    async def _commit(self, part: Part, change: RowChanged | RowGone, writes: list[Any], log: bool) -> None:
        meta = keys.site_meta if part == "presence" else keys.engagement_meta
        commands = [*writes, ("HSET", meta(self._partition, self.site), "seq", change.seq)]
        if log:
            commands.append(("XADD", keys.stream("log", self._partition), "*", "d", encode(LogEntry(part, (change,)))))
        await self._clients.pipeline(commands)


@dataclass
class Console:
    """One stock client. `views` hold what an operator sees; `events` all that came."""

    client: socketio.AsyncClient
    views: dict[str, Client] = field(default_factory=dict)
    events: list[tuple[str, Any]] = field(default_factory=list)
    deltas: int = 0
    resyncs: int = 0
    checked: int = 0

    async def ask(self, event: str, request: Any) -> Any:
        return await self.client.call(event, request, timeout=10)

    async def open(self, shop: Shop, view: str = "list", **fields: Any) -> Client:
        """A view that keeps itself up to date from here on."""
        answer = await self.ask("view:open", {"view": view, "site": shop.site, **fields})
        assert answer["ok"], answer
        self.views.setdefault(view, Client()).take_state(answer)
        return self.views[view]

    def named(self, event: str) -> list[Any]:
        return [payload for name, payload in self.events if name == event]

    async def took(self, event: str, payload: Any) -> None:
        self.events.append((event, payload))
        view = self.views.get(payload.get("view", "")) if isinstance(payload, dict) else None
        if event == "view:delta" and view is not None:
            self.deltas += 1
            if not view.take_delta(payload):
                asyncio.get_running_loop().create_task(self._sync(payload["view"]))
        elif event == "view:check" and view is not None and payload["seq"] == view.seq:
            assert checksum([(row["visitor"], row["version"]) for row in view.rows]) == payload["checksum"]
            self.checked += 1

    async def _sync(self, name: str) -> None:
        self.resyncs += 1
        answer = await self.ask("view:sync", {"view": name, "have": self.views[name].have()})
        if answer["ok"]:
            self.views[name].take_state(answer)


class Rig:
    """One gateway and what is needed to look at it."""

    def __init__(self, clients: Clients, redis_url: str) -> None:
        self.clients = clients
        self.redis_url = redis_url
        self.clock = ManualClock()
        self.partitions = Partitions(16)
        self.directory = Directory(clients)
        self.store = DirectoryStore(clients)
        self.sessions = Sessions(clients, self.directory, self.clock)
        self.gateway: Gateway
        self.url = ""
        self.admin_port = 0
        self._consoles: list[socketio.AsyncClient] = []

    async def shop(self, **fields: Any) -> Shop:
        skills = (Skill("general", "General"), Skill("sales", "Sales"))
        known: dict[str, Any] = {"site": f"s_{next(_numbers):08x}", "name": "Shop", "skills": skills}
        written = await self.store.create_site(Site(**known | fields))
        assert isinstance(written, Written)
        await self.seen(written.record.version)
        shop = Shop(self.clients, self.partitions, written.record)
        await shop.owned()
        return shop

    async def operator(self, *shops: Shop, role: Role = "operator", **fields: Any) -> Operator:
        number = next(_numbers)
        members = tuple(Membership(site=shop.site, role=role) for shop in shops)
        known: dict[str, Any] = {"email": f"op{number}@x.example", "name": f"Op {number}", "memberships": members}
        new = Operator(operator=f"o_{number:08x}", **known | fields)
        written = await self.store.create_operator(new, "-")
        assert isinstance(written, Written)
        await self.seen(written.record.version)
        return written.record

    async def seen(self, _version: int = 0) -> None:
        """The gateway's directory knows what Redis knows."""
        seq = await self.store.seq()
        assert await self.gateway.directory.wait_until_seen(seq, 10)

    async def token(self, operator: Operator) -> str:
        return (await self.sessions.create(operator)).token

    async def connect(self, operator: Operator, mount: str = "socket.io", **options: Any) -> Console:
        """A console of that operator, after `ready`."""
        serializer = "msgpack" if mount.endswith("msgpack") else "default"
        client = socketio.AsyncClient(serializer=serializer, reconnection=False)
        self._consoles.append(client)
        console = Console(client)
        client.on("*", console.took)
        token = options.pop("token", None) or await self.token(operator)
        options.setdefault("transports", ["websocket"])
        await client.connect(self.url, socketio_path=mount, auth={"token": token}, **options)
        await eventually(lambda: console.named("ready"))
        return console

    async def close(self) -> None:
        for client in self._consoles:
            await client.disconnect()
            await client.shutdown()


@asynccontextmanager
async def gateway(clients: Clients, redis_url: str, static: Path, **settings: Any) -> AsyncIterator[Rig]:
    """A running gateway on free ports."""
    rig = Rig(clients, redis_url)
    made: list[Gateway] = []

    class Seen(Gateway):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    known: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "admin_port": 0, "redis_url": redis_url, "static": static}
    cheap = Passwords(CHEAP)
    with mock.patch.object(composition, "Gateway", Seen), mock.patch.object(composition, "Passwords", lambda: cheap):
        service = composition.build(GatewaySettings(**known | settings), clock=rig.clock)
    rig.gateway = made[0]
    async with running(service) as up:
        rig.url = f"http://127.0.0.1:{up.ports[0]}"
        rig.admin_port = up.admin_port
        try:
            yield rig
        finally:
            await rig.close()
