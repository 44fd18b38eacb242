"""Accepted commands a second of one chat-routing process, as they come from many visitors and operators at once.

    python -m bench.chat_commands [--pairs 200] [--seconds 6] [--rounds 3] [--page-views 1000]

A real chat-routing process and Valkey. This process plays collectors and gateways: it appends commands by group commit
and hears the outcomes on the chat stream, as they do. So many pairs of a visitor and an operator live through chats:
ask, accept, ten messages each way, end; each waits for the answer to one command before it sends the next, so batches
are as they come. All pairs on one site, then on 16 sites, then on one site while page views arrive over collector and
presence. A command counts when its answer says done. Baseline, with the same driver in the same run: the same loop and
commit with a step that says "done" to everything and keeps nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvloop

from bench._figures import cpu_s, info, machine, spread
from bench._floor import PARTITIONS, UNLIMITED, Floor, Shares, page_views
from bench._visitors import stored
from bench._wire import ORIGIN
from shared.contracts.chat import AcceptRequest, Actor, Command, CommandDone, EndChat, RequestChat
from shared.contracts.chat import SendMessage as Send
from shared.contracts.sites import Membership, Operator, Site
from shared.contracts.streams import ChatOutcomes, GatewayAlive, OperatorConnected, decode_chat, decode_cmd, encode
from shared.domain.partitions import Partition
from shared.runtime.clock import SystemClock
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory_store import DirectoryStore
from shared.storage.log import GroupAppender, PartitionLog, Tail
from shared.storage.owner import Changes, Inputs, PartitionOwner
from tests.eventually import eventually
from tests.stack import SERVICES, Stack

EACH = 10  # chats of one operator
MESSAGES = 10  # of each side in a chat
SITES = [f"s_{number:08x}" for number in range(16)]
GATEWAY = "gw-bench"
ALIVE_S = 5.0
TEXT = "Do you have these in size 43, and could they be here by Friday?"
Waiting = dict[tuple[str, str], asyncio.Future[CommandDone]]


class Edge:
    """Collectors and gateways: commands in, answers out."""

    def __init__(self, clients: Clients) -> None:
        self.accepted = self.refused = 0
        self._clients = clients
        self._appender = GroupAppender(PartitionLog(clients))
        self._waiting: Waiting = {}
        self._numbers = itertools.count(1)
        self._standing: set[int] = set()

    async def listen(self, partition: Partition) -> None:
        """Until cancelled."""

        async def entries(_stream: str, found: list[tuple[str, bytes]]) -> None:
            for _, payload in found:
                for outcome in decode_chat(payload).outcomes:
                    if isinstance(outcome, CommandDone):
                        self._answered(outcome)

        async def reset(_reason: str) -> None:
            self._standing.add(partition.index)

        await Tail(self._clients, partition, entries, reset, ("chat",)).run()

    def _answered(self, done: CommandDone) -> None:
        self.accepted += done.code is None
        self.refused += done.code is not None
        waiter = self._waiting.pop((done.by.id, done.id), None)
        if waiter is not None and not waiter.done():
            waiter.set_result(done)

    async def stands(self, partitions: set[int]) -> None:
        """Everything that is said from now on is heard."""
        await eventually(lambda: partitions <= self._standing)

    async def tell(self, site: str, *entries: OperatorConnected | GatewayAlive) -> None:
        """Facts that are not answered."""
        await asyncio.gather(*(self._appender.submit("cmd", PARTITIONS.of(site), encode(one)) for one in entries))

    async def do(self, kind: Any, site: str, visitor: str, by: Actor, **fields: str) -> CommandDone:
        """The answer to one command."""
        ident = str(next(self._numbers))
        waiter: asyncio.Future[CommandDone] = asyncio.get_running_loop().create_future()
        self._waiting[by.id, ident] = waiter
        command = kind(site=site, visitor=visitor, by=by, id=ident, **fields)
        await self._appender.submit("cmd", PARTITIONS.of(site), encode(command))
        async with asyncio.timeout(10):
            return await waiter


async def live(edge: Edge, site: str, visitor: str, operator: str) -> None:
    """One pair's chats, one after the other, until cancelled."""
    asking, taking = Actor("visitor", visitor), Actor("operator", operator)
    await edge.do(EndChat, site, visitor, asking)  # one of a stretch before
    while True:
        await edge.do(RequestChat, site, visitor, asking, name="Eve", text=TEXT)
        await edge.do(AcceptRequest, site, visitor, taking)
        for _ in range(MESSAGES):
            await edge.do(Send, site, visitor, asking, text=TEXT)
            await edge.do(Send, site, visitor, taking, text=TEXT)
        await edge.do(EndChat, site, visitor, taking)


