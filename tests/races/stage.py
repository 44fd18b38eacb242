"""The running system on which races are held: two processes each of chat-routing, gateway and collector.

A :class:`Lane` is a site of its own with its own operators, so that rounds of several lanes run at the same time and
each lane's slots can be counted exactly. Lanes are spread over partitions of both chat-routing processes, windows over
both gateways, tabs over both collectors. Read :meth:`Stage.lanes`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path

import aiohttp

from shared.contracts.sites import Membership, Operator, Role, Site, SiteSettings
from shared.domain.partitions import Partitions
from shared.runtime.clock import SystemClock
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory import Directory
from shared.storage.directory_store import DirectoryStore, Written
from shared.storage.sessions import Sessions
from tests.eventually import eventually
from tests.races.desk import Desk
from tests.races.guest import ORIGIN, Guest
from tests.stack import Instance, Stack
from tests.wire import Wire

# Nothing that a race does many times in a row may be refused for speed: limits have tests of their own.
LIMITS = {
    "COLLECTOR_VISITOR_PER_S": "100000",
    "COLLECTOR_FRAMES_PER_S": "100000",
    "COLLECTOR_CHAT_PER_S": "100000",
    "COLLECTOR_ADDRESS_PER_S": "100000",
    "COLLECTOR_REMEMBERED_BURST": "100000",
    "GATEWAY_CONNECTS_PER_S": "1000",
    "LOG_LEVEL": "WARNING",
}
MAX_CHATS = 3  # so few that a slot which is not given back is missed within three rounds
READY_S = 120.0
_numbers = count(1)


@dataclass
class Lane:
    """One site with its operators' windows and its visitors. `chats`: every chat id that anybody was told.

    `closing`: what is to be done at the end.
    """

    stage: Stage
    site: str
    desks: list[Desk]
    guests: list[Guest] = field(default_factory=list)
    rounds: int = 0
    chats: set[str] = field(default_factory=set)
    windows: list[Desk] = field(default_factory=list)
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)

    def everywhere(self) -> list[Desk]:
        """All windows: one for each operator, and the second ones."""
        return [*self.desks, *self.windows]

    @property
    def repeats(self) -> int:
        """Commands that were sent again because there was no final answer."""
        return sum(desk.repeats for desk in self.everywhere()) + sum(guest.repeats for guest in self.guests)

    @property
    def guest(self) -> Guest:
        """The visitor of this round."""
        return self.guests[-1]

    async def second_window(self, desk: Desk) -> Desk:
        """The same operator, on the other gateway."""
        gateways = self.stage.gateways
        other = gateways[(gateways.index(desk.gateway) + 1) % len(gateways)]
        window = Desk(self.stage.http, other, desk.operator, desk.token)
        await window.connect()
        await window.open(self.site, limit=200)
        self.windows.append(window)
        return window

    async def log_out(self, desk: Desk) -> None:
        """The operator's login ends, and its window is closed."""
        url, headers = f"{desk.gateway}/api/v1/session", {"Authorization": f"Bearer {desk.token}"}
        async with self.stage.http.delete(url, headers=headers) as answer:
            assert answer.status == 204, answer.status
        self.desks.remove(desk)
        await desk.close()

    async def log_in(self, operator: str) -> Desk:
        """The operator is back, and all know."""
        account = self.stage.directory.operator(operator)
        assert account is not None
        desk = await self.stage.desk(account, self.rounds)
        await desk.open(self.site, limit=200)
        self.desks.append(desk)
        windows = self.everywhere()
        await eventually(lambda: all(one.states.get(operator) == "online" for one in windows), READY_S)
        names = {one.operator for one in windows}
        await eventually(lambda: names <= desk.states.keys(), READY_S)
        return desk

    async def new_guest(self, tabs: int = 2) -> Guest:
        """Another visitor, whom every window shows."""
        guest = Guest(self.stage.http, self.stage.collectors, self.site)
        await guest.arrive(tabs)
        await eventually(lambda: all(guest.visitor in desk.by_visitor() for desk in self.everywhere()), READY_S)
        self.guests.append(guest)
        return guest

    async def close(self) -> None:
        """Everybody goes home."""
        await asyncio.gather(*(guest.leave() for guest in self.guests), *(desk.close() for desk in self.everywhere()))
        await self.closing.aclose()


