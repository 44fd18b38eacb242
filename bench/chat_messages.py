"""What one message costs chat-routing, on a site where many chats go on at the same time.

Three figures from one run, CPU time of this process for one message: the pure decision in memory (the baseline), the
service's own loop through a real Valkey in batches of 500, and the same one message at a time, where whatever a step
loads is paid for a single line. The last one is done with few and with many chats: it must hardly differ, for a step
must not load the whole site. Median and spread of several runs. Valkey's own work runs on another core.

    python -m bench.chat_messages [--messages 4000] [--chats 1000] [--repeat 3]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry

from services.chat_routing.domain.agents import Agent
from services.chat_routing.domain.floor import Floor, Moment, agent_changed, perform
from services.chat_routing.domain.turn import VisitorFacts
from services.chat_routing.metrics import Metrics
from services.chat_routing.step import ChatStep
from shared.contracts.chat import AcceptRequest, Actor, ChatCommand, RequestChat, SendMessage
from shared.contracts.sites import Membership, Operator, Site, SiteSettings
from shared.contracts.streams import CmdEntry, OperatorConnected, encode
from shared.domain.partitions import Partition, Partitions
from shared.embedded import EmbeddedValkey
from shared.runtime.clock import SystemClock
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.engagements import SERVICE, EngagementStore
from shared.storage.log import PartitionLog
from shared.storage.owner import Changes, Inputs, PartitionOwner

SITE = Site(site="s_bench", name="Bench", settings=SiteSettings(queue_limit=10_000))
PARTITIONS = Partitions(1)
HERE = PARTITIONS.all()[0]
EACH = 4  # chats of one operator
CHUNK = 500
FEW = 10


class NoNotices:
    """Nothing leaves."""

    mails = False

    def wake(self, _partition: Partition, /) -> None:
        """Nobody sends."""


class OneSite:
    """A directory with one site, whose operators are whoever asks."""

    version = 1

    def site(self, site: str, /) -> Site | None:
        """That site."""
        return SITE if site == SITE.site else None

    def operator(self, operator: str, /) -> Operator | None:
        """An account with this id."""
        membership = Membership(site=SITE.site, max_chats=EACH)
        return Operator(operator=operator, email="a@b.c", name=operator, memberships=(membership,))

    async def catch_up(self) -> bool:
        """Always fresh."""
        return True


def people(chats: int) -> list[tuple[str, str]]:
    """Visitors with their operators."""
    return [(str(uuid.UUID(int=i)), f"o_{i // EACH:04x}") for i in range(chats)]


def beginnings(pairs: list[tuple[str, str]], now_ms: int) -> list[CmdEntry]:
    """What it takes until all of them chat."""
    entries: list[CmdEntry] = []
    operators = dict.fromkeys(operator for _, operator in pairs)
    entries += [OperatorConnected(SITE.site, name, name, f"c-{name}", "gw", now_ms) for name in operators]
    for visitor, operator in pairs:
        asking, taking = Actor("visitor", visitor), Actor("operator", operator)
        entries.append(RequestChat(site=SITE.site, visitor=visitor, by=asking, id="ask", name="Eve"))
        entries.append(AcceptRequest(site=SITE.site, visitor=visitor, by=taking, id="take"))
    return entries


def lines(pairs: list[tuple[str, str]], count: int) -> list[ChatCommand]:
    """Messages of the visitors in turn."""
    found: list[ChatCommand] = []
    for i in range(count):
        visitor, _ = pairs[i % len(pairs)]
        text = "Do you have these in size 43, and could they be here by Friday?"
        found.append(SendMessage(site=SITE.site, visitor=visitor, by=Actor("visitor", visitor), id=f"m{i}", text=text))
    return found


def pure(pairs: list[tuple[str, str]], count: int) -> float:
    """Microseconds for one message in memory."""
    moment = Moment(SystemClock().now_ms(), SITE.settings)
    facts = {visitor: VisitorFacts(present=True, skill="general") for visitor, _ in pairs}
    floor = Floor(SITE.site, frozenset({"general"}), visitors=facts)
    for entry in beginnings(pairs, moment.now_ms):
        if isinstance(entry, OperatorConnected):
            agent = Agent(
                operator=entry.operator, name="A", primary="general", limit=EACH, state="online", connected=True
            )
            floor = agent_changed(floor, agent, moment).floor
        elif isinstance(entry, RequestChat | AcceptRequest):
            floor = perform(floor, entry.visitor, entry, moment).floor
    commands = lines(pairs, count)
    started = time.process_time()
    for command in commands:
        floor = perform(floor, command.visitor, command, moment).floor
    return (time.process_time() - started) / count * 1e6


class Counted:
    """The service's step; `done` is set after `wanted` entries have been committed."""

    def __init__(self, clients: Clients) -> None:
        self.step = ChatStep(EngagementStore(clients), OneSite(), Metrics(CollectorRegistry()), NoNotices())
        self.wanted, self.seen, self.done = 0, 0, asyncio.Event()

    async def __call__(self, partition: Partition, inputs: Inputs) -> Changes:
        """One step; the entries of the one before it are committed by now."""
        changes = await self.step(partition, inputs)
        remember = changes.on_committed

        def committed() -> None:
            if remember is not None:
                remember()
            self.seen += len(inputs.entries)
            if self.seen >= self.wanted:
                self.done.set()

        return Changes(changes.writes, changes.timers, changes.log, changes.chat, committed)

    async def all_of(self, count: int) -> None:
        """Wait until `count` more entries are committed than have been waited for."""
        self.wanted += count
        self.done.clear()
        if self.seen < self.wanted:
            await self.done.wait()