class World:
    """The sites with their visitors and operators, who are all connected."""

    def __init__(self, clients: Clients, pairs: int) -> None:
        self.edge = Edge(clients)
        self._clients = clients
        self._clock = SystemClock()
        self._visitors = [str(uuid.UUID(int=number)) for number in range(1, pairs + 1)]
        self._operators = [f"o_{number:08x}" for number in range(-(-pairs // EACH))]

    async def make(self) -> None:
        """Into the directory, the list and the roster."""
        store = DirectoryStore(self._clients)
        for site in SITES:
            await store.create_site(Site(site=site, name="Bench", origins=(ORIGIN,)))
            key = keys.visitors(PARTITIONS.of(site), site)
            rows = [part for number, one in enumerate(self._visitors, 1) for part in (one, stored(number))]
            await self._clients.call("HSET", key, *rows)
        for name in self._operators:
            member = tuple(Membership(site=site, max_chats=50) for site in SITES)
            await store.create_operator(
                Operator(operator=name, email=f"{name}@x.example", name=name, memberships=member), "-"
            )

    @contextlib.asynccontextmanager
    async def at_work(self, sites: list[str]) -> AsyncIterator[None]:
        """All pairs chat, spread over `sites`."""
        partitions = {PARTITIONS.of(site).index: PARTITIONS.of(site) for site in sites}
        tasks = [asyncio.create_task(self.edge.listen(partition)) for partition in partitions.values()]
        await self.edge.stands(set(partitions))
        for site in sites:
            now_ms = self._clock.now_ms()
            facts = [OperatorConnected(site, one, one, f"c-{one}", GATEWAY, now_ms) for one in self._operators]
            await self.edge.tell(site, *facts)
        tasks.append(asyncio.create_task(self._alive(sites)))
        for number, visitor in enumerate(self._visitors):
            site = sites[number % len(sites)]
            tasks.append(asyncio.create_task(live(self.edge, site, visitor, self._operators[number // EACH])))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            faults = [one for one in ended if isinstance(one, Exception)]
            assert not faults, faults[0]

    async def _alive(self, sites: list[str]) -> None:
        firsts = {PARTITIONS.of(site).index: site for site in sites}
        while True:
            for site in firsts.values():
                await self.edge.tell(site, GatewayAlive(GATEWAY, self._clock.now_ms()))
            await asyncio.sleep(ALIVE_S)


async def measure(
    title: str, world: World, sites: list[str], pids: dict[str, int], options: argparse.Namespace
) -> None:
    """Print commands a second, and what of the processor each took."""
    edge, server = world.edge, next(iter(pids.values()))
    pids = {**pids, "this client": os.getpid()}
    rates, costs = [], []
    async with world.at_work(sites):
        await asyncio.sleep(options.seconds / 3)
        edge.refused = 0
        shares = Shares(pids)
        for _ in range(options.rounds):
            before, used, began = edge.accepted, cpu_s(server), time.perf_counter()
            await asyncio.sleep(options.seconds)
            done = edge.accepted - before
            rates.append(done / (time.perf_counter() - began))
            costs.append((cpu_s(server) - used) / max(1, done) * 1e6)
        line = shares.line()
    print(f"{title}:")
    print(f"  accepted a second {spread(rates)}   processor µs each {spread(costs)}   refused {edge.refused}")
    print(f"  {line}", flush=True)


async def answer(redis_url: str) -> None:
    """The baseline's process: say done to everything."""
    clients = Clients(RedisSettings(redis_url))

    async def step(_partition: Partition, inputs: Inputs) -> Changes:
        commands = [one for one in (decode_cmd(payload) for _, payload in inputs.entries) if isinstance(one, Command)]
        done = tuple(CommandDone(site=one.site, visitor=one.visitor, by=one.by, id=one.id) for one in commands)
        return Changes(chat=[encode(ChatOutcomes(done))] if done else [])

    owner = PartitionOwner(
        clients, PARTITIONS, service="chat_routing", stream="cmd", instance="bare", clock=SystemClock(), step=step
    )
    await owner.run()


@contextlib.asynccontextmanager
async def bare(redis_url: str) -> AsyncIterator[int]:
    """The baseline's process id."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.chat_commands", "--answer", redis_url)
    try:
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


async def run(options: argparse.Namespace) -> None:
    """All of it."""
    print(machine())
    services = SERVICES if options.page_views else ("chat_routing",)
    with tempfile.TemporaryDirectory() as folder:
        async with Stack(Path(folder), {}, dict(UNLIMITED), (ORIGIN,), services=()) as stack:
            clients = Clients(RedisSettings(stack.valkey.url))
            valkey = {"valkey": int((await info(clients, "server"))["process_id"])}
            world = World(clients, options.pairs)
            await world.make()
            async with bare(stack.valkey.url) as pid:
                await measure("baseline, one site", world, SITES[:1], {"bare": pid, **valkey}, options)
            for service in services:
                await stack.add(service)
            await asyncio.gather(*(instance.ready() for instance in stack.instances))
            pids = {one.service: one.process.pid for one in stack.instances if one.process is not None}
            pids = {"chat_routing": pids["chat_routing"], **pids, **valkey}
            await measure("chat-routing, one site", world, SITES[:1], pids, options)
            await measure("chat-routing, 16 sites", world, SITES, pids, options)
            if options.page_views:
                async with page_views(Floor(stack, clients, [], [], pids), options.page_views) as views:
                    assert views is not None
                    title = f"chat-routing, one site, with {options.page_views:.0f} page views a second"
                    await measure(title, world, SITES[:1], pids, options)
                    turned = await views.since()
                    print(f"  page views: {turned}")
            await clients.close()


def main() -> None:
    """Measure, or play the baseline's part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page-views", type=float, default=1_000, help="a second, in the last part; 0: no such part")
    parser.add_argument("--answer", metavar="REDIS_URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    uvloop.run(answer(options.answer) if options.answer else run(options))


if __name__ == "__main__":
    main()