@dataclass
class Stage:
    """See the module's text."""

    stack: Stack
    clients: Clients
    http: aiohttp.ClientSession
    directory: Directory
    partitions: Partitions = field(default_factory=lambda: Partitions(16))

    def __post_init__(self) -> None:
        self.store = DirectoryStore(self.clients)
        self.sessions = Sessions(self.clients, self.directory, SystemClock())
        self.collectors = [one.url for one in self.of("collector")]
        self.gateways = [one.url for one in self.of("operator_gateway")]
        self._sides = cycle((0, 1))

    def of(self, service: str) -> list[Instance]:
        """The instances of a service."""
        return [instance for instance in self.stack.instances if instance.service == service]

    @asynccontextmanager
    async def wired_routing(self) -> AsyncIterator[dict[str, Wire]]:
        """Chat-routing started anew, each process with a wire between itself and Redis; the wires by instance."""
        async with AsyncExitStack() as opened:
            wires: dict[str, Wire] = {}
            processes = self.of("chat_routing")
            plain = [dict(one.env) for one in processes]
            for n, one in enumerate(processes):
                name = f"wired-{n}"
                wires[name] = await opened.enter_async_context(Wire(one.env["REDIS_URL"]))
                one.env |= {"REDIS_URL": wires[name].url, "CHAT_ROUTING_INSTANCE": name}
            await self.restart(*processes)
            try:
                yield wires
            finally:
                for one, env in zip(processes, plain, strict=True):
                    one.env = env
                await self.restart(*processes)

    async def restart(self, *instances: Instance) -> None:
        """Stop and start processes; ready when they share the work."""
        await asyncio.gather(*(one.stop() for one in instances))
        await asyncio.gather(*(one.start() for one in instances))
        await asyncio.gather(*(one.ready() for one in instances))
        await self.owners()

    async def owner(self, site: str) -> str:
        """Which chat-routing process looks after the site now."""
        lease = await self.clients.call("GET", keys.lease("chat_routing", self.partitions.of(site)))
        return lease.decode().rpartition(":")[0] if lease else ""

    async def owners(self) -> list[str]:
        """The chat-routing processes, once they share the partitions."""
        sites = [f"s_{n:04x}" for n in range(64)]

        async def both() -> list[str] | None:
            found = {await self.owner(site) for site in sites}
            return sorted(found) if len(found) == len(self.of("chat_routing")) and "" not in found else None

        owners: list[str] = await eventually(both, within_s=READY_S)
        return owners

    async def site(self, settings: SiteSettings) -> str:
        """A new site, in turn with one process of chat-routing and the other."""
        owners = await self.owners()
        wanted = owners[next(self._sides) % len(owners)]
        while True:
            key = f"s_{secrets.token_hex(4)}"
            if await self.owner(key) == wanted:
                break
        written = await self.store.create_site(Site(site=key, name="Shop", origins=(ORIGIN,), settings=settings))
        assert isinstance(written, Written), written
        return key

    async def account(self, sites: Sequence[str], role: Role = "operator") -> Operator:
        """A new operator of these sites."""
        number = next(_numbers)
        members = tuple(Membership(site=site, role=role, max_chats=MAX_CHATS) for site in sites)
        name = f"o_{secrets.token_hex(4)}"
        new = Operator(operator=name, email=f"{name}@example.org", name=f"Operator {number}", memberships=members)
        written = await self.store.create_operator(new, "-")
        assert isinstance(written, Written), written
        return written.record

    async def desk(self, account: Operator, gateway: int) -> Desk:
        """A window of that operator on one of the gateways."""
        token = (await self.sessions.create(account)).token
        desk = Desk(self.http, self.gateways[gateway % len(self.gateways)], account.operator, token)
        await desk.connect()
        return desk

    async def lane(self, operators: int, settings: SiteSettings) -> Lane:
        """A site, its operators (the last one a supervisor) and one visitor; everybody knows everybody."""
        site = await self.site(settings)
        accounts = [await self.account([site]) for _ in range(operators - 1)]
        accounts.append(await self.account([site], "supervisor"))
        desks = await asyncio.gather(*(self.desk(account, n) for n, account in enumerate(accounts)))
        lane = Lane(self, site, list(desks))
        for desk in desks:
            await desk.open(site, limit=200)
        names = {desk.operator for desk in desks}
        # Chat-routing has said so of each: from here on everybody can be asked.
        await eventually(lambda: all(names <= desk.states.keys() for desk in desks), READY_S)
        await lane.new_guest()
        return lane

    @asynccontextmanager
    async def lanes(self, number: int, operators: int, settings: SiteSettings) -> AsyncIterator[list[Lane]]:
        """Lanes for one race; the number is even, so that both processes have as many."""
        lanes = await asyncio.gather(*(self.lane(operators, settings) for _ in range(number)))
        try:
            yield list(lanes)
        finally:
            await asyncio.gather(*(lane.close() for lane in lanes))


@asynccontextmanager
async def stage(folder: Path, **env: str) -> AsyncIterator[Stage]:
    """The running system; `env` are settings of its processes."""
    twice = ("chat_routing", "collector", "operator_gateway")
    services = ("presence", *(service for service in twice for _ in range(2)))
    async with Stack(folder, env=LIMITS | env, services=services, origins=(ORIGIN,)) as stack:
        clients = Clients(RedisSettings(stack.valkey.url))
        directory = Directory(clients)
        await directory.start()
        try:
            async with aiohttp.ClientSession() as http:
                yield Stage(stack, clients, http, directory)
        finally:
            await directory.stop()
            await clients.close()