async def loop(clients: Clients, pairs: list[tuple[str, str]], count: int, at_once: int) -> float:
    """Microseconds for one message through the service's loop, `at_once` in a batch at most."""
    await clients.call("FLUSHALL")
    log, counted, clock = PartitionLog(clients), Counted(clients), SystemClock()
    owner = PartitionOwner(
        clients, PARTITIONS, service=SERVICE, stream="cmd", instance="bench", clock=clock, step=counted
    )
    running = asyncio.create_task(owner.run())
    try:
        begin = [encode(entry) for entry in beginnings(pairs, clock.now_ms())]
        for i in range(0, len(begin), CHUNK):
            await log.append("cmd", HERE, begin[i : i + CHUNK])
        await counted.all_of(len(begin))
        payloads = [encode(command) for command in lines(pairs, count)]
        started = time.process_time()
        for i in range(0, count, at_once):
            some = payloads[i : i + at_once]
            await log.append("cmd", HERE, some)
            await counted.all_of(len(some))
        spent = time.process_time() - started
        said = await clients.call("XLEN", keys.stream("chat", HERE))
        assert said, "nothing was told"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return spent / count * 1e6


async def measure(arguments: argparse.Namespace) -> None:
    """Run everything and print a line for each."""
    many, few = people(arguments.chats), people(FEW)
    single = max(1, arguments.messages // 10)
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as server:
        clients = Clients(RedisSettings(server.url))

        async def in_memory() -> float:
            return pure(many, arguments.messages)

        runs: dict[str, Callable[[], Awaitable[float]]] = {
            f"pure decision, {arguments.chats} chats": in_memory,
            f"loop, batches, {arguments.chats} chats": lambda: loop(clients, many, arguments.messages, CHUNK - 1),
            f"loop, one by one, {FEW} chats": lambda: loop(clients, few, single, 1),
            f"loop, one by one, {arguments.chats} chats": lambda: loop(clients, many, single, 1),
        }
        baseline = 0.0
        for name, run in runs.items():
            found = sorted([await run() for _ in range(arguments.repeat)])
            median = statistics.median(found)
            baseline = baseline or median
            print(f"{name:36} {median:8.0f} µs ({found[0]:.0f} to {found[-1]:.0f})  x{median / baseline:.1f}")
        await clients.close()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=4_000)
    parser.add_argument("--chats", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=3)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
