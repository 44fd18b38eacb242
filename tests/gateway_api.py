"""The gateway's HTTP API on a real socket, and a small world to ask it about."""

from __future__ import annotations

import itertools
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
from shared.contracts.control import Attribution
from shared.contracts.sites import Membership, Operator, Role, Site, Skill
from shared.runtime.clock import ManualClock
from shared.storage.clients import Clients
from shared.storage.directory import Directory
from shared.storage.directory_store import DirectoryStore, Written
from shared.storage.lockout import Lockout
from shared.storage.sessions import Sessions

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
        self.context = ApiContext(
            directory=self.directory,
            store=self.store,
            sessions=self.sessions,
            passwords=self.passwords,
            lockout=Lockout(clients, clock),
            clock=clock,
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

    async def site(self, name: str = "Shop") -> Site:
        """A site of its own for a test, with two skills."""
        skills = (Skill("general", "General"), Skill("sales", "Sales"))
        new = Site(site=f"s_{next(_numbers):08x}", name=name, skills=skills, created_at=self.clock.now_ms())
        written = await self.store.create_site(new)
        assert isinstance(written, Written)
        return written.record

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
